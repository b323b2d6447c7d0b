"""The changes that the Solaris driver plans: a copy of a VxVM disk group comes up on the target, and goes again.

What was chosen:
- A copy is imported with ids of its own (VxVM 5 and later), which stay on the BCVs until they are established again: a second
  import of one split is refused, with that reason. The undo deports the group; the BCVs' bytes are not put back.
- The import lock of the source comes with the bytes. It is cleared by `vxdisk clearimport` on the BCVs alone, after each was
  proved by serial, disk id, group id and (VxVM 5) the flag of a copy, and only when it names the host of the map. The lock of
  any other host is refused unless the caller says `clear`. `vxdg -C` and `-f` are never sent.
- A takeover (mounts for writing without a prefix) is imported to stay over a restart; anything else with -t.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from core.errors import Refused
from core.explain import EXPLAIN
from core.hosts import HostRef, ImportRequest, Mount, OwnGroup
from core.plan import Explain, Phase, Step, StepKind
from core.transport import Command, Effect, Guard
from hostdrivers.reads import PlainReads
from hostdrivers.script import change, facts, prelude, refuse_system
from hostdrivers.solaris_scripts import (
    ACTIVATE,
    ACTIVATE_UNDO,
    ATTACH,
    ATTACH_UNDO,
    FUNCTIONS,
    IMPORT,
    IMPORT_UNDO,
    MOUNT,
    MOUNT_UNDO,
    MOUNTED,
    OWN,
    PATH,
    TABLE,
    TABLE_UNDO,
)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}")


def _change(host: HostRef, title: str, text: str, guard: Guard = Guard.DEVICES) -> Command:
    return change(host, title, text, prelude(host.become, PATH, FUNCTIONS + MOUNTED), guard)


def attach(host: HostRef, bcvs: tuple[str, ...]) -> Step:
    """Make the BCVs known to Solaris and to VxVM; each is proved by its serial and by reading from it."""
    head = facts({"serials": " ".join(bcvs)})
    return Step(
        "attach",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Make {len(bcvs)} BCVs visible on {host.name}",
        host.name,
        Explain(
            "Runs devfsadm and vxdctl enable, finds each BCV by the serial that iostat -En gives, reads from it, and takes it "
            "offline and online in VxVM, so that its private region is read again.",
            "Names such as c1t0d0s2 may change; the serial does not. VxVM remembers a private region of before the split.",
            "A BCV that does not appear or cannot be read: masking, no label, or not ready in the array. All is then taken back.",
            "devfsadm; vxdctl enable; iostat -En; vxdisk -o alldgs list; vxdisk list c1t0d0s2",
        ),
        command=_change(host, "make the BCVs visible", head + ATTACH),
        fence=bcvs,
        undo=_change(host, "take the disks out of VxVM that were not in it before", head + ATTACH_UNDO),
    )


def _facts(request: ImportRequest, *, clear: bool = False) -> str:
    group = request.group
    takeover = not request.read_only and not request.prefix
    return (
        facts(
            {
                "old": group.name,
                "new": request.new_name,
                "dgid": group.uuid,
                "owner": group.system_id,
                "diskids": " ".join(diskid for _, diskid in request.bcvs),
                "serials": " ".join(serial for serial, _ in request.bcvs),
                "temporary": "" if takeover else "-t",
                "clear": "yes" if clear else "no",
            }
        )
        + 'keep="$RUN/keep/$old"\n'
    )


def _devices(request: ImportRequest) -> str:
    """Lines that find each disk now, by serial."""
    lines = [f"D{n}=`need {shlex.quote(serial)}` || exit 90" for n, (serial, _) in enumerate(request.bcvs)]
    names = " ".join(f"$D{n}" for n in range(len(request.bcvs)))
    return "\n".join(["look_at_disks", *lines, f'ALL="{names}"']) + "\n"


def _refuse_unfit(request: ImportRequest) -> None:
    group = request.group
    if not request.bcvs or not group.uuid:
        raise Refused(f"{group.name} has no disks, or no identity, in the map. Nothing was changed.")
    if not _NAME.fullmatch(request.new_name):
        raise Refused(f"{request.new_name!r} cannot be the name of a disk group: letters, digits, _ - and ., at most 31.")
    if request.new_name == group.name and request.same_host:
        raise Refused(f"{group.name}: the copy needs another name on the source's own host (group_suffix).")


def import_group(host: HostRef, request: ImportRequest, *, clear: bool = False) -> Step:
    """Import the copy's group under a name of its own. `clear` allows the import lock of a host that is not the source."""
    _refuse_unfit(request)
    body = _facts(request, clear=clear) + _devices(request)
    group = request.group.name
    return Step(
        f"import-{group}",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Import group {group} as {request.new_name}",
        host.name,
        Explain(
            "Reads from every BCV that it carries the disk and the group of the map and that VxVM takes it for a copy, clears the "
            f"import lock that came with the bytes on these disks alone, and imports the group by its id as {request.new_name}.",
            "The lock says that the source uses the group; the source uses the standards, not these. The copy gets ids of its own, "
            "so that it cannot be taken for the original. Its private regions are kept first; the undo puts them back.",
            "A wrong device, a missing disk, a taken name, another copy, another host's lock: each is refused before anything is written.",
            f"vxdisk clearimport DISK...; vxdg -t -n {request.new_name} -o useclonedev=on -o updateid import {request.group.uuid}",
        ),
        command=_change(host, f"import group {group}", body + IMPORT),
        fence=tuple(serial for serial, _ in request.bcvs),
        undo=_change(host, f"deport group {request.new_name}, put the private regions back", body + IMPORT_UNDO),
    )


