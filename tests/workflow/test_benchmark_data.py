"""What a run of a benchmark depends on, and what is learned from and tested as well."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from oddframe.benchmark.plan import load_plan
from oddframe.datasets.labelled import LabelledSet, LabelledVideo
from oddframe.errors import RecipeError
from oddframe.recipes import load_recipe
from oddframe.video.search import find_videos
from oddframe.workflow.benchmark import _folder, check_systems
from oddframe.workflow.benchmark_data import FrameData


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Three folders of frames, a, b and c, whose content differs."""
    for number, name in enumerate("abc"):
        place = tmp_path / name
        place.mkdir()
        for frame in range(3):
            cv2.imwrite(str(place / f"{frame}.png"), np.full((32, 32, 3), 40 * number + frame, np.uint8))
    return tmp_path


def data(train: Path, test: Path, normal: Path | None = None) -> FrameData:
    labelled = tuple(LabelledVideo(source, np.zeros(3, np.int8)) for source in find_videos(test))
    return FrameData(str(train), normal and str(normal), LabelledSet("folder", labelled), tuple(find_videos(train)))


def test_video_that_is_learned_from_and_tested_is_named(videos: Path) -> None:
    assert data(videos / "a", videos / "b", videos / "c").seen_before() == []
    (told,) = data(videos / "a", videos / "a").seen_before()
    assert told.startswith("a: learned from and tested as well")
    assert data(videos / "a", videos / "b", videos / "b").seen_before(), "what shots are taken from counts as well"


def test_a_copy_under_another_name_is_the_same_video(videos: Path) -> None:
    shutil.copytree(videos / "a", videos / "other", copy_function=shutil.copy2)
    assert data(videos / "a", videos / "other").seen_before()


def test_shots_of_another_video_are_another_run(videos: Path) -> None:
    recipe = load_recipe("mpn-meta-small", ["options.size=[16, 32]", "options.width=2"])
    one, other = (data(videos / "a", videos / "a", videos / normal) for normal in "bc")
    assert _folder(videos, one, "x", recipe, 2) != _folder(videos, other, "x", recipe, 2)
    assert _folder(videos, one, "x", recipe, None) == _folder(videos, other, "x", recipe, None)
    assert _folder(videos, one, "x", recipe, 2).name.startswith("x+shots2-"), "no system can be called so"


def test_other_objects_to_paste_are_another_run(videos: Path) -> None:
    objects = videos / "objects"
    objects.mkdir()
    recipe = load_recipe("sdmae-small", [f"pseudo.source=folder:{objects}"])
    before = data(videos / "a", videos / "b").key(recipe)
    (objects / "new.png").write_bytes(b"x")
    assert data(videos / "a", videos / "b").key(recipe) != before


def test_shots_need_a_network_that_adapts(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        'data: {s: {train: a, test: "folder:b", normal: c}}\nsystems: {x: {recipe: mpn-small, shots: 2}}\n'
    )
    with pytest.raises(RecipeError, match=r"systems\.x: shots adapt a meta-trained network"):
        check_systems(load_plan(tmp_path / "plan.yaml"))
