"""What a run does for each kind of step: one function a kind, over the state of the run."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from core.arrays.base import SplitMark, base_id
from core.backups import putback
from core.backups.base import BackupRecord, BackupRequest, Progress
from core.compare import compare
from core.errors import CommandFailed, NeedsAttention, OutcomeUnknown, ParseError, Refused, SplitmountError, TransportError
from core.events import Bound, Event, StepOutput, StepProgress
from core.freezing import hold, release
from core.jobs import JobPhase, JobRef, await_end, read_job, run_job
from core.journal import Journal
from core.locks import places
from core.mapfile import build_map, mirror_map
from core.maps import MapKeeper
from core.measures import bcvs_in_use, changed_since, leftovers, standards_in_use, still_used
from core.model import Estate, PairState, PairStatus
from core.names import odd_binding
from core.operations import SetDrivers, backup_request, live_request, pairs_in_use
from core.plan import AwaitState, Plan, Step, StepKind
from core.progress import Rate
from core.quiesce import let_go, quiesce
from core.rebuild import deposit_script, packed
from core.rehearse import sample
from core.settings import SetSettings
from core.transport import Channel, Command, Session, Status, Transport, bind, late_names
from core.underlock import UnderLock

_PROGRESS = re.compile("@progress ([0-9]{1,18}) ([0-9]{1,18})")
HANGS = 900.0  # seconds after which a change on a host is not waited for any more, unless its script asks for longer
FENCED = 90  # exit status of a script whose fence or precondition said no, with nothing changed


@dataclass(frozen=True, slots=True)
class RunParts:
    """Everything that a run works with; nothing in it belongs to the run."""

    plan: Plan
    settings: SetSettings
    drivers: SetDrivers
    transport: Transport
    journal: Journal
    maps: MapKeeper
    emit: Callable[[Event], None]
    measure: Callable[[tuple[str, ...]], Awaitable[Estate]]
    operator: str
    console: str


@dataclass(slots=True)
class RunState:
    """What a run knows so far. `changed` is set before the first command with effect is sent."""

    parts: RunParts
    number: int = 0
    key: str = ""
    values: dict[str, str] = field(default_factory=dict)
    changed: bool = False
    session: Session | None = None
    quiet: Session | None = None  # the shell that holds the application
    quiet_at: float = 0.0  # when it was opened, monotonic
    estate: Estate | None = None
    statuses: tuple[PairStatus, ...] = ()
    record: BackupRecord | None = None
    sample: dict[str, tuple[str, str]] = field(default_factory=dict)
    compared: str = ""  # what reading them on the copy has shown
    job_number: int = 0  # the number that the jobs bear: of the console that began the run
    attempts: dict[str, int] = field(default_factory=dict)
    measure_first: set[str] = field(default_factory=set)  # steps that may have been sent before: see `_what_is_left`
    doubtful: bool = False  # whether the split was done while the source was frozen is not known
    frozen_at: float = 0.0  # when a freeze was asked for, monotonic
    stale: bool = False  # since a pause, or a console that is gone, what was measured says nothing any more: see `_unused`
    freeze_until: float = 0.0  # until then (monotonic) the freeze of a console that is gone may still be on

    @property
    def directory(self) -> str:
        """The directory of this run on the target."""
        return f"{self.parts.drivers.target_ref.work_dir}/runs/{self.key}"

    @property
    def lock(self) -> UnderLock:
        """The lock that the run works under."""
        drivers, parts = self.parts.drivers, self.parts
        return UnderLock(parts.plan, places(drivers.target_ref, drivers.array_ref), self.key, parts.console)

    def bind(self, name: str, value: str) -> None:
        """A late value is known: on disk before it is used."""
        self.values[name] = value
        self.parts.journal.note(self.number, "", {"bound": name, "value": value})
        self.parts.emit(Bound(self.number, name, value))

    def note(self, step: Step, **body: object) -> None:
        """Record a fact about a step."""
        self.parts.journal.note(self.number, step.id, body)

    def job(self, step_id: str, host: str) -> JobRef:
        """Where the job of a step lives; one that is begun anew, because the first is gone, has a place of its own."""
        refs = (self.parts.drivers.target_ref, self.parts.drivers.source_ref, self.parts.drivers.array_ref)
        ref = next(r for r in refs if r is not None and r.name == host)
        directory, anew = f"{ref.work_dir}/runs/{self.key}", self.attempts.get(step_id, 0)
        return JobRef(host, directory, f"{directory}/{self.job_number:04d}-{step_id}{f'.{anew}' * bool(anew)}", ref.become)

    def begin_anew(self, step_id: str) -> None:
        """The next job of the step is another one: on disk before it is sent."""
        self.attempts[step_id] = self.attempts.get(step_id, 0) + 1
        self.parts.journal.note(self.number, step_id, {"attempt": self.attempts[step_id]})

    def doubt_freeze(self) -> None:
        """The split came about while no console saw to its freeze: on disk, so that nobody calls it frozen later."""
        self.doubtful = True
        self.parts.journal.note(self.number, "", {"freeze_doubtful": True})

    def reporter(self, step: Step) -> Callable[[Progress], None]:
        """An ear for progress that knows the rate."""
        rate = Rate()

        def report(progress: Progress) -> None:
            speed, left = rate.report(time.monotonic(), progress.done, progress.total)
            note = "" if progress.files is None else f"{progress.files} files"
            self.parts.emit(StepProgress(self.number, step.id, progress.done, progress.total, speed, left, note))

        return report


def new_split_id(now: datetime) -> str:
    """The identity of a split: its time in milliseconds since 1970, base 36, and 16 random bits."""
    number, digits = int(now.timestamp() * 1000), ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return f"{digits}-{secrets.token_hex(2)}"


def describe(statuses: tuple[PairStatus, ...]) -> str:
    """The pairs and their states in one line."""
    return ", ".join(s.told for s in statuses)


# --- measure ---------------------------------------------------------------------------------------------------------


async def measure(state: RunState, step: Step, command: Command | None) -> str:
    """Measure what the step is about again, and insist on what it names; Refused when it is not so."""
    parts, insist = MEASURES[step.measure]
    estate = await state.parts.measure(parts)
    wrong = insist(state, estate)
    if wrong:
        raise (NeedsAttention if step.measure == "clean" else Refused)("; ".join(wrong))
    if step.measure == "basis":
        state.estate, state.statuses = estate, estate.pairs
    return f"measured at {estate.measured_at:%H:%M:%S} UTC"


def _basis(state: RunState, estate: Estate) -> tuple[str, ...]:
    return changed_since(state.parts.plan, state.parts.settings, estate)


def _idle(state: RunState, estate: Estate) -> tuple[str, ...]:
    if estate.target is None:
        return ("the target could not be measured: " + estate.errors.get("target", "unknown"),)
    return bcvs_in_use(estate.target, (*state.parts.settings.pairs, *state.parts.plan.spare), state.parts.settings.mount.prefix)


def _released(state: RunState, estate: Estate) -> tuple[str, ...]:
    """A source that answers must not use its standards; one that does not answer any more is as good."""
    if estate.source is None:
        return ()
    return still_used(estate.source, state.parts.settings.volume_groups)


def _stopped(state: RunState, estate: Estate) -> tuple[str, ...]:
    """The standards are overwritten next: a source that cannot be measured is no source that is seen not to use them."""
    if estate.source is None:
        return ("the source could not be measured: " + estate.errors.get("source", "unknown"),)
    return standards_in_use(estate.source, state.parts.settings.volume_groups)


def _quiet(state: RunState, estate: Estate) -> tuple[str, ...]:
    """Nobody works in the filesystems that are unmounted next; where nobody can tell, the unmount will."""
    if estate.source is None:
        return ("the source could not be measured: " + estate.errors.get("source", "unknown"),)
    return tuple(f"{point} on {estate.source.host} is in use by {who}" for point, who in estate.users.items())


def _clean(state: RunState, estate: Estate) -> tuple[str, ...]:
    if estate.target is None:
        return ("the target could not be measured: " + estate.errors.get("target", "unknown"),)
    used = _idle(state, estate)
    uuids = [value for name, value in state.values.items() if name.startswith("vg_uuid.")]
    names = [value for name, value in state.values.items() if name.startswith("vg_name.")]
    return tuple(dict.fromkeys((*used, *leftovers(estate.target, uuids, names, state.parts.settings.mount.prefix))))


# What each measurement looks at, and what it insists on.
MEASURES: Mapping[str, tuple[tuple[str, ...], Callable[[RunState, Estate], tuple[str, ...]]]] = {
    "basis": (("source", "target", "pairs"), _basis),
    "idle": (("target",), _idle),
    "clean": (("target",), _clean),
    "released": (("source",), _released),
    "quiet": (("source", "users"), _quiet),
    "stopped": (("source",), _stopped),
}

# What must have been measured when a verb of the array overwrites: the BCVs, or the standards.
_GUARDS: Mapping[str, tuple[str, ...]] = {
    "establish": ("idle",),
    "establish-full": ("idle",),
    "restore": ("idle", "stopped"),
}


async def _unused(state: RunState, step: Step) -> None:
    """Measure again right before the array overwrites, where the plan's own measurement was before a pause or by a console that is gone.

    Refused when what is overwritten is in use; NeedsAttention when it may have begun already.
    """
    if not state.stale or not step.array:
        return
    for name in _GUARDS.get(base_id(step), ()):
        parts, insist = MEASURES[name]
        if wrong := insist(state, await state.parts.measure(parts)):
            kind = NeedsAttention if step.id in state.measure_first else Refused
            raise kind(f"{'; '.join(wrong)}: {step.title[:1].lower()}{step.title[1:]} is not sent")


# --- map and commands ------------------------------------------------------------------------------------------------


async def keep_map(state: RunState, step: Step, command: Command | None) -> str:
    """Keep the map here as a new version, and hand it to the target."""
    parts, estate = state.parts, state.estate
    if estate is None or estate.source is None:
        raise CommandFailed("no measured source to make a map of")
    std = build_map(parts.settings.name, estate.source, parts.settings.volume_groups)
    path = parts.maps.keep(std, mirror_map(std, pairs_in_use(parts.settings.pairs)))
    if command is not None:
        await own_files(state, step, command)
    return str(path)


async def change(state: RunState, step: Step, command: Command | None) -> str:
    """Send a change: to the array as it is, to a host as a remote job."""
    if command is None:
        raise CommandFailed(f"step {step.id} has no command")
    if command.channel is Channel.QMP:
        return await _array_change(state, step, command)
    return await _job(state, step, command)


async def _array_change(state: RunState, step: Step, command: Command) -> str:
    if step.id in state.measure_first and step.array:
        return await _what_is_left(state, step)
    await _unused(state, step)
    state.changed = True
    try:
        result = await state.parts.transport.run(command)
    except TransportError as error:
        raise CommandFailed(f"{command.host}: {command.title}: not sent: {error}") from error
    if result.status is Status.UNKNOWN:
        return await _by_the_states(state, step, f"{command.host}: {command.title}: {result.reason}")
    if result.status is Status.FAILED:
        raise CommandFailed(f"{command.host}: {command.title}: {result.stderr.strip() or result.exit_status}")
    return ""


async def _rest(state: RunState, step: Step) -> tuple[Step, ...]:
    """What the array's driver says is left of one of its steps, by the states that its pairs have now."""
    array, plan = state.parts.drivers.array, state.parts.plan
    known = (*state.parts.settings.pairs, *plan.spare)
    pairs = tuple(pair for pair in known if pair.bcv in step.fence) if step.fence else known
    statuses = await array.status(state.parts.transport, pairs)
    try:
        return array.rest(step, statuses, SplitMark(state.values.get("split_id", "")))
    except Refused as odd:  # the pairs are not what such a step can begin from: that is no "nothing was changed"
        raise NeedsAttention(str(odd)) from odd


