"""What scoring yields: scores and events in memory, and the files that people look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import write_text
from oddframe.bundle import Bundle
from oddframe.report.html import ReportVideo, write_report
from oddframe.report.overlay import write_overlay
from oddframe.report.thumbnails import grab_thumbnails
from oddframe.runtime.exported import Exported
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.combine import unusual
from oddframe.scoring.events import find_events, write_events
from oddframe.types import Combination, Event, FrameScores
from oddframe.video.sources import VideoSource

Skipped = tuple[VideoSource, str]


@dataclass(frozen=True)
class Scores:
    """Scores of one or more videos, under one threshold.

    Attributes:
        videos: scores, in the order of the videos.
        calibration: thresholds used by `events`.
        combination: how the score came of its components.
        skipped: videos that could not be scored, and why.
    """

    videos: tuple[FrameScores, ...]
    calibration: Calibration
    combination: Combination
    skipped: tuple[Skipped, ...] = ()

    def __iter__(self) -> Iterator[FrameScores]:
        return iter(self.videos)

    def __len__(self) -> int:
        return len(self.videos)

    def events(self) -> list[Event]:
        """All events, video by video, in order of time."""
        return [event for scores in self.videos for event in self.events_of(scores)]

    def events_of(self, scores: FrameScores) -> list[Event]:
        """The events of one of the videos."""
        c = self.calibration
        rows = {int(frame): row for row, frame in enumerate(scores.frame)}
        return [
            replace(event, why=unusual(scores.components, rows[event.peak_frame], self.combination, c.levels))
            for event in find_events(scores, c.threshold, c.low, c.merge_s, c.min_s)
        ]


def write_outputs(
    out: Path,
    trained: Bundle | Exported,
    scored: Scores,
    sources: Sequence[VideoSource],
    overlay: bool,
    force: bool,
    labels: Mapping[str, NDArray[np.int8]],
) -> None:
    """Write what people look at: `events.jsonl`, `overlays/NAME.mp4` and `report.html`, beside `scores/`.

    Overlays of an unchanged score and threshold are kept unless `force`.
    """
    write_events(out / "events.jsonl", scored.events())
    videos = []
    for scores, source in zip(scored, sources, strict=True):
        events = scored.events_of(scores)
        picture = out / "overlays" / f"{scores.video}.mp4"
        if overlay:
            _overlay(picture, source, scores, scored.calibration, events, trained.id, force)
        thumbnails = grab_thumbnails(source, [event.peak_frame for event in events])
        link = picture.relative_to(out).as_posix() if picture.is_file() else None
        truth, words = labels.get(scores.video), trained.outline.reported
        videos.append(ReportVideo(scores, events, thumbnails, truth, link, words))
    card = {
        "Detector": f"{trained.recipe.model}, preset {trained.recipe.preset}",
        "Recipe": trained.recipe.name,
        "Bundle": f"{trained.path.name} ({trained.id})",
        "Look-ahead": trained.outline.latency,
    }
    write_report(out / "report.html", title="Events", videos=videos, calibration=scored.calibration, card=card)


def _overlay(
    path: Path,
    source: VideoSource,
    scores: FrameScores,
    calibration: Calibration,
    events: list[Event],
    bundle: str,
    force: bool,
) -> None:
    """An overlay video, and beside it the state it was made from, so that it is made again only when that changes."""
    state = json.dumps({"bundle": bundle, "threshold": calibration.threshold, "events": len(events)})
    stamp = path.with_name(f".{path.stem}.json")
    if not force and path.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_overlay(path, source, scores, calibration.threshold, events)
    write_text(stamp, state)
