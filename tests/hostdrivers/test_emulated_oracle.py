"""The emulated Oracle refuses what a real one refuses, in its words, and tells it by its exit status only where it was asked to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hostdrivers.emulated import oracle_files as files
from hostdrivers.emulated.aix import Aix
from hostdrivers.emulated.hpux import Hpux
from hostdrivers.emulated.linux import Linux
from hostdrivers.emulated.machine import Machine
from hostdrivers.emulated.oracle import FULL, Oracle
from hostdrivers.emulated.oracle_estate import SID, Layout, create_database, install
from hostdrivers.emulated.oracle_files import Control, DataFile, OracleError, Redo
from hostdrivers.emulated.solaris import Solaris

LAYOUT = Layout("/u01", "/u02", ("/u01", "/u03"), "/u03", "/arch")


def a_database(machine: Machine | None = None, log_mode: str = "ARCHIVELOG") -> Oracle:
    oracle = install(machine or Solaris("sun"))
    create_database(oracle, SID, LAYOUT, log_mode=log_mode)
    return oracle


async def typed(oracle: Oracle, statements: str, *, user: str = "oracle", sid: str = SID) -> tuple[int, str]:
    """The exit status of SQL*Plus, and what it printed."""
    out = bytearray()

    async def say(data: bytes) -> None:
        out.extend(data)

    program = f"ORACLE_HOME={oracle.home} ORACLE_SID={sid} {oracle.home}/bin/sqlplus -S -L / as sysdba"
    script = f"su {user} -c /bin/sh <<'EOF'\n{program} <<'SQL'\n{statements}\nSQL\nEOF\n"
    code = await oracle.machine.run(script, say, say)
    return code, out.decode()


def ended(oracle: Oracle) -> None:
    """As when the machine fails: nothing of the memory is left."""
    oracle.instances.clear()


def test_a_crash_loses_nothing_that_was_committed() -> None:
    oracle = a_database()
    told = [oracle.commit(SID, "orders") for _ in range(3)]
    ended(oracle)
    header = files.read(oracle.machine, "/u02/users01.dbf", DataFile)
    assert header is not None
    assert header.rows == {}, "it is in the redo log alone"
    oracle.startup(SID, "", "open")
    header = files.read(oracle.machine, "/u02/users01.dbf", DataFile)
    assert header is not None
    assert header.rows == {"orders": told}


@pytest.mark.parametrize("make", [Solaris, Aix, Hpux, Linux])
async def test_it_works_on_every_system(make: type[Machine]) -> None:
    oracle = a_database(make("host"))
    oracle.commit(SID, "orders")
    assert await typed(oracle, "set heading off pagesize 0 feedback off\nselect count(*) from orders;\nexit") == (0, "1\n")


REFUSALS: dict[str, tuple[str, str, str]] = {
    "begin twice": ("alter database begin backup;", "alter database begin backup;", "ORA-01146"),
    "end of nothing": ("", "alter database end backup;", "ORA-01142"),
    "a shutdown in backup mode": ("alter database begin backup;", "shutdown immediate", "ORA-01149"),
    "a shutdown in backup mode, in whatever order": ("alter database begin backup;", "shutdown", "ORA-01149"),
    "a start of what runs": ("", "startup", "ORA-01081"),
    "a begin of what is not open": ("shutdown immediate\nstartup mount", "alter database begin backup;", "ORA-01109"),
    "a select of what is down": ("shutdown abort", "select dbid from v$database;", "ORA-01034"),
    "a select of what is not mounted": ("shutdown abort\nstartup nomount", "select dbid from v$database;", "ORA-01507"),
    "a table before it is open": ("shutdown abort\nstartup mount", "select count(*) from orders;", "ORA-01219"),
    "parameters that are not there": ("shutdown abort", "startup mount pfile='/none'", "LRM-00109"),
    "a control file that is there": ("", "alter database backup controlfile to '/u01/control01.ctl';", "ORA-27038"),
    "a directory that is not there": ("", "alter database backup controlfile to '/none/x' reuse;", "ORA-01580"),
    "a file that it does not have": ("", "alter database rename file '/none' to '/u01/system01.dbf';", "ORA-01516"),
    "a file that is not there": ("", "alter database rename file '/u01/system01.dbf' to '/none';", "ORA-01141"),
    "a recovery of what is open": ("", "recover automatic database", "ORA-01124"),
    "a recovery that is not needed": ("shutdown immediate\nstartup mount", "recover automatic database", "ORA-00264"),
    "a word that it does not know": ("", "backup database", "SP2-0734"),
    "a statement that it does not know": ("", "alter database mumble;", "ORA-00900"),
    "a column that is none": ("", "select nothing from v$instance;", "ORA-00904"),
    "an open after a crash in backup mode": (
        "alter database begin backup;\nshutdown abort\nstartup mount",
        "alter database open;",
        "ORA-10873",
    ),
    "tracking that is off": ("", "alter database disable block change tracking;", "ORA-19759"),
}


@pytest.mark.parametrize("what", REFUSALS)
async def test_it_refuses(what: str) -> None:
    oracle = a_database()
    before, statement, error = REFUSALS[what]
    code, out = await typed(oracle, before + "\nexit")
    assert code == 0
    assert "ORA-" not in out
    code, out = await typed(oracle, statement + "\nexit")
    assert error in out
    assert code == 0, "without whenever sqlerror it ends well, whatever went wrong"


async def test_whenever_sqlerror_ends_it_for_sql_and_for_nothing_else() -> None:
    oracle = a_database()
    code, out = await typed(oracle, "whenever sqlerror exit 9\nalter database end backup;\nalter system checkpoint;")
    assert code == 9
    assert out.splitlines()[:4] == [
        "alter database end backup", "*", "ERROR at line 1:", "ORA-01142: cannot end online backup - none of the files are in backup",
    ]  # fmt: skip
    assert "System altered." not in out
    code, out = await typed(oracle, "whenever sqlerror exit 9\nstartup\nalter system checkpoint;")
    assert (code, "ORA-01081" in out, "System altered." in out) == (0, True, True)
    assert (await typed(oracle, "whenever sqlerror exit 1024\nalter database end backup;"))[0] == 0, "one byte, as on any Unix"


async def test_only_its_own_user_is_let_in() -> None:
    oracle = a_database()
    code, out = await typed(oracle, "select dbid from v$database;", user="root")
    assert code == 1
    assert "ORA-01031" in out


async def test_its_first_process_is_there_while_it_runs() -> None:
    oracle = a_database()
    out = bytearray()

    async def say(data: bytes) -> None:
        out.extend(data)

    await oracle.machine.run(f"ps -ef | grep ora_pmon_{SID}; cat /var/opt/oracle/oratab\n", say, say)
    assert f"ora_pmon_{SID}\n" in out.decode()
    assert f"{SID}:{oracle.home}:N\n" in out.decode()
    await typed(oracle, "shutdown abort")
    out.clear()
    assert await oracle.machine.run(f"ps -ef | grep ora_pmon_{SID}\n", say, say) == 1


async def test_without_archiving_there_is_no_backup_mode_and_no_archive() -> None:
    oracle = a_database(log_mode="NOARCHIVELOG")
    assert "ORA-01123" in (await typed(oracle, "alter database begin backup;"))[1]
    assert "ORA-00258" in (await typed(oracle, "alter system archive log current;"))[1]


async def test_a_full_archive_takes_no_log_and_is_well_again_when_there_is_space() -> None:
    oracle = a_database()
    oracle.machine.faults.on.add(FULL)
    assert "ORA-00257" in (await typed(oracle, "alter system archive log current;"))[1]
    oracle.machine.faults.on.clear()
    assert "System altered." in (await typed(oracle, "alter system archive log current;"))[1]
    assert files.read(oracle.machine, "/arch/1_2_880000001.dbf", Redo) is not None


def test_what_is_older_than_the_control_file_is_opened_only_after_its_recovery() -> None:
    oracle = a_database()
    old = oracle.machine.read_file("/u02/users01.dbf")
    one = oracle.instance(SID)
    told = []
    for _ in range(4):  # so that an online log is used again, and its contents are in the archive alone
        told.append(oracle.commit(SID, "orders"))
        oracle.archive_current(one)
    told.append(oracle.commit(SID, "orders"))
    ended(oracle)
    oracle.machine.write_file("/u02/users01.dbf", old)
    oracle.startup(SID, "", "mount")
    one = oracle.instance(SID)
    with pytest.raises(OracleError, match="ORA-01113: file 2 needs media recovery"):
        oracle.open(one)
    arch = "/arch/1_3_880000001.dbf"
    kept = oracle.machine.read_file(arch)
    oracle.machine.root.remove(arch)
    with pytest.raises(OracleError) as lost:
        oracle.recover(one, "")
    assert f"ORA-00308: cannot open archived log '{arch}'" in lost.value.lines
    oracle.machine.write_file(arch, kept)
    assert oracle.recover(one, "")[-1] == "Media recovery complete."
    oracle.open(one)
    header = files.read(oracle.machine, "/u02/users01.dbf", DataFile)
    assert header is not None
    assert header.rows["orders"] == told


def test_files_of_two_instants_are_found_out() -> None:
    oracle = a_database()
    control = [oracle.machine.read_file(path) for path in LAYOUT.controls]
    redo = oracle.machine.read_file("/u03/redo03.log")
    oracle.archive_current(oracle.instance(SID))
    ended(oracle)
    now = [oracle.machine.read_file(path) for path in LAYOUT.controls]
    for path, data in zip(LAYOUT.controls, control, strict=True):
        oracle.machine.write_file(path, data)
    with pytest.raises(OracleError) as older:
        oracle.startup(SID, "", "open")
    assert "ORA-01207: file is more recent than control file - old control file" in older.value.lines
    ended(oracle)
    for path, data in zip(LAYOUT.controls, now, strict=True):
        oracle.machine.write_file(path, data)
    oracle.machine.write_file("/u03/redo03.log", redo)
    with pytest.raises(OracleError) as torn:
        oracle.startup(SID, "", "open")
    assert "ORA-00314: log 3 of thread 1, expected sequence# 3 doesn't match 0" in torn.value.lines


def test_control_files_of_two_versions_are_not_mounted() -> None:
    oracle = a_database()
    ended(oracle)
    control = files.read(oracle.machine, LAYOUT.controls[0], Control)
    assert control is not None
    files.write(oracle.machine, LAYOUT.controls[0], replace(control, version=1))
    with pytest.raises(OracleError) as odd:
        oracle.startup(SID, "", "mount")
    assert "ORA-00214" in odd.value.lines[-1]
