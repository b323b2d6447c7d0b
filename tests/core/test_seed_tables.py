"""The tables that the seed prints: the pairs (table 1) and the map files of Solaris, AIX and HP-UX (tables 2 to 4)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, Refused
from core.mapfile import MapFile, build_map, host_facts, mirror_map, read, read_seed_rows, seed_rows, write
from core.model import Device, Filesystem, HostFacts, LogicalVolume, Pair, PhysicalVolume, VolumeGroup
from core.pairs import parse_pairs
from core.tree import problems
from tests.core.samples import NOW, SIZE

# The numbers 5, 10 and 30 before some rows of the printed text are the page's line numbers, and no part of the rows.
TABLE_1 = """\
7902C000\t790B4000
7902D000\t790B5000
7902E000\t790B6000
7902F00\t790B7000
"""
TABLE_2 = """\
   3701F000 c1t0d0s2 testvg1 vol01 ufs /mir1 947015961.1105.sunmir2 sliced
   3701F000 c1t0d0s2 testvg1 vol02 ufs /mir2 947015961.1105.sunmir2 sliced
   37020000 c1t0d1s2 testvg1 vol01 ufs /mir1 947015961.1105.sunmir2 sliced
   37020000 c1t0d1s2 testvg1 vol02 ufs /mir2 947015961.1105.sunmir2 sliced
"""
TABLE_3 = """\
   37006000 hdisk1 testvg2-2 testvg2-lv01 4 jfs /testvg2/mntpt1 25 loglv02 N/A N/A
   37006000 hdisk1 testvg2-2 testvg2-lv02 4 jfs /testvg2/mntpt1/mntpt2 25 loglv02 N/A N/A
   37006000 hdisk1 testvg2-2 testvg2-lv03 4 jfs /testvg2-3 25 loglv02 N/A N/A
   37006000 hdisk1 testvg2-2 testvg2-lv04 4 jfs /testvg2-4 25 loglv02 N/A N/A
