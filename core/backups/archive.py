"""Backups as plain archives: one compressed tar a filesystem, a manifest of every file, and a record, in a directory.

A backup is SET/ID/ with `data-N.tar.zst`, `manifest.jsonl.zst` and `backup.json`; while it is made its name ends in
`.partial`, which is never listed. It can be restored by hand: `zstd -dc data-0.tar.zst | tar -x --numeric-owner -C DIR`.
One archive a filesystem, because each is read by a `tar` of its own that stays on it (`--one-file-system`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shlex
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import zstandard

from core.backups.base import BackupRecord, BackupRequest, Names, Report, RestoreRequest, TarStream
from core.backups.manifest import (
    GNU,
    SUDO,
    Counted,
    Entry,
    Feed,
    added,
    count_trees,
    difference,
    empty_directory,
    escapes,
    from_lines,
    plain_directory,
    real_kinds,
    to_lines,
    totals,
)  # fmt: skip
from core.backups.stores import HostStore, LocalStore, Store
from core.backups.streams import Meter, ended_well, entries_of, gathered, pour
from core.errors import CommandFailed, Refused, SplitmountError
from core.jsonable import to_json
from core.transport import Command, Effect, Guard, Result, Transport
from core.untrusted import json_of

RECORD, MANIFEST, VERIFIED = "backup.json", "manifest.jsonl.zst", "verified.json"
_ID = re.compile(r"\d{8}T\d{6}Z-[A-Za-z0-9_.+-]+(?<!\.partial)")
_DATA = re.compile(r"data-([0-9]{1,9})\.tar\.zst")


def tar_command(host: str, become: str, mounted: str, source: str) -> Command:
    """Read one mounted filesystem; names in the archive are those on the source, without the leading slash."""
    prefix = source.strip("/")
    rename = f" --transform={shlex.quote(_transform(prefix))}" if prefix else ""
    text = (
        f"LC_ALL=C; export LC_ALL\n{GNU}exec {SUDO[become]}`gnu tar` --create --format=posix --numeric-owner --acls --xattrs "
        f"--sparse --one-file-system --warning=no-file-ignored{rename} --file=- --directory={shlex.quote(mounted)} ."
    )
    return Command(host, f"read {mounted}", text)


def tools_command(host: str, become: str) -> Command:
    """Ask for the versions of the tools, the way in which they will be run."""
    sudo = SUDO[become]
    text = f"LC_ALL=C; export LC_ALL\n{GNU}{sudo}`gnu tar` --version\n{sudo}`gnu find` --version\n"
    return Command(host, "GNU tar and find", text)


def _transform(prefix: str) -> str:
    """Put the source's path before every name of a member (not before the targets of symbolic links)."""
    safe = prefix.replace("\\", "\\\\").replace("&", "\\&").replace(",", "\\,")
    return f"flags=rhS;s,^\\.,{safe},"


def _new_id(taken: datetime, split_id: str, there: Iterable[str]) -> str:
    """A name that no backup has: two of one split may begin within one second."""
    names = {name.removesuffix(".partial") for name in there}
    while (backup := f"{taken:%Y%m%dT%H%M%SZ}-{split_id}") in names:
        taken += timedelta(seconds=1)
    return backup


