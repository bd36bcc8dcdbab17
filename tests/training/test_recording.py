"""Recorded steps learn what steps learn that are not recorded. What a GPU does is stood in for: it computes anew."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from training_toys import Toy, ToySet, same, weights

from oddframe.errors import TrainingError
from oddframe.models.detector import Batch
from oddframe.models.registry import create, entry
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.testing.windows import training_set
from oddframe.training import recording
from oddframe.training.loop import train
from oddframe.training.recording import WARM_UP, RecordedPass

CPU = torch.device("cpu")


def learned(name: str, preset: str, graphs: bool, folder: Path) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    detector = create(name, preset, **{**entry(name).tiny, **({"centre_batches": 2} if name == "std" else {})})
    data, heldout = training_set(detector.window), training_set(detector.window)
    plan = TrainingPlan(batch_size=8, budget="10steps", schedule="cosine", grad_clip=1.0)
    train(detector, data, heldout, plan, folder, TrainingOptions(device="cpu", progress=False, graphs=graphs))
    return weights(detector)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "preset"), [("mnad", "code"), ("memae", "code"), ("std", "code"), ("sdmae", "paper")])
def test_recorded_steps_learn_the_same(name: str, preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = learned(name, preset, False, tmp_path / "plain")
    recorded = []
    anew = RecordedPass._compute_anew

    def noted(self: RecordedPass, batch: Batch) -> None:
        recorded.append(batch)
        anew(self, batch)

    monkeypatch.setattr(RecordedPass, "_compute_anew", noted)
    assert same(plain, learned(name, preset, True, tmp_path / "recorded"))
    assert len(recorded) >= 10 - 2 * WARM_UP, "most steps are recorded"


def test_a_stage_that_does_not_allow_it_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording.RecordedPass, "__call__", lambda self, batch: 1 / 0)
    train(
        Toy(), ToySet(8), None, TrainingPlan(batch_size=4), tmp_path,
        TrainingOptions(device="cpu", progress=False, graphs=True),
    )  # fmt: skip


def recorded_line() -> tuple[RecordedPass, torch.nn.Parameter, Any]:
    """A pass that multiplies by a weight, and leaves its product in its stage."""
    weight, stage = torch.nn.Parameter(torch.tensor(2.0)), SimpleNamespace(name="line")

    def compute(batch: Batch) -> dict[str, torch.Tensor]:
        weight.grad = None
        stage.product = (weight * batch.frames).detach()
        loss = (weight * batch.frames).sum()
        loss.backward()
        return {"loss": loss.detach()}

    return RecordedPass(lambda: torch.no_grad(), compute, [weight], stage, CPU), weight, stage


def batch_of(*values: float) -> Batch:
    frames = torch.tensor(values)
    return Batch(frames, frames, torch.zeros(len(values), dtype=torch.int64))


def test_results_lie_where_they_were_recorded() -> None:
    step, weight, stage = recorded_line()
    for n in range(WARM_UP):
        assert step(batch_of(n, 1.0))["loss"].item() == 2.0 * (n + 1)
    first = step(batch_of(3.0, 4.0))["loss"]
    gradient, product = weight.grad, stage.product
    stage.product, weight.grad = torch.zeros(1), None  # as a measurement on held-out samples leaves them
    assert step(batch_of(5.0, 6.0))["loss"] is first and first.item() == 22.0
    assert weight.grad is gradient and gradient.item() == 11.0
    assert stage.product is product and product.tolist() == [10.0, 12.0]


def test_a_batch_of_another_size_is_computed_as_it_comes() -> None:
    step, weight, _ = recorded_line()
    for _ in range(WARM_UP + 1):
        step(batch_of(1.0, 1.0))
    assert step(batch_of(1.0, 1.0, 1.0))["loss"].item() == 6.0
    assert step(batch_of(1.0, 2.0))["loss"].item() == 6.0 and weight.grad.item() == 3.0


def test_a_recording_is_made_once_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    step, weight, stage = recorded_line()
    step._device = torch.device("cuda")
    recorded, replayed = [], []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: replayed.append(1)))

    def record(graph: Any, capture_error_mode: str) -> Any:
        recorded.append(capture_error_mode)
        return nullcontext()

    monkeypatch.setattr(torch.cuda, "graph", record)
    for n in range(WARM_UP):
        step(batch_of(float(n)))
    losses, gradient, product = step(batch_of(7.0)), weight.grad, stage.product
    for n in range(2):
        stage.product, weight.grad = None, None
        assert step(batch_of(float(n))) is losses and weight.grad is gradient and stage.product is product
        assert step._batch.frames.item() == n, "the batch lies where the recording reads it"
    assert recorded == ["thread_local"] and len(replayed) == 3


def test_what_cannot_be_recorded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    step, _, _ = recorded_line()
    step._device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: None)

    def refuse(graph: None, capture_error_mode: str) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")

    monkeypatch.setattr(torch.cuda, "graph", refuse)
    for _ in range(WARM_UP):
        step(batch_of(1.0))
    with pytest.raises(TrainingError, match=r"'line' cannot be recorded as a CUDA graph \(.*ing\); run the same"):
        step(batch_of(1.0))
