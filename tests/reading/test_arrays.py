"""Arrays that others stored, and the guard: whatever a library raises becomes one line with file and remedy."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix
from tiny import cell

from oddframe.errors import BundleError, InputError
from oddframe.reading.arrays import cells_of, load_array, load_mat, numeric, open_archive
from oddframe.reading.guard import reading


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), r"its header promises more data than memory holds"),
        (struct.error("unpack requires 4 bytes"), "unpack requires 4 bytes"),
        (KeyError("gt"), "there is no gt in it"),
        (RecursionError(), "RecursionError"),
        (ZeroDivisionError("division\nby zero"), "division by zero"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "not UTF-8: invalid start byte at byte 0"),
        (ValueError("x" * 1000 + " y"), "x and more"),
    ],
)
def test_every_exception_becomes_one_line(tmp_path: Path, error: Exception, says: str) -> None:
    with pytest.raises(BundleError, match=rf"x\.bin: not a bundle \(.*{says}\); copy it again") as caught:
        with reading(tmp_path / "x.bin", "not a bundle", "copy it again", BundleError):
            raise error
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert caught.value.__cause__ is error


def test_own_errors_and_interrupts_pass_the_guard(tmp_path: Path) -> None:
    for own in (InputError("as it is"), KeyboardInterrupt()):
        with pytest.raises(type(own)) as caught, reading(tmp_path, "not right"):
            raise own
        assert caught.value is own


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty: get it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"  <html>", "the file is a web page"),
        (b"\x93NUMPY\x01\x00", "save it again with numpy.save"),
        (b"some text", r"it holds no plain array\); save it again"),
    ],
)
def test_the_first_bytes_may_say_more(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(InputError, match=rf"x\.npy: not an array of numbers .*{says}"):
        load_array(tmp_path / "x.npy")


def test_a_header_that_promises_too_much(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((10, 10)))
    data = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(data.replace(b"(10, 10), }     ", b"(9999999999999, 9), }"[:16]))
    with pytest.raises(InputError, match=r"x\.npy: not an array of numbers"):
        load_array(tmp_path / "x.npy")


def test_one_array_and_several_are_not_mistaken(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.ones(2))
    with pytest.raises(InputError, match="an archive of several arrays"):
        load_array(tmp_path / "x.npz")
    np.save(tmp_path / "y.npy", np.ones(2))
    with pytest.raises(InputError, match="a single array"), open_archive(tmp_path / "y.npy"):
        pass
    with (
        pytest.raises(InputError, match=r"x\.npz: not an archive of arrays \(.*b"),
        open_archive(tmp_path / "x.npz") as f,
    ):
        f["b"]


def test_a_mat_without_the_variable_names_what_it_holds(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"other": 1, "more": 2})
    with pytest.raises(InputError, match=r"there is no gt in it; it holds other, more\); save gt to it"):
        load_mat(tmp_path / "x.mat", "gt", "no intervals")
    (tmp_path / "x.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(InputError, match=r"x\.mat: no intervals .*; save gt again in MATLAB, with the option -v7"):
        load_mat(tmp_path / "x.mat", "gt", "no intervals")


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_cells_may_be_nested(tmp_path: Path, depth: int) -> None:
    items: list[object] = [np.full((2, 3), number) for number in range(4)]
    for _ in range(depth):
        items = [cell([item]) for item in items]
    for outer in (cell(items), cell([cell(items)])):
        savemat(tmp_path / "x.mat", {"c": outer})
        assert [array.tolist() for array in cells_of(load_mat(tmp_path / "x.mat", "c", "x"))] == [
            np.full((2, 3), number).tolist() for number in range(4)
        ]


def test_sparse_masks_and_single_cells_are_arrays_and_words_are_none(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"c": cell([csc_matrix(np.eye(3)), np.zeros((3, 3))])})
    assert cells_of(load_mat(tmp_path / "x.mat", "c", "x"))[0].tolist() == np.eye(3).tolist()
    savemat(tmp_path / "x.mat", {"c": cell([np.ones((2, 2))])})
    assert [array.shape for array in cells_of(load_mat(tmp_path / "x.mat", "c", "x"))] == [(2, 2)]
    savemat(tmp_path / "x.mat", {"c": cell(["word", "other"])})
    with pytest.raises(ValueError, match="where numbers belong"):
        cells_of(load_mat(tmp_path / "x.mat", "c", "x"))
    with pytest.raises(ValueError, match="where numbers belong"):
        numeric(np.array(["a"]))
