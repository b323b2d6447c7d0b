"""Files of a backup put back where they were: onto mounted filesystems of a host, what is there with the same names overwritten.

Nothing is removed: a file that the backup does not know stays. Every file that was written is read back and compared.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Iterable

from core.backups.base import BackupDriver, BackupRecord, PutBack, Report, TarStream
from core.backups.manifest import (
    SUDO,
    Entry,
    Feed,
    mounted_or_refuse,
    names_command,
    parse_tree_digest,
    real_kinds,
    tree_digest_command,
)
from core.backups.streams import Meter, ended_well, entries_of, pour
from core.errors import CommandFailed, Refused
from core.transport import Command, Effect, Guard, Transport


def within(path: str, tops: Iterable[str]) -> bool:
    """Whether a path is one of these, or lies below one."""
    return any(path == top or path.startswith(top.rstrip("/") + "/") for top in tops)


def tops(paths: Iterable[str]) -> tuple[str, ...]:
    """These paths without those that lie below another."""
    rows = sorted(set(paths))
    return tuple(p for p in rows if not within(p, [q for q in rows if q != p]))


def in_scope(names: frozenset[str], paths: tuple[str, ...]) -> frozenset[str]:
    """The files that are put back. Refused names a path of which the backup has nothing."""
    for path in paths:
        if not any(within(name, (path,)) for name in names):
            raise Refused(f"the backup has nothing at {path!a}; nothing was restored")
    return frozenset(name for name in names if within(name, paths)) if paths else names


async def present(transport: Transport, host: str, become: str, points: tuple[str, ...]) -> frozenset[str]:
    """The regular files that are below these mount points now."""
    whole = b""
    async with transport.stream(names_command(host, become, points)) as stream:
        while data := await stream.read():
            whole += data
        result = await stream.finish()
    ended_well(result, "what would be overwritten could not be counted")
    return frozenset(name.decode("utf-8", "surrogateescape") for name in whole.split(b"\0") if name)


def command_of(what: PutBack, stream: TarStream) -> Command:
    """The tar that writes one stream; it refuses, in the same shell, where a mount point is no mounted filesystem."""
    members = [member for top in _selected(what, stream) if (member := _member(stream, top))]
    points = [what.prefix + tree for tree in what.trees if within(tree, stream.trees)]
    strip = f" --strip-components={stream.inside.count('/') + 1}" if stream.inside else ""
    flags = "--extract --file=- --numeric-owner --acls --xattrs --xattrs-include='*' --same-permissions --warning=no-timestamp"
    text = (
        f"{mounted_or_refuse(what.become, points)}exec {SUDO[what.become]}`gnu tar` {flags}{strip} -C {shlex.quote(what.prefix or '/')}"
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


def _member(stream: TarStream, path: str) -> str:
    return f"{stream.inside}/{path.strip('/')}".strip("/")


async def ensure_mounted(transport: Transport, what: PutBack) -> None:
    """Refused unless every mount point of the scope is a mounted filesystem of the host; a read."""
    points = [what.prefix + tree for tree in what.trees]
    result = await transport.run(Command(what.host, "look that all is mounted", mounted_or_refuse(what.become, points)))
    if result.exit_status == 90:
        raise Refused(f"{what.host}: {result.stderr.strip()}")
    ended_well(result, "nothing was written")


async def put_back(transport: Transport, driver: BackupDriver, record: BackupRecord, what: PutBack, report: Report) -> int:
    """Pour every stream that holds something of the scope, then compare each file that was written; the number of files."""
    wanted = in_scope(await driver.names(transport, what.reader, what.reader_become, record), what.paths)
    meter, said, expected = Meter(report, record.bytes), "", dict[str, str]()
    for stream in driver.tars(what.reader, what.reader_become, record):
        if not _selected(what, stream):
            continue
        async with entries_of(Meter(lambda progress: None, 0)) as (feed, entries):
            said += await pour(transport, command_of(what, stream), _heard(stream.pieces(transport), feed), meter)
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
