"""Scores that lie in a folder are evaluated anew, without the run and without the videos being decoded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oddframe

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, street: Path) -> Path:
    """A system that learns nothing, and so is made at once."""
    folder = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(folder / "cache"))
        (folder / "plain.yaml").write_text("summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\n")
        oddframe.fit(street / "training" / "videos", recipe=str(folder / "plain.yaml"), out=folder / "run", workers=1)
    return folder / "run"


def test_the_same_figures_come_of_stored_scores(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    data, out = f"folder:{street / 'testing'}", tmp_path / "out"
    made = ask("evaluate", run, "--data", data, "--out", out, "--all-protocols", "--json")
    assert made.status == 0, made.err
    for folder in (out, out / "scores"):
        again = ask("evaluate", folder, "--data", data, "--all-protocols", "--json")
        assert again.status == 0, again.err
        assert json.loads(again.out)["rows"] == json.loads(made.out)["rows"]
    rows = json.loads(made.out)["rows"]
    assert {row["system"] for row in rows} == {"frame_difference"}
    names = [row["protocol"] for row in rows[::2]]
    assert names[0] == "honest" and len(set(names)) == len(names) and "code/mpn (own components)" in names
    micro = {round(row["micro_auc"], 6) for row in rows}
    assert len(micro) > 5, "the protocol makes a difference"


def test_scoring_leaves_scores_to_evaluate_and_a_table_in_markdown(
    run: Path, street: Path, tmp_path: Path, ask: Ask
) -> None:
    assert ask("score", run, street / "testing" / "videos", "--out", tmp_path, "--no-overlay").status == 0
    answer = ask("evaluate", tmp_path, "--data", f"folder:{street / 'testing'}", "--markdown", "--protocol", "honest")
    assert answer.status == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0].startswith("| protocol | system | micro AUC |") and lines[2].startswith(
        "| honest | frame_difference |"
    )
    assert len([line for line in lines if line.startswith("| honest")]) == 1, "no baseline without its scores"


def test_what_does_not_fit_is_named(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    data, out = f"folder:{street / 'testing'}", tmp_path / "out"
    assert ask("score", run, street / "testing" / "videos", "--out", out, "--no-overlay").status == 0
    other = ask("evaluate", out, "--data", data, "--protocol", "code/std")
    assert other.status == 2
    assert other.err == (
        "oddframe: protocol code/std is for the scores of std; these are of frame_difference. "
        "What it makes of them shows --all-protocols\n"
    )
    (out / "scores" / "01.npz").unlink()
    missing = ask("evaluate", out, "--data", data)
    assert (missing.status, missing.err) == (
        2, "oddframe: 01: labelled, but without scores; score it or leave it out of the test set\n",
    )  # fmt: skip
    shutil.rmtree(out / "scores")
    assert "there is no such bundle" in ask("evaluate", tmp_path / "nothing", "--data", data).err


def test_other_labels_than_the_published_are_noted(run: Path, street: Path, ask: Ask) -> None:
    from oddframe.datasets.readers import open_labelled
    from oddframe.evaluation.protocols import get_protocol
    from oddframe.workflow.evaluate import ground_truth_notes

    labelled = open_labelled(f"folder:{street / 'testing'}")
    frames = sum(len(video.labels) for video in labelled.videos)
    positives = sum(int(video.labels.sum()) for video in labelled.videos)
    notes = ground_truth_notes(labelled, [get_protocol("paper/mnad/avenue"), get_protocol("honest")])
    assert notes == [
        "paper/mnad/avenue rests on other labels: 3867 of 15324 frames anomalous (the label file of MNAD and MPN); "
        f"here {positives} of {frames}"
    ]


def test_details_in_words(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    data = f"folder:{street / 'testing'}"
    answer = ask("evaluate", run, "--data", data, "--out", tmp_path, "--details")
    assert answer.status == 0, answer.err
    assert "under honest" in answer.out and "95%, 1000 resamples" in answer.out and "anomalies found" in answer.out
    assert "RBDC" not in answer.out, "a detector without maps says nothing of places"
    stored = ask("evaluate", tmp_path, "--data", data, "--details", "--json")
    assert json.loads(stored.out)["details"]["events"] is None
