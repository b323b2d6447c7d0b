"""The part of an emulated HP-UX that has to do with files: /etc/fstab, mount, fsck, bdf, special files."""

from __future__ import annotations

from collections.abc import Callable

from hostdrivers.emulated import filesystem
from hostdrivers.emulated.filesystem import Damaged
from hostdrivers.emulated.machine import Machine, options
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.volumes import Group, Volume, VolumeBytes

FSTAB = "/etc/fstab"
_KINDS = ("vxfs", "hfs")
_OPTIONS = ("ro", "rw", "delaylog", "log", "nosuid", "largefiles")
_CLEAN = "file system is clean - log replay is not required\n"
_REPLAYED = "log replay in progress\nreplay complete - marking super-block as CLEAN\n"


class HpuxFiles(Machine):
    """Mounts, and the table of filesystems."""

    gnu = "/usr/local/bin"
    agile = False

    def boot(self) -> None:
        """The table as it is after installation; special files that `mknod` made."""
        self.root.write_file(FSTAB, b"/dev/vg00/lvol3 / vxfs delaylog 0 1\n/dev/vg00/lvol1 /stand hfs defaults 0 1\n")
        self.nodes: dict[str, tuple[str, int, int]] = {}

    # --- what the volume manager gives ------------------------------------------------------------------------------

    def device_of_volume(self, path: str) -> tuple[Group, Volume] | None:
        """A logical volume of an active group by its block or raw device."""
        raise NotImplementedError

    def volume_bytes(self, group: Group, volume: Volume) -> VolumeBytes:
        """Its bytes."""
        raise NotImplementedError

    def add_entry(self, device: str, point: str, kind: str) -> None:
        """One more line of the table."""
        self.root.write_file(FSTAB, self.root.read_file(FSTAB) + f"{device} {point} {kind} delaylog 0 2\n".encode())

    def special(self, path: str) -> tuple[str, str] | None:
        """How `ls -l` shows a special file: major and minor where files have their size."""
        if path in self.nodes:
            kind, major, minor = self.nodes[path]
            return kind, f"{major} 0x{minor:06x}"
        return super().special(path)

    # --- commands ---------------------------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        """By name."""
        table: dict[str, Callable[[Call], Answer]] = {
            "mount": self._mount, "umount": self._umount, "fsck": self._fsck, "fstyp": self._fstyp, "bdf": self._bdf,
            "uname": self._uname, "fuser": self._fuser, "mknod": self._mknod, "rm": self._rm,
        }  # fmt: skip
        return dict(table)

    def _uname(self, call: Call) -> Answer:
        found, rest = options(call.argv, "anrsvm", "", "usage: uname [-anrsvm]")
        words = {"s": "HP-UX", "n": self.name, "r": "B.11.31" if self.agile else "B.11.11", "v": "U", "m": "9000/800"}
        if rest:
            raise Usage("usage: uname [-anrsvm]")
        return Answer(" ".join(w for k, w in words.items() if k in found or "a" in found) + "\n" if found else "HP-UX\n")

    def _fuser(self, call: Call) -> Answer:
        options(call.argv, "cfku", "", "usage: fuser [-cfku] file ...")
        return self.users(call)

    def _mknod(self, call: Call) -> Answer:
        if len(call.argv) != 4 or call.argv[1] not in "bc" or not call.argv[2].isdigit() or not call.argv[3].startswith("0x"):
            raise Usage("usage: mknod name [b|c] major minor", 2)
        path = call.argv[0]
        if self.root.exists(path):
            raise Failed(f"mknod: {path}: File exists", 2)
        if not self.root.exists(path.rsplit("/", 1)[0]):
            raise Failed(f"mknod: {path}: No such file or directory", 2)
        self.root.write_file(path, b"")
        self.nodes[path] = (call.argv[1], int(call.argv[2]), int(call.argv[3], 16))
        return Answer()

    def _rm(self, call: Call) -> Answer:
        found, rest = options(call.argv, "rfi", "", "usage: rm [-Rfir] file ...", 2)
        for path in rest:
            whole = path if path.startswith("/") else f"{call.cwd.rstrip('/')}/{path}"
            if self.root.exists(whole):
                self.root.remove(whole, "r" in found)
                self.nodes = {p: n for p, n in self.nodes.items() if p != whole and not p.startswith(whole + "/")}
            elif "f" not in found:
                raise Failed(f"rm: {path} non-existent", 2)
        return Answer()

    def _mount(self, call: Call) -> Answer:
        usage = "usage: mount [-F FStype] [-o specific_options] {special | directory}"
        if call.argv in ((), ("-v",)):
            return Answer(self._mounted(bool(call.argv)))
        found, rest = options(call.argv, "", "Fo", usage)
        words = [w for w in found.get("o", "rw").split(",") if w]
        table = {w[1]: w for line in self.root.read_file(FSTAB).decode().splitlines() if len(w := line.split()) > 3}
        if len(rest) == 1 and rest[0] in table:
            rest = [table[rest[0]][0], rest[0]]
        kind = found.get("F", table.get(rest[-1] if rest else "", ["", "", "vxfs"])[2])
        if len(rest) != 2 or kind not in _KINDS or any(w not in _OPTIONS for w in words):
            raise Usage(usage)
        self.mount_checked(rest[0], rest[1], kind, words)
        return Answer()

    def mount_checked(self, device: str, point: str, kind: str, words: list[str]) -> None:
        """Mount, or say why not as mount does."""
        at = self.device_of_volume(device)
        where = f"{kind} mount: "
        if at is None:
            raise Failed(f"{where}Cannot open {device}: No such device or address")
        if point in self.mounts or any(m.device == device for m in self.mounts.values()):
            raise Failed(f"{where}{device} is already mounted, {point} is busy, or allowable number of mount points exceeded")
        if not self.visible(point):
            raise Failed(f"{where}{point}: No such file or directory")
        data = self.volume_bytes(*at)
        header = filesystem.read_header(data)
        if header is None or header.kind != kind:
            raise Failed(f"{where}{device} is not a {kind} file system")
        if not header.clean:
            raise Failed(f"{where}{device} is corrupted. needs checking")
        try:
            self.mount(point, device, data, read_only="ro" in words, options=",".join(words))
        except Damaged as damage:
            raise Failed(f"{where}{device}: {damage}") from damage

    def _mounted(self, verbose: bool) -> str:
        rows = [("/dev/vg00/lvol3", "/", "vxfs", "log,delaylog"), ("/dev/vg00/lvol1", "/stand", "hfs", "defaults")]
        rows += [(m.device, m.point, m.header.kind, m.options or "rw") for m in self.mounts.values()]
        if verbose:
            return "".join(f"{d} on {p} type {k} {o} on Mon Nov 23 08:00:00 2026\n" for d, p, k, o in rows)
        return "".join(f"{p} on {d} {o} on Mon Nov 23 08:00:00 2026\n" for d, p, _, o in rows)

    def _umount(self, call: Call) -> Answer:
        _, rest = options(call.argv, "av", "F", "usage: umount [-v] {special | directory}")
        point = next((p for p, m in self.mounts.items() if rest and rest[0] in (p, m.device)), None)
        if point is None:
            raise Failed(f"umount: cannot find {rest[0] if rest else ''} in /etc/mnttab")
        if self.inside(point) or self.busy(point):
            raise Failed(f"umount: cannot unmount {point} : Device busy")
        self.unmount(point)
        return Answer()

    def _fsck(self, call: Call) -> Answer:
        found, rest = options(call.argv, "ynm", "Fo", "usage: fsck [-F FStype] [-m] [-y | -n] [-o options] special")
        at = self.device_of_volume(rest[0]) if len(rest) == 1 else None
        if at is None or found.get("F", "vxfs") not in _KINDS:
            raise Failed(f"fsck: cannot open {' '.join(rest)}", 8)
        block = f"/dev/{at[0].name}/{at[1].name}"
        if any(m.device == block for m in self.mounts.values()):
            raise Failed(f"UX:vxfs fsck: ERROR: V-3-20453: {block} is mounted, cannot fsck", 36)
        data = self.volume_bytes(*at)
        header = filesystem.read_header(data)
        if header is None:
            raise Failed(f"vxfs fsck: not a valid vxfs file system: {rest[0]}", 1)
        try:
            if "n" in found:
                filesystem.load(data, header)
            else:
                filesystem.check(data)
        except Damaged as damage:
            raise Failed(f"vxfs fsck: file system had I/O error(s) on meta-data: {damage}", 1) from damage
        return Answer(_CLEAN if header.clean else _REPLAYED)

    def _fstyp(self, call: Call) -> Answer:
        _, rest = options(call.argv, "vl", "", "usage: fstyp [-v] special")
        at = self.device_of_volume(rest[0]) if len(rest) == 1 else None
        header = filesystem.read_header(self.volume_bytes(*at)) if at else None
        if header is None:
            raise Failed(f"unknown_fstyp (no matches) {rest[0] if rest else ''}".rstrip())
        return Answer(f"{header.kind}\n")

    def _bdf(self, call: Call) -> Answer:
        _, rest = options(call.argv, "li", "t", "usage: bdf [-b] [-i] [-l] [-t type | [filesystem|file] ... ]")
        if missing := [p for p in rest if not self.visible(p) and self.device(p) is None]:
            raise Failed(f"bdf: {missing[0]}: No such file or directory")
        wanted = {m.point for m in self.mounts.values() if not rest or {m.point, m.device} & set(rest)}
        root = "" if rest and "/" not in rest else "/dev/vg00/lvol3     204800  102400  102400   50% /\n"
        out = f"Filesystem          kbytes    used   avail %used Mounted on\n{root}"
        for m in (m for m in self.mounts.values() if m.point in wanted):
            size, used = m.volume.size >> 10, (m.header.length + 1023) >> 10
            numbers = f"{size:>8} {used:>7} {size - used:>7} {100 * used // size:>4}% {m.point}\n"
            out += f"{m.device:<19}{numbers}" if len(m.device) < 19 else f"{m.device}\n{'':<19}{numbers}"
        return Answer(out)
