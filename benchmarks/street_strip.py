"""Draw docs/images/street.jpg: six frames of the synthetic street, the planted anomalies in thin boxes.

python benchmarks/street_strip.py [OUT.jpg]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.street import RenderedFrame, World

SIZE = (270, 480)  # rendered larger than by default, for the page
WORLDS = ((5, None), (5, "cyclist"), (5, "cart"), (15, "off_path"), (15, "against_stream"), (15, "abandoned_object"))
BOX = (40, 40, 235)
GUTTER = 4


def pick(frames: list[RenderedFrame], kind: str | None) -> RenderedFrame:
    """The most telling frame: with a whole, central anomaly if there is one, else with most walkers."""

    def telling(frame: RenderedFrame) -> float:
        if kind is None:
            return len(frame.objects)
        boxes = [seen.box for seen in frame.objects if seen.anomalous]
        if not boxes:
            return -1e9
        left, _, right, _ = boxes[0]
        return len(frame.objects) - abs((left + right) / 2 - SIZE[1] / 2) / 25

    return max(frames, key=telling)


def picture(frame: RenderedFrame, kind: str | None) -> NDArray[np.uint8]:
    """A frame with its boxes and a caption."""
    image = frame.image.copy()
    for seen in frame.objects:
        if seen.anomalous:
            left, top, right, bottom = seen.box
            cv2.rectangle(image, (left - 4, top - 4), (right + 3, bottom + 3), BOX, 1)
    caption = (kind or "normal").replace("_", " ")
    for colour, x, y in (((20, 20, 20), 11, SIZE[0] - 9), ((245, 245, 245), 10, SIZE[0] - 10)):
        cv2.putText(image, caption, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
    return image


def main(out: Path) -> None:
    """Render, choose, and write a JPEG small enough for a repository."""
    worlds = {seed: World(seed, SIZE) for seed, _ in WORLDS}
    tiles = []
    for number, (seed, kind) in enumerate(WORLDS):
        frames = list(worlds[seed].video(number, 16, [kind] if kind else []))
        tiles.append(picture(pick(frames, kind), kind))
    across = np.full((SIZE[0], GUTTER, 3), 255, np.uint8)
    rows = [np.hstack([tiles[k], across, tiles[k + 1], across, tiles[k + 2]]) for k in (0, 3)]
    down = np.full((GUTTER, rows[0].shape[1], 3), 255, np.uint8)
    out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out), np.vstack([rows[0], down, rows[1]]), [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(f"{out}: {out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "images" / "street.jpg")
