"""Processes and sockets on an asyncssh connection: read within bounds, ended in one of three ways, dropped when left.

asyncssh returns normally, with no exit status, when a connection is lost in the middle of a command; `end_of` is where
that becomes unknown. Nothing outside `core.ssh` uses this.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncssh

from core.errors import OutcomeUnknown, TransportError
from core.transport import LOST, Command, Effect, Result, Status

Process = asyncssh.SSHClientProcess[bytes]

FLOODED = 128 + signal.SIGPIPE  # what a shell reports for a command whose reader went away
PIECE = 1 << 18
LINE_LIMIT = 64 << 20
_GONE = (OSError, asyncssh.Error)


def text_of(data: bytes) -> str:
    """Bytes from a host as text: what is not UTF-8 is shown as escapes, and nothing is lost in silence."""
    return data.decode("utf-8", "backslashreplace")


class Flood(Exception):
    """A read printed more than is kept of it."""


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended; the exit status is None exactly when that is unknown."""

    status: Status
    exit_status: int | None
    reason: str = ""


class Sink:
    """What came out of a process, up to a limit; `cut` says that there was more."""

    def __init__(self, limit: int, *, stop: bool) -> None:
        """`limit` in bytes; beyond it `stop` raises Flood, else the rest is thrown away."""
        self._limit, self._stop = limit, stop
        self._parts: list[bytes] = []
        self._size = 0
        self.cut = False

    async def fill(self, reader: asyncssh.SSHReader[bytes]) -> None:
        """Read to the end."""
        while data := await reader.read(PIECE):
            kept = data[: self._limit - self._size]
            self._parts.append(kept)
            self._size += len(kept)
            self.cut = self.cut or len(kept) < len(data)
            if self.cut and self._stop:
                raise Flood

    @property
    def text(self) -> str:
        """What was kept."""
        return text_of(b"".join(self._parts))


def end_of(process: Process, connection: asyncssh.SSHClientConnection) -> End:
    """The end of a process whose output was read to its end. A connection that is gone by now may have cut that output."""
    code, killed = process.exit_status, process.exit_signal
    if connection.is_closed() or (code is None and killed is None):
        return End(Status.UNKNOWN, None, LOST)
    if killed is not None:
        number = getattr(signal, f"SIG{killed[0]}", 0)
        return End(Status.FAILED, 128 + int(number), f"ended by signal {killed[0]}")
    return End(Status.OK if code == 0 else Status.FAILED, code)


async def open_process(connection: asyncssh.SSHClientConnection, line: str, limit: float) -> Process:
    """Start a command line. One that is only confirmed after the limit (seconds, TimeoutError) is dropped when it is."""
    opening = asyncio.ensure_future(connection.create_process(line, encoding=None, request_pty=False))
    try:
        async with asyncio.timeout(limit):
            return await asyncio.shield(opening)
    except (TimeoutError, asyncio.CancelledError):
        opening.add_done_callback(_drop_late)
        raise


