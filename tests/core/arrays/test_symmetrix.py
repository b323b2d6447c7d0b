"""The Symmetrix driver against the emulated array: its scripts run in a sandboxed shell with the emulated SYMCLI."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import bashkit
import pytest

from core.arrays.base import SplitMark
from core.arrays.symmetrix import WORDS, SymmetrixArray, emulated
from core.errors import ConfigError, ParseError, Refused, TransportError
from core.model import Pair, PairState, PairStatus
from core.plan import Step
from core.transport import ByteStream, Channel, Command, Effect, Result, Session, Status
from hostdrivers.emulated.array import TRACK, Array, Disk, Word
from hostdrivers.emulated.program import Answer, Call, Program, Usage
from hostdrivers.emulated.symcli import programs

SID = "000187400079"
PAIRS = (Pair("7902C000", "790B4000"), Pair("7902D000", "790B5000"))
MARK = SplitMark("@{split_id}@")
BEGAN = 1_000_000_000.0


class ShellTransport:
    """Runs scripts in a sandboxed shell of the management host; a `sleep` there is the array's time passing."""

    read_only = False

    def __init__(self, array: Array, tick: Callable[[float], None]) -> None:
        self.array, self.tick, self.slept, self.ran = array, tick, 0.0, 0
        self.left: list[str] = []
        self.fs: bashkit.FileSystem | None = None

    async def run(self, command: Command) -> Result:
        assert command.channel is Channel.SHELL
        assert command.host == "mgmt"
        self.ran += 1
        shell = bashkit.Bash(username="root", hostname="mgmt", max_commands=100_000, max_loop_iterations=100_000)
        for name, program in programs(self.array, self._file).items():
            shell.add_command(name, self._adapted(program))
        shell.add_command("sleep", self._sleep)
        result = await shell.execute(command.script)
        self.left = shell.ls("/tmp")
        status = Status.OK if result.exit_code == 0 else Status.FAILED
        return Result(command, status, result.exit_code, result.stdout, result.stderr, datetime.now(UTC), 0.0)

    def _file(self, path: str) -> bytes:
        assert self.fs is not None
        return bytes(self.fs.read_file(path))

    def _adapted(self, program: Program) -> Callable[[bashkit.CommandContext], Awaitable[int]]:
        async def command(context: bashkit.CommandContext) -> int:
            self.fs = context.fs
            try:
                answer = program(Call(context.name, tuple(context.argv), env=dict(context.env), cwd=context.cwd))
                done = await answer if isinstance(answer, Awaitable) else answer
            except Usage as wrong:
                done = Answer("", wrong.text + "\n", wrong.code)
            await context.stdout.write(done.out.encode() if isinstance(done.out, str) else done.out)
            await context.stderr.write(done.err.encode())
            return done.code

        return command

    async def _sleep(self, context: bashkit.CommandContext) -> int:
        self.slept += float(context.argv[0])
        self.tick(float(context.argv[0]))
        return 0

    async def session(self, command: Command) -> Session:
        raise TransportError("no sessions here")

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        return self._stream()

    @asynccontextmanager
    async def _stream(self) -> AsyncIterator[ByteStream]:
        raise TransportError("no streams here")
        yield

    async def reconnect(self, host: str) -> None: ...

    async def aclose(self) -> None: ...


