"""What a trained detector has learned, asked on held-out normal video in seconds: the end of every fit by gradients.

1. epochs        whether every training window was seen at all
2. plainest      its error against that of a predictor that learns nothing
3. class head    whether it tells pasted objects from none
4. self-check    what its score tells of held-out video with something wrong in it
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oddframe.datasets.clips import ClipSet
from oddframe.datasets.hashing import hash64
from oddframe.errors import RecipeError
from oddframe.evaluation.auc import roc_auc
from oddframe.recipes import Recipe
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.combine import Components, ScoreRule, measure_levels
from oddframe.scoring.smooth import smooth
from oddframe.scoring.stream import collect, score_frames
from oddframe.settings import TrainingPlan
from oddframe.suggest import among
from oddframe.threads import settle_threads
from oddframe.training.checkpoint import TrainingHistory
from oddframe.training.sampling import as_batch
from oddframe.types import Combination
from oddframe.video.decode import Frame
from oddframe.workflow.self_check import CHANCE, SCORE, TESTS, Shown, run_self_check

WINDOWS, BATCH = 48, 8
SECONDS = 10.0  # for the windows, and again for the self-check, on whatever machine
PASSES = 4.5  # the unchanged stretch, three tests of its length, and double speed
LONGEST, SHORTEST = 75, 24  # frames of a stretch
STRETCHES = 2
FEWEST_VIDEOS = 3  # of each label; with fewer, chance decides
LEARN_MORE = "train longer (--budget)"


@dataclass(frozen=True)
class Learned:
    """What was found.

    Attributes:
        doubts: whole sentences for the user; empty where nothing speaks against the detector.
        checks: component, or `SCORE`, -> test -> AUC; see `oddframe.workflow.self_check`.
        plainest: words of the plainest predictor and how many times its error the detector's error is; None where the
            system has none.
    """

    doubts: tuple[str, ...] = ()
    checks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    plainest: tuple[str, float] | None = None


def rule_of(recipe: Recipe, combination: Combination, normal: Sequence[Components]) -> ScoreRule:
    """How a run of this recipe makes its score, with these components of normal video."""
    if recipe.scoring.weights is not None:
        combination = replace(combination, weights=recipe.scoring.weights)
    return ScoreRule(combination, recipe.scoring.smoothing, measure_levels(normal, combination) if normal else {})


def check_weights(recipe: Recipe, components: Collection[str]) -> None:
    """The weights of a recipe are those of components that its system has.

    Raises:
        RecipeError: there is no component of that name, or all weights are 0.
    """
    weights = recipe.scoring.weights
    if weights is None:
        return
    unknown = sorted(weights.keys() - set(components))
    if unknown:
        raise RecipeError(
            f"recipe {recipe.name}: scoring.weights.{unknown[0]}: {recipe.model} has no such component"
            f"{among(unknown[0], components)}"
        )
    if not any(weights.values()):
        raise RecipeError(f"recipe {recipe.name}: scoring.weights: all are 0, so that every score is the same")


def epochs_text(history: TrainingHistory, plan: TrainingPlan, samples: int, noun: str = "windows") -> list[str]:
    """A sentence for every stage that has not seen each training sample once."""
    found, before = [], 0
    last = {record["stage"]: record["step"] for record in history.records}
    for stage, step in last.items():
        epochs = (step - before) * plan.batch_size / samples
        before = step
        if epochs < 1:
            found.append(
                f"Stage {stage} saw {epochs * 100:.2g} % of its {samples:,} training {noun}, less than one epoch: "
                f"{LEARN_MORE}."
            )
    return found


def bags_text(normal: Sequence[NDArray[np.float64]], anomalous: Sequence[NDArray[np.float64]]) -> list[str]:
    """A sentence where the highest scores of held-out videos do not tell anomalous videos from normal ones.

    Args:
        normal, anomalous: (frames,) scores of each video; at least three of each, or nothing is said.
    """
    if min(len(normal), len(anomalous)) < FEWEST_VIDEOS:
        return []
    scores = (*normal, *anomalous)
    truth = (np.arange(len(scores)) >= len(normal)).astype(np.int8)
    auc = float(roc_auc(truth, np.array([score.max() for score in scores])))
    if auc > CHANCE:
        return []
    return [
        f"On the {len(truth)} held-out videos it does not tell anomalous from normal ones (AUC {auc:.2f}): it has "
        f"learned nothing that helps; {LEARN_MORE}."
    ]


def ask(
    runtime: TorchRuntime, heldout: ClipSet, rule: ScoreRule, stretches: Sequence[Sequence[Frame]], seed: int
) -> Learned:
    """Ask a detector on held-out video.

    Args:
        heldout: windows of it, pseudo-anomalies pasted in where the recipe has them.
        rule: how the components become a score.
        stretches: frames of it, stretch by stretch.
        seed: of the objects that are pasted.
    """
    detector = runtime.detector
    window = runtime.signature.window
    shortest = max(SHORTEST, 2 * (window.look_back + window.look_ahead) + 8)  # at double speed a window still fits
    samples = np.unique(np.linspace(0, len(heldout) - 1, WINDOWS).round().astype(np.int64))
    samples = np.random.default_rng(seed).permutation(samples)  # where time ends, a part of them says as much
    batch = as_batch(heldout.batch(samples, hash64(seed, samples), 0)).to(runtime.device)
    began = time.monotonic()
    with torch.inference_mode():
        parts = []
        for first in range(0, len(samples), BATCH):
            settle_threads()
            parts.append(detector.score(_part(batch, first)).components)
            if time.monotonic() - began > SECONDS:
                break
        plain = detector.plainest(batch)
    seen = slice(sum(len(next(iter(part.values()))) for part in parts))
    speed = seen.stop / max(time.monotonic() - began, 1e-6)
    values = {name: torch.cat([part[name] for part in parts]).double().cpu().numpy() for name in parts[0]}
    pasted = (
        np.zeros(len(samples), bool) if batch.pasted is None else batch.pasted.flatten(1).amax(1).cpu().numpy() > 127
    )
    pasted = pasted[seen]
    doubts: list[str] = []
    ratio = None
    if plain is not None and not pasted.all():
        usual = float(np.median(plain.errors.double().cpu().numpy()[seen][~pasted]))
        ratio = plain.words, float(np.median(values[plain.component][~pasted])) / max(usual, 1e-12)
        if ratio[1] >= 1:
            doubts.append(
                f"On held-out video the error of component {plain.component} is {ratio[1]:.3g} times that of "
                f"{plain.words}: it has learned nothing beyond that; {LEARN_MORE}."
            )
    if "class" in values and pasted.any() and not pasted.all():
        doubts += _class_head(values["class"], pasted)
    frames = int(min(LONGEST, speed * SECONDS / (PASSES * STRETCHES)))
    checks: Mapping[str, Mapping[str, float]] = {}
    shown = [one[:frames] for one in stretches if len(one) >= shortest]
    if shown and frames >= shortest:
        checks = _self_check(runtime, rule, shown, seed)
        best = max(checks[SCORE].values(), default=1.0)
        if best <= CHANCE:
            tested = ", ".join(TESTS[test] for test in checks[SCORE])
            doubts.append(
                f"Its score tells nothing from normal life of this camera in the self-check ({tested}; best AUC "
                f"{best:.2f}): it has learned nothing that helps; {LEARN_MORE}."
            )
    runtime.forget()
    return Learned(tuple(doubts), checks, ratio)


def _part(batch: Any, first: int) -> Any:
    kept = {name: value[first : first + BATCH] for name, value in vars(batch).items() if value is not None}
    return type(batch)(**kept)


def _class_head(values: NDArray[np.float64], pasted: NDArray[np.bool_]) -> Iterator[str]:
    """Whether the class head says the same of everything, as it does before it has learned."""
    auc = float(roc_auc(pasted.astype(np.int8), values))
    apart = float(values[pasted].mean() - values[~pasted].mean())
    if auc <= CHANCE or apart < 0.02:
        yield (
            f"The class head is still at its base rate: it says {values[pasted].mean():.2f} of held-out frames with a "
            f"pasted object and {values[~pasted].mean():.2f} of those without; {LEARN_MORE}."
        )


def _self_check(
    runtime: TorchRuntime, rule: ScoreRule, stretches: Sequence[Sequence[Frame]], seed: int
) -> Mapping[str, Mapping[str, float]]:
    names = [*collect(score_frames(runtime, stretches[0])).components, SCORE]

    def scorer(frames: Sequence[Frame]) -> NDArray[np.float64]:
        numbered = [Frame(n, frame.time, frame.image) for n, frame in enumerate(frames)]
        whole = collect(score_frames(runtime, numbered))
        rows = np.full((len(frames), len(names)), np.nan)  # the first frames of a video may have no score
        for column, name in enumerate(names):
            own = (
                rule(whole.components, whole.time)
                if name == SCORE
                else smooth(whole.components[name], rule.smoothing, whole.time)
            )
            rows[whole.index, column] = own
        return rows

    shown = [Shown(one) for one in stretches]
    return run_self_check(names, shown, scorer, seed, runtime.signature.window.colour).auc
