"""The words of a SYMCLI command line: what a verb takes, and the refusal of everything else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hostdrivers.emulated.program import Answer, Call, Usage

_GLOBAL = frozenset({"-sid", "-output", "-v"})
_VALUES = frozenset({"-sid", "-output", "-f", "-file", "-i", "-c", "-devs", "-g", "-type", "-pdevfile"})
_SAME = {"-file": "-f", "-noprompt": "-nop", "-synchronized": "-synched"}
_UNMODELLED = frozenset(
    "-star -differential -remote -reverse -symforce -bypass -both_sides -rdb -exact -opt -concurrent -attach -multi -bg".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Words:
    """A command line taken apart: the verb, its options with their values, and the operands."""

    name: str
    verb: str
    options: Mapping[str, str]
    operands: tuple[str, ...]
    env: Mapping[str, str]

    @property
    def xml(self) -> bool:
        """Whether XML in elements was asked for."""
        return "-output" in self.options


@dataclass(frozen=True, slots=True)
class Verb:
    """What a verb takes. `control` verbs change something: they ask first. `sid` and `f` are whether those are needed."""

    run: Callable[[Words], Answer]
    takes: frozenset[str] = frozenset()
    operands: tuple[int, int] = (0, 0)
    control: bool = False
    sid: bool = False
    file: bool = False
    locks: bool = True


def split_words(name: str, verbs: Mapping[str, Verb], call: Call) -> Words:
    """A command line taken apart. Usage when its verb or an option is none."""
    options: dict[str, str] = {}
    plain: list[str] = []
    rest = list(call.argv)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            plain.append(word)
            continue
        word = _SAME.get(word, word)
        if word in _VALUES and not rest:
            raise Usage(f"{name}: the option '{word}' needs a value")
        if word in options:
            raise Usage(f"{name}: the option '{word}' stands twice")
        options[word] = rest.pop(0) if word in _VALUES else ""
    verb = "" if "" in verbs else (plain.pop(0) if plain else "")
    if verb not in verbs:
        raise Usage(f"{name}: invalid action '{verb}'; one of {', '.join(verbs)} is expected")
    return Words(name, verb, options, tuple(plain), call.env)


def check_words(words: Words, verb: Verb) -> None:
    """Usage when the verb does not take what stands there, or lacks what it needs."""
    for option in words.options:
        if option in _UNMODELLED and option not in verb.takes:
            raise Usage(f"{words.name}: the option '{option}' is not emulated")
        if option not in verb.takes | _GLOBAL:
            raise Usage(f"{words.name}: invalid option '{option}' for '{words.verb}'")
    least, most = verb.operands
    if not least <= len(words.operands) <= most:
        raise Usage(f"{words.name}: invalid arguments: {' '.join(words.operands) or 'none'}")
    if verb.file and ("-f" in words.options) is ("-g" in words.options):
        raise Usage(f"{words.name}: {words.verb} needs -f or -g, one of them")
    if verb.sid and "-sid" not in words.options and "-g" not in words.options:
        raise Usage(f"{words.name}: {words.verb} needs -sid")
    if words.options.get("-output", "xml_e") not in {"xml_e", "xml_element"}:
        raise Usage(f"{words.name}: -output {words.options['-output']} is not emulated; use xml_e")
    for option in ("-i", "-c"):
        if option in words.options and not re.fullmatch(r"[1-9]\d{0,5}", words.options[option]):
            raise Usage(f"{words.name}: '{words.options[option]}' is no number for {option}")
