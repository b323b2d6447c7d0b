"""A real terminal for the console: tmux, driven by keys and read as text."""

from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path


class Terminal:
    """One tmux server of our own with one window."""

    def __init__(self, directory: Path, columns: int, lines: int, command: list[str], patience: float = 240.0) -> None:
        """Start the command in a window of that size; `patience` is how many seconds a word may take to appear."""
        self._patience = patience
        self.keys = 0  # a person's key presses so far
        self._socket = str(directory / f"tmux-{columns}x{lines}")
        text = f"TERM=xterm-256color {shlex.join(command)}; echo EXIT=$?; sleep 600"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines), text)

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run(["tmux", "-S", self._socket, *arguments], check=True, capture_output=True, text=True).stdout

    def screen(self) -> str:
        """What is on the screen now."""
        return self._tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        """Press keys, by their tmux names."""
        self.keys += len(keys)
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type a text, letter by letter."""
        self.keys += len(text)
        self._tmux("send-keys", "-l", text)

    def until(self, *words: str) -> str:
        """Wait until one of the words is on the screen, and return the screen."""
        end = time.monotonic() + self._patience
        while time.monotonic() < end:
            screen = self.screen()
            if any(word in screen for word in words):
                return screen
            time.sleep(0.2)
        raise TimeoutError(f"none of {words} within {self._patience} s:\n{self.screen()}")

    def gone(self, word: str, limit: float = 30.0) -> None:
        """Wait until a word is no longer on the screen."""
        end = time.monotonic() + limit
        while word in self.screen():
            if time.monotonic() > end:
                raise TimeoutError(f"{word} is still there after {limit} s:\n{self.screen()}")
            time.sleep(0.1)

    def close(self) -> None:
        """End the server and what runs in it."""
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False, capture_output=True)
