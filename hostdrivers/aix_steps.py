"""The changes that the AIX driver plans: a copy comes up on the target by importvg or recreatevg, and goes again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from core.errors import Refused
from core.explain import EXPLAIN
from core.hosts import HostRef, ImportRequest, Mount, OwnGroup
from core.plan import Explain, Phase, Step, StepKind
from core.transport import Command, Effect, Guard
from hostdrivers.aix_scripts import (
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
    STOP_OWN,
)
from hostdrivers.reads import PlainReads
from hostdrivers.script import change, facts, prelude, refuse_system

NAME_LENGTH = 15  # characters of a group's or volume's name on AIX


def _change(host: HostRef, title: str, text: str, guard: Guard = Guard.DEVICES) -> Command:
    return change(host, title, text, prelude(host.become, PATH, FUNCTIONS + MOUNTED), guard)


def attach(host: HostRef, bcvs: tuple[str, ...]) -> Step:
    """Configure the BCVs; each is proved by its serial and by reading its identity."""
    head = facts({"serials": " ".join(bcvs)})
    return Step(
        "attach",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Make {len(bcvs)} BCVs visible on {host.name}",
        host.name,
        Explain(
            "Runs cfgmgr, finds each BCV by the serial that lscfg reads from it, and reads its identity from the disk.",
            "Names of disks change with each cfgmgr; the serial does not. The ODM may remember an older identity than the disk has.",
            "A BCV that does not appear or cannot be read: masking, not ready in the array, or a reservation left by another host.",
            "cfgmgr; lscfg -vpl hdiskN | grep Serial; lquerypv -h /dev/hdiskN 80 10",
        ),
        command=_change(host, "make the BCVs visible", head + ATTACH),
        fence=bcvs,
        undo=_change(host, "remove the disks that were not visible before", head + ATTACH_UNDO),
    )


def _facts(request: ImportRequest) -> str:
    group = request.group
    return (
        facts(
            {
                "old": group.name,
                "new": request.new_name,
                "vgid": group.uuid,
                "pvids": " ".join(pvid for _, pvid in request.bcvs),
                "serials": " ".join(serial for serial, _ in request.bcvs),
                "lvs": " ".join(v.name for v in group.volumes),
                "prefix": request.prefix,
            }
        )
        + 'keep="$RUN/keep/$old"\n'
    )


def _devices(request: ImportRequest) -> str:
    """Lines that find each disk now, by serial."""
    lines = [f"D{n}=`need {shlex.quote(serial)}` || exit 90" for n, (serial, _) in enumerate(request.bcvs)]
    names = " ".join(f"$D{n}" for n in range(len(request.bcvs)))
    return "\n".join([*lines, f'ALL="{names}"']) + "\n"


def _refuse_unfit(request: ImportRequest) -> None:
    group = request.group
    if not group.uuid:
        raise Refused(f"{group.name} was varied off when it was measured: its layout is not known. Nothing was changed.")
    if len(request.new_name) > NAME_LENGTH:
        raise Refused(
            f"{request.new_name} has {len(request.new_name)} characters, and a group's name on AIX has {NAME_LENGTH} at most; "
            "set a shorter group_suffix."
        )
    if request.new_name == group.name and request.same_host:
        raise Refused(f"{group.name}: the copy needs another name on the source's own host (group_suffix).")


def import_group(host: HostRef, request: ImportRequest) -> Step:
    """Bring the copy's group into the ODM under a name of its own."""
    _refuse_unfit(request)
    body = _facts(request) + _devices(request)
    group = request.group.name
    return Step(
        f"import-{group}",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Import group {group} as {request.new_name}",
        host.name,
        Explain(
            f"Reads from every BCV that it carries the physical volume and the group of the map, then imports it as {request.new_name}: "
            "by importvg, which keeps its identity; by recreatevg where another disk of this host has the same one.",
            "Two disks of one identity on one host make AIX pick either; names of volumes must be free before, or they are changed silently.",
            "A wrong device, a missing disk, a taken name: each is refused before anything is written.",
            f"lspv; lqueryvg -Atp hdiskN; afterwards lsvg {request.new_name} (varied off)",
        ),
        command=_change(host, f"import group {group}", body + IMPORT),
        fence=tuple(serial for serial, _ in request.bcvs),
        undo=_change(host, f"export group {request.new_name}", body + IMPORT_UNDO),
    )


