"""The Linux driver on emulated hosts: each refusal with its bytes untouched, and the emulator's own rules of LVM."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.hosts import HostRef
from hostdrivers import DRIVERS
from hostdrivers.emulated import filesystem
from hostdrivers.emulated.estate import text_files
from hostdrivers.emulated.linux import Linux
from hostdrivers.emulated.machine import Slot
from hostdrivers.emulated.volumes import read_label, write_label
from hostdrivers.emulated.witness import digests
from tests.hostdrivers.machines import Copied, MemoryDisk, facts, run, step

MB = 1 << 20
DRIVER = DRIVERS["linux"]
POINTS = ("/srv/a b", "/srv/a b/logs")


@pytest.fixture
def pair() -> Copied:
    """Two disks, an ext4 at a path with a blank, a striped XFS inside it; names with dashes."""
    stds = [MemoryDisk(f"01{n}", 64 * MB, f"7901{n}000") for n in (0, 1)]
    bcvs = [MemoryDisk(f"0E{n}", 64 * MB, f"790E{n}000", bcv=True, ready=False) for n in (0, 1)]  # one number to awk: infinity
    source = Linux("prod", [Slot(d) for d in stds])
    source.create_group("vg-one", ["sda", "sdb"], MB)
    source.create_volume("vg-one", "lv-a", "ext4", 8, mount=POINTS[0])
    source.create_volume("vg-one", "logs", "xfs", 8, mount=POINTS[1], on=(0, 1), stripes=2)
    for name, point, kind in (("lv-a", POINTS[0], "ext4"), ("logs", POINTS[1], "xfs")):
        source.root.mkdir(point, True)
        source.mount_checked(f"/dev/vg-one/{name}", point, kind, "defaults")
        for file, data in text_files(name, 3, 5000).items():
            source.write_file(f"{point}/{file}", data)
    return Copied(DRIVER, source, Linux("dr", [Slot(d, seen=False) for d in bcvs]), stds, bcvs, "vg-one")


async def test_a_copy_comes_up_with_equal_files_and_goes_without_a_trace_to_the_last_byte(pair: Copied) -> None:
    request = await pair.request()
    look = "ls -aR /dev /sys/block; cat /etc/fstab; dmsetup ls; ls -a /copy 2>&1"
    before = (await run(pair.target, look)).stdout
    pair.split()
    heads = [d.read(0, MB) for d in pair.bcvs]
    await pair.up(request)
    for point in POINTS:
        assert digests(pair.target, f"/copy{point}") == digests(pair.source, point) != {}
    assert [d.read(0, MB) for d in pair.bcvs] != heads
    await pair.down()
    assert [d.read(0, MB) for d in pair.bcvs] == heads
    assert (await run(pair.target, look)).stdout == before
    await pair.up(request)
    await pair.down()


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["ext4", "xfs", "raw"]), st.integers(1, 5), st.integers(1, 2)), min_size=1, max_size=5)
)
async def test_any_layout_comes_back_from_the_emulators_output(layout: list[tuple[str, int, int]]) -> None:
    host = Linux("any", [Slot(MemoryDisk(f"01{n}", 128 * MB, f"7901{n}000")) for n in (0, 1)])
    host.create_group("any", ["sda", "sdb"], MB)
    wanted = {}
    for number, (kind, size, spread) in enumerate(layout):
        mount = "" if kind == "raw" else f"/m {number}"
        host.create_volume("any", f"lv-{number}", kind, size * spread, mount=mount, on=list(range(spread)), stripes=spread)
        form = ("linear", 1, 0) if spread == 1 else ("striped", 2, 65536)
        wanted[f"lv-{number}"] = (
            size * spread * MB,
            ("/dev/sda", "/dev/sdb")[:spread],
            *form,
            mount,
            "" if kind == "raw" else kind,
        )
    found = await facts(DRIVER, host)
    group = found.group("any")
    assert group is not None
    points = {f.volume: (f.mount_point, f.kind) for f in found.filesystems}
    told = {v.name: (v.size, v.devices, v.kind, v.stripes, v.stripe_size, *points.get(v.name, ("", ""))) for v in group.volumes}
    assert told == wanted
    assert (group.seqno, group.pv_count, group.extent_size) == (1 + len(layout), 2, MB)


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_swapped_devices_are_refused(pair: Copied) -> None:
    pair.split()
    await pair.refused(await pair.request([pair.serials[1], pair.serials[0]]), "is not what the map says")


async def test_a_set_torn_over_two_sequence_numbers_is_refused_though_lvm_would_take_it(pair: Copied) -> None:
    pair.split()
    pair.source.create_volume("vg-one", "later", "raw", 1)  # type: ignore[attr-defined]
    pair.source.sync()
    pair.bcvs[1].split_from(pair.stds[1])
    request = await pair.request()
    await pair.refused(request, "another split, or an old map")
    taken = await run(pair.target, "vgimportclone -n torn /dev/sda /dev/sdb; vgs --noheadings -o vg_name")
    assert taken.stdout.split() == ["torn"]
    assert "Inconsistent metadata" in taken.stderr


async def test_a_taken_name_is_refused_though_lvm_would_append_a_number(pair: Copied) -> None:
    disk = MemoryDisk("0F0", 64 * MB, "790F0000")
    pair.target.slots.append(Slot(disk, seen=False))
    pair.target.scan()
    pair.target.take_name("vg-one_b", disk)
    pair.split()
    await pair.refused(await pair.request(), "there is a group vg-one_b on this host already")
    await run(pair.target, "vgimportclone -n vg-one_b /dev/sdb /dev/sdc")
    assert (await run(pair.target, "vgs --noheadings -o vg_name")).stdout.split() == ["vg-one_b", "vg-one_b1"]


async def test_the_copys_own_name_is_no_taken_name_but_another_group_of_it_is(pair: Copied) -> None:
    pair.split()
    request = replace(await pair.request(), new_name="vg-one", prefix="", read_only=False)
    await pair.do(DRIVER.attach(pair.ref, pair.serials))
    code, err = await pair.do(DRIVER.import_group(pair.ref, request))
    assert code == 0, err
    assert (await run(pair.target, "vgs --noheadings -o vg_name")).stdout.split() == ["vg-one"]
    await pair.down()
    disk = MemoryDisk("0F0", 64 * MB, "790F0000")
    pair.target.slots.append(Slot(disk, seen=False))
    pair.target.scan()
    pair.target.take_name("vg-one", disk)
    await pair.refused(request, "there is a group vg-one on this host already")


async def test_a_serial_that_two_disks_give_is_refused(pair: Copied) -> None:
    pair.split()
    pair.bcvs[1].serial = pair.serials[0]
    code, err = await pair.do(DRIVER.attach(pair.ref, pair.serials[:1]))
    assert (code, "more than one device" in err) == (90, True), err


async def test_a_missing_physical_volume_is_refused(pair: Copied) -> None:
    pair.split()
    request = await pair.request()
    await pair.do(DRIVER.attach(pair.ref, pair.serials))
    short = replace(request, bcvs=request.bcvs[:1])
    code, err = await pair.do(DRIVER.import_group(pair.ref, short))
    assert code not in (0, None), err


async def test_a_group_of_a_foreign_system_is_imported_only_by_its_own_id(pair: Copied) -> None:
    for number, disk in enumerate(pair.stds):
        label = read_label(disk)
        assert label is not None
        label[1].facts["system_id"] = "prod-id"
        write_label(pair.stds[number], label[0], label[1])
    pair.split()
    request = await pair.request()
    assert request.group.system_id == "prod-id"
    await pair.up(request)
    await pair.down()
    other = await run(
        pair.target, "mkdir -p /x; echo '- - -' | tee /sys/class/scsi_host/host0/scan; vgimportclone -n new /dev/sda /dev/sdb"
    )
    assert (other.exit_status, "system ID prod-id" in other.stderr) == (5, True)


async def test_what_udev_activated_by_itself_is_put_to_sleep_and_one_that_is_mounted_is_refused(pair: Copied) -> None:
    pair.target.faults.on.add("autoactivate")
    pair.split()
    request = await pair.request()
    await pair.up(request)
    await pair.down()
    pair.target.scan()
    await run(pair.target, "mkdir -p /mnt/x; mount -t ext4 /dev/vg-one/lv-a /mnt/x")
    code, err = await pair.do(DRIVER.attach(pair.ref, pair.serials))
    assert (code, "in use by" in err) == (90, True), err
    assert "/mnt/x" in pair.target.mounts


async def test_what_was_kept_of_the_devices_goes_when_it_is_back_on_them(pair: Copied) -> None:
    pair.split()
    request = await pair.request()
    await pair.up(request)
    kept = "cat $RUN/keep/*/*.head | wc -c"
    assert int((await run(pair.target, f"RUN=/var/tmp/splitmount/runs/r1; {kept}")).stdout) >= 1 << 20
    await pair.down()
    assert int((await run(pair.target, f"RUN=/var/tmp/splitmount/runs/r1; {kept}")).stdout) == 0


async def test_what_udev_activated_goes_with_the_devices_that_the_scan_brought_unless_it_is_mounted(pair: Copied) -> None:
    target = pair.target
    assert isinstance(target, Linux)
    target.faults.on.add("autoactivate")
    own = Slot(MemoryDisk("own", 64 * MB, "OWN"))
    target.slots.append(own)
    target.attach(own)
    target.create_group("vgown", [own.name], 4 * MB)
    target.create_volume("vgown", "lvown", "ext4", 4)
    before = set(target.maps)
    assert before == {"vgown-lvown"}
    pair.split()
    shown = DRIVER.attach(pair.ref, pair.serials)
    assert (await pair.do(shown))[0] == 0
    assert "vg--one-lv--a" in target.maps
    await run(target, "mkdir -p /mnt/x; mount -t ext4 /dev/vg-one/lv-a /mnt/x")
    refused = await step(target, shown.undo, pair.values)
    assert (refused.exit_status, "in use: vg--one-lv--a" in refused.stderr) == (1, True), refused.stderr
    await run(target, "umount /mnt/x")
    assert (await step(target, shown.undo, pair.values)).exit_status == 0
    assert (set(target.maps), len(target.named())) == (before, 1)


async def test_a_torn_filesystem_is_not_mounted_and_everything_is_taken_back(pair: Copied) -> None:
    held = pair.source.mounts[POINTS[0]]
    at = filesystem.BODY_AT + 600
    pair.split()
    lies = held.volume._where(at)  # where that byte lies on the standard
    bcv = pair.bcvs[pair.stds.index(lies[0])]  # type: ignore[arg-type]
    bcv.write(lies[1], bytes([bcv.read(lies[1], 1)[0] ^ 0xFF]))
    request = await pair.request()
    with pytest.raises(AssertionError, match="superblock"):
        await pair.up(request)
    await pair.down()
    assert pair.target.mounts == {}


# --- freeze -----------------------------------------------------------------------------------------------------------


async def frozen(pair: Copied, words: list[bytes | float], seconds: int = 20) -> str:
    """The held shell, fed with words, and pauses in seconds; what it says."""
    lines, said = asyncio.StreamReader(), bytearray()

    async def keep(data: bytes) -> None:
        said.extend(data)

    async def feed() -> None:
        for word in words:
            if isinstance(word, bytes):
                lines.feed_data(word)
            else:
                await asyncio.sleep(word)
        lines.feed_eof()

    script = DRIVER.freeze(HostRef("prod", "linux"), POINTS, seconds).script
    await asyncio.gather(pair.source.run(script, keep, keep, lines), feed())
    return said.decode()


async def test_freezing_thaws_on_the_word_at_the_end_of_input_and_by_its_timer(pair: Copied) -> None:
    said = await frozen(pair, [b"freeze\n", 0.3, b"thaw\n"])
    assert [line.split()[0] for line in said.splitlines()] == ["ready", "frozen", "thawed"]
    said = await frozen(pair, [b"freeze\n", 0.3])
    assert [line.split()[0] for line in said.splitlines()] == ["ready", "frozen", "thawed"]
    said = await frozen(pair, [b"freeze\n", 2.5, b"thaw\n"], seconds=1)
    assert [line.split()[0] for line in said.splitlines()] == ["ready", "frozen", "expired"]
    assert not any(m.frozen for m in pair.source.mounts.values())


async def test_a_frozen_filesystem_that_cannot_be_frozen_again_thaws_the_others(pair: Copied) -> None:
    await run(pair.source, f"fsfreeze -f '{POINTS[0]}'")
    said = await frozen(pair, [b"freeze\n", 0.3])
    assert "failed" in said
    assert not pair.source.mounts[POINTS[1]].frozen


# --- the emulator's own strictness ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("lvm pvs --nonsense", 3, "Error during parsing"),
        ("lvm vgs nothere", 5, "not found"),
        ("lvm pvs -o nosuchfield", 3, "Unrecognised field"),
        ("lvm nosuchverb", 2, "No such command"),
        ("vgchange -ay nothere", 5, "not found"),
        ("vgchange -an vg-one", 5, "contains a filesystem in use"),
        ("vgimportclone -n new /dev/sda", 5, "incomplete"),
        ("vgimportclone -n new /dev/sda /dev/sdb", 5, "active LVs"),
        ("mount -t ext4 /dev/vg-one/logs /mnt", 32, "wrong fs type"),
        ("mount -t ext4 -o sillyword /dev/vg-one/lv-a /mnt", 32, "bad option"),
        ("umount /nowhere", 32, "not mounted"),
        ("umount '/srv/a b'", 32, "busy"),
        ("fsfreeze -u '/srv/a b'", 1, "Invalid argument"),
        ("blockdev --flushbufs /dev/sdz", 1, "No such file"),
        ("[ 1 -eq x ]", 2, "Illegal number"),
        ("mkdir /srv", 1, "File exists"),
        ("echo 1 | tee /sys/block/sda/device/delete", 1, "busy"),
    ],
)
async def test_wrong_words_are_refused_with_the_commands_own_exit_status(
    pair: Copied, command: str, code: int, words: str
) -> None:
    result = await run(pair.source, command)
    assert (result.exit_status, words in result.stderr) == (code, True), result.stderr


async def test_xfs_is_not_mounted_twice_without_nouuid(pair: Copied) -> None:
    await run(pair.source, "mkdir -p /mnt/x")
    assert (await run(pair.source, "mount -t xfs /dev/vg-one/logs /mnt/x")).exit_status == 32
    assert (await run(pair.source, "mount -t xfs -o nouuid /dev/vg-one/logs /mnt/x")).exit_status == 0


async def test_undo_of_what_was_never_done_is_harmless(pair: Copied) -> None:
    pair.split()
    request = await pair.request()
    await pair.do(DRIVER.attach(pair.ref, pair.serials))
    before = pair.images()
    pair.values["vg_uuid.vg-one"] = "none"
    for one in (
        DRIVER.mount(pair.ref, request, request.mounts[0]),
        DRIVER.activate(pair.ref, request),
        DRIVER.import_group(pair.ref, request),
    ):
        assert (await step(pair.target, one.undo, pair.values)).exit_status == 0, one.id
    assert pair.images() == before


async def test_sync_takes_files_that_are_there(pair: Copied) -> None:
    for words, code, told in (
        ("sync /etc/fstab", 0, ""),
        ("sync /nosuch", 1, "error opening '/nosuch'"),
        ("sync -x", 1, "invalid"),
    ):
        done = await run(pair.target, words)
        assert (done.exit_status, told in done.stderr) == (code, True), done
