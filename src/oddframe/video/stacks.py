"""TIFF stacks: files of several pages, each a frame. Only the directory of the file is read here.

Sources: TIFF 6.0 (Adobe, 1992), sections 2 and 8; the BigTIFF design (2004), whose offsets have 8 bytes.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_SUBFILE = 254  # tag NewSubfileType; its lowest bit says that the page is a smaller copy of another one


def is_stack(path: Path) -> bool:
    """Whether a file is a TIFF with at least two pages; previews inside the file do not count."""
    return count_pages(path, 2) > 1


def count_pages(path: Path, most: int | None = None) -> int:
    """Number of pages of a TIFF, previews not counted; 0 for a file that is none. Counting stops at `most`."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return 0
        with path.open("rb") as file:
            return _count(file, most)
    except (OSError, struct.error):
        return 0


def _count(file: BinaryIO, most: int | None) -> int:
    head = file.read(16)
    if head[:2] not in (b"II", b"MM"):
        return 0
    order = "<" if head[:2] == b"II" else ">"
    magic = struct.unpack_from(order + "H", head, 2)[0]
    if magic not in (42, 43):
        return 0
    big = magic == 43
    number, entry, link = ("Q", 20, "Q") if big else ("H", 12, "I")
    offset = struct.unpack_from(order + link, head, 8 if big else 4)[0]
    seen: set[int] = set()
    pages = 0
    while offset and offset not in seen and (most is None or pages < most):
        seen.add(offset)
        file.seek(offset)
        width = struct.calcsize(number)
        entries = struct.unpack(order + number, file.read(width))[0]
        if entries > 4096:
            break  # no writer has so many tags: the file is damaged
        table = file.read(entries * entry)
        pages += not _is_preview(table, entry, order, big)
        offset = struct.unpack(order + link, file.read(struct.calcsize(link)))[0]
    return pages


def _is_preview(table: bytes, entry: int, order: str, big: bool) -> bool:
    for start in range(0, len(table) - entry + 1, entry):
        if struct.unpack_from(order + "H", table, start)[0] == _SUBFILE:
            value: int = struct.unpack_from(order + "I", table, start + (12 if big else 8))[0]
            return bool(value & 1)
    return False
