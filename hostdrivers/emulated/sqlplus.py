"""An emulated SQL*Plus: its own commands, the statements of `oracle`, and selects from a few views, as its standard input has them.

As the real one it ends with 0 whatever went wrong, unless `whenever sqlerror exit` says otherwise; and that holds for SQL only,
not for startup, shutdown and recover. Its answers are plain rows only after `set heading off pagesize 0 feedback off`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hostdrivers.emulated import oracle_files as files
from hostdrivers.emulated.oracle import VERSION, Instance, Oracle
from hostdrivers.emulated.oracle_files import OracleError
from hostdrivers.emulated.program import Answer, Call, Usage

Row = Mapping[str, str | None]


@dataclass(slots=True)
class Session:
    """One run of SQL*Plus: what was set, and what it has printed."""

    oracle: Oracle
    sid: str
    settings: dict[str, str] = field(default_factory=dict)
    at_error: int | None = None
    out: list[str] = field(default_factory=list)


class Exit(Exception):
    """It ends, with this status."""

    def __init__(self, code: int) -> None:
        """As a process does: one byte."""
        super().__init__(code)
        self.code = code % 256


def sqlplus(oracle: Oracle, call: Call) -> Answer:
    """`sqlplus -S [-L] / as sysdba` or `/nolog`, with its commands on the standard input."""
    words = [word for word in call.argv if word not in ("-S", "-L", "-s", "-l")]
    if "-S" not in call.argv and "-s" not in call.argv:
        raise Usage("sqlplus: this emulator is silent only: -S")
    if [word.lower() for word in words] != ["/", "as", "sysdba"]:
        raise Usage("ERROR:\nORA-01017: invalid username/password; logon denied")
    if call.env.get("ORACLE_HOME") != oracle.home or not call.env.get("ORACLE_SID"):
        raise Usage(
            "Error 6 initializing SQL*Plus\nSP2-0667: Message file sp1<lang>.msb not found\nSP2-0750: You may need to set ORACLE_HOME"
        )
    if call.env.get("USER") != oracle.user:
        return Answer(
            "ERROR:\nORA-01031: insufficient privileges\n\n\nSP2-0751: Unable to connect to Oracle.  Exiting SQL*Plus\n", "", 1
        )
    session = Session(oracle, call.env["ORACLE_SID"])
    code = 0
    try:
        _read(session, call.stdin.decode().splitlines())
    except Exit as end:
        code = end.code
    return Answer("".join(f"{line}\n" for line in session.out), "", code)


def _read(session: Session, lines: list[str]) -> None:
    statement: list[str] = []
    for line in lines:
        if not statement and not line.strip():
            continue
        first = line.split()[0].lower().rstrip(";") if not statement else ""
        if first in _OWN:
            _OWN[first](session, line.strip().rstrip(";"))
        elif statement or first in ("select", "alter"):
            statement.append(line)
            if line.rstrip().endswith(";"):
                _statement(session, statement)
                statement = []
        else:
            session.out.append(f'SP2-0734: unknown command beginning "{line[:10]}..." - rest of line ignored.')


# --- its own commands -------------------------------------------------------------------------------------------------


def _set(session: Session, line: str) -> None:
    words = line.split()[1:]
    if len(words) % 2:
        session.out.append(f'SP2-0158: unknown SET option "{words[-1]}"')
    session.settings |= {name.lower(): value.lower() for name, value in zip(words[::2], words[1::2], strict=False)}


def _whenever(session: Session, line: str) -> None:
    match = re.fullmatch(r"whenever (sqlerror|oserror) exit (\d+)", line.lower())
    if match is None:
        session.out.append("SP2-0267: whenever parameter is not understood")
    elif match[1] == "sqlerror":
        session.at_error = int(match[2])


def _exit(session: Session, line: str) -> None:
    raise Exit(0)


def _startup(session: Session, line: str) -> None:
    match = re.fullmatch(r"startup(?: (nomount|mount|open))?(?: pfile='([^']+)')?", line, re.IGNORECASE)
    if match is None:
        session.out.append("SP2-0714: invalid combination of STARTUP options")
        return
    _tell(session, lambda: session.oracle.startup(session.sid, match[2] or "", (match[1] or "open").lower()))


def _shutdown(session: Session, line: str) -> None:
    how = (line.split()[1:] or ["normal"])[0].lower()
    if how not in ("normal", "immediate", "abort"):
        session.out.append("SP2-0717: illegal SHUTDOWN option")
        return
    _tell(session, lambda: session.oracle.shutdown(session.oracle.instance(session.sid), how))


def _recover(session: Session, line: str) -> None:
    match = re.fullmatch(r"recover( automatic)?(?: from '([^']+)')? database", line, re.IGNORECASE)
    if match is None or not (match[1] or session.settings.get("autorecovery") == "on"):
        session.out.append("SP2-0717: this emulator recovers automatically only")
        return
    _tell(session, lambda: session.oracle.recover(session.oracle.instance(session.sid), match[2] or ""))


def _tell(session: Session, act: Callable[[], list[str]]) -> None:
    """Say what it comes to; an error of these commands ends nothing."""
    try:
        session.out += act()
    except OracleError as error:
        session.out += error.lines


_OWN: Mapping[str, Callable[[Session, str], None]] = {
    "set": _set, "whenever": _whenever, "exit": _exit, "quit": _exit, "startup": _startup, "shutdown": _shutdown, "recover": _recover,
}  # fmt: skip


# --- statements -------------------------------------------------------------------------------------------------------


def _statement(session: Session, lines: list[str]) -> None:
    text = " ".join(" ".join(lines).rstrip().rstrip(";").split())
    try:
        one = session.oracle.instance(session.sid)
        rows = _select(session.oracle, one, text) if text.lower().startswith("select") else _alter(session.oracle, one, text)
    except OracleError as error:
        session.out += [lines[0].rstrip(";"), "*", "ERROR at line 1:", *error.lines, "", ""]
        if session.at_error is not None:
            raise Exit(session.at_error) from error
        return
    quiet = session.settings.get("feedback") == "off"
    if text.lower().startswith("alter"):
        session.out += [] if quiet else ["", f"{text.split()[1].capitalize()} altered.", ""]
    elif session.settings.get("heading") == "off" and session.settings.get("pagesize") == "0" and quiet:
        session.out += rows
    else:
        session.out += ["", text[7:30].upper(), "-" * 30, *rows, "", f"{len(rows)} rows selected.", ""]


_ALTER: tuple[tuple[str, Callable[[Oracle, Instance, re.Match[str]], None]], ...] = (
    (r"database begin backup", lambda oracle, one, _: oracle.begin_backup(one)),
    (r"database end backup", lambda oracle, one, _: oracle.end_backup(one)),
    (r"database open", lambda oracle, one, _: oracle.open(one)),
    (r"database mount", lambda oracle, one, _: oracle.mount(one)),
    (r"system archive log current", lambda oracle, one, _: oracle.archive_current(one)),
    (r"system checkpoint", lambda oracle, one, _: oracle.checkpoint(one)),
    (r"database rename file '([^']+)' to '([^']+)'", lambda oracle, one, m: oracle.rename(one, m[1], m[2])),
    (
        r"database backup controlfile to '([^']+)'( reuse)?",
        lambda oracle, one, m: oracle.copy_control(one, m[1], None, bool(m[2])),
    ),
    (
        r"database backup controlfile to trace as '([^']+)'( reuse)? (noresetlogs|resetlogs)",
        lambda oracle, one, m: oracle.copy_control(
            one, m[1], f"CREATE CONTROLFILE REUSE DATABASE {m[3].upper()}\n", bool(m[2])
        ),
    ),
    (r"database disable block change tracking", lambda oracle, one, _: _extra(oracle, one, "tracking")),
    (r"database flashback off", lambda oracle, one, _: _extra(oracle, one, "flashback")),
)


def _extra(oracle: Oracle, one: Instance, name: str) -> None:
    control = oracle.mounted(one)
    if name == "tracking" and not control.tracking:
        raise OracleError("ORA-19759: block change tracking is not enabled")
    setattr(control, name, False)
    oracle.keep(one)


def _alter(oracle: Oracle, one: Instance, text: str) -> list[str]:
    for pattern, act in _ALTER:
        if (match := re.fullmatch(f"alter {pattern}", text, re.IGNORECASE)) is not None:
            act(oracle, one, match)
            return []
    raise OracleError("ORA-00900: invalid SQL statement")


# --- selects ----------------------------------------------------------------------------------------------------------


def _select(oracle: Oracle, one: Instance, text: str) -> list[str]:
    match = re.fullmatch(r"select (.+?) from ([a-z0-9_$]+)(?: where (.+))?", text, re.IGNORECASE)
    if match is None:
        raise OracleError("ORA-00923: FROM keyword not found where expected")
    rows = [row for row in _view(oracle, one, match[2].lower()) if _holds(row, match[3] or "")]
    if re.match(r"count\(\*\)|case ", match[1], re.IGNORECASE):
        return [_counted(match[1], len(rows))]
    return ["".join(_term(row, term.strip()) for term in _outside(match[1], "||")) for row in rows]


def _counted(expression: str, count: int) -> str:
    if expression.lower() == "count(*)":
        return str(count)
    match = re.fullmatch(r"case when count\(\*\) (>|>=|=) (\d+) then '(.*?)' else '(.*?)' end", expression, re.IGNORECASE)
    if match is None:
        raise OracleError("ORA-00905: missing keyword")
    limit = int(match[2])
    return match[3] if {">": count > limit, ">=": count >= limit, "=": count == limit}[match[1]] else match[4]


def _outside(text: str, sign: str) -> list[str]:
    """The parts between a sign that stands outside of quotes."""
    return re.split(rf"{re.escape(sign)}(?=(?:[^']*'[^']*')*[^']*$)", text, flags=re.IGNORECASE)


def _term(row: Row, term: str) -> str:
    if term.startswith("'"):
        return term[1:-1]
    return _column(row, term) or ""


def _column(row: Row, name: str) -> str | None:
    if name.lower() not in row:
        raise OracleError(f'ORA-00904: "{name.upper()}": invalid identifier')
    return row[name.lower()]


def _holds(row: Row, conditions: str) -> bool:
    return all(_one(row, condition.strip()) for condition in _outside(conditions, " and ") if condition)


def _one(row: Row, condition: str) -> bool:
    match = re.fullmatch(r"([a-z0-9_#$]+) (=|<>|in|like|is not|is) (.+)", condition, re.IGNORECASE)
    if match is None:
        raise OracleError("ORA-00920: invalid relational operator")
    value, how, other = _column(row, match[1]), match[2].lower(), match[3]
    if how in ("is", "is not"):
        return (value is None) is (how == "is")
    values = re.findall(r"'([^']*)'", other)
    if how == "like":
        return value is not None and re.fullmatch(re.escape(values[0]).replace("%", ".*"), value) is not None
    return (value in values) is (how != "<>")


def _view(oracle: Oracle, one: Instance, name: str) -> list[Row]:
    before: dict[str, list[Row]] = {
        "dual": [{"dummy": "X"}],
        "v$instance": [{"instance_name": one.sid, "status": one.status, "version": VERSION, "host_name": oracle.machine.name}],
        "v$parameter": [
            {"name": key, "value": value} for key, value in {"cluster_database": "FALSE", **one.parameters}.items()
        ],
    }
    if name in before:
        return before[name]
    control, machine = oracle.mounted(one), oracle.machine
    held = {row.number for row in files.in_backup(machine, control)}
    opened = one.status == "OPEN"
    views: dict[str, list[Row]] = {
        "v$database": [
            {
                "dbid": str(control.dbid), "name": control.name, "log_mode": control.log_mode, "database_role": "PRIMARY",
                "open_mode": "READ WRITE" if opened else "MOUNTED", "current_scn": str(one.scn if opened else 0),
                "flashback_on": "YES" if control.flashback else "NO",
            }
        ],
        "v$tablespace": [{"ts#": number, "name": space} for number, space in control.spaces.items()],
        "v$datafile": [{"file#": str(r.number), "ts#": str(r.space), "name": r.name} for r in control.files if r.kind == "data"],
        "v$tempfile": [{"file#": str(r.number), "ts#": str(r.space), "name": r.name} for r in control.files if r.kind == "temp"],
        "v$controlfile": [{"name": path} for path in one.names("control_files")],
        "v$logfile": [{"group#": str(log.group), "member": path} for log in control.logs for path in log.members],
        "v$archive_dest": [{"dest_id": "1", "destination": one.archive or None, "status": "VALID", "target": "PRIMARY"}],
        "v$recovery_file_dest": [{"name": None}],
        "v$block_change_tracking": [
            {"status": "ENABLED" if control.tracking else "DISABLED", "filename": "/opt/oracle/bct" if control.tracking else None}
        ],
        "v$backup": [
            {"file#": str(r.number), "status": "ACTIVE" if r.number in held else "NOT ACTIVE"} for r in control.data()
        ],
        "v$recover_file": [{"file#": str(r.number), "error": why} for r, why in files.needing_recovery(machine, control)],
    }  # fmt: skip
    return views[name] if name in views else _table(oracle, one, name)


def _table(oracle: Oracle, one: Instance, name: str) -> list[Row]:
    """A table of the database: what is in the files, and what is in memory."""
    control = oracle.mounted(one)
    if one.status != "OPEN":
        raise OracleError("ORA-01219: database not open: queries allowed on fixed tables/views only")
    found = {scn for header in files.headers(oracle.machine, control).values() for scn in header.rows.get(name, ())}
    found |= {scn for scn, _, table in one.cache if table == name}
    if not found:
        raise OracleError("ORA-00942: table or view does not exist")
    return [{"scn": str(scn)} for scn in sorted(found)]
