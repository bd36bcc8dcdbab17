"""Summary of a data set: its counts beside the published ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from oddframe.datasets.labelled import LabelledSet
from oddframe.datasets.weak import WeakSet, labels


@dataclass(frozen=True)
class SetCount:
    """One count of a data set; None where it is not known."""

    what: str
    found: int | None
    published: int | None


@dataclass(frozen=True)
class Summary:
    """The counts of a data set. `source` says where the published counts come from."""

    name: str
    counts: tuple[SetCount, ...]
    source: str
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "counts": [asdict(count) for count in self.counts], "notes": list(self.notes)}


def summarize(data: LabelledSet | WeakSet) -> Summary:
    """Count videos and frames. For a weak set, frames are counted by the rule "exclusive" if all of them are known."""
    return _labelled(data) if isinstance(data, LabelledSet) else _weak(data)


def _labelled(data: LabelledSet) -> Summary:
    published = data.published
    training = published.training if published and published.training else (None, None)
    counts = (
        SetCount("test videos", len(data.videos), published.videos if published else None),
        SetCount("test frames", data.frames, published.frames if published else None),
        SetCount("anomalous test frames", data.positives, published.positives if published else None),
        SetCount("training videos", None, training[0]),  # a labelled set is a test set; training takes any folder
        SetCount("training frames", None, training[1]),
    )
    filled = tuple(count for count in counts if (count.found, count.published) != (None, None))
    return Summary(data.name, filled, published.source if published else "", data.notes)


def _weak(data: WeakSet) -> Summary:
    published = data.published
    counts = []
    for part, videos, expected in (
        ("training", data.train, published.train if published else (None, None)),
        ("test", data.test, published.test if published else (None, None)),
    ):
        counts.append(SetCount(f"anomalous {part} videos", sum(v.label for v in videos), expected[0]))
        counts.append(SetCount(f"normal {part} videos", sum(1 - v.label for v in videos), expected[1]))
    frames = positives = None
    lengths = [video.frames for video in data.test if video.frames is not None and video.intervals is not None]
    if data.test and len(lengths) == len(data.test):
        frames = sum(lengths)
        positives = sum(int(labels(video, length).sum()) for video, length in zip(data.test, lengths, strict=True))
    counts.append(SetCount("test frames", frames, published.frames if published else None))
    counts.append(SetCount("anomalous test frames", positives, published.positives if published else None))
    return Summary(data.name, tuple(counts), f"ground truth by {published.made}" if published else "", data.notes)
