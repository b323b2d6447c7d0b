"""What the journal says of runs that were, one line each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.events import Outcome
from core.facade import RunRow
from core.journal import Record


def by_run(records: Iterable[Record]) -> dict[int, list[Record]]:
    """Records of the journal by their run, in their order."""
    rows: dict[int, list[Record]] = {}
    for record in records:
        rows.setdefault(record.run, []).append(record)
    return rows


def history_row(records: Sequence[Record]) -> RunRow:
    """One line of history from the records of one run."""
    start, end = records[0], next((r for r in records if r.kind == "end"), None)
    body: Mapping[str, Any] = start.body
    last: Mapping[str, Any] = end.body if end else {}
    outcome = Outcome(last["outcome"]) if end else None
    summary = tuple(
        f"{r.step}: {r.body.get('outcome')} {r.body.get('message', '')}".strip() for r in records if r.kind == "outcome"
    )
    return RunRow(
        run=start.run,
        set_name=str(body.get("set", "")),
        operation=str(body.get("operation", "")),
        operator=str(body.get("operator", "")),
        console=str(body.get("console", "")),
        started=start.happened,
        ended=end.happened if end else None,
        outcome=outcome,
        exit_code=last.get("exit_code"),
        message=str(last.get("message", "")) if end else "no end is recorded: this run died, or is under way elsewhere",
        summary=summary,
    )
