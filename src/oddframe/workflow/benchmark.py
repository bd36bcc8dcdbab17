"""A plan in, a table out: trains what is missing, scores what is missing, and evaluates everything anew.

    OUT/runs/DATA/SYSTEM-seedN-KEY/         a bundle; its trained.json says that it is finished, and what it took
    OUT/runs/.../test-KEY/scores/           score files of the test set; scored.json beside them says the same of them
    OUT/baselines/DATA-KEY/baseline/        those of the baselines
    OUT/table.md, table.csv, table.json, plots/

KEY is a hash of what the work depends on, so that nothing is reused that another recipe, seed or video made. The
process may be killed at any time: every file appears whole or not at all, and training goes on from its last
checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oddframe.atomic import write_text
from oddframe.benchmark.memory import Peak, peak_memory
from oddframe.benchmark.plan import CONSTANT, DataPart, Plan, load_plan
from oddframe.benchmark.table import Cost, Table, TableFigure
from oddframe.bundle import CALIBRATION
from oddframe.datasets.labelled import LabelledSet, LabelledVideo
from oddframe.datasets.readers import open_labelled
from oddframe.errors import InputError, VideoError
from oddframe.evaluation.baselines import combination_of
from oddframe.evaluation.protocol import Protocol, curves, evaluate
from oddframe.evaluation.protocols import get_protocol, known_data
from oddframe.locks import holding
from oddframe.models.registry import create
from oddframe.progress import ProgressCall
from oddframe.reading.guard import reading
from oddframe.reading.records import read_object
from oddframe.reading.tables import read_text
from oddframe.recipes import Recipe
from oddframe.report.plots import operating_point, plot_rocs, plot_timeline
from oddframe.report.units import ThresholdUnits
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.origin import Origin, stored_scores
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.training.loop import check_options
from oddframe.types import Combination, FrameScores, VideoInfo, Window
from oddframe.video.cache import cache_key
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource
from oddframe.workflow.baselines import (
    BASELINE_SMOOTHING,
    measure_baselines,
    normal_background,
    save_baselines,
    stored_baselines,
)
from oddframe.workflow.evaluate import choose_protocols, ground_truth_notes
from oddframe.workflow.fit import fit
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.run import Run, load_run

TRAINED, SCORED = "trained.json", "scored.json"
FILES = OutputOptions(pages=False)
SEVERAL_CAMERAS = ("shanghaitech", "ubnormal")  # the median of their training video is the background of no camera
SHARED = Window((0,), (1, 1))  # the same for all systems


@dataclass(frozen=True)
class ScoredTestSet:
    """Scores of a test set, with what made them, and where.

    Attributes:
        name: of the system in the plan, or of the baseline.
        folder: the bundle's; None for a baseline.
    """

    name: str
    seed: int | None
    origin: Origin
    scores: Sequence[FrameScores]
    folder: Path | None = None


def benchmark(
    plan: str | Path | Plan,
    out: str | Path,
    *,
    device: str = "auto",
    workers: int = 2,
    progress: ProgressCall | None = None,
    train_progress: bool = False,
) -> Table:
    """Carry out a plan and write its table and plots to `out`; what `out` holds already is not done again.

    Args:
        plan: a YAML file (see `oddframe.benchmark.plan`), or one already read.
        device: to train and score on: auto, cpu or cuda.
        workers: processes that decode the training videos.

    Raises:
        InputError: a wrong plan, data that cannot be used, or a test video that cannot be scored.
        RecipeError: a recipe that does not exist, or is wrong.
    """
    plan = plan if isinstance(plan, Plan) else load_plan(plan)
    check_systems(plan)
    check_options(TrainingPlan(), TrainingOptions(device=device.partition(":")[0], workers=workers))
    with holding(out):
        return _carry_out(plan, Path(out), device, workers, progress, train_progress)


def _carry_out(
    plan: Plan, out: Path, device: str, workers: int, progress: ProgressCall | None, train_progress: bool
) -> Table:
    """`benchmark`, with a folder that nobody else writes into."""
    opened = {name: (open_labelled(part.test), find_videos(part.train)) for name, part in plan.data.items()}
    figures: list[TableFigure] = []
    costs: list[Cost] = []
    notes: list[str] = []
    for data, (labelled, training) in opened.items():
        notes += [f"{data}: {note}" for note in labelled.notes]
        scored = []
        for system in plan.systems:
            for seed in plan.seeds:
                recipe = plan.recipe(system, seed)
                run = out / "runs" / data / f"{system}-seed{seed}-{_key(recipe, training)}"
                _train(plan.data[data], recipe, run, device, workers, train_progress, notes)
                test = run / f"test-{_videos_key(labelled)}"
                scored.append(ScoredTestSet(system, seed, *_score(run, test, labelled, device, progress), run))
                costs.append(_cost(data, scored[-1], _read(run / TRAINED), _read(test / SCORED)))
        scored += _baselines(out / "baselines", data, labelled, plan.data[data].train, costs, progress)
        found, used = _evaluate(plan, data, labelled, scored)
        if not used:
            raise InputError(f"{data}: no system has the components of {' or '.join(plan.protocols)}")
        figures += found
        notes += [f"{data}: {note}" for note in ground_truth_notes(labelled, _of_data(used, plan))]
        _plot(out / "plots" / data, data, labelled, scored, used[0])
    unused = [name for name in plan.protocols if all(figure.result.protocol != name for figure in figures)]
    notes += [f"{name}: no system has the components that it asks for" for name in unused]
    table = Table(tuple(figures), tuple(costs), tuple(dict.fromkeys(notes)))
    table.write(out)
    return table


def _train(
    data: DataPart, recipe: Recipe, out: Path, device: str, workers: int, progress: bool, notes: list[str]
) -> None:
    """Train a run, or go on with it, unless it is finished."""
    if not (out / TRAINED).is_file():
        with peak_memory() as peak:
            training = TrainingOptions(workers=workers, device=device.partition(":")[0], resume=True, progress=progress)
            run = fit(data.train, recipe=recipe, out=out, training=training)
        spent = run.history.get("seconds", {})
        seconds = sum(sum(parts.values()) for parts in spent.values())
        skipped = [reason for _, reason in run.skipped]
        _note(out / TRAINED, peak, seconds=seconds, skipped=skipped)
    notes += [f"{out.parent.name}: left out of training: {reason}" for reason in _read(out / TRAINED)["skipped"]]


def _score(
    run: Path, folder: Path, labelled: LabelledSet, device: str, progress: ProgressCall | None
) -> tuple[Origin, Sequence[FrameScores]]:
    """The scores of a test set, stored or made now."""
    if not (folder / SCORED).is_file():
        done: dict[str, int] = {}

        def count(name: str, frames: int, total: int | None) -> None:
            done[name] = frames
            if progress is not None:
                progress(name, frames, total)

        sources = [video.source for video in labelled.videos]
        trained: Run = load_run(run)
        with peak_memory() as peak:
            start = time.perf_counter()
            scores = trained.score(
                sources, folder, outputs=FILES, options=RuntimeOptions(device=device), progress=count
            )
            seconds = time.perf_counter() - start
        if scores.skipped:
            raise InputError(f"{scores.skipped[0][1]}; a test set must be whole for its figures to mean anything")
        frames = sum(done.values())
        _note(folder / SCORED, peak, frames_per_second=frames / seconds if frames else None)
    return stored_scores(folder / "scores")


def _baselines(
    root: Path, data: str, labelled: LabelledSet, train: str, costs: list[Cost], progress: ProgressCall | None
) -> Iterator[ScoredTestSet]:
    """What every table has: what says the same of all frames, and what learns nothing or next to nothing."""
    rule = ScoreRule(Combination({CONSTANT: 1.0}), BASELINE_SMOOTHING)
    yield ScoredTestSet(CONSTANT, None, Origin(CONSTANT, "", rule), [_constant(video) for video in labelled.videos])
    several = known_data(labelled.name) in SEVERAL_CAMERAS
    background = "running" if several else _hash([_video_key(source, SHARED) for source in find_videos(train)])
    folder = root / f"{data}-{_videos_key(labelled)}-{background}"
    scores = stored_baselines(folder, labelled) if (folder / SCORED).is_file() else ()
    if not scores:
        with peak_memory() as peak:
            start = time.perf_counter()
            scores = measure_baselines(labelled, None if several else normal_background(train), progress)
            seconds = time.perf_counter() - start
        save_baselines(scores, folder)
        _note(folder / SCORED, peak, frames_per_second=sum(len(one.frame) for one in scores) / seconds)
    for name in scores[0].components:
        rule = ScoreRule(combination_of(name), BASELINE_SMOOTHING)
        yield ScoredTestSet(name, None, Origin(name, "", rule), scores)
    # One decoding serves all of them, and what each of them takes is not known.
    costs.append(_cost(data, ScoredTestSet("baselines", None, Origin("", "", rule), ()), {}, _read(folder / SCORED)))


def _constant(video: LabelledVideo) -> FrameScores:
    """1 at every frame. What lies above an AUC of one half is the protocol's doing."""
    count, source = len(video.labels), video.source
    ones = np.ones(count)
    info = VideoInfo(source.name, str(source.path), 0, 0, None, count)
    return FrameScores(
        source.name, np.arange(count), np.arange(count, dtype=np.float64), {"constant": ones}, ones, info
    )


