"""An emulated AIX, whole: volume groups come from their disks and go, by `importvg`, `recreatevg` and `exportvg`."""

from __future__ import annotations

from collections.abc import Callable

from hostdrivers.emulated.aix_groups import USAGE, AixGroups, Hdisk, Known, new_pvid, new_vgid, put_pvid
from hostdrivers.emulated.machine import options
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.volumes import Group, read_label


class Aix(AixGroups):
    """The host."""

    def programs(self) -> dict[str, Program]:
        """By name."""
        table: dict[str, Callable[[Call], Answer]] = {
            "importvg": self._importvg, "exportvg": self._exportvg, "recreatevg": self._recreatevg,
            "varyonvg": self._varyonvg, "varyoffvg": self._varyoffvg,
        }  # fmt: skip
        return {**super().programs(), **table}

    def _importvg(self, call: Call) -> Answer:
        usage = USAGE.format("importvg") + " [-V MajorNumber] [-y VGname] [-f] [-n] [-c] PVname"
        found, rest = options(call.argv, "fn", "yV", usage)
        if len(rest) != 1:
            raise Usage(usage)
        first = self.hdisk("importvg", rest[0])
        label = read_label(first.slot.disk)
        if label is None:
            raise Failed(
                f"0516-304 importvg: Unable to find device id {first.pvid} in the Device\n\tConfiguration Database.\n0516-780 importvg: Unable to import volume group from {first.name}."
            )
        group = label[1]
        name = found.get("y", "vg00")
        self._refuse_name("importvg", name)
        if any(first.name in k.disks for k in self.groups.values()):
            raise Failed(
                f"0516-360 importvg: The device name is already used; choose a different name.\n0516-776 importvg: Cannot import {first.name} as {name}."
            )
        members = {d.pvid: d for d in self.hdisks.values() if d.status == "Available"}
        twice = [p for p in group.disks if sum(d.pvid == p for d in self.hdisks.values()) > 1]
        missing = [p for p in group.disks if p not in members]
        if twice or missing:
            odd = (twice or missing)[0]
            raise Failed(
                f"0516-{'1775' if twice else '304'} importvg: Physical volume identifier {odd} {'is duplicate' if twice else 'was not found in the Device'}\n\tConfiguration Database.\n0516-780 importvg: Unable to import volume group from {first.name}."
            )
        said = self._rename_conflicts(group)
        self.groups[name] = Known(name, group.id, [members[p].name for p in group.disks], active="n" not in found)
        group.name = name
        self.write_group(group)
        for v in group.volumes:
            if v.mount:
                self.add_stanza(v.mount, f"/dev/{v.name}", v.kind, v.fs.get("log", ""))
        return Answer(f"{name}\n", said)

    def _refuse_name(self, command: str, name: str) -> None:
        if name in self.groups:
            raise Failed(f"0516-360 {command}: The device name {name} is already used; choose a different name.")
        if len(name) > 15:
            raise Failed(f"0516-1249 {command}: The specified name {name} is too long; 15 characters are allowed.")

    def _rename_conflicts(self, group: Group) -> str:
        said = ""
        taken = {v.name for k in self.groups.values() for g in (self.on_disk(k),) if g for v in g.volumes}
        for v in group.volumes:
            if v.name in taken:
                old, v.name = v.name, next(f"fslv{n:02d}" for n in range(100) if f"fslv{n:02d}" not in taken)
                said += f"0516-530 synclvodm: Logical volume name {old} changed to {v.name}.\n"
        return said

    def _recreatevg(self, call: Call) -> Answer:
        usage = (
            USAGE.format("recreatevg")
            + " [-y VGname] [-p] [-f] [-Y lv_prefix | -l LvNameFile] [-L label_prefix] [-n] PVname..."
        )
        found, rest = options(call.argv, "pfn", "yYlLV", usage)
        if not rest or "l" in found or "f" in found or "p" in found:
            raise Usage(usage)
        disks = [self.hdisk("recreatevg", name) for name in rest]
        labels = [read_label(d.slot.disk) for d in disks]
        if any(d.pvid == "none" for d in disks) or any(label is None for label in labels):
            raise Failed("0516-1254 recreatevg: a physical volume has no identifier, or no volume group descriptor area.")
        group = labels[0][1] if labels[0] else None
        ids = {label[1].id for label in labels if label}
        if group is None or len(ids) > 1 or sorted(label[0] for label in labels if label) != sorted(group.disks):
            raise Failed(
                "0516-1719 recreatevg: The list of physical volumes does not match the descriptor area. Use -f to force."
            )
        if any(d.name in k.disks for d in disks for k in self.groups.values()):
            raise Failed("0516-1335 recreatevg: a physical volume belongs to a volume group of this system.")
        name = found.get("y", "vg00")
        self._refuse_name("recreatevg", name)
        self._recreate(group, disks, [label[0] for label in labels if label], name, found)
        return Answer(f"{name}\n")

    def _recreate(self, group: Group, disks: list[Hdisk], olds: list[str], name: str, found: dict[str, str]) -> None:
        renamed = dict(zip(olds, (new_pvid() for _ in olds), strict=True))
        prefix = found.get("Y", "fs")
        top = found.get("L", "/fs")
        for v in group.volumes:
            v.name = v.name if prefix == "NA" else f"{prefix}{v.name}"[:15]
            if v.mount:
                v.mount = v.mount if top == "/" else top.rstrip("/") + v.mount
                v.fs["log"] = (
                    v.fs.get("log", "") if prefix == "NA" else f"/dev/{prefix}{v.fs.get('log', '').removeprefix('/dev/')}"
                )
        if prefix == "NA" and any(self.find_volume(v.name) for v in group.volumes):
            raise Failed("0516-360 recreatevg: The device name is already used; choose a different name.")
        for disk, old in zip(disks, olds, strict=True):
            disk.pvid = renamed[old]
            put_pvid(disk.slot.disk, disk.pvid)
        group.disks = [renamed[p] for p in group.disks]
        group.id, group.name, group.stamp = new_vgid(), name, group.stamp + 1
        for v in group.volumes:
            v.id = f"{group.id}.{v.number}"
        self.groups[name] = Known(name, group.id, [d.name for d in disks], active="n" not in found)
        self.write_group(group)
        for v in group.volumes:
            if v.mount:
                self.add_stanza(v.mount, f"/dev/{v.name}", v.kind, v.fs.get("log", ""))

    def _varyonvg(self, call: Call) -> Answer:
        found, rest = options(call.argv, "fnur", "", USAGE.format("varyonvg") + " [-f] [-n] [-u] VGname")
        known = self.groups.get(rest[0]) if len(rest) == 1 else None
        if known is None:
            raise Failed(
                f"0516-306 varyonvg: Unable to find volume group {' '.join(rest)} in the Device\n\tConfiguration Database."
            )
        if self.on_disk(known) is None or any(not self.hdisks[n].slot.disk.ready for n in known.disks):
            raise Failed(
                f"PV Status:\t{known.disks[0]}\tPVNOTFND\n0516-013 varyonvg: The volume group cannot be varied on because\n\tthere are no good copies of the descriptor area. {''.join(found)}".rstrip()
            )
        known.active = True
        return Answer()

    def _varyoffvg(self, call: Call) -> Answer:
        _, rest = options(call.argv, "s", "", USAGE.format("varyoffvg") + " VGname")
        known, group = self.active("varyoffvg", rest[0] if rest else "")
        if any(self.is_open(group, v) for v in group.volumes):
            raise Failed(
                "0516-012 lvaryoffvg: Logical volume must be closed.  If the logical\n        volume contains a filesystem, the umount command will close\n"
                f"        the LV device.\n0516-942 varyoffvg: Unable to vary off volume group {known.name}."
            )
        known.active = False
        return Answer()

    def _exportvg(self, call: Call) -> Answer:
        _, rest = options(call.argv, "", "", USAGE.format("exportvg") + " VGname")
        known = self.groups.get(rest[0]) if len(rest) == 1 else None
        if known is None:
            raise Failed(
                f"0516-306 exportvg: Unable to find volume group {' '.join(rest)} in the Device\n\tConfiguration Database."
            )
        if known.active:
            raise Failed("0516-764 exportvg: The volume group must be varied off\n        before exporting.")
        group = self.on_disk(known)
        for v in group.volumes if group else ():
            self.drop_stanza(f"/dev/{v.name}")
        del self.groups[known.name]
        return Answer()
