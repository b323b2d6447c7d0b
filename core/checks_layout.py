"""Checks of hosts, groups, volumes, filesystems: pure, each yields what is odd; `core.checks` gives code and weight."""

from __future__ import annotations

import re

from core.checkview import Odd, View, within
from core.errors import Refused
from core.mapfile import build_map
from core.model import MOUNTED_KINDS
from core.names import odd_name
from core.tree import problems

# Frozen, these stop the very login that would thaw them, or the host itself.
SYSTEM_MOUNTS = frozenset({"/", "/usr", "/var", "/etc", "/tmp", "/run", "/root", "/var/tmp", "/var/log", "/var/lib"})  # noqa: S108
_GROUP_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}")  # lvm(8), VALID NAMES
_NEVER_MOUNTED = {"swap": "swap space", "crypto_LUKS": "encrypted (LUKS)"}


def source_unreachable(view: View) -> Odd:
    """The source could not be measured."""
    if view.estate.source is None:
        yield view.settings.source, f"could not be measured: {view.estate.errors.get('source', 'no reason is known')}"


def target_unreachable(view: View) -> Odd:
    """The target could not be measured."""
    if view.estate.target is None:
        yield view.settings.target, f"could not be measured: {view.estate.errors.get('target', 'no reason is known')}"


def different_family(view: View) -> Odd:
    """Source and target run different systems: no volume manager reads another's disks."""
    source, target = view.estate.source, view.estate.target
    if source and target and source.os != target.os:
        yield target.host, f"runs {target.os} and the source {source.host} runs {source.os}"


def same_host(view: View) -> Odd:
    """The copy comes up beside the original."""
    if view.same_host:
        yield view.settings.target, "is source and target: the copy comes up beside the original, with the same identities"


def group_missing(view: View) -> Odd:
    """A group of the set is not on the source."""
    if view.estate.source is not None:
        have = ", ".join(g.name for g in view.estate.source.groups) or "none"
        for name in view.settings.volume_groups:
            if view.estate.source.group(name) is None and name not in view.inactive:
                yield name, f"is not on {view.settings.source}, whose groups are: {have}"


def group_not_active(view: View) -> Odd:
    """A group that some systems tell nothing of while it is not active."""
    yield from view.inactive.items()


def group_exported(view: View) -> Odd:
    """An exported group is in nobody's hands."""
    for group in view.groups:
        if group.exported:
            yield group.name, f"is exported on {view.settings.source}"


def group_partial(view: View) -> Odd:
    """A group without all its physical volumes would be copied with a hole."""
    for group in view.groups:
        gone = [p.uuid for p in group.physical if p.missing]
        counted = len([p for p in group.physical if not p.duplicate])
        if gone:
            yield group.name, f"lacks physical volumes: {', '.join(gone)}"
        elif group.partial:
            yield group.name, f"is partial on {view.settings.source}"
        elif group.pv_count and group.pv_count != counted:
            yield group.name, f"has {group.pv_count} physical volumes, and {counted} were found"


def group_shared(view: View) -> Odd:
    """Other hosts may write to a shared group: freezing this one holds nobody else."""
    for group in view.groups:
        if group.shared:
            yield group.name, f"is shared with other hosts, which a freeze on {view.settings.source} does not hold"


def foreign_system_id(view: View) -> Odd:
    """The group names the source as its owner: the import hands it over."""
    target = view.estate.target
    for group in view.groups if target and not view.same_host else ():
        if target and group.system_id and group.system_id != target.system_id:
            yield group.name, f"belongs to system ID {group.system_id}, the target has {target.system_id or 'none'}"


def name_invalid(view: View) -> Odd:
    """The import must never see a name that is invalid, or the one that is on the disks."""
    for group in view.groups:
        name = view.new_name(group)
        if name == group.name:
            yield group.name, "would keep its name on the target"
        elif not _GROUP_NAME.fullmatch(name):
            yield group.name, f"cannot be called {name!r} on the target"


def name_unsafe(view: View) -> Odd:
    """A name that would be shown as something else than it is, or taken for something else than a name."""
    words = {"group": [g.name for g in view.groups], "volume": [v.name for g in view.groups for v in g.volumes]}
    words["mount point"] = [f.mount_point for f in view.filesystems]
    words["device"] = [p.path for g in view.groups for p in g.physical]
    words["volume's device"] = [f.device for f in view.filesystems]
    for what, names in words.items():
        for name in dict.fromkeys(names):
            if odd := odd_name(name):
                yield ascii(name[:60]), f"is the name of a {what} on {view.settings.source}, and {odd}"


def name_taken(view: View) -> Odd:
    """The new name is a group's on the target already, or will be: that of another group on the BCVs."""
    on_disks = {g.name for g in view.groups}
    for group in view.groups:
        name = view.new_name(group)
        taken = view.estate.target.group(name) if view.estate.target else None
        ours = taken is not None and any(p.device_serial in view.bcvs for p in taken.physical)
        if taken is not None:
            whose = ", on BCVs of this set: an earlier run left it" if ours else ""
            yield (
                name,
                f"is a group on {view.settings.target} already (UUID {taken.uuid or 'unknown, it is not active'}{whose})",
            )
        elif name != group.name and name in on_disks:
            yield name, f"is to be the name of the copy of {group.name}, and is the name of another group of the set"


