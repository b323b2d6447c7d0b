"""The replication sets of the embedded estate: what each source host has on its disks, and what its target has already."""

from __future__ import annotations

from hostdrivers.emulated.aix import Aix
from hostdrivers.emulated.array import Array
from hostdrivers.emulated.estate import MB, SETS_PER_ARRAY, Builder, Family, fill, hidden, pair_of
from hostdrivers.emulated.machine import Slot

DEVICES = 64  # of each source of a large estate


def aix_ledger(array: Array) -> Family:
    """The seed's table 3: one group of JFS with a log of its own, nested mounts; and a second group of JFS2 on two disks."""
    pairs = (pair_of(array, "006", "0D6", 512), pair_of(array, "007", "0D7", 256), pair_of(array, "008", "0D8", 256))
    stds, bcvs = [p[0] for p in pairs], [p[1] for p in pairs]
    source = Aix("aixprod", [Slot(disk) for disk in stds])
    source.create_group("testvg2-2", ["hdisk1"], 4 * MB)
    source.create_volume("testvg2-2", "loglv02", "jfslog", 1)
    points = ("/testvg2/mntpt1", "/testvg2/mntpt1/mntpt2", "/testvg2-3", "/testvg2-4")
    for number, point in enumerate(points, 1):
        source.create_volume("testvg2-2", f"testvg2-lv{number:02d}", "jfs", 25, mount=point, log="loglv02")
        source.root.mkdir(point, True)
        source.mount_checked(f"/dev/testvg2-lv{number:02d}", point, "jfs", {"rw": ""})
        fill(source, point, f"jfs{number}")
    source.create_group("ledgervg", ["hdisk2", "hdisk3"], 8 * MB)
    source.create_volume("ledgervg", "ledgerlog", "jfs2log", 1)
    source.create_volume("ledgervg", "ledgerlv", "jfs2", 8, mount="/ledger", log="ledgerlog", on=[0, 1])
    source.root.mkdir("/ledger", True)
    source.mount_checked("/dev/ledgerlv", "/ledger", "jfs2", {"rw": ""})
    fill(source, "/ledger", "ledger", 12, 40_000)
    target = Aix("aixdr", hidden(*bcvs))
    return Family("aix-ledger", source, target, ("testvg2-2", "ledgervg"), pairs, "/copy", array)


FAMILIES: tuple[Builder, ...] = (aix_ledger,)


def sized(number: int) -> Builder:
    """One of many like sources: 64 small devices in one group, each with a mirror; for what a large estate costs."""

    def build(array: Array) -> Family:
        first = (number % SETS_PER_ARRAY) * 2 * DEVICES
        pairs = tuple(pair_of(array, f"{first + n:03X}", f"{first + DEVICES + n:03X}", 8) for n in range(DEVICES))
        source = Aix(f"src{number:03d}", [Slot(std) for std, _ in pairs])
        source.create_group("bigvg", list(source.hdisks), MB)
        source.create_volume("bigvg", "biglog", "jfs2log", 1)
        for volume in range(4):
            point, name = f"/big{volume}", f"biglv{volume}"
            source.create_volume(
                "bigvg", name, "jfs2", 16, mount=point, log="biglog", on=list(range(volume * 16, volume * 16 + 16))
            )
            source.root.mkdir(point, True)
            source.mount_checked(f"/dev/{name}", point, "jfs2", {"rw": ""})
            fill(source, point, name, 3)
        target = Aix(f"dst{number:03d}", hidden(*(bcv for _, bcv in pairs)))
        return Family(f"big-{number:03d}", source, target, ("bigvg",), pairs, "/copy", array)

    return build
