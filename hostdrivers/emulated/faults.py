"""The accidents of the embedded estate, by name: what each does to the estate, and on which hosts it makes sense.

An accident is switched on for a host (`NAME@HOST`) and hits the replication set that the host belongs to. Switching it off
takes away its cause, not what it led to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.errors import ConfigError
from hostdrivers.emulated import filesystem
from hostdrivers.emulated.array import Word
from hostdrivers.emulated.linux_lvm import LinuxLvm
from hostdrivers.emulated.machine import Machine, Slot
from hostdrivers.emulated.oracle import FULL
from hostdrivers.emulated.volumes import read_label, write_label

if TYPE_CHECKING:
    from hostdrivers.emulated.estate import Estate, Family

SOURCE, TARGET, VAULT = "source", "target", "vault"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where an accident happens: the estate, the set, and the host."""

    estate: Estate
    family: Family
    machine: Machine


@dataclass(frozen=True, slots=True)
class Fault:
    """An accident. `at` are the roles of hosts on which it can be switched on; `families` the systems, empty for all.

    `database`: it needs an Oracle on the source.
    """

    sentence: str
    at: tuple[str, ...]
    act: Callable[[Scene, bool], None]
    families: tuple[str, ...] = ()
    database: bool = False


def _flag(name: str) -> Callable[[Scene, bool], None]:
    """An accident that the emulated host looks up by itself."""

    def act(scene: Scene, on: bool) -> None:
        (scene.machine.faults.on.add if on else scene.machine.faults.on.discard)(name)

    return act


def _mixed(scene: Scene, on: bool) -> None:
    array, first = scene.family.array, scene.family.pairs[0]
    if on and array.word(*first) is Word.SPLIT:
        array.establish([first])
    elif on:
        array.split([first])


def _never(scene: Scene, on: bool) -> None:
    array, (std, bcv) = scene.family.array, scene.family.pairs[-1]
    (array.never_synchronised.add if on else array.never_synchronised.discard)(bcv.number)
    if on:
        if array.word(std, bcv) is not Word.SPLIT:
            array.split([(std, bcv)])
        array.establish([(std, bcv)], full=True)


def _busy(scene: Scene, on: bool) -> None:
    scene.family.array.locked = 1_000_000 if on else 0


def _not_ready(scene: Scene, on: bool) -> None:
    stays = scene.family.array.stays_not_ready
    (stays.add if on else stays.discard)(scene.family.pairs[-1][1].number)


def _swapped(scene: Scene, on: bool) -> None:
    first, second = scene.family.pairs[0][1].number, scene.family.pairs[1][1].number
    scene.family.array.swap_serials(first, second)


def _unknown_word(scene: Scene, on: bool) -> None:
    words, bcv = scene.family.array.words, scene.family.pairs[0][1].number
    if on:
        words[bcv] = "Transmitting"
    else:
        words.pop(bcv, None)


def _invalid(scene: Scene, on: bool) -> None:
    if on:
        std, bcv = scene.family.pairs[0]
        scene.family.array.set_word(std.number, bcv.number, Word.INVALID)


def _sees_standard(scene: Scene, on: bool) -> None:
    std = scene.family.pairs[0][0]
    if on:
        scene.machine.slots.append(Slot(std, seen=False))
        scene.machine.scan()
    else:
        scene.machine.slots[:] = [slot for slot in scene.machine.slots if slot.disk is not std]


def _volume_added(scene: Scene, on: bool) -> None:
    if on:
        disk = scene.estate.spare(scene.family.array, 64)
        scene.machine.slots.append(Slot(disk, seen=False))
        scene.machine.scan()
        scene.machine.extend_group(scene.family.groups[0], disk)


def _name_taken(scene: Scene, on: bool) -> None:
    if on:
        disk = scene.estate.spare(scene.family.array, 64)
        scene.machine.slots.append(Slot(disk, seen=False))
        scene.machine.scan()
        scene.machine.take_name(scene.family.groups[0] + scene.estate.suffix, disk)


def _torn(scene: Scene, on: bool) -> None:
    if on:  # a byte of the files changes below the filesystem, which keeps the checksum of another instant
        held = next(iter(scene.family.source.mounts.values()))
        at = filesystem.BODY_AT + 600
        held.volume.write(at, bytes([held.volume.read(at, 1)[0] ^ 0xFF]))


