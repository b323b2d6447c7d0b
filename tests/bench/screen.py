"""The screen: first paint, `--help`, a tree of a hundred thousand devices against Textual's own, twenty thousand events a second."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from textual.app import App, ComposeResult
from textual.widgets import Tree

from core.events import RunStarted, StepProgress, StepStarted
from core.plan import Explain, Phase, Plan, Step, StepKind
from tests.bench.ratio import Ratio, in_turn, milliseconds, timed
from tui.rows import Row
from tui.view import ViewState, fold, fold_all
from tui.widgets.rowlist import RowList

DEVICES, GROUP = 100_000, 100
SECONDS, EVENTS = 3.0, 20_000
MINIMAL = "from textual.app import App\nfrom textual.widgets import Static\nclass A(App):\n def compose(self): yield Static('painted-now')\nA().run()"
CONFIGURATION = """
hosts:
  db1: {os: linux, address: 127.0.0.1, port: 9}
  backup1: {os: linux, address: 127.0.0.1, port: 9}
  manager: {os: linux, address: 127.0.0.1, port: 9}
arrays:
  sym: {driver: symmetrix, sid: "000000000001", host: manager}
sets:
  payroll:
    source: db1
    target: backup1
    array: sym
    pairs: payroll.pairs
    volume_groups: [vgpay]
    mount: {prefix: /mnt/copy}
"""
PAIRS = "0123 0456\n0124 0457\n"
PAGE = (b"payroll  db1 -> backup1  measuring ...", b"db1  not measured", b"manager  not measured", b"Find", b"Quit")
_SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]")


def first_paint(words: list[str], *marks: bytes) -> float:
    """Seconds from the start of Python until all marks have come to a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
    there = {**os.environ, "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none", "PYTHONDONTWRITEBYTECODE": ""}
    begun, got = time.perf_counter(), b""
    process = subprocess.Popen(
        [sys.executable, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=there, start_new_session=True
    )
    os.close(theirs)
    try:
        while not all(mark in _SEQUENCE.sub(b"", got) for mark in marks):
            assert time.perf_counter() - begun < 60, got[-500:]
            if select.select([ours], [], [], 0.05)[0]:
                got += os.read(ours, 65536)
        return time.perf_counter() - begun
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def starts() -> Iterator[Ratio]:
    """How long one waits for it. Both are begun once before, so that Python has kept their bytecode, as it has for a user."""
    with tempfile.TemporaryDirectory(prefix="splitmount-bench-") as scratch:
        config = Path(scratch) / "splitmount.yaml"
        config.write_text(CONFIGURATION)
        config.with_name("payroll.pairs").write_text(PAIRS)

        def console() -> float:
            return first_paint(["-m", "tui", "--config", str(config)], *PAGE)

        def minimal() -> float:
            return first_paint(["-c", MINIMAL], b"painted-now")

        console(), minimal()
        ours, other = in_turn(console, minimal)
    yield Ratio(
        "first paint of the whole first page",
        milliseconds(ours),
        f"minimal Textual app, {milliseconds(other)}",
        ours / other,
        most=2,
    )
    helped = [sys.executable, "-c", "import sys; sys.argv = ['splitmount', '--help']; from tui.__main__ import main; main()"]
    ours, other = in_turn(lambda: _program(helped), lambda: _program([sys.executable, "-c", "pass"]))
    yield Ratio("`splitmount --help`", milliseconds(ours), f"`python -c pass`, {milliseconds(other)}", ours / other, most=6)


def _program(words: list[str]) -> float:
    return timed(lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL))


def device_rows() -> list[Row]:
    """A hundred thousand devices below their groups."""
    rows = []
    for group in range(DEVICES // GROUP):
        rows.append(Row(f"g{group}", 0, f"group {group}", folds=True))
        rows += [Row(f"g{group}/{n}", 1, f"{group * GROUP + n:08X}  /dev/sd{n}", parent=f"g{group}") for n in range(GROUP)]
    return rows


class _Ours(App[None]):
    def compose(self) -> ComposeResult:
        yield RowList(id="rows")


class _Theirs(App[None]):
    def compose(self) -> ComposeResult:
        yield Tree("devices")


async def _our_tree() -> tuple[float, float, float]:
    app, rows = _Ours(), device_rows()
    async with app.run_test(size=(120, 36)) as pilot:
        listed = app.query_one(RowList)
        listed.focus()
        begun = time.perf_counter()
        listed.show(rows)
        await pilot.pause()
        shown = time.perf_counter() - begun
        begun = time.perf_counter()
        listed.action_open_or_close()
        await pilot.pause()
        toggled = time.perf_counter() - begun
        begun = time.perf_counter()
        listed.filter("0001869F")
        await pilot.pause()
        return shown, toggled, time.perf_counter() - begun


async def _their_tree() -> tuple[float, float]:
    app = _Theirs()
    async with app.run_test(size=(120, 36)) as pilot:
        tree = app.query_one(Tree)
        begun = time.perf_counter()
        for group in range(DEVICES // GROUP):
            node = tree.root.add(f"group {group}", expand=True)
            for n in range(GROUP):
                node.add_leaf(f"{group * GROUP + n:08X}  /dev/sd{n}")
        tree.root.expand()
        await pilot.pause()
        shown = time.perf_counter() - begun
        begun = time.perf_counter()
        tree.root.children[0].toggle()
        await pilot.pause()
        return shown, time.perf_counter() - begun


def trees() -> Iterator[Ratio]:
    """A hundred thousand devices."""
    ours, theirs = asyncio.run(_our_tree()), asyncio.run(_their_tree())
    what = f"{DEVICES:,} devices in the tree"
    yield Ratio(
        f"{what}: shown", milliseconds(ours[0]), f"Textual's Tree, {milliseconds(theirs[0])}", theirs[0] / ours[0], least=8
    )
    yield Ratio(
        f"{what}: one group closed",
        milliseconds(ours[1]),
        f"Textual's Tree, {milliseconds(theirs[1])}",
        theirs[1] / ours[1],
        least=8,
    )
    yield Ratio(f"{what}: filtered", milliseconds(ours[2]), "1 s", ours[2], most=1)


def events() -> Iterator[Ratio]:
    """Progress, as the console takes it: folded ten times a second."""
    at = datetime.now(UTC)
    step = Step("copy", Phase.BACKUP, StepKind.BACKUP, "copy", "a", Explain("", "", "", ""))
    state = fold(fold(ViewState(), RunStarted(1, at, Plan("backup", "s", (step,), at))), StepStarted(1, "copy", at))
    batch = [StepProgress(1, "copy", n, EVENTS, 1.0, 1.0) for n in range(EVENTS // 10)]
    begun, limit = time.process_time(), int(SECONDS * 10)
    for _ in range(limit):
        state = fold_all(state, batch)
    share = (time.process_time() - begun) / SECONDS
    yield Ratio(f"{EVENTS:,} progress events a second, folded", f"{100 * share:.1f} % of a core", "one core", share, most=0.10)
