"""One run's journal as a file, so that another console can take it up: written by one, checked and read by the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from core.errors import ConfigError, Refused
from core.journal import Journal
from core.jsonable import to_json
from core.past import plan_of

HEAD = "splitmount journal 1"
KINDS = frozenset({"start", "intent", "outcome", "note", "end"})
LIMIT = 64 << 20  # characters of a file that are read


def exported(journal: Journal, run: int) -> str:
    """The run's records as lines of JSON between a head and their SHA-256. ConfigError when there is no such run."""
    records = list(journal.records(run))
    if not records:
        raise ConfigError(f"the journal of this console knows no run {run}")
    rows = [{"run": r.run, "at": r.at.isoformat(), "kind": r.kind, "step": r.step, "body": to_json(r.body)} for r in records]
    lines = [json.dumps(row, sort_keys=True, ensure_ascii=True) for row in rows]
    return "\n".join([HEAD, *lines, _sum(lines)]) + "\n"


def imported(journal: Journal, text: str) -> int:
    """Write such a file's run into a journal that does not know it; its number there.

    ConfigError when the file is cut or was changed, or when the journal knows the run already.
    """
    rows = _read(text)
    start: Mapping[str, Any] = rows[0]["body"]
    _fits(start)
    key, ours = next(
        ((str(b["run_key"]), b.get("job_number")) for b in (row["body"] for row in rows) if "run_key" in b), ("", 0)
    )
    known = {(str(r.body["run_key"]), r.body.get("job_number")) for r in journal.records() if "run_key" in r.body}
    if key and (key, ours if ours is not None else rows[0]["run"]) in known:  # what takes a run back bears its key too
        raise ConfigError(f"the journal of this console knows the run {key} already")
    with journal.together():
        return _write(journal, rows)


def _fits(start: Mapping[str, Any]) -> None:
    try:
        plan_of(start)
    except (Refused, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"the plan in the journal of a run cannot be trusted: {error}") from error


def _write(journal: Journal, rows: list[dict[str, Any]]) -> int:
    start: Mapping[str, Any] = rows[0]["body"]
    number = journal.begin({**start, "imported": {"run": rows[0]["run"], "at": rows[0]["at"]}})
    if not any("job_number" in row["body"] for row in rows):
        journal.note(number, "", {"job_number": rows[0]["run"]})
    write = {"intent": journal.intent, "outcome": journal.outcome, "note": journal.note}
    for row in rows[1:]:
        body = {**row["body"], "was_at": row["at"]}
        if row["kind"] == "end":
            journal.end(number, body)
        else:
            write[row["kind"]](number, row["step"], body)
    return number


def _read(text: str) -> list[dict[str, Any]]:
    lines = text.splitlines() if len(text) <= LIMIT else []
    if len(lines) < 3 or lines[0] != HEAD:
        raise ConfigError(f"this is no journal of a run: its first line is not {HEAD!r}, or it is empty or far too long")
    if lines[-1] != _sum(lines[1:-1]):
        raise ConfigError("the journal of a run is cut, or was changed after it was written: its checksum differs")
    try:
        rows = [json.loads(line) for line in lines[1:-1]]
        fit = all(row["kind"] in KINDS and isinstance(row["body"], dict) and isinstance(row["step"], str) for row in rows)
        if not fit or rows[0]["kind"] != "start" or any(row["kind"] == "start" for row in rows[1:]):
            raise ValueError("its records are not those of one run")
        number = int(rows[0]["run"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"the journal of a run cannot be read: {error}") from error
    return [{**row, "run": number} for row in rows]


def _sum(lines: list[str]) -> str:
    return "sha256 " + hashlib.sha256("\n".join(lines).encode()).hexdigest()
