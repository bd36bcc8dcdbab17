"""The walk through a .mat file: what is whole passes, and what is damaged is refused before SciPy reads it."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix
from tiny import cell

from oddframe.reading.mat import check_variable

VALUES = {
    "numbers": np.arange(12.0).reshape(3, 4),
    "three": np.zeros((2, 3, 4), np.uint8),
    "flags": np.array([[True, False]]),
    "complex": np.array([[1 + 2j]]),
    "text": "Zürich",
    "texts": cell(["a", "longer"]),
    "nothing": np.zeros((0, 0)),
    "nested": cell([cell([np.ones((2, 2), np.int16)]), np.zeros((0, 2))]),
    "struct": {"VideoName": "v", "Anno": np.array([[1, 2]]), "deep": {"a": cell([1.5])}},
    "sparse": csc_matrix(np.eye(5)),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", VALUES)
def test_what_is_whole_passes(tmp_path: Path, name: str, compressed: bool) -> None:
    savemat(tmp_path / "x.mat", VALUES, do_compression=compressed)
    assert check_variable((tmp_path / "x.mat").read_bytes(), name) == list(VALUES)


@pytest.mark.parametrize(
    ("name", "shape"), [("numbers", (3, 5)), ("three", (-2, -3, 4)), ("nested", (1, 2**30)), ("struct", (1, 99))]
)
def test_a_shape_that_the_content_does_not_fill_is_refused(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    savemat(tmp_path / "x.mat", {name: VALUES[name]})
    data = (tmp_path / "x.mat").read_bytes()
    own = np.shape(VALUES[name]) or (1, 1)
    stored, changed = (struct.pack(f"<{len(own)}i", *dims) for dims in (own, shape))
    assert stored in data
    with pytest.raises(ValueError, match=r"shape|cells or fields"):
        check_variable(data.replace(stored, changed, 1), name)


@pytest.mark.parametrize(
    "data", [b"", b"x" * 500, b"\0" * 126 + b"\0\2IM", b"\0" * 124 + b"\0\1IM" + b"\x0e\0\0\0\xff"]
)
def test_what_is_no_file_of_version_5_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"no \.mat file of version 5 to 7|cut off"):
        check_variable(data, "x")


@pytest.mark.slow
def test_no_damage_that_passes_ends_the_process(tmp_path: Path) -> None:
    """SciPy reads, in a process of its own, 3000 damaged files that the walk lets pass."""
    savemat(tmp_path / "x.mat", VALUES)
    code = (
        "import random, sys, warnings; from pathlib import Path; from scipy.io import loadmat\n"
        "from oddframe.reading.mat import check_variable\n"
        "warnings.simplefilter('ignore'); file = Path(sys.argv[1]); whole = file.read_bytes(); passed = 0\n"
        "for case in range(100_000):\n"
        "    rng = random.Random(case); data = bytearray(whole)\n"
        "    for _ in range(rng.randint(1, 3)):\n"
        "        at = rng.randrange(128, len(data)); data[at] = rng.choice((0, 1, 127, 255, data[at] ^ 1))\n"
        "    name = rng.choice(['numbers', 'nested', 'struct', 'sparse', 'texts', 'text', 'complex'])\n"
        "    try: check_variable(bytes(data), name)\n"
        "    except Exception: continue\n"
        "    file.write_bytes(bytes(data)); passed += 1\n"
        "    try: loadmat(file, variable_names=[name])\n"
        "    except Exception: pass\n"
        "    if passed == 3000: break\n"
        "print(passed)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.mat")], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout.strip()) == (0, "3000"), done.stderr
