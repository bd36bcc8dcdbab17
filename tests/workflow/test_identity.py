"""What is kept of a video belongs to its content: scores, overlays, the record of training, and what calibrates."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import oddframe
from oddframe.errors import InputError
from oddframe.scoring.files import load_scores, save_scores
from oddframe.settings import Smoothing

Ask = Callable[..., Any]
ONLY_SCORES = oddframe.OutputOptions(pages=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, street: Path) -> Path:
    """A system that learns nothing, and so is made at once."""
    folder = tmp_path_factory.mktemp("identity")
    recipe = folder / "plain.yaml"
    recipe.write_text("summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(folder / "cache"))
        training = oddframe.TrainingOptions(workers=1, progress=False)
        oddframe.fit(street / "training" / "videos", recipe=str(recipe), out=folder / "run", training=training)
    return folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def cam(street: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(street / "testing" / "videos" / "01.mp4", tmp_path / "cam.mp4"))


def score_of(run: Path, videos: Any, out: Path | None = None) -> np.ndarray:
    return np.asarray(oddframe.load_run(run).score(videos, out, outputs=ONLY_SCORES, progress=False)[0].score)


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the videos that are opened for scoring from now on."""
    import oddframe.scoring.scorer as scorer

    seen: list[str] = []
    true = scorer.VideoReader

    def opening(source: Any, *more: Any) -> Any:
        seen.append(source.name)
        return true(source, *more)

    monkeypatch.setattr(scorer, "VideoReader", opening)
    return seen


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_replaced_under_its_name_is_scored_again(run: Path, street: Path, cam: Path, tmp_path: Path) -> None:
    first = score_of(run, cam, tmp_path / "out")
    times = cam.stat()
    other = (street / "testing" / "videos" / "02.mp4").read_bytes()
    cam.write_bytes(other)
    os.utime(cam, ns=(times.st_atime_ns, times.st_mtime_ns))
    second = score_of(run, cam, tmp_path / "out")
    assert not np.array_equal(first, second) and np.array_equal(second, score_of(run, cam))


