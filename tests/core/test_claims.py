"""Locks are taken away only from the dead; a journal is taken in whole or not at all; a rebuilt restore minds its point in time."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import ParseError
from core.hosts import HostRef
from core.journal import Journal
from core.locks import (
    Claims,
    Lock,
    findings,
    hold_plan,
    let_go_plan,
    look,
    look_jobs,
    parse_jobs,
    parse_look,
    told,
    unlock_plan,
    with_locks,
)
from core.model import PairState, PairStatus
from core.past import Past
from core.plan import Plan
from core.recovery import _other_start
from core.transport import Command, Result, Status
from tests.core.toy import PAIRS

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def shell(command: Command) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", "-s"], input=command.script, capture_output=True, text=True, check=False)


def at_work(work: Path, key: str) -> Path:
    """A job of the run that still runs: this very process."""
    job = work / "runs" / key / "0001-mount"
    job.mkdir(parents=True)
    (job / "pid").write_text(f"{os.getpid()}\n")
    (job / "boot").write_text(Path("/proc/sys/kernel/random/boot_id").read_text())
    return job


def test_a_lock_is_not_taken_away_when_a_job_of_its_run_began_since_it_was_looked_at(tmp_path: Path) -> None:
    ref, key = HostRef("target", "linux", "", str(tmp_path)), "toy-20261126T120000Z-0001-abcdef"
    (tmp_path / "locks" / "toy").mkdir(parents=True)
    (tmp_path / "locks" / "toy" / "owner").write_text(f"key {key}\noperator o\nconsole c\nat 2026-11-26T12:00:00Z\n")
    (step,) = unlock_plan("toy", (ref,), Claims((Lock("target", key),)), NOW).steps
    job = at_work(tmp_path, key)
    assert step.command is not None
    done = shell(step.command)
    assert (done.returncode, "0001-mount" in done.stderr) == (90, True), done.stderr
    assert (tmp_path / "locks" / "toy").is_dir()
    (job / "rc").write_text("0\n")
    assert shell(step.command).returncode == 0
    assert not (tmp_path / "locks" / "toy").exists()


def lock_command(work: Path, key: str) -> Command:
    """The command of a run's lock, with its values."""
    step = with_locks(Plan("toy", "toy", (), NOW), (HostRef("target", "linux", "", str(work)),)).steps[0]
    assert step.command is not None
    text = step.command.script
    for name, value in {"run_key": key, "operator": "olga", "console": "night"}.items():
        text = text.replace(f"@{{{name}}}@", value)
    return replace(step.command, text=text, prelude="")


@pytest.mark.parametrize("owner", [None, "", "ke"], ids=["no owner", "empty owner", "half an owner"])
def test_a_lock_whose_signature_a_power_cut_took_is_told_with_its_date_and_goes_by_a_typed_decision(
    tmp_path: Path, owner: str | None
) -> None:
    ref, lock = HostRef("target", "linux", "", str(tmp_path)), tmp_path / "locks" / "toy"
    (tmp_path / "runs" / "toy-of-another-night").mkdir(parents=True)
    lock.mkdir(parents=True)
    os.utime(lock, (NOW.timestamp(), NOW.timestamp()))
    if owner is not None:
        (lock / "owner").write_text(owner)
        os.utime(lock, (NOW.timestamp(), NOW.timestamp()))
    made = time.strftime("%b %e", time.localtime(NOW.timestamp()))
    refused = shell(lock_command(tmp_path, "toy-of-tonight"))
    assert refused.returncode == 90
    assert f"toy is locked since {made}" in refused.stderr
    assert "nobody has signed the lock" in refused.stderr
    assert "splitmount unlock toy" in refused.stderr
    looked = look(ref, "toy")
    claims = parse_look(ref, Result(looked, Status.OK, 0, shell(looked).stdout, "", NOW, 0.0))
    (found,) = claims.locks
    assert (found.key, found.last_job, made in told(found)) == ("", "", True)
    (finding,) = findings("toy", claims, ours=("",))
    assert (finding.code, "splitmount unlock toy" in finding.action) == ("LOCKED", True)
    plan = unlock_plan("toy", (ref,), claims, NOW)
    assert plan.confirm == "toy"
    assert plan.steps[0].command is not None
    assert shell(plan.steps[0].command).returncode == 0
    assert shell(lock_command(tmp_path, "toy-of-tonight")).returncode == 0
    assert (lock / "owner").read_text().startswith("key toy-of-tonight\noperator olga\nconsole night\nat 20")


