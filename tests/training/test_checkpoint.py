"""The checkpoint is whole or it is the one before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from training_toys import Toy, same, weights

from oddframe.errors import BundleError
from oddframe.training import checkpoint
from oddframe.training.checkpoint import Checkpoint, TrainingHistory, TrainingState, load_checkpoint, save_checkpoint


def example(step: int) -> Checkpoint:
    detector = Toy()
    optimiser = detector.stages()[0].updates()[0].optimiser
    sum(parameter.square().sum() for parameter in detector.parameters()).backward()  # type: ignore[union-attr]
    optimiser.step()
    history = TrainingHistory([{"stage": "all", "lr": 0.1, "losses": {"loss": 1.5}}], {"all": {"data": 0.25}})
    state = TrainingState(1, step, 7, 3, 1.5, 2.5, {"loss": 0.1}, 2, history)
    return Checkpoint({"seed": 0, "stages": [["all", 3]]}, state, weights(detector), [optimiser.state_dict()])


class Trap:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    torch.save(
        {"signature": {}, "state": Trap(tmp_path / "ran"), "model": {}, "optimisers": None}, tmp_path / checkpoint.NAME
    )
    with pytest.raises(BundleError, match="not a training checkpoint"):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_everything_comes_back(tmp_path: Path) -> None:
    saved = example(step=5)
    save_checkpoint(tmp_path, saved)
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert (loaded.signature, loaded.state) == (saved.signature, saved.state)
    assert same(loaded.model, saved.model)
    assert loaded.optimisers is not None
    assert saved.optimisers is not None
    assert loaded.optimisers[0]["param_groups"] == saved.optimisers[0]["param_groups"]
    for number, slots in saved.optimisers[0]["state"].items():
        assert same(loaded.optimisers[0]["state"][number], slots)
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.NAME]


def test_a_folder_without_checkpoint_has_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None


def test_a_save_that_fails_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, example(step=5))

    def full(content: Any, file: Any) -> None:
        file.write(b"half a check")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(tmp_path, example(step=6))
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert loaded.state.step == 5
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.NAME]


class Harmful:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a checkpoint", {"weights": torch.zeros(2)}, {"signature": Harmful()}],
    ids=["empty", "text", "weights", "code"],
)
def test_other_files_are_refused(tmp_path: Path, content: Any) -> None:
    if isinstance(content, bytes):
        (tmp_path / checkpoint.NAME).write_bytes(content)
    else:
        torch.save(content, tmp_path / checkpoint.NAME)
    with pytest.raises(BundleError, match="not a training checkpoint"):
        load_checkpoint(tmp_path)
