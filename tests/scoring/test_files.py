"""Score files: nothing is lost, nothing half-written is left, and a long map does not have to fit into memory."""

from __future__ import annotations

import csv
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from oddframe.errors import InputError
from oddframe.scoring import files
from oddframe.scoring.files import MapSpool, load_scores, replacing, save_scores, score_path
from oddframe.types import FrameScores, VideoInfo


def make_scores(frames: int = 7, video: str = "cam", grid: np.ndarray | None = None) -> FrameScores:
    rng = np.random.default_rng(1)
    return FrameScores(
        video=video,
        frame=np.arange(3, 3 + frames),
        time=np.arange(frames) / 12.5 + 1 / 3,
        components={"teacher": rng.random(frames), "student": rng.random(frames)},
        score=rng.random(frames),
        info=VideoInfo(video, f"in/{video}.mp4", 640, 360, 12.5, frames + 6, "h264", ("packet 3: skipped",)),
        bundle="0123456789ab",
        map=grid,
    )


def assert_same(found: FrameScores, expected: FrameScores) -> None:
    for name in ("video", "info", "bundle"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("frame", "time", "score"):
        assert_array_equal(getattr(found, name), getattr(expected, name))
    assert list(found.components) == list(expected.components)
    for name, values in expected.components.items():
        assert_array_equal(found.components[name], values)


def test_scores_survive_their_file(tmp_path: Path) -> None:
    scores = make_scores()
    path = save_scores(scores, tmp_path)
    assert path == score_path(tmp_path, "cam") == tmp_path / "cam.npz"
    assert_same(load_scores(path), scores)
    assert load_scores(path).map is None
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cam.csv", "cam.npz"]


def test_the_map_survives_and_can_be_left_out(tmp_path: Path) -> None:
    grid = np.random.default_rng(2).random((7, 4, 5)).astype(np.float16)
    path = save_scores(make_scores(grid=grid), tmp_path)
    found = load_scores(path).map
    assert found is not None and found.dtype == np.float16
    assert_array_equal(found, grid)
    assert load_scores(path, with_map=False).map is None


def test_names_with_folders_and_dots(tmp_path: Path) -> None:
    scores = make_scores(video="street/cam.v2.1")
    assert_same(load_scores(save_scores(scores, tmp_path)), scores)
    assert (tmp_path / "street" / "cam.v2.1.csv").is_file()


def test_the_table_is_for_people(tmp_path: Path) -> None:
    scores = make_scores()
    save_scores(scores, tmp_path)
    with (tmp_path / "cam.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["frame", "time_s", "score", "teacher", "student"]
    assert [row["frame"] for row in rows] == [str(n) for n in range(3, 10)]
    assert rows[0]["time_s"] == "0.333"
    assert float(rows[4]["student"]) == pytest.approx(scores.components["student"][4], rel=1e-6)


def test_spooled_maps_equal_maps_in_memory(tmp_path: Path) -> None:
    grid = np.random.default_rng(2).random((7, 4, 5)).astype(np.float16)
    scores = make_scores()
    with MapSpool(tmp_path / "spooled", (4, 5)) as spool:
        for start, stop in ((0, 3), (3, 3), (3, 7)):
            spool.append(grid[start:stop])
        path = save_scores(scores, tmp_path / "spooled", spool)
    found = load_scores(path)
    assert_same(found, scores)
    assert found.map is not None
    assert_array_equal(found.map, grid)
    whole = save_scores(replace(scores, map=grid), tmp_path / "whole")
    with np.load(path) as a, np.load(whole) as b:
        assert a.files == b.files
        assert_array_equal(a["map"], b["map"])
    assert sorted(file.name for file in (tmp_path / "spooled").iterdir()) == ["cam.csv", "cam.npz"]


def test_memory_does_not_grow_with_the_map(tmp_path: Path) -> None:
    frames, grid = 16000, (20, 40)
    chunk = np.ones((500, *grid), dtype=np.float16)
    tracemalloc.start()
    with MapSpool(tmp_path, grid) as spool:
        for _ in range(frames // len(chunk)):
            spool.append(chunk)
        path = save_scores(make_scores(frames), tmp_path, spool)
    scores = load_scores(path)
    assert scores.map is not None and scores.map[frames - 1, 19, 39] == 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert scores.map.nbytes > 25e6
    assert peak < 8e6


def test_a_spool_refuses_what_does_not_fit(tmp_path: Path) -> None:
    with MapSpool(tmp_path, (4, 5)) as spool:
        with pytest.raises(ValueError, match="do not fit"):
            spool.append(np.zeros((2, 5, 4), dtype=np.float16))
        spool.append(np.zeros((2, 4, 5), dtype=np.float16))
        with pytest.raises(ValueError, match="cam: 2 maps for 7 scored frames"):
            save_scores(make_scores(), tmp_path, spool)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_scores()
    path = save_scores(old, tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.np.lib.format, "write_array", fail)
    with pytest.raises(KeyboardInterrupt):
        save_scores(make_scores(9), tmp_path)
    assert_same(load_scores(path), old)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cam.csv", "cam.npz"]


def test_replacing_makes_folders_and_swaps_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent and not path.exists()
    assert path.read_text() == "new"


def test_what_is_no_score_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such score file"):
        load_scores(tmp_path / "none.npz")
    text = tmp_path / "text.npz"
    text.write_text("hello")
    other = tmp_path / "other.npz"
    np.savez(other, a=np.zeros(3))
    array = tmp_path / "array.npz"
    with array.open("wb") as file:
        np.save(file, np.zeros(3))
    cut = save_scores(make_scores(), tmp_path)
    cut.write_bytes(cut.read_bytes()[:-100])
    for path in (text, other, array, cut):
        with pytest.raises(InputError, match=f"{path.name}: not a score file of oddframe"):
            load_scores(path)


def test_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "VERSION", 2)
    path = save_scores(make_scores(), tmp_path)
    monkeypatch.undo()
    with pytest.raises(InputError, match="version 2, this oddframe reads 1"):
        load_scores(path)


def test_a_stored_score_that_is_no_number_asks_for_another_scoring(tmp_path: Path) -> None:
    scores = make_scores()
    path = save_scores(scores, tmp_path)
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["score"][2] = np.nan
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=r"cam\.npz: not .*score is nan at frame 5.*; score the video again"):
        load_scores(path)
    arrays["score"] = arrays["score"][:-1]
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=r"score has shape \(6,\) for 7 frames.*; score the video again"):
        load_scores(path)
