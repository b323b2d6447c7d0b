"""The HP-UX driver on documented output, and on emulated hosts whose disks are copied as a split would."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ParseError, Refused
from core.hosts import HostRef, ImportRequest, Mount, OwnGroup
from core.plan import Step
from core.transport import Command, bind
from hostdrivers.emulated.estate import text_files
from hostdrivers.emulated.hpux import Hpux, identity_on, put_identity
from hostdrivers.emulated.machine import Slot
from hostdrivers.emulated.witness import digests
from hostdrivers.hpux import HpuxDriver
from hostdrivers.hpux_discovery import _physical, bdf, blocks, identity, labelled, lvmtab, minors
from hostdrivers.hpux_steps import map_of
from hostdrivers.report import Report
from tests.hostdrivers.machines import MemoryDisk, complaints, facts, run, step

MB = 1 << 20
DRIVER = HpuxDriver()


class Pair:
    """A source with the layout of the seed's table 4 and a target of 11.31 that sees the copies when they are ready."""

    def __init__(self) -> None:
        """Not split yet."""
        self.stds = [MemoryDisk(f"03{c}", 96 * MB, f"7903{c}000") for c in "ABCD"]
        self.bcvs = [MemoryDisk(f"0C{n}", 96 * MB, f"790C{n}000", bcv=True, ready=False) for n in range(2, 6)]
        self.source = Hpux("hpprod", [Slot(d, name=f"c3t8d{n}") for n, d in enumerate(self.stds, 2)])
        self.source.create_group("vgedm2", [f"c3t8d{n}" for n in range(2, 6)], 4 * MB)
        for index in range(4):
            name, point = f"lvt8d{index + 2}", f"/t8d{index + 2}"
            self.source.create_volume("vgedm2", name, "vxfs", 12, mount=point, on=[index], number=index + 1)
            self.source.root.mkdir(point, True)
            self.source.mount_checked(f"/dev/vgedm2/{name}", point, "vxfs", ["delaylog"])
            for file, data in text_files(name, 3, 5000).items():
                self.source.write_file(f"{point}/{file}", data)
        self.target = Hpux("hpdr", [Slot(d, seen=False) for d in self.bcvs], agile=True)
        self.ref = HostRef("hpdr", "hpux")
        self.values: dict[str, str] = {}
        self.done: list[Step] = []

    def split(self) -> None:
        """All at one instant, with the filesystems mounted."""
        self.source.sync()
        for std, bcv in zip(self.stds, self.bcvs, strict=True):
            bcv.split_from(std)

    async def request(self, bcvs: list[str] | None = None) -> ImportRequest:
        """What the planner would ask."""
        found = await facts(DRIVER, self.source)
        one = found.group("vgedm2")
        assert one is not None
        mounts = tuple(Mount(f.volume, f.kind, "/copy" + f.mount_point, f.mount_point) for f in found.filesystems)
        ids = tuple((s, p.uuid) for s, p in zip(bcvs or [d.serial for d in self.bcvs], one.physical, strict=True))
        return ImportRequest(one, "vgedm2_b", ids, mounts=mounts, prefix="/copy")

    async def do(self, one: Step) -> tuple[int | None, str]:
        """A step's command; its exit status and errors."""
        result = await step(self.target, one.command, self.values)
        self.done.append(one)
        return result.exit_status, result.stderr

    async def up(self, request: ImportRequest) -> None:
        """Everything for the group."""
        steps = [DRIVER.attach(self.ref, tuple(s for s, _ in request.bcvs)), DRIVER.import_group(self.ref, request)]
        steps += [DRIVER.activate(self.ref, request), *(DRIVER.mount(self.ref, request, m) for m in request.mounts)]
        for one in steps:
            code, err = await self.do(one)
            assert code == 0, (one.id, err)

    async def down(self) -> None:
        """Every undo, last first."""
        for one in reversed(self.done):
            result = await step(self.target, one.undo, self.values)
            assert result.exit_status == 0, (one.id, result.stderr)
        self.done.clear()


@pytest.fixture
def pair() -> Pair:
    return Pair()


# --- discovery --------------------------------------------------------------------------------------------------------


