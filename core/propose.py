"""From what was found to proposed sets: which volume groups have a mirror, which hosts can take it over, and what is in the way.

Pure. Which device mirrors which is never guessed from names or contents: the array relates them, or a person's pairs file does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.model import HostFacts, Pair, PhysicalVolume, VolumeGroup
from core.names import odd_name
from core.settings import PostPolicy, PrePolicy, Settings

PREFIX = "/mnt/splitmount"

PRE_POLICIES: Mapping[str, str] = {
    PrePolicy.DOWN_IF_NEEDED: "split established mirrors; go on with mirrors that are split already, as they are",
    PrePolicy.DOWN: "split established mirrors; refuse when they are split already",
    PrePolicy.DOWN_AFTER_ESTABLISHING: "bring split mirrors up to date first, which gives up their point in time; then split",
    PrePolicy.VERIFY_DOWN: "never split: somebody else does; refuse while the mirrors are established",
}
POST_POLICIES: Mapping[str, str] = {
    PostPolicy.AS_FOUND: "establish again only what was established before",
    PostPolicy.UP: "establish again, so that the mirrors follow the standards",
    PostPolicy.LEAVE_DOWN: "leave them split: the point in time stays for a restore",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A host that the mirrors could be brought up on: how many BCVs it sees now, and why it cannot be one (empty: it can)."""

    host: str
    seen: int
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A set that could be, of groups of one source; `refusal` says why it cannot. Targets that can be one stand first."""

    source: str
    groups: tuple[str, ...]
    array: str = ""
    pairs: tuple[Pair, ...] = ()
    targets: tuple[Target, ...] = ()
    refusal: str = ""


def propose(facts: Mapping[str, HostFacts], related: Mapping[str, tuple[Pair, ...]], settings: Settings) -> tuple[Offer, ...]:
    """An offer for each group of each host, the possible ones first; copies on BCVs are nobody's to offer."""
    bcvs = {pair.bcv for pairs in related.values() for pair in pairs}
    offers = [
        offer(facts, related, settings, name, (group.name,))
        for name, host in facts.items()
        for group in host.groups
        if not any(p.device_serial in bcvs for p in group.physical)
    ]
    return tuple(sorted(offers, key=lambda o: bool(o.refusal)))


def offer(
    facts: Mapping[str, HostFacts],
    related: Mapping[str, tuple[Pair, ...]],
    settings: Settings,
    source: str,
    names: tuple[str, ...],
) -> Offer:
    """These groups of a source as one set: their pairs, the array that has them, and who could be the target."""
    found = [facts[source].group(name) for name in names]
    groups = [group for group in found if group is not None]
    if len(groups) < len(found):
        have = ", ".join(g.name for g in facts[source].groups) or "none"
        return Offer(source, names, refusal=f"{source} has no such group; its groups are: {have}")
    refusal = next(filter(None, (_odd_group(group) or _in_a_set(settings, source, group.name) for group in groups)), "")
    array, pairs, unpaired = _paired([p for group in groups for p in group.physical], related)
    refusal = refusal or unpaired or _claimed(settings, pairs)
    if refusal:
        return Offer(source, names, array, pairs, refusal=refusal)
    targets = _targets(facts, source, pairs)
    if not any(not t.refusal for t in targets):
        why = "; ".join(f"{t.host} {t.refusal}" for t in targets)
        refusal = f"no host can be its target: {why or f'no other host with {facts[source].os} is known'}"
    return Offer(source, names, array, pairs, targets, refusal)


def for_target(one: Offer, target: HostFacts) -> tuple[Pair, ...]:
    """The pairs, of each standard first the BCV that the target sees: a set works with the first."""
    order = list(dict.fromkeys(pair.std for pair in one.pairs))
    return tuple(sorted(one.pairs, key=lambda p: (order.index(p.std), target.device(p.bcv) is None)))


def set_name(one: Offer, settings: Settings) -> str:
    """A name for the set that is not taken: the group's, else with the source's before it."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", one.groups[0])
    names = (plain, f"{one.source}-{plain}", *(f"{one.source}-{plain}-{n}" for n in range(2, len(settings.sets) + 3)))
    return next(name for name in names if name not in settings.sets)


def _odd_group(group: VolumeGroup) -> str:
    odd = odd_name(group.name)
    if odd:
        return f"its name {odd}"
    if group.exported:
        return "it is exported: nobody has it in use"
    if group.shared:
        return "it is shared with other hosts, which a freeze on this one does not hold"
    if group.partial or any(p.missing for p in group.physical):
        return "it lacks physical volumes"
    refused = next((f"its volume {v.name} is of the kind {v.kind}: {v.refusal}" for v in group.volumes if v.refusal), "")
    if refused:
        return refused
    nameless = [p.path for p in group.physical if not p.device_serial]
    return f"the serial of {', '.join(nameless)} could not be read" if nameless else ""


def _in_a_set(settings: Settings, source: str, group: str) -> str:
    held = [s.name for s in settings.sets.values() if s.source == source and group in s.volume_groups]
    return f"it is in the set {', '.join(held)} already" if held else ""


def _claimed(settings: Settings, pairs: Iterable[Pair]) -> str:
    mine = {p.bcv for p in pairs}
    other = [(p.bcv, s.name) for s in settings.sets.values() for p in s.pairs if p.bcv in mine]
    return f"BCV {other[0][0]} is in the set {other[0][1]} already" if other else ""


def _paired(physical: Iterable[PhysicalVolume], related: Mapping[str, tuple[Pair, ...]]) -> tuple[str, tuple[Pair, ...], str]:
    """The array, the pairs in the order of the devices, and why that is no whole set."""
    paths = {p.device_serial: p.path for p in physical}
    of = {array: [pair for serial in paths for pair in pairs if pair.std == serial] for array, pairs in related.items()}
    of = {array: pairs for array, pairs in of.items() if pairs}
    have = {pair.std for pairs in of.values() for pair in pairs}
    bare = [f"{serial} ({path})" for serial, path in paths.items() if serial not in have]
    if not of:
        return "", (), f"no array relates its {_devices(len(paths))} to a BCV"
    if len(of) > 1:
        return "", (), f"its devices have BCVs in several arrays: {', '.join(of)}"
    ((array, pairs),) = of.items()
    partly = f"only {len(have)} of its {_devices(len(paths))} have a BCV; half a group is no copy. Without: {', '.join(bare)}"
    return array, tuple(pairs), partly if bare else ""


def _devices(count: int) -> str:
    return f"{count} device{'s' * (count != 1)}"


def _targets(facts: Mapping[str, HostFacts], source: str, pairs: tuple[Pair, ...]) -> tuple[Target, ...]:
    """Every other host of the same system: those that can be the target first, and of them those that see most BCVs."""
    found = [
        Target(name, len([p for p in pairs if host.device(p.bcv)]), _unfit(host, pairs))
        for name, host in facts.items()
        if name != source and host.os == facts[source].os
    ]
    return tuple(sorted(found, key=lambda t: (bool(t.refusal), -t.seen)))


def _unfit(host: HostFacts, pairs: tuple[Pair, ...]) -> str:
    stds = [p.std for p in pairs if host.device(p.std)]
    return f"sees the standard {stds[0]}: hide it from there in the array's masking" if stds else ""
