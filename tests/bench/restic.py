"""A backup by restic on a real OpenSSH host: the product's against restic by hand, each into a new repository, in turn.

The host is this machine, with its own processor: the lab's machines are emulated, and two equal backups differ by a tenth there.
What the product adds is more than a second whatever the size (a count, a start, its end seen, a list): a short backup shows that.
No byte is read twice, and a backup that is not measured comes first: whoever is first waits for memory that the machine never used.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from core.backups.base import BackupRequest
from core.backups.restic import ResticDriver
from core.config import load
from core.ssh import SshTransport
from tests.bench.fleet import MB, Fleet, fleet
from tests.bench.ratio import Ratio, in_turn, timed

FILES, EACH = 256, 48  # MB each, of four letters: no file is like another, and each becomes a third of it in the repository
ROUNDS = 4
MEMORY = Path("/dev/shm")  # for the repository: no disk decides


def _fill(directory: Path) -> int:
    """The files; the bytes in them."""
    letters = b"ACGT" * 64
    directory.mkdir()
    for number in range(FILES):
        (directory / f"f{number}").write_bytes(os.urandom(EACH * MB).translate(letters))
    return sum(file.stat().st_size for file in directory.iterdir())


def _ours(made: Fleet, driver: ResticDriver, source: Path, name: str) -> None:
    """One backup by the product's driver, over a connection of its own."""
    settings = load(made.directory / "splitmount.yaml")
    (host,) = settings.hosts

    async def run() -> None:
        transport = SshTransport(settings.hosts, made.known_hosts, read_only=False)
        trees, job = ((str(source), "/srv"),), str(made.directory / name)
        try:
            await driver.run(transport, BackupRequest("bench", name, host, trees, name, datetime.now(UTC), job), lambda _: None)
        finally:
            await transport.aclose()

    asyncio.run(run())


def restic() -> Iterator[Ratio]:
    """Throughput of both."""
    with tempfile.TemporaryDirectory() as base, tempfile.TemporaryDirectory(dir=MEMORY) as fast, fleet(Path(base), 1) as made:
        repository, source, password = Path(fast) / "repository", made.directory / "srv", made.directory / "password"
        password.write_text("only-for-this-run\n")
        size, names = _fill(source), iter(range(ROUNDS))
        values = {"RESTIC_PASSWORD_FILE": str(password), "RESTIC_REPOSITORY": str(repository)}
        driver = ResticDriver(str(repository), password_file=str(password))
        ssh = [
            "ssh",
            "-F",
            "none",
            "-p",
            str(made.ports[0]),
            "-i",
            str(made.key),
            "-o",
            f"UserKnownHostsFile={made.known_hosts}",
        ]
        by_hand = " ".join(f"{name}={value}" for name, value in values.items()) + f" restic backup --one-file-system {source}"

        def anew(act: Callable[[], object]) -> float:
            subprocess.run(["restic", "-q", "init"], env={**os.environ, **values}, check=True)
            took = timed(act)
            shutil.rmtree(repository)
            return took

        def theirs() -> float:
            return anew(lambda: subprocess.run([*ssh, "127.0.0.1", by_hand], check=True, capture_output=True))

        theirs()
        ours, other = in_turn(lambda: anew(lambda: _ours(made, driver, source, f"job{next(names)}")), theirs, ROUNDS)
        told = [f"{size / MB / took:,.1f} MiB/s" for took in (ours, other)]
        yield Ratio(
            f"restic backup of {size // MB:,} MiB",
            told[0],
            f"`ssh host restic backup`, {told[1]}",
            other / ours,
            least=0.95,
        )
