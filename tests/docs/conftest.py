"""What lies in the folder of a page when its code begins. Each is made once, and copied for every page."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from colour_network import write_colour_network

import oddframe
from oddframe.street import World, render_world

Lay = Callable[[str, Path], None]


@pytest.fixture(scope="session")
def videos(street: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`videos` with normal, more_normal, new.mp4 and newer.mp4, and the labelled test set `testing`."""
    folder = tmp_path_factory.mktemp("videos of pages")
    normal = sorted((street / "training" / "videos").glob("*.mp4"))
    for name, files in (("normal", normal[:-1]), ("more_normal", normal[-1:])):
        (folder / "videos" / name).mkdir(parents=True)
        for file in files:
            shutil.copy(file, folder / "videos" / name)
    for number, name in ((1, "new"), (2, "newer")):
        shutil.copy(street / "testing" / "videos" / f"0{number}.mp4", folder / "videos" / f"{name}.mp4")
    shutil.copytree(street / "testing", folder / "testing")
    return folder


def fitted(videos: Path, recipe: str, folder: Path) -> Path:
    """`run` in a folder, learned from the normal videos in a moment."""
    (folder / "small.yaml").write_text(f"summary: x\n{recipe}", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(folder / "cache"))
        oddframe.fit(
            videos / "videos" / "normal",
            recipe=str(folder / "small.yaml"),
            out=folder / "run",
            threshold=oddframe.ThresholdOptions(quantile=0.9),
            training=oddframe.TrainingOptions(workers=1, progress=False),
        )
    shutil.rmtree(folder / "cache")
    return folder


@pytest.fixture(scope="session")
def run(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`run`: a bundle of a system that learns nothing, and so is made at once."""
    recipe = "model: frame_difference\noptions: {size: [32, 64]}\n"
    return fitted(videos, recipe, tmp_path_factory.mktemp("run of pages"))


@pytest.fixture(scope="session")
def mapped(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`run`: a bundle that has an anomaly map."""
    recipe = "model: mnad\noptions: {size: [32, 64], width: 4}\ntraining: {batch_size: 4, budget: 4steps}\n"
    return fitted(videos, recipe, tmp_path_factory.mktemp("map of pages"))


@pytest.fixture(scope="session")
def scores(run: Path, videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`scores`: two videos scored by `run`, with their event store."""
    folder = tmp_path_factory.mktemp("scores of pages")
    trained = oddframe.load_run(run / "run")
    found = trained.score(
        [videos / "videos" / "new.mp4", videos / "videos" / "newer.mp4"],
        folder / "scores",
        outputs=oddframe.OutputOptions(overlay=False),
        progress=False,
    )
    with oddframe.open_store(folder / "scores" / "events.db") as store:
        store.record_scores(trained.bundle, found, folder / "scores" / "scores")
    return folder


@pytest.fixture(scope="session")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`videos/labelled` and `labels.csv`: six normal videos, and six with an anomaly."""
    folder = tmp_path_factory.mktemp("labels of pages")
    world = render_world(folder / "world", World(seed=5, size=(48, 80)), videos=6, test_videos=6, seconds=4)
    (folder / "videos" / "labelled").mkdir(parents=True)
    rows = ["video,label"]
    for label, place in ((0, "training"), (1, "testing")):
        for file in sorted((world / place / "videos").glob("*.mp4")):
            shutil.move(file, folder / "videos" / "labelled" / f"{place}{file.name}")
            rows.append(f"{place}{file.name},{label}")
    shutil.rmtree(world)
    (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`colours.onnx` with `colours.yaml`."""
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("network of pages")
    write_colour_network(folder / "colours.onnx")
    return folder


@pytest.fixture
def shorter_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-check of a fit sees three seconds of video: no page looks at what it says."""
    monkeypatch.setattr("oddframe.workflow.passes.CHECKED_SECONDS", 3.0)


@pytest.fixture
def lay(request: pytest.FixtureRequest) -> Lay:
    """Copies what has a name into a folder."""

    def copy(name: str, folder: Path) -> None:
        shutil.copytree(request.getfixturevalue(name), folder, dirs_exist_ok=True)

    return copy
