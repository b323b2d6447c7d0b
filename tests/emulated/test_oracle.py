"""An Oracle on the emulated estate, through whole operations: what a copy of it holds, and that it never stays in backup mode."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from core.config import load
from core.errors import Refused
from core.events import RunEnded, SetMeasured
from core.facade import PlanRequest
from core.settings import ApplicationSettings, OracleSettings, PostPolicy
from hostdrivers.emulated import oracle_files as files
from hostdrivers.emulated.estate import Family
from hostdrivers.emulated.families import FAMILIES
from hostdrivers.emulated.oracle import FULL, Oracle
from hostdrivers.emulated.oracle_estate import SID, Layout, with_oracle
from hostdrivers.emulated.oracle_files import DataFile
from tests.emulated.bench import Bench, bench, in_the_gate
from tests.hostdrivers.machines import run
from tui.outline import set_lines
from tui.wiring import build_engine

QUERY = "select case when count(*) >= {} then 't' else 'f' end from orders"
HOME = "/opt/oracle/11.2"


@dataclass
class Shop:
    """A family with a database on its source; `told` are the rows whose transactions were reported committed."""

    made: Bench
    family: Family
    oracles: dict[str, Oracle]
    told: list[int] = field(default_factory=list)

    @property
    def source(self) -> Oracle:
        return self.oracles[self.family.source.name]

    @property
    def target(self) -> Oracle:
        return self.oracles[self.family.target.name]

    def commit(self, count: int = 3) -> None:
        for _ in range(count):
            self.told.append(self.made.running.do(lambda: self.source.commit(SID, "orders")))

    def rows(self, oracle: Oracle) -> list[int]:
        """What an open database has, after a checkpoint."""

        def look() -> list[int]:
            one = oracle.instance(SID)
            oracle.checkpoint(one)
            control = oracle.opened(one)
            header = files.headers(oracle.machine, control)[2]
            return sorted(header.rows.get("orders", []))

        return self.made.running.do(look)

    def in_backup(self) -> bool:
        one = self.source.instance(SID)
        return self.made.running.do(lambda: bool(files.in_backup(self.source.machine, self.source.mounted(one))))

    def run(self, operation: str, **more: object) -> RunEnded:
        plan = self.made.plan(PlanRequest(operation, self.family.set_name, **more))  # type: ignore[arg-type]
        return self.made.finish(self.made.engine.start(plan, confirmed=plan.confirm or "").result())

    def words(self) -> set[str]:
        return {str(self.made.estate.array.word(std, bcv)) for std, bcv in self.family.pairs}

    def use(self, **settings: object) -> None:
        """Another console, with such a database in its configuration."""
        seconds = settings.pop("seconds", 30)
        oracle = OracleSettings(SID, HOME, **settings)  # type: ignore[arg-type]
        self.made.engine.close()
        self.made.engine = self.made.another_engine(
            application=ApplicationSettings("shop", driver="oracle", oracle=oracle, seconds=seconds, timeout=60)  # type: ignore[arg-type]
        )


@contextmanager
def shop(
    directory: Path, name: str = "solaris-mail", layout: Layout | None = None, log_mode: str = "ARCHIVELOG"
) -> Iterator[Shop]:
    """An estate of one family with a database, and a console that knows it."""
    build = next(b for b in FAMILIES if b.__name__.replace("_", "-") == name)
    oracles: dict[str, Oracle] = {}
    with bench(directory, builders=(with_oracle(build, oracles, layout, log_mode),)) as made:
        one = Shop(made, made.family(name), oracles)
        one.use()
        one.commit()
        yield one


# --- what a copy holds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", in_the_gate("solaris-mail", "hpux-orders"))
def test_a_rehearsal_recovers_the_copy_opens_it_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    with shop(tmp_path, name) as one:
        one.use(query=QUERY.format(len(one.told)))
        end = one.run("rehearse")
        assert end.exit_code == 0, end.message
        assert one.target.instances == {}
        assert not one.in_backup()
        one.commit()
        assert one.rows(one.source) == one.told, "the source was never stopped"
        one.use(query=QUERY.format(len(one.told) + 1))
        end = one.run("rehearse")
        assert end.exit_code == 4
        assert "the query of the configuration gave f, not t" in end.message
        assert one.target.instances == {}
        assert one.target.machine.mounts == {}


@pytest.mark.parametrize("backup_mode", [True, False], ids=["backup-mode", "crash-consistent"])
@pytest.mark.parametrize("name", in_the_gate("solaris-mail"))
def test_a_takeover_opens_what_was_committed_before_the_split(tmp_path: Path, name: str, backup_mode: bool) -> None:
    with shop(tmp_path, name) as one:
        one.use(backup_mode=backup_mode)
        assert one.run("backup", post_policy=PostPolicy.LEAVE_DOWN).exit_code == 0
        then = list(one.told)
        one.commit()
        one.made.switch(f"host-lost@{one.family.source.name}")
        end = one.run("takeover")
        assert end.exit_code == 0, end.message
        assert one.target.instance(SID).status == "OPEN"
        assert one.rows(one.target) == then


@pytest.mark.parametrize("name", in_the_gate("aix-ledger"))
def test_a_restore_over_the_current_redo_needs_a_reason_and_comes_back_as_of_the_split(tmp_path: Path, name: str) -> None:
    with shop(tmp_path, name) as one:
        assert one.run("backup", post_policy=PostPolicy.LEAVE_DOWN).exit_code == 0
        then = list(one.told)
        one.commit()
        with pytest.raises(Refused, match=r"ONLINE_REDO.*never again be recovered beyond.*--override ONLINE_REDO"):
            one.run("restore")
        assert one.rows(one.source) == one.told, "nothing was changed"
        end = one.run("restore", overrides={"ONLINE_REDO": "the orders since are wrong"})
        assert end.exit_code == 0, end.message
        assert one.source.instance(SID).status == "OPEN"
        assert one.rows(one.source) == then


def test_a_restore_of_the_data_alone_is_recovered_up_to_now(tmp_path: Path) -> None:
    ledger, data = "/ledger", "/testvg2-3/oradata"
    with shop(tmp_path, "aix-ledger", Layout(data, "/testvg2-4", (ledger,), ledger, f"{ledger}/arch")) as one:
        assert one.run("backup", post_policy=PostPolicy.LEAVE_DOWN).exit_code == 0
        for _ in range(4):  # every online log is used again: what is between is in the archive alone
            one.commit()
            one.made.running.do(lambda: one.source.archive_current(one.source.instance(SID)))
        one.commit()
        end = one.run("restore", groups=("testvg2-2",))
        assert end.exit_code == 0, end.message
        assert one.rows(one.source) == one.told


def test_files_of_a_backup_are_not_put_over_the_current_redo_without_a_reason(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        assert one.run("backup").exit_code == 0
        backup = one.made.engine.backups(one.family.set_name).result()[0].id
        for more in ({}, {"paths": ("/mir2/redo/redo01.log",)}, {"via_bcv": True}):
            with pytest.raises(Refused, match="ONLINE_REDO"):
                one.run("restore", backup=backup, **more)
        plan = one.made.plan(PlanRequest("restore", one.family.set_name, backup=backup, paths=("/mir1/oradata",)))
        assert "stop-application" in [step.id for step in plan.steps]


def test_the_control_file_is_kept_in_both_forms_and_the_log_is_archived_after_the_end(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.use(control_backup="/mir1/oradata")
        before = len(one.source.mounted(one.source.instance(SID)).archived)
        assert one.run("backup").exit_code == 0
        kept = one.made.files(one.source.machine, "/mir1/oradata")
        assert {f"/{SID}.ctl", f"/{SID}.sql"} <= set(kept)
        assert len(one.source.mounted(one.source.instance(SID)).archived) == before + 2


def test_a_database_that_is_stopped_is_not_quiesced_and_its_redo_is_not_known(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.made.running.do(lambda: one.source.shutdown(one.source.instance(SID), "immediate"))
        request = {"overrides": {"APPLICATION_WHOLE": "it is down"}}
        assert one.run("backup", post_policy=PostPolicy.LEAVE_DOWN, **request).exit_code == 0
        with pytest.raises(Refused, match=r"ONLINE_REDO.*is not known"):
            one.run("restore")


# --- it never stays in backup mode ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
@pytest.mark.parametrize(
    "name", ["solaris-mail", *(pytest.param(n, marks=pytest.mark.long) for n in ("aix-ledger", "hpux-orders"))]
)
def test_a_console_that_dies_between_begin_and_end_leaves_no_backup_mode(
    tmp_path: Path, name: str, how: signal.Signals
) -> None:
    """A dead one is noticed by the end of the connection; of one that hangs the connection stays, and the timer is left."""
    with shop(tmp_path, name) as one:
        settings = yaml.safe_load(one.made.estate.config.read_text())
        settings["sets"][name]["application"] = {
            "name": "shop",
            "driver": "oracle",
            "seconds": 4,
            "oracle": {"sid": SID, "home": HOME},
        }
        own = one.made.estate.config.with_name("own.yaml")
        own.write_text(yaml.safe_dump({**settings, "state_dir": "own-state"}))
        one.made.running.do(lambda: one.made.estate.array.hangs.update({"symmir split": asyncio.Event()}))
        words = [sys.executable, "-m", "tui", "--config", str(own), "run", "backup", name, "--yes"]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as console:
            try:
                wait(one.in_backup, 40)
                console.send_signal(how)
                began = time.monotonic()
                wait(lambda: not one.in_backup(), 10)
                print(f"\nout of backup mode {time.monotonic() - began:.1f} s after it was {how.name}, with a timer of 4 s")
            finally:
                console.kill()
        assert one.words() == {"Synchronized"}, "nothing was split"
        one.commit()
        assert one.rows(one.source) == one.told


def wait(true: object, seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < limit, "it did not come about in time"
        time.sleep(0.05)


def test_a_split_that_fails_still_ends_it(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        number = one.made.engine.start(one.made.plan(PlanRequest("backup", one.family.set_name)), stepwise=True).result()
        one.made.go(number, "quiesce")
        one.made.running.do(lambda: one.family.array.split([one.family.pairs[0]]))
        one.made.engine.proceed(number, to_end=True)
        assert one.made.finish(number).exit_code != 0
        assert not one.in_backup()


# --- accidents --------------------------------------------------------------------------------------------------------


def refused(one: Shop, words: str) -> None:
    end = one.run("backup")
    assert end.exit_code == 4
    assert words in end.message
    assert "nothing was split" in end.message
    assert one.words() == {"Synchronized"}


def test_a_full_archive_refuses_before_anything_is_split(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.source.machine.faults.on.add(FULL)
        refused(one, "ORA-00257")
        assert not one.in_backup()
        one.source.machine.faults.on.clear()
        assert one.run("backup").exit_code == 0


def test_the_backup_mode_of_somebody_else_refuses_and_is_left_alone(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.made.running.do(lambda: one.source.begin_backup(one.source.instance(SID)))
        refused(one, "ORA-01146")
        assert one.in_backup()


def test_a_database_that_does_not_archive_refuses(tmp_path: Path) -> None:
    with shop(tmp_path, log_mode="NOARCHIVELOG") as one:
        refused(one, "ORA-01123")
        one.use(backup_mode=False)
        assert one.run("backup").exit_code == 0


def test_an_archive_that_fills_up_during_the_split_needs_attention_and_no_backup_mode_stays(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        held = asyncio.Event()
        one.made.running.do(lambda: one.made.estate.array.hangs.update({"symmir split": held}))
        number = one.made.engine.start(one.made.plan(PlanRequest("backup", one.family.set_name))).result()
        wait(one.in_backup, 20)
        one.source.machine.faults.on.add(FULL)
        one.made.running.do(held.set)
        end = one.made.finish(number)
        assert end.exit_code == 5
        assert "the backup mode has ended, but: ORA-00257" in end.message
        assert not one.in_backup()


@pytest.mark.parametrize("way", ["itself", "by a link"])
def test_a_data_file_outside_of_the_set_refuses_with_its_name(tmp_path: Path, way: str) -> None:
    with shop(tmp_path) as one:
        root = one.source.machine.root

        def move() -> None:
            control = one.source.mounted(one.source.instance(SID))
            old = control.data()[1].name
            root.mkdir("/export", True)
            root.write_file("/export/users01.dbf", root.read_file(old))
            root.remove(old)
            if way == "itself":
                control.data()[1].name = "/export/users01.dbf"
            else:
                root.symlink("/export/users01.dbf", old)

        one.made.running.do(move)
        for operation in ("backup", "rehearse"):
            with pytest.raises(Refused, match=r"APPLICATION_WHOLE.*outside the set.*data /export/users01.dbf"):
                one.run(operation)
        with pytest.raises(Refused, match="is not on the copy"):
            one.run("rehearse", overrides={"APPLICATION_WHOLE": "all the same"})


def a_strange_instance(one: Shop) -> None:
    """Another database on the target, by the SID of the copy."""
    machine = one.target.machine
    files.write(machine, "/other/c.ctl", one.source.mounted(one.source.instance(SID)))
    machine.write_file(f"{HOME}/dbs/initSMCOPY.ora", b"db_name='SHOP'\ncontrol_files='/other/c.ctl'\n")
    one.target.startup("SMCOPY", "", "mount")


def test_an_instance_of_the_copys_name_refuses_the_start(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.made.running.do(lambda: a_strange_instance(one))
        end = one.run("rehearse")
        assert end.exit_code == 4
        assert "an instance SMCOPY runs on this host" in end.message
        assert list(one.target.instances) == ["SMCOPY"]


def test_a_file_that_came_after_the_plan_keeps_the_copy_from_being_opened(tmp_path: Path) -> None:
    """The copy would take it for where the source has it: on one host that is the source's own file."""
    with shop(tmp_path) as one:
        number = one.made.engine.start(one.made.plan(PlanRequest("rehearse", one.family.set_name)), stepwise=True).result()
        one.made.go(number, "quiesce")

        def add() -> None:
            instance = one.source.instance(SID)
            control = one.source.opened(instance)
            control.files.append(files.FileRow(3, 1, "data", "/mir1/oradata/late01.dbf"))
            files.write(one.source.machine, "/mir1/oradata/late01.dbf", DataFile(control.dbid, 3, control.checkpoint))
            one.source.keep(instance)

        one.made.running.do(add)
        one.made.engine.proceed(number, to_end=True)
        end = one.made.finish(number)
        assert end.exit_code == 4
        assert "it would work on files that are not the copy's: /mir1/oradata/late01.dbf" in end.message
        assert one.target.instances == {}


