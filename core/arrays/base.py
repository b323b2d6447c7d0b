"""What an array driver must be able to do. Vendor words stop here: each driver has one table into `PairState`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from core.model import Pair, PairState, PairStatus
from core.plan import Step
from core.transport import Command, Transport


@dataclass(frozen=True, slots=True)
class SplitMark:
    """The identity of a split: an id that is equal over all pairs of the set, and the run's own time in seconds."""

    id: str


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

    def predict(self, pair: PairStatus, state: PairState, *, split_id: str = "", ready: bool = False) -> PairStatus:
        """How `status` will show a pair when earlier steps of a plan have brought it to `state`."""
