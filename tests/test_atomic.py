from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from power_cuts import PowerCuts
from safetensors.numpy import save_file

import oddframe.atomic as atomic
from oddframe.atomic import naming, new_folder, replacing, replacing_all, write_text
from oddframe.errors import InputError
from oddframe.scoring.files import load_scores, save_scores, score_path
from oddframe.scoring.heldout_store import load_heldout, save_heldout
from oddframe.scoring.scorer import ScoreStore
from oddframe.training.checkpoint import Checkpoint, TrainingState, load_checkpoint, save_checkpoint
from oddframe.types import FrameScores, VideoInfo
from oddframe.video.encode import VideoWriter

NUMBERS = np.arange(7.0)


def _scores(value: float) -> FrameScores:
    info = VideoInfo("v", "v.mp4", 8, 8, 25.0, 7, key="k")
    return FrameScores("v", np.arange(7), NUMBERS, {"a": NUMBERS + value}, NUMBERS + value, info, "b")


def _write_files(folder: Path, value: str) -> None:
    with replacing_all(folder) as new:
        for name in ("a.txt", "b.txt"):
            (new / name).write_text(value)


def _write_folder(folder: Path, value: str) -> None:
    with new_folder(folder / "made") as new:
        (new / "inner").mkdir()
        (new / "a.txt").write_text(value)
        (new / "inner" / "b.txt").write_text(value)


def _read_folder(folder: Path) -> str | None:
    if not (folder / "made").exists():
        return None
    first, second = ((folder / "made" / name).read_text() for name in ("a.txt", "inner/b.txt"))
    assert first == second
    return first


def _read_scores(folder: Path) -> str | None:
    found = score_path(folder, "v")
    if not found.exists():
        return None
    assert ScoreStore("b", folder)._valid(found, "k") is not None
    assert len((folder / "v.csv").read_text().splitlines()) == 8, "the table comes first"
    return str(int(load_scores(found).score[0]))


def _read_checkpoint(folder: Path) -> str | None:
    found = load_checkpoint(folder)
    return None if found is None else str(found.signature["value"])


# What is written, with "1" and then with "2" in it; and what a reader sees: one of them, or None for nothing.
WRITERS: dict[str, tuple[Callable[[Path, str], object], Callable[[Path], str | None]]] = {
    "text": (
        lambda folder, value: write_text(folder / "new" / "a.txt", value),
        lambda folder: (folder / "new" / "a.txt").read_text() if (folder / "new" / "a.txt").exists() else None,
    ),
    "scores": (lambda folder, value: save_scores(_scores(int(value)), folder), _read_scores),
    "held-out": (
        lambda folder, value: save_heldout(folder, [(NUMBERS, {"a": NUMBERS + int(value)})]),
        lambda folder: str(int(load_heldout(folder)[0][1]["a"][0])) if (folder / "heldout.npz").exists() else None,
    ),
    "checkpoint": (
        lambda folder, value: save_checkpoint(folder, Checkpoint({"value": value}, TrainingState(), {}, None)),
        _read_checkpoint,
    ),
    "video": (
        lambda folder, value: _write_video(folder / "v.mp4", int(value)),
        lambda folder: _read_video(folder / "v.mp4"),
    ),
    "one of a set": (
        _write_files,
        lambda folder: (folder / "b.txt").read_text() if (folder / "b.txt").exists() else None,
    ),
}


def _write_video(path: Path, value: int) -> None:
    with VideoWriter(path, (16, 16), 25, threads=1) as writer:
        for _ in range(value):
            writer.write(np.zeros((16, 16, 3), np.uint8))


def _read_video(path: Path) -> str | None:
    return str(int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT))) if path.exists() else None


