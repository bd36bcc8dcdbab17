"""What an event is, in a sentence: the same words for live events and for those of files."""

from __future__ import annotations

from collections.abc import Mapping

from oddframe.models.reasons import where


def event_text(
    why: Mapping[str, float | None], box: tuple[int, int, int, int] | None, size: tuple[int, int] | None,
    words: Mapping[str, str],
) -> str:  # fmt: skip
    """What is unusual about an event, and where.

    Args:
        why: component -> standard deviations above normal; None where that is no number.
        box: (left, top, right, bottom) in pixels, or None.
        size: (width, height) of the picture in pixels, or None.
        words: component -> what it tells, in words that complete "unusual in ...".
    """
    heights = {name: height for name, height in why.items() if height is not None}
    parts = ["not like what it has learned"]
    if heights:
        name = max(heights, key=lambda component: heights[component])
        parts = [f"unusual in {words.get(name, name)}, {heights[name]:.1f} standard deviations above normal"]
    if box is not None and size is not None and all(size):
        left, top, right, bottom = box
        parts.append(where((left / size[0], top / size[1], right / size[0], bottom / size[1])))
    return ", ".join(parts)
