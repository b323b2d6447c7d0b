"""The embedded estate as a whole: an array, its management host, a backup host, and a source and a target of each family.

Everything lies in one directory: the devices' bytes, the configuration (`splitmount.yaml`), pairs files, the key
(`id_ed25519`) and `known_hosts`. Nothing outside of that directory is touched, and nothing but loopback is listened on.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import yaml

from hostdrivers.emulated.array import TRACK, TRACKS_PER_CYLINDER, Array, Disk
from hostdrivers.emulated.machine import Machine, Slot
from hostdrivers.emulated.management import Management, Plain
from hostdrivers.emulated.server import Front

SYMID = "000184600079"
MANAGEMENT, VAULT = "symadm", "vault"
MB = 1 << 20
_CYLINDER = TRACK * TRACKS_PER_CYLINDER


@dataclass(frozen=True, slots=True)
class Family:
    """One replication set of the estate, with its two hosts. `pairs` are (STD, BCV) by device number."""

    set_name: str
    source: Machine
    target: Machine
    groups: tuple[str, ...]
    pairs: tuple[tuple[Disk, Disk], ...]
    prefix: str


Builder = Callable[[Array], Family]


def pair_of(array: Array, std: str, bcv: str, megabytes: int) -> tuple[Disk, Disk]:
    """A standard and its BCV of the same size, established in full."""
    cylinders = -(-megabytes * MB // _CYLINDER)
    made = array.add_device(std, cylinders), array.add_device(bcv, cylinders, True)
    array.establish([made], full=True)
    return made


def text_files(seed: str, count: int, size: int) -> dict[str, bytes]:
    """Files that differ, and are the same each time: name → contents."""
    out = {}
    for number in range(count):
        line = hashlib.sha256(f"{seed} {number}".encode()).hexdigest() + "\n"
        out[f"{seed}-{number:02d}.dat"] = (line * (size // len(line) + 1))[:size].encode()
    return out


def fill(machine: Machine, point: str, seed: str, count: int = 6, size: int = 6000) -> None:
    """Put files below a mount point, and write them to the disks."""
    for name, data in text_files(seed, count, size).items():
        machine.write_file(f"{point}/{name}", data)
    machine.sync()


class Estate:
    """All of it. Make it, `await start()`, use the configuration that it wrote, `await close()`."""

    def __init__(self, directory: Path, builders: tuple[Builder, ...]) -> None:
        """`directory` is made if it is missing; it must be empty, and is ours."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self.array = Array(directory / "devices", SYMID)
        self.families = tuple(build(self.array) for build in builders)
        self.management = Management(MANAGEMENT, self.array)
        self.vault = Plain(VAULT)
        self.vault.root.mkdir("/backup", True)
        hosts = [m for f in self.families for m in (f.source, f.target)]
        self.machines: Mapping[str, Machine] = {m.name: m for m in (*hosts, self.management, self.vault)}
        self.fronts = {name: Front(m, asyncssh.generate_private_key("ssh-ed25519")) for name, m in self.machines.items()}

    @property
    def config(self) -> Path:
        """The configuration that describes it."""
        return self.directory / "splitmount.yaml"

    async def start(self) -> None:
        """Listen, and write configuration, key and known_hosts."""
        key = self.directory / "id_ed25519"
        asyncssh.generate_private_key("ssh-ed25519", comment="splitmount demo").write_private_key(key)
        key.chmod(0o600)
        for front in self.fronts.values():
            await front.listen(key)
        (self.directory / "known_hosts").write_text("".join(f.known_line() for f in self.fronts.values()))
        for family in self.families:
            lines = [f"{std.serial} {bcv.serial}\n" for std, bcv in family.pairs]
            (self.directory / f"{family.set_name}.pairs").write_text("# standard  BCV\n" + "".join(lines))
        self.config.write_text(yaml.safe_dump(self._settings(), sort_keys=False))

    def _settings(self) -> dict[str, object]:
        hosts = {
            name: {"os": m.os, "address": "127.0.0.1", "port": self.fronts[name].port, "user": "root", "key": "id_ed25519"}
            for name, m in self.machines.items()
        }
        sets = {
            f.set_name: {
                "source": f.source.name,
                "target": f.target.name,
                "array": "symmetrix",
                "pairs": f"{f.set_name}.pairs",
                "volume_groups": list(f.groups),
                "mount": {"prefix": f.prefix},
                "group_suffix": "_b",
                "backup": {"driver": "archive", "repository": "/backup", "host": VAULT},
            }
            for f in self.families
        }
        return {
            "known_hosts": "known_hosts",
            "state_dir": "state",
            "hosts": hosts,
            "arrays": {"symmetrix": {"driver": "symmetrix", "host": MANAGEMENT, "sid": SYMID}},
            "sets": sets,
        }

    async def close(self) -> None:
        """Stop listening, and let the devices go."""
        for front in self.fronts.values():
            await front.close()
        for disk in self.array.devices.values():
            disk.close()


class RunningEstate:
    """An estate with a thread and a loop of its own, for whoever has none."""

    def __init__(self, directory: Path, builders: tuple[Builder, ...]) -> None:
        """Start it, and wait until it listens."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="estate", daemon=True)
        self._thread.start()
        self.estate = Estate(directory, builders)
        self.call(self.estate.start())

    def call(self, work: asyncio.Future[None] | object) -> None:
        """Do something in the estate's loop, and wait for it."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result()  # type: ignore[arg-type]

    def close(self) -> None:
        """End it."""
        self.call(self.estate.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


# --- the families -----------------------------------------------------------------------------------------------------


def hidden(*disks: Disk) -> list[Slot]:
    """BCVs that a target will find when they are ready and it looks."""
    return [Slot(disk, seen=False) for disk in disks]
