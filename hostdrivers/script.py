"""What the scripts for old systems share: plain words of /bin/sh, with backquotes, that any Bourne shell since 1979 takes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from core.errors import Refused
from core.hosts import BLOCK, HostRef, Places
from core.transport import Command, Effect

BECOME = {"": "", "sudo": "sudo -n", "pfexec": "pfexec"}

REFUSE = r"""
LC_ALL=C; export LC_ALL
umask 077
refuse() { echo "refused: $*" >&2; exit 90; }
fail() { echo "$*" >&2; exit 1; }
has() { # WORD LIST: whether the word is in the list
  case " $2 " in *" $1 "*) return 0;; esac; return 1
}
make_path() { # DIRECTORY: make what is missing, each noted before it is made
  [ -d "$1" ] && return 0
  make_path "`dirname "$1"`" || return 1
  echo "$1" >> "$RUN/keep/created" && $S mkdir "$1" && $S chmod 755 "$1"
}
drop_paths() { # DIRECTORY: remove those of its directories that we made
  [ -f "$RUN/keep/created" ] || return 0
  sort -r "$RUN/keep/created" | while read d; do
    case "$1/" in "$d"/*) $S rmdir "$d" 2>/dev/null;; esac
  done
  return 0
}
"""


def prelude(become: str, path: str, functions: str = "") -> str:
    """What goes before a script: the way to become privileged as `$S`, the search path, and functions."""
    return f"S='{BECOME[become]}'\nPATH={path}; export PATH\n{REFUSE}{functions}"


def facts(values: Mapping[str, str]) -> str:
    """Shell variables, each quoted."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


_SYSTEM = frozenset("/ /usr /var /opt /tmp /run /etc /dev /bin /sbin /lib".split())  # noqa: SIM905  one list of words


def refuse_system(host: HostRef, mount_points: tuple[str, ...]) -> None:
    """Refused when one of them is a filesystem that the host itself, and so the thaw, needs."""
    if odd := [point for point in mount_points if point in _SYSTEM]:
        raise Refused(
            f"{host.name}: {', '.join(odd)} cannot be frozen: the thaw itself needs it. Use `freeze: {{enabled: false}}`."
        )


def change(host: HostRef, title: str, text: str, before: str, *, limit: float = 300.0) -> Command:
    """A change on a host."""
    return Command(host.name, title, text, Effect.CHANGE, prelude=before, timeout=limit)


# By system: what of a device's path is replaced to read it past the buffers of the system, and the option that does it there.
_RAW = {"aix": ("/dev/", "/dev/r"), "hpux": ("disk/", "rdisk/"), "solaris": ("/dsk/", "/rdsk/")}
_DIRECT = {"linux": " iflag=direct"}
_SLOWEST = 10 << 20  # bytes a second that any device reads


def raw_path(system: str, path: str) -> str:
    """The device to read bytes from: the character device, where the system has one."""
    if system == "hpux" and "/dsk/" in path:
        return path.replace("/dsk/", "/rdsk/")
    old, new = _RAW.get(system, ("", ""))
    return path.replace(old, new, 1) if old else path


def checksums(host: HostRef, before: str, serial: str, path: str, places: Places, system: str) -> Command:
    """A read of these places of a device; a line `sum SERIAL FIRST CRC BYTES` for each."""
    words = " ".join(f"{first} {count}" for first, count in places)
    text = f"""LC_ALL=C; export LC_ALL
device={shlex.quote(raw_path(system, path))}
set -- {words}
while [ $# -gt 1 ]; do
  echo "sum {serial} $1 `$S dd if="$device" bs={BLOCK} skip=$1 count=$2{_DIRECT.get(system, "")} 2>/dev/null | cksum`"
  shift; shift
done
"""
    amount = sum(count for _, count in places) * BLOCK
    return Command(host.name, f"read {len(places)} places of {serial}", text, prelude=before, timeout=120 + amount / _SLOWEST)


# By system: how `fuser` is asked for everybody who uses a mounted filesystem. It prints the processes, and nothing else, there.
_FUSER = {"linux": "-m"}


def users(host: HostRef, before: str, mount_points: tuple[str, ...], system: str) -> Command:
    """A read of who uses mounted filesystems: a line `users NUMBER PROCESS ...` for each, or `no fuser`."""
    lines = ["type fuser > /dev/null 2>&1 || { echo 'no fuser'; exit 0; }"]
    for number, point in enumerate(mount_points):
        lines.append(f'echo "users {number} `$S fuser {_FUSER.get(system, "-c")} {shlex.quote(point)} 2>/dev/null`"')
    return Command(host.name, f"ask who uses {len(mount_points)} filesystems", "\n".join(lines) + "\n", prelude=before)
