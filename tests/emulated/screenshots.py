"""Make the pictures of the README and the docs from real runs on the emulated estate: `python -m tests.emulated.screenshots DIRECTORY`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from core.engine import Engine
from core.facade import PlanRequest
from core.plan import Phase
from core.settings import PostPolicy
from tests.emulated.bench import NAMES, Bench, bench
from tui.app import Console
from tui.screens.guide import GuidePage

WIDE, SMALL = (120, 36), (80, 24)


class Camera:
    """A console on an engine, and where its pictures go."""

    def __init__(self, app: Console, pilot: Pilot[int], directory: Path) -> None:
        """Of one size."""
        self.app, self.pilot, self._directory = app, pilot, directory

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something; TimeoutError when it does not come."""
        async with asyncio.timeout(60):
            while not true():
                await asyncio.sleep(0.02)
                self.app.beat()

    async def page(self, name: str) -> None:
        """Wait for a screen."""
        await self.until(lambda: type(self.app.screen).__name__ == name)
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def end(self) -> None:
        """Wait for the end of the run."""
        await self.until(lambda: self.app.state.run is not None and self.app.state.run.end is not None)
        await self.pilot.pause()

    async def reach(self, phase: Phase) -> None:
        """Go step by step to the first step of a phase, which waits for the key."""

        def due() -> bool:
            run = self.app.state.run
            return run is not None and any(s.id == run.paused and s.phase is phase for s in run.plan.steps)

        async with asyncio.timeout(60):
            while not due():
                self.app.beat()
                await self.press("n")

    async def shoot(self, name: str) -> None:
        """Take the picture."""
        await self.pilot.pause()
        (self._directory / f"{name}.svg").write_text(self.app.export_screenshot())


@asynccontextmanager
async def camera(engine: Engine, directory: Path, size: tuple[int, int]) -> AsyncIterator[Camera]:
    """A console whose sets are all measured."""
    app = Console(engine)
    async with app.run_test(size=size) as pilot:
        one = Camera(app, pilot, directory)
        await one.until(lambda: bool(app.state.sets) and not app.state.measuring)
        yield one


async def backup(made: Bench, directory: Path) -> None:
    """The start page, a plan, a run on its way, as a picture too, and at its end."""
    async with camera(made.engine, directory, WIDE) as at:
        await at.press("down", "down")
        await at.shoot("start")
        await at.press("b")
        await at.page("PlanPage")
        await at.press(*["down"] * 4)
        await at.shoot("plan")
        await at.press("t", "y")
        await at.page("RunPage")

        await at.reach(Phase.SPLIT)
        await at.shoot("split")
        await at.reach(Phase.BACKUP)
        await at.shoot("backup")
        await at.press("p")
        await at.page("PicturePage")
        await at.shoot("picture")
        await at.press("escape")
        await at.press("a")
        await at.end()
        await at.shoot("end")


async def moments(made: Bench, directory: Path) -> None:
    """The restore guide to its typed confirmation, a rehearsal's report, a takeover's end; in the smallest usual terminal."""
    async with camera(made.engine, directory, SMALL) as at:
        at.app.push_screen(GuidePage("hpux-orders"))
        await at.page("GuidePage")
        await at.until(lambda: "verified" in at.app.export_screenshot())
        await at.shoot("restore-from-what")
        await at.press("enter", "enter", "enter")
        await at.shoot("restore-safety")
        await at.press("down", "enter")
        await at.until(lambda: "PAIRS_SPLIT" in at.app.export_screenshot())
        await at.shoot("restore-conditions")
        await at.press("G", "enter")
        await at.page("PlanPage")
        await at.shoot("restore-consequences")
        await at.press("r")
        await at.page("TypeName")
        await at.shoot("restore-typed")
        await at.press("tab", *"hpux-orders", "enter")
        await at.end()
        await at.shoot("restore-end")


async def takeover(made: Bench, directory: Path) -> None:
    """A rehearsal's report, then the takeover from a dead host."""
    for operation in ("rehearse", "takeover"):
        if operation == "takeover":
            made.switch("host-lost@hpprod")
        async with camera(made.engine, directory, SMALL) as at:
            at.app.plan(PlanRequest(operation, "hpux-orders"))
            await at.page("PlanPage")
            await at.press("r")
            await at.press(*(["y"] if operation == "rehearse" else ["tab", *"hpux-orders", "enter"]))
            await at.end()
            await at.shoot(operation)


async def refusal(made: Bench, directory: Path) -> None:
    """What a refusal looks like."""
    made.switch("volume-added@hpprod")
    async with camera(made.engine, directory, WIDE) as at:
        await at.press("b")
        await at.page("TextPage")
        await at.shoot("error")


async def read_only(made: Bench, directory: Path) -> None:
    """A plan on a console that may change nothing."""
    engine = made.another_engine(read_only=True)
    async with camera(engine, directory, WIDE) as at:
        await at.press("b")
        await at.page("PlanPage")
        await at.shoot("read-only")
    engine.close()


def main(directory: Path) -> None:
    """Take every picture, each journey on an estate of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, journey in enumerate((backup, moments, takeover, refusal, read_only)):
        with tempfile.TemporaryDirectory() as scratch:
            names = NAMES if journey is backup else ("hpux-orders",)
            with bench(Path(scratch) / str(number), names) as made:
                if journey in (moments, takeover):
                    end = made.run(PlanRequest("backup", "hpux-orders", post_policy=PostPolicy.LEAVE_DOWN))
                    assert end.exit_code == 0, end.message
                asyncio.run(journey(made, directory))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
