"""One discovery script, many sections: how a script prints each command's output, status and errors, and how that is read."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import ParseError
from core.transport import Result

MARK = "@@splitmount-section"

SECT = r"""
sect() { # NAME COMMAND...: its output and, on the error channel, its errors; a mark before both, then the exit status
  name=$1; shift; echo "$M $name"; echo "$M $name" >&2
  "$@"; rc=$?
  echo; echo "$M $name.end $rc"
}
"""


def marked(body: str) -> str:
    """A script whose sections have a mark that no output can guess; `body` calls `sect`."""
    return f"M='{MARK}-{secrets.token_hex(4)}'\n{SECT}" + 'echo "$M begin"\n' + body + 'echo "$M finished"\n'


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the output: its text, its exit status, what it said on its errors."""

    text: str
    status: int
    errors: str


@dataclass(frozen=True, slots=True)
class Report:
    """The host's name and its sections: what every part of a parser looks at."""

    host: str
    sections: Mapping[str, Section]

    def text(self, name: str, *, needed: bool = True) -> str:
        """The text of a section; ParseError when it failed, unless it may be missing on this host."""
        section = self.sections.get(name)
        if section is None:
            raise ParseError(self.host, "discovery", f"section {name} is missing from the output")
        if section.status != 0 and needed:
            raise ParseError(self.host, name, f"exit status {section.status}", last(section.errors))
        return section.text if section.status == 0 else ""

    def below(self, prefix: str) -> Mapping[str, Section]:
        """The sections `PREFIX.NAME` by NAME, in the order in which they came."""
        return {name[len(prefix) + 1 :]: s for name, s in self.sections.items() if name.startswith(prefix + ".")}


def whole_number(text: str) -> bool:
    """Whether a text is a count that any disk could have: digits of ASCII alone, and no more than 18 of them."""
    return re.fullmatch("[0-9]{1,18}", text) is not None


def last(text: str) -> str:
    """The last line with something in it."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


LONGEST = 4096  # characters of a line of any command that prints for people


def sections_of(host: str, result: Result, longest: int = LONGEST) -> Mapping[str, Section]:
    """Cut output and errors at their marks. ParseError when the output is not whole, or a line is longer than any command's."""
    text = result.stdout
    begin = re.search(rf"^({MARK}-[0-9a-f]+) begin$", text, re.MULTILINE)
    if begin is None or f"{begin.group(1)} finished" not in text:
        end = "its end is unknown" if result.exit_status is None else f"exit status {result.exit_status}"
        why = f": {result.reason}" if result.reason else ""
        said = "\n".join(line for line in result.stderr.splitlines() if not line.startswith(MARK))
        raise ParseError(host, "discovery", f"the output is not whole, {end}{why}", last(said) or last(text))
    mark = begin.group(1)
    errors = dict(part.partition("\n")[::2] for part in result.stderr.split(f"{mark} "))
    out: dict[str, Section] = {}
    name, at = "", 0
    for match in re.compile(rf"^{mark} (\S+)(?: (\d{{1,9}}))?$", re.MULTILINE).finditer(text, begin.end()):
        word, status = match.groups()
        if name and word == f"{name}.end" and status is not None:
            if match.start() - at > longest and any(len(line) > longest for line in text[at : match.start()].splitlines()):
                raise ParseError(host, name, f"a line of more than {longest} characters")
            out[name] = Section(text[at : match.start()].removesuffix("\n"), int(status), errors.get(name, "").strip())
            name = ""
        elif not name and status is None:
            name, at = word, match.end() + 1
    return out
