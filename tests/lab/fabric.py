"""The paths between array and hosts: one unix socket for each device, relayed to the daemon's NBD server.

qemu's NBD client waits up to 16 s between its attempts to reach an export that is gone. So a path accepts at once, keeps
the client waiting in its handshake, and lets it through within a tenth of a second after the export is back.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CHUNK = 1 << 20
POLL_SECONDS = 0.05
OPTION_MAGIC = b"IHAVEOPT"
OPTION_LIST = 3
REPLY_ACK = 1
REPLY_SERVER = 2
FIXED_NEWSTYLE = 1


@dataclass(slots=True)
class Exports:
    """Which exports the array shows now; paths wait on it."""

    names: frozenset[str] = frozenset()
    listings: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, name: str) -> None:
        """Return as soon as a listing begun after this call shows the export; an older one may be out of date."""
        async with self.changed:
            begun = self.listings + 2
            await self.changed.wait_for(lambda: self.listings >= begun and name in self.names)

    async def set(self, names: frozenset[str]) -> None:
        """Tell the waiting paths what is there now."""
        async with self.changed:
            self.names = names
            self.listings += 1
            self.changed.notify_all()


async def watch(array_socket: Path, exports: Exports) -> None:
    """Ask the array for its list of exports over and over, on one connection as long as that lives."""
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(str(array_socket))
            try:
                await _greet(reader, writer)
                while True:
                    await exports.set(await _list_exports(reader, writer))
                    await asyncio.sleep(POLL_SECONDS)
            finally:
                writer.close()
        except (OSError, asyncio.IncompleteReadError):
            await exports.set(frozenset())
            await asyncio.sleep(POLL_SECONDS)


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(18)  # NBDMAGIC, IHAVEOPT, two bytes of flags
    writer.write(struct.pack(">I", FIXED_NEWSTYLE))
    await writer.drain()


async def _list_exports(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> frozenset[str]:
    writer.write(OPTION_MAGIC + struct.pack(">II", OPTION_LIST, 0))
    await writer.drain()
    names: set[str] = set()
    while True:
        _, _, kind, length = struct.unpack(">QIII", await reader.readexactly(20))
        body = await reader.readexactly(length)
        if kind == REPLY_SERVER:
            (size,) = struct.unpack(">I", body[:4])
            names.add(body[4 : 4 + size].decode())
        elif kind == REPLY_ACK:
            return frozenset(names)
        else:
            raise OSError(f"the array answered the list of exports with {kind:#x}")


async def relay(
    name: str,
    array_socket: Path,
    exports: Exports,
    host_reader: asyncio.StreamReader,
    host_writer: asyncio.StreamWriter,
) -> None:
    """Serve one connection of a host: wait for the export, then carry bytes until either side ends."""
    try:
        await exports.wait_for(name)
        array_reader, array_writer = await asyncio.open_unix_connection(str(array_socket), limit=CHUNK)
    except OSError:
        host_writer.close()
        return
    ways = [
        asyncio.ensure_future(_carry(host_reader, array_writer)),
        asyncio.ensure_future(_carry(array_reader, host_writer)),
    ]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    host_writer.close()
    array_writer.close()
    await asyncio.gather(*ways)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        return  # the other side went away: that is how a device becomes not ready


async def serve(array_socket: Path, directory: Path, names: list[str]) -> None:
    """Open a path for each device and keep all of them up until the process is ended."""
    exports = Exports()
    servers = []
    for name in names:
        path = directory / name
        servers.append(await asyncio.start_unix_server(_path(name, array_socket, exports), str(path), limit=CHUNK))
    await watch(array_socket, exports)


def _path(name: str, array_socket: Path, exports: Exports) -> Connected:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay(name, array_socket, exports, reader, writer)

    return connected


if __name__ == "__main__":
    Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
