"""Oracle 11.2 and later by SQL*Plus on the host: held in backup mode, tried on the copy as an instance of another name.

Statements and error numbers are from Oracle's Backup and Recovery User's Guide and Error Messages. No Oracle was at hand: what
it says and does is proved on the emulated one only (docs/applications.md).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from core.applications import oracle_scripts as shell
from core.applications.base import CopyPlace
from core.applications.database import (
    BECOME,
    SAYING,
    CopyScripts,
    assigned,
    copy_steps,
    facts_for_copy,
    for_good,
    no_time,
    report_of,
    whole,
)
from core.applications.held import held_shell
from core.applications.placement import within
from core.errors import ConfigError, ParseError, Refused
from core.hosts import HostRef
from core.model import ApplicationFacts, ApplicationFile
from core.names import odd_name
from core.plan import Step
from core.settings import ApplicationSettings, OracleSettings, odd_oracle
from core.transport import Command, Effect, Guard, Result

# What of it must be on a copy; archived logs, the recovery area and the tracking file need not.
_NEEDED = {"data": True, "temp": True, "control": True, "redo": True, "archive": False, "recovery": False, "tracking": False}
_RENAMED = ("data", "temp", "redo")  # control files are named by the parameters
_KEYS = ("version", "identity", "position", "state", "end")
_SHARED = ("compatible", "db_block_size", "db_files", "undo_tablespace")  # parameters that a copy must have as its source
_PLAIN = re.compile(r"/[A-Za-z0-9_.,+=:/-]+")  # a file name that stands in SQL and parameters without any quoting
_WORD = re.compile(r"[A-Za-z0-9_.$#%-]*")  # a value of a parameter


class OracleDriver:
    """One database with one instance, its files on filesystems."""

    def __init__(self, settings: ApplicationSettings) -> None:
        """ConfigError without `oracle`, or with a name in it that is none."""
        if settings.oracle is None:
            raise ConfigError(f"application {settings.name}: the driver oracle needs oracle")
        if odd := odd_oracle(settings.oracle):
            raise ConfigError(f"application {settings.name}: oracle.{odd[0]}: {odd[1]}")
        self._app = settings
        self._db: OracleSettings = settings.oracle

    @property
    def name(self) -> str:
        """See `ApplicationDriver`."""
        return self._app.name

    @property
    def seconds(self) -> int:
        """See `ApplicationDriver`."""
        return self._app.seconds

    @property
    def tries_copy(self) -> bool:
        """Always."""
        return True

    def _prelude(self, host: HostRef, sid: str = "", **more: str) -> str:
        db = self._db
        values = {
            "S": BECOME[host.become], "who": db.user, "home": db.home, "sid": sid or db.sid, "status": shell.STATUS_SQL,
            "recover": "recover automatic database;", "verify": shell.VERIFY_SQL, **more,
        }  # fmt: skip
        return assigned(values) + SAYING + shell.PRELUDE

    # --- looking ----------------------------------------------------------------------------------------------------

    def look(self, host: HostRef) -> Command:
        """By its first process, and by SQL: of one that does not run nothing is known but that."""
        before = self._prelude(host, look=shell.LOOK_SQL, resolve=shell.RESOLVE)
        return Command(host.name, f"ask for {self.name}", shell.LOOK, prelude=before)

    def parse_look(self, host: HostRef, result: Result) -> ApplicationFacts:
        """Facts. CommandFailed when it could not be looked at; ParseError for a report that is not whole or not understood."""
        words: dict[str, str] = {}
        parameters: dict[str, str] = {}
        spaces: dict[str, str] = {}
        files: list[ApplicationFile] = []
        for line, key, value in report_of(result):
            first, _, rest = value.partition(" ")
            if key == "file":
                files.append(self._file(host, line, value, spaces))
            elif key == "parameter" and first not in parameters and _WORD.fullmatch(rest):
                parameters[first] = rest
            elif key == "tablespace" and first.isdecimal() and rest and not odd_name(rest):
                spaces[first] = rest
            elif key in _KEYS and key not in words:
                words[key] = value
            else:
                raise ParseError(host.name, result.command.title, "a line is not understood", line)
        whole(host, result, words, {"state", "end"})
        if words["state"] == "stopped":
            return ApplicationFacts(self.name, "stopped")
        whole(host, result, words, {"version", "identity", "position"})
        if not {"data", "control", "redo"} <= {f.what for f in files}:
            raise ParseError(host.name, result.command.title, "the report names no data, control or redo file", "")
        for name, what in (("cluster_database", "a cluster"), ("enable_pluggable_database", "several containers")):
            if parameters.get(name, "FALSE") != "FALSE":
                return self.parse_silence(f"it is a database of {what}, which this driver does not know")
        return ApplicationFacts(
            self.name,
            words["state"],
            words["version"],
            words["identity"],
            words["position"],
            tuple(files),
            tuple(sorted(parameters.items())),
        )

    def _file(self, host: HostRef, line: str, value: str, spaces: dict[str, str]) -> ApplicationFile:
        what, _, rest = value.partition(" ")
        of, _, names = rest.partition(" ")
        name, bar, path = names.partition("|")
        good = bar and name[:1] in ("/", "+") and path[:1] in ("/", "+") and not odd_name(name) and not odd_name(path)
        if what not in _NEEDED or not good or "|" in path or (of != "-" and of not in spaces):
            raise ParseError(host.name, f"ask for {self.name}", "a file is not understood", line)
        return ApplicationFile(what, path, name if name != path else "", spaces.get(of, ""), _NEEDED[what])

    def parse_silence(self, why: str) -> ApplicationFacts:
        """Nothing is known but why."""
        return ApplicationFacts(self.name, why)

    # --- the split --------------------------------------------------------------------------------------------------

    def hold(self, host: HostRef) -> Command:
        """Backup mode, which a timer on the host ends too; without it a checkpoint and the position."""
        db = self._db
        if db.backup_mode:
            after = [shell.ARCHIVE_SQL]
            if db.control_backup:
                place = f"{db.control_backup}/{db.sid}"
                after.append(f"alter database backup controlfile to '{place}.ctl' reuse;")
                after.append(f"alter database backup controlfile to trace as '{place}.sql' reuse noresetlogs;")
            more = {"archive": shell.ARCHIVE_SQL, "begin": shell.BEGIN_SQL, "after": "\n".join([*after, shell.AT_SQL])}
            text = held_shell(shell.QUIESCE, shell.RELEASE, self._app.seconds)
        else:
            more = {"begin": shell.CHECKPOINT_SQL, "after": shell.AT_SQL}
            text = held_shell(shell.QUIESCE_PLAIN, shell.RELEASE_PLAIN, self._app.seconds)
        before = self._prelude(host, state=shell.STATE_SQL, end=shell.END_SQL, **more)
        title = f"{'hold' if db.backup_mode else 'checkpoint'} {self.name}"
        return Command(host.name, title, text, Effect.CHANGE, prelude=before, timeout=60, guard=Guard.TIMER)

    # --- the copy ---------------------------------------------------------------------------------------------------

    def on_copy(self, host: HostRef, place: CopyPlace) -> list[Step]:
        """Mount it under another SID, rename its files to the copy's, recover, open, verify, stop. Refused where a file is odd."""
        facts = facts_for_copy(self.name, place)
        files = [f for f in facts.files or () if f.needed]
        self._all_plain((place.prefix, *(name for f in files for name in (f.path, f.link) if name)))
        if lost := [f for f in files if not _on(place, place.prefix + f.path)]:
            raise Refused(
                f"{self.name}: {lost[0].what} {lost[0].path} is not on the copy, so it cannot be tried. Nothing was changed"
            )
        data = next(f.path for f in files if f.what == "data")
        own = f"{place.prefix}{posixpath.dirname(data)}/splitmount".replace("//", "/")
        renames = [
            f"alter database rename file '{f.link or f.path}' to '{place.prefix}{f.path}';" for f in files if f.what in _RENAMED
        ]
        more = {
            "prefix": place.prefix, "points": " ".join(place.points), "names": "\n".join(place.prefix + f.path for f in files),
            "dir": own, "init": self._parameters(facts, place.prefix, own), "rename": "\n".join(renames), "here": shell.HERE,
            "extras": shell.EXTRAS_SQL, "listing": shell.LISTING_SQL, "control": shell.CONTROL_SQL, "query": self._db.query,
            "identity": facts.identity, "recover": self._recovery(facts, place),
        }  # fmt: skip
        before = self._prelude(host, self._db.copy_sid, **more) + shell.PLACE
        title = f"Stop {self.name} on the copy"
        scripts = CopyScripts(before, shell.START, shell.VERIFY, shell.STOP, shell.STOP, title, "oracle-copy")
        return copy_steps(self._app, host, scripts)

    def _all_plain(self, names: Iterable[str]) -> None:
        if odd := [name for name in names if not _PLAIN.fullmatch(name)]:
            raise Refused(f"{self.name}: the name {odd[0]!r} has signs that are not taken into SQL. Nothing was changed")

    def _recovery(self, facts: ApplicationFacts, place: CopyPlace) -> str:
        """From the copy of the archive, where it is on the copy: a log that was used again since the begin is found there."""
        archives = [place.prefix + f.path for f in facts.files or () if f.what == "archive"]
        there = [path for path in archives if _on(place, path)]
        self._all_plain(there)
        return f"recover automatic from '{there[0]}' database;" if there else "recover automatic database;"

    def _parameters(self, facts: ApplicationFacts, prefix: str, own: str) -> str:
        """Those of the copy's instance: nothing that is the source's but what its files demand, no network, no jobs, no links."""
        known, sid = dict(facts.parameters), self._db.copy_sid
        controls = ",".join(f"'{prefix}{f.path}'" for f in facts.files or () if f.what == "control")
        values = {
            "db_name": known.get("db_name", ""), "db_unique_name": sid, "instance_name": sid,
            **{name: known[name] for name in _SHARED if known.get(name)},
            "log_archive_dest_1": f"location={own}", "log_archive_format": known.get("log_archive_format") or "%t_%s_%r.dbf",
            "diagnostic_dest": own, "audit_file_dest": own, "audit_trail": "none", "remote_login_passwordfile": "none",
            "local_listener": f"(address=(protocol=ipc)(key=splitmount{sid}))", "open_links": "0", "job_queue_processes": "0",
            "sga_target": f"{self._db.memory}M", "pga_aggregate_target": "128M",
        }  # fmt: skip
        return "\n".join([*(f"{name}='{value}'" for name, value in values.items()), f"control_files={controls}"])

    # --- for good ---------------------------------------------------------------------------------------------------

    def sweep(self, host: HostRef, prefix: str, points: tuple[str, ...]) -> None:
        """Nothing is known to be in the way."""

    def recover(self, host: HostRef, to: str) -> None:
        """Its own start recovers it, as far as that goes."""
        no_time(self.name, to)

    def verb(self, verb: str, host: HostRef) -> Command:
        """The configuration's own command where there is one; else SQL*Plus, with the parameters of that host's own."""
        ours = {"stop": shell.GOOD_STOP, "start": shell.GOOD_START, "check": shell.GOOD_CHECK}
        return for_good(self._app, verb, host, self._prelude(host), ours)


def _on(place: CopyPlace, path: str) -> bool:
    return any(within(path, point) for point in place.points)
