"""The whole job on the synthetic street, in the order in which a user would do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oddframe.datasets.folder import read_folder
from oddframe.errors import InputError
from oddframe.locks import holding
from oddframe.models.registry import entry
from oddframe.progress import ProgressCall
from oddframe.reading.tables import read_table
from oddframe.recipes import load_recipe
from oddframe.report.plots import demo_picture
from oddframe.report.units import ThresholdUnits
from oddframe.settings import TrainingOptions
from oddframe.street import TEST_KINDS, World, render_world
from oddframe.types import Event
from oddframe.workflow.evaluate import EvaluateOptions, Evaluation, evaluate_run
from oddframe.workflow.fit import fit
from oddframe.workflow.outputs import OutputOptions

TRAINING_VIDEOS, TEST_VIDEOS, SECONDS = 8, 9, 24.0  # with nine test videos every kind of anomaly turns up
DEFAULT, BUDGET = "camera", "130s"
VEHICLES = ("cyclist", "cart", "car")  # where people walk: what systems of the papers learn in minutes on a CPU
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Planted:
    """An anomaly of the street, and whether it was found.

    Attributes:
        start, end: frames, inclusive.
        found: the box of an event touches the anomaly at the event's peak.
    """

    video: str
    kind: str
    start: int
    end: int
    found: bool


@dataclass(frozen=True)
class DemoResult:
    """What the demo shows: the table, planted anomalies, events that touch none of them, and where everything lies."""

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
    recipe: str = "camera",
    budget: str | None = None,
    progress: ProgressCall | None = None,
    train_progress: bool = False,
) -> DemoResult:
    """Render a street, train on its normal videos, score and evaluate its test videos.

    Args:
        out: a folder that does not hold another demo yet.
        seed: of the street and of the training.
        recipe: of the detector. `camera` is shown all nine kinds of anomalies, any other the vehicles alone.
        budget: training time of a detector that is trained, 130 s unless it is given.

    Raises:
        InputError: `out` holds another demo.
    """
    if (out / "run").exists():
        raise InputError(f"{out}: already holds a demo; remove it or choose another --out")
    with holding(out):
        return _demo(out, seed, recipe, budget, progress, train_progress)


def _demo(
    out: Path, seed: int, recipe: str, budget: str | None, progress: ProgressCall | None, train_progress: bool
) -> DemoResult:
    """`demo`, in a folder that nobody else writes into."""

    def report(what: str) -> Any:
        return None if progress is None else lambda done, total: progress(what, done, total)

    training = TrainingOptions(budget=budget or (None if recipe == DEFAULT else BUDGET), progress=train_progress)
    chosen = load_recipe(recipe, [f"training.seed={seed}"])
    if entry(chosen.model).kind == "bags":
        raise InputError(f"the demo shows systems that learn from normal video, and {chosen.model} learns from labels")
    street = out / "street"
    render_world(
        street,
        World(seed),
        videos=TRAINING_VIDEOS,
        test_videos=TEST_VIDEOS,
        seconds=SECONDS,
        kinds=TEST_KINDS if recipe == DEFAULT else VEHICLES,
        progress=report("rendering"),
    )
    run = fit(
        street / "training" / "videos",
        recipe=chosen,
        out=out / "run",
        training=training,
    )
    labelled = read_folder(street / "testing")
    labels = {video.source.name: video.labels for video in labelled.videos}
    sources = [video.source for video in labelled.videos]
    scored = run.score(sources, out / "scores", outputs=OutputOptions(labels=labels), progress=progress or False)
    evaluation = evaluate_run(run, labelled, EvaluateOptions(["honest"]), out=out / "scores")
    events = scored.events()
    planted, false_events = find_planted(street / "testing" / "tracks", events)
    picture = out / "picture.png"
    shown = max(scored, key=lambda scores: len({p.kind for p in planted if p.found and p.video == scores.video}))
    source = next(video.source for video in labelled.videos if video.source.name == shown.video)
    units = ThresholdUnits.of(scored.threshold())
    demo_picture(picture, source, shown, units, scored.events_of(shown), labels[shown.video])
    files = {
        "bundle": run.path,
        "report": out / "scores" / "report.html",
        "overlays": out / "scores" / "overlays",
        "picture": picture,
    }
    return DemoResult(evaluation, planted, false_events, files)


def find_planted(tracks: Path, events: Sequence[Event]) -> tuple[tuple[Planted, ...], int]:
    """The anomalies in the street's `tracks`, a CSV a video, each with whether it was found; and how many events
    touch none of them.
    """
    planted: list[Planted] = []
    touching: set[int] = set()
    for path in sorted(tracks.glob("*.csv")):
        boxes: dict[str, dict[int, Box]] = {}
        kinds: dict[str, str] = {}
        for row in read_table(path).rows:
            if row["anomalous"] == "1":
                left, top, right, bottom = (row.whole(side) for side in ("left", "top", "right", "bottom"))
                boxes.setdefault(row["object"], {})[row.whole("frame")] = (left, top, right, bottom)
                kinds[row["object"]] = row["kind"]
        for number, track in boxes.items():
            found = [n for n, event in enumerate(events) if event.video == path.stem and touches(event, track)]
            touching.update(found)
            planted.append(Planted(path.stem, kinds[number], min(track), max(track), bool(found)))
    planted.sort(key=lambda one: (one.video, one.start))
    return tuple(planted), len(events) - len(touching)


def touches(event: Event, track: Mapping[int, Box]) -> bool:
    """Whether the event's box overlaps that of an object in the frame where the event peaks.

    An event in time alone is no find: the demo draws boxes, and a box elsewhere is wrong.

    Args:
        track: frame -> (left, top, right, bottom) of the object.
    """
    there = track.get(event.peak_frame)
    if there is None or event.box is None:
        return False
    (left, top, right, bottom), (a, b, c, d) = event.box, there
    return left < c and a < right and top < d and b < bottom
