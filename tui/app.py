"""The console: an app that asks the engine, folds what it says ten times a second, and draws."""

from __future__ import annotations

import gc
import os
import sys
import termios
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from textual.filter import Monochrome, NoColor
from textual.screen import Screen

from core.errors import SplitmountError
from tui.browser import HUNG_UP
from tui.keys import help_lines
from tui.later import LateApp, LateEngine
from tui.look import Look
from tui.notify import Notifier, tell_failures
from tui.say import to_terminal
from tui.screens.base import Page
from tui.screens.start import StartPage
from tui.themes import COLOURLESS_THEME, OWN_THEMES, THEME_NAMES, AsciiFilter, ColourlessFilter, SixteenFilter, UnsafeFilter
from tui.view import ViewState, fold_all, with_mirrors, with_told
from tui.watch import Watch

if TYPE_CHECKING:  # what else a page needs is imported when it is opened, after the first one is drawn
    from core.facade import Facade, PlanRequest
    from core.plan import Plan
    from tui.answers import Talk
    from tui.screens.find import Found
    from tui.screens.school import School

BEAT = 0.1
REST = 4.0  # times as long as a page took to draw, when that was more than a beat
WATCH_BEAT = 1.0
AGE_BEAT = 10.0  # with `rows.FRESH`, ages on the first page are never older than a quarter of a minute
TERMINAL_BEAT = 2.0
GARBAGE = (10_000, 5, 20)  # seldom: a look at everything takes half a second on a large estate, in which no key is answered


def now_utc() -> datetime:
    """The time, for ages."""
    return datetime.now(UTC)


def gone(terminal: int) -> bool:
    """Whether a terminal was hung up: it answers nothing any more."""
    try:
        termios.tcgetattr(terminal)
    except (termios.error, OSError):
        return True
    return False


