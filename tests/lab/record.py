"""Record the transcripts of the demonstration: `python -m tests.lab.record DIRECTORY`. Reads only; paths of the lab are taken out."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import yaml

from core.config import load
from core.facade import PlanRequest
from core.replay import Recorder
from core.ssh import SshTransport
from tests.lab.estate import Lab, open_lab
from tests.lab.layouts import make_awkward, make_ordinary
from tests.lab.product import drive, product
from tui.wiring import build_engine


def main(directory: Path) -> None:
    """Boot the lab, bring the mirrors to telling states, and record one look at everything."""
    directory.mkdir(parents=True, exist_ok=True)
    with open_lab() as lab:
        make_ordinary(lab)
        make_awkward(lab)
        with product(lab) as made:
            drive(made, "ordinary", "establish")
            drive(made, "awkward", "establish")
            drive(made, "awkward", "split")
        _record(lab, directory)
        _configure(lab, directory)


def _record(lab: Lab, directory: Path) -> None:
    target = directory / "lab.jsonl"
    target.unlink(missing_ok=True)
    settings = replace(load(lab.config), state_dir=lab.directory / "record-state")
    transport = Recorder(SshTransport(settings.hosts, settings.known_hosts, read_only=True), target)
    engine = build_engine(settings, True, transport)
    for name in settings.sets:
        engine.measure_set(name).result()
        engine.plan(PlanRequest("backup", name)).result()
    engine.close()
    target.write_text(target.read_text().replace(str(lab.directory), "/srv/array"))


def _configure(lab: Lab, directory: Path) -> None:
    body = yaml.safe_load(lab.config.read_text())
    for host in body["hosts"].values():
        host.pop("key")
        host["port"] = 22
    body["arrays"]["lab"]["socket"] = "/srv/array/qmp.sock"
    text = "# The configuration of the recorded estate; nothing in it is live.\n" + yaml.safe_dump(body, sort_keys=False)
    (directory / "splitmount.yaml").write_text(text)
    for pairs in lab.directory.glob("pairs-*.txt"):
        (directory / pairs.name).write_text(pairs.read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
