"""Exported detectors on disk: what another version of oddframe wrote is refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import oddframe
from oddframe.errors import BundleError
from oddframe.runtime.exported import load_exported


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
