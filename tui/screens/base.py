"""What every screen has: a title line, a footer, a message where the terminal is too small, and an ear for new state."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.widgets import Input, Static

from tui.keys import bindings
from tui.plain import line, masked
from tui.typed import Drawn
from tui.view import ViewState
from tui.widgets.keyline import KeyLine
from tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from tui.app import Console

SMALLEST = (60, 16)
SHORTEST = 20  # columns of a heading that are always shown


class Page(Drawn):
    """A screen of the console."""

    BINDINGS = bindings("everywhere")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (140, "-huge")]
    SHEET: ClassVar[str] = ""  # the page's own keys in the table of keys
    BADGE: ClassVar[str] = ""  # what must never be overlooked of a page

    @property
    def console_app(self) -> Console:
        """The app, with its own type."""
        from tui.app import Console

        assert isinstance(self.app, Console)  # noqa: S101  for the type checker; there is no other app
        return self.app

    def heading(self) -> str:
        """The title line."""
        return "splitmount"

    @property
    def crumb(self) -> str:
        """The page in one word or two, for the way that led to the page above it."""
        return self.SHEET

    def alarm(self) -> str:
        """What is wrong somewhere, also out of sight; nothing where all is well."""
        return ""

    def keys_now(self) -> tuple[str, ...]:
        """The actions that the footer names now besides those that it always names."""
        return ()

    def hear(self, state: ViewState) -> None:
        """New state: draw what changed."""

    def key_line(self) -> KeyLine:
        """The footer."""
        return KeyLine(self.SHEET, lambda action: self.call_later(self.console_app.act, self, action))

    @staticmethod
    def needle() -> Input:
        """The line for the filter, hidden until it is wanted."""
        return Input(placeholder="filter: letters of a name, serial or mount point", id="needle", classes="hidden")

    def narrow(self, needle: str) -> None:
        """Show only what has these letters."""
        for rows in self.query(RowList):
            rows.filter(needle)

    def action_filter(self) -> None:
        """Open the filter line; it has the focus at once, so that the next key is its."""
        for needle in self.query("#needle").results(Input):
            needle.remove_class("hidden")
            self.set_focus(needle)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        self.narrow(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Back to what was filtered, and to the row that was found."""
        for rows in self.query(RowList):
            rows.keep()
        self.to_body()

    def to_body(self) -> None:
        """The keys go to the page's list, or to what else it shows."""
        for body in self.query("RowList, #page").results():
            self.set_focus(body)
            return

    def action_back(self) -> None:
        """Clear the filter where there is one; else go back."""
        for needle in self.query("#needle").results(Input):
            if not needle.has_class("hidden"):
                needle.value = ""
                needle.add_class("hidden")
                self.to_body()
                return
        self.go_back()

    def go_back(self) -> None:
        """Close the page."""
        self.dismiss(None)

    def title_line(self) -> Text:
        """The heading with the badges that must never be overlooked: where there is no room, the heading gives way, and the way to it first."""
        app = self.console_app
        badges = [(" read-only ", "bold reverse")] if app.read_only else []
        badges += [(f" {line(self.alarm())} ", "bold white on red")] if self.alarm() else []
        badges += [(f" {line(told)} ", "bold reverse") for told in (self.BADGE, app.banner) if told]
        run = app.state.run
        badges += [(" SOURCE FROZEN ", "bold white on red")] if run is not None and run.frozen_since is not None else []
        name, heading = " splitmount ", f" {line(self.heading())} "
        way = "".join(f" {line(page.crumb)} >" for page in app.screen_stack if isinstance(page, Page) and page is not self)
        room = app.size.width - len(name) - sum(len(badge) for badge, _ in badges)
        if len(way) + len(heading) > room:
            way = ""
        if len(heading) > max(room, SHORTEST):
            heading = f"{heading[: max(room, SHORTEST) - 2]}~ "
        return Text.assemble((name, "bold reverse"), (way, "dim"), heading, *badges, no_wrap=True, overflow="ellipsis")

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
    """Give a Static its text, as text: nothing that a host said is ever markup, and nothing that a terminal obeys is left in it.

    The page is laid out anew only where the text may change the size of the widget, and nothing is drawn for the same text.
    """
    shown = text if isinstance(text, Text) else Text(text)
    plain = masked(shown.plain)
    if plain != shown.plain:
        shown.plain = plain
    before = widget.content
    if isinstance(before, Text) and (before.plain, before.spans, before.style) == (shown.plain, shown.spans, shown.style):
        return
    widget.update(shown, layout=widget.styles.auto_dimensions)
