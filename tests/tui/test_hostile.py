"""Whatever hosts, arrays and repositories say: no control character and no markup of it reaches the terminal, on any screen or line."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as RichConsole
from textual.widgets import Static

from core.backups.base import BackupRecord
from core.engine import Engine
from core.errors import CommandFailed, ConfigError, ParseError
from core.events import (
    Bound,
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
    StepOutput,
    StepProgress,
    StepStarted,
)
from core.facade import Account, CheckRow, PlanRequest, RunRow
from core.model import Difference, Drift, Estate, Finding, PairState, PairStatus, Severity
from core.plan import Condition, Plan, Verdict, Weight
from core.transport import Command, Status
from tests.core.toy import PAIRS, source_facts
from tests.tui.hostile import HOSTILE, planted
from tests.tui.toyengine import toy_engine
from tui import progress
from tui.__main__ import main
from tui.answers import Person, Tell
from tui.app import Console
from tui.arguments import parser
from tui.cli import _COMMANDS
from tui.plain import json_text, line, printable, unsafe
from tui.screens.ask import Ask, AskText, TypeName
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
from tui.screens.start import StartPage
from tui.screens.text import TextPage

TUI = Path(__file__).parents[2] / "tui"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
# What identifies a thing to the program itself: a plan's set, a step's id, a host of the configuration.
OURS = frozenset(
    {"id", "host", "set_name", "os", "operation", "confirm", "group", "volume", "std", "bcv", "device_serial", "serial", "name"}
)
DRIFT = Drift(NOW, "", (Difference(HOSTILE, HOSTILE, HOSTILE, HOSTILE),))
SPOOF = "1/9 [mount] all is well: ok"


def facts() -> Any:
    """A host whose every word is hostile."""
    return planted(source_facts(), keep=OURS - {"name", "volume"} | {"group"})


def estate() -> Estate:
    """Both hosts and the pairs, hostile; and what could not be measured, with the words of whoever refused."""
    pairs = tuple(
        PairStatus(p, PairState.SPLIT, True, std_size=1, bcv_size=1, split_at=NOW, note=HOSTILE, private=(HOSTILE,))
        for p in PAIRS
    )
    named = replace(
        source_facts(),
        groups=planted(source_facts().groups, keep=frozenset({"name", "device_serial", "uuid"})),
        warnings=(HOSTILE,),
    )
    errors = {"array": str(ParseError("mgmt", HOSTILE, HOSTILE, HOSTILE)), "target": HOSTILE}
    return Estate("toy", NOW, named, named, pairs, errors=errors)


def findings() -> tuple[Finding, ...]:
    """What verification says, quoting a host."""
    return (Finding("X1", Severity.ERROR, HOSTILE, HOSTILE, HOSTILE),)


def plan_of(engine: Engine) -> Plan:
    """A real plan with hostile words in every text of it that is not an identity of ours."""
    plan = engine.plan(PlanRequest("backup", "toy")).result()
    condition = Condition("C1", HOSTILE, HOSTILE, Verdict.NOT_MET, NOW, Weight.OVERRIDABLE, HOSTILE)
    spoiled: Plan = planted(plan, keep=OURS)
    return replace(spoiled, conditions=(condition,), findings=findings(), summary=(HOSTILE, HOSTILE))


def events(plan: Plan) -> list[Event]:
    """A run in which everything that a host can say is hostile."""
    first, second = plan.steps[0].id, plan.steps[1].id
    command = Command("source", HOSTILE, HOSTILE)
    return [
        RunStarted(1, NOW, plan), CommandSent(1, NOW, command), CommandEnded(1, Status.FAILED, 1, 0.1, HOSTILE),
        StepStarted(1, first, NOW, command), StepOutput(1, first, HOSTILE), Bound(1, HOSTILE, HOSTILE),
        StepProgress(1, first, 5, 10, 1.0, 2.0, HOSTILE), StepEnded(1, first, Outcome.FAILED, 1.0, HOSTILE), StepStarted(1, second, NOW),
        StepOutput(1, second, HOSTILE), StepProgress(1, second, 5, None, None, None, HOSTILE), StepStarted(1, "undo-" + HOSTILE, NOW),
        StepEnded(1, "undo-" + HOSTILE, Outcome.UNDONE, 1.0, HOSTILE),
    ]  # fmt: skip


def ended() -> RunEnded:
    """Its end."""
    return RunEnded(1, NOW, Outcome.ATTENTION, 5, 3.0, message=HOSTILE, left=(HOSTILE,), done=(HOSTILE,))


def record() -> BackupRecord:
    """A backup as a hostile repository lists it."""
    plain = BackupRecord("b", "toy", "r", "s", NOW, NOW, 1, 2, paths=("/a", "/b"), facts={"a": "b"})
    spoiled: BackupRecord = planted(plain, keep=frozenset({"set_name"}))
    return spoiled


def rows() -> list[RunRow]:
    """The journal of a console on which somebody else has written."""
    return [planted(RunRow(1, "toy", "backup", "me", "here", NOW, None, None, None, "m", ("s",)))]


def account() -> Account:
    """A run without an end, of which a hostile host tells."""
    return Account(1, "toy", HOSTILE, False, (HOSTILE,), (HOSTILE,), HOSTILE, HOSTILE, (HOSTILE,))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    one, _ = toy_engine(tmp_path)
    yield one
    one.close()


class HostileEngine:
    """The toy engine, whose every answer is spoiled: what a real one would say of hostile hosts."""

    def __init__(self, real: Engine) -> None:
        """Its plans are real ones, spoiled."""
        self._real, self._plan = real, plan_of(real)
        self.settings, self.read_only = real.settings, False
        self.said: list[Event] = []

    def drain(self) -> list[Event]:
        """What was put in."""
        out, self.said = self.said, []
        return out

    def running(self) -> tuple[int, ...]:
        """None."""
        return ()

    def close(self) -> None:
        """The fixture does it."""

    def _now(self, value: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(value)
        return future

    def measure_set(self, name: str) -> Future[Any]:
        """Both hosts."""
        self.said += [HostMeasured("source", NOW, facts()), HostMeasured("mgmt", NOW, None, HOSTILE)]
        self.said.append(SetMeasured(name, estate(), findings(), (HOSTILE,), HOSTILE, DRIFT))
        return self._now(None)

    def discover_host(self, host: str) -> Future[Any]:
        """One host."""
        self.said.append(HostMeasured(host, NOW, facts()) if host != "mgmt" else HostMeasured(host, NOW, None, HOSTILE))
        return self._now(None)

    def plan(self, request: PlanRequest) -> Future[Any]:
        """The plan."""
        return self._now(self._plan)

    def start(self, plan: Plan, *, stepwise: bool = False, confirmed: str = "") -> Future[Any]:
        """A run that ends at once."""
        self.said += [*events(plan), ended()]
        return self._now(1)

    def stop_after_step(self, run: int) -> None:
        """Nothing runs."""

    def conditions(self, request: PlanRequest) -> Future[Any]:
        """One."""
        return self._now(self._plan.conditions)

    def mirrors(self, set_name: str) -> Future[Any]:
        """One mirror."""
        return self._now((estate().pairs,))

    def unfinished(self) -> Future[Any]:
        """One run without an end."""
        return self._now((account(),))

    def account(self, run: int) -> Future[Any]:
        """The same."""
        return self._now(account())

    def history(self, set_name: str = "") -> Future[Any]:
        """One run."""
        return self._now(rows())

    def backups(self, set_name: str) -> Future[Any]:
        """One backup."""
        return self._now([record()])

    def restore_files(self, set_name: str, backup: str, directory: str) -> Future[Any]:
        """A refusal in the repository's own words."""
        future: Future[Any] = Future()
        future.set_exception(CommandFailed(HOSTILE))
        return future

    def check(self) -> Future[Any]:
        """One row."""
        return self._now([planted(CheckRow("s", False, "x", "y"))])