@pytest.mark.parametrize("takes_files", [True, False], ids=["sync of files", "sync of old systems"])
def test_a_lock_is_on_the_disk_before_its_step_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes_files: bool) -> None:
    said, tools = tmp_path / "said", tmp_path / "tools"
    tools.mkdir()
    refuse = "" if takes_files else '[ "$#" = 0 ] || exit 1'
    (tools / "sync").write_text(f'#!/bin/sh\n{refuse}\necho "${{1##*/}}" `ls {tmp_path}/locks/toy` >> {said}\n')
    (tools / "sync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    done = shell(lock_command(tmp_path, "toy-of-tonight"))
    assert done.returncode == 0, done.stderr
    assert said.read_text().splitlines() == (["new new", "toy owner"] if takes_files else [" new", " owner"])


def test_a_lock_that_cannot_be_brought_to_the_disk_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools, lock = tmp_path / "tools", tmp_path / "locks" / "toy"
    tools.mkdir()
    (tools / "sync").write_text(f"#!/bin/sh\n[ ! -f {lock}/owner ]\n")  # fails once the lock is signed
    (tools / "sync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    done = shell(lock_command(tmp_path, "toy-of-tonight"))
    assert (done.returncode, done.stderr) == (1, f"{lock} cannot be written\n")
    assert not lock.exists()


def test_jobs_are_looked_at_where_no_lock_is_kept(tmp_path: Path) -> None:
    ref = HostRef("source", "linux", "", str(tmp_path))
    command = look_jobs(ref, "toy", ["k-1", "k-2"])

    def told(text: str) -> Result:
        return Result(command, Status.OK, 0, text, "", NOW, 0.0)

    assert parse_jobs(ref, told(shell(command).stdout)) == ()
    job = at_work(tmp_path, "k-2")
    assert parse_jobs(ref, told(shell(command).stdout)) == ("0001-mount",)
    (job / "rc").write_text("0\n")
    assert parse_jobs(ref, told(shell(command).stdout)) == ()
    with pytest.raises(ParseError):
        parse_jobs(ref, told(""))


def half(journal: Journal) -> None:
    """Begin to take something in, and fail."""
    with journal.together():
        journal.intent(journal.begin({"set": "half"}), "step", {})
        raise RuntimeError


def test_what_is_recorded_together_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    first = journal.begin({"set": "toy"})
    with pytest.raises(RuntimeError):
        half(journal)
    assert [r.kind for r in journal.records()] == ["start"]
    with journal.together():
        second = journal.begin({"set": "whole"})
        journal.intent(second, "step", {})
    assert [(r.run, r.kind) for r in journal.records()] == [(first, "start"), (second, "start"), (second, "intent")]
    assert journal.tampered() is None
    journal.close()


def past(facts: dict[str, str], state: PairState) -> Past:
    plan = Plan("restore", "toy", (), NOW, start_states=tuple((pair, state) for pair in PAIRS), facts=facts)
    return Past(1, "key", 1, plan, NOW, "op", "here", measure_all=True)


def status(state: PairState, at: datetime | None) -> tuple[PairStatus, ...]:
    return tuple(PairStatus(pair, state, False, split_id="s", split_at=at, std_size=1, bcv_size=1) for pair in PAIRS)


def test_a_rebuilt_restore_goes_on_only_with_the_point_in_time_that_it_was_planned_from() -> None:
    mine = past({"split_at": NOW.isoformat()}, PairState.SPLIT)
    assert _other_start(mine, status(PairState.SPLIT, NOW)) == []
    assert "not what they were" in _other_start(mine, status(PairState.SPLIT, NOW + timedelta(hours=1)))[0]
    assert "can have made" in _other_start(mine, status(PairState.ESTABLISHED, None))[0]


def test_a_hold_whose_text_a_power_cut_took_forbids_changes_until_it_is_ended(tmp_path: Path) -> None:
    ref, hold = HostRef("target", "linux", "", str(tmp_path)), tmp_path / "holds" / "toy"
    hold.parent.mkdir()
    hold.write_text("")
    refused = shell(lock_command(tmp_path, "toy-of-tonight"))
    assert (refused.returncode, "its text was lost" in refused.stderr) == (90, True)
    looked = look(ref, "toy")
    claims = parse_look(ref, Result(looked, Status.OK, 0, shell(looked).stdout, "", NOW, 0.0))
    (finding,) = findings("toy", claims)
    assert (finding.code, "a loss of power" in finding.sentence) == ("HELD", True)
    (step,) = let_go_plan("toy", (ref,), claims, NOW).steps
    assert step.command is not None
    assert shell(step.command).returncode == 0
    assert shell(lock_command(tmp_path, "toy-of-tonight")).returncode == 0


def test_a_hold_is_on_the_disk_when_its_step_ends(tmp_path: Path) -> None:
    (step,) = hold_plan("toy", (HostRef("target", "linux", "", str(tmp_path)),), NOW + timedelta(days=1), "moved", NOW).steps
    assert step.command is not None
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "sync").write_text(f'#!/bin/sh\necho "sync $*" >>{tmp_path}/said\n')
    (tools / "sync").chmod(0o755)
    text = step.command.script.replace("@{operator}@", "olga").replace("@{console}@", "night")
    done = subprocess.run(
        ["/bin/sh", "-s"], input=text, capture_output=True, text=True, check=False, env={"PATH": f"{tools}:/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "said").read_text().splitlines() == [f"sync {tmp_path}/holds/toy.new", f"sync {tmp_path}/holds"]
