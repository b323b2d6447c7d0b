"""Questions in a terminal: an option answers first, then the person, then what is usual."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from core.errors import ConfigError, Refused
from tui.plain import printable

T = TypeVar("T")
Person = Callable[[str], str]


class Tell(Protocol):
    """Says lines, each of which stays one."""

    def __call__(self, *lines: str) -> None:
        """Say them."""


Talk = Callable[[Person, Tell], bool]  # a whole dialogue; whether it wrote anything


def person_at_the_terminal() -> Person | None:
    """Whoever types here; None when nobody does."""
    return _typed if sys.stdin.isatty() else None


def _typed(question: str) -> str:
    try:
        return input(printable(question))
    except EOFError:
        raise Refused("the input ended; nothing was written") from None


class Answers:
    """Asks until an answer can be taken; what an option or nobody says must be right at once."""

    def __init__(self, options: Namespace, person: Person | None, tell: Tell) -> None:
        """Without a person every question needs its option, or something usual."""
        self.options, self.person, self.tell = options, person, tell

    def of(self, option: str, question: str, take: Callable[[str], T], usual: str | None = None) -> T:
        """One answer; `take` makes it what it is, or raises ConfigError. `usual` is what Enter alone says."""
        given = getattr(self.options, option, None)
        if given is not None:
            return take(given)
        if self.person is None:
            if usual is None:
                raise ConfigError(f"nobody is asked here: --{option.replace('_', '-')} is needed ({question})")
            return take(usual)
        while True:
            word = self.person(f"{question}{f' [{usual}]' if usual else ''}: ").strip()
            if not word and usual is None:
                continue
            try:
                return take(word or usual or "")
            except ConfigError as error:
                self.tell(f"  {error}")

    def choice(self, option: str, question: str, choices: Mapping[str, str], usual: str | None = None) -> str:
        """One of some words, each with what it means; its number will do."""
        if self.person is not None and getattr(self.options, option, None) is None:
            self.tell(
                "",
                f"{question}?",
                *(f"  {n}. {word:<{_width(choices)}}  {why}" for n, (word, why) in enumerate(choices.items(), 1)),
            )
        return self.of(option, "A number or a word" if self.person else question, lambda word: one_of(word, choices), usual)

    def agrees(self, question: str) -> bool:
        """Whether a person types yes; nothing else is one."""
        return self.person is not None and self.person(f"{question} Type yes: ").strip() == "yes"


def _width(choices: Mapping[str, str]) -> int:
    return max(map(len, choices), default=0)


def one_of(word: str, choices: Mapping[str, str]) -> str:
    """The word, or the one with that number. ConfigError names those that there are."""
    words = list(choices)
    if word.isdecimal() and word.isascii() and len(word) < 4 and 1 <= int(word) <= len(words):
        return words[int(word) - 1]
    if word not in choices:
        raise ConfigError(f"{word!a} is none of: {', '.join(words) or 'nothing'}")
    return word


def text(word: str) -> str:
    """Any word."""
    return word


def remote_path(word: str) -> str:
    """An absolute path on a host."""
    if not word.startswith("/"):
        raise ConfigError(f"{word!a}: an absolute path on the host is expected, such as /mnt/copy")
    return word
