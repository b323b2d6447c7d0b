"""What of a set is not as its newest kept map has it: a row for each difference. Pure.

A path, and whether a volume is active, are no layout. A map holds no sizes of filesystems: one grows or shrinks with its volume.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from core.errors import Refused
from core.mapfile import MapDevice, MapFile, MapFilesystem, MapGroup, MapVolume, build_map
from core.model import Difference, HostFacts
from core.operations import pairs_in_use
from core.settings import SetSettings

T = TypeVar("T")
NOTHING: Mapping[str, str] = {}
NO_RUN: Mapping[str, int] = {}


def differences(
    std: MapFile,
    bcv: MapFile,
    facts: HostFacts,
    settings: SetSettings,
    damaged: Mapping[str, str] = NOTHING,
    apart: Iterable[str] = (),
) -> tuple[Difference, ...]:
    """The differences between both sides of a map and the source as measured, with the pairs that the set works with now.

    `damaged` are groups that cannot be read, and why: what stands for them in the facts says nothing. `apart` are groups of which
    nobody can tell: `inactive` ones.
    """
    lost = [Difference("GROUP_UNREADABLE", name, "whole", why) for name, why in damaged.items()]
    names = [n for n in dict.fromkeys((*(g.name for g in std.groups), *settings.volume_groups)) if n not in {*damaged, *apart}]
    groups = [one for name in names for one in _group(name, std, facts, wanted=name in settings.volume_groups)]
    return (*lost, *groups, *_pairs(bcv, facts, settings))


def inactive(facts: HostFacts, settings: SetSettings, stopped: Mapping[str, int] = NO_RUN) -> dict[str, str]:
    """Groups of the set that the source has and that are not active there, and why, as far as that is known.

    `stopped` are the groups that a run without an end took out of use, with its number; some systems do not list them then.
    """
    known = {name: facts.group(name) for name in settings.volume_groups}
    odd = [name for name, group in known.items() if (not group.readable if group is not None else name in stopped)]
    by = {name: f"; run {stopped[name]}, which has no end, stopped it: splitmount recover {stopped[name]}" for name in stopped}
    return {name: f"is not active on {facts.host}, so that what is in it cannot be read{by.get(name, '')}" for name in odd}


def _group(name: str, std: MapFile, facts: HostFacts, *, wanted: bool) -> list[Difference]:
    """A group that came or went, or what changed in it; one that cannot be read whole says only that."""
    then, there = std.group(name), facts.group(name) is not None
    if then is None:
        return [Difference("GROUP_ADDED", name, "", "in the set")] if there else []
    if not wanted or not there:
        return [Difference("GROUP_REMOVED", name, "in the set", "not in the set" if there else f"not on {facts.host}")]
    try:
        (now,) = build_map(std.set_name, facts, (name,)).groups
    except Refused as odd:
        return [Difference("GROUP_UNREADABLE", name, "whole", str(odd))]
    return list(_within(then, now))


def _within(then: MapGroup, now: MapGroup) -> Iterator[Difference]:
    """What changed in a group. One that got another id, as some systems' imports give it, has new ids below it as well."""
    renewed = then.uuid != now.uuid
    if renewed:
        yield Difference("GROUP_REPLACED", then.name, then.uuid, now.uuid)
    devices, lost, more = _beside(then.devices, now.devices, lambda d: d.uuid, lambda d: d.serial and (d.serial, d.partition))
    inside = [Difference("DEVICE_REMOVED", f"{then.name}/{d.serial or d.uuid}", _words(d.uuid), "") for d in lost]
    inside += [Difference("DEVICE_ADDED", f"{then.name}/{d.serial or d.uuid}", "", _words(d.uuid)) for d in more]
    for was, is_ in devices:
        inside += _changed("DEVICE_CHANGED", f"{then.name}/{was.serial or was.uuid}", was, _at_home(is_, was, renewed))
    volumes, gone, new = _beside(then.volumes, now.volumes, lambda v: v.uuid, lambda v: v.name)
    inside += [Difference("VOLUME_REMOVED", f"{then.name}/{v.name}", f"{v.kind} of {v.size} bytes", "") for v in gone]
    inside += [Difference("VOLUME_ADDED", f"{then.name}/{v.name}", "", f"{v.kind} of {v.size} bytes") for v in new]
    same = {is_.uuid: was.uuid for was, is_ in devices}
    serials = {d.uuid: d.serial or d.uuid for d in (*now.devices, *then.devices)}
    for old, volume in volumes:
        lies = tuple(same.get(uuid, uuid) for uuid in volume.devices)
        alike = replace(volume, devices=lies, uuid=old.uuid if renewed else volume.uuid)
        inside += _volume(f"{then.name}/{old.name}", old, alike, serials)
    yield from inside
    if not inside and not renewed and then.seqno != now.seqno:
        yield Difference("GROUP_WRITTEN", then.name, f"sequence number {then.seqno}", f"sequence number {now.seqno}")


