"""The crash matrix as a table. `python -m tests.emulated.crashmatrix FILE [WORDS]` (make crash-matrix) writes it.

The lines of families and operations that were not asked for stay in the file as they are: all cells take hours.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.emulated.bench import NAMES
from tests.emulated.crashes import TIMER, Cell, Killed, Untouched, cells_of, operations, play, untouched
from tests.emulated.matrix import again, asked, workers
from tests.emulated.scenes import Scene

HEAD = """# What a console leaves when it dies, and what becomes of it

Written by `make crash-matrix`. For every operation, and every step of it, the console dies (its connections are cut, its locks on
files let go, nothing more reaches a host or the journal) before the intent is journalled, after it, during the command, after its
remote end, and before the outcome is journalled; then another console resumes the run, and separately takes it back. At the same
points the connections of a console go that lives on. "Equal" means that array, hosts, files, table entries, locks and repository
are as a run that nothing befell leaves them (resumed), or as they were before (taken back), that the run has an end, and that no second split
or restore was sent. On HP-UX the id of the group on the BCVs is left out: vgchgid gives each import a new one, and only an establish
brings back the old. "Refused" are cells in which taking back is refused and says why (the standards are overwritten already, or
the point in time is, or a failback has begun to take down the target), and cells in which a run without its connection ended with
3 or 4 and had taken back what it did.
"Not met" are points that a step does not have (a step that sends nothing has no remote end). "Frozen" is the longest time for which
a filesystem of the source was frozen in any cell; its timer is {timer} s.
Each line has the day on which it was played.
On real machines `make lab-long LAB=tests/lab/test_killed.py` does the same with forty consoles and the real SIGKILL, and writes killed.md.

| family | operation | steps | cells | played | equal | refused | not met | wrong | frozen | on |
|---|---|---|---|---|---|---|---|---|---|---|
"""
ORDER = [(family, operation.name) for family in NAMES for operation in operations(family)]
_LINE = re.compile(r"\| ([a-z-]+) \| ([a-z]+) \| ((?:\d+ \| ){7})([\d.]+) s \| ([\d-]+) \|")


def played(cell: Cell, after: Scene) -> Cell:
    """One cell; once more where the embedded shell stumbled."""
    return again(cell, lambda one: _played(one, after))


def _played(cell: Cell, after: Scene) -> Cell:
    """One cell in a directory of its own; a cell that goes wrong in an unforeseen way says how."""
    operation = next(o for o in operations(cell.family) if o.name == cell.operation)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return play(Path(scratch), operation, cell, after)
        except (Exception, Killed) as odd:  # noqa: BLE001  a matrix goes on
            cell.wrong.append(repr(odd)[:300])
            return cell


@dataclass(slots=True)
class Line:
    """One line of the table, in cells; `frozen` in seconds."""

    family: str
    operation: str
    steps: int
    cells: int
    played: int = 0
    equal: int = 0
    refused: int = 0
    missed: int = 0
    wrong: int = 0
    frozen: float = 0.0
    on: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d}")
    told: list[str] = field(default_factory=list)

    def add(self, cell: Cell) -> None:
        """Count one cell."""
        kind = "wrong" if cell.wrong else "missed" if not cell.fired else "refused" if cell.refused else "equal"
        setattr(self, kind, getattr(self, kind) + 1)
        self.played += cell.fired or bool(cell.wrong)
        self.frozen = max(self.frozen, cell.frozen)
        if cell.wrong:
            self.told.append(f"{cell.family} {cell.operation} {cell.step} {cell.point} {cell.way}: {'; '.join(cell.wrong)}")

    def text(self) -> str:
        """It as a line of the table."""
        numbers = (self.steps, self.cells, self.played, self.equal, self.refused, self.missed, self.wrong)
        return f"| {self.family} | {self.operation} | {' | '.join(map(str, numbers))} | {self.frozen:.2f} s | {self.on} |\n"


def line_of(family: str, name: str, pool: ProcessPoolExecutor, every: int) -> Line:
    """One line; of the cells that the steps have, every n-th is played."""
    operation = next(o for o in operations(family) if o.name == name)
    with tempfile.TemporaryDirectory() as scratch:
        known: Untouched = untouched(Path(scratch), family, operation)
    cells = cells_of(family, operation, known.steps)
    line = Line(family, name, len(known.steps), len(cells))
    there = [cell for cell in cells if (cell.step, cell.point) in known.met]
    line.missed = len(cells) - len(there)
    for cell in pool.map(played, there[::every], [known.after] * len(there[::every])):
        line.add(cell)
        if cell.wrong:
            sys.stderr.write(line.told[-1] + "\n")
            sys.stderr.flush()
    return line


def total(lines: Sequence[Line]) -> Line:
    """The sum of all lines."""
    out = Line("all", "", 0, 0)
    for line in lines:
        for name in ("steps", "cells", "played", "equal", "refused", "missed", "wrong"):
            setattr(out, name, getattr(out, name) + getattr(line, name))
        out.frozen = max(out.frozen, line.frozen)
    return out


def known_lines(text: str) -> dict[tuple[str, str], Line]:
    """The lines of a table that was written before, with what was wrong."""
    out = {}
    for family, name, numbers, frozen, day in _LINE.findall(text):
        steps, cells, played, equal, refused, missed, wrong = (int(number) for number in numbers.split(" | ")[:-1])
        line = Line(family, name, steps, cells, played, equal, refused, missed, wrong, float(frozen), day)
        out[family, name] = line
    for told in re.findall(r"^\* (.+)$", text, re.MULTILINE):
        family, name, _ = told.split(" ", 2)
        out[family, name].told.append(told)
    return out


def document(lines: Sequence[Line]) -> str:
    """The page."""
    whole = total(lines)
    there = whole.cells - whole.missed
    known = {(line.family, line.operation) for line in lines}
    lacking = [" ".join(at) for at in ORDER if at not in known]
    return "".join(
        (
            HEAD.format(timer=TIMER),
            *(line.text() for line in lines),
            whole.text(),
            f"\nPlayed: {whole.played} of the {there} cells that there are in these lines; {whole.wrong} wrong.\n",
            f"Not played yet: {', '.join(lacking)}.\n" if lacking else "",
            *(f"* {one}\n" for line in lines for one in line.told),
        )
    )


def main(target: Path, *words: str) -> int:
    """Play what is asked for, and write the table after every line of it; 1 when a cell is wrong."""
    want = asked(words)
    began = time.monotonic()
    lines = known_lines(target.read_text()) if target.is_file() else {}
    with workers() as pool:
        for family in want.families:
            for operation in operations(family):
                if want.wants(operation.name):
                    lines[family, operation.name] = line_of(family, operation.name, pool, want.every(family))
                    target.write_text(document([lines[at] for at in ORDER if at in lines]))
    sys.stderr.write(f"{(time.monotonic() - began) / 60:.1f} minutes\n")
    return int(any(line.wrong for line in lines.values()))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
