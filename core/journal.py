"""The journal: every step's intent before it is done and its outcome after, on disk before anything else happens.

One append-only table in SQLite (WAL, synchronous=FULL: a commit survives the loss of power). Each record carries the
SHA-256 of its predecessor's hash and its own content, so that a change of the past is found.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import SplitmountError
from core.jsonable import to_json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    step TEXT NOT NULL,
    body TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS records_by_run ON records (run, seq);
CREATE INDEX IF NOT EXISTS ends ON records (run) WHERE kind = 'end';
"""


class JournalError(SplitmountError):
    """The journal cannot be written or read; without it nothing is changed anywhere."""

    title = "Journal"


_SELECT = "SELECT seq, run, at, kind, step, body, hash FROM records"
# A run that was imported keeps its own times.
_BEGAN, _ENDED = "coalesce(json_extract(s.body, '$.imported.at'), s.at)", "coalesce(json_extract(e.body, '$.was_at'), e.at)"
_LAST_GOOD = (
    " FROM records s JOIN records e ON e.run = s.run AND e.kind = 'end'"  # noqa: S608  of constants
    " WHERE s.kind = 'start' AND json_extract(s.body, '$.set') = ?"
    " AND json_extract(s.body, '$.operation') IN (SELECT value FROM json_each(?))"
    f" AND json_extract(e.body, '$.outcome') = 'ok' ORDER BY {_BEGAN} DESC, s.run DESC LIMIT 1"
)
# Of when the data of its backup is; a run that copied none has none.
_DATA = (
    "(SELECT json_extract(n.body, '$.backup.split_at') FROM records n WHERE n.run = s.run AND n.kind = 'note'"
    " AND json_extract(n.body, '$.backup.split_at') IS NOT NULL ORDER BY n.seq DESC LIMIT 1)"
)
_NO_END = " WHERE run IN (SELECT run FROM records GROUP BY run EXCEPT SELECT run FROM records WHERE kind = 'end')"


@dataclass(frozen=True, slots=True)
class LastGood:
    """A run that ended well: when it began (UTC), its last word, and of when the data of its backup is, where that is known."""

    operation: str
    at: datetime
    message: str
    data: datetime | None = None

    @property
    def told(self) -> str:
        """When it was, of when the data of a backup is, and what it said besides that it is done."""
        said = self.message.removeprefix("done").lstrip(": ")
        return ", ".join((f"{self.at:%Y-%m-%d %H:%M} UTC", *self._data(), *([said] if said else [])))

    def _data(self) -> tuple[str, ...]:
        if self.operation != "backup":
            return ()
        if self.data is None:
            return ("data of an unknown time",)
        same = self.data.date() == self.at.date()
        return (f"data of {self.data:{'%H:%M' if same else '%Y-%m-%d %H:%M'}} UTC",)


