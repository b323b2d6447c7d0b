"""Fifty OpenSSH hosts on loopback whose commands are stubs with eight volume groups: our discovery of them, and bare asyncssh."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh

from core.config import load
from core.events import HostMeasured
from core.hosts import HostRef
from core.transport import Command
from hostdrivers import DRIVERS
from hostdrivers.emulated.linux import Linux
from hostdrivers.emulated.machine import Slot
from hostdrivers.linux import LinuxDriver
from hostdrivers.report import sections_of
from tests.core.sshserver import SSHD
from tests.hostdrivers.machines import MemoryDisk, run
from tui.wiring import TABLES, build_engine

HOSTS, GROUPS = 50, 8
A_DAEMON = 10  # ports of one sshd; it takes sixteen
MB = 1 << 20
SCRIPT_PATH = "PATH=/usr/local/sbin"
# How a stub finds what to print, by the first word after its name that is a file beside it.
_STUB = '#!/bin/sh\nfor w in "$@"; do if [ -f "$0.$w" ]; then exec cat "$0.$w"; fi; done\nif [ -f "$0.out" ]; then exec cat "$0.out"; fi\n'
_SECTIONS = {"lvm": "lvm.fullreport", "mounts": "findmnt.out", "dm": "dmsetup.out"}


class StubbedDriver(LinuxDriver):
    """The product's driver, whose script looks for commands among the stubs first."""

    def __init__(self, stubs: Path) -> None:
        """`stubs` is a directory."""
        self._stubs = stubs

    def discovery(self, host: HostRef) -> Command:
        """The product's script on another path."""
        command = super().discovery(host)
        assert SCRIPT_PATH in command.prelude
        return replace(command, prelude=command.prelude.replace(SCRIPT_PATH, f"PATH={self._stubs}:/usr/local/sbin"))


def make_stubs(directory: Path) -> None:
    """What an emulated host of eight groups says, as commands that print it."""
    machine = Linux("db1", [Slot(MemoryDisk(f"1{n:02X}", 64 * MB, f"791{n:02X}000")) for n in range(GROUPS)])
    for number, disk in enumerate("abcdefgh"[:GROUPS]):
        machine.create_group(f"vg{number}", [f"sd{disk}"], MB)
        machine.create_volume(f"vg{number}", "data", "ext4", 8)
    ref = HostRef(machine.name, machine.os)
    said = sections_of(ref.name, asyncio.run(run(machine, DRIVERS["linux"].discovery(ref).script)), 16 << 20)
    directory.mkdir()
    for section, name in _SECTIONS.items():
        (directory / name).write_text(said[section].text)
        stub = directory / name.partition(".")[0]
        stub.write_text(_STUB)
        stub.chmod(0o755)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Hosts by their ports; `directory` holds the key, known_hosts, the stubs and our configuration."""

    directory: Path
    ports: tuple[int, ...]

    @property
    def key(self) -> Path:
        """The private key of the client."""
        return self.directory / "key"

    @property
    def known_hosts(self) -> Path:
        """The keys of all."""
        return self.directory / "known_hosts"

    @property
    def names(self) -> Mapping[str, int]:
        """Port by name."""
        return {f"host{number:02d}": port for number, port in enumerate(self.ports)}

    @property
    def driver(self) -> StubbedDriver:
        """For these hosts."""
        return StubbedDriver(self.directory / "stubs")

    @property
    def script(self) -> str:
        """What our discovery sends to each."""
        return self.driver.discovery(HostRef("any", "linux")).script


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that nobody listens on."""
    with ExitStack() as held:
        made = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(one.getsockname()[1] for one in made)


