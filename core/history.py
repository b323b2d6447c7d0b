"""What the journal says of runs that were, one line each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.events import Outcome
from core.facade import RunRow
from core.journal import LastEnd, Record
from core.recover import BY_PERSON, TAKES_BACK


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


_NOT_WELL: Mapping[str, str] = {
    Outcome.FAILED: "failed",
    Outcome.UNKNOWN: "unknown",
    Outcome.UNDONE: "taken back",
    Outcome.STOPPED: "stopped",
    Outcome.REFUSED: "refused",
    Outcome.ATTENTION: "needs attention",
}


def not_well(ends: Sequence[LastEnd]) -> tuple[LastEnd, ...]:
    """Of the last runs of each operation, newest first, those that ended otherwise than well; locks and holds are seen on the set itself.

    A taking back that failed is over as soon as anything was done after it.
    """
    last = max((one.run for one in ends), default=0)
    shown = (one for one in ends if one.operation not in BY_PERSON and (one.operation not in TAKES_BACK or one.run == last))
    return tuple(one for one in shown if one.outcome != Outcome.OK)


def short_end(end: LastEnd) -> str:
    """Operation and outcome in two words."""
    return f"{end.operation} {_NOT_WELL.get(end.outcome, end.outcome)}"


def told_end(end: LastEnd) -> str:
    """The same in one line, with when and why."""
    code = "" if end.exit_code is None else f", exit {end.exit_code}"
    why = next((f": {line}" for line in end.message.splitlines() if line.strip()), "")
    return f"last {short_end(end)} on {end.at:%Y-%m-%d %H:%M} UTC (run {end.run}{code}){why}"
