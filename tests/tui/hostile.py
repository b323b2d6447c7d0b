"""A hostile word in every text field of the model: what a host, an array, a repository could say."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

from core.transport import Command

# Colour, title, clear screen, 8-bit CSI, bell, backspace, carriage return, direction marks, line separator, zero width, filler, NUL, DEL;
# markup that rich and Textual would obey; and a line of its own that says what is not so.
HOSTILE = (
    "\x1b[31mR\x1b]0;T\x07\x1b[2J\x9b5mC\x08\x7f\r\u202eB\u2066\u2028\u200bz\u3164\x00\ufeff[red]M[/red][@click=app.leave]K[/][link=x]"
    "\n1/9 [mount] all is well: ok"
)


def planted(value: Any, word: str = HOSTILE, keep: frozenset[str] = frozenset()) -> Any:
    """The value with the word at the end of every text in it, however deep; fields that `keep` names stay as they are."""
    if isinstance(value, str) and type(value) is str:
        return value + word
    if isinstance(value, Command):
        return replace(value, title=value.title + word, text=value.text + word)
    if is_dataclass(value) and not isinstance(value, type):
        kept = {f.name for f in fields(value) if f.name in keep or not f.init}
        return replace(
            value, **{f.name: planted(getattr(value, f.name), word, keep) for f in fields(value) if f.name not in kept}
        )
    if isinstance(value, Mapping):
        return {k: planted(v, word, keep) for k, v in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return type(value)(planted(v, word, keep) for v in value)
    return value


def text_fields(kind: type) -> set[str]:
    """The names of a dataclass's fields that hold text, to see that nothing was left out."""
    hints = get_type_hints(kind)
    return {
        f.name
        for f in fields(kind)
        if hints[f.name] is str or (isinstance(hints[f.name], types.UnionType) and str in hints[f.name].__args__)
    }