def _evaluate(
    plan: Plan, data: str, labelled: LabelledSet, scored: Sequence[ScoredTestSet]
) -> tuple[list[TableFigure], list[Protocol]]:
    """Every system under its protocols, every baseline under all of them; and these protocols."""
    labels = {video.source.name: video.labels for video in labelled.videos}
    used: dict[str, Protocol] = {}
    figures = []
    for one in scored:
        origin = one.origin
        if one.folder is None:
            protocols = [protocol.standing_in(origin.rule.combination) for protocol in used.values()]
        else:
            protocols = _protocols(plan, one, labelled.name)
            used |= {protocol.name: protocol for protocol in protocols}
        for protocol in protocols:
            figures.append(TableFigure(data, one.name, one.seed, evaluate(one.scores, labels, protocol, origin.rule)))
    order = list(used)
    return sorted(figures, key=lambda figure: order.index(figure.result.protocol)), list(used.values())


def _protocols(plan: Plan, one: ScoredTestSet, data: str) -> list[Protocol]:
    if not plan.protocols:
        components = set(one.scores[0].components)
        return choose_protocols((), False, one.origin.model, components, one.origin.rule, data)
    chosen = [get_protocol(name) for name in plan.protocols]
    return [protocol for protocol in chosen if _fits(protocol, one)]


