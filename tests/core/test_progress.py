"""Rates and remaining times."""

from __future__ import annotations

import pytest

from core.progress import Rate


def test_one_report_gives_no_rate() -> None:
    assert Rate().report(0.0, 100, 1000) == (None, None)


def test_two_reports_give_bytes_a_second_and_the_time_left() -> None:
    rate = Rate()
    rate.report(0.0, 0, 1000)
    speed, left = rate.report(2.0, 200, 1000)
    assert speed == pytest.approx(100.0)
    assert left == pytest.approx(8.0)


def test_an_unknown_total_leaves_the_remaining_time_unknown() -> None:
    rate = Rate()
    rate.report(0.0, 0, None)
    speed, left = rate.report(1.0, 50, None)
    assert speed == pytest.approx(50.0)
    assert left is None


def test_a_count_that_falls_back_starts_anew() -> None:
    rate = Rate()
    rate.report(0.0, 500, 1000)
    assert rate.report(1.0, 100, 1000) == (None, None)
