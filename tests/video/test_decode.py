from __future__ import annotations

import csv
import gc
import os
import weakref
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from numpy.typing import NDArray

from oddframe.errors import VideoError
from oddframe.types import VideoInfo
from oddframe.video.decode import Frame, VideoReader, probe
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource

# codec, suffix, canonical name, encoder options
CODECS = [
    ("libx264", ".mp4", "h264", {"bf": "2"}),
    ("libx264", ".mkv", "h264", {"bf": "2"}),
    ("libx264", ".mov", "h264", {"bf": "0"}),
    ("libx264", ".ts", "h264", {"bf": "2"}),
    ("libx264", ".avi", "h264", {"bf": "2"}),
    ("libx265", ".mp4", "hevc", {"x265-params": "log-level=none:bframes=3"}),
    ("mpeg4", ".avi", "mpeg4", {"bf": "2"}),
    ("mpeg4", ".mp4", "mpeg4", {"bf": "2"}),
    ("msmpeg4v2", ".avi", "msmpeg4v2", {}),
    ("mpeg1video", ".mpg", "mpeg1video", {"bf": "2"}),
    ("mpeg2video", ".mpg", "mpeg2video", {"bf": "2"}),
    ("mpeg2video", ".m2v", "mpeg2video", {"bf": "2"}),
    ("mjpeg", ".avi", "mjpeg", {}),
    ("mjpeg", ".mov", "mjpeg", {}),
    ("rawvideo", ".avi", "rawvideo", {}),
    ("libvpx-vp9", ".webm", "vp9", {"deadline": "realtime", "cpu-used": "8"}),
    ("libvpx", ".webm", "vp8", {"deadline": "realtime", "cpu-used": "8"}),
    ("libsvtav1", ".mp4", "av1", {"preset": "9", "crf": "20"}),
    ("libsvtav1", ".webm", "av1", {"preset": "9", "crf": "20"}),
]


def read(path: Path, *args: Any, **kwargs: Any) -> tuple[list[Frame], VideoInfo]:
    with VideoReader(VideoSource(path.stem, path, "frames" if path.is_dir() else "file"), *args, **kwargs) as reader:
        frames = list(reader)
    return frames, reader.info


def times(frames: list[Frame]) -> NDArray[np.float64]:
    return np.array([frame.time for frame in frames])


def quadrants(height: int, width: int) -> NDArray[np.uint8]:
    """A BGR image whose four quarters differ, so that no turn or mirroring of it looks the same."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (255, 0, 0)
    image[: height // 2, width // 2 :] = (0, 255, 0)
    image[height // 2 :, : width // 2] = (0, 0, 255)
    image[height // 2 :, width // 2 :] = (128, 128, 128)
    return image


def corners(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Colours in the middle of the four quarters, row by row."""
    height, width = image.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return image[np.ix_(rows, columns)].reshape(4, -1).astype(np.int64)


@pytest.mark.parametrize(("codec", "suffix", "name", "options"), CODECS, ids=lambda value: str(value)[:12])
def test_every_codec_gives_every_frame_in_order(
    tmp_path: Path, video_tools: Any, codec: str, suffix: str, name: str, options: dict[str, str]
) -> None:
    try:
        av.codec.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this build of PyAV has no encoder {codec}")
    images = [video_tools.numbered(n, 96, 144) for n in range(20)]
    path = video_tools.write_video(tmp_path / f"v{suffix}", images, codec, pixels=pixels_of(codec), options=options)
    frames, info = read(path, size=(48, 72))
    assert [video_tools.number_of(frame.image) for frame in frames] == list(range(20))
    assert [frame.index for frame in frames] == list(range(20))
    assert np.allclose(times(frames), np.arange(20) / 25, atol=2e-3), (
        "25 frames/s, as exactly as the container stores it"
    )
    assert frames[0].time == 0
    assert (info.width, info.height, info.frames, info.codec, info.damage) == (144, 96, 20, name, ())
    assert {frame.image.shape for frame in frames} == {(48, 72, 3)}


def pixels_of(codec: str) -> str:
    return {"mjpeg": "yuvj420p", "rawvideo": "bgr24"}.get(codec, "yuv420p")


