"""Two consoles that start a run of one set at the same instant. `python -m tests.emulated.consoles [TURNS]` prints the count."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from core.arrays.symmetrix import SymmetrixArray
from core.config import load
from core.engine import Engine
from core.facade import PlanRequest
from tests.emulated.bench import Bench, bench
from tests.emulated.crashes import finished
from tui.wiring import TABLES, build_engine

NAME = "linux-web"
TURNS = 50
HEAD = """# Two consoles at the same instant

Written by `make two-consoles`: two consoles, each with a journal of its own, plan a split (in every second turn: an establish) of one set,
and are told to start in the same instant, over and over on one estate. In a turn that is as promised one ended with 0 and the other
with 3, and the array did that one thing once: "by the lock" are those in which the other was told who has the set locked since when, "by
the state" those in which it came to the lock after the first had given it back, measured, and found the set changed since its plan.

| turns | exactly one ran | the first one | the second one | by the lock | by the state | not as promised |
|---|---|---|---|---|---|---|
"""


@contextmanager
def console(made: Bench, directory: Path) -> Iterator[Engine]:
    """Another console on the same estate, with a journal and maps of its own."""
    settings = replace(load(made.estate.config), state_dir=directory)
    tables = replace(TABLES, arrays={"symmetrix": lambda a: SymmetrixArray(a.name, a.host, a.sid, wait=1)})
    engine = build_engine(settings, read_only=False, tables=tables)
    try:
        yield engine
    finally:
        engine.close()


@dataclass(frozen=True, slots=True)
class Turn:
    """How one turn ended: the exit codes of both, what they said, and how often the array did what was asked for."""

    codes: tuple[int, int]
    said: tuple[str, str]
    done: int

    @property
    def as_promised(self) -> bool:
        """Whether exactly one ran, and the other was refused and did nothing."""
        return sorted(self.codes) == [0, 3] and self.done == 1

    @property
    def by_the_lock(self) -> bool:
        """Whether the one that was refused was refused by the lock of the other."""
        return any("is locked since" in said for said in self.said)


def race(made: Bench, one: Engine, two: Engine, operation: str) -> Turn:
    """Both plan; both start; both end."""
    request = PlanRequest(operation, NAME)
    before = made.estate.array.done[operation]
    plans = [engine.plan(request).result() for engine in (one, two)]
    begun = [engine.start(plan) for engine, plan in zip((one, two), plans, strict=True)]
    first, second = (finished(engine, number.result()) for engine, number in zip((one, two), begun, strict=True))
    done = made.estate.array.done[operation] - before
    return Turn((first.exit_code, second.exit_code), (first.message, second.message), done)


def races(directory: Path, turns: int) -> list[Turn]:
    """So many turns on one estate, by the same two consoles."""
    with (
        bench(directory / "estate", (NAME,)) as made,
        console(made, directory / "one") as one,
        console(made, directory / "two") as two,
    ):
        return [race(made, one, two, ("split", "establish")[turn % 2]) for turn in range(turns)]


def main() -> int:
    """Print the count; 1 when a turn was not as promised."""
    turns = int(sys.argv[1]) if sys.argv[1:] else TURNS
    with tempfile.TemporaryDirectory() as scratch:
        done = races(Path(scratch), turns)
    well = [turn for turn in done if turn.as_promised]
    for turn in done:
        if not turn.as_promised:
            sys.stderr.write(f"{turn.codes}, done {turn.done} times: {turn.said}\n")
    locked, first = sum(turn.by_the_lock for turn in well), sum(turn.codes[0] == 0 for turn in well)
    counts = (turns, len(well), first, len(well) - first, locked, len(well) - locked, turns - len(well))
    sys.stdout.write(f"{HEAD}| {' | '.join(map(str, counts))} |\n")
    return int(len(well) != turns)


if __name__ == "__main__":
    sys.exit(main())