class ArchiveDriver:
    """Fits `core.backups.base.BackupDriver`."""

    def __init__(self, repository: str, host: str = "", level: int = 3) -> None:
        """`host` is where the repository lies, "" for this machine; `level` is zstd's."""
        self._repository, self._host, self._level = repository, host, level

    @property
    def name(self) -> str:
        """The word in the configuration."""
        return "archive"

    @property
    def reaches_everywhere(self) -> bool:
        """Yes: hosts send their files to this console, which hands them to the store."""
        return True

    def _store(self, transport: Transport) -> Store:
        if self._host:
            return HostStore(transport, self._host, self._repository)
        return LocalStore(Path(self._repository).expanduser())

    async def check(self, transport: Transport, host: str, become: str) -> tuple[str, ...]:
        """Whether the target has the tools that read it, and the repository can be written."""
        tools = await transport.run(tools_command(host, become))
        wrong = [
            f"{host}: {tool} is missing, or may not be run" for tool in ("GNU tar", "GNU find") if tool not in tools.stdout
        ]
        wrong.append(await self._store(transport).wrong())
        return tuple(sentence for sentence in wrong if sentence)

    def commands(self, request: BackupRequest) -> tuple[Command, ...]:
        """One tar for each tree."""
        return tuple(tar_command(request.host, request.become, mounted, source) for mounted, source in request.trees)

    # --- backup -----------------------------------------------------------------------------------------------------

    async def run(self, transport: Transport, request: BackupRequest, report: Report) -> BackupRecord:
        """Copy every tree; the backup gets its name only when all of it is on disk."""
        store, taken = self._store(transport), datetime.now(UTC)
        counted = await _count(transport, request)
        backup = _new_id(taken, request.split_id, await store.names(request.set_name))
        if not _ID.fullmatch(backup):
            raise Refused(f"{request.split_id!a} cannot be part of a backup's name")
        partial = (request.set_name, backup + ".partial")
        await store.make(*partial)
        try:
            meter = Meter(report, sum(tree.bytes for tree in counted))
            record = await self._write(transport, store, partial, request, taken, counted, meter)
        except SplitmountError:
            await _forget(store, partial)
            raise
        await store.rename(partial, (request.set_name, backup))
        return record

    async def _write(
        self,
        transport: Transport,
        store: Store,
        place: tuple[str, ...],
        request: BackupRequest,
        taken: datetime,
        counted: tuple[Counted, ...],
        meter: Meter,
    ) -> BackupRecord:
        """All files of the backup; the record last."""
        entries: list[Entry] = []
        files: dict[str, str] = {}
        stored = 0
        for number, (command, expected) in enumerate(zip(self.commands(request), counted, strict=True)):
            name = f"data-{number}.tar.zst"
            found, files[name], size = await self._tree(transport, store, (*place, name), command, meter)
            stored += size
            _same(f"{command.host}: {command.title}", found, (expected,))
            entries += found
        manifest = zstandard.compress(to_lines(entries).encode(), self._level)
        files[MANIFEST] = hashlib.sha256(manifest).hexdigest()
        await _put(store, (*place, MANIFEST), manifest)
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
            stored_bytes=stored,
            paths=tuple(source for _, source in request.trees),
            facts=files,
        )
        await _put(store, (*place, RECORD), json.dumps(to_json(record), indent=1, sort_keys=True).encode())
        return record

    async def _tree(
        self, transport: Transport, store: Store, place: tuple[str, ...], command: Command, meter: Meter
    ) -> tuple[list[Entry], str, int]:
        """Read one tree: hash every file while it passes, compress, store. (entries, SHA-256 of the file, its bytes)"""
        packer = zstandard.ZstdCompressor(level=self._level, threads=2, write_checksum=True).compressobj()
        digest, stored = hashlib.sha256(), 0

        def pack(feed: Feed, data: bytes) -> bytes:
            feed.put(data)
            return packer.compress(data)

        async def keep(data: bytes) -> None:
            nonlocal stored
            if data:
                digest.update(data)
                stored += len(data)
                await sink.write(data)

        async with store.writing(*place) as sink, entries_of(meter) as (feed, entries):
            async with transport.stream(command) as stream:
                async for data in gathered(stream):
                    await keep(await asyncio.to_thread(pack, feed, data))
                    meter.tell()
                result = await stream.finish()
            _good(result, "the incomplete copy is not listed")
            await keep(await asyncio.to_thread(packer.flush))
        return entries, digest.hexdigest(), stored

    async def forget_unfinished(self, transport: Transport, set_name: str, split_id: str) -> int:
        """By the ending of their names."""
        store = self._store(transport)
        names = [name for name in await store.names(set_name) if name.endswith(f"-{split_id}.partial")]
        for name in names:
            await store.remove(set_name, name)
        return len(names)

    # --- reading back -----------------------------------------------------------------------------------------------

    async def verify(self, transport: Transport, request: BackupRequest, record: BackupRecord, report: Report) -> BackupRecord:
        """Read all of it back from the repository: hashes of the stored files, every file's own, and the trees' counts."""
        store = self._store(transport)
        place = (record.set_name, record.id)
        expected = await self._manifest(store, place, record)
        found: list[Entry] = []
        meter = Meter(report, record.bytes)
        for name in _data_files(record):
            async with entries_of(meter) as (feed, entries):
                async for data in _unpacked(store, (*place, name), record):
                    await asyncio.to_thread(feed.put, data)
                    meter.tell()
            found += entries
        wrong = difference(expected, found)
        if wrong:
            raise CommandFailed(f"backup {record.id}: {len(wrong)} files differ from the manifest: {'; '.join(wrong[:5])}")
        _same(f"backup {record.id}", found, await _count(transport, request))
        return await self._stamp(store, place, replace(record, verified_at=datetime.now(UTC)))

    async def _stamp(self, store: Store, place: tuple[str, ...], record: BackupRecord) -> BackupRecord:
        """Note beside the backup that it was verified; the backup itself is never written again."""
        if record.verified_at is not None and VERIFIED not in await store.names(*place):
            await _put(store, (*place, VERIFIED), json.dumps({"verified_at": record.verified_at.isoformat()}).encode())
        return record

    async def _manifest(self, store: Store, place: tuple[str, ...], record: BackupRecord) -> list[Entry]:
        data = await _all(store.reading(*place, MANIFEST))
        if hashlib.sha256(data).hexdigest() != record.facts.get(MANIFEST):
            raise CommandFailed(f"backup {record.id}: the manifest is not what was written: its checksum differs")
        text = await asyncio.to_thread(lambda: zstandard.decompress(data).decode())
        return list(from_lines(text))

    # --- listing and restoring --------------------------------------------------------------------------------------

    async def list(self, transport: Transport, host: str, become: str, set_name: str) -> tuple[BackupRecord, ...]:
        """The whole backups of a set, newest first. CommandFailed names one that is damaged, and the others."""
        store = self._store(transport)
        names = sorted((n for n in await store.names(set_name) if _ID.fullmatch(n)), reverse=True)
        records = []
        for name in names:
            try:
                records.append(await self._record(store, set_name, name))
            except CommandFailed as error:
                others = ", ".join(n for n in names if n != name) or "there are none"
                raise CommandFailed(f"{error}. The others can be restored by name: {others}") from error
        return tuple(records)

    async def _record(self, store: Store, set_name: str, backup: str) -> BackupRecord:
        verified = VERIFIED in await store.names(set_name, backup)
        kept = await _all(store.reading(set_name, backup, RECORD))
        return self.record_of(
            set_name, backup, kept, await _all(store.reading(set_name, backup, VERIFIED)) if verified else b"{}"
        )

    @staticmethod
    def record_of(set_name: str, backup: str, kept: bytes, verified: bytes = b"{}") -> BackupRecord:
        """The record in the two files of a backup. CommandFailed when it is damaged, or that of another backup."""
        try:
            body: dict[str, Any] = json_of(kept) | json_of(verified)
            times = {k: datetime.fromisoformat(body[k]) if body[k] else None for k in ("split_at", "taken_at", "verified_at")}
            record = BackupRecord(**(body | times | {"paths": tuple(body["paths"])}))
            if (record.set_name, record.id) != (set_name, backup):
                raise ValueError(f"it is of {record.set_name} {record.id}")
            return record
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandFailed(f"backup {backup} of {set_name}: its {RECORD} is damaged: {error!r}") from error

    async def restore(self, transport: Transport, request: RestoreRequest, report: Report) -> int:
        """Unpack a backup into an empty or absent directory of the host, by its own tar, and count what is there then."""
        set_name, name, host = request.set_name, request.backup, request.host
        directory, store = plain_directory(request.directory), self._store(transport)
        if not _ID.fullmatch(name) or name not in await store.names(set_name):
            raise Refused(f"there is no backup {name!a} of {set_name}; nothing was restored")
        record = await self._record(store, set_name, name)
        odd = escapes(await self._manifest(store, (set_name, name), record))
        if odd:
            raise Refused(f"the backup holds names that lead out of the directory: {odd[0]!a}; nothing was restored")
        look = f"{SUDO[request.become]}ls -di \"$WHERE\" | awk '{{print $1}}'\n"
        text = empty_directory(request.become, directory) + look
        begin = Command(host, "make the directory for the restore", text, Effect.CHANGE, guard=Guard.EMPTY)
        made = await transport.run(begin)
        if made.exit_status == 90:
            raise Refused(f"{host}: {made.stderr.strip()}")
        ended_well(made, "nothing was restored")
        meter, said = Meter(report, record.bytes), ""
        for data in _data_files(record):
            pieces = _unpacked(store, (set_name, name, data), record)
            said += await pour(transport, extract_command(request, data, made.stdout.strip()), pieces, meter)
        (there,) = await count_trees(transport, host, request.become, (directory,))
        if (there.files, there.bytes) != (record.files, record.bytes):
            raise CommandFailed(
                f"{host}: {directory} holds {there.files} files, {there.bytes} bytes after the restore; "
                f"the backup {record.files}, {record.bytes}"
            )
        if said:
            raise CommandFailed(
                f"{host}: all {there.files} files are in {directory}, but not all about them: {said[:1000].strip()}"
            )
        return there.files

    async def names(self, transport: Transport, host: str, become: str, record: BackupRecord) -> Names:
        """From the manifest."""
        entries = await self._manifest(self._store(transport), (record.set_name, record.id), record)
        if odd := escapes(entries):
            raise Refused(f"the backup holds names that lead out of its directory: {odd[0]!a}; nothing was restored")
        kinds = real_kinds(entries)
        paths = {entry.path: "/" + entry.path.removeprefix("./").rstrip("/") for entry in entries}
        return Names(*(frozenset(p for name, p in paths.items() if kinds[name] == kind) for kind in ("file", "directory")))

    def tars(self, host: str, become: str, record: BackupRecord) -> tuple[TarStream, ...]:
        """One for each filesystem; names in it are those on the source."""
        files = zip(_data_files(record), record.paths, strict=True)
        return tuple(TarStream(name, "", (tree,), partial(self._stored, record, name)) for name, tree in files)

    def _stored(self, record: BackupRecord, name: str, transport: Transport) -> AsyncIterator[bytes]:
        return _unpacked(self._store(transport), (record.set_name, record.id, name), record)


