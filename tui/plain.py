"""Text from outside, made safe for a terminal: control characters are shown, never obeyed."""

from __future__ import annotations

import unicodedata


def printable(text: str, *, keep: str = "\n") -> str:
    """The text with every control character (C0, C1, direction marks) as an escape; `keep` stays as it is."""
    if text.isprintable():
        return text
    return "".join(c if c in keep or not _unsafe(c) else c.encode("unicode_escape").decode() for c in text)


def _unsafe(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
