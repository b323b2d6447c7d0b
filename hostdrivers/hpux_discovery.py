"""Discovery of an HP-UX host: one script, and pure parsers of vgdisplay, lvdisplay, lvmtab, inq, mount -v, fstab and bdf.

Formats: 11.11 to 11.31, from public recordings (glpi-agent, opensvc, Checkmk, jreypo's scripts). Values begin where the label
ends, by two blanks or more; what an inactive group cannot tell is left out, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.errors import ParseError
from core.hosts import HostRef
from core.model import Device, Filesystem, HostFacts, LogicalVolume, PhysicalVolume, VolumeGroup
from core.transport import Command, Result, Status
from hostdrivers.hpux_scripts import DISCOVERY, FUNCTIONS, PATH
from hostdrivers.report import Report, marked, sections_of, whole_number
from hostdrivers.script import prelude

_MB = 1 << 20
_LINK = re.compile(r"\s*PV Name\s+/\S+\s+Alternate Link\s*")  # stands among the lines of the volume whose other path it is


def discovery(host: HostRef) -> Command:
    """The whole discovery in one invocation."""
    before = prelude(host.become, PATH, FUNCTIONS)
    return Command(host.name, f"discover {host.name}", marked(DISCOVERY), prelude=before, timeout=300)


def parse_discovery(host: HostRef, result: Result) -> HostFacts:
    """Facts of the host. ParseError names the command that was not understood."""
    if result.status is Status.UNKNOWN:
        raise ParseError(host.name, "discovery", result.reason)
    report = Report(host.name, sections_of(host.name, result))
    devices = _devices(report)
    serials = {path: d.serial for d in devices for path in (d.path, *d.paths)}
    table = lvmtab(report.text("lvmtab"))
    groups = tuple(_group(report, name, members, serials) for name, members in table.items())
    mounts = _mounts(report)
    return HostFacts(
        host=host.name,
        os="hpux",
        measured_at=result.started,
        hostname=report.text("uname").strip(),
        release=f"HP-UX {report.text('release', needed=False).strip()}".strip(),
        devices=devices,
        groups=groups,
        filesystems=_filesystems(report, groups, mounts),
        mount_points=tuple(m.point for m in mounts),
        warnings=_twice(report, devices),
    )


# --- disks ------------------------------------------------------------------------------------------------------------


def identity(text: str) -> tuple[str, str]:
    """The ids of physical volume and group from the disk, 16 hexadecimal digits each; empty where nothing could be read."""
    words = text.split()
    if len(words) != 2 or not all(re.fullmatch(r"[0-9a-f]{16}", w) for w in words) or words[0] == "0" * 16:
        return "", ""
    return words[0], words[1]


def _identity(report: Report, path: str) -> tuple[str, str]:
    """As `identity`; of an internal disk that gives no serial it was not read."""
    section = report.sections.get(f"identity.{path}")
    return identity(section.text) if section is not None and section.status == 0 else ("", "")


def _devices(report: Report) -> tuple[Device, ...]:
    """One device for each serial; further names of it (paths, legacy names) are its paths."""
    found: dict[str, list[tuple[str, int]]] = {}
    for line in report.text("inq").splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) != 3 or not whole_number(words[2]) or not words[0].startswith("/dev/r"):
            raise ParseError(report.host, "inq", "a row is not device, serial and size", line)
        path = words[0].replace("/dev/rdsk/", "/dev/dsk/").replace("/dev/rdisk/", "/dev/disk/")
        found.setdefault(words[1], []).append((path, int(words[2]) * 1024))
    out = []
    for serial, names in found.items():
        paths = sorted((path for path, _ in names), key=lambda p: (not p.startswith("/dev/disk/"), p))
        readable = bool(_identity(report, paths[0])[0]) or _answers(report, paths[0])
        multiple = tuple(paths) if len(paths) > 1 else ()
        out.append(Device(paths[0], serial, names[0][1], "", "EMC", "SYMMETRIX", multiple, bool(multiple), readable))
    return tuple(out)


def _answers(report: Report, path: str) -> bool:
    """Whether the device gave any bytes at all: one without a volume manager's identity reads as zeros."""
    section = report.sections.get(f"identity.{path}")
    return section is not None and section.status == 0 and bool(section.text.strip())


