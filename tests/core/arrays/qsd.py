"""A real qemu-storage-daemon on small files, and a transport that speaks QMP to it directly."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from core.errors import TransportError
from core.qmp import Monitor
from core.transport import ByteStream, Command, Result, Session

TRACK = 65536
SIZE = 64 * TRACK
NODES = ("std0", "std1", "bcv0", "bcv1")


class _Lines:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def line(self) -> bytes:
        return await self._reader.readline()

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    @property
    def ended(self) -> bool:
        return self._reader.at_eof()

    def close(self) -> None:
        self._writer.close()


class Daemon:
    """The daemon: started, killed, started again; its devices as files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.socket, self.nbd = root / "qmp", root / "nbd"
        for node in NODES:
            (root / node).write_bytes(bytes(SIZE))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until its socket is there."""
        self.socket.unlink(missing_ok=True)
        self.nbd.unlink(missing_ok=True)
        program = shutil.which("qemu-storage-daemon")
        assert program is not None
        command = [program, "--chardev", f"socket,id=m,path={self.socket},server=on,wait=off", "--monitor", "chardev=m"]
        command += ["--nbd-server", f"addr.type=unix,addr.path={self.nbd}"]
        for node in NODES:
            command += ["--blockdev", f"driver=raw,node-name={node},file.driver=file,file.filename={self.root / node}"]
            if node.startswith("std"):
                command += ["--export", f"type=nbd,id={node},node-name={node},name={node},writable=on"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not (self.socket.exists() and self.nbd.exists()):
            assert time.monotonic() < end, "the daemon did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def write(self, node: str, byte: int, track: int, tracks: int = 1) -> None:
        """Write through the node's export, as its host would."""
        act = f"write -P {byte} {track * TRACK} {tracks * TRACK}"
        subprocess.run(
            ["qemu-io", "-f", "raw", "-c", act, f"nbd:unix:{self.nbd}:exportname={node}"], check=True, capture_output=True
        )

    @contextmanager
    def opened(self, node: str) -> Iterator[None]:
        """A client that keeps the node's export open."""
        where = f"nbd:unix:{self.nbd}:exportname={node}"
        with subprocess.Popen(["qemu-io", "-f", "raw", where], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(b"read 0 512\n")
            client.stdin.flush()
            while b"512" not in client.stdout.readline():
                assert client.poll() is None, "the client could not open the export"
            try:
                yield
            finally:
                client.kill()

    def read(self, node: str) -> bytes:
        """The device's bytes."""
        return (self.root / node).read_bytes()


class QmpTransport:
    """Carries QMP to the daemon, and nothing else."""

    read_only = False

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._monitor = Monitor("array", self._connect, greeting=5, idle=5)

    async def _connect(self) -> _Lines:
        try:
            return _Lines(*await asyncio.open_unix_connection(self._daemon.socket, limit=1 << 24))
        except OSError as error:
            raise TransportError(f"array: {error}") from error

    async def run(self, command: Command) -> Result:
        answer = await self._monitor.run(command)
        now = datetime.now(UTC)
        return Result(command, answer.status, answer.exit_status, answer.stdout, answer.stderr, now, 0.0, answer.reason)

    async def session(self, command: Command) -> Session:
        raise TransportError("no sessions here")

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        return self._stream()

    @asynccontextmanager
    async def _stream(self) -> AsyncIterator[ByteStream]:
        raise TransportError("no streams here")
        yield

    async def reconnect(self, host: str) -> None:
        self._monitor.drop()

    async def aclose(self) -> None:
        self._monitor.drop()
