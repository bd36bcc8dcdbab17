"""Frames of more than 8 bits, of odd shapes and of odd pixels: what they become, and what is said about it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from oddframe.errors import VideoError
from oddframe.types import VideoInfo
from oddframe.video.cache import cache_key
from oddframe.video.decode import Frame, VideoReader, probe
from oddframe.video.geometry import Display
from oddframe.video.levels import learn_levels
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource, with_levels

GREY = np.full((24, 36), 90, np.uint8)


def folder(path: Path, pictures: list[NDArray[Any]], suffix: str = ".png") -> VideoSource:
    path.mkdir(parents=True, exist_ok=True)
    for n, picture in enumerate(pictures):
        assert cv2.imwrite(str(path / f"{n:03d}{suffix}"), picture)
    return VideoSource(path.name, path, "frames")


def read(source: VideoSource, **options: Any) -> tuple[list[Frame], VideoInfo]:
    with VideoReader(source, **options) as reader:
        frames = list(reader)
    return frames, reader.info


def thermal(count: int, hot: int = 700, base: int = 7100) -> list[NDArray[Any]]:
    """Frames of a thermal camera: noise of 60 counts, and a warm spot that moves."""
    frames = []
    for n in range(count):
        frame = base + np.random.default_rng(n).integers(0, 60, (24, 36))
        frame[5:12, n : n + 6] += hot
        frames.append(frame.astype(np.uint16))
    return frames


def grey_levels(frames: list[Frame]) -> NDArray[np.uint8]:
    return np.unique(np.stack([frame.image for frame in frames]))


def test_thermal_frames_without_levels_say_how_few_grey_levels_they_use(tmp_path: Path) -> None:
    frames, info = read(folder(tmp_path / "cam", thermal(8)))
    assert grey_levels(frames).tolist() == [27, 30] and info.depth == 16
    assert info.notes[0].startswith("16-bit frames use 2 of 256 grey levels (values 7100 to 7859 of 65535); a detector")


def test_levels_are_learned_without_dead_pixels_and_spread_what_they_span(tmp_path: Path) -> None:
    pictures = thermal(8)
    for picture in pictures:
        picture[20, 30], picture[2, 2] = 0, 65535
    source = folder(tmp_path / "cam", pictures)
    levels = learn_levels([source])
    assert levels is not None and 6800 < levels[0] < 7100 and 7860 < levels[1] < 8150
    frames, info = read(with_levels([source], levels)[0])
    values = grey_levels(frames)
    assert len(values) > 25 and not info.notes
    spot, ground = frames[0].image[8, 3].mean(), frames[0].image[18, 3].mean()
    assert spot - ground > 100


def test_levels_stay_the_same_for_all_video_and_a_video_outside_them_is_noted(tmp_path: Path) -> None:
    source = folder(tmp_path / "other", thermal(4, base=9000))
    frames, info = read(with_levels([source], (7000.0, 8000.0))[0])
    assert grey_levels(frames).tolist() == [255]
    assert "100% of the pixels lie outside the levels 7000 to 8000" in info.notes[0]
    _, info = read(with_levels([folder(tmp_path / "eight", [GREY] * 3)], (7000.0, 8000.0))[0])
    assert info.notes[0].startswith("8-bit frames for a detector that learned from frames with values 7000 to 8000")


def test_video_of_eight_bits_learns_no_levels(tmp_path: Path, video_tools: Any) -> None:
    path = video_tools.write_video(tmp_path / "v.mp4", [video_tools.numbered(n, 48, 72) for n in range(4)])
    ten = video_tools.write_video(tmp_path / "ten.mkv", [video_tools.numbered(1, 48, 72)] * 3, "libx265",
                                  pixels="yuv420p10le", options={"x265-params": "log-level=none"})  # fmt: skip
    assert learn_levels([*find_videos(path), *find_videos(ten), folder(tmp_path / "cam", [GREY] * 3)]) is None
    assert probe(find_videos(ten)[0]).depth == 10


def test_sixteen_bit_video_files_and_stacks_follow_levels_like_images(tmp_path: Path) -> None:
    pictures = thermal(6)
    with av.open(str(tmp_path / "t.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 36, 24, "gray16le"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "gray16le")))
        container.mux(stream.encode(None))
    cv2.imwritemulti(str(tmp_path / "t.tif"), pictures)
    sources = [folder(tmp_path / "cam", pictures), *find_videos(tmp_path / "t.mkv"), *find_videos(tmp_path / "t.tif")]
    levels = learn_levels(sources[:1])
    assert levels == learn_levels(sources[1:2]) == learn_levels(sources[2:])
    images, film, stack = ([frame.image for frame in read(s)[0]] for s in with_levels(sources, levels))
    assert np.array_equal(images, film) and np.array_equal(images, stack)


def test_other_levels_are_another_entry_of_the_cache(tmp_path: Path, window: Any) -> None:
    source = folder(tmp_path / "cam", thermal(2))
    keys = {cache_key(one, window) for levels in (None, (0.0, 9000.0), (0.0, 9001.0))
            for one in with_levels([source], levels)}  # fmt: skip
    assert len(keys) == 3


@pytest.fixture
def window() -> Any:
    from oddframe.types import Window

    return Window(offsets=(0,), size=(12, 18))


def test_float_frames_are_probabilities_or_bytes_and_anything_else_needs_levels(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 24 * 36, dtype=np.float32).reshape(24, 36)
    frames, info = read(folder(tmp_path / "unit", [ramp] * 3, ".tif"))
    assert int(frames[0].image.max()) == 255 and "are read as 0 to 1" in info.notes[0]
    frames, info = read(folder(tmp_path / "byte", [ramp * 200] * 3, ".tif"))
    assert int(frames[0].image.max()) == 200 and "are read as 0 to 255" in info.notes[0]
    kelvin = folder(tmp_path / "kelvin", [ramp * 40 + 280] * 3, ".tif")
    with pytest.raises(VideoError, match=r"kelvin: float frames with values from 280 to 320, and no levels"):
        read(kelvin)
    levels = learn_levels([kelvin])
    frames, _ = read(with_levels([kelvin], levels)[0])
    assert len(grey_levels(frames)) > 100


def test_values_that_are_no_numbers_are_noted(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 24 * 36, dtype=np.float32).reshape(24, 36)
    ramp[3, 4] = np.nan
    frames, info = read(folder(tmp_path / "cam", [ramp] * 3, ".tif"))
    assert info.notes[-1] == "values that are no numbers (NaN) in 3 frames are read as the lowest value"
    assert frames[0].image[3, 4].tolist() == [0, 0, 0]


def test_alpha_is_noted_and_palette_cmyk_and_exif_are_applied(tmp_path: Path) -> None:
    _, info = read(folder(tmp_path / "alpha", [np.dstack([GREY] * 4)] * 3))
    assert info.notes == ("the frames have an alpha channel, which is not looked at",)
    red = Image.new("RGB", (36, 24), (200, 20, 60))
    turned = red.getexif()
    turned[0x0112] = 6  # a quarter clockwise
    for name, image, suffix, options in (
        ("palette", red.convert("P", palette=Image.Palette.ADAPTIVE), "png", {}),
        ("cmyk", red.convert("CMYK"), "jpg", {}),
        ("exif", red, "jpg", {"exif": turned}),
    ):
        (tmp_path / name).mkdir()
        for n in range(3):
            image.save(tmp_path / name / f"{n}.{suffix}", **options)
        frames, info = read(VideoSource(name, tmp_path / name, "frames"))
        assert np.abs(frames[0].image[5, 5].astype(int) - (60, 20, 200)).max() <= 3, name
        assert (info.width, info.height) == ((24, 36) if name == "exif" else (36, 24)) and not info.notes


@pytest.mark.parametrize("odd", [0, 5, 11])
def test_the_size_of_a_frame_folder_is_that_of_its_frames_and_others_are_noted(tmp_path: Path, odd: int) -> None:
    pictures = [GREY] * 12
    pictures[odd] = np.full((6, 9), 200, np.uint8)
    frames, info = read(folder(tmp_path / "cam", pictures))
    assert (info.width, info.height) == (36, 24) and {frame.image.shape for frame in frames} == {(24, 36, 3)}
    assert info.notes == (f"1 of 12 frames have another size than 36x24, the first is frame {odd} with 9x6; they are "
                          "resized to it",)  # fmt: skip


def test_a_change_of_size_in_the_middle_of_a_file_is_noted(tmp_path: Path, video_tools: Any) -> None:
    for h in (48, 64):
        video_tools.write_video(tmp_path / f"{h}.m2v", [video_tools.numbered(1, h, 96)] * 3, "mpeg2video")
    both = tmp_path / "both.m2v"
    both.write_bytes((tmp_path / "48.m2v").read_bytes() + (tmp_path / "64.m2v").read_bytes())
    _, info = read(VideoSource("both", both, "file"))
    assert info.height == 48 and "frames have another size than 96x48, the first is frame 2 with 96x64" in info.notes[0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 3), (5, 1)])
def test_tiny_frames_are_read(tmp_path: Path, shape: tuple[int, int]) -> None:
    source = folder(tmp_path / "cam", [np.full(shape, 90, np.uint8)] * 3)
    frames, info = read(source, size=(8, 8))
    assert (info.height, info.width) == shape and int(frames[0].image.mean()) == 90


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [((2, 1), (320, 180)), ((1, 2), (160, 360)), ((64, 51), (201, 180)), ((1, 1), (160, 180)), ((404, 405), (160, 180)),
     ((0, 1), (160, 180)), ((1000, 1), (160, 180))],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pixels_that_are_not_square_are_shown_as_players_show_them(
    tmp_path: Path, video_tools: Any, ratio: tuple[int, int], shown: tuple[int, int], suffix: str
) -> None:
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(*ratio)

    path = video_tools.write_video(tmp_path / f"v{suffix}", [video_tools.numbered(5, 180, 160)] * 3, prepare=prepare)
    frames, info = read(VideoSource("v", path, "file"))
    assert (info.width, info.height) == shown
    assert frames[0].image.shape[:2] == shown[::-1] and video_tools.number_of(frames[0].image) == 5


def test_long_pixels_are_stretched_before_the_picture_is_turned() -> None:
    quarter = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], np.int32).tobytes()
    picture: Any = SimpleNamespace(side_data={"DISPLAYMATRIX": quarter})
    display = Display.of(picture, (160, 180), Fraction(2))
    assert display.transpose and display.size == (320, 180)


def test_frames_of_two_depths_and_alpha_in_a_file_are_noted(tmp_path: Path, video_tools: Any) -> None:
    _, info = read(folder(tmp_path / "cam", [*thermal(3), GREY]))
    assert "1 of 4 frames have 8 bits and the others more" in info.notes[-1]
    path = video_tools.write_video(tmp_path / "a.mov", [video_tools.numbered(1, 48, 72)] * 3, "qtrle", pixels="argb")
    assert probe(VideoSource("a", path, "file")).notes == ("the frames have an alpha channel, which is not looked at",)
