"""Single images: whole ones are read, and lengths that lie are refused before the decoder believes them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from oddframe.errors import InputError
from oddframe.reading.images import read_picture


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 3), (400, 300)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whole_images_are_read(tmp_path: Path, suffix: str, shape: tuple[int, ...], dtype: type) -> None:
    if suffix == ".bmp" and dtype is np.uint16:
        pytest.skip("a BMP has 8 bits")
    image: np.ndarray = (np.arange(np.prod(shape)) % 251).astype(dtype).reshape(shape)
    cv2.imwrite(str(tmp_path / f"x{suffix}"), image)
    assert np.array_equal(read_picture(tmp_path / f"x{suffix}", cv2.IMREAD_UNCHANGED), image)
    cv2.imwrite(str(tmp_path / f"x{suffix}"), np.zeros(shape, dtype))  # the densest there is
    assert not read_picture(tmp_path / f"x{suffix}", cv2.IMREAD_UNCHANGED).any()


@pytest.mark.parametrize(
    ("at", "new", "says"),
    [
        (16, b"\0\0\xff\xff\0\0\xff\xff", "its header promises 65535 x 65535 pixels"),
        (33, b"\xff\xff\xff\xff", "it is cut off"),
        (8, b"\0\0\0\x0c", "its header promises 0 x 0 pixels"),
    ],
)
def test_lengths_that_lie_are_refused(tmp_path: Path, at: int, new: bytes, says: str) -> None:
    whole = cv2.imencode(".png", np.zeros((6, 8), np.uint8))[1].tobytes()
    for data in (whole[:at] + new + whole[at + len(new) :], whole[:-20]):
        (tmp_path / "x.png").write_bytes(data)
        with pytest.raises(InputError, match=rf"x\.png: not an image .*({says}|it is cut off)\); get it again"):
            read_picture(tmp_path / "x.png", cv2.IMREAD_UNCHANGED)
