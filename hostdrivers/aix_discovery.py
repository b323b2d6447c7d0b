"""Discovery of an AIX host: one script, and pure parsers of lspv, lsvg, lslv, getlvcb, lscfg, mount and /etc/filesystems.

Formats: AIX 4.3 to 7.3, from public recordings (glpi-agent, facter, opensvc, power-aix). Two-column output is cut where the
second column's label begins, because values have blanks. What a varied-off group cannot tell is left out, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.errors import ParseError
from core.hosts import HostRef
from core.model import Device, Filesystem, HostFacts, LogicalVolume, PhysicalVolume, VolumeGroup
from core.transport import Command, Result, Status
from hostdrivers.aix_scripts import DISCOVERY, PATH
from hostdrivers.report import Report, marked, sections_of, whole_number
from hostdrivers.script import prelude

_LOGS = ("jfslog", "jfs2log")
_LSVG = ("VG IDENTIFIER", "PP SIZE", "TOTAL PPs", "TOTAL PVs")
_MB = 1 << 20


def discovery(host: HostRef) -> Command:
    """The whole discovery in one invocation."""
    before = prelude(host.become, PATH)
    return Command(host.name, f"discover {host.name}", marked(DISCOVERY), prelude=before, timeout=300)


def parse_discovery(host: HostRef, result: Result) -> HostFacts:
    """Facts of the host. ParseError names the command that was not understood."""
    if result.status is Status.UNKNOWN:
        raise ParseError(host.name, "discovery", result.reason)
    report = Report(host.name, sections_of(host.name, result))
    rows = _lspv(report)
    devices = tuple(_device(report, row) for row in rows)
    serials = {d.path: d.serial for d in devices}
    active = report.text("active").split()
    groups = tuple(_group(report, name, name in active, rows, serials) for name in report.text("groups").split())
    mounts = _mounts(report)
    return HostFacts(
        host=host.name,
        os="aix",
        measured_at=result.started,
        hostname=report.text("uname").strip(),
        release=f"AIX {report.text('oslevel', needed=False).strip()}".strip(),
        devices=devices,
        groups=groups,
        filesystems=_filesystems(report, groups, mounts),
        mount_points=tuple(m.point for m in mounts),
        warnings=_twice(rows),
    )


# --- disks ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pv:
    """A row of lspv; what the ODM knows. `pvid` and `group` are empty for none."""

    name: str
    pvid: str
    group: str


def _lspv(report: Report) -> tuple[_Pv, ...]:
    rows = []
    for line in report.text("lspv").splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) not in (3, 4) or not re.fullmatch(r"[0-9a-f]{16}|none", words[1]):
            raise ParseError(report.host, "lspv", "a row is not name, identifier, group and state", line)
        rows.append(_Pv(words[0], "" if words[1] == "none" else words[1], "" if words[2] == "None" else words[2]))
    return tuple(rows)


def _twice(rows: Iterable[_Pv]) -> tuple[str, ...]:
    """Two disks with one identity: cfgmgr and importvg would take either."""
    by_id: dict[str, list[str]] = {}
    for row in rows:
        if row.pvid:
            by_id.setdefault(row.pvid, []).append(row.name)
    return tuple(f"{' and '.join(names)} carry one identity, {pvid}" for pvid, names in by_id.items() if len(names) > 1)


def dotted(text: str) -> Mapping[str, str]:
    """The fields of lscfg: a label, two dots or more, a value that may be empty."""
    out: dict[str, str] = {}
    for line in text.splitlines():
        words = re.split(r"\.{2,}", line.strip(), maxsplit=1)
        if len(words) == 2 and words[0] and line[0].isspace():
            out.setdefault(words[0], words[1].strip())
    return out


def _device(report: Report, row: _Pv) -> Device:
    size = report.text(f"size.{row.name}", needed=False).strip()
    if size and not re.fullmatch(r"[0-9]{1,12}", size):
        raise ParseError(report.host, "bootinfo -s", f"the size of {row.name} is no number", size)
    words = dotted(report.text(f"lscfg.{row.name}", needed=False))
    readable = bool(pvid_of(report.text(f"pvid.{row.name}", needed=False)))
    return Device(
        f"/dev/{row.name}",
        words.get("Serial Number", ""),
        int(size or 0) * _MB,
        vendor=words.get("Manufacturer", ""),
        model=words.get("Machine Type and Model", ""),
        readable=readable,
    )


def pvid_of(text: str) -> str:
    """The identity in a dump by `lquerypv -h DISK 80 10`: 16 hexadecimal digits, empty when nothing could be read."""
    match = re.match(r"\s*00000080\s+([0-9A-Fa-f]{8})\s+([0-9A-Fa-f]{8})", text)
    return (match.group(1) + match.group(2)).lower() if match else ""


# --- groups -----------------------------------------------------------------------------------------------------------


_SECOND = re.compile(
    r"(?<=\S)\s+(?=(?:VG IDENTIFIER|PERMISSION:|LABEL:))"
)  # these stand after a value that may fill its column
_LABEL = r"[A-Z][A-Za-z/() ?-]*"


def columns(text: str) -> Mapping[str, str]:
    """Two columns of `LABEL: value`: each label begins with a capital, and a value ends where the next label does."""
    out: dict[str, str] = {}
    for line in text.splitlines():
        parts = [p for half in _SECOND.split(line) for p in re.split(rf"(?<=\S)\s{{2,}}(?={_LABEL}:(?:\s|$))", half)]
        for part in parts:
            match = re.match(rf"\s*({_LABEL}?)(?::\s*|\s{{2,}})(.*?)\s*$", part)
            if match is not None:
                out.setdefault(match.group(1), match.group(2))
    return out


def _number(report: Report, where: str, words: Mapping[str, str], key: str) -> int:
    match = re.match(r"([0-9]{1,18})(?![0-9])", words.get(key, ""))
    if match is None:
        raise ParseError(report.host, where, f"{key} has no number", words.get(key, ""))
    return int(match.group(1))


def _group(report: Report, name: str, active: bool, rows: Iterable[_Pv], serials: Mapping[str, str]) -> VolumeGroup:
    """One group; of one that is varied off only its name and disks are known, as the ODM has them."""
    members = [row for row in rows if row.group == name]
    if not active:
        physical = tuple(PhysicalVolume(f"/dev/{r.name}", r.pvid, serials[f"/dev/{r.name}"], name, 0) for r in members)
        return VolumeGroup(name, "", 0, 0, 0, pv_count=len(physical), physical=physical)
    words = columns(report.text(f"lsvg.{name}"))
    missing = [key for key in _LSVG if key not in words]
    if missing:
        raise ParseError(report.host, f"lsvg {name}", f"no {', '.join(missing)} in it")
    extent = _number(report, f"lsvg {name}", words, "PP SIZE") * _MB
    physical = _physical(report, name, extent, members, serials)
    return VolumeGroup(
        name=name,
        uuid=words["VG IDENTIFIER"],
        seqno=0,
        extent_size=extent,
        size=_number(report, f"lsvg {name}", words, "TOTAL PPs") * extent,
        pv_count=_number(report, f"lsvg {name}", words, "TOTAL PVs"),
        shared="concurrent" in words.get("VG STATE", "").lower() or "Concurrent" in words,
        volumes=_volumes(report, name, extent),
        physical=physical,
    )


def _rows(report: Report, section: str, header: str, width: int) -> list[list[str]]:
    """The rows of a table below its header, at least so many words each."""
    lines = report.text(section).splitlines()
    at = next((i for i, line in enumerate(lines) if line.lstrip().startswith(header)), None)
    if at is None:
        raise ParseError(report.host, section, f"no line begins with {header}")
    out = []
    for line in lines[at + 1 :]:
        words = line.split()
        if words and len(words) < width:
            raise ParseError(report.host, section, f"a row has fewer than {width} words", line)
        if words:
            out.append(words)
    return out


def _physical(
    report: Report, group: str, extent: int, members: Iterable[_Pv], serials: Mapping[str, str]
) -> tuple[PhysicalVolume, ...]:
    ids = {row.name: row.pvid for row in members}
    out = []
    for words in _rows(report, f"lsvg-p.{group}", "PV_NAME", 5):
        name, *state, total, _, _ = words
        if not whole_number(total):
            raise ParseError(report.host, f"lsvg -p {group}", "TOTAL PPs is no number", " ".join(words))
        path = f"/dev/{name}"
        missing = state != ["active"]
        out.append(PhysicalVolume(path, ids.get(name, ""), serials.get(path, ""), group, int(total) * extent, missing=missing))
    return tuple(out)


def _volumes(report: Report, group: str, extent: int) -> tuple[LogicalVolume, ...]:
    out = []
    for words in _rows(report, f"lsvg-l.{group}", "LV NAME", 7):
        name, _, lps, pps, _, state = words[:6]
        if not (whole_number(lps) and whole_number(pps)):
            raise ParseError(report.host, f"lsvg -l {group}", "LPs and PPs are no numbers", " ".join(words))
        facts = columns(report.text(f"lslv.{name}"))
        devices = tuple(f"/dev/{row[0]}" for row in _rows(report, f"lslv-l.{name}", "PV ", 4))
        if "LV IDENTIFIER" not in facts:
            raise ParseError(report.host, f"lslv {name}", "no LV IDENTIFIER in it")
        out.append(
            LogicalVolume(
                name,
                facts["LV IDENTIFIER"],
                group,
                int(lps) * extent,
                _kind(facts),
                path=f"/dev/{name}",
                active=True,
                open=state.startswith("open"),
                devices=devices,
                stripes=int(facts.get("STRIPE WIDTH", "1") or 1),
                stripe_size=_stripe_size(report, name, facts),
                refusal="it has stale partitions" if "stale" in state else "",
            )
        )
    return tuple(out)


def _kind(facts: Mapping[str, str]) -> str:
    if facts.get("COPIES", "1") != "1":
        return "raid1"
    return "striped" if facts.get("STRIPE WIDTH", "1") not in ("", "1") else "linear"


def _stripe_size(report: Report, name: str, facts: Mapping[str, str]) -> int:
    text = facts.get("STRIPE SIZE", "")
    match = re.fullmatch(r"([0-9]{1,15})([KMkm])?", text) if text else None
    if text and match is None:
        raise ParseError(report.host, f"lslv {name}", "STRIPE SIZE is of another form", text)
    return int(match.group(1)) * {"K": 1024, "M": _MB, "": 1}[(match.group(2) or "").upper()] if match else 0


# --- filesystems ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mount:
    device: str
    point: str
    kind: str
    options: str


def _mounts(report: Report) -> tuple[_Mount, ...]:
    """Local rows of mount: device, directory, kind, three words of date, options; remote ones begin with their node."""
    lines = report.text("mounts").splitlines()
    if len(lines) < 2 or "mounted over" not in lines[0]:
        raise ParseError(report.host, "mount", "no header", lines[0] if lines else "")
    out = []
    for line in lines[2:]:
        words = line.split()
        remote = bool(line) and not line[0].isspace()
        words = words[1:] if remote else words
        if words and len(words) < 6:
            raise ParseError(report.host, "mount", "a row has fewer than six words", line)
        if words:
            out.append(_Mount("" if remote else words[0], words[1], words[2], " ".join(words[6:])))
    return tuple(out)


def stanzas(text: str) -> Mapping[str, Mapping[str, str]]:
    """/etc/filesystems by mount point: the lines `key = value` below `/point:`; a line that begins with `*` is a comment."""
    out: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if line.startswith("*") or not line.strip():
            continue
        if not line[0].isspace() and line.rstrip().endswith(":"):
            out[line.rstrip()[:-1]] = {}
        elif "=" in line and out:
            key, _, value = line.partition("=")
            out[next(reversed(out))][key.strip()] = value.strip()
    return out


def control_block(text: str) -> Mapping[str, str]:
    """The lines `key = value` of getlvcb."""
    return {k.strip(): v.strip() for k, e, v in (line.partition("=") for line in text.splitlines()) if e}


def _filesystems(report: Report, groups: Iterable[VolumeGroup], mounts: Iterable[_Mount]) -> tuple[Filesystem, ...]:
    table = stanzas(report.text("table"))
    used = _used(report)
    out = []
    for group in groups:
        if group.uuid:
            rows = {words[0]: words for words in _rows(report, f"lsvg-l.{group.name}", "LV NAME", 7)}
            for volume in group.volumes:
                out += _of_volume(report, volume, rows[volume.name], mounts, table, used)
    return tuple(out)


def _of_volume(
    report: Report,
    volume: LogicalVolume,
    row: list[str],
    mounts: Iterable[_Mount],
    table: Mapping[str, Mapping[str, str]],
    used: Mapping[str, int],
) -> list[Filesystem]:
    """The filesystem of one volume; none on a log, or on a volume whose control block names none."""
    kind, label = row[1], " ".join(row[6:])
    if kind in _LOGS or kind in ("boot", "paging", "sysdump"):
        return []
    block = control_block(report.text(f"lvcb.{volume.name}", needed=False))
    words = dict(pair.partition("=")[::2] for pair in block.get("fs", "").split(":"))
    entries = {point: stanza for point, stanza in table.items() if stanza.get("dev") == volume.path}
    where = [m for m in mounts if m.device == volume.path]
    log = words.get("log", "") or next((s.get("log", "") for s in entries.values()), "")
    point = next((m.point for m in where), next(iter(entries), "" if label == "N/A" else label))
    if not where and not entries and not words.get("log") and label == "N/A":
        return []
    return [
        Filesystem(
            device=volume.path,
            kind=where[0].kind if where else next((s.get("vfs", kind) for s in entries.values()), kind),
            label="" if label == "N/A" else label,
            mount_point=point,
            mounted=bool(where),
            in_table=point in entries,
            options=where[0].options if where else "",
            size=volume.size,
            used=used.get(point, 0) if where else 0,
            group=volume.group,
            volume=volume.name,
            log=log.removeprefix("/dev/"),
        )
    ]


def _used(report: Report) -> Mapping[str, int]:
    """Bytes used by mount point, from df -Pk; rows of pseudo filesystems have dashes."""
    out = {}
    for line in report.text("df", needed=False).splitlines()[1:]:
        words = line.split(None, 5)
        if len(words) == 6 and whole_number(words[2]):
            out[words[5]] = int(words[2]) * 1024
    return out
