"""The guide's decisions as rows: what is restored, how much of it, whereto, and under which conditions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.backups.base import BackupRecord
from core.events import SetMeasured
from core.facade import PlanRequest
from core.model import PairState
from core.plan import Condition, Verdict, Weight
from core.safety import other_mirror
from core.scope import mirrors_of
from core.settings import SetSettings
from tui.rows import BAD, DIM, HEAD, NOTE, OK, WARN, Row

_VERDICTS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.MET: ("[ok]     ", OK), Verdict.PLANNED: ("[planned]", NOTE), Verdict.NOT_MET: ("[NOT MET]", BAD), Verdict.UNKNOWN: ("[UNKNOWN]", WARN),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the guide is: what the request has come to, and which words of a request were decided so far."""

    request: PlanRequest

    @property
    def stages(self) -> tuple[str, ...]:
        """The decisions of this way, in order."""
        if self.request.operation != "restore":
            return ("conditions",)
        if self.request.backup:
            return ("from what", "whereto", "which files", "safety copy", "conditions")
        return ("from what", "how much", "how", "safety copy", "conditions")


def age_words(then: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that says something."""
    if then is None:
        return "at an unknown time"
    seconds = (now - then).total_seconds()
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} seconds ago"


def source_rows(
    one: SetSettings, measured: SetMeasured | None, backups: Sequence[BackupRecord], now: datetime
) -> Iterator[Row]:
    """From what: each mirror, each backup, newest first, with point in time, age, kind, verified or not."""
    yield Row("mirrors", 0, "From a mirror: BCV -> STD, the source's devices are overwritten", HEAD)
    for number in range(1, mirrors_of(one.pairs) + 1):
        words, tone = _mirror_words(measured, now) if number == 1 else ("its state is measured when you choose it", DIM)
        about = (
            f"mirror {number} of {one.name}",
            words,
            "",
            "Not verified: a mirror is what the source was at the split, right or wrong.",
        )
        yield Row(f"mirror/{number}", 1, f"mirror {number}  {words}", tone, "mirrors", about=about)
    yield Row("backups", 0, "From a backup: its files, onto the source, through the mirrors, or into a directory", HEAD)
    for record in backups:
        verified = "verified" if record.verified_at else "NOT VERIFIED"
        words = f"split {record.split_at:%Y-%m-%d %H:%M}, {age_words(record.split_at, now)}, {verified}"
        when = f"verified {record.verified_at:%Y-%m-%d %H:%M:%S}" if record.verified_at else "never verified"
        what = (
            f"backup {record.id}",
            words,
            when,
            f"{record.files} files, {record.bytes} bytes",
            "",
            "Whereto is the next decision.",
        )
        yield Row(f"backup/{record.id}", 1, words, "" if record.verified_at else WARN, "backups", about=what)
    if not backups:
        yield Row("none", 1, "there is none", DIM, "backups")


def _mirror_words(measured: SetMeasured | None, now: datetime) -> tuple[str, str]:
    pairs = measured.estate.pairs if measured else ()
    if not pairs:
        return "not measured", DIM
    if any(s.state is not PairState.SPLIT for s in pairs):
        words = dict.fromkeys(s.state.value for s in pairs)
        return f"no point in time: {', '.join(words)}", WARN
    at = pairs[0].split_at
    return (f"split {at:%Y-%m-%d %H:%M}, {age_words(at, now)}" if at else "split at an unknown time"), ""


def scope_rows(one: SetSettings) -> Iterator[Row]:
    """How much: the whole set, or one group."""
    yield Row("scope", 0, "How much is restored?", HEAD)
    yield Row(
        "all",
        1,
        f"the whole set: {', '.join(one.volume_groups)}",
        "",
        "scope",
        about=("Every group of the set, as one point in time.",),
    )
    for group in one.volume_groups if len(one.volume_groups) > 1 else ():
        about = (f"Only {group} and its devices.", "Refused when it shares a device with another group.")
        yield Row(f"group/{group}", 1, f"only the group {group}", "", "scope", about=about)


def copy_rows(measured: SetMeasured | None) -> Iterator[Row]:
    """How it is copied."""
    tracks = [(s.std_tracks, s.bcv_tracks) for s in measured.estate.pairs] if measured else []
    known = bool(tracks) and all(a is not None and b is not None for a, b in tracks)
    count = f"at most {sum((a or 0) + (b or 0) for a, b in tracks)} tracks" if known else "the array has no counts"
    yield Row("copy", 0, "How is it copied?", HEAD)
    yield Row(
        "incremental",
        1,
        f"only what differs ({count})",
        "",
        "copy",
        about=("The array copies the tracks that differ between BCV and STD.",),
    )
    everything = (
        "Everything is copied, whatever the array knows of differences. Use it when the array's counts are in doubt.",
    )
    yield Row("full", 1, "everything (full copy)", "", "copy", about=everything)


def whereto_rows(one: SetSettings) -> Iterator[Row]:
    """Where the files of a backup go."""
    yield Row("whereto", 0, "Where do the files go?", HEAD)
    onto = (
        f"Over the files on the mounted filesystems of {one.source}.",
        "A file of the same name is replaced, nothing is removed; how many are replaced is counted before.",
        "No mirror is touched.",
    )
    yield Row("onto", 1, f"onto the mounted filesystems of {one.source}", "", "whereto", about=onto)
    through = (
        f"The BCVs are mounted on {one.target}, the files put there, and the BCVs then copied onto the standards.",
        f"For a {one.source} whose filesystems cannot be mounted. The point in time on the BCVs is lost by it.",
    )
    yield Row("via", 1, "onto the BCVs first, then BCV -> STD", "", "whereto", about=through)
    aside = (f"Into an absent or empty directory of {one.target}, to look at or to pick from.", "The source is not touched.")
    yield Row("directory", 1, f"into an empty directory of {one.target}", "", "whereto", about=aside)


def path_rows(record: BackupRecord | None) -> Iterator[Row]:
    """Which files: all, those of one mount point, or what is typed."""
    yield Row("paths", 0, "Which files?", HEAD)
    yield Row("every", 1, "all files of the backup", "", "paths", about=("Every file of every filesystem in it.",))
    points = record.paths if record else ()
    for point in points if len(points) > 1 else ():
        yield Row(f"below/{point}", 1, f"only what is below {point}", "", "paths", about=("With what is mounted below it.",))
    typed = ("Files or directories by their paths on the source, as a shell would take them: quotes around a blank.",)
    yield Row("typed", 1, "some paths, to be typed", "", "paths", about=typed)


def safety_rows(one: SetSettings, request: PlanRequest) -> Iterator[Row]:
    """Whether today's state is kept before it is overwritten, and how."""
    yield Row("safety", 0, f"Keep today's state of {one.source} first, so that a wrong restore can be undone?", HEAD)
    other = other_mirror(request.mirror, mirrors_of(one.pairs))
    if other is not None:
        about = (
            f"Mirror {other} is established where it is not, split when {one.source} rests, and holds today's state then.",
            f"To undo the restore: restore from mirror {other}.",
        )
        yield Row("keep/mirror", 1, f"keep it on mirror {other}", "", "safety", about=about)
    if one.backup is not None:
        about = ("Its files are backed up before anything is overwritten, and read back.", "To undo: restore from that backup.")
        yield Row("keep/backup", 1, "keep its files as a backup", "", "safety", about=about)
    yield Row("keep/", 1, "no, today's state may be lost", WARN, "safety", about=("What was written since is gone then.",))


def condition_rows(conditions: Sequence[Condition], overrides: Mapping[str, str]) -> Iterator[Row]:
    """Every condition with its verdict, those in the way first; then the way on."""
    stands = [c for c in conditions if c.stops and not overrides.get(c.code)]
    title = (
        f"{len(stands)} conditions stand in the way"
        if stands
        else "Nothing stands in the way: Enter on the last line shows the plan"
    )
    yield Row("conditions", 0, title, HEAD)
    for number, one in enumerate(conditions):
        mark, tone = _VERDICTS[one.verdict]
        reason = overrides.get(one.code, "")
        text = f"{mark} {one.code}  {one.where}: {one.sentence}"
        yield Row(
            f"condition/{number}",
            1,
            f"[overridden] {text}" if reason else text,
            WARN if reason else tone,
            "conditions",
            about=_about(one, reason),
        )
    if not stands:
        yield Row(
            "go",
            1,
            "show what will happen (nothing is done yet)",
            NOTE,
            "conditions",
            about=("The plan: every step with its exact commands.",),
        )


def _about(one: Condition, reason: str) -> tuple[str, ...]:
    when = f"measured {one.at:%Y-%m-%d %H:%M:%S} UTC" if one.at else "NOT MEASURED"
    weight = {
        Weight.MANDATORY: "mandatory: nothing overrides it",
        Weight.OVERRIDABLE: "overridable with a reason (w)",
        Weight.ADVICE: "advice",
    }[one.weight]
    out = (one.code, f"on {one.where}: {one.verdict.value}", when, weight, "", one.sentence)
    return (*out, *(("", one.remedy) if one.remedy else ()), *(("", f"your reason: {reason}") if reason else ()))


def chosen(choice: Choice, row: str) -> Choice:
    """The choice after a row."""
    kind, _, rest = row.partition("/")
    request = choice.request
    table = {
        "mirror": lambda: Choice(replace(request, mirror=int(rest))), "backup": lambda: Choice(replace(request, backup=rest)),
        "onto": lambda: Choice(replace(request, via_bcv=False)), "via": lambda: Choice(replace(request, via_bcv=True)),
        "every": lambda: Choice(replace(request, paths=())), "below": lambda: Choice(replace(request, paths=(rest,))),
        "keep": lambda: Choice(replace(request, safety=rest)),
        "all": lambda: Choice(replace(request, groups=())), "group": lambda: Choice(replace(request, groups=(rest,))),
        "incremental": lambda: Choice(replace(request, full=False)), "full": lambda: Choice(replace(request, full=True)),
    }  # fmt: skip
    return table[kind]() if kind in table else choice
