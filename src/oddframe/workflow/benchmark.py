"""A plan in, a table out: trains what is missing, scores what is missing, and evaluates everything anew.

    OUT/runs/DATA/SYSTEM-seedN-KEY/         a bundle; its trained.json says that it is finished, and what it took
    OUT/runs/DATA/SYSTEM+shotsK-.../adapted/  the bundle of a system with shots, made of that one
    OUT/runs/.../test-KEY/scores/           score files of the test set; scored.json beside them says the same of them
    OUT/baselines/DATA-KEY/baseline/        those of the baselines
    OUT/table.md, table.csv, table.json, claims.csv, plots/

KEY is a hash of what the work depends on, so that nothing is reused that another recipe, seed or video made. Systems
that differ in nothing that training sees are trained once. The process may be killed at any time: every file appears
whole or not at all, and training goes on from its last checkpoint.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oddframe.atomic import replacing, write_text
from oddframe.benchmark.claims import Outcome, judge, reading_notes
from oddframe.benchmark.memory import Peak, peak_memory
from oddframe.benchmark.plan import CONSTANT, Plan, load_plan
from oddframe.benchmark.table import Cost, Table, TableFigure
from oddframe.bundle import CALIBRATION, CHECKPOINT, META
from oddframe.datasets.labelled import LabelledSet, LabelledVideo
from oddframe.errors import InputError, RecipeError
from oddframe.evaluation.baselines import combination_of
from oddframe.evaluation.paired import Videos
from oddframe.evaluation.protocol import Protocol, curves, evaluate
from oddframe.evaluation.protocols import get_protocol, known_data
from oddframe.locks import holding, remove
from oddframe.models.registry import create, entry
from oddframe.progress import ProgressCall
from oddframe.reading.guard import reading
from oddframe.reading.records import read_object
from oddframe.reading.tables import read_text
from oddframe.recipes import Recipe, ScoringPart
from oddframe.report.plots import operating_point, plot_rocs, plot_timeline
from oddframe.report.units import ThresholdUnits
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.origin import Origin, stored_scores
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.training.loop import check_options
from oddframe.types import Combination, FrameScores
from oddframe.workflow.adapt import adapt
from oddframe.workflow.baselines import (
    BASELINE_SMOOTHING,
    measure_baselines,
    normal_background,
    save_baselines,
    stored_baselines,
)
from oddframe.workflow.benchmark_data import (
    SHARED,
    BagData,
    FrameData,
    flat_scores,
    hashed,
    open_data,
    plain_rule,
    video_key,
)
from oddframe.workflow.evaluate import choose_protocols, ground_truth_notes
from oddframe.workflow.run import Run, load_run

TRAINED, SCORED, ADAPTED = "trained.json", "scored.json", "adapted"
SEVERAL_CAMERAS = ("shanghaitech", "ubnormal")  # the median of their training video is the background of no camera


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
    opened = {name: open_data(part, progress) for name, part in plan.data.items()}
    for name, own in opened.items():
        for system in plan.systems:
            own.check(plan.recipe(system, plan.seeds[0]))
        if plan.claims and len(own.test.videos) < 2:
            raise InputError(f"{name}: has one test video; claims need at least two, to say how sure a difference is")
    figures: list[TableFigure] = []
    costs: list[Cost] = []
    notes: list[str] = []
    outcomes: list[Outcome] = []
    for data, own in opened.items():
        notes += [f"{data}: {note}" for note in own.test.notes]
        notes += [f"{data}: {note}" for note in own.seen_before()] if isinstance(own, FrameData) else []
        scored = []
        learned: dict[str, tuple[str, Path]] = {}  # what training sees -> the first system that learned it, and where
        for system, part in plan.systems.items():
            for seed in plan.seeds:
                recipe = plan.recipe(system, seed)
                run = _folder(out / "runs" / data, own, system, recipe, part.shots)
                first, place = learned.setdefault(own.key(_as_trained(recipe)), (system, run))
                if place != run:
                    how = "scored in another way" if part.shots is None else f"adapted to {part.shots} windows"
                    notes.append(f"{data}: {system} is what {first} learned, {how}")
                    _share(place, run)
                options = TrainingOptions(
                    workers=workers, device=device.partition(":")[0], check=False, resume=True,
                    progress=train_progress,
                    features=own.features if isinstance(own, BagData) else (),
                )  # fmt: skip
                notes += _train(own, recipe, run, options, part.shots)
                bundle = run if part.shots is None else run / ADAPTED
                test = run / f"test-{own.test_key}"
                scored.append(ScoredTestSet(system, seed, *_score(own, bundle, test, device, progress), bundle))
                costs.append(_cost(data, scored[-1], _read(run / TRAINED), _read(test / SCORED)))
        if isinstance(own, FrameData):
            scored += _baselines(out / "baselines", data, own, costs, progress)
        else:
            beside, remarks = _bag_baselines(own, scored[0], progress)
            scored += beside
            notes += [f"{data}: {remark}" for remark in remarks]
        found, used = _evaluate(plan, data, own.test, scored)
        if not used:
            raise InputError(f"{data}: no system has the components of {' or '.join(plan.protocols)}")
        figures += found
        outcomes += _judge(plan, data, own.test, scored, used)
        notes += [f"{data}: {note}" for note in ground_truth_notes(own.test, _of_data(used, plan))]
        _plot(out / "plots" / data, data, own.test, scored, used[0])
    unused = [name for name in plan.protocols if all(figure.result.protocol != name for figure in figures)]
    notes += [f"{name}: no system has the components that it asks for" for name in unused]
    notes += [
        f"claims: {claim.better} better than {claim.than} was not judged: no protocol applies to both"
        for claim in plan.claims
        if all(outcome.claim != claim for outcome in outcomes)
    ]
    notes += reading_notes(outcomes, len(plan.seeds))
    table = Table(tuple(figures), tuple(costs), tuple(dict.fromkeys(notes)), tuple(outcomes))
    table.write(out)
    return table


def _folder(root: Path, data: FrameData | BagData, system: str, recipe: Recipe, shots: int | None) -> Path:
    adapted = ""
    if shots is not None:
        assert isinstance(data, FrameData), "seen to when the plan was read"
        adapted = f"+shots{shots}-{data.normal_key}"  # no name of a system has a plus
    return root / f"{system}{adapted}-seed{recipe.training.seed}-{data.key(recipe)}"


def _as_trained(recipe: Recipe) -> Recipe:
    """The recipe without all that training does not see."""
    unseen = entry(recipe.model).scoring_options
    options = {name: value for name, value in recipe.options.items() if name not in unseen}
    return recipe.model_copy(update={"name": "", "summary": "", "options": options, "scoring": ScoringPart()})


def _share(trained: Path, run: Path) -> None:
    """Let a run begin where another one has ended: all of its training is done, what is left is its threshold."""
    if (trained / CHECKPOINT).is_file() and not (run / META).is_file():
        with replacing(run / CHECKPOINT) as temporary:
            shutil.copyfile(trained / CHECKPOINT, temporary)


def _train(
    data: FrameData | BagData, recipe: Recipe, out: Path, training: TrainingOptions, shots: int | None
) -> list[str]:
    """Train a run, or go on with it, unless it is finished; what was left out of training."""
    if not (out / TRAINED).is_file():
        with peak_memory() as peak:
            run = data.fit(recipe, out, training)
            if shots is not None:
                _adapt(data, run, shots, training.device)
        spent = run.history.get("seconds", {})
        seconds = sum(sum(parts.values()) for parts in spent.values())
        skipped = [reason for _, reason in run.skipped]
        _note(out / TRAINED, peak, seconds=seconds, skipped=skipped)
    return [f"{out.parent.name}: left out of training: {reason}" for reason in _read(out / TRAINED)["skipped"]]


def _adapt(data: FrameData | BagData, run: Run, shots: int, device: str) -> None:
    """Adapt a run to the camera that is tested; what an earlier try has left is made anew."""
    assert isinstance(data, FrameData) and data.normal is not None, "seen to when the plan was read"
    remove(run.path / ADAPTED)
    adapt(run, data.normal, shots=shots, out=run.path / ADAPTED, device=device)


def _score(
    data: FrameData | BagData, bundle: Path, folder: Path, device: str, progress: ProgressCall | None
) -> tuple[Origin, Sequence[FrameScores]]:
    """The scores of a test set, stored or made now."""
    if not (folder / SCORED).is_file():
        trained: Run = load_run(bundle)
        with peak_memory() as peak:
            start = time.perf_counter()
            frames = data.score(trained, folder, device, progress)
            seconds = time.perf_counter() - start
        _note(folder / SCORED, peak, frames_per_second=frames / seconds if frames else None)
    return stored_scores(folder / "scores")


def _baselines(
    root: Path, data: str, own: FrameData, costs: list[Cost], progress: ProgressCall | None
) -> Iterator[ScoredTestSet]:
    """What every table has: what says the same of all frames, and what learns nothing or next to nothing."""
    labelled = own.test
    rule = ScoreRule(Combination({CONSTANT: 1.0}), BASELINE_SMOOTHING)
    yield ScoredTestSet(CONSTANT, None, Origin(CONSTANT, "", rule), [_constant(video) for video in labelled.videos])
    several = known_data(labelled.name) in SEVERAL_CAMERAS
    background = "running" if several else hashed([video_key(source, SHARED) for source in own.training])
    folder = root / f"{data}-{own.test_key}-{background}"
    scores = stored_baselines(folder, labelled) if (folder / SCORED).is_file() else ()
    if not scores:
        with peak_memory() as peak:
            start = time.perf_counter()
            scores = measure_baselines(labelled, None if several else normal_background(own.train), progress)
            seconds = time.perf_counter() - start
        save_baselines(scores, folder)
        _note(folder / SCORED, peak, frames_per_second=sum(len(one.frame) for one in scores) / seconds)
    for name in scores[0].components:
        rule = ScoreRule(combination_of(name), BASELINE_SMOOTHING)
        yield ScoredTestSet(name, None, Origin(name, "", rule), scores)
    # One decoding serves all of them, and what each of them takes is not known.
    costs.append(_cost(data, ScoredTestSet("baselines", None, Origin("", "", rule), ()), {}, _read(folder / SCORED)))


def _bag_baselines(
    own: BagData, first: ScoredTestSet, progress: ProgressCall | None
) -> tuple[list[ScoredTestSet], list[str]]:
    """The same of labelled videos: baselines learn from those that the first system has not held out."""
    assert first.folder is not None, "systems come before baselines"
    scores, notes = own.baselines(load_run(first.folder), progress)
    constant = [_constant(video) for video in own.test.videos]
    found = [ScoredTestSet(CONSTANT, None, Origin(CONSTANT, "", plain_rule(CONSTANT)), constant)]
    for name in scores[0].components if scores else ():
        found.append(ScoredTestSet(name, None, Origin(name, "", plain_rule(name)), scores))
    return found, notes


def _constant(video: LabelledVideo) -> FrameScores:
    """1 at every frame. What lies above an AUC of one half is the protocol's doing."""
    return flat_scores(video.source.name, len(video.labels), {CONSTANT: 1.0})


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


