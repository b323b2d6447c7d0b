"""Small questions. Enter never says yes: the focus is on the way back, and yes is a key of its own, pressed when the question was to be seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from tui.plain import line, printable
from tui.screens.base import put
from tui.typed import Drawn
from tui.widgets.planage import PlanAge

WAY_BACK = "#cancel"  # what has the focus from the first instant of a question on: no key that was pressed early says yes
WAY_OUT = "Esc  goes back; then ask again"


def _planned(made_at: datetime | None) -> Iterator[PlanAge]:
    if made_at is not None:
        yield PlanAge(made_at)


class Ask(ModalScreen[bool], Drawn):
    """A question with Cancel in focus; only the key that it names agrees."""

    QUESTION = True
    AUTO_FOCUS = WAY_BACK
    BINDINGS = [Binding("escape", "answer(False)", "Cancel")]

    def __init__(self, question: str, key: str, agree: str, cancel: str = "Cancel", planned: datetime | None = None) -> None:
        """`key` is the key that agrees; `agree` and `cancel` say what each does; `planned` is when the plan was made that is asked about."""
        super().__init__()
        self._planned = planned
        self._question, self._key, self._agree, self._cancel = question, key, agree, cancel
        self._deaf = False  # another letter came first: somebody types, and not to this question

    def compose(self) -> ComposeResult:
        """The question and the two ways."""
        with Vertical(id="ask"):
            yield Static(Text(printable(self._question)))
            yield from _planned(self._planned)
            yield Static(Text(f"\n{self._key}    {line(self._agree)}\nEsc  {line(self._cancel)}", style="bold"), id="ways")
            yield Button(self._cancel, id="cancel")

    def on_key(self, event: events.Key) -> None:
        """Only the named key agrees, and only as the first letter: in the midst of others it is part of a word."""
        if not event.is_printable:
            return
        if event.character == self._key and not self._deaf:
            self.dismiss(True)
        elif not self._deaf:
            self._deaf = True
            put(
                self.query_one("#ways", Static),
                Text(f"\n{event.character} is no answer, and what is typed after it is none.\n{WAY_OUT}"),
            )

    def on_button_pressed(self) -> None:
        """Cancel."""
        self.dismiss(False)

    def action_answer(self, answer: bool) -> None:
        """Escape."""
        self.dismiss(answer)


class TypeName(ModalScreen[str], Drawn):
    """The question before data is overwritten: the set's name must be typed. Cancel has the focus, an empty field does nothing."""

    QUESTION = True
    AUTO_FOCUS = WAY_BACK
    BINDINGS = [
        Binding("escape", "leave", "Cancel"),
        Binding("pageup,up", "look(-1)", "Up", show=False),
        Binding("pagedown,down", "look(1)", "Down", show=False),
    ]

    def __init__(self, consequences: str | Text, name: str, planned: datetime | None = None) -> None:
        """`consequences` is shown from its first line on, and scrolls; `name` is what must be typed, always in sight below it.

        `planned` is when the plan was made whose consequences they are.
        """
        super().__init__()
        self._planned = planned
        self._consequences = Text(printable(consequences)) if isinstance(consequences, str) else consequences
        self._wanted = name

    def compose(self) -> ComposeResult:
        """What will happen, the field, the way back."""
        with Vertical(id="ask", classes="typed"):
            with VerticalScroll(id="told", can_focus=False):
                yield from _planned(self._planned)
                yield Static(id="consequences")
            yield Static("(Up, Down, PageUp, PageDown: all of the above)", id="more")
            yield Static(Text(f"To go on, type the name of the set: {line(self._wanted)}", style="bold"))
            yield Input(id="name", placeholder="Tab comes here; Esc cancels")
            yield Button("Cancel", id="cancel")

    def on_mount(self) -> None:
        """What will happen, with its own styles."""
        put(self.query_one("#consequences", Static), self._consequences)

    def action_look(self, way: int) -> None:
        """Scroll what will happen; the field and Cancel stay where they are."""
        told = self.query_one("#told", VerticalScroll)
        (told.scroll_page_down if way > 0 else told.scroll_page_up)(animate=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Only the very name goes on."""
        if event.value == self._wanted:
            self.dismiss(self._wanted)

    def on_button_pressed(self) -> None:
        """Cancel."""
        self.dismiss("")

    def action_leave(self) -> None:
        """Escape."""
        self.dismiss("")


class AskText(ModalScreen[str], Drawn):
    """A question that is answered by a line of text; an empty one is no answer, and Cancel has the focus."""

    QUESTION = True
    AUTO_FOCUS = WAY_BACK
    BINDINGS = [Binding("escape", "leave", "Cancel")]

    def __init__(self, question: str, hint: str) -> None:
        """`hint` stands in the empty field; it is never taken as the answer."""
        super().__init__()
        self._question, self._hint = question, hint

    def compose(self) -> ComposeResult:
        """The question, the field, the way back."""
        with VerticalScroll(id="ask", can_focus=False):
            yield Static(Text(printable(self._question)))
            yield Input(id="name", placeholder=f"Tab comes here; for example: {line(self._hint)}")
            yield Button("Cancel", id="cancel")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """An answer, unless it is empty."""
        if event.value.strip():
            self.dismiss(event.value.strip())

    def on_button_pressed(self) -> None:
        """Cancel."""
        self.dismiss("")

    def action_leave(self) -> None:
        """Escape."""
        self.dismiss("")