def check_systems(plan: Plan) -> None:
    """See to it, before anything is trained, that every system can be, and that some protocol applies to one of them.

    Raises:
        InputError: no system has the components that the protocols ask for.
        RecipeError: a system cannot be made with these options, or is fitted to one camera.
    """
    recipes = [plan.recipe(system, plan.seeds[0]) for system in plan.systems]
    made = {one.model: create(one.model, one.preset, **one.options).one_class("a benchmark") for one in recipes}
    for protocol in map(get_protocol, plan.protocols):
        needed = set(protocol.combination.weights) if protocol.combination else set()
        for model, detector in made.items():
            if protocol.system in (None, model) and detector.signature.reported.keys() >= needed:
                return
    if plan.protocols:
        raise InputError(f"no system of the plan has the components of {' or '.join(plan.protocols)}")


def _fits(protocol: Protocol, one: ScoredTestSet) -> bool:
    """Whether a protocol is for a system's scores, and they have what it asks for."""
    needed = set(protocol.combination.weights) if protocol.combination else set()
    return protocol.system in (None, one.origin.model) and one.scores[0].components.keys() >= needed


def _of_data(protocols: Sequence[Protocol], plan: Plan) -> list[Protocol]:
    """Those whose ground truth was asked for."""
    return [protocol for protocol in protocols if protocol.name in plan.protocols]


