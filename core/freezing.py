"""Freeze and thaw: the shell on the source that holds the freeze, from the first word to the last."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from core.errors import CommandFailed, ParseError, TransportError
from core.operations import pairs_in_use
from core.plan import Step
from core.transport import Command

if TYPE_CHECKING:
    from core.handlers import RunState

_THAWED = re.compile(r"thawed ([0-9]{1,12}(?:\.[0-9]{1,9})?) ([0-9]{1,12}(?:\.[0-9]{1,9})?)(?: |$)")
DOUBTFUL = (
    "the split came about when its console was gone: whether the source was still frozen is NOT known, so its filesystems are as "
    "after a loss of power"
)


async def hold(state: RunState, step: Step, command: Command | None) -> str:
    """Open every channel, then freeze: from here to the thaw nothing is sent but the split."""
    if command is None:
        raise CommandFailed("nothing to freeze")
    while True:
        try:
            return await _freeze(state, command)
        except CommandFailed:
            if time.monotonic() > state.freeze_until:
                raise
        await asyncio.sleep(1.0)


async def _freeze(state: RunState, command: Command) -> str:
    parts = state.parts
    session = await parts.transport.session(command)
    try:
        await session.expect(("ready",), command.timeout)
        await parts.drivers.array.status(parts.transport, pairs_in_use(parts.settings.pairs))
        state.session, state.frozen_at = session, time.monotonic()
        await session.send("freeze")
        answer = await session.expect(("frozen", "failed"), command.timeout)
    except TransportError as lost:
        state.session = None
        await session.close()
        await _thaws_by_itself(state)
        said = f"{command.host}: freeze: {lost}; {_SURELY}; nothing was split: start it again when the connection holds"
        raise CommandFailed(said) from lost
    if answer.startswith("failed"):
        state.session = None
        await session.close()
        raise CommandFailed(f"{command.host}: freeze: {answer}")
    return answer


_SURELY = "by now the host has thawed by itself: at the end of its input, or by its timer"


async def _thaws_by_itself(state: RunState) -> None:
    """Nothing can be said to the shell that holds the freeze: wait until its timer on the host has run out, at the latest."""
    await asyncio.sleep(max(0.0, state.frozen_at + state.parts.settings.freeze.seconds - time.monotonic()))


async def release(state: RunState, step: Step, command: Command | None) -> str:
    """Thaw. CommandFailed when the timer was first: the split is then not the frozen instant."""
    session, state.session = state.session, None
    if session is None:
        return "nothing was frozen"
    try:
        await session.send("thaw")
        answer = await session.expect(("thawed", "expired"), 60.0)
    except TransportError as lost:
        await _thaws_by_itself(state)
        split = "whether the split was done while it was frozen is not known, so it is not used"
        raise CommandFailed(f"{step.host}: thaw: {lost}; {_SURELY}; {split}") from lost
    finally:
        await session.close()
    if answer.startswith("expired"):
        raise CommandFailed(f"{step.host}: the timer thawed before the split was done: the split is not the frozen instant")
    if (told := _THAWED.match(answer)) is None:
        raise ParseError(step.host, "thaw", "its answer has not the times of freeze and thaw", answer)
    if state.doubtful:
        return DOUBTFUL
    began, ended = float(told[1]), float(told[2])
    state.note(step, freeze_window=ended - began)
    if "." not in answer:
        return f"frozen for {ended - began:.0f} s by the clock of {step.host}, which tells whole seconds"
    return f"frozen for {1000 * (ended - began):.0f} ms by the clock of {step.host}"
