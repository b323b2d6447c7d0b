"""The mapping file: everything about a set's groups that an import needs later, when the source can no longer be asked.

A map is made from a host's facts, written as a flat file of columns, and read back to the same objects.
`docs/map-files.md` describes the format; `DIALECTS` is where a system's own columns are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.errors import ConfigError, Refused
from core.mapmodel import MapDevice, MapFile, MapFilesystem, MapGroup, MapVolume
from core.maptext import Row, escape, flag_word, value_of, word_row, wrong
from core.model import Device, Filesystem, HostFacts, LogicalVolume, Pair, PhysicalVolume, VolumeGroup

__all__ = [
    "DIALECTS",
    "MapDevice",
    "MapFile",
    "MapFilesystem",
    "MapGroup",
    "MapVolume",
    "build_map",
    "host_facts",
    "mirror_map",
    "read",
    "write",
]

FORMAT = "# splitmount map 1"
SIDES = ("std", "bcv")
_VOLUME_FLAGS = "ah"  # active, hidden
_FILESYSTEM_FLAGS = "mt"  # mounted, in the host's table
_HEADER = ("set", "side", "host", "os", "time", "rows")
_GROUP = ("name", "uuid", "seqno", "extent_size", "size", "system_id")

# The columns of each system's files, in order. The fields that a dialect leaves out are read as empty.
DIALECTS: Mapping[str, tuple[str, ...]] = {
    "linux": (
        "serial",
        "address",
        "partition",
        "group",
        "volume",
        "volume_uuid",
        "kind",
        "size",
        "stripes",
        "stripe_size",
        "file_type",
        "mount_point",
        "pv_uuid",
        "pv_size",
        "pe_start",
        "device_size",
        "pool",
        "origin",
        "volume_flags",
        "fs_uuid",
        "fs_label",
        "fs_flags",
        "options",
        "mirror_of",
        "refusal",
    ),
}


# --- from facts -------------------------------------------------------------------------------------------------------


def build_map(set_name: str, facts: HostFacts, groups: Sequence[str]) -> MapFile:
    """The map of these groups of a host. Refused when a group is absent, or not whole: such a map would not import."""
    built = []
    for name in dict.fromkeys(groups):
        group = facts.group(name)
        if group is None:
            known = ", ".join(g.name for g in facts.groups) or "none"
            raise Refused(f"{facts.host} has no volume group {name}; it has: {known}")
        built.append(_map_group(group, facts))
    return MapFile(set_name, facts.host, facts.os, facts.measured_at, tuple(built))


def _map_group(group: VolumeGroup, facts: HostFacts) -> MapGroup:
    missing = [p.uuid for p in group.physical if p.missing]
    twice = [p.uuid for p in group.physical if [q.uuid for q in group.physical].count(p.uuid) > 1]
    for uuids, words in ((missing, "missing"), (twice, "seen on two devices")):
        if uuids:
            raise Refused(f"{facts.host}: group {group.name} is not whole: physical volume {uuids[0]} is {words}")
    sizes = {d.path: d.size for d in facts.devices} | {d.serial: d.size for d in facts.devices if d.serial}
    devices = tuple(
        MapDevice(p.device_serial, p.path, p.uuid, p.size, p.partition, p.pe_start, sizes.get(p.device_serial or p.path, 0))
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
    )


def _map_filesystem(f: Filesystem) -> MapFilesystem:
    return MapFilesystem(f.kind, f.mount_point, f.uuid, f.label, f.options, f.mounted, f.in_table)


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
    groups = tuple(_volume_group(g) for g in mapped.groups)
    found = [
        Filesystem(
            f"/dev/{g.name}/{v.name}", f.kind, f.uuid, f.label, f.mount_point, f.mounted, f.in_table, f.options,
            group=g.name, volume=v.name,
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


def _volume_group(g: MapGroup) -> VolumeGroup:
    paths = {d.uuid: _path(d) for d in g.devices}
    physical = tuple(
        PhysicalVolume(paths[d.uuid], d.uuid, d.serial, g.name, d.size, d.partition, d.pe_start) for d in g.devices
    )
    volumes = tuple(
        LogicalVolume(
            v.name, v.uuid, g.name, v.size, v.kind, f"/dev/{g.name}/{v.name}", v.active, False, v.hidden,
            tuple(paths[uuid] for uuid in v.devices), v.pool, v.origin, v.stripes, v.stripe_size, v.refusal,
        )
        for v in g.volumes
    )  # fmt: skip
    return VolumeGroup(
        g.name, g.uuid, g.seqno, g.extent_size, g.size, g.system_id, pv_count=len(physical), volumes=volumes, physical=physical
    )


# --- writing ----------------------------------------------------------------------------------------------------------


def write(mapped: MapFile) -> str:
    """The flat file: a header of comment lines, then aligned columns. ConfigError for a system without a dialect."""
    columns = _columns(mapped.os, f"map of {mapped.set_name}")
    lines = [[escape(record.get(name, "")) for name in columns] for record in _records(mapped)]
    header = (mapped.set_name, mapped.side, mapped.host, mapped.os, mapped.measured_at.isoformat(), str(len(lines)))
    head = [FORMAT, *(f"# {key}: {escape(value)}" for key, value in zip(_HEADER, header, strict=True))]
    head += [f"# group: {_group_facts(group)}" for group in mapped.groups]
    table = [["#" + columns[0], *columns[1:]], *lines]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    body = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([*head, *body]) + "\n"


def _columns(os: str, where: str) -> tuple[str, ...]:
    if os not in DIALECTS:
        raise ConfigError(f"{where}: no map files for the system {os!r}; there are some for: {', '.join(DIALECTS)}")
    return DIALECTS[os]


def _group_facts(g: MapGroup) -> str:
    values = (g.name, g.uuid, str(g.seqno), str(g.extent_size), str(g.size), g.system_id)
    return " ".join(f"{key}={escape(value)}" for key, value in zip(_GROUP, values, strict=True))


def _records(mapped: MapFile) -> Iterator[dict[str, str]]:
    """One row for each device, volume on it and filesystem on that; what has no partner has a row of its own."""
    for group in mapped.groups:
        joined: list[tuple[MapDevice | None, MapVolume | None]] = []
        for device in group.devices:
            touching: list[MapVolume | None] = [v for v in group.volumes if device.uuid in v.devices]
            joined += [(device, volume) for volume in touching or [None]]
        joined += [(None, volume) for volume in group.volumes if not volume.devices]
        for at, volume in joined:
            filesystems = volume.filesystems if volume is not None else ()
            for filesystem in filesystems or (None,):
                yield {
                    "group": group.name,
                    **(_device_record(at) if at is not None else {}),
                    **(_volume_record(volume) if volume is not None else {}),
                    **(_filesystem_record(filesystem) if filesystem is not None else {}),
                }


def _device_record(d: MapDevice) -> dict[str, str]:
    return {
        "serial": d.serial,
        "address": d.address,
        "partition": d.partition,
        "pv_uuid": d.uuid,
        "pv_size": str(d.size),
        "pe_start": str(d.pe_start),
        "device_size": str(d.device_size),
        "mirror_of": d.mirror_of,
    }


def _volume_record(v: MapVolume) -> dict[str, str]:
    return {
        "volume": v.name,
        "volume_uuid": v.uuid,
        "kind": v.kind,
        "size": str(v.size),
        "stripes": str(v.stripes),
        "stripe_size": str(v.stripe_size),
        "pool": v.pool,
        "origin": v.origin,
        "volume_flags": flag_word(_VOLUME_FLAGS, v.active, v.hidden),
        "refusal": v.refusal,
    }


def _filesystem_record(f: MapFilesystem) -> dict[str, str]:
    return {
        "file_type": f.kind,
        "mount_point": f.mount_point,
        "fs_uuid": f.uuid,
        "fs_label": f.label,
        "fs_flags": flag_word(_FILESYSTEM_FLAGS, f.mounted, f.in_table),
        "options": f.options,
    }


# --- reading ----------------------------------------------------------------------------------------------------------


def read(text: str, origin: str) -> MapFile:
    """The map in a file's text; ConfigError names `origin`, the line, and what was expected."""
    lines = text.split("\n")
    if lines[0] != FORMAT:
        raise wrong(origin, 1, f"expected {FORMAT!r}: this is no map file, or one of another format")
    if lines.pop() != "":
        raise wrong(origin, len(lines) + 1, "the file ends within a line: it was cut off")
    header: dict[str, str] = {}
    drafts: dict[str, _Draft] = {}
    rows = 0
    for number, line in enumerate(lines[1:], 2):
        if line.startswith("# group: "):
            draft = _read_group(origin, number, line.removeprefix("# group: "))
            if drafts.setdefault(draft.group.name, draft) is not draft:
                raise wrong(origin, number, f"group {draft.group.name} is given twice")
        elif line.startswith("#"):
            _read_header(origin, number, line.removeprefix("#").strip(), header)
        elif line.strip():
            row = word_row(origin, number, _columns(header.get("os", ""), f"{origin}:{number}"), line)
            _add(row, drafts)
            rows += 1
    return _whole(origin, header, drafts, rows)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A group while its rows are read; filesystems and devices of a volume are gathered by its name."""

    group: MapGroup
    devices: dict[str, MapDevice] = field(default_factory=dict)
    volumes: dict[str, MapVolume] = field(default_factory=dict)

    def finished(self) -> MapGroup:
        """The group with its devices in the order of the file and its volumes by name."""
        volumes = sorted(self.volumes.values(), key=lambda v: (v.name, v.uuid))
        return replace(self.group, devices=tuple(self.devices.values()), volumes=tuple(volumes))


def _read_header(origin: str, number: int, text: str, header: dict[str, str]) -> None:
    """Take a header line that is known; every other comment is a person's."""
    key, colon, word = text.partition(": ")
    if not colon or key not in _HEADER:
        return
    if key in header:
        raise wrong(origin, number, f"{key} is given twice")
    header[key] = value_of(origin, number, key, word.strip())


