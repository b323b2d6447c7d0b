"""Runs that their console left, sets that somebody claims: found, taken up, taken back, refused. All over real SSH."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.alive import AliveMarks
from core.engine import Engine
from core.errors import ConfigError, Refused, SplitmountError
from core.events import Outcome, SetMeasured
from core.facade import PlanRequest
from core.locks import Claims
from core.settings import PostPolicy
from tests.emulated.bench import Bench
from tests.emulated.consoles import console, races
from tests.emulated.crashes import (
    Cell,
    Fate,
    Point,
    Way,
    bury,
    doomed_engine,
    finished,
    operations,
    play,
    untouched,
    wait_until,
)
from tests.emulated.scenes import differences, scene, seen_from

NAME = "linux-web"


def run(engine: Engine, request: PlanRequest) -> Outcome:
    """Plan and run; how it ended."""
    plan = engine.plan(request).result()
    return finished(engine, engine.start(plan, confirmed=plan.confirm).result()).outcome


def die_at(made: Bench, step: str, point: Point, request: PlanRequest | None = None) -> int:
    """Let a console begin a run and die there; the run's number."""
    fate = Fate(step, point, kill=True)
    engine, _ = doomed_engine(made, fate)
    plan = engine.plan(request or PlanRequest("backup", NAME, post_policy=PostPolicy.UP)).result()
    number = engine.start(plan, confirmed=plan.confirm).result()
    wait_until(lambda: fate.fired or not engine.running())
    assert fate.fired, "the run ended before its console died"
    bury(engine, fate)
    return number


# A few cells of the matrix, of every operation and family: the rest is `make crash-matrix`.
_CELLS = (
    ("linux-web", "backup", "lock-webdr", Point.DURING, Way.UNDO),
    ("linux-web", "backup", "split", Point.AFTER_INTENT, Way.RESUME),
    ("linux-web", "backup", "split", Point.AFTER_END, Way.UNDO),
    ("linux-web", "backup", "import-web-data", Point.DURING, Way.RESUME),
    ("linux-web", "backup", "backup", Point.DURING, Way.RESUME),
    ("linux-web", "backup", "backup", Point.DURING, Way.UNDO),
    ("aix-ledger", "backup", "freeze", Point.AFTER_END, Way.RESUME),
    ("solaris-mail", "rehearse", "undo-ready", Point.BEFORE_OUTCOME, Way.UNDO),
    ("hpux-orders", "restore", "restore", Point.AFTER_END, Way.RESUME),
    ("linux-web", "establish", "establish", Point.DURING, Way.RESUME),
    ("linux-web", "split", "split", Point.DURING, Way.DROP),
    ("linux-web", "takeover", "table-web-data", Point.BEFORE_OUTCOME, Way.UNDO),
)


@pytest.mark.parametrize("cell", _CELLS, ids=lambda cell: "-".join(str(part) for part in cell).replace(" ", "_"))
def test_whatever_a_console_leaves_is_taken_up_or_taken_back(tmp_path: Path, cell: tuple[str, str, str, Point, Way]) -> None:
    family, name, step, point, way = cell
    operation = next(o for o in operations(family) if o.name == name)
    known = untouched(tmp_path / "untouched", family, operation)
    assert (step, point) in known.met
    played = play(tmp_path / "played", operation, Cell(family, name, step, point, way), known.after)
    assert played.fired
    assert played.wrong == []


def test_while_a_run_has_no_end_no_other_of_its_set_begins(web: Bench) -> None:
    number = die_at(web, "attach", Point.AFTER_INTENT)
    with pytest.raises(Refused, match=f"RUN_WITHOUT_END.*splitmount recover {number}"):
        web.plan(PlanRequest("backup", NAME))
    (account,) = web.engine.unfinished().result()
    assert (account.run, account.set_name, account.operation, account.alive) == (number, NAME, "backup", False)
    assert any("was never begun on the host" in line for line in account.known)
    assert any("split" in line for line in account.known)
    assert (account.resume, account.undo) == ("", "")


