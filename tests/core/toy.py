"""A toy estate that fits the Protocols: real shells and files below a directory, an array that is a dictionary.

It is strict: an array verb in the wrong state fails, a script whose precondition is not met refuses with 90.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from core.arrays.base import SplitMark, whether_split
from core.backups.base import BackupRecord, BackupRequest, Names, Progress, Report, RestoreRequest, TarStream
from core.errors import CommandFailed, ReadOnlyRefused, TransportError
from core.hosts import BLOCK, HostRef, ImportRequest, Mount, OwnGroup, Places
from core.model import (
    Device,
    Filesystem,
    HostFacts,
    LogicalVolume,
    Pair,
    PairState,
    PairStatus,
    PhysicalVolume,
    VolumeGroup,
)
from core.plan import Explain, Phase, Step, StepKind
from core.settings import BackupSettings, MountSettings, SetSettings, Settings
from core.transport import ByteStream, Channel, Command, Effect, Guard, Result, Session, Status, Transport, late_names

SIZE = 1 << 28
PAIRS = (Pair("7902C000", "790B4000"), Pair("7902D000", "790B5000"))
TOY_EXPLAIN = Explain("what", "why", "risk", "by hand")


@dataclass(slots=True)
class ToyWorld:
    """All state: pair states, split ids, what is ready; files below `root` are the hosts."""

    root: Path
    states: dict[Pair, PairState] = field(default_factory=lambda: dict.fromkeys(PAIRS, PairState.ESTABLISHED))
    splits: dict[Pair, str] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)
    sent: list[Command] = field(default_factory=list)
    seqno: int = 7
    refuse: set[str] = field(default_factory=set)  # titles of array changes that fail
    lose: set[str] = field(default_factory=set)  # titles of array changes that are done while the connection goes
    drop: set[str] = field(default_factory=set)  # titles of array changes that never arrive, the connection being lost
    blind: bool = False  # the array cannot be asked any more
    frozen: bool = False
    thawed: int = 0
    expire: bool = False
    before: Callable[[Command], None] = lambda command: None

    def target(self, name: str) -> Path:
        return self.root / "target" / name


class ToySession:
    """A held shell that freezes the toy world."""

    def __init__(self, world: ToyWorld) -> None:
        self._world = world
        self._lines = ["ready"]

    async def send(self, line: str) -> None:
        if line == "freeze":
            self._world.frozen = True
            self._lines.append("frozen 100.0")
        elif line == "thaw":
            self._world.frozen = False
            self._world.thawed += 1
            self._lines.append("expired 130.0" if self._world.expire else "thawed 100.0 100.05")

    async def expect(self, prefixes: tuple[str, ...], timeout: float) -> str:
        if not self._lines:
            raise TransportError("source: end of output")
        line = self._lines.pop(0)
        assert line.startswith(prefixes)
        return line

    async def close(self) -> None:
        self._world.frozen = False


class ToyTransport:
    """Runs scripts in real shells, and array verbs on the toy world."""

    def __init__(self, world: ToyWorld, *, read_only: bool = False) -> None:
        self.world = world
        self._read_only = read_only

    @property
    def read_only(self) -> bool:
        return self._read_only

    async def run(self, command: Command) -> Result:
        assert not late_names(command), command
        if self._read_only and command.effect is Effect.CHANGE:
            raise ReadOnlyRefused(command.title)
        self.world.before(command)
        self.world.sent.append(command)
        started, began = datetime.now(UTC), time.monotonic()
        if command.channel is Channel.QMP:
            status, text = self._array(command)
            code = {Status.OK: 0, Status.FAILED: 1, Status.UNKNOWN: None}[status]
            reason = "connection lost" if code is None else ""
            return Result(command, status, code, "", text, started, time.monotonic() - began, reason)
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-s", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate(command.script.encode())
        code = process.returncode
        status = Status.OK if code == 0 else Status.FAILED
        return Result(command, status, code, out.decode(), err.decode(), started, time.monotonic() - began)

    def _array(self, command: Command) -> tuple[Status, str]:
        if command.title in self.world.refuse:
            return Status.FAILED, "the toy array says no"
        if command.title in self.world.drop:
            return Status.UNKNOWN, ""
        verb, mark, bcvs = json.loads(command.text)
        for pair in PAIRS:
            if pair.bcv in bcvs:
                self._verb(verb, pair, mark)
        return (Status.UNKNOWN, "") if command.title in self.world.lose else (Status.OK, "")

    def _verb(self, verb: str, pair: Pair, mark: str) -> None:
        world = self.world
        if verb == "split":
            assert world.states[pair] is PairState.ESTABLISHED, "split of a pair that is not established"
            world.states[pair] = PairState.SPLIT
            world.splits[pair] = mark
        elif verb == "establish":
            assert pair.bcv not in world.ready, "establish of a BCV that a host can see"
            world.states[pair] = PairState.ESTABLISHED
            world.splits.pop(pair, None)
        elif verb == "ready":
            assert world.states[pair] is PairState.SPLIT
            world.ready.add(pair.bcv)
        elif verb == "hide":
            world.ready.discard(pair.bcv)

    async def session(self, command: Command) -> Session:
        self.world.sent.append(command)
        return ToySession(self.world)

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        return self._stream(command)

    @asynccontextmanager
    async def _stream(self, command: Command) -> AsyncIterator[ByteStream]:
        raise TransportError("the toy has no streams")
        yield

    async def reconnect(self, host: str) -> None:
        return None

    async def aclose(self) -> None:
        return None


def _array_step(title: str, verb: str, bcvs: list[str], mark: str = "", undo: Command | None = None) -> Step:
    command = Command("mgmt", title, json.dumps([verb, mark, bcvs]), Effect.CHANGE, Channel.QMP, guard=Guard.MARKS)
    return Step(
        title.replace(" ", "-"), Phase.MIRRORS, StepKind.COMMAND, title, "mgmt", TOY_EXPLAIN, command=command, undo=undo,
        fence=tuple(bcvs), array=True,
    )  # fmt: skip


class ToyArray:
    """The array driver of the toy world."""

    name = "toy"
    host = "mgmt"

    def __init__(self, world: ToyWorld) -> None:
        self.world = world

    async def status(self, transport: Transport, pairs: tuple[Pair, ...]) -> tuple[PairStatus, ...]:
        world, at = self.world, datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
        if world.blind:
            raise TransportError("mgmt: no route")
        return tuple(
            PairStatus(
                pair,
                world.states[pair],
                pair.bcv in world.ready,
                split_id=world.splits.get(pair, ""),
                split_at=at if pair in world.splits else None,
                std_size=SIZE,
                bcv_size=SIZE,
            )
            for pair in pairs
        )

    async def related(self, transport: Transport) -> tuple[Pair, ...]:
        return tuple(self.world.states)

    async def check(self, transport: Transport) -> tuple[str, ...]:
        return ()

    def establish(self, pairs: tuple[PairStatus, ...], *, full: bool = False) -> tuple[Step, ...]:
        bcvs = [s.pair.bcv for s in pairs]
        return (_array_step("hide the BCVs", "hide", bcvs), _array_step("establish", "establish", bcvs))

    def split(self, pairs: tuple[PairStatus, ...], mark: SplitMark) -> tuple[Step, ...]:
        return (_array_step("split", "split", [s.pair.bcv for s in pairs], mark.id),)

    def restore(self, pairs: tuple[PairStatus, ...], *, full: bool = False, protect: bool = True) -> tuple[Step, ...]:
        raise NotImplementedError

    def ready(self, pairs: tuple[PairStatus, ...]) -> tuple[Step, ...]:
        bcvs = [s.pair.bcv for s in pairs]
        undo = _array_step("hide", "hide", bcvs).command
        return (_array_step("ready", "ready", bcvs, undo=undo),)

    def not_ready(self, pairs: tuple[PairStatus, ...]) -> tuple[Step, ...]:
        return (_array_step("not ready", "hide", [s.pair.bcv for s in pairs]),)

    def finish(self, pairs: tuple[Pair, ...], state: PairState) -> Command | None:
        return None

    def rest(self, step: Step, pairs: tuple[PairStatus, ...], mark: SplitMark) -> tuple[Step, ...]:
        if step.id == "split":
            return () if whether_split(step, pairs, mark.id) else self.split(pairs, mark)
        if step.id == "establish":
            return () if all(s.state is PairState.ESTABLISHED for s in pairs) else self.establish(pairs)[1:]
        if step.id == "ready":
            return self.ready(hidden) if (hidden := tuple(s for s in pairs if not s.ready)) else ()
        return self.not_ready(shown) if (shown := tuple(s for s in pairs if s.ready)) else ()

    def predict(self, pair: PairStatus, state: PairState, *, split_id: str = "", ready: bool = False) -> PairStatus:
        return replace(pair, state=state, ready=ready, split_id=split_id)


class ToyReads:
    """Fits `core.hosts.Reads`: nobody works, devices and files are all alike."""

    def __init__(self, host: str) -> None:
        self._host = host

    def users(self, mount_points: tuple[str, ...]) -> Command:
        return Command(self._host, "users", "".join(f"echo users {n}\n" for n, _ in enumerate(mount_points)))

    def device(self, serial: str, path: str, places: Places) -> Command:
        return Command(self._host, "read", "\n".join(f"echo sum {serial} {at} 1 {n * BLOCK}" for at, n in places))

    def sample(self, mount_points: tuple[str, ...], count: int) -> Command:
        return Command(self._host, "sample", "".join(f"echo file 1 1 {point}/file\n" for point in mount_points))

    def files(self, paths: tuple[str, ...]) -> Command:
        return Command(self._host, "files", "".join(f"echo file 1 1 {path}\n" for path in paths))


class ToyHost:
    """A host driver whose steps make and remove files below the world's directory, by real shell jobs."""

    os = "linux"
    freezable = frozenset({"ext4", "xfs"})
    restores_lost = False

    def __init__(self, world: ToyWorld) -> None:
        self.world = world

    def check(self, host: HostRef) -> Command:
        return Command(host.name, f"check {host.name}", "true\n")

    def discovery(self, host: HostRef) -> Command:
        return Command(host.name, f"discover {host.name}", f"ls {self.world.root}/target 2>/dev/null; true\n")

    def parse_discovery(self, host: HostRef, result: Result) -> HostFacts:
        files = result.stdout.split()
        if host.name == "source":
            return source_facts(self.world.seqno)
        mounts = tuple("/mnt/toy/" + name.removeprefix("mounted-") for name in files if name.startswith("mounted-"))
        groups = tuple(replace(_group(1), name="vgdata_bcv", uuid="NEW") for name in files if name == "imported-vgdata")
        return HostFacts(host.name, "linux", result.started, groups=groups, mount_points=mounts)

    def freeze(self, host: HostRef, mount_points: tuple[str, ...], seconds: int) -> Command:
        return Command(host.name, "freeze", " ".join(mount_points), Effect.CHANGE, guard=Guard.TIMER)

    def _step(self, host: HostRef, phase: Phase, name: str, needs: str, extra: str = "", step: str = "") -> Step:
        here = self.world.root / "target"
        do = f"test -e {here}/{needs} || {{ echo 'refused: no {needs}' >&2; exit 90; }}\ntouch {here}/{name}\n{extra}"
        undo = f"rm -f {here}/{name}\n"
        title = name.replace("-", " ")
        return Step(
            step or name,
            phase,
            StepKind.COMMAND,
            title,
            host.name,
            TOY_EXPLAIN,
            command=Command(host.name, title, do, Effect.CHANGE, guard=Guard.DEVICES),
            undo=Command(host.name, f"undo {title}", undo, Effect.CHANGE, guard=Guard.DEVICES),
        )

    def attach(self, host: HostRef, bcvs: tuple[str, ...]) -> Step:
        return self._step(host, Phase.IMPORT, "attached", ".", step="attach")

    def import_group(self, host: HostRef, request: ImportRequest) -> Step:
        extra = f"echo '@bind vg_uuid.{request.group.name} NEW'\necho '@bind vg_name.{request.group.name} {request.new_name}'\n"
        name = request.group.name
        return self._step(host, Phase.IMPORT, f"imported-{name}", "attached", extra, f"import-{name}")

    def activate(self, host: HostRef, request: ImportRequest) -> Step:
        return self._step(host, Phase.IMPORT, f"active-{request.group.name}", f"imported-{request.group.name}")

    def mount(self, host: HostRef, request: ImportRequest, mount: Mount) -> Step:
        name = "mounted-" + mount.source_mount_point.strip("/").replace("/", "_")
        step = f"mount-{request.group.name}-{mount.volume}"
        return self._step(host, Phase.MOUNT, name, f"active-{request.group.name}", step=step)

    def check_unmounted(self, host: HostRef, request: ImportRequest, mount: Mount) -> Step | None:
        return None

    def stop_group(self, host: HostRef, own: OwnGroup) -> Step:
        return self._step(host, Phase.STOP, f"stopped-{own.group.name}", ".")

    def start_group(self, host: HostRef, own: OwnGroup) -> Step:
        return self._step(host, Phase.START, f"started-{own.group.name}", f"stopped-{own.group.name}")

    def reads(self, host: HostRef) -> ToyReads:
        return ToyReads(host.name)

    def table_entries(self, host: HostRef, request: ImportRequest) -> Step:
        return self._step(host, Phase.MOUNT, f"table-{request.group.name}", f"active-{request.group.name}")


