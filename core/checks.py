"""The preflight checks: each has a code, a weight and an action; `verify` asks them all and hides nothing.

An error refuses whatever is planned. So errors here are what no operation of a set may meet; what only some must not
meet (a torn set, an invalid pair: establish repairs them) is a warning here and refused by `core.policy`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core import checks_layout as layout
from core import checks_mirrors as mirrors
from core.checkview import Odd, View
from core.drift import NO_RUN
from core.hosts import HostRef
from core.mapfile import MapFile
from core.model import Estate, Finding, Severity
from core.policy import torn
from core.settings import SetSettings

__all__ = ["CHECKS", "Check", "torn", "verify"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it is called, how much it matters, what looks, and what the operator does about it."""

    code: str
    severity: Severity
    looks: Callable[[View], Odd]
    action: str = ""


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

CHECKS: tuple[Check, ...] = (
    Check("SOURCE_UNREACHABLE", _E, layout.source_unreachable, "Run `splitmount check`, then measure again."),
    Check("TARGET_UNREACHABLE", _E, layout.target_unreachable, "Run `splitmount check`, then measure again."),
    Check("PAIRS_UNREADABLE", _E, mirrors.pairs_unreadable, "Run `splitmount check`; look at the array's management host."),
    Check("DIFFERENT_FAMILY", _E, layout.different_family, "Choose a target with the source's operating system."),
    Check("GROUP_MISSING", _E, layout.group_missing, "Correct volume_groups in the configuration, or import the group."),
    Check("GROUP_EXPORTED", _E, layout.group_exported, "Import it on the source first (vgimport)."),
    Check("GROUP_PARTIAL", _E, layout.group_partial, "Bring the missing devices back before anything is copied."),
    Check("GROUP_SHARED", _E, layout.group_shared, "Change it to a local group, or leave it out of the set."),
    Check("BCV_IS_STD", _E, mirrors.bcv_is_std, "Compare the columns of the pairs file: standard first, BCV second."),
    Check("STD_NOT_ON_SOURCE", _E, mirrors.std_not_on_source, "Correct the pairs file: standards are the source's devices."),
    Check("STD_ACTIVE_ON_TARGET", _E, mirrors.std_active_on_target, "Deactivate it there at once; find out who writes."),
    Check("STD_ON_TARGET", _E, mirrors.std_on_target, "Hide the standard from the target in the array's masking."),
    Check("SERIAL_UNKNOWN", _E, mirrors.serial_unknown, "Find out why the device tells no serial (VPD page 80)."),
    Check("DUPLICATE_SERIAL", _E, mirrors.duplicate_serial, "Join the paths with multipath, or hide one of the devices."),
    Check("DUPLICATE_PV", _E, mirrors.duplicate_pv, "Make the BCVs not ready to that host, then measure again."),
    Check("NO_BCV", _E, mirrors.no_bcv, "Add a pair for it to the pairs file, or remove the device from the group."),
    Check("GROUP_PARTLY_PAIRED", _E, mirrors.group_partly_paired, "Pair every device of the group: half a group is no copy."),
    Check("LV_ON_UNPAIRED", _E, mirrors.volume_on_unpaired, "Pair that device, or move the volume off it (pvmove)."),
    Check("BCV_TOO_SMALL", _E, mirrors.bcv_too_small, "Use a BCV that is at least as large as its standard."),
    Check("BCV_IN_USE", _E, mirrors.bcv_in_use, "Clean up the run that left it, or unmount and deactivate it by hand."),
    Check("NAME_INVALID", _E, layout.name_invalid, "Set another group_suffix: letters, digits and _ . + - make a name."),
    Check("NAME_UNSAFE", _E, layout.name_unsafe, "Rename it on the source, or leave its group out of the set."),
    Check("NAME_TAKEN", _E, layout.name_taken, "Clean up what an earlier run left, or set another group_suffix."),
    Check("MAP_FAULTY", _E, layout.map_faulty, "Measure again; if it stays, compare with pvs and lvs -a -o +devices."),
    Check("UNSUPPORTED_TYPE", _E, layout.unsupported_type, "Change the volume, or leave its group out of the set."),
    Check("UNSUPPORTED_FS", _E, layout.unsupported_filesystem, "Use a target that does not see the original."),
    Check("MOUNTS_OVERLAP", _E, layout.mounts_overlap, "Unmount one of them on the source, or split the set in two."),
    Check("MOUNT_GAP", _E, layout.mount_gap, "Take the filesystem between them into the set, or leave this one out."),
    Check("MOUNT_POINT_BUSY", _E, layout.mount_point_busy, "Clean up the run that left it, unmount it, or change the prefix."),
    Check("FREEZE_SYSTEM_FS", _E, layout.freeze_system_filesystem, "Set freeze: {enabled: false}, or leave it out of the set."),
    Check("WORK_DIR_IN_SET", _E, layout.work_dir_in_set, "Set the source's work_dir to a filesystem that is not in the set."),
    Check("GROUP_NOT_ACTIVE", _W, layout.group_not_active, "Let the run that stopped it end, or activate it on the source."),
    Check("TORN_SET", _W, mirrors.torn_set, "Establish the set again and split it as one; it cannot be used as it is."),
    Check("PAIR_INVALID", _W, mirrors.pair_invalid, "Find out why the copy failed, then establish the pair in full."),
    Check("PAIR_UNKNOWN", _W, mirrors.pair_unknown, "Look at the pair with the array's own tools."),
    Check("PAIR_RESTORING", _W, mirrors.pair_restoring, "Wait until the restore is complete."),
    Check("BCV_ACTIVE", _W, mirrors.bcv_active, "Keep the target from activating what it sees (auto_activation_volume_list)."),
    Check("BCV_OTHER_CONTENT", _W, mirrors.bcv_other_content, "Compare the pairs file with the array, or establish again."),
    Check("UNUSED_PAIR", _W, mirrors.unused_pair, "Remove the pair from the pairs file, or add its group to the set."),
    Check("MAP_STALE", _W, layout.map_stale, "Run the operation `map`, so that a takeover finds the layout of today."),
    Check("NOT_BACKED_UP", _W, layout.not_backed_up, "Back it up by other means."),
    Check("TABLE_NOT_MOUNTED", _W, layout.table_not_mounted, "Mount it on the source if it is to be in the backup."),
    Check("PAIR_NEVER", _I, mirrors.pair_never, "Establish it: everything is copied once."),
    Check("BCV_ON_SOURCE", _I, mirrors.bcv_on_source, "Hide the BCV from the source in the array's masking."),
    Check("BCV_NOT_ON_TARGET", _I, mirrors.bcv_not_on_target),
    Check("SAME_HOST", _I, layout.same_host, "Expect warnings about duplicates while the copy is there."),
    Check("FOREIGN_SYSTEM_ID", _I, layout.foreign_system_id),
    Check("NOT_MOUNTED", _I, layout.not_mounted),
)


def verify(
    settings: SetSettings,
    estate: Estate,
    kept: MapFile | None = None,
    work_dir: str = "",
    stopped: Mapping[str, int] = NO_RUN,
) -> tuple[Finding, ...]:
    """All findings of a set, errors first. `kept` is its newest kept map, `work_dir` the source's where it is not usual.

    `stopped` are the groups that a run without an end took out of use, with its number.
    """
    view = View(settings, estate, kept, work_dir or HostRef("", "").work_dir, stopped)
    found = [
        Finding(check.code, check.severity, subject, sentence, check.action)
        for check in CHECKS
        for subject, sentence in check.looks(view)
    ]
    weights = tuple(Severity)
    return tuple(sorted(found, key=lambda f: weights.index(f.severity)))
