"""The drift since the kept map where a person looks: the set on the screen, `inspect`, and the notes of a plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine import Engine
from core.events import SetMeasured
from core.facade import PlanRequest
from tests.core.toy import ToyWorld
from tests.tui.test_screens import shows, until
from tests.tui.toyengine import followed, toy_engine
from tui.app import Console
from tui.outline import set_lines
from tui.plain import json_text


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[tuple[Engine, ToyWorld]]:
    engine, world = toy_engine(tmp_path)
    yield engine, world
    engine.close()


def measured(engine: Engine) -> SetMeasured:
    engine.measure_set("toy").result()
    return next(e for e in engine.drain() if isinstance(e, SetMeasured))


def test_inspect_and_json_tell_each_difference_since_the_map(toy: tuple[Engine, ToyWorld]) -> None:
    engine, world = toy
    assert "  no kept map" in set_lines(engine.settings, measured(engine))
    assert followed(engine, engine.plan(PlanRequest("map", "toy")).result()).exit_code == 0
    assert [line for line in set_lines(engine.settings, measured(engine)) if line.startswith("  as the map of ")]
    world.seqno += 2
    lines = set_lines(engine.settings, measured(engine))
    assert any(": 1 (group written vgdata)" in line for line in lines)
    assert "    GROUP_WRITTEN vgdata: was sequence number 7; is sequence number 9" in lines
    drift = json.loads(json_text(measured(engine)))["drift"]
    assert drift["differences"][0] | {"was": "", "now": ""} == {
        "code": "GROUP_WRITTEN",
        "subject": "vgdata",
        "was": "",
        "now": "",
    }


def test_every_plan_says_before_its_run_how_the_set_stands_to_its_map(toy: tuple[Engine, ToyWorld]) -> None:
    engine, world = toy
    for operation in ("backup", "split", "map"):
        assert "no kept map" in engine.plan(PlanRequest(operation, "toy")).result().summary
    followed(engine, engine.plan(PlanRequest("map", "toy")).result())
    world.seqno += 1
    assert any("group written vgdata" in told for told in engine.plan(PlanRequest("backup", "toy")).result().summary)


async def test_the_set_in_the_console_shows_its_drift(toy: tuple[Engine, ToyWorld]) -> None:
    app = Console(toy[0])
    async with app.run_test(size=(160, 40)) as pilot:
        await until(app, lambda: shows(app, "[=] established", "no kept map"))
        await pilot.press("m")
        await until(app, lambda: shows(app, "PLAN", "no kept map"))
        await pilot.press("r")
        await until(app, lambda: shows(app, "Cancel"))
        await pilot.press("y")
        await until(app, lambda: shows(app, "The run has ended: ok"))
        await pilot.press("escape")
        await until(app, lambda: shows(app, "as the map of "))
        toy[1].seqno += 1
        await pilot.press("r")
        await until(app, lambda: shows(app, "DRIFT 1", "drift since the map of", "group written"))
