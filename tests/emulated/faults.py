"""Every accident of the embedded estate against a backup: how each ends. `python -m tests.emulated.faults` prints the table."""

from __future__ import annotations

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.errors import SplitmountError
from core.facade import PlanRequest
from tests.emulated.bench import NAMES, Bench, bench

HEAD = """# Accidents, and how a run ends under each

Written by the tests (`make fault-table`): every accident that the embedded estate knows, switched on by name on every family
where it makes sense, and a backup of that set with the default policies. Exit codes: 0 done, 3 refused and nothing changed,
4 failed and taken back, 5 needs attention, 6 outcome unknown. "Left" is what is in use on the target afterwards.

| accident | exit | left | what the operator is told |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a backup ended under an accident; `left` are mounts and groups that the target still has of it."""

    accident: str
    exit_code: int
    sentence: str
    left: tuple[str, ...]


def suffer(made: Bench, set_name: str, accident: str) -> Outcome:
    """Switch it on, run a backup, and look what is left."""
    if accident.startswith(("command-hangs@", "connection-lost@")):
        made.be_quick()
    made.switch(accident)
    try:
        end = made.run(PlanRequest("backup", set_name))
        code, sentence = end.exit_code, end.message
    except SplitmountError as refusal:
        code, sentence = refusal.exit_code, str(refusal)
    target = made.family(set_name).target
    left = [f"{m.device} at {p}" for p, m in target.mounts.items() if p.startswith(made.family(set_name).prefix)]
    return Outcome(accident, code, sentence, tuple(left))


def accidents_of(directory: Path, set_name: str) -> tuple[str, ...]:
    """The names that can be switched on for a set."""
    with bench(directory, (set_name,)) as made:
        return tuple(made.estate.accidents())


# What differs from one run to the next: ports, identities, how a lost connection was noticed.
_CHANGING = (
    (re.compile(r"port \d+"), "port N"),
    (re.compile(r"\(UUID [^)]+\)"), "(UUID ...)"),
    (re.compile(r"\[Errno \d+\] [A-Z][a-z ]+"), "Connection lost"),
)


def row(outcome: Outcome) -> str:
    """One line of the table."""
    told = " ".join(line.strip() for line in outcome.sentence.splitlines() if line.strip())
    for pattern, word in _CHANGING:
        told = pattern.sub(word, told)
    told = told[:600].replace("|", "\\|").replace("<", "&lt;")
    return f"| {outcome.accident} | {outcome.exit_code} | {', '.join(outcome.left) or 'nothing'} | {told} |\n"


def rows_of(set_name: str, directory: Path) -> list[str]:
    """The lines of one family."""
    out = []
    for number, accident in enumerate(accidents_of(directory / "list", set_name)):
        with bench(directory / str(number), (set_name,)) as made:
            out.append(row(suffer(made, set_name, accident)))
    return out


def main() -> int:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        sys.stdout.write(HEAD)
        for name in NAMES:
            sys.stdout.writelines(rows_of(name, Path(scratch) / name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
