"""Whether the journal and the kept maps are still what was written: read-only, beside a run that is under way if need be.

Each record carries the hash of all before it, so a change of the past is found by itself. Records taken off the end leave a chain that holds:
for these there is the anchor, a file beside the journal with the newest record's number and hash, and the hash that a person noted elsewhere.
Who can write both files can forge both; only a hash that was kept elsewhere is proof against that.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import ConfigError
from core.journal import JournalError, anchor_path, digest_of
from core.maps import MapKeeper, load

_ANCHOR = re.compile(r"([0-9]{20}) ([0-9a-f]{64})\n")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found: how much holds, the newest hash (to be noted elsewhere), and everything that is wrong, as sentences."""

    records: int
    head: str
    maps: int = 0
    wrong: tuple[str, ...] = field(default=())


def check_journal(path: Path, noted: str = "") -> Evidence:
    """Follow the chain of a journal; `noted` is a hash that a person kept, whole or its first digits (12 at least).

    JournalError when it cannot be read at all; a journal that does not exist has no records, and nothing is wrong with it.
    """
    if noted and not re.fullmatch("[0-9a-f]{12,64}", noted):
        raise ConfigError(f"--head {noted!a}: expected the hash of a record, or its first 12 digits or more")
    hashes: list[tuple[int, str]] = []
    wrong: list[str] = []
    if path.exists():
        try:
            wrong += _followed(path, hashes)
        except sqlite3.Error as error:
            raise JournalError(f"{path}: {error}; it cannot be read, or is damaged as a file") from error
    wrong += _end(path, dict(hashes))
    if noted and not any(digest.startswith(noted) for _, digest in hashes):
        wrong.append(f"the noted hash {noted} is of none of its records: records were removed or rewritten since it was noted")
    return Evidence(len(hashes), hashes[-1][1] if hashes else "", wrong=tuple(wrong))


def _followed(path: Path, hashes: list[tuple[int, str]]) -> list[str]:
    """Fill in number and hash of each record up to the first that does not follow; that one in a sentence."""
    previous, last = "", 0
    with closing(sqlite3.connect(f"file:{path.absolute()}?mode=ro".replace("#", "%23"), uri=True, timeout=10)) as database:
        for seq, run, at, kind, step, body, digest in database.execute(
            "SELECT seq, run, at, kind, step, body, hash FROM records ORDER BY seq"
        ):
            if digest_of(previous, run, at, kind, step, body) != digest:
                what = f"run {run}, {kind}{f' of step {step}' if step else ''}, {at}"
                return [
                    f"record {seq} ({what}) does not follow from record {last or 'nothing'}: one of the two, or one between, was changed"
                ]
            hashes.append((int(seq), str(digest)))
            previous, last = digest, seq
    return []


def _end(path: Path, hashes: dict[int, str]) -> list[str]:
    """Whether the newest record that the anchor names is still there."""
    place = anchor_path(path)
    try:
        match = _ANCHOR.fullmatch(place.read_text("ascii")[:100])
    except FileNotFoundError:
        if not hashes:
            return []
        return [f"{place} is missing: whether records were removed from the end cannot be told. The next run writes it anew"]
    except (OSError, UnicodeDecodeError) as error:
        return [f"{place} cannot be read: {error}"]
    if match is None:
        return [f"{place} is damaged: whether records were removed from the end cannot be told"]
    if hashes.get(int(match[1])) != match[2]:
        return [
            f"record {int(match[1])} was written, and is not there, or is another now: the end of the journal was removed or rewritten"
        ]
    return []


def check_maps(keeper: MapKeeper, sets: Iterable[str]) -> tuple[int, tuple[str, ...]]:
    """How many kept map files can be used, and what is wrong with the others. They carry no hash: they are read, and must agree in themselves."""
    good, wrong = 0, []
    for name in sets:
        for version in keeper.versions(name):
            for path in (version.std, version.bcv):
                try:
                    load(path)
                    good += 1
                except ConfigError as error:
                    wrong.append(str(error))
    return good, tuple(wrong)
