"""A console that dies, or loses its connections, at any point of any step; and whether the estate is as it should be afterwards.

Death is in this process: from that point on nothing that the console says reaches a host or the journal, its connections are
cut without a word, and its locks on files are let go, which is all that a SIGKILL leaves of it. The lab uses the real signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.arrays.symmetrix import SymmetrixArray
from core.config import load
from core.engine import DriverTables, Engine
from core.errors import SplitmountError
from core.events import Outcome, RunEnded
from core.facade import PlanRequest
from core.journal import Journal
from core.plan import Step
from core.settings import FreezeSettings, PostPolicy, Settings
from core.ssh import SshTransport
from core.transport import ByteStream, Command, Effect, Result, Session
from hostdrivers.emulated.estate import Family
from hostdrivers.emulated.machine import Machine, Mounted
from tests.emulated.bench import Bench, bench
from tests.emulated.scenes import Scene, differences, scene, seen_from
from tui.wiring import TABLES, build_engine

TIMER = 6  # seconds after which a freeze ends by itself in every cell
LATE = 1.0  # seconds that the embedded host's timer may come late on a busy machine
# What may be said where a run cannot be taken back.
_GONE = re.compile(r"cannot be taken back|is gone|cannot be brought back")


class Point(StrEnum):
    """Where in a step the console dies, or its connections go."""

    BEFORE_INTENT = "before intent"
    AFTER_INTENT = "after intent"
    DURING = "during"
    AFTER_END = "after the remote end"
    BEFORE_OUTCOME = "before outcome"


class Way(StrEnum):
    """What is done about it: the console's run is resumed, or taken back; or only its connections went, and it goes on."""

    RESUME = "kill, resume"
    UNDO = "kill, undo"
    DROP = "drop"


class Killed(BaseException):
    """The console is dead: nothing of it goes on."""


@dataclass(slots=True)
class Fate:
    """What befalls a console: at which point of which step. `fired` tells that it happened, `dead` that it was death."""

    step: str
    point: Point
    kill: bool
    fired: bool = False
    dead: bool = False
    at: str = ""
    cut: Callable[[], None] = lambda: None
    met: set[tuple[str, Point]] = field(default_factory=set)

    def come(self, point: Point) -> None:
        """Strike, when this is the place; and strike everything that a dead console tries. `met` are the places come by."""
        if self.dead:
            raise Killed
        self.met.add((self.at, point))
        if not self.fired and point is self.point and self.here():
            self.fired = True
            self.strike()

    def here(self) -> bool:
        """Whether this is the step."""
        return self.at == self.step

    def strike(self) -> None:
        """Cut the connections, and die where that is the fate."""
        self.cut()
        if self.kill:
            self.dead = True
            raise Killed


class DoomedJournal(Journal):
    """A journal whose console meets its fate around intents and outcomes."""

    def __init__(self, path: Path, fate: Fate) -> None:
        super().__init__(path)
        self._fate = fate

    def intent(self, run: int, step: str, body: Any) -> None:
        self._fate.at = step
        self._fate.come(Point.BEFORE_INTENT)
        super().intent(run, step, body)
        self._fate.come(Point.AFTER_INTENT)

    def outcome(self, run: int, step: str, body: Any) -> None:
        self._fate.come(Point.BEFORE_OUTCOME)
        super().outcome(run, step, body)

    def _append(self, run: int | None, kind: str, step: str, body: Any) -> int:
        if self._fate.dead:
            raise Killed
        return super()._append(run, kind, step, body)


class _DoomedSession:
    def __init__(self, inner: Session, fate: Fate) -> None:
        self._inner, self._fate = inner, fate

    async def send(self, line: str) -> None:
        await self._inner.send(line)
        self._fate.come(Point.DURING)

    async def expect(self, prefixes: tuple[str, ...], timeout: float) -> str:
        said = await self._inner.expect(prefixes, timeout)
        if said != "ready":
            self._fate.come(Point.AFTER_END)
        return said

    async def close(self) -> None:
        if not self._fate.dead:
            await self._inner.close()


class _DoomedStream:
    def __init__(self, inner: ByteStream, fate: Fate) -> None:
        self._inner, self._fate = inner, fate

    async def read(self, size: int = 1 << 20) -> bytes:
        data = await self._inner.read(size)
        self._fate.come(Point.DURING)
        return data

    async def write(self, data: bytes) -> None:
        await self._inner.write(data)
        self._fate.come(Point.DURING)

    async def finish(self) -> Result:
        result = await self._inner.finish()
        self._fate.come(Point.AFTER_END)
        return result


