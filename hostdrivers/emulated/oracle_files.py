"""The files of an emulated Oracle: control file, data files, redo logs. All that it knows is in them, so a copy knows just that.

Each is a word of its kind and JSON. A row of a table is the number of the change (SCN) that made it; what a redo log has of it
makes it again. The rules of opening and recovery are Oracle's: a header that is older than the control file needs recovery,
one in backup mode must leave it, and redo must be there without a gap.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from hostdrivers.emulated.machine import Machine

T = TypeVar("T", "Control", "DataFile", "Redo")


class OracleError(Exception):
    """What Oracle refuses: lines of ORA-nnnnn."""

    def __init__(self, *lines: str) -> None:
        """As they are printed."""
        super().__init__(lines[0])
        self.lines = lines


@dataclass(slots=True)
class FileRow:
    """A data or temporary file as the control file has it."""

    number: int
    space: int
    kind: str
    name: str


@dataclass(slots=True)
class LogRow:
    """A group of online redo logs."""

    group: int
    members: list[str]
    sequence: int
    first: int


@dataclass(slots=True)
class Control:
    """A control file. `checkpoint` is how far the data files were written; `clean` that the database was shut down in order."""

    dbid: int
    name: str
    log_mode: str = "ARCHIVELOG"
    checkpoint: int = 1000
    clean: bool = True
    version: int = 1
    block_size: int = 8192
    tracking: bool = False
    flashback: bool = False
    spaces: dict[str, str] = field(default_factory=dict)
    files: list[FileRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    archived: list[tuple[int, int, str]] = field(default_factory=list)  # sequence, first change, path

    @property
    def current(self) -> LogRow:
        """The log that is written now."""
        return max(self.logs, key=lambda log: log.sequence)

    def data(self) -> list[FileRow]:
        """Without the temporary ones."""
        return [row for row in self.files if row.kind == "data"]


@dataclass(slots=True)
class DataFile:
    """A data file: its header, and the rows in it by table."""

    dbid: int
    number: int
    checkpoint: int
    backup: bool = False
    rows: dict[str, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Redo:
    """A redo log, online or archived: changes as (SCN, number of the file, table)."""

    dbid: int
    sequence: int
    first: int
    records: list[tuple[int, int, str]] = field(default_factory=list)


def write(machine: Machine, path: str, what: Control | DataFile | Redo) -> None:
    """Write it through to the disk, as Oracle does."""
    path = physical(machine, path)
    point = max((p for p in machine.mounts if path.startswith(p + "/")), key=len, default="")
    if point and machine.mounts[point].read_only:
        raise OracleError(
            "ORA-01114: IO error writing block to file", f"ORA-27041: unable to open file {path}", "30: Read-only file system"
        )
    machine.write_file(path, f"ORACLE {type(what).__name__}\n{json.dumps(asdict(what))}\n".encode())


def read(machine: Machine, path: str, kind: type[T]) -> T | None:
    """Read it; None when it is not there, or is something else."""
    try:
        first, _, body = machine.read_file(physical(machine, path)).decode().partition("\n")
        return _made(kind, json.loads(body)) if first == f"ORACLE {kind.__name__}" else None
    except (OSError, ValueError, TypeError):
        return None


def _made(kind: type[T], body: dict[str, Any]) -> T:
    if kind is Control:
        body["files"] = [FileRow(**row) for row in body["files"]]
        body["logs"] = [LogRow(**row) for row in body["logs"]]
    return kind(**body)


def missing(machine: Machine, path: str) -> tuple[str, ...]:
    """How Oracle tells that a file is not there."""
    return (
        ("ORA-27037: unable to obtain file status", f"{machine.os}: Error: 2: No such file or directory")
        if not machine.visible(path)
        else ()
    )


def headers(machine: Machine, control: Control) -> dict[int, DataFile]:
    """The data files by their numbers. OracleError for one that is not there, not this database's, or later."""
    found = {}
    for row in control.data():
        told = f"ORA-01110: data file {row.number}: '{row.name}'"
        header = read(machine, row.name, DataFile)
        if header is None:
            raise OracleError(f"ORA-01157: cannot identify/lock data file {row.number} - see DBWR trace file", told)
        if (header.dbid, header.number) != (control.dbid, row.number):
            raise OracleError(
                f"ORA-01122: database file {row.number} failed verification check",
                told,
                "ORA-01203: wrong incarnation of this file",
            )
        if header.checkpoint > control.checkpoint:
            raise OracleError(
                f"ORA-01122: database file {row.number} failed verification check",
                told,
                "ORA-01207: file is more recent than control file - old control file",
            )
        found[row.number] = header
    return found


def in_backup(machine: Machine, control: Control) -> list[FileRow]:
    """The files that are in backup mode."""
    there = {row.number: read(machine, row.name, DataFile) for row in control.data()}
    return [row for row in control.data() if (header := there[row.number]) is not None and header.backup]


