"""Files of a backup put back where they were: onto mounted filesystems of a host, what is there with the same names overwritten.

Nothing is removed: a file that the backup does not know stays. Nothing is written outside the filesystems of the set: where a
link, or a filesystem of others, stands today in the place of a directory of the backup, all is refused. Every file that was
written is read back and compared.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Iterable
from pathlib import PurePosixPath

from core.backups.base import BackupDriver, BackupRecord, Names, PutBack, Report, TarStream
from core.backups.manifest import (
    SUDO,
    Entry,
    Feed,
    mounted_or_refuse,
    names_command,
    parse_tree_digest,
    real_kinds,
    shape_command,
    stays_inside,
    tree_digest_command,
)
from core.backups.streams import Meter, ended_well, entries_of, pour
from core.errors import CommandFailed, ParseError, Refused
from core.transport import Command, Effect, Guard, Transport


def within(path: str, tops: Iterable[str]) -> bool:
    """Whether a path is one of these, or lies below one."""
    return any(path == top or path.startswith(top.rstrip("/") + "/") for top in tops)


def tops(paths: Iterable[str]) -> tuple[str, ...]:
    """These paths without those that lie below another."""
    rows = sorted(set(paths))
    return tuple(p for p in rows if not within(p, [q for q in rows if q != p]))


def in_scope(names: Names, paths: tuple[str, ...]) -> Names:
    """The files that are put back, and their directories. Refused names a path of which the backup has nothing."""
    for path in paths:
        if not any(within(name, (path,)) for name in names.files):
            raise Refused(f"the backup has nothing at {path!a}; nothing was restored")
    if not paths:
        return names
    return Names(*(frozenset(name for name in some if within(name, paths)) for some in (names.files, names.directories)))


async def present(transport: Transport, host: str, become: str, points: tuple[str, ...]) -> frozenset[str]:
    """The regular files that are below these mount points now."""
    rows = await _rows(transport, names_command(host, become, points), "what would be overwritten could not be counted")
    return frozenset(rows)


async def _rows(transport: Transport, command: Command, otherwise: str) -> list[str]:
    """What a read prints, each row ended by a zero byte. CommandFailed, with these words, when it did not end well."""
    whole = b""
    async with transport.stream(command) as stream:
        while data := await stream.read():
            whole += data
        result = await stream.finish()
    ended_well(result, otherwise)
    return [row.decode("utf-8", "surrogateescape") for row in whole.split(b"\0") if row]


async def look_astray(transport: Transport, what: PutBack, names: Names) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Where the files would leave the set's filesystems as they are now; see `astray`."""
    points = [what.prefix + tree for tree in what.trees]
    command = shape_command(what.host, what.become, points)
    rows = [row.split(" ", 2) for row in await _rows(transport, command, "links could not be looked for; nothing was written")]
    if odd := [row for row in rows if len(row) != 3 or len(row[0]) != 1 or not row[1].isdigit()]:
        raise ParseError(what.host, command.title, "not a kind, a filesystem and a name", " ".join(odd[0]))
    return astray(what, names, [(kind, number, path) for kind, number, path in rows])


