"""Maps of up to a hundred thousand rows: built, written, read, made a tree, and verified. The time must grow as the rows do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from core.mapfile import build_map, read, write
from core.model import HostFacts, VolumeGroup
from core.tree import problems, to_tree
from tests.bench.ratio import Ratio, timed
from tests.core.samples import DATA, NOW, SIZE, lv, pv

GROUPS = 100  # devices, and as many volumes, of each group
SMALL, LARGE = 1_000, 100_000


def estate(rows: int) -> HostFacts:
    """A host whose map has so many rows."""
    groups = tuple(_group(number) for number in range(rows // (2 * GROUPS)))
    return HostFacts("db1", "linux", NOW, groups=groups)


def _group(number: int) -> VolumeGroup:
    name, first = f"vg{number:04d}", number * GROUPS
    paths = [f"/dev/d{first + n:06d}" for n in range(GROUPS)]
    physical = tuple(pv(path, f"pv-{first + n}", f"{first + n:08X}", name) for n, path in enumerate(paths))
    volumes = tuple(lv(f"lv{n:03d}", name, path) for n, path in enumerate(paths))
    return replace(
        DATA, name=name, uuid=f"uuid-{name}", size=GROUPS * SIZE, pv_count=GROUPS, physical=physical, volumes=volumes
    )


def whole(rows: int) -> float:
    """Seconds for the whole way of one map."""
    host = estate(rows)
    names = tuple(group.name for group in host.groups)

    def way() -> None:
        text = write(build_map("large", host, names))
        back = read(text, "large.std")
        to_tree(back)
        wrong = problems(back)
        assert not wrong, wrong[:3]

    return timed(way)


def maps() -> Iterator[Ratio]:
    """Time for a row, small and large."""
    small = min(whole(SMALL) for _ in range(5)) / SMALL
    large = min(whole(LARGE) for _ in range(2)) / LARGE
    told = f"{SMALL:,} rows: {1e6 * small:.1f} us a row"
    yield Ratio(
        f"map of {LARGE:,} rows: built, written, read, tree, verified",
        f"{1e6 * large:.1f} us a row",
        told,
        large / small,
        most=1.5,
    )
