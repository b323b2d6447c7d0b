"""A set at a glance: state and age of its mirrors, what is pending and whether that grows, last backup and rehearsal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from core.ages import age_of
from core.events import SetMeasured
from core.model import PairState, PairStatus, Severity
from core.policy import torn
from core.settings import SetSettings
from tui.outline import MARKS

STALE = timedelta(minutes=10)  # what was measured longer ago is said to be stale
SAMPLES = 10  # looks at the mirrors that a trend is made from
UNENDED = "RUN_WITHOUT_END"  # the finding of a run that has no end
QUIET = ("STALE", "TAKEN OVER", "DRIFT")  # to be known, and no fault


def pending(pairs: Sequence[PairStatus]) -> int | None:
    """Tracks that differ, over all pairs; None where the array told not all of them."""
    counts = [n for s in pairs for n in (s.std_tracks, s.bcv_tracks)]
    return sum(n for n in counts if n is not None) if counts and None not in counts else None


def trend_mark(samples: Sequence[int]) -> str:
    """`^` growing, `v` shrinking, `=` neither, since the first of the samples; nothing where there is one only."""
    if len(samples) < 2:
        return ""
    return " ^" if samples[-1] > samples[0] else (" v" if samples[-1] < samples[0] else " =")


def mirrors_words(pairs: Sequence[PairStatus], now: datetime, *, told: bool) -> str:
    """Mark and word of all mirrors together, with the age of the split."""
    if not told or not pairs:
        return "[?] NOT MEASURED"
    states = dict.fromkeys(s.state for s in pairs)
    if len(states) > 1:
        return f"[!] MIXED: {', '.join(f'{sum(s.state is one for s in pairs)} {one.value}' for one in states)}"
    state = next(iter(states))
    words = f"[{MARKS[state]}] {state.value}"
    if state is not PairState.SPLIT:
        return words
    if torn(tuple(pairs)):
        return f"{words}, SEVERAL POINTS IN TIME"
    at = min((s.split_at for s in pairs if s.split_at is not None), default=None)
    return f"{words} {age_of(now - at)}" if at else f"{words}, age unknown"


def errors_of(measured: SetMeasured) -> list[str]:
    """The codes of what verification calls an error, less what is usual after a takeover."""
    from core.takenover import BOTH, TAKEN  # with all plans: by then the engine is there

    usual = TAKEN - {BOTH} | {"SOURCE_UNREACHABLE"} if measured.taken_over else frozenset()
    return [f.code for f in measured.findings if f.severity is Severity.ERROR and f.code not in usual]


def trouble(sets: Iterable[SetMeasured]) -> str:
    """Runs without an end and errors of all sets together, in a few words; nothing where there is none."""
    codes = [code for measured in sets for code in errors_of(measured)]
    runs = codes.count(UNENDED)
    counts = (("run has no end", "runs have no end", runs), ("error", "errors", len(codes) - runs))
    return ", ".join(f"{n} {one if n == 1 else several}" for one, several, n in counts if n)


def flags(measured: SetMeasured, one: SetSettings, seen: datetime, now: datetime) -> list[str]:
    """What must not be overlooked, in capitals. After a takeover it is no error that the target holds the set, nor that the source is down."""
    from core.takenover import BOTH

    out = ["TAKEN OVER"] if measured.taken_over else []
    facts = measured.estate.source
    if facts is not None and "pairs" not in measured.estate.errors:
        paired = {s.pair.std for s in measured.estate.pairs}
        groups = (g for g in facts.groups if g.name in one.volume_groups)
        alone = sum(p.device_serial not in paired for g in groups for p in g.physical)
        out += [f"{alone} UNPAIRED"] if alone else []
    codes = {f.code for f in measured.findings}
    out += ["ON BOTH HOSTS"] if BOTH in codes else []
    out += [word for word in ("HELD", "LOCKED") if word in codes]
    errors = len(errors_of(measured))
    out += [f"{errors} ERRORS"] if errors else []
    out += ["NOT MEASURED WHOLE"] if measured.estate.errors and not errors and not measured.taken_over else []
    out += [f"DRIFT {len(measured.drift.differences)}"] if measured.drift is not None and measured.drift.differences else []
    out += [f"STALE {age_of(now - seen)}"] if now - seen > STALE else []
    return out


def ended_words(measured: SetMeasured) -> list[str]:
    """In capitals, the newest operation whose last run ended otherwise than well; the details have them all."""
    return [word.upper() for word in measured.not_well][:1]


def pending_words(
    pairs: Sequence[PairStatus], samples: Sequence[int], last: Mapping[str, datetime | None], now: datetime
) -> str:
    """The second line of a set; a backup is as old as its data."""
    tracks = pending(pairs)
    count = f"{tracks:,}{trend_mark(samples)}" if tracks is not None else "unknown"

    def ago(operation: str) -> str:
        at = last.get(operation)
        return short_age(now - at) if at else ("unknown" if operation in last else "never")

    return f"tracks {count}  backup {ago('backup')}  rehearsal {ago('rehearse')}"


def short_age(span: timedelta) -> str:
    """An age in few letters: 40 s, 5 min, 23 h, 9 d."""
    seconds = max(span.total_seconds(), 0)
    unit, length = next(((u, n) for u, n in (("d", 86400), ("h", 3600), ("min", 60)) if seconds >= 2 * n), ("s", 1))
    return f"{seconds / length:.0f} {unit}"


Trends = Mapping[str, tuple[int, ...]]


def with_sample(trends: Trends, name: str, pairs: Sequence[PairStatus]) -> Trends:
    """One look more; a look without counts begins anew."""
    tracks = pending(pairs)
    return {**trends, name: (*trends.get(name, ()), tracks)[-SAMPLES:] if tracks is not None else ()}
