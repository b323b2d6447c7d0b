"""What the source carries: an ordinary layout and an awkward one, files on them, and a writer that keeps them busy."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass

from tests.lab.estate import Lab
from tests.lab.processes import LabError, wait_until

FIND_DISK = """
disk() { for d in /sys/block/sd*; do
    if [ "$(tail -c +5 $d/device/vpd_pg80 | tr -d ' ')" = "$1" ]; then echo "/dev/${d##*/}"; return; fi
done; echo "no disk $1" >&2; exit 1; }
"""

ORDINARY_MOUNTS = ("/srv/data", "/srv/data/logs")
AWKWARD_MOUNTS = ("/srv/awk ward", "/srv/awk ward/mirrored", "/srv/awk ward/mirrored/thin", "/srv/part")

ORDINARY = """
a=$(disk {std0}); b=$(disk {std1})
pvcreate -q -y "$a" "$b"
vgcreate -q vgdata "$a" "$b"
lvcreate -q -y -n lvdata -L 240m vgdata
lvcreate -q -y -n lvlogs -L 320m vgdata
mkfs.ext4 -q -L data /dev/vgdata/lvdata
mkfs.xfs -q -f -L logs /dev/vgdata/lvlogs
cat >>/etc/fstab <<'END'
/dev/vgdata/lvdata /srv/data ext4 defaults 0 2
/dev/mapper/vgdata-lvlogs /srv/data/logs xfs noatime 0 2
END
mkdir -p /srv/data; mount /srv/data
mkdir -p /srv/data/logs; mount /srv/data/logs
"""

AWKWARD = """
a=$(disk {std2}); b=$(disk {std3}); c=$(disk {std4})
pvcreate -q -y "$a" "$b"
vgcreate -q vg-awk "$a" "$b"
lvcreate -q -y -n lv-stripe_1 -i 2 -I 64k -L 64m vg-awk
lvcreate -q -y --type raid1 -m 1 --nosync -n lv-mirrored -L 304m vg-awk
lvcreate -q -y --type thin-pool -n pool -L 96m --poolmetadatasize 4m vg-awk "$a"
lvcreate -q -y -V 80m --thinpool pool -n lv-thin vg-awk
lvcreate -q -y -n lv-unmounted -L 28m vg-awk "$b"
lvcreate -q -y -n lv-swap -L 28m vg-awk "$b"
echo 'label: gpt
size=90MiB, type=lvm' | sfdisk -q "$c"
udevadm settle
pvcreate -q -y "${{c}}1"
vgcreate -q vgpart "${{c}}1"
lvcreate -q -y -n lvpart -L 64m vgpart
mkfs.ext4 -q /dev/vg-awk/lv-stripe_1
mkfs.xfs -q -f /dev/vg-awk/lv-mirrored
mkfs.ext4 -q /dev/vg-awk/lv-thin
mkfs.ext4 -q -L unmounted /dev/vg-awk/lv-unmounted
mkfs.ext4 -q /dev/vgpart/lvpart
mkswap -q /dev/vg-awk/lv-swap
cat >>/etc/fstab <<'END'
/dev/mapper/vg--awk-lv--stripe_1 /srv/awk\\040ward ext4 nosuid,nodev 0 2
/dev/vg-awk/lv-mirrored /srv/awk\\040ward/mirrored xfs defaults 0 2
/dev/vg-awk/lv-thin /srv/awk\\040ward/mirrored/thin ext4 noatime 0 2
/dev/vgpart/lvpart /srv/part ext4 defaults 0 2
/dev/vg-awk/lv-swap none swap sw 0 0
END
mkdir -p '/srv/awk ward'; mount '/srv/awk ward'
mkdir -p '/srv/awk ward/mirrored'; mount '/srv/awk ward/mirrored'
mkdir -p '/srv/awk ward/mirrored/thin'; mount '/srv/awk ward/mirrored/thin'
mkdir -p /srv/part; mount /srv/part
swapon /dev/vg-awk/lv-swap
"""

ALONE_MOUNTS = ("/srv/own", "/srv/own/logs")

ALONE = """
for p in $(pvs --noheadings -o pv_name -S vg_name=vgown); do # of a BCV that an earlier test left
  dd if=/dev/zero of="$p" bs=1M count=2 conv=fsync status=none
