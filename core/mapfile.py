"""The mapping file: everything about a set's groups that an import needs later, when the source can no longer be asked.

A map is made from a host's facts, written as a flat file of columns, and read back to the same objects.
`docs/map-files.md` describes the format; `DIALECTS` is where a system's own columns are named.

There are two manners of files. On Linux the rows say all. Solaris, AIX and HP-UX have the seed's narrow tables: there comment
lines before the rows say all, and the rows, which are made from them, must agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.errors import ConfigError
from core.mapmodel import MapDevice, MapFile, MapFilesystem, MapGroup, MapVolume, build_map, host_facts, mirror_map
from core.maptext import (
    SEED_COLUMNS,
    Row,
    SeedRow,
    device_record,
    escape,
    fact_row,
    fact_words,
    filesystem_record,
    list_word,
    read_device,
    read_filesystem,
    read_seed_rows,
    read_volume,
    seed_rows,
    value_of,
    volume_record,
    word_row,
    wrong,
)

__all__ = [
    "DIALECTS",
    "MapDevice",
    "MapFile",
    "MapFilesystem",
    "MapGroup",
    "MapVolume",
    "SeedRow",
    "build_map",
    "host_facts",
    "mirror_map",
    "read",
    "read_seed_rows",
    "seed_rows",
    "write",
]

FORMAT = "# splitmount map 1"
SIDES = ("std", "bcv")
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
    **SEED_COLUMNS,
}

# What each kind of comment line says, in order. Linux files have the groups' only.
_FACTS: Mapping[str, tuple[str, ...]] = {
    "group": _GROUP,
    "device": (
        "group",
        "serial",
        "address",
        "partition",
        "pv_uuid",
        "pv_size",
        "pe_start",
        "device_size",
        "mirror_of",
        "format",
    ),
    "volume": (
        "group",
        "volume",
        "volume_uuid",
        "kind",
        "size",
        "devices",
        "stripes",
        "stripe_size",
        "pool",
        "origin",
        "volume_flags",
        "refusal",
        "number",
    ),
    "filesystem": ("group", "volume", "file_type", "mount_point", "fs_uuid", "fs_label", "fs_flags", "options", "log"),
}

# --- writing ----------------------------------------------------------------------------------------------------------


def write(mapped: MapFile) -> str:
    """The flat file: a header of comment lines, then aligned columns. ConfigError for what its dialect cannot say."""
    columns = _columns(mapped.os, f"map of {mapped.set_name}")
    if mapped.os in SEED_COLUMNS:
        records = [row.values(mapped.os) for row in seed_rows(mapped)]
        facts = list(_fact_lines(mapped))
    else:
        records = [_held(record, columns, mapped) for record in _records(mapped)]
        facts = [_fact_line("group", _group_record(group)) for group in mapped.groups]
    lines = [[escape(record.get(name, "")) for name in columns] for record in records]
    values = (mapped.set_name, mapped.side, mapped.host, mapped.os, mapped.measured_at.isoformat(), str(len(lines)))
    header = dict(zip(_HEADER, values, strict=True)) | {"facts": str(len(facts))}
    head = [FORMAT, *(f"# {key}: {escape(header[key])}" for key in _header_keys(mapped.os)), *facts]
    table = [["#" + columns[0], *columns[1:]], *lines]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    body = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([*head, *body]) + "\n"


def _columns(os: str, where: str) -> tuple[str, ...]:
    if os not in DIALECTS:
        raise ConfigError(f"{where}: no map files for the system {os!r}; there are some for: {', '.join(DIALECTS)}")
    return DIALECTS[os]


def _header_keys(os: str) -> tuple[str, ...]:
    return (*_HEADER, "facts") if os in SEED_COLUMNS else _HEADER


def _held(record: dict[str, str], columns: Sequence[str], mapped: MapFile) -> dict[str, str]:
    """The record, when the columns have room for all of it."""
    for name, value in record.items():
        if value and name not in columns:
            where = f"map of {mapped.set_name}: {record['group']}/{record.get('volume', '')}"
            raise ConfigError(f"{where}: {name} is {value!a}, and files for {mapped.os} have no such column")
    return record


def _fact_line(kind: str, record: Mapping[str, str]) -> str:
    return f"# {kind}: {fact_words(_FACTS[kind], record)}"


def _fact_lines(mapped: MapFile) -> Iterator[str]:
    """The comment lines that say all: each group, then its devices, and its volumes with their filesystems."""
    for group in mapped.groups:
        within = {"group": group.name}
        yield _fact_line("group", _group_record(group))
        for device in group.devices:
            yield _fact_line("device", within | device_record(device))
        for volume in group.volumes:
            yield _fact_line("volume", within | volume_record(volume) | {"devices": list_word(volume.devices)})
            for filesystem in volume.filesystems:
                yield _fact_line("filesystem", within | {"volume": volume.name} | filesystem_record(filesystem))


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
                    **(device_record(at) if at is not None else {}),
                    **(volume_record(volume) if volume is not None else {}),
                    **(filesystem_record(filesystem) if filesystem is not None else {}),
                }


def _group_record(g: MapGroup) -> dict[str, str]:
    values = (g.name, g.uuid, str(g.seqno), str(g.extent_size), str(g.size), g.system_id)
    return dict(zip(_GROUP, values, strict=True))


# --- reading ----------------------------------------------------------------------------------------------------------


def read(text: str, origin: str) -> MapFile:
    """The map in a file's text; ConfigError names `origin`, the line, and what was expected."""
    lines = text.split("\n")
    if lines[0] != FORMAT:
        raise wrong(origin, 1, f"expected {FORMAT!r}: this is no map file, or one of another format")
    if lines.pop() != "":
        raise wrong(origin, len(lines) + 1, "the file ends within a line: it was cut off")
    reader = _Reader(origin)
    for number, line in enumerate(lines[1:], 2):
        reader.take(number, line)
    return reader.whole(len(lines))


