"""Channels last in memory changes where weights lie, and nothing that anybody sees."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from oddframe.models.detector import Detector
from oddframe.models.registry import create, entry
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.testing.check import Interrupted
from oddframe.testing.windows import training_set
from oddframe.training import loop
from oddframe.training.loop import train
from oddframe.training.tuning import channels_last, lie_alike, tuned

CPU = torch.device("cpu")


def lies_last(weight: torch.Tensor) -> bool:
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def test_weights_lie_channels_last_and_come_back() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.Conv3d(3, 4, 3), nn.Linear(3, 3))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with channels_last(network):
        assert [lies_last(layer.weight) for layer in network] == [True, False, False, False]
    assert all(value.is_contiguous() for value in network.state_dict().values())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_bf16_alone_gets_channels_last_and_a_gpu_alone_measures(device: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3))

    def state() -> tuple[bool, bool]:
        return bool(torch.backends.cudnn.benchmark), lies_last(network[0].weight)

    for precision, last in (("bf16", True), ("fp32", False)):
        with tuned(network, torch.device(device), precision):
            assert state() == (device == "cuda", last)
        assert state() == (False, False)


def mnad() -> Detector:
    torch.manual_seed(0)
    return create("mnad", "code", **entry("mnad").tiny).double()


def test_a_run_begun_on_a_cpu_goes_on_channels_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = TrainingPlan(batch_size=8, budget="6steps")
    options = TrainingOptions(device="cpu", progress=False, resume=True)
    whole, parts, again = mnad(), mnad(), mnad()
    train(whole, training_set(whole.window), None, plan, tmp_path / "whole", options)
    with pytest.raises(KeyboardInterrupt):
        train(parts, Interrupted(training_set(parts.window), 4), None, plan, tmp_path / "parts", options)
    restrided: list[torch.optim.Optimizer] = []

    def noted(optimiser: torch.optim.Optimizer) -> None:
        restrided.append(optimiser)
        lie_alike(optimiser)

    monkeypatch.setattr(loop, "lie_alike", noted)
    with channels_last(again):
        train(again, training_set(again.window), None, plan, tmp_path / "parts", options)
    assert restrided
    for name, value in whole.named_parameters():
        if value.ndim == 4:  # the gradients of biases in front of a BatchNorm are rounding, of which Adam makes steps
            assert torch.allclose(value, again.get_parameter(name), rtol=1e-6, atol=1e-9), name


def test_what_an_optimiser_keeps_follows_its_parameters() -> None:
    layer = nn.Conv2d(3, 4, 3)
    optimiser = torch.optim.Adam(layer.parameters(), fused=True)
    layer(torch.ones(1, 3, 5, 5)).sum().backward()
    optimiser.step()
    kept = optimiser.state[layer.weight]["exp_avg"].clone()
    with channels_last(layer):
        lie_alike(optimiser)
        assert lies_last(optimiser.state[layer.weight]["exp_avg"])
        assert torch.equal(optimiser.state[layer.weight]["exp_avg"], kept)
        assert optimiser.state[layer.weight]["step"].item() == 1
