"""A small blocking QMP client, so that the lab can be driven and checked without the product's own driver."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO


class QmpError(Exception):
    """The daemon refused a command; `error_class` is stable over versions, the text is not."""

    def __init__(self, command: str, error_class: str, description: str) -> None:
        """Keep the class apart from the text, because only the class may be compared."""
        super().__init__(f"{command}: {error_class}: {description}")
        self.error_class = error_class


class Qmp:
    """One connection to one monitor; a monitor serves a single client at a time, so close it soon."""

    def __init__(self, path: Path, timeout: float = 30.0) -> None:
        """Connect and negotiate; the path must stay below the 108 bytes of a unix socket address."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._lines: TextIO | None = None
        self.events: list[dict[str, Any]] = []
        try:
            _connect(self._socket, path, timeout)
            self._lines = self._socket.makefile("r", encoding="utf-8")
            self.greeting = self._receive()
            self.execute("qmp_capabilities")
        except (OSError, EOFError):
            self.close()
            raise

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Send one command and return its result; events that arrive in between are kept in `events`."""
        request: dict[str, Any] = {"execute": command}
        if arguments is not None:
            request["arguments"] = arguments
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            reply = self._receive()
            if "event" in reply:
                self.events.append(reply)
            elif "error" in reply:
                raise QmpError(command, reply["error"]["class"], reply["error"]["desc"])
            else:
                return reply["return"]

    def transaction(self, *actions: tuple[str, dict[str, Any]]) -> None:
        """Run actions as one: all of them start at one instant, or none does."""
        wire = [{"type": kind, "data": data} for kind, data in actions]
        self.execute("transaction", {"actions": wire})

    def conclude(self, *jobs: str, limit: float = 60.0) -> None:
        """Wait until the jobs have concluded and dismiss them; a job that failed raises."""
        deadline = time.monotonic() + limit
        waiting = set(jobs)
        while waiting:
            known = {job["id"]: job for job in self.execute("query-jobs")}
            for name in sorted(waiting):
                job = known[name]
                if job["status"] == "concluded":
                    self.execute("job-dismiss", {"id": name})
                    waiting.discard(name)
                    if "error" in job:
                        raise QmpError(name, "JobFailed", job["error"])
            if time.monotonic() > deadline:
                raise QmpError("query-jobs", "Timeout", f"still running after {limit} s: {sorted(waiting)}")
            if waiting:
                time.sleep(0.01)

    def close(self) -> None:
        """Free the monitor for the next client."""
        if self._lines is not None:
            self._lines.close()
        self._socket.close()

    def _receive(self) -> dict[str, Any]:
        line = self._lines.readline() if self._lines is not None else ""
        if not line:
            raise EOFError("the monitor closed the connection")
        message: dict[str, Any] = json.loads(line)
        return message

    def __enter__(self) -> Self:
        """Use as a context manager, since a forgotten connection blocks every later client."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """Close whatever happened."""
        self.close()


def _connect(one: socket.socket, path: Path, timeout: float) -> None:
    """Connect as soon as somebody listens: the socket's file is there a little before."""
    limit = time.monotonic() + timeout
    while True:
        try:
            one.connect(str(path))
        except ConnectionRefusedError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.05)
        else:
            return
