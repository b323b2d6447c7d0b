"""The engine comes after the first page: SSH, the journal and the drivers are not needed to draw what the configuration says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App

from core.errors import SplitmountError

if TYPE_CHECKING:
    from core.facade import Facade
    from core.settings import Settings

BETWEEN_KEYS = 0.03
WAITING = (events.Key, events.MouseDown, events.MouseUp, events.MouseScrollDown, events.MouseScrollUp, events.Paste)


@dataclass(slots=True)
class LateEngine:
    """An engine that is not made yet, and what is known of it before. Thread-safe: whoever ends the process may close it meanwhile."""

    settings: Settings
    read_only: bool
    make: Callable[[], Facade]
    _engine: Facade | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def made(self) -> Facade:
        """The engine; made by the first who asks. Raises what making it raises."""
        with self._lock:
            if self._engine is None:
                self._engine = self.make()
            return self._engine

    def close(self) -> None:
        """Close it when it was made."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()


class LateApp(App[int]):
    """An app with an engine that is there at once, or comes after the first page."""

    def __init__(self, engine: Facade | LateEngine) -> None:
        """Nothing is asked of the engine yet."""
        super().__init__()
        self._engine = engine
        self._typed: list[events.Event] = []
        self._waiting: list[tuple[Future[Any], Callable[[], None]]] = []
        self.failure: SplitmountError | None = None  # why the engine could not be made

    @property
    def there(self) -> bool:
        """Whether the engine is there."""
        return not isinstance(self._engine, LateEngine)

    @property
    def engine(self) -> Facade:
        """The engine, which is there before the first key is."""
        assert not isinstance(self._engine, LateEngine)  # noqa: S101  `on_event` sees to it
        return self._engine

    @property
    def settings(self) -> Settings:
        """The configuration, also before the engine is there."""
        return self._engine.settings

    @property
    def read_only(self) -> bool:
        """Whether every change is refused."""
        return self._engine.read_only

    def with_engine(self, act: Callable[[], None]) -> None:
        """Do what begins with the engine: soon where it is there, else when the page is drawn and it is made."""
        if isinstance(self._engine, LateEngine):
            self.call_after_refresh(self._make, self._engine, act)
        else:
            self.call_later(act)

    def _make(self, late: LateEngine, act: Callable[[], None]) -> None:
        """Make the engine beside the page; a console whose engine cannot be made ends, and its caller says why."""
        maker = ThreadPoolExecutor(1, "maker")
        future = maker.submit(late.made)
        maker.shutdown(wait=False)

        def there() -> None:
            try:
                self._engine = future.result()
            except SplitmountError as error:
                self.failure = error
                self.exit(error.exit_code)
                return
            act()
            self.call_next(self._type)

        self.when_done(future, there)

    async def on_event(self, event: events.Event) -> None:
        """What a person does before the engine is there waits for it, in its order."""
        early = isinstance(self._engine, LateEngine) or self._typed
        if early and isinstance(event, WAITING) and not event.is_forwarded:
            self._typed.append(event)
        else:
            await super().on_event(event)

    async def _type(self) -> None:
        """Do what waited, at a person's speed: a key may bring the line to which the next one goes."""
        while self._typed:
            event = self._typed[0]
            await super().on_event(event)
            del self._typed[0]
            if isinstance(event, events.Key) and self._typed:
                self.set_timer(BETWEEN_KEYS, self._type)
                return

    def when_done(self, future: Future[Any], act: Callable[[], None]) -> None:
        """Call `act` on the screen's own loop when the engine has answered."""
        self._waiting.append((future, act))

    def see_answers(self) -> None:
        """Do what waited for answers that have come."""
        ready = [pair for pair in self._waiting if pair[0].done()]
        self._waiting = [pair for pair in self._waiting if not pair[0].done()]
        for _, act in ready:
            act()

    def close_engine(self) -> None:
        """Close it, where there is one; one that is being made is waited for."""
        self._engine.close()
