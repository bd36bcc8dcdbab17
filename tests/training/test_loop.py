"""The training loop on one device."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from training_toys import Toy, ToyClips, ToySet, ToyStage, same, weights

from oddframe.datasets.hashing import hash64
from oddframe.errors import BundleError, InputError, TrainingError
from oddframe.models.detector import Batch
from oddframe.models.stage import Stage, Update
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.training.checkpoint import load_checkpoint
from oddframe.training.loop import train
from oddframe.training.sampling import KEY

PLAN = TrainingPlan(batch_size=8)
CPU = TrainingOptions(device="cpu", progress=False)
TIMES = {"time", "samples_per_s", "data_wait", "epoch_s", "seconds", "loading"}


def test_learns_logs_and_leaves_the_detector_ready_to_score(tmp_path: Path) -> None:
    detector = Toy()
    before, begin = weights(detector), time.monotonic()
    history = train(detector, ToySet(64), ToySet(20, seed=1), PLAN, tmp_path, CPU)
    took = time.monotonic() - begin

    assert not same(before, weights(detector))
    assert not detector.training
    assert all(parameter.requires_grad for parameter in detector.parameters())
    lines = [json.loads(line) for line in (tmp_path / "training.jsonl").read_text().splitlines()]
    assert lines == history.records
    assert [line["step"] for line in lines] == sorted({line["step"] for line in lines})
    assert lines[-1]["step"] == (3 + 2) * 64 // 8
    # Held-out samples are measured at the end of every epoch.
    measured = [line for line in lines if "heldout/loss" in line]
    assert [(line["stage"], line["epoch"], line["step"]) for line in measured] == [
        ("all", 0, 8), ("all", 1, 16), ("all", 2, 24), ("decoder", 3, 32), ("decoder", 4, 40),
    ]  # fmt: skip
    assert measured[2]["heldout/loss"] < 0.8 * measured[0]["heldout/loss"]
    assert set(lines[0]["losses"]) == {"loss", "worst"}
    assert all(line["samples_per_s"] > 0 and 0 <= line["data_wait"] <= 1 for line in lines)
    assert set(history.seconds) == {"all", "decoder"}
    assert set(history.seconds["all"]) == {
        "prepare", "data", "forward", "backward", "update", "losses", "heldout", "checkpoint",
    }  # fmt: skip
    # The lines divide the time of a stage among them.
    for stage, parts in history.seconds.items():
        own = [line for line in lines if line["stage"] == stage]
        for part in ("forward", "backward", "update", "heldout"):
            assert sum(line["seconds"].get(part, 0.0) for line in own) == pytest.approx(parts[part], abs=0.01)
        assert sum(line["loading"] for line in own) == pytest.approx(history.loading[stage], abs=0.01)
        assert 0 < history.loading[stage] < took
    assert all(line["epoch_s"] == pytest.approx(64 / line["samples_per_s"]) for line in lines)


def test_a_stage_changes_only_what_its_optimiser_holds(tmp_path: Path) -> None:
    first, both = Toy(epochs=(2, 0)), Toy(epochs=(2, 2))
    train(first, ToySet(32), None, PLAN, tmp_path / "first", CPU)
    train(both, ToySet(32), None, PLAN, tmp_path / "both", CPU)
    after_one, after_two = weights(first), weights(both)
    for name, value in after_one.items():
        assert torch.equal(value, after_two[name]) == name.startswith("encoder"), name


def test_every_epoch_sees_every_sample_once_with_a_key_of_its_own(tmp_path: Path) -> None:
    class Watching(Toy):
        def errors(self, batch: Batch) -> torch.Tensor:
            seen.extend(batch.key.tolist())
            return super().errors(batch)

    seen: list[int] = []
    train(Watching(), ToySet(32), None, PLAN, tmp_path, CPU)
    epochs = [seen[begin : begin + 32] for begin in range(0, 5 * 32, 32)]
    for epoch, keys in enumerate(epochs):
        stage = 0 if epoch < 3 else 1
        assert sorted(keys) == sorted(hash64(KEY, PLAN.seed, stage, epoch, np.arange(32)).tolist())
    assert len(set(seen)) == len(seen) == 5 * 32


class Noted(Toy):
    """Notes a draw of torch's generator in every step, as dropout makes one."""

    def __init__(self) -> None:
        super().__init__()
        self.draws: list[float] = []

    def errors(self, batch: Batch) -> torch.Tensor:
        if any(module.training for module in self.modules()):
            self.draws.append(float(torch.rand(())))
        return super().errors(batch)


