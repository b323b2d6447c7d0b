"""Emulated hosts without SSH: disks in memory, and scripts run by the host's own shell."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.hosts import HostDriver, HostRef
from core.model import HostFacts
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