async def _by_the_states(state: RunState, step: Step, lost: str) -> str:
    """The answer of the array was lost: measure. Whether it came about is told by the pairs; it is never sent again here."""
    if not step.array:
        raise OutcomeUnknown(lost)
    try:
        await state.parts.transport.reconnect(step.host)
        left = await _rest(state, step)
    except NeedsAttention:
        raise
    except SplitmountError as error:
        raise OutcomeUnknown(f"{lost}; and the pairs could not be measured: {error}") from error
    if left:
        raise CommandFailed(f"{lost}; by the pairs' states it did not come about, or not whole: it is not sent again")
    return f"its answer was lost ({lost}); by the pairs' states it came about"


async def _what_is_left(state: RunState, step: Step) -> str:
    """A change of the array that may have been sent by a console that is gone: measure, and send only what is left of it."""
    left = await _rest(state, step)
    if left:
        await _unused(state, step)
    for one in left:
        if one.command is None:
            continue
        state.changed = True
        command = bind(one.command, state.values)
        if command.channel is Channel.QMP:
            result = await state.parts.transport.run(command)
            if result.status is not Status.OK:
                words = result.stderr.strip() or result.reason or result.exit_status
                raise (CommandFailed if result.status is Status.FAILED else OutcomeUnknown)(f"{one.title}: {words}")
        else:
            state.begin_anew(step.id)
            await _follow(state, step, command)
    if not left and base_id(step) == "split" and any(s.kind is StepKind.HOLD for s in state.parts.plan.steps):
        state.doubt_freeze()
    return "measured: what was left of it was done" if left else "measured: it had come about"


