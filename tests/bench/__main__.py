"""The benchmarks: `python -m tests.bench FILE [PART...]` writes the table; the exit code says whether all ratios hold."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.bench.discovery import discovery
from tests.bench.large import large
from tests.bench.maps import maps
from tests.bench.ratio import Ratio, table
from tests.bench.restic import restic
from tests.bench.screen import events, starts, trees
from tests.bench.sent import sent

PARTS: Mapping[str, tuple[Callable[[], Iterator[Ratio]], ...]] = {
    "screen": (starts, trees, events),
    "maps": (maps,),
    "discovery": (discovery,),
    "large": (large,),
    "sent": (sent,),
    "restic": (restic,),
}
ELSEWHERE = ("lab",)  # sections whose rows come from `make bench-lab`
_HEAD = """# Benchmarks

Made by `make bench`, or a part of it by `make bench ONLY="discovery large"`. Times depend on the machine and on what else it does;
the ratios are what must hold (section `lab`: `make bench-lab`). Ours and what it is compared with are measured in turn, and the medians are shown.
"""


def sections_of(text: str) -> dict[str, str]:
    """The parts of the document by their headings."""
    return {name: body.strip() for name, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)}


def main(target: Path, *names: str) -> int:
    """Measure these parts, or all; 1 when a ratio does not hold. Parts that are not measured stay as they are in the file."""
    sections = sections_of(target.read_text()) if target.is_file() else {}
    holds = True
    for name in names or PARTS:
        rows, load = [], os.getloadavg()[0]
        for row in (row for part in PARTS[name] for row in part()):
            print(*table([row]), sep="\n", flush=True)
            rows.append(row)
        sections[name] = "\n".join([_about(load), "", *table(rows)])
        holds = holds and all(row.holds for row in rows)
        _write(target, sections)
    return 0 if holds else 1


def _about(load: float) -> str:
    now = os.getloadavg()[0]
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f} before and {now:.1f} after."


def _write(target: Path, sections: Mapping[str, str]) -> None:
    told = [name for name in (*PARTS, *ELSEWHERE) if name in sections]
    target.write_text(_HEAD + "".join(f"\n## {name}\n\n{sections[name]}\n" for name in told))


def keep(target: Path, section: str, row: Ratio, load: float) -> None:
    """Put one row, which was measured elsewhere, into a section; what was measured of the same thing before goes."""
    sections = sections_of(target.read_text()) if target.is_file() else {}
    known = [line for line in sections.get(section, "").splitlines() if line.startswith("| ")][1:]
    head, rule, line = table([row])
    others = [one for one in known if one.partition(" of ")[0] != line.partition(" of ")[0]]
    _write(target, sections | {section: "\n".join([_about(load), "", head, rule, *others, line])})


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
