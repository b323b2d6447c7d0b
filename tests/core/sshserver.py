"""Real SSH servers on the loopback interface: asyncssh with real shells behind it, and OpenSSH where it is installed."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import asyncssh
import pytest

from core.settings import HostSettings
from core.ssh import Limits, SshTransport

SSHD = Path("/usr/sbin/sshd")
QUICK = Limits(connect=5.0, greeting=0.5, idle=0.2, leave=1.0)

ServerProcess = asyncssh.SSHServerProcess[bytes]
Act = Callable[[ServerProcess], Awaitable[bool]]


async def _nothing(process: ServerProcess) -> bool:
    """The usual act: none, so that the command goes to a real shell."""
    return False


def start_shell(command: str) -> subprocess.Popen[bytes]:
    """A shell with pipes, in a process group of its own."""
    pipe = subprocess.PIPE
    return subprocess.Popen(["/bin/sh", "-c", command], stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True)


@dataclass
class Server:
    """One server. `act` sees every command first and answers True when it dealt with it."""

    port: int
    host_key: asyncssh.SSHKey
    client_key: Path
    act: Act = _nothing
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    shells: list[subprocess.Popen[bytes]] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(64))

    def settings(self, name: str = "alpha", jump: str = "") -> HostSettings:
        """The configuration of a host that is this server."""
        return HostSettings(name, "linux", "127.0.0.1", self.port, "op", self.client_key, jump=jump)

    def known_line(self) -> str:
        """The line that makes its key known."""
        return f"[127.0.0.1]:{self.port} {self.host_key.export_public_key().decode().strip()}\n"

    def lose(self) -> None:
        """Cut every connection without a word."""
        for connection in self.connections:
            connection.abort()
        self.connections.clear()

    async def shell(self, process: ServerProcess) -> None:
        """Run the command with a real shell, in a process group of its own; like a root login it ignores signals."""
        child = start_shell(process.command or "true")
        self.shells.append(child)
        self.begun.set()
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        feed = asyncio.create_task(self._feed(process.stdin, child.stdin))
        try:
            await asyncio.gather(self._carry(child.stdout, process.stdout), self._carry(child.stderr, process.stderr))
            code = await self._blocking(child.wait)
        finally:
            feed.cancel()
            await asyncio.wait((feed,))
        if code < 0:
            process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
        else:
            process.exit(code)

    async def _blocking(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, call, *arguments)

    async def _carry(self, pipe: IO[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        """Output to the client; to nobody when it is gone, so that the shell feels a broken pipe only at the very end."""
        with pipe:
            while data := await self._blocking(os.read, pipe.fileno(), 1 << 16):
                writer.write(data)
                await writer.drain()

    async def _feed(self, reader: asyncssh.SSHReader[bytes], pipe: IO[bytes]) -> None:
        """Input to the shell, and its end; a signal of the client is passed over."""
        with pipe, contextlib.suppress(OSError, asyncssh.Error):
            while not reader.at_eof():
                try:
                    data = await reader.read(1 << 16)
                except asyncssh.SignalReceived:
                    continue
                while data:
                    data = data[await self._blocking(os.write, pipe.fileno(), data) :]

    async def handle(self, process: ServerProcess) -> None:
        """One command. What goes wrong because a test cut the connection is what the test wanted."""
        self.commands.append(process.command or "")
        with contextlib.suppress(OSError, asyncssh.Error):
            if not await self.act(process):
                await self.shell(process)

    def end_shells(self) -> None:
        """Kill what is left of the shells, with their children."""
        for child in self.shells:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


class _Behaviour(asyncssh.SSHServer):
    """Lets anybody with the client key in, and forwards to any port and socket."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._server.connections.append(conn)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True

    def unix_connection_requested(self, dest_path: str) -> bool:
        return True


def client_key(directory: Path) -> Path:
    """A new private key in a file."""
    path = directory / "id_ed25519"
    if not path.exists():
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(path)
        path.chmod(0o600)
    return path


@asynccontextmanager
async def serve(directory: Path, act: Act = _nothing, *, host_key: asyncssh.SSHKey | None = None) -> AsyncIterator[Server]:
    """A server on a free port."""
    key = host_key or asyncssh.generate_private_key("ssh-ed25519")
    private = client_key(directory)
    authorized = asyncssh.import_authorized_keys(asyncssh.read_private_key(private).export_public_key().decode())
    server = Server(0, key, private, act)
    listener = await asyncssh.create_server(
        lambda: _Behaviour(server),
        "127.0.0.1",
        0,
        server_host_keys=[key],
        authorized_client_keys=authorized,
        process_factory=server.handle,
        encoding=None,
        line_editor=False,
    )
    server.port = listener.get_port()
    try:
        yield server
    finally:
        server.end_shells()
        server.threads.shutdown(wait=False)
        listener.close()
        server.lose()
        await listener.wait_closed()


@asynccontextmanager
async def connected(
    directory: Path, *servers: Server, read_only: bool = False, limits: Limits = QUICK
) -> AsyncIterator[SshTransport]:
    """A transport that knows the keys of the servers, as hosts alpha, beta, ..."""
    known = directory / "known_hosts"
    known.write_text("".join(server.known_line() for server in servers))
    names = ("alpha", "beta", "gamma")
    hosts = {name: server.settings(name) for name, server in zip(names, servers, strict=False)}
    transport = SshTransport(hosts, known, read_only=read_only, extra_known_hosts=(), limits=limits)
    try:
        yield transport
    finally:
        await transport.aclose()


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def openssh(directory: Path, *extra: str) -> AsyncIterator[HostSettings]:
    """A real OpenSSH server for the user who runs the tests; its key is in `directory`/known_hosts."""
    if not os.access(SSHD, os.X_OK):
        pytest.skip(f"{SSHD} is not installed")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    port, private, host = free_port(), client_key(directory), directory / "host_key"
    key = asyncssh.generate_private_key("ssh-rsa", key_size=2048) if extra else asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(host)
    host.chmod(0o600)
    authorized = directory / "authorized_keys"
    authorized.write_bytes(asyncssh.read_private_key(private).export_public_key())
    lines = [
        "ListenAddress 127.0.0.1",
        f"Port {port}",
        f"HostKey {host}",
        f"AuthorizedKeysFile {authorized}",
        "StrictModes no",
        "UsePAM no",
        "PidFile none",
        "PermitRootLogin yes",
        *extra,
    ]
    config = directory / "sshd_config"
    config.write_text("\n".join(lines) + "\n")
    daemon = await asyncio.create_subprocess_exec(
        str(SSHD), "-D", "-e", "-f", str(config), stderr=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert daemon.stderr is not None
    while b"Server listening" not in (line := await daemon.stderr.readline()):
        assert line, "sshd ended at once"
    noise = asyncio.create_task(daemon.stderr.read())
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {key.export_public_key().decode().strip()}\n")
    try:
        yield HostSettings("alpha", "linux", "127.0.0.1", port, getpass.getuser(), private, legacy=bool(extra))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(daemon.pid, signal.SIGKILL)
        await daemon.wait()
        noise.cancel()
