"""I3D against values computed by the published module in float64, its arithmetic of time, and its published file."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_weights import sine_weights

from oddframe.errors import BundleError, InputError
from oddframe.features.i3d import I3D, I3DExtractor, same_padding

GOLDEN = json.loads((Path(__file__).parent / "golden" / "backbones.json").read_text())["i3d"]


@functools.cache
def released_state() -> dict[str, torch.Tensor]:
    return sine_weights(GOLDEN["state_shapes"], gain=1.6 * math.sqrt(2))


def golden_clip() -> torch.Tensor:
    shape = GOLDEN["input"]
    return torch.sin(0.013 * torch.arange(math.prod(shape), dtype=torch.float64) + 0.3).reshape(shape)


def filled(dtype: torch.dtype) -> I3D:
    network = I3D().eval().to(dtype)
    missing, unexpected = network.load_state_dict(released_state(), strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    return network


def check(got: torch.Tensor, golden: dict, rtol: float, atol: float) -> None:
    assert got.numel() == math.prod(golden["shape"])
    flat = got.double().flatten()
    close = functools.partial(torch.testing.assert_close, rtol=rtol, atol=atol)
    close(flat.mean().item(), golden["mean"])
    close(flat.std(correction=0).item(), golden["std"])
    for name, part in (("absmax", flat.abs().max()[None]), ("first8", flat[:8]), ("last4", flat[-4:])):
        if name in golden:
            close(part, torch.tensor(golden[name], dtype=torch.float64).reshape(-1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [(torch.float32, 1e-4, 2e-6), pytest.param(torch.float64, 1e-8, 1e-12, marks=pytest.mark.slow)],
    ids=str,
)
@torch.no_grad()
def test_stages_features_and_logits(dtype: torch.dtype, rtol: float, atol: float) -> None:
    network = filled(dtype)
    seen: dict[str, torch.Tensor] = {}
    for name in GOLDEN["stages"]:
        network.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: seen.__setitem__(name, output)
        )
    logits = network(golden_clip().to(dtype))
    for name, golden in GOLDEN["stages"].items():
        assert list(seen[name].shape) == golden["shape"]
        check(seen[name], golden, rtol, atol)
    check(seen["Mixed_5c"].mean((2, 3, 4)), GOLDEN["features"], rtol, atol)  # two steps: one average over both
    assert list(logits.shape) == GOLDEN["logits"]["shape"]
    check(logits, GOLDEN["logits"], rtol, atol)


def test_parameters_and_keys_are_the_published_ones() -> None:
    network = I3D()
    assert sum(p.numel() for p in network.parameters()) == GOLDEN["params"] == 12_697_264
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    assert shapes == GOLDEN["state_shapes"]


@pytest.mark.slow
@pytest.mark.parametrize(("frames", "vectors"), [(9, 1), (16, 1), (17, 2), (32, 3), (64, 7)])
@torch.no_grad()
def test_vectors_of_a_clip(frames: int, vectors: int) -> None:
    assert I3D().eval().features(torch.zeros(1, 3, frames, 32, 32)).shape == (1, 1024, vectors)


@pytest.mark.parametrize(
    ("length", "k", "stride", "padding"),
    [(224, 7, 2, [2, 3]), (225, 7, 2, [3, 3]), (7, 3, 1, [1, 1]), (14, 2, 2, [0, 0]), (7, 2, 2, [0, 1])],
)
def test_same_padding_of_an_axis(length: int, k: int, stride: int, padding: list[int]) -> None:
    assert same_padding([length], [k], [stride]) == padding


def test_same_padding_begins_with_the_last_axis() -> None:
    assert same_padding([16, 112, 7], [1, 3, 2], [1, 2, 2]) == [0, 1, 0, 1, 0, 0]


@pytest.mark.slow
@torch.no_grad()
def test_a_published_file_and_its_wrappings(tmp_path: Path) -> None:
    released = {name: value.float() for name, value in released_state().items()}
    torch.save(released, tmp_path / "rgb_imagenet.pt")
    torch.save({"state_dict": {f"module.{n}": v for n, v in released.items()}}, tmp_path / "wrapped.pt")
    plain, wrapped = (I3DExtractor.open(tmp_path / name) for name in ("rgb_imagenet.pt", "wrapped.pt"))
    assert plain.weights_hash() == wrapped.weights_hash()
    assert (plain.name, plain.dim, plain.kind) == ("i3d", 1024, "clips")
    assert plain.preprocessing.crop == (224, 224) and plain.preprocessing.resize == 256
    plain.preprocessing = replace(plain.preprocessing, crop=(32, 40))
    frames = torch.randint(0, 256, (1, 32, 32, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = plain.network.features(frames.movedim(-1, 1) / 127.5 - 1).mean(2)  # longer clips: the mean over time
    np.testing.assert_allclose(plain.embed(frames.numpy()), expected, rtol=1e-4, atol=1e-5)


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    flow = {name: value.float() for name, value in released_state().items()}
    flow["Conv3d_1a_7x7.conv3d.weight"] = flow["Conv3d_1a_7x7.conv3d.weight"][:, :2]
    torch.save(flow, path)
    with pytest.raises(BundleError, match=r"Conv3d_1a_7x7.*\(64, 2, 7, 7, 7\).*\(64, 3, 7, 7, 7\).*rgb_imagenet"):
        I3DExtractor.open(path)
    torch.save({"features.0.0.0.weight": torch.zeros(1)}, path)
    with pytest.raises(BundleError, match=r"lacks Conv3d_1a_7x7.conv3d.weight; wanted is rgb_imagenet.pt of piergiaj"):
        I3DExtractor.open(path)
    torch.save({"model": {"a": torch.zeros(1)}}, path)
    with pytest.raises(BundleError, match=r"lacks Conv3d_1a_7x7.conv3d.weight; wanted is rgb_imagenet.pt"):
        I3DExtractor.open(path)


def test_nine_frames_at_least(tmp_path: Path) -> None:
    torch.save({name: value.float() for name, value in released_state().items()}, tmp_path / "w.pt")
    extractor = I3DExtractor.open(tmp_path / "w.pt")
    with pytest.raises(InputError, match="a snippet has 8 frames, but needs at least 9"):
        extractor.embed(np.zeros((1, 8, 224, 224, 3), np.uint8))