def _headers(scene: Scene, change: Callable[[filesystem.Header], filesystem.Header], kinds: tuple[str, ...] = ()) -> None:
    held = next((m for m in scene.family.source.mounts.values() if not kinds or m.header.kind in kinds), None)
    if held is None:
        raise ConfigError(f"{scene.family.source.name} has no mounted filesystem of the kind {', '.join(kinds)}")
    held.header = change(held.header)
    filesystem.write_header(held.volume, held.header)


def _guarded(scene: Scene, on: bool) -> None:
    _headers(scene, lambda header: replace(header, guard=on), ("jfs2",))


def _dead(scene: Scene, on: bool) -> None:
    front = scene.estate.fronts[scene.machine.name]
    front.dead = on
    if on:
        front.cut()


def _lost(scene: Scene, on: bool) -> None:
    front = scene.estate.fronts[scene.machine.name]
    front.lose_changes = set() if on else None


def _hangs(scene: Scene, on: bool) -> None:
    hangs = scene.family.array.hangs
    if on:
        hangs["symdev"] = asyncio.Event()
    elif "symdev" in hangs:
        hangs.pop("symdev").set()


def _foreign(scene: Scene, on: bool) -> None:
    identity = f"{scene.machine.name}-id" if on else ""
    assert isinstance(scene.machine, LinuxLvm)  # noqa: S101  for the type checker; the table has it on Linux only
    scene.machine.system_id = identity
    for std, _ in scene.family.pairs:
        label = read_label(std)
        if label is not None:
            write_label(std, label[0], replace(label[1], facts={**label[1].facts, "system_id": identity}))


def _in_backup(scene: Scene, on: bool) -> None:
    oracle = scene.family.database
    assert oracle is not None  # noqa: S101  for the type checker; the table has it where there is one
    for one in oracle.instances.values():
        (oracle.begin_backup if on else oracle.end_backup)(one)


FAULTS: Mapping[str, Fault] = {
    "duplicate-identity": Fault("the target sees a standard: two devices of one identity", (TARGET,), _sees_standard),
    "autoactivated": Fault("the target activates what appears by itself", (TARGET,), _flag("autoactivate"), ("linux",)),
    "name-taken": Fault("the copy's name is a group's on the target already", (TARGET,), _name_taken),
    "mixed-states": Fault("some pairs of the set are split, the others are established", (SOURCE,), _mixed),
    "never-synchronises": Fault("one pair never finishes its copy", (SOURCE,), _never),
    "invalid-pair": Fault("a pair is invalid: its copy failed", (SOURCE,), _invalid),
    "unknown-state": Fault("the array says a word for a pair that nobody knows", (SOURCE,), _unknown_word),
    "array-busy": Fault("the array's lock is held by somebody else", (SOURCE,), _busy),
    "not-ready": Fault("a BCV does not become ready after the split", (TARGET,), _not_ready),
    "swapped-serials": Fault("two BCVs give each other's serial", (TARGET,), _swapped),
    "volume-added": Fault("a device without a mirror was added to the group", (SOURCE,), _volume_added),
    "torn-filesystem": Fault("a filesystem's parts are of different instants", (SOURCE,), _torn),
    "guarded": Fault("a JFS2 is guarded against a second mount", (SOURCE,), _guarded, ("aix",)),
    "full-disk": Fault("there is no space left where the backups lie", (VAULT,), _flag("full")),
    "foreign-system-id": Fault("the group says that it belongs to the source's system", (SOURCE,), _foreign, ("linux",)),
    "command-hangs": Fault("a command on the array's management host never answers", (SOURCE,), _hangs),
    "connection-lost": Fault("the connection breaks in the middle of each change", (SOURCE, TARGET), _lost),
    "host-lost": Fault("the host is dead: nobody answers there", (SOURCE, TARGET), _dead),
    FULL: Fault("the database's archive area takes no more", (SOURCE,), _flag(FULL), database=True),
    "in-backup-mode": Fault("somebody put the database into backup mode and forgot it", (SOURCE,), _in_backup, database=True),
    "locale": Fault("the host answers in another language whatever it is told", (SOURCE, TARGET), _flag("locale")),
}
