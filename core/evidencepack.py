"""The evidence of one run, for people who were not there: its records with their hashes as JSON, and a page with a timeline.

The pack carries every record of the run as it stands in the journal and the hash before its first, so that whoever gets it can follow
the chain within the run without this tool. Records of other runs may lie between; their hashes are carried, their content is not.
"""

from __future__ import annotations

import html
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from core.evidence import Evidence
from core.journal import JournalError, digest_of


@dataclass(frozen=True, slots=True)
class Row:
    """One record, its body as the very text that was hashed; `previous` is the hash of the record before it in the journal."""

    seq: int
    run: int
    at: str
    kind: str
    step: str
    body: str
    previous: str
    hash: str

    @property
    def follows(self) -> bool:
        """Whether its hash is that of its content and of the hash before."""
        return digest_of(self.previous, self.run, self.at, self.kind, self.step, self.body) == self.hash

    @property
    def content(self) -> Mapping[str, Any]:
        """The body as values. ValueError when it is no JSON object."""
        value = json.loads(self.body)
        if not isinstance(value, dict):
            raise ValueError(f"record {self.seq} has no object for its body")
        return value


def rows_of(path: Path, run: int) -> tuple[Row, ...]:
    """The records of a run, read-only. ConfigError when there are none, JournalError when the journal cannot be read."""
    query = (
        "SELECT seq, run, at, kind, step, body, coalesce(previous, ''), hash FROM"
        " (SELECT *, lag(hash) OVER (ORDER BY seq) AS previous FROM records) WHERE run = ? ORDER BY seq"
    )
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            rows = tuple(Row(*row) for row in database.execute(query, (run,)))
    except sqlite3.Error as error:
        raise JournalError(f"{path}: {error}; it cannot be read") from error
    if not rows:
        raise ConfigError(f"there is no run {run} in the journal of this console")
    return rows


def pack(rows: tuple[Row, ...], found: Evidence) -> dict[str, str]:
    """The files of the pack, by name. `found` is what was found about the whole journal."""
    wrong = (*found.wrong, *(f"record {row.seq} does not follow from the one before it" for row in rows if not row.follows))
    records = [
        {
            "seq": r.seq, "run": r.run, "at": r.at, "kind": r.kind, "step": r.step,
            "body": r.body, "previous": r.previous, "hash": r.hash, "follows": r.follows,
        }
        for r in rows
    ]  # fmt: skip
    value = {
        "format": "splitmount evidence 1",
        "run": rows[0].run,
        "rule": "hash = SHA-256 of json.dumps([previous, run, at, kind, step, body]), body being the text given here",
        "journal": {"records": found.records, "newest": found.head, "wrong": list(wrong)},
        "records": records,
    }
    return {"evidence.json": json.dumps(value, indent=1, ensure_ascii=True) + "\n", "evidence.html": _page(rows, found, wrong)}


_STYLE = (
    "body{font:15px/1.4 sans-serif;margin:2em;max-width:75em}table{border-collapse:collapse;width:100%}td,th{text-align:left;"
    "padding:.2em .6em;border-bottom:1px solid #ccc;vertical-align:top}.t{width:30%}.t i{display:block;height:1em;background:#27b;"
    "min-width:2px}.bad{color:#a00;font-weight:bold}.bad i{background:#a00}code{font-size:85%;word-break:break-all}"
)


def _e(value: object) -> str:
    """A value as text of a page, in ASCII: nothing in it is markup, and nothing turns the writing round."""
    return html.escape(str(value)).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _page(rows: tuple[Row, ...], found: Evidence, wrong: tuple[str, ...]) -> str:
    start, last = rows[0].content, rows[-1]
    end = last.content if last.kind == "end" else None
    outcome = (
        f"{end.get('outcome', 'unknown')}: {end.get('message', '')}" if end else "UNKNOWN: the run has no end in this journal"
    )
    title = f"Run {rows[0].run}: {start.get('operation', 'unknown')} of {start.get('set', 'unknown')}"
    chain = [f'<p class="bad">WRONG: {_e(sentence)}</p>' for sentence in wrong] or [
        f"<p>The chain of the whole journal ({found.records} records) holds; its newest hash is <code>{_e(found.head)}</code>.</p>"
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="en"><meta charset="utf-8"><title>{_e(title)}</title><style>{_STYLE}</style>',
            f"<h1>{_e(title)}</h1><p>{_e(outcome)}</p>",
            f"<p>{_e(start.get('operator', 'unknown'))} on {_e(start.get('console', 'unknown'))}, {_e(rows[0].at)} to {_e(last.at)}</p>",
            "<h2>Chain</h2>",
            *chain,
            "<h2>Timeline</h2><table><tr><th>step<th>began<th>seconds<th>outcome<th>when</tr>",
            *_timeline(rows),
            "</table><h2>Records</h2><table><tr><th>record<th>at<th>kind<th>step<th>hash</tr>",
            *(
                f"<tr{'' if r.follows else ' class=bad'}><td>{r.seq}<td>{_e(r.at)}<td>{_e(r.kind)}<td>{_e(r.step)}<td><code>{_e(r.hash)}</code></tr>"
                for r in rows
            ),
            "</table></html>",
            "",
        ]
    )


def _timeline(rows: tuple[Row, ...]) -> list[str]:
    """A line for each time that a step was begun, with its place in the whole; one without an outcome is unknown."""
    began, whole = _time(rows[0]), max(0.001, (_time(rows[-1]) - _time(rows[0])).total_seconds())
    out = []
    for number, row in enumerate(rows):
        if row.kind != "intent":
            continue
        later = (r for r in rows[number + 1 :] if r.step == row.step and r.kind in ("intent", "outcome"))
        close = next(later, None)
        known = close is not None and close.kind == "outcome"
        seconds = (_time(close) - _time(row)).total_seconds() if close is not None and known else 0.0
        word = str(close.content.get("outcome", "unknown")) if close is not None and known else "unknown"
        left, width = (_time(row) - began).total_seconds() / whole * 100, min(100.0, seconds / whole * 100)
        bar = f'<i style="margin-left:{max(0.0, min(99.0, left)):.1f}%;width:{max(0.0, width):.1f}%"></i>'
        bad = "" if word in ("ok", "skipped") else " class=bad"
        told = f"{seconds:.2f}" if known else "unknown"
        out.append(f"<tr{bad}><td>{_e(row.step)}<td>{_e(row.at[11:19])}<td>{told}<td>{_e(word)}<td class=t>{bar}</tr>")
    return out


def _time(row: Row) -> datetime:
    return datetime.fromisoformat(row.at)
