"""The words and rows of mapping files: escapes, numbers and flags, and errors that name file, line and column.

Between the objects of a map and these words stand the tables of columns: one for each object, of which a row joins several.

Here are also the rows of the seed's own tables for Solaris, AIX and HP-UX, which the files of these systems keep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import ConfigError
from core.mapmodel import MapDevice, MapFile, MapFilesystem, MapGroup, MapVolume

EMPTY = "-"
_PLAIN = frozenset(map(chr, range(0x21, 0x7F))) - {"\\", "#"}
_OCTAL = re.compile(r"\\([0-3][0-7]{2})")
_NUMBER = re.compile(r"[0-9]{1,20}")
_SIZE = re.compile(r"([0-9]{1,20})([KM]?)")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20}
_LISTS = frozenset({"devices"})  # columns of several values, joined by commas


def escape(value: str) -> str:
    """The value as one word: blanks, backslash, `#` and all that is not printable ASCII as `\\ooo` of their UTF-8 bytes.

    An empty value is `-`, a lone `-` is `\\055`. Bytes that are no UTF-8 survive (surrogate escapes).
    """
    if value in ("", EMPTY):
        return EMPTY if not value else r"\055"
    return "".join(c if c in _PLAIN else _octal(c) for c in value)


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))


def unescape(word: str) -> str:
    """The value of a word. ValueError for a backslash that begins no `\\ooo`."""
    if word == EMPTY:
        return ""
    if "\\" in _OCTAL.sub("", word):
        raise ValueError(f"{word!r} has a backslash that begins no escape of three octal digits")
    raw = re.sub(_OCTAL.pattern.encode(), lambda m: bytes([int(m.group(1), 8)]), word.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def wrong(origin: str, line: int, problem: str) -> ConfigError:
    """The error for a line of a file."""
    return ConfigError(f"{origin}:{line}: {problem}")


@dataclass(frozen=True, slots=True)
class Row:
    """One line's values by column, and where the line stands; a column that the dialect lacks reads as empty."""

    origin: str
    line: int
    values: Mapping[str, str]

    def any(self, *columns: str) -> bool:
        """Whether one of these columns has a value."""
        return any(self.values.get(c) for c in columns)

    def text(self, column: str) -> str:
        """The value, perhaps empty."""
        return self.values.get(column, "")

    def needed(self, column: str) -> str:
        """The value; ConfigError when there is none."""
        value = self.text(column)
        if not value:
            raise wrong(self.origin, self.line, f"{column}: expected a value, got none")
        return value

    def number(self, column: str) -> int:
        """The value as a number, 0 for none; ConfigError for anything else."""
        value = self.text(column)
        if value and not _NUMBER.fullmatch(value):
            raise wrong(self.origin, self.line, f"{column}: expected a number, got {value!r}")
        return int(value or 0)

    def items(self, column: str) -> tuple[str, ...]:
        """The values of a column of several; ConfigError for a bad escape in one of them."""
        word = self.values.get(column, EMPTY)
        return () if word == EMPTY else tuple(value_of(self.origin, self.line, column, part) for part in word.split(","))

    def flags(self, column: str, letters: str) -> tuple[bool, ...]:
        """Which of the letters stand in the value; ConfigError for a letter that is not known."""
        value = self.text(column)
        odd = "".join(c for c in value if c not in letters)
        if odd:
            raise wrong(self.origin, self.line, f"{column}: expected letters of {letters!r}, got {odd!r}")
        return tuple(letter in value for letter in letters)


def flag_word(letters: str, *states: bool) -> str:
    """The letters whose states are true: the other direction of `Row.flags`."""
    return "".join(letter for letter, state in zip(letters, states, strict=True) if state)


def word_row(origin: str, line: int, columns: tuple[str, ...], text: str) -> Row:
    """The row in a line of words. ConfigError for a wrong number of columns or a bad escape, naming the column."""
    words = text.split()
    if len(words) != len(columns):
        raise wrong(origin, line, f"expected {len(columns)} columns ({columns[0]} to {columns[-1]}), got {len(words)}")
    return Row(origin, line, {name: value_of(origin, line, name, word) for name, word in zip(columns, words, strict=True)})


def value_of(origin: str, line: int, name: str, word: str) -> str:
    """The value of one named word; ConfigError for a bad escape."""
    try:
        return unescape(word)
    except ValueError as error:
        raise wrong(origin, line, f"{name}: {error}") from None


def list_word(values: Iterable[str]) -> str:
    """Several values as one word: the other direction of `Row.items`."""
    return ",".join(escape(value).replace(",", r"\054") for value in values) or EMPTY


