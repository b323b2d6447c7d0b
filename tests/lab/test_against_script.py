"""The product against a person's shell on the real estate: a whole backup, and how fast files are copied; writes docs/bench.md.

The script is the one that `plan --export` writes, with OpenSSH over one shared connection a host. What it leaves to a person is
done at once: the same reads of both hosts, the array's own commands, `tar | zstd` for the backup and its reading back.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.backups.archive import ArchiveDriver, tar_command
from core.backups.base import BackupDriver, BackupRequest
from core.backups.manifest import size_command
from core.events import CommandSent, StepEnded, StepStarted
from core.facade import PlanRequest
from core.plan import Plan, Step, StepKind
from core.transport import Channel, Command, Effect
from tests.bench.__main__ import keep
from tests.bench.ratio import Ratio, in_turn, seconds, timed
from tests.lab.estate import Lab
from tests.lab.layouts import ORDINARY_MOUNTS
from tests.lab.product import RUN_LIMIT, Product, product
from tui.byhand import script_of

pytestmark = pytest.mark.long
ROUNDS = 3
DATA = {"/srv/data": 180, "/srv/data/logs": 220}  # MiB of new files: half of it random, half of it lines of text
BENCH = Path(__file__).parents[2] / "docs" / "bench.md"
PREFIX = "/mnt/splitmount/ordinary"
LEVEL = ["zstd", "-q", "-3", "-T2"]  # as the product compresses


def fill(lab: Lab) -> int:
    """New files on the source; their bytes with those that were there."""
    for mount, size in DATA.items():
        text = f"seq -f 'record %012.0f of {mount}' 1 99999999 | head -c {size // 2}M >lines"
        lab.ssh(
            "source",
            f"mkdir -p {mount}/bulk; cd {mount}/bulk; for n in 1 2 3 4; do head -c {size // 8}M /dev/urandom >r$n; done; {text}; sync",
            timeout=300,
        )
    return sum(int(lab.ssh("source", f"du -sbx {mount} | cut -f1").stdout) for mount in DATA)


def whole(lab: Lab, host: str, command: str, into: str) -> None:
    """A host's output through a shell pipe on this machine."""
    ssh = shlex.join([*lab.ssh_arguments(host), "/bin/sh -s"])
    words = ["bash", "-c", f"set -o pipefail; {ssh} | {into}"]
    subprocess.run(words, input=command, text=True, check=True, timeout=RUN_LIMIT, stderr=subprocess.DEVNULL)


class Hand:
    """What a person does between the steps of the script, without a moment's thought."""

    def __init__(self, lab: Lab, reads: dict[str, list[Command]], there: Path) -> None:
        self._lab, self._reads, self._there = lab, reads, there

    def do(self, step: Step) -> None:
        """One step by hand."""
        if step.command is not None and step.command.channel is Channel.QMP:
            self._array(step.command.text)
        elif step.kind is StepKind.AWAIT:
            self._wait()
        elif step.kind is StepKind.MEASURE:
            reads = [one for one in self._reads[step.id] if one.channel is Channel.SHELL]
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda one: whole(self._lab, one.host, one.script, "cat >/dev/null"), reads))
        elif step.kind is StepKind.BACKUP:
            self._count()
            for number, mount in enumerate(ORDINARY_MOUNTS):
                into = f"{shlex.join(LEVEL)} | tee {self._file(number)} | sha256sum >{self._file(number)}.sum; sync"
                whole(self._lab, "target", tar_command("target", "", PREFIX + mount, mount).script, into)
        elif step.kind is StepKind.VERIFY:
            for number, _ in enumerate(ORDINARY_MOUNTS):
                back = f"zstd -dcq {self._file(number)} | tar -x --to-command='sha256sum >/dev/null' -f -"
                check = f"sha256sum <{self._file(number)} | cmp - {self._file(number)}.sum"
                subprocess.run(["bash", "-c", f"set -o pipefail; {check} && {back}"], check=True)
            self._count()
        else:
            raise AssertionError(f"{step.id}: nobody does {step.kind}")

    def _file(self, number: int) -> str:
        return shlex.quote(str(self._there / f"data-{number}.tar.zst"))

    def _count(self) -> None:
        points = tuple(PREFIX + mount for mount in ORDINARY_MOUNTS)
        whole(self._lab, "target", size_command("target", "", points).script, "cat >/dev/null")

    def _array(self, text: str) -> None:
        (kept,) = self._there.glob("splitmount-*/values")
        for name, value in (row.split(" ", 1) for row in kept.read_text().splitlines()):
            text = text.replace(f"@{{{name}}}@", value)
        for row in filter(None, text.splitlines()):
            told = json.loads(row)
            self._lab.array.qmp.execute(told["execute"], told.get("arguments"))

    def _wait(self) -> None:
        """Until the array copies nothing any more."""
        qmp = self._lab.array.qmp
        while any(job["status"] not in ("concluded", "pending", "null") for job in qmp.execute("query-jobs")):
            time.sleep(0.02)


