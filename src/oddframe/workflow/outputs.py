"""The files that people look at: events, overlay videos and the report, beside the score files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import write_text
from oddframe.bundle import TrainedDetector
from oddframe.report.html import ReportVideo, write_report
from oddframe.report.overlay import write_overlay
from oddframe.report.thumbnails import grab_thumbnails
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.events import write_events
from oddframe.types import Event, FrameScores
from oddframe.video.sources import VideoSource
from oddframe.workflow.scores import Scores


@dataclass(frozen=True)
class OutputOptions:
    """What scoring writes into its folder besides score files.

    Attributes:
        pages: write events, overlays and the report; without it score files alone are written.
        overlay: write overlay videos.
        force: score again, and draw again, what the folder already holds.
        labels: video name -> (N,) 0/1 per frame, shown in the report where the truth is known.
    """

    pages: bool = True
    overlay: bool = True
    force: bool = False
    labels: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)


def write_outputs(out: Path, trained: TrainedDetector, scores: Scores, options: OutputOptions) -> None:
    """Write `events.jsonl`, `overlays/NAME.mp4` and `report.html`, beside `scores/`.

    Overlays of an unchanged score and threshold are kept unless `force`.

    Raises:
        CalibrationError: the scores have no threshold.
    """
    calibration = scores.threshold()
    write_events(out / "events.jsonl", scores.events())
    videos = []
    for own, source in zip(scores, scores.sources, strict=True):
        events = scores.events_of(own)
        picture = out / "overlays" / f"{own.video}.mp4"
        if options.overlay:
            _overlay(picture, source, own, calibration, events, options.force)
        thumbnails = grab_thumbnails(source, [event.peak_frame for event in events])
        link = picture.relative_to(out).as_posix() if picture.is_file() else None
        truth, words = options.labels.get(own.video), trained.outline.reported
        videos.append(ReportVideo(own, events, thumbnails, truth, link, words))
    card = {
        "Detector": f"{trained.recipe.model}, preset {trained.recipe.preset}",
        "Recipe": trained.recipe.name,
        "Bundle": f"{trained.path.name} ({trained.id})",
        "Look-ahead": trained.outline.latency,
    }
    agreement = scores.against_promise()
    if agreement is not None:
        card["Promise"] = agreement.sentence
    write_report(out / "report.html", title="Events", videos=videos, calibration=calibration, card=card)


def _overlay(
    path: Path,
    source: VideoSource,
    scores: FrameScores,
    calibration: Calibration,
    events: Sequence[Event],
    force: bool,
) -> None:
    """An overlay video, and beside it the state it was made from, so that it is made again only when that changes."""
    state = json.dumps({"bundle": scores.bundle, "threshold": calibration.threshold, "events": len(events)})
    stamp = path.with_name(f".{path.stem}.json")
    if not force and path.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_overlay(path, source, scores, calibration.threshold, list(events))
    write_text(stamp, state)
