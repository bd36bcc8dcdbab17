"""From a module in torch to the content of an ONNX file."""

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
    """Content of an ONNX file that needs no other files.

    Args:
        module: in eval mode; takes tensors one by one, gives one or a tuple of them.
        example: tensors to trace it with, their first axes longer than one: that length would be taken for fixed.
        free: a name for the first axis of each; axes of one name have one length.
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
        assert program is not None, "without a file torch gives the program"
        model = program.model_proto
    # What torch notes of every node names files of this machine, and would make one network's hash differ by it.
    own = model.graph
    for part in (own, *own.node, *own.input, *own.output, *own.value_info, *own.initializer):
        del part.metadata_props[:]
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _nested(module: nn.Module, axes: tuple[dict[int, Any], ...]) -> Any:
    """The axes as torch wants them: one tuple in another where the module takes `*tensors`."""
    variadic = bool(module.forward.__code__.co_flags & 0x04)
    return (axes,) if variadic else axes


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No remarks on operators of libraries that are not there, nor on what torch itself will have to change."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
