"""The promise: exact bounds, thresholds that keep their rate on video not seen, and a word where new video differs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from oddframe.errors import CalibrationError, InputError
from oddframe.scoring.calibrate import calibrate
from oddframe.scoring.events import spans
from oddframe.scoring.heldout import HeldOut, above, alarm_count
from oddframe.scoring.promise import Promise, choose_threshold, fits, hours_text, lower_rate, upper_rate
from oddframe.scoring.tail import fit_tail, tail_upper_rate

ScoreCurve = tuple[np.ndarray, np.ndarray]


def spikes(hours: float, seed: int, per_hour: float = 60.0, hz: float = 0.5) -> ScoreCurve:
    """Poisson spikes of exponential height with mean 1 on a flat score: the rate above z is per_hour exp(-z)."""
    rng = np.random.default_rng(seed)
    frames = int(hours * 3600 * hz)
    score = np.zeros(frames)
    where = rng.choice(frames // 4 - 1, rng.poisson(per_hour * hours), replace=False) * 4 + 1  # none ever merge
    score[where] = rng.exponential(size=len(where))
    return np.arange(frames) / hz, score


def promise(**changes: object) -> Promise:
    plain = dict(rate=1.0, threshold=2.0, low=1.0, hours=5.0, events=1, upper_rate=0.95, confidence=0.95)
    return Promise(**{**plain, "alarm_share": 0.001, "dispersion": 1.0, "method": "counted", **changes})  # type: ignore[arg-type]


def test_the_bounds_of_the_textbook() -> None:
    assert upper_rate(0, 1) == pytest.approx(2.9957, abs=1e-4)
    assert upper_rate(0, 10) == pytest.approx(0.29957, abs=1e-5)
    assert upper_rate(1, 5) == pytest.approx(0.94877, abs=1e-5)
    assert (lower_rate(0, 5), lower_rate(3, 1)) == (0, pytest.approx(0.81769, abs=1e-5))


@settings(deadline=None)
@given(st.integers(0, 200), st.floats(0.01, 1000), st.floats(0.5, 0.999))
def test_at_the_upper_bound_so_few_events_are_just_as_rare_as_stated(events: int, hours: float, level: float) -> None:
    bound = upper_rate(events, hours, level)
    assert stats.poisson.cdf(events, bound * hours) == pytest.approx(1 - level, abs=1e-9)
    assert lower_rate(events, hours, level) <= events / hours <= bound
    assert upper_rate(events, hours, level, dispersion=2) > bound


@pytest.mark.parametrize("events, hours, level", [(-1, 1, 0.9), (1, 0, 0.9), (1, math.nan, 0.9), (1, 1, 1), (1, 1, 95)])
def test_bounds_of_nothing_are_refused(events: float, hours: float, level: float) -> None:
    for bound in (upper_rate, lower_rate):
        with pytest.raises(InputError, match="a rate needs events >= 0"):
            bound(events, hours, level)


def test_hours_are_plausible_intervals_and_not_pauses() -> None:
    time = np.r_[np.arange(100) / 10, 5000 + np.arange(100) / 10]
    assert HeldOut([(time, np.zeros(200))], 2.0, 0.0).seconds == pytest.approx(20)


def test_an_alarm_ends_at_a_pause() -> None:
    time = np.r_[np.arange(100.0), 5000 + np.arange(100.0)]
    score = np.r_[np.zeros(95), np.ones(10), np.zeros(95)]
    counted = HeldOut([(time, score)], 2.0, 0.0).count(0.5)
    assert (counted.alarms, counted.share) == (2, pytest.approx(8 / 200))


@given(st.integers(0, 10_000), st.integers(1, 3), st.floats(0, 5), st.floats(0, 3))
@settings(max_examples=40, deadline=None)
def test_above_a_level_there_are_no_more_alarms_than_its_index(
    seed: int, pieces: int, merge_s: float, min_s: float
) -> None:
    rng = np.random.default_rng(seed)
    score = np.convolve(rng.normal(size=2009), np.ones(10), mode="valid")
    curves = [(np.arange(len(part)) / 5, part) for part in np.array_split(score, pieces)]
    held_out = HeldOut(curves, merge_s, min_s)
    levels = held_out.levels(15)
    assert len(levels.scores) <= 15 and (np.diff(levels.scores) <= 0).all()
    for index, level in enumerate(levels.scores):
        assert held_out.count(above(level)).alarms <= index
    assert held_out.count(levels.lowest).share <= 0.05


def test_the_quick_search_counts_as_the_plain_rule_does() -> None:
    time, score = spikes(6, seed=1)
    held_out = HeldOut([(time, score)], 2.0, 0.0)
    levels = held_out.levels(200)  # more than one group of thresholds
    assert len(levels.scores) == 200
    for index in (0, 5, 70, 150, 199):
        threshold = above(levels.scores[index])
        assert len(spans(time, score, threshold, held_out.low(threshold))) == index


def test_the_quick_search_merges_alarms_as_scoring_does() -> None:
    time = np.arange(4000) / 25
    score = np.random.default_rng(0).uniform(0, 0.1, 4000)
    for place in range(100, 3900, 200):
        score[[place, place + 38]] = 1 + place / 1e4  # 1.5 s apart: one alarm of two peaks
    held_out = HeldOut([(time, score)], 2.0, 0.0)
    levels = held_out.levels(12).scores
    assert len(levels) == 12
    for index, level in enumerate(levels):
        threshold = above(level)
        assert len(spans(time, score, threshold, held_out.low(threshold))) == held_out.count(threshold).alarms == index


def test_an_endless_alarm_is_not_a_few_false_alarms() -> None:
    time = np.arange(5 * 3600.0)
    score = np.where((time > 4000) & (time < 4000 + 1800), 1.0, 0.0)
    held_out = HeldOut([(time, score)], 2.0, 0.0)
    assert held_out.count(0.5).alarms == 6  # half an hour: one for every five minutes
    assert alarm_count([0, 12, 300, 301, 1799]) == 1 + 1 + 1 + 2 + 6
    made = choose_threshold([(time, score)], 10)
    assert made.threshold > 1 and made.bounded and (made.events, made.alarm_share) == (0, 0)
    assert made.remark() == "a lower threshold would fill more than 5 % of normal time with alarms"
    assert calibrate([(time, score)], alarms_per_hour=10).note == made.remark(), "every command prints the note"


def test_the_threshold_lies_just_above_the_next_alarm() -> None:
    curve = spikes(5, seed=2)
    made = choose_threshold([curve], 0.4)  # two in five hours; the median of the law of one is 1.67
    heights = np.sort(curve[1])[::-1]
    assert (made.threshold, made.low) == (above(heights[1]), above(heights[1]) / 2)
    assert (made.hours, made.events, made.method, made.bounded) == (pytest.approx(5), 1, "counted", False)
    assert made.upper_rate == pytest.approx(made.dispersion * stats.chi2.ppf(0.95, 2 * (1 / made.dispersion + 1)) / 10)
    assert made.tail_upper_rate is None


def test_how_it_reads() -> None:
    assert promise().remark() == "" and promise().sentence() == (
        "at most 1 alarm per hour of normal video, as an estimate: 1 alarm came in the 5.0 h of it that were held out, "
        "and from that one can be 95 % sure that the true rate is below 0.95 per hour"
    )
    made = promise(hours=0.5, events=0, upper_rate=5.99, method="tail")
    assert made.sentence().endswith(
        "0 alarms came in the 30 min of it that were held out, and from that one can be 95 % sure that the true rate "
        "is below 5.99 per hour"
    )
    assert made.remark() == "the threshold for 1 alarm per hour follows from the tail of the scores"


def test_a_rate_beyond_counting_comes_from_the_tail() -> None:
    made = choose_threshold([spikes(0.5, seed=3)], 1.0)
    assert (made.method, made.events) == ("tail", 0)
    assert made.threshold > spikes(0.5, seed=3)[1].max()
    assert made.tail_upper_rate is not None and 1 < made.tail_upper_rate < made.upper_rate


def test_what_so_much_video_cannot_support_is_refused_with_what_it_can() -> None:
    with pytest.raises(CalibrationError) as caught:
        choose_threshold([spikes(0.5, seed=3)], 0.1)
    assert str(caught.value) == (
        "30 min of normal video cannot support 0.1 alarms per hour; the lowest rate that can be counted on it is 1.4 "
        "per hour: hold out more normal video or pass --alarms-per-hour 1.4"
    )
    assert choose_threshold([spikes(0.5, seed=3)], 0.4).method == "tail"
    flat = np.arange(1800.0), np.zeros(1800)  # there is no tail here
    with pytest.raises(CalibrationError, match=r"cannot support 1 alarm per hour; .* is 1\.4 per hour"):
        choose_threshold([flat], 1.0)
    assert choose_threshold([flat], 1.4).events == 0


def test_bad_input_is_refused() -> None:
    for rate in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="alarms per hour must be a number above 0"):
            choose_threshold([spikes(1, 0)], rate)
    with pytest.raises(InputError, match="not finite"):
        choose_threshold([(np.arange(3.0), np.array([0.0, np.nan, 1.0]))], 1.0)
    with pytest.raises(InputError, match="confidence"):
        choose_threshold([spikes(1, 0)], 1.0, confidence=95)
    for nothing in ([], [(np.array([]), np.array([]))], [(np.array([1.0]), np.array([1.0]))]):
        with pytest.raises(CalibrationError, match="no held-out normal video"):
            choose_threshold(nothing, 1.0)


def coverage(cameras: int, hours: float, rate: float) -> tuple[float, float]:
    """Share of cameras whose true rate, known here, lies below the bound; and the median of true over wanted rate."""
    made = [choose_threshold([spikes(hours, seed)], rate) for seed in range(cameras)]
    true = np.array([60 * math.exp(-one.threshold) for one in made])
    return float(np.mean(true <= [one.upper_rate for one in made])), float(np.median(true / rate))


@pytest.mark.slow
@pytest.mark.parametrize("hours, rate", [(0.5, 1.0), (2.0, 1.0), (6.0, 1.0)])
def test_the_bound_holds_on_video_not_seen(hours: float, rate: float) -> None:
    held, ratio = coverage(100, hours, rate)
    assert held >= 0.92  # 95 % but for the luck of a hundred cameras
    assert 1 / 1.5 <= ratio <= 1.5


@pytest.mark.slow
@pytest.mark.parametrize("hours, rate", [(0.5, 1.0), (2.0, 1.0), (24.0, 0.5)])
def test_the_bound_holds_on_a_thousand_cameras(hours: float, rate: float) -> None:
    held, ratio = coverage(1000, hours, rate)
    assert held >= 0.94
    assert 1 / 1.5 <= ratio <= 1.5


def test_alarms_in_groups_widen_the_bound() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(0, 20 * 3600, 2.0)
    score = np.zeros(len(time))
    for start in rng.choice(len(time) // 300 - 1, 40, replace=False) * 300:  # each group within ten minutes
        score[start + 5 * rng.choice(60, 5, replace=False)] = 1 + rng.exponential(size=5)
    made = choose_threshold([(time, score)], 1.0)
    assert made.dispersion > 1.5
    assert made.upper_rate > upper_rate(19, 20)


@given(st.floats(-0.3, 0.4), st.floats(0.1, 10), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_tail_is_its_own_inverse(shape: float, scale: float, seed: int) -> None:
    drawn = stats.genpareto.rvs(shape, scale=scale, size=21, random_state=seed)
    tail = fit_tail(np.sort(drawn)[::-1], hours=0.5)
    assert tail is not None and tail.peaks == 20 and tail.rate_at_level == 40
    for rate in (39, 10, 1, 0.4):
        assert tail.rate(tail.threshold(rate)) == pytest.approx(rate)
    assert tail.rate(tail.level) == 40
    expected = stats.genpareto.sf(tail.threshold(2) - tail.level, tail.shape, scale=tail.scale)
    assert 40 * expected == pytest.approx(2)


def test_a_tail_needs_ten_peaks_of_different_height() -> None:
    assert fit_tail(np.arange(10.0)[::-1], 1.0) is None
    assert fit_tail(np.ones(30), 1.0) is None
    assert fit_tail(np.arange(11.0)[::-1], 1.0) is not None


def test_the_bound_of_the_tail_is_seeded_and_grows_with_distance_and_groups() -> None:
    tail = fit_tail(np.sort(np.random.default_rng(0).exponential(size=21))[::-1], 0.5)
    assert tail is not None
    one, again, other = (tail_upper_rate(tail, 1.0, seed=seed) for seed in (1, 1, 2))
    assert one == again != other
    near, far = (tail_upper_rate(tail, rate) / rate for rate in (10, 0.5))
    assert 1 < near < far
    assert tail_upper_rate(tail, 1.0, dispersion=3) > tail_upper_rate(tail, 1.0)
    for dispersion in (1.0, 3.0):  # at the level itself there is nothing but the law of its arrival
        expected = dispersion * stats.gamma.ppf(0.95, 21 / dispersion) / 0.5
        assert tail_upper_rate(tail, tail.rate_at_level, dispersion=dispersion) == pytest.approx(expected, rel=0.1)


def test_many_alarms_are_told() -> None:
    found = fits(14, 1.0, promise())
    assert found.verdict == "more" and found.p_value < 0.01
    assert found.sentence == (
        "14 alarms in 1.0 h where 1 per hour was promised: this video is not like the normal video it learned from; "
        "calibrate again on normal video of this camera"
    )


def test_what_agrees_is_not_told() -> None:
    found = fits(3, 2.0, promise())
    assert (found.verdict, found.sentence) == (
        "fits",
        "3 alarms in 2.0 h where 1 per hour was promised: the two agree",
    )
    assert fits(0, 3.0, promise()).verdict == "fits"


def test_ten_minutes_are_the_least() -> None:
    found = fits(14, 0.1, promise())
    assert (found.verdict, found.sentence) == (
        "unknown",
        "6 min of video is too little to compare with 1 alarm per hour",
    )
    assert math.isnan(found.p_value)
    with pytest.raises(InputError, match="cannot be compared"):
        fits(-1, 1.0, promise())


def test_silence_is_told_where_it_says_something() -> None:
    found = fits(0, 100.0, promise(hours=24.0, events=23))
    assert found.verdict == "fewer" and "quieter than the normal video" in found.sentence


@pytest.mark.slow
def test_the_comparison_is_the_exact_binomial_one() -> None:
    # Of 14 alarms and the two that the law of the held-out video knows, at least 14 fall into one hour of six.
    assert fits(14, 1.0, promise()).p_value == pytest.approx(2 * stats.binom.sf(13, 15, 1 / 6))


@pytest.mark.slow
def test_a_camera_that_keeps_its_promise_is_hardly_ever_told_otherwise() -> None:
    told = 0
    for seed in range(200):
        made = choose_threshold([spikes(4, seed)], 1.0)
        seen = int((spikes(10, seed + 1000)[1] >= made.threshold).sum())
        told += fits(seen, 10.0, made).verdict != "fits"
    assert told <= 6


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5.04, "5 s"), (98.4, "98 s"), (99.6, "100 s"), (119, "119 s"), (120, "2 min"), (3600, "1.0 h")],
)
def test_lengths_are_words_without_exponents(seconds: float, text: str) -> None:
    assert hours_text(seconds / 3600) == text
