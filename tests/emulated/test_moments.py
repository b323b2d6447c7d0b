"""Restore, takeover and rehearsal on every family: what they bring about, and what they refuse with nothing changed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import Refused, SplitmountError
from core.events import RunEnded, SetMeasured
from core.facade import PlanRequest
from core.plan import Verdict, Weight
from core.rehearse import report
from core.settings import ApplicationSettings, PostPolicy
from hostdrivers.emulated.estate import Family
from hostdrivers.emulated.linux import Linux
from hostdrivers.emulated.witness import digests
from tests.emulated.bench import NAMES, Bench, bench


@pytest.fixture(params=NAMES)
def night(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Bench, Family]]:
    """An estate of one family whose mirrors hold a point in time, with the source running on since."""
    with bench(tmp_path, (request.param,)) as made:
        end = made.run(PlanRequest("backup", request.param, post_policy=PostPolicy.LEAVE_DOWN))
        assert end.exit_code == 0, end.message
        yield made, made.family(request.param)


def source_files(made: Bench, family: Family) -> dict[str, str]:
    """Every file of the set on its source, by path."""
    return {p + path: digest for p in sorted(family.source.mounts) for path, digest in made.files(family.source, p).items()}


def damage(made: Bench, family: Family) -> None:
    """A new file, a ruined file, a lost file, in every filesystem; all of it on the disks."""

    def act() -> None:
        for point in family.source.mounts:
            names = sorted(p for p in made_files(family, point))
            family.source.root.remove(names[0])
            family.source.write_file(names[1], b"ruined")
            family.source.write_file(f"{point}/new", b"since the split")
        family.source.sync()

    made.running.do(act)


def made_files(family: Family, point: str) -> list[str]:
    return [point + path for path in digests(family.source, point) if path.count("/") == 1]


def states(made: Bench, family: Family) -> list[str]:
    return [str(made.estate.array.word(std, bcv)) for std, bcv in family.pairs]


def images(family: Family) -> list[str]:
    """Checksums of the standards' written tracks, and which they are."""
    return [hashlib.sha256(repr(sorted(std.written)).encode() + std.stored()).hexdigest() for std, _ in family.pairs]


def confirmed(made: Bench, operation: str, name: str) -> RunEnded:
    """Plan it, and start it with the name typed."""
    plan = made.plan(PlanRequest(operation, name))
    assert plan.confirm == name
    return made.finish(made.engine.start(plan, confirmed=name).result())


def test_a_restore_brings_back_the_point_in_time_and_the_mirrors_keep_it(night: tuple[Bench, Family]) -> None:
    made, family = night
    before = source_files(made, family)
    damage(made, family)
    assert source_files(made, family) != before
    mounts = sorted(family.source.mounts)
    end = confirmed(made, "restore", family.set_name)
    assert (end.exit_code, end.message) == (0, "done")
    assert source_files(made, family) == before
    assert sorted(family.source.mounts) == mounts
    assert set(states(made, family)) == {"Split"}
    damage(made, family)
    assert confirmed(made, "restore", family.set_name).exit_code == 0, "the point in time can be restored again"
    assert source_files(made, family) == before


def test_a_restore_says_what_it_overwrites_from_the_plan_that_will_run(night: tuple[Bench, Family]) -> None:
    made, family = night
    damage(made, family)
    plan = made.plan(PlanRequest("restore", family.set_name))
    text = "\n".join(plan.summary)
    assert f"OVERWRITES {family.source.name}" in text
    for std, bcv in family.pairs:
        assert f"{bcv.serial} -> {std.serial}" in text
    assert all(point in text for point in family.source.mounts)
    assert "tracks" in text
    commits = [s.id for s in plan.steps if s.commits]
    stops = [i for i, s in enumerate(plan.steps) if s.id.startswith("stop-")]
    starts = [i for i, s in enumerate(plan.steps) if s.id.startswith("start-")]
    first = next(i for i, s in enumerate(plan.steps) if s.commits)
    assert commits
    assert max(stops) < first < min(starts)


