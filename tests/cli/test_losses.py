"""What was lost reaches people: on the console, in JSON, in the score file, in the report, in `data check`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bars import encode, lose, repack

import oddframe
from oddframe.scoring.files import load_scores
from oddframe.settings import ThresholdOptions

Ask = Callable[..., Any]

RECIPE = "summary: x\nmodel: frame_difference\noptions: {size: [32, 48]}\n"


@pytest.fixture
def lossy(tmp_path: Path) -> Path:
    """A video of which 3 of 60 packets are lost."""
    (tmp_path / "set" / "videos").mkdir(parents=True)
    return repack(encode(tmp_path / "w.mkv", 60), tmp_path / "set" / "videos" / "v.mkv", lose(20, 21, 22))


def test_scoring_tells_of_losses(tmp_path: Path, lossy: Path, ask: Ask) -> None:
    (tmp_path / "fd.yaml").write_text(RECIPE)
    (tmp_path / "normal").mkdir()
    encode(tmp_path / "normal" / "n.mp4", 250)
    oddframe.fit(
        str(tmp_path / "normal"),
        recipe=str(tmp_path / "fd.yaml"),
        out=tmp_path / "run",
        threshold=ThresholdOptions(quantile=0.95),
    )
    answer = ask("score", tmp_path / "run", lossy, "--out", tmp_path / "out", "--no-overlay")
    assert answer.status == 3 and "damaged v: 3 frames missing inside the video" in answer.out
    assert "incomplete v: " in answer.err
    account = load_scores(next((tmp_path / "out").rglob("v.npz"))).info.account
    assert account is not None and (account.missing, account.unsound, account.decoded) == (3, 7, 57)
    assert "3 frames missing inside the video" in (tmp_path / "out" / "report.html").read_text("utf-8")
    again = ask("score", tmp_path / "run", lossy, "--out", tmp_path / "out", "--no-overlay", "--json")
    assert again.status == 3 and json.loads(again.out)["accounts"]["v"]["missing"] == 3, "stored scores tell it too"


def test_checking_and_listing_tell_of_losses(tmp_path: Path, lossy: Path, ask: Ask) -> None:
    (tmp_path / "set" / "intervals.csv").write_text("video,start_frame,end_frame\nv,10,20\n")
    answer = ask("data", "check", f"folder:{tmp_path / 'set'}")
    lines = [line for line in answer.out.splitlines() if "missing inside" in line]
    assert answer.status == 3 and len(lines) == 1 and "get the file again" in lines[0]
    assert ask("data", "info", lossy).status == 0
