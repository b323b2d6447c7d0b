"""An application is quiesced for the split and let go again: the two handlers of a run, over one shell that is held open."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from core.applications.base import LABEL, TABLESPACES
from core.errors import CommandFailed, NeedsAttention, ParseError, TransportError
from core.plan import Step
from core.transport import Command

if TYPE_CHECKING:
    from core.handlers import RunState

_RELEASED = re.compile(r"released (\S+) (\S+) ([A-Za-z0-9+/=-]+) ([A-Za-z0-9+/=-]+)")
_BY_ITSELF = "by now the host has let it go by itself: at the end of its input, or by its timer"


def _seconds(state: RunState) -> int:
    driver = state.parts.drivers.application
    return driver.seconds if driver is not None else 0


async def quiesce(state: RunState, step: Step, command: Command | None) -> str:
    """Open the shell and quiesce; CommandFailed when it said no, and then it is let go."""
    if command is None:
        raise CommandFailed("there is nothing to quiesce")
    session = await state.parts.transport.session(command)
    state.quiet_at = time.monotonic()
    try:
        await session.expect(("ready",), command.timeout)
        state.quiet = session
        await session.send("quiesce")
        answer = await session.expect(("quiet", "failed", "expired"), _seconds(state) + command.timeout)
    except TransportError as lost:
        state.quiet = None
        await session.close()
        await _goes_by_itself(state)
        raise CommandFailed(f"{step.host}: quiesce: {lost}; {_BY_ITSELF}; nothing was split") from lost
    if not answer.startswith("quiet"):
        state.quiet = None
        await session.close()
        raise CommandFailed(f"{step.host}: quiesce: {answer}; nothing was split")
    return answer


async def let_go(state: RunState, step: Step, command: Command | None) -> str:
    """Let it go, and keep what a recovery of the copy needs. CommandFailed when its timer was first; NeedsAttention when stuck."""
    session, state.quiet = state.quiet, None
    if session is None:
        return "nothing was quiesced"
    try:
        await session.send("release")
        answer = await session.expect(("released", "expired", "stuck"), _seconds(state) + 60.0)
    except TransportError as lost:
        await _goes_by_itself(state)
        raise CommandFailed(f"{step.host}: release: {lost}; {_BY_ITSELF}; whether the split lay within is not known") from lost
    finally:
        await session.close()
    if answer.startswith("expired"):
        raise CommandFailed(f"{step.host}: the timer let it go before the release: the split is not known to lie within")
    if answer.startswith("stuck"):
        raise NeedsAttention(f"{step.host}: it could not be let go in order: {answer.removeprefix('stuck ')}")
    if (told := _RELEASED.fullmatch(answer)) is None:
        raise ParseError(step.host, "release", "its answer has not the positions of begin and end", answer)
    began, ended, label, tablespaces = told.groups()
    state.note(step, application={"began": began, "ended": ended})
    state.bind(LABEL, label)
    state.bind(TABLESPACES, tablespaces)
    return f"quiesced for {time.monotonic() - state.quiet_at:.1f} s; position {began} before the split, {ended} after it"


async def _goes_by_itself(state: RunState) -> None:
    """Nothing can be said to the shell: wait until its timer on the host has run out, at the latest."""
    await asyncio.sleep(max(0.0, state.quiet_at + _seconds(state) - time.monotonic()))
