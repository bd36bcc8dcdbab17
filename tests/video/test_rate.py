"""Frame rates: stated by the container, given for what has no time stamps, or assumed and said so; a slower rate."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from oddframe.datasets.labelled import with_rate, without_rate
from oddframe.errors import InputError, VideoError
from oddframe.types import VideoInfo, Window
from oddframe.video.cache import build_cache, cache_key
from oddframe.video.decode import Frame, VideoReader, probe
from oddframe.video.headers import packet_times
from oddframe.video.rate import FramePicker, assumption, given_rate, picked, rate_to_pick, tracks
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource
from oddframe.workflow.frame_rates import most_common_rate
from oddframe.workflow.stretches import measure_videos, read_chunks, sample_stretches

Ask = Callable[..., Any]


def images(folder: Path, count: int = 12) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        assert cv2.imwrite(str(folder / f"{number:03}.png"), np.full((16, 24, 3), 10 * number, np.uint8))
    return folder


def times(source: VideoSource) -> list[float]:
    with VideoReader(source, (8, 8)) as reader:
        return [frame.time for frame in reader]


def raw_stream(path: Path, codec: str, form: str, fps: int, pixels: str = "yuv420p") -> Path:
    with av.open(str(path), "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 32, 24, pixels
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((24, 32, 3), 10 * number, np.uint8), "bgr24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def remuxed(source: Path, path: Path, late: float, start: int) -> Path:
    """The packets of a video; frames from number `start` on are shown `late` seconds later."""
    with av.open(str(source)) as read, av.open(str(path), "w") as write:
        stream: Any = write.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size:
                assert packet.pts is not None and packet.dts is not None and packet.time_base is not None
                shift = round(Fraction(late) / packet.time_base) if packet.pts * packet.time_base * 25 >= start else 0
                packet.stream, packet.pts, packet.dts = stream, packet.pts + shift, packet.dts + shift
                write.mux(packet)
    return path


def test_images_play_at_the_rate_that_is_given(tmp_path: Path) -> None:
    (source,) = given_rate(find_videos(images(tmp_path / "a")), 5)
    assert times(source) == [n / 5 for n in range(12)]
    assert (probe(source).fps, probe(source).rate) == (5, "given") and assumption([probe(source)]) == ""


def test_images_without_a_rate_play_at_25_and_it_is_said(tmp_path: Path) -> None:
    sources = find_videos(images(tmp_path / "a").parent) + find_videos(images(tmp_path / "b"))
    infos = [probe(source) for source in sources]
    assert {(info.fps, info.rate) for info in infos} == {(25.0, "assumed")}
    sentence = assumption(infos)
    assert sentence.startswith("a and 1 more: no time stamps; 25 frames/s were assumed") and "--fps" in sentence


def test_a_list_says_the_rate_of_each_folder(tmp_path: Path, video_tools: Any) -> None:
    for name in "abc":
        images(tmp_path / name)
    video_tools.write_video(tmp_path / "film.mp4", [np.zeros((16, 24, 3), np.uint8)] * 5)
    table = tmp_path / "list.csv"
    table.write_text("video,fps\na,5\nb, 12.5\nc,\nfilm.mp4,\n")
    sources = find_videos(table)
    assert {source.name: source.fps for source in sources} == {"a": 5.0, "b": 12.5, "c": None, "film": None}
    assert [source.fps for source in given_rate(sources, 10)] == [5.0, 12.5, 10.0, None]
    assert probe(sources[3]).fps == 25.0


@pytest.mark.parametrize("cell", ["ten", "0", "-5", "nan", "inf"])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, cell: str) -> None:
    images(tmp_path / "a")
    (tmp_path / "list.csv").write_text(f"video,fps\na,{cell}\n")
    with pytest.raises(InputError, match=r"list.csv, line 2: fps is .*; write the frames per second"):
        find_videos(tmp_path / "list.csv")
    if cell != "ten":
        with pytest.raises(InputError, match="--fps: a frame rate must be above 0"):
            given_rate(find_videos(tmp_path / "a"), float(cell))


def test_a_rate_for_videos_with_time_stamps_is_refused(tmp_path: Path, video_tools: Any) -> None:
    film = video_tools.write_video(tmp_path / "film.mp4", [np.zeros((16, 24, 3), np.uint8)] * 5)
    with pytest.raises(InputError, match=r"film\.mp4 has time stamps of its own"):
        given_rate(find_videos(film), 5)


@pytest.mark.parametrize(
    ("codec", "form", "pixels", "alone"),
    [("libx264", "h264", "yuv420p", (12, "container")), ("mjpeg", "mjpeg", "yuvj420p", (25, "assumed"))],
)
def test_a_raw_stream_plays_at_the_rate_given_or_its_own(
    tmp_path: Path, codec: str, form: str, pixels: str, alone: tuple[float, str]
) -> None:
    path = raw_stream(tmp_path / f"cam.{form}", codec, form, 12, pixels)
    source = VideoSource("cam", path, "file")
    info = probe(source)
    assert (info.fps, info.rate) == alone and source.timeless
    assert times(source) == pytest.approx([n / alone[0] for n in range(20)], abs=1e-5)
    (slow,) = given_rate([source], 5)
    assert (probe(slow).fps, probe(slow).rate) == (5, "given")
    assert times(slow) == pytest.approx([n / 5 for n in range(20)], abs=1e-5)
    with VideoReader(slow, (8, 8), start=2.0) as reader:
        assert [frame.time for frame in reader] == pytest.approx([n / 5 for n in range(10, 20)], abs=1e-5)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_a_pause_does_not_change_the_rate_of_a_file(tmp_path: Path, video_tools: Any, suffix: str) -> None:
    pictures = [np.full((16, 24, 3), 4 * n, np.uint8) for n in range(60)]
    plain = video_tools.write_video(tmp_path / "plain.mp4", pictures, options={"bf": "0"})
    path = remuxed(plain, tmp_path / f"paused.{suffix}", 3600, 40)
    info = probe(VideoSource("paused", path, "file"))
    assert info.fps == pytest.approx(25, rel=0.01)


def test_the_stretches_of_a_file_lie_where_its_frames_are(tmp_path: Path, video_tools: Any) -> None:
    pictures = [np.full((16, 24, 3), 4 * n, np.uint8) for n in range(60)]
    plain = video_tools.write_video(tmp_path / "plain.mp4", pictures, options={"bf": "0", "g": "10"})
    assert not len(packet_times(plain))  # its header tells: no pause
    window = Window((0,), (8, 8))
    for suffix in ("mkv", "mp4"):
        path = remuxed(plain, tmp_path / f"paused.{suffix}", 3600, 40)
        videos, skipped = measure_videos([VideoSource("paused", path, "file")])
        assert [(one.start, one.seconds) for one in videos] == [
            (0.0, pytest.approx(1.6, abs=0.01)), (pytest.approx(3601.6, abs=0.01), pytest.approx(0.8, abs=0.01))
        ]  # fmt: skip
        assert not skipped
        read = [chunk for part in sample_stretches(videos, 1800, 0) for chunk in read_chunks(part, window)]
        assert sum(len(chunk.index) for chunk in read) == 60 and sum(chunk.begins for chunk in read) == 2


def test_the_cache_knows_the_rate_of_images(tmp_path: Path) -> None:
    folder = images(tmp_path / "a")
    window = Window((0,), (8, 8))
    keys = set()
    for fps in (None, 5.0, 12.5):
        source = VideoSource("a", folder, "frames", fps)
        keys.add(cache_key(source, window))
        (video,), _ = build_cache([source], window, tmp_path / "cache", workers=1)
        assert video.time.tolist() == [n / (fps or 25) for n in range(12)]
        assert video.info.rate == ("given" if fps else "assumed")
    assert len(keys) == 3


def clip(rate: float, count: int, start: float = 0.0) -> list[Frame]:
    return [Frame(n, start + n / rate, np.zeros((1, 1, 1), np.uint8)) for n in range(count)]


@pytest.mark.parametrize(("rate", "wanted"), [(50.0, 25.0), (30.0, 25.0), (25.0, 10.0), (60.0, 12.5), (29.97, 12.5)])
def test_the_frames_nearest_to_the_ticks_of_a_slower_rate_are_picked(rate: float, wanted: float) -> None:
    frames = clip(rate, 600)
    found = list(picked(frames, wanted))
    ticks = np.arange(len(found)) / wanted
    assert len(found) == pytest.approx(600 / rate * wanted, abs=1)
    assert np.abs(np.array([frame.time for frame in found]) - ticks).max() <= 0.5 / rate + 1e-9
    assert np.unique([frame.index for frame in found]).size == len(found)
    assert all(frame is frames[frame.index] for frame in found)


def test_picking_begins_anew_after_a_pause_and_does_not_repeat_a_frame_where_some_are_lost() -> None:
    first, second = clip(30, 45), clip(30, 45, 5000.01)
    second = [Frame(45 + frame.index, frame.time, frame.image) for frame in second]
    found = [frame.index for frame in picked([*first, *second], 10)]
    assert found == [*range(0, 45, 3), *range(45, 90, 3)]
    time = np.array([frame.time for frame in [*first, *second]])
    assert np.concatenate(tracks(time, 10.0)).tolist() == found and len(tracks(time, 10.0)) == 2
    lossy = [frame for frame in clip(30, 90) if not 10 <= frame.index < 22]
    indices = [frame.index for frame in picked(lossy, 10)]
    assert len(set(indices)) == len(indices) and (np.diff(indices) > 0).all()


def test_a_frame_is_handed_out_with_the_one_after_it() -> None:
    picker = FramePicker(25)
    assert [[f.index for f in picker.push(frame)] for frame in clip(50, 5)] == [[], [0], [], [2], []]
    assert [f.index for f in picker.flush()] == [4]


def info(fps: float | None, rate: Any = "container") -> VideoInfo:
    return VideoInfo("v", "v.mp4", 8, 8, fps, rate=rate)


@pytest.mark.parametrize(
    ("video", "learned", "wanted"),
    [
        (info(25.0), 25.0, None), (info(24.0), 25.0, None), (info(26.0), 25.0, None), (info(30.0), 25.0, 25.0),
        (info(50.0), 25.0, 25.0), (info(30.0), None, None), (info(None), 25.0, None),
        (info(25.0, "assumed"), 10.0, None), (info(25.0, "given"), 10.0, 10.0),
    ],
)  # fmt: skip
def test_a_faster_video_is_looked_at_at_the_learned_rate(video: VideoInfo, learned: float | None, wanted: Any) -> None:
    assert rate_to_pick(video, learned) == wanted


def test_a_slower_video_is_refused() -> None:
    for fps in (12.5, 23.0):
        with pytest.raises(VideoError, match=f"v.mp4: {fps:g} frames/s, fewer than the 25 .* --any-rate"):
            rate_to_pick(info(fps), 25.0)


def test_the_most_common_rate_is_that_of_most_frames() -> None:
    assert most_common_rate([(25.0, 100), (30.0, 90), (29.97, 20)]) in (30.0, 29.97)
    assert most_common_rate([(12.5, 300), (25.0, 100)]) == 12.5 and most_common_rate([]) is None


def test_a_test_set_takes_the_rate_that_is_given(tmp_path: Path) -> None:
    from oddframe.datasets.folder import read_folder

    images(tmp_path / "frames" / "a")
    (tmp_path / "intervals.csv").write_text("video,start_frame,end_frame\na,2,3\n")
    data = read_folder(tmp_path)
    assert data.videos[0].source.fps is None and with_rate(data, None) is data and without_rate(data) is data
    fast = with_rate(data, 10)
    assert fast.videos[0].source.fps == 10 and without_rate(fast).videos[0].source.fps is None


def test_data_check_says_which_rate_is_assumed_and_where_a_pause_is(tmp_path: Path, ask: Ask, video_tools: Any) -> None:
    images(tmp_path / "frames" / "a")
    (tmp_path / "intervals.csv").write_text("video,start_frame,end_frame\na,2,3\n")
    answer = ask("data", "check", f"folder:{tmp_path}")
    assert answer.status == 0 and "note: a: no time stamps; 25 frames/s were assumed" in answer.out
    assert "assumed" not in ask("data", "check", f"folder:{tmp_path}", "--fps", 10).out
    assert "25.00 (assumed)" in ask("data", "info", tmp_path / "frames").out
    other = tmp_path / "other"
    other.mkdir()
    stamps = [*range(30), *range(100 * 25, 100 * 25 + 30)]
    video_tools.write_video(other / "v.mkv", [np.zeros((16, 24, 3), np.uint8)] * 60, stamps=stamps)
    (other / "intervals.csv").write_text("video,start_frame,end_frame\nv,2,3\n")
    answer = ask("data", "check", f"folder:{other}")
    assert answer.status == 3 and "1 pause, the longest of 98.8 s; nothing is scored across them" in answer.out
    assert "variable" not in answer.out