def test_dropout_differs_from_step_to_step_from_stage_to_stage_and_from_seed_to_seed(tmp_path: Path) -> None:
    draws = []
    for number, seed in enumerate((0, 0, 1)):
        detector = Noted()
        train(detector, ToySet(32), ToySet(20), replace(PLAN, seed=seed), tmp_path / str(number), CPU)
        assert len(set(detector.draws)) == len(detector.draws) == (3 + 2) * 32 // 8
        draws.append(detector.draws)
    assert draws[0] == draws[1]
    assert not set(draws[0]) & set(draws[2])


def test_learning_rate_follows_the_schedule_in_each_stage(tmp_path: Path) -> None:
    plan = replace(PLAN, schedule="cosine", warmup=0.25, budget="40steps")
    history = train(Toy(epochs=(1, 1), rate=0.5), ToySet(64), None, plan, tmp_path, CPU)
    for stage in ("all", "decoder"):
        rates = [record["lr"] for record in history.records if record["stage"] == stage]
        assert len(rates) == 20
        assert rates[0] == pytest.approx(0.005)
        assert np.argmax(rates) == 5
        assert max(rates) == pytest.approx(0.5)
        assert rates[-1] < 0.01


def test_heldout_losses_depend_on_the_weights_alone(tmp_path: Path) -> None:
    heldout = ToySet(700, seed=1)
    history = train(Toy(rate=0.0, norm=False), ToySet(64), heldout, PLAN, tmp_path, CPU)
    losses = [record["heldout/loss"] for record in history.records if "heldout/loss" in record]
    assert len(losses) == 5
    assert len(set(losses)) == 1
    assert len({sample for samples, _, _ in heldout.seen for sample in samples}) == 256
    samples = np.unique([sample for samples, _, _ in heldout.seen for sample in samples])
    frames = torch.from_numpy(heldout.frames[samples])
    model = Toy(norm=False).eval()
    clean = frames.flatten(1).float() / 255
    with torch.no_grad():
        expected = float((model.decoder(model.encoder(clean)) - clean).square().mean())
    assert losses[0] == pytest.approx(expected, rel=1e-5)


def test_heldout_sums_compare_with_those_of_training(tmp_path: Path) -> None:
    history = train(Toy(rate=0.0, sums=True, dropout=0, norm=False), ToySet(64), ToySet(64), PLAN, tmp_path, CPU)
    seen = sum(record["losses"]["loss"] for record in history.records[:8]) / 8
    assert history.records[7]["heldout/loss"] == pytest.approx(seen, rel=1e-5)


class InterruptingSet(ToySet):
    """Presses Ctrl-C while a batch is being fetched."""

    at = 13

    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> ToyClips:
        clips = super().batch(samples, keys, epoch)
        if len(self.seen) == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return clips


def test_an_interrupted_run_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    whole, broken = Toy(), Toy()
    straight = train(whole, ToySet(64), ToySet(20), PLAN, tmp_path / "whole", CPU)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(broken, InterruptingSet(64, pause=0.01), ToySet(20), PLAN, tmp_path / "broken", CPU)
    assert signal.getsignal(signal.SIGINT) is handler
    saved = load_checkpoint(tmp_path / "broken")
    assert saved is not None
    assert 0 < saved.state.step < 24
    assert not same(weights(whole), weights(broken))

    resumed = Toy()
    history = train(resumed, ToySet(64), ToySet(20), PLAN, tmp_path / "broken", replace(CPU, resume=True))
    assert same(weights(whole), weights(resumed))
    timeless = [
        [{k: v for k, v in record.items() if k not in TIMES} for record in records]
        for records in (straight.records, history.records)
    ]
    assert timeless[0] == timeless[1]
    assert (tmp_path / "broken" / "training.jsonl").read_text().count("\n") == len(history.records)
    assert history.records[-1]["time"] > saved.state.elapsed


