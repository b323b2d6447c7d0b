"""Journal and kept maps: every way to change the past is found, and named; what a chain alone cannot see has its anchor."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.evidence import check_journal, check_maps
from core.journal import Journal, JournalError, anchor_path
from core.mapfile import build_map, mirror_map
from core.maps import MapKeeper
from tests.core.toy import PAIRS, source_facts
from tui.__main__ import main


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Two runs, the second without an end."""
    path = tmp_path / "state" / "journal.db"
    one = Journal(path)
    for _ in range(2):
        run = one.begin({"set": "toy", "operation": "backup"})
        one.intent(run, "mount-data", {"host": "target"})
        one.outcome(run, "mount-data", {"outcome": "ok"})
    one.end(1, {"outcome": "ok", "message": "done"})
    one.close()
    return path


def alter(path: Path, statement: str) -> None:
    """What somebody did to the file."""
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


def test_an_untouched_journal_holds_and_tells_its_newest_hash(journal: Path) -> None:
    found = check_journal(journal)
    assert (found.records, found.wrong) == (7, ())
    assert check_journal(journal, found.head[:16]).wrong == ()


@pytest.mark.parametrize(
    ("statement", "record"),
    [
        ("UPDATE records SET body = replace(body, 'target', 'other') WHERE seq = 2", 2),
        ("UPDATE records SET at = '2020-01-01T00:00:00+00:00' WHERE seq = 5", 5),
        ("UPDATE records SET kind = 'note' WHERE seq = 3", 3),
        ("UPDATE records SET run = 9 WHERE seq = 4", 4),
        ("DELETE FROM records WHERE seq = 3", 4),
        ("DELETE FROM records WHERE seq = 1", 2),
        ("UPDATE records SET hash = '00' WHERE seq = 6", 6),
    ],
)
def test_the_first_record_that_does_not_follow_is_named(journal: Path, statement: str, record: int) -> None:
    alter(journal, statement)
    assert any(sentence.startswith(f"record {record} (") for sentence in check_journal(journal).wrong)


def test_an_end_that_was_cut_off_is_seen_by_the_anchor(journal: Path) -> None:
    alter(journal, "DELETE FROM records WHERE seq >= 6")
    (sentence,) = check_journal(journal).wrong
    assert sentence.startswith("record 7 was written, and is not there")


def test_an_end_that_was_written_anew_is_seen_by_a_hash_that_was_noted(journal: Path) -> None:
    head = check_journal(journal).head
    alter(journal, "DELETE FROM records WHERE seq = 7")
    again = Journal(journal)
    again.end(1, {"outcome": "ok", "message": "something else"})
    again.close()
    assert check_journal(journal).wrong == ()  # chain and anchor are whole: only a hash kept elsewhere tells
    assert "was noted" in check_journal(journal, head).wrong[0]


@pytest.mark.parametrize("damage", ["missing", "empty", "binary"])
def test_without_its_anchor_the_end_is_unknown_and_said_so(journal: Path, damage: str) -> None:
    if damage == "missing":
        anchor_path(journal).unlink()
    else:
        anchor_path(journal).write_bytes(b"" if damage == "empty" else b"\xff\x00")
    assert check_journal(journal).wrong


def test_no_journal_is_no_evidence_of_anything(tmp_path: Path) -> None:
    assert check_journal(tmp_path / "journal.db").wrong == ()


def test_a_file_that_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(JournalError, match="damaged as a file"):
        check_journal(tmp_path / "journal.db")


def test_a_hash_that_is_none_is_refused(journal: Path) -> None:
    with pytest.raises(ConfigError, match="--head"):
        check_journal(journal, "' OR 1")


def test_a_kept_map_that_was_damaged_is_named(tmp_path: Path) -> None:
    keeper = MapKeeper(tmp_path)
    std = build_map("toy", source_facts(), ("vgdata",))
    path = keeper.keep(std, mirror_map(std, PAIRS))
    assert check_maps(keeper, ["toy", "none"]) == (2, ())
    path.write_text(path.read_text().replace("7902C000", "7902C00\x00"))
    good, (sentence,) = check_maps(keeper, ["toy"])
    assert (good, sentence.startswith(str(path))) == (1, True)


def test_the_command_ends_with_5_and_names_the_record(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = journal.parent.parent / "splitmount.yaml"
    config.write_text("state_dir: state\n")
    assert main(["--config", str(config), "history", "--verify"]) == 0
    assert "journal: 7 records follow from each other" in capsys.readouterr().out
    alter(journal, "UPDATE records SET step = 'x' WHERE seq = 2")
    assert main(["--config", str(config), "history", "--verify"]) == 5
    assert "WRONG: record 2 (run 1, intent of step x" in capsys.readouterr().out


def test_the_pack_of_a_run_can_be_followed_without_this_tool_and_tells_what_was_changed(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, home = journal.parent.parent / "splitmount.yaml", journal.parent.parent
    config.write_text("state_dir: state\n")
    command = ["--config", str(config), "history", "2", "--evidence"]
    assert main([*command, str(home / "good")]) == 0
    value = json.loads((home / "good" / "evidence.json").read_text())
    assert [r["kind"] for r in value["records"]] == ["start", "intent", "outcome"]
    for r in value["records"]:
        text = json.dumps([r["previous"], r["run"], r["at"], r["kind"], r["step"], r["body"]])
        assert hashlib.sha256(text.encode()).hexdigest() == r["hash"]
    page = (home / "good" / "evidence.html").read_text()
    assert "UNKNOWN: the run has no end" in page
    assert "mount-data" in page
    assert main([*command, str(home / "good")]) == 2, "a directory that is there is kept"
    alter(journal, "UPDATE records SET body = replace(body, 'target', '<script>') WHERE seq = 5")
    alter(journal, "UPDATE records SET step = '<script>' WHERE seq = 5")
    assert main([*command, str(home / "bad")]) == 5
    assert "record 5" in capsys.readouterr().out
    page = (home / "bad" / "evidence.html").read_text()
    assert "WRONG: record 5" in page
    assert "<script>" not in page


def test_there_is_no_pack_of_a_run_that_is_not_there(journal: Path) -> None:
    config = journal.parent.parent / "splitmount.yaml"
    config.write_text("state_dir: state\n")
    assert main(["--config", str(config), "history", "9", "--evidence", str(journal.parent / "x")]) == 2
    assert main(["--config", str(config), "history", "--evidence", str(journal.parent / "x")]) == 2
    assert not (journal.parent / "x").exists()
