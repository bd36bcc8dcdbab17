"""What tests of the review page look at: scored videos with maps, without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.testclient import TestClient

from oddframe.scoring.calibrate import Calibration, calibrate
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.events import write_events
from oddframe.scoring.files import save_scores
from oddframe.scoring.findings import write_findings
from oddframe.scoring.origin import Origin
from oddframe.scoring.smooth import Smoothing
from oddframe.server.library import Library
from oddframe.types import Combination, FrameScores
from oddframe.video.decode import VideoReader, probe
from oddframe.video.encode import VideoWriter
from oddframe.video.identity import content_key
from oddframe.video.sources import VideoSource
from oddframe.workflow.scores import Scores

BUNDLE = "b0b0b0b0b0b0"
SIZE, FPS = (64, 96), 25.0
PEAKS = (50, 150)  # frames at which the score is highest; the second is higher
COMBINATION = Combination({"look": 1.0})
HERE = "http://127.0.0.1:8400"
OpenPage = Callable[..., "Page"]


def write_video(path: Path, frames: int = 200, times: NDArray[np.float64] | None = None) -> Path:
    """A square that moves; its place tells the number of the frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, SIZE, None if times is not None else FPS, threads=1) as writer:
        for number in range(frames):
            image = np.full((*SIZE, 3), 40, np.uint8)
            left = number % (SIZE[1] - 16)
            image[20:36, left : left + 16] = (0, 160, 240)
            writer.write(image, None if times is None else float(times[number]))
    return path


def calibration(threshold: float = 4.0) -> Calibration:
    """Thresholds of a detector whose scores on normal video lie from 0 to 1."""
    time = np.arange(60, dtype=np.float64)
    calm = calibrate([(time, np.linspace(0, 1, 60))], quantile=0.9, merge_s=0.5, min_s=0)
    return replace(calm, threshold=threshold, low=min(threshold, 2.0), levels={"look": (0.5, 0.25)})


def scores_of(video: Path | VideoSource, name: str, peaks: tuple[int, ...] = PEAKS) -> FrameScores:
    """Scores with a map of a video: one event around each peak."""
    source = video if isinstance(video, VideoSource) else VideoSource(name, video, "file")
    with VideoReader(source) as reader:
        time = np.array([frame.time for frame in reader])
    score = np.full(len(time), 0.5)
    maps = np.full((len(time), 8, 12), 0.1, np.float16)
    for place, peak in enumerate(peaks):
        around = np.arange(max(0, peak - 5), min(len(time), peak + 6))
        score[around] = 5.0 + place
        score[peak] = 6.0 + place
        maps[around, 2 + place, 3 + 4 * place] = 2.0
        maps[peak, 2 + place, 3 + 4 * place] = 3.0
    info = replace(probe(source), name=name, key=content_key(source), frames=len(time))
    return FrameScores(name, np.arange(len(time)), time, {"look": score}, score, info, BUNDLE, maps)


def write_scored(
    folder: Path, videos: Mapping[str, Path | VideoSource], threshold: float = 4.0, peaks: tuple[int, ...] = PEAKS
) -> Scores:
    """What `oddframe score --out FOLDER` leaves of these videos, without pages."""
    found = tuple(scores_of(video, name, peaks) for name, video in videos.items())
    scores = Scores(found, calibration(threshold), COMBINATION)
    for one in found:
        save_scores(one, folder / "scores")
    rule = ScoreRule(COMBINATION, Smoothing(), {"look": (0.5, 0.25)})
    Origin("toy", BUNDLE, rule, "", calibration(threshold)).save(folder / "scores")
    write_events(folder / "events.jsonl", scores.events())
    write_findings(folder / "findings.jsonl", scores.findings())
    return scores


class Page:
    """What the page does: it asks, and it writes with its CSRF token."""

    def __init__(self, client: TestClient, library: Library) -> None:
        self.client, self.library = client, library
        self.csrf = client.get("/api/session").json().get("csrf", "")

    def get(self, path: str, status: int = 200, **params: Any) -> Any:
        answer = self.client.get(f"/api/{path}", params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    def send(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self.client.request(method, f"/api/{path}", json=body, headers={"X-CSRF-Token": self.csrf})
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self.send("POST", path, body, status)
