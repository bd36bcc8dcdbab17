"""Baselines of weakly labelled test sets: what a figure is worth is seen beside trivia and linear regressions.

    pixel change            mean absolute difference of neighbouring frames; nothing is learned
    file facts, ridge       frame rate, width, height, number of frames, bytes per frame
    change of NAME          how much the features of backbone NAME change, mean over their numbers; nothing is learned
    change of NAME, ridge   the vector of these changes
    mean of NAME, ridge     the mean vector of the video

The change is the channel of that name (`oddframe.features.extractor`) where the features have it. Elsewhere it is the
mean absolute difference of neighbouring rows, and 0 for a video with one row. Of several backbones there are the two
regressions on all of them side by side as well.

A baseline gives one score to a whole video, so it tells videos apart and locates nothing. A regression learns from the
labels of training videos alone: every column is brought to mean 0 and deviation 1, and the strength of its ridge is
the one with the least squared error of training videos that are left out one at a time. No test video takes part.

Shape letters: N training videos, M others, D columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddframe.features.extractor import Channels
from oddframe.features.snippets import SnippetFeatures

PIXELS, FACTS, ALL = "pixel change", "file facts, ridge", "all backbones"
STRENGTHS = 10.0 ** np.arange(-3, 3.5, 0.5)
"""Candidates of lambda, in units of the mean eigenvalue of the training videos' Gram matrix."""
LEAST = 3  # training videos of a class, below which nothing is learned

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VideoSummary:
    """What baselines know of a video.

    Attributes:
        pixel_change: see `oddframe.features.snippets.SnippetFeatures`; None where it is unknown.
        facts: (5,) frame rate, width, height, number of frames, bytes per frame; None where one is unknown.
        mean, change: backbone -> (D,).
    """

    pixel_change: float | None
    facts: Floats | None
    mean: Mapping[str, Floats]
    change: Mapping[str, Floats]


@dataclass(frozen=True)
class Baseline:
    """A baseline of a test set.

    Attributes:
        score: video -> score, higher = more anomalous.
        strength: lambda of the regression, one of `STRENGTHS`; None where nothing is learned.
    """

    score: Mapping[str, float]
    strength: float | None = None


def summarise(features: Mapping[str, SnippetFeatures], channels: Mapping[str, Channels]) -> VideoSummary:
    """What is known of a video by its features.

    Args:
        features: backbone -> features of the same video.
        channels: backbone -> channels of its features.
    """
    means, changes = {}, {}
    for name, own in features.items():
        rows = own.features.astype(np.float64)
        if channels[name] == "mean+change":
            means[name], changes[name] = np.split(rows.mean(0), 2)
        else:
            means[name] = rows.mean(0)
            changes[name] = np.abs(np.diff(rows, axis=0)).mean(0) if len(rows) > 1 else np.zeros(rows.shape[1])
    first = next(iter(features.values()))
    info, facts = first.info, None
    if info is not None and info.fps is not None and first.frames and first.bytes is not None:
        facts = np.array([info.fps, info.width, info.height, first.frames, first.bytes / first.frames])
    return VideoSummary(first.pixel_change, facts, means, changes)


