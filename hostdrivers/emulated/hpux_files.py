"""The part of an emulated HP-UX that has to do with files: `/etc/fstab`, mount, fsck, bdf, mknod, strings.

Formats follow HP-UX 11.11 to 11.31. What the public sources do not give word for word (the texts of some refusals) is as
near as administrators remember it; exit statuses are what scripts depend on.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from hostdrivers.emulated import filesystem
from hostdrivers.emulated.filesystem import Damaged
from hostdrivers.emulated.machine import Machine, options
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.volumes import Group, Volume, VolumeBytes

TABLE = "/etc/fstab"
WHEN = "Mon Nov 23 08:00:00 2026"
_ROOT = "# System /etc/fstab file.  Static information about the file systems\n/dev/vg00/lvol3 / vxfs delaylog 0 1\n"
_KINDS = ("vxfs", "hfs")
_MOUNT_OPTIONS = ("ro", "rw", "suid", "nosuid", "log", "delaylog", "tmplog", "nodatainlog", "largefiles", "defaults", "mincache")


class HpuxFiles(Machine):
    """Mounts, the table of filesystems, and the special files of `/dev`."""

    def boot(self) -> None:
        """The table as it is after installation, and the system's own group by its special file."""
        self.root.write_file(TABLE, _ROOT.encode())
        self.write_file("/dev/vg00/group", b"c 64 0x000000")

    # --- what the volume manager gives ------------------------------------------------------------------------------

    def device_of_volume(self, path: str) -> tuple[Group, Volume] | None:
        """A logical volume by its block special file."""
        raise NotImplementedError

    def volume_bytes(self, group: Group, volume: Volume) -> VolumeBytes:
        """Its bytes."""
        raise NotImplementedError

    # --- special files ----------------------------------------------------------------------------------------------

    def special(self, path: str) -> tuple[str, str] | None:
        """What mknod, vgimport or insf made: its letter, major and minor number."""
        if not path.startswith("/dev/") or not self.root.exists(path) or self.root.stat(path)["file_type"] != "file":
            return None
        words = self.root.read_file(path).decode("utf-8", "replace").split()
        return (words[0], f"{words[1]:>3} {words[2]}") if len(words) == 3 and words[0] in ("b", "c") else None

    def make_node(self, path: str, kind: str, major: int, minor: int) -> None:
        """A special file."""
        self.write_file(path, f"{kind} {major} 0x{minor:06x}".encode())

    # --- the table --------------------------------------------------------------------------------------------------

    def add_entry(self, device: str, point: str, kind: str) -> None:
        """One more line."""
        text = self.root.read_file(TABLE).decode()
        self.root.write_file(TABLE, f"{text}{device} {point} {kind} delaylog 0 2\n".encode())

    def entries(self) -> list[list[str]]:
        """Its lines as words, without comments."""
        lines = self.root.read_file(TABLE).decode().splitlines()
        return [line.split() for line in lines if line.strip() and not line.startswith("#")]

    # --- commands ---------------------------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        """By name."""
        table: dict[str, Callable[[Call], Answer]] = {
            "mount": self._mount, "umount": self._umount, "fsck": self._fsck, "fstyp": self._fstyp, "bdf": self._bdf,
            "fuser": self._fuser, "uname": self._uname, "strings": self._strings, "mknod": self._mknod,
        }  # fmt: skip
        return dict(table)

    @property
    def release(self) -> str:
        """What uname -r says."""
        raise NotImplementedError

    def _uname(self, call: Call) -> Answer:
        found, rest = options(call.argv, "amnrsvi", "", "usage: uname [-amnrsvi]")
        if rest:
            raise Usage("usage: uname [-amnrsvi]")
        words = {"s": "HP-UX", "n": self.name, "r": self.release, "v": "U", "m": "9000/800", "i": "2015363744"}
        return Answer(" ".join(w for k, w in words.items() if k in found or "a" in found or (not found and k == "s")) + "\n")

    def _strings(self, call: Call) -> Answer:
        _, rest = options(call.argv, "a", "n", "usage: strings [-a] [-n number] [file...]")
        out = ""
        for path in rest:
            try:
                data = self.read_file(path)
            except OSError as error:
                raise Failed(f"strings: {path}: cannot open") from error
            out += "".join(word.decode() + "\n" for word in re.findall(rb"[\x20-\x7e]{4,}", data))
        return Answer(out)

    def _mknod(self, call: Call) -> Answer:
        if len(call.argv) != 4 or call.argv[1] not in ("b", "c"):
            raise Usage("usage: mknod name [b | c] major minor", 2)
        path = posixpath.join(call.cwd, call.argv[0])
        try:
            major, minor = (int(word, 0) for word in call.argv[2:])
        except ValueError as error:
            raise Usage("mknod: badly formed number", 2) from error
        if self.root.exists(path):
            raise Failed(f"mknod: {path}: File exists", 2)
        if not self.root.exists(posixpath.dirname(path)):
            raise Failed(f"mknod: {path}: No such file or directory", 2)
        self.make_node(path, call.argv[1], major, minor)
        return Answer()

    def _fuser(self, call: Call) -> Answer:
        options(call.argv, "cfku", "", "usage: fuser [-cfku] file ...")
        return Answer("", "".join(f"{word}: \n" for word in call.argv if word.startswith("/")))

    def _fstyp(self, call: Call) -> Answer:
        found, rest = options(call.argv, "lv", "", "usage: fstyp [-v] special")
        if "l" in found:
            return Answer("".join(f"{kind}\n" for kind in _KINDS))
        at = self.device_of_volume(rest[0].replace("/r", "/", 1)) or self.device_of_volume(rest[0]) if len(rest) == 1 else None
        if at is None:
            raise Failed(f"fstyp: cannot stat {' '.join(rest)}: No such file or directory", 2)
        header = filesystem.read_header(self.volume_bytes(*at))
        if header is None:
            raise Failed("unknown_fstyp (no matches)")
        return Answer(f"{header.kind}\n")

    # --- mount ------------------------------------------------------------------------------------------------------

    def _rows(self) -> list[tuple[str, str, str, str]]:
        rows = [("/dev/vg00/lvol3", "/", "vxfs", "ioerror=mwdisable,delaylog,dev=40000003")]
        return rows + [(m.device, m.point, m.header.kind, m.options or "delaylog") for m in self.mounts.values()]

    def _mount(self, call: Call) -> Answer:
        usage = "usage: mount [-F FStype] [-l | -p | -v] [-o specific_options] [-a | special directory]"
        if call.argv in ((), ("-v",), ("-p",)):
            shape = {
                (): "{1} on {0} {3} on {4}\n",
                ("-v",): "{0} on {1} type {2} {3} on {4}\n",
                ("-p",): "{0} {1} {2} {3} 0 0\n",
            }[call.argv]
            return Answer("".join(shape.format(*row, WHEN) for row in self._rows()))
        found, rest = options(call.argv, "r", "Fo", usage)
        entry = next((e for e in self.entries() if len(rest) == 1 and rest[0] in e[:2]), None)
        device, point = entry[:2] if entry else rest if len(rest) == 2 else ("", "")
        words = dict(w.partition("=")[::2] for w in found.get("o", entry[3] if entry else "delaylog").split(",") if w)
        kind = found.get("F", entry[2] if entry else "hfs")
        odd = [w for w in words if w not in _MOUNT_OPTIONS]
        if odd or not device:
            raise Usage(f"{kind} mount: illegal -o suboption -- {odd[0]}" if odd else usage)
        if kind not in _KINDS:
            raise Usage(f"mount: FStype {kind} is not known to this system")
        self.mount_checked(device, point, kind, words | ({"ro": ""} if "r" in found else {}))
        return Answer()

    def mount_checked(self, device: str, point: str, kind: str, words: dict[str, str]) -> None:
        """Mount, or say why not as mount does."""
        at = self.device_of_volume(device)
        if at is None:
            raise Failed(f"{kind} mount: Cannot open {device}: No such device or address")
        if point in self.mounts or any(m.device == device for m in self.mounts.values()):
            raise Failed(f"{kind} mount: {device} already mounted, {point} is busy,\n\tor the allowable number of mount points has been exceeded")  # fmt: skip
        if not self.visible(point):
            raise Failed(f"{kind} mount: Cannot find {point}")
        data = self.volume_bytes(*at)
        header = filesystem.read_header(data)
        if header is None or header.kind != kind:
            raise Failed(f"{kind} mount: {device} is not a {kind} file system.")
        if not header.clean:
            raise Failed(f"{kind} mount: {device} is corrupted. needs checking")
        try:
            text = ",".join(k if not v else f"{k}={v}" for k, v in words.items())
            self.mount(point, device, data, read_only="ro" in words, options=text)
        except Damaged as damage:
            raise Failed(f"{kind} mount: {device} is corrupted. needs checking: {damage}") from damage

    def _umount(self, call: Call) -> Answer:
        _, rest = options(call.argv, "v", "F", "usage: umount [-v] [-F FStype] {special | directory}")
        point = next((p for p, m in self.mounts.items() if rest and rest[0] in (p, m.device)), None)
        if point is None:
            raise Failed(f"umount: cannot find {' '.join(rest)} in /etc/mnttab\numount: return error 1.")
        if self.inside(point) or f"busy:{point}" in self.faults:
            raise Failed(f"umount: cannot unmount {point} : Device busy\numount: return error 1.")
        self.unmount(point)
        return Answer()

    def _fsck(self, call: Call) -> Answer:
        usage = "usage: fsck [-F FStype] [-y | -n] [-o full] special"
        found, rest = options(call.argv, "ynmp", "Fo", usage)
        if len(rest) != 1 or found.get("F", "vxfs") not in _KINDS or found.get("o", "full") not in ("full", "nolog"):
            raise Usage(usage)
        kind, device = found.get("F", "vxfs"), re.sub(r"/r([^/]+)$", r"/\1", rest[0])
        at = self.device_of_volume(device)
        if at is None or not self.root.exists(rest[0]):
            raise Failed(f"{kind} fsck: Cannot open {rest[0]}: No such device or address", 36)
        if any(m.device == device for m in self.mounts.values()):
            raise Failed(f"{kind} fsck: {rest[0]} is a mounted file system", 33)
        data = self.volume_bytes(*at)
        header = filesystem.read_header(data)
        if header is None or header.kind != kind:
            raise Failed(f"{kind} fsck: not a valid {kind} file system: {rest[0]}", 36)
        if header.clean and "m" in found:
            return Answer(f"{kind} fsck: sanity check: {rest[0]} OK\n")
        try:
            if "n" in found:
                filesystem.load(data, header)
            else:
                filesystem.check(data)
        except Damaged as damage:
            raise Failed(f"file system check failure, aborting ...: {damage}", 12) from damage
        if header.clean and found.get("o") != "full":
            return Answer("file system is clean - log replay is not required\n")
        return Answer("log replay in progress\nreplay complete - marking super-block as CLEAN\n")

    def _bdf(self, call: Call) -> Answer:
        found, _ = options(call.argv, "bilsL", "t", "usage: bdf [-b] [-i] [-l] [-t type] [filesystem...]")
        out = "Filesystem          kbytes    used   avail %used Mounted on\n"
        rows = [("/dev/vg00/lvol3", 1048576, 524288, "/", "vxfs")]
        for m in self.mounts.values():
            rows.append((m.device, m.volume.size >> 10, (m.header.length + 1023) >> 10, m.point, m.header.kind))
        for device, size, used, point, kind in rows:
            if found.get("t", kind) == kind:
                head = f"{device:<18}" if len(device) <= 18 else f"{device}\n{'':18}"
                out += f"{head} {size:>7} {used:>7} {size - used:>7} {100 * used // size:>4}% {point}\n"
        return Answer(out)
