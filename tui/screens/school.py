"""What the demonstration offers when it opens: a few lessons, each the real guided run on the emulated estate."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from textual.app import ComposeResult
from textual.widgets import Static

from core.errors import SplitmountError
from core.facade import PlanRequest
from core.plan import Plan
from tui.keys import bindings
from tui.plain import line
from tui.rows import Row
from tui.screens.base import Page, put
from tui.widgets.rowlist import RowList


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

    def report(self, plan: Plan) -> str:
        """What the demonstration itself saw of a run that went well; empty when there is nothing to tell."""

    def accidents(self) -> Mapping[str, tuple[bool, str]]:
        """Each accident as NAME@HOST: whether it is on, and what it is."""

    def switch(self, name: str) -> None:
        """Switch one on, or off."""

    def leave(self) -> None:
        """Remove what stands on the disk for the demonstration alone: the process ends at once."""


class SchoolPage(Page):
    """The offer."""

    BINDINGS = bindings("school")
    SHEET = "school"

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
        yield RowList(id="lessons")
        yield Static(id="said")
        yield self.needle()
        yield self.too_small()
        yield self.key_line()

    def heading(self) -> str:
        """What this is."""
        return "demonstration"

    def opened(self) -> None:
        """The list has the keys."""
        put(self.query_one("#title", Static), self.title_line())
        rows = self.query_one(RowList)
        rows.show([Row(str(number), 0, lesson.title) for number, lesson in enumerate(self._school.lessons)])
        rows.focus()

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Say what there is to try."""
        put(self.query_one("#said", Static), line(self._school.lessons[int(event.row.id)].hint) if event.row else "")

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Open it."""
        lesson, app = self._school.lessons[int(event.row.id)], self.console_app
        request = lesson.request
        self.dismiss(None)
        if request is not None:
            begun = self._school.prepare(lesson)

            def show() -> None:
                try:
                    begun.result()
                except SplitmountError as error:
                    app.refuse(lesson.title, error)
                else:
                    app.plan(request)

            app.when_done(begun, show)


class AccidentsPage(Page):
    """Accidents by name, on or off."""

    BINDINGS = bindings("school")
    SHEET = "school"

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
        yield RowList(id="lessons")
        yield self.needle()
        yield self.too_small()
        yield self.key_line()

    def heading(self) -> str:
        """What this is."""
        return "accidents"

    def opened(self) -> None:
        """The list has the keys."""
        put(self.query_one("#title", Static), self.title_line())
        self._fill()
        self.query_one(RowList).focus()

    def _fill(self) -> None:
        rows = self._school.accidents().items()
        self.query_one(RowList).show([Row(name, 0, f"[{'x' if on else ' '}] {name:<32} {what}") for name, (on, what) in rows])

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Switch it."""
        self._school.switch(event.row.id)
        self._fill()
