"""A sound estate to spoil: two groups on three standards, their BCVs on another host, all established."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.model import (
    Device,
    Estate,
    Filesystem,
    HostFacts,
    LogicalVolume,
    Pair,
    PairState,
    PairStatus,
    PhysicalVolume,
    VolumeGroup,
)
from core.settings import MountSettings, SetSettings

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SIZE = 256 << 20
STDS = ("7902C000", "7902D000", "7902E000")
BCVS = ("790B4000", "790B5000", "790B6000")
PAIRS = tuple(Pair(std, bcv) for std, bcv in zip(STDS, BCVS, strict=True))
PREFIX = "/mnt/splitmount/payroll"


def disk(letter: str, serial: str) -> Device:
    return Device(f"/dev/sd{letter}", serial, SIZE)


def pv(path: str, uuid: str, serial: str, group: str, partition: str = "") -> PhysicalVolume:
    return PhysicalVolume(path, uuid, serial, group, SIZE - (4 << 20), partition, 1 << 20)


def lv(name: str, group: str, *devices: str, **more: Any) -> LogicalVolume:
    facts: dict[str, Any] = {"kind": "linear", "active": True, "size": 64 << 20, "devices": devices, **more}
    return LogicalVolume(name=name, uuid=f"uuid-{group}-{name}", group=group, path=f"/dev/{group}/{name}", **facts)


def fs(group: str, volume: str, kind: str, mount_point: str, **more: Any) -> Filesystem:
    facts: dict[str, Any] = {"mounted": bool(mount_point), "in_table": bool(mount_point), "uuid": f"fs-{volume}", **more}
    return Filesystem(f"/dev/{group}/{volume}", kind, mount_point=mount_point, group=group, volume=volume, **facts)


DATA = VolumeGroup(
    "vgdata",
    "uuid-vgdata",
    7,
    4 << 20,
    2 * SIZE,
    pv_count=2,
    physical=(pv("/dev/sda", "pv-a", STDS[0], "vgdata"), pv("/dev/sdb", "pv-b", STDS[1], "vgdata")),
    volumes=(
        lv("lvdata", "vgdata", "/dev/sda"),
        lv("lv-logs", "vgdata", "/dev/sda", "/dev/sdb", kind="striped", stripes=2, stripe_size=65536),
        lv("lvswap", "vgdata", "/dev/sdb"),
        lv("lvraw", "vgdata", "/dev/sdb"),
    ),
)
IDLE = replace(DATA, uuid="", seqno=0, extent_size=0, size=0, volumes=())  # as AIX and HP-UX tell a group that is not active
PART = VolumeGroup(
    "vgpart",
    "uuid-vgpart",
    3,
    4 << 20,
    SIZE,
    pv_count=1,
    physical=(pv("/dev/sdc1", "pv-c", STDS[2], "vgpart", "1"),),
    volumes=(
        lv("pool", "vgpart", "/dev/sdc1", kind="thin-pool"),
        lv("[pool_tdata]", "vgpart", "/dev/sdc1", kind="hidden", hidden=True),
        lv("lvthin", "vgpart", "/dev/sdc1", kind="thin", pool="pool"),
    ),
)
FILESYSTEMS = (
    fs("vgdata", "lvdata", "ext4", "/srv/data"),
    fs("vgdata", "lv-logs", "xfs", "/srv/data/logs of today", options="rw,noatime"),
    fs("vgdata", "lvswap", "swap", "", in_table=True),
    fs("vgpart", "lvthin", "ext4", "/srv/part"),
)

SOURCE = HostFacts(
    "db1",
    "linux",
    NOW,
    devices=tuple(disk(letter, serial) for letter, serial in zip("abc", STDS, strict=True)),
    groups=(DATA, PART),
    filesystems=FILESYSTEMS,
    mount_points=("/", "/srv/data", "/srv/data/logs of today", "/srv/part"),
)
TARGET = HostFacts(
    "backup1",
    "linux",
    NOW,
    devices=tuple(disk(letter, serial) for letter, serial in zip("xyz", BCVS, strict=True)),
    mount_points=("/", "/mnt"),
)
SETTINGS = SetSettings("payroll", "db1", "backup1", "sym", Path("pairs"), PAIRS, ("vgdata", "vgpart"), MountSettings(PREFIX))
ESTATE = Estate(
    "payroll",
    NOW,
    SOURCE,
    TARGET,
    tuple(PairStatus(p, PairState.ESTABLISHED, std_size=SIZE, bcv_size=SIZE) for p in PAIRS),
)
SAME_HOST = replace(SETTINGS, target="db1")


def with_group(host: HostFacts, group: VolumeGroup) -> HostFacts:
    """The host with that group in place of the one of its name, or beside the others."""
    others = [g for g in host.groups if g.name != group.name]
    return replace(host, groups=(*others, group))


def statuses(*states: PairState, split_id: str = "s1") -> tuple[PairStatus, ...]:
    """The three pairs in these states, with sound sizes."""
    return tuple(
        PairStatus(p, state, std_size=SIZE, bcv_size=SIZE, split_id=split_id if state is PairState.SPLIT else "")
        for p, state in zip(PAIRS, states, strict=True)
    )
