"""Executes one Plan: journal, do, journal; thaws whatever happens; takes back in reverse when a step fails."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.errors import CommandFailed, NeedsAttention, OutcomeUnknown, Refused, SplitmountError
from core.events import Outcome, RunEnded, RunPaused, RunStarted, StepEnded, StepStarted
from core.freezing import DOUBTFUL
from core.handlers import HANDLERS, RunParts, RunState, StillRunning, describe, new_split_id, utc_now
from core.jobs import SETTLES, await_end
from core.journal import JournalError
from core.operations import undo_step
from core.past import Past, kept_when_committed, own_job
from core.plan import Phase, Step, StepKind
from core.transport import Command, bind, late_names, shown


class Stopped(SplitmountError):
    """The operator asked the run to stop at a boundary between steps."""

    title = "Stopped"


@dataclass(slots=True)
class _Control:
    """What the operator wants: go on freely or step by step, or stop."""

    stepwise: bool
    stop: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Run:
    """One execution of a plan. `execute` never raises for what goes wrong on hosts: the end says it."""

    def __init__(self, parts: RunParts, *, stepwise: bool = False) -> None:
        """Prepare; nothing is journalled or sent before `begin`."""
        self._parts = parts
        self._state = RunState(parts)
        self._control = _Control(stepwise)
        self._stack: list[Step] = []
        self._done: list[str] = []
        self._phase = Phase.MEASURE
        self._at: tuple[Step, float] | None = None  # the step that is being done, and since when
        self._unmeasured = False  # a change whose outcome is unknown and that no undo measures
        self._committed = ""  # the title of the step after which nothing earlier is taken back
        self._served: float | None = None  # when the last step ended that brings data into service, by the monotonic clock
        self._skip: frozenset[str] = frozenset()  # the steps that were done before the run was taken up again
        self._taking_back = ""  # why a run that is taken up again was being taken back
        self._paused = False  # since when anybody may have done anything: see `UnderLock.ensure`
        self._hanging = ""  # what goes on on a host and must not be taken back beneath it
        self._unsure: list[Step] = []  # the steps whose jobs may still be at work
        self._relock: list[Step] = []  # the locks that such a run asks for again, before all else

    @property
    def number(self) -> int:
        """The number of the run in the journal; 0 before `begin`."""
        return self._state.number

    @property
    def parts(self) -> RunParts:
        """What the run works with."""
        return self._parts

    def proceed(self, *, to_end: bool) -> None:
        """Let the next step go, or all the rest."""
        self._control.stepwise = self._control.stepwise and not to_end
        self._control.wake.set()

    def stop_after_step(self) -> None:
        """Stop at the next boundary between steps; there is none between freeze and thaw."""
        self._control.stop = True
        self._control.wake.set()

    def begin(self) -> int:
        """Open the journal's record of this run; its number."""
        parts, now = self._parts, utc_now()
        plan = parts.plan
        body = {"set": plan.set_name, "operation": plan.operation, "operator": parts.operator, "console": parts.console}
        number = parts.journal.begin({**body, "digest": plan.digest, "plan": plan})
        # by chance, not by the plan: two consoles may begin one plan in one second, and a lock must tell their runs apart
        own = f"{plan.set_name}-{now:%Y%m%dT%H%M%SZ}-{number:04d}-{secrets.token_hex(3)}"
        key = plan.facts.get("run_key") or own
        self._state.number = self._state.job_number = number
        if (
            "run_key" in plan.facts
        ):  # the directory of another run's jobs, maybe of another console's: no number may be twice there
            self._state.job_number = int(now.timestamp() * 1000)
        self._state.values.update({n[6:]: v for n, v in plan.facts.items() if n.startswith("value.")})
        self._own(key)
        parts.journal.note(number, "", {"run_key": key, "job_number": self._state.job_number})
        parts.emit(RunStarted(number, now, plan))
        return number

    def take_up(self, past: Past) -> int:
        """Go on with a run that a console left without an end, under its own number and key; its number."""
        parts, state, now = self._parts, self._state, utc_now()
        state.number, state.job_number = past.number, past.job_number
        state.values.update(past.values)
        state.attempts.update(past.attempts)
        state.record, state.sample, state.changed, state.stale = past.record, dict(past.sample), True, True
        if past.doubtful:
            state.doubt_freeze()
        self._own(past.key)
        self._relock = _still_locked(past)
        locks = [step.id for step in self._relock]
        self._skip = frozenset(past.done) | frozenset(locks)
        self._stack, self._committed, self._taking_back = list(past.stack), past.committed, past.taking_back
        self._unsure = [step for step in past.at_work if step.id in past.unsure]
        self._phase = past.phase
        state.freeze_until = time.monotonic() + parts.settings.freeze.seconds + 5
        unsure = {s.id for s in parts.plan.steps if s.array or s.kind is StepKind.BACKUP} if past.measure_all else set()
        state.measure_first = unsure | {past.open} - {""}
        self._done = [s.title for s in parts.plan.steps if s.id in self._skip]
        parts.journal.note(past.number, "", {"taken_up": now, "operator": parts.operator, "console": parts.console})
        parts.emit(RunStarted(past.number, now, parts.plan, tuple(self._skip)))
        return past.number

    def _own(self, key: str) -> None:
        """The key of the run, and whose it is: late values of the locks."""
        self._state.key = key
        self._state.values.update(run_key=key, operator=self._parts.operator, console=self._parts.console)

    async def execute(self) -> RunEnded:
        """Do the plan; whatever happens, thaw, take back what must be taken back, and say how it ended."""
        began = time.monotonic()
        error: SplitmountError | None = None
        if refused := await self._lock_again(began):
            return refused
        try:
            if self._taking_back:
                raise CommandFailed(self._taking_back)
            await self._look_again()
            await self._forward()
        except SplitmountError as problem:
            error = problem
        except Exception as bug:  # noqa: BLE001  the one broad except: a bug must not leave a source frozen
            if self._at is not None:
                with suppress(JournalError):
                    self._outcome(self._at[0], Outcome.UNKNOWN, repr(bug), self._at[1])
            error = CommandFailed(f"internal error in phase {self._phase.value}: {bug!r}; please report it")
        try:
            await self._thaw_for_sure()
            end = await self._conclude(error, began) if not self._hanging else None
            if end is None or self._hanging:
                why = f"{self._hanging}; it goes on there, so nothing was taken back: find out on the host what it waits for"
                end = self._goes_on(began, why)
            else:
                body = {name: getattr(end, name) for name in ("outcome", "exit_code", "message", "done", "left")}
                self._parts.journal.end(self.number, body)
        except JournalError as lost:
            before = f"{error}; " if error is not None and not isinstance(error, JournalError) else ""
            why = f"{before}the journal could not be written, so nothing was taken back: {lost}; make room for it"
            end = self._goes_on(began, why)
        self._parts.emit(end)
        return end

    def _goes_on(self, began: float, why: str) -> RunEnded:
        """Nothing is taken back any more: the run stays without an end until somebody has looked."""
        message = f"{why}; then resume the run or take it back (splitmount recover {self.number})"
        seconds = time.monotonic() - began
        left = tuple(f"{s.host}: {shown(self._best(s.undo))}" for s in reversed(self._stack) if s.undo is not None)
        return RunEnded(
            self.number, utc_now(), Outcome.UNKNOWN, OutcomeUnknown.exit_code, seconds, tuple(self._done), left, message
        )

    async def _lock_again(self, began: float) -> RunEnded | None:
        """Ask for the locks of a run that is taken up again. Without them nothing of it is touched: it stays without an end."""
        for step in self._relock:
            self._state.begin_anew(step.id)
            try:
                await self._step(step)
            except SplitmountError as problem:
                message = f"{problem}; nothing was touched: the run still has no end"
                seconds = time.monotonic() - began
                end = RunEnded(self.number, utc_now(), _word(problem), problem.exit_code, seconds, (), (), message)
                self._parts.emit(end)
                return end
        return None

    async def _look_again(self) -> None:
        """What a run that is taken up again knew of the estate went with its console."""
        if self._skip:
            estate = await self._parts.measure(("source", "target", "pairs"))
            self._state.estate, self._state.statuses = estate, estate.pairs

    async def _forward(self) -> None:
        for step in self._parts.plan.steps:
            if step.id in self._skip:
                continue
            if step.kind is StepKind.OWN_FILES and step.undoes:
                self._stack = kept_when_committed(self._stack)  # all is done: a lock that cannot be given back undoes nothing
            else:
                await self._gate(step)
            self._phase = step.phase
            await self._step(step)
            self._done.append(step.title)

    async def _gate(self, step: Step) -> None:
        """Wait for the operator at the boundary before a step; between freeze and thaw there is no boundary."""
        if self._state.session is not None or self._state.quiet is not None:
            return
        if self._control.stepwise and not self._control.stop:
            self._control.wake.clear()
            self._parts.emit(RunPaused(self.number, step.id))
            await self._control.wake.wait()
            self._paused = self._state.stale = True
        if self._control.stop:
            raise Stopped(f"stopped by the operator before the step: {step.title}")

    async def _step(self, step: Step) -> None:
        """Journal the intent, do it, journal the outcome. What may have been done is on the undo stack beforehand."""
        parts, began = self._parts, time.monotonic()
        command = self._bound(step.command) if step.command is not None else None
        parts.journal.intent(self.number, step.id, {"host": step.host, "command": command, "undo": step.undo})
        parts.emit(StepStarted(self.number, step.id, utc_now(), command))
        before = self._stack
        if step.commits and not self._committed:
            self._committed, self._stack = step.title, kept_when_committed(self._stack)
        if step.undo is not None and step not in self._stack:
            self._stack.append(step)
        self._at = (step, began)
        try:
            if self._state.session is None:  # while the source is frozen nothing is asked
                await self._state.lock.ensure(parts.transport, step, paused=self._paused)
                self._paused = False
            message = await HANDLERS[step.kind](self._state, step, command)
        except SplitmountError as problem:
            if isinstance(problem, Refused) and step in self._stack:
                self._stack.remove(step)
            if isinstance(problem, Refused) and step.commits and self._committed == step.title:
                self._committed, self._stack = "", before
            if isinstance(problem, StillRunning):  # its intent stays open: whoever takes the run up follows the job
                self._hanging = str(problem)
                parts.emit(StepEnded(self.number, step.id, Outcome.UNKNOWN, time.monotonic() - began, str(problem)))
                raise
            if isinstance(problem, OutcomeUnknown):
                self._unsure.append(step)
            self._unmeasured = self._unmeasured or (isinstance(problem, OutcomeUnknown) and step.undo is None)
            self._outcome(step, _word(problem), str(problem), began)
            raise
        self._stack = [done for done in self._stack if done.id != step.undoes]
        if step.phase in (Phase.MOUNT, Phase.START) and not step.undoes:
            self._served = time.monotonic()
        self._outcome(step, Outcome.OK, message, began)

    def _outcome(self, step: Step, outcome: Outcome, message: str, began: float) -> None:
        seconds = time.monotonic() - began
        self._parts.journal.outcome(self.number, step.id, {"outcome": outcome, "message": message, "seconds": seconds})
        self._parts.emit(StepEnded(self.number, step.id, outcome, seconds, message))

    def _bound(self, command: Command) -> Command:
        """The command with its late values; a new split gets its identity here, right before it is sent."""
        names, values = late_names(command), self._state.values
        if "split_id" in names and "split_id" not in values:
            self._state.bind("split_id", new_split_id(utc_now()))
        missing = [name for name in names if name not in values]
        if missing:
            raise CommandFailed(f"{command.host}: {command.title}: not known yet: {', '.join(missing)}")
        return bind(command, values)

    async def _thaw_for_sure(self) -> None:
        """The always-steps that are still due when the source is frozen, or its application held."""
        held = {StepKind.RELEASE: self._state.session, StepKind.LET_GO: self._state.quiet}
        due = [step for step in self._parts.plan.steps if step.always and held.get(step.kind) is not None]
        lost: JournalError | None = None
        for step in due:
            try:
                await self._thawed(step)
            except JournalError as full:  # let go although it cannot be written down; a second time does nothing
                lost = full
                with suppress(SplitmountError):
                    await HANDLERS[step.kind](self._state, step, None)
        if lost is not None:
            raise lost

    async def _thawed(self, step: Step) -> None:
        try:
            await self._step(step)
        except JournalError:
            raise
        except SplitmountError as problem:
            self._state.note(step, thaw=str(problem))

    async def _conclude(self, error: SplitmountError | None, began: float) -> RunEnded:
        left: list[str] = []
        outcome, code, message = Outcome.OK, 0, "done" + self._objectives(began)
        message += f"; {self._state.compared}" if self._state.compared else ""
        if self._state.doubtful and self._state.statuses:
            message += f"; {DOUBTFUL}"
        if error is not None:
            undone = any(step.kind is not StepKind.OWN_FILES for step in self._stack)
            self._parts.journal.note(self.number, "", {"taking_back": str(error) or error.title})
            left = await self._take_back()
            outcome, code = self._verdict(error, left)
            message = str(error)
            if undone and not left:
                message += "; what was done on the target was taken back"
            if self._committed:
                message += f"; the step {self._committed!r} had begun, so the source is left stopped: measure, then plan again"
            if self._state.changed:
                message += f"; mirrors: {await self._mirrors()}"
        seconds = time.monotonic() - began
        return RunEnded(self.number, utc_now(), outcome, code, seconds, tuple(self._done), tuple(left), message)

    def _objectives(self, began: float) -> str:
        """For a takeover and its rehearsal: the time to service that was measured, and how old the data is."""
        if self._parts.plan.operation not in ("takeover", "rehearse") or self._served is None:
            return ""
        at = self._parts.plan.facts.get("split_at", "")
        age = (
            f"{(utc_now() - datetime.fromisoformat(at)).total_seconds():.0f} s old when this ended"
            if at
            else "split in this run"
        )
        return f": in service {self._served - began:.0f} s after the confirmation (RTO); data {age} (RPO)"

    def _verdict(self, error: SplitmountError, left: list[str]) -> tuple[Outcome, int]:
        """How the run ended, in a word and an exit code."""
        if left:
            return Outcome.ATTENTION, NeedsAttention.exit_code
        if not self._state.changed:
            return _word(error), error.exit_code
        if self._unmeasured:
            return Outcome.UNKNOWN, OutcomeUnknown.exit_code
        taking_back = "takes_back" in self._parts.plan.facts  # what could not be taken back is left
        if isinstance(error, NeedsAttention) or self._phase is Phase.AFTER or self._committed or taking_back:
            return Outcome.ATTENTION, NeedsAttention.exit_code
        return Outcome.STOPPED if isinstance(error, Stopped) else Outcome.FAILED, 4

    async def _take_back(self) -> list[str]:
        """Undo in reverse; a failing undo stops, and what is left is returned as commands."""
        while self._stack:
            step = self._stack[-1]
            try:
                await self._settled()
                await self._step(undo_step(step))
            except SplitmountError as problem:
                rest = [f"{s.host}: {shown(self._best(s.undo))}" for s in reversed(self._stack) if s.undo is not None]
                return [f"{step.title}: {problem}", *rest]
            self._done.append(f"taken back: {step.title}")
        return []

    async def _settled(self) -> None:
        """A job whose outcome was lost may still be at work: nothing is taken back before it has ended."""
        while self._unsure:
            step = self._unsure[-1]
            if name := own_job(step):
                job = self._state.job(step.id, step.host)
                if step.kind is StepKind.BACKUP:
                    job = replace(job, directory_step=f"{job.directory_run}/{name}")
                await await_end(self._parts.transport, job, SETTLES)
            self._unsure.pop()

    def _best(self, command: Command) -> Command:
        """The command with whatever late values are known, for a person."""
        names = late_names(command)
        return bind(command, {n: self._state.values.get(n, n) for n in names})

    async def _mirrors(self) -> str:
        """The state in which the mirrors are left, measured; or that it is unknown."""
        try:
            statuses = await self._parts.drivers.array.status(self._parts.transport, self._parts.settings.pairs)
        except SplitmountError as problem:
            return f"unknown ({problem})"
        return describe(statuses)


def _still_locked(past: Past) -> list[Step]:
    """The locks of the run, less those that it had begun to give back: whether they are its own is asked before all else."""
    given = {step.undoes for step in past.plan.steps if step.id in past.done or step.id == past.open}
    locks = [step for step in past.plan.steps if step.kind is StepKind.OWN_FILES and step.id.startswith("lock-")]
    begun = bool({step.id for step in past.plan.steps} - {lock.id for lock in locks} & {*past.done, past.open})
    return [step for step in locks if step.id not in given and (step.id in past.done or (begun and past.done))]


def _word(problem: SplitmountError) -> Outcome:
    table = (
        (Refused, Outcome.REFUSED),
        (OutcomeUnknown, Outcome.UNKNOWN),
        (NeedsAttention, Outcome.ATTENTION),
        (Stopped, Outcome.STOPPED),
    )
    return next((word for kind, word in table if isinstance(problem, kind)), Outcome.FAILED)
