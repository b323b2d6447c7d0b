"""Each condition of a restore violated in turn, for real: refused with exit 3, and nothing anywhere is changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.events import RunPaused
from core.settings import PostPolicy
from tests.lab.estate import Lab
from tests.lab.layouts import ORDINARY_MOUNTS
from tests.lab.product import Product, config_of, drive, files_of, identity, product, splitmount

Violation = Callable[[Lab, Product], AbstractContextManager[None]]


def _own_state(body: dict[str, Any]) -> None:
    body["state_dir"] = "state"


@contextmanager
def _process_in_a_filesystem(lab: Lab, made: Product) -> Iterator[None]:
    lab.ssh("source", "cd /srv/data/logs && (nohup sleep 900 > /dev/null 2>&1 & echo $! > /run/busy.pid)")
    try:
        yield
    finally:
        lab.ssh("source", "kill `cat /run/busy.pid`")


@contextmanager
def _volume_added_and_open(lab: Lab, made: Product) -> Iterator[None]:
    """A volume that was not there then, held open by a loop device."""
    lab.ssh("source", "lvcreate -q -y -Wn -L 8M -n since vgdata && modprobe loop && losetup --find /dev/vgdata/since")
    try:
        yield
    finally:
        lab.ssh("source", "losetup --detach-all; lvremove -q -y vgdata/since")


@contextmanager
def _mounted_on_the_target(lab: Lab, made: Product) -> Iterator[None]:
    """A run that waits with the copy mounted."""
    plan = made.plan("rehearse", "ordinary", post=PostPolicy.LEAVE_DOWN)
    number = made.engine.start(plan, stepwise=True).result(60)
    first = next(i for i, s in enumerate(plan.steps) if s.id.startswith("undo-"))
    for done in range(first):
        made.engine.proceed(number)
        limit = time.monotonic() + 120
        while sum(isinstance(e, RunPaused) and e.run == number for e in made.events) < done + 2:
            made.listen()
            assert time.monotonic() < limit, made.story(number)
            time.sleep(0.05)
    try:
        yield
    finally:
        made.engine.proceed(number, to_end=True)
        assert made.wait(number).exit_code == 0


@contextmanager
def _map_tampered_with(lab: Lab, made: Product) -> Iterator[None]:
    kept = {path: path.read_text() for path in Path(lab.directory / "state" / "maps" / "ordinary").rglob("*.std")}
    assert kept
    for path, text in kept.items():
        path.write_text(text.replace("lvdata", "lvdate"))
    try:
        yield
    finally:
        for path, text in kept.items():
            path.write_text(text)


@contextmanager
def _serials_swapped(lab: Lab, made: Product) -> Iterator[None]:
    """The BCVs of two standards change places in the pairs file."""
    path = lab.directory / "pairs-ordinary.txt"
    before = path.read_text()
    first, second, *rest = [line.split() for line in before.splitlines() if line and not line.startswith("#")]
    first[1], second[1] = second[1], first[1]
    path.write_text("".join(" ".join(row) + "\n" for row in (first, second, *rest)))
    try:
        yield
    finally:
        path.write_text(before)


@contextmanager
def _one_pair_established(lab: Lab, made: Product) -> Iterator[None]:
    """Last: its point in time is lost by it."""
    drive(made, "ordinary", "establish", only=0)
    yield


VIOLATIONS: tuple[tuple[Violation, str], ...] = (
    (_process_in_a_filesystem, "UNUSED"),
    (_mounted_on_the_target, "BCVS_FREE"),  # before the group is written to: after that the copy is older than its map
    (_volume_added_and_open, "VOLUMES_CLOSED"),
    (_volume_added_and_open, "SAME_LAYOUT"),
    (_map_tampered_with, "map"),
    (_serials_swapped, "PAIRS_SPLIT"),
    (_one_pair_established, "PAIRS_SPLIT"),
)


@pytest.mark.long
def test_what_is_violated_is_named_and_nothing_is_changed(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        made.do("establish", "ordinary")
        made.do("backup", "ordinary", post=PostPolicy.LEAVE_DOWN)
        files = files_of(lab, "source", "", ORDINARY_MOUNTS)
        for violate, code in VIOLATIONS:
            with violate(lab, made):
                before = (identity(lab), made.states("ordinary"))
                done = splitmount(lab, "run", "restore", "ordinary", "--confirm", "ordinary", config=config_of(lab, _own_state))
                print(violate.__name__, done.returncode, done.stderr.strip())
                assert done.returncode == 3, done.stderr
                assert code in done.stderr
                assert "nothing was changed" in done.stderr
                assert (identity(lab), made.states("ordinary")) == before
        assert files_of(lab, "source", "", ORDINARY_MOUNTS) == files
