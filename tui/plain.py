"""Text from outside, made safe for a terminal: control characters are shown, never obeyed; nothing of it is markup.

Screens draw through `put` and `RowList`, the command line speaks through `tui.say`; both call `printable`. `UnsafeFilter` in
`tui.app` is the net below: what a widget would draw in spite of all is replaced before it reaches the terminal.
"""

from __future__ import annotations

import json
import unicodedata

from core.jsonable import to_json
from core.secrets import without_passwords

MARK = "\N{REPLACEMENT CHARACTER}"
# Letters to Unicode, and nothing to the eye: a name that has one looks like another name.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")


def printable(text: str, *, keep: str = "\n") -> str:
    """The text with every control character (C0, C1, direction marks, invisible ones) as an escape; `keep` stays as it is.

    A password within a URL is left out.
    """
    text = without_passwords(text)
    if text.isprintable() and _INVISIBLE.isdisjoint(text):
        return text
    return "".join(c if c in keep or not unsafe(c) else c.encode("unicode_escape").decode() for c in text)


def line(text: str) -> str:
    """The text as one line: an end of line within it is shown as an escape too, so that no name can pass for a line of its own."""
    return printable(text, keep="")


def json_text(value: object) -> str:
    """A value as JSON in plain ASCII: no character in it is one that a terminal obeys."""
    return json.dumps(to_json(value), indent=1, ensure_ascii=True).replace("\x7f", "\\u007f")


def unsafe(character: str) -> bool:
    """Whether a terminal could obey the character, or would not show it."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in _INVISIBLE


def masked(text: str, *, keep: str = "\n") -> str:
    """The text in its very length, with a mark in place of each unsafe character."""
    if text.isprintable() and _INVISIBLE.isdisjoint(text):
        return text
    return "".join(c if c in keep or not unsafe(c) else MARK for c in text)
