"""A real PostgreSQL on the source: data, log and a second tablespace on three volumes of two groups, and those who use it."""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.lab import walstore
from tests.lab.estate import Lab, replication_set
from tests.lab.layouts import FIND_DISK
from tests.lab.processes import wait_until

BIN, DATA, SOCKET = "/usr/lib/postgresql/15/bin", "/srv/pg/data/main", "/run/postgresql"
MOUNTS = ("/srv/pg/data", "/srv/pg/space", "/srv/pg/wal")
GROUPS = ("vgpg", "vgwal")
PREFIX = "/mnt/splitmount/database"
COPY_PORT = 54329
PGBENCH_LOG = "/var/tmp/pgbench"
ACCOUNTS = 100_000  # of pgbench's scale 1

VOLUMES = """
a=$(disk {std5}); b=$(disk {std6})
pvcreate -q -y "$a" "$b"
vgcreate -q vgpg "$a"; vgcreate -q vgwal "$b"
lvcreate -q -y -n lvpgdata -L 240m vgpg
lvcreate -q -y -n lvpgspace -L 128m vgpg
lvcreate -q -y -n lvpgwal -L 240m vgwal
for v in vgpg/lvpgdata vgpg/lvpgspace vgwal/lvpgwal; do mkfs.ext4 -q -m 0 /dev/$v; done
cat >>/etc/fstab <<'END'
/dev/vgpg/lvpgdata /srv/pg/data ext4 defaults 0 2
/dev/vgpg/lvpgspace /srv/pg/space ext4 noatime 0 2
/dev/vgwal/lvpgwal /srv/pg/wal ext4 noatime 0 2
END
for m in /srv/pg/data /srv/pg/space /srv/pg/wal; do
  mkdir -p $m; mount $m; mkdir -p $m/main; chown postgres:postgres $m/main; chmod 700 $m/main
done
"""

# On every machine at every boot: Debian's packages make this directory by systemd, which is not here.
FOR_BOTH = f"""
install -d -o postgres -g postgres {SOCKET}
cat >{walstore.CLIENT} <<'END'
{walstore.SCRIPT}END
chmod 755 {walstore.CLIENT}
"""

CLUSTER = f"""
cd /
runuser -u postgres -- {BIN}/initdb -D {DATA} -X /srv/pg/wal/main -k -A trust --wal-segsize=4 >/dev/null
cat >>{DATA}/postgresql.conf <<'END'
listen_addresses = ''
unix_socket_directories = '{SOCKET}'
archive_mode = on
archive_command = '{walstore.CLIENT} put %p %f'
max_wal_size = 64MB
min_wal_size = 16MB
shared_buffers = 32MB
jit = off
autovacuum_naptime = 15s
END
runuser -u postgres -- {BIN}/pg_ctl start -D {DATA} -w -t 120 -s -l {DATA}/server.log
"""

TABLES = f"""
cd /
runuser -u postgres -- {BIN}/psql -XAtqw -v ON_ERROR_STOP=1 -h {SOCKET} -d postgres <<'END'
create tablespace other location '/srv/pg/space/main';
create table ledger (n int primary key using index tablespace other, at timestamptz default clock_timestamp(), filler text) tablespace other;
END
runuser -u postgres -- {BIN}/pgbench -i -q -s 1 -h {SOCKET} postgres >/dev/null 2>&1
"""

# pgbench's own invariants: all four say the same sum, and nobody's account went away.
BALANCED = (
    "select (select count(*) from pgbench_accounts) = 100000 and (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from "
    "pgbench_branches) and (select sum(bbalance) from pgbench_branches) = (select sum(tbalance) from pgbench_tellers) and "
    "(select coalesce(sum(delta), 0) from pgbench_history) = (select sum(bbalance) from pgbench_branches)"
)


def make_database(lab: Lab) -> float:
    """Make the groups, the cluster, its tables and the tools on both machines; returns the seconds it took."""
    begin = time.monotonic()
    for machine in ("source", "target"):
        lab.ssh(machine, FOR_BOTH)
    lab.ssh("source", FIND_DISK + VOLUMES.format(**lab.serial_of), timeout=300)
    lab.ssh("source", CLUSTER, timeout=300)
    lab.ssh("source", TABLES, timeout=300)
    return round(time.monotonic() - begin, 2)


