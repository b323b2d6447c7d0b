"""Guards, each taken out once: which test then fails. `python -m tests.guards` (make guards) prints the table, and ends with 1
when a guard could be removed without any test noticing. It works on a copy of the tree; a few seconds for each guard."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).parents[1]
PARTS = ("core", "hostdrivers", "tui", "tests", "docs", "pyproject.toml")
HEAD = """# Guards, and the tests that need them

Written by `make guards`: each guard below was taken out of a copy of the tree, and the test beside it failed.

| guard | in | the test that failed without it |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Guard:
    """What it keeps from happening; where it stands; what is put in its place; a test that must fail then."""

    keeps: str
    file: str
    text: str
    instead: str
    test: str


_HOST = "tests/hostdrivers/test_"
_POSTGRESQL = "tests/core/applications/test_postgresql_restore.py"
_MEANWHILE, _LOST = "tests/emulated/test_meanwhile.py", "tests/core/test_lost_track.py"
_ORACLE = "tests/core/applications/test_oracle.py"
GUARDS = (
    Guard("a control character of a host reaches the terminal in a list", "tui/widgets/rowlist.py",
          "line(row.text)", "row.text", "tests/tui/test_hostile.py -k no_screen_draws_what_a_host_wants_drawn"),
    Guard("a control character of a host reaches the terminal in a command's output", "tui/say.py",
          "print(line(text))", "print(text)", "tests/tui/test_hostile.py -k no_command_prints_it"),
    Guard("what a widget forgot reaches the terminal", "tui/app.py",
          "self._filters.append(UnsafeFilter())", "pass", "tests/tui/test_hostile.py -k net_below"),
    Guard("a name that passes for a late value is planned with", "core/names.py",
          "if _LATE in name:", "if False:", "tests/core/test_names.py"),
    Guard("a secret in a repository's URL is accepted", "core/config.py",
          '(("repository", in_url), ("password_command", printed))', "()", "tests/core/test_secrets.py -k in_the_configuration"),
    Guard("the script of a stream is in the process list", "core/ssh.py",
          "shlex.quote(_TAKES_SCRIPT.format(count=len(data)))", "shlex.quote(command.script)",
          "tests/core/test_secrets.py -k no_process_list"),
    Guard("an environment file's line is told in an error", "core/backups/restic.py",
          "( . FILE ) > /dev/null 2>&1 ||", "( . FILE ) > /dev/null ||", "tests/core/test_secrets.py -k broken"),
    Guard("an end of the journal that was cut off is not seen", "core/evidence.py",
          "if hashes.get(int(match[1])) != match[2]:", "if False:", "tests/core/test_evidence.py"),
    Guard("aliases in YAML stand for a million lines", "core/config.py",
          "if isinstance(event, yaml.AliasEvent):", "if False:", "tests/core/test_bounds.py -k laughs"),
    Guard("a lock is not on the disk when its step ends", "core/locks.py",
          '&& flush "$L/new" &&', "&&", "tests/core/test_claims.py -k on_the_disk"),
    Guard("an unknown key of a host in between is accepted", "core/ssh.py",
          "key, addr\n        return False", "key, addr\n        return True", "tests/core/test_host_keys.py"),
    Guard("a copy that carries another physical volume is imported (aix)", "hostdrivers/aix_scripts.py",
          '[ "$is" = "$1" ] || refuse "$d carries physical volume', '[ 1 = 1 ] || refuse "$d carries physical volume', f"{_HOST}aix.py -k swapped"),
    Guard("a group of another identity is imported (aix)", "hostdrivers/aix_scripts.py",
          '[ "$is" = "$vgid" ] || refuse', '[ 1 = 1 ] || refuse', f"{_HOST}aix.py -k group_id_that_differs"),
    Guard("a filesystem is mounted without a check (aix)", "hostdrivers/aix_scripts.py",
          '$S fsck -y -V "$kind" "$node" || fail "fsck of $node ended with $?: the copy is not whole; '
          'check the filesystem on the source, then split anew"\nmake_path', 'make_path',
          f"{_HOST}aix.py -k torn"),
    Guard("a serial that two disks give is taken (aix)", "hostdrivers/aix_scripts.py",
          '[ $# -le 2 ] || { s=$1', '[ $# -le 9 ] || { s=$1', f"{_HOST}aix.py -k two_disks_give"),
    Guard("a copy that carries another physical volume is imported (hpux)", "hostdrivers/hpux_scripts.py",
          '[ "$is" = "$1" ] || refuse "$d carries physical', '[ 1 = 1 ] || refuse "$d carries physical', f"{_HOST}hpux.py -k swapped"),
    Guard("devices of two imports become one group (hpux)", "hostdrivers/hpux_scripts.py",
          '[ -z "$one" ] || [ "$one" = "$is" ] || refuse', '[ 1 = 1 ] || refuse', f"{_HOST}hpux.py -k two_imports"),
    Guard("two imports pick one number (hpux)", "hostdrivers/hpux_scripts.py",
          'if mkdir "$LOCK" 2>/dev/null; then return 0; fi', 'return 0', f"{_HOST}hpux.py -k lock_that_another"),
    Guard("a copy that carries another disk is imported (solaris)", "hostdrivers/solaris_scripts.py",
          '[ "$is" = "$1" ] || refuse "$d carries disk', '[ 1 = 1 ] || refuse "$d carries disk', f"{_HOST}solaris.py -k swapped"),
    Guard("VxVM takes another copy of the same disks (solaris)", "hostdrivers/solaris_scripts.py",
          'if flagged "$d" udid_mismatch || flagged "$d" clone_disk; then\n      refuse', 'if false; then\n      refuse',
          f"{_HOST}solaris.py -k another_copy"),
    Guard("the import lock of a strange host is cleared (solaris)", "hostdrivers/solaris_scripts.py",
          '[ "$h" = "$owner" ] || [ "$clear" = yes ] || refuse', '[ 1 = 1 ] || refuse', f"{_HOST}solaris.py -k import_lock"),
    Guard("damaged private regions are put back (solaris)", "hostdrivers/solaris_scripts.py",
          '[ "$kept" = "$sum $size" ] || refuse', '[ 1 = 1 ] || refuse', f"{_HOST}solaris.py -k damaged"),
    Guard("an unmount takes back what this run did not mount (aix)", "hostdrivers/aix_scripts.py",
          '[ -s "$keep/uuid" ] || refuse "this run', ': || refuse "this run', f"{_HOST}fences.py -k 'undo_touches and aix'"),
    Guard("an unmount takes back what this run did not mount (hpux)", "hostdrivers/hpux_scripts.py",
          '[ -s "$keep/uuid" ] || refuse "this run', ': || refuse "this run', f"{_HOST}fences.py -k 'undo_touches and hpux'"),
    Guard("an unmount takes back what this run did not mount (solaris)", "hostdrivers/solaris_scripts.py",
          '[ -n "$is" ] && [ "$is" = "`cat "$keep/uuid" 2>/dev/null`" ] || refuse', ': || refuse', f"{_HOST}fences.py -k 'undo_touches and solaris'"),
    Guard("an unmount takes back what this run did not mount (linux)", "hostdrivers/linux_scripts.py",
          '"LVM-${u:-nothing}"?*) ;;', '*) ;;', f"{_HOST}fences.py -k 'undo_touches and linux'"),
    Guard("a disk that was there before is removed (linux)", "hostdrivers/linux_scripts.py",
          '[ -f "$RUN/keep/visible-$s" ] || continue', ':', f"{_HOST}fences.py -k 'never_ran and linux'"),
    Guard("a disk that was there before is removed (aix)", "hostdrivers/aix_scripts.py",
          '[ -f "$RUN/keep/visible-$s" ] || continue', ':', f"{_HOST}fences.py -k 'never_ran and aix'"),
    Guard("a change exists without a fence or a reason", "core/transport.py",
          'if self.effect is Effect.CHANGE and not self.guard:', 'if False:', f"{_HOST}fences.py -k cannot_be_built"),
    Guard("a BCV is shown that does not carry the split's mark (block array)", "core/arrays/qemu.py",
          'title, [*fence, *lines], (s.pair for s in hidden)', 'title, lines, (s.pair for s in hidden)', f"{_HOST}fences.py -k block_array"),
    Guard("a variable that nobody described gets a rule of sudo", "hostdrivers/privileges.py",
          'if unknown := [name for name, pattern in patterns.items() if pattern is None]:', 'if unknown := []:',
          f"{_HOST}privileges.py -k nobody_described"),
    Guard("a path of a rule leads out of its directory again", "hostdrivers/privileges.py",
          '"[.]?[A-Za-z0-9_@%+=:,-][A-Za-z0-9_.@%+=:,-]*"', '"[A-Za-z0-9_.@%+=:,-]+"', f"{_HOST}privileges.py -k lead_out"),
    Guard("serials are compared as numbers (solaris)", "hostdrivers/solaris_scripts.py",
          '$3 "" == s ""', '$3 == s', f"{_HOST}solaris.py -k one_number"),
    Guard("a set torn over two sequence numbers is imported (linux)", "hostdrivers/linux_scripts.py",
          '[ "$at" = "$seqno" ] || refuse', '[ 1 = 1 ] || refuse', f"{_HOST}emulated_linux.py -k torn_over"),
    Guard("a copy that carries another physical volume is imported (linux)", "hostdrivers/linux_scripts.py",
          '"$1|$vgid|$old|"[01]"||") ;;', '*) ;;', f"{_HOST}emulated_linux.py -k swapped"),
    Guard("LVM appends a number to a name that is taken (linux)", "hostdrivers/linux_scripts.py",
          'if [ "$n" = "$new" ] || [ "$n" = "$final" ]; then refuse', 'if false; then refuse', f"{_HOST}emulated_linux.py -k taken_name"),
    Guard("the copy's own group counts as a taken name (linux)", "hostdrivers/linux_scripts.py",
          'devices{filter=[${rejects#,}]}', '', f"{_HOST}emulated_linux.py -k own_name"),
    Guard("a BCV that is in use is touched (linux)", "hostdrivers/linux_scripts.py",
          '[ -z "$u" ] || refuse', '[ 1 = 1 ] || refuse', f"{_HOST}emulated_linux.py -k udev_activated"),
    Guard("a raw slice is written under VxVM (emulator)", "hostdrivers/emulated/solaris_disks.py",
          'if self.online:\n            raise', 'if False:\n            raise', f"{_HOST}solaris.py -k online_in_vxvm"),
    Guard("one XFS is mounted twice (emulator)", "hostdrivers/emulated/linux_files.py",
          'if kind == "xfs" and twins and', 'if False and twins and', f"{_HOST}emulated_linux.py -k nouuid"),
    Guard("a group with mounted volumes goes inactive (emulator)", "hostdrivers/emulated/linux_lvm.py",
          'if self.held(name):\n                one', 'if False:\n                one', f"{_HOST}emulated_linux.py -k wrong_words"),
    Guard("two shells share one directory (symmetrix)", "core/arrays/symmetrix.py",
          'until mkdir "$W" 2>/dev/null; do', 'until mkdir -p "$W" 2>/dev/null; do', "tests/emulated/test_cycle.py -k all_sets"),
    Guard("a restore over another layout than that of the point in time", "core/conditions.py",
          '_verdict(not changed), context.source', 'Verdict.MET, context.source',
          "tests/emulated/test_moments.py -k made_since"),
    Guard("a restore starts without the typed name", "core/engine.py",
          'if plan.confirm and confirmed != plan.confirm:', 'if False:', "tests/emulated/test_moments.py -k 'without_the_name and linux'"),
    Guard("a takeover from a source that uses its data", "core/conditions.py",
          'return released, alive', 'return ()', "tests/emulated/test_moments.py -k 'lives_and_works and linux'"),
    Guard("the backup mode of somebody else is ended (oracle)", "core/applications/oracle_scripts.py",
          '*ORA-01146*) rm -f "$d/ours";; esac', '*ORA-01146*) ;; esac', f"{_ORACLE} -k of_others_alone"),
    Guard("an END overtakes the BEGIN that it should end (oracle)", "core/applications/oracle_scripts.py",
          'while [ -d "$d/beginning" ]; do sleep 1; done', ':', f"{_ORACLE} -k outlasts"),
    Guard("a name that ends a string of SQL is put into one (oracle)", "core/applications/oracle.py",
          'if odd := [name for name in names if not _PLAIN.fullmatch(name)]:', 'if odd := list[str]():', f"{_ORACLE} -k otherwise"),
    Guard("a copy is opened with a file of the source's (oracle)", "core/applications/oracle_scripts.py",
          '[ -z "$lost" ] || give_up', ': || give_up', "tests/emulated/test_oracle.py -k came_after"),
    Guard("an instance that is not the copy's is shut down (oracle)", "core/applications/oracle_scripts.py",
          '*) refuse "the instance', '*) : "the instance', "tests/emulated/test_oracle.py -k is_not_stopped"),
    Guard("current redo is overwritten without a reason (oracle)", "core/conditions.py",
          'if not logs:', 'if True:', "tests/emulated/test_oracle.py -k 'current_redo_needs and solaris'"),
    Guard("files go aside where a filesystem is not mounted (postgresql)", "core/applications/postgresql.py",
          'f"mountpoint -q {shlex.quote(p)} || refuse', 'f": {shlex.quote(p)} || refuse', f"{_POSTGRESQL} -k not_mounted"),
    Guard("what a restore brought goes aside (postgresql)", "core/applications/postgresql_restore.py",
          '-newerct "@$at"`" ] || fail', '-newerct "@$at"`" ] || :', f"{_POSTGRESQL} -k look_old"),
    Guard("a log is to be replayed to a time before the copy", "core/pointintime.py",
          'if at <= max(dates):', 'if False:', "tests/emulated/test_applications.py -k only_forward"),
    Guard("pairs that were not told look unpaired", "tui/rows.py",
          'told = "pairs" not in estate.errors', 'told = True', "tests/tui/test_demo.py -k not_tell"),
    Guard("a restore of files follows a link out of the set", "core/backups/manifest.py",
          'xl) astray "$at', 'xl) : "$at', "tests/core/backups/test_putback.py -k on_the_way"),
    Guard("a restore of a path goes onto a filesystem of others", "core/backups/manifest.py",
          '*) astray "$at lies', '*) : "$at lies', "tests/core/backups/test_putback.py -k of_others_in_the_tree"),
    Guard("a restore of files overwrites a filesystem of others in the tree", "core/backups/manifest.py",
          '*) astray "another filesystem', '*) : "another filesystem', "tests/core/backups/test_putback.py -k of_others_in_the_tree"),
    Guard("a restore of files is planned through a link", "core/put_back.py",
          'if not held.astray:', 'if True:', "tests/emulated/test_put_back.py -k 'in_the_place_of and linux'"),
    Guard("a link that came after the plan is replaced by a directory, or followed", "core/backups/putback.py",
          "    if odd:\n        raise Refused(f", "    if False:\n        raise Refused(f",
          "tests/emulated/test_put_back.py -k 'in_the_place_of and linux'"),
    Guard("a filesystem of others is not seen by the preview of a restore", "core/backups/putback.py",
          'elif kind == "d" and number not in own and (name in above', 'elif False and (name in above',
          "tests/core/backups/test_putback.py -k preview_names_each_link"),
    Guard("files of the target vanish under a copy (aix)", "hostdrivers/aix_scripts.py",
          '\nfree_point\n', '\n', f"{_HOST}contract.py -k 'never_vanish and aix'"),
    Guard("files of the target vanish under a copy (hpux)", "hostdrivers/hpux_scripts.py",
          '\nfree_point\n', '\n', f"{_HOST}contract.py -k 'never_vanish and hpux'"),
    Guard("files of the target vanish under a copy (solaris)", "hostdrivers/solaris_scripts.py",
          '\nfree_point\n', '\n', f"{_HOST}contract.py -k 'never_vanish and solaris'"),
    Guard("files of the target vanish under a copy (linux)", "hostdrivers/linux_scripts.py",
          '[ -z "$held" ] || refuse "$point', ': || refuse "$point', f"{_HOST}contract.py -k 'never_vanish and linux'"),
    Guard("any filesystem around a mount point passes for the copy's", "hostdrivers/script.py",
          'if inside_copy "$point"; then', 'if :; then', f"{_HOST}contract.py -k 'never_vanish and hpux'"),
    Guard("any filesystem around a mount point passes for the copy's (linux)", "hostdrivers/linux_scripts.py",
          'if ours_there "$around"', 'if : "$around"', f"{_HOST}contract.py -k 'never_vanish and linux'"),
    Guard("a freeze is said that its own timer has taken back (linux)", "hostdrivers/linux_steps.py",
          """for p in inner_first) + '[ ! -d "$d/end" ]'""", """for p in inner_first) + 'true'""", f"{_HOST}freeze.py -k 'longer and linux'"),
    Guard("a filesystem stays frozen after its timer (linux)", "hostdrivers/linux_steps.py",
          'fi\n  thaw; rm -rf', 'fi\n  rm -rf', f"{_HOST}freeze.py -k 'longer and linux'"),
    Guard("a freeze is said that its own timer has taken back (solaris)", "hostdrivers/solaris_steps.py",
          '{down}[ ! -d "$d/end" ]', '{down}true', f"{_HOST}freeze.py -k 'longer and solaris'"),
    Guard("a filesystem stays frozen after its timer (solaris)", "hostdrivers/solaris_steps.py",
          'fi\n  thaw; echo', 'fi\n  echo', f"{_HOST}freeze.py -k 'longer and solaris'"),
    Guard("a device in use passes for free under another of its names (hpux)", "hostdrivers/hpux_scripts.py",
          'names=`names_of "$1" |', 'names=`echo "$1" |', f"{_HOST}hpux.py -k old_name"),
    Guard("a host with one alternate link cannot be measured (hpux)", "hostdrivers/hpux_discovery.py",
          'if not _LINK.fullmatch(line)', 'if True', f"{_HOST}hpux.py -k documented"),
    Guard("a group is exported that cannot be imported again (hpux)", "hostdrivers/hpux_scripts.py",
          'take_lock # first', ': # first', f"{_HOST}hpux.py -k not_exported"),
    Guard("an exported group never comes back (hpux)", "hostdrivers/hpux_scripts.py",
          '[ -f "$RUN/keep/map-$old" ] || refuse', 'refuse', f"{_HOST}hpux.py -k exported_and_no_more"),
    Guard("a group that another took away is imported (hpux)", "hostdrivers/hpux_scripts.py",
          '[ -f "$RUN/keep/map-$old" ] || refuse', ': || refuse', f"{_HOST}hpux.py -k exported_and_no_more"),
    Guard("a device that is in another group by now is imported (hpux)", "hostdrivers/hpux_scripts.py",
          '[ "`user_of "$d"`" = "$where" ] || refuse', ': || refuse', f"{_HOST}hpux.py -k in_another_by_now"),
    Guard("a table whose last line has no end is damaged (hpux)", "hostdrivers/hpux_scripts.py",
          "{ awk '{print}' /etc/fstab;", "{ cat /etc/fstab;", f"{_HOST}tables.py -k 'come_and_go and hpux'"),
    Guard("entries that are not in the table pass for added (hpux)", "hostdrivers/hpux_scripts.py",
          '> /dev/null || fail "/etc/fstab does', '> /dev/null || : "/etc/fstab does', f"{_HOST}tables.py -k 'did_not_take and hpux'"),
    Guard("a table whose last line has no end is damaged (solaris)", "hostdrivers/solaris_scripts.py",
          "{ nawk '{print}' /etc/vfstab;", "{ cat /etc/vfstab;", f"{_HOST}tables.py -k 'come_and_go and solaris'"),
    Guard("entries that are not in the table pass for added (solaris)", "hostdrivers/solaris_scripts.py",
          '> /dev/null || fail "/etc/vfstab does', '> /dev/null || : "/etc/vfstab does', f"{_HOST}tables.py -k 'did_not_take and solaris'"),
    Guard("a restore that was resumed or paused overwrites a source in use", "core/handlers.py",
          "if not state.stale or not step.array:", "if True:", f"{_MEANWHILE} -k by_hand"),
    Guard("taking back gives up a point in time of another run", "core/recovery.py",
          "if why := await self._not_its_own(past, down):", "if why := '':", f"{_MEANWHILE} -k of_another_console"),
    Guard("a split that nobody read the name of is given up without the lock", "core/recovery.py",
          "alone = bool(claims.locks) and", "alone = True or", f"{_MEANWHILE} -k nobody_read"),
    Guard("a run is resumed while another takes it back", "core/engine.py",
          "for run in filter(None, runs):", "for run in ():", f"{_MEANWHILE} -k not_resumed_while"),
    Guard("a taking back that died is taken back, and the run it was about called undone", "core/recover.py",
          "if past.plan.operation not in TAKES_BACK:", "if True:", f"{_MEANWHILE} -k taking_back_that_died"),
    Guard("half a failback is taken back, and its target left half down", "core/recover.py",
          'if past.plan.operation == "failback" and down:', "if False:", "tests/emulated/test_failback.py -k and_later_only_resumed"),
    Guard("two runs of one key in one second read each other's jobs as their own", "core/run.py",
          "int(now.timestamp() * 1000)", "int(now.timestamp()) % 10**9", "tests/emulated/test_failback.py -k and_later_only_resumed"),
    Guard("a cleanup goes round what taking back refuses", "core/recovery.py",
          "if not past.ended:\n            if never_back", "if False:\n            if never_back", f"{_MEANWHILE} -k cleanup_refuses"),
    Guard("a cleanup ends the service of a takeover by a key press", "core/recovery.py",
          'if past.plan.operation == "takeover" else plan', 'if False else plan', f"{_MEANWHILE} -k needs_the_sets_name"),
    Guard("what a takeover wrote is overwritten by a key press", "core/takenover.py",
          "if not since or not over or", "if True or", f"{_MEANWHILE} -k after_the_name_was_typed"),
    Guard("the advice about a set that was taken over ends its service", "core/takenover.py",
          "if finding.code in _MISLEADING else finding", "if False else finding", f"{_MEANWHILE} -k ends_no_service"),
    Guard("taking back goes on beneath a job whose outcome is unknown", "core/past.py",
          "for one in dict.fromkeys((*self.unsure, self.open))", "for one in (self.open,)", f"{_LOST} -k outcome"),
    Guard("a source stays frozen because the journal is full", "core/run.py",
          "with suppress(SplitmountError):\n                    await HANDLERS[",
          "if False:\n                    await HANDLERS[", f"{_LOST} -k journal_is_full"),
    Guard("a hold whose text a loss of power took forbids nothing", "core/locks.py",
          'its text was lost"; return 0; }', 'its text was lost"; return 1; }', "tests/core/test_claims.py -k hold_whose_text"),
    Guard("a run that was stopped is rebuilt as one that ended well", "core/rebuild.py",
          "if back else end", "if False else end", "tests/emulated/test_survive.py -k 'not_rebuilt and takeover'"),
    Guard("a filesystem of others that the backup has nothing of is changed", "core/backups/putback.py",
          "{strip}{leave}\"", "{strip}\"", "tests/core/backups/test_putback.py -k left_alone"),
)  # fmt: skip


