"""Runs that have no end, and sets that somebody claims: found, measured, told; and the plans that take a run back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from core.alive import AliveMarks
from core.arrays.base import base_id, base_id_of
from core.errors import Refused, SplitmountError
from core.facade import Account, PlanRequest
from core.handlers import describe
from core.history import history_row
from core.hosts import HostRef
from core.jobs import JobPhase, JobRef, await_end, read_job
from core.journal import Record
from core.locks import (
    Claims,
    hold_plan,
    let_go_plan,
    look,
    look_jobs,
    parse_jobs,
    parse_look,
    places,
    together,
    told,
    unlock_plan,
    until_of,
)
from core.measures import groups_changed
from core.model import Estate, HostFacts, PairState, PairStatus
from core.operations import Context, SetDrivers, establish, measure
from core.past import Past, own_job, past_of, stopped_by
from core.plan import Phase, Plan, Step, StepKind
from core.recover import (
    Left,
    by_hand,
    leaves_nothing,
    left_by,
    never_back,
    newest_left,
    not_resumed,
    only_resumed,
    take_back_plan,
    taken_by,
)
from core.scope import of_plan
from core.settings import SetSettings
from core.takenover import ending
from core.transport import Channel, Transport, bind, late_names, shown


@dataclass(frozen=True, slots=True)
class RecoveryParts:
    """What it works with: the engine's own. `unfinished` are the records of the runs that have no end."""

    transport: Transport
    records: Callable[[], Mapping[int, Sequence[Record]]]
    unfinished: Callable[[], Mapping[int, Sequence[Record]]]
    settings: Callable[[str], SetSettings]
    drivers: Callable[[SetSettings], SetDrivers]
    measure: Callable[[SetSettings, tuple[str, ...]], Awaitable[Estate]]
    alive: AliveMarks
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


