"""What the drivers of databases share: how their scripts begin, the three steps on the copy, and the verbs for good."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.applications.base import CopyPlace
from core.errors import CommandFailed, ParseError, Refused
from core.explain import EXPLAIN
from core.hosts import HostRef
from core.model import ApplicationFacts
from core.plan import Phase, Step, StepKind
from core.settings import ApplicationSettings
from core.transport import Command, Effect, Guard, Result, Status

BECOME = {"": "", "sudo": "sudo -n", "pfexec": "pfexec"}

SAYING = r"""
LC_ALL=C; export LC_ALL
umask 077
refuse() { echo "refused: $*" >&2; exit 90; }
fail() { echo "$*" >&2; exit 1; }
"""


def assigned(values: Mapping[str, str]) -> str:
    """The values as variables of a shell, quoted."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def report_of(result: Result) -> list[tuple[str, str, str]]:
    """A report as (line, key, rest). CommandFailed when it could not be made."""
    if result.status is not Status.OK:
        raise CommandFailed(result.stderr.strip() or result.reason or f"ended with {result.exit_status}")
    return [(line, *line.partition(" ")[::2]) for line in result.stdout.splitlines()]


def whole(host: HostRef, result: Result, words: Mapping[str, str], needed: set[str]) -> None:
    """ParseError unless the report has these keys, and a state that is one."""
    if not needed <= set(words) or words["state"] not in ("running", "stopped"):
        raise ParseError(host.name, result.command.title, "the report is not whole", result.stdout[-200:])


def facts_for_copy(name: str, place: CopyPlace) -> ApplicationFacts:
    """What is known of the source. Refused where its data is not known, or a mount point is nothing for our scripts."""
    if place.facts is None or not any(f.what == "data" for f in place.facts.files or ()):
        raise Refused(f"{name}: where its files lie is not known, so it cannot be tried on a copy; nothing was changed")
    if odd := [point for point in place.points if " " in point or "*" in point]:
        raise Refused(
            f"{name}: {odd[0]!r} has a blank or a star, which the scripts for the copy do not take. Nothing was changed"
        )
    return place.facts


@dataclass(frozen=True, slots=True)
class CopyScripts:
    """The bodies of the three steps and of the undo, what goes before each, and the words of the steps' explanations."""

    before: str
    start: str
    verify: str
    stop: str
    undo: str
    stop_title: str
    explain: str


def copy_steps(app: ApplicationSettings, host: HostRef, scripts: CopyScripts) -> list[Step]:
    """Start, verify and stop it on the copy; what was started is stopped whatever happens."""
    steps = (
        ("start", f"Start {app.name} on the copy", scripts.start),
        ("verify", f"Verify {app.name} on the copy", scripts.verify),
        ("stop", scripts.stop_title, scripts.stop),
    )

    def change(title: str, text: str) -> Command:
        timeout = app.timeout + 120
        return Command(host.name, title, text, Effect.CHANGE, prelude=scripts.before, timeout=timeout, guard=Guard.MOUNTED)

    start, verify, stop = (
        Step(
            f"{verb}-copy",
            Phase.START,
            StepKind.COMMAND,
            title,
            host.name,
            EXPLAIN[f"{verb}-{scripts.explain}"],
            change(title, text),
        )
        for verb, title, text in steps
    )
    undo = change(f"stop {app.name} on the copy", scripts.undo)
    return [replace(start, undo=undo), verify, replace(stop, undoes="start-copy")]


def no_time(name: str, to: str) -> None:
    """Refused when a driver that knows no way to a time is asked for one."""
    if to:
        raise Refused(f"{name}: this driver recovers to no chosen time; do it by hand after the restore. Nothing was changed")


def for_good(
    app: ApplicationSettings, verb: str, host: HostRef, before: str, ours: Mapping[str, str], first: str = ""
) -> Command:
    """The configuration's own command where there is one, ours else; `first` goes before a start of either."""
    own = {"stop": app.stop, "start": app.start, "check": app.check}[verb]
    text = (first if verb == "start" else "") + (f"{own}\n" if own else ours[verb])
    effect, guard = (Effect.READ, Guard.NONE) if verb == "check" else (Effect.CHANGE, Guard.APPLICATION)
    return Command(host.name, f"{verb} {app.name}", text, effect, prelude=before, timeout=app.timeout, guard=guard)
