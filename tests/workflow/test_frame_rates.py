"""A bundle knows the rate that it learned at, and promises no alarms per hour on a rate that was guessed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import oddframe
from oddframe.bundle import TrainingData, load_bundle, save_bundle
from oddframe.errors import CalibrationError, InputError
from oddframe.models.frame_difference import FrameDifference
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.settings import ThresholdOptions
from oddframe.workflow.fit import one_rate
from oddframe.workflow.run import Run

Ask = Callable[..., Any]
RECIPE = "summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "rate-cache"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "plain.yaml").write_text(RECIPE)
    return tmp_path / "plain.yaml"


def picture(number: int) -> NDArray[np.uint8]:
    image = np.full((32, 64, 3), 90, np.uint8)
    image[8:20, 3 * number % 50 :][:, :10] = 200 - number % 7
    return image


def film(path: Path, rate: float, count: int, pauses: dict[int, float] | None = None) -> Path:
    """A video whose frames move on evenly, with a pause of so many seconds before some of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    late = 0.0
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001), options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(count):
            late += (pauses or {}).get(number, 0.0)
            frame = av.VideoFrame.from_ndarray(picture(number), "bgr24")
            frame.pts, frame.time_base = round(1000 * (number / rate + late)), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frames(folder: Path, count: int = 150) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        assert cv2.imwrite(str(folder / f"{number:04}.png"), picture(number))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_pause_of_an_hour_is_no_held_out_hour(tmp_path: Path, recipe: Path, suffix: str) -> None:
    path = film(tmp_path / "in" / f"cam.{suffix}", 12.5, 300, {288: 3600})
    run = oddframe.fit(path, recipe=str(recipe), out=tmp_path / "run")
    c = run.calibration()
    assert c.seconds == pytest.approx(3.6, abs=0.01) and c.rate == pytest.approx(c.lowest_rate)
    assert c.lowest_rate == pytest.approx(2 / 3 * 1000, rel=0.01)
    assert run.bundle.data.heldout_seconds == pytest.approx(3.6, abs=0.01)
    assert run.bundle.data.frame_rate == pytest.approx(12.5, abs=0.05)
    scored = run.score(path, tmp_path / "out", progress=False)
    assert len(scored[0].frame) == 300 and "24 s" in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(CalibrationError, match="cannot support"):
        run.calibration(alarms_per_hour=1)


def test_several_pauses_are_no_hours_of_evaluated_video(tmp_path: Path, recipe: Path) -> None:
    path = film(tmp_path / "in" / "cam.mkv", 25, 200, {40: 900, 41: 7200, 150: 30})
    run = oddframe.fit(path, recipe=str(recipe), out=tmp_path / "run", threshold=ThresholdOptions(quantile=0.9))
    (scores,) = run.score(path, progress=False)
    from oddframe.evaluation.events import evaluate_events

    event = oddframe.Event("cam", 5, 5, 6, 0.2, 0.2, 0.24, 1.0)
    result = evaluate_events([scores], {"cam": np.zeros(200, np.int64)}, [event])
    assert result.alarms_per_hour == pytest.approx(3600 / 8, rel=0.01)


def test_images_without_a_rate_get_a_threshold_but_no_promise(tmp_path: Path, recipe: Path, ask: Ask) -> None:
    folder = frames(tmp_path / "cam")
    answer = ask("fit", folder, "--recipe", recipe, "--out", tmp_path / "run", "--workers", 1)
    assert answer.status == 0, answer.err
    assert "25 frames/s were assumed" in answer.out and "--fps" in answer.out
    run = oddframe.load_run(tmp_path / "run")
    c = run.calibration()
    assert (c.upper_rate, c.promise, c.assumed_fps) == (None, None, 25.0) and "25 frames/s" in c.note
    assert (run.bundle.data.frame_rate, run.bundle.data.assumed_rate) == (None, 25.0)
    card = (run.path / "CARD.md").read_text()
    assert "25 frames/s were assumed" in card and "alarms per hour" not in card
    with pytest.raises(CalibrationError, match=r"alarms per hour need the frame rate .* --fps"):
        run.calibration(alarms_per_hour=1000)
    assert run.calibration(quantile=0.9).assumed_fps == 25.0
    answer = ask("score", run.path, folder, "--out", tmp_path / "out", "--no-overlay")
    assert answer.status == 0 and "note    cam: no time stamps; 25 frames/s were assumed" in answer.out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "promises no rate of alarms: " in page and "set by hand" not in page


