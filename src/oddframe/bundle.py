"""What a trained detector is on disk: a folder that everything after `fit` takes.

    model.safetensors   weights
    bundle.json         recipe, window, versions, data fingerprint, training history, citation
    calibration.json    thresholds from held-out normal video (see `oddframe.scoring.calibrate`)
    CARD.md             the same for people
    extractors/NAME/    the networks whose features a weakly supervised detector reads
    backbone.onnx       the frozen network that a fitted detector looks through

Nothing in it is a pickle, so a bundle from a stranger cannot run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import safetensors
from pydantic import TypeAdapter, ValidationError

import oddframe
from oddframe.atomic import replacing, write_text
from oddframe.errors import BundleError
from oddframe.models.registry import create_for, entry
from oddframe.recipes import Recipe, parse_recipe
from oddframe.types import BagSignature, Signature

# What only reading and writing weights need is imported there: exported detectors are scored without torch.
if TYPE_CHECKING:
    from oddframe.models.fitted import FittedDetector
    from oddframe.models.learner import Learner

FORMAT = 2  # 1 had no typed record of the training data; it is still read
WEIGHTS, META, CALIBRATION, CARD = "model.safetensors", "bundle.json", "calibration.json", "CARD.md"
EXTRACTORS = "extractors"
BACKBONE = "backbone.onnx"


@dataclass(frozen=True)
class TrainingVideo:
    """A video that a detector learned from, or was calibrated on.

    Attributes:
        frames: its number of frames; None where only features of it were read.
        label: 1 where it holds an anomaly, 0 where not; None for normal video without labels.
        heldout: [first, stop) of the frames that were held out; None where all or nothing was.
    """

    name: str
    frames: int | None = None
    label: int | None = None
    heldout: tuple[int, int] | None = None


@dataclass(frozen=True)
class SkippedVideo:
    """A training video that could not be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class FeatureOrigin:
    """The features of one backbone that a weakly supervised detector learned from.

    Attributes:
        fingerprint: of the extractor and its settings.
        dim: D, length of a feature vector.
        sampling: how the extractor looks at snippets (see `oddframe.features.snippets.SnippetSampling`); None where the
            extractor is not known.
    """

    fingerprint: str
    dim: int
    sampling: dict[str, Any] | None = None


@dataclass(frozen=True)
class Adaptation:
    """Where an adapted detector comes from: the id of the first bundle, and the windows that it adapted to."""

    bundle: str
    video: str
    shots: int
    frames: tuple[int, ...]


@dataclass(frozen=True)
class TrainingData:
    """What a detector was trained on.

    Attributes:
        videos: all videos that were used, in the order of training.
        skipped: videos that could not be used.
        heldout_videos: names of labelled videos that were held out whole.
        heldout_seconds: normal video held out for the threshold.
        frame_rate: frames/s of the training videos (their median); None where it is not known.
        frame_size: (height, width) of the first training video, which a fitted detector is made for.
        labels: path or name of the labels of a weakly supervised detector.
        features: backbone -> the features that were read.
        checkpoint: file name of a checkpoint that was trained elsewhere and imported.
        adapted_from: set for a detector that was adapted to a new camera.
        notes: what the user should know of the training, each a whole sentence.
        version: of the oddframe that trained it.
    """

    videos: tuple[TrainingVideo, ...] = ()
    skipped: tuple[SkippedVideo, ...] = ()
    heldout_videos: tuple[str, ...] = ()
    heldout_seconds: float = 0.0
    frame_rate: float | None = None
    frame_size: tuple[int, int] | None = None
    labels: str | None = None
    features: Mapping[str, FeatureOrigin] = field(default_factory=dict)
    checkpoint: str | None = None
    adapted_from: Adaptation | None = None
    notes: tuple[str, ...] = ()
    version: str = oddframe.__version__

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> TrainingData:
        """The record in `bundle.json`; records of format 1 are read, too.

        Raises:
            ValueError: it is not such a record.
        """
        fields = dict(content)
        heldout = fields.pop("heldout", None)
        if heldout and isinstance(heldout[0], str):
            fields["heldout_videos"] = heldout
        elif heldout:
            pairs = zip(fields["videos"], heldout, strict=True)
            fields["videos"] = [{**video, "heldout": block if block[0] < block[1] else None} for video, block in pairs]
        return TypeAdapter(cls).validate_python(fields)


