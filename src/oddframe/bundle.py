"""What a trained detector is on disk: a folder that everything after `fit` takes.

    model.safetensors   weights
    bundle.json         recipe, window, versions, data fingerprint, training history, citation
    calibration.json    thresholds from held-out normal video (see `oddframe.scoring.calibrate`)
    CARD.md             the same for people
    extractors/NAME/    the networks whose features a weakly supervised detector reads
    backbone.onnx       the frozen network that a fitted detector looks through
    moments.npz         small pictures of normal moments (see `oddframe.report.moments`)
    sentinel.npz        views and limits by which the camera's own faults are seen (see `oddframe.scoring.sentinel`)

Nothing in it is a pickle, so a bundle from a stranger cannot run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import oddframe
from oddframe.atomic import replacing, write_text
from oddframe.errors import BundleError
from oddframe.models.registry import create_for, entry
from oddframe.models.teaching import Teaching
from oddframe.places import check_bundle_folder
from oddframe.reading.guard import reading
from oddframe.reading.records import check_types, finite, read_object, record_of
from oddframe.recipes import Recipe, parse_recipe
from oddframe.types import BagSignature, IgnoredPlace, Signature
from oddframe.video.identity import content_of

# What only reading and writing weights need is imported there: exported detectors are scored without torch.
if TYPE_CHECKING:
    from oddframe.models.fitted import FittedDetector
    from oddframe.models.learner import Learner

# What is shown of the history of a training; see `oddframe.training.checkpoint.TrainingHistory`.
HISTORY = {
    "seconds": dict[str, dict[str, float]] | None,
    "self_check": dict[str, dict[str, float]] | None,
    "plainest": tuple[str, float] | None,
    "learned": dict[str, Any] | None,
}
FORMAT = 2  # 1 had no typed record of the training data; it is still read
SCHEDULED_FORMAT = 3  # the calibration is made of several, which older versions would not know to choose from
CHECKPOINT = "checkpoint.pt"  # of a training that has not ended
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
        key: of its content (see `oddframe.video.identity`); empty where it is not known.
    """

    name: str
    frames: int | None = None
    label: int | None = None
    heldout: tuple[int, int] | None = None
    key: str = ""


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
    """Where an adapted detector comes from: the id of the first bundle, and the windows that it adapted to.

    `key` names the content of their video (see `oddframe.video.identity`); empty where it is not known.
    """

    bundle: str
    video: str
    shots: int
    frames: tuple[int, ...]
    key: str = ""


@dataclass(frozen=True)
class TrainingData:
    """What a detector was trained on.

    Attributes:
        videos: all videos that were used, in the order of training.
        skipped: videos that could not be used.
        heldout_videos: names of labelled videos that were held out whole.
        heldout_seconds: normal video held out for the threshold.
        frame_rate: frames/s that it learned at; None where it is not known.
        assumed_rate: frames/s that were assumed for training frames without time stamps; None where there were none.
        frame_size: (height, width) of the first training video, which a fitted detector is made for.
        levels: the values of training frames of more than 8 bits that become 0 and 255 (see `oddframe.video.levels`).
        ignored: places of the picture that it did not learn from and says nothing of.
        labels: path or name of the labels of a weakly supervised detector.
        features: backbone -> the features that were read.
        checkpoint: file name of a checkpoint that was trained elsewhere and imported.
        adapted_from: set for a detector that was adapted to a new camera.
        taught: set for a detector that has learned from marks of people.
        notes: what the user should know of the training, each a whole sentence.
        version: of the oddframe that trained it.
    """

    videos: tuple[TrainingVideo, ...] = ()
    skipped: tuple[SkippedVideo, ...] = ()
    heldout_videos: tuple[str, ...] = ()
    heldout_seconds: float = 0.0
    frame_rate: float | None = None
    assumed_rate: float | None = None
    frame_size: tuple[int, int] | None = None
    levels: tuple[float, float] | None = None
    ignored: tuple[IgnoredPlace, ...] = ()
    labels: str | None = None
    features: Mapping[str, FeatureOrigin] = field(default_factory=dict)
    checkpoint: str | None = None
    adapted_from: Adaptation | None = None
    taught: Teaching | None = None
    notes: tuple[str, ...] = ()
    version: str = oddframe.__version__

    @property
    def names_by_content(self) -> dict[str, str]:
        """Content -> the name of the video that the detector learned from, where its content is known."""
        seen = [(video.key, video.name) for video in self.videos]
        if self.adapted_from is not None:
            seen.append((self.adapted_from.key, self.adapted_from.video))
        if self.taught is not None:
            seen += [(video.key, video.name) for video in self.taught.videos]
        return {content_of(key): name for key, name in seen if key}

    @property
    def parent(self) -> str:
        """The id of the bundle that this one was made from; empty where there is none."""
        if self.taught is not None:
            return self.taught.parent
        return "" if self.adapted_from is None else self.adapted_from.bundle

    @property
    def content_known(self) -> bool:
        """Whether the content of every video that the detector learned from is known."""
        adapted = self.adapted_from is None or bool(self.adapted_from.key)
        return bool(self.videos) and all(video.key for video in self.videos) and adapted

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
        found = record_of(cls, fields, strict=False)
        for name in ("frame_rate", "assumed_rate"):
            rate = getattr(found, name)
            if rate is not None and not rate > 0:
                raise ValueError(f"data.{name}: {rate:g} is no frame rate")
        if found.heldout_seconds < 0:
            raise ValueError(f"data.heldout_seconds: {found.heldout_seconds:g} lies below 0")
        if found.frame_size is not None and min(found.frame_size) < 1:
            raise ValueError(f"data.frame_size: {list(found.frame_size)} is no size")
        if found.levels is not None and not found.levels[0] < found.levels[1]:
            raise ValueError(f"data.levels: {list(found.levels)} are not a low and a high value")
        return found


