"""The part of an emulated Solaris that has to do with files: vfstab, mnttab, mount, fsck, df, lockfs.

Messages: Solaris 8 to 10, from manual pages and general knowledge; the exit codes of mount (32) and fsck (32, 33, 36) are those
of the manual pages of mount_ufs and fsck. That VxFS refuses a read-only mount before its log is replayed is taken as the rule.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import UTC, datetime

from hostdrivers.emulated import filesystem, tools
from hostdrivers.emulated.filesystem import Damaged
from hostdrivers.emulated.machine import Machine, Mounted, options
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.volumes import VolumeBytes

VFSTAB, MNTTAB = "/etc/vfstab", "/etc/mnttab"
_SINCE = 1795420800
_VFSTAB = """#device         device          mount           FS      fsck    mount   mount
#to mount       to fsck         point           type    pass    at boot options
#
fd      -       /dev/fd fd      -       no      -
/proc   -       /proc   proc    -       no      -
/dev/dsk/c0t0d0s1       -       -       swap    -       no      -
/dev/dsk/c0t0d0s0       /dev/rdsk/c0t0d0s0      /       ufs     1       no      logging
swap    -       /tmp    tmpfs   -       yes     -
"""
_SYSTEM = (
    ("/dev/dsk/c0t0d0s0", "/", "ufs", "rw,intr,largefiles,logging,xattr,onerror=panic,dev=2200000"),
    ("/proc", "/proc", "proc", "dev=3b40000"),
    ("mnttab", "/etc/mnttab", "mntfs", "dev=3c00000"),
    ("swap", "/tmp", "tmpfs", "xattr,dev=2"),  # noqa: S108  not ours
)
_SIZES = {"/": (8262869, 4130000), "/proc": (0, 0), "/etc/mnttab": (0, 0), "/tmp": (2097152, 64)}  # noqa: S108
_KINDS = ("ufs", "vxfs")
_OPTIONS = ("ro", "rw", "nosuid", "suid", "logging", "nologging", "largefiles", "noatime", "log", "delaylog")
_PHASES = "** Last Mounted on {1}\n** Phase 1 - Check Blocks and Sizes\n** Phase 2 - Check Pathnames\n** Phase 3 - Check Connectivity\n** Phase 4 - Check Reference Counts\n** Phase 5 - Check Cyl groups\n"
_FSCK = {"ufs": "** {0}\n" + _PHASES, "vxfs": "log replay in progress\nreplay complete - marking super-block as CLEAN\n"}


class SolarisFiles(Machine):
    """Mounts, and the table of filesystems."""

    gnu = "/usr/local/bin"

    def boot(self) -> None:
        """The table as it is after installation."""
        self.root.write_file(VFSTAB, _VFSTAB.encode())
        self.write_mnttab()

    # --- what the volume manager gives ------------------------------------------------------------------------------

    def bytes_at(self, path: str) -> VolumeBytes | None:
        """The volume behind /dev/vx/dsk/GROUP/VOLUME or its raw name; None when there is none, or it is not started."""
        raise NotImplementedError

    def known_volume(self, path: str) -> bool:
        """Whether there is such a device, started or not."""
        raise NotImplementedError

    # --- tables -----------------------------------------------------------------------------------------------------

    def add_entry(self, device: str, point: str, kind: str) -> None:
        """One more line in vfstab."""
        raw = device.replace("/dsk/", "/rdsk/")
        text = self.root.read_file(VFSTAB).decode() + f"{device}\t{raw}\t{point}\t{kind}\t2\tyes\t-\n"
        self.root.write_file(VFSTAB, text.encode())

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Device, mount point, kind and options of everything that is mounted."""
        return [*_SYSTEM, *((m.device, m.point, m.header.kind, _shown(m)) for m in self.mounts.values())]

    def write_mnttab(self) -> None:
        """The kernel's table, as the file that Solaris shows it as."""
        text = "".join("\t".join((*row, str(_SINCE))) + "\n" for row in self.rows())
        self.root.write_file(MNTTAB, text.encode())

    def mount(self, point: str, device: str, volume: VolumeBytes, *, read_only: bool, options: str = "") -> None:
        """Mount, and say so in mnttab."""
        super().mount(point, device, volume, read_only=read_only, options=options)
        self.write_mnttab()

    def unmount(self, point: str) -> None:
        """Unmount, and say so in mnttab."""
        super().unmount(point)
        self.write_mnttab()

    # --- commands ---------------------------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        """By name."""
        table: dict[str, Callable[[Call], Answer]] = {
            "mount": self._mount, "umount": self._umount, "fsck": self._fsck, "fstyp": self._fstyp, "df": self._df,
            "lockfs": self._lockfs, "uname": self._uname, "fuser": self._fuser, "date": self._date, "id": self._id,
            "/usr/xpg4/bin/id": lambda call: tools.id_posix(self, call),
        }  # fmt: skip
        return {**table, "compress": tools.reads_input(_compress), "uncompress": lambda call: _uncompress(self, call),
                "cksum": tools.reads_input(lambda call: _cksum(self, call))}  # fmt: skip

    def _id(self, call: Call) -> Answer:
        if call.argv not in ((), ("-a",)):
            raise Usage("Usage: id [-ap] [user]", 2)
        return Answer("uid=0(root) gid=1(other)\n" if not call.argv else "uid=0(root) gid=1(other) groups=1(other),0(root)\n")

    def _uname(self, call: Call) -> Answer:
        found, rest = options(call.argv, "anrsvmpi", "", "usage:\tuname [-snrvmapiX]\n\tuname [-S system_name]", 2)
        if rest:
            raise Usage("usage:\tuname [-snrvmapiX]\n\tuname [-S system_name]", 2)
        known = {"s": "SunOS", "n": self.name, "r": "5.10", "v": "Generic_127127-11", "m": "sun4u", "p": "sparc"}
        wanted = [w for k, w in known.items() if k in found or "a" in found] or ["SunOS"]
        return Answer(" ".join(wanted) + "\n")

    def _date(self, call: Call) -> Answer:
        found, rest = options(call.argv, "u", "", "usage:\tdate [-u] [+format]")
        if len(rest) > 1 or (rest and not rest[0].startswith("+")):
            raise Usage(f"date: bad conversion {' '.join(found)}".rstrip())
        form = rest[0][1:] if rest else "%a %b %e %H:%M:%S GMT %Y"
        return Answer(datetime.now(UTC).strftime(form.replace("%s", "s")) + "\n")  # no seconds since 1970 before Solaris 11

    def _fuser(self, call: Call) -> Answer:
        options(call.argv, "cdfku", "", "Usage:  fuser [-[c|f]ku] files [-[[c|f]ku] files]")
        return self.users(call)

    def _mount(self, call: Call) -> Answer:
        usage = "Usage:\nmount [-v | -p]\nmount [-F FSType] [-o specific_options] {special | mount_point}\nmount [-F FSType] [-o specific_options] special mount_point"
        found, rest = options(call.argv, "vpO", "Fo", usage)
        if not rest:
            return Answer("".join(_MOUNTED["v" if "v" in found else "p" if "p" in found else ""](*row) for row in self.rows()))
        given = dict(w.partition("=")[::2] for w in found.get("o", "rw").split(",") if w)
        entry = self.entry(rest[0]) if len(rest) == 1 else None
        device, point, kind = entry or (*rest, found.get("F", "ufs"))[:3] if len(rest) in (1, 2) else ("", "", "")
        if not device or kind not in _KINDS or (len(rest) == 1 and entry is None):
            raise Failed(f"mount: Mount point {' '.join(rest)} cannot be determined" if kind in _KINDS else usage, 1)
        odd = [w for w in given if w not in _OPTIONS]
        if odd:
            raise Failed(f"mount: -o option {odd[0]} is unknown for FSType {kind}", 32)
        self.mount_checked(device, point, found.get("F", kind), given)
        return Answer()

    def entry(self, word: str) -> tuple[str, str, str] | None:
        """Device, mount point and kind of the line of vfstab that names a device or mount point."""
        for line in self.root.read_file(VFSTAB).decode().splitlines():
            cells = line.split()
            if len(cells) == 7 and not line.startswith("#") and word in (cells[0], cells[2]):
                return cells[0], cells[2], cells[3]
        return None

    def mount_checked(self, device: str, point: str, kind: str, given: dict[str, str]) -> None:
        """Mount, or say why not as mount does."""
        if not self.known_volume(device) or not self.visible(point):
            raise Failed(f"mount: {device} or {point}, no such file or directory", 32)
        data = self.bytes_at(device)
        if data is None:
            raise Failed(f"mount: {device} no such device or address", 32)
        if point in self.mounts or any(m.device == device for m in self.mounts.values()):
            raise Failed(f"mount: {device} is already mounted or {point} is busy", 32)
        header = filesystem.read_header(data)
        if header is None or header.kind != kind:
            raise Failed(f"mount: {device} is not this fstype", 32)
        if not header.clean and kind == "vxfs":
            raise Failed(f"UX:vxfs mount: ERROR: V-3-21268: {device} is corrupted. needs checking", 32)
        if not header.clean and "ro" not in given:
            raise Failed(
                f"mount: The state of {device} is not okay\n\tand it was attempted to be mounted read/write\nmount: Please run fsck and try again",
                32,
            )
        try:
            said = ",".join(k if not v else f"{k}={v}" for k, v in given.items())
            self.mount(point, device, data, read_only="ro" in given, options=said)
        except Damaged as damage:
            raise Failed(f"mount: {device}: I/O error ({damage})", 32) from damage

    def _umount(self, call: Call) -> Answer:
        _, rest = options(call.argv, "f", "", "Usage:\numount [-f] {special | mount-point}")
        point = next((p for p, m in self.mounts.items() if rest and rest[0] in (p, m.device)), None)
        if point is None:
            raise Failed(f"umount: warning: {' '.join(rest)} not in mnttab\numount: {' '.join(rest)} not mounted")
        if self.inside(point) or self.busy(point):
            raise Failed(f"umount: {point} busy")
        self.unmount(point)
        return Answer()

    def _fsck(self, call: Call) -> Answer:
        usage = "Usage:\nfsck [-F FSType] [-m] [-n | -y] [-o specific_options] [special ...]"
        found, rest = options(call.argv, "mnyV", "Fo", usage)
        kind, device = found.get("F", "ufs"), rest[0] if len(rest) == 1 else ""
        if kind not in _KINDS or not device or found.get("o", "full") not in ("full", "f", "p", "nolog"):
            raise Usage(usage, 1)
        data = self.bytes_at(device)
        header = filesystem.read_header(data) if data is not None else None
        if data is None or header is None or header.kind != kind:
            raise Failed(f"fsck: {device}: cannot open or no {kind} file system", 39)
        if any(m.device == device.replace("/rdsk/", "/dsk/") for m in self.mounts.values()):
            raise Failed(f"{kind} fsck: {device} is a mounted file system, ignored", 33)
        if "m" in found:
            good = header.clean
            return Answer(
                "", f"{kind} fsck: sanity check: {device} {'okay' if good else 'needs checking'}\n", 0 if good else 32
            )
        try:
            filesystem.load(data, header) if "n" in found else filesystem.check(data)
        except Damaged as damage:
            said = _FSCK[kind].format(device, header.label)
            raise Failed(f"{said}{damage}\n***** FILE SYSTEM IS BAD *****", 36) from damage
        return Answer(_FSCK[kind].format(device, header.label))

    def _fstyp(self, call: Call) -> Answer:
        _, rest = options(call.argv, "v", "", "usage: fstyp [-v] special")
        data = self.bytes_at(rest[0]) if len(rest) == 1 else None
        header = filesystem.read_header(data) if data is not None else None
        if header is None:
            raise Failed(
                "Unknown_fstyp (no matches)" if data is not None else f"fstyp: cannot stat or open <{' '.join(rest)}>", 1
            )
        return Answer(f"{header.kind}\n")

    def _df(self, call: Call) -> Answer:
        found, rest = options(
            call.argv,
            "kn",
            "F",
            "Usage:\ndf [-F FSType] [-abeghklntVvZ] [-o FSType-specific_options] [directory | block_device | resource ...]",
        )
        if "n" in found:
            return Answer("".join(f"{p:<19}: {k:<7}\n" for _, p, k, _ in self.rows()))
        out = "Filesystem            kbytes    used   avail capacity  Mounted on\n"
        shown = [(device, *_SIZES[point], point) for device, point, _, _ in _SYSTEM]
        shown += [(m.device, m.volume.size >> 10, (m.header.length + 1023) >> 10, m.point) for m in self.mounts.values()]
        for device, size, used, point in shown:
            if not rest or rest[0] in (device, point):
                out += f"{device:<20} {size:>7} {used:>7} {size - used:>7} {100 * used // size if size else 0:>5}%    {point}\n"
        return Answer(out)

    def _lockfs(self, call: Call) -> Answer:
        found, rest = options(call.argv, "awufnvdhe", "c", "usage: lockfs [-dfhnuwe] [-c string] [-a] [file system ...]")
        if not rest:
            held = [m for m in self.mounts.values() if m.frozen]
            return Answer("Filesystem           Locktype   Comment\n" + "".join(f"{m.point:<20} write\n" for m in held))
        for point in rest:
            mounted = self.mounts.get(point)
            if mounted is None or mounted.header.kind != "ufs":
                raise Failed(f"lockfs: {point} is not a mounted ufs file system")
            if "w" in found and mounted.frozen:
                raise Failed(f"lockfs: {point}: File system is locked")
            self.sync_one(mounted)
            mounted.frozen = "w" in found or (mounted.frozen and "u" not in found)
        return Answer()


