"""Paired differences: what seeds and videos contribute, and when a difference is decided."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

import oddframe.evaluation.paired as paired
from oddframe.errors import InputError
from oddframe.evaluation.auc import micro_auc
from oddframe.evaluation.paired import Videos, paired_difference


def scored(quality: float, seed: int, videos: int = 6) -> Videos:
    """Scores of `quality` times the label plus noise, which is that of the video and the seed."""
    made = []
    for video in range(videos):
        random = np.random.default_rng((seed, video))
        truth = (np.arange(40) >= 25).astype(np.int8)
        made.append((truth, quality * truth + random.standard_normal(40)))
    return made


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [(2.0, 0.5, "agrees"), (0.5, 2.0, "disagrees"), (1.0, 1.0, "undecided"), (1.0, 0.999, "undecided")],
)
def test_a_clear_difference_is_decided(first: float, second: float, verdict: str) -> None:
    found = paired_difference(
        [scored(first, seed) for seed in range(3)], [scored(second, seed + 10) for seed in range(3)], 200
    )
    assert found.verdict == verdict
    assert found.low <= found.value <= found.high and len(found.by_seed) == 3


def test_the_interval_holds_the_variance_of_seeds_and_of_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    better, worse = ([scored(quality, seed) for seed in range(3)] for quality in (1.5, 0.5))
    own = [micro_auc(one) - micro_auc(other) for one, other in zip(better, worse, strict=True)]
    drawn = iter([np.array(row) for row in ([0.5, 0.7, np.nan], [0.4, 0.4, 0.1]) * 3])
    monkeypatch.setattr(paired, "resampled_micro_auc", lambda *_: next(drawn))
    found = paired_difference(better, worse)
    videos, seeds = np.var([0.1, 0.3], ddof=1), np.var(own, ddof=1) / 3
    freedom = (videos + seeds) ** 2 / (videos**2 / 5 + seeds**2 / 2)
    reach = student.ppf(0.975, freedom) * np.sqrt(videos + seeds)
    assert found.by_seed == pytest.approx(own) and found.value == pytest.approx(np.mean(own))
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach))


def test_videos_are_drawn_alike_for_both_systems() -> None:
    """Videos differ much more than systems do: only where both see the same ones is the difference decided."""
    truth, random = (np.arange(60) >= 30).astype(np.int8), np.random.default_rng(0)
    worse = [(truth, 0.25 * video * truth + random.standard_normal(60)) for video in range(9)]
    better = [(truth, score + 0.5 * truth) for truth, score in worse]
    pair = paired_difference([better], [worse], 300)
    assert pair.verdict == "agrees"
    assert pair.high - pair.low < 4 * np.std(paired.resampled_micro_auc(worse)), "unpaired, it would be over six"


def test_equal_scores_are_undecided_and_have_no_width() -> None:
    found = paired_difference([scored(1.0, 0), scored(1.0, 1)], [scored(1.0, 0), scored(1.0, 1)], 50)
    assert (found.low, found.value, found.high, found.verdict) == (0, 0, 0, "undecided")


def test_without_anomalies_nothing_is_decided() -> None:
    normal = [(np.zeros(5, np.int8), np.arange(5.0))] * 3
    found = paired_difference([normal], [normal], 20)
    assert found.verdict == "undecided" and np.isnan([found.value, found.low, found.high]).all()


def test_other_seeds_or_a_single_video_are_refused() -> None:
    with pytest.raises(InputError, match="the same seeds of both systems, not 2 and 1"):
        paired_difference([scored(1, 0)] * 2, [scored(1, 0)])
    with pytest.raises(InputError, match="at least two, not 1"):
        paired_difference([scored(1, 0, videos=1)], [scored(2, 0, videos=1)])
