"""Recorded transcripts: what hosts and arrays answered, kept as JSON lines, and a transport that answers from them.

For tests, for looking at an estate without it, and for bug reports that can be run again. A transcript holds what the
hosts printed, nothing else; it is as confidential as they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from core.errors import ConfigError, ReadOnlyRefused, TransportError
from core.transport import ByteStream, Channel, Command, Effect, Result, Session, Status, Transport, late_names
from core.untrusted import json_of, text_file

LIMIT = 256 << 20  # bytes of a transcript


class Recorder:
    """Any transport, with every answer to a read written down. Changes, sessions and streams pass through unrecorded."""

    def __init__(self, transport: Transport, path: Path) -> None:
        """Records are appended to `path`; it is made readable for its owner only. ConfigError when it cannot be written."""
        self._transport, self._path = transport, path
        self._write("")  # before anything is asked or done

    @property
    def read_only(self) -> bool:
        """As the transport below."""
        return self._transport.read_only

    async def run(self, command: Command) -> Result:
        """Send, and write down the answer to a read."""
        result = await self._transport.run(command)
        if command.effect is Effect.READ:
            self._append(command, result)
        return result

    def _append(self, command: Command, result: Result) -> None:
        body = {
            "host": command.host,
            "title": command.title,
            "channel": command.channel.value,
            "status": result.status.value,
            "exit_status": result.exit_status,
            "stdout": result.stdout,
            "stderr": result.stderr,
            "reason": result.reason,
            "started": result.started.isoformat(),
            "seconds": round(result.seconds, 6),
        }
        self._write(json.dumps(body) + "\n")

    def _write(self, text: str) -> None:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise ConfigError(f"the transcript {self._path} cannot be written: {error.strerror}") from error

    async def session(self, command: Command) -> Session:
        """As the transport below."""
        return await self._transport.session(command)

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        """As the transport below."""
        return self._transport.stream(command)

    async def reconnect(self, host: str) -> None:
        """As the transport below."""
        await self._transport.reconnect(host)

    async def aclose(self) -> None:
        """As the transport below."""
        await self._transport.aclose()


class ReplayTransport:
    """Answers reads from a transcript, by host and title: the n-th question gets the n-th answer, and the last one stays."""

    def __init__(self, answers: Iterable[Result], origin: str) -> None:
        """`origin` says where the answers are from."""
        self._origin = origin
        self._answers: dict[tuple[str, str], list[Result]] = {}
        self._asked: dict[tuple[str, str], int] = {}
        for answer in answers:
            self._answers.setdefault((answer.command.host, answer.command.title), []).append(answer)

    @classmethod
    def of(cls, path: Path) -> ReplayTransport:
        """Read a transcript. ConfigError names the line that is none."""
        return cls(parse_records(text_file(path, LIMIT), str(path)), f"the transcript {path}")

    @property
    def read_only(self) -> bool:
        """Always: a transcript cannot be changed by a command."""
        return True

    async def run(self, command: Command) -> Result:
        """The recorded answer. TransportError names a question that was never recorded."""
        _permit(command)
        key = (command.host, command.title)
        if key not in self._answers:
            raise TransportError(f"{command.host}: {command.title}: not in {self._origin}")
        turn = self._asked.get(key, 0)
        self._asked[key] = turn + 1
        return replace(self._answers[key][min(turn, len(self._answers[key]) - 1)], command=command)

    async def session(self, command: Command) -> Session:
        """TransportError: nothing can be held open in a transcript."""
        _permit(command)
        raise TransportError(f"{command.host}: {command.title}: a transcript has no sessions")

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        """TransportError: a transcript has no streams."""
        return self._stream(command)

    @asynccontextmanager
    async def _stream(self, command: Command) -> AsyncIterator[ByteStream]:
        _permit(command)
        raise TransportError(f"{command.host}: {command.title}: a transcript has no streams")
        yield

    async def reconnect(self, host: str) -> None:
        """Nothing to do."""

    async def aclose(self) -> None:
        """Nothing to do."""


def _permit(command: Command) -> None:
    if command.effect is not Effect.READ:
        raise ReadOnlyRefused(f"{command.host}: {command.title} is a change, and this is a transcript")
    if missing := late_names(command):
        raise ValueError(f"{command.title}: not bound: {', '.join(missing)}")


def parse_records(text: str, origin: str) -> Iterator[Result]:
    """The answers of a transcript's text. ConfigError names the line that is none; `origin` is the file's name."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json_of(line)
            yield Result(
                Command(str(record["host"]), str(record["title"]), "", channel=Channel(record["channel"])),
                Status(record["status"]),
                _status(record["exit_status"]),
                str(record["stdout"]),
                str(record["stderr"]),
                datetime.fromisoformat(record["started"]),
                float(record.get("seconds", 0.0)),
                str(record.get("reason", "")),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{origin}:{number}: no record of a transcript: {error!r}") from error


def _status(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError(f"{str(value)[:40]!a} is no exit status")
