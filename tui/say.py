"""The command line's one way out: standard output line by line, and errors; what hosts said is made printable here."""

from __future__ import annotations

import sys

from tui.plain import json_text, line, printable


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
    """Let a terminal of another character set show escapes for what it lacks, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