def test_the_commands_that_take_a_run_back_can_be_done_by_hand(web: Bench) -> None:
    number = die_at(web, "backup", Point.AFTER_INTENT)
    text = "\n".join(web.engine.account(number).result().by_hand)
    assert "@{" not in text
    assert text.index("umount") < text.index("vgchange")
    web.engine.give_up(number, "the storage team does it", NAME).result()
    assert web.engine.unfinished().result() == ()


def test_a_run_is_given_up_only_with_a_reason_and_the_sets_name(web: Bench) -> None:
    number = die_at(web, "attach", Point.AFTER_INTENT)
    for reason, name in (("", NAME), ("because", ""), ("because", "linux")):
        with pytest.raises(Refused, match="typed"):
            web.engine.give_up(number, reason, name).result()
    assert len(web.engine.unfinished().result()) == 1


def test_another_console_goes_on_with_an_exported_run(web: Bench, tmp_path: Path) -> None:
    with console(web, tmp_path / "other") as other:
        for _ in range(3):  # so that its numbers are not those of the first console
            assert run(other, PlanRequest("map", NAME)) is Outcome.OK
        number = die_at(web, "mount-web-data-site", Point.DURING)
        text = web.engine.export_run(number).result()
        taken = other.import_run(text).result()
        with pytest.raises(ConfigError, match="knows the run"):
            other.import_run(text).result()
        with pytest.raises(ConfigError, match="checksum differs"):
            other.import_run(text.replace("linux-web", "linux-wxb", 1)).result()
        assert finished(other, other.resume(taken).result()).outcome is Outcome.OK
    assert web.family(NAME).target.mounts == {}


@pytest.mark.parametrize(("step", "way"), [("activate-web-data", "resume"), ("backup", "undo"), ("await-split", "resume")])
def test_a_lost_journal_is_rebuilt_from_what_the_run_left_on_its_target(
    web: Bench, tmp_path: Path, step: str, way: str
) -> None:
    family = web.family(NAME)
    before = scene(web, family)
    die_at(web, step, Point.AFTER_INTENT)
    with console(web, tmp_path / "other") as other:
        assert other.unfinished().result() == ()
        (number,) = other.rebuild_runs(NAME).result()
        (account,) = other.unfinished().result()
        assert account.run == number
        if way == "resume":
            assert finished(other, other.resume(number).result()).outcome is Outcome.OK
        else:
            assert run(other, PlanRequest("undo", NAME, run=number)) is Outcome.OK
        assert other.unfinished().result() == ()
        other.rebuild_runs(NAME).result()  # the run before it, which ended
        assert other.unfinished().result() == ()
        with pytest.raises(Refused, match="does not know"):
            other.rebuild_runs(NAME).result()
    seen = replace(seen_from(before, scene(web, family)), copies=0)
    assert differences(seen, seen_from(before, before)) == []
    assert web.estate.array.done["split"] == 1


def test_of_two_consoles_at_the_same_instant_exactly_one_runs(tmp_path: Path) -> None:
    turns = races(tmp_path, 6)  # fifty by `make two-consoles`
    assert all(turn.as_promised for turn in turns), turns
    assert any(turn.by_the_lock for turn in turns)


def test_a_hold_refuses_every_change_from_every_console_until_it_is_ended(web: Bench, tmp_path: Path) -> None:
    ready = web.plan(PlanRequest("backup", NAME))  # made before the hold: the hold is found in the shell of the lock
    with console(web, tmp_path / "other") as other:
        assert run(other, PlanRequest("hold", NAME, until="8h", reason="the array is being moved")) is Outcome.OK
    with pytest.raises(Refused, match=r"HELD.*the array is being moved"):
        web.plan(PlanRequest("backup", NAME))
    end = web.finish(web.engine.start(ready).result())
    assert (end.outcome, end.exit_code) == (Outcome.REFUSED, 3)
    assert "on hold until" in end.message
    web.engine.measure_set(NAME).result()
    told = [e for e in web.engine.drain() if isinstance(e, SetMeasured)][-1]
    assert any(f.code == "HELD" for f in told.findings)
    assert run(web.engine, PlanRequest("let-go", NAME)) is Outcome.OK
    assert run(web.engine, PlanRequest("backup", NAME)) is Outcome.OK


