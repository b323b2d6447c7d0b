"""The qemu array driver on a real qemu-storage-daemon: bytes, tracks, marks, crashes."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.arrays.base import SplitMark
from core.arrays.qemu import QemuArray, split_time
from core.errors import ConfigError, ParseError, Refused
from core.handlers import new_split_id
from core.model import Pair, PairState, PairStatus
from core.plan import Step
from core.transport import Command, Result, Status
from tests.core.arrays.qsd import TRACK, Daemon, QmpTransport

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-storage-daemon") is None or shutil.which("qemu-io") is None,
    reason="needs qemu-storage-daemon and qemu-io (Debian: qemu-system-common, qemu-utils)",
)
PAIRS = (Pair("7902C000", "790B4000"), Pair("7902D000", "790B5000"))
LOSE = '{"execute": "block-dirty-bitmap-remove", "arguments": {"node": "%s", "name": "%s"}}'
DEVICES = {"7902C000": "std0", "7902D000": "std1", "790B4000": "bcv0", "790B5000": "bcv1"}


class Bench:
    """The driver, the daemon, and the verbs as a run does them."""

    def __init__(self, root: Path) -> None:
        self.daemon = Daemon(root)
        self.daemon.start()
        self.transport = QmpTransport(self.daemon)
        self.array = QemuArray("lab", "mgmt", str(self.daemon.socket), DEVICES)

    async def status(self) -> tuple[PairStatus, ...]:
        return await self.array.status(self.transport, PAIRS)

    async def states(self) -> list[PairState]:
        return [s.state for s in await self.status()]

    async def send(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            assert step.command is not None
            result = await self.transport.run(step.command)
            assert result.status is Status.OK, (step.title, result.stderr)

    async def until(self, state: PairState) -> None:
        async with asyncio.timeout(20):
            while any(s.state is not state for s in await self.status()):  # noqa: ASYNC110  the array is polled
                await asyncio.sleep(0.01)

    async def book(self, state: PairState) -> None:
        command = self.array.finish(PAIRS, state)
        assert command is not None
        assert (await self.transport.run(command)).status is Status.OK

    async def establish(self, *, full: bool = False) -> None:
        await self.send(self.array.establish(await self.status(), full=full))
        await self.until(PairState.ESTABLISHED)
        await self.book(PairState.ESTABLISHED)

    async def split(self) -> str:
        mark = new_split_id(datetime.now(UTC))
        await self.send(self.array.split(await self.status(), SplitMark(mark)))
        await self.until(PairState.SPLIT)
        await self.book(PairState.SPLIT)
        return mark

    async def slowly(self, step: Step) -> None:
        """Send a step whose copies then creep."""
        assert step.command is not None
        slow = step.command.text.replace('"auto-dismiss": false', '"auto-dismiss": false, "speed": 65536')
        result = await self.transport.run(replace(step.command, text=slow))
        assert result.status is Status.OK, result.stderr

    async def quickly(self, kind: str) -> None:
        """Let the copies that still creep go on at full speed."""
        for number in range(2):
            line = json.dumps({"execute": "block-job-set-speed", "arguments": {"device": f"sm.{kind}.bcv{number}", "speed": 0}})
            await self.transport.run(self.array._command("full speed", [line]))

    def equal(self) -> bool:
        return all(self.daemon.read(f"std{n}") == self.daemon.read(f"bcv{n}") for n in range(2))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.transport.aclose()
    made.daemon.kill()


async def test_pairs_that_were_never_copied_say_so(bench: Bench) -> None:
    assert await bench.states() == [PairState.NEVER, PairState.NEVER]


async def test_the_first_establish_copies_everything_and_a_split_keeps_its_instant(bench: Bench) -> None:
    bench.daemon.write("std0", 7, 3)
    await bench.establish()
    assert await bench.states() == [PairState.ESTABLISHED, PairState.ESTABLISHED]
    bench.daemon.write("std1", 9, 5, 2)
    mark = await bench.split()
    assert bench.equal()
    bench.daemon.write("std0", 1, 0)
    assert not bench.equal()
    statuses = await bench.status()
    assert {s.split_id for s in statuses} == {mark}
    at = statuses[0].split_at
    assert at is not None
    assert abs(datetime.now(UTC) - at) < timedelta(seconds=30)


async def test_an_incremental_establish_copies_the_changed_tracks_of_both_sides_and_no_more(bench: Bench) -> None:
    await bench.establish()
    await bench.split()
    await bench.send(bench.array.ready(await bench.status()))
    bench.daemon.write("std0", 5, 10, 3)
    bench.daemon.write("bcv0", 6, 40, 2)
    before = (await bench.status())[0]
    assert (before.std_tracks, before.bcv_tracks) == (3, 2)
    steps = bench.array.establish(await bench.status())
    await bench.send(steps)
    await bench.until(PairState.ESTABLISHED)
    assert (await bench.status())[0].to_copy == 5 * TRACK
    await bench.book(PairState.ESTABLISHED)
    assert bench.equal()


async def test_a_bcv_is_hidden_before_anything_is_copied_to_it(bench: Bench) -> None:
    await bench.establish()
    await bench.split()
    await bench.send(bench.array.ready(await bench.status()))
    steps = bench.array.establish(await bench.status())
    assert [s.id for s in steps] == ["hide", "establish"]
    await bench.send(steps[:1])
    assert [s.ready for s in await bench.status()] == [False, False]


async def test_a_bcv_that_is_not_split_is_never_shown(bench: Bench) -> None:
    await bench.establish()
    with pytest.raises(Refused, match="only when it is split"):
        bench.array.ready(await bench.status())


async def test_only_established_pairs_are_split(bench: Bench) -> None:
    with pytest.raises(Refused, match="never established"):
        bench.array.split(await bench.status(), SplitMark("x-1"))


async def test_the_split_is_one_transaction(bench: Bench) -> None:
    await bench.establish()
    (step,) = bench.array.split(await bench.status(), SplitMark("x-1"))
    assert step.command is not None
    assert len(step.command.text.splitlines()) == 1
    assert json.loads(step.command.text)["execute"] == "transaction"


async def test_a_copy_that_ended_and_was_not_booked_is_told_and_booked_by_the_next_plan(bench: Bench) -> None:
    await bench.send(bench.array.establish(await bench.status()))
    await bench.until(PairState.ESTABLISHED)
    steps = bench.array.split(await bench.status(), SplitMark(new_split_id(datetime.now(UTC))))
    assert [s.id for s in steps] == ["book", "split"]
    await bench.send(steps)
    await bench.until(PairState.SPLIT)
    steps = bench.array.ready(await bench.status())
    assert [s.id for s in steps] == ["book", "ready"]
    await bench.send(steps)
    assert bench.equal()


async def test_a_daemon_that_died_leads_to_full_copies_never_to_nothing_to_copy(bench: Bench) -> None:
    await bench.establish()
    bench.daemon.kill()
    await bench.transport.reconnect("mgmt")
    bench.daemon.start()
    assert await bench.states() == [PairState.NEVER, PairState.NEVER]
    (step, *_) = [s for s in bench.array.establish(await bench.status()) if s.id == "establish"]
    assert step.command is not None
    assert step.command.text.count('"sync": "full"') == 2


async def test_a_restore_overwrites_the_standard_with_the_point_in_time(bench: Bench) -> None:
    bench.daemon.write("std0", 3, 1)
    await bench.establish()
    await bench.split()
    then = bench.daemon.read("std0")
    bench.daemon.write("std0", 8, 1, 4)
    await bench.send(bench.array.restore(await bench.status()))
    await bench.until(PairState.SPLIT)
    assert bench.daemon.read("std0") == then
    assert (await bench.status())[0].to_copy == 4 * TRACK


async def test_a_failed_copy_makes_the_pair_invalid_and_the_next_establish_heals_it(bench: Bench) -> None:
    await bench.establish()
    await bench.split()
    bench.daemon.write("std0", 4, 0, 64)
    (step,) = bench.array.establish(await bench.status())
    assert step.command is not None
    lines = step.command.text.splitlines()
    slow = lines[-1].replace('"auto-dismiss": false', '"auto-dismiss": false, "speed": 65536')
    command = bench.array._command(step.title, [*lines[:-1], slow])
    assert (await bench.transport.run(command)).status is Status.OK
    assert (await bench.states())[0] is PairState.COPYING
    cancel = bench.array._command("cancel", ['{"execute": "job-cancel", "arguments": {"id": "sm.e.bcv0"}}'])
    await bench.transport.run(cancel)
    async with asyncio.timeout(10):
        while (await bench.states()) != [PairState.INVALID, PairState.ESTABLISHED]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    one = (await bench.status())[:1]
    await bench.send(bench.array.establish(one))
    await bench.until(PairState.ESTABLISHED)
    assert bench.equal()


async def test_a_serial_that_the_array_does_not_know_is_named(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="7902E000"):
        await bench.array.status(bench.transport, (Pair("7902E000", "790B4000"),))


async def test_a_word_that_the_driver_does_not_know_is_an_error_that_names_it(bench: Bench) -> None:
    await bench.establish()

    class Odd:
        async def run(self, command: Command) -> Result:
            result = await bench.transport.run(command)
            nodes, _, exports = result.stdout.splitlines()
            job = '[{"id": "sm.e.bcv0", "status": "dreaming", "current-progress": 0, "total-progress": 0, "type": "backup"}]'
            object.__setattr__(result, "stdout", "\n".join((nodes, job, exports)))
            return result

    with pytest.raises(ParseError, match="dreaming"):
        await bench.array.status(Odd(), PAIRS)  # type: ignore[arg-type]


async def test_check_is_content_with_a_daemon_that_has_the_nodes(bench: Bench) -> None:
    assert await bench.array.check(bench.transport) == ()
    other = QemuArray("lab", "mgmt", str(bench.daemon.socket), {**DEVICES, "7902F000": "std9"})
    assert await other.check(bench.transport) == ("no node std9 for serial 7902F000",)


def test_the_time_of_a_split_is_read_from_its_id() -> None:
    now = datetime(2026, 11, 23, 12, 34, 56, 789000, tzinfo=UTC)
    assert split_time(new_split_id(now)) == now
    assert split_time("no id") is None


# --- what a console that died, or a client that holds on, leaves behind ------------------------------------------------


async def unbooked(bench: Bench, state: PairState) -> None:
    """Bring the pairs to a state by a copy that nobody booked."""
    if state is PairState.ESTABLISHED:
        await bench.send(bench.array.establish(await bench.status()))
    else:
        await bench.establish()
        bench.daemon.write("std0", 2, 1)
        await bench.send(bench.array.split(await bench.status(), SplitMark(new_split_id(datetime.now(UTC)))))
    await bench.until(state)


@pytest.mark.parametrize("state", [PairState.ESTABLISHED, PairState.SPLIT])
@pytest.mark.parametrize("full", [False, True])
async def test_an_establish_over_a_copy_that_nobody_booked_ends_established(bench: Bench, state: PairState, full: bool) -> None:
    await unbooked(bench, state)
    bench.daemon.write("std0", 5, 3, 2)
    await bench.establish(full=full)
    assert await bench.states() == [PairState.ESTABLISHED, PairState.ESTABLISHED]
    await bench.split()
    assert bench.equal()


async def test_an_establish_over_a_restore_that_nobody_booked_ends_established(bench: Bench) -> None:
    await bench.establish()
    await bench.split()
    bench.daemon.write("std0", 5, 3)
    await bench.send(bench.array.restore(await bench.status()))
    await bench.until(PairState.SPLIT)
    await bench.establish()
    assert await bench.states() == [PairState.ESTABLISHED, PairState.ESTABLISHED]


async def test_a_restore_that_nobody_booked_is_booked_before_the_bcv_is_shown_and_before_another_restore(bench: Bench) -> None:
    await bench.establish()
    mark = await bench.split()
    then = bench.daemon.read("std0")
    for byte in (5, 6):
        bench.daemon.write("std0", byte, 3)
        steps = bench.array.restore(await bench.status())
        assert ("book" in [s.id for s in steps]) == (byte == 6)
        await bench.send(steps)
        await bench.until(PairState.SPLIT)
        assert bench.daemon.read("std0") == then
    await bench.send(bench.array.ready(await bench.status()))
    statuses = await bench.status()
    assert [(s.state, s.ready, s.split_id) for s in statuses] == [(PairState.SPLIT, True, mark)] * 2
    assert statuses[0].bcv_tracks == 0


async def test_a_restore_takes_back_what_the_target_wrote_on_the_bcv_and_keeps_it_for_the_standard(bench: Bench) -> None:
    await bench.establish()
    await bench.split()
    await bench.send(bench.array.ready(await bench.status()))
    bench.daemon.write("bcv0", 6, 40, 2)
    bench.daemon.write("std0", 7, 10)
    await bench.send(bench.array.restore(await bench.status()))
    await bench.until(PairState.SPLIT)
    assert (await bench.status())[0].to_copy == 3 * TRACK
    assert bench.equal()


async def test_writes_while_a_full_copy_runs_are_there_after_the_split_and_later_ones_are_not(bench: Bench) -> None:
    (*_, step) = bench.array.establish(await bench.status())
    await bench.slowly(step)
    bench.daemon.write("std0", 9, 60)
    assert (await bench.states())[0] is PairState.COPYING
    await bench.quickly("e")
    await bench.until(PairState.ESTABLISHED)
    await bench.book(PairState.ESTABLISHED)
    (step,) = bench.array.split(await bench.status(), SplitMark(new_split_id(datetime.now(UTC))))
    then = bench.daemon.read("std0")
    await bench.slowly(step)
    bench.daemon.write("std0", 3, 60)
    await bench.quickly("s")
    await bench.until(PairState.SPLIT)
    await bench.book(PairState.SPLIT)
    assert bench.daemon.read("bcv0") == then
    assert (await bench.status())[0].std_tracks == 1


@pytest.mark.parametrize("full", [False, True])
async def test_nothing_starts_over_a_copy_that_is_under_way(bench: Bench, full: bool) -> None:
    await bench.establish()
    await bench.split()
    bench.daemon.write("std0", 4, 0, 64)
    (step,) = bench.array.establish(await bench.status())
    await bench.slowly(step)
    before = await bench.status()
    assert before[0].state is PairState.COPYING
    *_, again = bench.array.establish(before[:1], full=full)
    assert again.command is not None
    assert (await bench.transport.run(again.command)).status is Status.FAILED
    assert (await bench.status())[0].private == before[0].private
    await bench.quickly("e")
    await bench.until(PairState.ESTABLISHED)
    await bench.book(PairState.ESTABLISHED)
    assert bench.equal()


async def test_a_client_that_holds_a_bcv_open_is_cut_off_and_the_copy_is_exact(bench: Bench) -> None:
    await bench.establish()
    await bench.split()
    await bench.send(bench.array.ready(await bench.status()))
    with bench.daemon.opened("bcv0"):
        bench.daemon.write("std0", 5, 3)
        await bench.establish()
        assert bench.equal()
        await bench.split()
        await bench.send(bench.array.ready(await bench.status()))
    assert [s.ready for s in await bench.status()] == [True, True]


async def test_the_undo_of_ready_hides_the_bcvs_again(bench: Bench) -> None:
    await bench.establish()
    await bench.split()
    (step,) = bench.array.ready(await bench.status())
    await bench.send((step,))
    assert bench.array.ready(await bench.status()) == ()
    assert step.undo is not None
    assert (await bench.transport.run(step.undo)).status is Status.OK
    async with asyncio.timeout(10):
        while [s.ready for s in await bench.status()] != [False, False]:  # noqa: ASYNC110  the array is polled
            await asyncio.sleep(0.01)
    assert bench.array.not_ready(await bench.status()) == ()


@pytest.mark.parametrize("kind", ["e", "s"])
async def test_a_daemon_that_died_while_it_copied_leaves_pairs_that_were_never_established(bench: Bench, kind: str) -> None:
    await bench.establish()
    bench.daemon.write("std0", 4, 0, 64)
    if kind == "e":
        *_, step = bench.array.establish(await bench.status())
    else:
        (step,) = bench.array.split(await bench.status(), SplitMark(new_split_id(datetime.now(UTC))))
    await bench.slowly(step)
    bench.daemon.kill()
    await bench.transport.reconnect("mgmt")
    bench.daemon.start()
    assert await bench.states() == [PairState.NEVER, PairState.NEVER]
    await bench.establish()
    assert bench.equal()


async def test_a_split_that_cannot_be_for_one_pair_changes_no_pair(bench: Bench) -> None:
    await bench.establish()
    statuses = await bench.status()
    gone = bench.array._command("lose", [LOSE % ("std1", "sm.t.bcv1")])
    assert (await bench.transport.run(gone)).status is Status.OK
    (step,) = bench.array.split(statuses, SplitMark(new_split_id(datetime.now(UTC))))
    assert step.command is not None
    assert (await bench.transport.run(step.command)).status is Status.FAILED
    after = await bench.status()
    assert [s.state for s in after] == [PairState.ESTABLISHED, PairState.NEVER]
    assert after[0] == statuses[0]


def test_an_id_that_is_not_ours_has_no_time() -> None:
    for odd in ("", "monday", "x-1", "mwt8wxr8", "-mwt8wxr8-3482", "mwt_8wxr8-3482", "zzzzzzzzzzzzzzzz-0000"):
        assert split_time(odd) is None, odd
    assert split_time("mwt8wxr8-3482") is not None
