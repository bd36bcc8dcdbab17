"""How much a run will write, estimated before it begins: a disk that is clearly too small is refused at once.

Estimates are too low rather than too high, so that nothing is refused that could have been done. Where the disk has
plenty of room, no video is opened for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from oddframe.disk import require_room, room
from oddframe.errors import VideoError
from oddframe.features.extractor import SNIPPET
from oddframe.report.overlay import picture_size
from oddframe.scoring.files import score_path
from oddframe.types import BagSignature, Signature, VideoInfo
from oddframe.video.decode import probe
from oddframe.video.sources import VideoSource

PLENTY = 20 << 30  # bytes; with more, and with several times the size of the videos, nothing is estimated
TIMES = 4
NUMBER, CELL, DIGITS = 8, 2, 6  # bytes of a number in a score file, of a cell of a map, of a number in a table
PIXEL = 0.004  # bytes of an overlay; H.264 of a still street takes twice as much


def require_room_for_scores(
    out: Path, sources: Sequence[VideoSource], outline: Signature | BagSignature, overlays: bool
) -> None:
    """See that the scores of videos that `out` has none of fit on its disk, with their overlays if they are drawn.

    Raises:
        SpaceError: they clearly do not.
    """
    columns = 3 + len(outline.components)
    grid = outline.map_grid if isinstance(outline, Signature) else None
    cells = grid[0] * grid[1] if grid else 0

    def of_frame(info: VideoInfo) -> float:
        height, width = picture_size(info)
        return columns * (NUMBER + DIGITS) + cells * CELL + overlays * height * width * PIXEL

    todo = [source for source in sources if not score_path(out / "scores", source.name).exists()]
    remedy = "choose a folder on another disk with --out, or leave the overlays out with --no-overlay"
    _require(out, todo, of_frame, "scores", remedy)


def require_room_for_features(out: Path, sources: Sequence[VideoSource], dim: int) -> None:
    """See that the features of videos fit on the disk.

    Raises:
        SpaceError: they clearly do not.
    """
    remedy = "or choose a folder on another disk with --out"
    _require(out, sources, lambda _: NUMBER + 4 * dim / SNIPPET, "features", remedy)


def _require(
    out: Path, sources: Sequence[VideoSource], of_frame: Callable[[VideoInfo], float], what: str, remedy: str
) -> None:
    if room(out) > max(PLENTY, TIMES * sum(source.size for source in sources)):
        return
    need = 0.0
    for source in sources:
        with suppress(VideoError):  # it is skipped later, with the reason
            info = probe(source)
            need += (info.frames or 0) * of_frame(info)
    require_room(out, int(need), f"the {what} of {len(sources)} videos", remedy)
