"""What is said and asked of a set that its target holds since a takeover, until it is given back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from core.arrays.base import base_id
from core.measures import still_used
from core.model import Estate, Finding, Severity
from core.plan import Plan
from core.settings import SetSettings

BOTH = "SET_ON_BOTH_HOSTS"
# What verification says of a target that holds the groups of the source, under their names, at their mount points.
TAKEN = frozenset({"BCV_IN_USE", "NAME_TAKEN", "MOUNT_POINT_BUSY", BOTH})
_MISLEADING = TAKEN | {
    "BCV_OTHER_CONTENT",
    "GROUP_NOT_ACTIVE",
}  # whose usual advice would end the service, or overwrite what it wrote


def as_taken(settings: SetSettings, estate: Estate, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings with the advice that is right while the target works with the set; and whether the source does so too."""
    source, target = settings.source, settings.target
    back = f"{target} works with the set since the takeover; to give it back: splitmount run failback {settings.name}"
    findings = tuple(findings)
    served = source != target and any(finding.code == "BCV_IN_USE" for finding in findings)
    used = still_used(estate.source, settings.volume_groups) if estate.source is not None and served else ()
    if used:
        sentence = f"{'; '.join(used)}, and {target} works with the copy since the takeover: each writes to data of its own."
        action = (
            f"Decide which of the two goes on, and stop the other. A failback overwrites what {source} wrote since the split."
        )
        yield Finding(BOTH, Severity.ERROR, source, sentence, action)
    for finding in findings:
        yield replace(finding, action=f"{back}.") if finding.code in _MISLEADING else finding


def ending(plan: Plan, target: str, *, served: bool) -> Plan:
    """A plan that takes a takeover back asks for the set's name, for somebody may work there; of one that `served` it says what ends."""
    told = (
        f"ENDS THE SERVICE of {plan.set_name} on {target}; what was written there since the takeover stays on the BCVs alone",
        f"  to give it back to the source instead: splitmount run failback {plan.set_name}",
    )
    return replace(plan, summary=(*(told if served else ()), *plan.summary), confirm=plan.set_name)


def minded(plan: Plan, settings: SetSettings, since: str) -> Plan:
    """A plan that would overwrite BCVs which hold what the target wrote asks for the set's name, and says so first."""
    over = [step for step in plan.steps if step.array and base_id(step) in ("establish", "establish-full")]
    if not since or not over or plan.operation in ("failback", "takeover"):
        return plan
    told = (
        f"OVERWRITES what {settings.target} wrote, which is on the BCVs alone: {since}",
        f"  it was not given back; to keep it: splitmount run failback {settings.name}",
    )
    return replace(plan, summary=(*told, *plan.summary), confirm=settings.name)
