"""Frame scores of weakly labelled test videos, against scikit-learn and by hand."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from oddframe.datasets.weak import WeakVideo, labels, open_weak
from oddframe.errors import InputError
from oddframe.evaluation.weak import CONSTANT, ORACLE, evaluate_weak, reference_rows
from oddframe.types import Interval

Curves = dict[str, np.ndarray]

FIGHT = WeakVideo("fight", 1, "Fight", (Interval(2, 4),))
FIRE = WeakVideo("fire", 1, "Fire+Fight", (Interval(0, 1), Interval(3, 6)))
CALM, EMPTY = WeakVideo("calm", 0, "Normal"), WeakVideo("empty", 0, "Normal")
VIDEOS = [FIGHT, CALM, FIRE, EMPTY]


@st.composite
def curves(draw: st.DrawFn) -> Curves:
    """Scores of `VIDEOS`, from few levels, so that ties abound, or from all floats."""
    levels = draw(st.sampled_from([st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1)]))
    return {v.name: np.array(draw(st.lists(levels, min_size=6, max_size=6))) for v in VIDEOS}


def pooled(scores: Curves, videos: list[WeakVideo]) -> tuple[np.ndarray, np.ndarray]:
    truth = [labels(v, len(scores[v.name])) for v in videos]
    return np.concatenate(truth), np.concatenate([scores[v.name] for v in videos])


@pytest.mark.slow
@settings(max_examples=50, deadline=None)  # scikit-learn takes its time
@given(curves())
def test_every_figure_against_its_definition(scores: Curves) -> None:
    found = evaluate_weak(scores, VIDEOS)
    truth, score = pooled(scores, VIDEOS)
    precision, recall, _ = metrics.precision_recall_curve(truth, score)
    near = partial(pytest.approx, abs=1e-12)
    assert found.auc == near(metrics.roc_auc_score(truth, score))
    assert found.average_precision == near(metrics.average_precision_score(truth, score))
    assert found.average_precision_trapezoid == near(metrics.auc(recall, precision))
    assert found.anomalous_auc == near(metrics.roc_auc_score(*pooled(scores, [FIGHT, FIRE])))
    highest = [scores[v.name].max() for v in VIDEOS]
    assert found.video_auc == near(metrics.roc_auc_score([1, 0, 1, 0], highest))
    assert found.false_alarm_rate == np.mean(np.concatenate([scores["calm"], scores["empty"]]) >= 0.5)
    by_pair = [metrics.roc_auc_score(*pooled(scores, pair)) for pair in ([FIGHT, CALM], [FIRE, EMPTY])]
    assert found.pair_mean_auc == near(np.mean(by_pair))
    assert list(found.classes) == ["Fight", "Fire"]
    for name, own in (("Fight", [FIGHT, FIRE]), ("Fire", [FIRE])):
        row = found.classes[name]
        assert row.auc == near(metrics.roc_auc_score(*pooled(scores, [*own, CALM, EMPTY])))
        assert row.auc_alone == near(metrics.roc_auc_score(*pooled(scores, own)))
        assert (row.videos, row.frames, row.positives) == (len(own), 6 * len(own), 6 if name == "Fight" else 4)
    assert (found.videos, found.anomalous_videos, found.frames, found.positives) == (4, 2, 24, 6)


@settings(max_examples=50, deadline=None)
@given(curves())
def test_only_the_order_of_scores_matters(scores: Curves) -> None:
    # Doubling and halving are exact, so that no two scores fall together.
    moved = {name: 2 * values for name, values in scores.items()}
    assert evaluate_weak(moved, VIDEOS, threshold=1.0) == replace(evaluate_weak(scores, VIDEOS), threshold=1.0)


@settings(max_examples=50, deadline=None)
@given(curves(), st.permutations(VIDEOS))
def test_the_order_of_videos_does_not_matter(scores: Curves, shuffled: list[WeakVideo]) -> None:
    assert evaluate_weak(scores, shuffled) == evaluate_weak(scores, VIDEOS)


def test_perfect_scores() -> None:
    found = evaluate_weak({v.name: labels(v, 6).astype(float) for v in VIDEOS}, VIDEOS)
    assert found.auc == found.average_precision == found.anomalous_auc == found.video_auc == found.pair_mean_auc == 1
    assert (found.average_precision_trapezoid, found.false_alarm_rate) == (1, 0)


def test_pooling_is_not_the_mean_of_pairs() -> None:
    scores = {"fight": np.array([5, 5, 6, 6, 5, 5.0]), "calm": np.full(6, 4.0)}
    scores |= {"fire": np.array([2, 1, 1, 2, 2, 2.0]), "empty": np.full(6, 0.0)}
    found = evaluate_weak(scores, VIDEOS)
    assert found.pair_mean_auc == 1
    assert found.auc < 0.7


def test_reference_rows_by_hand() -> None:
    rows = reference_rows({v.name: 6 for v in VIDEOS}, VIDEOS)
    constant, oracle = rows[CONSTANT], rows[ORACLE]
    assert (constant.auc, constant.anomalous_auc, constant.average_precision) == (0.5, 0.5, 0.25)
    assert constant.average_precision_trapezoid == (1 + 0.25) / 2
    # 6 of 12 frames of anomalous videos are normal, a third of all normal ones: those are ties.
    assert oracle.auc == pytest.approx(1 - (6 / 18) / 2, abs=1e-12)
    assert (oracle.average_precision, oracle.average_precision_trapezoid) == (0.5, 0.75)
    assert (oracle.anomalous_auc, oracle.video_auc, oracle.false_alarm_rate) == (0.5, 1, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("positives", "frames", "precision", "auc"),
    [(84_128, 1_109_680, 0.1822, 0.8158), (537_805, 2_330_384, 0.4989, 0.8493)],
    ids=["ucf-crime", "xd-violence"],
)
def test_the_oracle_on_sets_of_the_published_size(positives: int, frames: int, precision: float, auc: float) -> None:
    """Of the label of the video, AUC and AP depend on three counts alone; the third follows from either of the two."""
    anomalous = round(positives / precision)
    videos = [WeakVideo("a", 1, "Any", (Interval(0, positives),)), WeakVideo("n", 0, "Normal")]
    rows = reference_rows({"a": anomalous, "n": frames - anomalous}, videos)
    assert rows[ORACLE].average_precision == pytest.approx(precision, abs=5e-5)
    assert rows[ORACLE].auc == pytest.approx(auc, abs=2e-4)
    assert rows[CONSTANT].average_precision == pytest.approx(positives / frames, abs=1e-12)


def test_the_rule_is_applied_and_reported() -> None:
    scores = {v.name: np.arange(6.0) for v in VIDEOS}
    found = {rule: evaluate_weak(scores, VIDEOS, rule) for rule in ("exclusive", "rtfm", "sultani")}
    assert {rule: result.positives for rule, result in found.items()} == {"exclusive": 6, "rtfm": 8, "sultani": 8}
    assert found["rtfm"].rule == "rtfm"
    with pytest.raises(InputError, match="no label rule"):
        evaluate_weak(scores, VIDEOS, "other")  # type: ignore[arg-type]


@pytest.mark.parametrize(("length", "fine"), [(83, False), (84, True), (96, True), (116, True), (117, False)])
def test_scores_may_be_a_snippet_off(length: int, fine: bool) -> None:
    videos = [replace(FIGHT, frames=100), CALM]
    scores = {"fight": np.arange(float(length)), "calm": np.zeros(9)}
    if fine:
        assert evaluate_weak(scores, videos).frames == length + 9
    else:
        with pytest.raises(InputError, match=f"fight: {length} scores for 100 frames; they may differ by 16"):
            evaluate_weak(scores, videos)


def test_one_class_leaves_metrics_undefined() -> None:
    normal = evaluate_weak({"calm": np.array([0.2, 0.7])}, [CALM])
    assert all(map(math.isnan, (normal.auc, normal.average_precision, normal.anomalous_auc, normal.video_auc)))
    assert math.isnan(normal.pair_mean_auc)
    assert (normal.false_alarm_rate, normal.classes, normal.positives) == (0.5, {}, 0)
    throughout = evaluate_weak({"a": np.array([0.2, 0.7])}, [WeakVideo("a", 1, "Fire", (Interval(0, 2),))])
    assert all(map(math.isnan, (throughout.auc, throughout.false_alarm_rate, throughout.classes["Fire"].auc)))
    with_normal = evaluate_weak(
        {"a": np.array([0.2, 0.7]), "calm": np.array([0.5])}, [WeakVideo("a", 1, "Fire", (Interval(0, 2),)), CALM]
    )
    assert with_normal.classes["Fire"].auc == with_normal.auc == 0.5
    assert math.isnan(with_normal.classes["Fire"].auc_alone)


def test_plain_values() -> None:
    row = json.loads(json.dumps(evaluate_weak({"calm": np.array([0.2])}, [CALM]).to_dict(), allow_nan=False))
    assert (row["auc"], row["false_alarm_rate"], row["classes"]) == (None, 0.0, {})
    scores = {"a": np.array([0.2]), "calm": np.array([0.5])}
    row = evaluate_weak(scores, [WeakVideo("a", 1, "Fire", (Interval(0, 1),)), CALM]).to_dict()
    assert row["classes"]["Fire"] == {"videos": 1, "frames": 1, "positives": 1, "auc": 0.0, "auc_alone": None}


def test_video_labels_alone_allow_video_metrics() -> None:
    videos = [WeakVideo("a", 1, "Anomaly"), WeakVideo("b", 1, "Anomaly"), CALM]
    scores = {"a": np.array([0.1, 0.9]), "b": np.array([0.3]), "calm": np.array([0.4, 0.6])}
    found = evaluate_weak(scores, videos)
    assert (found.video_auc, found.false_alarm_rate, found.frames) == (0.5, 0.5, 5)
    assert found.positives is None
    assert all(map(math.isnan, (found.auc, found.average_precision, found.anomalous_auc, found.pair_mean_auc)))
    assert "no metrics of frames" in found.notes[0]
    with pytest.raises(InputError, match=r"a: only the label of the video is known \(1 of 2 anomalous videos\)"):
        evaluate_weak(scores, [videos[0], WeakVideo("b", 1, "Anomaly", (Interval(0, 1),)), CALM])


def test_an_anomaly_that_no_scored_frame_shows_is_told() -> None:
    late = WeakVideo("late", 1, "Fire", (Interval(90, 99),))
    found = evaluate_weak({"late": np.zeros(80), "calm": np.zeros(9)}, [late, CALM])
    assert found.notes == ("late: an anomalous video, but none of its 80 frames is anomalous",)


def test_videos_without_scores_are_left_out_only_on_demand() -> None:
    scores = {"fight": np.arange(6.0), "calm": np.zeros(6)}
    with pytest.raises(InputError, match=r"fire: no scores \(2 such videos\)"):
        evaluate_weak(scores, VIDEOS)
    found = evaluate_weak(scores, VIDEOS, leave_out=True)
    assert (found.left_out, found.videos, found.anomalous_videos) == (("fire", "empty"), 2, 1)
    assert reference_rows({"fight": 6, "calm": 6}, VIDEOS, leave_out=True)[ORACLE].left_out == ("fire", "empty")


def test_bad_scores_are_refused() -> None:
    with pytest.raises(InputError, match="stranger: scored, but not a video of the test set"):
        evaluate_weak({"stranger": np.zeros(6)}, [CALM], leave_out=True)
    with pytest.raises(InputError, match="no scores to evaluate"):
        evaluate_weak({}, [CALM], leave_out=True)
    with pytest.raises(InputError, match="calm: 1 of 2 scores are not numbers"):
        evaluate_weak({"calm": np.array([0.5, np.nan])}, [CALM])
    for shape in ((2, 3), (0,)):
        with pytest.raises(InputError, match=r"calm: scores of shape .* are not one number per frame"):
            evaluate_weak({"calm": np.zeros(shape)}, [CALM])


def test_a_million_frames_take_a_moment() -> None:
    rng = np.random.default_rng(0)
    videos = [WeakVideo(f"a{n}", 1, f"class {n % 13}", (Interval(500, 1100),)) for n in range(140)]
    videos += [WeakVideo(f"n{n}", 0, "Normal") for n in range(150)]
    scores = {video.name: np.repeat(rng.random(240), 16) for video in videos}
    start = time.process_time()
    found = evaluate_weak(scores, videos)
    assert found.frames == 1_113_600
    assert time.process_time() - start < 3  # half a second where nothing else runs


@pytest.mark.realdata
def test_reference_rows_of_the_real_subset(shared_data: Path) -> None:
    videos = open_weak(f"ucf-crime:{shared_data / 'ucf_crime_c3d'}").test
    rows = reference_rows({v.name: v.frames for v in videos if v.frames}, videos, leave_out=True)
    oracle = rows[ORACLE]
    assert (oracle.videos, oracle.anomalous_videos, len(oracle.left_out)) == (158, 23, 132)
    assert (oracle.frames, oracle.positives) == (679_408, 6_248)
    assert rows[CONSTANT].average_precision == pytest.approx(6_248 / 679_408)
    anomalous = sum(v.frames for v in videos if v.frames and v.label)
    assert oracle.auc == pytest.approx(1 - (anomalous - 6_248) / (679_408 - 6_248) / 2, abs=1e-12)
    assert {name: row.videos for name, row in oracle.classes.items()} == {"Fighting": 5, "RoadAccidents": 18}