@pytest.fixture
def hostile(engine: Engine) -> HostileEngine:
    return HostileEngine(engine)


def clean(text: str, *, keep: str = "\n") -> None:
    """No character that a terminal obeys, nor one that it would not show; no line that a host made up."""
    odd = sorted({f"U+{ord(c):04X} {unicodedata.category(c)}" for c in text if unsafe(c) and c not in keep})
    assert not odd, (odd, text[:400])
    assert not any(row == SPOOF for row in text.splitlines())


class Naked(Console):
    """The console without the net of `UnsafeFilter`, so that a widget that forgot is seen."""

    CSS_PATH = str(TUI / "app.tcss")

    def __init__(self, engine: Any, **more: Any) -> None:
        """As the console."""
        super().__init__(engine, **more)
        self._filters = []


def drawn(app: Console) -> str:
    """Everything on the screen; and no part of it may carry an action or a link, which only markup could have given it."""
    out = []
    for strip in app.screen._compositor.render_strips(app.size):
        for segment in strip:
            assert segment.style is None or (segment.style.link is None and "@click" not in (segment.style.meta or {})), segment
        out.append("".join(segment.text for segment in strip))
    return "\n".join(out)


async def whole(app: Console, pilot: Any) -> str:
    """A page with every row of its list under the cursor once, and what is said of each."""
    seen = []
    for _ in range(12):
        await pilot.pause()
        seen.append(drawn(app))
        await pilot.press("down")
        if len(seen) > 2 and seen[-1] == seen[-2]:
            break
    return "\n".join(seen)


