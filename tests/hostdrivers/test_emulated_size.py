"""An emulated array of any size takes few of the system's resources."""

from __future__ import annotations

import os
from pathlib import Path

from hostdrivers.emulated.array import Array


def test_an_array_of_two_thousand_devices_opens_one_file_and_each_device_keeps_its_own_bytes(tmp_path: Path) -> None:
    array = Array(tmp_path, "000184600079")
    try:
        disks = [array.add_device(f"{number:03X}", 2) for number in range(2048)]
        open_ones = [link for link in map(_leads, os.listdir("/proc/self/fd")) if link.startswith(str(tmp_path))]
        assert len(open_ones) == 1
        for number, disk in enumerate(disks):
            disk.write(disk.size - 4, number.to_bytes(4, "big"))
        assert [int.from_bytes(disk.read(disk.size - 4, 4), "big") for disk in disks] == list(range(2048))
        assert all(disk.read(0, 4) == bytes(4) for disk in disks)
    finally:
        array.close()


def _leads(descriptor: str) -> str:
    """Where one leads; one that other tests closed meanwhile leads nowhere."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:
        return ""
