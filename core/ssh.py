"""asyncssh behind the seam: one kept connection a host, verified host keys, and outcomes that know *unknown*.

asyncssh returns normally with no exit status when a connection is lost in the middle of a command; here, and only here,
that is turned into Status.UNKNOWN.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh

from core.errors import HostKeyChanged, HostKeyUnknown, ReadOnlyRefused, TransportError
from core.qmp import QmpClient, refuse_writes
from core.settings import HostSettings
from core.transport import ByteStream, Channel, Command, Effect, Result, Session, Status, late_names

CONNECT_LIMIT = 20.0
HANDSHAKES = 16
CHANNELS = 6
OUTPUT_LIMIT = 64 << 20
QMP_IDLE = 2.0
SHELL = "/bin/sh -s"
_LOST = "the connection was lost before the end was seen"
_LEGACY: Mapping[str, str] = {
    "kex_algs": "+diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1,diffie-hellman-group1-sha1",
    "encryption_algs": "+aes128-cbc,aes256-cbc,3des-cbc",
    "mac_algs": "+hmac-sha1,hmac-md5",
    "signature_algs": "+ssh-rsa",
}


def text_of(data: bytes) -> str:
    """Bytes from a host as text: what is not UTF-8 is shown as escapes, and nothing is lost in silence."""
    return data.decode("utf-8", "backslashreplace")


class _Host:
    """One host: its connection, and the locks that keep handshakes and channels few."""

    def __init__(self, settings: HostSettings) -> None:
        self.settings = settings
        self.lock = asyncio.Lock()
        self.channels = asyncio.Semaphore(CHANNELS)
        self.connection: asyncssh.SSHClientConnection | None = None
        self.monitors: dict[str, _Monitor] = {}

    def alive(self) -> asyncssh.SSHClientConnection | None:
        connection = self.connection
        return None if connection is None or connection.is_closed() else connection


class _Monitor:
    """A control socket behind a host: one client at a time, closed when it was idle, since others need it too."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.client: QmpClient | None = None
        self.closing: asyncio.TimerHandle | None = None

    def drop(self) -> None:
        if self.closing is not None:
            self.closing.cancel()
        if self.client is not None:
            self.client.close()
        self.client = self.closing = None

    def close_when_idle(self) -> None:
        self.closing = asyncio.get_running_loop().call_later(QMP_IDLE, self._idle)

    def _idle(self) -> None:
        if not self.lock.locked():
            self.drop()


