"""The emulated Symmetrix and its SYMCLI: bytes, states, and every refusal."""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Iterator
from pathlib import Path

import pytest

from hostdrivers.emulated.array import TRACK, Array, Disk, Impossible, NotReady, Word
from hostdrivers.emulated.management import Management
from hostdrivers.emulated.program import Answer, Call, Usage
from hostdrivers.emulated.symcli import programs
from tests.hostdrivers.machines import run

SID = "000187400079"
FILES = {
    "/pairs": b"02C 0B4\n0002D 0B5 # the second\n",
    "/one": b"02C 0B4\n",
    "/wrong-way": b"0B4 02C\n",
    "/other": b"02D 0B4\n",
    "/three": b"02C 0B4 0B5\n",
    "/empty": b"# nothing\n",
    "/twice": b"02C 0B4\n02D 0B4\n",
    "/unknown": b"02C 0FF\n",
}
ROW = re.compile(r"^(\S+)\s+([0-9A-F]{3,5})\s+(\d+|-)\s+(\S+)\s+([0-9A-F]{3,5})\s*(\*)?\s+(\d+|-)\s+(\S+)$")


class Bench:
    """An array with two standards and three BCVs, a clock that a test moves, and SYMCLI."""

    def __init__(self, root: Path) -> None:
        self.time = 1_000_000_000.0
        self.array = Array(root, SID, now=lambda: self.time, rate=10.0)
        self.std, self.other = self.array.add_device("02C", 4), self.array.add_device("02D", 4)
        self.bcv, self.second = self.array.add_device("0B4", 4, True), self.array.add_device("0B5", 4, True)
        self.third = self.array.add_device("0B6", 4, True)
        self.table = programs(self.array, self.read)

    def read(self, path: str) -> bytes:
        if path not in FILES:
            raise FileNotFoundError(path)
        return FILES[path]

    async def call(self, line: str, env: dict[str, str] | None = None) -> Answer:
        name, *argv = line.split()
        try:
            answer = self.table[name](Call(name, tuple(argv), env=env or {}))
            return await answer if isinstance(answer, Awaitable) else answer
        except Usage as wrong:
            return Answer("", wrong.text, wrong.code)

    async def good(self, line: str) -> str:
        answer = await self.call(line)
        assert answer.code == 0, (line, answer)
        assert isinstance(answer.out, str)
        return answer.out

    def pass_time(self, seconds: float = 100.0) -> None:
        self.time += seconds

    def word(self, bcv: Disk | None = None) -> Word:
        chosen = bcv or self.bcv
        relation = self.array.relations.get(chosen.number)
        return self.array.word(self.std if relation is None else relation.std, chosen)

    def synchronise(self, *pairs: tuple[Disk, Disk]) -> None:
        self.array.establish(pairs or [(self.std, self.bcv)], full=True)
        self.pass_time()
        self.array.settle()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.array.close()


def track(byte: int) -> bytes:
    return bytes([byte]) * TRACK


def test_a_device_has_a_serial_that_names_its_array_and_number(bench: Bench) -> None:
    assert (bench.std.serial, bench.bcv.serial) == ("7902C000", "790B4000")
    assert bench.array.by_serial("790B4000") is bench.bcv
    assert bench.std.size == 4 * 480 * 1024


def test_a_device_keeps_bytes_and_stays_sparse(bench: Bench, tmp_path: Path) -> None:
    bench.std.write(5 * TRACK - 2, b"abcd")
    assert bench.std.read(5 * TRACK - 3, 6) == b"\0abcd\0"
    assert bench.std.written == {4, 5}
    assert (tmp_path / SID).stat().st_blocks * 512 < bench.std.size


def test_a_device_has_an_end(bench: Bench) -> None:
    with pytest.raises(ValueError, match="beyond"):
        bench.std.write(bench.std.size - 1, b"ab")
    with pytest.raises(ValueError, match="beyond"):
        bench.std.read(-1, 1)


