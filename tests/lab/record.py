"""Record the transcript that tests/fixtures/linux keeps: `python -m tests.lab.record FILE`. Reads only; paths of the lab are taken out."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from core.config import load
from core.facade import PlanRequest
from tests.lab.estate import Lab, open_lab
from tests.lab.layouts import make_awkward, make_ordinary
from tests.lab.product import drive, product
from tui.wiring import build_engine, carrier_of


def main(file: Path) -> None:
    """Boot the lab, bring the mirrors to telling states, and record one look at everything."""
    with open_lab() as lab:
        make_ordinary(lab)
        make_awkward(lab)
        with product(lab) as made:
            drive(made, "ordinary", "establish")
            drive(made, "awkward", "establish")
            drive(made, "awkward", "split")
        _record(lab, file)


def _record(lab: Lab, file: Path) -> None:
    file.unlink(missing_ok=True)
    settings = replace(load(lab.config), state_dir=lab.directory / "record-state")
    engine = build_engine(settings, True, carrier_of(settings, True, file, None))
    for name in settings.sets:
        engine.measure_set(name).result()
        engine.plan(PlanRequest("backup", name)).result()
    engine.close()
    file.write_text(file.read_text().replace(str(lab.directory), "/srv/array"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
