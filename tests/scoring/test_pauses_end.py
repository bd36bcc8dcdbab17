"""Windows, map filter, smoothing and events end at a pause and begin anew after it, in a file and in a stream alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddframe.datasets.clips import ClipSet
from oddframe.datasets.windows import Chunk
from oddframe.errors import VideoError
from oddframe.runtime.runtime import Runtime
from oddframe.scoring.combine import ScoreRule, ScoreStream
from oddframe.scoring.events import EventFinder, SpanFinder, find_events
from oddframe.scoring.smooth import smooth
from oddframe.scoring.stream import ComponentStream, ScoreAssembler, collect, score_frames
from oddframe.settings import Smoothing
from oddframe.types import ChunkErrors, Combination, FrameScores, Signature, VideoInfo, Window
from oddframe.video.decode import Frame
from oddframe.video.rate import tracks

INFO = VideoInfo("cam", "cam.mp4", 64, 48, 25.0)
BACK, AHEAD, BOTH = (-4, -3, -2, -1), (0, 1, 2), (-3, 0, 3)
Missing = Literal["current", "nearest", "drop"]


def clip(*lengths: int, pause: float = 3600.0) -> list[Frame]:
    """Stretches of so many frames at 25 frames/s with pauses between; every frame shows its number."""
    frames: list[Frame] = []
    start = 0.0
    for length in lengths:
        for n in range(length):
            number = len(frames)
            frames.append(Frame(number, start + n / 25, np.full((2, 4, 1), number, np.uint8)))
        start = frames[-1].time + pause
    return frames


class Span(Runtime):
    """The lowest and the highest frame number of every window, and a map that shows the scored frame's number."""

    name, precision = "torch", "fp32"

    def __init__(self, window: Window) -> None:
        self.signature = Signature(
            window, {"low": "", "high": ""}, Combination({"high": 1.0}), map_grid=(1, 2), map_filter=(5, 1, 1)
        )
        self.begun: list[int] = []

    def begin_video(self) -> None:
        self.begun.append(0)

    def score(self, chunk: Chunk) -> ChunkErrors:
        numbers = chunk.frames[:, 0, 0, 0].astype(np.float64)
        seen = np.concatenate([numbers[chunk.inputs], numbers[chunk.targets]], axis=1)
        maps = np.repeat(chunk.index.astype(np.float32), 8).reshape(-1, 2, 4)
        return ChunkErrors({"low": seen.min(1), "high": seen.max(1)}, maps)


def window(offsets: tuple[int, ...], missing: Missing = "current") -> Window:
    return Window(offsets, (2, 4), colour="gray", missing=missing)


@pytest.mark.parametrize("batch", [1, 3, 64])
@pytest.mark.parametrize("offsets", [BACK, AHEAD, BOTH])
@pytest.mark.parametrize("missing", ["current", "nearest", "drop"])
def test_no_window_and_no_map_filter_reaches_across_a_pause(
    offsets: tuple[int, ...], missing: Missing, batch: int
) -> None:
    lengths = (20, 9, 30)
    runtime = Span(window(offsets, missing))
    found = collect(score_frames(runtime, clip(*lengths), batch, threads=False))
    ends = np.cumsum((0, *lengths))
    for number, low, high, strongest in zip(found.index, *found.components.values(), strict=True):
        first = ends[np.searchsorted(ends, number, side="right") - 1]
        last = ends[np.searchsorted(ends, number, side="right")] - 1
        assert first <= low <= number <= max(high, number) <= last
        assert first <= strongest <= last
    assert len(runtime.begun) == 3


def test_a_pause_scores_as_two_videos_would() -> None:
    runtime = Span(window(BOTH))
    whole = collect(score_frames(runtime, clip(23, 17), 4))
    parts = [clip(23, 17)[:23], clip(23, 17)[23:]]
    apart = [collect(score_frames(runtime, part, 4)) for part in parts]
    for name, values in whole.components.items():
        assert values.tobytes() == np.concatenate([part.components[name] for part in apart]).tobytes()


def test_a_stretch_that_is_shorter_than_a_window_has_no_score() -> None:
    found = collect(score_frames(Span(window(BACK, "drop")), clip(12, 3, 2, 8)))
    assert found.index.tolist() == [*range(4, 12), *range(21, 25)]
    with pytest.raises(VideoError, match="15 frames, but no more than 4 without a pause; scoring needs at least 5"):
        collect(score_frames(Span(window(BACK, "drop")), clip(3, 4, 4, 4)))


def test_training_windows_do_not_reach_across_a_pause() -> None:
    frames = clip(10, 4, 7)

    class Stored:
        def __init__(self) -> None:
            self.frames = np.stack([frame.image for frame in frames])

    time = np.array([frame.time for frame in frames])
    for missing in ("current", "drop"):
        clips = ClipSet([Stored()], window(BOTH, missing), tracks=[tracks(time, None)])  # type: ignore[arg-type]
        samples = np.arange(len(clips))
        shown = clips.batch(samples, samples, 0).frames[..., 0, 0, 0].astype(int)
        scored = clips.locate(samples)[1]
        part = np.searchsorted([10, 14], scored, side="right")
        assert (np.searchsorted([10, 14], shown, side="right") == part[:, None]).all()
        assert len(clips) == (21 if missing == "current" else 4 + 0 + 1) and len(clips.groups) == 1


