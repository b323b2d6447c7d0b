"""LVM2 on an emulated Linux: what it sees on the disks, what it has mapped, and its commands.

Rules as measured on LVM 2.03.16 (Debian 12): a group is what the labels of the visible physical volumes say, the newest
sequence number wins; of two devices with one identity the first is used and the other hidden, with a warning; a list of
devices or a filter narrows what is seen; vgimportclone accepts a set torn over two sequence numbers, appends a number to a
name that is taken, and hangs when the new name is the one on the disks. Not modelled: exported and shared groups, hints.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from hostdrivers.emulated.linux_files import LinuxFiles
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.volumes import DATA_AT, Disk, Group, Volume, VolumeBytes, extents_of, read_label, write_label

NOT_FOUND, BAD_LINE = 5, 3
_LETTERS = string.ascii_letters + string.digits
_FLAGS = ("--nohints", "--noheadings", "--nosuffix", "-a", "--all", "-q", "--quiet", "--unbuffered", "--yes", "-y")
_VALUES = ("--config", "--devices", "--separator", "--units", "--reportformat", "--configreport", "-o", "--options", "-n",
           "--name", "--basevgname", "--dump", "--activate", "--systemid")  # fmt: skip


def new_uuid() -> str:
    """An LVM UUID, of the form 6-4-4-4-4-4-6."""
    text = "".join(secrets.choice(_LETTERS) for _ in range(32))
    cuts = (0, 6, 10, 14, 18, 22, 26, 32)
    return "-".join(text[a:b] for a, b in pairwise(cuts))


def dm_name(group: str, volume: str) -> str:
    """The device-mapper name: dashes in either part are doubled."""
    return f"{group.replace('-', '--')}-{volume.replace('-', '--')}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A physical volume as this command sees it."""

    path: str
    disk: Disk
    id: str
    group: Group


@dataclass(frozen=True, slots=True)
class Mapped:
    """An active volume: its table was loaded then, and stays whatever the metadata becomes."""

    number: int
    group: str
    uuid: str
    volume: Volume
    paths: tuple[str, ...]
    bytes: VolumeBytes


@dataclass(frozen=True, slots=True)
class View:
    """What one command sees: the devices that it may use, each identity once; `hidden` are the others of an identity."""

    seen: tuple[Seen, ...]
    hidden: tuple[Seen, ...]

    @property
    def groups(self) -> list[Group]:
        """Every group, by its newest metadata."""
        newest: dict[str, Group] = {}
        for one in self.seen:
            if one.group.id not in newest or newest[one.group.id].stamp < one.group.stamp:
                newest[one.group.id] = one.group
        return list(newest.values())

    def of(self, group: Group) -> list[Seen]:
        """The devices of a group, in the group's order."""
        by_id = {s.id: s for s in self.seen}
        return [by_id[i] for i in group.disks if i in by_id]

    def path_of(self, identity: str) -> str:
        """The device of an identity."""
        return next((s.path for s in self.seen if s.id == identity), "[unknown]")


@dataclass(frozen=True, slots=True)
class Line:
    """A command line of LVM, taken apart."""

    values: Mapping[str, str]
    flags: frozenset[str]
    rest: tuple[str, ...]
    reports: Mapping[str, str]

    def get(self, *names: str, default: str = "") -> str:
        """The value of an option under any of its names."""
        return next((self.values[n] for n in names if n in self.values), default)


def parse(command: str, argv: Sequence[str]) -> Line:
    """By LVM's rules: an unknown option ends with 3. `-o` after `--configreport KIND` belongs to that kind."""
    values: dict[str, str] = {}
    reports: dict[str, str] = {}
    flags, rest, words, kind = set[str](), [], list(argv), ""
    while words:
        word, equals, value = words.pop(0).partition("=") if words[0].startswith("--") else (words.pop(0), "", "")
        if word in _FLAGS and not equals:
            flags.add(word)
        elif word in ("-ay", "-an"):
            values["-a"] = word[2:]
        elif word in _VALUES:
            if not equals and not words:
                raise Usage(
                    f"  {command}: option '{word}' requires an argument\n  Error during parsing of command line.", BAD_LINE
                )
            value = value if equals else words.pop(0)
            kind = value if word == "--configreport" else kind
            if word == "-o" and kind:
                reports[kind] = value
            else:
                values[word] = value
        elif word.startswith("-"):
            raise Usage(f"  {command}: unrecognized option '{word}'\n  Error during parsing of command line.", BAD_LINE)
        else:
            rest.append(word)
    return Line(values, frozenset(flags), tuple(rest), reports)


