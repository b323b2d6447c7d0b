"""What the scripts for old systems share: plain words of /bin/sh, with backquotes, that any Bourne shell since 1979 takes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from core.errors import Refused
from core.hosts import HostRef
from core.transport import Command, Effect, Guard

BECOME = {"": "", "sudo": "sudo -n", "pfexec": "pfexec"}

OURS_THERE = r"""ours_there() { # DEVICE DIRECTORY: whether this run mounted that device there
  noted=`cat "$RUN/keep/mounted" 2>/dev/null`
  case "
$noted
" in *"
$1|$2
"*) return 0;; esac
  return 1
}
"""

REFUSE = (
    r"""
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
"""
    + OURS_THERE
    + r"""inside_copy() { # DIRECTORY: whether the filesystem around it is one that this run mounted
  above=$1
  while [ "$above" != / ]; do
    above=`dirname "$above"`
    around=`mounted_at "$above"`
    [ -z "$around" ] || break
  done
  ours_there "$around" "$above"
}
free_point() { # no files of this host may vanish under the copy that is mounted at $point
  [ -d "$point" ] || return 0
  if inside_copy "$point"; then return 0; fi
  held=`$S ls -A "$point"` || refuse "$point cannot be looked into"
  [ -z "$held" ] || refuse "$point is not empty"
}
note_mount() { # DEVICE DIRECTORY: before it is mounted
  echo "$1|$2" >> "$RUN/keep/mounted" || fail "cannot write to $RUN/keep"
}
drop_paths() { # DIRECTORY: remove those of its directories that we made
  [ -f "$RUN/keep/created" ] || return 0
  sort -r "$RUN/keep/created" | while read d; do
    case "$1/" in "$d"/*) $S rmdir "$d" 2>/dev/null;; esac
  done
  return 0
}
"""
)


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


def change(host: HostRef, title: str, text: str, before: str, guard: Guard) -> Command:
    """A change on a host."""
    return Command(host.name, title, text, Effect.CHANGE, prelude=before, timeout=300.0, guard=guard)
