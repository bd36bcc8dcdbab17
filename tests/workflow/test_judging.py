"""The classifier of events: what it tells apart, how few it refuses, and how it holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oddframe.bundle import TrainingData
from oddframe.models.ignored import IgnoredPlace
from oddframe.models.teaching import ALIKE, EventJudge, ShownEvent, Teaching
from oddframe.video.sources import VideoSource
from oddframe.workflow.judging import FEWEST_EACH, fit_judge
from oddframe.workflow.lesson_scores import Judged
from oddframe.workflow.lessons import Footage, MarkedEvent

FOOTAGE = Footage(VideoSource("a", Path("a.mp4"), "file"), "key", True)


def marked(count: int, apart: float, seed: int = 0) -> list[Judged]:
    """So many events of either kind, in turn; the abnormal ones are `apart` higher in one component."""
    rng = np.random.default_rng(seed)
    found = []
    for n in range(2 * count):
        normal = n % 2 == 0
        heights = {"a": 3 + rng.random() + (0 if normal else apart), "b": 3 + rng.random()}
        box = (10, 10, 30, 40 + int(rng.integers(5)))
        lesson = MarkedEvent(f"{n}", "normal" if normal else "abnormal", FOOTAGE, 10.0 * n, 10.0 * n + 2)
        found.append(Judged(lesson, 5.0, ShownEvent(heights, box, (128, 72))))
    return found


def test_it_tells_marks_apart_and_holds_what_looks_normal() -> None:
    judge, did = fit_judge(marked(FEWEST_EACH, 9.0))
    assert judge is not None and f"holds {FEWEST_EACH} of {FEWEST_EACH} normal marks" in did
    teaching = Teaching("parent", judge=judge)
    assert teaching.held(ShownEvent({"a": 3.5, "b": 3.5}, (10, 10, 30, 42), (128, 72))) == ALIKE
    assert not teaching.held(ShownEvent({"a": 12.5, "b": 3.5}, (10, 10, 30, 42), (128, 72)))


def test_one_mark_too_few_makes_none() -> None:
    judge, did = fit_judge(marked(FEWEST_EACH, 9.0)[:-1])
    assert judge is None and f"{FEWEST_EACH} normal and {FEWEST_EACH - 1} abnormal" in did


def test_at_most_one_abnormal_mark_of_twenty_is_held() -> None:
    """Marks that cannot be told apart are judged by those of other times, and no judge may hold many of both."""
    for seed in range(5):
        events = marked(60, 0.3, seed)
        judge, _ = fit_judge(events)
        if judge is not None:
            held = [one for one in events if judge.abnormal(one.shown) < judge.cut]
            assert sum(not one.lesson.normal for one in held) <= 0.15 * 60


def test_the_same_marks_make_the_same_judge() -> None:
    assert fit_judge(marked(30, 2.0))[0] == fit_judge(marked(30, 2.0))[0]


def test_values_that_were_no_numbers_and_missing_boxes_count_as_unremarkable() -> None:
    judge = EventJudge(("a",), (0.0,) * 5, (1.0,) * 5, (1.0, 0.0, 0.0, 0.0, 0.0), 0.0, 0.5)
    assert judge.abnormal(ShownEvent({"a": None}, None, (0, 0))) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="has 5 means"):
        EventJudge(("a",), (0.0,), (1.0,), (1.0,), 0.0, 0.5)


def test_a_zone_holds_events_unless_the_detector_leaves_it_out_itself() -> None:
    corner = IgnoredPlace("3", ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)))
    inside = ShownEvent({}, (0, 0, 20, 20), (128, 72))
    assert Teaching("p", zones=(corner,)).held(inside) == "zone 3"
    assert not Teaching("p", zones=(corner,), masked=True).held(inside)
    assert not Teaching("p", zones=(corner,)).held(ShownEvent({}, (100, 0, 120, 20), (128, 72)))
    assert not Teaching("p", zones=(corner,)).held(ShownEvent({}, None, (128, 72)))


def test_what_was_taught_travels_in_the_record_of_the_training() -> None:
    from dataclasses import asdict

    judge, _ = fit_judge(marked(FEWEST_EACH, 9.0))
    place = IgnoredPlace("1", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
    data = TrainingData(taught=Teaching("p", 20, 20, zones=(place,), judge=judge))
    import json

    assert TrainingData.parse(json.loads(json.dumps(asdict(data)))) == data
