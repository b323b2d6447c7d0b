"""The picture of a set says of every link what was measured, and follows a run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core.events import Outcome, RunEnded, RunStarted, SetMeasured, StepEnded, StepProgress, StepStarted
from core.facade import PlanRequest
from core.model import PairState
from core.plan import Phase, Plan, StepKind
from core.settings import BackupSettings, PostPolicy
from tests.core.samples import ESTATE, NOW, SETTINGS, statuses
from tests.tui.test_screens import shows, until
from tests.tui.toyengine import toy_engine
from tui.app import Console
from tui.look import Look
from tui.picture import COLUMNS, LINKS, picture
from tui.screens.log import LogPage
from tui.screens.run import RunPage
from tui.view import RunView, ViewState, fold, fold_run

ONE = replace(SETTINGS, backup=BackupSettings("archive", "/backup"))
WIDE = sum(COLUMNS) + 4


def text(estate: object = ESTATE, run: RunView | None = None, width: int = WIDE) -> str:
    """The picture."""
    measured = SetMeasured("payroll", estate)  # type: ignore[arg-type]
    return "\n".join(row.text for row in picture(ONE, measured, run, width))


def test_the_whole_picture_of_a_sound_set() -> None:
    assert text().splitlines() == [
        "SOURCE db1                    ARRAY sym               TARGET backup1",
        "",
        "[vgdata]  512.0 MiB                                   [not imported]",
        " 7902C000  /dev/sda           =======> = established  790B4000  /dev/sdx",
        " 7902D000  /dev/sdb           =======> = established  790B5000  /dev/sdy",
        "   lvdata  /srv/data",
        "   lv-logs  /srv/data/logs ~",
        "   lvswap",
        "   lvraw",
        "",
        "[vgpart]  256.0 MiB                                   [not imported]",
        " 7902E000  /dev/sdc1          =======> = established  790B6000  /dev/sdz",
        "   pool",
        "   lvthin  /srv/part",
        "",
        "                                                         |",
        "                                                         REPOSITORY",
        "                                                         archive:/backup",
    ]


def test_each_group_has_its_own_copy_on_the_target() -> None:
    assert ESTATE.target is not None
    assert ESTATE.source is not None
    bcv = {s.pair.std: s.pair.bcv for s in ESTATE.pairs}
    copies = tuple(
        replace(g, name=f"{g.name}_b", physical=tuple(replace(p, device_serial=bcv[p.device_serial]) for p in g.physical))
        for g in ESTATE.source.groups
        if g.name in ONE.volume_groups
    )
    rows = text(replace(ESTATE, target=replace(ESTATE.target, groups=copies))).splitlines()
    assert [row.split()[-1] for row in rows if row.startswith("[vg")] == ["[vgdata_b]", "[vgpart_b]"]


def test_a_wider_terminal_gets_the_whole_words() -> None:
    assert "/srv/data/logs of today" in text(width=140)
    assert max(len(row) for row in text(width=60).splitlines()) <= WIDE


@pytest.mark.parametrize("state", PairState)
def test_every_state_has_its_link_its_mark_and_its_word(state: PairState) -> None:
    row = text(replace(ESTATE, pairs=statuses(state, state, state)), width=140).splitlines()[3]
    assert LINKS[state] in row
    assert state.value in row


def test_no_two_states_share_a_link() -> None:
    assert len(set(LINKS.values())) == len(LINKS) == len(PairState)


def test_what_was_not_measured_is_drawn_as_unknown_and_never_as_a_pair() -> None:
    dark = text(replace(ESTATE, pairs=(), errors={"pairs": "no answer"}), width=140)
    assert dark.count("==????== unknown") == 3
    assert "UNPAIRED" not in dark
    assert text(replace(ESTATE, pairs=ESTATE.pairs[1:]), width=140).count("UNPAIRED") == 1
    assert "not measured" in text(replace(ESTATE, source=None))
    assert text(replace(ESTATE, target=None), width=140).count("[not measured]") == 2


def run_at(plan: Plan, last: str, at: datetime = NOW) -> RunView:
    """A run in which every step before `last` was done, all at one time, and which is at it."""
    state = fold(ViewState(), RunStarted(7, at, plan))
    for step in plan.steps:
        state = fold(state, StepStarted(7, step.id, at))
        if step.id == last:
            break
        state = fold(state, StepEnded(7, step.id, Outcome.OK, 0.1))
    assert state.run is not None
    return state.run


async def test_the_picture_follows_a_run_from_split_to_backup_to_its_end(tmp_path: Path) -> None:
    engine, _ = toy_engine(tmp_path)
    plan = await asyncio.wrap_future(engine.plan(PlanRequest("backup", "toy", post_policy=PostPolicy.LEAVE_DOWN)))
    one = engine.settings.sets["toy"]
    await asyncio.wrap_future(engine.measure_set("toy"))
    state = ViewState()
    for event in engine.drain():
        state = fold(state, event)
    engine.close()

    def drawn(run: RunView) -> str:
        return "\n".join(row.text for row in picture(one, state.sets["toy"], run, 140))

    split = next(s.id for s in plan.steps if s.wait is not None and s.wait.states == (PairState.SPLIT,))
    backup = next(s.id for s in plan.steps if s.kind is StepKind.BACKUP)
    thaw = next(s.id for s in plan.steps if s.kind is StepKind.RELEASE)
    assert drawn(run_at(plan, split)).count(LINKS[PairState.ESTABLISHED]) == 2
    assert "FROZEN" in drawn(run_at(plan, thaw))
    at = run_at(plan, backup)
    assert drawn(at).count(LINKS[PairState.SPLIT]) == 2
    assert "FROZEN" not in drawn(at)
    assert "==> REPOSITORY" in drawn(at)
    moving = fold(ViewState(run=at), StepProgress(7, backup, 43, 100)).run
    assert moving is not None
    assert "==> REPOSITORY 43 %" in drawn(moving)
    over = fold(ViewState(run=at), RunEnded(7, NOW, Outcome.ATTENTION, 5, 1.0)).run
    assert over is not None
    assert "run 7 has ended: needs attention" in drawn(over)
    assert "==> REPOSITORY" not in drawn(over)


async def test_the_target_is_drawn_as_the_run_left_it_since_it_was_measured(tmp_path: Path) -> None:
    engine, _ = toy_engine(tmp_path)
    plan = await asyncio.wrap_future(engine.plan(PlanRequest("backup", "toy", post_policy=PostPolicy.LEAVE_DOWN)))
    one = engine.settings.sets["toy"]
    await asyncio.wrap_future(engine.measure_set("toy"))
    measured = next(e for e in engine.drain() if isinstance(e, SetMeasured))
    engine.close()
    assert measured.estate.target is not None
    measured_at = measured.estate.target.measured_at
    later, earlier = measured_at + timedelta(seconds=1), measured_at - timedelta(seconds=1)
    backup = next(s.id for s in plan.steps if s.kind is StepKind.BACKUP)
    thaw = next(s.id for s in plan.steps if s.kind is StepKind.RELEASE)
    clean = next(s.id for s in plan.steps if s.kind is StepKind.MEASURE and s.phase is Phase.CLEANUP)

    def drawn(run: RunView) -> tuple[bool, bool, int]:
        """Whether a group is drawn as not imported, and as imported; and how many volumes as mounted."""
        shown = "\n".join(row.text for row in picture(one, measured, run, 140))
        return "[not imported]" in shown, "[imported]" in shown, shown.count(f"   {one.mount.prefix}/")

    mounts = sum(s.id.startswith("mount-") for s in plan.steps)
    assert mounts > 0
    assert drawn(run_at(plan, thaw, later)) == (True, False, 0)
    assert drawn(run_at(plan, backup, later)) == (False, True, mounts)
    assert drawn(run_at(plan, backup, earlier)) == (True, False, 0), "what was measured since is true"
    assert drawn(run_at(plan, clean, later)) == (True, False, 0), "the cleanup of the plan took it back"
    run = run_at(replace(plan, steps=tuple(s for s in plan.steps if not s.undoes)), backup, later)
    for name in [s.id for s in plan.steps if s.undoes]:  # a failed run takes back by steps that its plan does not have
        run = fold_run(fold_run(run, StepStarted(7, name, later)), StepEnded(7, name, Outcome.OK, 0.1))
    assert drawn(run) == (True, False, 0)


async def test_log_and_picture_open_during_a_run_and_escape_comes_back_to_it(tmp_path: Path) -> None:
    engine, _ = toy_engine(tmp_path)
    app = Console(engine, look=Look(watch=0))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(app, lambda: shows(app, "[=] established"))
        await pilot.press("b")
        await until(app, lambda: shows(app, "nothing was done yet"))
        await pilot.press("t")
        await until(app, lambda: shows(app, "Cancel"))
        await pilot.press("y")
        await until(app, lambda: shows(app, "Waiting for you"))
        await pilot.press("p")
        await until(app, lambda: shows(app, "PICTURE of toy", "REPOSITORY", "=======>"))
        await pilot.press("escape")
        await until(app, lambda: isinstance(app.screen, RunPage))
        await pilot.press("L", "slash", *"discover", "enter")
        await until(app, lambda: isinstance(app.screen, LogPage) and shows(app, "discover"))
        await pilot.press("Y")
        await until(app, lambda: shows(app, "written to"))
        (path,) = (engine.settings.state_dir / "copies").iterdir()
        assert path.stat().st_mode & 0o777 == 0o600
        assert "discover" in path.read_text()
        assert "lock-mgmt" not in path.read_text()
        assert app.clipboard == path.read_text()
        await pilot.press("escape", "escape")
        await until(app, lambda: isinstance(app.screen, RunPage))
        await pilot.press("x")
        await until(app, lambda: shows(app, "The run has ended: stopped"))
    engine.close()
