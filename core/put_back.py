"""Restore from a backup: its files onto the source's mounted filesystems, or onto the BCVs and then BCV -> STD. Pure."""

from __future__ import annotations

from dataclasses import replace

from core.ages import age_then
from core.backups.base import Overwrites, PutBack
from core.backups.putback import commands_of, within
from core.conditions import application_stopped, online_redo, restore_conditions
from core.errors import Refused
from core.explain import EXPLAIN
from core.hosts import HostRef
from core.moments import application_steps, expected, own_step, plan_restore, recovery
from core.operations import Context, Planned, bring_up, clean_up, measure
from core.plan import Condition, Phase, Step, StepKind, Verdict, Weight
from core.safety import safety_copy


def trees_of(record_paths: tuple[str, ...], paths: tuple[str, ...]) -> tuple[str, ...]:
    """The mount points of a backup that a restore of these paths touches; all of them where no path is given."""
    if not paths:
        return record_paths
    holder = {max((t for t in record_paths if within(path, (t,))), key=len, default="") for path in paths}
    return tuple(t for t in record_paths if t in holder or within(t, paths))


def put_back_conditions(context: Context, held: Overwrites) -> tuple[Condition, ...]:
    """What a restore of files needs: a backup that was read back, filesystems that are mounted, an application that rests."""
    at, record = context.estate.measured_at, held.record
    sentence = (
        f"{record.id} was verified at {record.verified_at:%Y-%m-%d %H:%M:%S} UTC"
        if record.verified_at
        else (f"{record.id} was never read back: whether it is whole is unknown")
    )
    verdict = Verdict.MET if record.verified_at else Verdict.UNKNOWN
    verified = Condition("BACKUP_VERIFIED", "the repository", sentence, verdict, at, Weight.OVERRIDABLE)
    if context.request.via_bcv:
        return (verified, *restore_conditions(context), *online_redo(context))
    trees = trees_of(record.paths, context.request.paths)
    lost = [tree for tree in trees if tree not in context.source.mount_points]
    sentence = f"not mounted: {', '.join(lost)}" if lost else f"all {len(trees)} filesystems are mounted"
    remedy = "Mount them; or restore through the BCVs (--via-bcv), which needs no filesystem on the source." if lost else ""
    mounted = Condition(
        "MOUNTED",
        context.settings.source,
        sentence,
        Verdict.NOT_MET if lost else Verdict.MET,
        context.source.measured_at,
        remedy=remedy,
    )
    overwritten = context.request.paths or trees
    return (verified, mounted, _stays_inside(context, held), *online_redo(context, overwritten), *application_stopped(context))


def _stays_inside(context: Context, held: Overwrites) -> Condition:
    """Nothing leads out of the set's filesystems on the way to a file that would be written."""
    where, at = context.settings.source, context.source.measured_at
    if held.astray is None:
        sentence = f"whether files would be written outside the set's filesystems is unknown: {held.why_unknown}"
        remedy = (
            "Plan again when the host answers; an account of limited rights needs its rules anew (splitmount sudoers HOST)."
        )
        return Condition("STAYS_INSIDE", where, sentence, Verdict.UNKNOWN, at, remedy=remedy)
    if not held.astray:
        alone = f"; left alone, since the backup has nothing of it: {', '.join(held.apart)}" if held.apart else ""
        sentence = f"all that is written lies on the set's own filesystems{alone}"
        return Condition("STAYS_INSIDE", where, sentence, Verdict.MET, at)
    more = f"; and {len(held.astray) - 5} more" if len(held.astray) > 5 else ""
    return Condition(
        "STAYS_INSIDE", where, "; ".join(held.astray[:5]) + more, Verdict.NOT_MET, at,
        remedy="Files there would be written over that this restore neither counts nor shows. Put a directory in the link's place, "
        "or unmount the filesystem; or restore the other paths (--path), or through the BCVs (--via-bcv).",
    )  # fmt: skip


def plan_put_back(context: Context, held: Overwrites) -> Planned:
    """The plan of either way."""
    if context.request.groups:
        raise Refused("a backup is restored whole or by paths (--path), not by volume group; nothing was changed")
    return _through_bcvs(context, held) if context.request.via_bcv else _onto_source(context, held)


def _prefix(context: Context) -> str:
    return context.settings.mount.prefix.rstrip("/")


