"""The product as the lab's tests use it: the real engine over real SSH, with an eye on what it sends."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from core.arrays.base import SplitMark
from core.config import load
from core.engine import Engine
from core.events import CommandEnded, CommandSent, Event, RunEnded, SetMeasured, StepEnded
from core.facade import PlanRequest
from core.handlers import new_split_id
from core.model import Estate, PairState
from core.operations import pairs_in_use
from core.plan import Plan
from core.settings import PostPolicy, PrePolicy, Settings
from core.ssh import SshTransport
from core.transport import ByteStream, Command, Effect, Result, Session, Transport
from tests.lab.estate import Lab, plain_yaml
from tui.wiring import build_engine

RUN_LIMIT = 600.0


class WatchedTransport:
    """The real transport; `after` is called when a command has come back, before the run goes on."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.after: Callable[[Command, Result], None] = lambda command, result: None
        self.changes: list[Command] = []

    @property
    def read_only(self) -> bool:
        return self._inner.read_only

    async def run(self, command: Command) -> Result:
        if command.effect is Effect.CHANGE:
            self.changes.append(command)
        result = await self._inner.run(command)
        await asyncio.to_thread(self.after, command, result)
        return result

    async def session(self, command: Command) -> Session:
        self.changes.append(command)
        return await self._inner.session(command)

    def stream(self, command: Command) -> AbstractAsyncContextManager[ByteStream]:
        return self._stream(command)

    @asynccontextmanager
    async def _stream(self, command: Command) -> AsyncIterator[ByteStream]:
        async with self._inner.stream(command) as stream:
            yield stream

    async def reconnect(self, host: str) -> None:
        await self._inner.reconnect(host)

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass(slots=True)
class Product:
    """An engine on the lab's configuration, and everything that it said."""

    engine: Engine
    transport: WatchedTransport
    events: list[Event]

    def plan(
        self,
        operation: str,
        set_name: str,
        pre: PrePolicy | None = None,
        post: PostPolicy | None = None,
        *,
        allow_mixed: bool = False,
    ) -> Plan:
        """Measure and plan."""
        return self.engine.plan(PlanRequest(operation, set_name, pre, post, allow_mixed)).result(RUN_LIMIT)

    def run(self, plan: Plan, confirmed: str = "") -> RunEnded:
        """Run a plan to its end; `confirmed` is the name that was typed for it."""
        number = self.engine.start(plan, confirmed=confirmed).result(RUN_LIMIT)
        return self.wait(number)

    def wait(self, number: int) -> RunEnded:
        """The end of a run; TimeoutError when it does not come."""
        limit = time.monotonic() + RUN_LIMIT
        while time.monotonic() < limit:
            self.listen()
            for event in self.events:
                if isinstance(event, RunEnded) and event.run == number:
                    return event
            time.sleep(0.02)
        raise TimeoutError(f"run {number} did not end; {self.story(number)}")

    def do(self, operation: str, set_name: str, pre: PrePolicy | None = None, post: PostPolicy | None = None) -> RunEnded:
        """Plan and run; the end must be good."""
        end = self.run(self.plan(operation, set_name, pre, post))
        assert end.exit_code == 0, f"{end.message}\n{self.story(end.run)}"
        return end

    def measure(self, set_name: str) -> SetMeasured:
        """Measure a set now."""
        self.listen()
        self.engine.measure_set(set_name).result(RUN_LIMIT)
        self.listen()
        return [e for e in self.events if isinstance(e, SetMeasured) and e.set_name == set_name][-1]

    def states(self, set_name: str) -> list[PairState]:
        """The states of the set's pairs now."""
        estate: Estate = self.measure(set_name).estate
        assert not estate.errors, estate.errors
        return [status.state for status in estate.pairs]

    def listen(self) -> None:
        """Take over what the engine has said."""
        self.events.extend(self.engine.drain())

    def story(self, run: int) -> str:
        """The steps of a run, for a failing test's message."""
        self.listen()
        return "\n".join(
            f"{e.step}: {e.outcome} {e.seconds:.2f} s {e.message}"
            for e in self.events
            if isinstance(e, StepEnded) and e.run == run
        )

    def log(self) -> str:
        """Every command and how it ended."""
        self.listen()
        ends = {e.number: e for e in self.events if isinstance(e, CommandEnded)}
        rows = [e for e in self.events if isinstance(e, CommandSent)]
        return "\n".join(
            f"{r.command.host} {r.command.title}: {ends[r.number].status if r.number in ends else 'no answer'}" for r in rows
        )


@contextmanager
def product(lab: Lab, *, read_only: bool = False, change: Callable[[dict[str, Any]], None] | None = None) -> Iterator[Product]:
    """The engine on the lab, with the configuration changed where a test wants it; closed afterwards."""
    settings = settings_of(lab, change)
    transport = WatchedTransport(SshTransport(settings.hosts, settings.known_hosts, read_only=read_only))
    engine = build_engine(settings, read_only, transport)
    try:
        yield Product(engine, transport, [])
    finally:
        engine.close()


def settings_of(lab: Lab, change: Callable[[dict[str, Any]], None] | None = None) -> Settings:
    """The lab's settings, with a state directory of the lab's own."""
    return replace(load(config_of(lab, change)), state_dir=lab.directory / "state")