def astray(what: PutBack, names: Names, rows: Iterable[tuple[str, str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The rows of `shape_command` through which files would be written elsewhere, as sentences; and the filesystems of others
    in the scope of which the backup has nothing. `names` are those of the backup in the scope. Pure.
    """
    points, rows = {what.prefix + tree for tree in what.trees}, list(rows)
    own = {number for _, number, path in rows if path in points}
    above = {str(up) for name in names.files | names.directories for up in PurePosixPath(name).parents}
    odd, apart = list[str](), list[str]()
    for kind, number, path in rows:
        name = path.removeprefix(what.prefix)
        if kind == "l" and (name in above or name in names.directories):
            odd.append(f"{path!a} is a symbolic link today, and a directory in the backup")
        elif kind == "d" and number not in own and (name in above or not path.isprintable()):
            odd.append(f"{path!a} is a filesystem of its own today, and the backup has files below it")
        elif kind == "d" and number not in own and (not what.paths or within(name, what.paths)):
            apart.append(path)
    return tuple(odd), tuple(apart)


def command_of(what: PutBack, stream: TarStream) -> Command:
    """The tar that writes one stream; it refuses, in the same shell, where it would write to other filesystems than these."""
    selected = _selected(what, stream)
    members = [member for top in selected if (member := _member(stream, top))]
    points = [what.prefix + tree for tree in what.trees if within(tree, stream.trees)]
    between = dict.fromkeys(what.prefix + path for top in selected for path in _between(what, top))
    inside = stays_inside(what.become, between, [what.prefix + top for top in selected], what.apart)
    strip = f" --strip-components={stream.inside.count('/') + 1}" if stream.inside else ""
    leave = "".join(f" --exclude={shlex.quote(_member(stream, path.removeprefix(what.prefix)))}" for path in what.apart)
    leave = f" --anchored --no-wildcards{leave}" if leave else ""
    flags = "--extract --file=- --numeric-owner --acls --xattrs --xattrs-include='*' --same-permissions --warning=no-timestamp"
    text = (
        f"{mounted_or_refuse(what.become, points)}{inside}exec {SUDO[what.become]}`gnu tar` {flags}{strip}{leave}"
        f" -C {shlex.quote(what.prefix or '/')}"
        f" -- {' '.join(shlex.quote(member) for member in members)}\n"
    )
    return Command(what.host, f"put back {stream.title}", text, Effect.CHANGE, guard=Guard.MOUNTED)


def commands_of(driver: BackupDriver, record: BackupRecord, what: PutBack) -> tuple[Command, ...]:
    """All that `put_back` sends to the host, for the plan."""
    streams = driver.tars(what.reader, what.reader_become, record)
    return tuple(command_of(what, stream) for stream in streams if _selected(what, stream))


def _selected(what: PutBack, stream: TarStream) -> tuple[str, ...]:
    """What of a stream is wanted: its trees, or the parts of the paths that lie in them, or trees that lie in the paths."""
    if not what.paths:
        return tops(stream.trees)
    holder = {path: max((t for t in what.trees if within(path, (t,))), key=len, default="") for path in what.paths}
    inner = [tree for tree in stream.trees if within(tree, what.paths)]
    return tops([*inner, *(path for path, tree in holder.items() if tree in stream.trees)])


def _between(what: PutBack, top: str) -> list[str]:
    """The directories between a tree and what is wanted of it, outermost first, and that itself; none for a whole tree."""
    tree = max((t for t in what.trees if within(top, (t,))), key=len, default="/").rstrip("/")
    words = top[len(tree) :].strip("/").split("/")
    return [f"{tree}/{'/'.join(words[:n])}" for n in range(1, len(words) + 1) if words != [""]]


def _member(stream: TarStream, path: str) -> str:
    return f"{stream.inside}/{path.strip('/')}".strip("/")


async def ensure_fit(transport: Transport, driver: BackupDriver, record: BackupRecord, what: PutBack) -> frozenset[str]:
    """The files to put back. Refused unless every mount point is a mounted filesystem, and nothing leads out of them; reads."""
    points = [what.prefix + tree for tree in what.trees]
    result = await transport.run(Command(what.host, "look that all is mounted", mounted_or_refuse(what.become, points)))
    if result.exit_status == 90:
        raise Refused(f"{what.host}: {result.stderr.strip()}")
    ended_well(result, "nothing was written")
    held = in_scope(await driver.names(transport, what.reader, what.reader_become, record), what.paths)
    odd, apart = await look_astray(transport, what, held)
    odd += tuple(f"{path!a} is a filesystem of its own since the plan was made" for path in apart if path not in what.apart)
    if odd:
        raise Refused(f"{what.host}: {'; '.join(odd[:5])}; nothing was written")
    return held.files


async def put_back(
    transport: Transport, driver: BackupDriver, record: BackupRecord, what: PutBack, wanted: frozenset[str], report: Report
) -> int:
    """Pour every stream that holds something of the scope, then compare each of the files of `ensure_fit`; their number."""
    meter, said, expected, poured = Meter(report, record.bytes), "", dict[str, str](), 0
    for stream in driver.tars(what.reader, what.reader_become, record):
        if not _selected(what, stream):
            continue
        async with entries_of(Meter(lambda progress: None, 0)) as (feed, entries):
            try:
                said += await pour(transport, command_of(what, stream), _heard(stream.pieces(transport), feed), meter)
            except Refused as no:
                if not poured:
                    raise
                why = str(no).replace("; nothing was written", "")
                raise CommandFailed(f"{why}; what came before {stream.title} is written already") from no
        poured += 1
        expected |= _sums(stream, entries)
    if said:
        raise CommandFailed(f"{what.host}: all files were written, but not all about them: {said[:1000].strip()}")
    await _compare(transport, what, {name: expected[name] for name in wanted if name in expected}, wanted)
    return len(wanted)


async def _heard(pieces: AsyncIterator[bytes], feed: Feed) -> AsyncIterator[bytes]:
    async for data in pieces:
        await asyncio.to_thread(feed.put, data)
        yield data


def _sums(stream: TarStream, entries: list[Entry]) -> dict[str, str]:
    """SHA-256 by path on the source of every regular file that passed."""
    kinds, own = real_kinds(entries), {entry.path: entry.sha256 for entry in entries}
    head = stream.inside + "/" if stream.inside else ""
    return {
        "/" + entry.path.removeprefix("./").removeprefix(head): own.get(entry.link, "")
        if entry.kind == "hard link"
        else entry.sha256
        for entry in entries
        if kinds[entry.path] == "file"
    }


async def _compare(transport: Transport, what: PutBack, expected: dict[str, str], wanted: frozenset[str]) -> None:
    """Read back what was written. CommandFailed names files that are not there, or are others."""
    if lost := sorted(wanted - expected.keys()):
        raise CommandFailed(f"the backup's data lacks {len(lost)} files that its list has: {', '.join(map(ascii, lost[:5]))}")
    points = tuple(what.prefix + tree for tree in what.trees)
    result = await transport.run(tree_digest_command(what.host, what.become, points))
    ended_well(result, "the files were written; whether they are right is unknown")
    found = parse_tree_digest(what.host, result.stdout, points)
    there = {
        f"{tree.rstrip('/')}/{name}": digest
        for tree, names in zip(what.trees, found, strict=True)
        for name, digest in names.items()
    }
    if wrong := sorted(name for name, digest in expected.items() if there.get(name) != digest):
        raise CommandFailed(
            f"{what.host}: {len(wrong)} of {len(expected)} files are not as in the backup after the restore: {', '.join(map(ascii, wrong[:5]))}"
        )
