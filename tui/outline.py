"""What was measured, as an outline in plain text: for the command line, and for whoever reads its output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from core.applications.placement import outside
from core.events import HostMeasured, SetMeasured
from core.model import Estate, HostFacts, PairState, PairStatus, VolumeGroup
from core.settings import SetSettings, Settings

# The mark of each state: a letter that is told apart without colour, and the word.
MARKS: Mapping[PairState, str] = {
    PairState.ESTABLISHED: "=",
    PairState.SPLIT: "/",
    PairState.COPYING: ">",
    PairState.SPLITTING: "/",
    PairState.RESTORING: "<",
    PairState.NEVER: ".",
    PairState.INVALID: "!",
    PairState.UNKNOWN: "?",
}


def pair_words(status: PairStatus, *, short: bool = False) -> str:
    """A pair's state: mark, word, how far; and unless `short`, when it was split, what is pending, what is odd."""
    words = f"[{MARKS[status.state]}] {status.state.value}"
    moving = status.state in (PairState.COPYING, PairState.SPLITTING, PairState.RESTORING)
    if moving and status.to_copy and status.copied is not None:
        words += f" {100 * status.copied // status.to_copy} %"
    if short:
        return words
    if status.split_at is not None:
        words += f" at {status.split_at:%Y-%m-%d %H:%M:%S} UTC"
    if status.std_tracks is not None and status.state is PairState.SPLIT:
        words += f", tracks pending {status.std_tracks} STD, {status.bcv_tracks if status.bcv_tracks is not None else '?'} BCV"
    return words + (f" ({status.note})" if status.note else "")


def group_lines(
    group: VolumeGroup, facts: HostFacts, pairs: Mapping[str, PairStatus] | None, without: str = "  [-] UNPAIRED"
) -> list[str]:
    """A group: its devices with their pairs (`without` stands for one that has none), its volumes with what is on them."""
    out = [f"  group {group.name}  {group_words(group)}"]
    for physical in group.physical:
        status = pairs.get(physical.device_serial) if pairs is not None else None
        state = "" if pairs is None else f"  {pair_words(status)}  BCV {status.pair.bcv}" if status else without
        size = size_words(physical.size) if group.readable else "size unknown"
        out.append(f"    device {physical.device_serial or 'no serial'}  {physical.path}  {size}{state}")
    for volume in group.volumes:
        if not volume.hidden:
            on = facts.filesystem(group.name, volume.name)
            what = f"  {on.kind} {on.mount_point or '(not mounted)'}" if on else ""
            refusal = f"  REFUSED: {volume.refusal}" if volume.refusal else ""
            out.append(f"    volume {volume.name}  {volume.kind}  {size_words(volume.size)}{what}{refusal}")
    return out


def group_words(group: VolumeGroup) -> str:
    """Size and identity; of one that its host tells nothing of, that."""
    if not group.readable:
        return "NOT ACTIVE, what is in it cannot be read"
    return f"{size_words(group.size)}  seqno {group.seqno}  {group.uuid}"


def host_lines(measured: HostMeasured) -> list[str]:
    """One host."""
    if measured.facts is None:
        first, *more = f"host {measured.host}: could not be measured: {measured.error}".splitlines()
        return [first, *(f"  {line}" for line in more)]
    facts = measured.facts
    out = [f"host {facts.host}  {facts.hostname}  {facts.release}  measured {facts.measured_at:%H:%M:%S} UTC"]
    for group in facts.groups:
        out += group_lines(group, facts, None)
    return out


def application_lines(one: SetSettings, estate: Estate) -> list[str]:
    """What works on the set, what of it lies outside, how far it is, and of when the mirrors are; nothing where there is none."""
    if one.application is None:
        return []
    facts = estate.facts
    lines = [f"application {one.application.name} ({one.application.driver}): {estate.application or 'not asked'}"]
    if facts is None or facts.files is None or estate.source is None:
        lines.append("  where its files lie is not known")
    else:
        lost = outside(facts, estate.source, one.volume_groups)
        lines += [f"  OUTSIDE THE SET: {f.what} {f.path}" for f in lost] or ["  all its files lie on the set"]
        kinds = Counter(f.what for f in facts.files)
        lines.append(f"  files: {', '.join(f'{count} {what}' for what, count in kinds.items())}")
        if spaces := sorted({f.of for f in facts.files if f.of}):
            lines.append(f"  tablespaces: {', '.join(spaces)}")
    if facts is not None and facts.version:
        lines.append(f"  version {facts.version}, identity {facts.identity}")
        lines.append(f"  last known position: {facts.position or 'unknown'}")
    at = [s.split_at for s in estate.pairs if s.state is PairState.SPLIT and s.split_at is not None]
    whole = bool(at) and len(at) == len(estate.pairs) and len({s.split_id for s in estate.pairs}) == 1
    when = f"{min(at):%Y-%m-%d %H:%M:%S} UTC" if whole else "no point in time: the mirrors are not split as one"
    return [*lines, f"  the copy is consistent as of: {when}"]


def set_lines(settings: Settings, measured: SetMeasured) -> list[str]:
    """One set: the source's tree with the pairs, and what verification found."""
    estate, one = measured.estate, settings.sets[measured.set_name]
    out = [
        f"set {measured.set_name}  {one.source} -> {one.target}  array {one.array}  measured {estate.measured_at:%H:%M:%S} UTC"
    ]
    out += [f"  {told}" for part, why in estate.errors.items() for told in f"{part} could not be measured: {why}".splitlines()]
    if measured.taken_over:
        out.append(f"  {measured.taken_over}; the way back: splitmount run failback {measured.set_name}")
    out += [f"  {note}" for note in (*measured.not_well.values(), *measured.notes)]
    out += [f"  {told}" for told in application_lines(one, estate)]
    if measured.drift is not None:
        out.append(f"  {measured.drift.told}")
        out += [
            f"    {d.code} {d.subject}: was {d.was or 'nothing'}; is {d.now or 'nothing'}" for d in measured.drift.differences
        ]
    pairs = {status.pair.std: status for status in estate.pairs}
    if estate.source is not None:
        for group in (g for g in estate.source.groups if g.name in one.volume_groups):
            without = "  [?] NOT MEASURED" if "pairs" in estate.errors else "  [-] UNPAIRED"
            out += group_lines(group, estate.source, pairs, without)
    for finding in measured.findings:
        out.append(
            f"  {finding.severity.value}: {finding.code} {finding.subject}: {finding.sentence} {finding.action}".rstrip()
        )
    return out


def size_words(size: int) -> str:
    """Bytes in the unit that reads best."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return str(size)
