"""Who works on a set, and who forbids it: a lock and a hold, in our work directory on the target and on the array's host.

A lock is a directory, because making one is atomic everywhere; a console that finds it there is told whose it is. It is of
a run, by the run's key: whoever takes the run up again holds it already. A hold is a file that a person leaves, until a time.
Both lie where every console comes by, so they need no server. Times are UTC by the clock of the host that keeps them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from core.errors import ParseError, Refused
from core.explain import EXPLAIN
from core.hosts import HostRef
from core.model import Finding, Severity
from core.plan import Phase, Plan, Step, StepKind
from core.transport import Command, Effect, Guard, Result

_TIME = "%Y-%m-%dT%H:%M:%SZ"

# `date` of old systems knows no seconds since 1970, and `expr` of old systems no large numbers: times are compared as words.
_SHELL = r"""LC_ALL=C; export LC_ALL
umask 077
refuse() { echo "refused: $*" >&2; exit 90; }
fail() { echo "$*" >&2; exit 1; }
now=`date -u +%Y-%m-%dT%H:%M:%SZ`
[ -n "$now" ] || fail "the time of this host is not known: date -u"
flush() { sync "$1" 2>/dev/null || sync; } # `sync` of old systems takes no file, and does all
boot() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || who -b 2>/dev/null; }
of() { sed -n "s/^$1 //p" "$2" 2>/dev/null; }
held() { # whether somebody forbids changes of the set, now; a hold whose text a loss of power took forbids them as well
  [ -f "$H" ] || return 1
  until=`of until "$H"`
  [ -n "$until" ] || { until="somebody ends it, for its text was lost"; return 0; }
  expr "X$until" \> "X$now" > /dev/null
}
made() { set -- `ls -ld "$L"`; echo "$6 $7 $8"; }
whose() { # of which run the lock is, in words
  if [ -n "`of key "$L/owner"`" ]; then
    echo "since `of at "$L/owner"` by `of operator "$L/owner"` on the console `of console "$L/owner"`, run `of key "$L/owner"`"
  elif [ -d "$L" ]; then echo "since `made` (host's clock), and nobody has signed the lock; look at it with: splitmount unlock $SET"
  else echo "no more"; fi
}
"""

# What a lock or a hold says must outlive a loss of power that comes an instant later.
_LOCK = r"""mkdir -p "$D/locks" "$D/holds" || fail "$D/locks cannot be made"
if held; then refuse "$SET is on hold until $until by `of operator "$H"` (`of console "$H"`): `of reason "$H"`"; fi
if mkdir "$L" 2>/dev/null; then
  { echo "key $KEY"; echo "operator $OPERATOR"; echo "console $CONSOLE"; echo "at $now"; } > "$L/new" && flush "$L/new" &&
    mv "$L/new" "$L/owner" && flush "$L" || {
      rm -f "$L/new"; [ "`of key "$L/owner"`" != "$KEY" ] || rm -f "$L/owner"
      rmdir "$L"; fail "$L cannot be written"; }
elif [ "`of key "$L/owner"`" != "$KEY" ] || [ "`of console "$L/owner"`" != "$CONSOLE" ]; then
  refuse "$SET is locked `whose`"
fi
"""

_UNLOCK = r"""if [ -d "$L" ]; then
  [ "`of key "$L/owner"`" = "$KEY" ] || refuse "the lock of $SET is not of this run: locked `whose`"
  rm -rf "$L" || fail "$L cannot be removed"
