"""Baselines of weakly labelled sets: what each of them is, what they learn from, and that scikit-learn agrees."""

from __future__ import annotations

import numpy as np
import pytest

from oddframe.evaluation.weak_baselines import (
    STRENGTHS,
    VideoSummary,
    left_out_errors,
    ridge,
    summarise,
    weak_baselines,
)
from oddframe.features.snippets import SnippetFeatures
from oddframe.types import VideoInfo

ROWS = np.array([[1, 5, 0.5, 2], [3, 5, 1.5, 4]], np.float32)
INFO = VideoInfo("v", "v.mp4", 320, 240, 25.0)


def test_the_change_is_a_channel_or_the_difference_of_rows() -> None:
    own = {"x": SnippetFeatures("v", ROWS, 20, "snippets")}
    with_channel, without = (summarise(own, {"x": channels}) for channels in ("mean+change", "mean"))
    assert (with_channel.mean["x"].tolist(), with_channel.change["x"].tolist()) == ([2, 5], [1, 3])
    assert (without.mean["x"].tolist(), without.change["x"].tolist()) == ([2, 5, 1, 3], [2, 0, 1, 2])
    one = summarise({"x": SnippetFeatures("v", ROWS[:1], 9, "snippets")}, {"x": "mean"})
    assert one.change["x"].tolist() == [0, 0, 0, 0]


def test_facts_are_known_together_or_not_at_all() -> None:
    whole = {"features": ROWS, "frames": 20, "kind": "snippets", "info": INFO, "bytes": 5000, "pixel_change": 3.5}
    known = summarise({"x": SnippetFeatures("v", **whole)}, {"x": "mean"})
    assert known.facts is not None and known.facts.tolist() == [25, 320, 240, 20, 250] and known.pixel_change == 3.5
    for lacking in ("info", "bytes", "frames"):
        assert summarise({"x": SnippetFeatures("v", **{**whole, lacking: None})}, {"x": "mean"}).facts is None


def invented(count: int, seed: int, facts: bool = True) -> dict[str, VideoSummary]:
    """Videos whose change, bytes and pixels tell their label, every other one, and whose mean does not."""
    random, found = np.random.default_rng(seed), {}
    for n in range(count):
        label = n % 2
        change = {name: random.normal(size=6) + 3 * label * (np.arange(6) == 2) for name in ("x", "y")}
        mean = {name: random.normal(size=6) for name in ("x", "y")}
        known = np.array([25, 320, 240, 50, 100 + 100 * label + random.uniform(0, 50)])
        found[f"{seed}-{n}"] = VideoSummary(label + random.uniform(), known if facts else None, mean, change)
    return found


def labels(videos: dict[str, VideoSummary]) -> dict[str, int]:
    return {name: int(name.split("-")[1]) % 2 for name in videos}


def told_apart(score: dict[str, float]) -> float:
    """Share of pairs of an anomalous and a normal video that are in order."""
    truth = {name: int(name.split("-")[1]) % 2 for name in score}
    pairs = [score[a] > score[n] for a in score for n in score if truth[a] > truth[n]]
    return float(np.mean(pairs))


def test_every_baseline_stands_there_and_sees_what_it_can() -> None:
    training, test = invented(60, 1), invented(40, 2)
    found, notes = weak_baselines(test, training, labels(training))
    assert notes == [] and list(found) == [
        "pixel change", "file facts, ridge",
        "change of x", "change of x, ridge", "mean of x, ridge",
        "change of y", "change of y, ridge", "mean of y, ridge",
        "change of all backbones, ridge", "mean of all backbones, ridge",
    ]  # fmt: skip
    apart = {name: told_apart(dict(baseline.score)) for name, baseline in found.items()}
    assert apart["pixel change"] == apart["file facts, ridge"] == 1
    assert apart["change of x, ridge"] > 0.9 > apart["change of x"] > 0.5
    assert apart["change of all backbones, ridge"] > 0.95
    assert max(apart["mean of x, ridge"], apart["mean of y, ridge"]) < 0.8
    assert {name for name, baseline in found.items() if baseline.strength is None} == {
        "pixel change", "change of x", "change of y",
    }  # fmt: skip


def test_what_cannot_be_had_is_told() -> None:
    training, test = invented(60, 1), invented(8, 2)
    found, [note] = weak_baselines(test, invented(60, 1, facts=False), labels(training))
    assert "file facts, ridge" not in found and "pixel change" in found and "left out" in note
    found, [note] = weak_baselines(test, {}, {})
    assert list(found) == ["pixel change", "change of x", "change of y"]
    assert "at least 3 training videos of either class" in note and "--features" in note
    few = dict(list(training.items())[:5])
    assert "change of x, ridge" not in weak_baselines(test, few, labels(few))[0]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(40, 6), (20, 50)])
def test_ridge_is_scikit_learns_with_its_strength_by_leaving_one_out(shape: tuple[int, int]) -> None:
    sklearn = pytest.importorskip("sklearn.linear_model")
    random = np.random.default_rng(3)
    x = random.normal(size=shape) * random.uniform(0.1, 9, shape[1]) + random.normal(size=shape[1])
    x[:, 1] = 7.0  # says nothing, and must not be divided by its deviation
    label = (random.permutation(shape[0]) % 2).astype(float)
    x[:, 0] += 2 * label * x[:, 0].std()
    asked = random.normal(size=(5, shape[1])) * 4
    scores, strength = ridge(x, label, asked)
    deviation = np.where(x.std(0) > 1e-6, x.std(0), np.inf)
    z, a = (x - x.mean(0)) / deviation, (asked - x.mean(0)) / deviation
    unit = np.trace(z @ z.T) / len(z)
    errors = []
    for candidate in STRENGTHS:
        wrong = []
        for n in range(len(z)):
            rest = np.arange(len(z)) != n
            model = sklearn.Ridge(alpha=candidate * unit).fit(z[rest], label[rest])
            wrong.append(model.predict(z[n : n + 1])[0] - label[n])
        errors.append(np.square(wrong).mean())
    np.testing.assert_allclose(left_out_errors(*np.linalg.eigh(z @ z.T), label), errors, rtol=1e-8)
    assert strength == STRENGTHS[np.argmin(errors)]
    np.testing.assert_allclose(scores, sklearn.Ridge(alpha=strength * unit).fit(z, label).predict(a), atol=1e-8)


def test_ridge_without_anything_to_learn_from_says_the_mean() -> None:
    scores, _ = ridge(np.ones((6, 2)), np.array([0, 1, 0, 1, 1, 1.0]), np.array([[1, 1], [5.0, -3]]))
    np.testing.assert_allclose(scores, 4 / 6)