SMOOTHINGS = [
    Smoothing("none"), Smoothing("causal", 9, 3.0), Smoothing("centred", 9, 3.0), Smoothing("code", 9, 3.0),
    Smoothing("held", 9, 3.0), Smoothing("causal", 18, 6.0, rate=50.0),
]  # fmt: skip


@pytest.mark.parametrize("how", SMOOTHINGS, ids=lambda how: f"{how.kind}-{how.rate}")
def test_smoothing_restarts_after_a_pause(how: Smoothing) -> None:
    time = np.array([frame.time for frame in clip(40, 6, 30)])
    score = np.random.default_rng(0).normal(size=76)
    edges = [0, 40, 46, 76]
    wanted = np.concatenate([smooth(score[a:b], how.at(25.0)) for a, b in pairwise(edges)])
    assert smooth(score, how, time).tobytes() == wanted.tobytes()
    assert smooth(score[:40], how, time[:40]).tobytes() == smooth(score[:40], how.at(25.0)).tobytes()


def test_an_event_does_not_last_across_a_pause() -> None:
    time = np.array([frame.time for frame in clip(20, 20, pause=1.5)])
    score = np.zeros(40)
    score[15:25] = 1.0
    info = VideoInfo("v", "v", 64, 48, 25.0)
    found = find_events(FrameScores("v", np.arange(40), time, {}, score, info), 0.5, 0.2, merge_s=5.0)
    assert [(event.start_frame, event.end_frame) for event in found] == [(15, 19), (20, 24)]


def test_an_open_event_is_closed_by_the_first_frame_after_the_pause() -> None:
    finder = SpanFinder(0.5, 0.2, merge_s=10.0)
    assert finder.push(np.arange(3), np.array([0.0, 0.04, 0.08]), np.ones(3)) == []
    (ended,) = finder.push(np.array([3]), np.array([900.0]), np.ones(1))
    assert ended.last.frame == 2 and finder.current is not None and finder.current.first.frame == 3


@given(
    st.lists(st.integers(1, 25), min_size=1, max_size=5), st.integers(0, 1000), st.sampled_from([BACK, AHEAD, BOTH]),
    st.sampled_from(SMOOTHINGS), st.sampled_from([1.2, 40.0, 9000.0]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_stream_with_pauses_gives_the_bits_of_its_file(
    lengths: Sequence[int], seed: int, offsets: tuple[int, ...], how: Smoothing, pause: float
) -> None:
    rng = np.random.default_rng(seed)
    frames = clip(*lengths, pause=pause)
    frames = [Frame(f.index, f.time, rng.integers(0, 255, f.image.shape, dtype=np.uint8)) for f in frames]
    rule, runtime = ScoreRule(Combination({"high": 1.0, "map_max": 0.5}), how), Span(window(offsets))
    raw = collect(score_frames(runtime, frames, 64, threads=False))
    score = rule(raw.components, raw.time) if len(frames) > 1 else smooth(rule(raw.components), Smoothing("none"))
    whole = FrameScores("cam", raw.index, raw.time, dict(raw.components), score, INFO)
    high, low = float(np.quantile(score, 0.8)), float(np.quantile(score, 0.5))
    wanted = [(e.start_frame, e.peak_frame, e.end_frame) for e in find_events(whole, high, low, 2.0)]

    batch = int(rng.integers(1, 9))
    stream, assembler, finder = ComponentStream(runtime, batch), ScoreAssembler(rule, INFO), EventFinder(high, low, 2.0)
    got, changes = [], []
    for frame in [*frames, None]:
        for piece in stream.flush() if frame is None else stream.push(frame):
            got += assembler.push(piece)
    got += assembler.flush()
    for scores in got:
        changes += finder.push(scores)
    changes += finder.flush()
    for name in ("frame", "time", "score"):
        assert np.concatenate([getattr(one, name) for one in got]).tobytes() == getattr(whole, name).tobytes(), name
    closed = [change.event for change in changes if change.kind == "closed"]
    assert [(e.start_frame, e.peak_frame, e.end_frame) for e in closed] == wanted


def test_scores_that_wait_for_the_whole_video_keep_their_pauses() -> None:
    time = np.array([frame.time for frame in clip(12, 9)])
    values = {"a": np.random.default_rng(1).normal(size=21)}
    rule = ScoreRule(Combination({"a": 1.0}, scale="per_video_minmax"), Smoothing("causal", 5, 2.0))
    whole = rule(values, time)
    stream = ScoreStream(rule)
    cuts = [(0, 3), (3, 14), (14, 21)]
    done = [stream.push({"a": values["a"][a:b]}, time[a:b]) for a, b in cuts] + [stream.flush()]
    assert np.concatenate(done).tobytes() == whole.tobytes() and whole[12] != rule(values)[12]
