"""Every operation by its word, and the one way from a request and an estate to a plan. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from core.checks import verify
from core.errors import Refused
from core.facade import PlanRequest
from core.mapfile import MapFile, host_facts
from core.model import Estate, Finding, HostFacts, Severity
from core.moments import plan_rehearse, plan_restore, plan_takeover
from core.operations import ORDINARY, Context, Planned, SetDrivers, basis, refusal, unique
from core.plan import Plan
from core.settings import SetSettings

# Findings that do not speak against taking over from a source that is dead: it cannot be asked, and its map is used.
_WITHOUT_SOURCE = frozenset({"SOURCE_UNREACHABLE"})


@dataclass(frozen=True, slots=True)
class _Operation:
    """How an operation is planned; `typed` ones start only when the set's name was typed; `forgives` findings by code."""

    plan: Callable[[Context], Planned]
    typed: bool = False
    forgives: frozenset[str] = frozenset()


OPERATIONS: Mapping[str, _Operation] = {
    **{name: _Operation(plan) for name, plan in ORDINARY.items()},
    "rehearse": _Operation(plan_rehearse),
    "restore": _Operation(plan_restore, typed=True),
    "takeover": _Operation(plan_takeover, typed=True, forgives=_WITHOUT_SOURCE),
}


def make_plan(
    request: PlanRequest,
    settings: SetSettings,
    estate: Estate,
    drivers: SetDrivers,
    now: datetime,
    findings: tuple[Finding, ...] | None = None,
    kept: MapFile | None = None,
) -> Plan:
    """The plan of an operation. Refused carries the findings, policies and fences that say no; nothing was changed.

    `kept` is the newest kept map: what a takeover goes by when the source cannot be asked, and what a restore compares with.
    """
    if request.operation not in OPERATIONS:
        raise Refused(f"unknown operation {request.operation!r}; known: {', '.join(OPERATIONS)}")
    operation = OPERATIONS[request.operation]
    if findings is None:
        findings = verify(settings, estate, work_dir=drivers.target_ref.work_dir)
    errors = [f for f in findings if f.severity is Severity.ERROR and f.code not in operation.forgives]
    source = _source(settings, estate, kept, bool(operation.forgives))
    if errors or source is None or estate.target is None:
        raise Refused(refusal(settings.name, request.operation, errors))
    context = Context(request, settings, estate, drivers, source, estate.target, estate.pairs, kept)
    steps, summary = operation.plan(context)
    return Plan(
        operation=request.operation,
        set_name=settings.name,
        steps=unique(steps),
        made_at=now,
        start_states=tuple((s.pair, s.state) for s in estate.pairs),
        findings=findings,
        summary=tuple(summary),
        facts=basis(settings, source),
        confirm=settings.name if operation.typed else "",
    )


def _source(settings: SetSettings, estate: Estate, kept: MapFile | None, may_be_dead: bool) -> HostFacts | None:
    """The source as measured; or, where it may be dead, as the newest kept map has it."""
    if estate.source is not None or not may_be_dead:
        return estate.source
    if kept is None:
        raise Refused(
            f"{settings.source} does not answer and no map of {settings.name} is kept on this console; nothing was changed. "
            "Look for one in the work directory of the target (maps/), or take it from another console."
        )
    return replace(host_facts(kept), host=settings.source)
