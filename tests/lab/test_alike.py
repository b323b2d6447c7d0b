"""The emulated Linux and the real one answer alike: one discovery script, one layout, the same parsed facts."""

from __future__ import annotations

from typing import Any

from core.model import HostFacts
from hostdrivers import DRIVERS
from hostdrivers.emulated.linux import Linux
from hostdrivers.emulated.machine import Slot
from tests.hostdrivers.machines import MemoryDisk, facts
from tests.lab.array import MEBIBYTE
from tests.lab.estate import ORDINARY_SIZES, Lab
from tests.lab.product import product


def emulated(lab: Lab) -> Linux:
    """The lab's ordinary layout on an emulated host, made by the same figures."""
    disks = [MemoryDisk(f"{n:03d}", size * MEBIBYTE, lab.serial_of[f"std{n}"]) for n, size in enumerate(ORDINARY_SIZES)]
    host = Linux("source", [Slot(d) for d in disks])
    host.create_group("vgdata", ["sda", "sdb"], 4 * MEBIBYTE)
    host.create_volume("vgdata", "lvdata", "ext4", 60, mount="/srv/data", on=[0])
    host.create_volume("vgdata", "lvlogs", "xfs", 80, mount="/srv/data/logs", pieces=[(0, 60, 19), (1, 0, 61)])
    for name, point, kind in (("lvdata", "/srv/data", "ext4"), ("lvlogs", "/srv/data/logs", "xfs")):
        host.root.mkdir(point, True)
        host.mount_checked(f"/dev/vgdata/{name}", point, kind, "defaults")
    return host


def told(found: HostFacts, serials: set[str]) -> dict[str, Any]:
    """What is of the layout alone: no identities, no times, no order (a restore may turn it), no sizes that depend on a filesystem."""
    group = found.group("vgdata")
    assert group is not None
    serial_of = {p.path: p.device_serial for p in group.physical}
    return {
        "devices": sorted((d.serial, d.size, d.vendor, d.model, d.readable) for d in found.devices if d.serial in serials),
        "group": (group.name, group.extent_size, group.size, group.pv_count, group.partial, group.system_id),
        "physical": sorted((p.device_serial, p.size, p.pe_start, p.metadata_areas, p.missing, p.duplicate) for p in group.physical),
        "volumes": sorted(
            (v.name, v.size, v.kind, v.path, v.active, v.open, v.hidden, v.stripes, v.stripe_size, sorted(serial_of[d] for d in v.devices))
            for v in group.volumes
        ),
        "filesystems": sorted(
            (f.device, f.kind, f.mount_point, f.mounted, f.in_table, f.group, f.volume) for f in found.filesystems if f.group == "vgdata"
        ),
        "forms": (len(group.uuid), [len(p.uuid) for p in group.physical], sorted(len(v.uuid) for v in group.volumes)),
    }  # fmt: skip


async def test_the_same_script_gives_the_same_facts_on_the_emulated_and_on_the_real_host(lab: Lab) -> None:
    serials = {lab.serial_of[f"std{n}"] for n in range(len(ORDINARY_SIZES))}
    with product(lab) as made:
        made.listen()
        real = made.measure("ordinary").estate.source
    assert real is not None
    assert told(await facts(DRIVERS["linux"], emulated(lab)), serials) == told(real, serials)
