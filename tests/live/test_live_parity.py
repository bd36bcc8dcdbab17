"""What is seen live is, bit for bit, what is read from a recording of the same packets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from http_camera import Camera, jpegs, serving, write_segments
from patience import PATIENCE, until
from rtsp_server import RtspServer, Taken, write_video

from oddframe.live.address import Address
from oddframe.live.follower import Follower, Hooks
from oddframe.live.messages import Arrived
from oddframe.types import Window
from oddframe.video.decode import Frame, VideoReader
from oddframe.video.sources import VideoSource

WINDOW = Window(offsets=(0,), size=(32, 48))


class Recorder:
    """Writes the packets of the first connection into a file, as a recording does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packets: list[tuple[bytes, int, bool, Any, int]] = []
        self.stream: Any = None

    def begin(self, stream: Any) -> None:
        if self.stream is None:
            self.stream, self.out = stream, av.open(str(self.path), "w")
            self.written = self.out.add_stream_from_template(stream)

    def packet(self, packet: Any, stream: Any, utc: float) -> None:
        if stream is self.stream:
            self.packets.append((bytes(packet), packet.pts, packet.is_keyframe, packet.time_base, packet.duration))

    def write(self) -> Path:
        """The first frame is shown at 0. Decoding stamps rise and lie before the presentation stamps."""
        base = self.packets[0][3]
        self.written.time_base = base
        stamps = sorted(pts for _, pts, *_ in self.packets)
        late = max(0, *(stamps[number] - pts for number, (_, pts, *_) in enumerate(self.packets)))
        with self.out:
            for number, (data, pts, key, base, duration) in enumerate(self.packets):
                packet = av.Packet(data)
                packet.pts, packet.dts, packet.time_base = pts - stamps[0], stamps[number] - stamps[0] - late, base
                packet.duration, packet.is_keyframe, packet.stream = duration or 0, key, self.written
                self.out.mux(packet)
        return self.path


def read(path: Path, window: Window) -> list[Frame]:
    with VideoReader(VideoSource("v", path, "file"), window.size, window.colour, window.resize) as reader:
        return list(reader)


def followed(
    url: str, window: Window, folder: Path, recorder: Recorder | None = None
) -> tuple[list[Arrived], list[Frame]]:
    """The frames of the first stretch as they came, and those of its recording."""
    recorder = recorder or Recorder(folder / "recorded.mp4")
    hooks = Hooks(begin=recorder.begin, packet=recorder.packet)
    follower = Follower("gate", Address.parse(url), window, hooks, capacity=1000)
    follower.start()
    taken = Taken(follower)
    try:
        taken.until(lambda: taken.ended)
    finally:
        follower.stop()
    assert follower.join(PATIENCE)
    assert not follower.hook_fault
    assert [each.why for each in taken.ended] == ["lost"]
    return taken.frames, read(recorder.write(), window)


def assert_same(live: list[Arrived], file: list[Frame], count: int) -> None:
    assert len(live) == len(file) == count
    for one, other in zip(live, file, strict=True):
        assert one.frame.index == other.index
        assert one.frame.time == other.time
        assert np.array_equal(one.frame.image, other.image)


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "reorder"), [("libx264", 2), ("libx265", 3)])
def test_frames_of_rtsp_are_those_of_the_recording(tmp_path: Path, codec: str, reorder: int) -> None:
    write_video(tmp_path / "x.mp4", 24, reorder, codec=codec)
    with RtspServer(tmp_path) as server:
        live, file = followed(server.url("x.mp4", times=1), WINDOW, tmp_path)
    assert_same(live, file, 24)


