"""What is not as the kept map has it: one change of a sound estate each, and what must stay silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.drift import differences
from core.kept import drift_of
from core.mapfile import build_map, mirror_map, read, write
from core.maps import MapKeeper
from core.model import Difference, Drift, Filesystem, HostFacts, LogicalVolume, Pair, PhysicalVolume
from core.settings import SetSettings
from tests.core.samples import (
    BCVS,
    DATA,
    ESTATE,
    FILESYSTEMS,
    IDLE,
    NOW,
    PAIRS,
    PART,
    SETTINGS,
    SIZE,
    SOURCE,
    STDS,
    lv,
    with_group,
)

STD = build_map("payroll", SOURCE, ("vgdata", "vgpart"))
BCV = mirror_map(STD, PAIRS)
NEW_PV = PhysicalVolume("/dev/sdd", "pv-d", "7902F000", "vgdata", SIZE)
HOME = SOURCE.filesystems[0]


def drift(host: HostFacts = SOURCE, settings: SetSettings = SETTINGS) -> list[Difference]:
    return list(differences(STD, BCV, host, settings))


def volumes(change: Callable[[LogicalVolume], LogicalVolume], name: str = "lvdata") -> HostFacts:
    """The source with one volume of its first group changed."""
    return with_group(SOURCE, replace(DATA, volumes=tuple(change(v) if v.name == name else v for v in DATA.volumes)))


def mounts(*changed: Filesystem) -> HostFacts:
    """The source with these in place of its first filesystem."""
    return replace(SOURCE, filesystems=(*changed, *FILESYSTEMS[1:]))


def device(**facts: str) -> HostFacts:
    first, *rest = DATA.physical
    return with_group(SOURCE, replace(DATA, physical=(replace(first, **facts), *rest)))  # type: ignore[arg-type]


def test_what_was_just_mapped_has_not_drifted_nor_has_its_file() -> None:
    assert drift() == []
    assert differences(read(write(STD), "std"), read(write(BCV), "bcv"), SOURCE, SETTINGS) == ()


def test_other_paths_and_activation_are_no_drift() -> None:
    moved = replace(
        DATA,
        physical=tuple(replace(p, path=p.path.replace("sd", "vd")) for p in DATA.physical),
        volumes=tuple(replace(v, active=False, devices=tuple(d.replace("sd", "vd") for d in v.devices)) for v in DATA.volumes),
    )
    assert drift(with_group(SOURCE, moved)) == []


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (
            with_group(SOURCE, replace(DATA, volumes=(*DATA.volumes, lv("new", "vgdata", "/dev/sda")))),
            Difference("VOLUME_ADDED", "vgdata/new", "", "linear of 67108864 bytes"),
        ),
        (
            with_group(SOURCE, replace(DATA, volumes=DATA.volumes[:3])),
            Difference("VOLUME_REMOVED", "vgdata/lvraw", "linear of 67108864 bytes", ""),
        ),
        (
            volumes(lambda v: replace(v, name="lvfresh"), "lvraw"),
            Difference("VOLUME_RENAMED", "vgdata/lvraw", "lvraw", "lvfresh"),
        ),
        (
            volumes(lambda v: replace(v, uuid="another"), "lvraw"),
            Difference("VOLUME_REPLACED", "vgdata/lvraw", "uuid-vgdata-lvraw", "another"),
        ),
        (
            volumes(lambda v: replace(v, size=v.size * 2), "lvraw"),
            Difference("VOLUME_GROWN", "vgdata/lvraw", "67108864 bytes", "134217728 bytes"),
        ),
        (
            volumes(lambda v: replace(v, size=v.size // 2), "lvraw"),
            Difference("VOLUME_SHRUNK", "vgdata/lvraw", "67108864 bytes", "33554432 bytes"),
        ),
        (
            volumes(lambda v: replace(v, size=v.size * 2)),
            Difference("FILESYSTEM_GROWN", "vgdata/lvdata", "67108864 bytes", "134217728 bytes"),
        ),
        (
            volumes(lambda v: replace(v, size=v.size // 2)),
            Difference("FILESYSTEM_SHRUNK", "vgdata/lvdata", "67108864 bytes", "33554432 bytes"),
        ),
        (
            volumes(lambda v: replace(v, devices=("/dev/sdb",))),
            Difference("VOLUME_MOVED", "vgdata/lvdata", STDS[0], STDS[1]),
        ),
        (
            volumes(lambda v: replace(v, kind="snapshot", origin="lvdata"), "lvraw"),
            Difference("VOLUME_CHANGED", "vgdata/lvraw", "kind linear, origin none", "kind snapshot, origin lvdata"),
        ),
        (
            mounts(replace(HOME, uuid="made-anew")),
            Difference("FILESYSTEM_CHANGED", "vgdata/lvdata", "ext4 fs-lvdata", "ext4 made-anew"),
        ),
        (
            mounts(replace(HOME, mount_point="/srv/elsewhere")),
            Difference("MOUNT_MOVED", "vgdata/lvdata", "/srv/data", "/srv/elsewhere"),
        ),
        (mounts(replace(HOME, mounted=False)), Difference("MOUNT_REMOVED", "vgdata/lvdata", "/srv/data", "")),
        (mounts(HOME, replace(HOME, mount_point="/export")), Difference("MOUNT_ADDED", "vgdata/lvdata", "", "/export")),
        (
            mounts(replace(HOME, options="ro")),
            Difference("MOUNT_CHANGED", "vgdata/lvdata on /srv/data", "options none", "options ro"),
        ),
        (
            with_group(SOURCE, replace(DATA, physical=(*DATA.physical, NEW_PV))),
            Difference("DEVICE_ADDED", "vgdata/7902F000", "", "pv-d"),
        ),
        (device(partition="1"), Difference("DEVICE_CHANGED", "vgdata/7902C000", "partition none", "partition 1")),
        (with_group(SOURCE, replace(DATA, seqno=9)), Difference("GROUP_WRITTEN", "vgdata", "sequence number 7", "sequence number 9")),
    ],
    ids=lambda value: value.code if isinstance(value, Difference) else "",
)  # fmt: skip
def test_one_change_on_the_source_is_one_difference(host: HostFacts, found: Difference) -> None:
    assert drift(host) == [found]


def test_a_number_of_the_metadata_is_told_only_where_nothing_else_explains_it() -> None:
    grown = replace(DATA, seqno=9, volumes=(*DATA.volumes, lv("new", "vgdata", "/dev/sda")))
    assert [d.code for d in drift(with_group(SOURCE, grown))] == ["VOLUME_ADDED"]


def test_a_device_that_left_takes_its_volumes_along() -> None:
    left = with_group(SOURCE, replace(DATA, physical=DATA.physical[:1], volumes=DATA.volumes[:1]))
    codes = [d.code for d in drift(left)]
    assert codes == ["DEVICE_REMOVED", "VOLUME_REMOVED", "VOLUME_REMOVED", "VOLUME_REMOVED"]


def test_a_group_that_was_imported_under_another_id_is_one_difference() -> None:
    again = replace(
        DATA,
        uuid="another",
        physical=tuple(replace(p, uuid=f"new-{p.uuid}") for p in DATA.physical),
        volumes=tuple(replace(v, uuid=f"new-{v.uuid}") for v in DATA.volumes),
    )
    assert drift(with_group(SOURCE, again)) == [Difference("GROUP_REPLACED", "vgdata", "uuid-vgdata", "another")]


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        (PAIRS[1:], Difference("PAIR_REMOVED", STDS[0], BCVS[0], "")),
        ((Pair(STDS[0], "790B7000"), *PAIRS[1:]), Difference("PAIR_CHANGED", STDS[0], BCVS[0], "790B7000")),
    ],
)
def test_a_pair_that_went_or_changed_is_a_difference(pairs: tuple[Pair, ...], found: Difference) -> None:
    assert drift(settings=replace(SETTINGS, pairs=pairs)) == [found]


def test_a_new_device_comes_with_its_pair_and_other_pairs_of_the_file_are_no_part_of_the_set() -> None:
    settings = replace(
        SETTINGS, pairs=(*PAIRS, Pair("7902F000", "790B7000"), Pair("79030000", "790B8000"), Pair(STDS[0], "790B9000"))
    )
    extended = with_group(SOURCE, replace(DATA, physical=(*DATA.physical, NEW_PV)))
    assert [(d.code, d.subject) for d in drift(extended, settings)] == [
        ("DEVICE_ADDED", "vgdata/7902F000"),
        ("PAIR_ADDED", "7902F000"),
    ]


def test_groups_that_come_go_or_cannot_be_read_are_told_whole() -> None:
    more = with_group(SOURCE, replace(PART, name="vgnew", physical=(), volumes=()))
    assert [d.told for d in drift(more, replace(SETTINGS, volume_groups=("vgdata", "vgpart", "vgnew")))] == [
        "group added vgnew"
    ]
    assert drift(replace(SOURCE, groups=(DATA,)))[0] == Difference("GROUP_REMOVED", "vgpart", "in the set", "not on db1")
    torn = replace(DATA, physical=tuple(replace(p, missing=True) for p in DATA.physical))
    (only,) = drift(with_group(SOURCE, torn))
    assert (only.code, "physical volume pv-a is missing" in only.now) == ("GROUP_UNREADABLE", True)
    (ruined,) = differences(STD, BCV, SOURCE, SETTINGS, {"vgdata": "has no label"})
    assert ruined == Difference("GROUP_UNREADABLE", "vgdata", "whole", "has no label")


# --- in one line ------------------------------------------------------------------------------------------------------


@pytest.fixture
def maps(tmp_path: Path) -> MapKeeper:
    return MapKeeper(tmp_path / "maps")


def test_without_a_kept_map_that_is_said(maps: MapKeeper) -> None:
    assert drift_of(maps, SETTINGS, ESTATE).told == "no kept map"


def test_drift_is_told_in_one_line_with_the_time_of_the_map(maps: MapKeeper) -> None:
    maps.keep(STD, BCV)
    assert drift_of(maps, SETTINGS, ESTATE).told == "as the map of 2026-11-23 12:00 UTC"
    more = volumes(lambda v: replace(v, name="lvfresh"), "lvraw")
    told = drift_of(maps, SETTINGS, replace(ESTATE, source=more)).told
    assert told == "drift since the map of 2026-11-23 12:00 UTC: 1 (volume renamed vgdata/lvraw)"
    many = Drift(NOW, "", tuple(Difference("VOLUME_ADDED", f"vgdata/{n}", "", "x") for n in range(5)))
    assert many.told.endswith(": 5 (volume added vgdata/0, volume added vgdata/1, volume added vgdata/2, ...)")


def test_a_source_that_does_not_answer_has_no_known_drift(maps: MapKeeper) -> None:
    maps.keep(STD, BCV)
    dark = replace(ESTATE, source=None, errors={"source": "no route\nto it"})
    found = drift_of(maps, SETTINGS, dark)
    assert found.differences == ()
    assert found.told == "drift since the map of 2026-11-23 12:00 UTC: unknown, db1 does not answer: no route"


def test_the_drift_of_a_group_that_is_not_active_is_unknown_and_that_of_the_others_is_told(maps: MapKeeper) -> None:
    maps.keep(STD, BCV)
    idle = replace(ESTATE, source=with_group(SOURCE, IDLE))
    why = "vgdata is not active on db1, so that what is in it cannot be read"
    found = drift_of(maps, SETTINGS, idle)
    assert (found.differences, found.told) == ((), f"drift since the map of 2026-11-23 12:00 UTC: unknown, {why}")
    by = "; run 12, which has no end, stopped it: splitmount recover 12"
    assert drift_of(maps, SETTINGS, idle, {"vgdata": 12, "vgpart": 12}).told.endswith(f"unknown, {why}{by}")
    other = replace(idle, source=with_group(with_group(SOURCE, IDLE), replace(PART, seqno=PART.seqno + 1)))
    assert f": 1 (group written vgpart), and unknown, {why}" in drift_of(maps, SETTINGS, other).told
    gone = replace(ESTATE, source=replace(SOURCE, groups=tuple(g for g in SOURCE.groups if g.name != "vgdata")))
    assert drift_of(maps, SETTINGS, gone, {"vgdata": 12}).told.endswith(f"unknown, {why}{by}")
    assert "group removed vgdata" in drift_of(maps, SETTINGS, gone).told


def test_a_damaged_map_is_no_map_to_compare_with(maps: MapKeeper) -> None:
    path = maps.keep(STD, BCV)
    path.with_suffix(".bcv").write_text("cut off")
    assert drift_of(maps, SETTINGS, ESTATE).told.startswith("drift unknown: the newest kept map cannot be read: ")
