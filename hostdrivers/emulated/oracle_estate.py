"""Oracle on the embedded estate: the software on the hosts of a family, and a database on its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hostdrivers.emulated import oracle_files as files
from hostdrivers.emulated.array import Array
from hostdrivers.emulated.estate import Builder, Family
from hostdrivers.emulated.machine import Machine
from hostdrivers.emulated.oracle import Oracle
from hostdrivers.emulated.oracle_files import Control, DataFile, Redo
from hostdrivers.emulated.sqlplus import sqlplus
from hostdrivers.emulated.tools import reads_input

SID = "SHOP"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the files of a database lie, by directory."""

    data: str
    users: str
    control: tuple[str, ...]
    redo: str
    archive: str

    @property
    def controls(self) -> list[str]:
        """The control files."""
        return [f"{place}/control{n:02d}.ctl" for n, place in enumerate(self.control, 1)]


def layout_on(points: list[str]) -> Layout:
    """On the filesystems of a set: the first has most, the last the redo logs."""
    first, second, last = points[0], points[1 % len(points)], points[-1]
    return Layout(
        f"{first}/oradata", f"{second}/oradata", (f"{first}/oradata", f"{last}/redo"), f"{last}/redo", f"{first}/arch"
    )


def create_database(oracle: Oracle, name: str, layout: Layout, *, log_mode: str = "ARCHIVELOG") -> None:
    """Make a database whose SID is its name, with its parameters in the home, and open it."""
    machine, dbid = oracle.machine, 2_200_000_000 + sum(name.encode())
    control = Control(dbid, name, log_mode, spaces={"0": "SYSTEM", "1": "USERS", "3": "TEMP"})
    rows: Mapping[str, tuple[int, int, str]] = {
        f"{layout.data}/system01.dbf": (1, 0, "data"),
        f"{layout.users}/users01.dbf": (2, 1, "data"),
        f"{layout.data}/temp01.dbf": (1, 3, "temp"),
    }
    machine.root.mkdir(layout.archive, True)
    for path, (number, space, kind) in rows.items():
        control.files.append(files.FileRow(number, space, kind, path))
        files.write(machine, path, DataFile(dbid, number, control.checkpoint))
    for group in (1, 2, 3):
        path = f"{layout.redo}/redo{group:02d}.log"
        sequence = group if group < 3 else 0
        control.logs.append(files.LogRow(group, [path], sequence, 0 if group == 3 else 900 + group))
        files.write(machine, path, Redo(dbid, sequence, 900 + group))
    for path in layout.controls:
        files.write(machine, path, control)
    set_parameters(oracle, name, layout)
    oracle.startup(name, "", "open")


def set_parameters(oracle: Oracle, name: str, layout: Layout) -> None:
    """The parameters of a database in a home, and its line in oratab."""
    values = {
        "db_name": f"'{name}'", "control_files": ",".join(f"'{path}'" for path in layout.controls), "db_block_size": "8192",
        "compatible": "'11.2.0.4.0'", "db_files": "200", "undo_tablespace": "'UNDOTBS1'",
        "log_archive_dest_1": f"'location={layout.archive}'", "log_archive_format": "'%t_%s_%r.dbf'",
    }  # fmt: skip
    text = "".join(f"{key}={value}\n" for key, value in values.items())
    oracle.machine.write_file(f"{oracle.home}/dbs/init{name}.ora", text.encode())
    oracle.machine.write_file(oracle.oratab, f"# SID:ORACLE_HOME:start\n{name}:{oracle.home}:N\n".encode())


def install(machine: Machine) -> Oracle:
    """The software on a host."""
    oracle = Oracle(machine)
    machine.added[f"{oracle.home}/bin/sqlplus"] = reads_input(lambda call: sqlplus(oracle, call))
    machine.executable(f"{oracle.home}/bin/sqlplus")
    return oracle


def with_oracle(build: Builder, made: dict[str, Oracle], layout: Layout | None = None, log_mode: str = "ARCHIVELOG") -> Builder:
    """A family with a database on its source, and the software and the parameters on its target; `made` gets both, by host."""

    def builder(array: Array) -> Family:
        family = build(array)
        where = layout or layout_on(sorted(family.source.mounts))
        source, target = install(family.source), install(family.target)
        made.update({family.source.name: source, family.target.name: target})
        create_database(source, SID, where, log_mode=log_mode)
        set_parameters(target, SID, where)
        application = {"name": "shop", "driver": "oracle", "oracle": {"sid": SID, "home": source.home}}
        return replace(family, application=application, database=source)

    return builder
