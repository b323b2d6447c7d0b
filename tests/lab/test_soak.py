"""Twenty backups in a row on the real estate by one console, while the source is written to: nothing is left, nothing grows."""

from __future__ import annotations

import pytest

from core.settings import PostPolicy
from tests.emulated.soak import GROWS, size_now
from tests.lab.estate import Lab
from tests.lab.layouts import ORDINARY_MOUNTS, start_writer
from tests.lab.product import identity, product, traces

CYCLES, WARM = 20, 4


def rows(found: dict[str, str]) -> dict[str, list[str]]:
    return {name: sorted(text.splitlines()) for name, text in found.items()}


@pytest.mark.long
def test_twenty_backups_in_a_row_leave_nothing_and_the_console_does_not_grow(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        made.do("establish", "ordinary")
        writer = start_writer(lab, ORDINARY_MOUNTS)
        there, known, sizes = rows(traces(lab)), rows(identity(lab)), []
        try:
            for cycle in range(1, CYCLES + 1):
                end = made.do("backup", "ordinary", post=PostPolicy.UP)
                assert rows(traces(lab)) == there
                assert rows(identity(lab)) == known
                made.events.clear()
                made.transport.changes.clear()  # what this test keeps is not the console's
                sizes.append(size := size_now(cycle))
                print(
                    f"{cycle}: {end.seconds:.0f} s, {size.memory} KiB, {size.descriptors} descriptors, {size.threads} threads"
                )
        finally:
            writer.stop()
        warm, last = sizes[WARM - 1], sizes[-1]
        assert last.memory < warm.memory * GROWS
        assert last.descriptors <= warm.descriptors
        assert last.threads <= warm.threads
