"""What the tests of the review page look at: a store with events of cameras and videos, and videos with a bar code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from bars import bars
from found import notice, trained

import oddframe
from oddframe.scoring.calibrate import Calibration, calibrate
from oddframe.scoring.files import save_scores
from oddframe.store.store import Store
from oddframe.types import Combination, FrameScores
from oddframe.video.decode import probe
from oddframe.video.identity import content_key
from oddframe.video.sources import VideoSource
from oddframe.workflow.scores import Scores

FRAMES = 150
TICKS = 30_000  # a second
FILM = [round(number * 1001) for number in range(FRAMES)]  # 29.97 frames a second
THRESHOLD = 4.0
LEVELS = {"motion": (1.0, 0.5), "scene": (0.5, 0.4)}  # mean and standard deviation on normal video


def uneven(seed: int) -> list[int]:
    """Ticks of frames at a variable rate, 8 to 60 frames a second."""
    steps = np.random.default_rng(seed).integers(TICKS // 60, TICKS // 8, FRAMES - 1)
    return [0, *np.cumsum(steps).tolist()]


def film(path: Path, ticks: Sequence[int], b_frames: int = 0, codec: str = "libx264") -> Path:
    """A video whose frames carry their numbers, each shown from its tick on."""
    with av.open(str(path), "w") as container:
        options = {"g": "40", "bf": str(b_frames), "crf": "16", "sc_threshold": "0"}
        stream = container.add_stream(
            codec, rate=Fraction(TICKS, 1001), options=options if codec == "libx264" else {"q": "2"}
        )
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS)
        stream.codec_context.thread_count = 1
        for number, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(bars(number), "bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = tick, Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def record(store: Store, folder: Path, videos: Sequence[Path], names: Sequence[str] | None = None) -> None:
    """Scores of videos, with a hump at each third, written as files and into the store."""
    time = np.arange(60, dtype=np.float64)
    calm = calibrate([(time, np.linspace(0, 1, 60))], quantile=0.9, merge_s=0.1, min_s=0)
    calibration = Calibration(**{**vars(calm), "threshold": THRESHOLD, "low": 2.0, "levels": LEVELS})
    scored = []
    for number, path in enumerate(videos):
        name = path.stem if names is None else names[number]
        source = VideoSource(name, path, "file")
        info = replace(probe(source), name=name, key=content_key(source))
        with av.open(str(path)) as container:
            seconds = np.array(
                sorted(float(p.pts * p.time_base) for p in container.demux(video=0) if p.pts is not None)
            )
        hump = np.abs(np.sin(np.linspace(0, 3 * np.pi, len(seconds)))) ** 4
        values = 1 + hump * (5 + number + np.linspace(0, 1.5, len(seconds)))
        frames = np.arange(len(seconds))
        maps = np.repeat(values[:, None, None] * np.eye(4, 6), 1, axis=0).astype(np.float16)
        parts = {"motion": values, "scene": values / 2}
        one = FrameScores(name, frames, seconds, parts, values, info, trained().id, maps)
        save_scores(one, folder)
        scored.append(one)
    store.record_scores(trained(), Scores(tuple(scored), calibration, Combination({"motion": 1.0})))


def tell(store: Store, numbers: Sequence[int], camera: str, **other: Any) -> None:
    """Closed events of a camera, a minute apart, the later the farther above the threshold."""
    store.tell([notice(number, "closed", camera, **other) for number in numbers])


def everything(folder: Path) -> None:
    """A store with four videos of three events each, a camera that saw five, and its gap and fault."""
    videos = [
        film(folder / "film.mp4", FILM),
        film(folder / "uneven.mp4", uneven(1)),
        film(folder / "both ways.mp4", FILM, b_frames=3),
        film(folder / "old.avi", FILM, codec="mpeg4"),  # which no browser plays, so that a clip is cut
    ]
    with oddframe.open_store(str(folder / "events.db")) as store:
        record(store, folder / "scores", videos)
        tell(store, range(1, 6), "front")
        tell(store, [20], "front", kind="gap", score=None, threshold=None, box=None, why={}, text="nothing is seen")
        tell(store, [30], "front", kind="covered", score=None, threshold=None, box=None, why={}, text="it is covered")
