"""A run on the screen: phases on top, steps at left, the current step at right, and a clear end."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from core.events import Outcome, StepProgress
from core.rehearse import report
from tui.keys import bindings
from tui.outline import size_words
from tui.plain import line, printable
from tui.rows import plan_rows
from tui.screens.base import Page, put
from tui.screens.log import LogPage
from tui.screens.picture import PicturePage
from tui.screens.plan import step_text
from tui.view import RunView, ViewState, shown_step
from tui.widgets.rowlist import RowList

BAR = 30


def bar_text(progress: StepProgress) -> str:
    """Bytes done and to do, rate and time left; what is not known says so."""
    total = size_words(progress.total) if progress.total is not None else "unknown"
    share = "" if not progress.total else f"[{'#' * (BAR * min(progress.done, progress.total) // progress.total):<{BAR}}] "
    rate = f"{size_words(int(progress.rate))}/s" if progress.rate is not None else "rate unknown"
    left = f"{progress.remaining:.0f} s left" if progress.remaining is not None else "time left unknown"
    return f"{share}{size_words(progress.done)} of {total}  {rate}  {left}  {line(progress.note)}".rstrip()


def phase_line(run: RunView) -> Text:
    """The phases in the order in which they run: done, current, to come."""
    text = Text(no_wrap=True, overflow="ellipsis")
    here = shown_step(run)
    for phase, steps in run.plan.stretches:
        views = [run.steps.get(step.id) for step in steps]
        done = all(view is not None and view.outcome is Outcome.OK for view in views)
        current = here is not None and here in steps and run.end is None
        style = "bold reverse" if current else ("bold" if done else "dim")
        text.append(f" {'+' if done else ('>' if current else '-')} {phase.value} ", style=style)
    return text


def end_text(run: RunView, seen: str = "") -> Text:
    """How it ended: what was done, what is left, how long; and what the demonstration saw of it."""
    text = Text()
    end = run.end
    if end is None:
        return text
    good = end.outcome is Outcome.OK
    text.append(f" {end.outcome.value.upper()} ", style="bold reverse" if good else "bold white on red")
    text.append(f"  exit {end.exit_code}, after {end.seconds:.0f} s\n\n", style="bold")
    text.append(printable(end.message) + "\n")
    if end.left:
        text.append("\nLeft to do, by hand:\n", style="bold")
        text.append("\n".join(printable(left) for left in end.left) + "\n")
    for told in (*report_lines(run), *([seen] if seen else [])) if good else ():
        text.append(f"\n{printable(told)}\n")
    text.append("\nDone:\n", style="bold")
    text.append("\n".join(f"  {line(done)}" for done in end.done) or "  nothing")
    text.append("\n\nEsc goes back.")
    return text


def report_lines(run: RunView) -> list[str]:
    """What a run that went well has proved and has not, and the way on from a takeover."""
    if run.plan.operation == "takeover":
        return [f"{run.plan.set_name} stays up here. The way back, days later if need be: F on the first page (failback)."]
    sampled = run.steps.get("sample-copy")
    return report(run.plan.summary, sampled.message if sampled is not None else "")


class StagePage(Page):
    """Draws a run, and can do nothing about it."""

    def __init__(self) -> None:
        """Nothing is drawn yet."""
        super().__init__()
        self._shown = ""

    def run_of(self, state: ViewState) -> RunView | None:
        """The run that is drawn."""
        raise NotImplementedError

    def seen(self, run: RunView) -> str:
        """What the demonstration saw of it."""
        return ""

    def progress_line(self, run: RunView) -> Text:
        """The line below the steps."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Phases, steps beside the current step, progress."""
        yield Static(id="title")
        yield Static(id="phases")
        with Horizontal(id="body"):
            yield RowList(id="steps")
            with VerticalScroll(id="detail"):
                yield Static(id="about")
                yield Static(id="output")
        yield Static(id="progress")
        yield self.needle()
        yield self.too_small()
        yield self.key_line()

    def opened(self) -> None:
        """The steps have the keys."""
        self.query_one(RowList).focus()

    def heading(self) -> str:
        """Which run this is."""
        run = self.run_of(self.console_app.state)
        if run is None:
            return "RUN"
        return f"RUN {run.run}  {run.plan.operation} of {run.plan.set_name}"

    def hear(self, state: ViewState) -> None:
        """Draw what changed."""
        run = self.run_of(state)
        if run is None:
            return
        put(self.query_one("#title", Static), self.title_line())
        put(self.query_one("#phases", Static), phase_line(run))
        here = shown_step(run)
        key = f"{run.current}/{run.paused}/{run.end is not None}"
        self.query_one(RowList).show(list(plan_rows(run.plan, run)), follow=(here.id if here and key != self._shown else ""))
        self._about(run, key)
        put(self.query_one("#output", Static), Text("\n".join(line(text) for text in run.output[-40:])))
        put(self.query_one("#progress", Static), self.progress_line(run))

    def _about(self, run: RunView, key: str) -> None:
        """The current step, or the end."""
        if key == self._shown:
            return
        self._shown = key
        here = shown_step(run)
        view = run.steps.get(here.id) if here else None
        text = (
            end_text(run, self.seen(run)) if run.end else (step_text(here, view.command if view else None) if here else Text())
        )
        put(self.query_one("#about", Static), text)
        self.query_one("#detail", VerticalScroll).scroll_home(animate=False)


class RunPage(StagePage):
    """Watches; the run belongs to the engine and goes on whatever happens to this page."""

    BINDINGS = bindings("run")
    SHEET = "run"

    def run_of(self, state: ViewState) -> RunView | None:
        """The run that is under way."""
        return state.run

    def seen(self, run: RunView) -> str:
        """What the demonstration saw of a run that went well."""
        school = self.console_app.school
        return school.report(run.plan) if school is not None and run.end is not None and run.end.outcome is Outcome.OK else ""

    def progress_line(self, run: RunView) -> Text:
        """How far it is, or whom it waits for."""
        if run.end is not None:
            return Text(f"The run has ended: {run.end.outcome.value}. Esc goes back.", style="bold")
        if run.paused:
            return Text("Waiting for you: n does the next step, a all the rest, x stops and takes back.", style="bold")
        return Text(bar_text(run.progress) if run.progress else "working ...")

    def action_proceed(self, to_end: bool) -> None:
        """Let a paused run go on; to its end also when it is between two pauses."""
        run = self.console_app.state.run
        if run is not None and (run.paused or (to_end and run.end is None)):
            self.console_app.engine.proceed(run.run, to_end=to_end)

    def action_stop(self) -> None:
        """Stop at the next boundary."""
        run = self.console_app.state.run
        if run is not None and run.end is None:
            self.console_app.engine.stop_after_step(run.run)
            self.notify("stopping after this step; what was done on the target is taken back")

    def action_log(self) -> None:
        """The whole log."""
        self.console_app.push_screen(LogPage())

    def action_picture(self) -> None:
        """The set as a picture; the run goes on."""
        run = self.console_app.state.run
        if run is not None:
            self.console_app.push_screen(PicturePage(run.plan.set_name))

    def go_back(self) -> None:
        """Only when it has ended."""
        run = self.console_app.state.run
        if run is None or run.end is not None:
            self.dismiss(None)
            self.console_app.measure_all()
        else:
            self.notify("the run is under way: x stops after this step, q asks to leave")
