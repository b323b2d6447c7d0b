"""The guide's decisions as rows: what is restored, how much of it, whereto, and under which conditions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.ages import age_of
from core.backups.base import BackupRecord
from core.facade import PlanRequest
from core.model import PairState, PairStatus
from core.plan import Condition, Verdict, Weight
from core.policy import torn
from core.safety import other_mirror
from core.scope import mirrors_of
from core.settings import SetSettings
from tui.rows import BAD, DIM, HEAD, NOTE, OK, WARN, Row

_VERDICTS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.MET: ("[ok]     ", OK), Verdict.PLANNED: ("[planned]", NOTE), Verdict.NOT_MET: ("[NOT MET]", BAD), Verdict.UNKNOWN: ("[UNKNOWN]", WARN),
}  # fmt: skip


Mirrors = tuple[tuple[PairStatus, ...], ...]  # of each mirror its pairs, the first mirror first; empty where not measured


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
    return f"{age_of(now - then)} ago" if then is not None else "at an unknown time"


def source_rows(one: SetSettings, mirrors: Mirrors, backups: Sequence[BackupRecord], now: datetime) -> Iterator[Row]:
    """From what: each mirror, each backup, newest first, with point in time, age, kind, verified or not."""
    yield Row("mirrors", 0, "From a mirror (BCV -> STD)", HEAD)
    for number in range(1, mirrors_of(one.pairs) + 1):
        pairs = mirrors[number - 1] if number <= len(mirrors) else ()
        words, tone = _mirror_words(pairs, now)
        about = (
            f"mirror {number} of {one.name}",
            words,
            tracks_words(pairs),
            *(f"{s.pair.bcv}  {s.state.value}" for s in pairs),
            "",
            "BCV -> STD: the source's devices are overwritten.",
            "Not verified: a mirror is what the source was at the split, right or wrong.",
        )
        yield Row(f"mirror/{number}", 1, f"mirror {number}  {words}", tone, "mirrors", about=about)
    yield Row("backups", 0, "From a backup (its files)", HEAD)
    for record in backups:
        verified = "verified" if record.verified_at else "UNVERIFIED"
        words = f"{verified:<10}  {record.split_at:%Y-%m-%d %H:%M}, {age_words(record.split_at, now)}"
        when = f"verified {record.verified_at:%Y-%m-%d %H:%M:%S}" if record.verified_at else "never verified"
        what = (
            f"backup {record.id}",
            f"{one.backup.driver} in {one.backup.repository}" if one.backup else "",
            words,
            when,
            f"{record.files} files, {record.bytes} bytes",
            "",
            "Whereto is the next decision.",
        )
        yield Row(f"backup/{record.id}", 1, words, "" if record.verified_at else WARN, "backups", about=what)
    if not backups:
        yield Row("none", 1, "there is none", DIM, "backups")


def _mirror_words(pairs: tuple[PairStatus, ...], now: datetime) -> tuple[str, str]:
    if not pairs:
        return "not measured", DIM
    if any(s.state is not PairState.SPLIT for s in pairs):
        words = dict.fromkeys(s.state.value for s in pairs)
        return f"no point in time: {', '.join(words)}", WARN
    if torn(pairs):
        return "several points in time: no restore from it", WARN
    at = min((s.split_at for s in pairs if s.split_at is not None), default=None)
    return (f"split {at:%Y-%m-%d %H:%M}, {age_words(at, now)}", "") if at else ("split at an unknown time", WARN)


def tracks_words(pairs: tuple[PairStatus, ...]) -> str:
    """How much differs between these BCVs and their standards now."""
    tracks = [(s.std_tracks, s.bcv_tracks) for s in pairs]
    known = bool(tracks) and all(a is not None and b is not None for a, b in tracks)
    return f"at most {sum((a or 0) + (b or 0) for a, b in tracks)} tracks differ" if known else "the array has no counts"


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


def copy_rows(pairs: tuple[PairStatus, ...]) -> Iterator[Row]:
    """How it is copied from the mirror that was chosen."""
    yield Row("copy", 0, "How is it copied?", HEAD)
    yield Row(
        "incremental",
        1,
        f"only what differs ({tracks_words(pairs).removesuffix(' differ')})",
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
    yield Row("safety", 0, f"Keep today's state of {one.source} first?", HEAD)
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
    yield Row(
        "keep/",
        1,
        "no, today's state may be lost",
        WARN,
        "safety",
        about=("What was written since is gone then: a wrong restore cannot be undone.",),
    )


def condition_rows(conditions: Sequence[Condition], overrides: Mapping[str, str]) -> Iterator[Row]:
    """Every condition with its verdict, those in the way first; then the way on."""
    stands = [c for c in conditions if c.stops and not overrides.get(c.code)]
    stand = "condition stands" if len(stands) == 1 else "conditions stand"
    title = f"{len(stands)} {stand} in the way" if stands else "Nothing is in the way; the last line goes on"
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


# What brings a condition about that the plan itself does not: a word for the screen, and what Enter does, said to the operator.
WAYS: Mapping[str, tuple[str, str]] = {
    "BCVS_FREE": ("cleanup", "Enter: plan the cleanup of the target, which unmounts and deactivates there"),
    "BCV_IN_USE": ("cleanup", "Enter: plan the cleanup of the target, which unmounts and deactivates there"),
    "PAIRS_SPLIT": ("from what", "Enter: choose something else to restore from"),
    "ONE_INSTANT": ("from what", "Enter: choose something else to restore from"),
    "SAME_LAYOUT": ("from what", "Enter: choose something else to restore from"),
    "MAP_KEPT": ("from what", "Enter: choose something else to restore from"),
    "MOUNTED": ("whereto", "Enter: choose another way for the files"),
    "SAFETY_COPY": ("safety copy", "Enter: choose another way to keep today's state"),
}
_IN_PLAN = "The plan brings this about, and ends where it cannot; t in the plan does it step by step."


def way_of(one: Condition) -> tuple[str, str]:
    """What Enter on a condition does, and the sentence that says so: ("", "") where nobody but a person at the host can help."""
    if not one.stops:
        return "", _IN_PLAN if one.verdict is Verdict.PLANNED else ""
    if one.weight is Weight.OVERRIDABLE:
        return "reason", "Enter: give a reason to go on all the same; the journal keeps it"
    return WAYS.get(one.code, ("", "Bring it about on the host, then m measures again."))


def _about(one: Condition, reason: str) -> tuple[str, ...]:
    when = f"measured {one.at:%Y-%m-%d %H:%M:%S} UTC" if one.at else "NOT MEASURED"
    weight = {
        Weight.MANDATORY: "mandatory: nothing overrides it",
        Weight.OVERRIDABLE: "overridable with a reason (w)",
        Weight.ADVICE: "advice",
    }[one.weight]
    out = (one.code, f"on {one.where}: {one.verdict.value}", when, weight, "", one.sentence)
    way = way_of(one)[1]
    return (
        *out,
        *(("", one.remedy) if one.remedy else ()),
        *(("", way) if way else ()),
        *(("", f"your reason: {reason}") if reason else ()),
    )


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
