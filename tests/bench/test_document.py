"""The table of the benchmarks: a part that is measured alone leaves the others as they were, and a ratio that fails is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.ratio import Ratio, in_turn


def test_a_part_measured_alone_replaces_its_own_rows_and_the_exit_code_tells_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = 1.0

    def part() -> Iterator[Ratio]:
        yield Ratio("a thing", "ours", "theirs", value, most=2)

    monkeypatch.setattr(bench, "PARTS", {"one": (part,), "other": (part, part)})
    target = tmp_path / "bench.md"
    assert bench.main(target) == 0
    value = 3.0
    assert bench.main(target, "other") == 1
    sections = bench.sections_of(target.read_text())
    assert list(sections) == ["one", "other"]
    assert (sections["one"].count("| yes |"), sections["other"].count("| NO |")) == (1, 2)


def test_a_row_measured_elsewhere_takes_the_place_of_its_like_and_leaves_the_rest(tmp_path: Path) -> None:
    target = tmp_path / "bench.md"
    target.write_text("# Benchmarks\n\n## maps\n\nas it was\n")
    for what, value in (("a copy of 9 MiB", 1.0), ("another of 9 MiB", 2.0), ("a copy of 10 MiB", 3.0)):
        bench.keep(target, "lab", Ratio(what, "ours", "theirs", value, most=2), 0.5)
    sections = bench.sections_of(target.read_text())
    assert sections["maps"] == "as it was"
    rows = [row for row in sections["lab"].splitlines() if "MiB" in row]
    assert [row.split(" | ")[0] for row in rows] == ["| another of 9 MiB", "| a copy of 10 MiB"]
    assert "| NO |" in rows[1]


def test_who_is_measured_first_changes_places() -> None:
    order = ""

    def act(name: str, took: float) -> float:
        nonlocal order
        order += name
        return took

    assert in_turn(lambda: act("a", 2.0), lambda: act("b", 1.0), rounds=4) == (2.0, 1.0)
    assert order == "abbaabba"
