"""Changes as remote jobs: started once in a directory of their own, followed, and read again after any cut.

A lost connection leaves the job running; its end stands in its directory (`rc`) and is read, never guessed. Making that
directory is what starts a job, and it can be made once, so a start may be asked for again and still happens once.
"""

from __future__ import annotations

import asyncio
import codecs
import math
import posixpath
import re
import secrets
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from core.errors import HostKeyChanged, HostKeyUnknown, TransportError
from core.transport import Channel, Command, Effect, Guard, Result, Status, Transport, late_names

PATIENCE = 60.0  # seconds for which a job is looked for after its host stopped answering
GET_GOING = 10.0  # seconds that a started job may take until it has written down its process id
OUTPUT_LIMIT = 16 << 20  # bytes of a job's output that are read; all of it stays on the host
PIECE = 1 << 20
LOOK_LIMIT = 30.0
POLITE = 9  # looks take at most a tenth of a job's time, and less when it has gone on for long
RARELY, SELDOM = 4, 20  # but come every so many seconds at least, for a young job and for an old one
OLD = 40.0  # seconds of age, from which on they come the more rarely
SETTLES = 86_400.0  # seconds for which a job is waited for before what it did is taken back
_BLOCK = 4096
_ERRORS = 1 << 16
_NOTHING_DONE = 121  # exit status of the launch when it could not start the job
_REFUSED = 90  # what a script says when its precondition did not hold and nothing was changed


@dataclass(frozen=True, slots=True)
class JobRef:
    """Where a job lives: the run's directory on the host, the step's below it, and how commands become privileged."""

    host: str
    directory_run: str
    directory_step: str
    become: str = ""

    def __post_init__(self) -> None:
        """ValueError for a path that is not absolute, not plain, or not below the run's."""
        for path in (self.directory_run, self.directory_step):
            if not path.startswith("/") or posixpath.normpath(path) != path or not path.isprintable():
                raise ValueError(f"{self.host}: not a plain absolute path: {path!r}")
        if posixpath.dirname(self.directory_step) != self.directory_run:
            raise ValueError(f"{self.host}: {self.directory_step} is not right below {self.directory_run}")


