"""The changes that the Linux driver plans: bring a copy up on the target, and take it down again exactly.

What an undo needs (saved metadata, the new group's UUID, directories that were made) lies in `$RUN/keep` on the host.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from core.errors import Refused
from core.explain import EXPLAIN
from core.hosts import HostRef, ImportRequest, Mount, OwnGroup
from core.model import PhysicalVolume
from core.plan import Explain, Phase, Step, StepKind
from core.transport import Command, Effect, Guard
from hostdrivers.linux_discovery import mapper_path
from hostdrivers.linux_scripts import (
    ACTIVATE,
    ACTIVATE_UNDO,
    ATTACH,
    ATTACH_UNDO,
    DEACTIVATE_LOST,
    DEACTIVATE_OWN,
    FORGET_OWN,
    IMPORT,
    IMPORT_UNDO,
    LOST,
    MOUNT,
    MOUNT_UNDO,
    OWN,
    TABLE,
    TABLE_UNDO,
    USERS,
)
from hostdrivers.linux_shell import prelude, quoted, valid_name
from hostdrivers.reads import PlainReads
from hostdrivers.script import change, refuse_system

_MOUNT_OPTIONS = {"xfs": ",nouuid"}


def _change(host: HostRef, title: str, text: str, guard: Guard = Guard.DEVICES) -> Command:
    return change(host, title, text, prelude(host.become) + USERS, guard)


def attach(host: HostRef, bcvs: tuple[str, ...]) -> Step:
    """Make the BCVs visible; each is proved by its serial and by reading from it."""
    head = f"serials={shlex.quote(' '.join(bcvs))}\npatience=30\n"  # seconds until a device that is not there is given up
    return Step(
        "attach",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Make {len(bcvs)} BCVs visible on {host.name}",
        host.name,
        Explain(
            "Scans the SCSI hosts, waits until each BCV is there and readable, and drops what was cached of an earlier copy.",
            "A device is taken by the serial that it gives itself, never by its name or order; names may change with each scan.",
            "A BCV that does not appear: zoning, masking, or it is not ready in the array. The run then takes everything back.",
            "lsblk -o NAME,SERIAL,SIZE; the serials of the BCVs must be there.",
        ),
        command=_change(host, "make the BCVs visible", head + ATTACH),
        fence=bcvs,
        undo=_change(host, "remove the BCVs that were not visible before", head + ATTACH_UNDO),
    )


def _devices(request: ImportRequest) -> str:
    """Lines that find each physical volume's device now, by serial, and join them for LVM's private device list."""
    partition_of = {uuid: p.partition for p in request.group.physical for uuid in (p.uuid,)}
    lines, names = ["look_at_disks"], []
    for number, (serial, uuid) in enumerate(request.bcvs):
        part = f" {shlex.quote(partition_of[uuid])}" if partition_of.get(uuid) else ""
        lines.append(f"D{number}=`need {shlex.quote(serial)}{part}` || exit 90")
        lines.append(f'N{number}=`named "$D{number}" {shlex.quote(serial)}`')
        names.append(f"$D{number}")
    lines += [f'DEVS="{",".join(names)}"', f'ALL="{" ".join(names)}"']
    return "\n".join(lines) + "\n"


def _facts(request: ImportRequest, name: str = "") -> str:
    """What the scripts insist on, as shell variables; `name` is what the group is called until it gets its final one."""
    group = request.group
    values = {
        "old": group.name,
        "new": name or request.new_name,
        "final": request.new_name,
        "vgid": group.uuid,
        "seqno": str(group.seqno),
        "pvids": " ".join(uuid for _, uuid in request.bcvs),
        "serials": " ".join(dict.fromkeys(serial for serial, _ in request.bcvs)),
        "lvids": " ".join(sorted(v.uuid for v in group.volumes if not v.hidden)),
        "foreign": group.system_id,
        "same_host": "yes" if request.same_host else "no",
    }
    starts = {p.uuid: p.pe_start for p in group.physical}
    values["starts"] = " ".join(str(starts[uuid]) for _, uuid in request.bcvs)
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()) + 'keep="$RUN/keep/$old"\n'


def _refuse_unfit(request: ImportRequest) -> None:
    group = request.group
    odd: list[PhysicalVolume] = [p for p in group.physical if p.metadata_areas > 1]
    if odd:
        raise Refused(
            f"{group.name}: {', '.join(p.path for p in odd)} carries two metadata areas; the second one could not be put "
            "back after the import. Nothing was changed."
        )
    for name in (group.name, request.new_name):
        if not valid_name(name):
            raise Refused(
                f"{name!r} is no valid name of a volume group; LVM would destroy the copy's metadata. Nothing was changed."
            )
    if group.name == request.new_name and request.same_host:
        raise Refused(f"{group.name}: the copy needs another name on the source's own host (group_suffix).")


def import_group(host: HostRef, request: ImportRequest) -> Step:
    """Give the copy an identity and a name of its own."""
    _refuse_unfit(request)
    serials = tuple(dict.fromkeys(serial for serial, _ in request.bcvs))
    first = f"{request.new_name}_sm" if request.new_name == request.group.name else ""
    body = _facts(request, first) + _devices(request)
    return Step(
        f"import-{request.group.name}",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Import group {request.group.name} as {request.new_name}",
        host.name,
        Explain(
            f"Checks on every BCV that it carries the physical volume, group and age (sequence number {request.group.seqno}) of the "
            f"map, saves its first bytes, and lets vgimportclone give the copy new UUIDs and the name {request.new_name}.",
            "Two groups with one identity must never be visible to one host; LVM would pick devices from either.",
            "A set torn over two splits, a wrong device, a taken name: each is refused before anything is written. "
            "If the import fails, the saved bytes are written back.",
            f"pvs -o +vg_uuid,vg_seqno on the BCVs; afterwards vgs {request.new_name}.",
        ),
        command=_change(host, f"import group {request.group.name}", body + IMPORT),
        fence=serials,
        undo=_change(host, f"put the identity of {request.group.name} back", body + IMPORT_UNDO),
    )


def activate(host: HostRef, request: ImportRequest) -> Step:
    """Activate the imported group, found by its new UUID."""
    nodes = tuple(mapper_path(request.new_name, m.volume) for m in request.mounts)
    wanted = f"nodes={shlex.quote(' '.join(nodes))}\n"
    body = _facts(request) + _devices(request)
    name = request.group.name
    return Step(
        f"activate-{name}",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Activate group {request.new_name}",
        host.name,
        Explain(
            "Activates the copy's logical volumes with a private list of devices, and checks that each lies on BCVs only.",
            "A volume that reaches a device outside the set would mix the copy with something else.",
            "A missing kernel module for the volume's type; the run then takes everything back.",
            f"lvs {request.new_name}; dmsetup deps.",
        ),
        command=_change(host, f"activate group {request.new_name}", body + wanted + f"uuid=@{{vg_uuid.{name}}}@\n" + ACTIVATE),
        fence=tuple(dict.fromkeys(serial for serial, _ in request.bcvs)),
        undo=_change(host, f"deactivate group {request.new_name}", body + ACTIVATE_UNDO),
    )


def mount(host: HostRef, request: ImportRequest, mount_: Mount) -> Step:
    """Mount one filesystem of the imported group; only directories that we made are removed again."""
    node = mapper_path(request.new_name, mount_.volume)
    options = ("ro" if request.read_only else "rw") + ",nodev,nosuid" + _MOUNT_OPTIONS.get(mount_.kind, "")
    values = {
        "node": node,
        "point": mount_.mount_point,
        "kind": mount_.kind,
        "options": options,
    }
    facts = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    body = _facts(request) + _devices(request)
    late = f"uuid=@{{vg_uuid.{request.group.name}}}@\n"
    return Step(
        f"mount-{request.group.name}-{mount_.volume}",
        Phase.MOUNT,
        StepKind.COMMAND,
        f"Mount {mount_.source_mount_point} at {mount_.mount_point}",
        host.name,
        Explain(
            f"Mounts {node} ({mount_.kind}) with {options}; the mount point is made if it is missing.",
            "The files of the copy are read from here. XFS refuses two filesystems with one UUID, hence nouuid.",
            "Mounting replays the filesystem's journal on the copy, also with ro. A mount point in use is refused.",
            f"findmnt {shlex.quote(mount_.mount_point)}",
        ),
        command=_change(host, f"mount {mount_.mount_point}", body + late + facts + MOUNT),
        fence=tuple(dict.fromkeys(serial for serial, _ in request.bcvs)),
        undo=_change(host, f"unmount {mount_.mount_point}", _facts(request) + facts + MOUNT_UNDO),
    )


_CHECKS = {"xfs": "xfs_repair -n"}


def check_unmounted(host: HostRef, request: ImportRequest, mount_: Mount) -> Step:
    """Check the copy of one filesystem after its journal was replayed and it was unmounted; nothing is repaired."""
    node, check = mapper_path(request.new_name, mount_.volume), _CHECKS.get(mount_.kind, "e2fsck -f -n")
    text = f"""node={shlex.quote(node)}