class Recovery:
    """Used in the engine's own thread."""

    def __init__(self, parts: RecoveryParts) -> None:
        """Nothing is read yet."""
        self._parts = parts

    # --- claims -----------------------------------------------------------------------------------------------------

    async def claims(self, settings: SetSettings) -> tuple[Claims, str]:
        """Locks and holds of a set on every host that keeps them, and why they are not all known, empty when they are."""
        drivers = self._parts.drivers(settings)
        found, wrong = list[Claims](), list[str]()
        for ref in places(drivers.target_ref, drivers.array_ref):
            try:
                found.append(parse_look(ref, await self._parts.transport.run(look(ref, settings.name))))
            except SplitmountError as error:
                wrong.append(str(error))
        return together(found), "; ".join(wrong)

    def keys(self, set_name: str) -> tuple[str, ...]:
        """The keys of the runs of a set that this console knows and that have no end: their locks are its own."""
        return tuple(past.key for past in self.unfinished(set_name))

    async def person_plan(self, request: PlanRequest) -> Plan:
        """The plan of a hold, of its end, or of taking a lock away."""
        settings, now = self._parts.settings(request.set_name), self._parts.clock()
        drivers = self._parts.drivers(settings)
        hosts = places(drivers.target_ref, drivers.array_ref)
        if request.operation == "hold":
            return hold_plan(settings.name, hosts, until_of(request.until, now), request.reason, now)
        claims, wrong = await self.claims(settings)
        if wrong:
            raise Refused(f"{request.operation} of {settings.name}: {wrong}; nothing was changed")
        if request.operation == "let-go":
            return let_go_plan(settings.name, hosts, claims, now)
        return unlock_plan(settings.name, hosts, claims, now, await self._idle_source(settings, hosts, claims))

    async def _idle_source(self, settings: SetSettings, hosts: tuple[HostRef, ...], claims: Claims) -> tuple[str, ...]:
        """Insist that no job of the lock's run goes on at the source, which keeps no lock; say so when it does not answer."""
        ref = self._parts.drivers(settings).source_ref
        if ref.name in {host.name for host in hosts}:
            return ()
        try:
            result = await self._parts.transport.run(look_jobs(ref, settings.name, [lock.key for lock in claims.locks]))
            busy = parse_jobs(ref, result)
        except SplitmountError as error:
            return (f"  whether a job of its run goes on at {ref.name} is UNKNOWN: {error}",)
        if busy:
            raise Refused(
                f"{settings.name}: the run that holds the lock is at work: {', '.join(busy)} on {ref.name}; nothing was changed"
            )
        return (f"  no job of its run is running on {ref.name}",)

    # --- runs without an end ----------------------------------------------------------------------------------------

    def unfinished(self, set_name: str = "") -> tuple[Past, ...]:
        """The runs that have no end and that no process of this console executes, oldest first."""
        rows = self._parts.unfinished().values()
        mine = [r for r in rows if set_name in ("", str(r[0].body.get("set", "")))]
        return tuple(past for r in mine if not self._parts.alive.alive(r[0].run) and (past := _readable(r)) is not None)

    def stopped(self, settings: SetSettings) -> dict[str, int]:
        """The groups of a set that such runs took out of use on the source, with the number of the run."""
        pasts = self.unfinished(settings.name)
        return {name: past.number for past in pasts for name in stopped_by(past) if name in settings.volume_groups}

    def without_end(self, key: str) -> tuple[Past, ...]:
        """The runs of one key that have no end, whoever executes them."""
        pasts = map(_readable, self._parts.unfinished().values())
        return tuple(past for past in pasts if past is not None and past.key == key)

    def past(self, run: int) -> Past:
        """One of them. Refused when the journal does not know it, it has an end, or it is under way."""
        records = self._parts.records().get(run)
        if records is None:
            raise Refused(f"the journal of this console knows no run {run}")
        past = past_of(records)
        if past.ended:
            raise Refused(f"run {run} has ended; what it left is taken back by: splitmount run cleanup {past.plan.set_name}")
        if self._parts.alive.alive(run):
            raise Refused(f"run {run} is under way on this console")
        return past

    def left_for_a_person(self, run: int) -> tuple[str, tuple[str, ...]]:
        """The set of such a run, and the commands that take it back; none where its records cannot be read."""
        records = self._parts.records().get(run)
        if records is None or any(r.kind == "end" for r in records) or self._parts.alive.alive(run):
            self.past(run)  # says what is wrong with it
        rows = records or ()
        set_name = str(rows[0].body.get("set", "")) if rows else ""
        return set_name, by_hand(left_by(run, self._parts.records())) if _readable(rows) else ()

    async def check_resume(self, past: Past) -> Estate:
        """Measure, and refuse when the estate is not what the run left: a group was changed, or the mirrors were."""
        settings = of_plan(self._parts.settings(past.plan.set_name), past.plan)
        estate = await self._parts.measure(settings, ("source", "target", "pairs"))
        claims, unknown = await self.claims(self._parts.settings(past.plan.set_name))
        wrong = [told(hold) for hold in claims.holds]
        wrong += [told(lock) for lock in claims.locks if lock.key != past.key] + ([unknown] if unknown else [])
        dead = past.plan.operation == "takeover"
        wrong += [f"{part} could not be measured: {why}" for part, why in estate.errors.items() if part != "source" or not dead]
        if estate.source is not None and not past.committed:
            wrong += groups_changed(past.plan, settings, estate.source, stopped_by(past))
        if "takes_back" not in past.plan.facts:  # what takes a run back begins from what that one left
            wrong += _other_split(past, estate.pairs) or _other_start(past, estate.pairs)
            wrong += self._taken_back(past)
        if wrong:
            raise Refused(f"run {past.number} cannot be resumed, nothing was changed: {'; '.join(wrong)}. {not_resumed(past)}")
        return estate

    def _taken_back(self, past: Past) -> list[str]:
        """Whether another run began to take it back: it must not go forward over that."""
        records = self._parts.records()
        return [
            f"run {later} began to take it back"
            for later, rows in records.items()
            if later != past.number
            and any(r.body.get("run_key") == past.key for r in rows if r.kind == "note")
            and any(r.kind == "intent" and r.step.startswith("undo-") and not r.step.startswith("undo-lock-") for r in rows)
        ]

    async def account(self, run: int) -> Account:
        """Everything about one of them, measured now; of one that has an end, that and what cleanup would take back."""
        records = self._parts.records()
        left = left_by(run, records)
        past = left.past
        if past.ended:
            measured, doubts = list[str](), list[str]()
            await self._pairs(past, measured, doubts)
            return ended_account(left, records, tuple(measured), tuple(doubts))
        known = [
            f"{past.plan.operation} of {past.plan.set_name}, begun {past.started:%Y-%m-%d %H:%M:%S} UTC by {past.operator} on {past.console}",
            f"last record {past.last:%Y-%m-%d %H:%M:%S} UTC, in phase {past.phase.value}" if past.last else "",
            f"{len(past.done)} of {len(past.plan.steps)} steps are done",
        ]
        unknown: list[str] = []
        if past.taking_back:
            known.append(f"it was being taken back: {past.taking_back}")
        if past.committed:
            known.append(f"the step {past.committed!r} was begun: nothing before it is taken back any more")
        await self._open(past, known, unknown)
        await self._pairs(past, known, unknown)
        resume, undo = await self._why_not(left)
        return Account(
            run,
            past.plan.set_name,
            past.plan.operation,
            self._parts.alive.alive(run),
            tuple(k for k in known if k),
            tuple(unknown),
            resume,
            undo,
            by_hand(left),
            confirm_of(past),
            still_to_send(past),
        )

    async def accounts(self) -> tuple[Account, ...]:
        """All of them."""
        return tuple([await self.account(past.number) for past in self.unfinished()])

    async def _open(self, past: Past, known: list[str], unknown: list[str]) -> None:
        for step in past.at_work:
            await self._one_open(past, step, known, unknown)
        if not past.at_work:
            known.append("no step was under way")

    async def _one_open(self, past: Past, step: Step, known: list[str], unknown: list[str]) -> None:
        if step.command is None or step.command.channel is not Channel.SHELL or step.kind in (StepKind.HOLD, StepKind.QUIESCE):
            unknown.append(f"{step.title}: begun, and its outcome is not known; it is measured before anything is sent")
            return
        try:
            found = await read_job(self._parts.transport, self._job(past, step))
        except SplitmountError as error:
            unknown.append(f"{step.title}: begun; {error}")
            return
        words = {
            JobPhase.NOT_STARTED: "was never begun on the host",
            JobPhase.RUNNING: "is still running on the host",
            JobPhase.ENDED: f"ended on the host with {found.exit_status}",
        }
        if found.phase in words:
            known.append(f"{step.title}: {words[found.phase]}")
        else:
            unknown.append(f"{step.title}: its job is gone and left no end; it is measured before anything is done")

    def _job(self, past: Past, step: Step) -> JobRef:
        drivers = self._parts.drivers(self._parts.settings(past.plan.set_name))
        refs = (drivers.target_ref, drivers.source_ref, drivers.array_ref)
        ref = next((r for r in refs if r is not None and r.name == step.host), None)
        if ref is None:
            raise Refused(f"{step.host} does not serve {past.plan.set_name} any more, by the configuration")
        anew = past.attempts.get(step.id, 0)
        directory = f"{ref.work_dir}/runs/{past.key}"
        return JobRef(ref.name, directory, f"{directory}/{past.job_number:04d}-{step.id}{f'.{anew}' * bool(anew)}", ref.become)

    async def _pairs(self, past: Past, known: list[str], unknown: list[str]) -> None:
        try:
            settings = of_plan(self._parts.settings(past.plan.set_name), past.plan)
            statuses = await self._parts.drivers(settings).array.status(self._parts.transport, settings.pairs)
        except SplitmountError as error:
            unknown.append(f"the pairs: {error}")
            return
        known.append(f"mirrors: {describe(statuses)}")

    async def _why_not(self, left: Left) -> tuple[str, str]:
        """Why it cannot be resumed, and why it cannot be taken back; empty where it can."""
        resume = ""
        try:
            await self.check_resume(left.past)
        except SplitmountError as error:
            resume = str(error)
        undo = ""
        if undo := await self._given_up(left.past):
            return resume, undo
        if never_back(left.past):
            undo = only_resumed(left.past)
        return resume, undo

    async def undo_plan(self, request: PlanRequest) -> Plan:
        """Take one run back, and bring its mirrors up again where they were up before it.

        Refused after the point of no return: what the standards held is gone.
        """
        records = self._parts.records()
        past = taken_by(self.past(request.run) if request.run else self._newest(request.set_name), records)
        plan = await self._taken_back_by("undo", left_by(past.number, records))
        return plan if request.leave_mirrors or past.ended else await self._mirrors_up(past, plan)

    async def cleanup_plan(self, set_name: str) -> Plan:
        """Take back what the newest run of a set left, whether it has ended or not. Refused when nothing is left."""
        return await self._taken_back_by("cleanup", newest_left(set_name, self._parts.records()))

    async def _taken_back_by(self, operation: str, left: Left) -> Plan:
        """The plan; Refused after the point of no return, or when the run gave up the point in time that it began from."""
        past = left.past
        if not past.ended:
            if never_back(past):
                raise Refused(only_resumed(past))
            await self._array_job_over(past)
            if gone := await self._given_up(past):
                raise Refused(f"run {past.number} cannot be taken back: {gone}")
        target = self._parts.drivers(self._parts.settings(past.plan.set_name)).target_ref
        plan = take_back_plan(operation, left, self._parts.clock(), target)
        return ending(plan, target.name, served=past.ended) if past.plan.operation == "takeover" else plan

    async def _array_job_over(self, past: Past) -> None:
        """Wait for the changes of the array that may be under way on its host: before their end the pairs say nothing."""
        for step in past.at_work:
            if step.array and own_job(step):
                limit = self._parts.settings(past.plan.set_name).wait_limit
                await await_end(self._parts.transport, self._job(past, step), limit)

    async def _given_up(self, past: Past) -> str:
        """That the run gave up the point in time that the BCVs held, and has none of its own; measured. Empty when it did not."""
        held = {pair for pair, state in past.plan.start_states if state is PairState.SPLIT}
        mine = [s for s in past.plan.steps if s.array and s.id in past.begun and base_id(s) in _VERBS]
        if not held or not mine or base_id(mine[-1]) not in ("establish", "establish-full"):
            return ""
        settings = of_plan(self._parts.settings(past.plan.set_name), past.plan)
        statuses = await self._parts.drivers(settings).array.status(self._parts.transport, settings.pairs)
        gone = [s.pair.bcv for s in statuses if s.pair in held and s.state is not PairState.SPLIT]
        if not gone:
            return ""
        return (
            f"it established {', '.join(gone)}, and the point in time that they held is gone; split them again, or resume it: "
            f"splitmount recover {past.number} --resume"
        )

    def _newest(self, set_name: str) -> Past:
        mine = self.unfinished(set_name)
        if not mine:
            raise Refused(f"the journal of this console knows no run of {set_name} without an end; nothing was changed")
        return mine[-1]

    async def _mirrors_up(self, past: Past, plan: Plan) -> Plan:
        """The plan, and the establishing of the pairs that the run split; before the locks are given back."""
        start = [state for _, state in past.plan.start_states]
        if not start or set(start) != {PairState.ESTABLISHED} or past.plan.operation not in _SPLITS:
            return plan
        settings = of_plan(self._parts.settings(past.plan.set_name), past.plan)
        statuses = await self._at_rest(settings)
        hidden = any(step.undoes == "ready" for step in plan.steps)
        down = tuple(replace(s, ready=False) if hidden else s for s in statuses if s.state is PairState.SPLIT)
        if not down:
            return plan
        if why := await self._not_its_own(past, down):
            left = f"leaves {', '.join(s.pair.bcv for s in down)} split: {why}"
            return replace(plan, summary=(*plan.summary, left))
        context = self._context(settings, statuses)
        more = [measure(context, Phase.AFTER, "idle", settings.target), *establish(context, Phase.AFTER, down)]
        told_ = f"establishes {', '.join(s.pair.bcv for s in down)} again, as before the run: its point in time is given up"
        locks = [step for step in plan.steps if step.kind is StepKind.OWN_FILES]
        steps = (*(step for step in plan.steps if step not in locks), *more, *locks)
        return replace(plan, steps=steps, summary=(*plan.summary, told_, "  (to keep it: --leave-mirrors)"))

    async def _not_its_own(self, past: Past, down: tuple[PairStatus, ...]) -> str:
        """Why a point in time is not known to be this run's, so that it is not given up; empty when it is."""
        if not any(step.array and base_id(step) == "split" and step.id in past.begun for step in past.plan.steps):
            return "this run split nothing"
        if ours := past.values.get("split_id", ""):
            return "" if all(s.split_id == ours for s in down) else "they hold another point in time than that of this run"
        # An array that names its splits by itself, and nobody read the name: while the lock is the run's, nobody else came by.
        claims, unknown = await self.claims(self._parts.settings(past.plan.set_name))
        alone = bool(claims.locks) and all(lock.key == past.key for lock in claims.locks) and not unknown
        return "" if alone else "whether their point in time is that of this run is not known, for its lock was taken away"

    async def _at_rest(self, settings: SetSettings) -> tuple[PairStatus, ...]:
        """The pairs when none of them is on its way: a split that a dead console sent may still be under way."""
        array, limit = self._parts.drivers(settings).array, time.monotonic() + settings.wait_limit
        while True:
            statuses = await array.status(self._parts.transport, settings.pairs)
            if not any(s.state in (PairState.SPLITTING, PairState.COPYING) for s in statuses):
                return statuses
            if time.monotonic() > limit:
                raise Refused(f"the pairs are still on their way: {describe(statuses)}; nothing was changed")
            await asyncio.sleep(0.2)

    def _context(self, settings: SetSettings, statuses: tuple[PairStatus, ...]) -> Context:
        """For steps that are about pairs alone; of the hosts nothing is said, because nothing of theirs is asked."""
        now = self._parts.clock()
        nothing = HostFacts(settings.source, "", now)
        estate = Estate(settings.name, now, pairs=statuses)
        request = PlanRequest("undo", settings.name)
        return Context(request, settings, estate, self._parts.drivers(settings), nothing, nothing, statuses)


