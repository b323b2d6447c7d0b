"""The moments that the tool exists for: restore from the mirror, takeover from a dead source. Pure, as all planning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.ages import age_then
from core.compare import compare_steps
from core.damage import MISSING
from core.explain import EXPLAIN
from core.hosts import HostRef, Mount, OwnGroup
from core.mapfile import host_facts
from core.model import MOUNTED_KINDS, HostFacts, PairState, VolumeGroup
from core.operations import (
    Context,
    Planned,
    await_state,
    before_policy,
    bring_up,
    import_requests,
    measure,
    phased,
    settle,
)
from core.plan import AwaitState, Phase, Step, StepKind
from core.pointintime import recover_to
from core.safety import safety_copy
from core.settings import FreezeSettings, PrePolicy
from core.transport import Command

_MB = 1 << 20


# --- restore ----------------------------------------------------------------------------------------------------------


def own_groups(groups: Iterable[VolumeGroup], facts: HostFacts, lost: Iterable[str] = ()) -> tuple[OwnGroup, ...]:
    """Groups on the host that owns them, each with what is mounted from it; `lost` ones cannot be read there."""
    return tuple(replace(_own(group, facts), lost=group.name in lost) for group in groups)


def to_mount(source: HostFacts, kept: HostFacts | None) -> HostFacts:
    """What shall be mounted when the groups are taken up again: what is mounted now; of a group with nothing mounted, what was."""
    then = with_its_mounts(source, kept)
    now = {f.group for f in source.filesystems if f.mounted}
    return replace(
        source, filesystems=tuple(f if f.group in now else t for f, t in zip(source.filesystems, then.filesystems, strict=True))
    )


def _own(group: VolumeGroup, facts: HostFacts) -> OwnGroup:
    mounts = tuple(
        Mount(f.volume, f.kind, f.mount_point, f.mount_point, _options(f.options))
        for f in facts.filesystems
        if f.group == group.name and f.mounted and f.kind in MOUNTED_KINDS
    )
    return OwnGroup(group, mounts, tuple(dict.fromkeys(p.device_serial for p in group.physical)))


def _options(options: str) -> str:
    """Mount options as a mount takes them again; words that only the kernel says are left out."""
    words = [w for w in options.replace(" ", ",").split(",") if w in ("ro", "rw", "nosuid", "nodev", "noexec", "noatime")]
    return ",".join(words)


def plan_restore(context: Context) -> Planned:
    """BCV → STD: the source lets go, the array copies back, the source takes up again. The BCV keeps its point in time."""
    drivers, settings = context.drivers, context.settings
    lost = [name for name, why in context.estate.damaged.items() if why == MISSING]
    groups = own_groups(context.groups, context.source, lost)
    again = own_groups(context.groups, to_mount(context.source, host_facts(context.kept) if context.kept else None), lost)
    was_running = context.estate.application == "running"
    safety = safety_copy(context)
    after = tuple(drivers.array.predict(s, PairState.SPLIT, split_id=s.split_id) for s in context.pairs)
    stop = [drivers.source.stop_group(drivers.source_ref, own) for own in reversed(groups)]
    copy = phased(drivers.array.restore(context.pairs, full=context.request.full), Phase.RESTORE)
    copy = [replace(step, commits=step.command is not None) for step in copy]
    pairs = context.plain_pairs
    wait = AwaitState(pairs, (PairState.SPLIT,), settings.wait_limit, same_split=True, new_split=True)
    steps = [
        measure(context, Phase.MEASURE, "basis", settings.source),
        measure(context, Phase.MEASURE, "idle", settings.target),
        *safety.before,
        *application_steps(context, context.drivers.source_ref, "stop", Phase.STOP, wanted=was_running),
        measure(context, Phase.STOP, "quiet", settings.source),
        *safety.resting,
        *phased(tuple(stop), Phase.STOP),
        *safety.stopped,
        measure(context, Phase.RESTORE, "stopped", settings.source),
        *copy,
        await_state(context, "await-restored", Phase.RESTORE, "Wait until the standards hold the point in time", wait),
        *settle(context, Phase.RESTORE, pairs, PairState.RESTORING),
        *compare_steps(context, after),
        *phased(
            tuple(replace(drivers.source.start_group(drivers.source_ref, own), repeatable=True) for own in again), Phase.START
        ),
        *recovery(context),
        *application_steps(context, drivers.source_ref, "start", Phase.START, wanted=was_running),
        *application_steps(context, drivers.source_ref, "check", Phase.START, wanted=was_running),
    ]
    first, *rest = _consequences(context, groups)
    return steps, [first, *safety.summary, *rest]


def recovery(context: Context) -> list[Step]:
    """The step that brings a restored application to its point in time; a failback goes on where the target ended."""
    app, ref = context.drivers.application, context.drivers.source_ref
    if app is None or context.request.operation != "restore":
        return []
    command = app.recover(ref, recover_to(context))
    return [own_step("recover-application", Phase.START, ref, command)] if command is not None else []


def own_step(name: str, phase: Phase, ref: HostRef, command: Command) -> Step:
    """A step by its command's own title, which only the application's driver has."""
    title = f"{command.title[0].upper()}{command.title[1:]} on {ref.name}"
    return Step(name, phase, StepKind.COMMAND, title, ref.name, EXPLAIN[name], command=command)


_APPLICATION = {"stop": ("Stop", "start"), "start": ("Start", "stop"), "check": ("Check", "")}


def application_steps(context: Context, host: HostRef, verb: str, phase: Phase, *, wanted: bool = True) -> list[Step]:
    """The step that stops, starts or checks the application by its driver; none where there is no way, or it is not wanted."""
    app = context.drivers.application
    command = app.verb(verb, host) if app is not None and wanted else None
    if app is None or command is None:
        return []
    title, back = _APPLICATION[verb]
    undo = app.verb(back, host) if back else None
    return [
        Step(f"{verb}-application", phase, StepKind.COMMAND, f"{title} {app.name} on {host.name}", host.name,
             EXPLAIN["application"], command=command, undo=undo)
    ]  # fmt: skip


def _consequences(context: Context, groups: tuple[OwnGroup, ...]) -> list[str]:
    """What the restore overwrites, from what, and what it does not touch: shown before the name is typed."""
    settings = context.settings
    at = next((s.split_at for s in context.pairs if s.split_at), None)
    age = age_then(at, context.estate.measured_at) if at else "a time that is unknown"
    lines = [f"OVERWRITES {settings.source}: BCV -> STD, with the state of {age}"]
    lines += [f"  {s.pair.bcv} -> {s.pair.std}  {_size(s.std_size)}" for s in context.pairs]
    for own in groups:
        sizes = {v.name: v.size for v in own.group.volumes}
        mounts = ", ".join(f"{m.mount_point} ({_size(sizes.get(m.volume))})" for m in own.mounts) or "nothing mounted"
        lines.append(f"  group {own.group.name}: {len(own.group.volumes)} volumes; {mounts}")
        used = {mount.volume for mount in own.mounts}
        bare = [v.name for v in own.group.volumes if not v.hidden and v.name not in used]
        lines += [f"    overwritten too, without a filesystem that is mounted: {', '.join(bare)}"] if bare else []
    app = settings.application
    lines += [f"  application {app.name}: {context.estate.application}"] if app is not None else []
    lines += [f"  then: {step.title}" for step in recovery(context)]
    tracks = [(s.std_tracks, s.bcv_tracks, s.track_size) for s in context.pairs]
    if context.request.full or any(a is None or b is None for a, b, _ in tracks):
        lines.append(
            "  copies the devices whole" if context.request.full else "  how much is copied is unknown: the array has no counts"
        )
    else:
        moved = sum(((a or 0) + (b or 0)) * size for a, b, size in tracks)
        lines.append(f"  copies at most {sum((a or 0) + (b or 0) for a, b, _ in tracks)} tracks, {moved // 1024} KiB")
    lines.append(expected(context))
    lines.append("  lost: everything written on the source since; kept: the point in time on the BCVs")
    if at:
        lines.append(
            f"  hit besides: backups and mirrors of a later time than {at:%Y-%m-%d %H:%M} stay, but no longer fit the source"
        )
    others = "" if context.request.safety == "mirror" else ", and other mirrors with their points in time"
    lines.append(f"  not touched: backups in the repository{others}")
    lines.append("  not restored: anything outside these groups, such as other disks and the system itself")
    return lines


def expected(context: Context) -> str:
    """How long it may take: as long as the last time; or that nobody knows."""
    took, what = context.background.took, context.request.operation
    if took is None:
        return f"  expected duration: unknown, no {what} of {context.settings.name} has ended well on this console yet"
    return f"  expected duration: the last {what} of {context.settings.name} took {took:.0f} s in all"


def _size(size: int | None) -> str:
    return f"{size / _MB:.0f} MiB" if size is not None else "size unknown"


# --- takeover ---------------------------------------------------------------------------------------------------------


def plan_takeover(context: Context) -> Planned:
    """The target takes the source's place: its groups under their own names, its mount points, for writing, and to stay."""
    settings, estate = context.settings, context.estate
    living = estate.source is not None
    context = replace(context, source=with_its_mounts(context.source, host_facts(context.kept) if context.kept else None))
    quiet = replace(context, settings=replace(settings, freeze=FreezeSettings(enabled=False)))
    quiet = replace(quiet, request=replace(quiet.request, pre_policy=quiet.request.pre_policy or PrePolicy.DOWN_IF_NEEDED))
    before = before_policy(quiet)
    up = bring_up(quiet, before.pairs, takeover=True)
    requests = import_requests(settings, context.source, context.plain_pairs, takeover=True)
    drivers = context.drivers
    table = [drivers.target.table_entries(drivers.target_ref, request) for request in requests if request.mounts]
    alone = settings.source == settings.target
    sure = living and "RELEASED" not in context.request.overrides
    start = [measure(context, Phase.MEASURE, "released", settings.source)] if sure else []
    steps = [
        *start,
        measure(context, Phase.MEASURE, "idle", settings.target),
        *before.steps,
        *up,
        *phased(tuple(table), Phase.MOUNT),
        *application_steps(context, drivers.target_ref, "start", Phase.START, wanted=not alone),
        *application_steps(context, drivers.target_ref, "check", Phase.START, wanted=not alone),
    ]
    return steps, _takeover_summary(context, living)