def activate(host: HostRef, request: ImportRequest) -> Step:
    """Start the volumes of the imported group."""
    body = _facts(request) + _devices(request)
    name = request.group.name
    return Step(
        f"activate-{name}",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Start the volumes of {request.new_name}",
        host.name,
        Explain(
            "Checks that each volume lies on BCVs of this set only, and starts them all.",
            "A volume that reaches another disk would mix the copy with something else.",
            "A volume without a usable plex; the run then takes everything back.",
            f"vxvol -g {request.new_name} startall; vxprint -ht -g {request.new_name}",
        ),
        command=_change(host, f"start the volumes of {request.new_name}", body + f"uuid=@{{vg_uuid.{name}}}@\n" + ACTIVATE),
        fence=tuple(serial for serial, _ in request.bcvs),
        undo=_change(host, f"stop the volumes of {request.new_name}", body + ACTIVATE_UNDO),
    )


def mount(host: HostRef, request: ImportRequest, mount_: Mount) -> Step:
    """Check and mount one filesystem of the imported group."""
    name = request.group.name
    node = f"/dev/vx/dsk/{request.new_name}/{mount_.volume}"
    values = {
        "node": node,
        "point": mount_.mount_point,
        "kind": mount_.kind,
        "options": "ro" if request.read_only else "rw",
    }
    body = _facts(request) + _devices(request) + f"uuid=@{{vg_uuid.{name}}}@\n"
    return Step(
        f"mount-{name}-{mount_.volume}",
        Phase.MOUNT,
        StepKind.COMMAND,
        f"Mount {mount_.source_mount_point} at {mount_.mount_point}",
        host.name,
        Explain(
            f"Runs fsck -F {mount_.kind} -y on {node}, which replays its log, then mounts it {values['options']}.",
            "A copy of a mounted filesystem is as after a power failure: it is not mounted before it was checked.",
            "fsck writes to the BCV, never to the standard. A filesystem that fsck cannot repair ends the run.",
            f"mount -v | grep {shlex.quote(mount_.mount_point)}",
        ),
        command=_change(host, f"mount {mount_.mount_point}", body + facts(values) + MOUNT),
        fence=tuple(serial for serial, _ in request.bcvs),
        undo=_change(host, f"unmount {mount_.mount_point}", _facts(request) + _devices(request) + facts(values) + MOUNT_UNDO),
    )


def _outer_first(mounts: Iterable[Mount]) -> list[Mount]:
    return sorted(mounts, key=lambda m: (m.mount_point.count("/"), m.mount_point))


def _lines(mounts: Iterable[Mount], group: str) -> str:
    return "".join(f"/dev/vx/dsk/{group}/{m.volume} {m.kind} {m.mount_point}\n" for m in mounts)


def _own(own: OwnGroup, words: str) -> str:
    """Facts and functions, the group looked at, then what to do with its mounts."""
    values = {"old": own.group.name, "dgid": own.group.uuid, "serials": " ".join(own.serials)}
    mounts = _outer_first(own.mounts)
    inner_first = words == "stop_own"
    lines = _lines(reversed(mounts) if inner_first else mounts, own.group.name)
    return f"{facts(values)}{OWN}look_own\n{words} <<'MOUNTS'\n{lines}MOUNTS\n"


def stop_group(host: HostRef, own: OwnGroup) -> Step:
    """Unmount, stop and deport a group on its own host."""
    name = own.group.name
    return Step(
        f"stop-{name}",
        Phase.STOP,
        StepKind.COMMAND,
        f"Unmount, stop and deport {name} on {host.name}",
        host.name,
        EXPLAIN["stop"],
        command=_change(host, f"stop {name}", _own(own, "stop_own")),
        fence=own.serials,
        undo=_change(host, f"start {name} again", _own(own, "start_own")),
    )


