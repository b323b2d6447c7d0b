"""When to look at the mirrors of which set: one at a time, seldom, never during a run, and less often where it fails. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

LONGEST = 600.0  # seconds between two looks at a set whose looks fail


@dataclass(slots=True)
class Watch:
    """`every` is in seconds, 0 for never; times are of a monotonic clock, in seconds."""

    every: float
    on: bool = True
    under_way: str = ""
    _due: dict[str, float] = field(default_factory=dict)
    _wait: dict[str, float] = field(default_factory=dict)

    def next(self, now: float, sets: Iterable[str], *, busy: bool) -> str:
        """The set to look at now, or none; a set that is new is due after one interval, for it was just measured."""
        if not self.on or not self.every or busy or self.under_way:
            return ""
        for name in sets:
            self._due.setdefault(name, now + self.every)
        due = [(at, name) for name, at in self._due.items() if at <= now]
        if not due:
            return ""
        self.under_way = min(due)[1]
        return self.under_way

    def answered(self, name: str, now: float, *, well: bool) -> None:
        """The look is over; after a failure the next one comes after twice the time."""
        self._wait[name] = self.every if well else min(2 * self._wait.get(name, self.every), max(LONGEST, self.every))
        self._due[name] = now + self._wait[name]
        self.under_way = ""
