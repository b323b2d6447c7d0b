"""The estate proves itself before the product is judged on it: real machines, real LVM, a real array."""

from __future__ import annotations

import shlex
import subprocess
import time
from functools import partial

import pytest

from tests.lab.cycle import ManualPair, establish, refresh, split
from tests.lab.estate import Lab
from tests.lab.layouts import (
    AWKWARD_MOUNTS,
    FIND_DISK,
    ORDINARY_MOUNTS,
    checksums,
    last_numbers,
    mount_points,
    reset_target,
    start_writer,
)
from tests.lab.processes import wait_until
from tests.lab.qmp import Qmp

ORDINARY_PAIRS = (ManualPair("std0", "bcv0"), ManualPair("std1", "bcv1"))
AWKWARD_PAIRS = (ManualPair("std2", "bcv2"), ManualPair("std3", "bcv3"), ManualPair("std4", "bcv4"))
NOT_READY_SECONDS = 5.0

IMPORT_ORDINARY = """
a=$(disk {bcv0}); b=$(disk {bcv1})
vgimportclone -n vgdata_bcv "$a" "$b"
vgchange -q -ay vgdata_bcv
mkdir -p /mnt/check
mount /dev/vgdata_bcv/lvdata /mnt/check
mount -o nouuid /dev/vgdata_bcv/lvlogs /mnt/check/logs
"""

IMPORT_AWKWARD = """
a=$(disk {bcv2}); b=$(disk {bcv3}); c=$(disk {bcv4})
blockdev --rereadpt "$c"
udevadm settle
vgchange -q -an vgpart  # udev activated it as soon as the kernel learned of the partition
vgimportclone -n vgawk_bcv "$a" "$b"
vgimportclone -n vgpart_bcv "${{c}}1"
vgchange -q -ay vgawk_bcv vgpart_bcv
mkdir -p '/mnt/awk ward' /mnt/part
mount /dev/vgawk_bcv/lv-stripe_1 '/mnt/awk ward'
mount -o nouuid /dev/vgawk_bcv/lv-mirrored '/mnt/awk ward/mirrored'
mount /dev/vgawk_bcv/lv-thin '/mnt/awk ward/mirrored/thin'
mount /dev/vgpart_bcv/lvpart /mnt/part
"""


def test_every_machine_answers_with_its_own_name(lab: Lab) -> None:
    assert lab.ssh("source", "hostname").stdout == "source\n"
    assert lab.ssh("target", "hostname").stdout == "target\n"
    assert lab.ssh("arraymgmt", "echo here").stdout == "here\n"
    assert lab.ssh("source", "id -un; sudo -n id -un", user="operator").stdout == "operator\nroot\n"


@pytest.mark.parametrize(("machine", "prefix"), [("source", "std"), ("target", ("bcv", "own"))])
def test_disks_carry_the_serials_of_the_array(lab: Lab, machine: str, prefix: str) -> None:
    read = "for d in /sys/block/sd*; do tail -c +5 $d/device/vpd_pg80; echo; done"
    seen = sorted(lab.ssh(machine, read).stdout.split())  # a scan may give the names sda, sdb, … in any order
    assert seen == sorted(device.serial for device in lab.array.devices if device.name.startswith(prefix))


def test_the_product_can_forward_the_socket_of_the_array(lab: Lab) -> None:
    local = lab.directory / "forwarded.sock"
    forward = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-N", "-L", f"{local}:{lab.array.product_socket}"]
    command = lab.ssh_arguments("arraymgmt")
    with subprocess.Popen([command[0], *forward, *command[1:]]) as tunnel:
        try:
            wait_until(local.exists, "forwarded socket", 20.0)
            with Qmp(local) as qmp:
                assert qmp.greeting["QMP"]["version"]["qemu"]["major"] >= 7
        finally:
            tunnel.terminate()


def test_the_source_has_the_declared_layouts(awkward: Lab) -> None:
    lab = awkward
    rows = lab.ssh("source", "lvs --noheadings --separator : -o vg_name,lv_name,segtype --reportformat basic").stdout
    assert {line.strip() for line in rows.splitlines()} >= {
        "vgdata:lvdata:linear",
        "vgdata:lvlogs:linear",
        "vg-awk:lv-stripe_1:striped",
        "vg-awk:lv-mirrored:raid1",
        "vg-awk:lv-thin:thin",
        "vg-awk:lv-unmounted:linear",
        "vg-awk:lv-swap:linear",
        "vgpart:lvpart:linear",
    }
    assert mount_points(lab, "source") == sorted(ORDINARY_MOUNTS + AWKWARD_MOUNTS)


