"""Metrics against scikit-learn, ties and all, and what happens where a class is missing."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from oddframe.errors import InputError
from oddframe.evaluation.auc import (
    average_precision,
    average_precision_trapezoid,
    equal_error_rate,
    macro_auc,
    micro_auc,
    ranks,
    roc_auc,
    roc_auc_of,
)

Case = tuple[np.ndarray, np.ndarray]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Both classes present; scores from a few levels, so that ties abound, or from all floats."""
    size = draw(st.integers(2, 50))
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)))
    labels[:2] = 0, 1
    levels = draw(st.sampled_from([st.sampled_from([0.0, 0.1, 0.5, 2.0]), st.floats(-1e6, 1e6)]))
    return labels, np.array(draw(st.lists(levels, min_size=size, max_size=size)))


@pytest.mark.slow
@settings(deadline=None)
@given(cases())
def test_roc_auc_agrees_with_scikit_learn(case: Case) -> None:
    assert roc_auc(*case) == pytest.approx(metrics.roc_auc_score(*case), abs=1e-12)


@settings(deadline=None)
@given(cases())
def test_average_precision_agrees_with_scikit_learn(case: Case) -> None:
    assert average_precision(*case) == pytest.approx(metrics.average_precision_score(*case), abs=1e-12)


@settings(deadline=None)
@given(cases())
def test_trapezoid_average_precision_agrees_with_scikit_learn(case: Case) -> None:
    precision, recall, _ = metrics.precision_recall_curve(*case)
    assert average_precision_trapezoid(*case) == pytest.approx(metrics.auc(recall, precision), abs=1e-12)


def test_trapezoids_are_kind_to_ties() -> None:
    assert average_precision_trapezoid([0, 0, 0, 1], [7, 7, 7, 7]) == (1 + 0.25) / 2
    assert math.isnan(average_precision_trapezoid([0, 0], [1, 2]))


def test_ranks() -> None:
    place, levels = ranks([0.5, -np.inf, 0.5, 3.0])
    assert (place.tolist(), levels) == ([1, 0, 1, 2], 3)
    with pytest.raises(InputError, match="1 of 2 scores are not numbers"):
        ranks([np.nan, 1])


@settings(deadline=None)
@given(cases())
def test_equal_error_rate_lies_on_scikit_learns_roc_curve(case: Case) -> None:
    rate = equal_error_rate(*case)
    false, true, _ = metrics.roc_curve(*case, drop_intermediate=False)
    # The curve crosses the diagonal of equal errors between the last point before it and the first one past it.
    after = int(np.argmax(false >= 1 - true))
    segment = slice(after - 1, after + 1)
    crossing = np.interp(0, (false - (1 - true))[segment], false[segment])
    assert rate == pytest.approx(crossing, abs=1e-12)


