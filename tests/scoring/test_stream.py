"""Streaming scores: the same whatever the batch, in order, bounded, and post-processed to the last frame."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oddframe.datasets.prefetch import prefetch
from oddframe.datasets.windows import Chunk
from oddframe.errors import InputError, VideoError
from oddframe.models.frame_difference import FrameDifference
from oddframe.models.sdmae import SDMAE
from oddframe.runtime.runtime import Runtime
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.events import EventFinder, find_events
from oddframe.scoring.stream import ComponentStream, Piece, ScoreAssembler, collect, score_frames
from oddframe.settings import Smoothing
from oddframe.types import ChunkErrors, Combination, FrameScores, Signature, VideoInfo, Window
from oddframe.video.decode import Frame

TINY = {"patch": 4, "size": (16, 32), "encoder_width": 16, "decoder_width": 16, "heads": 2}


def video(length: int, size: tuple[int, int] = (16, 32)) -> list[Frame]:
    images = np.random.default_rng(0).integers(0, 256, (length, *size, 3), dtype=np.uint8)
    return [Frame(i, i * 0.04 + 0.001 * (i % 3), image) for i, image in enumerate(images)]


def sdmae(**options: object) -> TorchRuntime:
    torch.manual_seed(0)
    return TorchRuntime(SDMAE.from_preset("paper", **{**TINY, **options}), "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 3, 5, 40])
def test_scores_do_not_depend_on_the_batch(length: int) -> None:
    runtime, frames = sdmae(), video(length)
    maps: list[np.ndarray] = []
    wanted = collect(score_frames(runtime, frames, 1), maps)
    assert wanted.index.tolist() == list(range(length)) and np.concatenate(maps).shape == (length, 4, 8)
    assert list(wanted.components) == ["teacher", "student", "class", "map_max"]
    for batch in (2, 7, 64):
        got_maps: list[np.ndarray] = []
        got = collect(score_frames(runtime, frames, batch), got_maps)
        assert np.array_equal(got.index, wanted.index) and np.array_equal(got.time, wanted.time)
        for name, values in wanted.components.items():
            # In units of the component: an absolute tolerance would let a small one be anything.
            np.testing.assert_allclose(got.components[name], values, rtol=1e-4, atol=1e-6 * np.abs(values).max())
        np.testing.assert_allclose(
            np.concatenate(got_maps).astype(float), np.concatenate(maps).astype(float), rtol=5e-3, atol=1e-3
        )


def test_map_max_is_the_maximum_of_the_filtered_maps() -> None:
    runtime, frames = sdmae(map_filter=None), video(12)
    plain = collect(score_frames(runtime, frames, 4)).components["map_max"]
    filtered = collect(score_frames(sdmae(map_filter=(9, 1, 1)), frames, 4)).components["map_max"]
    assert filtered.max() <= plain.max() and filtered.std() < plain.std()


def test_presets_without_a_map_keep_their_components() -> None:
    torch.manual_seed(0)
    runtime = TorchRuntime(SDMAE.from_preset("code", **TINY), "cpu")
    maps: list[np.ndarray] = []
    assert list(collect(score_frames(runtime, video(9), 4), maps).components) == ["teacher", "student"] and not maps


def test_frame_difference_is_what_it_says() -> None:
    frames = video(6)
    got = collect(score_frames(TorchRuntime(FrameDifference((16, 32)), "cpu"), frames)).components["difference"]
    images = [frame.image.astype(float) for frame in frames]
    wanted = [np.abs(images[max(t - 1, 0) if t else 0] - images[t + 1 if t < 5 else t]).mean() for t in range(6)]
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_a_rule_weights_then_smooths() -> None:
    rule = ScoreRule(Combination({"a": 2.0, "b": -1.0}), Smoothing("none"))
    assert rule({"a": np.array([1.0, 2]), "b": np.array([1.0, 1]), "c": np.array([9.0, 9])}).tolist() == [1, 3]


def test_an_empty_video_is_an_error() -> None:
    with pytest.raises(VideoError, match="no frame"):
        collect(score_frames(sdmae(), []))


def test_prefetch_keeps_order_bounds_and_errors() -> None:
    made: list[int] = []
    closed = threading.Event()

    def numbers() -> Iterator[int]:
        try:
            for i in range(100):
                made.append(i)
                yield i
        finally:
            closed.set()

    ahead = prefetch(numbers(), depth=2)
    assert [next(ahead) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert len(made) <= 5 + 2 + 1
    ahead.close()
    assert closed.wait(60) and len(made) < 100

    def broken() -> Iterator[int]:
        yield 1
        raise VideoError("damaged")

    seen = []
    with pytest.raises(VideoError, match="damaged"):
        for item in prefetch(broken()):
            seen.append(item)
    assert seen == [1]


# When a piece is handed out.


class Brightness(Runtime):
    """A network of a window (-3, 0, 3) whose map filter looks another two frames ahead: no torch, no time."""

    name, precision, batch = "onnx", "fp32", 4
    signature = Signature(
        Window((-3, 0, 3), (4, 8)),
        {"mean": "brightness"},
        Combination({"mean": 1.0, "map_max": 0.5}),
        (2, 4),
        (5, 1, 1),
    )

    def score(self, chunk: Chunk) -> ChunkErrors:
        images = chunk.frames[chunk.inputs].astype(np.float64).mean(axis=(1, 4))
        return ChunkErrors({"mean": images.mean(axis=(1, 2))}, images.astype(np.float32))


LOOK_AHEAD = 5
small = [Frame(i, i * 0.04, image) for i, image in enumerate(
    np.random.default_rng(1).integers(0, 256, (40, 4, 8, 3), dtype=np.uint8))]  # fmt: skip


def numbers(pieces: list[Piece]) -> list[int]:
    return [int(i) for piece in pieces for i in piece.index]


def test_a_frame_is_handed_out_right_after_its_look_ahead_was_pushed() -> None:
    stream = ComponentStream(Brightness())
    assert Brightness.signature.look_ahead == LOOK_AHEAD
    for number, frame in enumerate(small):
        assert numbers(stream.push(frame)) == ([number - LOOK_AHEAD] if number >= LOOK_AHEAD else [])
    assert numbers(stream.flush()) == [35, 36, 37, 38, 39]


@pytest.mark.parametrize("batch", [1, 4, 7])
def test_final_frames_are_yielded_before_the_next_frame_is_pulled(batch: int) -> None:
    log: list[tuple[str, int]] = []

    def pulled() -> Iterator[Frame]:
        for number, frame in enumerate(small):
            log.append(("pulled", number))
            yield frame

    for piece in score_frames(Brightness(), pulled(), batch, threads=False):
        log.extend(("yielded", int(number)) for number in piece.index)
    wanted, yielded = [], 0
    for number in range(len(small)):
        wanted.append(("pulled", number))
        scored = (number + 1 - 3) // batch * batch  # by whole chunks, three frames behind
        wanted += [("yielded", done) for done in range(yielded, scored - 2)]  # the filter is two frames behind
        yielded = max(yielded, scored - 2)
    wanted += [("yielded", done) for done in range(yielded, len(small))]
    assert log == wanted


@pytest.mark.parametrize("batch", [1, 4])
def test_with_threads_no_piece_waits_for_the_chunk_after_it(batch: int) -> None:
    arrived, waited = threading.Semaphore(0), list[bool]()

    def camera() -> Iterator[Frame]:
        """Goes on only when everything that may be final has arrived."""
        done = 0
        for number, frame in enumerate(small):
            yield frame
            final = max(0, (number + 1 - 3) // batch * batch - 2)
            waited.extend(arrived.acquire(timeout=60) for _ in range(final - done))
            done = max(done, final)

    for piece in score_frames(Brightness(), camera(), batch):
        arrived.release(len(piece.index))
    assert len(waited) >= 32 and all(waited)


def test_threads_change_no_bit() -> None:
    plain_maps, maps = list[NDArray[np.float16]](), list[NDArray[np.float16]]()
    plain = collect(score_frames(Brightness(), small, 3, threads=False), plain_maps)
    threaded = collect(score_frames(Brightness(), small, 3), maps)
    assert all(plain.components[name].tobytes() == values.tobytes() for name, values in threaded.components.items())
    assert np.concatenate(plain_maps).tobytes() == np.concatenate(maps).tobytes()


def test_leaving_a_video_half_way_closes_it() -> None:
    closed = threading.Event()

    def watched() -> Iterator[Frame]:
        try:
            yield from small
        finally:
            closed.set()

    pieces = score_frames(Brightness(), watched(), 1)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert closed.wait(60)


def test_what_the_network_raises_is_raised_here() -> None:
    class Broken(Brightness):
        def score(self, chunk: Chunk) -> ChunkErrors:
            if chunk.index[0] >= 8:
                raise VideoError("broken")
            return super().score(chunk)

    got: list[int] = []
    with pytest.raises(VideoError, match="broken"):
        for piece in score_frames(Broken(), small, 4):
            got += [int(number) for number in piece.index]
    assert got == list(range(6))


INFO = VideoInfo("cam", "cam.mp4", 64, 32, 25.0)


def assembled(pieces: list[Piece], rule: ScoreRule) -> list[FrameScores]:
    assembler = ScoreAssembler(rule, INFO, "abc")
    return [scores for piece in pieces for scores in assembler.push(piece)] + assembler.flush()


@pytest.mark.parametrize("scale", ["none", "per_video_minmax"])
@settings(deadline=None, max_examples=20)
@given(
    batches=st.tuples(st.integers(1, 9), st.integers(1, 50)),
    smoothing=st.sampled_from(
        [Smoothing("none"), Smoothing("causal", 6, 2.0), Smoothing("centred", 9, 2.0), Smoothing("held", 9, 2.0)]
    ),
)
def test_scores_and_events_do_not_depend_on_the_pieces(
    scale: str, batches: tuple[int, int], smoothing: Smoothing
) -> None:
    rule = ScoreRule(Combination({"mean": 1.0, "map_max": -0.5}, {}, scale), smoothing)  # type: ignore[arg-type]
    maps: list[np.ndarray] = []
    raw = collect(score_frames(Brightness(), small, 40, threads=False), maps)  # type: ignore[arg-type]
    score = rule(raw.components)
    whole = FrameScores("cam", raw.index, raw.time, dict(raw.components), score, INFO, "abc", np.concatenate(maps))
    high, low = (float(np.quantile(score, q)) for q in (0.8, 0.5))
    wanted = find_events(whole, high, low, 0.05, 0.04)
    for batch in batches:
        got = assembled(list(score_frames(Brightness(), small, batch, threads=False)), rule)
        for name in ("frame", "time", "score", "map"):
            joined = np.concatenate([getattr(scores, name) for scores in got])
            assert joined.tobytes() == getattr(whole, name).tobytes(), name
        for name, values in whole.components.items():
            assert np.concatenate([scores.components[name] for scores in got]).tobytes() == values.tobytes()
        finder = EventFinder(high, low, 0.05, 0.04)
        changes = [change for scores in got for change in finder.push(scores)] + finder.flush()
        assert [change.event for change in changes if change.kind == "closed"] == wanted
    assert wanted


def test_scores_are_final_frame_by_frame() -> None:
    rule = ScoreRule(Combination({"mean": 1.0}), Smoothing("centred", 9, 2.0))
    stream, assembler, done = ComponentStream(Brightness()), ScoreAssembler(rule, INFO), []
    for number, frame in enumerate(small):
        for piece in stream.push(frame):
            done += [int(i) for scores in assembler.push(piece) for i in scores.frame]
        assert done == list(range(max(0, number + 1 - LOOK_AHEAD - 4)))


def test_scores_that_are_no_numbers_are_refused() -> None:
    rule = ScoreRule(Combination({"a": 1.0}), Smoothing("none"))
    piece = Piece(np.array([4]), np.array([0.1]), {"a": np.array([np.nan])}, None)
    with pytest.raises(InputError, match="cam: these scores cannot be used: score is nan at frame 4"):
        ScoreAssembler(rule, INFO).push(piece)
