"""The demonstration: the console over transcripts that were recorded in the lab. Read-only; nothing in it is live."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

from core.config import load
from core.replay import ReplayTransport
from tui.outline import set_lines
from tui.wiring import build_engine

BANNER = "RECORDED TRANSCRIPTS, nothing here is live"


def run_demo(*, plain: bool = False) -> int:
    """Open the console on the recording; `plain` prints what it would show first, and ends."""
    scratch = Path(tempfile.mkdtemp(prefix="splitmount-demo-"))
    try:
        with as_file(files("tui") / "recorded") as recorded:
            settings = replace(load(recorded / "splitmount.yaml"), state_dir=scratch)
            engine = build_engine(settings, True, ReplayTransport(recorded / "lab.jsonl"))
            if not plain:
                from tui.app import run_console

                return run_console(engine, banner=BANNER)
            return _print(engine)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _print(engine: object) -> int:
    from core.engine import Engine
    from core.events import SetMeasured

    assert isinstance(engine, Engine)  # noqa: S101  for the type checker
    print(f"splitmount demo: {BANNER}\n")  # noqa: T201
    for name in engine.settings.sets:
        engine.measure_set(name).result()
        for event in engine.drain():
            if isinstance(event, SetMeasured):
                print("\n".join(set_lines(engine.settings, event)) + "\n")  # noqa: T201
    engine.close()
    return 0