def fact_words(columns: tuple[str, ...], values: Mapping[str, str]) -> str:
    """The values as `column=word`; a list's value is its word already."""
    return " ".join(f"{c}={values[c] if c in _LISTS else escape(values[c])}" for c in columns)


def fact_row(origin: str, line: int, kind: str, columns: tuple[str, ...], text: str) -> Row:
    """The row in a line of `column=word`: the other direction of `fact_words`. ConfigError for other columns than these."""
    words = [word.partition("=") for word in text.split()]
    values = {key: word if key in _LISTS else value_of(origin, line, key, word) for key, _, word in words}
    if tuple(key for key, _, _ in words) != columns:
        raise wrong(origin, line, f"{kind}: expected {' '.join(f'{key}=...' for key in columns)}")
    return Row(origin, line, values)


# --- the objects by column ---------------------------------------------------------------------------------------------

_VOLUME_FLAGS = "ah"  # active, hidden
_FILESYSTEM_FLAGS = "mt"  # mounted, in the host's table


def device_record(d: MapDevice) -> dict[str, str]:
    """What is to be said of a device, by column; empty for nothing."""
    return {
        "serial": d.serial,
        "address": d.address,
        "partition": d.partition,
        "pv_uuid": d.uuid,
        "pv_size": str(d.size),
        "pe_start": str(d.pe_start),
        "device_size": str(d.device_size),
        "mirror_of": d.mirror_of,
        "format": d.format,
    }


def volume_record(v: MapVolume) -> dict[str, str]:
    """What is to be said of a volume, by column, but for its devices and filesystems."""
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
        "number": str(v.number or ""),
    }


def filesystem_record(f: MapFilesystem) -> dict[str, str]:
    """What is to be said of a filesystem, by column."""
    return {
        "file_type": f.kind,
        "mount_point": f.mount_point,
        "fs_uuid": f.uuid,
        "fs_label": f.label,
        "fs_flags": flag_word(_FILESYSTEM_FLAGS, f.mounted, f.in_table),
        "options": f.options,
        "log": f.log,
    }


def read_device(row: Row) -> MapDevice:
    """The device of a row; ConfigError for a value that cannot be."""
    sizes = row.number("pv_size"), row.text("partition"), row.number("pe_start"), row.number("device_size")
    mirror = row.text("mirror_of"), row.text("format")
    return MapDevice(row.text("serial"), row.text("address"), row.needed("pv_uuid"), *sizes, *mirror)


def read_volume(row: Row) -> MapVolume:
    """The volume of a row, without devices and filesystems; ConfigError for a value that cannot be."""
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
        row.number("number"),
    )


def read_filesystem(row: Row) -> MapFilesystem:
    """The filesystem of a row; ConfigError for a value that cannot be."""
    mounted, in_table = row.flags("fs_flags", _FILESYSTEM_FLAGS)
    return MapFilesystem(
        row.needed("file_type"),
        row.text("mount_point"),
        row.text("fs_uuid"),
        row.text("fs_label"),
        row.text("options"),
        mounted,
        in_table,
        row.text("log"),
    )


# --- the seed's tables ------------------------------------------------------------------------------------------------

NOT_APPLICABLE = "N/A"  # the tables' own word

# The columns of the seed's tables 2 to 4, in order.
SEED_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "solaris": ("serial", "address", "group", "volume", "file_type", "mount_point", "vxvm_id", "format"),
    "aix": (
        "serial",
        "address",
        "group",
        "volume",
        "pp_size",
        "file_type",
        "mount_point",
        "lp_count",
        "log",
        "stripes",
        "stripe_size",
    ),
    "hpux": ("serial", "address", "group", "volume", "number", "file_type", "mount_point"),
}
_NOT_APPLICABLE = frozenset({"log", "stripes", "stripe_size"})  # columns that say so by that word; the others by `-`
_NUMBERS = frozenset({"pp_size", "lp_count", "stripes", "number"})
_NEEDED = frozenset({"serial", "group", "volume", "file_type"})


@dataclass(frozen=True, slots=True)
class SeedRow:
    """One row of the seed's tables. Columns that its system lacks are empty or None, as is what a row does not say.

    `pp_size` is in MB, `lp_count` in logical partitions, `stripe_size` in bytes.
    """

    serial: str
    address: str
    group: str
    volume: str
    file_type: str
    mount_point: str
    vxvm_id: str = ""
    format: str = ""
    pp_size: int | None = None
    lp_count: int | None = None
    log: str = ""
    stripes: int | None = None
    stripe_size: int | None = None
    number: int | None = None

    def values(self, os: str) -> dict[str, str]:
        """The texts of that system's columns in their order; a column without a value has `N/A` or nothing."""
        found = {column: getattr(self, column) for column in SEED_COLUMNS[os]}
        return {column: _seed_text(column, value) for column, value in found.items()}


