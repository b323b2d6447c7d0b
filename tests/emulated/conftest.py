"""What several files of tests of the embedded estate begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.facade import PlanRequest
from tests.emulated.bench import Bench, bench

NAME = "linux-web"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Bench]:
    """The family linux-web with its mirrors established."""
    with bench(tmp_path, (NAME,)) as made:
        assert made.run(PlanRequest("establish", NAME)).exit_code == 0
        yield made
