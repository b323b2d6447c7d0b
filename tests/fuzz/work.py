"""The work on one parser, in a process of its own: spoiled inputs, inputs by coverage, and what became of them."""

from __future__ import annotations

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

    name: str
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
    target, seeds = TARGETS[figures.name], TARGETS[figures.name].real()
    chance = Random(f"{seed}/{figures.name}")
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
        words = [sys.executable, "-m", "tests.fuzz.guided", figures.name, str(inputs), str(seconds), f"{scratch}/corpus"]
        began = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, errors="replace")
        figures.seconds += time.perf_counter() - began
        count = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
        figures.guided = int(count.group(1)) if count else 0
        crashes = [path for path in Path(scratch).iterdir() if path.is_file()]
        for path in crashes:
            _found(TARGETS[figures.name], path.read_bytes(), RuntimeError(done.stderr[-2000:]))
        figures.findings += len(crashes) or int(done.returncode != 0 or count is None)
        if done.returncode != 0 and not crashes:
            sys.stderr.write(done.stderr[-2000:])


def one(name: str, inputs: int, seed: int, seconds: int) -> Figures:
    """One parser, in a process of its own."""
    figures = Figures(name)
    by_mutation(figures, round(inputs * SHARE), seed)
    by_coverage(figures, inputs - figures.mutated, seconds)
    told = f"{figures.mutated} + {figures.guided} inputs, {figures.seconds:.0f} s, {figures.findings} findings"
    sys.stderr.write(f"{name}: {told}\n")
    return figures