def _put_back(context: Context, held: Overwrites, *, on_source: bool) -> Step:
    drivers, settings, record = context.drivers, context.settings, held.record
    if drivers.backup is None:
        raise Refused(f"set {settings.name} has no backup in its configuration; nothing was changed")
    ref, target = drivers.source_ref if on_source else drivers.target_ref, drivers.target_ref
    prefix = "" if on_source else _prefix(context)
    trees = trees_of(record.paths, context.request.paths)
    what = PutBack(
        record.id, ref.name, ref.become, prefix, trees, target.name, target.become, context.request.paths, held.apart
    )
    commands = commands_of(drivers.backup, record, what)
    shown = replace(commands[0], text="\n".join(c.text for c in commands)) if commands else None
    title = f"Put back {held.files} files of the backup onto {', '.join(prefix + tree for tree in trees)}"
    return Step(
        "put-back", Phase.RESTORE, StepKind.PUT_BACK, title, ref.name, EXPLAIN["put-back"], shown, commits=on_source, put=what
    )


def _swept(context: Context, put: Step, ref: HostRef, prefix: str) -> list[Step]:
    """The put-back between two steps of the application's driver: what of it the backup does not have goes aside."""
    app = context.drivers.application
    points = tuple(prefix + tree for tree in put.put.trees) if put.put is not None else ()
    if app is None or not _whole(context) or (pair := app.sweep(ref, prefix, points)) is None:
        return [put]
    mark, aside = (
        own_step(f"{what}-application", Phase.RESTORE, ref, one) for what, one in zip(("mark", "sweep"), pair, strict=True)
    )
    return [mark, put, aside]


def _sweeps(context: Context) -> bool:
    app = context.drivers.application
    return app is not None and _whole(context) and app.sweep(context.drivers.source_ref, "", ()) is not None


def _whole(context: Context) -> bool:
    """Whether all files of the application are put back, and not only some paths beside it."""
    facts, paths = context.estate.facts, context.request.paths
    return not paths or (facts is not None and bool(facts.files) and all(within(f.path, paths) for f in facts.files or ()))


def _onto_source(context: Context, held: Overwrites) -> Planned:
    ref, was_running = context.drivers.source_ref, context.estate.application == "running"
    if context.request.recover_to and not _whole(context):
        raise Refused("these paths leave out a part of the database, so it cannot go on to a time. Nothing was changed")
    safety = safety_copy(context, mounted=True)
    steps = [
        measure(context, Phase.MEASURE, "basis", context.settings.source),
        *safety.before,
        *application_steps(context, ref, "stop", Phase.STOP, wanted=was_running),
        *safety.resting,
        *safety.stopped,
        *_swept(context, _put_back(context, held, on_source=True), ref, ""),
        *(recovery(context) if _whole(context) else ()),
        *application_steps(context, ref, "start", Phase.START, wanted=was_running),
        *application_steps(context, ref, "check", Phase.START, wanted=was_running),
    ]
    over = f"{held.overwritten} of them are there now and are overwritten; {held.untouched} files that the backup does not have stay"
    if held.overwritten is None:
        over = f"how many of them are there now, and are overwritten, is unknown: {held.why_unknown}"
    return steps, [
        f"OVERWRITES files on {context.settings.source} with those of {_point(context, held)}",
        *safety.summary,
        f"  {', '.join(context.request.paths or held.record.paths)}",
        f"  {held.files} files are put back; {over}",
        *(["  files of the application that the backup does not have are set aside beside it"] if _sweeps(context) else []),
        expected(context),
        "  lost: what was written to these files since; nothing is removed, and no device or mirror is touched",
    ]


def _through_bcvs(context: Context, held: Overwrites) -> Planned:
    """Bring the BCVs up for writing, put the files there, take them down in order, then copy BCV -> STD."""
    writable = replace(context, settings=replace(context.settings, mount=replace(context.settings.mount, read_only=False)))
    up = bring_up(writable, context.pairs)
    restore, summary = plan_restore(context)
    steps = [
        measure(context, Phase.MEASURE, "basis", context.settings.source),
        measure(context, Phase.MEASURE, "idle", context.settings.target),
        *up,
        *_swept(context, _put_back(context, held, on_source=False), context.drivers.target_ref, _prefix(context)),
        *clean_up(context, up),
        *restore,
    ]
    first = f"FIRST onto the BCVs: {held.files} files of {_point(context, held)}; the point in time on the BCVs is lost by that"
    kept = "  lost: everything written on the source since the split; kept: the backup"
    return steps, [first, *(kept if line.startswith("  lost:") else line for line in summary)]


def _point(context: Context, held: Overwrites) -> str:
    at = held.record.split_at
    return f"backup {held.record.id}, the state of {age_then(at, context.estate.measured_at)}"
