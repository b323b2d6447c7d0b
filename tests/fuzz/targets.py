"""Every parser of what comes from outside, with the errors that it documents: anything else is a finding.

Input is bytes, made into text as the transport does it. Where a parser takes the errors of a command too, they stand behind a NUL.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.applications.oracle import OracleDriver
from core.arrays.qemu import QemuArray
from core.arrays.symmetrix import SymmetrixArray
from core.backups.archive import ArchiveDriver
from core.backups.manifest import count_trees, from_lines, parse_tree_digest
from core.backups.restic import ResticDriver, _hear, _Held, _listed, _name
from core.config import parse
from core.errors import CommandFailed, ConfigError, ParseError, Refused, TransportError
from core.hosts import HostRef
from core.jobs import parse_look
from core.journal import Record
from core.mapfile import DIALECTS, SeedRow, read, read_seed_rows, write
from core.model import Pair
from core.offline import parse as parse_saved
from core.pairs import parse_pairs
from core.played import scenes
from core.qmp import QmpClient
from core.rehearse import _sums
from core.replay import parse_records
from core.serial import canonical
from core.settings import ApplicationSettings, OracleSettings
from core.sshio import text_of
from core.transport import ByteStream, Command, Result, Session, Status
from core.trust import parse_known
from core.untrusted import json_of
from hostdrivers import DRIVERS
from hostdrivers.solaris_vxprint import records_of, volumes_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SEEDS = Path(__file__).parent / "seeds"


@dataclass(frozen=True, slots=True)
class Target:
    """One parser: what is called with the bytes, the errors it may raise, and where its real inputs lie."""

    name: str
    call: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: str = ""
    share: float = 1.6  # of the inputs, in comparison with the others: long reports take longer

    def real(self) -> list[bytes]:
        """Real inputs: recorded reports, files that the product wrote."""
        return [path.read_bytes() for path in sorted((SEEDS / (self.seeds or self.name)).glob("*"))]

    def run(self, data: bytes) -> bool:
        """Whether it was understood; a documented error is none. Anything else comes out."""
        try:
            self.call(data)
        except self.errors:
            return False
        return True


class Answers:
    """A transport that has one answer to everything; it never waits, so that no loop is needed."""

    read_only = True

    def __init__(self, data: bytes) -> None:
        """What every command prints."""
        out, _, err = data.partition(b"\0")
        self._data, self._out, self._err = data, text_of(out), text_of(err)

    async def run(self, command: Command) -> Result:
        """The answer."""
        return Result(command, Status.OK, 0, self._out, self._err, NOW, 0.1)

    async def session(self, command: Command) -> Session:
        """None is asked for."""
        raise TransportError("no session")

    @asynccontextmanager
    async def stream(self, command: Command) -> AsyncIterator[ByteStream]:
        """None is asked for."""
        raise TransportError("no stream")
        yield

    async def reconnect(self, host: str) -> None:
        """Nothing to do."""

    async def aclose(self) -> None:
        """Nothing to do."""


class Monitor:
    """The lines of a QMP monitor."""

    ended = False

    def __init__(self, data: bytes) -> None:
        """What it says, whatever it is asked."""
        self._lines = data.splitlines(keepends=True)

    async def line(self) -> bytes:
        """The next."""
        return self._lines.pop(0) if self._lines else b""

    def send(self, data: bytes) -> None:
        """Its number is taken over, so that an answer can be one."""
        number = json.loads(data)["id"].encode()
        self._lines = [line.replace(b"x-1", number) for line in self._lines]

    def close(self) -> None:
        """Nothing to do."""


def at_once(work: Coroutine[Any, Any, object]) -> object:
    """The value of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    finally:
        work.close()
    raise AssertionError("it waited")


def _discovery(system: str) -> Callable[[bytes], object]:
    host = HostRef("fuzz", system, "sudo")
    driver = DRIVERS[system]

    def call(data: bytes) -> object:
        return driver.parse_discovery(host, at_once(Answers(data).run(Command("fuzz", "discover", ""))))  # type: ignore[arg-type]

    return call


SYMMETRIX_PAIRS = tuple(Pair(f"79{n:03X}000", f"79{n + 0x100:03X}000") for n in (0x02C, 0x02D))
QEMU = QemuArray("lab", "fuzz", "/run/qmp", {"STD1": "stdx1", "BCV1": "bcvx1"})
ORACLE = OracleDriver(ApplicationSettings("shop", driver="oracle", oracle=OracleSettings("SHOP", "/opt/oracle")))
SYMMETRIX = SymmetrixArray("sym", "fuzz", "000184600079")


def _map_again(data: bytes) -> object:
    """What was read and is written is read again as the same."""
    mapped = read(text_of(data), "fuzz.std")
    assert read(write(mapped), "again.std") == mapped
    return mapped


