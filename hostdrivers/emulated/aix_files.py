"""The part of an emulated AIX that has to do with files: `/etc/filesystems`, mount, fsck, chfs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from hostdrivers.emulated import filesystem
from hostdrivers.emulated.filesystem import Damaged
from hostdrivers.emulated.machine import Machine, Mounted, options
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.volumes import Disk, Group, Volume, VolumeBytes

TABLE = "/etc/filesystems"
_ROOT = "/:\n\tdev\t\t= /dev/hd4\n\tvfs\t\t= jfs2\n\tlog\t\t= /dev/hd8\n\tmount\t\t= automatic\n\ttype\t\t= bootfs\n\n"
_ROOT_BLOCKS = 262144
_KINDS = ("jfs", "jfs2")
_MOUNT_OPTIONS = ("ro", "rw", "nosuid", "nodev", "log")


class AixFiles(Machine):
    """Mounts, and the table of filesystems."""

    def boot(self) -> None:
        """The table as it is after installation."""
        self.root.write_file(TABLE, _ROOT.encode())
        self.timers: dict[str, asyncio.TimerHandle] = {}

    # --- what the volume manager gives ------------------------------------------------------------------------------

    def device_of_volume(self, path: str) -> tuple[Group, Volume] | None:
        """A logical volume by its device."""
        raise NotImplementedError

    def volume_bytes(self, group: Group, volume: Volume) -> VolumeBytes:
        """Its bytes."""
        raise NotImplementedError

    def serial_shown(self, disk: Disk) -> str:
        """The serial that the device gives; an accident may swap it."""
        return disk.serial

    # --- the table --------------------------------------------------------------------------------------------------

    def stanzas(self) -> dict[str, dict[str, str]]:
        """By mount point."""
        out: dict[str, dict[str, str]] = {}
        for line in self.root.read_file(TABLE).decode().splitlines():
            if line.endswith(":") and not line.startswith(("\t", " ", "*")):
                out[line[:-1]] = {}
            elif "=" in line and out:
                key, _, value = line.partition("=")
                out[next(reversed(out))][key.strip()] = value.strip()
        return out

    def _write(self, table: dict[str, dict[str, str]]) -> None:
        text = "".join(f"{p}:\n" + "".join(f"\t{k}\t\t= {v}\n" for k, v in words.items()) + "\n" for p, words in table.items())
        self.root.write_file(TABLE, text.encode())

    def add_stanza(self, point: str, device: str, kind: str, log: str) -> None:
        """One more, unless there is one for that mount point."""
        table = self.stanzas()
        table.setdefault(point, {"dev": device, "vfs": kind, "log": log, "mount": "true", "options": "rw", "account": "false"})
        self._write(table)

    def drop_stanza(self, device: str) -> None:
        """Those of a device."""
        self._write({p: words for p, words in self.stanzas().items() if words.get("dev") != device})

    # --- commands ---------------------------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        """By name."""
        table: dict[str, Callable[[Call], Answer]] = {
            "mount": self._mount, "umount": self._umount, "fsck": self._fsck, "lsfs": self._lsfs, "chfs": self._chfs,
            "df": self._df, "oslevel": self._oslevel, "uname": self._uname, "fuser": self._fuser, "logredo": self._fsck,
        }  # fmt: skip
        return dict(table)

    def _uname(self, call: Call) -> Answer:
        found, rest = options(call.argv, "anrsvm", "", "Usage: uname [-anrsvm]")
        words = {"s": "AIX", "n": self.name, "r": "2", "v": "7", "m": "00C6CE9D4C00"}
        wanted = [w for k, w in words.items() if k in found or "a" in found] or ["AIX"]
        if rest:
            raise Usage("Usage: uname [-anrsvm]")
        return Answer(" ".join(wanted) + "\n")

    def _oslevel(self, call: Call) -> Answer:
        options(call.argv, "srq", "", "Usage: oslevel [-s]")
        return Answer("7200-05-03-2148\n" if "-s" in call.argv else "7.2.0.0\n")

    def _fuser(self, call: Call) -> Answer:
        options(call.argv, "cdfkux", "", "Usage: fuser [-cdfkux] file ...")
        return self.users(call)

    def _lsfs(self, call: Call) -> Answer:
        found, rest = options(call.argv, "clq", "", "Usage: lsfs [-c | -l] [-q] [FileSystem...]")
        table = self.stanzas()
        missing = [p for p in rest if p not in table]
        if missing:
            raise Failed(f"lsfs: 0506-915 No record matching {missing[0]} was found in {TABLE}.")
        out = "#MountPoint:Device:Vfs:Nodename:Type:Size:Options:AutoMount:Acct\n" if "c" in found else ""
        for point, words in table.items():
            if not rest or point in rest:
                auto = "yes" if words.get("mount") in ("true", "automatic") else "no"
                at = self.device_of_volume(words["dev"])
                size = self.volume_bytes(*at).size // 512 if at else _ROOT_BLOCKS if point == "/" else 0
                out += f"{point}:{words['dev']}:{words['vfs']}:::{size}:{words.get('options', 'rw')}:{auto}:no\n"
        return Answer(out)

    def _mount(self, call: Call) -> Answer:
        if not call.argv:
            return Answer(self._mounted())
        found, rest = options(call.argv, "", "vVo", "Usage: mount [-v Vfs] [-o Options] Device Directory")
        words = dict(w.partition("=")[::2] for w in found.get("o", "rw").split(",") if w)
        odd = [w for w in words if w not in _MOUNT_OPTIONS]
        stanza = self.stanzas().get(rest[0], {}) if len(rest) == 1 else {}
        device, point = (stanza.get("dev", ""), rest[0]) if stanza else rest if len(rest) == 2 else ("", "")
        kind = found.get("v", found.get("V", stanza.get("vfs", "jfs2")))
        if odd or kind not in _KINDS or not device:
            raise Usage(f"mount: 0506-322 Cannot mount {' '.join(rest)}: unknown option or file system.")
        self.mount_checked(device, point, kind, words)
        return Answer()

    def mount_checked(self, device: str, point: str, kind: str, words: dict[str, str]) -> None:
        """Mount, or say why not as mount does."""
        at = self.device_of_volume(device)
        where = f"mount: 0506-324 Cannot mount {device} on {point}: "
        if at is None:
            raise Failed(where + "A file or directory in the path name does not exist.")
        if point in self.mounts or any(m.device == device for m in self.mounts.values()):
            raise Failed(f"mount: 0506-365 Cannot mount {device} on {point}: The requested resource is busy.")
        if not self.visible(point):
            raise Failed(where + "A file or directory in the path name does not exist.")
        data = self.volume_bytes(*at)
        header = filesystem.read_header(data)
        if header is None or header.kind != kind:
            raise Failed(where + "A system call received a parameter that is not valid.")
        log = words.get("log") or at[1].fs.get("log", "")
        if log not in ("", "INLINE") and self.device_of_volume(log) is None:
            raise Failed(where + f"The log device {log} does not exist.")
        if header.guard:
            raise Failed(
                f"mount: 0506-307 The file system {point} is guarded against concurrent mounts; run fsck, or chfs -a mountguard=no.",
                1,
            )
        if not header.clean and "ro" not in words:
            raise Failed(f"mount: 0506-342 The superblock on {device} is dirty.  Run a full fsck to fix.")
        try:
            self.mount(
                point,
                device,
                data,
                read_only="ro" in words,
                options=",".join(k if not v else f"{k}={v}" for k, v in words.items()),
            )
        except Damaged as damage:
            raise Failed(where + f"Media is surface damaged: {damage}") from damage

    def _mounted(self) -> str:
        out = "  node       mounted        mounted over    vfs       date        options      \n"
        out += "-------- ---------------  ---------------  ------ ------------ --------------- \n"
        rows = [("/dev/hd4", "/", "jfs2", "rw,log=/dev/hd8")]
        rows += [(m.device, m.point, m.header.kind, m.options or "rw") for m in self.mounts.values()]
        return out + "".join(f"         {d:<16} {p:<16} {k:<6} Nov 23 08:00 {o:<15}\n" for d, p, k, o in rows)

    def _umount(self, call: Call) -> Answer:
        _, rest = options(call.argv, "f", "", "Usage: umount [-f] {Directory | Device}")
        point = next((p for p, m in self.mounts.items() if rest and rest[0] in (p, m.device)), None)
        if point is None:
            raise Failed("umount: 0506-347 Cannot find anything to unmount.")
        if any(p.startswith(point + "/") for p in self.mounts) or self.busy(point):
            raise Failed(f"umount: 0506-349 Cannot unmount {self.mounts[point].device}: The requested resource is busy.")
        self.unmount(point)
        return Answer()

    def _fsck(self, call: Call) -> Answer:
        found, rest = options(call.argv, "ynpf", "V", "Usage: fsck [-n] [-p] [-y] [-f] [-V Vfs] FileSystem")
        stanza = self.stanzas().get(rest[0], {}) if len(rest) == 1 else {}
        device = stanza.get("dev", rest[0] if rest else "").replace("/dev/r", "/dev/", 1) if rest else ""
        at = self.device_of_volume(device) or self.device_of_volume(rest[0] if rest else "")
        if at is None:
            raise Failed(f"fsck: 0506-015 Cannot find {' '.join(rest)}.", 8)
        if any(m.device == device for m in self.mounts.values()):
            raise Failed(f"fsck: {device} is mounted; it cannot be checked.", 8)
        data = self.volume_bytes(*at)
        try:
            if "n" in found:
                header = filesystem.read_header(data)
                if header is not None:
                    filesystem.load(data, header)
            else:
                filesystem.check(data)
        except Damaged as damage:
            raise Failed(f"The current volume is: {device}\nUnrecoverable error: {damage}.", 8) from damage
        return Answer(f"The current volume is: {device}\nPrimary superblock is valid.\nFile system is clean.\n")

    def _df(self, call: Call) -> Answer:
        options(call.argv, "Pkgm", "", "Usage: df [-Pkm]")
        out = "Filesystem    1024-blocks      Used Available Capacity Mounted on\n/dev/hd4           131072     65536     65536      50% /\n"
        for m in self.mounts.values():
            size, used = m.volume.size >> 10, (m.header.length + 1023) >> 10
            out += f"{m.device} {size} {used} {size - used} {100 * used // size}% {m.point}\n"
        return Answer(out)

    # --- freeze -----------------------------------------------------------------------------------------------------

    def _chfs(self, call: Call) -> Answer:
        found, rest = options(call.argv, "", "a", "Usage: chfs -a Attribute=Value FileSystem")
        name, _, value = found.get("a", "").partition("=")
        if len(rest) != 1 or name not in ("freeze", "mountguard"):
            raise Usage("Usage: chfs -a Attribute=Value FileSystem")
        held = self.mounts.get(rest[0])
        if name == "mountguard":
            return self._unguard(rest[0], value)
        if held is None or held.header.kind != "jfs2":
            raise Failed(f"chfs: {rest[0]} is not a mounted JFS2 file system.")
        return self._thaw(held) if value == "off" else self._freeze(held, value)

    def _freeze(self, held: Mounted, seconds: str) -> Answer:
        if not seconds.isdigit() or held.frozen:
            raise Failed(f"chfs: {held.point} cannot be frozen.")
        self.sync_one(held)
        held.frozen = True
        self.timers[held.point] = asyncio.get_running_loop().call_later(int(seconds), lambda: setattr(held, "frozen", False))
        return Answer()

    def _thaw(self, held: Mounted) -> Answer:
        if not held.frozen:
            raise Failed(f"chfs: {held.point} is not frozen.")
        held.frozen = False
        self.timers.pop(held.point).cancel()
        return Answer()

    def _unguard(self, point: str, value: str) -> Answer:
        at = self.device_of_volume(self.stanzas().get(point, {}).get("dev", ""))
        if at is None or value not in ("yes", "no"):
            raise Failed(f"chfs: 0506-915 No record matching {point} was found in {TABLE}.")
        data = self.volume_bytes(*at)
        header = filesystem.read_header(data)
        if header is not None:
            filesystem.write_header(data, replace(header, guard=value == "yes"))
        return Answer()
