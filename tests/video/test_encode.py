from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from oddframe.errors import InputError, SpaceError, VideoError
from oddframe.video.decode import Frame, VideoReader
from oddframe.video.encode import VideoWriter
from oddframe.video.sources import VideoSource


def read(path: Path) -> list[Frame]:
    with VideoReader(VideoSource(path.stem, path, "file")) as reader:
        return list(reader)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_frames_come_back_in_order_at_their_times(tmp_path: Path, video_tools: Any, suffix: str) -> None:
    path = tmp_path / f"v{suffix}"
    stamps = [0, 0.01, 0.5, 0.6, 2]
    with VideoWriter(path, (48, 72), None) as writer:
        for n, time in enumerate(stamps):
            writer.write(video_tools.numbered(n, 48, 72), time)
    frames = read(path)
    assert [video_tools.number_of(frame.image) for frame in frames] == list(range(5))
    assert np.allclose([frame.time for frame in frames], stamps, atol=1e-3)
    assert os.listdir(tmp_path) == [path.name]


def test_without_times_the_rate_counts(tmp_path: Path, video_tools: Any) -> None:
    path = tmp_path / "v.mp4"
    with VideoWriter(path, (48, 72), 12.5) as writer:
        for n in range(10):
            writer.write(video_tools.numbered(n, 48, 72))
    assert np.allclose([frame.time for frame in read(path)], np.arange(10) / 12.5, atol=1e-4)


def test_it_is_h264_for_every_player_with_the_index_first(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with VideoWriter(path, (64, 64), 25) as writer:
        for _ in range(3):
            writer.write(np.zeros((64, 64, 3), np.uint8))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt, stream.color_range, stream.colorspace) == ("h264", "yuv420p", 1, 1)
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("size", [(61, 80), (60, 81), (61, 81)])
def test_odd_sizes_are_padded_by_their_edge(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "v.mp4"
    with VideoWriter(path, size, 25) as writer:
        for _ in range(2):
            writer.write(np.full((*size, 3), (40, 120, 200), np.uint8))
    image = read(path)[0].image
    assert image.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert np.abs(image.astype(int) - (40, 120, 200)).max() <= 4


def test_colours_survive(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (0, 255, 255)]
    with VideoWriter(path, (64, 64), 25) as writer:
        for colour in colours:
            writer.write(np.full((64, 64, 3), colour, np.uint8)[:, ::-1])
    assert np.abs(np.array([frame.image[32, 32] for frame in read(path)], int) - colours).max() <= 4


def test_a_failure_leaves_what_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"older")
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ZeroDivisionError), VideoWriter(path, (64, 64), 25) as writer:
        writer.write(image)
        raise ZeroDivisionError
    with pytest.raises(VideoError, match=r"v\.mp4: no frame to write"), VideoWriter(path, (64, 64), 25):
        pass
    assert (os.listdir(tmp_path), path.read_bytes()) == (["v.mp4"], b"older")
    with VideoWriter(path, (64, 64), 25) as writer:
        writer.write(image)
        assert path.read_bytes() == b"older"
    assert len(read(path)) == 1


def test_a_full_disk_is_said_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("oddframe.atomic.os.replace", full)
    with pytest.raises(SpaceError, match=r"v\.mp4: No space"):
        with VideoWriter(tmp_path / "v.mp4", (64, 64), 25) as writer:
            writer.write(np.zeros((64, 64, 3), np.uint8))
    assert os.listdir(tmp_path) == []


def test_misuse_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot write \.avi"):
        VideoWriter(tmp_path / "v.avi", (64, 64), 25)
    with pytest.raises(InputError, match=r"v\.mp4: (Not a dir|File ex)"):
        VideoWriter(tmp_path / "file" / "v.mp4", (64, 64), 25)
    writer = VideoWriter(tmp_path / "v.mp4", (64, 64), None)
    with pytest.raises(ValueError, match="needs the time"):
        writer.write(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="has shape"):
        writer.write(np.zeros((32, 64, 3), np.uint8), 0.0)
    writer.discard()
    assert os.listdir(tmp_path) == ["file"]
