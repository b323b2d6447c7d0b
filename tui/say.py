"""The command line's one way out: standard output line by line, and errors; what hosts said is made printable here."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO, cast

from tui.plain import json_text, line, printable

UNREAD = 128 + signal.SIGPIPE  # what a shell reports for a command whose reader went away


def say(*lines: str) -> None:
    """Lines on standard output, each of which stays one line."""
    for text in lines:
        print(line(text))  # noqa: T201


def say_json(value: object) -> None:
    """A value as JSON on standard output."""
    print(json_text(value))  # noqa: T201


def complain(text: str) -> None:
    """A text on the error output; one that has several lines keeps them, set off, so that none passes for one of ours."""
    print(printable(text).replace("\n", "\n  "), file=sys.stderr)  # noqa: T201


def to_terminal(text: str) -> None:
    """Send a sequence to the terminal, where there is one; it is never sent into a file or a pipe."""
    for stream in (sys.stderr, sys.stdout):
        if stream is not None and stream.isatty():
            stream.write(text)
            stream.flush()
            return


def forgiving() -> None:
    """Let a terminal of another character set show escapes for what it lacks, instead of ending the command.

    What was closed before we began (`>&-`) is nowhere, so that no other file gets its number and is written to.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  for as long as the process
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


class Steadfast:
    """A stream for what must not be stopped by its listener: what cannot be written any more goes nowhere, and `lost` says why."""

    def __init__(self, stream: TextIO) -> None:
        """Everything that is not about writing is the stream's own."""
        self._stream = stream
        self.lost = ""

    def write(self, text: str) -> int:
        """Write it, or lose it."""
        with self._losing():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush it, or lose it."""
        with self._losing():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        """Whether it is a terminal, its character set, ..."""
        return getattr(self._stream, name)

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            first, self.lost = not self.lost, str(error.strerror or error)
            to_nowhere(self._stream)
            if first and sys.stderr is not self:
                complain(f"splitmount: the output is not read any more ({self.lost}): what was begun goes on to its end")


@contextmanager
def unstopped() -> Iterator[Steadfast]:
    """Let what is said in it be lost rather than stop anything: a run goes on when nobody reads its lines. Gives the output."""
    out, errors = Steadfast(sys.stdout), Steadfast(sys.stderr)
    with redirect_stdout(cast(TextIO, out)), redirect_stderr(cast(TextIO, errors)):
        try:
            yield out
        finally:
            out.flush()
            errors.flush()


def to_nowhere(stream: TextIO) -> None:
    """Let nothing of a stream whose reader is gone be tried again, not even at the end of the process."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def unread() -> int:
    """Nobody reads what was being said, and nothing else was to be done: end without a word; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            to_nowhere(stream)
    return UNREAD
