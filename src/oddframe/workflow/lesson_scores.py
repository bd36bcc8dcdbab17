"""How detectors see lessons: the components of their videos, the events of people in them, and what is normal video.

A lesson is never judged by a detector that has taken it in. `cross` divides the lessons into folds and scores each fold
by a detector that has taken in the others. What people mark together often belongs together, so a fold is a stretch of
time, and all lessons of a video are in one fold unless there is but one video.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.bundle import Bundle
from oddframe.disk import whole_archive
from oddframe.errors import VideoError
from oddframe.live.names import safe_name
from oddframe.models.ignored import IgnoredPlace
from oddframe.models.teaching import ShownEvent
from oddframe.progress import ProgressCall
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.combine import Components, ScoreRule, unusual
from oddframe.scoring.events import region
from oddframe.scoring.files import load_scores, score_path, stored_identity
from oddframe.scoring.heldout_store import HeldOutScores
from oddframe.scoring.open_scorer import open_scorer, score_identity
from oddframe.types import FrameScores
from oddframe.workflow.lessons import Footage, Lessons, MarkedEvent, by_footage
from oddframe.workflow.taking_in import PAD, taught_detector

FOLDS = 5
ARRIVED = "%Y-%m-%dT%H-%M-%S.%fZ"  # how `oddframe.live.scores` names a file by its first frame
EDGE = 2.0  # seconds beside an event that are not normal video either: a smoothed score needs time to fall
FEWEST = 5  # frames of a piece of normal video


@dataclass(frozen=True)
class Sight:
    """What a detector says of footage: N consecutive scored frames.

    Attributes:
        time: (N,) seconds.
        components: name -> (N,).
        boxes: id of each lesson -> the box where the detector saw most while it lasted, or None.
        size: (width, height) of the picture.
        fps: that were assumed for frames without time stamps; None where times are known.
    """

    time: NDArray[np.float64]
    components: Components
    boxes: Mapping[str, tuple[int, int, int, int] | None]
    size: tuple[int, int]
    fps: float | None = None


Sights = dict[str, Sight]
"""Key of footage -> what a detector says of it."""


class Watching:
    """Scores the footage of lessons, and keeps a line for what can no longer be read.

    Args:
        folder: of an earlier `oddframe score --out`; scores of the same content and detector are taken from there.
    """

    def __init__(self, rule: ScoreRule, show: ProgressCall | None = None, folder: Path | None = None) -> None:
        self.rule, self.show, self.folder = rule, show, folder
        self.lost: dict[str, str] = {}

    def look(self, bundle: Bundle, lessons: Sequence[MarkedEvent], what: str, stored: bool = False) -> Sights:
        """What a detector says of the footage of all these lessons.

        Args:
            what: stands in front of the progress.
            stored: this is the detector on disk, and scores that it gave before may be taken.
        """
        scorer = open_scorer(bundle, RuntimeOptions(), self.rule)
        identity = score_identity(bundle, RuntimeOptions(), self.rule)
        found: Sights = {}
        for key, (footage, own) in by_footage(lessons).items():
            name = f"{what}: {footage.source.name}"
            try:
                scores = self._before(footage, identity) if stored else None
                if scores is None:
                    scores = scorer.score(footage.source, None if self.show is None else partial(self.show, name))
            except VideoError as error:
                self.lost[key] = str(error)
                continue
            boxes = {}
            for lesson in own:
                rows = _rows(scores.time, lesson)
                box = None
                if len(rows) and scores.map is not None:
                    box = region(scores.map[rows[int(scores.score[rows].argmax())]], scores.info)
                boxes[lesson.id] = box
            fps = scores.info.fps if scores.info.rate == "assumed" else None
            found[key] = Sight(scores.time, scores.components, boxes, (scores.info.width, scores.info.height), fps)
        return found

    def _before(self, footage: Footage, identity: str) -> FrameScores | None:
        """The scores that the folder holds of this footage, made by this detector; None without any."""
        if self.folder is None:
            return None
        path = score_path(self.folder / "scores", footage.source.name)
        if stored_identity(path) != (identity, footage.key) or not whole_archive(path):
            return None
        return load_scores(path)

    def cross(self, bundle: Bundle, lessons: Sequence[MarkedEvent], zones: Sequence[IgnoredPlace]) -> Sights:
        """What is said of lessons, folds of which `folds_of` makes, by detectors that have taken in the other folds."""
        found: Sights = {}
        folds = folds_of(lessons)
        for number, fold in enumerate(folds, 1):
            others = [one for one in lessons if one not in fold]
            sights = self.look(taught_detector(bundle, others, zones, self.show)[0], fold, f"fold {number}")
            for key, seen in sights.items():
                own = [one for one in fold if one.footage.key == key]
                found[key] = seen if key not in found else _spliced(found[key], seen, own)
        return found


def folds_of(lessons: Sequence[MarkedEvent]) -> list[list[MarkedEvent]]:
    """At most `FOLDS` folds with a normal lesson each: of whole videos, or of lessons where there is only one video.

    Fewer than two mean that nothing can be held out. Lessons are in order of time, and so are folds.
    """
    units = [list(own) for _, own in by_footage(lessons).values()]
    if sum(any(one.normal for one in unit) for unit in units) < 2:
        units = [[one] for one in lessons]
    folds: list[list[MarkedEvent]] = []
    total, before = sum(any(one.normal for one in unit) for unit in units), 0
    for unit in units:
        place = min(before, max(total - 1, 0)) * min(FOLDS, total) // max(total, 1)
        if len(folds) <= place:
            folds.append([])
        folds[-1] += unit
        before += any(one.normal for one in unit)
    return folds


def _spliced(first: Sight, second: Sight, lessons: Sequence[MarkedEvent]) -> Sight:
    """`first`, with what `second` says around these lessons, which the detector of `first` has taken in."""
    there = np.zeros(len(first.time), bool)
    for lesson in lessons:
        there |= (first.time >= lesson.start - PAD - EDGE) & (first.time <= lesson.stop + PAD + EDGE)
    mixed = {name: np.where(there, second.components[name], values) for name, values in first.components.items()}
    return replace(first, components=mixed, boxes={**first.boxes, **second.boxes})


def normal_pieces(sights: Sights, lessons: Iterable[MarkedEvent], taken: bool = False) -> list[HeldOutScores]:
    """The normal video in footage: all but the events, and `EDGE` seconds beside them, that nobody called normal.

    Args:
        taken: the detector has taken in the normal lessons themselves, so that they are left out as well.
    """
    pieces: list[HeldOutScores] = []
    for key, (footage, own) in by_footage(lessons).items():
        if key in sights and footage.whole:  # a clip is no sample of hours
            learned = [(one.start - PAD, one.stop + PAD) for one in own if one.normal and taken]
            pieces += _open_pieces(sights[key], [*footage.shut, *learned])
    return pieces


def _open_pieces(seen: Sight, shut: Iterable[tuple[float, float]]) -> list[HeldOutScores]:
    kept = np.ones(len(seen.time), bool)
    for start, stop in shut:
        kept &= (seen.time < start - EDGE) | (seen.time > stop + EDGE)
    edges = np.flatnonzero(np.diff(np.r_[False, kept, False].astype(np.int8)))
    return [
        (seen.time[first:last], {name: values[first:last] for name, values in seen.components.items()})
        for first, last in zip(edges[::2], edges[1::2], strict=True)
        if last - first >= FEWEST
    ]


def watched_pieces(
    folder: Path | None, lessons: Lessons, until: float | None = None, taken: bool = False
) -> list[HeldOutScores]:
    """The normal hours of watched cameras: the scores that `watch` has kept, without what is no normal video.

    Args:
        folder: that `watch` wrote into; None where the store lies elsewhere.
        until: seconds since 1970; nothing after that counts.
        taken: leave out the events that were marked as normal as well, which the detector sees in another way now.
    """
    pieces: list[HeldOutScores] = []
    end = inf if until is None else until
    if folder is None:
        return pieces
    for camera in sorted({span.camera for span in lessons.live}):
        spans = [span for span in lessons.live if span.camera == camera and (taken or not span.normal)]
        for path in sorted((folder / "scores" / safe_name(camera)).glob("*.npz")):
            identity = stored_identity(path)
            if identity is None or identity[0] not in lessons.ids:
                continue
            scores = load_scores(path, with_map=False)
            begun = datetime.strptime(path.stem, ARRIVED).replace(tzinfo=UTC).timestamp() - float(scores.time[0])
            seen = Sight(scores.time, scores.components, {}, (scores.info.width, scores.info.height))
            shut = [(span.start - begun, span.stop - begun) for span in spans]
            pieces += _open_pieces(seen, [*shut, (end - begun, inf)])
    return pieces


@dataclass(frozen=True)
class Judged:
    """A lesson as a detector sees it: its highest smoothed score, and what it shows there."""

    lesson: MarkedEvent
    score: float
    shown: ShownEvent


def judge_lessons(
    sights: Sights, lessons: Iterable[MarkedEvent], rule: ScoreRule, calibration: Calibration
) -> list[Judged]:
    """Every lesson whose footage was seen, in order."""
    found = []
    for lesson in lessons:
        seen = sights.get(lesson.footage.key)
        rows = np.empty(0, np.int64) if seen is None else _rows(seen.time, lesson)
        if seen is None or not len(rows):
            continue
        score = rule(seen.components, seen.time)
        peak = int(rows[int(score[rows].argmax())])
        why = unusual(seen.components, peak, rule.combination, calibration.levels)
        found.append(Judged(lesson, float(score[peak]), ShownEvent(why, seen.boxes.get(lesson.id), seen.size)))
    return found


def _rows(time: NDArray[np.float64], lesson: MarkedEvent) -> NDArray[np.int64]:
    """Numbers of the frames of a lesson."""
    return np.flatnonzero((time >= lesson.start - 1e-6) & (time <= lesson.stop + 1e-6))
