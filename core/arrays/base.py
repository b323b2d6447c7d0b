"""What an array driver must be able to do. Vendor words stop here: each driver has one table into `PairState`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from core.errors import NeedsAttention
from core.model import Pair, PairState, PairStatus
from core.plan import Step
from core.transport import Command, Transport


@dataclass(frozen=True, slots=True)
class SplitMark:
    """The identity of a split: an id that is equal over all pairs of the set, and the run's own time in seconds."""

    id: str


def base_id(step: Step) -> str:
    """The id of a step as its driver gave it, without the number that tells it from another of the plan."""
    return base_id_of(step.id)


def base_id_of(step_id: str) -> str:
    """The same, of an id alone."""
    return re.sub(r"-\d+$", "", step_id)


def asked_for(step: Step, option: str) -> bool:
    """Whether a step's command has an option, so that what is left of it is sent with the same."""
    return step.command is not None and option in step.command.text


def whether_split(step: Step, pairs: tuple[PairStatus, ...], split_id: str) -> bool:
    """Whether a split whose outcome was lost came about: all pairs are apart, or none is. NeedsAttention for anything between.

    `split_id` is the one that it was to bear, empty where the array names its splits by itself.
    """
    apart = [s for s in pairs if s.state in (PairState.SPLIT, PairState.SPLITTING)]
    if pairs and len(apart) == len(pairs) and (not split_id or all(s.split_id in ("", split_id) for s in pairs)):
        return True
    if all(s.state is PairState.ESTABLISHED for s in pairs):
        return False
    raise lost(step, pairs)


def lost(step: Step, pairs: tuple[PairStatus, ...]) -> NeedsAttention:
    """The pairs stand neither as before a step nor as after it: a person has to look."""
    states = ", ".join(f"{s.pair.std}/{s.pair.bcv} {s.state.value}{f' {s.split_id}' * bool(s.split_id)}" for s in pairs)
    return NeedsAttention(
        f"{step.title}: its outcome was lost, and the pairs stand neither as before it nor as after it: {states}; "
        "find out on the array who changed them, then take the run back or establish anew"
    )


class ArrayDriver(Protocol):
    """One array behind one management host. Reads go through the transport that is given; changes come back as steps."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    @property
    def host(self) -> str:
        """The management host, by its name in the configuration."""

    async def status(self, transport: Transport, pairs: tuple[Pair, ...]) -> tuple[PairStatus, ...]:
        """The state of each pair, in the order given. ParseError for a word that is not known, naming it."""

    async def related(self, transport: Transport) -> tuple[Pair, ...]:
        """Every pair that the array itself relates, by serial; devices that it relates to nothing are left out."""

    async def check(self, transport: Transport) -> tuple[str, ...]:
        """What is missing for this array to be used, as sentences; read-only."""

    def establish(self, pairs: tuple[PairStatus, ...], *, full: bool = False) -> tuple[Step, ...]:
        """Make the BCVs not ready and copy STD → BCV, incremental where the array can, else full."""

    def split(self, pairs: tuple[PairStatus, ...], mark: SplitMark) -> tuple[Step, ...]:
        """One consistent split of all pairs at one instant, as exactly one step; waiting is another step of the plan."""

    def restore(self, pairs: tuple[PairStatus, ...], *, full: bool = False, protect: bool = True) -> tuple[Step, ...]:
        """BCV → STD, incremental where the array can."""

    def ready(self, pairs: tuple[PairStatus, ...]) -> tuple[Step, ...]:
        """Show split BCVs to hosts, those that are not yet; the step's undo hides them again. Refused for one not split."""

    def not_ready(self, pairs: tuple[PairStatus, ...]) -> tuple[Step, ...]:
        """Hide the BCVs that hosts can see."""

    def finish(self, pairs: tuple[Pair, ...], state: PairState) -> Command | None:
        """A change that books the copies which brought the pairs to `state`; None where the array does it itself.

        RESTORING stands for a restore that has ended, after which the pairs are split as before.
        """

    def rest(self, step: Step, pairs: tuple[PairStatus, ...], mark: SplitMark) -> tuple[Step, ...]:
        """What of a step of this driver is still to be sent, by the states measured after its outcome was lost; nothing when
        it came about. `pairs` are those that it is about. NeedsAttention when they stand neither as before nor as after it.
        """

    def predict(self, pair: PairStatus, state: PairState, *, split_id: str = "", ready: bool = False) -> PairStatus:
        """How `status` will show a pair when earlier steps of a plan have brought it to `state`."""
