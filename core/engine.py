"""The engine: its own thread and loop, every connection, every run. Screens and command line only ask and listen."""

from __future__ import annotations

import asyncio
import getpass
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from core import rebuild
from core.alive import AliveMarks
from core.applications.base import ApplicationDriver
from core.applications.look import look_at
from core.arrays.base import ArrayDriver
from core.background import Backgrounds
from core.backups.base import BackupDriver, BackupRecord, Progress, RestoreRequest
from core.damage import mended
from core.errors import ConfigError, ReadOnlyRefused, Refused, SplitmountError
from core.events import Event, HostMeasured, Outcome, Scene, SetMeasured
from core.facade import Account, CheckRow, PlanRequest, RunRow
from core.handlers import RunParts
from core.history import by_run, history_row, not_well, short_end, told_end
from core.hosts import HostDriver, HostRef, facts_of, ref_of
from core.journal import Journal, Record
from core.journalfile import exported, imported
from core.kept import drift_of, findings_by
from core.locks import findings as findings_of_claims
from core.locks import places, with_locks
from core.logged import LoggedTransport
from core.mapcopies import kept_map
from core.mapfile import MapFile
from core.maps import MapKeeper
from core.model import Drift, Estate, Finding, HostFacts, PairStatus, Severity
from core.operations import SetDrivers, pairs_in_use
from core.plan import Condition, Plan
from core.planner import conditions_of, make_plan
from core.played import scenes
from core.recover import BY_PERSON, TAKES_BACK, left_by
from core.recovery import Recovery, RecoveryParts, confirm_of
from core.run import Run
from core.scope import mirrors_of, narrowed, of_plan, with_mirror
from core.settings import ApplicationSettings, ArraySettings, BackupSettings, SetSettings, Settings
from core.takenover import as_taken, minded
from core.transport import Transport
from core.usable import Usable

T = TypeVar("T")
SETS_AT_ONCE = 16  # measured; the answers of hundreds would lie in memory together, and their hosts' time limits run


@dataclass(frozen=True, slots=True)
class DriverTables:
    """The drivers by their words in the configuration; literal tables, made at the composition root."""

    hosts: Mapping[str, HostDriver]
    arrays: Mapping[str, Callable[[ArraySettings], ArrayDriver]]
    backups: Mapping[str, Callable[[BackupSettings], BackupDriver]]
    applications: Mapping[str, Callable[[ApplicationSettings], ApplicationDriver]] = field(default_factory=dict)