async def test_the_layout_is_discovered_with_identities_from_the_disks_and_numbers_of_volumes(pair: Pair) -> None:
    found = await facts(DRIVER, pair.source)
    group = found.group("vgedm2")
    assert group is not None
    assert [(p.path, p.device_serial, p.uuid) for p in group.physical] == [
        (f"/dev/dsk/c3t8d{n}", d.serial, identity_on(d)[0]) for n, d in enumerate(pair.stds, 2)
    ]
    assert group.uuid == identity_on(pair.stds[0])[1]
    assert [(v.name, v.number, v.size, v.devices) for v in group.volumes] == [
        (f"lvt8d{n}", n - 1, 48 * MB, (f"/dev/dsk/c3t8d{n}",)) for n in range(2, 6)
    ]
    assert [(f.mount_point, f.kind, f.mounted, f.in_table) for f in found.filesystems] == [
        (f"/t8d{n}", "vxfs", True, True) for n in range(2, 6)
    ]
    assert found.group("vg00") is not None, "a group that could not be shown is known by its name"


async def test_the_map_that_the_driver_makes_is_the_one_that_vgexport_would_write(pair: Pair) -> None:
    group = (await facts(DRIVER, pair.source)).group("vgedm2")
    assert group is not None
    shown = await run(
        pair.source, "vgexport -p -s -m /tmp/m /dev/vgedm2; cat /tmp/m; vgdisplay /dev/vgedm2 > /dev/null && echo there"
    )
    assert shown.stdout == map_of(group) + "\nthere\n"


async def test_new_and_old_names_of_one_device_are_one_device(pair: Pair) -> None:
    pair.split()
    await pair.do(DRIVER.attach(pair.ref, ("790C2000",)))
    found = await facts(DRIVER, pair.target)
    assert [(d.path, d.paths) for d in found.devices][:1] == [("/dev/disk/disk3", ("/dev/disk/disk3", "/dev/dsk/c5t0d0"))]
    assert pair.values["path.790C2000"] == "/dev/disk/disk3"


async def test_output_of_another_form_is_an_error_that_says_where(pair: Pair) -> None:
    whole = await run(pair.source, DRIVER.discovery(pair.ref).script)
    for old, new, words in (
        ("finished", "cut", "not whole"),
        ("7903A000 98304", "7903A000 size", "inq"),
        ("PE Size (Mbytes)", "PE Sizes", "vgdisplay -v /dev/vgedm2"),
        (
            "VG Status                   available",
            "VG Status                   bereit",
            "VG Status is a word that is not known",
        ),
        (" type vxfs ", " kind vxfs ", "mount -v"),
    ):
        changed = whole.stdout.replace(old, new)
        assert changed != whole.stdout
        with pytest.raises(ParseError, match=words):
            DRIVER.parse_discovery(pair.ref, replace(whole, stdout=changed))


