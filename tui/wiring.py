"""The composition root's tables: which word of the configuration is which driver, and how an engine is put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from core.applications.base import ApplicationDriver
from core.applications.commands import CommandsDriver
from core.applications.oracle import OracleDriver
from core.applications.postgresql import PostgresDriver
from core.arrays.base import ArrayDriver
from core.arrays.qemu import QemuArray
from core.arrays.symmetrix import SymmetrixArray
from core.backups.archive import ArchiveDriver
from core.backups.base import BackupDriver
from core.backups.restic import ResticDriver
from core.engine import DriverTables, Engine
from core.replay import Recorder, ReplayTransport
from core.settings import ApplicationSettings, ArraySettings, BackupSettings, Settings
from core.ssh import SshTransport
from core.transport import Transport
from hostdrivers import DRIVERS


def _qemu(settings: ArraySettings) -> ArrayDriver:
    return QemuArray(settings.name, settings.host, settings.socket, dict(settings.devices))


def _symmetrix(settings: ArraySettings) -> ArrayDriver:
    return SymmetrixArray(settings.name, settings.host, settings.sid)


def _archive(settings: BackupSettings) -> BackupDriver:
    return ArchiveDriver(settings.repository, settings.host, settings.compression)


def _restic(settings: BackupSettings) -> BackupDriver:
    return ResticDriver(
        settings.repository,
        password_command=settings.password_command,
        password_file=settings.password_file,
        environment_file=settings.environment_file,
        create=settings.create,
    )


ARRAYS: Mapping[str, Callable[[ArraySettings], ArrayDriver]] = {"qemu": _qemu, "symmetrix": _symmetrix}
BACKUPS: Mapping[str, Callable[[BackupSettings], BackupDriver]] = {"archive": _archive, "restic": _restic}
APPLICATIONS: Mapping[str, Callable[[ApplicationSettings], ApplicationDriver]] = {
    "commands": CommandsDriver,
    "postgresql": PostgresDriver,
    "oracle": OracleDriver,
}
TABLES = DriverTables(DRIVERS, ARRAYS, BACKUPS, APPLICATIONS)


def build_engine(
    settings: Settings, read_only: bool, transport: Transport | None = None, tables: DriverTables = TABLES
) -> Engine:
    """An engine over SSH, or over the transport that is given (recorded transcripts, a test's own)."""
    carrier = transport or SshTransport(settings.hosts, settings.known_hosts, read_only=read_only)
    return Engine(settings, tables, carrier)


def carrier_of(settings: Settings, read_only: bool, record: Path | None, replay: Path | None) -> Transport:
    """SSH; or answers from a transcript, without any host; or SSH with every answer to a read written to a transcript."""
    if replay is not None:
        return ReplayTransport.of(replay)
    ssh = SshTransport(settings.hosts, settings.known_hosts, read_only=read_only)
    return Recorder(ssh, record) if record is not None else ssh
