"""What hosts and arrays have, before there is a set: every host and array asked at once, over a transport that only reads."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from core.engine import DriverTables
from core.errors import SplitmountError
from core.hosts import facts_of, ref_of
from core.model import HostFacts, Pair
from core.settings import Settings
from core.transport import Transport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Survey:
    """The facts by host, the pairs that each array relates, and why what is missing could not be measured."""

    facts: Mapping[str, HostFacts]
    related: Mapping[str, tuple[Pair, ...]]
    errors: Mapping[str, str]


async def survey(settings: Settings, tables: DriverTables, transport: Transport, hosts: Iterable[str]) -> Survey:
    """Look at these hosts and at every array of the configuration."""
    errors: dict[str, str] = {}
    names, arrays = list(hosts), list(settings.arrays.values())
    looks = (facts_of(transport, tables.hosts[h.os], ref_of(h)) for h in (settings.hosts[n] for n in names))
    facts = await asyncio.gather(*(_tried(f"host {n}", look, errors) for n, look in zip(names, looks, strict=True)))
    related = await asyncio.gather(
        *(_tried(f"array {a.name}", tables.arrays[a.driver](a).related(transport), errors) for a in arrays)
    )
    return Survey(
        {n: f for n, f in zip(names, facts, strict=True) if f is not None},
        {a.name: tuple(sorted(r)) for a, r in zip(arrays, related, strict=True) if r is not None},
        errors,
    )


async def _tried(what: str, look: Coroutine[Any, Any, T], errors: dict[str, str]) -> T | None:
    try:
        return await look
    except SplitmountError as error:
        errors[what] = str(error)
        return None
