"""SDMAE scores as the same network written the straightforward way does, and takes an order of tokens that is given."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from oddframe.models.detector import Batch
from oddframe.models.sdmae import SDMAE

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from plain_sdmae import PlainSDMAE


def batch(size: tuple[int, int]) -> Batch:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (3, 3, *size, 3), dtype=torch.uint8, generator=generator)
    target = torch.randint(0, 256, (3, 1, *size, 3), dtype=torch.uint8, generator=generator)
    return Batch(frames, target, torch.tensor([3, 10**6, 77]))


@torch.inference_mode()
@pytest.mark.parametrize("preset", ["paper", "code"])
@pytest.mark.parametrize("options", [{}, {"patch": 4, "size": (16, 32), "error": "l1", "mask_ratio": 0.25}])
def test_scores_are_those_of_the_plain_network(preset: str, options: dict[str, object]) -> None:
    torch.manual_seed(0)
    model = SDMAE.from_preset(preset, **{"patch": 16, "size": (64, 128), **options}).eval()
    for name, value in model.state_dict().items():
        if name.endswith(("running_mean", "bias", "token")):
            value.normal_(0, 0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    whole = batch(model.config.size)
    got = model.score(whole)
    wanted = PlainSDMAE.like(model)(whole.frames, whole.target[:, 0], model.noise(whole.key))
    maps = [] if got.map is None else [got.map]
    assert len(wanted) == len(got.components) + len(maps)
    for ours, plain in zip([*got.components.values(), *maps], wanted, strict=True):
        # In units of the component: an absolute tolerance would let a small one be anything.
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5 * float(plain.abs().max()))


@torch.inference_mode()
def test_a_given_order_is_taken_for_that_of_the_noise() -> None:
    model = SDMAE.from_preset(patch=4, size=(16, 32), draws=2).eval()
    whole = batch((16, 32))
    order = torch.stack([model.noise(whole.key, draw).argsort(dim=1, stable=True) for draw in range(2)], 1)
    made, given = model.score(whole), model.score(replace(whole, order=order))
    turned = model.score(replace(whole, order=order.flip(2)))
    assert torch.equal(made.map, given.map)
    assert not torch.equal(made.map, turned.map)
