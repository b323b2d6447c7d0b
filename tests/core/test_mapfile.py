"""The mapping file: made from facts, written, read back the same, and refused where it is not whole."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, Refused
from core.mapfile import (
    DIALECTS,
    MapDevice,
    MapFile,
    MapFilesystem,
    MapGroup,
    MapVolume,
    build_map,
    host_facts,
    mirror_map,
    read,
    write,
)
from core.maptext import escape, unescape
from core.model import Filesystem, Pair
from tests.core.samples import BCVS, DATA, IDLE, NOW, PAIRS, SIZE, SOURCE, STDS, lv, pv, with_group

MAP = build_map("payroll", SOURCE, ("vgdata", "vgpart"))
TEXT = write(MAP)

# --- any map ---------------------------------------------------------------------------------------------------------

texts = st.text(max_size=12)
words = st.text(min_size=1, max_size=12)
sizes = st.integers(0, 2**63)
systems = st.sampled_from(sorted(DIALECTS))


def filesystems(os: str) -> st.SearchStrategy[MapFilesystem]:
    """Any filesystem; a Linux file has no column for a log."""
    log = st.just("") if os == "linux" else texts
    return st.builds(MapFilesystem, words, texts, texts, texts, texts, st.booleans(), st.booleans(), log)


@st.composite
def groups(draw: st.DrawFn, name: str, os: str) -> MapGroup:
    """A group whose volumes are by name and whose volumes' devices are in the group's order, as build_map makes them."""
    uuids = draw(st.lists(words, unique=True, max_size=3))
    devices = tuple(
        MapDevice(
            draw(texts),
            draw(texts),
            uuid,
            draw(sizes),
            draw(texts),
            draw(sizes),
            draw(sizes),
            draw(texts),
            "" if os == "linux" else draw(texts),
        )
        for uuid in uuids
    )
    volumes = []
    for volume in sorted(draw(st.lists(words, unique=True, max_size=3))):
        on = tuple(u for u in uuids if draw(st.booleans()))
        found = tuple(draw(st.lists(filesystems(os), unique=True, max_size=2)))
        facts = draw(words), draw(words), draw(sizes), on, found, draw(sizes), draw(sizes), draw(texts), draw(texts)
        number = 0 if os == "linux" else draw(sizes)
        volumes.append(MapVolume(volume, *facts, draw(st.booleans()), draw(st.booleans()), draw(texts), number))
    numbers = draw(sizes), draw(sizes), draw(sizes)
    return MapGroup(name, draw(words), *numbers, draw(texts), devices, tuple(volumes))


@st.composite
def maps(draw: st.DrawFn, os: str = "linux") -> MapFile:
    """Any map of that system that the reader could give back."""
    names = draw(st.lists(words, unique=True, max_size=3))
    at = draw(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30))])))
    made = tuple(draw(groups(name, os)) for name in names)
    return MapFile(draw(words), draw(words), os, at, made, draw(st.sampled_from(["std", "bcv"])))


@given(systems.flatmap(maps))
def test_any_map_of_any_system_is_read_back_to_the_same_objects(mapped: MapFile) -> None:
    assert read(write(mapped), "x") == mapped


@given(systems.flatmap(maps), st.data())
def test_a_file_of_any_system_that_lost_its_last_lines_is_never_a_smaller_map(mapped: MapFile, data: st.DataObject) -> None:
    lines = write(mapped).split("\n")
    cut = "\n".join([*lines[: data.draw(st.integers(0, len(lines) - 2))], ""])
    try:
        found = read(cut, "x")
    except ConfigError:
        return
    assert found == mapped  # only the line of column names is gone: there were no rows


@given(st.sampled_from(sorted(set(DIALECTS) - {"linux"})).flatmap(maps), st.data())
def test_a_file_of_a_seed_dialect_never_loses_a_line_unnoticed(mapped: MapFile, data: st.DataObject) -> None:
    lines = write(mapped).split("\n")
    lost = data.draw(st.integers(0, len(lines) - 2))
    try:
        found = read("\n".join(lines[:lost] + lines[lost + 1 :]), "x")
    except ConfigError:
        return
    assert lines[lost].startswith("#serial")
    assert found == mapped


@given(st.text())
def test_any_text_is_one_plain_word_and_comes_back(text: str) -> None:
    word = escape(text)
    assert unescape(word) == text
    assert re.fullmatch(r"[!-~]+", word)
    assert not word.startswith("#")


def test_bytes_that_are_no_text_come_back() -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert escape(name) == r"caf\351"
    assert unescape(escape(name)) == name


@given(st.data())
def test_a_mangled_file_is_a_configuration_error_or_a_map_and_never_another_failure(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(TEXT)))
    length = data.draw(st.integers(0, 40))
    mangled = TEXT[:start] + data.draw(st.text(max_size=10)) + TEXT[start + length :]
    with contextlib.suppress(ConfigError):
        assert read(mangled, "x").set_name


@given(st.integers(1, TEXT.count("\n") - 1))
def test_a_file_that_lost_any_line_at_its_end_is_never_a_smaller_map(lost: int) -> None:
    cut = "\n".join(TEXT.split("\n")[: -1 - lost]) + "\n"
    with pytest.raises(ConfigError):
        read(cut, "x")


# --- the map of a host -----------------------------------------------------------------------------------------------


def test_the_map_of_a_host_holds_what_an_import_without_the_source_needs() -> None:
    data, part = MAP.groups
    assert (data.uuid, data.seqno, data.extent_size) == ("uuid-vgdata", 7, 4 << 20)
    assert [(d.serial, d.uuid, d.partition) for d in (*data.devices, *part.devices)] == [
        (STDS[0], "pv-a", ""),
        (STDS[1], "pv-b", ""),
        (STDS[2], "pv-c", "1"),
    ]
    logs = next(v for v in data.volumes if v.name == "lv-logs")
    assert logs.devices == ("pv-a", "pv-b")
    assert (logs.kind, logs.stripes, logs.stripe_size) == ("striped", 2, 65536)
    assert logs.filesystems == (MapFilesystem("xfs", "/srv/data/logs of today", "fs-lv-logs", "", "rw,noatime", True, True),)
    assert {v.name for v in part.volumes} == {"pool", "[pool_tdata]", "lvthin"}
    assert all(d.device_size == SIZE for d in data.devices)


def test_facts_from_a_map_lead_to_the_same_map() -> None:
    facts = host_facts(read(TEXT, "x"))
    assert build_map("payroll", facts, ("vgdata", "vgpart")) == MAP
    assert facts.group("vgdata") is not None
    assert facts.filesystem("vgpart", "lvthin") is not None


def test_facts_from_a_mirrors_map_keep_devices_without_an_address_apart() -> None:
    facts = host_facts(mirror_map(MAP, PAIRS))
    assert [p.path for g in facts.groups for p in g.physical] == [f"serial:{b}" for b in BCVS[:2]] + [f"serial:{BCVS[2]}:1"]


def test_the_file_reads_in_the_order_of_the_seed_and_escapes_blanks() -> None:
    line = next(text for text in TEXT.splitlines() if text.startswith("7902C000") and "lv-logs" in text)
    words = line.split()
    assert words[:2] == ["7902C000", "/dev/sda"]
    assert words[3:5] == ["vgdata", "lv-logs"]
    assert words[10:12] == ["xfs", r"/srv/data/logs\040of\040today"]


def test_a_group_that_the_host_lacks_makes_no_map() -> None:
    with pytest.raises(Refused, match="db1 has no volume group vgother; it has: vgdata, vgpart"):
        build_map("payroll", SOURCE, ("vgother",))


def test_a_group_that_is_not_active_makes_no_map() -> None:
    with pytest.raises(Refused, match="db1: group vgdata is not active"):
        build_map("payroll", with_group(SOURCE, IDLE), ("vgdata",))


def test_a_group_with_a_hole_makes_no_map() -> None:
    holed = replace(DATA, physical=(DATA.physical[0], replace(DATA.physical[1], missing=True)))
    with pytest.raises(Refused, match="pv-b is missing"):
        build_map("payroll", with_group(SOURCE, holed), ("vgdata",))


def test_one_physical_volume_on_two_devices_makes_no_map() -> None:
    twice = replace(DATA, physical=(*DATA.physical, pv("/dev/sdx", "pv-a", BCVS[0], "vgdata")))
    with pytest.raises(Refused, match="pv-a is seen on two devices"):
        build_map("payroll", with_group(SOURCE, twice), ("vgdata",))


def test_a_volume_on_a_device_outside_of_its_group_makes_no_map() -> None:
    strange = replace(DATA, volumes=(lv("lvdata", "vgdata", "/dev/sdq"),))
    with pytest.raises(Refused, match="vgdata/lvdata lies on /dev/sdq"):
        build_map("payroll", with_group(SOURCE, strange), ("vgdata",))


def test_a_volume_mounted_twice_keeps_both_mount_points() -> None:
    again = Filesystem("/dev/vgdata/lvdata", "ext4", mount_point="/again", mounted=True, group="vgdata", volume="lvdata")
    mapped = build_map("payroll", replace(SOURCE, filesystems=(*SOURCE.filesystems, again)), ("vgdata",))
    assert [f.mount_point for f in read(write(mapped), "x").groups[0].volumes[1].filesystems] == ["/srv/data", "/again"]


# --- the mirrors' side -----------------------------------------------------------------------------------------------


def test_the_mirrors_map_is_the_same_on_the_bcvs_and_says_what_each_mirrors() -> None:
    bcv = mirror_map(MAP, PAIRS, {BCVS[0]: "/dev/sdx"})
    assert bcv.side == "bcv"
    assert [(d.serial, d.address, d.mirror_of) for d in bcv.groups[0].devices] == [
        (BCVS[0], "/dev/sdx", STDS[0]),
        (BCVS[1], "", STDS[1]),
    ]
    assert [d.uuid for d in bcv.groups[0].devices] == [d.uuid for d in MAP.groups[0].devices]
    assert bcv.groups[0].volumes == MAP.groups[0].volumes
    assert read(write(bcv), "x") == bcv


def test_the_pairs_files_address_stands_where_the_target_told_none() -> None:
    pairs = (Pair(STDS[0], BCVS[0], "c1t0d0"), *PAIRS[1:])
    assert mirror_map(MAP, pairs).groups[0].devices[0].address == "c1t0d0"
    assert mirror_map(MAP, pairs, {BCVS[0]: "/dev/sdx"}).groups[0].devices[0].address == "/dev/sdx"


def test_the_first_of_several_bcvs_is_the_mirror() -> None:
    pairs = (*PAIRS, Pair(STDS[0], "790B7000"))
    assert mirror_map(MAP, pairs).groups[0].devices[0].serial == BCVS[0]


def test_a_device_without_a_pair_makes_no_mirrors_map() -> None:
    with pytest.raises(Refused, match="device 7902D000 of group vgdata has no BCV"):
        mirror_map(MAP, (PAIRS[0], PAIRS[2]))


# --- files that are not right ----------------------------------------------------------------------------------------


def spoiled(old: str, new: str, count: int = 1) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, count)


LINES = TEXT.split("\n")
FIRST_ROW = next(i for i, line in enumerate(LINES, 1) if line.startswith("7902"))


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("", 1, "no map file"),
        (spoiled("map 1", "map 2"), 1, "another format"),
        (TEXT[:-1], len(LINES) - 1, "cut off"),
        (spoiled("# set: payroll\n", ""), 1, "the header lacks set"),
        (spoiled("# side: std", "# side: left"), 1, "expected std or bcv"),
        (spoiled("# os: linux", "# os: plan9"), FIRST_ROW, "no map files for the system 'plan9'"),
        (spoiled(f"# time: {NOW.isoformat()}", "# time: yesterday"), 1, "expected ISO 8601"),
        (spoiled("+00:00", ""), 1, "expected a time with its zone"),
        (spoiled("# set: payroll", "# set: payroll\n# set: other"), 3, "set is given twice"),
        (spoiled("# rows: ", "# rows: 9"), 1, "the file is not whole"),
        (spoiled("seqno=7", "seqno=seven"), 8, "seqno: expected a number, got 'seven'"),
        (spoiled("seqno=7 ", ""), 8, "group: expected name=... uuid=..."),
        (spoiled("uuid=uuid-vgdata", "uuid=-"), 8, "uuid: expected a value"),
        (spoiled("name=vgpart", "name=vgdata"), 9, "group vgdata is given twice"),
        (spoiled("name=vgdata", "name=vgother"), FIRST_ROW, "group 'vgdata' is not in the header"),
        (spoiled("7902C000  ", "7902C000  more  "), FIRST_ROW, "expected 25 columns (serial to refusal), got 26"),
        (spoiled("67108864", "64M"), FIRST_ROW, "size: expected a number, got '64M'"),
        (spoiled("pv-a", "-"), FIRST_ROW, "pv_uuid: expected a value"),
        (spoiled("of\\040", "of\\04"), FIRST_ROW, "mount_point: "),
        (spoiled("  mt  ", "  mx  "), FIRST_ROW, "fs_flags: expected letters of 'mt', got 'x'"),
        (spoiled("lvdata  ", "-       "), FIRST_ROW + 1, "volume: expected a value"),
        (spoiled("ext4 ", "-    "), FIRST_ROW + 1, "file_type: expected a value"),
    ],
)
def test_a_spoiled_file_is_refused_with_file_and_line(text: str, where: int, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, "payroll.std")
    assert str(caught.value).startswith(f"payroll.std:{where}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("word", "problem"),
    [("/dev/sda", "physical volume pv-a differs"), ("striped", "logical volume lv-logs differs")],
)
def test_rows_that_contradict_each_other_are_refused(word: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read(spoiled(word, "x" * len(word)), "x")


def test_a_persons_comments_and_blank_lines_do_no_harm() -> None:
    assert read(spoiled("# set:", "# checked by: the night shift\n#\n\n# set:"), "x") == MAP


def test_a_system_without_a_dialect_is_named_when_writing_too() -> None:
    with pytest.raises(ConfigError, match="'plan9'"):
        write(replace(MAP, os="plan9"))
    with pytest.raises(ConfigError, match="'plan9'"):
        host_facts(replace(MAP, os="plan9"))


def test_what_a_dialect_has_no_column_for_is_refused_and_not_lost() -> None:
    group = MAP.groups[0]
    numbered = replace(group, volumes=(replace(group.volumes[0], number=3), *group.volumes[1:]))
    with pytest.raises(ConfigError, match=r"vgdata/lv-logs: number is '3', and files for linux have no such column"):
        write(replace(MAP, groups=(numbered,)))
