"""What stands on an emulated disk under VxVM: the private region, and what a host remembers of it.

The format is ours: at 32 KiB a page of `key=value` lines, where a real disk has its private region. The configuration copy
(the group with its volumes) is the label that `hostdrivers.emulated.volumes` writes. As on the real system each host keeps
what it read when a disk came online, and does not look again by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from hostdrivers.emulated.machine import Slot
from hostdrivers.emulated.program import Usage
from hostdrivers.emulated.volumes import Disk, VolumeBytes

PRIVATE_AT = 32768
PRIVATE_ROOM = 4096
SECTOR = 512
_MAGIC = "SPLITMOUNT VXVM PRIVATE 1\n"


@dataclass(slots=True)
class Private:
    """A private region. `udid` is the unique device id as it was when it was written; `host` is the import lock."""

    diskid: str
    dm: str = ""
    group: str = ""
    dgid: str = ""
    host: str = ""
    udid: str = ""
    format: str = "sliced"
    clone: str = ""
    noautoimport: str = ""


def read_private(disk: Disk) -> Private | None:
    """The private region; None when the disk was never set up. OSError when it is not ready."""
    text = disk.read(PRIVATE_AT, PRIVATE_ROOM).split(b"\0", 1)[0].decode("utf-8", "replace")
    if not text.startswith(_MAGIC):
        return None
    return Private(**dict(line.partition("=")[::2] for line in text.splitlines()[1:]))


def write_private(disk: Disk, private: Private) -> None:
    """Write it."""
    text = _MAGIC + "".join(f"{k}={v}\n" for k, v in asdict(private).items())
    disk.write(PRIVATE_AT, text.encode().ljust(PRIVATE_ROOM, b"\0"))


def udid_of(disk: Disk) -> str:
    """What the device discovery layer makes of vendor, product, array and serial."""
    return f"EMC%5FSYMMETRIX%5F0001846000{disk.serial[:2]}%5F{disk.serial}"


@dataclass(slots=True)
class Access:
    """A disk access record: VxVM's name of a device, and the private region as it was when the disk came online."""

    name: str
    slot: Slot
    state: str = "online"
    private: Private | None = None

    @property
    def disk(self) -> Disk:
        """The device itself."""
        return self.slot.disk

    @property
    def copied(self) -> bool:
        """`udid_mismatch`: the private region was written for another device."""
        return self.private is not None and self.private.udid not in ("", udid_of(self.disk))

    @property
    def clone(self) -> bool:
        """Whether VxVM takes it for a copy."""
        return self.copied or bool(self.private and self.private.clone)

    def online(self) -> None:
        """Read the private region again."""
        try:
            self.private, self.state = read_private(self.disk), "online"
        except OSError:
            self.private, self.state = None, "error"


@dataclass(frozen=True, slots=True)
class RawSlice:
    """A raw slice that begins at the first sector. While VxVM has the disk online, a write here would be lost: EBUSY."""

    disk: Disk
    online: bool

    number = property(lambda self: self.disk.number)
    serial = property(lambda self: self.disk.serial)
    size = property(lambda self: self.disk.size)
    bcv = property(lambda self: self.disk.bcv)
    ready = property(lambda self: self.disk.ready)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes."""
        return self.disk.read(offset, length)

    def write(self, offset: int, data: bytes) -> None:
        """Write. OSError when VxVM holds the disk."""
        if self.online:
            raise OSError(16, "Device busy")
        self.disk.write(offset, data)


@dataclass(slots=True)
class Imported:
    """A disk group that a host has imported: its name here, its disks by media name, and the volumes that are started."""

    name: str
    id: str
    disks: dict[str, Access]
    started: set[str] = field(default_factory=set)
    temporary: bool = False

    def bytes_of(self, dms: Sequence[str]) -> list[Disk]:
        """The devices in that order. OSError when one is missing."""
        missing = [dm for dm in dms if dm not in self.disks]
        if missing:
            raise OSError(5, f"disk {missing[0]} of {self.name} is missing")
        return [self.disks[dm].disk for dm in dms]


@dataclass(frozen=True, slots=True)
class PlexBytes(VolumeBytes):
    """A volume with several plexes: read from the first, written to all. RAID-5 has one column less than it uses."""

    others: tuple[VolumeBytes, ...] = ()

    @property
    def size(self) -> int:
        """In bytes."""
        return length_of(self.volume.kind, self.volume.fs, self.volume.pieces) * self.extent

    def write(self, offset: int, data: bytes) -> None:
        """To every plex."""
        VolumeBytes.write(self, offset, data)
        for other in self.others:
            other.write(offset, data)


def length_of(kind: str, fs: Mapping[str, str], pieces: Sequence[tuple[int, int, int]]) -> int:
    """Extents that a volume offers."""
    total = sum(count for _, _, count in pieces)
    return total * (len(pieces) - 1) // len(pieces) if fs.get("layout") == "RAID-5" and kind != "plex" else total


def words(argv: Sequence[str], flags: str, values: str, usage: str) -> tuple[dict[str, list[str]], list[str]]:
    """Options as VxVM's commands take them, each value of a repeated one kept; and the operands. Usage for any other."""
    found: dict[str, list[str]] = {}
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        letters = rest.pop(0)[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in flags:
                found.setdefault(letter, []).append("")
            elif letter in values and (letters or rest):
                found.setdefault(letter, []).append(letters or rest.pop(0))
                letters = ""
            else:
                raise Usage(usage, 1)
    return found, rest
