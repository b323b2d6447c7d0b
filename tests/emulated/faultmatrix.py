"""Every accident of the embedded estate under every operation: refused, taken back, needs attention, or truly done.

`python -m tests.emulated.faultmatrix [WORDS]` (make fault-matrix) prints the table. What ends with 0 is
looked at from outside, by the array, the hosts' mounts and files, and the repository: an operation that says "done" and did
not do it is wrong, and so is one that says anything else without the words for what was the matter.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import SplitmountError
from core.facade import PlanRequest
from hostdrivers.emulated.estate import Family
from hostdrivers.emulated.machine import Machine
from tests.emulated.bench import Bench, bench
from tests.emulated.faults import accidents_of
from tests.emulated.matrix import again, asked, workers
from tests.emulated.scenes import Scene, scene

HEAD = """# Every accident under every operation

Written by `make fault-matrix`. Each accident that the embedded estate knows was switched on after the set stood ready for the operation,
and the operation was asked for: every cell on an estate of its own.

* **did** — exit code 0, and it is true: the pairs have the state, the files are those of the point in time, the copy is in the
  repository and verified, the target is up or clean. A lost connection was made again, an accident of another host was of no matter.
* **refused** — exit code 3: pairs, mounts, tables and files of both hosts are as they were.
* **undone** — exit code 4: nothing of the copy is in use on the target.
* **attention** — exit code 5: what is left is told. **unknown** — exit code 6: what cannot be known is told.
* Whatever is not *did* has the words for its accident in what the operator is told, or the cell is **WRONG**.

