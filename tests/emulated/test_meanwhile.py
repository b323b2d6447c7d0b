"""What happened on the estate between a run and its resume, its taking back, or its next step. All over real SSH."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import Refused
from core.events import Outcome, SetMeasured
from core.facade import PlanRequest
from core.jobs import JobRef, run_job
from core.plan import Plan
from core.settings import PostPolicy
from core.takenover import BOTH
from core.transport import Status
from tests.emulated.bench import Bench
from tests.emulated.consoles import console
from tests.emulated.crashes import Point, finished
from tests.emulated.test_survive import NAME, die_at, run
from tui.glance import flags


@pytest.fixture
def split(web: Bench) -> Bench:
    """The same with a point in time on its mirrors."""
    assert web.run(PlanRequest("backup", NAME, post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0
    return web


def start_by_hand(made: Bench, plan: Plan) -> None:
    """A person starts the source's groups again, and works there."""
    source = made.family(NAME).source
    for step in plan.steps:
        if step.id.startswith("stop-") and step.undo is not None:
            job = JobRef(step.host, "/var/tmp/by-hand", f"/var/tmp/by-hand/{step.id}")
            assert made.engine._submit(run_job(made.engine._transport, step.undo, job)).result().status is Status.OK
    assert source.mounts


# --- a restore overwrites nothing that is in use ----------------------------------------------------------------------


@pytest.mark.parametrize("point", [Point.BEFORE_INTENT, Point.AFTER_INTENT])
def test_a_restore_that_is_resumed_does_not_overwrite_a_source_that_was_started_by_hand(split: Bench, point: Point) -> None:
    plan = split.plan(PlanRequest("restore", NAME))
    number = die_at(split, "restore", point, PlanRequest("restore", NAME))
    start_by_hand(split, plan)
    account = split.engine.account(number).result()
    end = finished(split.engine, split.engine.resume(number, confirmed=account.confirm).result())
    assert end.outcome is not Outcome.OK
    assert "is mounted on" in end.message
    assert split.estate.array.done["restore"] == 0
    assert split.family(NAME).source.mounts


def test_a_restore_that_paused_does_not_overwrite_a_source_that_was_started_by_hand(split: Bench) -> None:
    plan = split.plan(PlanRequest("restore", NAME))
    number = split.engine.start(plan, stepwise=True, confirmed=NAME).result()
    split.go(number, "restore")
    start_by_hand(split, plan)
    split.engine.proceed(number, to_end=True)
    end = split.finish(number)
    assert end.outcome is not Outcome.OK
    assert "is mounted on" in end.message
    assert split.estate.array.done["restore"] == 0
    assert split.family(NAME).source.mounts


def test_a_restore_that_paused_goes_on_where_nobody_touched_the_source(split: Bench) -> None:
    plan = split.plan(PlanRequest("restore", NAME))
    number = split.engine.start(plan, stepwise=True, confirmed=NAME).result()
    split.go(number, "restore")
    split.engine.proceed(number, to_end=True)
    assert split.finish(number).outcome is Outcome.OK
    assert split.estate.array.done["restore"] == 1


# --- taking back touches only what is the run's own -------------------------------------------------------------------


def words(made: Bench) -> list[str]:
    """The states of the pairs, as the array calls them."""
    return [str(made.estate.array.word(std, bcv)) for std, bcv in made.family(NAME).pairs]


@pytest.mark.parametrize("at", ["keep-map", "attach"])
def test_taking_back_an_old_run_keeps_the_point_in_time_of_another_console(web: Bench, tmp_path: Path, at: str) -> None:
    number = die_at(web, at, Point.AFTER_INTENT)
    with console(web, tmp_path / "other") as other:
        assert run(other, PlanRequest("unlock", NAME)) is Outcome.OK
        if at == "attach":
            assert run(other, PlanRequest("establish", NAME)) is Outcome.OK
        assert run(other, PlanRequest("backup", NAME, post_policy=PostPolicy.LEAVE_DOWN)) is Outcome.OK
    plan = web.plan(PlanRequest("undo", NAME, run=number))
    assert not [step for step in plan.steps if step.id.startswith("establish")]
    assert any("split" in line for line in plan.summary[1:])
    assert web.finish(web.engine.start(plan).result()).outcome is Outcome.OK
    assert words(web) == ["Split"] * len(words(web))


def test_a_split_that_nobody_read_the_name_of_is_given_up_only_under_the_runs_own_lock(web: Bench) -> None:
    number = die_at(web, "split", Point.AFTER_END)
    plan = web.plan(PlanRequest("undo", NAME, run=number))
    assert [step for step in plan.steps if step.id.startswith("establish")]
    assert run(web.engine, PlanRequest("unlock", NAME)) is Outcome.OK
    plan = web.plan(PlanRequest("undo", NAME, run=number))
    assert not [step for step in plan.steps if step.id.startswith("establish")]
    assert "is not known" in plan.summary[-1]


# --- one run is not worked on twice, and is taken back when it is taken back ------------------------------------------


