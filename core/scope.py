"""Which part of a set an operation works on: one of several mirrors of the same standards, some of its groups. Pure."""

from __future__ import annotations

from dataclasses import replace

from core.errors import Refused
from core.model import HostFacts, Pair
from core.plan import Plan
from core.settings import SetSettings


def mirrors_of(pairs: tuple[Pair, ...]) -> int:
    """How many whole mirrors of the set the pairs file names: the smallest number of BCVs that any standard has."""
    counts: dict[str, int] = {}
    for pair in pairs:
        counts[pair.std] = counts.get(pair.std, 0) + 1
    return min(counts.values(), default=0)


def with_mirror(settings: SetSettings, mirror: int) -> SetSettings:
    """The set with the n-th BCV of each standard as its one mirror (1 is the first). Refused when there are not so many."""
    if mirror == 1:
        return settings
    whole = mirrors_of(settings.pairs)
    if not 1 <= mirror <= whole:
        raise Refused(f"{settings.name} has {whole} mirror{'s' * (whole != 1)} in {settings.pairs_file}, there is no {mirror}")
    nth: dict[str, list[Pair]] = {}
    for pair in settings.pairs:
        nth.setdefault(pair.std, []).append(pair)
    return replace(settings, pairs=tuple(rows[mirror - 1] for rows in nth.values()))


def narrowed(settings: SetSettings, groups: tuple[str, ...], facts: HostFacts) -> SetSettings:
    """The set with some of its groups, and the pairs of their devices alone.

    Refused when a group is not of the set, or shares a device with one that is left out: devices are copied whole.
    """
    if not groups or set(groups) == set(settings.volume_groups):
        return settings
    if odd := [g for g in groups if g not in settings.volume_groups]:
        raise Refused(f"{', '.join(odd)} is no group of {settings.name}; known: {', '.join(settings.volume_groups)}")
    serials = {p.device_serial for g in facts.groups if g.name in groups for p in g.physical}
    shared = [
        g.name
        for g in facts.groups
        if g.name not in groups and {p.device_serial for p in g.physical if p.device_serial} & serials
    ]
    if shared:
        raise Refused(
            f"{', '.join(groups)} lies on a device together with {', '.join(shared)}: neither can be restored without the other"
        )
    pairs = tuple(p for p in settings.pairs if p.std in serials)
    return replace(settings, volume_groups=groups, pairs=pairs)


def of_plan(settings: SetSettings, plan: Plan) -> SetSettings:
    """The set as the plan works on it."""
    pairs = tuple(pair for pair, _ in plan.start_states)
    return replace(settings, volume_groups=plan.groups or settings.volume_groups, pairs=pairs or settings.pairs)
