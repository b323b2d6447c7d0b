"""Make the pictures of the README from real runs in the lab: `python -m tests.lab.screenshots DIRECTORY`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from core.plan import Phase
from tests.lab.estate import Lab, open_lab
from tests.lab.layouts import make_awkward, make_ordinary
from tests.lab.product import drive, product, settings_of
from tui.app import Console
from tui.wiring import build_engine

SIZE = (120, 36)


def main(directory: Path) -> None:
    """Boot the lab and take every picture."""
    directory.mkdir(parents=True, exist_ok=True)
    with open_lab() as lab:
        make_ordinary(lab)
        make_awkward(lab)
        with product(lab) as made:
            drive(made, "ordinary", "establish")
            drive(made, "awkward", "establish")
            drive(made, "awkward", "split")
        asyncio.run(_journey(lab, directory))
        asyncio.run(_read_only(lab, directory))


async def _until(app: Console, true: Callable[[], bool]) -> None:
    """Wait for something on the screen; TimeoutError when it does not come."""
    async with asyncio.timeout(300):
        while not true():
            await asyncio.sleep(0.02)
            app.beat()


async def _journey(lab: Lab, directory: Path) -> None:
    engine = build_engine(settings_of(lab), False)
    app = Console(engine)
    async with app.run_test(size=SIZE) as pilot:

        async def shoot(name: str) -> None:
            await pilot.pause()
            (directory / f"{name}.svg").write_text(app.export_screenshot())

        def at(phase: Phase) -> bool:
            run = app.state.run
            return run is not None and any(s.id == run.current and s.phase is phase for s in run.plan.steps)

        await _until(app, lambda: len(app.state.sets) == 2 and not app.state.measuring)
        await pilot.press("down", "down")
        await shoot("start")
        await pilot.press("b")
        await _until(app, lambda: type(app.screen).__name__ == "PlanPage")
        await pilot.press(*["down"] * 3)
        await shoot("plan")
        await pilot.press("r")
        await pilot.pause()
        await pilot.press("y")
        await _until(app, lambda: app.state.run is not None and app.state.run.frozen_since is not None)
        await shoot("split")
        await _until(app, lambda: at(Phase.BACKUP) and app.state.run is not None and app.state.run.progress is not None)
        await shoot("backup")
        await _until(app, lambda: app.state.run is not None and app.state.run.end is not None)
        await shoot("end")
    engine.close()


async def _read_only(lab: Lab, directory: Path) -> None:
    body = settings_of(lab, lambda b: b["sets"]["awkward"].update(volume_groups=["vg-awk", "vgpart", "vgmissing"]))
    engine = build_engine(body, True)
    app = Console(engine)
    async with app.run_test(size=SIZE) as pilot:
        await _until(app, lambda: len(app.state.sets) == 2 and not app.state.measuring)
        await pilot.pause()
        (directory / "read-only.svg").write_text(app.export_screenshot())
        await pilot.press(*["down"] * 6)
        await pilot.press("b")
        await _until(app, lambda: type(app.screen).__name__ in ("TextPage", "PlanPage"))
        await pilot.pause()
        (directory / "error.svg").write_text(app.export_screenshot())
    engine.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
