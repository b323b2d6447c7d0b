"""An age in words, the same wherever one is shown. Pure."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60))


def age_of(span: timedelta) -> str:
    """An age in the largest unit that says something."""
    seconds = span.total_seconds()
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
