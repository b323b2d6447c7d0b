"""Ten usual commands on each emulated host, typed through OpenSSH; `python -m tests.emulated.transcripts` writes the fixtures."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hostdrivers.emulated import families
from hostdrivers.emulated.estate import Builder, RunningEstate

FIXTURES = Path(__file__).parents[1] / "fixtures" / "transcripts"

# Each host on an estate of one family, so that another family changes nothing here.
FAMILY: Mapping[str, Builder] = {
    "aixprod": families.aix_ledger,
    "hpprod": families.hpux_orders,
    "sunmir2": families.solaris_mail,
    "webprod": families.linux_web,
    "symadm": families.aix_ledger,
    "vault": families.aix_ledger,
    "aixdr": families.aix_ledger,
    "hpdr": families.hpux_orders,
    "sundr": families.solaris_mail,
    "webdr": families.linux_web,
}

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "aixprod": (
        "oslevel -s",
        "lspv",
        "lsvg",
        "lsvg testvg2-2",
        "lsvg -l testvg2-2",
        "lsvg -p ledgervg",
        "lslv testvg2-lv01",
        "getlvcb -AT testvg2-lv01",
        "lscfg -vpl hdisk1",
        "lquerypv -h /dev/hdisk1 80 10",
        "mount",
        "lsfs -c",
    ),
    "hpprod": (
        "uname -a",
        "ioscan -fnC disk",
        "vgdisplay",
        "vgdisplay -v vgedm2",
        "lvdisplay -v /dev/vgedm2/lvt8d2",
        "pvdisplay /dev/dsk/c3t8d2",
        "strings /etc/lvmtab",
        "ll /dev/vgedm2",
        "mount -v",
        "bdf",
        "cat /etc/fstab",
    ),
    "sunmir2": (
        "uname -a",
        "vxdisk list",
        "vxdisk -o alldgs list",
        "vxdisk list c1t0d0s2",
        "vxdg list",
        "vxdg list testvg1",
        "vxprint -ht",
        "vxprint -ht -g testvg1",
        "mount -v",
        "df -k",
        "cat /etc/vfstab",
        "iostat -En",
        "prtvtoc /dev/rdsk/c1t0d0s2",
    ),
    "webprod": (
        "uname -nr",
        "lsblk",
        "pvs",
        "vgs",
        "lvs",
        "lvs -o lv_name,lv_size,lv_dm_path web-data",
        "vgs nosuchgroup",
        "pvs --nosuchoption",
        "dmsetup ls",
        "findmnt -n -o SOURCE,TARGET,FSTYPE",
        "mount",
        "cat /etc/fstab",
        "blkid -p -o export /dev/mapper/web--data-site",
    ),
    "symadm": (
        "symcli",
        "symcfg list",
        "syminq",
        "symdev -sid 079 list",
        "symdev -sid 079 show 006",
        "symbcv -sid 079 list",
        "printf '006 0D6\\n007 0D7\\n' > /tmp/pairs; symmir -sid 079 -f /tmp/pairs query",
        "symmir -sid 079 -f /tmp/pairs verify -synched",
        "symmir -sid 079 -f /tmp/pairs verify -split",
        "symmir -sid 079 -f /tmp/pairs establish -nop",
        "symdg create ledger -type regular; symld -g ledger add dev 006; symbcv -g ledger associate dev 0D6",
        "symmir -g ledger query",
    ),
    "vault": (
        "uname",
        "uname -n",
        "id",
        "id -u",
        "ls -l /",
        "mkdir /backup/try; echo one > /backup/try/file; cat /backup/try/file",
        "ls -l /backup/try",
        "find /backup",
        "tar --version",
        "rm -r /backup/try; ls /backup/try",
        "nosuchcommand",
    ),
    "aixdr": (
        "oslevel -s",
        "lsdev -Cc disk",
        "lspv",
        "lsvg",
        "lsvg -o",
        "lsvg testvg2-2",
        "lscfg -vpl hdisk1",
        "lsattr -El hdisk1",
        "mount",
        "df -k",
        "lsfs -c",
        "cat /etc/filesystems",
        "nosuchcommand",
    ),
    "hpdr": (
        "uname -a",
        "ioscan -fnC disk",
        "ioscan -m dsf",
        "vgdisplay",
        "vgdisplay -v vgedm2",
        "strings /etc/lvmtab",
        "mount -v",
        "bdf",
        "cat /etc/fstab",
        "diskinfo /dev/rdsk/c3t8d2",
        "nosuchcommand",
    ),
    "sundr": (
        "uname -a",
        "vxdisk list",
        "vxdisk -o alldgs list",
        "vxdg list",
        "vxdg list testvg1",
        "vxdctl mode",
        "vxprint -ht",
        "mount -v",
        "df -k",
        "cat /etc/vfstab",
        "vxdisk path",
        "nosuchcommand",
    ),
    "webdr": (
        "uname -nr",
        "lsblk",
        "pvs",
        "vgs",
        "lvs",
        "dmsetup ls",
        "findmnt",
        "mount",
        "df -k",
        "multipath -ll",
        "cat /etc/fstab",
        "nosuchcommand",
    ),
}

# Identities are fresh in each estate; so are times.
_CHANGING = (
    (re.compile(r"00c6ce9d00004c00[0-9a-f]{16}"), "<VGID>"),
    (re.compile(r"00c6ce9d[0-9a-f]{8}"), "<PVID>"),
    (re.compile(r"00C6CE9D [0-9A-F]{8}(.*)\|.*\|"), "00C6CE9D <...>"),
    (re.compile(r"\b\d{9,10}\.\d+\.(\w+)\b"), r"<SECONDS>.<NUMBER>.\1"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b"), "<UUID>"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"), "<TIME>"),
)


def settled(text: str) -> str:
    """The text without what differs from one estate to the next."""
    for pattern, word in _CHANGING:
        text = pattern.sub(word, text)
    return text


def ssh(running: RunningEstate, host: str, command: str) -> str:
    """What OpenSSH brings back: the command, its output and errors, its exit status."""
    directory, front = running.estate.directory, running.estate.fronts[host]
    options = [
        *("-F", "none", "-i", str(directory / "id_ed25519"), "-p", str(front.port)),
        *("-o", f"UserKnownHostsFile={directory}/known_hosts", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"),
    ]
    done = subprocess.run(["ssh", *options, "root@127.0.0.1", command], capture_output=True, text=True, timeout=30)
    return f"$ {command}\n{done.stdout}{done.stderr}[{done.returncode}]\n\n"


def transcript(host: str, directory: Path) -> str:
    """All commands of one host; its estate is made in that directory."""
    running = RunningEstate(directory / host, (FAMILY[host],))
    try:
        return settled("".join(ssh(running, host, command) for command in COMMANDS[host]))
    finally:
        running.close()


def main() -> int:
    """Write the fixtures, for a person to compare with the documented formats."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for host in COMMANDS:
            (FIXTURES / f"{host}.txt").write_text(transcript(host, Path(scratch)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