def with_its_mounts(source: HostFacts, kept: HostFacts | None) -> HostFacts:
    """A source that was stopped in order has nothing mounted: what its table, or the map kept before, has mounted counts."""
    then = {(f.group, f.volume, f.mount_point) for f in kept.filesystems if f.mounted} if kept else set()
    return replace(
        source,
        filesystems=tuple(
            replace(f, mounted=f.mounted or f.in_table or (f.group, f.volume, f.mount_point) in then)
            for f in source.filesystems
        ),
    )


def _takeover_summary(context: Context, living: bool) -> list[str]:
    settings, estate = context.settings, context.estate
    lines = [
        f"{settings.target} TAKES THE PLACE of {settings.source}: same groups, same mount points, for writing, and it stays so"
    ]
    if settings.source == settings.target:
        app = settings.application
        lines = [
            f"THE COPY TAKES THE PLACE of the original on {settings.target}, beside it: groups with {settings.group_suffix!r} "
            f"after their names, mounted below {settings.mount.prefix}, for writing, and it stays so"
        ]
        lines += [f"  not started: {app.name}, which knows the original's mount points"] if app is not None else []
    if not living:
        kept = context.kept
        when = age_then(kept.measured_at, estate.measured_at) if kept else "unknown"
        lines.append(
            f"  {settings.source} does not answer: its layout is from the map of {when}; nothing there could be measured"
        )
        lines += [f"  that map is the copy on {kept.origin}: this console has none"] if kept and kept.origin else []
    at = next((s.split_at for s in context.pairs if s.split_at and s.state is PairState.SPLIT), None)
    if at:
        lines.append(f"  the data is of {at:%Y-%m-%d %H:%M:%S} UTC; what came later on the source is not in it")
    elif all(s.state is PairState.ESTABLISHED for s in context.pairs):
        lines.append("  the mirrors are still established: they are split now, as they stood when the source stopped writing")
    lines += [f"  group {g.name}: {', '.join(d.device_serial for d in g.physical)}" for g in context.groups]
    return lines
