"""What the demonstration offers when it opens: a few lessons, each the real guided run on the emulated estate."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Footer, OptionList, Static

from core.facade import PlanRequest
from tui.keys import bindings
from tui.plain import line
from tui.screens.base import Page, put


@dataclass(frozen=True, slots=True)
class Lesson:
    """One offer: its title, a line on what to try, and what opens when it is chosen (nothing for looking around)."""

    title: str
    hint: str
    request: PlanRequest | None = None


class School(Protocol):
    """What the demonstration brings: lessons, and accidents that can be switched on and off by name."""

    @property
    def lessons(self) -> tuple[Lesson, ...]:
        """In the order of the page."""

    def prepare(self, lesson: Lesson) -> Future[None]:
        """Bring about what the lesson begins with."""

    def accidents(self) -> Mapping[str, tuple[bool, str]]:
        """Each accident as NAME@HOST: whether it is on, and what it is."""

    def switch(self, name: str) -> None:
        """Switch one on, or off."""


class SchoolPage(Page):
    """The offer."""

    BINDINGS = bindings("school")

    def __init__(self, school: School) -> None:
        """Its lessons are fixed."""
        super().__init__()
        self._school = school

    def compose(self) -> ComposeResult:
        """A title, the lessons, the line about the one under the cursor."""
        yield Static(id="title")
        yield Static(
            "An estate of emulated hosts and one array, in this process, behind real SSH on loopback.\n"
            "Everything below is the real product at work on it; nothing outside of it can be touched.\n",
            id="about",
        )
        yield OptionList(*(Text(line(lesson.title)) for lesson in self._school.lessons), id="lessons")
        yield Static(id="said")
        yield self.too_small()
        yield Footer()

    def heading(self) -> str:
        """What this is."""
        return "demonstration"

    def opened(self) -> None:
        """The list has the keys."""
        put(self.query_one("#title", Static), self.title_line())
        self.query_one(OptionList).focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say what there is to try."""
        put(self.query_one("#said", Static), line(self._school.lessons[event.option_index].hint))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open it."""
        lesson, app = self._school.lessons[event.option_index], self.console_app
        request = lesson.request
        self.dismiss(None)
        if request is not None:
            app.when_done(self._school.prepare(lesson), lambda: app.plan(request))

    def action_move(self, step: int) -> None:
        """Up and down."""
        listed = self.query_one(OptionList)
        listed.action_cursor_down() if step > 0 else listed.action_cursor_up()

    def action_back(self) -> None:
        """Look around."""
        self.dismiss(None)


class AccidentsPage(Page):
    """Accidents by name, on or off."""

    BINDINGS = bindings("school")

    def __init__(self, school: School) -> None:
        """What can go wrong is the school's."""
        super().__init__()
        self._school = school

    def compose(self) -> ComposeResult:
        """A title and the list."""
        yield Static(id="title")
        yield Static(
            "Enter switches an accident on or off. Escape goes back; then measure again, or run something.\n", id="about"
        )
        yield OptionList(id="lessons")
        yield self.too_small()
        yield Footer()

    def heading(self) -> str:
        """What this is."""
        return "accidents"

    def opened(self) -> None:
        """The list has the keys."""
        put(self.query_one("#title", Static), self.title_line())
        self._fill()
        self.query_one(OptionList).focus()

    def _fill(self) -> None:
        listed = self.query_one(OptionList)
        at = listed.highlighted
        listed.clear_options()
        rows = self._school.accidents().items()
        listed.add_options(Text(line(f"[{'x' if on else ' '}] {name:<32} {what}")) for name, (on, what) in rows)
        listed.highlighted = at or 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Switch it."""
        self._school.switch(list(self._school.accidents())[event.option_index])
        self._fill()

    def action_move(self, step: int) -> None:
        """Up and down."""
        listed = self.query_one(OptionList)
        listed.action_cursor_down() if step > 0 else listed.action_cursor_up()

    def action_back(self) -> None:
        """To the estate."""
        self.dismiss(None)
