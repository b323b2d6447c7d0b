"""The changes that the HP-UX driver plans: a copy gets a group id of its own by vgchgid, and a name by vgimport."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from core.errors import Refused
from core.explain import EXPLAIN
from core.hosts import HostRef, ImportRequest, Mount, OwnGroup
from core.model import VolumeGroup
from core.plan import Explain, Phase, Step, StepKind
from core.transport import Command, Guard
from hostdrivers.hpux_scripts import (
    ACTIVATE,
    ACTIVATE_UNDO,
    ATTACH,
    ATTACH_UNDO,
    FUNCTIONS,
    IMPORT,
    IMPORT_UNDO,
    MOUNT,
    MOUNT_UNDO,
    OWN,
    PATH,
    TABLE,
    TABLE_UNDO,
)
from hostdrivers.reads import PlainReads
from hostdrivers.script import change, facts, prelude

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,255}")


def _change(host: HostRef, title: str, text: str, guard: Guard = Guard.DEVICES) -> Command:
    lock = facts({"LOCK": f"{host.work_dir}/minor.lock"})
    return change(host, title, lock + text, prelude(host.become, PATH, FUNCTIONS), guard)


def attach(host: HostRef, bcvs: tuple[str, ...]) -> Step:
    """Make the BCVs visible; each is proved by its serial and by reading its identity."""
    head = facts({"serials": " ".join(bcvs)})
    return Step(
        "attach",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Make {len(bcvs)} BCVs visible on {host.name}",
        host.name,
        Explain(
            "Runs ioscan and insf, finds each BCV by the serial that it gives in an inquiry, and reads its identity from the disk.",
            "Special files are numbered as devices appear; the serial stays the same.",
            "A BCV that does not appear or cannot be read: zoning, masking, or not ready in the array.",
            "ioscan -fnC disk; insf -e -C disk; inq; xd -j8200 -N16 -tx4 /dev/rdsk/cXtYdZ",
        ),
        command=_change(host, "make the BCVs visible", head + ATTACH),
        fence=bcvs,
        undo=_change(host, "remove the special files that were not there before", head + ATTACH_UNDO),
    )


def map_of(group: VolumeGroup) -> str:
    """The map file that `vgexport -s -m` would write: the group's id, then number and name of each volume."""
    rows = sorted((v.number, v.name) for v in group.volumes)
    return "".join([f"VGID {group.uuid}\n", *(f"{number} {name}\n" for number, name in rows)]).rstrip("\n")


def _facts(request: ImportRequest) -> str:
    group = request.group
    values = {
        "old": group.name,
        "new": request.new_name,
        "vgid": group.uuid,
        "pvids": " ".join(pvid for _, pvid in request.bcvs),
        "serials": " ".join(serial for serial, _ in request.bcvs),
        "lvs": " ".join(v.name for v in group.volumes),
        "cluster": "yes" if group.shared else "no",
        "map": map_of(group).split("\n", 1)[-1],
    }
    return facts(values) + 'keep="$RUN/keep/$old"\n'


def _devices(request: ImportRequest) -> str:
    lines = ["look_at_disks"]
    lines += [f"D{n}=`need {shlex.quote(serial)}` || exit 90" for n, (serial, _) in enumerate(request.bcvs)]
    names = " ".join(f"$D{n}" for n in range(len(request.bcvs)))
    return "\n".join([*lines, f'ALL="{names}"']) + "\n"


def _refuse_unfit(request: ImportRequest) -> None:
    group = request.group
    if not group.uuid:
        raise Refused(f"{group.name} was not active when it was measured: its layout is not known. Nothing was changed.")
    if not _NAME.fullmatch(request.new_name):
        raise Refused(f"{request.new_name!r} is no name of a volume group on HP-UX. Nothing was changed.")
    unnumbered = [v.name for v in group.volumes if not v.number]
    if unnumbered:
        raise Refused(
            f"{group.name}: the numbers of {', '.join(unnumbered)} are not known: without them vgimport invents names."
        )