def extract_command(request: RestoreRequest, data: str, inode: str) -> Command:
    """The tar that writes, into the very directory that was proved empty; the first one proves it again.

    Every extended attribute is named, since by default it would bring back only the user's own.
    """
    sudo, where = SUDO[request.become], shlex.quote(request.directory)
    same = (
        f'WHERE={where}\n[ "`{sudo}ls -di "$WHERE" | awk \'{{print $1}}\'`" = {shlex.quote(inode)} ] || '
        '{ echo "refused: $WHERE is not the directory that was empty; nothing was written" >&2; exit 90; }\n'
    )
    first = empty_directory(request.become, request.directory) if data == "data-0.tar.zst" else ""
    flags = "--extract --file=- --numeric-owner --acls --xattrs --xattrs-include='*' --same-permissions --warning=no-timestamp"
    text = f"{first}{same}LC_ALL=C; export LC_ALL\n{GNU}exec {sudo}`gnu tar` {flags} -C {where}"
    return Command(request.host, f"restore {data}", text, Effect.CHANGE, guard=Guard.EMPTY)


def _data_files(record: BackupRecord) -> list[str]:
    """The archives in the order in which they were written, outermost tree first."""
    return sorted((n for n in record.facts if _DATA.fullmatch(n)), key=lambda n: int(n.split("-")[1].split(".")[0]))


