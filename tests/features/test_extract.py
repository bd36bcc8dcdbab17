"""Snippets, their frames and their crops, from pixels that tell where they come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.errors import InputError, VideoError
from oddframe.features.extract import Seconds, cut, extract, resized, stored_bytes
from oddframe.features.extractor import Extractor, Preprocessing, pooled
from oddframe.features.snippets import SnippetSampling
from oddframe.types import VideoInfo
from oddframe.video.search import find_videos
from oddframe.video.sources import ArrayVideo, VideoSource

MakeVideo = Callable[..., VideoSource]


class Changing(Extractor):
    """The top left pixel of every frame, mean and change."""

    name, dim, kind = "changing", 3, "frames"
    preprocessing = Preprocessing(16, (16, 16))

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return pooled(frames[:, :, 0, 0].astype(np.float32), self.channels)

    def to(self, device: str) -> None: ...

    def weights_hash(self) -> str:
        return "0" * 12

    def save(self, folder: Path) -> None:
        raise NotImplementedError


class Corner(Extractor):
    """The top left pixel of every view, averaged over its frames; remembers how many frames it saw at a time."""

    name, dim = "corner", 3

    def __init__(self, kind: Literal["frames", "clips"] = "frames", preprocessing: Preprocessing | None = None) -> None:
        self.kind = kind
        self.preprocessing = preprocessing or Preprocessing(16, (16, 16))
        self.seen: list[tuple[int, ...]] = []

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert frames.dtype == np.uint8
        self.seen.append(frames.shape)
        return frames[:, :, 0, 0].mean(1, dtype=np.float32)

    def to(self, device: str) -> None:
        assert device == "cpu"

    def weights_hash(self) -> str:
        return "0" * 12

    def save(self, folder: Path) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    "frames, rows",
    [
        (1, [0.0]),
        (16, [7.5]),
        (17, [7.5, 16.0]),
        (20, [7.5, (16 + 17 + 18 + 13 * 19) / 16]),
        (32, [7.5, 23.5]),
    ],
)
def test_every_frame_is_in_a_snippet_and_the_last_one_is_filled_up(
    make_video: MakeVideo, frames: int, rows: list[float]
) -> None:
    made = extract(make_video(frames), Corner("clips"), SnippetSampling(16))
    assert made.features.dtype == np.float32 and made.features.shape == (len(rows), 3)
    assert np.allclose(made.features, np.array(rows)[:, None])
    assert made.frames == frames and made.kind == "snippets" and made.video == "v"
    assert made.time is not None and np.allclose(made.time, np.arange(frames) / 25)  # as frame folders are timed
    assert made.info is not None and made.info.frames == frames and (made.info.height, made.info.width) == (16, 20)


@pytest.mark.parametrize(
    "frames, change",
    [
        (32, [4, 4]),
        (26, [4, 10 / 3]),  # frames 2, 6, 9, 9 of the last snippet: 4 and 3, and a copy that is not counted
        (23, [4, 4]),  # 2, 6, 6, 6
        (18, [4, 4]),  # 1, 1, 1, 1: as the snippet before
        (2, [0]),
    ],
)
def test_copies_that_fill_up_a_snippet_are_no_change(make_video: MakeVideo, frames: int, change: list[float]) -> None:
    extractor = Changing()
    extractor.give("mean+change")
    made = extract(make_video(frames), extractor, SnippetSampling())
    wanted = [(4 + 3) / 2 if frames == 26 and n else value for n, value in enumerate(change)]
    np.testing.assert_allclose(made.features[:, 3:], np.array(wanted)[:, None].repeat(3, 1), rtol=1e-6)
    plain = extract(make_video(frames, "videos/w"), Changing(), SnippetSampling())
    assert np.array_equal(made.features[:, :3], plain.features), "the mean is that of an extractor without change"


def test_what_baselines_know_is_measured_along_the_way(make_video: MakeVideo, tmp_path: Path) -> None:
    made = extract(make_video(19), Corner(), SnippetSampling())
    assert made.pixel_change == pytest.approx(1.0), "every picture is one level lighter than the one before"
    assert made.bytes == sum(path.stat().st_size for path in (tmp_path / "videos/v").iterdir())
    assert extract(make_video(1, "videos/w"), Corner(), SnippetSampling()).pixel_change == 0
    assert stored_bytes(ArrayVideo(np.zeros((2, 8, 8), np.uint8), 5.0)) is None


def test_channels_that_compare_frames_need_two() -> None:
    extractor = Changing()
    extractor.give("mean+change")
    with pytest.raises(InputError, match="compare neighbouring frames of a snippet; frames per snippet is 1"):
        SnippetSampling.of(extractor, 1)
    assert SnippetSampling.of(extractor, 2).frames_per_snippet == 2


def test_an_image_network_sees_evenly_spaced_frames(make_video: MakeVideo) -> None:
    assert SnippetSampling().positions == (2, 6, 10, 14)
    assert (
        SnippetSampling(1).positions == (8,)
        and SnippetSampling(16).positions == tuple(range(16))
        and SnippetSampling(3).positions == (2, 8, 13)
    )
    corner = Corner()
    made = extract(make_video(19), corner, SnippetSampling())
    assert np.allclose(made.features[:, 0], [8, 18])  # of 16, 17, 18: positions 2, 6, 10, 14 all give frame 18
    assert corner.seen == [(2, 4, 16, 16, 3)]


def test_sampling_suits_the_kind_of_network() -> None:
    assert SnippetSampling.of(Corner("frames")) == SnippetSampling(4) and SnippetSampling.of(
        Corner("clips"), crops=10
    ) == SnippetSampling(16, 10)
    assert SnippetSampling.of(Corner("clips"), 16) == SnippetSampling(16)
    with pytest.raises(InputError, match="looks at clips: it takes all 16 frames"):
        SnippetSampling.of(Corner("clips"), 4)
    with pytest.raises(InputError, match="frames per snippet is 17"):
        SnippetSampling.of(Corner(), 17)
    with pytest.raises(InputError, match="crops is 5"):
        SnippetSampling.of(Corner(), 4, 5)
    with pytest.raises(ValueError, match=r"Sampling\.of"):
        extract(VideoSource("v", Path("nowhere"), "file"), Corner("clips"), SnippetSampling())


def test_crops_are_where_the_field_cuts_them() -> None:
    rows, columns = np.mgrid[:256, :340]
    frame = np.stack([rows % 256, columns % 256, columns // 256], -1).astype(np.uint8)
    (centre,) = cut(frame[None], (224, 224), 1)
    assert np.array_equal(centre[0], frame[16:240, 58:282])  # as the extractors of UR-DMU have it
    ten = cut(frame[None], (224, 224), 10)
    assert ten.shape == (10, 1, 224, 224, 3)
    assert [tuple(view[0, 0, 0, :2]) for view in ten[:5]] == [(0, 0), (0, 116), (32, 0), (32, 116), (16, 58)]
    assert np.array_equal(ten[5:], ten[:5, :, :, ::-1])


def test_ten_crops_are_averaged(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "v" / "0.png"), picture)
    made = extract(
        find_videos(tmp_path / "v")[0], Corner(preprocessing=Preprocessing(20, (16, 16))), SnippetSampling(1, 10)
    )
    rgb = picture[:, :, ::-1].astype(float)
    corners = [(0, 0), (0, 8), (4, 0), (4, 8), (2, 4)]
    pixels = [rgb[top, left] for top, left in corners] + [rgb[top, left + 15] for top, left in corners]
    assert np.allclose(made.features[0], np.mean(pixels, 0))


@pytest.mark.parametrize("crops", [1, 10])
def test_batches_do_not_change_features_and_are_bounded(make_video: MakeVideo, crops: int) -> None:
    source = make_video(100)
    whole = extract(source, Corner("clips"), SnippetSampling(16, crops), batch=1000)
    corner = Corner("clips")
    apart = extract(source, corner, SnippetSampling(16, crops), batch=3)
    assert np.array_equal(whole.features, apart.features)
    assert [shape[0] for shape in corner.seen] == ([3, 3, 1] if crops == 1 else [10] * 7)


@pytest.mark.parametrize(
    "size, resize, decoded",
    [
        ((240, 320), 256, (256, 341)),
        ((320, 240), 256, (341, 256)),
        ((240, 320), (224, 224), (224, 224)),
        ((333, 500), 224, (224, 336)),
    ],
)
def test_frames_keep_their_proportions(
    size: tuple[int, int], resize: int | tuple[int, int], decoded: tuple[int, int]
) -> None:
    info = VideoInfo("v", "v.mp4", width=size[1], height=size[0], fps=25)
    assert resized(info, Preprocessing(resize, (224, 224))) == decoded


def test_a_crop_larger_than_the_frames_is_an_error_of_the_video() -> None:
    info = VideoInfo("v", "v.mp4", width=320, height=240, fps=25)
    with pytest.raises(VideoError, match=r"v\.mp4: frames resized to 100 x 133 are smaller than the crop, 112 x 112"):
        resized(info, Preprocessing(100, (112, 112)))


def test_nan_is_not_kept(make_video: MakeVideo) -> None:
    class Broken(Corner):
        def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super().embed(frames) * np.float32("nan")

    with pytest.raises(VideoError, match="corner gives NaN or infinity"):
        extract(make_video(3), Broken(), SnippetSampling())


def test_a_failing_network_ends_the_extraction(make_video: MakeVideo) -> None:
    class Failing(Corner):
        def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
            raise RuntimeError("no more memory")

    with pytest.raises(RuntimeError, match="no more memory"):
        extract(make_video(100), Failing(), SnippetSampling(), batch=1)


def test_progress_and_where_the_time_went(make_video: MakeVideo) -> None:
    done: list[int] = []
    seconds = Seconds()
    source = make_video(40)
    extract(source, Corner(), SnippetSampling(), batch=1, progress=done.append, seconds=seconds)
    assert done == [16, 16, 8]
    assert min(vars(seconds).values()) > 0 and seconds.network + seconds.waiting < seconds.total
    once = seconds.total
    extract(source, Corner(), SnippetSampling(), seconds=seconds)
    assert seconds.total > once
