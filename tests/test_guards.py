"""The table of guards stays true between two runs of `make guards`: each stands where it says, and the docs list it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guards import GUARDS, TREE, Guard
from tests.prove import MUTATIONS, PROMISES, row


@pytest.mark.parametrize("guard", GUARDS, ids=[g.keeps for g in GUARDS])
def test_a_guard_stands_once_in_its_file_and_its_row_names_a_test_that_is_there(guard: Guard) -> None:
    assert (TREE / guard.file).read_text().count(guard.text) == 1
    assert (TREE / guard.test.split()[0]).is_file()
    assert (
        f"| {guard.keeps} | `{guard.file}` | `{guard.test}` |" in (Path(TREE) / "docs" / "guards.md").read_text().splitlines()
    )


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_has_a_mutation_that_stands_once_in_its_file_and_was_caught(promise: str) -> None:
    table = (TREE / "docs" / "promises.md").read_text().splitlines()
    assert MUTATIONS[promise]
    for guard in MUTATIONS[promise]:
        assert (TREE / guard.file).read_text().count(guard.text) == 1
        assert row(promise, guard, seen=True).strip() in table
