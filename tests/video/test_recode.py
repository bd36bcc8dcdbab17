"""Encoding again: it blurs about as the video's own encoder did, gives every frame back, and repeats to the bit."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from oddframe.types import VideoInfo
from oddframe.video import recode
from oddframe.video.decode import VideoReader
from oddframe.video.recode import Encoding, recoded
from oddframe.video.search import find_videos
from oddframe.video.sources import ArrayVideo


def crossing(count: int = 20) -> list[np.ndarray]:
    """A checkered square that crosses a soft ground, (60, 90, 3) RGB."""
    ground = np.add.outer(np.arange(60), np.arange(90)).astype(np.uint8)
    board = (np.indices((16, 16)).sum(axis=0) % 2 * 200 + 20).astype(np.uint8)
    frames = []
    for n in range(count):
        image = np.repeat(ground[..., None], 3, axis=2)
        image[20:36, 2 * n : 2 * n + 16] = board[..., None]
        frames.append(image)
    return frames


def sharpness(image: np.ndarray) -> float:
    return float(np.abs(cv2.Laplacian(image[..., 0], cv2.CV_32F)).mean())


def test_a_coarser_encoding_leaves_less_of_what_is_sharp() -> None:
    frames = crossing()
    fine, coarse = (recoded(frames, Encoding((60, 90), quality)) for quality in (8, 46))
    assert len(fine) == len(coarse) == len(frames) and fine[0].shape == (60, 90, 3)
    assert sharpness(coarse[-1]) < 0.7 * sharpness(frames[-1]) < sharpness(fine[-1])


def test_a_smaller_picture_is_encoded_at_its_size() -> None:
    small = recoded(crossing(), Encoding((15, 23), 8))  # odd sides are made even
    assert small[0].shape == (60, 90, 3) and sharpness(small[-1]) < 0.5 * sharpness(crossing()[-1])


def test_it_repeats_to_the_bit() -> None:
    first, second = (recoded(crossing(), Encoding((60, 90), 25)) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_assembler_writes_the_bits_of_the_plain_code(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = recoded(crossing(), Encoding((60, 90), 25))
    monkeypatch.setitem(recode.OPTIONS, "x264-params", "asm=0")
    assert np.array_equal(fast, recoded(crossing(), Encoding((60, 90), 25)))


@pytest.mark.parametrize("quality", ["18", "36"])
def test_the_encoding_of_a_file_is_found_from_its_packets(tmp_path: Path, quality: str) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": quality, "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 90, 60, "yuv420p"
        for image in crossing():
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        out.mux(stream.encode(None))
    with VideoReader(find_videos(path)[0], colour="rgb") as reader:
        images = [frame.image for frame in reader]
        found = Encoding.of(find_videos(path)[0], reader.info, images)
    assert found is not None and found.size == (60, 90)
    assert int(quality) - 6 <= found.quality <= int(quality) + 1, "what is quantised already takes fewer bits"


def test_images_and_arrays_have_no_encoding() -> None:
    info = VideoInfo("a", "a", 90, 60, 25.0)
    assert Encoding.of(ArrayVideo(np.stack(crossing()), 25.0), info, crossing()) is None


def test_the_last_frames_are_not_lost() -> None:
    assert [image.shape for image in recoded(crossing(3), Encoding((60, 90), 20))] == [(60, 90, 3)] * 3
