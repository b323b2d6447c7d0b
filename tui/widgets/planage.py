"""How long ago a plan was made, as of now: what it says of ages and states is of then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from textual.widgets import Static

from core.ages import age_of

if TYPE_CHECKING:
    from tui.app import Console

LATE = timedelta(minutes=2)
BEAT = 1.0


def planned_words(made_at: datetime, now: datetime) -> str:
    """When the plan was made, how long ago that is; and when that is long, what it means."""
    age = now - made_at
    told = f"planned at {made_at:%H:%M:%S} UTC, {age_of(age)} ago"
    return f"{told}: ages and states are of then; Esc, and plan again" if age > LATE else told


class PlanAge(Static):
    """A line that grows older while it is looked at; in the colour of warnings once it is old."""

    def __init__(self, made_at: datetime) -> None:
        """Of one plan."""
        super().__init__(classes="planned")
        self._made_at = made_at

    def on_mount(self) -> None:
        """Now, and as time passes."""
        self.tell()
        self.set_interval(BEAT, self.tell)

    def tell(self) -> None:
        """Draw it as of now."""
        now = cast("Console", self.app).clock()
        words = planned_words(self._made_at, now)
        self.set_class(now - self._made_at > LATE, "-late")
        if words != str(self.content):
            self.update(words)