def map_faulty(view: View) -> Odd:
    """The map contradicts itself when it is seen as a tree."""
    if view.estate.source is None:
        return
    for group in view.groups:
        if not group.readable or group.partial or any(p.missing for p in group.physical):
            continue
        try:
            odd = problems(build_map(view.settings.name, view.estate.source, (group.name,)))
        except Refused as error:
            odd = (str(error),)
        for sentence in odd:
            yield group.name, sentence


def map_stale(view: View) -> Odd:
    """The newest kept map is older than the group."""
    for group in (g for g in view.groups if g.readable) if view.kept else ():
        kept = view.kept.group(group.name) if view.kept else None
        if kept is None:
            yield group.name, "is not in the newest kept map"
        elif kept.uuid != group.uuid:
            yield group.name, f"has the UUID {group.uuid}, and the newest kept map is of {kept.uuid}"
        elif kept.seqno < group.seqno:
            yield group.name, f"has sequence number {group.seqno}, and the newest kept map {kept.seqno}"


def unsupported_type(view: View) -> Odd:
    """A volume of a kind that cannot be cloned safely."""
    for group in view.groups:
        for volume in group.volumes:
            if volume.refusal:
                yield f"{group.name}/{volume.name}", f"is of the kind {volume.kind}: {volume.refusal}"


def unsupported_filesystem(view: View) -> Odd:
    """Two btrfs of one identity under one kernel can destroy each other."""
    for f in view.filesystems if view.same_host else ():
        if f.kind == "btrfs":
            yield f"{f.group}/{f.volume}", "is btrfs, whose copy must never be seen by the kernel that has the original"


def not_backed_up(view: View) -> Odd:
    """A mounted filesystem of a kind that is not mounted on the target is missing in a backup of files."""
    for f in view.mounts:
        if f.kind not in MOUNTED_KINDS:
            yield f"{f.group}/{f.volume}", f"is {f.kind} on {f.mount_point}: it is cloned, and is in no backup"


def table_not_mounted(view: View) -> Odd:
    """The source's own table says that it should be mounted."""
    for f in view.filesystems:
        if f.in_table and not f.mounted and f.kind in MOUNTED_KINDS:
            where = f" on {f.mount_point}" if f.mount_point else ""
            yield f"{f.group}/{f.volume}", f"should be mounted{where} and is not: it is cloned, and is in no backup"


def not_mounted(view: View) -> Odd:
    """Swap, encrypted, raw and unmounted volumes are ordinary: cloned with the rest, and not mounted."""
    for group in view.groups:
        for volume in group.volumes:
            on = [f for f in view.filesystems if (f.group, f.volume) == (group.name, volume.name)]
            if volume.hidden or volume.kind in ("thin-pool", "vdo-pool", "cache-pool") or any(f in view.mounts for f in on):
                continue
            if any(f.in_table and f.kind in MOUNTED_KINDS for f in on):
                continue
            what = _NEVER_MOUNTED.get(on[0].kind, f"{on[0].kind}, not mounted") if on else "without a filesystem that is known"
            yield f"{group.name}/{volume.name}", f"is {what}: it is cloned, and not mounted on the target"


def mounts_overlap(view: View) -> Odd:
    """Two filesystems of the set want one mount point: only one of them could be seen."""
    seen: dict[str, str] = {}
    for f in view.mounts:
        volume = f"{f.group}/{f.volume}"
        if seen.setdefault(view.mount_point(f), volume) != volume:
            yield f.mount_point, f"is the mount point of {seen[view.mount_point(f)]} and of {volume}"


def mount_gap(view: View) -> Odd:
    """A filesystem of another set between two of this one: its directory is not in the copy, and cannot be made there."""
    points = {f.mount_point for f in view.mounts}
    everything = view.estate.source.mount_points if view.estate.source else ()
    for inner in sorted(points):
        between = [p for p in everything if p != inner and p not in points and within(inner, p)]
        outer = [p for p in points if p != inner and within(inner, p)]
        for gap in between:
            if any(within(gap, p) for p in outer):
                yield inner, f"lies below {gap}, which is not in the set but inside of one of its filesystems"


def mount_point_busy(view: View) -> Odd:
    """Something is mounted on the target where the copies are to be mounted."""
    prefix = view.settings.mount.prefix
    for point in view.estate.target.mount_points if view.estate.target else ():
        if within(point, prefix):
            yield point, f"is mounted on {view.settings.target} already, at or below {prefix}"


def freeze_system_filesystem(view: View) -> Odd:
    """A freeze of these would stop the login that thaws."""
    for f in view.mounts if view.settings.freeze.enabled else ():
        if f.mount_point in SYSTEM_MOUNTS:
            yield (
                f.mount_point,
                f"is in the set ({f.group}/{f.volume}), and {view.settings.source} does not live with it frozen",
            )


def work_dir_in_set(view: View) -> Odd:
    """Our own directory on the source lies on a filesystem that is to be frozen."""
    points = {f.mount_point for f in view.mounts}
    everything = points | set(view.estate.source.mount_points if view.estate.source else ())
    holding = max((p for p in everything if within(view.work_dir, p)), key=len, default="")
    if view.settings.freeze.enabled and holding in points:
        yield view.work_dir, f"lies on {holding}, which is in the set and is frozen around the split"
