"""A safety copy: today's state of the source is kept before it is overwritten, so that a wrong restore can be undone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from core.errors import Refused
from core.explain import EXPLAIN
from core.measures import bcvs_in_use
from core.model import PairState, PairStatus
from core.operations import Context, before_policy, live_request
from core.plan import Condition, Phase, Step, StepKind, Verdict
from core.settings import FreezeSettings, PrePolicy

WAYS = ("mirror", "backup")
_USABLE = frozenset({PairState.ESTABLISHED, PairState.COPYING, PairState.SPLIT, PairState.NEVER, PairState.INVALID})


@dataclass(frozen=True, slots=True)
class Safety:
    """Its steps, by where they belong: while the source still works, when its application rests, when its groups rest too."""

    before: list[Step] = field(default_factory=list)
    resting: list[Step] = field(default_factory=list)
    stopped: list[Step] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)


def other_mirror(mirror: int, mirrors: int) -> int | None:
    """The mirror that keeps today's state when `mirror` is restored from, counted from 1; None where there is no other."""
    return next((n for n in range(1, mirrors + 1) if n != mirror), None)


def safety_conditions(context: Context) -> tuple[Condition, ...]:
    """Whether today's state can be kept in the way that was asked for."""
    way, at = context.request.safety, context.estate.measured_at
    if not way:
        return ()
    if way not in WAYS:
        raise Refused(f"a safety copy is one of {', '.join(WAYS)}, not {way!a}; nothing was changed")
    why, remedy = _mirror_fails(context) if way == "mirror" else _backup_fails(context)
    where = context.settings.array if way == "mirror" else context.settings.source
    sentence = why or (
        "today's state is kept on " + _names(context.spare) if way == "mirror" else "today's files can be backed up first"
    )
    return (Condition("SAFETY_COPY", where, sentence, Verdict.NOT_MET if why else Verdict.MET, at, remedy=remedy),)


def _mirror_fails(context: Context) -> tuple[str, str]:
    if not context.spare:
        return "the set has no other mirror to keep today's state on", "Keep it as a backup instead."
    if odd := [s for s in context.spare if s.state not in _USABLE]:
        return (
            f"the other mirror cannot be used: {_names(tuple(odd))} {odd[0].state.value}",
            "Wait, or keep it as a backup instead.",
        )
    if context.estate.damaged:
        return (
            f"{', '.join(context.estate.damaged)} cannot be read: there is nothing left to keep",
            "Go on without a safety copy.",
        )
    if used := bcvs_in_use(context.target, (s.pair for s in context.spare), ""):
        return "; ".join(used), f"Clean up first: splitmount run cleanup {context.settings.name}"
    return "", ""


def _backup_fails(context: Context) -> tuple[str, str]:
    driver = context.drivers.backup
    if driver is None:
        return "the set has no backup in its configuration", "Keep it on another mirror, where there is one."
    if not driver.reaches_everywhere:
        return (
            f"the repository of {driver.name} lies on {context.settings.target}: {context.settings.source} cannot write to it",
            "Keep it on another mirror, where there is one.",
        )
    if not live_request(context.settings, context.drivers, context.source, context.estate.measured_at).trees:
        return (
            "nothing of the set is mounted there, so there are no files to back up",
            "Mount it, or keep it on another mirror.",
        )
    return "", ""


def safety_copy(context: Context, *, mounted: bool = False) -> Safety:
    """The steps of the way that was asked for; `mounted`: the source's filesystems stay mounted, and are frozen for the split."""
    if context.request.safety == "mirror":
        return _on_mirror(context, mounted)
    return _as_backup(context) if context.request.safety == "backup" else Safety()


def _on_mirror(context: Context, mounted: bool) -> Safety:
    settings = context.settings if mounted else replace(context.settings, freeze=FreezeSettings(enabled=False))
    request = replace(context.request, pre_policy=PrePolicy.DOWN_AFTER_ESTABLISHING, full=False)
    plan = before_policy(replace(context, pairs=context.spare, settings=settings, request=request))
    split = [step for step in plan.steps if step.phase is Phase.SPLIT]
    lost = sorted({f"{s.split_at:%Y-%m-%d %H:%M:%S} UTC" for s in context.spare if s.state is PairState.SPLIT and s.split_at})
    over = f"; its own point in time ({', '.join(lost)}) is overwritten" if lost else ""
    told = f"  FIRST today's state is kept on the other mirror: {_names(context.spare)}{over}"
    return Safety([step for step in plan.steps if step not in split], stopped=split, summary=[told])


def _as_backup(context: Context) -> Safety:
    drivers, settings = context.drivers, context.settings
    if drivers.backup is None:
        raise Refused(f"set {settings.name} has no backup in its configuration; nothing was changed")
    request = live_request(settings, drivers, context.source, context.estate.measured_at)
    commands = drivers.backup.commands(request)
    shown = replace(commands[0], text="\n".join(c.text for c in commands)) if commands else None
    points = ", ".join(point for point, _ in request.trees)
    steps = [
        Step("backup-today", Phase.BACKUP, StepKind.BACKUP, f"Back up today's files of {settings.source}: {points}",
             settings.source, EXPLAIN["backup-today"], shown, live=True),
        Step("verify-today", Phase.BACKUP, StepKind.VERIFY, "Verify the backup of today's files", settings.source,
             EXPLAIN["verify"], live=True),
    ]  # fmt: skip
    return Safety(resting=steps, summary=[f"  FIRST today's files are backed up: {points}"])


def _names(statuses: tuple[PairStatus, ...]) -> str:
    return ", ".join(s.pair.bcv for s in statuses)
