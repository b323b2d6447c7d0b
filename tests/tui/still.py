"""An estate that stands still, and every screen of the console on it: what the snapshots are taken of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from core.backups.base import BackupRecord
from core.events import (
    CommandEnded,
    CommandSent,
    Event,
    HostMeasured,
    Outcome,
    RunEnded,
    RunPaused,
    RunStarted,
    Scene,
    SetMeasured,
    StepEnded,
    StepProgress,
    StepStarted,
)
from core.facade import Account, PlanRequest, RunRow
from core.model import Difference, Drift, PairState
from core.plan import Condition, Explain, Phase, Plan, Step, StepKind, Verdict, Weight
from core.settings import BackupSettings, HostSettings, Settings
from core.transport import Command, Status
from tests.core.samples import ESTATE, NOW, PAIRS, SETTINGS, SOURCE, TARGET, statuses
from tui.answers import Person, Tell
from tui.app import Console
from tui.keys import help_lines
from tui.screens.ask import Ask, AskText, TypeName
from tui.screens.base import Page
from tui.screens.find import FindPage
from tui.screens.guide import GuidePage
from tui.screens.history import HistoryPage, ReplayPage
from tui.screens.log import LogPage
from tui.screens.newset import NewSetPage
from tui.screens.picture import PicturePage
from tui.screens.plan import PlanPage
from tui.screens.recover import RecoverPage
from tui.screens.run import RunPage
from tui.screens.school import AccidentsPage, Lesson, SchoolPage
from tui.screens.text import TextPage

LATER = NOW + timedelta(hours=3, minutes=10)
STATES = (PairState.SPLIT, PairState.SPLIT, PairState.COPYING)


def step(name: str, phase: Phase, kind: StepKind, title: str) -> Step:
    """One step that reads only."""
    text = f"echo {name}"
    return Step(name, phase, kind, title, "backup1", EXPLAIN, command=Command("backup1", title, text))


EXPLAIN = Explain("What it does, in a sentence.", "Because the set needs it.", "Little.", "Look at it on the host.")
PLAN = Plan(
    "backup",
    "payroll",
    (
        step("measure", Phase.MEASURE, StepKind.MEASURE, "measure both hosts and the pairs"),
        step("split", Phase.SPLIT, StepKind.AWAIT, "split three pairs at one instant"),
        step("copy", Phase.BACKUP, StepKind.BACKUP, "copy two filesystems into the repository"),
    ),
    NOW,
)
RUN: tuple[Event, ...] = (
    RunStarted(12, NOW, PLAN),
    StepStarted(12, "measure", NOW),
    StepEnded(12, "measure", Outcome.OK, 1.5),
    StepStarted(12, "split", NOW),
    StepEnded(12, "split", Outcome.OK, 2.0),
    StepStarted(12, "copy", NOW, Command("backup1", "copy", "tar -cf - .")),
    StepProgress(12, "copy", 43 << 20, 100 << 20, 10 << 20, 5.7, "lvdata"),
)
END = RunEnded(12, NOW, Outcome.OK, 0, 61.0, done=("measured", "split", "copied"), message="the backup is whole and verified")


FILES = ("/srv/data", "/srv/part")


class Still:
    """An engine that answers at once, always the same."""

    read_only = False

    def __init__(self) -> None:
        """One set on two hosts."""
        one = replace(SETTINGS, backup=BackupSettings("archive", "/backup"))
        hosts = {name: HostSettings(name, "linux", "127.0.0.1") for name in ("db1", "backup1")}
        self.settings = Settings(Path("splitmount.yaml"), hosts, {}, {"payroll": one}, Path("known"), Path("state"))
        split = tuple(
            replace(s, split_at=NOW, std_tracks=1200, bcv_tracks=0, copied=43, to_copy=100) for s in statuses(*STATES)
        )
        command = Command("db1", "discover db1", "lvs --reportformat json")
        self.said: list[Event] = [
            CommandSent(1, NOW, command),
            CommandEnded(1, Status.OK, 0, 0.25),
            CommandSent(2, NOW, Command("sym", "states of the pairs", "symmir query")),
            CommandEnded(2, Status.UNKNOWN, None, 9.0, "the connection was lost"),
            HostMeasured("db1", NOW, SOURCE),
            HostMeasured("backup1", NOW, TARGET),
        ]
        drift = Drift(NOW, "", (Difference("VOLUME_ADDED", "vgdata/lvnew", "", "linear of 67108864 bytes"),))
        self._measured = SetMeasured(
            "payroll", replace(ESTATE, pairs=split), (), (), "", drift, {"backup": NOW - timedelta(hours=20)}
        )

    def drain(self) -> list[Event]:
        """What is to be said."""
        out, self.said = self.said, []
        return out

    def running(self) -> tuple[int, ...]:
        """None."""
        return ()

    def _answer(self, value: Any = None) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(value)
        return future

    def measure_set(self, name: str) -> Future[Any]:
        """As it always is."""
        self.said.append(self._measured)
        return self._answer()

    def history(self, set_name: str = "") -> Future[Any]:
        """One good backup."""
        at = NOW - timedelta(hours=20)
        return self._answer([RunRow(11, "payroll", "backup", "me", "console", at, at, Outcome.OK, 0, "whole")])

    def mirrors(self, set_name: str) -> Future[Any]:
        """One mirror, split."""
        return self._answer((statuses(*[PairState.SPLIT] * 3),))

    def backups(self, set_name: str) -> Future[Any]:
        """One, verified."""
        at = NOW - timedelta(hours=20)
        return self._answer([BackupRecord("20261122-160000", "payroll", "11", "s1", at, at, 812, 43 << 20, None, at, FILES)])

    def conditions(self, request: PlanRequest) -> Future[Any]:
        """One that is not met."""
        return self._answer(
            (Condition("SOURCE_ALIVE", "db1", "db1 answers", Verdict.NOT_MET, NOW, Weight.OVERRIDABLE, "Stop it."),)
        )


def refusal() -> list[str]:
    """A stop."""
    return ["REFUSED", "", "backup of payroll: 1 pair is copying, 2 are split.", "", "Nothing was changed. Esc goes back."]


def replayed() -> ReplayPage:
    """A replay that stands still at its last step."""
    page = ReplayPage([Scene(60.0 * n, event) for n, event in enumerate((*RUN, END))])
    page.held = True
    for _ in RUN[1:]:
        page.step()
    return page


def talk(person: Person, tell: Tell) -> bool:
    """A dialogue at its first question."""
    tell("", "A host is reached over SSH; its key is shown and kept only when you say so.", "  1. db1  127.0.0.1:22")
    return bool(person("A host, as NAME=ADDRESS [nothing]: "))


class Lessons:
    """A school that stands still."""

    lessons = (
        Lesson("Back up payroll", "A split, a mount on backup1, a copy, and the mirrors are put back."),
        Lesson("Look around", "Every key is in ?"),
    )

    def accidents(self) -> Mapping[str, tuple[bool, str]]:
        """Two, one of them on."""
        return {"host-lost@db1": (True, "db1 answers nothing"), "disk-full@backup1": (False, "no room for the backup")}

    def prepare(self, lesson: Lesson) -> Future[None]:
        """Nothing."""
        return Future()

    def switch(self, name: str) -> None:
        """Nothing."""

    def leave(self) -> None:
        """Nothing."""

    def report(self, plan: Plan) -> str:
        """Nothing."""
        return ""


@dataclass(frozen=True)
class Shown:
    """One screen: what opens it, which keys lead on from there, what the engine has said before."""

    opens: Callable[[Console], Any] = lambda app: None
    keys: tuple[str, ...] = ()
    said: tuple[Event, ...] = field(default=())


ACCOUNT = Account(
    9, "payroll", "backup", False, ("the set was split",), ("whether it was thawed",), "", "", ("fsfreeze -u /srv/data",)
)
OVER = Plan(
    "restore",
    "payroll",
    PLAN.steps,
    NOW,
    tuple((pair, PairState.SPLIT) for pair in PAIRS),
    summary=("OVERWRITES the devices of db1:", *(f"  {pair.bcv} -> {pair.std}  split 3 h ago" for pair in PAIRS)),
    confirm="payroll",
)
FAILED = RunEnded(
    12,
    NOW,
    Outcome.ATTENTION,
    5,
    61.0,
    done=("measured", "split"),
    message="the copy broke off; the mirrors are split",
    left=("symmir -sid 79 establish",),
)
WAITS = RunPaused(12, "copy")
SCREENS: Mapping[str, Shown] = {
    "start": Shown(),
    "plan": Shown(lambda app: PlanPage(PLAN)),
    "plan-step": Shown(lambda app: PlanPage(PLAN), ("down", "down")),
    "plan-over": Shown(lambda app: PlanPage(OVER)),
    "confirm": Shown(lambda app: PlanPage(PLAN), ("r",)),
    "confirm-over": Shown(lambda app: PlanPage(OVER), ("r",)),
    "run": Shown(lambda app: RunPage(), said=RUN),
    "paused": Shown(lambda app: RunPage(), said=(*RUN[:5], WAITS)),
    "ended": Shown(lambda app: RunPage(), said=(*RUN, END)),
    "failed": Shown(lambda app: RunPage(), said=(*RUN, FAILED)),
    "history": Shown(lambda app: HistoryPage(app.engine.history().result())),
    "replay": Shown(lambda app: replayed()),
    "picture": Shown(lambda app: PicturePage("payroll"), said=RUN),
    "picture-rest": Shown(lambda app: PicturePage("payroll")),
    "log": Shown(lambda app: LogPage()),
    "find": Shown(lambda app: FindPage(app.screen if isinstance(app.screen, Page) else PlanPage(PLAN))),
    "restore-1": Shown(lambda app: GuidePage("payroll")),
    "restore-2": Shown(lambda app: GuidePage("payroll"), ("enter",)),
    "restore-3": Shown(lambda app: GuidePage("payroll"), ("enter",) * 2),
    "restore-4": Shown(lambda app: GuidePage("payroll"), ("enter",) * 3),
    "restore-5": Shown(lambda app: GuidePage("payroll"), ("enter",) * 4),
    "files-1": Shown(lambda app: GuidePage("payroll"), ("end", "enter")),
    "files-2": Shown(lambda app: GuidePage("payroll"), ("end", "enter", "enter")),
    "takeover": Shown(lambda app: GuidePage("payroll", "takeover")),
    "failback": Shown(lambda app: GuidePage("payroll", "failback")),
    "reason": Shown(lambda app: GuidePage("payroll", "takeover"), ("w",)),
    "refused": Shown(lambda app: TextPage("backup of payroll", refusal, loud=True)),
    "recover": Shown(lambda app: RecoverPage(ACCOUNT)),
    "typed": Shown(lambda app: TypeName("db1 is overwritten: BCV -> STD.", "payroll")),
    "leave": Shown(lambda app: Ask("A run is under way.", "s", "stop after this step, then leave", "Keep watching")),
    "words": Shown(lambda app: AskText("Which files or directories of the source? Several are parted by blanks.", "/path")),
    "backups": Shown(keys=("B",)),
    "help": Shown(lambda app: TextPage("help: every key", lambda: help_lines(app.changed_keys))),
    "newset": Shown(lambda app: NewSetPage(talk)),
    "school": Shown(lambda app: SchoolPage(Lessons())),
    "accidents": Shown(lambda app: AccidentsPage(Lessons())),
    "filter": Shown(keys=("slash", "l", "v", "d")),
    "host": Shown(keys=("escape", "end")),
}
