"""What a file from a stranger must not do: make FFmpeg read other files, or fill the memory."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from bars import encode

import oddframe.video.images as images
from oddframe.errors import VideoError
from oddframe.processes import Terminated
from oddframe.reading.images import MOST_PIXELS
from oddframe.video.decode import VideoReader, probe
from oddframe.video.opening import PLAY_LISTS, open_video, opens_as_video
from oddframe.video.sources import VideoSource

LISTS = {
    "concat.mp4": "ffconcat version 1.0\nfile v.mkv\n",
    "concat.ffconcat": "\ufeffffconcat version 1.0\nfile v.mkv\n",
    "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nv.mkv\n#EXT-X-ENDLIST\n",
    "hls.ts": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nv.mkv\n#EXT-X-ENDLIST\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "session.mov": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
}


def source(path: Path) -> VideoSource:
    return VideoSource(path.name, path, "frames" if path.is_dir() else "file")


@pytest.mark.parametrize("name", LISTS)
def test_play_lists_are_refused_whatever_their_name_is(tmp_path: Path, name: str) -> None:
    encode(tmp_path / "v.mkv", 20)
    (tmp_path / name).write_text(LISTS[name], encoding="utf-8")
    with pytest.raises(VideoError, match=r"a play list or a script that plays other files.*--play-lists"):
        probe(source(tmp_path / name))


def test_play_lists_are_read_where_they_are_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(tmp_path / "v.mkv", 20)
    (tmp_path / "v.mp4").write_text(LISTS["concat.mp4"])
    monkeypatch.setenv(PLAY_LISTS, "1")
    with VideoReader(source(tmp_path / "v.mp4")) as reader:
        assert len(list(reader)) == 20
    (tmp_path / "session.mp4").write_text(LISTS["session.sdp"])
    with pytest.raises(VideoError, match="refused"):  # an address on the network is none of these
        probe(source(tmp_path / "session.mp4"))


def test_a_pattern_in_a_name_is_no_pattern(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number:03d}.png"), np.full((16, 16, 3), number, np.uint8))
    (tmp_path / "%03d.png").write_bytes(b"nothing")
    with pytest.raises(VideoError, match=r"cannot be decoded|not a video"):
        probe(source(tmp_path / "%03d.png"))


@pytest.mark.slow
def test_an_image_that_promises_too_many_pixels_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = int(MOST_PIXELS**0.5) + 1
    large = tmp_path / "large"
    large.mkdir()
    for number in range(2):
        cv2.imwrite(str(large / f"{number}.png"), np.zeros((side, side), np.uint8))
    monkeypatch.setattr(images.cv2, "imdecode", lambda *_: pytest.fail("it is decoded"))
    with pytest.raises(VideoError, match=f"0.png: {side} x {side} pixels are more than"):
        probe(source(large))


def test_one_image_that_is_too_large_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddframe.reading.images.MOST_PIXELS", 1000)
    monkeypatch.setattr(images, "MOST_PIXELS", 1000)
    for number in range(5):
        side = 40 if number == 3 else 20
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((side, side), np.uint8))
    with VideoReader(source(tmp_path)) as reader:
        assert len(list(reader)) == 4
        assert reader.info.damage == ("1 unreadable image skipped, first 3.png",)


def test_a_video_of_too_many_pixels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(tmp_path / "v.mkv", 3)
    monkeypatch.setattr("oddframe.video.opening.MOST_PIXELS", 1000)
    with pytest.raises(VideoError, match=r"its pictures have 96 x 64 pixels, more than the 1,000 that are read"):
        probe(source(path))


def test_a_header_that_promises_more_frames_than_the_file_has_bytes_is_not_believed(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.avi", 20)
    data = bytearray(path.read_bytes())
    at = data.index(b"avih") + 8 + 16  # dwTotalFrames
    data[at : at + 4] = (2**32 - 1).to_bytes(4, "little")
    stream = data.index(b"strh") + 8 + 32  # dwLength
    data[stream : stream + 4] = (2**31 - 1).to_bytes(4, "little")
    path.write_bytes(data)
    with av.open(os.fspath(path)) as container:
        assert container.streams.video[0].frames > 10**9, "the test damages the header that FFmpeg reads"
    assert probe(source(path)).frames is None


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_that_pyav_swallows_still_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signum: int) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(2000))
    assert not opens_as_video(path)
    monkeypatch.setattr("oddframe.processes.stop_signal", signum)
    for look in (opens_as_video, lambda path: open_video(path, 1)):
        with pytest.raises(KeyboardInterrupt) as stopped:
            look(path)
        assert isinstance(stopped.value, Terminated) == (signum == signal.SIGTERM)