async def _count(transport: Transport, request: BackupRequest) -> tuple[Counted, ...]:
    return await count_trees(transport, request.host, request.become, tuple(mounted for mounted, _ in request.trees))


def _same(where: str, entries: list[Entry], counted: tuple[Counted, ...]) -> None:
    """CommandFailed unless the archive holds as many names, files and bytes as are on the disk."""
    archive, disk = totals(entries), added(counted)
    if archive != disk:
        raise CommandFailed(f"{where}: {archive} in the archive; {disk} on the disk")


async def _unpacked(store: Store, place: tuple[str, ...], record: BackupRecord) -> AsyncIterator[bytes]:
    """The tar stream of a stored archive. CommandFailed at its end when the stored bytes are not those that were written."""
    unpacker, digest = zstandard.ZstdDecompressor().decompressobj(), hashlib.sha256()
    where = f"backup {record.id}: {place[-1]}"
    async for piece in store.reading(*place):
        digest.update(piece)
        try:
            data = await asyncio.to_thread(unpacker.decompress, piece)
        except zstandard.ZstdError as error:
            raise CommandFailed(f"{where} is damaged: {error}") from error
        if data:
            yield data
    if digest.hexdigest() != record.facts[place[-1]] or not unpacker.eof:
        raise CommandFailed(f"{where} is not what was written: its checksum differs")


async def _put(store: Store, place: tuple[str, ...], data: bytes) -> None:
    async with store.writing(*place) as sink:
        await sink.write(data)


async def _all(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def _forget(store: Store, place: tuple[str, ...]) -> None:
    """Remove an incomplete backup; where that fails too, its name still says what it is."""
    try:
        await store.remove(*place)
    except SplitmountError:
        return


def _good(result: Result, meanwhile: str) -> None:
    """As `ended_well`, and silently: a tar that reads complains with exit status zero of what it could not keep."""
    room = "make room there, then start again; " if "No space left" in result.stderr else ""
    ended_well(result, room + meanwhile)
    if result.stderr.strip():
        raise CommandFailed(f"{result.command.host}: {result.command.title}: {result.stderr.strip()}; {room}{meanwhile}")
