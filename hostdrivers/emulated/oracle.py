"""An emulated Oracle 11.2 on any emulated Unix: instances, their processes, and the statements that change a database.

It is software in an ORACLE_HOME, used by `sqlplus` (see `sqlplus`) as the user who owns it, through `su`. What an instance has
in memory is lost with it; the rest is in files (`oracle_files`). Errors are those of the manual; their exact texts are [UNC].
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hostdrivers.emulated import oracle_files as files
from hostdrivers.emulated.machine import Machine
from hostdrivers.emulated.oracle_files import Control, DataFile, OracleError, Redo
from hostdrivers.emulated.program import Answer, Call, Program, Usage
from hostdrivers.emulated.tools import reads_input

VERSION = "11.2.0.4.0"
FULL = "archive-full"  # the fault: the archive area takes no more
_PARAMETER = re.compile(r"\s*([a-z0-9_]+)\s*=\s*(.*?)\s*")


def parameters_of(text: str) -> dict[str, str]:
    """A text of parameters: NAME=VALUE, quoted or not, lists with commas."""
    found = {}
    for line in text.splitlines():
        if (match := _PARAMETER.fullmatch(line)) is not None:
            found[match[1]] = ", ".join(
                part.strip().strip("'") for part in re.findall(r"'[^']*'|[^,']+", match[2]) if part.strip()
            )
    return found


@dataclass(slots=True)
class Instance:
    """A running instance. `cache` are rows that are committed and not yet in the data files."""

    sid: str
    parameters: dict[str, str]
    status: str = "STARTED"
    control: Control | None = None
    scn: int = 0
    cache: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def unique(self) -> str:
        """DB_UNIQUE_NAME, which two instances on a host may not share."""
        return self.parameters.get("db_unique_name", self.parameters.get("db_name", "")).upper()

    def names(self, parameter: str) -> list[str]:
        """A parameter that is a list."""
        return [name.strip() for name in self.parameters.get(parameter, "").split(",") if name.strip()]

    @property
    def archive(self) -> str:
        """Where it archives to."""
        return self.parameters.get("log_archive_dest_1", "").removeprefix("location=")


class Oracle:
    """The software on one host, with the instances that run there."""

    def __init__(self, machine: Machine, home: str = "/opt/oracle/11.2", user: str = "oracle") -> None:
        """Install it: programs below the home, and who may use them."""
        self.machine, self.home, self.user = machine, home, user
        self.instances: dict[str, Instance] = {}
        self.oratab = "/var/opt/oracle/oratab" if machine.os == "solaris" else "/etc/oratab"
        machine.added |= self.programs()
        machine.holders.append(self._holds)
        machine.root.mkdir(f"{home}/dbs", True)

    def programs(self) -> dict[str, Program]:
        """By name."""
        return {
            "ps": self._ps,
            "su": reads_input(lambda call: self._su(call)),
            "/bin/pwd": lambda call: Answer(files.physical(self.machine, call.cwd) + "\n"),
        }

    def _ps(self, call: Call) -> Answer:
        if call.argv != ("-ef",):
            raise Usage("usage: ps -ef")
        rows = [("root", 1, "/sbin/init")]
        for number, sid in enumerate(self.instances, 1):
            rows += [
                (self.user, 4711 + number * 10 + n, f"ora_{name}_{sid}")
                for n, name in enumerate(("pmon", "dbw0", "lgwr", "ckpt"))
            ]
        lines = [f"{who:>8} {pid:>6}      1   0 08:00:00 ?           0:01 {what}\n" for who, pid, what in rows]
        return Answer("     UID    PID   PPID   C    STIME TTY        TIME CMD\n" + "".join(lines))

    async def _su(self, call: Call) -> Answer:
        if len(call.argv) != 3 or call.argv[1] != "-c":
            raise Usage("usage: su USER -c COMMAND")
        user, _, command = call.argv
        if user not in (self.user, "root"):
            raise Usage(f"su: Unknown id: {user}")
        out, err = bytearray(), bytearray()

        async def say(data: bytes) -> None:
            out.extend(data)

        async def complain(data: bytes) -> None:
            err.extend(self.machine.in_own_words(data))

        script = call.stdin.decode() if command in ("/bin/sh", "sh") else command
        shell = self.machine.shell()
        shell.set_env("USER", user)
        done = await shell.execute(script, capture=False, stdout=say, stderr=complain)
        return Answer(bytes(out), err.decode() + (f"sh: {done.error}\n" if done.error else ""), int(done.exit_code))

    def _holds(self, point: str) -> bool:
        """Whether an instance has a file open below a mount point."""
        return any(
            name.startswith(point.rstrip("/") + "/")
            for one in self.instances.values()
            if one.control is not None
            for name in (
                *one.names("control_files"),
                *(row.name for row in one.control.files),
                *(m for log in one.control.logs for m in log.members),
            )
        )

    # --- coming up and going down -----------------------------------------------------------------------------------

    def instance(self, sid: str) -> Instance:
        """The one that runs. OracleError when it does not."""
        if sid not in self.instances:
            raise OracleError("ORA-01034: ORACLE not available", "Process ID: 0", "Session ID: 0 Serial number: 0")
        return self.instances[sid]

    def startup(self, sid: str, pfile: str, to: str) -> list[str]:
        """STARTUP up to `to` (nomount, mount, open): what it says before an error, which is raised with it."""
        if sid in self.instances:
            raise OracleError("ORA-01081: cannot start already-running ORACLE - shut it down first")
        path = pfile or f"{self.home}/dbs/init{sid}.ora"
        if not self.machine.visible(path):
            raise OracleError(
                "ORA-01078: failure in processing system parameters", f"LRM-00109: could not open parameter file '{path}'"
            )
        one = self.instances[sid] = Instance(sid, parameters_of(self.machine.read_file(path).decode()))
        said = ["ORACLE instance started.", "", "Total System Global Area  668082176 bytes"]
        try:
            if to != "nomount":
                self.mount(one)
                said.append("Database mounted.")
            if to == "open":
                self.open(one)
                said.append("Database opened.")
        except OracleError as error:
            raise OracleError(*said, *error.lines) from error
        return said

    def mount(self, one: Instance) -> None:
        """ALTER DATABASE MOUNT: the control files, all of one version, of the database that the parameters name."""
        found = [(path, files.read(self.machine, path, Control)) for path in one.names("control_files")]
        if not found or any(control is None for _, control in found):
            raise OracleError("ORA-00205: error in identifying control file, check alert log for more info")
        (path, first), *rest = [(path, control) for path, control in found if control is not None]
        for other, control in rest:
            if control.version != first.version:
                raise OracleError(
                    f"ORA-00214: control file '{path}' version {first.version} inconsistent with file '{other}' version {control.version}"
                )
        if one.parameters.get("db_name", "").upper() != first.name:
            raise OracleError(
                f"ORA-01103: database name '{first.name}' in control file is not '{one.parameters.get('db_name', '')}'"
            )
        if (size := one.parameters.get("db_block_size", "8192")) != str(first.block_size):
            raise OracleError(f"ORA-00058: DB_BLOCK_SIZE must be {first.block_size} to mount this database (not {size})")
        if any(i is not one and i.control is not None and i.unique == one.unique for i in self.instances.values()):
            raise OracleError("ORA-01102: cannot mount database in EXCLUSIVE mode")
        one.control, one.status = first, "MOUNTED"

    def open(self, one: Instance) -> None:
        """ALTER DATABASE OPEN: recovers from a crash by itself, and from nothing else."""
        control = self.mounted(one)
        if one.status == "OPEN":
            raise OracleError("ORA-01531: a database already open by the instance")
        files.refuse_open(self.machine, control)
        redo = files.online(self.machine, control, control.current.sequence)
        if not control.clean:
            control.checkpoint = files.apply(self.machine, control, [redo])
        one.scn, one.status, control.clean = control.checkpoint, "OPEN", False
        self.keep(one)

    def shutdown(self, one: Instance, how: str) -> list[str]:
        """SHUTDOWN: in order only when no file is in backup mode; `abort` forgets what was in memory."""
        said = []
        if how != "abort":
            if one.status == "OPEN":
                control = self.mounted(one)
                if held := files.in_backup(self.machine, control):
                    raise OracleError(
                        f"ORA-01149: cannot shutdown - file {held[0].number} has online backup set",
                        f"ORA-01110: data file {held[0].number}: '{held[0].name}'",
                    )
                self.checkpoint(one)
                control.clean = True
                self.keep(one)
                said.append("Database closed.")
            else:
                said.append("ORA-01109: database not open" if one.status == "MOUNTED" else "ORA-01507: database not mounted")
            said += ["Database dismounted."] if one.control is not None else []
        del self.instances[one.sid]
        return [*said, "ORACLE instance shut down."]

    # --- a database at work -----------------------------------------------------------------------------------------

    def mounted(self, one: Instance) -> Control:
        """Its control file. OracleError before it is mounted."""
        if one.control is None:
            raise OracleError("ORA-01507: database not mounted")
        return one.control

    def opened(self, one: Instance) -> Control:
        """Its control file. OracleError before it is open."""
        control = self.mounted(one)
        if one.status != "OPEN":
            raise OracleError("ORA-01109: database not open")
        return control

    def keep(self, one: Instance) -> None:
        """Write the control files, and bring all to the disks."""
        control = self.mounted(one)
        control.version += 1
        for path in one.names("control_files"):
            files.write(self.machine, path, control)
        self.machine.sync()

    def commit(self, sid: str, table: str, file: int = 2) -> int:
        """A row of a transaction that is reported committed: it is in the redo log. Its SCN."""
        one = self.instance(sid)
        control = self.opened(one)
        one.scn += 1
        record = (one.scn, file, table)
        for path in control.current.members:
            redo = files.read(self.machine, path, Redo)
            if redo is not None:
                redo.records.append(record)
                files.write(self.machine, path, redo)
        one.cache.append(record)
        self.machine.sync()
        return one.scn

    def checkpoint(self, one: Instance) -> None:
        """Write what is in memory; the headers of files in backup mode stay as they are."""
        control = self.opened(one)
        for number, header in files.headers(self.machine, control).items():
            for scn, _, table in (record for record in one.cache if record[1] == number):
                header.rows.setdefault(table, []).append(scn)
            if not header.backup:
                header.checkpoint = one.scn
            files.write(self.machine, next(r.name for r in control.data() if r.number == number), header)
        one.cache.clear()
        control.checkpoint = one.scn
        self.keep(one)

    def archive_current(self, one: Instance) -> None:
        """ALTER SYSTEM ARCHIVE LOG CURRENT: the current log goes to the archive, the next one is written."""
        control = self.opened(one)
        if control.log_mode != "ARCHIVELOG":
            raise OracleError("ORA-00258: manual archiving in NOARCHIVELOG mode must identify log")
        now = control.current
        if FULL in self.machine.faults or not self.machine.visible(one.archive):
            raise OracleError(
                "ORA-00257: archiver error. Connect internal only, until freed.",
                f"ORA-16038: log {now.group} sequence# {now.sequence} cannot be archived",
                "ORA-19502: write error on archived log",
            )
        path = f"{one.archive}/{files.archive_name(one.parameters.get('log_archive_format', '%t_%s_%r.dbf'), now.sequence)}"
        files.write(self.machine, path, files.online(self.machine, control, now.sequence))
        control.archived.append((now.sequence, now.first, path))
        one.scn += 1
        following = control.logs[(control.logs.index(now) + 1) % len(control.logs)]
        following.sequence, following.first = now.sequence + 1, one.scn
        for member in following.members:
            files.write(self.machine, member, Redo(control.dbid, following.sequence, one.scn))
        self.checkpoint(one)

    def begin_backup(self, one: Instance) -> None:
        """ALTER DATABASE BEGIN BACKUP."""
        control = self.opened(one)
        if control.log_mode != "ARCHIVELOG":
            raise OracleError("ORA-01123: cannot start online backup; media recovery not enabled")
        if held := files.in_backup(self.machine, control):
            raise OracleError(
                f"ORA-01146: cannot start online backup - file {held[0].number} is already in backup",
                f"ORA-01110: data file {held[0].number}: '{held[0].name}'",
            )
        self.checkpoint(one)
        self._mark(control, True)
        self.keep(one)

    def end_backup(self, one: Instance) -> None:
        """ALTER DATABASE END BACKUP; also of a database that is only mounted."""
        control = self.mounted(one)
        if not files.in_backup(self.machine, control):
            raise OracleError("ORA-01142: cannot end online backup - none of the files are in backup")
        self._mark(control, False)
        self.keep(one)

    def _mark(self, control: Control, on: bool) -> None:
        for row in control.data():
            header = files.read(self.machine, row.name, DataFile)
            if header is not None:
                header.backup, header.checkpoint = on, header.checkpoint if on else control.checkpoint
                files.write(self.machine, row.name, header)

    def recover(self, one: Instance, directory: str) -> list[str]:
        """RECOVER DATABASE."""
        control = self.mounted(one)
        if one.status == "OPEN":
            raise OracleError(
                "ORA-00283: recovery session canceled due to errors",
                "ORA-01124: cannot recover data file 1 - file is in use or recovery",
            )
        said = files.recover(self.machine, control, directory, one.parameters.get("log_archive_format", "%t_%s_%r.dbf"))
        self.keep(one)
        return said

    def rename(self, one: Instance, old: str, new: str) -> None:
        """ALTER DATABASE RENAME FILE: in the control file only; the new file must be there, and be the same one."""
        control, head = self.mounted(one), "ORA-01511: error in renaming log/data files"
        row = next((r for r in control.files if r.name == old), None)
        log = next((g for g in control.logs if old in g.members), None)
        if row is None and log is None:
            raise OracleError(head, f'ORA-01516: nonexistent log file, data file, or temporary file "{old}"')
        if not self.machine.visible(new):
            what = f"data file {row.number}" if row else f"log file {log.group if log else 0}"
            raise OracleError(
                head, f"ORA-01141: error renaming {what} - new file '{new}' not found", *files.missing(self.machine, new)
            )
        if row is not None:
            row.name = new
        if log is not None:
            log.members[log.members.index(old)] = new
        self.keep(one)

    def copy_control(self, one: Instance, path: str, text: str | None, reuse: bool) -> None:
        """ALTER DATABASE BACKUP CONTROLFILE: the file itself, or a script that makes it again."""
        control = self.mounted(one)
        if not self.machine.visible(path.rsplit("/", 1)[0]):
            raise OracleError(
                f"ORA-01580: error creating control backup file {path}", "ORA-27040: file create error, unable to create file"
            )
        if self.machine.visible(path) and not reuse:
            raise OracleError(f"ORA-01580: error creating control backup file {path}", "ORA-27038: created file already exists")
        if text is None:
            files.write(self.machine, path, control)
        else:
            self.machine.write_file(path, text.encode())
        self.machine.sync()