class LinuxLvm(LinuxFiles):
    """The part of a Linux host that is LVM; `named` are the disks by their paths."""

    def boot(self) -> None:
        """Nothing is active."""
        super().boot()
        self.maps: dict[str, Mapped] = {}
        self.system_id = ""

    def named(self) -> list[tuple[str, Disk]]:
        """Every disk that the kernel knows, with its path, in the order of names."""
        raise NotImplementedError

    def show_map(self, name: str, mapped: Mapped, *, gone: bool = False) -> None:
        """Make or remove a map's nodes and its files below /sys."""
        raise NotImplementedError

    # --- what is seen ---------------------------------------------------------------------------------------------------

    def view(self, line: Line) -> View:
        """The labels on all devices that the command may use."""
        allowed = line.get("--devices")
        rejected = re.findall(r'"r\|\^?([^|"]*?)\$?\|"', line.get("--config")) if "filter=" in line.get("--config") else []
        seen: dict[str, Seen] = {}
        hidden = []
        for path, disk in self.named():
            if (allowed and path not in allowed.split(",")) or path in rejected:
                continue
            try:
                label = read_label(disk)
            except (OSError, ValueError):
                continue
            if label is not None and label[1].family == "lvm":
                one = Seen(path, disk, label[0], label[1])
                if one.id in seen:
                    hidden.append(one)
                else:
                    seen[one.id] = one
        return View(tuple(seen.values()), tuple(hidden))

    def warnings(self, view: View) -> str:
        """What LVM says about duplicates and torn sets, on any command."""
        out = ""
        for one in view.hidden:
            used = view.path_of(one.id)
            out += f"  WARNING: Not using device {one.path} for PV {one.id}.\n  WARNING: PV {one.id} prefers device {used} because device was seen first.\n"
        for group in view.groups:
            if len({s.group.stamp for s in view.of(group)}) > 1:
                out += f"  WARNING: Inconsistent metadata found for VG {group.name}.\n"
        return out

    def found(self, view: View, word: str) -> Group:
        """A group by name or UUID."""
        fits = [g for g in view.groups if word in (g.name, g.id)]
        if not fits:
            raise Failed(f'  Volume group "{word}" not found\n  Cannot process volume group {word}', NOT_FOUND)
        if len(fits) > 1:
            raise Failed(
                f"  Multiple VGs found with the same name: skipping {word}\n  Use --select vg_uuid=<uuid> in place of the VG name.",
                NOT_FOUND,
            )
        return fits[0]

    # --- maps -----------------------------------------------------------------------------------------------------------

    def node_name(self, path: str) -> str:
        """The device-mapper name behind /dev/mapper/NAME, /dev/GROUP/VOLUME or /dev/dm-N."""
        for name, one in self.maps.items():
            if path in (f"/dev/mapper/{name}", f"/dev/{one.group}/{one.volume.name}", f"/dev/dm-{one.number}"):
                return name
        return ""

    def node_bytes(self, name: str) -> VolumeBytes:
        """The bytes of a mapped volume."""
        return self.maps[name].bytes

    def activate(self, view: View, group: Group) -> int:
        """Map every volume of a group; how many are active."""
        members = view.of(group)
        if len(members) < len(group.disks):
            raise Failed(
                f"  Refusing activation of partial LV {group.name}/{group.volumes[0].name}.  Use '--activationmode partial' to override.",
                NOT_FOUND,
            )
        for volume in group.volumes:
            name = dm_name(group.name, volume.name)
            if name in self.maps:
                continue
            used = {index for index, _, _ in volume.pieces}
            number = next(n for n in range(len(self.maps) + 1) if n not in {m.number for m in self.maps.values()})
            paths = tuple(members[i].path for i in sorted(used))
            made = Mapped(
                number, group.name, group.id, volume, paths, VolumeBytes(volume, group.extent, [m.disk for m in members])
            )
            self.maps[name] = made
            self.show_map(name, made)
        return len(group.volumes)

    def deactivate(self, group: Group) -> None:
        """Unmap every volume of a group; refused when one is mounted."""
        names = [n for n, m in self.maps.items() if m.uuid == group.id or m.group == group.name]
        for name in names:
            if self.held(name):
                one = self.maps[name]
                raise Failed(f"  Logical volume {one.group}/{one.volume.name} contains a filesystem in use.", NOT_FOUND)
        for name in names:
            self.unmap(name)

    def unmap(self, name: str) -> None:
        """Take a device-mapper device away."""
        self.show_map(name, self.maps.pop(name), gone=True)

    # --- commands -------------------------------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        """By name."""
        verbs = ("pvs", "vgs", "lvs", "vgchange", "vgrename", "pvck", "fullreport", "systemid")
        table: dict[str, Callable[[Call], Answer]] = dict.fromkeys(verbs, self._direct)
        return {**super().programs(), **table, "lvm": self._lvm, "vgimportclone": self._importclone, "dmsetup": self._dmsetup}

    def _direct(self, call: Call) -> Answer:
        return self._verb(call.name, call.argv)

    def _lvm(self, call: Call) -> Answer:
        if not call.argv:
            raise Usage("lvm> ", 1)
        return self._verb(call.argv[0], call.argv[1:])

    def _verb(self, verb: str, argv: Sequence[str]) -> Answer:
        acts: dict[str, Callable[[Line, View], Answer]] = {
            "pvs": self._pvs, "vgs": self._vgs, "lvs": self._lvs, "vgchange": self._vgchange, "vgrename": self._vgrename,
            "pvck": self._pvck, "fullreport": self._fullreport,
            "systemid": lambda line, view: Answer(f"  system ID: {self.system_id}\n"),
            "version": lambda line, view: Answer("  LVM version:     2.03.16(2) (2022-05-18)\n  Library version: 1.02.185 (2022-05-18)\n"),
        }  # fmt: skip
        if verb not in acts:
            raise Usage(f"  No such command '{verb}'.  Try 'help'.", 2)
        line = parse(verb, argv)
        view = self.view(line)
        answer = acts[verb](line, view)
        return replace(answer, err=self.warnings(view) + answer.err)

    def _vgchange(self, line: Line, view: View) -> Answer:
        if line.get("-a") not in ("y", "n") or len(line.rest) != 1:
            raise Usage(
                "  vgchange: this emulator takes -ay or -an and one group\n  Error during parsing of command line.", BAD_LINE
            )
        group = self.found(view, line.rest[0])
        on = line.get("-a") == "y"
        count = self.activate(view, group) if on else 0
        if not on:
            self.deactivate(group)
        return Answer(f'  {count} logical volume(s) in volume group "{group.name}" now active\n')

    def _vgrename(self, line: Line, view: View) -> Answer:
        old, new = line.rest if len(line.rest) == 2 else ("", "")
        group = self.found(view, old)
        self._fit_name(new)
        if any(g.name == new for g in view.groups):
            raise Failed(f'  New volume group "{new}" already exists', NOT_FOUND)
        active = [(n, m) for n, m in self.maps.items() if m.uuid == group.id]
        now = replace(group, name=new, stamp=group.stamp + 1)
        for one in view.of(group):
            write_label(one.disk, one.id, now)
        for name, mapped in active:
            self.show_map(name, mapped, gone=True)
            del self.maps[name]
            moved = self.maps[dm_name(new, mapped.volume.name)] = replace(mapped, group=new)
            self.show_map(dm_name(new, mapped.volume.name), moved)
        return Answer(f'  Volume group "{group.name}" successfully renamed to "{new}"\n')

    @staticmethod
    def _fit_name(name: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]*", name):
            raise Failed(f'  New volume group name "{name}" is invalid.', NOT_FOUND)

    def _pvck(self, line: Line, view: View) -> Answer:
        if line.get("--dump") != "metadata" or len(line.rest) != 1:
            raise Usage(
                "  pvck: this emulator takes --dump metadata and one device\n  Error during parsing of command line.", BAD_LINE
            )
        one = next((s for s in (*view.seen, *view.hidden) if s.path == line.rest[0]), None)
        if one is None:
            raise Failed(f"  Failed to find an LVM label on {line.rest[0]}", NOT_FOUND)
        group = one.group
        text = (
            f'{group.name} {{\nid = "{group.id}"\nseqno = {group.stamp}\nformat = "lvm2"\nextent_size = {group.extent // 512}\n'
        )
        return Answer(f"  metadata text at 4608 crc 0x0 # vgname {group.name} seqno {group.stamp}\n  ---\n{text}}}\n")

    def _importclone(self, call: Call) -> Answer:
        line = parse("vgimportclone", call.argv)
        view = self.view(line)
        chosen = [s for path in line.rest for s in (*view.seen, *view.hidden) if s.path == path]
        if not line.rest or len(chosen) < len(line.rest):
            raise Failed("  Failed to find one or more of the devices.", NOT_FOUND)
        if len({s.group.id for s in chosen}) > 1:
            raise Failed("  Devices are from different VGs.", NOT_FOUND)
        group = max((s.group for s in chosen), key=lambda g: g.stamp)
        if {s.id for s in chosen} != set(group.disks):
            raise Failed(f"  Base VG {group.name} has PVs that are not in the list: the set is incomplete.", NOT_FOUND)
        if any(set(m.paths) & {s.path for s in chosen} for m in self.maps.values()):
            raise Failed(f"  Devices of VG {group.name} have active LVs.", NOT_FOUND)
        foreign = group.facts.get("system_id", "")
        if foreign and foreign != self.system_id and foreign not in line.get("--config"):
            raise Failed(
                f"  Cannot access VG {group.name} with system ID {foreign} with local system ID {self.system_id}.", NOT_FOUND
            )
        name = line.get("-n", "--basevgname") or group.name
        if name == group.name:
            return Answer("", "", 124)  # the real one never ends; `timeout` says so
        self._fit_name(name)
        return self._cloned(chosen, group, self._free_name(name, self.view(parse("vgs", ()))))

    @staticmethod
    def _free_name(name: str, view: View) -> str:
        taken = {g.name for g in view.groups}
        return next(n for n in (name, *(f"{name}{i}" for i in range(1, 100))) if n not in taken)

    def _cloned(self, chosen: Sequence[Seen], group: Group, name: str) -> Answer:
        fresh = {identity: new_uuid() for identity in group.disks}
        now = replace(group, name=name, id=new_uuid(), disks=[fresh[i] for i in group.disks], stamp=group.stamp + 4)
        now.facts = {**group.facts, "system_id": self.system_id}
        for one in chosen:
            write_label(one.disk, fresh[one.id], now)
        mixed = len({s.group.stamp for s in chosen}) > 1
        return Answer("", f"  WARNING: Inconsistent metadata found for VG {group.name}.\n" if mixed else "")

    def _dmsetup(self, call: Call) -> Answer:
        if not call.argv or call.argv[0] not in ("info", "ls", "remove"):
            raise Usage("dmsetup: this emulator knows info -c, ls and remove")
        if call.argv[0] == "remove":
            for name in [w for w in call.argv[1:] if w != "--retry"]:
                if name not in self.maps:
                    raise Failed(f"Device {name} not found\nCommand failed.")
                if self.held(name):
                    raise Failed(f"device-mapper: remove ioctl on {name}  failed: Device or resource busy\nCommand failed.")
                self.unmap(name)
            return Answer()
        if call.argv[0] == "ls":
            return Answer("".join(f"{n}\t(253:{m.number})\n" for n, m in sorted(self.maps.items())) or "No devices found\n")
        line = parse("dmsetup", [w for w in call.argv[1:] if w != "-c"])
        columns = line.get("-o", default="name,uuid,open").split(",")
        rows = []
        for name, one in sorted(self.maps.items()):
            uuid = "LVM-" + (one.uuid + one.volume.id).replace("-", "")
            words = {"name": name, "uuid": uuid, "open": str(len(self.held(name))), "major": "253", "minor": str(one.number)}
            rows.append(line.get("--separator", default=":").join(words[c] for c in columns) + "\n")
        return Answer("".join(rows) or "No devices found\n")

    # --- reports --------------------------------------------------------------------------------------------------------

    def vg_row(self, view: View, group: Group) -> dict[str, str]:
        """The fields of a group."""
        members = view.of(group)
        size = sum(extents_of(m.disk, group.extent) for m in members) * group.extent
        return {
            "vg_name": group.name, "vg_uuid": group.id, "vg_seqno": str(group.stamp), "vg_extent_size": str(group.extent), "vg_size": str(size),
            "vg_systemid": group.facts.get("system_id", ""), "vg_exported": "", "vg_partial": "partial" if len(members) < len(group.disks) else "",
            "vg_lock_type": "", "snap_count": "0", "vg_free": str(size - sum(v.extents for v in group.volumes) * group.extent), "pv_count": str(len(group.disks)), "vg_attr": "wz--n-", "lv_count": str(len(group.volumes)),
        }  # fmt: skip

    def pv_rows(self, view: View, group: Group) -> list[dict[str, str]]:
        """The fields of a group's physical volumes, missing ones and hidden duplicates too."""
        out = []
        for identity in group.disks:
            places: list[Seen | None] = [s for s in (*view.seen, *view.hidden) if s.id == identity]
            for one in places or [None]:
                disk = one.disk if one else None
                out.append({
                    "pv_name": one.path if one else "[unknown]", "pv_uuid": identity, "vg_name": group.name, "vg_uuid": group.id,
                    "pv_size": str(extents_of(disk, group.extent) * group.extent) if disk else "0", "pe_start": str(DATA_AT) if disk else "0",
                    "pv_missing": "" if one else "missing", "pv_duplicate": "duplicate" if one in view.hidden else "",
                    "pv_fmt": "lvm2", "pv_attr": "a--", "pv_free": str(self._free(group, identity, disk)), "pv_mda_count": "1" if disk else "0", "dev_size": str(disk.size) if disk else "0",
                })  # fmt: skip
        return out

    @staticmethod
    def _free(group: Group, identity: str, disk: Disk | None) -> int:
        return (extents_of(disk, group.extent) - group.used(group.disks.index(identity))) * group.extent if disk else 0

    def lv_rows(self, group: Group) -> list[dict[str, str]]:
        """The fields of a group's volumes."""
        out = []
        for v in group.volumes:
            name = dm_name(group.name, v.name)
            on = name in self.maps and self.maps[name].uuid == group.id
            out.append({
                "lv_name": v.name, "lv_uuid": v.id, "vg_name": group.name, "lv_size": str(v.extents * group.extent), "lv_layout": _layout(v),
                "lv_role": "public", "lv_active": "active" if on else "", "lv_device_open": "open" if on and self.held(name) else "",
                "lv_merging": "", "pool_lv": "", "origin": "", "lv_path": f"/dev/{group.name}/{v.name}", "lv_dm_path": f"/dev/mapper/{name}",
                "lv_attr": f"-wi-{'a' if on else '-'}{'o' if on and self.held(name) else '-'}----", "lv_full_name": f"{group.name}/{v.name}",
            })  # fmt: skip
        return out

    def _segments(self, view: View, group: Group) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        segs, pieces = [], []
        for v in group.volumes:
            runs = [v.pieces] if v.stripes > 1 else [[p] for p in v.pieces]
            segs += [
                {"lv_name": v.name, "segtype": _layout(v), "stripes": str(v.stripes), "stripe_size": str(v.stripe_size)}
                for _ in runs
            ]
            pieces += [
                {"pv_name": view.path_of(group.disks[i]), "lv_name": v.name, "segtype": _layout(v), "pvseg_start": str(first)}
                for i, first, _ in v.pieces
            ]
        for index, identity in enumerate(group.disks):
            if next((s for s in view.seen if s.id == identity), None) is not None:
                pieces.append(
                    {"pv_name": view.path_of(identity), "lv_name": "", "segtype": "free", "pvseg_start": str(group.used(index))}
                )
        return segs, pieces

    def _fullreport(self, line: Line, view: View) -> Answer:
        if line.get("--reportformat") != "json" or line.get("--units") != "b":
            raise Usage(
                "  fullreport: this emulator takes --reportformat json --units b\n  Error during parsing of command line.",
                BAD_LINE,
            )
        reports = []
        for group in view.groups:
            segs, pieces = self._segments(view, group)
            rows = {
                "vg": [self.vg_row(view, group)],
                "pv": self.pv_rows(view, group),
                "lv": self.lv_rows(group),
                "pvseg": pieces,
                "seg": segs,
            }
            reports.append({kind: [_picked(kind, r, line.reports.get(kind, "")) for r in some] for kind, some in rows.items()})
        return Answer(_json(reports))

    def _rows(self, line: Line, rows: Iterable[Mapping[str, str]], default: str) -> Answer:
        columns = line.get("-o", "--options", default=default).split(",")
        plain = line.get("--units") == "b" and "--nosuffix" in line.flags
        cells = [
            [_field("lvm", row, c) if plain or c not in _SIZES else _human(_field("lvm", row, c)) for c in columns]
            for row in rows
        ]
        if "--noheadings" not in line.flags and cells:
            cells.insert(0, [_HEADINGS.get(c, c.replace("_", " ").title()) for c in columns])
        if "--separator" in line.values:
            return Answer("".join("  " + line.values["--separator"].join(row) + "\n" for row in cells))
        widths = [max(len(row[n]) for row in cells) for n in range(len(columns))] if cells else []
        return Answer(
            "".join("  " + " ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + "\n" for row in cells)
        )

    def _pvs(self, line: Line, view: View) -> Answer:
        rows = [self.vg_row(view, g) | row for g in view.groups for row in self.pv_rows(view, g)]
        if line.rest:
            by_path = {r["pv_name"]: r for r in rows}
            gone = [path for path in line.rest if path not in by_path]
            shown = self._rows(line, [by_path[p] for p in line.rest if p in by_path], "pv_name,vg_name,pv_size")
            errors = "".join(f'  Failed to find physical volume "{path}".\n' for path in gone)
            return replace(shown, err=errors, code=NOT_FOUND if gone else 0)
        return self._rows(line, rows, "pv_name,vg_name,pv_fmt,pv_attr,pv_size,pv_free")

    def _vgs(self, line: Line, view: View) -> Answer:
        groups = [self.found(view, w) for w in line.rest] if line.rest else view.groups
        return self._rows(
            line, [self.vg_row(view, g) for g in groups], "vg_name,pv_count,lv_count,snap_count,vg_attr,vg_size,vg_free"
        )

    def _lvs(self, line: Line, view: View) -> Answer:
        groups = [self.found(view, w) for w in line.rest] if line.rest else view.groups
        return self._rows(line, [row for g in groups for row in self.lv_rows(g)], "lv_name,vg_name,lv_attr,lv_size")


_HEADINGS: Mapping[str, str] = {
    "pv_name": "PV", "vg_name": "VG", "lv_name": "LV", "pv_fmt": "Fmt", "pv_attr": "Attr", "vg_attr": "Attr", "lv_attr": "Attr", "pv_size": "PSize",
    "pv_free": "PFree", "vg_size": "VSize", "vg_free": "VFree", "lv_size": "LSize", "pv_count": "#PV", "lv_count": "#LV", "snap_count": "#SN",
    "pv_uuid": "PV UUID", "vg_uuid": "VG UUID", "lv_uuid": "LV UUID", "vg_seqno": "Seq", "lv_dm_path": "DMPath", "lv_path": "Path",
}  # fmt: skip
_SIZES = frozenset({"pv_size", "pv_free", "vg_size", "vg_free", "lv_size", "dev_size", "pe_start", "vg_extent_size"})


def _human(text: str) -> str:
    """A size as LVM prints it by default."""
    value = float(text)
    for unit, size in (("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10)):
        if value >= size:
            return f"{value / size:.2f}{unit}"
    return "0 "


def _layout(volume: Volume) -> str:
    return "striped" if volume.stripes > 1 else "linear"


def _field(kind: str, row: Mapping[str, str], name: str) -> str:
    if name not in row:
        raise Usage(f"  Unrecognised field: {name} ({kind})", BAD_LINE)
    return row[name]


def _picked(kind: str, row: Mapping[str, str], columns: str) -> dict[str, str]:
    return {name: _field(kind, row, name) for name in columns.split(",") if name}


def _json(reports: Sequence[Mapping[str, Sequence[Mapping[str, str]]]]) -> str:
    """As LVM lays it out: a row to a line, all values as text."""
    parts = []
    for one in reports:
        kinds = []
        for kind, rows in one.items():
            lines = ",\n".join("                  {" + ", ".join(f'"{k}":"{v}"' for k, v in row.items()) + "}" for row in rows)
            kinds.append(f'              "{kind}": [\n{lines}\n              ]')
        parts.append("          {\n" + "\n              ,\n".join(kinds) + "\n          }")
    return '  {\n      "report": [\n' + "\n          ,\n".join(parts) + "\n      ]\n  }\n"
