"""A real PostgreSQL under load on the real estate: split, tried on the target, restored, taken over; its own ledger is compared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.applications.base import CopyPlace
from core.applications.postgresql import PostgresDriver
from core.errors import Refused
from core.events import StepEnded
from core.facade import PlanRequest
from core.hosts import HostRef
from core.plan import Step
from core.settings import PrePolicy
from core.transport import Command, Result
from hostdrivers.privileges import Role
from tests.lab.accounts import ACCOUNTS, as_account, install, write_rules
from tests.lab.estate import Lab
from tests.lab.layouts import reset_target
from tests.lab.postgresql import (
    BALANCED,
    GROUPS,
    MOUNTS,
    PREFIX,
    Ledger,
    Pgbench,
    amcheck,
    assembled,
    clock_of,
    database_set,
    is_up,
    ledger,
    make_database,
    on_the_copy,
    rows_of,
    sql,
    start_source,
    with_database,
    worst_pgbench,
)
from tests.lab.product import RUN_LIMIT, Product, config_of, drive, identity, product, settings_of, traces
from tests.lab.test_freeze import take_back

pytestmark = pytest.mark.long

CYCLES = int(os.environ.get("SPLITMOUNT_DATABASE_CYCLES", "2"))  # each takes about a minute and a half without KVM
ABORTED = "cat /srv/pg/data/main/server.log /srv/pg/data/main/splitmount.log 2>/dev/null | grep -c 'aborting backup' || true"
HELD = "select count(*) from pg_stat_activity where application_name = 'splitmount-hold'"


@pytest.fixture(scope="module")
def made_database(lab: Lab) -> Lab:
    """The estate with the cluster on the source, made when the first test wants it."""
    lab.seconds["database"] = make_database(lab)
    print(f"lab: {lab.seconds}")
    return lab


@pytest.fixture
def database(made_database: Lab, fresh_mirrors: Lab) -> Lab:
    """The same, with every pair as never established, and the server at work."""
    start_source(fresh_mirrors)
    return fresh_mirrors


class Watch:
    """What the ledger's client had been told at the moments of a run, and what was on the copy."""

    def __init__(self, lab: Lab, made: Product, client: Ledger) -> None:
        self.lab, self.client = lab, client
        self.at_split = self.at_release = self.on_copy = 0
        self.split_at = 0.0
        made.transport.after = self.look

    def look(self, command: Command, result: Result) -> None:
        """Called after each command, before the run goes on; at the split the source is still frozen."""
        if command.title.startswith("Split "):
            self.at_split, self.split_at = self.client.last, time.monotonic()
        elif command.title.startswith("Start shop"):
            self.at_release = self.client.last
        elif command.title.startswith("Verify shop"):
            assert result.exit_status == 0, result.stderr
            count, self.on_copy = (
                int(word) for word in on_the_copy(self.lab, "select count(*), max(n) from ledger").split("|")
            )
            assert count == self.on_copy  # no number is missing, and none is there twice


def message_of(made: Product, run: int, step: str) -> str:
    """What a step of a run said at its end."""
    made.listen()
    return next(e.message for e in made.events if isinstance(e, StepEnded) and e.run == run and e.step == step)


