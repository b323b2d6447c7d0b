"""The configuration as frozen, typed values. `core.config` reads them from YAML and refuses what does not fit."""

from __future__ import annotations

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
class ApplicationSettings:
    """What works on the data, as commands of the operator's own for the host that holds it; empty ones are not done.

    `running` ends with 0 while it runs and 1 when it does not, and changes nothing; `check` ends with 0 when the service is well.
    `rehearse` tries it on a copy whose filesystems are below $PREFIX, takes no network address, leaves nothing running, and ends with 0.
    """

    name: str
    running: str = ""
    stop: str = ""
    start: str = ""
    check: str = ""
    rehearse: str = ""


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
    consistent: bool = True
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