def _judge(
    plan: Plan, data: str, labelled: LabelledSet, scored: Sequence[ScoredTestSet], used: Sequence[Protocol]
) -> list[Outcome]:
    """The claims of the plan on a data set, under all protocols of both systems."""
    named = {name for claim in plan.claims for name in (claim.better, claim.than)}
    labels = {video.source.name: video.labels for video in labelled.videos}
    found: list[Outcome] = []
    for protocol in used:
        videos: dict[str, list[Videos]] = {}
        for one in scored:
            if one.name in named and one.folder is not None and protocol in _protocols(plan, one, labelled.name):
                own = curves(one.scores, labels, protocol, one.origin.rule)
                videos.setdefault(one.name, []).append(list(own.values()))
        found += judge(plan.claims, data, protocol.name, videos)
    return found


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
    bags = any(part.bags for part in plan.data.values())
    if bags:
        return  # their networks are made when it is known how long the features are
    made = {}
    for (system, part), one in zip(plan.systems.items(), recipes, strict=True):
        made[one.model] = create(one.model, one.preset, **one.options).one_class("a benchmark")
        if part.shots is not None and not made[one.model].adapts:
            raise RecipeError(
                f"systems.{system}: shots adapt a meta-trained network, as of mpn-meta-small; leave them out"
            )
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