@pytest.mark.parametrize(("colour", "channels"), [("bgr", 3), ("rgb", 3), ("gray", 1)])
def test_colours_and_video_range_come_out_as_they_went_in(
    tmp_path: Path, video_tools: Any, colour: Any, channels: int
) -> None:
    image = quadrants(96, 128)
    path = video_tools.write_video(tmp_path / "v.mp4", [image] * 3, options={"crf": "1"})
    frames, _ = read(path, size=(48, 64), colour=colour)
    expected = {"bgr": image, "rgb": image[..., ::-1], "gray": cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None]}
    assert frames[1].image.shape == (48, 64, channels)
    assert frames[1].image.dtype == np.uint8
    assert frames[1].image.flags.c_contiguous
    assert np.abs(corners(frames[1].image) - corners(expected[colour])).max() <= 4


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv444p", "yuv422p", "yuvj420p", "gray"])
def test_ten_bit_subsampling_full_range_and_grey_keep_their_brightness(
    tmp_path: Path, video_tools: Any, pixels: str
) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 200
    image[32:] += 40
    codec, options = ("ffv1", {}) if pixels == "gray" else ("libx264", {"crf": "1"})
    path = video_tools.write_video(tmp_path / "v.mkv", [image] * 2, codec, pixels=pixels, options=options)
    with av.open(str(path)) as container:
        assert container.streams.video[0].pix_fmt == pixels
    for colour in ("bgr", "gray"):
        frames, _ = read(path, colour=colour)
        assert np.abs(corners(frames[0].image) - corners(image)[:, : frames[0].image.shape[2]]).max() <= 3


def test_colour_matrices_that_swscale_does_not_know_are_read_as_unspecified(tmp_path: Path, video_tools: Any) -> None:
    image = quadrants(64, 64)

    def tag(stream: Any) -> None:
        stream.colorspace = 8  # YCgCo

    path = video_tools.write_video(tmp_path / "v.mp4", [image] * 2, options={"crf": "1"}, prepare=tag)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).colorspace == 8
    frames, _ = read(path)
    assert np.abs(corners(frames[0].image) - corners(image)).max() <= 4


@pytest.mark.parametrize("resize", ["bilinear", "area", "bicubic"])
def test_grey_video_stays_grey_when_shrunk(tmp_path: Path, video_tools: Any, resize: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 180, 1), np.uint8).repeat(3, 2)
    path = video_tools.write_video(tmp_path / "v.mp4", [noise] * 2)
    frames, _ = read(path, size=(40, 80), resize=resize)
    image = frames[0].image
    assert (image == image[..., :1]).all()
    assert np.abs(image.astype(float).mean() - noise.mean()) < 2


def test_area_interpolation_is_the_mean_of_what_it_covers(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), image)
    frames, _ = read(folder, size=(16, 24), resize="area")
    expected = image.reshape(16, 4, 24, 4, 3).mean((1, 3))
    assert np.abs(frames[0].image - expected).max() <= 2