def test_documented_output_is_read() -> None:
    text = (
        "--- Volume groups ---\nVG Name                     /dev/vg_new\nVG Write Access             read/write     \n"
        "VG Status                   available, exclusive      \nPE Size (Mbytes)            16              \n\n"
        "   --- Physical volumes ---\n   PV Name                     /dev/dsk/c8t0d0\n   PV Name                     /dev/dsk/c9t0d0 Alternate Link\n"
        "   PV Status                   available                \n   Total PE                    13       \n"
    )
    assert "/dev/dsk/c9t0d0 Alternate Link" in text
    (physical,) = _physical(Report("hpprod", {}), "vg_new", 16 * MB, text, {"/dev/dsk/c8t0d0": "790C2000"})
    assert (physical.path, physical.device_serial, physical.size) == ("/dev/dsk/c8t0d0", "790C2000", 13 * 16 * MB)
    (group,) = blocks(text, "VG Name")
    assert labelled(group)["VG Status"] == "available, exclusive"
    assert labelled(group)["PE Size (Mbytes)"] == "16"
    assert lvmtab("/dev/vg00\n/dev/dsk/c0t6d0\nX#4\n/dev/vgdata\n/dev/disk/disk30\n/dev/disk/disk33\n") == {
        "vg00": ("/dev/dsk/c0t6d0",),
        "vgdata": ("/dev/disk/disk30", "/dev/disk/disk33"),
    }
    assert bdf(
        "Filesystem          kbytes    used   avail %used Mounted on\nnfs:/u02/logs\n                     50412224 30266304 17585104   63% /net/out\n"
    ) == {"/net/out": 30266304 * 1024}
    assert minors("brw-r-----   1 root       sys         64 0x03000a Apr  1 10:53 lvol10\n") == {"lvol10": 10}
    assert identity("0123456789abcdef fedcba9876543210\n") == ("0123456789abcdef", "fedcba9876543210")
    assert identity("0000000000000000 0000000000000000") == ("", "")
    assert identity("short") == ("", "")


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["vxfs", "hfs", "raw"]), st.integers(1, 5), st.integers(1, 2)), min_size=1, max_size=5)
)
async def test_any_layout_comes_back_from_the_emulators_output(layout: list[tuple[str, int, int]]) -> None:
    host = Hpux("any", [Slot(MemoryDisk(f"01{n}", 128 * MB, f"7901{n}000"), name=f"c1t0d{n}") for n in (0, 1)])
    host.create_group("vgany", ["c1t0d0", "c1t0d1"], MB)
    wanted = {}
    for number, (kind, size, spread) in enumerate(layout):
        mount = "" if kind == "raw" else f"/m{number}"
        host.create_volume("vgany", f"lv{number}", kind, size * spread, mount=mount, on=list(range(spread)))
        paths = ("/dev/dsk/c1t0d0", "/dev/dsk/c1t0d1")[:spread]
        wanted[f"lv{number}"] = (size * spread * MB, paths, number + 1, mount, "" if kind == "raw" else kind)
    found = await facts(DRIVER, host)
    group = found.group("vgany")
    assert group is not None
    points = {f.volume: (f.mount_point, f.kind) for f in found.filesystems}
    assert {v.name: (v.size, v.devices, v.number, *points.get(v.name, ("", ""))) for v in group.volumes} == wanted


# --- a copy comes up and goes -----------------------------------------------------------------------------------------


async def test_a_copy_comes_up_with_equal_files_and_goes_without_a_trace_and_can_come_again(pair: Pair) -> None:
    request = await pair.request()
    before = (await run(pair.target, "cat /etc/fstab; strings /etc/lvmtab; ls /dev; ls /")).stdout
    pair.split()
    await pair.up(request)
    for n in range(2, 6):
        assert digests(pair.target, f"/copy/t8d{n}") == digests(pair.source, f"/t8d{n}") != {}
    assert pair.values["vg_uuid.vgedm2"] != request.group.uuid
    assert {identity_on(d)[1] for d in pair.bcvs} == {pair.values["vg_uuid.vgedm2"]}
    assert {identity_on(d)[1] for d in pair.stds} == {request.group.uuid}
    await pair.down()
    assert (await run(pair.target, "cat /etc/fstab; strings /etc/lvmtab; ls /dev; ls /")).stdout == before
    await pair.up(request)
    await pair.down()


async def test_the_number_of_a_group_is_hexadecimal_and_free(pair: Pair) -> None:
    for number in range(1, 10):
        pair.target.root.mkdir(f"/dev/vg{number:02d}", True)
        pair.target._group_file(f"vg{number:02d}", number)
    pair.split()
    await pair.up(await pair.request())
    assert pair.target.nodes["/dev/vgedm2_b/group"] == ("c", 64, 0x0A0000)


async def test_a_lock_that_another_import_holds_is_waited_for_and_then_named(pair: Pair) -> None:
    request = await pair.request()
    pair.split()
    await pair.do(DRIVER.attach(pair.ref, tuple(d.serial for d in pair.bcvs)))
    pair.target.root.mkdir("/var/tmp/splitmount/minor.lock", True)
    command = DRIVER.import_group(pair.ref, request).command
    assert command is not None
    quick = replace(command, prelude=command.prelude.replace("sleep 1", ":"))
    result = await step(pair.target, quick, pair.values)
    assert (result.exit_status, "another import holds" in result.stderr) == (90, True)
    assert {identity_on(d)[1] for d in pair.bcvs} == {request.group.uuid}


