"""What the PostgreSQL driver does around a restore, with a real server: today's files go aside, and the log leads to a chosen time."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.applications.postgresql import PostgresDriver
from core.errors import Refused
from core.pointintime import chosen
from core.settings import ApplicationSettings, DatabaseSettings
from core.transport import Command, Result
from tests.core.applications.cluster import HERE, NO_MOUNTS, Cluster, cluster, needs_postgresql
from tests.core.backups.localtransport import LocalTransport

pytestmark = needs_postgresql
PARTS = ("data", "wal", "space")


@pytest.fixture
def source() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


def did(command: Command | None, run: Path | None = None, *, mounted: bool = True) -> Result:
    assert command is not None
    variables = f"RUN={run}; export RUN\n" if run else ""
    prelude = variables + command.prelude + (NO_MOUNTS if mounted else "")
    return asyncio.run(LocalTransport().run(replace(command, prelude=prelude)))


def points(made: Cluster) -> tuple[str, ...]:
    return tuple(str(made.top / part) for part in PARTS)


def rows(made: Cluster, first: int, last: int) -> None:
    made.sql(f"insert into ledger select g, 'x' from generate_series({first}, {last}) g")  # noqa: S608  numbers


def snapshot(made: Cluster) -> Path:
    """All files, of one instant."""
    kept = made.top / "kept"
    with made.still():
        kept.mkdir()
        for part in PARTS:
            subprocess.run(["cp", "-a", str(made.top / part), str(kept)], check=True)
    return kept


def put_back_whole(made: Cluster, kept: Path) -> None:
    """As a restore from the mirror does: what was there is gone."""
    for part in PARTS:
        shutil.rmtree(made.top / part)
        subprocess.run(["cp", "-a", str(kept / part), str(made.top)], check=True)


def lived_on(made: Cluster) -> tuple[Path, str]:
    """100 rows at the snapshot, 200 at the time that is returned, 300 later; then the table is gone, and the log archived."""
    rows(made, 1, 100)
    kept = snapshot(made)
    rows(made, 101, 200)
    at = made.sql("select pg_sleep(0.2); select clock_timestamp() at time zone 'utc'").splitlines()[-1] + "+00"
    made.sql("select pg_sleep(0.2)")
    rows(made, 201, 300)
    made.sql("drop table ledger")
    made.sql("select pg_switch_wal()")
    made.run(made.program("pg_ctl"), "stop", "-D", str(made.data), "-m", "fast", "-w", "-s")
    return kept, at


def archives(made: Cluster) -> bool:
    """Whether what it writes from now on comes into the archive."""
    made.sql("create table later (n int)")
    made.sql("select pg_switch_wal()")
    for _ in range(100):
        done, failed = made.sql("select archived_count, failed_count from pg_stat_archiver").split("|")
        if int(done) or int(failed):
            return failed == "0"
        made.sql("select pg_sleep(0.1)")
    return False


@pytest.mark.parametrize("to_time", [True, False], ids=["to a time", "to the end of the copy"])
def test_a_restored_database_goes_on_to_the_time_on_a_timeline_of_its_own(source: Cluster, to_time: bool) -> None:
    kept, at = lived_on(source)
    put_back_whole(source, kept)
    done = did(source.driver().recover(HERE, at if to_time else ""))
    assert done.exit_status == 0, done.stderr
    assert "on timeline 2" in done.stdout
    assert not {"splitmount.conf", "splitmount.hba", "recovery.signal"} & {p.name for p in source.data.iterdir()}
    source.start()
    assert source.sql("select count(*), max(n) from ledger") == ("200|200" if to_time else "100|100")
    assert archives(source), source.log()[-600:]
    assert (source.top / "archive" / "00000002.history").exists()


def test_without_it_the_archive_refuses_what_a_restored_database_writes(source: Cluster) -> None:
    """Why it is done: on the old timeline the log has names that the archive holds already, with other contents."""
    kept, _ = lived_on(source)
    put_back_whole(source, kept)
    (source.data / "postmaster.pid").unlink()
    source.start()
    assert source.sql("select count(*) from ledger") == "100"
    assert not archives(source)


def test_a_time_beyond_the_archive_ends_with_an_error_and_the_database_does_not_come_up(source: Cluster) -> None:
    kept, _ = lived_on(source)
    put_back_whole(source, kept)
    done = did(source.driver().recover(HERE, "2099-01-01 00:00:00+00"))
    assert done.exit_status == 1
    assert "before configured recovery target was reached" in done.stderr
    started = did(source.driver().verb("start", HERE))
    assert started.exit_status == 1, "it came up with a state that nobody asked for"


def test_without_a_restore_command_there_is_no_way_to_a_time_and_nothing_is_done() -> None:
    driver = PostgresDriver(ApplicationSettings("shop", driver="postgresql", database=DatabaseSettings("/srv/pg", "/usr/bin")))
    assert driver.recover(HERE, "") is None
    with pytest.raises(Refused, match="restore_command is needed"):
        driver.recover(HERE, "2026-01-01 00:00:00+00")


def test_files_that_a_restore_did_not_bring_go_aside_and_the_database_is_of_the_backup(source: Cluster, tmp_path: Path) -> None:
    rows(source, 1, 100)
    kept = snapshot(source)
    rows(source, 101, 20_000)
    source.sql("vacuum ledger")  # a visibility map, which the backup does not have
    source.sql("create table since (n int) tablespace other; insert into since values (1); drop table ledger; checkpoint")
    source.run(source.program("pg_ctl"), "stop", "-D", str(source.data), "-m", "fast", "-w", "-s")
    before = {part: files(source.top / part) for part in PARTS}
    pair = source.driver().sweep(HERE, "", points(source))
    marked = did(pair[0], tmp_path)
    assert marked.exit_status == 0, marked.stderr
    for part in PARTS:
        subprocess.run(["cp", "-a", "--remove-destination", f"{kept / part}/.", str(source.top / part)], check=True)
    swept = did(pair[1], tmp_path)
    assert swept.exit_status == 0, swept.stderr
    for part in PARTS:
        now, then = files(source.top / part), files(kept / part)
        aside = {name for name in now if "splitmount-aside-" in name}
        assert now - aside == then
        assert {name.split("/", 1 + name.split("splitmount-aside-")[0].count("/"))[-1] for name in aside} or before[
            part
        ] == then
        assert len(aside) == len(before[part] - then)
    assert "that the backup does not have are in" in swept.stdout
    recovered = did(source.driver().recover(HERE, ""))
    assert recovered.exit_status == 0, recovered.stderr
    source.start()
    assert source.sql("select count(*) from ledger") == "100"
    assert source.sql("select to_regclass('since') is null") == "t"


@pytest.mark.parametrize("sweep", [True, False], ids=["set aside", "left as it is"])
def test_a_visibility_map_of_today_beside_a_table_of_then_shows_deleted_rows(
    source: Cluster, tmp_path: Path, sweep: bool
) -> None:
    """Why it is done: the half that sets nothing aside gives a wrong answer, from a database that starts and finds no fault."""
    source.sql("alter table ledger set (autovacuum_enabled = off)")
    rows(source, 1, 100)
    source.sql("delete from ledger where n <= 50")
    kept = snapshot(source)
    source.sql("vacuum ledger")
    source.run(source.program("pg_ctl"), "stop", "-D", str(source.data), "-m", "fast", "-w", "-s")
    mark, aside = source.driver().sweep(HERE, "", points(source))
    assert did(mark, tmp_path).exit_status == 0
    for part in PARTS:
        subprocess.run(["cp", "-a", "--remove-destination", f"{kept / part}/.", str(source.top / part)], check=True)
    if sweep:
        assert did(aside, tmp_path).exit_status == 0
    assert did(source.driver().recover(HERE, "")).exit_status == 0
    source.start()
    told = source.sql("set enable_seqscan = off; set enable_bitmapscan = off; select count(n) from ledger where n > 0")
    assert told == ("50" if sweep else "100")


def test_nothing_goes_aside_where_a_filesystem_is_not_mounted(source: Cluster, tmp_path: Path) -> None:
    source.stop()
    (tmp_path / "restoring").write_text("0.0\n")
    before = files(source.data)
    done = did(source.driver().sweep(HERE, "", points(source))[1], tmp_path, mounted=False)
    assert done.exit_status == 90
    assert f"{source.top}/data is not mounted" in done.stderr
    assert files(source.data) == before


def test_nothing_goes_aside_when_the_clock_makes_restored_files_look_old(source: Cluster, tmp_path: Path) -> None:
    source.stop()
    pair = source.driver().sweep(HERE, "", points(source))
    (tmp_path / "restoring").write_text("4000000000.0\n")
    before = files(source.data)
    done = did(pair[1], tmp_path)
    assert done.exit_status == 1
    assert "older than the restore: nothing was set aside" in done.stderr
    assert files(source.data) == before


def files(top: Path) -> set[str]:
    return {str(p.relative_to(top)) for p in top.rglob("*") if p.is_symlink() or not p.is_dir()}


def test_a_time_is_read_with_its_zone_and_nonsense_is_refused() -> None:
    assert chosen("") is None
    assert str(chosen("2026-12-24T18:00:00+02:00")) == "2026-12-24 16:00:00+00:00"
    assert str(chosen("2026-12-24 18:00")) == "2026-12-24 18:00:00+00:00"
    with pytest.raises(Refused, match="is no time to recover to"):
        chosen("yesterday'; drop table ledger")
