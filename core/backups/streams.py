"""Tar streams on their way: counted and hashed while they pass, poured into a tar on a host, and checked at their end."""

from __future__ import annotations

import asyncio
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.backups.base import Progress, Report
from core.backups.manifest import Entry, Feed, read_entries
from core.errors import CommandFailed, OutcomeUnknown, Refused, TransportError
from core.transport import ByteStream, Command, Effect, Result, Status, Transport

TOLD = 0.1  # seconds between two reports of progress
GATHERED = 256 << 10  # bytes: the work on a piece begins in a thread, which costs as much for 32 KiB as for these


async def pour(transport: Transport, command: Command, pieces: AsyncIterator[bytes], meter: Meter) -> str:
    """Send an archive into a tar; what it complained of without failing. CommandFailed also when it ended early."""
    async with transport.stream(command) as stream:
        whole = await _send(stream, pieces, meter)
        result = await stream.finish()
    if result.exit_status == 90:
        raise Refused(f"{command.host}: {result.stderr.strip()}")
    ended_well(result, "the directory holds only a part of the backup")
    if not whole:
        raise CommandFailed(f"{command.host}: {command.title}: tar ended before all was sent to it")
    return result.stderr


async def gathered(stream: ByteStream) -> AsyncIterator[bytes]:
    """The bytes of a stream in pieces that are worth a thread's beginning; only the last may be smaller."""
    held: list[bytes] = []
    size = 0
    while data := await stream.read():
        held.append(data)
        size += len(data)
        if size >= GATHERED:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


async def _send(stream: ByteStream, pieces: AsyncIterator[bytes], meter: Meter) -> bool:
    """Whether all of it was taken; the result of the stream says why not."""
    async for data in pieces:
        try:
            await stream.write(data)
        except TransportError:
            return False
        meter.passed(len(data), 0)
        meter.tell()
    meter.tell(final=True)
    return True


class Meter:
    """Counts what has passed, in the thread that reads an archive, and says so in the loop."""

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._total = report, total
        self._done, self._files, self._next = 0, 0, 0.0

    def passed(self, size: int, files: int) -> None:
        """Bytes, or whole files, have passed."""
        self._done += size
        self._files += files

    def tell(self, *, final: bool = False) -> None:
        """Report, not too often."""
        now = time.monotonic()
        if final or now >= self._next:
            self._next = now + TOLD
            self._report(Progress(self._done, max(self._total, self._done), self._files or None))


@asynccontextmanager
async def entries_of(meter: Meter) -> AsyncIterator[tuple[Feed, list[Entry]]]:
    """A feed whose tar stream is read in a thread; when the context is left, its entries are in the list."""
    feed, entries = Feed(), list[Entry]()
    reader = asyncio.create_task(asyncio.to_thread(_read, feed, meter))
    try:
        yield feed, entries
    except BaseException:
        await asyncio.to_thread(feed.end)
        await asyncio.gather(reader, return_exceptions=True)
        raise
    await asyncio.to_thread(feed.end)
    try:
        entries += await reader
    except (tarfile.TarError, ValueError) as error:
        raise CommandFailed(f"the tar stream is damaged or cut: {error}") from error
    meter.tell(final=True)


def _read(feed: Feed, meter: Meter) -> list[Entry]:
    try:
        return read_entries(feed, meter.passed)
    finally:
        feed.drain()


def answered(result: Result, said: str) -> Result:
    """The result of a good end. CommandFailed with what was `said`; OutcomeUnknown where a change's end was not seen.

    A read whose end was not seen has failed: it left nothing that could be unknown.
    """
    where = f"{result.command.host}: {result.command.title}"
    if result.status is Status.UNKNOWN:
        raise (OutcomeUnknown if result.command.effect is Effect.CHANGE else CommandFailed)(f"{where}: {result.reason}")
    if result.status is Status.FAILED:
        raise CommandFailed(f"{where}: {said}")
    return result


def ended_well(result: Result, meanwhile: str) -> None:
    """OutcomeUnknown or CommandFailed unless the exit status is zero; `meanwhile` says what there is now."""
    where = f"{result.command.host}: {result.command.title}"
    if result.status is Status.UNKNOWN:
        raise OutcomeUnknown(f"{where}: {result.reason}; {meanwhile}")
    if result.status is Status.FAILED:
        raise CommandFailed(f"{where}: exit status {result.exit_status}: {result.stderr.strip()}; {meanwhile}")
