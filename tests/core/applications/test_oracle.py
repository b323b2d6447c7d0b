"""The Oracle driver without an Oracle: what it reads, what it refuses to write, and how it holds one whose SQL*Plus is a small script."""

from __future__ import annotations

import asyncio
import getpass
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.applications.base import CopyPlace
from core.applications.oracle import OracleDriver
from core.applications.placement import inside, outside
from core.errors import CommandFailed, ConfigError, ParseError, Refused
from core.hosts import HostRef
from core.model import ApplicationFacts, Filesystem, HostFacts
from core.settings import ApplicationSettings, OracleSettings
from core.transport import Command, Result, Session, Status
from tests.core.backups.localtransport import LocalSession, LocalTransport
from tests.hostdrivers.machines import complaints

HERE = HostRef("here", "solaris")
REPORT = """version 11.2.0.4.0
identity 2200000320
position 1004
parameter log_mode ARCHIVELOG
parameter cluster_database FALSE
parameter db_name SHOP
parameter compatible 11.2.0.4.0
parameter undo_tablespace UNDOTBS1
parameter log_archive_format %t_%s_%r.dbf
tablespace 0 SYSTEM
tablespace 1 USERS
tablespace 3 TEMP
file data 0 /u01/oradata/system01.dbf|/u01/oradata/system01.dbf
file data 1 /u01/users01.dbf|/u02/oradata/users01.dbf
file temp 3 /u01/oradata/temp01.dbf|/u01/oradata/temp01.dbf
file control - /u01/oradata/control01.ctl|/u01/oradata/control01.ctl
file redo - /u02/redo/redo01.log|/u02/redo/redo01.log
file archive - /arch|/arch
state running
end
"""
POINTS = ("/copy/u01", "/copy/u02")


def driver(home: str = "/opt/oracle/11.2", *, seconds: int = 30, **more: Any) -> OracleDriver:
    settings = OracleSettings("SHOP", home, **more)
    return OracleDriver(ApplicationSettings("shop", driver="oracle", oracle=settings, seconds=seconds, timeout=60))


def told(text: str) -> ApplicationFacts:
    one = driver()
    return one.parse_look(HERE, Result(one.look(HERE), Status.OK, 0, text, "", datetime.now(UTC), 0.1))


def place(facts: ApplicationFacts | None) -> CopyPlace:
    return CopyPlace("/copy", POINTS, facts, held=True)


# --- what it reads ----------------------------------------------------------------------------------------------------


def test_a_report_gives_its_files_with_their_tablespaces_and_their_links_resolved() -> None:
    facts = told(REPORT)
    assert (facts.state, facts.version, facts.identity, facts.position) == ("running", "11.2.0.4.0", "2200000320", "1004")
    found = {(f.what, f.path, f.link, f.of, f.needed) for f in facts.files or ()}
    assert ("data", "/u02/oradata/users01.dbf", "/u01/users01.dbf", "USERS", True) in found
    assert ("archive", "/arch", "", "", False) in found
    assert len(found) == 6


def test_what_lies_outside_is_named_but_for_what_no_copy_needs() -> None:
    facts = told(REPORT)
    both = tuple(
        Filesystem("d", "ufs", mount_point=p, mounted=True, group=g) for p, g in (("/u01", "dgdata"), ("/u02", "dgredo"))
    )
    host = HostFacts("here", "solaris", measured_at=datetime.now(UTC), filesystems=both, mount_points=("/",))
    assert outside(facts, host, ("dgdata", "dgredo")) == ()
    assert [f.path for f in outside(facts, host, ("dgdata",))] == ["/u02/oradata/users01.dbf", "/u02/redo/redo01.log"]
    assert [f.path for f in inside(facts, host, ("dgredo",), ("redo",))] == ["/u02/redo/redo01.log"]


def test_a_database_in_asm_lies_outside_of_every_set() -> None:
    facts = told(REPORT.replace("/u02/redo/redo01.log", "+DATA/shop/redo01.log"))
    host = HostFacts("here", "solaris", measured_at=datetime.now(UTC))
    assert "+DATA/shop/redo01.log" in [f.path for f in outside(facts, host, ())]