def needing_recovery(machine: Machine, control: Control) -> list[tuple[FileRow, str]]:
    """The files that media recovery is needed for, and the error in v$recover_file."""
    out = []
    for row in control.data():
        header = read(machine, row.name, DataFile)
        if header is None:
            out.append((row, "FILE NOT FOUND"))
        elif header.checkpoint < control.checkpoint and not header.backup:
            out.append((row, ""))
    return out


def refuse_open(machine: Machine, control: Control) -> None:
    """OracleError unless the data files fit the control file."""
    for number, header in headers(machine, control).items():
        row = next(r for r in control.data() if r.number == number)
        told = f"ORA-01110: data file {number}: '{row.name}'"
        if header.backup:
            raise OracleError(f"ORA-10873: file {number} needs to be either taken out of backup mode or media recovered", told)
        if header.checkpoint < control.checkpoint:
            raise OracleError(f"ORA-01113: file {number} needs media recovery", told)


def online(machine: Machine, control: Control, sequence: int) -> Redo:
    """The online log of that sequence. OracleError when it is lost, or another than the control file says."""
    log = next(row for row in control.logs if row.sequence == sequence)
    told = f"ORA-00312: online log {log.group} thread 1: '{log.members[0]}'"
    found = [redo for path in log.members if (redo := read(machine, path, Redo)) is not None]
    if not found:
        raise OracleError(
            f"ORA-00313: open failed for members of log group {log.group} of thread 1", told, *missing(machine, log.members[0])
        )
    good = [redo for redo in found if (redo.dbid, redo.sequence) == (control.dbid, sequence)]
    if not good:
        raise OracleError(
            f"ORA-00314: log {log.group} of thread 1, expected sequence# {sequence} doesn't match {found[0].sequence}", told
        )
    return good[0]


def apply(machine: Machine, control: Control, redo: Iterable[Redo]) -> int:
    """Bring every data file up to the end of these logs; the last change."""
    logs = list(redo)
    last = max([control.checkpoint, *(scn for log in logs for scn, _, _ in log.records)])
    for row in control.data():
        header = read(machine, row.name, DataFile)
        if header is None:
            continue
        for scn, number, table in (record for log in logs for record in log.records):
            if number == row.number and scn not in header.rows.setdefault(table, []):
                header.rows[table].append(scn)
        header.backup, header.checkpoint = False, last
        write(machine, row.name, header)
    return last


def recover(machine: Machine, control: Control, directory: str, pattern: str) -> list[str]:
    """RECOVER DATABASE, with the redo that is there: what is said of each log. OracleError where one is missing."""
    files = headers(machine, control)
    needed = [h for h in files.values() if h.backup or h.checkpoint < control.checkpoint]
    if not needed and control.clean:
        raise OracleError("ORA-00283: recovery session canceled due to errors", "ORA-00264: no recovery required")
    start = min(header.checkpoint for header in files.values())
    starts = sorted(
        [(first, sequence) for sequence, first, _ in control.archived] + [(log.first, log.sequence) for log in control.logs]
    )
    first = max((sequence for change, sequence in starts if change <= start), default=0)
    said: list[str] = []
    logs: list[Redo] = []
    for sequence in range(first, control.current.sequence + 1):
        if any(log.sequence == sequence for log in control.logs):
            logs.append(online(machine, control, sequence))
            continue
        recorded = next((path for number, _, path in control.archived if number == sequence), "")
        path = f"{directory}/{archive_name(pattern, sequence)}" if directory else recorded
        said += [
            f"ORA-00279: change {start} generated at 11/23/2026 08:00:00 needed for thread 1",
            f"ORA-00289: suggestion : {path}",
            f"ORA-00280: change {start} for thread 1 is in sequence #{sequence}",
            "",
        ]
        redo = read(machine, path, Redo)
        if redo is None or redo.sequence != sequence:
            raise OracleError(*said, f"ORA-00308: cannot open archived log '{path}'", *missing(machine, path))
        logs.append(redo)
        said.append("Log applied.")
    control.checkpoint, control.clean = apply(machine, control, logs), True
    return [*said, "Media recovery complete."]


def archive_name(pattern: str, sequence: int) -> str:
    """LOG_ARCHIVE_FORMAT filled in."""
    return pattern.replace("%t", "1").replace("%s", str(sequence)).replace("%r", "880000001")


def physical(machine: Machine, path: str) -> str:
    """A path without links in it: those of the tree in memory are followed by whoever reads."""
    done, rest, turns = "", [part for part in path.split("/") if part], 0
    while rest and turns < 100:
        turns += 1
        here = f"{done}/{rest.pop(0)}"
        if machine.root.exists(here) and machine.root.stat(here)["file_type"] == "symlink":
            to = machine.root.read_link(here)
            rest = [part for part in to.split("/") if part] + rest
            done = "" if to.startswith("/") else done
        else:
            done = here
    return done or "/"
