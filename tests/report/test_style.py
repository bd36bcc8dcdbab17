from __future__ import annotations

import pytest

from oddframe.report.style import bgr, clock, significant


@pytest.mark.parametrize(
    ("seconds", "decimals", "text"),
    [
        (0, 0, "0:00"),
        (7.4, 0, "0:07"),
        (59.96, 1, "1:00.0"),
        (59.94, 1, "0:59.9"),
        (750, 0, "12:30"),
        (3599.6, 0, "1:00:00"),
        (7384.25, 2, "2:03:04.25"),
        (-0.01, 0, "0:00"),
        (-61, 0, "-1:01"),
    ],
)
def test_clock(seconds: float, decimals: int, text: str) -> None:
    assert clock(seconds, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (0.0123456, "0.0123"),
        (-1.2, "-1.20"),
        (22.04, "22.0"),
        (99.94, "99.9"),
        (999.4, "999"),
        (999.6, "1000"),
        (43210.7, "43211"),
        (1.5e-7, "1.50e-07"),
        (2.5e9, "2.50e+09"),
    ],
)
def test_significant(value: float, text: str) -> None:
    assert significant(value) == text


def test_bgr() -> None:
    assert bgr("#0a14ff") == (255, 20, 10)
