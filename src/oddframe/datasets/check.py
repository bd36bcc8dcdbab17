"""Check of a data set: finds missing clips, labels that do not fit and unreadable files, and says what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.account import count_of
from oddframe.datasets.labelled import Counts, LabelledSet, LabelledVideo, header_length
from oddframe.datasets.masks import anomalous_frames, mask_rule
from oddframe.datasets.weak import WeakSet
from oddframe.errors import InputError, VideoError
from oddframe.types import VideoInfo
from oddframe.video.decode import VideoReader, probe
from oddframe.video.headers import FRAME_FOLDER_FPS
from oddframe.video.pauses import paused
from oddframe.video.rate import assumption
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource, frame_files, ordered_frames

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


def rate_unknown(sources: Sequence[VideoSource]) -> str:
    """A sentence on frame folders whose rate is not known; empty where there are none."""
    unknown = [source for source in sources if source.kind == "frames" and source.fps is None]
    return assumption(VideoInfo(s.name, str(s.path), 0, 0, FRAME_FOLDER_FPS, rate="assumed") for s in unknown)


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
        found += layout_faults(video.source)
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


def layout_faults(source: VideoSource) -> Iterator[Finding]:
    """Find wrong nesting of folders, doubtful names of frames, and missing numbers among them."""
    parts = source.name.split("/")
    if len(parts) > 1 and parts[-1] == parts[-2]:
        yield Finding(str(source.path), "lies in a folder of its own name", "move it one folder up")
    if source.kind != "frames":
        return
    for note in ordered_frames(source.path)[1]:
        what, _, remedy = note.partition("; ")
        yield Finding(str(source.path), what, remedy)
    deeper = [folder for folder in sorted(source.path.iterdir()) if folder.is_dir() and frame_files(folder)]
    if deeper:
        what = f"images in {deeper[0].name}/ below a folder of frames are not read"
        yield Finding(str(source.path), what, "give each video one folder with all its frames")


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
    named = ordered_frames(video.source.path)[1] if video.source.kind == "frames" else ()  # by `layout_faults`
    found += [_noted(where, note) for note in info.notes if note not in named]
    if info.account is not None:
        others = [f"not read: {other}" for other in info.account.others]
        found += [Finding(where, other, "if it is the one meant, store it in a file of its own") for other in others]
    found += _length(video, len(times), "decoded")
    steps = np.diff(times)
    if video.source.kind == "file" and len(steps) > 1:
        breaks = paused(np.asarray(times))[1:]
        if breaks.any():
            what = f"{count_of(int(breaks.sum()), 'pause')}, the longest of {steps[breaks].max():.1f} s"
            remedy = "nothing is scored across them, and they count as no hours of video"
            found.append(Finding(where, what, remedy))
            steps = steps[~breaks]
        usual = float(np.median(steps))
        if steps.max() > UNEVEN * usual or steps.min() * UNEVEN < usual:
            what = f"variable frame rate: frames follow each other after {steps.min():.3f} to {steps.max():.3f} s"
            remedy = "labels by frame number stay right, those made from times do not: make them from the time stamps"
            found.append(Finding(where, what, remedy))
    return found, info


def _header(video: LabelledVideo) -> list[Finding]:
    try:
        promised = header_length(video.source)
        return [] if promised is None else _length(video, promised - len(video.left_out), "promised by its header")
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
        note = mask_rule(video.masks).note.removeprefix(f"{where}: ")
    except InputError as error:
        return [Finding(where, f"cannot be read ({error})", "get the masks again")]
    shown = np.delete(shown, [frame for frame in video.left_out if frame < len(shown)])
    if len(shown) != len(labels):
        what = f"{len(shown)} masks for {len(labels)} labelled frames"
        return [Finding(where, what, "get the masks again; there must be one per frame")]
    found = [Finding(where, note.replace("; ", ", and "), "write 0 and 255, as PNG")] if note else []
    odd = np.flatnonzero(shown != labels)
    if not agree or not len(odd):
        return found
    what = f"masks and labels disagree in {len(odd)} frames, first {odd[0]} (from 0)"
    return [*found, Finding(where, what, _shift(labels, shown) or "find out which of them is right")]


def _shift(labels: NDArray[np.int8], shown: NDArray[np.int8]) -> str:
    """The remedy if labels or masks are counted from 1 but were read as counted from 0; otherwise empty."""
    if np.array_equal(labels[1:], shown[:-1]):
        return "labels are one frame late: were they counted from 1?"
    if np.array_equal(labels[:-1], shown[1:]):
        return "labels are one frame early: were the masks counted from 1?"
    return ""
