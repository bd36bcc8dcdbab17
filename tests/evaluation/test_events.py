"""Event metrics by hand and by their definitions; the latency-aware AP threshold by threshold."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.evaluation.auc import average_precision
from oddframe.evaluation.events import evaluate_events, latency_average_precision
from oddframe.scoring.events import find_events
from oddframe.types import Event, FrameScores, VideoInfo
from oddframe.video.pauses import durations

Video = tuple[np.ndarray, np.ndarray, np.ndarray]


def scored(name: str, score: np.ndarray, first: int = 0, fps: float = 10) -> FrameScores:
    frame = first + np.arange(len(score))
    return FrameScores(name, frame, frame / fps, {}, score, VideoInfo(name, name, 64, 48, fps))


def event(video: str, start_s: float, end_s: float) -> Event:
    return Event(video, 0, 0, 0, start_s, start_s, end_s, 1.0, None)


def labels(length: int, *intervals: tuple[int, int]) -> np.ndarray:
    found = np.zeros(length, np.int8)
    for first, last in intervals:
        found[first : last + 1] = 1
    return found


def test_events_by_hand() -> None:
    # 20 s at ten frames a second, anomalous from 5.0 to 7.0 and from 10.0 to 11.9; and 36 s of normal video.
    truth = {"a": labels(200, (50, 70), (100, 119)), "calm": labels(360)}
    scores = [scored("a", np.zeros(200)), scored("calm", np.zeros(360))]
    events = [
        event("a", 1.0, 4.9),  # ends a frame before: wrong
        event("a", 6.0, 6.5),  # a second late
        event("a", 6.8, 8.0),  # the same interval again: right, but no second interval
        event("a", 9.0, 10.0),  # began before and touches the first frame: no delay
        event("calm", 3.0, 4.0),
        event("calm", 8.0, 8.0),
    ]
    result = evaluate_events(scores, truth, events)
    assert (result.events, result.intervals) == (6, 2)
    assert (result.precision, result.recall) == (0.5, 1)
    assert result.f1 == pytest.approx(2 / 3)
    assert (result.delay_mean, result.delay_median) == pytest.approx((0.5, 0.5))
    outside = (200 - 21 - 20 + 360) / 10
    assert result.false_alarms_per_hour == pytest.approx(3 / outside * 3600)
    assert result.alarms_per_hour == pytest.approx(2 / 36 * 3600)
    assert evaluate_events(scores[::-1], truth, events[::-1]) == result


def test_one_event_over_two_intervals_finds_both() -> None:
    found = evaluate_events(
        [scored("a", np.zeros(100))], {"a": labels(100, (10, 19), (40, 59))}, [event("a", 1.5, 9.0)]
    )
    assert (found.precision, found.recall, found.f1) == (1, 1, 1)
    assert found.delay_mean == pytest.approx(0.25)  # half a second in the first, none in the second


def test_frames_without_a_score_take_no_part() -> None:
    # The first 10 of 100 frames have no score; of the interval 5..14 the part from frame 10 on, 1.0 s, remains.
    found = evaluate_events([scored("a", np.zeros(90), 10)], {"a": labels(100, (5, 14))}, [event("a", 1.2, 1.3)])
    assert (found.intervals, found.recall) == (1, 1)
    assert found.delay_mean == pytest.approx(0.2)


def test_found_events_of_a_score_that_knows() -> None:
    truth = labels(100, (30, 49))
    video = scored("a", truth.astype(float))
    result = evaluate_events([video], {"a": truth}, find_events(video, 0.5, 0.5))
    assert (result.precision, result.recall, result.f1, result.delay_mean) == (1, 1, 1, 0)
    assert (result.false_alarms_per_hour, math.isnan(result.alarms_per_hour)) == (0, True)


def test_what_is_missing() -> None:
    silent = evaluate_events([scored("a", np.zeros(10))], {"a": labels(10, (2, 3))}, [])
    assert math.isnan(silent.precision) and math.isnan(silent.f1) and math.isnan(silent.delay_mean)
    assert (silent.recall, silent.false_alarms_per_hour) == (0, 0)
    normal = evaluate_events([scored("a", np.zeros(10))], {"a": labels(10)}, [event("a", 0, 1)])
    assert (normal.precision, math.isnan(normal.recall), math.isnan(normal.f1)) == (0, True, True)
    assert normal.alarms_per_hour == normal.false_alarms_per_hour == pytest.approx(3600)
    missed = evaluate_events([scored("a", np.zeros(10))], {"a": labels(10, (0, 1))}, [event("a", 0.5, 0.6)])
    assert (missed.precision, missed.recall, missed.f1) == (0, 0, 0)
    all_anomalous = evaluate_events([scored("a", np.zeros(10))], {"a": labels(10, (0, 9))}, [event("a", 0.5, 0.6)])
    assert math.isnan(all_anomalous.false_alarms_per_hour)
    assert (evaluate_events([], {}, []).events, evaluate_events([], {}, []).intervals) == (0, 0)
    row = json.loads(json.dumps(silent.to_dict(), allow_nan=False))
    assert (row["precision"], row["recall"], row["events"]) == (None, 0, 0)


def test_events_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="b: has events, but is not among"):
        evaluate_events([scored("a", np.zeros(9))], {"a": labels(9)}, [event("b", 0, 1)])
    with pytest.raises(InputError, match="a: there are no labels"):
        evaluate_events([scored("a", np.zeros(9))], {}, [])
    with pytest.raises(InputError, match="a: 8 labels, but frame 8 has a score"):
        evaluate_events([scored("a", np.zeros(9))], {"a": labels(8)}, [])
    with pytest.raises(InputError, match="a: labels must be 0"):
        evaluate_events([scored("a", np.zeros(9))], {"a": labels(9) + 2}, [])


def loop(videos: list[Video]) -> float:
    """The definition of the latency-aware AP, a threshold at a time."""
    every = np.concatenate([score for _, _, score in videos])
    truth = np.concatenate([label for _, label, _ in videos])
    total = before = 0.0
    for threshold in np.unique(every)[::-1]:
        credits = []
        for time, label, score in videos:
            step = np.diff(time)
            end = time[-1] + (np.median(step) if len(step) else 1)
            until = np.append(time[1:], end)
            k = 0
            while k < len(label):
                if label[k]:
                    last = k
                    while last + 1 < len(label) and label[last + 1]:
                        last += 1
                    alarms = [n for n in range(k, last + 1) if score[n] >= threshold]
                    left = until[last] - time[alarms[0]] if alarms else 0
                    credits.append(left / (until[last] - time[k]))
                    k = last
                k += 1
        recall = np.mean(credits)
        raised = every >= threshold
        total, before = total + (recall - before) * truth[raised].mean(), recall
    return total


@st.composite
def videos(draw: st.DrawFn) -> list[Video]:
    """Up to three videos with uneven steps; at least one frame is anomalous; scores tie or are any floats."""
    made = []
    level = draw(st.sampled_from([st.sampled_from([0.0, 1.0, 2.0]), st.floats(-1e6, 1e6)]))
    for n in range(draw(st.integers(1, 3))):
        size = draw(st.integers(1, 15))
        time = np.cumsum(draw(st.lists(st.sampled_from([0.25, 0.5, 2.0]), min_size=size, max_size=size)))
        label = np.array(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)))
        label[0] |= n == 0
        made.append((time, label, np.array(draw(st.lists(level, min_size=size, max_size=size)))))
    return made


@given(videos())
@settings(max_examples=50, deadline=None)
def test_latency_average_precision_is_its_definition(case: list[Video]) -> None:
    found = latency_average_precision(case)
    assert found == pytest.approx(loop(case), abs=1e-12)
    assert 0 < found <= 1 + 1e-12


@given(videos())
@settings(max_examples=50, deadline=None)
def test_neither_the_scale_of_scores_or_time_nor_the_order_of_videos_matters(case: list[Video]) -> None:
    moved = [(4 * time + 100, label, 2 * score) for time, label, score in case[::-1]]
    assert latency_average_precision(moved) == pytest.approx(latency_average_precision(case), abs=1e-12)


@given(videos())
@settings(max_examples=50, deadline=None)
def test_a_constant_and_a_perfect_score(case: list[Video]) -> None:
    truth = np.concatenate([label for _, label, _ in case])
    constant = [(time, label, np.full(len(label), 0.3)) for time, label, _ in case]
    assert latency_average_precision(constant) == pytest.approx(truth.mean(), abs=1e-12)
    assert latency_average_precision([(time, label, label) for time, label, _ in case]) == pytest.approx(1, abs=1e-12)


def test_the_later_the_less() -> None:
    label = labels(100, (40, 59))
    time = np.arange(100) / 25
    by_delay = []
    for delay in range(20):
        score = np.zeros(100)
        score[40 + delay : 60] = 1
        by_delay.append(latency_average_precision([(time, label, score)]))
    assert (np.diff(by_delay) < 0).all()
    # A quarter of the interval late: three quarters at precision 1; the rest comes with all frames, of which 20 %.
    assert by_delay[5] == pytest.approx(0.75 + 0.25 * 0.2)
    # The plain AP knows nothing of time: the same number of frames, late or early, is worth the same.
    early = np.where(np.arange(100) < 55, label, 0)
    late = np.where(np.arange(100) >= 45, label, 0)
    assert average_precision(label, early) == average_precision(label, late)
    assert latency_average_precision([(time, label, early)]) == 1


def test_what_has_no_latency() -> None:
    assert math.isnan(latency_average_precision([]))
    assert math.isnan(latency_average_precision([([0.0, 1.0], [0, 0], [1.0, 2.0])]))
    assert latency_average_precision([([3.0], [1], [-np.inf])]) == 1


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (([0, 1], [0, 1], [0.5, np.nan]), "1 of 2 scores are not numbers"),
        (([0, 1], [0, 2], [0, 0]), "video 0: labels must be 0"),
        (([0, 0], [0, 1], [0, 0]), "video 0: the times of its frames do not increase"),
        (([0, np.nan], [0, 1], [0, 0]), "do not increase"),
        (([0, 1, 2], [0, 1], [0, 0]), r"times \(3,\), labels \(2,\) and scores \(2,\)"),
    ],
)
def test_bad_input_is_refused(video: Video, message: str) -> None:
    with pytest.raises(InputError, match=message):
        latency_average_precision([video])


def test_durations() -> None:
    assert durations(np.array([0.0, 1.0, 1.5, 2.0])).tolist() == [1, 0.5, 0.5, 0.5]
    assert durations(np.array([7.0])).tolist() == [1]
    assert durations(np.array([])).tolist() == []
