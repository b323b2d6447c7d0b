"""Small questions. Enter never says yes: the focus is on the way back, and yes is a key of its own."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from tui.plain import line, printable
from tui.screens.base import put

WAY_BACK = "#cancel"  # what has the focus from the first instant of a question on: no key that was pressed early says yes


class Ask(ModalScreen[bool]):
    """A question with Cancel in focus; only the key that it names agrees."""

    AUTO_FOCUS = WAY_BACK
    BINDINGS = [Binding("escape", "answer(False)", "Cancel")]

    def __init__(self, question: str, key: str, agree: str, cancel: str = "Cancel") -> None:
        """`key` is the key that agrees; `agree` and `cancel` say what each does."""
        super().__init__()
        self._question, self._key, self._agree, self._cancel = question, key, agree, cancel

    def compose(self) -> ComposeResult:
        """The question and the two ways."""
        with Vertical(id="ask"):
            yield Static(Text(printable(self._question)))
            yield Static(Text(f"\n{self._key}    {line(self._agree)}\nEsc  {line(self._cancel)}", style="bold"))
            yield Button(self._cancel, id="cancel")

    def on_key(self, event: object) -> None:
        """Only the named key agrees."""
        if getattr(event, "character", None) == self._key:
            self.dismiss(True)

    def on_button_pressed(self) -> None:
        """Cancel."""
        self.dismiss(False)

    def action_answer(self, answer: bool) -> None:
        """Escape."""
        self.dismiss(answer)


class TypeName(ModalScreen[str]):
    """The question before data is overwritten: the set's name must be typed. Cancel has the focus, an empty field does nothing."""

    AUTO_FOCUS = WAY_BACK
    BINDINGS = [
        Binding("escape", "leave", "Cancel"),
        Binding("pageup,up", "look(-1)", "Up", show=False),
        Binding("pagedown,down", "look(1)", "Down", show=False),
    ]

    def __init__(self, consequences: str | Text, name: str) -> None:
        """`consequences` is shown from its first line on, and scrolls; `name` is what must be typed, always in sight below it."""
        super().__init__()
        self._consequences = Text(printable(consequences)) if isinstance(consequences, str) else consequences
        self._wanted = name

    def compose(self) -> ComposeResult:
        """What will happen, the field, the way back."""
        with Vertical(id="ask", classes="typed"):
            with VerticalScroll(id="told", can_focus=False):
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


class AskText(ModalScreen[str]):
    """A question that is answered by a line of text; an empty one is no answer, and Cancel has the focus."""

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
