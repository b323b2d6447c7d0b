"""Every operation by its word, and the one way from a request and an estate to a plan. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from core.checks import verify
from core.conditions import application_whole, from_findings, online_redo, require, restore_conditions, takeover_conditions
from core.errors import Refused
from core.facade import PlanRequest
from core.failback import failback_conditions, plan_failback
from core.mapfile import MapFile, host_facts
from core.model import Estate, Finding, HostFacts, PairState
from core.moments import plan_restore, plan_takeover
from core.operations import NOTHING_ELSE, ORDINARY, QUIESCING, Background, Context, Planned, SetDrivers, basis, unique
from core.plan import Condition, Plan
from core.pointintime import chosen, recover_conditions
from core.put_back import plan_put_back, put_back_conditions
from core.rehearse import plan_rehearse
from core.safety import safety_conditions
from core.settings import SetSettings
from core.takenover import TAKEN

# Findings that do not speak against taking over from a source that is dead: it cannot be asked, and its map is used.
_WITHOUT_SOURCE = frozenset({"SOURCE_UNREACHABLE"})


def _none(context: Context) -> tuple[Condition, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class _Operation:
    """How an operation is planned, and under which conditions of its own.

    `typed` ones start only when the set's name was typed; `forgives` findings by code.
    """

    plan: Callable[[Context], Planned]
    conditions: Callable[[Context], tuple[Condition, ...]] = _none
    typed: bool = False
    forgives: frozenset[str] = frozenset()


def _plan_restore(context: Context) -> Planned:
    held = context.background.held
    return plan_restore(context) if held is None else plan_put_back(context, held)


def _restore_conditions(context: Context) -> tuple[Condition, ...]:
    held = context.background.held
    if held is not None:
        return (*put_back_conditions(context, held), *safety_conditions(context), *recover_conditions(context))
    return (*restore_conditions(context), *online_redo(context), *safety_conditions(context), *recover_conditions(context))


OPERATIONS: Mapping[str, _Operation] = {
    **{name: _Operation(plan, application_whole if name in QUIESCING else _none) for name, plan in ORDINARY.items()},
    "rehearse": _Operation(plan_rehearse, application_whole),
    "restore": _Operation(_plan_restore, _restore_conditions, typed=True),
    "failback": _Operation(plan_failback, failback_conditions, typed=True, forgives=TAKEN),
    "takeover": _Operation(plan_takeover, takeover_conditions, typed=True, forgives=_WITHOUT_SOURCE),
}


def make_plan(
    request: PlanRequest,
    settings: SetSettings,
    estate: Estate,
    drivers: SetDrivers,
    now: datetime,
    findings: tuple[Finding, ...] | None = None,
    background: Background = NOTHING_ELSE,
) -> Plan:
    """The plan of an operation. Refused carries the findings, policies and fences that say no; nothing was changed."""
    if request.operation not in OPERATIONS:
        raise Refused(f"unknown operation {request.operation!r}; known: {', '.join(OPERATIONS)}")
    if chosen(request.recover_to) and request.operation != "restore":
        raise Refused(f"only a restore recovers to a time, not {request.operation}. Nothing was changed")
    if findings is None:
        findings = verify(settings, estate, work_dir=drivers.target_ref.work_dir)
    operation = OPERATIONS[request.operation]
    context, conditions = _weigh(request, settings, estate, drivers, findings, background)
    overridden = require(request.operation, settings.name, conditions, request.overrides)
    if context is None:
        raise Refused(f"{request.operation} of {settings.name} is refused, nothing was changed: a host could not be measured")
    steps, summary = operation.plan(context)
    return Plan(
        operation=request.operation,
        set_name=settings.name,
        steps=unique(steps),
        made_at=now,
        start_states=tuple((s.pair, s.state) for s in estate.pairs),
        findings=findings,
        summary=(*summary, *overridden),
        facts=_basis(settings, context) | _split_at(estate) | (background.taken.facts if background.taken else {}),
        confirm=settings.name if operation.typed else "",
        conditions=conditions,
        groups=settings.volume_groups,
        spare=tuple(s.pair for s in background.spare),
    )


def _basis(settings: SetSettings, context: Context) -> dict[str, str]:
    """What must still be true when the run begins; of a damaged group nothing is known that could."""
    facts = basis(settings, context.source)
    return {what: value for what, value in facts.items() if what.removeprefix("group.") not in context.estate.damaged}


def _split_at(estate: Estate) -> dict[str, str]:
    """When the mirrors were split that are split already; nothing when the run splits them."""
    at = [s.split_at for s in estate.pairs if s.state is PairState.SPLIT and s.split_at is not None]
    return {"split_at": min(at).isoformat()} if at and len(at) == len(estate.pairs) else {}


def conditions_of(
    request: PlanRequest,
    settings: SetSettings,
    estate: Estate,
    drivers: SetDrivers,
    findings: tuple[Finding, ...],
    background: Background = NOTHING_ELSE,
) -> tuple[Condition, ...]:
    """All conditions of an operation as they stand, those in its way first; for showing before anything is planned."""
    conditions = _weigh(request, settings, estate, drivers, findings, background)[1]
    return tuple(sorted(conditions, key=lambda c: not c.stops))


def _weigh(
    request: PlanRequest,
    settings: SetSettings,
    estate: Estate,
    drivers: SetDrivers,
    findings: tuple[Finding, ...],
    background: Background,
) -> tuple[Context | None, tuple[Condition, ...]]:
    """What a plan is made from, None while a host is unknown; and its conditions: what verification refuses, and its own."""
    operation = OPERATIONS[request.operation]
    of_files = (
        background.held is not None and not request.via_bcv
    )  # no device is touched: what is wrong with mirrors is no matter
    refused = () if of_files else from_findings(findings, operation.forgives, estate.measured_at)
    source = _source(settings, estate, background.kept, operation.forgives is _WITHOUT_SOURCE)
    if source is None or estate.target is None:
        return None, refused
    context = Context(request, settings, estate, drivers, source, estate.target, estate.pairs, background)
    return context, (*refused, *operation.conditions(context))


def _source(settings: SetSettings, estate: Estate, kept: MapFile | None, may_be_dead: bool) -> HostFacts | None:
    """The source as measured; or, where it may be dead, as the newest kept map has it."""
    if estate.source is not None or not may_be_dead:
        return estate.source
    if kept is None:
        raise Refused(
            f"{settings.source} does not answer and no map of {settings.name} is kept on this console, nor on {settings.target}; "
            "nothing was changed. Another console may have one: copy its directory maps/ into the state directory of this one."
        )
    return replace(host_facts(kept), host=settings.source)
