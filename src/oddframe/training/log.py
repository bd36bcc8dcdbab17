"""Log and progress display of a run: training.jsonl, TensorBoard on request, and a progress bar or plain lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from oddframe.atomic import naming, write_text
from oddframe.errors import InputError
from oddframe.extras import how_to_install
from oddframe.progress import clock, progress_bars, silent
from oddframe.training.checkpoint import TrainingHistory

NAME = "training.jsonl"
PLAIN_LINE_SECONDS = 10.0
SHARES = 1000  # steps of the bar of a whole run
LEAST_SHARE = 0.005  # share of the time from which a part is named


def check_tensorboard() -> None:
    """Check before training starts that TensorBoard events can be written.

    Raises:
        InputError: TensorBoard is not installed.
    """
    if find_spec("tensorboard") is None:
        raise InputError(f"TensorBoard is not installed: {how_to_install('tensorboard')}; or train without it")


class TrainingLog:
    """Writes the records of a run to files. The log begins with those in `history`, so no line occurs twice."""

    def __init__(self, folder: Path, history: TrainingHistory, tensorboard: bool) -> None:
        self._path = folder / NAME
        write_text(self._path, "".join(json.dumps(record) + "\n" for record in history.records))
        self._lines = self._path.open("a", encoding="utf-8")
        self._events: Any = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            last = history.records[-1]["step"] if history.records else 0
            self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=last + 1)

    def write(self, record: dict[str, Any]) -> None:
        """Append one record; see `TrainingHistory.records`."""
        with naming(self._path):
            self._lines.write(json.dumps(record) + "\n")
            self._lines.flush()
        if self._events is not None:
            scalars = {"lr": record["lr"], "samples_per_s": record["samples_per_s"], **record["losses"]}
            scalars |= {name: value for name, value in record.items() if name.startswith("heldout/")}
            for name, value in scalars.items():
                self._events.add_scalar(f"{record['stage']}/{name}", value, record["step"])

    def close(self) -> None:
        """Close the files."""
        with naming(self._path):  # what a full disk did not take is tried again
            self._lines.close()
        if self._events is not None:
            self._events.close()


class ProgressView:
    """Shows the progress of a run: a bar if standard error is a terminal, otherwise a plain line every ten seconds."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown and not silent()
        self._next_line = 0.0
        self._block = ExitStack()
        self._bars = self._block.enter_context(progress_bars()) if self._shown and sys.stderr.isatty() else None

    def show(self, stage: str, done: float, loss: float, samples_per_s: float, seconds_left: float) -> None:
        """Show the stage, the finished fraction of the whole run, the loss, the speed and the remaining time."""
        note = f"loss {loss:.4g}  {samples_per_s:.3g} samples/s  {clock(seconds_left)} left"
        if self._bars is not None:
            self._bars("training", round(done * SHARES), SHARES, f"{done:.0%}  {stage}  {note}")
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
        if self._bars is not None:
            self._bars.console.print(line, highlight=False, markup=False)
        elif self._shown:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the progress bar."""
        self._block.close()
