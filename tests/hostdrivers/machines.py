"""Emulated hosts without SSH: disks in memory, and scripts run by the host's own shell."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.hosts import HostDriver, HostRef, ImportRequest, Mount
from core.model import HostFacts
from core.plan import Step
from core.transport import Command, Result, Status, bind
from hostdrivers.emulated.machine import Machine

TRACK = 32768


@dataclass
class MemoryDisk:
    """A device in memory; fits `hostdrivers.emulated.volumes.Disk`."""

    number: str
    size: int
    serial: str = ""
    bcv: bool = False
    ready: bool = True
    tracks: dict[int, bytes] = field(default_factory=dict)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes; OSError when it is not ready."""
        if not self.ready:
            raise OSError(5, "I/O error")
        out = bytearray()
        while len(out) < length:
            track, at = divmod(offset + len(out), TRACK)
            out += self.tracks.get(track, bytes(TRACK))[at : at + length - len(out)]
        return bytes(out)

    def write(self, offset: int, data: bytes) -> None:
        """Write; OSError when it is not ready."""
        if not self.ready:
            raise OSError(5, "I/O error")
        while data:
            track, at = divmod(offset, TRACK)
            piece = data[: TRACK - at]
            old = self.tracks.get(track, bytes(TRACK))
            self.tracks[track] = old[:at] + piece + old[at + len(piece) :]
            offset, data = offset + len(piece), data[len(piece) :]

    def split_from(self, std: MemoryDisk) -> None:
        """Hold what the standard holds now, and be ready."""
        self.tracks, self.ready = dict(std.tracks), True


def complaints(script: str) -> str:
    """What the shells that are installed here say of a script without running it; empty when all can read it."""
    said = ""
    for shell in filter(shutil.which, ("dash", "mksh", "posh", "sh")):
        done = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True)
        said += f"{shell}: {done.returncode} {done.stderr}" if done.returncode or done.stderr else ""
    return said


async def run(machine: Machine, script: str) -> Result:
    """Run a script on the host."""
    out, err = bytearray(), bytearray()

    async def keep_out(data: bytes) -> None:
        out.extend(data)

    async def keep_err(data: bytes) -> None:
        err.extend(data)

    code = await machine.run(script, keep_out, keep_err)
    command = Command(machine.name, "test", script)
    status = Status.OK if code == 0 else Status.FAILED
    text = (out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape"))
    return Result(command, status, code, *text, datetime(2026, 11, 23, 8, tzinfo=UTC), 0.1)


async def step(machine: Machine, command: Command | None, values: dict[str, str] | None = None) -> Result:
    """Run a step's command as a run would: its late values bound, `$RUN` set, and what it binds remembered."""
    assert command is not None
    known: Mapping[str, str] = values or {}
    result = await run(machine, f"RUN=/var/tmp/splitmount/runs/r1; export RUN\nmkdir -p $RUN\n{bind(command, known).script}")
    for line in result.stdout.splitlines():
        if line.startswith("@bind ") and values is not None:
            _, name, value = line.split(" ", 2)
            values[name] = value
    return result


async def facts(driver: HostDriver, machine: Machine) -> HostFacts:
    """Discover the host."""
    ref = HostRef(machine.name, machine.os)
    return driver.parse_discovery(ref, await run(machine, driver.discovery(ref).script))


@dataclass
class Copied:
    """A source and a target without SSH, and the BCVs that the target sees: what a test of one driver does with them."""

    driver: HostDriver
    source: Machine
    target: Machine
    stds: list[MemoryDisk]
    bcvs: list[MemoryDisk]
    group: str
    prefix: str = "/copy"
    values: dict[str, str] = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)

    @property
    def ref(self) -> HostRef:
        """The target."""
        return HostRef(self.target.name, self.target.os)

    @property
    def serials(self) -> tuple[str, ...]:
        """Of the BCVs."""
        return tuple(d.serial for d in self.bcvs)

    def split(self) -> None:
        """All at one instant, with the filesystems mounted."""
        self.source.sync()
        for std, bcv in zip(self.stds, self.bcvs, strict=True):
            bcv.split_from(std)

    def images(self) -> list[dict[int, bytes]]:
        """The BCVs' bytes now."""
        return [dict(d.tracks) for d in self.bcvs]

    async def request(self, bcvs: list[str] | None = None) -> ImportRequest:
        """What the planner would ask."""
        found = await facts(self.driver, self.source)
        one = found.group(self.group)
        assert one is not None
        mounts = tuple(
            Mount(f.volume, f.kind, self.prefix + f.mount_point, f.mount_point)
            for f in sorted(found.filesystems, key=lambda f: f.mount_point)
            if f.group == self.group and f.mounted
        )
        ids = tuple((s, p.uuid) for s, p in zip(bcvs or self.serials, one.physical, strict=True))
        return ImportRequest(one, self.group + "_b", ids, mounts=mounts, prefix=self.prefix)

    async def do(self, one: Step) -> tuple[int | None, str]:
        """A step's command; its exit status and errors."""
        result = await step(self.target, one.command, self.values)
        self.done.append(one)
        return result.exit_status, result.stderr

    async def up(self, request: ImportRequest) -> None:
        """Everything for the group."""
        steps = [self.driver.attach(self.ref, tuple(s for s, _ in request.bcvs)), self.driver.import_group(self.ref, request)]
        steps += [self.driver.activate(self.ref, request), *(self.driver.mount(self.ref, request, m) for m in request.mounts)]
        for one in steps:
            code, err = await self.do(one)
            assert code == 0, (one.id, err)

    async def down(self) -> None:
        """Every undo, last first."""
        for one in reversed(self.done):
            result = await step(self.target, one.undo, self.values)
            assert result.exit_status == 0, (one.id, result.stderr)
        self.done.clear()

    async def refused(self, request: ImportRequest, words: str) -> None:
        """The import says no, with exit status 90, these words, and not a byte changed on any BCV."""
        await self.do(self.driver.attach(self.ref, tuple(s for s, _ in request.bcvs)))
        before = self.images()
        code, err = await self.do(self.driver.import_group(self.ref, request))
        assert (code, words in err) == (90, True), err
        assert self.images() == before
