"""The rules of the two accounts: what is read from a script, what a rule lets through, and what it does not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace

import pytest

from core.backups.restic import ResticDriver
from core.hosts import HostRef
from core.transport import Command
from hostdrivers import DRIVERS
from hostdrivers.catalogue import Privileged, Sides, privileged
from hostdrivers.invocations import Invocation, invocations
from hostdrivers.pins import PINS
from hostdrivers.privileges import COMPONENT, OwnMount, Role, Rule, Scope, below, escaped, rules
from tests.hostdrivers.temptations import CHANGES, OUTSIDE, SHELLS

MOUNTS = (
    OwnMount("vgdata", "lvdata", "ext4", "/srv/data"),
    OwnMount("vgdata", "lvlogs", "xfs", "/srv/data/logs"),
    OwnMount("vgdata", "lvab", "ext4", "/srv/a b"),
)
SCOPE = Scope(
    ("vgdata",), ("vgdata_bcv", "vgdata_bcv_sm", "vgdata", "vgdata_sm"), "/mnt/splitmount/ordinary", MOUNTS, ("790B4000",),
    "/var/tmp/splitmount", target=True,
)  # fmt: skip
RESTIC = ResticDriver("/var/tmp/restic-repo", password_command="cat /root/.restic-password", create=True)


def permitted(rules: Iterable[Rule], argv: list[str]) -> bool:
    """What sudo decides: the command by its name, the arguments as one line."""
    name, line = argv[0].rsplit("/", 1)[-1], " ".join(argv[1:])
    return any(
        rule.path.rsplit("/", 1)[-1] == name and (rule.arguments == line if rule.exact else re.fullmatch(rule.arguments, line))
        for rule in rules
    )


def made(role: Role, scope: Scope = SCOPE, system: str = "linux") -> tuple[Rule, ...]:
    """The rules of a host that is source and target."""
    found = privileged(DRIVERS[system], HostRef("alpha", system, "sudo"), Sides(True, True, "ordinary", RESTIC))
    return rules(PINS[system], scope, role, found)[0]


def words(script: str) -> list[str]:
    """What a script runs as root, with the holes in braces."""
    return [str(one) for one in invocations(script)]


def test_what_a_script_runs_as_root_is_read_with_its_words_and_holes() -> None:
    assert words('$S lvm vgs -o "name,$x" $ALL | tr -d " "\n') == ["lvm vgs -o name,{x} {ALL}"]
    assert words('if $S mount -o \'a b\' "$n" "$p/x" 2>/dev/null; then :; fi\n') == ["mount -o a b {n} {p}/x"]
    assert words('fail "no: `$S fuser -m "$point" 2>&1`"\n') == ["fuser -m {point}"]
    assert words("trap '$S rmdir \"$LOCK\" 2>/dev/null' 0\necho 'x'\n") == ["rmdir {LOCK}"]
    assert words("S='sudo -n'\n# $S rm x\nsudo -n `gnu tar` -c > out\n") == ["{gnu tar} -c"]
    assert words('cat x | $S dd of="$d" bs=1 < "$f" || exit\n') == ["dd of={d} bs=1"]


def test_a_function_counts_only_where_it_is_called() -> None:
    functions = "used() { # X\n  $S lvs\n}\nunused() {\n  $S rm -rf /\n}\n"
    assert words(functions + "used\n") == ["lvs"]
    assert words("outer() {\n  used\n}\n" + functions + "sect x outer\n") == ["lvs"]


@pytest.mark.parametrize("role", Role)
def test_no_rule_lets_a_temptation_through(role: Role) -> None:
    allowed = made(role)
    serials = {"bcv": "790B4000", "own": "79031000"}
    tried = (*SHELLS, *(CHANGES if role is Role.INSPECTOR else ()), *(text.format(**serials) for text in OUTSIDE))
    assert not [text for text in tried if permitted(allowed, shlex.split(text))]
    assert len(tried) > 40


def test_what_a_run_sends_goes_through() -> None:
    allowed, point = made(Role.OPERATOR), "/mnt/splitmount/ordinary/srv/data"
    for text in (
        f"mount -t xfs -o ro,nodev,nosuid,nouuid /dev/mapper/vgdata_bcv-lvlogs {point}/logs",
        f"mkdir -m 755 {point}",
        "dd of=/dev/disk/by-id/splitmount-790B4000 bs=65536 conv=fsync,notrunc",
        "fsfreeze -f /srv/data/logs",
        "restic --repo /var/tmp/restic-repo --password-command 'cat /root/.restic-password' backup --json --one-file-system --host "
        "ordinary --time '2026-11-24 10:00:00' --tag splitmount --tag set=ordinary --tag split=mw1-0a --tag run=o-1 --tag at=1T2Z "
        "--tag taken=1T2Z --tag files=1 --tag bytes=2 --tag tree=/mnt/splitmount/ordinary/srv/a%20b=/srv/a%20b "
        "--tag tree=/mnt/splitmount/ordinary/srv/data/logs=/srv/data/logs -- '/mnt/splitmount/ordinary/srv/a b' "
        "/mnt/splitmount/ordinary/srv/data/logs",
        "lvm vgchange --config 'backup{backup=0 archive=0}' -an --nohints --devices /dev/sda,/dev/sdb vgdata_bcv",
        "sed -i -e '$a # splitmount takeover of vgdata begin' -e '$a /dev/mapper/vgdata-lvdata /srv/data ext4 defaults 0 2' "
        "-e '$a # splitmount takeover of vgdata end' /etc/fstab",
        "sed -i -e '/^# splitmount takeover of vgdata begin$/,/^# splitmount takeover of vgdata end$/d' /etc/fstab",
    ):
        assert permitted(allowed, shlex.split(text)), text


def test_without_a_kept_map_nothing_of_the_set_s_own_filesystems_is_allowed() -> None:
    found = privileged(DRIVERS["linux"], HostRef("alpha", "linux", "sudo"), Sides(True, False, "ordinary", None))
    allowed, left = rules(PINS["linux"], replace(SCOPE, mounts=(), copies=(), target=False), Role.OPERATOR, found)
    assert not permitted(allowed, shlex.split("fsfreeze -f /srv/data"))
    assert any(one.text.startswith("fsfreeze") and "no kept map" in one.reason for one in left)


@pytest.mark.parametrize("system", DRIVERS)
def test_an_inspector_s_rules_are_reads_and_every_variable_is_known(system: str) -> None:
    found = privileged(DRIVERS[system], HostRef("alpha", system, "sudo"), Sides(True, True, "ordinary", RESTIC))
    for role in Role:
        allowed, left = rules(PINS[system], SCOPE, role, found)
        assert len(allowed) > 10
        assert not [
            one for one in left if one.reason.startswith(("nothing is known", "no kept map", "its pattern", "the command"))
        ]
    change = Privileged(invocations("$S lvm vgremove vgdata\n")[0], ("look",), looking=True)
    if system == "linux":
        with pytest.raises(ValueError, match="not known as a read"):
            rules(PINS[system], SCOPE, Role.INSPECTOR, (change,))


def test_a_word_that_may_come_to_nothing_takes_its_blank_with_it() -> None:
    allowed = made(Role.OPERATOR, system="solaris")
    for text in ("vxdg -n vgdata import 105.alpha", "vxdg -t -n vgdata_bcv -o useclonedev=on -o updateid import 105.alpha"):
        assert permitted(allowed, shlex.split(text)), text
    assert not permitted(allowed, shlex.split("vxdg -C -n vgdata import 105.alpha"))


def test_a_variable_that_nobody_described_leaves_its_command_out() -> None:
    one = Privileged(
        Invocation((("lvm",), ("lvs",), *invocations('$S x "$novel"\n')[0].words[1:]), 0), ("look",), looking=False
    )
    allowed, (left,) = rules(PINS["linux"], SCOPE, Role.OPERATOR, (one,))
    assert not allowed
    assert left.reason == "nothing is known of novel"


def test_expressions_take_words_as_they_are_and_paths_that_do_not_lead_out() -> None:
    odd = 'a.b{c}d$e^f[g]h#i"j|k(l)m*n+o?p\\q'
    assert re.fullmatch(escaped(odd), odd)
    assert not re.fullmatch(escaped("a.b"), "axb")
    top = below("/mnt/x")
    assert all(re.fullmatch(top, p) for p in ("/mnt/x", "/mnt/x/a", "/mnt/x/.hidden/b..c"))
    assert not any(
        re.fullmatch(top, p)
        for p in ("/mnt/x/..", "/mnt/x/../etc", "/mnt/x/a/../../../etc", "/mnt/x/.", "/mnt/xy", "/mnt/x/a b")
    )
    assert not re.fullmatch(COMPONENT, "..")


def test_commands_are_built_by_the_drivers_and_by_nobody_else() -> None:
    ref = HostRef("alpha", "linux", "sudo")
    sent = [DRIVERS["linux"].check(ref), DRIVERS["linux"].discovery(ref)]
    assert all(isinstance(command, Command) for command in sent)
    own = {str(i) for command in sent for i in invocations(command.script)}
    found = privileged(DRIVERS["linux"], ref, Sides(False, True, "ordinary", None))
    assert own == {str(one.invocation) for one in found if one.looking}
