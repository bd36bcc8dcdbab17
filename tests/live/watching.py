"""A small trained detector, made in a second, and `oddframe watch` as a program of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from patience import PATIENCE, until
from rtsp_server import write_video

import oddframe
from oddframe.settings import ThresholdOptions

RECIPE = "summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\n"


def make_run(folder: Path) -> Path:
    """A bundle of frame_difference that has seen a square move at 10 frames/s."""
    (folder / "plain.yaml").write_text(RECIPE)
    (folder / "normal").mkdir()
    write_video(folder / "normal" / "a.mp4", 200)
    out = folder / "run"
    oddframe.fit(
        folder / "normal", recipe=str(folder / "plain.yaml"), out=out, threshold=ThresholdOptions(quantile=0.9)
    )
    return out


def write_odd_video(path: Path, frames: int = 60) -> Path:
    """The same place; from frame 20 to 34 all of it flickers."""
    import av

    noise = np.random.default_rng(3).integers(60, 120, (64, 96, 3), np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"bf": "2", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 96, 64, "yuv420p", 10
        for number in range(frames):
            image = noise.copy()
            x = 3 * number % 80
            image[10:26, x : x + 16] = 230
            if 20 <= number < 35 and number % 2:
                image[30:, 48:] = 250
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        out.mux(stream.encode(None))
    return path


class Program:
    """`oddframe watch`, running."""

    def __init__(self, *words: object, out: Path) -> None:
        self.out = out
        code = "import sys; from oddframe.cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "watch", *map(str, words), "--out", str(out)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def log(self, what: str = "") -> list[dict[str, Any]]:
        """The lines of its log so far."""
        path = self.out / "log.jsonl"
        lines = path.read_text().splitlines() if path.is_file() else []
        rows = [json.loads(line) for line in lines if line.endswith("}")]
        return [row for row in rows if what in ("", row["what"])]

    def until_state(self, state: str) -> None:
        until(lambda: self.gone() or any(row["state"] == state for row in self.log("state")), 2 * PATIENCE)
        assert not self.gone(), self.process.communicate()

    def gone(self) -> bool:
        return self.process.poll() is not None

    def end(self, number: int = signal.SIGINT, within: float = PATIENCE) -> tuple[int, str, str]:
        """Send a signal; exit status, standard output and standard error."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=within)
        return self.process.returncode, out, err