def test_nothing_starts_without_the_name_and_yes_alone_is_refused(night: tuple[Bench, Family]) -> None:
    made, family = night
    plan = made.plan(PlanRequest("restore", family.set_name))
    for word in ("", "yes", family.set_name.upper()):
        with pytest.raises(Refused, match="name was typed"):
            made.engine.start(plan, confirmed=word).result()
    command = [sys.executable, "-m", "tui", "--config", str(made.estate.config), "run", "restore", family.set_name, "--yes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert f"--confirm {family.set_name}" in done.stderr


VIOLATIONS: dict[str, tuple[Callable[[Bench, Family], object], str]] = {
    "a volume added since": (lambda m, f: m.switch(f"volume-added@{f.source.name}"), "refused"),
    "a pair that was established again": (
        lambda m, f: _establish_again(m, f),
        "no point in time",
    ),
    "serials swapped": (lambda m, f: m.switch(f"swapped-serials@{f.target.name}"), "refused"),
    "a process in a filesystem of the source": (
        lambda m, f: f.source.faults.on.add(f"busy:{next(iter(f.source.mounts))}"),
        "UNUSED .*4711",
    ),
    "the map gone, here and on the target": (lambda m, f: _forget_maps(m, f), "no map is kept"),
    "the map tampered with": (lambda m, f: _tamper(m, f), "MAP_KEPT .*changed or cut off"),
    "the map gone here, and its copy tampered with": (lambda m, f: _tamper_copy(m, f), "MAP_KEPT .*changed or cut off"),
    "another split of one pair": (lambda m, f: _split_again(m, f), "several|not one"),
}


def _forget_maps(made: Bench, family: Family | None = None) -> None:
    """Those of the console; and of the target, where the family is given."""
    for kept in (made.estate.directory / "state" / "maps").rglob("*.*"):
        kept.unlink()
    if family is not None:
        for path in copies(made, family):
            made.running.do(lambda path=path: family.target.root.remove(path))  # type: ignore[misc]


def copies(made: Bench, family: Family) -> list[str]:
    """The maps that lie on the target."""
    top = f"/var/tmp/splitmount/maps/{family.set_name}"
    found = [top + path for path in made.files(family.target, top)]
    assert found
    return found


def _tamper(made: Bench, family: Family) -> None:
    """One mount point is another: nothing else in the file would show it."""
    path = next((made.estate.directory / "state" / "maps").rglob("*.std"))
    point = min(family.source.mounts)
    assert f"{point} " in path.read_text()
    path.write_text(path.read_text().replace(f"{point} ", f"{point[:-1]}X "))


def _tamper_copy(made: Bench, family: Family) -> None:
    copy = next(path for path in copies(made, family) if path.endswith(".std"))
    root = family.target.root
    made.running.do(lambda: root.write_file(copy, root.read_file(copy).replace(b"seqno", b"seqn0").replace(b"0 ", b"1 ", 1)))
    _forget_maps(made)


def _establish_again(made: Bench, family: Family) -> None:
    def act() -> None:
        made.estate.array.rate = 1e12
        made.estate.array.establish([family.pairs[0]], full=True)
        made.estate.array.settle()

    made.running.do(act)


def _split_again(made: Bench, family: Family) -> None:
    def act() -> None:
        array = made.estate.array
        array.rate = 1e12
        array.establish([family.pairs[0]], full=True)
        array.settle()
        now = array.now
        array.now = lambda: now() + 5
        array.split([family.pairs[0]])

    made.running.do(act)


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_precondition_that_does_not_hold_refuses_a_restore_with_nothing_changed(
    night: tuple[Bench, Family], violation: str
) -> None:
    made, family = night
    act, words = VIOLATIONS[violation]
    act(made, family)
    before, mounts, disks = states(made, family), dict(family.source.mounts), images(family)
    with pytest.raises(SplitmountError, match=words) as refusal:
        confirmed(made, "restore", family.set_name)
    assert refusal.value.exit_code == 3
    assert (states(made, family), dict(family.source.mounts), images(family)) == (before, mounts, disks)


def test_a_copy_that_is_mounted_on_the_target_refuses_a_restore(night: tuple[Bench, Family]) -> None:
    made, family = night
    plan = made.plan(PlanRequest("rehearse", family.set_name, post_policy=PostPolicy.LEAVE_DOWN))
    number = made.engine.start(plan, stepwise=True).result()
    first = next(s.id for s in plan.steps if s.id.startswith("undo-"))
    made.go(number, first)
    with pytest.raises(Refused, match="refused"):
        confirmed(made, "restore", family.set_name)
    made.engine.proceed(number, to_end=True)
    assert made.finish(number).exit_code == 0


def test_a_rehearsal_leaves_nothing_and_the_source_untouched(night: tuple[Bench, Family]) -> None:
    made, family = night
    before, disks = source_files(made, family), images(family)
    end = made.run(PlanRequest("rehearse", family.set_name))
    assert end.exit_code == 0, end.message
    assert "in service" in end.message
    assert "(RTO); data" in end.message
    made.engine.measure_set(family.set_name).result()
    (seen, *_) = [e for e in reversed(made.engine.drain()) if isinstance(e, SetMeasured)]
    assert [note.split(" on ")[0] for note in seen.notes] == ["backed up", "rehearsed"]
    assert family.target.mounts == {}
    assert (source_files(made, family), images(family)) == (before, disks)


def test_a_rehearsal_proves_the_copy_by_files_of_the_source_and_by_the_check_of_each_filesystem(
    night: tuple[Bench, Family],
) -> None:
    made, family = night
    name = family.set_name
    assert "not tested: names and mount points of the source, network addresses, checksums of files" in "\n".join(
        made.plan(PlanRequest("rehearse", name)).summary
    )
    assert made.run(PlanRequest("establish", name)).exit_code == 0
    plan = made.plan(PlanRequest("rehearse", name))
    assert any(line.startswith("tested: import, mount, the check of every filesystem, checksums") for line in plan.summary)
    checks = [s for s in plan.steps if s.id.startswith("fsck-")]
    assert len(checks) == (2 if family.source.os == "linux" else 0)  # elsewhere each is checked before its mount
    end = made.finish(made.engine.start(plan).result())
    assert end.exit_code == 0, end.message
    found = made.steps(end.run)["sample-copy"].message
    assert found.endswith("files of the copy are as on the source")
    assert int(found.split()[0]) == min(40, len(source_files(made, family)))
    assert end.message.endswith(f"; {found}")
    tested, *_ = report(plan.summary, found)
    assert tested.startswith(f"tested: import, mount, the check of every filesystem, checksums ({found})")
    assert "up to 40" in "\n".join((*plan.summary, *(s.title for s in plan.steps)))


def test_a_copy_that_is_not_what_the_source_was_ends_the_rehearsal_and_is_cleaned_up(night: tuple[Bench, Family]) -> None:
    made, family = night
    name = family.set_name
    assert made.run(PlanRequest("establish", name)).exit_code == 0
    plan = made.plan(PlanRequest("rehearse", name, post_policy=PostPolicy.LEAVE_DOWN))
    number = made.engine.start(plan, stepwise=True).result()
    made.go(number, "sample-copy")

    def spoil() -> None:
        for point in list(family.target.mounts):
            for path in digests(family.target, point):
                family.target.root.write_file(point + path, b"spoilt")

    made.running.do(spoil)
    made.engine.proceed(number, to_end=True)
    end = made.finish(number)
    assert end.exit_code == 4
    assert "the copy is not what the source was" in end.message
    assert family.target.mounts == {}


def test_an_application_is_tried_on_the_copy_by_its_own_command(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        for command, code in (("ls $PREFIX/srv/web > /dev/null", 0), ("ls $PREFIX/nowhere", 4)):
            made.engine.close()
            made.engine = made.another_engine(application=ApplicationSettings("shop", rehearse=command))
            plan = made.plan(PlanRequest("rehearse", "linux-web"))
            assert any("shop" in line for line in plan.summary if line.startswith("tested:"))
            assert made.finish(made.engine.start(plan).result()).exit_code == code


def test_a_dead_source_is_taken_over_from_the_kept_map_under_its_own_names(night: tuple[Bench, Family]) -> None:
    made, family = night
    before = source_files(made, family)
    mounts = sorted(family.source.mounts)
    made.switch(f"host-lost@{family.source.name}")
    plan = made.plan(PlanRequest("takeover", family.set_name))
    assert "does not answer" in "\n".join(plan.summary)
    end = confirmed(made, "takeover", family.set_name)
    assert end.exit_code == 0, end.message
    assert "(RTO); data" in end.message
    assert sorted(family.target.mounts) == mounts
    assert not any(m.read_only for m in family.target.mounts.values())
    there = {p + path: d for p in mounts for path, d in made.files(family.target, p).items()}
    assert there == before


def test_a_takeover_from_a_source_that_lives_and_works_is_refused(night: tuple[Bench, Family]) -> None:
    made, family = night
    with pytest.raises(Refused, match="is alive and uses"):
        confirmed(made, "takeover", family.set_name)
    assert family.target.mounts == {}


def test_a_takeover_without_any_kept_map_is_refused(night: tuple[Bench, Family]) -> None:
    made, family = night
    _forget_maps(made, family)
    made.switch(f"host-lost@{family.source.name}")
    with pytest.raises(Refused, match="no map of"):
        confirmed(made, "takeover", family.set_name)


def test_a_console_without_maps_takes_over_by_the_copy_on_the_target_and_says_so(night: tuple[Bench, Family]) -> None:
    made, family = night
    before, mounts = source_files(made, family), sorted(family.source.mounts)
    _forget_maps(made)
    made.switch(f"host-lost@{family.source.name}")
    plan = made.plan(PlanRequest("takeover", family.set_name))
    (copy,) = [c for c in plan.conditions if c.code == "MAP_KEPT"]
    assert copy.where in {f"{family.target.name}:{path}" for path in copies(made, family)}
    assert "old, and" in copy.sentence
    assert f"that map is the copy on {copy.where}" in "\n".join(plan.summary)
    assert [c.verdict for c in plan.conditions if c.code == "NOT_MEASURED"] == [Verdict.UNKNOWN]
    assert confirmed(made, "takeover", family.set_name).exit_code == 0
    assert {p + path: d for p in mounts for path, d in made.files(family.target, p).items()} == before


def test_a_takeover_by_a_map_that_was_tampered_with_is_refused(night: tuple[Bench, Family]) -> None:
    made, family = night
    _tamper(made, family)
    made.switch(f"host-lost@{family.source.name}")
    with pytest.raises(Refused, match=r"MAP_KEPT .*changed or cut off") as refusal:
        confirmed(made, "takeover", family.set_name)
    assert (refusal.value.exit_code, family.target.mounts) == (3, {})


def test_a_volume_made_since_on_the_same_devices_refuses_a_restore(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        assert made.run(PlanRequest("rehearse", "linux-web", post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0
        family = made.family("linux-web")
        assert isinstance(family.source, Linux)
        made.running.do(lambda: family.source.create_volume("web-data", "since", "ext4", 1))  # type: ignore[attr-defined]
        before = images(family)
        with pytest.raises(Refused, match=r"SAME_LAYOUT webprod: .*volume since was not there then"):
            made.plan(PlanRequest("restore", "linux-web"))
        assert images(family) == before
        stands = {c.code: (c.verdict, c.weight) for c in made.engine.conditions(PlanRequest("restore", "linux-web")).result()}
        assert stands["SAME_LAYOUT"] == (Verdict.NOT_MET, Weight.MANDATORY)
        assert stands["UNMOUNTED"] == (Verdict.PLANNED, Weight.MANDATORY)
        with pytest.raises(Refused, match="SAME_LAYOUT"):
            made.plan(PlanRequest("restore", "linux-web", overrides={"SAME_LAYOUT": "I know better"}))


def test_a_living_source_is_taken_over_only_when_idle_and_with_a_reason_that_is_kept(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        assert made.run(PlanRequest("rehearse", "linux-web", post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0
        family = made.family("linux-web")
        reason = {"SOURCE_ALIVE": "the site is being moved"}
        with pytest.raises(Refused, match="RELEASED webprod: it is alive and uses its data"):
            made.plan(PlanRequest("takeover", "linux-web", overrides=reason))
        for point in ("/srv/web/logs", "/srv/web"):
            made.running.do(lambda p=point: family.source.unmount(p))  # type: ignore[misc]
        with pytest.raises(Refused, match="SOURCE_ALIVE"):
            made.plan(PlanRequest("takeover", "linux-web"))
        plan = made.plan(PlanRequest("takeover", "linux-web", overrides=reason))
        assert any("the site is being moved" in line for line in plan.summary)
        end = made.finish(made.engine.start(plan, confirmed="linux-web").result())
        assert end.exit_code == 0, end.message
        assert sorted(family.target.mounts) == ["/srv/web", "/srv/web/logs"]
