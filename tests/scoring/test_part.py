"""Parts of a video, scored apart and joined, give what the whole gives, bit for bit, whatever the detector is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from media import write_video

from oddframe.archive.cuts import WarmUp, cut, entered_earlier
from oddframe.errors import VideoError
from oddframe.models.registry import entry, names
from oddframe.runtime.fitted import FittedRuntime
from oddframe.runtime.runtime import Runtime
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.events import find_events
from oddframe.scoring.memory import digest
from oddframe.scoring.part import PartScores, VideoPart, join_parts, load_part, score_part, why_not_cut
from oddframe.scoring.scorer import ScoreStore, WindowScorer
from oddframe.scoring.sentinel_reference import ReferenceLearner, SentinelReference
from oddframe.settings import Smoothing
from oddframe.testing import fitted as fitted_contracts
from oddframe.testing import windows as window_contracts
from oddframe.testing.check import Case, cases
from oddframe.types import FrameScores
from oddframe.video.decode import VideoReader
from oddframe.video.identity import content_key
from oddframe.video.sources import VideoSource
from oddframe.video.timeline import VideoTimeline, read_timeline

CASES = [case for name in names() if entry(name).kind != "bags" for case in cases(entry(name))]
FIRST = {case.about.name: case for case in reversed(CASES)}
SMOOTHING = Smoothing("causal", 19, 5.6, rate=12.5)
FRAMES, PART_S, WARM_UP = 160, 4.0, WarmUp(3.0, 70)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> VideoSource:
    """16 s at 10 frames/s."""
    return VideoSource("long", write_video(tmp_path_factory.mktemp("parts") / "long.mp4", frames=FRAMES), "file")


def runtime_of(case: Case) -> Runtime:
    if case.about.kind == "fitted":
        return FittedRuntime(fitted_contracts.fitted(case), "torch", "fp32")
    return TorchRuntime(window_contracts.make(case), "cpu")


def scorer_of(case: Case, folder: Path | None = None, learned: float | None = None) -> WindowScorer:
    runtime = runtime_of(case)
    rule = ScoreRule(replace(runtime.signature.combination, scale="none"), SMOOTHING)
    return WindowScorer(runtime, rule, ScoreStore("detector", folder), learned=learned)


def timeline_of(source: VideoSource) -> VideoTimeline:
    found = read_timeline(source)
    assert found is not None
    return found


def in_parts(
    scorer: WindowScorer, source: VideoSource, parts: list[VideoPart], timeline: VideoTimeline
) -> tuple[FrameScores, list[VideoPart]]:
    """The joined scores, and the parts that had to be scored once more."""
    key, again = content_key(source), list[VideoPart]()

    def one(part: VideoPart) -> PartScores:
        maps: list[np.ndarray] = []
        found = score_part(scorer, source, key, part, timeline.time, maps)
        return replace(found, map=np.concatenate(maps) if maps else None)

    latest = dict(enumerate(parts))

    def longer(number: int) -> PartScores:
        latest[number] = entered_earlier(latest[number], timeline)
        again.append(latest[number])
        return one(latest[number])

    return join_parts(scorer, source, [one(part) for part in parts], longer), again


def assert_same(joined: FrameScores, whole: FrameScores) -> None:
    """All of it, and the events at thresholds with which there are some."""
    assert joined.info == whole.info and joined.info.account == whole.info.account
    assert joined.bundle == whole.bundle and joined.faults == whole.faults
    assert np.array_equal(joined.frame, whole.frame) and np.array_equal(joined.time, whole.time)
    assert joined.components.keys() == whole.components.keys()
    for name, values in whole.components.items():
        assert np.array_equal(joined.components[name], values), name
    assert np.array_equal(joined.score, whole.score)
    assert (joined.map is None) == (whole.map is None)
    if joined.map is not None and whole.map is not None:
        assert np.array_equal(joined.map, whole.map)
    high, low = (float(np.quantile(whole.score, share)) for share in (0.8, 0.6))
    events = find_events(whole, high, low, 0.3, 0.1)
    assert find_events(joined, high, low, 0.3, 0.1) == events and events


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=str(case), marks=[] if FIRST[case.about.name] is case else pytest.mark.slow)
        for case in CASES
    ],
)
def test_parts_of_every_detector_give_what_the_whole_gives(case: Case, video: VideoSource) -> None:
    scorer = scorer_of(case)
    if why_not_cut(scorer):
        assert getattr(scorer.runtime.detector, "remembers", False) or scorer.carries_over  # type: ignore[attr-defined]
        return
    timeline = timeline_of(video)
    parts = cut(timeline, PART_S, WARM_UP)
    assert [part.first for part in parts] == [0, 40, 80, 120] and parts[3].enter > 0
    whole = scorer.score(video)
    joined, _ = in_parts(scorer, video, parts, timeline)
    assert_same(joined, whole)


def test_a_warm_up_that_is_long_enough_is_not_repeated(video: VideoSource) -> None:
    scorer, timeline = scorer_of(FIRST["frame_difference"]), timeline_of(video)
    _, again = in_parts(scorer, video, cut(timeline, PART_S, WARM_UP), timeline)
    assert not again


@pytest.mark.slow
@pytest.mark.parametrize("name", ["frame_difference", "camera"])
def test_a_warm_up_that_is_too_short_is_found_and_made_longer(name: str, video: VideoSource) -> None:
    scorer, timeline = scorer_of(FIRST[name]), timeline_of(video)
    joined, again = in_parts(scorer, video, cut(timeline, PART_S, WarmUp(0.0, 0)), timeline)
    assert again and {part.number for part in again} == {1, 2, 3}
    assert_same(joined, scorer.score(video))


def test_a_part_that_saw_other_pictures_does_not_fit(video: VideoSource, tmp_path: Path) -> None:
    scorer, timeline = scorer_of(FIRST["frame_difference"]), timeline_of(video)
    other = VideoSource("long", write_video(tmp_path / "long.mp4", "plain", FRAMES), "file")
    (first, second, *_), key = cut(timeline, PART_S, WARM_UP), "key"
    assert (
        score_part(scorer, video, key, first, timeline.time).after
        == score_part(scorer, video, key, second, timeline.time).before
    )
    assert (
        score_part(scorer, video, key, first, timeline.time).after
        != score_part(scorer, other, key, second, timeline.time).before
    )


@pytest.mark.slow
@pytest.mark.parametrize("learned", [5.0, 3.3], ids=str)
def test_parts_pick_the_frames_that_the_whole_picks(learned: float, video: VideoSource) -> None:
    scorer, timeline = scorer_of(FIRST["frame_difference"], learned=learned), timeline_of(video)
    whole = scorer.score(video)
    assert len(whole.frame) < 0.6 * FRAMES
    joined, again = in_parts(scorer, video, cut(timeline, PART_S, WARM_UP), timeline)
    assert_same(joined, whole)
    assert not again


KINDS: dict[str, Callable[[Path], Path]] = {
    "ts": lambda folder: write_video(folder / "a.ts", frames=FRAMES),
    "mkv": lambda folder: write_video(folder / "a.mkv", frames=FRAMES),
    "open gop": lambda folder: write_video(folder / "a.mp4", "open gop", FRAMES),
    "mjpeg": lambda folder: write_video(folder / "a.mkv", "mjpeg", FRAMES),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_every_container_give_what_the_whole_gives(kind: str, tmp_path: Path) -> None:
    source = VideoSource("a", KINDS[kind](tmp_path), "file")
    scorer, timeline = scorer_of(FIRST["frame_difference"], tmp_path / "scores"), timeline_of(source)
    parts = cut(timeline, PART_S, WARM_UP)
    assert len(parts) > 2 and parts[-1].enter > 0
    whole = WindowScorer(scorer.runtime, scorer.rule, ScoreStore("detector")).score(source)
    joined, again = in_parts(scorer, source, parts, timeline)
    assert not again
    assert_same(joined, whole)


def test_the_timeline_is_what_decoding_gives(video: VideoSource) -> None:
    with VideoReader(video) as reader:
        assert np.array_equal(timeline_of(video).time, [frame.time for frame in reader])


def test_a_damaged_video_and_a_frame_folder_have_no_timeline(video: VideoSource, tmp_path: Path) -> None:
    cut_off = tmp_path / "cut.ts"
    cut_off.write_bytes(write_video(tmp_path / "whole.ts").read_bytes()[:-3000] + b"\0" * 3000)
    assert read_timeline(VideoSource("a", tmp_path, "frames")) == "it is a folder of images"
    assert read_timeline(VideoSource("a", tmp_path / "none.mp4", "file")) == "it cannot be read to its end"


@pytest.mark.slow
def test_faults_of_the_camera_are_those_of_the_whole(tmp_path: Path) -> None:
    """The picture stands still in the middle, over the end of a part."""
    source = VideoSource("a", write_still(tmp_path / "a.mp4"), "file")
    scorer, timeline = scorer_of(FIRST["frame_difference"]), timeline_of(source)
    scorer.sentinel = reference_of(source)
    whole = scorer.score(source)
    assert whole.faults, "nothing was found, so this test shows nothing"
    joined, again = in_parts(scorer, source, cut(timeline, 20.0, WarmUp(12.0, 60)), timeline)
    assert_same(joined, whole)
    assert again, "the fault lasts over an end, so that a warm-up of 12 s cannot know when it began"


def write_still(path: Path) -> Path:
    """Eighty seconds of noise at 5 frames/s, of which 30 to 60 s are black."""
    import av
    from media import X264, picture

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5, options={**X264, "preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(400):
            image = picture(number % 40)
            image = image * 0 if 150 <= number < 300 else image
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
    return path


def reference_of(source: VideoSource) -> SentinelReference:
    """What the first 30 s show."""
    learner = ReferenceLearner("bgr")
    learner.begin("a")
    with VideoReader(source) as reader:
        for frame in reader:
            if frame.time >= 29:
                break
            learner.see(frame.time, frame.image)
    return learner.learned()


def test_a_part_survives_its_file(video: VideoSource, tmp_path: Path) -> None:
    scorer, timeline = scorer_of(FIRST["sdmae"]), timeline_of(video)
    part, maps = cut(timeline, PART_S, WARM_UP)[1], list[np.ndarray]()
    found = score_part(scorer, video, "key", part, timeline.time, maps)
    replace(found, map=np.concatenate(maps)).save(tmp_path / "part.npz")
    read = load_part(tmp_path / "part.npz")
    assert read.part == part and (read.before, read.after) == (found.before, found.after)
    assert read.info == found.info and read.account == found.account
    assert read.map is not None and np.array_equal(read.map, np.concatenate(maps))
    for name, values in found.piece.components.items():
        assert np.array_equal(read.piece.components[name], values)


def test_a_video_that_became_shorter_is_told(video: VideoSource, tmp_path: Path) -> None:
    scorer, timeline = scorer_of(FIRST["frame_difference"]), timeline_of(video)
    shorter = VideoSource("a", write_video(tmp_path / "a.mp4", frames=60), "file")
    with pytest.raises(VideoError, match="plan again"):
        score_part(scorer, shorter, "key", cut(timeline, PART_S, WARM_UP)[1], timeline.time)


def test_parts_begin_at_key_frames_and_a_short_rest_stays_with_its_part() -> None:
    timeline = VideoTimeline(np.arange(0, 100, 0.1), np.arange(0, 1000, 25))
    parts = cut(timeline, 30.0, WarmUp(5.0, 40))
    assert [part.first for part in parts] == [0, 300, 600] and [part.stop for part in parts] == [300, 600, None]
    assert all(part.first % 25 == 0 for part in parts)
    assert [part.enter for part in parts] == [0, 250, 550]
    assert len(cut(timeline, 70.0, WarmUp(5.0, 40))) == 1
    assert entered_earlier(parts[1], timeline).enter == 0
    assert 0 < entered_earlier(replace(parts[2], enter=595, enter_s=59.5), timeline).enter < 560


def test_digests_tell_values_apart() -> None:
    values = [
        None,
        0,
        0.0,
        -0.0,
        False,
        "",
        (),
        [1],
        [1.0],
        np.zeros(2),
        np.zeros(2, np.float32),
        np.zeros((2, 1)),
        {"a": 1},
    ]
    assert len({digest(value) for value in values}) == len(values)
    assert digest([1, (2, 3)]) == digest((1, [2, 3]))
    with pytest.raises(TypeError, match="no digest"):
        digest(object())
