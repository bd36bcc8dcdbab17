"""What the benchmarks of weak supervision are made of, on invented bags."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from oddframe.features.snippets import SnippetFeatures

pytest.importorskip("torch")
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import surv_crossval
import ucf_crossval
import ucf_heldout

LABEL = np.arange(40) % 2


def bags(seed: int) -> np.ndarray:
    """(40, 6, 5): in videos with an anomaly, number 1 changes from segment to segment; its mean says nothing."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(40, 1, 5)) + 0.1 * random.normal(size=(40, 6, 5))
    x[LABEL == 1, ::2, 1] += 2
    x[LABEL == 1, 1::2, 1] -= 2
    return x.astype(np.float32)


def test_baselines_of_whole_videos_in_the_form_of_segments() -> None:
    found = ucf_heldout.video_scores(bags(0), LABEL, bags(1))
    assert set(found) == {"change of c3d", "change of c3d, ridge", "mean of c3d, ridge"}
    for scores in found.values():
        assert scores.shape == (40, 6) and np.ptp(scores, axis=1).max() == 0
    auc = {name: ucf_heldout.aucs(LABEL, scores)[1] for name, scores in found.items()}
    assert auc["change of c3d, ridge"] > 0.95 and auc["mean of c3d, ridge"] < 0.8


def clips(seed: int) -> dict[str, dict[str, SnippetFeatures]]:
    """Features of mean and change, of which the change tells a fight."""
    random, found = np.random.default_rng(seed), {}
    for n, label in enumerate(LABEL):
        rows = random.normal(size=(3, 8)).astype(np.float32)
        rows[:, 5] += 4 * label
        found[f"{n}.mp4"] = {name: SnippetFeatures(str(n), rows, 48, "snippets") for name in ("x", "y")}
    return found


def test_settings_are_compared_on_clips_that_were_held_out() -> None:
    features, held = clips(0), ucf_crossval.held_out(LABEL, 3)
    assert held.sum() == 8 and LABEL[held].sum() == 4
    collection = SimpleNamespace(sources={name: [SimpleNamespace(channels="mean+change")] for name in ("x", "y")})
    told = surv_crossval.baselines(features, LABEL, held, collection)  # type: ignore[arg-type]
    assert told["change of x, ridge"] == 1 > told["mean of x, ridge"] and "change of all backbones, ridge" in told
    words = ["mil-small", "x", "steps=60", "head=[8,4]", "feature_norm=standard", "head_dropout=0"]
    assert surv_crossval.attempt(words, features, LABEL, held, 0)["classifier"] > 0.9
    words[1] = "mean:x"
    assert surv_crossval.attempt(words, features, LABEL, held, 0)["classifier"] < 0.9
    tiny = ["projection=[8,8]", "attention_dim=8", "heads=2", "head=[8,4]", "steps=3"]
    assert set(surv_crossval.attempt(["dakd-small", "x+y", *tiny], features, LABEL, held, 0)) == {"student", "teacher"}