"""

# Words, one of which the operator must read when the accident kept the operation from its end.
WORDS: Mapping[str, str] = {
    "duplicate-identity": r"STD_ON_TARGET|is a standard|more than one d|seen by the target|two devices|DUPLICATE",
    "autoactivated": r"in use|activated",
    "name-taken": r"NAME_TAKEN|there is a group|is a group|taken",
    "mixed-states": r"mixed|are split|is split|established|copying|could not be measured",
    "never-synchronises": r"wait_limit|copying|did not get there",
    "invalid-pair": r"invalid",
    "unknown-state": r"unknown pair state|unknown",
    "array-busy": r"locked|in use|did not answer",
    "not-ready": r"did not get there|not ready|ready|did not become",
    "swapped-serials": r"has serial|serial",
    "volume-added": r"NO_BCV|no BCV|added|LAYOUT|changed|volume",
    "torn-filesystem": r"different instants|not whole|fsck|superblock|mount",
    "guarded": r"guard",
    "full-disk": r"[Nn]o space",
    "foreign-system-id": r"system",
    "command-hangs": r"no answer|did not answer|connection was lost|in time",
    "connection-lost": r"lost|[Cc]onnection|reach",
    "host-lost": r"lost|[Cc]onnection|reach|measured",
    "locale": r"could not|not understood|did not come|Usage|usage|ended with",
}
# A takeover from a source that answers needs the operator's word; here he gives it.
_WORD = {"SOURCE_ALIVE": "the building is on fire", "RELEASED": "the building is on fire"}
_VERDICTS = {0: "did", 3: "refused", 4: "undone", 5: "attention", 6: "unknown"}


@dataclass(slots=True)
class Cell:
    """One accident under one operation; how it ended, and what is wrong with that."""

    family: str
    accident: str
    operation: str
    code: int = -1
    told: str = ""
    wrong: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """The word of the table."""
        return "WRONG" if self.wrong else _VERDICTS[self.code]


# --- what stands before an operation ----------------------------------------------------------------------------------

Files = Mapping[str, str]
OPERATIONS = ("backup", "restore", "takeover", "rehearse", "failback", "establish", "split")


def _run(made: Bench, request: PlanRequest) -> None:
    plan = made.plan(request)
    end = made.finish(made.engine.start(plan, confirmed=plan.confirm).result())
    assert end.exit_code == 0, end.message


def _files(made: Bench, machine: Machine) -> Files:
    """Every file of the set on a host, by path as the source has it."""
    points = sorted(machine.mounts)
    return {point + path: digest for point in points for path, digest in made.files(machine, point).items()}


def _work(made: Bench, machine: Machine) -> None:
    """A host goes on writing into what it has mounted."""

    def act() -> None:
        for point in machine.mounts:
            machine.write_file(f"{point}/since", f"on {machine.name}".encode())
        machine.sync()

    made.running.do(act)


def stand_ready(made: Bench, family: Family, operation: str) -> Files:
    """Bring the set to where the operation can be asked for; the files that it must bring about, by path."""
    if operation in ("backup", "rehearse", "split"):
        return _files(made, family.source)
    _run(made, PlanRequest("split", family.set_name))
    then = _files(made, family.source)
    _work(made, family.source)
    if operation == "failback":
        made.switch(f"host-lost@{family.source.name}")
        _run(made, PlanRequest("takeover", family.set_name))
        _work(made, family.target)
        made.switch(f"host-lost@{family.source.name}")
        return _files(made, family.target)
    return then


# --- whether it is true -----------------------------------------------------------------------------------------------


def untrue(made: Bench, family: Family, operation: str, wanted: Files, before: Scene, after: Scene) -> list[str]:
    """What an operation that said "done" did not do, looked at from outside."""
    source, target = (_files(made, machine) for machine in (family.source, family.target))
    words = {state.split()[0] for state in after.states}
    copies = after.copies - before.copies
    claims: Mapping[str, Mapping[str, bool]] = {
        "backup": {"one copy more": copies == 1, "the mirrors as found": after.states == before.states},
        "split": {"all pairs are split": words == {"Split"}},
        "establish": {"all pairs are synchronized": words == {"Synchronized"}},
        "rehearse": {"the pairs as found": after.states == before.states},
        "restore": {"the source has the files of the split": source == wanted},
        "takeover": {"the target has the files of the split": target == wanted},
        "failback": {"the source has the files of the target": source == wanted, "the target is down": not target},
    }
    every = {"nothing is half a copy": not after.partial, "no lock is left": not after.claims}
    if operation not in ("takeover", "failback"):
        every["mounts and tables as they were"] = (after.mounts, after.tables) == (before.mounts, before.tables)
    return [f"it said done, but not: {what}" for what, so in {**claims[operation], **every}.items() if not so]


def changed(before: Scene, after: Scene, accident: str) -> list[str]:
    """What a refused operation changed; a copy that the accident began goes on by itself."""
    fields = ["mounts", "tables", "files", "standards", "claims", "copies", "partial"]
    fields += [] if accident.startswith(("never-synchronises", "mixed-states")) else ["states"]
    return [f"it was refused, but changed: {name}" for name in fields if getattr(before, name) != getattr(after, name)]


def left(family: Family, operation: str, before: Scene, after: Scene) -> list[str]:
    """What an operation that was taken back left in use on the target."""
    more = set(after.mounts[1]) - set(before.mounts[1])
    return [f"it was taken back, but left mounted: {', '.join(sorted(more))}"] if more else []


def worded(accident: str, told: str) -> list[str]:
    """Whether the operator is told what was the matter."""
    name = accident.partition("@")[0]
    return [] if re.search(WORDS[name], told) else [f"it does not say what was the matter: {told:.200}"]


def _reasons(made: Bench, set_name: str, operation: str) -> dict[str, str]:
    if operation != "takeover":
        return {}
    conditions = made.engine.conditions(PlanRequest(operation, set_name)).result()
    return {c.code: _WORD[c.code] for c in conditions if c.code in _WORD and c.stops}


def suffer(made: Bench, cell: Cell) -> None:
    """Stand ready, switch the accident on, ask for the operation, and judge how it ended."""
    family, name = made.family(cell.family), cell.family
    wanted = stand_ready(made, family, cell.operation)
    if cell.accident.startswith(("command-hangs@", "connection-lost@")):
        made.be_quick()
    made.switch(cell.accident)
    before = scene(made, family, mirrors=False)
    try:
        plan = made.plan(PlanRequest(cell.operation, name, overrides=_reasons(made, name, cell.operation)))
        end = made.finish(made.engine.start(plan, confirmed=plan.confirm).result())
        cell.code, cell.told = end.exit_code, "\n".join((end.message, *end.left))
    except SplitmountError as refusal:
        cell.code, cell.told = refusal.exit_code, str(refusal)
    after = scene(made, family, mirrors=False)
    if cell.code == 0:
        cell.wrong += untrue(made, family, cell.operation, wanted, before, after)
        return
    if cell.code not in _VERDICTS:
        cell.wrong.append(f"exit code {cell.code}: {cell.told:.200}")
    cell.wrong += changed(before, after, cell.accident) if cell.code == 3 else []
    cell.wrong += left(family, cell.operation, before, after) if cell.code == 4 else []
    cell.wrong += worded(cell.accident, cell.told)


def suffered(cell: Cell) -> Cell:
    """One cell; once more where the embedded shell stumbled."""
    return again(cell, _suffered)


def _suffered(cell: Cell) -> Cell:
    """One cell on an estate of its own; one that goes wrong in an unforeseen way says how."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with bench(Path(scratch), (cell.family,)) as made:
                suffer(made, cell)
        except Exception as odd:  # noqa: BLE001  a matrix goes on
            cell.wrong.append(f"{type(odd).__name__}: {odd}"[:400])
    return cell


