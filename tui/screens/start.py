"""The start screen: sets and hosts as a tree, what is under the cursor, and every command that was sent."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, Input, Static

from core.errors import SplitmountError
from core.facade import PlanRequest
from tui.keys import bindings
from tui.plain import line, printable
from tui.rows import estate_rows, log_lines
from tui.screens.base import Page, put
from tui.screens.guide import GuidePage
from tui.screens.recover import RecoverPage
from tui.screens.school import AccidentsPage
from tui.screens.text import TextPage
from tui.view import ViewState
from tui.widgets.rowlist import RowList

LOG_SHOWN = 5


class StartPage(Page):
    """Where one looks; and from where every plan begins."""

    BINDINGS = bindings("start")

    def compose(self) -> ComposeResult:
        """Title, tree beside details, log, footer."""
        yield Static(id="title")
        with Horizontal(id="body"):
            yield RowList(id="tree")
            with VerticalScroll(id="detail", can_focus=False):
                yield Static(id="about")
        yield Input(placeholder="filter: letters of a name, serial or mount point", id="needle")
        yield Static(id="log")
        yield Static(id="said")
        yield self.too_small()
        yield Footer()

    def opened(self) -> None:
        """The tree has the keys; everything is measured."""
        self.query_one("#needle", Input).display = False
        self.query_one(RowList).focus()

    def heading(self) -> str:
        """Where the configuration lies."""
        path = self.console_app.engine.settings.path
        return str(path.name if path else "")

    def hear(self, state: ViewState) -> None:
        """Draw."""
        app = self.console_app
        put(self.query_one("#title", Static), self.title_line())
        tree = self.query_one(RowList)
        first = next((f"set/{name}" for name in app.engine.settings.sets), "")
        tree.show(list(estate_rows(state, app.engine.settings)), follow="" if tree.row else first)
        lines = log_lines(state)[-LOG_SHOWN:]
        put(self.query_one("#log", Static), Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))

    def say(self, text: str) -> None:
        """A line above the footer: what is going on, or why not."""
        put(self.query_one("#said", Static), Text(printable(text)))

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Show what is under the cursor."""
        about = event.row.about if event.row else ()
        put(self.query_one("#about", Static), Text("\n".join(line(text) for text in about)))

    def action_measure(self) -> None:
        """Measure everything again."""
        self.console_app.measure_all()

    def action_filter(self) -> None:
        """Open the filter line."""
        needle = self.query_one("#needle", Input)
        needle.display = True
        needle.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        self.query_one(RowList).filter(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Back to the tree, filtered."""
        self.query_one(RowList).focus()

    def key_escape(self) -> None:
        """Clear the filter."""
        needle = self.query_one("#needle", Input)
        needle.value = ""
        needle.display = False
        self.query_one(RowList).focus()

    def _set_here(self) -> str:
        """The set under the cursor, or the only one there is."""
        row = self.query_one(RowList).row
        sets = list(self.console_app.engine.settings.sets)
        if row is not None and row.set_name:
            return row.set_name
        return sets[0] if len(sets) == 1 else ""

    def action_plan(self, operation: str) -> None:
        """Measure and plan in the engine; the preview opens when the plan is there."""
        name = self._set_here()
        if not name:
            self.say("put the cursor on a set first")
            return
        self.say(f"{operation} of {name}: measuring and planning ...")
        self.console_app.plan(PlanRequest(operation, name))

    def action_guide(self, operation: str) -> None:
        """The guide of a restore, a takeover, a failback."""
        name = self._set_here()
        if not name:
            self.say("put the cursor on a set first")
            return
        self.console_app.push_screen(GuidePage(name, operation))

    def action_recover(self) -> None:
        """The newest run without an end: of the set under the cursor, or of any."""
        name = self._set_here()
        self.say("looking for runs without an end ...")
        future = self.console_app.engine.unfinished()

        def show() -> None:
            try:
                accounts = [a for a in future.result() if name in ("", a.set_name)]
            except SplitmountError as error:
                self.say(str(error))
                return
            self.say("" if accounts else "every run has an end")
            if accounts:
                self.console_app.push_screen(RecoverPage(accounts[-1]))

        self.console_app.when_done(future, show)

    def action_accidents(self) -> None:
        """The demonstration's accidents."""
        school = self.console_app.school
        if school is None:
            self.say("accidents are for the demonstration only")
            return
        self.console_app.push_screen(AccidentsPage(school))

    def action_log(self) -> None:
        """The whole log."""
        app = self.console_app
        app.push_screen(TextPage("activity log", lambda: log_lines(app.state, whole=True), at_end=True))

    def action_history(self) -> None:
        """The runs."""
        rows = self.console_app.engine.history().result()
        lines = []
        for r in rows:
            outcome = r.outcome.value if r.outcome else "NO END RECORDED"
            lines += [
                f"run {r.run}  {r.started:%Y-%m-%d %H:%M:%S}  {r.set_name}  {r.operation}  {outcome}  {r.operator}@{r.console}",
                f"    {r.message}",
            ]
        self.console_app.push_screen(TextPage("history", lambda: lines or ["There was no run on this console yet."]))

    def action_backups(self) -> None:
        """The backups of the set under the cursor."""
        name = self._set_here()
        if not name:
            self.say("put the cursor on a set first")
            return
        self.say(f"reading the repository of {name} ...")
        future = self.console_app.engine.backups(name)

        def show() -> None:
            try:
                rows = future.result()
            except SplitmountError as error:
                self.say(str(error))
                return
            self.say("")
            lines = [
                f"{r.id}  split {r.split_at:%Y-%m-%d %H:%M:%S}  {r.files} files  {r.bytes} bytes  {'verified' if r.verified_at else 'not verified'}"
                for r in rows
            ]
            self.console_app.push_screen(TextPage(f"backups of {name}", lambda: lines or ["There is none."]))

        self.console_app.when_done(future, show)
