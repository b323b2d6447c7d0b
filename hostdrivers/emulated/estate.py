"""The embedded estate as a whole: an array, its management host, a backup host, and a source and a target of each family.

Everything lies in one directory: the devices' bytes, the configuration (`splitmount.yaml`), pairs files, the key
(`id_ed25519`) and `known_hosts`. Nothing outside of that directory is touched, and nothing but loopback is listened on.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

import asyncssh
import yaml

from core.errors import ConfigError
from hostdrivers.emulated.array import TRACK, TRACKS_PER_CYLINDER, Array, Disk
from hostdrivers.emulated.faults import FAULTS, Scene
from hostdrivers.emulated.machine import Machine, Slot
from hostdrivers.emulated.management import Management, Plain
from hostdrivers.emulated.server import Front

if TYPE_CHECKING:
    from hostdrivers.emulated.oracle import Oracle

MANAGEMENT, VAULT, REPOSITORY = "symadm", "vault", "/backup"
MB = 1 << 20
SETS_PER_ARRAY = 16
RATE = 20_000.0  # tracks a second that the array copies: slow enough to be seen
T = TypeVar("T")
Args = TypeVarTuple("Args")
_CYLINDER = TRACK * TRACKS_PER_CYLINDER


@dataclass(frozen=True, slots=True)
class Family:
    """One replication set of the estate, with its two hosts. `pairs` are (STD, BCV) by device number.

    `application` is what the configuration says of its database, `database` that of the source; None where there is none.
    """

    set_name: str
    source: Machine
    target: Machine
    groups: tuple[str, ...]
    pairs: tuple[tuple[Disk, Disk], ...]
    prefix: str
    array: Array
    application: Mapping[str, object] | None = None
    database: Oracle | None = None


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
        """`directory` is made if it is missing; it must be empty, and is ours. Every 16 sets have an array of their own."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self.arrays: dict[str, Array] = {}
        self.families = tuple(build(self._array_of(number)) for number, build in enumerate(builders))
        for array in self.arrays.values():
            array.settle()
            array.rate = RATE
        management = [Management(self._managed(name), array) for name, array in self.arrays.items()]
        self.vault = Plain(VAULT)
        self.vault.root.mkdir(REPOSITORY, True)
        self.suffix = "_b"
        self._on: set[str] = set()
        hosts = [m for f in self.families for m in (f.source, f.target)]
        self.machines: Mapping[str, Machine] = {m.name: m for m in (*hosts, *management, self.vault)}
        self.fronts = {name: Front(m, asyncssh.generate_private_key("ssh-ed25519")) for name, m in self.machines.items()}

    def _array_of(self, number: int) -> Array:
        """The array of a set; its first copies were made long ago."""
        which = number // SETS_PER_ARRAY
        name = "symmetrix" if not which else f"symmetrix{which + 1}"
        if name not in self.arrays:
            self.arrays[name] = Array(self.directory / "devices", f"0001846000{(79 + which) % 100:02d}", rate=1e12)
        return self.arrays[name]

    @staticmethod
    def _managed(array: str) -> str:
        return array.replace("symmetrix", MANAGEMENT)

    @property
    def array(self) -> Array:
        """The first array."""
        return self.arrays["symmetrix"]

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
                "array": next(name for name, array in self.arrays.items() if array is f.array),
                "pairs": f"{f.set_name}.pairs",
                "volume_groups": list(f.groups),
                "mount": {"prefix": f.prefix},
                "group_suffix": self.suffix,
                "backup": {"driver": "archive", "repository": REPOSITORY, "host": VAULT},
                **({"application": dict(f.application)} if f.application else {}),
            }
            for f in self.families
        }
        return {
            "known_hosts": "known_hosts",
            "state_dir": "state",
            "hosts": hosts,
            "arrays": {
                name: {"driver": "symmetrix", "host": self._managed(name), "sid": array.symid}
                for name, array in self.arrays.items()
            },
            "sets": sets,
        }

    def spare(self, array: Array, megabytes: int) -> Disk:
        """A device of an array that is in no set."""
        number = next(n for n in range(0xF00, 0x1000) if f"{n:03X}" not in array.devices)
        return array.add_device(f"{number:03X}", -(-megabytes * MB // _CYLINDER))

    def accidents(self) -> Mapping[str, tuple[bool, str]]:
        """Each accident as NAME@HOST: whether it is on, and what it is."""
        return {
            f"{name}@{machine.name}": (f"{name}@{machine.name}" in self._on, fault.sentence)
            for name, fault in FAULTS.items()
            for role, family, machine in self._roles()
            if role in fault.at and (not fault.families or family.source.os in fault.families)
            if family.database is not None or not fault.database
        }

    def _roles(self) -> Iterator[tuple[str, Family, Machine]]:
        for family in self.families:
            yield "source", family, family.source
            yield "target", family, family.target
        yield "vault", self.families[0], self.vault

    def switch(self, name: str) -> None:
        """Switch an accident on, or off. ConfigError names those that there are."""
        fault, at, host = name.partition("@")
        if name not in self.accidents():
            close = [n for n in self.accidents() if n.startswith(fault + "@")] if at and fault in FAULTS else sorted(FAULTS)
            raise ConfigError(f"there is no accident {name!r}; there are: {', '.join(close)}")
        family, machine = next((f, m) for _, f, m in self._roles() if m.name == host)
        on = name not in self._on
        FAULTS[fault].act(Scene(self, family, machine), on)
        (self._on.add if on else self._on.discard)(name)

    async def close(self) -> None:
        """Stop listening, and let the devices go; what an accident holds up goes on first."""
        for array in self.arrays.values():
            for held in array.hangs.values():
                held.set()
        for front in self.fronts.values():
            await front.close()
        for array in self.arrays.values():
            array.close()


class ApartLoop(asyncio.SelectorEventLoop):
    """A loop that enters no context in which another thread may be.

    The sandboxed shell calls our commands from threads of its own, in the very context in which it has the loop answer.
    Only one thread can be in a context: whichever came second would fail, and its script or whoever waits for it with it.
    """

    def call_soon_threadsafe(
        self, callback: Callable[[*Args], object], *args: *Args, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """The callback runs in a copy, which holds the same values."""
        return super().call_soon_threadsafe(callback, *args, context=None if context is None else context.copy())


class RunningEstate:
    """An estate with a thread and a loop of its own, for whoever has none."""

    def __init__(self, directory: Path, builders: tuple[Builder, ...]) -> None:
        """Start it, and wait until it listens."""
        self._loop = ApartLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="estate", daemon=True)
        self._thread.start()
        self.estate = self.do(lambda: Estate(directory, builders))
        self.call(self.estate.start())

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the estate's loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def do(self, act: Callable[[], T]) -> T:
        """The same for a plain function: everything in the estate happens in one thread."""

        async def work() -> T:
            return act()

        return self.call(work())

    def close(self) -> None:
        """End it."""
        self.call(self.estate.close())
        self.call(_end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _end_all() -> None:
    """Let what still runs on the hosts come to its end, as the scripts of clients that are gone do; then end the rest."""
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if rest:
        _, rest_of_it = await asyncio.wait(rest, timeout=2)
        for task in rest_of_it:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


def hidden(*disks: Disk) -> list[Slot]:
    """BCVs that a target will find when they are ready and it looks."""
    return [Slot(disk, seen=False) for disk in disks]