@dataclass(slots=True)
class _Reader:
    """What was read so far of one file."""

    origin: str
    header: dict[str, str] = field(default_factory=dict)
    drafts: dict[str, _Draft] = field(default_factory=dict)
    facts: int = 0
    rows: list[Row] = field(default_factory=list)

    def take(self, number: int, line: str) -> None:
        """Take one line: facts, the header, a person's comment, or a row."""
        os = self.header.get("os", "")
        kind, colon, words = line.removeprefix("# ").partition(": ")
        if line.startswith("# ") and colon and (kind == "group" or (kind in _FACTS and os in SEED_COLUMNS)):
            row = fact_row(self.origin, number, kind, _FACTS[kind], words)
            _ADD[kind](row, self.drafts)
            self.facts += 1
        elif line.startswith("#"):
            _read_header(self.origin, number, line.removeprefix("#").strip(), self.header)
        elif line.strip():
            row = word_row(self.origin, number, _columns(os, f"{self.origin}:{number}"), line)
            if os not in SEED_COLUMNS:
                _add(row, self.drafts)
            self.rows.append(row)

    def whole(self, end: int) -> MapFile:
        """The map, when all of it is there. A file that lost lines must never look like a smaller set."""
        header, os = self.header, self.header.get("os", "")
        missing = [key for key in _header_keys(os) if not header.get(key)]
        if missing:
            raise wrong(self.origin, 1, f"the header lacks {', '.join(missing)}")
        if os in SEED_COLUMNS:
            self._counted("facts", self.facts)
            mapped = self._map()
            _agree(mapped, self.rows, self.origin, end)
            self._counted("rows", len(self.rows))
            return mapped
        self._counted("rows", len(self.rows))
        return self._map()

    def _counted(self, key: str, there: int) -> None:
        if self.header[key] != str(there):
            problem = f"the header says {self.header[key]} {key} and there are {there}: the file is not whole"
            raise wrong(self.origin, 1, problem)

    def _map(self) -> MapFile:
        header = self.header
        if header["side"] not in SIDES:
            raise wrong(self.origin, 1, f"side: expected {' or '.join(SIDES)}, got {header['side']!r}")
        _columns(header["os"], self.origin)
        try:
            at = datetime.fromisoformat(header["time"])
        except ValueError:
            raise wrong(self.origin, 1, f"time: expected ISO 8601, got {header['time']!r}") from None
        if at.tzinfo is None:
            raise wrong(self.origin, 1, f"time: expected a time with its zone, got {header['time']!r}")
        groups = tuple(draft.finished() for draft in self.drafts.values())
        return MapFile(header["set"], header["host"], header["os"], at, groups, header["side"])


@dataclass(frozen=True, slots=True)
class _Draft:
    """A group while its lines are read; filesystems and devices of a volume are gathered by its name."""

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
    if not colon or key not in _header_keys(header.get("os", "")):
        return
    if key in header:
        raise wrong(origin, number, f"{key} is given twice")
    header[key] = value_of(origin, number, key, word.strip())


