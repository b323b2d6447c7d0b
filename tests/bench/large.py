"""The console on five hundred emulated hosts with 64 devices each: how long it measures, its memory, how soon it answers keys.

`python -m tests.bench.large CONFIGURATION` is the console, in a process of its own; it prints what it measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textual import events

from core.config import load
from core.engine import Engine
from hostdrivers.emulated.families import DEVICES
from tests.bench.ratio import Ratio, milliseconds, seconds
from tui.app import GARBAGE, Console
from tui.widgets.rowlist import RowList
from tui.wiring import build_engine

SOURCES = 500
PAUSE = 0.1  # seconds between two keys
TURN = 10  # keys down, then as many up


@contextmanager
def served(*words: str) -> Iterator[Path]:
    """The emulated estate in a process of its own; its configuration."""
    command = [sys.executable, "-m", "tui", "demo", "--serve", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield Path(process.stdout.readline().strip())
        finally:
            process.terminate()


def _place(rows: RowList) -> str:
    return rows.row.id if rows.row is not None else ""


def _turn(number: int) -> str:
    return "down" if number % (2 * TURN) < TURN else "up"


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110  the framework has no event for what is waited for
            await asyncio.sleep(0.001)


async def _key(app: Console, rows: RowList, name: str) -> float:
    """Seconds from a key to the screen that is drawn after the cursor has moved."""
    before, drawn = _place(rows), asyncio.Event()
    begun = time.perf_counter()
    app.post_message(events.Key(name, None))
    await _until(lambda: _place(rows) != before)
    rows.call_after_refresh(drawn.set)
    await drawn.wait()
    return time.perf_counter() - begun


async def _console(engine: Engine) -> dict[str, Any]:
    app, begun = Console(engine), time.perf_counter()
    keys: list[float] = []
    rest: list[float] = []
    async with app.run_test(size=(120, 36)):
        await _until(lambda: bool(app.state.measuring))
        rows = app.screen.query_one(RowList)
        while app.state.measuring:
            keys.append(await _key(app, rows, _turn(len(keys))))
            await asyncio.sleep(PAUSE)
        took = time.perf_counter() - begun
        while len(rest) < 2 * TURN:
            rest.append(await _key(app, rows, _turn(len(keys) + len(rest))))
            await asyncio.sleep(PAUSE)
        known = [app.state.hosts[one.source] for one in engine.settings.sets.values()]
        devices = sum(len(seen.facts.devices) for seen in known if seen.facts)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": took, "memory": memory, "keys": keys, "rest": rest, "devices": devices}


def measure(config: Path) -> dict[str, Any]:
    """A console of this process on an estate."""
    gc.set_threshold(*GARBAGE)  # as the command has it
    engine = build_engine(load(config), read_only=True)
    try:
        return asyncio.run(_console(engine))
    finally:
        engine.close()


def large(sources: int = SOURCES) -> Iterator[Ratio]:
    """Five hundred sources and their targets, on as many emulated arrays as they need."""
    with served("--size", str(sources)) as config:
        words = [sys.executable, "-m", "tests.bench.large", str(config)]
        frames = {**os.environ, "TEXTUAL_FPS": "120", "TEXTUAL_ANIMATIONS": "none"}  # as the command line has them
        got = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=frames).stdout)
    what, devices = f"{sources} emulated sources x {DEVICES} devices", sources * DEVICES
    assert got["devices"] == devices, f"{got['devices']} of {devices} devices are known"
    keys = sorted(got["keys"])
    each = got["seconds"] / sources
    yield Ratio(f"{what}: measured, with their targets and mirrors", seconds(got["seconds"]), "1 s a set", each, most=1)
    yield Ratio(f"{what}: peak memory of the console", f"{got['memory']:,.0f} MiB", "512 MiB", got["memory"] / 512, most=1)
    median, late = statistics.median(keys), keys[int(0.99 * len(keys))]
    rest = milliseconds(statistics.median(got["rest"]))
    said = f"{milliseconds(median)} (99 of 100: {milliseconds(late)}; {len(keys)} keys; at rest afterwards: {rest})"
    yield Ratio(f"{what}: a key while it measures, median", said, "30 ms", median / 0.030, most=1)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))))
