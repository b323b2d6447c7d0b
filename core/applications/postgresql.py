"""PostgreSQL 15 and later on Linux: looked at, held in backup mode by one session, tried on the copy without a network.

Facts of the programs and functions are from the manual of PostgreSQL 15: 26.3 (continuous archiving), 9.27, pg_ctl, pg_amcheck.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from core.applications.base import LABEL, TABLESPACES, CopyPlace
from core.applications.database import (
    BECOME,
    SAYING,
    CopyScripts,
    assigned,
    copy_steps,
    facts_for_copy,
    for_good,
    report_of,
    whole,
)
from core.applications.postgresql_restore import MARK, RECOVER, SWEEP
from core.applications.postgresql_scripts import (
    CHECKSUMS,
    GOOD_CHECK,
    GOOD_START,
    GOOD_STOP,
    HOLD,
    LABELLED,
    LINKS_CHECKED,
    LOOK,
    PLACE,
    PRELUDE,
    PREPARE,
    STALE,
    START,
    STOP,
    VERIFY,
)
from core.errors import ConfigError, ParseError, Refused
from core.hosts import HostRef
from core.model import ApplicationFacts, ApplicationFile
from core.names import odd_name
from core.plan import Step
from core.settings import ApplicationSettings, DatabaseSettings
from core.transport import Command, Effect, Guard, Result

COPY_PORT = 54329  # only the name of a socket in the copy's own directory: nothing listens on a network
_LONGEST_SOCKET = 100  # bytes of a directory that the path of a unix socket leaves room for

# What a copy must never take from its source: archive, network, replication, libraries, and what runs by itself.
_ALONE: Mapping[str, str] = {
    "listen_addresses": "", "archive_mode": "off", "archive_command": "", "archive_library": "", "primary_conninfo": "",
    "primary_slot_name": "", "max_logical_replication_workers": "0", "shared_preload_libraries": "",
    "session_preload_libraries": "", "local_preload_libraries": "", "archive_cleanup_command": "", "recovery_end_command": "",
    "hot_standby": "off", "ssl": "off", "logging_collector": "off", "external_pid_file": "", "unix_socket_permissions": "0700",
    "jit": "off", "huge_pages": "off", "shared_buffers": "16MB", "synchronous_standby_names": "", "autovacuum": "off",
}  # fmt: skip

# What a configuration of the source may say of a recovery, and what must never be mixed with ours.
_RECOVERY: Mapping[str, str] = {
    **dict.fromkeys(("restore_command", "recovery_target", "recovery_target_time", "recovery_target_name"), ""),
    **dict.fromkeys(("recovery_target_lsn", "recovery_target_xid"), ""), "recovery_target_timeline": "latest",
    "recovery_min_apply_delay": "0", "recovery_target_inclusive": "on",
}  # fmt: skip

_ENCODED = "replace(encode(convert_to({0}, 'UTF8'), 'base64'), chr(10), '')"
_BEGIN = {
    True: "select 'begin ' || pg_backup_start('splitmount', true);",
    False: "checkpoint;\nselect 'begin ' || pg_current_wal_flush_lsn();",
}
_END = {
    True: f"select 'end ' || lsn || ' ' || {_ENCODED.format('labelfile')} || ' ' || "  # noqa: S608  no input of anybody's in it
    f"coalesce(nullif({_ENCODED.format('spcmapfile')}, ''), '-') from pg_backup_stop(true);",
    False: "select 'end ' || pg_current_wal_flush_lsn() || ' - -';",
}


class PostgresDriver:
    """One cluster. In backup mode the copy is recovered up to the end of the backup; without it, as after a crash."""

    def __init__(self, settings: ApplicationSettings) -> None:
        """ConfigError without `database`."""
        if settings.database is None:
            raise ConfigError(f"application {settings.name}: the driver postgresql needs database")
        self._app = settings
        self._db: DatabaseSettings = settings.database

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

    def _prelude(self, host: HostRef, **more: str) -> str:
        db = self._db
        values = {
            "S": BECOME[host.become], "who": db.user, "bin": db.bin, "data": db.data, "socket": db.socket, "port": str(db.port),
            "base": db.name, "seconds": str(self._app.seconds), "limit": str(self._app.timeout), **more,
        }  # fmt: skip
        return assigned(values) + SAYING + PRELUDE

    # --- looking ----------------------------------------------------------------------------------------------------

    def look(self, host: HostRef) -> Command:
        """By files and pg_ctl, so that a stopped one is known too; by SQL only its position."""
        return Command(host.name, f"ask for {self.name}", LOOK, prelude=self._prelude(host))

    def parse_look(self, host: HostRef, result: Result) -> ApplicationFacts:
        """Facts. CommandFailed when it could not be looked at; ParseError for a report that is not whole or not understood."""
        words: dict[str, str] = {}
        files: list[ApplicationFile] = []
        for line, key, value in report_of(result):
            if key == "file":
                files.append(self._file(host, line, value))
            elif key in ("version", "identity", "state", "position", "end") and key not in words:
                words[key] = value
            else:
                raise ParseError(host.name, result.command.title, "a line is not understood", line)
        whole(host, result, words, {"version", "identity", "state", "end"})
        return ApplicationFacts(
            self.name, words["state"], words["version"], words["identity"], words.get("position", ""), tuple(files)
        )

    def _file(self, host: HostRef, line: str, value: str) -> ApplicationFile:
        what, _, rest = value.partition(" ")
        link, _, path = rest.partition(" ")
        known = link == "-" or re.fullmatch(r"pg_wal|pg_tblspc/[0-9]{1,10}", link)
        if not known or not path.startswith("/") or odd_name(path):
            raise ParseError(host.name, f"ask for {self.name}", "a file is not understood", line)
        return ApplicationFile(what, path, "" if link == "-" else link)

    def parse_silence(self, why: str) -> ApplicationFacts:
        """Nothing is known but why."""
        return ApplicationFacts(self.name, why)

    # --- the split --------------------------------------------------------------------------------------------------

    def hold(self, host: HostRef) -> Command:
        """A checkpoint and the position; or backup mode, in the one session that ends it too."""
        milliseconds, mode = self._app.seconds * 1000, self._db.backup_mode
        limits = f"set statement_timeout = {milliseconds}; set idle_session_timeout = {milliseconds};"
        before = self._prelude(host, limits=limits, begin=_BEGIN[mode], end=_END[mode])
        title = f"{'hold' if mode else 'checkpoint'} {self.name}"
        return Command(host.name, title, HOLD, Effect.CHANGE, prelude=before, timeout=60, guard=Guard.TIMER)

    # --- the copy ---------------------------------------------------------------------------------------------------

    def on_copy(self, host: HostRef, place: CopyPlace) -> list[Step]:
        """Start, verify, stop and read the pages. Refused when the source's files are not known, or the path is too long."""
        facts = facts_for_copy(self.name, place)
        data = next(f.path for f in facts.files or () if f.what == "data")
        self._short(place.prefix + data, "use a shorter prefix")
        more = {
            "prefix": place.prefix, "data": data, "port": str(COPY_PORT), "points": " ".join(place.points),
            "identity": facts.identity, "query": self._db.query,
        }  # fmt: skip
        labelled = place.held and self._db.backup_mode
        wal = {"restore_command": self._db.restore_command, "recovery_target": "immediate"} if labelled else {}
        options = self._options(place.prefix + data, {"recovery_target_action": "promote", **wal})
        before = self._prelude(host, **more, options=options) + PLACE
        links = "".join(f"link {shlex.quote(f.link)} {shlex.quote(f.path)}\n" for f in facts.files or () if f.link)
        late = f"label=@{{{LABEL}}}@\nmap=@{{{TABLESPACES}}}@\n" if labelled else ""
        start = PREPARE + links + LINKS_CHECKED + late + (LABELLED if labelled else "") + START
        title = f"Stop {self.name} on the copy and read its pages"
        return copy_steps(self._app, host, CopyScripts(before, start, VERIFY, STOP + CHECKSUMS, STOP, title, "database-copy"))

    def _short(self, directory: str, remedy: str) -> None:
        if len(directory.encode()) > _LONGEST_SOCKET:
            raise Refused(f"{self.name}: {directory} is too long for a unix socket; {remedy}. Nothing was changed")

    def _options(self, copy: str, more: Mapping[str, str]) -> str:
        """The options of the server, quoted once for the shell that pg_ctl starts; nothing of the source's own recovery but `more`."""
        always = {
            **_ALONE, **_RECOVERY, "config_file": f"{copy}/splitmount.conf", "hba_file": f"{copy}/splitmount.hba",
            "ident_file": f"{copy}/splitmount.hba", "unix_socket_directories": f'"{copy}"', "port": str(COPY_PORT),
        }  # fmt: skip
        values = {
            **{name: value for name, value in always.items() if name not in more},
            **more,
        }  # a target after the empty ones
        return " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in values.items())

    # --- a restore --------------------------------------------------------------------------------------------------

    def sweep(self, host: HostRef, prefix: str, points: tuple[str, ...]) -> tuple[Command, Command]:
        """The files of data, log and tablespaces that a restore of files did not bring are renamed into a directory beside."""
        before, limit = self._prelude(host, prefix=prefix), self._app.timeout
        fence = "".join(f"mountpoint -q {shlex.quote(p)} || refuse {shlex.quote(f'{p} is not mounted')}\n" for p in points)
        title = f"note the time before {self.name} is restored"
        mark = Command(host.name, title, MARK, Effect.CHANGE, prelude=before, guard=Guard.OWN_DIRECTORY)
        title = f"set aside what of {self.name} is of today"
        return mark, Command(host.name, title, fence + SWEEP, Effect.CHANGE, prelude=before, timeout=limit, guard=Guard.MOUNTED)

    def recover(self, host: HostRef, to: str) -> Command | None:
        """With `restore_command` alone: the log that follows, to a time; or only the histories, so that the next timeline is a new one."""
        given = self._db.restore_command
        if not given:
            if to:
                raise Refused(f"{self.name}: to recover to a time restore_command is needed. Nothing was changed")
            return None
        self._short(self._db.data, "recover by hand")
        histories = f"case %f in *.history) ( {given} ) || exit 1;; *) exit 1;; esac"
        wal = {"restore_command": given, "recovery_target_time": to} if to else {"restore_command": histories}
        # what it writes is marked for the archive, and archived by the server that is started next
        archive = {"archive_mode": "on", "recovery_target_action": "promote"}
        told = f"to {to}" if to else "to the end of what was restored"
        more = {"port": str(COPY_PORT), "options": self._options(self._db.data, {**wal, **archive}), "told": told}
        title = f"recover {self.name} {told}"
        return Command(
            host.name, title, RECOVER, Effect.CHANGE, prelude=self._prelude(host, **more), timeout=self._app.timeout + 120,
            guard=Guard.APPLICATION,
        )  # fmt: skip

    # --- for good ---------------------------------------------------------------------------------------------------

    def verb(self, verb: str, host: HostRef) -> Command:
        """The configuration's own command where there is one; a lock that the copy brought from its source goes first."""
        ours = {"stop": GOOD_STOP, "start": GOOD_START, "check": GOOD_CHECK}
        return for_good(self._app, verb, host, self._prelude(host), ours, STALE)