def test_a_full_establish_copies_written_tracks_and_clears_the_others(bench: Bench) -> None:
    bench.std.write(3 * TRACK, track(7))
    bench.bcv.write(9 * TRACK, track(9))
    bench.synchronise()
    assert bench.bcv.image() == bench.std.image()
    assert bench.bcv.written == {3}


def test_a_copy_takes_its_time_and_host_writes_meanwhile_arrive(bench: Bench) -> None:
    bench.std.write(0, track(1))
    bench.array.establish([(bench.std, bench.bcv)], full=True)
    bench.pass_time(3.0)
    assert bench.word() is Word.SYNC_IN_PROG
    relation = bench.array.relation(bench.std, bench.bcv)
    assert relation is not None
    assert relation.columns() == (0, 30)
    bench.std.write(0, track(2))
    bench.pass_time(3.0)
    assert bench.word() is Word.SYNC_IN_PROG
    bench.pass_time(1.0)
    assert bench.word() is Word.SYNCHRONIZED
    assert bench.bcv.image() == bench.std.image()
    bench.std.write(TRACK, track(3))
    assert bench.bcv.image() == bench.std.image()


def test_a_bcv_is_not_ready_while_it_is_established(bench: Bench) -> None:
    bench.synchronise()
    assert not bench.bcv.ready
    with pytest.raises(NotReady):
        bench.bcv.read(0, 1)
    bench.array.split([(bench.std, bench.bcv)])
    assert bench.bcv.ready


def test_a_split_isolates_and_each_side_has_its_track_table(bench: Bench) -> None:
    bench.synchronise()
    bench.array.split([(bench.std, bench.bcv)])
    before = bench.bcv.image()
    bench.std.write(TRACK, track(1) * 2)
    assert bench.bcv.image() == before
    bench.bcv.write(7 * TRACK, b"x")
    relation = bench.array.relation(bench.std, bench.bcv)
    assert relation is not None
    assert relation.columns() == (2, 1)
    bench.array.establish([(bench.std, bench.bcv)])
    assert list(relation.todo) == [1, 2, 7]
    bench.pass_time()
    assert bench.word() is Word.SYNCHRONIZED
    assert bench.bcv.image() == bench.std.image()


def test_all_pairs_of_a_split_have_one_time(bench: Bench) -> None:
    pairs = [(bench.std, bench.bcv), (bench.other, bench.second)]
    bench.synchronise(*pairs)
    ticks = iter(range(1, 1000))
    bench.array.now = lambda: bench.time + next(ticks)
    bench.array.split(pairs)
    assert len({r.last_action for r in bench.array.relations.values()}) == 1


@pytest.mark.parametrize("protect", [True, False])
def test_a_restore_brings_the_standard_back_and_protects_the_bcv_when_asked(bench: Bench, protect: bool) -> None:
    bench.std.write(0, track(1))
    bench.synchronise()
    bench.array.split([(bench.std, bench.bcv)])
    kept = bench.bcv.image()
    bench.std.write(0, track(2))
    bench.array.restore([(bench.std, bench.bcv)], protect=protect)
    assert bench.word() is Word.REST_IN_PROG
    assert bench.std.read(0, TRACK) == track(1), "usable at once"
    bench.pass_time()
    assert bench.word() is Word.RESTORED
    assert bench.std.image() == kept
    bench.std.write(5 * TRACK, track(5))
    assert (bench.bcv.image() == kept) is protect
    bench.array.split([(bench.std, bench.bcv)])
    relation = bench.array.relation(bench.std, bench.bcv)
    assert relation is not None
    assert relation.columns() == (1 if protect else 0, 0)


def test_several_bcvs_of_one_standard_have_track_tables_of_their_own(bench: Bench) -> None:
    bench.synchronise((bench.std, bench.bcv))
    bench.array.split([(bench.std, bench.bcv)])
    bench.std.write(0, track(1))
    bench.synchronise((bench.std, bench.second))
    bench.array.split([(bench.std, bench.second)])
    bench.std.write(TRACK, track(2))
    columns = [r.columns() for r in bench.array.relations.values()]
    assert columns == [(2, 0), (1, 0)]
    bench.array.restore([(bench.std, bench.second)])
    bench.pass_time()
    bench.array.settle()
    assert bench.array.relations["0B4"].std_changed == {0, 1}


