"""No frozen source, whatever happens to the console: killed for real, or cut off."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lab.estate import Lab
from tests.lab.processes import wait_until
from tests.lab.product import as_json, config_of, drive, product, splitmount

TIMER = 8
# Two writes that cannot go through while the source is frozen, and whether they are still waiting a second later.
PROBE = """
rm -f /run/probe.done
(sh -c 'echo x > /srv/data/probe && echo y > /srv/data/logs/probe && touch /run/probe.done' < /dev/null > /dev/null 2>&1 &)
sleep 1; [ ! -e /run/probe.done ]
"""


@pytest.mark.parametrize(
    ("sign", "within"),
    [
        pytest.param(signal.SIGKILL, TIMER, id="the console is killed"),
        pytest.param(signal.SIGSTOP, TIMER + 4, id="the console hangs and its connection stays"),
    ],
)
def test_the_source_thaws_by_itself_within_the_timer(fresh_mirrors: Lab, sign: signal.Signals, within: float) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        drive(made, "ordinary", "establish")

    def shorter(body: dict[str, Any]) -> None:
        body["sets"]["ordinary"]["freeze"] = {"seconds": TIMER}
        body["state_dir"] = str(lab.directory / "stuck-state")

    config = config_of(lab, shorter)
    command = [sys.executable, "-m", "tests.lab.stuck", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as console:
        assert console.stdout is not None
        assert console.stdout.readline() == "FROZEN\n"
        frozen = lab.ssh("source", PROBE, check=False).returncode == 0
        began = time.monotonic()
        console.send_signal(sign)
        lab.ssh("source", "while [ ! -e /run/probe.done ]; do sleep 0.1; done", timeout=90)
        seconds = time.monotonic() - began
        console.send_signal(signal.SIGKILL)
    take_back(lab, config)
    print(f"\n{sign.name}: a write to the frozen source went through after {seconds:.1f} s (timer {TIMER} s)")
    assert frozen, "the source was not frozen at all: this test proves nothing"
    assert seconds < within
    wait_until(
        lambda: not lab.ssh("source", "ls /run | grep splitmount-freeze", check=False).stdout, "nothing left in /run", 20.0
    )


def take_back(lab: Lab, config: Path, name: str = "ordinary") -> None:
    """What the killed console left has no end: another one takes it back, as an operator would."""
    (left,) = as_json(splitmount(lab, "recover", "--json", config=config))
    assert (left["set_name"], left["undo"]) == (name, ""), left
    done = splitmount(lab, "recover", str(left["run"]), "--undo", "--yes", config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every run has an end" in splitmount(lab, "recover", config=config).stdout