@pytest.mark.parametrize(
    "text",
    [
        REPORT.removesuffix("end\n"),
        REPORT.replace("identity 2200000320\n", ""),
        REPORT.replace("file redo - /u02/redo/redo01.log|/u02/redo/redo01.log\n", ""),
        REPORT + "file data 7 /u03/x.dbf|/u03/x.dbf\n",
        REPORT + "file data 0 x.dbf|x.dbf\n",
        REPORT + "file wallet - /u01/w|/u01/w\n",
        REPORT + "Connected to an idle instance.\n",
        REPORT + "identity 2\n",
        REPORT + "parameter db_files '; drop\n",
        "state running\nend\n",
    ],
)
def test_a_report_that_is_not_whole_or_not_understood_is_no_answer(text: str) -> None:
    with pytest.raises(ParseError):
        told(text)


def test_a_stopped_one_has_no_files_to_tell_and_a_failed_look_is_an_error() -> None:
    assert told("state stopped\nend\n") == ApplicationFacts("shop", "stopped")
    one = driver()
    with pytest.raises(CommandFailed, match="ORA-01507"):
        one.parse_look(HERE, Result(one.look(HERE), Status.FAILED, 1, "", "ORA-01507: x", datetime.now(UTC), 0.1))


@pytest.mark.parametrize(("key", "words"), [("cluster_database", "a cluster"), ("enable_pluggable_database", "containers")])
def test_what_the_driver_does_not_know_is_said_and_not_guessed(key: str, words: str) -> None:
    text = REPORT.replace("parameter cluster_database FALSE\n", "") + f"parameter {key} TRUE\n"
    facts = told(text)
    assert words in facts.state
    assert facts.files is None


# --- what it writes ---------------------------------------------------------------------------------------------------


def test_the_copy_is_given_names_and_parameters_of_its_own() -> None:
    start, verify, stop = driver().on_copy(HERE, place(told(REPORT)))
    assert start.undo is not None
    assert start.command is not None
    text = start.command.script
    assert "rename file '\"'\"'/u01/users01.dbf'\"'\"' to '\"'\"'/copy/u02/oradata/users01.dbf'\"'\"'" in text
    assert "control_files='\"'\"'/copy/u01/oradata/control01.ctl'\"'\"'" in text
    assert "sid=SMCOPY\n" in text
    assert "db_unique_name='\"'\"'SMCOPY" in text
    assert [step.id for step in (start, verify, stop)] == ["start-copy", "verify-copy", "stop-copy"]
    assert stop.undoes == "start-copy"


@pytest.mark.parametrize(
    "name", ["/u01/o'x.dbf", "/u01/a b.dbf", "/u01/?/x.dbf", "/u01/@x.dbf", "/u01/a&b.dbf", "/u01/$x.dbf", "/u01/a;b"]
)
def test_a_name_that_sql_would_read_otherwise_is_never_put_into_it(name: str) -> None:
    facts = told(REPORT.replace("/u01/users01.dbf", name))
    with pytest.raises(Refused, match="not taken into SQL"):
        driver().on_copy(HERE, place(facts))


def test_a_copy_that_lacks_a_file_is_not_tried() -> None:
    facts = told(REPORT)
    with pytest.raises(Refused, match="is not on the copy"):
        driver().on_copy(HERE, replace(place(facts), points=("/copy/u01",)))
    with pytest.raises(Refused, match="not known"):
        driver().on_copy(HERE, place(ApplicationFacts("shop", "stopped")))


def test_an_archive_on_the_copy_is_what_it_is_recovered_from() -> None:
    start = driver().on_copy(HERE, place(told(REPORT.replace("/arch|/arch", "/u02/arch|/u02/arch"))))[0]
    assert start.command is not None
    assert "recover automatic from '\"'\"'/copy/u02/arch'\"'\"' database;" in start.command.script


@pytest.mark.parametrize(
    "more",
    [
        {"copy_sid": "SHOP"},
        {"copy_sid": "copy"},
        {"user": "a;b"},
        {"control_backup": "x"},
        {"query": "select 1; drop"},
        {"query": "delete"},
    ],
)
def test_settings_that_could_not_stand_in_a_script_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"oracle\."):
        driver(**more)


def commands(one: OracleDriver) -> list[Command]:
    steps = one.on_copy(HERE, place(told(REPORT)))
    undo = [step.undo for step in steps if step.undo is not None]
    verbs = [one.verb(verb, HERE) for verb in ("stop", "start", "check")]
    return [one.look(HERE), one.hold(HERE), *(step.command for step in steps if step.command is not None), *undo, *verbs]


def test_every_script_is_one_that_any_posix_shell_reads() -> None:
    for one in (driver(), driver(backup_mode=False, control_backup="/u01/ctl", query="select 't' from dual")):
        for command in commands(one):
            assert complaints(command.script) == "", command.title


# --- how it holds one, in the real shell ------------------------------------------------------------------------------

