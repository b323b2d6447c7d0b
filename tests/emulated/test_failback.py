"""The way back after a takeover, on every family: what the target wrote is on the source, and the target is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import Refused
from core.facade import PlanRequest
from core.settings import PostPolicy
from hostdrivers.emulated.estate import Family
from tests.emulated.bench import NAMES, Bench, bench
from tests.emulated.crashes import Point, finished
from tests.emulated.test_moments import confirmed, source_files
from tests.emulated.test_survive import die_at


@pytest.fixture(params=NAMES)
def taken(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Bench, Family]]:
    """A set whose source was lost, taken over, and came back with its old data; the target has worked since."""
    with bench(tmp_path, (request.param,)) as made:
        assert made.run(PlanRequest("rehearse", request.param, post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0
        family = made.family(request.param)
        made.switch(f"host-lost@{family.source.name}")
        end = confirmed(made, "takeover", request.param)
        assert end.exit_code == 0, end.message

        def work() -> None:
            for point in family.target.mounts:
                family.target.write_file(f"{point}/served", b"by the target")
            family.target.sync()

        made.running.do(work)
        made.switch(f"host-lost@{family.source.name}")
        yield made, family


def test_the_source_takes_up_again_with_what_the_target_wrote(taken: tuple[Bench, Family]) -> None:
    made, family = taken
    points = sorted(family.source.mounts)
    there = {p + path: digest for p in points for path, digest in made.files(family.target, p).items()}
    assert sum(path.endswith("/served") for path in there) == len(points)
    told = "\n".join(made.plan(PlanRequest("failback", family.set_name)).summary)
    assert f"OVERWRITES {family.source.name}: BCV -> STD, with what {family.target.name} holds now" in told
    assert "with the state of" not in told
    end = confirmed(made, "failback", family.set_name)
    assert end.exit_code == 0, end.message
    assert family.target.mounts == {}
    assert sorted(family.source.mounts) == points
    assert source_files(made, family) == there
    again = made.plan(PlanRequest("failback", family.set_name))  # nothing is left to take down: it may be begun again
    assert any("holds nothing of it any more" in line for line in again.summary)
    assert made.run(PlanRequest("backup", family.set_name, post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0


def test_a_failback_without_a_takeover_is_refused(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made, pytest.raises(Refused, match="knows no takeover"):
        made.plan(PlanRequest("failback", "linux-web"))


def test_a_failback_that_died_before_it_took_anything_down_is_taken_back_and_later_only_resumed(
    taken: tuple[Bench, Family],
) -> None:
    made, family = taken
    points = dict(family.target.mounts)
    request = PlanRequest("failback", family.set_name)
    down = next(s.id for s in made.plan(request).steps if s.undoes.startswith("mount-"))
    first = die_at(made, "deposit-plan", Point.AFTER_INTENT, request)
    undo = made.run(PlanRequest("undo", family.set_name, run=first))
    assert undo.exit_code == 0, undo.message
    assert family.target.mounts == points
    second = die_at(made, down, Point.BEFORE_OUTCOME, request)
    assert family.target.mounts != points
    for operation in ("undo", "cleanup"):
        with pytest.raises(
            Refused, match=f"run {second} has begun to take down .*resume it: splitmount recover {second} --resume"
        ):
            made.plan(PlanRequest(operation, family.set_name, run=second if operation == "undo" else 0))
    assert "does not bring it up again" in made.engine.unfinished().result()[0].undo
    end = finished(made.engine, made.engine.resume(second, confirmed=family.set_name).result())
    assert end.exit_code == 0, end.message
    assert family.target.mounts == {}


def test_a_failback_that_died_half_way_and_whose_source_is_lost_again_ends_in_another_takeover(
    taken: tuple[Bench, Family],
) -> None:
    made, family = taken
    name, points = family.set_name, dict(family.target.mounts)
    there = {p + path: digest for p in points for path, digest in made.files(family.target, p).items()}
    request = PlanRequest("failback", name)
    down = next(s.id for s in made.plan(request).steps if s.undoes.startswith("mount-"))
    run = die_at(made, down, Point.BEFORE_OUTCOME, request)
    made.switch(f"host-lost@{family.source.name}")
    with pytest.raises(
        Refused, match=f"cannot be taken back either: .*splitmount recover {run} --give-up REASON --confirm {name}"
    ):
        made.engine.resume(run, confirmed=name).result()
    made.engine.give_up(run, "the source is lost again", name).result()
    assert made.run(PlanRequest("cleanup", name)).exit_code == 0  # the locks of the failback
    assert confirmed(made, "cleanup", name).exit_code == 0  # what the takeover had brought up, as far as it is there
    assert family.target.mounts == {}
    end = confirmed(made, "takeover", name)
    assert end.exit_code == 0, end.message
    assert {p + path: digest for p in points for path, digest in made.files(family.target, p).items()} == there
