"""The report of scored videos, `report.html`: one self-contained page that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe import __version__
from oddframe.atomic import replacing
from oddframe.report.curve import labelled_spans
from oddframe.report.style import clock, significant
from oddframe.report.svg import timeline
from oddframe.scoring.calibrate import Calibration
from oddframe.types import Event, FrameScores

JPEG_QUALITY = 82
STANDS_OUT = 2.0  # standard deviations above the normal mean from which a component is named as a reason


@dataclass(frozen=True)
class ReportVideo:
    """One video of a report.

    Attributes:
        scores: its scores.
        events: its events, in order of time.
        thumbnails: frame index -> (h, w, 3) uint8 BGR picture. The pictures of the events' peak frames are shown.
        labels: 0/1 per frame of the video if the truth is known; shaded in the timeline.
        overlay: path of the overlay video for a link, relative to the report.
        words: component -> its meaning in words, for the `why` of events.
    """

    scores: FrameScores
    events: Sequence[Event]
    thumbnails: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    labels: ArrayLike | None = None
    overlay: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)


def write_report(
    path: Path, *, title: str, videos: Sequence[ReportVideo], calibration: Calibration, card: Mapping[str, str]
) -> None:
    """Write the page atomically.

    Args:
        path: the .html file. Missing folders are created.
        title: heading of the page.
        videos: the videos in the order of the page.
        calibration: the origin of the threshold.
        card: short facts for the top of the page, name -> value, such as the detector and the bundle.
    """
    sections = "".join(_video(number, video, calibration.threshold) for number, video in enumerate(videos, start=1))
    style = files("oddframe.report").joinpath("report.css").read_text(encoding="utf-8")
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p class="lead">{_lead(videos)}</p>
<dl>{"".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in card.items())}</dl>
</header>
<main>
{_overview(videos)}
{sections}
{_threshold(calibration)}
</main>
<footer>Written by oddframe {__version__}. This page needs no files except the overlay videos that it links to.</footer>
</body>
</html>
"""
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number or 'no'} {noun}s"


def _lead(videos: Sequence[ReportVideo]) -> str:
    events = sum(len(video.events) for video in videos)
    seconds = sum(float(video.scores.time[-1]) for video in videos)
    hit = sum(bool(video.events) for video in videos)
    text = f"{_count(events, 'event')} in {_count(len(videos), 'video')}, {clock(seconds)} in all".capitalize()
    return f"{text}; {_count(len(videos) - hit, 'video')} without events." if 0 < hit < len(videos) else f"{text}."


def _overview(videos: Sequence[ReportVideo]) -> str:
    rows = []
    for number, video in enumerate(videos, start=1):
        overlay = f'<a href="{escape(quote(video.overlay))}">watch</a>' if video.overlay else "–"
        highest = significant(float(video.scores.score.max()))
        rows.append(
            f'<tr><th scope="row"><a href="#video-{number}">{escape(video.scores.video)}</a></th>'
            f'<td class="number">{clock(float(video.scores.time[-1]))}</td><td class="number">{len(video.events)}</td>'
            f'<td class="number">{highest}</td><td>{overlay}</td></tr>'
        )
    return (
        '<section class="scroll"><table><thead><tr><th scope="col">Video</th><th scope="col" class="number">Length</th>'
        '<th scope="col" class="number">Events</th><th scope="col" class="number">Highest score</th>'
        f'<th scope="col">Overlay</th></tr></thead><tbody>{"".join(rows)}</tbody></table></section>'
    )


def _video(number: int, video: ReportVideo, threshold: float) -> str:
    scores, info = video.scores, video.scores.info
    facts = [
        f"{info.width} × {info.height}",
        f"{info.fps:.3g} frames/s" if info.fps else "",
        f"{len(scores.frame)} frames scored",
        escape(info.codec),
        f'<a href="{escape(quote(video.overlay))}">overlay video</a>' if video.overlay else "",
    ]
    parts = [
        f'<section class="video" id="video-{number}"><h2>{escape(scores.video)}</h2>',
        f'<p class="dim">{" · ".join(fact for fact in facts if fact)}</p>',
    ]
    if info.damage:
        parts.append(f'<p class="warning">Damaged: {escape("; ".join(info.damage))}</p>')
    truth = [] if video.labels is None else labelled_spans(video.labels, scores.frame, scores.time)
    anchor = f"video-{number}-event"
    parts += [
        f'<div class="scroll">{timeline(scores, threshold, video.events, truth, anchor)}</div>',
        '<ul class="legend"><li><i class="score"></i>score</li><li><i class="threshold"></i>threshold</li>',
        '<li><i class="event"></i>event</li>' if video.events else "",
        '<li><i class="truth"></i>labelled anomalous</li>' if truth else "",
        "</ul>",
    ]
    if video.events:
        figures = (_figure(f"{anchor}-{i}", i, event, video) for i, event in enumerate(video.events, start=1))
        parts.append(f'<div class="gallery">{"".join(figures)}</div>')
    else:
        parts.append("<p>No event.</p>")
    return "".join([*parts, "</section>"])