def _read_group(origin: str, number: int, text: str) -> _Draft:
    words = [word.partition("=") for word in text.split()]
    row = Row(origin, number, {key: value_of(origin, number, key, word) for key, _, word in words})
    if tuple(key for key, _, _ in words) != _GROUP:
        raise wrong(origin, number, f"group: expected {' '.join(f'{key}=...' for key in _GROUP)}")
    numbers = (row.number("seqno"), row.number("extent_size"), row.number("size"))
    return _Draft(MapGroup(row.needed("name"), row.needed("uuid"), *numbers, row.text("system_id")))


def _add(row: Row, drafts: Mapping[str, _Draft]) -> None:
    """Join one row to what the earlier ones said; ConfigError where they contradict each other."""
    draft = drafts.get(row.text("group"))
    if draft is None:
        raise wrong(row.origin, row.line, f"group {row.text('group')!r} is not in the header")
    device, volume, filesystem = _read_device(row), _read_volume(row), _read_filesystem(row)
    if device is None and volume is None:
        raise wrong(row.origin, row.line, "expected a device or a logical volume")
    if device is not None and draft.devices.setdefault(device.uuid, device) != device:
        raise wrong(row.origin, row.line, f"physical volume {device.uuid} differs from an earlier row")
    if volume is None:
        return
    known = draft.volumes.get(volume.name, volume)
    if replace(known, devices=(), filesystems=()) != volume:
        raise wrong(row.origin, row.line, f"logical volume {volume.name} differs from an earlier row")
    devices = (*known.devices, *((device.uuid,) if device is not None else ()))
    filesystems = (*known.filesystems, *((filesystem,) if filesystem is not None else ()))
    draft.volumes[volume.name] = replace(
        known, devices=tuple(dict.fromkeys(devices)), filesystems=tuple(dict.fromkeys(filesystems))
    )


