"""What comes from outside, taken in within bounds: files that a person names, and JSON that a host printed.

`json.loads` by itself raises RecursionError for deep nesting and hands out infinities, which are no numbers to anybody here.
"""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from core.errors import ConfigError


def json_of(text: str | bytes) -> Any:
    """The value of a JSON text. ValueError, and nothing else, for text that is none or is nested too deeply."""
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _finite(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"{word[:40]} is no number that can be used")
    return value


def text_file(path: Path, limit: int, *, errors: str = "strict") -> str:
    """The text of a file that a person named, without a byte order mark; `limit` in bytes, `errors` as `bytes.decode` has them.

    ConfigError for what is no regular file (a pipe would be waited for, a device never ends), is too large, or is no text.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ConfigError(f"{path}: this is no regular file")
            data = file.read(limit + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{str(path)!a}: this is no name of a file") from error
    if len(data) > limit:
        raise ConfigError(f"{path}: the file is larger than {limit} bytes, which no file of this kind is")
    try:
        text = data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8: {error.reason} at byte {error.start}") from error
    if "\0" in text:
        raise ConfigError(f"{path}:{text[: text.index(chr(0))].count(chr(10)) + 1}: a zero byte: this is no text file")
    return text.removeprefix("\ufeff")
