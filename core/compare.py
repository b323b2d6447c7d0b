"""After BCV → STD: read the same places of each standard and its BCV, on their two hosts, and compare the checksums."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from core.backups.base import Progress
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


def places(size: int, *, whole: bool, seed: str) -> Places:
    """Where to read a device of that many bytes: all of it, in stretches, or its first blocks, its last, and some by chance."""
    blocks = -(-size // BLOCK)
    if whole or blocks <= SAMPLES * SPAN:
        stretch = max(64, -(-blocks // 256))
        return tuple((first, min(stretch, blocks - first)) for first in range(0, blocks, stretch))
    between = random.Random(seed).sample(range(1, blocks // SPAN - 1), SAMPLES - 2)  # noqa: S311  places, no secret
    return tuple((first, SPAN) for first in (0, *(SPAN * number for number in sorted(between)), blocks - SPAN))


def compare_steps(context: Context, restored: tuple[PairStatus, ...]) -> list[Step]:
    """Show the BCVs to the target, compare, hide them again; none where the request wants none, or on one host."""
    if context.request.compare == "none" or context.settings.source == context.settings.target:
        return []  # on one host two devices of one identity must not meet while the group is out of use
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
            std = estate.source.device(pair.std)
            if std is None:
                raise NeedsAttention(f"{parts.drivers.source_ref.name}: {pair.std} is not seen")
            where[pair.std] = places(std.size, whole=wanted.whole, seed=state.key + pair.std)
        drivers, report = parts.drivers, state.reporter(step)
        total, done = sum(count for p in wanted.pairs for _, count in where[p.std]) * BLOCK, 0
        ours: dict[str, dict[int, str]] = {p.std: {} for p in wanted.pairs}
        theirs: dict[str, dict[int, str]] = {p.bcv: {} for p in wanted.pairs}
        for pair in wanted.pairs:
            for batch in batches(where[pair.std]):
                ours_now, theirs_now = await asyncio.gather(
                    _sums(state, drivers.source, drivers.source_ref, estate.source, pair.std, batch),
                    _sums(state, drivers.target, drivers.target_ref, estate.target, pair.bcv, batch),
                )
                ours[pair.std] |= ours_now
                theirs[pair.bcv] |= theirs_now
                report(Progress(done := done + sum(count for _, count in batch) * BLOCK, total))
    except SplitmountError as error:
        raise NeedsAttention(
            f"the standards could not be compared with their BCVs: {error}; the source was not started"
        ) from error
    odd = [
        f"{p.std} is not what {p.bcv} holds, from byte {first * BLOCK} on"
        for p in wanted.pairs
        if (first := next((at for at, total in ours[p.std].items() if theirs[p.bcv][at] != total), None)) is not None
    ]
    if odd:
        raise NeedsAttention(f"the restore is not right: {'; '.join(odd)}; the source was not started")
    read = sum(count * BLOCK for p in wanted.pairs for _, count in where[p.std])
    state.note(step, compared=read, whole=wanted.whole)
    return f"{len(wanted.pairs)} standards hold what their BCVs hold: {read >> 10} KiB of each side read and equal"


def batches(where: Places) -> Iterator[Places]:
    """The places in parts of at least 64 MiB: what one command reads."""
    part: list[tuple[int, int]] = []
    for place in where:
        part.append(place)
        if sum(count for _, count in part) * BLOCK >= 64 << 20:
            yield tuple(part)
            part = []
    if part:
        yield tuple(part)


async def _sums(
    state: RunState, driver: HostDriver, host: HostRef, facts: HostFacts, serial: str, where: Places
) -> dict[int, str]:
    """By the first block of each place, its checksum. NeedsAttention when a place could not be read in full."""
    device = facts.device(serial)
    if device is None:
        raise NeedsAttention(f"{host.name}: {serial} is not seen")
    result = await state.parts.transport.run(driver.reads(host).device(serial, device.path, where))
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("sum ")]
    read = {int(row[2]): (row[3], int(row[4])) for row in rows if len(row) == 5}
    short = [first for first, count in where if read.get(first, ("", 0))[1] <= (count - 1) * BLOCK]
    if short:
        reason = result.stderr.strip() or "no reason given"
        raise NeedsAttention(f"{host.name}: {serial} could not be read at byte {short[0] * BLOCK}: {reason}")
    return {first: read[first][0] for first, _ in where}
