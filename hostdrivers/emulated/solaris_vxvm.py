"""VxVM on an emulated Solaris: what a host knows of disks and groups, and how it prints them (vxdisk, vxprint).

Formats: VxVM 3.x, 4.x and 5.x as in the administrator's guides and public recordings. Not certain, and taken as the rule:
a host reads a private region when the disk comes online (`vxdctl enable` for a new one, `vxdisk online`, an import), and
`vxdisk list` prints what was read then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hostdrivers.emulated.machine import Slot
from hostdrivers.emulated.program import Answer, Call, Failed, Usage
from hostdrivers.emulated.solaris_disks import SECTOR, Access, Imported, PlexBytes, length_of, read_private, udid_of, words
from hostdrivers.emulated.solaris_files import SolarisFiles
from hostdrivers.emulated.volumes import DATA_AT, Disk, Group, Volume, VolumeBytes, read_label, write_label

TYPES = {"new": "auto:{0}", "old": "{0}"}
_HEADS = {
    "new": """DG NAME         NCONFIG      NLOG     MINORS   GROUP-ID
ST NAME         STATE        DM_CNT   SPARE_CNT         APPVOL_CNT
DM NAME         DEVICE       TYPE     PRIVLEN  PUBLEN   STATE
RV NAME         RLINK_CNT    KSTATE   STATE    PRIMARY  DATAVOLS  SRL
V  NAME         RVG/VSET/CO  KSTATE   STATE    LENGTH   READPOL   PREFPLEX UTYPE
PL NAME         VOLUME       KSTATE   STATE    LENGTH   LAYOUT    NCOL/WID MODE
SD NAME         PLEX         DISK     DISKOFFS LENGTH   [COL/]OFF DEVICE   MODE
SV NAME         PLEX         VOLNAME  NVOLLAYR LENGTH   [COL/]OFF AM/NM    MODE
DC NAME         PARENTVOL    LOGVOL
""",
    "old": """DG NAME         NCONFIG      NLOG     MINORS   GROUP-ID
