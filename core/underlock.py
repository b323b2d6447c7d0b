"""Every change of a run happens under its lock: asked for in the shell of the change, or right before it where no lock is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.errors import CommandFailed, Refused, TransportError
from core.hosts import HostRef
from core.locks import fence, locked, still_mine
from core.plan import Plan, Step, StepKind
from core.transport import Channel, Command, Effect, Result, Status, Transport

_NOT_OURS = 90  # exit status of the fence
_ELSEWHERE = frozenset({StepKind.QUIESCE, StepKind.HOLD, StepKind.BACKUP, StepKind.PUT_BACK, StepKind.FORGET})


@dataclass(frozen=True, slots=True)
class UnderLock:
    """The lock of one run: the hosts that keep it, and whose it is."""

    plan: Plan
    places: tuple[HostRef, ...]
    key: str
    console: str

    def fenced(self, step: Step, command: Command) -> Command:
        """The change as it is sent: on a host that keeps the lock it asks for it in its own shell, before anything else."""
        ref = next((r for r in self.places if r.name == command.host), None)
        if ref is None or not _is_change(step) or not locked(self.plan):
            return command
        return replace(command, prelude=fence(ref, self.plan.set_name, self.key, self.console) + command.prelude)

    async def ensure(self, transport: Transport, step: Step, *, paused: bool) -> None:
        """Before a change in a place that keeps no lock, and before any step after a pause: is the lock still this run's?

        Refused when a host says no. CommandFailed when one cannot be asked, unless the step takes something back.
        """
        if not locked(self.plan) or step.kind is StepKind.OWN_FILES or not (paused or self._elsewhere(step)):
            return
        unknown = list[str]()
        for ref in self.places:
            said = await _ask(transport, still_mine(ref, self.plan.set_name, self.key, self.console))
            if isinstance(said, Result) and said.exit_status == _NOT_OURS:
                raise Refused(f"{ref.name}: {said.stderr.strip()}")
            if isinstance(said, str) or said.status is not Status.OK:
                unknown.append(f"{ref.name}: {said if isinstance(said, str) else said.reason or said.stderr.strip()}")
        if unknown and not step.undoes:
            raise CommandFailed(f"whether {self.plan.set_name} is still locked by this run is not known: {'; '.join(unknown)}")

    def _elsewhere(self, step: Step) -> bool:
        """Whether it is a change that no shell on a lock's host can fence."""
        if step.command is None or not _is_change(step):
            return step.kind in _ELSEWHERE
        return step.command.channel is not Channel.SHELL or step.host not in {ref.name for ref in self.places}


def _is_change(step: Step) -> bool:
    return step.kind is StepKind.COMMAND and step.command is not None and step.command.effect is Effect.CHANGE


async def _ask(transport: Transport, read: Command) -> Result | str:
    """The answer to a read, over a new connection where one was lost; or why there is none."""
    said = ""
    for _ in range(3):
        try:
            result = await transport.run(read)
            if result.status is not Status.UNKNOWN:
                return result
            said = result.reason
            await transport.reconnect(read.host)
        except TransportError as error:
            said = str(error)
    return said
