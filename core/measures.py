"""What a MEASURE step insists on: pure comparisons of what was planned with what is there now."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from core.model import Estate, HostFacts, Pair
from core.operations import basis
from core.plan import Plan
from core.settings import SetSettings


def changed_since(plan: Plan, settings: SetSettings, estate: Estate) -> tuple[str, ...]:
    """What differs between the estate that the plan was made from and the one measured now, as sentences."""
    if estate.source is None or estate.target is None:
        return tuple(f"{part} could not be measured: {why}" for part, why in estate.errors.items())
    out = groups_changed(plan, settings, estate.source)
    states = {status.pair: status.state for status in estate.pairs}
    out += [
        f"pair {pair.std}/{pair.bcv} was {then.value} when the plan was made and is "
        f"{states[pair].value if pair in states else 'gone'} now"
        for pair, then in plan.start_states
        if states.get(pair) is not then
    ]
    return tuple(out)


def groups_changed(plan: Plan, settings: SetSettings, source: HostFacts, stopped: Collection[str] = ()) -> list[str]:
    """Which groups of the source are not any more what the plan was made from, as sentences.

    `stopped` are those that the run itself took out of use: that one cannot be read any more (AIX, HP-UX) or is not listed
    (Solaris) is its own doing, and no change.
    """
    now = basis(settings, source)
    unread = {f"group.{name}" for name in stopped} - {f"group.{group.name}" for group in source.groups if group.readable}
    return [
        f"{what} was {_said(then)} when the plan was made and is {_said(now.get(what, 'gone'))} now"
        for what, then in plan.facts.items()
        if what.startswith("group.") and what not in unread and now.get(what) != then
    ]


def _said(basis: str) -> str:
    """What a plan rests on, in words: a group without a UUID could not be read."""
    return "not active" if basis.startswith(" ") else basis


def bcvs_in_use(target: HostFacts, pairs: Iterable[Pair], prefix: str) -> tuple[str, ...]:
    """Which BCVs, or mounts of the set, the target uses right now, as sentences."""
    serials = {pair.bcv for pair in pairs}
    out = []
    for group in target.groups:
        ours = [p.device_serial for p in group.physical if p.device_serial in serials]
        active = [v.name for v in group.volumes if v.active and not v.hidden]
        if ours and active:
            out.append(f"group {group.name} on {', '.join(ours)} is active on {target.host}: {', '.join(active)}")
    return (*out, *(f"{point} is mounted on {target.host}" for point in _below(target, prefix)))


def leftovers(target: HostFacts, group_uuids: Iterable[str], names: Iterable[str], prefix: str) -> tuple[str, ...]:
    """What a run brought up and is still there, as sentences: groups by UUID or name, mounts below the prefix."""
    uuids, taken = set(group_uuids), set(names)
    out = [
        f"group {g.name} ({g.uuid or 'not active'}) is still on {target.host}"
        for g in target.groups
        if g.uuid in uuids or g.name in taken
    ]
    return (*out, *(f"{point} is still mounted on {target.host}" for point in _below(target, prefix)))


def _below(target: HostFacts, prefix: str) -> tuple[str, ...]:
    root = prefix.rstrip("/")
    return tuple(p for p in target.mount_points if root and (p == root or p.startswith(root + "/")))


def standards_in_use(source: HostFacts, groups: Iterable[str]) -> tuple[str, ...]:
    """What of these groups a host could write to: what it has mounted, and the groups that are active, as sentences."""
    names = tuple(groups)
    active = [(g.name, [v.name for v in g.volumes if v.active and not v.hidden]) for g in source.groups if g.name in names]
    told = (f"group {name} is active on {source.host}: {', '.join(volumes)}" for name, volumes in active if volumes)
    return (*still_used(source, names), *told)


def still_used(source: HostFacts, groups: Iterable[str]) -> tuple[str, ...]:
    """What of these groups a host has mounted, as sentences."""
    names = set(groups)
    return tuple(
        f"{f.mount_point} ({f.group}) is mounted on {source.host}" for f in source.filesystems if f.group in names and f.mounted
    )
