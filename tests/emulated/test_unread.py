"""A reader that goes away, as `head` does when it has enough: reads end quietly, a run goes on to its end and gives its own code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.events import Outcome
from core.facade import PlanRequest
from tests.emulated.bench import Bench, bench

NAME = "linux-web"
READS = (
    ("--help",),
    ("inspect", NAME),
    ("plan", "backup", NAME),
    ("history",),
    ("history", "1", "--play", "--speed", "0"),
    ("recover", "1"),
)

_USUAL = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A set of which one run is in the journal."""
    with bench(tmp_path_factory.mktemp("unread"), (NAME,)) as made:
        assert made.run(PlanRequest("establish", NAME)).exit_code == 0
        yield made


def unread(made: Bench, *words: str, errors: int = subprocess.PIPE, lines: int = 0) -> tuple[int, str]:
    """Its exit code and its errors, when its reader takes so many lines and goes."""
    ours, its = os.pipe()
    with os.fdopen(ours) as reader:
        if not lines:
            reader.close()
        command = [sys.executable, "-m", "tui", "--config", str(made.estate.config), *words]
        process = subprocess.Popen(command, stdout=its, stderr=errors, text=True, env=_USUAL)
        os.close(its)
        for _ in range(lines):
            assert reader.readline()
    _, told = process.communicate(timeout=60)
    return process.returncode, told or ""


@pytest.mark.parametrize("words", READS, ids="-".join)
def test_a_read_that_nobody_reads_ends_quietly(made: Bench, words: tuple[str, ...]) -> None:
    assert unread(made, *words) == (141, "")


@pytest.mark.parametrize(("words", "lines"), [((), 1), (("--json",), 0)], ids=["after-a-line", "json"])
def test_a_run_that_nobody_reads_goes_on_to_its_end(made: Bench, words: tuple[str, ...], lines: int) -> None:
    code, told = unread(made, "run", "map", NAME, "--yes", *words, lines=lines)
    row = made.engine.history().result()[0]
    assert (code, row.operation, row.outcome) == (0, "map", Outcome.OK)
    assert f"run {row.run}: ok (exit 0)" in told, "who sits at the terminal is told of its end"
    assert "Traceback" not in told


def test_its_exit_code_is_that_of_the_run(made: Bench) -> None:
    made.switch("full-disk@vault")
    try:
        code, told = unread(made, "run", "backup", NAME, "--yes", errors=subprocess.STDOUT, lines=2)
    finally:
        made.switch("full-disk@vault")
    row = made.engine.history().result()[0]
    assert (row.operation, row.outcome, code, told) == ("backup", Outcome.FAILED, 4, "")
    assert "operator" not in row.message


def test_an_output_on_a_full_disk_stops_no_run(made: Bench) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "tui", "--config", str(made.estate.config), "run", "map", NAME, "--yes"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert os.strerror(28) in done.stderr


def test_a_run_whose_outputs_were_closed_before_it_began_is_done(made: Bench) -> None:
    command = [sys.executable, "-m", "tui", "--config", str(made.estate.config), "run", "map", NAME, "--yes"]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command], check=False)
    row = made.engine.history().result()[0]
    assert (done.returncode, row.operation, row.outcome) == (0, "map", Outcome.OK)