@pytest.mark.slow
def test_an_order_of_frames_that_the_short_look_has_missed_is_found_by_the_long_one(tmp_path: Path) -> None:
    """As with streams that do not state it: the decoder would show their first frames too early."""
    write_video(tmp_path / "x.mp4", 30, 2)

    class Hidden(Recorder):
        looks = 0

        def begin(self, stream: Any) -> None:
            self.looks += 1
            if self.looks == 1:
                assert stream.codec_context.reorder_depth > 0
                stream.codec_context.reorder_depth = 0
            else:
                super().begin(stream)

    with RtspServer(tmp_path) as server:
        recorder = Hidden(tmp_path / "recorded.mp4")
        live, file = followed(server.url("x.mp4", times=1), WINDOW, tmp_path, recorder)
    assert recorder.looks >= 2  # and once more after the end of the stream
    assert_same(live, file, 30)


@pytest.mark.parametrize("reorder", [0, 3])
def test_frames_of_a_transport_stream_are_those_of_the_recording(tmp_path: Path, reorder: int) -> None:
    write_video(tmp_path / "x.ts", 15, reorder)
    window = Window(offsets=(0,), size=(40, 40), colour="gray", resize="area")
    with serving(Camera(tmp_path, [])) as address:
        live, file = followed(f"{address}x.ts", window, tmp_path)
    assert_same(live, file, 15)


def test_frames_of_hls_are_those_of_the_recording(tmp_path: Path) -> None:
    write_segments(write_video(tmp_path / "x.mp4", 25, 2), tmp_path / "hls")
    with serving(Camera(tmp_path, [])) as address:
        live, file = followed(f"{address}hls/x.m3u8", WINDOW, tmp_path)
    assert_same(live, file, 25)
    assert live[-1].at - live[0].at > 0.7  # segments come at once, and their frames one by one


def test_motion_jpeg_has_the_clock_of_its_arrival_and_is_as_the_recording(tmp_path: Path) -> None:
    with serving(Camera(tmp_path, jpegs(16), rate=8)) as address:
        live, file = followed(f"{address}mjpeg", WINDOW, tmp_path)
    assert_same(live, file, 16)
    assert 1.1 < live[-1].frame.time < 15 / 8 + 20  # FFmpeg would say 25 frames/s


def assert_from_a_key_frame(live: list[Arrived], whole: list[Frame]) -> int:
    """See that a stretch is the end of a video from a key frame on; the number of that frame."""
    start = len(whole) - len(live)
    assert start % 10 == 0  # where `write_video` has key frames
    for one, other in zip(live, whole[start:], strict=True):
        assert one.frame.index == other.index - start
        assert abs(one.frame.time - (other.time - whole[start].time)) < 1e-9
        assert np.array_equal(one.frame.image, other.image)
    return start


def test_a_stream_that_is_met_between_key_frames_begins_with_the_next_one(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.ts", 35, 2)
    with av.open(str(whole)) as source, av.open(str(tmp_path / "x.ts"), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in list(source.demux(video=0))[4:]:
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    with serving(Camera(tmp_path, [])) as address:
        live, file = followed(f"{address}x.ts", WINDOW, tmp_path)
    assert assert_from_a_key_frame(live, read(whole, WINDOW)) == 10
    assert_same(live, file, 25)


def test_after_a_drop_the_next_stretch_begins_with_a_key_frame_and_is_whole(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "x.ts", 200, 2, rate=50)
    with serving(Camera(tmp_path, [])) as address:
        follower = Follower("gate", Address.parse(f"{address}x.ts"), WINDOW, capacity=40)
        follower.start()
        until(lambda: follower.dropped)
        taken = Taken(follower)
        taken.until(lambda: len(taken.ended) == 2)
        follower.stop()
        assert follower.join(PATIENCE)
    assert [each.why for each in taken.ended] == ["dropped", "lost"]
    assert taken.ended[0].dropped == 41 <= follower.dropped < 41 + 10
    assert [begun.skipped for begun in taken.begun[:2]] == [0, follower.dropped - 41], "all that was dropped is told"
    first = taken.messages.index(taken.begun[1])
    live = [each for each in taken.messages[first : taken.messages.index(taken.ended[1])] if isinstance(each, Arrived)]
    assert assert_from_a_key_frame(live, read(whole, WINDOW)) >= 41