def activate(host: HostRef, request: ImportRequest) -> Step:
    """Vary the imported group on."""
    body = _facts(request) + _devices(request)
    name = request.group.name
    return Step(
        f"activate-{name}",
        Phase.IMPORT,
        StepKind.COMMAND,
        f"Vary on group {request.new_name}",
        host.name,
        Explain(
            "Varies the group on, and checks that each logical volume lies on BCVs of this set only.",
            "A volume that reaches another disk would mix the copy with something else.",
            "No quorum, or a disk that went away; the run then takes everything back.",
            f"lsvg -l {request.new_name}; lslv -l LV",
        ),
        command=_change(host, f"vary on {request.new_name}", body + f"uuid=@{{vg_uuid.{name}}}@\n" + ACTIVATE),
        fence=tuple(serial for serial, _ in request.bcvs),
        undo=_change(host, f"vary off {request.new_name}", body + ACTIVATE_UNDO),
    )


def mount(host: HostRef, request: ImportRequest, mount_: Mount) -> Step:
    """Check and mount one filesystem of the imported group."""
    node = f"/dev/{mount_.volume}"
    values = {
        "node": node,
        "point": mount_.mount_point,
        "kind": mount_.kind,
        "options": "ro" if request.read_only else "rw",
    }
    body = _facts(request) + _devices(request)
    return Step(
        f"mount-{request.group.name}-{mount_.volume}",
        Phase.MOUNT,
        StepKind.COMMAND,
        f"Mount {mount_.source_mount_point} at {mount_.mount_point}",
        host.name,
        Explain(
            f"Runs fsck -y on {node} ({mount_.kind}), which replays its log, then mounts it {values['options']}.",
            "A copy of a mounted filesystem is as after a power failure: AIX refuses to mount it, or it is guarded, until fsck ran.",
            "fsck writes to the BCV, never to the standard. A filesystem that fsck cannot repair ends the run.",
            f"mount | grep {shlex.quote(mount_.mount_point)}",
        ),
        command=_change(
            host, f"mount {mount_.mount_point}", body + f"uuid=@{{vg_uuid.{request.group.name}}}@\n" + facts(values) + MOUNT
        ),
        fence=tuple(serial for serial, _ in request.bcvs),
        undo=_change(host, f"unmount {mount_.mount_point}", _facts(request) + _devices(request) + facts(values) + MOUNT_UNDO),
    )


def _table(mounts: Iterable[Mount]) -> str:
    """Lines of device, kind and mount point, as a here-document for a function that reads them."""
    return "".join(f"/dev/{m.volume} {m.kind} {m.mount_point}\n" for m in mounts)


def _own(own: OwnGroup) -> str:
    return facts({"old": own.group.name, "serials": " ".join(own.serials)})


def _outer_first(mounts: Iterable[Mount]) -> list[Mount]:
    return sorted(mounts, key=lambda m: (m.mount_point.count("/"), m.mount_point))


def stop_group(host: HostRef, own: OwnGroup) -> Step:
    """Unmount and vary off a group on its own host."""
    mounts, name = _outer_first(own.mounts), own.group.name
    inner_first = _table(reversed(mounts))
    stop = f'stop_own <<\'MOUNTS\'\n{inner_first}MOUNTS\nif active; then $S varyoffvg "$old" || fail "$old could not be varied off"; fi\n'
    start = f"start_own <<'MOUNTS'\n{_table(mounts)}MOUNTS\n"
    return Step(
        f"stop-{name}",
        Phase.STOP,
        StepKind.COMMAND,
        f"Unmount and vary off {name} on {host.name}",
        host.name,
        EXPLAIN["stop"],
        command=_change(host, f"stop {name}", _own(own) + OWN + STOP_OWN + stop),
        fence=own.serials,
        undo=_change(host, f"start {name} again", _own(own) + OWN + start),
    )


