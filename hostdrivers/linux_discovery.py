"""Discovery of a Linux host: one script, and a pure parser of its sections into facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import ParseError
from core.hosts import HostRef
from core.model import Device, Filesystem, HostFacts, LogicalVolume, PhysicalVolume, VolumeGroup
from core.transport import Command, Result, Status
from core.untrusted import json_of
from hostdrivers.linux_shell import prelude
from hostdrivers.report import Report, marked, sections_of, whole_number

_FIELDS: Mapping[str, str] = {
    "vg": "vg_name,vg_uuid,vg_seqno,vg_extent_size,vg_size,vg_systemid,vg_exported,vg_partial,vg_lock_type,pv_count",
    "pv": "pv_name,pv_uuid,pv_size,pe_start,vg_name,pv_missing,pv_duplicate,pv_mda_count,dev_size",
    "lv": "lv_name,lv_uuid,vg_name,lv_size,lv_layout,lv_role,lv_active,lv_device_open,lv_merging,pool_lv,origin,lv_path,lv_dm_path",
    "seg": "lv_name,segtype,stripes,stripe_size",
    "pvseg": "pv_name,lv_name,segtype,pvseg_start",
}

_SCRIPT = r"""
T=''; if command -v timeout > /dev/null 2>&1; then T='timeout -s KILL 40'; fi
disks() {
  for d in /sys/block/*; do
    k=${d##*/}
    case $k in dm-*|loop*|ram*|zram*|md*|sr*|fd*|nbd*) continue;; esac
    r=no; if $S ${T:+timeout -s KILL 5} dd if=/dev/$k of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null; then r=yes; fi
    v=; o=; w=; n=; z=
    if [ -r $d/device/vendor ]; then read -r v < $d/device/vendor; fi
    if [ -r $d/device/model ]; then read -r o < $d/device/model; fi
    if [ -r $d/wwid ]; then read -r w < $d/wwid; fi
    if [ -r $d/device/wwid ]; then read -r w < $d/device/wwid; fi
    for p in $d/$k*/partition; do if [ -r "$p" ]; then read -r x < $p; p=${p%/partition}; n="$n $x=${p##*/}"; fi; done
    read -r z < $d/size
    echo "$k|$z|`serial_of $k`|$v|$o|$w|$r|`map_of $k`|$n"
  done
}
probe() { # what is on each logical volume that is active, by reading it
  for n in /dev/mapper/*; do
    case $n in */control) continue;; esac
    if [ -b "$n" ]; then echo "DEVNAME=$n"; $S $T blkid -p -o export "$n" | grep -v ^DEVNAME; echo; fi
  done
}
swaps() { # what swap is on, a device-mapper node by its name instead of its number
  while read -r f rest; do
    case $f in /dev/dm-*) n=`cat "/sys/block/${f#/dev/}/dm/name" 2>/dev/null` && f=/dev/mapper/$n;; esac
    echo "$f $rest"
  done < /proc/swaps
}
sect release cat /etc/os-release
sect uname uname -nr
sect disks disks
sect systemid $S $T lvm systemid
sect lvm $S $T lvm fullreport --config "$NB" -a --nohints --reportformat json --units b --nosuffix FIELDS
sect mounts findmnt -J -b -l -o SOURCE,TARGET,FSTYPE,OPTIONS,UUID,LABEL,SIZE,USED
sect fstab cat /etc/fstab
sect swaps swaps
sect dm $S $T dmsetup info -c --noheadings --separator '|' -o name,uuid,open
sect probe probe
"""


def discovery(host: HostRef) -> Command:
    """The whole discovery in one invocation; each section carries its own exit status and errors."""
    fields = " ".join(f"--configreport {kind} -o {names}" for kind, names in _FIELDS.items())
    text = marked(_SCRIPT.replace("FIELDS", fields))
    return Command(host.name, f"discover {host.name}", text, prelude=prelude(host.become), timeout=180)


def parse_discovery(host: HostRef, result: Result) -> HostFacts:
    """Facts of the host. ParseError names the section that was not understood."""
    if result.status is Status.UNKNOWN:
        raise ParseError(host.name, "discovery", result.reason)
    report = Report(host.name, sections_of(host.name, result, 16 << 20))  # JSON may stand in one line
    devices, partitions = _devices(report)
    mounts = _mounts(report)
    groups = _groups(report, devices, partitions)
    kernel = report.text("uname").split()
    return HostFacts(
        host=host.name,
        os="linux",
        measured_at=result.started,
        hostname=kernel[0] if kernel else "",
        release=_release(report.text("release", needed=False)),
        system_id=_system_id(report.text("systemid", needed=False)),
        devices=devices,
        groups=groups,
        filesystems=_filesystems(report, groups, mounts),
        mount_points=tuple(dict.fromkeys(str(m["target"]) for m in mounts)),
        warnings=_warnings(report),
    )


def _release(text: str) -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', text, re.MULTILINE)
    return found.group(1) if found else ""


def _system_id(text: str) -> str:
    found = re.search(r"system ID:\s*(\S+)", text)
    return found.group(1) if found else ""


def _warnings(report: Report) -> tuple[str, ...]:
    lines = report.sections["lvm"].errors.splitlines() if "lvm" in report.sections else []
    return tuple(line.strip() for line in lines if "WARNING" in line)


# --- devices ---------------------------------------------------------------------------------------------------------


def _devices(report: Report) -> tuple[tuple[Device, ...], Mapping[str, tuple[str, str]]]:
    """The disks, and for each device path (maps, paths, partitions) its serial and partition number."""
    found: dict[str, Device] = {}
    where: dict[str, tuple[str, str]] = {}
    for line in report.text("disks").splitlines():
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 9 or not whole_number(fields[1]) or any("=" not in p for p in fields[8].split()):
            raise ParseError(report.host, "disks", "a line has not its nine fields, or they are of another form", line)
        name, sectors, serial, vendor, model, wwid, readable, path, parts = fields
        known = found.get(path)
        paths = (*(known.paths if known else ()), f"/dev/{name}")
        multipath = path != f"/dev/{name}"
        can_read = readable == "yes" or (known is not None and known.readable)  # a standby path never reads; its map does
        found[path] = Device(
            path, serial, int(sectors) * 512, wwid, vendor, model, paths if multipath else (), multipath, can_read
        )
        where[path] = where[f"/dev/{name}"] = (serial, "")
        for part in parts.split():
            number, child = part.split("=", 1)
            for alias in (f"/dev/{child}", f"{path}{number}", f"{path}p{number}", f"{path}-part{number}"):
                where[alias] = (serial, number)
    return tuple(found.values()), where


# --- volume groups ---------------------------------------------------------------------------------------------------


def _rows(report: Report) -> list[Mapping[str, list[Mapping[str, Any]]]]:
    try:
        body = json_of(report.text("lvm"))
        reports = body["report"]
    except (ValueError, KeyError, TypeError) as error:
        raise ParseError(report.host, "lvm fullreport", f"no JSON report: {error}") from error
    if not isinstance(reports, list) or not all(isinstance(r, dict) for r in reports):
        raise ParseError(report.host, "lvm fullreport", "the report is no list of objects")
    return reports


def _text(row: Mapping[str, Any], key: str) -> str:
    """A field as text, whether the report is of the old form (all strings) or the new (numbers, lists, null)."""
    value = row.get(key)
    if value is None:
        return ""
    return ",".join(str(v) for v in value) if isinstance(value, list) else str(value)


def _number(host: str, row: Mapping[str, Any], key: str, what: str = "lvm fullreport") -> int:
    text = _text(row, key)
    if not re.fullmatch(r"[0-9]{1,30}", text):
        raise ParseError(host, what, f"{key} is no number", text)
    return int(text)


def _true(row: Mapping[str, Any], key: str) -> bool:
    return _text(row, key) not in ("", "0", "False")


def _groups(report: Report, devices: tuple[Device, ...], where: Mapping[str, tuple[str, str]]) -> tuple[VolumeGroup, ...]:
    out = []
    try:
        for one in _rows(report):
            out += [_group(report.host, vg, one, where) for vg in one.get("vg", []) if _text(vg, "vg_name")]
    except (AttributeError, KeyError, TypeError) as error:
        raise ParseError(report.host, "lvm fullreport", f"a row has not the expected form: {error!r}") from error
    return tuple(out)


def _group(
    host: str, vg: Mapping[str, Any], one: Mapping[str, list[Mapping[str, Any]]], where: Mapping[str, tuple[str, str]]
) -> VolumeGroup:
    name = _text(vg, "vg_name")
    physical = tuple(_physical(host, row, where) for row in one.get("pv", []) if _text(row, "vg_name") == name)
    return VolumeGroup(
        name=name,
        uuid=_text(vg, "vg_uuid"),
        seqno=_number(host, vg, "vg_seqno"),
        extent_size=_number(host, vg, "vg_extent_size"),
        size=_number(host, vg, "vg_size"),
        system_id=_text(vg, "vg_systemid"),
        exported=_true(vg, "vg_exported"),
        partial=_true(vg, "vg_partial"),
        shared=_text(vg, "vg_lock_type") not in ("", "none"),
        pv_count=_number(host, vg, "pv_count"),
        volumes=_volumes(host, name, one),
        physical=physical,
    )


def _physical(host: str, row: Mapping[str, Any], where: Mapping[str, tuple[str, str]]) -> PhysicalVolume:
    path = _text(row, "pv_name")
    serial, partition = where.get(path, ("", ""))
    return PhysicalVolume(
        path=path,
        uuid=_text(row, "pv_uuid"),
        device_serial=serial,
        group=_text(row, "vg_name"),
        size=_number(host, row, "dev_size") or _number(host, row, "pv_size"),
        partition=partition,
        pe_start=_number(host, row, "pe_start"),
        missing=_true(row, "pv_missing"),
        duplicate=_true(row, "pv_duplicate"),
        metadata_areas=_number(host, row, "pv_mda_count"),
    )


# Our word for a volume by its segment type; a type that is not here is refused by its name.
_KINDS: Mapping[str, str] = {
    "linear": "linear", "striped": "striped", "raid0": "raid0", "raid0_meta": "raid0", "raid1": "raid1", "mirror": "raid1",
    "raid4": "raid4", "raid10": "raid10", "thin": "thin", "thin-pool": "thin-pool", "snapshot": "snapshot", "cache": "cache",
    "cache-pool": "cache-pool", "writecache": "writecache", "vdo": "vdo", "vdo-pool": "vdo-pool", "error": "error", "zero": "zero",
}  # fmt: skip
_UNSAFE: Mapping[str, str] = {
    "vdo": "a VDO volume needs the same VDO release on the target and may rebuild for hours: it is not cloned",
    "vdo-pool": "a VDO pool needs the same VDO release on the target and may rebuild for hours: it is not cloned",
    "error": "it has an error segment: part of its data is gone",
}


def kind_of(segment: str) -> str:
    """Our word for a segment type; raid5_ls and the like lose their layout; an unknown type keeps its own name."""
    if segment in _KINDS:
        return _KINDS[segment]
    raid = re.fullmatch(r"(raid[56])(_\w+)?", segment)
    return raid.group(1) if raid else segment


def _refusal(kind: str, row: Mapping[str, Any]) -> str:
    if kind in _UNSAFE:
        return _UNSAFE[kind]
    if _true(row, "lv_merging"):
        return "a snapshot merge is pending: it would start by itself when the copy is activated"
    known = {*_KINDS.values(), "raid5", "raid6"}
    return "" if kind in known else f"its type {kind!r} is not known to this tool"


def _volumes(host: str, group: str, one: Mapping[str, list[Mapping[str, Any]]]) -> tuple[LogicalVolume, ...]:
    below = _devices_below(one)
    segments: dict[str, list[Mapping[str, Any]]] = {}
    for seg in one.get("seg", []):
        segments.setdefault(_bare(_text(seg, "lv_name")), []).append(seg)
    out = []
    for row in one.get("lv", []):
        name = _text(row, "lv_name")
        bare = _bare(name)
        segment, *more = segments.get(bare, [{}])
        kind = "snapshot" if "thicksnapshot" in _text(row, "lv_role") else kind_of(_text(segment, "segtype"))
        refusals = [_refusal(k, row) for k in (kind, *(kind_of(_text(seg, "segtype")) for seg in more))]
        hidden = name.startswith("[")
        out.append(
            LogicalVolume(
                name=bare,
                uuid=_text(row, "lv_uuid"),
                group=group,
                size=_number(host, row, "lv_size"),
                kind=kind,
                path=_text(row, "lv_path") or (_text(row, "lv_dm_path") if not hidden else ""),
                active=_text(row, "lv_active") not in ("", "0"),
                open=_text(row, "lv_device_open") in ("open", "1"),
                hidden=hidden,
                devices=tuple(sorted(below(bare))),
                pool=_bare(_text(row, "pool_lv")),
                origin=_bare(_text(row, "origin")),
                stripes=_stripes(segment),
                stripe_size=_number(host, segment, "stripe_size") if _text(segment, "stripe_size") else 0,
                refusal="" if hidden else next(filter(None, refusals), ""),
            )
        )
    return tuple(out)


def _stripes(segment: Mapping[str, Any]) -> int:
    text = _text(segment, "stripes")
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 1


def _bare(name: str) -> str:
    return name.strip("[]")


def _devices_below(one: Mapping[str, list[Mapping[str, Any]]]) -> Callable[[str], set[str]]:
    """A function from a volume to the physical volumes below it, sub-volumes (images, pools, origins) followed."""
    direct: dict[str, set[str]] = {}
    for seg in one.get("pvseg", []):
        if name := _bare(_text(seg, "lv_name")):
            direct.setdefault(name, set()).add(_text(seg, "pv_name"))
    names = [_bare(_text(row, "lv_name")) for row in one.get("lv", [])]
    parents: dict[str, set[str]] = {}
    for row in one.get("lv", []):
        for key in ("pool_lv", "origin"):
            if upper := _bare(_text(row, key)):
                parents.setdefault(_bare(_text(row, "lv_name")), set()).add(upper)

    def below(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        if name in seen:
            return set()
        out = set(direct.get(name, set()))
        children = [n for n in names if re.fullmatch(re.escape(name) + _SUB, n)] + sorted(parents.get(name, ()))
        for child in children:
            out |= below(child, seen | {name})
        return out

    return below


# The endings by which LVM names the hidden volumes below a volume.
_SUB = r"(?:_[rm](?:image|meta)_\d+|_[tc](?:data|meta)|_(?:corig|wcorig|vdata|vorigin|cvol|mlog|iorig|imeta)|_cpool)"


# --- filesystems -----------------------------------------------------------------------------------------------------


def _mounts(report: Report) -> list[Mapping[str, Any]]:
    text = report.text("mounts")
    try:
        rows = json_of(text)["filesystems"]
    except (ValueError, KeyError, TypeError) as error:
        raise ParseError(report.host, "findmnt", f"no JSON list of filesystems: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(r, dict) and {"source", "target", "fstype"} <= set(r) for r in rows):
        raise ParseError(report.host, "findmnt", "the rows have no source, target and type")
    return rows


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), text)


@dataclass(frozen=True, slots=True)
class _Entry:
    source: str
    target: str
    kind: str
    options: str


def _fstab(text: str) -> list[_Entry]:
    out = []
    for line in text.splitlines():
        words = line.split() if not line.lstrip().startswith("#") else []
        if len(words) >= 4:
            out.append(_Entry(_unescape(words[0].replace('"', "")), _unescape(words[1]), words[2], words[3]))
    return out


def _probed(text: str) -> Mapping[str, Mapping[str, str]]:
    """What blkid found, by device."""
    out = {}
    for block in re.split(r"\n\s*\n", text):
        pairs = dict(re.sub(r"\\(.)", r"\1", line).split("=", 1) for line in block.splitlines() if "=" in line)
        if "DEVNAME" in pairs:
            out[pairs["DEVNAME"]] = pairs
    return out


def mapper_path(group: str, volume: str) -> str:
    """The device-mapper node of a volume: hyphens in either name are doubled."""
    return f"/dev/mapper/{group.replace('-', '--')}-{volume.replace('-', '--')}"


def _filesystems(report: Report, groups: Iterable[VolumeGroup], mounts: Sequence[Mapping[str, Any]]) -> tuple[Filesystem, ...]:
    probed, table = _probed(report.text("probe", needed=False)), _fstab(report.text("fstab", needed=False))
    swaps = {line.split()[0] for line in report.text("swaps", needed=False).splitlines()[1:] if line.split()}
    out = []
    for group in groups:
        for volume in group.volumes:
            if volume.hidden or volume.kind in ("thin-pool", "cache-pool", "vdo-pool"):
                continue
            node = mapper_path(group.name, volume.name)
            found = probed.get(node, {})
            where = _whole([m for m in mounts if str(m["source"]).split("[", 1)[0] in (node, volume.path)])
            out += _of_volume(report.host, group, volume, node, found, where, table, bool(swaps & {node, volume.path}))
    return tuple(out)


def _whole(mounts: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The mounts of a filesystem without views of its directories (`DEVICE[/directory]`), unless there are only those."""
    return [m for m in mounts if "[" not in str(m["source"])] or mounts


