"""What a runtime and a precision cost in accuracy: trained bundles on the test clips of UCSD Ped2.

    python benchmarks/runtimes_ped2.py PED2 RUN ... [--int8]

PED2 is a folder with `training` and `testing`. For every bundle and options: micro AUC under protocol `honest` and its
change against torch in fp32, Spearman's correlation of the scores of all frames, not smoothed, and the largest
difference of a component relative to its size. int8 takes its ranges from the beginnings of training clips.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from oddframe.benchmark.table import markdown_table
from oddframe.datasets.readers import open_labelled
from oddframe.evaluation.protocol import evaluate
from oddframe.evaluation.protocols import get_protocol
from oddframe.runtime.onnx_graph import write_window_graph
from oddframe.runtime.parity import compare
from oddframe.runtime.quantise import quantise
from oddframe.runtime.runtime import Precision, Runtime
from oddframe.runtime.session_runtime import GraphRuntime
from oddframe.runtime.sessions import Target
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.agreement import take_chunks
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.scorer import WindowScorer
from oddframe.settings import Smoothing
from oddframe.types import FrameScores
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource
from oddframe.workflow.run import load_run

CALIBRATED = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ped2", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--int8", action="store_true")
    arguments = parser.parse_args()
    labelled = open_labelled(f"ucsd-ped2:{arguments.ped2}")
    labels = {video.source.name: video.labels for video in labelled.videos}
    sources = [video.source for video in labelled.videos]
    engines: list[tuple[Target, Precision]] = [("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")]
    if arguments.int8:
        engines += [("onnx", "int8"), ("openvino", "int8")]
    rows = []
    for path in arguments.runs:
        run = load_run(path)
        detector, rule = run.detector.one_class("this"), run.rule
        with tempfile.TemporaryDirectory() as folder:
            graph, quantised = Path(folder) / "graph.onnx", Path(folder) / "int8.onnx"
            write_window_graph(detector, graph)
            reference = TorchRuntime(detector, "cpu")
            if arguments.int8:
                clips = find_videos(arguments.ped2 / "training")[:CALIBRATED]
                takes = [take_chunks(reference, clip, reference.batch) for clip in clips]
                quantise(graph, quantised, detector.signature, [chunk for take in takes for chunk in take.chunks])
            wanted = scores(reference, sources, rule)
            before = evaluate(wanted, labels, get_protocol("honest"), rule).micro_auc
            rows.append([path.name, "torch", "fp32", f"{before:.4f}", "", "", ""])
            for target, precision in engines:
                file = quantised if precision == "int8" else graph
                got = scores(GraphRuntime(target, file, detector.signature, precision), sources, rule)
                after = evaluate(got, labels, get_protocol("honest"), rule).micro_auc
                plain = replace(rule, smoothing=Smoothing("none"))
                both = [{n: np.concatenate([s.components[n] for s in one]) for n in one[0].components}
                        for one in (wanted, got)]  # fmt: skip
                parity = compare(both[0], both[1], (plain(both[0]), plain(both[1])), None, "")
                worst = max(parity.relative.values())
                rows.append([path.name, target, precision, f"{after:.4f}", f"{after - before:+.5f}",
                             f"{parity.ranks:.5f}", f"{worst:.1e}"])  # fmt: skip
    columns = ["run", "runtime", "precision", "micro AUC", "change", "rank correlation", "largest difference"]
    print(markdown_table(columns, rows, columns[3:]))


def scores(runtime: Runtime, sources: Sequence[VideoSource], rule: ScoreRule) -> list[FrameScores]:
    """All test clips by one runtime."""
    scorer = WindowScorer(runtime, rule)
    return [scorer.score(source) for source in sources]


if __name__ == "__main__":
    main()
