"""A transport whose only host is this machine: real shells, so that drivers meet real tools without a network."""

from __future__ import annotations

import asyncio
import contextlib
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

from core.errors import ReadOnlyRefused, TransportError
from core.transport import ByteStream, Command, Effect, Result, Session, Status


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


class LocalStream:
    """The pipes of a running shell."""

    def __init__(self, command: Command, process: Process) -> None:
        """Errors are read all along, so that they never stop the shell."""
        self._command, self.process = command, process
        self._started, self._began = datetime.now(UTC), time.monotonic()
        assert process.stderr is not None
        self._errors = asyncio.create_task(process.stderr.read())

    async def read(self, size: int = 1 << 20) -> bytes:
        """The next piece."""
        assert self.process.stdout is not None
        return await self.process.stdout.read(size)

    async def write(self, data: bytes) -> None:
        """Send a piece. TransportError when nobody reads."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
            await self.process.stdin.drain()
        except OSError as error:
            raise TransportError(f"{self._command.host}: nobody reads any more") from error

    async def finish(self) -> Result:
        """Close the input and wait for the end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        with contextlib.suppress(OSError):
            await self.process.stdin.wait_closed()
        out = await self.process.stdout.read()
        errors, code = await self._errors, await self.process.wait()
        status = Status.OK if code == 0 else Status.FAILED
        seconds = time.monotonic() - self._began
        return Result(self._command, status, code, _text(out), _text(errors), self._started, seconds)


class LocalSession:
    """Lines to and from a shell that is held open."""

    def __init__(self, command: Command, stream: LocalStream) -> None:
        """The stream of its pipes."""
        self._command, self.stream = command, stream

    async def send(self, line: str) -> None:
        """Write one line."""
        await self.stream.write(line.encode() + b"\n")

    async def expect(self, prefixes: tuple[str, ...], timeout: float) -> str:
        """The next line that begins with one of them; TransportError at the end, or in time."""
        assert self.stream.process.stdout is not None
        try:
            async with asyncio.timeout(timeout):
                while data := await self.stream.process.stdout.readline():
                    if (line := _text(data).rstrip("\n")).startswith(prefixes):
                        return line
        except TimeoutError as error:
            raise TransportError(f"no {prefixes} in {timeout} s") from error
        raise TransportError(f"{self._command.host}: it ended; {prefixes} was expected")

    async def close(self) -> None:
        """End its input and wait for its end."""
        await self.stream.finish()


class LocalTransport:
    """Runs every command here, whatever its host is called; `sent` remembers them all."""

    def __init__(self, *, read_only: bool = False, environment: dict[str, str] | None = None) -> None:
        """`environment` replaces the one of the tests."""
        self._read_only, self._environment = read_only, environment
        self.sent: list[Command] = []

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._read_only

    async def _start(self, command: Command, *arguments: str) -> LocalStream:
        if self._read_only and command.effect is Effect.CHANGE:
            raise ReadOnlyRefused(f"{command.title} would change {command.host}")
        self.sent.append(command)
        shell = ("/bin/sh", *arguments)
        process = await asyncio.create_subprocess_exec(*shell, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=self._environment)
        return LocalStream(command, process)

    async def run(self, command: Command) -> Result:
        """Send the script on standard input, as over SSH."""
        stream = await self._start(command, "-s")
        with contextlib.suppress(TransportError):  # the shell is gone already: its end says why
            await stream.write(command.script.encode("utf-8", "surrogateescape"))
        return await stream.finish()

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        """Send the script as an argument; its standard input and output are the stream."""
        return self._stream(command)

    @asynccontextmanager
    async def _stream(self, command: Command) -> AsyncIterator[ByteStream]:
        stream = await self._start(command, "-c", command.script)
        try:
            yield stream
        finally:
            if stream.process.returncode is None:
                await stream.finish()

    async def session(self, command: Command) -> Session:
        """A shell that is held open, its script an argument as over SSH."""
        return LocalSession(command, await self._start(command, "-c", command.script))

    async def reconnect(self, host: str) -> None:
        """There is no connection."""

    async def aclose(self) -> None:
        """There is nothing to close."""
