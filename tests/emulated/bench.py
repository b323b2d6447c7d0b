"""The product on the embedded estate, without a screen: an engine over real SSH, and what a test asks of both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.arrays.symmetrix import SymmetrixArray
from core.config import load
from core.engine import Engine
from core.events import Event, RunEnded, RunPaused, StepEnded
from core.facade import PlanRequest
from core.plan import Plan
from core.settings import ApplicationSettings
from hostdrivers.emulated.estate import Builder, Estate, Family, RunningEstate
from hostdrivers.emulated.families import FAMILIES
from hostdrivers.emulated.machine import Machine
from hostdrivers.emulated.witness import digests
from tui.wiring import TABLES, build_engine

NAMES = tuple(build.__name__.replace("_", "-") for build in FAMILIES)


def in_the_gate(*quick: str) -> list[Any]:
    """Parameters for a costly test of every family: the gate runs it for some of them, `make test-long` for the others."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.long) for name in NAMES]


class Bench:
    """A running estate and an engine on it."""

    def __init__(self, running: RunningEstate) -> None:
        """The configuration is the one that the estate wrote; waits are shorter than a person's."""
        self.running, self.estate = running, running.estate
        self.patience, self.freeze = 30.0, 0  # seconds for a look at the array, and of a freeze where not what is configured
        self.engine = self.another_engine()
        self.events: list[Event] = []

    def another_engine(self, *, read_only: bool = False, application: ApplicationSettings | None = None) -> Engine:
        """A console of its own on the same estate, with an application in each set where one is given; close it."""
        settings = load(self.estate.config)
        sets = {name: replace(one, wait_limit=2, application=application) for name, one in settings.sets.items()}
        arrays = {"symmetrix": lambda a: SymmetrixArray(a.name, a.host, a.sid, wait=1, patience=self.patience)}
        if self.freeze:
            sets = {name: replace(one, freeze=replace(one.freeze, seconds=self.freeze)) for name, one in sets.items()}
        tables = replace(TABLES, arrays=arrays)
        return build_engine(replace(settings, sets=sets), read_only=read_only, tables=tables)

    def be_quick(self) -> None:
        """Take an engine that soon loses patience with the array, and with a freeze: for what hangs or is lost."""
        self.engine.close()
        self.patience, self.freeze = 1.0, 4
        self.engine = self.another_engine()

    def family(self, name: str) -> Family:
        """The set of that name."""
        return next(f for f in self.estate.families if f.set_name == name)

    def plan(self, request: PlanRequest) -> Plan:
        """Plan it."""
        return self.engine.plan(request).result()

    def run(self, request: PlanRequest) -> RunEnded:
        """Plan it, run it, and wait for its end."""
        return self.finish(self.engine.start(self.plan(request), stepwise=False).result())

    def go(self, number: int, before: str) -> None:
        """Let a run that goes step by step do all the steps before the one with this id; there is no pause between freeze and thaw."""
        limit, seen = time.monotonic() + 60, 0
        while True:
            while len(at := self._paused(number)) == seen:
                self.events += self.engine.drain()
                assert time.monotonic() < limit, f"the run does not come to {before}; it paused before {at}"
                time.sleep(0.02)
            if at[-1] == before:
                return
            seen = len(at)
            self.engine.proceed(number)

    def _paused(self, number: int) -> list[str]:
        return [e.step for e in self.events if isinstance(e, RunPaused) and e.run == number]

    def finish(self, number: int) -> RunEnded:
        """Wait for the end of a run."""
        limit = time.monotonic() + 100
        while time.monotonic() < limit:
            self.events += self.engine.drain()
            ends = [e for e in self.events if isinstance(e, RunEnded) and e.run == number]
            if ends:
                return ends[0]
            time.sleep(0.02)
        raise AssertionError(f"run {number} did not end")

    def steps(self, run: int) -> dict[str, StepEnded]:
        """How the steps of a run ended, by their ids."""
        return {e.step: e for e in self.events if isinstance(e, StepEnded) and e.run == run}

    def files(self, machine: Machine, top: str) -> dict[str, str]:
        """SHA-256 of every file below a directory of a host, by path below it."""
        return self.running.do(lambda: digests(machine, top))

    def switch(self, name: str) -> None:
        """Switch an accident on or off."""
        self.running.do(lambda: self.estate.switch(name))


@contextmanager
def bench(directory: Path, names: tuple[str, ...] = NAMES, builders: tuple[Builder, ...] = ()) -> Iterator[Bench]:
    """An estate with these sets (or of these builders), and an engine on it."""
    builders = builders or tuple(b for b in FAMILIES if b.__name__.replace("_", "-") in names)
    running = RunningEstate(directory / "estate", builders)
    try:
        made = Bench(running)
        try:
            yield made
        finally:
            made.engine.close()
    finally:
        running.close()


def estate_of(directory: Path) -> Estate:
    """An estate that is not started; for looking at what it writes."""
    return Estate(directory, FAMILIES)
