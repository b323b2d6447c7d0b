"""Reads that need no more than tools which every system has: who uses a filesystem, what a device or a file holds."""

from __future__ import annotations

import shlex

from core.hosts import BLOCK, HostRef, Places
from core.transport import Command

# By system: what of a device's path is replaced to read it past the buffers of the system, and the option that does it there.
_RAW = {"aix": ("/dev/", "/dev/r"), "hpux": ("/disk/", "/rdisk/"), "solaris": ("/dsk/", "/rdsk/")}
_DIRECT = {"linux": " iflag=direct"}
_NAMED = {"linux": 'device=`named "$device" {serial}`\n'}  # a name by which a rule of sudo tells devices apart
_SLOWEST = 10 << 20  # bytes a second that any device reads
# By system: how `fuser` is asked for everybody who uses a mounted filesystem. It prints the processes, and nothing else, there.
_FUSER = {"linux": "-m"}
_AWK = {"solaris": "nawk"}


def raw_path(system: str, path: str) -> str:
    """The device to read bytes from: the character device, where the system has one."""
    if system == "hpux" and "/dsk/" in path:
        return path.replace("/dsk/", "/rdsk/")
    old, new = _RAW.get(system, ("", ""))
    return path.replace(old, new, 1) if old else path


class PlainReads:
    """Fits `core.hosts.Reads`; `before` is what goes before each script."""

    def __init__(self, host: HostRef, before: str, system: str) -> None:
        """Of one host."""
        self._host, self._before, self._system = host, before, system

    def _read(self, title: str, text: str, limit: float = 60.0) -> Command:
        return Command(self._host.name, title, f"LC_ALL=C; export LC_ALL\n{text}", prelude=self._before, timeout=limit)

    def users(self, mount_points: tuple[str, ...]) -> Command:
        """By `fuser`."""
        lines = ["type fuser > /dev/null 2>&1 || { echo 'no fuser'; exit 0; }"]
        for number, point in enumerate(mount_points):
            lines.append(f'echo "users {number} `$S fuser {_FUSER.get(self._system, "-c")} {shlex.quote(point)} 2>/dev/null`"')
        return self._read(f"ask who uses {len(mount_points)} filesystems", "\n".join(lines) + "\n")

    def device(self, serial: str, path: str, places: Places) -> Command:
        """By `dd` and `cksum`."""
        words = " ".join(f"{first} {count}" for first, count in places)
        option, named = _DIRECT.get(self._system, ""), _NAMED.get(self._system, "").format(serial=shlex.quote(serial))
        text = f"""device={shlex.quote(raw_path(self._system, path))}
{named}set -- {words}
while [ $# -gt 1 ]; do
  echo "sum {serial} $1 `$S dd if="$device" bs={BLOCK} skip=$1 count=$2{option} 2>/dev/null | cksum`"
  shift; shift
done
"""
        amount = sum(count for _, count in places) * BLOCK
        return self._read(f"read {len(places)} places of {serial}", text, 120 + amount / _SLOWEST)

    def sample(self, mount_points: tuple[str, ...], count: int) -> Command:
        """By `find`, `awk` (reservoir sampling) and `cksum`."""
        points = " ".join(shlex.quote(point) for point in mount_points)
        awk = _AWK.get(self._system, "awk")
        choose = (
            f"{awk} 'BEGIN {{srand()}} NR <= {count} {{r[NR] = $0; next}} {{i = int(rand() * NR) + 1; if (i <= {count}) r[i] = $0}}"
            " END {for (i in r) print r[i]}'"
        )
        text = f'for p in {points}; do $S find "$p" -xdev -type f -print; done 2>/dev/null | {choose} |\n{_SUMS}'
        return self._read(f"read some files below {len(mount_points)} mount points", text, 900)

    def files(self, paths: tuple[str, ...]) -> Command:
        """By `cksum`."""
        lines = "\n".join(paths)
        return self._read(f"read {len(paths)} files", f"cat <<'END-OF-PATHS' |\n{lines}\nEND-OF-PATHS\n{_SUMS}", 900)


# Reads names, prints `file CRC BYTES NAME`; a name that a line cannot carry is passed over.
_SUMS = """while IFS= read f; do
  c=`$S cksum "$f" < /dev/null 2> /dev/null` && { set -- $c; echo "file $1 $2 $f"; }
done
"""
