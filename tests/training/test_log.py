"""What people see of a run."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from training_toys import Toy, ToySet

from oddframe.errors import InputError
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.training import log, session
from oddframe.training.checkpoint import TrainingHistory
from oddframe.training.log import ProgressView, TrainingLog
from oddframe.training.loop import train


def record(step: int) -> dict[str, Any]:
    return {"stage": "all", "step": step, "lr": 0.1, "samples_per_s": 5.0, "losses": {"loss": 1.0}, "heldout/loss": 2.0}


def test_a_resumed_log_has_no_line_twice_and_no_half_line(tmp_path: Path) -> None:
    first = TrainingLog(tmp_path, TrainingHistory(), tensorboard=False)
    for step in (1, 2, 3):
        first.write(record(step))
    first.close()
    with (tmp_path / log.NAME).open("a") as file:
        file.write('{"stage": "a')  # killed while it wrote
    second = TrainingLog(tmp_path, TrainingHistory([record(1), record(2)]), tensorboard=False)
    second.write(record(3))
    second.close()
    lines = [json.loads(line) for line in (tmp_path / log.NAME).read_text().splitlines()]
    assert lines == [record(1), record(2), record(3)]
    assert [path.name for path in tmp_path.iterdir()] == [log.NAME]


def test_plain_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    view = ProgressView(shown=True)
    for step in range(1, 101):
        view.show("teacher", step / 100, loss=0.5, samples_per_s=120.0, seconds_left=3725.4)
    view.close()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "training:   1%  teacher  loss 0.5  120 samples/s  1:02:05 left",
        "training: 100%  teacher  loss 0.5  120 samples/s  1:02:05 left",
    ]


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    view = ProgressView(shown=True)
    view.show("student", 0.25, loss=0.5, samples_per_s=120.0, seconds_left=65)
    view.close()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert all(part in shown.err for part in ("student", "25%", "120 samples/s", "1:05 left"))


def test_epochs_say_where_their_time_went(capsys: pytest.CaptureFixture[str]) -> None:
    view = ProgressView(shown=True)
    view.show_times(
        "teacher", "epochs 3-6", 4, {"data": 0.04, "forward": 5.0, "backward": 9.96, "update": 5.0}, loading=2.5
    )
    assert capsys.readouterr().err.splitlines() == [
        "training: teacher  epochs 3-6: 20 s, 5 s per epoch (forward 25%, backward 50%, update 25%; "
        "loading in the background 2.5 s)"
    ]


def test_every_epoch_is_timed_and_every_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def timed() -> list[str]:
        return [line.split(":")[1].strip() for line in capsys.readouterr().err.splitlines() if "s per epoch" in line]

    plan = TrainingPlan(batch_size=8)
    train(Toy(), ToySet(32), None, plan, tmp_path / "short", TrainingOptions(device="cpu"))
    assert timed() == ["all  all 3 epochs", "decoder  all 2 epochs"]
    monkeypatch.setattr(session, "EPOCH_LINE_SECONDS", 0.0)
    train(Toy(), ToySet(32), ToySet(8), plan, tmp_path / "long", TrainingOptions(device="cpu"))
    assert timed() == [
        "all  epoch 0", "all  epoch 1", "all  epoch 2", "all  all 3 epochs",
        "decoder  epoch 3", "decoder  epoch 4", "decoder  all 2 epochs",
    ]  # fmt: skip


def test_nothing_is_shown_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    view = ProgressView(shown=False)
    view.show("teacher", 1.0, loss=0.5, samples_per_s=120.0, seconds_left=0)
    view.show_times("teacher", "epoch 0", 1, {"forward": 1.0}, loading=0.5)
    view.close()
    assert capsys.readouterr() == ("", "")


def test_tensorboard_that_is_not_there_is_missed_before_work_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "find_spec", lambda name: None)
    plan = TrainingPlan(batch_size=8)
    with pytest.raises(InputError, match="TensorBoard is not installed"):
        train(
            Toy(),
            ToySet(32),
            None,
            plan,
            tmp_path / "out",
            TrainingOptions(device="cpu", progress=False, tensorboard=True),
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="TensorBoard is not installed")
def test_tensorboard_gets_every_figure(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    plan = TrainingPlan(batch_size=8)
    history = train(
        Toy(),
        ToySet(32),
        ToySet(8),
        plan,
        tmp_path,
        TrainingOptions(device="cpu", progress=False, tensorboard=True),
    )
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    losses = [(event.step, pytest.approx(event.value)) for event in events.Scalars("decoder/loss")]
    wanted = [(line["step"], line["losses"]["loss"]) for line in history.records if line["stage"] == "decoder"]
    assert losses == wanted
    assert len(events.Scalars("decoder/heldout/loss")) == 2
