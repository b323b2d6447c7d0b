"""Where an archive's files lie: a directory of this machine, or of a host behind the transport. Names are ours alone."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from core.backups.streams import answered
from core.errors import CommandFailed, Refused
from core.transport import Command, Effect, Guard, Result, Transport

PIECE = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


class Sink(Protocol):
    """A file that is being written."""

    async def write(self, data: bytes) -> None:
        """Append."""


class Store(Protocol):
    """A tree of small names: SET/BACKUP/FILE. Every method raises SplitmountError in plain words."""

    def writing(self, *names: str) -> AbstractAsyncContextManager[Sink]:
        """Write a new file, on disk when the context is left well."""

    def reading(self, *names: str) -> AsyncIterator[bytes]:
        """The bytes of a file."""

    async def names(self, *names: str) -> list[str]:
        """What a directory holds; empty when there is none."""

    async def make(self, *names: str) -> None:
        """Make a directory that must not exist yet."""

    async def rename(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Give a finished directory its name."""

    async def remove(self, *names: str) -> None:
        """Remove a directory of ours whose name says that it is incomplete."""

    async def wrong(self) -> str:
        """Why the store cannot be used, or nothing; read-only."""


def checked(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, each of which must be a plain word: nothing from outside can lead out of the repository."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise Refused(f"{name!a} is no name of a set or a backup in this repository")
    return names


class LocalStore:
    """A directory of this machine."""

    def __init__(self, root: Path) -> None:
        """Nothing is made yet."""
        self._root = root

    def _path(self, names: tuple[str, ...]) -> Path:
        return self._root.joinpath(*checked(names))

    @asynccontextmanager
    async def writing(self, *names: str) -> AsyncIterator[Sink]:
        """Write a new file."""
        path = self._path(names)
        try:
            with path.open("xb") as file:
                yield _File(file.write)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            _sync(path.parent)
        except OSError as error:
            raise CommandFailed(f"{path}: {error.strerror}") from error

    async def reading(self, *names: str) -> AsyncIterator[bytes]:
        """The bytes of a file."""
        path = self._path(names)
        try:
            with path.open("rb") as file:
                while data := await asyncio.to_thread(file.read, PIECE):
                    yield data
        except OSError as error:
            raise CommandFailed(f"{path}: {error.strerror}") from error

    async def names(self, *names: str) -> list[str]:
        """What a directory holds."""
        path = self._path(names)
        return sorted(p.name for p in path.iterdir()) if path.is_dir() else []

    async def make(self, *names: str) -> None:
        """Make a directory."""
        path = self._path(names)
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.mkdir(mode=0o700)
            for directory in (path.parent, path.parent.parent):
                _sync(directory)
        except OSError as error:
            raise CommandFailed(f"{path}: {error.strerror}") from error

    async def rename(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Rename, and make the name durable."""
        source, target = self._path(old), self._path(new)
        try:
            if target.exists():
                raise CommandFailed(f"{target} exists already")
            source.rename(target)
            for directory in dict.fromkeys((target.parent, source.parent)):
                _sync(directory)
        except OSError as error:
            raise CommandFailed(f"{target}: {error.strerror}") from error

    async def remove(self, *names: str) -> None:
        """Remove an incomplete backup."""
        if not names[-1].endswith(".partial"):
            raise Refused(f"{names[-1]} is no incomplete backup and is not removed")
        await asyncio.to_thread(shutil.rmtree, self._path(names), ignore_errors=True)

    async def wrong(self) -> str:
        """The nearest directory that exists must be writable."""
        path = self._root
        while not path.exists() and path != path.parent:
            path = path.parent
        return "" if path.is_dir() and os.access(path, os.W_OK) else f"{path} is not writable here"


def _sync(directory: Path) -> None:
    """Make the names in a directory survive a loss of power."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _File:
    def __init__(self, write: object) -> None:
        self._write = write

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._write, data)  # type: ignore[arg-type]


class HostStore:
    """A directory of a host, reached by one small command a call."""

    def __init__(self, transport: Transport, host: str, root: str) -> None:
        """`host` is a name of the configuration."""
        self._transport, self._host, self._root = transport, host, root

    def _path(self, names: tuple[str, ...]) -> str:
        return shlex.quote("/".join((self._root.rstrip("/"), *checked(names))))

    async def _do(self, title: str, text: str, effect: Effect = Effect.CHANGE) -> str:
        guard = Guard.REPOSITORY if effect is Effect.CHANGE else Guard.NONE
        command = Command(self._host, title, f"LC_ALL=C; export LC_ALL; umask 077\n{text}\n", effect, guard=guard)
        return _good(await self._transport.run(command)).stdout

    @asynccontextmanager
    async def writing(self, *names: str) -> AsyncIterator[Sink]:
        """Write a new file."""
        path = self._path(names)
        text = f"umask 077; set -C; cat > {path} && sync"
        command = Command(self._host, f"write {names[-1]}", text, Effect.CHANGE, guard=Guard.REPOSITORY)
        async with self._transport.stream(command) as stream:
            yield stream
            _good(await stream.finish())

    async def reading(self, *names: str) -> AsyncIterator[bytes]:
        """The bytes of a file."""
        async with self._transport.stream(Command(self._host, f"read {names[-1]}", f"cat {self._path(names)}")) as stream:
            while data := await stream.read(PIECE):
                yield data
            _good(await stream.finish())

    async def names(self, *names: str) -> list[str]:
        """What a directory holds."""
        path = self._path(names)
        return (await self._do("list the repository", f"if [ -d {path} ]; then ls {path}; fi", Effect.READ)).split()

    async def make(self, *names: str) -> None:
        """Make a directory."""
        path = self._path(names)
        await self._do("begin a backup", f"mkdir -p {self._path(names[:-1])} && mkdir {path}")

    async def rename(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Rename."""
        target = self._path(new)
        await self._do("name the finished backup", f"[ ! -e {target} ] && mv {self._path(old)} {target} && sync")

    async def remove(self, *names: str) -> None:
        """Remove an incomplete backup."""
        if not names[-1].endswith(".partial"):
            raise Refused(f"{names[-1]} is no incomplete backup and is not removed")
        await self._do("remove an incomplete backup", f"rm -rf {self._path(names)}")

    async def wrong(self) -> str:
        """The nearest directory that exists must be writable."""
        root = shlex.quote(self._root)
        text = f'd={root}; while [ ! -d "$d" ]; do d=`dirname "$d"`; done; [ -w "$d" ] || echo "$d is not writable on {self._host}"'
        return (await self._do("check the repository", text, Effect.READ)).strip()


def _good(result: Result) -> Result:
    return answered(result, result.stderr.strip() or str(result.exit_status))
