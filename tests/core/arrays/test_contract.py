"""What every array driver must do, on the array that it is for: a real storage daemon, an emulated Symmetrix."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from core.arrays.base import ArrayDriver, SplitMark
from core.errors import Refused
from core.handlers import new_split_id
from core.model import Pair, PairState, PairStatus
from core.plan import Step
from core.transport import Effect, Status, Transport, bind, late_names
from hostdrivers.emulated.array import TRACK
from tests.core.arrays import test_qemu, test_symmetrix

NEEDS_DAEMON = pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-storage-daemon", "qemu-io"))), reason="needs qemu-storage-daemon and qemu-io"
)


class Subject(Protocol):
    """An array with two pairs, as the contract needs it."""

    driver: ArrayDriver
    transport: Transport
    pairs: tuple[Pair, ...]

    def write(self, byte: int) -> None:
        """A host writes to the first standard."""

    def equal(self) -> bool:
        """Whether each BCV holds what its standard holds."""

    async def arrive(self, state: PairState, *, after: PairState | None = None) -> None:
        """Wait until the pairs are there, and book it where the driver wants that (`after` a restore as such)."""

    async def close(self) -> None:
        """Let go."""


class Qemu:
    """The real daemon."""

    def __init__(self, root: Path) -> None:
        self._bench = test_qemu.Bench(root)
        self.driver: ArrayDriver = self._bench.array
        self.transport: Transport = self._bench.transport
        self.pairs = test_qemu.PAIRS

    def write(self, byte: int) -> None:
        self._bench.daemon.write("std0", byte, 3)

    def equal(self) -> bool:
        return self._bench.equal()

    async def arrive(self, state: PairState, *, after: PairState | None = None) -> None:
        await self._bench.until(state)
        await self._bench.book(after or state)

    async def close(self) -> None:
        await self._bench.transport.aclose()
        self._bench.daemon.kill()


class Symmetrix:
    """The emulated array behind SYMCLI."""

    def __init__(self, root: Path) -> None:
        self._bench = test_symmetrix.Bench(root)
        self.driver: ArrayDriver = self._bench.driver
        self.transport: Transport = self._bench.transport
        self.pairs = test_symmetrix.PAIRS

    def write(self, byte: int) -> None:
        self._bench.pass_time(1.0)
        self._bench.stds[0].write(3 * TRACK, bytes([byte]) * TRACK)

    def equal(self) -> bool:
        return self._bench.equal()

    async def arrive(self, state: PairState, *, after: PairState | None = None) -> None:
        self._bench.pass_time()
        assert await self._bench.states() == [state, state]

    async def close(self) -> None:
        self._bench.array.close()


@pytest.fixture(params=[pytest.param(Qemu, marks=NEEDS_DAEMON), Symmetrix])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    made: Subject = request.param(tmp_path)
    yield made
    await made.close()


async def status(subject: Subject) -> tuple[PairStatus, ...]:
    return await subject.driver.status(subject.transport, subject.pairs)


async def send(subject: Subject, steps: tuple[Step, ...]) -> None:
    for step in steps:
        assert step.command is not None
        command = bind(step.command, dict.fromkeys(late_names(step.command), "x"))
        result = await subject.transport.run(command)
        assert result.status is Status.OK, (step.title, result.stderr)


async def establish(subject: Subject) -> None:
    await send(subject, subject.driver.establish(await status(subject)))
    await subject.arrive(PairState.ESTABLISHED)


async def split(subject: Subject) -> None:
    mark = SplitMark(new_split_id(datetime.now(UTC)))
    await send(subject, subject.driver.split(await status(subject), mark))
    await subject.arrive(PairState.SPLIT)


async def test_status_answers_for_each_pair_in_the_order_asked(subject: Subject) -> None:
    backwards = tuple(reversed(subject.pairs))
    found = await subject.driver.status(subject.transport, backwards)
    assert [s.pair for s in found] == list(backwards)
    assert await subject.driver.status(subject.transport, subject.pairs[:1]) == (await status(subject))[:1]


async def test_status_and_check_change_nothing(subject: Subject) -> None:
    before = await status(subject)
    assert await subject.driver.check(subject.transport) == ()
    assert await status(subject) == before


async def test_pairs_are_listed_once_the_array_relates_them_and_stay_so_when_split(subject: Subject) -> None:
    assert await subject.driver.related(subject.transport) == ()
    await establish(subject)
    assert sorted(await subject.driver.related(subject.transport)) == sorted(subject.pairs)
    await split(subject)
    assert sorted(await subject.driver.related(subject.transport)) == sorted(subject.pairs)


async def test_a_split_is_one_instant_with_one_id_and_a_time_and_keeps_what_was_there(subject: Subject) -> None:
    await establish(subject)
    subject.write(7)
    await split(subject)
    assert subject.equal()
    subject.write(8)
    assert not subject.equal()
    found = await status(subject)
    assert len({s.split_id for s in found}) == 1
    assert found[0].split_id
    assert all(s.split_at is not None for s in found)


async def test_every_change_is_a_change_names_its_bcvs_and_is_explained(subject: Subject) -> None:
    await establish(subject)
    established = await status(subject)
    await split(subject)
    there = await status(subject)
    steps = (
        *subject.driver.split(established, SplitMark("abcdefgh-0000")),
        *subject.driver.establish(there),
        *subject.driver.restore(there),
        *subject.driver.ready(there),
    )
    for step in steps:
        assert step.command is not None
        assert step.command.effect is Effect.CHANGE
        assert step.host == subject.driver.host
        assert set(step.fence) <= {p.bcv for p in subject.pairs} | {p.std for p in subject.pairs}
        assert step.fence
        assert all((step.explain.what, step.explain.why, step.explain.risk, step.explain.by_hand))


async def test_titles_are_ascii_so_that_the_direction_of_a_copy_is_the_same_on_every_terminal(subject: Subject) -> None:
    await establish(subject)
    await split(subject)
    there = await status(subject)
    back, *_ = [s.title for s in subject.driver.restore(there) if "Restore" in s.title]
    assert "BCV -> STD" in back
    assert any("STD -> BCV" in s.title for s in subject.driver.establish(there))
    assert all(s.title.isascii() for s in (*subject.driver.restore(there), *subject.driver.establish(there)))


async def test_the_split_itself_is_the_last_step_and_the_only_one_between_freeze_and_thaw(subject: Subject) -> None:
    await establish(subject)
    steps = subject.driver.split(await status(subject), SplitMark("abcdefgh-0000"))
    assert [s.id for s in steps][-1] == "split"


async def test_split_bcvs_are_shown_and_the_undo_hides_them_again(subject: Subject) -> None:
    await establish(subject)
    await split(subject)
    found = await status(subject)
    assert [s.ready for s in found] == [False, False]
    (step,) = subject.driver.ready(found)
    await send(subject, (step,))
    assert [s.ready for s in await status(subject)] == [True, True]
    assert step.undo is not None
    assert (await subject.transport.run(step.undo)).status is Status.OK
    assert [s.ready for s in await status(subject)] == [False, False]


async def test_a_restore_brings_back_the_point_in_time_and_the_bcv_keeps_it(subject: Subject) -> None:
    await establish(subject)
    subject.write(7)
    await split(subject)
    mark = (await status(subject))[0].split_id
    subject.write(9)
    assert not subject.equal()
    await send(subject, subject.driver.restore(await status(subject)))
    await subject.arrive(PairState.SPLIT, after=PairState.RESTORING)
    assert subject.equal()
    subject.write(10)
    assert not subject.equal(), "later writes stay on the standard"
    assert mark


async def test_a_split_of_pairs_that_are_not_established_and_a_restore_of_those_that_are_not_split_are_refused(
    subject: Subject,
) -> None:
    with pytest.raises(Refused):
        subject.driver.split(await status(subject), SplitMark("abcdefgh-0000"))
    await establish(subject)
    with pytest.raises(Refused):
        subject.driver.restore(await status(subject))
    with pytest.raises(Refused):
        subject.driver.ready(await status(subject))


async def test_what_is_predicted_is_what_comes(subject: Subject) -> None:
    first = subject.driver.predict((await status(subject))[0], PairState.ESTABLISHED)
    await establish(subject)
    now = (await status(subject))[0]
    assert (first.pair, first.state, first.ready) == (now.pair, now.state, now.ready)
    then = subject.driver.predict(now, PairState.SPLIT, split_id="abcdefgh-0000")
    await split(subject)
    now = (await status(subject))[0]
    assert (then.state, then.ready) == (now.state, now.ready)
