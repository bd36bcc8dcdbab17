"""Clips beside the report: copied where a browser plays the packets, else encoded, and always the right seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from oddframe.errors import InputError
from oddframe.types import Event, FrameScores
from oddframe.video.decode import VideoReader, probe
from oddframe.video.sources import VideoSource
from oddframe.workflow.began import given_start, recording_began, stated
from oddframe.workflow.event_clips import AFTER_S, BEFORE_S, write_clips

RATE, SECONDS, KEY = 10, 60, 20


def film(path: Path, codec: str = "libx264", **options: str) -> VideoSource:
    """A minute whose brightness tells the time: 4 grey values a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = KEY
        for number in range(RATE * SECONDS):
            grey = np.full((48, 64, 3), 4 * number // RATE, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        container.mux(stream.encode(None))
    return VideoSource(path.stem, path, "file")


def event(start: float, end: float) -> Event:
    first, last = round(start * RATE), round(end * RATE)
    return Event("cam", first, first, last, start, start, end, 2.0)


def scored(source: VideoSource) -> FrameScores:
    with VideoReader(source) as reader:
        count = sum(1 for _ in reader)
        info = reader.info
    return FrameScores("cam", np.arange(count), np.arange(count) / RATE, {}, np.zeros(count), info)


def seconds_of(clip: Path) -> tuple[float, float]:
    """The seconds of the film at which a clip begins and ends, by its brightness."""
    with VideoReader(VideoSource("clip", clip, "file")) as reader:
        means = [float(frame.image.mean()) for frame in reader]
    return means[0] / 4, means[-1] / 4


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "options"), [("mp4", {}), ("mp4", {"bf": "3"}), ("mkv", {}), ("ts", {"bf": "2"})])
def test_packets_of_h264_are_copied(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    source = film(tmp_path / "in" / f"cam.{suffix}", **options)
    asked = event(31.3, 33.0)
    clips = write_clips(tmp_path / "clips", source, scored(source), [asked])
    clip = clips[asked.id]
    begin, end = seconds_of(clip)
    assert 31.3 - BEFORE_S - KEY / RATE - 0.5 <= begin <= 31.3 - BEFORE_S + 0.5
    assert 33.0 + AFTER_S - 0.5 <= end <= 33.0 + AFTER_S + 1.0
    with av.open(str(clip)) as copy, av.open(str(source.path)) as original:
        kept = [bytes(packet)[-6:] for packet in copy.demux(video=0) if packet.size]
        own = b"".join(bytes(packet) for packet in original.demux(video=0))
    assert kept and all(end in own for end in kept), "nothing is encoded again"


@pytest.mark.parametrize("far", [False, True])
def test_what_a_browser_does_not_play_or_copy_is_encoded(tmp_path: Path, far: bool) -> None:
    path = tmp_path / "in" / "cam.avi"
    if far:  # one key frame in all of the minute
        path = path.with_suffix(".mp4")
        source = film(path, **{"x264-params": "keyint=infinite:scenecut=0"})
    else:
        source = film(path, "mpeg4")
    asked = event(31.3, 33.0)
    clip = write_clips(tmp_path / "clips", source, scored(source), [asked])[asked.id]
    begin, end = seconds_of(clip)
    assert abs(begin - (31.3 - BEFORE_S)) < 0.6 and abs(end - (33.0 + AFTER_S)) < 0.6
    assert probe(VideoSource("clip", clip, "file")).codec == "h264"


def test_frames_of_a_folder_and_the_beginning_of_a_video(tmp_path: Path) -> None:
    source = film(tmp_path / "in" / "cam.mp4")
    early = event(1.0, 2.0)
    begin, end = seconds_of(write_clips(tmp_path / "clips", source, scored(source), [early])[early.id])
    assert begin < 0.5 and abs(end - 5) < 1


def test_a_clip_is_kept_unless_it_is_forced(tmp_path: Path) -> None:
    source, asked = film(tmp_path / "in" / "cam.mp4"), event(10, 11)
    scores = scored(source)
    (clip,) = write_clips(tmp_path / "clips", source, scores, [asked]).values()
    clip.write_bytes(b"kept")
    write_clips(tmp_path / "clips", source, scores, [asked])
    assert clip.read_bytes() == b"kept"
    clip.write_bytes(b"")  # as a disk that lost power leaves it
    write_clips(tmp_path / "clips", source, scores, [asked])
    assert clip.stat().st_size > 1000
    clip.write_bytes(b"kept")
    write_clips(tmp_path / "clips", source, scores, [asked], force=True)
    assert clip.stat().st_size > 1000 and [path.name for path in clip.parent.iterdir()] == [clip.name]


def test_when_a_recording_began(tmp_path: Path) -> None:
    def written(name: str, **metadata: str) -> VideoSource:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            container.metadata.update(metadata)
            stream = container.add_stream("libx264", rate=5)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
            container.mux(stream.encode(None))
        return VideoSource(path.stem, path, "file")

    moment = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)
    assert recording_began(written("a.mp4", creation_time="2026-03-01T06:30:00.000000Z")) == moment
    assert recording_began(written("20260301T063000.000Z.mp4")) == moment, "as `watch` names its recordings"
    for wrong in ("1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z"):
        assert recording_began(written("b.mp4", creation_time=wrong)) is None
    assert recording_began(written("c.mkv")) is None
    assert recording_began(written("20260301T063000.000Z.mkv")) == moment, "in any container"
    for year in ("1970", "9999", "0001"):
        assert recording_began(written(f"{year}0301T063000.000Z.mp4")) is None, "a clock that was never set"
    assert recording_began(VideoSource("gone", tmp_path / "gone.mp4", "file")) is None
    assert recording_began(VideoSource("folder", tmp_path, "frames")) is None


@pytest.mark.parametrize(
    "text", ["2026-01-31", "20260131", "0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-10:00", ""]
)
def test_a_header_that_says_no_time_of_day_or_none_that_can_be_says_nothing(text: str) -> None:
    assert stated(text) is None


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-10:00", "1969-07-20T20:17:00Z"])
def test_a_start_at_which_no_video_was_taken_is_refused(start: str) -> None:
    with pytest.raises(InputError, match="before 1995 or in the future"):
        given_start([VideoSource("a", Path("a.mp4"), "file")], start)
