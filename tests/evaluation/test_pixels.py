"""Pixel metrics against all pixels written out, and what a map of another size means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from oddframe.errors import InputError
from oddframe.evaluation.auc import equal_error_rate, roc_auc
from oddframe.evaluation.pixels import pixel_auc, pixel_criterion

Video = tuple[np.ndarray, np.ndarray]


def enlarged(maps: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Every pixel with the value of the cell that its centre lies in, one by one."""
    rows, columns = (
        [math.floor((p + 0.5) * cells / pixels) for p in range(pixels)]
        for pixels, cells in zip(size, maps.shape[1:], strict=True)
    )
    return maps[:, rows][:, :, columns]


@st.composite
def videos(draw: st.DrawFn) -> list[Video]:
    """Two videos of different sizes, grids that do not divide them, and scores that tie."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made = []
    for _ in range(2):
        h, w = draw(st.integers(1, 5)), draw(st.integers(1, 5))
        height, width = h + draw(st.integers(0, 7)), w + draw(st.integers(0, 7))
        masks = rng.random((3, height, width)) < draw(st.sampled_from([0.0, 0.1, 0.5]))
        made.append((masks, rng.integers(0, draw(st.sampled_from([2, 1000])), (3, h, w)) / 7))
    return made


@given(videos())
@settings(max_examples=50, deadline=None)
def test_pixel_auc_is_that_of_all_pixels(case: list[Video]) -> None:
    labels = np.concatenate([masks.ravel() for masks, _ in case])
    scores = np.concatenate([enlarged(maps, masks.shape[1:]).ravel() for masks, maps in case])
    if labels.all() or not labels.any():
        assert math.isnan(pixel_auc(case))
    else:
        assert pixel_auc(case) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)


@given(videos(), st.sampled_from([0.1, 0.4, 0.6, 1.0]))
@settings(max_examples=50, deadline=None)
def test_the_criterion_threshold_by_threshold(case: list[Video], share: float) -> None:
    labels, scores = pixel_criterion(case, share)
    masks = [mask for own, _ in case for mask in own]
    grids = [grid for own, maps in case for grid in enlarged(maps, own.shape[1:])]
    assert labels.tolist() == [int(mask.any()) for mask in masks]
    for threshold in np.unique(np.concatenate([grid.ravel() for grid in grids])):
        for mask, grid, score in zip(masks, grids, scores, strict=True):
            raised = grid >= threshold
            enough = raised[mask].mean() >= share - 1e-12 if mask.any() else raised.any()
            assert (score >= threshold) == enough


@given(videos())
@settings(max_examples=50, deadline=None)
def test_only_the_order_matters(case: list[Video]) -> None:
    bent = [(masks, np.exp(maps / 100)) for masks, maps in case]
    assert pixel_auc(bent) == pytest.approx(pixel_auc(case), abs=1e-12, nan_ok=True)
    assert pixel_auc([(m, -maps) for m, maps in case]) == pytest.approx(1 - pixel_auc(case), abs=1e-12, nan_ok=True)
    one, other = pixel_criterion(case), pixel_criterion(bent)
    assert roc_auc(*one) == pytest.approx(roc_auc(*other), abs=1e-12, nan_ok=True)


def test_four_tenths_of_the_anomalous_pixels() -> None:
    masks, maps = np.zeros((2, 2, 5)), np.zeros((2, 2, 5))
    masks[0, 0] = 255  # five anomalous pixels, of which two are enough
    maps[0, 0] = 5, 4, 3, 2, 1
    maps[0, 1] = 9  # beside the anomaly: counts for nothing
    maps[1, 1, 3] = 4.5
    labels, scores = pixel_criterion([(masks, maps)])
    assert (labels.tolist(), scores.tolist()) == ([1, 0], [4, 4.5])
    assert pixel_criterion([(masks, maps)], 0.2)[1].tolist() == [5, 4.5]
    assert pixel_criterion([(masks, maps)], 0.41)[1].tolist() == [3, 4.5]
    assert equal_error_rate(*pixel_criterion([(masks, maps)], 0.2)) == 0


def test_nothing_to_evaluate() -> None:
    assert math.isnan(pixel_auc([]))
    assert [len(part) for part in pixel_criterion([])] == [0, 0]


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"video 0: masks \(2, 4, 4\) and maps \(3, 4, 4\) are not one of each"):
        pixel_auc([(np.zeros((2, 4, 4)), np.zeros((3, 4, 4)))])
    with pytest.raises(InputError, match=r"maps .* are larger than the masks"):
        pixel_criterion([(np.zeros((2, 4, 4)), np.zeros((2, 4, 5)))])
    with pytest.raises(InputError, match="video 0: 32 values of its maps are not numbers"):
        pixel_auc([(np.zeros((2, 4, 4)), np.full((2, 4, 4), np.nan))])
    for share in (0.0, 1.1):
        with pytest.raises(InputError, match="share of anomalous pixels"):
            pixel_criterion([], share)
