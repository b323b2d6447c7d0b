"""Entries of a takeover in the table of mounts, in real shells: every line that was there stays as it is, whatever ends the last one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from core.hosts import HostRef, ImportRequest, Mount
from core.model import VolumeGroup
from core.transport import Command
from hostdrivers import DRIVERS

TABLES = {"linux": "/etc/fstab", "hpux": "/etc/fstab", "solaris": "/etc/vfstab"}
LINES = ("# a table", "/dev/vg00/lvol7 /usr vxfs delaylog 0 2", "/dev/vg00/lvol8 /opt vxfs delaylog 0 2")
SHELLS = [shell for shell in ("dash", "mksh", "posh", "bash") if shutil.which(shell)]
REQUEST = ImportRequest(
    VolumeGroup("dg1", "1.2.h", 0, 512, 1 << 30), "dg1", (("790E1000", "1.1.h"),),
    mounts=(Mount("v1", "vxfs", "/mail", "/mail"), Mount("v2", "vxfs", "/mail/in", "/mail/in")), read_only=False,
)  # fmt: skip


def did(shell: str, system: str, place: Path, command: Command | None) -> subprocess.CompletedProcess[str]:
    """The command on a table of ours, with awk under the name that Solaris has for it."""
    assert command is not None
    (place / "bin").mkdir(exist_ok=True)
    (place / "bin" / "nawk").write_text('#!/bin/sh\nexec awk "$@"\n')
    (place / "bin" / "nawk").chmod(0o755)
    script = command.script.replace(TABLES[system], f"{place}/table").replace("PATH=/", f"PATH={place}/bin:/", 1)
    return subprocess.run([shell, "-c", f"RUN={place}/run; export RUN\n{script}"], capture_output=True, text=True)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("end", ["\n", ""], ids=["ended", "without an end"])
@pytest.mark.parametrize("system", TABLES)
def test_the_lines_of_a_table_stay_and_ours_come_and_go(tmp_path: Path, system: str, end: str, shell: str) -> None:
    table = tmp_path / "table"
    table.write_text("\n".join(LINES) + end)
    step = DRIVERS[system].table_entries(HostRef("t", system), REQUEST)
    added = did(shell, system, tmp_path, step.command)
    assert added.returncode == 0, added.stderr
    rows = table.read_text().splitlines()
    mark = "# splitmount takeover of dg1"
    assert (tuple(rows[:3]), rows[3], rows[-1], len(rows)) == (LINES, f"{mark} begin", f"{mark} end", 7)
    removed = did(shell, system, tmp_path, step.undo)
    assert (removed.returncode, removed.stdout) == (0, ""), removed
    assert table.read_text() == "\n".join(LINES) + "\n"


@pytest.mark.parametrize("system", ["hpux", "solaris"])
def test_a_table_that_did_not_take_the_entries_is_an_error(tmp_path: Path, system: str) -> None:
    (tmp_path / "table").write_text("\n".join(LINES) + "\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cp").write_text('#!/bin/sh\ncase $2 in */table) exit 0;; esac\nexec /bin/cp "$@"\n')
    (tmp_path / "bin" / "cp").chmod(0o755)
    done = did("sh", system, tmp_path, DRIVERS[system].table_entries(HostRef("t", system), REQUEST).command)
    assert (done.returncode, "does not have the new entries" in done.stderr) == (1, True), done
