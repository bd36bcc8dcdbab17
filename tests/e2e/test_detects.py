"""Every system detects something: on an easy street it stays above a floor that no wrong score reaches.

Vehicles where people walk are easy, so that minutes of training are not needed. Each floor lies well below the worst of
the streets that the settings were measured on. The same score negated, a constant one, and a random one stay below it:
a floor that such a score reaches would say nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.datasets.folder import read_folder
from oddframe.evaluation.auc import micro_auc
from oddframe.recipes import recipe_names
from oddframe.scoring.files import load_scores
from oddframe.street import World, render_world

Ask = Callable[..., Any]
Labelled = list[tuple[NDArray[np.int8], NDArray[np.float64]]]
SEED = 1


class Check(NamedTuple):
    """How long a recipe learns, the AUC that it reaches then, and what is changed in it."""

    steps: int
    floor: float
    changes: tuple[str, ...] = ()


# So early MPN's error of the whole frame says more than its prototypes and the strongest place do. Of SDMAE only the
# teacher's error says anything: what it learns from pasted objects takes a thousand steps.
PREDICTION, TEACHER = "scoring.weights={prediction: 1.0}", "scoring.weights={teacher: 1.0}"
CHECKS = {
    "sdmae-small": Check(120, 0.65, (TEACHER,)),
    "std-small": Check(80, 0.7),
    "memae-small": Check(150, 0.65, ("options.learning_rate=0.003",)),
    "mnad-small": Check(80, 0.75),
    "mpn-small": Check(80, 0.7, (PREDICTION,)),
    "mpn-meta-small": Check(60, 0.6),
}
BAGS = {
    "mil-small": (("seen",), ("--budget", "150steps", "--set", "options.feature_norm=none")),
    "dakd-small": (
        ("seen", "heard"),
        (
            "--budget", "60epochs", "--set", "options.projection=[16, 16]", "--set", "options.attention_dim=16",
            "--set", "options.heads=2", "--set", "options.head=[16, 8]", "--set", "options.segments=8",
            "--set", "options.learning_rate=0.03", "--set", "options.temporal_learning_rate=0.03",
            "--set", "options.head_dropout=0",
        ),
    ),
}  # fmt: skip


def test_no_small_recipe_is_left_out() -> None:
    assert {name for name in recipe_names() if name.endswith("-small")} == set(CHECKS) | set(BAGS)


def controls(scores: Labelled) -> Iterator[tuple[str, Labelled]]:
    """The same frames under scores that detect nothing, or the opposite."""
    random = np.random.default_rng(0)
    yield "negated", [(labels, -score) for labels, score in scores]
    yield "constant", [(labels, np.full(len(score), 0.5)) for labels, score in scores]
    yield "random", [(labels, random.random(len(score))) for labels, score in scores]


@pytest.fixture(scope="module")
def easy_street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kinds = ("cyclist", "cart", "car")
    folder = tmp_path_factory.mktemp("easy street")
    world = World(seed=SEED, size=(90, 160))
    return render_world(folder, world, videos=4, test_videos=3, seconds=12, kinds=kinds)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "detects-cache"))


@pytest.fixture(autouse=True)
def measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out losses are measured at the end of a stage only: they change no weight, and took longer than training."""
    monkeypatch.setattr("oddframe.training.stages.HELDOUT_MARKS", 1)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", CHECKS)
def test_a_system_detects_vehicles_where_people_walk(recipe: str, easy_street: Path, tmp_path: Path, ask: Ask) -> None:
    check, run, out = CHECKS[recipe], tmp_path / "run", tmp_path / "out"
    changes = ("options.size=[32, 64]", f"training.seed={SEED}", *check.changes)
    fitted = ask(
        "fit", easy_street / "training" / "videos", "--recipe", recipe, "--out", run, "--budget", f"{check.steps}steps",
        "--quantile", 0.9, "--workers", 1, *(word for change in changes for word in ("--set", change)),
    )  # fmt: skip
    assert fitted.status == 0, fitted.err
    scored = ask("score", run, easy_street / "testing" / "videos", "--out", out, "--no-overlay")
    assert scored.status == 0, scored.err
    scores: Labelled = []
    for video in read_folder(easy_street / "testing").videos:
        own = load_scores(out / "scores" / f"{video.source.name}.npz")
        scores.append((video.labels[own.frame], own.score))
    assert len(scores) == 3
    assert micro_auc(scores) >= check.floor
    for name, wrong in controls(scores):
        assert micro_auc(wrong) < check.floor, name


def invent(folder: Path, part: str, count: int, seed: int) -> Path:
    """Features of videos by two backbones, of which an anomaly moves the first number; a CSV of what is where."""
    random = np.random.default_rng(seed)
    lines = ["video,label,class,frames,start_frame,end_frame"]
    for number in range(count):
        label, snippets = number % 2, int(random.integers(12, 40))
        start = int(random.integers(0, snippets - 6))
        for name, width in (("seen", 12), ("heard", 6)):
            features = random.normal(size=(snippets, width))
            features[start : start + 6, 0] += 6 * label
            (folder / name).mkdir(parents=True, exist_ok=True)
            np.save(folder / name / f"{part}{number:02}.npy", features.astype(np.float32))
        interval = f"{16 * start},{16 * (start + 6) - 1}" if label else ","
        lines.append(f"{part}{number:02},{label},{'Noise' if label else 'Normal'},{16 * snippets},{interval}")
    (folder / f"{part}.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / f"{part}.csv"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", BAGS)
def test_a_weakly_supervised_system_finds_when(recipe: str, tmp_path: Path, ask: Ask) -> None:
    backbones, settings = BAGS[recipe]
    train, test = invent(tmp_path, "train", 40, 1), invent(tmp_path, "test", 16, 2)
    features = [word for name in backbones for word in ("--features", f"{name}=crops:{tmp_path / name}")]
    fitted = ask(
        "fit", train, "--recipe", recipe, "--out", tmp_path / "run", *features, "--quantile", 0.9, *settings,
        "--set", "training.batch_size=16", "--set", "training.holdout=0.25",
    )  # fmt: skip
    assert fitted.status == 0, fitted.err
    answer = ask("evaluate", tmp_path / "run", "--data", test, *features, "--json")
    assert answer.status == 0, answer.err
    rows = {row["system"]: row for row in json.loads(answer.out)["rows"]}
    floor = 0.8
    systems = {name for name, row in rows.items() if not row["baseline"]} - {"constant score", "label of the video"}
    assert systems and len(systems) < len(rows) - 2, "baselines stand beside"
    for system in systems:
        assert rows[system]["auc"] >= floor, system
        assert 1 - rows[system]["auc"] < floor, "that of the negated score"
        # Who only knows which videos are anomalous is at one half within them.
        assert rows[system]["anomalous_auc"] > 0.75 > rows["label of the video"]["anomalous_auc"] == 0.5
    assert rows["constant score"]["auc"] == 0.5