def test_a_forced_split_leaves_an_unusable_copy_that_an_establish_completes(bench: Bench) -> None:
    bench.std.write(50 * TRACK, track(4))
    bench.array.establish([(bench.std, bench.bcv)], full=True)
    bench.pass_time(2.0)
    with pytest.raises(Impossible):
        bench.array.split([(bench.std, bench.bcv)])
    bench.array.split([(bench.std, bench.bcv)], force=True)
    assert bench.word() is Word.SPLIT_BEFORE_SYNC
    assert bench.bcv.image() != bench.std.image()
    bench.array.establish([(bench.std, bench.bcv)])
    bench.pass_time()
    assert bench.word() is Word.SYNCHRONIZED
    assert bench.bcv.image() == bench.std.image()


def test_a_split_that_takes_time_is_one_instant_all_the_same(bench: Bench) -> None:
    bench.array.split_time = 5.0
    bench.synchronise()
    bench.array.split([(bench.std, bench.bcv)])
    assert bench.word() is Word.SPLIT_IN_PROG
    before = bench.bcv.image()
    bench.std.write(0, track(1))
    bench.pass_time(5.0)
    assert bench.word() is Word.SPLIT
    assert bench.bcv.image() == before


def test_the_accidents_happen(bench: Bench) -> None:
    bench.array.never_synchronised.add("0B4")
    bench.synchronise((bench.std, bench.bcv), (bench.other, bench.second))
    assert (bench.word(), bench.word(bench.second)) == (Word.SYNC_IN_PROG, Word.SYNCHRONIZED)
    bench.array.stays_not_ready.add("0B5")
    bench.array.split([(bench.other, bench.second)])
    bench.array.switch(bench.second, on=True)
    assert not bench.second.ready
    bench.array.swap_serials("02C", "02D")
    assert bench.array.by_serial("7902C000") is bench.other


# --- SYMCLI ----------------------------------------------------------------------------------------------------------

ON = f"-sid {SID} -f /pairs"
SPLIT = f"symmir {ON} split -nop"


async def test_the_table_of_a_query_is_as_recorded(bench: Bench) -> None:
    await bench.good(f"symmir {ON} establish -full -nop")
    text = await bench.good("symmir -sid 79 -file /pairs query")
    rows = [match.groups() for line in text.splitlines() if (match := ROW.match(line))]
    assert rows == [
        ("N/A", "02C", "0", "N/A", "0B4", None, "60", "SyncInProg"),
        ("N/A", "02D", "0", "N/A", "0B5", None, "60", "SyncInProg"),
    ]
    total = next(line for line in text.splitlines() if "MB(s)" in line)
    assert float(total.split()[2]) == round(120 * TRACK / 2**20, 1)


async def test_a_query_in_xml_and_a_device_in_xml_have_the_documented_tags(bench: Bench) -> None:
    bench.synchronise((bench.std, bench.bcv), (bench.other, bench.second))
    root = ET.fromstring(await bench.good(f"symmir {ON} query -output xml_e"))  # noqa: S314  our own
    assert root.tag == "SymCLI_ML"
    assert [p.findtext("state") for p in root.iter("BCV_Pair")] == ["Synchronized", "Synchronized"]
    answer = await bench.call(f"symdev -sid {SID} show 0B4 -output xml_e", {"TZ": "UTC0"})
    device = ET.fromstring(str(answer.out)).find("Symmetrix/Device")  # noqa: S314  our own
    assert device is not None
    assert device.findtext("Product/serial_id") == "790B4000"
    assert device.findtext("Dev_Info/status") == "Not Ready"
    assert device.findtext("BCV_Pair/STD/dev_name") == "02C"
    assert device.findtext("BCV_Pair/last_action") == "Sun Sep 09 01:46:40 2001"


