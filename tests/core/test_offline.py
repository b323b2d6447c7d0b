"""Files of collectors: written by a real /bin/sh and read again; whatever is no whole file is refused with what to do."""

from __future__ import annotations

import os
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core import offline
from core.arrays.qemu import QemuArray
from core.arrays.symmetrix import SymmetrixArray
from core.errors import ConfigError
from core.hosts import HostRef
from core.model import Pair
from core.transport import Command, Status
from hostdrivers import DRIVERS
from hostdrivers.report import sections_of
from tests.hostdrivers.machines import complaints
from tui.plain import line

TOKEN = "0123456789abcdef"
WHOLE = f"splitmount-facts 1 aix alpha 20261123T080000Z {TOKEN}\nout\n\nsplitmount-facts-{TOKEN} errors\nerr\nsplitmount-facts-{TOKEN} end 3\n"
ODD = Command("h", "t", "printf 'a\\\\n$HOME `x`\\n\\377'; echo 'e\\\\c $HOME `y`' >&2; exit 7\n")


def script_of(command: Command) -> str:
    return offline.collector(command, "linux", "a test")


def collect(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", "-s"], input=script, cwd=directory, capture_output=True, text=True, check=False)


def test_a_real_shell_writes_output_errors_and_exit_status_letter_by_letter(tmp_path: Path) -> None:
    done = collect(script_of(ODD), tmp_path)
    assert done.returncode == 0, done.stderr
    (name,) = offline.names(tmp_path)
    saved = offline.read(tmp_path / name)
    assert (saved.stdout, saved.stderr.rstrip("\n")) == ("a\\n$HOME `x`\n\\xff", "e\\c $HOME `y`")
    assert (saved.about, name, saved.exit_status) == ("linux", f"{os.uname().nodename}.facts", 7)
    assert abs((datetime.now(UTC) - saved.at).total_seconds()) < 100
    assert (saved.result(ODD).status, saved.result(ODD).exit_status) == (Status.FAILED, 7)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["file", "link to nothing", "directory", "pipe"])
def test_a_file_that_is_there_is_never_written_over_and_nothing_is_asked(kind: str, tmp_path: Path) -> None:
    there, elsewhere = tmp_path / f"{os.uname().nodename}.facts", tmp_path / "elsewhere"
    match kind:
        case "file":
            there.write_text("mine")
        case "link to nothing":
            there.symlink_to(elsewhere)
        case "directory":
            there.mkdir()
        case _:
            os.mkfifo(there)
    done = collect(script_of(Command("h", "t", f"touch {tmp_path}/asked\n")), tmp_path)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {there.name}
    assert kind != "file" or there.read_text() == "mine"


@pytest.mark.parametrize("system", DRIVERS)
def test_every_collector_is_understood_by_every_shell_here_and_can_be_printed_as_it_is(system: str) -> None:
    script = script_of(DRIVERS[system].discovery(HostRef("h", system)))
    assert complaints(script) == ""
    assert [line(text) for text in script.split("\n")] == script.split("\n")


def test_the_collector_of_linux_writes_a_whole_report_of_this_very_machine_and_leaves_nothing_else(tmp_path: Path) -> None:
    done = collect(script_of(DRIVERS["linux"].discovery(HostRef("h", "linux"))), tmp_path)
    assert done.returncode == 0, done.stderr
    (name,) = os.listdir(tmp_path)
    sections = sections_of("h", offline.read(tmp_path / name).result(ODD), 16 << 20)
    assert sections["uname"].text.split()[0] == os.uname().nodename
    assert {"lvm", "mounts", "probe"} <= set(sections)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ":1: the file is empty"),
        (b"\n \n", ":1: the file is empty"),
        (b"PK\x03\x04\xff\xfe", ":1: no collector wrote this: the first line must begin with splitmount-facts"),
        (b"# splitmount map\n# os: aix\n", ":1: no collector wrote this"),
        (b"\x7fELF\0\0", ":1: a zero byte"),
        (WHOLE.encode().replace(b"out", b"o\0t"), ":2: a zero byte"),
        (WHOLE.encode().replace(b"\n", b"\r\n"), ":1: the ends of lines were changed on the way"),
        (WHOLE.replace("facts 1 ", "facts 2 ", 1).encode(), ":1: version '2' of the format; this program reads 1"),
        (WHOLE.replace("alpha", "al pha", 1).encode(), ":1: the first line must give version, system, host, time and token"),
        (WHOLE.replace("1123T", "1323T", 1).encode(), ":1: 20261323T080000Z is no time"),
        (WHOLE[:-2].encode(), ":6: the last line must be 'splitmount-facts-0123456789abcdef end STATUS'"),
        (WHOLE[:-1].encode(), ":6: the last line must be"),
        (WHOLE[:80].encode(), ":4: the last line must be"),
        ((WHOLE + "more\n").encode(), ":7: the last line must be"),
    ],
)  # fmt: skip
def test_what_is_no_whole_file_of_a_collector_is_refused_by_file_line_and_what_to_do(
    data: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "alpha.facts"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as refused:
        offline.read(path)
    assert str(path) + words in str(refused.value)
    assert "zero byte" in words or str(refused.value).endswith("byte by byte")


def test_a_whole_file_is_cut_at_no_place_without_being_noticed() -> None:
    assert offline.parse(WHOLE, "f").stdout == "out\n"
    for end in range(len(WHOLE)):
        with pytest.raises(ConfigError):
            offline.parse(WHOLE[:end], "f")


def test_an_oversized_file_and_a_directory_that_holds_none_or_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no file HOST\.facts in it; .* prints the script"):
        offline.names(tmp_path)
    with pytest.raises(ConfigError, match="No such file"):
        offline.names(tmp_path / "none")
    large = tmp_path / "large.facts"
    with large.open("wb") as file:
        file.truncate(offline.LIMIT + 1)
    assert offline.names(tmp_path) == ("large.facts",)
    with pytest.raises(ConfigError, match="larger than"):
        offline.read(large)
    os.truncate(large, offline.TOTAL + 1)
    with pytest.raises(ConfigError, match="more than 256 MiB"):
        offline.names(tmp_path)
    os.truncate(large, 0)
    for number in range(offline.FILES):
        (tmp_path / f"{number}.facts").touch()
    with pytest.raises(ConfigError, match="more than 2000 files"):
        offline.names(tmp_path)


async def test_the_question_to_an_array_is_its_own_read_and_one_over_a_socket_is_refused() -> None:
    pairs = (Pair("7902C000", "790B4000"), Pair("7902D000", "790B5000"))
    array = SymmetrixArray("sym", "symadm", "000184600079")
    asked = await offline.question(array, pairs)
    assert (asked.host, asked.title, complaints(script_of(asked))) == ("symadm", "read pair states", "")
    assert offline.about_array(asked) != offline.about_array(await offline.question(array, pairs[:1]))
    with pytest.raises(ConfigError, match="array lab: no script can save what it answers"):
        await offline.question(QemuArray("lab", "h", "/run/qmp", {"STD1": "stdx1", "BCV1": "bcvx1"}), (Pair("STD1", "BCV1"),))
