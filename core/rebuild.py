"""A lost journal, rebuilt from what runs left on the target: their plans, and the directories of their jobs.

A run's directory bears its key; what took that run back, or goes on with it, bears the same key and another number.

Steps are done one after the other, so whatever stands before the last job that is there was done. What stands behind it may
have been sent, where it is no job: it is measured before it is sent (`Past.measure_all`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import shlex
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import ParseError, Refused
from core.events import Outcome
from core.hosts import HostRef
from core.journal import Journal
from core.jsonable import to_json
from core.past import plan_of
from core.plan import StepKind
from core.transport import Command, Result

LIMIT = 64 << 20  # bytes of a plan, unpacked, that are believed
_MARK = "@@splitmount-run"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


def packed(start: Mapping[str, object]) -> str:
    """The record of a run's beginning, in lines of plain characters."""
    data = zlib.compress(json.dumps(to_json(start), sort_keys=True).encode(), 9)
    text = base64.b64encode(data).decode()
    return "\n".join(text[at : at + 76] for at in range(0, len(text), 76))


def unpacked(text: str, host: str) -> Mapping[str, Any]:
    """The record again. ParseError when it is not whole, or too large to be one."""
    try:
        packer = zlib.decompressobj()
        data = packer.decompress(base64.b64decode("".join(text.split()), validate=True), LIMIT)
        if packer.unconsumed_tail or not packer.eof:
            raise ValueError("cut, or too large")
        body: Mapping[str, Any] = json.loads(data)
    except (ValueError, binascii.Error, zlib.error) as error:
        raise ParseError(host, "the plan of a run", f"cannot be unpacked ({error})", text[:80]) from error
    return body


def deposit_script(number: int, text: str) -> str:
    """Write it into the directory of the run, under its name only when it is whole."""
    file = f'"$RUN/plan-{number:04d}'
    return f'cat > {file}.new" <<\'END-OF-PLAN\' || exit 1\n{text}\nEND-OF-PLAN\nmv {file}.new" {file}" || exit 1\n'


def look(ref: HostRef, key: str = "") -> Command:
    """The read that tells the runs that a host has directories of; with a key, all of that one: plan, jobs, what each told."""
    if key and not _KEY.fullmatch(key):
        raise Refused(f"{key!r} is no key of a run")
    runs = shlex.quote(f"{ref.work_dir}/runs")
    text = f"""LC_ALL=C; export LC_ALL
cd {runs} 2>/dev/null || {{ echo "{_MARK} end"; exit 0; }}
for k in {shlex.quote(key) if key else "*"}; do
  [ -d "$k" ] || continue
  echo "{_MARK} run $k"
"""
    if key:
        text += f"""  for p in "$k"/plan-*; do
    case $p in *.new) continue;; esac
    [ -f "$p" ] || continue
    echo "{_MARK} plan `basename "$p"`"
    cat "$p"; echo
  done
  for j in "$k"/*/script; do
    [ -f "$j" ] || continue
    j=`dirname "$j"`
    rc=-; [ -f "$j/rc" ] && rc=`cat "$j/rc"`
    echo "{_MARK} job `basename "$j"` $rc"
    grep '^@bind ' "$j/out" 2>/dev/null
  done
"""
    return Command(ref.name, "look for the runs that left something here", text + f'done\necho "{_MARK} end"\n')


@dataclass(frozen=True, slots=True)
class Remains:
    """What the runs of one key left on the target: their plans by number; `jobs` by name, with the exit status (None while it
    has none) and the values that it told.
    """

    key: str
    plans: Mapping[int, Mapping[str, Any]]
    jobs: Mapping[str, tuple[int | None, Mapping[str, str]]]


def parse_keys(ref: HostRef, result: Result) -> tuple[str, ...]:
    """The keys of the runs that have a directory there."""
    _whole(ref, result)
    return tuple(line.split(" ", 2)[2] for line in result.stdout.splitlines() if line.startswith(f"{_MARK} run "))


def parse_remains(ref: HostRef, result: Result) -> Remains:
    """The one run that was asked for. Refused when it left nothing."""
    _whole(ref, result)
    key, plans, jobs = "", dict[int, Mapping[str, Any]](), dict[str, tuple[int | None, dict[str, str]]]()
    for kind, words, lines in _sections(result.stdout):
        if kind == "run":
            key = words
        elif kind == "plan":
            plans[int(words.removeprefix("plan-"))] = unpacked("\n".join(lines), ref.name)
        elif kind == "job":
            name, code = words.rsplit(" ", 1)
            told = (line.split(" ", 2) for line in lines if line.startswith("@bind "))
            jobs[name] = (int(code) if code.isdecimal() else None, {row[1]: row[2] for row in told if len(row) == 3})
    if not plans:
        raise Refused(f"{ref.name}: that run left no plan in {ref.work_dir}/runs")
    return Remains(key, plans, jobs)


def _whole(ref: HostRef, result: Result) -> None:
    if not result.stdout.rstrip().endswith(f"{_MARK} end"):
        raise ParseError(ref.name, "runs", "the answer is not whole", result.stderr or result.reason)


