"""Protocols: the released numbers, the same scores under several rules, and scores that do not fit the labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oddframe.errors import InputError
from oddframe.evaluation.auc import roc_auc
from oddframe.evaluation.protocol import Protocol, evaluate
from oddframe.evaluation.protocols import PROTOCOLS, get_protocol
from oddframe.scoring.combine import ScoreRule, minmax
from oddframe.scoring.smooth import smooth
from oddframe.settings import Smoothing
from oddframe.types import Combination, FrameScores, VideoInfo

PLAIN = Smoothing("none")


def rule(smoothing: Smoothing = PLAIN, **weights: float) -> ScoreRule:
    return ScoreRule(Combination(weights), smoothing)


def make_scores(video: str, length: int | None, first: int = 0, **components: np.ndarray) -> FrameScores:
    frame = first + np.arange(len(next(iter(components.values()))))
    info = VideoInfo(video, video, 64, 48, 25.0, length)
    return FrameScores(video, frame, frame / 25, components, np.zeros(len(frame)), info)


def golden_set() -> tuple[list[FrameScores], dict[str, np.ndarray]]:
    """The three videos on which the released post-processing was measured."""
    scores, labels = [], {}
    for k, (video, length) in enumerate([("01", 60), ("02", 75), ("03", 40)], start=1):
        t = np.arange(length)
        raw = 0.02 + 0.01 * np.sin(0.17 * t + k) + 0.03 * ((t > 0.4 * length) & (t < 0.7 * length))
        labels[video] = ((t > 0.45 * length) & (t < 0.75 * length)).astype(np.int8)
        scores.append(make_scores(video, length, teacher=0.75 * raw, student=0.25 * raw))
    return scores, labels


def test_released_avenue_protocol_reproduces_its_golden_values() -> None:
    scores, labels = golden_set()
    result = evaluate(scores, labels, get_protocol("code/sdmae/avenue"), rule())
    assert result.micro_auc == pytest.approx(0.9740670461733081, rel=1e-9)
    assert result.macro_auc == pytest.approx(0.9908280922431866, rel=1e-9)


def test_released_shanghaitech_protocol_reproduces_its_golden_values() -> None:
    scores, labels = golden_set()
    result = evaluate(scores, labels, get_protocol("code/sdmae/shanghaitech"), rule())
    assert result.micro_auc == pytest.approx(0.9505060088551549, rel=1e-9)
    assert result.macro_auc == pytest.approx(0.9595038434661077, rel=1e-9)


def published_errors(shared_data: Path) -> tuple[list[FrameScores], dict[str, np.ndarray]]:
    """Raw errors of a published model on Ped2; the first 8 and last 7 frames of a clip have none."""
    with np.load(shared_data / "scores" / "memae_ped2.npz") as stored:
        errors = np.split(stored["error"].astype(np.float64), np.cumsum(stored["length_kept"])[:-1])
        truth = np.split(stored["label"], np.cumsum(stored["length"])[:-1])
    names = [f"{number:02d}" for number in range(1, 13)]
    scores = [
        make_scores(name, len(label), 8, error=error) for name, label, error in zip(names, truth, errors, strict=True)
    ]
    return scores, dict(zip(names, truth, strict=True))


@pytest.mark.realdata
def test_published_errors_with_and_without_minmax(shared_data: Path) -> None:
    scores, labels = published_errors(shared_data)
    own = rule(error=1.0)
    honest = evaluate(scores, labels, get_protocol("honest"), own)
    assert honest.micro_auc == pytest.approx(0.695808, abs=1e-6)
    assert (honest.videos, honest.frames, honest.positives) == (12, 1830, 1526)
    assert honest.one_class_videos == ("03", "08", "09", "10", "11")
    assert honest.macro_auc == pytest.approx(0.9710, abs=5e-5)
    per_video = Protocol("minmax", "", normalise="per_video_minmax")
    assert evaluate(scores, labels, per_video, own).micro_auc == pytest.approx(0.934060, abs=1e-6)


def test_protocols_say_what_they_are() -> None:
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert protocol.description and "\n" not in protocol.description
        assert name == "honest" or protocol.smoothing is not None
    with pytest.raises(InputError, match=r"no protocol 'honset'; did you mean honest\? `oddframe protocols`"):
        get_protocol("honset")


def test_honest_is_causal_whatever_the_system_does() -> None:
    scores, labels = golden_set()
    honest = get_protocol("honest")
    result = evaluate(scores, labels, honest, rule(Smoothing("centred", 9, 3.0), teacher=1.0))
    assert result.smoothing == Smoothing("causal", 9, 3.0)
    assert result.causal
    assert result.combination == Combination({"teacher": 1.0})
    assert evaluate(scores, labels, honest, rule(Smoothing("causal", 9, 3.0), teacher=1.0)) == result


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_causal_is_claimed_only_where_no_later_frame_counts(name: str) -> None:
    protocol = get_protocol(name)
    scale = protocol.combination.scale if protocol.combination else "none"
    protocol = replace(protocol, combination=Combination({"x": 1.0}, scale=scale))
    own = Smoothing("centred", 9, 3.0)
    rng = np.random.default_rng(0)
    x, labels = rng.random(200), rng.integers(0, 2, 200)
    claimed = evaluate([make_scores("a", 200, x=x)], {"a": labels}, protocol, rule(own)).causal

    def first_half(values: np.ndarray) -> np.ndarray:
        score = smooth(minmax(values) if scale == "per_video_minmax" else values, protocol.smoothing_for(own))
        return (minmax(score) if protocol.normalise == "per_video_minmax" else score)[:100]

    changed = np.concatenate([x[:100], 5 * x[100:]])
    assert np.allclose(first_half(x), first_half(changed)) == claimed


def test_components_of_different_units_are_normalised_before_they_are_added() -> None:
    rng = np.random.default_rng(1)
    prediction, memory, labels = 10 ** rng.normal(-3, 1, 80), rng.random(80), rng.integers(0, 2, 80)
    scores = make_scores("a", 84, 4, prediction=prediction, memory=memory)
    got = evaluate([scores], {"a": np.r_[np.zeros(4, int), labels]}, get_protocol("paper/mnad"), rule())
    by_hand = 0.6 * minmax(10 * np.log10(prediction)) + 0.4 * minmax(memory)
    assert got.micro_auc == pytest.approx(roc_auc(labels, by_hand), abs=1e-12)
    assert not got.causal


def test_a_label_shift_compares_with_the_next_frame() -> None:
    rng = np.random.default_rng(2)
    fused, labels = rng.random(26), rng.integers(0, 2, 30)
    scores = make_scores("a", 30, 4, fused=fused)
    aligned, code = (evaluate([scores], {"a": labels}, get_protocol(f"{who}/std"), rule()) for who in ("paper", "code"))
    assert aligned.micro_auc == pytest.approx(roc_auc(labels[4:], fused))
    assert (aligned.frames, code.frames) == (26, 25)
    assert code.micro_auc == pytest.approx(roc_auc(labels[5:], fused[:-1]))


def test_dropped_frames_take_no_part() -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.random(30), rng.integers(0, 2, 30)
    smoothing = Smoothing("causal", 5, 2.0)
    cut = evaluate([make_scores("a", 30, x=x)], {"a": labels}, Protocol("p", "", dropped=(4, 3)), rule(smoothing, x=1))
    direct = evaluate([make_scores("a", 23, x=x[4:-3])], {"a": labels[4:-3]}, Protocol("p", ""), rule(smoothing, x=1))
    assert cut == direct
    assert cut.frames == 23
    with pytest.raises(InputError, match=r"a: no scored frame is left of 30 under protocol p"):
        evaluate([make_scores("a", 30, x=x)], {"a": labels}, Protocol("p", "", dropped=(20, 10)), rule(smoothing, x=1))


def test_labels_go_by_frame_index_not_by_position() -> None:
    labels = np.array([1, 1, 0, 0, 1, 0])
    scores = make_scores("a", 6, first=2, x=np.array([0.1, 0.2, 0.9]))
    result = evaluate([scores], {"a": labels}, Protocol("p", ""), rule(x=1))
    assert (result.micro_auc, result.frames, result.positives) == (1, 3, 1)


def test_constant_scores_are_normalised_to_zero() -> None:
    assert minmax(np.full(3, 0.7)).tolist() == [0, 0, 0]
    assert minmax(np.array([1.0, 3.0, 2.0])).tolist() == [0, 1, 0.5]


def test_one_class_videos_are_always_listed() -> None:
    scores = [make_scores(name, 4, x=np.array([0.1, 0.2, 0.3, 0.4])) for name in ("b", "a", "c")]
    labels = {"a": np.zeros(4, int), "b": np.array([0, 0, 1, 1]), "c": np.ones(4, int)}
    for how in ("skip", "pad"):
        result = evaluate(scores, labels, Protocol("p", "", one_class=how), rule(x=1))
        assert (result.one_class, result.one_class_videos) == (how, ("a", "c"))


def test_a_result_is_plain_json_and_undefined_is_null() -> None:
    scores = make_scores("a", 3, x=np.array([0.1, 0.2, 0.3]))
    result = evaluate([scores], {"a": np.zeros(3, np.int8)}, Protocol("p", ""), rule(x=1))
    row = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert row["micro_auc"] is None and row["macro_auc"] is None and row["eer"] is None
    assert row["smoothing"] == {"kind": "none", "taps": 37, "sigma": 11.0, "rate": None}
    assert (row["frames"], row["positives"], row["causal"], row["one_class_videos"]) == (3, 0, True, ["a"])


def test_what_does_not_fit_is_named() -> None:
    x = np.array([0.1, 0.2, 0.3])
    good = make_scores("a", 3, x=x)

    def check(message: str, scores: list[FrameScores], labels: dict[str, np.ndarray]) -> None:
        with pytest.raises(InputError, match=message):
            evaluate(scores, labels, Protocol("p", ""), rule(x=1))

    check("there are no scores", [], {})
    check("a: 4 labels for 3 decoded frames", [good], {"a": np.zeros(4, int)})
    check("a: 2 labels for 3 decoded frames", [good], {"a": np.zeros(2, int)})
    check(r"a: 4 labels, but frame 4 \(from 0\)", [make_scores("a", None, 2, x=x)], {"a": np.zeros(4, int)})
    check("a: scored, but without labels", [good], {})
    check("b: labelled, but without scores", [good], {"a": np.zeros(3, int), "b": np.zeros(3, int)})
    check("a: scored twice", [good, good], {"a": np.zeros(3, int)})
    with pytest.raises(InputError, match="asks for teacher, student; these scores have: x"):
        evaluate([good], {"a": np.zeros(3, int)}, get_protocol("code/sdmae/avenue"), rule())
