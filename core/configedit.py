"""Adding a host, an array or a set to a configuration's text: every byte that was there stays, comments and order with it.

Pure: the text that comes out was read again by `core.config` and is the old configuration plus the new part, or ConfigError is raised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from core.config import LIMIT, compose, parse
from core.errors import ConfigError
from core.model import Pair
from core.pairs import parse_pairs, read_pairs
from core.settings import ArraySettings, HostSettings, SetSettings, Settings

Part = HostSettings | ArraySettings | SetSettings
_SECTIONS: Mapping[type[Part], str] = {HostSettings: "hosts", ArraySettings: "arrays", SetSettings: "sets"}
_KEYS: Mapping[str, str] = {"pairs_file": "pairs"}
_UNWRITTEN = frozenset({"name", "pairs"})
_ALWAYS = frozenset({"pre_policy", "post_policy"})  # a reader should see what is done with the mirrors
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@+-]*")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_STEP = 2


@dataclass(frozen=True, slots=True)
class Draft:
    """A configuration as it is to be. `before` is what its file holds now, None where there is none; `pairs` are new files."""

    path: Path
    before: str | None
    text: str
    pairs: Mapping[Path, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """What the text says. ConfigError as `core.config`."""
        return parse(self.text, self.path, self._pairs_of)

    def _pairs_of(self, path: Path) -> tuple[Pair, ...]:
        return parse_pairs(self.pairs[path], str(path)) if path in self.pairs else read_pairs(path)


def added(draft: Draft, part: Part) -> Draft:
    """The draft with a host, an array or a set more. ConfigError says why it cannot be, and then nothing changed."""
    section, old = _SECTIONS[type(part)], draft.settings
    known: Mapping[str, Any] = getattr(old, section)
    if not _LABEL.fullmatch(part.name):
        raise ConfigError(f"{part.name!a} is no name for this: letters, digits and - _ . are allowed, 63 at the most")
    if part.name in known:
        raise ConfigError(f"{part.name} is taken: {draft.path} has it under {section} already")
    pairs = dict(draft.pairs)
    if isinstance(part, SetSettings):
        pairs[part.pairs_file] = pairs_text(part)
    wanted: dict[str, Any] = {section: {**known, part.name: part}}
    body = _body(part, draft.path.parent)
    new = replace(draft, text=_with_entry(draft.text, draft.path, section, part.name, body), pairs=pairs)
    by_hand = ConfigError(
        f"{draft.path}: the way it is written, nothing can be put into it without changing the rest; add this by hand:\n"
        + "\n".join(_lines(section, {part.name: body}, 0, 2))
    )
    try:
        compose(new.text, draft.path)
    except ConfigError as error:
        raise by_hand from error
    try:
        found = new.settings
    except ConfigError as error:  # its lines are of a file that nobody has seen
        raise ConfigError(re.sub(rf"(?m)^{re.escape(str(draft.path))}:\d+: ", "", str(error))) from error
    if found != replace(old, **wanted):
        raise by_hand
    if len(new.text.encode()) > LIMIT:
        raise ConfigError(f"{draft.path}: it would be larger than {LIMIT} bytes, which no configuration may be")
    return new


def pairs_text(one: SetSettings) -> str:
    """The pairs file of a set. ConfigError as `core.pairs`."""
    rows = "".join(f"{' '.join((p.std, p.bcv, p.address)).rstrip()}\n" for p in one.pairs)
    text = f"# the pairs of {one.name}: standard, BCV\n{rows}"
    if parse_pairs(text, str(one.pairs_file)) != one.pairs:
        raise ConfigError(f"{one.pairs_file}: these pairs would not be read as they are meant")
    return text


# --- what is written ----------------------------------------------------------------------------------------------------


def _body(part: Any, base: Path) -> dict[str, Any]:
    """The keys of a part that are not what they are anyway; paths below `base` are relative to it."""
    return {
        _KEYS.get(f.name, f.name): _value(getattr(part, f.name), base)
        for f in fields(part)
        if f.name not in _UNWRITTEN and (f.name in _ALWAYS or getattr(part, f.name) != _default(f))
    }


def _default(one: Field[Any]) -> Any:
    return one.default_factory() if one.default_factory is not MISSING else one.default


def _value(value: Any, base: Path) -> Any:
    if isinstance(value, Path):
        return str(value.relative_to(base) if value.is_relative_to(base) else value)
    if is_dataclass(value):
        return _body(value, base)
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return dict(value)
    return value


def _flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text.lower() != "null" else json.dumps(text)


def _lines(key: str, value: Any, column: int, levels: int) -> list[str]:
    """An entry as lines: so many levels of it in block style, what is deeper on one line."""
    if not levels:
        return [" " * column + f"{_flow(key)}: {_flow(value)}"]
    inner = (line for k, v in value.items() for line in _lines(k, v, column + _STEP, levels - 1))
    return [" " * column + f"{_flow(key)}:", *inner]


# --- where it is written ------------------------------------------------------------------------------------------------


def _with_entry(text: str, path: Path, section: str, label: str, body: Mapping[str, Any]) -> str:
    top = compose(text, path)
    if top is None:
        return _insert(text, len(text), _lines(section, {label: body}, 0, 2))
    held = next(((k, v) for k, v in _items(top) if isinstance(k, yaml.ScalarNode) and k.value == section), None)
    if held is None:
        return _into(text, top, 0, section, {label: body}, 2)
    key, node = held
    return _into(text, node, key.start_mark.column + _STEP, label, body, 1)


def _items(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _into(text: str, node: yaml.Node, column: int, key: str, value: Any, levels: int) -> str:
    """The text with an entry more in a mapping, or in place of nothing: behind its last entry, or first between braces."""
    if isinstance(node, yaml.MappingNode) and node.flow_style:
        at = node.start_mark.index + 1
        entry = f"{_flow(key)}: {_flow(value)}" + ("" if text[at:].lstrip().startswith("}") else ", ")
        return text[:at] + entry + text[at:]
    first = next(iter(_items(node)), None)
    column = first[0].start_mark.column if first else column
    return _insert(text, _behind(text, _end(node), column), _lines(key, value, column, levels))


def _insert(text: str, at: int, lines: Sequence[str]) -> str:
    """Whole lines, with the ends of line that the text has."""
    end = "\r\n" if "\r\n" in text else "\n"
    before = "" if not at or text[at - 1] == "\n" else end
    return text[:at] + before + "".join(line + end for line in lines) + text[at:]


def _end(node: yaml.Node) -> int:
    """Where the last word of a node ends; a block's own end lies behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, yaml.MappingNode) else last)
    return node.end_mark.index


def _behind(text: str, index: int, column: int) -> int:
    """The start of the first line behind an entry, and behind the comments that stand as deep as it does."""
    at = index
    if index and text[index - 1] != "\n":
        at = text.find("\n", index) + 1 or len(text)
    place = at
    for line in re.findall(r"[^\n]*\n|[^\n]+", text[at:]):
        bare = line.strip()
        if bare and not (bare.startswith("#") and len(line) - len(line.lstrip(" ")) >= column):
            break
        at += len(line)
        place = at if bare else place
    return place
