"""The engine comes after the first page: SSH, the journal and the drivers are not needed to draw what the configuration says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

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
