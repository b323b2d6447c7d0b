"""What a journal says is still there: the steps of a run whose undo has not been done, as a cleanup plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from core.errors import Refused
from core.events import Outcome
from core.explain import EXPLAIN
from core.journal import Record
from core.operations import undo_step
from core.plan import Phase, Plan, Step, StepKind
from core.transport import Channel, Command, Effect


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What one run left: its directory's key on the hosts, its late values, and the steps to take back, oldest first."""

    run: int
    key: str
    values: Mapping[str, str]
    steps: tuple[Step, ...]


def command_from(body: Mapping[str, Any]) -> Command:
    """A Command from its JSON form in the journal."""
    known = {f.name: body[f.name] for f in fields(Command) if f.name in body}
    return Command(**{**known, "effect": Effect(known["effect"]), "channel": Channel(known["channel"])})


def outstanding(records: Sequence[Record]) -> Outstanding:
    """What the records of one run say was or may have been done, and was not taken back."""
    key, values, steps = "", {}, dict[str, Step]()
    for record in records:
        body: Mapping[str, Any] = record.body
        if record.kind == "note" and "run_key" in body:
            key = str(body["run_key"])
        if record.kind == "note" and "bound" in body:
            values[str(body["bound"])] = str(body["value"])
        if record.kind == "intent" and body.get("undo"):
            undo = command_from(body["undo"])
            explain = EXPLAIN["undo"]
            steps[record.step] = Step(record.step, Phase.CLEANUP, StepKind.COMMAND, undo.title, undo.host, explain, undo=undo)
        if record.kind == "outcome" and body.get("outcome") == Outcome.REFUSED:
            steps.pop(record.step, None)
        if record.kind == "outcome" and body.get("outcome") == Outcome.OK:
            steps.pop(record.step.removeprefix("undo-") if record.step.startswith("undo-") else "", None)
    return Outstanding(records[0].run, key, values, tuple(steps.values()))


def _ended_well(records: Sequence[Record]) -> bool:
    return any(r.kind == "end" and r.body.get("outcome") == Outcome.OK for r in records)


def _taken_back_later(number: int, key: str, records: Mapping[int, Sequence[Record]]) -> set[str]:
    """The steps of a run that later runs of the same key (a cleanup, a failback) took back."""
    out = set[str]()
    for later, rows in records.items():
        if later > number and key and any(r.kind == "note" and r.body.get("run_key") == key for r in rows):
            done = (r.step for r in rows if r.kind == "outcome" and r.body.get("outcome") == Outcome.OK)
            out |= {step.removeprefix("undo-") for step in done if step.startswith("undo-")}
    return out


def was_taken_over(set_name: str, records: Mapping[int, Sequence[Record]]) -> bool:
    """Whether the journal knows a takeover of the set that came to something."""
    bodies = [rows[0].body for rows in records.values()]
    return any(body.get("set") == set_name and body.get("operation") == "takeover" for body in bodies)


def cleanup_plan(set_name: str, records: Mapping[int, Sequence[Record]], now: datetime, target: str, of: str = "") -> Plan:
    """The plan that removes what the newest run of the set (of the operation `of`, where given) with something left has left.

    Refused when nothing is.
    """
    for number in sorted(records, reverse=True):
        left, body = outstanding(records[number]), records[number][0].body
        if _ended_well(records[number]) and body.get("operation") != "takeover":
            continue  # only a takeover that went well leaves something, and means to
        back = _taken_back_later(number, left.key, records)
        left = replace(left, steps=tuple(step for step in left.steps if step.id not in back))
        if body.get("set") == set_name and left.steps and of in ("", body.get("operation")):
            steps = [undo_step(step) for step in reversed(left.steps)]
            prove = Step(
                "measure-clean",
                Phase.CLEANUP,
                StepKind.MEASURE,
                "Prove that the target is as it was",
                target,
                EXPLAIN["measure-clean"],
                measure="clean",
            )
            facts = {"run_key": left.key, **{f"value.{name}": value for name, value in left.values.items()}}
            summary = (f"takes back what run {left.run} left on {target}",)
            return Plan("cleanup", set_name, (*steps, prove), now, summary=summary, facts=facts)
    raise Refused(f"cleanup of {set_name}: the journal of this console knows nothing that a run left; nothing was changed")
