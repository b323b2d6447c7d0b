"""Keys one by one: each is done with before the next is looked at, so that none of a burst acts on another place than it was meant for.

What arrives together (a paste, typing ahead, a slow line) is one burst. `/` opens a line: what follows it goes into that line.
A question takes no key that was pressed before it was on the screen.
"""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.geometry import Region
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Input

BURST = (events.Key, events.MouseDown, events.MouseUp, events.MouseScrollDown, events.MouseScrollUp, events.Paste)
ALWAYS = "escape"  # leaves a question, also one that nobody has seen yet
LOST = 2.0  # seconds after which a key counts as done whose end never came: what it went to is gone
LAPS = 2  # the first comes after the key, the second after what the key itself has sent


class Drawn(Screen[Any]):
    """A screen that knows since when it is to be seen."""

    QUESTION: ClassVar[bool] = False  # whether a key may say yes to something here
    drawn_at: float | None = None
    _hidden = False

    def render_lines(self, crop: Region) -> list[Strip]:
        """Its lines as they go to the terminal: no answer to them can have come before."""
        self._drawn()
        return super().render_lines(crop)

    def on_screen_suspend(self) -> None:
        """Another one is on top."""
        self._hidden = True

    def on_screen_resume(self) -> None:
        """It is on top, for the first time or again; the app learns when it was drawn."""
        if self._hidden:
            self.drawn_at, self._hidden = None, False
        self.call_after_refresh(self._drawn)

    def _drawn(self) -> None:
        if not self._hidden and self.drawn_at is None:
            self.drawn_at = Message().time
            if isinstance(self.app, TypedApp):
                self.app.call_later(self.app.type_on)


class Passed(Message, namespace="typed"):
    """Runs after a key on the key's own way up to the app."""

    def __init__(self, lap: int) -> None:
        """`lap` counts from 1."""
        super().__init__()
        self.lap = lap


class TypedApp(App[int]):
    """An app that takes keys one by one."""

    def __init__(self) -> None:
        """Nothing was typed."""
        super().__init__()
        self._typed: deque[events.Event] = deque()
        self._target: MessagePump | None = None  # where the key went that is not done yet
        self._since = 0.0

    @property
    def ready(self) -> bool:
        """Whether a key can be taken: the page is drawn."""
        return getattr(self.screen, "drawn_at", 0.0) is not None

    @property
    def occupied(self) -> bool:
        """Whether a person is writing or is being asked: nothing may open of itself above that."""
        return isinstance(self.focused, Input) or getattr(self.screen, "QUESTION", False)

    async def on_event(self, event: events.Event) -> None:
        """What a person does waits for its turn."""
        if isinstance(event, BURST) and not event.is_forwarded:
            self._typed.append(event)
            await self.type_on()
        else:
            await super().on_event(event)

    async def type_on(self) -> None:
        """Take what waits, as far as it can be taken now."""
        while self._typed and self._target is None and self.ready:
            event = self._typed.popleft()
            if not too_early(event, self.screen):
                await self._take(event)

    async def _take(self, event: events.Event) -> None:
        if not isinstance(event, events.Key):
            await super().on_event(event)
            return
        self._target, self._since = self.focused or self.screen, Message().time
        target = self._target
        await super().on_event(event)
        if not target.post_message(Passed(1)):
            self._target = None

    async def on_typed_passed(self, message: Passed) -> None:
        """A key has come to its end; or what it sent has."""
        if self._target is None or (message.lap < LAPS and self._target.post_message(Passed(message.lap + 1))):
            return
        self._target = None
        self.call_later(self.type_on)  # after what the key has left to the app

    def type_what_is_left(self) -> None:
        """To be called now and then: a key whose place is gone never tells its end."""
        if self._target is not None and (not self._target.is_attached or Message().time - self._since > LOST):
            self._target = None
        if self._typed:
            self.call_later(self.type_on)


def too_early(event: events.Event, screen: Screen[Any]) -> bool:
    """Whether it was pressed before a question was on the screen, and so is no answer to it."""
    if not getattr(screen, "QUESTION", False) or (isinstance(event, events.Key) and event.key == ALWAYS):
        return False
    return event.time < getattr(screen, "drawn_at", 0.0)
