"""Conversion of a torch module to the content of an ONNX file."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from oddframe.extras import imported

if TYPE_CHECKING:
    from torch import Tensor, nn


def onnx_bytes(
    module: nn.Module,
    example: Sequence[Tensor],
    free: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> bytes:
    """Content of a self-contained ONNX file.

    Args:
        module: in eval mode. It takes tensors as positional arguments and returns a tensor or a tuple of tensors.
        example: tensors to trace it with. Their first axes are longer than 1, because a length of 1 would be fixed.
        free: a name for the first axis of each tensor. Axes of the same name have the same length.
        inputs, outputs: names of the tensors.

    Raises:
        InputError: onnx or onnxscript is not installed.
    """
    for library in ("onnx", "onnxscript"):
        imported(library, "export")
    import torch

    axes = {name: torch.export.Dim(name, min=1) for name in free}
    with _quiet():
        program = torch.onnx.export(
            module, tuple(example), dynamo=True, verbose=False, input_names=list(inputs), output_names=list(outputs),
            dynamic_shapes=_nested(module, tuple({0: axes[name]} for name in free)),
        )  # fmt: skip
        assert program is not None, "torch returns the program when no file is given"
        model = program.model_proto
    # The metadata of every node names source files of this machine, so hashes of one network would differ by machine.
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _nested(module: nn.Module, axes: tuple[dict[int, Any], ...]) -> Any:
    """The axes in the form that torch expects: a nested tuple where the module takes `*tensors`."""
    variadic = bool(module.forward.__code__.co_flags & 0x04)
    return (axes,) if variadic else axes


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence torch's remarks about operators of libraries that are not installed and about its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
