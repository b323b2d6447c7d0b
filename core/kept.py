"""What the newest kept map of a set tells of it as it is now: the findings of verification, and the drift since."""

from __future__ import annotations

from collections.abc import Mapping

from core.checks import verify
from core.drift import NO_RUN, differences, inactive
from core.errors import ConfigError
from core.maps import MapKeeper
from core.model import Drift, Estate, Finding, Severity
from core.settings import SetSettings


def findings_by(
    maps: MapKeeper, settings: SetSettings, estate: Estate, work_dir: str, stopped: Mapping[str, int] = NO_RUN
) -> tuple[Finding, ...]:
    """What verification says, the newest kept map compared; a map that cannot be read is a finding, never ignored."""
    try:
        kept = maps.newest(settings.name)
    except ConfigError as damaged:
        sentence = f"The newest kept map cannot be read: {damaged}."
        action = "Look at the file; a new map is kept by: splitmount map " + settings.name
        finding = Finding("MAP_DAMAGED", Severity.WARNING, settings.name, sentence, action)
        return (*verify(settings, estate, None, work_dir, stopped), finding)
    return verify(settings, estate, kept, work_dir, stopped)


def drift_of(maps: MapKeeper, settings: SetSettings, estate: Estate, stopped: Mapping[str, int] = NO_RUN) -> Drift:
    """How a set stands to its newest kept map; unknown, with the reason, where that map or the source cannot be read.

    `stopped` are the groups that a run without an end took out of use, with its number.
    """
    try:
        kept = maps.newest_sides(settings.name)
    except ConfigError as damaged:
        return Drift(None, f"drift unknown: the newest kept map cannot be read: {damaged}")
    if kept is None:
        return Drift(None, "no kept map")
    at = kept[0].measured_at
    if estate.source is None:
        why = (estate.errors.get("source") or "it was not asked").splitlines()[0]
        return Drift(at, f"{settings.source} does not answer: {why}")
    idle = inactive(estate.source, settings, stopped)
    idle = {name: why for name, why in idle.items() if name not in estate.damaged}
    unknown = "; ".join(f"{name} {why}" for name, why in idle.items())
    return Drift(at, unknown, differences(*kept, estate.source, settings, estate.damaged, idle))
