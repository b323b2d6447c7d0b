"""What an account may run as root on a host: each command of the scripts, its arguments pinned to what the set can need.

A variable of a script has one pattern for each system (`pins_*`). One that has none leaves its command out of the account's
rules, with the reason, so that a new variable can never open a door by being forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from hostdrivers.catalogue import Privileged
from hostdrivers.invocations import Hole, Invocation, Word, plain

_TOO_LONG = "its pattern has more than"
LIMIT = 1000  # characters of a pattern: sudo takes 1024


class Role(StrEnum):
    """The two accounts: one that can look and change nothing, and one that runs everything."""

    INSPECTOR = "inspector"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class OwnMount:
    """A filesystem of a kept map: the volume that it is on, its kind, and where the source has it."""

    group: str
    volume: str
    kind: str
    point: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What arguments may name on one host for one set. `copies` are the names that a copy of a group can have here."""

    groups: tuple[str, ...]
    copies: tuple[str, ...]
    prefix: str
    mounts: tuple[OwnMount, ...]
    serials: tuple[str, ...]
    work_dir: str
    target: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: the command's path and its arguments, as a POSIX extended expression or, where `exact`, word for word.

    `loose` says what of it could not be pinned, for the person who installs the file.
    """

    path: str
    arguments: str
    exact: bool
    titles: tuple[str, ...]
    loose: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A command that no rule allows, and why."""

    text: str
    reason: str
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pins:
    """One system's knowledge: patterns by variable, words before a command, where commands lie, and what may never be allowed.

    A key is a variable, or `COMMAND VARIABLE` where a variable means different things to different commands.
    `never` are commands whose arguments cannot be pinned, by how they begin, with the reason; `loose` those that are pinned
    as far as it goes, because a run cannot do without them, with what stays open.
    """

    holes: Callable[[Scope], Mapping[str, str]]
    before: Mapping[str, tuple[str, ...]]
    path: Callable[[str], str]
    reads: Callable[[tuple[str, ...]], bool]
    never: Mapping[str, str]
    loose: Mapping[str, str]


def escaped(text: str) -> str:
    """Text as itself in an expression of sudoers, where a number sign and a double quote are special too."""
    return "".join(f"[{c}]" if c in '.{}()*+?|"' else f"\\{c}" if c in "^$[]#\\" else c for c in text)


def any_of(words: Iterable[str]) -> str:
    """An expression for these words; one that nothing fits when there are none."""
    found = sorted({escaped(word) for word in words})
    return f"({'|'.join(found)})" if found else ""


COMPONENT = "[.]?[A-Za-z0-9_@%+=:,-][A-Za-z0-9_.@%+=:,-]*"  # of a path; neither `.` nor `..`


def below(directory: str) -> str:
    """A directory, or a path below it that does not lead out of it again."""
    return f"{escaped(directory.rstrip('/'))}(/{COMPONENT})*"


def copies_below(scope: Scope) -> str:
    """Where copies are mounted: below the prefix; those of a kept map whose names have blanks and the like, word for word."""
    plain_, prefix = below(scope.prefix), scope.prefix.rstrip("/")
    odd = [prefix + m.point for m in scope.mounts if not re.fullmatch(plain_, prefix + m.point)]
    return f"({plain_}|{any_of(odd)})" if odd else f"({plain_})"


def sources(scope: Scope) -> str:
    """Mount points of the source as a tar has them: any without blanks, and those of a kept map."""
    return f"({'|'.join(['[^ ]*', *(escaped(m.point.strip('/')) for m in scope.mounts if ' ' in m.point)])})"


def places(scope: Scope) -> tuple[str, ...]:
    """Where copies of the filesystems of a kept map are mounted on this host, and, taken over, the filesystems themselves."""
    prefix = scope.prefix.rstrip("/")
    return tuple(where for m in scope.mounts for where in (prefix + m.point, m.point))


def above(paths: Iterable[str]) -> tuple[str, ...]:
    """These directories and all above them, without the root."""
    out = set[str]()
    for path in paths:
        words = path.strip("/").split("/")
        out |= {"/" + "/".join(words[:n]) for n in range(1, len(words) + 1)}
    return tuple(sorted(out - {"/"}))


