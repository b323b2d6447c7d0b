"""Completion and man page: made from the parser, whole, and tried in real shells."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tui.arguments import VERSION, parser
from tui.completion import SHELLS, bash, fish, zsh
from tui.manpage import page
from tui.words import commands_of

DOC = Path(__file__).parents[2] / "docs" / "splitmount.1"
COMMANDS = commands_of(parser())
NAMES = [command.name for command in COMMANDS if command.name]
PLAY = """splitmount() {
    if [[ $1 == --config ]]; then shift 2; echo other; return; fi
    for kind in "${@:2}"; do
        case $kind in sets) echo payroll; echo mail ;; hosts) echo db1; echo backup1 ;; arrays) echo sym ;; esac
    done
}
"""
ASK = """
compopt() { echo "compopt $*"; }
while IFS= read -r line; do
    mapfile -t COMP_WORDS < <(tr ' ' '\\n' <<< "$line")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    asked=$(_splitmount; echo "${COMPREPLY[*]}")
    echo $asked
done
"""


def completed(*lines: str) -> list[list[str]]:
    """What a real bash offers for each line; a line that ends in a blank begins a new word."""
    script = bash(COMMANDS) + PLAY + ASK
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [row.split() for row in done.stdout.splitlines()]


def test_bash_offers_every_command_and_every_option_of_each() -> None:
    first, *others = completed("splitmount ", *(f"splitmount {c.name + ' ' * bool(c.name)}-" for c in COMMANDS))
    assert first == NAMES
    assert len(NAMES) >= 17
    for command, offered in zip(COMMANDS, others, strict=True):
        assert offered == [name for word in command.options for name in word.names]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("splitmount pl", ["plan"]),
        ("splitmount re", ["recover", "restore-files"]),
        ("splitmount --theme d", ["dark", "deuteranopia"]),
        ("splitmount --theme = d", ["dark", "deuteranopia"]),
        ("splitmount --theme = dark pl", ["plan"]),
        ("splitmount --config x.yaml --ascii pl", ["plan"]),
        ("splitmount plan re", ["rehearse", "restore"]),
        ("splitmount plan --mirror 2 re", ["rehearse", "restore"]),
        ("splitmount plan restore ", ["payroll", "mail"]),
        ("splitmount plan restore pa", ["payroll"]),
        ("splitmount --config other.yaml plan restore ", ["other"]),
        ("splitmount --config = other.yaml plan restore ", ["other"]),
        ("splitmount inspect ", ["payroll", "mail", "db1", "backup1"]),
        ("splitmount trust db", ["db1"]),
        ("splitmount collect --array ", ["sym"]),
        ("splitmount run restore payroll --confirm ", ["payroll", "mail"]),
        ("splitmount restore-files payroll ", []),
        ("splitmount plan restore web --keep-today ", ["mirror", "backup"]),
        ("splitmount plan map --o", ["--override"]),
        ("splitmount run backup web --y", ["--yes"]),
        ("splitmount history --spe", ["--speed"]),
        ("splitmount hold --until ", []),
        ("splitmount completion ", ["bash", "zsh", "fish"]),
        ("splitmount take-up --file ", ["compopt", "-o", "default"]),
        ("splitmount --config ", ["compopt", "-o", "default"]),
    ],
)
def test_bash_offers_what_may_stand_there(line: str, offered: list[str]) -> None:
    assert completed(line) == [offered]


def test_a_person_presses_tab_in_a_real_bash(tmp_path: Path) -> None:
    (tmp_path / "rc").write_text(f"PS1='> '\n{bash(COMMANDS)}splitmount() {{ echo \"told:$*\"; }}\n")
    (tmp_path / "site.yaml").touch()
    text = typed(
        ["bash", "--rcfile", str(tmp_path / "rc"), "-i"], "splitmount --conf\tsit\tpl\tresto\tweb --keep\tmi\t\n", tmp_path
    )
    assert "told:--config site.yaml plan restore web --keep-today mirror" in text


def typed(words: Sequence[str], keys: str, directory: Path) -> str:
    """What a terminal showed until the command was run."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "TERM": "dumb", "INPUTRC": "/dev/null"}
    shell = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=directory, env=environment, start_new_session=True
    )
    os.close(theirs)
    told, end, sent = b"", time.monotonic() + 30, False
    try:
        while b"\ntold:" not in told and time.monotonic() < end:
            if select.select([ours], [], [], 0.2)[0]:
                told += os.read(ours, 65536)
            if not sent and told.endswith(b"> "):
                os.write(ours, keys.encode())
                sent = True
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
    return told.decode().replace("\r", "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_offers_what_may_stand_there(tmp_path: Path) -> None:
    play = "function splitmount; string match -q -- '--config*' $argv[1]; and echo other; or echo payroll; end\n"

    def offered(line: str) -> list[str]:
        words = ["fish", "--no-config", "-c", f"{fish(COMMANDS)}{play}complete -C '{line}'"]
        environment = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
        assert done.stderr == ""
        return [row.partition("\t")[0] for row in done.stdout.splitlines()]

    assert sorted(offered("splitmount ")) == sorted(NAMES)
    assert offered("splitmount --config x.yaml pl") == ["plan"]
    assert offered("splitmount plan re") == ["rehearse", "restore"]
    assert offered("splitmount plan map --o") == ["--override"]
    assert "payroll" in offered("splitmount plan restore ")
    assert "other" in offered("splitmount --config x.yaml plan restore ")
    assert "other" in offered("splitmount --config=x.yaml plan restore ")
    assert sorted(offered("splitmount plan restore web --keep-today ")) == ["backup", "mirror"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_takes_the_completion_for_a_script(tmp_path: Path) -> None:
    (tmp_path / "_splitmount").write_text(zsh(COMMANDS))
    subprocess.run(["zsh", "-f", "-n", str(tmp_path / "_splitmount")], check=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script_and_imports_nothing_heavy(shell: str, tmp_path: Path) -> None:
    code = (
        "import sys; from tui.__main__ import main\n"
        f"code = main(['completion', {shell!r}])\n"
        "odd = sorted(m for m in ('textual', 'asyncssh', 'rich', 'yaml', 'sqlite3') if m in sys.modules)\n"
        "sys.exit(str(odd) if odd else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(tmp_path)}
    )
    assert done.stdout == SHELLS[shell](COMMANDS)
    assert done.stdout.isascii()


def named(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`splitmount names` in a directory, by a process that says what heavy things it imported."""
    code = (
        "import sys; from tui.__main__ import main\n"
        f"code = main({list(words)!r})\n"
        "odd = sorted(m for m in ('textual', 'asyncssh', 'rich', 'sqlite3', 'core.engine') if m in sys.modules)\n"
        "sys.exit(str(odd) if odd else code)"
    )
    there = {**os.environ, "HOME": str(directory), "PYTHONPATH": str(DOC.parents[1])}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=there, cwd=directory, check=True)


def test_names_are_those_of_the_configuration_that_is_found_and_nothing_heavy_is_imported(tmp_path: Path) -> None:
    body = "hosts: {db1: {os: linux}, 'a b': {}, '$(id)': {}, -x: {}}\nsets: {payroll: {}, db1: {}}\narrays: [odd]\n"
    (tmp_path / "splitmount.yaml").write_text(body)
    assert named(tmp_path, "names", "sets", "hosts").stdout.split("\n") == ["payroll", "db1", ""]
    assert named(tmp_path, "names", "arrays").stdout == ""
    (tmp_path / "other.yaml").write_text("arrays: {sym: {}}\n")
    assert named(tmp_path, "--config", "other.yaml", "names", "arrays").stdout == "sym\n"


@pytest.mark.parametrize("body", [None, "", "sets: [", "- 1", "sets: {payroll: {}}\n\x00"])
def test_where_no_configuration_can_be_read_there_is_no_name_and_no_word_of_it(tmp_path: Path, body: str | None) -> None:
    if body is not None:
        (tmp_path / "splitmount.yaml").write_text(body)
    done = named(tmp_path, "names", "sets", "hosts", "arrays")
    assert (done.stdout, done.stderr) == ("", "")


def test_every_command_says_what_it_does_and_no_word_of_it_breaks_a_script() -> None:
    assert all(command.about for command in COMMANDS)
    values = [c for command in COMMANDS for word in (*command.options, *command.positionals) for c in word.choices]
    assert all(value.replace("-", "").isalnum() for value in (*values, *NAMES))


# --- the man page -----------------------------------------------------------------------------------------------------


def test_the_man_page_in_the_docs_is_what_the_parser_says() -> None:
    assert DOC.read_text() == page(parser(), VERSION), "make man writes it anew"


def test_the_man_page_has_every_command_every_option_and_every_exit_code() -> None:
    text = page(parser(), VERSION).replace("\\-", "-")
    for command in COMMANDS:
        assert not command.name or f".SS {command.name}" in text
        assert all(name in text for word in command.options for name in word.names)
    assert all(f"\\fB{code}\\fR" in text for code in (0, 2, 3, 4, 5, 6))


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_the_man_page_is_drawn_without_a_warning() -> None:
    done = subprocess.run(["groff", "-man", "-Tascii", "-ww", str(DOC)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "Needs attention" in done.stdout or "needs attention" in done.stdout
