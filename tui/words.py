"""The command line as data, read from its argparse parser: what completions and the man page are made from. Pure."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Word:
    """An option with its names, or (without names) a positional word. `value` is what stands for its value, empty for none.

    `files`: the value is a path on this machine. `least` tells how often a positional word must stand: 0 or 1.
    """

    names: tuple[str, ...]
    value: str
    about: str
    choices: tuple[str, ...] = ()
    files: bool = False
    least: int = 1


@dataclass(frozen=True, slots=True)
class CommandWords:
    """One command, or (with an empty name) the words before any."""

    name: str
    about: str
    options: tuple[Word, ...]
    positionals: tuple[Word, ...]


def commands_of(parser: argparse.ArgumentParser) -> tuple[CommandWords, ...]:
    """What goes before a command first, then every command in its order."""
    actions = parser._actions  # noqa: SLF001  argparse tells them in no other way
    nested = [action for action in actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    own = [_word(action) for action in actions if action not in nested and action.help != argparse.SUPPRESS]
    here = CommandWords(
        "" if nested else parser.prog.split()[-1],
        parser.description or "",
        tuple(word for word in own if word.names),
        tuple(word for word in own if not word.names),
    )
    return (here, *(words for action in nested for one in action.choices.values() for words in commands_of(one)))


def _word(action: argparse.Action) -> Word:
    choices = tuple(map(str, action.choices or ()))
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return Word(
        tuple(action.option_strings),
        "" if action.nargs == 0 else metavar,
        action.help or "",
        choices,
        action.type is Path,
        0 if action.nargs in ("?", "*") else 1,
    )