class Looking(ToySet):
    """Notes with every batch whether there is a checkpoint yet."""

    def __init__(self, out: Path) -> None:
        super().__init__(64)
        self.path = out / "checkpoint.pt"
        self.there: list[bool] = []

    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> ToyClips:
        self.there.append(self.path.exists())
        return super().batch(samples, keys, epoch)


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "early"), [(0.0, True), (1e9, False)])
def test_checkpoints_within_a_stage_are_written_as_often_as_asked(tmp_path: Path, seconds: float, early: bool) -> None:
    data = Looking(tmp_path)
    train(Toy(epochs=(20, 0)), data, None, PLAN, tmp_path, replace(CPU, checkpoint_seconds=seconds))
    assert len(data.there) >= 160
    assert any(data.there) == early
    assert data.path.exists(), "one is left at the end"


def test_an_interruption_leaves_its_own_step(tmp_path: Path) -> None:
    data = InterruptingSet(64, pause=0.02)
    with pytest.raises(KeyboardInterrupt):
        train(Toy(), data, None, PLAN, tmp_path, replace(CPU, checkpoint_seconds=1e9))
    saved = load_checkpoint(tmp_path)
    assert saved is not None and saved.state.stage == 0 and saved.state.step >= InterruptingSet.at - 8


@pytest.mark.slow
def test_by_the_clock_measurements_that_cost_too_much_wait_for_the_end(tmp_path: Path) -> None:
    plan = replace(PLAN, budget="1s")
    heldout = ToySet(8, pause=0.2)  # one measurement takes four times its share of the budget
    history = train(Toy(epochs=(1, 0)), ToySet(64, pause=0.002), heldout, plan, tmp_path, CPU)
    measured = [record["progress"] for record in history.records if "heldout/loss" in record]
    assert measured[-1] == 1.0 and len(measured) <= 3
    assert len(history.records) > len(measured)


@pytest.mark.parametrize("heldout", [None, ToySet(0)], ids=["none", "empty"])
def test_without_held_out_samples_nothing_is_measured(heldout: ToySet | None, tmp_path: Path) -> None:
    history = train(Toy(epochs=(1, 0)), ToySet(64), heldout, PLAN, tmp_path, CPU)
    assert history.records and not any("heldout/loss" in record for record in history.records)


def test_a_finished_run_resumes_to_what_it_was(tmp_path: Path) -> None:
    first, again = Toy(), Toy()
    history = train(first, ToySet(32), None, PLAN, tmp_path, CPU)
    data = ToySet(32)
    assert train(again, data, None, PLAN, tmp_path, replace(CPU, resume=True)) == history
    assert same(weights(first), weights(again))
    assert data.seen == []


def test_without_resume_an_old_checkpoint_is_forgotten(tmp_path: Path) -> None:
    first, again = Toy(), Toy()
    train(first, ToySet(32), None, PLAN, tmp_path, CPU)
    train(again, ToySet(32), None, PLAN, tmp_path, CPU)
    assert same(weights(first), weights(again))
    assert (tmp_path / "training.jsonl").read_text().count('"progress": 1.0') == 2


@pytest.mark.parametrize(
    ("plan", "samples", "message"),
    [(replace(PLAN, seed=1), 32, "seed 0, now 1"), (PLAN, 33, "samples 32, now 33")],
)
def test_resuming_with_other_settings_is_refused(
    tmp_path: Path, plan: TrainingPlan, samples: int, message: str
) -> None:
    train(Toy(), ToySet(32), None, PLAN, tmp_path, CPU)
    with pytest.raises(BundleError, match=message):
        train(Toy(), ToySet(samples), None, plan, tmp_path, replace(CPU, resume=True))


def test_a_checkpoint_names_the_settings_in_the_form_that_older_ones_have(tmp_path: Path) -> None:
    train(Toy(), ToySet(32), None, replace(PLAN, budget="4steps", holdout=0.3), tmp_path, CPU)
    saved = load_checkpoint(tmp_path)
    assert saved is not None and saved.signature == {
        "batch_size": 8, "precision": "fp32", "seed": 0, "schedule": "constant", "warmup": 0.0,
        "budget": {"amount": 4.0, "unit": "steps"}, "grad_clip": None,
        "samples": 32, "stages": [["all", 3], ["decoder", 2]],
    }  # fmt: skip


