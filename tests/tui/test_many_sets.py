"""An engine that is asked for hundreds of sets at once measures a bounded number of them at a time, and all in the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.engine import SETS_AT_ONCE
from core.errors import TransportError
from tests.tui.toyengine import toy_engine


def test_hundreds_of_sets_are_measured_a_bounded_number_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = toy_engine(tmp_path)
    under_way, most = 0, 0

    async def estate(*_: Any, **__: Any) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _turn in range(3):
            await asyncio.sleep(0)
        under_way -= 1
        raise TransportError("asked")

    monkeypatch.setattr(engine, "_estate", estate)
    try:
        (name, *_others) = engine.settings.sets
        asked = [engine.measure_set(name) for _ in range(10 * SETS_AT_ONCE)]
        assert {str(one.exception()) for one in asked} == {"asked"}
        assert most == SETS_AT_ONCE
    finally:
        engine.close()
