"""The devices of an emulated HP-UX: what the kernel knows of them, their special files, and the commands that show both.

A device appears in two steps, as on the real system: `ioscan` makes the kernel look, `insf` makes the special files. With
several paths to a device every path has special files of its own; from 11.31 on there is one persistent name besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hostdrivers.emulated.hpux_files import HpuxFiles
from hostdrivers.emulated.machine import Slot, options
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.volumes import Disk

_IDENTIFY = "0 0 2 18 0 0 0 0 178 61 185 8 182 165 19 186 "
_INDENT = " " * 29


@dataclass(slots=True)
class Lun:
    """A device that the kernel knows: `legacy` are its names by path, `instance` numbers its persistent name."""

    slot: Slot
    instance: int
    legacy: tuple[str, ...]
    state: str = "CLAIMED"
    files: bool = False

    @property
    def agile(self) -> str:
        """Its persistent name."""
        return f"disk{self.instance}"

    @property
    def agile_path(self) -> str:
        """Its hardware path in the agile view."""
        return f"64000/0xfa00/0x{self.instance:x}"


def parts(name: str) -> tuple[int, int, int]:
    """Controller, target and device of `c3t8d2`."""
    controller, _, rest = name[1:].partition("t")
    target, _, device = rest.partition("d")
    return int(controller), int(target), int(device)


def hardware_path(name: str) -> str:
    """Where a legacy name hangs."""
    controller, target, device = parts(name)
    return f"0/{controller}/1/0.1.{controller}.0.0.{target}.{device}"


class HpuxDevices(HpuxFiles):
    """Scanning, special files, inquiries."""

    os = "hpux"

    def __init__(self, name: str, slots: Iterable[Slot] = (), release: str = "B.11.31", paths: int = 1) -> None:
        """`paths` is how many ways lead to each device. A slot's name is its first legacy name (`c3t8d2`)."""
        self._release, self.paths = release, paths
        self.symcli = True
        self.luns: list[Lun] = []
        super().__init__(name, slots)

    def boot(self) -> None:
        """Every device that is visible from the start has its special files."""
        super().boot()
        for directory in ("/dev/dsk", "/dev/rdsk", *(("/dev/disk", "/dev/rdisk") if self.agile else ())):
            self.root.mkdir(directory, True)
        for slot in self.slots:
            if slot.seen:
                self.install(self.learn(slot))

    @property
    def release(self) -> str:
        """What uname -r says."""
        return self._release

    @property
    def agile(self) -> bool:
        """Whether there are persistent names."""
        return self._release >= "B.11.31"

    def learn(self, slot: Slot) -> Lun:
        """The kernel finds a device."""
        taken = {name for lun in self.luns for name in lun.legacy}
        free = (f"c4t{n // 8}d{n % 8}" for n in range(1024))
        first = slot.name or next(name for name in free if name not in taken)
        controller, target, device = parts(first)
        legacy = tuple(f"c{controller + 2 * path}t{target}d{device}" for path in range(self.paths))
        lun = Lun(slot, 3 + max((x.instance - 2 for x in self.luns), default=0), legacy)
        self.luns.append(lun)
        return lun

    def files(self, lun: Lun) -> list[tuple[str, str]]:
        """The block and raw special files that insf makes, the persistent ones first."""
        names = [("/dev/disk/" + lun.agile, "/dev/rdisk/" + lun.agile)] if self.agile else []
        return names + [(f"/dev/dsk/{name}", f"/dev/rdsk/{name}") for name in lun.legacy]

    def install(self, lun: Lun) -> None:
        """Make the special files."""
        for block, raw in self.files(lun):
            name = block.rsplit("/", 1)[1]
            controller, target, device = parts(name) if block.startswith("/dev/dsk/") else (0, 0, lun.instance)
            minor = controller << 16 | target << 12 | device << 8
            self.make_node(block, "b", 31 if "/dsk/" in block else 1, minor)
            self.make_node(raw, "c", 188 if "/rdsk/" in raw else 13, minor)
        lun.files = lun.slot.seen = True

    def lun_of(self, path: str) -> Lun | None:
        """The device behind a special file that is there."""
        if not self.root.exists(path):
            return None
        return next((lun for lun in self.luns if any(path in pair for pair in self.files(lun))), None)

    def device(self, path: str) -> Disk | None:
        """Block and raw special files."""
        lun = self.lun_of(path)
        return lun.slot.disk if lun else None

    def scan(self) -> None:
        """ioscan and insf."""
        self.look()
        for lun in self.luns:
            self.install(lun)

    def look(self) -> None:
        """What ioscan without -k does: ask every path."""
        for slot in self.slots:
            lun = next((x for x in self.luns if x.slot is slot), None)
            if lun is not None:
                lun.state = "CLAIMED" if slot.disk.ready else "NO_HW"
            elif slot.disk.ready:
                self.learn(slot)
        self.luns = [lun for lun in self.luns if any(lun.slot is slot for slot in self.slots)]

    # --- commands ---------------------------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        """By name."""
        table: dict[str, Callable[[Call], Answer]] = {
            "ioscan": self._ioscan, "insf": self._insf, "rmsf": self._rmsf, "diskinfo": self._diskinfo,
        }  # fmt: skip
        if self.agile:
            table["scsimgr"] = self._scsimgr
        if self.symcli:
            table["syminq"] = self._syminq
        return {**super().programs(), **table}

    def _ioscan(self, call: Call) -> Answer:
        usage = "Usage: ioscan [-k|-u] [-f[n]|-F[n]] [-N] [-d driver|-C class] [-I instance] [-H hw_path] [-m option]"
        found, rest = options(call.argv, "kufFn" + ("N" if self.agile else ""), "CdHI" + ("m" if self.agile else ""), usage)
        if "m" in found:
            return self._mapping(found["m"], rest, "F" in found)
        if rest or found.get("C", "disk") != "disk":
            raise Usage(usage)
        if "k" not in found and "u" not in found:
            self.look()
        rows = self._agile_rows(found) if "N" in found else self._legacy_rows(found)
        if "F" in found:
            return Answer("".join(self._record(*row, "n" in found) for row in rows))
        out = "Class     I  H/W Path        Driver   S/W State   H/W Type     Description\n" + "=" * 77 + "\n"
        for instance, hardware, files, lun in rows:
            driver = "esdisk" if "N" in found else "sdisk"
            out += f"disk {instance:>6}  {hardware:<15} {driver:<8} {lun.state:<11} DEVICE       EMC     SYMMETRIX\n"
            out += f"{_INDENT[:27]}{'   '.join(files)}\n" if "n" in found and files else ""
        return Answer(out)

    def _agile_rows(self, found: dict[str, str]) -> list[tuple[int, str, tuple[str, ...], Lun]]:
        rows = [(x.instance, x.agile_path, self.files(x)[0] if x.files else (), x) for x in self.luns]
        return [row for row in rows if found.get("H", row[1]) == row[1]]

    def _legacy_rows(self, found: dict[str, str]) -> list[tuple[int, str, tuple[str, ...], Lun]]:
        rows: list[tuple[int, str, tuple[str, ...], Lun]] = []
        for path in range(self.paths):
            for lun in self.luns:
                name = lun.legacy[path]
                files = (f"/dev/dsk/{name}", f"/dev/rdsk/{name}") if lun.files else ()
                rows.append((len(rows) + 1, hardware_path(name), files, lun))
        return [row for row in rows if found.get("H", row[1]) == row[1]]

    def _record(self, instance: int, hardware: str, files: tuple[str, ...], lun: Lun, named: bool) -> str:
        if hardware == lun.agile_path:
            head = f"virtbus:wsio:T:T:F:1:13:{instance}:disk:esdisk:{hardware}:{_IDENTIFY}:{instance}:root.ext_virtroot.esvroot.esdisk:esdisk"
            tail = "-1:online" if lun.state == "CLAIMED" else "-1:offline"
        else:
            head = f"scsi:wsio:T:T:F:31:188:327936:disk:sdisk:{hardware}:{_IDENTIFY}:{instance}:root.sba.lba.fcd.fcd_fcp.fcd_vbus.tgt.sdisk:sdisk"
            tail = "5"
        line = f"{head}:{lun.state}:DEVICE:EMC     SYMMETRIX:{tail}\n"
        return line + (f"{_INDENT}{'   '.join(files)}\n" if named and files else "")

    def _mapping(self, what: str, rest: list[str], colons: bool) -> Answer:
        if what != "dsf":
            raise Usage(f"ioscan: -m {what} is not emulated")
        out = "" if colons else "Persistent DSF           Legacy DSF(s)\n========================================\n"
        for lun in self.luns:
            names = [raw for _, raw in self.files(lun)]
            if not lun.files or (rest and not set(rest) & {n for pair in self.files(lun) for n in pair}):
                continue
            if colons:
                out += ":".join(names) + "\n"
            else:
                out += f"{names[0]:<24} {names[1]}\n" + "".join(f"{'':24} {name}\n" for name in names[2:])
        return Answer(out)

    def _insf(self, call: Call) -> Answer:
        found, rest = options(call.argv, "ev", "CdHI", "usage: insf [-e] [-v] [-C class] [-d driver] [-H hw_path]")
        if rest or found.get("C", "disk") != "disk":
            raise Usage("usage: insf [-e] [-v] [-C class] [-d driver] [-H hw_path]")
        out = ""
        for lun in self.luns:
            if not lun.files or "e" in found:
                self.install(lun)
                out += f"insf: Installing special files for sdisk instance {lun.instance} address {hardware_path(lun.legacy[0])}\n"
        return Answer(out)

    def in_use(self, lun: Lun) -> bool:
        """Whether an active group holds the device."""
        raise NotImplementedError

    def _rmsf(self, call: Call) -> Answer:
        found, rest = options(call.argv, "akqx", "CH", "usage: rmsf [-q] [-H hw_path | -x | special_file...]")
        if "H" in found:
            lun = next((x for x in self.luns if found["H"] in (x.agile_path, *map(hardware_path, x.legacy))), None)
            if lun is None or rest:
                raise Failed(f"rmsf: No such device in the system: {found['H']}")
            self._forget(lun)
        elif "x" in found:
            for lun in [x for x in self.luns if x.state == "NO_HW"]:
                self._forget(lun)
        else:
            for path in rest:
                if self.lun_of(path) is None:
                    raise Failed(f"rmsf: Cannot access {path}: No such file or directory")
                self.root.remove(path)
        return Answer()

    def _forget(self, lun: Lun) -> None:
        if self.in_use(lun):
            raise Failed(f"rmsf: The device {lun.legacy[0]} is busy.")
        for path in (path for pair in self.files(lun) for path in pair):
            if self.root.exists(path):
                self.root.remove(path)
        self.luns.remove(lun)
        lun.slot.seen = False

    # --- what a device says of itself -------------------------------------------------------------------------------

    def _diskinfo(self, call: Call) -> Answer:
        found, rest = options(call.argv, "bv", "", "usage: diskinfo [-b|-v] character_devicefile")
        if len(rest) != 1:
            raise Usage("usage: diskinfo [-b|-v] character_devicefile")
        disk = self.device(rest[0])
        if disk is None:
            raise Failed(f"diskinfo: can't open {rest[0]}: No such file or directory")
        if not rest[0].startswith(("/dev/rdsk/", "/dev/rdisk/")):
            raise Failed(f"diskinfo: {rest[0]}: Character device required")
        if not disk.ready:
            raise Failed(f"diskinfo: can't SCSI inquiry {rest[0]}: I/O error")
        size = disk.size >> 10
        if "b" in found:
            return Answer(f"{size}\n")
        rows = (("vendor", "EMC"), ("product id", "SYMMETRIX"), ("type", "direct access"), ("size", f"{size} Kbytes"), ("bytes per sector", "512"))  # fmt: skip
        more = "".join(f"{k:>19}: {v}\n" for k, v in (("rev level", "5671"), ("blocks per disk", str(size * 2))) if "v" in found)
        return Answer(f"SCSI describe of {rest[0]}:\n" + "".join(f"{k:>19}: {v}\n" for k, v in rows) + more)

    def _attribute(self, lun: Lun, name: str) -> str:
        there = lun.slot.disk.ready
        values = {
            "device_file": f"/dev/rdisk/{lun.agile}",
            "serial_number": f'"{lun.slot.disk.serial}"' if there else "",
            "wwid": f"0x6006048{int(lun.slot.disk.number, 16):025x}" if there else "",
            "vid": '"EMC     "' if there else "",
            "pid": '"SYMMETRIX       "' if there else "",
            "capacity": str(lun.slot.disk.size >> 9) if there else "",
        }
        if name not in values:
            raise Failed(f"scsimgr:ERROR: Invalid attribute '{name}'")
        return values[name]

    def _scsimgr(self, call: Call) -> Answer:
        words = [w for w in call.argv if w not in ("-p", "get_attr", "all_lun")]
        wanted, one = [], ""
        if "get_attr" not in call.argv:
            raise Usage("scsimgr:ERROR: Invalid command")
        while words:
            if words[0] not in ("-a", "-D") or len(words) < 2:
                raise Usage(f"scsimgr:ERROR: Invalid option {words[0]}")
            wanted += [words[1]] if words[0] == "-a" else []
            one = words[1] if words[0] == "-D" else one
            words = words[2:]
        luns = [x for x in self.luns if x.files and (not one or f"/dev/rdisk/{x.agile}" == one)]
        if one and not luns:
            raise Failed(f"scsimgr:ERROR: Invalid device file: {one}")
        if "-p" in call.argv:
            return Answer("".join(":".join(self._attribute(x, name) for name in wanted) + "\n" for x in luns))
        rows = [f"        SCSI ATTRIBUTES FOR LUN : /dev/rdisk/{x.agile}\n" for x in luns for _ in (1,)]
        return Answer("".join(r + "".join(f"\nname = {n}\ncurrent = {self._attribute(x, n)}\n" for n in wanted) for r, x in zip(rows, luns, strict=True)))  # fmt: skip

    def _syminq(self, call: Call) -> Answer:
        if call.argv:
            raise Usage(f"syminq: '{call.argv[0]}' is not emulated")
        head = "Device                            Product                 Device\n"
        head += "--------------------------- --------------------------- ---------------------\n"
        head += "Name               Type     Vendor    ID           Rev  Ser Num      Cap (KB)\n"
        head += "--------------------------- --------------------------- ---------------------\n\n"
        out = ""
        for lun in self.luns:
            for _, raw in self.files(lun) if lun.files and lun.slot.disk.ready else ():
                disk = lun.slot.disk
                kind = "BCV" if disk.bcv else ""
                out += f"{raw:<18} {kind:<5}  EMC       SYMMETRIX    5671 {disk.serial} {disk.size >> 10:>12}\n"
        return Answer(head + out)