done
a=$(disk {own0})
pvcreate -q -y "$a"
vgcreate -q vgown "$a"
lvcreate -q -y -n own-data -L 96m vgown
lvcreate -q -y -n logs -L 320m vgown
mkfs.ext4 -q /dev/vgown/own-data
mkfs.xfs -q -f /dev/vgown/logs
mkdir -p /srv/own; mount /dev/vgown/own-data /srv/own
mkdir -p /srv/own/logs; mount /dev/vgown/logs /srv/own/logs
"""
ALONE_GONE = """
umount /srv/own/logs; umount /srv/own; vgremove -q -y vgown; a=$(disk {own0}); pvremove -q -y "$a"; rm -rf /srv/own
"""

RESTIC_PASSWORD = "umask 077; head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \\n' >/root/.restic-password"

FILL = """
cd {mount}
mkdir -p 'plain/deeper' 'with space' 'Grüße-日本' empty-directory
head -c {kib}K /dev/urandom >plain/large.bin
seq -f 'record %06g' 1 20000 >plain/records.txt
split -a 3 -n 40 plain/records.txt plain/deeper/part-
: >plain/empty
echo 'a name with blanks' >'with space/two  blanks .txt'
echo 'a name outside ASCII' >'Grüße-日本/Übersicht.txt'
ln -s plain/records.txt link-relative
ln -s /nowhere/at/all link-dangling
ln plain/large.bin plain/large-hard-link.bin
mkfifo plain/fifo
truncate -s 5M plain/sparse.bin
printf tail >>plain/sparse.bin
chmod 640 plain/records.txt; chown operator plain/records.txt
setfattr -n user.origin -v lab plain/records.txt
setfacl -m u:operator:rw plain/empty
touch -d '2001-02-03 04:05:06.789' plain/empty
sync -f .
"""

WRITER = """
n=0
while [ ! -e /run/lab-writer.stop ]; do
    n=$((n + 1))
    for mount in {mounts}; do
        echo $n | dd of="$mount/sequence" oflag=append conv=notrunc,fsync status=none || exit 1
    done
    echo "content $n" >"$1/overwritten"
