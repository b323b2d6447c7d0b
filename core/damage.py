"""A source whose groups were damaged: what cannot be read there any more, as the kept map of the point in time has it. Pure."""

from __future__ import annotations

from dataclasses import replace

from core.mapfile import MapFile, host_facts
from core.model import Estate, Filesystem, HostFacts, VolumeGroup

MISSING, PARTIAL = "is not there any more", "lacks physical volumes"


def damage_of(group: VolumeGroup | None) -> str:
    """What is wrong with a group as it was measured; empty when it can be read whole."""
    if group is None:
        return MISSING
    counted = len([p for p in group.physical if not p.duplicate])
    short = bool(group.pv_count) and group.pv_count != counted
    return PARTIAL if group.partial or short or any(p.missing for p in group.physical) else ""


def mended(estate: Estate, names: tuple[str, ...], kept: MapFile | None) -> Estate:
    """The estate with each damaged group of the source as the map has it, and `damaged` saying which; mounts as measured now.

    A group that the map does not have either stays as it was measured, and verification refuses it.
    """
    source = estate.source
    if source is None or kept is None:
        return estate
    then = host_facts(kept)
    damaged = {name: why for name in names if (why := damage_of(source.group(name))) and then.group(name) is not None}
    if not damaged:
        return estate
    groups = tuple(g for g in source.groups if g.name not in damaged) + tuple(g for g in then.groups if g.name in damaged)
    return replace(
        estate, source=replace(source, groups=groups, filesystems=_filesystems(source, then, damaged)), damaged=damaged
    )


def _filesystems(source: HostFacts, then: HostFacts, damaged: dict[str, str]) -> tuple[Filesystem, ...]:
    own = tuple(f for f in source.filesystems if f.group not in damaged)
    old = (f for f in then.filesystems if f.group in damaged)
    return own + tuple(replace(f, mounted=f.mounted and f.mount_point in source.mount_points) for f in old)


def reused(estate: Estate) -> tuple[str, ...]:
    """Devices of damaged groups that carry another group now, as sentences: somebody works there."""
    source = estate.source
    if source is None:
        return ()
    ours = {p.device_serial: g.name for g in source.groups if g.name in estate.damaged for p in g.physical}
    return tuple(
        f"{p.device_serial} was of {ours[p.device_serial]} and carries {g.name} now"
        for g in source.groups
        if g.name not in estate.damaged
        for p in g.physical
        if p.device_serial in ours and p.device_serial
    )
