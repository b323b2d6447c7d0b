"""docs/splitmount.1, made from the parser by `make man`. Pure."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from tui.completion import PROGRAM
from tui.words import CommandWords, Word, commands_of

_SHORT = "console for replication sets on array mirrors"
_FILES = {
    "splitmount.yaml": "the configuration: here, then in the user's configuration directory, or --config FILE",
    "console.yaml": "beside the user's splitmount.yaml: looks, keys, and how a person is told of a run",
}


def page(parser: argparse.ArgumentParser, version: str) -> str:
    """The page as roff. It has no date, so that it changes only when the words do."""
    top, *rest = commands_of(parser)
    out = [f'.TH SPLITMOUNT 1 "" "{PROGRAM} {version}" "User Commands"', ".SH NAME", rf"{PROGRAM} \- {_SHORT}"]
    out += [
        ".SH SYNOPSIS",
        f".B {PROGRAM}",
        _text("[OPTION ...] [COMMAND [ARGUMENT ...]]"),
        ".SH DESCRIPTION",
        _text(top.about),
    ]
    out += [".SH OPTIONS", *(row for word in top.options for row in _option(word)), ".SH COMMANDS"]
    out += [row for command in rest for row in _command(command)]
    out += [".SH EXIT STATUS", *_exits(parser.epilog or ""), ".SH FILES"]
    out += [row for name, about in _FILES.items() for row in _item(name, about)]
    return "\n".join(out) + "\n"


def _command(command: CommandWords) -> Iterator[str]:
    words = [w.value if w.least else f"[{w.value}]" for w in command.positionals]
    yield f".SS {_text(' '.join([command.name, *(['[OPTION ...]'] if command.options else []), *words]))}"
    yield _text(_sentence(command.about))
    for word in (w for w in command.positionals if w.choices):
        yield from _item(word.value, f"one of {', '.join(word.choices)}")
    for word in command.options:
        if "--help" not in word.names:
            yield from _option(word)


def _option(word: Word) -> Iterator[str]:
    value = f"{{{','.join(word.choices)}}}" if word.choices else word.value
    yield from _item(", ".join(f"{name} {value}".strip() for name in word.names), word.about)


def _item(name: str, about: str) -> Iterator[str]:
    yield ".TP"
    yield rf"\fB{_text(name)}\fR"
    yield _text(_sentence(about)) if about else r"\&"


def _exits(epilog: str) -> Iterator[str]:
    for line in epilog.splitlines()[1:]:
        code, _, about = line.strip().partition("  ")
        yield from _item(code, about)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." * bool(text)


def _text(text: str) -> str:
    """Text of roff: nothing in it is a request or an escape."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("`", r"\(ga").replace("'", r"\(aq")
    return rf"\&{escaped}" if escaped[:1] in (".", "'") else escaped
