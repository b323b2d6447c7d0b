"""A transport that says what it carries, for the activity log."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from core.errors import SplitmountError
from core.events import CommandEnded, CommandSent, Event
from core.transport import LOST, ByteStream, Command, Effect, Result, Session, Status, Transport


class LoggedTransport:
    """A transport that says what it carries: every command, when it left, and how it came back."""

    def __init__(self, inner: Transport, emit: Callable[[Event], None]) -> None:
        """Wrap `inner`; `emit` hears CommandSent and CommandEnded."""
        self._inner = inner
        self._emit = emit
        self._numbers = itertools.count(1)

    @property
    def read_only(self) -> bool:
        """As the inner transport."""
        return self._inner.read_only

    def _sent(self, command: Command) -> tuple[int, float]:
        number = next(self._numbers)
        self._emit(CommandSent(number, datetime.now(UTC), command))
        return number, time.monotonic()

    def _ended(self, number: int, began: float, status: Status, exit_status: int | None, note: str) -> None:
        self._emit(CommandEnded(number, status, exit_status, time.monotonic() - began, note))

    async def run(self, command: Command) -> Result:
        """Send and wait, both said. A read whose connection went is asked once more over a new one: it can do no harm."""
        result = await self._once(command)
        if command.effect is Effect.READ and result.status is Status.UNKNOWN and result.reason.startswith(LOST):
            await self._inner.reconnect(command.host)
            result = await self._once(command)
        return result

    async def _once(self, command: Command) -> Result:
        number, began = self._sent(command)
        try:
            result = await self._inner.run(command)
        except SplitmountError as error:
            self._ended(number, began, Status.FAILED, None, str(error))
            raise
        self._ended(number, began, result.status, result.exit_status, result.reason or _last_line(result.stderr))
        return result

    async def session(self, command: Command) -> Session:
        """Open a held shell, said."""
        number, began = self._sent(command)
        try:
            session = await self._inner.session(command)
        except SplitmountError as error:
            self._ended(number, began, Status.FAILED, None, str(error))
            raise
        self._ended(number, began, Status.OK, None, "held open")
        return session

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        """Open a stream, said."""
        return self._stream(command)

    @contextlib.asynccontextmanager
    async def _stream(self, command: Command) -> AsyncIterator[ByteStream]:
        number, began = self._sent(command)
        status, note = Status.UNKNOWN, "left before its end"
        try:
            async with self._inner.stream(command) as stream:
                yield stream
            status, note = Status.OK, "streamed"
        finally:
            self._ended(number, began, status, None, note)

    async def reconnect(self, host: str) -> None:
        """As the inner transport."""
        await self._inner.reconnect(host)

    async def aclose(self) -> None:
        """As the inner transport."""
        await self._inner.aclose()


def _last_line(text: str) -> str:
    """What a command said last on its errors; a report's own marks are no words of the host."""
    lines = [line for line in text.strip().splitlines() if not line.startswith("@@splitmount-")]
    return lines[-1] if lines else ""