@pytest.mark.parametrize("size", [None, (90, 60), (61, 31)])
@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_display_matrix_is_applied(
    tmp_path: Path, video_tools: Any, degrees: int, hflip: bool, size: tuple[int, int] | None
) -> None:
    image = quadrants(64, 96)
    path = video_tools.write_video(
        tmp_path / "v.mp4",
        [image] * 2,
        options={"crf": "1"},
        prepare=lambda stream: stream.set_display_rotation(degrees, hflip=hflip),
    )
    shown = np.rot90(image, degrees // 90)  # counter-clockwise
    if hflip:
        shown = shown[:, ::-1]
    frames, info = read(path, size=size)
    assert (info.height, info.width) == shown.shape[:2]
    assert frames[0].image.shape == (*(size or shown.shape[:2]), 3)
    assert frames[0].image.flags.c_contiguous
    assert np.abs(corners(frames[0].image) - corners(shown)).max() <= 8


def test_variable_frame_rate_keeps_its_time_stamps_and_starts_at_zero(tmp_path: Path, video_tools: Any) -> None:
    stamps = [500, 510, 700, 701, 999, 5000]
    images = [video_tools.numbered(n, 48, 72) for n in range(6)]
    for suffix in (".mp4", ".mkv", ".ts"):
        path = video_tools.write_video(tmp_path / f"v{suffix}", images, stamps=stamps, clock=1000, options={"bf": "2"})
        frames, _ = read(path)
        assert np.allclose(times(frames), (np.array(stamps) - 500) / 1000, atol=1e-4), suffix
        assert [video_tools.number_of(frame.image) for frame in frames] == list(range(6))


def test_gaps_in_an_avi_without_presentation_times_are_kept(tmp_path: Path, video_tools: Any) -> None:
    images = [video_tools.numbered(n, 48, 72) for n in range(4)]
    path = video_tools.write_video(tmp_path / "v.avi", images, "mjpeg", stamps=[0, 1, 4, 5], pixels="yuvj420p")
    frames, info = read(path)
    assert times(frames).tolist() == [0, 0.04, 0.16, 0.2]
    assert info.damage == ()


def test_a_name_that_looks_like_a_protocol_is_a_file(tmp_path: Path, video_tools: Any) -> None:
    path = video_tools.write_video(tmp_path / "v.mp4", [video_tools.numbered(5, 48, 72)] * 2)
    odd = path.rename(tmp_path / "http:%03d?x=#1.mp4")
    assert len(read(odd)[0]) == 2


def test_a_play_list_in_disguise_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://localhost:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(VideoError):
        probe(VideoSource("v", path, "file"))


def test_a_change_of_resolution_inside_a_stream_keeps_the_first_size(tmp_path: Path, video_tools: Any) -> None:
    parts = [
        video_tools.write_video(tmp_path / f"{h}.m2v", [video_tools.numbered(h // 16, h, 96)] * 3, "mpeg2video")
        for h in (48, 96)
    ]
    path = tmp_path / "v.m2v"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, info = read(path)
    assert {frame.image.shape for frame in frames} == {(48, 96, 3)}
    assert {video_tools.number_of(frame.image) for frame in frames} == {3, 6}
    assert (np.diff(times(frames)) > 0).all()
    assert info.frames == len(frames) >= 5


@pytest.mark.slow
def test_a_reader_is_read_once_and_releases_its_file(tmp_path: Path, video_tools: Any) -> None:
    path = video_tools.write_video(tmp_path / "v.mp4", [video_tools.numbered(n, 48, 72) for n in range(9)])
    source = find_videos(path)[0]

    def is_open() -> bool:
        links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
        return any(os.path.exists(link) and os.path.realpath(link) == str(path.resolve()) for link in links)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files can be listed on Linux only")
    reader = VideoReader(source)
    assert is_open()
    for frame in reader:
        if frame.index == 3:
            break
    assert not is_open(), "leaving the loop drops the iterator"
    with pytest.raises(RuntimeError, match="iterated once"):
        iter(reader)
    iterator = iter(VideoReader(source))
    next(iterator)
    assert is_open()
    iterator.close()
    assert not is_open()
    with VideoReader(source):
        assert is_open()
    assert not is_open(), "leaving the block releases a reader that was never iterated"
    VideoReader(source)
    gc.collect()
    assert not is_open()


@pytest.mark.slow
@pytest.mark.parametrize("start", [0.0, 0.5], ids=["from the beginning", "from the middle"])
@pytest.mark.parametrize("frames", [0, 1, 100], ids=["unread", "left early", "read"])
def test_a_reader_leaves_no_decoder_behind(tmp_path: Path, video_tools: Any, frames: int, start: float) -> None:
    """A decoder holds a dozen pictures. Whoever reads a clip after every event cannot wait until Python finds it."""
    path = video_tools.write_video(tmp_path / "v.mp4", [video_tools.numbered(n, 48, 72) for n in range(30)])
    gc.collect()
    gc.disable()
    try:
        with VideoReader(find_videos(path)[0], start=start) as reader:
            held = weakref.ref(reader._pictures._packets)  # type: ignore[union-attr]
            for number, _ in enumerate(reader if frames else (), 1):
                if number == frames:
                    break
        del reader
        assert held() is None
    finally:
        gc.enable()


def test_frame_folders_of_every_kind_of_image(tmp_path: Path) -> None:
    image = quadrants(40, 60)
    for suffix in (".png", ".bmp", ".tif", ".jpg"):
        folder = tmp_path / suffix[1:]
        folder.mkdir()
        for n in (1, 2, 10):
            cv2.imwrite(str(folder / f"frame{n}{suffix}"), np.full_like(image, 10 * n) if n > 1 else image)
        frames, info = read(folder)
        (gap,) = info.notes
        assert gap.startswith("7 of the frames numbered 1 to 10 are missing, first 3")
        assert info == VideoInfo(folder.name, str(folder), 60, 40, 25.0, 3, suffix[1:], rate="assumed", notes=(gap,))
        assert np.abs(corners(frames[0].image) - corners(image)).max() <= 3
        assert [int(frame.image.mean().round()) for frame in frames[1:]] == [20, 100]
        assert times(frames).tolist() == [0, 0.04, 0.08]
        rgb, _ = read(folder, colour="rgb")
        assert np.array_equal(rgb[0].image, frames[0].image[..., ::-1])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey_and_transparent_images(tmp_path: Path, suffix: str) -> None:
    deep = np.full((20, 30), 40 * 257, np.uint16)
    cv2.imwrite(str(tmp_path / f"1{suffix}"), deep)
    cv2.imwrite(str(tmp_path / f"2{suffix}"), np.full((20, 30), 80, np.uint8))
    cv2.imwrite(str(tmp_path / f"3{suffix}"), np.full((20, 30, 4), (10, 20, 30, 128), np.uint8))
    frames, _ = read(tmp_path)
    assert [frame.image[5, 5].tolist() for frame in frames] == [[40] * 3, [80] * 3, [10, 20, 30]]
    grey, _ = read(tmp_path, colour="gray", size=(10, 10))
    assert grey[0].image.shape == (10, 10, 1)
    assert [int(frame.image[5, 5, 0]) for frame in grey[:2]] == [40, 80]


def test_a_frame_folder_goes_on_after_images_that_cannot_be_read(tmp_path: Path) -> None:
    for n in range(5):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.full((20, 30, 3), 40 * n, np.uint8))
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "3.png").write_bytes(b"not an image")
    frames, info = read(tmp_path)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 80, 160]
    assert times(frames).tolist() == [0, 0.08, 0.16], "what is left out leaves its place in time"
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert (info.frames, info.damage) == (3, ("2 unreadable images skipped, first 1.png",))
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    with pytest.raises(VideoError, match=r"not one frame can be decoded \(5 unreadable images skipped"):
        read(tmp_path)


def test_files_that_are_no_videos_each_get_their_own_line(tmp_path: Path, video_tools: Any) -> None:
    whole = video_tools.write_video(tmp_path / "v.mp4", [video_tools.numbered(n, 48, 72) for n in range(9)])
    cases = {
        "empty.mp4": (b"", "the file is empty"),
        "text.avi": (b"a shopping list\n" * 40, "this is a text file"),
        "cut.mp4": (whole.read_bytes()[:900], "without a usable index"),
        "noise.mkv": (bytes(range(256)) * 4, "not a video that FFmpeg can open"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(VideoError, match=f"{name}: .*{message}") as caught:
            probe(VideoSource(name, path, "file"))
        assert "\n" not in str(caught.value)
    with pytest.raises(VideoError, match="no such file"):
        probe(VideoSource("gone", tmp_path / "gone.mp4", "file"))
    with pytest.raises(VideoError, match="not a file"):
        probe(VideoSource("folder", tmp_path, "file"))
    (tmp_path / "none").mkdir()
    with pytest.raises(VideoError, match="the folder holds no frames"):
        probe(VideoSource("none", tmp_path / "none", "frames"))


@pytest.mark.parametrize("cover", [False, True])
def test_sound_without_moving_pictures_is_refused(tmp_path: Path, cover: bool) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        if cover:
            picture = container.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
            picture.disposition = Disposition.attached_pic
            container.mux(picture.encode(av.VideoFrame(32, 32, "yuvj420p")))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == cover
    with pytest.raises(VideoError, match="has no video stream, only audio"):
        probe(VideoSource("sound", path, "file"))


def test_a_video_without_one_good_frame_is_refused(tmp_path: Path, video_tools: Any) -> None:
    path = video_tools.write_video(tmp_path / "v.avi", [video_tools.numbered(n, 48, 72) for n in range(5)], "mpeg4")
    data = bytearray(path.read_bytes())
    start = data.index(b"movi") + 4
    for offset in range(start + 8, data.rindex(b"idx1")):
        data[offset] = 0
    path.write_bytes(data)
    with pytest.raises(VideoError, match="not one frame can be decoded"):
        probe(VideoSource("v", path, "file"))


def test_damage_in_the_middle_is_skipped_reported_and_the_same_every_time(tmp_path: Path, video_tools: Any) -> None:
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(40)]
    path = video_tools.write_video(tmp_path / "v.mp4", images, options={"g": "10", "bf": "2"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = rng.integers(0, 256, 4000, np.uint8).tobytes()
    path.write_bytes(data)
    frames, info = read(path, size=(24, 32))
    again, info_again = read(path, size=(24, 32))
    assert 20 <= len(frames) <= 40
    assert info.damage and info == info_again
    assert all(a.time < b.time for a, b in pairwise(frames))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, again, strict=True))


def test_a_file_cut_short_tells_how_much_is_missing(tmp_path: Path, video_tools: Any) -> None:
    images = [np.random.default_rng(n).integers(0, 256, (64, 96, 3), np.uint8) for n in range(30)]
    path = video_tools.write_video(tmp_path / "v.avi", images, "mjpeg", pixels="yuvj420p")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert probe(VideoSource("v", path, "file")).frames == 30
    frames, info = read(path)
    assert 10 <= len(frames) < 20
    assert f"header promises 30 frames, {len(frames)} decoded" in info.damage


def test_probing_tells_of_a_video_without_reading_it(tmp_path: Path, video_tools: Any) -> None:
    path = video_tools.write_video(tmp_path / "v.mp4", [video_tools.numbered(n, 48, 72) for n in range(9)])
    assert probe(VideoSource("a/b", path, "file")) == VideoInfo("a/b", str(path), 72, 48, 25.0, 9, "h264")


def test_several_decoder_threads_give_the_same_frames(tmp_path: Path, video_tools: Any) -> None:
    images = [video_tools.numbered(n, 96, 144) for n in range(30)]
    path = video_tools.write_video(tmp_path / "v.mp4", images, options={"bf": "2"})
    one, several = read(path, threads=1)[0], read(path, threads=3)[0]
    assert times(one).tolist() == times(several).tolist()
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, several, strict=True))