[ -z "`findmnt -n -o TARGET --source "$node"`" ] || refuse "$node is mounted"
$S {check} "$node" < /dev/null || fail "{check} of $node found something: the copy is not whole"
"""
    return Step(
        f"fsck-{request.group.name}-{mount_.volume}",
        Phase.CLEANUP,
        StepKind.COMMAND,
        f"Check the {mount_.kind} of {mount_.source_mount_point}",
        host.name,
        Explain(
            f"Runs {check} over {node}, which changes nothing.",
            "A copy that mounts is not proved whole; its filesystem's own check looks at all of its structure.",
            "None: it only reads the BCV. What it finds ends the run, and cleanup goes on.",
            f"{check} {node}",
        ),
        command=Command(host.name, f"check {node}", text, prelude=prelude(host.become), timeout=3600),
    )


def _lines(host_mounts: Iterable[Mount], group: str, *, beside: bool = False) -> str:
    """Device, kind, options and mount point of each, for a function that reads them; `beside` its original on one host."""
    return "".join(
        f"{mapper_path(group, m.volume)}|{m.kind}|{m.options or 'defaults'}{_MOUNT_OPTIONS.get(m.kind, '') * beside}|{m.mount_point}\n"
        for m in host_mounts
    )


def _outer_first(mounts: Iterable[Mount]) -> list[Mount]:
    return sorted(mounts, key=lambda m: (m.mount_point.count("/"), m.mount_point))


def _own(own: OwnGroup) -> str:
    values = {"old": own.group.name, "vgid": own.group.uuid, "serials": " ".join(own.serials)}
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def stop_group(host: HostRef, own: OwnGroup) -> Step:
    """Unmount and deactivate a group on its own host."""
    name, mounts = own.group.name, _outer_first(own.mounts)
    look, down = (LOST + "look_lost\n", DEACTIVATE_LOST) if own.lost else ("look_own\n", DEACTIVATE_OWN)
    stop = f"{look}stop_own <<'MOUNTS'\n{_lines(reversed(mounts), name)}MOUNTS\n"
    start = f"look_own\nstart_own <<'MOUNTS'\n{_lines(mounts, name)}MOUNTS\n"
    return Step(
        f"stop-{name}",
        Phase.STOP,
        StepKind.COMMAND,
        f"Unmount and deactivate {name} on {host.name}",
        host.name,
        EXPLAIN["stop"],
        command=_change(host, f"stop {name}", _own(own) + OWN + stop + down),
        fence=own.serials,
        undo=None if own.lost else _change(host, f"start {name} again", _own(own) + OWN + start),
    )


def start_group(host: HostRef, own: OwnGroup) -> Step:
    """Activate a group on its own host, check and mount its filesystems."""
    name = own.group.name
    start = f"start_own <<'MOUNTS'\n{_lines(_outer_first(own.mounts), name)}MOUNTS\n"
    return Step(
        f"start-{name}",
        Phase.START,
        StepKind.COMMAND,
        f"Activate {name} on {host.name}, check and mount its filesystems",
        host.name,
        EXPLAIN["start"],
        command=_change(host, f"start {name}", _own(own) + OWN + "look_at_disks\n" + FORGET_OWN + "look_own\n" + start),
        fence=own.serials,
    )


def table_entries(host: HostRef, request: ImportRequest) -> Step:
    """Entries in /etc/fstab between two lines of our mark."""
    lines = _lines(_outer_first(request.mounts), request.new_name, beside=request.same_host).rstrip("\n")
    values = {"lines": lines, "mark": f"# splitmount takeover of {request.group.name}"}
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return Step(
        f"table-{request.group.name}",
        Phase.MOUNT,
        StepKind.COMMAND,
        f"Add {len(request.mounts)} mounts to /etc/fstab of {host.name}",
        host.name,
        EXPLAIN["table"],
        command=_change(host, "add entries to /etc/fstab", head + TABLE, Guard.OWN_LINES),
        undo=_change(host, "remove our entries from /etc/fstab", head + TABLE_UNDO, Guard.OWN_LINES),
    )


def freeze(host: HostRef, mount_points: tuple[str, ...], seconds: int) -> Command:
    """The held shell that freezes and thaws; see `core.hosts.HostDriver.freeze` for its lines."""
    refuse_system(host, mount_points)
    inner_first = sorted(mount_points, key=lambda point: (-point.count("/"), point))
    down = "".join(f'[ ! -d "$d/end" ] && $S fsfreeze -f {shlex.quote(p)} &&\n' for p in inner_first) + '[ ! -d "$d/end" ]'
    up = "\n".join(f"  $S fsfreeze -u {shlex.quote(p)} 2>/dev/null" for p in reversed(inner_first))
    text = f"""trap '' 1 13
