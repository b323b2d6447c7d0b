"""Every parser of what comes from outside, on spoiled real inputs: only the error that it documents, at once, within its memory."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import SEEDS, TARGETS

REGRESS = SEEDS.parent / "regress"
KNOWN = [(path.parent.name, path.name) for path in sorted(REGRESS.glob("*/*"))]
NOT_ALONE = {"config", "map-rows", "qemu-check"}  # its pairs files lie elsewhere; the seed has no Linux; it asks twice
AT_ONCE = 5.0  # seconds on a busy machine


@pytest.mark.parametrize("name", TARGETS)
def test_the_real_inputs_are_there_and_understood(name: str) -> None:
    real = TARGETS[name].real()
    assert real
    assert name in NOT_ALONE or all(TARGETS[name].run(data) for data in real)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(chance=st.randoms(use_true_random=False), tail=st.binary(max_size=40))
def test_a_spoiled_report_is_understood_or_refused_as_documented(name: str, chance: Random, tail: bytes) -> None:
    data = mutated(TARGETS[name].real(), chance)
    TARGETS[name].run(data)
    TARGETS[name].run(data + tail)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(max_size=200))
def test_any_text_is_understood_or_refused_as_documented(name: str, text: str) -> None:
    TARGETS[name].run(text.encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(("name", "case"), KNOWN, ids=[f"{n}-{c}" for n, c in KNOWN])
def test_what_was_a_finding_once_is_none_any_more(name: str, case: str) -> None:
    began = time.monotonic()
    TARGETS[name].run((REGRESS / name / case).read_bytes())
    assert time.monotonic() - began < AT_ONCE


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris")
def test_inputs_that_coverage_finds_are_understood_or_refused(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.fuzz.guided", "all", "-1", "3", str(tmp_path / "corpus")]
    done = subprocess.run(words, cwd=SEEDS.parents[2], capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "number_of_executed_units" in done.stderr