async def test_a_clusters_group_loses_its_mark_before_it_is_activated(pair: Pair) -> None:
    request = await pair.request()
    await run(pair.source, "vgchange -c y /dev/vgedm2")
    pair.split()
    with pytest.raises(AssertionError, match="activate"):
        await pair.up(request)
    await pair.down()
    await pair.up(replace(request, group=replace(request.group, shared=True)))


async def test_every_undo_is_harmless_when_nothing_was_done(pair: Pair) -> None:
    request = await pair.request()
    pair.split()
    await pair.do(DRIVER.attach(pair.ref, tuple(d.serial for d in pair.bcvs)))
    for one in (
        DRIVER.import_group(pair.ref, request),
        DRIVER.activate(pair.ref, request),
        DRIVER.mount(pair.ref, request, request.mounts[0]),
    ):
        result = await step(pair.target, one.undo, pair.values)
        assert result.exit_status == 0, result.stderr


# --- what is refused --------------------------------------------------------------------------------------------------


async def refused(pair: Pair, request: ImportRequest, words: str) -> None:
    """Attached, then the import is refused with these words, and nothing on the disks has changed."""
    await pair.do(DRIVER.attach(pair.ref, tuple(d.serial for d in pair.bcvs if d.ready)))
    before = [dict(d.tracks) for d in pair.bcvs]
    code, err = await pair.do(DRIVER.import_group(pair.ref, request))
    assert (code, [dict(d.tracks) for d in pair.bcvs]) == (90, before), err
    assert words in err


async def test_swapped_devices_are_refused(pair: Pair) -> None:
    request = await pair.request(["790C3000", "790C2000", "790C4000", "790C5000"])
    pair.split()
    await refused(pair, request, "carries physical volume")


async def test_a_missing_device_is_refused(pair: Pair) -> None:
    request = await pair.request()
    pair.split()
    pair.bcvs[3].ready = False
    await refused(pair, request, "there is no device with serial 790C5000")


async def test_devices_of_two_imports_are_refused(pair: Pair) -> None:
    request = await pair.request()
    pair.split()
    put_identity(pair.bcvs[1], identity_on(pair.bcvs[1])[0], "ab" * 8)
    await refused(pair, request, "they are not of one import")


async def test_a_taken_name_is_refused(pair: Pair) -> None:
    request = await pair.request()
    extra = Slot(MemoryDisk("0F1", 64 * MB, "790F1000"))
    pair.target.slots.append(extra)
    extra.name = "c9t0d0"
    pair.target.scan()
    pair.split()
    pair.target.create_group("vgedm2_b", ["c9t0d0"], MB)
    await refused(pair, request, "there is a group vgedm2_b")


async def test_a_serial_that_two_devices_give_is_refused(pair: Pair) -> None:
    pair.split()
    pair.bcvs[1].serial = "790C2000"
    code, err = await pair.do(DRIVER.attach(pair.ref, ("790C2000",)))
    assert (code, "more than one device" in err) == (90, True)


async def test_a_bcv_in_use_is_refused_and_its_files_are_not_removed(pair: Pair) -> None:
    pair.split()
    await pair.up(await pair.request())
    code, err = await pair.do(DRIVER.attach(pair.ref, ("790C2000",)))
    assert (code, "is in group vgedm2_b" in err) == (90, True)
    undo = await step(pair.target, pair.done[0].undo, pair.values)
    assert undo.exit_status == 90


def by_old_names(host: Hpux, group: str) -> None:
    """A group that was made before the host knew persistent names, and never run through vgdsf."""
    known = host.groups[group]
    known.disks = [host.block_names(host._slot(disk))[-1] for path in known.disks if (disk := host.device(path))]
    assert all(path.startswith("/dev/dsk/") for path in known.disks)
    host._write_table()


async def test_a_bcv_in_a_group_that_the_table_has_by_its_old_name_is_in_use(pair: Pair) -> None:
    pair.split()
    request = await pair.request()
    await pair.up(request)
    by_old_names(pair.target, "vgedm2_b")
    code, err = await pair.do(DRIVER.attach(pair.ref, ("790C2000",)))
    assert (code, "is in group vgedm2_b" in err) == (90, True), err
    assert (await step(pair.target, pair.done[0].undo, pair.values)).exit_status == 90
    again = await step(pair.target, DRIVER.import_group(pair.ref, replace(request, new_name="vgother")).command, pair.values)
    assert (again.exit_status, "is in group vgedm2_b" in again.stderr) == (90, True), again.stderr


