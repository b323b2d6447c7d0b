"""A page of plain lines: log, history, help, refusals."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from tui.keys import bindings
from tui.plain import line
from tui.screens.base import Page, put


class TextPage(Page):
    """Lines that can be scrolled."""

    BINDINGS = bindings("text")
    SHEET = "text"

    def __init__(self, heading: str, lines: Callable[[], list[str]], *, loud: bool = False) -> None:
        """`lines` is asked once, when the page opens; `loud` draws it as a stop."""
        super().__init__()
        self._heading, self._lines = heading, lines
        self._told: list[str] = []
        self.set_class(loud, "-loud")

    def compose(self) -> ComposeResult:
        """Title, lines, footer."""
        yield Static(id="title")
        with VerticalScroll(id="page"):
            yield Static(id="lines")
        yield self.needle()
        yield self.too_small()
        yield self.key_line()

    def heading(self) -> str:
        """As given."""
        return self._heading

    def opened(self) -> None:
        """Fill it."""
        put(self.query_one("#title", Static), self.title_line())
        self._told = [line(text) for text in self._lines()]
        put(self.query_one("#lines", Static), Text("\n".join(self._told)))
        self.query_one("#page", VerticalScroll).focus()

    def narrow(self, needle: str) -> None:
        """Only the lines with these letters."""
        told = [text for text in self._told if needle.lower() in text.lower()]
        put(self.query_one("#lines", Static), Text("\n".join(told)))

    @property
    def crumb(self) -> str:
        """As given."""
        return self._heading.split(":")[0]

    def action_scroll(self, way: int) -> None:
        """One line up or down."""
        page = self.query_one("#page", VerticalScroll)
        (page.scroll_down if way > 0 else page.scroll_up)(animate=False)

    def action_edge(self, last: int) -> None:
        """To the first or the last line."""
        page = self.query_one("#page", VerticalScroll)
        (page.scroll_end if last else page.scroll_home)(animate=False)
