"""Every check on an estate that was sound but for one thing, and near misses that must stay silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from core.checks import CHECKS, torn, verify
from core.mapfile import build_map
from core.model import (
    Device,
    Estate,
    Filesystem,
    Finding,
    HostFacts,
    Pair,
    PairState,
    Severity,
    VolumeGroup,
)
from core.operations import import_requests
from core.settings import FreezeSettings, MountSettings, SetSettings
from tests.core.samples import (
    BCVS,
    DATA,
    ESTATE,
    IDLE,
    PAIRS,
    PART,
    PREFIX,
    SAME_HOST,
    SETTINGS,
    SIZE,
    SOURCE,
    STDS,
    TARGET,
    disk,
    fs,
    lv,
    pv,
    statuses,
    with_group,
)

KEPT = build_map("payroll", SOURCE, ("vgdata", "vgpart"))
E, S = PairState.ESTABLISHED, PairState.SPLIT

Case = tuple[SetSettings, Estate]


def source(change: Callable[[HostFacts], HostFacts]) -> Case:
    return SETTINGS, replace(ESTATE, source=change(SOURCE))


def target(change: Callable[[HostFacts], HostFacts], settings: SetSettings = SETTINGS) -> Case:
    return settings, replace(ESTATE, target=change(TARGET))


def data(change: Callable[[VolumeGroup], VolumeGroup]) -> Case:
    return source(lambda host: with_group(host, change(DATA)))


def configured(**facts: object) -> Case:
    return replace(SETTINGS, **facts), ESTATE  # type: ignore[arg-type]


def states(*wanted: PairState) -> Case:
    return SETTINGS, replace(ESTATE, pairs=statuses(*wanted))


def on_source(*found: Filesystem, points: tuple[str, ...] = ()) -> Case:
    """The source with more filesystems; those of mounted ones are among its mount points."""
    mounted = tuple(f.mount_point for f in found if f.mounted)
    return source(lambda h: replace(h, filesystems=(*h.filesystems, *found), mount_points=(*h.mount_points, *mounted, *points)))


def beside(settings: SetSettings, host: HostFacts) -> Case:
    """Source and target on one host."""
    return settings, replace(ESTATE, source=host, target=host)


def copy_group(
    name: str = "vgcopy", *, active: bool = False, held: bool = False, serial: str = BCVS[0], uuid: str = "pv-new"
) -> VolumeGroup:
    volume = replace(lv("lvdata", name, "/dev/sdx"), active=active, open=held)
    return VolumeGroup(
        name, f"uuid-{name}", 8, 4 << 20, SIZE, physical=(pv("/dev/sdx", uuid, serial, name),), volumes=(volume,)
    )


def unpaired() -> Case:
    return configured(pairs=(PAIRS[0], PAIRS[2]))


def first_volume(**facts: object) -> Case:
    volume = replace(DATA.volumes[0], **facts)  # type: ignore[arg-type]
    return data(lambda g: replace(g, volumes=(volume, *g.volumes[1:])))


TWINS = (
    copy_group("one", uuid="pv-a"),
    replace(copy_group("two"), physical=(pv("/dev/sdy", "pv-a", BCVS[1], "two"),)),
)
BTRFS = fs("vgdata", "lvraw", "btrfs", "/srv/btr")
SWAPPED = tuple(Pair(p.bcv, p.std) for p in PAIRS)

# code, the estate in which it must be found, and a part of its subject and sentence
CASES: tuple[tuple[str, Case, str], ...] = (
    (
        "SOURCE_UNREACHABLE",
        (SETTINGS, replace(ESTATE, source=None, errors={"source": "no route"})),
        "db1 could not be measured: no route",
    ),
    (
        "TARGET_UNREACHABLE",
        (SETTINGS, replace(ESTATE, target=None, errors={"target": "refused"})),
        "backup1 could not be measured: refused",
    ),
    (
        "PAIRS_UNREADABLE",
        (SETTINGS, replace(ESTATE, pairs=(), errors={"pairs": "socket gone"})),
        "sym the pairs could not be read: socket gone",
    ),
    (
        "PAIRS_UNREADABLE",
        (SETTINGS, replace(ESTATE, pairs=ESTATE.pairs[:2])),
        "7902E000/790B6000 the array sym told nothing about this pair",
    ),
    ("DIFFERENT_FAMILY", target(lambda h: replace(h, os="aix")), "backup1 runs aix and the source db1 runs linux"),
    (
        "GROUP_MISSING",
        configured(volume_groups=("vgdata", "vgother")),
        "vgother is not on db1, whose groups are: vgdata, vgpart",
    ),
    ("GROUP_NOT_ACTIVE", data(lambda g: IDLE), "vgdata is not active on db1, so that what is in it cannot be read"),
    ("GROUP_EXPORTED", data(lambda g: replace(g, exported=True)), "vgdata is exported"),
    ("GROUP_PARTIAL", data(lambda g: replace(g, partial=True)), "vgdata is partial"),
    (
        "GROUP_PARTIAL",
        data(lambda g: replace(g, physical=(g.physical[0], replace(g.physical[1], missing=True)))),
        "vgdata lacks physical volumes: pv-b",
    ),
    ("GROUP_PARTIAL", data(lambda g: replace(g, pv_count=3)), "vgdata has 3 physical volumes, and 2 were found"),
    ("GROUP_SHARED", data(lambda g: replace(g, shared=True)), "vgdata is shared"),
    (
        "BCV_IS_STD",
        configured(pairs=SWAPPED),
        "7902C000 is listed as a BCV and carries /dev/sda of group vgdata on the source db1",
    ),
    (
        "BCV_IS_STD",
        source(lambda h: with_group(h, copy_group("vgelse", active=True))),
        "790B4000 is listed as a BCV and is in use on the source db1: group vgelse, active: lvdata",
    ),
    (
        "BCV_IS_STD",
        source(
            lambda h: replace(
                h,
                devices=(*h.devices, disk("x", BCVS[0])),
                filesystems=(*h.filesystems, Filesystem("/dev/sdx", "ext4", mount_point="/u", mounted=True)),
            )
        ),
        "ext4 on the device itself, mounted on /u",
    ),
    (
        "BCV_IS_STD",
        configured(pairs=(*PAIRS, Pair(BCVS[0], "790B7000"))),
        "790B4000 is listed as a standard and as a BCV",
    ),
    ("STD_NOT_ON_SOURCE", configured(pairs=(*PAIRS, Pair("79030000", "790B7000"))), "79030000 is listed as a standard"),
    (
        "STD_ACTIVE_ON_TARGET",
        target(lambda h: with_group(h, copy_group("vgdata", active=True, serial=STDS[0]))),
        "7902C000 is a standard and is in use on the target: group vgdata, active: lvdata",
    ),
    (
        "SERIAL_UNKNOWN",
        data(lambda g: replace(g, physical=(replace(g.physical[0], device_serial=""), g.physical[1]))),
        "/dev/sda carries a physical volume of vgdata",
    ),
    (
        "DUPLICATE_SERIAL",
        source(lambda h: replace(h, devices=(*h.devices, Device("/dev/sdq", "7902c000 ", SIZE)))),
        "7902C000 is the serial of 2 devices on db1: /dev/sda, /dev/sdq",
    ),
    (
        "DUPLICATE_SERIAL",
        target(lambda h: replace(h, devices=(*h.devices, Device("/dev/sdq", BCVS[1], SIZE)))),
        "790B5000 is the serial of 2 devices on backup1",
    ),
    (
        "DUPLICATE_PV",
        data(lambda g: replace(g, physical=(*g.physical, replace(pv("/dev/sdx", "pv-a", BCVS[0], "vgdata"), duplicate=True)))),
        "pv-a is seen more than once on db1: /dev/sda, /dev/sdx",
    ),
    (
        "DUPLICATE_PV",
        target(lambda h: replace(h, groups=TWINS)),
        "pv-a is seen more than once on backup1: /dev/sdx, /dev/sdy",
    ),
    ("NO_BCV", unpaired(), "7902D000 (/dev/sdb) is a device of vgdata and has no BCV"),
    ("GROUP_PARTLY_PAIRED", unpaired(), "vgdata has BCVs for 1 of its 2 devices"),
    ("LV_ON_UNPAIRED", unpaired(), "vgdata/lv-logs lies on 7902D000, which has no BCV"),
    (
        "BCV_TOO_SMALL",
        (SETTINGS, replace(ESTATE, pairs=(replace(ESTATE.pairs[0], bcv_size=SIZE - 1), *ESTATE.pairs[1:]))),
        f"790B4000 has {SIZE - 1} bytes and its standard 7902C000 has {SIZE}",
    ),
    (
        "BCV_TOO_SMALL",
        (
            SETTINGS,
            replace(
                ESTATE,
                target=replace(TARGET, devices=(replace(TARGET.devices[0], size=5), *TARGET.devices[1:])),
                pairs=tuple(replace(s, std_size=None, bcv_size=None) for s in ESTATE.pairs),
            ),
        ),
        "790B4000 has 5 bytes",
    ),
    (
        "BCV_IN_USE",
        target(lambda h: with_group(h, copy_group(active=True, held=True))),
        "790B4000 is a BCV and is in use on backup1: group vgcopy, in use: lvdata",
    ),
    (
        "BCV_IN_USE",
        target(
            lambda h: replace(
                with_group(h, copy_group(active=True)), filesystems=(fs("vgcopy", "lvdata", "ext4", "/elsewhere"),)
            )
        ),
        "790B4000 is a BCV and is in use",
    ),
    ("NAME_INVALID", configured(group_suffix=" copy"), "vgdata cannot be called 'vgdata copy'"),
    ("NAME_INVALID", configured(group_suffix="/../x"), "vgdata cannot be called"),
    ("NAME_INVALID", configured(group_suffix="x" * 122), "vgdata cannot be called"),
    ("NAME_INVALID", configured(group_suffix=""), "vgdata would keep its name"),
    (
        "NAME_UNSAFE",
        source(lambda h: replace(h, filesystems=(fs("vgdata", "lvdata", "ext4", "/d@{x}@"),))),
        "'/d@{x}@' is the name of a mount point",
    ),
    (
        "NAME_TAKEN",
        target(lambda h: with_group(h, copy_group("vgdata_bcv", serial="other"))),
        "vgdata_bcv is a group on backup1 already (UUID uuid-vgdata_bcv)",
    ),
    (
        "NAME_TAKEN",
        target(lambda h: with_group(h, copy_group("vgdata_bcv"))),
        "(UUID uuid-vgdata_bcv, on BCVs of this set: an earlier run left it)",
    ),
    (
        "NAME_TAKEN",
        (
            replace(SETTINGS, volume_groups=("vgdata", "vgdata_bcv")),
            replace(ESTATE, source=with_group(SOURCE, replace(PART, name="vgdata_bcv"))),
        ),
        "vgdata_bcv is to be the name of the copy of vgdata",
    ),
    ("MAP_FAULTY", first_volume(devices=()), "vgdata vgdata/lvdata lies on no device"),
    ("MAP_FAULTY", first_volume(devices=("/dev/sdq",)), "vgdata db1: vgdata/lvdata lies on /dev/sdq"),
    (
        "UNSUPPORTED_TYPE",
        first_volume(kind="vdo", refusal="it may rebuild"),
        "vgdata/lvdata is of the kind vdo: it may rebuild",
    ),
    ("UNSUPPORTED_FS", beside(SAME_HOST, replace(SOURCE, filesystems=(*SOURCE.filesystems, BTRFS))), "vgdata/lvraw is btrfs"),
    (
        "MOUNTS_OVERLAP",
        on_source(fs("vgdata", "lvraw", "ext4", "/srv/part/")),
        "is the mount point of vgpart/lvthin and of vgdata/lvraw",
    ),
    (
        "MOUNT_GAP",
        on_source(fs("vgdata", "lvraw", "ext4", "/srv/data/other/deep"), points=("/srv/data/other",)),
        "/srv/data/other/deep lies below /srv/data/other, which is not in the set",
    ),
    (
        "MOUNT_POINT_BUSY",
        target(lambda h: replace(h, mount_points=("/", f"{PREFIX}/srv"))),
        f"{PREFIX}/srv is mounted on backup1",
    ),
    ("MOUNT_POINT_BUSY", target(lambda h: replace(h, mount_points=(PREFIX,))), f"{PREFIX} is mounted on backup1"),
    ("FREEZE_SYSTEM_FS", on_source(fs("vgdata", "lvraw", "ext4", "/var")), "/var is in the set (vgdata/lvraw)"),
    (
        "WORK_DIR_IN_SET",
        on_source(fs("vgdata", "lvraw", "ext4", "/var/tmp")),
        "/var/tmp/splitmount lies on /var/tmp, which is in the set",
    ),
    (
        "TORN_SET",
        (
            SETTINGS,
            replace(ESTATE, pairs=(*statuses(S, S, S)[:2], replace(statuses(S, S, S)[2], split_id="s2"))),
        ),
        "payroll 7902E000/790B6000 carry split s2",
    ),
    (
        "PAIR_INVALID",
        (
            SETTINGS,
            replace(ESTATE, pairs=(replace(ESTATE.pairs[0], state=PairState.INVALID, note="no space"), *ESTATE.pairs[1:])),
        ),
        "7902C000/790B4000 is invalid: no space",
    ),
    ("PAIR_UNKNOWN", states(E, PairState.UNKNOWN, E), "7902D000/790B5000 is unknown"),
    ("PAIR_RESTORING", states(E, PairState.RESTORING, E), "7902D000/790B5000 is restoring"),
    ("PAIR_NEVER", states(E, PairState.NEVER, E), "7902D000/790B5000 is never established"),
    (
        "BCV_ACTIVE",
        target(lambda h: with_group(h, copy_group("vgdata", active=True))),
        "790B4000 is a BCV and belongs to an active group on backup1: group vgdata, active: lvdata",
    ),
    (
        "BCV_OTHER_CONTENT",
        (SETTINGS, replace(ESTATE, target=with_group(TARGET, copy_group("vgdata", uuid="pv-b")), pairs=statuses(S, S, S))),
        "790B4000 carries physical volume pv-b of vgdata, its standard 7902C000 has pv-a",
    ),
    (
        "STD_ON_TARGET",
        target(lambda h: replace(h, devices=(*h.devices, disk("q", STDS[0])))),
        "7902C000 is a standard and is seen by the target backup1",
    ),
    ("UNUSED_PAIR", configured(volume_groups=("vgdata",)), "7902E000/790B6000 its standard is in no group of the set (vgdata)"),
    ("NOT_BACKED_UP", on_source(BTRFS), "vgdata/lvraw is btrfs on /srv/btr: it is cloned, and is in no backup"),
    (
        "TABLE_NOT_MOUNTED",
        on_source(fs("vgdata", "lvraw", "ext4", "/srv/raw", mounted=False)),
        "vgdata/lvraw should be mounted on /srv/raw and is not",
    ),
    ("BCV_ON_SOURCE", source(lambda h: replace(h, devices=(*h.devices, disk("x", BCVS[0])))), "790B4000 is a BCV and is seen"),
    ("BCV_NOT_ON_TARGET", target(lambda h: replace(h, devices=h.devices[1:])), "790B4000 is not seen by backup1 now"),
    ("SAME_HOST", beside(SAME_HOST, SOURCE), "db1 is source and target"),
    (
        "FOREIGN_SYSTEM_ID",
        data(lambda g: replace(g, system_id="db1")),
        "vgdata belongs to system ID db1, the target has none",
    ),
    ("NOT_MOUNTED", (SETTINGS, ESTATE), "vgdata/lvswap is swap space"),
    ("NOT_MOUNTED", (SETTINGS, ESTATE), "vgdata/lvraw is without a filesystem that is known"),
    ("NOT_MOUNTED", on_source(fs("vgdata", "lvraw", "crypto_LUKS", "")), "vgdata/lvraw is encrypted (LUKS)"),
    ("NOT_MOUNTED", on_source(fs("vgdata", "lvraw", "ext4", "")), "vgdata/lvraw is ext4, not mounted"),
)

BESIDES = {"MAP_STALE"}  # what looks at a kept map has its own test


def found(case: Case, code: str) -> list[Finding]:
    return [f for f in verify(*case) if f.code == code]


@pytest.mark.parametrize(("code", "case", "words"), CASES, ids=[f"{code}-{i}" for i, (code, _, _) in enumerate(CASES)])
def test_each_fault_is_found_under_its_code(code: str, case: Case, words: str) -> None:
    findings = found(case, code)
    assert any(words in f"{f.subject} {f.sentence}" for f in findings), findings


@pytest.mark.parametrize("code", sorted({code for code, _, _ in CASES} - {"NOT_MOUNTED"}))
def test_no_fault_is_found_in_a_sound_estate(code: str) -> None:
    assert found((SETTINGS, ESTATE), code) == []


def test_a_sound_estate_has_nothing_to_refuse_or_to_warn_of() -> None:
    assert {f.severity for f in verify(SETTINGS, ESTATE, KEPT)} == {Severity.INFO}


def test_every_check_has_a_case_here_and_a_code_of_its_own() -> None:
    codes = [check.code for check in CHECKS]
    assert sorted(codes) == sorted({code for code, _, _ in CASES} | BESIDES)


def test_every_refusal_and_warning_says_what_to_do() -> None:
    assert [c.code for c in CHECKS if not c.action and c.severity is not Severity.INFO] == []


def test_errors_come_first() -> None:
    order = [f.severity for f in verify(*unpaired())]
    assert order == sorted(order, key=list(Severity).index)
    assert order[0] is Severity.ERROR


# --- the kept map ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (replace(DATA, seqno=8), "has sequence number 8, and the newest kept map 7"),
        (replace(DATA, uuid="uuid-new"), "has the UUID uuid-new, and the newest kept map is of uuid-vgdata"),
    ],
)
def test_a_kept_map_that_is_older_than_its_group_is_stale(group: VolumeGroup, words: str) -> None:
    estate = replace(ESTATE, source=with_group(SOURCE, group))
    (finding,) = [f for f in verify(SETTINGS, estate, KEPT) if f.code == "MAP_STALE"]
    assert (finding.subject, finding.severity) == ("vgdata", Severity.WARNING)
    assert finding.sentence == words


def test_a_group_that_was_never_mapped_makes_the_kept_map_stale() -> None:
    kept = replace(KEPT, groups=KEPT.groups[:1])
    assert [f.subject for f in verify(SETTINGS, ESTATE, kept) if f.code == "MAP_STALE"] == ["vgpart"]


def test_a_group_that_is_not_active_is_told_as_that_and_nothing_is_concluded_from_it() -> None:
    estate = replace(ESTATE, source=with_group(SOURCE, IDLE))
    found = [f for f in verify(SETTINGS, estate, KEPT) if f.subject == "vgdata"]
    assert [(f.code, f.severity) for f in found] == [("GROUP_NOT_ACTIVE", Severity.WARNING)]
    (finding,) = [f for f in verify(SETTINGS, estate, KEPT, stopped={"vgdata": 12}) if f.subject == "vgdata"]
    assert finding.sentence.endswith("; run 12, which has no end, stopped it: splitmount recover 12")


def test_a_group_that_a_run_took_out_of_use_is_not_missing_where_its_system_does_not_list_it() -> None:
    gone = replace(SOURCE, groups=tuple(g for g in SOURCE.groups if g.name != "vgdata"))
    estate = replace(ESTATE, source=gone)
    assert "GROUP_MISSING" in {f.code for f in verify(SETTINGS, estate, KEPT) if f.subject == "vgdata"}
    (finding,) = [f for f in verify(SETTINGS, estate, KEPT, stopped={"vgdata": 12}) if f.subject == "vgdata"]
    assert finding.code == "GROUP_NOT_ACTIVE"


# --- near misses -----------------------------------------------------------------------------------------------------


def test_an_imported_copy_beside_its_original_is_not_taken_for_swapped_columns() -> None:
    host = with_group(replace(SOURCE, devices=(*SOURCE.devices, *TARGET.devices)), copy_group("vgdata_bcv", active=True))
    assert found(beside(SAME_HOST, host), "BCV_IS_STD") == []
    assert [f.subject for f in found(beside(SAME_HOST, host), "BCV_ACTIVE")] == [BCVS[0]]


def test_swapped_columns_are_found_on_one_host_too() -> None:
    assert {f.subject for f in found(beside(replace(SAME_HOST, pairs=SWAPPED), SOURCE), "BCV_IS_STD")} == set(STDS)


def test_a_duplicate_that_the_host_does_not_use_takes_no_standards_place() -> None:
    spare = replace(pv("/dev/sdx", "pv-a", BCVS[0], "vgdata"), duplicate=True)
    case = data(lambda g: replace(g, physical=(*g.physical, spare)))
    assert {f.code for f in verify(*case) if f.severity is Severity.ERROR} == {"DUPLICATE_PV", "MAP_FAULTY"}


def test_a_serial_in_small_letters_is_pointed_out() -> None:
    pairs = (Pair("7902c000", BCVS[0]), *PAIRS[1:])
    (finding,) = found(configured(pairs=pairs), "NO_BCV")
    assert finding.sentence.endswith("the pairs file writes it 7902c000")


def test_two_paths_without_a_serial_are_no_duplicates() -> None:
    assert found(source(lambda h: replace(h, devices=(*h.devices, disk("p", ""), disk("q", "")))), "DUPLICATE_SERIAL") == []


def test_a_larger_bcv_is_well() -> None:
    pairs = tuple(replace(s, bcv_size=SIZE + 1) for s in ESTATE.pairs)
    assert found((SETTINGS, replace(ESTATE, pairs=pairs)), "BCV_TOO_SMALL") == []


def test_an_unknown_size_is_no_small_size() -> None:
    pairs = tuple(replace(s, std_size=SIZE, bcv_size=None) for s in ESTATE.pairs)
    case = SETTINGS, replace(ESTATE, target=replace(TARGET, devices=()), pairs=pairs)
    assert found(case, "BCV_TOO_SMALL") == []


def test_an_inactive_copy_on_a_bcv_is_no_use_of_it() -> None:
    case = target(lambda h: with_group(h, copy_group("vgdata", uuid="pv-a")))
    assert found(case, "BCV_IN_USE") == found(case, "BCV_ACTIVE") == []


def test_a_mount_beside_the_prefix_is_not_in_the_way() -> None:
    assert found(target(lambda h: replace(h, mount_points=(PREFIX + "2", "/mnt"))), "MOUNT_POINT_BUSY") == []


def test_a_prefix_of_the_root_leaves_no_double_slash() -> None:
    settings = replace(SETTINGS, mount=MountSettings("/"))
    assert [f.subject for f in found((settings, ESTATE), "MOUNT_POINT_BUSY")] == ["/", "/mnt"]


@pytest.mark.parametrize("code", ["FREEZE_SYSTEM_FS", "WORK_DIR_IN_SET"])
def test_what_is_not_frozen_may_hold_the_system(code: str) -> None:
    settings, estate = on_source(fs("vgdata", "lvraw", "ext4", "/var/tmp"))
    assert found((settings, estate), code)
    assert found((replace(settings, freeze=FreezeSettings(enabled=False)), estate), code) == []


def test_a_work_dir_elsewhere_is_asked_for_by_name() -> None:
    findings = verify(SETTINGS, ESTATE, work_dir="/srv/data/splitmount")
    assert [f.subject for f in findings if f.code == "WORK_DIR_IN_SET"] == ["/srv/data/splitmount"]


def test_a_work_dir_below_a_filesystem_of_its_own_is_not_in_the_set() -> None:
    settings, estate = on_source(points=("/srv/data/own",))
    assert [f for f in verify(settings, estate, work_dir="/srv/data/own/x") if f.code == "WORK_DIR_IN_SET"] == []


def test_nested_mounts_of_the_set_are_ordinary() -> None:
    nested = on_source(fs("vgdata", "lvraw", "ext4", "/srv/data/logs of today/deep"))
    assert found(nested, "MOUNT_GAP") == found(nested, "MOUNTS_OVERLAP") == []


def test_btrfs_on_another_host_is_cloned_with_a_warning_only() -> None:
    case = on_source(BTRFS)
    assert found(case, "UNSUPPORTED_FS") == []
    assert [f.severity for f in found(case, "NOT_BACKED_UP")] == [Severity.WARNING]


def test_the_targets_own_system_id_is_not_foreign() -> None:
    settings, estate = data(lambda g: replace(g, system_id="both"))
    assert found((settings, replace(estate, target=replace(TARGET, system_id="both"))), "FOREIGN_SYSTEM_ID") == []


def test_split_ids_of_established_pairs_tear_nothing() -> None:
    assert torn(statuses(E, S, S)) == ()


def test_a_split_bcv_with_its_standards_identity_is_well() -> None:
    case = SETTINGS, replace(ESTATE, target=with_group(TARGET, copy_group("vgdata", uuid="pv-a")), pairs=statuses(S, S, S))
    assert found(case, "BCV_OTHER_CONTENT") == []


def test_an_established_bcv_may_hold_anything_yet() -> None:
    assert found(target(lambda h: with_group(h, copy_group("vgdata", uuid="pv-b"))), "BCV_OTHER_CONTENT") == []


def test_several_bcvs_of_a_standard_ask_the_array_for_the_first_only() -> None:
    assert found(configured(pairs=(*PAIRS, Pair(STDS[0], "790B7000"))), "PAIRS_UNREADABLE") == []


def test_nothing_measured_is_three_refusals_and_no_crash() -> None:
    empty = Estate("payroll", ESTATE.measured_at)
    codes = {f.code for f in verify(SETTINGS, empty, KEPT) if f.severity is Severity.ERROR}
    assert codes == {"SOURCE_UNREACHABLE", "TARGET_UNREACHABLE", "PAIRS_UNREADABLE"}


# --- what a takeover brings up -----------------------------------------------------------------------------------------


def test_a_takeover_keeps_the_names_on_another_host_and_never_beside_the_original() -> None:
    (other, *_), (beside_it, *_) = (import_requests(s, SOURCE, PAIRS, takeover=True) for s in (SETTINGS, SAME_HOST))
    assert (other.new_name, other.prefix, other.read_only) == ("vgdata", "", False)
    assert (beside_it.new_name, beside_it.prefix, beside_it.read_only) == ("vgdata_bcv", PREFIX, False)
    assert all(m.mount_point == m.source_mount_point for m in other.mounts)
    assert all(m.mount_point == PREFIX + m.source_mount_point for m in beside_it.mounts)
