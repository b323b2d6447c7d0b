"""The Linux driver: its parser on outputs recorded in the lab and on mangled ones, its scripts by every shell's own check."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ParseError, Refused
from core.hosts import HostRef, ImportRequest, Mount
from core.model import HostFacts, PhysicalVolume, VolumeGroup
from core.plan import Step
from core.transport import Command, Result, Status
from hostdrivers import DRIVERS
from hostdrivers.linux_discovery import kind_of, mapper_path
from hostdrivers.linux_shell import valid_name

RECORDED = Path(__file__).parents[1] / "fixtures" / "linux" / "lab.jsonl"
HOST = HostRef("source", "linux", "sudo")
DRIVER = DRIVERS["linux"]
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def recorded(host: str) -> str:
    """The discovery output of a lab machine, as it was recorded."""
    for line in RECORDED.read_text().splitlines():
        row = json.loads(line)
        if row["title"] == f"discover {host}":
            return str(row["stdout"])
    raise AssertionError(f"no recording of {host}")


def parsed(text: str) -> HostFacts:
    """The facts of an output."""
    command = Command("source", "discover source", "")
    return DRIVER.parse_discovery(HOST, Result(command, Status.OK, 0, text, "", datetime.now(UTC), 1.0))


def volume(facts: HostFacts, group: str, name: str) -> object:
    found = facts.group(group)
    assert found is not None
    return next(v for v in found.volumes if v.name == name)


def test_the_awkward_layout_is_understood_whole() -> None:
    facts = parsed(recorded("source"))
    kinds = {(g.name, v.name): v.kind for g in facts.groups for v in g.volumes if not v.hidden}
    assert kinds == {
        ("vgdata", "lvdata"): "linear",
        ("vgdata", "lvlogs"): "linear",
        ("vgpart", "lvpart"): "linear",
        ("vg-awk", "lv-stripe_1"): "striped",
        ("vg-awk", "lv-mirrored"): "raid1",
        ("vg-awk", "pool"): "thin-pool",
        ("vg-awk", "lv-thin"): "thin",
        ("vg-awk", "lv-unmounted"): "linear",
        ("vg-awk", "lv-swap"): "linear",
    }
    assert all(not v.refusal for g in facts.groups for v in g.volumes)


def test_hidden_volumes_are_followed_down_to_the_devices() -> None:
    group = parsed(recorded("source")).group("vg-awk")
    assert group is not None
    below = {v.name: v.devices for v in group.volumes}
    assert len(below["lv-mirrored"]) == 2
    assert below["lv-thin"] == below["pool"]
    assert below["lv-thin"]


def test_a_physical_volume_on_a_partition_knows_its_disk_and_number() -> None:
    group = parsed(recorded("source")).group("vgpart")
    assert group is not None
    (physical,) = group.physical
    assert (physical.device_serial, physical.partition) == ("79030000", "1")


def test_names_with_dashes_and_mount_points_with_spaces_and_nesting_are_ordinary() -> None:
    facts = parsed(recorded("source"))
    stripe = facts.filesystem("vg-awk", "lv-stripe_1")
    thin = facts.filesystem("vg-awk", "lv-thin")
    unmounted = facts.filesystem("vg-awk", "lv-unmounted")
    assert stripe is not None
    assert thin is not None
    assert unmounted is not None
    assert (stripe.mount_point, stripe.kind, stripe.in_table) == ("/srv/awk ward", "ext4", True)
    assert thin.mount_point == "/srv/awk ward/mirrored/thin"
    assert (unmounted.kind, unmounted.mounted, unmounted.mount_point) == ("ext4", False, "")
    assert mapper_path("vg-awk", "lv-stripe_1") == stripe.device


def test_every_disk_has_the_serial_that_it_gives_itself() -> None:
    serials = {d.serial for d in parsed(recorded("source")).devices if d.serial}
    assert serials == {"7902C000", "7902D000", "7902E000", "7902F000", "79030000"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"vg_seqno":"', '"vg_seqno":"x', "vg_seqno is no number"),
        ('"report"', '"rapport"', "no JSON report"),
        ('"filesystems"', '"files"', "no JSON list"),
        ("disks\n", "disks\nbroken line\n", "nine fields"),
        (" finished", " cut", "not whole"),
        ("lvm.end 0", "lvm.end 5", "exit status 5"),
    ],
)
def test_output_that_is_not_understood_is_an_error_that_says_where(old: str, new: str, words: str) -> None:
    text = recorded("source")
    assert old in text
    with pytest.raises(ParseError, match=words):
        parsed(text.replace(old, new))


def test_the_newer_encoding_with_numbers_and_nulls_gives_the_same_facts() -> None:
    text = recorded("source")
    newer = re.sub(r'"(vg_seqno|pe_start|pv_mda_count|lv_size|stripes|pv_count)":"(\d+)"', r'"\1":\2', text)
    newer = newer.replace('"vg_lock_type":""', '"vg_lock_type":null')
    assert newer != text
    assert replace(parsed(newer), measured_at=NOW) == replace(parsed(text), measured_at=NOW)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mangled_output_only_ever_raises_a_parse_error(data: st.DataObject) -> None:
    text = recorded("target")
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 400))
    junk = data.draw(st.text(max_size=30))
    try:
        parsed(text[:start] + junk + text[start + length :])
    except ParseError:
        return


@pytest.mark.parametrize(
    ("segment", "kind"),
    [
        ("linear", "linear"),
        ("raid5_ls", "raid5"),
        ("raid6_zr", "raid6"),
        ("thin-pool", "thin-pool"),
        ("vdo", "vdo"),
        ("odd", "odd"),
    ],
)
def test_segment_types_become_our_words(segment: str, kind: str) -> None:
    assert kind_of(segment) == kind


@pytest.mark.parametrize(
    ("segment", "words"), [("vdo", "VDO"), ("strange", "'strange' is not known"), ("error", "error segment")]
)
def test_a_volume_that_cannot_be_cloned_safely_is_refused_with_the_reason(segment: str, words: str) -> None:
    text = recorded("source").replace('"segtype":"striped"', f'"segtype":"{segment}"')
    refusals = [v.refusal for g in parsed(text).groups for v in g.volumes if v.refusal]
    assert refusals
    assert words in refusals[0]


def test_a_pending_merge_is_refused() -> None:
    text = recorded("source").replace('"lv_merging":""', '"lv_merging":"merging"')
    assert any("merge is pending" in v.refusal for g in parsed(text).groups for v in g.volumes)


# --- scripts ---------------------------------------------------------------------------------------------------------


def request() -> ImportRequest:
    physical = (PhysicalVolume("/dev/sda", "PV-1", "7902C000", "vgdata", 1 << 28, pe_start=1 << 20),)
    group = VolumeGroup("vgdata", "VG-1", 7, 4 << 20, 1 << 28, system_id="hostA", pv_count=1, physical=physical)
    mounts = (Mount("lv-x", "xfs", "/mnt/it's here/srv", "/srv"),)
    return ImportRequest(group, "vgdata_bcv", (("790B4000", "PV-1"),), mounts=mounts, prefix="/mnt/it's here")


def steps() -> tuple[Step, ...]:
    one = request()
    return (
        DRIVER.attach(HOST, ("790B4000",)),
        DRIVER.import_group(HOST, one),
        DRIVER.activate(HOST, one),
        DRIVER.mount(HOST, one, one.mounts[0]),
    )


def scripts() -> Iterator[tuple[str, str]]:
    for step in steps():
        for command in (step.command, step.undo):
            assert command is not None
            yield command.title, re.sub(r"@\{[^}]*\}@", "late", command.script)
    freeze = DRIVER.freeze(HOST, ("/srv/data", "/srv/it's"), 30)
    for command in (freeze, DRIVER.discovery(HOST), DRIVER.check(HOST)):
        yield command.title, command.script


@pytest.mark.parametrize("shell", ["sh", "dash", "mksh", "posh"])
def test_every_script_is_plain_shell(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    for title, script in scripts():
        done = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), title


def test_no_script_can_make_or_remove_what_is_not_ours() -> None:
    for title, script in scripts():
        for verb in (
            "mkfs",
            "wipefs",
            "pvcreate",
            "pvremove",
            "vgcreate",
            "vgremove",
            "lvremove",
            "lvcreate",
            "mkswap",
            "vgreduce",
        ):
            assert verb not in script, (title, verb)


def test_reads_carry_no_change() -> None:
    for command in (DRIVER.discovery(HOST), DRIVER.check(HOST)):
        for verb in ("vgchange", "$S vgimportclone", "mount -t", "umount", "fsfreeze -", "tee ", "mkdir", "rm -", "of=/dev/sd"):
            assert verb not in command.text, verb


def test_every_step_has_a_fence_an_undo_and_its_reasons() -> None:
    for step in steps():
        assert step.fence == ("790B4000",)
        assert step.undo is not None
        assert all((step.explain.what, step.explain.why, step.explain.risk, step.explain.by_hand))


def test_the_import_always_has_a_private_device_list_a_limit_and_a_name_of_its_own() -> None:
    command = DRIVER.import_group(HOST, request()).command
    assert command is not None
    assert 'timeout 120 vgimportclone --config "$config" --nohints --devices "$DEVS" -n "$new"' in command.text
    with pytest.raises(Refused, match="another name"):
        DRIVER.import_group(HOST, replace(request(), new_name="vgdata", same_host=True))
    taken_over = DRIVER.import_group(HOST, replace(request(), new_name="vgdata")).command
    assert taken_over is not None
    assert "new=vgdata_sm\nfinal=vgdata\n" in taken_over.text, "never the name that is on the disks at once: LVM hangs"
    with pytest.raises(Refused, match="no valid name"):
        DRIVER.import_group(HOST, replace(request(), new_name="bad name"))


def test_an_entry_for_a_copy_beside_its_original_says_that_two_filesystems_have_one_identity() -> None:
    one = replace(request(), mounts=(Mount("lv", "xfs", "/mnt/copy/srv", "/srv"), Mount("e", "ext4", "/mnt/copy/e", "/e")))
    alone, apart = (DRIVER.table_entries(HOST, replace(one, same_host=same)).command for same in (True, False))
    assert alone is not None
    assert apart is not None
    assert "|xfs|defaults,nouuid|/mnt/copy/srv" in alone.text
    assert "|ext4|defaults|/mnt/copy/e" in alone.text
    assert "nouuid" not in apart.text


def test_a_physical_volume_with_two_metadata_areas_is_refused_because_it_could_not_be_put_back() -> None:
    one = request()
    physical = (replace(one.group.physical[0], metadata_areas=2),)
    with pytest.raises(Refused, match="two metadata areas"):
        DRIVER.import_group(HOST, replace(one, group=replace(one.group, physical=physical)))


def test_a_filesystem_that_the_thaw_itself_needs_is_never_frozen() -> None:
    with pytest.raises(Refused, match="cannot be frozen"):
        DRIVER.freeze(HOST, ("/var", "/srv/data"), 30)


@pytest.mark.parametrize(
    ("name", "good"), [("vg-data_1", True), ("-vg", False), ("..", False), ("a b", False), ("x" * 127, False)]
)
def test_names_are_those_that_lvm_takes(name: str, good: bool) -> None:
    assert valid_name(name) is good
