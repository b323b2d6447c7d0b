"""The array driver for qemu-storage-daemon: pairs of block nodes, told apart and dated by names of dirty bitmaps.

Nothing about a pair is kept outside the daemon. On a standard, `sm.t.<bcv>` tracks what differs from that BCV since the
last copy; on a BCV, `sm.w` tracks what the target wrote, and markers (disabled bitmaps) carry the state: `sm.est`, or
`sm.split.<id>`, or `sm.copy.<kind>` while a copy is under way. A daemon that died has lost the bitmaps of raw files, and
then every pair is *never established*: the next copy is full. The id of a split begins with its time in base 36.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from core.arrays.base import SplitMark, asked_for, base_id, lost, whether_split
from core.errors import ConfigError, ParseError, Refused
from core.model import Pair, PairState, PairStatus
from core.plan import Explain, Phase, Step, StepKind
from core.transport import Channel, Command, Effect, Guard, Status, Transport
from core.untrusted import json_of

TRACK = 65536
WRITTEN = "sm.w"
TRACKING = "sm.t."
ESTABLISHED = "sm.est"
SPLIT = "sm.split."
COPY = "sm.copy."
_SPLIT_ID = re.compile(r"[0-9a-z]{8}-[0-9a-f]{4}")  # as `core.handlers.new_split_id` makes them until the year 2059

# A copy's kind: the state while it is under way, and the state when it has ended well. RESTORE keeps the split's marker.
_UNDER_WAY: Mapping[str, PairState] = {
    "e": PairState.COPYING,
    "s": PairState.SPLITTING,
    "r": PairState.RESTORING,
}
_AFTER: Mapping[str, PairState] = {"e": PairState.ESTABLISHED, "s": PairState.SPLIT, "r": PairState.SPLIT}
# Every status that a job of the daemon can have, as our words: it is still going, or it has ended.
_JOB_GOING: Mapping[str, bool] = {
    "undefined": True, "created": True, "running": True, "paused": True, "ready": True, "standby": True, "waiting": True,
    "pending": True, "aborting": True, "concluded": False, "null": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Node:
    """A block node: its size and its bitmaps by name, with counts in bytes; `broken` are those of no more use."""

    size: int
    bitmaps: Mapping[str, int]
    broken: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Job:
    going: bool
    done: int
    total: int
    error: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look at the daemon."""

    nodes: Mapping[str, _Node]
    jobs: Mapping[str, _Job]
    exported: frozenset[str]


_READS = ("query-named-block-nodes", "query-jobs", "query-block-exports")


def _line(execute: str, arguments: Mapping[str, Any] | None = None) -> str:
    body: dict[str, Any] = {"execute": execute}
    return json.dumps(body | ({"arguments": dict(arguments)} if arguments else {}))


def _job_id(kind: str, bcv: str) -> str:
    return f"sm.{kind}.{bcv}"


def split_time(split_id: str) -> datetime | None:
    """The time of a split from its id; None when the id is not ours, since any short word is a number in base 36."""
    if not _SPLIT_ID.fullmatch(split_id):
        return None
    return datetime.fromtimestamp(int(split_id.split("-", 1)[0], 36) / 1000, UTC)


