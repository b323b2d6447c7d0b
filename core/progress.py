"""Rates and remaining times from progress reports: one place, so that every driver only counts bytes."""

from __future__ import annotations

from collections import deque


class Rate:
    """Bytes a second over the last `window` seconds of reports, and the seconds that remain at that rate."""

    def __init__(self, window: float = 10.0) -> None:
        """Start without reports: rate and remaining time are unknown until there are two."""
        self._window = window
        self._seen: deque[tuple[float, int]] = deque()

    def report(self, at: float, done: int, total: int | None) -> tuple[float | None, float | None]:
        """Take a report at a monotonic time in seconds; (bytes a second, seconds left), None where not known."""
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((at, done))
        while len(self._seen) > 2 and at - self._seen[0][0] > self._window:
            self._seen.popleft()
        began, first = self._seen[0]
        if at <= began or done <= first:
            return None, None
        rate = (done - first) / (at - began)
        return rate, None if total is None else max(0.0, (total - done) / rate)
