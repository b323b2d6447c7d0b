"""Commands that all emulated hosts have: those of the sandboxed shell that must see devices, mounts or the SSH channel."""

from __future__ import annotations

import asyncio
import hashlib
import io
import posixpath
import re
import stat
import tarfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import bashkit

from hostdrivers.emulated import filesystem
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage

if TYPE_CHECKING:
    from hostdrivers.emulated.machine import Machine


def reads_input(program: Callable[[Call], Answer | Awaitable[Answer]]) -> Program:
    """Mark a command that takes what is piped into it; the others leave it alone."""
    program.reads_input = True  # type: ignore[attr-defined]
    return program


def common_programs(machine: Machine, lines: asyncio.StreamReader | None) -> dict[str, Program]:
    """The table of them for one shell; `lines` is the standard input of its SSH channel."""

    async def line(call: Call) -> Answer:
        text = await lines.readline() if lines is not None else b""
        return Answer(text.rstrip(b"\n") + b"\n", "", 0 if text else 1)

    async def tar(call: Call) -> Answer:
        if "--extract" in call.argv:
            data = call.stdin or (await lines.read() if lines is not None else b"")
            return _extract(machine, call, data)
        return _create(machine, call)

    async def cat(call: Call) -> Answer:
        if call.argv:
            return _cat(machine, call)
        data = call.stdin or (await lines.read() if lines is not None else b"")
        if "full" in machine.faults and lines is not None:
            raise Failed("cat: write error: No space left on device")
        return Answer(data)

    table: dict[str, Program] = {
        "line": line,
        "alive": lambda call: _alive(machine, call),
        "cat": reads_input(cat),
        "ls": lambda call: _ls(machine, call),
        "ll": lambda call: _ls(machine, replace(call, argv=("-l", *call.argv))),
        "id": lambda call: id_posix(machine, call),
        "dd": reads_input(lambda call: _dd(machine, call)),
        "find": lambda call: _find(machine, call),
        "sync": lambda call: _sync(machine, call),
        **dict.fromkeys((f"{machine.gnu}/tar", *(("tar",) if machine.os == "linux" else ())), reads_input(tar)),
        f"{machine.gnu}/find": lambda call: _find(machine, call),
        f"{machine.gnu}/sha256sum": lambda call: _sha256sum(machine, call),
    }
    return table


def id_posix(machine: Machine, call: Call) -> Answer:
    """`id`, and `id -u`."""
    if call.argv == ("-u",):
        return Answer("0\n")
    if call.argv:
        raise Usage("usage: id [-u]")
    return Answer(f"uid=0(root) gid=0({machine.system_group})\n")


def _alive(machine: Machine, call: Call) -> Answer:
    """`kill -0 NUMBER`, of a script that runs on this host."""
    lost = [word for word in call.argv if not word.isdigit() or int(word) not in machine.processes]
    return Answer("", "".join(f"sh: kill: {word}: no such process\n" for word in lost), int(bool(lost)))


def _cat(machine: Machine, call: Call) -> Answer:
    out, errors = b"", ""
    for word in call.argv:
        path = word if word.startswith("/") else f"{call.cwd.rstrip('/')}/{word}"
        try:
            out += call.stdin if word == "-" else machine.read_file(path)
        except OSError:
            errors += f"cat: cannot open {word}\n"
    return Answer(out, errors, 1 if errors else 0)


def _sync(machine: Machine, call: Call) -> Answer:
    if call.argv and machine.os != "linux":  # only GNU's takes files
        raise Usage("usage: sync")
    if options := [word for word in call.argv if word.startswith("-")]:
        raise Usage(f"sync: invalid option -- '{options[0]}'")
    lost = [word for word in call.argv if not machine.root.exists(posixpath.join(call.cwd, word))]
    machine.sync()
    return Answer("", "".join(f"sync: error opening '{word}': No such file or directory\n" for word in lost), int(bool(lost)))


# --- ls ---------------------------------------------------------------------------------------------------------------

_LS = "aAlqd1RtrCFin"