# Real files; the counts are those of the table beside them.


@pytest.mark.slow
@pytest.mark.realdata
def test_real_videos_decode_completely(shared_data: Path) -> None:
    with (shared_data / "videos" / "videos.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13
    for row in rows:
        if int(row["width"]) > 1000:
            continue  # slow to decode and like the others
        frames, info = read(shared_data / "videos" / row["file"], size=(16, 32))
        assert len(frames) == info.frames == int(row["frames"]), row["file"]
        shown = 427 if row["file"] == "mma_demo_340x256.mp4" else int(row["width"])  # its pixels are 64:51
        assert (info.width, info.height, info.codec) == (shown, int(row["height"]), row["codec"])
        assert info.fps == pytest.approx(float(row["fps"]), abs=1e-3)
        assert info.damage == (), row["file"]
        steps = np.diff(times(frames))
        assert (steps > 0).all() and np.median(steps) == pytest.approx(1 / float(row["fps"]), rel=0.01), row["file"]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("truncated_no_moov.mp4", r"without a usable index \(moov\)"),
        ("empty.mp4", "the file is empty"),
        ("text.mp4", "text file"),
        ("audio_only.mp4", "no video stream, only audio"),
    ],
)
def test_real_files_that_cannot_be_opened(shared_data: Path, name: str, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        probe(VideoSource(name, shared_data / "videos" / "broken" / name, "file"))


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "least", "size", "damage"),
    [
        ("truncated_after_moov.mp4", 50, (256, 340), "header promises 120 frames"),
        ("corrupt_middle.mp4", 110, (256, 340), "damaged packet"),
        ("one_frame.mp4", 1, (256, 340), None),
        ("odd_351x239_h264_444.mp4", 60, (239, 351), None),
        ("odd_351x239_mpeg4.avi", 60, (239, 351), None),
        ("hevc_10bit.mp4", 60, (256, 340), None),
        ("rotated_90.mp4", 60, (340, 256), None),
    ],
)
def test_real_files_that_are_unusual_or_damaged(
    shared_data: Path, name: str, least: int, size: tuple[int, int], damage: str | None
) -> None:
    frames, info = read(shared_data / "videos" / "broken" / name)
    assert len(frames) >= least
    assert (info.height, info.width) == size == frames[0].image.shape[:2]
    assert (np.diff(times(frames)) > 0).all()
    assert any(damage in line for line in info.damage) if damage else info.damage == ()


@pytest.mark.realdata
def test_a_real_rotated_video_is_turned_clockwise(shared_data: Path) -> None:
    path = shared_data / "videos" / "broken" / "rotated_90.mp4"
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="bgr24")
    shown, _ = read(path)
    assert np.abs(shown[0].image.astype(int) - np.rot90(stored, -1)).mean() < 2
    small, _ = read(path, size=(80, 160))
    expected = cv2.resize(shown[0].image, (160, 80), interpolation=cv2.INTER_AREA)
    assert small[0].image.shape == (80, 160, 3)
    assert np.abs(small[0].image.astype(int) - expected).mean() < 4


@pytest.mark.realdata
def test_real_variable_frame_rate_is_exact(shared_data: Path) -> None:
    folder = shared_data / "videos" / "broken"
    truth = np.loadtxt(folder / "variable_frame_rate_pts_ms.csv", delimiter=",", skiprows=1, usecols=-1)
    frames, _ = read(folder / "variable_frame_rate.mp4")
    assert np.allclose(times(frames) * 1000, truth - truth[0], atol=0.51)