def test_a_hold_needs_a_reason_and_a_time_to_come(web: Bench) -> None:
    for until, reason in (("8h", " "), ("2020-01-01T00:00", "late"), ("soon", "late"), ("8h", "two\nlines")):
        with pytest.raises(Refused):
            web.plan(PlanRequest("hold", NAME, until=until, reason=reason))


def test_the_lock_of_a_dead_console_is_told_and_taken_only_by_its_typed_name(web: Bench, tmp_path: Path) -> None:
    number = die_at(web, "split", Point.AFTER_INTENT)
    with console(web, tmp_path / "other") as other:
        with pytest.raises(Refused, match=r"LOCKED.*none of its jobs is running"):
            other.plan(PlanRequest("backup", NAME)).result()
        plan = other.plan(PlanRequest("unlock", NAME)).result()
        assert plan.confirm == NAME
        with pytest.raises(Refused, match="typed"):
            other.start(plan).result()
        assert finished(other, other.start(plan, confirmed=NAME).result()).outcome is Outcome.OK
        assert run(other, PlanRequest("backup", NAME, post_policy=PostPolicy.UP)) is Outcome.OK
    end = finished(web.engine, web.engine.resume(number).result())
    assert end.outcome is Outcome.OK, end.message
    assert web.estate.array.done["split"] == 2  # one of each run, none of them twice


def test_a_run_whose_mirrors_were_changed_since_is_not_resumed(web: Bench, tmp_path: Path) -> None:
    number = die_at(web, "attach", Point.AFTER_INTENT)
    with console(web, tmp_path / "other") as other:
        assert run(other, PlanRequest("unlock", NAME)) is Outcome.OK
        assert run(other, PlanRequest("establish", NAME)) is Outcome.OK
    with pytest.raises(Refused, match="do not hold the split of this run any more"):
        web.engine.resume(number).result()
    assert "do not hold the split" in web.engine.account(number).result().resume


