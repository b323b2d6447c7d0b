"""Any application, by commands of the configuration. The contract: 0 is done, 90 is refused with nothing changed, others failed."""

from __future__ import annotations

import shlex

from core.applications.base import CopyPlace
from core.applications.database import no_time
from core.applications.held import held_shell
from core.explain import EXPLAIN
from core.hosts import HostRef
from core.model import ApplicationFacts, ApplicationFile
from core.plan import Phase, Step, StepKind
from core.settings import ApplicationSettings
from core.transport import Command, Effect, Guard, Result

_STATES = {0: "running", 1: "stopped"}


class CommandsDriver:
    """Each verb is one command; an empty one is not done."""

    def __init__(self, settings: ApplicationSettings) -> None:
        """The configuration has refused what its allow-list does not name."""
        self._settings = settings

    @property
    def name(self) -> str:
        """See `ApplicationDriver`."""
        return self._settings.name

    @property
    def seconds(self) -> int:
        """See `ApplicationDriver`."""
        return self._settings.seconds

    @property
    def tries_copy(self) -> bool:
        """With a command for it."""
        return bool(self._settings.rehearse)

    def look(self, host: HostRef) -> Command | None:
        """The command `running`, which is a read."""
        text = self._settings.running
        return Command(host.name, f"ask for {self.name}", text + "\n") if text else None

    def parse_look(self, host: HostRef, result: Result) -> ApplicationFacts:
        """By its exit status alone: 0 runs, 1 does not; anything else is told as it is."""
        odd = f"ended with {result.exit_status}: {result.stderr.strip()}"
        state = _STATES.get(result.exit_status if result.exit_status is not None else -1, odd)
        return self.parse_silence(state)

    def parse_silence(self, why: str) -> ApplicationFacts:
        """The files are those that the configuration names, whatever its state."""
        files = tuple(ApplicationFile("files", path) for path in self._settings.files)
        return ApplicationFacts(self.name, why, files=files or None)

    def hold(self, host: HostRef) -> Command | None:
        """The held shell around `quiesce` and `release`; a timer runs the release when nobody asks for it in time."""
        app = self._settings
        if not app.quiesce:
            return None
        text = held_shell(app.quiesce, app.release, app.seconds)
        title = f"quiesce {self.name}"
        return Command(host.name, title, text, Effect.CHANGE, timeout=app.timeout, guard=Guard.APPLICATION)

    def on_copy(self, host: HostRef, place: CopyPlace) -> list[Step]:
        """The one command `rehearse`, with the place of the copy in $PREFIX."""
        app = self._settings
        if not app.rehearse:
            return []
        text = f"PREFIX={shlex.quote(place.prefix)}; export PREFIX\n{app.rehearse}\n"
        command = Command(
            host.name, f"try {app.name}", text, Effect.CHANGE, timeout=max(3600, app.timeout), guard=Guard.APPLICATION
        )
        title = f"Try {app.name} on the copy"
        return [
            Step("try-application", Phase.START, StepKind.COMMAND, title, host.name, EXPLAIN["rehearse-application"], command)
        ]

    def sweep(self, host: HostRef, prefix: str, points: tuple[str, ...]) -> None:
        """Nothing is known to be in the way."""

    def recover(self, host: HostRef, to: str) -> None:
        """Its own start recovers it, as far as that goes."""
        no_time(self.name, to)

    def verb(self, verb: str, host: HostRef) -> Command | None:
        """The command of that name; a check is a read."""
        text = {"stop": self._settings.stop, "start": self._settings.start, "check": self._settings.check}[verb]
        effect = Effect.READ if verb == "check" else Effect.CHANGE
        guard = Guard.APPLICATION if effect is Effect.CHANGE else Guard.NONE
        if not text:
            return None
        return Command(host.name, f"{verb} {self.name}", text + "\n", effect, timeout=self._settings.timeout, guard=guard)
