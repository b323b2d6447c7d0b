"""The set as a picture: source, its groups and devices, each pair's link, target and repository; during a run as it stands. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from core.events import Outcome, SetMeasured
from core.model import HostFacts, PairState, PairStatus
from core.plan import StepKind
from core.settings import SetSettings
from tui.outline import MARKS, size_words
from tui.rows import BAD, DIM, HEAD, NOTE, STATE_TONE, WARN, Row
from tui.view import RunView, shown_step

# The line between a standard and its BCV: closed where data flows, cut where it does not, with the way it flows.
LINKS: Mapping[PairState, str] = {
    PairState.ESTABLISHED: "=======>", PairState.SPLIT: "==/  /==", PairState.COPYING: "-->-->->", PairState.SPLITTING: "==/==/=>",
    PairState.RESTORING: "<-<--<--", PairState.NEVER: "........", PairState.INVALID: "==!!!!==", PairState.UNKNOWN: "==????==",
}  # fmt: skip
MOVING = (PairState.COPYING, PairState.SPLITTING, PairState.RESTORING)  # only these have a share that is done
NO_LINK, NOT_KNOWN = "   --   ", "==????=="
COLUMNS = (28, 22, 20)  # source, link with its word, and BCV with what the target sees of it
_MOVES: Mapping[StepKind, str] = {StepKind.BACKUP: "==> ", StepKind.VERIFY: "<== ", StepKind.PUT_BACK: "<== "}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the picture in its three columns."""

    source: str
    link: str = ""
    bcv: str = ""
    tone: str = ""

    def text(self, width: int) -> str:
        """In the columns that the width gives; what does not fit ends in `~`."""
        spare = max(0, width - sum(COLUMNS) - 4) // 3
        cells = zip((self.source, self.link, self.bcv), COLUMNS, strict=True)
        return "  ".join(_fit(text, size + spare) for text, size in cells).rstrip()


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}~"


def states_in_run(run: RunView | None, pairs: Mapping[str, PairStatus]) -> dict[str, PairState]:
    """The state of each standard's pair: as it was measured, then as the ended waits of the run have found it since."""
    out = {std: status.state for std, status in pairs.items()}
    for step in run.plan.steps if run else ():
        view = run.steps.get(step.id) if run else None
        if view is not None and view.outcome is Outcome.OK and step.wait is not None and len(step.wait.states) == 1:
            out.update((pair.std, step.wait.states[0]) for pair in step.wait.pairs if pair.std in out)
    return out


@dataclass(frozen=True, slots=True)
class Since:
    """What the run did on the target since it was measured: its steps there that stand, by their id."""

    prefix: str = ""
    steps: frozenset[str] = frozenset()

    def group(self, name: str, measured: str) -> str:
        """What the target has of a group."""
        return "[imported]" if f"import-{name}" in self.steps and measured == "[not imported]" else measured

    def device(self, measured: str) -> str:
        """What the target sees of a BCV."""
        return "visible" if "attach" in self.steps and measured == "not visible" else measured

    def volume(self, group: str, volume: str, point: str | None) -> str:
        """Where it is mounted."""
        return f"   {self.prefix}{point}" if point and f"mount-{group}-{volume}" in self.steps else ""


def since_measured(one: SetSettings, run: RunView | None, measured_at: datetime) -> Since:
    """The steps on the target that ended well since it was measured and were not taken back. What they did is told, not measured."""
    if run is None:
        return Since()
    good = {name: view.started for name, view in run.steps.items() if view.outcome is Outcome.OK}
    there = (s.id for s in run.plan.steps if s.host == one.target and good.get(s.id, measured_at) > measured_at)
    return Since(one.mount.prefix.rstrip("/"), frozenset(name for name in there if f"undo-{name}" not in good))


def picture(one: SetSettings, measured: SetMeasured | None, run: RunView | None, width: int) -> Iterator[Row]:
    """The rows of the picture, `width` columns wide. What was not measured is drawn as unknown."""
    lines = list(_lines(one, measured, run if run and run.plan.set_name == one.name else None))
    for number, line in enumerate(lines):
        yield Row(f"line/{number}", 0, line.text(width), line.tone)


