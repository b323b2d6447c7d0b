"""Rehearsal: a takeover beside the running source, under other names, checked in every way that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from core.applications.base import CopyPlace
from core.errors import CommandFailed
from core.explain import EXPLAIN
from core.model import MOUNTED_KINDS
from core.operations import (
    Context,
    Planned,
    after_policy,
    before_policy,
    bring_up,
    clean_up,
    import_requests,
    keep_map,
    measure,
    phased,
)
from core.plan import Phase, Step, StepKind
from core.transport import Command

if TYPE_CHECKING:
    from core.handlers import RunState

FILES = 40  # no more files are read on the source before the split, and on the copy after it
NOTHING = "there was no file to read"
SAMPLED = f"checksums of up to {FILES} files"  # in the plan; the report has what was measured in its place


def plan_rehearse(context: Context) -> Planned:
    """Split if need be, bring up, sample, try the application, take down, check the filesystems, and leave nothing."""
    app = context.drivers.application
    if app is not None and app.tries_copy:
        context = replace(context, settings=replace(context.settings, mount=replace(context.settings.mount, read_only=False)))
    before = before_policy(context)
    splits = any(step.phase is Phase.SPLIT for step in before.steps)
    up = bring_up(context, before.pairs)
    after, summary = after_policy(context, before.pairs)
    sampled = splits and any(step.phase is Phase.MOUNT for step in up)
    steps = [
        measure(context, Phase.MEASURE, "basis", context.settings.source),
        keep_map(context),
        *(_sample(context, "source") if sampled else ()),
        *before.steps,
        *up,
        *(_sample(context, "copy") if sampled else ()),
        *_application(context, held=any(step.kind is StepKind.QUIESCE for step in before.steps)),
        *_checked(context, clean_up(context, up)),
        *after,
    ]
    what = "rehearses a takeover: the copy comes up beside the source under other names, is checked and mounted, and goes again"
    return steps, [what, *before.summary, *summary, *_tested(context, splits, sampled)]


def _tested(context: Context, splits: bool, sampled: bool) -> list[str]:
    """What will be proved, and what will not."""
    app = context.drivers.application
    tried = app is not None and app.tries_copy
    proved = ["import", "mount", "the check of every filesystem"]
    untested = ["names and mount points of the source", "network addresses"]
    (proved if sampled else untested).append(SAMPLED if sampled else "checksums of files")
    (proved if tried else untested).append(app.name if app is not None else "an application")
    lines = [f"tested: {', '.join(proved)}", f"not tested: {', '.join(untested)}"]
    if not splits:
        lines.append("  no checksums, because the mirrors were split before this run: the source has gone on since")
    if app is not None and tried:
        lines.append(f"  the BCVs are mounted for writing, because {app.name} is tried on them")
    return lines


def _sample(context: Context, where: str) -> list[Step]:
    host = context.settings.source if where == "source" else context.settings.target
    title = f"Read up to {FILES} files of the source" if where == "source" else "Read the same files of the copy, and compare"
    return [Step(f"sample-{where}", Phase.CHECK, StepKind.SAMPLE, title, host, EXPLAIN[f"sample-{where}"], measure=where)]


def _application(context: Context, *, held: bool) -> list[Step]:
    """The driver's try of the application on the copy."""
    app, settings = context.drivers.application, context.settings
    if app is None:
        return []
    requests = import_requests(settings, context.source, context.plain_pairs)
    points = tuple(mount.mount_point for request in requests for mount in request.mounts)
    place = CopyPlace(settings.mount.prefix.rstrip("/"), points, context.estate.facts, held)
    return phased(tuple(app.on_copy(context.drivers.target_ref, place)), Phase.START)


def _checked(context: Context, down: list[Step]) -> list[Step]:
    """The steps of the cleanup, with the checks of the filesystems after the last unmount."""
    drivers = context.drivers
    requests = import_requests(context.settings, context.source, context.plain_pairs)
    looks = [
        step
        for request in requests
        for mount in request.mounts
        if (step := drivers.target.check_unmounted(drivers.target_ref, request, mount)) is not None
    ]
    at = max((i for i, step in enumerate(down) if step.undoes.startswith("mount-")), default=-1) + 1
    checks = [replace(step, repeatable=True) for step in phased(tuple(looks), Phase.CHECK)]
    return [*down[:at], *checks, *down[at:]]


# --- the sample -------------------------------------------------------------------------------------------------------


async def sample(state: RunState, step: Step, command: Command | None) -> str:
    """Read files on the source by chance; later the same files of the copy. CommandFailed when one differs without a reason.

    A file that differs on the copy and was changed on the source meanwhile, by a second look, proves nothing either way.
    """
    parts, estate = state.parts, state.estate
    if estate is None or estate.source is None:
        raise CommandFailed("no measured source")
    source, target = parts.drivers.source.reads(parts.drivers.source_ref), parts.drivers.target.reads(parts.drivers.target_ref)
    names, prefix = set(parts.settings.volume_groups), parts.settings.mount.prefix.rstrip("/")
    if step.measure == "source":
        points = [
            f.mount_point for f in estate.source.filesystems if f.group in names and f.mounted and f.kind in MOUNTED_KINDS
        ]
        result = await parts.transport.run(source.sample(tuple(sorted(points)), FILES))
        state.sample = _sums(result.stdout)
        state.note(step, sample=state.sample)
        return f"{len(state.sample)} files of {parts.settings.source} read"
    if not state.sample:
        return NOTHING
    result = await parts.transport.run(target.files(tuple(prefix + path for path in state.sample)))
    copy = {path.removeprefix(prefix): total for path, total in _sums(result.stdout).items()}
    odd = [path for path, total in state.sample.items() if copy.get(path) != total]
    again = _sums((await parts.transport.run(source.files(tuple(odd)))).stdout) if odd else {}
    wrong = [path for path in odd if again.get(path) == state.sample[path]]
    state.note(step, sampled=len(state.sample), changed=len(odd) - len(wrong), wrong=wrong)
    if wrong:
        raise CommandFailed(f"the copy is not what the source was: {_few(wrong)} {'differ' if len(wrong) > 1 else 'differs'}")
    equal = f"{len(state.sample) - len(odd)} files of the copy are as on the source"
    state.compared = equal + (f"; {len(odd)} were changed there meanwhile, so they prove nothing" if odd else "")
    return state.compared


def report(summary: Iterable[str], found: str) -> list[str]:
    """What a rehearsal that went well has tested, and what not: the lines of its plan with what the step `sample-copy` has told."""
    told = [line for line in summary if line.startswith(("tested: ", "not tested: "))]
    planned = any(SAMPLED in line for line in told)
    if not planned or found != NOTHING:
        return [line.replace(SAMPLED, f"checksums ({found or 'of how many files is not known'})") for line in told]
    return [
        line.replace(f", {SAMPLED}", "") + (f", checksums of files ({found})" if line.startswith("not") else "")
        for line in told
    ]


def _sums(text: str) -> dict[str, tuple[str, str]]:
    rows = [line.split(" ", 3) for line in text.splitlines() if line.startswith("file ")]
    return {row[3]: (row[1], row[2]) for row in rows if len(row) == 4 and row[3].startswith("/")}


def _few(paths: Iterable[str]) -> str:
    several = list(paths)
    return ", ".join(several[:3]) + (f" and {len(several) - 3} more" if len(several) > 3 else "")