def _readable(records: Sequence[Record]) -> Past | None:
    """The past of a run; None when its records cannot be read, which must not stand in the way of all others."""
    try:
        return past_of(records)
    except Refused:
        return None


_SPLITS = frozenset({"backup", "rehearse", "split"})  # not a takeover: what was written on the target since would be lost
_VERBS = ("split", "establish", "establish-full", "restore", "restore-split")


def _other_split(past: Past, pairs: tuple[PairStatus, ...]) -> list[str]:
    """Whether the mirrors still hold the split that the run made, where it made one and nothing after it."""
    verbs, ours = _verbs(past, pairs), past.values.get("split_id", "")
    if verbs[-1:] != ["split"] or base_id_of(past.open) in _VERBS:
        return []  # what is open is measured by the array's driver, before anything is sent
    odd = [s for s in pairs if s.state not in (PairState.SPLIT, PairState.SPLITTING) or (ours and s.split_id not in ("", ours))]
    return [f"the mirrors do not hold the split of this run any more: {describe(tuple(odd))}"] if odd else []


def _verbs(past: Past, pairs: tuple[PairStatus, ...]) -> list[str]:
    """What the run did to these pairs, in order."""
    mine = {s.pair.bcv for s in pairs}
    begun = [s for s in past.plan.steps if s.array and s.id in past.done and (not s.fence or mine & set(s.fence))]
    return [verb for verb in map(base_id, begun) if verb in _VERBS]


