"""What the command line says: lines, JSON, a plan as text."""

from __future__ import annotations

from core.plan import Plan
from core.transport import shown
from tui.say import say_json


def answer(value: object, code: int = 0) -> int:
    """The value as JSON; the exit code that goes with it."""
    say_json(value)
    return code


def plan_lines(plan: Plan) -> list[str]:
    """A plan as text: policy, findings, every step with its exact commands."""
    out = [f"{plan.operation} of {plan.set_name}: {len(plan.steps)} steps", *(f"  {line}" for line in plan.summary)]
    out += [f"  {c.verdict.value}: {c.code} {c.where}: {c.sentence}" for c in plan.conditions]
    out += [f"  {f.severity.value}: {f.code} {f.subject}: {f.sentence}" for f in plan.findings]
    for number, step in enumerate(plan.steps, 1):
        out += ["", f"{number:>3}. [{step.phase.value}] {step.title}  ({step.host})"]
        out.append(f"     {step.explain.what}")
        if step.fence:
            out.append(f"     only on: {', '.join(step.fence)}")
        if step.command is not None and step.command.guard:
            out.append(f"     guard: {step.command.guard.value}")
        if step.command is not None:
            out += [f"     | {line}" for line in shown(step.command).strip().splitlines()]
    return out