def test_resuming_with_another_detector_is_refused(tmp_path: Path) -> None:
    train(Toy(), ToySet(32), None, PLAN, tmp_path, CPU)
    with pytest.raises(BundleError, match=r"another detector.*encoder\.1"):
        train(Toy(norm=False), ToySet(32), None, PLAN, tmp_path, replace(CPU, resume=True))


@pytest.mark.slow
def test_a_time_budget_is_kept_and_shared_by_the_stages(tmp_path: Path) -> None:
    plan = replace(PLAN, budget="1.5s", schedule="cosine")
    history = train(Toy(epochs=(20, 10)), ToySet(64, pause=0.002), ToySet(20), plan, tmp_path, CPU)
    end = {record["stage"]: record["time"] for record in history.records}
    # The bounds above leave room for a machine with other things to do.
    assert 1.0 <= end["all"] < 1.4
    assert 1.5 <= end["decoder"] < 2.5
    assert history.records[-1]["lr"] < 4e-3
    measured = [record["progress"] for record in history.records if "heldout/loss" in record]
    assert 2 <= len(measured) <= 40
    assert measured[-1] == 1.0
    spent = sum(sum(parts.values()) for parts in history.seconds.values())
    assert spent == pytest.approx(end["decoder"], rel=0.2)


def test_a_loss_that_is_not_finite_ends_the_run_at_its_step(tmp_path: Path) -> None:
    class Poisoned(Toy):
        calls = 0

        def errors(self, batch: Batch) -> torch.Tensor:
            self.calls += 1
            return super().errors(batch) * (float("nan") if self.calls == 6 else 1.0)

    detector = Poisoned(epochs=(1, 1))
    with pytest.raises(TrainingError, match=r"stage 'all', step 6: the loss is not finite \(loss: nan, worst: nan\)"):
        train(detector, ToySet(64), None, PLAN, tmp_path, replace(CPU, checkpoint_seconds=0.0))
    saved = load_checkpoint(tmp_path)
    assert saved is None or all(value.isfinite().all() for value in saved.model.values())


def test_bf16_trains_too(tmp_path: Path) -> None:
    detector = Toy()
    history = train(detector, ToySet(64), None, replace(PLAN, precision="bf16", grad_clip=1.0), tmp_path, CPU)
    assert history.records[-1]["losses"]["loss"] < history.records[0]["losses"]["loss"]
    assert all(value.dtype != torch.bfloat16 for value in weights(detector).values())


def test_grad_clip_bounds_the_step(tmp_path: Path) -> None:
    class Plain(Toy):
        def stages(self) -> list[Stage]:
            return [PlainStage(self, "all", 1, [self.encoder, self.decoder])]

    class PlainStage(ToyStage):
        def updates(self) -> list[Update]:
            return [Update(torch.optim.SGD(self.model.parameters(), lr=1.0), self.loss)]

    detector = Plain(norm=False)
    before = torch.cat([value.flatten() for value in weights(detector).values()])
    train(detector, ToySet(8), None, replace(PLAN, grad_clip=1e-3), tmp_path, CPU)
    after = torch.cat([value.flatten() for value in weights(detector).values()])
    assert float((after - before).norm()) == pytest.approx(1e-3, rel=1e-2)


def test_errors_of_the_data_come_through(tmp_path: Path) -> None:
    class Broken(ToySet):
        def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> ToyClips:
            raise InputError("the cache is gone")

    with pytest.raises(InputError, match="the cache is gone"):
        train(Toy(), Broken(32), None, PLAN, tmp_path, CPU)


@pytest.mark.parametrize(
    ("samples", "devices", "message"),
    [(0, 1, "nothing to train on"), (32, 3, "multiple of the number of devices"), (1, 2, "cannot be divided")],
)
def test_impossible_requests_are_refused_before_work_starts(
    tmp_path: Path, samples: int, devices: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train(Toy(), ToySet(samples), None, PLAN, tmp_path / "out", replace(CPU, devices=devices))
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what the test asks for in vain")
def test_devices_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot train on 1 x 'cuda'"):
        train(Toy(), ToySet(32), None, PLAN, tmp_path, TrainingOptions(device="cuda"))


def test_a_detector_that_learns_nothing_needs_no_training(tmp_path: Path) -> None:
    assert train(Toy(epochs=(0, 0)), ToySet(0), None, PLAN, tmp_path / "out").records == []
    assert not (tmp_path / "out").exists()
