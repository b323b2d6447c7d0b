"""A run from its journal once more: every record becomes what the screen heard then, with its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.engine import Engine
from core.errors import ConfigError, Refused
from core.events import Event, Outcome, RunEnded, RunStarted, Scene, StepEnded, StepOutput, StepProgress, StepStarted
from core.facade import PlanRequest
from core.journal import Journal, Record
from core.played import LONGEST, offset_words, pause, scenes
from tests.core.toy import ToyBackup, ToyWorld
from tests.tui.toyengine import toy_engine
from tui.view import RunView, ViewState, fold


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[tuple[Engine, ToyWorld]]:
    engine, world = toy_engine(tmp_path)
    yield engine, world
    engine.close()


def run(engine: Engine) -> tuple[list[Event], list[Record]]:
    """What the screen heard of a backup, and what the journal has of it."""
    number = engine.start(engine.plan(PlanRequest("backup", "toy")).result()).result()
    heard: list[Event] = []
    while not any(isinstance(event, RunEnded) for event in heard):
        heard += engine.drain()
    journal = Journal(engine.settings.state_dir / "journal.db")
    records = list(journal.records(number))
    journal.close()
    return heard, records


def drawn(events: list[Event]) -> RunView:
    state = ViewState()
    for event in events:
        state = fold(state, event)
    assert state.run is not None
    return state.run


@pytest.mark.parametrize("fails", [False, True])
def test_the_screen_at_the_end_of_a_replay_is_that_of_the_run(
    toy: tuple[Engine, ToyWorld], monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr("tests.tui.toyengine.ToyBackup", lambda: ToyBackup(fail=fails))
    heard, records = run(toy[0])
    then, now = drawn(heard), drawn([scene.event for scene in scenes(1, records)])
    assert now.plan == then.plan
    assert now.taken_back == then.taken_back
    for step, view in then.steps.items():
        assert replace(now.steps[step], started=view.started) == replace(view, seconds=now.steps[step].seconds)
        assert abs(now.steps[step].seconds - view.seconds) < 1.0
    assert then.end is not None
    assert then.end.exit_code == (4 if fails else 0)
    assert now.end == replace(then.end, at=records[-1].at, seconds=(records[-1].at - records[0].at).total_seconds())


def test_every_scene_has_the_time_of_its_record(toy: tuple[Engine, ToyWorld]) -> None:
    _, records = run(toy[0])
    late = [replace(r, at=r.at + timedelta(hours=2) * (r.kind == "end")) for r in records]
    played = scenes(1, late)
    assert [s.offset for s in played] == sorted(s.offset for s in played)
    assert isinstance(played[0].event, RunStarted)
    assert played[-1].offset > 7200
    assert not any(isinstance(s.event, StepProgress) for s in played)
    assert any(isinstance(s.event, StepOutput) and s.event.text.startswith("run key: toy-") for s in played)


def test_a_run_without_an_end_has_none_in_its_replay(toy: tuple[Engine, ToyWorld]) -> None:
    _, records = run(toy[0])
    cut = next(n for n, r in enumerate(records) if (r.kind, r.step) == ("intent", "split")) + 1
    played = scenes(1, records[:cut])
    assert isinstance(played[-1].event, StepStarted)
    assert drawn([s.event for s in played]).steps["split"].outcome is None


def test_a_journal_that_cannot_be_read_is_refused_and_a_run_that_is_none_is_told(toy: tuple[Engine, ToyWorld]) -> None:
    _, records = run(toy[0])
    spoiled = [replace(r, body={"outcome": "splendid"}) if r.kind == "end" else r for r in records]
    with pytest.raises(Refused, match="the records of run 1 cannot be read"):
        scenes(1, spoiled)
    with pytest.raises(ConfigError, match="there is no run 9"):
        toy[0].played(9).result()


@pytest.mark.parametrize(
    ("seconds", "speed", "wait"), [(2.0, 1.0, 2.0), (20.0, 10.0, 2.0), (86400.0, 1.0, LONGEST), (20.0, 0.0, 0.0), (-3.0, 1.0, 0.0)]
)  # fmt: skip
def test_silence_is_as_long_as_it_was_by_the_speed_and_never_longer_than_a_few_seconds(
    seconds: float, speed: float, wait: float
) -> None:
    event = StepEnded(1, "a", Outcome.OK, 1.0)
    assert pause(Scene(10.0, event), Scene(10.0 + seconds, event), speed) == wait


def test_an_offset_is_told_in_hours_minutes_and_seconds() -> None:
    assert offset_words(3725.9) == "+1:02:05"
