"""The transport over SSH: one kept connection a host, verified host keys, few channels, changes refused when read-only.

With `core.sshio` and `core.trust` this is the only place that knows asyncssh.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import time
import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
from cryptography.utils import CryptographyDeprecationWarning

from core.errors import HostKeyChanged, HostKeyUnknown, ReadOnlyRefused, TransportError
from core.qmp import Lines, Monitor, objects
from core.settings import HostSettings
from core.sshio import Process, SshLines, SshSession, SshStream, not_opened, open_process, run_script
from core.transport import ByteStream, Channel, Command, Effect, Result, Session, late_names
from core.trust import CIPHERS, LEGACY, HostKey, default_files, described, fetch_key, read_known, stored_keys

SHELL = "/bin/sh -s"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the transport: times in seconds, `output` in bytes, the rest are counts.

    Servers drop connections beyond ten that are being made and channels beyond ten; ours stay below.
    """

    connect: float = 20.0
    keepalive: float = 15.0
    greeting: float = 10.0
    idle: float = 2.0
    leave: float = 5.0
    output: int = 64 << 20
    handshakes: int = 16
    channels: int = 6


class _Witness(asyncssh.SSHClient):
    """Remembers a key that was shown and not known, since the refusal itself does not say which it was."""

    def __init__(self) -> None:
        self.shown: asyncssh.SSHKey | None = None
        self.peer = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Called for a key that is not known: it stays refused."""
        self.shown, self.peer = key, addr
        return False


class _Host:
    """What is held for one host."""

    def __init__(self, settings: HostSettings, channels: int) -> None:
        self.settings = settings
        self.channels = asyncio.Semaphore(channels)
        self.connection: asyncssh.SSHClientConnection | None = None
        self.connecting: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self.retired: list[asyncssh.SSHClientConnection] = []
        self.left_behind = 0  # reads that were given up on this connection: the host may still count their channels
        self.monitors: dict[str, Monitor] = {}

    def alive(self) -> asyncssh.SSHClientConnection | None:
        """The connection, unless it is known to be gone."""
        return None if self.connection is None or self.connection.is_closed() else self.connection


class SshTransport:
    """Carries commands over SSH. Changes are refused here, before anything is sent, when it was built read-only."""

    def __init__(
        self,
        hosts: Mapping[str, HostSettings],
        known_hosts: Path,
        *,
        read_only: bool,
        extra_known_hosts: Sequence[Path] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Nothing is connected yet. `known_hosts` is ours; the user's and the system's are believed beside it."""
        self._limits = limits or Limits()
        self._hosts = {name: _Host(settings, self._limits.channels) for name, settings in hosts.items()}
        self._known = (known_hosts, *(default_files() if extra_known_hosts is None else extra_known_hosts))
        self._read_only = read_only
        self._handshakes = asyncio.Semaphore(self._limits.handshakes)
        self._keys: dict[Path, Any] = {}
        self._closed = False
        if any(settings.legacy for settings in hosts.values()):  # it would be printed over the screen
            warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning)

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
        """The kept connection, or a new one; all who wait for a new one share one attempt and its failure."""
        host = self._host(name)
        if (alive := host.alive()) is not None:
            return alive
        if self._closed:
            raise TransportError(f"{name}: the connections are closed")
        if host.connecting is None or host.connecting.done():
            host.connecting = asyncio.create_task(self._make(host))
            host.connecting.add_done_callback(_seen)
        try:
            return await asyncio.shield(host.connecting)
        except asyncio.CancelledError:
            if self._closed and host.connecting.cancelled():
                raise TransportError(f"{name}: the connections were closed") from None
            raise

    async def _make(self, host: _Host) -> asyncssh.SSHClientConnection:
        tunnel = await self._jump(host.settings)
        async with self._handshakes:
            host.connection = await self._connect(host.settings, tunnel)
        host.left_behind = 0
        return host.connection

    async def _jump(self, settings: HostSettings) -> asyncssh.SSHClientConnection | None:
        """The connection to the host in between, if there is one. TransportError for a chain that bites its tail."""
        seen, name = [settings.name], settings.jump
        while name:
            if name in seen:
                raise TransportError(f"{settings.name}: the jump hosts form a ring: {' -> '.join([*seen, name])}")
            seen.append(name)
            name = self._host(name).settings.jump
        return await self._connection(settings.jump) if settings.jump else None

    async def _connect(
        self, settings: HostSettings, tunnel: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHClientConnection:
        where, witness = f"{settings.name} ({settings.address} port {settings.port})", _Witness()
        user = settings.user or "this user"
        try:
            options = self._options(settings, tunnel)
            return await asyncssh.connect(**options, client_factory=lambda: witness)
        except asyncssh.HostKeyNotVerifiable as error:
            raise self._key_error(settings, where, witness, error) from error
        except asyncssh.KeyExchangeFailed as error:
            if "host key" in str(error).lower() and stored_keys(self._known, settings):
                raise HostKeyChanged(f"{where} has no key of the known kind any more: {error}. {_RED}") from error
            hint = "" if settings.legacy else "; an old host may need `legacy: true`"
            raise TransportError(f"{where}: {error}{hint}") from error
        except asyncssh.PermissionDenied as error:
            tried = settings.key or "the keys of the agent"
            raise TransportError(f"{where}: does not let {user} in with {tried}: {error.reason}") from error
        except TimeoutError as error:
            raise TransportError(f"{where}: no answer in {self._limits.connect:g} s") from error
        except (OSError, ValueError, asyncssh.Error) as error:
            raise TransportError(f"{where}: {error}") from error

    def _options(self, settings: HostSettings, tunnel: asyncssh.SSHClientConnection | None) -> dict[str, Any]:
        options: dict[str, Any] = {
            "host": settings.address,
            "port": settings.port,
            "known_hosts": read_known(self._known),
            "connect_timeout": self._limits.connect,
            "login_timeout": self._limits.connect,
            "keepalive_interval": self._limits.keepalive,
            "keepalive_count_max": 3,
            "preferred_auth": ["publickey"],
            "disable_trivial_auth": True,
            "agent_forwarding": False,
            "encryption_algs": CIPHERS,
            "config": None,
        }
        if settings.user:
            options["username"] = settings.user
        if settings.key is not None:
            options |= {"client_keys": self._key(settings.key), "agent_path": None}
        if tunnel is not None:
            options["tunnel"] = tunnel
        return options | (dict(LEGACY) if settings.legacy else {})

    def _key(self, path: Path) -> Any:
        """The private key with its certificate, loaded once: checking an RSA key takes a tenth of a second each time."""
        if path not in self._keys:
            try:
                self._keys[path] = asyncssh.load_keypairs([str(path)])
            except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
                raise TransportError(
                    f"{path}: cannot be used as a key: {error}; an encrypted key belongs in the agent"
                ) from error
        return self._keys[path]

    def _key_error(
        self, settings: HostSettings, where: str, witness: _Witness, error: asyncssh.HostKeyNotVerifiable
    ) -> TransportError:
        shown = f" {described(settings, witness.shown).fingerprint}" if witness.shown is not None else ""
        if witness.shown is None or stored_keys(self._known, settings, witness.peer):
            return HostKeyChanged(f"{where} shows another key{shown} than the known one ({error.reason}). {_RED}")
        return HostKeyUnknown(
            f"{where}: its key{shown} is not known. Compare and store it with: splitmount trust {settings.name}"
        )

    async def host_key(self, name: str, timeout: float = 20.0) -> HostKey:
        """The key that a host shows, through its jump host where it has one; nothing is trusted by this."""
        settings = self._host(name).settings
        return await fetch_key(settings, files=self._known, jump=await self._jump(settings), timeout=timeout)

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
        """Close every connection; what does not close in time is dropped."""
        self._closed = True
        closing = []
        for host in self._hosts.values():
            for monitor in host.monitors.values():
                monitor.drop()
            if host.connecting is not None:
                host.connecting.cancel()
            closing += [*host.retired, *([host.connection] if host.connection is not None else [])]
            host.connection, host.retired = None, []
        for connection in closing:
            connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.leave):
                await asyncio.gather(*(connection.wait_closed() for connection in closing), return_exceptions=True)
        for connection in closing:
            connection.abort()

    # --- commands ---------------------------------------------------------------------------------------------------

    def _permit(self, command: Command) -> None:
        """The gate before everything: what may not go, or is not ready to go, is not sent."""
        if self._read_only and command.effect is not Effect.READ:
            raise ReadOnlyRefused(f"read-only: {command.host}: {command.title} is a change and was not sent")
        if missing := late_names(command):
            raise ValueError(f"{command.title}: not bound: {', '.join(missing)}")
        if command.channel is Channel.QMP:
            objects(command)

    async def run(self, command: Command) -> Result:
        """Send one command and wait for its end."""
        self._permit(command)
        host = self._host(command.host)
        if command.channel is Channel.QMP:
            return await self._qmp(host, command)
        await self._slot(host, command)
        try:
            connection, process = await self._start(host, command)
            result, left = await run_script(connection, process, command, self._limits.output)
            host.left_behind += left
            return result
        finally:
            host.channels.release()

    async def _slot(self, host: _Host, command: Command) -> None:
        try:
            async with asyncio.timeout(command.timeout):
                await host.channels.acquire()
        except TimeoutError as error:
            busy = f"all {self._limits.channels} channels were busy for {command.timeout:g} s; it was not sent"
            raise TransportError(f"{command.host}: {command.title}: {busy}") from error

    async def _start(self, host: _Host, command: Command) -> tuple[asyncssh.SSHClientConnection, Process]:
        """A shell that waits for its script. Until it has the script nothing was asked, so a dead connection is replaced."""
        last = False
        while True:
            connection = await self._connection(command.host)
            try:
                return connection, await open_process(connection, SHELL, self._limits.connect)
            except TimeoutError as error:
                late = f"no channel in {self._limits.connect:g} s; it was not sent"
                raise TransportError(f"{command.host}: {command.title}: {late}") from error
            except (OSError, asyncssh.Error) as error:
                if last or not (connection.is_closed() or self._retire(host, connection)):
                    raise TransportError(f"{command.host}: {command.title}: not sent: {error}") from error
                last = True

    def _retire(self, host: _Host, connection: asyncssh.SSHClientConnection) -> bool:
        """Put aside a connection whose channels are used up by reads that were left behind; what runs on it runs on."""
        if not host.left_behind or host.connection is not connection:
            return False
        host.retired.append(connection)
        host.connection = None
        return True

    async def _qmp(self, host: _Host, command: Command) -> Result:
        started, began = datetime.now(UTC), time.monotonic()
        if command.socket not in host.monitors:

            async def connect() -> Lines:
                return await self._socket(host, command.socket)

            name = f"{command.host}: {command.socket}"
            limits = self._limits
            host.monitors[command.socket] = Monitor(name, connect, greeting=limits.greeting, idle=limits.idle)
        got = await host.monitors[command.socket].run(command)
        seconds = time.monotonic() - began
        return Result(command, got.status, got.exit_status, got.stdout, got.stderr, started, seconds, got.reason)

    async def _socket(self, host: _Host, path: str) -> Lines:
        """A new connection to a socket on the host."""
        where, last = f"{host.settings.name}: {path}", False
        while True:
            connection = await self._connection(host.settings.name)
            try:
                async with asyncio.timeout(self._limits.connect):
                    return SshLines(*await connection.open_unix_connection(path, encoding=None))
            except TimeoutError as error:
                raise TransportError(f"{where}: no answer in {self._limits.connect:g} s") from error
            except (OSError, asyncssh.Error) as error:
                if last or not connection.is_closed():
                    raise TransportError(f"{where}: {error}") from error
                last = True

    async def session(self, command: Command) -> Session:
        """Open a held shell. OutcomeUnknown for a change when the connection went while it was opened."""
        host, _, process = await self._held(command)
        return SshSession(command, process, self._limits.output, host.channels.release)

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        """Run a command with a stream of bytes. OutcomeUnknown for a change when the connection went while it began."""
        return self._stream(command)

    @asynccontextmanager
    async def _stream(self, command: Command) -> AsyncIterator[ByteStream]:
        host, connection, process = await self._held(command)
        if command.effect is Effect.READ:
            with contextlib.suppress(OSError):
                process.stdin.write_eof()
        stream = SshStream(connection, process, command, self._limits.output)
        try:
            yield stream
        finally:
            try:
                await stream.leave(self._limits.leave)
            finally:
                host.channels.release()

    async def _held(self, command: Command) -> tuple[_Host, asyncssh.SSHClientConnection, Process]:
        """A process that reads its script as the first bytes of its input; what comes after is the script's own input.

        Not as an argument: a process list shows those to everybody on the host. It may begin as soon as it is asked for, so it
        is asked for once. The caller gives the channel back.
        """
        self._permit(command)
        if command.channel is not Channel.SHELL:
            raise ValueError(f"{command.title}: only a script can be held open")
        host = self._host(command.host)
        await self._slot(host, command)
        opened = False
        try:
            connection = await self._connection(command.host)
            try:
                data = f"{command.script}\n{_WHOLE}".encode("utf-8", "surrogateescape")
                line = f"/bin/sh -c {shlex.quote(_TAKES_SCRIPT.format(count=len(data)))}"
                process = await open_process(connection, line, self._limits.connect)
                process.stdin.write(data)
            except (TimeoutError, OSError, asyncssh.Error) as error:
                raise not_opened(command, error, connection) from error
            opened = True
            return host, connection, process
        finally:
            if not opened:
                host.channels.release()


# One byte at a time, because what comes after the script in the same pipe is not the shell's; a script that was cut is not run.
_WHOLE = "# this script is whole"
_TAKES_SCRIPT = (
    "s=`dd bs=1 count={count} 2>/dev/null`\ncase $s in *'"
    + _WHOLE
    + "') eval \"$s\";; *) echo 'the script was cut' >&2; exit 121;; esac"
)

_RED = (
    "Somebody may be in between, or the host was installed anew. Find out which; only then remove the old line "
    "from known_hosts by hand."
)


def _seen(task: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
    """A failure that nobody waits for any more is no news."""
    if not task.cancelled():
        task.exception()
