"""Every screen as text, at three sizes, on an estate that stands still; in colour, without, and in ASCII.

`SPLITMOUNT_SNAPSHOTS=write` writes the files anew; look at what changed before it is kept. `SPLITMOUNT_PICTURES=DIR` makes pictures of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.color import ColorSystem
from textual.pilot import Pilot
from textual.strip import Strip

from tests.tui.still import LATER, PLAN, SCREENS, Shown, Still
from tests.tui.test_look import COLOUR_CODE
from tests.tui.test_screens import screen_text
from tui.app import Console
from tui.look import Look
from tui.screens.log import LogPage
from tui.screens.newset import NewSetPage
from tui.screens.picture import PicturePage
from tui.screens.plan import PlanPage
from tui.themes import ascii_of

HERE = Path(__file__).parent / "snapshots"
SIZES = [(80, 24), (120, 36), (200, 60)]
COLOUR = Look(watch=0)
LOOKS = {"colour": COLOUR, "colourless": replace(COLOUR, color=False), "ascii": replace(COLOUR, ascii=True)}


def photograph(app: Console, name: str) -> None:
    """A picture to look at, where a directory for it is given."""
    if directory := os.environ.get("SPLITMOUNT_PICTURES"):
        look = f"{'' if app.look.color else '-plain'}{'-ascii' if app.look.ascii else ''}"
        Path(directory, f"{name}-{app.size.width}{look}.svg").write_text(app.export_screenshot())


def sent(strips: list[Strip]) -> bytes:
    """What a terminal of all colours gets for these lines."""
    parts = (s.style.render(s.text, color_system=ColorSystem.TRUECOLOR) if s.style else s.text for t in strips for s in t)
    return "".join(parts).encode()


async def opened(app: Console, pilot: Pilot[int], one: Shown) -> None:
    """Bring it to the screen, as a person would."""
    if (screen := one.opens(app)) is not None:
        app.push_screen(screen)
    await settled(app, pilot)
    for key in one.keys:
        await pilot.press(key)
        await settled(app, pilot)
    if isinstance(screen, NewSetPage):  # its words come from a thread
        end = time.monotonic() + 30
        while "NAME=ADDRESS" not in screen_text(app) and time.monotonic() < end:
            await pilot.pause(0.02)


async def settled(app: Console, pilot: Pilot[int]) -> None:
    """Everything that was answered is drawn."""
    for _ in range(3):
        app.beat()
        await pilot.pause(0)


async def drawn(size: tuple[int, int], look: Look) -> AsyncIterator[tuple[str, str, bytes]]:
    """Each screen by its name: its text, and what a terminal gets for it."""
    engine = Still()
    app = Console(engine, look=look, clock=lambda: LATER)  # type: ignore[arg-type]
    async with app.run_test(size=size) as pilot:
        await settled(app, pilot)
        before = app.state
        for name, one in SCREENS.items():
            engine.said += one.said
            await opened(app, pilot, one)
            await pilot.pause()
            strips = app.screen._compositor.render_strips(app.size)
            photograph(app, name)
            yield name, "\n".join(row.rstrip() for row in screen_text(app).splitlines()) + "\n", sent(strips)
            while len(app.screen_stack) > 1:
                await app.pop_screen()
            app.state = before


def expected(name: str, size: tuple[int, int], look: Look, text: str) -> str:
    """What is kept of a screen. One without colours or in ASCII has a file of its own only where more than its glyphs differs."""
    plain = HERE / f"{name}-{size[0]}x{size[1]}.txt"
    own = plain if look is COLOUR else plain.with_suffix(".ascii.txt" if look.ascii else ".colourless.txt")
    if os.environ.get("SPLITMOUNT_SNAPSHOTS") == "write":
        own.unlink(missing_ok=True)
        if look is COLOUR or text != _derived(plain, look):
            own.write_text(text)
    return own.read_text() if own.is_file() else _derived(plain, look)


def _derived(plain: Path, look: Look) -> str:
    text = plain.read_text() if plain.is_file() else ""
    return ascii_of(text) if look.ascii else text


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
async def test_every_screen_is_what_it_was_in_colour_without_and_in_ascii(size: tuple[int, int], look: Look) -> None:
    changed = []
    async for name, text, codes in drawn(size, look):
        assert bool(COLOUR_CODE.search(codes)) == look.color, name
        assert codes.isascii() or not look.ascii, name
        if text != expected(name, size, look, text) or len(text.splitlines()) != size[1]:
            changed.append(f"{name}\n{text}")
    assert not changed, "\n".join(changed)


async def test_any_size_at_any_moment_is_survived() -> None:
    app = Console(Still(), look=Look(watch=0), clock=lambda: LATER)  # type: ignore[arg-type]
    async with app.run_test(size=(80, 24)) as pilot:
        app.beat()
        for screen in (None, PlanPage(PLAN), PicturePage("payroll"), LogPage()):
            if screen is not None:
                app.push_screen(screen)
            for size in ((20, 5), (200, 60), (60, 16), (61, 17), (1, 1), (80, 24)):
                await pilot.resize_terminal(*size)
                await pilot.pause()
                if size[0] >= 60:
                    assert ("too small" in screen_text(app)) is False, size
                elif size == (20, 5):
                    assert "small" in screen_text(app)
