"""What an archive holds, file by file: the manifest, made from the tar stream itself as it passes."""

from __future__ import annotations

import hashlib
import json
import queue
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from core.jsonable import to_json

PIECES = 16  # pieces of the stream that may wait for the reader: memory stays bounded whatever the host sends
_KINDS = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file", tarfile.GNUTYPE_SPARSE: "file",
    tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hard link", tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "character device", tarfile.BLKTYPE: "block device",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive. `sha256` is of the contents and empty for what has none; `mtime` in seconds since 1970."""

    path: str
    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    owner: str
    group: str
    mtime: float
    sha256: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a manifest adds up to: all names, the regular files, their bytes."""

    names: int
    files: int
    bytes: int


class Feed:
    """A file-like object whose bytes are put in by one thread and read by another."""

    def __init__(self) -> None:
        """Empty and open."""
        self._pieces: queue.Queue[bytes | None] = queue.Queue(PIECES)
        self._rest = b""
        self._ended = False

    def put(self, data: bytes) -> None:
        """Give a piece; waits while the reader is behind."""
        self._pieces.put(data)

    def end(self) -> None:
        """No more will come."""
        self._pieces.put(None)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; empty at the end."""
        while not self._rest and not self._ended:
            piece = self._pieces.get()
            self._ended = piece is None
            self._rest = piece or b""
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def drain(self) -> None:
        """Take and forget the rest, so that the other thread is never stuck."""
        while not self._ended:
            self._rest = b""
            self.read(1)


def read_entries(source: Feed, seen: Callable[[Entry], None] = lambda entry: None) -> list[Entry]:
    """The entries of a tar stream, contents hashed. Raises tarfile.TarError for a stream that is damaged or cut."""
    entries = []
    with tarfile.open(fileobj=source, mode="r|", errors="surrogateescape", encoding="utf-8") as archive:  # type: ignore[call-overload]
        for member in archive:
            entry = _entry(archive, member)
            entries.append(entry)
            seen(entry)
    return entries


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    digest = ""
    if member.isreg():
        hashed = hashlib.sha256()
        contents = archive.extractfile(member)
        while contents is not None and (data := contents.read(1 << 20)):
            hashed.update(data)
        digest = hashed.hexdigest()
    kind = _KINDS.get(member.type, "unknown")
    return Entry(
        member.name, kind, member.size if member.isreg() else 0, member.mode, member.uid, member.gid, member.uname, member.gname,
        float(member.mtime), digest, member.linkname,
    )  # fmt: skip


def totals(entries: Iterable[Entry]) -> Totals:
    """Add up."""
    names = files = size = 0
    for entry in entries:
        names += 1
        if entry.kind in ("file", "hard link"):
            files += 1
        size += entry.size
    return Totals(names, files, size)


def to_lines(entries: Iterable[Entry]) -> str:
    """A manifest as text, one JSON object a line; bytes that are not UTF-8 stand as escapes and come back as they were."""
    return "".join(json.dumps(to_json(entry), ensure_ascii=True) + "\n" for entry in entries)


def from_lines(text: str) -> Iterator[Entry]:
    """The entries of a manifest. ValueError or TypeError for text that is none."""
    for line in text.splitlines():
        yield Entry(**json.loads(line))


def difference(expected: Iterable[Entry], found: Iterable[Entry]) -> list[str]:
    """How two lists of entries differ, as sentences; empty when they are equal."""
    left = {entry.path: entry for entry in expected}
    right = {entry.path: entry for entry in found}
    out = [f"missing: {path!a}" for path in left.keys() - right.keys()]
    out += [f"not in the manifest: {path!a}" for path in right.keys() - left.keys()]
    out += [f"differs: {path!a}" for path in left.keys() & right.keys() if left[path] != right[path]]
    return sorted(out)