async def _job(state: RunState, step: Step, command: Command) -> str:
    """A remote job. One that is gone without an end is unknown; when its console was, it is measured, taken back, begun anew."""
    if state.stale and step.array and await _never_begun(state, step, command):
        await _unused(state, step)
    try:
        return await _follow(state, step, command)
    except OutcomeUnknown as gone:
        if not isinstance(gone, _Gone):  # it may still be at work
            raise
        if step.array and step.id not in state.measure_first:
            return await _by_the_states(state, step, str(gone))
        if step.id not in state.measure_first:
            raise
        if step.array:
            return await _what_is_left(state, step)
        if not step.repeatable and step.undo is None:
            raise
        state.measure_first.discard(step.id)
        if not step.repeatable and step.undo is not None:
            back = replace(step, id=f"{step.id}.back")
            state.begin_anew(back.id)
            await _follow(state, back, bind(step.undo, {n: state.values.get(n, "") for n in late_names(step.undo)}))
        state.begin_anew(step.id)
        return await _follow(state, step, command) or f"begun anew ({gone})"


async def _never_begun(state: RunState, step: Step, command: Command) -> bool:
    """Whether there is no job of this step on its host yet. StillRunning when the host does not say: there may be one at work."""
    transport, job = state.parts.transport, state.job(step.id, command.host)
    for _ in range(2):
        try:
            return (await read_job(transport, job)).phase is JobPhase.NOT_STARTED
        except TransportError as error:
            said = error
        with suppress(TransportError):
            await transport.reconnect(command.host)
    raise StillRunning(f"{command.host}: whether this was begun is not known: {step.title}: {said}")


