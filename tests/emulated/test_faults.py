"""Every accident by name, on every family: how a backup ends under it is what the docs say, and nothing is left in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulated.bench import NAMES
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
