"""Pieces of a stream: gathered, whole, and in their order; and what its end means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.backups.streams import GATHERED, answered, gathered
from core.errors import CommandFailed, OutcomeUnknown, SplitmountError
from core.transport import LOST, Command, Effect, Guard, Result, Status


class Pieces:
    """A stream that gives what it is given, as a network does."""

    def __init__(self, sizes: list[int]) -> None:
        self.pieces = [bytes([n % 251]) * size for n, size in enumerate(sizes, 1)]
        self.left = list(self.pieces)

    async def read(self) -> bytes:
        """The next."""
        return self.left.pop(0) if self.left else b""


@pytest.mark.parametrize("sizes", [[], [1], [32 << 10] * 21, [GATHERED, 7], [GATHERED - 1, 1], [3 * GATHERED, 5, 5]])
async def test_small_pieces_are_gathered_and_not_a_byte_is_lost_or_moved(sizes: list[int]) -> None:
    stream: Any = Pieces(sizes)
    got = [piece async for piece in gathered(stream)]
    assert b"".join(got) == b"".join(stream.pieces)
    assert all(len(piece) >= GATHERED for piece in got[:-1])
    assert len(got) <= 1 + sum(sizes) // GATHERED


@pytest.mark.parametrize("effect", list(Effect))
@pytest.mark.parametrize("status", list(Status))
def test_only_a_change_whose_end_was_not_seen_is_unknown(effect: Effect, status: Status) -> None:
    command = Command("vault", "read a manifest", "cat", effect, guard=Guard.OWN_DIRECTORY)
    code = {Status.OK: 0, Status.FAILED: 1}.get(status)
    result = Result(command, status, code, "", "no such file", datetime(2026, 11, 26, tzinfo=UTC), 0.0, reason=LOST)
    if status is Status.OK:
        assert answered(result, "") is result
        return
    unknown = status is Status.UNKNOWN and effect is Effect.CHANGE
    told = "no such file" if status is Status.FAILED else LOST
    with pytest.raises(SplitmountError, match=f"vault: read a manifest: {told}") as seen:
        answered(result, "no such file")
    assert type(seen.value) is (OutcomeUnknown if unknown else CommandFailed)
