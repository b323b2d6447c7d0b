"""The way back after a takeover: the target lets go, BCV -> STD with what it wrote, the source takes up again. Pure."""

from __future__ import annotations

from dataclasses import replace

from core.conditions import restore_conditions
from core.moments import application_steps, plan_restore
from core.operations import Context, Planned, measure
from core.plan import Condition, Phase, StepKind, Verdict
from core.settings import SetSettings


def failback_conditions(context: Context) -> tuple[Condition, ...]:
    """Those of a restore; that the target uses the BCVs is what the plan ends."""
    out = []
    for one in restore_conditions(context):
        if one.code == "BCVS_FREE" and one.stops and context.taken is not None:
            sentence = f"{context.settings.target} holds the set since the takeover; the plan takes it down in order"
            one = replace(one, verdict=Verdict.PLANNED, sentence=sentence, remedy="")
        out.append(one)
    return tuple(out)


def plan_failback(context: Context) -> Planned:
    """Take down what the takeover brought up, prove it, then restore and start on the source."""
    settings, ref = context.settings, context.drivers.source_ref
    down = [step for step in context.taken.steps if step.kind is not StepKind.OWN_FILES] if context.taken else []
    hidden = any(step.undoes == "ready" for step in down)  # by then the target does not see the BCVs any more
    steps, summary = plan_restore(
        replace(context, pairs=tuple(replace(s, ready=False) if hidden else s for s in context.pairs))
    )
    began = ("start-application", "check-application")
    rest = [step for step in steps if step.measure != "basis" and step.id not in began]
    service = [
        *application_steps(context, ref, "start", Phase.START),
        *application_steps(context, ref, "check", Phase.START),
    ]
    told = "  lost: what was written on the source since the split; kept: all that was written on the target since the takeover"
    return [measure(context, Phase.MEASURE, "basis", settings.source), *down, *rest, *service], [
        f"GIVES BACK the work of {settings.target} to {settings.source}",
        *(context.taken.summary if context.taken else (f"{settings.target} holds nothing of it any more, by the journal",)),
        *(said for line in summary if (said := _said(line, settings, told))),
    ]


def _said(line: str, settings: SetSettings, lost: str) -> str:
    """A line of the restore's consequences as it is true of a failback, whose data is newer than the split; "" for none."""
    if line.startswith("OVERWRITES "):
        return f"OVERWRITES {settings.source}: BCV -> STD, with what {settings.target} holds now"
    return lost if line.startswith("  lost:") else "" if line.startswith("  hit besides:") else line
