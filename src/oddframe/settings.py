"""What a user sets, as frozen dataclasses that check themselves when they are made.

`Smoothing`, `TrainingPlan` and `PseudoAnomalies` are parts of a recipe: pydantic reads them from YAML as they stand
here, and the code that obeys them takes the same objects. They decide on results. `ThresholdOptions` and
`TrainingOptions` belong to one call of `fit` and are not kept in the bundle's recipe.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from oddframe.errors import InputError, RecipeError
from oddframe.suggest import one_of
from oddframe.types import IgnoredPlace

BudgetUnit = Literal["seconds", "steps", "epochs"]
Schedule = Literal["constant", "cosine"]
Blend = Literal["code", "alpha", "grey"]
Placement = Literal["source", "random"]
Residence = Literal["auto", "always", "never"]
BLENDS: tuple[Blend, ...] = get_args(Blend)
PLACES: tuple[Placement, ...] = get_args(Placement)
RESIDENCES: tuple[Residence, ...] = get_args(Residence)

MOST_BUDGET = 1e12  # of seconds, steps or epochs
STEPS = 20  # of the ratio of two frame rates
# What pydantic refuses besides values of other types: keys that a part does not have, NaN and infinity.
_STRICT: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}
DEVICES = ("auto", "cpu", "cuda", "mps")
_UNITS: dict[str, tuple[float, BudgetUnit]] = {
    "s": (1.0, "seconds"),
    "m": (60.0, "seconds"),
    "min": (60.0, "seconds"),
    "h": (3600.0, "seconds"),
    "step": (1.0, "steps"),
    "steps": (1.0, "steps"),
    "epoch": (1.0, "epochs"),
    "epochs": (1.0, "epochs"),
}


@dataclass(frozen=True)
class Smoothing:
    """A temporal filter over the scores of a video; `oddframe.scoring.smooth` says what each kind computes.

    Attributes:
        kind: "none", "code", "held", "centred" or "causal".
        taps: weights of the filter, counted in frames; at least 1, and odd where the filter has a centre.
        sigma: standard deviation of the Gaussian in frames, above 0.
        rate: frames/s at which `taps` and `sigma` are counted, so that both stand for seconds and follow the rate of a
            video; None counts frames whatever they last, as publications do.

    Raises:
        InputError: a value out of its range.
    """

    kind: Literal["none", "code", "held", "centred", "causal"] = "causal"
    taps: int = 37
    sigma: float = 11.0
    rate: float | None = None

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    def __post_init__(self) -> None:
        if self.taps < 1 or not 0 < self.sigma < math.inf:
            raise InputError(f"smoothing needs taps >= 1 and sigma > 0, not taps {self.taps} and sigma {self.sigma}")
        if self.kind in ("code", "held", "centred") and self.taps % 2 == 0:
            raise InputError(f"{self.kind} smoothing needs an odd number of taps, not {self.taps}")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise InputError(f"smoothing for videos of {self.rate} frames/s: the rate must be above 0")

    def at(self, rate: float | None) -> Smoothing:
        """The same filter in frames of a video of `rate` frames/s; None where that is not known.

        The ratio of both rates is rounded to a twentieth: small differences between measured rates change no score.
        """
        ratio = 1.0 if self.rate is None or rate is None else max(1, round(STEPS * rate / self.rate)) / STEPS
        taps = max(1, round(self.taps * ratio))
        if self.kind in ("code", "held", "centred"):
            taps += taps % 2 == 0
        return Smoothing(self.kind, taps, self.sigma * ratio)

    @property
    def causal(self) -> bool:
        """Whether a smoothed score depends on no later frame."""
        return self.kind in ("none", "causal")

    @property
    def look_ahead(self) -> int:
        """Frames after a frame that must be scored before its smoothed score is final.

        The first (taps - 1) / 2 frames of a "held" filter wait longer: until the filter lies whole inside the video.
        """
        return 0 if self.causal else self.taps // 2


@dataclass(frozen=True)
class PseudoAnomalies:
    """Where pseudo-anomalies come from and how they are pasted; `oddframe.datasets.pseudo` does it.

    Attributes:
        source: "world" (objects of the built-in street), "training" (people and things of the part of the video that is
            learnt, faster than they were), "world+training" (half of each), "ubnormal:PATH", "folder:PATH", or "none".
        sequences: how many object sequences are made from "world", and from "training"; at least 1.
        probability: share of samples that show an object, 0..1.
        min_area: share of the frame, 0 or more and below 1; an object ends where it gets smaller.
        max_area: share of the frame, above 0 and at most 1; an object ends where it gets larger. SDMAE's released code
            has 5000 mask samples over three channels of 640x320 pixels, which is 0.0081.
        blend: "code" adds the object in grey, slightly blurred, to the frame with the mask cut out; "alpha" lays it
            over in colour with a soft edge; "grey" does so without colour, for video that has none.
        place: "source" leaves an object where it was in its own frame; "random" moves, mirrors and scales it, once for
            each pasting.
        scale: smallest and largest factor of size with place "random", both above 0.
        refresh: whether every epoch shows other objects.

    Raises:
        RecipeError: a value out of its range.
    """

    source: str = "world"
    sequences: int = 48
    probability: float = 0.25
    min_area: float = 0.0005
    max_area: float = 0.008
    blend: Blend = "code"
    place: Placement = "source"
    scale: tuple[float, float] = (0.7, 1.4)
    refresh: bool = True

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    def __post_init__(self) -> None:
        if self.sequences < 1:
            raise RecipeError(f"pseudo.sequences is {self.sequences}; it must be at least 1")
        if not 0 <= self.probability <= 1:
            raise RecipeError(f"pseudo.probability is {self.probability}; it is a share, from 0 to 1")
        if not 0 <= self.min_area < 1:
            raise RecipeError(f"pseudo.min_area is {self.min_area}; it is a share of the frame, from 0 to below 1")
        if not 0 < self.max_area <= 1:
            raise RecipeError(f"pseudo.max_area is {self.max_area}; it is a share of the frame, above 0 and at most 1")
        if self.blend not in BLENDS:
            raise RecipeError(f"pseudo.blend is {self.blend!r}{one_of(self.blend, BLENDS)}")
        if self.place not in PLACES:
            raise RecipeError(f"pseudo.place is {self.place!r}{one_of(self.place, PLACES)}")
        if not 0 < min(self.scale) <= max(self.scale) < math.inf:
            raise RecipeError(f"pseudo.scale is {list(self.scale)}; both factors must be above 0")

    @property
    def from_training(self) -> bool:
        """Whether objects are cut out of the training video."""
        return self.source in ("training", "world+training")


@dataclass(frozen=True)
class Budget:
    """How long training takes in all; the stages share it in proportion to their lengths."""

    amount: float
    unit: BudgetUnit


def parse_budget(text: str) -> Budget:
    """Read "30m", "90s", "2h", "2000steps" or "5epochs" (a space before the unit is welcome).

    Raises:
        InputError: the text is anything else, or the amount is 0, less than one step, or beyond all bounds.

    Examples:
        >>> parse_budget("30m")
        Budget(amount=1800.0, unit='seconds')
        >>> parse_budget("2000 steps")
        Budget(amount=2000.0, unit='steps')
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text.lower())
    factor, unit = _UNITS.get(match[2], (0.0, "steps")) if match else (0.0, "steps")
    amount = float(match[1]) * factor if match else 0.0
    if not 0 < amount < MOST_BUDGET or (unit == "steps" and amount < 1):
        raise InputError(
            f"budget {text!r}: write a time (90s, 30m, 2h), a number of steps (2000steps) or of epochs (5epochs)"
        )
    return Budget(amount, unit)


