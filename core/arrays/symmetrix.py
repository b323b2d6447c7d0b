"""The array driver for TimeFinder/Mirror on Symmetrix: SYMCLI on a management host, over the shell.

Choices, and why:

- *Restored* is our RESTORING, with the note "restored, not split yet": the pair still couples both devices, so the BCV can
  neither be shown nor established. `restore()` therefore ends with a step that waits for *Restored* and splits the pairs.
- *SplitNoInc* is our SPLIT, with a note: its bytes are a point in time, and only the next copy has to be a full one.
- *SplitBfrSync* and *SplitBfrRest* are INVALID: the copy was cut off, and what is on its destination is of no use.
- The array keeps no name of a split. Its identity is the array's id and the time of the pair's last action, so "one instant"
  is proved by equal times with a resolution of a second; it cannot tell two splits within one second apart.
- Track counts come from the text table of `symmir query`, which is on record word for word; the tags that its XML has for
  them are not. States, serials, sizes and times come from the XML of `symdev list -v`, whose tags are on record.
- Times are printed in the client's zone: every script sets TZ=UTC0. [UNC: so for a client that asks a remote server.]
"""

from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from core.arrays.base import SplitMark, asked_for, base_id, lost, whether_split
from core.errors import ConfigError, ParseError, Refused
from core.model import Pair, PairState, PairStatus
from core.plan import Explain, Phase, Step, StepKind
from core.serial import canonical, symmetrix
from core.transport import Command, Effect, Guard, Result, Status, Transport

TRACK = 32768
ENDED = 5977  # the microcode from which on there is no TimeFinder/Mirror
RESTORE_LIMIT = 86_400  # seconds for which the second step of a restore waits for the copy
_SID = re.compile(r"\d{2,4}|\d{12}")
_DATE = "%a %b %d %H:%M:%S %Y"
_MARK = "=== splitmount "

# Every word that a pair's state can be, as ours, with what the operator should know besides.
WORDS: Mapping[str, tuple[PairState, str]] = {
    "NeverEstab": (PairState.NEVER, ""),
    "SyncInProg": (PairState.COPYING, ""),
    "Synchronized": (PairState.ESTABLISHED, ""),
    "SplitInProg": (PairState.SPLITTING, ""),
    "SplitBfrSync": (PairState.INVALID, "split before the copy was done: the BCV cannot be used"),
    "Split": (PairState.SPLIT, ""),
    "SplitNoInc": (PairState.SPLIT, "split without track tables: the next copy is a full one"),
    "Restored": (PairState.RESTORING, "restored, not split yet"),
    "RestInProg": (PairState.RESTORING, ""),
    "SplitBfrRest": (PairState.INVALID, "split before the restore was done: the standard cannot be used"),
    "Invalid": (PairState.INVALID, "the array calls the pair invalid"),
    "Unknown": (PairState.UNKNOWN, "the array does not know the state of the pair"),
}
# Whether hosts can use a device, by its status; a write-disabled one is seen, and cannot be imported.
_READY: Mapping[str, tuple[bool | None, str]] = {
    "Ready": (True, ""),
    "Not Ready": (False, ""),
    "Write Disabled": (None, "the BCV is write disabled"),
}
_ROW = re.compile(r"^(\S+)\s+([0-9A-F]{3,5})\s+([0-9]{1,18}|-)\s+(\S+)\s+([0-9A-F]{3,5})\s*(\*)?\s+([0-9]{1,18}|-)\s+(\S+)$")

