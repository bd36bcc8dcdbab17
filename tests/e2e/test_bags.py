"""Labelled videos in, a student out: fit, evaluate and score of weakly supervised systems, and what bad input gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

import oddframe
from oddframe.bundle import EXTRACTORS

Ask = Callable[..., Any]
SETTINGS = (
    "--set", "options.projection=[16, 16]", "--set", "options.attention_dim=16", "--set", "options.heads=2",
    "--set", "options.head=[16, 8]", "--set", "options.segments=8", "--set", "options.learning_rate=0.03",
    "--set", "options.temporal_learning_rate=0.03", "--set", "options.head_dropout=0",
    "--set", "training.batch_size=16",
    "--set", "training.holdout=0.25", "--quantile", "0.9",
)  # fmt: skip
DIMS = {"seen": 12, "heard": 6}


def invent(folder: Path, prefix: str, count: int, seed: int) -> list[tuple[str, int, int, int, int]]:
    """Features of videos by two backbones; rows (name, label, frames, first and last anomalous frame)."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        label, snippets = number % 2, int(random.integers(12, 40))
        start = int(random.integers(0, snippets - 6))
        for name, dim in DIMS.items():
            features = random.normal(size=(snippets, dim))
            if label:
                features[start : start + 6, 0] += 6
            (folder / name).mkdir(parents=True, exist_ok=True)
            np.save(folder / name / f"{prefix}{number:02}.npy", features.astype(np.float32))
        rows.append((f"{prefix}{number:02}", label, 16 * snippets, 16 * start, 16 * (start + 6) - 1))
    return rows


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train.csv, test.csv and the features of 40 and 16 videos."""
    folder = tmp_path_factory.mktemp("weak")
    train, test = invent(folder, "a", 40, 1), invent(folder, "z", 16, 2)
    lines = ["video,label", *(f"clips/{name}.mp4,{label}" for name, label, *_ in train)]
    (folder / "train.csv").write_text("\n".join(lines), encoding="utf-8")
    lines = ["video,label,class,frames,start_frame,end_frame"]
    for name, label, frames, first, last in test:
        lines.append(f"{name},{label},{'Noise,' if label else 'Normal,'}{frames},{f'{first},{last}' if label else ','}")
    (folder / "test.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def features(world: Path, names: Sequence[str] = tuple(DIMS)) -> list[str]:
    return [word for name in names for word in ("--features", f"{name}=crops:{world / name}")]


@pytest.fixture(scope="module")
def student(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of teacher and student, trained for seconds."""
    out = tmp_path_factory.mktemp("student") / "run"
    specs = [f"{name}=crops:{world / name}" for name in DIMS]
    changes = [word for word in SETTINGS[1::2] if "=" in word]
    oddframe.fit(
        world / "train.csv", recipe="dakd-small", out=out, changes=changes,
        threshold=oddframe.ThresholdOptions(quantile=0.9),
        training=oddframe.TrainingOptions(budget="60epochs", features=specs),
    )  # fmt: skip
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("--protocol", "honest"), ("--all-protocols",), ("--out", "x"), ("--device", "cpu"), ("--workers", 2)]
)
def test_options_of_frames_are_refused_for_labelled_videos(
    student: Path, words: tuple[object, ...], world: Path, ask: Ask
) -> None:
    answer = ask("evaluate", student, "--data", world / "test.csv", *features(world), *words)
    says = f"{student}: is a run trained on labelled videos (dakd, mil); {words[0]} is for a run that scores frames"
    assert answer.status == 2 and answer.err.startswith(f"oddframe: {says}") and answer.err.count("\n") == 1


def test_a_student_learns_to_say_when(student: Path, world: Path, ask: Ask) -> None:
    answer = ask("evaluate", student, "--data", world / "test.csv", *features(world), "--json")
    assert answer.status == 0, answer.err
    rows = {row["system"]: row for row in json.loads(answer.out)["rows"]}
    regressions = [f"{kind} of {name}" for name in (*DIMS, "all backbones") for kind in ("change", "mean")]
    baselines = {f"{name}, ridge" for name in regressions} | {f"change of {name}" for name in DIMS}
    assert list(rows)[:2] == ["student", "teacher"] and list(rows)[-2:] == ["constant score", "label of the video"]
    assert {name for name, row in rows.items() if row["baseline"]} == baselines == {*list(rows)[2:-2]}
    assert rows["mean of seen, ridge"]["video_auc"] > 0.9
    assert rows["mean of seen, ridge"]["anomalous_auc"] < 0.7, "one score for a video locates nothing"
    alone = ask("evaluate", student, "--data", world / "test.csv", *features(world), "--json", "--no-baselines")
    assert [row["system"] for row in json.loads(alone.out)["rows"]] == ["student", "teacher", *list(rows)[-2:]]
    assert rows["student"]["auc"] > 0.9 and rows["student"]["anomalous_auc"] > 0.85, rows["student"]
    assert rows["constant score"]["auc"] == 0.5 and rows["label of the video"]["anomalous_auc"] == 0.5
    assert rows["student"]["classes"]["Noise"]["videos"] == 8
    markdown = ask("evaluate", student, "--data", world / "test.csv", *features(world), "--markdown")
    assert markdown.out.startswith("| system | AUC | AP |")
    table = ask("evaluate", student, "--data", world / "test.csv", *features(world, ["seen"]), "--details")
    assert table.status == 0 and "student" in table.out and "teacher" not in table.out
    assert f"AUC of student: {rows['student']['auc']:.4f} [" in table.out
    assert "16 videos, 8 with an anomaly" in table.out


