"""The files that people look at: events, overlay videos and the report, beside the score files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import oddframe
from oddframe.atomic import beside, write_text
from oddframe.bundle import TrainedDetector
from oddframe.errors import VideoError
from oddframe.report.html import write_report
from oddframe.report.moments import load_moments, nearest_moment
from oddframe.report.overlay import write_overlay
from oddframe.report.ranking import ReportVideo
from oddframe.report.thumbnails import grab_thumbnails
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.events import write_events
from oddframe.scoring.findings import write_findings
from oddframe.types import Event, FrameScores
from oddframe.video.sources import VideoSource, refuse_name
from oddframe.workflow.began import recording_began
from oddframe.workflow.event_clips import write_clips
from oddframe.workflow.scores import Scores, Skipped


@dataclass(frozen=True)
class OutputOptions:
    """What scoring writes into its folder besides score files.

    Attributes:
        pages: write events, overlays and the report; without it score files alone are written.
        overlay: write overlay videos.
        clips: write a clip of each event.
        force: score again, and draw again, what the folder already holds.
        labels: video name -> (N,) 0/1 per frame, shown in the report where the truth is known.
    """

    pages: bool = True
    overlay: bool = True
    clips: bool = False
    force: bool = False
    labels: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)


def write_outputs(out: Path, trained: TrainedDetector, scores: Scores, options: OutputOptions) -> list[Skipped]:
    """Write `events.jsonl`, `findings.jsonl`, `overlays/NAME.mp4`, `clips/` and `report.html`, beside `scores/`.

    An overlay is kept, unless `force`, where it shows these very scores, events and thresholds of this content. One
    that shows others is drawn again, or, where no overlays are drawn, not linked by the report.

    Returns:
        The videos that are gone or broken since they were scored, and why: their scores and events are in the report,
        their pictures are not.

    Raises:
        CalibrationError: the scores have no threshold.
    """
    calibration = scores.threshold()
    write_events(out / "events.jsonl", scores.events())
    write_findings(out / "findings.jsonl", scores.findings())
    videos, moments, undrawn = [], load_moments(trained.path), list[Skipped]()
    for own, source in zip(scores, scores.sources, strict=True):
        events = scores.events_of(own)
        picture = out / "overlays" / f"{own.video}.mp4"
        state = _drawing(own, calibration, events)
        thumbnails, clips = {}, dict[str, Path]()
        try:
            if options.overlay and (options.force or not _shows(picture, state)):
                refuse_name(out / "overlays", source, (".mp4",))
                _draw(picture, source, own, calibration, events, state)
            thumbnails = grab_thumbnails(source, [event.peak_frame for event in events])
            if options.clips:
                clips = write_clips(out / "clips", source, own, events, options.force)
        except VideoError as error:
            undrawn.append((source, f"scored, but not drawn ({error})"))
        link = picture.relative_to(out).as_posix() if _shows(picture, state) else None
        truth, words = options.labels.get(own.video), trained.outline.reported
        nearest = {frame: nearest_moment(moments, shot) for frame, shot in thumbnails.items()} if moments else {}
        faults = scores.findings_of(own)
        linked = {event: clip.relative_to(out).as_posix() for event, clip in clips.items()}
        began, used = recording_began(source), scores.seconds_chosen(own)
        videos.append(
            ReportVideo(
                own, events, thumbnails, truth, link, words, nearest, faults, clips=linked, began=began,
                calibrations=used,
            )
        )  # fmt: skip
    card = {
        "Detector": f"{trained.recipe.model}, preset {trained.recipe.preset}",
        "Recipe": trained.recipe.name,
        "Bundle": f"{trained.path.name} ({trained.id})",
        "Look-ahead": trained.outline.latency,
    }
    if scores.notes:
        card["Notes"] = "; ".join(scores.notes)
    doubts = (*scores.doubts(), *trained.data.notes)
    write_report(
        out / "report.html",
        title="Events",
        videos=videos,
        calibration=calibration,
        card=card,
        doubts=doubts,
        agreement=scores.against_promise(),
    )
    return undrawn


def _drawing(scores: FrameScores, calibration: Calibration, events: Sequence[Event]) -> str:
    """All that decides on what an overlay shows, as a line of JSON. Maps depend on content and bundle alone."""
    drawn = hashlib.sha256()
    for values in (scores.frame, scores.time, scores.score):
        drawn.update(np.ascontiguousarray(values).data)
    drawn.update(repr([asdict(event) for event in events]).encode())
    state = {
        "oddframe": oddframe.__version__,
        "video": scores.info.key,
        "bundle": scores.bundle,
        "threshold": calibration.threshold,
        "drawn": drawn.hexdigest()[:16],
    }
    return json.dumps(state)


def _shows(path: Path, state: str) -> bool:
    """Whether there is an overlay that was drawn from `state`; `_draw` keeps that beside it."""
    stamp = _stamp(path)
    return path.is_file() and stamp.is_file() and stamp.read_bytes() == state.encode()


def _draw(
    path: Path, source: VideoSource, scores: FrameScores, calibration: Calibration, events: Sequence[Event], state: str
) -> None:
    """Write an overlay video and then its state. That of an older one goes first: it must not vouch for this one."""
    _stamp(path).unlink(missing_ok=True)
    write_overlay(path, source, scores, calibration.threshold, list(events))
    write_text(_stamp(path), state)


def _stamp(path: Path) -> Path:
    return beside(path, ".json")
