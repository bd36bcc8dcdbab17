"""The self-check that ends a fit: what each component tells from normal life of this camera.

Nothing anomalous is needed. Held-out normal video is shown again with one thing wrong in it, and everything else as
usual: a foreign object takes the path of something that passes there; something that passes stops; the video plays at
double speed; it plays backwards. Where nothing moves, foreign objects cross the picture or stand in it, anywhere.

    a_ct = AUC of component c in test t, against the same video unchanged
    v_c  = max over t of clear(a_ct) * close(max over c of a_ct - a_ct)                                          (1)
    w_c  = max over its part of v * v_c / sum over its part of v                                                 (2)

clear rises from 0 at `CHANCE` to 1 at `FULL`; close falls from 1 to 0 at a distance of `BEHIND`. So a component that is
at chance, or that others beat in every test, brings no noise of its own into the sum; and the parts, of which some have
many components and some have one, weigh alike as far as each tells something.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.paths import Path, find_paths
from oddframe.datasets.pseudo import Paster, blend
from oddframe.datasets.sequences import ObjectSequence, project, sequences_from_world
from oddframe.errors import InputError
from oddframe.evaluation.auc import roc_auc
from oddframe.settings import Blend, PseudoAnomalies
from oddframe.video.decode import Frame
from oddframe.video.recode import Encoding, recoded

TESTS = {
    "passing": "pasted objects that move as things do here",
    "stopping": "things that stop on their way",
    "double": "double speed",
    "reversed": "video played backwards",
}
SCORE = "score"  # the name of the whole score among the components
SEQUENCES = 24
AREA = (0.0005, 0.02)  # of the frame
CHANCE = 0.55  # AUC up to which a component counts as one that tells nothing
FULL = 0.90  # AUC from which it counts fully
BEHIND = 0.1  # in AUC, behind the best component of a test, at which that test counts for nothing
MARGIN = 0.15  # of a thing's side, around it
COLOURLESS = 3.0  # mean difference of the channels below which a video counts as grey

Scorer = Callable[[Sequence[Frame]], NDArray[np.float64]]
"""Consecutive frames of a video to (N, components), smoothed, of the same number of frames."""


def sentences(auc: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What a self-check found, for people: the score as a whole, or the component that tells each test best."""
    lines = []
    rows = {f"the {SCORE}": auc[SCORE]} if SCORE in auc else {f"component {name}": row for name, row in auc.items()}
    for test, words in TESTS.items():
        told = {name: row[test] for name, row in rows.items() if test in row}
        if told:
            best = max(told, key=lambda name: told[name])
            verdict = f"at AUC {told[best]:.2f}" if told[best] > CHANCE else f"not at all (AUC {told[best]:.2f})"
            lines.append(f"{best} tells {words} from normal life of this camera {verdict}")
    return lines


@dataclass(frozen=True)
class SelfCheck:
    """What every component tells: component -> test -> AUC, 0.5 is chance."""

    auc: Mapping[str, Mapping[str, float]]

    def trust(self, component: str) -> float:
        """v of equation (1), 0..1."""
        trust = 0.0
        for test, auc in self.auc[component].items():
            best = max(row[test] for row in self.auc.values() if test in row)
            clear = np.clip((auc - CHANCE) / (FULL - CHANCE), 0, 1)
            trust = max(trust, float(clear * np.clip(1 - (best - auc) / BEHIND, 0, 1)))
        return trust

    def weights(self, parts: Sequence[Collection[str]]) -> dict[str, float]:
        """Component -> w of equation (2); all 1 where no test tells anything, for then nothing is known.

        Args:
            parts: the components of each part.
        """
        weights: dict[str, float] = {}
        for part in parts:
            trust = {component: self.trust(component) for component in part}
            total = sum(trust.values())
            weights |= {name: max(trust.values()) * own / total if total else 0.0 for name, own in trust.items()}
        return weights if any(weights.values()) else dict.fromkeys(weights, 1.0)


@dataclass(frozen=True)
class Shown:
    """A stretch of held-out normal video: its frames, RGB, with their times, and how its video is encoded."""

    frames: Sequence[Frame]
    encoding: Encoding | None = None


def run_self_check(
    names: Sequence[str], stretches: Sequence[Shown], scorer: Scorer, seed: int, colour: str = "rgb"
) -> SelfCheck:
    """Show held-out normal video with something wrong in it.

    What is changed is encoded again as its video is, and so is the video unchanged.

    Args:
        names: of the components, in the order of `scorer`'s columns.
        stretches: what is shown.
        scorer: what the detector says of frames; it was not fitted on them.
        seed: of objects and places.
        colour: of the frames: "rgb", "bgr" or "gray".
    """
    normal = [scorer(_encoded(one.frames, one.encoding)) for one in stretches]
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for test in TESTS:
        wrong, right = [], []
        for number, one in enumerate(stretches):
            changed, shown = _changed(test, one.frames, seed + number, colour)
            if not shown.any():
                continue
            wrong.append(scorer(_encoded(changed, one.encoding))[shown])
            right.append(normal[number])
        if not wrong:
            continue
        positive, negative = (rows[np.isfinite(rows).all(1)] for rows in map(np.concatenate, (wrong, right)))
        if not len(positive) or not len(negative):
            continue
        labels = np.r_[np.ones(len(positive), np.int8), np.zeros(len(negative), np.int8)]
        for column, name in enumerate(names):
            found[name][test] = float(roc_auc(labels, np.r_[positive[:, column], negative[:, column]]))
    return SelfCheck(found)


