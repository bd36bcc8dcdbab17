"""What a trained detector is on disk: a folder that everything after `fit` takes.

    model.safetensors   weights
    bundle.json         recipe, window, versions, data fingerprint, training history, citation
    calibration.json    thresholds from held-out normal video (see `oddframe.scoring.calibrate`)
    CARD.md             the same for people
    extractors/NAME/    the networks whose features a weakly supervised detector reads

Nothing in it is a pickle, so a bundle from a stranger cannot run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

import oddframe
from oddframe.atomic import replacing, write_text
from oddframe.errors import BundleError
from oddframe.models.registry import create, entry
from oddframe.recipes import Recipe, parse_recipe
from oddframe.types import Outline

# What only reading and writing weights need is imported there: exported detectors are scored without torch.
if TYPE_CHECKING:
    from oddframe.models.learner import Learner

FORMAT = 1
WEIGHTS, META, CALIBRATION, CARD = "model.safetensors", "bundle.json", "calibration.json", "CARD.md"
EXTRACTORS = "extractors"


@dataclass(frozen=True)
class Bundle:
    """A trained detector with its recipe and its history.

    Attributes:
        path: the folder.
        id: 12 hexadecimal digits, a hash of weights and recipe; score files carry it.
        history: what training left (see `oddframe.training.checkpoint.TrainingHistory`), as plain values.
        data: fingerprint of the training video: names, frames, seconds.
    """

    path: Path
    id: str
    recipe: Recipe
    detector: Learner
    history: Mapping[str, Any]
    data: Mapping[str, Any]

    @property
    def calibration(self) -> Path:
        """Where the calibration is, or will be, kept."""
        return self.path / CALIBRATION

    @property
    def outline(self) -> Outline:
        """What there is to know of the detector without running it."""
        return self.detector


def save_bundle(
    path: Path, detector: Learner, recipe: Recipe, history: Mapping[str, Any], data: Mapping[str, Any]
) -> Bundle:
    """Write weights, then `bundle.json` that makes the folder a bundle; each appears whole or not at all."""
    import torch
    from safetensors.torch import save_file

    weights = {name: value.detach().cpu().contiguous() for name, value in detector.state_dict().items()}
    with replacing(path / WEIGHTS) as temporary:
        save_file(weights, temporary)
        identity = hashlib.sha256(temporary.read_bytes())
    identity.update(recipe.model_dump_json().encode())
    name = identity.hexdigest()[:12]
    about = entry(recipe.model)
    meta = {
        "format": FORMAT,
        "id": name,
        "versions": {"oddframe": oddframe.__version__, "torch": torch.__version__},
        "recipe": recipe.model_dump(mode="json"),
        **detector.describe(),
        "data": dict(data),
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
    from safetensors.torch import load_file

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
        detector = create(recipe.model, recipe.preset, **recipe.options)
        detector.load_state_dict(load_file(path / WEIGHTS))
        return Bundle(path, meta["id"], recipe, detector.eval(), meta["history"], meta["data"])
    except (ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise BundleError(f"{path}: damaged bundle: {str(error).splitlines()[0]}; train or copy it again") from error
