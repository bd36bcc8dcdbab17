"""Check of a data set: finds missing clips, labels that do not fit and unreadable files, and says what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.labelled import Counts, LabelledSet, LabelledVideo, video_length
from oddframe.datasets.masks import anomalous_frames
from oddframe.datasets.weak import WeakSet
from oddframe.errors import InputError, VideoError
from oddframe.types import VideoInfo
from oddframe.video.decode import VideoReader, probe
from oddframe.video.sources import find_videos, frame_files

UNEVEN = 1.5
"""The frame rate counts as variable if a time step is longer or shorter than usual by more than this factor."""

REPAIR = "get the file again, repair it, or leave it out with its labels"


@dataclass(frozen=True)
class Finding:
    """A fault that can change a result or stop a run: its place, what is wrong, and the remedy."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"


def check(
    data: LabelledSet | WeakSet, *, decode: bool = True, progress: Callable[[int, int], None] | None = None
) -> list[Finding]:
    """Find all faults of a data set.

    Args:
        data: the data set.
        decode: decode every frame. Only this finds damage, wrong headers and variable frame rates. Otherwise only
            headers and folders are read.
        progress: called with (videos done, all videos).
    """
    return _check_weak(data) if isinstance(data, WeakSet) else _check_labelled(data, decode, progress)


def unreadable(path: str | Path) -> list[Finding]:
    """Find the videos at a path that cannot be opened. A reader stops at the first one; this function lists all."""
    found = []
    for source in find_videos(path):
        try:
            probe(source)
        except VideoError as error:
            found.append(Finding(str(source.path), f"cannot be read ({error})", REPAIR))
    return found


def _check_weak(data: WeakSet) -> list[Finding]:
    found = [_noted(data.name, note) for note in data.notes]
    if not data.test:
        found.append(Finding(data.name, "no test videos", "add the list of test videos to evaluate on it"))
    unknown = [video.name for video in data.test if video.intervals is None]
    if unknown:
        what = f"only the label of {len(unknown)} anomalous test videos is known, the first is {unknown[0]}"
        found.append(Finding(data.name, what, "add the annotation of its frames to evaluate on it"))
    return found


def _check_labelled(data: LabelledSet, decode: bool, progress: Callable[[int, int], None] | None) -> list[Finding]:
    found = [_noted(data.name, note) for note in data.notes]
    if data.published is not None:
        found += _against_published(data, data.published)
    rates: dict[str, float] = {}
    for done, video in enumerate(data.videos, 1):
        found += _layout(video)
        if decode:
            findings, info = _decoded(video)
            found += findings
            if info is not None and info.fps and video.source.kind == "file":
                rates[video.source.name] = info.fps
        else:
            found += _header(video)
        found += _masks(video, data.published is None or data.published.masks_agree)
        if progress is not None:
            progress(done, len(data.videos))
    if rates and max(rates.values()) > 1.01 * min(rates.values()):
        slow, fast = min(rates, key=lambda name: rates[name]), max(rates, key=lambda name: rates[name])
        what = f"rates differ: {rates[slow]:.2f} frames/s in {slow}, {rates[fast]:.2f} in {fast}"
        found.append(Finding(data.name, what, "a model sees motion in frames: re-encode all at one rate, with labels"))
    return found


def _noted(name: str, note: str) -> Finding:
    return Finding(name, note, "correct it, or be aware that it can change the figures")


def _against_published(data: LabelledSet, published: Counts) -> Iterator[Finding]:
    if len(data.videos) != published.videos:
        missing = _missing_numbers(data, published)
        named = f", missing: {', '.join(missing)}" if missing else ""
        what = f"{len(data.videos)} test videos; published: {published.videos}{named}"
        yield Finding(data.name, what, "get the missing videos, or say with every figure which subset it is of")
        return  # with missing videos the totals differ too
    for video, length in zip(data.videos, published.lengths, strict=False):
        frames = len(video.labels) + len(video.left_out)
        if frames != length:
            what = f"{frames} frames; published: {length}"
            yield Finding(str(video.source.path), what, "extract all its frames, without dropping or doubling any")
    if data.frames + sum(len(video.left_out) for video in data.videos) != published.frames:
        what = f"{data.frames:,} test frames; published: {published.frames:,} ({published.source})"
        yield Finding(data.name, what, "extract all frames, or say with every figure which subset it is of")
    elif published.positives not in (None, data.positives) and not any(v.left_out for v in data.videos):
        what = f"{data.positives:,} anomalous test frames; published: {published.positives:,} ({published.source})"
        yield Finding(data.name, what, "get the label file again, or name it with every figure")


