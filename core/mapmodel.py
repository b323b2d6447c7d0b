"""The objects of a map: the part of a host's facts that outlives the host. Sizes in bytes, identity by UUID and serial.

A map is made from a host's facts, seen from the mirrors, and turned back into facts for an import without the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.errors import ConfigError, Refused
from core.model import Device, Filesystem, HostFacts, LogicalVolume, Pair, PhysicalVolume, VolumeGroup

# Where each system has the block device of a logical volume.
_NODES: Mapping[str, str] = {
    "linux": "/dev/{group}/{volume}",
    "solaris": "/dev/vx/dsk/{group}/{volume}",
    "aix": "/dev/{volume}",
    "hpux": "/dev/{group}/{volume}",
}


@dataclass(frozen=True, slots=True)
class MapDevice:
    """A physical volume and the device below it; `mirror_of` is the standard's serial in a map seen from the mirrors.

    `format` is the volume manager's word for the device's layout, where it has several (VxVM: sliced, cdsdisk).
    """

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
    """What is on a logical volume, and where it is (or, by the table of the host, would be) mounted.

    `log` is the volume that carries its journal, where that is another one (AIX).
    """

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
    """A logical volume; `devices` are UUIDs of the physical volumes that it touches, in the group's order.

    `number` is its minor number, where the system keeps one (HP-UX); 0 for none.
    """

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
    """The map of one set. `side` is "std" (as the source sees it) or "bcv" (the same, on the mirrors).

    `origin` says where it lies, HOST:PATH, when that is not this console.
    """

    set_name: str
    host: str
    os: str
    measured_at: datetime
    groups: tuple[MapGroup, ...]
    side: str = "std"
    origin: str = ""

    def group(self, name: str) -> MapGroup | None:
        """The group of that name, or None."""
        return next((g for g in self.groups if g.name == name), None)


# --- from facts -------------------------------------------------------------------------------------------------------


def build_map(set_name: str, facts: HostFacts, groups: Sequence[str]) -> MapFile:
    """The map of these groups of a host. Refused when a group is absent, not active, or not whole: such a map would not import."""
    built = []
    for name in dict.fromkeys(groups):
        group = facts.group(name)
        if group is None:
            known = ", ".join(g.name for g in facts.groups) or "none"
            raise Refused(f"{facts.host} has no volume group {name}; it has: {known}")
        built.append(_map_group(group, facts))
    return MapFile(set_name, facts.host, facts.os, facts.measured_at, tuple(built))


def _map_group(group: VolumeGroup, facts: HostFacts) -> MapGroup:
    if not group.readable:
        raise Refused(f"{facts.host}: group {group.name} is not active, so that what is in it cannot be read")
    missing = [p.uuid for p in group.physical if p.missing]
    twice = [p.uuid for p in group.physical if [q.uuid for q in group.physical].count(p.uuid) > 1]
    for uuids, words in ((missing, "missing"), (twice, "seen on two devices")):
        if uuids:
            raise Refused(f"{facts.host}: group {group.name} is not whole: physical volume {uuids[0]} is {words}")
    sizes = {d.path: d.size for d in facts.devices} | {d.serial: d.size for d in facts.devices if d.serial}
    devices = tuple(
        MapDevice(
            p.device_serial,
            p.path,
            p.uuid,
            p.size,
            p.partition,
            p.pe_start,
            sizes.get(p.device_serial or p.path, 0),
            format=p.format,
        )
        for p in group.physical
    )
    volumes = sorted(group.volumes, key=lambda v: (v.name, v.uuid))
    return MapGroup(
        group.name,
        group.uuid,
        group.seqno,
        group.extent_size,
        group.size,
        group.system_id,
        devices,
        tuple(_map_volume(v, group, facts, devices) for v in volumes),
    )


def _map_volume(volume: LogicalVolume, group: VolumeGroup, facts: HostFacts, devices: tuple[MapDevice, ...]) -> MapVolume:
    strange = [path for path in volume.devices if path not in {d.address for d in devices}]
    if strange:
        raise Refused(f"{facts.host}: {group.name}/{volume.name} lies on {strange[0]}, which is not in group {group.name}")
    on = [f for f in facts.filesystems if (f.group, f.volume) == (group.name, volume.name)]
    return MapVolume(
        volume.name,
        volume.uuid,
        volume.kind,
        volume.size,
        tuple(d.uuid for d in devices if d.address in volume.devices),
        tuple(dict.fromkeys(_map_filesystem(f) for f in on if f.kind)),
        volume.stripes,
        volume.stripe_size,
        volume.pool,
        volume.origin,
        volume.active,
        volume.hidden,
        volume.refusal,
        volume.number,
    )


def _map_filesystem(f: Filesystem) -> MapFilesystem:
    return MapFilesystem(f.kind, f.mount_point, f.uuid, f.label, f.options, f.mounted, f.in_table, f.log)


def mirror_map(std: MapFile, pairs: Sequence[Pair], addresses: Mapping[str, str] | None = None) -> MapFile:
    """The same map seen from the mirrors: each standard replaced by the BCV of its first pair.

    `addresses` gives paths on the target by the BCV's serial; else the pairs file's address stands, or none.
    Refused when a device has no pair: half a set of mirrors is no copy of a group.
    """
    first: dict[str, Pair] = {}
    for pair in pairs:
        first.setdefault(pair.std, pair)
    known = addresses or {}

    def mirrored(device: MapDevice, group: MapGroup) -> MapDevice:
        pair = first.get(device.serial)
        if pair is None:
            shown = device.serial or f"{device.address} (serial unknown)"
            raise Refused(f"set {std.set_name}: device {shown} of group {group.name} has no BCV in the pairs file")
        address = known.get(pair.bcv, pair.address)
        return replace(device, serial=pair.bcv, address=address, mirror_of=device.serial)

    groups = tuple(replace(g, devices=tuple(mirrored(d, g) for d in g.devices)) for g in std.groups)
    return replace(std, groups=groups, side="bcv")


def host_facts(mapped: MapFile) -> HostFacts:
    """The facts that the map holds, in the shape in which planners take them from a living source.

    For an import when the source is gone. A device without an address is named by its serial, so that paths stay distinct.
    """
    if mapped.os not in _NODES:
        raise ConfigError(f"map of {mapped.set_name}: the system {mapped.os!r} is not known; known are: {', '.join(_NODES)}")
    node = _NODES[mapped.os]
    groups = tuple(_volume_group(g, node) for g in mapped.groups)
    found = [
        Filesystem(
            node.format(group=g.name, volume=v.name), f.kind, f.uuid, f.label, f.mount_point, f.mounted, f.in_table,
            f.options, group=g.name, volume=v.name, log=f.log,
        )
        for g in mapped.groups
        for v in g.volumes
        for f in v.filesystems
    ]  # fmt: skip
    devices = {
        d.serial: Device(f"serial:{d.serial}" if d.partition else _path(d), d.serial, d.device_size)
        for g in mapped.groups
        for d in g.devices
        if d.serial
    }
    return HostFacts(
        mapped.host, mapped.os, mapped.measured_at, devices=tuple(devices.values()), groups=groups, filesystems=tuple(found)
    )


def _path(device: MapDevice) -> str:
    return device.address or ":".join(("serial", device.serial, *([device.partition] if device.partition else [])))


def _volume_group(g: MapGroup, node: str) -> VolumeGroup:
    paths = {d.uuid: _path(d) for d in g.devices}
    physical = tuple(
        PhysicalVolume(paths[d.uuid], d.uuid, d.serial, g.name, d.size, d.partition, d.pe_start, format=d.format)
        for d in g.devices
    )
    volumes = tuple(
        LogicalVolume(
            v.name, v.uuid, g.name, v.size, v.kind, node.format(group=g.name, volume=v.name), v.active, False, v.hidden,
            tuple(paths[uuid] for uuid in v.devices), v.pool, v.origin, v.stripes, v.stripe_size, v.refusal, v.number,
        )
        for v in g.volumes
    )  # fmt: skip
    return VolumeGroup(
        g.name, g.uuid, g.seqno, g.extent_size, g.size, g.system_id, pv_count=len(physical), volumes=volumes, physical=physical
    )
