"""Backups by the real restic, on the target: it reads the mounted BCVs there, and writes to any repository it knows.

The password never travels: restic gets it on the host, from a file or a command of that host. What a snapshot is of (set,
run, split, counts, which tree was mounted where on the source) stands in its tags. Known to fit restic 0.14 and newer.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from core.backups.base import BackupRecord, BackupRequest, Names, Progress, Report, RestoreRequest, TarStream
from core.backups.manifest import Counted, added, count_trees, empty_directory, plain_directory
from core.backups.streams import answered
from core.errors import CommandFailed, OutcomeUnknown, ParseError, Refused
from core.jobs import JobEnd, JobRef, job_name, run_job
from core.secrets import without_passwords
from core.transport import Command, Effect, Guard, Result, Status, Transport
from core.untrusted import json_of

_SUDO = {"": "", "sudo": "sudo -n ", "pfexec": "pfexec "}
TAG = "splitmount"
DAY = 86400.0  # seconds
_TIME = "%Y%m%dT%H%M%S.%fZ"

# What restic says when there is no repository, as against one that cannot be reached: from version 0.17 on by its exit
# status, before by the reason for which the file `config` was not opened, which each kind of place words in its own way.
_NO_REPOSITORY = 10
_MISSING = re.compile(
    r"unable to open config file: (stat .*: no such file or directory|Lstat: file does not exist|<config/> does not exist"
    r"|(Stat: )?The specified (key|bucket) does not exist)"
)
_LOCKED = "another restic holds the repository; if it is certain that none is running any more, unlock by hand: restic unlock"
_WORDS = (
    ((3,), "", "some files could not be read"),
    ((_NO_REPOSITORY,), "", "there is no repository"),
    ((11,), "already locked", _LOCKED),
    ((12,), "wrong password", "the password is not that of the repository"),
)

# A shell that stumbles over a line of the file would print that line: what it says of it is thrown away.
_SOURCED = """[ -r FILE ] || { echo "the environment file "FILE" cannot be read" >&2; exit 1; }
( . FILE ) > /dev/null 2>&1 || { echo "the environment file "FILE" has a line that is no NAME=VALUE of a shell" >&2; exit 1; }
set -a; . FILE 2> /dev/null; set +a
"""

# restic leaves a snapshot when it could not read all files (exit status 3): it must not look whole, whoever is watching.
_TAKE_BACK = """status=$?
if [ $status -eq 3 ]; then
  part=`sed -n 's/.*"snapshot_id":"\\([0-9a-f]*\\)".*/\\1/p' "$JOB/out"`
  if [ -n "$part" ] && {restic} forget "$part" >&2; then echo "the incomplete snapshot $part was removed" >&2
  else echo "an incomplete snapshot is left; remove it by: restic forget $part" >&2; fi
