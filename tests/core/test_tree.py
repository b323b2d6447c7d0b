"""The map as a tree and back, and what the tree brings to light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given

from core.mapfile import MapFile, MapGroup, build_map
from core.tree import problems, to_map, to_tree
from tests.core.samples import SOURCE
from tests.core.test_mapfile import maps

MAP = build_map("payroll", SOURCE, ("vgdata", "vgpart"))
DATA, PART = MAP.groups


@given(maps())
def test_any_map_comes_back_from_its_tree(mapped: MapFile) -> None:
    assert to_map(to_tree(mapped)) == mapped


def test_the_group_is_the_root_and_each_branch_sees_the_other_side() -> None:
    root = to_tree(MAP).groups[0]
    assert root.group.name == "vgdata"
    assert (root.group.devices, root.group.volumes) == ((), ())
    assert [(b.device.serial, b.volumes) for b in root.devices] == [
        ("7902C000", ("lv-logs", "lvdata")),
        ("7902D000", ("lv-logs", "lvraw", "lvswap")),
    ]
    logs = root.volumes[0]
    assert (logs.volume.name, [d.serial for d in logs.devices]) == ("lv-logs", ["7902C000", "7902D000"])


def test_a_sound_map_has_no_problems() -> None:
    assert problems(MAP) == ()


def data(change: Callable[[MapGroup], MapGroup]) -> MapFile:
    return replace(MAP, groups=(change(DATA), PART))


def first_volume(**facts: object) -> MapFile:
    return data(lambda g: replace(g, volumes=(replace(g.volumes[0], **facts), *g.volumes[1:])))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mapped", "problem"),
    [
        (replace(MAP, groups=(DATA, replace(PART, devices=DATA.devices[:1]))), "physical volume pv-a stands in the map twice"),
        (
            data(lambda g: replace(g, devices=(g.devices[0], replace(g.devices[1], serial="7902C000")))),
            "device 7902C000 carries two physical volumes: pv-a, pv-b",
        ),
        (replace(MAP, groups=(DATA, replace(PART, uuid=DATA.uuid))), "volume group UUID uuid-vgdata stands in the map twice"),
        (data(lambda g: replace(g, devices=(), volumes=())), "group vgdata has no device"),
        (data(lambda g: replace(g, volumes=(*g.volumes, g.volumes[0]))), "vgdata/lv-logs stands in the map twice"),
        (
            data(lambda g: replace(g, devices=(replace(g.devices[0], device_size=1), g.devices[1]))),
            "physical volume pv-a is larger than its device 7902C000",
        ),
        (first_volume(devices=("pv-a", "pv-x")), "vgdata/lv-logs lies on physical volume pv-x, which is not in the group"),
        (first_volume(pool="tank"), "vgdata/lv-logs has the pool tank, which is not in the map"),
        (first_volume(origin="base"), "vgdata/lv-logs has the origin base, which is not in the map"),
        (first_volume(devices=()), "vgdata/lv-logs lies on no device"),
    ],
)
def test_a_map_that_contradicts_itself_is_told_how(mapped: MapFile, problem: str) -> None:
    assert problem in problems(mapped)


def test_two_partitions_of_one_device_are_no_contradiction() -> None:
    one, two = DATA.devices
    parts = (replace(one, partition="1"), replace(two, serial=one.serial, partition="2"))
    assert problems(data(lambda g: replace(g, devices=parts))) == ()


def test_devices_out_of_the_groups_order_lead_to_another_map() -> None:
    assert problems(first_volume(devices=("pv-b", "pv-a"))) == ("the tree of the map leads to another map",)
