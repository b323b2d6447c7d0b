"""How the console looks and which keys it has: a person's own `console.yaml`, the command line over it, and what the terminal can do."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from tui.wishes import Notify, parse_notify

THEMES = ("dark", "light", "high-contrast", "deuteranopia", "16-colours")
FILE = "console.yaml"
WATCH = 30  # seconds between two looks at the mirrors of one set
LEAST_WATCH = 5
LIMIT = 1 << 16
AGAIN = 100  # what the console ends with when it is to begin anew, with what was written


@dataclass(frozen=True, slots=True)
class Look:
    """`watch` is in seconds, 0 for never; `keys` are other keys by `Key.id`, as Textual names them; `notify` how a person is told."""

    theme: str = "dark"
    ascii: bool = False
    color: bool = True
    mouse: bool = True
    watch: int = WATCH
    keys: Mapping[str, str] = field(default_factory=dict)
    notify: Notify = field(default_factory=Notify)


_KINDS: Mapping[str, type] = {
    "theme": str,
    "ascii": bool,
    "color": bool,
    "mouse": bool,
    "watch": int,
    "keys": dict,
    "notify": dict,
}


def parse_look(body: str, source: Path) -> Look:
    """The look of a file. ConfigError names the file and everything in it that is wrong."""
    import yaml

    try:
        given: Any = yaml.safe_load(body) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: this is no YAML: {error}") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{source}: names with values are wanted: {', '.join(_KINDS)}")
    wrong = [f"{name}: unknown; known here: {', '.join(_KINDS)}" for name in given if name not in _KINDS]
    known = {name: value for name, value in given.items() if name in _KINDS}
    wrong += [f"{n}: {_KINDS[n].__name__} is wanted" for n, v in known.items() if type(v) is not _KINDS[n]]
    known = {name: value for name, value in known.items() if type(value) is _KINDS[name]}
    if known.get("theme", "dark") not in THEMES:
        wrong.append(f"theme: one of {', '.join(THEMES)}")
    if 0 < known.get("watch", WATCH) < LEAST_WATCH or known.get("watch", WATCH) < 0:
        wrong.append(f"watch: 0 for never, or at least {LEAST_WATCH} seconds")
    if not all(isinstance(part, str) for pair in known.get("keys", {}).items() for part in pair):
        wrong.append("keys: names of actions with names of keys, all of them text")
    elif known.get("keys"):
        from tui.keys import keymap_of

        known["keys"], odd = keymap_of(known["keys"])
        wrong += [f"keys: {sentence}" for sentence in odd]
    known["notify"], odd = parse_notify(known.get("notify", {}))
    wrong += [f"notify: {sentence}" for sentence in odd]
    if wrong:
        raise ConfigError("\n  ".join([f"{source}:", *wrong]))
    return Look(**known)


def look_of(environment: Mapping[str, str], path: Path | None = None, **told: Any) -> Look:
    """The file's look (the defaults without one), then what the terminal cannot do, then what the command line told (None is nothing).

    `NO_COLOR`, when it is there and not empty, takes every colour away (no-color.org). TERM=linux has 16 colours and few glyphs.
    """
    import platformdirs

    source = path or Path(platformdirs.user_config_dir("splitmount")) / FILE
    look = parse_look(_text(source), source) if source.is_file() else Look()
    if environment.get("TERM") == "linux":
        look = replace(look, theme="16-colours", ascii=True)
    if environment.get("NO_COLOR"):
        look = replace(look, color=False)
    return replace(look, **{name: value for name, value in told.items() if value is not None})


def look_from(options: argparse.Namespace) -> Look:
    """The look for a command line."""
    return look_of(os.environ, theme=options.theme, ascii=options.ascii, color=options.color, mouse=options.mouse)


def _text(source: Path) -> str:
    try:
        body = source.read_bytes()[: LIMIT + 1]
        if len(body) > LIMIT:
            raise ConfigError(f"{source}: larger than {LIMIT} bytes")
        return body.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: {error}") from error
