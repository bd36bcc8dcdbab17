"""The bootstrap: the fast way against the plain one, one-class draws, and whether the interval holds what it says."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.evaluation.auc import macro_auc, micro_auc
from oddframe.evaluation.bootstrap import ConfidenceInterval, block_bootstrap_micro_auc, bootstrap, bootstrap_micro_auc

Video = tuple[np.ndarray, np.ndarray]


@st.composite
def videos(draw: st.DrawFn) -> list[Video]:
    """Two to six videos, some of one class, some empty; scores tie often."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share, levels = draw(st.sampled_from([0.0, 0.2, 0.5, 1.0])), draw(st.sampled_from([3, 10_000]))
    sizes = draw(st.lists(st.integers(0, 12), min_size=2, max_size=6))
    return [((rng.random(n) < share).astype(int), rng.integers(0, levels, n) / 7) for n in sizes]


@given(videos(), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_the_fast_way_is_the_plain_one(case: list[Video], seed: int) -> None:
    plain = bootstrap(case, micro_auc, resamples=40, seed=seed)
    fast = bootstrap_micro_auc(case, resamples=40, seed=seed)
    assert (fast.value, fast.low, fast.high) == pytest.approx(
        (plain.value, plain.low, plain.high), abs=1e-12, nan_ok=True
    )
    assert (fast.undefined, fast.resamples, fast.level) == (plain.undefined, 40, 0.95)


@given(videos())
@settings(max_examples=30, deadline=None)
def test_only_the_order_of_scores_matters(case: list[Video]) -> None:
    moved = [(labels, np.exp(scores / 1e4)) for labels, scores in case]
    one, other = (bootstrap_micro_auc(own, resamples=30) for own in (case, moved))
    assert repr(one) == repr(other)


def two_normals() -> list[Video]:
    return [(np.zeros(3, int), np.arange(3.0)), (np.ones(3, int), np.arange(3.0) + 1)]


@pytest.mark.parametrize("fast", [False, True])
def test_draws_of_one_class_are_left_out_and_counted(fast: bool) -> None:
    # Of the four equally likely draws of two videos, two have both.
    found = bootstrap_micro_auc(two_normals()) if fast else bootstrap(two_normals(), micro_auc)
    assert 400 < found.undefined < 600
    assert found.low == found.high == found.value == pytest.approx(7 / 9)
    assert f"{found.undefined} of them undefined and left out" in str(found)


def test_nothing_defined() -> None:
    found = bootstrap_micro_auc([(np.zeros(2, int), np.zeros(2))] * 2, resamples=10)
    assert all(map(math.isnan, (found.value, found.low, found.high)))
    assert found.undefined == 10


def test_the_percentiles_of_a_mean() -> None:
    values = list(range(100))
    found = bootstrap(values, lambda drawn: float(np.mean(drawn)), resamples=4000, level=0.9, seed=1)
    spread = np.std(values) / math.sqrt(100)
    assert found.value == 49.5
    assert (found.low, found.high) == pytest.approx((49.5 - 1.645 * spread, 49.5 + 1.645 * spread), abs=0.3)
    wider = bootstrap(values, lambda drawn: float(np.mean(drawn)), resamples=4000, level=0.99, seed=1)
    assert wider.low < found.low < found.high < wider.high


@pytest.mark.slow
def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        # Normal frames are uniform on 0..1, anomalous ones on 0.5..1.5 moved by their video: the AUC is known.
        sample = []
        for _ in range(40):
            labels = np.repeat([0, 1], 10)
            sample.append((labels, rng.random(20) + labels * (0.5 + rng.choice([-0.5, 0.5]))))
        found = bootstrap_micro_auc(sample, resamples=200, level=0.9, seed=trial)
        held += found.low <= 0.75 <= found.high  # 0.5 and 1 in equal parts
    assert 0.8 < held / 200 < 0.97


def test_draws_are_seeded() -> None:
    rng = np.random.default_rng(4)
    case = [(rng.integers(0, 2, 20), rng.random(20)) for _ in range(8)]
    one, again, other = (bootstrap_micro_auc(case, resamples=50, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert (one.low, one.high) != (other.low, other.high)
    assert one.value == other.value == micro_auc(case)
    assert (
        bootstrap(case, macro_auc, resamples=50).low < macro_auc(case) < bootstrap(case, macro_auc, resamples=50).high
    )


def test_how_it_reads() -> None:
    assert str(ConfidenceInterval(0.9, 0.85, 0.95, 0.95, 1000, 0)) == "0.9000 [0.8500, 0.9500] (95%, 1000 resamples)"


@pytest.mark.parametrize("fast", [False, True])
def test_bad_input_is_refused(fast: bool) -> None:
    def run(case: list[Video], **options: float) -> ConfidenceInterval:
        return bootstrap_micro_auc(case, **options) if fast else bootstrap(case, micro_auc, **options)  # type: ignore[arg-type]

    for few in ([], two_normals()[:1]):
        with pytest.raises(InputError, match=f"at least two, not {len(few)}"):
            run(few)
    with pytest.raises(InputError, match="at least one resample, not 0"):
        run(two_normals(), resamples=0)
    for level in (0, 1, 95):
        with pytest.raises(InputError, match=f"between 0 and 1, not at {level}"):
            run(two_normals(), level=level)
    with pytest.raises(InputError, match="1 of 6 scores are not numbers"):
        run([(np.zeros(3, int), np.array([0, 1, np.nan])), two_normals()[1]])


def slow_scores(frames: int, memory: int, rng: np.random.Generator) -> np.ndarray:
    """Noise that stays alike for so many frames, with variance 1."""
    noise = rng.standard_normal(frames + memory - 1)
    return np.convolve(noise, np.full(memory, memory**-0.5), mode="valid")


def test_blocks_of_one_video_are_drawn_as_the_plain_way_draws_them() -> None:
    rng = np.random.default_rng(3)
    labels, scores = rng.integers(0, 2, 60), rng.integers(0, 9, 60) / 7
    found = bootstrap_micro_auc([(labels, scores)], resamples=50, seed=5, block=7)
    draws = np.random.default_rng(5)
    aucs = []
    for _ in range(50):
        starts = draws.integers(60 - 7 + 1, size=9)
        taken = np.concatenate([np.arange(start, start + 7) for start in starts])[:60]
        aucs.append(micro_auc([(labels[taken], scores[taken])]))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(aucs, [0.025, 0.975])), abs=1e-12)
    assert found.value == micro_auc([(labels, scores)])
    assert (found.block, found.undefined) == (7, 0)
    assert str(found).endswith("50 resamples of blocks of 7 frames)")


def test_one_video_is_only_resampled_in_blocks_where_it_is_alone() -> None:
    assert bootstrap_micro_auc(two_normals(), resamples=20, block=1) == bootstrap_micro_auc(two_normals(), resamples=20)


def test_a_block_is_a_quarter_of_the_video_at_most() -> None:
    rng = np.random.default_rng(0)
    found = block_bootstrap_micro_auc(rng.integers(0, 2, 100), rng.random(100), block=1000, resamples=20)
    assert found.block == 25


@pytest.mark.slow
def test_blocks_hold_the_truth_where_single_frames_do_not() -> None:
    rng = np.random.default_rng(0)
    held = {1: 0, 80: 0}
    labels = np.tile(np.repeat([0, 1], 20), 50)
    for trial in range(100):
        scores = slow_scores(2000, 40, rng) + labels  # the AUC is that of two normal laws a deviation apart
        for block in held:
            found = block_bootstrap_micro_auc(labels, scores, block, resamples=200, level=0.9, seed=trial)
            held[block] += found.low <= 0.5 * (1 + math.erf(0.5)) <= found.high
    assert held[80] >= 80 > held[1]


@pytest.mark.parametrize("frames, block", [(3, 1), (100, 0)])
def test_a_video_without_blocks_is_refused(frames: int, block: int) -> None:
    with pytest.raises(InputError, match=f"four frames or more, not {block} from {frames}"):
        block_bootstrap_micro_auc(np.arange(frames) % 2, np.arange(frames), block)


def test_a_thousand_resamples_of_a_hundred_thousand_frames_take_a_moment() -> None:
    rng = np.random.default_rng(0)
    case = [((rng.random(1000) < 0.1).astype(int), rng.random(1000)) for _ in range(100)]
    start = time.process_time()
    bootstrap_micro_auc(case)
    assert time.process_time() - start < 2  # a tenth of a second where nothing else runs; plainly, ten seconds
