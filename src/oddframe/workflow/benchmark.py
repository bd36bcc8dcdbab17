"""A plan in, a table out: trains what is missing, scores what is missing, and evaluates everything anew.

    OUT/runs/DATA/SYSTEM-seedN-KEY/         a bundle; its trained.json says that it is finished, and what it took
    OUT/runs/.../test-KEY/scores/           score files of the test set; scored.json beside them says the same of them
    OUT/baselines/DATA/NAME-KEY/scores/     those of a baseline
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
from oddframe.benchmark.plan import BASELINES, DataPart, Plan, load_plan
from oddframe.benchmark.table import Cost, Table, TableFigure
from oddframe.bundle import CALIBRATION
from oddframe.datasets.labelled import LabelledSet, LabelledVideo
from oddframe.datasets.readers import open_labelled
from oddframe.errors import InputError, VideoError
from oddframe.evaluation.protocol import Protocol, curves, evaluate
from oddframe.evaluation.protocols import get_protocol
from oddframe.models.detector import Detector
from oddframe.models.frame_difference import FrameDifference
from oddframe.models.optical_flow import OpticalFlow
from oddframe.models.registry import create
from oddframe.progress import ProgressCall
from oddframe.recipes import Recipe
from oddframe.report.plots import plot_rocs, plot_timeline
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.files import save_scores
from oddframe.scoring.origin import Origin, stored_scores
from oddframe.settings import Smoothing, TrainingOptions
from oddframe.types import Combination, FrameScores, VideoInfo, Window
from oddframe.video.cache import cache_key
from oddframe.video.sources import VideoSource, find_videos
from oddframe.workflow.evaluate import choose_protocols, ground_truth_notes, unlearnt_scores
from oddframe.workflow.fit import fit
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.run import Run, load_run

TRAINED, SCORED = "trained.json", "scored.json"
FILES = OutputOptions(pages=False)


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
    out = Path(out)
    plan = plan if isinstance(plan, Plan) else load_plan(plan)
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
        scored += _baselines(out / "baselines", data, labelled, costs)
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
        accelerator = device.partition(":")[0]
        with peak_memory() as peak:
            training = TrainingOptions(workers=workers, accelerator=accelerator, resume=True, progress=progress)
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


def _baselines(root: Path, data: str, labelled: LabelledSet, costs: list[Cost]) -> Iterator[ScoredTestSet]:
    """What every table has: what says the same of all frames, and what only looks at how much moves."""
    smoothing = Smoothing()  # what recipes have that say nothing else
    rule = ScoreRule(Combination({"constant": 1.0}), smoothing)
    yield ScoredTestSet(
        BASELINES[0], None, Origin(BASELINES[0], "", rule), [_constant(video) for video in labelled.videos]
    )
    detectors: tuple[Detector, ...] = (FrameDifference(), OpticalFlow())
    for name, detector in zip(BASELINES[1:], detectors, strict=True):
        folder = root / data / f"{name}-{_videos_key(labelled)}"
        if not (folder / SCORED).is_file():
            rule = ScoreRule(detector.combination, smoothing)
            with peak_memory() as peak:
                start = time.perf_counter()
                scores = unlearnt_scores(detector, labelled, rule)
                seconds = time.perf_counter() - start
            for one in scores:
                save_scores(one, folder / "scores")
            Origin(name, "", rule).save(folder / "scores")
            frames = sum(len(one.frame) for one in scores)
            _note(folder / SCORED, peak, frames_per_second=frames / seconds)
        scored = ScoredTestSet(name, None, *stored_scores(folder / "scores"))
        costs.append(_cost(data, scored, {}, _read(folder / SCORED)))
        yield scored


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


def _fits(protocol: Protocol, one: ScoredTestSet) -> bool:
    """Whether a protocol is for a system's scores, and they have what it asks for."""
    needed = set(protocol.combination.weights) if protocol.combination else set()
    return protocol.system in (None, one.origin.model) and one.scores[0].components.keys() >= needed


def _of_data(protocols: Sequence[Protocol], plan: Plan) -> list[Protocol]:
    """Those whose ground truth was asked for."""
    return [protocol for protocol in protocols if protocol.name in plan.protocols]


def _plot(folder: Path, data: str, labelled: LabelledSet, scored: Sequence[ScoredTestSet], protocol: Protocol) -> None:
    """ROC curves of all under one protocol, and each system's score over the most telling video, of the first seed."""
    labels = {video.source.name: video.labels for video in labelled.videos}
    rocs = {}
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
            stored = (one.folder / CALIBRATION).read_text(encoding="utf-8")
            threshold = Calibration.from_json(stored).threshold
            plot_timeline(folder / f"{one.name}-score.png", shown, threshold, (), labels[shown.video])
    if rocs:
        plot_rocs(folder / "roc.png", rocs, f"{data}, {protocol.name}")


def _telling(labels: Any) -> int:
    """How much a video has of its rarer class."""
    positives = int(labels.sum())
    return min(positives, len(labels) - positives)


def _key(recipe: Recipe, training: Sequence[VideoSource]) -> str:
    """What a bundle depends on: the recipe, seed included, and the training videos as its window sees them."""
    detector = create(recipe.model, recipe.preset, **recipe.options).one_class("a benchmark")
    return _hash([recipe.model_dump_json(), *(_video_key(source, detector.window) for source in training)])


def _videos_key(labelled: LabelledSet) -> str:
    window = Window((0,), (1, 1))  # the same for all systems
    return _hash([_video_key(video.source, window) for video in labelled.videos])


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
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