def _missing_numbers(data: LabelledSet, published: Counts) -> list[str]:
    """Numbers of the missing clips, for a set whose clips are numbered from 1."""
    numbers = {int(digits[-1]) for video in data.videos if (digits := re.findall(r"\d+", video.source.name))}
    return [str(number) for number in range(1, len(published.lengths) + 1) if number not in numbers]


def _layout(video: LabelledVideo) -> Iterator[Finding]:
    """Find wrong nesting of folders, and missing or doubled numbers in the names of frames."""
    source = video.source
    parts = source.name.split("/")
    if len(parts) > 1 and parts[-1] == parts[-2]:
        yield Finding(str(source.path), "lies in a folder of its own name", "move it one folder up")
    if source.kind != "frames":
        return
    deeper = [folder for folder in sorted(source.path.iterdir()) if folder.is_dir() and frame_files(folder)]
    if deeper:
        what = f"images in {deeper[0].name}/ below a folder of frames are not read"
        yield Finding(str(source.path), what, "give each video one folder with all its frames")
    numbers = [int(digits[-1]) for file in frame_files(source.path) if (digits := re.findall(r"\d+", file.stem))]
    if len(numbers) != len(frame_files(source.path)):
        return  # the names are not numbered
    if len(set(numbers)) < len(numbers):
        what = f"{len(numbers) - len(set(numbers))} frames have the number of another frame"
        yield Finding(str(source.path), what, "keep one image per frame")
    gaps = sorted(set(range(min(numbers), max(numbers) + 1)) - set(numbers))
    if gaps:
        what = f"{len(gaps)} of the frames numbered {min(numbers)} to {max(numbers)} are missing, first {gaps[0]}"
        yield Finding(str(source.path), what, "extract them again; labels after a gap belong to other frames")


def _decoded(video: LabelledVideo) -> tuple[list[Finding], VideoInfo | None]:
    where = str(video.source.path)
    times = []
    try:
        with VideoReader(video.source, size=(16, 16), colour="gray") as reader:
            times = [frame.time for frame in reader]
            info = reader.info
    except VideoError as error:
        return [Finding(where, f"cannot be read ({error})", REPAIR)], None
    # The notes of the set already name the frames that its reader left out.
    damage = [] if video.left_out else list(info.damage)
    found = [Finding(where, line, "get the file again, or re-encode it with its labels") for line in damage]
    found += _length(video, len(times), "decoded")
    steps = np.diff(times)
    if video.source.kind == "file" and len(steps) > 1:
        usual = float(np.median(steps))
        if steps.max() > UNEVEN * usual or steps.min() * UNEVEN < usual:
            what = f"variable frame rate: frames follow each other after {steps.min():.3f} to {steps.max():.3f} s"
            remedy = "labels by frame number stay right, those made from times do not: make them from the time stamps"
            found.append(Finding(where, what, remedy))
    return found, info


def _header(video: LabelledVideo) -> list[Finding]:
    try:
        return _length(video, video_length(video.source) - len(video.left_out), "promised by its header")
    except VideoError as error:
        return [Finding(str(video.source.path), f"cannot be read ({error})", REPAIR)]


def _length(video: LabelledVideo, frames: int, how: str) -> list[Finding]:
    if frames == len(video.labels):
        return []
    what = f"{len(video.labels)} labels for {frames} frames {how}"
    return [Finding(str(video.source.path), what, "make one label per frame from the frames that decode")]


def _masks(video: LabelledVideo, agree: bool) -> list[Finding]:
    """Check that there is one mask per frame, and that masks and labels agree about which frames are anomalous."""
    if video.masks is None:
        return []
    where, labels = str(video.masks), video.labels
    try:
        shown = anomalous_frames(video.masks, len(labels) + len(video.left_out))
    except InputError as error:
        return [Finding(where, f"cannot be read ({error})", "get the masks again")]
    shown = np.delete(shown, [frame for frame in video.left_out if frame < len(shown)])
    if len(shown) != len(labels):
        what = f"{len(shown)} masks for {len(labels)} labelled frames"
        return [Finding(where, what, "get the masks again; there must be one per frame")]
    odd = np.flatnonzero(shown != labels)
    if not agree or not len(odd):
        return []
    what = f"masks and labels disagree in {len(odd)} frames, first {odd[0]} (from 0)"
    return [Finding(where, what, _shift(labels, shown) or "find out which of them is right")]


def _shift(labels: NDArray[np.int8], shown: NDArray[np.int8]) -> str:
    """The remedy if labels or masks are counted from 1 but were read as counted from 0; otherwise empty."""
    if np.array_equal(labels[1:], shown[:-1]):
        return "labels are one frame late: were they counted from 1?"
    if np.array_equal(labels[:-1], shown[1:]):
        return "labels are one frame early: were the masks counted from 1?"
    return ""
