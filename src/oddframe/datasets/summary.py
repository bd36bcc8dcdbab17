"""What a set counts, beside what it should."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from oddframe.datasets.labelled import LabelledSet
from oddframe.datasets.weak import WeakSet, labels


@dataclass(frozen=True)
class SetCount:
    """One number of a set; None where it is not known."""

    what: str
    found: int | None
    published: int | None


@dataclass(frozen=True)
class Summary:
    """The numbers of a set; `source` says where the published ones come from."""

    name: str
    counts: tuple[SetCount, ...]
    source: str
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "counts": [asdict(count) for count in self.counts], "notes": list(self.notes)}


def summarize(data: LabelledSet | WeakSet) -> Summary:
    """Count what is there. Frames of a weak set are counted where all are known, by the rule "exclusive"."""
    return _labelled(data) if isinstance(data, LabelledSet) else _weak(data)


def _labelled(data: LabelledSet) -> Summary:
    reference = data.published
    training = reference.training if reference and reference.training else (None, None)
    counts = (
        SetCount("test videos", len(data.videos), reference.videos if reference else None),
        SetCount("test frames", data.frames, reference.frames if reference else None),
        SetCount("anomalous test frames", data.positives, reference.positives if reference else None),
        SetCount("training videos", None, training[0]),  # a labelled set is a test set; training takes any folder
        SetCount("training frames", None, training[1]),
    )
    stated = tuple(count for count in counts if (count.found, count.published) != (None, None))
    return Summary(data.name, stated, reference.source if reference else "", data.notes)


def _weak(data: WeakSet) -> Summary:
    reference = data.published
    counts = []
    for part, videos, expected in (
        ("training", data.train, reference.train if reference else (None, None)),
        ("test", data.test, reference.test if reference else (None, None)),
    ):
        counts.append(SetCount(f"anomalous {part} videos", sum(v.label for v in videos), expected[0]))
        counts.append(SetCount(f"normal {part} videos", sum(1 - v.label for v in videos), expected[1]))
    frames = positives = None
    lengths = [video.frames for video in data.test if video.frames is not None and video.intervals is not None]
    if data.test and len(lengths) == len(data.test):
        frames = sum(lengths)
        positives = sum(int(labels(video, length).sum()) for video, length in zip(data.test, lengths, strict=True))
    counts.append(SetCount("test frames", frames, reference.frames if reference else None))
    counts.append(SetCount("anomalous test frames", positives, reference.positives if reference else None))
    return Summary(data.name, tuple(counts), f"ground truth by {reference.made}" if reference else "", data.notes)