class HostileSchool:
    """A demonstration that says hostile things."""

    lessons = (Lesson(HOSTILE, HOSTILE),)

    def accidents(self) -> dict[str, tuple[bool, str]]:
        """One."""
        return {HOSTILE: (True, HOSTILE)}

    def prepare(self, lesson: Lesson) -> Future[None]:
        """Nothing."""
        return Future()

    def switch(self, name: str) -> None:
        """Nothing."""

    def leave(self) -> None:
        """Nothing."""

    def report(self, plan: Plan) -> str:
        """What it saw of a run."""
        return HOSTILE


def talk(person: Person, tell: Tell) -> bool:
    """A dialogue that says what a host said, and asks about it."""
    tell(HOSTILE)
    return bool(person(HOSTILE))


PAGES: dict[str, Callable[[HostileEngine], Any]] = {
    "start": lambda e: None, "plan": lambda e: PlanPage(e._plan), "run": lambda e: RunPage(), "ended": lambda e: RunPage(),
    "guide": lambda e: GuidePage("toy"), "conditions": lambda e: GuidePage("toy", "takeover"),
    "text": lambda e: TextPage(HOSTILE, lambda: [HOSTILE, str(ParseError(HOSTILE, HOSTILE, HOSTILE, HOSTILE))], loud=True),
    "ask": lambda e: Ask(HOSTILE, "y", HOSTILE, "Cancel"), "type": lambda e: TypeName(HOSTILE, HOSTILE), "askt": lambda e: AskText(HOSTILE, "hint"),
    "picture": lambda e: PicturePage("toy"), "log": lambda e: LogPage(),
    "find": lambda e: FindPage(TextPage(HOSTILE, lambda: [HOSTILE])),
    "recover": lambda e: RecoverPage(account()), "history": lambda e: HistoryPage(rows()),
    "replay": lambda e: ReplayPage([Scene(0.0, event) for event in (*events(e._plan), ended())]),
    "newset": lambda e: NewSetPage(talk),
    "school": lambda e: SchoolPage(HostileSchool()), "accidents": lambda e: AccidentsPage(HostileSchool()),
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
async def test_no_screen_draws_what_a_host_wants_drawn(hostile: HostileEngine, page: str) -> None:
    app = Naked(hostile, banner=HOSTILE)
    async with app.run_test(size=(150, 48)) as pilot:
        await pilot.pause()
        if page in ("run", "ended", "log"):
            hostile.said += events(hostile._plan) + (
                [ended()] if page == "ended" else [RunPaused(1, hostile._plan.steps[1].id)]
            )
        app.beat()
        if (screen := PAGES[page](hostile)) is not None:
            app.push_screen(screen)
        await pilot.pause(0.5 if page == "newset" else None)  # its words come from a thread
        app.beat()
        text = await whole(app, pilot)
        assert "\\x1b[31m" in text, text[:2000]
        clean(text)


@pytest.mark.parametrize("key", ["L", "H", "B", "b"])
async def test_no_page_that_a_key_opens_draws_it(hostile: HostileEngine, key: str) -> None:
    app = Naked(hostile)
    async with app.run_test(size=(150, 48)) as pilot:
        await pilot.pause()
        hostile.said += events(hostile._plan)
        app.beat()
        await pilot.press(key)
        await pilot.pause()
        app.beat()
        text = await whole(app, pilot)
        assert "\\x1b[31m" in text
        clean(text)


async def test_the_net_below_catches_a_widget_and_a_notification_that_forgot(hostile: HostileEngine) -> None:
    app = Console(hostile)  # type: ignore[arg-type]
    async with app.run_test(size=(150, 48)) as pilot:
        await pilot.pause()
        await app.screen.mount(Static("\x1b[31mforgot\x9b", markup=False))
        app.notify("\x1b]0;forgot too\x07", markup=False, timeout=60)
        await pilot.pause()
        text = drawn(app)
        assert "forgot" in text
        clean(text)


COMMANDS = {
    "inspect": ["inspect"], "inspect one": ["inspect", "source"], "inspect none": ["inspect", "mgmt"], "plan": ["plan", "backup", "toy"],
    "run": ["run", "backup", "toy", "--yes"], "run without yes": ["run", "backup", "toy"], "history": ["history"], "history one": ["history", "1"],
    "backups": ["backups", "toy"], "restore": ["restore-files", "toy", "b", "--to", "/x"], "check": ["check"], "map": ["map", "toy"],
}  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
def test_no_command_prints_it(
    hostile: HostileEngine,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    words: list[str],
    as_json: bool,
) -> None:
    options = parser().parse_args([words[0], *(["--json"] if as_json else []), *words[1:]])
    monkeypatch.setattr("tui.cli.run", lambda _: _COMMANDS[options.command](options, hostile))  # type: ignore[arg-type]
    main([words[0], *(["--json"] if as_json else []), *words[1:]])
    out, err = (data.decode() for data in capfdbinary.readouterr())
    assert out + err
    clean(out)
    clean(err)
    if as_json and out:
        told = json.loads(out)
        assert told is not None


@pytest.mark.parametrize(
    "error", [ConfigError(HOSTILE), ParseError(HOSTILE, HOSTILE, HOSTILE, HOSTILE), CommandFailed(HOSTILE)]
)
def test_no_error_message_prints_it(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr("tui.cli.run", fail)
    assert main(["history"]) in (2, 4)
    said = capfd.readouterr()
    assert said.err.startswith("splitmount: ")
    assert all(not unsafe(c) or c == "\n" for c in said.out + said.err)


def test_a_wrong_word_of_the_command_line_is_not_printed_raw(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["history", "1", "\x1b[31mx"])
    assert "\x1b" not in capfd.readouterr().err


def test_the_live_bar_of_a_run_shows_it_as_text(hostile: HostileEngine) -> None:
    out = io.StringIO()
    console = RichConsole(file=out, force_terminal=True, color_system=None, width=200, highlight=False)
    with progress.bar_of(console) as bar:
        teller = progress.Teller(console, bar)
        for event in events(hostile._plan):
            teller.hear(event)
            bar.refresh()
    text = out.getvalue()
    for own in ("\x1b[?25l", "\x1b[?25h", "\x1b[2K", "\x1b[1A", "\r", "\x1b[1m", "\x1b[0m"):
        text = text.replace(own, "")
    assert "[red]M[/red]" in text
    clean(text)


def test_one_line_stays_one_line_and_a_password_in_a_url_is_left_out() -> None:
    assert line("a\nb\r\u2028c") == "a\\nb\\r\\u2028c"
    assert printable("rest:https://backup:hunter2@vault/r failed") == "rest:https://backup:***@vault/r failed"
    assert json.loads(json_text({"a": HOSTILE})) == {"a": HOSTILE}


MARKUP_WIDGETS = {
    "Static",
    "Label",
    "Button",
    "notify",
    "Input",
    "OptionList",
    "Option",
    "Tooltip",
    "add_option",
    "Collapsible",
}


def _constant(node: ast.expr) -> bool:
    """Text of our own: a literal, a constant, or `Text(...)`, which has no markup."""
    if isinstance(node, ast.Constant | ast.Starred):
        return True
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("Text", "bindings")
    if isinstance(node, ast.JoinedStr):
        return all(
            not isinstance(v, ast.FormattedValue) or "SMALLEST" in ast.unparse(v) or "_hint" in ast.unparse(v)
            for v in node.values
        )
    return ast.unparse(node) == "self._cancel"


def test_no_widget_is_given_text_that_could_be_read_as_markup() -> None:
    odd = []
    for path in TUI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and name in MARKUP_WIDGETS:
                given = [
                    *node.args,
                    *(k.value for k in node.keywords if k.arg in ("placeholder", "label", "title", "message", "tooltip")),
                ]
                odd += [f"{path.name}:{node.lineno}: {ast.unparse(node)[:80]}" for value in given if not _constant(value)]
    assert odd == []


async def test_every_page_is_among_those_that_are_looked_at() -> None:
    shown = {type(page(None)).__name__ for name, page in PAGES.items() if name not in ("plan", "start", "replay")}  # type: ignore[arg-type]
    shown |= {PlanPage.__name__, StartPage.__name__, ReplayPage.__name__}
    classes = {
        node.name
        for path in (TUI / "screens").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and any("Page" in ast.unparse(b) or "Screen" in ast.unparse(b) for b in node.bases)
    }
    assert classes - {"Page", "StagePage"} <= shown
    await asyncio.sleep(0)
