"""Exported detectors on disk: what another version of oddframe wrote is refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import oddframe
from oddframe.errors import BundleError, InputError
from oddframe.recipes import load_recipe
from oddframe.runtime.exported import Exported, load_exported
from oddframe.runtime.sessions import ONNXSession, OpenVINOSession
from oddframe.types import Combination, Signature, Window


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        (1, "exported by an older oddframe; export the bundle again"),
        (99, "exported by a newer oddframe; upgrade oddframe"),
    ],
)
def test_an_export_of_another_format_is_refused_with_what_to_do(version: int, advice: str, tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text(json.dumps({"format": version, "id": "0123456789ab-onnx-fp32"}))
    for load in (load_exported, oddframe.load_run):
        with pytest.raises(BundleError) as refusal:
            load(tmp_path)
        assert str(refusal.value) == f"{tmp_path}: {advice}"


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": "two"}'])
def test_a_damaged_export_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(BundleError, match=r"damaged export: .*; export or copy it again") as refusal:
        load_exported(tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("map_grid", [0, 4], "signature.map_grid"),
        ("map_grid", [4, 10**12], "signature.map_grid"),
        ("map_filter", [3, -1, 3], "signature.map_filter"),
        ("combination", {"weights": {"a": 1e999}}, "signature.combination.weights.a: inf"),
    ],
)
def test_numbers_that_cannot_be_are_refused(field: str, value: object, says: str, tmp_path: Path) -> None:
    signature = Signature(Window((0,), (16, 16)), {"a": "things"}, Combination({"a": 1.0}), (4, 4), (3, 3, 3))
    recipe = load_recipe("mnad-small")
    Exported(tmp_path, "0", recipe, signature, "onnx", "fp32", {"ranks": float("nan")}).save()
    (tmp_path / "network.onnx").touch()
    assert load_exported(tmp_path).parity == {"ranks": None}, "what is undefined is written as JSON"
    about = json.loads((tmp_path / "export.json").read_text())
    about["signature"][field] = value
    (tmp_path / "export.json").write_text(json.dumps(about))
    with pytest.raises(BundleError, match=says):
        load_exported(tmp_path)


@pytest.mark.parametrize("session", [ONNXSession, OpenVINOSession])
def test_a_network_that_does_not_fit_is_named_in_one_line(session: type, colour_network: Path) -> None:
    opened = session(colour_network, "fp32", "cpu")
    assert opened([{"picture": np.ones((1, 3, 16, 16), np.float32)}])[0][0].shape == (1, 3)
    with pytest.raises(InputError, match=r"colours.onnx: .* cannot run it: ") as refusal:
        opened([{"picture": np.ones((1, 3, 7, 16), np.float32)}])
    assert "\n" not in str(refusal.value)