class StillRunning(OutcomeUnknown):
    """The job goes on past its time: nothing may be taken back beneath it."""


class _Gone(OutcomeUnknown):
    """The job's host answers, and the job is there no more and left no end."""


async def _follow(state: RunState, step: Step, command: Command) -> str:
    """Start the job, unless it was started before, and follow it to its end."""
    job, report = state.job(step.id, command.host), state.reporter(step)
    limit = None if command.live else max(command.timeout, HANGS)
    fenced = state.lock.fenced(step, command)
    end = await run_job(state.parts.transport, fenced, job, lambda text: _heard(state, step, report, text), limit=limit)
    _take_values(state, command.host, command.title, end.stdout)
    if end.status is Status.OK:
        state.changed = True
        return ""
    words = end.stderr.strip() or end.reason or f"exit status {end.exit_status}"
    if end.status is Status.FAILED and end.exit_status == FENCED:
        raise Refused(f"{command.host}: {words}")
    state.changed = True
    if end.status is Status.UNKNOWN:
        kind = _Gone if end.gone else StillRunning if end.running else OutcomeUnknown
        raise kind(f"{command.host}: {command.title}: {words}")
    raise CommandFailed(f"{command.host}: {command.title}: {words}")


def _take_values(state: RunState, host: str, title: str, text: str) -> None:
    """The late values that a job told. ParseError for one that no script of ours says."""
    for line in text.splitlines():
        if line.startswith("@bind "):
            name, _, value = line.removeprefix("@bind ").partition(" ")
            if odd := odd_binding(name, value):
                state.changed = True
                raise ParseError(host, title, f"said what it made, and {odd}", line)
            if state.values.get(name) != value:
                state.bind(name, value)


def _heard(state: RunState, step: Step, report: Callable[[Progress], None], text: str) -> None:
    plain = []
    for line in text.splitlines():
        if line.startswith("@progress "):
            if (told := _PROGRESS.fullmatch(line)) is not None:
                report(Progress(int(told[1]), int(told[2]) or None))
        elif not line.startswith("@bind "):
            plain.append(line)
    if plain:
        state.parts.emit(StepOutput(state.number, step.id, "\n".join(plain)))


