"""From a trained detector to what scores videos with it.

What a trained detector is, a bundle or an exported one, for windows or for bags, is decided here and nowhere else.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import oddframe
from oddframe.bundle import BACKBONE, EXTRACTORS, Bundle, TrainedDetector
from oddframe.errors import BundleError, InputError, RecipeError
from oddframe.features.catalogue import load_extractor
from oddframe.features.extract import BATCH
from oddframe.features.snippets import SnippetSampling
from oddframe.models.fitted import FittedDetector
from oddframe.places import cached_file
from oddframe.runtime.backbone import open_backbone
from oddframe.runtime.exported import Exported
from oddframe.runtime.fitted import FittedRuntime
from oddframe.runtime.runtime import Runtime, RuntimeOptions
from oddframe.runtime.session_runtime import GraphRuntime, bag_network
from oddframe.runtime.sessions import open_session
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.features import BagNetwork, FeatureScorer
from oddframe.scoring.masking import mask_label
from oddframe.scoring.scorer import ScoreStore, VideoScorer, WindowScorer
from oddframe.scoring.sentinel_reference import load_reference
from oddframe.types import BagSignature, Signature

INT8 = "int8 takes its ranges from normal video: oddframe export {} --to {} --precision int8 --video NORMAL_VIDEO"


def open_scorer(
    trained: TrainedDetector,
    options: RuntimeOptions,
    rule: ScoreRule,
    folder: Path | None = None,
    force: bool = False,
) -> VideoScorer:
    """What scores videos with a trained detector.

    Args:
        options: not "auto"; see `oddframe.scoring.choose_runtime`.
        rule: how components become a score.
        folder: for score files; None keeps the scores in memory.
        force: score again what `folder` already holds.

    Raises:
        InputError: the runtime is not installed or not for this detector.
        BundleError: a weakly supervised detector that carries no extractors.
    """
    store = ScoreStore(score_identity(trained, options, rule), folder, force)
    bags = bag_signature(trained)
    if bags is not None:
        return _open_features(trained, bags, options, rule, store)
    learned = None if options.any_rate else trained.data.frame_rate
    sentinel = load_reference(trained.path)
    return WindowScorer(open_runtime(trained, options), rule, store, options.batch, learned, sentinel)


def open_runtime(trained: TrainedDetector, options: RuntimeOptions, apart: bool = False) -> Runtime:
    """The runtime that the options name, for a one-class detector.

    Args:
        apart: it gets windows of several videos in one chunk.

    Raises:
        InputError: it is not installed, not for this detector, or not what an exported detector was made for.
        RecipeError: the detector is not a one-class detector.
    """
    signature = window_signature(trained)
    exported = as_exported(trained, options)
    if exported is not None:
        device, batch = options.device, options.batch
        return GraphRuntime(exported.runtime, exported.network, signature, exported.precision, device, batch, apart)
    bundle, precision = trained.original(), options.precision or "fp32"
    if isinstance(bundle.detector, FittedDetector):
        return _open_fitted(bundle.path, bundle.detector, options)
    if options.runtime in (None, "torch"):
        # torch is imported for bundles alone: exported detectors do without it.
        from oddframe.runtime.torch import TorchRuntime

        return TorchRuntime(bundle.detector.one_class("scoring frames"), options.device, precision)
    if precision == "int8":
        raise InputError(INT8.format(bundle.path, options.runtime))
    assert options.runtime == "onnx" or options.runtime == "openvino", "auto is chosen before"
    graph = graph_file(bundle)
    return GraphRuntime(options.runtime, graph, signature, precision, options.device, options.batch, apart)


def _open_fitted(folder: Path, detector: FittedDetector, options: RuntimeOptions) -> FittedRuntime:
    """A fitted detector with its network, which lies beside its weights."""
    if detector.blocks is None:
        return FittedRuntime(detector, "torch", "fp32")
    network = open_backbone(
        detector.blocks, None if options.runtime == "auto" else options.runtime, options.precision or "fp32",
        folder / BACKBONE,
    )  # fmt: skip
    detector.network = network
    return FittedRuntime(detector, network.runtime, network.precision)


def window_signature(trained: TrainedDetector) -> Signature:
    """What scoring has to know of a one-class detector.

    Raises:
        RecipeError: it is a weakly supervised one.
    """
    if not isinstance(trained.outline, Signature):
        raise RecipeError(
            f"{trained.path}: this is for one-class detectors; {trained.recipe.model} learns from labelled videos"
        )
    return trained.outline


def bag_signature(trained: TrainedDetector) -> BagSignature | None:
    """What scoring has to know of a weakly supervised detector; None for another."""
    return trained.outline if isinstance(trained.outline, BagSignature) else None


def as_exported(trained: TrainedDetector, options: RuntimeOptions) -> Exported | None:
    """The detector as an exported one, which runs as it was exported and not otherwise; None for a bundle.

    Raises:
        InputError: the options ask for another runtime or precision than the exported detector has.
    """
    if not isinstance(trained, Exported):
        return None
    for what, wanted, own in (
        ("runtime", options.runtime, trained.runtime),
        ("precision", options.precision, trained.precision),
    ):
        if wanted not in (None, "auto", own):
            raise InputError(f"{trained.path}: was exported with {what} {own}, not {wanted}; leave --{what} out")
    return trained


def graph_file(bundle: Bundle) -> Path:
    """The ONNX file of a bundle's detector, made once and kept in the cache folder.

    Raises:
        InputError: a library is missing, or the detector cannot be exported.
    """
    from oddframe.runtime.onnx_graph import window_graph

    name = f"{bundle.id}-{oddframe.__version__}"
    return cached_file("graphs", name, ".onnx", lambda: window_graph(bundle.detector.one_class("export")))


def score_identity(trained: TrainedDetector, options: RuntimeOptions, rule: ScoreRule) -> str:
    """What scores depend on: the detector, what computes them, and where they do, the levels of calibration, and what
    chooses among several."""
    identity = trained.identity(options.label) + ("-any-rate" if options.any_rate else "") + mask_label(trained)
    rests = [dict(rule.levels)] if rule.combination.scale == "normal" else []
    texts = [json.dumps(one, sort_keys=True) for one in rests]
    # Score files know a calibration by its number, so the order of the names counts.
    texts += [] if rule.schedule is None else [json.dumps(asdict(rule.schedule))]
    return "-".join([identity, *(f"{zlib.crc32(text.encode()):08x}" for text in texts)])


def _open_features(
    trained: TrainedDetector, signature: BagSignature, options: RuntimeOptions, rule: ScoreRule, store: ScoreStore
) -> FeatureScorer:
    extractors = {}
    device = options.device
    network: BagNetwork
    exported = as_exported(trained, options)
    if exported is not None:
        session = open_session(exported.runtime, exported.network, exported.precision, device)
        network, place = bag_network(session, signature), None
    else:
        from oddframe.scoring.bags import open_bag_network

        network, place = open_bag_network(trained.original(), options)
    for name in signature.backbones:
        sampling = trained.data.features[name].sampling
        if sampling is None:
            raise BundleError(
                f"{trained.path}: was trained on {name} features whose extractor is not known, so it cannot score "
                f"videos; measure it with `oddframe evaluate {trained.path} --data NAME:PATH --features STORE`"
            )
        extractor: Any = load_extractor(trained.path / EXTRACTORS / name)
        if place is not None:
            extractor.to(place)
        extractors[name] = (extractor, SnippetSampling.from_dict(sampling))
    seconds = trained.recipe.scoring.segment_seconds
    return FeatureScorer(extractors, network, signature.segments, seconds, rule, store, options.batch or BATCH)
