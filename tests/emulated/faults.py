"""Every accident of the embedded estate against a backup: how each ends. `python -m tests.emulated.faults` prints the table."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import SplitmountError
from core.facade import PlanRequest
from core.settings import PostPolicy
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


# What stands before an operation of the matrix, so that it can be asked for at all.
OPERATIONS: Mapping[str, tuple[PlanRequest, ...]] = {
    "backup": (),
    "establish": (PlanRequest("split", ""),),
    "split": (),
    "rehearse": (),
    "restore": (PlanRequest("backup", "", post_policy=PostPolicy.LEAVE_DOWN),),
    "takeover": (PlanRequest("backup", "", post_policy=PostPolicy.LEAVE_DOWN),),
}
# A takeover from a source that answers needs the operator's word; here he gives it.
_WORD = {"SOURCE_ALIVE": "the building is on fire", "RELEASED": "the building is on fire"}


def suffer(made: Bench, set_name: str, accident: str, operation: str = "backup") -> Outcome:
    """Prepare, switch it on, run the operation, and look what is left."""
    for request in OPERATIONS[operation]:
        assert made.run(replace(request, set_name=set_name)).exit_code == 0
    if accident.startswith(("command-hangs@", "connection-lost@")):
        made.be_quick()
    made.switch(accident)
    try:
        plan = made.plan(PlanRequest(operation, set_name, overrides=_reasons(made, set_name, operation)))
        end = made.finish(made.engine.start(plan, confirmed=plan.confirm).result())
        code, sentence = end.exit_code, end.message
    except SplitmountError as refusal:
        code, sentence = refusal.exit_code, str(refusal)
    target = made.family(set_name).target
    left = [f"{m.device} at {p}" for p, m in target.mounts.items() if p.startswith(made.family(set_name).prefix)]
    return Outcome(accident, code, sentence, tuple(left))


def _reasons(made: Bench, set_name: str, operation: str) -> dict[str, str]:
    if operation != "takeover":
        return {}
    conditions = made.engine.conditions(PlanRequest(operation, set_name)).result()
    return {c.code: _WORD[c.code] for c in conditions if c.code in _WORD and c.stops}


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


MATRIX = """
## Every accident under every operation

Exit codes, as above. An operation that ends with 0 has done what it says although the accident was on: a lost connection is made
again, a guarded filesystem is checked, an accident of the backup host does not touch a split. Nothing of a copy is left in use on
the target in any cell, but for a takeover that went well, whose mounts are meant to stay.

| accident | backup | establish | split | rehearse | restore | takeover |
|---|---|---|---|---|---|---|
"""


def cells_of(set_name: str, accident: str, directory: Path) -> tuple[str, list[str]]:
    """The line of one accident over all operations; and what is wrong with it."""
    codes, wrong = [], []
    for operation in OPERATIONS:
        with bench(directory / operation, (set_name,)) as made:
            made.run(PlanRequest("establish", set_name))
            try:
                out = suffer(made, set_name, accident, operation)
            except Exception as odd:  # noqa: BLE001  a table goes on
                wrong.append(f"{accident} {operation}: {odd!r}")
                codes.append("?")
                continue
            codes.append(str(out.exit_code))
            if out.left or out.exit_code not in (0, 3, 4, 5) or (out.exit_code and len(out.sentence) < 20):
                wrong.append(f"{accident} {operation}: {out.exit_code} {out.left} {out.sentence}")
    return f"| {accident} | {' | '.join(codes)} |\n", wrong


def main() -> int:
    """Print both tables; 1 when a cell of the matrix is not as promised."""
    odd: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        sys.stdout.write(HEAD)
        for name in NAMES:
            sys.stdout.writelines(rows_of(name, Path(scratch) / name))
        sys.stdout.write(MATRIX)
        for name in NAMES:
            for number, accident in enumerate(accidents_of(Path(scratch) / f"list-{name}", name)):
                line, wrong = cells_of(name, accident, Path(scratch) / f"{name}-{number}")
                sys.stdout.write(line)
                sys.stdout.flush()
                odd += wrong
    sys.stderr.writelines(f"{one}\n" for one in odd)
    return int(bool(odd))


if __name__ == "__main__":
    sys.exit(main())