def rules(pins: Pins, scope: Scope, role: Role, found: Iterable[Privileged]) -> tuple[tuple[Rule, ...], tuple[LeftOut, ...]]:
    """The rules of an account, and what they leave out. ValueError for an inspector's command that could change anything."""
    made: list[Rule] = []
    lacking: list[LeftOut] = []
    for one in found:
        if role is Role.INSPECTOR and not one.looking:
            continue
        for invocation in _expanded(one.invocation, pins.before):
            words = tuple(plain(word) for word in invocation.words)
            if role is Role.INSPECTOR and not pins.reads(words):
                raise ValueError(f"{' '.join(words)} is not known as a read, and is sent by a console that only looks")
            for rule in _split(pins, scope, invocation, one):
                made += [rule] if isinstance(rule, Rule) else []
                lacking += [rule] if isinstance(rule, LeftOut) else []
    return tuple(dict.fromkeys(made)), tuple(dict.fromkeys(lacking))


def _expanded(invocation: Invocation, before: Mapping[str, tuple[str, ...]]) -> Iterable[Invocation]:
    """The command with what may stand before it: a variable that is empty, or a few words."""
    first, rest = invocation.words[0], invocation.words[1:]
    if len(first) == 1 and isinstance(first[0], Hole) and first[0].name in before:
        for text in before[first[0].name]:
            yield Invocation((*((word,) for word in text.split()), *rest), invocation.at)
    else:
        yield invocation


def _split(pins: Pins, scope: Scope, invocation: Invocation, one: Privileged) -> Iterable[Rule | LeftOut]:
    """One rule; or several, each for some of the filesystems, where one expression would be longer than sudo takes."""
    rule = _rule(pins, pins.holes(scope), invocation, one)
    half = len(scope.mounts) // 2
    if half and isinstance(rule, LeftOut) and rule.reason.startswith(_TOO_LONG):
        for mounts in (scope.mounts[:half], scope.mounts[half:]):
            yield from _split(pins, replace(scope, mounts=mounts), invocation, one)
    else:
        yield rule


def _rule(pins: Pins, holes: Mapping[str, str], invocation: Invocation, one: Privileged) -> Rule | LeftOut:
    command, text = invocation.command, str(invocation)
    for begin, reason in pins.never.items():
        if text.startswith(begin):
            return LeftOut(text, reason, one.titles)
    loose = next((reason for begin, reason in pins.loose.items() if text.startswith(begin)), "")
    open_ = [hole.name for word in invocation.words for hole in word if isinstance(hole, Hole)]
    open_ += ["WORD"] if "TREE" in open_ else []
    patterns = {name: holes.get(f"{command} {name}", holes.get(name)) for name in open_}
    if unknown := [name for name, pattern in patterns.items() if pattern is None]:
        return LeftOut(text, f"nothing is known of {', '.join(unknown)}", one.titles)
    if empty := [name for name, pattern in patterns.items() if not pattern]:
        return LeftOut(text, f"no kept map tells what {', '.join(empty)} may be", one.titles)
    if not open_:
        arguments = " ".join(plain(word) for word in invocation.words[1:])
        return Rule(pins.path(command), arguments, True, one.titles, loose)
    first = plain(invocation.words[0])
    if "{" in first:
        return LeftOut(text, "the command itself is not known", one.titles)
    expression = _repeated("".join(_expression(word, patterns) for word in invocation.words[1:]).rstrip(" "))
    if len(expression) > LIMIT:
        return LeftOut(text, f"{_TOO_LONG} {LIMIT} characters", one.titles)
    return Rule(pins.path(command), expression, False, one.titles, loose)


def _expression(word: Word, patterns: Mapping[str, str | None]) -> str:
    """A word and the blank after it; one that may come to nothing takes its blank with it."""
    if word[0] == "tree=":  # a tag of restic: paths with their blanks as %20
        return f"tree={patterns['WORD']}={patterns['WORD']} "
    if len(word) == 1 and isinstance(word[0], Hole) and not word[0].quoted and re.fullmatch(patterns[word[0].name] or "x", ""):
        return f"({patterns[word[0].name]} )?"
    return "".join(escaped(part) if isinstance(part, str) else patterns[part.name] or "" for part in word) + " "


_TAGS = re.compile(r" --tag split=(\S+) .* --tag tree=\S+ -- (.*)")


def _repeated(expression: str) -> str:
    """A backup has a tag and a path for each of its trees, however many there are."""
    return _TAGS.sub(lambda m: f"( --tag [a-z]+={m[1]}(={m[1]})?)+ -- {m[2]}( {m[2]})*", expression)
