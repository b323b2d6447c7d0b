"""The shell functions that go before every script of the Linux driver: how a device is found, and how a script refuses."""

from __future__ import annotations

import re
import shlex

_SUDO = {"": "", "sudo": "sudo -n", "pfexec": "pfexec"}

_FUNCTIONS = r"""
LC_ALL=C; export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
LVM_SUPPRESS_FD_WARNINGS=1; export LVM_SUPPRESS_FD_WARNINGS
NB='backup{backup=0 archive=0}' # LVM writes text copies of groups to /etc/lvm by itself; we leave no trace there
umask 077
refuse() { echo "refused: $*" >&2; exit 90; }
fail() { echo "$*" >&2; exit 1; }
serial_of() { # KERNEL_NAME: the serial that the device itself gives (VPD page 80 behind its header)
  if [ -r "/sys/block/$1/device/vpd_pg80" ]; then tail -c +5 "/sys/block/$1/device/vpd_pg80" | tr -d ' \000'
  elif [ -r "/sys/block/$1/serial" ]; then tr -d ' \000' < "/sys/block/$1/serial"; fi
}
map_of() { # KERNEL_NAME: its multipath map, or the device itself
  m=/dev/$1
  for h in "/sys/block/$1/holders/"dm-*; do
    [ -r "$h/dm/uuid" ] || continue
    case `cat "$h/dm/uuid"` in mpath-*) m=/dev/mapper/`cat "$h/dm/name"`;; esac
  done
  echo "$m"
}
look_at_disks() { # read the serial of every disk, once for all look-ups of a script; a script that scans looks again
  SEEN=`for d in /sys/block/*; do
    k=${d##*/}
    case $k in dm-*|loop*|ram*|zram*|md*|sr*|fd*|nbd*) continue;; esac
    echo "$k \`serial_of "$k"\`"
  done`
}
disks_of() { # SERIAL: the kernel names of all disks (paths) with that serial
  while read -r k s; do if [ "$s" = "$1" ]; then echo "$k"; fi; done <<SEEN
$SEEN
SEEN
}
path_of() { # SERIAL: its one device, multipath map before path; empty when there is none
  found=''
  for k in `disks_of "$1"`; do
    p=`map_of "$k"`
    case " $found " in *" $p "*) ;; *) found="$found $p";; esac
  done
  set -- $found
  [ $# -le 1 ] || refuse "more than one device says that its serial is the same:$found"
  echo "${1-}"
}
need() { # SERIAL [PARTITION]: the device, measured now, in this shell
  p=`path_of "$1"` || exit 90
  [ -n "$p" ] || refuse "there is no device with serial $1 on this host"
  if [ -n "${2-}" ]; then
    for q in "$p$2" "${p}p$2" "$p-part$2"; do if [ -b "$q" ]; then p=$q; break; fi; done
    case $p in *"$2") ;; *) refuse "there is no partition $2 on the device with serial $1";; esac
  fi
  [ -b "$p" ] || refuse "$p (serial $1) is no block device"
  echo "$p"
}
named() { # DEVICE SERIAL: its name that ends in the serial, where udev made one: a rule of sudo can tell it from other devices
  for l in /dev/disk/by-id/*[_-]"$2" /dev/disk/by-id/*[_-]"$2"-part*; do
    if [ -b "$l" ] && [ "`readlink -f "$l"`" = "`readlink -f "$1"`" ]; then echo "$l"; return; fi
  done
  echo "$1"
}
"""


def prelude(become: str) -> str:
    """The functions, with `$S` as the way to become privileged: nothing, `sudo -n` or `pfexec`."""
    return f"S='{_SUDO[become]}'{_FUNCTIONS}"


def quoted(words: tuple[str, ...]) -> str:
    """Words for the shell, each quoted."""
    return " ".join(shlex.quote(word) for word in words)


def valid_name(name: str) -> bool:
    """Whether LVM takes this as a group's name; some releases destroy metadata over a name that it does not."""
    return re.fullmatch(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,125}", name) is not None and name not in (".", "..")