@dataclass(frozen=True)
class TrainingPlan:
    """What holds for all stages of a run; learning rates and relative lengths belong to the stages.

    Attributes:
        batch_size: samples per step, over all devices together; at least 1. SDMAE was published with 100.
        precision: "bf16" computes in mixed precision, weights stay float32.
        schedule: of the learning rate within each stage; "cosine" falls to zero.
        warmup: fraction of each stage in which the learning rate rises linearly, 0 or more and below 1.
        grad_clip: largest norm of the gradient, above 0; None leaves gradients as they are.
        budget: text as `parse_budget` reads it; None lets every stage run its own length.
        seed: of everything random; 0 or more.
        holdout: share of the video, or of the labelled videos, that is held out of training; above 0 and below 1.

    Raises:
        RecipeError: a value out of its range.
        InputError: a budget that cannot be read.
    """

    batch_size: int = 100
    precision: Literal["fp32", "bf16"] = "fp32"
    schedule: Schedule = "constant"
    warmup: float = 0.0
    grad_clip: float | None = None
    budget: str | None = None
    seed: int = 0
    holdout: float = 0.15

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise RecipeError(f"training.batch_size is {self.batch_size}; it must be at least 1")
        if self.precision not in ("fp32", "bf16"):
            raise RecipeError(f"training.precision is {self.precision!r}{one_of(self.precision, ('fp32', 'bf16'))}")
        if self.schedule not in ("constant", "cosine"):
            raise RecipeError(f"training.schedule is {self.schedule!r}{one_of(self.schedule, ('constant', 'cosine'))}")
        if not 0 <= self.warmup < 1:
            raise RecipeError(f"training.warmup is {self.warmup}; it is a fraction of a stage, from 0 to below 1")
        if self.grad_clip is not None and not 0 < self.grad_clip < math.inf:
            raise RecipeError(f"training.grad_clip is {self.grad_clip}; it must be above 0, or null")
        if self.seed < 0:
            raise RecipeError(f"training.seed is {self.seed}; it must be 0 or more")
        if not 0 < self.holdout < 1:
            raise RecipeError(f"training.holdout is {self.holdout}; it is a share of the video, above 0 and below 1")
        if self.budget:
            parse_budget(self.budget)

    @property
    def length(self) -> Budget | None:
        """The budget as a number and its unit; None where every stage runs its own length."""
        return parse_budget(self.budget) if self.budget else None


