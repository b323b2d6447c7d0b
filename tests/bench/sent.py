"""What the console sends to a terminal: for a page down, and while a backup runs on the emulated estate."""

from __future__ import annotations

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hostdrivers.emulated.array import Array, Disk
from hostdrivers.emulated.estate import RunningEstate
from hostdrivers.emulated.families import FAMILIES
from tests.bench.ratio import Ratio

COLUMNS, LINES = 120, 36
QUIET, PATIENCE = 1.5, 120.0  # seconds without a byte that end an answer; and for which a word is waited for
RATE, COPIED = 20.0, 55.0  # tracks a second that the array copies; seconds for which it does after the backup
LEAST = 50.0  # seconds that the backup must take: nothing is scaled up to a minute
_SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Line:
    """A terminal line to a console, on which bytes are counted."""

    def __init__(self, master: int) -> None:
        """The master's end of a pty."""
        self._master = master

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._master, keys)

    def _more(self, limit: float) -> bytes:
        return os.read(self._master, 1 << 16) if select.select([self._master], [], [], limit)[0] else b""

    def until(self, *words: str) -> int:
        """Bytes until one of the words has come."""
        got, end, wanted = b"", time.monotonic() + PATIENCE, [word.encode() for word in words]
        while not any(word in _SEQUENCE.sub(b"", got) for word in wanted):
            assert time.monotonic() < end, f"none of {words}: {_SEQUENCE.sub(b'', got)[-2000:]!r}"
            got += self._more(0.2)
        return len(got)

    def until_quiet(self) -> int:
        """Bytes until nothing comes any more."""
        count, end = 0, time.monotonic() + PATIENCE
        while more := self._more(QUIET):
            assert time.monotonic() < end, "the console sends without end"
            count += len(more)
        return count


@contextmanager
def console(config: Path) -> Iterator[Line]:
    """A console on a terminal, without the watch over the mirrors, which sends by itself."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    settings = config.parent / "home"
    (settings / "splitmount").mkdir(parents=True, exist_ok=True)
    (settings / "splitmount" / "console.yaml").write_text("watch: 0\n")
    there = {**os.environ, "TERM": "xterm-256color", "XDG_CONFIG_HOME": str(settings)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "--config", str(config)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=there,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Line(master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def slow(array: Array) -> None:
    """Let an array copy for most of a minute what applications write to the source from the split on."""

    def written(pairs: Sequence[tuple[Disk, Disk]]) -> None:
        for std, _ in pairs:
            array.wrote(std, range(int(RATE * COPIED)))

    array.rate = RATE
    array.at_split.append(written)


def sent() -> Iterator[Ratio]:
    """Both, on one console."""
    with tempfile.TemporaryDirectory(prefix="splitmount-bench-") as scratch:
        running = RunningEstate(Path(scratch) / "estate", FAMILIES)
        try:
            running.do(lambda: slow(running.estate.array))
            with console(running.estate.config) as line:
                line.until("established")
                line.until_quiet()
                line.press(b"\x1b[6~")
                page = line.until_quiet()
                line.press(b"\x1b[5~")
                line.until_quiet()
                line.press(b"b")
                line.until("Run all")
                line.press(b"r")
                line.until("to its end?")
                begun = time.monotonic()
                line.press(b"y")
                backup = line.until("The run has ended")
                took = time.monotonic() - begun
        finally:
            running.close()
    where = f"a terminal of {COLUMNS} x {LINES}"
    yield Ratio(f"bytes for a page down, {where}", f"{page:,}", "20,000 bytes", page / 20_000, most=1)
    assert took >= LEAST, f"the backup took {took:.1f} s only"
    said, minute = f"{backup:,} bytes in {took:.1f} s", backup / took * 60
    yield Ratio(f"bytes while a backup runs, {where}", said, "a line of 1 Mbit/s", minute * 8 / 60e6, most=1)
