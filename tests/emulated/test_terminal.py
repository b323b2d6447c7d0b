"""The real console in a real terminal of 80 columns and 24 lines, by keys alone, on every family of the embedded estate.

The three users of the product and how many keys each presses: `docs/console.md` has the table that is compared with what was pressed here.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hostdrivers.emulated.witness import Witness
from tests.emulated.bench import NAMES, Bench, bench, in_the_gate
from tests.emulated.test_cycle import source_files
from tests.terminal import Terminal

pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")


DOC = Path(__file__).parents[2] / "docs" / "console.md"


def told(journey: str) -> tuple[int, bool]:
    """How many keys the docs promise for a journey, and whether the set's name is typed besides."""
    row = re.search(rf"^\| [^|]+ \| {re.escape(journey)} \| (\d+)( and the set's name)? \|", DOC.read_text(), re.MULTILINE)
    assert row, journey
    return int(row[1]), bool(row[2])


@contextmanager
def console(made: Bench, directory: Path, *words: str) -> Iterator[Terminal]:
    """A console of its own on the estate, at its start page; it is quit by its key."""
    command = [sys.executable, "-m", "tui", "--config", str(made.estate.config), *words]
    terminal = Terminal(directory, 80, 24, command, patience=40)
    try:
        terminal.until("[=] established")
        yield terminal
        terminal.press("q")
        terminal.until("EXIT=0")
    finally:
        terminal.close()


def run(terminal: Terminal, key: str, plan: str, journey: str = "") -> str:
    """Plan by a key, run it by the next, and go back from its end; what the end page shows."""
    before = terminal.keys
    terminal.press(key)
    terminal.until(f"PLAN  {plan}")
    terminal.press("r")
    terminal.until(f"Run {plan}")
    terminal.press("y")
    assert not journey or (terminal.keys - before, False) == told(journey)
    end = terminal.until("The run has ended")
    terminal.press("Escape")
    terminal.until("Sets ")
    return end


def type_name(terminal: Terminal, name: str, journey: str, before: int) -> str:
    """Say yes to the plan on the screen: Enter alone is a no, the set's name is a yes. Keys of the journey are counted from `before` on."""
    tried = terminal.keys
    terminal.press("r")
    terminal.until("Tab comes here")
    terminal.press("Enter")
    terminal.gone("Tab comes here")
    tried = terminal.keys - tried  # the no is no part of the journey
    terminal.press("r")
    terminal.until("Tab comes here")
    terminal.press("Tab")
    terminal.type(name)
    terminal.until(f"▊  {name} ")
    terminal.press("Enter")
    assert (terminal.keys - before - tried - len(name), True) == told(journey)
    return terminal.until("The run has ended")


@pytest.mark.parametrize("name", NAMES)
def test_a_backup_and_a_rehearsal_end_with_equal_files_everywhere(tmp_path: Path, name: str) -> None:
    with bench(tmp_path, (name,)) as made:
        family = made.family(name)
        before, witness = source_files(made, name), Witness(family)
        with console(made, tmp_path) as terminal:
            assert "rehearsal never" in terminal.screen()
            assert (terminal.keys, False) == told("the state of a set, after the start")
            assert "ended: ok" in run(terminal, "b", f"backup of {name}", "a backup, until it runs")
            assert witness.source == witness.target == before
            assert "ended: ok" in run(terminal, "R", f"rehearse of {name}")
            terminal.gone("rehearsal never")
        (record,) = made.engine.backups(name).result()
        made.engine.restore_files(name, record.id, "/var/tmp/restored").result()
        assert made.files(family.target, "/var/tmp/restored") == before
        assert family.target.mounts == {}


