"""What a mirror policy means for the states that were measured: tables, looked up and never interpreted.

A set is one point in time or it is nothing; so every state that the tables of the product do not name is read the way a
careful operator would:

- restoring, invalid, unknown and never established pairs make the whole set unreadable, which refuses;
- a never established pair counts as split under bring-mirrors-down-after-establishing alone: it is copied whole there;
- a copying pair is on its way up and a splitting pair on its way down; both ways in one set is mixed;
- a set on its way in one direction is copying; while a pair is still splitting no verb is planned at all;
- split pairs that were not split at one instant (a torn set) are mixed, not "all split".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from core.model import PairState, PairStatus
from core.settings import PostPolicy, PrePolicy


class SetCondition(StrEnum):
    """The states of all pairs of a set in one word: the columns of the tables."""

    ESTABLISHED = "all established"
    SPLIT = "all split"
    MIXED = "mixed"
    COPYING = "copying"
    UNREADABLE = "unreadable"


class Verb(StrEnum):
    """What a planner does next. ESTABLISH means every pair that is down; SPLIT the whole set as one."""

    WAIT = "wait until all are established"
    ESTABLISH = "establish those that are down"
    SPLIT = "split all as one"
    SPLIT_ESTABLISHED = "split those that are established"


@dataclass(frozen=True, slots=True)
class PreDecision:
    """The answer before an operation; `actions` is empty where nothing is to do and where it fails."""

    actions: tuple[Verb, ...]
    fails: bool
    sentence: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PostDecision:
    """The answer for afterwards: establish (incrementally, after the proof of cleanup) or leave the mirrors down."""

    establish: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class _Cell:
    """One cell of the pre-policy table; `actions` None means fail, `override` is what allow_mixed turns it into."""

    actions: tuple[Verb, ...] | None
    sentence: str
    override: tuple[Verb, ...] | None = None


_UP = frozenset({PairState.ESTABLISHED, PairState.COPYING})
_DOWN = frozenset({PairState.SPLIT, PairState.SPLITTING})
_MOVING = frozenset({PairState.COPYING, PairState.SPLITTING})
_AT_REST = frozenset({PairState.ESTABLISHED, PairState.SPLIT})

# The rows are the words of the operator's policies, the columns what was measured.
_PRE: Mapping[tuple[PrePolicy, SetCondition], _Cell] = {
    (PrePolicy.DOWN, SetCondition.ESTABLISHED): _Cell((Verb.SPLIT,), "all mirrors are established: split them as one"),
    (PrePolicy.DOWN, SetCondition.SPLIT): _Cell(None, "needs established mirrors, and all are split already"),
    (PrePolicy.DOWN, SetCondition.MIXED): _Cell(None, "needs established mirrors, and the set is mixed"),
    (PrePolicy.DOWN, SetCondition.COPYING): _Cell(
        (Verb.WAIT, Verb.SPLIT), "mirrors are still copying: wait until they are established, then split all as one"
    ),
    (PrePolicy.DOWN, SetCondition.UNREADABLE): _Cell(None, "needs established mirrors, and not all have a usable state"),
    (PrePolicy.VERIFY_DOWN, SetCondition.ESTABLISHED): _Cell(None, "needs split mirrors, and all are established"),
    (PrePolicy.VERIFY_DOWN, SetCondition.SPLIT): _Cell((), "all mirrors are split: go on with that point in time"),
    (PrePolicy.VERIFY_DOWN, SetCondition.MIXED): _Cell(None, "needs mirrors split at one instant, and the set is mixed"),
    (PrePolicy.VERIFY_DOWN, SetCondition.COPYING): _Cell(None, "needs split mirrors, and a copy or split is under way"),
    (PrePolicy.VERIFY_DOWN, SetCondition.UNREADABLE): _Cell(None, "needs split mirrors, and not all have a usable state"),
    (PrePolicy.DOWN_IF_NEEDED, SetCondition.ESTABLISHED): _Cell(
        (Verb.SPLIT,), "all mirrors are established: split them as one"
    ),
    (PrePolicy.DOWN_IF_NEEDED, SetCondition.SPLIT): _Cell((), "all mirrors are split: go on with that point in time"),
    (PrePolicy.DOWN_IF_NEEDED, SetCondition.MIXED): _Cell(
        None, "the set is mixed: the result would not be one point in time", override=(Verb.SPLIT_ESTABLISHED,)
    ),
    (PrePolicy.DOWN_IF_NEEDED, SetCondition.COPYING): _Cell(
        (Verb.WAIT, Verb.SPLIT), "mirrors are still copying: wait until they are established, then split all as one"
    ),
    (PrePolicy.DOWN_IF_NEEDED, SetCondition.UNREADABLE): _Cell(None, "not all mirrors have a usable state"),
    (PrePolicy.DOWN_AFTER_ESTABLISHING, SetCondition.ESTABLISHED): _Cell(
        (Verb.SPLIT,), "all mirrors are established: split them as one"
    ),
    (PrePolicy.DOWN_AFTER_ESTABLISHING, SetCondition.SPLIT): _Cell(
        (Verb.ESTABLISH, Verb.WAIT, Verb.SPLIT), "no mirror is established: establish all, wait, then split all as one"
    ),
    (PrePolicy.DOWN_AFTER_ESTABLISHING, SetCondition.MIXED): _Cell(
        (Verb.ESTABLISH, Verb.WAIT, Verb.SPLIT), "the set is mixed: establish those that are down, wait, then split all as one"
    ),
    (PrePolicy.DOWN_AFTER_ESTABLISHING, SetCondition.COPYING): _Cell(
        (Verb.WAIT, Verb.SPLIT), "mirrors are still copying: wait until they are established, then split all as one"
    ),
    (PrePolicy.DOWN_AFTER_ESTABLISHING, SetCondition.UNREADABLE): _Cell(None, "not all mirrors have a usable state"),
}

# What the operator can do about a refusal, by what was measured.
_ADVICE: Mapping[SetCondition, str] = {
    SetCondition.ESTABLISHED: "Split them, or choose a policy that does.",
    SetCondition.SPLIT: "Establish them, or choose a policy that takes split mirrors.",
    SetCondition.MIXED: "Find out who left them so; bring all pairs to one state, then plan again.",
    SetCondition.COPYING: "Wait until the copy has ended, then plan again.",
    SetCondition.UNREADABLE: "Look at those pairs and their serials on the array; establish them anew when it is known why.",
}

_LEFT = "not all mirrors were established at the start: they are left down"

_POST: Mapping[tuple[PostPolicy, SetCondition], PostDecision] = {
    **{
        (PostPolicy.UP, found): PostDecision(True, "the mirrors are established again, after cleanup is proved")
        for found in SetCondition
    },
    **{
        (PostPolicy.LEAVE_DOWN, found): PostDecision(False, "the mirrors stay split: the point in time stays usable")
        for found in SetCondition
    },
    (PostPolicy.AS_FOUND, SetCondition.ESTABLISHED): PostDecision(
        True, "all mirrors were established at the start: they are established again, after cleanup is proved"
    ),
    (PostPolicy.AS_FOUND, SetCondition.SPLIT): PostDecision(False, "all mirrors were split at the start: they are left down"),
    (PostPolicy.AS_FOUND, SetCondition.MIXED): PostDecision(False, _LEFT),
    (PostPolicy.AS_FOUND, SetCondition.COPYING): PostDecision(False, _LEFT),
    (PostPolicy.AS_FOUND, SetCondition.UNREADABLE): PostDecision(False, _LEFT),
}

# Under which policy a state that would make the set unreadable is read as another one.
_READ_AS: Mapping[tuple[PrePolicy, PairState], PairState] = {
    (PrePolicy.DOWN_AFTER_ESTABLISHING, PairState.NEVER): PairState.SPLIT,
}

# The states that a policy can work with: the others are the odd ones that its refusal names.
_WANTED: Mapping[PrePolicy, frozenset[PairState]] = {
    PrePolicy.DOWN: _UP,
    PrePolicy.VERIFY_DOWN: frozenset({PairState.SPLIT}),
    PrePolicy.DOWN_IF_NEEDED: _AT_REST | {PairState.COPYING},
    PrePolicy.DOWN_AFTER_ESTABLISHING: _AT_REST | {PairState.COPYING, PairState.NEVER},
}


def torn(statuses: tuple[PairStatus, ...]) -> tuple[str, ...]:
    """Why the split pairs are not one point in time, as sentences; empty when nothing speaks against it.

    Split identities come from the array. None at all says nothing either way: see `undated`.
    """
    split = [s for s in statuses if s.state is PairState.SPLIT]
    ids = dict.fromkeys(s.split_id for s in split)
    if len(ids) < 2:
        return ()
    return tuple(
        f"{', '.join(_name(s) for s in split if s.split_id == split_id)} carry "
        + (f"split {split_id}{_since(split, split_id)}" if split_id else "no known split")
        for split_id in ids
    )


def undated(statuses: tuple[PairStatus, ...]) -> bool:
    """Whether several split pairs exist of which the array does not say when they were split: unknown, so never proved."""
    split = [s for s in statuses if s.state is PairState.SPLIT]
    return len(split) > 1 and not any(s.split_id for s in split)


def condition(statuses: tuple[PairStatus, ...]) -> SetCondition:
    """The column of the tables for these pairs; no pairs at all are unreadable."""
    states = {s.state for s in statuses}
    if not states or not states <= _UP | _DOWN:
        return SetCondition.UNREADABLE
    if (states & _UP and states & _DOWN) or torn(statuses):
        return SetCondition.MIXED
    if states & _MOVING:
        return SetCondition.COPYING
    return SetCondition.ESTABLISHED if states & _UP else SetCondition.SPLIT


def decide(
    pre: PrePolicy, statuses: tuple[PairStatus, ...], allow_mixed: bool = False, now: datetime | None = None
) -> PreDecision:
    """What to do before an operation. `allow_mixed` is the explicit override of one cell; `now` gives ages for times."""
    read = tuple(replace(s, state=_READ_AS.get((pre, s.state), s.state)) for s in statuses)
    found = condition(read)
    cell = _PRE[pre, found]
    splitting = [s for s in statuses if s.state is PairState.SPLITTING]
    if cell.actions is None and not (allow_mixed and cell.override and {s.state for s in statuses} <= _AT_REST):
        return PreDecision((), True, _refusal(pre, cell, found, statuses))
    if splitting:
        return PreDecision((), True, f"{_states(splitting)}: wait until the split is complete, then plan again")
    if cell.actions is None:
        established = any(s.state is PairState.ESTABLISHED for s in statuses)
        actions = (cell.override or ()) if established else ()
        sentence = f"the set is mixed, and the operator allows it: {_states(statuses)}"
        return PreDecision(actions, False, sentence, ("the result is not one point in time", *torn(statuses)))
    sentence = cell.sentence + (f" ({split_time(statuses, now)})" if found is SetCondition.SPLIT else "")
    return PreDecision(cell.actions, False, sentence, _warnings(cell.actions, statuses, now))


def decide_after(post: PostPolicy, start: tuple[PairStatus, ...]) -> PostDecision:
    """What to do afterwards, from the states that the pairs had at the start."""
    return _POST[post, condition(start)]


def split_time(statuses: tuple[PairStatus, ...], now: datetime | None = None) -> str:
    """When the split pairs were split (the oldest), with the age where `now` is given, in words."""
    times = [s.split_at for s in statuses if s.state is PairState.SPLIT]
    known = [at for at in times if at is not None]
    if not times or len(known) < len(times):
        return "time of the split unknown"
    age = f", {_age(now - min(known))} ago" if now is not None else ""
    return f"split at {min(known):%Y-%m-%d %H:%M:%S %Z}{age}"


def _age(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    for size, unit in ((1440, "d"), (60, "h")):
        if minutes >= size:
            return f"{minutes // size} {unit}"
    return f"{minutes} min"


def _warnings(actions: tuple[Verb, ...], statuses: tuple[PairStatus, ...], now: datetime | None) -> tuple[str, ...]:
    out = []
    split = [s for s in statuses if s.state is PairState.SPLIT]
    never = [s for s in statuses if s.state is PairState.NEVER]
    if Verb.ESTABLISH in actions and split:
        bcvs = ", ".join(s.pair.bcv for s in split)
        out.append(f"destroys the previous point in time on {bcvs} ({split_time(statuses, now)})")
    if Verb.ESTABLISH in actions and never:
        out.append(f"{', '.join(_name(s) for s in never)}: never established, so everything is copied")
    if not actions and undated(statuses):
        out.append("the array does not say whether all pairs were split at one instant")
    return tuple(out)


def _refusal(pre: PrePolicy, cell: _Cell, found: SetCondition, statuses: tuple[PairStatus, ...]) -> str:
    if not statuses:
        return f"{pre.value}: no pair of the set could be measured"
    odd = [s for s in statuses if s.state not in _WANTED[pre]]
    apart = tuple(f"TORN_SET {sentence}" for sentence in torn(statuses)) if found is SetCondition.MIXED else ()
    return f"{pre.value}: {cell.sentence}: {'; '.join((_states(odd or statuses), *apart))}. {_ADVICE[found]}"


def _states(statuses: Sequence[PairStatus]) -> str:
    by_state: dict[str, list[str]] = {}
    for s in statuses:
        by_state.setdefault(s.state.value + (f" ({s.note})" if s.note else ""), []).append(_name(s))
    return "; ".join(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {state}" for state, names in by_state.items())


def _name(status: PairStatus) -> str:
    return f"{status.pair.std}/{status.pair.bcv}"


def _since(split: list[PairStatus], split_id: str) -> str:
    at = next((s.split_at for s in split if s.split_id == split_id and s.split_at is not None), None)
    return f" of {at:%Y-%m-%d %H:%M:%S %Z}" if at is not None else ""
