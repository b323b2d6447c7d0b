"""What a copy must hold and what it holds: a tree counted on its host, an archive read entry by entry as it passes."""

from __future__ import annotations

import hashlib
import json
import queue
import re
import shlex
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from core.errors import CommandFailed, ParseError, Refused
from core.jsonable import to_json
from core.transport import Command, Status, Transport
from core.untrusted import json_of

SUDO = {"": "", "sudo": "sudo -n ", "pfexec": "pfexec "}
PIECES = 16  # pieces of the stream that may wait for the reader: memory stays bounded whatever the host sends
_KINDS = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file", tarfile.GNUTYPE_SPARSE: "file",
    tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hard link", tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "character device", tarfile.BLKTYPE: "block device",
}  # fmt: skip

# Old systems have GNU's tools beside their own, under other names or in other places (AIX toolbox, Solaris companion, ...).
GNU = r"""gnu() { # NAME: the GNU tool of that name
  for p in /opt/freeware/bin/$1 /usr/sfw/bin/g$1 /usr/gnu/bin/$1 /opt/csw/bin/g$1 /usr/local/bin/g$1 /usr/local/bin/$1; do
    if [ -x "$p" ]; then echo "$p"; return; fi
  done
  echo "$1"
}
"""

# --- a tree on a host -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counted:
    """What lies below a mount point, on its filesystem alone. Sockets are not counted: nothing can keep them.

    `names` are all names with the mount point's own, `files` those of regular files. `bytes` counts a file with several
    names once, `linked` under each of its names.
    """

    names: int
    files: int
    bytes: int
    linked: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What a copy or a disk adds up to: all names, those of regular files, their bytes (each file once)."""

    names: int
    files: int
    bytes: int

    def __str__(self) -> str:
        """For a sentence."""
        return f"{self.names} names, {self.files} files, {self.bytes} bytes"


_COUNT = re.compile("[0-9]{1,18}")
_ADD = (
    "awk '"
    '$1 == "@@" {printf "%.0f %.0f %.0f %.0f %s\\n", n, f, b, l, $2; n = f = b = l = 0; split("", seen); next} '
    "{n++} "
    '$1 == "f" {f++; l += $2; if ($4 == 1 || !($3 in seen)) b += $2; if ($4 > 1) seen[$3] = 1}'
    "'"
)


def size_command(host: str, become: str, points: tuple[str, ...]) -> Command:
    """Count names, regular files and bytes below each mount point; no name is printed, so none can be misread."""
    find = [
        f"{SUDO[become]}`gnu find` {shlex.quote(p)} -xdev ! -type s -printf '%y %s %D:%i %n\\n'; echo @@ $?" for p in points
    ]
    text = f"LC_ALL=C; export LC_ALL\n{GNU}{{ {' ; '.join(find)}; }} | {_ADD}\n"
    return Command(host, "count files and bytes", text, timeout=1800)


async def count_trees(transport: Transport, host: str, become: str, points: tuple[str, ...]) -> tuple[Counted, ...]:
    """What each tree holds, in the order given. CommandFailed when it could not be counted whole."""
    result = await transport.run(size_command(host, become, points))
    rows = [line.split() for line in result.stdout.splitlines()]
    if (
        result.status is not Status.OK
        or len(rows) != len(points)
        or any(len(r) != 5 or r[4] != "0" or not all(map(_COUNT.fullmatch, r)) for r in rows)
    ):
        raise CommandFailed(
            f"{host}: files could not be counted: {result.stderr.strip() or result.reason or result.stdout[:500]!a}"
        )
    return tuple(Counted(*(int(number) for number in row[:4])) for row in rows)


def added(counted: Iterable[Counted]) -> Totals:
    """Several trees as one."""
    rows = list(counted)
    return Totals(sum(r.names for r in rows), sum(r.files for r in rows), sum(r.bytes for r in rows))


def tree_digest_command(host: str, become: str, points: tuple[str, ...]) -> Command:
    """SHA-256 of every regular file below each mount point, on its filesystem alone, for `parse_tree_digest`."""
    lines = [
        f"echo @@ {number}; {SUDO[become]}`gnu find` {shlex.quote(point)} -xdev -type f -exec `gnu sha256sum` {{}} + || exit 1"
        for number, point in enumerate(points)
    ]
    return Command(host, "checksums of all files", f"LC_ALL=C; export LC_ALL\n{GNU}" + "\n".join(lines) + "\n", timeout=3600)


def parse_tree_digest(host: str, text: str, points: tuple[str, ...]) -> tuple[dict[str, str], ...]:
    """For each mount point: SHA-256 by path below it. ParseError for a line that is none of sha256sum's."""
    out: tuple[dict[str, str], ...] = tuple({} for _ in points)
    begun = -1
    for line in text.split("\n"):
        if line == f"@@ {begun + 1}" and begun + 1 < len(points):
            begun += 1
        elif line:
            escaped = line.startswith("\\")
            digest, gap, path = line.removeprefix("\\").partition("  ")
            name = _unescape(path) if escaped else path
            top = points[begun].rstrip("/") + "/" if begun >= 0 else "/"
            if not gap or len(digest) != 64 or begun < 0 or not name.startswith(top):
                raise ParseError(host, "sha256sum", "not a checksum and a name", line)
            out[begun][name.removeprefix(top)] = digest
    if begun + 1 != len(points):
        raise ParseError(host, "sha256sum", f"{begun + 1} trees in the output, {len(points)} were asked for")
    return out


