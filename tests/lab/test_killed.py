"""Consoles that die by the real SIGKILL in the middle of real runs; the next one resumes the run, or takes it back.

All of them in one session write docs/killed.md.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.facade import PlanRequest
from core.model import PairState
from core.settings import PostPolicy
from tests.emulated.crashes import Point, Way, finished
from tests.lab.estate import Lab
from tests.lab.layouts import ORDINARY_MOUNTS
from tests.lab.product import RUN_LIMIT, Product, as_json, files_of, identity, product, splitmount, traces

POINTS = tuple(Point)
TABLE = Path(__file__).parents[2] / "docs" / "killed.md"
HEAD = """# Consoles that were killed on real machines

Written by `make lab-long LAB=tests/lab/test_killed.py`. In the lab (two virtual machines with real LVM2, a real block array) a console of
its own does a backup, a rehearsal or a restore, and ends itself by SIGKILL at a point of a step; the next console finds the run, and resumes
it or takes it back. A line stands here when after it the run had an end with exit code 0, the pairs had the state that was wanted, every
file of the source and the identity of its groups were as before (after a restore: as at the split), nothing was left on either host
that was not there before, the source took a write, and a resumed backup had made exactly one copy.

| operation | killed in | point | then | seconds |
|---|---|---|---|---|
"""


def cells() -> list[tuple[str, float, Point, Way]]:
    """Forty: places over the whole of each operation, every point, resumed or taken back by turns."""
    out = [("backup", n * 11 % 28 / 28, POINTS[n % 5], Way.UNDO if n % 2 else Way.RESUME) for n in range(28)]
    out += [("rehearse", n * 3 % 8 / 8, POINTS[n % 5], Way.UNDO if n % 2 else Way.RESUME) for n in range(8)]
    return out + [("restore", n / 4, POINTS[n + 1], Way.RESUME) for n in range(4)]


def killed(lab: Lab, made: Product, operation: str, at: float, point: Point) -> str:
    """The step in which the console of its own was killed."""
    words = [str(lab.config), str(made.engine.settings.state_dir), operation, "ordinary", str(at), point.value]
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab.killed", *words],
        capture_output=True, text=True, timeout=RUN_LIMIT, check=False, cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == -9, done.stdout + done.stderr
    return done.stdout.split()[-1]


def copies(lab: Lab) -> int:
    return len(as_json(splitmount(lab, "backups", "ordinary", "--json")))


@pytest.fixture(scope="module")
def rows() -> Iterator[list[str]]:
    """The lines of the table; written when every cell has given one."""
    out: list[str] = []
    yield out
    if len(out) == len(cells()):
        TABLE.write_text(
            f"{HEAD}{''.join(out)}\n{len(out)} of {len(cells())} as they should be, on {datetime.now(UTC):%Y-%m-%d}.\n"
        )


@pytest.mark.long
@pytest.mark.parametrize(("operation", "at", "point", "way"), cells())
def test_a_run_whose_console_was_killed_is_resumed_or_taken_back(
    lab: Lab, rows: list[str], operation: str, at: float, point: Point, way: Way
) -> None:
    begun = time.monotonic()
    with product(lab) as made:
        if set(made.states("ordinary")) != {PairState.ESTABLISHED}:
            made.do("establish", "ordinary")
        there, known, kept = traces(lab), identity(lab), copies(lab)
        if operation == "restore":
            made.do("rehearse", "ordinary", post=PostPolicy.LEAVE_DOWN)
        before = files_of(lab, "source", "", ORDINARY_MOUNTS)
        if operation == "restore":
            lab.ssh("source", "rm -rf /srv/data/plain; echo gone > /srv/data/logs/new; sync")
        step = killed(lab, made, operation, at, point)
        (left,) = made.engine.unfinished().result(RUN_LIMIT)
        if way is Way.RESUME:
            number = made.engine.resume(left.run, confirmed=left.confirm).result(RUN_LIMIT)
        else:
            plan = made.engine.plan(PlanRequest("undo", "ordinary", run=left.run)).result(RUN_LIMIT)
            number = made.engine.start(plan, confirmed=plan.confirm).result(RUN_LIMIT)
        end = finished(made.engine, number, RUN_LIMIT)
        print(f"\n{operation}, {step}, {point.value}: {way.value}: {end.exit_code} {end.message}")
        assert end.exit_code == 0, end.message
        assert made.engine.unfinished().result(RUN_LIMIT) == ()
        state = PairState.SPLIT if operation == "restore" else PairState.ESTABLISHED
        assert set(made.states("ordinary")) == {state}
    assert files_of(lab, "source", "", ORDINARY_MOUNTS) == before
    now = identity(lab)
    assert {k: sorted(v.splitlines()) for k, v in now.items()} == {k: sorted(v.splitlines()) for k, v in known.items()}
    seen = traces(lab)
    left_out = ("pvs", "vgs", "lvs") if operation == "restore" else ()  # the mirrors of a restore stay down, as it found them
    assert {k: v for k, v in seen.items() if k not in left_out} == {k: v for k, v in there.items() if k not in left_out}
    lab.ssh("source", "echo x > /srv/data/alive && rm /srv/data/alive", timeout=30)  # nothing is frozen
    if operation == "backup" and way is Way.RESUME:
        assert copies(lab) == kept + 1
    rows.append(
        f"| {operation} | {step} | {point.value} | {way.value.removeprefix('kill, ')} | {time.monotonic() - begun:.0f} |\n"
    )
