"""The guide: one decision at a time, each on what was measured. It sends nothing that changes anything; a plan does."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from core.backups.base import BackupRecord
from core.errors import SplitmountError
from core.events import Outcome
from core.facade import PlanRequest
from core.plan import Condition, Weight
from tui.guide import (
    Choice,
    Mirrors,
    chosen,
    condition_rows,
    copy_rows,
    path_rows,
    safety_rows,
    scope_rows,
    source_rows,
    way_of,
    whereto_rows,
)
from tui.keys import bindings
from tui.plain import line, printable
from tui.rows import Row
from tui.screens.ask import AskText, TypeName
from tui.screens.base import Page, put
from tui.screens.text import TextPage
from tui.view import ViewState
from tui.widgets.rowlist import RowList

T = TypeVar("T")


def _answer(future: Future[T], nothing: T) -> tuple[T, str]:
    """What came, and ""; or nothing, and why."""
    try:
        return future.result(), ""
    except SplitmountError as error:
        return nothing, str(error)


class GuidePage(Page):
    """The decisions of a restore, or the conditions of a takeover or failback; Escape goes one back."""

    BINDINGS = bindings("guide")
    SHEET = "guide"

    def __init__(self, set_name: str, operation: str = "restore") -> None:
        """Of one set."""
        super().__init__()
        self._set = set_name
        self._path = [Choice(PlanRequest(operation, set_name))]
        self._backups: Sequence[BackupRecord] = ()
        self._mirrors: Mirrors = ()
        self._conditions: tuple[Condition, ...] = ()
        self._overrides: dict[str, str] = {}
        self._offered = False  # mirrors and backups are known
        self._away = False  # a plan was asked for: measure again on the way back
        self._seen: int | None = None  # the run that this console showed last, before the guide

    @property
    def stage(self) -> int:
        """Which decision is due, from 0."""
        return len(self._path) - 1

    @property
    def _due(self) -> str:
        return self._path[-1].stages[self.stage]

    def compose(self) -> ComposeResult:
        """The choices at left, what each means at right."""
        yield Static(id="title")
        with Horizontal(id="body"):
            yield RowList(id="steps")
            with VerticalScroll(id="detail", can_focus=False):
                yield Static(id="about")
        yield Static(id="said")
        yield self.needle()
        yield self.too_small()
        yield self.key_line()

    def heading(self) -> str:
        """Which decision."""
        choice = self._path[-1]
        return f"{choice.request.operation.upper()} {self._set}  {self.stage + 1}/{len(choice.stages)}: {self._due}?"

    def hear(self, state: ViewState) -> None:
        """The title, and the ages of what is offered; other rows change by decisions alone."""
        put(self.query_one("#title", Static), self.title_line())
        if self._offered and self._due == "from what":
            self.query_one(RowList).show(self._sources())

    def opened(self) -> None:
        """Read the repository, then offer."""
        run = self.console_app.state.run
        self._seen = None if run is None else run.run
        self.query_one(RowList).focus()
        self._enter()

    def _enter(self) -> None:
        """Show the decision that is due."""
        app = self.console_app
        one = app.engine.settings.sets[self._set]
        request = self._path[-1].request
        self.hear(app.state)
        {
            "from what": self._offer_sources,
            "how much": lambda: self._show(scope_rows(one)),
            "how": lambda: self._show(copy_rows(self._mirrors[request.mirror - 1] if self._mirrors else ())),
            "whereto": lambda: self._show(whereto_rows(one)),
            "which files": lambda: self._show(path_rows(next((b for b in self._backups if b.id == request.backup), None))),
            "safety copy": lambda: self._show(safety_rows(one, request)),
            "conditions": self.action_again,
        }[self._due]()

    def _show(self, rows: Iterable[Row]) -> None:
        """The cursor is on the first choice; where nothing is left to decide, on the way to the plan."""
        shown = list(rows)
        first = next((row.id for row in shown if row.id == "go"), next((row.id for row in shown if row.depth), ""))
        self.query_one(RowList).show(shown, follow=first)

    def _offer_sources(self) -> None:
        app = self.console_app
        self._say("measuring the mirrors and reading the repository ...")
        mirrors, backups = app.engine.mirrors(self._set), app.engine.backups(self._set)

        def show() -> None:
            if not (mirrors.done() and backups.done()) or self._due != "from what":
                return
            none: tuple[Mirrors, Sequence[BackupRecord]] = ((), ())
            self._mirrors, no_mirrors = _answer(mirrors, none[0])
            self._backups, no_backups = _answer(backups, none[1])
            wrong = {"the mirrors could not be measured": no_mirrors, "the repository could not be read": no_backups}
            self._say("; ".join(f"{what}: {why}" for what, why in wrong.items() if why))
            self._offered = True
            self._show(self._sources())

        app.when_done(mirrors, show)
        app.when_done(backups, show)

    def _sources(self) -> list[Row]:
        """From what, with ages as of now."""
        app = self.console_app
        return list(source_rows(app.engine.settings.sets[self._set], self._mirrors, self._backups, app.clock()))

    def _say(self, text: str) -> None:
        if self.is_mounted:
            put(self.query_one("#said", Static), Text(printable(text)))

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """What the row means."""
        about = event.row.about if event.row else ()
        put(self.query_one("#about", Static), Text("\n".join(line(text) for text in about)))

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """One decision on."""
        row = event.row.id
        if row == "go":
            self._away = True
            self.console_app.plan(self._request())
        elif row == "directory":
            self._files(self._path[-1].request.backup)
        elif row == "typed":
            self._ask_paths()
        elif row.startswith("condition/"):
            self._bring_about(self._conditions[int(row.removeprefix("condition/"))])
        elif event.row.depth and self._due != "conditions" and row != "none":
            self._decide(chosen(self._path[-1], row))

    def _bring_about(self, one: Condition) -> None:
        """What Enter on a condition leads to: a plan, an earlier decision, a reason, or a word of who can help."""
        way, words = way_of(one)
        stages = self._path[-1].stages
        if self._overrides.get(one.code) or not way:
            self._say(words or f"{one.code} is not in the way")
        elif way == "cleanup":
            self.action_tidy()
        elif way == "reason":
            self.action_reason()
        elif way in stages:
            del self._path[stages.index(way) + 1 :]
            self._overrides = {}
            self._enter()
        else:
            self._say(one.remedy or words)

    def on_screen_resume(self) -> None:
        """Back from a plan or its run: what was measured before it says nothing any more."""
        super().on_screen_resume()
        if self._away and self.app.is_running and self.children:
            self._away = False
            if self._is_done():
                self.dismiss(None)
            else:
                self._enter()

    def _is_done(self) -> bool:
        """Whether what was decided here has been done, and ended well: there is nothing left to decide."""
        run = self.console_app.state.run
        if run is None or run.end is None or run.run == self._seen:
            return False
        decided = (self._set, self._path[-1].request.operation)
        return run.end.outcome is Outcome.OK and (run.plan.set_name, run.plan.operation) == decided

    def _decide(self, choice: Choice) -> None:
        self._path.append(choice)
        self._enter()

    def _ask_paths(self) -> None:
        """Some paths of the source, typed."""
        choice = self._path[-1]

        def said(text: str | None) -> None:
            try:
                words = tuple(shlex.split(text or ""))
            except ValueError as error:
                self._say(f"the paths could not be understood: {error}")
                return
            if odd := [word for word in words if not word.startswith("/")]:
                self._say(f"paths begin with /: {', '.join(odd)}")
            elif words:
                self._decide(Choice(replace(choice.request, paths=words)))

        self.app.push_screen(AskText("Which files or directories of the source? Several are parted by blanks.", "/path"), said)

    def _request(self) -> PlanRequest:
        return replace(self._path[-1].request, overrides=dict(self._overrides))

    def go_back(self) -> None:
        """One decision back; from the first, out."""
        if self.stage == 0:
            self.dismiss(None)
            return
        self._path.pop()
        self._overrides = {}
        self._enter()

    def action_again(self) -> None:
        """Measure the conditions."""
        if self._due != "conditions":
            return
        self._say("measuring both hosts and the pairs ...")
        future = self.console_app.engine.conditions(self._request())

        def show() -> None:
            try:
                self._conditions = future.result()
            except SplitmountError as error:
                self._say("")
                lines = [error.title.upper(), "", *str(error).splitlines(), "", "Nothing was changed. Esc goes back."]
                self.console_app.push_screen(TextPage(self._path[-1].request.operation, lambda: lines, loud=True))
                return
            self._say("")
            self._show(condition_rows(self._conditions, self._overrides))

        self.console_app.when_done(future, show)

    def action_reason(self) -> None:
        """Override the condition under the cursor, with a reason."""
        row = self.query_one(RowList).row
        kind, _, number = (row.id if row else "").partition("/")
        if kind != "condition":
            return
        one = self._conditions[int(number)]
        if one.weight is not Weight.OVERRIDABLE or not one.stops:
            self._say(f"{one.code} cannot be overridden" if one.stops else f"{one.code} is not in the way")
            return

        def said(reason: str | None) -> None:
            if reason:
                self._overrides[one.code] = reason
                self._show(condition_rows(self._conditions, self._overrides))

        self.app.push_screen(
            AskText(f"{one.sentence}.\n\nWhy do you go on all the same? The journal keeps it.", "your reason"), said
        )

    def action_tidy(self) -> None:
        """Plan the cleanup; it too starts by the typed name alone, so that no slip of a key in the guide changes anything."""
        self._away = True
        self.console_app.plan(PlanRequest("cleanup", self._set), typed=True)

    def _files(self, backup: str) -> None:
        """Files of a backup into a directory of the target."""
        target = self.console_app.engine.settings.sets[self._set].target

        def typed(directory: str, name: str | None) -> None:
            if name == self._set:
                self._fetch(backup, directory)

        def said(directory: str | None) -> None:
            if directory:
                text = f"All files of {backup} go into {directory} on {target}, which must be absent or empty.\nThe source is not touched."
                self.app.push_screen(TypeName(text, self._set), lambda name: typed(directory, name))

        question = f"Into which directory of {target}? It must be absent or empty; the source is not touched."
        self.app.push_screen(AskText(question, f"/restore/{self._set}"), said)

    def _fetch(self, backup: str, directory: str) -> None:
        self._say(f"restoring {backup} into {directory} ...")
        future = self.console_app.engine.restore_files(self._set, backup, directory)

        def show() -> None:
            self._say("")
            try:
                lines = [f"{future.result()} files of {backup} were restored into {directory}."]
            except SplitmountError as error:
                lines = [error.title.upper(), "", *str(error).splitlines()]
            self.console_app.push_screen(TextPage("files from a backup", lambda: [*lines, "", "Esc goes back."]))

        self.console_app.when_done(future, show, opens=True)