# --- the table --------------------------------------------------------------------------------------------------------


def table(cells: Sequence[Cell]) -> str:
    """All cells as a table: a line for each accident, a column for each operation; then the counts."""
    verdicts = {(cell.accident, cell.operation): cell.verdict for cell in cells}
    out = [f"| accident | {' | '.join(OPERATIONS)} |", "|---" * (len(OPERATIONS) + 1) + "|"]
    for accident in dict.fromkeys(cell.accident for cell in cells):
        row = [verdicts.get((accident, operation), "not played") for operation in OPERATIONS]
        out.append(f"| {accident} | {' | '.join(row)} |")
    kinds = (*_VERDICTS.values(), "WRONG")
    out += ["", f"| operation | cells | {' | '.join(kinds)} |", "|---" * (len(kinds) + 2) + "|"]
    for operation in (*OPERATIONS, "all"):
        of = [cell for cell in cells if operation in (cell.operation, "all")]
        counts = Counter(cell.verdict for cell in of)
        out.append(f"| {operation} | {len(of)} | {' | '.join(str(counts[kind]) for kind in kinds)} |")
    return "\n".join(out) + "\n"


def main() -> int:
    """Print the table; 1 when a cell is wrong."""
    want, began, cells, there = asked(sys.argv[1:]), time.monotonic(), list[Cell](), 0
    for family in want.families:
        with tempfile.TemporaryDirectory() as scratch:
            accidents = accidents_of(Path(scratch), family)
        every = [
            Cell(family, accident, operation) for accident in accidents for operation in OPERATIONS if want.wants(operation)
        ]
        there += len(every)
        cells += every[:: want.every(family)]
    done = list[Cell]()
    with workers() as pool:
        for cell in pool.map(suffered, cells):
            done.append(cell)
            if cell.wrong:
                sys.stderr.write(f"{cell.family} {cell.accident} {cell.operation} ({cell.code}): {'; '.join(cell.wrong)}\n")
                sys.stderr.flush()
    sys.stdout.write(f"{HEAD}{table(done)}\nPlayed: {len(done)} of the {there} cells that there are.\n")
    sys.stderr.write(f"{(time.monotonic() - began) / 60:.1f} minutes\n")
    return int(any(cell.wrong for cell in done))


if __name__ == "__main__":
    sys.exit(main())
