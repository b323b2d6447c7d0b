"""Before and after an overwrite: today's state is kept first, so that it can be undone; and what came back is compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from core.compare import places
from core.errors import Refused
from core.facade import PlanRequest
from core.hosts import BLOCK
from core.settings import PostPolicy
from hostdrivers.emulated.array import TRACK, TRACKS_PER_CYLINDER, Array
from hostdrivers.emulated.estate import Builder, Family
from hostdrivers.emulated.families import FAMILIES
from hostdrivers.emulated.machine import Slot
from tests.emulated.bench import Bench, bench
from tests.emulated.test_moments import damage, source_files, states


def two_mirrors(build: Builder) -> Builder:
    """The family with a second BCV for each standard, never established."""

    def made(array: Array) -> Family:
        family = build(array)
        more = []
        for number, (std, _) in enumerate(family.pairs):
            extra = array.add_device(f"{0xF00 + number:03X}", std.size // (TRACKS_PER_CYLINDER * TRACK), True)
            family.target.slots.append(Slot(extra, seen=False))
            more.append((std, extra))
        return replace(family, pairs=(*family.pairs, *more))

    made.__name__ = build.__name__
    return made


@pytest.fixture(params=FAMILIES, ids=lambda build: build.__name__)
def night(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Bench, Family]]:
    """One family with two mirrors; the first holds a point in time, and the source ran on since."""
    with bench(tmp_path, builders=(two_mirrors(request.param),)) as made:
        (name,) = made.engine.settings.sets
        end = made.run(PlanRequest("backup", name, post_policy=PostPolicy.LEAVE_DOWN))
        assert end.exit_code == 0, end.message
        yield made, made.family(name)


def run(made: Bench, request: PlanRequest) -> tuple[int, str]:
    end = made.finish(made.engine.start(made.plan(request), confirmed=request.set_name).result())
    return end.exit_code, end.message


@pytest.mark.parametrize("way", ["mirror", "backup"])
def test_a_wrong_restore_is_undone_from_what_was_kept_before_it(night: tuple[Bench, Family], way: str) -> None:
    made, family = night
    name, then = family.set_name, source_files(made, family)
    damage(made, family)
    today = source_files(made, family)
    request = PlanRequest("restore", name, safety=way)
    conditions = {c.code: c.verdict.value for c in made.engine.conditions(request).result()}
    assert conditions["SAFETY_COPY"] == "met"
    assert any("FIRST today's" in line for line in made.plan(request).summary)
    assert run(made, request) == (0, "done")
    assert source_files(made, family) == then
    assert set(states(made, family)[: len(then)]) <= {"Split", "NeverEstab"}
    if way == "mirror":
        assert run(made, PlanRequest("restore", name, mirror=2)) == (0, "done")
    else:
        newest = made.engine.backups(name).result()[0]
        assert newest.verified_at is not None
        assert run(made, PlanRequest("restore", name, backup=newest.id)) == (0, "done")
    now = source_files(made, family)
    assert {path: now[path] for path in today} == today


def test_a_safety_copy_that_cannot_be_made_refuses_the_restore(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        assert made.run(PlanRequest("backup", "linux-web", post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0
        before = states(made, made.family("linux-web"))
        with pytest.raises(Refused, match=r"SAFETY_COPY .*no other mirror"):
            made.plan(PlanRequest("restore", "linux-web", safety="mirror"))
        with pytest.raises(Refused, match="one of mirror, backup"):
            made.plan(PlanRequest("restore", "linux-web", safety="prayer"))
        assert states(made, made.family("linux-web")) == before


def test_a_standard_that_is_not_what_its_bcv_holds_is_found_and_the_source_is_not_started(night: tuple[Bench, Family]) -> None:
    made, family = night
    plan = made.plan(PlanRequest("restore", family.set_name, compare="all"))
    number = made.engine.start(plan, stepwise=True, confirmed=family.set_name).result()
    made.go(number, "compare")
    std = family.pairs[-1][0] if family.pairs[-1][1].number < "F00" else family.pairs[0][0]

    def spoil() -> None:
        middle = std.size // 2
        std.write(middle, bytes(byte ^ 0xFF for byte in std.read(middle, 16)))

    made.running.do(spoil)
    made.engine.proceed(number, to_end=True)
    end = made.finish(number)
    assert end.exit_code != 0
    assert f"{std.serial} is not what" in end.message
    assert family.source.mounts == {}


def test_a_restore_can_go_without_a_comparison(night: tuple[Bench, Family]) -> None:
    made, family = night
    assert "compare" in [s.id for s in made.plan(PlanRequest("restore", family.set_name)).steps]
    assert "compare" not in [s.id for s in made.plan(PlanRequest("restore", family.set_name, compare="none")).steps]


def test_a_sample_has_the_first_and_the_last_blocks_and_repeats_with_its_seed() -> None:
    size = 4000 * BLOCK
    sample = places(size, whole=False, seed="a")
    assert sample[0][0] == 0
    assert sum(sample[-1]) == 4000
    assert all(first + count <= then for (first, count), (then, _) in pairwise(sample))
    assert sample == places(size, whole=False, seed="a") != places(size, whole=False, seed="b")
    assert places(size, whole=True, seed="a")[-1] == (3968, 32)
    assert places(BLOCK * 3 + 1, whole=False, seed="a") == ((0, 4),)
