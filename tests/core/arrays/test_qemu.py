"""The qemu array driver on a real qemu-storage-daemon: bytes, tracks, marks, crashes."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
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
