"""Starting and ending the lab's own processes, and nobody else's.

Every process hangs on a leash: a small watchdog that kills the listed processes when the lab's process ends in any way,
`kill -9` included, so that no virtual machine outlives its tests.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

WATCHDOG = """
leashed=
while read -r verb pid; do
    case $verb in
        add) leashed="$leashed $pid" ;;
        drop) kept=; for one in $leashed; do [ "$one" = "$pid" ] || kept="$kept $one"; done; leashed=$kept ;;
    esac
done
[ -z "$leashed" ] || kill -9 $leashed
"""


class LabError(Exception):
    """A part of the lab did not come up or did not answer in time; the message names it and quotes its log."""


@dataclass(slots=True)
class Leash:
    """The watchdog and what it watches; close it after everything on it was stopped."""

    _watchdog: subprocess.Popen[str]
    _running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    def open(cls) -> Leash:
        """Start the watchdog in its own session, so that Ctrl-C in the terminal does not end it first."""
        return cls(subprocess.Popen(["/bin/sh", "-c", WATCHDOG], stdin=subprocess.PIPE, text=True, start_new_session=True))

    def spawn(self, arguments: list[str], log: Path, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a process whose output goes to `log`, out of reach of the terminal's signals."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd, start_new_session=True
            )
        self._tell("add", process.pid)
        self._running[process.pid] = process
        return process

    def end(self, process: subprocess.Popen[bytes], *, hard: bool = False, grace: float = 10.0) -> None:
        """End one process: ask first unless `hard`, and reap it before its number can be used again."""
        offspring = [] if hard else descendants(process.pid)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in offspring:
            _kill_quietly(pid)
        self._running.pop(process.pid, None)
        self._tell("drop", process.pid)

    def close(self) -> None:
        """End what is still running and then the watchdog."""
        for process in list(self._running.values()):
            self.end(process)
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        self._watchdog.wait()

    def _tell(self, verb: str, pid: int) -> None:
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.write(f"{verb} {pid}\n")
        self._watchdog.stdin.flush()


def descendants(pid: int) -> list[int]:
    """List all processes below one; sshd's sessions leave its process group, so the group is not enough."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we were reading
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    front = [pid]
    while front:
        front = [child for parent in front for child in parents.get(parent, [])]
        found += front
    return found


def wait_until(condition: Callable[[], bool], what: str, limit: float, log: Path | None = None) -> None:
    """Poll a condition until it holds; after `limit` seconds raise with the end of the log."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            tail = f"\n{log.read_text(errors='replace')[-1500:]}" if log and log.exists() else ""
            raise LabError(f"{what}: not within {limit:g} s{tail}")
        time.sleep(0.05)


def free_port() -> int:
    """Pick a loopback port that is free now; it is used at once, so a race with a stranger is unlikely."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ssh_answers(port: int) -> bool:
    """Tell whether an SSH server greets on this loopback port; an open port alone proves nothing behind a forward."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _kill_quietly(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended with its parent, which is what we want