@pytest.mark.parametrize("backup_mode", [False, True], ids=["crash-consistent", "backup-mode"])
def test_every_reported_commit_is_on_the_copy_and_none_of_after_the_split(database: Lab, backup_mode: bool) -> None:
    lab = database
    with product(lab, change=with_database(backup_mode=backup_mode)) as made:
        made.do("establish", "database")
        load, ahead, told = Pgbench(lab), clock_of(lab), []
        there, known = traces(lab), identity(lab)
        load.start()
        try:
            with ledger(lab) as client:
                for cycle in range(1, CYCLES + 1):
                    watch = Watch(lab, made, client)
                    end = made.do("rehearse", "database")
                    frozen, held = message_of(made, end.run, "thaw"), message_of(made, end.run, "let-go-application")
                    print(
                        f"\n{cycle}: {end.seconds:.0f} s; reported at the split {watch.at_split}, on the copy {watch.on_copy}, ",
                        end="",
                    )
                    print(f"reported when the copy was there {watch.at_release}; {frozen}; {held}")
                    assert watch.at_split > 0
                    # one more may be on stable storage and not be reported yet; in backup mode the copy is of its end
                    assert watch.at_split <= watch.on_copy <= (watch.at_release if backup_mode else watch.at_split) + 1
                    told.append((watch.split_at, frozen))
                    made.events.clear()
                    made.transport.changes.clear()
        finally:
            rows = load.end()
        for cycle, (at, frozen) in enumerate(told, 1):
            worst = worst_pgbench(rows, at + ahead - 3, at + ahead + 3)
            print(f"{cycle}: {frozen}; worst of pgbench {worst:.2f} s, of the ledger {client.worst(at - 3, at + 3):.2f} s")
        usual = sorted(took for _, took in rows)[len(rows) // 2]
        print(
            f"{len(rows)} transactions of pgbench, in the middle {usual:.3f} s; {len(client.told)} of the ledger, {client.usual():.3f} s"
        )
        assert traces(lab) == there
        assert identity(lab) == known


def one_group(name: str) -> Callable[[dict[str, Any]], None]:
    """The set "database" with one of its two groups, and no freeze of the other."""

    def change(body: dict[str, Any]) -> None:
        number = GROUPS.index(name)
        pairs = Path(body["sets"]["ordinary"]["pairs"])
        body["sets"]["database"] = database_set((name,)) | {"pairs": f"pairs-{name}.txt"}
        lines = (pairs.parent / "pairs-database.txt").read_text().splitlines()
        (pairs.parent / f"pairs-{name}.txt").write_text(lines[number] + "\n")

    return change


def test_groups_split_one_after_the_other_are_refused_and_the_forced_copy_is_damaged(database: Lab) -> None:
    lab = database
    with product(lab, change=with_database()) as made:
        drive(made, "database", "establish")
    facts = None
    for group in ("vgwal", "vgpg"):  # first the log, then the data: the data is newer than all that its log knows
        with product(lab, change=in_directory(lab, one_group(group))) as made:
            facts = made.measure("database").estate.facts
            with pytest.raises(Refused, match="APPLICATION_WHOLE") as refused:
                made.plan("split", "database")
            print(f"\n{refused.value}")
            forced = PlanRequest("split", "database", overrides={"APPLICATION_WHOLE": "to see what comes of it"})
            end = made.run(made.engine.plan(forced).result(RUN_LIMIT))
            assert end.exit_code == 0, end.message
        if group == "vgwal":
            sql(lab, "insert into ledger (n, filler) select g, repeat('z', 300) from generate_series(1000000, 1003999) g")
            sql(lab, "checkpoint")
    with product(lab, change=with_database()) as made:
        with pytest.raises(Refused, match="mixed") as refused:
            made.plan("rehearse", "database", PrePolicy.VERIFY_DOWN)
        print(refused.value)
        assembled(lab)
        try:
            app = made.engine.settings.sets["database"].application
            assert app is not None
            place = CopyPlace(PREFIX, tuple(PREFIX + point for point in MOUNTS), facts, held=False)
            start, verify, stop = PostgresDriver(app).on_copy(HostRef("target", "linux"), place)
            started, verified = sent(made, start), sent(made, verify)
            print(f"start: {started.exit_status} {started.stderr}\nverify: {verified.exit_status} {verified.stderr}")
            sent(made, stop)
            assert started.exit_status or verified.exit_status
        finally:
            reset_target(lab)
    sql(lab, "delete from ledger where n >= 1000000")


def in_directory(lab: Lab, change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """The change, with the lab's own directory for the paths of its pairs."""

    def changed(body: dict[str, Any]) -> None:
        body["sets"]["ordinary"]["pairs"] = str(lab.directory / "pairs-ordinary.txt")
        change(body)

    return changed


def sent(made: Product, step: Step) -> Result:
    """A step's command, sent as it is."""
    assert step.command is not None
    return made.engine._submit(made.transport.run(replace(step.command))).result(RUN_LIMIT)


def grown(lab: Lab, seconds: float) -> int:
    """Let the ledger grow for a while; the newest number that was reported."""
    with ledger(lab) as client:
        time.sleep(seconds)
    return client.last


def restored(lab: Lab, made: Product, request: PlanRequest) -> None:
    """Plan it, show what it overwrites, run it with the name typed; the database must be whole and open afterwards."""
    plan = made.engine.plan(request).result(RUN_LIMIT)
    print(f"\n{chr(10).join(plan.summary)}")
    end = made.run(plan, confirmed="database")
    assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
    print(f"restored in {end.seconds:.0f} s")
    assert sql(lab, BALANCED) == "t"
    assert amcheck(lab) == ""


def archive_works(lab: Lab) -> None:
    """What it writes from now on comes into the archive."""
    sql(
        lab,
        "select pg_stat_reset_shared('archiver'); insert into ledger (n) select max(n) + 1 from ledger; select pg_switch_wal()",
    )
    lab.ssh("source", "sleep 5")
    done, failed = sql(lab, "select archived_count, failed_count from pg_stat_archiver").split("|")
    assert (int(done) > 0, int(failed)) == (True, 0), sql(lab, "select * from pg_stat_archiver")


def lived_on(lab: Lab) -> tuple[int, str, int]:
    """The newest row at a chosen time after the split, that time, and the newest row when the table was dropped by mistake."""
    wanted = grown(lab, 4.0)
    at = sql(lab, "select pg_sleep(1), clock_timestamp() at time zone 'utc'").split("|")[1]
    time.sleep(1.0)
    late = grown(lab, 4.0)
    sql(lab, "drop table ledger")
    sql(lab, "select pg_switch_wal()")
    return wanted, at, late


def both_ways(lab: Lab, made: Product, watch: Watch, request: PlanRequest) -> None:
    """After life went on: to a chosen time with the archived log; then as of the split. Each on a timeline of its own."""
    wanted, at, late = lived_on(lab)
    with pytest.raises(Refused, match="RECOVER_TO"):
        made.engine.plan(replace(request, recover_to="2001-01-01T00:00:00")).result(RUN_LIMIT)
    restored(lab, made, replace(request, recover_to=at))
    count, last = rows_of(lab)
    print(f"reported by {at} {wanted}, restored {last}, reported at all {late}")
    assert count == last
    assert wanted <= last <= wanted + 1 < late
    archive_works(lab)
    restored(lab, made, request)
    count, last = rows_of(lab)
    print(f"reported at the split {watch.at_split}, restored {last}, reported at all {late}")
    assert count == last
    assert watch.at_split <= last <= watch.at_split + 1 < wanted
    archive_works(lab)


def under_load(lab: Lab, made: Product, operation: str) -> Watch:
    """The operation while pgbench and the ledger write; what was told at its moments."""
    made.do("establish", "database")
    load = Pgbench(lab)
    load.start()
    with ledger(lab) as client:
        watch = Watch(lab, made, client)
        made.do(operation, "database")
    load.end()
    return watch


def test_a_restore_from_the_mirror_brings_the_database_of_the_split_or_of_a_chosen_time(database: Lab) -> None:
    lab = database
    with product(lab, change=with_database()) as made:
        watch = under_load(lab, made, "split")
        both_ways(lab, made, watch, PlanRequest("restore", "database"))


def test_a_restore_of_files_from_a_backup_brings_the_same(database: Lab) -> None:
    lab = database
    with product(lab, change=with_database()) as made:
        watch = under_load(lab, made, "backup")
        backup = made.engine.backups("database").result(60)[0].id
        both_ways(lab, made, watch, PlanRequest("restore", "database", backup=backup))
        aside = lab.ssh("source", "find /srv/pg -path '*splitmount-aside-*' -type f | wc -l").stdout
        print(f"{aside.strip()} files were set aside; nothing was removed")
        assert int(aside) > 0
        lab.ssh("source", "rm -rf /srv/pg/*/main/splitmount-aside-*")


def test_a_source_that_dies_under_load_is_taken_over_with_every_reported_commit(database: Lab) -> None:
    lab = database
    with product(lab, change=with_database()) as made:
        made.do("establish", "database")
        made.do("map", "database")
        Pgbench(lab).start()
        with ledger(lab) as client:
            time.sleep(10.0)
            lab.source.power_cut()
            began = time.monotonic()
        try:
            plan = made.plan("takeover", "database")
            planned = time.monotonic() - began
            end = made.run(plan, confirmed="database")
            assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
            count, last = rows_of(lab, "target")
            sql(lab, "insert into ledger (n, filler) select max(n) + 1, 'served' from ledger", "target")
            print(f"\n{made.story(end.run)}")
            print(
                f"reported {client.last}, taken over {last}; {planned:.0f} s to the plan, {time.monotonic() - began:.0f} s to the first commit"
            )
            assert count == last
            assert client.last <= last <= client.last + 1
            assert sql(lab, BALANCED, "target") == "t"
            assert amcheck(lab, "target") == ""
        finally:
            lab.source.power_on()
            lab.source.wait()
        lab.ssh("source", "install -d -o postgres -g postgres /run/postgresql")
        end = made.run(made.plan("failback", "database"), confirmed="database")
        assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
        start_source(lab)
        assert rows_of(lab) == (last + 1, last + 1)
        assert not is_up(lab, "target")


def test_an_operator_without_privileges_rehearses_the_database(database: Lab) -> None:
    lab = database
    with product(lab, change=with_database()) as made:
        made.do("establish", "database")
        made.do("map", "database")

    def change(body: dict[str, Any]) -> None:
        with_database(backup_mode=True)(body)
        as_account(Role.OPERATOR)(body)

    install(lab)
    write_rules(lab, settings_of(lab, change), Role.OPERATOR)
    with product(lab, change=change) as made:
        end = made.do("rehearse", "database")
        print(f"\n{made.story(end.run)}")
    done = lab.ssh("source", "sudo -n runuser -u root -- id < /dev/null", check=False, user=ACCOUNTS[Role.OPERATOR])
    assert done.returncode != 0


def test_the_backup_mode_ends_by_itself_when_the_console_is_killed(database: Lab) -> None:
    lab, timer = database, 10
    with product(lab, change=with_database(backup_mode=True)) as made:
        drive(made, "database", "establish")

    def shorter(body: dict[str, Any]) -> None:
        with_database(backup_mode=True, seconds=timer)(body)
        body["sets"]["database"]["freeze"] = {"seconds": 5}
        body["state_dir"] = str(lab.directory / "stuck-state")

    config, aborted = config_of(lab, shorter), lab.ssh("source", ABORTED).stdout
    command = [sys.executable, "-m", "tests.lab.stuck", str(config), "database"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as console:
        assert console.stdout is not None
        assert console.stdout.readline() == "FROZEN\n"
        held = sql(lab, HELD)
        began = time.monotonic()
        console.send_signal(signal.SIGKILL)
        while sql(lab, HELD) != "0":
            assert time.monotonic() - began < 60
        seconds = time.monotonic() - began
    print(f"\nout of backup mode {seconds:.1f} s after the console was killed (timer {timer} s)")
    assert held == "1", "it was not in backup mode at all: this test proves nothing"
    assert seconds < timer
    assert lab.ssh("source", ABORTED).stdout != aborted, "the server does not say that it ended a backup by itself"
    take_back(lab, config, "database")
    assert sql(lab, "insert into ledger (n) select max(n) + 1 from ledger returning 1") == "1"
