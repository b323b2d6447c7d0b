"""What the screens show, folded from events: pure. The engine speaks, this listens, widgets only draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.events import (
    Bound,
    CommandEnded,
    CommandSent,
    Event,
    HostMeasured,
    Outcome,
    RunEnded,
    RunPaused,
    RunStarted,
    SetMeasured,
    StepEnded,
    StepOutput,
    StepProgress,
    StepStarted,
)
from core.model import PairStatus
from core.plan import Plan, Step, StepKind
from core.transport import Command, Status
from tui.glance import Trends, with_sample
from tui.notify import Told

LOG_ROWS = 1000
OUTPUT_LINES = 400


@dataclass(frozen=True, slots=True)
class LogRow:
    """One command of the activity log; `status` is None while it is under way."""

    number: int
    at: datetime
    command: Command
    status: Status | None = None
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class StepView:
    """How one step stands; `outcome` is None while it is done."""

    started: datetime
    outcome: Outcome | None = None
    seconds: float = 0.0
    message: str = ""
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run on the screen. `taken_back` are the undo steps that the plan does not show."""

    run: int
    plan: Plan
    started: datetime
    steps: Mapping[str, StepView] = field(default_factory=dict)
    current: str = ""
    output: tuple[str, ...] = ()
    progress: StepProgress | None = None
    paused: str = ""
    frozen_since: datetime | None = None
    end: RunEnded | None = None
    taken_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ViewState:
    """Everything on the screens. `trends` are the last counts of pending tracks and `seen` the last look at the mirrors, by set."""

    hosts: Mapping[str, HostMeasured] = field(default_factory=dict)
    sets: Mapping[str, SetMeasured] = field(default_factory=dict)
    measuring: frozenset[str] = frozenset()
    log: tuple[LogRow, ...] = ()
    run: RunView | None = None
    trends: Trends = field(default_factory=dict)
    seen: Mapping[str, datetime] = field(default_factory=dict)


def fold(state: ViewState, event: Event) -> ViewState:
    """The state after an event."""
    match event:
        case HostMeasured():
            return replace(state, hosts={**state.hosts, event.host: event}, measuring=state.measuring - {event.host})
        case SetMeasured():
            name, pairs = event.set_name, event.estate.pairs
            return replace(
                state,
                sets={**state.sets, name: event},
                measuring=state.measuring - {name},
                trends=with_sample(state.trends, name, pairs),
                seen={**state.seen, name: event.estate.measured_at},
            )
        case CommandSent():
            return replace(state, log=(*state.log, LogRow(event.number, event.at, event.command))[-LOG_ROWS:])
        case CommandEnded():
            return replace(state, log=_with_end(state.log, event))
        case RunStarted():
            before = StepView(event.at, Outcome.OK, message="done before this console took the run up")
            return replace(state, run=RunView(event.run, event.plan, event.at, dict.fromkeys(event.done, before)))
        case _:
            run = state.run
            return state if run is None or event.run != run.run else replace(state, run=fold_run(run, event))


def fold_all(state: ViewState, events: Sequence[Event]) -> ViewState:
    """The state after all of them; of the progress of a step only the newest is looked at, since nothing is drawn in between."""
    newest = {(e.run, e.step): n for n, e in enumerate(events) if isinstance(e, StepProgress)}
    for n, event in enumerate(events):
        if not isinstance(event, StepProgress) or newest[event.run, event.step] == n:
            state = fold(state, event)
    return state


def with_mirrors(state: ViewState, name: str, pairs: tuple[PairStatus, ...], at: datetime) -> ViewState:
    """The state after a look at the mirrors of a set alone; one that was never measured whole stays unknown."""
    known = state.sets.get(name)
    if known is None:
        return state
    errors = {part: why for part, why in known.estate.errors.items() if part != "pairs"}
    measured = replace(known, estate=replace(known.estate, pairs=pairs, errors=errors))
    trends = with_sample(state.trends, name, pairs)
    return replace(state, sets={**state.sets, name: measured}, trends=trends, seen={**state.seen, name: at})


def with_told(state: ViewState, told: Told, at: datetime) -> ViewState:
    """The state with a notification in the log; its number is below those of commands."""
    number = min((0, *(row.number for row in state.log))) - 1
    status = Status.FAILED if told.error else Status.OK
    row = LogRow(number, at, Command("console", f"tell by {told.way}", told.title), status, told.seconds, told.error)
    return replace(state, log=(*state.log, row)[-LOG_ROWS:])


def _with_end(log: tuple[LogRow, ...], event: CommandEnded) -> tuple[LogRow, ...]:
    """The log with the end of a command, which was begun not long ago."""
    for place in range(len(log) - 1, -1, -1):
        if (row := log[place]).number == event.number:
            ended = replace(row, status=event.status, seconds=event.seconds, note=event.note)
            return (*log[:place], ended, *log[place + 1 :])
    return log


def fold_run(run: RunView, event: Event) -> RunView:
    """The run after an event."""
    match event:
        case StepStarted():
            steps = {**run.steps, event.step: StepView(event.at, command=event.command)}
            known = any(step.id == event.step for step in run.plan.steps)
            extra = run.taken_back if known else (*run.taken_back, event.step)
            return replace(run, steps=steps, current=event.step, output=(), progress=None, paused="", taken_back=extra)
        case StepOutput():
            return replace(run, output=(*run.output, *event.text.splitlines())[-OUTPUT_LINES:])
        case StepProgress():
            return replace(run, progress=event)
        case StepEnded():
            return _step_ended(run, event)
        case RunPaused():
            return replace(run, paused=event.step)
        case RunEnded():
            return replace(run, end=event, paused="", frozen_since=None)
        case Bound():
            return replace(run, output=(*run.output, f"{event.name} = {event.value}")[-OUTPUT_LINES:])
        case _:
            return run


def _step_ended(run: RunView, event: StepEnded) -> RunView:
    before = run.steps.get(event.step)
    if before is None:
        return run
    view = replace(before, outcome=event.outcome, seconds=event.seconds, message=event.message)
    kind = next((s.kind for s in run.plan.steps if s.id == event.step), None)
    frozen = run.frozen_since
    if kind is StepKind.HOLD and event.outcome is Outcome.OK:
        frozen = before.started
    if kind is StepKind.RELEASE:
        frozen = None
    return replace(run, steps={**run.steps, event.step: view}, frozen_since=frozen)


def shown_step(run: RunView) -> Step | None:
    """The step that the run is at, of the plan."""
    wanted = run.paused or run.current
    return next((s for s in run.plan.steps if s.id == wanted), None)
