"""A source whose groups are out of use: by a restore that lost its console, or by a person. Nothing else is concluded from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.events import Outcome, SetMeasured
from core.facade import PlanRequest
from tests.emulated.bench import Bench, bench
from tests.emulated.crashes import Point, finished
from tests.emulated.test_survive import die_at
from tui.__main__ import main
from tui.outline import set_lines
from tui.rows import estate_rows
from tui.view import ViewState, fold


def looked(made: Bench, name: str) -> SetMeasured:
    """The set as it is measured now."""
    made.engine.measure_set(name).result()
    return [e for e in made.engine.drain() if isinstance(e, SetMeasured) and e.set_name == name][-1]


def said(made: Bench, found: SetMeasured) -> str:
    """All that the command line and the first page tell of it."""
    settings = made.engine.settings
    rows = estate_rows(fold(ViewState(), found), settings, found.estate.measured_at)
    lines = [*set_lines(settings, found), *(text for row in rows for text in (row.text, *row.about))]
    return "\n".join(lines)


@pytest.mark.parametrize("name", ["aix-ledger", "hpux-orders", "solaris-mail"])
def test_groups_that_a_restore_without_an_end_stopped_are_told_as_stopped_by_it(tmp_path: Path, name: str) -> None:
    with bench(tmp_path, (name,)) as made:
        assert made.run(PlanRequest("establish", name)).exit_code == 0
        assert made.run(PlanRequest("split", name)).exit_code == 0
        assert looked(made, name).drift is not None
        number = die_at(made, "await-restored", Point.AFTER_INTENT, PlanRequest("restore", name))
        found, groups = looked(made, name), made.engine.settings.sets[name].volume_groups
        by = f"run {number}, which has no end, stopped it: splitmount recover {number}"
        codes = {f.code for f in found.findings if f.subject in groups}
        assert codes == {"GROUP_NOT_ACTIVE"}
        assert all(by in f.sentence for f in found.findings if f.code == "GROUP_NOT_ACTIVE")
        assert found.drift is not None
        assert found.drift.differences == ()
        assert by in found.drift.told
        text = said(made, found)
        assert not [
            odd for odd in ("DRIFT", r"\b0 B\b", "UUID ,", "UUID $", "is nothing", "MAP_STALE") if re.search(odd, text, re.M)
        ]
        end = finished(made.engine, made.engine.resume(number, confirmed=name).result())
        assert end.outcome is Outcome.OK, end.message
        found = looked(made, name)
        assert "GROUP_NOT_ACTIVE" not in {f.code for f in found.findings}
        assert found.drift is not None
        assert found.drift.unknown == ""


@pytest.mark.parametrize("name", ["aix-ledger", "hpux-orders", "solaris-mail"])
def test_a_restore_that_stopped_the_groups_and_has_not_begun_to_overwrite_is_resumed(tmp_path: Path, name: str) -> None:
    with bench(tmp_path, (name,)) as made:
        assert made.run(PlanRequest("establish", name)).exit_code == 0
        assert made.run(PlanRequest("split", name)).exit_code == 0
        number = die_at(made, "measure-stopped", Point.AFTER_INTENT, PlanRequest("restore", name))
        end = finished(made.engine, made.engine.resume(number, confirmed=name).result())
        assert end.outcome is Outcome.OK, end.message


def test_a_group_that_nothing_without_an_end_stopped_is_not_active_and_makes_no_map(tmp_path: Path) -> None:
    name = "aix-ledger"
    with bench(tmp_path, (name,)) as made:
        assert made.run(PlanRequest("establish", name)).exit_code == 0
        assert made.run(PlanRequest("split", name)).exit_code == 0
        number = die_at(made, "await-restored", Point.AFTER_INTENT, PlanRequest("restore", name))
        made.engine.give_up(number, "by hand", name).result()
        found = looked(made, name)
        sentences = [f.sentence for f in found.findings if f.code == "GROUP_NOT_ACTIVE"]
        assert sentences
        assert not [sentence for sentence in sentences if "no end" in sentence]
        assert "DRIFT" not in said(made, found)
        config = str(made.estate.config)
        assert main(["--config", config, "map", name, "--out", str(tmp_path / "maps")]) in (3, 4)
        assert not list(tmp_path.glob("maps/*"))