def _twice(report: Report, devices: Iterable[Device]) -> tuple[str, ...]:
    by_id: dict[str, list[str]] = {}
    for device in devices:
        pvid, _ = _identity(report, device.path)
        if pvid:
            by_id.setdefault(pvid, []).append(device.path)
    return tuple(f"{' and '.join(paths)} carry one identity, {pvid}" for pvid, paths in by_id.items() if len(paths) > 1)


# --- groups -----------------------------------------------------------------------------------------------------------


def lvmtab(text: str) -> Mapping[str, tuple[str, ...]]:
    """`strings /etc/lvmtab`: a line /dev/GROUP, then its devices; other strings are chance."""
    out: dict[str, list[str]] = {}
    for line in text.splitlines():
        if re.fullmatch(r"/dev/[^/\s]+", line):
            out[line.removeprefix("/dev/")] = []
        elif re.fullmatch(r"/dev/c?(dsk|disk)/\S+", line) and out:
            out[next(reversed(out))].append(line)
    return {name: tuple(paths) for name, paths in out.items()}


def labelled(lines: Iterable[str]) -> Mapping[str, str]:
    """`Label   value` lines; trailing blanks are dropped."""
    out: dict[str, str] = {}
    for line in lines:
        words = re.split(r"\s{2,}", line.strip(), maxsplit=1)
        if len(words) == 2:
            out.setdefault(words[0], words[1])
    return out


def blocks(text: str, label: str) -> list[list[str]]:
    """The blocks of lines that begin with a label."""
    out: list[list[str]] = []
    for line in text.splitlines():
        if line.strip().startswith(label + " "):
            out.append([line])
        elif out and line.strip() and not line.strip().startswith("---"):
            out[-1].append(line)
        elif out and line.strip().startswith("---"):
            out.append([])
    return [block for block in out if block and block[0].strip().startswith(label + " ")]


def _number(report: Report, where: str, words: Mapping[str, str], key: str) -> int:
    match = re.match(r"([0-9]{1,18})(?![0-9])", words.get(key, ""))
    if match is None:
        raise ParseError(report.host, where, f"{key} has no number", words.get(key, ""))
    return int(match.group(1))


def _group(report: Report, name: str, members: Sequence[str], serials: Mapping[str, str]) -> VolumeGroup:
    section = report.sections.get(f"vg./dev/{name}")
    if section is None:
        raise ParseError(report.host, f"vgdisplay -v /dev/{name}", "is missing from the output")
    known = {path: _identity(report, path) for path in members}
    if not _available(report, name, section.text) or section.status != 0:
        physical = tuple(PhysicalVolume(p, known[p][0], serials.get(p, ""), name, 0) for p in members)
        return VolumeGroup(name, "", 0, 0, 0, pv_count=len(physical), physical=physical)
    where = f"vgdisplay -v /dev/{name}"
    words = labelled(next(iter(blocks(section.text, "VG Name")), []))
    extent = _number(report, where, words, "PE Size (Mbytes)") * _MB
    physical = _physical(report, name, extent, section.text, serials)
    uuid = next((known[p.path][1] for p in physical if p.path in known), "")
    if not uuid:
        raise ParseError(report.host, where, "the group's id could not be read from its disks")
    return VolumeGroup(
        name=name,
        uuid=uuid,
        seqno=0,
        extent_size=extent,
        size=_number(report, where, words, "Total PE") * extent,
        pv_count=_number(report, where, words, "Cur PV"),
        shared="shared" in words.get("VG Status", ""),
        volumes=_volumes(report, name, section.text),
        physical=physical,
    )


def _available(report: Report, name: str, text: str) -> bool:
    """Whether the group is active. ParseError for a status that nobody knows: it must not pass for inactive."""
    status = next((words.get("VG Status", "") for words in map(labelled, blocks(text, "VG Name"))), "")
    if status and status.split(",")[0].split()[0] not in ("available", "deactivated"):
        raise ParseError(report.host, f"vgdisplay -v /dev/{name}", "VG Status is a word that is not known", status)
    return status.startswith("available")


def _physical(report: Report, group: str, extent: int, text: str, serials: Mapping[str, str]) -> tuple[PhysicalVolume, ...]:
    """The first path of each physical volume; alternate links are other paths of the one above them."""
    out = []
    text = "\n".join(line for line in text.splitlines() if not _LINK.fullmatch(line))
    for block in blocks(text, "PV Name"):
        words = labelled(block)
        path = words["PV Name"].split()[0]
        total = _number(report, f"vgdisplay -v /dev/{group}", words, "Total PE")
        pvid, _ = _identity(report, path)
        gone = words.get("PV Status", "") != "available"
        out.append(PhysicalVolume(path, pvid, serials.get(path, ""), group, total * extent, missing=gone))
    return tuple(out)


