"""Exported detectors: folders that score videos without torch.

network.onnx | network.xml, network.bin    the graph with preprocessing (see `oddframe.runtime.session_runtime`)
export.json                                signature, recipe, precision, and agreement with the bundle
calibration.json, heldout.npz              copied from the bundle
sentinel.npz                               copied from the bundle
CARD.md                                    description in words
extractors/NAME/                           the extractors of a weakly supervised detector, as ONNX
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from oddframe.atomic import write_text
from oddframe.bundle import (
    CALIBRATION,
    FORMAT,
    SCHEDULED_FORMAT,
    Bundle,
    TrainedDetector,
    TrainingData,
    format_of,
    load_bundle,
)
from oddframe.bundle import META as BUNDLE_META
from oddframe.errors import BundleError, InputError
from oddframe.reading.guard import reason
from oddframe.reading.records import check_types, finite, read_object
from oddframe.reading.tables import read_text
from oddframe.recipes import Recipe, parse_recipe
from oddframe.runtime.runtime import Precision
from oddframe.runtime.sessions import Target
from oddframe.suggest import one_of
from oddframe.types import BagSignature, Signature

LARGEST = 1 << 16  # of a size of a map, of a filter, or of features
META = "export.json"
NETWORK: dict[Target, str] = {"onnx": "network.onnx", "openvino": "network.xml"}
EXPORT = {
    "id": str, "runtime": Target, "precision": Precision, "recipe": dict[str, Any], "kind": str, "data": dict[str, Any],
    "signature": dict[str, Any], "parity": dict[str, Any], "gflop": float,
}  # fmt: skip
OUTLINES: dict[str, type[Signature] | type[BagSignature]] = {own.kind: own for own in (Signature, BagSignature)}


@dataclass(frozen=True)
class Exported:
    """An exported detector, an `oddframe.bundle.TrainedDetector`.

    Attributes:
        path: the folder.
        id: id of its bundle, with runtime and precision. Score files have it.
        recipe: recipe of its bundle.
        outline: of the detector.
        runtime, precision: the target of the export.
        parity: agreement with the bundle, measured during the export, as plain values (see `oddframe.runtime.parity`).
        data: training data of the bundle.
        gflop: 10^9 floating-point operations per scored frame, without feature extraction.
    """

    path: Path
    id: str
    recipe: Recipe
    outline: Signature | BagSignature
    runtime: Target
    precision: Precision
    parity: Mapping[str, Any]
    data: TrainingData = field(default_factory=TrainingData)
    gflop: float = 0.0

    @property
    def calibration(self) -> Path:
        """The path of the calibration, which may not exist yet."""
        return self.path / CALIBRATION

    @property
    def settled(self) -> bool:
        return True

    def original(self) -> Bundle:
        raise BundleError(f"{self.path}: is an exported detector; this needs the bundle that it was made from")

    def identity(self, runtime: str) -> str:
        return self.id

    @property
    def network(self) -> Path:
        """The path of the graph."""
        return self.path / NETWORK[self.runtime]

    def save(self) -> None:
        """Write export.json. Network and calibration must already be in the folder."""
        meta = {
            "format": format_of(read_text(self.calibration) if self.calibration.is_file() else None),
            "id": self.id,
            "runtime": self.runtime,
            "precision": self.precision,
            "recipe": self.recipe.model_dump(mode="json"),
            "kind": self.outline.kind,
            "signature": TypeAdapter(type(self.outline)).dump_python(self.outline, mode="json"),
            "data": asdict(self.data),
            "gflop": self.gflop,
            "parity": finite(self.parity),
        }
        write_text(self.path / META, json.dumps(meta, indent=2, allow_nan=False) + "\n")


def parse_target(name: str) -> Target:
    """The target of an export, by its name.

    Raises:
        InputError: there is no such target.
    """
    if name not in NETWORK:
        raise InputError(f"cannot export to {name!r}{one_of(name, NETWORK)}")
    return name


def is_trained(path: Path) -> bool:
    """Whether a folder holds a bundle or an exported detector."""
    return (path / META).is_file() or (path / BUNDLE_META).is_file()


def load_trained(path: Path) -> TrainedDetector:
    """Load a bundle or an exported detector from a folder.

    Raises:
        BundleError: the folder holds neither of them, or it is damaged.
    """
    return load_exported(path) if (path / META).is_file() else load_bundle(path)


def load_exported(path: Path) -> Exported:
    """Load an exported detector from a folder.

    Raises:
        BundleError: it was made by a newer or an older version of oddframe, or it is damaged.
    """
    try:
        meta = read_object((path / META).read_text(encoding="utf-8"))
        check_types(meta, {"format": int})
        if meta["format"] not in (FORMAT, SCHEDULED_FORMAT):  # 1 did not record the training data
            newer = meta["format"] > FORMAT
            advice = "a newer oddframe; upgrade oddframe" if newer else "an older oddframe; export the bundle again"
            raise BundleError(f"{path}: exported by {advice}")
        check_types(meta, EXPORT)
        runtime: Target = meta["runtime"]
        if not (path / NETWORK[runtime]).is_file():
            raise BundleError(f"{path}: {NETWORK[runtime]} is missing; export or copy it again")
        outline = TypeAdapter(OUTLINES[meta["kind"]]).validate_python(meta["signature"])
        _check_outline(outline)
        return Exported(
            path,
            meta["id"],
            parse_recipe(meta["recipe"], str(path / META)),
            outline,
            runtime,
            meta["precision"],
            meta["parity"],
            TrainingData.parse(meta["data"]),
            meta["gflop"],
        )
    except BundleError:
        raise
    except Exception as error:  # what is damaged can raise almost anything
        raise BundleError(f"{path / META}: damaged export: {reason(error)}; export or copy it again") from error


def _check_outline(outline: Signature | BagSignature) -> None:
    """See to it that what should be sizes can be sizes.

    Raises:
        ValueError: one cannot. The message names it.
    """
    if isinstance(outline, BagSignature):
        sizes = {"segments": (outline.segments,), "backbones": tuple(outline.backbones.values())}
    else:
        sizes = {"map_grid": outline.map_grid or (1,), "map_filter": outline.map_filter or (1,)}
    for name, extents in sizes.items():
        if not extents or not all(1 <= extent <= LARGEST for extent in extents):
            raise ValueError(f"signature.{name}: {list(extents)} are no sizes")
