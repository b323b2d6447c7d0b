"""The restore guide's rows: what can be restored, how much of it, and under which conditions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.backups.base import BackupRecord
from core.events import SetMeasured
from core.facade import PlanRequest
from core.model import PairState
from core.plan import Condition, Verdict, Weight
from core.scope import mirrors_of
from core.settings import SetSettings
from tui.rows import BAD, DIM, HEAD, NOTE, OK, WARN, Row

_VERDICTS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.MET: ("[ok]     ", OK), Verdict.PLANNED: ("[planned]", NOTE), Verdict.NOT_MET: ("[NOT MET]", BAD), Verdict.UNKNOWN: ("[UNKNOWN]", WARN),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the guide is: what the request has come to, and the backup where files are to come out of one."""

    request: PlanRequest
    backup: str = ""


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
    yield Row("backups", 0, "Files from a backup, into an empty directory of the target", HEAD)
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
            "The source is not touched.",
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
        "mirror": lambda: Choice(replace(request, mirror=int(rest))), "backup": lambda: Choice(request, rest),
        "all": lambda: Choice(replace(request, groups=())), "group": lambda: Choice(replace(request, groups=(rest,))),
        "incremental": lambda: Choice(replace(request, full=False)), "full": lambda: Choice(replace(request, full=True)),
    }  # fmt: skip
    return table[kind]() if kind in table else choice
