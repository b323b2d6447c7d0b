"""What a screen or a command line may ask of the engine. The engine and the fakes of the tests both fit this shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from core.backups.base import BackupRecord
from core.events import Event, Outcome, Scene
from core.model import PairStatus
from core.plan import Condition, Plan
from core.settings import PostPolicy, PrePolicy, Settings


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Which operation on which set; None keeps what the configuration says.

    Operations: "backup", "map", "split", "establish", "cleanup", "rehearse", "restore", "takeover", "failback".
    `mirror` counts the BCVs of a standard, 1 is the first; `groups` are some of the set's, none for all of them.
    A restore with a `backup` puts its files back (all of them, or the `paths` of the source) onto the source's mounted
    filesystems, or, `via_bcv`, onto the BCVs first and then BCV -> STD.
    `safety` keeps today's state of the source before anything is overwritten: on another "mirror", or as a "backup" of its
    filesystems. `compare` tells how much of each standard is compared with its BCV afterwards: a "sample", "all", "none".
    `recover_to` is a time (ISO 8601, UTC where it names no zone) to which a restored database goes on with its archived log.
    "undo" takes the `run` back that has no end (0: the set's newest), and establishes mirrors that it split, unless
    `leave_mirrors`; "hold" needs a `reason` and an end (`until`); "let-go" ends it; "unlock" takes a dead run's lock away.
    `allow_mixed` is the operator's explicit override. `overrides` are reasons by the code of a condition.
    """

    operation: str
    set_name: str
    pre_policy: PrePolicy | None = None
    post_policy: PostPolicy | None = None
    allow_mixed: bool = False
    full: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)
    mirror: int = 1
    groups: tuple[str, ...] = ()
    backup: str = ""
    paths: tuple[str, ...] = ()
    via_bcv: bool = False
    safety: str = ""
    compare: str = "sample"
    run: int = 0
    leave_mirrors: bool = False
    reason: str = ""
    until: str = ""
    recover_to: str = ""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One answer of `check`: what was tried, whether it is well, and what to do when it is not."""

    subject: str
    ok: bool
    sentence: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as the history lists it; `ended` and `outcome` are None while its end is not known."""

    run: int
    set_name: str
    operation: str
    operator: str
    console: str
    started: datetime
    ended: datetime | None
    outcome: Outcome | None
    exit_code: int | None
    message: str
    summary: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """A run without an end, for a person: what is known, what is not, and what can be done about it.

    `resume` and `undo` say why that cannot be done, empty where it can; `by_hand` are the commands that take it back.
    `confirm` is what must be typed before it is resumed, empty for nothing; `still_to_send` are the commands that it then sends.
    `ended` says when and how, where it has an end after all; then nothing can be resumed, and cleanup takes back what it left.
    """

    run: int
    set_name: str
    operation: str
    alive: bool
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    resume: str
    undo: str
    by_hand: tuple[str, ...]
    confirm: str = ""
    still_to_send: tuple[str, ...] = ()
    ended: str = ""


class Facade(Protocol):
    """Calls return at once; results come as Futures (of the engine's own thread) and as events.

    Futures raise SplitmountError. `drain` gives and forgets the events since the last call, oldest first.
    """

    @property
    def settings(self) -> Settings:
        """The configuration that this engine works with."""

    @property
    def read_only(self) -> bool:
        """True when every change is refused."""

    def discover_host(self, host: str) -> Future[None]:
        """Measure one host; a HostMeasured event follows."""

    def measure_set(self, set_name: str) -> Future[None]:
        """Measure a set: both hosts and the pairs; HostMeasured events and a SetMeasured event follow."""

    def plan(self, request: PlanRequest) -> Future[Plan]:
        """Measure, then plan. Raises Refused with the findings when policy or checks say no."""

    def conditions(self, request: PlanRequest) -> Future[tuple[Condition, ...]]:
        """Measure, and tell every condition of the operation as it stands, those in its way first. Changes nothing."""

    def start(self, plan: Plan, *, stepwise: bool = False, confirmed: str = "") -> Future[int]:
        """Begin a run of the plan; the run's number. Stepwise runs pause before each step (RunPaused).

        Refused unless `confirmed` is the word that the plan asks a person to type.
        """

    def unfinished(self) -> Future[Sequence[Account]]:
        """The runs that have no end and that nobody on this console executes, oldest first."""

    def account(self, run: int) -> Future[Account]:
        """What is known of such a run and what is not, measured now, and what can be done about it."""

    def resume(self, run: int, *, stepwise: bool = False, confirmed: str = "") -> Future[int]:
        """Go on with such a run where it stopped, under its own number.

        Refused when the estate is not as it left it, or `confirmed` is not the word that its account asks for.
        """

    def give_up(self, run: int, reason: str, confirmed: str) -> Future[None]:
        """End such a run in the journal, because a person takes over; `confirmed` is the set's name, typed. Changes no host."""

    def export_run(self, run: int) -> Future[str]:
        """The journal of one run, for another console."""

    def import_run(self, text: str) -> Future[int]:
        """Take a run over from another console's journal; its number here."""

    def rebuild_runs(self, set_name: str, key: str = "") -> Future[Sequence[int]]:
        """Write runs into the journal from what they left on the target of the set; their numbers here."""

    def proceed(self, run: int, *, to_end: bool = False) -> None:
        """Let a paused run do its next step, or all the rest."""

    def stop_after_step(self, run: int) -> None:
        """Stop when the current step has ended, then take back what was done on the target."""

    def running(self) -> tuple[int, ...]:
        """The runs that are under way here."""

    def history(self, set_name: str = "") -> Future[Sequence[RunRow]]:
        """All runs, newest first."""

    def played(self, run: int) -> Future[Sequence[Scene]]:
        """A run from the journal, as events with their times; nothing is sent."""

    def backups(self, set_name: str) -> Future[Sequence[BackupRecord]]:
        """The backups of a set in its repository, newest first."""

    def mirrors(self, set_name: str) -> Future[tuple[tuple[PairStatus, ...], ...]]:
        """The pairs of each mirror of a set as they stand, the first mirror first: the points in time to restore from."""

    def restore_files(self, set_name: str, backup: str, directory: str) -> Future[int]:
        """Restore a backup into an empty or absent directory of the target; the number of files."""

    def check(self) -> Future[Sequence[CheckRow]]:
        """Try every host, array and repository that the configuration names; read-only."""

    def drain(self) -> list[Event]:
        """The events since the last call."""

    def close(self) -> None:
        """Let the current step of every run reach a safe end, thaw what is frozen, close the connections. Blocks."""
