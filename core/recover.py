"""What a journal says is still there: the steps of a run whose undo has not been done, as a plan that takes them back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.errors import Refused
from core.events import Outcome
from core.explain import EXPLAIN
from core.hosts import HostRef
from core.jobs import SETTLES
from core.journal import Record
from core.operations import undo_step, unique
from core.past import Past, own_job, past_of
from core.plan import Phase, Plan, Step, StepKind
from core.transport import Command, Effect, bind, late_names, shown

TAKES_BACK = frozenset({"undo", "cleanup"})  # operations whose runs are about another run of the same key
# Operations that somebody asks for about a set, and that no other run of it stands in the way of.
BY_PERSON = frozenset({"hold", "let-go", "unlock"})


@dataclass(frozen=True, slots=True)
class Left:
    """What one run left: its past, and those of its steps that no later run took back, oldest first.

    `takers` are the runs without an end that had begun to take it back.
    """

    past: Past
    steps: tuple[Step, ...]
    takers: tuple[Past, ...] = ()


def _ended_well(records: Sequence[Record]) -> bool:
    return any(r.kind == "end" and r.body.get("outcome") == Outcome.OK for r in records)


def taken_back_later(number: int, key: str, records: Mapping[int, Sequence[Record]]) -> set[str]:
    """The steps of a run that later runs of the same key (a cleanup, a failback) took back."""
    out = set[str]()
    for later, rows in records.items():
        if later > number and key and any(r.kind == "note" and r.body.get("run_key") == key for r in rows):
            done = (r.step for r in rows if r.kind == "outcome" and r.body.get("outcome") == Outcome.OK)
            out |= {step.removeprefix("undo-") for step in done if step.startswith("undo-")}
    return out


def left_by(number: int, records: Mapping[int, Sequence[Record]]) -> Left:
    """What is left of a run, by the journal. Refused when it does not know the run, or its plan cannot be read."""
    if number not in records:
        raise Refused(f"the journal of this console knows no run {number}")
    past = past_of(records[number])
    back = taken_back_later(number, past.key, records)
    later = [rows for n, rows in records.items() if n > number and past.key and _key(rows) == past.key]
    takers = tuple(past_of(rows) for rows in later if _takes_back(rows) and not any(r.kind == "end" for r in rows))
    return Left(past, tuple(step for step in past.stack if step.id not in back), takers)


def taken_by(past: Past, records: Mapping[int, Sequence[Record]]) -> Past:
    """The run that a run takes back, and not the taking back itself. Refused when the journal does not know it."""
    if past.plan.operation not in TAKES_BACK:
        return past
    mine = [n for n in sorted(records) if n < past.number and _key(records[n]) == past.key and not _takes_back(records[n])]
    if not mine:
        raise Refused(f"run {past.number} takes back a run that the journal of this console does not know: resume it")
    named = int(past.plan.facts["takes_back"])  # of the console that began it
    return past_of(records[named if named in mine else mine[-1]])


def _key(records: Sequence[Record]) -> str:
    return next((str(r.body["run_key"]) for r in records if r.kind == "note" and "run_key" in r.body), "")


def _takes_back(records: Sequence[Record]) -> bool:
    return records[0].body.get("operation") in TAKES_BACK


def was_taken_over(set_name: str, records: Mapping[int, Sequence[Record]]) -> bool:
    """Whether the journal knows a takeover of the set that came to something."""
    bodies = [rows[0].body for rows in records.values()]
    return any(body.get("set") == set_name and body.get("operation") == "takeover" for body in bodies)


def leaves_nothing(records: Sequence[Record]) -> bool:
    """Whether cleanup finds nothing of a run: it took another back, or ended well. Only a takeover then leaves something, and means to."""
    return _takes_back(records) or (_ended_well(records) and records[0].body.get("operation") != "takeover")


def newest_left(set_name: str, records: Mapping[int, Sequence[Record]], of: str = "") -> Left:
    """What the newest run of the set (of the operation `of`, where given) with something left has left. Refused when nothing is."""
    for number in sorted(records, reverse=True):
        body = records[number][0].body
        if body.get("set") != set_name or of not in ("", body.get("operation")) or leaves_nothing(records[number]):
            continue
        left = left_by(number, records)
        if left.steps:
            return left
    raise Refused(f"cleanup of {set_name}: the journal of this console knows nothing that a run left; nothing was changed")


def cleanup_plan(set_name: str, records: Mapping[int, Sequence[Record]], now: datetime, target: HostRef, of: str = "") -> Plan:
    """The plan that removes what `newest_left` finds. Refused when that is nothing, or a run that can only be resumed."""
    left = newest_left(set_name, records, of)
    if not left.past.ended and never_back(left.past):
        raise Refused(only_resumed(left.past))
    return take_back_plan("cleanup", left, now, target)


def only_resumed(past: Past) -> str:
    """Why such a run is not taken back."""
    return f"run {past.number} {never_back(past)}, so it cannot be taken back; resume it: splitmount recover {past.number} --resume"


def not_resumed(past: Past) -> str:
    """What else can be done about such a run."""
    again = f"splitmount recover {past.number}"
    if not never_back(past):
        return f"Take it back instead: {again} --undo"
    return f"It cannot be taken back either: mend that and resume it, or end it for a person: {again} --give-up REASON --confirm {past.plan.set_name}"


def never_back(past: Past) -> str:
    """What the run has begun that nothing takes back; empty where it can be taken back.

    Of a journal that was rebuilt nobody knows whether it had come to that.
    """
    if past.committed or (past.measure_all and any(step.commits for step in past.plan.steps)):
        begun = past.committed or "what overwrites the standards, for all that is known"
        return f"has begun {begun!r}: what the standards held is gone"
    down = [s.host for s in past.plan.steps if s.undoes and s.kind is not StepKind.OWN_FILES and s.id in past.begun]
    if past.plan.operation == "failback" and down:
        return f"has begun to take down what the takeover had brought up on {down[0]}, and does not bring it up again"
    return ""


def take_back_plan(operation: str, left: Left, now: datetime, target: HostRef) -> Plan:
    """Take back the steps of one run in reverse, after the job that may still be under way has ended; then prove it."""
    past = left.past
    # The run's own locks are given back when all else is, so that nobody comes between.
    mine = [undo_step(step) for step in reversed(left.steps)]
    locks = [step for step in mine if step.kind is StepKind.OWN_FILES]
    back = [step for step in mine if step.kind is not StepKind.OWN_FILES]
    over = unique([step for one in (past, *left.takers) for step in _settled(one)])
    steps = [*over, *back]
    if any(step.host == target.name for step in back):  # where nothing is, the target may be in use as it was before
        title = "Prove that the target is as it was"
        explain = EXPLAIN["measure-clean"]
        steps.append(Step("measure-clean", Phase.CLEANUP, StepKind.MEASURE, title, target.name, explain, measure="clean"))
    facts = {
        "run_key": past.key,
        "takes_back": str(past.number),
        **{f"value.{name}": value for name, value in past.values.items()},
    }
    names = (f"takes back what run {past.number} left on {target.name}",)
    return Plan(
        operation,
        past.plan.set_name,
        (*steps, *locks),
        now,
        start_states=past.plan.start_states,
        summary=names,
        facts=facts,
        groups=past.plan.groups,
        spare=past.plan.spare,
    )


def _settled(past: Past) -> list[Step]:
    """What must be over before anything is taken back: the jobs that may still be at work, and a backup half written."""
    return [one for step in past.at_work for one in _over(past, step)]


def _over(past: Past, step: Step) -> list[Step]:
    if step.kind is StepKind.BACKUP:
        split_id = "live" if step.live else ""
        title = "Remove the unfinished copy from the repository"
        return [
            *([_followed(step, name)] if (name := own_job(step)) else []),
            Step("forget-backup", Phase.CLEANUP, StepKind.FORGET, title, step.host, EXPLAIN["forget-backup"], measure=split_id),
        ]
    if not own_job(step):
        return []
    anew = past.attempts.get(step.id, 0)
    return [_followed(step, f"{past.job_number:04d}-{step.id}{f'.{anew}' * bool(anew)}")]


def _followed(step: Step, job: str) -> Step:
    """Wait until a job that a step began runs no more."""
    title = f"Wait for the end of: {step.title[:1].lower()}{step.title[1:]}"
    text = f'cat "$RUN/{job}/rc"  # as soon as it is there\n'
    command = Command(step.host, title, text, Effect.READ, timeout=SETTLES)
    return Step("follow", Phase.CLEANUP, StepKind.FOLLOW, title, step.host, EXPLAIN["follow"], command, measure=job)


def by_hand(left: Left) -> tuple[str, ...]:
    """What a person would do to take the run back: a line for each step, and its commands with all that is known filled in."""
    out = []
    for step in reversed(left.steps):
        if step.undo is None:
            continue
        known = {name: left.past.values.get(name, name) for name in late_names(step.undo)}
        out.append(f"# on {step.undo.host}: take back: {step.title}\n{shown(bind(step.undo, known))}")
    return tuple(out)
