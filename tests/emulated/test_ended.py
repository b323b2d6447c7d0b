"""Runs that have ended, as `recover` tells them: how and when, and what cleanup would still take back; and runs that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import Refused
from core.events import SetMeasured
from core.facade import PlanRequest
from core.recovery import lines_of
from core.settings import PostPolicy
from tests.emulated.bench import Bench
from tests.emulated.crashes import Point
from tests.emulated.test_survive import NAME, die_at
from tui.__main__ import main


def test_a_run_that_has_ended_is_told_as_that(web: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--config", str(web.estate.config), "recover", "1"]
    assert main(command) == 0
    told = capsys.readouterr().out
    (row,) = web.engine.history().result()
    assert row.ended is not None
    assert f"run 1: HAS ENDED {row.ended:%Y-%m-%d %H:%M:%S} UTC, ok (exit 0)" in told
    assert "cleanup finds nothing" in told
    assert not [word for word in ("NO END", "--resume", "--undo") if word in told]
    for words in (["--resume"], ["--resume", "--yes"], ["--undo"], ["--give-up", "why", "--confirm", NAME]):
        assert main([*command, *words]) == 3
        assert "run 1 has ended" in capsys.readouterr().err


def test_what_cleanup_would_take_back_of_it_is_told(web: Bench) -> None:
    number = die_at(web, "activate-web-data", Point.BEFORE_OUTCOME)
    web.engine.give_up(number, "by hand", NAME).result()
    told = "\n".join(lines_of(web.engine.account(number).result()))
    assert f"run {number}: HAS ENDED" in told
    assert "needs attention (exit 5): handed over" in told
    assert "left: Import" in told
    assert f"splitmount run cleanup {NAME}" in told
    assert web.run(PlanRequest("cleanup", NAME)).exit_code == 0
    told = "\n".join(lines_of(web.engine.account(number).result()))
    assert "cleanup finds nothing" in told
    assert "left:" not in told


@pytest.mark.parametrize(
    "words", [[], ["--by-hand"], ["--undo"], ["--resume"], ["--give-up", "why"], ["--export", "x"]], ids=str
)
def test_a_run_that_nobody_knows_is_a_clear_error(
    web: Bench, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--config", str(web.estate.config), "recover", "77", *words]) in (2, 3)
    assert "the journal of this console knows no run 77" in capsys.readouterr().err
    with pytest.raises(Refused, match="knows no run 77"):
        web.engine.account(77).result()


def measured(made: Bench) -> SetMeasured:
    """The set as its row is made of."""
    made.engine.measure_set(NAME).result()
    return [e for e in made.engine.drain() if isinstance(e, SetMeasured)][-1]


def test_a_failed_backup_is_seen_until_one_goes_well_which_is_as_old_as_its_data(web: Bench) -> None:
    web.switch("full-disk@vault")
    failed = web.run(PlanRequest("backup", NAME))
    assert failed.exit_code == 4
    found = measured(web)
    assert list(found.not_well) == ["backup failed"]
    assert f"(run {failed.run}, exit 4): " in found.not_well["backup failed"]
    assert "backup" not in found.last
    split_at = min(s.split_at for s in found.estate.pairs if s.split_at)
    web.switch("full-disk@vault")
    assert web.run(PlanRequest("backup", NAME, post_policy=PostPolicy.AS_FOUND)).exit_code == 0
    found = measured(web)
    assert (found.not_well, found.last["backup"]) == ({}, split_at), "the mirrors still held that point in time"
    assert f"data of {split_at:%H:%M} UTC" in found.notes[0]
