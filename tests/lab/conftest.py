"""Fixtures of the real estate; it is only started when SPLITMOUNT_LAB=1, since it takes a while and a machine of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab.estate import Lab, open_lab
from tests.lab.layouts import make_awkward, make_ordinary, reset_mirrors


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The estate with its ordinary layout, started once for the session."""
    if os.environ.get("SPLITMOUNT_LAB") != "1":
        pytest.skip("the real estate runs only with SPLITMOUNT_LAB=1")
    with open_lab() as running:
        running.seconds["ordinary"] = make_ordinary(running)
        print(f"lab: {running.seconds}")
        yield running


@pytest.fixture(scope="session")
def awkward(lab: Lab) -> Lab:
    """The estate with the awkward layout beside the ordinary one; made when the first test wants it, and then there to stay."""
    lab.seconds["awkward"] = make_awkward(lab)
    print(f"lab: {lab.seconds}")
    return lab


@pytest.fixture
def fresh_mirrors(lab: Lab) -> Lab:
    """The estate with every pair as never established, whatever the test before it left."""
    reset_mirrors(lab)
    return lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the estate itself come last: what they import by hand stays on the BCVs under the name that the product would give."""
    items.sort(key=lambda item: item.path.name == "test_estate.py")