@pytest.mark.parametrize("kind", WRITERS)
def test_after_a_power_cut_at_any_step_a_file_is_the_old_or_the_new_one(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, read = WRITERS[kind]
    disk = tmp_path / "disk"
    disk.mkdir()
    for value, before in (("1", None), ("2", "1")):
        cuts = PowerCuts(disk)
        with cuts.watching(monkeypatch):
            write(disk, value)
        assert len(cuts.moments) > 6
        seen = {read(left) for left in cuts.all_left(tmp_path / value)}
        assert seen == {before, value}
        assert read(cuts.leave(cuts.moments[-1], False, tmp_path / f"end {value}")) == value, "done is done"


def test_after_a_power_cut_at_any_step_a_folder_is_whole_or_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    cuts = PowerCuts(disk)
    with cuts.watching(monkeypatch):
        _write_folder(disk, "1")
    assert {_read_folder(left) for left in cuts.all_left(tmp_path / "left")} == {None, "1"}
    assert _read_folder(cuts.leave(cuts.moments[-1], False, tmp_path / "end")) == "1"


@pytest.mark.parametrize("forgotten", ["sync", "sync_folder"])
def test_the_power_cuts_show_a_sync_that_is_missing(
    forgotten: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, forgotten, lambda _: None)
    disk = tmp_path / "disk"
    disk.mkdir()
    cuts = PowerCuts(disk)
    with cuts.watching(monkeypatch):
        write_text(disk / "a.txt", "whole")
    seen = {(left / "a.txt").read_text() for left in cuts.all_left(tmp_path / "left") if (left / "a.txt").exists()}
    end = cuts.leave(cuts.moments[-1], False, tmp_path / "end") / "a.txt"
    assert ("" in seen) if forgotten == "sync" else not end.exists()


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750), (0, 0o666, 0o777)])
def test_what_is_written_has_the_permissions_of_the_umask(mask: int, file: int, folder: int, tmp_path: Path) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    (tmp_path / "strict.txt").write_text("private")
    (tmp_path / "strict.txt").chmod(0o600)
    with _umask(mask):
        write_text(tmp_path / "deep" / "a.txt", "1")
        with replacing(tmp_path / "weights") as part:
            save_file({"a": NUMBERS}, part)  # replaces the file by one of its own
        with replacing(tmp_path / "p.png") as part:
            part.write_bytes(cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes())
        _write_video(tmp_path / "v.mp4", 1)
        with new_folder(tmp_path / "made") as new:
            (new / "inner").mkdir()
            save_file({"a": NUMBERS}, new / "inner" / "weights")
            (new / "copied").write_text("1")
            (new / "copied").chmod(0o600)
        with replacing_all(tmp_path) as new:
            save_file({"a": NUMBERS}, new / "set")
        write_text(tmp_path / "strict.txt", "2")
    files = ("deep/a.txt", "weights", "p.png", "v.mp4", "made/inner/weights", "made/copied", "set", "strict.txt")
    assert {name: oct(mode(tmp_path / name)) for name in files} == dict.fromkeys(files, oct(file))
    folders = ("deep", "made", "made/inner")
    assert {name: oct(mode(tmp_path / name)) for name in folders} == dict.fromkeys(folders, oct(folder))


def test_an_error_names_the_file_that_was_to_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError) as short, replacing(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as a write that comes too short does
    assert short.value.filename == str(tmp_path / "a.txt")
    with pytest.raises(OSError) as hidden, new_folder(tmp_path / "made") as new:
        (new / "missing" / "b.txt").write_text("1")
    assert hidden.value.filename == str(tmp_path / "made")
    with pytest.raises(OSError) as other, replacing(tmp_path / "a.txt"):
        Path("/nowhere/b.txt").read_text()
    assert other.value.filename == "/nowhere/b.txt"
    with pytest.raises(ValueError, match="not of the system"), naming(tmp_path):
        raise ValueError("not of the system")
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_place_of_a_file_is_found_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(IsADirectoryError) as caught, replacing(tmp_path / "a.txt"):
        pytest.fail("the block is not entered")
    assert caught.value.filename == str(tmp_path / "a.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as below, replacing(tmp_path / "file" / "a.txt"):
        pytest.fail("the block is not entered")
    assert below.value.errno in (errno.ENOTDIR, errno.EEXIST) and str(tmp_path / "file") in below.value.filename


def test_a_set_of_files_moves_back_when_one_cannot_move(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "b.txt").mkdir()
    with pytest.raises(OSError), replacing_all(tmp_path) as new:
        for name in ("a.txt", "b.txt"):
            (new / name).write_text("new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b.txt"]


def test_two_at_once_are_told(tmp_path: Path) -> None:
    with new_folder(tmp_path / "made"):
        with pytest.raises(InputError, match=r"made: another run of oddframe is writing there"):
            with new_folder(tmp_path / "made"):
                pass
    with replacing_all(tmp_path), pytest.raises(InputError, match="another run"), replacing_all(tmp_path):
        pass


def test_what_a_killed_run_left_of_a_folder_is_not_in_the_next(tmp_path: Path) -> None:
    left = atomic.beside(tmp_path / "made", ".new")
    (left / "inner").mkdir(parents=True)
    (left / "half.json").write_text(json.dumps("half"))
    with new_folder(tmp_path / "made") as new:
        (new / "a.txt").write_text("1")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert os.listdir(tmp_path / "made") == ["a.txt"]
