"""What the screens show, folded from events: pure. The engine speaks, this listens, widgets only draw."""

from __future__ import annotations

from collections.abc import Mapping
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
from core.plan import Plan, Step, StepKind
from core.transport import Command, Status

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
    """Everything on the screens."""

    hosts: Mapping[str, HostMeasured] = field(default_factory=dict)
    sets: Mapping[str, SetMeasured] = field(default_factory=dict)
    measuring: frozenset[str] = frozenset()
    log: tuple[LogRow, ...] = ()
    run: RunView | None = None


def fold(state: ViewState, event: Event) -> ViewState:
    """The state after an event."""
    match event:
        case HostMeasured():
            return replace(state, hosts={**state.hosts, event.host: event}, measuring=state.measuring - {event.host})
        case SetMeasured():
            return replace(state, sets={**state.sets, event.set_name: event}, measuring=state.measuring - {event.set_name})
        case CommandSent():
            return replace(state, log=(*state.log, LogRow(event.number, event.at, event.command))[-LOG_ROWS:])
        case CommandEnded():
            return replace(state, log=tuple(_ended(row, event) for row in state.log))
        case RunStarted():
            before = StepView(event.at, Outcome.OK, message="done before this console took the run up")
            return replace(state, run=RunView(event.run, event.plan, event.at, dict.fromkeys(event.done, before)))
        case _:
            run = state.run
            return state if run is None or event.run != run.run else replace(state, run=fold_run(run, event))


def _ended(row: LogRow, event: CommandEnded) -> LogRow:
    if row.number != event.number:
        return row
    return replace(row, status=event.status, seconds=event.seconds, note=event.note)


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
