"""What a host driver must be able to do. One module for each operating system implements it in `hostdrivers/`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from core.model import HostFacts, VolumeGroup
from core.plan import Step
from core.settings import HostSettings
from core.transport import Command, Result, Transport

# Where to read devices: (first block, number of blocks), in blocks of BLOCK bytes.
Places = tuple[tuple[int, int], ...]
BLOCK = 65536


@dataclass(frozen=True, slots=True)
class HostRef:
    """A host as drivers need it: its name in the configuration, how to become privileged, where our files may lie."""

    name: str
    os: str
    become: str = ""
    work_dir: str = "/var/tmp/splitmount"  # noqa: S108  a directory of ours, mode 700, on disk so that it survives a reboot


def ref_of(host: HostSettings) -> HostRef:
    """A host of the configuration, as drivers need it."""
    return HostRef(host.name, host.os, host.become, host.work_dir)


@dataclass(frozen=True, slots=True)
class Mount:
    """One filesystem to mount on the target: which volume, of which kind, where."""

    volume: str
    kind: str
    mount_point: str
    source_mount_point: str = ""
    options: str = ""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """One group to bring up on the target from BCVs.

    `bcvs` maps the serial of each BCV to the UUID of the physical volume that it must carry.
    `partitions` gives the partition (its number) where the physical volume is not on the whole device.
    """

    group: VolumeGroup
    new_name: str
    bcvs: tuple[tuple[str, str], ...]
    partitions: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    prefix: str = ""
    read_only: bool = True
    same_host: bool = False


@dataclass(frozen=True, slots=True)
class OwnGroup:
    """A group on a host that owns it, with the filesystems that are mounted from it; their points are the host's own.

    `serials` are its devices, the fence of whatever is done to it. `lost`: its labels cannot be read, its layout is of a map.
    """

    group: VolumeGroup
    mounts: tuple[Mount, ...]
    serials: tuple[str, ...]
    lost: bool = False


class Reads(Protocol):
    """Questions to one host that change nothing and need no knowledge of its volume manager."""

    def users(self, mount_points: tuple[str, ...]) -> Command:
        """Who uses mounted filesystems: a line `users NUMBER PROCESS ...` for each, in order; `no fuser` where nobody can tell."""

    def device(self, serial: str, path: str, places: Places) -> Command:
        """Read places of the device with that serial and path; a line `sum SERIAL FIRST CRC BYTES` for each place."""

    def sample(self, mount_points: tuple[str, ...], count: int) -> Command:
        """Read some files by chance below mount points, each filesystem by itself; a line `file CRC BYTES PATH` for each."""

    def files(self, paths: tuple[str, ...]) -> Command:
        """Read these files; a line `file CRC BYTES PATH` for each that could be read."""


class HostDriver(Protocol):
    """Reads are commands with a pure parser; changes are steps that only a run may send."""

    @property
    def os(self) -> str:
        """The word for this system in the configuration."""

    @property
    def freezable(self) -> frozenset[str]:
        """The kinds of filesystems that this system can freeze; a set with none of them is split as it is, and recovered."""

    @property
    def restores_lost(self) -> bool:
        """Whether `stop_group` and `start_group` know a group that is `lost`; where not, a restore of one is refused."""

    def check(self, host: HostRef) -> Command:
        """A read that prints a line for each thing that is missing here: commands, privileges, work directory."""

    def discovery(self, host: HostRef) -> Command:
        """The whole discovery of the host in one shell invocation."""

    def parse_discovery(self, host: HostRef, result: Result) -> HostFacts:
        """The facts; ParseError names what was not understood."""

    def freeze(self, host: HostRef, mount_points: tuple[str, ...], seconds: int) -> Command:
        """A held shell: on the line `freeze` it freezes and says `frozen TIME`, on `thaw` it thaws and says `thawed TIME`.

        A timer of its own on the host thaws after `seconds`, come what may; so does the end of its standard input.
        `failed REASON` when it could not freeze (all is thawed again); `expired TIME` instead of `thawed` when the
        timer was first.
        """

    def attach(self, host: HostRef, bcvs: tuple[str, ...]) -> Step:
        """Make the BCVs visible and prove each by its serial: the step `attach`. Binds `path.SERIAL`."""

    def import_group(self, host: HostRef, request: ImportRequest) -> Step:
        """Give the copy its own identity and name: the step `import-GROUP`. Binds `vg_uuid.GROUP` and `vg_name.GROUP`."""

    def activate(self, host: HostRef, request: ImportRequest) -> Step:
        """Activate the imported group, found by its new UUID."""

    def mount(self, host: HostRef, request: ImportRequest, mount: Mount) -> Step:
        """Mount one filesystem of the imported group: the step `mount-GROUP-VOLUME`."""

    def check_unmounted(self, host: HostRef, request: ImportRequest, mount: Mount) -> Step | None:
        """Check a filesystem of an imported group that is unmounted again, repairing nothing; None where its mount checks it."""

    def stop_group(self, host: HostRef, own: OwnGroup) -> Step:
        """Unmount the group's filesystems, innermost first, and take the group out of use; the undo starts it again."""

    def reads(self, host: HostRef) -> Reads:
        """What can be asked of the host with plain tools."""

    def start_group(self, host: HostRef, own: OwnGroup) -> Step:
        """Bring the group into use, check its filesystems and mount them, outermost first."""

    def table_entries(self, host: HostRef, request: ImportRequest) -> Step:
        """Add the mounts of a group that was taken over to the host's table, under our mark; the undo removes them."""


async def facts_of(transport: Transport, driver: HostDriver, host: HostRef) -> HostFacts:
    """One discovery of a host. SplitmountError as the transport and the parser raise it."""
    result = await transport.run(driver.discovery(host))
    return await asyncio.to_thread(driver.parse_discovery, host, result)  # a long report holds up nobody else