@dataclass(frozen=True, slots=True)
class LastEnd:
    """The newest run of an operation that has an end: its number, when it ended (UTC), and how."""

    run: int
    operation: str
    at: datetime
    outcome: str
    exit_code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal. Kinds: start, intent, outcome, note, end."""

    seq: int
    run: int
    at: datetime
    kind: str
    step: str
    body: Mapping[str, object]
    hash: str

    @property
    def happened(self) -> datetime:
        """When it was recorded first; `at` is when it came into this journal, which for an imported run is later."""
        imported: Any = self.body.get("imported")
        was = self.body.get("was_at") or (imported["at"] if isinstance(imported, Mapping) else "")
        return datetime.fromisoformat(str(was)) if was else self.at


def digest_of(previous: str, run: int, at: str, kind: str, step: str, body: str) -> str:
    """The hash of a record: of all before it and of its own content."""
    return hashlib.sha256(json.dumps([previous, run, at, kind, step, body]).encode()).hexdigest()


def anchor_path(journal: Path) -> Path:
    """The file beside a journal that holds the number and hash of its newest record; `core.evidence` reads it."""
    return journal.with_suffix(".anchor")


class Journal:
    """The journal in one file. Used from the engine's thread only."""

    def __init__(self, path: Path) -> None:
        """Open or create it. JournalError says what to do when that is not possible."""
        self.path = path
        self._inside = False  # whether records are being gathered: see `together`
        self._newest: tuple[int, str] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            path.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"{path}: {error}; check that the directory is writable and the disk is not full") from error

    def begin(self, body: Mapping[str, object]) -> int:
        """The number of a new run, with its start on disk."""
        return self._append(None, "start", "", body)

    def intent(self, run: int, step: str, body: Mapping[str, object]) -> None:
        """Record what is about to be done; on disk when this returns."""
        self._append(run, "intent", step, body)

    def outcome(self, run: int, step: str, body: Mapping[str, object]) -> None:
        """Record how a step ended."""
        self._append(run, "outcome", step, body)

    def note(self, run: int, step: str, body: Mapping[str, object]) -> None:
        """Record a fact: a bound value, a measurement, a decision."""
        self._append(run, "note", step, body)

    def end(self, run: int, body: Mapping[str, object]) -> None:
        """Record the end of a run."""
        self._append(run, "end", "", body)

    def _append(self, run: int | None, kind: str, step: str, body: Mapping[str, object]) -> int:
        text = json.dumps(to_json(body), ensure_ascii=True, sort_keys=True)
        at = datetime.now(UTC).isoformat()
        with nullcontext() if self._inside else self.together():
            if run is None:
                run = int(self._db.execute("SELECT coalesce(max(run), 0) + 1 FROM records").fetchone()[0])
            last = self._db.execute("SELECT hash FROM records ORDER BY seq DESC LIMIT 1").fetchone()
            digest = digest_of(last[0] if last else "", run, at, kind, step, text)
            written = self._db.execute(
                "INSERT INTO records (run, at, kind, step, body, hash) VALUES (?, ?, ?, ?, ?, ?)",
                (run, at, kind, step, text, digest),
            )
            self._newest = (written.lastrowid or 0, digest)
        return run

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is recorded within is on disk at its end, or none of it."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._inside, self._newest = True, None
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled it back already, and is what must be told
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._inside = False
            self._db.execute("COMMIT")
            if self._newest is not None:
                self._anchor(*self._newest)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"{self.path}: {error}; nothing is changed without a journal") from error

    def _anchor(self, seq: int, digest: str) -> None:
        """Note the newest record beside the journal, in one write over the one before."""
        handle = os.open(anchor_path(self.path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(handle, f"{seq:020d} {digest}\n".encode("ascii"), 0)
        finally:
            os.close(handle)

    def records(self, run: int | None = None) -> Iterator[Record]:
        """The records of one run, or all, in order."""
        yield from self._selected(" WHERE run = ?", run) if run else self._selected("")

    def unfinished(self) -> Iterator[Record]:
        """The records of the runs that have no end, in order; of those that have one only an index is read."""
        yield from self._selected(_NO_END)

    def _selected(self, where: str, *values: object) -> Iterator[Record]:
        rows = self._db.execute(_SELECT + where + " ORDER BY seq", values)
        for seq, number, at, kind, step, body, digest in rows:
            yield Record(seq, number, datetime.fromisoformat(at), kind, step, json.loads(body), digest)

    def start_of(self, run: int) -> Mapping[str, object]:
        """What was recorded when the run began. JournalError when there is no such run."""
        for record in self.records(run):
            return record.body
        raise JournalError(f"{self.path}: there is no run {run}")

    def last_good(self, set_name: str, *operations: str) -> LastGood | None:
        """The newest run of one of the operations on a set that ended well; None when there is none."""
        columns = f"SELECT json_extract(s.body, '$.operation'), {_BEGAN}, json_extract(e.body, '$.message'), {_DATA}"
        row = self._db.execute(columns + _LAST_GOOD, (set_name, json.dumps(operations))).fetchone()
        return LastGood(str(row[0]), datetime.fromisoformat(row[1]), str(row[2]), _time_of(row[3])) if row else None

    def last_ends(self, set_name: str) -> tuple[LastEnd, ...]:
        """The newest run of each operation on a set that has an end, however it ended; the newest first."""
        rows = self._db.execute(
            f"SELECT s.run, json_extract(s.body, '$.operation'), {_ENDED}, json_extract(e.body, '$.outcome'),"  # noqa: S608
            f" json_extract(e.body, '$.exit_code'), json_extract(e.body, '$.message'), max({_BEGAN}) AS began"
            " FROM records s JOIN records e ON e.run = s.run AND e.kind = 'end'"
            " WHERE s.kind = 'start' AND json_extract(s.body, '$.set') = ? GROUP BY 2 ORDER BY began DESC, s.run DESC",
            (set_name,),
        )
        return tuple(
            LastEnd(run, str(operation), datetime.fromisoformat(at), str(outcome), code, str(message or ""))
            for run, operation, at, outcome, code, message, _ in rows
        )

    def copied_since(self, set_name: str, at: datetime) -> bool:
        """Whether a run of a set that began later let the array copy between standards and BCVs, either way, however it ended."""
        found = self._db.execute(
            f"SELECT 1 FROM records s JOIN records o ON o.run = s.run AND o.kind = 'outcome'"  # noqa: S608  of constants
            " AND (o.step LIKE 'establish%' OR o.step LIKE 'restore%') AND json_extract(o.body, '$.outcome') = 'ok'"
            f" WHERE s.kind = 'start' AND json_extract(s.body, '$.set') = ? AND {_BEGAN} > ? LIMIT 1",
            (set_name, at.isoformat()),
        )
        return found.fetchone() is not None

    def took(self, set_name: str, operation: str) -> float | None:
        """How many seconds the newest run of an operation on a set took that ended well; None when there is none."""
        row = self._db.execute(f"SELECT {_BEGAN}, {_ENDED}" + _LAST_GOOD, (set_name, json.dumps([operation]))).fetchone()
        return (datetime.fromisoformat(row[1]) - datetime.fromisoformat(row[0])).total_seconds() if row else None

    def verified(self) -> dict[str, datetime]:
        """When runs of this console read back which backup, by its id: some repositories do not keep that themselves."""
        rows = self._db.execute(
            "SELECT json_extract(body, '$.backup.id'), json_extract(body, '$.backup.verified_at') FROM records"
            " WHERE kind = 'note' AND json_extract(body, '$.backup.verified_at') IS NOT NULL ORDER BY seq"
        )
        return {str(backup): datetime.fromisoformat(at) for backup, at in rows}

    def tampered(self) -> int | None:
        """The first record whose hash does not follow from its predecessor, or None when the chain holds."""
        previous = ""
        for seq, run, at, kind, step, body, digest in self._db.execute(
            "SELECT seq, run, at, kind, step, body, hash FROM records ORDER BY seq"
        ):
            if digest_of(previous, run, at, kind, step, body) != digest:
                return int(seq)
            previous = digest
        return None

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _time_of(text: object) -> datetime | None:
    """A time with its zone; None for anything else: a run may come from another console's file."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