fi
exit $status
"""


class ResticDriver:
    """Fits `core.backups.base.BackupDriver`."""

    def __init__(
        self,
        repository: str,
        *,
        password_command: str = "",
        password_file: str = "",
        environment_file: str = "",
        create: bool = False,
    ) -> None:
        """All names are meant on the target. `create` makes the repository when, and only when, there is none."""
        self._repository, self._create = repository, create
        self._password_command, self._password_file = password_command, password_file
        self._environment_file = environment_file

    @property
    def name(self) -> str:
        """The word in the configuration."""
        return "restic"

    @property
    def reaches_everywhere(self) -> bool:
        """A repository with a scheme (sftp:, s3:, rest:) is elsewhere; a path is one on the target."""
        return re.match(r"[a-z0-9]+:", self._repository) is not None

    # --- scripts ----------------------------------------------------------------------------------------------------

    def _environment(self) -> str:
        """restic reads --time in the zone of its process, and tells its progress once a second."""
        values = {"LC_ALL": "C", "TZ": "UTC", "RESTIC_PROGRESS_FPS": "1", "RESTIC_REPOSITORY": self._repository}
        if self._password_command:
            values["RESTIC_PASSWORD_COMMAND"] = self._password_command
        if self._password_file:
            values["RESTIC_PASSWORD_FILE"] = self._password_file
        file = _SOURCED.replace("FILE", shlex.quote(self._environment_file)) if self._environment_file else ""
        return file + "".join(f"{name}={shlex.quote(value)}; export {name}\n" for name, value in values.items())

    def _call(self, become: str, *arguments: str) -> str:
        """One restic. Behind sudo, where and by which password stands in its arguments, which a rule of sudo can see.

        An environment that a user may choose would let root's restic run any command of his (RESTIC_PASSWORD_COMMAND).
        """
        head = [f"{_SUDO[become]}restic"]
        if become:
            places = (
                ("--repo", self._repository),
                ("--password-command", self._password_command),
                ("--password-file", self._password_file),
            )
            head += [shlex.quote(word) for option, value in places if value for word in (option, value)]
        return " ".join((*head, *(shlex.quote(argument) for argument in arguments)))

    def looks(self, request: BackupRequest, snapshot: str) -> tuple[Command, ...]:
        """Every restic that tells of backups and gives no file away."""
        names = self._set_tag(request.set_name)
        calls = (("cat", "config"), ("snapshots", "--json", "--tag", names), ("ls", "--json", snapshot))
        return tuple(self._read(request.host, request.become, "look into the repository", *words) for words in calls)

    def calls(self, request: BackupRequest, time: str, snapshot: str) -> tuple[Command, ...]:
        """Every other restic that this driver ever runs for a set, but the one that writes files."""
        host, become = request.host, request.become
        dump = self._read(host, become, "read the snapshot", "dump", snapshot, "/")
        changes = (*((("init",),) if self._create else ()), ("check",), ("dump", "--no-lock", snapshot, "/"))
        texts = [self._call(become, *words) for words in changes]
        tags = _tags(request, request.run, request.run, request.run, request.run)
        backup = self._backup_script(request, time, tags)
        return (
            dump,
            *(Command(host, "restic", text, Effect.CHANGE, guard=Guard.REPOSITORY) for text in (backup, *texts)),
        )

    @staticmethod
    def _set_tag(set_name: str) -> str:
        return f"{TAG},set={_quoted(set_name)}"

    def _read(self, host: str, become: str, title: str, *arguments: str) -> Command:
        text = f"{self._environment()}exec {self._call(become, *arguments, '--no-lock', '--no-cache')}\n"
        return Command(host, title, text, timeout=600)

    def _backup_script(self, request: BackupRequest, time: str, tags: Mapping[str, str]) -> str:
        flags = ["--tag", TAG]
        for name, value in tags.items():
            flags += ["--tag", f"{name}={_quoted(value)}"]
        for mounted, source in request.trees:
            flags += ["--tag", f"tree={_quoted(mounted)}={_quoted(source)}"]
        head = ("backup", "--json", "--one-file-system", "--host", request.set_name, "--time", time)
        call = self._call(request.become, *head, *flags, "--", *(mounted for mounted, _ in request.trees))
        return f"{self._environment()}{call}\n{_TAKE_BACK.replace('{restic}', self._call(request.become))}"

    def commands(self, request: BackupRequest) -> tuple[Command, ...]:
        """What `run` sends; times and counts are not known before it."""
        tags = _tags(request, at="TIME OF THE SPLIT", taken="NOW", files="COUNTED", size="COUNTED")
        text = self._backup_script(request, "TIME OF THE SPLIT", tags)
        return (Command(request.host, "restic backup", text, Effect.CHANGE, live=True, guard=Guard.REPOSITORY),)

    # --- the repository ---------------------------------------------------------------------------------------------

    async def check(self, transport: Transport, host: str, become: str) -> tuple[str, ...]:
        """Whether restic is there and opens the repository (or may make it)."""
        version = await transport.run(Command(host, "restic's version", "restic version\n"))
        if version.status is not Status.OK:
            return (f"{host}: restic is not installed: {_said(version)}",)
        opened = await transport.run(self._read(host, become, "open the repository", "cat", "config"))
        if opened.status is Status.OK or (self._create and _is_missing(opened)):
            return ()
        return (self._cannot_open(opened),)

    def _cannot_open(self, opened: Result) -> str:
        missing = "there is no repository; make it by hand (restic init), or set create: true"
        why = missing if _is_missing(opened) else _said(opened)
        return f"{opened.command.host}: restic cannot open {self._repository}: {why}"

    async def _open(self, transport: Transport, request: BackupRequest) -> None:
        """Make sure that there is a repository: one is made only where it is certain that there is none."""
        opened = await transport.run(self._read(request.host, request.become, "open the repository", "cat", "config"))
        if opened.status is Status.OK:
            return
        if not (self._create and _is_missing(opened)):
            raise CommandFailed(self._cannot_open(opened))
        text = f"{self._environment()}exec {self._call(request.become, 'init')}\n"
        _good(
            await transport.run(Command(request.host, "restic init", text, Effect.CHANGE, timeout=120, guard=Guard.REPOSITORY))
        )

    # --- backup -----------------------------------------------------------------------------------------------------

    async def run(self, transport: Transport, request: BackupRequest, report: Report) -> BackupRecord:
        """Make the repository if told to, then back up as a remote job with its progress.

        Each restic derives its key anew, which is slow by design: none is asked only whether it can.
        """
        if self._create:
            await self._open(transport, request)
        sums = added(await _count(transport, request))
        at, taken = request.split_at.astimezone(UTC), datetime.now(UTC)
        tags = _tags(request, f"{at:{_TIME}}", f"{taken:{_TIME}}", str(sums.files), str(sums.bytes))
        text = self._backup_script(request, f"{at:%Y-%m-%d %H:%M:%S}", tags)
        summary: dict[str, Any] = {}
        try:
            end = await _job(transport, request, "restic backup", text, lambda lines: _hear(lines, report, summary))
        except CommandFailed:
            if not self._create:
                await self._open(transport, request)  # a repository that is not there, or cannot be opened, is told as such
            raise
        if "snapshot_id" not in summary:
            raise ParseError(request.host, "restic backup", "no snapshot in its summary", _tail(end.stdout))
        snapshot = str(summary["snapshot_id"])
        found = await self._snapshots(transport, request.host, request.become, request.set_name)
        record = next((r for r in found if r.id.startswith(snapshot)), None)  # older versions tell only its first digits
        if record is None:
            raise CommandFailed(f"{request.host}: snapshot {snapshot} is not in the repository's list")
        return replace(record, stored_bytes=_whole(summary, "data_added"))

    async def forget_unfinished(self, transport: Transport, set_name: str, split_id: str) -> int:
        """There are none: a snapshot appears in the repository when it is whole. Its loose data is for `restic prune`."""
        return 0

    async def verify(self, transport: Transport, request: BackupRequest, record: BackupRecord, report: Report) -> BackupRecord:
        """restic's own check, all data of this snapshot read back, and what it holds against what the trees hold."""
        check, read_back = self._call(request.become, "check"), self._call(request.become, "dump", "--no-lock", record.id, "/")
        text = f"{self._environment()}{check} || exit\n{read_back} > /dev/null\n"
        await _job(transport, request, "restic check", text, None)
        held = await self._held(transport, request, record.id)
        counted = await _count(transport, request)
        nested = sum(any(_below(inner, outer) for outer, _ in request.trees) for inner, _ in request.trees)
        sums = added(counted)
        there = _Held(sums.names - nested, sums.files, sum(tree.linked for tree in counted))
        if held != there:
            raise CommandFailed(f"{request.host}: {held} in snapshot {record.id[:8]}; {there} on the mounted BCVs")
        report(Progress(record.bytes, record.bytes, record.files))
        return replace(record, verified_at=datetime.now(UTC))

    async def _held(self, transport: Transport, request: BackupRequest, snapshot: str) -> _Held:
        """What a snapshot holds of the trees, by its own listing, however long that is."""
        command = self._read(request.host, request.become, "list the snapshot", "ls", "--json", snapshot)
        points = tuple(mounted for mounted, _ in request.trees)
        held, rest = _Held(), b""
        async with transport.stream(command) as stream:
            while data := await stream.read():
                *lines, rest = (rest + data).split(b"\n")
                held = _listed(request.host, lines, points, held)
            result = await stream.finish()
        _good(result)
        return _listed(request.host, [rest], points, held)

    # --- listing and restoring --------------------------------------------------------------------------------------

    async def list(self, transport: Transport, host: str, become: str, set_name: str) -> tuple[BackupRecord, ...]:
        """The snapshots of a set, newest first; none where the repository is still to be made."""
        if self._create:
            opened = await transport.run(self._read(host, become, "open the repository", "cat", "config"))
            if _is_missing(opened):
                return ()
        return await self._snapshots(transport, host, become, set_name)

    async def _snapshots(self, transport: Transport, host: str, become: str, set_name: str) -> tuple[BackupRecord, ...]:
        arguments = ("snapshots", "--json", "--tag", self._set_tag(set_name))
        result = _good(await transport.run(self._read(host, become, "list snapshots", *arguments)))
        return self.snapshots_of(host, set_name, result.stdout)

    @staticmethod
    def snapshots_of(host: str, set_name: str, text: str) -> tuple[BackupRecord, ...]:
        """The set's snapshots in restic's own list, newest first. ParseError for text that is no such list."""
        try:
            records = [_record(set_name, snapshot) for snapshot in json_of(text) or []]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ParseError(host, "restic snapshots", f"not a list of our snapshots: {error!r}", text) from error
        return tuple(sorted(records, key=lambda r: (r.split_at, r.taken_at), reverse=True))

    async def restore(self, transport: Transport, request: RestoreRequest, report: Report) -> int:
        """restic restore into an empty or absent directory; files lie below their paths on the target, and are counted."""
        host, directory = request.host, plain_directory(request.directory)
        known = await self._snapshots(transport, host, request.become, request.set_name)
        fitting = [r for r in known if request.backup and r.id.startswith(request.backup)]
        if len(fitting) != 1:
            raise Refused(f"{len(fitting)} snapshots of {request.set_name} begin with {request.backup!a}; nothing was restored")
        (record,) = fitting
        call = self._call(request.become, "restore", record.id, "--target", directory)
        text = f"{empty_directory(request.become, directory)}{self._environment()}exec {call}\n"
        await _job(transport, request, "restic restore", text, None, Guard.EMPTY)
        (there,) = await count_trees(transport, host, request.become, (directory,))
        if (there.files, there.bytes) != (record.files, record.bytes):
            raise CommandFailed(
                f"{host}: {directory} holds {there.files} files, {there.bytes} bytes after the restore; "
                f"the snapshot {record.files}, {record.bytes}"
            )
        report(Progress(there.bytes, there.bytes, there.files))
        return there.files

    async def names(self, transport: Transport, host: str, become: str, record: BackupRecord) -> Names:
        """From the snapshot's own listing; what lies outside its trees is none of the set's."""
        command = self._read(host, become, "list the snapshot", "ls", "--json", record.id)
        found: dict[str, set[str]] = {"file": set(), "dir": set()}
        rest = b""
        async with transport.stream(command) as stream:
            while data := await stream.read():
                *lines, rest = (rest + data).split(b"\n")
                _name(host, lines, record.facts, found)
            result = await stream.finish()
        _good(result)
        _name(host, [rest], record.facts, found)
        return Names(frozenset(found["file"]), frozenset(found["dir"]))

    def tars(self, host: str, become: str, record: BackupRecord) -> tuple[TarStream, ...]:
        """The whole snapshot in one stream: restic dumps a directory with all that was mounted below it."""
        heads = {mounted.removesuffix(source) for mounted, source in record.facts.items() if mounted.endswith(source)}
        if len(heads) != 1 or not all(m.endswith(s) for m, s in record.facts.items()):
            raise Refused(f"snapshot {record.id[:8]} was not mounted below one directory: restore its files into a directory")
        command = self._read(host, become, "read the snapshot", "dump", record.id, "/")
        return (TarStream(record.id[:8], heads.pop().strip("/"), record.paths, partial(_pieces, command)),)


