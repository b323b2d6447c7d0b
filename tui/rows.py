"""The rows of the lists: pure functions from what was measured, planned or run to lines with a tone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from core.events import HostMeasured, Outcome
from core.model import Estate, HostFacts, LogicalVolume, PairStatus, PhysicalVolume, VolumeGroup
from core.plan import Plan
from core.settings import SetSettings, Settings
from tui.glance import QUIET, ended_words, flags, mirrors_words, pending_words
from tui.outline import application_lines, pair_words, size_words
from tui.plain import line
from tui.view import LogRow, RunView, ViewState

# A tone is what a row means; the widget gives it a look. Colour is never the only sign: the words say the same.
OK, NOTE, WARN, BAD, DIM, HEAD = "ok", "note", "warn", "bad", "dim", "head"

STATE_TONE: Mapping[str, str] = {
    "established": OK, "split": NOTE, "copying": WARN, "splitting": WARN, "restoring": WARN, "never established": WARN,
    "invalid": BAD, "unknown": BAD,
}  # fmt: skip
OUTCOME_MARKS: Mapping[Outcome, tuple[str, str]] = {
    Outcome.OK: ("+", OK), Outcome.FAILED: ("!", BAD), Outcome.UNKNOWN: ("?", BAD), Outcome.SKIPPED: ("-", DIM),
    Outcome.UNDONE: ("<", NOTE), Outcome.STOPPED: ("x", WARN), Outcome.REFUSED: ("!", BAD), Outcome.ATTENTION: ("!", BAD),
}  # fmt: skip
FRESH = timedelta(seconds=5)
GLANCE = "glance"  # the end of the id of a set's second line


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list. `mark` is drawn in the tone, the text plainly unless the row is a heading or bad."""

    id: str
    depth: int
    text: str
    tone: str = ""
    parent: str = ""
    folds: bool = False
    set_name: str = ""
    about: tuple[str, ...] = ()


class KeptRows:
    """Rows by what they were made from, made anew when that is another object: most of a large estate stays as it is."""

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self._rows: dict[str, tuple[object, tuple[Row, ...]]] = {}
        self._aged: dict[str, tuple[tuple[object, ...], datetime, tuple[Row, ...]]] = {}

    def aged(self, top: str, sources: tuple[object, ...], now: datetime, make: Callable[[], Iterator[Row]]) -> tuple[Row, ...]:
        """The rows below `top`, which tell ages besides: made anew also when they are a few seconds old."""
        known = self._aged.get(top)
        if known is None or now - known[1] >= FRESH or any(a is not b for a, b in zip(known[0], sources, strict=True)):
            known = self._aged[top] = (sources, now, tuple(make()))
        return known[2]

    def of(self, top: str, source: object, make: Callable[[], Iterator[Row]]) -> tuple[Row, ...]:
        """The rows below `top`, which depend on `source` alone."""
        known = self._rows.get(top)
        if known is None or known[0] is not source:
            known = self._rows[top] = (source, tuple(make()))
        return known[1]


def estate_rows(state: ViewState, settings: Settings, now: datetime, kept: KeptRows | None = None) -> list[Row]:
    """The start screen's tree: sets with the source's groups, then hosts; ages as of `now`. `kept` is from the last time."""
    kept = kept or KeptRows()
    out = [Row("sets", 0, "Sets", HEAD)]
    for one in settings.sets.values():
        name, found = one.name, state.sets.get(one.name)
        shown = (found, name in state.measuring, state.seen.get(name), state.trends.get(name))
        out += kept.aged(name, shown, now, partial(_set_rows, state, one, now))
        if found is not None:
            out += kept.of(f"set/{name}", found, partial(_groups_of, f"set/{name}", one, found.estate))
    out.append(Row("hosts", 0, "Hosts", HEAD))
    for name in settings.hosts:
        measured = state.hosts.get(name)
        out += kept.of(f"host/{name}", measured, partial(_host_rows, name, measured))
    return out


