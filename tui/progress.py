"""A run without the console: a line for each step, and a live bar where the terminal can show one."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from core.errors import ConfigError
from core.events import Event, Outcome, RunEnded, RunStarted, StepEnded, StepProgress, StepStarted
from core.facade import Facade
from core.plan import Step
from tui.lines import answer
from tui.look import look_of
from tui.notify import Notifier, tell_failures
from tui.plain import line, printable
from tui.say import complain, to_terminal, unstopped
from tui.wishes import Notify

POLL = 0.1


class Lines(Console):
    """A console that says when nobody reads it any more, instead of ending the process with a code of its own."""

    def on_broken_pipe(self) -> None:
        """As for all that is said otherwise."""
        raise BrokenPipeError


class Teller:
    """Folds events into lines and one bar."""

    def __init__(self, console: Console, bar: Progress) -> None:
        """Lines go to the console, what is under way to the bar."""
        self.prefix = ""
        self.open = ""  # the line of the step that has no outcome yet
        self._steps: dict[str, tuple[int, Step]] = {}
        self._total = 0
        self._console = console
        self._bar = bar
        self._task: TaskID | None = None

    def hear(self, event: Event) -> None:
        """Tell one event; lines about a step begin with `prefix`."""
        match event:
            case RunStarted():
                self._steps = {s.id: (n, s) for n, s in enumerate(event.plan.steps, 1)}
                self._total = len(event.plan.steps)
            case StepStarted():
                self.drop()
                self.open = f"{self.prefix}{self._title(event.step)}"
                self._task = self._bar.add_task(self._title(event.step), total=None)
            case StepProgress() if self._task is not None:
                self._bar.update(self._task, completed=event.done, total=event.total)
            case StepEnded():
                self.drop()
                style = "" if event.outcome is Outcome.OK else "bold"
                said = printable(event.message).replace("\n", "\n    | ")  # what a host said never begins a line
                self.open = ""
                told = f"{self.prefix}{self._title(event.step)}: {event.outcome.value} {event.seconds:.1f} s  {said}".rstrip()
                self._console.print(Text(told, style=style), soft_wrap=True)
            case _:
                return

    def _title(self, step_id: str) -> str:
        number, step = self._steps.get(step_id, (0, None))
        if step is None:
            return line(f"[take back] {step_id.removeprefix('undo-')}")
        return line(f"{number}/{self._total} [{step.phase.value}] {step.title}")

    def drop(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


def bar_of(console: Console, *, shown: bool = True) -> Progress:
    """The live bar; a title in it is text, never markup."""
    title = TextColumn("{task.description}", markup=False)
    rest = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(title, *rest, console=console, transient=True, disable=not shown)


def tell_run(engine: Facade, begin: Callable[[], int], *, as_json: bool) -> int:
    """Begin a run and tell it; its exit code. When nobody reads it any more, the run goes on, and its end is an error's line."""
    with unstopped() as out:
        end = follow_run(engine, begin(), quiet=as_json)
        if as_json:
            answer(end)
        out.flush()
        if out.lost:
            tell_end(Lines(stderr=True, highlight=False), end)
    return end.exit_code


def follow_run(engine: Facade, number: int, *, quiet: bool = False) -> RunEnded:
    """Tell a run that has just begun, to its end. Ctrl-C asks for a stop after the current step; nothing is cut off."""
    console = Lines(stderr=quiet, quiet=quiet, highlight=False)
    bar = bar_of(console, shown=not quiet and console.is_terminal)

    def stop(signum: int, frame: FrameType | None) -> None:
        engine.stop_after_step(number)
        sys.stderr.write("\nstopping after the current step; what was done on the target is taken back\n")

    notifier = Notifier(_wishes(), to_terminal)
    before = signal.signal(signal.SIGINT, stop)
    try:
        with bar:
            teller = Teller(console, bar)
            while True:
                for event in engine.drain():
                    teller.hear(event)
                    notifier.hear(event)
                    if isinstance(event, RunEnded) and event.run == number:
                        tell_end(console, event)
                        return event
                time.sleep(POLL)
    finally:
        signal.signal(signal.SIGINT, before)
        tell_failures(notifier.finish())


def _wishes() -> Notify:
    """How the person wants to be told. What is wrong in that file is told, and ends no run."""
    try:
        return look_of(os.environ).notify
    except (ConfigError, OSError) as error:
        complain(f"splitmount: nobody is told of the end of this run: {error}")
        return Notify()


def tell_end(console: Console, end: RunEnded) -> None:
    """How a run ended, and what is left."""
    said = printable(end.message).replace("\n", "\n    | ")
    lines = [f"run {end.run}: {end.outcome.value} (exit {end.exit_code}) after {end.seconds:.0f} s: {said}"]
    if end.left:
        lines += ["left to do by hand:", *(f"  {printable(text)}".replace("\n", "\n  ") for text in end.left)]
    console.print(Text("\n".join(lines), style="bold"), soft_wrap=True)
