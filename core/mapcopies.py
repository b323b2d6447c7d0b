"""The copies of kept maps that runs handed to the target: what a console without maps of its own goes by. Reads only."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime

from core.errors import CommandFailed, ConfigError, Refused
from core.facade import PlanRequest
from core.hosts import HostRef
from core.mapfile import MapFile
from core.maps import GRACE, MapKeeper, unsealed
from core.model import Estate
from core.transport import Command, Result, Status, Transport

FROM_MAP = ("restore", "takeover", "failback")  # what goes by a kept map, and must not go by a damaged one
_NAME = re.compile(r"([0-9]{8}T[0-9]{6}Z)\.std")


async def kept_map(
    maps: MapKeeper, transport: Transport, target: HostRef, request: PlanRequest, estate: Estate
) -> MapFile | None:
    """The newest map that was kept before the mirrors were split; of established ones, the newest that there is.

    Where this console has none, and data or a role will change hands, the copy that a run left on the target. Refused when
    the one to go by is damaged; for other operations it is as if there were none, which verification says (MAP_DAMAGED).
    """
    at = min((s.split_at for s in estate.pairs if s.split_at is not None), default=None)
    name = request.set_name
    try:
        kept = maps.before(name, at) if at else maps.newest(name)
        if kept is None and estate.target is not None and request.operation in FROM_MAP:
            kept = await newest_copy(transport, target, name, at)
    except ConfigError as damaged:
        if request.operation not in FROM_MAP:
            return None
        raise Refused(f"{request.operation} of {name} is refused, nothing was changed:\n  MAP_KEPT {damaged}") from None
    return kept


async def newest_copy(transport: Transport, ref: HostRef, set_name: str, before: datetime | None) -> MapFile | None:
    """The newest copy on the host that was measured before a time (None: the newest of all); None where is none.

    The same rule as `MapKeeper.before`, so that either console restores by the same map. CommandFailed when the host cannot be
    asked, ConfigError when that file cannot be used: an older one never stands in for it by itself.
    """
    directory = f"{ref.work_dir}/maps/{set_name}"
    names = await _read(transport, _list(ref.name, directory))
    at = {name[0]: datetime.strptime(name[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for name in _names(names)}
    fit = [name for name, when in at.items() if before is None or when <= before + GRACE]
    if not fit:
        return None
    path = f"{directory}/{max(fit)}"
    text = await _read(transport, Command(ref.name, "read a kept map", f"cat {shlex.quote(path)}\n"))
    return replace(unsealed(text, f"{ref.name}:{path}"), origin=f"{ref.name}:{path}")


def _list(host: str, directory: str) -> Command:
    """The names of the copies; nothing, and no error, where the directory is not there."""
    where = shlex.quote(directory)
    text = f'test -d {where} || exit 0\ncd {where} || exit 1\nfor f in *.std; do test -f "$f" && echo "$f"; done\nexit 0\n'
    return Command(host, "list the kept maps", text)


def _names(text: str) -> list[re.Match[str]]:
    return [name for line in text.splitlines() if (name := _NAME.fullmatch(line))]


async def _read(transport: Transport, command: Command) -> str:
    result: Result = await transport.run(command)
    if result.status is not Status.OK:
        reason = result.stderr.strip() or result.reason or str(result.exit_status)
        raise CommandFailed(f"{command.host}: {command.title}: {reason}")
    return result.stdout
