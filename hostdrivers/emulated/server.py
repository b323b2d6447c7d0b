"""SSH in front of an emulated host: real servers on loopback, with real keys, that hand scripts to the host's shell."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncssh

from hostdrivers.emulated.machine import Machine

Process = asyncssh.SSHServerProcess[bytes]


class Door(asyncssh.SSHServer):
    """Lets in whoever holds the key, and remembers connections so that an accident can cut them."""

    def __init__(self, front: Front) -> None:
        """One for each connection."""
        self._front = front

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Remember it; a dead host takes none."""
        self._front.connections.add(conn)
        if self._front.dead:
            conn.abort()

    def begin_auth(self, username: str) -> bool:
        """A key is needed, whatever the name."""
        return True


class Front:
    """The server of one host."""

    def __init__(self, machine: Machine, host_key: asyncssh.SSHKey) -> None:
        """`host_key` is what the estate's known_hosts says."""
        self.machine = machine
        self.host_key = host_key
        self.port = 0
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.commands: list[str] = []
        self.dead = False
        self.lose_changes: set[str] | None = None  # an accident: scripts during which the connection went already
        self._pumps: set[asyncio.Task[None]] = set()
        self._listener: asyncssh.SSHAcceptor | None = None

    async def listen(self, client_key: Path) -> None:
        """Serve on a free port of the loopback interface."""
        public = asyncssh.read_private_key(client_key).export_public_key().decode()
        self._listener = await asyncssh.create_server(
            lambda: Door(self),
            "127.0.0.1",
            0,
            server_host_keys=[self.host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(public),
            process_factory=self._handle,
            encoding=None,
            line_editor=True,
        )
        self.port = self._listener.get_port()

    def known_line(self) -> str:
        """The line for known_hosts."""
        return f"[127.0.0.1]:{self.port} {self.host_key.export_public_key().decode().strip()}\n"

    def cut(self) -> None:
        """Lose every connection without a word."""
        for connection in self.connections:
            connection.abort()
        self.connections.clear()

    async def close(self) -> None:
        """Stop serving."""
        self.cut()
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()

    async def _handle(self, process: Process) -> None:
        with contextlib.suppress(OSError, asyncssh.Error):
            if process.command is None:
                await self._login(process)
                return
            code = await self._command(process, process.command)
            process.exit(code)

    async def _command(self, process: Process, command: str) -> int:
        script, lines = command, None
        if command in ("/bin/sh -s", "/bin/sh", "sh"):
            script = (await process.stdin.read()).decode("utf-8", "surrogateescape")
        else:
            words = _words(command)
            if words[:2] in (["/bin/sh", "-c"], ["sh", "-c"]) and len(words) == 3:
                script = words[2]
            if (counted := re.match(r"s=`dd bs=1 count=(\d+) ", script)) is not None:  # the script comes first on the input
                script = (await process.stdin.readexactly(int(counted[1]))).decode("utf-8", "surrogateescape")
            lines = await _pump(process, self._pumps)
        self.commands.append(script)
        if "launch && look" in script:
            self._strike(script)

        async def out(data: bytes) -> None:
            if data.startswith(b"frozen"):
                self._strike(script)
            process.stdout.write(data)
            await process.stdout.drain()

        async def err(data: bytes) -> None:
            process.stderr.write(data)

        return await self.machine.run(script, _safely(out), _safely(err), lines)

    def _strike(self, script: str) -> None:
        """Lose the connection in the middle of a change, where that accident is on: once for each change."""
        if self.lose_changes is not None and (job := _job(script)) not in self.lose_changes:
            self.lose_changes.add(job)
            self.cut()

    async def _login(self, process: Process) -> None:
        """A person at the keyboard: one line at a time, in a shell that stays the same."""
        shell = self.machine.shell()
        process.stdout.write(self.machine.greeting().encode())
        while True:
            process.stdout.write(b"# ")
            try:
                line = await process.stdin.readline()
            except asyncssh.BreakReceived:
                process.stdout.write(b"\r\n")
                continue
            except (asyncssh.SignalReceived, asyncssh.TerminalSizeChanged):
                continue
            if not line or line.strip() in (b"exit", b"logout"):
                break

            async def say(data: bytes) -> None:
                process.stdout.write(data)
                await process.stdout.drain()

            async def complain(data: bytes) -> None:
                await say(self.machine.in_own_words(data))

            done = await shell.execute(line.decode("utf-8", "replace"), capture=False, stdout=say, stderr=complain)
            if done.error is not None:
                await say(f"sh: {done.error}\n".encode())
            self.machine.sync()
        process.exit(0)


def _job(script: str) -> str:
    """What tells a job from another, however often its launch is sent: marks are fresh each time."""
    return re.sub(r"@@[0-9a-f]{16}", "", script)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _safely(write: Callable[[bytes], Awaitable[None]]) -> Callable[[bytes], Awaitable[None]]:
    """Output to a client that may be gone: the script goes on, as on a host."""

    async def sink(data: bytes) -> None:
        with contextlib.suppress(OSError, asyncssh.Error):
            await write(data)

    return sink


async def _pump(process: Process, tasks: set[asyncio.Task[None]]) -> asyncio.StreamReader:
    """The channel's input as a stream that ends when the client is gone."""
    lines = asyncio.StreamReader(limit=1 << 26)

    async def feed() -> None:
        try:
            while data := await process.stdin.read(1 << 16):
                lines.feed_data(data)
        except (OSError, asyncssh.Error, asyncssh.SignalReceived, asyncssh.BreakReceived):
            pass
        finally:
            lines.feed_eof()

    task = asyncio.create_task(feed())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return lines
