"""The console: an app that asks the engine, folds what it says ten times a second, and draws."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, ClassVar

from rich.segment import Segment
from textual.app import App, SystemCommand
from textual.color import Color
from textual.filter import LineFilter
from textual.screen import Screen

from core.errors import SplitmountError
from core.facade import Facade, PlanRequest
from core.plan import Plan
from tui.keys import KEYS, help_lines
from tui.plain import masked
from tui.screens.ask import Ask
from tui.screens.base import Page
from tui.screens.plan import PlanPage
from tui.screens.run import RunPage
from tui.screens.school import School, SchoolPage
from tui.screens.start import StartPage
from tui.screens.text import TextPage
from tui.view import ViewState, fold

BEAT = 0.1
TERMINAL_BEAT = 2.0
HUNG_UP = 129  # as a shell tells of a process that a hang-up ended


def gone(terminal: int) -> bool:
    """Whether a terminal was hung up: it answers nothing any more."""
    try:
        termios.tcgetattr(terminal)
    except (termios.error, OSError):
        return True
    return False


class UnsafeFilter(LineFilter):
    """The net below every widget, notification and dialogue: no unsafe character is drawn, whoever forgot to make it printable."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments of a line, with a mark in place of each unsafe character."""
        return [s if s.control else Segment(masked(s.text, keep=""), s.style) for s in segments]


class Console(App[int]):
    """Owns nothing but what is seen; every run belongs to the engine."""

    CSS_PATH = "app.tcss"
    TITLE = "splitmount"
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = True

    def __init__(self, engine: Facade, *, banner: str = "", school: School | None = None) -> None:
        """`banner` is shown on every page: what is not live must say so. `school` is what the demonstration offers."""
        super().__init__()
        self.engine = engine
        self.banner = banner
        self.school = school
        self.state = ViewState()
        self.animation_level = "none"
        self._filters.append(UnsafeFilter())
        self._waiting: list[tuple[Future[Any], Callable[[], None]]] = []
        self._terminal = sys.__stdin__.fileno() if sys.__stdin__ is not None and sys.__stdin__.isatty() else None

    def on_mount(self) -> None:
        """Show the start page, begin to listen, and measure."""
        self.push_screen(StartPage())
        if self.school is not None:
            self.push_screen(SchoolPage(self.school))
        self.set_interval(BEAT, self.beat)
        self.set_interval(TERMINAL_BEAT, self.leave_with_the_terminal)
        self.call_later(self.measure_all)

    def beat(self) -> None:
        """Fold what the engine said since the last time, draw once, and see which answers have come."""
        events = self.engine.drain()
        for event in events:
            self.state = fold(self.state, event)
        if events and isinstance(self.screen, Page) and self.screen.query("#title"):  # none yet, or no more, at both ends
            self.screen.hear(self.state)
        ready = [pair for pair in self._waiting if pair[0].done()]
        self._waiting = [pair for pair in self._waiting if not pair[0].done()]
        for _, act in ready:
            act()

    def leave_with_the_terminal(self) -> None:
        """End when the terminal was closed beneath: nobody is there, and its input would be read without end.

        Runs reach a safe end first. The framework's own way out waits for a screen that takes no more, so it is not taken.
        """
        if self._terminal is not None and gone(self._terminal):
            self.engine.close()
            os._exit(HUNG_UP)

    def when_done(self, future: Future[Any], act: Callable[[], None]) -> None:
        """Call `act` on the screen's own loop when the engine has answered."""
        self._waiting.append((future, act))

    def measure_all(self) -> None:
        """Measure every set, and the hosts that belong to none."""
        settings = self.engine.settings
        served = {host for one in settings.sets.values() for host in (one.source, one.target)}
        arrays = {array.host for array in settings.arrays.values()}
        vaults = {one.backup.host for one in settings.sets.values() if one.backup}
        alone = [host for host in settings.hosts if host not in served | arrays | vaults]
        self.state = ViewState(
            self.state.hosts, self.state.sets, frozenset((*settings.sets, *alone)), self.state.log, self.state.run
        )
        for name in settings.sets:
            self.engine.measure_set(name)
        for name in alone:
            self.engine.discover_host(name)

    def plan(self, request: PlanRequest, *, typed: bool = False) -> None:
        """Plan in the engine; the preview, or the refusal, opens when the answer is there. `typed` asks for the name before the run."""
        future = self.engine.plan(request)

        def show() -> None:
            for page in self.screen_stack:
                if isinstance(page, StartPage):
                    page.say("")
            try:
                plan = future.result()
            except SplitmountError as error:
                lines = [error.title.upper(), "", *str(error).splitlines(), "", "Nothing was changed. Esc goes back."]
                self.push_screen(TextPage(f"{request.operation} of {request.set_name}", lambda: lines, loud=True))
                return
            self.push_screen(PlanPage(plan, typed=typed))

        self.when_done(future, show)

    def start(self, plan: Plan, *, stepwise: bool, confirmed: str = "") -> None:
        """Start a run; its page takes the place of the preview."""
        self._watch(self.engine.start(plan, stepwise=stepwise, confirmed=confirmed))

    def resume(self, run: int) -> None:
        """Go on with a run that has no end; its page takes the place of its account."""
        self._watch(self.engine.resume(run))

    def _watch(self, future: Future[int]) -> None:
        def show() -> None:
            try:
                future.result()
            except SplitmountError as error:
                lines = [error.title.upper(), "", *str(error).splitlines(), "", "Nothing was changed. Esc goes back."]
                self.push_screen(TextPage("not started", lambda: lines, loud=True))
                return
            self.beat()
            self.switch_screen(RunPage())

        self.when_done(future, show)

    def action_help(self) -> None:
        """The page of keys."""
        self.push_screen(TextPage("help: every key", help_lines))

    def action_leave(self) -> None:
        """Leave; ask while a run is under way."""
        if not self.engine.running():
            self.exit(0)
            return
        question = "A run is under way. It stops after the current step, what was done on the target is taken back, and then this console ends."

        def answered(yes: bool | None) -> None:
            if yes:
                for run in self.engine.running():
                    self.engine.stop_after_step(run)
                self.exit(0)

        self.push_screen(Ask(question, "s", "stop after this step, then leave", "Keep watching"), answered)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: every key of the page by its name."""
        pages = {"StartPage": "start", "PlanPage": "plan", "RunPage": "run", "TextPage": "text", "RecoverPage": "recover"}
        wanted = pages.get(type(screen).__name__, "")
        for key in (k for k in KEYS if k.screen in (wanted, "everywhere") and k.action != "app.command_palette"):
            yield SystemCommand(key.label, key.help, lambda action=key.action: self.call_later(self._act, screen, action))

    async def _act(self, screen: Screen[Any], action: str) -> None:
        await self.run_action(action, screen if hasattr(screen, f"action_{action.split('(')[0]}") else self)


def run_console(engine: Facade, *, banner: str = "", school: School | None = None) -> int:
    """Open the console and stay until it is left; a run that is under way reaches a safe end before this returns."""
    code = Console(engine, banner=banner, school=school).run() or 0
    if engine.running():
        sys.stderr.write("finishing the current step, then taking back what was done on the target ...\n")
    engine.close()
    return code