DM NAME         DEVICE       TYPE     PRIVLEN  PUBLEN   STATE
V  NAME         USETYPE      KSTATE   STATE    LENGTH   READPOL   PREFPLEX
PL NAME         VOLUME       KSTATE   STATE    LENGTH   LAYOUT    NCOL/WID MODE
SD NAME         PLEX         DISK     DISKOFFS LENGTH   [COL/]OFF DEVICE   MODE
""",
}
_V = {
    "new": "v  {0:<12} -            {2:<8} {3:<8} {4:<8} {5:<9} {6:<8} {1}\n",
    "old": "v  {0:<12} {1:<12} {2:<8} {3:<8} {4:<8} {5:<9} {6}\n",
}
# The private region and the label lie below 1 MiB, where volumes begin: first sector and length, by slice.
PRIVATE = {"sliced": (3, 1, 2047), "cdsdisk": (2, 48, 2000)}
PRIVLEN = {form: length for form, (_, _, length) in PRIVATE.items()}


class Vxvm(SolarisFiles):
    """Disks and groups."""

    release: tuple[int, int] = (5, 1)

    def boot(self) -> None:
        """No group is imported; the disks that are visible from the start are online."""
        super().boot()
        self.accesses: dict[str, Access] = {}
        self.groups: dict[str, Imported] = {}

    @property
    def age(self) -> str:
        """Which of two formats this release prints."""
        return "new" if self.release >= (4, 0) else "old"

    def vx(self, command: str, number: int, text: str, code: int = 1) -> Failed:
        """A refusal in the words of this release."""
        head = f"VxVM {command} ERROR V-5-1-{number} " if self.age == "new" else f"vxvm:{command}: ERROR: "
        return Failed(head + text, code)

    # --- disks ------------------------------------------------------------------------------------------------------

    def access(self, command: str, name: str) -> Access:
        """A disk by its access name, or by the media name that a group gives it."""
        for group in self.groups.values():
            if name in group.disks:
                return group.disks[name]
        short = {n.removesuffix("s2"): a for n, a in self.accesses.items()}
        found = self.accesses.get(name) or short.get(name.removesuffix("s2"))
        if found is None:
            raise self.vx(command, 558, f"Disk {name}: Disk not in the configuration")
        return found

    def owner(self, access: Access) -> tuple[Imported, str] | None:
        """The imported group that a disk is in, and its media name there."""
        found = ((g, dm) for g in self.groups.values() for dm, a in g.disks.items() if a is access)
        return next(found, None)

    def status(self, access: Access) -> str:
        """The last column of vxdisk list."""
        if access.state != "online":
            return access.state
        out = ["online"] + ["invalid"] * (access.private is None)
        if self.release >= (5, 0) and access.private is not None:
            out += ["udid_mismatch"] * access.copied + ["clone_disk"] * bool(access.private.clone)
        return " ".join(out)

    def kind(self, access: Access) -> str:
        """The TYPE column."""
        return TYPES[self.age].format(access.private.format if access.private else "none" if self.age == "new" else "sliced")

    # --- groups -----------------------------------------------------------------------------------------------------

    def imported(self, command: str, name: str) -> Imported:
        """A group of this host by name or id."""
        found = next((g for g in self.groups.values() if name in (g.name, g.id)), None)
        if found is None:
            raise self.vx(command, 582, f"Disk group {name}: No such disk group")
        return found

    def on_disk(self, known: Imported) -> Group:
        """The group as its first readable disk tells it, under its name here."""
        for access in known.disks.values():
            try:
                label = read_label(access.disk)
            except OSError:
                continue
            if label is not None and label[1].id == known.id:
                return replace(label[1], name=known.name)
        raise self.vx("vxconfigd", 7830, f"cannot recover disk group {known.name}: no valid configuration copies")

    def write_group(self, known: Imported, group: Group) -> None:
        """The configuration copy, on every disk; a group that is imported under another name for a time keeps its own there."""
        label = read_label(next(iter(known.disks.values())).disk)
        stored = label[1].name if label is not None and known.temporary else group.name
        for dm, disk in zip(group.disks, known.bytes_of(group.disks), strict=True):
            write_label(disk, dm, replace(group, name=stored))

    def volumes(self, group: Group) -> list[Volume]:
        """Without plexes, which are kept as volumes of a kind of their own."""
        return [v for v in group.volumes if v.kind != "plex"]

    def plexes(self, group: Group, volume: Volume) -> list[Volume]:
        """The second plex and those after it."""
        return [v for v in group.volumes if v.kind == "plex" and v.fs.get("of") == volume.name]

    def bytes_of(self, known: Imported, group: Group, volume: Volume) -> VolumeBytes:
        """Where a volume's bytes are."""
        disks: list[Disk] = known.bytes_of(group.disks)
        others = tuple(VolumeBytes(p, group.extent, disks) for p in self.plexes(group, volume))
        return PlexBytes(volume, group.extent, disks, others)

    def find(self, path: str) -> tuple[Imported, Group, Volume] | None:
        """The volume behind /dev/vx/dsk/GROUP/VOLUME or /dev/vx/rdsk/GROUP/VOLUME."""
        parts = path.split("/")
        if len(parts) != 6 or parts[:3] != ["", "dev", "vx"] or parts[3] not in ("dsk", "rdsk"):
            return None
        known = self.groups.get(parts[4])
        if known is None:
            return None
        group = self.on_disk(known)
        volume = next((v for v in self.volumes(group) if v.name == parts[5]), None)
        return (known, group, volume) if volume else None

    def known_volume(self, path: str) -> bool:
        """Whether there is such a device."""
        return self.find(path) is not None

    def bytes_at(self, path: str) -> VolumeBytes | None:
        """The bytes of a volume that is started."""
        at = self.find(path)
        return self.bytes_of(*at) if at is not None and at[2].name in at[0].started else None

    def opened(self, known: Imported) -> list[str]:
        """The volumes of a group that are mounted."""
        top = f"/dev/vx/dsk/{known.name}/"
        return [m.device.removeprefix(top) for m in self.mounts.values() if m.device.startswith(top)]

    def make_nodes(self, known: Imported, *, gone: bool = False) -> None:
        """The names below /dev/vx, or take them away."""
        for kind in ("dsk", "rdsk"):
            top = f"/dev/vx/{kind}/{known.name}"
            if self.root.exists(top):
                self.root.remove(top, True)
            for volume in [] if gone else self.volumes(self.on_disk(known)):
                self.write_file(f"{top}/{volume.name}", b"")

    # --- vxdisk list ------------------------------------------------------------------------------------------------

    def vxdisk_list(self, call: Call) -> Answer:
        """All disks, one line each; or everything about some."""
        usage = "Usage: vxdisk [-g diskgroup] [-eqsv] [-o alldgs] list [diskname | accessname ...]"
        found, rest = words(call.argv, "eqsv", "go", usage)
        if rest[:1] != ["list"] or set(found.get("o", ["alldgs"])) != {"alldgs"}:
            raise Usage(usage)
        if rest[1:]:
            return Answer("\n".join(self._detail(self.access("vxdisk", name)) for name in rest[1:]))
        head = "DEVICE       TYPE            DISK         GROUP        STATUS" + (
            "       OS_NATIVE_NAME" if "e" in found else ""
        )
        out = "" if "q" in found else head + "\n"
        for access in self.accesses.values():
            own = self.owner(access)
            inside = access.private.group if access.private and "o" in found else ""
            dm, group = (own[1], own[0].name) if own else ("-", f"({inside})" if inside else "-")
            native = f" {access.slot.name}s2" if "e" in found else ""
            out += f"{access.name:<12} {self.kind(access):<15} {dm:<12} {group:<12} {self.status(access)}{native}\n"
        return Answer(out)

    def _detail(self, access: Access) -> str:
        own, p, new = self.owner(access), access.private, self.age == "new"
        slices = {"sliced": (4, 3), "cdsdisk": (2, 2)}[p.format if p else "sliced"]
        length, path = self.public_sectors(access.disk), access.slot.name + "s2"
        dm, group = (own[1], own[0].name) if own else ("", p.group if p else "")
        ids = (p.diskid, p.dgid) if p else ("", "")
        kind = "auto" if new else "sliced"
        lines = [f"Device:    {access.name}"] + [f"devicetag: {access.name.removesuffix('s2')}"] * new + [f"type:      {kind}"]
        if p is not None:
            lines += [f"hostid:    {p.host}", f"disk:      name={dm} id={ids[0]}", f"group:     name={group} id={ids[1]}"]
            info = f"format={p.format},privoffset=1," if new else "privoffset=1,"
            lines += [f"info:      {info}pubslice={slices[0]},privslice={slices[1]}"]
        lines += [f"flags:     {self._flags(access, own is not None)}"]
        if p is not None:
            lines += [f"pubpaths:  block=/dev/vx/dmp/{path[:-1]}{slices[0]} char=/dev/vx/rdmp/{path[:-1]}{slices[0]}"]
            lines += [f"udid:      {udid_of(access.disk)}"] * (self.release >= (5, 0))
            lines += ["version:   3.1", "iosize:    min=512 (bytes) max=2048 (blocks)"]
            lines += [f"public:    slice={slices[0]} offset={2048 if p.format == 'cdsdisk' else 0} len={length}"]
            lines += ["private:   slice={} offset={} len={}".format(*PRIVATE[p.format]), "update:    time=1795420800 seqno=0.5"]
            lines += ["headers:   0 248", "configs:   count=1 len=2431", "logs:      count=1 len=368"]
            lines += ["Defined regions:", " config   priv 000017-000247[000231]: copy=01 offset=000000 enabled"]
        lines += [
            "Multipathing information:",
            "numpaths:   1",
            f"{path:<15} state={'enabled' if access.disk.ready else 'disabled'}",
        ]
        return "\n".join(lines) + "\n"

    def public_sectors(self, disk: Disk) -> int:
        """The public region in sectors: what the emulator gives to volumes."""
        return (disk.size - DATA_AT) // SECTOR

    def _flags(self, access: Access, inside: bool) -> str:
        if access.state != "online" or access.private is None:
            return f"{'online' if access.state == 'online' else 'error'} private autoconfig" + " invalid" * (
                access.private is None
            )
        extra = self.status(access).split()[1:]
        auto = "noautoimport" if access.private.noautoimport else "autoimport"
        return " ".join(["online", "ready", "private", "autoconfig", *extra, auto, *["imported"] * inside])

    # --- vxprint ----------------------------------------------------------------------------------------------------

    def vxprint(self, call: Call) -> Answer:
        """Records of groups, one line each."""
        usage = "Usage: vxprint [-AhtrvpsdqQ] [-g diskgroup] [name ...]"
        found, rest = words(call.argv, "AhtrvpsdqQ", "g", usage)
        if "t" not in found or "h" not in found or rest:
            raise Usage(usage + "\n(this emulator prints vxprint -ht only)")
        known = [self.imported("vxprint", found["g"][0])] if "g" in found else list(self.groups.values())
        if not known:
            raise self.vx("vxprint", 607, "No matching records found", 11)
        many = "g" not in found
        out = "" if "q" in found or not many else _HEADS[self.age]
        for one in known:
            out += (f"\nDisk group: {one.name}\n\n" if many else _HEADS[self.age] if "q" not in found else "") + self._records(
                one
            )
        return Answer(out)

    def _records(self, known: Imported) -> str:
        group = self.on_disk(known)
        out = f"\ndg {known.name:<12} default      default  1000     {known.id}\n\n"
        for dm in group.disks:
            access = known.disks.get(dm)
            if access is None or not access.disk.ready:
                out += f"dm {dm:<12} -            -        -        -        NODEVICE\n"
                continue
            form = access.private.format if access.private else "sliced"
            kind = "auto" if self.age == "new" else form
            out += f"dm {dm:<12} {access.name:<12} {kind:<8} {PRIVLEN[form]:<8} {self.public_sectors(access.disk):<8} -\n"
        return out + "".join("\n" + text for v in self.volumes(group) for text in self._volume(known, group, v))

    def _volume(self, known: Imported, group: Group, volume: Volume) -> Iterator[str]:
        length = length_of(volume.kind, volume.fs, volume.pieces) * group.extent // SECTOR
        on = volume.name in known.started
        state, kernel = ("ACTIVE", "ENABLED") if on else (volume.fs.get("state", "CLEAN"), "DISABLED")
        use = "gen" if volume.kind == "gen" else "raid5" if volume.fs.get("layout") == "RAID-5" else "fsgen"
        prefer = f"{volume.name}-01" if volume.fs.get("layout") == "STRIPE" else "-"
        if "dco" in volume.fs:
            yield f"dc {volume.fs['dco'] + '_dco':<12} {volume.fs['dco']:<12} {volume.name}\n"
        yield _V[self.age].format(volume.name, use, kernel, state, length, "SELECT", prefer)
        for number, plex in enumerate([volume, *self.plexes(group, volume)], 1):
            yield self._plex(known, group, volume.name, f"{volume.name}-{number:02d}", plex, kernel, state)[1:]

    def _plex(self, known: Imported, group: Group, volume: str, name: str, plex: Volume, kernel: str, state: str) -> str:
        layout = plex.fs.get("layout", "CONCAT")
        length = length_of(plex.kind, plex.fs, plex.pieces) * group.extent // SECTOR
        wide = f"{len(plex.pieces)}/{plex.stripe_size // SECTOR}" if layout != "CONCAT" else "-"
        out = f"\npl {name:<12} {volume:<12} {kernel:<8} {state:<8} {length:<8} {layout:<9} {wide:<8} RW\n"
        at = 0
        for column, (index, first, count) in enumerate(plex.pieces):
            dm = group.disks[index]
            number = 1 + sum(i == index and f < first for v in group.volumes for i, f, _ in v.pieces)
            access = known.disks.get(dm)
            there = access is not None and access.disk.ready
            size = count * group.extent // SECTOR
            place = f"{column}/0" if layout != "CONCAT" else str(at)
            device = access.name if access is not None and there else "-"
            out += f"sd {f'{dm}-{number:02d}':<12} {name:<12} {dm:<12} {first * group.extent // SECTOR:<8} {size:<8} {place:<9} {device:<8} {'ENA' if there else 'NDEV'}\n"
            at += size
        return out

    # --- coming online ----------------------------------------------------------------------------------------------

    def bring_online(self, slot: Slot, name: str) -> Access:
        """A disk access record for a device that the system has."""
        access = self.accesses[name] = Access(name, slot)
        access.online()
        return access

    def refresh(self, known: Imported) -> None:
        """What this host wrote into private regions, it knows."""
        for access in known.disks.values():
            access.private = read_private(access.disk)
