"""A run at work: thresholds, refusals, and what is left in its folder. The system learns nothing and is quick."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

import oddframe
from oddframe.errors import CalibrationError, InputError
from oddframe.settings import Smoothing
from oddframe.video.rate import given_rate
from oddframe.video.search import find_videos
from oddframe.workflow.scores import Scores

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


@pytest.fixture(scope="module")
def fitted(street: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted")
    (folder / "plain.yaml").write_text(RECIPE)
    training = oddframe.TrainingOptions(workers=1, progress=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "run-cache"))
        made = oddframe.fit(
            street / "training" / "videos", recipe=str(folder / "plain.yaml"), out=folder / "run", training=training
        )
    return made.path


@pytest.fixture
def run(fitted: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(fitted, tmp_path / "run"))


def test_a_system_that_learns_nothing_draws_nothing_to_paste(
    recipe: Path, street: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.workflow.fit.sequences_from_world", None)
    video = street / "training" / "videos" / "01.mp4"
    answer = ask("fit", video, "--recipe", recipe, "--out", tmp_path / "run", "--workers", 1)
    assert answer.status == 0, answer.err


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
    video = street / "testing" / "videos" / "02.mp4"
    before = json.loads((run / "calibration.json").read_text())
    answer = ask("calibrate", run, video, "--quantile", 0.8, "--in-place")
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
    assert twice.status == 0 and "in 1 video," in twice.out


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


def same(one: Scores, other: Scores) -> bool:
    """Whether two sets of scores are equal to the last bit, names aside."""
    return len(one) == len(other) and all(
        a.score.tobytes() == b.score.tobytes() and a.time.tobytes() == b.time.tobytes()
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.slow
def test_videos_are_named_as_people_name_them(run: Path, street: Path) -> None:
    folder, loaded = street / "testing" / "videos", oddframe.load_run(run)
    by_folder = loaded.score(folder)
    assert [one.video for one in by_folder] == ["01", "02"]
    for videos in (str(folder), f"{folder}/*.mp4", [str(folder / "01.mp4"), folder / "02.mp4"]):
        scores = loaded.score(videos)
        assert same(scores, by_folder) and [one.video for one in scores] == ["01", "02"], videos
    (alone,) = loaded.score(folder / "02.mp4")
    assert alone.score.tobytes() == by_folder["02"].score.tobytes()
    assert same(oddframe.score(run, folder), by_folder) and same(oddframe.score(loaded, folder), by_folder)
    with pytest.raises(InputError, match=r"no file or folder fits this pattern"):
        loaded.score(f"{folder}/*.mkv")


def moving(shape: tuple[int, ...]) -> np.ndarray:
    """20 frames of noise that changes more in the middle."""
    random = np.random.default_rng(0)
    change = np.where((np.arange(20) > 7) & (np.arange(20) < 12), 60, 6).reshape(-1, *[1] * (len(shape)))
    return np.asarray((128 + random.normal(size=(20, *shape)) * change).clip(0, 255), np.uint8)


@pytest.mark.parametrize("shape", [(36, 64, 3), (36, 64)], ids=["RGB", "grey"])
def test_frames_in_memory_score_as_the_same_frames_in_files(run: Path, shape: tuple[int, ...], tmp_path: Path) -> None:
    frames = moving(shape)
    for number, frame in enumerate(frames):
        (tmp_path / "frames").mkdir(exist_ok=True)
        assert cv2.imwrite(str(tmp_path / "frames" / f"{number}.png"), frame[..., ::-1] if frame.ndim == 3 else frame)
    lossless(tmp_path / "lossless.mkv", frames, Fraction(25, 2))  # as fast as what the run learned from
    loaded = oddframe.load_run(run)
    in_memory = loaded.score(oddframe.ArrayVideo(frames, fps=12.5))
    assert np.ptp(in_memory[0].score) > 0 and in_memory["frames"] is in_memory[0]
    assert same(in_memory, loaded.score(tmp_path / "lossless.mkv"))
    folder = loaded.score(given_rate(find_videos(tmp_path / "frames"), 12.5))
    if frames.ndim == 4:
        assert same(in_memory, folder)
    else:  # a grey image is read in colour, and shrinking three channels rounds otherwise than shrinking one
        assert in_memory[0].score == pytest.approx(folder[0].score, rel=0.02)


def lossless(path: Path, frames: np.ndarray, fps: Fraction) -> None:
    """Write frames so that decoding gives them back."""
    layout, stored = ("rgb24", "bgr0") if frames.ndim == 4 else ("gray", "gray")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=fps)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], stored
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, layout)))
        container.mux(stream.encode(None))


def test_the_rate_of_frames_in_memory_is_that_of_their_times(run: Path, tmp_path: Path) -> None:
    frames, loaded = moving((36, 64)), oddframe.load_run(run)
    options = oddframe.RuntimeOptions(any_rate=True)
    fast, slow = (loaded.score(oddframe.ArrayVideo(frames, fps=fps), options=options)[0] for fps in (10, 2))
    assert slow.time[-1] == pytest.approx(5 * fast.time[-1]) == 19 / 2
    assert (slow.score == fast.score).all()


def test_other_frames_in_memory_are_not_taken_from_stored_scores(run: Path, tmp_path: Path) -> None:
    loaded, pages = oddframe.load_run(run), oddframe.OutputOptions(overlay=False)
    frames = moving((36, 64))
    first = loaded.score(oddframe.ArrayVideo(frames, 25), tmp_path / "out", outputs=pages)
    other = loaded.score(oddframe.ArrayVideo(frames[::-1], 25), tmp_path / "out", outputs=pages)
    assert not same(first, other) and (tmp_path / "out" / "report.html").is_file()


def test_another_file_of_the_same_name_is_scored_again(run: Path, street: Path, tmp_path: Path) -> None:
    here, elsewhere = (street / part / "videos" / "01.mp4" for part in ("testing", "training"))
    loaded, scores_only = oddframe.load_run(run), oddframe.OutputOptions(pages=False)
    loaded.score(here, tmp_path, outputs=scores_only)
    path = tmp_path / "scores" / "01.npz"
    made = path.stat().st_mtime_ns
    loaded.score(here, tmp_path, outputs=scores_only)
    assert path.stat().st_mtime_ns == made, "the same file is taken from the folder"
    again = loaded.score(elsewhere, tmp_path, outputs=scores_only)
    assert path.stat().st_mtime_ns != made and same(again, loaded.score(elsewhere))


def test_without_a_calibration_there_are_scores_in_memory_but_no_events_and_no_pages(
    run: Path, street: Path, tmp_path: Path
) -> None:
    (run / "calibration.json").unlink()
    loaded, video = oddframe.load_run(run), street / "testing" / "videos" / "01.mp4"
    scores = loaded.score(video)
    assert scores.calibration is None and len(scores[0].score) == 62
    with pytest.raises(CalibrationError, match="have no threshold"):
        scores.events()
    with pytest.raises(CalibrationError, match=r"has no calibration.*oddframe calibrate .* NORMAL_VIDEOS"):
        loaded.score(video, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    loaded.score(video, tmp_path / "out", outputs=oddframe.OutputOptions(pages=False))
    assert (tmp_path / "out" / "scores" / "01.npz").is_file() and not (tmp_path / "out" / "report.html").exists()


def test_the_repr_of_a_run_says_what_it_is_and_what_its_threshold_promises(run: Path) -> None:
    loaded = oddframe.load_run(run)
    first, second = repr(loaded).splitlines()
    assert first == f"Run of frame_difference (plain), bundle {loaded.bundle.id} in {run}"
    assert re.fullmatch(
        r"threshold \S+; it promises at most \S+ alarms per hour of normal video, as an estimate: 0 alarms .*", second
    )
    (run / "calibration.json").unlink()
    assert repr(loaded).splitlines() == [first, "no threshold yet"]


def test_another_rule_changes_scores_and_neither_components_nor_the_run(run: Path, street: Path) -> None:
    loaded, video = oddframe.load_run(run), street / "testing" / "videos" / "01.mp4"
    smoothed = loaded.with_rule(replace(loaded.rule, smoothing=Smoothing(kind="causal", taps=9, sigma=3.0)))
    (plain,), (other,) = loaded.score(video), smoothed.score(video)
    assert (plain.score != other.score).any() and other.score.std() < plain.score.std()
    for name, values in plain.components.items():
        assert values.tobytes() == other.components[name].tobytes()
    assert loaded.rule.smoothing.kind == "none" and smoothed.bundle is loaded.bundle


def test_progress_is_shown_unasked_and_false_is_silent(
    run: Path, street: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("oddframe.progress.PLAIN_SECONDS", -1.0)
    loaded, video = oddframe.load_run(run), street / "testing" / "videos" / "01.mp4"
    capsys.readouterr()
    loaded.score(video, progress=False)
    assert capsys.readouterr() == ("", "")
    loaded.score(video)
    shown = capsys.readouterr()
    assert shown.out == "" and "01: " in shown.err
    told: list[tuple[str, int, int | None]] = []
    loaded.score(video, progress=lambda *step: told.append(step))
    assert capsys.readouterr() == ("", "") and told[-1][:2] == ("01", 62)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--threshold", "nan", "--threshold is nan; it must be a finite number"),
        ("--threshold", "inf", "--threshold is inf; it must be a finite number"),
        ("--threshold", "-inf", "--threshold is -inf; it must be a finite number"),
        ("--alarms-per-hour", "nan", "--alarms-per-hour is nan; it must be a finite number above 0"),
        ("--alarms-per-hour", "inf", "--alarms-per-hour is inf; it must be a finite number above 0"),
        ("--quantile", "nan", "--quantile is nan; it must lie between 0 and 1"),
    ],
)
def test_a_threshold_that_is_no_number_is_refused(
    run: Path, street: Path, tmp_path: Path, ask: Ask, option: str, value: str, says: str
) -> None:
    answer = ask("score", run, street / "training" / "videos", "--out", tmp_path / "out", option, value)
    assert answer.status == 2 and says in answer.err
    assert not (tmp_path / "out" / "scores").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--threshold", 3, "--quantile", 0.5), "give one of a threshold, a quantile and alarms per hour"),
        (("--threshold", 3, "--alarms-per-hour", 9), "give one of a threshold, a quantile and alarms per hour"),
        (("--quantile", 0.5, "--alarms-per-hour", 9), "give one of a threshold, a quantile and alarms per hour"),
        (("--alarms-per-hour", 1e9), "1e+09 alarms per hour is more than one a second"),
        (("--alarms-per-hour", 3601), "give at most 3600"),
        (("--out", ""), "the value of --out is empty"),
        (("--out=",), "the value of --out is empty"),
        (("--out", "RUN"), "holds a trained detector; choose a folder of its own"),
    ],
)
def test_what_score_refuses(
    run: Path, street: Path, tmp_path: Path, ask: Ask, options: tuple[object, ...], says: str
) -> None:
    words = [run if word == "RUN" else word for word in options]
    answer = ask("score", run, street / "training" / "videos", "--out", tmp_path / "out", *words)
    assert answer.status == 2 and says in answer.err and answer.err.count("\n") == 1
    assert not (tmp_path / "out").exists() and not (run / "scores").exists()


def test_fit_and_calibrate_refuse_two_wishes_for_one_threshold(
    run: Path, recipe: Path, street: Path, tmp_path: Path, ask: Ask
) -> None:
    wishes, videos = ("--quantile", 0.5, "--alarms-per-hour", 9), street / "training" / "videos"
    for command in (("fit", videos, "--recipe", recipe), ("calibrate", run, videos)):
        answer = ask(*command, "--out", tmp_path / "new", *wishes)
        assert answer.status == 2 and "give either alarms per hour or a quantile" in answer.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("count", "noted"), [(1, True), (2, True), (3, False), (9, False)])
def test_a_video_that_is_shorter_than_what_the_detector_looks_at_is_noted(
    run: Path, tmp_path: Path, count: int, noted: bool
) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (count, 32, 32, 3), np.uint8)
    notes = oddframe.load_run(run).score(oddframe.ArrayVideo(frames, 12.5, "brief"), progress=False).notes
    said = f"brief: too short, {count} frame{'s' * (count > 1)} to look at where the detector looks at 3 together"
    assert any(said in note for note in notes) == noted == any("too short" in note for note in notes)
