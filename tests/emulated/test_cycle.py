"""Every family of the embedded estate through a whole backup, over real SSH: equal files at source, target and archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.events import Outcome, SetMeasured
from core.facade import PlanRequest
from core.settings import PostPolicy
from hostdrivers.emulated.witness import Witness, newest_archive
from tests.emulated.bench import NAMES, Bench, bench


def source_files(made: Bench, name: str) -> dict[str, str]:
    """Every file of the set's filesystems, by path on the source."""
    family = made.family(name)
    points = sorted(p for p, m in family.source.mounts.items())
    return {p + path: digest for p in points for path, digest in made.files(family.source, p).items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_backup_of_every_family_is_equal_at_source_target_and_archive_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    with bench(tmp_path, (name,)) as made:
        family = made.family(name)
        before = source_files(made, name)
        assert len(before) > 10
        on_target: dict[str, str] = {}
        plan = made.plan(PlanRequest("backup", name))
        assert [s.id for s in plan.steps if not s.id.startswith("undo-lock-")][-1] == "await-established"
        end = made.run(PlanRequest("backup", name))
        assert (end.outcome, end.exit_code) == (Outcome.OK, 0), end.message
        (record,) = made.engine.backups(name).result()
        assert record.verified_at is not None
        assert record.files == len(before)
        count = made.engine.restore_files(name, record.id, "/var/tmp/restored").result()
        on_target = made.files(family.target, "/var/tmp/restored")
        assert (count, on_target) == (len(before), before)
        assert family.target.mounts == {}
        assert not [s for s in family.target.slots if family.target.knows(s)]
        made.engine.drain()
        made.engine.measure_set(name).result()
        (measured,) = (e for e in made.engine.drain() if isinstance(e, SetMeasured))
        assert measured.drift is not None
        assert measured.drift.told.startswith("as the map of ")
        assert all(made.estate.array.word(s, b) == "Synchronized" for s, b in family.pairs)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_mounted_on_the_target_and_in_the_archive_is_the_source_at_the_split(tmp_path: Path, name: str) -> None:
    with bench(tmp_path, (name,)) as made:
        family = made.family(name)
        before = source_files(made, name)
        witness = Witness(family)
        assert made.run(PlanRequest("backup", name)).exit_code == 0
        archive = newest_archive(made.estate.vault, "/backup", name)
        assert witness.source == witness.target == archive == before
        assert witness.report(archive).startswith("EQUAL")
        path = next(iter(before))
        assert witness.report({**archive, path: "0"}).endswith(f"they differ in: {path}")
        assert witness.report({}).startswith("NOT EQUAL")


def test_a_second_backup_of_mirrors_that_were_left_down_takes_the_same_point_in_time(tmp_path: Path) -> None:
    for name in NAMES:
        with bench(tmp_path / name, (name,)) as made:
            family = made.family(name)
            assert made.run(PlanRequest("backup", name, post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0
            point = sorted(family.source.mounts)[0]
            made.running.do(lambda f=family, p=point: f.source.write_file(f"{p}/later", b"after the split"))  # type: ignore[misc]
            end = made.run(PlanRequest("backup", name, post_policy=PostPolicy.LEAVE_DOWN))
            assert end.exit_code == 0, f"{name}: {end.message}"
            first, second = made.engine.backups(name).result()
            assert (first.split_id, first.files, first.bytes) == (second.split_id, second.files, second.bytes)


def test_all_sets_are_measured_at_once_and_every_pair_is_told(tmp_path: Path) -> None:
    with bench(tmp_path) as made:
        for future in [made.engine.measure_set(name) for name in NAMES]:
            future.result()
        seen = [e for e in made.engine.drain() if isinstance(e, SetMeasured)]
        assert {e.set_name: dict(e.estate.errors) for e in seen} == {name: {} for name in NAMES}
        assert {e.set_name: len(e.estate.pairs) for e in seen} == {name: len(made.family(name).pairs) for name in NAMES}