def minors(text: str) -> Mapping[str, int]:
    """Numbers of volumes by name, from `ls -l /dev/GROUP`: the last byte of the minor."""
    out = {}
    for line in text.splitlines():
        match = re.match(r"b.*\s([0-9]{1,9})\s+0x([0-9a-f]{6})\s.*\s(\S+)$", line)
        if match is not None:
            out[match.group(3)] = int(match.group(2), 16) & 0xFF
    return out


def _volumes(report: Report, group: str, text: str) -> tuple[LogicalVolume, ...]:
    numbers = minors(report.text(f"files./dev/{group}", needed=False))
    out = []
    for block in blocks(text, "LV Name"):
        path = labelled(block)["LV Name"]
        where = f"lvdisplay -v {path}"
        shown = report.text(f"lv.{path}")
        words = labelled(shown.splitlines())
        name = path.rsplit("/", 1)[-1]
        stripes = _number(report, where, words, "Stripes")
        status = words.get("LV Status", "")
        devices = tuple(
            dict.fromkeys(w[0] for line in shown.splitlines() if len(w := line.split()) == 3 and w[0][:5] == "/dev/")
        )
        out.append(
            LogicalVolume(
                name,
                f"{group}:{numbers.get(name, 0)}",
                group,
                _number(report, where, words, "LV Size (Mbytes)") * _MB,
                "raid1" if words.get("Mirror copies", "0") != "0" else "striped" if stripes > 1 else "linear",
                path=path,
                active=status.startswith("available"),
                open=status == "available/open",
                devices=devices,
                stripes=stripes or 1,
                stripe_size=_number(report, where, words, "Stripe Size (Kbytes)") * 1024,
                refusal="it has stale extents" if "stale" in status else "",
                number=numbers.get(name, 0),
            )
        )
    return tuple(out)


# --- filesystems ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mount:
    device: str
    point: str
    kind: str
    options: str


def _mounts(report: Report) -> tuple[_Mount, ...]:
    """`DEVICE on DIRECTORY type KIND OPTIONS on DATE`; a directory with blanks ends before ` type `."""
    out = []
    for line in report.text("mounts").splitlines():
        match = re.match(r"(\S+) on (.+) type (\S+) (\S+) on ", line)
        if match is None and line.strip():
            raise ParseError(report.host, "mount -v", "a row is of another form", line)
        if match is not None:
            out.append(_Mount(*match.groups()))
    return tuple(out)


def _filesystems(report: Report, groups: Iterable[VolumeGroup], mounts: Iterable[_Mount]) -> tuple[Filesystem, ...]:
    table = {
        w[0]: w for line in report.text("table", needed=False).splitlines() if len(w := line.split()) >= 4 and w[0][0] != "#"
    }
    used = bdf(report.text("bdf", needed=False))
    out = []
    for volume in (v for g in groups for v in g.volumes):
        section = report.sections.get(f"fstyp.{volume.path}")
        kind = section.text.split()[0] if section and section.status == 0 and section.text.split() else ""
        where = next((m for m in mounts if m.device == volume.path), None)
        entry = table.get(volume.path)
        if not kind and where is None:
            continue
        point = where.point if where else entry[1] if entry and entry[1].startswith("/") else ""
        out.append(
            Filesystem(
                device=volume.path,
                kind=where.kind if where else kind,
                mount_point=point,
                mounted=where is not None,
                in_table=entry is not None and entry[1] == point,
                options=where.options if where else "",
                size=volume.size,
                used=used.get(point, 0) if where else 0,
                group=volume.group,
                volume=volume.name,
            )
        )
    return tuple(out)


def bdf(text: str) -> Mapping[str, int]:
    """Bytes used by mount point; a long device name stands alone on its line and its numbers follow on the next."""
    out = {}
    for line in re.sub(r"\n\s+(?=\d)", " ", text).splitlines()[1:]:
        words = line.split(None, 5)
        if len(words) == 6 and whole_number(words[2]):
            out[words[5]] = int(words[2]) * 1024
    return out
