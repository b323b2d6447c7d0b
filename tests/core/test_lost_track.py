"""A run that lost track: of what happened during a pause, of a job that goes on, of its own journal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core import jobs
from core.errors import TransportError
from core.events import Outcome, RunEnded
from core.history import by_run
from core.journal import JournalError
from core.locks import with_locks
from core.model import PairState
from core.past import past_of
from core.plan import Phase, Plan, Step
from core.recover import cleanup_plan, left_by, take_back_plan
from core.run import Run
from core.transport import Command
from tests.core.test_run import Bench
from tests.core.test_under_lock import locked_plan, to_step


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """The toy estate."""
    made = Bench(tmp_path)
    yield made
    (tmp_path / "go").touch()  # no mount waits for ever
    made.journal.close()


async def test_a_run_that_is_resumed_establishes_over_no_copy_that_was_mounted_since(bench: Bench) -> None:
    for pair in bench.world.states:
        bench.world.states[pair], bench.world.splits[pair] = PairState.SPLIT, "abc-1"
    run = bench.run_of(with_locks(await bench.plan("establish"), (bench.drivers.target_ref,)), stepwise=True)
    task = asyncio.create_task(run.execute())
    await to_step(bench, run, task, "establish")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (bench.root / "target" / "mounted-srv_data").touch()
    again = Run(run.parts)
    again.take_up(past_of(list(bench.journal.records(run.number))))
    end = await again.execute()
    assert end.outcome is not Outcome.OK
    assert "is mounted" in end.message
    assert set(bench.world.states.values()) == {PairState.SPLIT}


# --- a job that goes on, with an outcome that was recorded as unknown --------------------------------------------------


async def lost_mount(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> tuple[Plan, Step]:
    """The link to the target is lost while a mount is at work there, for longer than the console has patience."""
    plan = await locked_plan(bench)
    step = next(s for s in plan.steps if s.phase is Phase.MOUNT and s.command is not None)
    assert step.command is not None
    needs, touch, *rest = step.command.text.splitlines()  # it hangs in the middle of its work, as a mount does
    text = "\n".join([needs, f"while [ ! -e {bench.root}/go ]; do sleep 0.05; done", touch, *rest, ""])
    slow = replace(step, command=replace(step.command, text=text, live=True))
    gone: list[Command] = []
    runs = bench.root / "work" / "runs"

    def link(command: Command) -> None:
        if gone or (command.host == "target" and any(runs.glob(f"*/*-{step.id}/pid")) and "look at job" in command.title):
            gone.append(command)
            if command.host == "target":
                raise TransportError("target: no route to host")

    bench.world.before = link
    monkeypatch.setattr(jobs.run_job, "__kwdefaults__", {"patience": 0.3, "limit": None})
    return replace(plan, steps=tuple(slow if s is step else s for s in plan.steps)), step


async def test_cleanup_waits_for_a_job_whose_outcome_is_unknown(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, step = await lost_mount(bench, monkeypatch)
    end = await bench.run_of(plan).execute()
    assert end.exit_code == 5
    bench.world.before = lambda command: None  # the link is back, the mount is still at work
    back = cleanup_plan("toy", by_run(bench.journal.records()), datetime.now(UTC), bench.drivers.target_ref)
    cleaning = asyncio.create_task(bench.run_of(with_locks(back, (bench.drivers.target_ref,))).execute())
    await asyncio.sleep(0.5)
    assert not cleaning.done(), "it does not wait for the mount"
    (bench.root / "go").touch()
    assert (await cleaning).exit_code == 0
    assert list((bench.root / "work" / "runs").glob(f"*/0001-{step.id}/rc")), "the mount has not ended yet"
    assert bench.left() == []


async def test_a_console_that_died_after_an_unknown_outcome_leaves_a_job_that_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, step = await lost_mount(bench, monkeypatch)
    run = bench.run_of(plan)
    await run.execute()
    written = list(bench.journal.records(run.number))
    upto = next(n for n, r in enumerate(written) if r.kind == "outcome" and r.step == step.id)
    records = written[: upto + 1]  # what a SIGKILL right after it leaves
    assert past_of(records).open == ""
    steps = take_back_plan(
        "undo", left_by(run.number, {run.number: records}), datetime.now(UTC), bench.drivers.target_ref
    ).steps
    assert (steps[0].id, steps[0].measure) == ("follow", f"0001-{step.id}")
    bench.world.before = lambda command: None
    again = Run(run.parts)
    again.take_up(past_of(records))
    back = asyncio.create_task(again.execute())
    await asyncio.sleep(0.5)
    assert not back.done(), "it takes back beneath the mount"
    (bench.root / "go").touch()
    await back
    assert bench.left() == []


# --- a journal that cannot be written ----------------------------------------------------------------------------------


async def test_a_source_is_thawed_and_the_run_has_an_end_though_the_journal_is_full(bench: Bench) -> None:
    def full(command: Command) -> None:
        if command.title == "split":  # what SQLite itself says of a full disk
            db = bench.journal._db
            db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")
            with suppress(JournalError):
                while True:
                    bench.journal.note(1, "", {"fill": "x" * 300})

    bench.world.before = full
    end = await bench.run_of(await bench.plan()).execute()
    assert bench.world.thawed == 1
    assert (end.outcome, end.exit_code) == (Outcome.UNKNOWN, 6)
    assert "the journal could not be written" in end.message
    assert "full" in end.message
    assert [e for e in bench.events if isinstance(e, RunEnded)] == [end]
