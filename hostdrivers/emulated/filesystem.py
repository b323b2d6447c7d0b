"""Filesystems in the bytes of emulated volumes: a header of text at 0, and a tar of all files at 8 KiB.

Mounting reads the tar into a tree in memory, syncing writes it back. A filesystem that is mounted for writing says in its
header that it is not clean; `check` (the emulated fsck) proves the tar against its checksum and makes it clean again, so
that a copy that was torn over two instants is found out as it would be on a real host.
"""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from bashkit import FileSystem

from hostdrivers.emulated.volumes import VolumeBytes

MAGIC = "SPLITMOUNT FS 1"
HEADER = 4096
BODY_AT = 8192


@dataclass(frozen=True, slots=True)
class Header:
    """What a filesystem says of itself."""

    kind: str
    uuid: str = ""
    label: str = ""
    clean: bool = True
    guard: bool = False
    length: int = 0
    digest: str = ""


class Damaged(Exception):
    """The contents are not what their checksum says."""


def read_header(volume: VolumeBytes) -> Header | None:
    """The header; None when there is no filesystem."""
    text = volume.read(0, HEADER).split(b"\0", 1)[0].decode("utf-8", "replace")
    if not text.startswith(MAGIC + "\n"):
        return None
    words = dict(line.split("=", 1) for line in text.splitlines()[1:] if "=" in line)
    flags = {name: words[name] == "yes" for name in ("clean", "guard")}
    return Header(words["kind"], words["uuid"], words["label"], **flags, length=int(words["length"]), digest=words["digest"])


def write_header(volume: VolumeBytes, header: Header) -> None:
    """Write it."""
    values = {
        "kind": header.kind, "uuid": header.uuid, "label": header.label, "clean": "yes" if header.clean else "no",
        "guard": "yes" if header.guard else "no", "length": header.length, "digest": header.digest,
    }  # fmt: skip
    text = MAGIC + "\n" + "".join(f"{k}={v}\n" for k, v in values.items())
    volume.write(0, text.encode().ljust(HEADER, b"\0"))


def empty_tree() -> FileSystem:
    """A tree with nothing in it; a new one comes with a few directories of its own."""
    tree = FileSystem()
    for entry in tree.read_dir("/"):
        tree.remove("/" + str(entry["name"]), True)
    return tree


def walk(tree: FileSystem, top: str = "/", skip: Collection[str] = ()) -> Iterator[tuple[str, dict[str, object]]]:
    """Every path below `top` with what is known of it, parents first, by name; what lies below a path of `skip` is left out."""
    for entry in sorted(tree.read_dir(top), key=lambda e: str(e["name"])):
        path = top.rstrip("/") + "/" + str(entry["name"])
        yield path, entry["metadata"]
        if entry["metadata"]["file_type"] == "directory" and path not in skip:
            yield from walk(tree, path, skip)


def member(tree: FileSystem, path: str, facts: dict[str, object], name: str) -> tuple[tarfile.TarInfo, bytes]:
    """One file as tar keeps it, owned by root, with no time: trees in memory know none, and equal trees give equal bytes."""
    info = tarfile.TarInfo(name)
    info.mode = int(str(facts["mode"])) & 0o7777
    data = b""
    if facts["file_type"] == "directory":
        info.type = tarfile.DIRTYPE
    elif facts["file_type"] == "symlink":
        info.type, info.linkname = tarfile.SYMTYPE, tree.read_link(path)
    else:
        data = tree.read_file(path)
        info.size = len(data)
    return info, data


def pack(tree: FileSystem, top: str = "/", skip: Collection[str] = ()) -> bytes:
    """What lies below `top` as a tar; equal trees give equal bytes. What is mounted below it (`skip`) is an empty directory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, facts in walk(tree, top, skip):
            info, data = member(tree, path, facts, path[len(top.rstrip("/")) + 1 :])
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def unpack(data: bytes, tree: FileSystem, top: str) -> None:
    """Put the files of a tar below `top`."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        for info in tar:
            put(tree, info, b"" if not info.isreg() else _contents(tar, info), top)


def clear(tree: FileSystem, top: str) -> None:
    """Remove what lies below `top`."""
    for entry in tree.read_dir(top):
        tree.remove(top.rstrip("/") + "/" + str(entry["name"]), True)


def _contents(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    reader = tar.extractfile(info)
    return reader.read() if reader is not None else b""


def put(tree: FileSystem, info: tarfile.TarInfo, data: bytes, top: str = "") -> None:
    """Make one member of a tar in the tree."""
    path = top.rstrip("/") + "/" + info.name.removeprefix("./").strip("/")
    parent = path.rsplit("/", 1)[0]
    if parent and not tree.exists(parent):
        tree.mkdir(parent, True)
    if info.isdir():
        if not tree.exists(path):
            tree.mkdir(path, True)
    elif info.issym():
        tree.symlink(info.linkname, path)
        return
    else:
        tree.write_file(path, data)
    tree.chmod(path, stat.S_IMODE(info.mode))


def make(volume: VolumeBytes, kind: str, uuid: str = "", label: str = "") -> None:
    """Make an empty filesystem."""
    store(volume, Header(kind, uuid, label), pack(empty_tree()))


def store(volume: VolumeBytes, header: Header, data: bytes) -> Header:
    """Write a packed tree, then the header that goes with it. OSError (28, no space) when it does not fit."""
    if BODY_AT + len(data) > volume.size:
        raise OSError(28, "no space left on the device")
    digest = hashlib.sha256(data).hexdigest()
    if digest == header.digest:
        return header
    volume.write(BODY_AT, data)
    now = replace(header, length=len(data), digest=digest)
    write_header(volume, now)
    return now


def load(volume: VolumeBytes, header: Header) -> bytes:
    """The packed tree. Damaged when the bytes do not agree with their checksum."""
    data = volume.read(BODY_AT, header.length)
    if hashlib.sha256(data).hexdigest() != header.digest:
        raise Damaged(f"{header.kind}: the files and their checksum belong to different instants")
    return data


def check(volume: VolumeBytes) -> Header:
    """The emulated fsck: replay, that is prove the contents and mark the filesystem clean. Damaged when it cannot."""
    header = read_header(volume)
    if header is None:
        raise Damaged("there is no filesystem")
    load(volume, header)
    clean = replace(header, clean=True, guard=False)
    if clean != header:
        write_header(volume, clean)
    return clean
