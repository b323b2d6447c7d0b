"""Many backups in a row by one console, with accidents at random: what is left on the hosts, and what grows in the console.

`python -m tests.emulated.soak [CYCLES] [seed=N] [minutes=N]` (make soak) prints the figures. The estate is a process of its own, so that
what is measured here is the console alone.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from core.arrays.symmetrix import SymmetrixArray
from core.config import load
from core.engine import Engine
from core.errors import SplitmountError
from core.facade import PlanRequest
from core.settings import FreezeSettings, PostPolicy
from hostdrivers.emulated.machine import Machine
from tests.emulated.bench import bench
from tests.emulated.crashes import finished
from tests.emulated.scenes import Scene, scene
from tui.wiring import TABLES, build_engine

NAME, CYCLES, SAMPLE, WARM = "linux-web", 200, 20, 20
# Accidents whose cause can be taken away again, so that the next cycle begins well.
ACCIDENTS = (
    "connection-lost@webprod", "connection-lost@webdr", "full-disk@vault", "not-ready@webdr", "array-busy@webprod",
    "host-lost@webprod", "host-lost@webdr", "locale@webdr", "autoactivated@webdr",
)  # fmt: skip
ENDLESS = -1  # stands for the exit code of a run that does not end
OFTEN = 0.4  # of the cycles have an accident
KEPT = 30  # directories of runs that a host keeps
GROWS = 1.15  # times the memory after warming up: more is growth
HEAD = """# Backups in a row

Written by `make soak`: one console does backup after backup of one set of the embedded estate, which is a process of its own. Four in ten
have an accident, drawn at random, from before the plan to after the end. After each cycle the hosts are looked at: mounts, visible BCVs,
tables of filesystems, locks, frozen filesystems, half copies. Where an accident left the mirrors split, an establish brings them up again.
Nobody removes the directories of old runs on real hosts; here all but the newest {kept} go, since an emulated host takes 10,000 files.

"""


@dataclass(frozen=True, slots=True)
class Seen:
    """The estate after a cycle; `visible` are BCVs that the target knows, `frozen` filesystems of the source."""

    scene: Scene
    visible: int
    frozen: int


@dataclass(frozen=True, slots=True)
class Size:
    """What the console takes: resident memory in KiB, open descriptors, threads, and processor seconds until now."""

    cycle: int
    memory: int
    descriptors: int
    threads: int
    processor: float


def size_now(cycle: int) -> Size:
    """Measure this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") // 1024
    return Size(cycle, memory, len(os.listdir("/proc/self/fd")), threading.active_count(), time.process_time())


def estate_process(directory: str, pipe: Connection) -> None:
    """The estate: tells its configuration, then does what it is told until "end"."""
    with bench(Path(directory), (NAME,)) as made:
        family = made.family(NAME)

        def count() -> tuple[int, int]:
            for machine in made.estate.machines.values():
                clean(machine)
            return sum(map(family.target.knows, family.target.slots)), sum(m.frozen for m in family.source.mounts.values())

        pipe.send(str(made.estate.config))
        while (word := pipe.recv()) != "end":
            if word == "look":
                pipe.send(Seen(scene(made, family, mirrors=False), *made.running.do(count)))
            elif word == "stacks":
                tell_stacks("estate", made.running._loop)
                pipe.send(word)
            else:
                made.switch(word)
                pipe.send(word)


def clean(machine: Machine) -> None:
    """Remove the directories of old runs."""
    top = "/var/tmp/splitmount/runs"
    names = sorted(str(entry["name"]) for entry in machine.root.read_dir(top)) if machine.root.exists(top) else []
    for name in names[:-KEPT]:  # they sort by their time
        machine.root.remove(f"{top}/{name}", True)


def tell_stacks(whose: str, loop: asyncio.AbstractEventLoop) -> None:
    """Write on what each task of a loop waits: for a run that does not end."""
    for task in asyncio.all_tasks(loop):
        sys.stderr.write(f"--- {whose}: {task.get_name()}\n")
        waits: object = task.get_coro()
        while (frame := getattr(waits, "cr_frame", None)) is not None:
            sys.stderr.write(f"    {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}\n")
            waits = getattr(waits, "cr_await", None)
    sys.stderr.flush()


@contextmanager
def estate(directory: Path) -> Iterator[tuple[Connection, Path]]:
    """The estate's process, as what to talk to, and its configuration."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=estate_process, args=(str(directory), theirs))
    process.start()
    try:
        yield ours, Path(ours.recv())
    finally:
        ours.send("end")
        process.join(30)


def console(config: Path) -> Engine:
    """The console, with less patience than a person's."""
    settings = load(config)
    sets = {n: replace(one, wait_limit=2, freeze=FreezeSettings(seconds=4)) for n, one in settings.sets.items()}
    tables = replace(TABLES, arrays={"symmetrix": lambda a: SymmetrixArray(a.name, a.host, a.sid, wait=1, patience=10.0)})
    return build_engine(replace(settings, sets=sets), read_only=False, tables=tables)


def attempt(engine: Engine, request: PlanRequest) -> tuple[int, str]:
    """Plan and run; exit code and message."""
    try:
        plan = engine.plan(request).result()
        end = finished(engine, engine.start(plan, confirmed=plan.confirm).result(), limit=180)
    except SplitmountError as refusal:
        return refusal.exit_code, str(refusal)
    except AssertionError as endless:
        return ENDLESS, str(endless)
    return end.exit_code, end.message


