"""The objects of a map: the part of a host's facts that outlives the host. Sizes in bytes, identity by UUID and serial."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class MapDevice:
    """A physical volume and the device below it; `mirror_of` is the standard's serial in a map seen from the mirrors."""

    serial: str
    address: str
    uuid: str
    size: int = 0
    partition: str = ""
    pe_start: int = 0
    device_size: int = 0
    mirror_of: str = ""
    format: str = ""


@dataclass(frozen=True, slots=True)
class MapFilesystem:
    """What is on a logical volume, and where it is (or, by the table of the host, would be) mounted."""

    kind: str
    mount_point: str = ""
    uuid: str = ""
    label: str = ""
    options: str = ""
    mounted: bool = False
    in_table: bool = False
    log: str = ""


@dataclass(frozen=True, slots=True)
class MapVolume:
    """A logical volume; `devices` are UUIDs of the physical volumes that it touches, in the group's order."""

    name: str
    uuid: str
    kind: str
    size: int
    devices: tuple[str, ...] = ()
    filesystems: tuple[MapFilesystem, ...] = ()
    stripes: int = 1
    stripe_size: int = 0
    pool: str = ""
    origin: str = ""
    active: bool = False
    hidden: bool = False
    refusal: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class MapGroup:
    """A volume group with its identity, its age (`seqno`), its devices, and its volumes sorted by name."""

    name: str
    uuid: str
    seqno: int
    extent_size: int
    size: int
    system_id: str = ""
    devices: tuple[MapDevice, ...] = ()
    volumes: tuple[MapVolume, ...] = ()


@dataclass(frozen=True, slots=True)
class MapFile:
    """The map of one set. `side` is "std" (as the source sees it) or "bcv" (the same, on the mirrors)."""

    set_name: str
    host: str
    os: str
    measured_at: datetime
    groups: tuple[MapGroup, ...]
    side: str = "std"

    def group(self, name: str) -> MapGroup | None:
        """The group of that name, or None."""
        return next((g for g in self.groups if g.name == name), None)