async def own_files(state: RunState, step: Step, command: Command | None) -> str:
    """A job that touches nothing but our own work directory: it changes nothing of the hosts."""
    before = state.changed
    said = await change(state, step, command)
    state.changed = before
    return said


async def deposit(state: RunState, step: Step, command: Command | None) -> str:
    """Leave the plan in the run's directory on the host: see `core.rebuild`."""
    if command is None:
        raise CommandFailed("there is no place for the plan")
    start = state.parts.journal.start_of(state.number)
    text = packed(start)
    return await own_files(state, step, replace(command, text=deposit_script(state.job_number, text)))


async def follow_end(state: RunState, step: Step, command: Command | None) -> str:
    """Wait until a job of a dead console runs no more, and take the values that it told."""
    job = state.job("", step.host)
    job = replace(job, directory_step=f"{job.directory_run}/{step.measure}")
    ended = await await_end(state.parts.transport, job, step.command.timeout if step.command else 3600.0)
    _take_values(state, step.host, step.title, ended.out.decode("utf-8", "backslashreplace"))
    words = {JobPhase.ENDED: f"ended with {ended.exit_status}", JobPhase.NOT_STARTED: "was never begun"}
    return words.get(ended.phase, "is gone, and left no end")


async def forget(state: RunState, step: Step, command: Command | None) -> str:
    """Remove the copy that a backup of this run began and did not finish."""
    driver, split_id = state.parts.drivers.backup, step.measure or state.values.get("split_id", "")
    if driver is None or not split_id:
        return "there is none"
    number = await driver.forget_unfinished(state.parts.transport, state.parts.settings.name, split_id)
    return f"{number} removed" if number else "there was none"


# --- waiting for the array -------------------------------------------------------------------------------------------


async def wait_for(state: RunState, step: Step, command: Command | None) -> str:
    """Poll the array, politely, until the pairs are where the step wants them; CommandFailed at the limit."""
    if step.wait is None:
        raise CommandFailed(f"step {step.id} waits for nothing")
    wait, report, pause = step.wait, state.reporter(step), 0.02
    limit = time.monotonic() + wait.limit
    while not _arrived(wait, statuses := await _status(state, wait)):
        _say_copied(report, statuses)
        if any(s.state is PairState.INVALID for s in statuses):
            raise CommandFailed(f"a copy failed in the array: {describe(statuses)}")
        if time.monotonic() > limit:
            raise CommandFailed(
                f"the pairs did not get there within wait_limit ({wait.limit:.0f} s): {describe(statuses)}; find out on the array "
                "what holds them, then measure and plan again"
            )
        await asyncio.sleep(pause)
        pause = min(1.0, pause * 1.5)
    _say_copied(report, statuses)
    state.statuses = statuses
    state.note(step, pairs=[[s.pair.std, s.pair.bcv, s.state, s.split_id] for s in statuses])
    if wait.same_split:
        _one_instant(state, statuses, new=wait.new_split)
    return describe(statuses)


async def _status(state: RunState, wait: AwaitState) -> tuple[PairStatus, ...]:
    return await state.parts.drivers.array.status(state.parts.transport, wait.pairs)


def _arrived(wait: AwaitState, statuses: tuple[PairStatus, ...]) -> bool:
    return all(s.state in wait.states and (wait.ready is None or s.ready is wait.ready) for s in statuses)


def _say_copied(report: Callable[[Progress], None], statuses: tuple[PairStatus, ...]) -> None:
    copying = [(s.copied, s.to_copy) for s in statuses if s.to_copy is not None and s.copied is not None]
    if copying:
        report(Progress(sum(done for done, _ in copying), sum(total for _, total in copying) or None))


def _one_instant(state: RunState, statuses: tuple[PairStatus, ...], *, new: bool) -> None:
    ids = {s.split_id for s in statuses}
    if len(ids) != 1 or "" in ids:
        raise NeedsAttention(f"the pairs were not split at one instant, nothing is imported: {describe(statuses)}")
    ours = state.values.get("split_id")
    if ours is None or new:  # an array that names its splits by itself: from here on it is this one
        state.bind("split_id", *ids)
    elif ids != {ours}:
        raise NeedsAttention(f"another split than ours ({ours}) is on the mirrors: {describe(statuses)}")


