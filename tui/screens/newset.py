"""The questions of `splitmount init` on a page: what was said above, the answer below. They are asked by a thread of their own."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

from core.errors import SplitmountError
from tui.answers import Talk
from tui.keys import bindings
from tui.look import AGAIN
from tui.plain import line
from tui.screens.base import Page, put

BEAT = 0.05


class Left(Exception):
    """The person went away in the middle of a question."""


class Conversation:
    """A dialogue in its thread: `told` are its lines, `question` waits for an answer, `end` is there when it is over."""

    def __init__(self, talk: Talk) -> None:
        """It begins at once."""
        self.told: SimpleQueue[str] = SimpleQueue()
        self.question = ""
        self.end: bool | str | None = None  # whether it wrote; or why it ended
        self._answers: SimpleQueue[str | None] = SimpleQueue()
        threading.Thread(target=self._run, args=(talk,), name="questions", daemon=True).start()

    def answer(self, word: str) -> None:
        """What the person says to the question."""
        self.question = ""
        self._answers.put(word)

    def leave(self) -> None:
        """No question is answered any more."""
        self._answers.put(None)

    def _run(self, talk: Talk) -> None:
        try:
            self.end = talk(self._ask, self._tell)
        except SplitmountError as error:
            self.end = f"{error.title}: {error}"
        except Left:
            self.end = False
        finally:
            if self.end is None:  # a fault of ours: nobody waits for a question that does not come
                self.end = "the questions broke off"

    def _tell(self, *lines: str) -> None:
        for text in lines:
            self.told.put(line(text))

    def _ask(self, question: str) -> str:
        self.question = question
        word = self._answers.get()
        if word is None:
            raise Left
        self._tell(f"{question}{word}")
        return word


class NewSetPage(Page):
    """One question at a time; Escape leaves everything as it was."""

    BINDINGS = bindings("newset")
    SHEET = "newset"

    def __init__(self, talk: Talk) -> None:
        """The dialogue begins when the page is there."""
        super().__init__()
        self._talk = talk
        self._conversation: Conversation | None = None
        self._lines: list[str] = []
        self._asked = ""

    def compose(self) -> ComposeResult:
        """What was said, the question, the line for the answer."""
        yield Static(id="title")
        with VerticalScroll(id="page", can_focus=False):
            yield Static(id="lines")
        yield Static(id="said")
        yield Input(id="answer", placeholder="Enter alone takes what stands in brackets")
        yield self.too_small()
        yield self.key_line()

    def heading(self) -> str:
        """What this is."""
        return "hosts, arrays and sets for the configuration"

    @property
    def crumb(self) -> str:
        """In short."""
        return "new set"

    def opened(self) -> None:
        """Begin, and listen."""
        put(self.query_one("#title", Static), self.title_line())
        self._conversation = Conversation(self._talk)
        self.query_one("#answer", Input).focus()
        page = self.query_one("#page", VerticalScroll)
        self.watch(page, "virtual_size", lambda: page.scroll_end(animate=False), init=False)
        self.set_interval(BEAT, self._listen)

    def _listen(self) -> None:
        """Show what was said since, and the question."""
        talk = self._conversation
        if talk is None:
            return
        question, end, heard = talk.question, talk.end, False
        while not talk.told.empty():
            self._lines.append(talk.told.get())
            heard = True
        if heard:
            put(self.query_one("#lines", Static), Text("\n".join(self._lines)))  # laid out when there is time
        if isinstance(end, str):
            question = f"{end}\nEsc goes back."
        elif end is not None:
            question = "Enter or Esc goes on, with what was written." if end else "Nothing was written. Esc goes back."
        if question != self._asked:
            self._asked = question
            put(self.query_one("#said", Static), question)

    def on_input_changed(self, event: Input.Changed) -> None:
        """An answer is typed; nothing is filtered here."""

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """An answer, when there is a question."""
        talk = self._conversation
        if talk is not None and talk.end is not None:
            self.action_back()
        elif talk is not None and talk.question:
            word, event.input.value = event.value, ""
            talk.answer(word)

    def action_scroll(self, way: int) -> None:
        """A page of what was said."""
        page = self.query_one("#page", VerticalScroll)
        (page.scroll_page_down if way > 0 else page.scroll_page_up)(animate=False)

    def action_back(self) -> None:
        """Leave. With what was written the console begins anew; without any configuration there is nothing to go back to."""
        talk = self._conversation
        if talk is not None and talk.end is True:
            self.app.exit(AGAIN)
            return
        if talk is not None:
            talk.leave()
        if self.console_app.engine.settings.path is None:
            self.app.exit(0)
        else:
            self.dismiss(None)
