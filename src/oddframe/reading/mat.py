"""A walk through a .mat file of MATLAB's version 5 to 7, before SciPy reads it.

SciPy trusts lengths and counts in the file, and a damaged one can end the whole process. This walk follows the format
(MathWorks, MAT-File Format, "Level 5") and refuses a variable whose parts do not fit each other. Names in comments are
those of that document.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from math import prod

import numpy as np

HEADER = 128
MI_INT8, MI_INT32, MI_UINT32, MI_MATRIX, MI_COMPRESSED = 1, 5, 6, 14, 15
SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
"""Data type -> bytes of one number."""
TEXTS = (1, 2, 4, 16, 17, 18)
CELL, STRUCT, CHAR, SPARSE = 1, 2, 4, 5
NUMBERS = range(6, 16)
DEEPEST = 32  # cells in cells
LARGEST = 2**29  # bytes of a variable once it is decompressed

Element = tuple[int, memoryview]


def check_variable(data: bytes, name: str) -> list[str]:
    """Check the variable `name` of a file, and give the names of all variables.

    Raises:
        ValueError: it is no such file, or the variable is damaged or holds something else than numbers, texts, cells
            and structs.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or struct.unpack_from(f"{order}H", data, 124)[0] >> 8 != 1:
        raise ValueError("it is no .mat file of version 5 to 7")
    names = []
    for kind, content in _elements(memoryview(data)[HEADER:], order):
        if kind == MI_COMPRESSED:
            unpacked = zlib.decompressobj()
            head = unpacked.decompress(content, 8)
            length = struct.unpack(f"{order}II", head)[1] if len(head) == 8 else 0
            if length > LARGEST:
                raise ValueError(f"a compressed variable is {length:,} bytes long; {LARGEST:,} are read at most")
            whole = memoryview(head + unpacked.decompress(unpacked.unconsumed_tail, length + 8))
            if not unpacked.eof:
                raise ValueError("a compressed variable is cut off or longer than it says")
            ((kind, content),) = _elements(whole, order)
        if kind != MI_MATRIX:
            raise ValueError(f"an element of the type {kind} stands where a variable should")
        parts = list(_elements(content, order))
        own = bytes(parts[2][1]).decode("latin-1") if len(parts) > 2 else ""
        names.append(own)
        if own == name:
            _check_matrix(parts, order, 0)
    return names


def _elements(data: memoryview, order: str) -> Iterator[Element]:
    """Type and content of the elements that follow each other in `data`."""
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise ValueError("an element is cut off")
        kind, count = struct.unpack_from(f"{order}II", data, at)
        begin, padding = at + 8, 8
        if kind >> 16:  # the small format: length, type and content in eight bytes
            kind, count, begin = kind & 0xFFFF, kind >> 16, at + 4
            if count > 4:
                raise ValueError("a small element has more than four bytes")
        elif kind == MI_COMPRESSED:
            padding = 1
        if begin + count > len(data):
            raise ValueError("an element is longer than what is left of the file")
        yield kind, data[begin : begin + count]
        at = begin + count + (-(begin + count - at) % padding)


def _check_matrix(parts: list[Element], order: str, depth: int) -> None:
    """Check the sub-elements of a matrix: flags, dimensions, name, and content by its class."""
    if not parts and depth:
        return  # an empty cell
    if len(parts) < 3 or depth > DEEPEST:
        raise ValueError("a variable is cut off" if depth <= DEEPEST else "cells are nested without end")
    (flags_type, flags), (shape_type, shape), (name_type, _), *content = parts
    if (flags_type, len(flags), shape_type, name_type) != (MI_UINT32, 8, MI_INT32, MI_INT8) or len(shape) % 4:
        raise ValueError("the header of a variable is damaged")
    flag = struct.unpack_from(f"{order}I", flags)[0]
    dims = np.frombuffer(shape, f"{order}i4").tolist()
    if not 2 <= len(dims) <= 32 or min(dims) < 0:
        raise ValueError(f"a variable has the shape {tuple(dims)}")
    of_class, count = flag & 0xFF, prod(dims)
    if of_class == STRUCT:
        count *= _fields(content[:2], order)
        content = content[2:]
    if of_class in (CELL, STRUCT):
        if len(content) != count or any(own != MI_MATRIX for own, _ in content):
            raise ValueError(f"{len(content)} values for {count} cells or fields")
        for _, inner in content:
            _check_matrix(list(_elements(inner, order)), order, depth + 1)
    elif of_class in NUMBERS:
        # Bit 11 of the flags: there are imaginary parts as well.
        if len(content) != 1 + (flag >> 11 & 1) or any(
            kind not in SIZES or SIZES[kind] * count != len(part) for kind, part in content
        ):
            raise ValueError(f"the numbers do not fit the shape {tuple(dims)}")
    elif of_class == CHAR:
        if len(content) != 1 or content[0][0] not in TEXTS or len(content[0][1]) > 4 * count:
            raise ValueError(f"a text does not fit the shape {tuple(dims)}")
    elif of_class == SPARSE:
        _check_sparse(content, dims, order)
    else:
        raise ValueError(
            f"it holds a value of MATLAB's class {of_class}, which is neither numbers, text, cell nor struct"
        )


def _fields(content: list[Element], order: str) -> int:
    """Number of the fields of a struct."""
    if len(content) != 2 or content[0][0] != MI_INT32 or len(content[0][1]) != 4 or content[1][0] != MI_INT8:
        raise ValueError("the fields of a struct are damaged")
    length, names = int(struct.unpack(f"{order}i", content[0][1])[0]), bytes(content[1][1])
    if length < 1 or len(names) % length:
        raise ValueError("the fields of a struct are damaged")
    return len(names) // length


def _check_sparse(content: list[Element], dims: list[int], order: str) -> None:
    """Check row numbers, column starts and values of a sparse matrix."""
    if len(content) not in (3, 4) or any(kind != MI_INT32 or len(part) % 4 for kind, part in content[:2]):
        raise ValueError("a sparse matrix is damaged")
    rows, starts = (np.frombuffer(part, f"{order}i4") for _, part in content[:2])
    size = SIZES.get(content[2][0], 0)
    if len(dims) != 2 or len(starts) != dims[1] + 1 or starts[0] != 0 or (np.diff(starts) < 0).any() or not size:
        raise ValueError("the columns of a sparse matrix are damaged")
    used = int(starts[-1])
    if used > len(rows) or any(len(part) < size * used for _, part in content[2:]):
        raise ValueError("a sparse matrix is cut off")
    if ((rows[:used] < 0) | (rows[:used] >= dims[0])).any():
        raise ValueError("a sparse matrix has values beyond its last row")
