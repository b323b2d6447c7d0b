"""The rows of a large estate: what was made once is kept, and only what was measured anew is made anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from core.events import HostMeasured, Outcome, RunStarted, SetMeasured, StepEnded, StepStarted
from core.model import HostFacts
from core.plan import Phase, Plan, StepKind
from core.settings import Settings
from tests.core.samples import ESTATE, NOW, SETTINGS
from tests.tui.still import step
from tui.rows import KeptRows, estate_rows, plan_rows
from tui.screens.run import phase_line
from tui.view import ViewState, fold


def test_rows_of_a_host_are_kept_until_it_is_measured_anew() -> None:
    settings: Any = SimpleNamespace(sets={}, hosts=["a", "b"])
    kept, state = KeptRows(), ViewState()
    for name in settings.hosts:
        state = fold(state, HostMeasured(name, NOW, HostFacts(name, "linux", NOW, hostname="before")))
    first = {row.id: row for row in estate_rows(state, settings, NOW, kept)}
    state = fold(state, HostMeasured("b", NOW, HostFacts("b", "linux", NOW, hostname="after")))
    second = {row.id: row for row in estate_rows(state, settings, NOW, kept)}
    assert second["host/a"] is first["host/a"]
    assert ("before" in first["host/b"].text, "after" in second["host/b"].text) == (True, True)
    assert list(second.values()) == list(estate_rows(state, settings, NOW))


def test_what_is_told_of_a_set_is_kept_for_some_seconds_because_it_tells_ages() -> None:
    settings: Any = replace(Settings(None, {}, {}, {}, Path(), Path()), sets={"payroll": SETTINGS})
    state, kept = fold(ViewState(), SetMeasured("payroll", ESTATE, (), ())), KeptRows()
    first, soon, late = (
        {row.id: row for row in estate_rows(state, settings, NOW + timedelta(seconds=n), kept)} for n in (0, 4, 60 * 60)
    )
    assert soon["set/payroll"] is first["set/payroll"]
    assert "STALE" not in soon["set/payroll"].text
    assert "STALE" in late["set/payroll"].text
    again = fold(state, SetMeasured("payroll", replace(ESTATE, pairs=()), (), ()))
    assert "UNPAIRED" in {row.id: row for row in estate_rows(again, settings, NOW, kept)}["set/payroll"].text


def run_order(*phases: Phase) -> Plan:
    """A plan whose steps are of these phases, in this order."""
    steps = tuple(step(f"step-{n}", phase, StepKind.MEASURE, f"step {n}") for n, phase in enumerate(phases))
    return Plan("restore", "payroll", steps, NOW)


def test_steps_are_listed_in_the_order_in_which_they_run_and_a_phase_may_come_twice() -> None:
    rows = list(plan_rows(run_order(Phase.MEASURE, Phase.BACKUP, Phase.STOP, Phase.BACKUP, Phase.BACKUP)))
    told = [row.text for row in rows]
    assert told == ["MEASURE", "o step 0", "BACKUP", "o step 1", "STOP", "o step 2", "BACKUP", "o step 3", "o step 4"]
    assert len({row.id for row in rows}) == len(rows)
    assert {row.parent for row in rows if row.depth} <= {row.id for row in rows if not row.depth}


def test_the_line_of_phases_is_in_the_order_of_the_run_and_marks_the_one_that_it_is_in() -> None:
    plan = run_order(Phase.CHECK, Phase.SPLIT, Phase.CHECK)
    run = fold(fold(ViewState(), RunStarted(1, NOW, plan)), StepStarted(1, "step-0", NOW))
    run = fold(run, StepEnded(1, "step-0", Outcome.OK, 1.0))
    run = fold(run, StepStarted(1, "step-1", NOW))
    assert run.run is not None
    assert phase_line(run.run).plain == " + check  > split  - check "