class DoomedTransport:
    """The real transport of a console that meets its fate while a command of the step is under way, or when it has come back."""

    read_only = False

    def __init__(self, inner: SshTransport, fate: Fate) -> None:
        self._inner, self._fate = inner, fate
        self.changes = Counter[str]()
        fate.cut = self.cut

    def cut(self) -> None:
        """All connections go, without a word."""
        for host in self._inner._hosts.values():
            connection = host.alive()
            if connection is not None:
                connection.abort()

    async def run(self, command: Command) -> Result:
        fate = self._fate
        if fate.dead:
            raise Killed
        if command.effect is Effect.CHANGE:
            self.changes[command.title] += 1
        fate.met.add((fate.at, Point.DURING))
        sent = asyncio.get_running_loop().create_task(self._inner.run(command))
        if fate.here() and fate.point is Point.DURING and not fate.fired:
            await asyncio.wait({sent}, timeout=0.01)  # it has left, and is under way on its host
            try:
                fate.come(Point.DURING)
            except Killed:
                sent.cancel()
                raise
        result = await sent
        fate.come(Point.AFTER_END)
        return result

    async def session(self, command: Command) -> Session:
        if self._fate.dead:
            raise Killed
        return _DoomedSession(await self._inner.session(command), self._fate)

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        return self._stream(command)

    @contextlib.asynccontextmanager
    async def _stream(self, command: Command) -> AsyncIterator[ByteStream]:
        if self._fate.dead:
            raise Killed
        async with self._inner.stream(command) as stream:
            yield _DoomedStream(stream, self._fate)

    async def reconnect(self, host: str) -> None:
        if self._fate.dead:
            raise Killed
        await self._inner.reconnect(host)

    async def aclose(self) -> None:
        await self._inner.aclose()


def doomed_engine(made: Bench, fate: Fate) -> tuple[Engine, DoomedTransport]:
    """A console on the embedded estate that meets its fate."""
    settings = load(made.estate.config)
    settings = replace(
        settings,
        sets={name: replace(one, wait_limit=10, freeze=FreezeSettings(seconds=TIMER)) for name, one in settings.sets.items()},
    )
    tables = replace(TABLES, arrays={"symmetrix": lambda a: SymmetrixArray(a.name, a.host, a.sid, wait=1)})
    return doomed(settings, fate, tables)


def doomed(settings: Settings, fate: Fate, tables: DriverTables = TABLES) -> tuple[Engine, DoomedTransport]:
    """A console that meets its fate."""
    transport = DoomedTransport(SshTransport(settings.hosts, settings.known_hosts, read_only=False), fate)
    engine = build_engine(settings, False, transport, tables)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    engine._journal = engine._submit(_made(lambda: DoomedJournal(settings.state_dir / "journal.db", fate))).result()
    return engine, transport


async def _made(make: Callable[[], Journal]) -> Journal:
    return make()


def bury(engine: Engine, fate: Fate) -> None:
    """Take away what is left of a dead console in this process; none of it reaches anybody."""
    fate.dead = True

    async def end() -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, *(task for _, task in engine._runs.values()), return_exceptions=True)
        await engine._transport.aclose()
        if engine._journal is not None:
            engine._journal.close()

    engine._submit(end()).result(30)
    engine._loop.call_soon_threadsafe(engine._loop.stop)
    engine._thread.join()
    engine._loop.close()


# --- operations -------------------------------------------------------------------------------------------------------


