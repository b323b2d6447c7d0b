"""Snapshots by the real restic, in real repositories: bound to their split, read back, and never half of one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from core.backups.base import BackupRecord, BackupRequest, Progress, RestoreRequest
from core.backups.restic import ResticDriver, _explained, _hear, _is_missing
from core.errors import CommandFailed, ParseError, Refused
from core.transport import Command, Effect, Guard, Result, Status
from tests.core.backups.localtransport import LocalTransport
from tests.core.backups.test_archive import photograph, populate, quiet

pytestmark = pytest.mark.skipif(shutil.which("restic") is None, reason="restic is not installed")

SPLIT = datetime(2026, 11, 23, 10, 11, 12, 345678, UTC)
SECRET = "correct horse battery"


class Place:
    """Two trees, a password file, a driver that may make its repository, and a transport."""

    def __init__(self, base: Path, environment: dict[str, str] | None = None) -> None:
        """`environment` as of the transport."""
        self.base = base
        self.points = (base / "mnt one", base / "mnt2")
        for point in self.points:
            point.mkdir()
        (base / "password").write_text(SECRET)
        self.driver = self.other(create=True)
        self.transport = LocalTransport(environment=environment)
        trees = ((str(self.points[0]), "/srv/app"), (str(self.points[1]), "/var/a b, c=d%"))
        self.request = BackupRequest("payroll", "7", "target", trees, "abc-1", SPLIT, str(base / "jobs"))
        self.into = base / "into"

    def other(self, repository: str = "", *, create: bool = False, file: str = "password") -> ResticDriver:
        """Another driver: another repository, or another password."""
        where = repository or str(self.base / "repo")
        return ResticDriver(where, password_file=str(self.base / file), create=create)

    def again(self, run: str) -> BackupRequest:
        """The request of another run."""
        return replace(self.request, run=run, job_dir=str(self.base / f"jobs{run}"))

    async def backed_up(self) -> BackupRecord:
        """One backup."""
        return await self.driver.run(self.transport, self.request, quiet)

    def restore(self, backup: str, number: int = 1) -> RestoreRequest:
        """What a restore is asked."""
        return RestoreRequest("payroll", backup, "target", str(self.into), str(self.base / f"restore{number}"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    (made.points[0] / "a").write_text("a")
    (made.points[1] / "b").write_text("bb")
    return made


async def test_what_is_restored_is_what_was_backed_up_and_the_password_never_travels(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for point in place.points:
        populate(point)
    heard: list[Progress] = []
    record = await place.driver.run(place.transport, place.request, heard.append)
    verified = await place.driver.verify(place.transport, place.request, record, heard.append)
    assert verified.verified_at is not None
    assert heard[-1] == Progress(record.bytes, record.bytes, record.files)
    assert await place.driver.restore(place.transport, place.restore(record.id), quiet) == record.files
    for point in place.points:
        there, here = photograph(Path(f"{place.into}{point}")), photograph(point)
        del there["link2"], here["link2"]  # restic keeps several names of one file together, but not those of one symlink
        assert there == here
    assert not any(SECRET in command.script for command in place.transport.sent)


async def test_a_snapshot_is_bound_to_its_split_and_says_what_was_mounted_where(place: Place) -> None:
    record = await place.backed_up()
    (listed,) = await place.driver.list(place.transport, "target", "", "payroll")
    assert listed == replace(record, stored_bytes=None)
    assert (record.set_name, record.run, record.split_id, record.split_at) == ("payroll", "7", "abc-1", SPLIT)
    assert (record.files, record.bytes) == (2, 3)
    assert record.paths == ("/srv/app", "/var/a b, c=d%")
    assert record.facts == dict(place.request.trees)
    shown = await place.transport.run(place.driver._read("target", "", "look", "snapshots", "--json"))
    assert json.loads(shown.stdout)[0]["time"].startswith("2026-11-23T10:11:12")


async def test_a_password_command_and_an_environment_file_are_used_on_the_host(place: Place) -> None:
    (place.base / "environment").write_text(f"RESTIC_REPOSITORY=/elsewhere\nPASS_FILE='{place.base}/password'\n")
    repository, environment = str(place.base / "repo2"), str(place.base / "environment")
    command = "sh -c 'cat \"$PASS_FILE\"'"
    driver = ResticDriver(repository, password_command=command, environment_file=environment, create=True)
    await driver.run(place.transport, place.request, quiet)
    assert (place.base / "repo2" / "config").exists()
    assert await place.other(repository).check(place.transport, "target", "") == ()


async def test_a_repository_is_made_only_where_that_was_allowed(place: Place) -> None:
    driver = place.other()
    with pytest.raises(CommandFailed, match="there is no repository; make it by hand"):
        await driver.run(place.transport, place.request, quiet)
    assert not (place.base / "repo").exists()
    assert "there is no repository" in (await driver.check(place.transport, "target", ""))[0]
    with pytest.raises(CommandFailed):
        await driver.list(place.transport, "target", "", "payroll")
    assert await place.driver.check(place.transport, "target", "") == ()
    assert await place.driver.list(place.transport, "target", "", "payroll") == ()


async def test_a_repository_that_is_there_is_not_opened_once_more_before_a_backup(place: Place) -> None:
    await place.backed_up()
    place.transport.sent.clear()
    await place.other().run(place.transport, place.again("8"), quiet)
    assert not [command.title for command in place.transport.sent if command.title == "open the repository"]


async def test_a_wrong_password_never_makes_a_repository(place: Place) -> None:
    await place.backed_up()
    (place.base / "wrong").write_text("guess")
    driver, before = place.other(create=True, file="wrong"), len(place.transport.sent)
    with pytest.raises(CommandFailed, match="the password is not that of the repository"):
        await driver.run(place.transport, place.again("8"), quiet)
    with pytest.raises(CommandFailed, match="the password is not that of the repository"):
        await driver.list(place.transport, "target", "", "payroll")
    assert [c.title for c in place.transport.sent[before:] if c.effect is Effect.CHANGE] == []


async def test_a_place_that_cannot_be_reached_never_gets_a_repository(place: Place) -> None:
    for repository in (f"{place.base}/password/repo", "sftp:nobody@host.invalid:/repo"):
        driver = place.other(repository, create=True)
        with pytest.raises(CommandFailed, match="cannot open"):
            await driver.run(place.transport, place.request, quiet)
        assert len(await driver.check(place.transport, "target", "")) == 1
    assert [c for c in place.transport.sent if c.effect is Effect.CHANGE] == []


NO_CONFIG = "Fatal: unable to open config file: {}\nIs there a repository at the following location?\n{}\n"


@pytest.mark.parametrize(
    ("code", "stderr", "missing"),
    [
        (1, NO_CONFIG.format("stat /r/config: no such file or directory", "/r"), True),
        (1, NO_CONFIG.format("Lstat: file does not exist", "sftp:h:/r"), True),
        (1, NO_CONFIG.format("Stat: The specified key does not exist.", "s3:h/b"), True),
        (1, NO_CONFIG.format("<config/> does not exist", "rest:http://h/"), True),
        (10, "Fatal: repository does not exist\n", True),
        (1, NO_CONFIG.format("Stat: Access Denied.", "s3:h/does not exist"), False),
        (1, NO_CONFIG.format("Stat: dial tcp: lookup h: no such host", "s3:h/no such file"), False),
        (1, NO_CONFIG.format("stat /r/config: permission denied", "/r"), False),
        (1, NO_CONFIG.format("stat /f/r/config: not a directory", "/f/r"), False),
        (1, "Fatal: wrong password or no key found\n", False),
        (12, "Fatal: wrong password or no key found\n", False),
        (127, "/bin/sh: restic: not found\n", False),
    ],
)
def test_only_a_repository_that_is_certainly_not_there_is_missing(code: int, stderr: str, missing: bool) -> None:
    command = Command("h", "open the repository", "restic cat config")
    assert _is_missing(Result(command, Status.FAILED, code, "", stderr, SPLIT, 0.1)) is missing


@asynccontextmanager
async def held(place: Place) -> AsyncIterator[None]:
    """A real backup that waits for its input, and so holds a lock."""
    names = {"RESTIC_REPOSITORY": str(place.base / "repo"), "RESTIC_PASSWORD_FILE": str(place.base / "password")}
    process = await asyncio.create_subprocess_exec(
        "restic", "backup", "--stdin", "--json", stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={**os.environ, **names}
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await process.stdout.readline()  # it reports only after it has its lock
        yield
    finally:
        process.stdin.close()
        await process.communicate()


async def test_a_locked_repository_is_explained_and_stays_locked(place: Place) -> None:
    record = await place.backed_up()
    async with held(place):
        locks = sorted(p.name for p in (place.base / "repo" / "locks").iterdir())
        assert locks
        with pytest.raises(CommandFailed, match=r"another restic holds the repository.*restic unlock"):
            await place.driver.verify(place.transport, place.request, record, quiet)
        assert locks == sorted(p.name for p in (place.base / "repo" / "locks").iterdir())


@pytest.fixture
def open_place() -> Iterator[Place]:
    """A place that an ordinary user can use; restic runs as one, since nothing is closed to root."""
    with TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o777)
        (base / "bin").mkdir()
        wrapper = base / "bin" / "restic"
        restic = shutil.which("restic") or "restic"
        user = "setpriv --reuid=65534 --clear-groups " if os.geteuid() == 0 else ""
        wrapper.write_text(f'#!/bin/sh\nHOME="{base}" exec {user}"{restic}" "$@"\n')
        wrapper.chmod(0o755)
        if user and not shutil.which("setpriv"):
            pytest.skip("setpriv is not installed")
        made = Place(base, {"PATH": f"{base}/bin:{os.environ['PATH']}"})
        (made.points[0] / "open").write_text("open")
        yield made


async def test_a_backup_that_could_not_read_a_file_fails_and_leaves_no_snapshot(open_place: Place) -> None:
    closed = open_place.points[0] / "closed"
    closed.write_text("closed")
    closed.chmod(0)
    with pytest.raises(CommandFailed, match=r"some files could not be read.*incomplete snapshot [0-9a-f]+ was removed"):
        await open_place.backed_up()
    assert await open_place.driver.list(open_place.transport, "target", "", "payroll") == ()
    closed.chmod(0o644)
    assert (await open_place.driver.run(open_place.transport, open_place.again("8"), quiet)).files == 2


async def test_a_tree_that_changed_since_the_backup_does_not_verify(place: Place) -> None:
    record = await place.backed_up()
    (place.points[0] / "later").symlink_to("a")
    with pytest.raises(
        CommandFailed, match=r"4 names, 2 files, 3 bytes in snapshot .*; 5 names, 2 files, 3 bytes on the mounted"
    ):
        await place.driver.verify(place.transport, place.request, record, quiet)


async def test_damaged_data_does_not_verify(place: Place) -> None:
    (place.points[0] / "large").write_bytes(os.urandom(1 << 20))
    record = await place.backed_up()
    pack = max((place.base / "repo" / "data").rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)
    with pytest.raises(CommandFailed, match="restic check"):
        await place.driver.verify(place.transport, place.request, record, quiet)


async def test_the_newest_split_is_listed_first_and_other_sets_are_not(place: Place) -> None:
    first = await place.backed_up()
    later = replace(place.again("8"), split_id="abc-2", split_at=datetime(2026, 11, 24, tzinfo=UTC))
    second = await place.driver.run(place.transport, later, quiet)
    foreign = await place.driver.run(place.transport, replace(place.again("9"), set_name="sales"), quiet)
    listed = await place.driver.list(place.transport, "target", "", "payroll")
    assert [record.id for record in listed] == [second.id, first.id]
    with pytest.raises(Refused, match="nothing was restored"):
        await place.driver.restore(place.transport, place.restore(foreign.id), quiet)


async def test_a_snapshot_that_is_not_one_of_the_set_is_refused(place: Place) -> None:
    await place.backed_up()
    for backup in ("", "latest", "--help", "f" * 64):
        with pytest.raises(Refused, match="nothing was restored"):
            await place.driver.restore(place.transport, place.restore(backup), quiet)
    assert not place.into.exists()


async def test_a_restore_never_touches_a_directory_that_holds_something(place: Place) -> None:
    record = await place.backed_up()
    place.into.mkdir()
    (place.into / "mine").write_text("mine")
    with pytest.raises(Refused, match="is not empty; nothing was restored"):
        await place.driver.restore(place.transport, place.restore(record.id), quiet)
    assert [p.name for p in place.into.iterdir()] == ["mine"]


async def test_a_snapshot_without_our_tags_is_not_taken_for_a_backup(place: Place) -> None:
    await place.backed_up()
    call = f"{place.driver._environment()}restic backup -q --tag splitmount,set=payroll '{place.points[0]}'\n"
    assert (
        await place.transport.run(Command("target", "by hand", call, Effect.CHANGE, guard=Guard.REPOSITORY))
    ).status is Status.OK
    with pytest.raises(ParseError, match="lacks the tags"):
        await place.driver.list(place.transport, "target", "", "payroll")


def test_progress_and_summary_are_taken_from_the_output() -> None:
    heard: list[Progress] = []
    summary: dict[str, object] = {}
    status = {"message_type": "status", "bytes_done": 5, "total_bytes": 9, "files_done": 1}
    lines = [json.dumps(status), "a warning", "[1]", json.dumps({"message_type": "summary", "snapshot_id": "ab"})]
    _hear("\n".join(lines) + "\n", heard.append, summary)
    assert heard == [Progress(5, 9, 1)]
    assert summary["snapshot_id"] == "ab"


def test_what_restic_says_follows_what_it_means() -> None:
    assert _explained(12, "Fatal: it") == "the password is not that of the repository: Fatal: it"
    assert _explained(1, "Fatal: it") == "Fatal: it"
    assert _explained(1, "") == "exit status 1"


async def test_the_plan_shows_the_call_with_every_tree(place: Place) -> None:
    (command,) = place.driver.commands(replace(place.request, become="sudo"))
    assert command.effect is Effect.CHANGE
    assert "sudo -n restic --repo " in command.text  # the account's environment must not tell root's restic what to run
    assert " backup --json --one-file-system --host payroll" in command.text
    assert all(str(point) in command.text for point in place.points)


async def test_a_host_without_restic_is_said(place: Place) -> None:
    bare = LocalTransport(environment={"PATH": "/nonexistent"})
    assert (await place.driver.check(bare, "target", ""))[0].startswith("target: restic is not installed")
