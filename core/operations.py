"""From (operation, estate, policy) to a Plan. Pure: what is not in the arguments cannot be in the plan."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from core.applications.base import ApplicationDriver
from core.arrays.base import ArrayDriver, SplitMark
from core.backups.base import BackupDriver, BackupRequest, Overwrites
from core.errors import Refused
from core.explain import EXPLAIN
from core.facade import PlanRequest
from core.hosts import HostDriver, HostRef, ImportRequest, Mount
from core.mapfile import MapFile, build_map, mirror_map, write
from core.maps import seal
from core.model import MOUNTED_KINDS, Estate, Filesystem, HostFacts, Pair, PairState, PairStatus, VolumeGroup
from core.plan import AwaitState, Phase, Plan, Step, StepKind
from core.policy import Verb, decide, decide_after
from core.settings import PostPolicy, PrePolicy, SetSettings
from core.transport import Command, Effect, Guard

SPLIT_ID = "@{split_id}@"
QUIESCING = frozenset({"backup", "rehearse", "split"})  # a takeover has nobody to ask; a restore has stopped it


@dataclass(frozen=True, slots=True)
class SetDrivers:
    """The drivers that serve one set, and the two hosts as they need them."""

    source: HostDriver
    source_ref: HostRef
    target: HostDriver
    target_ref: HostRef
    array: ArrayDriver
    array_ref: HostRef | None = None
    backup: BackupDriver | None = None
    application: ApplicationDriver | None = None


@dataclass(frozen=True, slots=True)
class Background:
    """What a plan may rest on besides the estate.

    `kept` is the newest kept map of the point in time: what a takeover goes by when the source cannot be asked, and what a
    restore compares with; `held` what the backup of the request holds, and comes to; `taken` the plan that takes back what a
    takeover brought up on the target; `spare` the other mirror, where today's state is to be kept on it; `took` how many
    seconds the last such operation on this set took, by the journal of this console.
    """

    kept: MapFile | None = None
    held: Overwrites | None = None
    taken: Plan | None = None
    spare: tuple[PairStatus, ...] = ()
    took: float | None = None


NOTHING_ELSE = Background()


@dataclass(frozen=True, slots=True)
class Context:
    """What every part of the planner looks at."""

    request: PlanRequest
    settings: SetSettings
    estate: Estate
    drivers: SetDrivers
    source: HostFacts
    target: HostFacts
    pairs: tuple[PairStatus, ...]
    background: Background = NOTHING_ELSE

    @property
    def kept(self) -> MapFile | None:
        return self.background.kept

    @property
    def taken(self) -> Plan | None:
        return self.background.taken

    @property
    def spare(self) -> tuple[PairStatus, ...]:
        return self.background.spare

    @property
    def groups(self) -> tuple[VolumeGroup, ...]:
        return tuple(g for name in self.settings.volume_groups if (g := self.source.group(name)) is not None)

    @property
    def plain_pairs(self) -> tuple[Pair, ...]:
        return tuple(status.pair for status in self.pairs)


def pairs_in_use(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """The first pair of each standard, in the order of the file: the mirrors that an operation works with."""
    first: dict[str, Pair] = {}
    for pair in pairs:
        first.setdefault(pair.std, pair)
    return tuple(first.values())


def basis(settings: SetSettings, source: HostFacts) -> dict[str, str]:
    """What the plan rests on, and what must still be true when the run begins: identity and age of each group."""
    groups = [g for g in source.groups if g.name in settings.volume_groups]
    return {f"group.{g.name}": f"{g.uuid} seqno {g.seqno} layout {_layout(g)}" for g in groups}


def _layout(group: VolumeGroup) -> str:
    """A digest of what lies where, for systems whose groups count no changes."""
    disks = sorted((p.uuid, p.device_serial, p.size, p.partition) for p in group.physical)
    volumes = sorted((v.name, v.uuid, v.size, v.kind, sorted(v.devices)) for v in group.volumes)
    return hashlib.sha256(repr((disks, volumes)).encode()).hexdigest()[:12]


def unique(steps: list[Step]) -> tuple[Step, ...]:
    """The steps with ids that are unique in the plan: a repeated id gets a number."""
    seen: dict[str, int] = {}
    out = []
    for step in steps:
        seen[step.id] = seen.get(step.id, 0) + 1
        out.append(step if seen[step.id] == 1 else replace(step, id=f"{step.id}-{seen[step.id]}"))
    return tuple(out)


# --- parts -----------------------------------------------------------------------------------------------------------


def measure(context: Context, phase: Phase, what: str, host: str) -> Step:
    titles = {
        "basis": "Measure again: hosts, groups, pairs",
        "idle": "Prove that no host uses the BCVs",
        "clean": "Prove that the target is as it was",
        "released": "Measure that the source has let go",
        "stopped": "Prove that the source does not use the standards",
        "quiet": "Measure that nobody works in the filesystems",
    }
    return Step(f"measure-{what}", phase, StepKind.MEASURE, titles[what], host, EXPLAIN[f"measure-{what}"], measure=what)


def keep_map(context: Context) -> Step:
    ref, settings = context.drivers.target_ref, context.settings
    std = build_map(settings.name, context.source, settings.volume_groups)
    texts = {"std": seal(write(std)), "bcv": seal(write(mirror_map(std, context.plain_pairs)))}
    name = f"{context.source.measured_at:%Y%m%dT%H%M%SZ}"
    return Step(
        "keep-map",
        Phase.MAP,
        StepKind.KEEP_MAP,
        "Write the map, keep it by version, hand it to the target",
        settings.target,
        EXPLAIN["keep-map"],
        command=Command(
            ref.name,
            "hand the map to the target",
            map_script(ref, settings.name, name, texts),
            Effect.CHANGE,
            guard=Guard.OWN_DIRECTORY,
        ),
    )


def map_script(ref: HostRef, set_name: str, name: str, texts: Mapping[str, str]) -> str:
    """Write map files into our work directory on a host, each under its final name only when it is whole."""
    directory = f"{ref.work_dir}/maps/{set_name}"
    lines = [
        "LC_ALL=C; export LC_ALL",
        "umask 077",
        f"mkdir -p {shlex.quote(directory)} || exit 1",
        f"cd {shlex.quote(directory)} || exit 1",
    ]
    for kind, text in texts.items():
        mark = "END-OF-MAP-" + hashlib.sha256(text.encode()).hexdigest()[:16]
        file = shlex.quote(f"{name}.{kind}")
        lines += [f"cat > {file}.new <<'{mark}' || exit 1", text.rstrip("\n"), mark, f"mv {file}.new {file} || exit 1"]
    return "\n".join(lines) + "\n"


def await_state(context: Context, step_id: str, phase: Phase, title: str, wait: AwaitState) -> Step:
    return Step(step_id, phase, StepKind.AWAIT, title, context.drivers.array.host, EXPLAIN[step_id], wait=wait)


def _await_established(context: Context, phase: Phase, pairs: tuple[Pair, ...]) -> Step:
    wait = AwaitState(pairs, (PairState.ESTABLISHED,), context.settings.wait_limit)
    return await_state(context, "await-established", phase, "Wait until the mirrors are established", wait)


def settle(context: Context, phase: Phase, pairs: tuple[Pair, ...], state: PairState) -> list[Step]:
    command = context.drivers.array.finish(pairs, state)
    if command is None:
        return []
    title = "Settle the finished copies in the array"
    fence = tuple(pair.bcv for pair in pairs)
    return [Step("settle", phase, StepKind.COMMAND, title, command.host, EXPLAIN["settle"], command, fence, array=True)]


def phased(steps: tuple[Step, ...], phase: Phase) -> list[Step]:
    return [replace(step, phase=phase) for step in steps]


def establish(context: Context, phase: Phase, statuses: tuple[PairStatus, ...], *, full: bool = False) -> list[Step]:
    """Establish and wait; the step before must have proved that no host uses the BCVs."""
    pairs = tuple(s.pair for s in statuses)
    return [
        *phased(context.drivers.array.establish(statuses, full=full), phase),
        _await_established(context, phase, pairs),
        *settle(context, phase, pairs, PairState.ESTABLISHED),
    ]


def frozen_mounts(groups: tuple[VolumeGroup, ...], source: HostFacts, kinds: frozenset[str]) -> tuple[str, ...]:
    """The mount points that the split freezes: every mounted filesystem of the set of a kind that can be, outermost first."""
    names = {g.name for g in groups}
    mounted = {f.mount_point for f in source.filesystems if f.group in names and f.mounted and f.kind in kinds}
    return tuple(sorted(mounted, key=lambda point: (point.count("/"), point)))


def _split(context: Context, statuses: tuple[PairStatus, ...]) -> list[Step]:
    """Quiesce, freeze, split, thaw, let go, wait. Thaw and letting go are always-steps, and come before any waiting."""
    settings, drivers = context.settings, context.drivers
    *before, split = drivers.array.split(statuses, SplitMark(SPLIT_ID))
    kinds = drivers.source.freezable if settings.freeze.enabled else frozenset()
    mounts = frozen_mounts(context.groups, context.source, kinds)
    pairs = tuple(s.pair for s in statuses)
    quiesce, let_go = _quiesced(context)
    steps = [*phased(tuple(before), Phase.SPLIT), *quiesce]
    if mounts:
        command = drivers.source.freeze(drivers.source_ref, mounts, settings.freeze.seconds)
        title = f"Freeze {len(mounts)} filesystem{'s' * (len(mounts) > 1)} on {settings.source}"
        steps.append(Step("freeze", Phase.SPLIT, StepKind.HOLD, title, settings.source, EXPLAIN["freeze"], command=command))
    steps += phased((split,), Phase.SPLIT)
    if mounts:
        title = f"Thaw {settings.source}"
        text = "thaw # the word to the shell that the freeze holds open\n"
        word = Command(settings.source, "thaw", text, Effect.CHANGE, guard=Guard.TIMER)
        steps.append(Step("thaw", Phase.SPLIT, StepKind.RELEASE, title, settings.source, EXPLAIN["thaw"], word, always=True))
    steps += let_go
    wait = AwaitState(pairs, (PairState.SPLIT,), settings.wait_limit, same_split=True)
    steps.append(await_state(context, "await-split", Phase.SPLIT, "Wait until the split is complete", wait))
    return steps + settle(context, Phase.SPLIT, pairs, PairState.SPLIT)


def _quiesced(context: Context) -> tuple[list[Step], list[Step]]:
    """The steps before and after a split that quiesce the application and let it go; none where it does not run, or needs none."""
    app, ref = context.drivers.application, context.drivers.source_ref
    if app is None or context.estate.application == "stopped" or context.request.operation not in QUIESCING:
        return [], []
    command = app.hold(ref)
    if command is None:
        return [], []
    word = Command(ref.name, "let go", "release # the word to the shell that holds it\n", Effect.CHANGE, guard=Guard.TIMER)
    before = Step(
        "quiesce", Phase.SPLIT, StepKind.QUIESCE, f"Quiesce {app.name} on {ref.name}", ref.name, EXPLAIN["quiesce"], command
    )
    after = Step(
        "let-go-application",
        Phase.SPLIT,
        StepKind.LET_GO,
        f"Let {app.name} go",
        ref.name,
        EXPLAIN["let-go-application"],
        word,
        always=True,
    )
    return [before], [after]


@dataclass(frozen=True, slots=True)
class Before:
    """What the pre-policy comes to: its steps, how the pairs will then stand, and the sentences for the preview."""

    steps: list[Step]
    pairs: tuple[PairStatus, ...]
    summary: list[str]


def before_policy(context: Context) -> Before:
    """The steps that the pre-policy asks for, from the measured states."""
    policy = context.request.pre_policy or context.settings.pre_policy
    decision = decide(policy, context.pairs, context.request.allow_mixed, context.estate.measured_at)
    if decision.fails:
        name, never = context.settings.name, any(s.state is PairState.NEVER for s in context.pairs)
        hint = f"\n  Establish them first: splitmount run establish {name} (the first copy is a full one)." if never else ""
        raise Refused(f"{context.request.operation} of {name} is refused, nothing was changed:\n  {decision.sentence}{hint}")
    steps: list[Step] = []
    pairs = context.pairs
    for verb in decision.actions:
        more, pairs = _VERBS[verb](context, pairs)
        steps += more
    return Before(steps, pairs, [f"{policy.value}: {decision.sentence}", *decision.warnings])


_Moved = tuple[list[Step], tuple[PairStatus, ...]]


def _moved(
    context: Context, pairs: tuple[PairStatus, ...], change: Iterable[PairStatus], state: PairState
) -> tuple[PairStatus, ...]:
    """The pairs as they will stand when those of `change` have come to `state`."""
    split_id = SPLIT_ID if state is PairState.SPLIT else ""
    changed = {s.pair for s in change}
    array = context.drivers.array
    return tuple(array.predict(s, state, split_id=split_id) if s.pair in changed else s for s in pairs)


def _verb_wait(context: Context, pairs: tuple[PairStatus, ...]) -> _Moved:
    copied = tuple(s for s in pairs if s.state is PairState.COPYING)
    plain = tuple(s.pair for s in copied)
    steps = [
        _await_established(context, Phase.MIRRORS, context.plain_pairs),
        *settle(context, Phase.MIRRORS, plain, PairState.ESTABLISHED),
    ]
    return steps, _moved(context, pairs, copied, PairState.ESTABLISHED)


def _verb_establish(context: Context, pairs: tuple[PairStatus, ...]) -> _Moved:
    down = tuple(s for s in pairs if s.state in {PairState.SPLIT, PairState.NEVER, PairState.INVALID})
    steps = [
        measure(context, Phase.MIRRORS, "idle", context.settings.target),
        *phased(context.drivers.array.establish(down, full=context.request.full), Phase.MIRRORS),
    ]
    return steps, _moved(context, pairs, down, PairState.COPYING)


def _verb_split(context: Context, pairs: tuple[PairStatus, ...]) -> _Moved:
    return _split(context, pairs), _moved(context, pairs, pairs, PairState.SPLIT)


def _verb_split_established(context: Context, pairs: tuple[PairStatus, ...]) -> _Moved:
    up = tuple(s for s in pairs if s.state is PairState.ESTABLISHED)
    return _split(context, up), _moved(context, pairs, up, PairState.SPLIT)


_VERBS: Mapping[Verb, Callable[[Context, tuple[PairStatus, ...]], _Moved]] = {
    Verb.WAIT: _verb_wait,
    Verb.ESTABLISH: _verb_establish,
    Verb.SPLIT: _verb_split,
    Verb.SPLIT_ESTABLISHED: _verb_split_established,
}


def _mount_of(settings: SetSettings, filesystem: Filesystem) -> Mount:
    prefix = settings.mount.prefix.rstrip("/")
    point = prefix + filesystem.mount_point if filesystem.mount_point != "/" else prefix
    return Mount(filesystem.volume, filesystem.kind, point, filesystem.mount_point)


def import_requests(
    settings: SetSettings, source: HostFacts, pairs: tuple[Pair, ...], *, takeover: bool = False
) -> tuple[ImportRequest, ...]:
    """What to bring up on the target: each group of the set, its BCVs by serial, its mounts outermost first.

    A takeover mounts for writing, and keeps the names of the groups and the mount points of the source, unless the original
    has them on the same machine.
    """
    alone = settings.source == settings.target
    if takeover:
        settings = replace(settings, mount=replace(settings.mount, read_only=False))
    if takeover and not alone:
        settings = replace(settings, mount=replace(settings.mount, prefix=""), group_suffix="")
    bcv_of = {pair.std: pair.bcv for pair in pairs}
    requests = []
    for name in settings.volume_groups:
        group = source.group(name)
        if group is None:
            continue
        mounts = [
            _mount_of(settings, f)
            for f in source.filesystems
            if f.group == name and f.mount_point.startswith("/") and f.mounted and f.kind in MOUNTED_KINDS
        ]
        requests.append(
            ImportRequest(
                group=group,
                new_name=name + settings.group_suffix,
                bcvs=tuple((bcv_of[p.device_serial], p.uuid) for p in group.physical),
                partitions=tuple((bcv_of[p.device_serial], p.partition) for p in group.physical if p.partition),
                mounts=tuple(sorted(mounts, key=lambda m: m.mount_point)),
                prefix=settings.mount.prefix,
                read_only=settings.mount.read_only,
                same_host=alone,
            )
        )
    return tuple(requests)


def bring_up(context: Context, statuses: tuple[PairStatus, ...], *, takeover: bool = False) -> list[Step]:
    """Ready, attach, import, activate, mount; each with its undo."""
    drivers, settings = context.drivers, context.settings
    requests = import_requests(settings, context.source, context.plain_pairs, takeover=takeover)
    used = tuple(dict.fromkeys(serial for r in requests for serial, _ in r.bcvs))
    needed = tuple(s for s in statuses if s.pair.bcv in used)
    pairs = tuple(s.pair for s in needed)
    wait = AwaitState(pairs, (PairState.SPLIT,), settings.wait_limit, ready=True, same_split=not context.request.allow_mixed)
    steps = phased(drivers.array.ready(needed), Phase.IMPORT)
    steps.append(await_state(context, "await-ready", Phase.IMPORT, "Measure: all BCVs split at one instant, and ready", wait))
    steps += phased((drivers.target.attach(drivers.target_ref, used),), Phase.IMPORT)
    for request in requests:
        steps += phased((drivers.target.import_group(drivers.target_ref, request),), Phase.IMPORT)
        steps += phased((drivers.target.activate(drivers.target_ref, request),), Phase.IMPORT)
    mounts = [(request, mount) for request in requests for mount in request.mounts]
    mounts.sort(key=lambda pair: (pair[1].mount_point.count("/"), pair[1].mount_point))
    for request, mount in mounts:
        steps += phased((drivers.target.mount(drivers.target_ref, request, mount),), Phase.MOUNT)
    return steps


def backup_request(settings: SetSettings, drivers: SetDrivers, source: HostFacts, now: datetime) -> BackupRequest:
    """What the backup driver is asked; the run puts in its own number, directory, and the split's identity and time."""
    mounts = [m for r in import_requests(settings, source, pairs_in_use(settings.pairs)) for m in r.mounts]
    mounts.sort(key=lambda m: (m.mount_point.count("/"), m.mount_point))
    trees = tuple((m.mount_point, m.source_mount_point) for m in mounts)
    ref = drivers.target_ref
    return BackupRequest(settings.name, "", ref.name, trees, SPLIT_ID, now, ref.work_dir, ref.become)


