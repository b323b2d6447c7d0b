"""OpenSSH logs in to the emulated hosts with the files that the estate wrote, and sees what an administrator would see."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest

from hostdrivers.emulated.estate import RunningEstate
from tests.emulated.transcripts import COMMANDS, FAMILY, FIXTURES, ssh, transcript

pytestmark = pytest.mark.skipif(not shutil.which("ssh"), reason="needs OpenSSH's client")


@pytest.mark.parametrize("host", COMMANDS)
def test_the_usual_commands_print_the_documented_formats(tmp_path: Path, host: str) -> None:
    assert transcript(host, tmp_path) == (FIXTURES / f"{host}.txt").read_text()


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("aixprod", "ksh: nosuchcommand:  not found."),
        ("hpprod", "sh: nosuchcommand:  not found."),
        ("sunmir2", "sh: nosuchcommand: not found"),
        ("webprod", "bash: line 1: nosuchcommand: command not found"),
        ("symadm", "bash: line 1: nosuchcommand: command not found"),
    ],
)
def test_an_unknown_command_and_a_missing_file_are_told_in_the_words_of_that_system(
    tmp_path: Path, host: str, says: str
) -> None:
    with contextlib.closing(RunningEstate(tmp_path / "estate", (FAMILY[host],))) as running:
        machine = running.estate.machines[host]
        assert ssh(running, host, "nosuchcommand") == f"$ nosuchcommand\n{says}\n[127]\n\n"
        assert ssh(running, host, "ls /nosuch") == f"$ ls /nosuch\n{machine.no_file.format('/nosuch')}\n[2]\n\n"
        assert "[0]" in ssh(running, host, "ls")


def test_an_unknown_command_ends_with_127_and_a_wrong_key_is_not_let_in(tmp_path: Path) -> None:
    with contextlib.closing(RunningEstate(tmp_path / "estate", (FAMILY["aixprod"],))) as running:
        unknown_and_refused(running, "aixprod", tmp_path)


def unknown_and_refused(running: RunningEstate, host: str, tmp_path: Path) -> None:
    assert "[127]" in ssh(running, host, "nosuchcommand")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    front = running.estate.fronts[host]
    options = ["-F", "none", "-i", str(tmp_path / "other"), "-p", str(front.port), "-o", "BatchMode=yes"]
    options += ["-o", f"UserKnownHostsFile={running.estate.directory}/known_hosts", "-o", "IdentitiesOnly=yes"]
    done = subprocess.run(["ssh", *options, "root@127.0.0.1", "true"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 255
    assert "Permission denied" in done.stderr