def test_a_disk_that_is_not_ready_fails_fast_and_comes_back_by_itself(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    read = FIND_DISK + f"dd if=$(disk {lab.serial_of['bcv0']}) of=/dev/null bs=4k count=1 iflag=direct"
    assert lab.ssh("target", read).returncode == 0
    lab.array.make_not_ready("bcv0")
    begin = time.monotonic()
    assert lab.ssh("target", read, check=False).returncode != 0
    assert time.monotonic() - begin < NOT_READY_SECONDS
    lab.array.make_ready("bcv0")
    wait_until(lambda: lab.ssh("target", read, check=False).returncode == 0, "disk usable again", NOT_READY_SECONDS)


def test_a_deleted_disk_comes_back_by_a_scan_with_its_serial(fresh_mirrors: Lab) -> None:
    lab, serial = fresh_mirrors, fresh_mirrors.serial_of["bcv1"]
    script = f"""
        path=$(disk {serial}); name=${{path#/dev/}}
        host=$(readlink -f /sys/block/$name/device | sed 's,.*/\\(host[0-9]*\\)/.*,\\1,')
        echo 1 >/sys/block/$name/device/delete
        udevadm settle; [ ! -e /sys/block/$name ]
        echo '- - -' >/sys/class/scsi_host/$host/scan
        udevadm settle; disk {serial}
    """
    assert lab.ssh("target", FIND_DISK + script).stdout.startswith("/dev/sd")


def test_a_consistent_split_gives_the_target_the_same_bytes(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    establish(lab.array, ORDINARY_PAIRS)
    lab.ssh("source", "date >/srv/data/after-establish; sync")
    expected = [checksums(lab, "source", mount) for mount in ORDINARY_MOUNTS]
    lab.ssh("source", "sync")
    split(lab.array, ORDINARY_PAIRS)
    lab.ssh("target", FIND_DISK + IMPORT_ORDINARY.format(**lab.serial_of))
    assert [checksums(lab, "target", mount) for mount in ("/mnt/check", "/mnt/check/logs")] == expected


def test_a_split_under_load_keeps_the_order_of_writes_over_two_filesystems(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    writer = start_writer(lab, ORDINARY_MOUNTS)
    try:
        establish(lab.array, ORDINARY_PAIRS)
        split(lab.array, ORDINARY_PAIRS)
    finally:
        written = writer.stop()
    lab.ssh("target", FIND_DISK + IMPORT_ORDINARY.format(**lab.serial_of))
    first, second = last_numbers(lab, "target", ("/mnt/check", "/mnt/check/logs"))
    assert first - second in (0, 1)
    assert second <= written


def test_a_second_split_shows_new_data_without_a_reboot_of_the_target(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    for word in ("first", "second"):
        establish(lab.array, ORDINARY_PAIRS)
        lab.ssh("source", f"echo {word} >/srv/data/word; sync")
        split(lab.array, ORDINARY_PAIRS)
        lab.ssh("target", FIND_DISK + IMPORT_ORDINARY.format(**lab.serial_of))
        assert lab.ssh("target", "cat /mnt/check/word").stdout == f"{word}\n"
        reset_target(lab)
        refresh(lab.array, ORDINARY_PAIRS)


def test_the_awkward_layout_survives_the_same_journey(awkward: Lab, fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    establish(lab.array, AWKWARD_PAIRS)
    expected = [checksums(lab, "source", mount) for mount in AWKWARD_MOUNTS]
    lab.ssh("source", "sync")
    split(lab.array, AWKWARD_PAIRS)
    lab.ssh("target", FIND_DISK + IMPORT_AWKWARD.format(**lab.serial_of))
    seen = ("/mnt/awk ward", "/mnt/awk ward/mirrored", "/mnt/awk ward/mirrored/thin", "/mnt/part")
    assert [checksums(lab, "target", mount) for mount in seen] == expected


def test_the_target_boots_while_its_mirrors_are_not_ready(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    mirrors = [device.name for device in lab.array.devices if device.name.startswith("bcv")]
    lab.array.make_not_ready(*mirrors)
    lab.target.reboot()
    assert not lab.array.exports() & set(mirrors)
    lab.array.make_ready(*mirrors)
    assert lab.serial_of["bcv0"] in lab.ssh("target", "lsblk -dno SERIAL").stdout


def test_a_crashed_array_comes_back_and_the_disks_with_it(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    lab.array.crash()
    lab.array.start()
    probe = "dd if=/dev/sda of=/dev/null bs=4k count=1 iflag=direct"
    for machine in ("source", "target"):
        wait_until(partial(_succeeds, lab, machine, probe), machine, 10.0)


def test_the_source_mounts_its_filesystems_again_after_a_power_cut(awkward: Lab, fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    lab.source.reboot()
    assert mount_points(lab, "source") == sorted(ORDINARY_MOUNTS + AWKWARD_MOUNTS)
    name = shlex.quote("/srv/awk ward/with space/two  blanks .txt")
    assert lab.ssh("source", f"cat {name}").stdout == "a name with blanks\n"


def _succeeds(lab: Lab, machine: str, script: str) -> bool:
    return lab.ssh(machine, script, check=False).returncode == 0