def _at_home(now: MapDevice, was: MapDevice, renewed: bool) -> MapDevice:
    return replace(now, address=was.address, uuid=was.uuid if renewed else now.uuid)


def _volume(subject: str, was: MapVolume, now: MapVolume, serials: dict[str, str]) -> Iterator[Difference]:
    if was.uuid != now.uuid:
        yield Difference("VOLUME_REPLACED", subject, was.uuid, now.uuid)
    if was.name != now.name:
        yield Difference("VOLUME_RENAMED", subject, was.name, now.name)
    if was.size != now.size:
        what = "FILESYSTEM" if was.filesystems and now.filesystems else "VOLUME"
        code = f"{what}_{'GROWN' if was.size < now.size else 'SHRUNK'}"
        yield Difference(code, subject, f"{was.size} bytes", f"{now.size} bytes")
    if set(was.devices) != set(now.devices):
        lay, lies = (", ".join(sorted(serials.get(uuid, uuid) for uuid in v.devices)) for v in (was, now))
        yield Difference("VOLUME_MOVED", subject, lay, lies)
    told = {n: getattr(was, n) for n in ("uuid", "name", "size", "devices", "filesystems", "active")}
    yield from _changed("VOLUME_CHANGED", subject, was, replace(now, **told))
    yield from _filesystems(subject, was.filesystems, now.filesystems)


def _filesystems(subject: str, was: tuple[MapFilesystem, ...], now: tuple[MapFilesystem, ...]) -> Iterator[Difference]:
    made, is_ = (", ".join(sorted({_words(f.kind, f.uuid, f.label, f.log) for f in on})) for on in (was, now))
    if made != is_:
        yield Difference("FILESYSTEM_CHANGED", subject, made, is_)
    there, here = ({f.mount_point: f for f in on if f.mounted and f.mount_point} for on in (was, now))
    left, come = [p for p in there if p not in here], [p for p in here if p not in there]
    if len(left) == len(come) == 1:
        yield Difference("MOUNT_MOVED", subject, left[0], come[0])
    else:
        yield from (Difference("MOUNT_REMOVED", subject, point, "") for point in left)
        yield from (Difference("MOUNT_ADDED", subject, "", point) for point in come)
    for point in (p for p in there if p in here):
        alike = replace(here[point], **{n: getattr(there[point], n) for n in ("kind", "uuid", "label", "log")})
        yield from _changed("MOUNT_CHANGED", f"{subject} on {point}", there[point], alike)


def _pairs(bcv: MapFile, facts: HostFacts, settings: SetSettings) -> Iterator[Difference]:
    """Of the standards that the groups have now, or had in the map; another pair in the file is no part of the set."""
    then = {d.mirror_of: d.serial for group in bcv.groups for d in group.devices}
    inside = {p.device_serial for g in facts.groups if g.name in settings.volume_groups for p in g.physical}
    now = {p.std: p.bcv for p in pairs_in_use(settings.pairs) if p.std in inside or p.std in then}
    for std in dict.fromkeys((*then, *now)):
        was, is_ = then.get(std, ""), now.get(std, "")
        if was != is_:
            yield Difference("PAIR_CHANGED" if was and is_ else ("PAIR_REMOVED" if was else "PAIR_ADDED"), std, was, is_)


def _beside(then: Iterable[T], now: Iterable[T], *keys: Callable[[T], Hashable]) -> tuple[list[tuple[T, T]], list[T], list[T]]:
    """What is the same thing in both, by the first key that agrees; then what is only in the one, and only in the other."""
    both, old, new = list[tuple[T, T]](), list(then), list(now)
    for key in keys:
        found = {key(one): one for one in new if key(one)}
        hits = {key(one) for one in old} & found.keys()
        both += [(one, found[key(one)]) for one in old if key(one) in hits]
        old, new = [one for one in old if key(one) not in hits], [one for one in new if key(one) not in hits]
    return both, old, new


def _changed(
    code: str, subject: str, was: MapDevice | MapVolume | MapFilesystem, now: MapDevice | MapVolume | MapFilesystem
) -> Iterator[Difference]:
    """One row for all that differs in two records of one kind, by the names of their fields."""
    names = [name for name in was.__dataclass_fields__ if getattr(was, name) != getattr(now, name)]
    if names:
        yield Difference(code, subject, *(", ".join(f"{n} {getattr(one, n) or 'none'}" for n in names) for one in (was, now)))


def _words(*values: str) -> str:
    return " ".join(value for value in values if value)
