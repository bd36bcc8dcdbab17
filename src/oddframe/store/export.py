"""Events as files of other programs: JSON lines, CSV for spreadsheets, and boxes as COCO has them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import Any, TextIO

from oddframe.spelling import visible
from oddframe.store.reading import StoredEvent

FORMATS = ("jsonl", "csv", "coco")
COLUMNS = (
    "id", "kind", "open", "found", "camera", "video", "bundle", "model", "start_utc", "end_utc", "start_s", "peak_s",
    "end_s", "start_frame", "peak_frame", "end_frame", "score", "threshold", "above", "times", "left", "top",
    "right", "bottom", "mark", "marked_by", "marked_utc", "note", "why", "reasons", "text", "held", "clip",
    "thumbnail", "heat", "path",
)  # fmt: skip
# What a spreadsheet takes for the beginning of a formula; the last four are the same signs in full width.
_FORMULA = ("=", "+", "-", "@", "|", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def export_events(events: Iterable[StoredEvent], form: str, file: TextIO) -> int:
    """Write events to a text file.

    Args:
        form: one of `FORMATS`.

    Returns:
        How many events were left out: in COCO those without a box.
    """
    if form == "jsonl":
        for event in events:
            file.write(json.dumps(event.as_json()) + "\n")
        return 0
    if form == "csv":
        return _csv(events, file)
    return _coco(events, file)


def _csv(events: Iterable[StoredEvent], file: TextIO) -> int:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(COLUMNS)
    for event in events:
        row = event.as_json()
        row |= zip(("left", "top", "right", "bottom"), event.box or (None,) * 4, strict=True)
        row["why"] = "; ".join(
            f"{name} {'?' if value is None else format(value, 'g')}" for name, value in row["why"].items()
        )
        row["reasons"] = "; ".join(event.reasons)
        table.writerow([_cell(row[name]) for name in COLUMNS])
    return 0


def _cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula, on one line."""
    if not isinstance(value, str):
        return "" if value is None else value
    text = visible(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _coco(events: Iterable[StoredEvent], file: TextIO) -> int:
    """Images are the frames at the peaks, annotations the boxes in them, categories the kinds of events."""
    images: dict[tuple[Any, ...], dict[str, Any]] = {}
    categories: dict[str, int] = {}
    annotations, left_out = list[dict[str, Any]](), 0
    for event in events:
        if event.box is None:
            left_out += 1
            continue
        frame = (event.key, event.peak_frame) if event.video is not None else (event.id, None)
        if frame not in images:
            images[frame] = {
                "id": len(images) + 1, "file_name": event.path or event.thumbnail or "", "width": event.width,
                "height": event.height, "video": event.video, "camera": event.camera, "frame": event.peak_frame,
                "time_s": round(event.peak_s, 3),
            }  # fmt: skip
        left, top, right, bottom = event.box
        size = right - left, bottom - top
        annotations.append({
            "id": len(annotations) + 1, "image_id": images[frame]["id"],
            "category_id": categories.setdefault(event.kind, len(categories) + 1),
            "bbox": [left, top, *size], "area": size[0] * size[1], "iscrowd": 0, "score": event.score,
            "event": event.id, "mark": event.mark, "found": event.found,
        })  # fmt: skip
    document = {
        "info": {"description": "events of oddframe; bbox is [left, top, width, height] in pixels of the peak frame"},
        "images": list(images.values()),
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
    }
    json.dump(document, file)
    file.write("\n")
    return left_out
