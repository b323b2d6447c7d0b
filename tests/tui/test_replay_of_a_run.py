"""A run is shown once more, as lines and on the screen, and nothing whatever is sent by that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine import Engine
from core.errors import ConfigError
from core.facade import PlanRequest
from tests.core.toy import ToyWorld
from tests.tui.test_screens import changes, shows, until
from tests.tui.toyengine import followed, toy_engine
from tui.app import Console
from tui.arguments import parser
from tui.keys import KEYS
from tui.playing import play, show
from tui.screens.history import HistoryPage, ReplayPage
from tui.screens.run import RunPage


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[tuple[Engine, ToyWorld]]:
    """A world in which one backup has ended well; what was sent for it is forgotten."""
    engine, world = toy_engine(tmp_path)
    assert followed(engine, engine.plan(PlanRequest("backup", "toy")).result()).exit_code == 0
    world.sent.clear()
    yield engine, world
    engine.close()


def played(engine: Engine, *words: str) -> int:
    return play(parser().parse_args(["history", *words, "--play"]), engine)


def test_the_lines_have_each_step_with_its_offset_its_state_and_what_was_noted(
    toy: tuple[Engine, ToyWorld], capsys: pytest.CaptureFixture[str]
) -> None:
    engine, world = toy
    assert played(engine, "1", "--speed", "0") == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"REPLAY of run 1: backup of toy, begun .* UTC; nothing runs", lines[0])
    steps = [line for line in lines if re.match(r"\+0:00:\d\d  \d+/\d+ \[\w+\] .*: ok \d+\.\d s", line)]
    plan = engine.played(1).result()[0].event.plan  # type: ignore[union-attr]
    assert len(steps) == len(plan.steps)
    assert any(re.match(r"    \| .* = ", line) for line in lines)
    assert any(line.startswith("run 1: ok (exit 0)") for line in lines)
    assert world.sent == []


def test_a_run_without_an_end_ends_with_what_is_unknown(
    toy: tuple[Engine, ToyWorld], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = toy[0].played(1).result()
    cut = next(n for n, s in enumerate(whole) if getattr(s.event, "step", "") == "split") + 1
    show(whole[:cut], 0)
    *_, unknown, last = capsys.readouterr().out.splitlines()
    assert re.search(r"split: UNKNOWN, no outcome is recorded$", unknown)
    assert last.endswith("the journal has no end of this run")


def test_a_replay_takes_the_time_that_its_speed_asks_for(toy: tuple[Engine, ToyWorld], monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("tui.playing.time.sleep", slept.append)
    whole = toy[0].played(1).result()
    show(whole, 2.0)
    assert sum(slept) == pytest.approx(whole[-1].offset / 2, abs=0.01)


def test_as_json_every_scene_says_what_it_is(toy: tuple[Engine, ToyWorld], capsys: pytest.CaptureFixture[str]) -> None:
    assert played(toy[0], "1", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert (rows[0]["kind"], rows[0]["offset"], rows[-1]["kind"]) == ("RunStarted", 0.0, "RunEnded")


@pytest.mark.parametrize("speed", ["-1", "nan", "inf", "fast"])
def test_a_speed_that_is_none_is_refused(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["history", "1", "--play", f"--speed={speed}"])
    assert "a number from 0 on is wanted" in capsys.readouterr().err


def test_which_run_must_be_said(toy: tuple[Engine, ToyWorld]) -> None:
    with pytest.raises(ConfigError, match="say which run"):
        played(toy[0])


async def test_from_the_history_a_run_is_played_on_the_screen_and_cannot_be_taken_for_a_real_one(
    toy: tuple[Engine, ToyWorld],
) -> None:
    engine, world = toy
    app = Console(engine)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(app, lambda: shows(app, "established") or shows(app, "split"))
        await pilot.press("H")
        await until(app, lambda: shows(app, "history: 1 runs", "run 1", "toy  backup  ok"))
        await pilot.press("p")
        await until(app, lambda: shows(app, "REPLAY, nothing runs", "RUN 1  backup of toy", "speed x1"))
        await pilot.press("p", "f")
        await until(app, lambda: shows(app, "held", "speed x2"))
        await pilot.press("n", "a", "x", "r", "y")  # what would go on with, stop or start a run
        await pilot.press("e")
        await until(app, lambda: shows(app, "REPLAY, nothing runs", "the end; Esc goes back", "exit 0"))
        await pilot.press("escape")
        await until(app, lambda: isinstance(app.screen, HistoryPage))
        assert app.state.run is None
    assert changes(world) == []
    assert len(engine.history().result()) == 1


def test_no_action_of_a_replay_is_one_of_a_run() -> None:
    acts = {key.action.split("(")[0] for key in KEYS if key.screen == "run"} - {"back"}
    assert {a for a in acts if hasattr(ReplayPage, f"action_{a}")} == set()
    assert all(hasattr(RunPage, f"action_{a}") for a in acts)
    assert "engine" not in " ".join(ReplayPage.action_hold.__code__.co_names + ReplayPage.action_finish.__code__.co_names)
