"""What a measurement is: ours and a yardstick, measured in turn in one run, and the ratio that must hold."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Ratio:
    """One line of the table; `value` must be at most `most`, or at least `least`."""

    what: str
    ours: str
    other: str
    value: float
    most: float | None = None
    least: float | None = None

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def wanted(self) -> str:
        """In words."""
        return f"at most {self.most:g}" if self.most is not None else f"at least {self.least:g}"


def timed(act: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def in_turn(ours: Callable[[], float], other: Callable[[], float], rounds: int = ROUNDS) -> tuple[float, float]:
    """The medians of both, measured one after the other, so that what else the machine does hits both.

    Each is first in every other round: a machine warms, and the second would find it warmer each time.
    """
    took: tuple[list[float], list[float]] = ([], [])
    acts = ((ours, took[0]), (other, took[1]))
    for number in range(rounds):
        for act, times in acts if number % 2 == 0 else reversed(acts):
            times.append(act())
    return statistics.median(took[0]), statistics.median(took[1])


def milliseconds(seconds: float) -> str:
    """For the table."""
    return f"{1000 * seconds:,.1f} ms"


def seconds(value: float) -> str:
    """For what takes long."""
    return f"{value:,.2f} s"


def table(rows: list[Ratio]) -> Iterator[str]:
    """The results in Markdown."""
    yield "| what | ours | compared with | ratio | wanted | holds |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        yield f"| {row.what} | {row.ours} | {row.other} | {row.value:.2f} | {row.wanted} | {'yes' if row.holds else 'NO'} |"
