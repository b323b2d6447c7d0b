"""A console that is killed by the real signal at a point of a step: `python -m tests.lab.killed CONFIG STATE OPERATION SET AT POINT`.

AT is a part of the plan's steps, from 0 to 1; it dies at the first place from there on that has the point, and says where.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.config import load
from core.facade import PlanRequest
from core.settings import PostPolicy
from tests.emulated.crashes import Fate, Point, doomed, finished


@dataclass(slots=True)
class Signal(Fate):
    """The fate of a process: SIGKILL to itself. `order` are the steps that it may die in, by id."""

    order: tuple[str, ...] = field(default=())

    def here(self) -> bool:
        """Whether this step is one of them, or one that no plan shows."""
        return self.at in self.order

    def strike(self) -> None:
        """Say where, and be gone."""
        sys.stdout.write(f"killed {self.at}\n")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Plan, and run until it is killed."""
    config, state, operation, name, at, point = sys.argv[1:]
    fate = Signal("", Point(point), kill=True)
    engine, _ = doomed(replace(load(Path(config)), state_dir=Path(state)), fate)
    post = PostPolicy.LEAVE_DOWN if operation == "restore" else PostPolicy.UP
    plan = engine.plan(PlanRequest(operation, name, post_policy=post)).result()
    fate.order = tuple(step.id for step in plan.steps[int(float(at) * len(plan.steps)) :])
    end = finished(engine, engine.start(plan, confirmed=plan.confirm).result(), 300)
    sys.stdout.write(f"ended {end.exit_code} {end.message}\n")
    engine.close()
    return 1


if __name__ == "__main__":
    sys.exit(main())
