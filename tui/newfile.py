"""Files that a command leaves for a person: always new ones, readable by their owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import ConfigError


def write_new(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that was not there. ConfigError names one that was, or that cannot be written."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
