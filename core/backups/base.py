"""What a backup driver must be able to do. It copies from mounted BCVs, and binds the copy to the split's identity and time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from core.transport import Command, Transport


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes done and to do (None while not known), with files where the tool counts them."""

    done: int
    total: int | None
    files: int | None = None
    current: str = ""


@dataclass(frozen=True, slots=True)
class BackupRequest:
    """What to back up: `trees` are (mount point on the target, mount point on the source), outermost first.

    `job_dir` is the directory of the run on the host; `split_id` and `split_at` bind the copy to its point in time.
    """

    set_name: str
    run: str
    host: str
    trees: tuple[tuple[str, str], ...]
    split_id: str
    split_at: datetime
    job_dir: str
    become: str = ""


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """Which backup of which set to restore, and into which empty or absent directory of the host."""

    set_name: str
    backup: str
    host: str
    directory: str
    job_dir: str
    become: str = ""


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """A backup that exists: `id` is how the driver finds it again; `verified_at` is None until it was read back."""

    id: str
    set_name: str
    run: str
    split_id: str
    split_at: datetime
    taken_at: datetime
    files: int
    bytes: int
    stored_bytes: int | None = None
    verified_at: datetime | None = None
    paths: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Names:
    """What a backup holds, by paths on the source: its regular files, and its directories."""

    files: frozenset[str]
    directories: frozenset[str]


@dataclass(frozen=True, slots=True)
class TarStream:
    """One tar stream out of a backup. The source's root lies in it below `inside` ("" for the top of the archive).

    `trees` are the mount points of the source whose files it holds; `pieces` opens it.
    """

    title: str
    inside: str
    trees: tuple[str, ...]
    pieces: Callable[[Transport], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class PutBack:
    """Which files of a backup go where. `prefix` stands before every mount point of the source on `host` ("" on the source itself).

    `trees` are the mount points of the source, outermost first; `paths` are files and directories of the source, none for all.
    `reader` is the host that reaches the repository. `apart` are filesystems of others below the trees, of which the backup has
    nothing: they are left alone, and nothing is written to any other.
    """

    backup: str
    host: str
    become: str
    prefix: str
    trees: tuple[str, ...]
    reader: str
    reader_become: str
    paths: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overwrites:
    """What a put-back comes to, measured before it: the backup, its files in scope, those that are there now, those that
    it leaves alone; None where that could not be counted, and why. `astray` are the places at which files would leave the
    set's filesystems, as sentences; None where that could not be looked for. `apart` is as in `PutBack`.
    """

    record: BackupRecord
    files: int
    overwritten: int | None = None
    untouched: int | None = None
    why_unknown: str = ""
    astray: tuple[str, ...] | None = ()
    apart: tuple[str, ...] = ()


Report = Callable[[Progress], None]


class BackupDriver(Protocol):
    """One repository. `commands` shows beforehand what `run` will send."""

    @property
    def name(self) -> str:
        """The driver's word in the configuration."""

    @property
    def reaches_everywhere(self) -> bool:
        """Whether any host of the set can write to the repository; False when it lies on the target itself."""

    async def check(self, transport: Transport, host: str, become: str) -> tuple[str, ...]:
        """What is missing for this repository to be used from that host, as sentences; read-only."""

    def commands(self, request: BackupRequest) -> tuple[Command, ...]:
        """The exact commands that `run` sends, for the plan."""

    async def run(self, transport: Transport, request: BackupRequest, report: Report) -> BackupRecord:
        """Copy. Raises CommandFailed (nothing half-done is left that looks whole) or OutcomeUnknown."""

    async def verify(self, transport: Transport, request: BackupRequest, record: BackupRecord, report: Report) -> BackupRecord:
        """Read the copy back and compare; the record comes back with `verified_at`. Raises CommandFailed with what differs."""

    async def forget_unfinished(self, transport: Transport, set_name: str, split_id: str) -> int:
        """Remove the copies of that split of a set that were begun and not finished; how many there were. Finished ones stay."""

    async def list(self, transport: Transport, host: str, become: str, set_name: str) -> tuple[BackupRecord, ...]:
        """The backups of a set in this repository, newest first."""

    async def restore(self, transport: Transport, request: RestoreRequest, report: Report) -> int:
        """Restore one backup into an empty or absent directory on the host; the number of files. Never overwrites."""

    async def names(self, transport: Transport, host: str, become: str, record: BackupRecord) -> Names:
        """Every regular file and every directory that the backup holds, by its path on the source."""

    def tars(self, host: str, become: str, record: BackupRecord) -> tuple[TarStream, ...]:
        """The backup as tar streams, outermost tree first, read where the repository can be reached (`host`: the target)."""