def _plot(folder: Path, data: str, labelled: LabelledSet, scored: Sequence[ScoredTestSet], protocol: Protocol) -> None:
    """ROC curves of all under one protocol, and each system's score over the most telling video, of the first seed.

    The threshold of a system belongs to its own score, so its false and true positive rate are measured on that one,
    and lie beside the curve where the protocol makes another score of the components.
    """
    labels = {video.source.name: video.labels for video in labelled.videos}
    rocs, points = {}, {}
    first = {one.name: one for one in reversed(scored)}
    for one in [one for one in scored if first[one.name] is one]:
        if one.folder is not None and not _fits(protocol, one):
            continue
        applied = protocol.standing_in(one.origin.rule.combination) if one.folder is None else protocol
        pairs = curves(one.scores, labels, applied, one.origin.rule).values()
        truth, score = (np.concatenate(column) for column in zip(*pairs, strict=True))
        if len(np.unique(truth)) == 2:
            rocs[one.name] = (truth, score)
        if one.folder is not None:
            shown = max(one.scores, key=lambda scores: _telling(labels[scores.video]))
            stored = one.folder / CALIBRATION
            calibration = Calibration.from_json(read_text(stored), stored)
            units = ThresholdUnits.of(calibration)
            plot_timeline(folder / f"{one.name}-score.png", shown, units, (), labels[shown.video])
            known = [(np.asarray(labels[video.video])[video.frame], video.score) for video in one.scores]
            truth, score = (np.concatenate(column) for column in zip(*known, strict=True))
            if one.name in rocs and len(np.unique(truth)) == 2:
                points[one.name] = operating_point(truth, score, calibration.threshold)
    if rocs:
        plot_rocs(folder / "roc.png", rocs, f"{data}, {protocol.name}", points)


def _telling(labels: Any) -> int:
    """How much a video has of its rarer class."""
    positives = int(labels.sum())
    return min(positives, len(labels) - positives)


def _key(recipe: Recipe, training: Sequence[VideoSource]) -> str:
    """What a bundle depends on: the recipe, seed included, and the training videos as its window sees them."""
    detector = create(recipe.model, recipe.preset, **recipe.options).one_class("a benchmark")
    return _hash([recipe.model_dump_json(), *(_video_key(source, detector.window) for source in training)])


def _videos_key(labelled: LabelledSet) -> str:
    return _hash([_video_key(video.source, SHARED) for video in labelled.videos])


def _video_key(source: VideoSource, window: Window) -> str:
    try:
        return f"{source.name} {cache_key(source, window)}"
    except VideoError as error:
        return f"{source.name} {error}"  # skipped in training, and an error when a test set is scored


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:10]


def _cost(data: str, one: ScoredTestSet, trained: dict[str, Any], scored: dict[str, Any]) -> Cost:
    on_gpu = [part["gpu_mib"] for part in (trained, scored) if part.get("gpu_mib") is not None]
    return Cost(
        data, one.name, one.seed, trained.get("seconds"), scored["frames_per_second"], trained.get("mib"),
        scored["mib"], max(on_gpu, default=None),
    )  # fmt: skip


def _note(path: Path, peak: Peak, **more: Any) -> None:
    write_text(path, json.dumps({"mib": peak.mib, "gpu_mib": peak.gpu_mib, **more}, indent=2) + "\n")


def _read(path: Path) -> dict[str, Any]:
    with reading(path, "not a record of this benchmark", "remove it, and run the benchmark again"):
        found: dict[str, Any] = read_object(path.read_text(encoding="utf-8"))
        return found