def _ls(machine: Machine, call: Call) -> Answer:
    flags, paths = set[str](), []
    for word in call.argv:
        if word.startswith("-") and len(word) > 1:
            flags |= set(word[1:])
        else:
            paths.append(word)
    if odd := flags - set(_LS):
        raise Usage(f"ls: illegal option -- {min(odd)}\nusage: ls [-{_LS}] [File...]", 2)
    out, errors = [], ""
    for path in paths or ["."]:
        whole = posixpath.normpath(posixpath.join(call.cwd, path))
        if not machine.visible(whole):
            errors += machine.no_file.format(path) + "\n"
            continue
        directory = whole == "/" or machine.root.stat(whole)["file_type"] == "directory"
        if directory and "d" not in flags:
            out += _listed(machine, whole, flags, path if len(paths) > 1 or "R" in flags else "")
        else:
            out.append(_entry(machine, whole, path, flags))
    return Answer("".join(out), errors, 2 if errors else 0)


def _listed(machine: Machine, top: str, flags: set[str], title: str) -> list[str]:
    names = [n for n in list_directory(machine.root, top) if flags & {"a", "A"} or not n.startswith(".")]
    lines = [f"\n{title}:\n"] if title else []
    lines += [_entry(machine, posixpath.join(top, n), n, flags) for n in names]
    below = [posixpath.join(top, n) for n in names if "R" in flags]
    for path in (p for p in below if machine.root.stat(p)["file_type"] == "directory"):
        lines += _listed(machine, path, flags, path)
    return lines


def _entry(machine: Machine, path: str, name: str, flags: set[str]) -> str:
    if "l" not in flags:
        return f"{name}\n"
    special = machine.special(path)
    facts = {"file_type": "directory", "mode": 0o755, "size": 0} if path == "/" else machine.root.stat(path)
    kind = special[0] if special else {"file": "-", "directory": "d", "symlink": "l"}[str(facts["file_type"])]
    mode = stat.filemode(int(str(facts["mode"])) & 0o777)[1:]
    size = special[1] if special else str(facts["size"])
    to = f" -> {machine.root.read_link(path)}" if kind == "l" else ""
    return f"{kind}{mode}   1 root     {machine.system_group:<8} {size:>12} Nov 23 08:00 {name}{to}\n"


# --- dd: files, and devices by their names ----------------------------------------------------------------------------

_DD = re.compile(r"(if|of|bs|count|skip|seek|conv|iseek|oseek|iflag|oflag|status)=(.*)")
_UNITS = {"": 1, "k": 1024, "b": 512, "m": 1 << 20}


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([kbm]?)", text)
    if match is None:
        raise Usage(f"dd: bad arg: {text!r}", 2)
    return int(match.group(1)) * _UNITS[match.group(2)]


def _dd(machine: Machine, call: Call) -> Answer:
    words: dict[str, str] = {}
    for word in call.argv:
        match = _DD.fullmatch(word)
        if match is None:
            raise Usage(f"dd: bad arg: {word!r}", 2)
        words[match.group(1)] = match.group(2)
    size = _size(words.get("bs", "512"))
    skip, seek = (size * int(words.get(key, "0")) for key in ("skip", "seek"))
    length = size * int(words["count"]) if "count" in words else None
    data = _read(machine, words["if"], skip, length) if "if" in words else call.stdin[skip:][:length]
    done = f"{len(data) // size}+{int(len(data) % size > 0)} records in\n"
    if "of" not in words:
        return Answer(data, done)
    _write(machine, words["of"], seek, data, "notrunc" in words.get("conv", ""))
    return Answer("", done)


def _read(machine: Machine, path: str, skip: int, length: int | None) -> bytes:
    disk = machine.device(path)
    if disk is not None:
        return disk.read(skip, disk.size - skip if length is None else min(length, max(0, disk.size - skip)))
    try:
        data = machine.read_file(path)
    except OSError as error:
        raise Failed(f"dd: {path}: No such file or directory", 2) from error
    return data[skip:] if length is None else data[skip : skip + length]


