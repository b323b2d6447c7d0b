"""The demonstration by its keys: the offer, a whole backup of each family, accidents, and what an estate of another size has."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from core.config import load
from hostdrivers.emulated.estate import RunningEstate
from hostdrivers.emulated.families import FAMILIES, sized
from tests.emulated.bench import NAMES
from tests.tui.test_screens import screen_text, shows, until
from tui.__main__ import main
from tui.app import Console
from tui.demo import BANNER, DemoSchool
from tui.screens.ask import TypeName
from tui.screens.school import AccidentsPage, SchoolPage
from tui.wiring import build_engine


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Console]:
    running = RunningEstate(tmp_path / "estate", FAMILIES)
    engine = build_engine(load(running.estate.config), read_only=False)
    yield Console(engine, banner=BANNER, school=DemoSchool(running, engine))
    engine.close()
    running.close()


async def test_the_offer_comes_first_and_says_that_nothing_is_real(demo: Console) -> None:
    async with demo.run_test(size=(100, 40)) as pilot:
        await until(demo, lambda: shows(demo, "Look around", *(f"Run a backup of {name}" for name in NAMES), BANNER))
        await pilot.press("enter")
        await until(demo, lambda: not isinstance(demo.screen, SchoolPage) and shows(demo, "Sets", NAMES[0]))


@pytest.mark.parametrize("name", NAMES)
async def test_a_lesson_is_the_real_guided_run_by_keys(demo: Console, name: str) -> None:
    async with demo.run_test(size=(120, 45)) as pilot:
        await until(demo, lambda: isinstance(demo.screen, SchoolPage))
        for _ in range(1 + NAMES.index(name)):
            await pilot.press("down")
        await pilot.press("enter")
        await until(demo, lambda: shows(demo, "PLAN", f"backup of {name}"))
        await pilot.press("r")
        await until(demo, lambda: shows(demo, "Esc"))
        await pilot.press("y")
        await until(demo, lambda: shows(demo, "The run has ended: ok"))
        assert "exit 0" in screen_text(demo)


async def choose(demo: Console, pilot: Pilot[int], title: str) -> None:
    """Go to an offer by keys, and take it."""
    await until(demo, lambda: isinstance(demo.screen, SchoolPage))
    assert demo.school is not None
    for _ in range([lesson.title for lesson in demo.school.lessons].index(title)):
        await pilot.press("down")
    await pilot.press("enter")


async def type_name(demo: Console, pilot: Pilot[int], name: str) -> None:
    """Answer the question before data is overwritten: Enter alone cancels, so Tab to the field first."""
    await pilot.press("r")
    await until(demo, lambda: isinstance(demo.screen, TypeName))
    await pilot.press("tab", *name, "enter")
    await until(demo, lambda: shows(demo, "The run has ended"))


@pytest.mark.parametrize("name", NAMES)
async def test_last_night_is_restored_by_keys_and_the_damage_is_gone(demo: Console, name: str) -> None:
    async with demo.run_test(size=(120, 45)) as pilot:
        await choose(demo, pilot, f"Restore last night of {name}")
        await until(demo, lambda: shows(demo, "PLAN", f"restore of {name}", "OVERWRITES"))
        await type_name(demo, pilot, name)
        assert "exit 0" in screen_text(demo)


@pytest.mark.parametrize("name", NAMES)
async def test_a_lost_host_is_taken_over_by_keys(demo: Console, name: str) -> None:
    async with demo.run_test(size=(120, 45)) as pilot:
        assert demo.school is not None
        title = next(x.title for x in demo.school.lessons if x.title.startswith("Lose") and x.title.endswith(name))
        await choose(demo, pilot, title)
        await until(demo, lambda: shows(demo, "PLAN", f"takeover of {name}", "TAKES THE PLACE"))
        await type_name(demo, pilot, name)
        assert "exit 0" in screen_text(demo)


async def test_enter_on_the_typed_question_cancels_and_a_wrong_name_does_nothing(demo: Console) -> None:
    async with demo.run_test(size=(120, 45)) as pilot:
        await choose(demo, pilot, f"Restore last night of {NAMES[0]}")
        await until(demo, lambda: shows(demo, "OVERWRITES"))
        await pilot.press("r")
        await until(demo, lambda: isinstance(demo.screen, TypeName))
        await pilot.press("tab", "enter", "x", "enter")
        assert isinstance(demo.screen, TypeName)
        await pilot.press("shift+tab", "enter")
        await until(demo, lambda: not isinstance(demo.screen, TypeName))
        assert shows(demo, "nothing was done yet")


async def test_accidents_are_switched_by_a_hidden_key_and_hit_the_next_plan(demo: Console) -> None:
    async with demo.run_test(size=(140, 45)) as pilot:
        await until(demo, lambda: isinstance(demo.screen, SchoolPage))
        await pilot.press("escape")
        await pilot.press("A")
        await until(demo, lambda: isinstance(demo.screen, AccidentsPage) and shows(demo, "[ ] duplicate-identity@"))
        await pilot.press("enter")
        await until(demo, lambda: shows(demo, "[x] duplicate-identity@"))
        await pilot.press("escape")
        await pilot.press("b")
        await until(demo, lambda: shows(demo, "REFUSED", "STD_ON_TARGET"))


def test_another_size_has_so_many_sources_of_64_devices(tmp_path: Path) -> None:
    running = RunningEstate(tmp_path / "estate", tuple(sized(number) for number in range(18)))
    settings = load(running.estate.config)
    assert (len(settings.sets), len(settings.arrays)) == (18, 2)
    assert {len(one.pairs) for one in settings.sets.values()} == {64}
    running.close()


def test_a_transcript_of_an_inspection_answers_again_without_the_estate(tmp_path: Path) -> None:
    running = RunningEstate(tmp_path / "estate", FAMILIES[:1])
    try:
        config, transcript = str(running.estate.config), str(tmp_path / "seen.jsonl")
        name = running.estate.families[0].set_name
        first = splitmount("--config", config, "--record", transcript, "inspect", name)
        assert first.returncode == 0, first.stderr
    finally:
        running.close()
    again = splitmount("--config", config, "--replay", transcript, "inspect", name)
    assert (again.returncode, without_times(again.stdout)) == (0, without_times(first.stdout))
    assert splitmount("--config", config, "--replay", transcript, "run", "split", name, "--yes").returncode != 0
    assert splitmount("--config", config, "inspect", name).stdout != first.stdout


def splitmount(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tui", *words], capture_output=True, text=True, timeout=60)


def without_times(text: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d", "TIME", text)


async def test_pairs_that_the_array_did_not_tell_are_shown_as_not_measured_and_never_as_unpaired(tmp_path: Path) -> None:
    running = RunningEstate(tmp_path / "estate", FAMILIES[:1])
    running.do(lambda: running.estate.switch("unknown-state@aixprod"))
    engine = build_engine(load(running.estate.config), read_only=True)
    try:
        app = Console(engine)
        async with app.run_test(size=(120, 40)):
            await until(app, lambda: shows(app, "[?] NOT MEASURED"))
            assert "UNPAIRED" not in screen_text(app)
        plain = splitmount("--config", str(running.estate.config), "inspect").stdout
        assert "[?] NOT MEASURED" in plain
        assert "[-] UNPAIRED" not in plain
    finally:
        engine.close()
        running.close()


def test_the_accidents_are_listed_by_name_and_host(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--fault", "list"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert any(row.startswith("mixed-states@aixprod ") and len(row.split()) > 4 for row in rows)
    assert len(rows) > 60


async def test_every_key_that_the_offer_speaks_of_does_what_it_says(demo: Console) -> None:
    async with demo.run_test(size=(130, 40)) as pilot:
        await until(
            demo, lambda: isinstance(demo.screen, SchoolPage) and shows(demo, "A switches accidents", "D brings this page")
        )
        await pilot.press("escape", "A")
        await until(demo, lambda: isinstance(demo.screen, AccidentsPage))
        await pilot.press("escape", "D")
        await until(demo, lambda: isinstance(demo.screen, SchoolPage))


STUCK = """
import threading, sys
from tui.__main__ import main
threading.Thread(target=threading.Event().wait).start()
sys.exit(main(["demo"]))
"""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, None], ids=["SIGHUP", "SIGTERM", "no signal"])
@pytest.mark.parametrize("command", [("-m", "tui", "demo"), ("-c", STUCK)], ids=["in order", "with a thread that never ends"])
def test_a_demo_whose_terminal_is_closed_leaves_no_directory(
    tmp_path: Path, number: signal.Signals | None, command: tuple[str, ...]
) -> None:
    outer, inner = os.openpty()
    values = {**os.environ, "TMPDIR": str(tmp_path), "TERM": "xterm-256color"}
    with subprocess.Popen([sys.executable, *command], stdin=inner, stdout=inner, stderr=inner, env=values) as program:
        os.close(inner)
        limit = threading.Timer(120, program.kill)  # what hangs fails this test, and no more
        limit.start()
        shown = b""
        while b"Look around" not in shown:
            shown += os.read(outer, 1 << 16)
        assert any(tmp_path.glob("splitmount-demo-*/estate/*"))
        if number is None:
            os.close(outer)
        else:
            program.send_signal(number)
            program.send_signal(number)  # make says it again
            with contextlib.suppress(OSError):
                while os.read(outer, 1 << 16):
                    pass
            os.close(outer)
        assert program.wait() == 128 + (number or signal.SIGHUP)
        limit.cancel()
    assert list(tmp_path.glob("splitmount-demo-*")) == []
