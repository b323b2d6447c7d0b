"""The real sudo, with the files that the product writes: everything works through them, and nothing else is permitted."""

from __future__ import annotations

import pytest

from hostdrivers.privileges import Role
from tests.hostdrivers.temptations import CHANGES, OUTSIDE, SHELLS, TAR
from tests.lab.accounts import ACCOUNTS, as_account, install
from tests.lab.estate import Lab
from tests.lab.layouts import AWKWARD_MOUNTS, ORDINARY_MOUNTS
from tests.lab.product import files_of, identity, product, traces


def refused(lab: Lab, machine: str, role: Role, *commands: str) -> None:
    """sudo says no to each of these, for this account."""
    wrong = []
    for command in commands:
        done = lab.ssh(machine, f"sudo -n {command} < /dev/null", check=False, user=ACCOUNTS[role])
        if done.returncode == 0 or "sudo: a password is required" not in done.stderr:
            wrong.append((machine, role.value, command, done.returncode, done.stdout[:200], done.stderr[:200]))
    assert not wrong


@pytest.fixture(scope="module")
def accounts(awkward: Lab) -> Lab:
    """The lab with both accounts, and rules made from maps that were kept before."""
    lab = awkward
    with product(lab) as made:
        for name in ("ordinary", "awkward"):
            made.do("map", name)
    install(lab)
    return lab


@pytest.mark.long
@pytest.mark.parametrize(("name", "mounts"), [("ordinary", ORDINARY_MOUNTS), ("awkward", AWKWARD_MOUNTS)])
def test_an_operator_without_privileges_goes_through_a_whole_cycle(
    accounts: Lab, fresh_mirrors: Lab, name: str, mounts: tuple[str, ...]
) -> None:
    lab = fresh_mirrors
    with product(lab, change=as_account(Role.OPERATOR)) as made:
        rows = made.engine.check().result()
        assert all(r.ok for r in rows), [r for r in rows if not r.ok]
        made.do("establish", name)
        before, there = identity(lab), traces(lab)
        end = made.do("backup", name)
        print(f"\n{made.story(end.run)}")
        assert identity(lab) == before
        assert traces(lab) == there
        assert made.engine.backups(name).result()[0].files == len(files_of(lab, "source", "", mounts))
    lab.ssh("target", "rm -rf /var/tmp/restic-repo")


@pytest.mark.long
def test_an_inspector_sees_everything_and_changes_nothing(accounts: Lab) -> None:
    with product(accounts, read_only=True, change=as_account(Role.INSPECTOR)) as made:
        for name in ("ordinary", "awkward"):
            found = made.measure(name).estate
            assert not found.errors
            assert found.source is not None
            assert all(d.readable for d in found.source.devices)
            assert not [w for w in found.source.warnings if "ermission" in w]
            assert [f.kind for f in found.source.filesystems if f.mounted]
    refused(accounts, "source", Role.INSPECTOR, *SHELLS, *CHANGES)


@pytest.mark.long
def test_an_operator_gets_no_shell_and_writes_nowhere_else(accounts: Lab) -> None:
    serials = {"bcv": accounts.serial_of["bcv0"], "own": accounts.serial_of["own0"]}
    refused(accounts, "target", Role.OPERATOR, *SHELLS, *(text.format(**serials) for text in OUTSIDE))


@pytest.mark.long
def test_arguments_that_are_glued_together_write_no_file(accounts: Lab) -> None:
    """sudo sees the arguments as one line: two of them may come as one, and must still do no harm."""
    trap = "d=`mktemp -d`; cd $d; mkdir -p '- --directory=/mnt/splitmount'; ln -s /etc/trap '- --directory=/mnt/splitmount/ordinary .'"
    glued = f"{trap}; sudo -n {TAR} '--transform=flags=rhS;s,^\\.,x,' '--file=- --directory=/mnt/splitmount/ordinary .' /etc/hostname"
    done = accounts.ssh("target", glued, check=False, user=ACCOUNTS[Role.OPERATOR])
    assert done.returncode != 0
    assert not accounts.ssh("target", "ls / /etc | grep -e trap -e '^-' || true").stdout
    trap = "d=`mktemp -d`; cd $d; mkdir -p 'dd if=/dev'; printf '#!/bin/sh\nid > /tmp/trapped\n' > 'dd if=/dev/sda'; chmod -R 755 ."
    glued = f"{trap}; sudo -n timeout -s KILL 10 'dd if=/dev/sda' of=/dev/null bs=4096 count=1 iflag=direct"
    assert accounts.ssh("target", glued, check=False, user=ACCOUNTS[Role.OPERATOR]).returncode != 0
    assert not accounts.ssh("target", "ls /tmp | grep trapped || true").stdout
    for sets in ("LD_PRELOAD=/tmp/x.so", "TAR_OPTIONS=--checkpoint-action=exec=sh", "RESTIC_PASSWORD_COMMAND=id"):
        done = accounts.ssh("target", f"sudo -n {sets} id -u", check=False, user=ACCOUNTS[Role.OPERATOR])
        assert done.returncode != 0, sets
        assert "not allowed to set" in done.stderr, done.stderr
