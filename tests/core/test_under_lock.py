"""A run works only while its lock is its own, and takes nothing back beneath a job that goes on. On the toy estate."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core import handlers
from core.events import Outcome, RunEnded, RunPaused
from core.jobs import JobRef, job_name
from core.locks import with_locks
from core.past import past_of
from core.plan import Phase, Plan, StepKind
from core.recover import Left, take_back_plan
from core.run import Run
from core.settings import PostPolicy
from tests.core.test_run import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.journal.close()


def owner(bench: Bench) -> Path:
    return bench.root / "work" / "locks" / "toy" / "owner"


async def locked_plan(bench: Bench) -> Plan:
    return with_locks(await bench.plan(post=PostPolicy.UP), (bench.drivers.target_ref,))


async def to_step(bench: Bench, run: Run, ready: asyncio.Task[RunEnded], wanted: str) -> None:
    """Let a stepwise run go until it pauses before the step."""
    seen = 0
    while True:
        pauses = [e.step for e in bench.events if isinstance(e, RunPaused)]
        if len(pauses) > seen:
            seen = len(pauses)
            if pauses[-1] == wanted:
                return
            run.proceed(to_end=False)
        assert not ready.done(), ready.result()
        await asyncio.sleep(0.005)


def another_owner(bench: Bench) -> None:
    owner(bench).write_text("key another\noperator x\nconsole y\nat 2026-11-25T00:00:00Z\n")


@pytest.mark.parametrize("wanted", ["freeze", "mount-vgdata-data", "backup"])
@pytest.mark.parametrize("gone", ["another's", "taken"])
async def test_a_run_whose_lock_went_during_a_pause_changes_nothing_more(bench: Bench, wanted: str, gone: str) -> None:
    plan = await locked_plan(bench)
    wanted = next(
        (s.id for s in plan.steps if s.id.startswith(wanted)), next(s.id for s in plan.steps if s.phase is Phase.MOUNT)
    )
    run = bench.run_of(plan, stepwise=True)
    task = asyncio.create_task(run.execute())
    await to_step(bench, run, task, wanted)
    states, left = dict(bench.world.states), bench.left()
    another_owner(bench) if gone == "another's" else shutil.rmtree(owner(bench).parent)
    run.proceed(to_end=True)
    end = await task
    assert end.exit_code in (3, 5), end
    assert "is not of this run any more" in " ".join((end.message, *end.left))
    assert (bench.world.states, bench.left()) == (states, left)
    assert bench.backup.requests == []


async def test_a_change_on_a_locks_host_asks_for_the_lock_in_its_own_shell(bench: Bench) -> None:
    plan = await locked_plan(bench)
    first = next(s for s in plan.steps if s.phase is Phase.IMPORT and s.kind is StepKind.COMMAND and s.host == "target")
    assert first.command is not None
    title = first.command.title

    def steal(command: object) -> None:
        if getattr(command, "title", "") == title:
            another_owner(bench)

    bench.world.before = steal
    end = await bench.go(plan)
    assert "is not of this run any more" in " ".join((end.message, *end.left))
    assert bench.left() == []


async def hanging(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> tuple[Plan, Run, RunEnded, str]:
    """A run whose first mount hangs until a file appears."""
    monkeypatch.setattr(handlers, "HANGS", 0.5)
    plan = await locked_plan(bench)
    step = next(s for s in plan.steps if s.phase is Phase.MOUNT and s.command is not None)
    assert step.command is not None
    text = f"while [ ! -e {bench.root}/go ]; do sleep 0.05; done\n{step.command.text}"
    slow = replace(step, command=replace(step.command, text=text, timeout=0.1))
    plan = replace(plan, steps=tuple(slow if s is step else s for s in plan.steps))
    run = bench.run_of(plan)
    return plan, run, await run.execute(), step.id


async def test_a_mount_that_hangs_is_bounded_and_nothing_is_taken_back_beneath_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run, end, step = await hanging(bench, monkeypatch)
    assert (end.outcome, end.exit_code) == (Outcome.UNKNOWN, 6)
    assert "still running on the host" in end.message
    assert "splitmount recover" in end.message
    assert {r.run for r in bench.journal.unfinished()} == {run.number}
    past = past_of(list(bench.journal.records(run.number)))
    assert past.open == step
    assert past.taking_back == ""
    (bench.root / "go").touch()
    monkeypatch.setattr(handlers, "HANGS", 60.0)
    again = Run(run.parts)
    again.take_up(past)
    assert (await again.execute()).outcome is Outcome.OK
    assert bench.left() == []


async def test_taking_back_a_backup_follows_the_tools_own_job_first(bench: Bench) -> None:
    plan = await locked_plan(bench)
    step = next(s for s in plan.steps if s.kind is StepKind.BACKUP)
    run = bench.run_of(plan)
    bench.journal.intent(run.number, step.id, {})
    past = past_of(list(bench.journal.records(run.number)))
    steps = take_back_plan("undo", Left(past, ()), plan.made_at, bench.drivers.target_ref).steps
    assert step.command is not None
    assert [(s.kind, s.measure) for s in steps[:2]] == [
        (StepKind.FOLLOW, job_name(step.command.title)),
        (StepKind.FORGET, ""),
    ]


@pytest.mark.parametrize(("title", "name"), [("restic backup", "restic-backup"), ("read /mnt/x y", "read-mnt-x-y")])
def test_the_directory_of_a_tools_job_is_one_plain_name(title: str, name: str) -> None:
    assert job_name(title) == name
    JobRef("target", "/var/run", f"/var/run/{job_name(title)}")


async def test_a_split_that_came_about_without_its_console_is_not_called_frozen(bench: Bench) -> None:
    plan = await locked_plan(bench)
    at = next(n for n, s in enumerate(plan.steps) if s.id == "split")
    run = bench.run_of(plan, stepwise=True)
    task = asyncio.create_task(run.execute())
    await to_step(bench, run, task, "freeze")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    split = plan.steps[at]
    run._state.bind("split_id", "abc-1")
    bench.journal.intent(run.number, split.id, {})
    for pair in bench.world.states:  # the array did it when the console was gone
        bench.world.states[pair] = type(bench.world.states[pair])("split")
        bench.world.splits[pair] = "abc-1"
    again = Run(run.parts)
    again.take_up(past_of(list(bench.journal.records(run.number))))
    end = await again.execute()
    assert end.outcome is Outcome.OK
    assert "NOT known" in end.message
