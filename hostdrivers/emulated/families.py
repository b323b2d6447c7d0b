"""The replication sets of the embedded estate: what each source host has on its disks, and what its target has already."""

from __future__ import annotations

from hostdrivers.emulated.aix import Aix
from hostdrivers.emulated.array import Array
from hostdrivers.emulated.estate import MB, SETS_PER_ARRAY, Builder, Family, fill, hidden, pair_of
from hostdrivers.emulated.hpux import Hpux
from hostdrivers.emulated.linux import Linux
from hostdrivers.emulated.linux_lvm import dm_name
from hostdrivers.emulated.machine import Slot
from hostdrivers.emulated.solaris import Solaris

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


def hpux_orders(array: Array) -> Family:
    """The seed's table 4: one group over four devices, a VxFS on each; and the target names its devices the new way too."""
    numbers = (("03A", "0C2"), ("03B", "0C3"), ("03C", "0C4"), ("03D", "0C5"))
    pairs = tuple(pair_of(array, std, bcv, 96) for std, bcv in numbers)
    source = Hpux("hpprod", [Slot(std, name=f"c3t8d{n}") for n, (std, _) in enumerate(pairs, 2)])
    source.create_group("vgedm2", [f"c3t8d{n}" for n in range(2, 6)], 4 * MB)
    for index, number in enumerate(range(2, 6)):
        name, point = f"lvt8d{number}", f"/t8d{number}"
        source.create_volume("vgedm2", name, "vxfs", 12, mount=point, on=[index], number=index + 1)
        source.root.mkdir(point, True)
        source.mount_checked(f"/dev/vgedm2/{name}", point, "vxfs", ["delaylog"])
        fill(source, point, name, 5, 20_000)
    target = Hpux("hpdr", hidden(*(bcv for _, bcv in pairs)), agile=True)
    return Family("hpux-orders", source, target, ("vgedm2",), pairs, "/copy", array)


def solaris_mail(array: Array) -> Family:
    """The seed's table 2: two sliced disks in one VxVM group, two UFS that lie on both; and the id of the group is the printed one."""
    pairs = (pair_of(array, "01F", "0E1", 160), pair_of(array, "020", "0E2", 160))
    source = Solaris("sunmir2", [Slot(std, name=f"c1t0d{n}") for n, (std, _) in enumerate(pairs)])
    source.create_group("testvg1", ["c1t0d0s2", "c1t0d1s2"], MB, dgid="947015961.1105.sunmir2")
    for number, point in enumerate(("/mir1", "/mir2"), 1):
        source.create_volume("testvg1", f"vol{number:02d}", "ufs", 48, mount=point, on=[0, 1], layout="STRIPE")
        source.root.mkdir(point, True)
        source.mount_checked(f"/dev/vx/dsk/testvg1/vol{number:02d}", point, "ufs", {"rw": ""})
        fill(source, point, f"mail{number}", 8, 12_000)
    target = Solaris("sundr", hidden(*(bcv for _, bcv in pairs)), enclosures=True)
    return Family("solaris-mail", source, target, ("testvg1",), pairs, "/copy", array)


def linux_web(array: Array) -> Family:
    """Two disks in one group of LVM2: an ext4 on the first, an XFS inside it that lies on both, and names with dashes."""
    pairs = (pair_of(array, "010", "0D0", 96), pair_of(array, "011", "0D1", 96))
    source = Linux("webprod", [Slot(std, name=f"sd{letter}") for (std, _), letter in zip(pairs, "bc", strict=True)])
    source.create_group("web-data", ["sdb", "sdc"], MB)
    volumes = (("site", "ext4", "/srv/web", 40, (0,), 1), ("site-logs", "xfs", "/srv/web/logs", 40, (0, 1), 2))
    for name, kind, point, extents, on, stripes in volumes:
        source.create_volume("web-data", name, kind, extents, mount=point, on=on, stripes=stripes)
        source.root.mkdir(point, True)
        source.mount_checked(f"/dev/mapper/{dm_name('web-data', name)}", point, kind, "defaults")
        fill(source, point, name, 8, 12_000)
    target = Linux("webdr", hidden(*(bcv for _, bcv in pairs)))
    return Family("linux-web", source, target, ("web-data",), pairs, "/mnt/copy", array)


FAMILIES: tuple[Builder, ...] = (aix_ledger, hpux_orders, solaris_mail, linux_web)


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
