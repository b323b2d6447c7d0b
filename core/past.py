"""What a journal says of a run that has no end: what was done, what may have been done, what is not known. Pure.

A run that is taken up again goes on under its own number and key: its jobs on the hosts bear them, so what was started
once is found again and not started twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.backups.base import BackupRecord
from core.errors import Refused
from core.events import Outcome
from core.jobs import job_name
from core.journal import Record
from core.jsonable import from_json
from core.operations import undo_step
from core.plan import Phase, Plan, Step, StepKind
from core.transport import Channel


@dataclass(frozen=True, slots=True)
class Past:
    """One run as its journal has it.

    `done` are the ids of the plan's steps that ended well, in order; `open` is the one that was begun and has no outcome, empty
    for none. `stack` are the steps to take back, oldest first; `committed` is the title of the step after which nothing earlier is.
    `taking_back` says why the run was being taken back when it stopped, empty when it was going forward.
    `attempts` counts by step how often it was begun anew because its job was gone. `measure_all`: the journal was rebuilt, so
    that each change of the array is measured before it is sent. `phase` is how far it came, `last` when anything was recorded.
    `begun` are the ids of all steps that may have changed something, however they ended.
    `unsure` are the steps whose outcome was recorded as unknown: a job of theirs may still be at work.
    `doubtful`: whether the split was done while the source was frozen is not known.
    """

    number: int
    key: str
    job_number: int
    plan: Plan
    started: datetime
    operator: str
    console: str
    values: Mapping[str, str] = field(default_factory=dict)
    done: tuple[str, ...] = ()
    open: str = ""
    unsure: tuple[str, ...] = ()
    stack: tuple[Step, ...] = ()
    committed: str = ""
    taking_back: str = ""
    attempts: Mapping[str, int] = field(default_factory=dict)
    record: BackupRecord | None = None
    sample: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    measure_all: bool = False
    ended: bool = False
    begun: frozenset[str] = frozenset()
    last: datetime | None = None
    phase: Phase = Phase.MEASURE
    doubtful: bool = False

    @property
    def open_step(self) -> Step | None:
        """The step that has no outcome, as it can be looked at: of the plan, or the taking back of one."""
        return self._step(self.open)

    @property
    def at_work(self) -> tuple[Step, ...]:
        """Every step whose job may still be at work: those that ended as unknown, and the one that was under way."""
        return tuple(step for one in dict.fromkeys((*self.unsure, self.open)) if (step := self._step(one)) is not None)

    def _step(self, step_id: str) -> Step | None:
        for step in self.plan.steps:
            if step.id == step_id:
                return step
        taken = step_id.removeprefix("undo-")
        return next((undo_step(step) for step in self.plan.steps if step.id == taken and step.undo is not None), None)


def past_of(records: Sequence[Record]) -> Past:
    """The past of one run. Refused when its plan cannot be read: it was written by another version, or by somebody else."""
    try:
        return _past(records, plan_of(records[0].body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        number = records[0].run
        raise Refused(
            f"the records of run {number} cannot be read ({error}); take back by hand what its steps did: history {number}"
        ) from error


def plan_of(start: Mapping[str, Any]) -> Plan:
    """The plan in the record of a run's beginning. Refused when its commands are not those that its digest was made of."""
    plan: Plan = from_json(Plan, start["plan"])
    if plan.digest != start["digest"]:
        raise Refused(
            "the commands of its plan are not those that the digest in its journal was made of: somebody changed them"
        )
    return plan


def _past(records: Sequence[Record], plan: Plan) -> Past:
    start: Mapping[str, Any] = records[0].body
    facts = _facts(records)
    outcomes = _outcomes(records)
    open_ = next((step for step, outcome in reversed(outcomes.items()) if outcome is None), "")
    ended_well = [s.id for s in plan.steps if outcomes.get(s.id) is Outcome.OK]
    done = _without_a_freeze_that_is_over(plan, ended_well)
    unseen = set(done) - set(ended_well)  # a thaw that nobody saw: the timer may have been first
    stack, committed = _stack(plan, outcomes)
    last = facts.get("backup")
    return Past(
        number=records[0].run,
        key=str(facts.get("run_key", "")),
        job_number=int(facts.get("job_number", records[0].run)),
        plan=plan,
        started=records[0].happened,
        operator=str(start.get("operator", "")),
        console=str(start.get("console", "")),
        values=facts["values"],
        done=tuple(done),
        open=open_,
        unsure=tuple(step for step, outcome in outcomes.items() if outcome is Outcome.UNKNOWN),
        stack=stack,
        committed=committed,
        taking_back=str(facts.get("taking_back", "")) or _failed(plan, outcomes),
        attempts=facts["attempts"],
        record=from_json(BackupRecord, last) if last else None,
        sample={str(path): (str(a), str(b)) for path, (a, b) in facts.get("sample", {}).items()},
        measure_all=bool(facts.get("rebuilt")),
        doubtful=bool(facts.get("freeze_doubtful")) or bool(unseen),
        ended=any(r.kind == "end" for r in records),
        last=records[-1].happened,
        begun=frozenset(step for step, outcome in outcomes.items() if outcome not in (Outcome.REFUSED, Outcome.SKIPPED)),
        phase=next((step.phase for step in reversed(plan.steps) if step.id in outcomes), Phase.MEASURE),
    )


