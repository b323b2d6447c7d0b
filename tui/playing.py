"""A run from the journal as lines, in the time in which it was, or faster. Nothing is sent to any host."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from rich.text import Text

from core.engine import Engine
from core.errors import ConfigError
from core.events import Bound, RunEnded, RunStarted, Scene, StepEnded, StepOutput, StepStarted
from core.played import offset_words, pause
from tui.lines import answer
from tui.plain import line
from tui.progress import Lines, Teller, bar_of, tell_end
from tui.say import say


def play(options: argparse.Namespace, engine: Engine) -> int:
    """Play a run; with --json its scenes at once."""
    if options.run is None:
        raise ConfigError("--play: say which run: splitmount history RUN --play")
    scenes = engine.played(options.run).result()
    if options.json:
        return answer([{"offset": s.offset, "kind": type(s.event).__name__, "event": s.event} for s in scenes])
    show(scenes, options.speed)
    return 0


def show(scenes: Sequence[Scene], speed: float) -> None:
    """Tell the scenes: each step with the time at which it began, how it ended, and the last that was noted of it."""
    started = scenes[0].event
    assert isinstance(started, RunStarted)  # noqa: S101  `core.played` begins with it
    plan = started.plan
    say(
        f"REPLAY of run {started.run}: {plan.operation} of {plan.set_name}, begun {started.at:%Y-%m-%d %H:%M:%S} UTC; nothing runs"
    )
    console = Lines(highlight=False)
    bar = bar_of(console, shown=console.is_terminal and speed > 0)
    with bar:
        teller, noted, before = Teller(console, bar), "", scenes[0]
        for scene in scenes:
            time.sleep(pause(before, scene, speed))
            before, event = scene, scene.event
            if isinstance(event, StepStarted):
                teller.prefix, noted = f"{offset_words(scene.offset)}  ", ""
            if isinstance(event, StepOutput | Bound):
                noted = event.text if isinstance(event, StepOutput) else f"{event.name} = {event.value}"
            teller.hear(event)
            if isinstance(event, StepEnded) and noted:
                console.print(Text(f"    | {line(noted)}"), soft_wrap=True)
        teller.drop()
    if teller.open:
        say(f"{teller.open}: UNKNOWN, no outcome is recorded")
    if isinstance(before.event, RunEnded):
        tell_end(console, before.event)
    else:
        say(f"{offset_words(before.offset)}  the journal has no end of this run")