def test_an_instance_that_is_not_the_copys_is_not_stopped(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        plan = one.made.plan(PlanRequest("rehearse", one.family.set_name))
        undo = next(step.undo for step in plan.steps if step.id == "start-copy")
        assert undo is not None
        one.made.running.do(lambda: a_strange_instance(one))
        done = one.made.running.call(run(one.target.machine, undo.script))
        assert (done.exit_status, list(one.target.instances)) == (90, ["SMCOPY"])


def test_a_torn_copy_is_found_out(tmp_path: Path) -> None:
    """A data file of a later instant than the control file: what one instant for all keeps from happening."""
    with shop(tmp_path) as one:
        plan = one.made.plan(PlanRequest("rehearse", one.family.set_name))
        number = one.made.engine.start(plan, stepwise=True).result()
        one.made.go(number, "start-copy")

        def tear() -> None:
            machine = one.target.machine
            path = "/copy/mir2/oradata/users01.dbf"
            header = files.read(machine, path, DataFile)
            assert header is not None
            header.checkpoint, header.backup = header.checkpoint + 1000, False
            files.write(machine, path, header)

        one.made.running.do(tear)
        one.made.engine.proceed(number, to_end=True)
        end = one.made.finish(number)
        assert end.exit_code == 4
        assert "ORA-01207" in end.message
        assert one.target.instances == {}


def test_the_demonstration_with_databases_knows_what_can_befall_them_and_says_where_they_stand(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        estate, source = one.made.estate, one.family.source.name
        assert f"in-backup-mode@{source}" in estate.accidents()
        assert f"{FULL}@{source}" in estate.accidents()
        settings = load(estate.config)
        engine = build_engine(settings, read_only=True)
        try:
            for number, name in enumerate((f"{FULL}@{source}", f"in-backup-mode@{source}")):
                one.made.switch(name)
                assert one.in_backup() is bool(number)
                refused(one, ("ORA-00257", "ORA-01146")[number])
                one.made.switch(name)
                assert not one.in_backup()
            engine.measure_set(one.family.set_name).result()
            measured = next(e for e in engine.drain() if isinstance(e, SetMeasured))
            told = [line.strip() for line in set_lines(settings, measured)]
        finally:
            engine.close()
    assert "application shop (oracle): running" in told
    assert "all its files lie on the set" in told
    assert any(line.startswith("last known position: 10") for line in told), told