@dataclass(frozen=True)
class ThresholdOptions:
    """How the threshold is chosen on held-out normal video; without either, one false alarm per hour is accepted.

    Attributes:
        alarms_per_hour: accepted false alarms per hour of normal video, above 0.
        quantile: instead, the quantile (0..1) of the held-out scores at which the threshold lies.

    Raises:
        InputError: both are given, or one is out of its range.
    """

    alarms_per_hour: float | None = None
    quantile: float | None = None

    def __post_init__(self) -> None:
        if self.alarms_per_hour is not None and self.quantile is not None:
            raise InputError("give either alarms per hour or a quantile, not both: each sets the threshold alone")
        if self.alarms_per_hour is not None and not 0 < self.alarms_per_hour < math.inf:
            raise InputError(f"alarms per hour must be a number above 0, not {self.alarms_per_hour:g}")
        if self.quantile is not None and not 0 < self.quantile < 1:
            raise InputError(f"a quantile lies between 0 and 1, not at {self.quantile:g}")


@dataclass(frozen=True)
class TrainingOptions:
    """On what a run is trained and what is seen of it. Apart from `budget`, `features` and `ignore`, nothing here
    decides on what is learnt.

    Attributes:
        ignore: places of the picture that are not learned from, and of which scores say nothing. Read by `fit`.
        budget: takes the place of the recipe's: "30m", "2000steps", "5epochs"; the stages and the schedule scale with
            it. Read by `fit`.
        features: for systems that learn from labelled videos, features of the videos: stores that `oddframe features`
            made, or NAME=LAYOUT:PATH of published ones (see `oddframe.features.store.open_features`). Read by `fit`.
        workers: processes that decode the training videos. Read by `fit`.
        devices: processes to train with, one device each; on the CPU they share its cores. The batch is divided among
            them, and they learn what one would, BatchNorm's statistics included.
        device: "auto", "cpu", "cuda" or "mps". CUDA_VISIBLE_DEVICES chooses among several GPUs.
        resident: whether the training data lie in the memory of the device, where windows are then gathered: "auto", on
            a GPU where they take at most half of its free memory; "always", on any device; "never". The batches are the
            same, bit for bit.
        graphs: record the passes of a step as a CUDA graph and replay them, where a stage allows it and there is one
            device; it pays where batches are small. On other devices than CUDA they are computed as always.
        check: at the end, ask what was learned on held-out video, and say so where it is nothing that helps; up to 20
            seconds. Read by `fit`.
        resume: go on from the checkpoint in the run's folder, if there is one; a finished run returns at once.
        checkpoint_seconds: a checkpoint is written this often; it is what a kill can cost.
        tensorboard: also write TensorBoard events beside the log.
        progress: show the progress on standard error.

    Raises:
        InputError: a value out of its range, or an unknown device.
    """

    budget: str | None = None
    features: Sequence[str] = ()
    ignore: Sequence[IgnoredPlace] = ()
    workers: int = 2
    devices: int = 1
    device: str = "auto"
    resident: Residence = "auto"
    graphs: bool = False
    check: bool = True
    resume: bool = False
    checkpoint_seconds: float = 30.0
    tensorboard: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("workers", "devices"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if re.fullmatch(r"cuda:\d+", self.device):
            number = self.device.removeprefix("cuda:")
            raise InputError(f"training uses cuda; set CUDA_VISIBLE_DEVICES={number} for the GPU {self.device}")
        if self.device not in DEVICES:
            raise InputError(f"device is {self.device!r}{one_of(self.device, DEVICES)}")
        if self.resident not in RESIDENCES:
            raise InputError(f"resident is {self.resident!r}{one_of(self.resident, RESIDENCES)}")
        if not 0 <= self.checkpoint_seconds < math.inf:
            raise InputError(f"checkpoint_seconds is {self.checkpoint_seconds:g}; it must be 0 or more")
        if self.budget:
            parse_budget(self.budget)