def _add_group(row: Row, drafts: dict[str, _Draft]) -> None:
    numbers = (row.number("seqno"), row.number("extent_size"), row.number("size"))
    draft = _Draft(MapGroup(row.needed("name"), row.needed("uuid"), *numbers, row.text("system_id")))
    if drafts.setdefault(draft.group.name, draft) is not draft:
        raise wrong(row.origin, row.line, f"group {draft.group.name} is given twice")


def _add_device(row: Row, drafts: dict[str, _Draft]) -> None:
    device, known = read_device(row), _draft(row, drafts).devices
    if device.uuid in known:
        raise wrong(row.origin, row.line, f"pv_uuid: physical volume {device.uuid} is given twice")
    known[device.uuid] = device


def _add_volume(row: Row, drafts: dict[str, _Draft]) -> None:
    draft, devices = _draft(row, drafts), row.items("devices")
    volume = replace(read_volume(row), devices=devices)
    if volume.name in draft.volumes:
        raise wrong(row.origin, row.line, f"volume: logical volume {volume.name} is given twice")
    if devices != tuple(uuid for uuid in draft.devices if uuid in devices):
        there = ", ".join(draft.devices) or "none"
        problem = f"devices: expected some of the group's, in this order: {there}; got {', '.join(devices)}"
        raise wrong(row.origin, row.line, problem)
    draft.volumes[volume.name] = volume


def _add_filesystem(row: Row, drafts: dict[str, _Draft]) -> None:
    known, filesystem = _draft(row, drafts).volumes, read_filesystem(row)
    volume = known.get(row.text("volume"))
    if volume is None:
        raise wrong(row.origin, row.line, f"volume: logical volume {row.text('volume')!r} is not in the lines above")
    if filesystem in volume.filesystems:
        raise wrong(row.origin, row.line, f"this filesystem of {volume.name} is given twice")
    known[volume.name] = replace(volume, filesystems=(*volume.filesystems, filesystem))


_ADD: Mapping[str, Callable[[Row, dict[str, _Draft]], None]] = {
    "group": _add_group,
    "device": _add_device,
    "volume": _add_volume,
    "filesystem": _add_filesystem,
}


def _draft(row: Row, drafts: Mapping[str, _Draft]) -> _Draft:
    draft = drafts.get(row.text("group"))
    if draft is None:
        raise wrong(row.origin, row.line, f"group {row.text('group')!r} is not in the header")
    return draft


def _agree(mapped: MapFile, rows: Sequence[Row], origin: str, end: int) -> None:
    """ConfigError unless the rows are those that the comment lines make, each once; their order is free."""
    wanted = [tuple(row.values(mapped.os).values()) for row in seed_rows(mapped)]
    left, lines, odd = Counter(wanted), dict[tuple[str, ...], int](), []
    for row in rows:
        words = tuple(row.values.values())
        if left[words] > 0:
            left[words] -= 1
            lines.setdefault(words, row.line)
        elif words in lines:
            raise wrong(origin, row.line, f"this row stands in line {lines[words]} already")
        else:
            odd.append(row)
    lost = list(left.elements())
    if odd:
        raise _differs(odd[0], lost or wanted)
    if lost:
        shown = " ".join(escape(word) for word in lost[0])
        raise wrong(origin, end, f"a row that the comment lines call for is missing: {shown}")


def _differs(row: Row, wanted: Sequence[tuple[str, ...]]) -> ConfigError:
    """The error for a row that was changed: the first column in which it differs from the nearest row there should be."""
    if not wanted:
        return wrong(row.origin, row.line, "the comment lines call for no row at all")
    nearest = max(wanted, key=lambda words: sum(a == b for a, b in zip(words, row.values.values(), strict=True)))
    column, got, word = next((c, a, b) for (c, a), b in zip(row.values.items(), nearest, strict=True) if a != b)
    return wrong(row.origin, row.line, f"{column}: the row says {escape(got)} and the comment lines say {escape(word)}")


def _add(row: Row, drafts: Mapping[str, _Draft]) -> None:
    """Join one row to what the earlier ones said; ConfigError where they contradict each other."""
    draft = _draft(row, drafts)
    device = read_device(row) if row.any("serial", "address", "pv_uuid") else None
    volume = read_volume(row) if row.any("volume", "volume_uuid") else None
    if volume is None and row.any("file_type", "mount_point"):
        raise wrong(row.origin, row.line, "volume: expected a name, for there is a filesystem")
    filesystem = read_filesystem(row) if row.any("file_type", "mount_point", "fs_uuid") else None
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
