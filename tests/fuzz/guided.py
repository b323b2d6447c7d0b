"""One parser under atheris, which looks for inputs that reach new lines: `python -m tests.fuzz.guided TARGET RUNS SECONDS CORPUS`.

A process of its own, since atheris never returns. `all` takes every parser in turn, chosen by the first byte. It ends with 0 when nothing
was found; an input that was a finding lies in CORPUS/../crash-*.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["core", "hostdrivers"]):
    from tests.fuzz.targets import TARGETS


def main(name: str, runs: str, seconds: str, corpus: str) -> None:
    """Give the corpus its seeds, and run."""
    place = Path(corpus)
    place.mkdir(parents=True, exist_ok=True)
    chosen = [*TARGETS.values()] if name == "all" else [TARGETS[name]]
    for number, target in enumerate(chosen):
        for at, seed in enumerate(target.real()):
            (place / f"{target.name}-{at}").write_bytes((bytes([number]) if name == "all" else b"") + seed)

    def one(data: bytes) -> None:
        if name != "all":
            chosen[0].run(data)
        elif data:
            chosen[data[0] % len(chosen)].run(data[1:])

    limits = [
        f"-runs={runs}",
        f"-max_total_time={seconds}",
        "-timeout=20",
        "-rss_limit_mb=1500",
        "-max_len=32768",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={place.parent}/", str(place)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:5])
