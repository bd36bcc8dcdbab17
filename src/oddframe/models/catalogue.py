"""What a model's file states about the model, and the names of the built-in models.

Every model file holds an `ENTRY`. A package outside oddframe registers its own with an entry point in the group
"oddframe.models". Importing this module imports no model and no torch; `oddframe.models.registry` does that on request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from oddframe.models.fitted import FittedDetector
    from oddframe.models.learner import Learner

Kind = Literal["windows", "bags", "fitted"]
"""What a system learns from: windows of normal video by gradients (`Detector`), labelled bags of features by gradients
(`BagDetector`), or one pass over normal video (`FittedDetector`)."""

BUILT_IN = ("camera", "sdmae", "memae", "mnad", "std", "mpn", "dakd", "mil", "frame_difference", "optical_flow")
"""The modules in `oddframe.models` that hold an `ENTRY`; a model has the name of its module."""


@dataclass(frozen=True)
class ReportedFigure:
    """A frame-level micro AUC that somebody else reports. It is not ours; ours are in `benchmarks/results`.

    Attributes:
        data: the test set.
        auc: in per cent.
        origin: who says so, and how sure it is: "paper", "paper, as quoted by others", "users", "recalled, unverified".
    """

    data: str
    auc: float
    origin: str


@dataclass(frozen=True)
class ModelEntry:
    """A model, as the catalogue shows it.

    Attributes:
        name: what `fit --model` calls it; a plug-in's entry point has the same name.
        detector: the class. It is a `Detector`, a `BagDetector` or a `FittedDetector`, as `kind` says.
        kind: what it learns from, and thereby how it is fitted, evaluated and exported.
        presets: the readings of the method that it offers; the first is the default.
        gflop: 10^9 floating-point operations per scored frame of the first preset as published (two per multiply-add,
            convolutions and matrix products counted); a contract holds it against a counter.
        figures: what others report.
        protocols: its own evaluation protocols. Each is a mapping of the fields of
            `oddframe.evaluation.protocol.Protocol`; `oddframe.evaluation.protocols.read_protocols` documents the short
            forms.
        recipes: recipe name -> the recipe, as a mapping or as YAML text. `NAME-small` is what `fit --model NAME` takes.
            Built-in recipes are files in `oddframe/recipes` instead.
        tiny: options of a network that the contracts can train in a moment, on frames of about 16x32 pixels.
        scoring_options: options that decide on scores alone: with other values of them the same is learned. A benchmark
            trains systems once that differ in them.
        variants: further (preset, options) that the contracts look at, beside all presets.
    """

    name: str
    detector: type[Learner] | type[FittedDetector]
    title: str
    paper: str
    licence: str
    citation: str = ""
    kind: Kind = "windows"
    presets: tuple[str, ...] = ("paper", "code")
    gflop: float = 0.0
    figures: tuple[ReportedFigure, ...] = ()
    protocols: tuple[Mapping[str, Any], ...] = ()
    recipes: Mapping[str, Mapping[str, Any] | str] = field(default_factory=dict)
    tiny: Mapping[str, Any] = field(default_factory=dict)
    scoring_options: tuple[str, ...] = ()
    variants: tuple[tuple[str, Mapping[str, Any]], ...] = ()
