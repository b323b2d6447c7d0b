"""How a person wants to be told of a run, as `console.yaml` has it. Light: it is read before anything else is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from core.secrets import in_command, in_url


@dataclass(frozen=True, slots=True)
class Notify:
    """How a person wants to be told; `command` is a list of words, never a text for a shell. `limit` in seconds, for each way."""

    when: str = "end"
    bell: bool = False
    desktop: str = ""
    command: tuple[str, ...] = ()
    webhook: str = ""
    limit: int = 10


_TYPES: Mapping[str, type] = {"when": str, "bell": bool, "desktop": str, "command": list, "webhook": str, "limit": int}
DESKTOPS: Mapping[str, str] = {"osc9": "\x1b]9;{title}: {body}\x07", "osc777": "\x1b]777;notify;{title};{body}\x07"}
_WHENS = ("end", "attention")


def parse_notify(given: Mapping[Any, Any]) -> tuple[Notify, list[str]]:
    """The wishes in a file, and what is wrong with them."""
    wrong = [f"{name}: unknown; known here: {', '.join(_TYPES)}" for name in given if name not in _TYPES]
    known = {name: value for name, value in given.items() if name in _TYPES}
    wrong += [f"{n}: {_TYPES[n].__name__} is wanted" for n, v in known.items() if type(v) is not _TYPES[n]]
    known = {name: value for name, value in known.items() if type(value) is _TYPES[name]}
    words = known.get("command", [])
    rules = {
        f"when: one of {', '.join(_WHENS)}": known.get("when", "end") in _WHENS,
        f"desktop: one of {', '.join(DESKTOPS)}": not known.get("desktop") or known["desktop"] in DESKTOPS,
        "command: a list of words, the program first": all(isinstance(w, str) and "\0" not in w for w in words)
        and (not words or bool(words[0])),
        "webhook: http:// or https:// with a host": not known.get("webhook") or _usable(known["webhook"]),
        "limit: 1 to 60 seconds": 1 <= known.get("limit", 10) <= 60,
    }
    wrong += [sentence for sentence, kept in rules.items() if not kept]
    if not wrong and (in_url(known.get("webhook", "")) or in_command(" ".join(words))):
        wrong.append("a password stands in it: let a command read it from a file of its own")
    return (Notify() if wrong else Notify(**{**known, "command": tuple(words)})), wrong


def _usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and url.isascii()
            and url.isprintable()
        )
    except ValueError:
        return False