# What every script has: a directory of its own, the wait for the array's lock, and the two fences. Old shells and old awk.
_PRELUDE = r"""
LC_ALL=C; export LC_ALL
TZ=UTC0; export TZ
PATH=/usr/symcli/bin:/opt/emc/SYMCLI/bin:/usr/bin:/bin:/usr/sbin:/sbin; export PATH
umask 077
refuse() { echo "refused: $*" >&2; exit 90; }
W=${TMPDIR:-/tmp}/splitmount.$$
n=0 # a directory of that name may be left of a shell that was killed
until mkdir "$W" 2>/dev/null; do
  n=`expr $n + 1`; [ $n -lt 100 ] || refuse "the directory $W cannot be made"
  W=${TMPDIR:-/tmp}/splitmount.$$.$n
done
trap 'rm -rf "$W"' 0
trap 'exit 1' 1 2 15
said() { cat "$W/out" "$W/err" | tr '\012' ' '; }
sym() { # COMMAND...: run it, waiting while the database or the array is locked: its end in rc, its words in W/out, W/err
  tries=0
  while :; do
    "$@" > "$W/out" 2> "$W/err" < /dev/null; rc=$?
    [ $rc -eq 0 ] && return 0
    case "$rc `said`" in
      "2 "*|*"exclusive lock"*|*"locked by another process"*) ;;
      *) return 0;;
    esac
    [ $tries -lt $LIMIT ] || refuse "the array was locked for $LIMIT s: `said`"
    tries=`expr $tries + 1`; sleep 1
  done
}
look() { # what the array says of the devices, as lines: "serial DEVICE SERIAL" and "pair STD BCV STATE"
  sym symdev -sid "$SID" list -v -devs "$DEVICES" -output xml_e
  [ $rc -eq 0 ] || refuse "the devices cannot be looked at ($rc): `said`"
  tr '<' '\012' < "$W/out" | tr -d '\015' | awk '
    { n = index($0, ">"); if (n == 0) next
      tag = substr($0, 1, n - 1); value = substr($0, n + 1)
      if (tag == "dev_name") {
        while (length(value) > 3 && substr(value, 1, 1) == "0") value = substr(value, 2)
        if (within == "STD") std = value; else if (within == "BCV") bcv = value; else device = value
      }
      if (tag == "STD" || tag == "BCV" || tag == "Dev_Info") within = tag
      if (tag == "/STD" || tag == "/BCV" || tag == "/Dev_Info") within = ""
      if (tag == "serial_id") serial = value
      if (tag == "BCV_Pair") { inside = 1; state = "" }
      if (tag == "state" && inside) state = value
      if (tag == "/BCV_Pair") { inside = 0; if (bcv == device) { known = 1; print "pair " std " " bcv " " state } }
      if (tag == "/Device") {
        print "serial " device " " serial
        if (!known) print "pair - " device " NeverEstab"
        device = ""; serial = ""; known = 0
      }
    }' > "$W/seen"
}
serial() { # DEVICE SERIAL: the fence of identity
  found=`sed -n "s/^serial $1 //p" "$W/seen"`
  [ "$found" = "$2" ] || refuse "device $1 is ${found:-not there}, the plan is for $2"
}
pair() { # STD BCV STATES: the fence of state, and that the BCV is this standard's
  found=`sed -n "s/^pair [^ ]* $2 //p" "$W/seen"`
  owner=`sed -n "s/^pair \([^ ]*\) $2 .*/\1/p" "$W/seen"`
  case "$found" in NeverEstab) owner=$1;; esac
  [ "$owner" = "$1" ] || refuse "BCV $2 belongs to ${owner:-nothing}, the plan is for $1"
  case " $3 " in
    *" ${found:-nothing} "*) ;;
    *) refuse "pair $1/$2 is ${found:-nothing}, the plan is for $3";;
  esac
}
change() { # COMMAND...: the change itself; one that is already as wanted is well
  sym "$@"
  cat "$W/out"
  [ $rc -eq 0 ] && return 0
  grep "already in the requested state" "$W/out" "$W/err" > /dev/null && return 0
  cat "$W/err" >&2; echo "$1 ended with $rc" >&2; exit 1
}
"""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A device as `symdev list -v` has it; `pairs` are (STD, BCV, word, last action), of a BCV those that it is in."""

    number: str
    serial: str
    status: str
    size: int
    track: int
    pairs: tuple[tuple[str, str, str, str], ...]


def emulated(microcode: str) -> bool:
    """Whether TimeFinder/Mirror runs as an emulation by TimeFinder/Clone: from Enginuity 5874 on, until 5977 ended it."""
    return 5874 <= int(microcode[:4]) < ENDED


def _number(text: str) -> str:
    """A device number in one width: three digits or more, since widths differ between commands of one install."""
    return f"{int(text, 16):03X}"


class SymmetrixArray:
    """Fits `core.arrays.base.ArrayDriver`."""

    def __init__(self, name: str, host: str, sid: str, wait: int = 30, patience: float = 60.0) -> None:
        """`host` is the management host, `sid` the array's 12 digits or its last 2 to 4; `wait` seconds for the lock.

        `patience` is how many seconds a look may take besides the waits for the lock: a command that hangs has no end of its own.
        """
        if not _SID.fullmatch(sid):
            raise ConfigError(f"array {name}: sid {sid!r} is neither an array id of 12 digits nor the last 2 to 4 of one")
        self._name, self._host, self._sid, self._wait, self._patience = name, host, sid, wait, patience

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    @property
    def host(self) -> str:
        """The management host."""
        return self._host

    def _device(self, serial: str) -> str:
        """The device number that a serial carries; ConfigError when it is none, or is of another array."""
        try:
            parts = symmetrix(serial)
        except ValueError as error:
            raise ConfigError(f"array {self._name}: {error}") from error
        if parts.array != self._sid[-2:]:
            raise ConfigError(
                f"array {self._name}: serial {serial} is of an array whose id ends in {parts.array}, and {self._sid} does not"
            )
        return parts.device

    def _script(self, body: str, pairs: Iterable[Pair] = ()) -> tuple[str, str]:
        """Prelude and text of a script over these pairs."""
        rows = [(self._device(pair.std), self._device(pair.bcv)) for pair in pairs]
        facts = f"SID={self._sid}\nLIMIT={self._wait}\n"
        if rows:
            facts += f"DEVICES={','.join(dict.fromkeys(device for row in rows for device in row))}\n"
            facts += "cat > \"$W/pairs\" <<'EOF'\n" + "".join(f"{std} {bcv}\n" for std, bcv in rows) + "EOF\n"
        return _PRELUDE, facts + body

    def _read(self, title: str, body: str, pairs: Iterable[Pair] = ()) -> Command:
        prelude, text = self._script(body, pairs)
        return Command(self._host, title, text, Effect.READ, prelude=prelude, timeout=self._patience + 3 * self._wait)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def status(self, transport: Transport, pairs: tuple[Pair, ...]) -> tuple[PairStatus, ...]:
        """The state of each pair, from one look: devices and pairs in XML, track counts in the table of `symmir query`."""
        if not pairs:
            return ()
        result = await transport.run(self._read("read pair states", _LOOK, pairs))
        parts = self._parts(result, ("symdev", "symmir"))
        seen = self._devices(*parts["symdev"])
        code, table, words = parts["symmir"]
        tracks = _tracks(table) if code == 0 else {}
        lost = "" if code == 0 else f"no track counts: {' '.join(words.split())}"
        return tuple(self._status(pair, seen, tracks, lost) for pair in pairs)

    def _parts(self, result: Result, names: tuple[str, ...]) -> dict[str, tuple[int, str, str]]:
        """The sections of the answer, all of which must be there: exit status, output and words of each command."""
        if result.status is not Status.OK:
            raise ParseError(self._host, f"array {self._name}", "SYMCLI did not answer", result.reason or result.stderr)
        parts: dict[str, tuple[int, str, str]] = {}
        for section in result.stdout.split(_MARK)[1:]:
            match = re.fullmatch(r"(\w+) ([0-9]{1,9})\n(.*)--- words\n(.*)", section, re.DOTALL)
            if match is not None:
                parts[match[1]] = (int(match[2]), match[3], match[4])
        if tuple(parts) != names:
            raise ParseError(
                self._host, f"array {self._name}", f"parts of the answer are missing: {names}", result.stdout[-160:]
            )
        return parts

    def _bad(self, what: str, problem: str, line: str = "") -> ParseError:
        return ParseError(self._host, f"array {self._name}: {what}", problem, line)

    def _xml(self, what: str, code: int, text: str, words: str) -> ET.Element:
        if code != 0:
            raise self._bad(what, f"ended with {code}", words or text)
        try:
            return ET.fromstring(text)  # noqa: S314  an array's own output
        except ET.ParseError as error:
            raise self._bad(what, f"no XML: {error}", text) from error

    def _devices(self, code: int, text: str, words: str, which: str = "Symmetrix/Device") -> dict[str, _Seen]:
        root = self._xml("symdev list -v", code, text, words)
        try:
            seen = [_seen(device) for device in root.iterfind(which)]
        except (KeyError, ValueError) as error:
            raise self._bad("symdev list -v", f"answer of another form: {error}") from error
        return {device.number: device for device in seen}

    def _status(
        self, pair: Pair, seen: Mapping[str, _Seen], tracks: Mapping[tuple[str, str], tuple[int | None, int | None]], lost: str
    ) -> PairStatus:
        std, bcv = self._device(pair.std), self._device(pair.bcv)
        for number, serial in ((std, pair.std), (bcv, pair.bcv)):
            if number not in seen:
                return PairStatus(pair, PairState.UNKNOWN, note=f"the array has no device {number}")
            if canonical(seen[number].serial) != canonical(serial):
                return PairStatus(
                    pair, PairState.UNKNOWN, note=f"device {number} has serial {seen[number].serial}, not {serial}"
                )
        state, note, word, last = self._relation(std, seen[bcv])
        if seen[bcv].status not in _READY:
            raise self._bad(f"device {bcv}", "unknown status", seen[bcv].status)
        ready, besides = _READY[seen[bcv].status]
        left, right = tracks.get((std, bcv), (None, None))
        moving = {PairState.COPYING: right, PairState.RESTORING: left}.get(state)
        size, track = seen[bcv].size, seen[bcv].track
        at = self._time(bcv, last) if state in {PairState.SPLIT, PairState.SPLITTING} else None
        return PairStatus(
            pair,
            state,
            ready,
            std_tracks=left,
            bcv_tracks=right,
            track_size=track,
            copied=None if moving is None else size - moving * track,
            to_copy=None if moving is None else size,
            split_id="" if at is None else f"{self._sid}-{at:%Y%m%dT%H%M%S}",
            split_at=at,
            std_size=seen[std].size,
            bcv_size=size,
            note="; ".join(part for part in (note, besides, lost) if part),
            private=(word,),
        )

    def _relation(self, std: str, bcv: _Seen) -> tuple[PairState, str, str, str]:
        """State, note, the array's word and the time of the last action; the pair must be exactly the one asked for."""
        for _, _, word, _ in bcv.pairs:
            if word not in WORDS:
                raise self._bad(f"BCV {bcv.number}", "unknown pair state", word)
        held = [row for row in bcv.pairs if row[2] != "NeverEstab"]
        if not held:
            return PairState.NEVER, "", "NeverEstab", ""
        others = [f"{owner} ({word})" for owner, _, word, _ in held if owner != std]
        if others:
            return PairState.UNKNOWN, f"BCV {bcv.number} is attached to device {', '.join(others)}, not to {std}", "", ""
        _, _, word, last = held[0]
        return *WORDS[word], word, last

    def _time(self, bcv: str, text: str) -> datetime:
        try:
            return datetime.strptime(text, _DATE).replace(tzinfo=UTC)
        except ValueError as error:
            raise self._bad(f"BCV {bcv}", "a last action of another form", text) from error

    async def related(self, transport: Transport) -> tuple[Pair, ...]:
        """The pairs of every BCV of the array that belongs to a standard, in whatever state."""
        parts = self._parts(await transport.run(self._read("read all pairs", _PAIRS)), ("symdev",))
        seen = self._devices(*parts["symdev"], "Symmetrix/Device[BCV_Pair]")  # others may tell less of themselves
        rows = [row for device in seen.values() for row in device.pairs]
        return tuple(Pair(canonical(seen[std].serial), canonical(seen[bcv].serial)) for std, bcv, _, _ in rows if std in seen)

    async def check(self, transport: Transport) -> tuple[str, ...]:
        """Whether SYMCLI is there, the array is visible, and its microcode still has TimeFinder/Mirror."""
        parts = self._parts(await transport.run(self._read("read SYMCLI's version", _CHECK)), ("symcli", "symcfg"))
        code, version, words = parts["symcli"]
        if code != 0 or "(SYMCLI)" not in version:
            return (f"{self._host}: no SYMCLI: {' '.join((words or version).split())}",)
        root = self._xml("symcfg list", *parts["symcfg"])
        infos = {i.findtext("symid", "").strip(): i.findtext("microcode_version", "").strip() for i in root.iter("Symm_Info")}
        mine = [symid for symid in infos if symid.endswith(self._sid)]
        if len(mine) != 1:
            seen = ", ".join(infos) or "none"
            return (f"{self._host}: sid {self._sid} names {len(mine)} of the arrays that SYMCLI sees ({seen})",)
        microcode = infos[mine[0]]
        if not re.match(r"\d{4}", microcode):
            raise self._bad("symcfg list", "a microcode of another form", microcode)
        if int(microcode[:4]) >= ENDED:
            return (f"array {mine[0]} has microcode {microcode}: TimeFinder/Mirror (symmir) ended with 5977",)
        return ()

    # --- changes ----------------------------------------------------------------------------------------------------

    def _refuse_unless(self, pairs: Iterable[PairStatus], states: frozenset[PairState], rule: str) -> None:
        odd = [
            f"{s.pair.std}/{s.pair.bcv} {s.state.value}{f' ({s.note})' * bool(s.note)}" for s in pairs if s.state not in states
        ]
        if odd:
            raise Refused(f"array {self._name}: {rule}: {', '.join(odd)}")

    def _fence(self, pairs: Iterable[PairStatus], words: str) -> str:
        """The lines that look at the array and go on only when it is as planned; `words`, else those of the planned state."""
        lines = ["look"]
        for status in pairs:
            pair = status.pair
            std, bcv = self._device(pair.std), self._device(pair.bcv)
            lines += [f"serial {device} {canonical(serial)}" for device, serial in ((std, pair.std), (bcv, pair.bcv))]
            lines.append(f"pair {std} {bcv} {shlex.quote(words or _words(status.state))}")
        return "\n".join(lines) + "\n"

    def _change(self, title: str, pairs: Iterable[PairStatus], words: str, command: str, before: str = "") -> Command:
        chosen = tuple(pairs)
        prelude, text = self._script(before + self._fence(chosen, words) + f"change {command}\n", (s.pair for s in chosen))
        return Command(self._host, title, text, Effect.CHANGE, prelude=prelude, timeout=600.0, guard=Guard.ARRAY)

    def _step(
        self, step_id: str, command: Command, pairs: Iterable[PairStatus], explain: Explain, undo: Command | None = None
    ) -> Step:
        fence = tuple(status.pair.bcv for status in pairs)
        return Step(
            step_id,
            Phase.MIRRORS,
            StepKind.COMMAND,
            command.title,
            self._host,
            explain,
            command=command,
            fence=fence,
            undo=undo,
            array=True,
        )

    def establish(self, pairs: tuple[PairStatus, ...], *, full: bool = False) -> tuple[Step, ...]:
        """Copy STD → BCV: incremental where the array has track tables, else full; the array makes the BCVs not ready."""
        down = frozenset({PairState.SPLIT, PairState.NEVER, PairState.INVALID})
        self._refuse_unless(pairs, down, "only pairs that are apart can be established")
        whole = tuple(s for s in pairs if full or s.state is not PairState.SPLIT or "SplitNoInc" in s.private)
        steps = []
        for step_id, chosen, option, words in (
            ("establish", tuple(s for s in pairs if s not in whole), "", "Split"),
            ("establish-full", whole, "-full ", ""),
        ):
            if chosen:
                title = f"Establish {len(chosen)} pairs, STD -> BCV{', in full' if option else ''}"
                command = self._change(title, chosen, words, f"{_SYMMIR} establish {option}-nop")
                steps.append(self._step(step_id, command, chosen, _ESTABLISH))
        return tuple(steps)

    def split(self, pairs: tuple[PairStatus, ...], mark: SplitMark) -> tuple[Step, ...]:
        """One consistent split of all pairs; the array names it by its own time, so `mark` has no place in it."""
        self._refuse_unless(pairs, frozenset({PairState.ESTABLISHED}), "only established pairs can be split")
        title = f"Split {len(pairs)} pairs at one instant"
        command = self._change(title, pairs, "Synchronized", f"{_SYMMIR} split -consistent -instant -not_ready -nop")
        return (self._step("split", command, pairs, _SPLIT),)

    def restore(self, pairs: tuple[PairStatus, ...], *, full: bool = False, protect: bool = True) -> tuple[Step, ...]:
        """BCV → STD, then, when all are restored, the split that frees the pairs again; BCVs stay hidden."""
        self._refuse_unless(pairs, frozenset({PairState.SPLIT}), "only split pairs can be restored")
        full = full or any("SplitNoInc" in s.private for s in pairs)
        options = "-full " * full + "-protect " * protect
        title = f"Restore {len(pairs)} pairs, BCV -> STD"
        start = self._change(title, pairs, "" if full else "Split", f"{_SYMMIR} restore {options}-nop")
        return (self._step("restore", start, pairs, _RESTORE), self._restore_split(pairs))

    def _restore_split(self, pairs: tuple[PairStatus, ...]) -> Step:
        title = f"Wait for the restore, then split {len(pairs)} pairs"
        end = self._change(title, pairs, "Restored", f"{_SYMMIR} split -not_ready -nop", _WAIT_RESTORED)
        return self._step("restore-split", end, pairs, _RESTORE_SPLIT)

    def ready(self, pairs: tuple[PairStatus, ...]) -> tuple[Step, ...]:
        """Show split BCVs to the target; those that are visible already are left alone."""
        self._refuse_unless(pairs, frozenset({PairState.SPLIT}), "a BCV is shown to a host only when it is split")
        hidden = tuple(s for s in pairs if not s.ready)
        if not hidden:
            return ()
        command = self._switch(f"Make {len(hidden)} BCVs ready", hidden, "ready")
        return (self._step("ready", command, hidden, _SHOW, self._switch("hide the BCVs again", hidden, "not_ready")),)

    def not_ready(self, pairs: tuple[PairStatus, ...]) -> tuple[Step, ...]:
        """Hide the BCVs that are visible."""
        shown = tuple(s for s in pairs if s.ready)
        if not shown:
            return ()
        return (self._step("not-ready", self._switch("Hide the BCVs from the target", shown, "not_ready"), shown, _HIDE),)

    def _switch(self, title: str, pairs: tuple[PairStatus, ...], verb: str) -> Command:
        devices = ",".join(self._device(s.pair.bcv) for s in pairs)
        return self._change(title, pairs, "", f'symdev -sid "$SID" {verb} -devs {devices} -nop')

    def finish(self, pairs: tuple[Pair, ...], state: PairState) -> Command | None:
        """None: the array books its copies itself."""
        return None

    def rest(self, step: Step, pairs: tuple[PairStatus, ...], mark: SplitMark) -> tuple[Step, ...]:
        """By the words of the pairs; a command of SYMCLI over several pairs may have come about for some of them."""
        verb, states = base_id(step), {s.state for s in pairs}
        coupled = frozenset({PairState.RESTORING})
        if verb == "split":
            return () if whether_split(step, pairs, "") else self.split(pairs, mark)
        if verb in ("establish", "establish-full"):
            down = tuple(s for s in pairs if s.state not in (PairState.COPYING, PairState.ESTABLISHED))
            return tuple(s for s in self.establish(down, full=verb == "establish-full") if s.id == verb) if down else ()
        if verb == "restore":
            apart = tuple(s for s in pairs if s.state not in coupled)
            return self.restore(apart, full=asked_for(step, " -full "))[:1] if apart else ()
        if verb == "restore-split" and states <= coupled | {PairState.SPLIT, PairState.SPLITTING}:
            rest = tuple(s for s in pairs if s.state in coupled)
            return (self._restore_split(rest),) if rest else ()
        if verb == "ready":
            return self.ready(pairs)
        if verb in ("not-ready", "undo-ready"):
            return self.not_ready(pairs)
        raise lost(step, pairs)

    def predict(self, pair: PairStatus, state: PairState, *, split_id: str = "", ready: bool = False) -> PairStatus:
        """How a pair will stand after earlier steps of a plan."""
        return replace(pair, state=state, ready=ready, split_id=split_id, split_at=None, note="", private=())


