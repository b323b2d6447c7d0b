"""The AIX driver on documented output, and on emulated hosts whose disks are copied as a split would."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ParseError, Refused
from core.hosts import HostRef, ImportRequest, Mount
from core.model import HostFacts
from core.plan import Step
from core.transport import bind
from hostdrivers.aix import AixDriver
from hostdrivers.aix_discovery import columns, control_block, dotted, pvid_of, stanzas
from hostdrivers.emulated import filesystem
from hostdrivers.emulated.aix import Aix
from hostdrivers.emulated.aix_groups import put_pvid
from hostdrivers.emulated.estate import text_files
from hostdrivers.emulated.machine import Slot
from tests.hostdrivers.machines import MemoryDisk, complaints, facts, run, step

MB = 1 << 20
DRIVER = AixDriver()
POINTS = ("/testvg2/mntpt1", "/testvg2/mntpt1/mntpt2", "/testvg2-3", "/testvg2-4")


class Pair:
    """A source with the layout of the seed's table 3 and a second group, and a target that sees the copies."""

    def __init__(self) -> None:
        """Not split yet."""
        serials = ("37006000", "37007000", "37008000")
        self.stds = [MemoryDisk(s[2:5], 512 * MB, s) for s in serials]
        self.bcvs = [MemoryDisk(f"0D{n}", 512 * MB, f"370D{n}000", bcv=True, ready=False) for n in (6, 7, 8)]
        self.source = Aix("aixprod", [Slot(d) for d in self.stds])
        self.source.create_group("testvg2-2", ["hdisk1"], 4 * MB)
        self.source.create_volume("testvg2-2", "loglv02", "jfslog", 1)
        for number, point in enumerate(POINTS, 1):
            self.source.create_volume("testvg2-2", f"testvg2-lv{number:02d}", "jfs", 25, mount=point, log="loglv02")
            self.mount(f"/dev/testvg2-lv{number:02d}", point, "jfs")
        self.source.create_group("ledgervg", ["hdisk2", "hdisk3"], 8 * MB)
        self.source.create_volume("ledgervg", "ledgerlog", "jfs2log", 1)
        self.source.create_volume("ledgervg", "ledgerlv", "jfs2", 8, mount="/ledger", log="ledgerlog", on=[0, 1])
        self.mount("/dev/ledgerlv", "/ledger", "jfs2")
        self.target = Aix("aixdr", [Slot(d, seen=False) for d in self.bcvs])
        self.ref = HostRef("aixdr", "aix")
        self.values: dict[str, str] = {}
        self.done: list[Step] = []

    def mount(self, device: str, point: str, kind: str) -> None:
        """Mount with files of their own."""
        self.source.root.mkdir(point, True)
        self.source.mount_checked(device, point, kind, {"rw": ""})
        for name, data in text_files(device.rsplit("/", 1)[-1], 3, 5000).items():
            self.source.write_file(f"{point}/{name}", data)

    def split(self) -> None:
        """All at one instant, with the filesystems mounted: as after a power failure."""
        self.source.sync()
        for std, bcv in zip(self.stds, self.bcvs, strict=True):
            bcv.split_from(std)

    async def request(self, group: str, bcvs: list[str], found: HostFacts | None = None) -> ImportRequest:
        """What the planner would ask."""
        found = found or await facts(DRIVER, self.source)
        one = found.group(group)
        assert one is not None
        mounts = [
            Mount(f.volume, f.kind, "/copy" + f.mount_point, f.mount_point) for f in found.filesystems if f.group == group
        ]
        ids = tuple((serial, p.uuid) for serial, p in zip(bcvs, one.physical, strict=True))
        return ImportRequest(one, f"{group}_b", ids, mounts=tuple(sorted(mounts, key=lambda m: m.mount_point)), prefix="/copy")

    async def do(self, one: Step) -> tuple[int | None, str]:
        """A step's command; its exit status and errors."""
        result = await step(self.target, one.command, self.values)
        self.done.append(one)
        return result.exit_status, result.stderr

    async def up(self, *requests: ImportRequest) -> None:
        """Everything for these groups."""
        steps = [DRIVER.attach(self.ref, tuple(s for r in requests for s, _ in r.bcvs))]
        for request in requests:
            steps += [DRIVER.import_group(self.ref, request), DRIVER.activate(self.ref, request)]
            steps += [DRIVER.mount(self.ref, request, m) for m in request.mounts]
        for one in steps:
            code, err = await self.do(one)
            assert code == 0, (one.id, err)

    async def down(self) -> None:
        """Every undo, last first."""
        for one in reversed(self.done):
            result = await step(self.target, one.undo, self.values)
            assert result.exit_status == 0, (one.id, result.stderr)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def files(machine: Aix, top: str, skip: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Every file below a directory."""
    return {
        path[len(top) :]: machine.root.read_file(path)
        for path, known in filesystem.walk(machine.root, top)
        if known["file_type"] == "file" and not any(path.startswith(s + "/") for s in skip)
    }


# --- discovery --------------------------------------------------------------------------------------------------------


async def test_the_layout_of_the_seeds_table_is_discovered(pair: Pair) -> None:
    found = await facts(DRIVER, pair.source)
    group = found.group("testvg2-2")
    assert group is not None
    assert (group.extent_size, group.pv_count, len(group.uuid)) == (4 * MB, 1, 32)
    assert [(p.path, p.device_serial, p.size) for p in group.physical] == [("/dev/hdisk1", "37006000", 127 * 4 * MB)]
    assert [(v.name, v.size, v.devices, v.kind) for v in group.volumes if v.name != "loglv02"] == [
        (f"testvg2-lv{n:02d}", 100 * MB, ("/dev/hdisk1",), "linear") for n in range(1, 5)
    ]
    assert [(f.volume, f.kind, f.mount_point, f.log, f.mounted, f.in_table) for f in found.filesystems][:4] == [
        (f"testvg2-lv{n:02d}", "jfs", point, "loglv02", True, True) for n, point in enumerate(POINTS, 1)
    ]
    two = found.group("ledgervg")
    assert two is not None
    assert {v.name: v.devices for v in two.volumes}["ledgerlv"] == ("/dev/hdisk2", "/dev/hdisk3")


async def test_a_group_that_is_varied_off_is_known_by_its_disks_only(pair: Pair) -> None:
    await run(pair.source, "umount /ledger; varyoffvg ledgervg")
    group = (await facts(DRIVER, pair.source)).group("ledgervg")
    assert group is not None
    assert (group.uuid, group.volumes, len(group.physical)) == ("", (), 2)
    with pytest.raises(Refused, match="varied off"):
        DRIVER.import_group(pair.ref, ImportRequest(group, "x", ()))


async def test_two_disks_of_one_identity_are_warned_of(pair: Pair) -> None:
    put_pvid(pair.stds[2], pair.source.hdisks["hdisk1"].pvid)
    await run(pair.source, "umount /ledger; varyoffvg ledgervg; rmdev -dl hdisk3; cfgmgr")
    assert "hdisk1 and hdisk3 carry one identity" in (await facts(DRIVER, pair.source)).warnings[0]


async def test_a_report_that_is_cut_or_of_another_form_is_an_error_that_says_where(pair: Pair) -> None:
    whole = await run(pair.source, DRIVER.discovery(pair.ref).script)
    for old, new, words in (
        ("finished", "cut", "not whole"),
        ("testvg2-2       active", "testvg2-2 x y z", "lspv"),
        ("TOTAL PPs:", "TOTAL Ps:", "lsvg testvg2-2"),
        ("mounted over", "mounted", "no header"),
    ):
        changed = whole.stdout.replace(old, new)
        assert changed != whole.stdout
        with pytest.raises(ParseError, match=words):
            DRIVER.parse_discovery(pair.ref, replace(whole, stdout=changed))


def test_documented_output_is_read() -> None:
    text = (
        "VOLUME GROUP:       rootvg                   VG IDENTIFIER:  000dda6e0000d600000001119e467657\n"
        "VG STATE:           active                   PP SIZE:        32 megabyte(s)\n"
        "VG PERMISSION:      read/write               TOTAL PPs:      798 (25536 megabytes)\n"
        "LTG size (Dynamic): 256 kilobyte(s)          AUTO SYNC:      no\n"
    )
    words = columns(text)
    assert words["VG IDENTIFIER"] == "000dda6e0000d600000001119e467657"
    assert (words["PP SIZE"], words["TOTAL PPs"]) == ("32 megabyte(s)", "798 (25536 megabytes)")
    shifted = columns(
        "LV IDENTIFIER:      00c6ce9d00004c000000014302ee7629.14 PERMISSION:     read/write\nMOUNT POINT:        N/A LABEL:          x\n"
    )
    assert shifted["LV IDENTIFIER"] == "00c6ce9d00004c000000014302ee7629.14"
    assert shifted["MOUNT POINT"] == "N/A"
    assert pvid_of("00000080   00021AC8 E561D594 00000000 00000000  |.....a..........|\n") == "00021ac8e561d594"
    assert pvid_of("0516-024 lquerypv: Unable to open\n") == ""
    assert (
        dotted("        Serial Number...............71V0D000\n        EC Level....................604212\n")["Serial Number"]
        == "71V0D000"
    )
    assert control_block("\t fs = log=/dev/hd8:mount=automatic:type=bootfs:vol=/usr:free=false \n")["fs"].startswith(
        "log=/dev/hd8:"
    )
    assert stanzas("* comment\n/mnt:\n\tdev\t= /dev/lv\n\tlog = /dev/l\n")["/mnt"] == {"dev": "/dev/lv", "log": "/dev/l"}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["jfs2", "jfs", "raw"]), st.integers(1, 6), st.integers(1, 2)), min_size=1, max_size=5)
)
async def test_any_layout_comes_back_from_the_emulators_output(layout: list[tuple[str, int, int]]) -> None:
    disks = [MemoryDisk(f"01{n}", 128 * MB, f"3701{n}000") for n in (0, 1)]
    host = Aix("any", [Slot(d) for d in disks])
    host.create_group("anyvg", ["hdisk1", "hdisk2"], MB)
    host.create_volume("anyvg", "log", "jfs2log", 1)
    wanted: dict[str, tuple[int, tuple[str, ...], str, str]] = {"log": (MB, ("/dev/hdisk1",), "", "")}
    for number, (kind, size, spread) in enumerate(layout):
        mount = "" if kind == "raw" else f"/m{number}"
        host.create_volume("anyvg", f"lv{number}", kind, size * spread, mount=mount, log="log", on=list(range(spread)))
        wanted[f"lv{number}"] = (size * spread * MB, ("/dev/hdisk1", "/dev/hdisk2")[:spread], mount, "" if not mount else kind)
    found = await facts(DRIVER, host)
    group = found.group("anyvg")
    assert group is not None
    points = {f.volume: (f.mount_point, f.kind) for f in found.filesystems}
    assert {v.name: (v.size, v.devices, *points.get(v.name, ("", ""))) for v in group.volumes} == wanted


# --- a copy comes up and goes -----------------------------------------------------------------------------------------


async def test_a_copy_comes_up_with_equal_files_and_goes_without_a_trace(pair: Pair) -> None:
    request = await pair.request("testvg2-2", ["370D6000"])
    second = await pair.request("ledgervg", ["370D7000", "370D8000"])
    before = (await run(pair.target, "cat /etc/filesystems; lspv; ls /")).stdout
    pair.split()
    images = [dict(d.tracks) for d in pair.bcvs]
    await pair.up(request, second)
    for point in ("/testvg2/mntpt1", "/testvg2-3", "/testvg2-4", "/ledger"):
        assert files(pair.target, "/copy" + point) == files(pair.source, point) != {}
    assert pair.values["vg_uuid.testvg2-2"] == request.group.uuid, "importvg keeps the identity"
    await pair.down()
    assert (await run(pair.target, "cat /etc/filesystems; lspv; ls /")).stdout == before
    assert all(
        d.read(0, 4096) == b"".join(i.get(0, bytes(32768))[:4096] for _ in (1,)) for d, i in zip(pair.bcvs, images, strict=True)
    )
    pair.done.clear()
    await pair.up(request)


async def test_where_another_disk_has_the_same_identity_the_copy_gets_one_of_its_own(pair: Pair) -> None:
    other = MemoryDisk("0EE", 512 * MB, "370EE000")
    pair.target.slots.append(Slot(other, seen=False))
    request = await pair.request("testvg2-2", ["370D6000"])
    pair.split()
    other.split_from(pair.stds[0])
    await pair.up(request)
    assert pair.values["vg_uuid.testvg2-2"] != request.group.uuid
    assert files(pair.target, "/copy/testvg2-4") == files(pair.source, "/testvg2-4")
    assert other.tracks == pair.stds[0].tracks, "the other copy is untouched"
    await pair.down()
    pair.done.clear()
    await pair.do(DRIVER.attach(pair.ref, ("370D6000",)))
    code, err = await pair.do(DRIVER.import_group(pair.ref, request))
    assert code == 90
    assert "given an identity of its own (establish it and split again)" in err


async def test_every_undo_is_harmless_when_nothing_was_done(pair: Pair) -> None:
    request = await pair.request("testvg2-2", ["370D6000"])
    steps = [DRIVER.import_group(pair.ref, request), DRIVER.activate(pair.ref, request)]
    steps += [DRIVER.mount(pair.ref, request, m) for m in request.mounts]
    pair.split()
    await pair.do(DRIVER.attach(pair.ref, ("370D6000",)))
    for one in steps:
        result = await step(pair.target, one.undo, pair.values)
        assert result.exit_status == 0, result.stderr


# --- what is refused --------------------------------------------------------------------------------------------------


async def refused(pair: Pair, group: str, bcvs: list[str], words: str) -> None:
    """Attached, then the import is refused with these words, and nothing on the disks has changed."""
    request = await pair.request(group, bcvs)
    await pair.do(DRIVER.attach(pair.ref, tuple(bcvs)))
    before = [dict(d.tracks) for d in pair.bcvs]
    code, err = await pair.do(DRIVER.import_group(pair.ref, request))
    assert (code, [dict(d.tracks) for d in pair.bcvs]) == (90, before)
    assert words in err


async def test_swapped_devices_are_refused(pair: Pair) -> None:
    pair.split()
    await refused(pair, "ledgervg", ["370D8000", "370D7000"], "carries physical volume")


async def test_another_group_under_the_right_serial_is_refused(pair: Pair) -> None:
    pair.split()
    pair.bcvs[0].split_from(pair.stds[1])
    await refused(pair, "testvg2-2", ["370D6000"], "the map says")


async def test_a_group_id_that_differs_is_refused(pair: Pair) -> None:
    pair.split()
    keep = await pair.request("testvg2-2", ["370D6000"])
    put_pvid(pair.bcvs[1], keep.bcvs[0][1])
    pair.bcvs[0].ready = False
    pair.bcvs[1].serial = "370D6000"
    await pair.do(DRIVER.attach(pair.ref, ("370D6000",)))
    code, err = await pair.do(DRIVER.import_group(pair.ref, keep))
    assert (code, "carries group" in err) == (90, True)


async def test_a_bcv_that_is_not_ready_does_not_appear(pair: Pair) -> None:
    code, err = await pair.do(DRIVER.attach(pair.ref, ("370D6000",)))
    assert code == 90
    assert "there is no disk with serial 370D6000" in err


async def test_a_serial_that_two_disks_give_is_refused(pair: Pair) -> None:
    pair.split()
    pair.bcvs[1].serial = "370D6000"
    code, err = await pair.do(DRIVER.attach(pair.ref, ("370D6000",)))
    assert (code, "more than one disk" in err) == (90, True)


async def test_a_missing_disk_of_the_group_is_refused_by_the_import(pair: Pair) -> None:
    request = await pair.request("ledgervg", ["370D7000", "370D8000"])
    pair.split()
    pair.bcvs[2].ready = False
    await pair.do(DRIVER.attach(pair.ref, ("370D7000",)))
    code, err = await pair.do(DRIVER.import_group(pair.ref, request))
    assert (code, "there is no disk with serial 370D8000" in err) == (90, True)


async def test_a_taken_group_name_and_a_taken_volume_name_are_refused(pair: Pair) -> None:
    extra = [MemoryDisk(f"0F{n}", 64 * MB, f"370F{n}000") for n in (1, 2)]
    pair.target.slots += [Slot(disk) for disk in extra]
    names = [pair.target.configure(slot).name for slot in pair.target.slots[-2:]]
    pair.split()
    pair.target.create_group("ledgervg_b", names[:1], MB)
    await refused(pair, "ledgervg", ["370D7000", "370D8000"], "there is a group ledgervg_b")
    await run(pair.target, "varyoffvg ledgervg_b; exportvg ledgervg_b")
    pair.target.create_group("othervg", names[1:], MB)
    pair.target.create_volume("othervg", "ledgerlv", "jfs2", 1)
    await refused(pair, "ledgervg", ["370D7000", "370D8000"], "there is a logical volume ledgerlv")


async def test_a_bcv_in_use_is_refused_and_not_removed(pair: Pair) -> None:
    request = await pair.request("testvg2-2", ["370D6000"])
    pair.split()
    await pair.up(request)
    code, err = await pair.do(DRIVER.attach(pair.ref, ("370D6000",)))
    assert (code, "is in group testvg2-2_b" in err) == (90, True)
    undo = await step(pair.target, pair.done[0].undo, pair.values)
    assert undo.exit_status == 90


async def test_a_torn_copy_is_found_by_fsck_and_not_mounted(pair: Pair) -> None:
    request = await pair.request("ledgervg", ["370D7000", "370D8000"])
    pair.split()
    pair.source.write_file("/ledger/late", b"x" * 50000)
    pair.source.sync()
    first = next(v for v in pair.source.group_facts("ledgervg").volumes if v.name == "ledgerlv").pieces[0][1]
    header = (MB + first * 8 * MB) // 32768
    pair.bcvs[1].tracks[header] = pair.stds[1].tracks[header]  # one track of a later instant: the header, not the files
    await pair.do(DRIVER.attach(pair.ref, ("370D7000", "370D8000")))
    await pair.do(DRIVER.import_group(pair.ref, request))
    await pair.do(DRIVER.activate(pair.ref, request))
    code, err = await pair.do(DRIVER.mount(pair.ref, request, request.mounts[0]))
    assert (code, "the copy is not whole" in err) == (1, True), err
    assert pair.target.mounts == {}


async def test_a_guarded_copy_is_mounted_after_fsck(pair: Pair) -> None:
    request = await pair.request("ledgervg", ["370D7000", "370D8000"])
    await run(pair.source, "chfs -a mountguard=yes /ledger")
    pair.split()
    await pair.up(request)
    assert files(pair.target, "/copy/ledger") == files(pair.source, "/ledger")


async def test_a_name_that_is_too_long_is_refused_before_anything_is_sent(pair: Pair) -> None:
    request = await pair.request("testvg2-2", ["370D6000"])
    with pytest.raises(Refused, match="15 at most"):
        DRIVER.import_group(pair.ref, ImportRequest(request.group, "testvg2-2_on_the_target", request.bcvs))


# --- freeze, and the scripts themselves -------------------------------------------------------------------------------


async def test_every_script_is_one_that_any_posix_shell_reads(pair: Pair) -> None:
    request = await pair.request("testvg2-2", ["370D6000"])
    steps = [DRIVER.attach(pair.ref, ("370D6000",)), DRIVER.import_group(pair.ref, request), DRIVER.activate(pair.ref, request)]
    steps += [DRIVER.mount(pair.ref, request, m) for m in request.mounts]
    commands = [c for s in steps for c in (s.command, s.undo) if c is not None]
    commands += [DRIVER.discovery(pair.ref), DRIVER.check(pair.ref), DRIVER.freeze(pair.ref, ("/a b", "/a b/c"), 9)]
    values = {"vg_uuid.testvg2-2": "u"}
    for command in commands:
        text = bind(command, values).script
        assert "$(" not in text
        assert complaints(text) == "", command.title


async def test_check_names_what_is_missing(pair: Pair) -> None:
    result = await run(pair.target, DRIVER.check(pair.ref).script)
    assert "missing" not in result.stdout, result.stdout
