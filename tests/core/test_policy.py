"""Every cell of the policy tables, written out again from the product's page, and the states beside them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.model import Pair, PairState, PairStatus
from core.policy import SetCondition, Verb, condition, decide, decide_after, torn
from core.settings import PostPolicy, PrePolicy

A, B = Pair("7902C000", "790B4000"), Pair("7902D000", "790B5000")
AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
E, S, C = PairState.ESTABLISHED, PairState.SPLIT, PairState.COPYING


def states(first: PairState, second: PairState, *ids: str) -> tuple[PairStatus, ...]:
    one, two = ids or ("s1", "s1")
    return (PairStatus(A, first, split_id=one, split_at=AT), PairStatus(B, second, split_id=two, split_at=AT))


SETS = {
    "all established": states(E, E),
    "all split": states(S, S),
    "mixed": states(E, S),
    "copying": states(E, C),
    "unreadable": states(E, PairState.UNKNOWN),
}

FAIL = "fail"
SPLIT, ON = (Verb.SPLIT,), ()
WAIT_SPLIT = (Verb.WAIT, Verb.SPLIT)
AFRESH = (Verb.ESTABLISH, Verb.WAIT, Verb.SPLIT)
PRE: dict[PrePolicy, tuple[object, ...]] = {
    PrePolicy.DOWN: (SPLIT, FAIL, FAIL, WAIT_SPLIT, FAIL),
    PrePolicy.VERIFY_DOWN: (FAIL, ON, FAIL, FAIL, FAIL),
    PrePolicy.DOWN_IF_NEEDED: (SPLIT, ON, FAIL, WAIT_SPLIT, FAIL),
    PrePolicy.DOWN_AFTER_ESTABLISHING: (SPLIT, AFRESH, AFRESH, WAIT_SPLIT, FAIL),
}
POST: dict[PostPolicy, tuple[bool, ...]] = {
    PostPolicy.UP: (True, True, True, True, True),
    PostPolicy.LEAVE_DOWN: (False, False, False, False, False),
    PostPolicy.AS_FOUND: (True, False, False, False, False),
}


@pytest.mark.parametrize("pre", PrePolicy)
@pytest.mark.parametrize("column", range(5), ids=list(SETS))
def test_every_cell_of_the_pre_policies_is_as_in_the_product(pre: PrePolicy, column: int) -> None:
    decision = decide(pre, tuple(SETS.values())[column])
    expected = PRE[pre][column]
    assert decision.fails is (expected == FAIL)
    assert decision.actions == (() if expected == FAIL else expected)
    assert decision.sentence


@pytest.mark.parametrize("post", PostPolicy)
@pytest.mark.parametrize("column", range(5), ids=list(SETS))
def test_every_cell_of_the_post_policies_is_as_in_the_product(post: PostPolicy, column: int) -> None:
    assert decide_after(post, tuple(SETS.values())[column]).establish is POST[post][column]


@pytest.mark.parametrize("name", SETS)
def test_the_column_is_found_from_the_states(name: str) -> None:
    assert condition(SETS[name]).value == name


@pytest.mark.parametrize("odd", [PairState.NEVER, PairState.INVALID, PairState.RESTORING, PairState.UNKNOWN])
@pytest.mark.parametrize("other", [E, S, C])
def test_one_unusable_pair_makes_the_set_unreadable(odd: PairState, other: PairState) -> None:
    assert condition(states(other, odd)) is SetCondition.UNREADABLE


def test_no_pairs_at_all_are_unreadable_and_refused() -> None:
    decision = decide(PrePolicy.VERIFY_DOWN, ())
    assert condition(()) is SetCondition.UNREADABLE
    assert decision.fails
    assert "no pair" in decision.sentence


def test_a_split_and_a_copying_pair_are_mixed_because_they_go_two_ways() -> None:
    assert condition(states(S, C)) is SetCondition.MIXED
    assert condition(states(E, PairState.SPLITTING)) is SetCondition.MIXED


def test_a_splitting_set_counts_as_copying_and_no_verb_is_planned_for_it() -> None:
    splitting = states(S, PairState.SPLITTING)
    assert condition(splitting) is SetCondition.COPYING
    for pre in PrePolicy:
        decision = decide(pre, splitting)
        assert decision.fails
        assert "7902D000/790B5000 is splitting" in decision.sentence


def test_never_established_pairs_are_copied_whole_under_one_policy_only() -> None:
    never = states(PairState.NEVER, PairState.NEVER)
    decision = decide(PrePolicy.DOWN_AFTER_ESTABLISHING, never)
    assert decision.actions == AFRESH
    assert any("7902C000/790B4000" in w and "everything is copied" in w for w in decision.warnings)
    assert all(decide(pre, never).fails for pre in PrePolicy if pre is not PrePolicy.DOWN_AFTER_ESTABLISHING)


def test_an_invalid_pair_is_refused_under_every_policy_with_its_note() -> None:
    broken = (*states(E, E)[:1], PairStatus(B, PairState.INVALID, note="copy failed: no space"))
    for pre in PrePolicy:
        decision = decide(pre, broken)
        assert decision.fails
        assert "7902D000/790B5000 is invalid (copy failed: no space)" in decision.sentence


@pytest.mark.parametrize(
    ("pre", "odd", "even"),
    [
        (PrePolicy.DOWN, "7902D000/790B5000 is split", "7902C000"),
        (PrePolicy.VERIFY_DOWN, "7902C000/790B4000 is established", "7902D000"),
    ],
)
def test_a_refusal_names_the_odd_pairs_and_only_those(pre: PrePolicy, odd: str, even: str) -> None:
    sentence = decide(pre, SETS["mixed"]).sentence
    assert pre.value in sentence
    assert odd in sentence
    assert even not in sentence


def test_a_refused_mixed_set_shows_both_sides_where_both_would_do() -> None:
    sentence = decide(PrePolicy.DOWN_IF_NEEDED, SETS["mixed"]).sentence
    assert "7902C000/790B4000 is established; 7902D000/790B5000 is split" in sentence


def test_the_override_of_a_mixed_set_splits_the_established_and_warns() -> None:
    decision = decide(PrePolicy.DOWN_IF_NEEDED, SETS["mixed"], allow_mixed=True)
    assert not decision.fails
    assert decision.actions == (Verb.SPLIT_ESTABLISHED,)
    assert "the result is not one point in time" in decision.warnings


@pytest.mark.parametrize("pre", [PrePolicy.DOWN, PrePolicy.VERIFY_DOWN])
def test_the_override_turns_no_other_policy(pre: PrePolicy) -> None:
    assert decide(pre, SETS["mixed"], allow_mixed=True).fails


def test_the_override_never_takes_a_half_copied_mirror() -> None:
    assert decide(PrePolicy.DOWN_IF_NEEDED, states(S, C), allow_mixed=True).fails


def test_a_torn_set_is_mixed_and_never_all_split() -> None:
    apart = states(S, S, "s1", "s2")
    assert condition(apart) is SetCondition.MIXED
    for pre in (PrePolicy.VERIFY_DOWN, PrePolicy.DOWN_IF_NEEDED, PrePolicy.DOWN):
        decision = decide(pre, apart)
        assert decision.fails
        assert "TORN_SET 7902C000/790B4000 carry split s1" in decision.sentence
    assert decide(PrePolicy.DOWN_AFTER_ESTABLISHING, apart).actions == AFRESH
    assert decide(PrePolicy.DOWN_IF_NEEDED, apart, allow_mixed=True).actions == ()


def test_torn_names_each_split_with_its_pairs_and_time() -> None:
    first, second = torn(states(S, S, "s1", ""))
    assert first == "7902C000/790B4000 carry split s1 of 2026-11-23 02:00:00 UTC"
    assert second == "7902D000/790B5000 carry no known split"
    assert torn(states(S, S)) == ()
    assert torn(states(E, E, "s1", "s2")) == ()


def test_splits_that_the_array_does_not_date_are_used_with_a_warning() -> None:
    assert any("does not say" in w for w in decide(PrePolicy.VERIFY_DOWN, states(S, S, "", "")).warnings)
    assert decide(PrePolicy.VERIFY_DOWN, states(S, S)).warnings == ()


def test_establishing_again_warns_that_it_destroys_the_point_in_time() -> None:
    (warning,) = decide(PrePolicy.DOWN_AFTER_ESTABLISHING, SETS["mixed"]).warnings
    assert "destroys the previous point in time on 790B5000" in warning
    assert "2026-11-23 02:00:00 UTC" in warning
    assert decide(PrePolicy.DOWN_AFTER_ESTABLISHING, SETS["all established"]).warnings == ()


@pytest.mark.parametrize(
    ("hour", "minute", "age"), [(2, 5, "5 min ago"), (5, 0, "3 h ago"), (2, 0, "0 min ago")], ids=["minutes", "hours", "now"]
)
def test_going_on_with_a_split_set_shows_its_age(hour: int, minute: int, age: str) -> None:
    decision = decide(PrePolicy.DOWN_IF_NEEDED, SETS["all split"], now=AT.replace(hour=hour, minute=minute))
    assert age in decision.sentence
    assert "split at 2026-11-23 02:00:00 UTC" in decision.sentence


def test_a_split_without_a_time_has_no_invented_one() -> None:
    unknown = (PairStatus(A, S, split_id="s1"), PairStatus(B, S, split_id="s1", split_at=AT))
    assert "time of the split unknown" in decide(PrePolicy.DOWN_IF_NEEDED, unknown).sentence
