"""What exists: hosts, devices, groups, volumes, filesystems, pairs. Frozen facts, no behaviour beyond look-ups.

Sizes are bytes everywhere. Names are labels; UUIDs and serials are identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

# The kinds of filesystems that are mounted on the target and backed up; the others are cloned with the rest.
MOUNTED_KINDS = frozenset({"ext2", "ext3", "ext4", "xfs", "jfs", "jfs2", "vxfs", "hfs", "ufs"})


@dataclass(frozen=True, slots=True)
class Device:
    """A disk as a host sees it: `serial` from the device itself (VPD page 80), never from its name or order."""

    path: str
    serial: str
    size: int
    wwn: str = ""
    vendor: str = ""
    model: str = ""
    paths: tuple[str, ...] = ()
    multipath: bool = False
    readable: bool = True


@dataclass(frozen=True, slots=True)
class PhysicalVolume:
    """A physical volume, on a whole device or a partition; `device_serial` is empty where it could not be read.

    `format` is the volume manager's word for how the device is laid out (VxVM: sliced, cdsdisk), where it has several.
    """

    path: str
    uuid: str
    device_serial: str
    group: str
    size: int
    partition: str = ""
    pe_start: int = 0
    missing: bool = False
    duplicate: bool = False
    metadata_areas: int = 1
    format: str = ""


@dataclass(frozen=True, slots=True)
class LogicalVolume:
    """A logical volume. `devices` are the paths of all physical volumes below it, hidden sub-volumes resolved.

    `kind` is our word: linear, striped, raid1, raid5, raid10, thin-pool, thin, snapshot, cache, writecache, vdo, hidden, …
    `refusal` says why it cannot be cloned safely; empty when it can. `number` is its minor number where it is kept (HP-UX).
    """

    name: str
    uuid: str
    group: str
    size: int
    kind: str
    path: str = ""
    active: bool = False
    open: bool = False
    hidden: bool = False
    devices: tuple[str, ...] = ()
    pool: str = ""
    origin: str = ""
    stripes: int = 1
    stripe_size: int = 0
    refusal: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class VolumeGroup:
    """A volume group; `seqno` counts its metadata changes and so dates a map.

    Of one that is not active some systems (AIX, HP-UX) tell nothing but its name and disks: it has no UUID here.
    """

    name: str
    uuid: str
    seqno: int
    extent_size: int
    size: int
    system_id: str = ""
    exported: bool = False
    partial: bool = False
    shared: bool = False
    pv_count: int = 0
    volumes: tuple[LogicalVolume, ...] = ()
    physical: tuple[PhysicalVolume, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether the host told what is in it; where not, it is not active there."""
        return bool(self.uuid)


@dataclass(frozen=True, slots=True)
class Filesystem:
    """What is on a logical volume or device; `mount_point` is empty when it is not mounted (nor in the table).

    `log` is the volume that carries its journal, where that is another one (AIX).
    """

    device: str
    kind: str
    uuid: str = ""
    label: str = ""
    mount_point: str = ""
    mounted: bool = False
    in_table: bool = False
    options: str = ""
    size: int = 0
    used: int = 0
    group: str = ""
    volume: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Everything that one discovery of a host found, with the time at which the host was asked."""

    host: str
    os: str
    measured_at: datetime
    hostname: str = ""
    release: str = ""
    system_id: str = ""
    devices: tuple[Device, ...] = ()
    groups: tuple[VolumeGroup, ...] = ()
    filesystems: tuple[Filesystem, ...] = ()
    mount_points: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def group(self, name: str) -> VolumeGroup | None:
        """The group of that name, or None."""
        return next((g for g in self.groups if g.name == name), None)

    def device(self, serial: str) -> Device | None:
        """The device with that serial, or None."""
        return next((d for d in self.devices if d.serial == serial), None)

    def filesystem(self, group: str, volume: str) -> Filesystem | None:
        """The filesystem on that logical volume, or None."""
        return next((f for f in self.filesystems if (f.group, f.volume) == (group, volume)), None)


class PairState(StrEnum):
    """Our words for the relation of a standard and its BCV; each array driver has one table into these."""

    ESTABLISHED = "established"
    SPLIT = "split"
    COPYING = "copying"
    SPLITTING = "splitting"
    RESTORING = "restoring"
    NEVER = "never established"
    INVALID = "invalid"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """One standard and one BCV by serial; `address` is the BCV's physical address where the pairs file gives one."""

    std: str
    bcv: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class PairStatus:
    """A pair as the array reports it. Track counts and bytes are None where the array could not tell.

    `split_id` and `split_at` identify the instant of the split; equal over a set means one point in time.
    `private` is what the array's own driver wants to find again; nobody else looks at it.
    """

    pair: Pair
    state: PairState
    ready: bool | None = None
    std_tracks: int | None = None
    bcv_tracks: int | None = None
    track_size: int = 65536
    copied: int | None = None
    to_copy: int | None = None
    split_id: str = ""
    split_at: datetime | None = None
    std_size: int | None = None
    bcv_size: int | None = None
    note: str = ""
    private: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The pair, its state, and what the array's driver has to say about it."""
        return f"{self.pair.std}/{self.pair.bcv} {self.state.value}{f' ({self.note})' if self.note else ''}"


