"""From a score per frame to events: hysteresis, merging, and the place in the picture."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oddframe.atomic import replacing
from oddframe.errors import InputError
from oddframe.types import Event, FrameScores, VideoInfo


def spans(
    time: NDArray[np.float64],
    score: NDArray[np.float64],
    threshold: float,
    low: float,
    merge_s: float = 2.0,
    min_s: float = 0.0,
) -> NDArray[np.int64]:
    """Where a score is abnormal: (E, 2) first and last position of every event, both inclusive.

    An event is a run of frames with score >= `low` of which at least one reaches `threshold`. Events at most `merge_s`
    seconds apart (last frame of one to first frame of the next) become one; then those that last less than `min_s`
    seconds (first to last frame) are dropped. Seconds are time stamps, so a variable frame rate does no harm.

    Args:
        time: (N,) seconds, increasing.
        score: (N,) scores.

    Raises:
        InputError: `low` lies above `threshold`.
    """
    if low > threshold:
        raise InputError(f"the low threshold {low:g} lies above the threshold {threshold:g}")
    inside = np.concatenate(([False], score >= low, [False]))
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    first, last = edges[0::2], edges[1::2] - 1
    reached = np.concatenate(([0], np.cumsum(score >= threshold)))
    alarm = reached[last + 1] > reached[first]
    first, last = first[alarm], last[alarm]
    if len(first):
        apart = time[first[1:]] - time[last[:-1]] > merge_s
        first, last = first[np.r_[True, apart]], last[np.r_[apart, True]]
    lasting = time[last] - time[first] >= min_s
    return np.stack([first[lasting], last[lasting]], axis=1)


def find_events(
    scores: FrameScores, threshold: float, low: float, merge_s: float = 2.0, min_s: float = 0.0
) -> list[Event]:
    """The events of one video in order of time; `spans` has the rule, `region` that of the box.

    Raises:
        InputError: `low` lies above `threshold`.
    """
    events = []
    for first, last in spans(scores.time, scores.score, threshold, low, merge_s, min_s):
        peak = first + int(np.argmax(scores.score[first : last + 1]))
        events.append(
            Event(
                video=scores.video,
                start_frame=int(scores.frame[first]),
                peak_frame=int(scores.frame[peak]),
                end_frame=int(scores.frame[last]),
                start_s=float(scores.time[first]),
                peak_s=float(scores.time[peak]),
                end_s=float(scores.time[last]),
                score=float(scores.score[peak]),
                box=None if scores.map is None else region(scores.map[peak], scores.info),
            )
        )
    return events


def region(grid: NDArray[np.floating], info: VideoInfo) -> tuple[int, int, int, int] | None:
    """The box around the highest place of an (h, w) anomaly map, in pixels of the displayed video.

    It encloses the cells that hang together with the maximum (side by side, not corner to corner) and are at least
    halfway from the map's median to its maximum. (left, top, right, bottom), right and bottom exclusive; None where the
    map is flat, for then no place stands out.
    """
    cells = np.asarray(grid, dtype=np.float64)
    highest, middle = cells.max(), np.median(cells)
    if not highest > middle:
        return None
    labels, _ = ndimage.label(cells >= (highest + middle) / 2)
    rows, columns = ndimage.find_objects(labels)[labels.flat[int(np.argmax(cells))] - 1]
    down, across = info.height / cells.shape[0], info.width / cells.shape[1]
    return (
        math.floor(columns.start * across),
        math.floor(rows.start * down),
        math.ceil(columns.stop * across),
        math.ceil(rows.stop * down),
    )


def write_events(path: Path, events: Iterable[Event]) -> None:
    """Write events as JSON lines: seconds to the millisecond, scores to seven significant digits."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for event in events:
            row = asdict(event)
            for name in ("start_s", "peak_s", "end_s"):
                row[name] = round(row[name], 3)
            row["score"] = float(f"{event.score:.7g}")
            row["why"] = {name: round(value, 2) for name, value in event.why.items()}
            file.write(json.dumps(row) + "\n")


def read_events(path: Path) -> list[Event]:
    """Read what `write_events` wrote.

    Raises:
        InputError: the file does not exist, or a line of it is not an event.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of events")
    events = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            box = row.pop("box")
            events.append(Event(**row, box=None if box is None else tuple(box)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{path}, line {number}: not an event ({error})") from error
    return events
