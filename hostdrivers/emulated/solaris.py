"""An emulated Solaris with VxVM: its devices, the commands that look at them, and how an estate is made on it.

Formats: Solaris 8 to 10 and VxVM 3.x to 5.x (see `solaris_vxvm` and `solaris_groups` for the rules and what is uncertain).
The serial of a device is what `iostat -En` prints: it is there on every Solaris since 7 without any package, and the driver
reads it from page 0x80 of the device when the device is attached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from hostdrivers.emulated import filesystem
from hostdrivers.emulated.machine import Slot, options
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.solaris_disks import SECTOR, Imported, Private, RawSlice, read_private, udid_of, write_private
from hostdrivers.emulated.solaris_groups import VxGroups
from hostdrivers.emulated.solaris_vxvm import PRIVLEN
from hostdrivers.emulated.volumes import Disk, Group, Volume, VolumeBytes, allocate

_CYLINDER = 15 * 64  # sectors: heads times sectors of the Symmetrix geometry


class Solaris(VxGroups):
    """The host. `enclosures` names disks after their array, as VxVM 4 and later can; before, a disk is c1t0d0s2."""

    os = "solaris"
    not_found = "sh: {}: not found"
    system_group = "sys"
    no_file = "{}: No such file or directory"

    def __init__(
        self, name: str, slots: Iterable[Slot] = (), *, release: tuple[int, int] = (5, 1), enclosures: bool = False
    ) -> None:
        """`release` is that of VxVM: before (5, 0) it knows no copies."""
        self.release, self.enclosures = release, enclosures
        super().__init__(name, slots)

    def boot(self) -> None:
        """Every device that is visible from the start."""
        super().boot()
        for directory in ("/dev/dsk", "/dev/rdsk", "/dev/vx/dsk", "/dev/vx/rdsk"):
            self.root.mkdir(directory, True)
        for slot in self.slots:
            if slot.seen:
                self.attach(slot)
        self.online_new()

    # --- devices ----------------------------------------------------------------------------------------------------

    def attach(self, slot: Slot) -> None:
        """What devfsadm does for one device: names in /dev that stay with it."""
        taken = {s.name for s in self.slots}
        slot.name = slot.name or next(n for n in (f"c1t0d{i}" for i in range(len(taken) + 1)) if n not in taken)
        slot.seen = True
        for kind in ("dsk", "rdsk"):
            self.write_file(f"/dev/{kind}/{slot.name}s2", b"")

    def slot_at(self, path: str) -> Slot | None:
        """/dev/dsk/c1t0d0s2 and /dev/rdsk/c1t0d0s2, or slice 3."""
        word = path.removeprefix("/dev/").removeprefix("r").removeprefix("dsk/").removesuffix("s2").removesuffix("s3")
        ours = path.startswith(("/dev/dsk/", "/dev/rdsk/"))
        return next((s for s in self.slots if s.seen and s.name == word), None) if ours else None

    def knows(self, slot: Slot) -> bool:
        """A name in /dev stays; what VxVM knows is a record of its own."""
        return any(a.slot is slot for a in self.accesses.values())

    def device(self, path: str) -> Disk | None:
        """The device behind a name in /dev."""
        slot = self.slot_at(path)
        if slot is None or not path.startswith("/dev/rdsk/"):
            return slot.disk if slot else None
        return RawSlice(slot.disk, any(a.slot is slot and a.state == "online" for a in self.accesses.values()))

    def online_new(self) -> None:
        """A record for each device that has none; another try for those that were in error."""
        for slot in (s for s in self.slots if s.seen):
            at = next((a for a in self.accesses.values() if a.slot is slot), None)
            if at is None and slot.disk.ready:
                self.bring_online(slot, f"emc0_{slot.disk.number.lower():0>4}" if self.enclosures else f"{slot.name}s2")
            elif at is not None and at.state == "error":
                at.online()

    def scan(self) -> None:
        """devfsadm; vxdctl enable."""
        self._devfsadm(Call("devfsadm", ()))
        self.online_new()

    # --- making an estate -------------------------------------------------------------------------------------------

    def create_group(
        self,
        name: str,
        disks: Sequence[str],
        extent: int,
        *,
        dgid: str = "",
        disk_ids: Sequence[str] = (),
        layout: str = "sliced",
    ) -> None:
        """vxdisksetup and vxdg init: `disks` are access names; the ids may be given, as any others."""
        made = {f"{name}{n:02d}": self.access("vxdg", disk) for n, disk in enumerate(disks, 1)}
        ids = list(disk_ids) or [self.fresh_id() for _ in made]
        group = Group("vxvm", name, dgid or self.fresh_id(), extent, list(made))
        for (dm, access), diskid in zip(made.items(), ids, strict=True):
            write_private(access.disk, Private(diskid, dm, name, group.id, self.name, udid_of(access.disk), layout))
            group.facts[f"id.{dm}"] = diskid
        known = self.groups[name] = Imported(name, group.id, made)
        self.write_group(known, group)
        self.refresh(known)

    def create_volume(
        self,
        group: str,
        name: str,
        kind: str,
        extents: int,
        *,
        mount: str = "",
        on: Sequence[int] = (0,),
        layout: str = "CONCAT",
        width: int = 65536,
        mirror: Sequence[int] = (),
    ) -> VolumeBytes:
        """vxassist make, and mkfs with a line in vfstab when there is a mount point.

        `extents` are of all disks of `on` together; `layout` is CONCAT, STRIPE or RAID-5; `mirror` are the disks of a second
        plex. A kind of "raw" has no filesystem.
        """
        known = self.imported("vxassist", group)
        found = self.on_disk(known)
        disks = {dm: access.disk for dm, access in known.disks.items()}
        plain = layout == "CONCAT"
        columns, piece = (1, 0) if plain else (len(on), width)
        pieces = allocate(found, disks, on, extents)
        volume = Volume(name, f"{found.id}/{name}", kind, pieces, 0, mount, columns, piece, {"layout": layout})
        found.volumes.append(volume)
        if mirror:
            other = allocate(found, disks, mirror, extents)
            words = {"layout": layout, "of": name}
            found.volumes.append(Volume(f"{name}-02", "", "plex", other, 0, "", 1 if plain else len(mirror), piece, words))
        return self._made(known, found, volume)

    def _made(self, known: Imported, group: Group, volume: Volume) -> VolumeBytes:
        group.stamp += 1
        volume.fs["state"] = "ACTIVE"
        self.write_group(known, group)
        known.started.add(volume.name)
        self.make_nodes(known)
        made = self.bytes_of(known, group, volume)
        if volume.kind in ("ufs", "vxfs"):
            filesystem.make(made, volume.kind, label=volume.mount)
            if volume.mount:
                self.add_entry(f"/dev/vx/dsk/{known.name}/{volume.name}", volume.mount, volume.kind)
        return made

    def create_log(self, group: str, volume: str) -> None:
        """vxassist addlog logtype=dco: a data change object, and the volume that it keeps its map in."""
        known = self.imported("vxassist", group)
        found = self.on_disk(known)
        disks = {dm: access.disk for dm, access in known.disks.items()}
        pieces = allocate(found, disks, (0,), 1)
        found.volumes.append(Volume(f"{volume}_dcl", "", "gen", pieces, 0, "", 1, 0, {"dco": volume}))
        self._made(known, found, found.volumes[-1])

    def extend_group(self, group: str, disk: Disk) -> None:
        """vxdg adddisk, and a volume on the new disk."""
        known = self.imported("vxdg", group)
        found = self.on_disk(known)
        access = next(a for a in self.accesses.values() if a.disk is disk)
        dm = f"{group}{len(found.disks) + 1:02d}"
        write_private(disk, Private(self.fresh_id(), dm, group, found.id, self.name, udid_of(disk)))
        known.disks[dm] = access
        found.disks.append(dm)
        self.write_group(known, found)
        self.refresh(known)
        self.create_volume(group, "added", "ufs", 1, on=(len(found.disks) - 1,))

    def take_name(self, group: str, disk: Disk) -> None:
        """vxdg init."""
        self.create_group(group, [next(a.name for a in self.accesses.values() if a.disk is disk)], 1 << 20)

    def group_facts(self, name: str) -> Group:
        """For tests: the group as it stands on the disks."""
        return self.on_disk(self.groups[name])

    # --- commands ---------------------------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        """By name."""
        table: dict[str, Callable[[Call], Answer]] = {
            "iostat": self._iostat, "prtvtoc": self._prtvtoc, "devfsadm": self._devfsadm, "pkginfo": self._pkginfo,
            "vxdisk": self.vxdisk, "vxdg": self.vxdg, "vxprint": self.vxprint, "vxvol": self.vxvol, "vxdctl": self.vxdctl,
            "vxrecover": self.vxrecover,
        }  # fmt: skip
        return {**super().programs(), **table}

    def _iostat(self, call: Call) -> Answer:
        found, rest = options(
            call.argv,
            "cCdDeEiImMnpPrstxXz",
            "l",
            "Usage: iostat [-cCdDeEiImMnpPrstxXz]  [-l n] [T d|u] [disk ...] [interval [count]]",
        )
        if "E" not in found or "n" not in found:
            raise Usage("iostat: this emulator prints iostat -En only")
        out = ""
        for slot in (s for s in self.slots if s.seen and (not rest or s.name in rest)):
            size = slot.disk.size
            out += f"{slot.name:<16} Soft Errors: 0 Hard Errors: 0 Transport Errors: 0 \n"
            out += f"Vendor: EMC      Product: SYMMETRIX        Revision: 5671 Serial No: {slot.disk.serial} \n"
            out += f"Size: {size / 1e9:.2f}GB <{size} bytes>\nMedia Error: 0 Device Not Ready: {int(not slot.disk.ready)} No Device: 0 Recoverable: 0 \n"
            out += "Illegal Request: 0 Predictive Failure Analysis: 0 \n"
        return Answer(out)

    def _prtvtoc(self, call: Call) -> Answer:
        _, rest = options(call.argv, "fhs", "t", "Usage:\tprtvtoc [ -fhs ] [ -t vfstab ] [ -m mnttab ] rawdevice")
        slot = self.slot_at(rest[0]) if len(rest) == 1 else None
        if slot is None:
            raise Failed(f"prtvtoc: {' '.join(rest)}: No such file or directory", 1)
        sectors = slot.disk.size // SECTOR
        private = read_private(slot.disk)
        out = f"* {rest[0]} partition map\n*\n* Dimensions:\n*     512 bytes/sector\n*      64 sectors/track\n*      15 tracks/cylinder\n*     960 sectors/cylinder\n*{sectors // _CYLINDER + 2:>8} cylinders\n*{sectors // _CYLINDER:>8} accessible cylinders\n"
        out += "*\n* Flags:\n*   1: unmountable\n*  10: read-only\n*\n*                          First     Sector    Last\n* Partition  Tag  Flags    Sector     Count    Sector  Mount Directory\n"
        rows = [(2, 5, 0, sectors)]
        if private is not None and private.format == "sliced":
            rows += [(3, 15, 0, PRIVLEN["sliced"]), (4, 14, PRIVLEN["sliced"], sectors - PRIVLEN["sliced"])]
        elif private is not None:
            rows += [(7, 15, 0, sectors)]
        return Answer(out + "".join(f"{s:8}{tag:7}    01{first:12}{n:10}{first + n - 1:10}\n" for s, tag, first, n in rows))

    def _devfsadm(self, call: Call) -> Answer:
        options(call.argv, "nsCv", "cir", "usage: devfsadm [-v] [-n] [-s] [-C] [-c class] [-i driver] [-r root_dir]")
        for slot in self.slots:
            if not slot.seen and slot.disk.ready:
                self.attach(slot)
        return Answer()

    def _pkginfo(self, call: Call) -> Answer:
        _, rest = options(call.argv, "lqx", "c", "usage:\npkginfo [-q] [-pi] [-x|l] [options] [pkg ...]")
        if rest != ["VRTSvxvm"]:
            raise Failed(f'ERROR: information for "{" ".join(rest)}" was not found')
        major, minor = self.release
        return Answer(
            f"   PKGINST:  VRTSvxvm\n      NAME:  Veritas Volume Manager Binaries\n  CATEGORY:  system\n   VERSION:  {major}.{minor},REV=05.11.2006.17.55\n    STATUS:  completely installed\n"
        )

    def special(self, path: str) -> tuple[str, str] | None:
        """How `ls -l` shows a device file."""
        raw = "/rdsk/" in path
        number = "32,  2" if self.slot_at(path) else "271, 5" if self.known_volume(path) else ""
        return ("c" if raw else "b", number) if number else None
