"""Every command that a host may get for a set, built by the drivers themselves around stand-ins for what is not known yet.

What an account may do is read from these; there is no second list of commands.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from core.backups import manifest, putback
from core.backups.archive import ArchiveDriver, extract_command, tar_command, tools_command
from core.backups.base import BackupDriver, BackupRequest, PutBack, RestoreRequest, TarStream
from core.backups.restic import ResticDriver
from core.errors import Refused
from core.hosts import HostDriver, HostRef, ImportRequest, Mount, OwnGroup
from core.model import LogicalVolume, PhysicalVolume, VolumeGroup
from core.plan import Step
from core.transport import Command, Transport
from hostdrivers.invocations import Hole, Invocation, Word, invocations

# Stand-ins: words that no host has, so that they are found again in a script. Short, since AIX allows 15 characters.
POINT, OWN_POINT, TREE = "/SM9POINT", "/SM9OWN", "/SM9TREE"
_STAND_IN = re.compile(r"/SM9(?:POINT|OWN|TREE)|SM9(?:GROUP|COPY|VOLUME|SERIAL|DEVICE|WORD|TIME|ID|SOURCE|UUID)")


@dataclass(frozen=True, slots=True)
class Sides:
    """What a host is to a set: its source, its target, or both; with the driver of the set's backup, where it has one."""

    source: bool
    target: bool
    set_name: str
    backup: BackupDriver | None


@dataclass(frozen=True, slots=True)
class Privileged:
    """A command that runs as root, the titles of the commands that run it, and whether looking alone needs it."""

    invocation: Invocation
    titles: tuple[str, ...]
    looking: bool


def privileged(driver: HostDriver, host: HostRef, sides: Sides) -> tuple[Privileged, ...]:
    """Everything that runs as root on a host for one set, each once, in the order in which it is first met."""
    found: dict[str, Privileged] = {}
    for looking, commands in ((True, _looks(driver, host, sides)), (False, _work(driver, host, sides))):
        for command in commands:
            for invocation in invocations(command.script):
                words = tuple(_opened(word) for word in invocation.words)
                one = Invocation(words, invocation.at)
                before = found.get(str(one))
                titles = dict.fromkeys((*(before.titles if before else ()), command.title))
                found[str(one)] = Privileged(one, tuple(titles), looking or (before is not None and before.looking))
    return tuple(found.values())


def _opened(word: Word) -> Word:
    """A word with its stand-ins as holes."""
    out: list[str | Hole] = []
    for part in word:
        if isinstance(part, Hole):
            out.append(part)
            continue
        at = 0
        for match in _STAND_IN.finditer(part):
            out += [part[at : match.start()], Hole(match.group().removeprefix("/").removeprefix("SM9"), quoted=True)]
            at = match.end()
        out.append(part[at:])
    return tuple(part for part in out if part) or ("",)


# --- commands ---------------------------------------------------------------------------------------------------------


def _looks(driver: HostDriver, host: HostRef, sides: Sides) -> Iterator[Command]:
    """What a console that may only look sends."""
    yield driver.check(host)
    yield driver.discovery(host)
    if sides.source:
        yield driver.reads(host).users((OWN_POINT,))
        yield manifest.names_command(host.name, host.become, (OWN_POINT,))
        yield Command(host.name, "look that all is mounted", manifest.mounted_or_refuse(host.become, (OWN_POINT,)))
    if isinstance(sides.backup, ArchiveDriver):
        yield tools_command(host.name, host.become)
    if isinstance(sides.backup, ResticDriver) and sides.target:
        yield from sides.backup.looks(_request(host, sides), "SM9ID")


def _work(driver: HostDriver, host: HostRef, sides: Sides) -> Iterator[Command]:
    """What runs send beside that."""
    points = (OWN_POINT,) * sides.source + (POINT,) * sides.target
    for point in points:
        yield driver.reads(host).sample((point,), 1)
        yield driver.reads(host).files((f"{point}/x",))
        yield manifest.size_command(host.name, host.become, (point,))
        yield manifest.tree_digest_command(host.name, host.become, (point,))
        yield tar_command(host.name, host.become, point, "/SM9SOURCE")
    yield driver.reads(host).device("SM9SERIAL", "/dev/SM9DEVICE", ((0, 1),))
    if isinstance(sides.backup, ResticDriver):
        yield from sides.backup.calls(_request(host, sides), "SM9TIME", "SM9ID")
    for step in _steps(driver, host, sides):
        yield from (command for command in (step.command, step.undo) if command is not None)
    yield from _restores(host, sides)
    if sides.source:
        try:
            yield driver.freeze(host, (OWN_POINT,), 30)
        except Refused:
            return  # a system that cannot freeze


def _request(host: HostRef, sides: Sides) -> BackupRequest:
    at = datetime(2000, 1, 1, tzinfo=UTC)
    return BackupRequest(sides.set_name, "SM9WORD", host.name, ((TREE, OWN_POINT),), "SM9WORD", at, "/x", host.become)


def _restores(host: HostRef, sides: Sides) -> Iterator[Command]:
    """What writes files of a backup."""
    if sides.target:
        yield extract_command(
            RestoreRequest(sides.set_name, "SM9WORD", host.name, TREE, "/x", host.become), "data-0.tar.zst", "1"
        )
    if sides.source:
        what = PutBack("SM9WORD", host.name, host.become, "", (OWN_POINT,), host.name, host.become)
        yield putback.command_of(what, TarStream("files", "", (OWN_POINT,), _nothing))


async def _nothing(transport: Transport) -> AsyncIterator[bytes]:
    """What is in a stream that is only shown."""
    yield b""


def _steps(driver: HostDriver, host: HostRef, sides: Sides) -> Iterator[Step]:
    for partition in ("", "1"):
        request = _import(partition)
        (mount,) = request.mounts
        if sides.target:
            yield driver.attach(host, ("SM9SERIAL",))
            yield driver.import_group(host, request)
            yield driver.activate(host, request)
            yield driver.mount(host, request, mount)
            yield driver.table_entries(host, request)
            yield from _some(driver.check_unmounted(host, request, mount))
            yield from _some(driver.check_unmounted(host, request, Mount("SM9VOLUME", "xfs", POINT, OWN_POINT)))
    if sides.source:
        for lost in (False, True) if driver.restores_lost else (False,):
            own = OwnGroup(_group(""), (Mount("SM9VOLUME", "ext4", OWN_POINT, OWN_POINT),), ("SM9SERIAL",), lost)
            yield driver.stop_group(host, own)
            yield driver.start_group(host, own)


def _some(step: Step | None) -> Iterable[Step]:
    return () if step is None else (step,)


def _group(partition: str) -> VolumeGroup:
    volume = LogicalVolume("SM9VOLUME", "SM9UUID", "SM9GROUP", 1, "linear", number=1)
    physical = PhysicalVolume("/dev/SM9DEVICE", "SM9UUID", "SM9SERIAL", "SM9GROUP", 1, partition, 1048576)
    return VolumeGroup(
        "SM9GROUP", "SM9UUID", 1, 1, 1, "SM9WORD", shared=True, pv_count=1, volumes=(volume,), physical=(physical,)
    )


def _import(partition: str) -> ImportRequest:
    mount = Mount("SM9VOLUME", "ext4", POINT, OWN_POINT)
    partitions = (("SM9SERIAL", partition),) if partition else ()
    return ImportRequest(_group(partition), "SM9COPY", (("SM9SERIAL", "SM9UUID"),), partitions, (mount,), "/SM9POINT")
