"""Backups by the real restic, on the target: it reads the mounted BCVs there, and writes to any repository it knows.

The password never travels: restic gets it on the host, from a file or a command of that host.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from core.backups.archive import size_command
from core.backups.base import BackupRecord, BackupRequest, Progress, Report, RestoreRequest
from core.errors import CommandFailed, OutcomeUnknown, ParseError, Refused
from core.jobs import JobRef, run_job
from core.transport import Command, Effect, Result, Status, Transport

_SUDO = {"": "", "sudo": "sudo -n -E ", "pfexec": "pfexec "}
TAG = "splitmount"


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

    def _script(self, become: str, *arguments: str, exec_: bool = True) -> str:
        """The environment and one call of restic."""
        lines = ["LC_ALL=C; export LC_ALL", f"RESTIC_REPOSITORY={shlex.quote(self._repository)}; export RESTIC_REPOSITORY"]
        if self._password_command:
            lines.append(f"RESTIC_PASSWORD_COMMAND={shlex.quote(self._password_command)}; export RESTIC_PASSWORD_COMMAND")
        if self._password_file:
            lines.append(f"RESTIC_PASSWORD_FILE={shlex.quote(self._password_file)}; export RESTIC_PASSWORD_FILE")
        if self._environment_file:
            lines.append(f"set -a; . {shlex.quote(self._environment_file)} || exit 1; set +a")
        call = " ".join(shlex.quote(a) for a in arguments)
        lines.append(f"{'exec ' if exec_ else ''}{_SUDO[become]}restic {call}")
        return "\n".join(lines) + "\n"

    def _read(self, host: str, become: str, title: str, *arguments: str) -> Command:
        return Command(host, title, self._script(become, *arguments, "--no-lock", "--no-cache"), timeout=600)

    async def check(self, transport: Transport, host: str, become: str) -> tuple[str, ...]:
        """Whether restic is there and opens the repository (or may make it)."""
        version = await transport.run(Command(host, "restic's version", "restic version\n"))
        if version.status is not Status.OK:
            return (f"{host}: restic is not installed",)
        opened = await transport.run(self._read(host, become, "open the repository", "cat", "config"))
        if opened.status is Status.OK or (self._create and _is_missing(opened)):
            return ()
        return (f"{host}: restic cannot open {self._repository}: {_last(opened)}",)

    def _backup_arguments(self, request: BackupRequest, time: str) -> list[str]:
        tags = [TAG, f"set={request.set_name}", f"split={request.split_id}", f"run={request.run}"]
        tags += [f"from={source}" for _, source in request.trees]
        flags = [part for tag in tags for part in ("--tag", tag.replace(",", "\\,"))]
        trees = [mounted for mounted, _ in request.trees]
        return ["backup", "--json", "--one-file-system", "--host", request.set_name, "--time", time, *flags, *trees]

    def commands(self, request: BackupRequest) -> tuple[Command, ...]:
        """What `run` sends; the time of the split is not known before it."""
        text = self._script(request.become, *self._backup_arguments(request, "TIME OF THE SPLIT"))
        return (Command(request.host, "restic backup", text, Effect.CHANGE, live=True),)

    async def run(self, transport: Transport, request: BackupRequest, report: Report) -> BackupRecord:
        """Make the repository if told to, then back up as a remote job with its progress."""
        await self._open(transport, request)
        time = request.split_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        # restic reads --time in the host's own zone
        text = "TZ=UTC; export TZ\n" + self._script(request.become, *self._backup_arguments(request, time))
        command = Command(request.host, "restic backup", text, Effect.CHANGE, live=True, timeout=86400)
        summary: dict[str, Any] = {}
        rest = ""

        def heard(piece: str) -> None:
            nonlocal rest
            *lines, rest = (rest + piece).split("\n")
            for line in lines:
                _message(line, report, summary)

        job = JobRef(request.host, request.job_dir, f"{request.job_dir}/restic-backup", request.become)
        end = await run_job(transport, command, job, heard)
        where = f"{request.host}: restic backup"
        if end.status is Status.UNKNOWN:
            raise OutcomeUnknown(f"{where}: {end.reason}")
        if end.status is Status.FAILED:
            words = {3: "some files could not be read", 11: "the repository is locked by another restic"}
            raise CommandFailed(f"{where}: {words.get(end.exit_status or 0, '')} {_tail(end.stderr)}".replace(":  ", ": "))
        if not summary:
            for line in end.stdout.splitlines():
                _message(line, report, summary)
        if "snapshot_id" not in summary:
            raise ParseError(request.host, "restic backup", "no summary in its output", _tail(end.stdout))
        return BackupRecord(
            id=summary["snapshot_id"],
            set_name=request.set_name,
            run=request.run,
            split_id=request.split_id,
            split_at=request.split_at,
            taken_at=datetime.now(UTC),
            files=int(summary["total_files_processed"]),
            bytes=int(summary["total_bytes_processed"]),
            stored_bytes=int(summary.get("data_added", 0)),
            paths=tuple(source for _, source in request.trees),
            facts=dict(request.trees),
        )

    async def _open(self, transport: Transport, request: BackupRequest) -> None:
        opened = await transport.run(self._read(request.host, request.become, "open the repository", "cat", "config"))
        if opened.status is Status.OK:
            return
        if not _is_missing(opened):
            raise CommandFailed(f"{request.host}: restic cannot open {self._repository}: {_last(opened)}")
        if not self._create:
            raise CommandFailed(
                f"{request.host}: there is no repository at {self._repository}; make it by restic init, or set create: true"
            )
        text = self._script(request.become, "init")
        made = await transport.run(Command(request.host, "restic init", text, Effect.CHANGE, timeout=120))
        if made.status is not Status.OK:
            raise CommandFailed(f"{request.host}: restic init: {_last(made)}")

    async def verify(self, transport: Transport, request: BackupRequest, record: BackupRecord, report: Report) -> BackupRecord:
        """restic's own check, and the counts of the snapshot against those of the mounted trees."""
        text = self._script(request.become, "check", "--read-data")
        checked = await transport.run(Command(request.host, "restic check", text, Effect.CHANGE, timeout=86400))
        if checked.status is not Status.OK:
            raise CommandFailed(f"{request.host}: restic check: {_last(checked)}")
        listed = await transport.run(self._read(request.host, request.become, "list the snapshot", "ls", "--json", record.id))
        files, size = _listed(listed)
        counted = await transport.run(size_command(request.host, request.become, tuple(m for m, _ in request.trees)))
        rows = [[int(word) for word in line.split()] for line in counted.stdout.splitlines()]
        if counted.status is not Status.OK or any(row[3] for row in rows):
            raise CommandFailed(f"{request.host}: files could not be counted: {counted.stderr.strip() or counted.reason}")
        there = sum(row[1] for row in rows)
        if files != there:
            raise CommandFailed(f"{request.host}: {files} files in snapshot {record.id[:8]}, {there} on the mounted BCVs")
        report(Progress(size, size, files))
        return replace(record, verified_at=datetime.now(UTC))

    async def list(self, transport: Transport, host: str, become: str, set_name: str) -> tuple[BackupRecord, ...]:
        """The snapshots of a set, newest first."""
        arguments = ("snapshots", "--json", "--tag", f"{TAG},set={set_name}")
        result = await transport.run(self._read(host, become, "list snapshots", *arguments))
        if result.status is not Status.OK and _is_missing(result):
            return ()
        if result.status is not Status.OK:
            raise CommandFailed(f"{host}: restic snapshots: {_last(result)}")
        try:
            records = [_record(set_name, snapshot) for snapshot in json.loads(result.stdout or "[]") or []]
        except (ValueError, KeyError, TypeError) as error:
            raise ParseError(host, "restic snapshots", f"no list of snapshots: {error!r}") from error
        return tuple(sorted(records, key=lambda r: r.split_at, reverse=True))

    async def restore(self, transport: Transport, request: RestoreRequest, report: Report) -> int:
        """restic restore into an empty or absent directory; files lie below their paths on the target."""
        where = shlex.quote(request.directory)
        if request.backup.startswith("-"):
            raise Refused(f"{request.backup!a} is no snapshot")
        empty = f'if [ -d {where} ] && [ -n "`ls -A {where}`" ]; then echo "refused: {request.directory} is not empty" >&2; exit 90; fi\n'
        text = empty + self._script(request.become, "restore", request.backup, "--target", request.directory)
        job = JobRef(request.host, request.job_dir, f"{request.job_dir}/restic-restore", request.become)
        command = Command(request.host, "restic restore", text, Effect.CHANGE, live=True, timeout=86400)
        end = await run_job(transport, command, job, None)
        if end.status is Status.UNKNOWN:
            raise OutcomeUnknown(f"{request.host}: restic restore: {end.reason}")
        if end.exit_status == 90:
            raise Refused(f"{request.host}: {_tail(end.stderr)}; nothing was restored")
        if end.status is Status.FAILED:
            raise CommandFailed(f"{request.host}: restic restore: {_tail(end.stderr)}")
        read = self._read(request.host, request.become, "list the snapshot", "ls", "--json", request.backup)
        return _listed(await transport.run(read))[0]