async def test_the_other_commands_answer(bench: Bench) -> None:
    assert "(SYMCLI) Version" in await bench.good("symcli")
    assert SID in await bench.good("symcfg list")
    assert re.search(r"BCV  EMC  SYMMETRIX  5671 790B4000\s+1920", await bench.good("syminq"))
    assert "Not Visible" in await bench.good(f"symdev -sid {SID} list")
    assert "NeverEstab" in await bench.good(f"symbcv -sid {SID} list")
    assert "7902C000" in await bench.good(f"symdev -sid {SID} show 0002C")
    await bench.good("symdg create g -type regular")
    await bench.good("symld -g g add dev 02C")
    await bench.good(f"symbcv -sid {SID} -g g associate dev 0B4")
    assert "BCV001" in await bench.good("symdg show g")
    assert (await bench.call("symdg delete g")).code == 1
    await bench.good("symdg delete g -force")
    assert "g" not in await bench.good("symdg list")


async def test_a_device_group_is_asked_split_and_verified_by_its_name_and_its_members_have_logical_names(bench: Bench) -> None:
    await bench.good("symdg create g -type regular")
    await bench.good("symld -g g add dev 02C")
    refused = await bench.call("symmir -g g query")
    assert (refused.code, "does not have a BCV" in refused.err) == (1, True)
    await bench.good("symbcv -g g associate dev 0B4")
    assert "for device group 'g'" in await bench.good("symmir -g g establish -full -nop")
    bench.time += 1000
    out = await bench.good("symmir -g g query")
    assert "Device Group (DG) Name: g" in out
    (row,) = [ROW.match(" ".join(line.split())) for line in out.splitlines() if line.startswith("DEV")]
    assert row is not None
    assert row.groups() == ("DEV001", "02C", "0", "BCV001", "0B4", "*", "0", "Synchronized")
    assert "All devices in the group 'g'" in await bench.good("symmir -g g verify -synched")
    await bench.good("symmir -g g split -consistent -nop")
    assert (await bench.call("symmir -g g verify")).code == 5
    assert (await bench.call("symmir -g g -f /one -sid 79 query")).code == 1
    assert (await bench.call("symmir -g other query")).code == 1


async def test_device_groups_outlive_one_shell_of_the_management_host(tmp_path: Path) -> None:
    array = Array(tmp_path, SID)
    array.add_device("02C", 4)
    host = Management("symadm", array)
    assert (await run(host, "symdg create g -type regular")).exit_status == 0
    assert (await run(host, "symld -g g add dev 02C")).exit_status == 0
    assert "DEV001" in (await run(host, "symdg show g")).stdout


async def test_control_says_please_wait_and_how_it_ended(bench: Bench) -> None:
    text = await bench.good(f"symmir {ON} establish -full -nop")
    assert "'Full Establish' operation execution is in progress" in text
    assert "Please wait..." in text
    assert "successfully initiated" in text
    bench.pass_time()
    assert "successfully executed" in await bench.good(f"symmir {ON} split -consistent -instant -not_ready -noprompt")
    assert not bench.bcv.ready
    await bench.good(f"symdev ready -sid {SID} -devs 0B4,0B5 -nop")
    assert bench.bcv.ready


@pytest.mark.parametrize(
    ("state", "line", "code", "start"),
    [
        (Word.SPLIT, "-split", 0, "All"),
        (Word.SYNCHRONIZED, "-split", 25, "Not all"),
        (None, "-split", 26, "None"),
        (Word.SYNC_IN_PROG, "-syncinprog", 27, "Not all"),
        (Word.RESTORED, "", 4, "Not all"),
        (Word.SPLIT, "", 5, "None"),
        (Word.RESTORED, "-restored -i 30 -c 100000", 1, "Not all"),
    ],
)
async def test_verify_ends_as_documented(bench: Bench, state: Word | None, line: str, code: int, start: str) -> None:
    if state is not None:
        bench.array.set_word("02D", "0B5", Word.SPLIT)
        bench.array.set_word("02C", "0B4", state)
    answer = await bench.call(f"symmir {ON} verify {line}")
    assert answer.code == code
    assert str(answer.out).splitlines()[1].startswith(start)