def _unescape(path: str) -> str:
    """A name as it is, from sha256sum's notation of backslashes and ends of line."""
    return path.replace("\\\\", "\0").replace("\\n", "\n").replace("\\r", "\r").replace("\0", "\\")


def mounted_or_refuse(become: str, points: Iterable[str]) -> str:
    """Script that refuses (90) unless each of these directories is the top of a filesystem of its own on this host."""
    find = f'{SUDO[become]}"$FIND"'
    return (
        "LC_ALL=C; export LC_ALL\n"
        + GNU
        + "FIND=`gnu find` owns=\nmounted() { # POINT: its filesystem is another than that of the directory above\n"
        f'  own=`{find} "$1" -maxdepth 0 -printf %D` && up=`{find} "$1/.." -maxdepth 0 -printf %D` && [ "$own" != "$up" ] &&\n'
        '    { owns="$owns $own "; return; }\n'
        '  echo "refused: $1 is not a mounted filesystem here; nothing was written" >&2; exit 90\n}\n'
        + "".join(f"mounted {shlex.quote(point)}\n" for point in points)
    )


def names_command(host: str, become: str, points: Iterable[str]) -> Command:
    """The names of all regular files below each of these directories, on its filesystem alone, each ended by a zero byte."""
    find = [f"{SUDO[become]}`gnu find` {shlex.quote(point)} -xdev -type f -printf '%p\\0' || exit 1" for point in points]
    return Command(
        host, "names of all files", "\n".join(["LC_ALL=C; export LC_ALL", GNU + find[0], *find[1:]]) + "\n", timeout=3600
    )


def _literal(path: str) -> str:
    """A path as a pattern that only itself fits."""
    return re.sub(r"([][*?\\])", r"\\\1", path)


def stays_inside(become: str, straight: Iterable[str], tops: Iterable[str], apart: Iterable[str] = ()) -> str:
    """Script, after `mounted_or_refuse`, that refuses (90) where files would leave the filesystems that it has looked at.

    What is there of `straight` is no link and lies on one of them; so does every directory at and below each of `tops`,
    but what is `apart`.
    """
    but = "".join(f"-path {shlex.quote(_literal(path))} -prune -o " for path in apart)
    find = f'{SUDO[become]}"$FIND"'
    return (
        "astray() {\n"
        '  echo "refused: $1; nothing was written" >&2; exit 90\n}\n'
        "straight() { # PATH: what is there now is no link, and no filesystem of others\n"
        f"  at=$1; set -- x`{find} \"$1\" -maxdepth 0 -printf '%y %D' 2>/dev/null`\n"
        '  case $1 in x) return;; xl) astray "$at is a symbolic link here: what is written would follow it";; esac\n'
        '  case $owns in *" $2 "*) ;; *) astray "$at lies on another filesystem here";; esac\n}\n'
        "alone() { # PATH: below it is no filesystem of others\n"
        f'  [ -n "`{find} "$1" -maxdepth 0 -printf %y 2>/dev/null`" ] || return 0\n'
        f'  odd=`{{ {find} "$1" -xdev {but}-type d -printf \'%D %p\\n\'; echo "@@ $?"; }} |\n'
        '    awk \'$0 == "@@ 0" || index("\'"$owns"\'", " " $1 " ") {next}\n'
        '      $1 == "@@" || (NF > 1 && $1 ~ /^[0-9]+$/) {print}\'`\n'
        "  case $odd in '') ;; @@*) astray \"$1 cannot be looked through\";;\n"
        '    *) astray "another filesystem is mounted here: `echo "$odd" | sed \'s/^[0-9]* //; 1q\'`";; esac\n}\n'
        + "".join(f"straight {shlex.quote(path)}\n" for path in straight)
        + "".join(f"alone {shlex.quote(path)}\n" for path in tops)
    )


def shape_command(host: str, become: str, points: Iterable[str]) -> Command:
    """All that is no regular file below each of these directories, on its filesystem alone: kind, filesystem and name, a zero byte.

    The first row of each is the directory's own; a filesystem that is mounted below it is one row, of another number.
    """
    find = [
        f"{SUDO[become]}`gnu find` {shlex.quote(point)} -xdev ! -type f -printf '%y %D %p\\0' || exit 1" for point in points
    ]
    return Command(
        host, "links and filesystems", "\n".join(["LC_ALL=C; export LC_ALL", GNU + find[0], *find[1:]]) + "\n", timeout=3600
    )


