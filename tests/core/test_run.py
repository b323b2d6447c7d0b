"""Runs on the toy estate: order, undo, thaw, journal, outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import Refused
from core.events import Event, Outcome, RunEnded, RunPaused, StepEnded, StepProgress
from core.facade import PlanRequest
from core.handlers import RunParts
from core.hosts import HostRef
from core.journal import Journal
from core.maps import MapKeeper
from core.model import Estate, PairState
from core.operations import SetDrivers, pairs_in_use
from core.past import past_of
from core.plan import Plan
from core.planner import make_plan
from core.recover import cleanup_plan, left_by
from core.run import Run
from core.settings import PostPolicy, PrePolicy
from core.transport import Command, Effect
from tests.core.toy import PAIRS, ToyArray, ToyBackup, ToyHost, ToyTransport, ToyWorld, toy_set


class Bench:
    """One toy set, ready to plan and run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "target").mkdir(exist_ok=True)
        self.world = ToyWorld(root)
        self.transport = ToyTransport(self.world)
        self.backup = ToyBackup()
        self.settings = toy_set(root)
        self.journal = Journal(root / "journal.db")
        self.events: list[Event] = []
        host, work = ToyHost(self.world), str(root / "work")
        source, target = HostRef("source", "linux", "", work), HostRef("target", "linux", "", work)
        self.drivers = SetDrivers(host, source, host, target, ToyArray(self.world), backup=self.backup)

    async def estate(self) -> Estate:
        facts = {}
        for name, ref in (("source", self.drivers.source_ref), ("target", self.drivers.target_ref)):
            result = await self.transport.run(self.drivers.source.discovery(ref))
            facts[name] = self.drivers.source.parse_discovery(ref, result)
        pairs = await self.drivers.array.status(self.transport, pairs_in_use(self.settings.pairs))
        return Estate("toy", datetime.now(UTC), facts["source"], facts["target"], pairs)

    async def plan(self, operation: str = "backup", pre: PrePolicy | None = None, post: PostPolicy | None = None) -> Plan:
        request = PlanRequest(operation, "toy", pre, post)
        return make_plan(request, self.settings, await self.estate(), self.drivers, datetime.now(UTC))

    def run_of(self, plan: Plan, *, stepwise: bool = False) -> Run:
        parts = RunParts(
            plan,
            self.settings,
            self.drivers,
            self.transport,
            self.journal,
            MapKeeper(self.root / "maps"),
            self.events.append,
            lambda parts: self.estate(),
            "op",
            "here",
        )
        run = Run(parts, stepwise=stepwise)
        run.begin()
        return run

    async def go(self, plan: Plan) -> RunEnded:
        return await self.run_of(plan).execute()

    def left(self) -> list[str]:
        return sorted(p.name for p in (self.root / "target").iterdir())

    def changes(self) -> list[str]:
        return [c.title for c in self.world.sent if c.effect is Effect.CHANGE]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.journal.close()


async def test_a_backup_ends_well_and_leaves_nothing_on_the_target(bench: Bench) -> None:
    end = await bench.go(await bench.plan(post=PostPolicy.UP))
    assert (end.outcome, end.exit_code, end.left) == (Outcome.OK, 0, ())
    assert bench.left() == []
    assert bench.world.ready == set()
    assert set(bench.world.states.values()) == {PairState.ESTABLISHED}


