"""What was asked of a matrix on its command line: families, operations, and how many of the cells."""

from __future__ import annotations

import copy
import multiprocessing
import multiprocessing.queues
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tests.emulated.bench import NAMES

AGAIN = 3
# On a machine that has far too much to do the embedded hosts' shell gives up a part of a script that it reads for 5 s.
HICCUPS = ("the output is not whole",)


class Played(Protocol):
    """A cell that says what is wrong with it."""

    wrong: list[str]


C = TypeVar("C", bound=Played)


@dataclass(frozen=True, slots=True)
class Asked:
    """`operations` is empty for all; `sampling` has N for each family of which every n-th cell is played, "" for the others."""

    families: tuple[str, ...]
    operations: frozenset[str]
    sampling: Mapping[str, int]

    def every(self, family: str) -> int:
        """Every how many-th cell of a family is played."""
        return self.sampling.get(family, self.sampling.get("", 1))

    def wants(self, operation: str) -> bool:
        """Whether an operation was asked for."""
        return not self.operations or operation in self.operations


def asked(words: Sequence[str]) -> Asked:
    """`[FAMILY|OPERATION]... [every=N] [FAMILY:every=N]`. ValueError when an N is no number."""
    plain = [word for word in words if "every=" not in word]
    sampling = {family.rstrip(":"): int(n) for family, _, n in (w.partition("every=") for w in words if "every=" in w)}
    families = tuple(name for name in NAMES if name in plain) or NAMES
    return Asked(families, frozenset(plain) - set(NAMES), sampling)


def again(cell: C, play: Callable[[C], C]) -> C:
    """Play a cell; once more, on a new estate, where the embedded shell itself stumbled. `cell` is copied for each time."""
    for _ in range(AGAIN):
        played = play(copy.deepcopy(cell))
        if not any(hiccup in wrong for wrong in played.wrong for hiccup in HICCUPS):
            break
    return played


def workers() -> ProcessPoolExecutor:
    """A process for each core that plays cells, and stays there: threads that hand Python's lock over within a core cost a third less."""
    context = multiprocessing.get_context("spawn")
    cores, own = context.SimpleQueue(), sorted(os.sched_getaffinity(0))
    for core in own:
        cores.put(core)
    return ProcessPoolExecutor(len(own), mp_context=context, initializer=_stay, initargs=(cores,))


def _stay(cores: multiprocessing.queues.SimpleQueue[int]) -> None:
    os.sched_setaffinity(0, {cores.get()})
