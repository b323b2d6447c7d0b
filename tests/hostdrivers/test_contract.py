"""The contract of host drivers on every emulated family, each behind a real SSH server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from core.config import load
from hostdrivers import DRIVERS
from hostdrivers.emulated.estate import RunningEstate
from hostdrivers.emulated.families import FAMILIES
from hostdrivers.emulated.witness import digests
from tests.hostdrivers.contract import HostContract, Subject


class TestEmulated(HostContract):
    """All families."""

    @pytest.fixture(params=FAMILIES, ids=lambda build: build.__name__)
    async def subject(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
        running = RunningEstate(tmp_path / "estate", (request.param,))
        (family,) = running.estate.families
        machines = {m.name: m for m in (family.source, family.target)}

        def split() -> None:
            def act() -> None:
                family.source.sync()
                family.array.settle()
                family.array.split(family.pairs)
                family.array.settle()

            running.do(act)

        def files(host: str, prefix: str, points: tuple[str, ...]) -> Mapping[str, str]:
            return running.do(lambda: {p + n: d for p in points for n, d in digests(machines[host], prefix + p).items()})

        made = Subject(load(running.estate.config), family.set_name, DRIVERS[family.source.os], split, files)
        try:
            yield made
        finally:
            await made.transport.aclose()
            running.close()


def test_every_driver_has_a_family_in_the_contract() -> None:
    assert {build.__name__.partition("_")[0] for build in FAMILIES} <= set(DRIVERS)