# --- backup ----------------------------------------------------------------------------------------------------------


def _request(state: RunState, step: Step) -> BackupRequest:
    parts, estate = state.parts, state.estate
    if estate is None or estate.source is None or not state.statuses:
        raise CommandFailed("no measured source")
    if step.live:
        ref, now = parts.drivers.source_ref, state.record.split_at if state.record else utc_now()
        directory = f"{ref.work_dir}/runs/{state.key}"
        return replace(live_request(parts.settings, parts.drivers, estate.source, now), run=state.key, job_dir=directory)
    status = state.statuses[0]
    if status.split_at is None:
        raise CommandFailed("the array does not say when the mirrors were split")
    request = backup_request(parts.settings, parts.drivers, estate.source, status.split_at)
    return replace(request, run=state.key, split_id=status.split_id, split_at=status.split_at, job_dir=state.directory)


async def back_up(state: RunState, step: Step, command: Command | None) -> str:
    """Let the backup driver copy the mounted BCVs, or the source's own filesystems."""
    driver, transport = state.parts.drivers.backup, state.parts.transport
    if driver is None:
        raise CommandFailed("the set has no backup driver")
    state.changed = True
    request = _request(state, step)
    record = await _finished_before(state, request) if step.id in state.measure_first else None
    if record is None:
        record = await driver.run(transport, request, state.reporter(step))
    state.record = record
    state.note(step, backup=record)
    return f"{record.id}: {record.files} files, {record.bytes} bytes"


async def _finished_before(state: RunState, request: BackupRequest) -> BackupRecord | None:
    """The backup that a console finished before it went, where it did; an unfinished one is removed."""
    parts, driver = state.parts, state.parts.drivers.backup
    if driver is None:
        return None
    await driver.forget_unfinished(parts.transport, request.set_name, request.split_id)
    found = await driver.list(parts.transport, request.host, request.become, request.set_name)
    return next((r for r in found if r.run == request.run and r.split_id == request.split_id), None)


async def verify(state: RunState, step: Step, command: Command | None) -> str:
    """Let the backup driver read back what it wrote."""
    driver = state.parts.drivers.backup
    if driver is None or state.record is None:
        raise CommandFailed("there is no backup to verify")
    record = await driver.verify(state.parts.transport, _request(state, step), state.record, state.reporter(step))
    state.record = record
    state.note(step, backup=record)
    return f"{record.id} verified: {record.files} files, {record.bytes} bytes read back and compared"


async def put_back(state: RunState, step: Step, command: Command | None) -> str:
    """Let the files of a backup be written where they were."""
    driver, transport, what = state.parts.drivers.backup, state.parts.transport, step.put
    if driver is None or what is None:
        raise CommandFailed("the set has no backup driver")
    records = await driver.list(transport, what.reader, what.reader_become, state.parts.settings.name)
    record = next((r for r in records if r.id == what.backup), None)
    if record is None:
        raise Refused(f"the backup {what.backup} is not in the repository any more; nothing was written")
    wanted = await putback.ensure_fit(transport, driver, record, what)
    state.changed = True
    files = await putback.put_back(transport, driver, record, what, wanted, state.reporter(step))
    state.note(step, put_back=what, files=files)
    return f"{files} files of {what.backup} are on {what.host}, each read back and compared"


Handler = Callable[[RunState, Step, Command | None], Awaitable[str]]

HANDLERS: Mapping[StepKind, Handler] = {
    StepKind.MEASURE: measure,
    StepKind.KEEP_MAP: keep_map,
    StepKind.COMMAND: change,
    StepKind.OWN_FILES: own_files,
    StepKind.DEPOSIT: deposit,
    StepKind.FOLLOW: follow_end,
    StepKind.FORGET: forget,
    StepKind.HOLD: hold,
    StepKind.RELEASE: release,
    StepKind.QUIESCE: quiesce,
    StepKind.LET_GO: let_go,
    StepKind.AWAIT: wait_for,
    StepKind.BACKUP: back_up,
    StepKind.PUT_BACK: put_back,
    StepKind.VERIFY: verify,
    StepKind.COMPARE: compare,
    StepKind.SAMPLE: sample,
}


def utc_now() -> datetime:
    """The time, aware of its zone."""
    return datetime.now(UTC)
