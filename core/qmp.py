"""A client for QMP monitors: one JSON object a line, events set aside, errors as data.

A monitor serves one client at a time, so a connection is kept for a moment and then given back.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from core.errors import ReadOnlyRefused, TransportError
from core.transport import Command, Effect, Status
from core.untrusted import json_of

_KEYS = {"execute", "arguments"}
_NEGOTIATE = "qmp_capabilities"
_LOST = "the connection to the monitor was lost before the answer"


class Lines(Protocol):
    """A connection that carries lines."""

    async def line(self) -> bytes:
        """The next line with its end; empty when the other side is gone."""

    def send(self, data: bytes) -> None:
        """Send bytes. OSError when the connection is known to be gone."""

    @property
    def ended(self) -> bool:
        """True when it is known that nothing more will come."""

    def close(self) -> None:
        """Let go at once."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command's objects gave: the fields of a Result."""

    status: Status
    exit_status: int | None
    stdout: str = ""
    stderr: str = ""
    reason: str = ""


def objects(command: Command) -> tuple[dict[str, Any], ...]:
    """The objects of a command, checked before anything is sent: ValueError for text that is no QMP.

    ReadOnlyRefused names the verb of a read that would do more than query: the name of a verb is all that
    a monitor tells reads and changes apart by.
    """
    found = []
    for line in filter(str.strip, command.text.splitlines()):
        message = json.loads(line)
        if not isinstance(message, dict) or not isinstance(message.get("execute"), str) or set(message) - _KEYS:
            raise ValueError(f"{command.title}: no QMP command: {line[:80]}")
        verb = message["execute"]
        if command.effect is Effect.READ and verb != _NEGOTIATE and not verb.startswith("query-"):
            raise ReadOnlyRefused(f"{command.host}: {command.title}: {verb} is no query and was not sent")
        found.append(message)
    if not found:
        raise ValueError(f"{command.title}: no QMP command in its text")
    return tuple(found)


class QmpClient:
    """One greeted connection. Its numbers are its own, so that an answer to an earlier client is never taken for ours."""

    def __init__(self, lines: Lines) -> None:
        """Use `greet`."""
        self._lines = lines
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    @classmethod
    async def greet(cls, lines: Lines) -> QmpClient:
        """Read the greeting and enter command mode. TransportError when this is no QMP monitor."""
        client = cls(lines)
        while "QMP" not in (greeting := await client._message()):
            if not greeting:
                raise TransportError("closed before the greeting of a QMP monitor")
        answer = await client.ask({"execute": _NEGOTIATE})
        if "return" not in answer:
            raise TransportError(f"no command mode: {_said(answer)}")
        return client

    @property
    def ended(self) -> bool:
        """True when the monitor is known to be gone."""
        return self._lines.ended

    def close(self) -> None:
        """Let the monitor go to the next client."""
        self._lines.close()

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send one object and give its answer; empty when the connection was lost before it came."""
        number = f"{self._prefix}-{next(self._numbers)}"
        try:
            self._lines.send(json.dumps({**message, "id": number}).encode() + b"\n")
        except OSError:
            return {}
        while answer := await self._message():
            if answer.get("id") == number:
                return answer
        return {}

    async def _message(self) -> dict[str, Any]:
        """The next object; empty at the end, which includes a line that was cut or is no object."""
        line = await self._lines.line()
        try:
            message = json_of(line) if line.endswith(b"\n") else {}
        except ValueError:
            return {}
        return message if isinstance(message, dict) else {}


async def execute(client: QmpClient, command: Command) -> Answer:
    """Send the objects of a command one after the other, until one fails or is not answered in time."""
    out: list[str] = []
    try:
        async with asyncio.timeout(command.timeout):
            for message in objects(command):
                answer = {"return": {}} if message["execute"] == _NEGOTIATE else await client.ask(message)
                if "return" in answer:
                    out.append(json.dumps(answer["return"]) + "\n")
                elif "error" in answer:
                    return Answer(Status.FAILED, 1, "".join(out), _said(answer))
                else:
                    return Answer(Status.UNKNOWN, None, "".join(out), reason=_LOST)
    except TimeoutError:
        return Answer(Status.UNKNOWN, None, "".join(out), reason=f"no answer in {command.timeout:g} s")
    return Answer(Status.OK, 0, "".join(out))


def _said(answer: dict[str, Any]) -> str:
    error = answer.get("error")
    if not isinstance(error, dict):
        return _LOST
    return f"{error.get('class')}: {error.get('desc')}"


class Monitor:
    """A monitor behind a host: its use is one after the other, and it is given back when it was idle for a while."""

    def __init__(self, name: str, connect: Callable[[], Awaitable[Lines]], *, greeting: float, idle: float) -> None:
        """`connect` makes a new connection or raises TransportError; `greeting` and `idle` are in seconds."""
        self._name, self._connect = name, connect
        self._greeting, self._idle = greeting, idle
        self._lock = asyncio.Lock()
        self._client: QmpClient | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, command: Command) -> Answer:
        """Execute a command. A read whose kept connection turns out to be dead is asked again on a new one, once."""
        async with self._lock:
            self._keep()
            kept = self._client is not None
            answer = await self._once(command)
            if kept and command.effect is Effect.READ and answer.reason == _LOST:
                answer = await self._once(command)
            return answer

    async def _once(self, command: Command) -> Answer:
        """One attempt; the connection outlives it only when every answer was seen."""
        whole = False
        try:
            answer = await execute(await self._greeted(), command)
            whole = answer.status is not Status.UNKNOWN
        finally:
            if whole:
                self._timer = asyncio.get_running_loop().call_later(self._idle, self._expire)
            else:
                self.drop()
        return answer

    async def _greeted(self) -> QmpClient:
        if self._client is not None and self._client.ended:
            self.drop()
        if self._client is None:
            lines = await self._connect()
            try:
                async with asyncio.timeout(self._greeting):
                    self._client = await QmpClient.greet(lines)
            except TimeoutError as error:
                held = f"no greeting in {self._greeting:g} s: another console may hold this monitor"
                raise TransportError(f"{self._name}: {held}") from error
            except TransportError as error:
                raise TransportError(f"{self._name}: {error}") from error
            finally:
                if self._client is None:
                    lines.close()
        return self._client

    def _keep(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        if not self._lock.locked():
            self.drop()

    def drop(self) -> None:
        """Give the monitor back now."""
        self._keep()
        if self._client is not None:
            self._client.close()
            self._client = None