class ToyBackup:
    """A backup driver that counts, and fails when told to."""

    name = "toy"
    reaches_everywhere = True

    def __init__(self, *, fail: bool = False) -> None:
        self.fail = fail
        self.requests: list[BackupRequest] = []
        self.forgotten: list[str] = []

    async def check(self, transport: Transport, host: str, become: str) -> tuple[str, ...]:
        return ()

    def commands(self, request: BackupRequest) -> tuple[Command, ...]:
        return (Command(request.host, "copy", "toy copy\n", Effect.CHANGE, guard=Guard.REPOSITORY),)

    async def run(self, transport: Transport, request: BackupRequest, report: Report) -> BackupRecord:
        self.requests.append(request)
        if self.fail:
            raise CommandFailed("target: toy copy: disk full")
        report(Progress(50, 100))
        report(Progress(100, 100))
        return BackupRecord(
            "toy-1", request.set_name, request.run, request.split_id, request.split_at, request.split_at, 1, 100
        )

    async def verify(self, transport: Transport, request: BackupRequest, record: BackupRecord, report: Report) -> BackupRecord:
        return replace(record, verified_at=datetime.now(UTC))

    async def forget_unfinished(self, transport: Transport, set_name: str, split_id: str) -> int:
        self.forgotten.append(split_id)
        return 0

    async def list(self, transport: Transport, host: str, become: str, set_name: str) -> tuple[BackupRecord, ...]:
        return ()

    async def restore(self, transport: Transport, request: RestoreRequest, report: Report) -> int:
        return 0

    async def names(self, transport: Transport, host: str, become: str, record: BackupRecord) -> Names:
        return Names(frozenset(), frozenset())

    def tars(self, host: str, become: str, record: BackupRecord) -> tuple[TarStream, ...]:
        return ()


