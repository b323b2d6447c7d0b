"""The PostgreSQL driver with a real server: what it finds, what it holds, and whether a copy that it starts is whole."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.applications.placement import outside
from core.errors import CommandFailed, ParseError
from core.model import Filesystem, HostFacts
from core.transport import Session
from tests.core.applications.cluster import HERE, PORT, USER, Cluster, cluster, do, looked, needs_postgresql
from tests.core.backups.localtransport import LocalSession, LocalTransport

pytestmark = needs_postgresql


@pytest.fixture
def source() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@contextmanager
def writing(made: Cluster) -> Iterator[list[int]]:
    """A client that inserts rows one by one, and keeps its own ledger of those that were reported committed."""
    told: list[int] = []
    over = threading.Event()
    words = [made.program("psql"), "-XAtqw", "-h", str(made.top), "-p", str(PORT), "-d", "postgres"]
    client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env={"PGUSER": USER})

    def work() -> None:
        assert client.stdin is not None
        assert client.stdout is not None
        for n in range(1_000_000):
            if over.is_set():
                return
            client.stdin.write(f"insert into ledger values ({n}, repeat('x', 400)) returning n;\n")  # noqa: S608  a number
            client.stdin.flush()
            if not (line := client.stdout.readline()):
                return
            told.append(int(line))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while len(told) < 50:
            time.sleep(0.01)
        yield told
    finally:
        over.set()
        thread.join()
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.close()
        client.wait()
        client.stdout.close()


def in_backup(made: Cluster) -> bool:
    return made.sql("select count(*) from pg_stat_activity where application_name = 'splitmount-hold'") != "0"


def eventually(true: Callable[[], bool], seconds: float) -> float:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it did not come about in time"
        time.sleep(0.05)
    return time.monotonic() - began


async def quiesced(made: Cluster, *, backup_mode: bool, seconds: int = 30) -> Session:
    session = await LocalTransport().session(made.driver(backup_mode=backup_mode, seconds=seconds).hold(HERE))
    await session.expect(("ready",), 10)
    await session.send("quiesce")
    assert (await session.expect(("quiet", "failed"), 30)).startswith("quiet 0/")
    return session


async def released(session: Session) -> str:
    await session.send("release")
    answer = await session.expect(("released", "expired", "stuck"), 60)
    await session.close()
    return answer


def test_it_is_found_with_its_log_and_tablespaces_running_or_stopped(source: Cluster) -> None:
    facts = asyncio.run(looked(source))
    assert facts.state == "running"
    assert facts.position.startswith("0/")
    assert facts.identity == source.sql("select system_identifier from pg_control_system()")
    found = {(f.what, f.path) for f in facts.files or ()}
    top = source.top
    assert {("data", f"{top}/data/pg"), ("log", f"{top}/wal/pg"), ("tablespace", f"{top}/space")} == found
    source.stop()
    again = asyncio.run(looked(source))
    assert (again.state, again.position, again.files) == ("stopped", "", facts.files)


def test_what_lies_on_no_filesystem_of_the_set_is_named(source: Cluster) -> None:
    facts, top = asyncio.run(looked(source)), str(source.top)
    mounts = [("vgdata", "data"), ("vglog", "wal"), ("vgdata", "space")]
    filesystems = tuple(Filesystem("d", "ext4", mount_point=f"{top}/{p}", mounted=True, group=g) for g, p in mounts)
    host = HostFacts("here", "linux", measured_at=datetime.now(UTC), filesystems=filesystems, mount_points=("/",))
    assert outside(facts, host, ("vgdata", "vglog")) == ()
    assert [f.what for f in outside(facts, host, ("vgdata",))] == ["log"]


def test_a_report_that_is_not_whole_or_not_understood_is_no_answer(source: Cluster) -> None:
    driver = source.driver()
    result = asyncio.run(LocalTransport().run(driver.look(HERE)))
    with pytest.raises(ParseError, match="not whole"):
        driver.parse_look(HERE, replace(result, stdout=result.stdout.replace("end\n", "")))
    with pytest.raises(ParseError, match="not understood"):
        driver.parse_look(HERE, replace(result, stdout=result.stdout + "file log ../.. /x\n"))
    source.data.joinpath("PG_VERSION").unlink()
    with pytest.raises(CommandFailed, match="there is no database"):
        asyncio.run(looked(source))


@pytest.mark.parametrize("backup_mode", [False, True], ids=["crash-consistent", "backup-mode"])
def test_every_reported_transaction_is_in_the_copy_and_the_copy_is_alone(source: Cluster, backup_mode: bool) -> None:
    async def whole() -> None:
        facts = await looked(source)
        with writing(source) as told:
            session = await quiesced(source, backup_mode=backup_mode)
            before = len(told)
            if backup_mode:
                source.take()  # while it writes: files of many instants, which only the backup mode makes whole
            else:
                with source.still():
                    before = len(told)
                    source.take()
            answer = await released(session)
            after = len(told)
        assert answer.startswith("released 0/"), answer
        archived = set((source.top / "archive").iterdir())
        driver = source.driver(backup_mode=backup_mode, query="select count(*) > 0 from ledger")
        start, verify, stop = driver.on_copy(HERE, source.place(facts, held=True))
        started = await do(start, answer)
        assert started.exit_status == 0, started.stderr
        there = int(source.on_the_copy("select count(*) from ledger"))
        print(f"\n{before} reported before, {there} on the copy, {after} reported at the release")
        assert source.on_the_copy("select max(n) + 1 from ledger") == str(there)
        assert before <= there <= (after + 1 if backup_mode else before + 1)
        space = source.on_the_copy("select pg_tablespace_location(oid) from pg_tablespace where spcname = 'other'")
        assert space == f"{source.copy}{source.top}/space"
        source.on_the_copy("checkpoint; select pg_switch_wal()")
        verified = await do(verify, answer)
        assert verified.exit_status == 0, verified.stderr
        assert "pg_amcheck found nothing" in verified.stdout
        assert "gave t" in verified.stdout
        stopped = await do(stop, answer)
        assert stopped.exit_status == 0, stopped.stderr
        assert "pg_checksums found nothing" in stopped.stdout
        assert {p.name for p in (source.top / "archive").iterdir()} >= {p.name for p in archived}
        assert not any(p.name.startswith("00000002") for p in (source.top / "archive").iterdir())
        assert int(source.sql("select count(*) from ledger")) >= there

    asyncio.run(whole())


def test_files_of_two_instants_are_damaged_without_backup_mode(source: Cluster) -> None:
    """What the check of one consistency group refuses: the log is of an earlier time than the data."""

    async def torn() -> list[int | None]:
        facts = await looked(source)
        with source.still():
            source.take("wal")
        source.sql("insert into ledger select g, repeat('y', 400) from generate_series(1, 20000) g")
        source.sql("checkpoint")
        with source.still():
            source.take("data", "space")
        start, verify, stop = source.driver(query="select count(*) = 20000 from ledger").on_copy(
            HERE, source.place(facts, held=False)
        )
        ends = [(await do(step)).exit_status for step in (start, verify)]
        await do(stop)
        return ends

    assert any(asyncio.run(torn()))


def test_a_link_that_leads_out_of_the_copy_is_refused_and_nothing_starts(source: Cluster) -> None:
    async def late() -> str:
        facts = await looked(source)
        source.space("late")
        source.sql(f"create tablespace late location '{source.top}/late'")
        with source.still():
            source.take()
        done = await do(source.driver().on_copy(HERE, source.place(facts, held=False))[0])
        assert done.exit_status == 90
        return done.stderr

    assert "not on the copy" in asyncio.run(late())
    assert source.sql("select 1") == "1"


def test_the_lock_in_a_copy_never_leads_to_the_source_s_server(source: Cluster) -> None:
    """On one host the process that the copied lock names is the source's own server."""

    async def taken_back() -> int | None:
        facts = await looked(source)
        with source.still():
            source.take()
        return (await do(source.driver().on_copy(HERE, source.place(facts, held=False))[0], undo=True)).exit_status

    assert asyncio.run(taken_back()) == 0
    assert source.sql("select 1") == "1"