def _other_start(past: Past, pairs: tuple[PairStatus, ...]) -> list[str]:
    """Whether pairs that the run has not changed yet stand otherwise than when it was planned: another point in time, maybe."""
    then = dict(past.plan.start_states)
    if past.measure_all:
        come = {base_id(s) for s in past.plan.steps if s.array}
        sent = any(s.pair in then and s.state is not then[s.pair] for s in pairs)
        if not sent:
            # Nothing was sent yet, for all that is known: the point in time must be the one that was planned from.
            own = _verbs(past, pairs) or {"establish", "split"} <= come
            return [] if own else _other_point(past, pairs)
        known = {state for verb, states in _LEADS.items() if verb in come for state in states}
        odd = [s for s in pairs if s.pair in then and s.state is not then[s.pair] and s.state not in known]
        return [f"the mirrors are not what the run can have made of them: {describe(tuple(odd))}"] if odd else []
    if _verbs(past, pairs) or base_id_of(past.open) in _VERBS:
        return []
    risen = {(PairState.COPYING, PairState.ESTABLISHED)}
    odd = [s for s in pairs if s.pair in then and then[s.pair] is not s.state and (then[s.pair], s.state) not in risen]
    return (
        [f"the mirrors are not what they were when it was planned: {describe(tuple(odd))}"]
        if odd
        else _other_point(past, pairs)
    )


