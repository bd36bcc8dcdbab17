"""S3D against values computed by torchvision's and kylemin's modules in float64; both published files."""

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
from oddframe.features.s3d import KYLEMIN, S3D, TORCHVISION, S3DExtractor, torchvision_name

GOLDEN = json.loads((Path(__file__).parent / "golden" / "backbones.json").read_text())
ORIGINS = {"s3d": TORCHVISION, "s3d_kylemin": KYLEMIN}


@functools.cache
def released_state(origin: str) -> dict[str, torch.Tensor]:
    return sine_weights(GOLDEN[origin]["state_shapes"], gain=1.6 * math.sqrt(2))


def published(origin: str, path: Path) -> Path:
    prefix = "module." if origin == "s3d_kylemin" else ""
    torch.save({prefix + name: value.float() for name, value in released_state(origin).items()}, path)
    return path


def check(got: torch.Tensor, golden: dict, rtol: float, atol: float) -> None:
    assert list(got.shape) == golden["shape"]
    flat = got.double().flatten()
    close = functools.partial(torch.testing.assert_close, rtol=rtol, atol=atol)
    close(flat.mean().item(), golden["mean"])
    close(flat.std(correction=0).item(), golden["std"])
    for name, part in (("absmax", flat.abs().max()[None]), ("first8", flat[:8]), ("last4", flat[-4:])):
        if name in golden:
            close(part, torch.tensor(golden[name], dtype=torch.float64).reshape(-1))


@pytest.mark.slow
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [(torch.float32, 1e-4, 4e-6), pytest.param(torch.float64, 1e-8, 1e-12, marks=pytest.mark.slow)],
    ids=str,
)
@torch.no_grad()
def test_stages_features_and_logits(origin: str, dtype: torch.dtype, rtol: float, atol: float) -> None:
    golden, network, seen = GOLDEN[origin], S3D().eval().to(dtype), []
    state = released_state(origin)
    if origin == "s3d_kylemin":
        state = {torchvision_name(name): value for name, value in state.items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    for layer in network.features:
        layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    shape = golden["input"]
    clip = torch.sin(0.013 * torch.arange(math.prod(shape), dtype=torch.float64) + 0.3).reshape(shape)
    logits = network(clip.to(dtype))
    for number, stage in golden.get("stages", {}).items():
        check(seen[int(number)], stage, rtol, atol)
    check(seen[-1], golden["features"], rtol, atol)
    if "pooled" in golden:
        check(seen[-1].mean((2, 3, 4), keepdim=True), golden["pooled"], rtol, atol)
    check(logits, golden["logits"], rtol, atol)


def test_parameters_and_keys_are_the_published_ones() -> None:
    network = S3D()
    assert sum(p.numel() for p in network.parameters()) == 8_320_048
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    assert shapes == GOLDEN["s3d"]["state_shapes"]
    assert shapes == {torchvision_name(n): shape for n, shape in GOLDEN["s3d_kylemin"]["state_shapes"].items()}


@pytest.mark.parametrize(("frames", "steps"), [(14, 2), (16, 2), (64, 8)])
@torch.no_grad()
def test_steps_of_the_last_map(frames: int, steps: int) -> None:
    network = S3D().eval()
    clip = torch.zeros(1, 3, frames, 32, 32)
    assert network.features(clip).shape == (1, 1024, steps, 1, 1)
    assert network(clip).shape == (1, 400)


@pytest.mark.slow
@pytest.mark.parametrize("origin", ORIGINS)
@torch.no_grad()
def test_the_keys_say_whose_weights_they_are_and_how_pixels_are_scaled(origin: str, tmp_path: Path) -> None:
    extractor = S3DExtractor.open(published(origin, tmp_path / "weights.pt"))
    assert extractor.preprocessing == ORIGINS[origin]
    extractor.preprocessing = replace(extractor.preprocessing, crop=(32, 40))
    frames = torch.randint(0, 256, (1, 14, 32, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    if origin == "s3d":
        unit = frames / 255
        x = (unit - torch.tensor([0.43216, 0.394666, 0.37645])) / torch.tensor([0.22803, 0.22145, 0.216989])
    else:
        x = frames / 127.5 - 1
    expected = extractor.network.features(x.movedim(-1, 1)).mean((2, 3, 4))
    np.testing.assert_allclose(extractor.embed(frames.numpy()), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="a snippet has 13 frames, but needs at least 14"):
        extractor.embed(frames[:, :13].numpy())


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"Conv3d_1a_7x7.conv3d.weight": torch.zeros(1)}, path)
    with pytest.raises(BundleError, match=r"neither begin with features\. nor with base\."):
        S3DExtractor.open(path)
    state = {name: value.float() for name, value in released_state("s3d_kylemin").items()}
    del state["base.5.branch0.0.conv.weight"]
    torch.save(state, path)
    with pytest.raises(BundleError, match=r"lacks features\.5\.branch0\.0\.weight; wanted is torchvision"):
        S3DExtractor.open(path)