class Severity(StrEnum):
    """How much a finding matters: an error refuses, a warning is shown, an info explains."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check: a stable code, a plain sentence, and what to do."""

    code: str
    severity: Severity
    subject: str
    sentence: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as a kept map has it: a stable code, the object, what it was and what it is (empty: nothing)."""

    code: str
    subject: str
    was: str
    now: str

    @property
    def told(self) -> str:
        """Code and object in words."""
        return f"{self.code.lower().replace('_', ' ')} {self.subject}"


@dataclass(frozen=True, slots=True)
class Drift:
    """How a set stands to its newest kept map, of the time `since`; `unknown` says of what of it that is not known, and why."""

    since: datetime | None
    unknown: str = ""
    differences: tuple[Difference, ...] = ()

    @property
    def told(self) -> str:
        """All in one line, the first three by name."""
        if self.since is None:
            return self.unknown
        at = f"{self.since:%Y-%m-%d %H:%M} UTC"
        named = [one.told for one in self.differences[:3]] + ["..."] * (len(self.differences) > 3)
        known = f"{len(self.differences)} ({', '.join(named)})" if named else ""
        if self.unknown:
            return f"drift since the map of {at}: {f'{known}, and ' if known else ''}unknown, {self.unknown}"
        return f"drift since the map of {at}: {known}" if known else f"as the map of {at}"


@dataclass(frozen=True, slots=True)
class ApplicationFile:
    """A file or directory of an application: what it is (data, write-ahead log, tablespace, ...) and its path, links resolved.

    `link` is the link through which it is found, or its name with the links in it; empty where there is none. `of` is the
    tablespace that it belongs to, where it is told; without one that is not `needed` a copy is whole.
    """

    what: str
    path: str
    link: str = ""
    of: str = ""
    needed: bool = True


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """What an application said of itself. `state` is "running", "stopped", or why that is not known.

    `files` is None where nobody knows where they lie. `position` is how far its log is, in its own notation.
    `parameters` are those that a copy must share with it, and what else of them matters here.
    """

    name: str
    state: str
    version: str = ""
    identity: str = ""
    position: str = ""
    files: tuple[ApplicationFile, ...] | None = None
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Estate:
    """All that was measured for one set; a None part could not be measured, and `errors` says why by part name.

    `application` is "running", "stopped", or why that is not known; empty when the configuration names none.
    `facts` are what it said of itself, where it could be asked.
    `users` are the processes by the mount point of the source that they use, where it was asked for.
    `damaged` names groups of the source that cannot be read whole, and why; they stand in it as the kept map has them.
    """

    set_name: str
    measured_at: datetime
    source: HostFacts | None = None
    target: HostFacts | None = None
    pairs: tuple[PairStatus, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    application: str = ""
    facts: ApplicationFacts | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)
