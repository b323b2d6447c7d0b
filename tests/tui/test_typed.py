"""Keys that arrive together: what each of them acts on, and what it never acts on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import pytest
from textual import events
from textual.keys import _character_to_key
from textual.widgets import Input

from core.engine import Engine
from core.facade import PlanRequest
from core.plan import Plan
from tests.core.toy import ToyWorld
from tests.tui.test_screens import changes, screen_text, shows, toy, until
from tui.app import Console
from tui.screens.ask import Ask, AskText, TypeName
from tui.screens.base import Page
from tui.screens.find import FindPage
from tui.screens.history import HistoryPage
from tui.screens.log import LogPage
from tui.screens.plan import PlanPage
from tui.screens.run import RunPage
from tui.screens.start import StartPage
from tui.screens.text import TextPage
from tui.widgets.rowlist import RowList

__all__ = ["toy"]  # the fixture
NAMES = {"\x1b": "escape", "\r": "enter", "\t": "tab"}


def burst(app: Console, text: str) -> None:
    """Keys that a terminal sends in one piece: all of them are there before the first is looked at."""
    for character in text:
        key = NAMES.get(character) or (character if character.isalnum() else _character_to_key(character))
        app.post_message(events.Key(key, None if character in "\x1b\t" else character))


async def quiet(app: Console) -> None:
    """Until every key of the burst is done with."""
    await until(app, lambda: not app._typed and app._target is None and app.ready and not app._message_queue.qsize())


def filter_of(app: Console) -> str:
    """What stands in the filter of the page."""
    return app.screen.query_one("#needle", Input).value


async def planned(app: Console) -> None:
    """The plan of a backup is on the screen."""
    await until(app, lambda: shows(app, "[=] established"))
    burst(app, "b")
    await until(app, lambda: isinstance(app.screen, PlanPage) and shows(app, "WHAT WILL HAPPEN"))


PAGES: dict[str, Callable[[Console], Page | None]] = {
    "start": lambda app: None,
    "plan": lambda app: PlanPage(app.engine.plan(PlanRequest("backup", "toy")).result(20)),
    "run": lambda app: RunPage(),
    "log": lambda app: LogPage(),
    "history": lambda app: HistoryPage([]),
    "text": lambda app: TextPage("help", lambda: ["ready", "other"]),
}


@pytest.mark.parametrize("name", PAGES)
async def test_all_that_follows_the_key_of_the_filter_goes_into_the_filter(toy: tuple[Engine, ToyWorld], name: str) -> None:
    engine, world = toy
    app = Console(engine)
    async with app.run_test(size=(100, 30)):
        await until(app, lambda: shows(app, "[=] established"))
        page = PAGES[name](app)
        if page is not None:
            app.push_screen(page)
            await until(app, lambda: app.screen is page and app.ready)
        here = app.screen
        burst(app, "/readyqbtLx:?")
        await quiet(app)
        assert app.screen is here
        assert filter_of(app) == "readyqbtLx:?"
        assert changes(world) == []
        assert engine.running() == ()


async def test_a_word_for_the_filter_of_a_plan_starts_no_run(toy: tuple[Engine, ToyWorld]) -> None:
    engine, world = toy
    app = Console(engine)
    async with app.run_test(size=(100, 30)):
        await planned(app)
        burst(app, "/ready")
        await quiet(app)
        assert isinstance(app.screen, PlanPage)
        assert filter_of(app) == "ready"
        assert changes(world) == []


async def test_all_that_follows_the_key_of_the_finder_goes_into_the_finder(toy: tuple[Engine, ToyWorld]) -> None:
    engine, world = toy
    app = Console(engine)
    async with app.run_test(size=(100, 30)):
        await planned(app)
        burst(app, ":ready/b")
        await quiet(app)
        assert isinstance(app.screen, FindPage)
        assert filter_of(app) == "ready/b"
        assert changes(world) == []


@pytest.mark.parametrize("keys", ["ry", "ty", "r\ry", "ryyy"])
async def test_a_yes_that_was_typed_before_the_question_was_to_be_seen_is_no_answer(
    toy: tuple[Engine, ToyWorld], keys: str
) -> None:
    engine, world = toy
    app = Console(engine)
    async with app.run_test(size=(100, 30)):
        await planned(app)
        burst(app, keys)
        await quiet(app)
        assert isinstance(app.screen, Ask)
        assert engine.running() == ()
        assert changes(world) == []
        burst(app, "y")
        await until(app, lambda: isinstance(app.screen, RunPage))


async def test_escape_leaves_a_question_also_before_it_was_to_be_seen(toy: tuple[Engine, ToyWorld]) -> None:
    engine, _ = toy
    app = Console(engine)
    async with app.run_test(size=(100, 30)):
        await planned(app)
        burst(app, "r\x1b")
        await quiet(app)
        assert isinstance(app.screen, PlanPage)


async def test_a_yes_in_the_midst_of_a_word_is_no_answer(toy: tuple[Engine, ToyWorld]) -> None:
    engine, world = toy
    app = Console(engine)
    async with app.run_test(size=(100, 30)):
        await planned(app)
        burst(app, "r")
        await until(app, lambda: isinstance(app.screen, Ask) and app.ready)
        for letter in "eady":  # slowly, each after the question was drawn
            burst(app, letter)
            await quiet(app)
        assert shows(app, "e is no answer", "Esc")
        assert isinstance(app.screen, Ask)
        assert changes(world) == []
        burst(app, "\x1bry")
        await quiet(app)
        burst(app, "y")
        await until(app, lambda: shows(app, "The run has ended: ok"))


async def test_a_name_that_was_typed_before_its_question_was_to_be_seen_starts_nothing(toy: tuple[Engine, ToyWorld]) -> None:
    app = Console(toy[0])
    said: list[str | None] = []
    async with app.run_test(size=(100, 30)):
        await until(app, lambda: shows(app, "[=] established"))
        app.push_screen(TypeName("BCV -> STD", "toy"), said.append)
        burst(app, "\ttoy\r")
        await quiet(app)
        assert isinstance(app.screen, TypeName)
        assert app.screen.query_one("#name", Input).value == ""
        assert said == []
        burst(app, "\ttoy\r")
        await quiet(app)
        assert said == ["toy"]


async def test_a_line_that_is_asked_for_takes_nothing_that_was_typed_before_it(toy: tuple[Engine, ToyWorld]) -> None:
    app = Console(toy[0])
    said: list[str | None] = []
    async with app.run_test(size=(100, 30)):
        await until(app, lambda: shows(app, "[=] established"))
        app.push_screen(AskText("Why?", "a reason"), said.append)
        burst(app, "\tbecause\r")
        await quiet(app)
        assert said == []
        burst(app, "\tbecause\r")
        await quiet(app)
        assert said == ["because"]


async def test_a_plan_that_comes_while_a_filter_is_typed_waits_until_that_is_over(
    toy: tuple[Engine, ToyWorld], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, world = toy
    app = Console(engine)
    async with app.run_test(size=(100, 30)):
        await until(app, lambda: shows(app, "[=] established"))
        plan = engine.plan(PlanRequest("backup", "toy")).result(20)
        answer: Future[Plan] = Future()
        monkeypatch.setattr(engine, "plan", lambda request: answer)
        burst(app, "b/dr")
        await quiet(app)
        answer.set_result(plan)
        await until(app, lambda: shows(app, "it opens when the filter line is left"))
        burst(app, "y")
        await quiet(app)
        assert isinstance(app.screen, StartPage)
        assert filter_of(app) == "dry"
        burst(app, "\r")
        await until(app, lambda: isinstance(app.screen, PlanPage))
        assert changes(world) == []


async def test_keys_of_one_burst_are_done_in_their_order_across_pages(toy: tuple[Engine, ToyWorld]) -> None:
    app = Console(toy[0])
    async with app.run_test(size=(100, 30)):
        await until(app, lambda: shows(app, "[=] established"))
        burst(app, "L/discover\r\x1b\x1bH\x1b/7902C\r")
        await quiet(app)
        assert isinstance(app.screen, StartPage)
        assert filter_of(app) == "7902C"
        assert isinstance(app.focused, RowList)
        assert shows(app, "7902C000")
        assert "7902D000" not in screen_text(app).split("set/")[0].split("Hosts")[0]
