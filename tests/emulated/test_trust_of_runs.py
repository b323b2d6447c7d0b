"""Runs that come from elsewhere, or were half taken back: what is believed of them, and what is asked before they go on."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import ConfigError, Refused
from core.events import Outcome
from core.facade import PlanRequest
from core.journalfile import _sum
from core.rebuild import packed, unpacked
from core.settings import PostPolicy
from tests.emulated.bench import Bench, bench
from tests.emulated.consoles import console
from tests.emulated.crashes import Fate, Point, bury, doomed_engine, finished, wait_until
from tests.emulated.scenes import scene
from tests.emulated.test_survive import NAME, die_at, run


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Bench]:
    """The family linux-web with its mirrors established."""
    with bench(tmp_path, (NAME,)) as made:
        assert made.run(PlanRequest("establish", NAME)).exit_code == 0
        yield made


DOWN = PlanRequest("backup", NAME, post_policy=PostPolicy.LEAVE_DOWN)


def test_a_plan_whose_commands_were_changed_is_not_taken_up(web: Bench, tmp_path: Path) -> None:
    number = die_at(web, "attach", Point.AFTER_INTENT)
    head, first, *rest, _ = web.engine.export_run(number).result().splitlines()
    row = json.loads(first)
    step = next(s for s in row["body"]["plan"]["steps"] if s["command"] is not None)
    step["command"]["text"] += "rm -rf /\n"
    lines = [json.dumps(row, sort_keys=True, ensure_ascii=True), *rest]
    forged = "\n".join([head, *lines, _sum(lines)]) + "\n"
    family = web.family(NAME)
    key = next(json.loads(line)["body"]["run_key"] for line in rest if "run_key" in line)
    path = f"/var/tmp/splitmount/runs/{key}/plan-{number:04d}"
    body = dict(unpacked(web.running.do(lambda: family.target.root.read_file(path)).decode(), "x"))
    assert zlib.decompress(base64.b64decode("".join(packed(body).split())))
    body["plan"]["steps"][-1]["command"]["text"] += "rm -rf /\n"
    web.running.do(lambda: family.target.root.write_file(path, packed(body).encode()))
    with console(web, tmp_path / "other") as other:
        with pytest.raises(ConfigError, match="digest"):
            other.import_run(forged).result()
        with pytest.raises(Refused, match="digest"):
            other.rebuild_runs(NAME, key).result()
        assert other.history().result() == []


def test_a_restore_goes_on_only_by_its_typed_name_until_it_overwrites(web: Bench) -> None:
    assert web.run(DOWN).exit_code == 0
    number = die_at(web, "lock-webdr", Point.BEFORE_OUTCOME, PlanRequest("restore", NAME))
    account = web.engine.account(number).result()
    assert account.confirm == NAME
    assert any("restore" in text for text in account.still_to_send)
    for typed in ("", "linux"):
        with pytest.raises(Refused, match="typed"):
            web.engine.resume(number, confirmed=typed).result()
    assert finished(web.engine, web.engine.resume(number, confirmed=NAME).result()).outcome is Outcome.OK


def test_an_establish_that_was_sent_is_not_called_taken_back(web: Bench) -> None:
    assert web.run(DOWN).exit_code == 0
    number = die_at(web, "establish", Point.AFTER_END, PlanRequest("establish", NAME))
    with pytest.raises(Refused, match=r"cannot be taken back.*is gone.*--resume"):
        web.plan(PlanRequest("undo", NAME, run=number))
    assert "is gone" in web.engine.account(number).result().undo
    assert finished(web.engine, web.engine.resume(number).result()).outcome is Outcome.OK


def test_a_crash_while_a_run_is_taken_back_is_taken_back_again_and_never_resumed(web: Bench) -> None:
    before = scene(web, web.family(NAME))
    number = die_at(web, "backup", Point.AFTER_INTENT)
    step = next(s.id for s in web.plan(PlanRequest("undo", NAME, run=number)).steps if s.id.startswith("undo-mount"))
    second = die_at(web, step, Point.AFTER_END, PlanRequest("undo", NAME, run=number))
    assert [a.run for a in web.engine.unfinished().result()] == [number, second]
    with pytest.raises(Refused, match=f"run {second} began to take it back"):
        web.engine.resume(number).result()
    assert run(web.engine, PlanRequest("undo", NAME, run=number)) is Outcome.OK
    assert web.engine.unfinished().result() == ()
    assert scene(web, web.family(NAME), mirrors=False).states == before.states
    assert scene(web, web.family(NAME)).mounts == before.mounts


def test_the_taking_back_that_a_crash_stopped_can_itself_be_resumed(web: Bench) -> None:
    number = die_at(web, "backup", Point.AFTER_INTENT)
    step = next(s.id for s in web.plan(PlanRequest("undo", NAME, run=number)).steps if s.id.startswith("undo-mount"))
    second = die_at(web, step, Point.DURING, PlanRequest("undo", NAME, run=number))
    assert finished(web.engine, web.engine.resume(second).result()).outcome is Outcome.OK
    assert web.engine.unfinished().result() == ()
    assert web.family(NAME).target.mounts == {}


def test_a_crash_inside_a_run_that_was_resumed_is_resumed_again(web: Bench) -> None:
    number = die_at(web, "import-web-data", Point.DURING)
    fate = Fate("backup", Point.DURING, kill=True)
    engine, _ = doomed_engine(web, fate)
    engine.resume(number).result()
    wait_until(lambda: fate.fired or not engine.running())
    assert fate.fired
    bury(engine, fate)
    assert finished(web.engine, web.engine.resume(number).result()).outcome is Outcome.OK
    assert web.family(NAME).target.mounts == {}
    assert web.estate.array.done["split"] == 1


def test_a_failback_that_its_console_left_is_imported_beside_its_takeover_and_goes_on(web: Bench, tmp_path: Path) -> None:
    assert web.run(DOWN).exit_code == 0
    family = web.family(NAME)
    web.switch(f"host-lost@{family.source.name}")
    took = web.plan(PlanRequest("takeover", NAME))
    first = web.engine.start(took, confirmed=NAME).result()
    assert web.finish(first).exit_code == 0
    web.switch(f"host-lost@{family.source.name}")
    with console(web, tmp_path / "other") as other:
        other.import_run(web.engine.export_run(first).result()).result()
        step = next(s.id for s in web.plan(PlanRequest("failback", NAME)).steps if s.id.startswith("undo-mount"))
        number = die_at(web, step, Point.AFTER_END, PlanRequest("failback", NAME))
        text = web.engine.export_run(number).result()
        taken = other.import_run(text).result()
        with pytest.raises(ConfigError, match="knows the run"):
            other.import_run(text).result()
        assert other.account(taken).result().operation == "failback"
