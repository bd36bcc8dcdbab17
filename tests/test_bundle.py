"""Bundles: what is saved comes back, damage is named, pickles are refused."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch

from oddframe.bundle import (
    Adaptation,
    FeatureOrigin,
    SkippedVideo,
    TrainingData,
    TrainingVideo,
    load_bundle,
    save_bundle,
)
from oddframe.errors import BundleError
from oddframe.models.reference import read_checkpoint
from oddframe.models.registry import create
from oddframe.recipes import Recipe, load_recipe

TINY = ["options={size: [16, 32], patch: 4, encoder_width: 16, decoder_width: 16, heads: 2}"]


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("sdmae-small", TINY)


@pytest.fixture
def folder(tmp_path: Path, recipe: Recipe) -> Path:
    torch.manual_seed(0)
    save_bundle(
        tmp_path / "run",
        create(recipe.model, recipe.preset, **recipe.options),
        recipe,
        {},
        TrainingData(checkpoint="x"),
    )
    return tmp_path / "run"


def test_round_trip(folder: Path, recipe: Recipe) -> None:
    bundle = load_bundle(folder)
    torch.manual_seed(0)
    fresh = create(recipe.model, recipe.preset, **recipe.options)
    assert bundle.recipe == recipe and not bundle.detector.training
    for name, value in fresh.state_dict().items():
        torch.testing.assert_close(bundle.detector.state_dict()[name], value, rtol=0, atol=0)
    meta = json.loads((folder / "bundle.json").read_text())
    assert meta["id"] == bundle.id and meta["window"]["offsets"] == [-3, 0, 3] and "CVPR 2024" in meta["citation"]


def test_the_id_changes_with_the_weights(folder: Path, recipe: Recipe) -> None:
    bundle = load_bundle(folder)
    with torch.no_grad():
        bundle.detector.cls_token += 1
    assert save_bundle(folder, bundle.detector, recipe, {}, TrainingData()).id != bundle.id


def test_what_is_no_bundle_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no such bundle"):
        load_bundle(tmp_path / "nothing")
    with pytest.raises(BundleError, match=r"bundle\.json is missing"):
        load_bundle(tmp_path)
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(BundleError, match="--resume"):
        load_bundle(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BundleError, match="damaged bundle"):
        load_bundle(folder)


def test_a_newer_format_is_refused(folder: Path) -> None:
    meta = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**meta, "format": 99}))
    with pytest.raises(BundleError, match="newer than this one"):
        load_bundle(folder)


def test_checkpoints_with_pickled_objects_are_refused_with_the_way_around(tmp_path: Path) -> None:
    path = tmp_path / "released.pth"
    torch.save({"model": {"a": torch.ones(2)}, "args": argparse.Namespace(lr=1)}, path)
    with pytest.raises(BundleError, match=r"argparse.*unpickling can run any code.*torch\.save"):
        read_checkpoint(path)
    torch.save({"model": {"a": torch.ones(2)}, "epoch": 3}, path)
    assert torch.equal(read_checkpoint(path)["model"]["a"], torch.ones(2))
    path.write_text("not a checkpoint")
    with pytest.raises(BundleError, match="not a checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "data",
    [
        TrainingData(
            videos=(TrainingVideo("01", 125, heldout=(100, 125)), TrainingVideo("02", 125)),
            skipped=(SkippedVideo("broken", "not a video"),),
            heldout_seconds=1.0,
            frame_rate=25.0,
        ),
        TrainingData(
            videos=(TrainingVideo("a", label=1), TrainingVideo("b", label=0)),
            heldout_videos=("b",),
            labels="train.csv",
            features={"seen": FeatureOrigin("abc", 12, {"crops": 1}), "heard": FeatureOrigin("def", 6)},
        ),
        TrainingData(checkpoint="released.pth"),
        TrainingData(adapted_from=Adaptation("0123456789ab", "camera.mp4", 5, (10, 20, 30))),
    ],
    ids=["frames", "bags", "imported", "adapted"],
)
def test_what_a_detector_was_trained_on_comes_back_from_its_bundle(
    data: TrainingData, recipe: Recipe, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    made = save_bundle(tmp_path, create(recipe.model, recipe.preset, **recipe.options), recipe, {}, data)
    assert load_bundle(tmp_path).data == made.data == data
    assert json.loads((tmp_path / "bundle.json").read_text())["format"] == 2


OLD_FRAMES = {
    "videos": [{"name": "01", "frames": 125}, {"name": "02", "frames": 125}],
    "skipped": [{"name": "broken", "reason": "not a video"}],
    "heldout": [[100, 125], [0, 0]],
    "heldout_seconds": 1.0,
}
OLD_BAGS = {
    "labels": "train.csv",
    "videos": [{"name": "a", "label": 1}, {"name": "b", "label": 0}],
    "heldout": ["b"],
    "heldout_seconds": 40.0,
    "features": {
        "seen": {"fingerprint": "abc", "dim": 12, "sampling": {"crops": 1}},
        "heard": {"fingerprint": "def", "dim": 6, "sampling": None},
    },
}
ORIGIN = {"bundle": "0123456789ab", "video": "camera.mp4", "shots": 5, "frames": [10, 20, 30]}


def of_format_1(folder: Path, data: dict[str, object]) -> TrainingData:
    """What a bundle says that an older oddframe made with this record of its data."""
    meta = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(
        json.dumps({**meta, "format": 1, "versions": {"oddframe": "0.0.9", "torch": "2.5"}, "data": data})
    )
    return load_bundle(folder).data


def test_bundles_of_format_1_that_learned_from_frames_are_read(folder: Path) -> None:
    data = of_format_1(folder, OLD_FRAMES)
    assert data.videos == (TrainingVideo("01", 125, heldout=(100, 125)), TrainingVideo("02", 125))
    assert data.skipped == (SkippedVideo("broken", "not a video"),) and data.heldout_seconds == 1.0
    assert data.version == "0.0.9", "of the oddframe that trained it, not of the one that reads"
    assert data.heldout_videos == () and data.frame_rate is None and data.adapted_from is None


def test_bundles_of_format_1_that_learned_from_labelled_videos_are_read(folder: Path) -> None:
    data = of_format_1(folder, OLD_BAGS)
    assert data.videos == (TrainingVideo("a", label=1), TrainingVideo("b", label=0))
    assert data.heldout_videos == ("b",) and data.labels == "train.csv" and data.heldout_seconds == 40.0
    assert data.features == {"seen": FeatureOrigin("abc", 12, {"crops": 1}), "heard": FeatureOrigin("def", 6)}


def test_adapted_and_imported_bundles_of_format_1_are_read(folder: Path) -> None:
    data = of_format_1(folder, {**OLD_FRAMES, "adapted_from": ORIGIN})
    assert data.adapted_from == Adaptation("0123456789ab", "camera.mp4", 5, (10, 20, 30)) and len(data.videos) == 2
    assert of_format_1(folder, {"checkpoint": "released.pth"}).checkpoint == "released.pth"


def test_a_record_of_the_data_that_is_none_is_a_damaged_bundle(folder: Path) -> None:
    for data in ({"videos": "01"}, {**OLD_FRAMES, "heldout": [[0, 25]]}, {"videos": [{"frames": 3}]}):
        with pytest.raises(BundleError, match="damaged bundle") as refusal:
            of_format_1(folder, data)
        assert "\n" not in str(refusal.value)