"""
TABLE_4 = """\
7903A000 c3t8d2 vgedm2 lvt8d2 1 vxfs /t8d2
7903B000 c3t8d3 vgedm2 lvt8d3 2 vxfs /t8d3
7903C000 c3t8d4 vgedm2 lvt8d4 3 vxfs /t8d4
7903D000 c3t8d5 vgedm2 lvt8d5 4 vxfs /t8d5
"""


def solaris() -> HostFacts:
    """The layout of table 2: two disks, two volumes striped over both; and what the table does not show, a raw volume."""
    places = {"3701F000": "/dev/dsk/c1t0d0s2", "37020000": "/dev/dsk/c1t0d1s2"}
    ids = ("947015950.1101.sunmir2", "947015955.1103.sunmir2")
    physical = tuple(
        PhysicalVolume(path, disk, serial, "testvg1", SIZE - 4096, pe_start=2048, format="sliced")
        for disk, (serial, path) in zip(ids, places.items(), strict=True)
    )

    def volume(name: str, *devices: str) -> LogicalVolume:
        kind = "striped" if len(devices) > 1 else "linear"
        return LogicalVolume(
            name, f"testvg1/{name}", "testvg1", 64 << 20, kind, devices=devices, stripes=len(devices), stripe_size=65536
        )

    both = tuple(places.values())
    volumes = (volume("vol01", *both), volume("vol02", *both), volume("vol03", both[1]))
    found = tuple(
        Filesystem(
            f"/dev/vx/dsk/testvg1/{v}", "ufs", mount_point=m, mounted=True, group="testvg1", volume=v, options="rw,logging"
        )
        for v, m in (("vol01", "/mir1"), ("vol02", "/mir2"))
    )
    group = VolumeGroup("testvg1", "947015961.1105.sunmir2", 0, 512, 2 * SIZE, volumes=volumes, physical=physical)
    return HostFacts("sun", "solaris", NOW, devices=disks(places), groups=(group,), filesystems=found)


def aix() -> HostFacts:
    """The layout of table 3: one disk, four volumes with filesystems; the log and a raw volume have no row there."""
    extent = 4 << 20
    places = {"37006000": "/dev/hdisk1"}
    mounts = ("/testvg2/mntpt1", "/testvg2/mntpt1/mntpt2", "/testvg2-3", "/testvg2-4")
    mounted = {f"testvg2-lv0{number}": point for number, point in enumerate(mounts, 1)}
    volumes = tuple(
        LogicalVolume(name, f"00c1.{name}", "testvg2-2", count * extent, "linear", f"/dev/{name}", devices=("/dev/hdisk1",))
        for name, count in {"loglv02": 1, **dict.fromkeys(mounted, 25), "rawlv": 7}.items()
    )
    found = tuple(
        Filesystem(f"/dev/{v}", "jfs", "", m, m, True, True, "rw", group="testvg2-2", volume=v, log="loglv02")
        for v, m in mounted.items()
    )
    physical = (PhysicalVolume("/dev/hdisk1", "00c1d2e3f4a5b6c7", "37006000", "testvg2-2", SIZE),)
    group = VolumeGroup("testvg2-2", "00c1000000004c00", 0, extent, SIZE, volumes=volumes, physical=physical)
    return HostFacts("rs", "aix", NOW, devices=disks(places), groups=(group,), filesystems=found)


def hpux() -> HostFacts:
    """The layout of table 4: four disks with a numbered volume on each."""
    units = range(2, 6)
    places = {f"7903{letter}000": f"/dev/dsk/c3t8d{unit}" for letter, unit in zip("ABCD", units, strict=True)}
    physical = tuple(
        PhysicalVolume(path, f"2c80-{number}", serial, "vgedm2", SIZE)
        for number, (serial, path) in enumerate(places.items(), 1)
    )
    volumes = tuple(
        LogicalVolume(f"lvt8d{unit}", f"vgedm2/{number}", "vgedm2", SIZE // 2, "linear", devices=(p.path,), number=number)
        for number, (unit, p) in enumerate(zip(units, physical, strict=True), 1)
    )
    found = tuple(
        Filesystem(f"/dev/vgedm2/{v.name}", "vxfs", mount_point=f"/t8d{unit}", mounted=True, group="vgedm2", volume=v.name)
        for v, unit in zip(volumes, units, strict=True)
    )
    group = VolumeGroup("vgedm2", "2c80715b3462331e", 0, 4 << 20, 4 * SIZE, volumes=volumes, physical=physical)
    return HostFacts("hp", "hpux", NOW, devices=disks(places), groups=(group,), filesystems=found)


def disks(places: dict[str, str]) -> tuple[Device, ...]:
    return tuple(Device(path, serial, SIZE) for serial, path in places.items())


def map_of(facts: HostFacts) -> MapFile:
    return build_map("seed", facts, [g.name for g in facts.groups])


def rows_of(text: str) -> list[list[str]]:
    """The words of the rows of a map file or of a printed table."""
    return [line.split() for line in text.splitlines() if not line.startswith("#")]


TABLES = [(solaris, TABLE_2), (aix, TABLE_3), (hpux, TABLE_4)]
each_table = pytest.mark.parametrize(("layout", "table"), TABLES, ids=["solaris", "aix", "hpux"])


# --- table 1 ---------------------------------------------------------------------------------------------------------


def test_the_printed_pairs_are_refused_for_the_serial_that_lacks_a_digit() -> None:
    with pytest.raises(ConfigError, match=r"^table1:4: 7902F00 has 7 hexadecimal digits"):
        parse_pairs(TABLE_1, "table1")


def test_the_printed_pairs_are_read_once_that_serial_is_put_right() -> None:
    assert parse_pairs(TABLE_1.replace("7902F00\t", "7902F000\t"), "table1") == (
        Pair("7902C000", "790B4000"),
        Pair("7902D000", "790B5000"),
        Pair("7902E000", "790B6000"),
        Pair("7902F000", "790B7000"),
    )


# --- tables 2 to 4 ---------------------------------------------------------------------------------------------------


@each_table
def test_the_map_of_a_printed_layout_has_the_printed_rows(layout: Callable[[], HostFacts], table: str) -> None:
    assert rows_of(write(map_of(layout()))) == rows_of(table)


@each_table
def test_the_map_of_a_printed_layout_is_read_back_to_the_same_objects(layout: Callable[[], HostFacts], table: str) -> None:
    mapped = map_of(layout())
    assert read(write(mapped), "x") == mapped
    assert problems(mapped) == ()
    assert build_map("seed", host_facts(mapped), [g.name for g in mapped.groups]) == mapped
    assert {f.device for f in host_facts(mapped).filesystems} == {f.device for f in layout().filesystems}


@each_table
def test_a_printed_table_is_read_as_the_rows_of_the_map_of_its_layout(layout: Callable[[], HostFacts], table: str) -> None:
    mapped = map_of(layout())
    assert read_seed_rows(table, mapped.os, "table") == seed_rows(mapped)


@each_table
def test_the_mirrors_file_has_serial_and_address_of_the_bcvs_in_the_same_columns(
    layout: Callable[[], HostFacts], table: str
) -> None:
    mapped = map_of(layout())
    devices = [d for g in mapped.groups for d in g.devices]
    pairs = [Pair(d.serial, f"BC{d.serial[2:]}", f"other{n}") for n, d in enumerate(devices)]
    bcv = mirror_map(mapped, pairs)
    printed = {d.serial: (p.bcv, p.address) for d, p in zip(devices, pairs, strict=True)}
    assert rows_of(write(bcv)) == [[*printed[words[0]], *words[2:]] for words in rows_of(table)]
    assert read(write(bcv), "x") == bcv


def test_what_has_no_row_stands_in_the_comment_lines_and_comes_back() -> None:
    text = write(map_of(aix()))
    (comment,) = (line for line in text.splitlines() if " volume=loglv02 " in line)
    assert comment.startswith("# volume: group=testvg2-2 volume=loglv02 volume_uuid=00c1.loglv02 kind=linear size=4194304 ")
    assert {v.name for v in read(text, "x").groups[0].volumes} >= {"loglv02", "rawlv"}
    assert all(f.log == "loglv02" for v in read(text, "x").groups[0].volumes for f in v.filesystems)


def test_each_fact_stands_in_the_comment_lines_once() -> None:
    comments = [line for line in write(map_of(solaris())).splitlines() if line.startswith("# ")]
    for word in ("=/mir1 ", "=/dev/dsk/c1t0d0s2 ", "mount_point=/mir2 ", "kind=linear ", "size=536870912 "):
        assert [word in line for line in comments].count(True) == 1, word


def test_the_printed_id_of_both_solaris_disks_is_the_groups_for_no_map_takes_one_disk_id_twice() -> None:
    facts = solaris()
    (group,) = facts.groups
    assert {row.vxvm_id for row in read_seed_rows(TABLE_2, "solaris", "table")} == {group.uuid}
    same = tuple(replace(p, uuid=group.uuid) for p in group.physical)
    with pytest.raises(Refused, match=r"947015961\.1105\.sunmir2 is seen on two devices"):
        map_of(replace(facts, groups=(replace(group, physical=same),)))


def test_a_striped_volume_on_aix_says_over_how_many_disks_and_in_which_pieces() -> None:
    facts = aix()
    (group,) = facts.groups
    striped = tuple(replace(v, stripes=3, stripe_size=65536) for v in group.volumes)
    plain = tuple(replace(f, log="") for f in facts.filesystems)
    mapped = map_of(replace(facts, groups=(replace(group, volumes=striped),), filesystems=plain))
    rows = rows_of(write(mapped))
    assert rows[0][-3:] == ["N/A", "3", "64K"]
    assert read_seed_rows("\n".join(" ".join(words) for words in rows), "aix", "x") == seed_rows(mapped)
    assert seed_rows(mapped)[0].stripe_size == 65536


def test_a_size_that_is_no_whole_number_of_partitions_has_no_number_in_its_row_and_is_not_lost() -> None:
    facts = aix()
    (group,) = facts.groups
    mapped = map_of(replace(facts, groups=(replace(group, extent_size=3 << 19),)))
    assert [words[4:8:3] for words in rows_of(write(mapped))] == [["-", "-"]] * 4
    assert read(write(mapped), "x") == mapped


# --- files that were changed by hand ---------------------------------------------------------------------------------

SUN = write(map_of(solaris()))
SUN_LINES = SUN.split("\n")
ROW = next(n for n, line in enumerate(SUN_LINES, 1) if line.startswith("3701F000"))
LAST = len(SUN_LINES) - 1


def changed(number: int, old: str, new: str) -> str:
    """The Solaris file with one line changed."""
    assert old in SUN_LINES[number - 1]
    return "\n".join([*SUN_LINES[: number - 1], SUN_LINES[number - 1].replace(old, new), *SUN_LINES[number:]])


def without(number: int) -> str:
    return "\n".join(SUN_LINES[: number - 1] + SUN_LINES[number:])


def line_of(word: str) -> int:
    return next(n for n, line in enumerate(SUN_LINES, 1) if word in line)


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        (changed(ROW, "/mir1", "/mirx"), ROW, "mount_point: the row says /mirx and the comment lines say /mir1"),
        (changed(ROW + 1, "37", "38"), ROW + 1, "serial: the row says 3801F000 and the comment lines say 3701F000"),
        (changed(ROW, "c1t0d0s2", "c1t0d9s2"), ROW, "address: the row says c1t0d9s2"),
        (changed(ROW, "sliced", "cdsdisk"), ROW, "format: the row says cdsdisk"),
        (changed(ROW, "1105", "1106"), ROW, "vxvm_id: the row says"),
        (changed(ROW + 1, SUN_LINES[ROW], SUN_LINES[ROW - 1]), ROW + 1, f"this row stands in line {ROW} already"),
        (changed(ROW, "sliced", "sliced x"), ROW, "expected 8 columns (serial to format), got 9"),
        (changed(ROW, "/mir1", "/mir\\1"), ROW, "mount_point: "),
        (without(ROW + 2), LAST - 1, "a row that the comment lines call for is missing: 37020000 c1t0d1s2 testvg1 vol01"),
        (SUN + SUN_LINES[ROW - 1] + "\n", LAST + 1, f"this row stands in line {ROW} already"),
        (SUN + SUN_LINES[ROW - 1].replace("vol01", "vol03") + "\n", LAST + 1, "volume: the row says vol03"),
        (changed(line_of("# rows"), "4", "5"), 1, "the header says 5 rows and there are 4"),
        (without(line_of("volume=vol03")), 1, "the header says 8 facts and there are 7: the file is not whole"),
        (without(line_of("# facts")), 1, "the header lacks facts"),
        (without(line_of("# volume: ")), line_of("# volume: "), "volume: logical volume 'vol01' is not in the lines above"),
        (
            changed(line_of("# device"), "group=testvg1", "group=other"),
            line_of("# device"),
            "group 'other' is not in the header",
        ),
        (changed(line_of("# device"), "pv_size=", "pv_size=x"), line_of("# device"), "pv_size: expected a number"),
        (changed(line_of("# device"), "pv_size=", "size="), line_of("# device"), "device: expected group=... serial=..."),
        (
            changed(line_of("# device") + 1, "947015955.1103", "947015950.1101"),
            line_of("# device") + 1,
            "pv_uuid: physical volume 947015950.1101.sunmir2 is given twice",
        ),
        (changed(line_of("# volume"), "955.1103", "955.1104"), line_of("# volume"), "devices: expected some of the group's"),
        (changed(line_of("volume=vol03"), "=vol03", "=vol01"), line_of("volume=vol03"), "logical volume vol01 is given twice"),
        (changed(line_of("/mir2"), "/mir2", "/mir9"), ROW + 1, "mount_point: the row says /mir2"),
        (
            changed(
                line_of("/mir2"), "volume=vol02 file_type=ufs mount_point=/mir2", "volume=vol01 file_type=ufs mount_point=/mir1"
            ),
            line_of("/mir2"),
            "this filesystem of vol01 is given twice",
        ),
        (SUN.replace("# os: solaris", "# os: hpux"), ROW, "expected 7 columns (serial to mount_point), got 8"),
    ],
)
def test_a_file_that_was_changed_by_hand_is_refused_with_line_and_column(text: str, where: int, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, "seed.std")
    assert str(caught.value).startswith(f"seed.std:{where}: ")
    assert problem in str(caught.value)


def test_a_row_where_the_comment_lines_call_for_none_is_refused() -> None:
    text = write(map_of(replace(solaris(), filesystems=())))
    with pytest.raises(ConfigError, match="call for no row at all"):
        read(text + SUN_LINES[ROW - 1] + "\n", "x")


@given(st.data())
def test_a_mangled_file_is_a_configuration_error_or_a_map_and_never_another_failure(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(SUN)))
    length = data.draw(st.integers(0, 40))
    mangled = SUN[:start] + data.draw(st.text(max_size=10)) + SUN[start + length :]
    with contextlib.suppress(ConfigError):
        assert read(mangled, "x").set_name


@given(st.integers(0, len(TABLE_3)), st.text(max_size=10), st.integers(0, 20))
def test_mangled_rows_are_a_configuration_error_or_rows_and_never_another_failure(start: int, new: str, length: int) -> None:
    with contextlib.suppress(ConfigError):
        assert read_seed_rows(TABLE_3[:start] + new + TABLE_3[start + length :], "aix", "x")


def test_rows_in_another_order_are_the_same_map() -> None:
    turned = [*SUN_LINES[: ROW - 1], *reversed(SUN_LINES[ROW - 1 : -1]), ""]
    assert read("\n".join(turned), "x") == map_of(solaris())


# --- bare rows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("os", "text", "problem"),
    [
        ("hpux", TABLE_3, "x:1: expected 7 columns (serial to mount_point), got 11"),
        ("aix", TABLE_3.replace(" 25 ", " many ", 1), "x:1: lp_count: expected a number, got 'many'"),
        ("aix", TABLE_3.replace("N/A N/A", "2 wide", 1), "x:1: stripe_size: expected a size such as 64K or N/A, got 'wide'"),
        ("solaris", TABLE_2.replace("vol02", "-", 1), "x:2: volume: expected a value"),
        ("hpux", TABLE_4 + TABLE_4, "x:5: this row stands in line 1 already"),
        ("hpux", "# nothing\n\n", "x: no row in it"),
        ("linux", TABLE_4, "x: the seed has no table for the system 'linux'"),
    ],
)
def test_bare_rows_that_are_not_right_are_refused_with_their_line(os: str, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_seed_rows(text, os, "x")
    assert str(caught.value).startswith(problem)


def test_a_linux_map_has_no_rows_of_the_seed() -> None:
    with pytest.raises(ConfigError, match="the seed has no table for the system 'linux'"):
        seed_rows(replace(map_of(hpux()), os="linux"))