def live_request(settings: SetSettings, drivers: SetDrivers, source: HostFacts, now: datetime) -> BackupRequest:
    """A backup of what the source has mounted now, taken there; `now` is its point in time."""
    names, ref = set(settings.volume_groups), drivers.source_ref
    points = [f.mount_point for f in source.filesystems if f.group in names and f.mounted and f.kind in MOUNTED_KINDS]
    trees = tuple((point, point) for point in sorted(points, key=lambda point: (point.count("/"), point)))
    return BackupRequest(settings.name, "", ref.name, trees, "live", now, ref.work_dir, ref.become)


def _back_up(context: Context) -> list[Step]:
    drivers, settings = context.drivers, context.settings
    if drivers.backup is None:
        raise Refused(f"set {settings.name} has no backup: add `backup: {{driver: …, repository: …}}` to its configuration")
    request = backup_request(settings, drivers, context.source, context.estate.measured_at)
    if not request.trees:
        raise Refused(f"set {settings.name} has no mounted filesystem to back up on {settings.source}")
    commands = drivers.backup.commands(request)
    shown = replace(commands[0], text="\n".join(c.text for c in commands)) if commands else None
    name = drivers.backup.name
    return [
        Step(
            "backup", Phase.BACKUP, StepKind.BACKUP, f"Back up with {name}", settings.target, EXPLAIN["backup"], command=shown
        ),
        Step("verify", Phase.BACKUP, StepKind.VERIFY, f"Verify the {name} backup", settings.target, EXPLAIN["verify"]),
    ]


