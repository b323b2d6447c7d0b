"""The demonstration: the console on an estate of emulated hosts and an emulated array, behind real SSH on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from core.facade import Facade, PlanRequest
from core.plan import Plan
from tui.extra import extra

if TYPE_CHECKING:
    from hostdrivers.emulated.estate import Family, RunningEstate
    from tui.screens.school import Lesson

GRACE = 10.0  # seconds for an orderly end behind a signal
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_AROUND = (
    "arrows and Enter walk the tree; ? shows every key; L is the log; A switches accidents, D brings this page again; "
    "nothing runs without a preview."
)
_BACKUP = "r runs the plan, y confirms; t goes step by step. Then B lists the backups."
_TAKEOVER = "its map is kept, then the source dies. Read the preview, press r, and type the set's name (Tab goes to the field)."
_RESTORE = "the mirrors are split (here a moment ago), then files are damaged. Press r, and type the set's name (Tab goes to the field)."
BANNER = "EMULATED, nothing here is real"


class DemoSchool:
    """What is offered on the emulated estate."""

    def __init__(self, running: RunningEstate, engine: Facade) -> None:
        """The estate must be listening; lessons that need a past make it with the engine."""
        from hostdrivers.emulated.witness import Witness

        self._running, self._engine = running, engine
        self._helper = ThreadPoolExecutor(1, "lesson")
        self._witnesses = running.do(lambda: {f.set_name: Witness(f) for f in running.estate.families})

    @property
    def lessons(self) -> tuple[Lesson, ...]:
        """The offers: for each set of the estate a backup, a takeover, a restore."""
        from tui.screens.school import Lesson

        families = self._running.estate.families
        names = [family.set_name for family in families]
        return (
            Lesson("Look around", _AROUND),
            *(Lesson(f"Run a backup of {name}", _BACKUP, PlanRequest("backup", name)) for name in names),
            *(
                Lesson(f"Lose {f.source.name} and take over {f.set_name}", _TAKEOVER, PlanRequest("takeover", f.set_name))
                for f in families
            ),
            *(Lesson(f"Restore last night of {name}", _RESTORE, PlanRequest("restore", name)) for name in names),
        )

    def prepare(self, lesson: Lesson) -> Future[None]:
        """Bring about what a lesson begins with: a dead host, or mirrors that were split and files that are damaged since."""
        return self._helper.submit(self._prepare, lesson.request)

    def _prepare(self, request: PlanRequest | None) -> None:
        if request is None or request.operation == "backup":
            return
        family = next(f for f in self._running.estate.families if f.set_name == request.set_name)
        lost = f"host-lost@{family.source.name}"
        if self.accidents()[lost][0]:
            self.switch(lost)  # it lives again for this lesson
        first = "map" if request.operation == "takeover" else "split"
        run = self._engine.start(self._engine.plan(PlanRequest(first, request.set_name)).result()).result()
        while run in self._engine.running():
            time.sleep(0.05)
        if request.operation == "takeover":
            self.switch(lost)
        else:
            self._running.do(lambda: damage(family))

    def report(self, plan: Plan) -> str:
        """What the estate saw of a backup from inside: checksums at all three ends."""
        from hostdrivers.emulated.estate import REPOSITORY
        from hostdrivers.emulated.witness import newest_archive

        name = plan.set_name
        if plan.operation != "backup":
            return ""
        estate, witness = self._running.estate, self._witnesses[name]
        return self._running.do(lambda: witness.report(newest_archive(estate.vault, REPOSITORY, name)))

    def accidents(self) -> Mapping[str, tuple[bool, str]]:
        """Everything that can go wrong here."""
        return self._running.estate.accidents()

    def switch(self, name: str) -> None:
        """Switch an accident on or off, in the estate's own thread."""
        self._running.do(lambda: self._running.estate.switch(name))

    def leave(self) -> None:
        """The estate's files go, and the directory that was made for them, when it holds nothing else."""
        directory = self._running.estate.directory
        shutil.rmtree(directory, ignore_errors=True)
        with contextlib.suppress(OSError):
            directory.parent.rmdir()


def _end_by_signals(scratch: Path) -> None:
    """Have a closed terminal, or SIGTERM, end the demonstration in order; by force where that hangs, and its directory goes either way.

    The signal tears the console out of its loop wherever it is, and what is torn may leave threads that never end.
    """

    def by_force(status: int) -> None:
        shutil.rmtree(scratch, ignore_errors=True)
        os._exit(status)

    def closed(number: int, _: object) -> None:
        for one in _ENDING:  # a terminal that goes may say so more than once, and make says it again: the end is not ended
            signal.signal(one, signal.SIG_IGN)
        force = threading.Timer(GRACE, by_force, (128 + number,))
        force.daemon = True
        force.start()
        sys.exit(128 + number)

    for one in _ENDING:
        signal.signal(one, closed)


@contextlib.contextmanager
def _estate(options: Namespace) -> Iterator[RunningEstate]:
    """The estate in a directory of its own, which goes with it, also when the terminal is closed."""
    with extra("demo", "the demonstration"):
        from hostdrivers.emulated.estate import RunningEstate
        from hostdrivers.emulated.families import FAMILIES, sized
    scratch = Path(tempfile.mkdtemp(prefix="splitmount-demo-"))
    _end_by_signals(scratch)
    try:
        builders = tuple(sized(number) for number in range(options.size)) if options.size else FAMILIES
        if options.oracle:
            from hostdrivers.emulated.oracle_estate import with_oracle

            builders = tuple(with_oracle(build, {}) for build in FAMILIES)
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
    if "list" in (options.fault or ()):
        from tui.say import say

        options.fault = []
        with _estate(options) as running:
            say(*(f"{name:<34} {sentence}" for name, (_, sentence) in running.estate.accidents().items()))
        return 0
    with _estate(options) as running:
        if options.serve:
            return _serve(running)
        from core.config import load
        from tui.look import look_from
        from tui.wiring import build_engine

        look = look_from(options)
        engine = build_engine(load(running.estate.config), read_only=False)
        if options.plain:
            return _print(engine)
        from tui.app import run_console

        return run_console(engine, banner=BANNER, school=DemoSchool(running, engine), look=look)


def damage(family: Family) -> None:
    """What somebody did to the source since last night: one file of each filesystem is gone, another is ruined."""
    from hostdrivers.emulated.tools import list_directory

    source = family.source
    for point in source.mounts:
        names = [n for n in list_directory(source.root, point) if source.root.stat(f"{point}/{n}")["file_type"] == "file"]
        source.root.remove(f"{point}/{names[0]}")
        source.write_file(f"{point}/{names[1]}", b"ruined\n")
    source.sync()


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
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    return 0


def _print(engine: object) -> int:
    from core.engine import Engine
    from core.events import SetMeasured
    from tui.outline import set_lines
    from tui.say import say

    assert isinstance(engine, Engine)  # noqa: S101  for the type checker
    say(f"splitmount demo: {BANNER}", "")
    for name in engine.settings.sets:
        engine.measure_set(name).result()
        for event in engine.drain():
            if isinstance(event, SetMeasured):
                say(*set_lines(engine.settings, event), "")
    engine.close()
    return 0
