"""Which files of an application lie outside the set, and so would be of another instant than the rest. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from core.model import ApplicationFacts, ApplicationFile, HostFacts


def outside(facts: ApplicationFacts, source: HostFacts, groups: Iterable[str]) -> tuple[ApplicationFile, ...]:
    """The files that a copy needs and that are on no mounted filesystem of the set's groups; by the innermost mount point above each."""
    return _off(tuple(f for f in facts.files or () if f.needed), source, groups)


def inside(
    facts: ApplicationFacts, source: HostFacts, groups: Iterable[str], whats: Iterable[str]
) -> tuple[ApplicationFile, ...]:
    """The files of these kinds that are on a mounted filesystem of the groups."""
    asked = tuple(f for f in facts.files or () if f.what in set(whats))
    lost = _off(asked, source, groups)
    return tuple(f for f in asked if f not in lost)


def _off(files: tuple[ApplicationFile, ...], source: HostFacts, groups: Iterable[str]) -> tuple[ApplicationFile, ...]:
    names = frozenset(groups)
    ours = {f.mount_point for f in source.filesystems if f.mounted and f.group in names}
    points = ours | set(source.mount_points) | {f.mount_point for f in source.filesystems if f.mounted and f.mount_point}
    return tuple(f for f in files if _point(f.path, points) not in ours)


def _point(path: str, points: Iterable[str]) -> str:
    above = [p for p in points if p and within(path, p)]
    return max(above, key=len, default="")


def within(path: str, top: str) -> bool:
    """Whether a path is this one, or lies below it."""
    return path == top or path.startswith(top.rstrip("/") + "/")