def test_a_run_is_not_resumed_while_another_takes_it_back(web: Bench) -> None:
    number = die_at(web, "backup", Point.BEFORE_INTENT)
    plan = web.plan(PlanRequest("undo", NAME, run=number))
    undo = web.engine.start(plan, stepwise=True, confirmed=plan.confirm).result()
    web.go(undo, next(s.id for s in plan.steps if s.id.startswith("undo-")))
    with pytest.raises(Refused, match="under way"):
        web.engine.resume(number).result()
    other = web.another_engine()  # another process of the same console
    with pytest.raises(Refused, match="under way"):
        other.resume(number).result()
    with pytest.raises(Refused, match="under way"):
        run(other, PlanRequest("undo", NAME, run=number))
    other.close()
    web.engine.proceed(undo, to_end=True)
    assert web.finish(undo).outcome is Outcome.OK
    assert web.engine.unfinished().result() == ()


@pytest.mark.parametrize("named", [True, False])
def test_taking_back_a_taking_back_that_died_takes_the_run_back(web: Bench, named: bool) -> None:
    number = die_at(web, "backup", Point.AFTER_INTENT)
    undo = PlanRequest("undo", NAME, run=number)
    first = next(s.id for s in web.plan(undo).steps if s.id.startswith("undo-mount"))
    second = die_at(web, first, Point.BEFORE_INTENT, undo)
    mounts = web.family(NAME).target.mounts
    assert mounts
    plan = web.plan(PlanRequest("undo", NAME, run=second if named else 0))
    assert first in {step.id for step in plan.steps}
    assert web.finish(web.engine.start(plan, confirmed=plan.confirm).result()).outcome is Outcome.OK
    assert not mounts
    assert web.engine.unfinished().result() == ()


def test_cleanup_refuses_what_undo_refuses(split: Bench) -> None:
    number = die_at(split, "establish", Point.AFTER_END, PlanRequest("establish", NAME))
    for request in (PlanRequest("undo", NAME), PlanRequest("cleanup", NAME)):
        with pytest.raises(Refused, match="cannot be taken back"):
            split.plan(request)
    assert [left.run for left in split.engine.unfinished().result()] == [number]


def test_cleanup_of_a_takeover_needs_the_sets_name(split: Bench) -> None:
    split.switch(f"host-lost@{split.family(NAME).source.name}")
    assert run(split.engine, PlanRequest("takeover", NAME)) is Outcome.OK
    plan = split.plan(PlanRequest("cleanup", NAME))
    with pytest.raises(Refused, match="name was typed"):
        split.engine.start(plan).result()
    assert split.family(NAME).target.mounts


# --- a set that its target holds since a takeover ---------------------------------------------------------------------


@pytest.fixture
def taken(split: Bench) -> Bench:
    """The target works with the set; the source is gone."""
    split.switch(f"host-lost@{split.family(NAME).source.name}")
    assert run(split.engine, PlanRequest("takeover", NAME)) is Outcome.OK
    return split


def measured(made: Bench) -> SetMeasured:
    """The set, measured now."""
    made.engine.drain()
    made.engine.measure_set(NAME).result()
    return next(event for event in made.engine.drain() if isinstance(event, SetMeasured))


def test_the_advice_about_a_set_that_was_taken_over_ends_no_service(taken: Bench) -> None:
    told = {f.code: f.action for f in measured(taken).findings}
    assert "failback" in told["BCV_IN_USE"]
    assert not [action for action in told.values() if "Clean up" in action or "establish again" in action]


def test_a_source_that_is_up_again_beside_its_takeover_is_told(taken: Bench) -> None:
    assert BOTH not in {f.code for f in measured(taken).findings}
    taken.switch(f"host-lost@{taken.family(NAME).source.name}")
    event = measured(taken)
    (finding,) = (f for f in event.findings if f.code == BOTH)
    assert "is mounted on" in finding.sentence
    settings = taken.engine.settings.sets[NAME]
    assert "ON BOTH HOSTS" in flags(event, settings, event.estate.measured_at, event.estate.measured_at)
    assert not [line for line in taken.plan(PlanRequest("failback", NAME)).summary if "ENDS THE SERVICE" in line]
    assert run(taken.engine, PlanRequest("failback", NAME)) is Outcome.OK
    assert BOTH not in {f.code for f in measured(taken).findings}


def test_what_a_takeover_wrote_is_overwritten_only_after_the_name_was_typed(taken: Bench) -> None:
    taken.switch(f"host-lost@{taken.family(NAME).source.name}")
    assert run(taken.engine, PlanRequest("cleanup", NAME)) is Outcome.OK
    assert "its service was ended" in measured(taken).taken_over
    for request in (PlanRequest("establish", NAME), PlanRequest("backup", NAME, post_policy=PostPolicy.UP)):
        plan = taken.plan(request)
        assert (plan.confirm, plan.summary[0].startswith("OVERWRITES what")) == (NAME, True)
    assert run(taken.engine, PlanRequest("backup", NAME, post_policy=PostPolicy.UP)) is Outcome.OK
    assert measured(taken).taken_over == ""
    assert taken.plan(PlanRequest("split", NAME)).confirm == ""