def reads_of(made: Product, run: int) -> dict[str, list[Command]]:
    """What the product read during each step of a run."""
    out: dict[str, list[Command]] = {}
    step = ""
    for event in made.events:
        if isinstance(event, StepStarted) and event.run == run:
            step = event.step
        elif isinstance(event, StepEnded) and event.run == run:
            step = ""
        elif isinstance(event, CommandSent) and step and event.command.effect is Effect.READ:
            out.setdefault(step, []).append(event.command)
    return out


def by_script(lab: Lab, made: Product, plan: Plan, reads: dict[str, list[Command]], there: Path) -> float:
    """Seconds of the exported script with a hand beside it."""
    there.mkdir()
    script = there / "script.sh"
    script.write_text(script_of(plan, made.engine.settings).replace("sleep 1", "sleep 0.05"))  # a quick look is fair
    ssh = f"ssh -F none -o ControlMaster=auto -o ControlPersist=60 -o ControlPath={lab.directory}/sc-%p"
    hand, number, begun = Hand(lab, reads, there), 0, time.monotonic()
    with subprocess.Popen(
        ["sh", str(script), "--yes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=there,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SSH": ssh},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = []
        for row in process.stdout:
            said.append(row)
            if row.startswith("--- "):
                number = int(row.split()[1].rstrip("."))
            if row.startswith("BY HAND: "):
                hand.do(plan.steps[number - 1])
                process.stdin.write("yes\n")
                process.stdin.flush()
    assert process.returncode == 0, "".join(said[-40:])
    return time.monotonic() - begun


def test_a_whole_backup_takes_little_longer_than_a_script_of_the_same_commands(fresh_mirrors: Lab, tmp_path: Path) -> None:
    lab, ours, script, load = fresh_mirrors, [], [], os.getloadavg()[0]
    size = fill(lab)
    with product(lab) as made:
        made.do("establish", "ordinary")
        made.do("backup", "ordinary")  # what is first done only once is done
        for turn in range(ROUNDS):
            plan = made.engine.plan(PlanRequest("backup", "ordinary")).result()
            begun = time.monotonic()
            end = made.run(plan)
            ours.append(time.monotonic() - begun)
            assert end.exit_code == 0, made.story(end.run)
            plan = made.engine.plan(PlanRequest("backup", "ordinary")).result()
            script.append(by_script(lab, made, plan, reads_of(made, end.run), tmp_path / str(turn)))
        print(f"\n{made.story(end.run)}\nours {ours}\nscript {script}")
    mine, other = statistics.median(ours), statistics.median(script)
    what = f"a whole backup of {size >> 20} MiB: {len(plan.steps)} steps"
    keep_row(
        Ratio(
            what, seconds(mine), f"the exported script over OpenSSH, ControlMaster, {seconds(other)}", mine / other, most=1.15
        ),
        load,
    )


def copied(made: Product, driver: BackupDriver, name: str) -> float:
    """Seconds of the product's backup of the source's own filesystems."""
    request = BackupRequest(
        "ordinary", name, "source", tuple((m, m) for m in ORDINARY_MOUNTS), name, datetime.now(UTC), f"/tmp/job-{name}"
    )
    future = made.engine._submit(driver.run(made.transport, request, lambda _: None))
    return timed(lambda: future.result(RUN_LIMIT))


def test_archives_are_written_about_as_fast_as_tar_and_zstd_write_them(fresh_mirrors: Lab, tmp_path: Path) -> None:
    lab, size, names, load = fresh_mirrors, fill(fresh_mirrors), iter(range(2 * ROUNDS)), os.getloadavg()[0]
    driver = ArchiveDriver(str(tmp_path / "repository"))

    def cold(act: Callable[[str], float]) -> float:
        lab.ssh("source", "sync; echo 3 >/proc/sys/vm/drop_caches")
        return act(f"copy{next(names)}")

    def by_hand(name: str) -> float:
        def act() -> None:
            for number, mount in enumerate(ORDINARY_MOUNTS):
                into = f"{shlex.join(LEVEL)} >{tmp_path}/{name}-{number}; sync"
                whole(lab, "source", tar_command("source", "", mount, mount).script, into)

        return timed(act)

    with product(lab) as made:
        mine, theirs = in_turn(lambda: cold(lambda name: copied(made, driver, name)), lambda: cold(by_hand), ROUNDS)
    told = [f"{size / (1 << 20) / took:,.1f} MiB/s" for took in (mine, theirs)]
    other = f"`ssh host tar` through `zstd -3 -T2`, {told[1]}"
    keep_row(Ratio(f"archive backup of {size >> 20} MiB", told[0], other, theirs / mine, least=0.95), load)


def keep_row(row: Ratio, load: float) -> None:
    """Print it, write it, and say whether it holds."""
    print(f"\n{row}")
    keep(BENCH, "lab", row, load)
    assert row.holds, row