def noticed(guard: Guard, tree: Path) -> bool:
    """Whether the test fails without the guard. ValueError when the guard is not where the table says."""
    path = tree / guard.file
    whole = path.read_text()
    if whole.count(guard.text) != 1:
        raise ValueError(f"{guard.file}: {guard.text!r} stands there {whole.count(guard.text)} times")
    path.write_text(whole.replace(guard.text, guard.instead))
    try:
        return not passes(guard.test, tree)
    finally:
        path.write_text(whole)


def passes(test: str, tree: Path) -> bool:
    """Whether a named test passes in a tree. ValueError when pytest ends otherwise than with a verdict."""
    command = f"{sys.executable} -m pytest -q -x -p no:cacheprovider {test}"
    done = subprocess.run(command, shell=True, cwd=tree, capture_output=True, text=True, check=False)  # noqa: S602  our own table
    if done.returncode not in (0, 1):
        raise ValueError(f"{test}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}")
    return done.returncode == 0


@contextmanager
def scratch_tree() -> Iterator[Path]:
    """A copy of what the tests need, to be spoiled."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        for part in PARTS:
            source = TREE / part
            if source.is_dir():
                shutil.copytree(source, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, tree / part)
        yield tree


def main() -> int:
    """Print the table; 1 when a guard was not missed."""
    unnoticed = 0
    with scratch_tree() as tree:
        sys.stdout.write(HEAD)
        for guard in GUARDS:
            seen = noticed(guard, tree)
            unnoticed += not seen
            sys.stdout.write(f"| {guard.keeps} | `{guard.file}` | {'`' + guard.test + '`' if seen else 'NONE'} |\n")
            sys.stdout.flush()
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main())
