"""The console on the real engine and the toy world: what is shown, what a key does, and what it never does."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual.widgets import Input

from core.engine import Engine
from core.events import RunStarted
from core.facade import PlanRequest
from core.model import PairState
from core.settings import PostPolicy
from core.transport import Command, Effect
from tests.core.toy import PAIRS, ToyWorld
from tests.tui.toyengine import toy_engine
from tui.app import Console, gone
from tui.keys import KEYS, help_lines
from tui.screens.run import RunPage
from tui.view import fold
from tui.widgets.rowlist import RowList

SIZES = [(80, 24), (160, 48)]


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[tuple[Engine, ToyWorld]]:
    engine, world = toy_engine(tmp_path)
    yield engine, world
    engine.close()


def screen_text(app: Console) -> str:
    """The screen as plain text."""
    return "\n".join("".join(s.text for s in strip) for strip in app.screen._compositor.render_strips(app.size))


async def until(app: Console, true: Callable[[], bool]) -> None:
    """Wait until something holds on the screen; what is there is told when it does not come."""
    try:
        async with asyncio.timeout(20):
            while not true():
                await asyncio.sleep(0.01)
                app.beat()
    except TimeoutError:
        pytest.fail(f"this is on the screen after 20 s:\n{screen_text(app)}")


def shows(app: Console, *words: str) -> bool:
    text = screen_text(app)
    return all(word in text for word in words)


def changes(world: ToyWorld) -> list[Command]:
    return [c for c in world.sent if c.effect is Effect.CHANGE]


@pytest.mark.parametrize("size", SIZES)
async def test_the_start_page_shows_every_standard_with_its_state_in_words(
    toy: tuple[Engine, ToyWorld], size: tuple[int, int]
) -> None:
    app = Console(toy[0])
    async with app.run_test(size=size):
        await until(app, lambda: shows(app, "[=] established", "7902C000", "7902D000", "vgdata", "discover source"))


async def test_an_unpaired_standard_cannot_be_overlooked(toy: tuple[Engine, ToyWorld]) -> None:
    engine, _ = toy
    one = engine.settings.sets["toy"]
    object.__setattr__(one, "pairs", PAIRS[:1])
    app = Console(engine)
    async with app.run_test(size=(120, 36)):
        await until(app, lambda: shows(app, "[-] UNPAIRED", "ERRORS"))


@pytest.mark.parametrize("size", SIZES)
async def test_a_backup_by_keys_from_plan_to_end(toy: tuple[Engine, ToyWorld], size: tuple[int, int]) -> None:
    engine, world = toy
    app = Console(engine)
    async with app.run_test(size=size) as pilot:
        await until(app, lambda: shows(app, "[=] established"))
        await pilot.press("b")
        await until(app, lambda: shows(app, "PLAN", "nothing was done yet", "WHAT WILL HAPPEN"))
        await pilot.press("down", "down")
        await until(app, lambda: shows(app, "What it does"))
        assert changes(world) == []
        await pilot.press("r")
        await until(app, lambda: shows(app, "Cancel"))
        await pilot.press("y")
        await until(app, lambda: shows(app, "The run has ended: ok", "exit 0"))
        await pilot.press("escape")
        await until(app, lambda: shows(app, "[/] split") or shows(app, "[=] established"))
    assert world.thawed == 1


async def test_enter_never_starts_a_run(toy: tuple[Engine, ToyWorld]) -> None:
    engine, world = toy
    app = Console(engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, lambda: shows(app, "[=] established"))
        await pilot.press("enter", "enter", "b")
        await until(app, lambda: shows(app, "nothing was done yet"))
        await pilot.press("enter", "enter", "r")
        await until(app, lambda: shows(app, "Cancel"))
        await pilot.press("enter")
        await until(app, lambda: shows(app, "nothing was done yet"))
        assert changes(world) == []
        assert engine.running() == ()


async def test_a_refusal_is_a_page_that_says_why_and_that_nothing_was_changed(toy: tuple[Engine, ToyWorld]) -> None:
    engine, world = toy
    world.states[PAIRS[0]] = PairState.SPLIT
    world.splits[PAIRS[0]] = "x-1"
    app = Console(engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, lambda: shows(app, "[/] split"))
        await pilot.press("b")
        await until(app, lambda: shows(app, "REFUSED", "mixed", "Nothing was changed"))
        await pilot.press("escape")
        await until(app, lambda: shows(app, "[/] split"))


async def test_step_by_step_waits_before_each_step(toy: tuple[Engine, ToyWorld]) -> None:
    engine, _ = toy
    app = Console(engine)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(app, lambda: shows(app, "[=] established"))
        await pilot.press("b")
        await until(app, lambda: shows(app, "nothing was done yet"))
        await pilot.press("t")
        await until(app, lambda: shows(app, "Cancel"))
        await pilot.press("y")
        await until(app, lambda: shows(app, "Waiting for you"))
        await pilot.press("n")
        await until(app, lambda: app.state.run is not None and app.state.run.paused == "lock-mgmt")
        await pilot.press("x")
        await until(app, lambda: shows(app, "The run has ended: stopped"))


async def test_a_run_whose_preview_was_closed_at_once_leads_back_to_the_first_page(toy: tuple[Engine, ToyWorld]) -> None:
    engine, _ = toy
    app = Console(engine)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(app, lambda: shows(app, "[=] established"))
        app.start(await asyncio.wrap_future(engine.plan(PlanRequest("split", "toy"))), stepwise=False)
        await until(app, lambda: shows(app, "The run has ended"))
        await pilot.press("escape")
        await until(app, lambda: shows(app, "Hosts", "Take over"))


async def test_a_page_that_is_drawn_before_all_of_it_is_there_is_drawn_later(toy: tuple[Engine, ToyWorld]) -> None:
    engine, _ = toy
    app = Console(engine)
    async with app.run_test(size=(120, 36)):
        await until(app, lambda: shows(app, "[=] established"))
        plan = await asyncio.wrap_future(engine.plan(PlanRequest("split", "toy")))
        for _ in range(5):
            app.state = fold(app.state, RunStarted(1, datetime.now(UTC), plan))
            app.push_screen(page := RunPage())
            while not page.is_mounted:
                app.redraw()
                await asyncio.sleep(0)
            await until(app, lambda: shows(app, "RUN 1", "working ..."))
            await app.pop_screen()


async def test_quitting_during_a_run_asks_and_enter_keeps_watching(toy: tuple[Engine, ToyWorld]) -> None:
    engine, world = toy
    hold = threading.Event()

    def wait(command: Command) -> None:
        if command.title == "active vgdata":
            hold.wait(15)

    world.before = wait
    app = Console(engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, lambda: shows(app, "[=] established"))
        await pilot.press("b")
        await until(app, lambda: shows(app, "nothing was done yet"))
        await pilot.press("r")
        await until(app, lambda: shows(app, "Cancel"))
        await pilot.press("y")
        await until(app, lambda: app.state.run is not None and app.state.run.current == "active-vgdata")
        await pilot.press("q")
        await until(app, lambda: shows(app, "A run is under way", "Keep watching"))
        await pilot.press("enter")
        await until(app, lambda: not shows(app, "A run is under way"))
        assert app.is_running
        await pilot.press("q")
        await until(app, lambda: shows(app, "A run is under way"))
        await pilot.press("s")
        hold.set()
    engine.close()
    assert not world.frozen
    assert list((world.root / "target").iterdir()) == []


async def test_read_only_greys_the_start_of_a_run_and_says_so(tmp_path: Path) -> None:
    engine, world = toy_engine(tmp_path, read_only=True)
    app = Console(engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, lambda: shows(app, "[=] established", "read-only"))
        await pilot.press("b")
        await until(app, lambda: shows(app, "nothing was done yet"))
        await pilot.press("r")
        await pilot.press("y")
        await pilot.pause()
        assert not shows(app, "Cancel")
        assert changes(world) == []
    engine.close()


async def test_the_filter_keeps_what_a_hit_belongs_to(toy: tuple[Engine, ToyWorld]) -> None:
    app = Console(toy[0])
    async with app.run_test(size=(120, 36)) as pilot:
        await until(app, lambda: shows(app, "7902C000", "7902D000"))
        await pilot.press("slash")
        await until(app, lambda: isinstance(app.focused, Input))
        await pilot.press(*"7902D", "enter")
        await until(app, lambda: not any("7902C000" in row for row in listed(app)))  # beside the list stands what it will
        assert any("7902D000" in row for row in listed(app))
        assert any("vgdata" in row for row in listed(app))


def listed(app: Console) -> list[str]:
    """The rows that the list shows."""
    return [row.text for row in app.screen.query_one(RowList).shown]


async def test_a_small_terminal_gets_a_message_and_a_larger_one_the_page_again(toy: tuple[Engine, ToyWorld]) -> None:
    app = Console(toy[0])
    async with app.run_test(size=(50, 12)) as pilot:
        await until(app, lambda: shows(app, "too small"))
        await pilot.resize_terminal(80, 24)
        await until(app, lambda: not shows(app, "too small") and shows(app, "vgdata"))


async def test_help_lists_every_key(toy: tuple[Engine, ToyWorld]) -> None:
    app = Console(toy[0])
    async with app.run_test(size=(120, 50)) as pilot:
        await pilot.press("question_mark")
        await until(app, lambda: shows(app, "help: every key", "Step by step"))
    assert all(any(k.help in line for line in help_lines()) for k in KEYS)


async def test_a_run_that_its_console_left_is_told_and_taken_up_by_two_keys(toy: tuple[Engine, ToyWorld]) -> None:
    engine, world = toy
    await leave_a_run(engine, world)
    app = Console(engine)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(app, lambda: shows(app, "RUN_WITHOUT_END"))
        await pilot.press("u")
        await until(app, lambda: shows(app, "RUN 1 HAS NO END") and shows(app, "UNKNOWN"))
        await pilot.press("r")
        await until(app, lambda: shows(app, "nothing is sent twice"))
        await pilot.press("enter")
        await until(app, lambda: shows(app, "RUN 1 HAS NO END"))
        await pilot.press("r")
        await until(app, lambda: shows(app, "nothing is sent twice"))
        await pilot.press("y")
        await until(app, lambda: shows(app, "The run has ended: ok"))
    assert [c.title for c in world.sent].count("split") == 1


async def leave_a_run(engine: Engine, world: ToyWorld) -> None:
    """A run in the journal whose console died between the split and the thaw."""
    plan = await asyncio.wrap_future(engine.plan(PlanRequest("backup", "toy", post_policy=PostPolicy.UP)))
    number = await asyncio.wrap_future(engine.start(plan))
    while engine.running():  # noqa: ASYNC110  the engine has a thread and a loop of its own
        await asyncio.sleep(0.01)
    with sqlite3.connect(engine.settings.state_dir / "journal.db") as db:
        (cut,) = db.execute(
            "SELECT seq FROM records WHERE run = ? AND step = 'split' AND kind = 'intent'", (number,)
        ).fetchone()
        mark = "SELECT json_extract(body, '$.value') FROM records WHERE json_extract(body, '$.bound') = 'split_id'"
        (split_id,) = db.execute(mark).fetchone()
        db.execute("DELETE FROM records WHERE seq > ?", (cut,))
    for pair in PAIRS:
        world.states[pair], world.splits[pair] = PairState.SPLIT, split_id
    for job in (engine.settings.state_dir.parent / "work" / "runs").glob(f"*/{number:04d}-*"):
        if job.name.split("-", 1)[1] not in {"lock-target", "lock-mgmt", "deposit-plan", "keep-map"}:
            shutil.rmtree(job)


def test_a_terminal_that_was_closed_is_noticed() -> None:
    ours, theirs = os.openpty()
    assert not gone(theirs)
    os.close(ours)
    assert gone(theirs)
    os.close(theirs)
