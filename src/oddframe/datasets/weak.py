"""Weakly labelled data sets, which have one label per video, and their readers by name.

Training needs one label per video. Evaluation also needs the anomalous frames of the test videos. Both come from lists
and annotation files; no video is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.suggest import among, near
from oddframe.types import Interval

Rule = Literal["exclusive", "rtfm", "sultani", "seominseok"]

NORMAL, ANOMALY = "Normal", "Anomaly"
"""The category of normal videos, and of anomalous ones whose class is not known."""

READERS = {
    "ucf-crime": "oddframe.datasets.ucf_crime:read_ucf_crime",
    "xd-violence": "oddframe.datasets.xd_violence:read_xd_violence",
    "shanghaitech-weak": "oddframe.datasets.shanghaitech_weak:read_shanghaitech_weak",
    "csv": "oddframe.datasets.weak_csv:read_csv_set",
}


@dataclass(frozen=True)
class WeakVideo:
    """A video with one label.

    Attributes:
        name: file name without suffix, or a relative path if the list gives one.
        label: 1 if the video contains an anomaly, otherwise 0.
        category: "Normal", or the class of the anomaly; several classes are joined by "+".
        intervals: the anomalous stretches; () for a normal video; None if only the label of the video is known. If
            the annotation does not say how it counts frames, these are its numbers unchanged, and a `Rule` interprets
            them.
        frames: number of frames of the video; None if unknown.
        exact: `intervals` is unambiguous, so every rule interprets it in the same way.
    """

    name: str
    label: int
    category: str
    intervals: tuple[Interval, ...] | None = None
    frames: int | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        if self.label not in (0, 1):
            raise InputError(f"{self.name}: the label of a video is 0 (normal) or 1 (anomalous), not {self.label}")
        if self.label == 0 and self.intervals:
            raise InputError(f"{self.name}: labelled normal, but with anomalous frames; correct one of the two")
        if self.label == 0 and self.intervals is None:
            object.__setattr__(self, "intervals", ())
        if self.label == 1 and self.intervals == ():
            raise InputError(
                f"{self.name}: labelled anomalous, but without anomalous frames; leave them unknown (None)"
            )

    @property
    def categories(self) -> tuple[str, ...]:
        """The classes as a tuple."""
        return tuple(self.category.split("+"))


@dataclass(frozen=True)
class Published:
    """Published numbers of a data set, for comparison with the files at hand.

    Attributes:
        train, test: numbers of (anomalous, normal) videos.
        frames, positives: test frames, and the anomalous ones among them, in the ground truth of public code.
        made: how that ground truth was made.
    """

    train: tuple[int, int]
    test: tuple[int, int]
    frames: int
    positives: int
    made: str

    def compare_videos(self, train: Collection[WeakVideo], test: Collection[WeakVideo]) -> tuple[str, ...]:
        """A note for each part that has other numbers of videos. Missing parts get no note."""
        notes = []
        for name, videos, expected in (("training", train, self.train), ("test", test, self.test)):
            found = (sum(v.label for v in videos), sum(1 - v.label for v in videos))
            if videos and found != expected:
                counted = f"{found[0]} anomalous and {found[1]} normal {name} videos"
                notes.append(f"{counted}; published: {expected[0]} and {expected[1]}")
        return tuple(notes)

    def compare_frames(self, frames: int, positives: int) -> str | None:
        """A note if a complete test set has other numbers of frames or of anomalous frames; otherwise None."""
        if (frames, positives) == (self.frames, self.positives):
            return None
        return (
            f"{positives:,} of {frames:,} test frames are anomalous; in the published ground truth ({self.made}) "
            f"{self.positives:,} of {self.frames:,}"
        )


@dataclass(frozen=True)
class WeakSet:
    """A weakly labelled set.

    Attributes:
        name: of the data set.
        train, test: its videos; either may be empty.
        notes: remarks for the user about facts that can change a figure.
        published: its published numbers, if they are known.
    """

    name: str
    train: tuple[WeakVideo, ...]
    test: tuple[WeakVideo, ...]
    notes: tuple[str, ...] = ()
    published: Published | None = None

    def __post_init__(self) -> None:
        names = [video.name for video in (*self.train, *self.test)]
        if len(set(names)) < len(names):
            twice = next(name for number, name in enumerate(names) if name in names[:number])
            raise InputError(f"{self.name}: {twice} is listed twice; list each video once, in training or in test")
        if not names:
            raise InputError(f"{self.name}: there are no videos in this set")


def labels(video: WeakVideo, frames: int, rule: Rule = "exclusive") -> NDArray[np.int8]:
    """(frames,) int8 frame labels of a video: 1 anomalous, 0 normal. Intervals are clipped to `frames`.

    Args:
        video: the video.
        frames: number of labels, equal to the number of scores.
        rule: how public code interprets the numbers s, e of an annotation. "exclusive": frames s to e - 1, counted
            from 0 (DeepMIL, XDVioDet, PEL4VAD, VadCLIP). "rtfm": frames s to e, counted from 0; if the last frame of an
            exact annotation is anomalous, all frames after it are too. "sultani" and "seominseok": frames s to e,
            counted from 1 (the two differ in the number of frames, not in the labels).

    Raises:
        InputError: only the label of the video is known, or there is no such rule.
    """
    rule = parse_rule(rule)
    if video.intervals is None:
        raise InputError(f"{video.name}: only the label of the video is known, not which of its frames are anomalous")
    found = np.zeros(frames, dtype=np.int8)
    for interval in video.intervals:
        start, stop = interval.start, interval.stop
        if video.exact:
            stop = frames if rule == "rtfm" and stop == video.frames else stop
        elif rule == "rtfm":
            stop += 1
        elif rule in ("sultani", "seominseok"):
            start = max(start - 1, 0)
        found[start:stop] = 1
    return found


def parse_rule(text: str) -> Rule:
    """The label rule with this name.

    Raises:
        InputError: there is no such rule.
    """
    rules: tuple[Rule, ...] = get_args(Rule)
    for rule in rules:
        if rule == text:
            return rule
    raise InputError(f"there is no label rule {text!r}{among(text, rules)}")


def open_weak(spec: str) -> WeakSet:
    """Open the weakly labelled set "NAME:PATH", as in "ucf-crime:lists/ucf". NAME is a key of `READERS`.

    The path of a .csv file without NAME is read as "csv:PATH".

    Raises:
        InputError: there is no such NAME, or PATH does not have the layout that the reader expects.
    """
    name, colon, path = spec.partition(":")
    if name not in READERS and Path(spec).suffix.lower() == ".csv":
        name, colon, path = "csv", ":", spec
    if not colon or name not in READERS:
        close = near(name, READERS) if colon else []
        hint = f"; did you mean {' or '.join(close)}?" if close else ";"
        raise InputError(
            f"{spec}: not a weakly labelled set{hint} give NAME:PATH, where NAME is one of {', '.join(READERS)}"
        )
    module, function = READERS[name].split(":")
    reader: Callable[[str], WeakSet] = getattr(import_module(module), function)
    return reader(path)