@given(cases())
def test_turning_scores_round_mirrors_the_auc(case: Case) -> None:
    labels, scores = case
    assert roc_auc(labels, -scores) == pytest.approx(1 - roc_auc(labels, scores), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_only_the_order_of_scores_matters_and_not_that_of_frames(case: Case, random: Random) -> None:
    labels, scores = case
    shuffled = random.sample(range(len(labels)), len(labels))
    ranked = np.unique(scores, return_inverse=True)[1] ** 3 - 7.5  # any map that keeps the order keeps the figure
    for metric in (roc_auc, average_precision, average_precision_trapezoid, equal_error_rate):
        assert metric(labels[shuffled], ranked[shuffled]) == metric(labels, scores)


@settings(max_examples=30, deadline=None)  # scikit-learn takes its time
@given(st.lists(cases(), min_size=1, max_size=4))
def test_micro_and_macro_auc_agree_with_scikit_learn(videos: list[Case]) -> None:
    pooled = [np.concatenate(parts) for parts in zip(*videos, strict=True)]
    assert micro_auc(videos) == pytest.approx(metrics.roc_auc_score(*pooled), abs=1e-12)
    means = np.mean([metrics.roc_auc_score(*video) for video in videos])
    assert macro_auc(videos) == pytest.approx(means, abs=1e-12)


@settings(deadline=None)
@given(st.sampled_from([0, 1]), st.lists(st.floats(allow_nan=False), max_size=9))
def test_one_class_or_none_whatever_the_scores(label: int, scores: list[float]) -> None:
    labels = [label] * len(scores)
    assert math.isnan(roc_auc(labels, scores)) and math.isnan(equal_error_rate(labels, scores))
    for metric in (average_precision, average_precision_trapezoid):
        found = metric(labels, scores)
        assert found == pytest.approx(1) if label and scores else math.isnan(found)


@settings(max_examples=50, deadline=None)
@given(cases(), st.data())
def test_what_is_not_a_number_is_refused_wherever_it_stands(case: Case, data: st.DataObject) -> None:
    labels, scores = case[0], case[1].copy()
    scores[data.draw(st.integers(0, len(scores) - 1))] = np.nan
    for metric in (roc_auc, average_precision, average_precision_trapezoid, equal_error_rate):
        with pytest.raises(InputError, match=f"1 of {len(scores)} scores are not numbers"):
            metric(labels, scores)


def test_the_two_zeros_are_one_score() -> None:
    assert roc_auc([0, 1], [0.0, -0.0]) == roc_auc([0, 1], [-0.0, 0.0]) == 0.5


def test_more_pairs_than_an_int64_holds() -> None:
    assert roc_auc_of(np.array([2**32, 0]), np.array([0, 2**33])) == 1


def test_the_extremes() -> None:
    labels = [0, 0, 1, 1]
    assert (roc_auc(labels, [1, 2, 3, 4]), equal_error_rate(labels, [1, 2, 3, 4])) == (1, 0)
    assert (roc_auc(labels, [4, 3, 2, 1]), equal_error_rate(labels, [4, 3, 2, 1])) == (0, 1)
    assert (roc_auc(labels, [7, 7, 7, 7]), equal_error_rate(labels, [7, 7, 7, 7])) == (0.5, 0.5)
    assert average_precision(labels, [7, 7, 7, 7]) == 0.5


def test_infinite_scores_have_a_rank() -> None:
    assert roc_auc([0, 1, 0, 1], [-np.inf, 0, 1, np.inf]) == 0.75


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_nan(label: int) -> None:
    assert math.isnan(roc_auc([label] * 3, [1, 2, 3]))
    assert math.isnan(equal_error_rate([label] * 3, [1, 2, 3]))
    assert math.isnan(average_precision([0] * 3, [1, 2, 3]))
    assert average_precision([1] * 3, [1, 2, 3]) == 1
    assert math.isnan(roc_auc([], []))
    assert math.isnan(micro_auc([])) and math.isnan(macro_auc([]))


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="1 of 2 scores are not numbers"):
        roc_auc([0, 1], [0.5, np.nan])
    with pytest.raises(InputError, match="labels must be 0"):
        roc_auc([0, 2], [0.5, 1])
    with pytest.raises(InputError, match=r"labels \(3,\) and scores \(2,\)"):
        roc_auc([0, 1, 1], [0.5, 1])


TWO = ([0, 1, 0, 1], [0.1, 0.4, 0.5, 0.9])  # AUC 0.75
NORMAL = ([0, 0], [0.2, 0.3])
ANOMALOUS = ([1, 1], [0.05, 0.6])


def test_micro_auc_pools_all_frames() -> None:
    videos = [TWO, NORMAL, ANOMALOUS]
    labels, scores = (np.concatenate([video[i] for video in videos]) for i in (0, 1))
    assert micro_auc(videos) == pytest.approx(metrics.roc_auc_score(labels, scores))


def test_macro_auc_skips_videos_of_one_class() -> None:
    assert macro_auc([TWO, NORMAL, ANOMALOUS]) == 0.75
    assert math.isnan(macro_auc([NORMAL, ANOMALOUS]))


def test_macro_auc_pads_every_video() -> None:
    padded = [roc_auc([*labels, 0, 1], [*scores, 0, 1]) for labels, scores in (TWO, NORMAL, ANOMALOUS)]
    assert padded[1:] == [1, 1] and padded[0] > 0.75
    assert macro_auc([TWO, NORMAL, ANOMALOUS], "pad") == pytest.approx(np.mean(padded))


def test_a_score_above_one_outranks_the_padding() -> None:
    assert macro_auc([([0, 0], [0.2, 3.0])], "pad") == pytest.approx(2 / 3)