fi
"""

# The jobs of a run that still run on this host; R is its directory.
_JOBS = r"""jobs() {
  for p in "$R"/*/pid; do
    [ -f "$p" ] || continue
    j=`dirname "$p"`
    [ -f "$j/rc" ] && continue
    [ "`boot`" = "`cat "$j/boot" 2>/dev/null`" ] || continue
    if kill -0 "`cat "$p"`" 2>/dev/null; then echo "lock running `basename "$j"`"; fi
  done
}
"""

_IDLE = r"""R=$D/runs/$KEY
busy=`jobs | sed 's/^lock running //'`
[ -z "$busy" ] || refuse "the run that holds the lock of $SET is at work:" $busy
"""

_TAKE = (
    _JOBS
    + _IDLE
    + r"""[ -d "$L" ] || { echo "no lock is there any more"; exit 0; }
[ "`of key "$L/owner"`" = "$KEY" ] || refuse "the lock of $SET is another now: locked `whose`; look again"
mkdir -p "$D/locks-taken" && mv "$L" "$D/locks-taken/$NAME-$now-$$" || fail "$L cannot be moved"
"""
)

_MINE = r"""[ "`of key "$L/owner"`" = "$KEY" ] && [ "`of console "$L/owner"`" = "$CONSOLE" ] ||
  refuse "the lock of $SET is not of this run any more: locked `whose`"
"""

_HOLD = r"""mkdir -p "$D/holds" || fail "$D/holds cannot be made"
if held; then refuse "$SET is on hold already, until $until by `of operator "$H"`: `of reason "$H"`"; fi
{ echo "operator $OPERATOR"; echo "console $CONSOLE"; echo "at $now"; echo "until $UNTIL"; echo "reason $REASON"; } > "$H.new" &&
  flush "$H.new" && mv "$H.new" "$H" && flush "$D/holds" || fail "$H cannot be written"
"""

_LET_GO = r"""rm -f "$H" || fail "$H cannot be removed"
"""

# What speaks for or against a lock's run being alive: its youngest file, and jobs of it that still run here.
_LOOK = (
    _JOBS
    + r"""echo "now $now"
if [ -d "$L" ]; then
  k=`of key "$L/owner"`
  if [ -n "$k" ]; then
    sed 's/^/lock /' "$L/owner"
    R=$D/runs/$k
    jobs
    last=`ls -t "$R" 2>/dev/null | sed -n 1p`
    [ -z "$last" ] || echo "lock last $last"
  else
    echo "lock key "
    echo "lock made `made`"
  fi
fi
if held; then
  sed 's/^/hold /' "$H"
  [ -n "`of until "$H"`" ] || echo "hold lost"
fi
echo "end $now"
"""
)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock as one host has it. `running` are jobs of its run that go on there.

    `key` is empty where nobody has signed it, or the signature was lost; then `made` is its date as that host's `ls` prints it.
    """

    host: str
    key: str
    operator: str = ""
    console: str = ""
    at: datetime | None = None
    running: tuple[str, ...] = ()
    last_job: str = ""
    made: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as one host has it; one that is over is not told. `until` is None where a loss of power took its text."""

    host: str
    operator: str
    console: str
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Claims:
    """Everything that claims a set, as the hosts tell it."""

    locks: tuple[Lock, ...] = ()
    holds: tuple[Hold, ...] = ()
    measured_at: datetime | None = field(default=None, compare=False)


def _facts(ref: HostRef, set_name: str, **more: str) -> str:
    values = {"D": ref.work_dir, "SET": set_name, "NAME": set_name, **more}
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return f'{lines}L="$D/locks/$NAME"\nH="$D/holds/$NAME"\n'


def _change(ref: HostRef, title: str, facts: str, body: str) -> Command:
    return Command(ref.name, title, facts + body, Effect.CHANGE, prelude=_SHELL, guard=Guard.OWN_DIRECTORY)


def places(target: HostRef, array: HostRef | None) -> tuple[HostRef, ...]:
    """The hosts that keep locks and holds of a set: its target, and the array's management host."""
    return (target,) if array is None or array.name == target.name else (target, array)


# --- a run's lock -----------------------------------------------------------------------------------------------------


def with_locks(plan: Plan, hosts: Iterable[HostRef]) -> Plan:
    """The plan between its locks: taken before all else on every host in turn, given back in reverse when all is done.

    The key of the run and its owner are late values, which the run binds when it begins.
    """
    hosts = tuple(hosts)
    took = [_lock_step(ref, plan.set_name) for ref in hosts]
    again = {
        step.undoes for step in plan.steps
    }  # a plan that takes a run back gives back that run's locks itself, when all is done
    gave = [_unlock_step(step) for step in reversed(took) if step.id not in again]
    took = [replace(step, undo=None) if step.id in again else step for step in took]
    steps = (*took, _deposit_step(hosts[0]), *plan.steps, *gave)
    return replace(plan, steps=steps)


def _lock_step(ref: HostRef, set_name: str) -> Step:
    facts = _facts(ref, set_name) + "KEY=@{run_key}@\nOPERATOR=@{operator}@\nCONSOLE=@{console}@\n"
    unlock = _facts(ref, set_name) + "KEY=@{run_key}@\n"
    return Step(
        f"lock-{ref.name}",
        Phase.MEASURE,
        StepKind.OWN_FILES,
        f"Lock {set_name} on {ref.name}",
        ref.name,
        EXPLAIN["lock"],
        command=_change(ref, f"lock {set_name}", facts, _LOCK),
        undo=_change(ref, f"unlock {set_name}", unlock, _UNLOCK),
    )


def _unlock_step(step: Step) -> Step:
    title = f"Unlock: {step.title[:1].lower()}{step.title[1:]}"
    return Step(
        f"undo-{step.id}",
        Phase.AFTER,
        StepKind.OWN_FILES,
        title,
        step.host,
        EXPLAIN["unlock"],
        command=step.undo,
        undoes=step.id,
    )


def locked(plan: Plan) -> bool:
    """Whether the plan works under locks of its own."""
    return any(step.kind is StepKind.OWN_FILES and step.id.startswith("lock-") for step in plan.steps)


def fence(ref: HostRef, set_name: str, key: str, console: str) -> str:
    """What a change on a lock's host begins with: it ends there, with 90, when the lock is not its run's any more."""
    return f"(\n{_facts(ref, set_name, KEY=key, CONSOLE=console)}{_SHELL}{_MINE}) || exit $?\n"


def still_mine(ref: HostRef, set_name: str, key: str, console: str) -> Command:
    """The same as a read, for changes in places that keep no lock. Exit status 90: it is not."""
    return Command(
        ref.name, f"look whether {set_name} is still locked by this run", fence(ref, set_name, key, console) + "true\n"
    )


def _deposit_step(ref: HostRef) -> Step:
    text = 'cat > "$RUN/plan-NUMBER"  # the plan itself, compressed; the run fills it in\n'
    command = Command(ref.name, "leave the plan in the run's directory", text, Effect.CHANGE, guard=Guard.OWN_DIRECTORY)
    title = f"Leave the plan on {ref.name}"
    return Step("deposit-plan", Phase.MEASURE, StepKind.DEPOSIT, title, ref.name, EXPLAIN["deposit-plan"], command=command)


# --- what a person does about them ------------------------------------------------------------------------------------


def hold_plan(set_name: str, hosts: Iterable[HostRef], until: datetime, reason: str, now: datetime) -> Plan:
    """A hold on every host that keeps one. Refused without a reason in one printable line, or with a time that is over."""
    if not reason.strip() or not reason.isprintable():
        raise Refused(f"a hold of {set_name} needs a reason of one printable line: whoever meets it must know what to do")
    if until <= now:
        raise Refused(f"a hold of {set_name} until {until:%Y-%m-%d %H:%M} UTC would be over already")
    late = f"OPERATOR=@{{operator}}@\nCONSOLE=@{{console}}@\nUNTIL={until.astimezone(UTC):{_TIME}}\nREASON={shlex.quote(reason.strip())}\n"
    steps = tuple(
        _person_step(ref, "hold", set_name, _facts(ref, set_name) + late, _HOLD, undo=(_facts(ref, set_name), _LET_GO))
        for ref in hosts
    )
    told = f"nothing changes {set_name} from any console until {until:%Y-%m-%d %H:%M} UTC: {reason.strip()}"
    return Plan("hold", set_name, steps, now, summary=(told,))


def let_go_plan(set_name: str, hosts: Iterable[HostRef], claims: Claims, now: datetime) -> Plan:
    """Take a hold away. Refused when there is none."""
    if not claims.holds:
        raise Refused(f"{set_name} is on hold nowhere; nothing was changed")
    steps = tuple(_person_step(ref, "let-go", set_name, _facts(ref, set_name), _LET_GO) for ref in hosts)
    return Plan("let-go", set_name, steps, now, summary=tuple(f"ends: {told(hold)}" for hold in claims.holds), confirm=set_name)


def look_jobs(ref: HostRef, set_name: str, keys: Iterable[str]) -> Command:
    """The read that tells which jobs of these runs still run on a host that keeps no lock."""
    looks = "".join(f"R=$D/runs/{shlex.quote(key)}\njobs\n" for key in keys if key)
    text = _facts(ref, set_name) + _JOBS + looks + 'echo "end"\n'
    return Command(ref.name, f"look for jobs of the run that holds {set_name}", text, prelude=_SHELL)


def parse_jobs(ref: HostRef, result: Result) -> tuple[str, ...]:
    """Their names. ParseError when the answer is not whole."""
    lines = result.stdout.split("\n")
    if "end" not in lines:
        raise ParseError(ref.name, "jobs", "the answer is not whole", result.stderr or result.reason or result.stdout)
    return tuple(line.removeprefix("lock running ") for line in lines if line.startswith("lock running "))


def unlock_plan(
    set_name: str, hosts: Iterable[HostRef], claims: Claims, now: datetime, elsewhere: tuple[str, ...] = ()
) -> Plan:
    """Take a lock away whose run is dead, by a typed decision. Refused when none is there, or a job of its run goes on.

    `elsewhere` is what is said of the source, which keeps no lock: that its jobs could not be looked at.
    """
    if not claims.locks:
        raise Refused(f"{set_name} is locked nowhere; nothing was changed")
    if busy := [f"{job} on {lock.host}" for lock in claims.locks for job in lock.running]:
        raise Refused(f"{set_name}: the run that holds the lock is at work: {', '.join(busy)}; nothing was changed")
    of_host = {lock.host: lock for lock in claims.locks}
    steps = tuple(
        _person_step(ref, "unlock", set_name, _facts(ref, set_name, KEY=of_host[ref.name].key), _TAKE)
        for ref in hosts
        if ref.name in of_host
    )
    summary = (
        *(told(lock) for lock in claims.locks),
        *elsewhere,
        "  its run may have left something: undo or resume it where its journal is",
    )
    return Plan("unlock", set_name, steps, now, summary=summary, confirm=set_name)


def _person_step(ref: HostRef, verb: str, set_name: str, facts: str, body: str, undo: tuple[str, str] | None = None) -> Step:
    title = {"hold": "Put {} on hold", "let-go": "End the hold of {}", "unlock": "Take the lock of {} away"}[verb]
    title = f"{title.format(set_name)} on {ref.name}"
    back = _change(ref, f"end the hold of {set_name}", *undo) if undo else None
    command = _change(ref, title[:1].lower() + title[1:], facts, body)
    return Step(
        f"{verb}-{ref.name}",
        Phase.MEASURE,
        StepKind.OWN_FILES,
        title,
        ref.name,
        EXPLAIN["unlock-stale" if verb == "unlock" else verb],
        command=command,
        undo=back,
    )


# --- looking ----------------------------------------------------------------------------------------------------------


def look(ref: HostRef, set_name: str) -> Command:
    """The read that tells lock and hold of a set on one host."""
    return Command(ref.name, f"look for locks of {set_name}", _facts(ref, set_name) + _LOOK, prelude=_SHELL)


def parse_look(ref: HostRef, result: Result) -> Claims:
    """What it told. ParseError when that is not whole."""
    lines = [line.split(" ", 2) for line in result.stdout.splitlines()]
    if not lines or lines[0][0] != "now" or lines[-1][0] != "end":
        raise ParseError(ref.name, "locks", "the answer is not whole", result.stderr or result.reason or result.stdout)
    try:
        said = {
            kind: [(row[1], row[2] if len(row) > 2 else "") for row in lines if row[0] == kind] for kind in ("lock", "hold")
        }
        locks = (_lock(ref.name, said["lock"]),) if said["lock"] else ()
        holds = (_hold(ref.name, dict(said["hold"])),) if said["hold"] else ()
    except (KeyError, ValueError, IndexError) as error:
        raise ParseError(ref.name, "locks", f"an answer of another form ({error!r})", result.stdout[:160]) from error
    return Claims(locks, holds, result.started)


def _at(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def _lock(host: str, rows: list[tuple[str, str]]) -> Lock:
    one = dict(rows)
    running = tuple(value for name, value in rows if name == "running")
    at = _at(one["at"]) if one.get("at") else None
    return Lock(
        host,
        one["key"],
        one.get("operator", ""),
        one.get("console", ""),
        at,
        running,
        one.get("last", ""),
        one.get("made", ""),
    )


def _hold(host: str, one: dict[str, str]) -> Hold:
    if "lost" in one:
        return Hold(host, "", "", None, "")
    return Hold(host, one["operator"], one["console"], _at(one["until"]), one["reason"])


def together(claims: Iterable[Claims]) -> Claims:
    """What all hosts tell, as one."""
    several = tuple(claims)
    times = [c.measured_at for c in several if c.measured_at is not None]
    locks, holds = tuple(x for c in several for x in c.locks), tuple(x for c in several for x in c.holds)
    return Claims(locks, holds, min(times, default=None))


def told(claim: Lock | Hold) -> str:
    """A lock or hold in one sentence, with the evidence of its being alive."""
    if isinstance(claim, Hold) and claim.until is None:
        return f"on hold, and a loss of power of {claim.host} took the text of the hold: whose it is, why and until when is not known"
    if isinstance(claim, Hold):
        until = f"{claim.until:%Y-%m-%d %H:%M} UTC"
        return f"on hold until {until} by {claim.operator} ({claim.console}): {claim.reason}"
    if not claim.key:
        since = f"{claim.made} by its clock" if claim.made else "a time that is unknown"
        why = "the host lost its power, or a console died in that instant, or is just doing it"
        return f"locked on {claim.host} since {since}, and nobody has signed the lock: {why}"
    since = f"{claim.at:%Y-%m-%d %H:%M:%S} UTC" if claim.at else "a time that is unknown"
    jobs = f"its job {', '.join(claim.running)} is running" if claim.running else "none of its jobs is running there"
    return f"locked on {claim.host} since {since} by {claim.operator} on the console {claim.console}, run {claim.key}; {jobs}"


def findings(set_name: str, claims: Claims, ours: Iterable[str] = ()) -> tuple[Finding, ...]:
    """What claims the set, as findings that refuse; the locks of runs that are ours to take up again (by key) are none."""
    mine = set(ours)
    out = []
    for hold in claims.holds:
        action = f"Ask {hold.operator or 'who works on it'}; end it with: splitmount let-go {set_name}"
        out.append(Finding("HELD", Severity.ERROR, set_name, f"{set_name} is {told(hold)}.", action))
    for lock in claims.locks:
        if lock.key not in mine or not lock.key:
            action = f"Wait for that run, or, when it is surely dead: splitmount unlock {set_name}"
            out.append(Finding("LOCKED", Severity.ERROR, set_name, f"{set_name} is {told(lock)}.", action))
    unique = {(f.code, f.sentence): f for f in out}
    return tuple(unique.values())


def until_of(text: str, now: datetime) -> datetime:
    """The end of a hold: `90m`, `8h`, `3d`, or a time in ISO 8601 (UTC where it names no zone). Refused for anything else."""
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
    try:
        if text[-1:] in units and text[:-1].isdecimal() and len(text) < 7:
            return now + int(text[:-1]) * units[text[-1]]
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text!r} is no end of a hold: 90m, 8h, 3d, or a time such as 2026-12-24T18:00") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
