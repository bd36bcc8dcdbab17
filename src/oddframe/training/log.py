"""Log and progress display of a run: training.jsonl, TensorBoard on request, and a progress bar or plain lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from oddframe.atomic import write_text
from oddframe.errors import InputError
from oddframe.training.checkpoint import TrainingHistory

NAME = "training.jsonl"
PLAIN_LINE_SECONDS = 10.0
LEAST_SHARE = 0.005  # share of the time from which a part is named


def check_tensorboard() -> None:
    """Check before training starts that TensorBoard events can be written.

    Raises:
        InputError: TensorBoard is not installed.
    """
    if find_spec("tensorboard") is None:
        raise InputError("TensorBoard is not installed: pip install 'oddframe[tensorboard]', or train without it")


class TrainingLog:
    """Writes the records of a run to files. The log begins with those in `history`, so no line occurs twice."""

    def __init__(self, folder: Path, history: TrainingHistory, tensorboard: bool) -> None:
        write_text(folder / NAME, "".join(json.dumps(record) + "\n" for record in history.records))
        self._lines = (folder / NAME).open("a", encoding="utf-8")
        self._events: Any = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            last = history.records[-1]["step"] if history.records else 0
            self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=last + 1)

    def write(self, record: dict[str, Any]) -> None:
        """Append one record; see `TrainingHistory.records`."""
        self._lines.write(json.dumps(record) + "\n")
        self._lines.flush()
        if self._events is not None:
            scalars = {"lr": record["lr"], "samples_per_s": record["samples_per_s"], **record["losses"]}
            scalars |= {name: value for name, value in record.items() if name.startswith("heldout/")}
            for name, value in scalars.items():
                self._events.add_scalar(f"{record['stage']}/{name}", value, record["step"])

    def close(self) -> None:
        """Close the files."""
        self._lines.close()
        if self._events is not None:
            self._events.close()


class ProgressView:
    """Shows the progress of a run: a bar if standard error is a terminal, otherwise a plain line every ten seconds."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._next_line = 0.0
        self._bar: Progress | None = None
        if shown and sys.stderr.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[note]}"),
            )
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("training", total=1.0, note="")
            self._bar.start()

    def show(self, stage: str, done: float, loss: float, samples_per_s: float, seconds_left: float) -> None:
        """Show the stage, the finished fraction of the whole run, the loss, the speed and the remaining time."""
        note = f"loss {loss:.4g}  {samples_per_s:.3g} samples/s  {_clock(seconds_left)} left"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=stage, note=note)
        elif self._shown and (time.monotonic() >= self._next_line or done >= 1):
            self._next_line = time.monotonic() + PLAIN_LINE_SECONDS
            print(f"training: {done:4.0%}  {stage}  {note}", file=sys.stderr, flush=True)

    def show_times(self, stage: str, what: str, epochs: float, seconds: Mapping[str, float], loading: float) -> None:
        """Print one line with the time of some epochs, by part.

        Args:
            stage: name of the stage.
            what: the epochs in words.
            epochs: number of epochs.
            seconds, loading: time spent on them, as in `TrainingHistory`.
        """
        total = sum(seconds.values())
        parts = [f"{part} {spent / total:.0%}" for part, spent in seconds.items() if spent >= LEAST_SHARE * total]
        line = (
            f"training: {stage}  {what}: {total:.3g} s, {total / epochs:.3g} s per epoch ({', '.join(parts)}; "
            f"loading in the background {loading:.3g} s)"
        )
        if self._bar is not None:
            self._bar.console.print(line, highlight=False, markup=False)
        elif self._shown:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Stop the progress bar."""
        if self._bar is not None:
            self._bar.stop()


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