def _read_device(row: Row) -> MapDevice | None:
    if not row.any("serial", "address", "pv_uuid"):
        return None
    sizes = row.number("pv_size"), row.text("partition"), row.number("pe_start"), row.number("device_size")
    return MapDevice(row.text("serial"), row.text("address"), row.needed("pv_uuid"), *sizes, row.text("mirror_of"))


def _read_volume(row: Row) -> MapVolume | None:
    if not row.any("volume", "volume_uuid"):
        if row.any("file_type", "mount_point"):
            raise wrong(row.origin, row.line, "volume: expected a name, for there is a filesystem")
        return None
    active, hidden = row.flags("volume_flags", _VOLUME_FLAGS)
    return MapVolume(
        row.needed("volume"),
        row.needed("volume_uuid"),
        row.needed("kind"),
        row.number("size"),
        (),
        (),
        row.number("stripes"),
        row.number("stripe_size"),
        row.text("pool"),
        row.text("origin"),
        active,
        hidden,
        row.text("refusal"),
    )


def _read_filesystem(row: Row) -> MapFilesystem | None:
    if not row.any("file_type", "mount_point", "fs_uuid"):
        return None
    mounted, in_table = row.flags("fs_flags", _FILESYSTEM_FLAGS)
    return MapFilesystem(
        row.needed("file_type"),
        row.text("mount_point"),
        row.text("fs_uuid"),
        row.text("fs_label"),
        row.text("options"),
        mounted,
        in_table,
    )


def _whole(origin: str, header: Mapping[str, str], drafts: Mapping[str, _Draft], rows: int) -> MapFile:
    """The map, when header and rows are all there. A file that lost rows must never look like a smaller set."""
    missing = [key for key in _HEADER if not header.get(key)]
    if missing:
        raise wrong(origin, 1, f"the header lacks {', '.join(missing)}")
    if header["rows"] != str(rows):
        raise wrong(origin, 1, f"the header says {header['rows']} rows and there are {rows}: the file is not whole")
    if header["side"] not in SIDES:
        raise wrong(origin, 1, f"side: expected {' or '.join(SIDES)}, got {header['side']!r}")
    _columns(header["os"], origin)
    try:
        at = datetime.fromisoformat(header["time"])
    except ValueError:
        raise wrong(origin, 1, f"time: expected ISO 8601, got {header['time']!r}") from None
    if at.tzinfo is None:
        raise wrong(origin, 1, f"time: expected a time with its zone, got {header['time']!r}")
    groups = tuple(draft.finished() for draft in drafts.values())
    return MapFile(header["set"], header["host"], header["os"], at, groups, header["side"])