def format_of(calibration: str | None) -> int:
    """The number of the format of a bundle, or of what is exported of one, with this text of a calibration."""
    several = calibration is not None and "schedule" in read_object(calibration)
    return SCHEDULED_FORMAT if several else FORMAT


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
    if data.ignored:
        identity.update(json.dumps([place.corners for place in data.ignored]).encode())
    if data.taught is not None:  # what is held changes with it, and so does the detector that people know
        identity.update(json.dumps(asdict(data.taught), sort_keys=True).encode())
    name = identity.hexdigest()[:12]
    about = entry(recipe.model)
    meta = {
        "format": FORMAT,
        "id": name,
        "versions": {"oddframe": oddframe.__version__},
        "recipe": recipe.model_dump(mode="json"),
        **detector.describe(),
        "data": asdict(data),
        "history": finite(history),
        "paper": about.paper,
        "citation": about.citation,
    }
    write_text(path / META, json.dumps(meta, indent=2, allow_nan=False) + "\n")
    return Bundle(path, name, recipe, detector, history, data)


def load_bundle(path: str | Path) -> Bundle:
    """Read a bundle; the detector comes in eval mode on the CPU.

    Raises:
        BundleError: not a bundle, made by a newer oddframe, or its weights do not fit its recipe.
    """
    path = Path(path)
    check_bundle_folder(path)
    if not (path / META).is_file() or not (path / WEIGHTS).is_file():
        missing = META if not (path / META).is_file() else WEIGHTS
        hint = (
            "; training did not finish: continue it with the same `oddframe fit` command and --resume"
            if (path / CHECKPOINT).exists()
            else ""
        )
        raise BundleError(f"{path}: not a bundle, {missing} is missing{hint}")
    with reading(path / META, "damaged bundle", "train or copy it again", BundleError):
        meta = read_object((path / META).read_text(encoding="utf-8"))
        check_types(meta, {"format": int, "versions": dict[str, str]})
        if meta["format"] > SCHEDULED_FORMAT:
            raise BundleError(
                f"{path}: made by oddframe {meta['versions']['oddframe']}, newer than this one; upgrade oddframe"
            )
        check_types(meta, {"id": str, "recipe": dict[str, Any], "data": dict[str, Any], "history": dict[str, Any]})
        check_types({**dict.fromkeys(HISTORY), **meta["history"]}, HISTORY, "history.")
        recipe = parse_recipe(meta["recipe"], str(path / META))
        data = TrainingData.parse({"version": meta["versions"]["oddframe"], **meta["data"]})
    with reading(path, "damaged bundle", "train or copy it again", BundleError):
        detector = create_for(recipe.model, recipe.preset, recipe.options, data.frame_size)
        detector.load_weights(path / WEIGHTS)
        if data.ignored and entry(recipe.model).kind != "fitted":  # a fitted one keeps them with what it learned
            detector.one_class("ignoring places").ignore(data.ignored)
        return Bundle(path, meta["id"], recipe, detector, meta["history"], data)
