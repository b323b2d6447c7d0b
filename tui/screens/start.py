"""The start screen: sets and hosts as a tree, what is under the cursor, and every command that was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from core.errors import SplitmountError
from tui.glance import UNENDED, errors_of, trouble
from tui.keys import bindings
from tui.plain import line, printable
from tui.rows import KeptRows, estate_rows, log_lines
from tui.screens.base import Page, put
from tui.view import ViewState
from tui.widgets.keyline import KeyLine
from tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from tui.screens.school import AccidentsPage, SchoolPage

LOG_SHOWN = 5


class StartPage(Page):
    """Where one looks; and from where every plan begins."""

    BINDINGS = bindings("start")
    SHEET = "start"

    def __init__(self) -> None:
        """Nothing is drawn yet."""
        super().__init__()
        self._kept = KeptRows()
        self._named: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Title, tree beside details, log, footer."""
        yield Static(id="title")
        with Horizontal(id="body"):
            yield RowList(id="tree")
            with VerticalScroll(id="detail", can_focus=False):
                yield Static(id="about")
        yield self.needle()
        yield Static(id="log")
        yield Static(id="said")
        yield self.too_small()
        yield self.key_line()

    def opened(self) -> None:
        """The tree has the keys; everything is measured."""
        self.query_one(RowList).focus()

    def heading(self) -> str:
        """Where the configuration lies."""
        app = self.console_app
        path, watch = app.settings.path, app.watching
        told = f"mirrors watched every {watch.every:.0f} s" if watch.on and watch.every else "mirrors not watched"
        return f"{path.name if path else ''}  {told}"

    def alarm(self) -> str:
        """Of all sets together, since most of them may be below the last line."""
        return trouble(self.console_app.state.sets.values())

    def keys_now(self) -> tuple[str, ...]:
        """The way to a run without an end, where the set under the cursor has one."""
        measured = self.console_app.state.sets.get(self._set_here())
        return ("recover",) if measured is not None and UNENDED in errors_of(measured) else ()

    def hear(self, state: ViewState) -> None:
        """Draw."""
        app = self.console_app
        put(self.query_one("#title", Static), self.title_line())
        tree = self.query_one(RowList)
        first = next((f"set/{name}" for name in app.settings.sets), "")
        tree.show(estate_rows(state, app.settings, app.clock(), self._kept), follow="" if tree.row else first)
        lines = log_lines(state, LOG_SHOWN)
        put(self.query_one("#log", Static), Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))
        self.refresh_footer()

    def refresh_footer(self) -> None:
        """Draw the footer where it names other keys than before."""
        if self._named != (named := self.keys_now()):
            self._named = named
            self.query_one(KeyLine).draw()

    def say(self, text: str) -> None:
        """A line above the footer: what is going on, or why not."""
        put(self.query_one("#said", Static), Text(printable(text)))

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Show what is under the cursor."""
        about = event.row.about if event.row else ()
        put(self.query_one("#about", Static), Text("\n".join(line(text) for text in about)))
        self.refresh_footer()

    def action_watch(self) -> None:
        """Begin or end to watch the mirrors."""
        self.console_app.watching.on = not self.console_app.watching.on
        self.hear(self.console_app.state)

    def action_measure(self) -> None:
        """Measure everything again."""
        self.console_app.measure_all()

    def go_to(self, row: str) -> None:
        """Put the cursor on a row, whatever is folded or filtered away."""
        self.action_back()
        self.query_one(RowList).reveal(row)

    def go_back(self) -> None:
        """This is the first page."""

    @property
    def crumb(self) -> str:
        """Everything that is known."""
        return "estate"

    def _set_here(self) -> str:
        """The set under the cursor, or the only one there is."""
        row = self.query_one(RowList).row
        sets = list(self.console_app.settings.sets)
        if row is not None and row.set_name:
            return row.set_name
        return sets[0] if len(sets) == 1 else ""

    def action_plan(self, operation: str) -> None:
        """Measure and plan in the engine; the preview opens when the plan is there."""
        from core.facade import PlanRequest

        name = self._set_here()
        if not name:
            self.say("put the cursor on a set first")
            return
        self.say(f"{operation} of {name}: measuring and planning ...")
        self.console_app.plan(PlanRequest(operation, name))

    def action_guide(self, operation: str) -> None:
        """The guide of a restore, a takeover, a failback."""
        from tui.screens.guide import GuidePage

        name = self._set_here()
        if not name:
            self.say("put the cursor on a set first")
            return
        self.console_app.push_screen(GuidePage(name, operation))

    def action_recover(self) -> None:
        """The newest run without an end: of the set under the cursor, or of any."""
        from tui.screens.recover import RecoverPage

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

        self.console_app.when_done(future, show, opens=True)

    def action_accidents(self) -> None:
        """The demonstration's accidents."""
        from tui.screens.school import AccidentsPage

        self._school_page(AccidentsPage)

    def action_lessons(self) -> None:
        """The demonstration's offer again."""
        from tui.screens.school import SchoolPage

        self._school_page(SchoolPage)

    def _school_page(self, page: type[AccidentsPage | SchoolPage]) -> None:
        school = self.console_app.school
        if school is None:
            self.say("lessons and accidents are for the demonstration only")
            return
        self.console_app.push_screen(page(school))

    def action_new_set(self) -> None:
        """The questions that add to the configuration."""
        from tui.screens.newset import NewSetPage

        talk = self.console_app.talk
        if talk is None:
            self.say("nothing can be added here: this is the demonstration, or answers come from a file")
        elif self.console_app.engine.running():
            self.say("a run is under way: add to the configuration when it has ended")
        else:
            self.console_app.push_screen(NewSetPage(talk))

    def action_log(self) -> None:
        """The whole log."""
        from tui.screens.log import LogPage

        self.console_app.push_screen(LogPage())

    def action_picture(self) -> None:
        """The set as a picture."""
        from tui.screens.picture import PicturePage

        name = self._set_here()
        if name:
            self.console_app.push_screen(PicturePage(name))
        else:
            self.say("put the cursor on a set first")

    def action_history(self) -> None:
        """The runs."""
        from tui.screens.history import HistoryPage

        self.console_app.push_screen(HistoryPage(self.console_app.engine.history().result()))

    def action_backups(self) -> None:
        """The backups of the set under the cursor."""
        from tui.screens.text import TextPage

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

        self.console_app.when_done(future, show, opens=True)
