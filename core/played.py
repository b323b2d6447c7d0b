"""A run from its journal, once more as events: for training and review. Pure; nothing of it is sent to anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from core.errors import ConfigError, Refused
from core.events import Bound, Event, Outcome, RunEnded, RunStarted, Scene, StepEnded, StepOutput, StepStarted
from core.journal import Record
from core.jsonable import from_json
from core.past import past_of
from core.transport import Command

LONGEST = 5.0  # seconds that a silence lasts at most in a replay, whatever it was in the run
NOTE = 300  # characters of a note that are shown


def scenes(run: int, records: Sequence[Record]) -> tuple[Scene, ...]:
    """The scenes of a run in their order; one that has no end has none here either.

    ConfigError when there is no such run; Refused when its records cannot be read.
    """
    if not records:
        raise ConfigError(f"there is no run {run} in the journal of this console")
    past = past_of(records)
    try:
        events = [event for record in records[1:] for event in _events(record, records[0])]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise Refused(f"the records of run {run} cannot be read ({error})") from error
    began = records[0].at
    first = Scene(0.0, RunStarted(run, began, past.plan))
    return (first, *(Scene(max(0.0, (at.at - began).total_seconds()), event) for at, event in events))


def pause(before: Scene, after: Scene, speed: float) -> float:
    """The seconds between two scenes at a speed; none at all at the speed 0."""
    return min(max(0.0, after.offset - before.offset) / speed, LONGEST) if speed else 0.0


def _events(record: Record, start: Record) -> Iterator[tuple[Record, Event]]:
    """What a record tells. Output of a step is in no journal: the notes that were made of it stand for it."""
    run, body = record.run, _values(record)
    match record.kind:
        case "intent":
            command = from_json(Command, body["command"]) if body.get("command") else None
            yield record, StepStarted(run, record.step, record.at, command)
        case "outcome":
            outcome = Outcome(body["outcome"])
            yield record, StepEnded(run, record.step, outcome, float(body.get("seconds", 0.0)), str(body.get("message", "")))
        case "note" if "bound" in body:
            yield record, Bound(run, str(body["bound"]), str(body["value"]))
        case "note":
            for name, value in body.items():
                yield record, StepOutput(run, record.step, f"{name.replace('_', ' ')}: {value}"[:NOTE])
        case "end":
            seconds = (record.at - start.at).total_seconds()
            done, left = (tuple(map(str, body.get(name, ()))) for name in ("done", "left"))
            outcome, code = Outcome(body["outcome"]), int(body["exit_code"])
            yield record, RunEnded(run, record.at, outcome, code, seconds, done, left, str(body.get("message", "")))


def _values(record: Record) -> Mapping[str, Any]:
    return record.body


def offset_words(seconds: float) -> str:
    """An offset as hours, minutes and seconds."""
    return f"+{timedelta(seconds=int(seconds))}"
