"""`splitmount init` against the embedded estate: from an empty directory to a plan, and everything that must leave all as it was."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Input

import tui.init
from core.config import load
from tests.core.sshserver import free_port
from tests.emulated.bench import Bench, bench
from tests.emulated.scenes import scene
from tests.terminal import Terminal
from tests.tui.test_screens import shows, until
from tui.__main__ import main
from tui.answers import Person, Tell
from tui.app import Console
from tui.initoptions import nothing
from tui.look import AGAIN
from tui.screens.newset import NewSetPage
from tui.wiring import build_engine

NAME = "linux-web"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """An estate, an empty working directory beside it, and a person who has nothing yet."""
    nobody(tmp_path, monkeypatch)
    with bench(tmp_path, (NAME,)) as one:
        yield one


def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody without any file."""
    (tmp_path / "work").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PYTHONPATH", str(Path(tui.init.__file__).parents[1]))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home" / name))


def address(made: Bench, name: str) -> str:
    return f"127.0.0.1:{made.estate.fronts[name].port}"


def hosts(made: Bench) -> list[str]:
    """Options that add all four hosts, with the fingerprints that a person compared."""
    prints = [w for f in made.estate.fronts.values() for w in ("--fingerprint", f.host_key.get_fingerprint("sha256"))]
    data = [w for name in ("webprod", "webdr") for w in ("--host", f"{name}={address(made, name)}")]
    managers = [w for name in ("symadm", "vault") for w in ("--manager", f"{name}={address(made, name)}")]
    return [*data, *managers, "--key", str(made.estate.directory / "id_ed25519"), *prints]


def array(made: Bench) -> list[str]:
    return ["--array", "sym=symadm", "--driver", "symmetrix", "--sid", made.estate.array.symid]


A_SET = ["--group", "web-data", "--backup", "archive", "--repository", "/backup", "--backup-host", "vault"]


def everything(made: Bench) -> list[str]:
    return ["init", *hosts(made), *array(made), *A_SET]


def files(*tops: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for top in tops for p in sorted(top.rglob("*")) if p.is_file()}


def person(answers: dict[str, list[str]], asked: list[str]) -> Person:
    """Answers a question by the words in it, in turn; Enter for all others."""

    def answer(question: str) -> str:
        asked.append(question)
        turns = next((turns for words, turns in answers.items() if words in question), [])
        return turns.pop(0) if turns else ""

    return answer


def usual_answers(made: Bench, last: str = "yes") -> dict[str, list[str]]:
    names = ["symadm", "vault", "webprod", "webdr"]
    return {
        "host to add": names.copy(),
        "Its address": [address(made, name) for name in names],
        "Private key": [str(made.estate.directory / "id_ed25519")] * 4,
        "Is this the fingerprint": ["yes"] * 4,
        "array to add": ["sym"],
        "Its id, 12": [made.estate.array.symid],
        "Which one?": ["1"],
        "Where the archives": ["vault"],
        "Directory on vault": ["/backup"],
        "Write this?": [last],
    }


# Choices, in the order in which they are asked; those that have something usual are Enter.
CHOICES = ["manager", "", "manager", "", "", "", "", "", "symadm", "symmetrix", "", "", "", "archive"]


def sit_down(made: Bench, monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[str]]) -> list[str]:
    """A person at the terminal; the questions that were asked."""
    asked: list[str] = []
    answers["A number or a word"] = CHOICES.copy()
    monkeypatch.setattr(tui.init, "person_at_the_terminal", lambda: person(answers, asked))
    return asked


def works(name: str = "web-data") -> bool:
    """Whether check and the plan of a backup end well."""
    return main(["check"]) == 0 and main(["plan", "backup", name]) == 0