WORK = "somebody writes where the set is mounted"
LOSE = "the source is lost, or comes back"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the matrix: what happens before it, in order, and what is asked for."""

    name: str
    before: tuple[PlanRequest | str, ...]
    request: PlanRequest


def operations(set_name: str) -> tuple[Operation, ...]:
    """Every operation that changes something."""
    down, over = PlanRequest("split", set_name), PlanRequest("takeover", set_name)
    return (
        Operation("backup", (), PlanRequest("backup", set_name, post_policy=PostPolicy.UP)),
        Operation("establish", (down,), PlanRequest("establish", set_name)),
        Operation("split", (), down),
        Operation("rehearse", (), PlanRequest("rehearse", set_name, post_policy=PostPolicy.UP)),
        Operation("restore", (down, WORK), PlanRequest("restore", set_name)),
        Operation("takeover", (down, WORK, LOSE), over),
        Operation("failback", (down, LOSE, over, LOSE, WORK), PlanRequest("failback", set_name)),
    )


@dataclass(slots=True)
class Cell:
    """One cell of the matrix and how it came out; `wrong` is empty where all is well."""

    family: str
    operation: str
    step: str
    point: Point
    way: Way
    wrong: list[str] = field(default_factory=list)
    frozen: float = 0.0
    refused: str = ""
    fired: bool = True


def _prepare(made: Bench, family: Family, operation: Operation) -> None:
    for act in operation.before:
        if act == LOSE:
            made.switch(f"host-lost@{family.source.name}")
        elif isinstance(act, str):
            made.running.do(lambda: _work(family.target if family.target.mounts else family.source))
        else:
            plan = made.plan(act)
            end = made.finish(made.engine.start(plan, confirmed=plan.confirm).result())
            assert end.exit_code == 0, end.message


def _work(machine: Machine) -> None:
    """What is mounted there differs from the point in time from now on."""
    for point in machine.mounts:
        machine.write_file(f"{point}/since", b"since the split")
    machine.sync()


def finished(engine: Engine, number: int, limit: float = 60) -> RunEnded:
    """The end of a run of an engine."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        ends = [e for e in engine.drain() if isinstance(e, RunEnded) and e.run == number]
        if ends:
            return ends[0]
        time.sleep(0.01)
    raise AssertionError(f"run {number} did not end")


@dataclass(frozen=True, slots=True)
class Untouched:
    """An estate before an operation and after it, when nothing befell it; the plan's steps, and the points that each comes by."""

    before: Scene
    after: Scene
    steps: tuple[Step, ...]
    met: frozenset[tuple[str, Point]]


def untouched(directory: Path, family: str, operation: Operation) -> Untouched:
    """Do the operation with a console that nothing befalls."""
    with bench(directory, (family,)) as made:
        member = made.family(family)
        _prepare(made, member, operation)
        before = scene(made, member)
        fate = Fate("", Point.DURING, kill=False)
        engine, _ = doomed_engine(made, fate)
        try:
            plan = engine.plan(operation.request).result()
            end = finished(engine, engine.start(plan, confirmed=plan.confirm).result())
        finally:
            engine.close()
        assert end.exit_code == 0, end.message
        return Untouched(seen_from(before, before), seen_from(before, scene(made, member)), plan.steps, frozenset(fate.met))


def watch_freezes(made: Bench, family: Family) -> Callable[[], float]:
    """Watch every filesystem of the source; gives the longest time, in seconds, that one was frozen until now."""
    times: list[float] = [0.0]
    since: dict[str, float] = {}

    class Watched(Mounted):
        """A mounted filesystem that tells when it is frozen, and when it thaws."""

        __slots__ = ()

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if name == "frozen" and value:
                since.setdefault(self.point, time.monotonic())
            elif name == "frozen" and self.point in since:
                times.append(time.monotonic() - since.pop(self.point))

    def begin() -> None:
        for held in family.source.mounts.values():
            held.__class__ = Watched

    made.running.do(begin)
    return lambda: max(*times, *(time.monotonic() - at for at in since.values()), 0.0)


def play(directory: Path, operation: Operation, cell: Cell, after: Scene) -> Cell:
    """Let one cell happen, and write down what is wrong with it."""
    with bench(directory, (cell.family,)) as made:
        family = made.family(cell.family)
        _prepare(made, family, operation)
        before = scene(made, family)
        longest = watch_freezes(made, family)
        splits = _count(made, "split"), _count(made, "restore")
        fate = Fate(cell.step, cell.point, kill=cell.way is not Way.DROP)
        engine, _ = doomed_engine(made, fate)
        plan = engine.plan(operation.request).result()
        number = engine.start(plan, confirmed=plan.confirm).result()
        if cell.way is Way.DROP:
            _survive(cell, engine, number, made, family, before, after, fate)
            _no_second(cell, made, splits)
            _thawed(cell, made, family, longest)
            return cell
        wait_until(lambda: fate.fired or not engine.running())
        cell.fired = fate.fired
        if not fate.fired:
            engine.close()
            return cell
        bury(engine, fate)
        _mend(cell, made, family, operation, before, after)
        _no_second(cell, made, splits)
        _thawed(cell, made, family, longest)
    return cell


