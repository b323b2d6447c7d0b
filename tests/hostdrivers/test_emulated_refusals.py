"""What a person types wrongly on an emulated host is refused, with the exit status and the words of the system."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostdrivers.emulated import families
from hostdrivers.emulated.array import Array
from hostdrivers.emulated.estate import Builder
from hostdrivers.emulated.machine import Machine
from tests.hostdrivers.machines import run

SOURCES: dict[str, Builder] = {
    "aix": families.aix_ledger,
    "hpux": families.hpux_orders,
    "solaris": families.solaris_mail,
}

# System, command, exit status, what is said.
WRONG = (
    *((os, "sync /tmp", 1, "usage") for os in ("aix", "hpux", "solaris")),  # only GNU's takes files
    ("aix", "lsvg -l", 1, "0516-082"),
    ("aix", "lsvg -p", 1, "0516-082"),
    ("aix", "varyoffvg testvg2-2", 1, "0516-942"),
    ("aix", "varyonvg nosuch", 1, "group nosuch in"),
    ("aix", "exportvg testvg2-2", 1, "0516-764"),
    ("aix", "exportvg nosuch", 1, "group nosuch in"),
    ("aix", "importvg -y other hdisk1", 1, "0516-776"),
    ("aix", "recreatevg -y other hdisk2", 1, "0516-1719"),
    ("aix", "chdev -l hdisk1 -a pv=clear", 1, "0514-062"),
    ("aix", "chdev -l hdisk9 -a pv=yes", 1, "0514-519"),
    ("aix", "rmdev -dl hdisk1", 1, "0514-062"),
    ("aix", "rmdev", 1, "0514-521"),
    ("aix", "umount /testvg2/mntpt1", 1, "0506-349"),
    ("aix", "fsck -y /dev/nosuch", 8, "Cannot find /dev/nosuch."),
    ("hpux", "vgchange -a n vgedm2", 1, "Device busy"),
    ("hpux", "vgexport /dev/vgedm2", 1, "still active"),
    ("hpux", "vgexport -p -s -m /nodir/map /dev/vgedm2", 1, "Couldn't open map file"),
    ("hpux", "vgchgid /dev/rdsk/c3t8d2", 1, "active volume group"),
    ("hpux", "vgchgid /dev/dsk/c3t8d2", 1, "usage"),
    ("hpux", "vgimport -m /tmp/map /dev/vgnew /dev/dsk/c3t8d2", 1, "not a character device"),
    ("hpux", "bdf /nowhere", 1, "No such file"),
    ("hpux", "fsck -F vxfs -y /dev/vgedm2/rlvt8d2", 36, "is mounted"),
    ("hpux", "fsck -F vxfs /dev/vgedm2/nosuch", 8, "cannot open /dev/vgedm2/nosuch"),
    ("hpux", "mount -F vxfs /dev/vgedm2/lvt8d2 /tmp", 1, "already mounted"),
    ("solaris", "vxdg deport testvg1", 1, "V-5-1-584"),
    ("solaris", "vxdg import testvg1", 1, "import failed"),
    ("solaris", "vxdg -n new -C import testvg1", 1, "import failed"),
    ("solaris", "vxvol -g testvg1 stopall", 1, "V-5-1-1237"),
    ("solaris", "vxdisk scandisks extra", 1, "Usage"),
    ("solaris", "vxdisk rm c1t0d0s2", 1, "V-5-1-536"),
    ("solaris", "fsck -F ufs -y /dev/vx/rdsk/testvg1/vol01", 33, "mounted file system"),
    ("solaris", "fstyp /dev/vx/rdsk/testvg1/nosuch", 1, "</dev/vx/rdsk/testvg1/nosuch>"),
)


def source(os: str, directory: Path) -> Machine:
    return SOURCES[os](Array(directory, "000184600079", rate=1e12)).source


@pytest.mark.parametrize("os", SOURCES)
async def test_each_wrong_line_is_refused_and_changes_nothing_on_the_disks(tmp_path: Path, os: str) -> None:
    host = source(os, tmp_path)
    before = [slot.disk.read(0, 1 << 17) for slot in host.slots]
    for system, command, code, words in WRONG:
        if system == os:
            result = await run(host, command)
            assert (result.exit_status, words in result.stderr + result.stdout) == (code, True), (command, result)
    assert [slot.disk.read(0, 1 << 17) for slot in host.slots] == before


async def test_only_a_group_of_cdsdisks_is_called_portable(tmp_path: Path) -> None:
    listed = (await run(source("solaris", tmp_path), "vxdg list")).stdout
    assert listed.splitlines()[1].split()[:2] == ["testvg1", "enabled"]


async def test_a_script_is_alive_until_its_end_and_no_longer(tmp_path: Path) -> None:
    machine = source("aix", tmp_path)
    inside = await run(machine, "echo $$ > /tmp/one; (kill -0 `cat /tmp/one`; echo in it $?) & wait; kill -0 1 && echo one\n")
    assert (inside.exit_status, inside.stdout) == (1, "in it 0\n")
    number = machine.read_file("/tmp/one").decode().strip()
    later = await run(machine, "kill -0 `cat /tmp/one`\n")
    assert (later.exit_status, later.stderr) == (1, f"sh: kill: {number}: no such process\n")
