"""An emulated Linux: its disks as the kernel shows them below /sys, scanning and removal, and how an estate is made on it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from hostdrivers.emulated import filesystem
from hostdrivers.emulated.linux_lvm import LinuxLvm, Mapped, View, dm_name, new_uuid, parse
from hostdrivers.emulated.machine import MODERN, Slot
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.volumes import Disk, Group, Volume, VolumeBytes, allocate, write_label

BY_ID = "/dev/disk/by-id"  # as by the rule for udev that docs/accounts.md has
SCAN = "/sys/class/scsi_host/host0/scan"


class Linux(LinuxLvm):
    """The host: Debian 12 with LVM 2.03. The fault "autoactivate" is a target whose udev activates what appears."""

    modern = MODERN

    def boot(self) -> None:
        """Every device that is visible from the start."""
        super().boot()
        self.write_file(SCAN, b"")
        self.root.mkdir(BY_ID, True)
        self.write_file("/sys/block/vda/size", b"2867200\n")  # the system's own disk, which tells no serial
        self.write_file("/dev/vda", bytes(4096))
        for slot in self.slots:
            if slot.seen:
                self.attach(slot)

    # --- devices ------------------------------------------------------------------------------------------------------

    def attach(self, slot: Slot) -> None:
        """What the kernel does for one device: the next free name, and its files below /sys."""
        taken = {s.name for s in self.slots if s.seen and s is not slot}
        slot.name = slot.name or next(f"sd{c}" for c in "abcdefghijklmnopqrstuvwxyz" if f"sd{c}" not in taken)
        slot.seen = True
        top, disk = f"/sys/block/{slot.name}", slot.disk
        for directory in (f"{top}/device", f"{top}/holders", f"{top}/slaves", f"/sys/class/block/{slot.name}"):
            self.root.mkdir(directory, True)
        serial = disk.serial.encode()
        files = {
            "size": f"{disk.size // 512}\n", "device/vendor": "EMC     \n", "device/model": "SYMMETRIX       \n",
            "device/wwid": f"naa.60000970{disk.serial.lower():0>24}\n", "device/delete": "",
        }  # fmt: skip
        for name, text in files.items():
            self.write_file(f"{top}/{name}", text.encode())
        self.write_file(f"{top}/device/vpd_pg80", b"\0\x80\0" + bytes([len(serial)]) + serial)
        self.write_file(f"/dev/{slot.name}", b"")
        if not self.root.exists(f"{BY_ID}/splitmount-{disk.serial}"):
            self.root.symlink(f"/dev/{slot.name}", f"{BY_ID}/splitmount-{disk.serial}")

    def detach(self, slot: Slot) -> None:
        """The kernel forgets a device."""
        link = f"{BY_ID}/splitmount-{slot.disk.serial}"
        for path in (f"/sys/block/{slot.name}", f"/sys/class/block/{slot.name}", f"/dev/{slot.name}", link):
            if self.root.exists(path):
                self.root.remove(path, True)
        slot.seen, slot.name = False, ""

    def named(self) -> list[tuple[str, Disk]]:
        """Every disk that the kernel knows, with its path."""
        return sorted((f"/dev/{s.name}", s.disk) for s in self.slots if s.seen)

    def device(self, path: str) -> Disk | None:
        """/dev/sda, or its name by its serial."""
        serial = path.removeprefix(f"{BY_ID}/splitmount-")
        return next((disk for name, disk in self.named() if name == path or disk.serial == serial), None)

    def scan(self) -> None:
        """A SCSI scan; serials are read again, as a rescan of the device does."""
        for slot in self.slots:
            if slot.disk.ready:
                self.attach(slot)
        if "autoactivate" in self.faults:
            view = self.view(parse("vgchange", ()))
            for group in view.groups:
                if len(view.of(group)) == len(group.disks):
                    self.activate(view, group)

    def wrote_to_kernel(self, path: str, data: bytes) -> bool:
        """The files that act: a scan of the SCSI host, removal of a device."""
        if path == SCAN:
            self.scan()
            return True
        slot = next((s for s in self.slots if s.seen and path == f"/sys/block/{s.name}/device/delete"), None)
        if slot is None:
            return False
        if any(f"/dev/{slot.name}" in m.paths for m in self.maps.values()):
            raise Failed(f"tee: {path}: Device or resource busy")
        self.detach(slot)
        return True

    def show_map(self, name: str, mapped: Mapped, *, gone: bool = False) -> None:
        """/dev/mapper, /dev/GROUP, and holders and slaves below /sys."""
        dm = f"dm-{mapped.number}"
        holders = [f"/sys/block/{p.removeprefix('/dev/')}/holders/{dm}" for p in mapped.paths]
        tops = [f"/sys/block/{dm}", f"/sys/class/block/{dm}", *holders]
        links = (f"/dev/mapper/{name}", f"/dev/{mapped.group}/{mapped.volume.name}")
        if gone:
            for path in (*tops, *links, f"/dev/{dm}"):
                if self.root.exists(path):
                    self.root.remove(path, True)
            if self.root.exists(f"/dev/{mapped.group}") and not self.root.read_dir(f"/dev/{mapped.group}"):
                self.root.remove(f"/dev/{mapped.group}", True)
            return
        identity = "LVM-" + (mapped.uuid + mapped.volume.id).replace("-", "")
        for top in tops:
            self.write_file(f"{top}/dm/name", f"{name}\n".encode())
            self.write_file(f"{top}/dm/uuid", f"{identity}\n".encode())
        for path in mapped.paths:
            for top in tops[:2]:
                self.root.mkdir(f"{top}/slaves/{path.removeprefix('/dev/')}", True)
        self.write_file(f"/dev/{dm}", b"")
        self.root.mkdir(f"/dev/{mapped.group}", True)
        for link in links:
            self.root.symlink(f"/dev/{dm}", link)

    # --- making an estate ---------------------------------------------------------------------------------------------

    def create_group(self, name: str, disks: Sequence[str], extent: int) -> None:
        """pvcreate and vgcreate: `disks` are kernel names."""
        slots = [next(s for s in self.slots if s.name == disk) for disk in disks]
        group = Group("lvm", name, new_uuid(), extent, [new_uuid() for _ in slots], facts={"system_id": self.system_id})
        for slot, identity in zip(slots, group.disks, strict=True):
            write_label(slot.disk, identity, group)

    def create_volume(
        self,
        group: str,
        name: str,
        kind: str,
        extents: int,
        *,
        mount: str = "",
        on: Sequence[int] = (0,),
        stripes: int = 1,
        pieces: Sequence[tuple[int, int, int]] = (),
    ) -> VolumeBytes:
        """lvcreate, and mkfs with a line in fstab when there is a mount point. A kind of "raw" has no filesystem.

        `pieces` are (disk, first extent, extents) where a volume does not lie on its disks in equal parts.
        """
        view, found = self._own(group)
        disks = {s.id: s.disk for s in view.of(found)}
        lies = list(pieces) or allocate(found, disks, on, extents)
        made = Volume(name, new_uuid(), kind, lies, 0, mount, stripes, 65536 if stripes > 1 else 0)
        found.volumes.append(made)
        self._changed(view, found)
        data = VolumeBytes(made, found.extent, [disks[i] for i in found.disks])
        if kind in ("ext4", "xfs"):
            filesystem.make(data, kind, uuid=_filesystem_uuid())
            if mount:
                self.add_entry(f"/dev/mapper/{dm_name(group, name)}", mount, kind)
        self.activate(self.view(parse("vgs", ())), found)
        return data

    def _own(self, group: str) -> tuple[View, Group]:
        view = self.view(parse("vgs", ()))
        return view, self.found(view, group)

    def _changed(self, view: View, group: Group) -> None:
        members = view.of(group)
        group.stamp += 1
        for one in members:
            write_label(one.disk, one.id, group)

    def extend_group(self, group: str, disk: Disk) -> None:
        """pvcreate, vgextend, and a volume on the new device."""
        view, found = self._own(group)
        members, identity = view.of(found), new_uuid()
        found.disks.append(identity)
        found.stamp += 1
        for one in members:
            write_label(one.disk, one.id, found)
        write_label(disk, identity, found)
        self.create_volume(group, "added", "ext4", 1, on=(len(found.disks) - 1,))

    def take_name(self, group: str, disk: Disk) -> None:
        """vgcreate."""
        slot = next(s for s in self.slots if s.disk is disk)
        self.create_group(group, [slot.name], 1 << 20)

    # --- commands -----------------------------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        """By name."""
        table: dict[str, Callable[[Call], Answer]] = {
            "blockdev": self._blockdev, "udevadm": self._udevadm, "multipath": self._multipath, "lsblk": self._lsblk,
        }  # fmt: skip
        return {**super().programs(), **table}

    def _blockdev(self, call: Call) -> Answer:
        if len(call.argv) != 2 or call.argv[0] not in ("--flushbufs", "--rereadpt", "--getsize64"):
            raise Usage("blockdev: bad usage")
        disk = self.device(call.argv[1])
        if disk is None:
            raise Failed(f"blockdev: cannot open {call.argv[1]}: No such file or directory")
        self.sync()
        return Answer(f"{disk.size}\n" if call.argv[0] == "--getsize64" else "")

    def _udevadm(self, call: Call) -> Answer:
        if call.argv[:1] not in (("settle",), ("trigger",)):
            raise Usage("udevadm: this emulator knows settle and trigger")
        return Answer()

    def _multipath(self, call: Call) -> Answer:
        raise Failed("multipath: there are no multipath maps on this host")

    def _lsblk(self, call: Call) -> Answer:
        out = "NAME          SERIAL    SIZE TYPE MOUNTPOINTS\n"
        for path, disk in self.named():
            out += f"{path.removeprefix('/dev/'):<13} {disk.serial:<9} {disk.size // (1 << 20)}M disk\n"
            for name, one in self.maps.items():
                if path in one.paths:
                    points = " ".join(m.point for m in self.held(name))
                    out += f"`-{name} {one.bytes.size // (1 << 20)}M lvm {points}\n"
        return Answer(out)


def _filesystem_uuid() -> str:
    return str(uuid.uuid4())
