"""Groups and volumes as they stand in the bytes of emulated disks, so that the array copies them like any others.

The format is ours, and documented here. On each disk: a volume manager's own identity bytes where an administrator looks
for them (each system's emulator writes those); at 64 KiB a label (`MAGIC`, length, SHA-256, JSON of the whole group and of
this disk's id); from 1 MiB on the group's extents. A label is on every disk of its group.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol

LABEL_AT = 65536
LABEL_ROOM = (1 << 20) - LABEL_AT
DATA_AT = 1 << 20
MAGIC = b"SPLITMOUNT LABEL 1\n"
PIECE = 32768


class Disk(Protocol):
    """What a host needs of a device of the array; `read` and `write` raise OSError when the device is not ready."""

    @property
    def number(self) -> str: ...
    @property
    def serial(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def bcv(self) -> bool: ...
    @property
    def ready(self) -> bool: ...
    def read(self, offset: int, length: int) -> bytes: ...
    def write(self, offset: int, data: bytes) -> None: ...


@dataclass(slots=True)
class Volume:
    """A logical volume; `pieces` are (disk index, first extent, extents). `fs` are words that its system keeps about it."""

    name: str
    id: str
    kind: str
    pieces: list[tuple[int, int, int]]
    number: int = 0
    mount: str = ""
    stripes: int = 1
    stripe_size: int = 0
    fs: dict[str, str] = field(default_factory=dict)

    @property
    def extents(self) -> int:
        """Its size in extents."""
        return sum(count for _, _, count in self.pieces)


@dataclass(slots=True)
class Group:
    """A volume group as its disks tell it; `stamp` grows with each change, `facts` are what one system keeps besides."""

    family: str
    name: str
    id: str
    extent: int
    disks: list[str]
    volumes: list[Volume] = field(default_factory=list)
    stamp: int = 1
    facts: dict[str, str] = field(default_factory=dict)

    def volume(self, name: str) -> Volume | None:
        """The volume of that name, or None."""
        return next((v for v in self.volumes if v.name == name), None)

    def used(self, index: int) -> int:
        """Extents of one disk that volumes use; they are given out from the front."""
        return sum(count for v in self.volumes for i, _, count in v.pieces if i == index)


def extents_of(disk: Disk, extent: int) -> int:
    """How many extents a disk has room for."""
    return (disk.size - DATA_AT) // extent


def _flat(value: Group | Volume) -> dict[str, object]:
    """For JSON; `asdict` copies every piece of every volume, for each of 64 disks."""
    return {f.name: getattr(value, f.name) for f in fields(value)}


def write_label(disk: Disk, own: str, group: Group) -> None:
    """Write the group, and which of its disks this one is."""
    body = json.dumps({"disk": own, "group": group}, default=_flat, sort_keys=True).encode()
    head = MAGIC + f"{len(body):08d} {hashlib.sha256(body).hexdigest()}\n".encode()
    if len(head) + len(body) > LABEL_ROOM:
        raise ValueError(f"the label of {group.name} does not fit on a disk")
    disk.write(LABEL_AT, head + body)


def read_label(disk: Disk) -> tuple[str, Group] | None:
    """This disk's own id and its group; None when there is no label. ValueError when it is damaged. OSError: not ready."""
    head = disk.read(LABEL_AT, 256)
    if not head.startswith(MAGIC):
        return None
    length, digest = head[len(MAGIC) :].split(b"\n", 1)[0].split()
    start = LABEL_AT + len(MAGIC) + len(length) + 1 + len(digest) + 1
    body = disk.read(start, int(length))
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError(f"device {disk.number}: its label is damaged")
    data = json.loads(body)
    made = data["group"]
    volumes = [Volume(**(v | {"pieces": [(i, first, count) for i, first, count in v["pieces"]]})) for v in made.pop("volumes")]
    return str(data["disk"]), Group(**made, volumes=volumes)


@dataclass(frozen=True, slots=True)
class VolumeBytes:
    """The bytes of one volume over its disks; `disks` are those of the group, in the group's order."""

    volume: Volume
    extent: int
    disks: Sequence[Disk]

    @property
    def size(self) -> int:
        """In bytes."""
        return self.volume.extents * self.extent

    def _where(self, offset: int) -> tuple[Disk, int, int]:
        """The disk, the offset on it, and how many bytes lie there in one run."""
        if self.volume.stripes > 1:
            return self._striped(offset)
        number, rest = divmod(offset, self.extent)
        for index, first, count in self.volume.pieces:
            if number < count:
                return self.disks[index], DATA_AT + (first + number) * self.extent + rest, (count - number) * self.extent - rest
            number -= count
        raise ValueError(f"offset {offset} is beyond the end of {self.volume.name}")

    def _striped(self, offset: int) -> tuple[Disk, int, int]:
        v = self.volume
        chunk, rest = divmod(offset, v.stripe_size)
        row, column = divmod(chunk, v.stripes)
        index, first, count = v.pieces[column]
        at = row * v.stripe_size + rest
        if at >= count * self.extent:
            raise ValueError(f"offset {offset} is beyond the end of {v.name}")
        return self.disks[index], DATA_AT + first * self.extent + at, v.stripe_size - rest

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the volume. OSError when a device is not ready."""
        out = bytearray()
        while len(out) < length:
            disk, at, run = self._where(offset + len(out))
            out += disk.read(at, min(run, length - len(out)))
        return bytes(out)

    def write(self, offset: int, data: bytes) -> None:
        """Write what differs, in pieces of a track: a device that need not change is not touched."""
        while data:
            disk, at, run = self._where(offset)
            size = min(run, len(data), PIECE - at % PIECE)
            if disk.read(at, size) != data[:size]:
                disk.write(at, data[:size])
            offset, data = offset + size, data[size:]


def allocate(group: Group, disks: Mapping[str, Disk], on: Sequence[int], extents: int) -> list[tuple[int, int, int]]:
    """Room for so many extents on the disks named by index, in equal parts. ValueError when a disk is full."""
    share, rest = divmod(extents, len(on))
    if rest:
        raise ValueError(f"{extents} extents cannot be shared by {len(on)} disks")
    pieces = []
    for index in on:
        first = group.used(index)
        if first + share > extents_of(disks[group.disks[index]], group.extent):
            raise ValueError(f"{group.name}: disk {group.disks[index]} is full")
        pieces.append((index, first, share))
    return pieces