def test_another_picture_of_the_same_size_and_time_is_scored_again(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cam"
    folder.mkdir()
    for number in range(12):
        cv2.imwrite(str(folder / f"{number:02}.bmp"), np.full((16, 32, 3), 9 * number, np.uint8))
    first = score_of(run, folder, tmp_path / "out")
    times = (folder / "06.bmp").stat()
    cv2.imwrite(str(folder / "06.bmp"), np.full((16, 32, 3), 200, np.uint8))
    os.utime(folder / "06.bmp", ns=(times.st_atime_ns, times.st_mtime_ns))
    second = score_of(run, folder, tmp_path / "out")
    assert not np.array_equal(first, second) and np.array_equal(second, score_of(run, folder))


def test_an_equal_video_under_another_name_is_not_scored_again(
    run: Path, cam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = decoded(monkeypatch)
    first = oddframe.load_run(run).score(cam, tmp_path / "out", outputs=ONLY_SCORES)
    moved = cam.rename(tmp_path / "gate.mp4")
    os.link(moved, tmp_path / "hard.mp4")
    (tmp_path / "soft.mp4").symlink_to(moved)
    for path in (moved, tmp_path / "hard.mp4", tmp_path / "soft.mp4"):
        again = oddframe.load_run(run).score(path, tmp_path / "out", outputs=ONLY_SCORES)
        assert (again[0].video, again[0].info.name, again[0].info.path) == (path.stem, path.stem, str(path))
        assert np.array_equal(first[0].score, again[0].score) and np.array_equal(first[0].time, again[0].time)
        assert load_scores(tmp_path / "out" / "scores" / f"{path.stem}.npz").video == path.stem
        assert (tmp_path / "out" / "scores" / f"{path.stem}.csv").is_file()
    assert opened == ["cam"]


def test_equal_videos_of_one_run_are_scored_once_and_other_names_do_not_mix(
    run: Path, street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, number in (("a", 1), ("b", 2), ("c", 1)):
        shutil.copy(street / "testing" / "videos" / f"0{number}.mp4", folder / f"{name}.mp4")
    opened = decoded(monkeypatch)
    scores = oddframe.load_run(run).score(folder, tmp_path / "out", outputs=ONLY_SCORES)
    assert opened == ["a", "b"] and [one.video for one in scores] == ["a", "b", "c"]
    # Two videos change their names with each other.
    (folder / "a.mp4").rename(folder / "x")
    (folder / "b.mp4").rename(folder / "a.mp4")
    (folder / "x").rename(folder / "b.mp4")
    again = oddframe.load_run(run).score(folder, tmp_path / "out", outputs=ONLY_SCORES)
    assert np.array_equal(again["a"].score, scores["b"].score)
    assert np.array_equal(again["b"].score, scores["a"].score)


def test_maps_come_along_to_another_name(tmp_path: Path) -> None:
    from oddframe.scoring.combine import ScoreRule
    from oddframe.scoring.scorer import ScoreStore
    from oddframe.types import Combination, FrameScores, VideoInfo
    from oddframe.video.sources import VideoSource

    values = np.array([1.0, 2, 3])
    rule = ScoreRule(Combination({"e": 1.0}), Smoothing(kind="none"))
    maps = np.arange(24, dtype=np.float16).reshape(3, 2, 4)
    info = VideoInfo("old", "old.mp4", 8, 8, 25.0, key="abc")
    save_scores(FrameScores("old", np.arange(3), values, {"e": values}, values, info, "id", maps), tmp_path)
    source = VideoSource("new", tmp_path / "new.mp4", "file")
    found = ScoreStore("id", tmp_path).load(source, "abc", rule)
    assert found is not None and found.map is not None and np.array_equal(found.map, maps)
    assert ScoreStore("other", tmp_path).load(source, "abc", rule) is None
    assert ScoreStore("id", tmp_path).load(source, "abd", rule) is None
    assert ScoreStore("id", tmp_path).load(source, "abc@10.0", rule) is None, "its times are others at another rate"


def test_another_rule_is_not_answered_with_the_scores_of_the_old_one(run: Path, cam: Path, tmp_path: Path) -> None:
    plain = oddframe.load_run(run)
    calm = plain.with_rule(replace(plain.rule, smoothing=Smoothing(kind="causal", taps=25, sigma=8.0)))
    expected = [one.score(cam, progress=False)[0].score for one in (plain, calm)]
    for one, wanted in zip((plain, calm, plain), (*expected, expected[0]), strict=True):
        assert np.array_equal(one.score(cam, tmp_path / "out", outputs=ONLY_SCORES)[0].score, wanted)
    assert not np.array_equal(*expected)


def test_scores_without_a_key_are_made_again_with_a_line(
    run: Path, street: Path, cam: Path, tmp_path: Path, ask: Ask
) -> None:
    out = tmp_path / "out"
    assert ask("score", run, cam, "--out", out, "--no-overlay").status == 0
    old = load_scores(out / "scores" / "cam.npz")
    save_scores(replace(old, score=old.score + 1, info=replace(old.info, key="")), out / "scores")
    answer = ask("score", run, cam, "--out", out, "--no-overlay")
    assert answer.status == 0 and "note    the stored scores of cam carry no content key" in answer.out
    assert np.array_equal(load_scores(out / "scores" / "cam.npz").score, old.score)
    again = ask("score", run, cam, "--out", out, "--no-overlay", "--json")
    assert json.loads(again.out)["notes"] == []


def test_a_damaged_score_file_is_made_again(run: Path, cam: Path, tmp_path: Path) -> None:
    first = score_of(run, cam, tmp_path / "out")
    path = tmp_path / "out" / "scores" / "cam.npz"
    path.write_bytes(path.read_bytes()[:-100])
    assert np.array_equal(score_of(run, cam, tmp_path / "out"), first)
    assert np.array_equal(load_scores(path).score, first)


def test_an_event_is_named_by_the_content_of_its_video(run: Path, street: Path, cam: Path, tmp_path: Path) -> None:
    loaded = oddframe.load_run(run)
    calibration = loaded.calibration(quantile=0.8)
    copy = Path(shutil.copy(cam, tmp_path / "copy.mp4"))
    one, same = (loaded.score(path, calibration=calibration).events() for path in (cam, copy))
    assert one and [event.id for event in one] == [event.id for event in same]
    assert {event.video for event in one} == {"cam"} and {event.video for event in same} == {"copy"}
    shutil.copy(street / "testing" / "videos" / "02.mp4", cam)
    other = loaded.score(cam, calibration=calibration).events()
    assert not {event.key for event in one} & {event.key for event in other} and all(event.key for event in other)
    assert not {event.id for event in one} & {event.id for event in other}


def overlay_of(out: Path) -> int:
    return (out / "overlays" / "cam.mp4").stat().st_mtime_ns


def linked(out: Path) -> bool:
    return "overlays/cam.mp4" in (out / "report.html").read_text()


@pytest.mark.slow
def test_an_overlay_of_other_options_is_drawn_again_or_not_linked(
    run: Path, cam: Path, street: Path, tmp_path: Path, ask: Ask
) -> None:
    out = tmp_path / "out"
    command = ("score", run, cam, "--out", out, "--threshold")
    assert ask(*command, 5).status == 0 and linked(out)
    made = overlay_of(out)
    assert ask(*command, 5).status == 0 and overlay_of(out) == made and linked(out)
    assert ask(*command, 6, "--no-overlay").status == 0
    assert overlay_of(out) == made and not linked(out), "it shows another threshold"
    assert ask(*command, 5, "--no-overlay").status == 0 and linked(out)
    assert ask(*command, 6).status == 0 and overlay_of(out) != made and linked(out)
    made = overlay_of(out)
    shutil.copy(street / "testing" / "videos" / "02.mp4", cam)
    assert ask(*command, 6, "--no-overlay").status == 0 and not linked(out), "it shows the file that was there before"
    assert ask(*command, 6).status == 0 and overlay_of(out) != made and linked(out)


def test_an_overlay_of_another_rule_is_not_linked(run: Path, cam: Path, tmp_path: Path) -> None:
    """Bundle, threshold and number of events are the same; the curve is another one."""
    plain, out = oddframe.load_run(run), tmp_path / "out"
    calm = plain.with_rule(replace(plain.rule, smoothing=Smoothing(kind="causal", taps=25, sigma=8.0)))
    high = plain.calibration(threshold=1000.0)
    plain.score(cam, out, calibration=high)
    assert linked(out)
    calm.score(cam, out, calibration=high, outputs=oddframe.OutputOptions(overlay=False))
    assert not linked(out)


def test_an_overlay_that_was_stopped_does_not_pass_for_the_one_before(
    run: Path, cam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import oddframe.workflow.outputs as outputs

    loaded, out = oddframe.load_run(run), tmp_path / "out"
    low, high = (loaded.calibration(threshold=value) for value in (5.0, 6.0))
    loaded.score(cam, out, calibration=low)

    def stop(path: Path, text: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(outputs, "write_text", stop)
        with pytest.raises(KeyboardInterrupt):
            loaded.score(cam, out, calibration=high)
    loaded.score(cam, out, calibration=low, outputs=oddframe.OutputOptions(overlay=False))
    assert not linked(out), "the file shows the threshold 6"


@pytest.mark.slow
def test_stored_scores_of_a_file_that_was_replaced_are_noted(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    test = Path(shutil.copytree(street / "testing", tmp_path / "testing"))
    data, out = f"folder:{test}", tmp_path / "out"
    assert ask("evaluate", run, "--data", data, "--out", out).status == 0
    plain = json.loads(ask("evaluate", out, "--data", data, "--json").out)
    assert not [note for note in plain["notes"] if "replaced" in note]
    path = test / "videos" / "01.mp4"
    path.write_bytes(path.read_bytes() + bytes(8))
    changed = json.loads(ask("evaluate", out, "--data", data, "--json").out)
    assert [note for note in changed["notes"] if note.endswith("changed or replaced, score again: 01")]
    assert ask("score", run, test / "videos", "--out", out, "--no-overlay").status == 0
    again = json.loads(ask("evaluate", out, "--data", data, "--json").out)
    assert not [note for note in again["notes"] if "replaced" in note], "scores and baselines are of the file of now"
    assert again["rows"] == plain["rows"], "the pictures are the same"


@pytest.mark.parametrize("disguise", ["renamed", "linked", "in a folder"])
def test_calibrate_refuses_what_the_detector_learned_from_under_any_name(
    run: Path, street: Path, tmp_path: Path, ask: Ask, disguise: str
) -> None:
    source, before = street / "training" / "videos" / "03.mp4", contents(run)
    other = tmp_path / "new" / "evening.mp4"
    other.parent.mkdir()
    os.symlink(source, other) if disguise == "linked" else shutil.copy(source, other)
    if disguise == "in a folder":
        shutil.copy(street / "testing" / "videos" / "01.mp4", other.parent)
    given = other if disguise != "in a folder" else other.parent
    for where in (("--in-place",), ("--out", tmp_path / "out")):
        answer = ask("calibrate", run, given, "--quantile", 0.9, *where)
        assert answer.status == 2 and answer.err.count("\n") == 1
        assert "evening: the detector in " in answer.err and "where it was called 03" in answer.err
    assert contents(run) == before and not (tmp_path / "out").exists()


def test_calibrate_takes_another_video_of_the_same_name(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    video = Path(shutil.copy(street / "testing" / "videos" / "01.mp4", tmp_path / "03.mp4"))
    answer = ask("calibrate", run, video, "--quantile", 0.9, "--in-place")
    assert answer.status == 0 and "cannot be checked" not in answer.out


def test_calibrate_writes_a_new_bundle_and_leaves_the_old_one(run: Path, cam: Path, tmp_path: Path, ask: Ask) -> None:
    before = contents(run)
    answer = ask("calibrate", run, cam, "--quantile", 0.9, "--out", tmp_path / "new")
    assert answer.status == 0 and str(tmp_path / "new") in answer.out and contents(run) == before
    old, new = oddframe.load_run(run), oddframe.load_run(tmp_path / "new")
    assert new.bundle.id == old.bundle.id and new.bundle.data == old.bundle.data
    assert new.calibration().quantile == 0.9 and old.calibration().quantile is None
    assert "the 0.9 quantile" in (tmp_path / "new" / "CARD.md").read_text()
    assert new.calibration(quantile=0.5).videos == 1, "its held-out scores are those of the new video"
    again = ask("calibrate", run, cam, "--quantile", 0.8, "--out", tmp_path / "new")
    assert again.status == 2 and "already exists" in again.err


def test_calibrate_asks_where_the_threshold_goes(run: Path, cam: Path, tmp_path: Path, ask: Ask) -> None:
    before = contents(run)
    for where in ((), ("--in-place", "--out", tmp_path / "new")):
        answer = ask("calibrate", run, cam, "--quantile", 0.9, *where)
        assert answer.status == 2 and "--out FOLDER for a new bundle, or --in-place" in answer.err
    assert contents(run) == before and not (tmp_path / "new").exists()


def test_a_threshold_that_cannot_be_had_changes_nothing(run: Path, cam: Path, tmp_path: Path, ask: Ask) -> None:
    before = contents(run)
    for where in (("--in-place",), ("--out", tmp_path / "new")):
        answer = ask("calibrate", run, cam, "--alarms-per-hour", 0.001, *where)
        assert answer.status == 2 and "cannot support" in answer.err
    assert contents(run) == before and not (tmp_path / "new").exists()


@pytest.mark.parametrize("broken", ["CARD.md", "calibration.json", "heldout.npz"])
def test_all_files_of_a_calibration_or_none(run: Path, cam: Path, broken: str) -> None:
    (run / broken).unlink()
    (run / broken).mkdir()
    (run / broken / "in the way").write_text("x")
    before = contents(run)
    with pytest.raises(OSError):
        oddframe.load_run(run).calibrate_on(cam, in_place=True, threshold=oddframe.ThresholdOptions(quantile=0.9))
    assert contents(run) == before and not list(run.glob(".*"))


def test_copies_of_one_video_calibrate_once(run: Path, cam: Path, tmp_path: Path) -> None:
    folder = tmp_path / "normal"
    folder.mkdir()
    for name in ("a", "b", "c"):
        shutil.copy(cam, folder / f"{name}.mp4")
    wish = oddframe.ThresholdOptions(quantile=0.9)
    calibrated, _ = oddframe.load_run(run).calibrate_on(folder, tmp_path / "new", threshold=wish)
    c = calibrated.calibration()
    assert (
        c.videos == 1 and c.seconds == pytest.approx(5, abs=0.2) and "copies of other videos count once: b, c" in c.note
    )


def test_a_bundle_without_keys_says_that_it_cannot_check(run: Path, street: Path, ask: Ask) -> None:
    meta = json.loads((run / "bundle.json").read_text())
    for video in meta["data"]["videos"]:
        del video["key"]
    (run / "bundle.json").write_text(json.dumps(meta))
    answer = ask("calibrate", run, street / "training" / "videos", "--quantile", 0.9, "--in-place")
    assert answer.status == 0 and "whether the detector learned from this video cannot be checked" in answer.out
    assert "cannot be checked" in (run / "CARD.md").read_text()


@pytest.mark.slow
def test_scores_of_video_that_was_learned_from_come_with_a_line(
    run: Path, street: Path, tmp_path: Path, ask: Ask
) -> None:
    video = Path(shutil.copy(street / "training" / "videos" / "02.mp4", tmp_path / "evening.mp4"))
    seen = ask("score", run, video, "--out", tmp_path / "out", "--no-overlay")
    assert seen.status == 0
    assert "its scores say little about new video: evening\n" in seen.out
    fresh = ask("score", run, street / "testing" / "videos", "--out", tmp_path / "out2", "--no-overlay")
    assert "learned from" not in fresh.out
    test = Path(shutil.copytree(street / "testing", tmp_path / "testing"))
    shutil.copy(video, test / "videos" / "01.mp4")
    evaluated = ask("evaluate", run, "--data", f"folder:{test}", "--protocol", "honest")
    assert evaluated.status == 0 and "note: the detector learned from this video" in evaluated.out


def test_copies_among_the_training_videos_are_noted(street: Path, trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "normal"
    folder.mkdir()
    for name, number in (("a", 1), ("b", 2), ("c", 1)):
        shutil.copy(street / "training" / "videos" / f"0{number}.mp4", folder / f"{name}.mp4")
    training = oddframe.TrainingOptions(workers=1, progress=False)
    recipe = str(trained.parent / "plain.yaml")
    (note,) = oddframe.fit(folder, recipe=recipe, out=tmp_path / "twice", training=training).bundle.data.notes
    assert note.startswith("c has the same content as a: ")


def test_adapting_refuses_video_that_was_learned_from(run: Path, street: Path, tmp_path: Path) -> None:
    from oddframe.workflow.notes import refuse_learned

    data = oddframe.load_run(run).bundle.data
    key = data.videos[0].key
    with pytest.raises(
        InputError, match=r"^gate: the detector in here learned from this video, where it was called 01"
    ):
        refuse_learned(Path("here"), data, {"fresh": "0" * 32, "gate": f"{key}@12.5"})
    refuse_learned(Path("here"), data, {"fresh": "0" * 32})


def test_the_card_of_an_exported_detector_states_the_new_threshold(run: Path) -> None:
    from oddframe.workflow.card import card_text, with_threshold

    loaded = oddframe.load_run(run)
    old, new = loaded.calibration(quantile=0.5), loaded.calibration(quantile=0.9)
    bundle = loaded.bundle.original()
    assert with_threshold(card_text(bundle, old), new) == card_text(bundle, new) != card_text(bundle, old)