def _write(machine: Machine, path: str, seek: int, data: bytes, keep: bool) -> None:
    if path == "/dev/null":
        return
    disk = machine.device(path)
    if disk is not None:
        disk.write(seek, data)
        return
    old = machine.read_file(path) if (keep or seek) and machine.visible(path) else b""
    machine.write_file(path, old[:seek].ljust(seek, b"\0") + data + (old[seek + len(data) :] if keep else b""))


# --- find, sha256sum --------------------------------------------------------------------------------------------------

_TYPES = {"file": "f", "directory": "d", "symlink": "l"}


def _tree(machine: Machine, top: str, stay: bool) -> Iterator[tuple[str, str, int, int]]:
    """(path, type letter, size, mode) below a path; `stay` keeps to its filesystem, whose mount points still show."""
    facts = {"file_type": "directory", "mode": 0o755, "size": 0} if top == "/" else machine.root.stat(top)
    yield top, _TYPES[str(facts["file_type"])], int(str(facts["size"])), int(str(facts["mode"]))
    if facts["file_type"] == "directory":
        for path, one in filesystem.walk(machine.root, top, machine.inside(top) if stay else ()):
            yield path, _TYPES[str(one["file_type"])], int(str(one["size"])), int(str(one["mode"]))


def _find(machine: Machine, call: Call) -> Answer:
    if call.argv == ("--version",):
        return Answer("find (GNU findutils) 4.4.2\n")
    words = list(call.argv)
    tops = []
    while words and not words[0].startswith(("-", "!", "(")):
        word = words.pop(0)
        tops.append(posixpath.normpath(word) if word.endswith("/..") else word.rstrip("/") or "/")
    out, errors = [], []
    for top in tops:
        if not machine.visible(top):
            errors.append(f"find: 0652-081 cannot change directory to <{top}>: : No such file or directory\n")
            continue
        rows = islice(_tree(machine, top, "-xdev" in words), 1 if "-prune" in words else None)  # no other is looked at
        out += [_shown(machine, row, words) for row in rows if _matches(row, words, top)]
    return Answer("".join(out), "".join(errors), 1 if errors else 0)


_KNOWN = {
    "-xdev": 0,
    "!": 0,
    "-type": 1,
    "-printf": 1,
    "-print": 0,
    "-prune": 0,
    "-user": 1,
    "-exec": -1,
    "-name": 1,
    "-maxdepth": 1,
}


def _matches(row: tuple[str, str, int, int], words: list[str], top: str) -> bool:
    path, kind, _, _ = row
    negate, at = False, 0
    while at < len(words):
        word = words[at]
        if word not in _KNOWN:
            raise Usage(f"find: bad option {word}")
        value = words[at + 1] if _KNOWN[word] == 1 and at + 1 < len(words) else ""
        if word == "!":
            negate = not negate
        elif word in ("-type", "-user", "-name"):
            holds = {"-type": kind == value, "-user": value in ("0", "root"), "-name": path.rsplit("/", 1)[-1] == value}[word]
            if holds is negate:
                return False
            negate = False
        elif (word == "-prune" or (word, value) == ("-maxdepth", "0")) and path != top:
            return False
        elif word == "-exec":
            return True
        at += 1 + _KNOWN[word]
    return True


def _shown(machine: Machine, row: tuple[str, str, int, int], words: list[str]) -> str:
    path, kind, size, _ = row
    if "-printf" in words:
        text = words[words.index("-printf") + 1].encode().decode("unicode_escape")
        values = {"%y": kind, "%s": str(size), "%D": str(_device_number(machine, path)), "%i": "1", "%n": "1", "%p": path}
        return re.sub(r"%[a-zA-Z]", lambda m: values.get(m.group(), m.group()), text)
    if "-exec" in words:
        at = words.index("-exec")
        if words[at + 1].rsplit("/", 1)[-1] != "sha256sum":
            raise Usage(f"find: this emulator runs sha256sum only, not {words[at + 1]}")
        return f"{hashlib.sha256(machine.read_file(path)).hexdigest()}  {path}\n"
    return path + "\n"