def _sections(text: str) -> Iterator[tuple[str, str, list[str]]]:
    for part in text.split(f"{_MARK} ")[1:]:
        head, *lines = part.splitlines()
        kind, _, words = head.partition(" ")
        yield kind, words, lines


def rebuild(journal: Journal, remains: Remains) -> tuple[int, ...]:
    """Write the runs into a journal that does not know them; their numbers there. Refused when jobs and plans do not fit."""
    for start in remains.plans.values():
        try:
            plan_of(start)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refused(f"run {remains.key}: its plan cannot be read: {error}") from error
    known = {str(step["id"]) for start in remains.plans.values() for step in start["plan"]["steps"]}
    jobs = [_job(name, known, *found) for name, found in sorted(remains.jobs.items())]
    there = {r.body.get("job_number") for r in journal.records() if r.body.get("run_key") == remains.key}
    left = [(number, start) for number, start in sorted(remains.plans.items()) if number not in there]
    if not left:
        raise Refused(f"the journal of this console knows the run {remains.key} already")
    with journal.together():
        return tuple(
            _rebuild_one(journal, remains.key, number, start, [job for job in jobs if job.number == number])
            for number, start in left
        )


def _rebuild_one(journal: Journal, key: str, ours: int, start: Mapping[str, Any], jobs: list[_Job]) -> int:
    steps = [str(step["id"]) for step in start["plan"]["steps"]]
    of_run = {job.step: job for job in jobs if job.step in steps}
    if not of_run:
        raise Refused(f"run {key}: none of the jobs with the number {ours} is of its plan")
    last = max(steps.index(step) for step in of_run)
    number = journal.begin({**start, "rebuilt_from": key})
    journal.note(number, "", {"run_key": key, "job_number": ours, "rebuilt": True})
    for step in steps[: last + 1]:
        job = of_run.get(step) or _Job(ours, step, 0, 0, {})
        _write(journal, number, job, "by its directory on the host" if step in of_run else "a later step was begun")
    for job in jobs:
        if job.step not in steps and job.step.startswith("undo-"):
            _write(journal, number, job, "by its directory on the host")
    over = last == len(steps) - 1 and of_run[steps[last]].code == 0
    back = any(job.step not in steps and job.step.startswith("undo-") for job in jobs)
    unproved = [s["title"] for s in start["plan"]["steps"][: last + 1] if s["kind"] in _NO_DIRECTORY]
    message = f"rebuilt: nothing on the target tells how this ended: {', '.join(unproved)}"
    if over:
        # Its locks are given back last of all, whether all was done or all was taken back.
        unseen = [s["title"] for s in start["plan"]["steps"] if s["kind"] == StepKind.COMMAND and s["id"] not in of_run]
        message = f"rebuilt: nothing on the target tells whether this was done: {', '.join(unseen)}" if unseen else message
        end = (Outcome.UNKNOWN, 6, message) if unseen or unproved else (Outcome.OK, 0, "rebuilt: its last step ended well")
        outcome, code, said = (Outcome.UNDONE, 4, "rebuilt: it was taken back") if back else end
        journal.end(number, {"outcome": outcome, "exit_code": code, "message": said, "done": [], "left": []})
    elif back:
        journal.note(number, "", {"taking_back": "rebuilt: it was being taken back when its console died"})
    elif unproved:  # cleanup follows a backup that failed as it follows one that is good: it is never taken for good
        journal.note(number, "", {"taking_back": message})
    return number


# What a run does without a job on the target, and what no later step proves.
_NO_DIRECTORY = frozenset({StepKind.BACKUP, StepKind.VERIFY, StepKind.PUT_BACK, StepKind.COMPARE})


@dataclass(frozen=True, slots=True)
class _Job:
    """One directory of a job: the number that it bears, its step, which attempt it was, how it ended, what it told."""

    number: int
    step: str
    attempt: int
    code: int | None
    values: Mapping[str, str]


def _job(name: str, known: Collection[str], code: int | None, values: Mapping[str, str]) -> _Job:
    number, _, rest = name.partition("-")
    anew = re.search(r"\.(\d+)$", rest) if rest not in known else None  # a group may be called vg.1
    return _Job(
        int(number) if number.isdecimal() else 0,
        rest[: anew.start()] if anew else rest,
        int(anew[1]) if anew else 0,
        code,
        values,
    )


def _write(journal: Journal, number: int, job: _Job, how: str) -> None:
    for name, value in job.values.items():
        journal.note(number, "", {"bound": name, "value": value})
    if job.attempt:
        journal.note(number, job.step, {"attempt": job.attempt})
    journal.intent(number, job.step, {"rebuilt": True})
    if job.code is not None:
        outcome = {0: Outcome.OK, 90: Outcome.REFUSED}.get(job.code, Outcome.FAILED)
        journal.outcome(number, job.step, {"outcome": outcome, "message": f"rebuilt: {how}", "seconds": 0.0})
