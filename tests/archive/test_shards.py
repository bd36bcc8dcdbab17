"""`score --shard` and `features --shard`: shares write into one folder, and nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oddframe.features.store import open_store
from oddframe.scoring.files import load_scores

Ask = Callable[..., Any]


@pytest.mark.slow
def test_shares_of_score_make_what_one_call_makes(bundle: Path, archive: Path, tmp_path: Path, ask: Ask) -> None:
    command = ("score", bundle, archive, "--no-overlay")
    assert ask(*command, "--out", tmp_path / "one").status == 3
    for number in (1, 2):
        answer = ask(*command, "--out", tmp_path / "shares", "--shard", f"{number}/2", "--json")
        told = json.loads(answer.out)
        assert len(told["scored"]) + len(told["skipped"]) in (2, 3) and answer.status == (3 if told["skipped"] else 0)
    assert not (tmp_path / "shares" / "events.jsonl").exists()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "shares" / "scores").rglob("*.npz")}
    assert len(before) == 4
    assert ask(*command, "--out", tmp_path / "shares").status == 3
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items()), "nothing was scored again"
    assert (tmp_path / "shares" / "events.jsonl").read_text() == (tmp_path / "one" / "events.jsonl").read_text()
    for path in before:
        other = tmp_path / "one" / "scores" / path.relative_to(tmp_path / "shares" / "scores")
        assert np.array_equal(load_scores(path).score, load_scores(other).score)


def test_a_share_fills_no_store(bundle: Path, archive: Path, tmp_path: Path, ask: Ask) -> None:
    answer = ask("score", bundle, archive, "--out", tmp_path, "--shard", "1/2", "--store", "auto")
    assert answer.status == 2 and "--shard" in answer.err


def test_a_share_without_videos_is_done_at_once(bundle: Path, archive: Path, tmp_path: Path, ask: Ask) -> None:
    answer = ask("score", bundle, archive / "01.mp4", "--out", tmp_path, "--shard", "2/2", "--json")
    assert answer.status == 0 and json.loads(answer.out)["scored"] == []


def test_shares_of_features_fill_one_store(colour_network: Path, archive: Path, tmp_path: Path, ask: Ask) -> None:
    pytest.importorskip("onnxruntime")
    command = ("features", f"onnx:{colour_network}", archive, "--json")
    assert ask(*command, "--out", tmp_path / "one").status == 3
    told = [json.loads(ask(*command, "--out", tmp_path / "two", "--shard", f"{n}/2").out) for n in (1, 2)]
    made = [video for one in told for video in one["extracted"] + one["kept"]]  # a copy is kept, not extracted again
    assert sorted(made) == ["01", "02", "night/long", "night/same"]
    again = json.loads(ask(*command, "--out", tmp_path / "two", "--shard", "1/2").out)
    assert again["extracted"] == [] and sorted(again["kept"]) == sorted(told[0]["extracted"] + told[0]["kept"])
    one, two = open_store(tmp_path / "one"), open_store(tmp_path / "two")
    for video in one.videos:
        assert np.array_equal(one.load(video).features, two.load(video).features)
