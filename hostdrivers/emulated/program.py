"""What an emulated command is: a function of one call that answers with output, errors and an exit status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation: the name it was called by, its arguments after that, its standard input, where it runs."""

    name: str
    argv: tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"

    def argv_long(self, letters: Mapping[str, str]) -> tuple[str, ...]:
        """The arguments with long options written as the letters that stand for them: `--name VALUE` and `--name=VALUE`."""
        out: list[str] = []
        for word in self.argv:
            name, equals, value = word.partition("=")
            out += [f"-{letters[name]}", *([value] if equals else [])] if name in letters else [word]
        return tuple(out)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command prints and how it ends."""

    out: str | bytes = ""
    err: str = ""
    code: int = 0


Program = Callable[[Call], Answer | Awaitable[Answer]]


class Usage(Exception):
    """An argument that the real command does not take; `text` is its complaint, `code` its exit status."""

    def __init__(self, text: str, code: int = 1) -> None:
        """As the command would say it."""
        super().__init__(text)
        self.text, self.code = text, code


class Failed(Usage):
    """The command was understood and refused."""
