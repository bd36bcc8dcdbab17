"""Scores that lie in a folder are evaluated anew, without the run and without the videos being decoded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oddframe
from oddframe.errors import RecipeError
from oddframe.recipes import load_recipe

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, street: Path) -> Path:
    """A system that learns nothing, and so is made at once."""
    folder = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(folder / "cache"))
        (folder / "plain.yaml").write_text("summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\n")
        oddframe.fit(
            street / "training" / "videos",
            recipe=str(folder / "plain.yaml"),
            out=folder / "run",
            training=oddframe.TrainingOptions(workers=1),
        )
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


FOR_BAGS = "is for a run trained on labelled videos (dakd, mil), leave it out"


@pytest.mark.parametrize("words", [("--features", "store"), ("--rule", "exclusive"), ("--leave-out",)])
def test_options_of_labelled_videos_are_refused_where_frames_are_scored(
    run: Path, words: tuple[str, ...], street: Path, ask: Ask
) -> None:
    answer = ask("evaluate", run, "--data", f"folder:{street / 'testing'}", *words)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == f"oddframe: {run}: is a run that scores frames; {words[0]} {FOR_BAGS}\n"


def test_options_of_scoring_are_refused_for_stored_scores(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    data = f"folder:{street / 'testing'}"
    assert ask("score", run, street / "testing" / "videos", "--out", tmp_path, "--no-overlay").status == 0
    for words in (
        ("--out", "x"),
        ("--runtime", "torch"),
        ("--precision", "fp32"),
        ("--device", "auto"),
        ("--workers", 1),
    ):
        answer = ask("evaluate", tmp_path, "--data", data, *words)
        says = f"{tmp_path}: is a folder of stored scores; {words[0]} is for a run that scores frames, leave it out"
        assert (answer.status, answer.err) == (2, f"oddframe: {says}\n")
    answer = ask("evaluate", tmp_path, "--data", data, "--features", "store")
    says = f"{tmp_path}: is a folder of stored scores; --features {FOR_BAGS}"
    assert (answer.status, answer.err) == (2, f"oddframe: {says}\n")


def test_changes_to_a_recipe_that_is_taken_as_it_is_are_refused(street: Path, tmp_path: Path) -> None:
    recipe = load_recipe("mnad-small")
    with pytest.raises(RecipeError, match="changes go with a recipe's name or file"):
        oddframe.fit(street / "training" / "videos", recipe=recipe, changes=["training.seed=1"], out=tmp_path / "run")


def test_one_table_has_one_form(run: Path, street: Path, ask: Ask) -> None:
    answer = ask("evaluate", run, "--data", f"folder:{street / 'testing'}", "--json", "--markdown")
    assert answer.status == 2 and "--json and --markdown are two forms of the same table" in answer.err