def test_a_rate_of_alarms_on_a_guessed_rate_is_refused_with_the_remedy(tmp_path: Path, recipe: Path, ask: Ask) -> None:
    folder = frames(tmp_path / "cam")
    asked = ("fit", folder, "--recipe", recipe, "--workers", 1, "--alarms-per-hour", 900)
    answer = ask(*asked, "--out", tmp_path / "run")
    assert answer.status == 2 and answer.err.count("\n") == 1 and "--fps" in answer.err
    answer = ask(*asked, "--out", tmp_path / "run", "--fps", 5)
    assert answer.status == 0, answer.err
    c = oddframe.load_run(tmp_path / "run").calibration()
    assert c.rate == 900 and c.seconds == pytest.approx(22 / 5) and "assumed" not in answer.out
    assert oddframe.load_run(tmp_path / "run").bundle.data.frame_rate == 5
    other = frames(tmp_path / "other", 148)  # one that it has not learned from
    answer = ask("calibrate", tmp_path / "run", other)
    assert answer.status == 2 and "say where the new threshold goes" in answer.err
    answer = ask("calibrate", tmp_path / "run", other, "--in-place")
    assert answer.status == 2 and "alarms per hour need its frame rate" in answer.err and "--fps" in answer.err
    assert ask("calibrate", tmp_path / "run", other, "--in-place", "--fps", 5).status == 0
    assert oddframe.load_run(tmp_path / "run").calibration().seconds == pytest.approx(148 / 5)
    assert ask("calibrate", tmp_path / "run", other, "--in-place", "--quantile", 0.9).status == 0
    assert oddframe.load_run(tmp_path / "run").calibration().assumed_fps == 25


def test_a_list_gives_the_rate_of_a_folder(tmp_path: Path, recipe: Path) -> None:
    frames(tmp_path / "cam")
    (tmp_path / "list.csv").write_text("video,fps\ncam,5\n")
    run = oddframe.fit(tmp_path / "list.csv", recipe=str(recipe), out=tmp_path / "run")
    assert run.calibration().seconds == pytest.approx(22 / 5) and run.calibration().assumed_fps is None


@pytest.mark.slow
def test_scores_of_other_rates_of_the_same_images_are_not_taken_from_the_folder(
    tmp_path: Path, recipe: Path, ask: Ask
) -> None:
    folder = frames(tmp_path / "cam", 60)
    run = oddframe.fit(folder, recipe=str(recipe), out=tmp_path / "run")
    seen = []
    for fps in ((), ("--fps", 5), ("--fps", 10), ()):
        assert ask("score", run.path, folder, "--out", tmp_path / "out", "--no-overlay", *fps).status == 0
        seen.append(float(oddframe.scoring.files.load_scores(tmp_path / "out/scores/cam.npz").time[-1]))  # type: ignore[attr-defined]
    assert seen == pytest.approx([59 / 25, 59 / 5, 59 / 10, 59 / 25])


@pytest.fixture
def at_25(tmp_path: Path, recipe: Path) -> Run:
    return oddframe.fit(film(tmp_path / "learn" / "v.mp4", 25, 150), recipe=str(recipe), out=tmp_path / "run25")


