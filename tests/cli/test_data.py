"""`oddframe data`: a street by command, and what is in a folder or a set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., Any]


@pytest.mark.slow
def test_the_street_by_command_is_the_one_asked_for(tmp_path: Path, ask: Ask) -> None:
    out = tmp_path / "street"
    answer = ask(
        "data", "world", out, "--videos", 2, "--test-videos", 1, "--seconds", 1, "--seed", 5, "--kind", "cyclist"
    )
    assert answer.status == 0 and str(out / "training" / "videos") in answer.out
    about = json.loads((out / "world.json").read_text())
    assert (about["seed"], about["seconds"], about["training_videos"], about["test_videos"]) == (5, 1, 2, 1)
    assert {line.split(",")[1] for line in (out / "testing" / "events.csv").read_text().splitlines()[1:]} <= {"cyclist"}


def test_a_folder_is_listed_and_what_is_no_video_is_named(street: Path, tmp_path: Path, ask: Ask) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "good.mp4").write_bytes((street / "testing" / "videos" / "01.mp4").read_bytes())
    (folder / "broken.mp4").write_text("this is no video")
    listed = ask("data", "info", folder)
    assert listed.status == 3 and "good" in listed.out and "128 x 72" in listed.out and "12.50" in listed.out
    assert "skipped broken: " in listed.err
    answer = json.loads(ask("data", "info", folder, "--json").out)
    assert [video["name"] for video in answer["videos"]] == ["good"] and answer["videos"][0]["frames"] == 62
    assert [video["video"] for video in answer["skipped"]] == ["broken"]


def test_a_set_is_counted(street: Path, ask: Ask) -> None:
    data = f"folder:{street / 'testing'}"
    counts = {row["what"]: row["found"] for row in json.loads(ask("data", "info", data, "--json").out)["counts"]}
    assert 2 in counts.values() and 124 in counts.values(), "two videos of 62 frames"
    assert "124" in ask("data", "info", data).out


def test_a_sound_set_has_no_findings(street: Path, ask: Ask) -> None:
    answer = ask("data", "check", f"folder:{street / 'testing'}", "--headers", "--json")
    assert answer.status == 0 and json.loads(answer.out)["findings"] == []
