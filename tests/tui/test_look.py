"""What was asked for is complete: no colour code, no glyph outside ASCII, sixteen colours; on every page, and in the very bytes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.color import ColorType

from core.engine import Engine
from tests.tui.test_hostile import PAGES, HostileEngine, ended, events
from tests.tui.toyengine import toy_engine
from tui.app import Console
from tui.look import THEMES, Look
from tui.themes import ascii_of

COLOUR_CODE = re.compile(rb"\x1b\[(?:[0-9;:]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:[;:][0-9;:]*)?m")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made, _ = toy_engine(tmp_path)
    yield made
    made.close()


async def segments_of(engine: Engine, page: str, look: Look) -> list[Any]:
    """All that is drawn of a page whose every text is hostile, with a notification above it."""
    hostile = HostileEngine(engine)
    app = Console(hostile, banner="b\u00e4nner", look=look)  # type: ignore[arg-type]
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await pilot.pause()
        if page in ("run", "ended"):
            hostile.said += events(hostile._plan) + ([ended()] if page == "ended" else [])
        app.beat()
        if (screen := PAGES[page](hostile)) is not None:
            app.push_screen(screen)
        app.notify("notified: \u4e2d\u00e9\u2588", markup=False, timeout=60)
        await pilot.pause()
        await pilot.press("down")
        app.beat()
        await pilot.pause()
        return [s for strip in app.screen._compositor.render_strips(app.size) for s in strip]


@pytest.mark.parametrize("page", PAGES)
async def test_no_page_has_a_glyph_outside_ascii_nor_a_colour(engine: Engine, page: str) -> None:
    drawn = await segments_of(engine, page, Look(ascii=True, color=False))
    assert "notified: ???#" in "".join(s.text for s in drawn)
    assert {c for s in drawn for c in s.text if not c.isascii()} == set()
    assert {s.style for s in drawn if s.style and (s.style.color or s.style.bgcolor)} == set()
    assert any(s.style and s.style.reverse for s in drawn)  # the cursor, or the button that has the focus


@pytest.mark.parametrize("page", ["start", "plan", "conditions"])
async def test_sixteen_colours_are_sixteen(engine: Engine, page: str) -> None:
    drawn = await segments_of(engine, page, Look("16-colours"))
    used = [c for s in drawn if s.style for c in (s.style.color, s.style.bgcolor) if c is not None]
    assert {c.type for c in used} <= {ColorType.STANDARD, ColorType.DEFAULT}
    assert any(c.type is ColorType.STANDARD for c in used)


def luminance(color: Any) -> float:
    """Of the sRGB colour, as WCAG 2 has it."""
    parts = [v / 255 for v in color.rgb]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return float(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])


@pytest.mark.parametrize("theme", [t for t in THEMES if t != "16-colours"])
async def test_every_state_of_a_pair_can_be_read_in_every_theme(engine: Engine, theme: str) -> None:
    least = {"high-contrast": 7.0}.get(theme, 3.0)
    app = Console(HostileEngine(engine), look=Look(theme))  # type: ignore[arg-type]
    async with app.run_test(size=(100, 30)):
        rows = app.screen.query_one("RowList")
        ground = rows.background_colors[1]
        for tone in ("ok", "note", "warn", "dim"):
            front = ground + rows.get_component_styles(f"row--{tone}").color
            light, dark = sorted((luminance(front), luminance(ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= least, (theme, tone, front.hex, ground.hex)


def test_lines_and_blocks_become_what_looks_like_them_in_the_same_width() -> None:
    assert ascii_of("\u2502\u2500\u250c\u2588\u2026 \u4e2d\u00e9") == "|-+#. ???"
    assert ascii_of("plain") == "plain"


def test_an_arrow_keeps_its_direction_and_nothing_is_drawn_as_what_it_is_not() -> None:
    assert ascii_of("BCV \u2192 STD, \u2190 \u21d2 \u25b6 \u00ab\u00bb") == "BCV > STD, < > > <>"
    assert ascii_of("\u2018a\u2019 \u201cb\u201d \u2013 \u00d7 \u2191\u2193") == "'a' \"b\" - x ??"
    assert ascii_of("\u2581\u2594\u258a\u2590\u2503\u2592") == "--|||#"


SCRIPT = """
import sys, tempfile
from pathlib import Path
from tests.tui.toyengine import toy_engine
from tui.app import run_console
from tui.look import look_of
with tempfile.TemporaryDirectory() as scratch:
    engine, _ = toy_engine(Path(scratch))
    sys.exit(run_console(engine, look=look_of({"NO_COLOR": "1"}, Path("/nonexistent"), ascii=True)))
"""


STEPS = [
    (b"", b"7902C000"),
    (b"b", b"nothing was done yet"),
    (b":", b"letters of a command"),
    (b"\x1b", b"Step by step"),
    (b"?", b"every key"),
]


def test_a_real_terminal_gets_no_colour_code_and_no_byte_outside_ascii() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    there = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1", "TEXTUAL_ANIMATIONS": "none"}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=theirs, stdout=theirs, stderr=theirs, env=there, start_new_session=True
    )
    os.close(theirs)
    got = b""
    try:
        for key, wanted in STEPS:
            os.write(ours, key)
            before, limit = len(got), time.monotonic() + 50
            while wanted not in got[before:]:
                assert time.monotonic() < limit, (key, got[before:][-400:])
                if select.select([ours], [], [], 0.2)[0]:
                    got += os.read(ours, 65536)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert COLOUR_CODE.findall(got) == []
    assert {byte for byte in got if byte > 126} == set()