async def test_volumes_without_numbers_and_groups_that_were_not_active_are_refused_before_anything_is_sent(pair: Pair) -> None:
    request = await pair.request()
    nameless = replace(request.group, volumes=tuple(replace(v, number=0) for v in request.group.volumes))
    with pytest.raises(Refused, match="numbers"):
        DRIVER.import_group(pair.ref, replace(request, group=nameless))
    with pytest.raises(Refused, match="not active"):
        DRIVER.import_group(pair.ref, replace(request, group=replace(request.group, uuid="")))
    with pytest.raises(Refused, match="no command to freeze"):
        DRIVER.freeze(pair.ref, ("/t8d2",), 9)


# --- on its own host, and the scripts themselves ----------------------------------------------------------------------


async def own(pair: Pair) -> OwnGroup:
    request = await pair.request()
    mounts = tuple(Mount(m.volume, m.kind, m.source_mount_point, m.source_mount_point) for m in request.mounts)
    return OwnGroup(request.group, mounts, tuple(d.serial for d in pair.stds))


async def test_a_group_stops_and_starts_on_its_own_host_and_a_busy_one_is_said(pair: Pair) -> None:
    mine = await own(pair)
    stop, start = DRIVER.stop_group(pair.ref, mine), DRIVER.start_group(pair.ref, mine)
    assert (await step(pair.source, stop.command, {})).exit_status == 0
    assert (pair.source.mounts, pair.source.groups["vgedm2"].active) == ({}, False)
    assert (await step(pair.source, stop.command, {})).exit_status == 0, "stopped already is well"
    assert (await step(pair.source, start.command, {})).exit_status == 0
    assert sorted(pair.source.mounts) == [f"/t8d{n}" for n in range(2, 6)]
    assert (await step(pair.source, stop.command, {})).exit_status == 0
    assert (await step(pair.source, stop.undo, {})).exit_status == 0
    assert len(pair.source.mounts) == 4


async def test_a_group_that_the_table_has_by_old_names_stops_and_starts_where_devices_have_new_ones_too(pair: Pair) -> None:
    pair.source.agile = True
    for slot in pair.source.slots:
        pair.source._make_files(slot)
    by_old_names(pair.source, "vgedm2")
    mine = await own(pair)
    for one in (DRIVER.stop_group(pair.ref, mine), DRIVER.start_group(pair.ref, mine)):
        result = await step(pair.source, one.command, {})
        assert result.exit_status == 0, result.stderr
    assert len(pair.source.mounts) == 4


async def test_a_group_that_came_back_with_the_copys_id_is_imported_again_under_its_names(pair: Pair) -> None:
    mine = await own(pair)
    assert (await step(pair.source, DRIVER.stop_group(pair.ref, mine).command, {})).exit_status == 0
    for disk in pair.stds:
        put_identity(disk, identity_on(disk)[0], "cd" * 8)
    result = await step(pair.source, DRIVER.start_group(pair.ref, mine).command, {})
    assert result.exit_status == 0, result.stderr
    assert sorted(m.device for m in pair.source.mounts.values()) == [f"/dev/vgedm2/lvt8d{n}" for n in range(2, 6)]


async def came_back(pair: Pair) -> Command:
    """The group is stopped, and its disks carry the id of the copy; how it is started again, by one who does not wait for a lock."""
    mine = await own(pair)
    assert (await step(pair.source, DRIVER.stop_group(pair.ref, mine).command, {})).exit_status == 0
    for disk in pair.stds:
        put_identity(disk, identity_on(disk)[0], "cd" * 8)
    command = DRIVER.start_group(pair.ref, mine).command
    assert command is not None
    return replace(command, prelude=command.prelude.replace("sleep 1", ":"))