def import_group(host: HostRef, request: ImportRequest) -> Step:
    """Give the copy a group id of its own, and take it into this host's table."""
    _refuse_unfit(request)
    body, name = _facts(request) + _devices(request), request.group.name
    return Step(
        f"import-{name}",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Import group {name} as {request.new_name}",
        host.name,
        Explain(
            "Reads from every BCV that it carries the physical volume of the map, runs vgchgid over all of them in one call, makes the group "
            f"file with a free number under a lock, and imports {request.new_name} with the names of the map.",
            "Two groups of one id must never meet on one host; a partial vgchgid tears a group apart; without a map volumes lose their names.",
            "A wrong device, a missing one, a taken name or number: each is refused before anything is written. "
            "The BCVs keep the new group id until they are established again.",
            f"vgchgid RAW...; mkdir and mknod of the group file; vgimport -v -m MAP /dev/{request.new_name} BLOCK...",
        ),
        command=_change(host, f"import group {name}", body + IMPORT),
        fence=tuple(serial for serial, _ in request.bcvs),
        undo=_change(host, f"export group {request.new_name}", body + IMPORT_UNDO),
    )


def activate(host: HostRef, request: ImportRequest) -> Step:
    """Activate the imported group."""
    body, name = _facts(request) + _devices(request), request.group.name
    return Step(
        f"activate-{name}",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Activate group {request.new_name}",
        host.name,
        Explain(
            "Activates the group, without the cluster's mark if it had one, and checks that each volume lies on BCVs of this set only.",
            "A volume that reaches another device would mix the copy with something else.",
            "No quorum, or a device that went away; the run then takes everything back.",
            f"vgchange -a y /dev/{request.new_name}; vgdisplay -v; lvdisplay -v",
        ),
        command=_change(host, f"activate {request.new_name}", body + f"uuid=@{{vg_uuid.{name}}}@\n" + ACTIVATE),
        fence=tuple(serial for serial, _ in request.bcvs),
        undo=_change(host, f"deactivate {request.new_name}", body + ACTIVATE_UNDO),
    )


def mount(host: HostRef, request: ImportRequest, mount_: Mount) -> Step:
    """Check and mount one filesystem of the imported group."""
    values = {
        "node": f"/dev/{request.new_name}/{mount_.volume}",
        "rawnode": f"/dev/{request.new_name}/r{mount_.volume}",
        "point": mount_.mount_point,
        "kind": mount_.kind,
        "options": "ro" if request.read_only else "rw",
    }
    body, name = _facts(request) + _devices(request), request.group.name
    return Step(
        f"mount-{name}-{mount_.volume}",
        Phase.MOUNT,
        StepKind.COMMAND,
        f"Mount {mount_.source_mount_point} at {mount_.mount_point}",
        host.name,
        Explain(
            f"Runs fsck on {values['rawnode']} ({mount_.kind}), which replays its log, then mounts it {values['options']}.",
            "A copy of a mounted filesystem is as after a power failure; mount refuses it until its log was replayed.",
            "fsck writes to the BCV, never to the standard. A filesystem that it cannot repair ends the run.",
            f"fsck -F {mount_.kind} -y {values['rawnode']}; mount -F {mount_.kind} -o {values['options']} ...",
        ),
        command=_change(host, f"mount {mount_.mount_point}", body + f"uuid=@{{vg_uuid.{name}}}@\n" + facts(values) + MOUNT),
        fence=tuple(serial for serial, _ in request.bcvs),
        undo=_change(host, f"unmount {mount_.mount_point}", _facts(request) + _devices(request) + facts(values) + MOUNT_UNDO),
    )


# --- on the group's own host ------------------------------------------------------------------------------------------


def _outer_first(mounts: Iterable[Mount]) -> list[Mount]:
    return sorted(mounts, key=lambda m: (m.mount_point.count("/"), m.mount_point))


def _own(own: OwnGroup) -> str:
    values = {
        "old": own.group.name,
        "vgid": own.group.uuid,
        "serials": " ".join(own.serials),
        "map": map_of(own.group).split("\n", 1)[-1],
    }
    return facts(values) + OWN + "look_own\n"


