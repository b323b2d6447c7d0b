"""The long run, `make fuzz`: a million inputs over all parsers, by mutation of real ones and by coverage; the figures as Markdown.

Exit status 1 and the offending inputs in `tests/fuzz/findings` when a parser raised what it does not document, or took too long.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS, Target

FINDINGS = Path(__file__).parent / "findings"
HANG = 10  # seconds for one input
SHARE = 0.7  # of the inputs by mutation; the others guided by coverage


class Hung(BaseException):
    """One input took longer than `HANG`; no parser's own `except` stops it."""


@dataclass(slots=True)
class Figures:
    """What became of one parser."""

    target: Target
    mutated: int = 0
    guided: int = 0
    understood: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    growth: int = 0
    findings: int = 0


def resident() -> int:
    """The largest memory of this process so far, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _too_long(signum: int, frame: FrameType | None) -> None:
    raise Hung


def _found(target: Target, data: bytes, problem: BaseException) -> None:
    FINDINGS.mkdir(exist_ok=True)
    path = FINDINGS / f"{target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    sys.stderr.write(f"{path}: {type(problem).__name__}: {str(problem)[:200]!a}\n")


def by_mutation(figures: Figures, inputs: int, seed: int) -> None:
    """Spoiled real inputs; the memory after a tenth of them is the measure for the rest."""
    target, chance, seeds = figures.target, Random(f"{seed}/{figures.target.name}"), figures.target.real()
    signal.signal(signal.SIGALRM, _too_long)
    before = 0
    for number in range(inputs):
        data = mutated(seeds, chance)
        began = time.perf_counter()
        signal.alarm(HANG)
        try:
            figures.understood += target.run(data)
        except (Exception, Hung) as problem:  # noqa: BLE001  a finding is whatever comes
            figures.findings += 1
            _found(target, data, problem)
        signal.alarm(0)
        took = time.perf_counter() - began
        figures.slowest = max(figures.slowest, took)
        figures.seconds += took
        if number == inputs // 10:
            before = resident()
    figures.mutated = inputs
    figures.growth = resident() - before


def by_coverage(figures: Figures, inputs: int, seconds: int) -> None:
    """atheris in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="splitmount-fuzz-") as scratch:
        words = [sys.executable, "-m", "tests.fuzz.guided", figures.target.name, str(inputs), str(seconds), f"{scratch}/corpus"]
        began = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, errors="replace")
        figures.seconds += time.perf_counter() - began
        count = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
        figures.guided = int(count.group(1)) if count else 0
        crashes = [path for path in Path(scratch).iterdir() if path.is_file()]
        for path in crashes:
            _found(figures.target, path.read_bytes(), RuntimeError(done.stderr[-2000:]))
        figures.findings += len(crashes) or int(done.returncode != 0 or count is None)
        if done.returncode != 0 and not crashes:
            sys.stderr.write(done.stderr[-2000:])


def table(rows: list[Figures], seconds: float, seed: int) -> str:
    """The page of figures."""
    total, guided, findings = (
        sum(r.mutated + r.guided for r in rows),
        sum(r.guided for r in rows),
        sum(r.findings for r in rows),
    )
    lines = [
        "# Fuzz: what parsers do with inputs that no host and no person should send",
        "",
        "Made by `make fuzz` (`tests/fuzz`). Each parser of what comes from hosts, arrays, repositories and files is given real reports that were",
        "spoiled (lines, words, numbers, bytes, nesting, control characters), and inputs that atheris finds by coverage. It must understand them, or",
        f"raise the error that it documents. Anything else, or more than {HANG} s for one input, is a finding, and fails the run.",
        "",
        f"**{total:,} inputs** ({guided:,} of them guided by coverage) in {seconds:.0f} s on one core, random seed {seed}: **{findings} findings**.",
        "",
        "| parser | spoiled | guided | understood | slowest input | memory growth | findings |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        share = f"{100 * r.understood / max(1, r.mutated):.0f} %"
        lines.append(
            f"| {r.target.name} | {r.mutated:,} | {r.guided:,} | {share} | {1000 * r.slowest:.0f} ms | {r.growth} KiB | {r.findings} |"
        )
    lines += [
        "",
        "Memory growth is that of the whole process between a tenth of the spoiled inputs and the last of them. Inputs that were",
    ]
    lines += ["findings once are kept in `tests/fuzz/regress` and run with every `make test`.", ""]
    return "\n".join(lines)


def main() -> int:
    """The exit status."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--inputs", type=int, default=1_050_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--target", action="append", choices=[*TARGETS])
    options.add_argument("--guided-seconds", type=int, default=90, help="at most, for each parser")
    chosen = options.parse_args()
    began, rows = time.monotonic(), []
    names = chosen.target or [*TARGETS]
    each = -(-chosen.inputs // len(names))
    for name in names:
        figures = Figures(TARGETS[name])
        by_mutation(figures, round(each * SHARE), chosen.seed)
        by_coverage(figures, each - figures.mutated, chosen.guided_seconds)
        rows.append(figures)
        sys.stderr.write(
            f"{name}: {figures.mutated} + {figures.guided} inputs, {figures.seconds:.0f} s, {figures.findings} findings\n"
        )
    sys.stdout.write(table(rows, time.monotonic() - began, chosen.seed))
    return 1 if any(row.findings for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
