"""The commands on folders with odd files: what is read is right, and what is not is named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from oddframe.bundle import load_bundle
from oddframe.video.encode import VideoWriter
from oddframe.workflow.run import load_run
from tests.conftest import Ask


def thermal(folder: Path, count: int, hot: int = 0, base: int = 7100) -> Path:
    """16-bit frames with noise of 60 counts and a warm spot; from the middle on with a hot one, too."""
    folder.mkdir(parents=True)
    for n in range(count):
        frame = base + np.random.default_rng(n).integers(0, 60, (30, 40))
        frame[5:12, n % 30 : n % 30 + 6] += 300
        if n >= count // 2:
            frame[20:26, n % 30 : n % 30 + 6] += hot
        cv2.imwrite(str(folder / f"{n:04d}.png"), frame.astype(np.uint16))
    return folder


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "difference.yaml"
    path.write_text("summary: x\nmodel: frame_difference\noptions: {size: [30, 40]}\n")
    return path


def test_the_levels_of_thermal_video_are_learned_once_and_hold_for_all_that_is_scored(
    tmp_path: Path, recipe: Path, ask: Ask
) -> None:
    thermal(tmp_path / "normal" / "cam", 120)
    fitted = ask("fit", tmp_path / "normal", "--recipe", recipe, "--out", tmp_path / "run", "--quantile", 0.9)
    assert fitted.status == 0, fitted.err
    low, high = load_bundle(tmp_path / "run").data.levels or (0, 0)
    assert 6900 < low < 7100 and 7459 < high < 7700
    assert f"note       The frames have more than 8 bits: the values {low:g} to {high:g}" in fitted.out
    run = load_run(tmp_path / "run")
    scores = run.score(thermal(tmp_path / "hot", 40, hot=300), progress=False)[0]
    assert scores.score[25:].min() > 1.08 * scores.score[5:15].max()
    answer = ask("score", tmp_path / "run", thermal(tmp_path / "other", 8, base=9000), "--out", tmp_path / "scores")
    assert f"note other: 100% of the pixels lie outside the levels {low:g} to {high:g}" in answer.out


@pytest.mark.slow
def test_links_to_nowhere_are_skipped_and_hidden_files_named_by_fit_and_score(
    tmp_path: Path, recipe: Path, street: Path, ask: Ask
) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(street / "training" / "videos", videos)
    os.symlink("/mnt/nas/z.mp4", videos / "z.mp4")
    (videos / "._01.mp4").touch()
    line = f"skipped z: {videos / 'z.mp4'}: a link to /mnt/nas/z.mp4, which is not there; mount that place"
    left = f"left out {videos}: 1 hidden file, first ._01.mp4"
    fitted = ask("fit", videos, "--recipe", recipe, "--out", tmp_path / "run", "--quantile", 0.9)
    assert fitted.status == 3 and line in fitted.err and left in fitted.out
    scored = ask("score", tmp_path / "run", videos, "--out", tmp_path / "scores", "--no-overlay")
    assert scored.status == 3 and line in scored.err and left in scored.err
    info = ask("data", "info", videos)
    assert info.status == 3 and line in info.err and left in info.err


def test_missing_frame_numbers_are_said_by_fit_and_score(tmp_path: Path, recipe: Path, ask: Ask) -> None:
    folder = thermal(tmp_path / "normal" / "cam", 120)
    (folder / "0011.png").unlink()
    said = "cam: 1 of the frames numbered 0 to 119 are missing, first 11"
    fitted = ask("fit", tmp_path / "normal", "--recipe", recipe, "--out", tmp_path / "run", "--quantile", 0.9)
    assert fitted.status == 0 and f"note       {said}" in fitted.out
    scored = ask("score", tmp_path / "run", folder, "--out", tmp_path / "scores", "--no-overlay")
    assert f"note {said}" in scored.out


@pytest.mark.slow
@pytest.mark.parametrize("letters", [240, 251])
def test_a_long_name_costs_at_most_its_own_video(
    tmp_path: Path, recipe: Path, street: Path, ask: Ask, letters: int
) -> None:
    normal = street / "training" / "videos"
    ask("fit", normal, "--recipe", recipe, "--out", tmp_path / "run", "--quantile", 0.9)
    (tmp_path / "in").mkdir()
    with VideoWriter(tmp_path / "tiny.mp4", (48, 64), 25.0) as writer:
        for n in range(12):
            writer.write(np.full((48, 64, 3), 20 * n, np.uint8), n / 25)
    for name in ("a.mp4", f"{'b' * letters}.mp4", f"{'c' * 252}.ts", "d.mp4"):
        shutil.copy(tmp_path / "tiny.mp4", tmp_path / "in" / name)
    os.symlink("e.mp4", tmp_path / "in" / "e.mp4")
    answer = ask("score", tmp_path / "run", tmp_path / "in", "--out", tmp_path / "out")
    assert answer.status == 3 and (tmp_path / "out" / "report.html").is_file()
    names = sorted(path.stem for path in (tmp_path / "out" / "scores").glob("*.npz"))
    assert names == ["a", "b" * letters, "d"]
    assert "its name is too long" in answer.err and "leads back to this link" in answer.err
    assert (tmp_path / "out" / "overlays" / f"{'b' * letters}.mp4").is_file()
