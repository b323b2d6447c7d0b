"""A client for one QMP monitor: JSON lines, events set aside, errors as data."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any, Protocol

from core.errors import ReadOnlyRefused, TransportError
from core.transport import Command, Status

Answer = tuple[Status, int | None, str, str, str]


class _Reader(Protocol):
    async def readline(self) -> bytes: ...


class _Writer(Protocol):
    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...


def refuse_writes(command: Command) -> None:
    """A read may only query; anything else in it is refused, whoever built it. ReadOnlyRefused names the verb."""
    for line in command.text.splitlines():
        verb = json.loads(line)["execute"]
        if not str(verb).startswith("query-"):
            raise ReadOnlyRefused(f"{command.host}: {command.title}: {verb} is no query and was not sent")


class QmpClient:
    """One greeted connection."""

    def __init__(self, reader: _Reader, writer: _Writer) -> None:
        """Use `greet`."""
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)

    @classmethod
    async def greet(cls, reader: _Reader, writer: _Writer, host: str, socket: str) -> QmpClient:
        """Read the greeting and enter command mode. TransportError when this is no QMP monitor."""
        client = cls(reader, writer)
        greeting = await client._message()
        if greeting is None or "QMP" not in greeting:
            raise TransportError(f"{host}: {socket}: no QMP greeting; is it the monitor of a storage daemon?")
        answer = await client._ask({"execute": "qmp_capabilities"})
        if answer is None or "return" not in answer:
            raise TransportError(f"{host}: {socket}: the monitor refused its capabilities")
        return client

    async def execute(self, command: Command) -> Answer:
        """Send the objects of a command one after the other, until one fails."""
        out: list[str] = []
        for line in command.text.splitlines():
            if not line.strip():
                continue
            try:
                async with asyncio.timeout(command.timeout):
                    answer = await self._ask(json.loads(line))
            except TimeoutError:
                return Status.UNKNOWN, None, "\n".join(out), "", f"no answer in {command.timeout:.0f} s"
            if answer is None:
                return Status.UNKNOWN, None, "\n".join(out), "", "the connection was lost before the answer"
            if "error" in answer:
                error = answer["error"]
                return Status.FAILED, 1, "\n".join(out), f"{error.get('class')}: {error.get('desc')}", ""
            out.append(json.dumps(answer["return"]))
        return Status.OK, 0, "\n".join(out), "", ""

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any] | None:
        number = next(self._numbers)
        try:
            self._writer.write(json.dumps({**message, "id": number}).encode() + b"\n")
        except OSError:
            return None
        while (answer := await self._message()) is not None:
            if answer.get("id") == number:
                return answer
        return None

    async def _message(self) -> dict[str, Any] | None:
        try:
            line = await self._reader.readline()
        except (OSError, asyncio.IncompleteReadError):
            return None
        return json.loads(line) if line.endswith(b"\n") else None

    def close(self) -> None:
        """Let the monitor go to the next client."""
        self._writer.close()
