"""The long run, `make fuzz`: a million inputs over all parsers, by mutation of real ones and by coverage; the figures as Markdown.

Exit status 1 and the offending inputs in `tests/fuzz/findings` when a parser raised what it does not document, or took too long.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.fuzz.targets import TARGETS
from tests.fuzz.work import HANG, Figures, one


def table(rows: list[Figures], seconds: float, seed: int, jobs: int) -> str:
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
        f"**{total:,} inputs** ({guided:,} of them by coverage) in {seconds:.0f} s by {jobs} processes, random seed {seed}: **{findings} findings**.",
        "",
        "| parser | spoiled | guided | understood | slowest input | memory growth | findings |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        share = f"{100 * r.understood / max(1, r.mutated):.0f} %"
        lines.append(
            f"| {r.name} | {r.mutated:,} | {r.guided:,} | {share} | {1000 * r.slowest:.0f} ms | {r.growth} KiB | {r.findings} |"
        )
    lines += [
        "",
        "Memory growth is that of a process with one parser alone, between a tenth of the spoiled inputs and the last of them. Inputs that were",
    ]
    lines += ["findings once are kept in `tests/fuzz/regress` and run with every `make test`.", ""]
    return "\n".join(lines)


def main() -> int:
    """The exit status."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--inputs", type=int, default=1_050_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--jobs", type=int, default=2, help="processes at a time")
    options.add_argument("--target", action="append", choices=[*TARGETS])
    options.add_argument("--guided-seconds", type=int, default=90, help="at most, for each parser")
    chosen = options.parse_args()
    began = time.monotonic()
    names = chosen.target or [*TARGETS]
    unit = chosen.inputs / sum(TARGETS[name].share for name in names)
    with ProcessPoolExecutor(chosen.jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        work = [pool.submit(one, n, round(unit * TARGETS[n].share), chosen.seed, chosen.guided_seconds) for n in names]
        rows = [future.result() for future in work]
    sys.stdout.write(table(rows, time.monotonic() - began, chosen.seed, chosen.jobs))
    return 1 if any(row.findings for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
