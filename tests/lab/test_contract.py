"""The contract of host drivers on real Linux machines with a real array: the same suite as on the emulated families."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial

import pytest

from hostdrivers import DRIVERS
from tests.hostdrivers.contract import HostContract, Subject
from tests.lab.cycle import ManualPair, establish, refresh, split
from tests.lab.estate import Lab
from tests.lab.layouts import FIND_DISK
from tests.lab.processes import wait_until
from tests.lab.product import files_of, settings_of

PAIRS = (ManualPair("std0", "bcv0"), ManualPair("std1", "bcv1"))


def readable(lab: Lab, mirror: str) -> bool:
    """Whether the target reads the mirror now, past every cache."""
    read = f"{FIND_DISK}dd if=$(disk {lab.serial_of[mirror]}) of=/dev/null bs=4k count=1 iflag=direct"
    return lab.ssh("target", read, check=False).returncode == 0


class TestRealLinux(HostContract):
    """The ordinary set of the lab."""

    @pytest.fixture
    async def subject(self, fresh_mirrors: Lab) -> AsyncIterator[Subject]:
        lab = fresh_mirrors
        was_split: list[bool] = []

        def cut() -> None:
            lab.ssh("source", "sync")
            establish(lab.array, PAIRS)
            split(lab.array, PAIRS)
            was_split.append(True)
            for pair in PAIRS:  # a device that was just made ready answers a moment later, and is no group before that
                wait_until(partial(readable, lab, pair.mirror), f"{pair.mirror} is readable on the target", 60.0)

        def files(host: str, prefix: str, points: tuple[str, ...]) -> Mapping[str, str]:
            return files_of(lab, host, prefix, points)

        made = Subject(settings_of(lab), "ordinary", DRIVERS["linux"], cut, files)
        try:
            yield made
        finally:
            await made.transport.aclose()
            if was_split:
                refresh(lab.array, PAIRS)
