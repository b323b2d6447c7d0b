"""Backups as plain archives: one compressed tar a filesystem, a manifest of every file, and a record, in a directory.

A backup is SET/ID/ with `data-N.tar.zst`, `manifest.jsonl.zst` and `backup.json`; while it is made its name ends in
`.partial`, which is never listed. It can be restored by hand: `zstd -dc data-0.tar.zst | tar -x --numeric-owner -C DIR`.
One archive a filesystem, because each is read by a `tar` of its own that stays on it (`--one-file-system`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shlex
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard

from core.backups.base import BackupRecord, BackupRequest, Progress, Report, RestoreRequest
from core.backups.manifest import Entry, Feed, difference, from_lines, read_entries, to_lines, totals
from core.backups.stores import HostStore, LocalStore, Store
from core.errors import CommandFailed, OutcomeUnknown, Refused, SplitmountError
from core.jsonable import to_json
from core.transport import Command, Effect, Status, Transport

_SUDO = {"": "", "sudo": "sudo -n ", "pfexec": "pfexec "}
RECORD, MANIFEST = "backup.json", "manifest.jsonl.zst"


def tar_command(host: str, become: str, mounted: str, source: str) -> Command:
    """Read one mounted filesystem; names in the archive are those on the source, without the leading slash."""
    sudo, point = _SUDO[become], shlex.quote(mounted)
    prefix = source.strip("/")
    rename = f" --transform={shlex.quote(_transform(prefix))}" if prefix else ""
    text = (
        f"LC_ALL=C; export LC_ALL; cd {point} || exit 2; exec {sudo}tar --create --file=- --format=posix --numeric-owner "
        f"--acls --xattrs --sparse --one-file-system --warning=no-file-ignored{rename} ."
    )
    return Command(host, f"read {mounted}", text)


def _transform(prefix: str) -> str:
    """Put the source's path before every name of a member (not before the targets of symbolic links)."""
    safe = prefix.replace("\\", "\\\\").replace("&", "\\&").replace(",", "\\,")
    return f"flags=rhS;s,^\\.,{safe},"


def size_command(host: str, become: str, points: tuple[str, ...]) -> Command:
    """Count bytes of regular files and names below each mount point, staying on its filesystem."""
    sudo = _SUDO[become]
    lines = [f"{sudo}find {shlex.quote(p)} -xdev ! -type s -printf '%y %s %D:%i %n\\n'; echo @@ $?" for p in points]
    script = " ; ".join(lines)
    count = (
        'awk \'$1=="@@"{print n+0, f+0, b+0, $2; n=f=b=0; split("", seen); next}'
        ' {n++} $1=="f"{f++; if ($4==1 || !($3 in seen)) b+=$2; seen[$3]=1}'
        "'"
    )
    return Command(host, "count files and bytes", f"LC_ALL=C; export LC_ALL\n{{ {script}; }} | {count}\n", timeout=1800)


def tree_digest_command(host: str, become: str, points: tuple[str, ...]) -> Command:
    """SHA-256 of every regular file below the mount points, sorted by name, for comparing two hosts."""
    sudo = _SUDO[become]
    lines = [
        f"cd {shlex.quote(p)} && {sudo}find . -xdev -type f -print0 | sort -z | {sudo}xargs -0 -r sha256sum" for p in points
    ]
    return Command(host, "checksums of all files", "LC_ALL=C; export LC_ALL\n" + "\n".join(lines) + "\n", timeout=3600)


