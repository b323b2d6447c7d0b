"""Ask an application about itself. What cannot be asked is told as its state, never left out."""

from __future__ import annotations

from core.applications.base import ApplicationDriver
from core.errors import SplitmountError
from core.hosts import HostRef
from core.model import ApplicationFacts
from core.transport import Transport


async def look_at(transport: Transport, driver: ApplicationDriver, host: HostRef) -> ApplicationFacts:
    """What the driver makes of its answer; with no way to ask, or no answer, the state says why."""
    command = driver.look(host)
    if command is None:
        return driver.parse_silence("the configuration has no command for it (running)")
    try:
        return driver.parse_look(host, await transport.run(command))
    except SplitmountError as error:
        return driver.parse_silence(str(error))