def _facts(records: Sequence[Record]) -> dict[str, Any]:
    """What the notes say, the last word of each; values and attempts by their names."""
    facts: dict[str, Any] = {"values": {}, "attempts": {}}
    for record in records:
        body: Mapping[str, Any] = record.body
        if record.kind != "note":
            continue
        if "bound" in body:
            facts["values"][str(body["bound"])] = str(body["value"])
        if "attempt" in body:
            facts["attempts"][record.step] = int(body["attempt"])
        facts.update({name: body[name] for name in _NOTES if name in body})
    return facts


_NOTES = ("run_key", "job_number", "taking_back", "backup", "sample", "rebuilt", "freeze_doubtful")


def _outcomes(records: Sequence[Record]) -> dict[str, Outcome | None]:
    """The last outcome of each step that was begun, None while there is none; in the order of their last beginning."""
    out: dict[str, Outcome | None] = {}
    for record in records:
        body: Mapping[str, Any] = record.body
        if record.kind == "intent":
            out.pop(record.step, None)
            out[record.step] = None
        if record.kind == "outcome":
            out[record.step] = Outcome(body["outcome"])
    return out


def _failed(plan: Plan, outcomes: Mapping[str, Outcome | None]) -> str:
    """That a step had ended badly when the console died, so that the run must not go forward; empty when none had.

    A lock that was refused when the run was taken up again says nothing of the run itself.
    """
    good = (None, Outcome.OK, Outcome.SKIPPED)
    steps = (step for step in plan.steps if step.kind is not StepKind.OWN_FILES)
    return next((f"{s.title}: it had failed when the console died" for s in steps if outcomes.get(s.id) not in good), "")


def _stack(plan: Plan, outcomes: Mapping[str, Outcome | None]) -> tuple[tuple[Step, ...], str]:
    """As the run itself keeps it: what was or may have been done, less what was taken back; and the point of no return."""
    stack: list[Step] = []
    committed = ""
    for step in plan.steps:
        outcome = outcomes.get(step.id, Outcome.SKIPPED)
        if outcome is Outcome.SKIPPED or outcome is Outcome.REFUSED:
            continue
        if step.commits and not committed:
            committed, stack = step.title, kept_when_committed(stack)
        if step.undo is not None:
            stack.append(step)
        if outcome is Outcome.OK:
            stack = [one for one in stack if one.id != step.undoes]
    return tuple(one for one in stack if outcomes.get(f"undo-{one.id}") is not Outcome.OK), committed


def stopped_by(past: Past) -> tuple[str, ...]:
    """The groups that a run took out of use on their own host, or may have, and did not bring up again."""
    stops = {s.id: s.id.removeprefix("stop-") for s in past.plan.steps if s.phase is Phase.STOP and s.fence}
    back = {step.id for step in past.stack}
    gone = (step for step in stops if step in past.begun and (step in back or past.committed))
    return tuple(stops[step] for step in gone if f"start-{stops[step]}" not in past.done)


def own_job(step: Step) -> str:
    """The name of the directory in which a step's job lives, without number and attempt; empty for a step that has none.

    A backup's tool names its own, by the title of its command.
    """
    if step.command is None or step.command.channel is not Channel.SHELL or step.kind in _NO_JOB:
        return ""
    return job_name(step.command.title) if step.kind is StepKind.BACKUP else step.id


_NO_JOB = frozenset(
    {
        StepKind.HOLD,
        StepKind.RELEASE,
        StepKind.QUIESCE,
        StepKind.LET_GO,
        StepKind.AWAIT,
        StepKind.MEASURE,
        StepKind.VERIFY,
        StepKind.PUT_BACK,
    }
)


def kept_when_committed(stack: Sequence[Step]) -> list[Step]:
    """What is still taken back after the point of no return: our own files, such as locks, and nothing that a host works with."""
    return [step for step in stack if step.kind is StepKind.OWN_FILES]


_HELD = {StepKind.HOLD: StepKind.RELEASE, StepKind.QUIESCE: StepKind.LET_GO}


def _without_a_freeze_that_is_over(plan: Plan, done: list[str]) -> list[str]:
    """What is held does not outlive its console: with the split still to do, it has to be done again; after it, all is let go."""
    ids = [step.id for step in plan.steps]
    for at, step in enumerate(plan.steps):
        if step.kind not in _HELD or step.id not in done:
            continue
        release = next((n for n, s in enumerate(plan.steps) if n > at and s.kind is _HELD[step.kind]), None)
        if release is None or ids[release] in done:
            continue
        over = all(one in done for one in ids[at + 1 : release])
        done = [*done, ids[release]] if over else [one for one in done if one != step.id]
    return done
