"""The table of keys: no key of a screen does two things, a person's own keys count everywhere, and the docs are made from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine import Engine
from core.errors import ConfigError
from tests.tui.test_screens import screen_text, shows, until
from tests.tui.toyengine import toy_engine
from tui.app import Console
from tui.keys import FIRST, KEYS, clashes, document, help_lines, keymap_of, of_page
from tui.look import Look, look_of, parse_look
from tui.screens.find import FindPage
from tui.screens.start import StartPage
from tui.screens.text import TextPage
from tui.widgets.keyline import placed
from tui.widgets.rowlist import RowList

DOC = Path(__file__).parents[2] / "docs" / "keys.md"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made, _ = toy_engine(tmp_path)
    yield made
    made.close()


def test_no_key_of_a_screen_does_two_things() -> None:
    twice = {(screen, key) for screen in {k.screen for k in KEYS} for key in clashes(screen, {})}
    assert twice == {("text", "q")}  # closes the page, and not the console


def test_every_action_has_a_name_of_its_own() -> None:
    assert len({key.id for key in KEYS}) == len(KEYS)


def test_the_page_of_keys_in_the_docs_is_the_table() -> None:
    assert DOC.read_text().splitlines() == document()


@pytest.mark.parametrize("screen", sorted({k.screen for k in KEYS} - {"everywhere", "list"}))
def test_the_footer_of_every_page_fits_eighty_columns_and_begins_with_help(screen: str) -> None:
    line = placed([(key, "Ctrl+P", True) for key in of_page(screen)], 80)
    assert line[0].key.action == "app.help"
    assert [p.key.action for p in line][1] == FIRST[1]
    assert line[-1].key.action == "app.leave"
    assert line[-1].at + line[-1].width <= 80


def test_other_keys_that_would_do_two_things_are_refused_by_name() -> None:
    assert keymap_of({"start.backup": "ctrl+b", "list.up": "up, w"}) == ({"start.backup": "ctrl+b", "list.up": "up,w"}, [])
    _, wrong = keymap_of({"start.backup": "s", "start.nonsense": "x"})
    assert wrong == ["start.nonsense: there is no such action; docs/keys.md lists them", "s would do two things on start"]
    with pytest.raises(ConfigError, match=r"(?s)console.yaml.*s would do two things"):
        parse_look("keys: {start.backup: s}", Path("console.yaml"))


def test_what_is_wrong_in_the_file_of_looks_is_told_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_look("theme: pink\nwatch: 1\nascii: perhaps\ncolour: true", Path("console.yaml"))
    assert all(word in str(caught.value) for word in ("theme: one of", "watch: 0", "ascii: bool", "colour: unknown"))
    with pytest.raises(ConfigError, match="this is no YAML"):
        parse_look("{", Path("console.yaml"))


def test_the_terminal_and_the_command_line_go_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "console.yaml"
    file.write_text("theme: light\nmouse: false\n")
    assert look_of({}, file) == Look("light", mouse=False)
    assert look_of({"TERM": "linux"}, file) == Look("16-colours", ascii=True, mouse=False)
    assert not look_of({"NO_COLOR": "1"}, file).color
    assert look_of({"NO_COLOR": ""}, file).color
    assert look_of({}, file, theme="dark", ascii=None) == Look("dark", mouse=False)


async def test_another_key_does_it_and_stands_in_footer_and_help_and_the_old_one_does_not(engine: Engine) -> None:
    app = Console(engine, look=Look(keys={"start.history": "f5", "everywhere.help": "f1"}))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(app, lambda: shows(app, "f1 Help", "7902C000"))
        await pilot.press("H", "question_mark")
        assert isinstance(app.screen, StartPage)
        await pilot.press("f5")
        await until(app, lambda: shows(app, "There was no run"))
    assert any("f5" in line and "History" in line for line in help_lines(app.changed_keys))


@pytest.mark.parametrize("key", ["colon", "ctrl+p"])
async def test_a_command_is_found_by_its_name(engine: Engine, key: str) -> None:
    app = Console(engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, lambda: shows(app, "7902C000"))
        await pilot.press(key, *"backup", "enter")
        await until(app, lambda: shows(app, "nothing was done yet"))


async def test_what_is_greyed_cannot_be_taken_from_the_finder_either(tmp_path: Path) -> None:
    engine, _ = toy_engine(tmp_path, read_only=True)
    app = Console(engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, lambda: shows(app, "7902C000"))
        await pilot.press("b")
        await until(app, lambda: shows(app, "nothing was done yet"))
        await pilot.press("colon", *"run the plan to its end", "enter")
        await pilot.pause()
        assert isinstance(app.screen, FindPage)
        assert shows(app, "(not now)")
    engine.close()


@pytest.mark.parametrize("words", ["7902D000", "/srv/data", "vgdata", "mgmt", "toy"])
async def test_a_serial_a_mount_point_a_group_a_host_a_set_is_gone_to_from_any_page(engine: Engine, words: str) -> None:
    app = Console(engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, lambda: shows(app, "7902C000", "7902D000"))
        await pilot.press("h", "h", "left", "b")
        await until(app, lambda: shows(app, "nothing was done yet"))
        await pilot.press("colon", *words)
        assert isinstance(app.screen, FindPage)
        rows = app.screen.query_one(RowList)
        while rows.row is not None and not rows.row.id.startswith("at/"):
            await pilot.press("down")
        await pilot.press("enter")
        await until(app, lambda: isinstance(app.screen, StartPage))
        row = app.screen.query_one(RowList).row
        assert row is not None
        assert words in row.text


async def test_every_list_is_filtered_and_escape_clears_before_it_leaves(engine: Engine) -> None:
    app = Console(engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(app, lambda: shows(app, "7902C000"))
        await pilot.press("b")
        await until(app, lambda: shows(app, "nothing was done yet"))
        await pilot.press("slash", *"thaw", "enter")
        await until(app, lambda: not shows(app, "WHAT WILL HAPPEN"))
        assert "haw" in screen_text(app)
        await pilot.press("escape")
        await until(app, lambda: shows(app, "WHAT WILL HAPPEN", "nothing was done yet"))
        await pilot.press("question_mark")
        await pilot.press("slash", *"rehearse", "enter")
        await until(app, lambda: shows(app, "leaves nothing behind") and not shows(app, "one page down"))
        await pilot.press("escape", "escape")
        await until(app, lambda: not isinstance(app.screen, TextPage))


async def test_the_way_to_a_page_stands_before_its_title_where_there_is_room(engine: Engine) -> None:
    app = Console(engine)
    async with app.run_test(size=(160, 30)) as pilot:
        await until(app, lambda: shows(app, "7902C000"))
        await pilot.press("b")
        await until(app, lambda: shows(app, "estate > PLAN  backup of toy"))
