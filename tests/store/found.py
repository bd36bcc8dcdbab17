"""What is written into event stores by their tests: scores of files, and notices of cameras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from oddframe.live.messages import iso
from oddframe.scoring.calibrate import Calibration, calibrate
from oddframe.types import Combination, FrameScores, VideoInfo
from oddframe.workflow.scores import Scores

NOON = 1_796_126_400.0  # 2026-12-01T12:00:00Z


def trained(identity: str = "b0b0b0b0b0b0") -> Any:
    """What there is to know of a bundle."""
    recipe, data = (
        SimpleNamespace(model="toy", recipe="toy-small", name="toy-small"),
        SimpleNamespace(parent=""),
    )
    outline = SimpleNamespace(reported={"a": "how things look"})
    return SimpleNamespace(id=identity, path=Path("run"), recipe=recipe, data=data, outline=outline)


def scores(
    curves: dict[str, list[float]], threshold: float = 4.0, bundle: str = "b0b0b0b0b0b0", path: str = ""
) -> Scores:
    """Scores of videos, a frame a second; the key of the content is made of the curve."""
    time = np.arange(60, dtype=np.float64)
    calm = calibrate([(time, np.linspace(0, 1, 60))], quantile=0.9, merge_s=0.5, min_s=0)
    calibration = Calibration(**{**vars(calm), "threshold": threshold, "low": min(threshold, 2.0)})
    videos = []
    for name, curve in curves.items():
        values = np.array(curve, np.float64)
        info = VideoInfo(name, path or f"{name}.mp4", 128, 72, 1.0, len(values), key=f"key-{curve}")
        seconds = np.arange(len(values)) * 1.0
        videos.append(FrameScores(name, np.arange(len(values)), seconds, {"a": values}, values, info, bundle))
    return Scores(tuple(videos), calibration, Combination({"a": 1.0}))


def renamed(found: Scores, name: str) -> Scores:
    """The same content under another name."""
    return replace(found, videos=tuple(replace(one, video=name, info=replace(one.info, name=name)) for one in found))


def notice(number: int, change: str = "opened", camera: str = "front", **other: Any) -> dict[str, Any]:
    """A notice as JSON has it. The higher the number, the later, and the farther above the threshold."""
    start = NOON + 60 * number
    row = {
        "change": change, "kind": "anomaly", "id": f"{number:016x}", "camera": camera, "bundle": "b0b0b0b0b0b0",
        "start_utc": iso(start), "peak_utc": iso(start + 1), "end_utc": iso(start + 2), "start_s": 1.0, "peak_s": 2.0,
        "end_s": 3.0, "score": 5.0 + number, "threshold": 4.0, "box": [1, 2, 30, 40],
        "width": 640, "height": 360, "why": {"a": 3.0},
        "text": "something moves", "held": "", "files": {},
    }  # fmt: skip
    return {**row, **other}
