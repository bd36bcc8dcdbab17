"""Whether marks pay: a street with something rare that is normal, before and after ten false alarms are marked.

    python benchmarks/teach.py FOLDER SEED ...

A sweeping machine drives along the edge of the walkway, and never in the training video. The detector scores video as
an operator would see it. The events are gone through in order of time, as the ground truth says, until the tenth false
alarm is marked as normal. Then `learn` makes new bundles from these marks. All of them score other video of the same
street, with all nine kinds of anomalies and sweeping machines. What is rendered, fitted and scored stays in FOLDER.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import oddframe
from oddframe.benchmark.table import markdown_table
from oddframe.evaluation.auc import roc_auc
from oddframe.settings import TrainingOptions
from oddframe.store.reading import EventQuery
from oddframe.street import TEST_KINDS, World
from oddframe.street.write import find_planted
from oddframe.types import Event
from oddframe.video.encode import VideoWriter
from oddframe.workflow.learn import LearnOptions, learn
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.run import Run, load_run
from oddframe.workflow.scores import Scores

TRAINING, REVIEWED, UNSEEN, SECONDS = 6, 6, 9, 30.0
SIZE, FPS = (120, 208), 8.0
CHANGES = ["options.parts=[monitors,scene]"]  # on so small frames the self-check gives patches no weight
MARKS = 10
PLAIN = OutputOptions(pages=False)
OFFSETS = {"training": 0, "reviewed": 2_000_000, "unseen": 3_000_000}
VARIANTS = {
    "recalibration alone": ("recalibrate",),
    "recalibration and memory": ("recalibrate", "zones", "memory", "classifier"),
}


@dataclass(frozen=True)
class Truth:
    """Of one video: (N,) labels, and first and last frame of each planted anomaly."""

    labels: np.ndarray
    planted: tuple[tuple[int, int], ...]


def main() -> None:
    folder, seeds = Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]]
    columns = ["seed", "bundle", "false alarms an hour", "of the old", "micro AUC", "change", "anomalies found"]
    columns.append("threshold")
    print(f"videos of {SECONDS:g} s: {TRAINING} normal, {REVIEWED} for review, {UNSEEN} unseen; {MARKS} false alarms")
    for seed in seeds:
        print(markdown_table(columns, one_seed(folder / str(seed), seed), columns[2:]), flush=True)


def one_seed(place: Path, seed: int) -> list[list[str]]:
    world = World(seed, SIZE, FPS)
    for part, count in (("training", TRAINING), ("reviewed", REVIEWED), ("unseen", UNSEEN)):
        render(place / part, world, part, count)
    if not (place / "run").is_dir():
        training = TrainingOptions(progress=False)
        oddframe.fit(place / "training", model="camera", out=place / "run", changes=CHANGES, training=training)
    run = load_run(place / "run")
    marked = review(run, place)
    print(f"seed {seed}: {marked}; weights {run.bundle.recipe.scoring.weights}", flush=True)
    scored = run.score(place / "unseen", place / "unseen-old", outputs=PLAIN, progress=False)
    truth = truths(place / "unseen")
    base = figures(scored, truth)
    rows = [row(seed, "old", base, base, run.calibration().threshold)]
    for name, steps in VARIANTS.items():
        began, out = time.perf_counter(), place / name.replace(" ", "-")
        if not out.is_dir():
            result = learn(run, place / "scores", out, LearnOptions(steps, progress=False))
            print(f"{name}: {time.perf_counter() - began:.0f} s; {[step.did for step in result.steps]}; {result.gone}")
        taught = load_run(out)
        same = steps == ("recalibrate",)  # the detector is the same, and so are its scores
        again = (
            replace(scored, calibration=taught.calibration())
            if same
            else taught.score(place / "unseen", place / f"unseen-{out.name}", outputs=PLAIN, progress=False)
        )
        new = figures(again, truth)
        rows.append(row(seed, name, new, base, taught.calibration().threshold))
    return rows


def render(folder: Path, world: World, part: str, count: int) -> None:
    """Videos of one part, with their ground truth unless they are normal."""
    folder.mkdir(parents=True, exist_ok=True)
    plans: Sequence[tuple[str, ...]] = [()] * count
    if part != "training":
        mixed = [str(kind) for kind in np.random.default_rng((world.seed, OFFSETS[part])).permutation(TEST_KINDS)]
        if part == "reviewed":
            plans = [("sweeper", kind, "sweeper") for kind in mixed[:count]]
        else:
            plans = [("sweeper", kind) if k % 2 else (kind, "sweeper") for k, kind in enumerate(mixed[:count])]
    for k, kinds in enumerate(plans):
        path = folder / f"{k + 1:02d}.mp4"
        if path.with_suffix(".csv").exists():
            continue
        truth = []
        with VideoWriter(path, world.size, world.fps, threads=1) as writer:
            for frame in world.video(OFFSETS[part] + k, SECONDS, kinds):
                writer.write(frame.image)
                truth.append(frame)
        rows = [("labels", "".join(str(frame.label) for frame in truth), ""), *find_planted(truth)]
        with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)


def truths(folder: Path) -> dict[str, Truth]:
    found = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            (_, labels, _), *planted = csv.reader(file)
        spans = tuple((int(first), int(last)) for _, first, last in planted)
        found[path.stem] = Truth(np.array([int(label) for label in labels], np.int8), spans)
    return found


def review(run: Run, place: Path) -> str:
    """Score, and mark the events in order of time until the tenth false alarm; again, where that was done before."""
    scores = run.score(place / "reviewed", place / "scores", outputs=PLAIN, progress=False)
    truth, false, true = truths(place / "reviewed"), 0, 0
    with oddframe.open_store(place / "scores") as store:
        store.record_scores(run.bundle, scores)
        for event in store.every(EventQuery(kind="anomaly", order="time")):
            assert event.video is not None and event.start_frame is not None and event.end_frame is not None
            if false == MARKS:
                break
            wrong = not truth[event.video].labels[event.start_frame : event.end_frame + 1].any()
            false, true = false + wrong, true + (not wrong)
            if event.mark is None:
                store.mark(event.id, "normal" if wrong else "abnormal", who="ground truth")
    return f"{false} normal and {true} abnormal marks"


def figures(scores: Scores, truth: dict[str, Truth]) -> tuple[float, float, float]:
    """False alarms per hour, micro AUC, share of the planted anomalies that raise an alarm."""
    seconds = sum(float(one.time[-1] - one.time[0]) for one in scores)
    told = [event for event in scores.events() if not event.held]
    false = sum(not truth[e.video].labels[e.start_frame : e.end_frame + 1].any() for e in told)
    labels = np.concatenate([truth[one.video].labels[one.frame] for one in scores])
    planted = [(name, span) for name, one in truth.items() for span in one.planted]
    hit = sum(any(meets(event, name, span) for event in told) for name, span in planted)
    return false * 3600 / seconds, roc_auc(labels, np.concatenate([one.score for one in scores])), hit / len(planted)


def meets(event: Event, video: str, span: tuple[int, int]) -> bool:
    return event.video == video and event.start_frame <= span[1] and event.end_frame >= span[0]


def row(seed: int, name: str, new: tuple[float, float, float], old: tuple[float, float, float], at: float) -> list[str]:
    share = f"{new[0] / old[0]:.2f}" if old[0] else "-"
    auc = f"{new[1]:.3f}", f"{new[1] - old[1]:+.3f}"
    return [str(seed), name, f"{new[0]:.1f}", share, *auc, f"{new[2]:.0%}", f"{at:.2f}"]


if __name__ == "__main__":
    main()