async def test_verify_looks_again_while_the_clock_moves(bench: Bench) -> None:
    bench.array.establish([(bench.std, bench.bcv)], full=True)
    clock = iter(range(10_000))
    bench.array.now = lambda: bench.time + next(clock)
    await bench.good(f"symmir -sid {SID} -f /one verify -synched -i 1 -c 1000")


REFUSED = [
    ("no action", f"symmir -sid {SID} -f /pairs", "invalid action"),
    ("an unknown action", f"symmir -sid {SID} -f /pairs mirror", "invalid action"),
    ("an unknown option", f"symmir {ON} query -fast", "invalid option"),
    ("an option of another action", f"symmir {ON} establish -consistent -nop", "invalid option"),
    ("an option that is not emulated", f"symmir {ON} split -reverse -nop", "not emulated"),
    ("remote sides", f"symmir {ON} split -consistent -both_sides -nop", "not emulated"),
    ("an option without its value", "symmir query -sid 79 -f", "needs a value"),
    ("an option twice", f"symmir {ON} query -sid 79", "twice"),
    ("an operand too many", f"symmir {ON} query 02C", "invalid arguments"),
    ("no array", "symmir -f /pairs query", "needs -sid"),
    ("no device file", f"symmir -sid {SID} query", "needs -f"),
    ("another array", "symmir -sid 000187400078 -f /pairs query", "was not found"),
    ("one digit of an array", "symmir -sid 9 -f /pairs query", "was not found"),
    ("six digits of an array", "symmir -sid 400079 -f /pairs query", "was not found"),
    ("XML in attributes", f"symmir {ON} query -output xml", "use xml_e"),
    ("a count that is none", f"symmir {ON} verify -i 5 -c many", "no number"),
    ("two states at once", f"symmir {ON} verify -split -synched", "only one state"),
    ("a device file that is not there", f"symmir -sid {SID} -f /missing query", "Cannot open"),
    ("a line of three columns", f"symmir -sid {SID} -f /three query", "a standard and a BCV"),
    ("an empty device file", f"symmir -sid {SID} -f /empty query", "no pairs"),
    ("one BCV twice", f"symmir -sid {SID} -f /twice query", "one BCV twice"),
    ("a device that is not there", f"symmir -sid {SID} -f /unknown query", "'0FF' was not found"),
    ("a BCV as the standard", f"symmir -sid {SID} -f /wrong-way establish -full -nop", "is a BCV"),
    ("a change without -nop", f"symmir {ON} establish -full", "not confirmed"),
    ("an incremental establish of what never was one", f"symmir {ON} establish -nop", "NeverEstab"),
    ("a split of what was never established", SPLIT, "NeverEstab"),
    ("a restore of what was never established", f"symmir {ON} restore -full -nop", "NeverEstab"),
    ("a cancel of what was never established", f"symmir {ON} cancel -nop", "NeverEstab"),
    ("syminq's other options", "syminq -identifier device_name", "invalid option"),
    ("a device name that is none", f"symdev -sid {SID} show 2C", "Invalid Symmetrix device name"),
    ("a device that the array lacks", f"symdev -sid {SID} show 999", "was not found"),
    ("no devices to make ready", f"symdev -sid {SID} ready -nop", "no devices"),
    ("ready without -nop", f"symdev -sid {SID} ready -devs 0B4", "not confirmed"),
    ("a device that is ready already", f"symdev -sid {SID} ready -devs 0B4 -nop", "already in the requested state"),
    ("a group that is not there", "symdg show g", "was not found"),
    ("a group of no known type", "symdg create g -type odd", "invalid group type"),
    ("symcli with words", "symcli -x", "invalid option"),
]


