"""Discovery of a Solaris host with VxVM: one script, and pure parsers of its sections.

Formats: Solaris 7 to 11, VxVM 3 to 7, from public recordings and manuals. `vxprint` is read by the header lines that it prints,
because releases differ in their columns; what has none is an error. Disks are known by `vxdisk list DISK`, their serials by
`iostat -En` (on every Solaris since 7, without a package), and both are joined by the paths that VxVM lists.

Two disks with one disk id whose serials differ are two disks: each is a physical volume where the group says so, and no
duplicate. Only one device that VxVM knows under two names is one. Disks that carry an id twice are warned of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from core.errors import ParseError
from core.hosts import HostRef
from core.model import Device, Filesystem, HostFacts, LogicalVolume, PhysicalVolume, VolumeGroup
from core.transport import Command, Result, Status
from hostdrivers.report import Report, marked, sections_of, whole_number
from hostdrivers.script import prelude
from hostdrivers.solaris_scripts import DISCOVERY, PATH
from hostdrivers.solaris_vxprint import SECTOR, Records, records_of, volumes_of

_IDS = re.compile(r"name=(\S*) id=(\S*)")
_ABSENT = ("-", "")


def discovery(host: HostRef) -> Command:
    """The whole discovery in one invocation."""
    return Command(host.name, f"discover {host.name}", marked(DISCOVERY), prelude=prelude(host.become, PATH), timeout=300)


def parse_discovery(host: HostRef, result: Result) -> HostFacts:
    """Facts of the host. ParseError names the command that was not understood."""
    if result.status is Status.UNKNOWN:
        raise ParseError(host.name, "discovery", result.reason)
    report = Report(host.name, sections_of(host.name, result))
    seen = iostat(report.host, report.text("iostat"))
    disks = tuple(_disk(report, name, seen) for name in _names(report))
    mounts = _mounts(report)
    groups = tuple(_group(report, row, disks, mounts) for row in _groups(report))
    return HostFacts(
        host=host.name,
        os="solaris",
        measured_at=result.started,
        hostname=report.text("uname").strip(),
        release=_release(report),
        system_id=_hostid(report),
        devices=_devices(report, seen, disks),
        groups=groups,
        filesystems=_filesystems(report, groups, mounts),
        mount_points=tuple(m.point for m in mounts),
        warnings=_twice(disks),
    )


def _release(report: Report) -> str:
    version = re.search(r"^[ \t]*VERSION:[ \t]*([^,\s]+)", report.text("package", needed=False), re.MULTILINE)
    return report.text("release").strip() + (f", VxVM {version.group(1)}" if version else "")


def _hostid(report: Report) -> str:
    match = re.search(r"^hostid:[ \t]*(\S+)", report.text("hostid"), re.MULTILINE)
    if match is None:
        raise ParseError(report.host, "vxdctl list", "no line begins with hostid:")
    return match.group(1)


# --- devices ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """A device as iostat -En tells it."""

    name: str
    serial: str
    size: int
    vendor: str
    product: str


def _labelled(text: str, *labels: str) -> list[str]:
    """What stands behind each label up to the next, behind the last up to the end of its line; fewer where a label is missing."""
    out: list[str] = []
    for label in labels:
        before, found, text = text.partition(label)
        out += [before.strip()] if found else []
    return [*out[1:], text.split("\n", 1)[0].strip()]


def iostat(host: str, text: str) -> Mapping[str, Seen]:
    """By name. The size is the one in bytes: the other has the comma of the locale."""
    out = {}
    for block in re.split(r"\n(?=\S+ +Soft Errors:)", "\n" + text)[1:]:
        name = block.split()[0]
        size = re.search(r"<([0-9]{1,18}) bytes>", block)
        words = _labelled(block, "Vendor:", "Product:", "Revision:", "Serial No:")
        if size is None or len(words) != 4:
            raise ParseError(
                host, "iostat -En", f"{name} has no size in bytes, or no vendor, product and serial", block.split("\n")[0]
            )
        vendor, product, _, serial = words
        out[name] = Seen(name, serial.split()[0] if serial else "", int(size.group(1)), vendor, product)
    if text.strip() and not out:
        raise ParseError(host, "iostat -En", "no line has Soft Errors:", text.strip().splitlines()[0])
    return out


@dataclass(frozen=True, slots=True)
class Disk:
    """A VxVM disk: its access name, its paths, and what its private region says."""

    name: str
    paths: tuple[str, ...]
    serial: str
    size: int
    diskid: str = ""
    group: str = ""
    dgid: str = ""
    owner: str = ""
    format: str = ""
    offset: int = 0
    length: int = 0
    flags: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The block device of the first path."""
        return f"/dev/dsk/{self.paths[0]}"