def empty_directory(become: str, directory: str) -> str:
    """Script that makes the directory, ours alone, or refuses (90) one that is not empty, before anything is written."""
    sudo, where = SUDO[become], shlex.quote(directory)
    return (
        f"LC_ALL=C; export LC_ALL; umask 077; WHERE={where}\n"
        'refuse() { echo "refused: $WHERE $1; nothing was restored" >&2; exit 90; }\n'
        f'{sudo}mkdir -p "$WHERE" || refuse "cannot be made"\n'
        f'held=`{sudo}ls -Aq "$WHERE"` || refuse "cannot be looked into"\n'
        '[ -z "$held" ] || refuse "is not empty"\n'
    )


def plain_directory(directory: str) -> str:
    """The directory of a restore, if it is an absolute path that can be shown. Refused otherwise."""
    if not directory.startswith("/") or not directory.isprintable():
        raise Refused(f"{directory!a} is not an absolute path; nothing was restored")
    return directory


# --- an archive -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive. `sha256` is of the contents and empty for what has none; `mtime` in seconds since 1970.

    `owner` and `group` are empty where the archive has numbers only; `device` is MAJOR:MINOR of a device file.
    """

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
    device: str = ""


Passed = Callable[[int, int], None]  # told bytes of contents, and whole names, as they pass


class Feed:
    """A file-like object whose bytes are put in by one thread and read by another."""

    def __init__(self) -> None:
        """Empty and open."""
        self._pieces: queue.Queue[bytes | None] = queue.Queue(PIECES)
        self._rest = memoryview(b"")
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
            self._rest = memoryview(piece or b"")
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return data

    def drain(self) -> None:
        """Take and forget the rest, so that the other thread is never stuck."""
        while not self._ended:
            self._ended = self._pieces.get() is None
        self._rest = memoryview(b"")


def read_entries(source: Feed, passed: Passed = lambda size, names: None) -> list[Entry]:
    """The entries of a tar stream, contents hashed. Raises tarfile.TarError for a stream that is damaged or cut."""
    entries = []
    with tarfile.open(fileobj=source, mode="r|", errors="surrogateescape", encoding="utf-8") as archive:  # type: ignore[call-overload]
        while (member := archive.next()) is not None:
            entries.append(_entry(archive, member, passed))
            archive.members.clear()  # it would keep every header that it ever read
            passed(0, 1)
    return entries


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, passed: Passed) -> Entry:
    digest = ""
    if member.isreg():
        hashed = hashlib.sha256()
        contents = archive.extractfile(member)
        while contents is not None and (data := contents.read(1 << 20)):
            hashed.update(data)
            passed(len(data), 0)
        digest = hashed.hexdigest()
    device = f"{member.devmajor}:{member.devminor}" if member.type in (tarfile.CHRTYPE, tarfile.BLKTYPE) else ""
    return Entry(
        member.name, _KINDS.get(member.type, "unknown"), member.size if member.isreg() else 0, member.mode, member.uid,
        member.gid, member.uname, member.gname, float(member.mtime), digest, member.linkname, device,
    )  # fmt: skip


def real_kinds(entries: Iterable[Entry]) -> dict[str, str]:
    """The kind of every path, that of a hard link being the kind of what it is another name of."""
    kinds: dict[str, str] = {}
    for entry in entries:
        kinds[entry.path] = kinds.get(entry.link, "unknown") if entry.kind == "hard link" else entry.kind
    return kinds


def totals(entries: list[Entry]) -> Totals:
    """Add up."""
    kinds = real_kinds(entries)
    files = sum(1 for entry in entries if kinds[entry.path] == "file")
    return Totals(len(entries), files, sum(entry.size for entry in entries))


def to_lines(entries: Iterable[Entry]) -> str:
    """A manifest as text, one JSON object a line; bytes that are not UTF-8 stand as escapes and come back as they were."""
    return "".join(json.dumps(to_json(entry), ensure_ascii=True) + "\n" for entry in entries)


def from_lines(text: str) -> Iterator[Entry]:
    """The entries of a manifest. ValueError or TypeError for text that is none."""
    for line in text.splitlines():
        yield Entry(**json_of(line))


def difference(expected: Iterable[Entry], found: Iterable[Entry]) -> list[str]:
    """How two lists of entries differ, as sentences; empty when they are equal."""
    left = {entry.path: entry for entry in expected}
    right = {entry.path: entry for entry in found}
    out = [f"missing: {path!a}" for path in left.keys() - right.keys()]
    out += [f"not in the manifest: {path!a}" for path in right.keys() - left.keys()]
    out += [f"differs: {path!a}" for path in left.keys() & right.keys() if left[path] != right[path]]
    return sorted(out)


def escapes(entries: list[Entry]) -> list[str]:
    """The paths by which an archive would write outside its directory: absolute, through `..`, or through a symlink."""
    links = {path for path, kind in real_kinds(entries).items() if kind == "symlink"}
    return [entry.path for entry in entries if _leads_out(entry, links)]


def _leads_out(entry: Entry, links: set[str]) -> bool:
    names = (entry.path, entry.link) if entry.kind == "hard link" else (entry.path,)
    return any(name.startswith("/") or ".." in name.split("/") or _through(name, links) for name in names)


def _through(path: str, links: set[str]) -> bool:
    """Whether a directory above the path is a symlink."""
    above = path
    while links and (above := above.rpartition("/")[0]):
        if above in links:
            return True
    return False
