"""An emulated AIX: its device database (ODM), its logical volume manager, and the commands that an administrator types.

Formats: AIX 6.1 to 7.2 as in the sources that `hostdrivers.aix_parse` names. The ODM is a model of its own, apart from what
stands on the disks: as on the real system the two may differ, and commands say which of them they read.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hostdrivers.emulated import filesystem
from hostdrivers.emulated.aix_files import AixFiles
from hostdrivers.emulated.machine import Slot, options
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.volumes import Disk, Group, Volume, VolumeBytes, allocate, extents_of, read_label, write_label

MACHINE_ID = "00c6ce9d"
PVID_AT = 128
USAGE = "0516-082 {0}: Usage: {0}"
_NO_DEVICE = "{}: 0514-519 The following device was not found in the customized\n\tdevice configuration database:\n\t{}"


@dataclass(slots=True)
class Hdisk:
    """A disk in the ODM; `pvid` is what the ODM remembers, "none" when it has read none."""

    name: str
    slot: Slot
    pvid: str = "none"
    status: str = "Available"
    reserve: str = "no_reserve"


@dataclass(slots=True)
class Known:
    """A volume group in the ODM."""

    name: str
    id: str
    disks: list[str] = field(default_factory=list)
    active: bool = False


def pvid_on(disk: Disk) -> str:
    """The identity in the bytes 0x80 to 0x8f, 16 hexadecimal digits, or "none"."""
    raw = disk.read(PVID_AT, 8).hex()
    return "none" if raw == "0" * 16 else raw


def put_pvid(disk: Disk, pvid: str) -> None:
    """Write it."""
    disk.write(PVID_AT, bytes.fromhex(pvid) + bytes(8))


def new_pvid() -> str:
    """A fresh one of this machine."""
    return MACHINE_ID + secrets.token_hex(4)


def new_vgid() -> str:
    """A fresh group id of this machine."""
    return f"{MACHINE_ID}00004c00{secrets.token_hex(8)}"


class AixGroups(AixFiles):
    """Its devices and groups, and the commands that show them."""

    os = "aix"
    not_found = "ksh: {}:  not found."

    def boot(self) -> None:
        """The internal disk, then every device that is visible from the start."""
        super().boot()
        self.hdisks: dict[str, Hdisk] = {}
        self.groups: dict[str, Known] = {}
        for slot in self.slots:
            if slot.seen:
                self.configure(slot)

    # --- devices ----------------------------------------------------------------------------------------------------

    def configure(self, slot: Slot) -> Hdisk:
        """What cfgmgr does for one device: the next free name, and the PVID that stands on the disk."""
        taken = {int(name[5:]) for name in self.hdisks}
        name = slot.name or f"hdisk{next(n for n in range(1, len(taken) + 2) if n not in taken)}"
        made = self.hdisks[name] = Hdisk(name, slot)
        slot.seen = True
        made.pvid = pvid_on(slot.disk)
        return made

    def device(self, path: str) -> Disk | None:
        """`/dev/hdisk3` and `/dev/rhdisk3`."""
        word = path.removeprefix("/dev/")
        found = self.hdisks.get(word) or self.hdisks.get(word.removeprefix("r"))
        return found.slot.disk if found and path.startswith("/dev/") else None

    def hdisk(self, command: str, name: str) -> Hdisk:
        """A disk by name; refused as the command would."""
        if name not in self.hdisks:
            raise Failed(f"0516-1734 {command}: Unable to find {name} in the Device Configuration Database.")
        return self.hdisks[name]

    def on_disk(self, known: Known) -> Group | None:
        """The group as its first readable disk tells it; None when no descriptor can be read."""
        for name in known.disks:
            try:
                label = read_label(self.hdisks[name].slot.disk)
            except OSError:
                continue
            if label is not None and label[1].id == known.id:
                return replace(label[1], name=known.name)  # AIX keeps the name in its ODM, not on the disks
        return None

    def active(self, command: str, name: str) -> tuple[Known, Group]:
        """A group that is varied on."""
        known = self.groups.get(name)
        if known is None:
            raise Failed(f"0516-306 {command}: Unable to find volume group {name} in the Device\n\tConfiguration Database.")
        found = self.on_disk(known)
        if not known.active or found is None:
            raise Failed("0516-010 : Volume group must be varied on; use varyonvg command.")
        return known, found

    def find_volume(self, name: str) -> tuple[Known, Group, Volume] | None:
        """A logical volume of any group that the ODM knows."""
        for known in self.groups.values():
            found = self.on_disk(known)
            volume = found.volume(name) if found else None
            if found and volume:
                return known, found, volume
        return None

    def volume_bytes(self, group: Group, volume: Volume) -> VolumeBytes:
        """Where a volume's bytes are; the group's disks are found by the PVIDs that stand on them."""
        return VolumeBytes(volume, group.extent, self._members(group))

    def _members(self, group: Group) -> list[Disk]:
        known = next(k for k in self.groups.values() if k.id == group.id)
        by_id = {pvid_on(self.hdisks[n].slot.disk): self.hdisks[n].slot.disk for n in known.disks}
        missing = [pvid for pvid in group.disks if pvid not in by_id]
        if missing:
            raise OSError(5, f"a disk of {group.name} is missing: {missing[0]}")
        return [by_id[pvid] for pvid in group.disks]

    def device_of_volume(self, path: str) -> tuple[Group, Volume] | None:
        """`/dev/lv01` of a group that is varied on."""
        found = self.find_volume(path.removeprefix("/dev/"))
        return (found[1], found[2]) if found and found[0].active and path.startswith("/dev/") else None

    # --- making an estate -------------------------------------------------------------------------------------------

    def create_group(self, name: str, hdisks: list[str], extent: int) -> None:
        """mkvg: fresh PVIDs, a fresh group, varied on."""
        pvids = []
        for one in hdisks:
            disk = self.hdisks[one]
            disk.pvid = new_pvid()
            put_pvid(disk.slot.disk, disk.pvid)
            pvids.append(disk.pvid)
        group = Group("aix", name, new_vgid(), extent, pvids)
        self.groups[name] = Known(name, group.id, list(hdisks), active=True)
        self.write_group(group)

    def scan(self) -> None:
        """cfgmgr."""
        self._cfgmgr(Call("cfgmgr", ()))

    def _named(self, disk: Disk) -> Hdisk:
        return next(d for d in self.hdisks.values() if d.slot.disk is disk)

    def extend_group(self, group: str, disk: Disk) -> None:
        """extendvg, and a volume on the new disk."""
        known, found = self.active("extendvg", group)
        added = self._named(disk)
        added.pvid = new_pvid()
        put_pvid(disk, added.pvid)
        known.disks.append(added.name)
        found.disks.append(added.pvid)
        found.stamp += 1
        self.write_group(found)
        self.create_volume(group, "addedlv", "jfs2", 1, on=[len(found.disks) - 1])

    def take_name(self, group: str, disk: Disk) -> None:
        """mkvg."""
        self.create_group(group, [self._named(disk).name], 1 << 20)

    def write_group(self, group: Group) -> None:
        """The descriptor area, on every disk of the group."""
        for disk, pvid in zip(self._members(group), group.disks, strict=True):
            write_label(disk, pvid, group)

    def create_volume(
        self, group: str, name: str, kind: str, extents: int, *, mount: str = "", log: str = "", on: list[int] | None = None
    ) -> VolumeBytes:
        """mklv, and crfs when there is a mount point: the stanza, and an empty filesystem."""
        known, found = self.active("mklv", group)
        disks = {p: self.hdisks[n].slot.disk for n in known.disks for p in (pvid_on(self.hdisks[n].slot.disk),)}
        number = 1 + max((v.number for v in found.volumes), default=0)
        pieces = allocate(found, disks, on or [0], extents)
        volume = Volume(name, f"{found.id}.{number}", kind, pieces, number, mount)
        if mount:
            volume.fs = {"log": f"/dev/{log}", "mount": "true", "type": "data"}
        found.volumes.append(volume)
        found.stamp += 1
        self.write_group(found)
        made = self.volume_bytes(found, volume)
        if mount:
            filesystem.make(made, kind, label=mount)
            self.add_stanza(mount, f"/dev/{name}", kind, f"/dev/{log}")
        return made

    # --- commands ---------------------------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        """By name."""
        table: dict[str, Callable[[Call], Answer]] = {
            "lspv": self._lspv, "lsvg": self._lsvg, "lslv": self._lslv, "getlvcb": self._getlvcb,
            "lqueryvg": self._lqueryvg, "lquerypv": self._lquerypv, "lsdev": self._lsdev, "lsattr": self._lsattr,
            "lscfg": self._lscfg, "bootinfo": self._bootinfo, "cfgmgr": self._cfgmgr, "rmdev": self._rmdev,
            "mkdev": self._mkdev, "chdev": self._chdev,
        }  # fmt: skip
        return {**super().programs(), **table}

    def _lspv(self, call: Call) -> Answer:
        found, rest = options(call.argv, "l", "", USAGE.format("lspv") + " [-l] [PhysicalVolume]")
        if not rest:
            return Answer("".join(self._lspv_row(d) for d in self.hdisks.values() if d.status == "Available"))
        disk = self.hdisk("lspv", rest[0])
        known = next((k for k in self.groups.values() if disk.name in k.disks), None)
        if known is None:
            raise Failed(f"0516-320 : Physical volume {disk.name} is not assigned to\n        a volume group.")
        group = self.active("lspv", known.name)[1]
        index = group.disks.index(pvid_on(disk.slot.disk))
        if "l" in found:
            rows = [(v.name, c, v.mount or "N/A") for v in group.volumes for i, _, c in v.pieces if i == index]
            head = f"{disk.name}:\nLV NAME               LPs     PPs     DISTRIBUTION          MOUNT POINT\n"
            return Answer(head + "".join(f"{n:<22}{c:<8}{c:<8}00..{c:02d}..00..00..00    {m}\n" for n, c, m in rows))
        total, size = extents_of(disk.slot.disk, group.extent), group.extent >> 20
        return Answer(
            f"PHYSICAL VOLUME:    {disk.name:<25}VOLUME GROUP:     {known.name}\n"
            f"PV IDENTIFIER:      {disk.pvid} VG IDENTIFIER     {known.id}\n"
            "PV STATE:           active                                     \n"
            "STALE PARTITIONS:   0                        ALLOCATABLE:      yes\n"
            f"PP SIZE:            {f'{size} megabyte(s)':<25}LOGICAL VOLUMES:  {len(group.volumes)}\n"
            f"TOTAL PPs:          {f'{total} ({total * size} megabytes)':<25}VG DESCRIPTORS:   2\n"
        )

    def _lspv_row(self, disk: Hdisk) -> str:
        known = next((k for k in self.groups.values() if disk.name in k.disks), None)
        state = "active" if known and known.active else ""
        return f"{disk.name:<16}{disk.pvid:<36}{known.name if known else 'None':<16}{state}".rstrip() + "\n"

    def _lsvg(self, call: Call) -> Answer:
        found, rest = options(call.argv, "olp", "", USAGE.format("lsvg") + " [-o] [-l | -p] [VGname...]")
        if not rest and ("l" in found or "p" in found):
            raise Usage(USAGE.format("lsvg") + " [-o] [-l | -p] [VGname...]")
        if not rest:
            return Answer("".join(f"{k.name}\n" for k in self.groups.values() if k.active or "o" not in found))
        out = ""
        for name in rest:
            known, group = self.active("lsvg", name)
            out += (
                self._lsvg_l(group) if "l" in found else self._lsvg_p(known, group) if "p" in found else self._lsvg_one(group)
            )
        return Answer(out)

    def _lsvg_l(self, group: Group) -> str:
        out = f"{group.name}:\nLV NAME             TYPE       LPs     PPs     PVs  LV STATE      MOUNT POINT\n"
        for v in group.volumes:
            state = ("open" if self.is_open(group, v) else "closed") + "/syncd"
            pvs = len({i for i, _, _ in v.pieces})
            out += f"{v.name:<19} {v.kind:<10} {v.extents:<7} {v.extents:<7} {pvs:<4} {state:<13} {v.mount or 'N/A'}\n"
        return out

    def is_open(self, group: Group, volume: Volume) -> bool:
        """Whether a mount holds it, itself or as its log."""
        devices = {f"/dev/{volume.name}"}
        logs = {v.fs.get("log") for v in group.volumes if any(m.device == f"/dev/{v.name}" for m in self.mounts.values())}
        return bool(devices & (logs | {m.device for m in self.mounts.values()}))

    def _lsvg_p(self, known: Known, group: Group) -> str:
        out = f"{group.name}:\nPV_NAME           PV STATE          TOTAL PPs   FREE PPs    FREE DISTRIBUTION\n"
        names = {self.hdisks[n].pvid: n for n in known.disks}
        for index, pvid in enumerate(group.disks):
            name = names.get(pvid, "0516-304")
            disk = self.hdisks[name].slot.disk if name in self.hdisks else None
            state = "active" if disk is not None and disk.ready else "missing"
            total = extents_of(disk, group.extent) if disk is not None else 0
            free = total - group.used(index)
            out += f"{name:<17} {state:<17} {total:<11} {free:<11} 00..{free:02d}..00..00..00\n"
        return out

    def _lsvg_one(self, group: Group) -> str:
        size = group.extent >> 20
        known = self.groups[group.name]
        total = sum(extents_of(self.hdisks[n].slot.disk, group.extent) for n in known.disks)
        used = sum(v.extents for v in group.volumes)
        opened = sum(self.is_open(group, v) for v in group.volumes)
        rows = (
            ("VOLUME GROUP:", group.name, "VG IDENTIFIER:", group.id),
            ("VG STATE:", "active", "PP SIZE:", f"{size} megabyte(s)"),
            ("VG PERMISSION:", "read/write", "TOTAL PPs:", f"{total} ({total * size} megabytes)"),
            ("MAX LVs:", "256", "FREE PPs:", f"{total - used} ({(total - used) * size} megabytes)"),
            ("LVs:", str(len(group.volumes)), "USED PPs:", f"{used} ({used * size} megabytes)"),
            ("OPEN LVs:", str(opened), "QUORUM:", f"{len(group.disks) // 2 + 1} (Enabled)"),
            ("TOTAL PVs:", str(len(group.disks)), "VG DESCRIPTORS:", str(max(2, len(group.disks)))),
            ("STALE PVs:", "0", "STALE PPs:", "0"),
            ("ACTIVE PVs:", str(len(known.disks)), "AUTO ON:", "yes"),
            ("LTG size (Dynamic):", "256 kilobyte(s)", "AUTO SYNC:", "no"),
        )
        return "".join(f"{a:<20}{b:<25}{c:<16} {d}\n" for a, b, c, d in rows)

    def _lslv(self, call: Call) -> Answer:
        found, rest = options(call.argv, "l", "", USAGE.format("lslv") + " [-l] LVname")
        if len(rest) != 1:
            raise Usage(USAGE.format("lslv") + " [-l] LVname")
        at = self.find_volume(rest[0])
        if at is None:
            raise Failed(f"0516-306 lslv: Unable to find  {rest[0]} in the Device\n\tConfiguration Database.")
        known, group, v = at
        self.active("lslv", known.name)
        if "l" in found:
            names = {self.hdisks[n].pvid: n for n in known.disks}
            out = f"{v.name}:{v.mount or 'N/A'}\nPV                COPIES        IN BAND       DISTRIBUTION  \n"
            counts: dict[int, int] = {}
            for index, _, count in v.pieces:
                counts[index] = counts.get(index, 0) + count
            for index, count in counts.items():
                out += f"{names[group.disks[index]]:<17} {count:03d}:000:000   100%          000:{count:03d}:000:000:000 \n"
            return Answer(out)
        state = "opened/syncd" if self.is_open(group, v) else "closed/syncd"
        rows = [
            ("LOGICAL VOLUME:", v.name, "VOLUME GROUP:", known.name),
            ("LV IDENTIFIER:", v.id, "PERMISSION:", "read/write"),
            ("VG STATE:", "active/complete", "LV STATE:", state),
            ("TYPE:", v.kind, "WRITE VERIFY:", "off"),
            ("MAX LPs:", "512", "PP SIZE:", f"{group.extent >> 20} megabyte(s)"),
            ("COPIES:", "1", "SCHED POLICY:", "striped" if v.stripes > 1 else "parallel"),
            ("LPs:", str(v.extents), "PPs:", str(v.extents)),
            ("STALE PPs:", "0", "BB POLICY:", "relocatable"),
            ("INTER-POLICY:", "minimum", "RELOCATABLE:", "yes"),
            ("INTRA-POLICY:", "middle", "UPPER BOUND:", "1024"),
            ("MOUNT POINT:", v.mount or "N/A", "LABEL:", v.mount or "None"),
        ]
        out = "".join(f"{a:<20}{b:<22} {c:<14} {d}\n" for a, b, c, d in rows)
        out += "MIRROR WRITE CONSISTENCY: on/ACTIVE                              \nEACH LP COPY ON A SEPARATE PV ?: yes"
        if v.stripes > 1:
            out += f"\nSTRIPE WIDTH:       {v.stripes:<22} STRIPE SIZE:   {v.stripe_size >> 10}K"
        return Answer(out + "\nSerialize IO ?:     NO                                     \n")

    def _getlvcb(self, call: Call) -> Answer:
        found, rest = options(call.argv, "AT", "", "usage: getlvcb -AT LVname")
        at = self.find_volume(rest[0]) if len(rest) == 1 and set(found) == {"A", "T"} else None
        if at is None:
            raise Failed("0516-306 getlvcb: Unable to find the logical volume in the Device\n\tConfiguration Database.")
        v = at[2]
        fs = ":".join(f"{k}={w}" for k, w in v.fs.items() if k in ("log", "mount", "type")) if v.mount else ""
        rows = (
            ("intrapolicy", "c"), ("copies", "1"), ("lvid", v.id), ("lvname", v.name), ("label", v.mount or "None"),
            ("machine id", MACHINE_ID), ("number lps", str(v.extents)), ("relocatable", "y"), ("strict", "y"),
            ("stripe width", str(v.stripes if v.stripes > 1 else 0)), ("type", v.kind), ("fs", fs),
        )  # fmt: skip
        return Answer("\t AIX LVCB\n" + "".join(f"\t {k} = {w} \n" for k, w in rows))

    def _lqueryvg(self, call: Call) -> Answer:
        found, rest = options(call.argv, "Atv", "p", "usage: lqueryvg [-Atv] -p PVname")
        disk = self.hdisk("lqueryvg", found.get("p", "")) if not rest else None
        label = read_label(disk.slot.disk) if disk else None
        if label is None:
            raise Failed(
                f"0516-024 lqueryvg: Unable to open physical volume.\n\tEither PV was not configured or could not be opened. {' '.join(rest)}"
            )
        group = label[1]
        if "v" in found:
            return Answer(f"{group.id}\n")
        exponent = group.extent.bit_length() - 1
        out = f"Max LVs:        256\nPP Size:        {exponent}\nFree PPs:       0\nLV count:       {len(group.volumes)}\nPV count:       {len(group.disks)}\n"
        out += "".join(f"Logical:        {v.id}   {v.name} 1  \n" for v in group.volumes)
        out += "".join(f"Physical:       {pvid}                2   0  \n" for pvid in group.disks)
        return Answer(out + f"VGid:           {group.id}\n")

    def _lquerypv(self, call: Call) -> Answer:
        if len(call.argv) != 4 or call.argv[0] != "-h":
            raise Usage("usage: lquerypv -h PVname Offset Length")
        disk = self.device(call.argv[1])
        if disk is None:
            raise Failed(f"0516-024 lquerypv: Unable to open physical volume {call.argv[1]}.")
        offset, length = (int(word, 16) for word in call.argv[2:])
        data = disk.read(offset, length)
        out = ""
        for at in range(0, length, 16):
            row = data[at : at + 16]
            words = " ".join(row[i : i + 4].hex().upper() for i in range(0, len(row), 4))
            text = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
            out += f"{offset + at:08X}   {words:<37}|{text}|\n"
        return Answer(out)

    def _lsdev(self, call: Call) -> Answer:
        found, rest = options(call.argv, "C", "clF", "Usage: lsdev -C [-c Class] [-l Name] [-F Format]")
        if rest or found.get("c", "disk") != "disk":
            return Answer()
        rows = [d for d in self.hdisks.values() if found.get("l", d.name) == d.name]
        if not rows and "l" in found:
            raise Failed(
                f"lsdev: 0514-521 Cannot find information in the predefined device\n\tconfiguration database for {found['l']}."
            )
        if "F" in found:
            words = found["F"].split(":")
            shown = [{"name": d.name, "status": d.status, "description": "EMC Symmetrix FCP MPIO Disk"} for d in rows]
            return Answer("".join(":".join(one[w] for w in words) + "\n" for one in shown))
        return Answer("".join(f"{d.name} {d.status:<9} 04-08-02     EMC Symmetrix FCP MPIO Disk\n" for d in rows))

    def _lsattr(self, call: Call) -> Answer:
        found, rest = options(call.argv, "E", "laF", "Usage: lsattr -E -l Name [-a Attribute] [-F Format]")
        if rest or "E" not in found or found.get("F", "value") != "value":
            raise Usage("Usage: lsattr -E -l Name [-a Attribute] [-F Format]")
        if found.get("l") not in self.hdisks:
            raise Failed(
                f"lsattr: 0514-519 The following device was not found in the customized\n\tdevice configuration database:\n\t{found.get('l')}"
            )
        disk = self.hdisks[found["l"]]
        values = {
            "pvid": ("" if disk.pvid == "none" else disk.pvid + "0" * 16, "Physical volume identifier"),
            "reserve_policy": (disk.reserve, "Reserve Policy"),
            "size_in_mb": (str(disk.slot.disk.size >> 20), "Size in Megabytes"),
        }
        wanted = {found["a"]: values[found["a"]]} if found.get("a") in values else values
        if "a" in found and found["a"] not in values:
            raise Failed(
                f'lsattr: 0514-528 The "{found["a"]}" attribute does not exist in the predefined\n\tdevice configuration database.'
            )
        return Answer("".join(f"{v}\n" if "F" in found else f"{k} {v} {text} True\n" for k, (v, text) in wanted.items()))

    def _lscfg(self, call: Call) -> Answer:
        found, rest = options(call.argv, "vp", "l", "Usage: lscfg [-v] [-p] [-l Name]")
        if rest or found.get("l") not in self.hdisks:
            raise Failed(f"lscfg: device {found.get('l')} not found.")
        disk = self.hdisks[found["l"]].slot.disk
        serial = self.serial_shown(disk)
        out = f"  {found['l']:<17}U9119.FHB.00C0CC0-V10-C10-T1-W5000000001112222-L{int(disk.number, 16):X}000000000000  EMC Symmetrix FCP MPIO Disk\n"
        if "v" in found:
            out += "\n        Manufacturer................EMC     \n        Machine Type and Model......SYMMETRIX       \n"
            out += f"        ROS Level and ID............5671\n        Serial Number...............{serial}\n        Part Number.................\n"
        return Answer(out + ("\n  PLATFORM SPECIFIC\n\n" if "p" in found else ""))

    def _bootinfo(self, call: Call) -> Answer:
        found, rest = options(call.argv, "", "s", "usage: bootinfo -s Disk")
        disk = self.hdisk("bootinfo", found.get("s", ""))
        if rest:
            raise Usage("usage: bootinfo -s Disk")
        return Answer(f"{disk.slot.disk.size >> 20}\n")

    def _cfgmgr(self, call: Call) -> Answer:
        options(call.argv, "v", "l", "Usage: cfgmgr [-v] [-l Name]")
        for slot in self.slots:
            at = next((d for d in self.hdisks.values() if d.slot is slot), None)
            if at is not None and at.status == "Available":
                continue
            if not slot.disk.ready:
                continue
            self.configure(slot) if at is None else setattr(at, "status", "Available")
        return Answer()

    def _rmdev(self, call: Call) -> Answer:
        found, rest = options(call.argv, "d", "l", "Usage: rmdev [-d] -l Name")
        disk = self.hdisks.get(found.get("l", ""))
        if rest or disk is None:
            raise Failed(
                f"rmdev: 0514-521 Cannot find information in the device configuration\n\tdatabase for {found.get('l', '')}."
            )
        if any(disk.name in k.disks and k.active for k in self.groups.values()):
            raise Failed(
                "Method error (/usr/lib/methods/ucfgdevice):\n        0514-062 Cannot perform the requested function because the\n"
                "                 specified device is busy."
            )
        if "d" in found:
            disk.slot.seen = False
            del self.hdisks[disk.name]
            return Answer(f"{disk.name} deleted\n")
        disk.status = "Defined"
        return Answer(f"{disk.name} Defined\n")

    def _mkdev(self, call: Call) -> Answer:
        found, _ = options(call.argv, "", "l", "Usage: mkdev -l Name")
        disk = self.hdisks.get(found.get("l", ""))
        if disk is None:
            raise Failed(
                f"mkdev: 0514-519 The following device was not found in the customized\n\tdevice configuration database:\n\t{found.get('l')}"
            )
        disk.status = "Available"
        return Answer(f"{disk.name} Available\n")

    def _chdev(self, call: Call) -> Answer:
        found, rest = options(call.argv, "P", "la", "Usage: chdev -l Name -a Attribute=Value")
        disk = self.hdisks.get(found.get("l", ""))
        name, _, value = found.get("a", "").partition("=")
        if disk is None and not rest and "l" in found:
            raise Failed(_NO_DEVICE.format("chdev", found["l"]))
        if rest or disk is None or (name, value) not in {("pv", "yes"), ("pv", "clear"), ("reserve_policy", "no_reserve")}:
            raise Usage("Usage: chdev -l Name -a Attribute=Value")
        if any(disk.name in k.disks and k.active for k in self.groups.values()):
            raise Failed(
                "Method error (/usr/lib/methods/chgdisk):\n        0514-062 Cannot perform the requested function because the\n"
                "                 specified device is busy.\n     pv    "
            )
        if name == "reserve_policy":
            disk.reserve = value
        elif value == "clear":
            disk.slot.disk.write(PVID_AT, bytes(16))
            disk.pvid = "none"
        else:
            if pvid_on(disk.slot.disk) == "none":
                put_pvid(disk.slot.disk, new_pvid())
            disk.pvid = pvid_on(disk.slot.disk)
        return Answer(f"{disk.name} changed\n")

    def group_facts(self, name: str) -> Group:
        """For tests: the group as it stands on the disks."""
        found = self.on_disk(self.groups[name])
        assert found is not None  # noqa: S101  for the type checker
        return replace(found)
