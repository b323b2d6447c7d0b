"""The console in a real terminal, by keys alone, on the real estate."""

from __future__ import annotations

import sys

import pytest

from core.model import PairState
from tests.lab.estate import Lab
from tests.lab.product import product
from tests.terminal import Terminal


@pytest.mark.parametrize(("columns", "lines", "stepwise"), [(80, 24, False), (160, 48, True)])
def test_a_whole_backup_by_keys_alone(fresh_mirrors: Lab, columns: int, lines: int, stepwise: bool) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        made.do("establish", "ordinary")
    terminal = Terminal(lab.directory, columns, lines, [sys.executable, "-m", "tui", "--config", str(lab.config)])
    try:
        terminal.until("[=] established")
        terminal.press("b")
        assert "nothing was done yet" in terminal.until("PLAN  backup of ordinary")
        terminal.press("Enter")  # Enter never starts anything
        terminal.press("t" if stepwise else "r")
        assert "Cancel" in terminal.until("Run backup of ordinary")
        terminal.press("Enter")  # the focus is on Cancel
        terminal.gone("Run backup of ordinary")
        terminal.press("t" if stepwise else "r")
        terminal.until("Run backup of ordinary")
        terminal.press("y")
        if stepwise:
            terminal.until("Waiting for you")
            terminal.press("n")
            terminal.until("Waiting for you")
            terminal.press("a")
        terminal.until("> backup", "> split", "> import")
        end = terminal.until("The run has ended")
        assert "ended: ok" in end
        terminal.press("Escape")
        terminal.until("[=] established")
        terminal.press("q")
        terminal.until("EXIT=0")
    finally:
        terminal.close()
    with product(lab) as made:
        assert made.states("ordinary") == [PairState.ESTABLISHED, PairState.ESTABLISHED]
        assert made.engine.backups("ordinary").result()


def test_quitting_during_a_run_asks_and_leaves_nothing_behind(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        made.do("establish", "ordinary")
    terminal = Terminal(lab.directory, 100, 30, [sys.executable, "-m", "tui", "--config", str(lab.config)])
    try:
        terminal.until("[=] established")
        terminal.press("b")
        terminal.until("PLAN  backup of ordinary")
        terminal.press("r")
        terminal.until("Run backup of ordinary")
        terminal.press("y")
        terminal.until("> import")
        terminal.press("q")
        terminal.until("A run is under way")
        terminal.press("Enter")  # keep watching
        terminal.gone("A run is under way")
        terminal.press("q")
        terminal.until("A run is under way")
        terminal.press("s")
        terminal.until("EXIT=0")
    finally:
        terminal.close()
    assert "splitmount" not in lab.ssh("target", "findmnt -rn -o TARGET").stdout
    assert lab.ssh("target", "dmsetup ls").stdout.strip() == "No devices found"