_SQLPLUS = """#!/bin/sh
cd {top}
text=`cat`
case $text in
  *'begin backup'*) if [ -f refuse ]; then echo 'ORA-01146: cannot start online backup'; exit 9; fi
    if [ -f slow ]; then touch slowly; sleep 4; fi; touch active; echo begin >> story; echo at 101;;
  *'end backup'*) echo end >> story; if [ -f active ]; then rm active; else echo 'ORA-01142: none'; exit 9; fi;;
  *'v$backup'*) echo log `cat mode`; echo role PRIMARY; if [ -f active ]; then echo active 1; fi;;
  *) echo switch >> story; if [ -f full ]; then echo 'ORA-00257: archiver error'; exit 9; fi; echo at 102;;
esac
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sqlplus").write_text(_SQLPLUS.format(top=tmp_path))
    (tmp_path / "bin" / "sqlplus").chmod(0o755)
    (tmp_path / "mode").write_text("ARCHIVELOG")
    return tmp_path


def story(home: Path) -> str:
    path = home / "story"
    return " ".join(path.read_text().split()) if path.exists() else ""


async def hold(home: Path, seconds: int = 30) -> tuple[Session, str]:
    one = driver(str(home), seconds=seconds, user=getpass.getuser())
    session = await LocalTransport().session(one.hold(HERE))
    await session.expect(("ready",), 10)
    await session.send("quiesce")
    answer = await session.expect(("quiet", "failed", "expired"), 30)
    if answer != "quiet":
        await session.close()
    return session, answer


def eventually(true: Callable[[], bool], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not come about in time"
        time.sleep(0.05)


def test_backup_mode_is_held_until_the_word_and_the_log_is_archived_before_and_after(home: Path) -> None:
    async def held() -> str:
        session, answer = await hold(home)
        assert answer == "quiet"
        assert (home / "active").exists()
        await session.send("release")
        said = await session.expect(("released", "stuck"), 30)
        await session.close()
        return said

    assert asyncio.run(held()) == "released 101 102 - -"
    assert story(home) == "switch begin end switch"


@pytest.mark.parametrize("how", ["timer", "input ended", "shell killed"])
def test_backup_mode_ends_whatever_becomes_of_the_console(home: Path, how: str) -> None:
    async def gone() -> None:
        session, answer = await hold(home, 3)
        assert isinstance(session, LocalSession)
        assert (answer, (home / "active").exists()) == ("quiet", True)
        process = session.stream.process
        if how == "input ended":
            assert process.stdin is not None
            process.stdin.close()
        elif how == "shell killed":
            process.kill()
        await asyncio.to_thread(eventually, lambda: not (home / "active").exists(), 6)
        if how == "timer":
            await session.send("release")
            assert (await session.expect(("released", "expired"), 10)).startswith("expired")
        await session.close()

    asyncio.run(gone())
    assert story(home).startswith("switch begin end")


def test_a_begin_that_outlasts_the_timer_is_ended_all_the_same(home: Path) -> None:
    (home / "slow").touch()
    _, answer = asyncio.run(hold(home, 2))
    assert answer == "expired"
    assert not (home / "active").exists()
    assert story(home).startswith("switch begin end")


@pytest.mark.parametrize(
    ("given", "words", "told_of"),
    [
        ("active", "in backup mode already", ""),
        ("refuse", "ORA-01146", "switch"),
        ("full", "ORA-00257", "switch"),
    ],
)
def test_what_refuses_leaves_the_backup_mode_of_others_alone(home: Path, given: str, words: str, told_of: str) -> None:
    (home / given).touch()
    _, answer = asyncio.run(hold(home))
    assert answer.startswith("failed")
    assert words in answer
    assert story(home) == told_of
    assert (home / "active").exists() is (given == "active")


def test_without_an_archive_there_is_no_backup_mode(home: Path) -> None:
    (home / "mode").write_text("NOARCHIVELOG")
    assert "ORA-01123" in asyncio.run(hold(home))[1]
    assert story(home) == ""


def test_an_archive_that_fills_up_meanwhile_is_told_after_backup_mode_has_ended(home: Path) -> None:
    async def held() -> str:
        session, _ = await hold(home)
        (home / "full").touch()
        await session.send("release")
        said = await session.expect(("released", "stuck"), 30)
        await session.close()
        return said

    answer = asyncio.run(held())
    assert answer.startswith("stuck")
    assert "the backup mode has ended, but: ORA-00257" in answer
    assert not (home / "active").exists()