def weak_baselines(
    test: Mapping[str, VideoSummary], training: Mapping[str, VideoSummary], label: Mapping[str, int]
) -> tuple[dict[str, Baseline], list[str]]:
    """The baselines of a test set by name, and sentences on those that cannot be had.

    Args:
        test: video -> what is known of it, at least one, all with the same backbones.
        training: the same of the videos whose labels may be learned from; may be empty.
        label: training video -> 1 where it has an anomaly, else 0.
    """
    found: dict[str, Baseline] = {}
    notes = []
    pixels = {video: own.pixel_change for video, own in test.items() if own.pixel_change is not None}
    if len(pixels) == len(test):
        found[PIXELS] = Baseline(pixels)
    truth = np.array([label[video] for video in training], np.float64)
    learns = min(int(truth.sum()), len(truth) - int(truth.sum())) >= LEAST
    facts = [[own.facts for own in known.values() if own.facts is not None] for known in (training, test)]
    known = len(facts[1]) == len(test) and (not learns or len(facts[0]) == len(training))
    if learns and known:
        found[FACTS] = _regression(facts[0], truth, facts[1], list(test))
    if len(pixels) < len(test) or not known:
        notes.append(
            "the baselines of pixels and file facts are left out, because these features do not say how large the "
            "files are and how much their pixels change; `oddframe features` to a new store finds it out"
        )
    if not learns:
        notes.append(
            f"baselines that learn are left out: they need features of at least {LEAST} training videos of either "
            "class; give those of the training videos with --features too"
        )
    backbones = list(next(iter(test.values())).mean)
    for name in [*backbones, *([ALL] if len(backbones) > 1 else [])]:
        chosen = backbones if name == ALL else [name]
        if name != ALL:
            found[f"change of {name}"] = Baseline({v: float(own.change[name].mean()) for v, own in test.items()})
        for kind in ("change", "mean") if learns else ():
            learnt, asked = (
                [np.concatenate([getattr(own, kind)[part] for part in chosen]) for own in known.values()]
                for known in (training, test)
            )
            found[f"{kind} of {name}, ridge"] = _regression(learnt, truth, asked, list(test))
    return found, notes


def _regression(learnt: Sequence[Floats], truth: Floats, asked: Sequence[Floats], videos: Sequence[str]) -> Baseline:
    scores, strength = ridge(np.stack(learnt), truth, np.stack(asked))
    return Baseline(dict(zip(videos, scores.tolist(), strict=True)), strength)


def ridge(x_ND: Floats, label_N: Floats, asked_MD: Floats) -> tuple[Floats, float]:
    """Scores (M,) of a linear ridge regression on labels 0 and 1, and its strength, one of `STRENGTHS`.

    Hoerl, Kennard: "Ridge Regression", Technometrics 12, 1970. The intercept is not drawn to 0.
    """
    centre, deviation = x_ND.mean(0), x_ND.std(0)
    deviation = np.where(deviation > 1e-9 * np.maximum(np.abs(centre), 1e-30), deviation, np.inf)  # constant: no say
    z_ND, asked_MD = (x_ND - centre) / deviation, (asked_MD - centre) / deviation
    value_N, direction_NN = np.linalg.eigh(z_ND @ z_ND.T)
    value_N, mean = value_N.clip(0), label_N.mean()
    errors = left_out_errors(value_N, direction_NN, label_N)
    best = len(errors) - 1 - int(np.argmin(errors[::-1]))  # of equals the strongest
    shrunk_N = direction_NN.T @ (label_N - mean) / (value_N + STRENGTHS[best] * (value_N.mean() or 1.0))
    return asked_MD @ z_ND.T @ (direction_NN @ shrunk_N) + mean, float(STRENGTHS[best])


def left_out_errors(value_N: Floats, direction_NN: Floats, label_N: Floats) -> Floats:
    """Mean squared error of videos that are left out one at a time, for each of `STRENGTHS`.

    It follows from the residuals and the diagonal of the hat matrix (Allen, Technometrics 16, 1974).

    Args:
        value_N, direction_NN: eigenvalues and eigenvectors of the Gram matrix of centred columns.
        label_N: of the videos.
    """
    target_N = label_N - label_N.mean()
    part_N, unit = direction_NN.T @ target_N, value_N.mean() or 1.0
    errors = []
    for strength in STRENGTHS:
        share_N = value_N / (value_N + strength * unit)
        residual_N = target_N - direction_NN @ (share_N * part_N)
        hat_N = direction_NN**2 @ share_N + 1 / len(label_N)  # the intercept has its part
        errors.append(float(np.square(residual_N / np.maximum(1 - hat_N, 1e-9)).mean()))
    return np.array(errors)
