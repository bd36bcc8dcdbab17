"""The self-check that ends a fit: what each component tells from normal life of this camera.

Nothing anomalous is needed. Held-out normal video is shown again with something wrong in it: an object pasted that
moves across, one that stands still, the video at double speed, the video played backwards. A component is worth what
it tells of these (AUC against the same video unchanged); one at chance gets no weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.pseudo import Paster
from oddframe.datasets.sequences import ObjectSequence, sequences_from_world
from oddframe.errors import InputError
from oddframe.evaluation.auc import roc_auc
from oddframe.settings import Blend, PseudoAnomalies
from oddframe.video.decode import Frame

TESTS = {
    "pasted": "pasted objects that move",
    "standing": "pasted objects that stand still",
    "double": "double speed",
    "reversed": "video played backwards",
}
SEQUENCES = 24
AREA = (0.0005, 0.02)  # of the frame
CHANCE = 0.55  # AUC up to which a component counts as one that tells nothing
FULL = 0.90  # AUC from which it counts fully
BEHIND = 0.2  # in AUC, behind the best component of a test, at which that test counts for nothing
COLOURLESS = 3.0  # mean difference of the channels below which a video counts as grey

Scorer = Callable[[Sequence[Frame]], NDArray[np.float64]]
"""Consecutive frames of a video to (N, components), smoothed, of the same number of frames."""


def sentences(auc: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What a self-check found, for people: the component that tells each test best."""
    lines = []
    for test, words in TESTS.items():
        told = {name: row[test] for name, row in auc.items() if test in row}
        if told:
            best = max(told, key=lambda name: told[name])
            verdict = f"at AUC {told[best]:.2f}" if told[best] > CHANCE else f"not at all (AUC {told[best]:.2f})"
            lines.append(f"component {best} tells {words} from normal life of this camera {verdict}")
    return lines


@dataclass(frozen=True)
class SelfCheck:
    """What every component tells: component -> test -> AUC, 0.5 is chance."""

    auc: Mapping[str, Mapping[str, float]]

    def trust(self, component: str) -> float:
        """1 for a component that tells some test well and better than the others do, 0 for one at chance.

        In each test it is the product of two numbers from 0 to 1: how far the AUC lies above chance, and how close it
        comes to that of the best component. The best of the tests counts. So a component that only tells what another
        tells better brings no noise of its own into the sum.
        """
        trust = 0.0
        for test, auc in self.auc[component].items():
            best = max(row[test] for row in self.auc.values() if test in row)
            clear = np.clip((auc - CHANCE) / (FULL - CHANCE), 0, 1)
            trust = max(trust, float(clear * np.clip(1 - (best - auc) / BEHIND, 0, 1)))
        return trust


def run_self_check(names: Sequence[str], stretches: Sequence[Sequence[Frame]], scorer: Scorer, seed: int) -> SelfCheck:
    """Show held-out normal video with something wrong in it.

    Args:
        names: of the components, in the order of `scorer`'s columns.
        stretches: frames of held-out normal video, RGB, stretch by stretch, with their times.
        scorer: what the detector says of frames; it was not fitted on them.
        seed: of objects and places.
    """
    size = stretches[0][0].image.shape[:2]
    normal = [scorer(frames) for frames in stretches]
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for test in TESTS:
        wrong, right = [], []
        for number, frames in enumerate(stretches):
            changed, shown = _changed(test, frames, (size[0], size[1]), seed + number)
            if not shown.any():
                continue
            wrong.append(scorer(changed)[shown])
            right.append(normal[number])
        if not wrong:
            continue
        positive, negative = np.concatenate(wrong), np.concatenate(right)
        labels = np.r_[np.ones(len(positive), np.int8), np.zeros(len(negative), np.int8)]
        for column, name in enumerate(names):
            found[name][test] = float(roc_auc(labels, np.r_[positive[:, column], negative[:, column]]))
    return SelfCheck(found)


def _changed(
    test: str, frames: Sequence[Frame], size: tuple[int, int], seed: int
) -> tuple[list[Frame], NDArray[np.bool_]]:
    """The frames with something wrong in them, and which of them show it."""
    if test == "double":
        images = [frame.image for frame in frames[::2]]
        made = [Frame(n, frames[n].time, image) for n, image in enumerate(images)]
        return made, np.arange(len(made)) > 0
    if test == "reversed":
        made = [Frame(n, frames[n].time, frame.image) for n, frame in enumerate(reversed(frames))]
        return made, np.arange(len(made)) > 0
    grey = float(np.mean([np.ptp(frame.image[::8, ::8].astype(np.int16), axis=2).mean() for frame in frames[::25]]))
    try:
        objects = [_as_rgb(one) for one in sequences_from_world(seed, size, SEQUENCES)]
        blend: Blend = "grey" if grey < COLOURLESS else "alpha"
        how = PseudoAnomalies(
            probability=1.0, min_area=AREA[0], max_area=AREA[1], blend=blend, place="random"
        )  # fmt: skip
        paster = Paster(objects, size, how, seed)
    except InputError:  # no object of that size
        return list(frames), np.zeros(len(frames), bool)
    made, shown = [], np.zeros(len(frames), bool)
    still = len(frames) // 3
    for n, frame in enumerate(frames):
        position = still if test == "standing" else n
        pasted = paster.apply(0, frame.image[None], np.array([position]), position, 0, position)
        if pasted is None:
            made.append(frame)
            continue
        made.append(Frame(frame.index, frame.time, pasted[0][0]))
        shown[n] = pasted[1].max() > 127
    return made, shown


def _as_rgb(sequence: ObjectSequence) -> ObjectSequence:
    """The same object with red first."""
    return replace(sequence, crops=tuple(np.ascontiguousarray(crop[..., [2, 1, 0, 3]]) for crop in sequence.crops))
