"""What a plan needs to know besides the estate: a takeover to give back, another mirror, what a backup holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core.backups.base import BackupRecord, Overwrites, PutBack
from core.backups.putback import in_scope, look_astray, present, within
from core.errors import Refused, SplitmountError
from core.facade import PlanRequest
from core.journal import Journal, Record
from core.mapfile import MapFile
from core.model import PairStatus
from core.operations import Background, SetDrivers
from core.plan import Plan
from core.put_back import trees_of
from core.recover import cleanup_plan, was_taken_over
from core.safety import other_mirror
from core.scope import mirrors_of, with_mirror
from core.settings import SetSettings
from core.transport import Transport


@dataclass(frozen=True, slots=True)
class Backgrounds:
    """Asks through the engine's own. `journal` is None while this console has none."""

    transport: Transport
    records: Callable[[], Mapping[int, Sequence[Record]]]
    journal: Callable[[], Journal | None]
    whole: Callable[[str], SetSettings]
    drivers: Callable[[SetSettings], SetDrivers]
    backups: Callable[[str], Awaitable[Sequence[BackupRecord]]]

    async def of(self, request: PlanRequest, settings: SetSettings, kept: MapFile | None) -> Background:
        """All of it for one request."""
        held = await self._held(request, settings)
        spare = await self._spare(request, settings)
        journal = self.journal()
        took = journal.took(request.set_name, request.operation) if journal is not None else None
        return Background(kept, held, self._taken(request, settings), spare, took)

    async def _spare(self, request: PlanRequest, settings: SetSettings) -> tuple[PairStatus, ...]:
        """The other mirror of the standards that the request overwrites, as it stands, where today's state is to be kept on it."""
        whole = self.whole(request.set_name)
        number = other_mirror(request.mirror, mirrors_of(whole.pairs))
        if request.safety != "mirror" or number is None:
            return ()
        standards = {pair.std for pair in settings.pairs}
        pairs = tuple(pair for pair in with_mirror(whole, number).pairs if pair.std in standards)
        return await self.drivers(settings).array.status(self.transport, pairs)

    def _taken(self, request: PlanRequest, settings: SetSettings) -> Plan | None:
        """How to take back what the takeover brought up; None when nothing of it is left (a failback that stopped half way)."""
        if request.operation != "failback":
            return None
        records = self.records()
        if not was_taken_over(settings.name, records):
            raise Refused(
                f"failback of {settings.name}: the journal of this console knows no takeover of it; nothing was changed"
            )
        try:
            target = self.drivers(settings).target_ref
            return cleanup_plan(settings.name, records, datetime.now(UTC), target, "takeover")
        except Refused:
            return None

    async def _held(self, request: PlanRequest, settings: SetSettings) -> Overwrites | None:
        """What the backup of the request holds in its scope, and how much of that is on the source now."""
        if not request.backup:
            return None
        drivers = self.drivers(settings)
        if request.operation != "restore" or drivers.backup is None:
            raise Refused(
                f"only a restore of a set with a backup in its configuration takes one; not {request.operation} of {settings.name}"
            )
        reader, source = drivers.target_ref, drivers.source_ref
        fitting = [r for r in await self.backups(settings.name) if r.id.startswith(request.backup)]
        if len(fitting) != 1:
            raise Refused(
                f"{len(fitting)} backups of {settings.name} begin with {request.backup!a}; list them: splitmount backups {settings.name}"
            )
        (record,) = fitting
        names = in_scope(await drivers.backup.names(self.transport, reader.name, reader.become, record), request.paths)
        if request.via_bcv:
            return Overwrites(record, len(names.files))
        trees = trees_of(record.paths, request.paths)
        what = PutBack(record.id, source.name, source.become, "", trees, reader.name, reader.become, request.paths)
        try:
            odd, apart = await look_astray(self.transport, what, names)
            there = await present(self.transport, source.name, source.become, trees)
        except SplitmountError as error:
            return Overwrites(record, len(names.files), why_unknown=str(error), astray=None)
        there = frozenset(n for n in there if within(n, request.paths)) if request.paths else there
        return Overwrites(record, len(names.files), len(names.files & there), len(there - names.files), astray=odd, apart=apart)