def test_a_word_that_arrives_in_one_piece_goes_where_its_first_letter_opens_a_line_and_starts_nothing(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        family = made.family("linux-web")
        states = [made.estate.array.word(s, b) for s, b in family.pairs]
        with console(made, tmp_path) as terminal:
            terminal.type("b/")
            terminal.type("ready")  # while it is being planned
            terminal.until("/ready", " ready ")
            terminal.press("Escape")
            terminal.until("PLAN  backup of linux-web")
            terminal.type("/ready")
            terminal.until("▊  ready ")
            terminal.press("Escape")
            terminal.gone("▊")
            time.sleep(1)  # a terminal takes Escape and a letter that follows at once for one key
            terminal.type("ry")
            terminal.until("Run backup of linux-web")
            time.sleep(1)  # a run would be on the screen by now
            assert "Cancel" in terminal.screen()
            terminal.press("Escape")
            terminal.until("WHAT WILL HAPPEN")
            time.sleep(1)
            terminal.type(":ready")
            terminal.until("▊  ready ")
            terminal.press("Escape")
            terminal.gone("▊")
            terminal.press("Escape")
            terminal.until("mirrors watched")
            assert made.engine.history().result() == []
        assert [made.estate.array.word(s, b) for s, b in family.pairs] == states


def test_an_engineer_looks_at_everything_and_no_key_can_change_anything(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        states = [made.estate.array.word(s, b) for s, b in made.family("linux-web").pairs]
        with console(made, tmp_path, "--read-only") as terminal:
            assert "read-only" in terminal.screen()
            assert (terminal.keys, False) == told("a read-only look at the mirrors, after the start")
            terminal.press("p")
            assert "established" in terminal.until("PICTURE of linux-web")
            assert (terminal.keys, False) == told("the set as a picture, read-only")
            terminal.press("Escape")
            terminal.until("Sets ")
            terminal.press("b")
            terminal.until("PLAN  backup of linux-web")
            terminal.press("r", "y", "t", "y")
            terminal.press("Down")
            assert "nothing was done" in terminal.until(">MEASURE")
            terminal.press("Escape")
            terminal.until("Sets ")
        assert [made.estate.array.word(s, b) for s, b in made.family("linux-web").pairs] == states
        assert made.family("linux-web").target.mounts == {}


@pytest.mark.parametrize("name", in_the_gate("hpux-orders"))
def test_a_restore_brings_last_night_back(tmp_path: Path, name: str) -> None:
    with bench(tmp_path, (name,)) as made:
        family = made.family(name)
        before = source_files(made, name)
        point = min(family.source.mounts)
        with console(made, tmp_path) as terminal:
            assert "ended: ok" in run(terminal, "s", f"split of {name}")
            made.running.do(lambda: family.source.write_file(f"{point}/damage", b"what must not stay"))
            assert source_files(made, name) != before
            keys = terminal.keys
            terminal.press("o")
            terminal.until("mirror 1  split")
            for page in ("2/5: how much?", "3/5: how?", "4/5: safety copy?", "5/5: conditions?"):
                terminal.press("Enter")
                terminal.until(page)
            terminal.until("show what will happen")
            terminal.press("Enter")
            shown = terminal.until(f"PLAN  restore of {name}")
            assert "OVERWRITES" in shown
            assert "ended: ok" in type_name(terminal, name, "a restore from a mirror, until it runs", keys)
            terminal.press("Escape")
            terminal.until("Sets ")
        assert source_files(made, name) == before


@pytest.mark.parametrize("name", in_the_gate("solaris-mail"))
def test_a_dead_source_is_taken_over(tmp_path: Path, name: str) -> None:
    with bench(tmp_path, (name,)) as made:
        family = made.family(name)
        before = source_files(made, name)
        with console(made, tmp_path) as terminal:
            assert "ended: ok" in run(terminal, "s", f"split of {name}")
            made.switch(f"host-lost@{family.source.name}")
            keys = terminal.keys
            terminal.press("T")
            assert "[UNKNOWN] RELEASED" in terminal.until("show what will happen")
            terminal.press("Enter")
            shown = terminal.until(f"PLAN  takeover of {name}")
            assert "TAKES THE PLACE" in shown
            end = type_name(terminal, name, "a takeover of a dead source, until it runs", keys)
            assert "ended: ok" in end
            terminal.press("Escape")
            terminal.until("TAKEN OVER")
        points = sorted(family.target.mounts)
        assert {p + path: d for p in points for path, d in made.files(family.target, p).items()} == before