def config_of(lab: Lab, change: Callable[[dict[str, Any]], None] | None = None) -> Path:
    """The path of the lab's configuration, or of a changed copy of it."""
    if change is None:
        return lab.config
    body = yaml.safe_load(lab.config.read_text())
    change(body)
    path = lab.directory / "changed.yaml"
    path.write_text(plain_yaml(body))
    return path


def splitmount(lab: Lab, *arguments: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line, as a user types it."""
    command = [sys.executable, "-m", "tui", "--config", str(config or lab.config), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT, check=False, stdin=subprocess.DEVNULL)


def traces(lab: Lab) -> dict[str, str]:
    """All that a run could leave on the target, by the command that shows it."""
    shows = {
        "pvs": "pvs -a --nohints --noheadings -o pv_name,pv_uuid,vg_name 2>/dev/null",
        "vgs": "vgs --nohints --noheadings -o vg_name,vg_uuid 2>/dev/null",
        "lvs": "lvs -a --nohints --noheadings -o lv_full_name,lv_uuid 2>/dev/null",
        "dmsetup": "dmsetup ls",
        "findmnt": "findmnt -rn -o TARGET,SOURCE,FSTYPE,OPTIONS",
        "devices file": "cat /etc/lvm/devices/system.devices 2>/dev/null || true",
        "mount points": "ls -a /mnt",
        "lvm backups of ours": "ls /etc/lvm/backup /etc/lvm/archive 2>/dev/null | grep _bcv || true",
        "fstab": "cat /etc/fstab",
    }
    return {name: lab.ssh("target", script).stdout for name, script in shows.items()}


def identity(lab: Lab) -> dict[str, str]:
    """What must be the same on the source afterwards."""
    shows = {
        "vgs": "vgs --noheadings -o vg_name,vg_uuid,vg_seqno,vg_attr",
        "lvs": "lvs -a --noheadings -o lv_full_name,lv_uuid,lv_attr",
        "pvs": "pvs --noheadings -o pv_name,pv_uuid,vg_name",
        "findmnt": "findmnt -rn -o TARGET,SOURCE,FSTYPE,OPTIONS",
    }
    return {name: lab.ssh("source", script).stdout for name, script in shows.items()}


def as_json(done: subprocess.CompletedProcess[str]) -> Any:
    """The machine-readable output of a command."""
    return json.loads(done.stdout)


def drive(made: Product, set_name: str, verb: str, *, only: int | None = None, speed: int | None = None) -> None:
    """Do one verb of the array driver by itself (split, establish), on all pairs of a set or on one; then wait and settle.

    With a `speed` in bytes a second the copy is left running, throttled.
    """
    engine = made.engine

    async def work() -> None:
        settings = engine.settings.sets[set_name]
        array = engine._array(settings.array)
        pairs = pairs_in_use(settings.pairs)
        statuses = await array.status(made.transport, pairs if only is None else pairs[only : only + 1])
        steps = (
            array.split(statuses, SplitMark(new_split_id(datetime.now(UTC)))) if verb == "split" else array.establish(statuses)
        )
        wanted = PairState.SPLIT if verb == "split" else PairState.ESTABLISHED
        for step in steps:
            assert step.command is not None
            command = step.command if speed is None else replace(step.command, text=_throttled(step.command.text, speed))
            result = await made.transport.run(command)
            assert result.exit_status == 0, result.stderr
        if speed is not None:
            return
        plain = tuple(s.pair for s in statuses)
        while any(s.state is not wanted for s in await array.status(made.transport, plain)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        settle = array.finish(plain, wanted)
        assert settle is not None
        assert (await made.transport.run(settle)).exit_status == 0

    engine._submit(work()).result(RUN_LIMIT)


def _throttled(text: str, speed: int) -> str:
    lines = []
    for line in text.splitlines():
        body = json.loads(line)
        for action in body.get("arguments", {}).get("actions", []):
            if action["type"] == "blockdev-backup":
                action["data"]["speed"] = speed
        lines.append(json.dumps(body))
    return "\n".join(lines)


def files_of(lab: Lab, machine: str, root: str, mounts: tuple[str, ...]) -> dict[str, str]:
    """SHA-256 of every regular file below `root` + each mount, by its path on the source; each filesystem by itself."""
    out = {}
    for mount in mounts:
        script = f"cd {shlex.quote(root + mount)}; find . -xdev -type f -print0 | sort -z | xargs -0 -r sha256sum -z"
        for row in lab.ssh(machine, script, timeout=600).stdout.split("\0"):
            if row:
                digest, name = row.split("  ", 1)
                out[f"{mount}/{name.removeprefix('./')}"] = digest
    return out


def restored_files(lab: Lab, machine: str, root: str) -> dict[str, str]:
    """The same of a directory into which a backup was restored, whatever it crosses."""
    script = f"cd {shlex.quote(root)}; find . -type f -print0 | sort -z | xargs -0 -r sha256sum -z"
    rows = [row.split("  ", 1) for row in lab.ssh(machine, script, timeout=600).stdout.split("\0") if row]
    return {name.removeprefix("."): digest for digest, name in rows}
