"""The one reader of arrays that others stored: .npy, .npz and .mat, without running any code that is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.reading.guard import reading
from oddframe.reading.mat import check_variable

Array = NDArray[Any]

LARGEST = 1 << 30
"""Bytes of a compressed array once it is decompressed; what a small file stands for must not fill the memory."""


def load_array(file: Path, what: str = "not an array of numbers") -> Array:
    """The array of an .npy file.

    Args:
        file: the file.
        what: the fault in words, where it cannot be read.

    Raises:
        InputError: it is no .npy file, or holds Python objects.
    """
    with reading(file, what, "save it again with numpy.save"):
        found = np.load(file, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            found.close()
            raise InputError(f"{file}: {what} (an archive of several arrays); save one array with numpy.save")
        return found


@contextmanager
def open_archive(
    file: Path, what: str = "not an archive of arrays", remedy: str = "save it again with numpy.savez"
) -> Iterator[np.lib.npyio.NpzFile]:
    """An open .npz file. Whatever goes wrong while it is read becomes an InputError that names it.

    Args:
        file: the file.
        what: the fault in words, where it cannot be read.
        remedy: what to do about it.
    """
    with reading(file, what, remedy), file.open("rb") as stream:
        found = np.load(stream, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise InputError(f"{file}: {what} (a single array); save it with numpy.savez")
        with found:
            refuse_bomb(found)
            yield found


def refuse_bomb(archive: np.lib.npyio.NpzFile) -> None:
    """See that no array of an open .npz file stands for more than `LARGEST`, unless the file itself is as large.

    Raises:
        ValueError: one does.
    """
    assert archive.zip is not None, "it is open"
    for info in archive.zip.infolist():
        if info.compress_type != ZIP_STORED and info.file_size > LARGEST:
            raise ValueError(f"{info.filename} is {info.file_size:,} bytes long; {LARGEST:,} are read at most")


def member(archive: np.lib.npyio.NpzFile, name: str) -> Array:
    """An array of an open .npz file.

    Raises:
        ValueError: there is none of that name. The message names those that there are.
    """
    if name not in archive.files:
        held = ", ".join(archive.files[:5]) + (" and more" if len(archive.files) > 5 else "")
        raise ValueError(f"there is no array {name} in it; it holds {held or 'nothing'}")
    return np.asarray(archive[name])  # a damaged member is bytes


def load_mat(file: Path, name: str, what: str, *, simplify: bool = False) -> Any:
    """A variable of a .mat file.

    Args:
        file: the file.
        name: of the variable.
        what: the fault in words, where it cannot be read.
        simplify: make structs dictionaries, and drop axes of length 1.

    Raises:
        InputError: it is no .mat file up to version 7, or has no such variable.
    """
    from scipy.io import loadmat

    with reading(file, what, f"save {name} again in MATLAB, with the option -v7"):
        names = check_variable(file.read_bytes(), name)
        if name not in names:
            held = ", ".join(names) or "nothing"
            raise InputError(f"{file}: {what} (there is no {name} in it; it holds {held}); save {name} to it")
        return loadmat(file, simplify_cells=simplify, appendmat=False, variable_names=[name])[name]


def cells_of(found: Any) -> list[Array]:
    """The arrays of a MATLAB cell. Cells that hold one cell alone are opened, however often they are nested.

    Raises:
        ValueError: it is no cell, or what is in it is no array of numbers.
    """
    cells = np.asarray(found)
    while cells.size == 1 and isinstance(inner := cells.reshape(-1)[0], np.ndarray) and inner.dtype.hasobject:
        cells = inner
    if cells.dtype != object:
        raise ValueError("it is no cell of one array each")
    return [numeric(cell) for cell in cells.reshape(-1)]


def numeric(value: Any) -> Array:
    """An array of numbers, also if it is sparse, or alone in one or more nested cells.

    Raises:
        ValueError: it is something else.
    """
    array = _opened(np.asarray(value))
    if array.dtype == object and array.size == 1 and hasattr(inner := array.reshape(-1)[0], "toarray"):
        array = np.asarray(inner.toarray())
    if array.dtype.kind not in "biuf":
        raise ValueError(f"it holds {array.dtype} where numbers belong")
    return array


def _opened(array: Array) -> Array:
    """An array of objects with a single array in it is replaced by that one."""
    while array.dtype == object and array.size == 1 and isinstance(array.reshape(-1)[0], np.ndarray):
        array = array.reshape(-1)[0]
    return array


def in_place(path: Path, member: str) -> NDArray[Any]:
    """An array inside an .npz file without compression, mapped where it lies. Its checksum is not looked at.

    Raises:
        ValueError: it is compressed.
    """
    with ZipFile(path) as archive:
        about = archive.getinfo(member)
    if about.compress_type != ZIP_STORED:
        raise ValueError(f"{member} is compressed")
    start = about.header_offset
    with path.open("rb") as file:
        file.seek(start + 26)  # the two lengths that end the fixed 30 bytes of a local header (APPNOTE 4.3.7)
        name, extra = np.frombuffer(file.read(4), dtype="<u2").tolist()
        file.seek(start + 30 + name + extra)
        np.lib.format.read_magic(file)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        return np.memmap(file, dtype, "r", file.tell(), shape, "F" if fortran else "C")