def test_a_restore_that_has_begun_can_be_resumed_and_not_taken_back(web: Bench) -> None:
    assert web.run(PlanRequest("backup", NAME, post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0
    number = die_at(web, "await-restored", Point.AFTER_INTENT, PlanRequest("restore", NAME))
    with pytest.raises(Refused, match=r"cannot be taken back.*--resume"):
        web.plan(PlanRequest("undo", NAME, run=number))
    assert finished(web.engine, web.engine.resume(number).result()).outcome is Outcome.OK


def test_taking_back_can_keep_the_point_in_time_of_the_mirrors(web: Bench) -> None:
    number = die_at(web, "backup", Point.AFTER_INTENT)
    assert run(web.engine, PlanRequest("undo", NAME, run=number, leave_mirrors=True)) is Outcome.OK
    statuses = [str(web.estate.array.word(std, bcv)) for std, bcv in web.family(NAME).pairs]
    assert statuses == ["Split"] * len(statuses)


def test_an_unfinished_run_is_not_touched_by_a_read_only_console(web: Bench) -> None:
    number = die_at(web, "attach", Point.AFTER_INTENT)
    engine = web.another_engine(read_only=True)
    try:
        assert engine.unfinished().result()[0].run == number
        with pytest.raises(SplitmountError, match="read-only"):
            engine.resume(number).result()
    finally:
        engine.close()


async def _nobody(settings: object) -> tuple[Claims, str]:
    return Claims(), ""


def test_a_resume_under_a_hold_touches_nothing_and_the_run_stays_without_an_end(
    web: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = die_at(web, "backup", Point.AFTER_INTENT)
    mounts = dict(web.family(NAME).target.mounts)
    assert mounts
    with console(web, tmp_path / "other") as other:
        assert run(other, PlanRequest("hold", NAME, until="8h", reason="the array is being moved")) is Outcome.OK
    with pytest.raises(Refused, match="the array is being moved"):
        web.engine.resume(number).result()
    with monkeypatch.context() as late:  # a hold that comes between the look and the lock
        late.setattr(web.engine._recovery, "claims", _nobody)
        end = finished(web.engine, web.engine.resume(number).result())
    assert (end.outcome, end.exit_code) == (Outcome.REFUSED, 3)
    assert dict(web.family(NAME).target.mounts) == mounts
    assert [a.run for a in web.engine.unfinished().result()] == [number]
    assert run(web.engine, PlanRequest("let-go", NAME)) is Outcome.OK
    assert finished(web.engine, web.engine.resume(number).result()).outcome is Outcome.OK


def test_a_lock_that_cannot_be_given_back_does_not_undo_a_takeover(web: Bench) -> None:
    assert web.run(PlanRequest("backup", NAME, post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0
    family = web.family(NAME)
    web.switch(f"host-lost@{family.source.name}")
    plan = web.plan(PlanRequest("takeover", NAME))
    number = web.engine.start(plan, stepwise=True, confirmed=NAME).result()
    web.go(number, [s.id for s in plan.steps if not s.id.startswith("undo-lock-")][-1])
    owner = b"key another\noperator x\nconsole y\nat 2026-11-25T00:00:00Z\n"
    web.running.do(lambda: family.target.root.write_file(f"/var/tmp/splitmount/locks/{NAME}/owner", owner))
    web.engine.proceed(number, to_end=True)
    end = web.finish(number)
    assert (end.outcome, end.exit_code) == (Outcome.ATTENTION, 5), end.message
    assert sorted(family.target.mounts) == ["/srv/web", "/srv/web/logs"]


def test_a_run_of_another_process_of_this_console_is_neither_cleaned_up_nor_taken_back(web: Bench) -> None:
    number = die_at(web, "backup", Point.AFTER_INTENT)
    cleanup, undo = web.plan(PlanRequest("cleanup", NAME)), web.plan(PlanRequest("undo", NAME, run=number))
    other = AliveMarks(web.engine.settings.state_dir / "alive")
    assert other.take(number)
    for plan in (cleanup, undo):
        with pytest.raises(Refused, match="is under way"):
            web.engine.start(plan, confirmed=plan.confirm).result()
    other.give(number)
    assert all(step.undo is None for step in undo.steps if step.id.startswith("lock-"))


def test_a_restore_that_has_begun_is_not_cleaned_up_nor_taken_back_from_a_rebuilt_journal(web: Bench, tmp_path: Path) -> None:
    assert web.run(PlanRequest("backup", NAME, post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0
    die_at(web, "await-restored", Point.AFTER_INTENT, PlanRequest("restore", NAME))
    with pytest.raises(Refused, match="--resume"):
        web.plan(PlanRequest("cleanup", NAME))
    with console(web, tmp_path / "other") as other:
        (number,) = other.rebuild_runs(NAME).result()
        for operation in ("undo", "cleanup"):
            with pytest.raises(Refused, match="--resume"):
                other.plan(PlanRequest(operation, NAME, run=number)).result()


def test_a_rebuilt_run_whose_cleanup_had_begun_is_never_called_a_backup(web: Bench, tmp_path: Path) -> None:
    die_at(web, "undo-activate-web-data", Point.AFTER_END)
    with console(web, tmp_path / "other") as other:
        (number,) = other.rebuild_runs(NAME).result()
        end = finished(other, other.resume(number).result())
        assert (end.outcome, end.exit_code) == (Outcome.FAILED, 4)
        assert "nothing on the target tells how this ended" in end.message
    assert web.family(NAME).target.mounts == {}


@pytest.mark.parametrize(
    ("operation", "stops", "outcome"),
    [("split", "keep-map", Outcome.UNKNOWN), ("takeover", "mount-web-data-site", Outcome.UNDONE)],
)
def test_a_run_that_was_stopped_is_not_rebuilt_as_one_that_ended_well(
    web: Bench, tmp_path: Path, operation: str, stops: str, outcome: Outcome
) -> None:
    if operation == "takeover":
        assert web.run(PlanRequest("backup", NAME, post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0
        web.switch(f"host-lost@{web.family(NAME).source.name}")
    plan = web.plan(PlanRequest(operation, NAME))
    number = web.engine.start(plan, stepwise=True, confirmed=plan.confirm).result()
    web.go(number, stops)
    web.engine.stop_after_step(number)
    assert web.finish(number).outcome is not Outcome.OK
    with console(web, tmp_path / "other") as other:
        (_,) = other.rebuild_runs(NAME).result()
        row = other.history().result()[0]
        assert (row.operation, row.outcome) == (operation, outcome), row.message
