"""Whether every host, array and repository of the configuration can be used, as rows for `splitmount check`. Read-only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.arrays.base import ArrayDriver
from core.errors import SplitmountError
from core.facade import CheckRow
from core.hosts import HostDriver, HostRef
from core.operations import SetDrivers
from core.settings import SetSettings, Settings
from core.transport import Command, Status, Transport


@dataclass(frozen=True, slots=True)
class Usable:
    """Looks through the engine's own tables."""

    settings: Settings
    transport: Transport
    host: Callable[[str], tuple[HostDriver, HostRef]]
    array: Callable[[str], ArrayDriver]
    drivers: Callable[[SetSettings], SetDrivers]

    async def rows(self) -> Sequence[CheckRow]:
        """All of them, at once."""
        hosts = await asyncio.gather(*(self._host(name) for name in self.settings.hosts))
        arrays = await asyncio.gather(*(self._array(name) for name in self.settings.arrays))
        sets = await asyncio.gather(*(self._backup(s) for s in self.settings.sets.values() if s.backup))
        return [row for rows in (*hosts, *arrays, *sets) for row in rows]

    async def _host(self, name: str) -> list[CheckRow]:
        driver, ref = self.host(name)
        serves = [s.name for s in self.settings.sets.values() if name in (s.source, s.target)]
        subject = f"host {name}"
        try:
            if not serves:  # a management or backup host: it must answer, and needs no volume manager
                await self.transport.run(Command(name, f"check {name}", "true\n"))
                return [CheckRow(subject, True, "reachable, host key known")]
            result = await self.transport.run(driver.check(ref))
        except SplitmountError as error:
            return [CheckRow(subject, False, str(error), "")]
        if result.status is Status.UNKNOWN:
            return [CheckRow(subject, False, f"no answer: {result.reason}")]
        missing = [line.removeprefix("missing: ") for line in result.stdout.splitlines() if line.startswith("missing: ")]
        if missing:
            return [CheckRow(subject, False, f"missing: {what}") for what in missing]
        return [CheckRow(subject, True, "reachable, host key known, commands present, privileges as needed")]

    async def _array(self, name: str) -> list[CheckRow]:
        try:
            array = self.array(name)
            wrong = await array.check(self.transport)
        except SplitmountError as error:
            wrong = (str(error),)
        subject = f"array {name}"
        return [CheckRow(subject, False, sentence) for sentence in wrong] or [
            CheckRow(subject, True, "answers; devices present")
        ]

    async def _backup(self, settings: SetSettings) -> list[CheckRow]:
        subject = f"backup of {settings.name}"
        try:
            drivers = self.drivers(settings)
            ref = drivers.target_ref
            wrong = await drivers.backup.check(self.transport, ref.name, ref.become) if drivers.backup else ()
        except SplitmountError as error:
            wrong = (str(error),)
        return [CheckRow(subject, False, sentence) for sentence in wrong] or [CheckRow(subject, True, "repository usable")]
