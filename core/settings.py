"""The configuration as frozen, typed values. `core.config` reads them from YAML and refuses what does not fit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from core.model import Pair


class PrePolicy(StrEnum):
    """What is done with the mirrors before a backup; the words are the seed's."""

    DOWN = "bring-mirrors-down"
    VERIFY_DOWN = "verify-mirrors-are-down"
    DOWN_IF_NEEDED = "bring-mirrors-down-if-needed"
    DOWN_AFTER_ESTABLISHING = "bring-mirrors-down-after-establishing"


class PostPolicy(StrEnum):
    """What is done with the mirrors afterwards."""

    UP = "bring-mirrors-up"
    LEAVE_DOWN = "leave-mirrors-down"
    AS_FOUND = "leave-mirrors-as-found"


@dataclass(frozen=True, slots=True)
class HostSettings:
    """One host. `become` is "", "sudo" or "pfexec"; `legacy` opens the old key exchanges, host by host."""

    name: str
    os: str
    address: str
    port: int = 22
    user: str = ""
    key: Path | None = None
    become: str = ""
    jump: str = ""
    legacy: bool = False
    work_dir: str = "/var/tmp/splitmount"  # noqa: S108  ours alone (mode 700) and on disk: it must survive a reboot


@dataclass(frozen=True, slots=True)
class ArraySettings:
    """One array behind a management host. `devices` turns serials into the array's own names; `sid` is a Symmetrix' id."""

    name: str
    driver: str
    host: str
    socket: str = ""
    devices: tuple[tuple[str, str], ...] = ()
    sid: str = ""


@dataclass(frozen=True, slots=True)
class MountSettings:
    """Where the copy is mounted on the target: under `prefix`, read-only unless told otherwise."""

    prefix: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class FreezeSettings:
    """Freeze the source's filesystems around the split; `seconds` is the dead-man's timer on the host."""

    enabled: bool = True
    seconds: int = 30


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Where and how the copy is backed up. `host` is where an archive repository lies ("" is this machine).

    For restic the repository, the password's file or command, and the environment file are meant on the target.
    """

    driver: str
    repository: str
    host: str = ""
    password_command: str = ""
    password_file: str = ""
    environment_file: str = ""
    create: bool = False
    compression: int = 3


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """A PostgreSQL cluster. `data` is its directory, `bin` that of its programs, `user` who runs it, `socket` where it listens.

    `backup_mode` holds pg_backup_start over the split: the copy is then recovered with the WAL that `restore_command` fetches
    on the target. Without it the copy is crash-consistent. `port` is the source's; `query` must give t on the copy.
    """

    data: str
    bin: str
    user: str = "postgres"
    socket: str = "/var/run/postgresql"
    port: int = 5432
    name: str = "postgres"
    backup_mode: bool = False
    restore_command: str = ""
    query: str = ""


@dataclass(frozen=True, slots=True)
class OracleSettings:
    """An Oracle database: its instance, the ORACLE_HOME and the user who runs it, on the source and on the target.

    `copy_sid` is the instance that a rehearsal starts, with `memory` MB. `backup_mode` holds BEGIN BACKUP over the split.
    `control_backup` is a directory on the source for copies of the control file; `query` must give t on the copy.
    """

    sid: str
    home: str
    user: str = "oracle"
    copy_sid: str = "SMCOPY"
    backup_mode: bool = True
    control_backup: str = ""
    memory: int = 640
    query: str = ""


# What may stand in a script, in SQL and in the name of a process as it is, and how it is said what is wrong.
_ORACLE = {
    "sid": (re.compile(r"[A-Za-z][A-Za-z0-9]{0,7}"), "expected a SID of at most 8 letters and digits"),
    "copy_sid": (re.compile(r"[A-Z][A-Z0-9]{0,7}"), "expected a SID of at most 8 capital letters and digits"),
    "home": (re.compile(r"/[A-Za-z0-9_./-]+"), "expected an absolute path of plain letters"),
    "control_backup": (re.compile(r"(/[A-Za-z0-9_./-]+)?"), "expected an absolute path of plain letters"),
    "user": (re.compile(r"[a-z_][a-z0-9_-]{0,31}"), "expected the name of a user"),
    "query": (re.compile(r"([Ss][Ee][Ll][Ee][Cc][Tt] [^;\n\r&]+)?"), "expected one select without ; or &"),
}


def odd_oracle(settings: OracleSettings) -> tuple[str, str] | None:
    """What of the settings is wrong, by its key, and why; None when nothing is."""
    for name, (pattern, why) in _ORACLE.items():
        if not pattern.fullmatch(value := getattr(settings, name)):
            return name, f"{why}, got {value!r}"
    if settings.sid.upper() == settings.copy_sid:
        return "copy_sid", "the copy's instance must have another name than the source's"
    return None


@dataclass(frozen=True, slots=True)
class ApplicationSettings:
    """What works on the data, as commands of the operator's own for the host that holds it; empty ones are not done.

    `driver` is commands, postgresql or oracle; `seconds` is the timer that lets a quiesced application go, `timeout` (seconds) is for each
    command, `allow` names the only programs that commands may begin with (empty: any), `files` are the paths of its data.
    `quiesce` and `release` stand around the split.
    `running` ends with 0 while it runs and 1 when it does not, and changes nothing; `check` ends with 0 when the service is well.
    `rehearse` tries it on a copy whose filesystems are below $PREFIX, takes no network address, leaves nothing running, and ends with 0.
    """

    name: str
    running: str = ""
    stop: str = ""
    start: str = ""
    check: str = ""
    rehearse: str = ""
    driver: str = "commands"
    quiesce: str = ""
    release: str = ""
    files: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    seconds: int = 60
    timeout: int = 600
    database: DatabaseSettings | None = None
    oracle: OracleSettings | None = None


@dataclass(frozen=True, slots=True)
class SetSettings:
    """One replication set. `group_suffix` makes the group's name on the target: never the name that is on the disks."""

    name: str
    source: str
    target: str
    array: str
    pairs_file: Path
    pairs: tuple[Pair, ...]
    volume_groups: tuple[str, ...]
    mount: MountSettings
    pre_policy: PrePolicy = PrePolicy.DOWN_IF_NEEDED
    post_policy: PostPolicy = PostPolicy.AS_FOUND
    freeze: FreezeSettings = field(default_factory=FreezeSettings)
    backup: BackupSettings | None = None
    group_suffix: str = "_bcv"
    wait_limit: int = 3600
    application: ApplicationSettings | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it, with the file that it came from (None when there is none)."""

    path: Path | None
    hosts: dict[str, HostSettings]
    arrays: dict[str, ArraySettings]
    sets: dict[str, SetSettings]
    known_hosts: Path
    state_dir: Path
