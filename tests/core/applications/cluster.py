"""A real PostgreSQL of the test's own: as an ordinary user, on a unix socket only, with its log and a tablespace elsewhere."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.applications.base import LABEL, TABLESPACES, CopyPlace
from core.applications.postgresql import PostgresDriver
from core.hosts import HostRef
from core.model import ApplicationFacts
from core.plan import Step
from core.settings import ApplicationSettings, DatabaseSettings
from core.transport import Command, Result, bind
from tests.core.backups.localtransport import LocalTransport

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
USER = "postgres" if os.geteuid() == 0 else os.environ.get("USER", "")
PORT = 54321
HERE = HostRef("here", "linux")
needs_postgresql = pytest.mark.skipif(not PROGRAMS, reason="PostgreSQL is not installed here (Debian: postgresql)")
# The copy is directories here, in place of mounted filesystems; the lab has real ones.
NO_MOUNTS = 'mountpoint() { [ -d "$2" ]; }\n'


@dataclass(slots=True)
class Cluster:
    """Where it is: `top` holds data, wal, space and archive; `copy` is the prefix of the copies."""

    top: Path

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.top / "data" / "pg"

    @property
    def copy(self) -> Path:
        """The prefix."""
        return self.top / "c"

    def run(self, *words: str, check: bool = True) -> str:
        """A command as the user of the database."""
        become = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        done = subprocess.run([*become, *words], capture_output=True, text=True, check=False, cwd="/", timeout=120)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout.strip()

    def program(self, name: str) -> str:
        """A program of PostgreSQL."""
        return str(PROGRAMS[-1].with_name(name))

    def sql(self, text: str) -> str:
        """Ask the source."""
        return self.run(self.program("psql"), "-XAtqw", "-h", str(self.top), "-p", str(PORT), "-d", "postgres", "-c", text)

    def start(self) -> None:
        """Start the source."""
        options = f"-c listen_addresses='' -c unix_socket_directories={self.top} -c port={PORT} -c fsync=off"
        self.run(self.program("pg_ctl"), "start", "-D", str(self.data), "-w", "-s", "-l", str(self.top / "log"), "-o", options)

    def stop(self) -> None:
        """Stop the source, if it runs."""
        self.run(self.program("pg_ctl"), "stop", "-D", str(self.data), "-m", "immediate", "-w", "-s", check=False)

    def log(self) -> str:
        """What the source's server said."""
        return (self.top / "log").read_text()

    def space(self, name: str) -> None:
        """A directory for one more tablespace."""
        (self.top / name).mkdir()
        shutil.chown(self.top / name, USER)

    def driver(self, *, backup_mode: bool = False, seconds: int = 30, query: str = "") -> PostgresDriver:
        """The driver for it."""
        restore = f"cp {self.top}/archive/%f %p"
        database = DatabaseSettings(
            str(self.data), str(PROGRAMS[-1].parent), USER, str(self.top), PORT, "postgres", backup_mode, restore, query
        )
        return PostgresDriver(ApplicationSettings("shop", driver="postgresql", database=database, seconds=seconds, timeout=60))

    def take(self, *parts: str) -> None:
        """Copy these parts below the prefix, at their own paths."""
        for part in parts or ("data", "wal", "space"):
            place = self.copy / str(self.top / part).lstrip("/")
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", str(self.top / part), str(place)], check=True)
        for directory in (self.copy, *self.copy.rglob("*")):
            if directory.is_dir() and directory.stat().st_uid == 0:
                directory.chmod(0o755)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nobody of the server moves: what is copied meanwhile is of one instant, as a consistent split is."""
        first = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(first, signal.SIGSTOP)
        others = [
            int(p)
            for p in subprocess.run(["pgrep", "-P", str(first)], capture_output=True, text=True, check=False).stdout.split()
        ]
        for one in others:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in (*others, first):
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGCONT)

    def place(self, facts: ApplicationFacts, *, held: bool) -> CopyPlace:
        """The copy, as a rehearsal has it mounted."""
        points = tuple(f"{self.copy}{self.top}/{part}" for part in ("data", "wal", "space"))
        return CopyPlace(str(self.copy), points, facts, held)

    def on_the_copy(self, text: str) -> str:
        """Ask the copy."""
        where = f"{self.copy}{self.data}"
        return self.run(self.program("psql"), "-XAtqw", "-h", where, "-p", "54329", "-d", "postgres", "-c", text)


async def looked(cluster: Cluster) -> ApplicationFacts:
    """What the driver finds."""
    driver = cluster.driver()
    return driver.parse_look(HERE, await LocalTransport().run(driver.look(HERE)))


async def do(step: Step, released: str = "", *, undo: bool = False) -> Result:
    """Send a step of the copy as a run does, with what the release said."""
    command = step.undo if undo else step.command
    assert command is not None
    label, tablespaces = (released.split()[3:5]) if released else ("-", "-")
    return await LocalTransport().run(sent(bind(command, {LABEL: label, TABLESPACES: tablespaces})))


def sent(command: Command) -> Command:
    """The command, where the copy is no mount."""
    return replace(command, prelude=command.prelude + NO_MOUNTS)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Made, started, stopped and removed."""
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as name:
        made = Cluster(Path(name))
        made.top.chmod(0o755)
        for part in ("data", "wal", "space", "archive", "c"):
            (made.top / part).mkdir()
        for place in (made.top, *(made.top / part for part in ("data", "wal", "space", "archive"))):
            shutil.chown(place, USER)
        made.run(made.program("initdb"), "-D", str(made.data), "-X", str(made.top / "wal" / "pg"), "-k", "-N", "-A", "trust")
        made.run(made.program("postgres"), "-D", str(made.data), "-C", "data_directory")
        with (made.data / "postgresql.conf").open("a") as file:
            file.write(
                f"archive_mode = on\narchive_command = 'test ! -e {made.top}/archive/%f && cp %p {made.top}/archive/%f'\n"
            )
        try:
            made.start()
            made.sql(f"create tablespace other location '{made.top}/space'")
            made.sql("create table ledger (n int primary key, filler text) tablespace other")
            yield made
        finally:
            made.stop()
