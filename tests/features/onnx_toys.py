"""Small ONNX networks for tests: the mean of every channel over places (and time), times a weight."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DESCRIPTION = "resize: [8, 12]\nmean: 0\nstd: 1\n"


def write_network(
    path: Path,
    shape: Sequence[int | str] = ("n", 3, 8, 12),
    layout: str = "NCHW",
    dtype: int = TensorProto.FLOAT,
    outputs: int = 1,
    weight: float = 1.0,
    description: str | None = DESCRIPTION,
    external: bool = False,
) -> Path:
    """Write a network whose vectors are `weight` times the channel means, (N, 3), and its YAML; return its path.

    `outputs` 2 adds one called "map", the input itself.
    """
    places = [number for number, axis in enumerate(layout) if axis not in "NC"]
    weights = numpy_helper.from_array(np.full(3, weight, np.float32), "weight")
    axes = numpy_helper.from_array(np.array(places, np.int64), "axes")
    nodes = [
        helper.make_node("Cast", ["input"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "weight"], ["features"]),
    ]
    out = [helper.make_tensor_value_info("features", TensorProto.FLOAT, [shape[layout.index("N")], 3])]
    if outputs == 2:
        nodes.append(helper.make_node("Identity", ["x"], ["map"]))
        out.append(helper.make_tensor_value_info("map", TensorProto.FLOAT, list(shape)))
    graph = helper.make_graph(
        nodes, "toy", [helper.make_tensor_value_info("input", dtype, list(shape))], out, [weights, axes]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path, save_as_external_data=external, location="weights.bin", size_threshold=0)
    if description is not None:
        path.with_suffix(".yaml").write_text(description)
    return path
