"""The rows of a large estate: what was made once is kept, and only what was measured anew is made anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from core.events import HostMeasured, SetMeasured
from core.model import HostFacts
from core.settings import Settings
from tests.core.samples import ESTATE, NOW, SETTINGS
from tui.rows import KeptRows, estate_rows
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