async def _pieces(command: Command, transport: Transport) -> AsyncIterator[bytes]:
    """What a command writes; CommandFailed at its end when it did not end well."""
    async with transport.stream(command) as stream:
        while data := await stream.read():
            yield data
        result = await stream.finish()
    _good(result)


def _name(host: str, lines: list[bytes], trees: Mapping[str, str], found: Mapping[str, set[str]]) -> None:
    """Add what these lines of a listing tell, by its kind, each by its path on the source."""
    for line in lines:
        node = _json(line.decode("utf-8", "surrogateescape"))
        if line.strip() and "struct_type" not in node:
            raise ParseError(host, "restic ls", "not an object of a listing", line.decode("utf-8", "replace"))
        path, kind = str(node.get("path", "")), str(node.get("type", ""))
        tops = [mounted for mounted in trees if _below(path, mounted)]
        if kind in found and tops:
            top = max(tops, key=len)
            found[kind].add(trees[top].rstrip("/") + path[len(top.rstrip("/")) :])


@dataclass(frozen=True, slots=True)
class _Held:
    """Names, regular files, and bytes under each name of a file."""

    names: int = 0
    files: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        return f"{self.names} names, {self.files} files, {self.bytes} bytes"


async def _job(
    transport: Transport,
    request: BackupRequest | RestoreRequest,
    title: str,
    text: str,
    heard: Callable[[str], None] | None,
    guard: Guard = Guard.REPOSITORY,
) -> JobEnd:
    """A remote job of ours to its good end; CommandFailed, Refused (90) or OutcomeUnknown otherwise."""
    place = f"{request.job_dir}/{job_name(title)}"
    command = Command(request.host, title, text, Effect.CHANGE, live=True, timeout=DAY, guard=guard)
    end = await run_job(transport, command, JobRef(request.host, request.job_dir, place, request.become), heard)
    where = f"{request.host}: {title}"
    if end.status is Status.UNKNOWN:
        raise OutcomeUnknown(f"{where}: {end.reason}")
    if end.exit_status == 90:
        raise Refused(f"{where}: {_tail(end.stderr)}")
    if end.status is Status.FAILED:
        raise CommandFailed(f"{where}: {_explained(end.exit_status, end.stderr) or end.reason}")
    return end


