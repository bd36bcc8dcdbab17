"""The smallest image network that features can be taken from."""

from __future__ import annotations

from pathlib import Path


def write_colour_network(path: Path) -> Path:
    """Write an ONNX network with its YAML: the mean red, green and blue of a 16 x 16 picture, 0..1."""
    import onnx

    node, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node("GlobalAveragePool", ["picture"], ["mean"]), node("Flatten", ["mean"], ["colour"])],
        "colours",
        [info("picture", onnx.TensorProto.FLOAT, ["n", 3, 16, 16])],
        [info("colour", onnx.TensorProto.FLOAT, ["n", 3])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=7)
    onnx.save(model, path)
    path.with_suffix(".yaml").write_text("{resize: 16, crop: [16, 16], mean: 0, std: 255}\n")
    return path
