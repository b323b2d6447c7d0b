"""Find anything: a command of the page by its name, or a set, host, device serial, volume or mount point by its letters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from textual.app import ComposeResult
from textual.widgets import Input, Static

from core.settings import Settings
from tui.keys import KEYS, Changed, bindings, names_of
from tui.rows import DIM, GLANCE, HEAD, Row, estate_rows
from tui.screens.base import Page, put
from tui.view import ViewState
from tui.widgets.rowlist import RowList

DO, AT = "do/", "at/"


@dataclass(frozen=True, slots=True)
class Found:
    """What was taken: an action of the page below, or (with no action) a row of the first page."""

    row: Row
    action: str = ""


def command_rows(page: Page, changed: Changed) -> Iterator[Row]:
    """What can be done on the page, each with its key; what cannot be done now is dim and cannot be taken."""
    for number, key in enumerate(KEYS):
        if key.screen in (page.SHEET, "everywhere") and key.action not in ("app.find", "back"):
            can = key.action.startswith("app.") or page.check_action(key.action.split("(")[0], ()) is True
            text = f"{key.label:<16} {names_of(key, changed):<10} {'' if can else '(not now) '}{key.help}"
            yield Row(f"{DO}{number}", 1, text, "" if can else DIM, "commands")


def place_rows(state: ViewState, settings: Settings, now: datetime) -> Iterator[Row]:
    """Every set, host, group, device, volume and mount point, with what it belongs to."""
    names: dict[str, str] = {}
    for row in estate_rows(state, settings, now):
        if row.depth and not row.id.endswith(f"/{GLANCE}"):
            name = row.id.removeprefix(f"{row.parent}/").removeprefix("set/").removeprefix("host/")
            names[row.id] = f"{names[row.parent]} > {name}" if row.parent in names else name
            yield Row(f"{AT}{row.id}", 1, f"{row.text}  in {names[row.id]}", "", "places", about=row.about)


class FindPage(Page):
    """A line for letters, and what has them."""

    BINDINGS = bindings("find")
    SHEET = "find"

    def __init__(self, page: Page) -> None:
        """`page` is the one whose commands are offered."""
        super().__init__()
        self._page = page

    def compose(self) -> ComposeResult:
        """The line on top."""
        yield Static(id="title")
        yield Input(placeholder="letters of a command, set, host, serial, volume or mount point", id="needle")
        yield RowList(id="found")
        yield self.too_small()
        yield self.key_line()

    def heading(self) -> str:
        """What this is for."""
        return "find"

    def opened(self) -> None:
        """Everything is offered; the line has the keys."""
        app = self.console_app
        put(self.query_one("#title", Static), self.title_line())
        places = place_rows(app.state, app.engine.settings, app.clock())
        commands = command_rows(self._page, app.changed_keys)
        rows = [Row("commands", 0, "Commands", HEAD), *commands, Row("places", 0, "Places", HEAD), *places]
        self.query_one(RowList).show(rows, follow=next(row.id for row in rows if row.depth))
        self.query_one("#needle", Input).focus()

    def narrow(self, needle: str) -> None:
        """The cursor goes to the first hit."""
        rows = self.query_one(RowList)
        rows.filter(needle)
        rows.first_below()

    def action_back(self) -> None:
        """Nothing was taken."""
        self.dismiss(None)

    def action_move(self, by: int) -> None:
        """Up or down, while letters are typed."""
        self.query_one(RowList).action_move(by)

    def action_take(self) -> None:
        """Enter in the list."""
        self._take(self.query_one(RowList).row)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the line."""
        self._take(self.query_one(RowList).row)

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Enter on a row."""
        self._take(event.row)

    def _take(self, row: Row | None) -> None:
        if row is None or row.tone in (HEAD, DIM):
            return
        if row.id.startswith(DO):
            self.dismiss(Found(row, KEYS[int(row.id.removeprefix(DO))].action))
        else:
            self.dismiss(Found(Row(row.id.removeprefix(AT), 0, row.text, about=row.about)))