def _seed_text(column: str, value: str | int | None) -> str:
    if value is None or value == "":
        return NOT_APPLICABLE if column in _NOT_APPLICABLE else ""
    if column == "stripe_size" and isinstance(value, int) and value % 1024 == 0:
        return f"{value // 1024}K"
    return str(value)


def _seed_value(row: Row, column: str) -> str | int | None:
    text = row.needed(column) if column in _NEEDED else row.text(column)
    if text == NOT_APPLICABLE and column in _NOT_APPLICABLE:
        text = ""
    if column == "stripe_size":
        size = _SIZE.fullmatch(text)
        if text and size is None:
            raise wrong(row.origin, row.line, f"{column}: expected a size such as 64K or {NOT_APPLICABLE}, got {text!r}")
        return int(size[1]) * _UNITS[size[2]] if size else None
    if column in _NUMBERS:
        return Row(row.origin, row.line, {column: text}).number(column) if text else None
    return text


def seed_columns(os: str, where: str) -> tuple[str, ...]:
    """The columns of a system's table in the seed; ConfigError for a system that has none there."""
    if os not in SEED_COLUMNS:
        raise ConfigError(f"{where}: the seed has no table for the system {os!r}; it has some for: {', '.join(SEED_COLUMNS)}")
    return SEED_COLUMNS[os]


# What each column of the seed's tables says; None where there is nothing to say.
_CELLS: Mapping[str, Callable[[MapGroup, MapDevice, MapVolume, MapFilesystem], str | int | None]] = {
    "serial": lambda g, d, v, f: d.serial,
    "address": lambda g, d, v, f: d.address.rpartition("/")[2] if d.address.startswith("/dev/") else d.address,
    "group": lambda g, d, v, f: g.name,
    "volume": lambda g, d, v, f: v.name,
    "file_type": lambda g, d, v, f: f.kind,
    "mount_point": lambda g, d, v, f: f.mount_point,
    "vxvm_id": lambda g, d, v, f: g.uuid,  # table 2 prints one for two disks, so it is no disk's own
    "format": lambda g, d, v, f: d.format,
    "pp_size": lambda g, d, v, f: _parts(g.extent_size, 1 << 20),
    "lp_count": lambda g, d, v, f: _parts(v.size, g.extent_size),
    "log": lambda g, d, v, f: f.log,
    "stripes": lambda g, d, v, f: v.stripes if v.stripes > 1 else None,
    "stripe_size": lambda g, d, v, f: v.stripe_size if v.stripes > 1 and v.stripe_size else None,
    "number": lambda g, d, v, f: v.number or None,
}


def _parts(size: int, part: int) -> int | None:
    """How many parts a size is; None where that is no whole number, which these columns cannot say."""
    return size // part if part and size % part == 0 else None


def seed_rows(mapped: MapFile) -> tuple[SeedRow, ...]:
    """The rows of a map in the seed's table for its system: one for each device and volume on it with a filesystem.

    ConfigError for a system that the seed has no table for.
    """
    columns = seed_columns(mapped.os, f"map of {mapped.set_name}")
    out = []
    for group in mapped.groups:
        for device in group.devices:
            on = [(v, f) for v in group.volumes if device.uuid in v.devices for f in v.filesystems]
            for volume, filesystem in on:
                cells: dict[str, Any] = {c: _CELLS[c](group, device, volume, filesystem) for c in columns}
                out.append(SeedRow(**cells))
    return tuple(out)


def read_seed_rows(text: str, os: str, origin: str) -> tuple[SeedRow, ...]:
    """The rows of a bare file in that system's columns, as the seed prints it: no header, and so no word on what was lost.

    For files of the seed's own tool. Blank lines and lines that begin with `#` are skipped. ConfigError names the line.
    """
    columns = seed_columns(os, origin)
    lines: dict[SeedRow, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        row = word_row(origin, number, columns, line)
        values: dict[str, Any] = {column: _seed_value(row, column) for column in columns}
        if lines.setdefault(SeedRow(**values), number) != number:
            raise wrong(origin, number, f"this row stands in line {lines[SeedRow(**values)]} already")
    if not lines:
        raise ConfigError(f"{origin}: no row in it; expected lines of {len(columns)} columns ({columns[0]} to {columns[-1]})")
    return tuple(lines)