class QemuArray:
    """Fits `core.arrays.base.ArrayDriver`."""

    def __init__(self, name: str, host: str, socket: str, devices: Mapping[str, str]) -> None:
        """`host` is the management host, `socket` the QMP socket on it, `devices` serial → node name."""
        self._name = name
        self._host = host
        self._socket = socket
        self._devices = dict(devices)

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    @property
    def host(self) -> str:
        """The management host."""
        return self._host

    def _node(self, serial: str) -> str:
        if serial not in self._devices:
            raise ConfigError(
                f"array {self._name}: serial {serial} is not among its devices; add it under arrays.{self._name}.devices"
            )
        return self._devices[serial]

    def _command(self, title: str, lines: Iterable[str], effect: Effect = Effect.CHANGE) -> Command:
        guard = Guard.MARKS if effect is Effect.CHANGE else Guard.NONE
        return Command(self._host, title, "\n".join(lines), effect, Channel.QMP, socket=self._socket, guard=guard)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def status(self, transport: Transport, pairs: tuple[Pair, ...]) -> tuple[PairStatus, ...]:
        """The state of each pair, from one look at nodes, jobs and exports."""
        names = [(pair, self._node(pair.std), self._node(pair.bcv)) for pair in pairs]
        seen = await self._look(transport)
        return tuple(self._pair(seen, pair, std, bcv) for pair, std, bcv in names)

    async def _look(self, transport: Transport) -> _Seen:
        command = self._command("read pair states", (_line(verb) for verb in _READS), Effect.READ)
        result = await transport.run(command)
        if result.status is not Status.OK:
            raise ParseError(self._host, f"array {self._name}", "the daemon did not answer", result.reason or result.stderr)
        try:
            nodes, jobs, exports = (json_of(line) for line in result.stdout.splitlines())
            return _Seen(
                {node["node-name"]: _node_of(node) for node in nodes},
                {job["id"]: self._job_of(job) for job in jobs},
                frozenset(export["node-name"] for export in exports if not export["shutting-down"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ParseError(self._host, f"array {self._name}", f"answer of another form: {error!r}", result.stdout) from error

    def _job_of(self, job: Mapping[str, Any]) -> _Job:
        if job["status"] not in _JOB_GOING:
            raise ParseError(self._host, f"array {self._name}", f"job {job['id']}: unknown status", str(job["status"]))
        return _Job(_JOB_GOING[job["status"]], job["current-progress"], job["total-progress"], str(job.get("error", "")))

    def _pair(self, seen: _Seen, pair: Pair, std: str, bcv: str) -> PairStatus:
        missing = [node for node in (std, bcv) if node not in seen.nodes]
        if missing:
            return PairStatus(pair, PairState.UNKNOWN, note=f"the array has no node {', '.join(missing)}")
        left, right = seen.nodes[std], seen.nodes[bcv]
        kind, job = _job_for(seen, bcv)
        state, note = _state(left, right, bcv, kind, job)
        split_id = next((name[len(SPLIT) :] for name in right.bitmaps if name.startswith(SPLIT)), "")
        dated = state in (PairState.SPLIT, PairState.SPLITTING, PairState.RESTORING)
        tracking = left.bitmaps.get(f"{TRACKING}{bcv}")
        written = right.bitmaps.get(WRITTEN)
        settled = job is None  # before settling, the copy itself still stands in the BCV's own bitmap
        return PairStatus(
            pair,
            state,
            bcv in seen.exported,
            std_tracks=None if tracking is None else -(-tracking // TRACK),
            bcv_tracks=None if written is None else (-(-written // TRACK) if settled else 0),
            track_size=TRACK,
            copied=job.done if job is not None else None,
            to_copy=job.total if job is not None else None,
            split_id=split_id if dated else "",
            split_at=split_time(split_id) if dated and split_id else None,
            std_size=left.size,
            bcv_size=right.size,
            note=note,
            private=_private(left, right, bcv, kind, job),
        )

    async def related(self, transport: Transport) -> tuple[Pair, ...]:
        """The pairs that were copied once: their standards have a bitmap for the BCV. The daemon knows no others."""
        seen, names = await self._look(transport), {node: serial for serial, node in self._devices.items()}
        return tuple(
            Pair(names[std], names[bitmap.removeprefix(TRACKING)])
            for std, node in seen.nodes.items()
            for bitmap in node.bitmaps
            if std in names and bitmap.startswith(TRACKING) and bitmap.removeprefix(TRACKING) in names
        )

    async def check(self, transport: Transport) -> tuple[str, ...]:
        """Whether the daemon answers, is new enough, and has the nodes."""
        result = await transport.run(self._command("read the daemon's version", (_line("query-version"),), Effect.READ))
        if result.status is not Status.OK:
            return (f"{self._host}: {self._socket}: no answer: {result.reason or result.stderr}",)
        try:
            told = json_of(result.stdout)["qemu"]
            version = (int(told["major"]), int(told["minor"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ParseError(self._host, f"array {self._name}", f"no version: {error!r}", result.stdout) from error
        wrong = []
        if version < (7, 1):
            wrong.append(f"qemu-storage-daemon {version[0]}.{version[1]} is too old: 7.1 is needed")
        seen = await self._look(transport)
        wrong += [f"no node {node} for serial {serial}" for serial, node in self._devices.items() if node not in seen.nodes]
        return tuple(wrong)

    # --- changes ----------------------------------------------------------------------------------------------------

    def _step(
        self, step_id: str, title: str, lines: list[str], pairs: Iterable[Pair], explain: Explain, undo: Command | None = None
    ) -> Step:
        fence = tuple(pair.bcv for pair in pairs)
        command = self._command(title, lines)
        return Step(
            step_id,
            Phase.MIRRORS,
            StepKind.COMMAND,
            title,
            self._host,
            explain,
            command=command,
            fence=fence,
            undo=undo,
            array=True,
        )

    def _fence(self, statuses: Iterable[PairStatus]) -> list[str]:
        """Lines that fail, before anything is done, unless each BCV carries the mark by which it was seen.

        Marks are disabled bitmaps, and `sm.w` is an enabled one, so to disable or enable them again changes nothing. A BCV
        that was never established carries nothing to be known by: its name in the configuration is all there is.
        """
        lines = []
        for status in statuses:
            node, marks = self._node(status.pair.bcv), [m for m in _marks(status) if m not in (SPLIT, COPY)]
            if marks:
                lines.append(_line("block-dirty-bitmap-disable", {"node": node, "name": marks[0]}))
            elif "written" in status.private:
                lines.append(_line("block-dirty-bitmap-enable", {"node": node, "name": WRITTEN}))
        return lines

    def _hide_lines(self, statuses: Iterable[PairStatus]) -> list[str]:
        """Take away what hosts may see; all BCVs are proved first."""
        shown = [s for s in statuses if s.ready is not False]
        gone = [_line("block-export-del", {"id": self._node(s.pair.bcv), "mode": "hard"}) for s in shown]
        return [*self._fence(shown), *gone] if gone else []

    def establish(self, pairs: tuple[PairStatus, ...], *, full: bool = False) -> tuple[Step, ...]:
        """Hide the BCVs, then start the copies STD → BCV: of the differing tracks where both sides are tracked, else whole."""
        steps = []
        hide = self._hide_lines(pairs)
        if hide:
            steps.append(self._step("hide", "Hide the BCVs from the target", hide, (s.pair for s in pairs), _HIDE))
        lines: list[str] = []
        actions: list[dict[str, Any]] = []
        for status in pairs:
            before, copy = self._establish_one(status, full)
            lines += before
            actions += copy
        lines.append(_line("transaction", {"actions": actions, "properties": {"completion-mode": "individual"}}))
        title = f"Establish {len(pairs)} pairs, STD -> BCV"
        return (*steps, self._step("establish", title, lines, (s.pair for s in pairs), _ESTABLISH))

    def _establish_one(self, status: PairStatus, full: bool) -> tuple[list[str], list[dict[str, Any]]]:
        std, bcv = self._node(status.pair.std), self._node(status.pair.bcv)
        tracking, has = f"{TRACKING}{bcv}", set(status.private)
        whole = full or not {"tracked", "written"} <= has or status.state in (PairState.NEVER, PairState.INVALID)
        before = _dismiss(status, bcv)
        before += [_line("block-dirty-bitmap-remove", {"node": std, "name": tracking})] if "tracked!" in has else []
        before += [_line("block-dirty-bitmap-remove", {"node": bcv, "name": WRITTEN})] if "written!" in has else []
        actions: list[dict[str, Any]] = [] if "written" in has else [_add(bcv, WRITTEN)]
        if whole:
            clear = _action("block-dirty-bitmap-clear", node=std, name=tracking)
            actions.append(clear if "tracked" in has else _add(std, tracking))
        else:
            source = {"node": bcv, "name": WRITTEN}
            before.append(_line("block-dirty-bitmap-merge", {"node": std, "target": tracking, "bitmaps": [source]}))
        marks = _marks(status, booked=False)
        actions += [_action("block-dirty-bitmap-remove", node=bcv, name=name) for name in marks if name != COPY + "e"]
        actions += [] if COPY + "e" in marks else [_add(bcv, COPY + "e", disabled=True)]
        sync: dict[str, Any] = (
            {"sync": "full"} if whole else {"sync": "bitmap", "bitmap": tracking, "bitmap-mode": "on-success"}
        )
        actions.append(_backup("e", std, bcv, bcv, sync))
        return before, actions

    def split(self, pairs: tuple[PairStatus, ...], mark: SplitMark) -> tuple[Step, ...]:
        """One transaction: every pair at the same instant; the rest is copied behind it, old data first."""
        odd = [s for s in pairs if s.state is not PairState.ESTABLISHED]
        if odd:
            names = ", ".join(f"{s.pair.std}/{s.pair.bcv} {s.state.value}" for s in odd)
            raise Refused(f"array {self._name}: only established pairs can be split: {names}")
        actions: list[dict[str, Any]] = []
        for status in pairs:
            std, bcv = self._node(status.pair.std), self._node(status.pair.bcv)
            actions += [_action("block-dirty-bitmap-remove", node=bcv, name=name) for name in _marks(status)]
            actions.append(_add(bcv, SPLIT + mark.id, disabled=True))
            actions.append(_add(bcv, COPY + "s", disabled=True))
            sync = {"sync": "bitmap", "bitmap": f"{TRACKING}{bcv}", "bitmap-mode": "on-success"}
            actions.append(_backup("s", std, bcv, bcv, sync))
        line = _line("transaction", {"actions": actions, "properties": {"completion-mode": "individual"}})
        title = f"Split {len(pairs)} pairs at one instant"
        return (*self._book(pairs), self._step("split", title, [line], (s.pair for s in pairs), _SPLIT))

    def _book(self, pairs: tuple[PairStatus, ...]) -> tuple[Step, ...]:
        """A step that books copies which ended well before this plan, and were not booked."""
        late = [s for s in pairs if any(word.startswith("job:") for word in s.private)]
        lines = [line for s in late for line in _settle(self._node(s.pair.bcv), _job_kind(s), _marks(s, booked=False))]
        if not lines:
            return ()
        return (self._step("book", "Book copies that ended earlier", lines, (s.pair for s in late), _BOOK),)

    def restore(self, pairs: tuple[PairStatus, ...], *, full: bool = False, protect: bool = True) -> tuple[Step, ...]:
        """BCV → STD, of the differing tracks; the BCV is only read and keeps its point in time, so it is always protected."""
        odd = [s for s in pairs if s.state is not PairState.SPLIT]
        if odd:
            names = ", ".join(f"{s.pair.std}/{s.pair.bcv} {s.state.value}" for s in odd)
            raise Refused(f"array {self._name}: only split pairs can be restored: {names}")
        steps = list(self._book(pairs))
        hide = self._hide_lines(pairs)
        if hide:
            steps.append(self._step("hide", "Hide the BCVs from the target", hide, (s.pair for s in pairs), _HIDE))
        lines, actions = [], []
        for status in pairs:
            std, bcv = self._node(status.pair.std), self._node(status.pair.bcv)
            source = {"node": std, "name": f"{TRACKING}{bcv}"}
            lines.append(_line("block-dirty-bitmap-merge", {"node": bcv, "target": WRITTEN, "bitmaps": [source]}))
            actions.append(_add(bcv, COPY + "r", disabled=True))
            actions.append(_action("block-dirty-bitmap-clear", node=std, name=f"{TRACKING}{bcv}"))
            sync: dict[str, Any] = {"sync": "full"} if full else {"sync": "bitmap", "bitmap": WRITTEN, "bitmap-mode": "never"}
            actions.append(_backup("r", bcv, std, bcv, sync))
        lines.append(_line("transaction", {"actions": actions, "properties": {"completion-mode": "individual"}}))
        title = f"Restore {len(pairs)} pairs, BCV -> STD"
        return (*steps, self._step("restore", title, lines, (s.pair for s in pairs), _RESTORE))

    def ready(self, pairs: tuple[PairStatus, ...]) -> tuple[Step, ...]:
        """Show split BCVs to the target; those that are visible already are left alone."""
        odd = [s for s in pairs if s.state is not PairState.SPLIT]
        if odd:
            names = ", ".join(f"{s.pair.bcv} {s.state.value}" for s in odd)
            raise Refused(f"array {self._name}: a BCV is shown to a host only when it is split: {names}")
        hidden = [s for s in pairs if not s.ready]
        if not hidden:
            return ()
        nodes = [self._node(s.pair.bcv) for s in hidden]
        fence = self._fence(hidden)
        lines = [
            _line("block-export-add", {"type": "nbd", "id": n, "node-name": n, "name": n, "writable": True}) for n in nodes
        ]
        gone = [_line("block-export-del", {"id": n, "mode": "hard"}) for n in nodes]
        undo = self._command("hide the BCVs again", [*fence, *gone])
        title = f"Make {len(nodes)} BCVs ready"
        return (*self._book(pairs), self._step("ready", title, [*fence, *lines], (s.pair for s in hidden), _READY, undo))

    def not_ready(self, pairs: tuple[PairStatus, ...]) -> tuple[Step, ...]:
        """Hide the BCVs that are visible."""
        lines = self._hide_lines(s for s in pairs if s.ready)
        if not lines:
            return ()
        return (self._step("not-ready", "Hide the BCVs from the target", lines, (s.pair for s in pairs), _HIDE),)

    def finish(self, pairs: tuple[Pair, ...], state: PairState) -> Command | None:
        """Book the copies that brought the pairs to `state`; those of a restore for RESTORING."""
        kind = {PairState.ESTABLISHED: "e", PairState.SPLIT: "s", PairState.RESTORING: "r"}[state]
        nodes = [self._node(pair.bcv) for pair in pairs]
        lines = [line for node in nodes for line in _settle(node, kind, (COPY + kind,))]
        return self._command("book the finished copies", lines) if lines else None

    def rest(self, step: Step, pairs: tuple[PairStatus, ...], mark: SplitMark) -> tuple[Step, ...]:
        """Each step is one transaction, or lines of which each can be left out when it was done."""
        verb, states = base_id(step), {s.state for s in pairs}
        if verb == "split":
            return () if whether_split(step, pairs, mark.id) else self.split(pairs, mark)
        if verb == "establish":
            return self._rest_of_establish(step, pairs, states)
        if verb == "restore":
            began = states <= {PairState.RESTORING} or all("job:r" in s.private for s in pairs)
            full = asked_for(step, '"sync": "full"')
            return () if began else tuple(s for s in self.restore(pairs, full=full) if s.id != "hide")
        if verb in ("book", "settle", "safety-settle"):
            return self._book(pairs)
        if verb == "ready":
            return self.ready(pairs)
        if verb in ("hide", "not-ready", "undo-ready"):
            return self.not_ready(pairs)
        raise lost(step, pairs)

    def _rest_of_establish(self, step: Step, pairs: tuple[PairStatus, ...], states: set[PairState]) -> tuple[Step, ...]:
        if states <= {PairState.COPYING, PairState.ESTABLISHED}:
            return ()
        if states & {PairState.COPYING, PairState.ESTABLISHED, PairState.RESTORING, PairState.SPLITTING}:
            raise lost(step, pairs)
        return self.establish(pairs, full=asked_for(step, '"sync": "full"'))

    def predict(self, pair: PairStatus, state: PairState, *, split_id: str = "", ready: bool = False) -> PairStatus:
        """How a pair will stand after earlier steps of a plan."""
        mark = {PairState.ESTABLISHED: ESTABLISHED, PairState.SPLIT: SPLIT + split_id}.get(state, COPY + "e")
        private = ("tracked", "written", f"mark:{mark}")
        return replace(pair, state=state, ready=ready, split_id=split_id, split_at=None, note="", private=private)


def _node_of(node: Mapping[str, Any]) -> _Node:
    bitmaps = {b["name"]: b["count"] for b in node.get("dirty-bitmaps", []) if "name" in b}
    broken = {b["name"] for b in node.get("dirty-bitmaps", []) if "name" in b and b.get("inconsistent")}
    return _Node(node["image"]["virtual-size"], bitmaps, frozenset(broken))


def _job_for(seen: _Seen, bcv: str) -> tuple[str, _Job | None]:
    for kind in _UNDER_WAY:
        if (job := seen.jobs.get(_job_id(kind, bcv))) is not None:
            return kind, job
    return "", None


def _state(std: _Node, bcv: _Node, name: str, kind: str, job: _Job | None) -> tuple[PairState, str]:
    """The table of this driver: what bitmaps and jobs say, as one of our words."""
    if job is not None and job.going:
        return _UNDER_WAY[kind], ""
    if job is not None and job.error:
        return PairState.INVALID, f"a copy failed: {job.error}"
    if job is not None:
        return _AFTER[kind], ""
    tracking = f"{TRACKING}{name}"
    if tracking in std.broken or WRITTEN in bcv.broken:
        return PairState.INVALID, "the tracking was lost by a crash: a full copy is needed"
    if tracking not in std.bitmaps or WRITTEN not in bcv.bitmaps:
        return PairState.NEVER, ""
    if any(marker.startswith(COPY) for marker in bcv.bitmaps):
        return PairState.INVALID, "a copy was cut off"
    if ESTABLISHED in bcv.bitmaps:
        return PairState.ESTABLISHED, ""
    if any(marker.startswith(SPLIT) for marker in bcv.bitmaps):
        return PairState.SPLIT, ""
    return PairState.INVALID, "the pair carries no mark of its state"


def _settle(node: str, kind: str, marks: Iterable[str]) -> list[str]:
    """Clear what the copy itself dirtied, change the marks, then let the job go: its presence is the state till then."""
    actions = [_action("block-dirty-bitmap-remove", node=node, name=mark) for mark in marks if mark.startswith(COPY)]
    actions.append(_action("block-dirty-bitmap-clear", node=node, name=WRITTEN))
    if kind == "e" and ESTABLISHED not in marks:
        actions.append(_add(node, ESTABLISHED, disabled=True))
    return [_line("transaction", {"actions": actions}), _line("job-dismiss", {"id": _job_id(kind, node)})]


def _job_kind(status: PairStatus) -> str:
    return next((word[4:] for word in status.private if word.startswith("job:")), "")


def _dismiss(status: PairStatus, bcv: str) -> list[str]:
    """Let go of the job that an earlier copy left, ended well or not."""
    kind = _job_kind(status)
    return [_line("job-dismiss", {"id": _job_id(kind, bcv)})] if kind else []


def _marks(status: PairStatus, *, booked: bool = True) -> tuple[str, ...]:
    """The marks that stand on the BCV; `booked` gives them as they will stand once an ended copy is booked."""
    marks = tuple(word[5:] for word in status.private if word.startswith("mark:"))
    kind = _job_kind(status)
    if not booked or not kind or status.state is PairState.INVALID:
        return marks
    kept = tuple(mark for mark in marks if not mark.startswith(COPY))
    return (*kept, ESTABLISHED) if kind == "e" and ESTABLISHED not in kept else kept


def _private(std: _Node, bcv: _Node, name: str, kind: str, job: _Job | None) -> tuple[str, ...]:
    """What later steps need to know exactly: which bitmaps and marks there are, and which job stands."""
    words = []
    for word, node, bitmap in (("tracked", std, f"{TRACKING}{name}"), ("written", bcv, WRITTEN)):
        if bitmap in node.bitmaps:
            words.append(word + ("!" if bitmap in node.broken else ""))
    words += [f"mark:{mark}" for mark in bcv.bitmaps if mark == ESTABLISHED or mark.startswith((SPLIT, COPY))]
    return (*words, *((f"job:{kind}",) if job is not None and not job.going else ()))


def _action(verb: str, **data: Any) -> dict[str, Any]:
    return {"type": verb, "data": data}


def _add(node: str, name: str, *, disabled: bool = False) -> dict[str, Any]:
    data = {"node": node, "name": name, "granularity": TRACK}
    return {"type": "block-dirty-bitmap-add", "data": data | ({"disabled": True} if disabled else {})}


def _backup(kind: str, device: str, target: str, bcv: str, sync: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "blockdev-backup",
        "data": {"job-id": _job_id(kind, bcv), "device": device, "target": target, "auto-dismiss": False, **sync},
    }


_HIDE = Explain(
    "Takes the BCVs away from the target: the array answers no more for them.",
    "The array lets anybody write to a BCV while it is being copied; only hiding it makes the copy safe.",
    "Whatever still uses a BCV gets I/O errors; that nothing does was measured right before.",
    "query-block-exports must not list the BCVs.",
)
_BOOK = Explain(
    "Marks copies that ended well before this plan was made, and lets their jobs go.",
    "A console that died right after a copy left it unbooked; the next change needs the marks.",
    "Nothing is copied; it can be repeated.",
    "query-jobs lists no concluded job afterwards.",
)
_ESTABLISH = Explain(
    "Copies the tracks that differ (or everything, where that is not known) from the standards to the BCVs.",
    "Afterwards the pairs are established: the array tracks each change, and a split needs to copy only those.",
    "The point in time on the BCVs is gone as soon as this starts.",
    "query-jobs shows the copies; pair states go from copying to established.",
)
_SPLIT = Explain(
    "One transaction for all pairs: from this instant on the BCVs keep the standards' data, whatever is written afterwards.",
    "Pairs that are split one after the other hold different instants, which no volume group survives.",
    "If one pair cannot be split, none is: the transaction starts all or nothing. A copy that fails later leaves its pair invalid.",
    "query-jobs shows one copy a pair; when they have ended, all BCVs carry the same split id.",
)
_RESTORE = Explain(
    "Copies the tracks that differ from the BCVs back to the standards. This overwrites the standards.",
    "It brings the source back to the instant of the split; the BCVs are only read and keep it.",
    "Everything that was written to the standards since the split is lost.",
    "query-jobs shows one copy a pair.",
)
_READY = Explain(
    "Shows the BCVs to the target: the array answers for them again.",
    "The target can read them only then.",
    "A BCV that is being copied is never shown; the state was measured right before.",
    "query-block-exports lists the BCVs.",
)