def _encoded(frames: Sequence[Frame], how: Encoding | None) -> Sequence[Frame]:
    """The frames after the encoder of their video."""
    if how is None:
        return frames
    images = recoded([frame.image for frame in frames], how)
    return [replace(frame, image=image) for frame, image in zip(frames, images, strict=True)]


def _changed(test: str, frames: Sequence[Frame], seed: int, colour: str) -> tuple[list[Frame], NDArray[np.bool_]]:
    """The frames with something wrong in them, and which of them show it."""
    if test == "double":
        images = [frame.image for frame in frames[::2]]
        made = [Frame(n, frames[n].time, image) for n, image in enumerate(images)]
        return made, np.arange(len(made)) > 0
    if test == "reversed":
        made = [Frame(n, frames[n].time, frame.image) for n, frame in enumerate(reversed(frames))]
        return made, np.arange(len(made)) > 0
    grey = float(np.mean([np.ptp(frame.image[::8, ::8].astype(np.int16), axis=2).mean() for frame in frames[::25]]))
    how: Blend = "grey" if grey < COLOURLESS else "alpha"
    height, width = frames[0].image.shape[:2]
    paths = find_paths(frames)
    if paths and test == "stopping":
        return _stopping(frames, paths)
    made_up = sequences_from_world(seed, (height, width), SEQUENCES)
    objects = [_as_rgb(one) for one in made_up] if colour == "rgb" else list(made_up)
    if not paths:
        return _crossing(frames, objects, seed, how, still=test == "stopping")
    return _passing(frames, objects, paths, seed, how)


def _stopping(frames: Sequence[Frame], paths: Sequence[Path]) -> tuple[list[Frame], NDArray[np.bool_]]:
    """The first thing that is half way stops there: its part of the picture stays as it is."""
    box = min((path[len(path) // 2] for path in paths), key=lambda box: box.frame)
    height, width = ((1 + 2 * MARGIN) * side for side in (box.height, box.width))
    rows, columns = (
        slice(max(round(middle - side / 2), 0), round(middle + side / 2) + 1)
        for middle, side in ((box.row, height), (box.column, width))
    )
    made = list(frames)
    for n in range(box.frame, len(frames)):
        image = frames[n].image.copy()
        image[rows, columns] = frames[box.frame].image[rows, columns]
        made[n] = replace(frames[n], image=image)
    return made, np.arange(len(frames)) > box.frame


def _passing(
    frames: Sequence[Frame], objects: Sequence[ObjectSequence], paths: Sequence[Path], seed: int, how: Blend
) -> tuple[list[Frame], NDArray[np.bool_]]:
    """Objects on paths, one after the other and each as high as what it follows."""
    made, shown = list(frames), np.zeros(len(frames), bool)
    rng = np.random.default_rng(seed)
    first = 0
    while first < len(frames):
        path, sequence = paths[int(rng.integers(len(paths)))], objects[int(rng.integers(len(objects)))]
        tall = float(np.median([box.height for box in path]))
        for n, box in enumerate(path[: len(frames) - first]):
            crop = sequence.crops[n % len(sequence.crops)]
            if not crop.size:
                continue
            zoom = tall / crop.shape[0]
            corner = np.array([box.column, box.row]) - zoom * np.array(crop.shape[1::-1]) / 2
            image = frames[first + n].image.copy()
            placed = project(crop, np.zeros(2, np.int64), np.c_[np.eye(2) * zoom, corner], image.shape[:2])
            if placed is not None:
                blend(image, *placed, how)
                made[first + n] = replace(frames[first + n], image=image)
                shown[first + n] = True
        first += len(path)
    return made, shown


def _crossing(
    frames: Sequence[Frame], objects: Sequence[ObjectSequence], seed: int, how: Blend, still: bool
) -> tuple[list[Frame], NDArray[np.bool_]]:
    """Objects that cross at their own pace, or one that stands somewhere."""
    height, width = frames[0].image.shape[:2]
    made, shown = [], np.zeros(len(frames), bool)
    try:
        limits = PseudoAnomalies(probability=1.0, min_area=AREA[0], max_area=AREA[1], blend=how, place="random")
        paster = Paster(objects, (height, width), limits, seed)
    except InputError:  # no object of that size
        return list(frames), shown
    for n, frame in enumerate(frames):
        position = len(frames) // 3 if still else n
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
