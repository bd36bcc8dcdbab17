"""What every weakly supervised system promises, in every preset. A new one needs a line in `SMALL` and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from oddframe.datasets.bags import BagSet
from oddframe.errors import BundleError
from oddframe.models.bag_detector import BagBatch, BagDetector
from oddframe.models.catalogue import MODELS
from oddframe.models.registry import create, system
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.training.loop import train
from oddframe.training.sampling import as_batch

DIMS = {"seen": 6, "heard": 4}
SMALL: dict[str, dict[str, object]] = {
    "dakd": {
        "student": "seen", "projection": (8, 8), "attention_dim": 8, "heads": 2, "head": (8, 4), "projector_width": 4,
        "learning_rate": 0.02, "temporal_learning_rate": 0.02, "head_dropout": 0.0,
    },
    "mil": {"head": (8, 4), "learning_rate": 0.02, "head_dropout": 0.0},
}  # fmt: skip
WEAK = [name for name in MODELS if issubclass(system(name), BagDetector)]
VARIANTS: list[tuple[str, str, dict[str, object]]] = [
    ("dakd", "robust", {"student": None}),
    ("dakd", "robust", {"alpha": 0.0}),
    ("mil", "code", {"mil_scale": "mean"}),
]
# The student's negatives, and the bags that "sum" counts, are those of a device; all else is the same for any number.
SPREADABLE = VARIANTS
CASES = [*((name, preset, {}) for name in WEAK for preset in MODELS[name].presets), *VARIANTS]
CPU = TrainingOptions(accelerator="cpu", progress=False)
Case = tuple[str, str, Mapping[str, object]]


def make(case: Case) -> BagDetector:
    name, preset, options = case
    assert name in SMALL, f"give {name} a small configuration in SMALL"
    torch.manual_seed(0)
    made = create(name, preset, backbones=DIMS, segments=8, **{**SMALL[name], **options})
    assert isinstance(made, BagDetector)
    return made


def named(case: Case) -> str:
    return "-".join([*case[:2], *(f"{key}={value}" for key, value in case[2].items())])


@pytest.fixture(params=CASES, ids=named)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def bags(count: int = 24, scale: float = 1.0, kind: type[np.floating] = np.float32, first: int = 0) -> BagSet:
    """Half of the bags have three segments that differ."""
    random = np.random.default_rng(count)
    features = {name: random.normal(size=(count, 8, dim)) for name, dim in DIMS.items()}
    for bag in range(0, count, 2):
        for own in features.values():
            own[bag, 2:5, 0] += 4
    return BagSet(
        {name: (scale * own).astype(kind) for name, own in features.items()}, np.arange(count) % 2 == 0, first
    )


def batch(data: BagSet, samples: list[int] | None = None) -> BagBatch:
    chosen = np.arange(len(data)) if samples is None else np.array(samples)
    return as_batch(data.batch(chosen, chosen, 0))


def scores(detector: BagDetector, features: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    with torch.inference_mode():
        return detector.eval().score(features)


def test_what_it_says_of_itself_is_true(case: Case) -> None:
    detector = make(case)
    whole = batch(bags()).features
    got = scores(detector, whole)
    assert list(got) == list(detector.components) and set(detector.combination.weights) <= set(got)
    assert all(value.shape == (24, 8) and bool(((value >= 0) & (value <= 1)).all()) for value in got.values())
    required = scores(detector, {name: whole[name] for name in detector.required})
    assert set(detector.combination.weights) <= set(required), "what makes the score needs the required backbones alone"
    assert detector.backbones == DIMS and set(detector.required) <= set(DIMS) and detector.segments == 8


def test_scores_are_deterministic_and_do_not_depend_on_the_batch(case: Case) -> None:
    detector, whole = make(case), batch(bags()).features
    first, again = scores(detector, whole), scores(detector, whole)
    for name, values in first.items():
        assert torch.equal(values, again[name])
        single = torch.cat([scores(detector, {k: v[n : n + 1] for k, v in whole.items()})[name] for n in range(24)])
        torch.testing.assert_close(single, values, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1e3])
def test_odd_features_give_finite_scores_losses_and_gradients(case: Case, scale: float) -> None:
    detector, data = make(case), bags(scale=scale)
    assert all(value.isfinite().all() for value in scores(detector, batch(data).features).values())
    for stage in detector.stages():
        stage.train_mode()
        for update in stage.updates():
            losses = update.loss(batch(data))
            losses["loss"].backward()
            assert all(loss.isfinite() for loss in losses.values())
        assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in detector.parameters())


def test_bf16_stays_near_fp32(case: Case) -> None:
    detector, whole = make(case), batch(bags()).features
    with torch.autocast("cpu", torch.bfloat16):
        half = scores(detector, whole)
    for name, values in scores(detector, whole).items():
        torch.testing.assert_close(half[name].float(), values, rtol=0.05, atol=0.03)


def test_weights_survive_a_file_and_load_as_reference(case: Case) -> None:
    detector, whole = make(case), batch(bags()).features
    before = scores(detector, whole)
    stored = save({name: value.contiguous() for name, value in detector.state_dict().items()})
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(1)
    detector.load_reference_state_dict(load(stored))
    assert all(torch.equal(values, before[name]) for name, values in scores(detector, whole).items())
    with pytest.raises(BundleError):
        detector.load_reference_state_dict({})


def test_losses_fall_and_only_what_should_learn_does(case: Case) -> None:
    detector, data = make(case), batch(bags())
    for stage in detector.stages():
        stage.train_mode()
        (update,) = stage.updates()
        own = {id(p) for group in update.optimiser.param_groups for p in group["params"]}
        fixed = [(p, p.detach().clone()) for p in detector.parameters() if id(p) not in own]
        losses = []
        for _ in range(15):
            for p in detector.parameters():
                p.requires_grad_(id(p) in own)
                p.grad = None
            loss = update.loss(data)["loss"]
            loss.backward()
            update.optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]
        assert all(torch.equal(p, old) for p, old in fixed)


class Ending:
    """Bags during the n-th batch of which somebody presses Ctrl-C."""

    def __init__(self, data: BagSet, at: int) -> None:
        self.data, self.left, self.groups = data, at, data.groups

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, *arguments: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return self.data.batch(*arguments)


@pytest.mark.parametrize("at", [4, 11])
def test_a_resumed_run_ends_with_the_same_bits(case: Case, at: int, tmp_path: Path) -> None:
    plan = TrainingPlan(batch_size=8, budget="14steps")
    whole, resumed, again = make(case), make(case), make(case)
    train(whole, bags(), bags(16, first=24), plan, tmp_path / "whole", CPU)
    with pytest.raises(KeyboardInterrupt):
        train(resumed, Ending(bags(), at), bags(16, first=24), plan, tmp_path / "resumed", CPU)
    train(again, bags(), bags(16, first=24), plan, tmp_path / "resumed", replace(CPU, resume=True))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("case", SPREADABLE, ids=named)
def test_two_devices_learn_what_one_learns_with_the_whole_batch(case: Case, tmp_path: Path) -> None:
    start, one, two = (make(case).double() for _ in range(3))
    data = bags(kind=np.float64)
    plan = TrainingPlan(batch_size=8, budget="6steps")
    train(one, data, None, plan, tmp_path / "one", CPU)
    train(two, data, None, plan, tmp_path / "two", replace(CPU, devices=2))
    assert any((value - start.state_dict()[name]).abs().max() > 0 for name, value in one.state_dict().items())
    for name, value in one.state_dict().items():
        other = two.state_dict()[name]
        torch.testing.assert_close(value, other, rtol=1e-6, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")
