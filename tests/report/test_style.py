from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.report.style import DARK, EVENT, FAULT, LIGHT, NORMAL, SCORE, SERIES, TRUTH, bgr, clock, significant

# What people with a missing kind of cone see, on linear RGB: Machado, Oliveira and Fernandes, "A Physiologically-based
# Model for Simulation of Color Vision Deficiency", 2009, severity 1.
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    "none": np.eye(3).tolist(),
}


def linear(colour: str) -> NDArray[np.float64]:
    values = np.array(bgr(colour)[::-1]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* of linear sRGB, white D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb.clip(0, 1)
    f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    f = np.where(xyz / [0.9505, 1.0, 1.089] > 0.008856, f, 7.787 * xyz / [0.9505, 1.0, 1.089] + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2."""
    lights = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05 for colour in (one, other))
    return lights[1] / lights[0]


@pytest.mark.parametrize("kind", list(BLIND))
def test_colours_that_stand_side_by_side_are_told_apart_by_everybody(kind: str) -> None:
    """A difference of 2.3 is just noticeable. What is drawn in one picture lies at least five times as far apart."""
    matrix = np.array(BLIND[kind])
    for colours in ((SCORE, EVENT, NORMAL, FAULT, TRUTH), SERIES, (DARK["score"], DARK["event"], NORMAL, FAULT, TRUTH)):
        for one, other in combinations(colours, 2):
            apart = np.linalg.norm(lab(matrix @ linear(one)) - lab(matrix @ linear(other)))
            assert apart > 12, (kind, one, other, apart)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_texts_and_marks_stand_out_from_the_page(theme: dict[str, str]) -> None:
    for ground in ("page", "card"):
        assert all(contrast(theme[text], theme[ground]) >= 4.5 for text in ("ink", "dim", "score")), ground
    marks = ("score", "other", "threshold", "event", "normal", "truth")
    assert {mark for mark in marks if contrast(theme[mark], theme["page"]) < 3} == set()


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
