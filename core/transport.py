"""The seam to hosts: a Command is a read or a change, and knows which; a Transport carries it.

Reads execute where they are asked for; changes are only ever built by drivers, shown in a plan, and sent by a run.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Effect(StrEnum):
    """Whether a command can change anything anywhere."""

    READ = "read"
    CHANGE = "change"


class Guard(StrEnum):
    """What keeps a change to what it is meant for: a fence in the same shell, or the reason why it needs none.

    Every change carries one, because a Command that is a change cannot be built without; the plan shows the exemptions.
    """

    NONE = ""
    DEVICES = "each device is found by its serial, in the shell that writes"
    ARRAY = "the array is asked for serials and pair states, in the shell that changes them"
    MARKS = "the array's own marks of each pair must be there, in the exchange that changes it"
    MOUNTED = "each mount point must be a mounted filesystem, in the shell that writes"
    EMPTY = "the directory must be the one that was proved empty, in the shell that writes"
    OWN_DIRECTORY = "writes only in our own work directory"
    OWN_LINES = "writes only lines under our own mark in the table of filesystems"
    REPOSITORY = "writes only new names in the backup repository"
    TIMER = "writes nothing: it holds writes back for seconds, and a timer on the host lets go"
    APPLICATION = "the configuration's own command for the application"

    @property
    def fenced(self) -> bool:
        """Whether it is a fence, as against a reason for none."""
        return self in _FENCES


_FENCES = frozenset({Guard.DEVICES, Guard.ARRAY, Guard.MARKS, Guard.MOUNTED, Guard.EMPTY})


class Channel(StrEnum):
    """How a command's text travels: a script on the standard input of /bin/sh, or JSON lines to a QMP socket."""

    SHELL = "shell"
    QMP = "qmp"


@dataclass(frozen=True, slots=True)
class Command:
    """One remote invocation.

    `text` is what an operator reads; `prelude` (a driver's helper functions, the fence among them) goes before it.
    `@{name}@` in the text is a late value: bound, and quoted for the shell, right before it is sent.
    `timeout` is in seconds. `live` asks for the output while it runs. `socket` is the remote path for QMP.
    A change without a `guard` is a ValueError: nobody can forget the fence.
    """

    host: str
    title: str
    text: str
    effect: Effect = Effect.READ
    channel: Channel = Channel.SHELL
    prelude: str = ""
    socket: str = ""
    timeout: float = 60.0
    live: bool = False
    guard: Guard = Guard.NONE

    def __post_init__(self) -> None:
        """Refuse to exist as a change that says neither its fence nor why it needs none."""
        if self.effect is Effect.CHANGE and not self.guard:
            raise ValueError(f"{self.host}: {self.title}: a change needs a guard: a fence, or the reason why it has none")

    @property
    def script(self) -> str:
        """All that is sent."""
        return self.prelude + self.text


_LATE = re.compile(r"@\{([A-Za-z0-9_.:/ -]+)\}@")


def late_names(command: Command) -> tuple[str, ...]:
    """The names of the late values that the command still waits for."""
    return tuple(dict.fromkeys(_LATE.findall(command.text)))


def bind(command: Command, values: Mapping[str, str]) -> Command:
    """The command with its late values filled in, quoted for the shell. KeyError names one that is not known yet."""
    return replace(command, text=_LATE.sub(lambda m: shlex.quote(values[m.group(1)]), command.text))


def shown(command: Command) -> str:
    """The text for a person: late values in braces, as the plan shows them."""
    return _LATE.sub(lambda m: "{" + m.group(1) + "}", command.text)


class Status(StrEnum):
    """How a command ended. Unknown: the connection went before its end was seen."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


LOST = "the connection was lost before the end was seen"  # the reason of such an unknown end


@dataclass(frozen=True, slots=True)
class Result:
    """What came back. `exit_status` is None exactly when the status is unknown; `reason` then says why."""

    command: Command
    status: Status
    exit_status: int | None
    stdout: str
    stderr: str
    started: datetime
    seconds: float
    reason: str = ""


class Session(Protocol):
    """A shell that is held open: lines in, lines out. Used for freeze and thaw, where round trips count."""

    async def send(self, line: str) -> None:
        """Write one line. Raises TransportError when the connection is gone."""

    async def expect(self, prefixes: tuple[str, ...], timeout: float) -> str:
        """The next line that begins with one of the prefixes. Raises TransportError at the end of output or in time."""

    async def close(self) -> None:
        """End the standard input, by which the remote side lets go of whatever it holds."""


class ByteStream(Protocol):
    """Standard output of a running read, in pieces; or standard input of a running change."""

    async def read(self, size: int = 1 << 20) -> bytes:
        """The next piece; empty at the end."""

    async def write(self, data: bytes) -> None:
        """Send a piece, waiting while the other side is slow."""

    async def finish(self) -> Result:
        """Close the input, wait for the end and give the result; unknown when the connection was lost."""


class Transport(Protocol):
    """Carries commands to hosts. Implementations: SSH, recorded transcripts, fakes."""

    @property
    def read_only(self) -> bool:
        """True when every change is refused here, whoever asks."""

    async def run(self, command: Command) -> Result:
        """Send one command and wait. Raises TransportError when it could not be sent, ReadOnlyRefused for a change."""

    async def session(self, command: Command) -> Session:
        """Open a held shell that runs the command's script."""

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        """Run a command whose standard output or input is a stream of bytes."""

    async def reconnect(self, host: str) -> None:
        """Drop whatever connection there is to the host and make a new one."""

    async def aclose(self) -> None:
        """Close all connections."""