def start_group(host: HostRef, own: OwnGroup) -> Step:
    """Import and start a group on its own host, check and mount its filesystems."""
    name = own.group.name
    return Step(
        f"start-{name}",
        Phase.START,
        StepKind.COMMAND,
        f"Import {name} on {host.name}, start it, check and mount its filesystems",
        host.name,
        EXPLAIN["start"],
        command=_change(host, f"start {name}", _own(own, "start_own")),
        fence=own.serials,
    )


def table_entries(host: HostRef, request: ImportRequest) -> Step:
    """Entries in /etc/vfstab between two lines of our mark."""
    rows = []
    for m in _outer_first(request.mounts):
        node = f"/dev/vx/dsk/{request.new_name}/{m.volume}"
        rows.append(f"{node} {node.replace('/dsk/', '/rdsk/')} {m.mount_point} {m.kind} 2 yes -")
    values = {
        "lines": "\n".join(rows),
        "points": " ".join(m.mount_point for m in request.mounts),
        "mark": f"# splitmount takeover of {request.group.name}",
    }
    return Step(
        f"table-{request.group.name}",
        Phase.MOUNT,
        StepKind.COMMAND,
        f"Add {len(request.mounts)} mounts to /etc/vfstab of {host.name}",
        host.name,
        EXPLAIN["table"],
        command=_change(host, "add entries to /etc/vfstab", facts(values) + TABLE, Guard.OWN_LINES),
        undo=_change(host, "remove our entries from /etc/vfstab", facts(values) + TABLE_UNDO, Guard.OWN_LINES),
    )


def freeze(host: HostRef, mount_points: tuple[str, ...], seconds: int) -> Command:
    """The held shell that locks UFS against writes; a sleep of its own unlocks it when nobody does."""
    refuse_system(host, mount_points)
    inner_first = sorted(mount_points, key=lambda point: (-point.count("/"), point))
    down = "".join(f'[ ! -d "$d/end" ] && $S lockfs -w {shlex.quote(p)} && n={i} &&\n' for i, p in enumerate(inner_first, 1))
    up = "".join(f"  $S lockfs -u {shlex.quote(p)} > /dev/null 2>&1\n" for p in reversed(inner_first))
    text = f"""trap '' 1 13
d=/tmp/splitmount-freeze.$$
now() {{ nawk 'BEGIN {{srand(); print srand()}}'; }}
thaw() {{
{up}  :
}}
mkdir "$d" || {{ echo "failed no directory $d"; exit 1; }}
echo ready
word=`line`
[ "$word" = freeze ] || {{ rmdir "$d"; exit 0; }}
( sleep {seconds}; mkdir "$d/end" && thaw ) < /dev/null > /dev/null 2>&1 &
timer=$!
n=0
began=`now`
if {{ {down}[ ! -d "$d/end" ]; }} 2> "$d/why"; then echo "frozen $began"; else
  if mkdir "$d/end" 2>/dev/null; then kill -9 $timer; else # it may have thawed what was not frozen yet
    wait $timer; echo "it took longer than {seconds} s; all is thawed again" > "$d/why"
  fi
  thaw; echo "failed after $n of {len(mount_points)} filesystems: `cat "$d/why"`"; rm -rf "$d"; exit 1
fi
word=`line`
thaw
ended=`now`
if mkdir "$d/end" 2>/dev/null; then kill -9 $timer; echo "thawed $began $ended"; else echo "expired $ended"; fi
rm -rf "$d"
"""
    return Command(
        host.name,
        f"freeze {len(mount_points)} filesystems",
        text,
        Effect.CHANGE,
        prelude=prelude(host.become, PATH),
        timeout=60,
        guard=Guard.TIMER,
    )


def check(host: HostRef) -> Command:
    """A read that names what is missing."""
    tools = "vxdisk vxdg vxprint vxvol vxdctl iostat devfsadm fsck fstyp mount umount lockfs nawk line"
    text = f"""for c in {tools}; do case "`type $c 2>&1`" in *'not found'*) echo "missing: the command $c";; esac; done
case "`$S id 2>/dev/null`" in 'uid=0('*) ;; *) echo "missing: the privileges of root (become: sudo or pfexec)";; esac
d={shlex.quote(host.work_dir)}; while [ ! -d "$d" ]; do d=`dirname "$d"`; done
[ -w "$d" ] || echo "missing: a work directory: $d is not writable"
pkginfo -l VRTSvxvm | grep VERSION
"""
    return Command(host.name, f"check {host.name}", text, prelude=prelude(host.become, PATH))


def reads(host: HostRef) -> PlainReads:
    """With the way to become privileged, and the search path."""
    return PlainReads(host, prelude(host.become, PATH), "solaris")