_SYMMIR = 'symmir -sid "$SID" -f "$W/pairs"'
_SHOWN = f"""show() {{ echo "{_MARK}$1 $rc"; cat "$W/out"; echo; echo "--- words"; cat "$W/err"; }}
"""
_LOOK = f"""{_SHOWN}sym symdev -sid "$SID" list -v -devs "$DEVICES" -output xml_e
show symdev
sym {_SYMMIR} query
show symmir
"""
_PAIRS = f"""{_SHOWN}sym symdev -sid "$SID" list -v -output xml_e
show symdev
"""
_CHECK = f"""{_SHOWN}sym symcli
show symcli
sym symcfg list -output xml_e
show symcfg
"""
_WAIT_RESTORED = f"""waited=0
while look; grep '^pair .* RestInProg$' "$W/seen" > /dev/null; do
  [ $waited -lt {RESTORE_LIMIT} ] || {{ echo "not restored after {RESTORE_LIMIT} s" >&2; exit 1; }}
  waited=`expr $waited + 5`; sleep 5
done
"""


def _words(state: PairState) -> str:
    """The array's words for one of our states."""
    return " ".join(word for word, (ours, _) in WORDS.items() if ours is state)


def _text(element: ET.Element, path: str) -> str:
    found = element.findtext(path)
    if found is None:
        raise KeyError(f"no {path}")
    return found.strip()


