"""A bundle that scores quickly, and an archive of small videos."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import pytest
from media import X264, picture

from oddframe.bundle import TrainingData, save_bundle
from oddframe.models.registry import create
from oddframe.recipes import parse_recipe
from oddframe.workflow.run import Run

RATE = Fraction(25, 2)  # frames/s of the street
RECIPE = {
    "name": "tiny", "summary": "", "model": "frame_difference", "options": {"size": [16, 32]},
    "scoring": {"smoothing": {"kind": "causal", "taps": 9, "sigma": 3}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "archive-cache"))


@pytest.fixture(scope="session")
def bundle(street: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, recipe = tmp_path_factory.mktemp("archive bundle") / "run", parse_recipe(RECIPE, "here")
    folder.mkdir()
    detector = create("frame_difference", **recipe.options)
    run = Run(save_bundle(folder, detector, recipe, {}, TrainingData(checkpoint="none", frame_rate=float(RATE))))
    (scores,) = run.score(street / "training" / "videos" / "01.mp4", progress=False)
    run.calibrate([(scores.time, scores.components)], quantile=0.9)
    return folder


@pytest.fixture(scope="session")
def archive(street: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short videos, one of 40 s, a copy, and a broken file."""
    folder = tmp_path_factory.mktemp("archive")
    for name in ("01", "02"):
        shutil.copy(street / "testing" / "videos" / f"{name}.mp4", folder / f"{name}.mp4")
    (folder / "night").mkdir()
    write_long(folder / "night" / "long.mp4", 500)
    shutil.copy(folder / "01.mp4", folder / "night" / "same.mp4")
    (folder / "broken.mp4").write_bytes(b"no video at all" * 40)
    return folder


def write_long(path: Path, frames: int, seed: int = 0) -> Path:
    """A video at the rate of the street, with a key frame every two seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={**X264, "preset": "ultrafast", "g": "25"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(frames):
            image = picture((number + seed) % 60)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
    return path
