"""The table of guards stays true between two runs of `make guards`: each stands where it says, and the docs list it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guards import GUARDS, TREE, Guard


@pytest.mark.parametrize("guard", GUARDS, ids=[g.keeps for g in GUARDS])
def test_a_guard_stands_once_in_its_file_and_its_row_names_a_test_that_is_there(guard: Guard) -> None:
    assert (TREE / guard.file).read_text().count(guard.text) == 1
    assert (TREE / guard.test.split()[0]).is_file()
    assert (
        f"| {guard.keeps} | `{guard.file}` | `{guard.test}` |" in (Path(TREE) / "docs" / "guards.md").read_text().splitlines()
    )
