"""The Solaris driver on documented output, and on emulated hosts with VxVM whose disks are copied as a split would."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ParseError, Refused
from core.hosts import HostRef, OwnGroup
from core.moments import own_groups
from hostdrivers.emulated.estate import text_files
from hostdrivers.emulated.machine import Slot
from hostdrivers.emulated.solaris import Solaris
from hostdrivers.emulated.witness import digests
from hostdrivers.solaris import SolarisDriver
from hostdrivers.solaris_steps import import_group
from tests.hostdrivers.machines import Copied, MemoryDisk, complaints, facts, run, step

MB = 1 << 20
DRIVER = SolarisDriver()
POINTS = ("/mir1", "/mir1/inner")


def made(layout: str = "sliced", release: tuple[int, int] = (5, 1)) -> Copied:
    """Two disks in testvg1, a UFS on both and a VxFS inside it."""
    stds = [MemoryDisk(f"01{n}", 64 * MB, f"7901{n}000") for n in (0, 1)]
    bcvs = [MemoryDisk(f"0E{n}", 64 * MB, f"790E{n}000", bcv=True, ready=False) for n in (1, 2)]  # to awk one number: infinity
    source = Solaris("sunmir2", [Slot(d, name=f"c1t0d{n}") for n, d in enumerate(stds)], release=release)
    source.create_group("testvg1", ["c1t0d0s2", "c1t0d1s2"], MB, layout=layout)
    source.create_volume("testvg1", "vol01", "ufs", 8, mount=POINTS[0], on=[0, 1], layout="STRIPE")
    source.create_volume("testvg1", "vol02", "vxfs", 8, mount=POINTS[1])
    for name, point, kind in (("vol01", POINTS[0], "ufs"), ("vol02", POINTS[1], "vxfs")):
        source.root.mkdir(point, True)
        source.mount_checked(f"/dev/vx/dsk/testvg1/{name}", point, kind, {"rw": ""})
        for file, data in text_files(name, 3, 5000).items():
            source.write_file(f"{point}/{file}", data)
    target = Solaris("sundr", [Slot(d, seen=False) for d in bcvs], release=release, enclosures=release >= (5, 0))
    return Copied(DRIVER, source, target, stds, bcvs, "testvg1")


@pytest.fixture(params=["sliced", "cdsdisk"])
def pair(request: pytest.FixtureRequest) -> Copied:
    return made(request.param)


@pytest.fixture
def plain() -> Copied:
    return made()


# --- discovery --------------------------------------------------------------------------------------------------------


async def test_the_layout_is_discovered_with_ids_from_the_private_regions(pair: Copied) -> None:
    found = await facts(DRIVER, pair.source)
    group = found.group("testvg1")
    assert group is not None
    assert [(p.path, p.device_serial) for p in group.physical] == [
        (f"/dev/dsk/c1t0d{n}s2", d.serial) for n, d in enumerate(pair.stds)
    ]
    assert len({p.uuid for p in group.physical}) == 2
    assert group.system_id == "sunmir2"
    assert [(v.name, v.size, v.stripes, len(v.devices)) for v in group.volumes] == [
        ("vol01", 8 * MB, 2, 2),
        ("vol02", 8 * MB, 1, 1),
    ]
    assert [(f.mount_point, f.kind, f.mounted, f.in_table) for f in found.filesystems] == [
        (POINTS[0], "ufs", True, True),
        (POINTS[1], "vxfs", True, True),
    ]


async def test_mirrored_striped_and_raid5_volumes_are_recognised_and_logs_left_out(plain: Copied) -> None:
    host = Solaris("any", [Slot(MemoryDisk(f"01{n}", 64 * MB, f"7901{n}000"), name=f"c1t0d{n}") for n in range(3)])
    host.create_group("dg", [f"c1t0d{n}s2" for n in range(3)], MB)
    host.create_volume("dg", "mirrored", "ufs", 4, on=[0], mirror=[1])
    host.create_volume("dg", "striped", "ufs", 4, on=[0, 1], layout="STRIPE")
    host.create_volume("dg", "parity", "ufs", 6, on=[0, 1, 2], layout="RAID-5")
    host.create_volume("dg", "logged", "ufs", 4, on=[2])
    host.create_log("dg", "logged")
    group = (await facts(DRIVER, host)).group("dg")
    assert group is not None
    kinds = {v.name: v.kind for v in group.volumes if not v.hidden}
    assert (kinds["mirrored"], kinds["striped"], kinds["logged"]) == ("raid1", "striped", "linear")
    assert "raid5" in kinds["parity"]
    assert set(kinds) == {"mirrored", "striped", "parity", "logged"}


async def test_output_of_another_form_is_an_error_that_says_where(plain: Copied) -> None:
    whole = await run(plain.source, DRIVER.discovery(plain.ref).script)
    for old, new in (
        ("finished", "cut"),
        ("Serial No:", "Serial:"),
        ("disk:      name=", "disc:      name="),
        ("ENABLED  ACTIVE   16384", "ENABLED  ACTIVE   many"),
    ):
        changed = whole.stdout.replace(old, new)
        assert changed != whole.stdout, old
        with pytest.raises(ParseError):
            DRIVER.parse_discovery(plain.ref, replace(whole, stdout=changed))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["ufs", "vxfs", "raw"]), st.integers(1, 5), st.integers(1, 2)), min_size=1, max_size=5)
)
async def test_any_layout_comes_back_from_the_emulators_output(layout: list[tuple[str, int, int]]) -> None:
    host = Solaris("any", [Slot(MemoryDisk(f"01{n}", 128 * MB, f"7901{n}000"), name=f"c1t0d{n}") for n in (0, 1)])
    host.create_group("dgany", ["c1t0d0s2", "c1t0d1s2"], MB)
    wanted = {}
    for number, (kind, size, spread) in enumerate(layout):
        mount = "" if kind == "raw" else f"/m{number}"
        form = "CONCAT" if spread == 1 else "STRIPE"
        host.create_volume("dgany", f"vol{number}", kind, size * spread, mount=mount, on=list(range(spread)), layout=form)
        paths = ("/dev/dsk/c1t0d0s2", "/dev/dsk/c1t0d1s2")[:spread]
        wanted[f"vol{number}"] = (
            size * spread * MB,
            paths,
            "linear" if spread == 1 else "striped",
            mount,
            "" if kind == "raw" else kind,
        )
    found = await facts(DRIVER, host)
    group = found.group("dgany")
    assert group is not None
    points = {f.volume: (f.mount_point, f.kind) for f in found.filesystems}
    assert {v.name: (v.size, v.devices, v.kind, *points.get(v.name, ("", ""))) for v in group.volumes} == wanted


# --- a copy comes up and goes -----------------------------------------------------------------------------------------


async def test_a_copy_comes_up_with_equal_files_and_goes_to_the_last_byte_of_its_private_regions(pair: Copied) -> None:
    request = await pair.request()
    look = "vxdisk list; vxdg list; cat /etc/vfstab; mount -v; ls /"
    before = (await run(pair.target, look)).stdout
    pair.split()
    heads = [d.read(0, MB) for d in pair.bcvs]
    await pair.up(request)
    for point in POINTS:
        assert digests(pair.target, f"/copy{point}") == digests(pair.source, point) != {}
    assert pair.values["vg_uuid.testvg1"] != request.group.uuid
    assert [d.read(0, MB) for d in pair.bcvs] != heads
    await pair.down()
    assert [d.read(65536, 4096) for d in pair.bcvs] != [d.read(65536, 4096) for d in pair.stds] or heads
    assert [d.read(0, MB) for d in pair.bcvs] == heads
    assert (await run(pair.target, look)).stdout == before
    await pair.up(request)
    await pair.down()


async def test_what_was_kept_is_not_put_back_when_it_is_damaged_or_the_disk_is_in_use(plain: Copied) -> None:
    plain.split()
    request = await plain.request()
    await plain.up(request)
    take_back = {s.id.split("-")[0]: s for s in plain.done}["import"]
    busy = await step(plain.target, take_back.undo, plain.values)
    assert busy.exit_status not in (0, None), "a group with open volumes cannot be deported"
    for one in reversed(plain.done[2:]):
        await step(plain.target, one.undo, plain.values)
    await run(plain.target, "vxdg deport testvg1_b; echo rubbish > /var/tmp/splitmount/runs/r1/keep/testvg1/0.Z")
    before = plain.images()
    damaged = await step(plain.target, take_back.undo, plain.values)
    assert (damaged.exit_status, "damaged" in damaged.stderr) == (90, True), damaged.stderr
    assert plain.images() == before


async def test_a_disk_that_is_online_in_vxvm_cannot_be_written_raw(plain: Copied) -> None:
    wrote = await run(plain.source, "echo x | dd of=/dev/rdsk/c1t0d0s3 bs=512 seek=1")
    assert wrote.exit_status != 0
    assert "busy" in wrote.stderr


async def test_every_undo_is_harmless_when_nothing_was_done(plain: Copied) -> None:
    plain.split()
    request = await plain.request()
    await plain.do(DRIVER.attach(plain.ref, plain.serials))
    before = plain.images()
    plain.values["vg_uuid.testvg1"] = "none"
    for one in (
        DRIVER.mount(plain.ref, request, request.mounts[0]),
        DRIVER.activate(plain.ref, request),
        DRIVER.import_group(plain.ref, request),
    ):
        assert (await step(plain.target, one.undo, plain.values)).exit_status in (0, 90), one.id
    assert plain.images() == before


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_swapped_devices_are_refused(pair: Copied) -> None:
    pair.split()
    await pair.refused(await pair.request([pair.serials[1], pair.serials[0]]), "another device, or a copy")


async def test_a_missing_device_is_refused(plain: Copied) -> None:
    plain.split()
    plain.bcvs[1].ready = False
    code, err = await plain.do(DRIVER.attach(plain.ref, plain.serials))
    assert code not in (0, None)
    assert plain.serials[1] in err


async def test_a_serial_that_two_devices_give_is_refused(plain: Copied) -> None:
    plain.split()
    plain.bcvs[1].serial = plain.serials[0]
    code, err = await plain.do(DRIVER.attach(plain.ref, plain.serials[:1]))
    assert (code, "more than one disk" in err) == (90, True), err


async def test_serials_that_are_one_number_to_awk_are_told_apart(plain: Copied) -> None:
    plain.split()
    await plain.do(DRIVER.attach(plain.ref, plain.serials))
    assert len({plain.values[f"path.{s}"] for s in plain.serials}) == 2


async def test_a_taken_name_is_refused(plain: Copied) -> None:
    disk = MemoryDisk("0F0", 64 * MB, "790F0000")
    plain.target.slots.append(Slot(disk, seen=False))
    plain.target.scan()
    plain.target.take_name("testvg1_b", disk)
    plain.split()
    await plain.refused(await plain.request(), "there is a group testvg1_b on this host already")


async def test_the_import_lock_of_a_host_that_is_not_the_source_is_refused_unless_it_is_allowed(plain: Copied) -> None:
    request = await plain.request()
    plain.split()
    stranger = replace(request, group=replace(request.group, system_id="elsewhere"))
    await plain.refused(stranger, "carries the import lock of sunmir2")
    code, err = await plain.do(import_group(plain.ref, stranger, clear=True))
    assert code == 0, err


async def test_another_copy_of_the_same_disks_is_refused(plain: Copied) -> None:
    other = MemoryDisk("0EA", 64 * MB, "790EA000", bcv=True)
    plain.split()
    other.split_from(plain.stds[0])
    plain.target.slots.append(Slot(other, seen=False))
    await plain.refused(await plain.request(), "another copy of the same disk")


async def test_an_old_vxvm_imports_a_copy_alone_and_refuses_one_beside_its_original() -> None:
    old = made(release=(3, 5))
    request = await old.request()
    old.split()
    await old.up(request)
    await old.down()
    beside = made(release=(3, 5))
    request = await beside.request()
    beside.split()
    beside.target.slots.append(Slot(beside.stds[0], seen=False))
    await beside.refused(request, "older than 5.0")


async def test_a_bcv_in_use_is_refused_and_not_removed(plain: Copied) -> None:
    plain.split()
    await plain.up(await plain.request())
    code, err = await plain.do(DRIVER.attach(plain.ref, plain.serials))
    assert (code, "is in group testvg1_b" in err) == (90, True), err
    plain.done.pop()
    await plain.down()


async def test_a_name_that_vxvm_does_not_take_is_refused_before_anything_is_sent(plain: Copied) -> None:
    request = await plain.request()
    with pytest.raises(Refused, match="cannot be the name"):
        DRIVER.import_group(plain.ref, replace(request, new_name="a name"))


# --- on its own host --------------------------------------------------------------------------------------------------


def own(found: tuple[OwnGroup, ...]) -> OwnGroup:
    (one,) = found
    return one


async def test_a_group_stops_and_starts_on_its_own_host_as_it_was(pair: Copied) -> None:
    found = await facts(DRIVER, pair.source)
    group = found.group("testvg1")
    assert group is not None
    one, here = own(own_groups([group], found)), HostRef("sunmir2", "solaris")
    files = {p: digests(pair.source, p) for p in POINTS}
    assert (await step(pair.source, DRIVER.stop_group(here, one).command)).exit_status == 0
    assert pair.source.mounts == {}
    started = await step(pair.source, DRIVER.start_group(here, one).command)
    assert started.exit_status == 0, started.stderr
    assert {p: digests(pair.source, p) for p in POINTS} == files


async def test_every_script_is_one_that_any_posix_shell_reads(plain: Copied) -> None:
    request = await plain.request()
    found = await facts(DRIVER, plain.source)
    one = own(own_groups([request.group], found))
    steps = [
        DRIVER.attach(plain.ref, plain.serials),
        DRIVER.import_group(plain.ref, request),
        DRIVER.activate(plain.ref, request),
    ]
    steps += [DRIVER.mount(plain.ref, request, m) for m in request.mounts]
    steps += [DRIVER.stop_group(plain.ref, one), DRIVER.start_group(plain.ref, one), DRIVER.table_entries(plain.ref, request)]
    commands = [c for s in steps for c in (s.command, s.undo) if c is not None]
    commands += [DRIVER.discovery(plain.ref), DRIVER.check(plain.ref), DRIVER.freeze(plain.ref, POINTS[:1], 20)]
    for command in commands:
        assert complaints(command.script) == "", command.title
        assert not re.search(r"\$\((?!NF)", command.script), command.title
