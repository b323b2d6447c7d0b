"""Run the estate in the foreground: `python -m tests.lab [--layout NAME] [-- COMMAND]`, with {config} in the command.

Without a command it stays up until Ctrl-C or SIGTERM. Either way every process of it ends with it.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.lab.estate import Lab, open_lab
from tests.lab.layouts import make_awkward, make_ordinary


def main(arguments: list[str]) -> int:
    """Start the estate, run the command or wait, and return the command's exit code."""
    own, command = _split(arguments)
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--layout", action="append", choices=["ordinary", "awkward", "none"], default=None)
    parser.add_argument("--directory", type=Path, help="work directory, kept afterwards (keep the path short)")
    options = parser.parse_args(own)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        with open_lab(options.directory) as lab:
            _make_layouts(lab, options.layout or ["ordinary", "awkward"])
            print(f"lab: {lab.seconds}", file=sys.stderr)
            print(lab.config, flush=True)
            return _run(lab, command) if command else _stay()
    except KeyboardInterrupt:
        return 130


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Part our own options from the command behind `--`."""
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def _make_layouts(lab: Lab, wanted: list[str]) -> None:
    if "ordinary" in wanted:
        lab.seconds["ordinary"] = make_ordinary(lab)
    if "awkward" in wanted:
        lab.seconds["awkward"] = make_awkward(lab)


def _run(lab: Lab, command: list[str]) -> int:
    filled = [part.replace("{config}", str(lab.config)).replace("{lab}", str(lab.directory)) for part in command]
    return subprocess.run(filled, check=False).returncode


def _stay() -> int:
    print("lab: up; Ctrl-C ends it", file=sys.stderr)
    while True:
        signal.pause()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Turn SIGTERM into the exception of Ctrl-C, so that one way of cleaning up serves both."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