def wait_until(true: Callable[[], bool], limit: float = 60) -> None:
    """Wait for something that happens in another thread; AssertionError when it does not."""
    until = time.monotonic() + limit
    while not true():
        assert time.monotonic() < until, "it does not come to that"
        time.sleep(0.01)


def _count(made: Bench, verb: str) -> int:
    return made.estate.array.done[verb]


def _no_second(cell: Cell, made: Bench, before: tuple[int, int]) -> None:
    """No second split or restore was ever done."""
    for verb, was in zip(("split", "restore"), before, strict=True):
        most = 2 if verb == "split" and cell.operation in ("restore",) else 1
        if (times := _count(made, verb) - was) > most:
            cell.wrong.append(f"{verb} was done {times} times")


def _thawed(cell: Cell, made: Bench, family: Family, longest: Callable[[], float]) -> None:
    """The source is thawed, and was never frozen longer than its timer allows."""
    if made.running.do(lambda: any(m.frozen for m in family.source.mounts.values())):
        cell.wrong.append("the source is frozen still")
    cell.frozen = longest()
    if cell.frozen > TIMER + LATE:
        cell.wrong.append(f"the source was frozen for {cell.frozen:.1f} s")


def _mend(cell: Cell, made: Bench, family: Family, operation: Operation, before: Scene, after: Scene) -> None:
    """Another console finds the run, and resumes it or takes it back."""
    engine = made.another_engine()
    try:
        left = engine.unfinished().result()
        if len(left) != 1:
            cell.wrong.append(f"{len(left)} runs without an end were found")
            return
        account = left[0]
        if cell.way is Way.RESUME:
            end = finished(engine, engine.resume(account.run, confirmed=account.confirm).result())
        else:
            plan = engine.plan(PlanRequest("undo", family.set_name, run=account.run)).result()
            end = finished(engine, engine.start(plan, confirmed=plan.confirm).result())
        if cell.way is Way.UNDO and end.exit_code in (3, 5) and _GONE.search(end.message):
            cell.refused = end.message
            return
        if end.exit_code != 0:
            cell.wrong.append(f"{cell.way.value} ended with {end.exit_code}: {end.message}")
        if engine.unfinished().result():
            cell.wrong.append("the run still has no end")
    except SplitmountError as error:
        if cell.way is Way.UNDO and _GONE.search(str(error)):
            cell.refused = str(error)
            return
        cell.wrong.append(f"{cell.way.value}: {error}")
        return
    finally:
        engine.close()
    wanted = after if cell.way is Way.RESUME else seen_from(before, before)
    cell.wrong += differences(_now(made, family, cell, before, wanted), wanted)


def _now(made: Bench, family: Family, cell: Cell, before: Scene, wanted: Scene) -> Scene:
    """The scene now; a backup that was finished before the console died is kept, whatever becomes of the run."""
    seen = seen_from(before, scene(made, family))
    if cell.way is Way.UNDO and seen.copies == wanted.copies + 1:
        seen = replace(seen, copies=wanted.copies)
    return seen


def _survive(
    cell: Cell, engine: Engine, number: int, made: Bench, family: Family, before: Scene, after: Scene, fate: Fate
) -> None:
    """The connections went, the console did not: it ends well, or has taken back what it did."""
    try:
        end = finished(engine, number)
        cell.fired = fate.fired
        if end.outcome is Outcome.OK:
            cell.wrong += differences(seen_from(before, scene(made, family)), after)
        elif end.exit_code not in (3, 4):
            cell.wrong.append(f"ended with {end.exit_code}: {end.message}")
        else:
            seen, wanted = seen_from(before, scene(made, family)), seen_from(before, before)
            kept = replace(
                seen, states=wanted.states, mirrors=wanted.mirrors, copies=wanted.copies
            )  # the mirrors stay as they are
            cell.wrong += differences(kept, wanted)
            cell.refused = end.message
    finally:
        engine.close()


def cells_of(family: str, operation: Operation, steps: Sequence[Step]) -> list[Cell]:
    """Every cell of one operation on one family."""
    return [Cell(family, operation.name, step.id, point, way) for step in steps for point in Point for way in Way]
