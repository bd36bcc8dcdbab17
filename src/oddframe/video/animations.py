"""Animations in files that are named like images: APNG, which FFmpeg reads, and animated WebP, which it does not.

Only headers are read. Sources: the PNG specification, third edition (W3C, 2025), section 5; the WebP container
specification (Google, 2012).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

WEBP = "an animated WebP, which FFmpeg does not read; convert it to MP4 or GIF, or to one image per frame"
_LOOKS = 9


def animations(images: Sequence[Path]) -> set[Path]:
    """The animations among the images of a folder. All are looked at if one of nine that are spread over them is."""
    able = [image for image in images if image.suffix.lower() in (".png", ".webp")]
    few = able[:: max(1, (len(able) - 1) // (_LOOKS - 1))]
    return {image for image in able if is_animation(image)} if any(map(is_animation, few)) else set()


def is_animation(path: Path) -> bool:
    """Whether a file is an APNG or a WebP of several pictures."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return False
        with path.open("rb") as file:
            head = file.read(21)
            if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
                return len(head) > 20 and bool(head[20] & 2)
            return head[:8] == b"\x89PNG\r\n\x1a\n" and _pictures_of_png(file) > 1
    except (OSError, struct.error):
        return False


def animation_fault(path: Path) -> str:
    """Why an animation cannot be read; empty where it can."""
    with path.open("rb") as file:
        return WEBP if file.read(4) == b"RIFF" else ""


def _pictures_of_png(file: BinaryIO) -> int:
    """What the chunk acTL says, which stands before the pixels; 1 without one."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"acTL":
            return int(struct.unpack(">I", file.read(4))[0])
        if kind in (b"IDAT", b"IEND"):
            break
        file.seek(length + 4, 1)
    return 1
