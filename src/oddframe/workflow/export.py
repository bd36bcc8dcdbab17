"""From a bundle to a folder that scores without torch, if it agrees with the bundle."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from oddframe.atomic import new_folder
from oddframe.bundle import CALIBRATION, CARD, EXTRACTORS, Bundle
from oddframe.datasets.labelled import LabelledSet
from oddframe.datasets.readers import open_labelled
from oddframe.errors import BundleError, InputError, VideoError
from oddframe.evaluation.protocol import evaluate
from oddframe.evaluation.protocols import get_protocol
from oddframe.extras import imported
from oddframe.features.catalogue import load_extractor
from oddframe.features.export import onnx_twin
from oddframe.models.registry import entry
from oddframe.progress import progress_bars
from oddframe.runtime.exported import NETWORK, Exported
from oddframe.runtime.onnx_graph import write_bag_graph, write_window_graph
from oddframe.runtime.parity import Parity, compare
from oddframe.runtime.quantise import quantise
from oddframe.runtime.runtime import Precision, RuntimeOptions
from oddframe.runtime.session_runtime import GraphRuntime
from oddframe.runtime.sessions import Target, write_openvino
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.agreement import Take, agreement, run, take_chunks
from oddframe.scoring.heldout_store import HELDOUT
from oddframe.scoring.sentinel_reference import NAME as SENTINEL
from oddframe.street import render_world
from oddframe.video.search import Videos, find_videos
from oddframe.video.sources import VideoSource, with_levels
from oddframe.workflow.run import Run

VIDEOS, FRAMES = 4, 24  # compared: so many videos, and of a one-class detector so many frames of each
CALIBRATED = 16  # videos whose beginnings int8 takes its ranges from


def export(
    trained: Run,
    to: Target,
    out: str | Path,
    *,
    precision: Precision = "fp32",
    videos: Videos | None = None,
    data: str | None = None,
    allow: bool = False,
) -> Run:
    """Convert a detector, compare it with the original on real frames, and keep it if they agree.

    Args:
        to: what is to run it.
        out: the new folder.
        precision: "bf16" is for OpenVINO; "int8", for one-class detectors, takes its ranges from `videos`.
        videos: normal video that the run was not trained on, as for `Run.score`; None compares on the built-in street.
        data: labelled test set, "NAME:PATH"; with it the AUC under protocol `honest` is compared, too.
        allow: keep it even if it does not agree. A network that gives NaN is never kept.

    Returns:
        The exported run; its `bundle.parity` says how well it agrees.

    Raises:
        InputError: `out` exists, a library is missing, no video can be used, or the two do not agree.
        BundleError: a weakly supervised detector whose extractors are not known.
    """
    bundle, out = trained.bundle.original(), Path(out)
    kind = entry(bundle.recipe.model).kind
    if kind == "fitted":
        raise InputError(
            f"{bundle.path}: a bundle of {bundle.recipe.model} scores without torch as it is; copy the folder, and "
            f"choose --runtime {to} when you score"
        )
    bags = kind == "bags"
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: already exists; choose another --out")
    if precision == "bf16" and to == "onnx":
        raise InputError("ONNX Runtime does not compute in bf16 on CPUs; use --to openvino, or fp32 or int8")
    if precision == "int8" and bags:
        raise InputError(f"{bundle.path}: int8 is for one-class detectors; its time goes to its feature extractors")
    if precision == "int8" and videos is None:
        raise InputError("int8 takes its ranges from normal video that the run was not trained on: --video PATH")
    if data is not None and bags:
        raise InputError(f"{bundle.path}: --data is for one-class detectors")
    labelled = None if data is None else _with_both_classes(data)
    for library in ("onnx", "onnxscript", "openvino" if to == "openvino" else "onnxruntime"):
        imported(library, "export")
    with new_folder(out) as folder, tempfile.TemporaryDirectory(dir=folder) as scratch:
        sources = _street(Path(scratch)) if videos is None else videos
        found = with_levels(find_videos(sources), bundle.data.levels)
        for name in (CALIBRATION, HELDOUT, CARD, SENTINEL):
            if (bundle.path / name).is_file():
                shutil.copy(bundle.path / name, folder / name)
        convert = _convert_bags if bags else _convert_windows
        made, parity = convert(trained, to, precision, found, folder, Path(scratch))
        if labelled is not None and parity.finite:
            parity = replace(parity, auc=_aucs(trained, Run(made), labelled))
        fault = parity.fault(precision)
        if fault is not None and not (allow and parity.finite):
            way_out = "; --allow keeps it all the same" if parity.finite else ""
            raise InputError(f"{bundle.path}: {to} in {precision} does not agree: {fault}; nothing is written{way_out}")
        made = replace(made, parity=parity.to_dict(), gflop=bundle.gflop)
        made.save()
    return Run(replace(made, path=out))


def _convert_windows(
    trained: Run, to: Target, precision: Precision, sources: Sequence[VideoSource], folder: Path, scratch: Path
) -> tuple[Exported, Parity]:
    """A one-class detector, compared window by window."""
    bundle = trained.bundle.original()
    detector = bundle.detector.one_class("export")
    reference = TorchRuntime(detector, "cpu")
    takes = _takes(reference, sources, VIDEOS, FRAMES)
    graph = scratch / NETWORK["onnx"]
    write_window_graph(detector, graph)
    if precision == "int8":
        parts = _takes(reference, sources, CALIBRATED, reference.batch)
        source, graph = graph, scratch / "int8.onnx"
        quantise(source, graph, detector.signature, [chunk for take in parts for chunk in take.chunks])
    _keep(graph, to, folder)
    made = Exported(
        folder, _identity(bundle, to, precision), bundle.recipe, detector.signature, to, precision, {}, bundle.data
    )
    other = GraphRuntime(to, made.network, detector.signature, precision, "cpu")
    return made, agreement(run(reference, takes), run(other, takes), trained.rule)


def _convert_bags(
    trained: Run, to: Target, precision: Precision, sources: Sequence[VideoSource], folder: Path, scratch: Path
) -> tuple[Exported, Parity]:
    """A weakly supervised detector with its extractors, compared on whole videos."""
    bundle = trained.bundle.original()
    detector = bundle.detector.weakly_supervised()
    for name in detector.required:
        if bundle.data.features[name].sampling is None:
            raise BundleError(
                f"{bundle.path}: was trained on {name} features whose extractor is not known; what is exported of it "
                "could not score videos"
            )
        onnx_twin(load_extractor(bundle.path / EXTRACTORS / name), folder / EXTRACTORS / name)
    write_bag_graph(detector, scratch / NETWORK["onnx"])
    _keep(scratch / NETWORK["onnx"], to, folder)
    identity, signature = _identity(bundle, to, precision), detector.signature
    made = Exported(folder, identity, bundle.recipe, signature, to, precision, {}, bundle.data)
    outcomes = []
    for one in (trained, Run(made)):
        scores = one.with_rule(trained.rule).score(
            sources[:VIDEOS], options=RuntimeOptions(device="cpu"), progress=False
        )
        components = {n: np.concatenate([s.components[n] for s in scores]) for n in signature.components}
        score = np.concatenate([s.score for s in scores])
        outcomes.append((components, score, ", ".join(s.name for s in scores.sources)))
    (original, first, where), (got, second, _) = outcomes
    return made, compare(original, got, (first, second), None, where)


def _keep(graph: Path, to: Target, folder: Path) -> None:
    """The network in its final form, in `folder`."""
    if to == "onnx":
        shutil.copy(graph, folder / NETWORK[to])
    else:
        write_openvino(graph, folder / NETWORK[to])


def _identity(bundle: Bundle, to: Target, precision: Precision) -> str:
    return f"{bundle.id}-{to}-{precision}"


def _street(folder: Path) -> Path:
    render_world(folder / "street", videos=VIDEOS, test_videos=0, seconds=4)
    return folder / "street" / "training" / "videos"


def _takes(reference: TorchRuntime, sources: Sequence[VideoSource], videos: int, frames: int) -> list[Take]:
    """The beginnings of as many as `videos` videos, spread over all that there are."""
    found: list[Take] = []
    fault = ""
    step = max(1, len(sources) // videos)
    for source in [*sources[::step], *(one for i, one in enumerate(sources) if i % step)]:
        if len(found) == videos:
            break
        try:
            found.append(take_chunks(reference, source, frames))
        except VideoError as error:
            fault = fault or str(error)
    if not found:
        raise InputError(fault or "there is no video to compare on")
    return found


def _with_both_classes(data: str) -> LabelledSet:
    """The test set NAME:PATH.

    Raises:
        InputError: it cannot be used, or all of its frames are of one class.
    """
    labelled = open_labelled(data)
    if labelled.positives in (0, labelled.frames):
        raise InputError(f"{data}: {labelled.notes[-1]}; leave --data out, or give a test set with both")
    return labelled


def _aucs(trained: Run, exported: Run, labelled: LabelledSet) -> tuple[float, float]:
    """Micro AUC of the bundle and of what was exported of it, under protocol `honest`."""
    rule = trained.rule
    labels = {video.source.name: video.labels for video in labelled.videos}
    sources = [video.source for video in labelled.videos]
    found = []
    for one in (trained, exported):
        with progress_bars() as bars:
            scores = one.with_rule(rule).score(sources, options=RuntimeOptions(device="cpu"), progress=bars)
        if scores.skipped:
            raise InputError(f"{scores.skipped[0][1]}; a test set must be whole for its figures to mean anything")
        found.append(evaluate(scores.videos, labels, get_protocol("honest"), rule).micro_auc)
    return found[0], found[1]