done
"""


@dataclass(frozen=True, slots=True)
class Writer:
    """A running writer; each number is on stable storage of one mount before the next mount sees it."""

    lab: Lab
    mounts: tuple[str, ...]

    def stop(self, limit: float = 30.0) -> int:
        """Stop it and return the last number that every mount has."""
        ended = (
            "touch /run/lab-writer.stop; n=0; "
            f'while kill -0 "$(cat /run/lab-writer.pid)" 2>/dev/null; do n=$((n + 1)); [ $n -lt {int(limit * 10)} ]; '
            "sleep 0.1; done; "
            f"tail -n 1 {shlex.quote(self.mounts[-1] + '/sequence')}"
        )
        return int(self.lab.ssh("source", ended, timeout=limit + 30).stdout)


def make_ordinary(lab: Lab) -> float:
    """Make group vgdata with a nested pair of filesystems and their files; returns the seconds it took."""
    return _make(lab, ORDINARY, {"/srv/data": 6 * 1024, "/srv/data/logs": 4 * 1024})


def make_awkward(lab: Lab) -> float:
    """Make groups vg-awk and vgpart: stripes, raid1, thin, swap, a partition, blanks; returns the seconds it took."""
    lab.ssh("target", RESTIC_PASSWORD)
    return _make(lab, AWKWARD, dict.fromkeys(AWKWARD_MOUNTS, 1024))


def make_alone(lab: Lab) -> float:
    """Make group vgown on the target itself: the one machine of the set "alone"; returns the seconds it took."""
    return _make(lab, ALONE, dict.fromkeys(ALONE_MOUNTS, 1024), "target")


def remove_alone(lab: Lab) -> None:
    """Take it away again, so that the target is as others expect it."""
    lab.ssh("target", FIND_DISK + ALONE_GONE.format(**lab.serial_of))


def _make(lab: Lab, script: str, filled: dict[str, int], machine: str = "source") -> float:
    begin = time.monotonic()
    lab.ssh(machine, FIND_DISK + script.format(**lab.serial_of), timeout=300)
    fills = [FILL.format(mount=shlex.quote(mount), kib=kib) for mount, kib in filled.items()]
    lab.ssh(machine, "\n".join(fills), timeout=300)
    return round(time.monotonic() - begin, 2)


def start_writer(lab: Lab, mounts: tuple[str, ...]) -> Writer:
    """Start a writer on the source that appends and overwrites until it is told to stop."""
    quoted = " ".join(shlex.quote(mount) for mount in mounts)
    numbered = shlex.quote(mounts[-1] + "/sequence")
    forget = "; ".join(f"rm -f {shlex.quote(mount + '/sequence')}" for mount in mounts)
    body = WRITER.format(mounts=quoted)
    lab.ssh(
        "source",
        f"rm -f /run/lab-writer.stop; {forget}; "
        f"setsid sh -c {shlex.quote(body)} writer {shlex.quote(mounts[0])} </dev/null >/run/lab-writer.log 2>&1 & "
        "echo $! >/run/lab-writer.pid",
    )
    wait_until(lambda: lab.ssh("source", f"test -s {numbered}", check=False).returncode == 0, "writer", 20.0)
    return Writer(lab, mounts)


def last_numbers(lab: Lab, machine: str, mounts: tuple[str, ...]) -> tuple[int, ...]:
    """Read the writer's last number on each mount; at one instant they never rise from one mount to the next."""
    reads = "; ".join(f"tail -n 1 {shlex.quote(mount + '/sequence')}" for mount in mounts)
    return tuple(int(line) for line in lab.ssh(machine, reads).stdout.split())


def checksums(lab: Lab, machine: str, mount: str) -> str:
    """Describe a filesystem completely: every file's bytes, and every name's kind, mode, owner, links and target."""
    script = (
        f"cd {shlex.quote(mount)}; find . -xdev -type f -print0 | sort -z | xargs -0 sha256sum; "
        "find . -xdev ! -name lost+found -printf '%y %m %U:%G %n %s %l %p\\n' | grep -v '^d' | sort"
    )
    return lab.ssh(machine, script, timeout=300).stdout


def mount_points(lab: Lab, machine: str) -> list[str]:
    """List what is mounted below /srv and /mnt, deepest last."""
    text = lab.ssh(machine, "findmnt -rn -o TARGET | grep -E '^/(srv|mnt)/' || true").stdout
    points = [line.replace("\\x20", " ") for line in text.splitlines()]
    if any("\\x" in point for point in points):
        raise LabError(f"unexpected escape in {points}")
    return sorted(points)


def reset_target(lab: Lab) -> None:
    """Unmount and deactivate whatever tests left on the target, by force, so that mirrors may be overwritten."""
    unmounts = [f"umount -l {shlex.quote(point)}" for point in reversed(mount_points(lab, "target"))]
    lab.ssh(
        "target",
        "\n".join(unmounts) + "\n"
        "vgchange --nohints -an >/dev/null 2>&1 || true\n"
        "dmsetup remove_all --force --retry >/dev/null 2>&1 || true\n"
        "rm -f /run/lvm/hints; rm -rf /var/tmp/splitmount/locks; sync",  # of a run before the power was cut
    )


def reset_mirrors(lab: Lab) -> None:
    """Bring all pairs back to "never established": target clean, source thawed, no job, no tracking, all ready."""
    reset_target(lab)
    for point in mount_points(lab, "source"):
        lab.ssh("source", f"fsfreeze -u {shlex.quote(point)} 2>/dev/null || true")
    lab.array.forget_pairs()
