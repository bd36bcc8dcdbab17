"""An exported detector on disk: a folder that scores videos without torch.

network.onnx | network.xml, network.bin    the graph, preprocessing included (see `oddframe.runtime.session_runtime`)
export.json                                signature, recipe, precision, and how well it agreed with the bundle
calibration.json, heldout.npz              of the bundle that it was made from
CARD.md                                    the same for people
extractors/NAME/                           of a weakly supervised detector, as ONNX
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from oddframe.atomic import write_text
from oddframe.bundle import CALIBRATION, Bundle, TrainedDetector, TrainingData, load_bundle
from oddframe.bundle import META as BUNDLE_META
from oddframe.errors import BundleError, InputError, RecipeError
from oddframe.recipes import Recipe, parse_recipe
from oddframe.runtime.runtime import Precision
from oddframe.runtime.sessions import Target
from oddframe.types import BagSignature, Signature

FORMAT = 2  # 1 did not say what the bundle was trained on
META = "export.json"
NETWORK: dict[Target, str] = {"onnx": "network.onnx", "openvino": "network.xml"}
OUTLINES: dict[str, type[Signature] | type[BagSignature]] = {own.kind: own for own in (Signature, BagSignature)}


@dataclass(frozen=True)
class Exported:
    """An exported detector. An `oddframe.bundle.TrainedDetector`.

    Attributes:
        path: the folder.
        id: of the bundle it was made from, with runtime and precision; score files carry it.
        outline: of the detector.
        runtime, precision: what it is for.
        parity: how well it agreed with the bundle when it was made, as plain values (see `oddframe.runtime.parity`).
        data: what the bundle was trained on.
        gflop: 10^9 floating-point operations per scored frame, feature extraction not counted.
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
        """Where the calibration is, or will be, kept."""
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
        """The file of its graph."""
        return self.path / NETWORK[self.runtime]

    def save(self) -> None:
        """Write what makes the folder an exported detector, its network and calibration being there."""
        meta = {
            "format": FORMAT,
            "id": self.id,
            "runtime": self.runtime,
            "precision": self.precision,
            "recipe": self.recipe.model_dump(mode="json"),
            "kind": self.outline.kind,
            "signature": TypeAdapter(type(self.outline)).dump_python(self.outline, mode="json"),
            "data": asdict(self.data),
            "gflop": self.gflop,
            "parity": dict(self.parity),
        }
        write_text(self.path / META, json.dumps(meta, indent=2) + "\n")


def parse_target(name: str) -> Target:
    """What is exported to, by its name.

    Raises:
        InputError: there is no such thing.
    """
    if name not in NETWORK:
        raise InputError(f"cannot export to {name!r}; choose {' or '.join(NETWORK)}")
    return name


def is_trained(path: Path) -> bool:
    """Whether a folder holds a bundle or an exported detector."""
    return (path / META).is_file() or (path / BUNDLE_META).is_file()


def load_trained(path: Path) -> TrainedDetector:
    """What `fit` left in a folder, or `export` made of it.

    Raises:
        BundleError: neither of them, or a damaged one.
    """
    return load_exported(path) if (path / META).is_file() else load_bundle(path)


def load_exported(path: Path) -> Exported:
    """What `Exported.save` wrote.

    Raises:
        BundleError: made by a newer oddframe, or damaged.
    """
    try:
        meta = json.loads((path / META).read_text(encoding="utf-8"))
        if meta["format"] != FORMAT:
            newer = meta["format"] > FORMAT
            advice = "a newer oddframe; upgrade oddframe" if newer else "an older oddframe; export the bundle again"
            raise BundleError(f"{path}: exported by {advice}")
        runtime: Target = meta["runtime"]
        if not (path / NETWORK[runtime]).is_file():
            raise BundleError(f"{path}: {NETWORK[runtime]} is missing; export or copy it again")
        return Exported(
            path,
            meta["id"],
            parse_recipe(meta["recipe"], str(path / META)),
            TypeAdapter(OUTLINES[meta["kind"]]).validate_python(meta["signature"]),
            runtime,
            meta["precision"],
            meta["parity"],
            TrainingData.parse(meta["data"]),
            meta["gflop"],
        )
    except (ValueError, KeyError, TypeError, ValidationError, RecipeError) as error:
        reason = " ".join(str(error).split())
        raise BundleError(f"{path}: damaged export: {reason}; export or copy it again") from error
