"""A console that freezes the source and then never goes on: `python -m tests.lab.stuck CONFIG [SET]`. For the tests to kill."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from core.config import load
from core.facade import PlanRequest
from core.ssh import SshTransport
from core.transport import Command, Result
from tests.lab.product import WatchedTransport
from tui.wiring import build_engine


class _Stuck(WatchedTransport):
    """Says so and stops for ever where the split would be sent."""

    async def run(self, command: Command) -> Result:
        if command.title.startswith("Split"):
            print("FROZEN", flush=True)
            await asyncio.sleep(3600)
        return await super().run(command)


def main() -> None:
    """Plan a split, and get stuck in it."""
    settings = load(Path(sys.argv[1]))
    engine = build_engine(settings, False, _Stuck(SshTransport(settings.hosts, settings.known_hosts, read_only=False)))
    plan = engine.plan(PlanRequest("split", (sys.argv[2:] or ["ordinary"])[0])).result()
    number = engine.start(plan).result()
    while (run := next(r for r in engine.history().result() if r.run == number)).exit_code is None:
        time.sleep(0.5)
    print(f"run {number} ended with {run.exit_code} before it froze anything: {run.message}", flush=True)


if __name__ == "__main__":
    main()