class Engine:
    """The facade's one implementation. Thread-safe from outside; inside, one loop owns everything."""

    def __init__(self, settings: Settings, drivers: DriverTables, transport: Transport) -> None:
        """Start the thread. The journal is opened when it is first needed."""
        self._settings = settings
        self._tables = drivers
        self._events: deque[Event] = deque()
        self._transport = LoggedTransport(transport, self._events.append)
        self._runs: dict[int, tuple[Run, asyncio.Task[Any]]] = {}
        self._arrays: dict[str, ArrayDriver] = {}
        self._looking: dict[str, asyncio.Task[HostFacts | str]] = {}
        self._measuring = asyncio.Semaphore(SETS_AT_ONCE)
        self._journal: Journal | None = None
        self._maps = MapKeeper(settings.state_dir / "maps")
        self._alive = AliveMarks(settings.state_dir / "alive")
        self._recovery = Recovery(
            RecoveryParts(self._transport, self._records, self._unfinished, self._set, self._drivers, self._estate, self._alive)
        )
        self._usable = Usable(settings, self._transport, self._host, self._array, self._drivers)
        self._backgrounds = Backgrounds(
            self._transport, self._records, self._known_journal, self._set, self._drivers, self._backups
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)
        self._thread.start()

    # --- what everyone may ask --------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The configuration."""
        return self._settings

    @property
    def read_only(self) -> bool:
        """True when the transport refuses every change."""
        return self._transport.read_only

    def discover_host(self, host: str) -> Future[None]:
        """Measure one host."""
        return self._submit(self._discover_host(host))

    def measure_set(self, set_name: str) -> Future[None]:
        """Measure a set whole."""
        return self._submit(self._measure_set(set_name))

    def plan(self, request: PlanRequest) -> Future[Plan]:
        """Measure, then plan."""
        return self._submit(self._plan(request))

    def conditions(self, request: PlanRequest) -> Future[tuple[Condition, ...]]:
        """See `Facade`."""
        return self._submit(self._conditions(request))

    def start(self, plan: Plan, *, stepwise: bool = False, confirmed: str = "") -> Future[int]:
        """Begin a run."""
        return self._submit(self._start(plan, stepwise, confirmed))

    def unfinished(self) -> Future[Sequence[Account]]:
        """See `Facade`."""
        return self._submit(self._recovery.accounts())

    def account(self, run: int) -> Future[Account]:
        """See `Facade`."""
        return self._submit(self._recovery.account(run))

    def resume(self, run: int, *, stepwise: bool = False, confirmed: str = "") -> Future[int]:
        """See `Facade`."""
        return self._submit(self._resume(run, stepwise, confirmed))

    def give_up(self, run: int, reason: str, confirmed: str) -> Future[None]:
        """See `Facade`."""
        return self._submit(self._give_up(run, reason, confirmed))

    def export_run(self, run: int) -> Future[str]:
        """See `Facade`."""
        return self._submit(_soon(lambda: exported(self._open_journal(), run)))

    def import_run(self, text: str) -> Future[int]:
        """See `Facade`."""
        return self._submit(_soon(lambda: imported(self._open_journal(), text)))

    def rebuild_runs(self, set_name: str, key: str = "") -> Future[Sequence[int]]:
        """See `Facade`."""
        return self._submit(self._rebuild(set_name, key))

    def proceed(self, run: int, *, to_end: bool = False) -> None:
        """Let a paused run go on."""
        self._loop.call_soon_threadsafe(lambda: self._runs[run][0].proceed(to_end=to_end) if run in self._runs else None)

    def stop_after_step(self, run: int) -> None:
        """Stop a run at its next boundary."""
        self._loop.call_soon_threadsafe(lambda: self._runs[run][0].stop_after_step() if run in self._runs else None)

    def running(self) -> tuple[int, ...]:
        """The runs that are under way."""
        return tuple(number for number, (_, task) in list(self._runs.items()) if not task.done())

    def history(self, set_name: str = "") -> Future[Sequence[RunRow]]:
        """All runs, newest first."""
        return self._submit(self._history(set_name))

    def played(self, run: int) -> Future[Sequence[Scene]]:
        """See `Facade`."""
        return self._submit(_soon(lambda: scenes(run, self._records().get(run, []))))

    def backups(self, set_name: str) -> Future[Sequence[BackupRecord]]:
        """The backups of a set."""
        return self._submit(self._backups(set_name))

    def mirrors(self, set_name: str) -> Future[tuple[tuple[PairStatus, ...], ...]]:
        """See `Facade`."""
        return self._submit(self._mirrors(set_name))

    def restore_files(self, set_name: str, backup: str, directory: str) -> Future[int]:
        """Restore a backup into an empty directory."""
        return self._submit(self._restore_files(set_name, backup, directory))

    def check(self) -> Future[Sequence[CheckRow]]:
        """Try every host and array of the configuration, read-only."""
        return self._submit(self._usable.rows())

    def drain(self) -> list[Event]:
        """The events since the last call."""
        out = []
        while self._events:
            out.append(self._events.popleft())
        return out

    def close(self) -> None:
        """Let every run reach a safe end, then close. Blocks."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    # --- measuring --------------------------------------------------------------------------------------------------

    def _set(self, name: str) -> SetSettings:
        if name not in self._settings.sets:
            known = ", ".join(self._settings.sets) or "none"
            raise ConfigError(f"there is no set {name!r} in the configuration; known: {known}")
        return self._settings.sets[name]

    def _host(self, name: str) -> tuple[HostDriver, HostRef]:
        if name not in self._settings.hosts:
            known = ", ".join(self._settings.hosts) or "none"
            raise ConfigError(f"there is no host {name!r} in the configuration; known: {known}")
        host = self._settings.hosts[name]
        return self._tables.hosts[host.os], ref_of(host)

    def _array(self, name: str) -> ArrayDriver:
        if name not in self._arrays:
            settings = self._settings.arrays[name]
            self._arrays[name] = self._tables.arrays[settings.driver](settings)
        return self._arrays[name]

    def _drivers(self, settings: SetSettings) -> SetDrivers:
        source, source_ref = self._host(settings.source)
        target, target_ref = self._host(settings.target)
        backup = self._tables.backups[settings.backup.driver](settings.backup) if settings.backup else None
        array = self._array(settings.array)
        app = settings.application
        application = self._tables.applications[app.driver](app) if app else None
        return SetDrivers(source, source_ref, target, target_ref, array, self._host(array.host)[1], backup, application)

    async def _facts(self, host: str) -> HostFacts:
        return await facts_of(self._transport, *self._host(host))

    async def _try_facts(self, host: str) -> HostFacts | str:
        """The facts, or why there are none; said as an event either way."""
        try:
            facts = await self._facts(host)
        except SplitmountError as error:
            self._events.append(HostMeasured(host, datetime.now(UTC), None, str(error)))
            return str(error)
        self._events.append(HostMeasured(host, facts.measured_at, facts))
        return facts

    async def _look_together(self, host: str) -> HostFacts | str:
        """As `_try_facts`, but whoever asks while a look is under way shares it. For showing, never for a run's checks."""
        task = self._looking.get(host)
        if task is None or task.done():
            task = self._looking[host] = self._loop.create_task(self._try_facts(host))
        return await task

    async def _discover_host(self, host: str) -> None:
        self._host(host)
        await self._look_together(host)

    async def _try_pairs(self, settings: SetSettings) -> tuple[PairStatus, ...] | str:
        try:
            return await self._array(settings.array).status(self._transport, pairs_in_use(settings.pairs))
        except SplitmountError as error:
            return str(error)

    async def _estate(
        self, settings: SetSettings, parts: tuple[str, ...] = ("source", "target", "pairs"), *, shared: bool = False
    ) -> Estate:
        """The parts that are asked for, all at once; what could not be measured is named, never left out."""
        look = self._look_together if shared else self._try_facts
        where = {"source": settings.source, "target": settings.target}
        hosts = tuple(dict.fromkeys(where[part] for part in parts if part in where))
        pairs = self._try_pairs(settings) if "pairs" in parts else _nothing()
        *facts, statuses = await asyncio.gather(*(look(h) for h in hosts), pairs)
        found = {**{part: facts[hosts.index(where[part])] for part in parts if part in where}, "pairs": statuses}
        source, target = found.get("source"), found.get("target")
        users: dict[str, str] = {}
        if "users" in parts and isinstance(source, HostFacts):
            found["users"] = await self._users(settings, source, users)
        return Estate(
            settings.name,
            datetime.now(UTC),
            source if isinstance(source, HostFacts) else None,
            target if isinstance(target, HostFacts) else None,
            statuses if isinstance(statuses, tuple) else (),
            {part: value for part, value in found.items() if isinstance(value, str) and value},
            users=users,
        )

    async def _users(self, settings: SetSettings, source: HostFacts, users: dict[str, str]) -> str:
        """Fill in who uses the set's filesystems on the source; or say why that is not known."""
        names, drivers = set(settings.volume_groups), self._drivers(settings)
        points = tuple(sorted(f.mount_point for f in source.filesystems if f.group in names and f.mounted))
        if not points:
            return ""
        try:
            result = await self._transport.run(drivers.source.reads(drivers.source_ref).users(points))
        except SplitmountError as error:
            return str(error)
        rows = [line.split(maxsplit=2) for line in result.stdout.splitlines() if line.startswith("users ")]
        users.update({points[int(row[1])]: row[2] for row in rows if len(row) == 3})
        return (
            "" if len(rows) == len(points) else f"{settings.source} has no fuser, or it did not answer: {result.stderr.strip()}"
        )

    async def _mirrors(self, set_name: str) -> tuple[tuple[PairStatus, ...], ...]:
        whole, array = self._set(set_name), self._array(self._set(set_name).array)
        ways = [pairs_in_use(with_mirror(whole, n).pairs) for n in range(1, mirrors_of(whole.pairs) + 1)]
        return tuple([await array.status(self._transport, pairs) for pairs in ways])

    async def _measure_set(self, set_name: str) -> None:
        settings = self._set(set_name)
        async with self._measuring:
            estate = await self._asked(settings, await self._estate(settings, shared=True))
            findings = (*await self._claimed(settings), *self._findings(settings, estate))
            self._events.append(await self._measured(set_name, estate, findings))

    async def _claimed(self, settings: SetSettings) -> tuple[Finding, ...]:
        """Who else claims the set: locks and holds, and this console's own runs that have no end."""
        claims, wrong = await self._recovery.claims(settings)
        mine = self._recovery.unfinished(settings.name)
        ours = [past.key for past in mine]
        unknown = (
            (
                Finding(
                    "CLAIMS_UNKNOWN", Severity.WARNING, settings.name, f"Whether somebody has locked it is not known: {wrong}."
                ),
            )
            if wrong
            else ()
        )
        open_ = tuple(
            Finding(
                "RUN_WITHOUT_END",
                Severity.ERROR,
                settings.name,
                f"Run {past.number} ({past.plan.operation}) began at {past.started:%Y-%m-%d %H:%M:%S} UTC and has no end.",
                f"Look at it, then resume it or take it back: splitmount recover {past.number}",
            )
            for past in mine
        )
        return (*open_, *findings_of_claims(settings.name, claims, ours), *unknown)

    def _findings(self, settings: SetSettings, estate: Estate) -> tuple[Finding, ...]:
        work_dir = self._settings.hosts[settings.source].work_dir
        found = findings_by(self._maps, settings, estate, work_dir, self._recovery.stopped(settings))
        return tuple(as_taken(settings, estate, found)) if self._taken_over(settings.name) else found

    async def _drift(self, name: str, estate: Estate) -> Drift:
        """Of the whole set, whatever part of it is worked on; a large map holds up nobody else."""
        stopped = self._recovery.stopped(self._set(name))
        return await asyncio.to_thread(drift_of, self._maps, self._set(name), estate, stopped)

    # --- planning and running ---------------------------------------------------------------------------------------

    async def _plan(self, request: PlanRequest) -> Plan:
        if request.operation == "cleanup":
            return self._locked(await self._recovery.cleanup_plan(self._set(request.set_name).name))
        if request.operation == "undo":
            return self._locked(await self._recovery.undo_plan(request))
        if request.operation in BY_PERSON:
            return await self._recovery.person_plan(request)
        settings, estate, findings, kept = await self._basis(request)
        background, now = await self._backgrounds.of(request, settings, kept), datetime.now(UTC)
        plan = make_plan(request, settings, estate, self._drivers(settings), now, findings, background)
        drift = await self._drift(settings.name, estate)
        plan = minded(plan, settings, self._taken_over(settings.name))
        return self._locked(replace(plan, summary=(*plan.summary, drift.told)))

    def _locked(self, plan: Plan) -> Plan:
        """The plan between its locks; one that only keeps a map needs none."""
        drivers = self._drivers(self._set(plan.set_name))
        return plan if plan.operation == "map" else with_locks(plan, places(drivers.target_ref, drivers.array_ref))

    async def _conditions(self, request: PlanRequest) -> tuple[Condition, ...]:
        settings, estate, findings, kept = await self._basis(request)
        background = await self._backgrounds.of(request, settings, kept)
        return conditions_of(request, settings, estate, self._drivers(settings), findings, background)

    async def _basis(self, request: PlanRequest) -> tuple[SetSettings, Estate, tuple[Finding, ...], MapFile | None]:
        """What a plan is made from: the part of the set, the estate, what verification says, the map of that point in time."""
        settings = with_mirror(self._set(request.set_name), request.mirror)
        onto_devices = request.operation in ("restore", "failback") and (not request.backup or request.via_bcv)
        parts = ("source", "target", "pairs", "users") if onto_devices else ("source", "target", "pairs")
        estate = await self._estate(settings, parts)
        if request.groups and estate.source is None:
            raise Refused(f"{settings.source} does not answer: only the whole set {settings.name} can be worked on")
        if request.groups and estate.source is not None:
            settings = narrowed(settings, request.groups, estate.source)
            estate = replace(estate, pairs=tuple(s for s in estate.pairs if s.pair in settings.pairs))
        estate = await self._asked(settings, estate)
        kept = await kept_map(self._maps, self._transport, self._host(settings.target)[1], request, estate)
        if request.operation in ("restore", "failback"):
            estate = mended(estate, settings.volume_groups, kept)
        findings = (*await self._claimed(settings), *self._findings(settings, estate))
        if request.mirror == 1 and not request.groups:  # a part of the set must not be shown as the set
            self._events.append(await self._measured(settings.name, estate, findings))
        return settings, estate, findings, kept

    async def _asked(self, settings: SetSettings, estate: Estate) -> Estate:
        """The estate with what the application of the set says of itself on the source; or why that is not known."""
        drivers = self._drivers(settings)
        driver = drivers.application
        if driver is None:
            return estate
        facts = await look_at(self._transport, driver, drivers.source_ref)
        return replace(estate, application=facts.state, facts=facts)

    async def _start(self, plan: Plan, stepwise: bool, confirmed: str) -> int:
        if self.read_only:
            raise ReadOnlyRefused("this console is read-only: start it without --read-only to run a plan")
        settings = of_plan(self._set(plan.set_name), plan)
        if plan.confirm and confirmed != plan.confirm:
            raise Refused(f"{plan.operation} of {plan.set_name} starts only when the set's name was typed; nothing was changed")
        self._insist_on_none_under_way(plan.set_name)
        if plan.operation not in TAKES_BACK | BY_PERSON and (left := self._recovery.unfinished(plan.set_name)):
            raise Refused(
                f"run {left[-1].number} of {plan.set_name} has no end: resume it or take it back first (splitmount recover "
                f"{left[-1].number}); nothing was changed"
            )
        run = Run(self._run_parts(plan, settings), stepwise=stepwise)
        with ExitStack() as marks:
            self._mark(marks, _taken_by(plan))
            number = run.begin()
            self._mark(marks, number)
            return self._go(run, number, marks.pop_all())

    def _insist_on_none_under_way(self, set_name: str) -> None:
        if any(r.settings.name == set_name for r in self._parts_running()):
            raise Refused(f"a run of {set_name} is under way on this console; nothing was changed")

    def _mark(self, marks: ExitStack, *runs: int) -> None:
        """Mark runs as under way until the marks are closed, so that nobody resumes them meanwhile; 0 is none."""
        for run in filter(None, runs):
            if not self._alive.take(run):
                raise Refused(f"run {run} is under way on this console; nothing was changed")
            marks.callback(self._alive.give, run)

    def _run_parts(self, plan: Plan, settings: SetSettings) -> RunParts:
        return RunParts(
            plan=plan,
            settings=settings,
            drivers=self._drivers(settings),
            transport=self._transport,
            journal=self._open_journal(),
            maps=self._maps,
            emit=self._events.append,
            measure=lambda parts: self._estate(settings, parts),
            operator=getpass.getuser(),
            console=socket.gethostname(),
        )

    def _go(self, run: Run, number: int, marks: ExitStack) -> int:
        task = self._loop.create_task(self._execute(run))
        task.add_done_callback(lambda _: marks.close())
        self._runs = {n: one for n, one in self._runs.items() if not one[1].done()} | {number: (run, task)}
        return number

    async def _execute(self, run: Run) -> None:
        """The run; when it took back another that had no end, that one has its end now."""
        end, key = await run.execute(), run.parts.plan.facts.get("run_key", "")
        if end.outcome is not Outcome.OK or "takes_back" not in run.parts.plan.facts:
            return
        # By the key: a number may be another console's, and an earlier taking back may have died as well.
        records = self._records()
        for past in self._recovery.without_end(key):
            if past.number == end.run or left_by(past.number, records).steps:
                continue
            body = {
                "outcome": Outcome.UNDONE,
                "exit_code": 4,
                "message": f"taken back by run {end.run}",
                "done": [],
                "left": [],
            }
            self._open_journal().end(past.number, body)

    async def _resume(self, number: int, stepwise: bool, confirmed: str) -> int:
        if self.read_only:
            raise ReadOnlyRefused("this console is read-only: start it without --read-only to resume a run")
        past = self._recovery.past(number)
        if (name := confirm_of(past)) and confirmed != name:
            raise Refused(
                f"run {number} ({past.plan.operation} of {name}) goes on only when the set's name was typed; nothing was changed"
            )
        settings = of_plan(self._set(past.plan.set_name), past.plan)
        await self._recovery.check_resume(past)
        self._insist_on_none_under_way(past.plan.set_name)
        with ExitStack() as marks:
            self._mark(marks, _taken_by(past.plan), number)
            run = Run(self._run_parts(past.plan, settings), stepwise=stepwise)
            return self._go(run, run.take_up(past), marks.pop_all())

    async def _give_up(self, number: int, reason: str, confirmed: str) -> None:
        set_name, left = self._recovery.left_for_a_person(number)
        if not reason.strip() or confirmed != set_name:
            raise Refused(
                f"run {number} is handed over to a person only with a reason, and when the set's name was typed; nothing was changed"
            )
        message = f"handed over to a person by {getpass.getuser()}: {reason.strip()}"
        body = {"outcome": Outcome.ATTENTION, "exit_code": 5, "message": message, "done": [], "left": left}
        self._open_journal().end(number, body)

    async def _rebuild(self, set_name: str, key: str) -> Sequence[int]:
        """The runs of one key from what they left on the target; without a key, of the newest that this journal does not know."""
        ref = self._drivers(self._set(set_name)).target_ref
        known = {str(r.body["run_key"]) for rows in self._records().values() for r in rows if "run_key" in r.body}
        if not key:
            keys = rebuild.parse_keys(ref, await self._transport.run(rebuild.look(ref)))
            ours = re.compile(re.escape(set_name) + r"-\d{8}T\d{6}Z-\d{4,}-[0-9a-f]{6}")
            mine = sorted(k for k in keys if ours.fullmatch(k) and k not in known)
            if not mine:
                raise Refused(
                    f"{ref.name}: no run of {set_name} left anything there that the journal of this console does not know"
                )
            key = mine[-1]
        remains = rebuild.parse_remains(ref, await self._transport.run(rebuild.look(ref, key)))
        return rebuild.rebuild(self._open_journal(), remains)

    def _parts_running(self) -> list[RunParts]:
        return [run.parts for run, task in self._runs.values() if not task.done()]

    async def _measured(self, name: str, estate: Estate, findings: tuple[Finding, ...]) -> SetMeasured:
        drift = await self._drift(name, estate)
        journal = self._known_journal()
        last = {op: journal.last_good(name, op) if journal else None for op in _NOTED}
        notes = tuple(
            f"{word} on {one.told}" if (one := last[op]) else f"never {word} from this console" for op, word in _NOTED.items()
        )
        known = {op: one.data if op == "backup" else one.at for op, one in last.items() if one is not None}
        bad = {short_end(end): told_end(end) for end in not_well(journal.last_ends(name))} if journal else {}
        return SetMeasured(name, estate, findings, notes, self._taken_over(name), drift, known, bad)

    def _taken_over(self, set_name: str) -> str:
        """When the target took the set over, by this console's journal, until it is given back or overwritten; else ""."""
        journal = self._known_journal()
        last = journal.last_good(set_name, "takeover", "failback") if journal else None
        if journal is None or last is None or last.operation != "takeover" or journal.copied_since(set_name, last.at):
            return ""
        down = journal.last_good(set_name, "cleanup")
        ended = f"; its service was ended on {down.at:%Y-%m-%d %H:%M} UTC" if down is not None and down.at > last.at else ""
        return f"taken over on {last.told}{ended}"

    def _has_journal(self) -> bool:
        return self._journal is not None or (self._settings.state_dir / "journal.db").exists()

    def _known_journal(self) -> Journal | None:
        """The journal where there is one; no file is made just to look."""
        return self._open_journal() if self._has_journal() else None

    def _open_journal(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(self._settings.state_dir / "journal.db")
        return self._journal

    # --- what was ---------------------------------------------------------------------------------------------------

    def _records(self) -> dict[int, list[Record]]:
        """The journal by run; no file is made just to look."""
        return by_run(self._open_journal().records()) if self._has_journal() else {}

    def _unfinished(self) -> dict[int, list[Record]]:
        return by_run(self._open_journal().unfinished()) if self._has_journal() else {}

    async def _history(self, set_name: str) -> Sequence[RunRow]:
        out = [history_row(records) for records in self._records().values()]
        return [row for row in reversed(out) if set_name in ("", row.set_name)]

    async def _backups(self, set_name: str) -> Sequence[BackupRecord]:
        settings = self._set(set_name)
        drivers = self._drivers(settings)
        if drivers.backup is None:
            return []
        ref = drivers.target_ref
        known = self._open_journal().verified() if self._has_journal() else {}
        found = await drivers.backup.list(self._transport, ref.name, ref.become, set_name)
        return [replace(record, verified_at=record.verified_at or known.get(record.id)) for record in found]

    async def _restore_files(self, set_name: str, backup: str, directory: str) -> int:
        if self.read_only:
            raise ReadOnlyRefused("this console is read-only: start it without --read-only to restore")
        drivers = self._drivers(self._set(set_name))
        if drivers.backup is None:
            raise Refused(f"set {set_name} has no backup in its configuration")
        ref = drivers.target_ref

        def report(progress: Progress) -> None:
            del progress  # the command line waits for the end; the console will show it with its own guide

        job_dir = f"{ref.work_dir}/restores/{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
        request = RestoreRequest(set_name, backup, ref.name, directory, job_dir, ref.become)
        return await drivers.backup.restore(self._transport, request, report)

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _aclose(self) -> None:
        for run, task in self._runs.values():
            if not task.done():
                run.stop_after_step()
        await asyncio.gather(*(task for _, task in self._runs.values()), return_exceptions=True)
        await self._transport.aclose()
        if self._journal is not None:
            self._journal.close()


_NOTED = {"backup": "backed up", "rehearse": "rehearsed"}  # of what is noted with a set when it was last done


async def _soon(work: Callable[[], T]) -> T:
    return work()


async def _nothing() -> tuple[PairStatus, ...]:
    return ()


def _taken_by(plan: Plan) -> int:
    """The number of the run that a plan takes back; 0 for none."""
    return int(plan.facts.get("takes_back", "0"))