async def test_a_group_is_not_exported_while_another_import_holds_the_lock(pair: Pair) -> None:
    start = await came_back(pair)
    table = pair.source.read_file("/etc/lvmtab")
    pair.source.root.mkdir("/var/tmp/splitmount/minor.lock", True)
    result = await step(pair.source, start, {})
    assert (result.exit_status, "another import holds" in result.stderr) == (90, True), result.stderr
    assert pair.source.read_file("/etc/lvmtab") == table
    assert pair.source.root.exists("/var/tmp/splitmount/minor.lock"), "it is the other's"
    await run(pair.source, "rmdir /var/tmp/splitmount/minor.lock")
    assert (await step(pair.source, start, {})).exit_status == 0
    assert not pair.source.root.exists("/var/tmp/splitmount/minor.lock")
    assert len(pair.source.mounts) == 4


async def test_a_group_that_was_exported_and_no_more_is_imported_by_the_next_try_and_by_no_other_run(pair: Pair) -> None:
    start = await came_back(pair)
    died = start.text.replace('register "$old"', "exit 7; register").replace("rmdir", ":")
    result = await step(pair.source, replace(start, text=died), {})
    assert (result.exit_status, "vgedm2" in pair.source.groups) == (7, False), result.stderr
    await run(pair.source, "rm -rf /var/tmp/splitmount/minor.lock; mkdir -p /dev/vgedm2; echo > /dev/vgedm2/group")
    kept = "/var/tmp/splitmount/runs/r1/keep/map-vgedm2"
    await run(pair.source, f"mv {kept} /tmp/map")
    result = await step(pair.source, start, {})
    assert (result.exit_status, "there is no group vgedm2" in result.stderr) == (90, True), result.stderr
    await run(pair.source, f"mv /tmp/map {kept}")
    result = await step(pair.source, start, {})
    assert result.exit_status == 0, result.stderr
    assert sorted(m.device for m in pair.source.mounts.values()) == [f"/dev/vgedm2/lvt8d{n}" for n in range(2, 6)]


async def test_a_device_of_an_exported_group_that_is_in_another_by_now_is_refused(pair: Pair) -> None:
    start = await came_back(pair)
    died = start.text.replace('register "$old"', "exit 7; register").replace("rmdir", ":")
    assert (await step(pair.source, replace(start, text=died), {})).exit_status == 7
    await run(pair.source, "rm -rf /var/tmp/splitmount/minor.lock")
    pair.source.create_group("vgother", ["c3t8d2"], 4 * MB)
    result = await step(pair.source, start, {})
    assert (result.exit_status, "is in vgother, not in vgedm2" in result.stderr) == (90, True), result.stderr


async def test_entries_of_a_takeover_are_added_once_and_removed_exactly(pair: Pair) -> None:
    request = await pair.request()
    table = DRIVER.table_entries(
        pair.ref, replace(request, mounts=tuple(replace(m, mount_point=m.source_mount_point) for m in request.mounts))
    )
    before = pair.target.read_file("/etc/fstab")
    assert (await step(pair.target, table.command, {})).exit_status == 0
    assert b"/dev/vgedm2_b/lvt8d2 /t8d2 vxfs" in pair.target.read_file("/etc/fstab")
    assert (await step(pair.target, table.command, {})).exit_status == 90
    assert (await step(pair.target, table.undo, {})).exit_status == 0
    assert pair.target.read_file("/etc/fstab") == before


async def test_every_script_is_one_that_any_posix_shell_reads(pair: Pair) -> None:
    request, mine = await pair.request(), await own(pair)
    steps = [DRIVER.attach(pair.ref, ("790C2000",)), DRIVER.import_group(pair.ref, request), DRIVER.activate(pair.ref, request)]
    steps += [DRIVER.mount(pair.ref, request, m) for m in request.mounts]
    steps += [DRIVER.stop_group(pair.ref, mine), DRIVER.start_group(pair.ref, mine), DRIVER.table_entries(pair.ref, request)]
    commands = [c for s in steps for c in (s.command, s.undo) if c is not None]
    for command in (*commands, DRIVER.discovery(pair.ref), DRIVER.check(pair.ref)):
        text = bind(command, {"vg_uuid.vgedm2": "u"}).script
        assert "$(" not in text
        assert complaints(text) == "", command.title


async def test_check_names_what_is_missing(pair: Pair) -> None:
    assert "missing" not in (await run(pair.target, DRIVER.check(pair.ref).script)).stdout
