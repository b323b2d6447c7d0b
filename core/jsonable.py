"""Facts, plans and events as JSON values, for journals and for `--json`; and plans back again, for a run that is taken up."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


def to_json(value: object) -> Json:
    """The value as plain JSON: dataclasses by field name, times as ISO 8601, enums by value. TypeError for others."""
    if isinstance(value, Enum):
        return to_json(value.value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(v) for v in value]
    raise TypeError(f"no JSON form for {type(value).__name__}")


def from_json(kind: type[T], value: object) -> T:
    """The value of that type again, from what `to_json` made of it; fields that are missing take their defaults.

    ValueError says which field does not fit: a journal of another version, or one that somebody wrote into.
    """
    made: T = _from(kind, value, kind.__name__)
    return made


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _from(kind: Any, value: Any, where: str) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in inner:
            return None
        return _from(next(one for one in inner if one is not type(None)), value, where)
    if origin in (tuple, frozenset) and isinstance(value, list):
        return _several(origin, inner, value, where)
    if origin is not None and issubclass(origin, Mapping) and isinstance(value, dict):
        return {_from(inner[0], name, where): _from(inner[1], one, f"{where}.{name}") for name, one in value.items()}
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        hints = _hints(kind)
        known = {f.name: _from(hints[f.name], value[f.name], f"{where}.{f.name}") for f in fields(kind) if f.name in value}
        return _made(kind, known, where)
    return _plain(kind, value, where)


def _several(origin: type, inner: tuple[Any, ...], value: list[Any], where: str) -> Any:
    if origin is tuple and inner[-1:] != (Ellipsis,):
        if len(inner) != len(value):
            raise ValueError(f"{where}: {len(inner)} values are expected, not {len(value)}")
        return tuple(_from(one, part, where) for one, part in zip(inner, value, strict=True))
    return origin(_from(inner[0], part, f"{where}[{n}]") for n, part in enumerate(value))


def _made(kind: type, known: Mapping[str, Any], where: str) -> Any:
    try:
        return kind(**known)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def _plain(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is datetime and isinstance(value, str):
        return datetime.fromisoformat(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{where}: {getattr(kind, '__name__', kind)} is expected, not {value!r:.40}")
