"""Mounts, tables and everyday commands of an emulated Linux: what does not belong to LVM.

Formats: Debian 12 (util-linux 2.38, coreutils 9.1), as recorded in the lab. The sandboxed shell cannot read from the SSH
channel, which `line` can, and has no device files: the commands here see both.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from hostdrivers.emulated import filesystem
from hostdrivers.emulated.filesystem import Damaged
from hostdrivers.emulated.machine import Machine, Mounted, options
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.tools import common_programs, reads_input
from hostdrivers.emulated.volumes import VolumeBytes

KERNEL = "6.1.0-emulated-amd64"
OWN_MOUNTS = (
    ("proc", "/proc", "proc", "rw,relatime"), ("sysfs", "/sys", "sysfs", "rw,relatime"),
    ("dev", "/dev", "devtmpfs", "rw,relatime,mode=755"), ("/dev/vda", "/", "ext4", "rw,relatime"),
    ("tmpfs", "/run", "tmpfs", "rw,relatime,mode=755"),
)  # fmt: skip
OWN_DISK = (4 << 30, 1 << 30)  # bytes of the root filesystem, and how many are used
_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm), emulated"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
_KINDS = ("ext4", "xfs")
_MOUNT_WORDS = frozenset("defaults rw ro nodev nosuid noexec noatime relatime nouuid".split())  # noqa: SIM905  one list of words


class LinuxFiles(Machine):
    """The part of a Linux host that knows files and mounts; `node_bytes` is LVM's."""

    os = "linux"
    no_file = "ls: cannot access '{}': No such file or directory"
    not_found = "bash: line 1: {}: command not found"
    system_group = "root"
    gnu = "/usr/bin"

    def boot(self) -> None:
        """What a fresh Debian has."""
        for directory in ("/proc/sys/kernel/random", "/sys/class/scsi_host/host0", "/sys/block", "/sys/class/block", "/dev/mapper",
                          "/run", "/mnt", "/srv", "/etc/lvm"):  # fmt: skip
            self.root.mkdir(directory, True)
        self.root.write_file("/etc/os-release", _RELEASE.encode())
        self.root.write_file("/etc/fstab", b"# what is mounted when this host starts\n")
        self.root.write_file("/proc/swaps", b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
        self.root.write_file("/proc/sys/kernel/random/boot_id", b"5f0c0b4e-6c1f-4f5e-9a53-0a7a3a2f4c11\n")

    # --- what LVM tells -----------------------------------------------------------------------------------------------

    def node_name(self, path: str) -> str:
        """The device-mapper name behind a node, empty for none."""
        raise NotImplementedError

    def node_bytes(self, name: str) -> VolumeBytes:
        """The bytes of a mapped volume."""
        raise NotImplementedError

    def is_block(self, path: str) -> bool:
        """Whether the path is a block device."""
        return self.device(path) is not None or bool(self.node_name(path))

    def held(self, name: str) -> list[Mounted]:
        """The mounts of a mapped volume."""
        return [m for m in self.mounts.values() if m.device == f"/dev/mapper/{name}"]

    # --- mounts -------------------------------------------------------------------------------------------------------

    def mount_checked(self, device: str, point: str, kind: str, options: str) -> None:
        """mount: replays the journal, that is proves the contents, and refuses a second XFS of one UUID."""
        name = self.node_name(device)
        if not name:
            raise Failed(f"mount: {point}: special device {device} does not exist.", 32)
        if point in self.mounts:
            raise Failed(f"mount: {point}: {device} already mounted or mount point busy.", 32)
        if not self.root.exists(point):
            raise Failed(f"mount: {point}: mount point does not exist.", 32)
        words = options.split(",")
        volume = self.node_bytes(name)
        header = filesystem.read_header(volume)
        if header is None or header.kind != kind:
            raise Failed(
                f"mount: {point}: wrong fs type, bad option, bad superblock on /dev/mapper/{name}, missing codepage.", 32
            )
        twins = [m for m in self.mounts.values() if m.header.uuid == header.uuid and m.header.kind == "xfs"]
        if kind == "xfs" and twins and "nouuid" not in words:
            raise Failed(
                f"mount: {point}: wrong fs type, bad option, bad superblock on /dev/mapper/{name}, missing codepage.", 32
            )
        try:
            filesystem.check(volume)
        except Damaged as torn:
            raise Failed(f"mount: {point}: can't read superblock on /dev/mapper/{name} ({torn}).", 32) from torn
        shown = [w for w in words if w not in ("defaults", "rw", "ro")]
        text = ",".join(["ro" if "ro" in words else "rw", *shown])
        self.mount(point, f"/dev/mapper/{name}", volume, read_only="ro" in words, options=text)

    def add_entry(self, device: str, point: str, kind: str) -> None:
        """A line in fstab."""
        old = self.read_file("/etc/fstab").decode()
        self.write_file("/etc/fstab", f"{old}{device} {point.replace(' ', chr(92) + '040')} {kind} defaults 0 2\n".encode())

    def rows(self) -> list[dict[str, Any]]:
        """What findmnt knows, in the order of mounting."""
        own = [
            {"source": s, "target": t, "fstype": k, "options": o, "uuid": None, "label": None, "size": 0, "used": 0}
            for s, t, k, o in OWN_MOUNTS
        ]
        return own + [
            {"source": m.device, "target": m.point, "fstype": m.header.kind, "options": m.options + ",relatime", "uuid": m.header.uuid,
             "label": m.header.label or None, "size": m.volume.size, "used": m.header.length}
            for m in self.mounts.values()
        ]  # fmt: skip

    # --- commands -----------------------------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        """By name."""
        table: dict[str, Callable[[Call], Answer]] = {
            "findmnt": self._findmnt, "mountpoint": self._mountpoint, "mount": self._mount, "umount": self._umount,
            "fsfreeze": self._fsfreeze, "fsck": self._fsck, "e2fsck": self._fsck, "xfs_repair": self._fsck, "blkid": self._blkid, "fuser": self._fuser, "uname": self._uname,
            "test": self._test, "[": self._test, "mkdir": self._mkdir, "date": self._date, "df": self._df,
        }  # fmt: skip
        return {
            **table,
            "head": reads_input(lambda call: self._head(call)),
            "tee": reads_input(lambda call: self._tee(call)),
            "timeout": self._timeout,
        }

    async def _timeout(self, call: Call) -> Answer:
        """Run the command behind it; nothing here takes long enough to be killed."""
        words = list(call.argv)
        if words[:1] == ["-s"]:
            del words[:2]
        if len(words) < 2 or not re.fullmatch(r"[0-9.]+[smh]?", words[0]):
            raise Usage("timeout: missing operand", 125)
        _, name, *rest = words
        known = {**common_programs(self, None), **self.programs()}
        if name not in known:
            return Answer("", f"timeout: failed to run command '{name}': No such file or directory\n", 127)
        answer = known[name](Call(name, tuple(rest), call.stdin, call.env, call.cwd))
        return await answer if isinstance(answer, Awaitable) else answer

    def _date(self, call: Call) -> Answer:
        now = datetime.now(UTC)
        forms = {"+%s": f"{now.timestamp():.0f}", "+%s.%N": f"{now.timestamp():.9f}", "": f"{now:%a %b %e %H:%M:%S UTC %Y}"}
        form = " ".join(word for word in call.argv if word != "-u")  # its zone is UTC
        if form not in forms and not form.startswith("+"):
            raise Usage(f"date: invalid date '{form}'")
        return Answer((forms[form] if form in forms else now.strftime(form[1:])) + "\n")

    def _uname(self, call: Call) -> Answer:
        known = {"-s": "Linux", "-n": self.name, "-r": KERNEL, "-nr": f"{self.name} {KERNEL}", "": "Linux", "-m": "x86_64"}
        word = " ".join(call.argv)
        if word not in known:
            raise Usage(f"uname: invalid option -- '{word.lstrip('-')}'")
        return Answer(known[word] + "\n")

    def _findmnt(self, call: Call) -> Answer:
        found, rest = options(call.argv_long({"--mountpoint": "M", "--target": "T"}), "JblnrR", "oMTt", "findmnt: bad usage", 1)
        if rest:
            found["M"] = rest[0]
        rows = self.rows()
        if "M" in found:
            rows = [r for r in rows if r["target"] == found["M"]]
        if "T" in found:
            above = [r for r in rows if found["T"] == r["target"] or found["T"].startswith(r["target"].rstrip("/") + "/")]
            rows = [max(above, key=lambda r: len(r["target"]))] if above else []
        if not rows:
            return Answer("", "", 1)
        columns = [c.lower() for c in found.get("o", "TARGET,SOURCE,FSTYPE,OPTIONS").split(",")]
        if odd := [c for c in columns if c not in rows[0]]:
            raise Usage(f"findmnt: unknown column: {odd[0]}")
        picked = [{c: r[c] for c in columns} for r in rows]
        if "J" in found:
            return Answer(json.dumps({"filesystems": picked}, indent=3, ensure_ascii=False) + "\n")
        title = "" if "n" in found else " ".join(c.upper() for c in columns) + "\n"
        return Answer(title + "".join(" ".join(str(r[c] or "") for c in columns).rstrip() + "\n" for r in picked))

    def _df(self, call: Call) -> Answer:
        found, rest = options(call.argv, "kPhT", "", "df: invalid option")
        rows = [r for r in self.rows() if r["size"] or r["target"] == "/"]
        if odd := [w for w in rest if w not in {r[c] for r in rows for c in ("target", "source")}]:
            raise Usage(f"df: {odd[0]}: No such file or directory")
        wanted = [r for r in rows if not rest or {r["target"], r["source"]} & set(rest)]
        return Answer(_df_table(wanted, human="h" in found, kinds="T" in found))

    def _mountpoint(self, call: Call) -> Answer:
        found, rest = options(call.argv, "qd", "", "mountpoint: bad usage")
        there = any(r["target"] == rest[0].rstrip("/") for r in self.rows())
        words = "" if "q" in found else f"{rest[0]} is {'' if there else 'not '}a mountpoint\n"
        return Answer(words, "", 0 if there else 32)

    def _mount(self, call: Call) -> Answer:
        found, rest = options(call.argv, "vrw", "to", "mount: bad usage", 1)
        if not rest:
            return Answer("".join(f"{r['source']} on {r['target']} type {r['fstype']} ({r['options']})\n" for r in self.rows()))
        if len(rest) == 1:
            entry = next((e for e in self.table() if rest[0] in (e[1], e[0])), None)
            if entry is None:
                raise Failed(f"mount: {rest[0]}: can't find in /etc/fstab.", 32)
            device, point, kind, words = entry
        else:
            device, point, kind, words = *rest[:2], found.get("t", ""), found.get("o", "defaults")
        odd = [w for w in words.split(",") if w not in _MOUNT_WORDS]
        if odd or kind not in _KINDS:
            raise Failed(f"mount: {point}: wrong fs type, bad option ({','.join(odd)}), bad superblock on {device}.", 32)
        self.mount_checked(device, point.rstrip("/"), kind, words)
        return Answer()

    def table(self) -> list[tuple[str, str, str, str]]:
        """fstab: (device, mount point, kind, options)."""
        lines = (
            line.split() for line in self.read_file("/etc/fstab").decode().splitlines() if not line.lstrip().startswith("#")
        )
        return [(w[0], w[1].replace("\\040", " "), w[2], w[3]) for w in lines if len(w) >= 4]

    def _umount(self, call: Call) -> Answer:
        found, rest = options(call.argv, "lv", "", "umount: bad usage", 1)
        del found
        for word in rest:
            point = next((p for p, m in self.mounts.items() if word.rstrip("/") in (p, m.device)), "")
            if not point:
                raise Failed(f"umount: {word}: not mounted.", 32)
            if self.inside(point) or self.busy(point):
                raise Failed(f"umount: {word}: target is busy.", 32)
            self.unmount(point)
        return Answer()

    def _fsfreeze(self, call: Call) -> Answer:
        found, rest = options(call.argv, "fu", "", "fsfreeze: bad usage", 1)
        if len(rest) != 1 or len(found) != 1:
            raise Usage("fsfreeze: neither --freeze or --unfreeze specified")
        held = self.mounts.get(rest[0].rstrip("/"))
        freeze = "f" in found
        if held is None or held.frozen is freeze:
            why = "Device or resource busy" if freeze else "Invalid argument"
            raise Failed(f"fsfreeze: {rest[0]}: {'freeze' if freeze else 'unfreeze'} failed: {why}")
        self.sync_one(held)
        if not held.read_only and freeze:
            filesystem.write_header(held.volume, held.header)
        held.frozen = freeze
        return Answer()

    def _fsck(self, call: Call) -> Answer:
        _, rest = options(call.argv, "pTyfnA", "t", "fsck: bad usage", 16)
        name = self.node_name(rest[0]) if len(rest) == 1 else ""
        if not name:
            raise Failed(f"fsck: {' '.join(rest)}: No such file or directory", 8)
        if self.held(name):
            raise Failed(f"/dev/mapper/{name} is mounted.", 8)
        try:
            filesystem.check(self.node_bytes(name))
        except Damaged as torn:
            raise Failed(f"/dev/mapper/{name}: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY. ({torn})", 4) from torn
        return Answer(f"/dev/mapper/{name}: clean\n")

    def _blkid(self, call: Call) -> Answer:
        found, rest = options(call.argv, "p", "o", "blkid: bad usage", 4)
        name = self.node_name(rest[0]) if len(rest) == 1 else ""
        header = filesystem.read_header(self.node_bytes(name)) if name else None
        if header is None:
            return Answer("", "", 2)
        words: Mapping[str, str] = {"DEVNAME": rest[0], "LABEL": header.label, "UUID": header.uuid, "BLOCK_SIZE": "512", "TYPE": header.kind, "USAGE": "filesystem"}  # fmt: skip
        if found.get("o") == "export":
            return Answer("".join(f"{k}={v}\n" for k, v in words.items() if v))
        return Answer(f"{rest[0]}: " + " ".join(f'{k}="{v}"' for k, v in words.items() if v and k != "DEVNAME") + "\n")

    def _fuser(self, call: Call) -> Answer:
        found = self.users(call)
        return Answer(found.out, found.err, 0 if found.out else 1)

    # --- files and devices --------------------------------------------------------------------------------------------

    def _mkdir(self, call: Call) -> Answer:
        found, rest = options(call.argv, "pv", "m", "mkdir: missing operand")
        for path in rest:
            whole = path if path.startswith("/") else f"{call.cwd.rstrip('/')}/{path}"
            if self.root.exists(whole):
                if "p" not in found:
                    raise Failed(f"mkdir: cannot create directory '{path}': File exists")
                continue
            parent = whole.rstrip("/").rsplit("/", 1)[0]
            if "p" not in found and parent and not self.root.exists(parent):
                raise Failed(f"mkdir: cannot create directory '{path}': No such file or directory")
            self.root.mkdir(whole, "p" in found)
            if "m" in found:
                self.root.chmod(whole, int(found["m"], 8))
        return Answer()

    def _head(self, call: Call) -> Answer:
        found, rest = options(call.argv_long({"--lines": "n", "--bytes": "c"}), "qv", "nc", "head: bad usage")
        data = call.stdin
        if rest:
            disk = self.device(rest[0])
            data = disk.read(0, min(disk.size, int(found.get("c", "8192")))) if disk is not None else self.read_file(rest[0])
        if "c" in found:
            return Answer(data[: int(found["c"])])
        return Answer(b"".join(data.splitlines(True)[: int(found.get("n", "10"))]))

    def _tee(self, call: Call) -> Answer:
        for path in call.argv:
            if not self.wrote_to_kernel(path, call.stdin):
                self.write_file(path, call.stdin)
        return Answer(call.stdin)

    def wrote_to_kernel(self, path: str, data: bytes) -> bool:
        """Whether that was a file of the kernel, which acts on what is written."""
        raise NotImplementedError

    def _test(self, call: Call) -> Answer:
        words = list(call.argv)
        if call.name == "[" and (not words or words.pop() != "]"):
            raise Usage("[: missing ']'", 2)
        negate = bool(words) and words[0] == "!"
        if negate:
            words.pop(0)
        return Answer(code=int(self._holds(words, call.cwd) is negate))

    def _holds(self, words: list[str], cwd: str) -> bool:
        if len(words) == 3:
            left, how, right = words
            if how in _COMPARE:
                return _COMPARE[how](left, right)
            if how in _NUMBERS:
                try:
                    return _NUMBERS[how](int(left), int(right))
                except ValueError:
                    raise Usage(f"[: Illegal number: {left} {right}", 2) from None
        if len(words) == 2 and words[0] in _FILES:
            path = words[1] if words[1].startswith("/") else f"{cwd.rstrip('/')}/{words[1]}"
            return bool(words[1]) and _FILES[words[0]](self, path)
        if len(words) == 2 and words[0] in ("-n", "-z"):
            return bool(words[1]) is (words[0] == "-n")
        if len(words) <= 1:
            return bool(words and words[0])
        raise Usage(f"[: {shlex.join(words)}: unexpected operator", 2)

    def kind_of(self, path: str) -> str:
        """file, directory, symlink, or empty for nothing; symbolic links are followed once."""
        if path == "/":
            return "directory"
        if not self.root.exists(path):
            return ""
        return str(self.root.stat(path)["file_type"])


_COMPARE: Mapping[str, Callable[[str, str], bool]] = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b}
_NUMBERS: Mapping[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b, "-ne": lambda a, b: a != b, "-lt": lambda a, b: a < b, "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b, "-ge": lambda a, b: a >= b,
}  # fmt: skip
_FILES: Mapping[str, Callable[[LinuxFiles, str], bool]] = {
    "-e": lambda m, p: bool(m.kind_of(p)), "-f": lambda m, p: m.kind_of(p) == "file" and not m.is_block(p),
    "-d": lambda m, p: m.kind_of(p) == "directory", "-b": lambda m, p: m.is_block(p), "-r": lambda m, p: bool(m.kind_of(p)),
    "-w": lambda m, p: bool(m.kind_of(p)), "-x": lambda m, p: bool(m.kind_of(p)),
    "-s": lambda m, p: m.kind_of(p) == "file" and bool(m.read_file(p)),
    "-h": lambda m, p: bool(m.root.exists(p)) and m.root.stat(p)["file_type"] == "symlink",
}  # fmt: skip


def _df_table(rows: list[dict[str, Any]], *, human: bool, kinds: bool) -> str:
    """The table of `df`: texts to the left, numbers to the right, each column as wide as its widest."""
    titles = ("Size", "Used", "Avail") if human else ("1K-blocks", "Used", "Available")
    table = [("Filesystem", "Type", *titles, "Use%", "Mounted on")]
    for row in rows:
        size, used = (row["size"], row["used"]) if row["size"] else OWN_DISK
        numbers = (f"{n / (1 << 20):.0f}M" if human else str(n >> 10) for n in (size, used, size - used))
        table.append((row["source"], row["fstype"], *numbers, f"{-(-100 * used // size)}%", row["target"]))
    columns = [c for c in range(7) if kinds or c != 1]
    widths = {c: max(len(line[c]) for line in table) for c in columns}
    return "".join(
        " ".join(line[c] if c == 6 else line[c].ljust(widths[c]) if c < 2 else line[c].rjust(widths[c]) for c in columns) + "\n"
        for line in table
    )