def _set_rows(state: ViewState, one: SetSettings, now: datetime) -> Iterator[Row]:
    """What is told of a set itself, in two lines."""
    top, measured = f"set/{one.name}", state.sets.get(one.name)
    title = f"{one.name}  {one.source} -> {one.target}"
    if measured is None or one.name in state.measuring:
        yield Row(top, 1, f"{title}  measuring ...", DIM, "sets", set_name=one.name, about=("Being measured.",))
        if measured is None:
            return
    else:
        loud = flags(measured, one, state.seen.get(one.name, measured.estate.measured_at), now)
        bad = ended_words(measured)
        tone = BAD if bad or any(not word.startswith(QUIET) for word in loud) else (WARN if loud else "")
        mirrors = mirrors_words(measured.estate.pairs, now, told="pairs" not in measured.estate.errors)
        said = (mirrors, *loud, *bad) if loud else (*bad, mirrors)  # what matters most must be seen on 80 columns
        title = "  ".join((one.name, *said, f"{one.source} -> {one.target}"))
        about = [f"{one.name}: {one.source} -> {one.target}, array {one.array}"]
        about += [f"measured {measured.estate.measured_at:%Y-%m-%d %H:%M:%S} UTC", "", *measured.not_well.values()]
        about += [""] if measured.not_well else []
        if measured.taken_over:
            about += [
                f"{one.target} holds this set: {measured.taken_over}.",
                f"The way back, when {one.source} is up again: F.",
                "",
            ]
        about += [measured.drift.told, ""] if measured.drift is not None else []
        about += [*measured.notes, ""] if measured.notes else []
        about += [f"before: {one.pre_policy.value}", f"after:  {one.post_policy.value}", "", ""]
        told = application_lines(one, measured.estate)
        about += [*told, ""] if told else []
        for part, why in measured.estate.errors.items():
            about += f"{part} could not be measured: {why}".splitlines()
        for finding in measured.findings:
            about += [
                f"{finding.severity.value.upper()} {finding.code} {finding.subject}",
                f"  {finding.sentence}",
                f"  {finding.action}",
            ]
        if not measured.findings:
            about.append("Verification found nothing to say.")
        yield Row(top, 1, title, tone, "sets", True, one.name, tuple(about))
    glance = pending_words(measured.estate.pairs, state.trends.get(one.name, ()), measured.last, now)
    yield Row(
        f"{top}/{GLANCE}", 2, glance, DIM, top, set_name=one.name, about=(glance, *measured.not_well.values(), *measured.notes)
    )


def _groups_of(top: str, one: SetSettings, estate: Estate) -> Iterator[Row]:
    """The source's groups that belong to the set."""
    told = "pairs" not in estate.errors
    pairs = {status.pair.std: status for status in estate.pairs} if told else None
    facts = estate.source
    for group in (g for g in facts.groups if g.name in one.volume_groups) if facts else ():
        yield from _group_rows(top, 2, group, facts, pairs, one.name)


def _host_rows(name: str, measured: HostMeasured | None) -> Iterator[Row]:
    top = f"host/{name}"
    if measured is None:
        yield Row(top, 1, f"{name}  not measured", DIM, "hosts", about=(f"{name} was not measured yet.",))
    elif measured.facts is None:
        yield Row(top, 1, f"{name}  COULD NOT BE MEASURED", BAD, "hosts", about=(f"{name}:", *measured.error.splitlines()))
    else:
        facts = measured.facts
        about = (f"{facts.hostname}  {facts.release}", f"measured {facts.measured_at:%Y-%m-%d %H:%M:%S} UTC", "", "Devices:",
                 *(f"  {d.path}  {d.serial or 'no serial'}  {size_words(d.size)}{'' if d.readable else '  NOT READY'}" for d in facts.devices),
                 *(("", "The volume manager says:", *facts.warnings) if facts.warnings else ()))  # fmt: skip
        yield Row(top, 1, f"{name}  {facts.hostname}  {len(facts.devices)} devices", "", "hosts", bool(facts.groups), "", about)
        for group in facts.groups:
            yield from _group_rows(top, 2, group, facts, None, "")


def _group_rows(
    parent: str, depth: int, group: VolumeGroup, facts: HostFacts | None, pairs: Mapping[str, PairStatus] | None, set_name: str
) -> Iterator[Row]:
    top = f"{parent}/{group.name}"
    told: tuple[str, ...] = ("It is not active there, so that what is in it cannot be read.",)
    size, tone = "NOT ACTIVE", WARN
    if group.readable:
        told = (f"UUID {group.uuid}", f"sequence number {group.seqno}", f"size {size_words(group.size)}")
        size, tone = size_words(group.size), ""
    yield Row(top, depth, f"{group.name}  {size}", tone, parent, True, set_name, (f"volume group {group.name}", *told))
    for physical in group.physical:
        yield _device_row(top, depth + 1, physical, pairs, set_name)
    for volume in (v for v in group.volumes if not v.hidden):
        yield _volume_row(top, depth + 1, group, volume, facts, set_name)