@contextmanager
def fleet(directory: Path, count: int = HOSTS) -> Iterator[Fleet]:
    """A few sshd, each at ten ports, which serve the user who runs this, with an empty home and without login files."""
    made = Fleet(directory, free_ports(count))
    make_stubs(directory / "stubs")
    (directory / "home").mkdir()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    keys = {name: asyncssh.generate_private_key("ssh-ed25519") for name in ("key", "host_key")}
    for name, key in keys.items():
        key.write_private_key(directory / name)
        (directory / name).chmod(0o600)
    (directory / "authorized").write_bytes(keys["key"].export_public_key())
    public = keys["host_key"].export_public_key().decode().strip()
    made.known_hosts.write_text("".join(f"[127.0.0.1]:{port} {public}\n" for port in made.ports))
    hosts = {
        name: {
            "os": "linux",
            "address": "127.0.0.1",
            "port": port,
            "user": os.environ.get("USER", "root"),
            "key": str(made.key),
        }
        for name, port in made.names.items()
    }
    settings = {"known_hosts": str(made.known_hosts), "state_dir": str(directory / "state"), "hosts": hosts}
    (directory / "splitmount.yaml").write_text(json.dumps(settings))
    with ExitStack() as running:
        for first in range(0, count, A_DAEMON):
            running.enter_context(_daemon(directory, made.ports[first : first + A_DAEMON]))
        yield made


@contextmanager
def _daemon(directory: Path, ports: tuple[int, ...]) -> Iterator[None]:
    lines = [
        *(f"Port {port}" for port in ports),
        "ListenAddress 127.0.0.1",
        f"HostKey {directory / 'host_key'}",
        f"AuthorizedKeysFile {directory / 'authorized'}",
        "StrictModes no",
        "UsePAM no",
        "PidFile none",
        "PermitRootLogin yes",
        "MaxStartups 200",
        "Subsystem sftp internal-sftp",
        f"SetEnv HOME={directory / 'home'} PATH={directory / 'stubs'}:/usr/sbin:/usr/bin:/sbin:/bin",
    ]
    config = directory / f"sshd-{ports[0]}"
    config.write_text("\n".join(lines) + "\n")
    process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        for port in ports:
            while subprocess.run(["ssh-keyscan", "-T", "2", "-p", str(port), "127.0.0.1"], capture_output=True).stdout == b"":
                assert time.monotonic() < end, f"sshd does not listen on port {port}"
        yield
    finally:
        process.terminate()
        process.wait()


def ours(made: Fleet) -> float:
    """Seconds until the product's engine knows every host; its facts are looked at."""
    engine = build_engine(
        load(made.directory / "splitmount.yaml"),
        read_only=True,
        tables=replace(TABLES, hosts={**DRIVERS, "linux": made.driver}),
    )
    try:
        begun = time.perf_counter()
        for future in [engine.discover_host(name) for name in made.names]:
            future.result()
        took = time.perf_counter() - begun
        seen = [event for event in engine.drain() if isinstance(event, HostMeasured)]
        assert len(seen) == HOSTS
        odd = [str(e) for e in seen if e.facts is None or len(e.facts.groups) != GROUPS]
        assert not odd, odd[0]
        return took
    finally:
        engine.close()


def bare(made: Fleet) -> float:
    """Seconds until bare asyncssh has the output of the same script of every host; nothing is parsed."""
    return asyncio.run(_bare(made))


async def _bare(made: Fleet) -> float:
    connections: list[asyncssh.SSHClientConnection] = []

    async def one(port: int) -> None:
        connection = await asyncssh.connect(
            "127.0.0.1", port, known_hosts=known, client_keys=keys, agent_path=None, config=None, username=user
        )
        connections.append(connection)
        done = await connection.run("/bin/sh -s", input=text, check=True)
        assert str(done.stdout).count("vg7") > 1

    begun, text, user = time.perf_counter(), made.script, os.environ.get("USER", "root")
    keys, known = asyncssh.load_keypairs([str(made.key)]), asyncssh.read_known_hosts([str(made.known_hosts)])
    await asyncio.gather(*(one(port) for port in made.ports))
    took = time.perf_counter() - begun
    for connection in connections:
        connection.close()
    await asyncio.gather(*(connection.wait_closed() for connection in connections))
    return took