def _lines(one: SetSettings, measured: SetMeasured | None, run: RunView | None) -> Iterator[Line]:
    yield Line(f"SOURCE {one.source}", f"ARRAY {one.array}", f"TARGET {one.target}", HEAD)
    frozen = run is not None and run.frozen_since is not None
    yield Line(*("FROZEN" if frozen else "", "", ""), BAD if frozen else "")
    source = measured.estate.source if measured else None
    if measured is None or source is None:
        yield Line("not measured", NOT_KNOWN, "not measured", WARN)
    else:
        estate = measured.estate
        told = "pairs" not in estate.errors
        pairs = {s.pair.std: s for s in estate.pairs} if told else {}
        since = since_measured(one, run, estate.target.measured_at if estate.target else estate.measured_at)
        yield from _groups(one, source, estate.target, pairs, states_in_run(run, pairs), since, told=told)
    yield Line("", "", "   |")
    yield from _repository(one, run)
    if run is not None:
        yield from _now(run)


def _groups(
    one: SetSettings, source: HostFacts, target: HostFacts | None, pairs: Mapping[str, PairStatus],
    states: Mapping[str, PairState], since: Since, *, told: bool
) -> Iterator[Line]:  # fmt: skip
    for group in (g for g in source.groups if g.name in one.volume_groups):
        bcvs = {pairs[p.device_serial].pair.bcv for p in group.physical if p.device_serial in pairs}
        copies = [g.name for g in target.groups if any(p.device_serial in bcvs for p in g.physical)] if target else []
        copy = f"[{copies[0]}]" if copies else "[not imported]" if target else "[not measured]"
        yield Line(f"[{group.name}]  {size_words(group.size)}", "", since.group(group.name, copy), HEAD)
        for physical in group.physical:
            yield _device(physical.device_serial, physical.path, pairs, states, target, since, told=told)
        for volume in (v for v in group.volumes if not v.hidden):
            on = source.filesystem(group.name, volume.name)
            point = on.mount_point if on else None
            there = since.volume(group.name, volume.name, point)
            yield Line(f"   {volume.name}  {point or ''}".rstrip(), "", there, NOTE if there else DIM)
        yield Line("")


def _device(
    serial: str, path: str, pairs: Mapping[str, PairStatus], states: Mapping[str, PairState], target: HostFacts | None,
    since: Since, *, told: bool
) -> Line:  # fmt: skip
    name = f" {serial or 'no serial'}  {path}"
    status = pairs.get(serial)
    if status is None:
        return Line(name, f"{NO_LINK} UNPAIRED" if told else f"{NOT_KNOWN} unknown", "", BAD if told else WARN)
    state = states[serial]
    share = (
        f" {100 * status.copied // status.to_copy} %"
        if status.to_copy and status.copied is not None and state is status.state and state in MOVING
        else ""
    )
    device = target.device(status.pair.bcv) if target else None
    where = since.device("not measured" if target is None else (device.path if device else "not visible"))
    return Line(
        name, f"{LINKS[state]} {MARKS[state]} {state.value}{share}", f"{status.pair.bcv}  {where}", STATE_TONE[state.value]
    )


def _repository(one: SetSettings, run: RunView | None) -> Iterator[Line]:
    kept = f"{one.backup.driver}:{one.backup.repository}" if one.backup else "none configured"
    here = shown_step(run) if run and run.end is None else None
    moving = _MOVES.get(here.kind, "") if here else ""
    share = (
        f" {100 * run.progress.done // run.progress.total} %" if moving and run and run.progress and run.progress.total else ""
    )
    yield Line("", "", f"{moving or '   '}REPOSITORY{share}", NOTE if moving else HEAD)
    yield Line("", "", f"   {kept}")


def _now(run: RunView) -> Iterator[Line]:
    here = shown_step(run)
    yield Line("")
    if run.end is not None:
        yield Line(f"run {run.run} has ended: {run.end.outcome.value}", tone=NOTE if run.end.outcome is Outcome.OK else BAD)
    elif here is not None:
        yield Line(f"run {run.run}, {here.phase.value}:", here.title, "", NOTE)