def _shown(held: Mounted) -> str:
    given = [w for w in held.options.split(",") if w and w not in ("ro", "rw")]
    return ",".join(["ro" if held.read_only else "rw", "suid", *given, "largefiles", "dev=48884d0"])


def _slashes(text: str) -> str:
    return text.replace("rw", "read/write", 1).replace("ro,", "read only,", 1).replace(",", "/")


_DATE = "Mon Nov 23 08:00:00 2026"
_MOUNTED: dict[str, Callable[[str, str, str, str], str]] = {
    "v": lambda d, p, k, o: f"{d} on {p} type {k} {_slashes(o)} on {_DATE}\n",
    "p": lambda d, p, k, o: f"{d} - {p} {k} - no {o}\n",
    "": lambda d, p, k, o: f"{p} on {d} {_slashes(o)} on {_DATE}\n",
}


# The real ones write LZW; what is inside is nobody's business but theirs, so zlib does it here, behind the same two bytes.
_LZW = b"\x1f\x9d"


def _compress(call: Call) -> Answer:
    if set(call.argv) - {"-f", "-c"}:
        raise Usage("usage: compress [-fv] [-b maxbits] [file...]\n       compress -c [-fv] [-b maxbits] [file]")
    return Answer(_LZW + zlib.compress(call.stdin))


def _uncompress(machine: Machine, call: Call) -> Answer:
    if len(call.argv) != 2 or call.argv[0] != "-c":
        raise Usage("usage: uncompress [-cfv] [file...]")
    data = machine.read_file(call.argv[1])
    if not data.startswith(_LZW):
        raise Failed(f"{call.argv[1]}: not in compressed format")
    try:
        return Answer(zlib.decompress(data[2:]))
    except zlib.error as error:
        raise Failed(f"{call.argv[1]}: corrupt input") from error


def _cksum(machine: Machine, call: Call) -> Answer:
    """Of its standard input, or of one file, whose name it prints then."""
    if len(call.argv) > 1:
        raise Usage("cksum: this emulator reads one file only")
    data = machine.read_file(call.argv[0]) if call.argv else call.stdin
    return Answer(f"{zlib.crc32(data)} {len(data)}{''.join(f' {name}' for name in call.argv)}\n")
