"""A plan as a Markdown runbook: what, why, what can go wrong, the exact command, and how a person sees that it came about."""

from __future__ import annotations

import re

from core.plan import Plan, Step
from core.transport import Command, shown
from tui.plain import line

_MARKS = re.compile(r"([\\`*_<>\[\]|#])")


def runbook(plan: Plan) -> str:
    """The whole document. What hosts said is escaped, or in a fence that it cannot end."""
    head = [
        f"# {_plain(plan.operation)} of {_plain(plan.set_name)}",
        "",
        f"Plan made at {plan.made_at:%Y-%m-%d %H:%M:%S} UTC; digest `{plan.digest}`; {len(plan.steps)} steps.",
        "Values in braces are told by an earlier step (`@bind NAME VALUE` in its output).",
        "",
        *(f"* {_plain(text)}" for text in plan.summary),
        *(f"* pair {_plain(p.std)} / {_plain(p.bcv)}: {state.value}" for p, state in plan.start_states),
        *(f"* {c.verdict.value}: {c.code} {_plain(c.where)}: {_plain(c.sentence)}" for c in plan.conditions),
        *(f"* {f.severity.value}: {f.code} {_plain(f.subject)}: {_plain(f.sentence)}" for f in plan.findings),
    ]
    steps = [text for number, step in enumerate(plan.steps, 1) for text in _step(number, step)]
    return "\n".join([*head, *steps, ""])


def _plain(text: str) -> str:
    return _MARKS.sub(r"\\\1", line(text))


def _step(number: int, step: Step) -> list[str]:
    told = [
        ("What", step.explain.what),
        ("Why", step.explain.why),
        ("Risk", step.explain.risk),
        ("See by hand", step.explain.by_hand),
    ]
    out = ["", f"## {number}. {_plain(step.title)} ({_plain(step.host)}, {step.phase.value})", ""]
    out += [f"* **{name}**: {_plain(text)}" for name, text in told if text]
    if step.fence:
        out.append(f"* **Only on**: {', '.join(map(_plain, step.fence))}")
    if step.command is None:
        out.append("* No command: a person looks, or waits.")
    else:
        if step.command.guard:
            out.append(f"* **Guard**: {_plain(step.command.guard.value)}")
        out += _code(step.command)
    if step.undo is not None:
        out += ["", "To take it back:", *_code(step.undo)]
    return out


def _code(command: Command) -> list[str]:
    """The command without its driver's helper functions, which the shell script of the same plan has."""
    text = "\n".join(line(one) for one in shown(command).strip().splitlines())
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return ["", f"{fence}sh" if not command.socket else f"{fence}json", text, fence]
