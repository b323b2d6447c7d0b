"""Kept maps, by version: the newest map of a set must be at hand when its source is not.

A version is two files, `NNNN-TIME.std` and `NNNN-TIME.bcv`, in a directory for each set. It is there when its .std is:
that is written last, whole, and flushed to the disk together with its directory. The last line of each seals the rest: a
map is what a takeover goes by when nobody can look at the source, so one that was changed since must never be taken for whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.errors import ConfigError
from core.mapfile import MapFile, read, write
from core.untrusted import text_file

_NAME = re.compile(r"([0-9]{4,})-([0-9]{8}T[0-9]{6}Z)\.(std|bcv)")
_SET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
LIMIT = 32 << 20  # bytes: some hundred thousand rows
GRACE = timedelta(minutes=1)
_SEAL = "# sha256: "
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, order=True)
class KeptMap:
    """One kept version: its number, the time at which the source was measured, and where its two files lie."""

    version: int
    measured_at: datetime
    std: Path
    bcv: Path


class MapKeeper:
    """The kept maps under one directory. Nothing is made on the disk before the first map is kept."""

    def __init__(self, root: Path) -> None:
        """`root` holds one directory for each set."""
        self._root = root

    def keep(self, std: MapFile, bcv: MapFile) -> Path:
        """Keep both sides as a new version, unless only the time differs from the newest; the path of the .std file.

        ConfigError for a set's name that is no plain file name; OSError when the disk does not take it.
        """
        if (std.side, bcv.side) != ("std", "bcv") or std.set_name != bcv.set_name:
            raise ValueError("keep wants the two sides of one set's map")
        directory = self._directory(std.set_name)
        texts = {".bcv": seal(write(bcv)), ".std": seal(write(std))}
        with _locked(directory):
            kept = self.versions(std.set_name)
            if kept and _same(kept[-1], texts):
                return kept[-1].std
            stem = f"{_highest(directory) + 1:04d}-{std.measured_at.astimezone(UTC):{_TIME}}"
            for suffix, text in texts.items():
                _write(directory / (stem + suffix), text)
            return directory / f"{stem}.std"

    def versions(self, set_name: str) -> tuple[KeptMap, ...]:
        """The kept versions of a set, oldest first; none when there is no directory."""
        directory = self._directory(set_name)
        out = []
        for path in directory.iterdir() if directory.is_dir() else ():
            name = _NAME.fullmatch(path.name)
            if name and name[3] == "std":
                at = datetime.strptime(name[2], _TIME).replace(tzinfo=UTC)
                out.append(KeptMap(int(name[1]), at, path, path.with_suffix(".bcv")))
        return tuple(sorted(out))

    def newest(self, set_name: str) -> MapFile | None:
        """The newest kept map of a set as the source saw it, or None. ConfigError when that file cannot be used.

        An older version never stands in for a damaged one by itself: `versions` lists them for a person to choose.
        """
        kept = self.versions(set_name)
        return load(kept[-1].std) if kept else None

    def newest_sides(self, set_name: str) -> tuple[MapFile, MapFile] | None:
        """The newest kept map from both sides, the source's first. As `newest`."""
        kept = self.versions(set_name)
        return (load(kept[-1].std), load(kept[-1].bcv)) if kept else None

    def before(self, set_name: str, at: datetime) -> MapFile | None:
        """The newest map that was measured before a time, with a minute's grace for two clocks; or None. As `newest`."""
        kept = [v for v in self.versions(set_name) if v.measured_at <= at + GRACE]
        return load(kept[-1].std) if kept else None

    def _directory(self, set_name: str) -> Path:
        if not _SET.fullmatch(set_name):
            raise ConfigError(f"maps: set name {set_name!r}: expected letters, digits and _ . + -, and no dot in front")
        return self._root / set_name


def load(path: Path) -> MapFile:
    """The map in a file. ConfigError when it cannot be read or used."""
    text = text_file(path, LIMIT)
    if not text.isascii():
        raise ConfigError(f"{path}: the map cannot be read: it has characters that no map file has")
    return unsealed(text, str(path))


def seal(text: str) -> str:
    """The text of a map with the line that proves it whole."""
    return f"{text}{_SEAL}{hashlib.sha256(text.encode('ascii')).hexdigest()}\n"


def unsealed(text: str, origin: str) -> MapFile:
    """The map in a sealed text. ConfigError when it was changed, or cut off, since it was written."""
    body, mark, total = text.rpartition(_SEAL)
    if not mark or total.strip() != hashlib.sha256(body.encode("ascii", "replace")).hexdigest():
        raise ConfigError(f"{origin}: the map was changed or cut off since it was written: its sha256 line does not fit")
    return read(body, origin)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the set's directory for one writer: two consoles must not give one number to two maps."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _highest(directory: Path) -> int:
    """The highest number in use, that of a version whose writing was cut off included."""
    return max((int(name[1]) for path in directory.iterdir() if (name := _NAME.fullmatch(path.name))), default=0)


def _same(kept: KeptMap, texts: dict[str, str]) -> bool:
    """Whether the kept files hold these texts but for the time; damaged or absent ones never do."""
    try:
        return all(_timeless(kept.std.with_suffix(s).read_text("ascii")) == _timeless(text) for s, text in texts.items())
    except (OSError, UnicodeDecodeError):
        return False


def _timeless(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith(("# time: ", _SEAL))]


def _write(path: Path, text: str) -> None:
    """Write whole or not at all, and be sure that it is on the disk."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
