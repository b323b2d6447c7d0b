"""The emulated Symmetrix: standards and BCVs with real bytes in sparse files, and the relation of each pair.

The states and what leads from one to another follow section 5 of the notes on SYMCLI. Where those notes are uncertain the
emulator takes a side, and says so here: [UNC] several BCVs of one standard may be established at once; [UNC] a standard with
another BCV coupled to it cannot be restored; [UNC] while a pair is split, each column of tracks counts that side's changes.
Copies take the time that the injected clock and the rate say; nothing here sleeps.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

TRACK = 32768
TRACKS_PER_CYLINDER = 15  # a cylinder of 480 KB, as on Symmetrix 4 to DMX-2


class Word(StrEnum):
    """The vendor's words for the state of a pair: the full list."""

    NEVER = "NeverEstab"
    SYNC_IN_PROG = "SyncInProg"
    SYNCHRONIZED = "Synchronized"
    SPLIT_IN_PROG = "SplitInProg"
    SPLIT_BEFORE_SYNC = "SplitBfrSync"
    SPLIT = "Split"
    SPLIT_NO_INC = "SplitNoInc"
    RESTORED = "Restored"
    REST_IN_PROG = "RestInProg"
    SPLIT_BEFORE_REST = "SplitBfrRest"
    INVALID = "Invalid"
    UNKNOWN = "Unknown"


# A pair in one of these holds its BCV, which no host can then see; in the rest the two devices are apart.
COUPLED = frozenset({Word.SYNC_IN_PROG, Word.SYNCHRONIZED, Word.REST_IN_PROG, Word.RESTORED})
COPYING = frozenset({Word.SYNC_IN_PROG, Word.REST_IN_PROG})
_APART = (Word.SPLIT, Word.SPLIT_BEFORE_SYNC, Word.SPLIT_NO_INC, Word.SPLIT_BEFORE_REST, Word.INVALID)

# From which words each operation may start.
FROM: Mapping[str, frozenset[Word]] = {
    "establish": frozenset({Word.SPLIT, Word.SPLIT_BEFORE_SYNC, Word.SPLIT_BEFORE_REST}),
    "establish -full": frozenset({Word.NEVER, *_APART}),
    "split": frozenset({Word.SYNCHRONIZED, Word.RESTORED}),
    "split -force": COUPLED,
    "restore": frozenset({Word.SPLIT, Word.SPLIT_BEFORE_REST}),
    "restore -full": frozenset({Word.SPLIT, Word.SPLIT_BEFORE_REST, Word.SPLIT_NO_INC}),
    "cancel": frozenset(_APART),
}


class NotReady(OSError):
    """A host asked for a device that is not ready: an I/O error on its side."""


class Impossible(Exception):
    """The array refuses an operation, before any pair of the command was touched."""


