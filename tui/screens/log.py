"""The activity log: every command with its host, duration, outcome and text; filtered, and copied to the clipboard and a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from core.transport import Status, shown
from tui.keys import bindings
from tui.plain import line, printable
from tui.rows import BAD, DIM, WARN, Row, log_line
from tui.screens.base import Page, put
from tui.view import LogRow, ViewState
from tui.widgets.rowlist import RowList

CLIPBOARD = 65536  # bytes that terminals take by OSC 52; the file has all


def log_rows(log: tuple[LogRow, ...]) -> Iterator[Row]:
    """A row a command; its text and note are what is shown beside it, and the filter looks at the line."""
    for one in log:
        tone = DIM if one.status is None else {Status.OK: ""}.get(one.status, WARN if one.status is Status.UNKNOWN else BAD)
        yield Row(str(one.number), 0, log_line(one), tone, about=(log_line(one), "", *shown(one.command).strip().splitlines()))


def text_of(rows: list[Row]) -> str:
    """What is copied: each command's line and text."""
    return "\n\n".join("\n".join(line(text) for text in row.about) for row in rows) + "\n"


def keep(directory: Path, text: str, at: datetime) -> Path:
    """Write a copy, readable by its owner alone; never over an earlier one. OSError as the file system says."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"log-{at:%Y%m%dT%H%M%S%f}.txt"
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)
    return path


class LogPage(Page):
    """The commands at left, the text of the one under the cursor at right."""

    BINDINGS = bindings("log")
    SHEET = "log"

    def compose(self) -> ComposeResult:
        """List, text, footer."""
        yield Static(id="title")
        with Horizontal(id="body"):
            yield RowList(id="steps")
            with VerticalScroll(id="detail", can_focus=False):
                yield Static(id="about")
        yield self.needle()
        yield Static(id="said")
        yield self.too_small()
        yield self.key_line()

    def heading(self) -> str:
        """How much there is."""
        return f"activity log: {len(self.console_app.state.log)} commands"

    def opened(self) -> None:
        """The newest is under the cursor."""
        rows = self.query_one(RowList)
        rows.focus()
        rows.action_edge(1)

    def hear(self, state: ViewState) -> None:
        """Commands come and end."""
        put(self.query_one("#title", Static), self.title_line())
        self.query_one(RowList).show(list(log_rows(state.log)))

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """The text of the command."""
        about = event.row.about if event.row else ()
        put(self.query_one("#about", Static), Text("\n".join(line(text) for text in about)))

    def action_copy(self, everything: bool) -> None:
        """Copy the command under the cursor, or all that the filter shows."""
        listed = self.query_one(RowList)
        rows = listed.shown if everything else [listed.row] if listed.row else []
        if not rows:
            self._say("there is nothing to copy")
            return
        text = text_of(rows)
        try:
            path = keep(self.console_app.engine.settings.state_dir / "copies", text, self.console_app.clock())
        except OSError as error:
            self._say(f"no file was written: {error}")
            return
        if len(text.encode()) <= CLIPBOARD:
            self.app.copy_to_clipboard(text)
            self._say(
                f"{len(rows)} commands: sent to the terminal's clipboard (not every terminal takes it), and written to {path}"
            )
        else:
            self._say(f"{len(rows)} commands: too much for a terminal's clipboard; written to {path}")

    def _say(self, text: str) -> None:
        put(self.query_one("#said", Static), Text(printable(text)))
