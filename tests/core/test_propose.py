"""Proposed sets: whole groups with their mirrors, targets of the same system, and a reason for whatever cannot be."""

from __future__ import annotations

from dataclasses import replace

from core.model import HostFacts, Pair
from core.propose import POST_POLICIES, PRE_POLICIES, Offer, for_target, offer, propose, set_name
from core.settings import PostPolicy, PrePolicy, SetSettings, Settings
from tests.core.samples import BCVS, DATA, PAIRS, PART, SETTINGS, SOURCE, STDS, TARGET, disk, pv, with_group

EMPTY = Settings(None, {}, {}, {}, SETTINGS.pairs_file, SETTINGS.pairs_file)
FACTS = {"db1": SOURCE, "backup1": TARGET}
RELATED = {"sym": PAIRS}


def offers(
    facts: dict[str, HostFacts] = FACTS, related: dict[str, tuple[Pair, ...]] = RELATED, *sets: SetSettings
) -> dict[str, Offer]:
    found = propose(facts, related, replace(EMPTY, sets={one.name: one for one in sets}))
    return {one.groups[0]: one for one in found}


def test_each_group_whose_devices_all_have_a_mirror_is_offered_with_its_pairs_and_its_target() -> None:
    found = offers()
    assert list(found) == ["vgdata", "vgpart"]
    assert [(o.array, o.pairs, o.refusal) for o in found.values()] == [("sym", PAIRS[:2], ""), ("sym", PAIRS[2:], "")]
    assert [(t.host, t.seen) for t in found["vgdata"].targets] == [("backup1", 2)]


def test_a_group_that_is_paired_in_part_is_not_possible_and_the_reason_names_the_device() -> None:
    found = offers(related={"sym": (PAIRS[0], PAIRS[2])})
    assert list(found) == ["vgpart", "vgdata"]
    assert found["vgdata"].refusal == (
        f"only 1 of its 2 devices have a BCV; half a group is no copy. Without: {STDS[1]} (/dev/sdb)"
    )


def test_a_group_without_any_mirror_or_over_two_arrays_is_not_possible() -> None:
    assert "no array relates its 1 device" in offers(related={"sym": PAIRS[:2]})["vgpart"].refusal
    assert "in several arrays: sym, lab" in offers(related={"sym": PAIRS[:1], "lab": PAIRS[1:]})["vgdata"].refusal


def test_targets_are_of_the_same_system_those_that_see_most_mirrors_first_and_never_one_that_sees_a_standard() -> None:
    blind = replace(TARGET, host="other", devices=())
    shown = replace(TARGET, host="shown", devices=(disk("a", STDS[0]),))
    aix = replace(TARGET, host="aix", os="aix")
    facts = {"aix": aix, "shown": shown, "other": blind, **FACTS}
    targets = offers(facts)["vgdata"].targets
    assert [(t.host, t.seen) for t in targets] == [("backup1", 2), ("other", 0), ("shown", 0)]
    assert STDS[0] in targets[2].refusal
    assert "no other host with linux is known" in offers({"db1": SOURCE, "aix": aix})["vgdata"].refusal
    assert "shown sees the standard" in offers({"db1": SOURCE, "shown": shown})["vgdata"].refusal


def test_copies_on_mirrors_are_not_offered_as_sources() -> None:
    copy = replace(DATA, name="vgcopy", physical=(pv("/dev/sdx", "pv-x", BCVS[0], "vgcopy"),))
    assert "vgcopy" not in offers({"db1": SOURCE, "backup1": with_group(TARGET, copy)})


def test_what_a_set_has_already_is_not_offered_again() -> None:
    assert "in the set payroll already" in offers(FACTS, RELATED, SETTINGS)["vgdata"].refusal
    other = replace(SETTINGS, source="db9")
    assert f"BCV {BCVS[0]} is in the set payroll already" in offers(FACTS, RELATED, other)["vgdata"].refusal


def test_groups_that_no_plan_would_take_say_why() -> None:
    (physical,) = PART.physical
    spoiled = {
        "exported": replace(PART, exported=True),
        "shared": replace(PART, shared=True),
        "lacks": replace(PART, partial=True),
        "could not be read": replace(PART, physical=(replace(physical, device_serial=""),)),
        "of the kind thin": replace(PART, volumes=(*PART.volumes[:2], replace(PART.volumes[2], refusal="not today"))),
    }
    for word, group in spoiled.items():
        assert word in offers({**FACTS, "db1": with_group(SOURCE, group)})["vgpart"].refusal


def test_several_groups_of_a_source_make_one_set() -> None:
    both = offer(FACTS, RELATED, EMPTY, "db1", ("vgdata", "vgpart"))
    assert (both.pairs, both.refusal) == (PAIRS, "")
    assert "no such group" in offer(FACTS, RELATED, EMPTY, "db1", ("vgdata", "vgnone")).refusal


def test_of_several_mirrors_the_one_that_the_target_sees_is_the_first() -> None:
    hidden = tuple(Pair(std, f"79{n:03X}000") for n, std in enumerate(STDS[:2], 1))
    one = offers(related={"sym": (*hidden, *PAIRS)})["vgdata"]
    assert one.pairs == (hidden[0], PAIRS[0], hidden[1], PAIRS[1])
    assert for_target(one, TARGET) == (PAIRS[0], hidden[0], PAIRS[1], hidden[1])


def test_a_name_that_is_taken_or_no_name_gives_way() -> None:
    one = offers()["vgdata"]
    taken = {"vgdata": SETTINGS, "db1-vgdata": SETTINGS}
    assert set_name(one, EMPTY) == "vgdata"
    assert set_name(one, replace(EMPTY, sets=taken)) == "db1-vgdata-2"
    assert set_name(replace(one, groups=("vg+ä",)), EMPTY) == "vg--"


def test_every_policy_is_explained() -> None:
    assert set(PRE_POLICIES) == set(PrePolicy)
    assert set(POST_POLICIES) == set(PostPolicy)
