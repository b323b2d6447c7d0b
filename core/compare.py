"""After BCV → STD: read the same places of each standard and its BCV, on their two hosts, and compare the checksums."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from core.errors import NeedsAttention, SplitmountError
from core.explain import EXPLAIN
from core.hosts import BLOCK, HostDriver, HostRef, Places
from core.model import HostFacts, PairState, PairStatus
from core.operations import Context, await_state, phased, undo_step
from core.plan import AwaitState, Compare, Phase, Step, StepKind
from core.transport import Command

if TYPE_CHECKING:
    from core.handlers import RunState

SAMPLES, SPAN = 24, 4  # so many places of so many blocks: 6 MiB of each device
AMOUNTS = ("sample", "all", "none")


def places(size: int, *, whole: bool, seed: str) -> Places:
    """Where to read a device of that many bytes: all of it, or its first blocks, its last, and some between by chance."""
    blocks = -(-size // BLOCK)
    if whole or blocks <= SAMPLES * SPAN:
        return ((0, blocks),)
    between = random.Random(seed).sample(range(1, blocks // SPAN - 1), SAMPLES - 2)  # noqa: S311  places, no secret
    return tuple((first, SPAN) for first in (0, *(SPAN * number for number in sorted(between)), blocks - SPAN))


def compare_steps(context: Context, restored: tuple[PairStatus, ...]) -> list[Step]:
    """Show the BCVs to the target, compare, hide them again; none where the request wants no comparison."""
    if context.request.compare == "none":
        return []
    drivers, pairs = context.drivers, tuple(s.pair for s in restored)
    wait = AwaitState(pairs, (PairState.SPLIT,), context.settings.wait_limit, ready=True)
    whole = context.request.compare == "all"
    show = drivers.array.ready(restored)
    attach = drivers.target.attach(drivers.target_ref, tuple(dict.fromkeys(p.bcv for p in pairs)))
    how = "all of them" if whole else "a sample"
    title = f"Compare {len(pairs)} standards with their BCVs: checksums of {how}"
    look = Step("compare", Phase.RESTORE, StepKind.COMPARE, title, context.settings.source, EXPLAIN["compare"],
                compare=Compare(pairs, whole))  # fmt: skip
    ready = await_state(context, "await-ready", Phase.RESTORE, "Wait until the BCVs are ready", wait)
    up = [replace(step, id=f"compare-{step.id}") for step in (*show, ready, attach)]
    down = [undo_step(step) for step in reversed(up) if step.undo is not None]
    return phased((*up, look, *down), Phase.RESTORE)


async def compare(state: RunState, step: Step, command: Command | None) -> str:
    """NeedsAttention when a standard differs from its BCV, or could not be compared: the source is then not started."""
    wanted, parts = step.compare, state.parts
    if wanted is None:
        raise NeedsAttention(f"step {step.id} compares nothing")
    try:
        estate = await parts.measure(("source", "target"))
        if estate.source is None or estate.target is None:
            raise NeedsAttention(f"{', '.join(estate.errors.values())}")
        where: dict[str, Places] = {}
        for pair in wanted.pairs:
            std, bcv = estate.source.device(pair.std), estate.target.device(pair.bcv)
            lost = [serial for serial, found in ((pair.std, std), (pair.bcv, bcv)) if found is None]
            if std is None or bcv is None:
                raise NeedsAttention(f"{', '.join(lost)} is not seen")
            where[pair.std] = where[pair.bcv] = places(min(std.size, bcv.size), whole=wanted.whole, seed=state.key + pair.std)
        drivers = parts.drivers
        ours, theirs = await asyncio.gather(
            _sums(state, drivers.source, drivers.source_ref, estate.source, tuple(p.std for p in wanted.pairs), where),
            _sums(state, drivers.target, drivers.target_ref, estate.target, tuple(p.bcv for p in wanted.pairs), where),
        )
    except SplitmountError as error:
        raise NeedsAttention(
            f"the standards could not be compared with their BCVs: {error}; the source was not started"
        ) from error
    odd = [f"{p.std} is not what {p.bcv} holds" for p in wanted.pairs if ours[p.std] != theirs[p.bcv]]
    if odd:
        raise NeedsAttention(f"the restore is not right: {'; '.join(odd)}; the source was not started")
    read = sum(count * BLOCK for p in wanted.pairs for _, count in where[p.std])
    state.note(step, compared=read, whole=wanted.whole)
    return f"{len(wanted.pairs)} standards hold what their BCVs hold: {read >> 10} KiB of each side read and equal"


async def _sums(
    state: RunState, driver: HostDriver, host: HostRef, facts: HostFacts, serials: tuple[str, ...], where: Mapping[str, Places]
) -> dict[str, tuple[str, str]]:
    devices = tuple((d.serial, d.path) for s in serials if (d := facts.device(s)) is not None)
    result = await state.parts.transport.run(driver.checksums(host, devices, where))
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("sum ")]
    sums = {row[1]: (row[2], row[3]) for row in rows if len(row) == 4}
    short = [s for s in serials if int(sums.get(s, ("", "0"))[1]) <= (sum(n for _, n in where[s]) - 1) * BLOCK]
    if short:
        raise NeedsAttention(f"{host.name}: {', '.join(short)} could not be read: {result.stderr.strip() or 'no reason given'}")
    return sums