async def test_two_consoles_that_begin_one_plan_in_one_second_have_two_keys(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("core.run.utc_now", lambda: datetime(2026, 11, 26, tzinfo=UTC))
    plan, keys = await bench.plan(), set[str]()
    for name in ("one", "other"):  # each console has a journal of its own, which numbers its runs from 1
        bench.journal.close()
        bench.journal = Journal(tmp_path / f"{name}.db")
        number = bench.run_of(plan)._state.number
        keys |= {str(r.body["run_key"]) for r in bench.journal.records() if "run_key" in r.body and r.run == number}
    assert len(keys) == 2


async def test_the_split_happens_between_freeze_and_thaw_and_nothing_else_does(bench: Bench) -> None:
    frozen: list[str] = []
    bench.world.before = lambda command: frozen.append(command.title) if bench.world.frozen else None
    await bench.go(await bench.plan())
    assert frozen == ["split"]
    assert bench.world.thawed == 1


async def test_the_backup_is_bound_to_the_split_that_this_run_made(bench: Bench) -> None:
    await bench.go(await bench.plan(post=PostPolicy.LEAVE_DOWN))
    (request,) = bench.backup.requests
    assert {request.split_id} == set(bench.world.splits.values())


async def test_a_failed_backup_is_undone_on_the_target_and_leaves_the_mirrors_split(bench: Bench) -> None:
    bench.backup.fail = True
    end = await bench.go(await bench.plan(post=PostPolicy.UP))
    assert (end.outcome, end.exit_code) == (Outcome.FAILED, 4)
    assert bench.left() == []
    assert bench.world.ready == set()
    assert set(bench.world.states.values()) == {PairState.SPLIT}
    assert "disk full" in end.message
    assert "7902C000/790B4000 split" in end.message


async def test_the_undo_runs_in_reverse_order(bench: Bench) -> None:
    bench.backup.fail = True
    await bench.go(await bench.plan())
    undone = [t for t in bench.changes() if t.startswith("undo") or t == "hide"]
    assert undone == ["undo mounted srv_data", "undo active vgdata", "undo imported vgdata", "undo attached", "hide"]


async def test_a_split_that_the_array_refuses_thaws_the_source(bench: Bench) -> None:
    bench.world.refuse.add("split")
    end = await bench.go(await bench.plan())
    assert end.exit_code == 4
    assert (bench.world.frozen, bench.world.thawed) == (False, 1)
    assert bench.left() == []


async def test_a_bug_in_the_middle_of_the_freeze_still_thaws(bench: Bench) -> None:
    def explode(command: Command) -> None:
        if command.title == "split":
            raise ZeroDivisionError

    bench.world.before = explode
    end = await bench.go(await bench.plan())
    assert end.exit_code == 4
    assert "internal error" in end.message
    assert (bench.world.frozen, bench.world.thawed) == (False, 1)


async def test_a_freeze_that_expired_before_the_thaw_fails_the_run(bench: Bench) -> None:
    bench.world.expire = True
    end = await bench.go(await bench.plan())
    assert end.exit_code == 4
    assert "timer thawed" in end.message
    assert bench.backup.requests == []


async def test_a_split_whose_answer_was_lost_is_measured_and_never_sent_again(bench: Bench) -> None:
    bench.world.lose.add("split")
    end = await bench.go(await bench.plan())
    assert end.exit_code == 0
    split = next(e for e in bench.events if isinstance(e, StepEnded) and e.step == "split")
    assert "by the pairs' states it came about" in split.message
    assert bench.changes().count("split") == 1


async def test_a_split_that_was_lost_before_it_came_about_is_not_sent_again_and_the_run_is_taken_back(bench: Bench) -> None:
    bench.world.drop.add("split")
    end = await bench.go(await bench.plan())
    assert (end.outcome, end.exit_code) == (Outcome.FAILED, 4)
    assert "did not come about" in end.message
    assert bench.changes().count("split") == 1
    assert set(bench.world.states.values()) == {PairState.ESTABLISHED}
    assert bench.world.thawed == 1


async def test_a_lost_answer_of_an_array_that_cannot_be_measured_ends_as_unknown(bench: Bench) -> None:
    bench.world.lose.add("split")

    def blind(command: Command) -> None:
        bench.world.blind = bench.world.blind or command.title == "split"

    bench.world.before = blind
    end = await bench.go(await bench.plan())
    assert (end.outcome, end.exit_code) == (Outcome.UNKNOWN, 6)
    assert bench.changes().count("split") == 1


async def test_a_group_that_changed_since_the_plan_refuses_before_any_change(bench: Bench) -> None:
    plan = await bench.plan()
    bench.world.seqno = 8
    end = await bench.go(plan)
    assert (end.outcome, end.exit_code) == (Outcome.REFUSED, 3)
    assert bench.changes() == []


async def test_a_fence_that_says_no_is_not_undone_because_it_did_nothing(bench: Bench) -> None:
    plan = await bench.plan(pre=PrePolicy.DOWN)

    def take_away(command: Command) -> None:
        if "imported vgdata" in command.title and command.effect is Effect.CHANGE:
            (bench.root / "target" / "attached").unlink(missing_ok=True)

    bench.world.before = take_away
    end = await bench.go(plan)
    assert end.exit_code == 4
    assert "refused: no attached" in end.message
    assert "undo imported vgdata" not in bench.changes()


async def test_a_failing_undo_stops_and_names_what_is_left_as_commands(bench: Bench) -> None:
    bench.backup.fail = True
    bench.world.refuse.add("hide")
    end = await bench.go(await bench.plan())
    assert (end.outcome, end.exit_code) == (Outcome.ATTENTION, 5)
    assert any("hide" in line for line in end.left)


async def test_stepwise_runs_pause_before_each_step_but_never_while_frozen(bench: Bench) -> None:
    plan = await bench.plan()
    run = bench.run_of(plan, stepwise=True)
    task = asyncio.create_task(run.execute())
    for _ in range(2000):
        if task.done():
            break
        run.proceed(to_end=False)
        await asyncio.sleep(0.005)
    end = await task
    assert end.exit_code == 0
    paused = [e.step for e in bench.events if isinstance(e, RunPaused)]
    steps = [s.id for s in plan.steps]
    assert paused == [s for s in steps if s not in {"split", "thaw"}]


async def test_stop_after_step_takes_back_what_was_done(bench: Bench) -> None:
    plan = await bench.plan()
    run = bench.run_of(plan)
    bench.world.before = lambda command: run.stop_after_step() if command.title == "active vgdata" else None
    end = await run.execute()
    assert (end.outcome, end.exit_code) == (Outcome.STOPPED, 4)
    assert bench.left() == []


async def test_every_step_has_its_intent_before_its_outcome_in_the_journal(bench: Bench) -> None:
    plan = await bench.plan()
    await bench.go(plan)
    kinds: dict[str, list[str]] = {}
    for record in bench.journal.records(1):
        if record.kind in {"intent", "outcome"}:
            kinds.setdefault(record.step, []).append(record.kind)
    assert set(kinds) == {s.id for s in plan.steps}
    assert all(seen == ["intent", "outcome"] for seen in kinds.values())
    assert list(bench.journal.unfinished()) == []
    assert bench.journal.tampered() is None


async def test_progress_is_reported_with_bytes(bench: Bench) -> None:
    await bench.go(await bench.plan())
    assert [(e.done, e.total) for e in bench.events if isinstance(e, StepProgress)][-1] == (100, 100)
    assert all(e.outcome is Outcome.OK for e in bench.events if isinstance(e, StepEnded))


async def test_the_map_is_kept_here_and_handed_to_the_target(bench: Bench) -> None:
    await bench.go(await bench.plan("map"))
    assert list((bench.root / "maps").rglob("*.std"))
    assert list((bench.root / "work" / "maps" / "toy").glob("*.std"))
    assert set(bench.world.states.values()) == {PairState.ESTABLISHED}


async def test_what_a_dead_run_left_is_found_in_the_journal_and_cleaned_up(bench: Bench) -> None:
    plan = await bench.plan()
    run = bench.run_of(plan)

    class Killed(BaseException):
        pass

    def die(command: Command) -> None:
        if command.title == "mounted srv_data":
            raise Killed

    bench.world.before = die
    with pytest.raises(Killed):
        await run.execute()
    bench.world.before = lambda command: None
    assert bench.left() == ["active-vgdata", "attached", "imported-vgdata"]
    records = {1: list(bench.journal.records(1))}
    assert [s.id for s in left_by(1, records).steps][-1] == "mount-vgdata-data"
    end = await bench.go(cleanup_plan("toy", records, datetime.now(UTC), bench.drivers.target_ref))
    assert end.exit_code == 0
    assert bench.left() == []
    assert bench.world.ready == set()
    with pytest.raises(Refused):
        cleanup_plan("toy", {n: list(bench.journal.records(n)) for n in (2,)}, datetime.now(UTC), bench.drivers.target_ref)


async def test_establish_is_refused_while_the_target_uses_a_bcv(bench: Bench) -> None:
    bench.world.states = dict.fromkeys(PAIRS, PairState.SPLIT)
    bench.world.splits = dict.fromkeys(PAIRS, "x-1")
    plan = await bench.plan("establish")
    (bench.root / "target" / "mounted-srv_data").touch()
    end = await bench.go(plan)
    assert end.exit_code == 3
    assert bench.changes() == []


async def test_pairs_of_two_split_generations_are_never_imported(bench: Bench) -> None:
    bench.world.states = dict.fromkeys(PAIRS, PairState.SPLIT)
    bench.world.splits = {PAIRS[0]: "a-1", PAIRS[1]: "b-2"}
    with pytest.raises(Refused, match="TORN_SET"):
        await bench.plan(pre=PrePolicy.VERIFY_DOWN)


async def test_a_run_whose_step_had_failed_when_its_console_died_is_only_taken_back(bench: Bench) -> None:
    bench.backup.fail = True
    end = await bench.go(await bench.plan())
    records = list(bench.journal.records(end.run))
    at = next(n for n, r in enumerate(records) if r.kind == "outcome" and r.step == "backup")
    assert past_of(records[: at + 1]).taking_back == "Back up with toy: it had failed when the console died"
    assert past_of(records[:at]).taking_back == ""
