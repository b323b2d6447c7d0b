"""A page of plain lines: log, history, help, refusals."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from tui.keys import bindings
from tui.plain import line
from tui.screens.base import Page, put


class TextPage(Page):
    """Lines that can be scrolled."""

    BINDINGS = bindings("text")

    def __init__(self, heading: str, lines: Callable[[], list[str]], *, at_end: bool = False, loud: bool = False) -> None:
        """`lines` is asked once, when the page opens; `loud` draws it as a stop."""
        super().__init__()
        self._heading, self._lines, self._at_end = heading, lines, at_end
        self.set_class(loud, "-loud")

    def compose(self) -> ComposeResult:
        """Title, lines, footer."""
        yield Static(id="title")
        with VerticalScroll(id="page"):
            yield Static(id="lines")
        yield self.too_small()
        yield Footer()

    def heading(self) -> str:
        """As given."""
        return self._heading

    def opened(self) -> None:
        """Fill it."""
        put(self.query_one("#title", Static), self.title_line())
        put(self.query_one("#lines", Static), Text("\n".join(line(text) for text in self._lines())))
        page = self.query_one("#page", VerticalScroll)
        page.focus()
        if self._at_end:
            page.scroll_end(animate=False)

    def action_back(self) -> None:
        """Close."""
        self.dismiss(None)
