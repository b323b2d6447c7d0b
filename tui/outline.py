"""What was measured, as an outline in plain text: for the command line, and for whoever reads its output."""

from __future__ import annotations

from collections.abc import Mapping

from core.events import HostMeasured, SetMeasured
from core.model import HostFacts, PairState, PairStatus, VolumeGroup
from core.settings import Settings

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
    out = [f"  group {group.name}  {size_words(group.size)}  seqno {group.seqno}  {group.uuid}"]
    for physical in group.physical:
        status = pairs.get(physical.device_serial) if pairs is not None else None
        state = "" if pairs is None else f"  {pair_words(status)}  BCV {status.pair.bcv}" if status else without
        out.append(f"    device {physical.device_serial or 'no serial'}  {physical.path}  {size_words(physical.size)}{state}")
    for volume in group.volumes:
        if not volume.hidden:
            on = facts.filesystem(group.name, volume.name)
            what = f"  {on.kind} {on.mount_point or '(not mounted)'}" if on else ""
            refusal = f"  REFUSED: {volume.refusal}" if volume.refusal else ""
            out.append(f"    volume {volume.name}  {volume.kind}  {size_words(volume.size)}{what}{refusal}")
    return out


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


def set_lines(settings: Settings, measured: SetMeasured) -> list[str]:
    """One set: the source's tree with the pairs, and what verification found."""
    estate, one = measured.estate, settings.sets[measured.set_name]
    out = [
        f"set {measured.set_name}  {one.source} -> {one.target}  array {one.array}  measured {estate.measured_at:%H:%M:%S} UTC"
    ]
    out += [f"  {told}" for part, why in estate.errors.items() for told in f"{part} could not be measured: {why}".splitlines()]
    out += [f"  {note}" for note in measured.notes]
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
