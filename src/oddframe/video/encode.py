"""Writing of H.264 video that plays everywhere: yuv420p, index first (faststart), true time stamps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from oddframe.atomic import Replacement
from oddframe.disk import in_words
from oddframe.errors import InputError, VideoError

_TICKS = 90_000  # per second: the usual video clock, a multiple of the common frame rates
_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
_BT709 = 1  # ITU-T H.273 code point for primaries, transfer and matrix
_LIMITED_RANGE = 1
_EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP


class VideoWriter:
    """Writes frames to an .mp4 (or .mov, .mkv) file.

    The file appears under its name when the `with` block ends without an exception. After an exception there is no
    file. Odd sizes are padded to even ones by repeating the last row or column, because yuv420p has no odd sizes.
    """

    def __init__(
        self, path: str | Path, size: tuple[int, int], fps: float | None, threads: int = 0, key_every: int | None = None
    ) -> None:
        """Start a file.

        Args:
            path: of the file. Missing folders are created.
            size: (height, width) of the frames.
            fps: frame rate of frames that are written without a time; None if every frame is written with a time.
            threads: number of threads of the encoder; 0 lets the encoder choose. The bytes of the file can depend on
                the number of threads and on the load of the machine.
            key_every: frames from one key frame to the next at most; None lets the encoder choose. With few, players
                seek quickly.

        Raises:
            InputError: the file cannot be created, or its suffix is not a container for H.264.
        """
        self.path = Path(path)
        self._size = size
        self._fps = fps
        self._count = 0
        self._last = -1
        self._reformatter = VideoReformatter()
        suffix = self.path.suffix.lower()
        if suffix not in _FORMATS:
            raise InputError(f"{self.path}: cannot write {suffix or 'a file without suffix'}; use .mp4, .mov or .mkv")
        with self._named_errors():
            self._part = Replacement(self.path)
        try:
            with self._named_errors():
                self._open(_FORMATS[suffix], threads, key_every)
        except BaseException:
            self._part.discard()
            raise

    def _open(self, form: str, threads: int, key_every: int | None) -> None:
        options = {} if form == "matroska" else {"movflags": "+faststart"}
        self._container = av.open(f"file:{self._part.path}", "w", form, options=options)
        height, width = self._size
        self._stream = self._container.add_stream(
            "libx264",
            rate=Fraction(self._fps or 25).limit_denominator(1001),
            options={"preset": "veryfast", "crf": "23"},
        )
        self._stream.codec_context.thread_count = threads
        if key_every is not None:
            self._stream.codec_context.gop_size = key_every
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.color_range = _LIMITED_RANGE
        self._stream.colorspace = self._stream.color_primaries = self._stream.color_trc = _BT709
        self._stream.codec_context.time_base = Fraction(1, _TICKS)
        self._container.start_encoding()

    def write(self, image: NDArray[np.uint8], time: float | None = None) -> None:
        """Append a frame.

        Args:
            image: (H, W, 3) uint8 BGR of the writer's size.
            time: seconds, increasing; None counts frames at the writer's `fps`.

        Raises:
            SpaceError: the disk is full.
        """
        if image.shape != (*self._size, 3):
            raise ValueError(f"a frame has shape {image.shape}, the video {(*self._size, 3)}")
        if time is None:
            if self._fps is None:
                raise ValueError("a writer without fps needs the time of every frame")
            time = self._count / self._fps
        height, width = self._size
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "bgr24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=_LIMITED_RANGE,
            interpolation=_EXACT,
            threads=1,
        )
        # Rounding must never give two frames the same tick.
        picture.pts = self._last = max(round(time * _TICKS), self._last + 1)
        picture.time_base = Fraction(1, _TICKS)
        with self._named_errors():
            self._container.mux(self._stream.encode(picture))
        self._count += 1

    def close(self) -> None:
        """Finish the file and rename it to its final name.

        Raises:
            VideoError: no frame was written.
            SpaceError: the disk is full.
        """
        if not self._count:
            self.discard()
            raise VideoError(f"{self.path}: no frame to write")
        try:
            with self._named_errors():
                self._container.mux(self._stream.encode(None))
                self._container.close()
                self._part.keep()
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Close and remove the unfinished file."""
        with contextlib.suppress(av.FFmpegError):  # on a full disk closing fails, but the file is removed anyway
            self._container.close()
        self._part.discard()

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Turn errors of FFmpeg or the system into one line about this file."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            told = in_words(OSError(error.errno, error.strerror, str(self.path)))
            raise told or InputError(f"{self.path}: cannot be written ({error.strerror})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
