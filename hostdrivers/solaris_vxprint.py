"""The records of `vxprint -ht`, read by the header lines that say which column is which: releases differ.

A volume has plexes, a plex has subdisks on disks, or in a layered volume subvolumes, which are volumes again. A data change
object (`dc`) keeps its map in a volume of its own, which holds no data of anybody: it is hidden, as subvolumes are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import ParseError
from core.model import LogicalVolume
from hostdrivers.report import whole_number

SECTOR = 512
_NEEDED = {
    "dm": ("NAME", "DEVICE", "PUBLEN"),
    "v": ("NAME", "KSTATE", "STATE", "LENGTH"),
    "pl": ("NAME", "VOLUME", "LENGTH", "LAYOUT", "NCOL/WID"),
    "sd": ("NAME", "PLEX", "DISK", "DEVICE", "MODE"),
    "sv": ("NAME", "PLEX", "VOLNAME"),
    "dc": ("NAME", "PARENTVOL", "LOGVOL"),
}
_DEPTH = 8  # subvolumes below subvolumes: VxVM has two levels
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one group by type."""

    host: str
    where: str
    of: Mapping[str, tuple[Row, ...]]

    def rows(self, kind: str) -> tuple[Row, ...]:
        """The records of a type, in their order; none where the group has none."""
        return self.of.get(kind, ())

    def sectors(self, row: Row, key: str) -> int:
        """A number of sectors. ParseError for anything else."""
        if not whole_number(row[key]):
            raise ParseError(self.host, self.where, f"{key} of {row['NAME']} is no number", row[key])
        return int(row[key])

    def below(self, volume: str) -> tuple[Row, ...]:
        """The plexes of a volume."""
        return tuple(row for row in self.rows("pl") if row["VOLUME"] == volume)


def records_of(host: str, where: str, text: str) -> Records:
    """Headers are in capitals, records in small letters. ParseError for a record that has no header, or too few words."""
    heads: dict[str, list[str]] = {}
    found: dict[str, list[Row]] = {}
    for line in text.splitlines():
        words = line.split()
        if not words or line.startswith("Disk group:"):
            continue
        kind = words[0].lower()
        if words[0].isupper() and len(words) > 1 and words[1] == "NAME":
            heads[kind] = words[1:]
        elif kind in heads or kind in _NEEDED:
            found.setdefault(kind, []).append(_row(host, where, kind, heads.get(kind), words[1:], line))
        elif not re.fullmatch(r"[a-z]{1,2}", kind):
            raise ParseError(host, where, "a line that is neither a header nor a record", line)
    if not {"dm", "v", "pl", "sd"} <= heads.keys():
        raise ParseError(host, where, "no headers DM, V, PL and SD", text.strip().split("\n")[0])
    return Records(host, where, {kind: tuple(rows) for kind, rows in found.items()})


def _row(host: str, where: str, kind: str, head: list[str] | None, words: list[str], line: str) -> Row:
    if head is None:
        raise ParseError(host, where, f"a {kind} record without a header that names its columns", line)
    row = dict(zip(head, words, strict=False))
    lacking = [key for key in _NEEDED.get(kind, ()) if key not in row]
    if lacking:
        raise ParseError(host, where, f"a {kind} record without {', '.join(lacking)}", line)
    return row


def volumes_of(records: Records, group: str, dgid: str, paths: Mapping[str, str]) -> tuple[LogicalVolume, ...]:
    """The volumes of a group; `paths` are the block devices of its disks by access name."""
    logs = {row["LOGVOL"] for row in records.rows("dc")}
    inner = {row["VOLNAME"] for row in records.rows("sv")}
    return tuple(_volume(records, row, group, dgid, paths, row["NAME"] in logs | inner) for row in records.rows("v"))


def _volume(records: Records, row: Row, group: str, dgid: str, paths: Mapping[str, str], hidden: bool) -> LogicalVolume:
    name = row["NAME"]
    data = [p for p in records.below(name) if p["LENGTH"] != "LOGONLY" and p.get("STATE") != "LOG"]
    layout = data[0]["LAYOUT"] if data else ""
    if data and layout not in _LAYOUTS:
        raise ParseError(records.host, records.where, f"the layout of {name} is not known", layout)
    columns, width = _columns(records, data[0]) if data else (1, 0)
    return LogicalVolume(
        name,
        f"{dgid}/{name}",
        group,
        records.sectors(row, "LENGTH") * SECTOR,
        "hidden" if hidden else _kind(records, name, layout, len(data)),
        path=f"/dev/vx/dsk/{group}/{name}",
        active=row["KSTATE"] == "ENABLED",
        hidden=hidden,
        devices=tuple(dict.fromkeys(paths.get(d, d) for d in _devices(records, name))),
        stripes=columns,
        stripe_size=width * SECTOR,
        refusal=_refusal(records, row, data),
    )


_LAYOUTS = {"CONCAT": "linear", "STRIPE": "striped", "RAID-5": "raid5", "RAID": "raid5"}


def _kind(records: Records, volume: str, layout: str, plexes: int) -> str:
    """Our word. A stripe of mirrors (layered) and a mirror of stripes are both raid10."""
    base = _LAYOUTS.get(layout, "linear")
    inside = any(len(records.below(v)) > 1 for v in _subvolumes(records, volume))
    if plexes > 1 or inside:
        return "raid10" if base == "striped" else "raid1"
    return base


def _columns(records: Records, plex: Row) -> tuple[int, int]:
    text = plex["NCOL/WID"]
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,18})", text)
    if match is None and text != "-":
        raise ParseError(records.host, records.where, f"NCOL/WID of {plex['NAME']} is no pair of numbers", text)
    return (int(match.group(1)), int(match.group(2))) if match else (1, 0)


def _subvolumes(records: Records, volume: str) -> list[str]:
    plexes = {p["NAME"] for p in records.below(volume)}
    return [row["VOLNAME"] for row in records.rows("sv") if row["PLEX"] in plexes]


def _devices(records: Records, volume: str) -> list[str]:
    """The access names of all disks below a volume; the media name where the disk is missing."""
    out: list[str] = []
    level = [volume]
    for _ in range(_DEPTH):
        plexes = {p["NAME"] for p in records.rows("pl") if p["VOLUME"] in level}
        out += [r["DEVICE"] if r["DEVICE"] != "-" else r["DISK"] for r in records.rows("sd") if r["PLEX"] in plexes]
        level = list(dict.fromkeys(row["VOLNAME"] for row in records.rows("sv") if row["PLEX"] in plexes))
        if not level:
            return out
    raise ParseError(records.host, records.where, "volumes lie on each other in a circle", volume)


def _refusal(records: Records, row: Row, plexes: list[Row]) -> str:
    """Why a copy of it would be worth nothing."""
    names = {p["NAME"] for p in plexes}
    if not plexes:
        return "it has no plex with data"
    if any(r["PLEX"] in names and r["MODE"] == "NDEV" for r in records.rows("sd")):
        return "a disk below it is missing"
    odd = [p["NAME"] for p in plexes if p.get("STATE") in ("STALE", "IOFAIL", "NODEVICE", "RECOVER", "OFFLINE")]
    return f"its plexes are not all in use: {', '.join(odd)}" if odd else ""
