"""Opens video files: which stream is the video, and why a file cannot be opened.

A file from a stranger must not make FFmpeg read other files or the network. Protocols other than `file` are refused,
and so are play lists, scripts and patterns, whatever their names are, unless `PLAY_LISTS` allows play lists.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from oddframe.errors import VideoError
from oddframe.processes import raise_if_stopped
from oddframe.reading.guard import special_kind
from oddframe.reading.images import MOST_PIXELS
from oddframe.video.urls import UrlFile, is_url

PLAY_LISTS = "ODDFRAME_PLAY_LISTS"
"""Variable of the environment; 1 allows play lists of files on this machine, in this process and in its workers."""

_PLAY_LISTS = frozenset({"hls", "concat"})
# Formats of FFmpeg that open other files, the network or devices.
_OTHERS = frozenset(
    {
        "dash", "webm_dash_manifest", "imf", "sdp", "rtsp", "rtp", "sap", "lavfi", "avisynth", "vapoursynth", "image2",
        "alias_pix", "brender_pix", "mlv", "vobsub", "dvdvideo", "libcdio", "alsa", "oss", "pulse", "jack", "fbdev",
        "kmsgrab", "x11grab", "xcbgrab", "v4l2", "video4linux2,v4l2", "avfoundation", "dshow", "gdigrab", "decklink",
        "openal", "iec61883", "libdc1394", "android_camera",
    }
)  # fmt: skip
_HEADS = (b"#EXTM3U", b"ffconcat", b"v=0", b"[playlist]", b"<smil", b"<ASX", b"<asx")
FRAME_A_PACKET = frozenset({"h264", "hevc", "av1", "mjpeg", "prores", "dnxhd"})
_TEXT = ("tty", "subviewer", "image2", "png_pipe", "jpeg_pipe", "svg_pipe", "ico")  # what FFmpeg sees in other files
DASH = "a DASH play list, which is not read; make one file of it (ffmpeg -i IN -c copy OUT.mp4)"
PLAY_LIST = (
    "a play list or a script that plays other files, which is refused; make one file of it (ffmpeg -i IN -c copy "
    f"OUT.mp4), or allow play lists that you trust with --play-lists ({PLAY_LISTS}=1 in Python)"
)
_NO_VIDEO = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails


def play_lists_allowed() -> bool:
    """Whether play lists of files on this machine may be read."""
    return os.environ.get(PLAY_LISTS, "0") not in ("", "0")


@cache
def _options(play_lists: bool) -> dict[str, str]:
    """How FFmpeg opens a file. Overflows of the counter of time stamps are the business of `oddframe.video.clock`;
    FFmpeg takes every reset of the clock for one."""
    refused = _OTHERS if play_lists else _OTHERS | _PLAY_LISTS
    return {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(sorted(av.formats_available - refused)),
        "correct_ts_overflow": "0",
        "max_pixels": str(MOST_PIXELS),
    }


def open_video(where: Path | str, threads: int) -> tuple[InputContainer, VideoStream, tuple[str, ...]]:
    """Open a video file and the stream of moving pictures that players choose, for decoding.

    The third value tells of the other streams of moving pictures, each in words.

    Args:
        where: the file, or its URL (see `oddframe.video.urls`).

    Raises:
        VideoError: the file cannot be opened, has no video stream, or there is no decoder for it.
    """
    behind, path = is_url(where), Path(where)
    if not behind and special_kind(path):
        raise VideoError(f"{path}: {special_kind(path)}")
    # With "file:" a name such as cam:1.mp4 is not read as a protocol.
    file = UrlFile(str(where)) if behind else f"file:{path}"
    try:
        container = av.open(file, "r", options=_options(play_lists_allowed()), metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise_if_stopped()
        if behind:
            raise VideoError(f"{where}: not a video that FFmpeg can open ({error.strerror or error})") from error
        raise VideoError(f"{path}: {_open_failure(path, error)}") from error
    try:
        stream, others = choose_stream(container, str(where), threads)
    except VideoError:
        container.close()
        raise
    return container, stream, tuple(_described(other) for other in others)


def choose_stream(container: InputContainer, where: str, threads: int) -> tuple[VideoStream, tuple[VideoStream, ...]]:
    """The stream of moving pictures that players choose, ready for decoding, and the others.

    Args:
        where: the file or the address, for messages.

    Raises:
        VideoError: there is none, no decoder for it, or its pictures are too large.
    """
    streams = [s for s in container.streams.video if not s.disposition & _NO_VIDEO]
    if not streams:
        kinds = " and ".join(sorted({s.type for s in container.streams}))
        if container.format.name == "mpeg":  # what it finds in a program stream is guessed from the bytes
            raise VideoError(f"{where}: FFmpeg finds no video in it; remux it (ffmpeg -i IN -c copy OUT.mp4)")
        raise VideoError(f"{where}: has no video stream" + (f", only {kinds}" if kinds else ""))
    stream = max(streams, key=_rank)  # of equal streams the first
    if not _decodable(stream):
        raise VideoError(f"{where}: no decoder for its video codec; re-encode it, for example to H.264")
    if stream.width * stream.height > MOST_PIXELS:
        what = f"its pictures have {stream.width} x {stream.height} pixels, more than the {MOST_PIXELS:,} that are read"
        raise VideoError(f"{where}: {what}; re-encode it smaller")
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    stream.thread_count = threads
    if threads != 1:
        stream.thread_type = ThreadType.AUTO
    return stream, tuple(other for other in streams if other is not stream)


def _decodable(stream: VideoStream) -> bool:
    return hasattr(stream, "thread_count")  # PyAV takes the attributes of a stream from its decoder


def _rank(stream: VideoStream) -> tuple[bool, bool, int]:
    """Players show the default stream, then the largest."""
    decodable = _decodable(stream)
    default = bool(stream.disposition & Disposition.default)
    return decodable, default, stream.width * stream.height if decodable else 0


def _described(stream: VideoStream) -> str:
    if not _decodable(stream):
        return f"video stream {stream.index} of another codec"
    return f"video stream {stream.index}, {stream.width}x{stream.height} {stream.codec.canonical_name}"


def packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet[VideoStream]]:
    """The packets of a stream that hold anything.

    Raises:
        av.FFmpegError: the container cannot be read on.
    """
    while True:
        try:
            yield from (packet for packet in container.demux(stream) if packet.size)
            return
        except IndexError:  # PyAV fails at the first packet of a stream that was not there in the beginning
            continue


def count_packets(where: Path | str) -> int:
    """Number of video packets in a file that no edit list hides, about the number of frames. Nothing is decoded."""
    container, stream, _ = open_video(where, threads=1)
    count = 0
    with container, contextlib.suppress(av.FFmpegError):
        for packet in packets(container, stream):
            count += not packet.is_discard
    return count


def opens_as_video(path: Path) -> bool:
    """Whether FFmpeg finds moving pictures in a file whose suffix says nothing: two packets of video at least."""
    try:
        container, stream, _ = open_video(path, threads=1)
        with container:
            if container.format.name in _TEXT or not stream.width:
                return False
            found = packets(container, stream)
            return next(found, None) is not None and next(found, None) is not None
    except (VideoError, av.FFmpegError):
        raise_if_stopped()
        return False


def sound_length(path: Path) -> int | None:
    """Number of frames of a file whose packets leave no doubt about it; None for any other. Nothing is decoded.

    There is no doubt where the header states the number of packets, none is hidden, damaged or without a stamp, the
    first is a key frame, and in this codec every packet is a frame.
    """
    container, stream, _ = open_video(path, threads=1)
    with container:
        if not stream.frames or stream.codec.canonical_name not in FRAME_A_PACKET:
            return None
        stamps: set[int | None] = {None}
        try:
            for packet in packets(container, stream):
                if packet.is_discard or packet.is_corrupt or packet.pts in stamps:
                    return None
                if len(stamps) == 1 and not packet.is_keyframe:
                    return None
                stamps.add(packet.pts)
        except av.FFmpegError:
            return None
        seen = len(stamps) - 1
        return seen if seen == stream.frames and container.format.name != "avi" else None


def _open_failure(path: Path, error: Exception) -> str:
    """The reason why a file does not open, as far as its first bytes show it."""
    if not path.exists():
        return "no such file"
    if not path.is_file():
        return "not a file"
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as denied:
        return f"cannot be read ({denied.strerror})"
    if not head:
        return "the file is empty (0 bytes)"
    if head[4:8] == b"ftyp":
        return "MP4 without a usable index (moov): recording or copying was cut off; get the whole file or repair it"
    if b"<MPD" in head:
        return DASH
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_HEADS):
        return PLAY_LIST
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "this is a text file, not a video"
    return f"not a video that FFmpeg can open ({getattr(error, 'strerror', None) or error})"