class Console(LateApp):
    """Owns nothing but what is seen; every run belongs to the engine."""

    CSS_PATH = "app.tcss"
    TITLE = "splitmount"
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False  # ours finds places too, and has no glyph of its own

    def __init__(
        self,
        engine: Facade | LateEngine,
        *,
        banner: str = "",
        school: School | None = None,
        look: Look | None = None,
        clock: Callable[[], datetime] = now_utc,
        talk: Talk | None = None,
    ) -> None:
        """`banner` is shown on every page: what is not live must say so. `school` is what the demonstration offers.

        An engine that is not made yet is made when the first page is drawn; what is typed meanwhile waits for it.
        `talk` asks for what the configuration is to have besides; without any configuration the console begins with it.
        """
        super().__init__(engine)
        self.look = look or Look()
        self.clock = clock
        self.watching = Watch(self.look.watch)
        self.notifier = Notifier(self.look.notify, self._to_terminal)
        self.set_keymap(dict(self.look.keys))
        self.banner = banner
        self.school = school
        self.talk = talk
        self.state = ViewState()
        self.animation_level = "none"
        self._dress()
        self._stale, self._rested = False, 0.0
        self._terminal = sys.__stdin__.fileno() if sys.__stdin__ is not None and sys.__stdin__.isatty() else None

    def _dress(self) -> None:
        """Theme and nets. Textual's own way without colours sends greys, which are colours: ours takes its place."""
        for theme in OWN_THEMES:
            self.register_theme(theme)
        self.theme = THEME_NAMES[self.look.theme] if self.look.color else COLOURLESS_THEME
        self._filters = [f for f in self._filters if not isinstance(f, Monochrome | NoColor)]
        self._filters.append(UnsafeFilter())
        if self.look.ascii:
            self._filters.append(AsciiFilter())
        if not self.look.color:
            self._filters.append(ColourlessFilter())
        elif self.look.theme == "16-colours":
            self._filters.append(SixteenFilter())
        self.set_class(self.look.ascii, "-ascii")
        self.set_class(not self.look.color or self.look.theme == "16-colours", "-plain")

    def get_default_screen(self) -> Screen[Any]:
        """The start page, which lies below all others: nothing is drawn before it."""
        return StartPage()

    def on_mount(self) -> None:
        """Begin to listen, and measure."""
        if self.school is not None:
            from tui.screens.school import SchoolPage

            self.push_screen(SchoolPage(self.school))
        if self.talk is not None and self.settings.path is None:
            from tui.screens.newset import NewSetPage

            self.push_screen(NewSetPage(self.talk))
        self.set_interval(BEAT, self.beat)
        self.set_interval(WATCH_BEAT, self.look_at_mirrors)
        self.set_interval(AGE_BEAT, self.redraw)
        self.set_interval(TERMINAL_BEAT, self.leave_with_the_terminal)
        self.with_engine(self.measure_all)

    def beat(self) -> None:
        """Fold what the engine said since the last time, draw once, and see which answers have come."""
        said = self.engine.drain() if self.there else []
        self.state = fold_all(self.state, said)
        for event in said:
            self.notifier.hear(event)
        told = self.notifier.told()
        for one in told:
            self.state = with_told(self.state, one, self.clock())
        self._stale = self._stale or bool(said or told)
        if self._stale and time.monotonic() >= self._rested:
            begun, self._stale = time.monotonic(), False
            self.redraw()
            took = time.monotonic() - begun
            self._rested = begun + (REST * took if took > BEAT else 0.0)  # keys come in between
        self.see_answers()
        self.type_what_is_left()

    def held_back(self) -> None:
        """Say on the first page why what was asked for is not shown yet."""
        if isinstance(self.screen, StartPage):
            self.screen.say("the answer is there: it opens when the filter line is left (Enter or Esc)")

    def _to_terminal(self, text: str) -> None:
        """Beside what is drawn, as the framework's own bell."""
        if self._driver is not None and self.is_running and not self.is_headless:
            self._driver.write(text)
        elif not self.is_headless:
            to_terminal(text)

    def redraw(self) -> None:
        """Let the page draw what it shows."""
        page = self.screen
        if not isinstance(page, Page) or not page.query("#title"):  # none yet, or no more, at both ends
            return
        if page.is_mounted:
            page.hear(self.state)
        else:
            self._stale = True  # some of its parts are not there yet

    def look_at_mirrors(self) -> None:
        """Look at the mirrors of the set that is due; a look that fails says so in the log, and the set grows stale."""
        if not self.there:
            return
        busy = bool(self.engine.running() or self.state.measuring)
        name = self.watching.next(time.monotonic(), self.settings.sets, busy=busy)
        if not name:
            return
        future = self.engine.mirrors(name)

        def seen() -> None:
            well = future.exception() is None
            self.watching.answered(name, time.monotonic(), well=well)
            if well and future.result():
                self.state = with_mirrors(self.state, name, future.result()[0], self.clock())
                self.redraw()

        self.when_done(future, seen)

    def leave_with_the_terminal(self) -> None:
        """End when the terminal was closed beneath: nobody is there, and its input would be read without end.

        Runs reach a safe end first. The framework's own way out waits for a screen that takes no more, so it is not taken.
        """
        if self._terminal is not None and gone(self._terminal):
            self.close_engine()
            if self.school is not None:
                self.school.leave()
            os._exit(HUNG_UP)

    def measure_all(self) -> None:
        """Measure every set, and the hosts that belong to none."""
        settings = self.settings
        served = {host for one in settings.sets.values() for host in (one.source, one.target)}
        arrays = {array.host for array in settings.arrays.values()}
        vaults = {one.backup.host for one in settings.sets.values() if one.backup}
        alone = [host for host in settings.hosts if host not in served | arrays | vaults]
        self.state = replace(self.state, measuring=frozenset((*settings.sets, *alone)))
        for name in settings.sets:
            self.engine.measure_set(name)
        for name in alone:
            self.engine.discover_host(name)

    def plan(self, request: PlanRequest, *, typed: bool = False) -> None:
        """Plan in the engine; the preview, or the refusal, opens when the answer is there. `typed` asks for the name before the run."""
        from tui.screens.plan import PlanPage

        future = self.engine.plan(request)

        def show() -> None:
            for page in self.screen_stack:
                if isinstance(page, StartPage):
                    page.say("")
            try:
                plan = future.result()
            except SplitmountError as error:
                self.refuse(f"{request.operation} of {request.set_name}", error)
                return
            self.push_screen(PlanPage(plan, typed=typed))

        self.when_done(future, show, opens=True)

    def refuse(self, title: str, error: SplitmountError) -> None:
        """A page that says why something was not begun."""
        from tui.screens.text import TextPage

        lines = [error.title.upper(), "", *str(error).splitlines(), "", "Nothing was changed. Esc goes back."]
        self.push_screen(TextPage(title, lambda: lines, loud=True))

    def start(self, plan: Plan, *, stepwise: bool, confirmed: str = "") -> None:
        """Start a run; its page takes the place of the preview."""
        self._watch(self.engine.start(plan, stepwise=stepwise, confirmed=confirmed))

    def resume(self, run: int, confirmed: str = "") -> None:
        """Go on with a run that has no end; its page takes the place of its account."""
        self._watch(self.engine.resume(run, confirmed=confirmed))

    def _watch(self, future: Future[int]) -> None:
        from tui.screens.run import RunPage

        def show() -> None:
            try:
                future.result()
            except SplitmountError as error:
                self.refuse("not started", error)
                return
            self.beat()
            if isinstance(self.screen, StartPage):  # the preview was closed meanwhile
                self.push_screen(RunPage())
            else:
                self.switch_screen(RunPage())

        self.when_done(future, show)

    def action_help(self) -> None:
        """The page of keys."""
        from tui.screens.text import TextPage

        self.push_screen(TextPage("help: every key", lambda: help_lines(self.changed_keys)))

    def action_leave(self) -> None:
        """Leave; ask while a run is under way."""
        from tui.screens.ask import Ask

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

    @property
    def changed_keys(self) -> Mapping[str, str]:
        """The person's own keys."""
        return self.look.keys

    async def act(self, page: Screen[Any], action: str) -> None:
        """Do an action of a page, or of the app, as its key would."""
        await self.run_action(action, self if action.startswith("app.") or not hasattr(page, _method(action)) else page)

    def action_find(self) -> None:
        """Find a command of this page, or a place anywhere."""
        from tui.screens.find import FindPage

        page = self.screen
        if not isinstance(page, Page) or isinstance(page, FindPage):
            return

        def found(what: Found | None) -> None:
            if what is not None and what.action:
                self.call_later(self.act, page, what.action)
            elif what is not None:
                self.go_to(what)

        self.push_screen(FindPage(page), found)

    def go_to(self, what: Found) -> None:
        """Put the cursor of the first page on a place; during a run, show what is known of it above the run's page."""
        if self.engine.running():
            from tui.screens.text import TextPage

            self.push_screen(TextPage(what.row.text, lambda: list(what.row.about)))
            return
        while len(self.screen_stack) > 1 and not isinstance(self.screen, StartPage):
            self.pop_screen()
        if isinstance(self.screen, StartPage):
            self.screen.go_to(what.row.id)

    def finish(self) -> None:
        """After the page is gone: let a run reach its safe end, close the engine, tell what did not get told."""
        if self.there and self.engine.running():
            sys.stderr.write("finishing the current step, then taking back what was done on the target ...\n")
        self.close_engine()
        for event in self.engine.drain() if self.there else ():
            self.notifier.hear(event)
        tell_failures(self.notifier.finish())


def _method(action: str) -> str:
    return f"action_{action.split('(')[0]}"


def run_console(
    engine: Facade | LateEngine,
    *,
    banner: str = "",
    school: School | None = None,
    look: Look | None = None,
    talk: Talk | None = None,
) -> int:
    """Open the console and stay until it is left; a run that is under way reaches a safe end before this returns.

    Raises what an engine that was not made yet could not be made for.
    """
    gc.set_threshold(*GARBAGE)
    app = Console(engine, banner=banner, school=school, look=look, talk=talk)
    code = app.run(mouse=app.look.mouse)
    if app.failure is not None:
        raise app.failure
    app.finish()
    return code if code is not None else app.return_code or 0  # a fault of ours leaves no code but the framework's
