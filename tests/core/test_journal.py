"""The journal: durable, ordered, chained."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.history import history_row, not_well, short_end, told_end
from core.journal import Journal, JournalError, LastGood
from core.journalfile import exported, imported
from tests.core.test_run import Bench


def test_intent_and_outcome_are_read_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    run = journal.begin({"set": "payroll"})
    journal.intent(run, "split", {"text": "x"})
    journal.outcome(run, "split", {"outcome": "ok"})
    journal.end(run, {"outcome": "ok"})
    assert [(r.kind, r.step) for r in journal.records(run)] == [
        ("start", ""),
        ("intent", "split"),
        ("outcome", "split"),
        ("end", ""),
    ]
    assert list(journal.unfinished()) == []


def test_a_run_without_an_end_is_unfinished(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    first, second = journal.begin({}), journal.begin({})
    journal.end(first, {})
    assert {r.run for r in journal.unfinished()} == {second}


def test_the_runs_without_an_end_are_found_without_reading_those_that_have_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    journal.begin({"set": "left"})
    for _ in range(50):
        journal.end(journal.begin({"set": "done"}), {})
    read = list[str]()
    journal._db.set_trace_callback(read.append)
    left = list(journal.unfinished())
    plan = journal._db.execute(f"EXPLAIN QUERY PLAN {read[0]}").fetchall()
    assert [r.body for r in left] == [{"set": "left"}]
    scans = [row[3] for row in plan if row[3].startswith("SCAN records")]
    assert scans
    assert all("USING" in scan and "INDEX" in scan for scan in scans), scans


def test_a_changed_record_breaks_the_chain_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = Journal(path)
    run = journal.begin({})
    for number in range(5):
        journal.note(run, f"s{number}", {"n": number})
    assert journal.tampered() is None
    with sqlite3.connect(path) as other:
        other.execute("UPDATE records SET body = '{}' WHERE step = 's2'")
    assert journal.tampered() == 4


def test_a_removed_record_breaks_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = Journal(path)
    run = journal.begin({})
    for number in range(5):
        journal.note(run, f"s{number}", {"n": number})
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM records WHERE step = 's1'")
    assert journal.tampered() == 4


def _write_and_die(path: Path) -> None:
    journal = Journal(path)
    run = journal.begin({})
    journal.intent(run, "split", {})
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_intent_survives_the_death_of_the_console(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    process = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(path,))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    journal = Journal(path)
    assert [(r.kind, r.step) for r in journal.records(1)] == [("start", ""), ("intent", "split")]
    assert {r.run for r in journal.unfinished()} == {1}


def test_every_commit_is_synchronous_full(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_journal_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="writable"):
        Journal(tmp_path / "file" / "j.db")


def test_the_newest_verification_of_each_backup_is_known(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    run = journal.begin({"set": "s"})
    first, second = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    for at in (None, first, second):
        journal.note(run, "verify", {"backup": {"id": "b1", "verified_at": at.isoformat() if at else None}})
    journal.note(run, "backup", {"backup": {"id": "b2", "verified_at": None}})
    assert journal.verified() == {"b1": second}
    journal.close()


async def test_a_run_that_was_imported_keeps_its_own_times_and_is_not_the_newest(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    bench = Bench(tmp_path / "there")
    assert (await bench.go(await bench.plan())).exit_code == 0
    db, old = bench.journal._db, datetime.now(UTC) - timedelta(days=30)
    for seq, kind in db.execute("SELECT seq, kind FROM records").fetchall():  # a month ago, for four hours
        at = old + (timedelta(hours=4) if kind == "end" else timedelta())
        db.execute("UPDATE records SET at = ? WHERE seq = ?", (at.isoformat(), seq))
    here = Journal(tmp_path / "here.db")
    mine = here.begin({"set": "toy", "operation": "split"})
    here.end(mine, {"outcome": "ok", "message": "done"})
    number = imported(here, exported(bench.journal, 1))
    last = here.last_good("toy", "backup")
    assert last is not None
    assert (last.at, here.took("toy", "backup")) == (old, 4 * 3600)
    row = history_row(list(here.records(number)))
    assert (row.started, row.ended) == (old, old + timedelta(hours=4))
    newest = here.last_good("toy", "backup", "split")
    assert newest is not None
    assert newest.operation == "split"
    bench.journal.close()


def _run(journal: Journal, operation: str, outcome: str, **end: object) -> int:
    run = journal.begin({"set": "s", "operation": operation})
    journal.end(run, {"outcome": outcome, "exit_code": 0, "message": "done", **end})
    return run


def test_a_backup_is_told_with_the_time_of_its_data(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    split = datetime(2026, 11, 1, 13, 27, tzinfo=UTC)
    for backup, known in (
        ({"id": "b", "split_at": split.isoformat()}, split),
        ({"id": "b", "split_at": "then"}, None),
        ({}, None),
    ):
        run = journal.begin({"set": "s", "operation": "backup"})
        journal.note(run, "backup", {"backup": backup})
        journal.end(run, {"outcome": "ok", "message": "done"})
        last = journal.last_good("s", "backup")
        assert last is not None
        assert last.data == known
        assert ("data of 2026-11-01 13:27 UTC" if known else "data of an unknown time") in last.told
    today = LastGood("backup", split, "done: slow", split.replace(minute=20))
    assert today.told == "2026-11-01 13:27 UTC, data of 13:20 UTC, slow"
    assert LastGood("rehearse", split, "done").told == "2026-11-01 13:27 UTC"
    journal.close()


def test_a_run_that_did_not_end_well_is_told_until_a_later_one_of_its_operation_did(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")

    def told() -> list[str]:
        return [short_end(end) for end in not_well(journal.last_ends("s"))]

    _run(journal, "backup", "ok")
    assert told() == []
    bad = _run(journal, "backup", "failed", exit_code=4, message="No space left on device\nmore")
    _run(journal, "rehearse", "undone")
    _run(journal, "split", "ok")
    _run(journal, "unlock", "failed")
    assert told() == ["rehearse taken back", "backup failed"]
    (line,) = (told_end(end) for end in not_well(journal.last_ends("s")) if end.run == bad)
    assert re.fullmatch(r"last backup failed on .{16} UTC \(run 2, exit 4\): No space left on device", line)
    _run(journal, "backup", "ok")
    _run(journal, "undo", "failed")
    assert told() == ["undo failed", "rehearse taken back"], "that nothing was done after"
    _run(journal, "rehearse", "ok")
    assert told() == []
    assert journal.last_ends("other") == ()
    journal.close()
