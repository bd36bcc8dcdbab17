"""Thresholds from held-out normal video: what is promised holds there, and nothing is promised that cannot be known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddframe.errors import CalibrationError, InputError
from oddframe.scoring.calibrate import Calibration, NormalAmount, calibrate, plan_promise, supported_rate
from oddframe.scoring.events import find_events
from oddframe.scoring.promise import bound_text, fits, rate_text, upper_rate
from oddframe.types import FrameScores, VideoInfo

ScoreCurve = tuple[np.ndarray, np.ndarray]


def curve(seconds: float, seed: int = 0, fps: float = 5.0) -> ScoreCurve:
    """Noise with a memory of a second or so."""
    frames = int(seconds * fps)
    noise = np.random.default_rng(seed).normal(size=frames + 9)
    return np.arange(frames) / fps, 1 + 0.1 * np.convolve(noise, np.ones(10) / 10, mode="valid")


def count(curves: list[ScoreCurve], made: Calibration) -> int:
    """Alarms with the made thresholds, video by video."""
    total = 0
    for time, score in curves:
        scores = FrameScores("a", np.arange(len(time)), time, {}, score, VideoInfo("a", "a", 8, 8, None))
        total += len(find_events(scores, made.threshold, made.low, made.merge_s, made.min_s))
    return total


def test_two_hours_at_three_alarms_per_hour() -> None:
    curves = [curve(1800, seed) for seed in range(4)]
    made = calibrate(curves, alarms_per_hour=3)
    assert made.seconds == pytest.approx(7200)
    assert (made.rate, made.quantile, made.videos, made.note) == (3, None, 4, "")
    assert made.lowest_rate == pytest.approx(1 / 3)
    assert made.events == count(curves, made) == 5  # with six, the true rate would be above three more often than not
    assert made.upper_rate == pytest.approx(upper_rate(5, 2, dispersion=made.dispersion))
    assert made.alarm_share is not None and 0 < made.alarm_share < 0.05


def test_the_threshold_is_the_smallest_that_keeps_the_promise() -> None:
    curves = [curve(1800, seed) for seed in range(2)]
    made = calibrate(curves, alarms_per_hour=5)
    highest = np.sort(np.concatenate([score for _, score in curves]))
    one_lower = highest[highest < made.threshold][-1]
    median = made.scores["0.5"]
    lower = calibrate(curves, alarms_per_hour=5, merge_s=2.0)
    assert lower == made
    scores = [FrameScores("a", np.arange(len(t)), t, {}, s, VideoInfo("a", "a", 8, 8, None)) for t, s in curves]
    assert sum(len(find_events(s, one_lower, (one_lower + median) / 2)) for s in scores) == made.events + 1 == 5


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    rate=st.floats(4, 400),
    merge_s=st.floats(0, 5),
    min_s=st.floats(0, 3),
    pieces=st.integers(1, 4),
)
def test_the_promised_rate_holds_on_the_held_out_video(
    seed: int, rate: float, merge_s: float, min_s: float, pieces: int
) -> None:
    curves = [curve(1000 / pieces, seed + i) for i in range(pieces)]
    made = calibrate(curves, alarms_per_hour=rate, merge_s=merge_s, min_s=min_s)
    assert made.events == count(curves, made) <= rate * made.seconds / 3600
    assert made.low <= made.threshold
    everything = np.concatenate([score for _, score in curves])
    assert (everything >= made.threshold).mean() <= 0.05


def test_low_threshold_is_halfway_to_the_median() -> None:
    made = calibrate([curve(3600)], alarms_per_hour=1)
    assert made.low == pytest.approx((made.threshold + made.scores["0.5"]) / 2)


def test_seven_minutes_cannot_support_one_alarm_per_hour() -> None:
    with pytest.raises(CalibrationError) as caught:
        calibrate([curve(420)], alarms_per_hour=1)
    assert str(caught.value) == (
        "7 min of normal video cannot support 1 alarm per hour; the lowest rate that can be counted on it is 5.8 per "
        "hour: hold out more normal video or pass --alarms-per-hour 5.8"
    )
    assert calibrate([curve(420)], alarms_per_hour=5.8).method == "counted"
    made = calibrate([curve(420)], alarms_per_hour=1.8)
    assert (made.method, made.events) == ("tail", 0) and "follows from the tail of the scores" in made.note
    assert calibrate([curve(420)], alarms_per_hour=15).events == 1


def test_without_a_tail_only_what_can_be_counted_is_promised() -> None:
    flat = np.arange(1800.0), np.full(1800, 0.25)
    with pytest.raises(CalibrationError, match=r"30 min of normal video cannot support 1 alarm per hour; .* is 1\.4"):
        calibrate([flat], alarms_per_hour=1)
    with pytest.raises(CalibrationError, match=r" is 1\.4 per hour: .* --alarms-per-hour 1\.4$"):
        calibrate([flat], alarms_per_hour=0.1)
    assert calibrate([flat], alarms_per_hour=1.4).rate == 1.4
    made = calibrate([flat])
    assert (made.rate, made.method) == (pytest.approx(4 / 3), "counted") and "which was taken instead" in made.note


def test_the_default_falls_back_to_the_lowest_rate_and_says_so() -> None:
    made = calibrate([curve(420)])
    assert made.rate == pytest.approx(40 / 7)
    assert (made.events, made.method) == (0, "counted")
    assert made.note.startswith("7 min of normal video cannot support 1 alarm per hour; the lowest rate")
    assert calibrate([curve(3600)]).rate == 1
    assert calibrate([curve(3600)]).note == ""


@given(seconds=st.floats(0.2, 1e6))
def test_the_rate_that_a_refusal_names_is_accepted(seconds: float) -> None:
    with pytest.raises(CalibrationError) as caught:
        supported_rate(360 / seconds, seconds)
    named = float(str(caught.value).rsplit(" ", 1)[1])
    assert supported_rate(named, seconds) == (named, "")


def test_events_at_the_seam_of_two_videos_count_twice() -> None:
    time = np.arange(3600) / 1.0
    rising, falling = np.linspace(0, 1, 3600), np.linspace(1, 0, 3600)
    both = calibrate([(time, rising), (time, falling)], quantile=0.99)
    assert both.events == 8  # twenty minutes each, one alarm for every five begun; together it would be one of forty
    once = calibrate([(time, rising), (time, falling)], alarms_per_hour=5)
    assert once.events == 0 and once.threshold > 1 and "more than 5 % of normal time" in once.note


def test_a_quantile_is_a_quantile_of_all_held_out_frames() -> None:
    time = np.arange(500) / 5
    made = calibrate([(time, np.arange(500.0)), (time, np.arange(500.0, 1000.0))], quantile=0.99)
    assert made.threshold == pytest.approx(np.quantile(np.arange(1000), 0.99))
    assert (made.rate, made.quantile, made.events) == (None, 0.99, 1)


def test_the_highest_quantile_that_the_frames_support_is_accepted() -> None:
    made = calibrate([curve(100)], quantile=1 - 1 / 500)
    assert made.quantile == 1 - 1 / 500


def test_a_quantile_beyond_the_frames_is_refused() -> None:
    with pytest.raises(CalibrationError, match=r"500 held-out frames cannot support the quantile 0.9999; .* 0.998:"):
        calibrate([curve(100)], quantile=0.9999)


def test_constant_scores_raise_no_alarm() -> None:
    made = calibrate([(np.arange(3600.0), np.full(3600, 0.25))], alarms_per_hour=100)
    assert made.threshold > 0.25
    assert made.events == 0


@pytest.mark.parametrize("scores", [[], [(np.array([]), np.array([]))], [(np.array([3.0]), np.array([1.0]))]])
def test_no_held_out_video_is_a_clear_error(scores: list[ScoreCurve]) -> None:
    for quantile in (None, 0.5):
        with pytest.raises(CalibrationError, match="no held-out normal video"):
            calibrate(scores, quantile=quantile)


def test_wrong_values_are_refused() -> None:
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="alarms per hour must be a number above 0"):
            calibrate([curve(100)], alarms_per_hour=wrong)
    with pytest.raises(InputError, match="between 0 and 1"):
        calibrate([curve(100)], quantile=1.0)
    with pytest.raises(InputError, match="not both"):
        calibrate([curve(100)], quantile=0.9, alarms_per_hour=1)
    with pytest.raises(InputError, match="not finite"):
        calibrate([(np.arange(3.0), np.array([0.0, np.nan, 1.0]))])


def test_new_video_is_compared_with_what_was_promised() -> None:
    made = calibrate([curve(1800, seed) for seed in range(4)], alarms_per_hour=3)
    assert made.promise is not None
    assert (made.promise.hours, made.promise.events) == (pytest.approx(2), 5)
    assert fits(40, 1.0, made.promise).verdict == "more"
    assert calibrate([curve(420)], quantile=0.9).promise is None


def test_calibration_survives_json() -> None:
    made = calibrate([curve(420)])
    assert Calibration.from_json(made.to_json()) == made
    row = json.loads(made.to_json())
    for name in ("upper_rate", "alarm_share", "method", "dispersion"):
        row.pop(name)
    older = Calibration.from_json(json.dumps(row))
    assert (older.threshold, older.upper_rate, older.promise) == (made.threshold, None, None)
    for broken in ("{", "[]", '{"threshold": 1}'):
        with pytest.raises(InputError, match="not a calibration"):
            Calibration.from_json(broken)


@pytest.mark.parametrize(
    ("rate", "minutes", "share", "most", "text"),
    [
        (1, 40, 0.15, None, "1 alarm per hour needs 4.5 h of normal video; there are 40 min, "
         "of which 6 min are held out: the lowest rate that can be counted is 6.7 per hour"),
        (2, 6 * 60, 0.15, None, "2 alarms per hour needs 2.3 h of normal video; there are "
         "6.0 h, of which 54 min are held out: the lowest rate that can be counted is 0.75 per hour"),
        (1, 20, 1.0, 1800, "1 alarm per hour needs 40 min of normal video, and a fit looks at 30 min at the most "
         "(`oddframe calibrate` takes more); there are 20 min, all of it held out in turn: the lowest rate that can be "
         "counted is 2 per hour, and the tail of the scores has to say the rest"),
        (4, 20, 1.0, 1800, "4 alarms per hour needs 10 min of normal video; there are 20 min, all of it held out in "
         "turn: the lowest rate that can be counted is 2 per hour"),
    ],
)  # fmt: skip
def test_before_it_starts_it_is_said_what_the_rate_needs(
    rate: float, minutes: float, share: float, most: float | None, text: str
) -> None:
    video = NormalAmount(60 * minutes, 60 * minutes * share, share, most)
    if (rate, minutes) == (1, 40):  # the wish of nobody, so that another one is taken
        assert plan_promise(None, video) == f"{text}, and that is taken"
        with pytest.raises(CalibrationError, match="6 min of normal video cannot support 1 alarm per hour"):
            plan_promise(1, video)
    else:
        assert plan_promise(rate, video) == text


@given(rate=st.floats(0.05, 50), share=st.floats(0.05, 1))
def test_what_is_said_to_be_needed_suffices(rate: float, share: float) -> None:
    text = plan_promise(rate, NormalAmount(None, 1e7, share))
    number, unit = text.partition(" needs ")[2].split()[:2]
    hours = float(number) / {"h": 1, "min": 60, "s": 3600}[unit] * share
    assert rate * hours >= 2 / 3 * (1 - 1e-6), "so much can be counted"
    lowest = plan_promise(None, NormalAmount(None, 600, share)).rpartition("counted is ")[2].split()[0]
    assert float(lowest) / 6 >= 2 / 3


@given(st.floats(1e-4, 1e6))
def test_a_rate_is_rounded_up_and_printed_alike_ever_after(rate: float) -> None:
    said = float(rate_text(rate))
    assert rate <= said * (1 + 1e-9) and said <= rate * 1.11
    assert rate_text(said) == rate_text(rate) and f"below {rate_text(rate)} per hour" in bound_text(rate)


def test_one_rate_has_one_wording_everywhere() -> None:
    made = calibrate([curve(22)])  # 109.09 per hour: once "109" and "110" stood on one page
    assert "110 alarms per hour" in made.sentence() and "110 per hour, which was taken" in made.note
    assert json.loads(made.to_json())["promise"] == made.sentence()
    assert "109" not in made.sentence() + made.note


def test_no_alarm_in_some_hours_promises_three_divided_by_them() -> None:
    time = np.arange(10 * 3600.0)
    made = calibrate([(time, np.where(time == 5, 1.0, 0.0))], alarms_per_hour=0.1)
    assert made.events == 0 and made.upper_rate == pytest.approx(2.9957 / 10, rel=1e-4)
    assert made.sentence() == (
        "at most 0.1 alarms per hour of normal video, as an estimate: 0 alarms came in the 10.0 h of it that were held "
        "out, and from that one can be 95 % sure that the true rate is below 0.3 per hour"
    )