class TrainedDetector(Protocol):
    """A trained detector on disk: a `Bundle`, or an `oddframe.runtime.exported.Exported` made of one.

    Attributes:
        path: the folder.
        id: 12 hexadecimal digits of the bundle, with runtime and precision for an exported one.
        recipe: the configuration that it was trained with.
        data: what it was trained on.
    """

    @property
    def path(self) -> Path: ...

    @property
    def id(self) -> str: ...

    @property
    def recipe(self) -> Recipe: ...

    @property
    def data(self) -> TrainingData: ...

    @property
    def outline(self) -> Signature | BagSignature:
        """What there is to know of the detector without running it."""

    @property
    def calibration(self) -> Path:
        """Where the calibration is, or will be, kept."""

    @property
    def gflop(self) -> float:
        """10^9 floating-point operations per scored frame; feature extraction is not counted."""

    @property
    def settled(self) -> bool:
        """Whether its runtime and precision are chosen already."""

    def original(self) -> Bundle:
        """The bundle, which can be trained on and exported.

        Raises:
            BundleError: this is an exported detector.
        """

    def identity(self, runtime: str) -> str:
        """The id that scores carry.

        Args:
            runtime: label of runtime and precision (see `RuntimeOptions.label`), empty for torch in fp32.
        """


@dataclass(frozen=True)
class Bundle:
    """A trained detector with its recipe and its history. A `TrainedDetector`.

    Attributes:
        path: the folder.
        id: 12 hexadecimal digits, a hash of weights and recipe.
        history: what training left (see `oddframe.training.checkpoint.TrainingHistory`), as plain values.
        data: what it was trained on.
    """

    path: Path
    id: str
    recipe: Recipe
    detector: Learner | FittedDetector
    history: Mapping[str, Any]
    data: TrainingData

    @property
    def calibration(self) -> Path:
        return self.path / CALIBRATION

    @property
    def outline(self) -> Signature | BagSignature:
        return self.detector.signature

    @property
    def gflop(self) -> float:
        return self.detector.flops_per_frame() / 1e9

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return self.detector.parameter_count()

    @property
    def settled(self) -> bool:
        return False

    def original(self) -> Bundle:
        return self

    def identity(self, runtime: str) -> str:
        return f"{self.id}-{runtime}" if runtime else self.id


def save_bundle(
    path: Path, detector: Learner | FittedDetector, recipe: Recipe, history: Mapping[str, Any], data: TrainingData
) -> Bundle:
    """Write weights, then `bundle.json` that makes the folder a bundle; each appears whole or not at all."""
    with replacing(path / WEIGHTS) as temporary:
        detector.save_weights(temporary)
        identity = hashlib.sha256(temporary.read_bytes())
    identity.update(recipe.model_dump_json().encode())
    name = identity.hexdigest()[:12]
    about = entry(recipe.model)
    meta = {
        "format": FORMAT,
        "id": name,
        "versions": {"oddframe": oddframe.__version__},
        "recipe": recipe.model_dump(mode="json"),
        **detector.describe(),
        "data": asdict(data),
        "history": dict(history),
        "paper": about.paper,
        "citation": about.citation,
    }
    write_text(path / META, json.dumps(meta, indent=2) + "\n")
    return Bundle(path, name, recipe, detector, history, data)


def load_bundle(path: str | Path) -> Bundle:
    """Read a bundle; the detector comes in eval mode on the CPU.

    Raises:
        BundleError: not a bundle, made by a newer oddframe, or its weights do not fit its recipe.
    """
    path = Path(path)
    if not path.is_dir():
        raise BundleError(f"{path}: there is no such bundle; `oddframe fit VIDEOS --out {path}` makes one")
    if not (path / META).is_file() or not (path / WEIGHTS).is_file():
        missing = META if not (path / META).is_file() else WEIGHTS
        hint = (
            "; training did not finish: go on with `oddframe fit ... --resume`"
            if (path / "checkpoint.pt").exists()
            else ""
        )
        raise BundleError(f"{path}: not a bundle, {missing} is missing{hint}")
    try:
        meta = json.loads((path / META).read_text(encoding="utf-8"))
        if meta["format"] > FORMAT:
            raise BundleError(
                f"{path}: made by oddframe {meta['versions']['oddframe']}, newer than this one; upgrade oddframe"
            )
        recipe = parse_recipe(meta["recipe"], str(path / META))
        data = TrainingData.parse({"version": meta["versions"]["oddframe"], **meta["data"]})
        detector = create_for(recipe.model, recipe.preset, recipe.options, data.frame_size)
        detector.load_weights(path / WEIGHTS)
        return Bundle(path, meta["id"], recipe, detector, meta["history"], data)
    except (ValueError, KeyError, TypeError, RuntimeError, ValidationError, safetensors.SafetensorError) as error:
        raise BundleError(f"{path}: damaged bundle: {str(error).splitlines()[0]}; train or copy it again") from error