def told(pipe: Connection, word: str) -> Seen:
    """Tell the estate something; what it answers."""
    pipe.send(word)
    answer: Seen = pipe.recv()
    return answer


def leftovers(first: Seen, now: Seen, code: int, copies: int) -> list[str]:
    """What is there after a cycle that was not there before the first one."""
    wrong = {
        "mounts": now.scene.mounts != first.scene.mounts,
        "tables": now.scene.tables != first.scene.tables,
        "locks": bool(now.scene.claims),
        "half copies": bool(now.scene.partial),
        "visible BCVs": now.visible > first.visible,
        "frozen": now.frozen > 0,
        "files of the source": now.scene.files != first.scene.files,
        "copies": now.scene.copies - copies != (code == 0),
    }
    return [name for name, so in wrong.items() if so]


@dataclass(slots=True)
class Soaked:
    """All cycles: sizes of the console, exit codes by accident, and whatever was left or odd."""

    sizes: list[Size]
    codes: dict[str, Counter[int]]
    odd: list[str]
    cycles: int = 0

    @property
    def grown(self) -> list[str]:
        """What grew since warming up."""
        warm = next((size for size in self.sizes if size.cycle >= WARM), self.sizes[0])
        last = self.sizes[-1]
        out = [f"memory {warm.memory} -> {last.memory} KiB"] if last.memory > warm.memory * GROWS else []
        out += [f"descriptors {warm.descriptors} -> {last.descriptors}"] if last.descriptors > warm.descriptors + 4 else []
        return out + ([f"threads {warm.threads} -> {last.threads}"] if last.threads > warm.threads + 2 else [])


def soak(cycles: int, seed: int, minutes: float) -> Soaked:
    """So many cycles, or as many as there is time for."""
    draw, until = random.Random(seed), time.monotonic() + minutes * 60
    out = Soaked([], {}, [])
    with tempfile.TemporaryDirectory() as scratch, estate(Path(scratch)) as (pipe, config):
        engine = console(config)
        try:
            first = told(pipe, "look")
            copies = first.scene.copies
            for cycle in range(cycles):
                if time.monotonic() > until:
                    break
                accident = draw.choice(ACCIDENTS) if draw.random() < OFTEN else ""
                if accident:
                    told(pipe, accident)
                code, message = attempt(engine, PlanRequest("backup", NAME, post_policy=PostPolicy.UP))
                if code == ENDLESS:
                    tell_stacks("console", engine._loop)
                    told(pipe, "stacks")
                if accident:
                    told(pipe, accident)
                out.codes.setdefault(accident or "none", Counter())[code] += 1
                seen = told(pipe, "look")
                left = leftovers(first, seen, code, copies)
                if left or (code and not accident) or code not in (0, 3, 4, 5):
                    out.odd.append(
                        f"cycle {cycle + 1}, {accident or 'no accident'}: ended with {code}; left: {left}; {message:.300}"
                    )
                if code == ENDLESS:
                    break
                copies = seen.scene.copies
                if seen.scene.states != first.scene.states:
                    code, message = attempt(engine, PlanRequest("establish", NAME))
                    out.odd += [f"cycle {cycle + 1}: establish after {accident}: {message:.300}"] if code else []
                out.cycles = cycle + 1
                if not cycle or out.cycles % SAMPLE == 0:
                    out.sizes.append(size_now(out.cycles))
            if out.sizes[-1].cycle != out.cycles:
                out.sizes.append(size_now(out.cycles))
        finally:
            engine.close()
    return out


def pages(out: Soaked, seed: int) -> str:
    """The figures as a page."""
    lines = ["| after cycle | resident memory, MiB | descriptors | threads | processor seconds each cycle |", "|---" * 5 + "|"]
    before = Size(0, 0, 0, 0, 0.0)
    for size in out.sizes:
        each = (size.processor - before.processor) / max(1, size.cycle - before.cycle)
        lines.append(f"| {size.cycle} | {size.memory / 1024:.1f} | {size.descriptors} | {size.threads} | {each:.2f} |")
        before = size
    lines += ["", "| accident | cycles | done (0) | refused (3) | taken back (4) | attention (5) |", "|---" * 6 + "|"]
    for name, codes in sorted(out.codes.items()):
        lines.append(f"| {name} | {codes.total()} | {codes[0]} | {codes[3]} | {codes[4]} | {codes[5]} |")
    verdict = f"{out.cycles} cycles (seed {seed}); with something left or out of order: {len(out.odd)}; growth: {', '.join(out.grown) or 'none'}."
    return "\n".join([*lines, "", verdict, ""])


def main(words: Sequence[str]) -> int:
    """Print the figures; 1 when something was left, or grew."""
    options = dict(word.split("=", 1) for word in words if "=" in word)
    cycles = next((int(word) for word in words if word.isdigit()), CYCLES)
    seed = int(options.get("seed", "1"))
    out = soak(cycles, seed, float(options.get("minutes", "600")))
    sys.stderr.writelines(f"{odd}\n" for odd in out.odd)
    sys.stdout.write(HEAD.format(kept=KEPT) + pages(out, seed))
    return int(bool(out.odd or out.grown))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
