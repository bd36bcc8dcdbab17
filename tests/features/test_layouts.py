"""Public layouts, written here by hand in the shapes that the releases have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oddframe.errors import InputError
from oddframe.features.layouts import open_layout

RNG = np.random.default_rng(0)


def save(path: Path, array: np.ndarray) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return array


def test_rtfm_has_the_crops_in_the_middle(tmp_path: Path) -> None:
    ten = save(tmp_path / "Abuse" / "Abuse010_x264_i3d.npy", RNG.normal(size=(7, 10, 4)))
    one = save(tmp_path / "Abuse" / "Abuse002_x264_i3d.npy", RNG.normal(size=(3, 4)).astype(np.float16))
    source = open_layout("rtfm", tmp_path, "i3d")
    assert source.videos == ("Abuse002_x264", "Abuse010_x264") and (source.name, source.dim) == ("i3d", 4)
    loaded = source.load("Abuse010_x264")
    assert loaded.features.dtype == np.float32 and np.allclose(loaded.features, ten.mean(1), atol=1e-6)
    assert (loaded.kind, loaded.frames, loaded.time, loaded.info) == ("snippets", None, None, None)
    assert np.allclose(source.load("Abuse002_x264").features, one)


def test_urdmu_has_the_crops_first(tmp_path: Path) -> None:
    raw = save(tmp_path / "a.npy", RNG.normal(size=(10, 7, 4)).astype(np.float32))
    assert np.allclose(open_layout("urdmu", tmp_path).load("a").features, raw.mean(0), atol=1e-6)
    for layout, wrong in (("rtfm", raw), ("urdmu", raw.swapaxes(0, 1))):
        save(tmp_path / "a.npy", wrong)
        with pytest.raises(InputError, match=r"a\.npy: .* has no axis of 1, 5 or 10 crops"):
            open_layout(layout, tmp_path)
    save(tmp_path / "a.npy", raw[0])
    with pytest.raises(InputError, match="here are 2 axes"):
        open_layout("urdmu", tmp_path)


def test_one_file_per_crop(tmp_path: Path) -> None:
    film = "The.Film.2001__#00-29-00_00-30-00_label_B1-0-0"
    five = [save(tmp_path / f"{film}__{k}.npy", RNG.normal(size=(6, 4)).astype(np.float32)) for k in range(5)]
    bare = [save(tmp_path / name, RNG.normal(size=(2, 4)).astype(np.float32)) for name in ("b.npy", "b__1.npy")]
    source = open_layout("crops", tmp_path)
    assert source.videos == ("b", film)
    assert np.allclose(source.load(film).features, np.mean(five, 0), atol=1e-6)
    assert np.allclose(source.load("b").features, np.mean(bare, 0), atol=1e-6)
    save(tmp_path / "b__1.npy", np.zeros((3, 4)))
    with pytest.raises(InputError, match=r"b__1\.npy: has shape \(3, 4\), b\.npy has \(2, 4\)"):
        source.load("b")
    save(tmp_path / "b__0.npy", np.zeros((2, 4)))
    with pytest.raises(InputError, match="are both crop 0 of b"):
        open_layout("crops", tmp_path)
    (tmp_path / f"{film}__3.npy").unlink()
    (tmp_path / "b__0.npy").unlink()
    with pytest.raises(InputError, match=r"crop 3 of The\.Film.* is missing"):
        open_layout("crops", tmp_path)


def test_sultani_text(tmp_path: Path) -> None:
    rows = RNG.random((32, 5)).astype(np.float32)
    np.savetxt(tmp_path / "a.txt", rows)
    source = open_layout("sultani", tmp_path)
    loaded = source.load("a")
    assert loaded.kind == "segments" and np.allclose(loaded.features, rows) and source.dim == 5
    np.savetxt(tmp_path / "a.txt", rows[:31])
    with pytest.raises(InputError, match=r"a\.txt: has 31 lines"):
        source.load("a")
    (tmp_path / "a.txt").write_text("no numbers\n")
    with pytest.raises(InputError, match=r"a\.txt: cannot be read as lines of numbers"):
        source.load("a")


def test_segments_in_one_archive(tmp_path: Path) -> None:
    parts = {"v10": RNG.random((32, 5)).astype(np.float16), "v2": RNG.random((32, 5)).astype(np.float16)}
    np.savez(tmp_path / "c3d.npz", allow_pickle=False, **parts)
    source = open_layout("segments", tmp_path / "c3d.npz")
    assert source.videos == ("v2", "v10") and source.name == "c3d"
    loaded = source.load("v10")
    assert loaded.kind == "segments" and loaded.features.dtype == np.float32
    assert np.array_equal(loaded.features, parts["v10"].astype(np.float32))


def test_fingerprints_tell_apart_what_can_be_told_apart(tmp_path: Path) -> None:
    for folder, dim in (("x", 4), ("y", 4), ("z", 5)):
        save(tmp_path / folder / "a.npy", np.ones((2, dim)))
    marks = [open_layout("rtfm", tmp_path / folder, "i3d").fingerprint for folder in "xyz"]
    assert marks[0] == marks[1] != marks[2]
    assert len({*marks, *(open_layout(layout, tmp_path / "x").fingerprint for layout in ("rtfm", "crops"))}) == 4


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing of the layout 'rtfm' there"):
        open_layout("rtfm", tmp_path)
    save(tmp_path / "one" / "a.npy", np.ones((2, 4)))
    save(tmp_path / "two" / "b.npy", np.full((2, 5), np.inf))
    source = open_layout("rtfm", tmp_path)
    with pytest.raises(InputError, match=r"b\.npy: vectors of length 5, those of the other videos have 4"):
        source.load("b")
    save(tmp_path / "two" / "b.npy", np.full((2, 4), np.inf))
    with pytest.raises(InputError, match=r"b\.npy: NaN or infinity in 2 of 2 rows"):
        source.load("b")
    save(tmp_path / "two" / "b.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"b\.npy: cannot be read as an array of numbers"):
        source.load("b")
    with pytest.raises(InputError, match="has no features of c"):
        source.load("c")
    save(tmp_path / "two" / "a_i3d.npy", np.ones((2, 4)))
    with pytest.raises(InputError, match="are both features of a"):
        open_layout("rtfm", tmp_path)
    with pytest.raises(InputError, match=r"a\.npy: not an \.npz of arrays"):
        open_layout("segments", tmp_path / "one" / "a.npy")


@pytest.mark.realdata
def test_real_segments(shared_data: Path) -> None:
    source = open_layout("segments", shared_data / "ucf_crime_c3d" / "features.npz", "c3d")
    assert len(source.videos) == 709 and source.dim == 4096
    rows = source.load("Fighting003_x264").features
    assert rows.shape == (32, 4096) and np.allclose(np.linalg.norm(rows, axis=1), 1, atol=2e-3)


def test_transposed_arrays_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.npy", np.zeros((1024, 37)))
    with pytest.raises(InputError, match=r"a\.npy: 1024 rows of length 37, .*looks transposed: store \(n, D\)"):
        open_layout("rtfm", tmp_path)
    save(tmp_path / "a.npy", np.zeros((37, 1024)))
    save(tmp_path / "b.npy", np.zeros((1024, 40)))
    source = open_layout("rtfm", tmp_path)
    with pytest.raises(InputError, match=r"b\.npy: vectors of length 40, .* have 1024; transpose the array"):
        source.load("b")


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_types_of_numbers_are_read_if_float32_holds_them(tmp_path: Path, dtype: type) -> None:
    save(tmp_path / "a.npy", np.full((3, 4), 2.5, dtype))
    assert open_layout("rtfm", tmp_path).load("a").features.tolist() == [[2.5] * 4] * 3
    save(tmp_path / "a.npy", np.full((3, 4), 1e300))
    with pytest.raises(InputError, match="NaN or infinity in 3 of 3 rows"):
        open_layout("rtfm", tmp_path)
    for odd in (np.ones((3, 4), int), np.full((3, 4), "a"), np.ones((3, 4), complex)):
        save(tmp_path / "a.npy", odd)
        with pytest.raises(InputError, match="features have to be rows of floating-point numbers"):
            open_layout("rtfm", tmp_path)
