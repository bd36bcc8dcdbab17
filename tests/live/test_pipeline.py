"""A camera's scores and notices: when they come, what they say, and when nobody is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oddframe.errors import SpaceError, VideoError
from oddframe.live import pipeline as pipeline_module
from oddframe.live import scores as scores_module
from oddframe.live.messages import Arrived, Begun, Ended, Notice
from oddframe.live.names import safe_name
from oddframe.live.pipeline import CameraPipeline, Step
from oddframe.live.rules import CameraRules, Hours, Timetable
from oddframe.live.scores import ScoreThread, ScoreWriter, stamp
from oddframe.models.ignored import IgnoredPlace
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.files import load_scores
from oddframe.settings import Smoothing
from oddframe.types import ChunkErrors, Combination, FrameScores, Signature, VideoInfo, Window
from oddframe.video.decode import Frame

WINDOW = Window(offsets=(0,), size=(4, 4), colour="gray")
SIGNATURE = Signature(WINDOW, {"bright": "how bright it is"}, Combination({"bright": 1.0}), map_grid=(2, 2))
QUANTILES = {key: 0.0 for key in ("0.5", "0.9", "0.99", "0.999", "1.0")}
CALIBRATION = Calibration(100.0, 50.0, 0.25, 0.0, None, 0.9, 0, 60.0, 1, 40.0, QUANTILES, {"bright": (10.0, 5.0)})
RULES = CameraRules("gate", "b1", SIGNATURE, ScoreRule(SIGNATURE.combination, Smoothing("none")), CALIBRATION)
INFO = VideoInfo("gate", "rtsp://host/x", 200, 100, 10.0, key="live-1")
UTC = 1_764_560_000.0


def score(chunk: Any) -> ChunkErrors:
    """The brightness of a frame, strongest in the lower right."""
    bright = chunk.frames[chunk.inputs[:, 0]].mean((1, 2, 3))
    grid = np.zeros((len(bright), 2, 2), np.float32)
    grid[:, 1, 1] = bright
    return ChunkErrors({"bright": bright}, grid)


def arrived(number: int, bright: int) -> Arrived:
    image = np.full((4, 4, 1), bright, np.uint8)
    return Arrived(Frame(number, number / 10, image), UTC + number / 10 + 0.03, 0.0)


def play(
    pipeline: CameraPipeline, values: list[int], why: Any = "lost", info: VideoInfo = INFO, step: float = 0.1
) -> Step:
    """A stretch of frames of these brightnesses; all that comes of it."""
    chunks, done = pipeline.take(Begun(info, UTC))
    for number, bright in enumerate(values):
        chunks, said = pipeline.take(arrived(number, bright))
        done += said
        for chunk in chunks:
            done += pipeline.scored(chunk, score(chunk))
    chunks, said = pipeline.take(Ended(why, "it is gone", UTC + len(values) / 10 + 1, 7 if why == "dropped" else 0))
    done += said
    for chunk in chunks:
        done += pipeline.scored(chunk, score(chunk))
    return done + pipeline.finish()


def of(step: Step, kind: str = "anomaly") -> list[Notice]:
    return [notice for notice in step.notices if notice.kind == kind]


QUIET, LOUD = [10] * 12, [10] * 5 + [200] * 30 + [10] * 10


def test_an_event_is_told_in_its_three_steps() -> None:
    notices = of(play(CameraPipeline(RULES), LOUD, "end"))
    assert [one.change for one in notices] == ["opened", "updated", "updated", "closed"]
    first, last = notices[0], notices[-1]
    assert len({one.id for one in notices}) == 1 and (first.camera, first.bundle) == ("gate", "b1")
    assert first.start_s == pytest.approx(0.5) and first.start_utc == pytest.approx(UTC + 0.53, abs=1e-3)
    assert last.end_s == pytest.approx(3.4) and last.end_utc == pytest.approx(UTC + 3.43, abs=1e-3)
    assert (last.score, last.threshold, last.box) == (200.0, 100.0, (100, 50, 200, 100))
    assert last.why == {"bright": 38.0} and not last.held
    assert last.text == "unusual in how bright it is, 38.0 standard deviations above normal, in the lower right"


def test_an_event_that_lasts_to_the_end_is_closed_and_says_so() -> None:
    notices = of(play(CameraPipeline(RULES), [10] * 5 + [200] * 9, "stopped"))
    assert [one.change for one in notices] == ["opened", "closed"] and notices[-1].text.endswith("; stopped")


def test_nobody_is_told_of_what_lies_in_a_zone_or_outside_the_hours() -> None:
    place = IgnoredPlace("road", ((0.5, 0.5), (1.0, 0.5), (1.0, 1.0), (0.5, 1.0)))
    held = of(play(CameraPipeline(replace(RULES, zones=(place,))), LOUD))
    assert {one.held for one in held} == {"zone road"}
    elsewhere = replace(place, corners=((0.0, 0.0), (0.4, 0.0), (0.4, 0.4), (0.0, 0.4)))
    assert {one.held for one in of(play(CameraPipeline(replace(RULES, zones=(elsewhere,))), LOUD))} == {""}
    never = Timetable((Hours(frozenset()),))
    assert {one.held for one in of(play(CameraPipeline(replace(RULES, timetable=never)), LOUD))} == {
        "outside the schedule"
    }
    assert [one.start_s for one in held] == [one.start_s for one in of(play(CameraPipeline(RULES), LOUD))]


@pytest.mark.parametrize(("why", "words"), [("lost", "it is gone"), ("dropped", "it is gone; 7 frames were dropped")])
def test_a_gap_lasts_until_frames_come_again(why: str, words: str) -> None:
    pipeline = CameraPipeline(RULES)
    (gap,) = of(play(pipeline, QUIET, why), "gap")
    assert gap.change == "opened" and gap.text == f"nothing is seen: {words}"
    assert gap.start_utc == pytest.approx(UTC + 1.13, abs=1e-3) and list(pipeline.open) == [gap.id]
    _, step = pipeline.take(Begun(replace(INFO, key="live-2"), UTC + 21.13))
    (closed,) = step.notices
    assert (closed.id, closed.change) == (gap.id, "closed") and closed.text == "nothing was seen for 20.0 s"
    assert closed.end_s - closed.start_s == pytest.approx(20.0) and not pipeline.open


def test_a_gap_without_an_end_is_closed_when_watching_ends() -> None:
    pipeline = CameraPipeline(RULES)
    play(pipeline, QUIET)
    (closed,) = pipeline.close(UTC + 30).notices
    assert closed.change == "closed" and closed.text.endswith("; stopped") and not pipeline.close(UTC + 40).notices


def test_nothing_outlives_a_stretch() -> None:
    rules = replace(RULES, rule=ScoreRule(SIGNATURE.combination, Smoothing("causal", 9, 3.0)))
    twice = CameraPipeline(rules)
    first, second = (play(twice, LOUD, "dropped", replace(INFO, key=f"live-{number}")) for number in (1, 2))
    for one, other in zip(first.scores, second.scores, strict=True):
        assert one.score.tobytes() == other.score.tobytes()
    ids = [{one.id for one in of(step)} for step in (first, second)]
    assert not ids[0] & ids[1]


def test_a_camera_that_is_too_slow_for_its_detector_is_refused() -> None:
    pipeline = CameraPipeline(replace(RULES, learned=25.0))
    with pytest.raises(VideoError, match=r"rtsp://host/x: 10 frames/s, fewer than the 25 .* --any-rate"):
        play(pipeline, [10] * 40)


def test_a_camera_that_is_faster_is_looked_at_at_the_rate_of_the_detector() -> None:
    step = play(CameraPipeline(replace(RULES, learned=5.0)), [10] * 60)
    assert [int(number) for one in step.scores for number in one.frame] == list(range(0, 60, 2))


def test_a_stretch_too_short_for_a_window_has_no_scores() -> None:
    window = replace(WINDOW, offsets=(-4, -3, -2, -1), target=(0,), missing="drop")
    rules = replace(RULES, signature=replace(SIGNATURE, window=window))
    step = play(CameraPipeline(rules), [10] * 3)
    assert not step.scores and [one.kind for one in step.notices] == ["gap"]
    (note,) = step.notes
    assert "too short for a score" in note and "at least 5" in note


def test_a_short_video_that_is_too_slow_is_refused_but_a_short_stretch_is_only_noted() -> None:
    rules = replace(RULES, learned=25.0)
    with pytest.raises(VideoError, match="fewer than the 25"):
        play(CameraPipeline(rules), [10] * 9, "end")
    step = play(CameraPipeline(rules), [10] * 9)
    assert not step.scores and "fewer than the 25" in step.notes[0]


@pytest.fixture
def files() -> Iterator[ScoreThread]:
    made = ScoreThread()
    yield made
    assert made.close(10)


def written(writer: ScoreWriter, files: ScoreThread, why: Any = "lost", dropped: int = 0) -> list[FrameScores]:
    """A stretch through a writer; the files that it leaves."""
    writer.begin(Begun(INFO, UTC))
    for scores in play(CameraPipeline(RULES), LOUD).scores:
        writer.push(scores)
    writer.end(Ended(why, "it is gone", UTC + 9, dropped))
    done = threading.Event()
    files.submit(done.set)
    assert done.wait(10)
    return [load_scores(path) for path in writer.written]


def test_scores_are_files_with_all_there_is_to_know(tmp_path: Path, files: ScoreThread) -> None:
    said: list[str] = []
    (scores,) = written(ScoreWriter(tmp_path, "gate 1", said.append, files), files, "dropped", 12)
    folder, _, name = scores.video.partition("/")
    assert folder == safe_name("gate 1") and name == stamp(UTC) == "2025-12-01T03-33-20.000Z"
    assert (tmp_path / "scores" / f"{scores.video}.csv").is_file() and len(scores.frame) == len(LOUD)
    assert scores.map is not None and scores.map.shape == (len(LOUD), 2, 2) and scores.faults is None
    assert scores.info.key == "live-1" and scores.bundle == "b1" and not said
    began, ended = scores.info.notes
    assert "began at 2025-12-01T" in began and "the machine was too slow" in ended and "12 frames" in ended


def test_a_long_stretch_is_several_files(tmp_path: Path, files: ScoreThread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores_module, "LONGEST_S", 2.0)
    monkeypatch.setattr(scores_module, "MOST_PIECES", 3)
    parts = written(ScoreWriter(tmp_path, "gate", print, files), files)
    assert [len(part.frame) for part in parts] == [20, 20, 5]
    assert np.concatenate([part.frame for part in parts]).tolist() == list(range(len(LOUD)))
    assert [part.info.key for part in parts] == ["live-1", "live-1-2", "live-1-3"]
    assert "goes on in the next file" in parts[0].info.notes[1] and "part 2 of it" in parts[1].info.notes[0]
    assert parts[0].video < parts[1].video < parts[2].video


def test_a_full_disk_is_told_once_and_watching_goes_on(
    tmp_path: Path, files: ScoreThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    writer = ScoreWriter(tmp_path, "gate", said.append, files)

    def full(*_: object) -> Path:
        raise SpaceError("the disk is full; make room")

    with monkeypatch.context() as patch:
        patch.setattr(scores_module, "save_scores", full)
        assert not written(writer, files) and not written(writer, files)
    assert said == ["gate: scores are not kept: the disk is full; make room"]
    assert len(written(writer, files)) == 1
    with monkeypatch.context() as patch:
        patch.setattr(scores_module, "save_scores", full)
        written(writer, files)
    assert len(said) == 2, "it went well in between"


def test_when_a_frame_arrived_is_reckoned_where_it_is_no_longer_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_module, "STAMPS", 5)
    (*_, last) = of(play(CameraPipeline(RULES), [10] * 5 + [200] * 9 + [10] * 5, "end"))
    assert last.start_utc == pytest.approx(UTC + 0.53, abs=1e-3)
    held = ScoreRule(SIGNATURE.combination, Smoothing("centred", 21, 8.0))
    (first, *_) = of(play(CameraPipeline(replace(RULES, rule=held)), LOUD, "end"))
    assert first.start_utc == pytest.approx(UTC + first.start_s + 0.03, abs=1e-3)
