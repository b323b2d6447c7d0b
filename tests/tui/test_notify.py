"""Being told of a run: what is told, by real programs and a real server, and that what fails changes nothing."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from core.engine import Engine
from core.errors import ConfigError
from core.events import Event, Outcome, RunEnded, RunPaused, RunStarted, StepEnded
from core.facade import PlanRequest
from core.plan import Plan
from core.transport import Status
from tests.core.samples import NOW
from tests.core.toy import ToyWorld
from tests.tui.hostile import HOSTILE
from tests.tui.test_screens import shows, until
from tests.tui.toyengine import followed, toy_engine
from tui.app import Console
from tui.look import Look, parse_look
from tui.notify import Notifier, WayFailed, desktop_text, notice_of, post, run_command
from tui.plain import json_text
from tui.say import to_terminal
from tui.wishes import Notify

PLAN = Plan("backup", "payroll", (), NOW)
GOOD = RunEnded(12, NOW, Outcome.OK, 0, 61.04, message="whole; verified")
BAD = replace(GOOD, outcome=Outcome.ATTENTION, exit_code=5, message="thaw it", left=("db1: fsfreeze -u /srv",))


class Server(HTTPServer):
    """A real server on loopback that keeps what it gets and answers as it is told."""

    got: list[tuple[str, Any]]
    answers: int
    silent: threading.Event | None


class Handler(BaseHTTPRequestHandler):
    """Keeps the body."""

    server: Server

    def do_POST(self) -> None:
        """Read, keep, answer."""
        if self.server.silent is not None:
            self.server.silent.wait(20)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, json.loads(body)))
        self.send_response(self.server.answers)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.got, made.answers, made.silent = [], 204, None
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    if made.silent is not None:
        made.silent.set()
    made.shutdown()
    thread.join()
    made.server_close()


def url(server: Server, path: str = "/hook?a=b") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def closed_port() -> str:
    """A URL where nobody listens."""
    with HTTPServer(("127.0.0.1", 0), Handler) as made:
        return f"http://127.0.0.1:{made.server_port}/"


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[tuple[Engine, ToyWorld]]:
    engine, world = toy_engine(tmp_path)
    yield engine, world
    engine.close()


def told(wishes: Notify, *events: Event) -> tuple[list[str], list[str]]:
    """What was written to the terminal, and the errors, for a run with these events."""
    written: list[str] = []
    notifier = Notifier(wishes, written.append)
    for event in (RunStarted(12, NOW, PLAN), *events):
        notifier.hear(event)
    return written, [f"{one.way}: {one.error}" for one in notifier.finish() if one.error]


# --- what a person wishes ---------------------------------------------------------------------------------------------


def test_the_wishes_stand_in_the_persons_own_file() -> None:
    body = "notify: {when: attention, bell: true, desktop: osc777, command: [logger, -t, x], webhook: 'https://h/x', limit: 3}"
    wishes = parse_look(body, Path("console.yaml")).notify
    assert wishes == Notify("attention", True, "osc777", ("logger", "-t", "x"), "https://h/x", 3)
    assert parse_look("", Path("console.yaml")).notify == Notify()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("notify: {command: 'logger x'}", "command: list is wanted"),
        ("notify: {command: [logger, 3]}", "command: a list of words"),
        ("notify: {webhook: 'file:///etc/passwd'}", "webhook: http:// or https://"),
        ("notify: {webhook: 'http://'}", "webhook: http:// or https://"),
        ("notify: {webhook: 'https://u:hunter2@h/'}", "a password stands in it"),
        ("notify: {command: [curl, -H, 'api-key: hunter2']}", "a password stands in it"),
        ("notify: {desktop: dbus}", "desktop: one of osc9, osc777"),
        ("notify: {when: never}", "when: one of end, attention"),
        ("notify: {limit: 0}", "limit: 1 to 60 seconds"),
        ("notify: {mail: x}", "mail: unknown"),
        ("notify: [bell]", "notify: dict is wanted"),
    ],
)
def test_a_wish_that_cannot_be_fulfilled_is_refused_by_name_and_no_secret_is_told(body: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_look(body, Path("console.yaml"))
    assert sentence in str(refused.value)
    assert "hunter2" not in str(refused.value)


# --- what is told -----------------------------------------------------------------------------------------------------


def test_a_notice_says_how_the_run_ended() -> None:
    notice = json.loads(json_text(notice_of(BAD, PLAN)))
    assert (notice["event"], notice["run"], notice["set"], notice["operation"]) == ("attention", 12, "payroll", "backup")
    assert (notice["outcome"], notice["exit_code"], notice["seconds"]) == ("needs attention", 5, 61.0)
    assert (notice["title"], notice["left"]) == ("splitmount: backup of payroll: needs attention", 1)
    assert notice_of(GOOD, PLAN).event == "ended"


def test_a_notice_holds_no_secret_and_nothing_that_a_terminal_obeys() -> None:
    said = f"{HOSTILE} restic: rest:https://u:hunter2@vault/r; PGPASSWORD=hunter2 psql; token: hunter2"
    notice = notice_of(replace(BAD, message=said), replace(PLAN, set_name=HOSTILE))
    text = json_text(notice) + desktop_text("osc777", notice)[:-1].removeprefix("\x1b]777;")
    assert "hunter2" not in text
    assert text.isascii()
    assert text.replace("\n", "").isprintable()


def test_a_message_cannot_end_or_part_the_terminals_sequence() -> None:
    notice = notice_of(replace(GOOD, message="a;b\x07\x1b]0;x"), PLAN)
    assert desktop_text("osc9", notice) == "\x1b]9;splitmount: backup of payroll: ok: a,b\\x07\\x1b]0,x\x07"
    assert desktop_text("osc777", notice).count(";") == 3


def test_the_terminal_gets_bell_and_notification_and_a_file_gets_neither(capsys: pytest.CaptureFixture[str]) -> None:
    written, errors = told(Notify(bell=True, desktop="osc9"), GOOD)
    assert written == ["\x1b]9;splitmount: backup of payroll: ok: whole, verified\x07\a"]
    assert errors == []
    to_terminal("\a")
    assert capsys.readouterr() == ("", "")


def test_only_what_needs_attention_is_told_where_that_was_wished() -> None:
    assert told(Notify("attention", bell=True), GOOD)[0] == []
    assert told(Notify("attention", bell=True), BAD)[0] == ["\a"]
    assert told(Notify(), BAD) == ([], [])


def test_a_run_that_waits_is_told_only_when_the_person_may_have_looked_away() -> None:
    short, long = (StepEnded(12, "copy", Outcome.OK, seconds) for seconds in (1.0, 90.0))
    assert told(Notify(bell=True), short, RunPaused(12, "verify"))[0] == []
    assert told(Notify(bell=True), long, RunPaused(12, "verify"))[0] == ["\a"]


# --- by a program -----------------------------------------------------------------------------------------------------


def test_a_program_gets_the_notice_on_its_standard_input_and_no_shell_reads_its_words(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = "import sys; open(sys.argv[1], 'w').write(sys.argv[2] + sys.stdin.read())"
    run_command((sys.executable, "-c", code, str(out), "$(id);"), '{"event": "ended"}', 20)
    assert out.read_text() == '$(id);{"event": "ended"}'


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(WayFailed, match="did not end within 1 s"):
        run_command(("/bin/sh", "-c", f"sleep 60 & echo $! > {mark}; wait"), "{}" * 100000, 1)
    assert time.monotonic() - began < 10
    until_gone(int(mark.read_text()))


def until_gone(pid: int) -> None:
    """Wait until a process is gone, or waits to be buried."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return
        except (FileNotFoundError, ProcessLookupError):
            return
    pytest.fail(f"process {pid} is still there")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("/nonexistent/program",), "No such file"),
        (("/bin/sh", "-c", "echo 'no display' >&2; exit 3"), "exit status 3: no display"),
        (("/bin/sh", "-c", "exit 4"), "exit status 4"),
    ],
)
def test_a_program_that_fails_is_told(words: tuple[str, ...], sentence: str) -> None:
    ((error,),) = [told(Notify(command=words), GOOD)[1]]
    assert error.startswith(f"command {words[0]}: ")
    assert sentence in error


