"""What every screen has: a title line, a footer, a message where the terminal is too small, and an ear for new state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual import events
from textual.screen import Screen
from textual.widgets import Static

from tui.keys import bindings
from tui.plain import line, masked
from tui.view import ViewState

if TYPE_CHECKING:
    from tui.app import Console

SMALLEST = (60, 16)


class Page(Screen[None]):
    """A screen of the console."""

    BINDINGS = bindings("everywhere")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]

    @property
    def console_app(self) -> Console:
        """The app, with its own type."""
        from tui.app import Console

        assert isinstance(self.app, Console)  # noqa: S101  for the type checker; there is no other app
        return self.app

    def heading(self) -> str:
        """The title line."""
        return "splitmount"

    def hear(self, state: ViewState) -> None:
        """New state: draw what changed."""

    def title_line(self) -> Text:
        """The heading with the badges that must never be overlooked."""
        app = self.console_app
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(" splitmount ", style="bold reverse")
        text.append(f" {line(self.heading())} ")
        if app.engine.read_only:
            text.append(" read-only ", style="bold reverse")
        if app.banner:
            text.append(f" {line(app.banner)} ", style="bold reverse")
        run = app.state.run
        if run is not None and run.frozen_since is not None:
            text.append(" SOURCE FROZEN ", style="bold white on red")
        return text

    def on_mount(self) -> None:
        """Draw for the first time; not when the app is being left, and the page came too late for it."""
        if self.app.is_running and self.children:
            self.hear(self.console_app.state)
            self.opened()

    def opened(self) -> None:
        """What a page does once it is there."""

    def on_screen_resume(self) -> None:
        """Draw what happened meanwhile."""
        if self.app.is_running and self.children:
            self.hear(self.console_app.state)

    def on_resize(self, event: events.Resize) -> None:
        """Below the smallest size only a message is shown."""
        small = event.size.width < SMALLEST[0] or event.size.height < SMALLEST[1]
        self.set_class(small, "-too-small")

    @staticmethod
    def too_small() -> Static:
        """The message for a small terminal."""
        return Static(
            f"This terminal is too small.\nSplitmount needs {SMALLEST[0]} columns and {SMALLEST[1]} lines.", id="too-small"
        )


def put(widget: Static, text: Text | str) -> None:
    """Give a Static its text, as text: nothing that a host said is ever markup, and nothing that a terminal obeys is left in it."""
    shown = text if isinstance(text, Text) else Text(text)
    plain = masked(shown.plain)
    if plain != shown.plain:
        shown.plain = plain
    widget.update(shown)
