"""A freeze that takes longer than its timer: no filesystem stays frozen with nobody to thaw it, in real shells with a tool of ours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from core.hosts import HostRef
from hostdrivers import DRIVERS

POINTS = ("/srv/a", "/srv/b")  # in the order of their freezing
SHELLS = [shell for shell in ("dash", "mksh", "posh", "bash") if shutil.which(shell)]
# The kernel's part: a file for each filesystem that is frozen. The slow one is down only when the timer has begun to thaw.
TOOL = """#!/bin/sh
k={state}/`basename "$2"`
case $1 in
  {down}) if [ "$2" = {slow} ]; then until [ -e {state}/thawing ]; do sleep 0.05; done; fi
    [ ! -e "$k.frozen" ] || exit 1
    : > "$k.frozen";;
  *) : > {state}/thawing; rm "$k.frozen";;
esac
"""


def tools(place: Path, slow: str) -> None:
    """The commands that a script finds before all others."""
    (place / "bin").mkdir()
    texts = {
        "fsfreeze": TOOL.format(state=place, down="-f", slow=slow),
        "lockfs": TOOL.format(state=place, down="-w", slow=slow),
        "line": '#!/bin/sh\nIFS= read -r x; echo "$x"\n',
    }
    if not shutil.which("nawk"):
        texts["nawk"] = '#!/bin/sh\nexec awk "$@"\n'
    for name, text in texts.items():
        (place / "bin" / name).write_text(text)
        (place / "bin" / name).chmod(0o755)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("slow", POINTS)
@pytest.mark.parametrize("system", ["linux", "solaris"])
def test_a_freeze_that_takes_longer_than_its_timer_fails_and_leaves_nothing_frozen(
    tmp_path: Path, system: str, slow: str, shell: str
) -> None:
    tools(tmp_path, slow)
    script = DRIVERS[system].freeze(HostRef("alpha", system), POINTS, 1).script
    script = script.replace("PATH=/", f"PATH={tmp_path}/bin:/", 1)
    done = subprocess.run([shell, "-c", script], input="freeze\n", capture_output=True, text=True, timeout=60)
    said = done.stdout.splitlines()
    assert (said[0], said[-1].split()[0]) == ("ready", "failed"), done
    assert "longer than 1 s" in said[-1]
    assert not list(tmp_path.glob("*.frozen"))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("system", ["linux", "solaris"])
def test_a_freeze_in_time_is_said_and_thawed_at_the_end_of_input(tmp_path: Path, system: str, shell: str) -> None:
    tools(tmp_path, "")
    script = DRIVERS[system].freeze(HostRef("alpha", system), POINTS, 50).script
    script = script.replace("PATH=/", f"PATH={tmp_path}/bin:/", 1)
    done = subprocess.run([shell, "-c", script], input="freeze\n", capture_output=True, text=True, timeout=60)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ready", "frozen", "thawed"], done
    assert not list(tmp_path.glob("*.frozen"))