def with_database(*, backup_mode: bool = False, seconds: int = 60) -> Callable[[dict[str, Any]], None]:
    """The change of the lab's configuration that adds the set "database" with its application."""

    def change(body: dict[str, Any]) -> None:
        body["sets"]["database"] = database_set(backup_mode=backup_mode, seconds=seconds)

    return change


def database_set(groups: tuple[str, ...] = GROUPS, *, backup_mode: bool = False, seconds: int = 60) -> dict[str, Any]:
    """The set of these groups, with the cluster as its application."""
    database = {
        "data": DATA, "bin": BIN, "socket": SOCKET, "backup_mode": backup_mode, "query": BALANCED,
        "restore_command": f"{walstore.CLIENT} get %f %p",
    }  # fmt: skip
    app = {"name": "shop", "driver": "postgresql", "seconds": seconds, "database": database}
    archive: dict[str, object] = {"driver": "archive", "repository": "repo"}
    return replication_set("database", list(groups), archive) | {"application": app}


def sql(lab: Lab, text: str, machine: str = "source", socket: str = SOCKET, port: int = 5432) -> str:
    """Ask a server; one line for each row."""
    words = f"{BIN}/psql -XAtqw -v ON_ERROR_STOP=1 -h {socket} -p {port} -d postgres -c {shlex.quote(text)}"
    return lab.ssh(machine, f"cd /; runuser -u postgres -- {words}", timeout=300).stdout.strip()


def on_the_copy(lab: Lab, text: str) -> str:
    """Ask the server that a rehearsal runs on the copy."""
    return sql(lab, text, "target", PREFIX + DATA, COPY_PORT)


def is_up(lab: Lab, machine: str = "source") -> bool:
    """Whether a server answers at the ordinary place."""
    return lab.ssh(machine, f"{BIN}/pg_isready -q -h {SOCKET}", check=False).returncode == 0


def start_source(lab: Lab) -> None:
    """Start it again after a boot, or where a test has stopped it."""
    lab.ssh("source", FOR_BOTH)
    if not is_up(lab):
        lab.ssh(
            "source",
            f"cd /; runuser -u postgres -- {BIN}/pg_ctl start -D {DATA} -w -t 120 -s -l {DATA}/server.log",
            timeout=180,
        )


