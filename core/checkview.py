"""What every check looks at: the settings and the estate of one set, with the look-ups that checks share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from core.drift import inactive
from core.mapfile import MapFile
from core.model import Estate, Filesystem, HostFacts, Pair, PhysicalVolume, VolumeGroup
from core.settings import SetSettings

Odd = Iterable[tuple[str, str]]  # what is wrong: the subject, and a plain sentence about it


@dataclass(frozen=True, slots=True)
class View:
    """One set as measured; `kept` is the newest kept map, `work_dir` where our files lie on the source.

    `stopped` are the groups that a run without an end took out of use, with its number.
    """

    settings: SetSettings
    estate: Estate
    kept: MapFile | None
    work_dir: str
    stopped: Mapping[str, int] = field(default_factory=dict)

    @property
    def same_host(self) -> bool:
        """Whether the copy is brought up beside the original."""
        return self.settings.source == self.settings.target

    @property
    def groups(self) -> tuple[VolumeGroup, ...]:
        """The groups of the set that the source has; none while it is not measured (which is a finding of its own)."""
        source = self.estate.source
        return tuple(g for n in self.settings.volume_groups if (g := source.group(n)) is not None) if source else ()

    @property
    def inactive(self) -> dict[str, str]:
        """Those of them that are not active there, and why, as far as that is known; nothing but their disks is known."""
        return inactive(self.estate.source, self.settings, self.stopped) if self.estate.source else {}

    @property
    def physical(self) -> tuple[PhysicalVolume, ...]:
        """The physical volumes of the set's groups on the source, without duplicates that the host does not use."""
        return tuple(p for g in self.groups for p in g.physical if not p.duplicate)

    @property
    def first_pairs(self) -> tuple[Pair, ...]:
        """The first pair of each standard: those that operations work with."""
        first: dict[str, Pair] = {}
        for pair in self.settings.pairs:
            first.setdefault(pair.std, pair)
        return tuple(first.values())

    @property
    def stds(self) -> frozenset[str]:
        """The serials of all standards in the pairs file."""
        return frozenset(pair.std for pair in self.settings.pairs)

    @property
    def bcvs(self) -> frozenset[str]:
        """The serials of all BCVs in the pairs file."""
        return frozenset(pair.bcv for pair in self.settings.pairs)

    @property
    def mounts(self) -> tuple[Filesystem, ...]:
        """The mounted filesystems of the set on the source (swap is none)."""
        return tuple(f for f in self.filesystems if f.mounted and f.mount_point.startswith("/") and f.kind != "swap")

    @property
    def filesystems(self) -> tuple[Filesystem, ...]:
        """All filesystems on volumes of the set."""
        names = {g.name for g in self.groups}
        return tuple(f for f in self.estate.source.filesystems if f.group in names) if self.estate.source else ()

    def new_name(self, group: VolumeGroup) -> str:
        """The group's name on the target."""
        return group.name + self.settings.group_suffix

    def mount_point(self, filesystem: Filesystem) -> str:
        """Where the copy of a filesystem is mounted on the target."""
        return (self.settings.mount.prefix.rstrip("/") + filesystem.mount_point).rstrip("/")


def users_of(host: HostFacts, serials: frozenset[str]) -> Iterator[tuple[str, str, bool]]:
    """What uses devices of these serials on a host: (serial, in words, held open or mounted rather than just active)."""
    for group in host.groups:
        for serial in dict.fromkeys(p.device_serial for p in group.physical if p.device_serial in serials and not p.duplicate):
            active = [v.name for v in group.volumes if v.active and not v.hidden]
            held = [v.name for v in group.volumes if v.open and not v.hidden]
            held += [f.volume for f in host.filesystems if f.group == group.name and f.mounted]
            if held:
                yield serial, f"group {group.name}, in use: {', '.join(dict.fromkeys(held))}", True
            elif active:
                yield serial, f"group {group.name}, active: {', '.join(active)}", False
    serial_of = {d.path: d.serial for d in host.devices if d.serial in serials}
    for f in host.filesystems:
        if f.mounted and not f.group and f.device in serial_of:
            yield serial_of[f.device], f"{f.kind} on the device itself, mounted on {f.mount_point}", True


def within(path: str, top: str) -> bool:
    """Whether a path is `top` or lies below it."""
    root = top.rstrip("/")
    return path.rstrip("/") == root or path.startswith(root + "/")