class SshTransport:
    """The transport over SSH. Changes are refused here, before anything is sent, when it was built read-only."""

    def __init__(
        self,
        hosts: Mapping[str, HostSettings],
        known_hosts: Path,
        *,
        read_only: bool,
        extra_known_hosts: Sequence[Path] | None = None,
    ) -> None:
        """Nothing is connected yet. `known_hosts` is ours; the user's and the system's are read beside it."""
        extra = (Path.home() / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts"))
        self._hosts = {name: _Host(settings) for name, settings in hosts.items()}
        self._known = (known_hosts, *(extra if extra_known_hosts is None else extra_known_hosts))
        self._read_only = read_only
        self._handshakes = asyncio.Semaphore(HANDSHAKES)
        self._keys: dict[Path, asyncssh.SSHKey] = {}

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._read_only

    # --- connections ------------------------------------------------------------------------------------------------

    def _host(self, name: str) -> _Host:
        if name not in self._hosts:
            raise TransportError(f"{name}: no such host in the configuration")
        return self._hosts[name]

    async def _connection(self, name: str) -> asyncssh.SSHClientConnection:
        host = self._host(name)
        async with host.lock:
            alive = host.alive()
            if alive is None:
                tunnel = await self._connection(host.settings.jump) if host.settings.jump else None
                async with self._handshakes:
                    alive = host.connection = await self._connect(host.settings, tunnel)
            return alive

    async def _connect(
        self, settings: HostSettings, tunnel: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHClientConnection:
        where = f"{settings.name} ({settings.address} port {settings.port})"
        try:
            async with asyncio.timeout(CONNECT_LIMIT + 10):
                return await asyncssh.connect(**self._options(settings, tunnel))
        except asyncssh.HostKeyNotVerifiable as error:
            raise self._key_error(settings, where) from error
        except asyncssh.PermissionDenied as error:
            raise TransportError(
                f"{where}: not let in as {settings.user or 'this user'}: {error.reason}; check the key"
            ) from error
        except TimeoutError as error:
            raise TransportError(f"{where}: no answer in {CONNECT_LIMIT:.0f} s") from error
        except (OSError, asyncssh.Error) as error:
            raise TransportError(f"{where}: {error}") from error

    def _options(self, settings: HostSettings, tunnel: asyncssh.SSHClientConnection | None) -> dict[str, Any]:
        options: dict[str, Any] = {
            "host": settings.address,
            "port": settings.port,
            "known_hosts": self._known_for(settings),
            "connect_timeout": CONNECT_LIMIT,
            "login_timeout": CONNECT_LIMIT,
            "keepalive_interval": 15,
            "keepalive_count_max": 3,
            "preferred_auth": ["publickey"],
            "disable_trivial_auth": True,
            "config": [],
        }
        if settings.user:
            options["username"] = settings.user
        if settings.key is not None:
            options |= {"client_keys": [self._key(settings.key)], "agent_path": None}
        if tunnel is not None:
            options["tunnel"] = tunnel
        return options | (dict(_LEGACY) if settings.legacy else {})

    def _key(self, path: Path) -> asyncssh.SSHKey:
        if path not in self._keys:
            try:
                self._keys[path] = asyncssh.read_private_key(path)
            except (OSError, asyncssh.KeyImportError) as error:
                raise TransportError(
                    f"{path}: the private key cannot be used: {error}; an encrypted key belongs in the agent"
                ) from error
        return self._keys[path]

    def _known_for(self, settings: HostSettings) -> Any:
        """The known keys, from every file that exists. An empty set verifies nothing, and so refuses."""
        texts = []
        for path in self._known:
            with contextlib.suppress(FileNotFoundError):
                texts.append(path.read_text())
        return asyncssh.import_known_hosts("\n".join(texts))

    def _key_error(self, settings: HostSettings, where: str) -> TransportError:
        keys = self._known_for(settings).match(settings.address, settings.address, settings.port)
        if keys[0] or keys[1]:
            return HostKeyChanged(
                f"{where} shows another key than the known one. Someone may be in between, or the host was installed anew. "
                "Find out which; only then remove the old line from known_hosts by hand."
            )
        return HostKeyUnknown(
            f"{where}: its host key is not known; look at it and store it with: splitmount trust {settings.name}"
        )

    async def reconnect(self, host: str) -> None:
        """Drop the connection, if any, and make a new one."""
        entry = self._host(host)
        for monitor in entry.monitors.values():
            monitor.drop()
        if entry.connection is not None:
            entry.connection.abort()
            entry.connection = None
        await self._connection(host)

    async def aclose(self) -> None:
        """Close every connection, within a bounded time."""
        for host in self._hosts.values():
            for monitor in host.monitors.values():
                monitor.drop()
            if host.connection is not None:
                host.connection.close()
                with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
                    async with asyncio.timeout(2):
                        await host.connection.wait_closed()

    def _permit(self, command: Command) -> None:
        if self._read_only and command.effect is not Effect.READ:
            raise ReadOnlyRefused(f"read-only: {command.host}: {command.title} is a change and was not sent")
        if command.channel is Channel.QMP and command.effect is Effect.READ:
            refuse_writes(command)
        if missing := late_names(command):
            raise ValueError(f"{command.title}: not bound: {', '.join(missing)}")

    # --- commands ---------------------------------------------------------------------------------------------------

    async def run(self, command: Command) -> Result:
        """Send one command and wait for its end."""
        self._permit(command)
        host = self._host(command.host)
        connection = await self._connection(command.host)
        async with host.channels:
            if command.channel is Channel.QMP:
                return await self._qmp(host, connection, command)
            return await self._shell(connection, command)

    async def _shell(self, connection: asyncssh.SSHClientConnection, command: Command) -> Result:
        started, began = datetime.now(UTC), time.monotonic()

        def result(status: Status, code: int | None, out: bytes, err: bytes, reason: str = "") -> Result:
            return Result(command, status, code, text_of(out), text_of(err), started, time.monotonic() - began, reason)

        limit = command.timeout if command.effect is Effect.READ else None
        try:
            async with asyncio.timeout(limit):
                process = await connection.create_process(SHELL, encoding=None)
        except TimeoutError:
            return result(Status.UNKNOWN, None, b"", b"", f"no channel in {command.timeout:.0f} s")
        except (OSError, asyncssh.Error) as error:
            raise TransportError(f"{command.host}: {command.title}: {error}") from error
        try:
            async with asyncio.timeout(limit):
                process.stdin.write(command.script.encode())
                process.stdin.write_eof()
                out, err = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
                await process.wait_closed()
        except TimeoutError:
            process.terminate()
            process.channel.abort()
            return result(Status.UNKNOWN, None, b"", b"", f"no answer in {command.timeout:.0f} s")
        except _TooMuch:
            process.channel.abort()
            return result(Status.UNKNOWN, None, b"", b"", f"more than {OUTPUT_LIMIT} bytes of output; the rest was not read")
        except (OSError, asyncssh.Error) as error:
            return result(Status.UNKNOWN, None, b"", b"", f"{_LOST}: {error}")
        code = process.exit_status
        if code is None or code < 0:
            return result(Status.UNKNOWN, None, out, err, _LOST if process.exit_signal is None else "killed by a signal")
        return result(Status.OK if code == 0 else Status.FAILED, code, out, err)

    async def _qmp(self, host: _Host, connection: asyncssh.SSHClientConnection, command: Command) -> Result:
        started, began = datetime.now(UTC), time.monotonic()
        monitor = host.monitors.setdefault(command.socket, _Monitor())
        async with monitor.lock:
            if monitor.closing is not None:
                monitor.closing.cancel()
            if monitor.client is None:
                monitor.client = await self._greet(connection, command)
            status, code, out, err, reason = await monitor.client.execute(command)
            if status is Status.UNKNOWN:
                monitor.drop()
            else:
                monitor.close_when_idle()
        return Result(command, status, code, out, err, started, time.monotonic() - began, reason)

    async def _greet(self, connection: asyncssh.SSHClientConnection, command: Command) -> QmpClient:
        try:
            async with asyncio.timeout(CONNECT_LIMIT):
                reader, writer = await connection.open_unix_connection(command.socket, encoding=None)
                return await QmpClient.greet(reader, writer, command.host, command.socket)
        except TimeoutError as error:
            raise TransportError(
                f"{command.host}: {command.socket}: no greeting in {CONNECT_LIMIT:.0f} s: another console may hold it"
            ) from error
        except (OSError, asyncssh.Error) as error:
            raise TransportError(f"{command.host}: {command.socket}: {error}") from error

    async def session(self, command: Command) -> Session:
        """Open a held shell."""
        self._permit(command)
        process = await self._process(command)
        return _SshSession(command, process)

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        """Run a command with a stream of bytes."""
        return self._stream(command)

    @asynccontextmanager
    async def _stream(self, command: Command) -> AsyncIterator[ByteStream]:
        self._permit(command)
        process = await self._process(command)
        stream = _SshStream(command, process)
        try:
            yield stream
        finally:
            await stream.drop()

    async def _process(self, command: Command) -> asyncssh.SSHClientProcess[bytes]:
        """A process that takes its script as an argument, because its standard input is needed for something else."""
        import shlex

        connection = await self._connection(command.host)
        try:
            return await connection.create_process(f"/bin/sh -c {shlex.quote(command.script)}", encoding=None)
        except (OSError, asyncssh.Error) as error:
            raise TransportError(f"{command.host}: {command.title}: {error}") from error


class _TooMuch(Exception):
    """A host printed more than we are willing to hold."""


async def _bounded(reader: asyncssh.SSHReader[bytes]) -> bytes:
    parts, size = [], 0
    while data := await reader.read(1 << 18):
        size += len(data)
        if size > OUTPUT_LIMIT:
            raise _TooMuch
        parts.append(data)
    return b"".join(parts)


class _SshSession:
    """Lines in, lines out."""

    def __init__(self, command: Command, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._command, self._process = command, process

    async def send(self, line: str) -> None:
        """Write one line."""
        try:
            self._process.stdin.write(line.encode() + b"\n")
            await self._process.stdin.drain()
        except (OSError, asyncssh.Error) as error:
            raise TransportError(f"{self._command.host}: {self._command.title}: {_LOST}") from error

    async def expect(self, prefixes: tuple[str, ...], timeout: float) -> str:
        """The next line that begins with one of the prefixes."""
        where = f"{self._command.host}: {self._command.title}"
        try:
            async with asyncio.timeout(timeout):
                while data := await self._process.stdout.readline():
                    line = text_of(data).rstrip("\n")
                    if line.startswith(prefixes):
                        return line
        except TimeoutError as error:
            raise TransportError(f"{where}: no {' or '.join(prefixes)} in {timeout:.0f} s") from error
        except (OSError, asyncssh.Error) as error:
            raise TransportError(f"{where}: {_LOST}") from error
        raise TransportError(f"{where}: ended before it said {' or '.join(prefixes)}")

    async def close(self) -> None:
        """End the standard input and let go, without waiting for ever."""
        with contextlib.suppress(OSError, asyncssh.Error):
            self._process.stdin.write_eof()
        with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
            async with asyncio.timeout(5):
                await self._process.wait_closed()


class _SshStream:
    """Bytes of a running command."""

    def __init__(self, command: Command, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._command, self._process = command, process
        self._started, self._began = datetime.now(UTC), time.monotonic()
        self._errors = asyncio.ensure_future(_bounded(process.stderr))

    async def read(self, size: int = 1 << 20) -> bytes:
        """The next piece."""
        try:
            return await self._process.stdout.read(size)
        except (OSError, asyncssh.Error) as error:
            raise TransportError(f"{self._command.host}: {self._command.title}: {_LOST}") from error

    async def write(self, data: bytes) -> None:
        """Send a piece."""
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (OSError, asyncssh.Error) as error:
            raise TransportError(f"{self._command.host}: {self._command.title}: {_LOST}") from error

    async def finish(self) -> Result:
        """Close the input and wait for the end."""
        with contextlib.suppress(OSError, asyncssh.Error):
            self._process.stdin.write_eof()
        out = err = b""
        with contextlib.suppress(OSError, asyncssh.Error, _TooMuch):
            out = await _bounded(self._process.stdout)
            err = await self._errors
            await self._process.wait_closed()
        code = self._process.exit_status
        status = Status.UNKNOWN if code is None or code < 0 else Status.OK if code == 0 else Status.FAILED
        known = None if status is Status.UNKNOWN else code
        seconds, reason = time.monotonic() - self._began, _LOST if known is None else ""
        return Result(self._command, status, known, text_of(out), text_of(err), self._started, seconds, reason)

    async def drop(self) -> None:
        """Let go of the channel, whatever the other side does."""
        self._errors.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError, asyncssh.Error, _TooMuch):
            await self._errors
        if not self._process.is_closing():
            self._process.channel.abort()
