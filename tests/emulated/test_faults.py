"""Every accident by name, on every family: how a backup ends under it is what the docs say, and nothing is left in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulated.bench import NAMES
from tests.emulated.faultmatrix import Cell, suffered, table
from tests.emulated.faults import rows_of

TABLE = Path(__file__).parents[2] / "docs" / "faults.md"


@pytest.mark.parametrize("name", NAMES)
def test_every_accident_ends_as_the_table_says(tmp_path: Path, name: str) -> None:
    kept = {
        row.split(" | ")[0]: [cell.strip() for cell in row.strip(" |\n").split(" | ")][:3]
        for row in TABLE.read_text().splitlines()
    }
    rows = rows_of(name, tmp_path)
    assert len(rows) > 15
    for row in rows:
        cells = [cell.strip() for cell in row.strip(" |\n").split(" | ")]
        assert cells[:3] == kept.get(row.split(" | ")[0]), f"{row}; write the table again with: make fault-table"
        assert cells[1] in "0345"
        assert cells[2] == "nothing"
        assert len(cells[3]) > 20 or cells[1] == "0"


# A few cells of the matrix that once went wrong: the rest is `make fault-matrix`.
_CELLS = (
    ("autoactivated@webdr", "takeover", 0),
    ("autoactivated@webdr", "restore", 0),
    ("autoactivated@webdr", "failback", 0),
    ("swapped-serials@webdr", "restore", 3),
    ("swapped-serials@webdr", "establish", 3),
    ("never-synchronises@webprod", "takeover", 3),
)


@pytest.mark.parametrize(("accident", "operation", "code"), _CELLS)
def test_an_operation_under_an_accident_is_done_or_says_what_was_the_matter(accident: str, operation: str, code: int) -> None:
    cell = suffered(Cell("linux-web", accident, operation))
    assert (cell.code, cell.wrong) == (code, []), cell.told


def test_a_table_of_cells_has_a_word_for_each_and_counts_them() -> None:
    done = [
        Cell("linux-web", "a@x", "backup", 0),
        Cell("linux-web", "a@x", "split", 3),
        Cell("linux-web", "b@x", "split", 0, "", ["not true"]),
    ]
    lines = table(done).splitlines()
    assert lines[2] == "| a@x | did | not played | not played | not played | not played | not played | refused |"
    assert lines[3].endswith("| WRONG |")
    assert lines[-1] == "| all | 3 | 1 | 1 | 0 | 0 | 0 | 1 |"
