"""Training in several processes: the same as in one, and no error or Ctrl-C gets lost between them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from training_toys import Toy, ToyClips, ToySet, weights

from oddframe.errors import InputError, TrainingError
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.training.checkpoint import load_checkpoint
from oddframe.training.launch import _pack, make_fabric
from oddframe.training.loop import train

PLAN = TrainingPlan(batch_size=8, schedule="cosine")
CPU = TrainingOptions(device="cpu", progress=False)


class MappedSet(ToySet):
    """Its frames are a part of a memory-mapped file, as those of the frame cache are."""

    def __init__(self, path: Path, count: int) -> None:
        super().__init__(count)
        np.save(path, np.concatenate([np.zeros_like(self.frames), self.frames]))
        self.frames: NDArray[np.uint8] = np.load(path, mmap_mode="r")[count:]


class PoisonedSet(ToySet):
    """Fails on whichever device is given the sample."""

    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> ToyClips:
        if 17 in samples:
            raise InputError("sample 17 cannot be read")
        return super().batch(samples, keys, epoch)


class DeadlySet(ToySet):
    """Kills whichever device is given the sample."""

    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> ToyClips:
        if 17 in samples:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(samples, keys, epoch)


class Diverging(Toy):
    """Its loss is infinite on the second device alone."""

    def errors(self, batch):  # type: ignore[no-untyped-def]
        return super().errors(batch) / (1 - torch.distributed.get_rank())


@pytest.mark.slow
@pytest.mark.parametrize("sums", [False, True], ids=["mean", "sum"])
def test_two_devices_learn_what_one_learns(tmp_path: Path, sums: bool, capfd: pytest.CaptureFixture[str]) -> None:
    start, one, two = (Toy(norm=False, dropout=0, sums=sums) for _ in range(3))
    first = train(one, ToySet(64), ToySet(20), PLAN, tmp_path / "one", CPU)
    data = MappedSet(tmp_path / "frames.npy", 64)
    second = train(two, data, ToySet(20), PLAN, tmp_path / "two", replace(CPU, devices=2))
    for name, value in weights(one).items():
        torch.testing.assert_close(value, weights(two)[name], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(value, weights(start)[name], rtol=1e-2, atol=1e-3)
    assert [record["step"] for record in first.records] == [record["step"] for record in second.records]
    for alone, shared in zip(first.records, second.records, strict=True):
        assert alone["losses"]["loss"] == pytest.approx(shared["losses"]["loss"], rel=1e-3)
        assert alone.get("heldout/loss", 0) == pytest.approx(shared.get("heldout/loss", 0), rel=1e-3)
    assert any("heldout/loss" in record for record in second.records)
    assert not two.training
    assert all(parameter.requires_grad for parameter in two.parameters())
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_an_error_on_one_device_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^sample 17 cannot be read$"):
        train(Toy(), PoisonedSet(64), None, PLAN, tmp_path, replace(CPU, devices=2))


@pytest.mark.slow
def test_a_loss_that_is_not_finite_on_one_device_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="stage 'all', step 1: the loss is not finite"):
        train(Diverging(), ToySet(64), None, PLAN, tmp_path, replace(CPU, devices=2))


@pytest.mark.slow
def test_a_killed_device_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        TrainingError, match=r"^a process of the training was killed \(SIGKILL; out of memory\?\); the last"
    ):
        train(Toy(norm=False), DeadlySet(64), None, PLAN, tmp_path, replace(CPU, devices=2))
    assert capfd.readouterr().err == ""
    assert multiprocessing.active_children() == []


SCRIPT = """
import sys
from pathlib import Path
from training_toys import Toy, ToySet
from oddframe.training.loop import train
from oddframe.settings import TrainingOptions, TrainingPlan

if __name__ == "__main__":
    try:
        plan, out = TrainingPlan(batch_size=8), Path(sys.argv[1])
        options = TrainingOptions(devices=2, device="cpu")
        train(Toy(epochs=(200, 1)), ToySet(64, pause=0.02), None, plan, out, options)
    except KeyboardInterrupt:
        sys.exit(42)
"""


@pytest.mark.slow
def test_an_interrupted_run_leaves_a_checkpoint(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    log = tmp_path / "out" / "training.jsonl"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    run = subprocess.Popen([sys.executable, script, log.parent], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(1200):
            if log.exists() and log.stat().st_size:
                break
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        _, shown = run.communicate(timeout=120)
    finally:
        run.kill()
    assert run.returncode == 42, shown
    assert "samples/s" in shown
    assert "Traceback" not in shown
    saved = load_checkpoint(log.parent)
    assert saved is not None
    assert saved.state.step > 0


def test_memory_mapped_frames_travel_as_a_path(tmp_path: Path) -> None:
    path = tmp_path / "frames.npy"
    frames = np.arange(10**6, dtype=np.int32).reshape(1000, 1000)
    np.save(path, frames)
    mapped = np.load(path, mmap_mode="r")
    parts = mapped, mapped[100:200], mapped[300:][5:6], mapped[7]
    packed = _pack(parts)
    assert len(packed) < 5000
    for sent, part in zip(pickle.loads(packed), parts, strict=True):
        assert isinstance(sent, np.memmap)
        assert not sent.flags.writeable
        np.testing.assert_array_equal(sent, part)


def test_what_is_no_longer_in_the_file_travels_by_value(tmp_path: Path) -> None:
    path = tmp_path / "frames.npy"
    np.save(path, np.arange(100).reshape(10, 10))
    mapped = np.load(path, mmap_mode="r")
    parts = mapped[:, 3], mapped + 1, mapped[[3, 1]]
    for sent, part in zip(pickle.loads(_pack(parts)), parts, strict=True):
        np.testing.assert_array_equal(sent, part)


def test_what_cannot_travel_is_refused(tmp_path: Path) -> None:
    data = ToySet(8)
    data.hook = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"copied to other processes: .*lambda"):
        train(Toy(), data, None, PLAN, tmp_path, replace(CPU, devices=2))


def test_an_interactive_session_has_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with pytest.raises(InputError, match="interactive"):
        make_fabric(2, "cpu", "fp32")
    assert make_fabric(1, "cpu", "fp32").world_size == 1
