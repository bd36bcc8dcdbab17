"""Bundles side by side, and what is told of damaged ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oddframe.bundle import TrainingData, TrainingVideo, save_bundle
from oddframe.errors import InputError
from oddframe.models.registry import create
from oddframe.recipes import load_recipe
from oddframe.scoring.calibrate import calibrate
from oddframe.workflow.runs import differences, list_runs

Ask = Callable[..., Any]
TINY = "options={size: [16, 32], patch: 4, encoder_width: 16, decoder_width: 16, heads: 2}"


def write_bundle(path: Path, made: float, *changes: str) -> None:
    torch.manual_seed(0)
    recipe = load_recipe("sdmae-small", [TINY, *changes])
    data = TrainingData((TrainingVideo("a", 100), TrainingVideo("b", 50)), heldout_seconds=60.0)
    path.mkdir(parents=True)
    save_bundle(path, create(recipe.model, recipe.preset, **recipe.options), recipe, {}, data)
    os.utime(path / "bundle.json", (made, made))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two bundles, one of them below another folder, calibrated and with a log."""
    write_bundle(tmp_path / "deep" / "er" / "late", 2e9)
    write_bundle(tmp_path / "early", 1e9, "training.batch_size=4")
    late = tmp_path / "deep" / "er" / "late"
    time = np.arange(36_000) / 10
    scores = np.random.default_rng(0).random(36_000)
    (late / "calibration.json").write_text(calibrate([(time, scores)], alarms_per_hour=2).to_json())
    lines = [{"step": 1, "heldout/loss": 0.9}, {"step": 2, "heldout/loss": 0.5}, {"step": 3}]
    (late / "training.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"heldout/loss": 0.')
    return tmp_path


def test_bundles_are_found_below_the_folder_the_oldest_first(place: Path) -> None:
    found, damaged = list_runs([place])
    assert [one.path.name for one in found] == ["early", "late"] and not damaged
    early, late = found
    assert (early.videos, early.frames, early.heldout_seconds) == (2, 150, 60.0)
    assert (early.threshold, early.promise, early.heldout_loss) == (None, "", {})
    assert late.alarms_per_hour == 2 and "2 alarms" in late.promise
    assert late.heldout_loss == {"loss": 0.5}, "the last whole line that has one"
    assert late.bytes == sum(file.stat().st_size for file in late.path.iterdir())
    assert list_runs([late.path])[0] == [late], "a bundle lists itself"


def test_differences_name_the_keys_that_differ_and_no_other(place: Path) -> None:
    found, _ = list_runs([place])
    assert differences(found) == {"training.batch_size": [4, 8]}
    assert differences(found[:1]) == {}


def test_the_command_prints_a_table_or_json(place: Path, ask: Ask) -> None:
    told = ask("runs", place)
    assert told.status == 0 and "2 videos, 150 frames" in told.out and "training.batch_size" in told.out
    document = json.loads(ask("runs", place, "--json").out)
    assert [run["recipe"] for run in document["runs"]] == ["sdmae-small", "sdmae-small"]
    assert document["runs"][0]["made_utc"] == "2001-09-09T01:46:40Z" and document["damaged"] == []
    assert document["differences"] == {"training.batch_size": [4, 8]}


def test_a_damaged_bundle_is_named_and_the_others_are_listed(place: Path, ask: Ask) -> None:
    (place / "early" / "bundle.json").write_text('{"id": 3')
    answer = ask("runs", place)
    assert answer.status == 3 and "early" in answer.err and "late" in answer.out and answer.err.count("\n") == 1


def test_a_place_without_bundles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no bundle"):
        list_runs([tmp_path])
    with pytest.raises(InputError, match="no such folder"):
        list_runs([tmp_path / "nowhere"])
