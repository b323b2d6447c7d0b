"""What an application driver must be able to do: a database, or anything else that works on the data of a set.

Reads are commands with a pure parser; changes are steps, or a held shell, that only a run may send.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from core.hosts import HostRef
from core.model import ApplicationFacts
from core.plan import Step
from core.transport import Command, Result

# The late values of a run that the release binds: what the copy needs to be recovered, each in base 64, `-` for nothing.
LABEL, TABLESPACES = "app.label", "app.tablespaces"


@dataclass(frozen=True, slots=True)
class CopyPlace:
    """Where the copy of an application is on the target: below `prefix`, on the filesystems mounted at `points`.

    `facts` are those of the source; `held`: it was quiesced for the very split that the copy is of.
    """

    prefix: str
    points: tuple[str, ...]
    facts: ApplicationFacts | None
    held: bool


class ApplicationDriver(Protocol):
    """One application of one set."""

    @property
    def name(self) -> str:
        """What it is called on the screen."""

    @property
    def seconds(self) -> int:
        """After so many seconds the timer on the host lets a quiesced application go."""

    @property
    def tries_copy(self) -> bool:
        """Whether a rehearsal starts it on the copy, which is then mounted for writing."""

    def look(self, host: HostRef) -> Command | None:
        """A read: whether it runs, where its files lie, its position; None where nothing can be asked."""

    def parse_look(self, host: HostRef, result: Result) -> ApplicationFacts:
        """What it said. ParseError names what was not understood."""

    def parse_silence(self, why: str) -> ApplicationFacts:
        """What is known of it when it could not be asked: its state says why."""

    def hold(self, host: HostRef) -> Command | None:
        """A held shell: `ready`; on the line `quiesce` it says `quiet ...`, on `release` `released BEGIN END LABEL TABLESPACES`.

        A timer on the host lets go after `seconds`, come what may; so does the end of its standard input. `failed REASON` when
        it could not be quiesced (and is let go), `expired` in place of `released` when the timer was first, `stuck REASON` when
        letting go itself failed. None where it needs no quiescing.
        """

    def on_copy(self, host: HostRef, place: CopyPlace) -> list[Step]:
        """Start it on the copy without any network, verify it, stop it; what was started has its undo."""

    def sweep(self, host: HostRef, prefix: str, points: tuple[str, ...]) -> tuple[Command, Command] | None:
        """Before and after a restore of files onto what is mounted at `points`: note the time, then set aside what is older.

        None where nothing must be.
        """

    def recover(self, host: HostRef, to: str) -> Command | None:
        """After a restore, before the start: go on to the time `to`, or end where the data ends (""), on a line of history of its own.

        None where nothing is to be done. Refused where it cannot go to a time.
        """

    def verb(self, verb: str, host: HostRef) -> Command | None:
        """`stop`, `start` or `check` it for good, on the host that holds the data; None where there is no way."""
