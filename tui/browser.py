"""The console below `splitmount serve`: a browser at the other end of two pipes, instead of a terminal."""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.facade import Facade
    from tui.later import LateEngine

HUNG_UP = 129  # as a shell tells of a process that a hang-up ended
DRIVER = "TEXTUAL_DRIVER"


def in_browser() -> bool:
    """Whether this process was started for a browser; its server says so in the environment."""
    return os.environ.get(DRIVER, "").endswith(":WebDriver")


def end_with_the_server(engine: Facade | LateEngine) -> None:
    """End this process when the server is gone, however it ended: nobody could see or stop it any more.

    A thread, since the framework's own loop may hang on a pipe that is broken. Runs reach a safe end first.
    """
    threading.Thread(target=_wait, args=(engine,), name="server", daemon=True).start()


def _wait(engine: Facade | LateEngine) -> None:
    pipe = select.poll()
    pipe.register(sys.__stdin__.fileno() if sys.__stdin__ else 0, 0)  # no event is asked for: a hang-up is told anyway
    pipe.poll()
    engine.close()
    os._exit(HUNG_UP)
