"""Scores that lie in a folder are evaluated anew, without the run and without the videos being decoded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import oddframe
from oddframe.datasets.readers import open_labelled
from oddframe.errors import RecipeError
from oddframe.recipes import load_recipe
from oddframe.scoring.files import load_scores, save_scores
from oddframe.types import FrameScores
from oddframe.workflow.baselines import ahead
from oddframe.workflow.evaluate import evaluate_stored

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


@pytest.mark.slow
def test_the_same_figures_come_of_stored_scores(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    data, out = f"folder:{street / 'testing'}", tmp_path / "out"
    made = ask("evaluate", run, "--data", data, "--out", out, "--all-protocols", "--json")
    assert made.status == 0, made.err
    for folder in (out, out / "scores"):
        again = ask("evaluate", folder, "--data", data, "--all-protocols", "--json")
        assert again.status == 0, again.err
        assert json.loads(again.out)["rows"] == json.loads(made.out)["rows"]
    rows = json.loads(made.out)["rows"]
    assert {row["system"] for row in rows if not row["baseline"]} == {"frame_difference"}
    assert [row["system"] for row in rows[:5] if row["baseline"]] == [
        "frame_difference", "optical_flow", "clock", "running_median",
    ]  # fmt: skip
    names = [row["protocol"] for row in rows[::5]]
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
    table = [line for line in lines if line.startswith("|")]
    assert table[0].startswith("| protocol | system | micro AUC |")
    assert table[2].startswith("| honest | frame_difference |")
    assert [line.split(" | ")[1] for line in table[3:]] == [
        f"{name} (baseline)" for name in ("frame_difference", "optical_flow", "clock", "running_median")
    ]
    alone = ask("evaluate", tmp_path, "--data", f"folder:{street / 'testing'}", "--protocol", "honest", "--json",
                "--no-baselines")  # fmt: skip
    assert [row["system"] for row in json.loads(alone.out)["rows"]] == ["frame_difference"]


def test_what_does_not_fit_is_named(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    data, out = f"folder:{street / 'testing'}", tmp_path / "out"
    assert ask("score", run, street / "testing" / "videos", "--out", out, "--no-overlay").status == 0
    other = ask("evaluate", out, "--data", data, "--protocol", "code/std")
    assert other.status == 2
    assert other.err == (
        "oddframe: protocol code/std is for the scores of std; these are of frame_difference. "
        "Use --all-protocols to apply it to these scores\n"
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


def copied(street: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(street / "testing", tmp_path / "testing"))


@pytest.mark.slow
def test_the_first_line_says_where_a_baseline_is_ahead(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    """Scores that are turned upside down are behind whatever is above chance."""
    data = f"folder:{street / 'testing'}"
    assert ask("score", run, street / "testing" / "videos", "--out", tmp_path, "--no-overlay").status == 0
    for path in (tmp_path / "scores").glob("*.npz"):
        scores = load_scores(path)
        components = {name: -values for name, values in scores.components.items()}
        save_scores(replace(scores, components=components), tmp_path / "scores")
    answer = ask("evaluate", tmp_path, "--data", data, "--protocol", "honest")
    first = answer.out.splitlines()[0]
    assert first.startswith("A baseline is ahead under honest: ") and "and frame_difference 0." in first
    found = json.loads(ask("evaluate", tmp_path, "--data", data, "--protocol", "honest", "--json").out)
    assert found["ahead"] == [first]
    best = max(row["micro_auc"] for row in found["rows"] if row["baseline"])
    assert f"has micro AUC {best:.4f}" in first


def result(micro: float, macro: float) -> Any:
    return SimpleNamespace(protocol="p", micro_auc=micro, macro_auc=macro)


def test_nothing_is_said_where_no_baseline_is_ahead() -> None:
    tie = result(0.8, float("nan"))
    assert ahead("x", tie, [("clock", tie)]) == "", "a tie is not ahead, and nan is no figure"
    assert ahead("x", result(0.75, 0.85), [("clock", result(0.7, 0.9))]) == (
        "A baseline is ahead under p: clock has macro AUC 0.9000 and x 0.8500."
    )


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["missing", "another", "short"])
def test_a_line_says_why_baselines_are_missing(run: Path, street: Path, tmp_path: Path, ask: Ask, fault: str) -> None:
    testing = copied(street, tmp_path)
    out = tmp_path / "out"
    assert ask("score", run, testing / "videos", "--out", out, "--no-overlay").status == 0
    labelled = open_labelled(f"folder:{testing}")
    if fault == "missing":
        (testing / "videos" / "02.mp4").unlink()
    elif fault == "another":
        (testing / "videos" / "02.mp4").write_bytes(b"no video")
    else:
        shutil.copy(street / "training" / "videos" / "01.mp4", testing / "videos" / "02.mp4")
        labels = labelled.videos[1].labels
        labelled = replace(labelled, videos=(labelled.videos[0], replace(labelled.videos[1], labels=labels[:-1])))
        scores = load_scores(out / "scores" / "02.npz")
        info = replace(scores.info, frames=len(labels) - 1)
        cut = {name: values[:-1] for name, values in scores.components.items()}
        save_scores(FrameScores("02", scores.frame[:-1], scores.time[:-1], cut, scores.score[:-1], info, scores.bundle),
                    out / "scores")  # fmt: skip
    found = evaluate_stored(out / "scores", labelled, progress=False)
    assert not any(row.baseline for row in found.rows) and found.rows
    (reason,) = (note for note in found.notes if note.startswith("no baselines stand beside these scores: "))
    replaced = "scored before the file was changed or replaced, score again: 02"
    assert "02" in reason and (replaced in found.notes) == (fault != "missing")


@pytest.mark.slow
def test_normal_video_gives_the_background(run: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    data, out = f"folder:{street / 'testing'}", tmp_path / "out"
    normal = street / "training" / "videos"
    words = ("evaluate", run, "--data", data, "--protocol", "honest", "--json")
    made = json.loads(ask(*words, "--normal", normal, "--out", out).out)
    assert [row["system"] for row in made["rows"]][-1] == "median_background"
    words = ("evaluate", out, "--data", data, "--protocol", "honest", "--json")
    assert json.loads(ask(*words).out)["rows"] == made["rows"], "what lies beside the scores is taken"
    nowhere = ask(*words, "--normal", tmp_path / "nowhere")
    assert nowhere.status == 2 and nowhere.err.count("\n") == 1
    both = ask(*words, "--normal", normal, "--no-baselines")
    assert both.status == 2 and "--normal is for a baseline" in both.err