def _seen(device: ET.Element) -> _Seen:
    number = _number(_text(device, "Dev_Info/dev_name"))
    size = int(_text(device, "Capacity/kilobytes")) * 1024
    tracks = int(_text(device, "Capacity/tracks"))
    pairs = []
    for pair in device.iterfind("BCV_Pair"):
        std, bcv, word = (_text(pair, path) for path in ("STD/dev_name", "BCV/dev_name", "state"))
        owner = std if std in {"N/A", ""} else _number(std)
        if _number(bcv) == number:
            pairs.append((owner, number, word, _text(pair, "last_action")))
    status, serial = _text(device, "Dev_Info/status"), _text(device, "Product/serial_id")
    return _Seen(number, serial, status, size, size // tracks if tracks else TRACK, tuple(pairs))


def _tracks(table: str) -> dict[tuple[str, str], tuple[int | None, int | None]]:
    """The track counts of `symmir query`, by device numbers; a dash (a meta member) is None."""
    rows = (_ROW.match(" ".join(line.split())) for line in table.splitlines())
    return {(_number(r[2]), _number(r[5])): (_count(r[3]), _count(r[7])) for r in rows if r is not None}


def _count(text: str) -> int | None:
    return None if text == "-" else int(text)


_ESTABLISH = Explain(
    "Copies the tracks that differ (or everything, where that is not known) from the standards to the BCVs.",
    "Afterwards the pairs are synchronized: each write reaches both sides, and a split needs to copy nothing.",
    "The point in time on the BCVs is gone as soon as this starts; hosts lose sight of them.",
    "symmir query shows SyncInProg with the tracks that are left, then Synchronized.",
)
_SPLIT = Explain(
    "One consistent split of all pairs: from this instant on the BCVs keep the data, whatever is written afterwards.",
    "Pairs that are split one after the other hold different instants, which no volume group survives.",
    "The array holds writes back for the moment of the split. The BCVs stay hidden until they are made ready.",
    "symmir query shows Split; symdev show gives all BCVs the same time of their last action.",
)
_RESTORE = Explain(
    "Copies the tracks that differ from the BCVs back to the standards. This overwrites the standards.",
    "It brings the source back to the instant of the split; protected BCVs keep it too.",
    "Everything that was written to the standards since the split is lost.",
    "symmir query shows RestInProg with the tracks that are left, then Restored.",
)
_RESTORE_SPLIT = Explain(
    "Waits until all pairs are restored, then takes them apart; the BCVs stay hidden.",
    "A restored pair still couples its devices: without protection each write to the standard would reach the BCV.",
    "The pairs' split carries the time of this step from now on, not that of the data on the BCVs.",
    "symmir query shows Split.",
)
_SHOW = Explain(
    "Makes the BCVs ready: hosts that they are mapped to can use them.",
    "The split left them not ready, so that nothing could touch them before.",
    "A host that should not see a BCV may take it for its standard; the checks looked at the hosts before.",
    "symdev show gives the status Ready.",
)
_HIDE = Explain(
    "Makes the BCVs not ready: hosts can use them no more.",
    "What no host can reach cannot be changed by accident, and a copy over it disturbs nobody.",
    "Whatever still uses a BCV gets I/O errors; that nothing does was measured right before.",
    "symdev show gives the status Not Ready.",
)