# --- by http ----------------------------------------------------------------------------------------------------------


def test_a_webhook_gets_the_same_json(server: Server) -> None:
    assert told(Notify(webhook=url(server)), BAD) == ([], [])
    ((path, body),) = server.got
    assert path == "/hook?a=b"
    assert body == json.loads(json_text(notice_of(BAD, PLAN)))


@pytest.mark.parametrize("answer", [302, 500])
def test_a_webhook_that_says_no_is_told_and_no_redirect_is_followed(server: Server, answer: int) -> None:
    server.answers = answer
    _, errors = told(Notify(webhook=url(server, "/T0KEN")), GOOD)
    assert errors == [f"webhook 127.0.0.1: the server answered {answer}"]
    assert len(server.got) == 1


def test_a_webhook_that_is_silent_or_not_there_is_given_up_in_bounded_time(server: Server) -> None:
    server.silent = threading.Event()
    began = time.monotonic()
    with pytest.raises(WayFailed, match="timed out"):
        post(url(server), "{}", 1)
    with pytest.raises(WayFailed, match="refused"):
        post(closed_port(), "{}", 5)
    assert time.monotonic() - began < 10


# --- a run is never changed -------------------------------------------------------------------------------------------


def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """A person's own console.yaml."""
    (tmp_path / "splitmount").mkdir()
    (tmp_path / "splitmount" / "console.yaml").write_text(body)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def backup(engine: Engine) -> RunEnded:
    return followed(engine, engine.plan(PlanRequest("backup", "toy")).result())