def _short(path: str) -> str:
    return re.sub(r"s\d+$", "", path)


def _names(report: Report) -> tuple[str, ...]:
    """The disks that vxdisk lists and that are there; each has a section of its own."""
    lines = report.text("disks").splitlines()
    if not lines or lines[0].split()[:5] != ["DEVICE", "TYPE", "DISK", "GROUP", "STATUS"]:
        raise ParseError(
            report.host, "vxdisk list", "the header is not DEVICE TYPE DISK GROUP STATUS", lines[0] if lines else ""
        )
    rows = [line.split() for line in lines[1:] if line.strip()]
    odd = next((row for row in rows if len(row) < 5), None)
    if odd is not None:
        raise ParseError(report.host, "vxdisk list", "a row has fewer than five words", " ".join(odd))
    return tuple(row[0] for row in rows if row[0] != "-")


def keys_of(text: str) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The lines `key: value` of vxdisk list DISK, and the paths at its end."""
    head, _, tail = text.partition("numpaths:")
    words = {m[1]: m[2] for m in re.finditer(r"^([A-Za-z-]+):[ \t]*(.*?)[ \t]*$", head, re.MULTILINE)}
    return words, tuple(re.findall(r"^(\S+)\s+state=", tail, re.MULTILINE))


def _disk(report: Report, name: str, seen: Mapping[str, Seen]) -> Disk:
    words, paths = keys_of(report.text(f"vxdisk.{name}"))
    where = f"vxdisk list {name}"
    if "Device" not in words or "flags" not in words:
        raise ParseError(report.host, where, "no Device: or flags: in it")
    if ("disk" in words) is not ("group" in words):
        raise ParseError(report.host, where, "only one of disk: and group: in it")
    paths = paths or (name,)
    known = [seen[_short(p)] for p in paths if _short(p) in seen]
    serials = {one.serial for one in known if one.serial}
    if len(serials) > 1:
        raise ParseError(report.host, where, f"its paths give different serials: {', '.join(sorted(serials))}")
    ids = {key: _pair(report, where, words, key) for key in ("disk", "group")}
    public = dict(re.findall(r"(\w+)=([0-9]{1,18})\b", words.get("public", "")))
    form = re.search(r"format=(\w+)", words.get("info", ""))
    return Disk(
        name,
        paths,
        next(iter(serials), ""),
        max((one.size for one in known), default=0),
        diskid=ids["disk"][1],
        group=ids["group"][0],
        dgid=ids["group"][1],
        owner=words.get("hostid", ""),
        format=form.group(1) if form else words.get("type", "").partition(":")[2] or words.get("type", ""),
        offset=int(public.get("offset", "0")) * SECTOR,
        length=int(public.get("len", "0")) * SECTOR,
        flags=tuple(words["flags"].split()),
    )


def _pair(report: Report, where: str, words: Mapping[str, str], key: str) -> tuple[str, str]:
    """name= and id= of a line; empty where the disk was never set up, and has no such line."""
    if key not in words:
        return "", ""
    match = _IDS.search(words[key])
    if match is None:
        raise ParseError(report.host, where, f"{key}: has no name= and id=", words[key])
    return match.group(1), match.group(2)


def _devices(report: Report, seen: Mapping[str, Seen], disks: Iterable[Disk]) -> tuple[Device, ...]:
    """One for each VxVM disk, with all its paths; then what VxVM does not know. A drive without a medium is none."""
    out, told = [], set()
    for disk in disks:
        told |= {_short(p) for p in disk.paths}
        first = seen.get(_short(disk.paths[0]))
        out.append(
            Device(
                disk.path,
                disk.serial,
                disk.size,
                vendor=first.vendor if first else "",
                model=first.product if first else "",
                paths=tuple(f"/dev/dsk/{p}" for p in disk.paths),
                multipath=len(disk.paths) > 1,
                readable=_readable(report, disk.paths),
            )
        )
    for one in seen.values():
        if one.name not in told and one.size:
            path = f"/dev/dsk/{one.name}s2"
            out.append(
                Device(path, one.serial, one.size, vendor=one.vendor, model=one.product, readable=_readable(report, (path,)))
            )
    return tuple(out)


def _readable(report: Report, paths: Iterable[str]) -> bool:
    tried = [report.sections.get(f"read.{_short(p.rpartition('/')[2])}") for p in paths]
    return any(section is not None and section.status == 0 for section in tried)


def _twice(disks: Iterable[Disk]) -> tuple[str, ...]:
    """Two disks with one identity: a VxVM before 5.0 would take either."""
    by_id: dict[str, list[str]] = {}
    for disk in disks:
        if disk.diskid:
            by_id.setdefault(disk.diskid, []).append(disk.name)
    return tuple(f"{' and '.join(names)} carry one identity, {i}" for i, names in by_id.items() if len(names) > 1)


# --- groups -----------------------------------------------------------------------------------------------------------


def _groups(report: Report) -> tuple[tuple[str, str, str], ...]:
    """Name, state and id of each imported group."""
    lines = report.text("groups").splitlines()
    if not lines or lines[0].split() != ["NAME", "STATE", "ID"]:
        raise ParseError(report.host, "vxdg list", "the header is not NAME STATE ID", lines[0] if lines else "")
    out = []
    for line in lines[1:]:
        words = line.split()
        if words and len(words) != 3:
            raise ParseError(report.host, "vxdg list", "a row is not name, state and id", line)
        if words:
            out.append((words[0], words[1], words[2]))
    return tuple(out)


def _group(report: Report, row: tuple[str, str, str], disks: Iterable[Disk], mounts: Iterable[_Mount]) -> VolumeGroup:
    name, state, dgid = row
    records = records_of(report.host, f"vxprint -g {name}", report.text(f"vxprint.{name}"))
    physical = _physical(report, name, dgid, records, tuple(disks))
    paths = {d.name: d.path for d in disks}
    mounted = frozenset(m.device for m in mounts)
    return VolumeGroup(
        name=name,
        uuid=dgid,
        seqno=_seqno(report, name),
        extent_size=SECTOR,
        size=sum(p.size for p in physical if not p.duplicate),
        system_id=next((d.owner for d in disks if d.dgid == dgid and d.group == name and d.owner), ""),
        partial=any(p.missing for p in physical),
        shared="shared" in state.split(","),
        pv_count=len(records.rows("dm")),
        volumes=_opened(volumes_of(records, name, dgid, paths), mounted),
        physical=physical,
    )


def _seqno(report: Report, name: str) -> int:
    """The sequence number of the configuration, a high and a low half."""
    match = re.search(r"^config:\s+seqno=([0-9]{1,9})\.([0-9]{1,9})\b", report.text(f"vxdg.{name}"), re.MULTILINE)
    if match is None:
        raise ParseError(report.host, f"vxdg list {name}", "no line config: with seqno=")
    return int(match.group(1)) * (1 << 32) + int(match.group(2))


def _opened(volumes: Iterable[LogicalVolume], mounted: frozenset[str]) -> tuple[LogicalVolume, ...]:
    """VxVM prints nowhere who has a volume open; what is mounted is."""
    return tuple(replace(v, open=v.path in mounted) for v in volumes)


def _physical(report: Report, group: str, dgid: str, records: Records, disks: tuple[Disk, ...]) -> tuple[PhysicalVolume, ...]:
    by_name = {d.name: d for d in disks}
    out = []
    for row in records.rows("dm"):
        device = row["DEVICE"]
        if device in _ABSENT or row.get("STATE") == "NODEVICE":
            out.append(PhysicalVolume(row["NAME"], row["NAME"], "", group, 0, missing=True))
            continue
        if device not in by_name:
            raise ParseError(report.host, f"vxprint -g {group}", "a dm record has a device that vxdisk does not list", device)
        disk = by_name[device]
        size = records.sectors(row, "PUBLEN") * SECTOR
        out.append(PhysicalVolume(disk.path, disk.diskid, disk.serial, group, size, pe_start=disk.offset, format=disk.format))
    return (*out, *_same_device(group, out, disks))


def _same_device(group: str, members: Iterable[PhysicalVolume], disks: Iterable[Disk]) -> list[PhysicalVolume]:
    """The same device under another name: one serial and one id as a member has."""
    ours = {(p.uuid, p.device_serial): p.path for p in members if p.uuid and p.device_serial}
    taken = {p.path for p in members}
    return [
        PhysicalVolume(d.path, d.diskid, d.serial, group, d.length, duplicate=True, format=d.format)
        for d in disks
        if (d.diskid, d.serial) in ours and d.path not in taken
    ]


# --- filesystems ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mount:
    device: str
    point: str
    kind: str
    options: str


def _mounts(report: Report) -> tuple[_Mount, ...]:
    """/etc/mnttab: device, mount point, kind, options, time, between tabs. /dev/vx/dsk/bootdg is another name of a group."""
    boot = report.text("bootdg", needed=False).strip()
    out = []
    for line in report.text("mounts").splitlines():
        words = line.split("\t")
        if len(words) < 4:
            raise ParseError(report.host, "/etc/mnttab", "a line has fewer than four words between tabs", line)
        inside = words[0].removeprefix("/dev/vx/dsk/bootdg/")
        device = f"/dev/vx/dsk/{boot}/{inside}" if inside != words[0] and boot not in ("", "nodg") else words[0]
        out.append(_Mount(device, words[1], words[2], ",".join(w for w in words[3].split(",") if not w.startswith("dev="))))
    if not out:
        raise ParseError(report.host, "/etc/mnttab", "it is empty")
    return tuple(out)


def vfstab(host: str, text: str) -> Mapping[str, tuple[str, str]]:
    """Mount point and kind by device, from /etc/vfstab."""
    out = {}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 7:
            raise ParseError(host, "/etc/vfstab", "a line has not seven columns", line)
        out[words[0]] = (words[2], words[3])
    return out


def _used(report: Report) -> Mapping[str, int]:
    """Bytes used by mount point, from df -k."""
    rows = (line.split(None, 5) for line in report.text("df", needed=False).splitlines()[1:])
    return {row[5]: int(row[2]) * 1024 for row in rows if len(row) == 6 and whole_number(row[2])}


def _filesystems(report: Report, groups: Iterable[VolumeGroup], mounts: Iterable[_Mount]) -> tuple[Filesystem, ...]:
    table, used = vfstab(report.host, report.text("table")), _used(report)
    where = {m.device: m for m in mounts}
    out = []
    for group in groups:
        for volume in (v for v in group.volumes if not v.hidden):
            at, entry = where.get(volume.path), table.get(volume.path)
            kind = at.kind if at else report.text(f"fstyp.{group.name}/{volume.name}", needed=False).strip()
            kind = kind or (entry[1] if entry else "")
            if not kind or kind.startswith("Unknown"):
                continue
            point = at.point if at else entry[0] if entry and entry[0] not in _ABSENT else ""
            out.append(
                Filesystem(
                    device=volume.path,
                    kind=kind,
                    mount_point=point,
                    mounted=at is not None,
                    in_table=entry is not None and entry[0] == point,
                    options=at.options if at else "",
                    size=volume.size,
                    used=used.get(point, 0) if at else 0,
                    group=group.name,
                    volume=volume.name,
                )
            )
    return tuple(out)
