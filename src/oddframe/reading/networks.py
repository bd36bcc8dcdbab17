"""What is seen of an ONNX network before a library opens it: whether it sends that library to other files.

ONNX keeps large weights in files beside the network. A network from a stranger could name any file of this machine;
those that oddframe writes name none.
"""

from __future__ import annotations

from pathlib import Path

from oddframe.errors import InputError
from oddframe.reading.guard import reading

# The key that names another file, as protobuf writes it: tag, length and word (ONNX, TensorProto.external_data).
_LOCATION = b"\n\x08location"


def external_data(model: bytes) -> bool:
    """Whether a tensor of a network, wherever in its graph, lies in another file."""
    return _LOCATION in model


def refuse_external_data(model: bytes | Path, what: object) -> None:
    """See that all tensors of a network are in its own file.

    Args:
        model: the network, or its path.
        what: names it in messages.

    Raises:
        InputError: one is not, or the file cannot be read.
    """
    if isinstance(model, Path):
        with reading(model, "not a network that can be read"):
            model = model.read_bytes()
    if external_data(model):
        raise InputError(f"{what}: keeps weights in other files, which is refused here; store them inside the network")