@pytest.mark.slow
def test_a_faster_video_is_scored_at_the_learned_rate(tmp_path: Path, at_25: Run, ask: Ask) -> None:
    path = film(tmp_path / "fast.mp4", 50, 200)
    answer = ask("score", at_25.path, path, "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    assert "note    fast: 50 frames/s, scored at 25, the rate that the detector learned at" in answer.out
    (scores,) = at_25.score(path, progress=False)
    assert scores.frame.tolist() == list(range(0, 200, 2)) and scores.info.frames == 200
    assert scores.time == pytest.approx(scores.frame / 50, abs=0.002)
    whole = at_25.score(path, options=RuntimeOptions(any_rate=True), progress=False)
    assert len(whole[0].frame) == 200 and "as --any-rate asks" in whole.notes[0]
    # What changes in 1/25 s, and not what changes in 1/50 s.
    assert np.median(scores.components["difference"]) > 1.5 * np.median(whole[0].components["difference"])


def test_a_slower_video_is_refused_unless_any_rate_is_asked_for(tmp_path: Path, at_25: Run, ask: Ask) -> None:
    path = film(tmp_path / "slow.mp4", 12.5, 80)
    answer = ask("score", at_25.path, path, "--out", tmp_path / "out", "--no-overlay")
    assert answer.status == 2 and "12.5 frames/s, fewer than the 25" in answer.err and "--any-rate" in answer.err
    answer = ask("score", at_25.path, path, "--out", tmp_path / "out", "--no-overlay", "--any-rate")
    assert answer.status == 0 and "12.5 frames/s, all its frames were scored as if it had 25" in answer.out
    both = [path, film(tmp_path / "same.mp4", 25, 80)]
    answer = ask("score", at_25.path, *both, "--out", tmp_path / "both", "--no-overlay")
    assert answer.status == 3 and "skipped slow" in answer.err


def test_rates_that_hardly_differ_are_the_same(tmp_path: Path, at_25: Run) -> None:
    scored = at_25.score(film(tmp_path / "near.mp4", 24, 60), progress=False)
    assert len(scored[0].frame) == 60 and scored.notes == ()


def test_a_bundle_that_does_not_say_its_rate_gets_a_note(tmp_path: Path, at_25: Run) -> None:
    bundle = load_bundle(at_25.path)
    old = save_bundle(tmp_path / "old", bundle.detector, bundle.recipe, bundle.history, TrainingData())
    scored = Run(old).score(film(tmp_path / "v.mp4", 12.5, 60), progress=False)
    assert len(scored[0].frame) == 60 and "does not say its rate" in scored.notes[0]


@pytest.mark.slow
def test_labels_stay_on_the_frames_that_they_belong_to_at_another_rate(tmp_path: Path, at_25: Run) -> None:
    path = film(tmp_path / "set" / "videos" / "fast.mp4", 50, 200)
    (tmp_path / "set" / "intervals.csv").write_text("video,start_frame,end_frame\nfast,60,119\n")
    found = oddframe.evaluate(at_25, f"folder:{tmp_path / 'set'}", progress=False)
    result = found.rows[0].result
    assert (result.frames, result.positives) == (100, 30) and any("50 frames/s" in note for note in found.notes)
    assert path.is_file()


@pytest.mark.slow
def test_mixed_rates_learn_at_the_most_common_one(tmp_path: Path, recipe: Path) -> None:
    folder = tmp_path / "mixed"
    for name, rate, count in (("a", 25, 120), ("b", 25, 120), ("c", 50, 120), ("d", 10, 60)):
        film(folder / f"{name}.mp4", rate, count)
    run = oddframe.fit(folder, recipe=str(recipe), out=tmp_path / "run")
    assert run.bundle.data.frame_rate == pytest.approx(25, abs=0.1)
    assert [video.name for video in run.bundle.data.videos] == ["a", "b", "c"]
    ((source, reason),) = run.skipped
    assert source.name == "d" and "10 frames/s, and most training frames come at 25" in reason


def test_training_at_one_rate_takes_every_second_frame_of_a_video_that_is_twice_as_fast(tmp_path: Path) -> None:
    from oddframe.video.cache import build_cache
    from oddframe.video.rate import tracks
    from oddframe.video.search import find_videos

    film(tmp_path / "in" / "a.mp4", 25, 100)
    film(tmp_path / "in" / "b.mp4", 50, 60, {30: 100})
    window = FrameDifference((16, 32)).window
    videos, _ = build_cache(find_videos(tmp_path / "in"), window, tmp_path / "cache", workers=1)
    rate, takes, usable, slower = one_rate(videos)
    assert rate == pytest.approx(25, abs=0.1) and takes == [None, pytest.approx(25, abs=0.1)] and not slower
    followed = [[track.tolist() for track in tracks(v.time, take)] for v, take in zip(usable, takes, strict=True)]
    assert followed == [[list(range(100))], [list(range(0, 30, 2)), list(range(30, 60, 2))]]


def test_a_smoothing_in_seconds_follows_the_rate(tmp_path: Path) -> None:
    from oddframe.settings import Smoothing

    how = Smoothing("causal", 19, 5.6, rate=25)
    assert how.at(25) == how.at(24.9) == how.at(None) == Smoothing("causal", 19, 5.6)
    assert how.at(12.5) == Smoothing("causal", 10, 2.8) and how.at(50) == Smoothing("causal", 38, 11.2)
    assert how.at(29.97) == how.at(30) and how.at(1).taps == 1
    assert Smoothing("centred", 19, 5.6, rate=25).at(12.5).taps % 2 == 1
    assert Smoothing("causal", 19, 5.6).at(12.5) == Smoothing("causal", 19, 5.6)
    with pytest.raises(InputError, match="the rate must be above 0"):
        replace(how, rate=0.0)


def test_products_smooth_in_seconds_and_figures_in_frames() -> None:
    from oddframe.evaluation.protocols import get_protocol
    from oddframe.recipes import load_recipe

    for name in ("camera", "monitors", "patches", "scene", "sdmae-small", "mnad-small"):
        assert load_recipe(name).scoring.smoothing.rate == 12.5, name
    for name in ("sdmae-avenue", "mnad-ped2"):
        assert load_recipe(name).scoring.smoothing.rate is None, name
    assert get_protocol("honest").smoothing_for(load_recipe("camera").scoring.smoothing).rate is None


@pytest.mark.slow
def test_a_test_set_is_read_at_the_rate_of_its_release_or_as_the_bundle_was(tmp_path: Path, recipe: Path) -> None:
    clip = frames(tmp_path / "UCSDped2" / "Test" / "Test001", 40)
    table = "TestVideoFile = {};\nTestVideoFile{end+1}.gt_frame = [10:20];\n"
    (clip.parent / "UCSDped2.m").write_text(table)
    spec = f"ucsd-ped2:{tmp_path}"
    guessed = oddframe.fit(frames(tmp_path / "a"), recipe=str(recipe), out=tmp_path / "run1")
    found = oddframe.evaluate(guessed, spec, out=tmp_path / "one", progress=False)
    assert any("25 frames/s were assumed" in note for note in found.notes)
    listed = tmp_path / "list.csv"
    listed.write_text("video,fps\na,10\n")
    known = oddframe.fit(listed, recipe=str(recipe), out=tmp_path / "run2")
    found = oddframe.evaluate(str(known.path), spec, out=tmp_path / "two", progress=False)  # a folder will do, too
    assert not any("frames/s" in note for note in found.notes)
    ends = [
        json.loads((tmp_path / name / "scores" / "Test001.csv").read_text().splitlines()[-1].split(",")[1])
        for name in ("one", "two")
    ]
    assert ends == [pytest.approx(39 / 25), pytest.approx(39 / 10)]
