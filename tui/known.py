"""The names that a configuration has, for completion: read as fast as can be, and nothing is said of what is wrong in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

KINDS = ("sets", "hosts", "arrays")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")  # no shell does anything with such a word


def known(kinds: Sequence[str], path: Path | None = None) -> Iterator[str]:
    """Each name once, in the order of the file. Of a file that is missing or cannot be read: none."""
    import yaml

    from core.config import LIMIT, find

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        source = path or find()
        with (source or Path()).open("rb") as file:
            body: Any = yaml.load(file.read(LIMIT), loader)  # noqa: S506  both are safe loaders
    except (OSError, yaml.YAMLError, ValueError, RecursionError):
        return
    sections = [body.get(kind) for kind in kinds] if isinstance(body, dict) else []
    names = dict.fromkeys(str(name) for section in sections if isinstance(section, dict) for name in section)
    yield from (name for name in names if _PLAIN.fullmatch(name))
