"""What is wrong with a set out of sight is told on the first screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.model import Finding, Severity
from tests.core.samples import NOW
from tests.tui.still import Still
from tests.tui.test_screens import shows, until
from tui.app import Console
from tui.look import Look

LOOKS = (Look(watch=0), Look(watch=0, color=False), Look(watch=0, ascii=True))


class Ill(Still):
    """Many sets, the last of them in trouble."""

    def __init__(self) -> None:
        """Forty sets; none is measured before it is asked for."""
        super().__init__()
        one = self.settings.sets["payroll"]
        names = [f"set{n:02}" for n in range(40)]
        self.settings = replace(self.settings, path=Path("splitmount.yaml"), sets={n: replace(one, name=n) for n in names})
        self.ill = True

    def measure_set(self, name: str):  # type: ignore[no-untyped-def]
        """The last has a run without an end and errors."""
        found = tuple(Finding(code, Severity.ERROR, name, "") for code in ("RUN_WITHOUT_END", "X", "Y"))
        self.said.append(replace(self._measured, set_name=name, findings=found if self.ill and name == "set39" else ()))
        return self._answer()


@pytest.mark.parametrize("look", LOOKS, ids=["colour", "colourless", "ascii"])
@pytest.mark.parametrize("size", [(60, 16), (80, 24), (200, 60)])
async def test_trouble_below_the_last_line_is_told_in_the_heading_at_every_width(size: tuple[int, int], look: Look) -> None:
    engine = Ill()
    app = Console(engine, look=look, banner="DEMONSTRATION", clock=lambda: NOW)  # type: ignore[arg-type]
    async with app.run_test(size=size):
        await until(app, lambda: shows(app, "1 run has no end, 2 errors"))
        assert not shows(app, "No end")
        engine.ill = False
        app.measure_all()
        await until(app, lambda: not shows(app, "errors"))


async def test_the_footer_names_the_key_for_a_run_without_an_end_where_the_set_under_the_cursor_has_one() -> None:
    app = Console(Ill(), look=LOOKS[0], clock=lambda: NOW)  # type: ignore[arg-type]
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, lambda: shows(app, "1 run has no end"))
        assert not shows(app, "u No end")
        app.screen.go_to("set/set39")  # type: ignore[attr-defined]
        await until(app, lambda: shows(app, "u No end", "b Backup"))
        await pilot.press("g")
        await until(app, lambda: not shows(app, "u No end"))
