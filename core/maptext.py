"""The words and rows of mapping files: escapes, numbers and flags, and errors that name file, line and column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import ConfigError

EMPTY = "-"
_PLAIN = frozenset(map(chr, range(0x21, 0x7F))) - {"\\", "#"}
_OCTAL = re.compile(r"\\([0-3][0-7]{2})")
_NUMBER = re.compile(r"[0-9]{1,20}")


def escape(value: str) -> str:
    """The value as one word: blanks, backslash, `#` and all that is not printable ASCII as `\\ooo` of their UTF-8 bytes.

    An empty value is `-`, a lone `-` is `\\055`. Bytes that are no UTF-8 survive (surrogate escapes).
    """
    if value in ("", EMPTY):
        return EMPTY if not value else r"\055"
    return "".join(c if c in _PLAIN else _octal(c) for c in value)


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))


def unescape(word: str) -> str:
    """The value of a word. ValueError for a backslash that begins no `\\ooo`."""
    if word == EMPTY:
        return ""
    if "\\" in _OCTAL.sub("", word):
        raise ValueError(f"{word!r} has a backslash that begins no escape of three octal digits")
    raw = re.sub(_OCTAL.pattern.encode(), lambda m: bytes([int(m.group(1), 8)]), word.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def wrong(origin: str, line: int, problem: str) -> ConfigError:
    """The error for a line of a file."""
    return ConfigError(f"{origin}:{line}: {problem}")


@dataclass(frozen=True, slots=True)
class Row:
    """One line's values by column, and where the line stands; a column that the dialect lacks reads as empty."""

    origin: str
    line: int
    values: Mapping[str, str]

    def any(self, *columns: str) -> bool:
        """Whether one of these columns has a value."""
        return any(self.values.get(c) for c in columns)

    def text(self, column: str) -> str:
        """The value, perhaps empty."""
        return self.values.get(column, "")

    def needed(self, column: str) -> str:
        """The value; ConfigError when there is none."""
        value = self.text(column)
        if not value:
            raise wrong(self.origin, self.line, f"{column}: expected a value, got none")
        return value

    def number(self, column: str) -> int:
        """The value as a number, 0 for none; ConfigError for anything else."""
        value = self.text(column)
        if value and not _NUMBER.fullmatch(value):
            raise wrong(self.origin, self.line, f"{column}: expected a number, got {value!r}")
        return int(value or 0)

    def flags(self, column: str, letters: str) -> tuple[bool, ...]:
        """Which of the letters stand in the value; ConfigError for a letter that is not known."""
        value = self.text(column)
        odd = "".join(c for c in value if c not in letters)
        if odd:
            raise wrong(self.origin, self.line, f"{column}: expected letters of {letters!r}, got {odd!r}")
        return tuple(letter in value for letter in letters)


def flag_word(letters: str, *states: bool) -> str:
    """The letters whose states are true: the other direction of `Row.flags`."""
    return "".join(letter for letter, state in zip(letters, states, strict=True) if state)


def word_row(origin: str, line: int, columns: tuple[str, ...], text: str) -> Row:
    """The row in a line of words. ConfigError for a wrong number of columns or a bad escape, naming the column."""
    words = text.split()
    if len(words) != len(columns):
        raise wrong(origin, line, f"expected {len(columns)} columns ({columns[0]} to {columns[-1]}), got {len(words)}")
    return Row(origin, line, {name: value_of(origin, line, name, word) for name, word in zip(columns, words, strict=True)})


def value_of(origin: str, line: int, name: str, word: str) -> str:
    """The value of one named word; ConfigError for a bad escape."""
    try:
        return unescape(word)
    except ValueError as error:
        raise wrong(origin, line, f"{name}: {error}") from None
