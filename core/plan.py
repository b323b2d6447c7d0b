"""What will be done, before it is done: a Plan is phases of Steps, each with command, fence, probe, undo, and reasons.

This module holds the shapes; `core.operations` makes plans out of an estate and a policy. All of it is pure.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from core.backups.base import PutBack
from core.model import Finding, Pair, PairState
from core.transport import Command


class Phase(StrEnum):
    """The parts of a run; a plan has them in its own order, and some twice."""

    MEASURE = "measure"
    MAP = "map"
    MIRRORS = "mirrors"
    SPLIT = "split"
    STOP = "stop"
    RESTORE = "restore"
    START = "start"
    IMPORT = "import"
    MOUNT = "mount"
    CHECK = "check"
    BACKUP = "backup"
    CLEANUP = "cleanup"
    AFTER = "after"


class StepKind(StrEnum):
    """What the run does for a step; each kind has one handler in `core.run`."""

    MEASURE = "measure"  # discover again, and compare with what the plan was made from
    KEEP_MAP = "keep map"  # write the map, a new version, here and on the target
    COMMAND = "command"  # a change: a remote job, or a command to the array
    OWN_FILES = "own files"  # a remote job that touches nothing but our own work directory: a lock, a hold
    DEPOSIT = "deposit"  # the plan itself, left on the target, so that a lost journal can be rebuilt
    FOLLOW = "follow"  # wait for the end of a job that a dead console left running
    FORGET = "forget"  # remove what an unfinished backup left in the repository
    HOLD = "hold"  # freeze, in a shell that is held open
    RELEASE = "release"  # thaw
    QUIESCE = "quiesce"  # an application, in a shell that is held open
    LET_GO = "let go"  # of the application
    AWAIT = "await"  # poll the array until the pairs are in the state
    BACKUP = "backup"  # the backup driver copies
    PUT_BACK = "put back"  # files of a backup onto mounted filesystems
    SAMPLE = "sample"  # read some files on the source, or the same of the copy
    COMPARE = "compare"  # read the same places of each standard and its BCV, and compare checksums
    VERIFY = "verify"  # the backup driver reads back what it wrote


@dataclass(frozen=True, slots=True)
class Explain:
    """The explanation pane of a step."""

    what: str
    why: str
    risk: str
    by_hand: str


@dataclass(frozen=True, slots=True)
class AwaitState:
    """Wait until every pair is in one of the states (and ready, or not, where asked); `limit` in seconds.

    `same_split` insists on one instant for all pairs, the one that the run knows; unless it is a `new_split` by design.
    """

    pairs: tuple[Pair, ...]
    states: tuple[PairState, ...]
    limit: float
    ready: bool | None = None
    same_split: bool = False
    new_split: bool = False


@dataclass(frozen=True, slots=True)
class Compare:
    """Read each standard on its host and its BCV on the other, a sample of places or the `whole` device, and compare."""

    pairs: tuple[Pair, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `fence` are the serials that the command insists on; `undo` takes back what it did on the target.

    `undoes` names the step whose effect this one takes back (a cleanup step), so that it is not taken back twice.
    `always` steps run after any failure too. `measure` names what a MEASURE step insists on: see `core.measures`.
    `commits` marks the point of no return: when it is sent, earlier steps are no longer taken back after a failure, because
    what they prepared (a source that was stopped) must stay so until a person has looked.
    `live` is a backup of the source's own filesystems, as they stand now; every other one is of the mounted BCVs.
    `array` steps are the array driver's own, which tells by the pairs' states what of one came about when its outcome was lost.
    `repeatable` ones look before they do: doing one again that was done, or half done, is as well as doing it once.
    """

    id: str
    phase: Phase
    kind: StepKind
    title: str
    host: str
    explain: Explain
    command: Command | None = None
    fence: tuple[str, ...] = ()
    probe: Command | None = None
    undo: Command | None = None
    undoes: str = ""
    wait: AwaitState | None = None
    always: bool = False
    measure: str = ""
    commits: bool = False
    put: PutBack | None = None
    compare: Compare | None = None
    live: bool = False
    array: bool = False
    repeatable: bool = False


class Verdict(StrEnum):
    """How a condition stands. PLANNED: it is not met now, and a step of the plan brings it about before anything is overwritten."""

    MET = "met"
    PLANNED = "the plan does it"
    NOT_MET = "not met"
    UNKNOWN = "unknown"


class Weight(StrEnum):
    """What an unmet condition means: never without it; only with a reason; only told."""

    MANDATORY = "mandatory"
    OVERRIDABLE = "overridable"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: `code` is its name for an override, `remedy` what the operator does about it, None at = not measured."""

    code: str
    where: str
    sentence: str
    verdict: Verdict
    at: datetime | None
    weight: Weight = Weight.MANDATORY
    remedy: str = ""

    @property
    def stops(self) -> bool:
        """Whether it stands in the way as it is."""
        return self.weight is not Weight.ADVICE and self.verdict in (Verdict.NOT_MET, Verdict.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do. `start_states` are the pairs' states at planning; the run refuses when they have changed.

    `confirm` is what a person must type before it starts (the set's name), empty where a key press is enough.
    `groups` are those of the set that it works on; `spare` are pairs of another mirror that it takes for a safety copy.
    `conditions` were measured for it, and hold, or are brought about by its steps, or were overridden.
    """

    operation: str
    set_name: str
    steps: tuple[Step, ...]
    made_at: datetime
    start_states: tuple[tuple[Pair, PairState], ...] = ()
    findings: tuple[Finding, ...] = ()
    summary: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    confirm: str = ""
    conditions: tuple[Condition, ...] = ()
    groups: tuple[str, ...] = ()
    spare: tuple[Pair, ...] = ()

    @property
    def stretches(self) -> tuple[tuple[Phase, tuple[Step, ...]], ...]:
        """The steps in the order in which they run, in stretches of one phase: a phase may come twice."""
        return tuple((phase, tuple(steps)) for phase, steps in groupby(self.steps, lambda step: step.phase))

    @property
    def digest(self) -> str:
        """SHA-256 over all that would be sent, so that a journal can prove which plan ran."""
        sent = [[s.id, s.host, s.command.script if s.command else "", s.undo.script if s.undo else ""] for s in self.steps]
        return hashlib.sha256(json.dumps([self.operation, self.set_name, sent]).encode()).hexdigest()