def test_a_headless_run_tells_its_end(
    toy: tuple[Engine, ToyWorld], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(tmp_path, monkeypatch, f"notify: {{webhook: '{url(server)}'}}")
    end = backup(toy[0])
    ((_, body),) = server.got
    assert (body["event"], body["exit_code"], body["run"]) == ("ended", 0, end.run)


@pytest.mark.parametrize(("spoil", "code"), [(False, 0), (True, 4)])
def test_a_notifier_that_fails_changes_neither_outcome_nor_exit_code(
    toy: tuple[Engine, ToyWorld],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spoil: bool,
    code: int,
) -> None:
    person(tmp_path, monkeypatch, f"notify: {{command: [/nonexistent/program], webhook: '{closed_port()}', limit: 5}}")
    engine, world = toy
    world.refuse = {"ready"} if spoil else set()
    end = backup(engine)
    assert (end.exit_code, end.outcome) == (code, Outcome.FAILED if spoil else Outcome.OK), end.message
    said = capsys.readouterr().err
    assert "telling by command /nonexistent/program failed" in said
    assert "telling by webhook 127.0.0.1 failed" in said


@pytest.mark.parametrize("body", ["notify: {command: x}", "theme: none", "{"])
def test_a_file_of_wishes_that_is_wrong_ends_no_headless_run(
    toy: tuple[Engine, ToyWorld], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], body: str
) -> None:
    person(tmp_path, monkeypatch, body)
    assert backup(toy[0]).exit_code == 0
    assert "nobody is told of the end of this run" in capsys.readouterr().err


async def test_the_console_tells_the_end_of_a_run_and_its_log_shows_what_failed(
    toy: tuple[Engine, ToyWorld], server: Server
) -> None:
    engine, _ = toy
    wishes = Notify(command=("/nonexistent/program",), webhook=url(server))
    app = Console(engine, look=Look(watch=0, notify=wishes))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(app, lambda: shows(app, "[=] established"))
        await pilot.press("b")
        await until(app, lambda: shows(app, "nothing was done yet"))
        await pilot.press("r")
        await until(app, lambda: shows(app, "Cancel"))
        await pilot.press("y")
        await until(app, lambda: shows(app, "The run has ended: ok", "exit 0"))
        await until(app, lambda: sum(row.command.host == "console" for row in app.state.log) == 2)
        rows = {row.command.title: (row.status, row.note) for row in app.state.log if row.command.host == "console"}
        assert rows["tell by webhook 127.0.0.1"] == (Status.OK, "")
        failed, why = rows["tell by command /nonexistent/program"]
        assert failed is Status.FAILED
        assert os.strerror(2) in why
        await pilot.press("L")
        await until(app, lambda: shows(app, "tell by command", "activity log"))
    assert server.got[0][1]["title"] == "splitmount: backup of toy: ok"