def job_name(title: str) -> str:
    """The name of the directory of a job that a backup driver starts, by the title of its command."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", title)


class JobPhase(StrEnum):
    """What a job's directory says. Starting: it has no process id yet. Vanished: neither an end nor a living process."""

    NOT_STARTED = "not-started"
    STARTING = "starting"
    RUNNING = "running"
    ENDED = "ended"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class JobState:
    """A look at a job. `out` are bytes of its output from the offset that was asked for, of `size` bytes that there are.

    `err` is the end of its error output, read only when the job is over.
    """

    phase: JobPhase
    exit_status: int | None = None
    out: bytes = b""
    size: int = 0
    err: str = ""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended; the exit status is None exactly when the outcome is unknown. `seconds` as measured here."""

    status: Status
    exit_status: int | None
    stdout: str
    stderr: str
    seconds: float
    reason: str = ""
    running: bool = False  # it was still at work when it was not waited for any more
    gone: bool = False  # its host answers, and the job is there no more: it was killed, or its host went down


# --- scripts ----------------------------------------------------------------------------------------------------------

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_BOOT = f"boot() {{ cat {_BOOT_ID} 2>/dev/null || who -b 2>/dev/null; }}\n"  # a reboot ends every job

_LAUNCH = """launch() {
umask 077
refuse() { echo "refused: $1" >&2; exit 121; }
mkdir -p "$RUN" || refuse "the directory $RUN cannot be made"
me=`id -u 2>/dev/null || /usr/xpg4/bin/id -u` || refuse "the user id cannot be found out"
foreign=`find @OWNED@ -prune ! -user 0 ! -user "$me" -print` || refuse "the owner of $RUN cannot be found out"
[ -z "$foreign" ] || refuse "not ours: $foreign"
if mkdir "$STEP" 2>/dev/null; then
  boot > "$STEP/boot"
  cat > "$STEP/script" <<'@MARK@' || { rm -f "$STEP/script" "$STEP/boot"; rmdir "$STEP"; refuse "$STEP cannot be written"; }
@SCRIPT@
@MARK@
  RUN=$RUN JOB=$STEP /bin/sh -c '
    trap "" 1
    cd /
    export RUN JOB
    echo $$ > "$JOB/pid.new" && mv "$JOB/pid.new" "$JOB/pid" || exit 1
    /bin/sh "$JOB/script" > "$JOB/out" 2> "$JOB/err" < /dev/null
    echo $? > "$JOB/rc.new"; mv "$JOB/rc.new" "$JOB/rc"' < /dev/null > /dev/null 2>&1 &
  @WAIT@
else
  [ -d "$STEP" ] || refuse "$STEP cannot be made"
fi
}
"""

# Little is forked, for a job may be looked at every second: `read` in place of `cat`, and no output is fetched that is known.
_LOOK = """look() {
@STAY@status= now= was= p=
if [ ! -d "$STEP" ]; then phase=not-started
elif [ -f "$STEP/rc" ]; then phase=ended
elif [ ! -s "$STEP/pid" ]; then phase=starting
else
  read p < "$STEP/pid"
  if [ -r @BOOT_ID@ ]; then read now < @BOOT_ID@; read was < "$STEP/boot"; else now=`boot`; was=`cat "$STEP/boot"`; fi
  if [ "$now" = "$was" ] && kill -0 "$p" 2>/dev/null; then phase=running
  elif [ -f "$STEP/rc" ]; then phase=ended
  else phase=vanished
  fi
fi
if [ $phase = ended ]; then read status < "$STEP/rc"; fi
echo "@MARK@ phase $phase $status"
if [ -f "$STEP/out" ]; then
  n=`wc -c < "$STEP/out"`
  echo "@MARK@ out" $n
  [ $n -le @OFFSET@ ] || dd if="$STEP/out" bs=@BLOCK@ skip=@SKIP@ count=@COUNT@ 2>/dev/null | tail -c +@FIRST@ | od -An -v -tx1
fi
if [ -f "$STEP/err" ] && { [ $phase = ended ] || [ $phase = vanished ]; }; then
  echo "@MARK@ err" `wc -c < "$STEP/err"`
  tail -c @ERRORS@ "$STEP/err" | od -An -v -tx1
fi
echo "@MARK@ end"
}
"""

# For as long as the job runs, at most `stay` seconds: its end is seen soon, for few `sleep`s, which take its processor from it.
_STAY = 'for n in @NAPS@; do if [ -f "$STEP/rc" ] || [ ! -d "$STEP" ]; then break; fi; sleep $n; done\n'


def _fill(template: str, **values: object) -> str:
    for name, value in values.items():
        template = template.replace(f"@{name}@", str(value))
    return template


def _asked_for(offset: int) -> int:
    """How many bytes of output one look fetches, counted from the block in which the offset lies."""
    return PIECE if offset < OUTPUT_LIMIT else 0


def _places(job: JobRef) -> str:
    return f"LC_ALL=C; export LC_ALL\nRUN={shlex.quote(job.directory_run)}\nSTEP={shlex.quote(job.directory_step)}\n"


def look_script(job: JobRef, offset: int, mark: str, stay: int = 0) -> str:
    """The read that shows what became of the job, with a piece of its output from a byte offset on, in hexadecimal.

    It comes back after `stay` seconds, or when the job has ended before.
    Hexadecimal, because offsets count bytes and a piece may end inside a character.
    """
    skip, rest = divmod(offset, _BLOCK)
    count = _asked_for(offset) // _BLOCK
    values = {"MARK": mark, "BLOCK": _BLOCK, "SKIP": skip, "COUNT": count, "FIRST": rest + 1, "ERRORS": _ERRORS}
    values |= {"OFFSET": offset, "BOOT_ID": _BOOT_ID}
    values["STAY"] = _fill(_STAY, NAPS=" ".join(map(str, _naps(stay)))) if stay else ""
    return _places(job) + _BOOT + _fill(_LOOK, **values) + "look\n"


def _naps(stay: int) -> list[int]:
    """Seconds of each `sleep` of a look that stays: of every second one at first, of a fifth of a long one later."""
    nap = max(1, stay // 5)
    return [nap] * (stay // nap) + [stay % nap] * (stay % nap > 0)


def launch_script(command: Command, job: JobRef, mark: str) -> str:
    """The change that starts the job unless it was started before, waits for it unless it is live, and looks at it.

    All of it is a function that is called in the last line: a script that arrives in part does nothing.
    """
    run = job.directory_run
    parents = dict.fromkeys((run, posixpath.dirname(run), posixpath.dirname(posixpath.dirname(run))))
    owned = " ".join(shlex.quote(path) for path in parents if path != "/")
    script = command.script if not command.script.endswith("\n") else command.script[:-1]
    launch = _fill(_LAUNCH, OWNED=owned, WAIT=":" if command.live else "wait")
    look = look_script(job, 0, mark)
    head, tail = launch.split("@SCRIPT@")
    end = f"END-OF-SCRIPT-{mark}"
    launch = f"{_fill(head, MARK=end)}{script}{_fill(tail, MARK=end)}"
    return f"{launch}{look.removesuffix('look' + chr(10))}launch && look\n"


def parse_look(text: str, mark: str) -> JobState:
    """What a look printed. ValueError when it is not whole."""
    parts = [part.split("\n", 1) for part in text.split(f"{mark} ")[1:]]
    if not parts or parts[-1][0] != "end":
        raise ValueError("the answer was cut")
    words = [(head.split(), bytes.fromhex(data[0]) if data else b"") for head, *data in parts]
    found = {head[0]: (head[1:], data) for head, data in words}
    phase, *status = found["phase"][0]
    (size, *_), out = found.get("out", (["0"], b""))
    _, err = found.get("err", ([], b""))
    ended = JobPhase(phase) is JobPhase.ENDED
    code = int(status[0]) if ended else None
    return JobState(JobPhase(phase), code, out, int(size), err.decode("utf-8", "backslashreplace"))


# --- reading ----------------------------------------------------------------------------------------------------------


async def read_job(transport: Transport, job: JobRef, offset: int = 0, stay: int = 0) -> JobState:
    """Look at a job, for `stay` seconds or until it ends. TransportError when the host does not answer, or answers what was not asked."""
    mark = f"@@{secrets.token_hex(8)}"
    title = f"look at job {posixpath.basename(job.directory_step)}"
    result = await transport.run(Command(job.host, title, look_script(job, offset, mark, stay), timeout=stay + LOOK_LIMIT))
    try:
        if result.status is not Status.OK:
            raise ValueError(result.reason or result.stderr.strip() or f"exit status {result.exit_status}")
        state = parse_look(result.stdout, mark)
        if len(state.out) < min(state.size - offset, _asked_for(offset) - _BLOCK):
            raise ValueError(f"{len(state.out)} bytes of output came, {state.size - offset} are there")
    except (ValueError, KeyError, IndexError) as error:
        raise TransportError(f"{job.host}: {title}: {error}") from error
    return state


async def await_end(transport: Transport, job: JobRef, limit: float) -> JobState:
    """The job when it runs no more: ended, gone, or never begun. TransportError when it goes on past the limit (seconds)."""
    end, pause = time.monotonic() + limit, 0.2
    while (state := await read_job(transport, job)).phase in (JobPhase.RUNNING, JobPhase.STARTING):
        if state.phase is JobPhase.STARTING and time.monotonic() > end - limit + GET_GOING:
            break
        if time.monotonic() > end:
            raise TransportError(
                f"{job.host}: the job {job.directory_step} goes on after {limit:.0f} s; look what it waits for"
            )
        await asyncio.sleep(pause)
        pause = min(5.0, pause * 1.5)
    return state


class _Ear:
    """Takes output in pieces, keeps it up to a limit, and tells whole lines."""

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        self._tell = tell
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._parts: list[str] = []
        self._line = ""
        self.offset = 0

    def hear(self, data: bytes, *, final: bool = False) -> None:
        """More bytes; at the end, a last line without its end is told too."""
        self.offset += len(data)
        text = self._decode(data, final)
        self._parts.append(text)
        whole, self._line = self._line + text, ""
        if not final:
            cut = whole.rfind("\n") + 1
            whole, self._line = whole[:cut], whole[cut:]
        if whole and self._tell is not None:
            self._tell(whole)

    @property
    def text(self) -> str:
        return "".join(self._parts)


class _Lost(Exception):
    """The host did not answer for as long as we have patience."""


class _Follower:
    """One job, from its start to its end."""

    def __init__(
        self,
        transport: Transport,
        command: Command,
        job: JobRef,
        tell: Callable[[str], None] | None,
        patience: float,
        limit: float | None,
    ) -> None:
        self._transport, self._command, self._job, self._patience = transport, command, job, patience
        self._limit = limit
        self._ear, self._began = _Ear(tell), time.monotonic()
        self._refused: Result | None = None  # a launch whose end was seen and that did not start the job

    async def follow(self) -> JobEnd:
        """Start, or find it started; then look until it is over."""
        state = await self._launch()
        if isinstance(state, JobEnd):
            return state
        try:
            return await self._to_end(state)
        except _Lost as lost:
            return self._end(Status.UNKNOWN, None, "", str(lost))

    async def _launch(self) -> JobState | JobEnd | None:
        """Send the launch. None: what became of it must be looked at. TransportError: it was not sent."""
        mark = f"@@{secrets.token_hex(8)}"
        text = launch_script(self._command, self._job, mark)
        guard = self._command.guard or Guard.OWN_DIRECTORY  # a read that runs as a job writes no more than its output
        launch = replace(self._command, text=text, prelude="", effect=Effect.CHANGE, channel=Channel.SHELL, guard=guard)
        result = await self._sent(launch)
        if result is None:
            return None
        if result.status is Status.FAILED and result.exit_status == _NOTHING_DONE:
            return self._end(Status.FAILED, _REFUSED, result.stderr, "the job could not be started")
        self._refused = result if result.status is Status.FAILED else None
        try:
            return parse_look(result.stdout, mark) if result.status is Status.OK else None
        except (ValueError, KeyError, IndexError):
            return None

    async def _sent(self, launch: Command) -> Result | None:
        """The answer to the launch; None at the limit. The shell is left alone then: to drop it could end the job."""
        sending = asyncio.ensure_future(self._transport.run(launch))
        try:
            done, _ = await asyncio.wait({sending}, timeout=self._limit)
        except asyncio.CancelledError:
            sending.cancel()
            raise
        if not done:
            sending.add_done_callback(_heard_late)
            return None
        return sending.result()

    def _too_long(self) -> bool:
        return self._limit is not None and time.monotonic() - self._began > self._limit

    def _within(self, stay: int) -> int:
        """No longer than the limit leaves."""
        return stay if self._limit is None else min(stay, max(0, math.ceil(self._began + self._limit - time.monotonic())))

    async def _to_end(self, state: JobState | None) -> JobEnd:
        pause, starting, stay, more = 0.2, 0.0, 0, False
        while True:
            if state is None:
                began = time.monotonic()
                state = await self._look(0 if more else stay)
                now = time.monotonic()
                stay = self._within(_stay(now - began - (0 if more else stay), now - self._began))
            more = self._hear(state)
            if state.phase is JobPhase.STARTING:
                starting = starting or time.monotonic()
            late = state.phase is JobPhase.STARTING and time.monotonic() - starting > GET_GOING
            if not more and (late or state.phase in (JobPhase.ENDED, JobPhase.VANISHED)):
                return self._judge(state)
            if state.phase is JobPhase.RUNNING and self._too_long():
                return replace(
                    self._end(Status.UNKNOWN, None, "", f"still running on the host after {self._limit:g} s"), running=True
                )
            if not more:
                await asyncio.sleep(0 if stay else pause)
                pause = min(1.0, pause * 1.3)
            again = await self._start_again() if state.phase is JobPhase.NOT_STARTED else None
            if isinstance(again, JobEnd):
                return again
            state = again

    def _hear(self, state: JobState) -> bool:
        """Take in new output; True when there is more of it to fetch."""
        room = OUTPUT_LIMIT - self._ear.offset
        self._ear.hear(state.out[:room])
        return self._ear.offset < min(state.size, OUTPUT_LIMIT)

    async def _look(self, stay: int) -> JobState:
        """Look, and go on looking over new connections while there is patience."""
        lost_at, pause, said = time.monotonic(), 0.2, ""
        while True:
            try:
                return await read_job(self._transport, self._job, self._ear.offset, stay)
            except (HostKeyChanged, HostKeyUnknown) as error:
                raise _Lost(str(error)) from error
            except TransportError as error:
                said = str(error)
            if time.monotonic() - lost_at > self._patience:
                raise _Lost(f"the job could not be looked at for {self._patience:g} s: {said}")
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 1.6)
            await self._reconnect()

    async def _reconnect(self) -> None:
        """A new connection; that there is none yet is seen by the next look."""
        try:
            await self._transport.reconnect(self._job.host)
        except (HostKeyChanged, HostKeyUnknown) as error:
            raise _Lost(str(error)) from error
        except TransportError:
            return

    async def _start_again(self) -> JobState | JobEnd | None:
        """The launch did not arrive: send it again; should it arrive late after all, only one of them starts the job."""
        if self._refused is not None:
            words = self._refused.stderr.strip() or f"exit status {self._refused.exit_status}"
            return self._end(Status.FAILED, _REFUSED, words, "the job could not be started")
        if time.monotonic() - self._began > self._patience:
            return self._end(Status.UNKNOWN, None, "", "the job was sent, and is not there")
        try:
            return await self._launch()
        except TransportError:
            return None

    def _judge(self, state: JobState) -> JobEnd:
        cut = f"only the first {OUTPUT_LIMIT} bytes of its output were read" if state.size > OUTPUT_LIMIT else ""
        if state.phase is JobPhase.ENDED:
            status = Status.OK if state.exit_status == 0 else Status.FAILED
            return self._end(status, state.exit_status, state.err, cut)
        gone = {
            JobPhase.VANISHED: "the job is gone and left no end: it was killed, its host went down, or its directory could not be written",
            JobPhase.STARTING: "the job was prepared, but its process did not begin",
        }
        return replace(self._end(Status.UNKNOWN, None, state.err, gone[state.phase]), gone=True)

    def _end(self, status: Status, code: int | None, err: str, reason: str) -> JobEnd:
        self._ear.hear(b"", final=True)
        return JobEnd(status, code, self._ear.text, err, time.monotonic() - self._began, reason)


def _stay(cost: float, age: float) -> int:
    """How many seconds a look at a host is to stay there: none where looking is cheap, the longer the older the job is (seconds).

    `cost` is what the last look took beyond its stay, which the job may have lost; how far a job is matters less each second.
    """
    if POLITE * cost <= 1:
        return 0
    old = max(1.0, age / OLD)
    return math.ceil(min(SELDOM, RARELY * old, POLITE * cost * old))


def _heard_late(sending: asyncio.Future[Result]) -> None:
    """How the launch ended after all is read in the job's directory."""
    if not sending.cancelled():
        sending.exception()


async def run_job(
    transport: Transport,
    command: Command,
    job: JobRef,
    on_output: Callable[[str], None] | None = None,
    *,
    patience: float = PATIENCE,
    limit: float | None = None,
) -> JobEnd:
    """Start the job, unless it was started before, and follow it to its end; `on_output` is told whole lines.

    After `limit` seconds a job that still runs is not waited for any more: its end is unknown, and it goes on.

    TransportError, ReadOnlyRefused or ValueError mean that nothing was sent. A start that could not be made on the host
    is a failure with exit status 90, as a script's own refusal is.
    """
    if missing := late_names(command):
        raise ValueError(f"{command.title}: not bound: {', '.join(missing)}")
    if command.channel is not Channel.SHELL or command.host != job.host:
        raise ValueError(f"{command.title}: only a script for {job.host} can be a job there")
    return await _Follower(transport, command, job, on_output, patience, limit).follow()
