"""A set at a glance: what is said of its mirrors, its age and its past; and how politely it is watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.events import SetMeasured
from core.model import Estate, Finding, Pair, PairState, PairStatus, Severity
from core.settings import Settings
from tests.core.samples import ESTATE, IDLE, PAIRS, SETTINGS, SOURCE, with_group
from tui.glance import flags, mirrors_words, pending_words, trend_mark, trouble, with_sample
from tui.outline import set_lines
from tui.rows import BAD, WARN, estate_rows
from tui.view import ViewState, fold, with_mirrors
from tui.watch import LONGEST, Watch

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OLD = NOW - timedelta(hours=3)


def pairs(*states: PairState, tracks: int | None = 5, split_id: str = "1") -> tuple[PairStatus, ...]:
    """One pair for each state."""
    return tuple(
        PairStatus(
            Pair(f"7902{n}000", f"790B{n}000"), state, std_tracks=tracks, bcv_tracks=tracks, split_id=split_id, split_at=OLD
        )
        for n, state in enumerate(states)
    )


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ((PairState.ESTABLISHED, PairState.ESTABLISHED), "[=] established"),
        ((PairState.SPLIT, PairState.SPLIT), "[/] split 3 hours"),
        ((PairState.SPLIT, PairState.ESTABLISHED), "[!] MIXED: 1 split, 1 established"),
        ((), "[?] NOT MEASURED"),
    ],
)
def test_the_mirrors_of_a_set_are_one_word_with_its_age(states: Sequence[PairState], words: str) -> None:
    assert mirrors_words(pairs(*states), NOW, told=True) == words


def test_what_is_not_known_of_the_mirrors_is_said_to_be_unknown() -> None:
    split = pairs(PairState.SPLIT, tracks=None)
    assert mirrors_words(split, NOW, told=False) == "[?] NOT MEASURED"
    assert mirrors_words((replace(split[0], split_at=None),), NOW, told=True) == "[/] split, age unknown"
    assert "tracks unknown" in pending_words(split, (), {}, NOW)


def test_two_splits_are_not_called_one_point_in_time() -> None:
    torn = (pairs(PairState.SPLIT)[0], pairs(PairState.SPLIT, PairState.SPLIT, split_id="2")[1])
    assert "SEVERAL POINTS IN TIME" in mirrors_words(torn, NOW, told=True)


def test_pending_tracks_have_a_trend_only_when_there_were_several_looks() -> None:
    assert [trend_mark(samples) for samples in ((), (3,), (3, 5), (5, 3), (3, 9, 3))] == ["", "", " ^", " v", " ="]
    trends = with_sample(with_sample({}, "a", pairs(PairState.SPLIT, tracks=1)), "a", pairs(PairState.SPLIT, tracks=4))
    assert trends["a"] == (2, 8)
    assert with_sample(trends, "a", pairs(PairState.SPLIT, tracks=None))["a"] == ()


def test_the_last_backup_and_rehearsal_are_told_by_their_age() -> None:
    last = {"backup": NOW - timedelta(hours=5), "rehearse": NOW - timedelta(hours=9)}
    assert "backup 5 h  rehearsal 9 h" in pending_words((), (), last, NOW)
    assert "backup never  rehearsal never" in pending_words((), (), {}, NOW)


def measured(estate: Estate, *codes: str) -> SetMeasured:
    """A set with these errors."""
    return SetMeasured("toy", estate, tuple(Finding(code, Severity.ERROR, "toy", "x") for code in codes))


def test_unpaired_locked_held_and_stale_stand_in_capitals() -> None:
    settings, estate = SETTINGS, ESTATE
    assert flags(measured(estate), settings, NOW, NOW) == []
    alone = replace(estate, pairs=tuple(s for s in estate.pairs if s.pair != PAIRS[0]))
    told = flags(measured(alone, "LOCKED", "HELD"), settings, NOW - timedelta(minutes=25), NOW)
    assert told == ["1 UNPAIRED", "HELD", "LOCKED", "2 ERRORS", "STALE 25 minutes"]
    dark = replace(estate, pairs=(), errors={"pairs": "no answer"})
    assert flags(measured(dark), settings, NOW, NOW) == ["NOT MEASURED WHOLE"]


def test_a_look_at_the_mirrors_changes_them_and_nothing_else() -> None:
    estate = ESTATE
    whole = fold(ViewState(), SetMeasured("s", replace(estate, errors={"pairs": "no answer", "target": "down"})))
    after = with_mirrors(whole, "s", pairs(PairState.SPLIT), NOW)
    assert after.sets["s"].estate.pairs == pairs(PairState.SPLIT)
    assert after.sets["s"].estate.errors == {"target": "down"}
    assert after.seen["s"] == NOW
    assert with_mirrors(ViewState(), "s", pairs(PairState.SPLIT), NOW) == ViewState()


def test_one_set_at_a_time_is_looked_at_and_none_during_a_run() -> None:
    watch = Watch(30)
    assert watch.next(0, ["a", "b"], busy=False) == ""
    assert watch.next(31, ["a", "b"], busy=True) == ""
    assert watch.next(31, ["a", "b"], busy=False) == "a"
    assert watch.next(32, ["a", "b"], busy=False) == ""
    watch.answered("a", 33, well=True)
    assert watch.next(34, ["a", "b"], busy=False) == "b"
    watch.answered("b", 35, well=True)
    assert watch.next(36, ["a", "b"], busy=False) == ""
    assert watch.next(64, ["a", "b"], busy=False) == "a"


def test_a_set_whose_looks_fail_is_asked_less_and_less_often() -> None:
    watch, now, gaps = Watch(30), 0.0, []
    watch.next(now, ["a"], busy=False)
    for _ in range(7):
        begun = now
        while not watch.next(now, ["a"], busy=False):
            now += 1
        gaps.append(now - begun)
        watch.answered("a", now, well=False)
    assert gaps == [30, 60, 120, 240, 480, LONGEST, LONGEST]
    watch.answered("a", now, well=True)
    assert watch.next(now + 30, ["a"], busy=False) == "a"


def test_a_watch_that_is_off_asks_nothing() -> None:
    assert Watch(0).next(1e9, ["a"], busy=False) == ""
    off = Watch(30)
    off.next(0, ["a"], busy=False)
    off.on = False
    assert off.next(1e9, ["a"], busy=False) == ""


def test_a_run_that_did_not_end_well_is_a_word_in_the_row_and_a_line_in_the_details() -> None:
    line = "last backup failed on 2026-11-23 11:26 UTC (run 7, exit 4): No space left on device"
    settings: Any = replace(Settings(None, {}, {}, {}, Path(), Path()), sets={"payroll": SETTINGS})
    state = fold(ViewState(), replace(measured(ESTATE), set_name="payroll", not_well={"backup failed": line}))
    rows = {row.id: row for row in estate_rows(state, settings, NOW)}
    assert rows["set/payroll"].text.startswith("payroll  BACKUP FAILED  [=] established  ")
    assert rows["set/payroll"].tone == BAD
    assert line in rows["set/payroll"].about
    found = replace(state.sets["payroll"], findings=measured(ESTATE, "LOCKED").findings)
    louder = {row.id: row for row in estate_rows(fold(state, found), settings, NOW)}["set/payroll"]
    assert "established  LOCKED  1 ERRORS  BACKUP FAILED  " in louder.text
    assert line in "\n".join(set_lines(settings, state.sets["payroll"]))


def test_of_a_group_that_is_not_active_no_size_and_no_identity_are_shown() -> None:
    settings: Any = replace(Settings(None, {}, {}, {}, Path(), Path()), sets={"payroll": SETTINGS})
    estate = replace(ESTATE, source=with_group(SOURCE, IDLE))
    state = fold(ViewState(), replace(measured(estate), set_name="payroll"))
    rows = {row.id: row for row in estate_rows(state, settings, NOW)}
    row = rows["set/payroll/vgdata"]
    assert (row.text, row.tone) == ("vgdata  NOT ACTIVE", WARN)
    assert not [text for text in row.about if text.endswith(" ") or "0 B" in text]
    assert "  group vgdata  NOT ACTIVE, what is in it cannot be read" in set_lines(settings, state.sets["payroll"])


def test_a_backup_whose_data_is_of_an_unknown_time_is_not_said_to_be_of_any() -> None:
    assert "backup unknown  rehearsal never" in pending_words((), (), {"backup": None}, NOW)


def in_trouble(name: str, *codes: str, severity: Severity = Severity.ERROR) -> SetMeasured:
    """A set with findings of these codes."""
    return SetMeasured(name, ESTATE, tuple(Finding(code, severity, name, "") for code in codes), ())


def test_the_trouble_of_all_sets_is_told_together_and_nothing_where_there_is_none() -> None:
    assert trouble([]) == trouble([in_trouble("a"), in_trouble("b", "SPLIT_OLD", severity=Severity.WARNING)]) == ""
    assert trouble([in_trouble("a", "RUN_WITHOUT_END"), in_trouble("b", *"xyz"), in_trouble("c", *"xyz")]) == (
        "1 run has no end, 6 errors"
    )
    assert trouble([in_trouble("a", "RUN_WITHOUT_END", "x"), in_trouble("b", "RUN_WITHOUT_END")]) == (
        "2 runs have no end, 1 error"
    )