class Bench:
    """The driver, an array with two pairs and a spare BCV, and a clock that only tests move."""

    def __init__(self, root: Path) -> None:
        self.time = BEGAN
        self.array = Array(root, SID, now=lambda: self.time, rate=10.0)
        self.stds = [self.array.add_device(number, 4) for number in ("02C", "02D")]
        self.bcvs = [self.array.add_device(number, 4, True) for number in ("0B4", "0B5")]
        self.spare = self.array.add_device("0B6", 4, True)
        self.transport = ShellTransport(self.array, self.pass_time)
        self.driver = SymmetrixArray("dmx", "mgmt", SID, wait=5)

    def pass_time(self, seconds: float = 100.0) -> None:
        self.time += seconds

    async def status(self, *pairs: Pair) -> tuple[PairStatus, ...]:
        return await self.driver.status(self.transport, pairs or PAIRS)

    async def states(self) -> list[PairState]:
        return [s.state for s in await self.status()]

    async def send(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            assert step.command is not None
            result = await self.run(step.command)
            assert result.status is Status.OK, (step.title, result.stderr)

    async def run(self, command: Command) -> Result:
        return await self.transport.run(command)

    async def refused(self, step: Step) -> str:
        """The script of the step refuses: exit status 90, and its words."""
        assert step.command is not None
        result = await self.run(step.command)
        assert result.exit_status == 90, (result.exit_status, result.stderr)
        assert result.stderr.startswith("refused: ")
        return result.stderr

    async def establish(self, *, full: bool = False) -> None:
        await self.send(self.driver.establish(await self.status(), full=full))
        self.pass_time()

    async def split(self) -> None:
        await self.establish()
        await self.send(self.driver.split(await self.status(), MARK))

    def equal(self) -> bool:
        return all(std.image() == bcv.image() for std, bcv in zip(self.stds, self.bcvs, strict=True))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.array.close()


def track(byte: int) -> bytes:
    return bytes([byte]) * TRACK


def tracks_of(disk: Disk) -> list[int]:
    relation = disk._array.relations[disk.number]
    return list(relation.todo)


async def test_pairs_that_were_never_copied_say_so(bench: Bench) -> None:
    (status, _) = await bench.status()
    assert (status.state, status.ready, status.note) == (PairState.NEVER, True, "")
    assert (status.std_size, status.bcv_size, status.track_size) == (60 * TRACK, 60 * TRACK, TRACK)
    assert bench.transport.ran == 1, "one invocation"


async def test_the_first_establish_copies_everything_and_shows_its_progress(bench: Bench) -> None:
    bench.stds[0].write(3 * TRACK, track(7))
    steps = bench.driver.establish(await bench.status())
    assert [step.id for step in steps] == ["establish-full"]
    await bench.send(steps)
    bench.pass_time(2.0)
    (status, _) = await bench.status()
    assert (status.state, status.ready, status.bcv_tracks) == (PairState.COPYING, False, 40)
    assert (status.copied, status.to_copy) == (20 * TRACK, 60 * TRACK)
    bench.pass_time(4.0)
    assert await bench.states() == [PairState.ESTABLISHED, PairState.ESTABLISHED]
    assert bench.equal()


async def test_a_split_is_one_step_one_instant_and_hides_the_bcvs(bench: Bench) -> None:
    await bench.establish()
    bench.stds[1].write(0, track(9))
    steps = bench.driver.split(await bench.status(), MARK)
    assert len(steps) == 1
    await bench.send(steps)
    assert bench.equal()
    bench.stds[0].write(0, track(1))
    assert not bench.equal()
    statuses = await bench.status()
    assert {s.state for s in statuses} == {PairState.SPLIT}
    assert {s.ready for s in statuses} == {False}
    at = datetime.fromtimestamp(bench.time, UTC)
    assert {s.split_at for s in statuses} == {at}
    assert {s.split_id for s in statuses} == {f"{SID}-{at:%Y%m%dT%H%M%S}"}


async def test_pairs_split_one_after_the_other_carry_different_ids(bench: Bench) -> None:
    await bench.establish()
    for status in await bench.status():
        await bench.send(bench.driver.split((status,), MARK))
        bench.pass_time(1.0)
    assert len({s.split_id for s in await bench.status()}) == 2


async def test_an_incremental_establish_copies_what_either_side_changed(bench: Bench) -> None:
    await bench.split()
    await bench.send(bench.driver.ready(await bench.status()))
    bench.stds[0].write(TRACK, track(1))
    bench.bcvs[0].write(5 * TRACK, track(5) * 2)
    (status, other) = await bench.status()
    assert (status.std_tracks, status.bcv_tracks) == (1, 2)
    assert (other.std_tracks, other.bcv_tracks) == (0, 0)
    steps = bench.driver.establish((status, other))
    assert [step.id for step in steps] == ["establish"]
    await bench.send(steps)
    assert tracks_of(bench.bcvs[0]) == [1, 5, 6]
    bench.pass_time()
    assert await bench.states() == [PairState.ESTABLISHED, PairState.ESTABLISHED]
    assert bench.equal()


async def test_pairs_of_both_kinds_are_established_by_two_steps(bench: Bench) -> None:
    await bench.split()
    bench.array.set_word("02C", "0B4", Word.SPLIT_NO_INC)
    statuses = await bench.status()
    assert "full" in statuses[0].note
    steps = bench.driver.establish(statuses)
    assert [(step.id, step.fence) for step in steps] == [("establish", ("790B5000",)), ("establish-full", ("790B4000",))]
    await bench.send(steps)
    bench.pass_time()
    assert bench.equal()


@pytest.mark.parametrize(("full", "protect"), [(False, True), (False, False), (True, True)])
async def test_a_restore_brings_the_standards_back_and_ends_split(bench: Bench, full: bool, protect: bool) -> None:
    bench.stds[0].write(0, track(1))
    await bench.split()
    kept = bench.bcvs[0].image()
    bench.stds[0].write(0, track(2) * 3)
    start, end = bench.driver.restore(await bench.status(), full=full, protect=protect)
    await bench.send((start,))
    assert len(tracks_of(bench.bcvs[0])) == (60 if full else 3)
    (status, _) = await bench.status()
    assert status.state is PairState.RESTORING
    bench.pass_time()
    assert (await bench.status())[0].note == "restored, not split yet"
    assert bench.stds[0].image() == kept
    bench.stds[0].write(7 * TRACK, b"later")
    await bench.send((end,))
    assert (bench.bcvs[0].image() == kept) is protect
    assert {(s.state, s.ready) for s in await bench.status()} == {(PairState.SPLIT, False)}


async def test_the_second_step_of_a_restore_waits_for_the_copy(bench: Bench) -> None:
    await bench.split()
    await bench.send(bench.driver.restore(await bench.status(), full=True))
    assert bench.transport.slept >= 6.0
    assert bench.equal()
    assert await bench.states() == [PairState.SPLIT, PairState.SPLIT]


@pytest.mark.parametrize("word", list(Word))
async def test_every_word_of_the_array_is_known(bench: Bench, word: Word) -> None:
    bench.array.rate, bench.array.split_time = 0.0, 1e9
    bench.array.set_word("02C", "0B4", word)
    (status, other) = await bench.status()
    assert (status.state, status.note) == WORDS[word.value]
    assert other.state is PairState.NEVER


def test_the_table_of_words_is_complete() -> None:
    assert set(WORDS) == {word.value for word in Word}


async def test_an_unknown_word_is_an_error_that_names_it(bench: Bench) -> None:
    bench.array.words["0B5"] = "Transmogrified"
    with pytest.raises(ParseError, match="Transmogrified"):
        await bench.status()


@pytest.mark.parametrize("status", [1, 2], ids=["the array's", "the database's"])
async def test_a_busy_lock_is_waited_for(bench: Bench, status: int) -> None:
    await bench.establish()
    steps = bench.driver.split(await bench.status(), MARK)
    bench.array.locked, bench.array.lock_status = 3, status
    await bench.send(steps)
    assert bench.transport.slept == 3.0
    assert await bench.states() == [PairState.SPLIT, PairState.SPLIT]


async def test_a_lock_that_stays_is_given_up_on_with_nothing_changed(bench: Bench) -> None:
    await bench.establish()
    (step,) = bench.driver.split(await bench.status(), MARK)
    bench.array.locked = 10_000
    assert "locked for 5 s" in await bench.refused(step)
    assert bench.transport.slept == 5.0
    with pytest.raises(ParseError, match="the array was locked for 5 s"):
        await bench.status()
    bench.array.locked = 0
    assert await bench.states() == [PairState.ESTABLISHED, PairState.ESTABLISHED]


async def test_swapped_serials_are_seen_and_refused_by_the_fence(bench: Bench) -> None:
    steps = bench.driver.establish(await bench.status())
    bench.array.swap_serials("02C", "02D")
    assert "device 02C is 7902D000, the plan is for 7902C000" in await bench.refused(steps[0])
    assert not bench.array.relations
    (status, _) = await bench.status()
    assert (status.state, status.note) == (PairState.UNKNOWN, "device 02C has serial 7902D000, not 7902C000")


async def test_a_swapped_bcv_is_refused_by_the_fence_too(bench: Bench) -> None:
    steps = bench.driver.establish(await bench.status(PAIRS[0]))
    bench.array.swap_serials("0B4", "0B6")
    assert "device 0B4 is 790B6000" in await bench.refused(steps[0])


async def test_a_pair_that_moved_since_the_plan_is_refused_by_the_fence(bench: Bench) -> None:
    await bench.establish()
    (step,) = bench.driver.split(await bench.status(), MARK)
    bench.array.split([(bench.stds[1], bench.bcvs[1])])
    assert "pair 02D/0B5 is Split, the plan is for Synchronized" in await bench.refused(step)
    assert (await bench.states())[0] is PairState.ESTABLISHED


async def test_a_bcv_of_another_standard_is_named_and_never_taken_over(bench: Bench) -> None:
    wanted = bench.driver.establish(await bench.status(PAIRS[0]), full=True)
    bench.array.establish([(bench.stds[1], bench.bcvs[0])], full=True)
    bench.pass_time()
    bench.array.split([(bench.stds[1], bench.bcvs[0])])
    (status,) = await bench.status(PAIRS[0])
    assert (status.state, status.note) == (PairState.UNKNOWN, "BCV 0B4 is attached to device 02D (Split), not to 02C")
    with pytest.raises(Refused, match="attached to device 02D"):
        bench.driver.establish((status,), full=True)
    assert "BCV 0B4 belongs to 02D, the plan is for 02C" in await bench.refused(wanted[0])


async def test_split_bcvs_are_shown_and_the_undo_hides_them_again(bench: Bench) -> None:
    await bench.split()
    (step,) = bench.driver.ready(await bench.status())
    await bench.send((step,))
    assert {s.ready for s in await bench.status()} == {True}
    assert bench.driver.ready(await bench.status()) == ()
    assert bench.bcvs[0].ready
    assert step.undo is not None
    for _ in range(2):  # an undo may be asked for again
        assert (await bench.run(step.undo)).status is Status.OK
    assert {s.ready for s in await bench.status()} == {False}
    assert bench.driver.not_ready(await bench.status()) == ()


async def test_a_bcv_that_stays_not_ready_is_seen(bench: Bench) -> None:
    bench.array.stays_not_ready.add("0B5")
    await bench.split()
    await bench.send(bench.driver.ready(await bench.status()))
    assert [s.ready for s in await bench.status()] == [True, False]


async def test_a_bcv_is_not_shown_when_it_was_established_meanwhile(bench: Bench) -> None:
    await bench.split()
    (step,) = bench.driver.ready(await bench.status())
    await bench.establish()
    assert "is Synchronized, the plan is for Split" in await bench.refused(step)


async def test_device_numbers_of_another_width_are_the_same_devices(bench: Bench) -> None:
    bench.array.width = 5
    await bench.split()
    await bench.send(bench.driver.ready(await bench.status()))
    assert {(s.state, s.ready, s.std_tracks) for s in await bench.status()} == {(PairState.SPLIT, True, 0)}


async def test_several_bcvs_of_one_standard_go_their_own_ways(bench: Bench) -> None:
    two = (PAIRS[0], Pair("7902C000", "790B6000"))
    await bench.send(bench.driver.establish(await bench.status(*two)))
    bench.pass_time()
    first, second = await bench.status(*two)
    await bench.send(bench.driver.split((first,), MARK))
    bench.stds[0].write(0, track(3))
    first, second = await bench.status(*two)
    assert (first.state, second.state) == (PairState.SPLIT, PairState.ESTABLISHED)
    assert (first.std_tracks, second.std_tracks) == (1, 0)
    assert bench.spare.image() == bench.stds[0].image() != bench.bcvs[0].image()


async def test_a_pair_the_wrong_way_round_cannot_be_made(bench: Bench) -> None:
    wrong = Pair("790B4000", "7902C000")
    steps = bench.driver.establish(await bench.status(wrong))
    assert steps[0].command is not None
    result = await bench.run(steps[0].command)
    assert result.status is Status.FAILED
    assert not bench.array.relations


@pytest.mark.parametrize(
    ("verb", "word"),
    [
        ("establish", Word.SYNCHRONIZED),
        ("establish", Word.SYNC_IN_PROG),
        ("establish", Word.RESTORED),
        ("establish", Word.UNKNOWN),
        ("split", Word.SPLIT),
        ("split", Word.SYNC_IN_PROG),
        ("split", Word.RESTORED),
        ("restore", Word.SYNCHRONIZED),
        ("restore", Word.SPLIT_BEFORE_SYNC),
        ("restore", Word.INVALID),
        ("ready", Word.SYNCHRONIZED),
        ("ready", Word.SPLIT_IN_PROG),
        ("ready", Word.SPLIT_BEFORE_SYNC),
    ],
)
async def test_a_verb_is_refused_for_pairs_in_another_state(bench: Bench, verb: str, word: Word) -> None:
    bench.array.rate, bench.array.split_time = 0.0, 1e9
    bench.array.set_word("02C", "0B4", word)
    statuses = await bench.status(PAIRS[0])
    with pytest.raises(Refused, match="7902C000/790B4000"):
        bench.driver.split(statuses, MARK) if verb == "split" else getattr(bench.driver, verb)(statuses)


async def test_a_serial_of_another_array_is_refused_with_the_reason(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="ends in 80"):
        await bench.status(Pair("8002C000", "790B4000"))
    with pytest.raises(ConfigError, match="a digit is missing"):
        await bench.status(Pair("7902C00", "790B4000"))
    with pytest.raises(ConfigError, match="neither an array id"):
        SymmetrixArray("dmx", "mgmt", "79; reboot")


async def test_a_device_that_the_array_lacks_is_an_error(bench: Bench) -> None:
    with pytest.raises(ParseError, match="'0FF' was not found"):
        await bench.status(Pair("7902C000", "790FF000"))


async def test_a_status_without_track_counts_says_why(bench: Bench) -> None:
    (status,) = await bench.status(Pair("790B4000", "7902C000"))
    assert status.std_tracks is None
    assert "no track counts: Device 0B4 is a BCV" in status.note


async def test_check_names_what_is_missing(bench: Bench) -> None:
    assert await bench.driver.check(bench.transport) == ()
    other = SymmetrixArray("dmx", "mgmt", "000187400080")
    assert "names 0 of the arrays" in (await other.check(bench.transport))[0]
    bench.array.microcode = "5977.945"
    assert "ended with 5977" in (await bench.driver.check(bench.transport))[0]
    assert [emulated(m) for m in ("5671", "5874", "5876.268", "5977")] == [False, True, True, False]


async def test_a_prediction_can_be_planned_from(bench: Bench) -> None:
    await bench.establish()
    (status, _) = await bench.status()
    split = bench.driver.predict(status, PairState.SPLIT, split_id=MARK.id)
    assert (split.state, split.ready, split.split_id) == (PairState.SPLIT, False, MARK.id)
    (ready,) = bench.driver.ready((split,))
    await bench.send((*bench.driver.split((status,), MARK), ready))
    assert bench.bcvs[0].ready
    assert bench.driver.finish(PAIRS, PairState.SPLIT) is None


async def test_a_script_leaves_nothing_behind_and_waits_for_no_late_value(bench: Bench) -> None:
    await bench.establish()
    (step,) = bench.driver.split(await bench.status(), MARK)
    await bench.send((step,))
    assert bench.transport.left == []
    assert step.command is not None
    assert "@{" not in step.command.script
    assert step.command.effect is Effect.CHANGE


@pytest.mark.parametrize(
    "shell", [["dash", "-n"], ["mksh", "-n"], ["posh", "-n"], ["busybox", "ash", "-n"]], ids=lambda s: s[0]
)
async def test_the_scripts_are_plain_sh(bench: Bench, shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"needs {shell[0]}")
    await bench.split()
    statuses = await bench.status()
    steps = (*bench.driver.establish(statuses), *bench.driver.restore(statuses), *bench.driver.ready(statuses))
    for step in steps:
        assert step.command is not None
        assert "$(" not in step.command.script
        subprocess.run(  # noqa: ASYNC221  a moment
            shell, input=step.command.script.encode(), check=True, capture_output=True
        )
