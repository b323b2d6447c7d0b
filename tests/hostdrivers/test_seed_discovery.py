"""The rows that the seed prints, out of the discovery of emulated hosts that have those layouts, and read back again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from core.mapfile import build_map, read, read_seed_rows, seed_rows, write
from core.model import HostFacts
from hostdrivers.aix import AixDriver
from hostdrivers.emulated.aix import Aix
from hostdrivers.emulated.hpux import Hpux
from hostdrivers.emulated.machine import Slot
from hostdrivers.emulated.solaris import Solaris
from hostdrivers.hpux import HpuxDriver
from hostdrivers.solaris import SolarisDriver
from tests.core.test_seed_tables import TABLE_2, TABLE_3, TABLE_4
from tests.hostdrivers.machines import MemoryDisk, facts

MB = 1 << 20


async def solaris() -> HostFacts:
    """Table 2: two UFS that lie on both of two sliced disks; the printed id is the group's."""
    slots = [Slot(MemoryDisk(f"01{n}", 160 * MB, s), name=f"c1t0d{n}") for n, s in enumerate(("3701F000", "37020000"))]
    host = Solaris("sunmir2", slots)
    host.create_group("testvg1", ["c1t0d0s2", "c1t0d1s2"], MB, dgid="947015961.1105.sunmir2")
    for number in (1, 2):
        host.create_volume("testvg1", f"vol{number:02d}", "ufs", 8, mount=f"/mir{number}", on=[0, 1], layout="STRIPE")
        host.root.mkdir(f"/mir{number}", True)
        host.mount_checked(f"/dev/vx/dsk/testvg1/vol{number:02d}", f"/mir{number}", "ufs", {"rw": ""})
    return await facts(SolarisDriver(), host)


async def aix() -> HostFacts:
    """Table 3: four JFS and their log in one group on hdisk1."""
    host = Aix("aixhost", [Slot(MemoryDisk("006", 512 * MB, "37006000"))])
    host.create_group("testvg2-2", ["hdisk1"], 4 * MB)
    host.create_volume("testvg2-2", "loglv02", "jfslog", 1)
    for number, point in enumerate(("/testvg2/mntpt1", "/testvg2/mntpt1/mntpt2", "/testvg2-3", "/testvg2-4"), 1):
        host.create_volume("testvg2-2", f"testvg2-lv{number:02d}", "jfs", 25, mount=point, log="loglv02")
        host.root.mkdir(point, True)
        host.mount_checked(f"/dev/testvg2-lv{number:02d}", point, "jfs", {"rw": ""})
    return await facts(AixDriver(), host)


async def hpux() -> HostFacts:
    """Table 4: one group over four devices with a VxFS on each."""
    slots = [Slot(MemoryDisk(f"03{c}", 96 * MB, f"7903{c}000"), name=f"c3t8d{n}") for n, c in enumerate("ABCD", 2)]
    host = Hpux("hphost", slots)
    host.create_group("vgedm2", [s.name for s in slots], 4 * MB)
    for index, slot in enumerate(slots):
        name, point = f"lvt8d{index + 2}", f"/t8d{index + 2}"
        assert slot.name.endswith(point[-1])
        host.create_volume("vgedm2", name, "vxfs", 12, mount=point, on=[index], number=index + 1)
        host.root.mkdir(point, True)
        host.mount_checked(f"/dev/vgedm2/{name}", point, "vxfs", ["delaylog"])
    return await facts(HpuxDriver(), host)


@pytest.mark.parametrize(
    ("discovered", "group", "table"),
    [(solaris, "testvg1", TABLE_2), (aix, "testvg2-2", TABLE_3), (hpux, "vgedm2", TABLE_4)],
    ids=["solaris", "aix", "hpux"],
)
async def test_discovery_of_the_seeds_layout_prints_the_seeds_rows_and_they_are_read_back(
    discovered: Callable[[], Awaitable[HostFacts]], group: str, table: str
) -> None:
    found = await discovered()
    mapped = build_map("seed", found, (group,))
    text = write(mapped)
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    assert rows == [line.split() for line in table.splitlines()]
    assert read(text, "seed.std") == mapped
    assert seed_rows(mapped) == read_seed_rows(table, found.os, "table")
