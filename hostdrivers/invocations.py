"""What a script runs as root: every `$S COMMAND ...` in the text that a host will get, with its words as the shell sees them.

The scripts are the one list of privileged commands; whoever needs that list (the sudoers file, a test of fences) reads it
from them. This reads the shell that our scripts are written in, not all of the shell's language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_ROOT = re.compile(r"(?:(?<![\w$])\$S|\bsudo -n|\bpfexec)(?=[ \t])[ \t]+")
_COMMENT = re.compile(r"(?m)(?:^|(?<=[ \t]))#.*$")
_FUNCTION = re.compile(r"(?m)^(\w+)\(\) \{(.*(?:\n(?!\}).*)*\n\}|[^\n]*\})[ \t]*(?:#.*)?$")
_HOLE = re.compile(r"\$(?:\{([^}]*)\}|(\w+)|([@*#?$]))")
_REDIRECTION = re.compile(r"\d*[<>]{1,2}(?:&\d)?[ \t]*")


@dataclass(frozen=True, slots=True)
class Hole:
    """A place in a word that the shell fills in: a variable by its name, or a command substitution by its text.

    One that is not `quoted` may come to several words, or to none.
    """

    name: str
    quoted: bool


Word = tuple[str | Hole, ...]


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command that runs as root, `at` a place of the text it was found in."""

    words: tuple[Word, ...]
    at: int

    @property
    def command(self) -> str:
        """The command's own name, or the text of what stands there."""
        return plain(self.words[0]) if self.words else ""

    def __str__(self) -> str:
        """For a person, with the holes in braces."""
        return " ".join(plain(word) for word in self.words)


def plain(word: Word) -> str:
    """A word with its holes in braces."""
    return "".join(part if isinstance(part, str) else "{" + part.name + "}" for part in word)


# --- functions --------------------------------------------------------------------------------------------------------


def parts(script: str) -> tuple[str, Mapping[str, str]]:
    """The script without its functions and comments, and the functions by name."""
    text = _COMMENT.sub("", script)
    functions = {m.group(1): m.group(2).rstrip().removesuffix("}") for m in _FUNCTION.finditer(text)}
    return _FUNCTION.sub("", text), functions


def mark(name: str) -> str:
    """How `flat` marks that a function was called."""
    return f"«{name}»"


def flat(script: str) -> str:
    """The script as one run of text, each call of a function followed by what the function does, in the order of its text."""
    body, functions = parts(script)
    if not functions:
        return body
    call = re.compile(rf"(?<![\w$/.'=-])({'|'.join(sorted(functions, key=len, reverse=True))})(?![\w=/.'-])")

    def expanded(text: str, seen: frozenset[str]) -> str:
        def one(match: re.Match[str]) -> str:
            name = match.group(1)
            inner = "" if name in seen else expanded(functions[name], seen | {name})
            if "«" not in inner and _ROOT.search(inner) is None:
                return mark(name)  # nothing in it that anybody asks for
            return f"{mark(name)}\n{inner}\n"

        return call.sub(one, text)

    return expanded(body, frozenset())


# --- invocations ------------------------------------------------------------------------------------------------------


def invocations(script: str) -> tuple[Invocation, ...]:
    """Everything that the script can run as root, functions that it calls included."""
    text = flat(script)
    return tuple(Invocation(tuple(_words(text, m.end())), m.start()) for m in _ROOT.finditer(text))


def _words(text: str, at: int) -> Iterator[Word]:
    """The words of a simple command that begins at a place, up to its end; redirections are left out."""
    while True:
        while text[at : at + 1] in (" ", "\t") or text[at : at + 2] == "\\\n":
            at += 2 if text[at] == "\\" else 1
        if (redirection := _REDIRECTION.match(text, at)) is not None:
            at = redirection.end()
            if not redirection.group().rstrip()[-1:].isdigit():
                _, at = _word(text, at)
            continue
        if at >= len(text) or text[at] in "\n;|&)(}" or text.startswith("«", at) or _closes(text, at):
            return
        began = at
        word, at = _word(text, at)
        if at == began:
            return  # the end of a quotation in which the whole command stands
        yield word


def _closes(text: str, at: int) -> bool:
    """Whether a backquote stands here that ends the substitution in which the command runs, rather than beginning one."""
    return text.startswith(("`", "\\`"), at) and text[at - 1] not in " \t"


def _word(text: str, at: int) -> tuple[Word, int]:
    """One word, and where it ends."""
    found: list[str | Hole] = []
    while at < len(text) and text[at] not in " \t\n;|&)(<>«":
        if text[at] == "'":
            end = text.find("'", at + 1)
            if end < 0 or ("\n" in text[at:end] and text[at - 1] not in " \t="):
                break
            found.append(text[at + 1 : end])
            at = end + 1
        elif text[at] == '"':
            at = _quoted(text, at + 1, found)
        elif text[at] == "`" or text.startswith("\\`", at):
            if found or text[at - 1] not in " \t":
                break
            end = text.index("`", at + 1)
            found.append(Hole(re.sub("[«»]", "", text[at + 1 : end]), quoted=False))
            at = end + 1
        elif (hole := _HOLE.match(text, at)) is not None:
            found.append(Hole(_name(hole), quoted=False))
            at = hole.end()
        else:
            at += text[at] == "\\"
            found.append(text[at])
            at += 1
    return tuple(_joined(found)), at


def _quoted(text: str, at: int, found: list[str | Hole]) -> int:
    """What stands between double quotes; where the text goes on after them."""
    found.append("")
    while text[at] != '"':
        if text[at] == "`":
            end = text.index("`", at + 1)
            found.append(Hole(text[at + 1 : end], quoted=True))
            at = end + 1
        elif (hole := _HOLE.match(text, at)) is not None:
            found.append(Hole(_name(hole), quoted=True))
            at = hole.end()
        else:
            at += text[at] == "\\" and text[at + 1] in '"$`\\'
            found.append(text[at])
            at += 1
    return at + 1


def _name(match: re.Match[str]) -> str:
    return match.group(1) or match.group(2) or match.group(3)


def _joined(found: list[str | Hole]) -> Iterator[str | Hole]:
    text = ""
    for part in found:
        if isinstance(part, str):
            text += part
            continue
        if text:
            yield text
        text = ""
        yield part
    if text or not found:
        yield text
