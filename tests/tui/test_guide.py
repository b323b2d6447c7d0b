"""The restore guide by its keys: one decision at a time, conditions measured, nothing sent before the name is typed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.backups.base import BackupRecord
from core.engine import Engine
from core.errors import Refused
from core.events import CommandSent, Event
from core.facade import Facade, PlanRequest, RunRow
from core.model import Pair, PairStatus
from core.plan import Condition, Plan
from core.settings import PostPolicy
from core.transport import Effect
from hostdrivers.emulated.families import hpux_orders
from tests.emulated.bench import Bench, bench
from tests.emulated.test_safety import two_mirrors
from tests.tui.test_screens import screen_text, shows, until
from tui.app import Console
from tui.screens.guide import GuidePage
from tui.screens.plan import PlanPage, overwrites, pair_text

SLIPS = int(os.environ.get("SPLITMOUNT_SLIPS", "20"))  # sequences of keys; a thousand take some minutes


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Bench]:
    """One family whose mirrors hold a point in time, with a backup of it."""
    with bench(tmp_path, ("hpux-orders",)) as made:
        end = made.run(PlanRequest("backup", "hpux-orders", post_policy=PostPolicy.LEAVE_DOWN))
        assert end.exit_code == 0, end.message
        made.events += made.engine.drain()
        yield made


def changes(app: Console) -> list[str]:
    return [row.command.title for row in app.state.log if isinstance(row, CommandSent) and row.command.effect is Effect.CHANGE]


async def test_the_guide_goes_one_decision_at_a_time_to_a_plan_that_asks_for_the_name(night: Bench) -> None:
    app = Console(night.engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, lambda: shows(app, "vgedm2"))
        await pilot.press("o")
        await until(app, lambda: isinstance(app.screen, GuidePage) and shows(app, "1/5", "mirror 1", "split 20", "verified"))
        await pilot.press("enter")
        await until(app, lambda: shows(app, "2/5", "the whole set"))
        await pilot.press("enter")
        await until(app, lambda: shows(app, "3/5", "only what differs", "tracks"))
        await pilot.press("enter")
        await until(app, lambda: shows(app, "4/5", "keep its files as a backup", "today's state may be lost"))
        await pilot.press("down", "enter")
        await until(app, lambda: shows(app, "5/5", "Nothing is in the way", "PAIRS_SPLIT", "[planned] UNMOUNTED"))
        await pilot.press("G", "enter")
        await until(app, lambda: isinstance(app.screen, PlanPage) and shows(app, "WHAT WILL HAPPEN", "BCV ", "OVERWRITES"))
        assert not changes(app)
        await pilot.press("r")
        await until(app, lambda: shows(app, "type the name of the set"))
        await pilot.press("enter")
        await until(app, lambda: isinstance(app.screen, PlanPage))
        assert not changes(app)


async def test_what_stands_in_the_way_is_told_first_and_leads_to_no_plan(night: Bench) -> None:
    night.switch("volume-added@hpprod")
    app = Console(night.engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(app, lambda: shows(app, "vgedm2"))
        await pilot.press("o")
        await until(app, lambda: shows(app, "mirror 1"))
        await pilot.press("enter", "enter", "enter", "enter")
        await until(app, lambda: shows(app, "stand in the way", "[NOT MET] SAME_LAYOUT", "mandatory", "UTC"))
        assert "show what will happen" not in screen_text(app)
        await pilot.press("w")
        await until(app, lambda: shows(app, "cannot be overridden"))
        await pilot.press("escape")
        await until(app, lambda: shows(app, "4/5"))
        assert not changes(app)


async def test_files_of_a_backup_come_into_a_directory_that_is_typed(night: Bench) -> None:
    app = Console(night.engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(app, lambda: shows(app, "vgedm2"))
        await pilot.press("o")
        await until(app, lambda: shows(app, "mirror 1", "verified"))
        await pilot.press("down", "down", "enter")
        await until(app, lambda: shows(app, "2/5", "onto the mounted filesystems", "onto the BCVs first"))
        await pilot.press("down", "down", "enter")
        await until(app, lambda: shows(app, "Into which directory"))
        await pilot.press("tab", *"/var/tmp/again", "enter")
        await until(app, lambda: shows(app, "type the name of the set"))
        await pilot.press("tab", *"hpux-orders", "enter")
        await until(app, lambda: shows(app, "files of", "were restored into /var/tmp/again"))
    family = night.family("hpux-orders")
    assert night.files(family.target, "/var/tmp/again") != {}


async def test_some_files_of_a_backup_go_onto_the_source_after_todays_were_kept(night: Bench) -> None:
    family = night.family("hpux-orders")
    before = night.files(family.source, "/t8d2")
    app = Console(night.engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(app, lambda: shows(app, "vgedm2"))
        await pilot.press("o")
        await until(app, lambda: shows(app, "mirror 1", "verified"))
        await pilot.press("down", "down", "enter", "enter")
        await until(app, lambda: shows(app, "3/5", "all files of the backup", "some paths"))
        await pilot.press("G", "enter")
        await until(app, lambda: shows(app, "Which files or directories"))
        await pilot.press("tab", *"home", "enter")
        await until(app, lambda: shows(app, "paths begin with /"))
        await pilot.press("enter")
        await until(app, lambda: shows(app, "Which files or directories"))
        await pilot.press("tab", *"/t8d2", "enter")
        await until(app, lambda: shows(app, "4/5", "keep its files as a backup"))
        await pilot.press("enter")
        await until(app, lambda: shows(app, "Nothing is in the way", "SAFETY_COPY", "BACKUP_VERIFIED", "MOUNTED"))
        await pilot.press("G", "enter")
        await until(app, lambda: isinstance(app.screen, PlanPage) and shows(app, "OVERWRITES files", "FIRST today's files"))
        await pilot.press("r")
        await until(app, lambda: shows(app, "type the name of the set"))
        await pilot.press("tab", *"hpux-orders", "enter")
        await until(app, lambda: shows(app, "exit 0") or shows(app, "exit 4"))
        assert shows(app, "exit 0")
    assert night.files(family.source, "/t8d2") == before
    assert len(night.engine.backups("hpux-orders").result()) == 2


async def test_a_takeover_from_a_living_source_asks_for_reasons_first(night: Bench) -> None:
    app = Console(night.engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(app, lambda: shows(app, "vgedm2"))
        await pilot.press("T")
        await until(app, lambda: shows(app, "2 conditions stand in the way", "[NOT MET] RELEASED", "[NOT MET] SOURCE_ALIVE"))
        assert "show what will happen" not in screen_text(app)
        for _ in range(2):
            await pilot.press("w")
            await until(app, lambda: shows(app, "Why do you go on"))
            await pilot.press("tab", *"drill", "enter")
            await until(app, lambda: isinstance(app.screen, GuidePage))
            await pilot.press("down")
        await until(app, lambda: shows(app, "Nothing is in the way", "[overridden]"))
        await pilot.press("G", "enter")
        await until(app, lambda: isinstance(app.screen, PlanPage) and shows(app, "TAKES THE PLACE"))
        assert not changes(app)


def test_digits_in_which_alike_serials_differ_are_marked() -> None:
    alike, apart = pair_text("7902C000", "7902D000"), pair_text("7902C000", "790B4000")
    assert [alike.plain[s.start : s.end] for s in alike.spans if "reverse" in str(s.style)] == ["D", "C"]
    assert len([s for s in apart.spans if "reverse" in str(s.style)]) == 4
    far = Pair("7902C000", "791B4111")
    assert not [s for s in pair_text(far.std, far.bcv).spans if "reverse" in str(s.style)]


async def test_every_mirror_is_offered_with_its_own_point_in_time_and_count(tmp_path: Path) -> None:
    with bench(tmp_path, builders=(two_mirrors(hpux_orders),)) as made:
        assert made.run(PlanRequest("backup", "hpux-orders", post_policy=PostPolicy.LEAVE_DOWN)).exit_code == 0
        app = Console(made.engine)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(app, lambda: shows(app, "vgedm2"))
            await pilot.press("o")
            await until(
                app, lambda: shows(app, "mirror 1  split 20", "mirror 2  no point in time", "verified    20", "tracks differ")
            )
            await pilot.press("down", *["enter"] * 4)
            await until(app, lambda: shows(app, "1 condition stands", "[NOT MET] PAIRS_SPLIT", "choose something else"))
            await pilot.press("enter")
            await until(app, lambda: shows(app, "1/5", "mirror 1  split 20"))
            assert not changes(app)


async def test_a_copy_left_on_the_target_is_cleaned_up_from_the_guide_by_the_typed_name_alone(night: Bench) -> None:
    plan = night.plan(PlanRequest("rehearse", "hpux-orders", post_policy=PostPolicy.LEAVE_DOWN))
    number = night.engine.start(plan, stepwise=True).result()
    night.go(number, next(s.id for s in plan.steps if s.id.startswith("undo-")))
    app = Console(night.engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, lambda: shows(app, "vgedm2"))
        app.push_screen(GuidePage("hpux-orders"))
        await until(app, lambda: shows(app, "mirror 1  split"))
        await pilot.press("enter", "enter", "enter", "G", "enter")
        await until(app, lambda: shows(app, "in the way", "LOCKED", "BCVS_FREE"))  # the run that waits has its lock
        while not shows(app, "Enter: plan the cleanup"):
            await pilot.press("down")
        before = changes(app)
        await pilot.press("enter")
        await until(app, lambda: isinstance(app.screen, PlanPage) and shows(app, "cleanup of hpux-orders"))
        await pilot.press("r")
        await until(app, lambda: shows(app, "type the name of the set"))
        await pilot.press("y", "enter")
        await until(app, lambda: isinstance(app.screen, PlanPage))
        assert changes(app) == before
    night.engine.proceed(number, to_end=True)
    assert night.finish(number).exit_code == 0


async def test_the_typed_confirmation_shows_what_is_overwritten_first_and_the_field_below_it(night: Bench) -> None:
    app = Console(night.engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, lambda: shows(app, "vgedm2"))
        plan = night.plan(PlanRequest("restore", "hpux-orders"))
        page = PlanPage(plan)
        await app.push_screen(page)
        await pilot.press("r")
        await until(
            app,
            lambda: shows(
                app, "hpdr ==> hpprod", "OVERWRITES hpprod", "790C2000 -> 7903A000", "type the name", "Cancel", "PageDown"
            ),
        )
        assert getattr(app.focused, "id", "") == "cancel"
        await pilot.press("pagedown")
        await until(app, lambda: shows(app, "not restored", "type the name", "Cancel"))


async def test_a_restore_of_files_shows_no_arrow_over_devices(night: Bench) -> None:
    (backup,) = night.engine.backups("hpux-orders").result()
    plan = night.plan(PlanRequest("restore", "hpux-orders", backup=backup.id))
    text = overwrites(plan, night.engine.settings.sets["hpux-orders"]).plain
    assert "OVERWRITES files" in text
    assert "==>" not in text


# --- slips ------------------------------------------------------------------------------------------------------------

KEYS_PRESSED = [
    *"abcdefghijklmnopqrstuvwxyzBFGHRT?/ ", "enter", "tab", "shift+tab", "escape", "up", "down", "left", "right", "home", "end",
    "pageup", "pagedown", "ctrl+p", "backspace", "delete", "f1",
]  # fmt: skip
STAGES: tuple[tuple[str, ...], ...] = (
    (), ("enter",) * 1, ("enter",) * 2, ("enter",) * 3, ("enter",) * 4, (*("enter",) * 4, "G", "enter"),
    (*("enter",) * 4, "G", "enter", "r"), (*("enter",) * 4, "G", "enter", "r", "tab"),
    (*("enter",) * 4, "c"), (*("enter",) * 4, "c", "r"), ("down", "down", "enter"), ("down", "down", "enter", "enter"),
    ("down", "down", "enter", "down", "down", "enter"),
)  # fmt: skip


class Still:
    """The engine's answers to the guide, kept from a real one: instant, and every wish to change something is written down."""

    def __init__(self, real: Engine) -> None:
        """Ask the real one once."""
        self.settings, self.read_only, self.wishes = real.settings, False, list[str]()
        request = PlanRequest("restore", "hpux-orders")
        self._plan, self._conditions = real.plan(request).result(), real.conditions(request).result()
        self._backups, self._mirrors = list(real.backups("hpux-orders").result()), real.mirrors("hpux-orders").result()
        self._events: list[Event] = real.drain()

    def plan(self, request: PlanRequest) -> Future[Plan]:
        """The restore's plan; of every other operation one that the engine itself would start unnamed."""
        other = replace(self._plan, operation=request.operation, confirm="")
        return done(self._plan if request.operation == "restore" else other)

    def conditions(self, request: PlanRequest) -> Future[tuple[Condition, ...]]:
        return done(self._conditions)

    def backups(self, set_name: str) -> Future[Sequence[BackupRecord]]:
        return done(self._backups)

    def mirrors(self, set_name: str) -> Future[tuple[tuple[PairStatus, ...], ...]]:
        return done(self._mirrors)

    def history(self, set_name: str = "") -> Future[Sequence[RunRow]]:
        return done([])

    def start(self, plan: Plan, *, stepwise: bool = False, confirmed: str = "") -> Future[int]:
        self.wishes.append(f"start {plan.operation} {confirmed!r}")
        return failed(Refused("not here"))

    def restore_files(self, set_name: str, backup: str, directory: str) -> Future[int]:
        self.wishes.append(f"restore files into {directory}")
        return failed(Refused("not here"))

    def measure_set(self, set_name: str) -> Future[None]:
        return done(None)

    def discover_host(self, host: str) -> Future[None]:
        return done(None)

    def running(self) -> tuple[int, ...]:
        return ()

    def drain(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Nothing."""


def done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def failed(error: Exception) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


async def slip(engine: Still, way: tuple[str, ...], keys: list[str]) -> None:
    """Go to a screen of the restore, then press keys, until it is left by Escape or the console by its key."""
    app = Console(cast("Facade", engine))
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(GuidePage("hpux-orders"))
        app.beat()
        for key in (*way, *keys):
            await pilot.press(key)
            app.beat()
            if app.return_code is not None or not any(isinstance(page, GuidePage) for page in app.screen_stack):
                break


def test_no_slip_of_keys_ever_starts_anything(night: Bench) -> None:
    still = Still(night.engine)

    @settings(max_examples=SLIPS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(STAGES), st.lists(st.sampled_from(KEYS_PRESSED), max_size=40))
    def slips(way: tuple[str, ...], keys: list[str]) -> None:
        asyncio.run(slip(still, way, keys))
        assert not still.wishes

    slips()


async def test_the_slip_tests_own_way_does_start_when_the_name_is_typed(night: Bench) -> None:
    still = Still(night.engine)
    await slip(still, STAGES[7], [*"hpux-orders", "enter"])
    assert still.wishes == ["start restore 'hpux-orders'"]
