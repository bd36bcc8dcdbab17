"""Bundles: what is saved comes back, damage is named, pickles are refused."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch

from oddframe.bundle import TrainingData, load_bundle, save_bundle
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
