"""`collect`, and `--from DIR`: what hosts without access saved of themselves, looked at by the same engine as live answers."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core import offline
from core.arrays.base import ArrayDriver
from core.errors import ConfigError
from core.events import HostMeasured, SetMeasured
from core.hosts import HostRef
from core.offline import Saved
from core.replay import ReplayTransport
from core.settings import HostSettings, Settings
from core.transport import Command, Result
from hostdrivers import DRIVERS
from tui.lines import answer
from tui.say import say
from tui.wiring import TABLES


def collect(options: argparse.Namespace, settings: Settings) -> int:
    """Print the script that saves what a host of a system, or an array, answers."""
    text = _of_array(settings, options.array) if options.array else _of_system(options.system)
    if options.json:
        return answer({"script": text})
    say(*text.rstrip("\n").split("\n"))
    return 0


def _of_system(system: str) -> str:
    return offline.collector(DRIVERS[system].discovery(HostRef("this host", system)), system, f"a host with {system}")


def _of_array(settings: Settings, name: str) -> str:
    if name not in settings.arrays:
        raise ConfigError(f"there is no array {name!r} in the configuration; known: {', '.join(settings.arrays) or 'none'}")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name):  # it goes into a script
        raise ConfigError(f"array {name!a}: its name is no name for a file; call it otherwise in the configuration")
    command = _question(settings, name)
    what = f"the array {name}, on its management host"
    return offline.collector(command, offline.about_array(command), what, name + offline.ARRAY)


def _question(settings: Settings, name: str) -> Command:
    """The read for all pairs of all sets on an array: the answer to it serves each of them."""
    array: ArrayDriver = TABLES.arrays[settings.arrays[name].driver](settings.arrays[name])
    pairs = dict.fromkeys(pair for one in settings.sets.values() if one.array == name for pair in one.pairs)
    if not pairs:
        raise ConfigError(f"array {name}: no set of the configuration has pairs on it")
    return asyncio.run(offline.question(array, tuple(pairs)))


@dataclass(frozen=True, slots=True)
class Opened:
    """The files of a directory: settings to look with, their answers, and lines that say what is there, and what is left over."""

    settings: Settings
    transport: ReplayTransport
    lines: tuple[str, ...]
    left: tuple[str, ...]


def opened(settings: Settings, directory: Path) -> Opened:
    """Read what belongs to the configuration; without one, each file is a host. ConfigError for a file that cannot be used."""
    names = offline.names(directory)
    saved: dict[str, Saved] = {}
    if settings.path is None:
        saved = {name: offline.read(directory / name) for name in names if name.endswith(offline.HOST)}
        settings = replace(settings, hosts={name: _host(name, saved[name + offline.HOST]) for name in map(_stem, saved)})
    known = [*(n + offline.HOST for n in settings.hosts), *(n + offline.ARRAY for n in settings.arrays)]
    saved |= {name: offline.read(directory / name) for name in known if name in names and name not in saved}
    answers = tuple(_answers(settings, saved))
    lines = [f"{name}: of {one.host}, {one.at:%Y-%m-%d %H:%M:%S} UTC by its clock" for name, one in saved.items()]
    missing = [name for name in _needed(settings) if name not in saved]
    lines += [f"{name}: not in {directory}: what it would tell is unknown" for name in missing]
    why = (
        "only a configuration can tell what it is of"
        if settings.path is None
        else "the configuration has no such name; rename it"
    )
    left = tuple(f"{directory / name}: left out: {why}" for name in names if name not in saved)
    return Opened(settings, ReplayTransport(answers, f"the files of {directory}"), tuple(lines), left)


def _needed(settings: Settings) -> dict[str, None]:
    """The files without which something of a set is unknown, each once."""
    sets = settings.sets.values()
    hosts = (host + offline.HOST for one in sets for host in (one.source, one.target))
    return dict.fromkeys((*hosts, *(one.array + offline.ARRAY for one in sets)))


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _host(name: str, one: Saved) -> HostSettings:
    if one.about not in DRIVERS:
        raise ConfigError(f"{one.origin}:1: {one.about!a} is no system that this program knows; known: {', '.join(DRIVERS)}")
    return HostSettings(name, one.about, one.host)


def _answers(settings: Settings, saved: dict[str, Saved]) -> Iterator[Result]:
    """Each file as the answer to the question that the engine will ask."""
    for name, host in settings.hosts.items():
        if (one := saved.get(name + offline.HOST)) is not None:
            if one.about != host.os:
                again = f"splitmount collect --print {host.os}"
                raise ConfigError(f"{one.origin}:1: saved on {one.about!a}, but {name} has {host.os}; save it with: {again}")
            yield one.result(DRIVERS[host.os].discovery(HostRef(name, host.os)))
    asked: dict[tuple[str, str], str] = {}
    for name in settings.arrays:
        if (one := saved.get(name + offline.ARRAY)) is not None:
            command = _question(settings, name)
            if one.about != offline.about_array(command):
                again = f"splitmount collect --array {name}"
                raise ConfigError(f"{one.origin}:1: saved for other pairs than the configuration has; save it with: {again}")
            other = asked.setdefault((command.host, command.title), name)
            if other != name:
                raise ConfigError(
                    f"{one.origin}: {other} has the same management host: offline only one of them can be looked at"
                )
            yield one.result(command)


def dated(found: HostMeasured | SetMeasured) -> HostMeasured | SetMeasured:
    """What was found of a set, with the time of the oldest file that it is made of instead of now."""
    if isinstance(found, HostMeasured):
        return found
    times = [facts.measured_at for facts in (found.estate.source, found.estate.target) if facts is not None]
    return replace(found, estate=replace(found.estate, measured_at=min(times))) if times else found