class ArchiveDriver:
    """Fits `core.backups.base.BackupDriver`."""

    def __init__(self, repository: str, host: str = "", level: int = 3) -> None:
        """`host` is where the repository lies, "" for this machine; `level` is zstd's."""
        self._repository, self._host, self._level = repository, host, level

    @property
    def name(self) -> str:
        """The word in the configuration."""
        return "archive"

    def _store(self, transport: Transport) -> Store:
        if self._host:
            return HostStore(transport, self._host, self._repository)
        return LocalStore(Path(self._repository).expanduser())

    async def check(self, transport: Transport, host: str, become: str) -> tuple[str, ...]:
        """Whether the repository can be written."""
        wrong = await self._store(transport).wrong()
        return (wrong,) if wrong else ()

    def commands(self, request: BackupRequest) -> tuple[Command, ...]:
        """One tar for each tree."""
        return tuple(tar_command(request.host, request.become, mounted, source) for mounted, source in request.trees)

    async def run(self, transport: Transport, request: BackupRequest, report: Report) -> BackupRecord:
        """Copy every tree; the backup gets its name only when all of it is on disk."""
        store, taken = self._store(transport), datetime.now(UTC)
        counted = await _count(transport, request)
        total = sum(size for _, _, size in counted)
        backup = f"{taken:%Y%m%dT%H%M%SZ}-{request.split_id}"
        partial = (request.set_name, backup + ".partial")
        await store.make(*partial)
        try:
            record = await self._write(transport, store, partial, request, taken, counted, _Meter(report, total))
        except SplitmountError:
            await _forget(store, partial)
            raise
        await store.rename(partial, (request.set_name, backup))
        return replace(record, id=backup)

    async def _write(
        self,
        transport: Transport,
        store: Store,
        place: tuple[str, ...],
        request: BackupRequest,
        taken: datetime,
        counted: list[tuple[int, int, int]],
        meter: _Meter,
    ) -> BackupRecord:
        entries: list[Entry] = []
        files: dict[str, str] = {}
        for number, (command, expected) in enumerate(zip(self.commands(request), counted, strict=True)):
            name = f"data-{number}.tar.zst"
            found, files[name], stored = await self._tree(transport, store, (*place, name), command, meter)
            meter.stored += stored
            if len(found) != expected[0]:
                raise CommandFailed(
                    f"{command.host}: {command.title}: {len(found)} names in the archive, {expected[0]} on the disk"
                )
            entries += found
        manifest = zstandard.compress(to_lines(entries).encode(), self._level)
        async with store.writing(*place, MANIFEST) as sink:
            await sink.write(manifest)
        files[MANIFEST] = hashlib.sha256(manifest).hexdigest()
        sums = totals(entries)
        record = BackupRecord(
            id=place[-1].removesuffix(".partial"),
            set_name=request.set_name,
            run=request.run,
            split_id=request.split_id,
            split_at=request.split_at,
            taken_at=taken,
            files=sums.files,
            bytes=sums.bytes,
            stored_bytes=meter.stored,
            paths=tuple(source for _, source in request.trees),
            facts=files,
        )
        async with store.writing(*place, RECORD) as sink:
            await sink.write(json.dumps(to_json(record), indent=1, sort_keys=True).encode())
        return record

    async def _tree(
        self, transport: Transport, store: Store, place: tuple[str, ...], command: Command, meter: _Meter
    ) -> tuple[list[Entry], str, int]:
        """Read one tree: hash every file while it passes, compress, store. (entries, SHA-256 of the file, its bytes)"""
        packer = zstandard.ZstdCompressor(level=self._level, threads=2, write_checksum=True).compressobj()
        digest, stored = hashlib.sha256(), 0

        async def keep(data: bytes) -> None:
            nonlocal stored
            if data:
                digest.update(data)
                stored += len(data)
                await sink.write(data)

        async with store.writing(*place) as sink, _entries_of(meter.entry) as (feed, entries):
            async with transport.stream(command) as stream:
                while data := await stream.read():
                    await asyncio.to_thread(feed.put, data)
                    await keep(await asyncio.to_thread(packer.compress, data))
                result = await stream.finish()
            await keep(await asyncio.to_thread(packer.flush))
            where = f"{command.host}: {command.title}"
            if result.status is Status.UNKNOWN:
                raise OutcomeUnknown(f"{where}: {result.reason}; the incomplete copy is not listed")
            if result.status is Status.FAILED or result.stderr.strip():
                raise CommandFailed(f"{where}: tar ended with {result.exit_status}: {result.stderr.strip()}")
        return entries, digest.hexdigest(), stored

    async def verify(self, transport: Transport, request: BackupRequest, record: BackupRecord, report: Report) -> BackupRecord:
        """Read all of it back from the repository: hashes of the stored files, and every file's own."""
        store = self._store(transport)
        place = (record.set_name, record.id)
        expected = await self._manifest(store, place, record)
        found: list[Entry] = []
        meter = _Meter(report, record.bytes)
        for name in sorted(n for n in record.facts if n.startswith("data-")):
            digest = hashlib.sha256()
            async with _entries_of(meter.entry) as (feed, entries):
                await _unpack(store.reading(*place, name), digest.update, feed)
            if digest.hexdigest() != record.facts[name]:
                raise CommandFailed(f"backup {record.id}: {name} is not what was written: its checksum differs")
            found += entries
        wrong = difference(expected, found)
        if wrong:
            raise CommandFailed(f"backup {record.id}: {len(wrong)} files differ from the manifest: {'; '.join(wrong[:5])}")
        return await self._stamp(store, place, replace(record, verified_at=datetime.now(UTC)))

    async def _stamp(self, store: Store, place: tuple[str, ...], record: BackupRecord) -> BackupRecord:
        """Note beside the backup that it was verified; the backup itself is never written again."""
        if record.verified_at is not None and "verified.json" not in await store.names(*place):
            async with store.writing(*place, "verified.json") as sink:
                await sink.write(json.dumps({"verified_at": record.verified_at.isoformat()}).encode())
        return record

    async def _manifest(self, store: Store, place: tuple[str, ...], record: BackupRecord) -> list[Entry]:
        data = await _all(store.reading(*place, MANIFEST))
        if hashlib.sha256(data).hexdigest() != record.facts.get(MANIFEST):
            raise CommandFailed(f"backup {record.id}: the manifest is not what was written: its checksum differs")
        return list(from_lines(zstandard.decompress(data).decode()))

    async def list(self, transport: Transport, host: str, become: str, set_name: str) -> tuple[BackupRecord, ...]:
        """The whole backups of a set, newest first."""
        store = self._store(transport)
        names = [n for n in await store.names(set_name) if not n.endswith(".partial")]
        return tuple([await self._record(store, set_name, name) for name in reversed(names)])

    async def _record(self, store: Store, set_name: str, backup: str) -> BackupRecord:
        try:
            body: dict[str, Any] = json.loads(await _all(store.reading(set_name, backup, RECORD)))
            if "verified.json" in await store.names(set_name, backup):
                body |= json.loads(await _all(store.reading(set_name, backup, "verified.json")))
            times = {k: datetime.fromisoformat(body[k]) if body[k] else None for k in ("split_at", "taken_at", "verified_at")}
            return BackupRecord(**(body | times | {"paths": tuple(body["paths"])}))
        except (ValueError, KeyError, TypeError) as error:
            raise CommandFailed(f"backup {backup} of {set_name}: its {RECORD} is damaged: {error!r}") from error

    async def restore(self, transport: Transport, request: RestoreRequest, report: Report) -> int:
        """Unpack a backup into an empty or absent directory of the host, by its own tar."""
        set_name, name, host, directory = request.set_name, request.backup, request.host, request.directory
        store = self._store(transport)
        record = await self._record(store, set_name, name)
        expected = await self._manifest(store, (set_name, name), record)
        _refuse_escapes(expected)
        where, sudo = shlex.quote(directory), _SUDO[request.become]
        begin = f'LC_ALL=C; export LC_ALL\n{sudo}mkdir -p {where} && [ -z "`ls -A {where}`" ] || exit 90\n'
        made = await transport.run(Command(host, "make the directory for the restore", begin, Effect.CHANGE))
        if made.status is not Status.OK:
            raise Refused(f"{host}: {directory} is not empty or cannot be made: {made.stderr.strip()}; nothing was restored")
        meter = _Meter(report, record.bytes)
        for data in sorted(n for n in record.facts if n.startswith("data-")):
            flags = "--extract --file=- --numeric-owner --acls --xattrs --same-permissions --skip-old-files"
            text = f"LC_ALL=C; export LC_ALL; exec {sudo}tar {flags} -C {where}"
            async with transport.stream(Command(host, f"restore {data}", text, Effect.CHANGE)) as stream:
                unpacker = zstandard.ZstdDecompressor().decompressobj()
                async for piece in store.reading(set_name, name, data):
                    raw = await asyncio.to_thread(unpacker.decompress, piece)
                    meter.add(len(raw))
                    await stream.write(raw)
                result = await stream.finish()
            if result.status is not Status.OK:
                raise CommandFailed(
                    f"{host}: restore of {data}: {result.stderr.strip() or result.reason or result.exit_status}"
                )
        return record.files