def _of_volume(
    host: str,
    group: VolumeGroup,
    volume: LogicalVolume,
    node: str,
    found: Mapping[str, str],
    mounts: Sequence[Mapping[str, Any]],
    table: Sequence[_Entry],
    swapping: bool,
) -> list[Filesystem]:
    """The filesystem of one volume, once for each mount; none when nothing was found on it."""
    names = {node, volume.path, f"UUID={found.get('UUID', '?')}", f"LABEL={found.get('LABEL', '?')}"}
    names |= {f"/dev/disk/by-uuid/{found['UUID']}"} if "UUID" in found else set()
    entries = [e for e in table if e.source in names]
    kind = found.get("TYPE", "") or (entries[0].kind if entries else "")
    if not kind and not mounts:
        return []

    def made(target: str, row: Mapping[str, Any] | None) -> Filesystem:
        return Filesystem(
            device=node,
            kind=str(row["fstype"]) if row else kind,
            uuid=found.get("UUID", ""),
            label=found.get("LABEL", ""),
            mount_point=target,
            mounted=row is not None or (kind == "swap" and swapping),
            in_table=any(e.target == target for e in entries),
            options=str(row.get("options") or "") if row else "",
            size=_number(host, row, "size", "findmnt") if row and row.get("size") else volume.size,
            used=_number(host, row, "used", "findmnt") if row and row.get("used") else 0,
            group=group.name,
            volume=volume.name,
        )

    if mounts:
        return [made(str(row["target"]), row) for row in mounts]
    target = entries[0].target if entries and entries[0].target.startswith("/") else ""
    return [made(target, None)]
