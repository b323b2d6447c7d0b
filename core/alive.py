"""Whether a run is under way on this console, in this process or another: a lock of the kernel's, which dies with its process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from core.errors import SplitmountError


class AliveMarks:
    """One file for each run below a directory; whoever executes the run holds its lock."""

    def __init__(self, directory: Path) -> None:
        """Nothing is made yet."""
        self._directory = directory
        self._held: dict[int, int] = {}

    def _path(self, run: int) -> Path:
        return self._directory / f"{run:06d}"

    def take(self, run: int) -> bool:
        """Hold the run's mark until `give`; False when another process holds it."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._path(run), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SplitmountError(f"{self._path(run)}: {error.strerror}; nothing is changed without it") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the file stays: one that is unlinked could be locked twice
        except OSError:
            os.close(handle)
            return False
        self._held[run] = handle
        return True

    def give(self, run: int) -> None:
        """Let go of the mark."""
        handle = self._held.pop(run, None)
        if handle is not None:
            os.close(handle)

    def alive(self, run: int) -> bool:
        """Whether this process or another executes the run."""
        if run in self._held:
            return True
        if not self._path(run).exists():
            return False
        if self.take(run):
            self.give(run)
            return False
        return True
