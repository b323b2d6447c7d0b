"""What the engine says, as plain data. Screens and command line fold these; nothing else flows up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.model import Drift, Estate, Finding, HostFacts
from core.plan import Plan
from core.transport import Command, Status


class Outcome(StrEnum):
    """How a step or a run ended."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    UNDONE = "undone"
    STOPPED = "stopped"
    REFUSED = "refused"
    ATTENTION = "needs attention"


@dataclass(frozen=True, slots=True)
class HostMeasured:
    """A host was discovered, or could not be (`error`)."""

    host: str
    at: datetime
    facts: HostFacts | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class SetMeasured:
    """A set was measured whole: both hosts and the pairs, with what verification found. `notes` are of its last runs.

    `taken_over` says when the target took its place, as long as it has it; else "". `drift` is how it stands to its newest
    kept map; None where nobody compared. `last` are by operation the time of the data of its newest good backup, None where that
    is not known, and when its newest good rehearsal began. `not_well` are the operations whose last run ended otherwise: in two
    words each, and in a line.
    """

    set_name: str
    estate: Estate
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    taken_over: str = ""
    drift: Drift | None = None
    last: Mapping[str, datetime | None] = field(default_factory=dict)
    not_well: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommandSent:
    """A command left for a host. `number` joins it with its CommandEnded."""

    number: int
    at: datetime
    command: Command


@dataclass(frozen=True, slots=True)
class CommandEnded:
    """A command came back (or did not: unknown)."""

    number: int
    status: Status
    exit_status: int | None
    seconds: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run has its number and its journal; `done` are the steps that a console which is gone had done before."""

    run: int
    at: datetime
    plan: Plan
    done: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step's intent is in the journal and it is being done. `command` has its late values bound."""

    run: int
    step: str
    at: datetime
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class StepOutput:
    """Lines that a step printed."""

    run: int
    step: str
    text: str


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far a step is. Rate in bytes a second and remaining seconds are None while not known."""

    run: int
    step: str
    done: int
    total: int | None
    rate: float | None = None
    remaining: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step's outcome is in the journal."""

    run: int
    step: str
    outcome: Outcome
    seconds: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """A late value is known."""

    run: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class RunPaused:
    """The run waits for the operator before this step."""

    run: int
    step: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over: what was done, what is left, and the exit code that the command line gives."""

    run: int
    at: datetime
    outcome: Outcome
    exit_code: int
    seconds: float
    done: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    message: str = ""


Event = (
    HostMeasured
    | SetMeasured
    | CommandSent
    | CommandEnded
    | RunStarted
    | StepStarted
    | StepOutput
    | StepProgress
    | StepEnded
    | Bound
    | RunPaused
    | RunEnded
)


@dataclass(frozen=True, slots=True)
class Scene:
    """One event of a run, and how many seconds after its beginning it was recorded."""

    offset: float
    event: Event
