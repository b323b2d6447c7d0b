"""An age in words, the same wherever one is shown. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

_UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60))


def age_then(at: datetime, now: datetime) -> str:
    """A time, with its age as it was `now`: for a text that is read later, when the age is another."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC, {age_of(now - at)} old when this was planned at {now:%H:%M:%S}"


def age_of(span: timedelta) -> str:
    """An age in the largest unit that says something."""
    seconds = span.total_seconds()
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
