"""The demonstration: the console on an estate of emulated hosts and an emulated array, behind real SSH on loopback."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import tempfile
import threading
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ConfigError
from core.facade import PlanRequest

if TYPE_CHECKING:
    from hostdrivers.emulated.estate import RunningEstate
    from tui.screens.school import Lesson

BANNER = "EMULATED, nothing here is real"


class DemoSchool:
    """What is offered on the emulated estate."""

    def __init__(self, running: RunningEstate) -> None:
        """The estate must be listening."""
        self._running = running

    @property
    def lessons(self) -> tuple[Lesson, ...]:
        """The offers, each for one set of the estate."""
        from tui.screens.school import Lesson

        sets = [family.set_name for family in self._running.estate.families]
        backups = tuple(
            Lesson(
                f"Run a backup of {name}",
                "r runs the plan, y confirms; t goes step by step. Then B lists the backups.",
                request,
            )
            for name in sets
            for request in (PlanRequest("backup", name),)
        )
        around = Lesson(
            "Look around", "arrows and Enter walk the tree; ? shows every key; l is the log; nothing runs without a preview."
        )
        return (around, *backups)

    def accidents(self) -> Mapping[str, tuple[bool, str]]:
        """Everything that can go wrong here."""
        return self._running.estate.accidents()

    def switch(self, name: str) -> None:
        """Switch an accident on or off, in the estate's own thread."""
        self._running.do(lambda: self._running.estate.switch(name))


@contextlib.contextmanager
def _estate(options: Namespace) -> Iterator[RunningEstate]:
    """The estate in a directory of its own, which goes with it."""
    try:
        from hostdrivers.emulated.estate import RunningEstate
        from hostdrivers.emulated.families import FAMILIES, sized
    except ModuleNotFoundError as missing:
        raise ConfigError(f"the demonstration needs the extra `demo` (pip install 'splitmount[demo]'): {missing}") from missing
    scratch = Path(tempfile.mkdtemp(prefix="splitmount-demo-"))
    try:
        builders = tuple(sized(number) for number in range(options.size)) if options.size else FAMILIES
        running = RunningEstate(scratch / "estate", builders)
        try:
            for name in options.fault or ():
                running.do(lambda name=name: running.estate.switch(name))  # type: ignore[misc]
            yield running
        finally:
            running.close()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def run_demo(options: Namespace) -> int:
    """Open the console on the estate; `--serve` keeps it for other clients; `--plain` prints what the console would show."""
    with _estate(options) as running:
        if options.serve:
            return _serve(running)
        from core.config import load
        from tui.wiring import build_engine

        engine = build_engine(load(running.estate.config), read_only=False)
        if options.plain:
            return _print(engine)
        from tui.app import run_console

        return run_console(engine, banner=BANNER, school=DemoSchool(running))


def _serve(running: RunningEstate) -> int:
    """Stay in the foreground until a signal says to end."""
    directory = running.estate.directory
    print(running.estate.config, flush=True)  # noqa: T201  the first line is the path, for scripts
    login = f"ssh -i {directory}/id_ed25519 -o UserKnownHostsFile={directory}/known_hosts"
    fronts = running.estate.fronts.items()
    rows = "".join(f"  {login} -p {front.port} root@127.0.0.1  # {name}, {front.machine.os}\n" for name, front in fronts)
    sys.stderr.write(f"Serving until Ctrl+C. Another terminal can say:\n  splitmount --config {running.estate.config}\n{rows}")
    sys.stderr.flush()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    return 0


def _print(engine: object) -> int:
    from core.engine import Engine
    from core.events import SetMeasured
    from tui.outline import set_lines

    assert isinstance(engine, Engine)  # noqa: S101  for the type checker
    print(f"splitmount demo: {BANNER}\n")  # noqa: T201
    for name in engine.settings.sets:
        engine.measure_set(name).result()
        for event in engine.drain():
            if isinstance(event, SetMeasured):
                print("\n".join(set_lines(engine.settings, event)) + "\n")  # noqa: T201
    engine.close()
    return 0