def _rows(data: bytes) -> tuple[SeedRow, ...]:
    first, _, rest = text_of(data).partition("\n")
    return read_seed_rows(rest, first if first in DIALECTS else "aix", "fuzz")


def _restic(data: bytes) -> object:
    lines = data.split(b"\n")
    _listed("fuzz", lines, ("/srv/web",), _Held())
    found: dict[str, set[str]] = {"file": set(), "dir": set()}
    _name("fuzz", lines, {"/srv/web": "/srv/web"}, found)
    return found


def _recover(data: bytes) -> object:
    """Records of a journal, one JSON object a line, as `history` exports them."""
    rows = []
    for line in text_of(data).splitlines():
        try:
            row = json_of(line)
        except ValueError:  # SQLite gives back what was written; what is judged here is its meaning
            continue
        if isinstance(row, dict) and isinstance(row.get("body"), dict):
            rows.append(Record(0, 1, NOW, str(row.get("kind")), str(row.get("step")), row["body"], ""))
    return scenes(1, rows) if rows else None  # goes by `past_of` first


def _record(data: bytes) -> object:
    """The record of an archive, as its repository has it."""
    return ArchiveDriver.record_of("linux-web", "20261125T221819Z-000184600079-20261125T221818", data)


def _oracle(data: bytes) -> object:
    host = HostRef("fuzz", "solaris")
    return ORACLE.parse_look(host, at_once(Answers(data).run(ORACLE.look(host))))  # type: ignore[arg-type]


LONG = 0.35
BAD_JSON = (ValueError, TypeError)
TARGETS: Mapping[str, Target] = {
    t.name: t
    for t in (
        *(Target(f"discovery-{system}", _discovery(system), (ParseError,), share=LONG) for system in DRIVERS),
        Target("vxprint", lambda d: volumes_of(records_of("fuzz", "vxprint", text_of(d)), "mirdg", "1.2.h", {}), (ParseError,)),
        Target("symmetrix", lambda d: at_once(SYMMETRIX.status(Answers(d), SYMMETRIX_PAIRS)), (ParseError,), share=LONG),
        Target("symmetrix-pairs", lambda d: at_once(SYMMETRIX.related(Answers(d))), (ParseError,), share=LONG),
        Target("symmetrix-check", lambda d: at_once(SYMMETRIX.check(Answers(d))), (ParseError,)),
        Target("qemu", lambda d: at_once(QEMU.status(Answers(d), (Pair("STD1", "BCV1"),))), (ParseError,), share=LONG),
        Target("qemu-pairs", lambda d: at_once(QEMU.related(Answers(d))), (ParseError,), "qemu", LONG),
        Target("qemu-check", lambda d: at_once(QEMU.check(Answers(d))), (ParseError,)),
        Target("qmp", lambda d: at_once(QmpClient.greet(Monitor(d))), (TransportError,)),
        *(Target(f"map-{system}", _map_again, (ConfigError,), share=LONG) for system in DIALECTS),
        Target("map-rows", _rows, (ConfigError,)),
        Target("pairs", lambda d: parse_pairs(text_of(d), "fuzz"), (ConfigError,)),
        Target("config", lambda d: parse(text_of(d), Path("/nowhere/splitmount.yaml")), (ConfigError,), share=0.08),
        Target("known-hosts", lambda d: parse_known(text_of(d), "fuzz"), (TransportError,)),
        Target("serial", lambda d: canonical(text_of(d)), (ValueError,)),
        Target("manifest", lambda d: list(from_lines(text_of(d))), BAD_JSON),
        Target("archive-record", _record, (CommandFailed,)),
        Target("restic-listing", _restic, (ParseError,)),
        Target("restic-progress", lambda d: _hear(text_of(d), lambda progress: None, {}), ()),
        Target("restic-snapshots", lambda d: ResticDriver.snapshots_of("fuzz", "web", text_of(d)), (ParseError,)),
        Target("tree-digest", lambda d: parse_tree_digest("fuzz", text_of(d), ("/srv/web", "/srv/web/logs")), (ParseError,)),
        Target("counts", lambda d: at_once(count_trees(Answers(d), "fuzz", "", ("/srv/web",))), (CommandFailed,)),
        Target("job-look", lambda d: parse_look(text_of(d), "@@0123456789abcdef"), (ValueError, KeyError, IndexError)),
        Target("recover", _recover, (Refused,), share=LONG),
        Target("oracle-look", _oracle, (ParseError, CommandFailed)),
        Target("samples", lambda d: _sums(text_of(d)), ()),
        Target("facts", lambda d: parse_saved(text_of(d), "fuzz"), (ConfigError,)),
        Target("transcript", lambda d: list(parse_records(text_of(d), "fuzz")), (ConfigError,), share=LONG),
    )
}