def _other_point(past: Past, pairs: tuple[PairStatus, ...]) -> list[str]:
    """Whether the mirrors hold another point in time than the one that the run was planned from."""
    at, known = [s.split_at for s in pairs if s.split_at is not None], past.plan.facts.get("split_at")
    moved = bool(known and at and len(at) == len(pairs) and min(at).isoformat() != known)
    return [f"the mirrors are not what they were when it was planned: {describe(pairs)}"] if moved else []


# The states that a verb of the array leads to or through.
_LEADS = {
    "split": (PairState.SPLITTING, PairState.SPLIT),
    "establish": (PairState.COPYING, PairState.ESTABLISHED),
    "establish-full": (PairState.COPYING, PairState.ESTABLISHED),
    "restore": (PairState.RESTORING, PairState.SPLITTING, PairState.SPLIT),
    "restore-split": (PairState.SPLITTING, PairState.SPLIT),
}


def confirm_of(past: Past) -> str:
    """What a person must type before the run goes on: what its plan asks for, until the step that cannot be taken back has begun."""
    return "" if past.committed else past.plan.confirm


def still_to_send(past: Past) -> tuple[str, ...]:
    """The commands that the run would still send, with all that is known filled in: to be read where the plan came from elsewhere."""
    out = []
    for step in past.plan.steps:
        if step.command is None or step.id in past.done:
            continue
        known = {name: past.values.get(name, name) for name in late_names(step.command)}
        out.append(f"# {step.title}, on {step.host}\n{shown(bind(step.command, known)).rstrip()}")
    return tuple(out)


