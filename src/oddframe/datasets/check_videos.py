"""Check of videos without labels: what cannot be read, what is left out, and what is doubtful about the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oddframe.datasets.check import REPAIR, Finding, layout_faults
from oddframe.errors import VideoError
from oddframe.video.decode import VideoReader
from oddframe.video.search import Search, search_videos
from oddframe.video.sources import VideoSource, ordered_frames

LABELS = ("labels", "labels.npy", "intervals.csv", "masks", "pixel_masks")
"""What makes a folder a labelled test set."""


def has_labels(path: Path) -> bool:
    """Whether a path is a labelled test set of one's own, and not just videos."""
    return any((path / name).exists() for name in LABELS)


def check_videos(
    path: str | Path, *, decode: bool = True, progress: Callable[[int, int], None] | None = None
) -> list[Finding]:
    """Find all that is wrong with videos, as `find_videos` finds them.

    Args:
        path: a video, a folder of videos or frame folders, a pattern, or a CSV.
        decode: decode every frame; otherwise only the first of each video.
        progress: called with (videos done, all videos).

    Raises:
        InputError: there is nothing that could be a video.
    """
    search = search_videos(path)
    found = left_out(search)
    for done, source in enumerate(search.sources, 1):
        found += _of_one(source, decode)
        if progress is not None:
            progress(done, len(search.sources))
    return found


def left_out_beside_labels(root: Path) -> list[Finding]:
    """A finding for everything that the search for the videos of a labelled folder leaves out."""
    if not root.is_dir():
        return []
    place = next((root / name for name in ("videos", "frames") if (root / name).is_dir()), root)
    search = search_videos(place)
    labels = {place / name for name in LABELS}
    search.left_out = [entry for entry in search.left_out if not labels & {entry.path, *entry.path.parents}]
    return left_out(search)


def left_out(search: Search) -> list[Finding]:
    """A finding for everything that a search has left out."""
    return [_finding(str(entry.path), entry.reason, "give it by name if it is meant") for entry in search.left_out]


def _of_one(source: VideoSource, decode: bool) -> list[Finding]:
    where = str(source.path)
    if source.fault:
        return [_finding(where, source.fault, REPAIR)]
    try:
        with VideoReader(source) as reader:
            for _ in reader if decode else ():
                pass
            info = reader.info
    except VideoError as error:
        return [_finding(where, str(error).removeprefix(f"{where}: "), REPAIR)]
    found = [Finding(where, line, "get the file again, or re-encode it") for line in info.damage]
    named = ordered_frames(source.path)[1] if source.kind == "frames" else ()  # by `layout_faults`
    found += [_finding(where, note, "correct the files") for note in info.notes if note not in named]
    return [*layout_faults(source), *found]


def _finding(where: str, what: str, remedy: str) -> Finding:
    """A finding whose remedy stands after the semicolon of the sentence, where there is one."""
    said, _, own = what.partition("; ")
    return Finding(where, said, own or remedy)
