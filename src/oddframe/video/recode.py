"""Frames as the encoder of their video leaves them: what is pasted into a decoded picture loses what the rest has lost.

A sharp object in a blurred picture is told by its sharpness, which no real object there has.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.types import VideoInfo
from oddframe.video.opening import open_video, packets
from oddframe.video.sources import VideoSource

RATE = 25  # frames per second that the encoder is told
TRIED = 50  # frames that the quality is found on
FINEST, COARSEST = 8, 46  # of x264's scale of qualities
# The bits that x264's assembler writes differ from run to run; those of its plain code do not, and its SSE2 code writes
# the same ones in less than half of the time.
ASSEMBLER = "SSE2" if platform.machine().lower() in ("x86_64", "amd64") else "0"
OPTIONS = {"preset": "veryfast", "x264-params": f"asm={ASSEMBLER}"}


@dataclass(frozen=True)
class Encoding:
    """How a video was encoded, as far as its pictures show it.

    Attributes:
        size: (height, width) of its pictures.
        quality: at which x264 writes as many bits a frame as the video has; a lower number is finer.
    """

    size: tuple[int, int]
    quality: int

    @classmethod
    def of(cls, source: VideoSource, info: VideoInfo, images: Sequence[NDArray[np.uint8]]) -> Encoding | None:
        """The encoding of a video file, from the sizes of its packets and some of its frames.

        Args:
            images: (H, W, 3) uint8 RGB, consecutive.

        Returns:
            None for images and arrays.
        """
        if source.kind != "file":
            return None
        container, stream, _ = open_video(source.where, threads=1)
        with container:
            sizes = [packet.size for packet in packets(container, stream)]
        size, some = (info.height, info.width), images[:TRIED]
        wanted = sum(sizes) / len(sizes)
        finest, coarsest = FINEST, COARSEST
        while finest < coarsest:
            middle = (finest + coarsest) // 2
            if sum(packet.size for packet in _encoded(some, cls(size, middle))) / len(some) > wanted:
                finest = middle + 1
            else:
                coarsest = middle
        return cls(size, finest)


def recoded(images: Sequence[NDArray[np.uint8]], how: Encoding) -> list[NDArray[np.uint8]]:
    """Consecutive frames after H.264 at the size and the quality of an encoding.

    Args:
        images: (H, W, 3) uint8 RGB.

    Returns:
        As many frames of the same shape; the same to the bit in every run.
    """
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    packets = (*_encoded(images, how), None)
    frames = [frame.to_ndarray(format="rgb24") for packet in packets for frame in decoder.decode(packet)]
    return [np.asarray(cv2.resize(frame, images[0].shape[1::-1]), np.uint8) for frame in frames]


def _encoded(images: Sequence[NDArray[np.uint8]], how: Encoding) -> list[av.Packet[av.VideoStream]]:
    height, width = (side + side % 2 for side in how.size)
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.time_base, encoder.thread_count = Fraction(RATE), Fraction(1, RATE), 1
    encoder.options = {**OPTIONS, "crf": str(how.quality)}
    packets = []
    for number, image in enumerate(images):
        small = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        frame = av.VideoFrame.from_ndarray(small, "rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    return packets + encoder.encode(None)
