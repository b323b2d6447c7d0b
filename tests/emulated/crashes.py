"""A console that dies, or loses its connections, at any point of any step; and whether the estate is as it should be afterwards.

Death is in this process: from that point on nothing that the console says reaches a host or the journal, its connections are
cut without a word, and its locks on files are let go, which is all that a SIGKILL leaves of it. The lab uses the real signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.arrays.symmetrix import SymmetrixArray
from core.config import load
from core.engine import Engine
from core.errors import SplitmountError
from core.events import Outcome, RunEnded
from core.facade import PlanRequest
from core.journal import Journal
from core.plan import Plan, Step
from core.settings import FreezeSettings, PostPolicy
from core.ssh import SshTransport
from core.transport import ByteStream, Command, Effect, Result, Session
from hostdrivers.emulated.estate import Family
from hostdrivers.emulated.machine import Machine
from tests.emulated.bench import NAMES, Bench, bench, digests
from tui.wiring import TABLES, build_engine


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

    def come(self, point: Point) -> None:
        """Strike, when this is the place; and strike everything that a dead console tries."""
        if self.dead:
            raise Killed
        if self.fired or self.at != self.step or point is not self.point:
            return
        self.fired = True
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
        sent = asyncio.get_running_loop().create_task(self._inner.run(command))
        if fate.at == fate.step and fate.point is Point.DURING and not fate.fired:
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
    """A console on the estate that meets its fate."""
    settings = load(made.estate.config)
    settings = replace(
        settings,
        sets={name: replace(one, wait_limit=10, freeze=FreezeSettings(seconds=6)) for name, one in settings.sets.items()},
    )
    tables = replace(TABLES, arrays={"symmetrix": lambda a: SymmetrixArray(a.name, a.host, a.sid, wait=1)})
    transport = DoomedTransport(SshTransport(settings.hosts, settings.known_hosts, read_only=False), fate)
    engine = build_engine(settings, False, transport, tables)
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


# --- what is compared -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a run may have changed, and that must be as it was, or as a run that nothing befell leaves it."""

    states: tuple[str, ...]
    mounts: tuple[tuple[str, ...], ...]
    tables: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    standards: tuple[str, ...]
    mirrors: tuple[str, ...]
    claims: tuple[str, ...]
    copies: int
    partial: tuple[str, ...]


def scene(made: Bench, family: Family, *, mirrors: bool = True) -> Scene:
    """Look at array, hosts, files and repository."""

    def see() -> Scene:
        array = made.estate.array
        array.settle()
        copies = _listed(made.estate.vault, f"/backup/{family.set_name}")
        partial = tuple(name for name in copies if name.endswith(".partial"))
        states = tuple(f"{array.word(std, bcv)} {bcv.ready}" for std, bcv in family.pairs)
        machines = (family.source, family.target)
        files = tuple(
            sorted((m.name + p + path, digest) for m in machines for p in m.mounts for path, digest in digests(m, p).items())
        )
        return Scene(
            states,
            tuple(tuple(sorted(m.mounts)) for m in machines),
            tuple(_tables(m) for m in machines),
            files,
            tuple(hashlib.sha256(std.image()).hexdigest() for std, _ in family.pairs),
            tuple(hashlib.sha256(bcv.image()).hexdigest() for _, bcv in family.pairs) if mirrors else (),
            tuple(c for m in made.estate.machines.values() for c in _claims(m)),
            len(copies) - len(partial),
            partial,
        )

    seen: Scene = made.running.do(see)
    return seen


def _tables(machine: Machine) -> str:
    for path in ("/etc/fstab", "/etc/vfstab", "/etc/filesystems"):
        if machine.root.exists(path):
            return hashlib.sha256(machine.root.read_file(path)).hexdigest()
    return ""


def _claims(machine: Machine) -> list[str]:
    top = "/var/tmp/splitmount/locks"
    return [f"{machine.name}{top}/{name}" for name in _listed(machine, top) if name != "taken"]


def _listed(machine: Machine, top: str) -> list[str]:
    return sorted(str(entry["name"]) for entry in machine.root.read_dir(top)) if machine.root.exists(top) else []