class _Meter:
    """Counts what has passed, and says so."""

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._total = report, total
        self._done, self._files = 0, 0
        self.stored = 0

    def entry(self, entry: Entry) -> None:
        """A file has passed whole."""
        self._files += 1
        self.add(entry.size)

    def add(self, size: int) -> None:
        """Bytes have passed."""
        self._done += size
        self._report(Progress(self._done, max(self._total, self._done), self._files or None))


async def _count(transport: Transport, request: BackupRequest) -> list[tuple[int, int, int]]:
    """(names, regular files, bytes) of each tree; CommandFailed when they could not be counted."""
    points = tuple(mounted for mounted, _ in request.trees)
    result = await transport.run(size_command(request.host, request.become, points))
    rows = [line.split() for line in result.stdout.splitlines()]
    if result.status is not Status.OK or len(rows) != len(points) or any(len(r) != 4 or r[3] != "0" for r in rows):
        raise CommandFailed(f"{request.host}: files could not be counted: {result.stderr.strip() or result.reason}")
    return [(int(names), int(files), int(size)) for names, files, size, _ in rows]


@asynccontextmanager
async def _entries_of(seen: Callable[[Entry], None]) -> AsyncIterator[tuple[Feed, list[Entry]]]:
    """A feed whose tar stream is read in a thread; when the context is left, its entries are in the list."""
    feed, entries = Feed(), list[Entry]()
    reader = asyncio.create_task(asyncio.to_thread(_read, feed, seen))
    try:
        yield feed, entries
    except BaseException:
        await asyncio.to_thread(feed.end)
        await asyncio.gather(reader, return_exceptions=True)
        raise
    await asyncio.to_thread(feed.end)
    try:
        entries += await reader
    except tarfile.TarError as error:
        raise CommandFailed(f"the tar stream is damaged or cut: {error}") from error


def _read(feed: Feed, seen: Callable[[Entry], None]) -> list[Entry]:
    try:
        return read_entries(feed, seen)
    finally:
        feed.drain()


async def _unpack(pieces: AsyncIterator[bytes], seen: Callable[[bytes], None], feed: Feed) -> None:
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    async for piece in pieces:
        seen(piece)
        try:
            data = await asyncio.to_thread(unpacker.decompress, piece)
        except zstandard.ZstdError as error:
            raise CommandFailed(f"the stored archive is damaged: {error}") from error
        if data:
            await asyncio.to_thread(feed.put, data)


async def _all(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def _forget(store: Store, place: tuple[str, ...]) -> None:
    """Remove an incomplete backup; where that fails too, its name still says what it is."""
    try:
        await store.remove(*place)
    except SplitmountError:
        return


def _refuse_escapes(entries: list[Entry]) -> None:
    odd = [e.path for e in entries if e.path.startswith("/") or ".." in e.path.split("/")]
    if odd:
        raise Refused(f"the backup holds names that lead out of the directory: {odd[0]!a}; nothing was restored")
