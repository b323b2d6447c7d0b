"""The map as a tree: the volume group at the root, its devices and its logical volumes as branches.

Seen from both sides, each volume on its devices and each device under its volumes, a map that contradicts itself shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from core.mapfile import MapDevice, MapFile, MapGroup, MapVolume

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class DeviceBranch:
    """A device of the group, and the names of the volumes that touch it."""

    device: MapDevice
    volumes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VolumeBranch:
    """A logical volume of the group, and the devices that it touches."""

    volume: MapVolume
    devices: tuple[MapDevice, ...]


@dataclass(frozen=True, slots=True)
class GroupTree:
    """One volume group as a root; `group` holds its own facts, and none of its branches."""

    group: MapGroup
    devices: tuple[DeviceBranch, ...]
    volumes: tuple[VolumeBranch, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """All groups of a map; `source` is the map without its groups."""

    source: MapFile
    groups: tuple[GroupTree, ...]


def to_tree(mapped: MapFile) -> Tree:
    """The tree of a map. A volume's device that the group does not have gets no branch: `problems` names it."""
    return Tree(replace(mapped, groups=()), tuple(_group_tree(g) for g in mapped.groups))


def _group_tree(g: MapGroup) -> GroupTree:
    return GroupTree(
        replace(g, devices=(), volumes=()),
        tuple(DeviceBranch(d, tuple(v.name for v in g.volumes if d.uuid in v.devices)) for d in g.devices),
        tuple(VolumeBranch(v, tuple(d for d in g.devices if d.uuid in v.devices)) for v in g.volumes),
    )


def to_map(tree: Tree) -> MapFile:
    """The map of a tree: for a sound map the one that the tree was made from."""
    return replace(tree.source, groups=tuple(_group_of(g) for g in tree.groups))


def _group_of(g: GroupTree) -> MapGroup:
    volumes = tuple(replace(b.volume, devices=tuple(d.uuid for d in b.devices)) for b in g.volumes)
    return replace(g.group, devices=tuple(b.device for b in g.devices), volumes=volumes)


def problems(mapped: MapFile) -> tuple[str, ...]:
    """What contradicts itself or cannot be imported as it stands, as sentences; empty for a sound map."""
    out = list(_shared(mapped))
    for group in mapped.groups:
        out += _in_group(group)
    if not out and to_map(to_tree(mapped)) != mapped:
        out.append("the tree of the map leads to another map")
    return tuple(out)


def _shared(mapped: MapFile) -> Iterator[str]:
    """What may stand in a map only once."""
    devices = [(d, g.name) for g in mapped.groups for d in g.devices]
    for uuid in _twice(d.uuid for d, _ in devices):
        yield f"physical volume {uuid} stands in the map twice"
    for serial, partition in _twice((d.serial, d.partition) for d, _ in devices if d.serial):
        where = f"partition {partition} of device {serial}" if partition else f"device {serial}"
        yield f"{where} carries two physical volumes: {', '.join(d.uuid for d, _ in devices if d.serial == serial)}"
    for uuid in _twice(g.uuid for g in mapped.groups):
        yield f"volume group UUID {uuid} stands in the map twice"


def _in_group(group: MapGroup) -> Iterator[str]:
    names, uuids = {v.name.strip("[]") for v in group.volumes}, {d.uuid for d in group.devices}
    if not group.devices:
        yield f"group {group.name} has no device"
    for name in _twice(v.name for v in group.volumes):
        yield f"{group.name}/{name} stands in the map twice"
    for device in group.devices:
        if device.device_size and device.size > device.device_size:
            yield f"physical volume {device.uuid} is larger than its device {device.serial}"
    for v in group.volumes:
        for uuid in v.devices:
            if uuid not in uuids:
                yield f"{group.name}/{v.name} lies on physical volume {uuid}, which is not in the group"
        for role, other in (("pool", v.pool), ("origin", v.origin)):
            if other and other.strip("[]") not in names:
                yield f"{group.name}/{v.name} has the {role} {other}, which is not in the map"
        if not v.devices and not v.pool:
            yield f"{group.name}/{v.name} lies on no device"


def _twice(values: Iterable[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count > 1]
