"""The engine comes after the first page: SSH, the journal and the drivers are not needed to draw what the configuration says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.errors import SplitmountError
from tui.typed import TypedApp

if TYPE_CHECKING:
    from core.facade import Facade
    from core.settings import Settings


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


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """What is done when an answer has come; `opens` when it brings another page."""

    future: Future[Any]
    act: Callable[[], None]
    opens: bool


class LateApp(TypedApp):
    """An app with an engine that is there at once, or comes after the first page."""

    def __init__(self, engine: Facade | LateEngine) -> None:
        """Nothing is asked of the engine yet."""
        super().__init__()
        self._engine = engine
        self._waiting: list[Waiting] = []
        self.failure: SplitmountError | None = None  # why the engine could not be made

    @property
    def there(self) -> bool:
        """Whether the engine is there."""
        return not isinstance(self._engine, LateEngine)

    @property
    def engine(self) -> Facade:
        """The engine, which is there before the first key is."""
        assert not isinstance(self._engine, LateEngine)  # noqa: S101  `ready` sees to it
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
            self.call_next(self.type_on)

        self.when_done(future, there)

    @property
    def ready(self) -> bool:
        """Whether a key can be taken: the page is drawn, and the engine is there."""
        return self.there and super().ready

    def when_done(self, future: Future[Any], act: Callable[[], None], *, opens: bool = False) -> None:
        """Call `act` on the screen's own loop when the engine has answered.

        What `opens` a page does not open it above a line that is being written or a question: it waits until that is over.
        """
        self._waiting.append(Waiting(future, act, opens))

    def see_answers(self) -> None:
        """Do what waited for answers that have come."""
        for one in [one for one in self._waiting if one.future.done()]:
            if one.opens and self.occupied:
                self.held_back()
            else:
                self._waiting.remove(one)
                one.act()

    def held_back(self) -> None:
        """An answer has come, and waits for the person."""

    def close_engine(self) -> None:
        """Close it, where there is one; one that is being made is waited for."""
        self._engine.close()
