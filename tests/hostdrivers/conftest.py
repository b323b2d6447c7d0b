"""Emulated hosts are used here in the tests' own loop."""

from __future__ import annotations

from collections.abc import Mapping

from hostdrivers.emulated.estate import ApartLoop


def pytest_asyncio_loop_factories() -> Mapping[str, type[ApartLoop]]:
    """Loops in which the sandboxed shell may call from threads of its own, as the estate's."""
    return {"apart": ApartLoop}
