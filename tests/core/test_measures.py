"""The comparisons that a MEASURE step insists on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from core.measures import bcvs_in_use, changed_since, leftovers
from core.model import (
    Estate,
    HostFacts,
    LogicalVolume,
    Pair,
    PairState,
    PairStatus,
    PhysicalVolume,
    VolumeGroup,
)
from core.operations import basis
from core.plan import Plan
from core.settings import MountSettings, SetSettings

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PAIR = Pair("7902C000", "790B4000")
SETTINGS = SetSettings("payroll", "a", "b", "arr", Path("p"), (PAIR,), ("vgdata",), MountSettings("/mnt/splitmount/payroll"))


def facts(host: str, *groups: VolumeGroup, mounts: tuple[str, ...] = ()) -> HostFacts:
    return HostFacts(host, "linux", NOW, groups=groups, mount_points=mounts)


def group(
    name: str = "vgdata", uuid: str = "U1", seqno: int = 4, *, active: bool = False, serial: str = "7902C000"
) -> VolumeGroup:
    volume = LogicalVolume("lv", "L1", name, 1024, "linear", active=active)
    return VolumeGroup(
        name, uuid, seqno, 4194304, 1 << 28, volumes=(volume,), physical=(PhysicalVolume("/dev/sda", "P1", serial, name, 1),)
    )


def estate(source: HostFacts, target: HostFacts, state: PairState = PairState.ESTABLISHED) -> Estate:
    return Estate("payroll", NOW, source, target, (PairStatus(PAIR, state),))


def plan_of(source: HostFacts, state: PairState = PairState.ESTABLISHED) -> Plan:
    return Plan("backup", "payroll", (), NOW, ((PAIR, state),), facts=basis(SETTINGS, source))


def test_nothing_is_reported_when_nothing_changed() -> None:
    source = facts("a", group())
    assert changed_since(plan_of(source), SETTINGS, estate(source, facts("b"))) == ()


def test_a_new_sequence_number_of_the_group_is_a_change() -> None:
    plan = plan_of(facts("a", group()))
    (sentence,) = changed_since(plan, SETTINGS, estate(facts("a", group(seqno=5)), facts("b")))
    assert "seqno 4" in sentence
    assert "seqno 5" in sentence


def test_a_group_of_the_same_name_with_another_uuid_is_a_change() -> None:
    plan = plan_of(facts("a", group()))
    assert changed_since(plan, SETTINGS, estate(facts("a", group(uuid="U2")), facts("b")))


def test_a_pair_that_was_split_meanwhile_is_a_change() -> None:
    source = facts("a", group())
    (sentence,) = changed_since(plan_of(source), SETTINGS, estate(source, facts("b"), PairState.SPLIT))
    assert "7902C000/790B4000" in sentence


def test_an_unmeasured_host_is_never_an_unchanged_one() -> None:
    source = facts("a", group())
    gone = replace(estate(source, facts("b")), target=None, errors={"target": "no route"})
    assert changed_since(plan_of(source), SETTINGS, gone) == ("target could not be measured: no route",)


def test_an_active_group_on_a_bcv_is_in_use() -> None:
    target = facts("b", group("vgdata_bcv", active=True, serial="790B4000"))
    assert bcvs_in_use(target, (PAIR,), "/mnt/splitmount/payroll")


def test_a_mount_below_the_prefix_is_in_use_even_when_lvm_says_nothing() -> None:
    target = facts("b", mounts=("/", "/mnt/splitmount/payroll/srv"))
    assert bcvs_in_use(target, (PAIR,), "/mnt/splitmount/payroll/")


def test_a_mount_beside_the_prefix_is_not_ours() -> None:
    target = facts("b", mounts=("/mnt/splitmount/payroll2",))
    assert bcvs_in_use(target, (PAIR,), "/mnt/splitmount/payroll") == ()


def test_an_inactive_copy_is_not_in_use() -> None:
    assert bcvs_in_use(facts("b", group("vgdata", serial="790B4000")), (PAIR,), "/mnt/x") == ()


def test_leftovers_are_found_by_uuid_and_by_mount() -> None:
    target = facts("b", group("renamed", uuid="NEW"), mounts=("/mnt/x/srv",))
    assert len(leftovers(target, ["NEW"], [], "/mnt/x")) == 2
    assert leftovers(target, ["OTHER"], [], "/mnt/y") == ()
