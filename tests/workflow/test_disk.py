"""Commands on disks that are full, damaged or in use: one line each, and nothing that was done is lost."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oddframe.disk as disk
from oddframe import load_run
from oddframe.atomic import beside
from oddframe.features.store import open_store
from oddframe.locks import Lock, holding
from oddframe.scoring.files import load_scores

Ask = Callable[..., Any]
Usage = namedtuple("Usage", "total used free")
RECIPE = "summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\nscoring: {smoothing: {kind: none}}\n"
PLAN = """
data: {street: {train: STREET/training/videos, test: "folder:STREET/testing"}}
systems: {plain: {recipe: plain.yaml}}
seeds: [0]
protocols: [honest]
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "disk-cache"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, street: Path) -> Path:
    """A folder with a run, a recipe and a plan."""
    from oddframe import fit

    folder = tmp_path_factory.mktemp("work")
    (folder / "plain.yaml").write_text(RECIPE)
    (folder / "plan.yaml").write_text(PLAN.replace("STREET", str(street)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "disk-cache"))
        fit(street / "training" / "videos", recipe=str(folder / "plain.yaml"), out=folder / "run")
    return folder


def _words(command: str, work: Path, street: Path, network: Path, out: Path) -> list[object]:
    videos, run = street / "testing" / "videos", work / "run"
    return {
        "fit": ["fit", street / "training" / "videos", "--recipe", work / "plain.yaml", "--out", out],
        "score": ["score", run, videos, "--out", out, "--no-overlay"],
        "evaluate": ["evaluate", run, "--data", f"folder:{street / 'testing'}", "--out", out],
        "calibrate": ["calibrate", run, videos, "--quantile", 0.8, "--out", out],
        "adapt": ["adapt", run, videos / "01.mp4", "--out", out],
        "export": ["export", run, "--to", "onnx", "--out", out],
        "features": ["features", f"onnx:{network}", videos, "--out", out, "--workers", 1],
        "benchmark": ["benchmark", work / "plan.yaml", "--out", out],
        "demo": ["demo", "--out", out],
        "world": ["data", "world", out, "--videos", 1, "--test-videos", 1, "--seconds", 1],
    }[command]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["fit", "score", "evaluate", "calibrate", "adapt", "export", "features", "benchmark", "demo", "world"]
)
def test_the_second_run_into_a_folder_is_told(
    command: str, work: Path, street: Path, colour_network: Path, tmp_path: Path, ask: Ask
) -> None:
    out = tmp_path / "out"
    held = Lock(beside(out, ".new"), folder=True) if command == "export" else Lock(out, folder=True)
    answer = ask(*_words(command, work, street, colour_network, out))
    held.release()
    assert answer.status == 2
    last = answer.err.splitlines()[-1]
    assert last.startswith(f"oddframe: {out}: another run of oddframe is writing") and "Traceback" not in answer.err
    assert not out.exists() or os.listdir(out) == []


def test_a_bundle_that_another_run_changes_is_not_calibrated(work: Path, street: Path, ask: Ask) -> None:
    with holding(work / "run"):
        answer = ask("calibrate", work / "run", street / "testing" / "videos", "--quantile", 0.8, "--in-place")
    assert answer.status == 2 and f"{work / 'run'}: another run" in answer.err


@pytest.mark.parametrize("command", ["score", "features"])
def test_a_disk_that_is_clearly_too_small_is_refused_before_anything_is_computed(
    command: str, work: Path, street: Path, colour_network: Path, tmp_path: Path, ask: Ask, monkeypatch: Any
) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: Usage(0, 0, 1000))
    monkeypatch.setattr("oddframe.video.decode.VideoReader.__iter__", lambda _: pytest.fail("nothing is decoded"))
    answer = ask(*_words(command, work, street, colour_network, tmp_path / "out"))
    what = {"score": "scores", "features": "features"}[command]
    assert answer.status == 2 and f"{tmp_path / 'out'}: the {what} of 2 videos need" in answer.err
    assert [path for path in tmp_path.rglob("*.npz")] == []


@pytest.mark.slow
def test_the_estimate_is_below_what_is_written(work: Path, street: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """Nothing is refused that could have been done."""
    from oddframe.workflow import space

    asked: list[int] = []
    monkeypatch.setattr(space, "PLENTY", 1 << 60)
    monkeypatch.setattr(space, "require_room", lambda place, need, *_: asked.append(need))
    load_run(work / "run").score(street / "testing" / "videos", tmp_path / "out", progress=False)
    folders = [tmp_path / "out" / name for name in ("scores", "overlays")]
    written = sum(path.stat().st_size for folder in folders for path in folder.rglob("*"))
    assert 0.2 * written < asked[0] < written


def _flip(path: Path, where: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "a bit at the beginning": lambda path: _flip(path, 0.2),
    "a bit in the middle": lambda path: _flip(path, 0.5),
    "a bit at the end": lambda path: _flip(path, 0.99),
    "something else": lambda path: path.write_bytes(b"[]"),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_scores_are_made_again(damage: str, work: Path, street: Path, tmp_path: Path) -> None:
    run, videos = load_run(work / "run"), street / "testing" / "videos"
    first = run.score(videos, tmp_path, progress=False)
    stored = tmp_path / "scores" / "01.npz"
    DAMAGES[damage](stored)
    again = run.score(videos, tmp_path, progress=False)
    assert np.array_equal(again["01"].score, first["01"].score)
    assert np.array_equal(load_scores(stored).score, first["01"].score)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_features_are_extracted_again(
    damage: str, street: Path, colour_network: Path, tmp_path: Path, ask: Ask
) -> None:
    words = _words("features", tmp_path, street, colour_network, tmp_path / "store")
    assert ask(*words).status == 0
    before = open_store(tmp_path / "store").load("01").features.copy()  # the file is mapped into memory
    DAMAGES[damage](tmp_path / "store" / "01.npz")
    answer = ask(*words)
    assert answer.status == 0, answer.err
    if damage != "a bit at the end":  # there is the directory, and what it repeats
        assert "1 video extracted, 1 already" in answer.out
    assert np.array_equal(open_store(tmp_path / "store").load("01").features, before)


@pytest.mark.parametrize("name", ["heldout.npz", "calibration.json", "bundle.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["cut off", "empty", "something else"])
def test_a_damaged_file_of_a_bundle_is_named(
    name: str, damage: str, work: Path, street: Path, tmp_path: Path, ask: Ask
) -> None:
    run = shutil.copytree(work / "run", tmp_path / "run")
    DAMAGES[damage](run / name)
    more = ["--quantile", 0.8] if name == "heldout.npz" else []
    answer = ask("score", run, street / "testing" / "videos" / "01.mp4", "--out", tmp_path / "out", *more)
    assert answer.status == 2, answer.err
    assert len(answer.err.splitlines()) == 1 and str(run) in answer.err and "Aborted" not in answer.err
