"""What is not installed with the console: an import that fails says which extra brings it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import ConfigError


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Around imports of what only an extra of ours installs. ConfigError when it is missing."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise ConfigError(f"{what} needs the extra `{name}` (pip install 'splitmount[{name}]'): {missing}") from missing