def _message(line: str, report: Report, summary: dict[str, Any]) -> None:
    """One line of restic's JSON output; other lines (warnings) are left to the job's own output."""
    try:
        body = json.loads(line)
    except ValueError:
        return
    if not isinstance(body, Mapping):
        return
    if body.get("message_type") == "status" and "bytes_done" in body:
        report(Progress(int(body["bytes_done"]), int(body.get("total_bytes", 0)) or None, int(body.get("files_done", 0))))
    if body.get("message_type") == "summary":
        summary.update(body)


def _listed(result: Result) -> tuple[int, int]:
    """(regular files, bytes) of a snapshot's listing."""
    if result.status is not Status.OK:
        raise CommandFailed(f"{result.command.host}: {result.command.title}: {_last(result)}")
    files = size = 0
    for line in result.stdout.splitlines():
        node = json.loads(line)
        if node.get("struct_type") == "node" and node.get("type") == "file":
            files, size = files + 1, size + int(node.get("size", 0))
    return files, size


def _record(set_name: str, snapshot: Mapping[str, Any]) -> BackupRecord:
    tags = dict(tag.split("=", 1) for tag in snapshot["tags"] if "=" in tag)
    at = _time(snapshot["time"])
    sources = tuple(tag[5:] for tag in snapshot["tags"] if tag.startswith("from="))
    return BackupRecord(snapshot["id"], set_name, tags.get("run", ""), tags.get("split", ""), at, at, 0, 0, None, None, sources)


def _time(text: str) -> datetime:
    """restic's time, with or without a fraction of up to nine digits."""
    head, dot, tail = text.partition(".")
    if not dot:
        return datetime.fromisoformat(text)
    digits = "".join(c for c in tail[:9] if c.isdigit())
    zone = tail.lstrip("0123456789")
    return datetime.fromisoformat(f"{head}.{digits[:6]:0<6}{zone}")


def _is_missing(result: Result) -> bool:
    """Whether restic says that there is no repository, as against a wrong password or a place that cannot be reached."""
    text = result.stderr
    return "Is there a repository at the following location" in text and any(
        sign in text for sign in ("no such file", "does not exist", "not found", "NoSuchKey", "The specified key")
    )


def _tail(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "; ".join(lines[-3:])


def _last(result: Result) -> str:
    return _tail(result.stderr) or result.reason or f"exit status {result.exit_status}"