class Disk:
    """A device; `written` are the tracks that are no holes. `serial` is what hosts see: SSDDDPPP, port 000."""

    def __init__(self, array: Array, number: str, size: int, file: int, base: int, *, bcv: bool) -> None:
        """Its bytes are those of the array's sparse file from `base` on: a file each would be more than a process may open."""
        self.number, self.size, self.bcv = number, size, bcv
        self.serial = f"{array.symid[-2:]}{number}000"
        self.written: set[int] = set()
        self.enabled = True
        self._array = array
        self._file, self._base = file, base

    @property
    def tracks(self) -> int:
        """Its size in tracks."""
        return self.size // TRACK

    @property
    def ready(self) -> bool:
        """Whether hosts can use it: it is switched on, and no standard holds it."""
        self._array.settle()
        return self.enabled and not self._array.held(self)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes as a host reads them. NotReady, or ValueError beyond the device."""
        tracks = self._span(offset, length)
        self._array.fetch(self, tracks)
        return self._bytes(offset, length, tracks)

    def write(self, offset: int, data: bytes) -> None:
        """Bytes as a host writes them: the pairs of the device hear of each track. NotReady, or ValueError as `read`."""
        tracks = self._span(offset, len(data))
        self._array.fetch(self, tracks)
        os.pwrite(self._file, data, self._base + offset)
        self.written.update(tracks)
        self._array.wrote(self, tracks)

    def image(self) -> bytes:
        """All its bytes as they lie in the array, ready or not; for tests."""
        return self._bytes(0, self.size, range(self.tracks))

    def image_of(self, track: int) -> bytes:
        """The bytes of one track as they lie in the array; for tests."""
        return self._bytes(track * TRACK, TRACK, range(track, track + 1))

    def stored(self) -> bytes:
        """The bytes of its written tracks, in their order; for tests."""
        return b"".join(self._stored(track) for track in sorted(self.written))

    def _stored(self, track: int) -> bytes:
        return os.pread(self._file, TRACK, self._base + track * TRACK)

    def _bytes(self, offset: int, length: int, tracks: range) -> bytes:
        """What lies in the file, without reading its holes: the system would fill its cache with zeros for them."""
        if self.written.isdisjoint(tracks):
            return bytes(length)
        data, end = bytearray(length), offset + length
        for track in self.written.intersection(tracks):
            first, last = max(offset, track * TRACK), min(end, (track + 1) * TRACK)
            data[first - offset : last - offset] = os.pread(self._file, last - first, self._base + first)
        return bytes(data)

    def take(self, other: Disk, track: int) -> None:
        """Copy a track inside the array; a hole clears what is here, and stays a hole where nothing was."""
        if track in other.written:
            os.pwrite(self._file, other._stored(track), self._base + track * TRACK)
            self.written.add(track)
        elif track in self.written:
            os.pwrite(self._file, bytes(TRACK), self._base + track * TRACK)
            self.written.discard(track)

    def _span(self, offset: int, length: int) -> range:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ValueError(f"device {self.number}: {length} bytes at {offset} are beyond its {self.size}")
        if not self.ready:
            raise NotReady(5, f"device {self.number} is not ready")
        return range(offset // TRACK, -(-(offset + length) // TRACK))


@dataclass(slots=True)
class Relation:
    """A pair that was established at least once, with its own track tables.

    `todo` is what the copy under way moves, the first `done` of it are there; `early` were moved out of turn because a host
    asked for them, `again` were written while the copy ran. `began` is when the copy (or the split) started.
    """

    std: Disk
    bcv: Disk
    word: Word
    last_action: float
    std_changed: set[int] = field(default_factory=set)
    bcv_changed: set[int] = field(default_factory=set)
    todo: Sequence[int] = ()
    done: int = 0
    again: set[int] = field(default_factory=set)
    early: set[int] = field(default_factory=set)
    began: float = 0.0
    protect: bool = False

    @property
    def left(self) -> set[int]:
        """Tracks that the copy under way still has to move."""
        return (set(self.todo[self.done :]) - self.early) | self.again

    def columns(self) -> tuple[int, int]:
        """The two numbers of `symmir query`: restoring counts on the standard's side, establishing on the BCV's."""
        if self.word is Word.REST_IN_PROG:
            return len(self.left), 0
        if self.word is Word.SYNC_IN_PROG:
            return 0, len(self.left)
        if self.word in COUPLED:
            return 0, 0
        return len(self.std_changed), len(self.bcv_changed)


class Array:
    """The array. Accidents are plain attributes:

    `locked` calls that find the database locked (`lock_status` 2), or the array (1); `never_synchronised` and
    `stays_not_ready` BCVs by number; `words` what is printed instead of a BCV's state; `hangs` events that a command waits
    for, by its name or by its name and verb; `width` of device numbers in `symdev` and `symbcv`, other than in the rest.
    """

    def __init__(
        self,
        root: Path,
        symid: str,
        *,
        microcode: str = "5671",
        now: Callable[[], float] = time.time,
        rate: float = 40_000.0,
        split_time: float = 0.0,
        utc_offset: float = 3600.0,
    ) -> None:
        """`rate` is in tracks a second and pair; `utc_offset` is the management host's zone, in which times are printed."""
        if len(symid) != 12 or not symid.isdecimal():
            raise ValueError(f"{symid!r} is no array id of 12 digits")
        self.symid, self.microcode = symid, microcode
        self.now, self.rate, self.split_time, self.utc_offset = now, rate, split_time, utc_offset
        self.devices: dict[str, Disk] = {}
        self.relations: dict[str, Relation] = {}  # by the BCV's number: it belongs to one standard at a time
        self.locked, self.lock_status, self.width = 0, 2, 3
        self.never_synchronised: set[str] = set()
        self.stays_not_ready: set[str] = set()
        self.words: dict[str, str] = {}
        self.hangs: dict[str, asyncio.Event] = {}
        self.done = Counter[str]()  # how often each verb was done, over all pairs at once
        self.at_split: list[Callable[[Sequence[tuple[Disk, Disk]]], None]] = []  # who wants to look at the instant of a split
        root.mkdir(parents=True, exist_ok=True)
        self._file = os.open(root / symid, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._size = 0  # of the devices so far
        self._still = True  # no copy and no split is under way

    # --- devices ----------------------------------------------------------------------------------------------------

    def add_device(self, number: str, cylinders: int, bcv: bool = False) -> Disk:
        """A new device of so many cylinders (480 KB each); `number` has three hexadecimal digits, as in its serial."""
        number = f"{int(number, 16):03X}"
        if len(number) != 3 or number in self.devices or cylinders <= 0:
            raise ValueError(f"device {number} cannot be made with {cylinders} cylinders, or is there already")
        size = cylinders * TRACKS_PER_CYLINDER * TRACK
        self.devices[number] = Disk(self, number, size, self._file, self._size, bcv=bcv)
        self._size += size
        os.ftruncate(self._file, self._size)
        return self.devices[number]

    def disk(self, number: str) -> Disk:
        """The device of that number, in any width. KeyError when there is none."""
        return self.devices[f"{int(number, 16):03X}"]

    def by_serial(self, serial: str) -> Disk:
        """The device that hosts see under that serial. KeyError when there is none."""
        return {disk.serial: disk for disk in self.devices.values()}[serial]

    def swap_serials(self, one: str, other: str) -> None:
        """The accident: two devices answer to hosts and to inquiries with each other's serial."""
        a, b = self.disk(one), self.disk(other)
        a.serial, b.serial = b.serial, a.serial

    def switch(self, disk: Disk, *, on: bool) -> None:
        """Make a device ready or not ready to hosts; one that `stays_not_ready` takes the command, and stays so."""
        self.settle()
        disk.enabled = on and disk.number not in self.stays_not_ready

    def close(self) -> None:
        """Let the file go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self.devices.clear()
        self.relations.clear()

    # --- what hosts do ----------------------------------------------------------------------------------------------

    def held(self, disk: Disk) -> bool:
        """Whether a pair holds this BCV."""
        relation = self.relations.get(disk.number)
        return relation is not None and relation.word in COUPLED

    def fetch(self, disk: Disk, tracks: Iterable[int]) -> None:
        """Bring tracks to a standard that is being restored, before a host touches them."""
        for relation in () if self._still else self._of(disk, Word.REST_IN_PROG):
            for track in relation.left.intersection(tracks):
                self._restore_track(relation, track)
                relation.early.add(track)

    def wrote(self, disk: Disk, tracks: Iterable[int], besides: Relation | None = None) -> None:
        """A device changed: mark the tracks in the tables of its pairs, or let them reach the coupled BCV."""
        if disk.number in self.relations:
            self.relations[disk.number].bcv_changed.update(tracks)
        for relation in [r for r in self._of(disk) if r is not besides]:
            follows = relation.word is Word.SYNCHRONIZED or (
                relation.word in {Word.RESTORED, Word.REST_IN_PROG} and not relation.protect
            )
            if relation.word is Word.SYNC_IN_PROG:
                relation.again.update(tracks)
            elif follows:
                for track in tracks:
                    relation.bcv.take(disk, track)
            else:
                relation.std_changed.update(tracks)

    def _of(self, std: Disk, *words: Word) -> list[Relation]:
        return [r for r in self.relations.values() if r.std is std and (not words or r.word in words)]

    # --- the passing of time ----------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Bring every copy and split to where it is by the clock."""
        if self._still:  # a large estate is asked often, and moves seldom
            return
        for relation in self.relations.values():
            if relation.word in COPYING:
                self._advance(relation)
            elif relation.word is Word.SPLIT_IN_PROG and self.now() >= relation.began + self.split_time:
                relation.word = Word.SPLIT
        self._still = not any(r.word in COPYING or r.word is Word.SPLIT_IN_PROG for r in self.relations.values())

    def _advance(self, relation: Relation) -> None:
        stuck = relation.bcv.number in self.never_synchronised
        while True:
            reach = int(max(0.0, self.now() - relation.began) * self.rate)
            end = min(reach, len(relation.todo) // 2 if stuck else len(relation.todo))
            for track in relation.todo[relation.done : end]:
                if track not in relation.early:
                    self._copy_track(relation, track)
            relation.done = max(relation.done, end)
            if stuck or relation.done < len(relation.todo):
                return
            if not relation.again:
                break
            relation.began += len(relation.todo) / self.rate
            relation.todo, relation.done, relation.again = sorted(relation.again), 0, set()
        relation.word = Word.SYNCHRONIZED if relation.word is Word.SYNC_IN_PROG else Word.RESTORED

    def _copy_track(self, relation: Relation, track: int) -> None:
        if relation.word is Word.SYNC_IN_PROG:
            relation.bcv.take(relation.std, track)
        else:
            self._restore_track(relation, track)

    def _restore_track(self, relation: Relation, track: int) -> None:
        relation.std.take(relation.bcv, track)
        self.wrote(relation.std, (track,), besides=relation)

    # --- pairs ------------------------------------------------------------------------------------------------------

    def relation(self, std: Disk, bcv: Disk) -> Relation | None:
        """The pair, where exactly these two are one."""
        self.settle()
        relation = self.relations.get(bcv.number)
        return relation if relation is not None and relation.std is std else None

    def word(self, std: Disk, bcv: Disk) -> Word:
        """The state of the pair."""
        relation = self.relation(std, bcv)
        return Word.NEVER if relation is None else relation.word

    def set_word(self, std: str, bcv: str, word: Word) -> None:
        """The accident: a pair is found in this state, whatever led there; a copy under way begins now."""
        one, other = self.disk(std), self.disk(bcv)
        relation = self.relation(one, other) or Relation(one, other, word, self.now())
        relation.word, relation.began = word, self.now()
        relation.todo = range(one.tracks) if word in COPYING else ()
        self.relations[other.number] = relation
        self._still = False

    def require(self, action: str, pairs: Iterable[tuple[Disk, Disk]]) -> None:
        """Impossible unless each pair is in a state from which the action may start, and its BCV is free for it."""
        for std, bcv in pairs:
            word, other = self.word(std, bcv), self.relations.get(bcv.number)
            if other is not None and other.std is not std and (action != "establish -full" or other.word not in _APART):
                raise Impossible(f"BCV {bcv.number} is paired with device {other.std.number} ({other.word})")
            if word not in FROM[action]:
                raise Impossible(f"Device {std.number} and BCV {bcv.number} are in the {word} state")

    def establish(self, pairs: Sequence[tuple[Disk, Disk]], *, full: bool = False) -> None:
        """Start copying STD → BCV: all tracks, or those that either side changed. Impossible, then nothing was done."""
        self.require("establish -full" if full else "establish", pairs)
        if odd := [f"{s.number}/{b.number}" for s, b in pairs if s.size != b.size]:
            raise Impossible(f"The devices of {', '.join(odd)} differ in size")
        at = self.now()
        for std, bcv in pairs:
            old = self.relation(std, bcv)
            if full or old is None:
                old = self.relations[bcv.number] = Relation(std, bcv, Word.NEVER, at)
                todo: Sequence[int] = range(std.tracks)
            else:
                todo = sorted(old.std_changed | old.bcv_changed)
            self._start(old, Word.SYNC_IN_PROG, todo, at)
        self.done["establish"] += 1

    def restore(self, pairs: Sequence[tuple[Disk, Disk]], *, full: bool = False, protect: bool = False) -> None:
        """Start copying BCV → STD; with `protect` the BCV takes no later write. Impossible, then nothing was done."""
        self.require("restore -full" if full else "restore", pairs)
        standards = [std.number for std, _ in pairs]
        if len(set(standards)) < len(standards):
            raise Impossible("One standard cannot be restored from several BCVs at once")
        for std, _ in pairs:
            if coupled := self._of(std, *COUPLED):
                raise Impossible(f"Device {std.number} has BCV {coupled[0].bcv.number} in the {coupled[0].word} state")
        at = self.now()
        for std, bcv in pairs:
            relation = self.relations[bcv.number]
            changed = relation.std_changed | relation.bcv_changed
            relation.protect = protect
            self._start(relation, Word.REST_IN_PROG, range(std.tracks) if full else sorted(changed), at)
        self.done["restore"] += 1

    def _start(self, relation: Relation, word: Word, todo: Sequence[int], at: float) -> None:
        relation.word, relation.todo, relation.done = word, todo, 0
        relation.std_changed, relation.bcv_changed, relation.again, relation.early = set(), set(), set(), set()
        relation.began = relation.last_action = at
        self._still = False

    def split(self, pairs: Sequence[tuple[Disk, Disk]], *, force: bool = False, not_ready: bool = False) -> None:
        """Take all pairs apart at one instant; forced before a copy was done, what is missing stays in the tables."""
        self.require("split -force" if force else "split", pairs)
        at = self.now()
        for _, bcv in pairs:
            relation = self.relations[bcv.number]
            before = relation.word
            if before is Word.SYNC_IN_PROG:
                relation.word, relation.std_changed = Word.SPLIT_BEFORE_SYNC, relation.left
            elif before is Word.REST_IN_PROG:
                relation.word, relation.bcv_changed = Word.SPLIT_BEFORE_REST, relation.left
            else:
                relation.word = Word.SPLIT_IN_PROG if self.split_time else Word.SPLIT
            relation.began = relation.last_action = at
            self._still = False
            self.switch(bcv, on=not not_ready)
        self.done["split"] += 1
        for look in self.at_split:
            look(pairs)

    def cancel(self, pairs: Sequence[tuple[Disk, Disk]]) -> None:
        """Dissolve pairs that are apart."""
        self.require("cancel", pairs)
        for _, bcv in pairs:
            del self.relations[bcv.number]
