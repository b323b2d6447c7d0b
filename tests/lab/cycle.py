"""Establish, split and restore with plain QMP: the lab's own hand on the array, independent of the product."""

from __future__ import annotations

from dataclasses import dataclass

from tests.lab.array import Array

TRACKING = "lab-track"
GRANULARITY = 65536


@dataclass(frozen=True, slots=True)
class ManualPair:
    """A standard and its mirror by node name."""

    standard: str
    mirror: str


def establish(array: Array, pairs: tuple[ManualPair, ...]) -> None:
    """Copy everything to the mirrors, which become not ready, and start to track what changes from now on."""
    array.make_not_ready(*(pair.mirror for pair in pairs))
    qmp = array.qmp
    tracks = [
        ("block-dirty-bitmap-add", {"node": pair.standard, "name": TRACKING, "granularity": GRANULARITY}) for pair in pairs
    ]
    qmp.transaction(*tracks, *(("blockdev-backup", _copy(pair, {"sync": "full"})) for pair in pairs))
    qmp.conclude(*(_job(pair) for pair in pairs))


def split(array: Array, pairs: tuple[ManualPair, ...]) -> None:
    """Bring all mirrors to one instant in one transaction, and make them ready for their host."""
    changed = {"sync": "bitmap", "bitmap": TRACKING, "bitmap-mode": "on-success"}
    qmp = array.qmp
    qmp.transaction(*(("blockdev-backup", _copy(pair, changed)) for pair in pairs))
    qmp.conclude(*(_job(pair) for pair in pairs))
    array.make_ready(*(pair.mirror for pair in pairs))


def refresh(array: Array, pairs: tuple[ManualPair, ...]) -> None:
    """Make the mirrors not ready again and forget the tracking, so that the next establish is a full one."""
    array.make_not_ready(*(pair.mirror for pair in pairs))
    qmp = array.qmp
    for pair in pairs:
        qmp.execute("block-dirty-bitmap-remove", {"node": pair.standard, "name": TRACKING})


def _copy(pair: ManualPair, how: dict[str, str]) -> dict[str, object]:
    return {"job-id": _job(pair), "device": pair.standard, "target": pair.mirror, "auto-dismiss": False, **how}


def _job(pair: ManualPair) -> str:
    return f"copy-{pair.mirror}"
