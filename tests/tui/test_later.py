"""The engine comes after the first page: what is drawn before it, what is typed before it, and what happens when it does not come."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partialmethod
from pathlib import Path

import pytest

from core.engine import Engine
from core.errors import ConfigError
from core.facade import Facade
from tests.core.toy import ToyWorld
from tests.tui.test_screens import shows, toy, until
from tui.app import Console, run_console
from tui.later import LateEngine
from tui.screens.start import StartPage

__all__ = ["toy"]  # the fixture
HEAVY = ("asyncssh", "cryptography", "sqlite3", "core.engine", "core.run", "core.operations", "tui.wiring", "tui.screens.plan")


class Gate:
    """Makes the engine when it is let; `asked` is set when it was wanted."""

    def __init__(self, engine: Facade) -> None:
        self.engine, self.asked, self.open = engine, threading.Event(), threading.Event()

    def make(self) -> Facade:
        self.asked.set()
        assert self.open.wait(20)
        return self.engine


@pytest.fixture
def gate(toy: tuple[Engine, ToyWorld]) -> Iterator[Gate]:
    made = Gate(toy[0])
    yield made
    made.open.set()


def late(gate: Gate) -> LateEngine:
    return LateEngine(gate.engine.settings, gate.engine.read_only, gate.make)


async def test_the_first_page_is_drawn_before_the_engine_and_measures_when_it_is_there(gate: Gate) -> None:
    app = Console(late(gate))
    async with app.run_test(size=(120, 36)):
        await until(app, gate.asked.is_set)
        assert shows(app, "toy  source -> target  measuring ...", "source  not measured", "mgmt  not measured", "Quit")
        assert not shows(app, "unknown")
        app.look_at_mirrors()
        app.redraw()
        gate.open.set()
        await until(app, lambda: shows(app, "[=] established", "discover source"))


async def test_keys_that_are_typed_before_the_engine_is_there_wait_for_it_in_their_order(gate: Gate) -> None:
    app = Console(late(gate))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(app, gate.asked.is_set)
        await pilot.press("slash", *"7902", "enter", "b")
        assert isinstance(app.screen, StartPage)
        assert app.screen.query_one("#needle").has_class("hidden")
        gate.open.set()
        await until(app, lambda: shows(app, "nothing was done yet"))
        await pilot.press("escape")
        assert app.screen.query_one("#needle").value == "7902"  # type: ignore[attr-defined]


async def test_a_console_whose_engine_cannot_be_made_ends_and_keeps_the_reason(gate: Gate) -> None:
    def refuse() -> Facade:
        raise ConfigError("the transcript cannot be read")

    app = Console(LateEngine(gate.engine.settings, False, refuse))
    async with app.run_test(size=(120, 36)):
        await until(app, lambda: app.failure is not None)
    assert app.return_value == ConfigError.exit_code
    assert str(app.failure) == "the transcript cannot be read"


def test_a_fault_of_ours_while_the_engine_is_made_does_not_end_as_if_all_were_well(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Facade:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Console, "run", partialmethod(Console.run, headless=True, size=(80, 24)))
    assert run_console(LateEngine(gate.engine.settings, False, broken)) == 1


def test_why_an_engine_cannot_be_made_is_said_after_the_page_is_gone(tmp_path: Path) -> None:
    (tmp_path / "splitmount.yaml").write_text("hosts: {db1: {os: linux, address: 127.0.0.1}}\n")
    (tmp_path / "answers").write_text("no transcript\n")
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "tui", "--config", str(tmp_path / "splitmount.yaml"), "--replay", str(tmp_path / "answers")]
    there = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True, env=there) as process:
        os.close(theirs)
        drain = threading.Thread(target=_read, args=(ours,), daemon=True)
        drain.start()
        _, said = process.communicate(timeout=60)
    drain.join()
    os.close(ours)
    assert said.rpartition("splitmount: ")[2].startswith("Configuration: "), said
    assert str(tmp_path / "answers") in said
    assert process.returncode == ConfigError.exit_code


def _read(terminal: int) -> None:
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:
        pass


def test_closing_makes_no_engine_and_closes_one_that_was_made(gate: Gate) -> None:
    gate.open.set()
    never = late(gate)
    never.close()
    assert not gate.asked.is_set()
    assert never.made() is never.made() is gate.engine
    never.close()
    assert gate.engine._loop.is_closed() or not gate.engine._thread.is_alive()  # type: ignore[attr-defined]


def test_what_the_first_page_is_drawn_with_knows_neither_ssh_nor_journal_nor_plans() -> None:
    code = f"import sys, core.config, tui.app, tui.later; sys.exit(str([m for m in {HEAVY!r} if m in sys.modules] or 0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "0"
