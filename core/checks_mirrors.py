"""Checks of devices, pairs and mirrors. Each is pure and yields what is odd; `core.checks` gives code and weight."""

from __future__ import annotations

from collections.abc import Iterator

from core.checkview import Odd, View, users_of
from core.model import HostFacts, PairState, PairStatus, PhysicalVolume, VolumeGroup
from core.policy import torn
from core.serial import canonical


def pairs_unreadable(view: View) -> Odd:
    """The array did not tell the state of every pair that operations use."""
    if "pairs" in view.estate.errors:
        yield view.settings.array, f"the pairs could not be read: {view.estate.errors['pairs']}"
        return
    told = {s.pair for s in view.estate.pairs}
    for pair in view.first_pairs:
        if pair not in told:
            yield f"{pair.std}/{pair.bcv}", f"the array {view.settings.array} told nothing about this pair"


def serial_unknown(view: View) -> Odd:
    """A device whose serial could not be read can be proved by nothing."""
    for p in view.physical:
        if not p.device_serial and not p.missing:
            yield p.path, f"carries a physical volume of {p.group}, and its serial could not be read"


def _unpaired(view: View, group: VolumeGroup) -> list[PhysicalVolume]:
    return [p for p in group.physical if p.device_serial not in view.stds and not p.duplicate and not p.missing]


def no_bcv(view: View) -> Odd:
    """A device of a group has no pair."""
    written = {canonical(s): s for s in view.stds}
    for group in view.groups:
        for p in _unpaired(view, group):
            if p.device_serial:
                other = written.get(canonical(p.device_serial))
                hint = f"; the pairs file writes it {other}" if other else ""
                yield p.device_serial, f"({p.path}) is a device of {group.name} and has no BCV in the pairs file{hint}"


def group_partly_paired(view: View) -> Odd:
    """Part of a group has BCVs: their split would be half a group."""
    for group in view.groups:
        bare = _unpaired(view, group)
        if bare and len(bare) < len(group.physical):
            yield group.name, f"has BCVs for {len(group.physical) - len(bare)} of its {len(group.physical)} devices"


def volume_on_unpaired(view: View) -> Odd:
    """A volume touches a device without a BCV: it has no copy."""
    for group in view.groups:
        bare = {p.path: p.device_serial or p.path for p in _unpaired(view, group)}
        for volume in group.volumes:
            touched = [bare[path] for path in volume.devices if path in bare]
            if touched and not volume.hidden:
                yield f"{group.name}/{volume.name}", f"lies on {', '.join(touched)}, which has no BCV"


def _hosts(view: View) -> Iterator[HostFacts]:
    parts = (view.estate.source, None if view.same_host else view.estate.target)
    yield from (host for host in parts if host is not None)


def duplicate_serial(view: View) -> Odd:
    """Two devices of a host show one serial that the set uses: a fence could not tell them apart."""
    ours = {canonical(s) for s in view.stds | view.bcvs}
    for host in _hosts(view):
        seen: dict[str, list[str]] = {}
        for device in host.devices:
            seen.setdefault(canonical(device.serial), []).append(device.path)
        for serial, paths in seen.items():
            if serial in ours and len(paths) > 1:
                yield serial, f"is the serial of {len(paths)} devices on {host.host}: {', '.join(paths)}"


def duplicate_pv(view: View) -> Odd:
    """One physical volume identity on two devices of a host: the volume manager picks one by its own rule."""
    ours = {p.uuid for p in view.physical}
    for host in _hosts(view):
        found: dict[str, dict[str, bool]] = {}
        for p in (p for g in host.groups for p in g.physical):
            found.setdefault(p.uuid, {})[p.path] = p.duplicate
        for uuid, paths in found.items():
            if uuid in ours and (len(paths) > 1 or any(paths.values())):
                yield uuid, f"is seen more than once on {host.host}: {', '.join(paths)}"


def _sizes(view: View, status: PairStatus) -> tuple[int | None, int | None]:
    """The sizes of standard and BCV: by the array, else by the hosts, else unknown."""
    std = view.estate.source.device(status.pair.std) if view.estate.source else None
    bcv = view.estate.target.device(status.pair.bcv) if view.estate.target else None
    std_size, bcv_size = status.std_size, status.bcv_size
    return (std.size if std_size is None and std else std_size), (bcv.size if bcv_size is None and bcv else bcv_size)


def bcv_too_small(view: View) -> Odd:
    """A BCV that is smaller than its standard cannot hold it."""
    for status in view.estate.pairs:
        std, bcv = _sizes(view, status)
        if std is not None and bcv is not None and bcv < std:
            yield status.pair.bcv, f"has {bcv} bytes and its standard {status.pair.std} has {std}"


