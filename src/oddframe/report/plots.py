"""Plots for papers and web pages, drawn by matplotlib without a display: timelines, ROC curves, the demo picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle
from numpy.typing import ArrayLike, NDArray

from oddframe.atomic import replacing
from oddframe.evaluation.auc import roc_auc
from oddframe.report.curve import gaps, labelled_spans, pieces, time_ticks
from oddframe.report.heat import Heat
from oddframe.report.style import EVENT, INK, NORMAL, SCORE, SERIES, THRESHOLD, TRUTH, clock
from oddframe.report.thumbnails import grab_thumbnails
from oddframe.report.units import ThresholdUnits
from oddframe.types import Event, FrameScores, runs
from oddframe.video.sources import VideoSource

DPI = 150
SHOTS = 4
GAP = "#9aa3ad"
LINES = ("-", "--", "-.", ":")  # a curve has a colour and a kind of line, so that a print in grey tells them apart


def plot_timeline(
    path: Path, scores: FrameScores, units: ThresholdUnits, events: Sequence[Event], labels: ArrayLike | None = None
) -> None:
    """Write a PNG of the score curve of a video in units of the threshold, with the normal range and the events.

    `labels` (0/1 per frame) are shaded.
    """
    figure = _figure(9, 2.6)
    _timeline(figure.add_subplot(), scores, units, events, labels)
    figure.tight_layout()
    _save(figure, path)


def plot_rocs(
    path: Path,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    title: str = "",
    points: Mapping[str, tuple[float, float]] | None = None,
) -> None:
    """Write a PNG of several ROC curves with their AUC, the diagonal of chance, and where the thresholds lie.

    Args:
        path: the .png file.
        curves: name -> (N,) labels of 0 and 1, both of which must occur, and (N,) scores.
        title: of the plot.
        points: name of a curve -> false and true positive rate at its threshold; see `operating_point`.
    """
    figure = _figure(5, 5)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, alpha=0.5, linestyle=(0, (2, 3)), label="chance  0.500")
    for number, (name, (labels, scores)) in enumerate(curves.items()):
        area = roc_auc(np.asarray(labels) > 0, np.asarray(scores, dtype=np.float64))
        colour, line = SERIES[number % len(SERIES)], LINES[number % len(LINES)]
        axes.plot(
            *_roc_points(labels, scores), color=colour, linestyle=line, linewidth=1.4, clip_on=False,
            label=f"{name}  {area:.3f}",
        )  # fmt: skip
        if points and name in points:
            axes.plot(
                *points[name], "o", color=colour, markersize=6, markeredgecolor="white", clip_on=False, zorder=5,
                label=f"{name}, at its threshold",
            )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="false positive rate", ylabel="true positive rate")
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(loc="lower right", fontsize=8, frameon=True, framealpha=0.85, edgecolor="none")
    _bare(axes)
    figure.tight_layout()
    _save(figure, path)


def operating_point(labels: ArrayLike, scores: ArrayLike, threshold: float) -> tuple[float, float]:
    """False and true positive rate of frames at a threshold.

    Args:
        labels: (N,) of 0 and 1, both of which must occur.
        scores: (N,).
    """
    truth, above = np.asarray(labels) > 0, np.asarray(scores, np.float64) >= threshold
    return float(above[~truth].mean()), float(above[truth].mean())


def _roc_points(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true positive rates at every threshold, from 0 to 1. Equal scores make one step."""
    truth, values = np.asarray(labels) > 0, np.asarray(scores, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    last_of_ties = np.r_[np.flatnonzero(np.diff(values[order])), len(values) - 1]
    hits = np.r_[0, np.cumsum(truth[order])[last_of_ties]] / truth.sum()
    alarms = np.r_[0, np.cumsum(~truth[order])[last_of_ties]] / (~truth).sum()
    return alarms, hits


def demo_picture(
    path: Path,
    source: VideoSource,
    scores: FrameScores,
    units: ThresholdUnits,
    events: Sequence[Event],
    labels: ArrayLike | None = None,
) -> None:
    """Write one picture that shows what oddframe does: frames with their heat above the score curve.

    The picture has a row of frames in order of time: the peaks of the strongest events, and frames from the longest
    normal stretches. A line connects each frame to its place on the timeline.

    Args:
        path: the .png file.
        source: the scored video.
        scores: its scores. If they have maps, the frames show heat.
        units: of the threshold of `events`.
        events: the events of the video.
        labels: 0/1 per frame of the video; the labelled stretches are shaded.
    """
    shown = _chosen_frames(scores, events, labels)
    pictures = grab_thumbnails(source, [int(scores.frame[position]) for position in shown], width=480)
    heat = Heat(scores, units.one) if scores.map is not None else None

    width, gap, left, right = 10.0, 0.012, 0.052, 0.988  # the width is in inches, the others are fractions of it
    across = (right - left - gap * (len(shown) - 1)) / max(len(shown), 2)
    down = across * width * scores.info.height / scores.info.width
    height = down + 2.75
    figure = _figure(width, height)
    curve = figure.add_axes((left, 0.62 / height, right - left, 1.6 / height))
    _timeline(curve, scores, units, events, labels)
    for column, (position, number) in enumerate(shown.items()):
        frame, time = int(scores.frame[position]), float(scores.time[position])
        colour = EVENT if number else SCORE
        shot = figure.add_axes((left + column * (across + gap), 1 - (down + 0.26) / height, across, down / height))
        picture = heat.blend(pictures[frame], position) if heat else pictures[frame]
        shot.imshow(picture[:, :, ::-1], extent=(0, scores.info.width, scores.info.height, 0), aspect="auto")
        shot.set(xticks=[], yticks=[])
        shot.spines[:].set(color=colour, linewidth=1.6)
        what = f"event {number}" if number else "normal"
        shot.set_title(f"{clock(time, 1)}  {what}", color=colour, fontsize=9, loc="left", pad=4)
        box = events[number - 1].box if number else None
        if box is not None:
            corner, extent = box[:2], (box[2] - box[0], box[3] - box[1])
            shot.add_patch(Rectangle(corner, *extent, fill=False, edgecolor=EVENT, linewidth=1.4))
        place = (time, max(units(float(scores.score[position])), 0.0))
        thread = ConnectionPatch(
            (0.5, 0), place, shot.transAxes, curve.transData, color=colour, linewidth=0.9, alpha=0.6, shrinkA=1
        )
        figure.add_artist(thread)
        curve.plot(*place, "o", markersize=4, color=colour)
    _save(figure, path)


def _chosen_frames(scores: FrameScores, events: Sequence[Event], labels: ArrayLike | None) -> dict[int, int]:
    """Positions of the frames to show, in order: position -> number of the event whose peak it is, 0 if normal."""
    numbered = sorted(enumerate(events, start=1), key=lambda pair: -pair[1].score)[: SHOTS - 1]
    shown = {int(np.searchsorted(scores.frame, event.peak_frame)): number for number, event in numbered}
    calm = np.ones(len(scores.frame), dtype=bool)
    for start, end in [*((e.start_s, e.end_s) for e in events), *_truth(scores, labels)]:
        calm &= (scores.time < start) | (scores.time > end)
    stretches = sorted(runs(calm), key=len, reverse=True)[: SHOTS - len(shown)]
    shown |= {(stretch.start + stretch.stop - 1) // 2: 0 for stretch in stretches}
    return dict(sorted(shown.items()))


def _timeline(
    axes: Axes, scores: FrameScores, units: ThresholdUnits, events: Sequence[Event], labels: ArrayLike | None
) -> None:
    duration = max(float(scores.time[-1]), 1e-9)
    high = 1.08 * max(1.1, float(units(scores.score).max()))
    if units.normal is not None and units.normal > 0:
        axes.axhspan(0, units.normal, color=NORMAL, alpha=0.16, linewidth=0, label="normal range")
    for number, (start, end) in enumerate(_truth(scores, labels)):
        axes.axvspan(start, end, color=TRUTH, alpha=0.25, linewidth=0, label="_" * (number > 0) + "labelled anomalous")
    for number, (start, end) in enumerate(gaps(scores.time, duration / 500)):
        axes.axvspan(
            start, end, facecolor="none", edgecolor=GAP, hatch="////", linewidth=0,
            label="_" * (number > 0) + "not watched",
        )  # fmt: skip
    for number, event in enumerate(events):
        axes.plot(
            [event.start_s, event.end_s],
            [0, 0],
            color=EVENT,
            linewidth=5,
            solid_capstyle="butt",
            label="_" * (number > 0) + "event",
        )
    axes.axhline(1.0, color=THRESHOLD, linewidth=1.1, linestyle=(0, (5, 3)), label="threshold")
    for number, (time, score) in enumerate(pieces(scores.time, scores.score)):
        axes.plot(time, np.maximum(units(score), 0.0), color=SCORE, linewidth=1.4, label="_" * (number > 0) + "score")
    axes.set(xlim=(0, duration), ylim=(0, high), ylabel="score / threshold")
    ticks = time_ticks(duration)
    axes.set_xticks(ticks, [clock(tick, 1 if tick % 1 else 0) for tick in ticks])
    axes.legend(loc="upper right", bbox_to_anchor=(1, -0.12), ncols=6, frameon=False, fontsize=8, handlelength=1.6)
    _bare(axes)


def _truth(scores: FrameScores, labels: ArrayLike | None) -> list[tuple[float, float]]:
    return [] if labels is None else labelled_spans(labels, scores.frame, scores.time)


def _bare(axes: Axes) -> None:
    """Remove decoration from the axes."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=INK, alpha=0.35)
    axes.tick_params(labelsize=8, color="#b4bac1", labelcolor=INK)
    axes.xaxis.label.set(size=9, color=INK)
    axes.yaxis.label.set(size=9, color=INK)


def _figure(width: float, height: float) -> Figure:
    """A figure of this size in inches, drawn by Agg and independent of pyplot."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", facecolor="white")