def _starts(own: OwnGroup) -> str:
    """start_own, then one line for each mount, outermost first."""
    group = own.group.name
    rows = [
        f"start_mount {m.kind} /dev/{group}/{m.volume} /dev/{group}/r{m.volume} {shlex.quote(m.mount_point)}\n"
        for m in _outer_first(own.mounts)
    ]
    return "start_own\n" + "".join(rows)


def stop_group(host: HostRef, own: OwnGroup) -> Step:
    """Unmount and deactivate a group on its own host."""
    name = own.group.name
    stops = "".join(
        f"stop_mount /dev/{name}/{m.volume} {shlex.quote(m.mount_point)}\n" for m in reversed(_outer_first(own.mounts))
    )
    end = f'if active "$old"; then $S vgchange -a n "/dev/$old" || fail "{name} could not be deactivated"; fi\n'
    return Step(
        f"stop-{name}",
        Phase.STOP,
        StepKind.COMMAND,
        f"Unmount and deactivate {name} on {host.name}",
        host.name,
        EXPLAIN["stop"],
        command=_change(host, f"stop {name}", _own(own) + stops + end),
        fence=own.serials,
        undo=_change(host, f"start {name} again", _own(own) + _starts(own)),
    )


def start_group(host: HostRef, own: OwnGroup) -> Step:
    """Activate a group on its own host, check and mount its filesystems."""
    name = own.group.name
    return Step(
        f"start-{name}",
        Phase.START,
        StepKind.COMMAND,
        f"Activate {name} on {host.name}, check and mount its filesystems",
        host.name,
        EXPLAIN["start"],
        command=_change(host, f"start {name}", _own(own) + _starts(own)),
        fence=own.serials,
    )


def table_entries(host: HostRef, request: ImportRequest) -> Step:
    """Entries in /etc/fstab between two lines of our mark."""
    words = {"vxfs": "delaylog"}  # HFS knows no such option
    rows = [
        f"/dev/{request.new_name}/{m.volume} {m.mount_point} {m.kind} {words.get(m.kind, 'defaults')} 0 2"
        for m in _outer_first(request.mounts)
    ]
    values = {
        "points": " ".join(m.mount_point for m in request.mounts),
        "lines": "\n".join(rows),
        "mark": f"# splitmount takeover of {request.group.name}",
    }
    return Step(
        f"table-{request.group.name}",
        Phase.MOUNT,
        StepKind.COMMAND,
        f"Add {len(rows)} mounts to /etc/fstab of {host.name}",
        host.name,
        EXPLAIN["table"],
        command=_change(host, "add entries to /etc/fstab", facts(values) + TABLE, Guard.OWN_LINES),
        undo=_change(host, "remove our entries from /etc/fstab", facts(values) + TABLE_UNDO, Guard.OWN_LINES),
    )


def freeze(host: HostRef, mount_points: tuple[str, ...]) -> Command:
    """There is no command that freezes on HP-UX. Refused."""
    raise Refused(
        f"{host.name}: HP-UX has no command to freeze {', '.join(mount_points)}; the copy is recovered from its log instead"
    )


def check(host: HostRef) -> Command:
    """A read that names what is missing."""
    tools = "vgdisplay lvdisplay vgchgid vgimport vgexport vgchange ioscan insf rmsf mknod strings fsck fstyp dd od"
    text = f"""for c in {tools}; do type $c > /dev/null 2>&1 || echo "missing: the command $c"; done
type inq > /dev/null 2>&1 || type syminq > /dev/null 2>&1 || echo "missing: inq or syminq, which read the serials of devices"
[ "`$S id -u 2>/dev/null`" = 0 ] || echo "missing: the privileges of root (become: sudo, without a password)"
d={shlex.quote(host.work_dir)}; while [ ! -d "$d" ]; do d=`dirname "$d"`; done
[ -w "$d" ] || echo "missing: a work directory: $d is not writable"
uname -r
"""
    return Command(host.name, f"check {host.name}", text, prelude=prelude(host.become, PATH))


def reads(host: HostRef) -> PlainReads:
    """With the way to become privileged, and the search path."""
    return PlainReads(host, prelude(host.become, PATH), "hpux")