def _drop_late(opening: asyncio.Future[Process]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().channel.abort()


def maybe_started(error: BaseException, connection: asyncssh.SSHClientConnection) -> bool:
    """Whether a command line that could not be confirmed may run all the same: it was sent, and no refusal came back."""
    if isinstance(error, asyncssh.ChannelOpenError):
        return error.code == asyncssh.OPEN_REQUEST_SESSION_FAILED and connection.is_closed()
    return True


async def run_script(
    connection: asyncssh.SSHClientConnection, process: Process, command: Command, limit: int
) -> tuple[Result, bool]:
    """Feed the script to a waiting shell and wait for its end; True beside the result when the shell was left behind.

    Only a read is left behind, at its timeout or when it floods (`limit`, bytes); a change is waited for.
    """
    started, began = datetime.now(UTC), time.monotonic()
    read = command.effect is Effect.READ
    out, err = Sink(limit, stop=read), Sink(limit, stop=read)
    left = False
    try:
        async with asyncio.timeout(command.timeout if read else None):
            with contextlib.suppress(OSError):  # a shell that is gone already: its output and end say why
                process.stdin.write(command.script.encode("utf-8", "surrogateescape"))
                process.stdin.write_eof()
            await asyncio.gather(out.fill(process.stdout), err.fill(process.stderr))
            await process.wait_closed()
        end = end_of(process, connection)
    except TimeoutError:
        end, left = End(Status.UNKNOWN, None, f"no answer in {command.timeout:g} s"), True
    except Flood:
        end, left = End(Status.FAILED, FLOODED, f"more than {limit} bytes of output; it was stopped"), True
    except _GONE as error:
        end = End(Status.UNKNOWN, None, f"{LOST}: {error}")
    finally:
        let_go(process)
    reason = end.reason or (f"output beyond {limit} bytes was not kept" if out.cut or err.cut else "")
    seconds = time.monotonic() - began
    return Result(command, end.status, end.exit_status, out.text, err.text, started, seconds, reason), left


def let_go(process: Process) -> None:
    """Drop the channel, with a hint to the other side to end; a root login or an old server ignores the hint."""
    with contextlib.suppress(*_GONE):
        if process.exit_status is None:
            process.terminate()
    process.channel.abort()


class SshLines:
    """Lines over a forwarded socket, whatever their length; asyncssh hands out long ones in pieces."""

    def __init__(self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        """Take over both ends."""
        self._reader, self._writer = reader, writer

    async def line(self) -> bytes:
        """The next line with its end; empty when the other side is gone."""
        parts, size = [], 0
        try:
            while piece := await self._reader.readline():
                parts.append(piece)
                size += len(piece)
                if piece.endswith(b"\n"):
                    return b"".join(parts)
                if size > LINE_LIMIT:
                    return b""
        except _GONE:
            return b""
        return b""

    def send(self, data: bytes) -> None:
        """Send bytes. OSError when the channel is closed."""
        self._writer.write(data)

    @property
    def ended(self) -> bool:
        """True when the other side is known to be gone."""
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        """Let go at once."""
        self._writer.channel.abort()


class SshSession:
    """A held shell."""

    def __init__(self, command: Command, process: Process, limit: int, release: Callable[[], None]) -> None:
        """`limit` bounds what is kept of the error output, in bytes; `release` is called once, at the close."""
        self._where = f"{command.host}: {command.title}"
        self._process, self._release = process, release
        self._errors = Sink(limit, stop=False)
        self._reading = asyncio.create_task(self._errors.fill(process.stderr))
        self._open = True

    async def send(self, line: str) -> None:
        """Write one line. TransportError when nobody can read it any more."""
        try:
            self._process.stdin.write(line.encode() + b"\n")
            await self._process.stdin.drain()
        except _GONE as error:
            raise TransportError(f"{self._where}: {self._ended()}") from error

    async def expect(self, prefixes: tuple[str, ...], timeout: float) -> str:
        """The next line that begins with one of the prefixes; others are passed over. TransportError when none comes."""
        wanted = " or ".join(prefixes)
        try:
            async with asyncio.timeout(timeout):
                while data := await self._process.stdout.readline():
                    line = text_of(data).rstrip("\r\n")
                    if line.startswith(prefixes):
                        return line
                await asyncio.wait((self._reading,))
                await self._process.wait_closed()
        except TimeoutError as error:
            raise TransportError(f"{self._where}: no {wanted} in {timeout:g} s") from error
        except _GONE as error:
            raise TransportError(f"{self._where}: {LOST}") from error
        raise TransportError(f"{self._where}: {self._ended()}; {wanted} was expected")

    def _ended(self) -> str:
        said = self._errors.text.strip()[-500:]
        if self._process.exit_status is None:
            return LOST
        return f"ended with exit status {self._process.exit_status}{': ' if said else ''}{said}"

    async def close(self, limit: float = 5.0) -> None:
        """End the standard input, give the other side `limit` seconds to let go of what it holds, and drop the channel."""
        if not self._open:
            return
        self._open = False
        try:
            with contextlib.suppress(*_GONE):
                self._process.stdin.write_eof()
            with contextlib.suppress(TimeoutError, *_GONE):
                async with asyncio.timeout(limit):
                    while await self._process.stdout.read(PIECE):
                        pass
                    await self._process.wait_closed()
        finally:
            let_go(self._process)
            await settle(self._reading)
            self._release()


class SshStream:
    """Bytes of a running command. A lost connection ends the bytes, and `finish` then says unknown."""

    def __init__(self, connection: asyncssh.SSHClientConnection, process: Process, command: Command, limit: int) -> None:
        """`limit` bounds what is kept of the text that `finish` gives, in bytes."""
        self._connection, self._process, self._command, self._limit = connection, process, command, limit
        self._started, self._began = datetime.now(UTC), time.monotonic()
        self._errors = Sink(limit, stop=False)
        self._reading = asyncio.create_task(self._errors.fill(process.stderr))
        self._result: Result | None = None

    async def read(self, size: int = 1 << 20) -> bytes:
        """The next piece; empty at the end, which `finish` judges."""
        try:
            return await self._process.stdout.read(size)
        except _GONE:
            return b""

    async def write(self, data: bytes) -> None:
        """Send a piece. TransportError when nobody reads it: the command ended early, or the connection; see `finish`."""
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except _GONE as error:
            await asyncio.wait((self._reading,), timeout=1.0)  # what it said last is on its way
            said = self._errors.text.strip()[-500:]
            why = LOST if self._process.exit_status is None else f"it ended with exit status {self._process.exit_status}"
            where = f"{self._command.host}: {self._command.title}"
            raise TransportError(f"{where}: nobody reads any more: {why}{': ' if said else ''}{said}") from error

    async def finish(self) -> Result:
        """Close the input, wait for the end and judge it; a read is waited for as long as its timeout says."""
        if self._result is None:
            self._result = await self._finish()
        return self._result

    async def _finish(self) -> Result:
        read = self._command.effect is Effect.READ
        out = Sink(self._limit, stop=False)
        try:
            async with asyncio.timeout(self._command.timeout if read else None):
                with contextlib.suppress(OSError):
                    self._process.stdin.write_eof()
                await asyncio.gather(out.fill(self._process.stdout), self._reading)
                await self._process.wait_closed()
            end = end_of(self._process, self._connection)
        except TimeoutError:
            end = End(Status.UNKNOWN, None, f"no end in {self._command.timeout:g} s after its output was read")
        except _GONE as error:
            end = End(Status.UNKNOWN, None, f"{LOST}: {error}")
        seconds = time.monotonic() - self._began
        return Result(
            self._command, end.status, end.exit_status, out.text, self._errors.text, self._started, seconds, end.reason
        )

    async def leave(self, limit: float) -> None:
        """Let go. A change that was not finished sees the end of its input and has `limit` seconds to end by itself."""
        try:
            if self._result is None and self._command.effect is not Effect.READ:
                with contextlib.suppress(TimeoutError, *_GONE):
                    async with asyncio.timeout(limit):
                        await self._finish()
        finally:
            let_go(self._process)
            await settle(self._reading)


async def settle(task: asyncio.Task[None]) -> None:
    """Cancel a helper task and wait until it is over."""
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()


def not_opened(command: Command, error: BaseException, connection: asyncssh.SSHClientConnection) -> Exception:
    """What to raise for a command line that was not confirmed: unknown for a change that may have begun."""
    where = f"{command.host}: {command.title}"
    if command.effect is not Effect.READ and maybe_started(error, connection):
        return OutcomeUnknown(f"{where}: the connection was lost while it was started: {error}")
    return TransportError(f"{where}: {error}")
