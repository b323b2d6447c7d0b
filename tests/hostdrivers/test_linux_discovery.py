"""Discovery of Linux hosts on outputs of many kinds; those in `fixtures/linux` are one directory a case, one file a section."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ParseError
from core.hosts import HostRef
from core.model import Filesystem, HostFacts, LogicalVolume
from core.transport import Command, Result, Status
from hostdrivers import DRIVERS
from hostdrivers.report import MARK

FIXTURES = Path(__file__).parents[1] / "fixtures" / "linux"
HOST = HostRef("source", "linux", "sudo")
DRIVER = DRIVERS["linux"]
NOW = datetime(2026, 11, 23, tzinfo=UTC)
TAG = f"{MARK}-0123abcd"
EMPTY = {
    "release": 'NAME=x\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "uname": "alpha 6.1.0\n",
    "disks": "",
    "systemid": "  system ID: \n",
    "lvm": '{"report": []}\n',
    "mounts": '{"filesystems": []}\n',
    "fstab": "",
    "swaps": "Filename Type Size Used Priority\n",
    "dm": "",
    "probe": "",
}


def output(sections: dict[str, str], failed: dict[str, tuple[int, str]] | None = None) -> str:
    """What the script prints; `failed` gives exit status and errors of sections that did not end well.

    Its errors, which come on a channel of their own, stand behind a NUL.
    """
    out, errors = f"{TAG} begin\n", ""
    for name, text in sections.items():
        status, words = (failed or {}).get(name, (0, ""))
        out += f"{TAG} {name}\n{text}\n{TAG} {name}.end {status}\n"
        errors += f"{TAG} {name}\n{words}\n"
    return f"{out}{TAG} finished\n\0{errors}"


def case(name: str) -> dict[str, str]:
    """The sections of a fixture; those that it has no file for are empty."""
    return EMPTY | {path.stem: path.read_text() for path in (FIXTURES / name).glob("*.txt")}


def parsed(text: str, status: Status = Status.OK) -> HostFacts:
    """The facts of an output."""
    out, _, errors = text.partition("\0")
    result = Result(Command("source", "discover source", ""), status, 0, out, errors, NOW, 1.0, reason="the line went")
    return DRIVER.parse_discovery(HOST, result)


def facts_of(name: str) -> HostFacts:
    """The facts of a fixture."""
    return parsed(output(case(name)))


def volumes(facts: HostFacts, group: str) -> dict[str, LogicalVolume]:
    """The volumes of a group by name."""
    found = facts.group(group)
    assert found is not None
    return {v.name: v for v in found.volumes}


def filesystems(facts: HostFacts, volume: str) -> list[Filesystem]:
    """All entries for a volume."""
    return [f for f in facts.filesystems if f.volume == volume]


# --- devices ---------------------------------------------------------------------------------------------------------


def test_the_paths_of_a_multipath_map_are_one_device() -> None:
    devices = {d.path: d for d in facts_of("multipath").devices}
    assert sorted(devices) == ["/dev/mapper/mpatha", "/dev/mapper/mpathb", "/dev/mapper/mpathc"]
    both = devices["/dev/mapper/mpatha"]
    assert (both.serial, both.size, both.multipath) == ("7902C000", 256 << 20, True)
    assert both.paths == ("/dev/sda", "/dev/sdi")
    assert (both.vendor, both.model, both.wwn) == ("EMC", "SYMMETRIX", "naa.5000c50000000200")


def test_a_map_can_be_read_while_any_of_its_paths_can() -> None:
    readable = {d.path: d.readable for d in facts_of("multipath").devices}
    assert readable == {"/dev/mapper/mpatha": True, "/dev/mapper/mpathb": True, "/dev/mapper/mpathc": False}


def test_a_physical_volume_on_a_map_has_the_serial_of_the_disk() -> None:
    group = facts_of("multipath").group("vgprod")
    assert group is not None
    assert [p.device_serial for p in group.physical] == ["7902C000", "7902C001", "7902C002"]


def test_two_disks_with_one_serial_and_no_map_stay_two_devices() -> None:
    facts = facts_of("duplicates")
    assert [(d.path, d.multipath) for d in facts.devices if d.serial == "79030000"] == [
        ("/dev/sda", False),
        ("/dev/sdc", False),
    ]


def test_duplicates_and_missing_physical_volumes_are_told() -> None:
    group = facts_of("duplicates").group("vgd")
    assert group is not None
    assert [(p.path, p.duplicate, p.missing, p.device_serial) for p in group.physical] == [
        ("/dev/sda", False, False, "79030000"),
        ("/dev/sdc", True, False, "79030000"),
        ("[unknown]", False, True, ""),
    ]
    assert group.physical[2].size == 264241152


@pytest.mark.parametrize("path", ["/dev/mapper/mpatha2", "/dev/mapper/mpathap2", "/dev/mapper/mpatha-part2", "/dev/sda2"])
def test_a_partition_is_found_under_each_of_its_names(path: str) -> None:
    sections = case("multipath")
    sections["disks"] = sections["disks"].replace("/dev/mapper/mpatha|", "/dev/mapper/mpatha| 2=sda2", 1)
    sections["lvm"] = sections["lvm"].replace('"/dev/mapper/mpatha"', f'"{path}"')
    group = parsed(output(sections)).group("vgprod")
    assert group is not None
    assert (group.physical[0].device_serial, group.physical[0].partition) == ("7902C000", "2")


# --- volumes ---------------------------------------------------------------------------------------------------------


def test_a_recorded_group_gives_kinds_stripes_and_the_devices_below() -> None:
    found = volumes(facts_of("multipath"), "vgprod")
    assert {v.name: v.kind for v in found.values() if not v.hidden} == {
        "lv-log_1": "striped",
        "lvdata": "linear",
        "lvmir": "raid1",
        "lvthin": "thin",
        "snapdata": "snapshot",
        "tpool": "thin-pool",
    }
    a, b, c = (f"/dev/mapper/mpath{x}" for x in "abc")
    assert (found["lv-log_1"].stripes, found["lv-log_1"].stripe_size) == (2, 65536)
    assert found["lvmir"].devices == (a, b)
    assert found["lvthin"].devices == found["tpool"].devices == (a, c)
    assert (found["snapdata"].origin, found["lvdata"].origin) == ("lvdata", "")
    assert [v.name for v in found.values() if v.hidden and v.refusal] == []


@pytest.mark.parametrize("name", ["layered", "layered_std"])
def test_caches_snapshots_and_vdo_are_followed_down_to_the_devices(name: str) -> None:
    found = volumes(facts_of(name), "vgl")
    below = {v: (found[v].kind, "".join(p[-1] for p in found[v].devices)) for v in ("snap", "cached", "wc", "dedup", "vpool")}
    assert below == {
        "snap": ("snapshot", "ab"),
        "cached": ("cache", "acd"),
        "wc": ("writecache", "ac"),
        "dedup": ("vdo", "d"),
        "vpool": ("vdo-pool", "d"),
    }
    assert {v.name for v in found.values() if "VDO" in v.refusal} == {"dedup", "vpool"}
    assert (found["cached"].pool, found["cached"].origin) == ("fast_cpool", "cached_corig")


def test_numbers_lists_and_nulls_are_read_as_texts_are() -> None:
    sections = case("layered_std")
    assert "null" in sections["lvm"]
    assert '"lv_role": [' in sections["lvm"]
    assert facts_of("layered_std") == facts_of("layered")


def test_an_error_segment_is_refused_wherever_in_the_volume_it_is() -> None:
    found = volumes(facts_of("duplicates"), "vgd")
    assert "error segment" in found["broken"].refusal
    assert found["whole"].refusal == ""


# --- filesystems -----------------------------------------------------------------------------------------------------


def test_a_view_of_a_directory_of_a_filesystem_is_no_second_mount_of_it() -> None:
    assert [f.mount_point for f in filesystems(facts_of("filesystems"), "data")] == ["/srv/data"]


def test_a_filesystem_of_which_only_a_directory_is_mounted_still_counts_as_mounted() -> None:
    assert [(f.mount_point, f.mounted) for f in filesystems(facts_of("filesystems"), "bound")] == [("/opt/only", True)]


def test_all_mount_points_are_told_whatever_is_mounted_there() -> None:
    assert facts_of("filesystems").mount_points == ("/", "/srv/data", "/opt/view", "/srv/data/lo gs", "/opt/only")


def test_sizes_are_read_as_text_and_as_numbers_and_may_be_missing() -> None:
    (logs,) = filesystems(facts_of("filesystems"), "logs")
    assert (logs.mount_point, logs.size, logs.used) == ("/srv/data/lo gs", 57381888, 0)


@pytest.mark.parametrize(
    ("volume", "point"), [("label", "/srv/la bel"), ("uuid", "/srv/uuid"), ("link", "/srv/link"), ("hash", "/srv/a#b")]
)
def test_an_unmounted_filesystem_is_found_in_the_table_however_the_table_names_it(volume: str, point: str) -> None:
    (found,) = filesystems(facts_of("filesystems"), volume)
    assert (found.mount_point, found.in_table, found.mounted) == (point, True, False)


def test_a_label_is_the_label_and_not_its_quoted_form() -> None:
    (found,) = filesystems(facts_of("filesystems"), "label")
    assert found.label == "a b$c"


def test_swap_that_is_in_use_says_so_and_an_empty_volume_has_no_filesystem() -> None:
    facts = facts_of("filesystems")
    (swap,) = filesystems(facts, "swap")
    assert (swap.kind, swap.mounted, swap.mount_point) == ("swap", True, "")
    assert filesystems(facts, "unused") == []


def test_the_table_of_swap_names_volumes_by_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "block/dm-14/dm").mkdir(parents=True)
    (tmp_path / "block/dm-14/dm/name").write_text("vg--fs-swap\n")
    (tmp_path / "swaps").write_text(
        "Filename\tType\tSize\n/dev/dm-14   partition 28668 0 -2\n/dev/dm-9 partition 1 0 -3\n/swap file 8 0 -4\n"
    )
    text = DRIVER.discovery(HOST).text.replace("/proc/swaps", f"{tmp_path}/swaps").replace("/sys/block", f"{tmp_path}/block")
    functions = text[text.index("swaps() {") : text.index("sect release")]
    for shell in filter(shutil.which, ("sh", "dash", "mksh", "posh")):
        done = subprocess.run([shell], input=f"{functions}\nswaps\n", text=True, capture_output=True, check=True)
        assert [line.split()[0] for line in done.stdout.splitlines()] == [
            "Filename",
            "/dev/mapper/vg--fs-swap",
            "/dev/dm-9",
            "/swap",
        ]
        assert done.stderr == ""


# --- what is not understood ------------------------------------------------------------------------------------------


def test_a_lost_connection_is_no_discovery() -> None:
    with pytest.raises(ParseError, match="the line went"):
        parsed(output(EMPTY), Status.UNKNOWN)


@pytest.mark.parametrize("name", ["uname", "disks", "lvm", "mounts"])
def test_a_section_that_failed_or_is_missing_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(ParseError, match=rf"{name}.*exit status 5.*the last words"):
        parsed(output(EMPTY, {name: (5, "first\nthe last words")}))
    with pytest.raises(ParseError, match=f"section {name} is missing"):
        parsed(output({k: v for k, v in EMPTY.items() if k != name}))


@pytest.mark.parametrize("name", ["release", "systemid", "fstab", "swaps", "probe"])
def test_a_section_that_a_host_may_lack_may_fail(name: str) -> None:
    assert parsed(output(EMPTY, {name: (127, "not found")})).hostname == "alpha"


def test_what_lvm_warns_of_is_handed_on() -> None:
    warning = "WARNING: Not using device /dev/sdc for PV PV-a."
    facts = parsed(output(case("duplicates"), {"lvm": (0, f"  {warning}\n  other")}))
    assert facts.warnings == (warning,)


@pytest.mark.parametrize(
    ("section", "old", "new"),
    [
        ("lvm", '"stripe_size": "65536"', '"stripe_size": "64k"'),
        ("lvm", '"stripes": "2"', '"stripes": "²"'),
        ("lvm", '"lv_size": "67108864"', '"lv_size": "-1"'),
        ("lvm", '"pv_uuid": "0KGieq', '"vg_name": 3, "pv_uuid": "0KGieq'),
        ("mounts", '"size": 57381888', '"size": "54M"'),
        ("mounts", '"size": 57381888', '"size": [1]'),
        ("mounts", '"used": 14336', '"used": "14K"'),
        ("mounts", '"fstype": "ext4"', '"kind": "ext4"'),
        ("disks", "|524288|", "|²|"),
        ("disks", "/dev/mapper/mpatha|", "/dev/mapper/mpatha|sda1"),
        ("disks", "|EMC ", "|EM|C "),
    ],
)
def test_a_field_of_another_form_is_never_anything_but_a_parse_error(section: str, old: str, new: str) -> None:
    sections = case("multipath")
    assert old in sections[section]
    try:
        facts = parsed(output(sections | {section: sections[section].replace(old, new)}))
    except ParseError:
        return
    assert facts.group("vgprod") is not None


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mangled_values_only_ever_raise_a_parse_error(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["multipath", "layered_std", "filesystems", "duplicates"]))
    sections = case(name)
    section = data.draw(st.sampled_from(["disks", "lvm", "mounts", "fstab", "swaps", "probe"]))
    words = list(re.finditer(r'"[^"\n]*"|\d+|[|=\n]|[\[\]{},:]', sections[section]))
    if not words:
        return
    word = data.draw(st.sampled_from(words))
    junk = data.draw(
        st.one_of(
            st.sampled_from(["null", '""', '"x"', "-1", "1e9", "{}", "[]", "[null]", "²", "", "|", "=", "true", '{"a": 1}']),
            st.text(max_size=8),
            st.text(max_size=8).map(json.dumps),
        )
    )
    text = sections[section][: word.start()] + junk + sections[section][word.end() :]
    try:
        parsed(output(sections | {section: text}))
    except ParseError:
        return


def test_the_time_of_the_facts_is_when_the_host_was_asked() -> None:
    facts = facts_of("multipath")
    assert facts.measured_at == NOW
    assert (facts.hostname, facts.release, facts.os) == ("alpha", "Debian GNU/Linux 12 (bookworm)", "linux")
    assert replace(facts, host="source") == facts