def undo_step(step: Step, index: int = 0) -> Step:
    """The cleanup step that takes back what a step did."""
    return Step(
        f"undo-{step.id}",
        Phase.CLEANUP,
        step.kind if step.kind is StepKind.OWN_FILES else StepKind.COMMAND,
        f"Take back: {step.title[0].lower()}{step.title[1:]}",
        step.host,
        EXPLAIN["undo"],
        command=step.undo,
        fence=step.fence,
        undoes=step.id,
        array=step.array,
        repeatable=True,
    )


def clean_up(context: Context, brought_up: list[Step]) -> list[Step]:
    named = unique(brought_up)
    undo = [undo_step(step) for step in reversed(named) if step.undo is not None]
    return [*undo, measure(context, Phase.CLEANUP, "clean", context.settings.target)]


def after_policy(context: Context, statuses: tuple[PairStatus, ...]) -> tuple[list[Step], list[str]]:
    """The steps of the post-policy; `statuses` are the pairs as cleanup leaves them."""
    policy: PostPolicy = context.request.post_policy or context.settings.post_policy
    decision = decide_after(policy, context.pairs)
    summary = [f"{policy.value}: {decision.sentence}"]
    return (establish(context, Phase.AFTER, statuses) if decision.establish else []), summary


# --- operations ------------------------------------------------------------------------------------------------------

