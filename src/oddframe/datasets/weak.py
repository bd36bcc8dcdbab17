"""Weakly labelled sets: what one knows of a video before looking into it, and the readers of such sets by name.

Training needs one label per video; evaluation also needs to know where in the test videos the anomalies are. Both come
from lists and annotation files alone, no video is opened.
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
        name: file name without suffix, or the path below some folder where the list says so.
        label: 1 where there is an anomaly somewhere in it, 0 where there is none.
        category: "Normal", or the class of the anomaly; several classes are joined by "+".
        intervals: the anomalous stretches; () for a normal video; None where only the label of the video is known.
            Where an annotation does not say how it counts, its numbers stand here as they are, and a `Rule` reads
            them.
        frames: of the whole video; None where unknown.
        exact: there is no doubt about which frames `intervals` mean, and every rule reads them alike.
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
            raise InputError(f"{self.name}: labelled normal, but with anomalous frames; which of the two is right?")
        if self.label == 0 and self.intervals is None:
            object.__setattr__(self, "intervals", ())
        if self.label == 1 and self.intervals == ():
            raise InputError(
                f"{self.name}: labelled anomalous, but without anomalous frames; leave them unknown (None)"
            )

    @property
    def categories(self) -> tuple[str, ...]:
        """The classes one by one."""
        return tuple(self.category.split("+"))


@dataclass(frozen=True)
class Published:
    """What is known of a data set's published form, to be compared with what is at hand.

    Attributes:
        train, test: (anomalous, normal) videos.
        frames, positives: test frames and anomalous ones among them, in the ground truth of the field's public code.
        made: how that ground truth was made.
    """

    train: tuple[int, int]
    test: tuple[int, int]
    frames: int
    positives: int
    made: str

    def compare_videos(self, train: Collection[WeakVideo], test: Collection[WeakVideo]) -> tuple[str, ...]:
        """A line for each part that is there and has other numbers of videos."""
        notes = []
        for name, videos, expected in (("training", train, self.train), ("test", test, self.test)):
            found = (sum(v.label for v in videos), sum(1 - v.label for v in videos))
            if videos and found != expected:
                counts = f"{found[0]} anomalous and {found[1]} normal {name} videos"
                notes.append(f"{counts}; published: {expected[0]} and {expected[1]}")
        return tuple(notes)

    def compare_frames(self, frames: int, positives: int) -> str | None:
        """A line where a whole test set has other numbers of frames or of anomalous frames."""
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
        notes: lines that the user should see because they can change a number.
        published: what it should look like, where that is known.
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
            raise InputError(f"{self.name}: {twice} is listed twice; a video stands once, in training or in test")
        if not names:
            raise InputError(f"{self.name}: no videos in it")


def labels(video: WeakVideo, frames: int, rule: Rule = "exclusive") -> NDArray[np.int8]:
    """(frames,) 1 anomalous, 0 normal, for as many frames as there are scores; intervals are clipped to them.

    Args:
        rule: how the numbers s, e of an annotation are read, as the field's public code has it. "exclusive": frames s
            to e - 1, counted from 0 (DeepMIL, XDVioDet, PEL4VAD, VadCLIP). "rtfm": s to e, counted from 0; where the
            last frame of an exact annotation is anomalous, so is whatever features have beyond it. "sultani" and
            "seominseok": s to e, counted from 1 (they differ in how many frames there are, not in how labels are read).

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
    """A label rule by its name.

    Raises:
        InputError: there is no such rule.
    """
    rules: tuple[Rule, ...] = get_args(Rule)
    for rule in rules:
        if rule == text:
            return rule
    raise InputError(f"there is no label rule {text!r}; there are: {', '.join(rules)}")


def open_weak(spec: str) -> WeakSet:
    """The weakly labelled set that "NAME:PATH" means, as in "ucf-crime:lists/ucf"; NAME is a key of `READERS`.

    The path of a .csv file alone is read as "csv:PATH".

    Raises:
        InputError: there is no such NAME, or what lies at PATH is not what its reader expects.
    """
    name, colon, path = spec.partition(":")
    if name not in READERS and Path(spec).suffix.lower() == ".csv":
        name, colon, path = "csv", ":", spec
    if not colon or name not in READERS:
        raise InputError(
            f"{spec}: not a weakly labelled set; give NAME:PATH, where NAME is one of {', '.join(READERS)}"
        )
    module, function = READERS[name].split(":")
    reader: Callable[[str], WeakSet] = getattr(import_module(module), function)
    return reader(path)