@dataclass(slots=True)
class Ledger:
    """A client that inserts numbered rows one by one, and knows outside both machines which were reported committed, and when."""

    lab: Lab
    first: int
    told: list[tuple[int, float, float]] = field(default_factory=list)  # number, when sent, when reported
    _over: threading.Event = field(default_factory=threading.Event)
    _client: subprocess.Popen[str] | None = field(default=None)
    _thread: threading.Thread | None = field(default=None)

    @property
    def last(self) -> int:
        """The newest number that was reported committed."""
        return self.told[-1][0] if self.told else self.first - 1

    def start(self) -> None:
        """Connect, and go on until it is stopped or the server is gone."""
        words = f"cd /; exec runuser -u postgres -- {BIN}/psql -XAtqw -h {SOCKET} -d postgres"
        command = [*self.lab.ssh_arguments("source", None), f"exec sh -c {shlex.quote(words)}"]
        self._client = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        wait_until(lambda: len(self.told) > 5, "the ledger's client", 60.0)

    def _work(self) -> None:
        assert self._client is not None
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        number = self.first
        while not self._over.is_set():
            sent = time.monotonic()
            try:
                self._client.stdin.write(
                    f"insert into ledger (n, filler) values ({number}, repeat('x', 200)) returning n;\n"  # noqa: S608  a number
                )
                self._client.stdin.flush()
                line = self._client.stdout.readline()
            except OSError:
                return
            if line.strip() != str(number):
                return  # the server is gone, and said so
            self.told.append((number, sent, time.monotonic()))
            number += 1

    def stop(self) -> None:
        """End the client."""
        self._over.set()
        assert self._client is not None
        assert self._thread is not None
        self._thread.join(30.0)
        if self._thread.is_alive():  # it waits for an answer of a machine that is gone
            self._client.kill()
            self._thread.join()
        for stream in (self._client.stdin, self._client.stdout):
            if stream is not None:
                with suppress(OSError):  # what was still to be sent has nobody to go to
                    stream.close()
        self._client.kill()
        self._client.wait()

    def worst(self, since: float, until: float) -> float:
        """The longest that a commit took of those under way between two moments."""
        return max((done - sent for _, sent, done in self.told if done >= since and sent <= until), default=0.0)

    def usual(self) -> float:
        """What a commit takes in the middle."""
        times = sorted(done - sent for _, sent, done in self.told)
        return times[len(times) // 2]


@contextmanager
def ledger(lab: Lab) -> Iterator[Ledger]:
    """The client at work, going on after the newest row that the source has."""
    made = Ledger(lab, int(sql(lab, "select coalesce(max(n), 0) + 1 from ledger")))
    made.start()
    try:
        yield made
    finally:
        made.stop()


@dataclass(frozen=True, slots=True)
class Pgbench:
    """pgbench on the source: two clients, twelve transactions a second, so that the guest can do something else too.

    Each transaction is in its own log with its latency, by the source's clock.
    """

    lab: Lab

    def start(self) -> None:
        """Begin, for as long as somebody wants."""
        words = f"{BIN}/pgbench -n -c 2 -j 1 --rate=12 -T 100000 -l --log-prefix={PGBENCH_LOG} -h {SOCKET} postgres"
        run = f"cd /; exec runuser -u postgres -- {words}"
        self.lab.ssh(
            "source",
            f"rm -f {PGBENCH_LOG}*; setsid sh -c {shlex.quote(run)} </dev/null >/run/pgbench.out 2>&1 & sleep 0.2",
        )

    def end(self) -> list[tuple[float, float]]:
        """End its connections, so that it writes its log out: (end by the source's clock, seconds), one for each transaction.

        What one waited for its turn by the rate is taken off.
        """
        sql(self.lab, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgbench'")
        self.lab.ssh("source", "n=0; while pgrep -x pgbench >/dev/null; do n=$((n+1)); [ $n -lt 100 ]; sleep 0.1; done")
        rows = [line.split() for line in self.lab.ssh("source", f"cat {PGBENCH_LOG}*").stdout.splitlines()]
        whole = [row for row in rows if len(row) == 7 and row[2].isdigit()]
        return [(int(row[4]) + int(row[5]) / 1e6, (int(row[2]) - int(row[6])) / 1e6) for row in whole]


def clock_of(lab: Lab, machine: str = "source") -> float:
    """How much its clock is ahead of this process's monotonic one, in seconds."""
    before = time.monotonic()
    there = float(lab.ssh(machine, "date +%s.%N").stdout)
    return there - (before + time.monotonic()) / 2


def worst_pgbench(rows: list[tuple[float, float]], since: float, until: float) -> float:
    """The longest transaction of those under way between two moments of the source's clock."""
    return max((took for end, took in rows if end >= since and end - took <= until), default=0.0)


def rows_of(lab: Lab, machine: str = "source") -> tuple[int, int]:
    """The ledger as the database has it: how many rows, and the newest number."""
    count, last = sql(lab, "select count(*), coalesce(max(n), 0) from ledger", machine).split("|")
    return int(count), int(last)


def amcheck(lab: Lab, machine: str = "source") -> str:
    """What pg_amcheck finds in every table and index; empty when nothing."""
    words = f"{BIN}/pg_amcheck -w -h {SOCKET} --all --install-missing"
    return lab.ssh(machine, f"cd /; runuser -u postgres -- {words} 2>&1 | grep -v ^NOTICE || true", timeout=300).stdout.strip()


def assembled(lab: Lab) -> None:
    """Import the BCVs of both groups on the target by the lab's own hand, and mount them below the prefix, whatever they hold."""
    lab.array.make_ready("bcv5", "bcv6")
    script = """
vgimportclone -q -n torn_pg $(disk {bcv5}); vgimportclone -q -n torn_wal $(disk {bcv6})
vgchange -q -ay torn_pg torn_wal; udevadm settle
for v in data space; do mkdir -p PREFIX/srv/pg/$v; mount /dev/torn_pg/lvpg$v PREFIX/srv/pg/$v; done
mkdir -p PREFIX/srv/pg/wal; mount /dev/torn_wal/lvpgwal PREFIX/srv/pg/wal
"""
    lab.ssh("target", FIND_DISK + script.replace("PREFIX", PREFIX).format(**lab.serial_of), timeout=120)