def seen_from(reference: Scene, one: Scene) -> Scene:
    """The scene with its devices named by what they held in a reference scene of the same estate: each estate has ids of its own."""
    names = {image: f"mirror {n}" for n, image in enumerate(reference.mirrors)}
    names |= {image: f"standard {n}" for n, image in enumerate(reference.standards)}
    standards, mirrors = (tuple(names.get(image, "another") for image in images) for images in (one.standards, one.mirrors))
    like = tuple(str(m == s) for m, s in zip(one.mirrors, one.standards, strict=True))
    return replace(one, standards=standards, mirrors=(*mirrors, *like))


def differences(one: Scene, other: Scene) -> list[str]:
    """The names of what is not equal, with both."""
    return [
        f"{name}: {getattr(one, name)!r:.300} != {getattr(other, name)!r:.300}"
        for name in Scene.__dataclass_fields__
        if getattr(one, name) != getattr(other, name)
    ]


# --- operations -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the matrix: what stands before it, and what is asked for."""

    name: str
    before: tuple[PlanRequest, ...]
    request: PlanRequest
    lost_source: bool = False
    undoes_mirrors: bool = True


def operations(set_name: str) -> tuple[Operation, ...]:
    """Every operation that changes something."""
    up = PlanRequest("establish", set_name)
    down = PlanRequest("backup", set_name, post_policy=PostPolicy.LEAVE_DOWN)
    return (
        Operation("backup", (up,), PlanRequest("backup", set_name, post_policy=PostPolicy.UP)),
        Operation("establish", (up, down), up),
        Operation("split", (up,), PlanRequest("split", set_name)),
        Operation("rehearse", (up,), PlanRequest("rehearse", set_name, post_policy=PostPolicy.UP)),
        Operation("restore", (up, down), PlanRequest("restore", set_name)),
        Operation("takeover", (up, down), PlanRequest("takeover", set_name), lost_source=True),
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
    for request in operation.before:
        end = made.run(request)
        assert end.exit_code == 0, end.message
    if operation.before[-1].operation == "backup":
        made.running.do(lambda: _go_on(family))
    if operation.lost_source:
        made.switch(f"host-lost@{family.source.name}")


def _go_on(family: Family) -> None:
    """The source works on: the standards differ from the point in time on their mirrors."""
    for point in family.source.mounts:
        family.source.write_file(f"{point}/since", b"since the split")
    family.source.sync()


def finished(engine: Engine, number: int, limit: float = 60) -> RunEnded:
    """The end of a run of an engine."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        ends = [e for e in engine.drain() if isinstance(e, RunEnded) and e.run == number]
        if ends:
            return ends[0]
        time.sleep(0.01)
    raise AssertionError(f"run {number} did not end")


def plan_of(made: Bench, operation: Operation) -> Plan:
    """The plan of the operation on an estate that stands ready for it."""
    return made.engine.plan(operation.request).result()


def untouched(directory: Path, family: str, operation: Operation) -> tuple[Scene, Scene, tuple[Step, ...]]:
    """An estate before the operation and after it, when nothing befell it; and the plan's steps."""
    with bench(directory, (family,)) as made:
        member = made.family(family)
        _prepare(made, member, operation)
        before = scene(made, member)
        plan = plan_of(made, operation)
        end = made.finish(made.engine.start(plan, confirmed=plan.confirm).result())
        assert end.exit_code == 0, end.message
        return seen_from(before, before), seen_from(before, scene(made, member)), plan.steps


def play(directory: Path, operation: Operation, cell: Cell, after: Scene, frozen_limit: float = 30.0) -> Cell:
    """Let one cell happen, and write down what is wrong with it."""
    with bench(directory, (cell.family,)) as made:
        family = made.family(cell.family)
        _prepare(made, family, operation)
        before = scene(made, family)
        splits = _count(made, "split"), _count(made, "restore")
        fate = Fate(cell.step, cell.point, kill=cell.way is not Way.DROP)
        engine, _ = doomed_engine(made, fate)
        plan = engine.plan(operation.request).result()
        number = engine.start(plan, confirmed=plan.confirm).result()
        if cell.way is Way.DROP:
            _survive(cell, engine, number, made, family, before, after, fate)
            return cell
        wait_until(lambda: fate.fired or not engine.running())
        cell.fired = fate.fired
        if not fate.fired:
            engine.close()
            return cell
        bury(engine, fate)
        cell.frozen = _thawed(made, family)
        if cell.frozen > frozen_limit:
            cell.wrong.append(f"the source was frozen for {cell.frozen:.1f} s")
        _mend(cell, made, family, operation, before, after)
        _no_second(cell, made, splits)
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


def _thawed(made: Bench, family: Family) -> float:
    """How long after the death of the console the source stays frozen, in seconds."""
    began = time.monotonic()
    wait_until(lambda: not made.running.do(lambda: any(m.frozen for m in family.source.mounts.values())), 60)
    return time.monotonic() - began


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
            end = finished(engine, engine.resume(account.run).result())
        else:
            plan = engine.plan(PlanRequest("undo", family.set_name, run=account.run)).result()
            end = finished(engine, engine.start(plan, confirmed=plan.confirm).result())
        if end.exit_code != 0:
            cell.wrong.append(f"{cell.way.value} ended with {end.exit_code}: {end.message}")
        if engine.unfinished().result():
            cell.wrong.append("the run still has no end")
    except SplitmountError as error:
        if cell.way is Way.UNDO and ("cannot be taken back" in str(error)):
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


# --- the whole matrix -------------------------------------------------------------------------------------------------

HEAD = """# What a console leaves when it dies, and what becomes of it

Written by `make crash-matrix`. For every operation, and every step of it, the console dies (its connections are cut, its locks on
files let go, nothing more reaches a host or the journal) before the intent is journalled, after it, during the command, after its
remote end, and before the outcome is journalled; then another console resumes the run, and separately takes it back. At the same
points the connections of a console go that lives on. "Equal" means that array, hosts, files, table entries, locks and repository
are as a run that nothing befell leaves them (resumed), or as they were before (taken back). "Refused" are cells in which taking
back is refused because the standards are overwritten already, and cells in which a run without its connection ended with 3 or 4 and
had taken back what it did. "Not met" are points that a step does not have (a measurement has no remote job).

| family | operation | steps | cells | equal | refused | not met | wrong | longest freeze after the death |
|---|---|---|---|---|---|---|---|---|
"""


def played(cell: Cell, after: Scene) -> Cell:
    """One cell in a directory of its own; a cell that goes wrong in an unforeseen way says how."""
    operation = next(o for o in operations(cell.family) if o.name == cell.operation)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return play(Path(scratch), operation, cell, after)
        except (Exception, Killed) as odd:  # noqa: BLE001  a matrix goes on
            cell.wrong.append(repr(odd)[:300])
            return cell


def row_of(family: str, name: str, workers: ProcessPoolExecutor, every: int) -> tuple[str, int]:
    """One line of the table, and the number of wrong cells; `every` n-th cell is played."""
    operation = next(o for o in operations(family) if o.name == name)
    with tempfile.TemporaryDirectory() as scratch:
        _, after, steps = untouched(Path(scratch), family, operation)
    cells = cells_of(family, operation, steps)[::every]
    done = list(workers.map(played, cells, [after] * len(cells)))
    wrong = [cell for cell in done if cell.wrong]
    for cell in wrong:
        print(f"{cell.family} {name} {cell.step} {cell.point} {cell.way}: {'; '.join(cell.wrong)}", file=sys.stderr, flush=True)
    refused = sum(bool(cell.refused) and not cell.wrong for cell in done)
    missed = sum(not cell.fired and not cell.wrong for cell in done)
    equal = len(done) - len(wrong) - refused - missed
    longest = max((cell.frozen for cell in done), default=0.0)
    numbers = f"{len(steps)} | {len(done)} | {equal} | {refused} | {missed} | {len(wrong)} | {longest:.1f} s"
    return f"| {family} | {name} | {numbers} |\n", len(wrong)


def main() -> int:
    """Print the table; 1 when a cell is wrong. Arguments: families, operations, `every=N`; none for all."""
    words = [word for word in sys.argv[1:] if not word.startswith("every=")]
    every = next((int(word.removeprefix("every=")) for word in sys.argv[1:] if word.startswith("every=")), 1)
    families = [name for name in NAMES if name in words] or list(NAMES)
    sys.stdout.write(HEAD)
    total = 0
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as workers:
        for family in families:
            for operation in operations(family):
                if not set(words) - set(NAMES) or operation.name in words:
                    row, wrong = row_of(family, operation.name, workers, every)
                    sys.stdout.write(row)
                    sys.stdout.flush()
                    total += wrong
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
