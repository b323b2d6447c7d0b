"""An emulated HP-UX: its volume manager's table (/etc/lvmtab), group files, and the commands that an administrator types.

Formats: 11.11 and 11.31 as in the sources that `hostdrivers.hpux_discovery` names. LVM 1.0 keeps the ids of physical volume and
group at bytes 8200 and 8208 of each disk. [UNC]: the exact texts of refusals; exit statuses are 0 and not 0.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hostdrivers.emulated import filesystem
from hostdrivers.emulated.hpux_mounts import HpuxFiles
from hostdrivers.emulated.machine import Slot, options
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.volumes import Disk, Group, Volume, VolumeBytes, allocate, extents_of, read_label, write_label

IDENTITY_AT = 8200
LVMTAB = "/etc/lvmtab"


@dataclass(slots=True)
class Known:
    """A group in this host's table: its devices by block name, and what its group file says."""

    name: str
    id: str
    disks: list[str] = field(default_factory=list)
    active: bool = False


def identity_on(disk: Disk) -> tuple[str, str]:
    """Ids of the physical volume and of its group, 16 hexadecimal digits each."""
    raw = disk.read(IDENTITY_AT, 16).hex()
    return raw[:16], raw[16:]


def put_identity(disk: Disk, pvid: str, vgid: str) -> None:
    """Write them."""
    disk.write(IDENTITY_AT, bytes.fromhex(pvid + vgid))


