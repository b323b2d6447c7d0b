"""The runs of this console as a list; and a run of the past on the screen once more, from the journal alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from core.errors import SplitmountError
from core.events import Outcome, RunEnded, Scene
from core.facade import RunRow
from core.played import offset_words, pause
from tui.keys import bindings
from tui.plain import line
from tui.rows import BAD, OUTCOME_MARKS, Row
from tui.screens.base import Page, put
from tui.screens.run import StagePage
from tui.view import RunView, ViewState, fold
from tui.widgets.rowlist import RowList

BEAT = 0.1
SPEEDS = (1.0, 2.0, 5.0, 10.0, 30.0, 100.0)


def history_rows(runs: Sequence[RunRow]) -> Iterator[Row]:
    """A row a run, the newest first."""
    for r in runs:
        outcome = r.outcome.value if r.outcome else "NO END RECORDED"
        tone = BAD if r.outcome is None else (OUTCOME_MARKS[r.outcome][1] if r.outcome is not Outcome.OK else "")
        told = f"run {r.run}  {r.started:%Y-%m-%d %H:%M:%S}  {r.set_name}  {r.operation}  {outcome}"
        about = (told, f"{r.operator}@{r.console}", "", *r.message.splitlines(), "", *r.summary)
        yield Row(str(r.run), 0, told, tone, set_name=r.set_name, about=about)


class HistoryPage(Page):
    """The runs at left, what became of the one under the cursor at right."""

    BINDINGS = bindings("history")
    SHEET = "history"

    def __init__(self, runs: Sequence[RunRow]) -> None:
        """The runs, newest first."""
        super().__init__()
        self._rows = list(history_rows(runs))

    def compose(self) -> ComposeResult:
        """List, text, footer."""
        yield Static(id="title")
        with Horizontal(id="body"):
            yield RowList(id="steps")
            with VerticalScroll(id="detail", can_focus=False):
                yield Static("There was no run on this console yet.", id="about")
        yield self.needle()
        yield Static(id="said")
        yield self.too_small()
        yield self.key_line()

    def heading(self) -> str:
        """How many."""
        return f"history: {len(self._rows)} runs"

    def opened(self) -> None:
        """The newest is under the cursor."""
        self.query_one(RowList).focus()

    def hear(self, state: ViewState) -> None:
        """The list stands still."""
        put(self.query_one("#title", Static), self.title_line())
        self.query_one(RowList).show(self._rows)

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """The run under the cursor."""
        if event.row is not None:
            put(self.query_one("#about", Static), Text("\n".join(line(text) for text in event.row.about)))

    def action_play(self) -> None:
        """The run under the cursor, once more."""
        row = self.query_one(RowList).row
        if row is None:
            return
        future = self.console_app.engine.played(int(row.id))

        def show() -> None:
            try:
                scenes = future.result()
            except SplitmountError as error:
                put(self.query_one("#said", Static), Text(line(str(error))))
                return
            self.console_app.push_screen(ReplayPage(scenes))

        self.console_app.when_done(future, show, opens=True)


class ReplayPage(StagePage):
    """A run that is over, drawn from its journal in a state of its own. It has no action that asks the engine for anything."""

    BINDINGS = bindings("replay")
    SHEET = "replay"
    BADGE = "REPLAY, nothing runs"

    def __init__(self, scenes: Sequence[Scene]) -> None:
        """All scenes, the first of which is the run's beginning."""
        super().__init__()
        self._scenes, self._next = scenes, 1
        self._state = fold(ViewState(), scenes[0].event)
        self._speed, self.held = SPEEDS[0], False
        self._wait, self._at = self._silence(), time.monotonic()

    def opened(self) -> None:
        """Begin."""
        super().opened()
        self._at = time.monotonic()
        self.set_interval(BEAT, self.beat)

    def run_of(self, state: ViewState) -> RunView | None:
        """Of the journal, never the one that is under way."""
        return self._state.run

    def beat(self) -> None:
        """Time has passed: show what is due."""
        now = time.monotonic()
        passed, self._at = now - self._at, now
        if self.held or self._next >= len(self._scenes):
            return
        self._wait -= passed
        while self._wait <= 0 and self._next < len(self._scenes):
            self.step()
        self.hear(self.console_app.state)

    def step(self) -> None:
        """The next scene."""
        self._state = fold(self._state, self._scenes[self._next].event)
        self._next += 1
        self._wait += self._silence()

    def _silence(self) -> float:
        if self._next >= len(self._scenes):
            return 0.0
        return pause(self._scenes[self._next - 1], self._scenes[self._next], self._speed)

    def progress_line(self, run: RunView) -> Text:
        """Where the replay is; and at its end whether the run had one."""
        at, last = self._scenes[self._next - 1], self._scenes[-1]
        told = f"REPLAY  {offset_words(at.offset)} of {offset_words(last.offset)}  speed x{self._speed:.0f}"
        if self._next == len(self._scenes):
            told += "  the end; Esc goes back" if isinstance(last.event, RunEnded) else "  the journal has no end of this run"
        return Text(told + ("  held" if self.held else ""), style="bold")

    def action_hold(self) -> None:
        """Stand still, or go on."""
        self.held = not self.held
        self.hear(self.console_app.state)

    def action_pace(self, way: int) -> None:
        """Faster or slower, from the next scene on; what is being waited for comes accordingly sooner or later."""
        at = min(max(SPEEDS.index(self._speed) + way, 0), len(SPEEDS) - 1)
        self._wait, self._speed = self._wait * self._speed / SPEEDS[at], SPEEDS[at]
        self.hear(self.console_app.state)

    def action_finish(self) -> None:
        """All that is left, at once."""
        while self._next < len(self._scenes):
            self.step()
        self.hear(self.console_app.state)
