"""An RTSP server as a program of its own, which tests kill, stop and start again; and what arrives from it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from patience import PATIENCE, until

from oddframe.live.follower import Follower
from oddframe.live.messages import Arrived, Begun, Ended, Message


def free_port() -> int:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return int(own.getsockname()[1])


def write_video(path: Path, frames: int = 40, reorder: int = 0, codec: str = "libx264", rate: int = 10) -> Path:
    """A small video of 96x64 in which a square moves, with a key frame every 10; `reorder`: B-frames in a row."""
    quiet = {"x265-params": f"bframes={reorder}:log-level=none"} if codec == "libx265" else {"bf": str(reorder)}
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, options={"preset": "veryfast", **quiet})
        stream.height, stream.width = size = 64, 96
        stream.pix_fmt, stream.gop_size = "yuv420p", 10
        noise = np.random.default_rng(3).integers(60, 120, (*size, 3), np.uint8)
        for number in range(frames):
            image = noise.copy()
            x = 3 * number % (size[1] - 16)
            image[10:26, x : x + 16] = 230
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        out.mux(stream.encode())
    return path


class RtspServer:
    """Serves the videos of a folder on 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.control = folder, free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def url(self, name: str, times: int = 0) -> str:
        """Of a video that is played so many times; 0: for ever."""
        return f"rtsp://127.0.0.1:{self.port}/{name}?play_count={times}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        program = Path(sys.executable).with_name("rtsp-server")
        command = [str(program), "--dir", str(self.folder), "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "-cp", str(self.control)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """Let it stand still: the connection stays, and nothing comes."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)


class Taken:
    """Takes the messages of a follower as they come."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.messages: list[Message] = []

    def until(self, what: Callable[[], object], seconds: float = PATIENCE) -> Taken:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, f"it did not come to hold: {self.follower.state}, {self.follower.words}"
            message = self.follower.take(0.05)
            if message is not None:
                self.messages.append(message)
        return self

    @property
    def frames(self) -> list[Arrived]:
        return [each for each in self.messages if isinstance(each, Arrived)]

    @property
    def begun(self) -> list[Begun]:
        return [each for each in self.messages if isinstance(each, Begun)]

    @property
    def ended(self) -> list[Ended]:
        return [each for each in self.messages if isinstance(each, Ended)]