async def _count(transport: Transport, request: BackupRequest) -> tuple[Counted, ...]:
    return await count_trees(transport, request.host, request.become, tuple(mounted for mounted, _ in request.trees))


def _below(path: str, above: str) -> bool:
    return path != above and path.startswith(above.rstrip("/") + "/")


# --- words ------------------------------------------------------------------------------------------------------------


def _quoted(text: str) -> str:
    """Text as part of a tag: restic splits tags at commas and trims blanks, and we split them at equals signs."""
    return quote(text, safe="/:@{}+()[]!~")


def _tags(request: BackupRequest, at: str, taken: str, files: str, size: str) -> dict[str, str]:
    return {
        "set": request.set_name, "split": request.split_id, "run": request.run, "at": at, "taken": taken, "files": files,
        "bytes": size,
    }  # fmt: skip


def _record(set_name: str, snapshot: Mapping[str, Any]) -> BackupRecord:
    """A snapshot of ours. KeyError, TypeError or ValueError for one that is none."""
    rows = [tag.split("=") for tag in snapshot["tags"] if "=" in tag]
    tags = {row[0]: unquote(row[1]) for row in rows if len(row) == 2}
    lacking = {"run", "split", "at", "taken", "files", "bytes"} - tags.keys()
    if lacking:
        raise ValueError(f"snapshot {snapshot['id']} lacks the tags {', '.join(sorted(lacking))}")
    trees = {unquote(row[1]): unquote(row[2]) for row in rows if row[0] == "tree" and len(row) == 3}
    return BackupRecord(
        id=snapshot["id"],
        set_name=set_name,
        run=tags["run"],
        split_id=tags["split"],
        split_at=_time(tags["at"]),
        taken_at=_time(tags["taken"]),
        files=int(tags["files"]),
        bytes=int(tags["bytes"]),
        paths=tuple(trees.values()),
        facts=trees,
    )


