"""A run without an end: what is known of it, what is not, and the two ways on."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from core.facade import Account, PlanRequest
from core.recovery import lines_of
from tui.keys import bindings
from tui.plain import printable
from tui.screens.ask import Ask, TypeName
from tui.screens.base import Page, put


class RecoverPage(Page):
    """One run, as it was measured when the page was asked for."""

    BINDINGS = bindings("recover")
    SHEET = "recover"

    def __init__(self, account: Account) -> None:
        """The account that the engine gave."""
        super().__init__()
        self._account = account

    def compose(self) -> ComposeResult:
        """Title, what is known, footer."""
        yield Static(id="title")
        with VerticalScroll(id="page"):
            yield Static(id="lines")
        yield Static(id="said")
        yield self.needle()
        yield self.too_small()
        yield self.key_line()

    def heading(self) -> str:
        """Which run."""
        return f"RUN {self._account.run} HAS NO END: {self._account.operation} of {self._account.set_name}"

    def opened(self) -> None:
        """Fill it."""
        put(self.query_one("#title", Static), self.title_line())
        account = self._account
        lines = [*lines_of(account), "", "Resuming it sends:", *account.still_to_send]
        lines += ["", "Taken back by hand, newest first:", *account.by_hand]
        put(self.query_one("#lines", Static), Text("\n".join(printable(line) for line in lines)))
        self.query_one("#page", VerticalScroll).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done is greyed; the page says why."""
        why = {"resume": self._account.resume, "undo": self._account.undo}.get(action, "")
        return None if why or (action == "resume" and self.console_app.engine.read_only) else True

    def action_resume(self) -> None:
        """Ask once, then go on with it; what overwrites asks for the typed name, as when it began."""
        account, name = self._account, self._account.confirm
        if name:
            told = "\n".join(
                (f"Go on with run {account.run}, {account.operation} of {name}? It sends:", "", *account.still_to_send)
            )
            self.app.push_screen(
                TypeName(told, name), lambda typed: self.console_app.resume(account.run, typed) if typed else None
            )
            return
        question = f"Go on with run {self._account.run} where it stopped?\nIt is measured first; nothing is sent twice."

        def answered(yes: bool | None) -> None:
            if yes:
                self.console_app.resume(self._account.run)

        self.app.push_screen(Ask(question, "y", "go on with it"), answered)

    def action_undo(self) -> None:
        """Plan to take it back; the preview opens."""
        self.dismiss(None)
        self.console_app.plan(PlanRequest("undo", self._account.set_name, run=self._account.run))
