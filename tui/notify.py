"""Telling a person who is not looking that a run has ended or waits: bell, desktop, a command, a webhook.

Nothing here can change how a run ends: each way is tried in a thread of its own, within bounds, and what fails is only told.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from core.events import Event, Outcome, RunEnded, RunPaused, RunStarted, StepEnded
from core.plan import Plan
from core.secrets import without_secrets
from tui.plain import json_text, line
from tui.say import complain
from tui.wishes import DESKTOPS, Notify

LONG = 10.0  # seconds of a step after which the person at a stepwise run may have looked away
LENGTH = 1000  # characters of a message that are sent


class WayFailed(Exception):
    """One way of telling did not work; never more than a line for the log."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told, and the JSON that a command or a webhook gets. `left` counts what is left to do by hand."""

    event: str
    title: str
    run: int
    set: str
    operation: str
    outcome: str = ""
    exit_code: int | None = None
    seconds: float | None = None
    at: str = ""
    message: str = ""
    left: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """How one way ended; `error` is empty where it worked."""

    way: str
    title: str
    seconds: float
    error: str = ""


# --- what is told -----------------------------------------------------------------------------------------------------


def notice_of(event: RunEnded | RunPaused, plan: Plan) -> Notice:
    """The notice of a run's end, or of its waiting; made printable, and no secret in it."""
    name, what = _clean(plan.set_name), _clean(plan.operation)
    about = f"splitmount: {what} of {name}"
    if isinstance(event, RunPaused):
        return Notice("waits", f"{about} waits for you", event.run, name, what, message=f"before the step {_clean(event.step)}")
    return Notice(
        "ended" if event.outcome is Outcome.OK else "attention",
        f"{about}: {event.outcome.value}",
        event.run,
        name,
        what,
        event.outcome.value,
        event.exit_code,
        round(event.seconds, 1),
        event.at.isoformat(),
        _clean(event.message),
        len(event.left),
    )


def _clean(text: str) -> str:
    return line(without_secrets(text))[:LENGTH]


def desktop_text(kind: str, notice: Notice) -> str:
    """The terminal's sequence for a notification, in ASCII; a semicolon would part title and text."""
    title, body = (
        text.encode("ascii", "backslashreplace").decode().replace(";", ",") for text in (notice.title, notice.message)
    )
    return DESKTOPS[kind].format(title=title, body=body or "-")


# --- the ways ---------------------------------------------------------------------------------------------------------


def run_command(words: tuple[str, ...], body: str, limit: float) -> None:
    """Start a program with the notice on its standard input; it is ended, with what it started, when its time is over."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(body.encode())
        given.seek(0)
        try:
            program = subprocess.Popen(words, stdin=given, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True)
        except (OSError, ValueError) as error:
            raise WayFailed(str(error)) from error
        try:
            status = program.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
            raise WayFailed(f"it did not end within {limit:.0f} s, and was ended") from None
        if status:
            said.seek(0)
            first = said.read(300).decode("utf-8", "replace").strip().partition("\n")[0]
            raise WayFailed(f"exit status {status}: {first}".removesuffix(": "))


def post(url: str, body: str, limit: float) -> None:
    """Send the notice by HTTP; no redirect is followed."""
    import http.client

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=limit)
    headers = {"Content-Type": "application/json", "User-Agent": "splitmount"}
    try:
        connection.request("POST", _target(parts), body.encode(), headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise WayFailed(str(error) or type(error).__name__) from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise WayFailed(f"the server answered {status}")


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class Notifier:
    """Hears a run's events and tells; whoever owns it asks for `told` now and then, and for `finish` at its end."""

    def __init__(self, wishes: Notify, write: Callable[[str], None]) -> None:
        """`write` sends text to the terminal as it is."""
        self._wishes, self._write = wishes, write
        self._plans: dict[int, Plan] = {}
        self._last = 0.0  # seconds that the last step took
        self._told: deque[Told] = deque()
        self._open: list[threading.Thread] = []

    def hear(self, event: Event) -> None:
        """Tell what is to be told; returns at once."""
        if isinstance(event, RunStarted):
            self._plans[event.run] = event.plan
        if isinstance(event, StepEnded):
            self._last = event.seconds
        if isinstance(event, RunEnded | RunPaused) and event.run in self._plans and self._wanted(event):
            self._tell(notice_of(event, self._plans[event.run]))

    def _wanted(self, event: RunEnded | RunPaused) -> bool:
        if isinstance(event, RunPaused):
            return self._last >= LONG
        return self._wishes.when == "end" or event.outcome is not Outcome.OK

    def _tell(self, notice: Notice) -> None:
        wishes, body = self._wishes, json_text(notice)
        if wishes.bell or wishes.desktop:
            sequence = desktop_text(wishes.desktop, notice) if wishes.desktop else ""
            self._try("terminal", notice, lambda: self._write(sequence + "\a" * wishes.bell))
        ways: dict[str, Callable[[], None]] = {}
        if wishes.command:
            ways[f"command {wishes.command[0]}"] = lambda: run_command(wishes.command, body, wishes.limit)
        if wishes.webhook:  # its path may be as good as a password
            ways[f"webhook {urlsplit(wishes.webhook).hostname}"] = lambda: post(wishes.webhook, body, wishes.limit)
        for way, act in ways.items():
            thread = threading.Thread(target=self._try, args=(way, notice, act), name="notify", daemon=True)
            self._open.append(thread)
            thread.start()

    def _try(self, way: str, notice: Notice, act: Callable[[], None]) -> None:
        began, error = time.monotonic(), ""
        try:
            act()
        except (WayFailed, OSError) as problem:
            error = line(without_secrets(str(problem)))
        self._told.append(Told(way, notice.title, time.monotonic() - began, error))

    def told(self) -> list[Told]:
        """What was tried since the last call, and how it ended."""
        out = []
        while self._told:
            out.append(self._told.popleft())
        return out

    def finish(self) -> list[Told]:
        """Wait for what is under way, within bounds; as `told`, with what did not end."""
        end = time.monotonic() + self._wishes.limit + 1
        for thread in self._open:
            thread.join(max(0.0, end - time.monotonic()))
        late = [Told("notification", "", 0.0, "it did not end in time")] * sum(t.is_alive() for t in self._open)
        self._open = []
        return [*self.told(), *late]


def tell_failures(told: list[Told]) -> None:
    """On the error output, what did not work."""
    for one in told:
        if one.error:
            complain(f"splitmount: telling by {one.way} failed: {one.error}")