def test_the_timer_ends_the_backup_mode_when_nobody_does(source: Cluster) -> None:
    async def forgotten() -> None:
        session = await quiesced(source, backup_mode=True, seconds=3)
        assert in_backup(source)
        print(f"\nout of it after {eventually(lambda: not in_backup(source), 6):.1f} s of 3")
        assert await released(session) == "expired"
        assert "aborting backup" in source.log()

    asyncio.run(forgotten())


@pytest.mark.parametrize("how", ["shell killed", "input ended"])
def test_the_backup_mode_ends_with_whoever_holds_it(source: Cluster, how: str) -> None:
    async def gone() -> None:
        session = await quiesced(source, backup_mode=True)
        assert isinstance(session, LocalSession)
        assert in_backup(source)
        if how == "shell killed":
            session.stream.process.send_signal(signal.SIGKILL)
        else:
            assert session.stream.process.stdin is not None
            session.stream.process.stdin.close()
        await asyncio.to_thread(eventually, lambda: not in_backup(source), 5)
        await session.close()
        assert "aborting backup" in source.log()

    asyncio.run(gone())


def test_a_server_that_refuses_is_told_and_left_alone(source: Cluster) -> None:
    async def refused() -> str:
        for setting in ("wal_level = minimal", "max_wal_senders = 0", "archive_mode = off"):
            source.sql(f"alter system set {setting}")
        source.stop()
        source.start()
        session = await LocalTransport().session(source.driver(backup_mode=True).hold(HERE))
        await session.expect(("ready",), 10)
        await session.send("quiesce")
        answer = await session.expect(("quiet", "failed"), 30)
        await session.close()
        return answer

    assert "WAL level not sufficient" in asyncio.run(refused())
    assert not in_backup(source)


def test_a_lock_that_a_restored_copy_brought_does_not_keep_it_from_starting(source: Cluster) -> None:
    source.sql("insert into ledger values (1, 'x')")
    source.stop()
    (source.data / "postmaster.pid").write_text(f"1\n{source.data}\n1\n{PORT}\n{source.top}\n\n1 1\n")
    with (source.data / "postgresql.auto.conf").open("a") as file:
        file.write(f"listen_addresses = ''\nunix_socket_directories = '{source.top}'\nport = {PORT}\n")
    driver = source.driver()
    for verb in ("start", "check", "stop", "stop"):
        done = asyncio.run(LocalTransport().run(driver.verb(verb, HERE)))
        assert done.exit_status == 0, done.stderr
    assert asyncio.run(looked(source)).state == "stopped"