for t in /run /dev/shm; do d=`mktemp -d "$t/splitmount-freeze.XXXXXX" 2>/dev/null` && break; done
[ -d "$d" ] || {{ echo "failed no directory in /run or /dev/shm"; exit 1; }}
thaw() {{
{up}
}}
echo ready
read word; [ "$word" = freeze ] || {{ rmdir "$d"; exit 0; }}
( exec < /dev/null > /dev/null 2>&1; cd /; sleep {seconds}; mkdir "$d/end" && thaw ) &
timer=$!
began=`date +%s.%N`
if e=`{{ {down}; }} 2>&1`; then echo "frozen $began"; else
  if mkdir "$d/end" 2>/dev/null; then kill -9 $timer; else # it may have thawed what was not frozen yet
    wait $timer; e="it took longer than {seconds} s; all is thawed again"
  fi
  thaw; rm -rf "$d"; echo "failed `echo $e`"; exit 1
fi
read word
thaw; ended=`date +%s.%N`
if mkdir "$d/end" 2>/dev/null; then kill -9 $timer; echo "thawed $began $ended"; else echo "expired $ended"; fi
rm -rf "$d"
"""
    title = f"freeze {len(mount_points)} filesystems"
    return Command(host.name, title, text, Effect.CHANGE, prelude=prelude(host.become), timeout=60, guard=Guard.TIMER)


def check(host: HostRef) -> Command:
    """A read that names what is missing."""
    tools = (
        "lvm",
        "vgimportclone",
        "dmsetup",
        "fsfreeze",
        "findmnt",
        "blkid",
        "blockdev",
        "udevadm",
        "dd",
        "tar",
        "sha256sum",
        "timeout",
    )
    text = f"""for c in {quoted(tools)}; do command -v $c > /dev/null 2>&1 || echo "missing: the command $c"; done
[ "`$S id -u 2>/dev/null`" = 0 ] || echo "missing: the privileges of root (become: sudo, without a password)"
d={shlex.quote(host.work_dir)}; while [ ! -d "$d" ]; do d=`dirname "$d"`; done
[ -w "$d" ] || echo "missing: a work directory: $d is not writable"
$S lvm version 2>/dev/null | head -n 1
"""
    return Command(host.name, f"check {host.name}", text, prelude=prelude(host.become))


def reads(host: HostRef) -> PlainReads:
    """With the way to become privileged, and the search path."""
    return PlainReads(host, prelude(host.become), "linux")