def _figure(anchor: str, number: int, event: Event, video: ReportVideo) -> str:
    peak = clock(event.peak_s, 1)
    picture = video.thumbnails.get(event.peak_frame)
    shot = ""
    if picture is not None:
        alt = f"{video.scores.video} at {peak}, the peak of event {number}"
        shot = f'<div class="shot"><img alt="{escape(alt)}" src="{_data_uri(picture)}">{_box(event, video)}</div>'
    return (
        f'<figure id="{anchor}">{shot}<figcaption>'
        f"<b>{number}. {clock(event.start_s, 1)} – {clock(event.end_s, 1)}</b><br>"
        f"peak {peak}, frame {event.peak_frame}, score {significant(event.score)}{_why(event, video.words)}"
        "</figcaption></figure>"
    )


def _why(event: Event, words: Mapping[str, str]) -> str:
    """The components that stand out, in words, the most unusual one first."""
    found = sorted(((sigmas, name) for name, sigmas in event.why.items() if sigmas >= STANDS_OUT), reverse=True)
    phrases = [f"{escape(words.get(name, name.replace('_', ' ')))} ({sigmas:.3g} σ)" for sigmas, name in found]
    return f"<br>unusual in {'; '.join(phrases)}" if phrases else ""


def _box(event: Event, video: ReportVideo) -> str:
    """The box of the event as an HTML element that scales with the picture."""
    width, height = video.scores.info.width, video.scores.info.height
    if event.box is None:
        return ""
    left, top, right, bottom = event.box
    return (
        f'<i style="left:{left / width:.2%};top:{top / height:.2%};'
        f'width:{(right - left) / width:.2%};height:{(bottom - top) / height:.2%}"></i>'
    )


def _data_uri(picture: NDArray[np.uint8]) -> str:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode('ascii')}"


def _threshold(calibration: Calibration) -> str:
    """The section about the threshold: its origin in sentences, and quantiles of the held-out scores."""
    c = calibration
    if c.rate is None and c.quantile is None:
        origin = "was set by hand.</p>"
    else:
        aim = f"set so that this video raises no more than {c.rate or 0:.3g} alarms per hour"
        if c.quantile is not None:
            aim = f"the {c.quantile:g} quantile of this video's scores"
        origin = f"""was measured on {c.seconds / 60:.1f} minutes of normal video ({_count(c.videos, "piece")}) that the
detector was not trained on. It is {aim}. It raises {c.sentence()}.
No anomalous video was used.</p>
<p>This amount of normal video can count a limit of {c.lowest_rate:.3g} alarms per hour or more.
Hold out more normal video for a lower limit.</p>"""
    note = f'<p class="warning">{escape(c.note[:1].upper() + c.note[1:])}.</p>' if c.note else ""
    rows = [(f"{100 * float(share):g} %", value, "") for share, value in c.scores.items()]
    rows = sorted([*rows, ("threshold", c.threshold, ' class="chosen"')], key=lambda row: row[1])
    start = min(0.0, rows[0][1])
    extent = rows[-1][1] - start or 1.0
    table = "".join(
        f'<tr{mark}><th scope="row">{name}</th><td class="number">{significant(value)}</td>'
        f'<td class="bar"><i style="width:{(value - start) / extent:.1%}"></i></td></tr>'
        for name, value, mark in rows
    )
    return f"""<section id="threshold">
<h2>Where the threshold comes from</h2>
<p>The threshold of <b>{significant(c.threshold)}</b> {origin}
<p>An event lasts while the score is at least {significant(c.low)}, and its score reaches the threshold at least once.
Events at most {c.merge_s:g} s apart count as one.
{f"Events shorter than {c.min_s:g} s do not count." if c.min_s else ""}</p>
{note}
<div class="scroll"><table>
<caption>Scores of the held-out normal video: the share of its frames at or below each score</caption>
<thead><tr><th scope="col">Share of frames</th><th scope="col" class="number">Score</th><td></td></tr></thead>
<tbody>{table}</tbody></table></div>
</section>"""