class Hpux(HpuxFiles):
    """The host. `agile` names devices /dev/disk/diskN, as 11.31 does, beside the old names."""

    os = "hpux"
    no_file = "{} not found"
    system_group = "sys"

    def __init__(self, name: str, slots: list[Slot] | tuple[Slot, ...] = (), *, agile: bool = False) -> None:
        """Slots may carry the old name of their device, such as c3t8d2."""
        self.agile = agile
        super().__init__(name, slots)

    def boot(self) -> None:
        """The device files of what is visible from the start."""
        super().boot()
        self.special_files: dict[str, Slot] = {}
        self.groups: dict[str, Known] = {}
        self._write_table()
        for number, slot in enumerate(self.slots):
            slot.name = slot.name or f"c5t{number // 8}d{number % 8}"
            if slot.seen:
                self._make_files(slot)

    # --- devices ----------------------------------------------------------------------------------------------------

    def _make_files(self, slot: Slot) -> None:
        slot.seen = True
        at = self.slots.index(slot)
        slot.name = slot.name or f"c5t{at // 8}d{at % 8}"
        self.special_files[f"dsk/{slot.name}"] = slot
        if self.agile:
            taken = {int(n.removeprefix("disk/disk")) for n in self.special_files if n.startswith("disk/")}
            if not any(s is slot and n.startswith("disk/") for n, s in self.special_files.items()):
                self.special_files[f"disk/disk{next(n for n in range(3, 500) if n not in taken)}"] = slot

    def device(self, path: str) -> Disk | None:
        """Block and raw names, old and new."""
        word = path.removeprefix("/dev/")
        found = self.special_files.get(word) or self.special_files.get(word.removeprefix("r"))
        return found.disk if found and path.startswith("/dev/") else None

    def block_names(self, slot: Slot) -> list[str]:
        """Its block devices, the persistent name first."""
        return sorted((f"/dev/{n}" for n, s in self.special_files.items() if s is slot), key=lambda n: "/dsk/" in n)

    def on_disk(self, known: Known) -> Group | None:
        """The group as its first readable disk tells it."""
        for path in known.disks:
            disk = self.device(path)
            try:
                label = read_label(disk) if disk is not None else None
            except OSError:
                continue
            if label is not None and disk is not None and identity_on(disk)[1] == known.id:
                return replace(label[1], name=known.name, id=known.id)
        return None

    def known(self, command: str, path: str) -> Known:
        """A group by /dev/NAME."""
        found = self.groups.get(path.removeprefix("/dev/"))
        if found is None:
            raise Failed(
                f'{command}: Volume group "{path}" does not exist in the "{LVMTAB}" file.\n{command}: Cannot display volume group "{path}".'
            )
        return found

    def _members(self, known: Known, group: Group) -> list[Disk]:
        by_id = {identity_on(d)[0]: d for p in known.disks if (d := self.device(p)) is not None}
        missing = [pvid for pvid in group.disks if pvid not in by_id]
        if missing:
            raise OSError(5, f"a disk of {group.name} is missing: {missing[0]}")
        return [by_id[pvid] for pvid in group.disks]

    def volume_bytes(self, group: Group, volume: Volume) -> VolumeBytes:
        """Where a volume's bytes are."""
        return VolumeBytes(volume, group.extent, self._members(self.groups[group.name], group))

    def device_of_volume(self, path: str) -> tuple[Group, Volume] | None:
        """`/dev/vg/lv` and `/dev/vg/rlv` of an active group."""
        words = path.removeprefix("/dev/").split("/")
        known = self.groups.get(words[0]) if len(words) == 2 else None
        group = self.on_disk(known) if known and known.active else None
        if group is None:
            return None
        volume = group.volume(words[1]) or group.volume(words[1].removeprefix("r"))
        return (group, volume) if volume else None

    # --- making an estate -------------------------------------------------------------------------------------------

    def create_group(self, name: str, disks: list[str], extent: int, *, cluster: bool = False) -> None:
        """pvcreate, vgcreate: fresh ids, a group file, active. `disks` are names such as c3t8d2."""
        vgid, paths, pvids = secrets.token_hex(8), [], []
        for one in disks:
            slot = self.special_files[f"dsk/{one}"]
            pvids.append(secrets.token_hex(8))
            put_identity(slot.disk, pvids[-1], vgid)
            paths.append(self.block_names(slot)[0])
        group = Group("hpux", name, vgid, extent, pvids, facts={"cluster": "yes"} if cluster else {})
        self.groups[name] = Known(name, vgid, paths, active=True)
        self.root.mkdir(f"/dev/{name}", True)
        self._group_file(name, next(n for n in range(1, 255) if n << 16 not in {m for _, _, m in self.nodes.values()}))
        self.write_group(group)
        self._write_table()

    def _group_file(self, name: str, number: int) -> None:
        path = f"/dev/{name}/group"
        self.root.write_file(path, b"")
        self.nodes[path] = ("c", 64, number << 16)

    def write_group(self, group: Group) -> None:
        """The descriptor area, on every disk of the group."""
        for disk, pvid in zip(self._members(self.groups[group.name], group), group.disks, strict=True):
            write_label(disk, pvid, group)

    def create_volume(
        self, group: str, name: str, kind: str, extents: int, *, mount: str = "", on: list[int] | None = None, number: int = 0
    ) -> VolumeBytes:
        """lvcreate, and newfs when there is a mount point."""
        known = self.groups[group]
        found = self.on_disk(known)
        assert found is not None  # noqa: S101  for the type checker; an estate is made on disks that are there
        disks = dict(zip(found.disks, self._members(known, found), strict=True))
        number = number or 1 + max((v.number for v in found.volumes), default=0)
        volume = Volume(name, f"{found.id}.{number}", kind, allocate(found, disks, on or [0], extents), number, mount)
        found.volumes.append(volume)
        found.stamp += 1
        self.write_group(found)
        self._volume_files(group, volume)
        made = self.volume_bytes(found, volume)
        if mount:
            filesystem.make(made, kind)
            self.add_entry(f"/dev/{group}/{name}", mount, kind)
        return made

    def _volume_files(self, group: str, volume: Volume) -> None:
        base = self.nodes[f"/dev/{group}/group"][2]
        for letter, name in (("b", volume.name), ("c", f"r{volume.name}")):
            path = f"/dev/{group}/{name}"
            self.root.write_file(path, b"")
            self.nodes[path] = (letter, 64, base + volume.number)

    def _write_table(self) -> None:
        rows = [f"/dev/{k.name}\0" + "".join(f"{p}\0" for p in k.disks) for k in self.groups.values()]
        self.root.write_file(LVMTAB, b"\x01\x02" + "\0\0".join(["/dev/vg00\0/dev/dsk/c0t6d0\0", *rows]).encode())

    def scan(self) -> None:
        """ioscan and insf."""
        self._insf(Call("insf", ("-e",)))

    def extend_group(self, group: str, disk: Disk) -> None:
        """vgextend, and a volume on the new disk."""
        known = self.groups[group]
        found = self.on_disk(known)
        assert found is not None  # noqa: S101  for the type checker
        pvid = secrets.token_hex(8)
        put_identity(disk, pvid, found.id)
        known.disks.append(self.block_names(self._slot(disk))[0])
        found.disks.append(pvid)
        self.write_group(found)
        self._write_table()
        self.create_volume(group, "addedlv", "vxfs", 1, on=[len(found.disks) - 1])

    def take_name(self, group: str, disk: Disk) -> None:
        """vgcreate."""
        self.create_group(group, [self._slot(disk).name], 1 << 20)

    def _slot(self, disk: Disk) -> Slot:
        return next(s for s in self.slots if s.disk is disk)

    # --- commands ---------------------------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        """By name."""
        table: dict[str, Callable[[Call], Answer]] = {
            "ioscan": self._ioscan, "insf": self._insf, "rmsf": self._rmsf, "diskinfo": self._diskinfo, "inq": self._inq,
            "vgdisplay": self._vgdisplay, "lvdisplay": self._lvdisplay, "pvdisplay": self._pvdisplay, "vgchgid": self._vgchgid,
            "vgexport": self._vgexport, "vgimport": self._vgimport, "vgchange": self._vgchange, "vgcfgbackup": self._vgcfgbackup,
        }  # fmt: skip
        return {**super().programs(), **table}

    def _ioscan(self, call: Call) -> Answer:
        found, rest = options(call.argv, "fknuNF", "Cm", "usage: ioscan [-k] [-f] [-F] [-n] [-N] [-C class] [-m dsf]")
        if rest or found.get("C", "disk") != "disk" or (("N" in found or "m" in found) and not self.agile):
            raise Usage("ioscan: illegal option -- N" if "N" in found else "usage: ioscan [-k] [-f] [-F] [-n] [-C class]")
        if "m" in found:
            rows = [
                [n.replace("/d", "/rd", 2).replace("/rdev", "/dev") for n in self.block_names(s)] for s in self.slots if s.seen
            ]
            if "F" in found:
                return Answer("".join(":".join(names) + "\n" for names in rows if names))
            return Answer(
                "Persistent DSF           Legacy DSF(s)\n========================================\n"
                + "".join(f"{n[0]:<25}{'  '.join(n[1:])}\n" for n in rows if n)
            )
        out = (
            ""
            if "F" in found
            else "Class     I  H/W Path       Driver S/W State   H/W Type     Description\n=====================================================================\n"
        )
        for number, slot in enumerate(self.slots):
            if "F" in found:
                out += f"scsi:wsio:T:T:F:31:188:{number * 4096}:disk:sdisk:0/2/1/0.1.4.0.0.0.{number}:0 0 2 18 0 0 0 0 :{number}:root.sba.lba.fcd.sdisk:sdisk:CLAIMED:DEVICE:EMC     SYMMETRIX:5\n"
            else:
                out += f"disk{number:>7}  0/2/1/0.{number:<7} sdisk  CLAIMED     DEVICE       EMC     SYMMETRIX\n"
            names = self.block_names(slot) if "n" in found else []
            if names:
                out += (
                    "                             "
                    + "   ".join([*names, *(n.replace("sk/", "sk/", 1).replace("/dev/d", "/dev/rd") for n in names)])
                    + "\n"
                )
        return Answer(out)

    def _insf(self, call: Call) -> Answer:
        _, rest = options(call.argv, "e", "CdH", "usage: insf [-e] [-C class]")
        if rest:
            raise Usage("usage: insf [-e] [-C class]")
        out = ""
        for slot in self.slots:
            if slot.disk.ready and not self.block_names(slot):
                self._make_files(slot)
                out += f"insf: Installing special files for sdisk instance {self.slots.index(slot)}\n"
        return Answer(out)

    def _rmsf(self, call: Call) -> Answer:
        found, rest = options(call.argv, "a", "H", "usage: rmsf [-a] file ...")
        slot = self.special_files.get(rest[0].removeprefix("/dev/")) if len(rest) == 1 else None
        if slot is None or "a" not in found:
            raise Failed(f"rmsf: Unable to get information about {' '.join(rest)}")
        if any(self.device(p) is slot.disk for k in self.groups.values() if k.active for p in k.disks):
            raise Failed(f"rmsf: device {rest[0]} is busy")
        self.special_files = {n: s for n, s in self.special_files.items() if s is not slot}
        slot.seen = False
        return Answer()

    def _diskinfo(self, call: Call) -> Answer:
        found, rest = options(call.argv, "bv", "", "usage: diskinfo [-b|-v] filename")
        disk = self.device(rest[0]) if len(rest) == 1 and "/r" in rest[0] else None
        if disk is None or not disk.ready:
            raise Failed(f"diskinfo: can't open {rest[0] if rest else ''}: No such device or address")
        if "b" in found:
            return Answer(f"{disk.size >> 10}\n")
        return Answer(
            f"SCSI describe of {rest[0]}:\n             vendor: EMC     \n         product id: SYMMETRIX       \n               type: direct access\n               size: {disk.size >> 10} Kbytes\n   bytes per sector: 512\n"
        )

    def _inq(self, call: Call) -> Answer:
        if call.argv not in ((), ("-nodots",), ("-no_dots",)):
            raise Usage("usage: inq [-nodots]")
        out = "Inquiry utility, Version V7.3-891 (Rev 2.0)\n\n"
        out += "-" * 82 + "\nDEVICE             :VEND    :PROD            :REV   :SER NUM    :CAP(kb)\n" + "-" * 82 + "\n"
        for name, slot in self.special_files.items():
            size = slot.disk.size >> 10 if slot.disk.ready else 0
            out += f"/dev/r{name:<12} :EMC     :SYMMETRIX       :5671   :{self.serial_shown(slot.disk):<10} : {size}\n"
        return Answer(out)

    def serial_shown(self, disk: Disk) -> str:
        """The serial that the device gives."""
        return disk.serial

    def _vgdisplay(self, call: Call) -> Answer:
        found, rest = options(call.argv, "v", "", "usage: vgdisplay [-v] [vg_name ...]")
        names = rest or [f"/dev/{k.name}" for k in self.groups.values()]
        out = "--- Volume groups ---\n"
        for path in names:
            known = self.known("vgdisplay", path)
            group = self.on_disk(known)
            if not known.active or group is None:
                raise Failed(
                    f'vgdisplay: Volume group not activated.\nvgdisplay: Cannot display volume group "/dev/{known.name}".'
                )
            out += self._vg_block(known, group)
            if "v" in found:
                out += "\n   --- Logical volumes ---\n" + "".join(self._lv_rows(group, v, "   ") for v in group.volumes)
                out += "\n   --- Physical volumes ---\n" + "".join(
                    self._pv_rows(known, group, i) for i in range(len(group.disks))
                )
        return Answer(out + "\n")

    def _vg_block(self, known: Known, group: Group) -> str:
        total = sum(extents_of(d, group.extent) for d in self._members(known, group))
        used, opened = sum(v.extents for v in group.volumes), len(group.volumes)
        rows = (
            ("VG Name", f"/dev/{known.name}"), ("VG Write Access", "read/write"), ("VG Status", "available"), ("Max LV", "255"),
            ("Cur LV", opened), ("Open LV", opened), ("Max PV", "16"), ("Cur PV", len(group.disks)), ("Act PV", len(known.disks)),
            ("Max PE per PV", "6000"), ("VGDA", 2 * len(group.disks)), ("PE Size (Mbytes)", group.extent >> 20), ("Total PE", total),
            ("Alloc PE", used), ("Free PE", total - used), ("Total PVG", 0), ("Total Spare PVs", 0), ("Total Spare PVs in use", 0),
        )  # fmt: skip
        return "".join(f"{k:<28}{v:<8}\n" for k, v in rows)

    def _lv_rows(self, group: Group, v: Volume, indent: str) -> str:
        size = v.extents * (group.extent >> 20)
        rows = (
            ("LV Name", f"/dev/{group.name}/{v.name}"), ("LV Status", "available/syncd"), ("LV Size (Mbytes)", size),
            ("Current LE", v.extents), ("Allocated PE", v.extents), ("Used PV", len({i for i, _, _ in v.pieces})),
        )  # fmt: skip
        return "".join(f"{indent}{k:<28}{w:<10}\n" for k, w in rows) + "\n"

    def _pv_rows(self, known: Known, group: Group, index: int) -> str:
        disk = self._members(known, group)[index]
        path = next(p for p in known.disks if self.device(p) is disk)
        total = extents_of(disk, group.extent)
        rows = (
            ("PV Name", path),
            ("PV Status", "available"),
            ("Total PE", total),
            ("Free PE", total - group.used(index)),
            ("Autoswitch", "On"),
        )
        return "".join(f"   {k:<28}{w:<10}\n" for k, w in rows) + "\n"

    def _lvdisplay(self, call: Call) -> Answer:
        found, rest = options(call.argv, "v", "", "usage: lvdisplay [-v] lv_path ...")
        at = self.device_of_volume(rest[0]) if len(rest) == 1 else None
        if at is None:
            raise Failed(f'lvdisplay: Cannot display logical volume "{rest[0] if rest else ""}".')
        group, v = at
        rows = (
            ("LV Name", rest[0]), ("VG Name", f"/dev/{group.name}"), ("LV Permission", "read/write"), ("LV Status", "available/syncd"),
            ("Mirror copies", 0), ("Consistency Recovery", "MWC"), ("Schedule", "parallel"), ("LV Size (Mbytes)", v.extents * (group.extent >> 20)),
            ("Current LE", v.extents), ("Allocated PE", v.extents), ("Stripes", v.stripes if v.stripes > 1 else 0),
            ("Stripe Size (Kbytes)", v.stripe_size >> 10), ("Bad block", "on"), ("Allocation", "strict"), ("IO Timeout (Seconds)", "default"),
        )  # fmt: skip
        out = "--- Logical volumes ---\n" + "".join(f"{k:<28}{w:<10}\n" for k, w in rows)
        if "v" in found:
            members, known = self._members(self.groups[group.name], group), self.groups[group.name]
            paths = [next(p for p in known.disks if self.device(p) is d) for d in members]
            counts: dict[int, int] = {}
            for index, _, count in v.pieces:
                counts[index] = counts.get(index, 0) + count
            out += "\n   --- Distribution of logical volume ---\n   PV Name                 LE on PV  PE on PV\n"
            out += "".join(f"   {paths[i]:<24}{c:<10}{c:<10}\n" for i, c in counts.items())
            extents = [(i, first + n) for i, first, count in v.pieces for n in range(count)]
            out += "\n   --- Logical extents ---\n   LE    PV1                     PE1   Status 1\n"
            out += "".join(f"   {n:05d} {paths[i]:<24}{at:05d} current\n" for n, (i, at) in enumerate(extents))
        return Answer(out)

    def _pvdisplay(self, call: Call) -> Answer:
        _, rest = options(call.argv, "v", "", "usage: pvdisplay [-v] pv_path")
        known = next((k for k in self.groups.values() if rest and rest[0] in k.disks and k.active), None)
        group = self.on_disk(known) if known else None
        if known is None or group is None:
            raise Failed(
                f'pvdisplay: Couldn\'t find the volume group to which physical volume "{rest[0] if rest else ""}" belongs.'
            )
        disk = self.device(rest[0])
        index = next(i for i, d in enumerate(self._members(known, group)) if d is disk)
        total, used = extents_of(disk, group.extent) if disk else 0, group.used(index)
        rows = (
            ("PV Name", rest[0]), ("VG Name", f"/dev/{known.name}"), ("PV Status", "available"), ("Allocatable", "yes"), ("VGDA", 2),
            ("Cur LV", sum(any(i == index for i, _, _ in v.pieces) for v in group.volumes)), ("PE Size (Mbytes)", group.extent >> 20),
            ("Total PE", total), ("Free PE", total - used), ("Allocated PE", used), ("Stale PE", 0),
            ("IO Timeout (Seconds)", "default"), ("Autoswitch", "On"),
        )  # fmt: skip
        return Answer("--- Physical volumes ---\n" + "".join(f"{k:<28}{v:<8}\n" for k, v in rows) + "\n")

    # --- groups come and go -----------------------------------------------------------------------------------------

    def _vgchgid(self, call: Call) -> Answer:
        disks = [self.device(p) for p in call.argv]
        if not call.argv or any(d is None or "/r" not in p for d, p in zip(disks, call.argv, strict=True)):
            raise Usage("vgchgid: usage: vgchgid raw_physical_volume_path ...")
        found = [d for d in disks if d is not None]
        if any(self.device(p) is d for k in self.groups.values() if k.active for p in k.disks for d in found):
            raise Failed("vgchgid: a physical volume belongs to an active volume group.")
        ids = {identity_on(d)[1] for d in found}
        if len(ids) != 1 or ids == {"0" * 16}:
            raise Failed("vgchgid: the physical volumes do not belong to one volume group.")
        fresh = secrets.token_hex(8)
        for disk in found:
            put_identity(disk, identity_on(disk)[0], fresh)
        return Answer()

    def _vgexport(self, call: Call) -> Answer:
        found, rest = options(call.argv, "pvs", "mf", "usage: vgexport [-p] [-v] [-s] [-m mapfile] vg_name")
        if len(rest) != 1:
            raise Usage("usage: vgexport [-p] [-v] [-s] [-m mapfile] vg_name")
        known = self.known("vgexport", rest[0])
        group = self.on_disk(known)
        if known.active and "p" not in found:
            raise Failed(
                f'vgexport: Volume group "{rest[0]}" is still active.\nvgexport: Couldn\'t export volume group "{rest[0]}".'
            )
        if "m" in found and not self.root.exists(found["m"].rsplit("/", 1)[0] or "/"):
            raise Failed(f'vgexport: Couldn\'t open map file "{found["m"]}": No such file or directory')
        if "m" in found and group is not None:
            head = f"VGID {group.id}\n" if "s" in found else ""
            self.write_file(found["m"], (head + "".join(f"{v.number} {v.name}\n" for v in group.volumes)).encode())
        said = f'vgexport: Volume group "{rest[0]}" is still active.\n' if known.active else ""
        if "p" not in found:
            del self.groups[known.name]
            self.root.remove(f"/dev/{known.name}", True)
            self.nodes = {p: n for p, n in self.nodes.items() if not p.startswith(f"/dev/{known.name}/")}
            self._write_table()
        return Answer("", said)

    def _vgimport(self, call: Call) -> Answer:
        usage = "usage: vgimport [-p] [-v] [-s] [-N] [-m mapfile] vg_name pv_path ..."
        found, rest = options(call.argv, "pvsN", "mf", usage)
        if len(rest) < 2 or "s" in found:
            raise Usage(usage)
        path, *devices = rest
        name = path.removeprefix("/dev/")
        if name in self.groups:
            raise Failed(f'vgimport: Volume group "{path}" already exists in "{LVMTAB}".')
        if self.nodes.get(f"{path}/group", ("", 0, 0))[0] != "c":
            raise Failed(f'vgimport: "{path}/group": not a character device')
        minor = self.nodes[f"{path}/group"][2]
        if any(n[2] == minor and p.endswith("/group") and p != f"{path}/group" for p, n in self.nodes.items()):
            raise Failed(f"vgimport: the group number 0x{minor:06x} is in use by another volume group.")
        self._take(name, devices, found.get("m", ""))
        return Answer(
            f'Volume group "{path}" has been successfully created.\nWarning: A backup of this volume group may not exist on this machine.\n'
        )

    def _take(self, name: str, devices: list[str], mapfile: str) -> None:
        disks = [self.device(p) for p in devices]
        if any(d is None or "/r" in p for d, p in zip(disks, devices, strict=True)):
            raise Failed(f"vgimport: Couldn't find the list of physical volumes: {' '.join(devices)}")
        found = [d for d in disks if d is not None]
        ids, label = {identity_on(d)[1] for d in found}, read_label(found[0])
        if label is None or len(ids) != 1:
            raise Failed("vgimport: Verification of unique LVM disk id on each disk in the volume group failed.")
        group = label[1]
        if sorted(identity_on(d)[0] for d in found) != sorted(group.disks):
            raise Failed("vgimport: the list of physical volumes is not that of the volume group.")
        names = (
            dict(line.split()[:2] for line in self.read_file(mapfile).decode().splitlines() if line[:1].isdigit())
            if mapfile
            else {}
        )
        for v in group.volumes:
            v.name = names.get(str(v.number), f"lvol{v.number}")
        group.id, group.name = ids.pop(), name
        self.groups[name] = Known(name, group.id, list(devices))
        self.write_group(group)
        for v in group.volumes:
            self._volume_files(name, v)
        self._write_table()

    def _vgchange(self, call: Call) -> Answer:
        found, rest = options(call.argv, "", "acq", "usage: vgchange -a {y|n|r} [-c {y|n}] [-q {y|n}] vg_name")
        known = self.known("vgchange", rest[0] if len(rest) == 1 else "")
        group = self.on_disk(known)
        if group is None:
            raise Failed(
                f'vgchange: Warning: Couldn\'t attach to the volume group physical volume "{known.disks[0]}":\nCross-device link\nvgchange: Couldn\'t activate volume group "{rest[0]}".'
            )
        if "c" in found:
            group.facts["cluster"] = "yes" if found["c"] == "y" else "no"
            self.write_group(group)
            return Answer(f'Performed Configuration change.\nVolume group "{rest[0]}" has been successfully changed.\n')
        if found.get("a") not in ("y", "n", "r"):
            raise Usage("usage: vgchange -a {y|n|r} vg_name")
        if found["a"] == "n":
            if any(m.device.startswith(f"/dev/{known.name}/") for m in self.mounts.values()):
                raise Failed(f'vgchange: Couldn\'t deactivate volume group "{rest[0]}":\nDevice busy')
            known.active = False
            return Answer(f'Volume group "{rest[0]}" has been successfully changed.\n')
        if group.facts.get("cluster") == "yes":
            raise Failed(
                f'vgchange: Activation mode requested for the volume group "{rest[0]}" conflicts with configured mode.'
            )
        self._members(known, group)
        known.active = True
        return Answer(f'Activated volume group \nVolume group "{rest[0]}" has been successfully changed.\n')

    def _vgcfgbackup(self, call: Call) -> Answer:
        known = self.known("vgcfgbackup", call.argv[0] if call.argv else "")
        return Answer(f"Volume Group configuration for /dev/{known.name} has been saved in /etc/lvmconf/{known.name}.conf\n")