def start_group(host: HostRef, own: OwnGroup) -> Step:
    """Vary on a group on its own host, check and mount its filesystems."""
    name = own.group.name
    start = f"look_own\nstart_own <<'MOUNTS'\n{_table(_outer_first(own.mounts))}MOUNTS\n"
    return Step(
        f"start-{name}",
        Phase.START,
        StepKind.COMMAND,
        f"Vary on {name} on {host.name}, check and mount its filesystems",
        host.name,
        EXPLAIN["start"],
        command=_change(host, f"start {name}", _own(own) + OWN + start),
        fence=own.serials,
    )


def table_entries(host: HostRef, request: ImportRequest) -> Step:
    """importvg writes /etc/filesystems by itself, and exportvg takes its stanzas away: this proves that they are there."""
    points = " ".join(shlex.quote(m.mount_point) for m in request.mounts)
    text = f'for p in {points}; do lsfs "$p" > /dev/null || fail "there is no stanza for $p in /etc/filesystems"; done\n'
    return Step(
        f"table-{request.group.name}",
        Phase.MOUNT,
        StepKind.COMMAND,
        f"Prove that {len(request.mounts)} mount points are in /etc/filesystems of {host.name}",
        host.name,
        EXPLAIN["table"],
        command=Command(host.name, "look for the stanzas", text, prelude=prelude(host.become, PATH), timeout=300.0),
    )


def freeze(host: HostRef, mount_points: tuple[str, ...], seconds: int) -> Command:
    """The held shell: JFS2 freezes itself for so many seconds at most, which is the dead-man's timer."""
    refuse_system(host, mount_points)
    inner_first = sorted(mount_points, key=lambda point: (-point.count("/"), point))
    down = "".join(
        f"$S chfs -a freeze={seconds} {shlex.quote(p)} > /dev/null && n={i} &&\n" for i, p in enumerate(inner_first, 1)
    )
    up = "".join(f"  $S chfs -a freeze=off {shlex.quote(p)} > /dev/null 2>&1 || late=yes\n" for p in reversed(inner_first))
    text = f"""trap '' 1 13
late=no
thaw() {{
{up}  :
}}
echo ready
word=`line`
[ "$word" = freeze ] || exit 0
began=`date +%s`
if {{ {down}true; }}; then echo "frozen $began"; else thaw; echo "failed after ${{n:-0}} of {len(mount_points)} filesystems"; exit 1; fi
word=`line`
thaw
ended=`date +%s`
if [ $late = no ]; then echo "thawed $began $ended"; else echo "expired $ended"; fi
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
    tools = (
        "lspv lsvg lslv getlvcb lqueryvg lquerypv lscfg lsdev bootinfo cfgmgr rmdev importvg recreatevg exportvg varyonvg fsck"
    )
    text = f"""for c in {tools}; do type $c > /dev/null 2>&1 || echo "missing: the command $c"; done
[ "`$S id -u 2>/dev/null`" = 0 ] || echo "missing: the privileges of root (become: sudo, without a password)"
d={shlex.quote(host.work_dir)}; while [ ! -d "$d" ]; do d=`dirname "$d"`; done
[ -w "$d" ] || echo "missing: a work directory: $d is not writable"
oslevel -s
"""
    return Command(host.name, f"check {host.name}", text, prelude=prelude(host.become, PATH))


def reads(host: HostRef) -> PlainReads:
    """With the way to become privileged, and the search path."""
    return PlainReads(host, prelude(host.become, PATH), "aix")