def _group(seqno: int) -> VolumeGroup:
    physical = tuple(PhysicalVolume(f"/dev/sd{'ab'[n]}", f"PV{n}", p.std, "vgdata", SIZE) for n, p in enumerate(PAIRS))
    volume = LogicalVolume("data", "LV", "vgdata", 1 << 27, "linear", active=True, devices=("/dev/sda", "/dev/sdb"))
    return VolumeGroup("vgdata", "VG", seqno, 4194304, SIZE * 2, pv_count=2, volumes=(volume,), physical=physical)


def source_facts(seqno: int = 7) -> HostFacts:
    """What the toy source looks like: one group on two standards, one filesystem."""
    filesystem = Filesystem(
        "/dev/vgdata/data", "ext4", mount_point="/srv/data", mounted=True, in_table=True, group="vgdata", volume="data"
    )
    devices = tuple(Device(f"/dev/sd{'ab'[n]}", p.std, SIZE) for n, p in enumerate(PAIRS))
    return HostFacts(
        "source",
        "linux",
        datetime.now(UTC),
        devices=devices,
        groups=(_group(seqno),),
        filesystems=(filesystem,),
        mount_points=("/", "/srv/data"),
    )


def toy_set(root: Path) -> SetSettings:
    """The one set of the toy estate."""
    return SetSettings(
        "toy",
        "source",
        "target",
        "toy",
        root / "pairs.txt",
        PAIRS,
        ("vgdata",),
        MountSettings("/mnt/toy"),
        backup=BackupSettings("toy", "repo"),
        wait_limit=5,
    )


def toy_settings(root: Path) -> Settings:
    """The configuration that names only the toy set."""
    return Settings(None, {}, {}, {"toy": toy_set(root)}, root / "known_hosts", root / "state")
