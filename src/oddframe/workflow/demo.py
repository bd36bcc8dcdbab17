"""The whole job on the synthetic street, in the order in which a user would do it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oddframe.datasets.folder import read_folder
from oddframe.errors import InputError
from oddframe.progress import ProgressCall
from oddframe.report.plots import demo_picture
from oddframe.settings import TrainingOptions
from oddframe.street import World, render_world
from oddframe.types import Event
from oddframe.workflow.evaluate import EvaluateOptions, Evaluation, evaluate_run
from oddframe.workflow.fit import fit
from oddframe.workflow.outputs import OutputOptions

TRAINING_VIDEOS, TEST_VIDEOS, SECONDS = 8, 6, 24.0
# Vehicles where people walk: what minutes on a CPU suffice for. benchmarks/street_kinds.py measures every kind.
KINDS = ("cyclist", "cart", "car")


@dataclass(frozen=True)
class Planted:
    """An anomaly of the street, frames inclusive, and whether an event overlaps it."""

    video: str
    kind: str
    start: int
    end: int
    found: bool


@dataclass(frozen=True)
class DemoResult:
    """What the demo shows: the table, planted anomalies and events, and where everything lies."""

    evaluation: Evaluation
    planted: tuple[Planted, ...]
    false_events: int
    files: dict[str, Path]

    @property
    def micro_auc(self) -> float:
        """Frame-level micro AUC under protocol `honest`."""
        return self.evaluation.rows[0].result.micro_auc

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "micro_auc": self.micro_auc,
            "planted": [asdict(planted) for planted in self.planted],
            "false_events": self.false_events,
            "evaluation": self.evaluation.to_dict(),
            "files": {name: str(path) for name, path in self.files.items()},
        }


def demo(
    out: Path,
    *,
    seed: int = 0,
    recipe: str = "sdmae-small",
    budget: str = "130s",
    progress: ProgressCall | None = None,
    train_progress: bool = False,
) -> DemoResult:
    """Render a street, train on its normal videos, score and evaluate its test videos.

    Args:
        out: a folder that does not hold another demo yet.
        seed: of the street and of the training.

    Raises:
        InputError: `out` holds another demo.
    """
    if (out / "run").exists():
        raise InputError(f"{out}: already holds a demo; remove it or choose another --out")

    def report(what: str) -> Any:
        return None if progress is None else lambda done, total: progress(what, done, total)

    street = out / "street"
    render_world(
        street,
        World(seed),
        videos=TRAINING_VIDEOS,
        test_videos=TEST_VIDEOS,
        seconds=SECONDS,
        kinds=KINDS,
        progress=report("rendering"),
    )
    run = fit(
        street / "training" / "videos",
        recipe=recipe,
        out=out / "run",
        changes=[f"training.seed={seed}"],
        training=TrainingOptions(budget=budget, progress=train_progress),
    )
    labelled = read_folder(street / "testing")
    labels = {video.source.name: video.labels for video in labelled.videos}
    sources = [video.source for video in labelled.videos]
    scored = run.score(sources, out / "scores", outputs=OutputOptions(labels=labels), progress=progress or False)
    evaluation = evaluate_run(run, labelled, EvaluateOptions(["honest"]), out=out / "scores")
    events = scored.events()
    planted = find_planted(street / "testing" / "events.csv", events)
    picture = out / "picture.png"
    shown = max(scored, key=lambda scores: len({p.kind for p in planted if p.found and p.video == scores.video}))
    source = next(video.source for video in labelled.videos if video.source.name == shown.video)
    threshold = scored.threshold().threshold
    demo_picture(picture, source, shown, threshold, scored.events_of(shown), labels[shown.video])
    files = {
        "bundle": run.path,
        "report": out / "scores" / "report.html",
        "overlays": out / "scores" / "overlays",
        "picture": picture,
    }
    return DemoResult(evaluation, planted, sum(not hits(e, labels[e.video]) for e in events), files)


def find_planted(table: Path, events: Sequence[Event]) -> tuple[Planted, ...]:
    """The anomalies listed in the street's `events.csv`, and whether one of `events` overlaps each."""
    planted = []
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            start, end = int(row["start_frame"]), int(row["end_frame"])
            found = any(
                event.video == row["video"] and event.start_frame <= end and event.end_frame >= start
                for event in events
            )
            planted.append(Planted(row["video"], row["kind"], start, end, found))
    return tuple(planted)


def hits(event: Event, labels: Any) -> bool:
    """Whether any frame of the event is labelled anomalous."""
    return bool(labels[event.start_frame : event.end_frame + 1].any())
