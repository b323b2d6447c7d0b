"""Collects real inputs for every parser: what the emulated estate answers, what the product writes. `python -m tests.fuzz.collect`."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from core.backups.base import BackupRecord
from core.backups.manifest import Entry, to_lines
from core.config import load
from core.facade import PlanRequest
from core.hosts import HostRef
from core.journal import Journal
from core.jsonable import to_json
from core.mapfile import DIALECTS
from core.offline import collector
from core.replay import Recorder
from core.ssh import SshTransport
from hostdrivers import DRIVERS
from hostdrivers.emulated.estate import RunningEstate
from hostdrivers.emulated.families import FAMILIES
from hostdrivers.report import MARK
from tests.fuzz.targets import NOW, SEEDS
from tests.hostdrivers import machines
from tui.wiring import build_engine

_TITLES = {"read pair states": "symmetrix", "read SYMCLI's version": "symmetrix-check"}
_QEMU = {"read pair states": "qemu", "read the daemon's version": "qemu-check"}
_LAB = Path(__file__).parents[1] / "fixtures" / "linux" / "lab.jsonl"

ORACLE_REPORT = """version 11.2.0.4.0
identity 2200000320
position 1004
parameter log_mode ARCHIVELOG
parameter cluster_database FALSE
parameter db_name SHOP
parameter compatible 11.2.0.4.0
parameter db_block_size 8192
tablespace 0 SYSTEM
tablespace 1 USERS
file data 0 /mir1/oradata/system01.dbf|/mir1/oradata/system01.dbf
file data 1 /u02/users01.dbf|/mir2/oradata/users01.dbf
file control - /mir1/oradata/control01.ctl|/mir1/oradata/control01.ctl
file redo - /mir2/redo/redo01.log|/mir2/redo/redo01.log
file redo - +DATA/shop/redo02.log|+DATA/shop/redo02.log
file archive - /mir1/arch|/mir1/arch
state running
end
"""


def keep(target: str, number: int, data: bytes) -> None:
    """One input of a target."""
    place = SEEDS / target
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{number:02d}").write_bytes(data)


def answers(path: Path, words: dict[str, str], systems: dict[str, str]) -> None:
    """Every answer of a transcript that differs from those before it, up to four for each parser."""
    seen: dict[str, list[bytes]] = {}
    for line in path.read_text().splitlines():
        body = json.loads(line)
        title, host = str(body["title"]), str(body["host"])
        name = f"discovery-{systems[host]}" if title.startswith("discover ") and host in systems else words.get(title, "")
        data = body["stdout"].encode() + b"\0" + body["stderr"].encode()
        if name and data not in seen.setdefault(name, []) and len(seen[name]) < 4:
            seen[name].append(data)
    for name, many in seen.items():
        for number, data in enumerate(many):
            keep(name, number, data)


def vxprint() -> None:
    """The records of one group, cut out of the discovery of Solaris."""
    for number, path in enumerate(sorted((SEEDS / "discovery-solaris").glob("*"))):
        text = path.read_text()
        for part in text.split(f"{MARK}-")[1:]:
            head, _, body = part.partition("\n")
            if " vxprint." in head and ".end" not in head and body.strip():
                keep("vxprint", number, body.encode())


def written(directory: Path, config: Path) -> None:
    """What the product wrote: maps, records, manifests, and the journal."""
    for system in DIALECTS:
        found = sorted(
            path for side in ("std", "bcv") for path in directory.rglob(f"*.{side}") if f"# os: {system}" in path.read_text()
        )
        for number, path in enumerate(found[:4]):
            keep(f"map-{system}", number, path.read_bytes())
            rows = [line for line in path.read_text().splitlines() if not line.startswith("# ")]
            keep("map-rows", 10 * list(DIALECTS).index(system) + number, "\n".join([system, *rows, ""]).encode())
    for number, path in enumerate(sorted(directory.rglob("*pairs*"))):
        if path.is_file():
            keep("pairs", number, path.read_bytes())
    keep("config", 0, config.read_text().replace(str(directory), "/estate").encode())
    keep("known-hosts", 0, (directory / "known_hosts").read_bytes())


def saved(running: RunningEstate) -> None:
    """What the collectors of each system write on their hosts."""
    for number, machine in enumerate(family.source for family in running.estate.families):
        script = collector(DRIVERS[machine.os].discovery(HostRef(machine.name, machine.os)), machine.os, machine.os)
        running.call(machines.run(machine, script))
        keep("facts", number, machine.read_file(f"/{machine.name}.facts"))


def by_hand() -> None:
    """Formats whose real producer is not here, as its documentation has them."""
    keep("qemu-check", 0, b'{"qemu": {"micro": 2, "minor": 2, "major": 7}, "package": "Debian"}\n')
    entries = [
        Entry("./f", "file", 12, 0o644, 0, 0, "root", "root", 1.5, "a" * 64),
        Entry("./l", "symlink", 0, 0o777, 0, 0, "", "", 1.0, "", "f"),
    ]
    keep("manifest", 0, to_lines(entries).encode())
    name = "20261125T221819Z-000184600079-20261125T221818"
    record = BackupRecord(
        name, "linux-web", "r-1", "s-1", NOW, NOW, 3, 12, 10, NOW, ("/srv/web",), {"data-0.tar.zst": "a" * 64}
    )
    keep("archive-record", 0, json.dumps(to_json(record), indent=1).encode())
    keep("restic-progress", 0, b'{"message_type":"status","percent_done":0.5,"total_files":9,"files_done":3,"total_bytes":100,"bytes_done":50}\n'
         b'{"message_type":"summary","snapshot_id":"4cb0ff1e","data_added":12}\n')  # fmt: skip
    keep(
        "restic-listing",
        0,
        b'{"struct_type":"snapshot","id":"4cb0ff1e"}\n{"struct_type":"node","name":"f","type":"file","path":"/srv/web/f","size":12}\n',
    )
    tags = ["splitmount", "set=web", "run=r-1", "split=s-1", "at=20261123T080000.000000Z", "taken=20261123T080000.000000Z", "files=3",
            "bytes=12", "tree=/mnt/web/srv=/srv"]  # fmt: skip
    keep("restic-snapshots", 0, json.dumps([{"id": "4cb0ff1e", "tags": tags}]).encode())
    keep(
        "tree-digest",
        0,
        b"@@ 0\n"
        + b"a" * 64
        + b"  /srv/web/f\n\\"
        + b"b" * 64
        + b"  /srv/web/a\\nb\n@@ 1\n"
        + b"c" * 64
        + b"  /srv/web/logs/l\n",
    )
    keep("counts", 0, b"4 3 1234 1234 0\n")
    keep(
        "job-look",
        0,
        b"@@0123456789abcdef phase ended 0\n@@0123456789abcdef out 5\n68656c6c6f\n@@0123456789abcdef err\n6f6f\n@@0123456789abcdef end\n",
    )
    keep("oracle-look", 0, ORACLE_REPORT.encode())
    keep("oracle-look", 1, b"state stopped\nend\n")
    keep("samples", 0, b"file 123 456 /srv/web/a b\nfile 1 2 /srv/web/c\n")
    keep(
        "qmp",
        0,
        b'{"QMP": {"version": {}, "capabilities": []}}\r\n{"return": {}, "id": "x-1"}\r\n{"error": {"class": "GenericError", "desc": "no"}}\r\n',
    )
    for number, serial in enumerate(("7902C000", "naa.6000097000018460007953303030324B", "000184600079:002C")):
        keep("serial", number, serial.encode())


def journal_of(state: Path) -> Journal:
    """The journal that an engine left."""
    return Journal(state / "journal.db")


def main() -> None:
    """Run the estate, keep what it says, and what is written."""
    scratch = Path(tempfile.mkdtemp(prefix="splitmount-fuzz-"))
    shutil.rmtree(SEEDS, ignore_errors=True)
    running = RunningEstate(scratch / "estate", FAMILIES)
    try:
        settings = load(running.estate.config)
        carrier = Recorder(SshTransport(settings.hosts, settings.known_hosts, read_only=False), scratch / "answers")
        engine = build_engine(settings, False, carrier)
        for name in settings.sets:
            engine.check().result()
            run = engine.start(engine.plan(PlanRequest("backup", name)).result()).result()
            while run in engine.running():
                time.sleep(0.05)
        engine.close()
        rows = [{"kind": r.kind, "step": r.step, "body": to_json(r.body)} for r in journal_of(settings.state_dir).records(1)]
        keep("recover", 0, "\n".join([json.dumps(row) for row in rows[:46]]).encode())
        answers(scratch / "answers", _TITLES, {name: host.os for name, host in settings.hosts.items()})
        answers(_LAB, _QEMU, {"source": "linux", "target": "linux"})
        keep("transcript", 0, b"\n".join((scratch / "answers").read_bytes().splitlines()[-3:]))
        written(running.estate.directory, running.estate.config)
        saved(running)
    finally:
        running.close()
        shutil.rmtree(scratch, ignore_errors=True)
    vxprint()
    by_hand()
    sys.stdout.write("".join(f"{len(list(p.iterdir())):>3} {p.name}\n" for p in sorted(SEEDS.iterdir())))


if __name__ == "__main__":
    main()
