"""Fitting: which frames are learnt from, and which are only measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import oddframe
from oddframe.datasets.clips import ClipSet
from oddframe.settings import ThresholdOptions

FRAMES, HELD_OUT, BATCH = 120, 24, 8
TINY = (
    "--recipe", "mnad-small", "--set", "options.size=[32, 64]", "--set", "options.width=2",
    "--set", f"training.batch_size={BATCH}", "--set", f"training.holdout={HELD_OUT / FRAMES}",
)  # fmt: skip


@pytest.fixture
def calm_then_wild(tmp_path: Path) -> Path:
    """A folder of frames: grey at first, noise in the last fifth. Of a single video the end is held out."""
    random = np.random.default_rng(0)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(FRAMES):
        frame = np.full((32, 64, 3), 120, np.uint8)
        if number >= FRAMES - HELD_OUT:
            frame = random.integers(0, 256, frame.shape, dtype=np.uint8)
        assert cv2.imwrite(str(folder / f"{number:04}.png"), frame)
    return folder


@pytest.mark.slow
def test_fit_learns_from_one_part_of_the_video_and_measures_on_the_other(
    calm_then_wild: Path, tmp_path: Path, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "run"
    answer = ask("fit", calm_then_wild, "--out", out, *TINY, "--budget", "2epochs", "--quantile", 0.9)
    assert answer.status == 0, answer.err
    records = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    learnt_from = FRAMES - HELD_OUT - 4 - 4  # the frames before, of the first window and of the gap
    assert records[-1]["step"] == 2 * (learnt_from // BATCH)
    measured = [record["heldout/frame"] for record in records if "heldout/frame" in record]
    learnt = records[-1]["losses"]["frame"]
    assert measured and learnt < 0.25 * measured[-1], "grey frames are easy, noise is not"
    heldout = json.loads((out / "bundle.json").read_text())["data"]["videos"][0]["heldout"]
    assert heldout == [FRAMES - HELD_OUT, FRAMES]


def test_pseudo_anomalies_are_pasted_into_what_is_learnt_and_what_is_measured(
    calm_then_wild: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    handed: list[ClipSet] = []

    def stop(_: object, learnt: ClipSet, measured: ClipSet, *__: object) -> None:
        handed.extend((learnt, measured))
        raise KeyboardInterrupt

    monkeypatch.setattr("oddframe.workflow.fit.train", stop)
    changes = [TINY[3], TINY[5], TINY[9], "pseudo={source: world, sequences: 9, probability: 1, max_area: 0.2}"]
    with pytest.raises(KeyboardInterrupt):
        oddframe.fit(
            calm_then_wild, recipe="mnad-small", changes=changes, out=tmp_path / "run",
            threshold=ThresholdOptions(quantile=0.9),
        )  # fmt: skip
    assert len(handed) == 2
    for clips in handed:
        samples = np.arange(min(len(clips), 16))
        assert (clips.batch(samples, samples, 0).pasted.max((1, 2)) > 0).mean() > 0.5