def _time(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def _hear(lines: str, report: Report, summary: dict[str, Any]) -> None:
    """restic's JSON output, whole lines; others (warnings) are left to the job's own output."""
    for line in lines.splitlines():
        body = _json(line)
        if body.get("message_type") == "status" and "bytes_done" in body:
            report(Progress(_whole(body, "bytes_done"), _whole(body, "total_bytes") or None, _whole(body, "files_done")))
        if body.get("message_type") == "summary":
            summary.update(body)


def _whole(body: Mapping[str, Any], key: str) -> int:
    """A count; 0 where there is none, since progress is told for the eye alone."""
    value = body.get(key)
    return value if isinstance(value, int) and value >= 0 else 0


def _json(line: str) -> Mapping[str, Any]:
    """The object on a line; empty for a line that is none."""
    try:
        body = json_of(line)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _listed(host: str, lines: list[bytes], points: tuple[str, ...], held: _Held) -> _Held:
    """What was held, and what these lines of a listing add to it: nodes at and below the mount points."""
    names, files, size = held.names, held.files, held.bytes
    for line in lines:
        node = _json(line.decode("utf-8", "replace"))
        if line.strip() and "struct_type" not in node:
            raise ParseError(host, "restic ls", "not a line of its listing", line.decode("utf-8", "replace"))
        if node.get("struct_type") == "node" and not isinstance(node.get("path"), str):
            raise ParseError(host, "restic ls", "a node without its path", line.decode("utf-8", "replace"))
        if node.get("struct_type") == "node" and any(node["path"] == p or _below(node["path"], p) for p in points):
            names += 1
            if node.get("type") == "file":
                files, size = files + 1, size + _whole(node, "size")
    return _Held(names, files, size)


def _is_missing(result: Result) -> bool:
    """Whether restic says for certain that there is no repository; not for a wrong password or a place out of reach."""
    if result.status is not Status.FAILED:
        return False
    return result.exit_status == _NO_REPOSITORY or any(_MISSING.search(line) for line in result.stderr.splitlines())


def _explained(code: int | None, stderr: str) -> str:
    """What restic said, and before it what that means, where we know."""
    meant = [words for codes, sign, words in _WORDS if code in codes or (sign and sign in stderr)]
    return ": ".join([*meant[:1], *filter(None, [without_passwords(_tail(stderr))])]) or f"exit status {code}"


def _tail(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "; ".join(lines[-3:])


def _said(result: Result) -> str:
    return _explained(result.exit_status, result.stderr) if result.status is Status.FAILED else result.reason


def _good(result: Result) -> Result:
    return answered(result, _said(result))
