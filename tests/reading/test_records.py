"""Records that people edit by hand: every wrong type is one line with file and field."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from oddframe.bundle import TrainingData, load_bundle, save_bundle
from oddframe.errors import BundleError, InputError
from oddframe.models.registry import create
from oddframe.recipes import load_recipe
from oddframe.scoring.calibrate import Calibration, calibrate

HUGE = 1e999  # JSON without the word Infinity


@pytest.fixture(scope="module")
def row() -> dict[str, object]:
    time = np.arange(2000) / 5
    found: dict[str, object] = json.loads(calibrate([(time, 1 + 0.1 * np.sin(time))]).to_json())
    return found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, value) for name in ("threshold", "low") for value in ("2.7", None, float("nan"), HUGE, [1], True)),
        *((name, "1") for name in ("merge_s", "min_s", "rate", "events", "seconds", "lowest_rate", "scores")),
        *((name, "1") for name in ("upper_rate", "assumed_fps", "dispersion", "videos", "alarm_share", "quantile")),
        ("note", 3), ("method", "guess"), ("events", 1.5), ("events", -1), ("seconds", 0), ("rate", -1.0),
        ("alarm_share", 2.0), ("low", 1e6), ("scores", {"0.5": "1"}), ("scores", {"0.9": 1.0}),
        ("levels", {"motion": [1.0]}), ("levels", {"motion": [1.0, float("inf")]}), ("threshhold", 3.0),
    ],
)  # fmt: skip
def test_a_calibration_edited_by_hand_is_refused_with_its_field(
    row: dict[str, object], field: str, value: object
) -> None:
    with pytest.raises(InputError, match=rf"^bundle/calibration\.json: not a calibration \({field}[.:]") as refusal:
        Calibration.from_json(json.dumps({**row, field: value}), Path("bundle/calibration.json"))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["[]", "3", "null", "{", "", '{"threshold": 1.0}', '"text"'])
def test_what_is_no_calibration_is_named(text: str) -> None:
    with pytest.raises(InputError, match=r"^a/calibration\.json: not a calibration .*calibrate again"):
        Calibration.from_json(text, Path("a/calibration.json"))


def test_whole_numbers_are_numbers(row: dict[str, object]) -> None:
    assert Calibration.from_json(json.dumps({**row, "threshold": 3})).threshold == 3.0


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("id", 12), ("format", "2"), ("versions", []), ("history", []), ("history", {"plainest": "x"}),
        ("history", {"self_check": {"score": 1}}), ("history", {"seconds": {"a": {"b": "1"}}}), ("data", []),
        ("data.frame_rate", "fast"), ("data.frame_rate", float("nan")), ("data.frame_rate", 0.0),
        ("data.assumed_rate", -1.0), ("data.heldout_seconds", HUGE), ("data.levels", [5.0, 1.0]),
        ("data.frame_size", [0, 4]), ("data.notes", [1]), ("recipe", 3),
    ],
)  # fmt: skip
def test_a_bundle_edited_by_hand_is_refused_with_its_field(tmp_path: Path, place: str, value: object) -> None:
    size = "options={size: [16, 32], patch: 4, encoder_width: 16, decoder_width: 16, heads: 2}"
    recipe = load_recipe("sdmae-small", [size])
    detector = create(recipe.model, recipe.preset, **recipe.options)
    save_bundle(tmp_path, detector, recipe, {}, TrainingData())
    meta = json.loads((tmp_path / "bundle.json").read_text())
    first, _, second = place.partition(".")
    meta[first] = {**meta[first], second: value} if second else value
    (tmp_path / "bundle.json").write_text(json.dumps(meta))
    key = second or first
    with pytest.raises(BundleError, match=rf"bundle\.json: damaged bundle \(.*{key}") as refusal:
        load_bundle(tmp_path)
    assert "\n" not in str(refusal.value)