def _device_row(top: str, depth: int, physical: PhysicalVolume, pairs: Mapping[str, PairStatus] | None, set_name: str) -> Row:
    serial = physical.device_serial or "no serial"
    about = [
        f"standard device {serial}",
        f"path now {physical.path}",
        f"size {size_words(physical.size) if physical.size else 'unknown'}",
        f"physical volume {physical.uuid or 'unknown'}",
    ]
    if pairs is None and set_name:
        about += ["", "The array did not tell the state of its pair; see the set for the reason."]
        text = f"[?] NOT MEASURED  {serial}  {physical.path}"
        return Row(f"{top}/{serial}", depth, text, WARN, top, False, set_name, tuple(about))
    if pairs is None:
        return Row(f"{top}/{serial}", depth, f"{serial}  {physical.path}", "", top, False, set_name, tuple(about))
    status = pairs.get(physical.device_serial)
    if status is None:
        about += ["", "UNPAIRED: no BCV mirrors this device. A copy of the group would not be whole."]
        return Row(
            f"{top}/{serial}", depth, f"[-] UNPAIRED  {serial}  {physical.path}", BAD, top, False, set_name, tuple(about)
        )
    about += ["", f"BCV {status.pair.bcv}", pair_words(status), f"BCV visible to hosts: {_yes(status.ready)}"]
    about += [f"tracks pending: {_count(status.std_tracks)} on the standard, {_count(status.bcv_tracks)} on the BCV"]
    tone = STATE_TONE[status.state.value]
    return Row(
        f"{top}/{serial}",
        depth,
        f"{pair_words(status, short=True)}  {serial} > {status.pair.bcv}",
        tone,
        top,
        False,
        set_name,
        tuple(about),
    )


def _yes(value: bool | None) -> str:
    return "unknown" if value is None else ("yes" if value else "no")


def _count(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _volume_row(top: str, depth: int, group: VolumeGroup, volume: LogicalVolume, facts: HostFacts | None, set_name: str) -> Row:
    on = facts.filesystem(group.name, volume.name) if facts else None
    where = f"  {on.kind} {on.mount_point or '(not mounted)'}" if on else ""
    about = [
        f"logical volume {volume.name} ({volume.kind})",
        f"size {size_words(volume.size)}",
        f"on {', '.join(volume.devices) or 'unknown'}",
    ]
    if on:
        about += [
            f"filesystem {on.kind}  {on.uuid}",
            f"used {size_words(on.used)} of {size_words(on.size)}" if on.mounted else "not mounted",
        ]
    about += ["", f"CANNOT BE CLONED: {volume.refusal}"] if volume.refusal else []
    return Row(
        f"{top}/{volume.name}",
        depth,
        f"{volume.name}{where}",
        BAD if volume.refusal else "",
        top,
        False,
        set_name,
        tuple(about),
    )


def visible(rows: list[Row], closed: frozenset[str], needle: str) -> list[Row]:
    """The rows that are drawn: without what is folded away, or those that hold the needle with what they belong to."""
    if needle:
        by_id = {row.id: row for row in rows}
        keep: set[str] = set()
        for row in rows:
            if needle.lower() in row.text.lower():
                at: str = row.id
                while at and at not in keep:
                    keep.add(at)
                    at = by_id[at].parent if at in by_id else ""
        return [row for row in rows if row.id in keep]
    if not closed:
        return rows
    hidden: set[str] = set()
    out = []
    for row in rows:
        if row.parent in hidden or row.parent in closed:
            hidden.add(row.id)
        else:
            out.append(row)
    return out


def plan_rows(plan: Plan, run: RunView | None = None) -> Iterator[Row]:
    """The steps of a plan in the order in which they run, each stretch below its phase; with a run, how each stands."""
    for number, (phase, steps) in enumerate(plan.stretches):
        top = f"phase/{number}"
        yield Row(top, 0, phase.value.upper(), HEAD)
        for step in steps:
            mark, tone, after = ("o", "", "") if run is None else _standing(run, step.id)
            yield Row(step.id, 1, f"{mark} {step.title}{after}", tone, top)
    if run is not None and run.taken_back:
        yield Row("phase/back", 0, "TAKEN BACK", HEAD)
        for step_id in run.taken_back:
            mark, tone, after = _standing(run, step_id)
            yield Row(step_id, 1, f"{mark} {step_id.removeprefix('undo-')}{after}", tone, "phase/back")


def _standing(run: RunView, step_id: str) -> tuple[str, str, str]:
    view = run.steps.get(step_id)
    if step_id == run.paused:
        return ">", WARN, "  waits for you"
    if view is None:
        return ("o", DIM, "") if run.end is None else ("-", DIM, "  not run")
    if view.outcome is None:
        return ">", NOTE, "  ..."
    mark, tone = OUTCOME_MARKS[view.outcome]
    word = "" if view.outcome is Outcome.OK else f"  {view.outcome.value.upper()}"
    return mark, tone, f"{word}  {view.seconds:.1f} s"


def log_line(row: LogRow) -> str:
    """One command of the activity log."""
    effect = "CHANGE" if row.command.effect.value == "change" else "read"
    end = "..." if row.status is None else f"{row.status.value} {row.seconds:.2f} s"
    return line(f"{row.at:%H:%M:%S}  {row.command.host:<10} {effect:<6} {row.command.title}  {end}  {row.note}".rstrip())


def log_lines(state: ViewState, last: int) -> list[str]:
    """The end of the activity log: a line a command."""
    return [log_line(row) for row in state.log[-last:]]