def bcv_is_std(view: View) -> Odd:
    """A serial in the BCV column is a device that the source lives on: columns are swapped, or a mirror took its place."""
    source = view.estate.source
    if source is None:
        return
    for p in view.physical:
        if p.device_serial in view.bcvs:
            yield p.device_serial, f"is listed as a BCV and carries {p.path} of group {p.group} on the source {source.host}"
    for serial, words, _ in users_of(source, view.bcvs) if not view.same_host else ():
        if serial not in {p.device_serial for p in view.physical}:
            yield serial, f"is listed as a BCV and is in use on the source {source.host}: {words}"
    for serial in sorted(view.bcvs & view.stds):
        yield serial, "is listed as a standard and as a BCV"


def std_not_on_source(view: View) -> Odd:
    """A standard that the source does not see: the pairs file is of something else."""
    for serial in sorted(view.stds) if view.estate.source else ():
        if view.estate.source and view.estate.source.device(serial) is None:
            yield serial, f"is listed as a standard and is not among the devices of {view.settings.source}"


def unused_pair(view: View) -> Odd:
    """A pair whose standard carries nothing of the set: it is split and established with the others all the same."""
    used = {p.device_serial for p in view.physical}
    for pair in view.settings.pairs if view.groups else ():
        if pair.std not in used and view.estate.source and view.estate.source.device(pair.std):
            yield f"{pair.std}/{pair.bcv}", f"its standard is in no group of the set ({', '.join(view.settings.volume_groups)})"


def bcv_on_source(view: View) -> Odd:
    """The source sees a BCV: when that is ready it may take its standard's place there."""
    for serial in sorted(view.bcvs) if view.estate.source and not view.same_host else ():
        if view.estate.source and view.estate.source.device(serial):
            yield serial, f"is a BCV and is seen by the source {view.settings.source}"


def bcv_not_on_target(view: View) -> Odd:
    """The target does not see a BCV now; it may not be ready yet."""
    for serial in sorted(view.bcvs) if view.estate.target else ():
        if view.estate.target and view.estate.target.device(serial) is None:
            yield serial, f"is not seen by {view.settings.target} now; it will be looked for when it is ready"


def std_on_target(view: View) -> Odd:
    """The target sees a standard, where nothing of the set has any business with it."""
    target = None if view.same_host else view.estate.target
    active = {serial for serial, _, _ in users_of(target, view.stds)} if target else set()
    for serial in sorted(view.stds - active):
        if target and target.device(serial):
            yield serial, f"is a standard and is seen by the target {target.host}"


def std_active_on_target(view: View) -> Odd:
    """The target uses a standard: two hosts write to one device."""
    target = None if view.same_host else view.estate.target
    for serial, words, _ in users_of(target, view.stds) if target else ():
        yield serial, f"is a standard and is in use on the target: {words}"


def _copies(view: View) -> Iterator[tuple[str, str, bool]]:
    """What uses BCVs on the target. On one host the set's own groups are the originals, see `bcv_is_std`."""
    target = view.estate.target
    originals = {p.device_serial for p in view.physical} if view.same_host else set()
    yield from (use for use in users_of(target, view.bcvs - originals)) if target else ()


def bcv_in_use(view: View) -> Odd:
    """The target holds something on a BCV open: whatever comes next would change it underneath."""
    for serial, words, held in _copies(view):
        if held:
            yield serial, f"is a BCV and is in use on {view.settings.target}: {words}"


def bcv_active(view: View) -> Odd:
    """A group on a BCV is active on the target, though nothing holds it open: something activates what it sees."""
    for serial, words, held in _copies(view):
        if not held:
            yield serial, f"is a BCV and belongs to an active group on {view.settings.target}: {words}"


def bcv_other_content(view: View) -> Odd:
    """A split BCV carries another physical volume than its standard: it is no copy of that now."""
    uuid_of = {(p.device_serial, p.partition): p.uuid for p in view.physical}
    split = {s.pair.bcv: s.pair.std for s in view.estate.pairs if s.state is PairState.SPLIT}
    for group in view.estate.target.groups if view.estate.target else ():
        for p in group.physical:
            expected = uuid_of.get((split.get(p.device_serial, ""), p.partition))
            if expected is not None and p.uuid != expected:
                std = split[p.device_serial]
                yield p.device_serial, f"carries physical volume {p.uuid} of {group.name}, its standard {std} has {expected}"


def torn_set(view: View) -> Odd:
    """The split pairs hold different instants."""
    for sentence in torn(view.estate.pairs):
        yield view.settings.name, sentence


def pair_invalid(view: View) -> Odd:
    """The last copy of a pair failed: its BCV holds nothing whole."""
    yield from _in_state(view, PairState.INVALID)


def pair_unknown(view: View) -> Odd:
    """The array does not know the state of a pair."""
    yield from _in_state(view, PairState.UNKNOWN)


def pair_never(view: View) -> Odd:
    """A pair was never established."""
    yield from _in_state(view, PairState.NEVER)


def pair_restoring(view: View) -> Odd:
    """A restore overwrites a standard right now."""
    yield from _in_state(view, PairState.RESTORING)


def _in_state(view: View, state: PairState) -> Odd:
    for s in view.estate.pairs:
        if s.state is state:
            yield f"{s.pair.std}/{s.pair.bcv}", f"is {state.value}" + (f": {s.note}" if s.note else "")
