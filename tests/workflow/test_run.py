"""A run at work: thresholds, refusals, and what is left in its folder. The system learns nothing and is quick."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oddframe

Ask = Callable[..., Any]
RECIPE = "summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\nscoring: {smoothing: {kind: none}}\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "run-cache"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "plain.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def run(recipe: Path, street: Path, tmp_path: Path, ask: Ask) -> Path:
    answer = ask("fit", street / "training" / "videos", "--recipe", recipe, "--out", tmp_path / "run", "--workers", 1)
    assert answer.status == 0, answer.err
    return tmp_path / "run"


def scores_of(run: Path, video: Path) -> np.ndarray:
    (scores,) = oddframe.load_run(run).score(video)
    return np.asarray(scores.score)


def test_a_threshold_given_by_hand_is_the_one_used(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    video = street / "testing" / "videos" / "01.mp4"
    score = scores_of(run, video)
    top = float(np.sort(score)[-3])
    answer = ask("score", run, video, "--out", tmp_path / "out", "--no-overlay", "--threshold", top, "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    assert found["threshold"] == pytest.approx(top)
    assert found["events"] and all(event["score"] >= top for event in found["events"])
    above = ask(
        "score", run, video, "--out", tmp_path / "out", "--no-overlay", "--threshold", score.max() * 1.01, "--json"
    )
    assert json.loads(above.out)["events"] == []


def test_the_scores_are_how_much_the_picture_changes(run: Path, street: Path) -> None:
    """The frame difference is known without a network: 0 in a still video, and of the size of the change elsewhere."""
    score = scores_of(run, street / "testing" / "videos" / "01.mp4")
    assert len(score) == 62 and (score >= 0).all() and score.max() > 1.05 * np.median(score) > 0


def test_calibrating_on_other_video_moves_the_threshold_to_its_quantile(run: Path, street: Path, ask: Ask) -> None:
    video = street / "training" / "videos" / "02.mp4"
    before = json.loads((run / "calibration.json").read_text())
    answer = ask("calibrate", run, video, "--quantile", 0.8)
    assert answer.status == 0, answer.err
    after = json.loads((run / "calibration.json").read_text())
    score = scores_of(run, video)
    assert (score >= after["threshold"]).mean() == pytest.approx(0.2, abs=0.03)
    assert after["quantile"] == 0.8 and after["seconds"] == pytest.approx(5, abs=0.2) and after["videos"] == 1
    assert after["threshold"] != before["threshold"]
    assert "0.8 quantile" in (run / "CARD.md").read_text()


def test_two_videos_of_one_name_are_refused_and_one_given_twice_is_scored_once(
    run: Path, street: Path, tmp_path: Path, ask: Ask
) -> None:
    one, other = street / "testing" / "videos" / "01.mp4", street / "training" / "videos" / "01.mp4"
    refused = ask("score", run, one, other, "--out", tmp_path / "out")
    assert refused.status == 2 and "would both be called 01" in refused.err and not (tmp_path / "out").exists()
    twice = ask("score", run, one, one, "--out", tmp_path / "out", "--no-overlay", "--quantile", 0.9)
    assert twice.status == 0 and "in 1 videos" in twice.out


@pytest.mark.slow
def test_several_processes_score_as_one_does(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    videos = street / "testing" / "videos"
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        answer = ask("score", run, videos, "--out", out, "--no-overlay", "--quantile", 0.9, "--workers", workers)
        assert answer.status == 0, answer.err
    for name in ("01.npz", "02.npz"):
        with np.load(tmp_path / "out1/scores" / name) as one, np.load(tmp_path / "out2/scores" / name) as two:
            assert np.array_equal(one["score"], two["score"]) and np.array_equal(one["frame"], two["frame"])
    assert (tmp_path / "out1/events.jsonl").read_text() == (tmp_path / "out2/events.jsonl").read_text()


def test_a_folder_that_holds_a_bundle_is_not_written_over(run: Path, recipe: Path, street: Path, ask: Ask) -> None:
    before = (run / "bundle.json").read_bytes()
    answer = ask("fit", street / "training" / "videos", "--recipe", recipe, "--out", run)
    assert answer.status == 2 and "already holds a bundle" in answer.err
    assert (run / "bundle.json").read_bytes() == before


def test_a_run_is_resumed_under_its_own_recipe_alone(run: Path, recipe: Path, street: Path, ask: Ask) -> None:
    command = ("fit", street / "training" / "videos", "--recipe", recipe, "--out", run, "--resume")
    other = ask(*command, "--set", "options.size=[32, 32]")
    assert other.status == 2 and "begun with another options" in other.err
    assert ask(*command).status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "pseudo.source=elsewhere"), "pseudo.source"),
        (("--set", "pseudo.source=ubnormal:"), "pseudo.source"),
        (("--features", "seen=crops:nowhere"), "not from features"),
        (("--alarms-per-hour", 0.5), "cannot support"),
    ],
)
def test_what_fit_refuses_leaves_nothing(
    words: tuple[object, ...], message: str, recipe: Path, street: Path, tmp_path: Path, ask: Ask
) -> None:
    answer = ask("fit", street / "training" / "videos", "--recipe", recipe, "--out", tmp_path / "run", *words)
    assert answer.status == 2 and message in answer.err and answer.err.count("\n") == 1
    assert not (tmp_path / "run").exists()