def ended_account(
    left: Left, records: Mapping[int, Sequence[Record]], known: tuple[str, ...], unknown: tuple[str, ...]
) -> Account:
    """Of a run that has ended: when and how, and what is left of it; `known` and `unknown` were measured."""
    past, row = left.past, history_row(records[left.past.number])
    left = replace(left, steps=() if leaves_nothing(records[past.number]) else left.steps)
    name, code = past.plan.set_name, "" if row.exit_code is None else f" (exit {row.exit_code})"
    ended = f"{row.ended:%Y-%m-%d %H:%M:%S} UTC, {row.outcome}{code}" + (f": {row.message}" if row.message else "")
    told_ = [
        f"{row.operation} of {name}, begun {row.started:%Y-%m-%d %H:%M:%S} UTC by {row.operator} on {row.console}",
        f"{len(past.done)} of {len(past.plan.steps)} steps were done",
        *known,
        *(f"left: {step.title}, on {step.host}" for step in reversed(left.steps)),
        f"taken back by: splitmount run cleanup {name}" if left.steps else "cleanup finds nothing that it left",
    ]
    if left.steps and (first := newest_left(name, records).past.number) != past.number:
        told_.append(f"  which first takes back what run {first} left")
    why = f"run {past.number} has ended"
    return Account(past.number, name, row.operation, False, tuple(told_), unknown, why, why, by_hand(left), ended=ended)


def lines_of(account: Account) -> tuple[str, ...]:
    """The account as lines of text."""
    said = (*(f"  known    {line}" for line in account.known), *(f"  UNKNOWN  {line}" for line in account.unknown))
    if account.ended:
        return (f"run {account.run}: HAS ENDED {account.ended}", *said)
    ways = [
        ("resume it", account.resume, f"splitmount recover {account.run} --resume"),
        ("take it back", account.undo, f"splitmount recover {account.run} --undo"),
    ]
    return (
        f"run {account.run}: " + ("IS UNDER WAY on this console" if account.alive else "HAS NO END"),
        *said,
        *(f"  {what}: {command}" if not why else f"  cannot {what}: {why}" for what, why, command in ways),
        f"  by hand: splitmount recover {account.run} --by-hand",
    )
