"""The page of the picture: one set with the state of every link; it follows a run that is under way."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.widgets import Static

from tui.keys import bindings
from tui.picture import picture
from tui.screens.base import Page, put
from tui.view import ViewState
from tui.widgets.rowlist import RowList

MARGIN = 6  # columns of a row that are not the picture's: pointer, fold, scrollbar


class PicturePage(Page):
    """Draws what the state says, as wide as the terminal is."""

    BINDINGS = bindings("picture")
    SHEET = "picture"

    def __init__(self, set_name: str) -> None:
        """Of one set."""
        super().__init__()
        self._set = set_name

    def compose(self) -> ComposeResult:
        """The picture has the whole page."""
        yield Static(id="title")
        yield RowList(id="steps")
        yield self.needle()
        yield self.too_small()
        yield self.key_line()

    def heading(self) -> str:
        """Of what."""
        return f"PICTURE of {self._set}"

    def opened(self) -> None:
        """The rows have the keys."""
        self.query_one(RowList).focus()

    def hear(self, state: ViewState) -> None:
        """Draw."""
        app = self.console_app
        put(self.query_one("#title", Static), self.title_line())
        one = app.engine.settings.sets[self._set]
        rows = picture(one, state.sets.get(self._set), state.run, max(1, app.size.width - MARGIN))
        self.query_one(RowList).show(list(rows))

    def on_resize(self, event: events.Resize) -> None:
        """As wide as the terminal is now."""
        super().on_resize(event)
        if self.is_mounted and self.query("#title"):
            self.hear(self.console_app.state)