def test_from_an_empty_directory_options_alone_lead_to_a_check_and_a_plan_that_end_well(
    made: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    before = scene(made, made.family(NAME))
    assert main([*everything(made), "--yes"]) == 0
    said = capsys.readouterr().out
    assert Path("splitmount.yaml").read_text() in said
    assert Path("web-data.pairs").read_text() in said
    assert works()
    assert scene(made, made.family(NAME)) == before
    one = load(Path("splitmount.yaml")).sets["web-data"]
    assert [(p.std, p.bcv) for p in one.pairs] == [(s.serial, b.serial) for s, b in made.family(NAME).pairs]
    assert (one.source, one.target, one.array, one.volume_groups) == ("webprod", "webdr", "sym", ("web-data",))


def test_the_sets_of_every_system_are_added_to_one_file_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody(tmp_path, monkeypatch)
    with bench(tmp_path) as made:
        prints = [w for f in made.estate.fronts.values() for w in ("--fingerprint", f.host_key.get_fingerprint("sha256"))]
        usual = ["--key", str(made.estate.directory / "id_ed25519"), *prints, "--yes"]
        assert main(["init", "--manager", f"symadm={address(made, 'symadm')}", *array(made), *usual]) == 0
        for family in made.estate.families:
            both = [w for m in (family.source, family.target) for w in ("--host", f"{m.name}={address(made, m.name)}")]
            groups = [w for name in family.groups for w in ("--group", name)]
            words = [
                "--os",
                family.source.os,
                *groups,
                "--set",
                family.set_name,
                "--backup",
                "archive",
                "--repository",
                "copies",
            ]
            assert main(["init", *both, *words, *usual]) == 0
            assert main(["plan", "backup", family.set_name]) == 0
        assert main(["check"]) == 0


def test_pairs_of_a_persons_own_file_count_when_the_array_knows_them(
    made: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (std, bcv), (other, spare) = made.family(NAME).pairs
    file = tmp_path / "mine.txt"
    words = [*everything(made), "--pairs", str(file), "--yes"]
    file.write_text(f"{std.serial} {spare.serial}\n{other.serial} {bcv.serial}\n")
    refused(capsys, 2, words, "array sym does not know these pairs as they stand there", "is attached to device 011")
    file.write_text(f"{std.serial} {bcv.serial}\n")
    refused(capsys, 3, words, "only 1 of its 2 devices have a BCV; half a group is no copy", other.serial)
    assert files(tmp_path / "work", tmp_path / "home") == {}
    file.write_text(f"{std.serial} {bcv.serial} # one\n{other.serial} {spare.serial}\n")
    assert main(words) == 0


def test_a_person_who_answers_the_questions_comes_to_the_same(
    made: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = sit_down(made, monkeypatch, usual_answers(made))
    assert main(["init"]) == 0
    said = capsys.readouterr().out
    for front in made.estate.fronts.values():
        assert said.count(front.host_key.get_fingerprint("sha256")) == 2  # when it is asked about, and before it is stored
    assert "1. web-data on webprod: 2 pairs in sym; target: webdr (sees 0 of the BCVs now)" in said
    assert "bring-mirrors-down-if-needed" in said
    assert asked[-1].startswith("Write this?")
    assert works()


def test_a_no_and_an_interrupt_at_any_question_leave_all_as_it_was(
    made: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = sit_down(made, monkeypatch, usual_answers(made, last="y"))
    assert main(["init"]) == 3
    assert files(tmp_path / "work", tmp_path / "home") == {}
    for number in (*range(1, len(asked), 5), len(asked) - 1, len(asked)):
        monkeypatch.setattr(tui.init, "person_at_the_terminal", lambda number=number: leaving_at(made, number))
        assert main(["init"]) == 130, asked[number - 1]
        assert files(tmp_path / "work", tmp_path / "home") == {}, asked[number - 1]


def leaving_at(made: Bench, number: int) -> Person:
    """A person who presses Ctrl+C at that question."""
    asked: list[str] = []
    answer = person(usual_answers(made) | {"A number or a word": CHOICES.copy()}, asked)

    def leave(question: str) -> str:
        word = answer(question)
        if len(asked) == number:
            raise KeyboardInterrupt
        return word

    return leave


def test_a_file_with_comments_gets_the_set_and_keeps_every_other_byte(made: Bench) -> None:
    assert main(["init", *hosts(made), *array(made), "--yes"]) == 0
    file = Path("splitmount.yaml")
    text = "# by hand\n" + file.read_text().replace("  webdr:\n", "  # the other house\n  webdr:\n")
    file.write_text(text)
    file.chmod(0o640)
    assert main(["init", *A_SET, "--set", "web", "--yes"]) == 0
    assert file.read_text().startswith(text + "sets:\n  web:\n    source: webprod\n")
    assert file.stat().st_mode & 0o777 == 0o640
    assert works("web")


def refused(capsys: pytest.CaptureFixture[str], code: int, words: list[str], *sentences: str) -> None:
    assert main(words) == code
    said = capsys.readouterr().err
    for sentence in sentences:
        assert sentence in said


def test_what_cannot_be_is_refused_in_a_sentence_and_nothing_is_written(
    made: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*everything(made), "--yes"]) == 0
    before = files(tmp_path / "work", tmp_path / "home")
    key = ["--key", str(made.estate.directory / "id_ed25519"), "--yes"]
    there = address(made, "webprod")
    refused(capsys, 2, ["init", "--host", f"webdr={there}", *key], "webdr is taken")
    refused(capsys, 2, ["init", "--host", "new=127.0.0.1:many", *key], "the port is a number from 1 to 65535, not 'many'")
    refused(capsys, 2, ["init", "--host", "new=127.0.0.1:70000", *key], "a number from 1 to 65535")
    refused(capsys, 4, ["init", "--host", f"new=127.0.0.1:{free_port()}", *key], "new (127.0.0.1 port", "Connect call failed")
    refused(
        capsys, 2, ["init", "--array", "sym2=nowhere", "--driver", "symmetrix", "--sid", "1" * 12, "--yes"], "no host 'nowhere'"
    )
    refused(capsys, 2, ["init", "--array", "sym2=symadm", "--driver", "symmetrix", "--sid", "1" * 12, "--yes"], "array sym2: ")
    refused(capsys, 3, ["init", *A_SET, "--yes"], "web-data on webprod cannot be a set: it is in the set web-data already")
    refused(capsys, 2, ["init", "--group", "rootvg", "--yes"], "name the host with rootvg")
    refused(capsys, 2, ["init"], "nobody is asked here")
    assert files(tmp_path / "work", tmp_path / "home") == before


def test_a_changed_key_is_a_red_stop_and_an_unknown_one_needs_a_yes_or_its_fingerprint(
    made: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["init", "--host", f"web={address(made, 'webprod')}", "--key", str(made.estate.directory / "id_ed25519"), "--yes"]
    refused(capsys, 3, words, "web: its key was not agreed to")
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    place = f"[127.0.0.1]:{made.estate.fronts['webprod'].port}"
    (tmp_path / "home" / ".ssh").mkdir()
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text(f"{place} {other}")
    before = files(tmp_path / "work", tmp_path / "home")
    print_ = made.estate.fronts["webprod"].host_key.get_fingerprint("sha256")
    refused(
        capsys, 4, [*words, "--fingerprint", print_], "HOST KEY CHANGED", "another key is stored", "Find out why it changed"
    )
    assert files(tmp_path / "work", tmp_path / "home") == before


def test_a_pairs_file_that_is_there_is_not_overwritten_and_read_only_writes_nothing(
    made: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, 3, ["--read-only", *everything(made), "--yes"], "read-only: this was shown, and nothing was written")
    Path("web-data.pairs").write_text("mine\n")
    refused(capsys, 2, [*everything(made), "--yes"], "web-data.pairs: is there already, and is never overwritten")
    assert files(tmp_path / "work", tmp_path / "home") == {str(tmp_path / "work" / "web-data.pairs"): b"mine\n"}


def console() -> Console:
    """The console as the command opens it, on what is configured here."""
    options = nothing(None, read_only=False)
    return Console(build_engine(load(), read_only=False), talk=lambda p, tell: tui.init.begin(options, p, tell))


async def asked_on(app: Console, before: str = "") -> str:
    """The question that is on the page after another one (a text of its own each time); or "ended"."""

    def now() -> str:
        page = app.screen
        talk = page._conversation if isinstance(page, NewSetPage) else None
        return (talk.question or ("ended" if talk.end is not None else "")) if talk is not None else ""

    await until(app, lambda: now() != "" and now() is not before)
    return now()


async def answer_all(app: Console, pilot: Pilot[int], answers: dict[str, list[str]], last: str) -> None:
    """Answer questions on the page up to one with that word."""
    answer = person(answers | {"A number or a word": CHOICES.copy()}, [])
    question = ""
    while last not in (question := await asked_on(app, question)):
        app.screen.query_one("#answer", Input).value = answer(question)
        await pilot.press("enter")


async def test_the_console_without_any_configuration_asks_for_it_and_begins_anew_with_it(made: Bench) -> None:
    app = console()
    async with app.run_test(size=(120, 40)) as pilot:
        await answer_all(app, pilot, usual_answers(made), "Write this?")
        assert not files(Path())
        await until(app, lambda: shows(app, "Write this?", "web-data.pairs (new)"))
        app.screen.query_one("#answer", Input).value = "yes"
        await pilot.press("enter")
        await until(app, lambda: shows(app, "goes on, with what was written"))
        await pilot.press("escape")
    assert app.return_value == AGAIN
    app.engine.close()
    assert works()


async def test_what_was_told_last_stands_above_its_question_however_late_it_is_laid_out(
    made: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk(person: Person, tell: Tell) -> bool:
        tell(*(f"line {number}" for number in range(100)))
        person("The first?")
        tell(*(f"more {number}" for number in range(100)))
        return bool(person("The last?"))

    to_end = VerticalScroll.scroll_end
    monkeypatch.setattr(VerticalScroll, "scroll_end", lambda page, **_: to_end(page, animate=False, immediate=True))
    app = Console(build_engine(load(), read_only=False), talk=talk)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(app, lambda: shows(app, "line 99", "The first?"))
        await pilot.press("x", "enter")
        await until(app, lambda: shows(app, "more 99", "The last?"))
    app.engine.close()


async def test_escape_on_the_page_leaves_all_as_it_was(made: Bench, tmp_path: Path) -> None:
    app = console()
    async with app.run_test(size=(100, 30)) as pilot:
        await answer_all(app, pilot, usual_answers(made), "array to add")
        await until(app, lambda: shows(app, "array to add", "host webdr"))
        await pilot.press("escape")
    app.engine.close()
    assert app.return_value == 0
    assert files(tmp_path / "work", tmp_path / "home") == {}


async def test_a_key_of_the_first_page_opens_the_questions_and_a_no_goes_back_to_it(made: Bench) -> None:
    assert await asyncio.to_thread(main, [*everything(made), "--yes"]) == 0
    before = files(Path())
    app = console()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(app, lambda: shows(app, "Sets", "web-data"))
        await pilot.press("n")
        await answer_all(app, pilot, {}, "ended")
        await until(
            app, lambda: shows(app, "nothing was added", "not possible: web-data on webprod: it is in the set web-data")
        )
        await pilot.press("enter")
        await until(app, lambda: shows(app, "Sets", "web-data"))
    app.engine.close()
    assert files(Path()) == before


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
def test_in_a_real_terminal_the_questions_are_typed_and_ctrl_c_leaves_nothing(made: Bench, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, 100, 40, [sys.executable, "-m", "tui", "init"], patience=20)
    try:
        terminal.until("Name of a host to add (Enter: no more):")
        terminal.press("webprod", "Enter")
        terminal.until("Its address")
        terminal.press(address(made, "webprod"), "Enter")
        terminal.until("What is it for?")
        terminal.press("Enter")
        terminal.until("Which system has webprod?")
        terminal.press("1", "Enter")
        terminal.until("User to log in as [root]")
        terminal.press("Enter")
        terminal.until("Private key file")
        terminal.press(str(made.estate.directory / "id_ed25519"), "Enter")
        shown = terminal.until("Is this the fingerprint that the host itself shows?")
        assert made.estate.fronts["webprod"].host_key.get_fingerprint("sha256") in shown
        terminal.press("yes", "Enter")
        terminal.until("group web-data")
        terminal.press("C-c")
        terminal.until("EXIT=130")
    finally:
        terminal.close()
    assert files(tmp_path / "work", tmp_path / "home") == {}
    assert os.listdir(tmp_path / "work") == []


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
def test_in_a_real_terminal_the_console_begins_anew_with_the_set_that_was_written(made: Bench, tmp_path: Path) -> None:
    assert main(["init", *hosts(made), *array(made), "--yes"]) == 0
    terminal = Terminal(tmp_path, 100, 40, [sys.executable, "-m", "tui"], patience=20)
    answers = {
        "host to add": "",
        "array to add": "",
        "Which one?": "1",
        "Name of the set": "",
        "Which host takes": "",
        "Directory on": "",
    }
    answers |= {"copy's group": "", "Mirrors before": "", "Mirrors after": "", "How is the copy": "", "Write this?": "yes"}
    try:
        terminal.until("webprod")
        terminal.press("n")
        for words, answer in answers.items():
            terminal.until(words)
            terminal.press(*([answer] if answer else []), "Enter")
        terminal.until("goes on, with what was written")
        terminal.press("Enter")
        assert "webprod -> webdr" in terminal.until("[=] established")
        terminal.press("q")
        terminal.until("EXIT=0")
    finally:
        terminal.close()
    assert [*load(Path("splitmount.yaml")).sets] == ["web-data"]