@pytest.mark.parametrize(("line", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_symcli_refuses(bench: Bench, line: str, words: str) -> None:
    answer = await bench.call(line)
    assert answer.code == 1
    assert words in answer.err
    assert not bench.array.relations


STATES = [
    (Word.SYNCHRONIZED, "establish -nop"),
    (Word.SYNCHRONIZED, "establish -full -nop"),
    (Word.SYNC_IN_PROG, "establish -full -nop"),
    (Word.SYNC_IN_PROG, "split -nop"),
    (Word.SYNC_IN_PROG, "split -consistent -nop"),
    (Word.REST_IN_PROG, "split -nop"),
    (Word.RESTORED, "split -consistent -nop"),
    (Word.RESTORED, "establish -nop"),
    (Word.SPLIT, "split -nop"),
    (Word.SPLIT, "split -force -nop"),
    (Word.SPLIT_NO_INC, "establish -nop"),
    (Word.SPLIT_NO_INC, "restore -nop"),
    (Word.SPLIT_BEFORE_SYNC, "restore -full -nop"),
    (Word.SYNCHRONIZED, "restore -nop"),
    (Word.RESTORED, "restore -nop"),
    (Word.SYNCHRONIZED, "cancel -nop"),
    (Word.INVALID, "establish -nop"),
    (Word.INVALID, "restore -nop"),
    (Word.UNKNOWN, "establish -full -nop"),
    (Word.SPLIT_IN_PROG, "establish -nop"),
]


@pytest.mark.parametrize(("word", "action"), STATES)
async def test_symmir_refuses_from_another_state_and_touches_no_pair(bench: Bench, word: Word, action: str) -> None:
    bench.array.split_time = 1e9
    bench.array.rate = 0.0
    good = {"split": Word.SYNCHRONIZED, "cancel": Word.SPLIT}.get(action.split()[0], Word.SPLIT)
    bench.array.set_word("02C", "0B4", good)
    bench.array.set_word("02D", "0B5", word)
    answer = await bench.call(f"symmir {ON} {action}")
    assert answer.code == 1
    assert bench.array.relations["0B4"].word is good


async def test_a_bcv_of_another_standard_is_taken_over_only_in_full(bench: Bench) -> None:
    bench.synchronise((bench.std, bench.bcv))
    line = f"symmir -sid {SID} -f /other establish -nop"
    assert "is paired with device 02C" in (await bench.call(f"{line} -full")).err
    bench.array.split([(bench.std, bench.bcv)])
    assert "is paired with device 02C" in (await bench.call(line)).err
    await bench.good(f"{line} -full")
    assert bench.word() is Word.SYNC_IN_PROG
    assert bench.array.word(bench.std, bench.bcv) is Word.NEVER


async def test_a_standard_with_a_coupled_bcv_is_not_restored(bench: Bench) -> None:
    bench.synchronise((bench.std, bench.bcv), (bench.std, bench.third))
    bench.array.split([(bench.std, bench.bcv)])
    with pytest.raises(Impossible, match="0B6 in the Synchronized state"):
        bench.array.restore([(bench.std, bench.bcv)])


async def test_a_held_bcv_cannot_be_made_ready(bench: Bench) -> None:
    bench.synchronise()
    assert "held" in (await bench.call(f"symdev -sid {SID} not_ready -devs 0B4 -nop")).err


async def test_a_locked_database_ends_with_2_and_is_waited_for_with_a_count(bench: Bench) -> None:
    bench.array.locked = 2
    answer = await bench.call(f"symmir {ON} query")
    assert (answer.code, "in use" in answer.err) == (2, True)
    await bench.good(f"symmir {ON} establish -full -nop -i 1 -c 5")


async def test_a_command_that_hangs_answers_when_it_is_let_go(bench: Bench) -> None:
    bench.array.hangs["symmir query"] = asyncio.Event()
    task = asyncio.create_task(bench.good(f"symmir {ON} query"))
    await asyncio.wait([task], timeout=0.01)
    assert not task.done()
    bench.array.hangs["symmir query"].set()
    assert "NeverEstab" in await task