def _device_number(machine: Machine, path: str) -> int:
    """A number for the filesystem that a path lies on: that of its root, or of what is mounted nearest above it."""
    points = sorted(machine.mounts)
    above = [p for p in points if path == p or path.startswith(p.rstrip("/") + "/")]
    return 64768 + (1 + points.index(max(above, key=len)) if above else 0)


def _sha256sum(machine: Machine, call: Call) -> Answer:
    lines = [f"{hashlib.sha256(machine.read_file(path)).hexdigest()}  {path}\n" for path in call.argv if path[:1] != "-"]
    return Answer("".join(lines))


# --- GNU tar ----------------------------------------------------------------------------------------------------------

_CREATE = (
    "--create", "--file=-", "--format=posix", "--numeric-owner", "--acls", "--xattrs", "--sparse", "--one-file-system",
    "--warning=no-file-ignored",
)  # fmt: skip
_EXTRACT = (
    "--extract", "--file=-", "--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*", "--same-permissions",
    "--warning=no-timestamp",
)  # fmt: skip


def _directory(argv: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, list[str]]:
    rest = [
        part
        for word in argv
        if word not in known
        for part in (("-C", word[12:]) if word.startswith("--directory=") else (word,))
    ]
    if "-C" not in rest or rest.index("-C") + 1 >= len(rest):
        raise Usage("tar: no directory", 2)
    at = rest.index("-C")
    directory = rest[at + 1].rstrip("/") or "/"
    return directory, rest[:at] + rest[at + 2 :]


def _create(machine: Machine, call: Call) -> Answer:
    if call.argv == ("--version",):
        return Answer("tar (GNU tar) 1.34\n")
    directory, rest = _directory(call.argv, _CREATE)
    prefix = "."
    for word in rest:
        match = re.fullmatch(r"--transform=flags=rhS;s,\^\\\.,(.*),", word)
        if match is not None:
            prefix = re.sub(r"\\(.)", r"\1", match.group(1))
        elif word != ".":
            raise Usage(f"tar: unrecognized option '{word}'", 64)
    if not machine.visible(directory):
        raise Failed(f"tar: {directory}: Cannot open: No such file or directory", 2)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, _, _, _ in _tree(machine, directory, stay=True):
            info, data = _member(machine, path, prefix + path[len(directory.rstrip("/")) :])
            tar.addfile(info, io.BytesIO(data))
    return Answer(out.getvalue())


def _member(machine: Machine, path: str, name: str) -> tuple[tarfile.TarInfo, bytes]:
    facts = {"file_type": "directory", "mode": 0o755} if path == "/" else machine.root.stat(path)
    return filesystem.member(machine.root, path, facts, name)


def _extract(machine: Machine, call: Call, data: bytes) -> Answer:
    directory, members = _directory(call.argv, _EXTRACT)
    if odd := [word for word in members if word.startswith("-") and word != "--"]:
        raise Usage(f"tar: unrecognized option '{odd[0]}'", 64)
    missing = {word.rstrip("/") for word in members if word != "--"}
    wanted = tuple(missing)
    if not machine.visible(directory):
        raise Failed(f"tar: {directory}: Cannot open: No such file or directory", 2)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for info in tar:
            hit = [w for w in wanted if info.name == w or info.name.startswith(w + "/")]
            missing -= set(hit)
            if wanted and not hit:
                continue
            reader = tar.extractfile(info) if info.isreg() else None
            filesystem.put(machine.root, info, reader.read() if reader else b"", directory)
    lost = "".join(f"tar: {word}: Not found in archive\n" for word in sorted(missing))
    return Answer("", lost + "tar: Exiting with failure status due to previous errors\n" if lost else "", 2 if lost else 0)


def list_directory(tree: bashkit.FileSystem, path: str) -> list[str]:
    """The names in a directory, sorted; none when it is not there."""
    return sorted(str(entry["name"]) for entry in tree.read_dir(path)) if tree.exists(path) else []