Planned = tuple[list[Step], list[str]]


def _plan_backup(context: Context) -> Planned:
    before = before_policy(context)
    up = bring_up(context, before.pairs)
    back_up = _back_up(context)
    after, summary_after = after_policy(context, before.pairs)
    start = [measure(context, Phase.MEASURE, "basis", context.settings.source), keep_map(context)]
    steps = [*start, *before.steps, *up, *back_up, *clean_up(context, up), *after]
    return steps, [*before.summary, *summary_after]


def _plan_map(context: Context) -> Planned:
    return [measure(context, Phase.MEASURE, "basis", context.settings.source), keep_map(context)], []


def _plan_split(context: Context) -> Planned:
    before = before_policy(replace(context, request=replace(context.request, pre_policy=PrePolicy.DOWN)))
    return [*_plan_map(context)[0], *before.steps], before.summary


def _plan_establish(context: Context) -> Planned:
    down = tuple(s for s in context.pairs if s.state is not PairState.ESTABLISHED)
    busy = [s for s in down if s.state not in {PairState.SPLIT, PairState.NEVER, PairState.INVALID}]
    if busy:
        odd = ", ".join(s.told for s in busy)
        unknown = any(s.state is PairState.UNKNOWN for s in busy)
        then = "look at those pairs on the array" if unknown else "wait, then try again"
        raise Refused(f"establish of {context.settings.name} is refused, nothing was changed: {odd}; {then}")
    if not down:
        return [measure(context, Phase.MEASURE, "basis", context.settings.source)], ["all pairs are established already"]
    lost = [s.pair.bcv for s in down if s.state is PairState.SPLIT]
    summary = [f"the point in time on {', '.join(lost)} is overwritten"] if lost else []
    start = [
        measure(context, Phase.MEASURE, "basis", context.settings.source),
        measure(context, Phase.MIRRORS, "idle", context.settings.target),
    ]
    return [*start, *establish(context, Phase.MIRRORS, down, full=context.request.full)], summary


ORDINARY: Mapping[str, Callable[[Context], Planned]] = {
    "backup": _plan_backup,
    "map": _plan_map,
    "split": _plan_split,
    "establish": _plan_establish,
}