def test_what_the_bundle_says_of_itself(student: Path) -> None:
    meta = json.loads((student / "bundle.json").read_text(encoding="utf-8"))
    assert meta["backbones"] == DIMS and meta["required"] == ["seen"]
    assert len(meta["data"]["heldout_videos"]) == 10 and meta["recipe"]["options"]["student"] == "seen"
    card = (student / "CARD.md").read_text(encoding="utf-8")
    assert "40 labelled videos, 20 with an anomaly, 10 held out" in card and "seen + heard features" in card
    assert (student / "calibration.json").is_file()


def test_a_bundle_without_extractor_says_what_it_can_do(student: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    answer = ask("score", student, street / "testing" / "videos", "--out", tmp_path / "out")
    assert answer.status == 2 and "whose extractor is not known" in answer.err and answer.err.count("\n") == 1


@pytest.mark.slow
def test_a_run_goes_on_to_the_same_bits(student: Path, world: Path, tmp_path: Path, ask: Ask) -> None:
    command = ("fit", world / "train.csv", "--recipe", "dakd-small", "--out", tmp_path / "run", *features(world))
    changes = (*SETTINGS, "--budget", "60epochs")
    assert ask(*command, *changes).status == 0
    whole, again = load_file(student / "model.safetensors"), load_file(tmp_path / "run" / "model.safetensors")
    assert all(np.array_equal(whole[name], again[name]) for name in whole)
    answer = ask(*command, *changes)
    assert answer.status == 2 and "already holds a bundle" in answer.err


@pytest.mark.slow
def test_mil_beside_it(world: Path, tmp_path: Path, ask: Ask) -> None:
    answer = ask(
        "fit", world / "train.csv", "--recipe", "mil-small", "--out", tmp_path / "run", *features(world, ["seen"]),
        "--set", "training.batch_size=16", "--set", "options.feature_norm=none", "--budget", "150steps",
        "--quantile", "0.9",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    answer = ask("evaluate", tmp_path / "run", "--data", world / "test.csv", *features(world, ["seen"]), "--json")
    rows = {row["system"]: row for row in json.loads(answer.out)["rows"]}
    assert next(iter(rows)) == "classifier" and rows["classifier"]["auc"] > 0.85


@pytest.mark.slow
def test_from_pixels_to_scores(street: Path, colour_network: Path, tmp_path: Path, ask: Ask) -> None:
    """Features, fit and score by command; the bundle needs neither the store nor the network's file any more."""
    videos = street / "training" / "videos"
    names = sorted(path.stem for path in videos.glob("*.mp4"))[:4]
    (tmp_path / "labels.csv").write_text(
        "video,label\n" + "\n".join(f"{name}.mp4,{number % 2}" for number, name in enumerate(names)), encoding="utf-8"
    )
    network = tmp_path / colour_network.name
    network.write_bytes(colour_network.read_bytes())
    network.with_suffix(".yaml").write_bytes(colour_network.with_suffix(".yaml").read_bytes())
    store = tmp_path / "store"
    assert ask("features", f"onnx:{network}", videos, "--out", store, "--workers", 1).status == 0
    answer = ask(
        "fit", tmp_path / "labels.csv", "--model", "dakd", "--features", store, "--out", tmp_path / "run",
        *SETTINGS, "--budget", "2epochs",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    kept = {path.name for path in (tmp_path / "run" / EXTRACTORS / "colours").iterdir()}
    assert "model.onnx" in kept
    answer = ask("evaluate", tmp_path / "run", "--data", tmp_path / "labels.csv", "--features", store, "--json")
    found = json.loads(answer.out)
    assert [row["system"] for row in found["rows"] if row["baseline"]] == ["pixel change", "change of colours"]
    assert any("baselines that learn are left out: they need features of at least 3" in note for note in found["notes"])
    network.unlink()
    clip = street / "testing" / "videos" / "01.mp4"
    answer = ask("score", tmp_path / "run", clip, "--out", tmp_path / "out", "--json")
    assert answer.status == 0, answer.err
    assert (tmp_path / "out" / "report.html").is_file() and (tmp_path / "out" / "overlays" / "01.mp4").is_file()
    run = oddframe.load_run(tmp_path / "run")
    (scores,) = run.score(clip)
    assert len(scores.frame) == 62 and set(scores.components) == {"student", "teacher"}
    with np.load(tmp_path / "out" / "scores" / "01.npz") as stored:
        assert np.array_equal(stored["score"], scores.score)
    for command in ("bench", "adapt"):
        answer = ask(command, tmp_path / "run", clip)
        assert answer.status == 2 and "is for one-class detectors" in answer.err


@pytest.mark.parametrize(
    "lines, said",
    [
        (["video,label", "a00,0", "a01,1", "nobody,1", "a02,0", "a03,1"], "no features of nobody"),
        (["video,label", "a00,0", "a02,0", "a04,0"], "fewer than two anomalous videos"),
        (["video,label", "a00,2"], "line 2"),
        (["name,label", "a00,0"], "must name the columns video,label; it names: name, label"),
    ],
)
def test_labels_that_cannot_be(lines: list[str], said: str, world: Path, tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    answer = ask("fit", tmp_path / "labels.csv", "--model", "dakd", "--out", tmp_path / "run", *features(world))
    assert answer.status == 2 and said in answer.err and answer.err.count("\n") == 1, answer.err
    assert not (tmp_path / "run").exists()


def broken(world: Path, tmp_path: Path, change: Callable[[Path], None]) -> list[str]:
    """The features with something changed in a copy of those of "heard"."""
    copy = tmp_path / "heard"
    copy.mkdir()
    for file in (world / "heard").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    change(copy)
    return [*features(world, ["seen"]), "--features", f"heard=crops:{copy}"]


def a_nan(folder: Path) -> None:
    rows = np.load(folder / "a03.npy")
    rows[2, 1] = np.nan
    np.save(folder / "a03.npy", rows)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda folder: (folder / "a05.npy").unlink(), "a05: no heard features of it"),
        (a_nan, "NaN or infinity in 1 of"),
        (lambda folder: np.save(folder / "a03.npy", np.ones((30, 7), np.float32)), "vectors of length 7"),
    ],
)
def test_features_that_cannot_be(
    change: Callable[[Path], None], said: str, world: Path, tmp_path: Path, ask: Ask
) -> None:
    command = ("fit", world / "train.csv", "--model", "dakd", "--out", tmp_path / "run")
    answer = ask(*command, *broken(world, tmp_path, change))
    assert answer.status == 2 and said in answer.err and answer.err.count("\n") == 1, answer.err
    assert not (tmp_path / "run").exists()


def test_features_of_two_kinds(world: Path, street: Path, colour_network: Path, tmp_path: Path, ask: Ask) -> None:
    videos = street / "testing" / "videos" / "01.mp4"
    for number, crops in ((1, 1), (2, 10)):
        command = ("features", f"onnx:{colour_network}", videos, "--out", tmp_path / f"store{number}", "--workers", 1)
        assert ask(*command, "--crops", crops).status == 0
    stores = ("--features", tmp_path / "store1", "--features", tmp_path / "store2")
    answer = ask("fit", world / "train.csv", "--model", "dakd", "--out", tmp_path / "run", *stores)
    assert answer.status == 2 and "features of another kind" in answer.err and answer.err.count("\n") == 1


def test_other_features_than_those_learnt_from(student: Path, world: Path, ask: Ask) -> None:
    answer = ask("evaluate", student, "--data", world / "test.csv", "--features", f"seen=crops:{world / 'heard'}")
    assert answer.status == 2 and "features of another kind" in answer.err
    answer = ask("evaluate", student, "--data", world / "test.csv", *features(world, ["heard"]))
    assert answer.status == 2 and "scores seen features" in answer.err


def test_systems_and_what_they_learn_from(world: Path, tmp_path: Path, ask: Ask) -> None:
    answer = ask("fit", world / "train.csv", "--model", "dakd", "--out", tmp_path / "run")
    assert answer.status == 2 and "oddframe features EXTRACTOR" in answer.err
    answer = ask("fit", world / "train.csv", "--model", "sdmae", "--out", tmp_path / "run", *features(world))
    assert answer.status == 2 and "not from features" in answer.err
