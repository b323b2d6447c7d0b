"""Restore from a backup on every family: onto the source's filesystems, whole and by paths, and through the BCVs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import Refused
from core.facade import PlanRequest
from hostdrivers.emulated.estate import Family
from tests.emulated.bench import NAMES, Bench, bench
from tests.emulated.test_moments import damage, source_files

DIRECTORY = "directory"  # with a file in it, on every filesystem


@pytest.fixture(params=NAMES)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Bench, Family, str]]:
    """An estate of one family with a backup of this night, its mirrors up again and the source running on."""
    with bench(tmp_path, (request.param,)) as made:
        source = made.family(request.param).source

        def write() -> None:
            for point in source.mounts:
                source.write_file(f"{point}/{DIRECTORY}/file", b"in a directory")

        made.running.do(write)
        end = made.run(PlanRequest("backup", request.param))
        assert end.exit_code == 0, end.message
        yield made, made.family(request.param), made.engine.backups(request.param).result()[0].id


def restore(made: Bench, request: PlanRequest) -> tuple[int, str]:
    plan = made.plan(request)
    end = made.finish(made.engine.start(plan, confirmed=request.set_name).result())
    return end.exit_code, end.message


def test_every_file_of_the_backup_comes_back_and_no_other_is_touched(kept: tuple[Bench, Family, str]) -> None:
    made, family, backup = kept
    then = source_files(made, family)
    states = [str(made.estate.array.word(std, bcv)) for std, bcv in family.pairs]
    damage(made, family)
    request = PlanRequest("restore", family.set_name, backup=backup[:20])
    plan = made.plan(request)
    assert plan.confirm == family.set_name
    lost = len(family.source.mounts)
    assert any(f"{len(then)} files are put back; {len(then) - lost} of them are there now" in line for line in plan.summary)
    assert any(f"{lost} files that the backup does not have stay" in line for line in plan.summary)
    assert restore(made, request) == (0, "done")
    now = source_files(made, family)
    assert {path: now.get(path) for path in then} == then
    assert {path.rsplit("/", 1)[1] for path in now.keys() - then.keys()} == {"new"}
    assert [str(made.estate.array.word(std, bcv)) for std, bcv in family.pairs] == states


def test_only_the_path_that_was_asked_for_comes_back(kept: tuple[Bench, Family, str]) -> None:
    made, family, backup = kept
    then = source_files(made, family)
    damage(made, family)
    ruined = source_files(made, family)
    path = next(p for p in then if ruined.get(p) != then[p])
    assert restore(made, PlanRequest("restore", family.set_name, backup=backup, paths=(path,))) == (0, "done")
    assert source_files(made, family) == ruined | {path: then[path]}


def test_through_the_bcvs_the_source_is_as_in_the_backup_whole(kept: tuple[Bench, Family, str]) -> None:
    made, family, backup = kept
    then = source_files(made, family)
    damage(made, family)
    assert made.run(PlanRequest("split", family.set_name)).exit_code == 0  # the mirrors hold the damage
    assert restore(made, PlanRequest("restore", family.set_name, backup=backup, via_bcv=True)) == (0, "done")
    now = source_files(made, family)
    assert {path: now.get(path) for path in then} == then


def test_a_filesystem_that_is_not_mounted_is_refused_and_nothing_lands_below_it(kept: tuple[Bench, Family, str]) -> None:
    made, family, backup = kept
    point = max(family.source.mounts, key=len)
    plan = made.plan(PlanRequest("restore", family.set_name, backup=backup))
    made.running.do(lambda: family.source.unmount(point))
    with pytest.raises(Refused, match="MOUNTED"):
        made.plan(PlanRequest("restore", family.set_name, backup=backup))
    before = made.files(family.source, point)
    end = made.finish(made.engine.start(plan, confirmed=family.set_name).result())
    assert end.exit_code == 3
    assert "is not a mounted filesystem here; nothing was written" in end.message
    assert made.files(family.source, point) == before


@pytest.mark.parametrize("paths", [("/nowhere",), ("/etc/passwd",)])
def test_a_path_that_the_backup_does_not_have_is_refused(kept: tuple[Bench, Family, str], paths: tuple[str, ...]) -> None:
    made, family, backup = kept
    with pytest.raises(Refused, match="the backup has nothing at"):
        made.plan(PlanRequest("restore", family.set_name, backup=backup, paths=paths))


def test_a_link_in_the_place_of_a_directory_of_the_backup_is_refused_and_nothing_is_written(
    kept: tuple[Bench, Family, str],
) -> None:
    made, family, backup = kept
    tree = family.source.root
    point = max(family.source.mounts, key=len)
    name = f"{point}/{DIRECTORY}"
    request = PlanRequest("restore", family.set_name, backup=backup)
    plan = made.plan(request)

    def move() -> None:
        tree.mkdir("/moved", True)
        tree.remove(name, True)
        tree.symlink("/moved", name)
        family.source.sync()

    made.running.do(move)
    before = source_files(made, family)
    with pytest.raises(Refused, match=rf"STAYS_INSIDE .*'{name}' is a symbolic link today, and a directory in the backup"):
        made.plan(request)
    end = made.finish(made.engine.start(plan, confirmed=family.set_name).result())
    assert (end.exit_code, "is a symbolic link today" in end.message) == (3, True), end.message
    assert source_files(made, family) == before
