"""Where the beasts of the zoo are kept: what all of them share, how a command meets one, and what is wrong then."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from unittest import mock

import av
import numpy as np
import onnx
from onnx import TensorProto, helper

import oddframe
from oddframe.cli import main
from oddframe.settings import ThresholdOptions, TrainingOptions

SECONDS, MEMORY = 30, 2 << 30
OK, INPUT, SKIPPED = 0, 2, 3
SIZE = (48, 64)

Words = list[str | Path]


@dataclass(frozen=True)
class Cage:
    """Where a beast is made: an empty folder, and what all of them share."""

    folder: Path
    shared: Path

    @property
    def run(self) -> Path:
        """A bundle of frame_difference."""
        return self.shared / "run"

    @property
    def good(self) -> Path:
        """A video without fault."""
        return self.shared / "good.mkv"

    @property
    def videos(self) -> Path:
        """A folder with the good video, for a beast beside it."""
        place = self.folder / "videos"
        if not place.is_dir():
            place.mkdir()
            os.link(self.good, place / "good.mkv")
        return place

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def own_run(self) -> Path:
        """A bundle that may be spoilt."""
        return Path(shutil.copytree(self.run, self.folder / "run"))

    def score(self, videos: str | Path, *more: str | Path, run: Path | None = None) -> Words:
        return ["score", run or self.run, videos, "--out", self.out, "--no-overlay", *more]

    def fit(self, videos: str | Path, *more: str | Path, recipe: Path | None = None) -> Words:
        recipe = recipe or self.shared / "difference.yaml"
        return ["fit", videos, "--recipe", recipe, "--quantile", "0.9", "--out", self.out, *more]

    def features(self, network: Path | None = None, *more: str | Path) -> Words:
        network = network or self.shared / "colours.onnx"
        return ["features", f"onnx:{network}", self.videos, "--out", self.out, "--workers", "1", *more]


@dataclass(frozen=True)
class Beast:
    """An input, and how a command has to end that meets it.

    Attributes:
        make: writes it into a cage, and gives the words of the command.
        status: the exit status.
        says: a pattern of the line that names it.
        good: whether the good video is in the same folder and has to be scored.
    """

    group: str
    name: str
    make: Callable[[Cage], Words]
    status: int
    says: str
    good: bool = False

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"


@dataclass(frozen=True)
class Meeting:
    """How it ended: exit status, both outputs, seconds, bytes of memory beyond those before, and all faults."""

    status: int
    out: str
    err: str
    seconds: float
    memory: int
    faults: tuple[str, ...] = field(default=())


ZOO: list[Beast] = []


def beast(
    group: str, name: str, status: int, says: str = "", good: bool = False
) -> Callable[[Callable[[Cage], Words]], None]:
    """Take a function into the zoo."""
    return lambda make: ZOO.append(Beast(group, name, make, status, says, good))


RECIPE = b"summary: x\nmodel: frame_difference\noptions: {size: [30, 40]}\n"

SPECIAL: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "/dev/zero": lambda path: path.symlink_to("/dev/zero"),
}


def write_video(
    path: Path, count: int = 20, codec: str = "mpeg4", size: tuple[int, int] = SIZE, rate: int = 10
) -> Path:
    """A small moving picture."""
    height, width = size
    with av.open(os.fspath(path), "w", format=None if path.suffix else "matroska") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(count):
            image = np.full((height, width, 3), 90, np.uint8)
            image[height // 4 : height // 2, 2 * number % max(1, width - 8) :][:, :8] = 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
    return path


class Hang(BaseException):
    """A command took longer than `SECONDS`. It is no `Exception`, so that no guard catches it."""


def prepare(shared: Path) -> None:
    """What all cages share: a bundle, a good video, its scores with and without overlays, a network."""
    (shared / "normal").mkdir(parents=True)
    write_video(shared / "good.mkv", 80)
    write_video(shared / "normal" / "n.mkv", 120)
    (shared / "difference.yaml").write_bytes(RECIPE.replace(b"30, 40", b"16, 24"))
    options = TrainingOptions(workers=1, progress=False)
    run = oddframe.fit(
        shared / "normal", recipe=str(shared / "difference.yaml"), out=shared / "run",
        threshold=ThresholdOptions(quantile=0.9), training=options,
    )  # fmt: skip
    run.score(shared / "good.mkv", shared / "drawn", progress=False)
    shutil.copytree(shared / "drawn", shared / "scored")
    node, info = helper.make_node, helper.make_tensor_value_info
    graph = helper.make_graph(
        [node("GlobalAveragePool", ["x"], ["mean"]), node("Flatten", ["mean"], ["y"])], "colours",
        [info("x", TensorProto.FLOAT, ["n", 3, 16, 16])], [info("y", TensorProto.FLOAT, ["n", 3])],
    )  # fmt: skip
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), shared / "colours.onnx"
    )
    (shared / "colours.yaml").write_text("{resize: 16, crop: [16, 16], mean: 0, std: 255}\n")


@contextmanager
def limited() -> Iterator[None]:
    """Ends what takes longer than `SECONDS`."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang(f"longer than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def memory(field: str) -> int:
    """Bytes of memory of this process: "VmRSS" now, "VmHWM" at most since it was last reset."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0


def call(words: Sequence[str | Path]) -> Meeting:
    """Run a command in this process, as the shell would."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors=how) for how in ("strict", "backslashreplace"))
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before, began, status = memory("VmRSS"), time.monotonic(), 0
    faults: list[str] = []
    with (
        limited(),
        redirect_stdout(out),
        redirect_stderr(err),
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "argv", ["oddframe", *map(str, words)]),
    ):
        try:
            main()
        except SystemExit as left:
            status = int(left.code or 0)
        except (Exception, Hang) as error:
            status = 1
            faults.append(f"{type(error).__name__}: {error}")
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8", "replace"))  # type: ignore[attr-defined]
    return Meeting(
        status, texts[0], texts[1], time.monotonic() - began, max(0, memory("VmHWM") - before), tuple(faults)
    )


def meet(one: Beast, cage: Cage) -> Meeting:
    """Let a command meet a beast; its faults are empty where everything is as it should be."""
    words = one.make(cage)
    met = call(words)
    faults = list(met.faults)
    text = met.out + met.err
    if met.status != one.status:
        faults.append(f"exit status {met.status}, not {one.status}")
    if not re.search(one.says, text):
        faults.append(f"nothing says {one.says!r}")
    lines = met.err.strip().splitlines()
    if one.status == INPUT and sum(line.startswith("oddframe: ") for line in lines) != 1:
        faults.append("not one line that begins with oddframe:")
    if "Traceback" in text or "internal error" in text:
        faults.append("a traceback or an internal error")
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", text):
        faults.append("control characters are printed")
    if one.good and not ((cage.out / "scores" / "good.npz").is_file() and (cage.out / "report.html").is_file()):
        faults.append("the good video was not scored, or there is no report")
    if met.seconds > SECONDS or met.memory > MEMORY:
        faults.append(f"{met.seconds:.0f} s, {met.memory >> 20} MB")
    if Path("/tmp/oddframe-zoo-was-here").exists():
        faults.append("code of the input was run")
    return Meeting(met.status, met.out, met.err, met.seconds, met.memory, tuple(faults))
