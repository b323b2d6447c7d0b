"""Changes as remote jobs: started once in a directory of their own, followed, and read again after any cut.

A lost connection leaves the job running; its end stands in the directory (`rc`) and is read, never guessed.
"""

from __future__ import annotations

import asyncio
import secrets
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from core.errors import TransportError
from core.transport import Channel, Command, Effect, Result, Status, Transport

PATIENCE = 60.0  # seconds for which a job is looked for after its host stopped answering


@dataclass(frozen=True, slots=True)
class JobRef:
    """Where a job lives: the run's directory on the host, the step's below it, and how commands become privileged."""

    host: str
    directory_run: str
    directory_step: str
    become: str = ""


class JobPhase(StrEnum):
    """What a job's directory says. Vanished: neither an end nor a living process."""

    NOT_STARTED = "not started"
    RUNNING = "running"
    ENDED = "ended"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class JobState:
    """A look at a job: new output since the offset that was asked for, and its end where there is one."""

    phase: JobPhase
    exit_status: int | None
    out: str
    err: str
    offset: int


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended; the exit status is None exactly when the outcome is unknown."""

    status: Status
    exit_status: int | None
    stdout: str
    stderr: str
    seconds: float
    reason: str = ""


def launch_script(command: Command, job: JobRef, mark: str) -> str:
    """The script that starts the job, once: a directory that exists already means that it was started before."""
    run, step = shlex.quote(job.directory_run), shlex.quote(job.directory_step)
    wait = "" if command.live else "wait\n"
    return (
        f"LC_ALL=C; export LC_ALL; umask 077\nmkdir -p {run} || exit 121\nmkdir {step} 2>/dev/null || exit 122\n"
        f"cat > {step}/script <<'{mark}' || exit 121\n{command.script.rstrip()}\n{mark}\n"
        f"( trap '' 1; cd /; RUN={run}; JOB={step}; export RUN JOB\n"
        f"  /bin/sh {step}/script > {step}/out 2> {step}/err < /dev/null; echo $? > {step}/rc.new; mv {step}/rc.new {step}/rc\n"
        f") < /dev/null > /dev/null 2>&1 &\necho $! > {step}/pid\n{wait}"
    )


def look_script(job: JobRef, offset: int, mark: str) -> str:
    """The read that shows what became of the job, with its standard output from a byte offset on."""
    step = shlex.quote(job.directory_step)
    return (
        f"LC_ALL=C; export LC_ALL\nif [ ! -d {step} ]; then echo 'not started'; exit 0; fi\n"
        f"alive=no; if [ -s {step}/pid ] && kill -0 `cat {step}/pid` 2>/dev/null; then alive=yes; fi\n"
        f"if [ -f {step}/rc ]; then echo ended `cat {step}/rc`; elif [ $alive = yes ]; then echo running; else\n"
        f"  if [ -f {step}/rc ]; then echo ended `cat {step}/rc`; else echo vanished; fi; fi\n"
        f"echo {mark}\nif [ -f {step}/out ]; then tail -c +{offset + 1} {step}/out; fi\n"
        f"echo {mark}\nif [ -f {step}/err ]; then cat {step}/err; fi\n"
    )


async def read_job(transport: Transport, job: JobRef, offset: int = 0) -> JobState:
    """Look at a job. TransportError when the host does not answer or answers what was not asked."""
    mark = f"@@{secrets.token_hex(8)}"
    command = Command(job.host, f"look at job {job.directory_step.rsplit('/', 1)[-1]}", look_script(job, offset, mark))
    result = await transport.run(command)
    parts = result.stdout.split(mark + "\n")
    if result.status is not Status.OK or len(parts) != 3:
        raise TransportError(f"{job.host}: the job could not be looked at: {result.reason or result.stderr.strip()}")
    words = parts[0].split()
    phase = JobPhase(parts[0].strip()) if words[0] != "ended" else JobPhase.ENDED
    code = int(words[1]) if phase is JobPhase.ENDED else None
    return JobState(phase, code, parts[1], parts[2], offset + len(parts[1].encode("utf-8", "surrogateescape")))


async def run_job(
    transport: Transport, command: Command, job: JobRef, on_output: Callable[[str], None] | None = None
) -> JobEnd:
    """Start the job and follow it to its end. Raises TransportError only when it is certain that nothing was started."""
    began = time.monotonic()
    mark = f"END-OF-SCRIPT-{secrets.token_hex(8)}"
    launch = replace(command, text=launch_script(command, job, mark), prelude="", effect=Effect.CHANGE, channel=Channel.SHELL)
    result: Result = await transport.run(launch)
    if result.status is Status.FAILED and result.exit_status not in (0, 122):
        words = result.stderr.strip() or f"exit status {result.exit_status}"
        return JobEnd(Status.FAILED, result.exit_status, "", f"the job could not be started: {words}", time.monotonic() - began)
    return await _follow(transport, job, on_output, began)


async def _follow(transport: Transport, job: JobRef, on_output: Callable[[str], None] | None, began: float) -> JobEnd:
    """Look until it has ended; a host that stops answering is given time, and connections anew."""
    out: list[str] = []
    offset, pause, silent_since = 0, 0.05, 0.0
    while True:
        try:
            state = await read_job(transport, job, offset)
        except TransportError as lost:
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since > PATIENCE:
                return JobEnd(Status.UNKNOWN, None, "".join(out), "", time.monotonic() - began, str(lost))
            await asyncio.sleep(1.0)
            await _again(transport, job.host)
            continue
        silent_since, offset = 0.0, state.offset
        out.append(state.out)
        if state.out and on_output is not None:
            on_output(state.out)
        if state.phase is not JobPhase.RUNNING:
            return _end(state, "".join(out), time.monotonic() - began)
        await asyncio.sleep(pause)
        pause = min(1.0, pause * 1.5)


async def _again(transport: Transport, host: str) -> None:
    try:
        await transport.reconnect(host)
    except TransportError:
        return


def _end(state: JobState, out: str, seconds: float) -> JobEnd:
    if state.phase is JobPhase.ENDED:
        status = Status.OK if state.exit_status == 0 else Status.FAILED
        return JobEnd(status, state.exit_status, out, state.err, seconds)
    reasons = {
        JobPhase.NOT_STARTED: "the job was not started",
        JobPhase.VANISHED: "the job is gone and left no end: it was killed, or its host went down",
    }
    return JobEnd(Status.UNKNOWN, None, out, state.err, seconds, reasons[state.phase])
