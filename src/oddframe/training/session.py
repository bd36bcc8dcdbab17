"""State of a training session while the loop runs: losses, time, log, checkpoints, and agreement of processes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from oddframe.errors import BundleError, TrainingError
from oddframe.models.learner import Learner
from oddframe.models.stage import Stage
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.training.checkpoint import Checkpoint, TrainingState, check_signature, load_checkpoint, save_checkpoint
from oddframe.training.launch import Interrupts
from oddframe.training.log import ProgressView, TrainingLog
from oddframe.training.sampling import Sampler
from oddframe.training.stages import StageSpan, fraction_done, span_of_stage

AGREE_SECONDS = 0.1  # reading a loss waits for the device, so it happens at about this interval, not at every step
MOST_PENDING = 50
SAVING_SHARE = 0.05  # maximum share of the time for writing checkpoints
EPOCH_LINE_SECONDS = 10.0  # shorter epochs share a line
# Settings that must equal those of the checkpoint.
SIGNED = ("batch_size", "precision", "seed", "schedule", "warmup", "grad_clip")


@dataclass(frozen=True)
class _Mark:
    """The state of a stage at the last report: steps, the clock of the run, and seconds as in `TrainingHistory`."""

    step: int
    elapsed: float
    seconds: dict[str, float]
    loading: float


class TrainingSession:
    """The session of one process. Only the first process writes files and shows progress.

    Attributes:
        state: state of the run, from the checkpoint in `out` if there is one.
        optimiser_states: from that checkpoint, for the current stage.
        sampler, span: samples and length of the current stage; set by `begin_stage`.
    """

    sampler: Sampler
    span: StageSpan

    def __init__(
        self,
        fabric: Fabric,
        interrupts: Interrupts,
        detector: Learner,
        groups: Sequence[range],
        plan: TrainingPlan,
        out: Path,
        options: TrainingOptions,
    ) -> None:
        self.fabric, self.detector, self.plan = fabric, detector, plan
        self._options = options
        self.stages = detector.stages()
        self._interrupts, self._groups, self._out = interrupts, tuple(groups), out
        self._lengths = [stage.length for stage in self.stages]
        self._signature = {
            **{name: getattr(plan, name) for name in SIGNED},
            "budget": None if plan.length is None else asdict(plan.length),
            "samples": sum(map(len, groups)),
            "stages": [[stage.name, stage.length] for stage in self.stages],
        }
        self.state, self.optimiser_states = self._load()
        fabric.barrier()  # all processes must have read the checkpoint before a new one is written
        self._clock_start = time.monotonic() - self.state.elapsed
        self._last_save = (self.state.elapsed, 0.0)  # time of the last save, and seconds that it took
        self._names: list[str] = []
        self._pending: list[Tensor] = []
        self._pace = 1
        self._log = TrainingLog(out, self.state.history, options.tensorboard) if fabric.is_global_zero else None
        self._view = ProgressView(options.progress and fabric.is_global_zero)

    def close(self) -> None:
        """Close the log and the progress display."""
        self._view.close()
        if self._log is not None:
            self._log.close()

    @property
    def finished(self) -> bool:
        """Whether all stages are finished."""
        return self.state.stage == len(self.stages)

    @property
    def stage(self) -> Stage:
        """The current stage."""
        return self.stages[self.state.stage]

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds spent on each part of the current stage."""
        return self.state.history.seconds.setdefault(self.stage.name, {})

    @property
    def progress(self) -> float:
        """Progress of the current stage, in [0, 1]. With a budget in seconds it is the progress at the last `agree`."""
        return self.span.progress(self.state.step, self.state.elapsed)

    def begin_stage(self) -> None:
        """Prepare for the current stage, which may have begun before the run was resumed."""
        state, plan, fabric, stage = self.state, self.plan, self.fabric, self.stage
        device = fabric.global_rank, fabric.world_size
        place = plan.seed, state.stage, state.first_epoch
        self.sampler = Sampler(*place, self._groups, plan.batch_size, *device, stage.sampling)
        self.span = span_of_stage(
            state.stage, self._lengths, stage.unit, self.sampler.steps_per_epoch, plan.length, state.stage_start
        )
        self._line_start = self._epochs_start = self._mark(state.elapsed)

    def finish_stage(self) -> None:
        """Go to the next stage, and write a checkpoint."""
        state = self.state
        if state.step:
            self.show_epochs(last=True)
        with self.spent("checkpoint"):
            if state.step:
                state.first_epoch = self.sampler.epoch(state.step - 1) + 1
            state.first_step += state.step
            state.stage, state.step, state.stage_start = state.stage + 1, 0, state.elapsed
            self.optimiser_states = None
            self._write(None)

    @contextmanager
    def spent(self, part: str) -> Iterator[None]:
        """Count the time inside this block as spent on `part` of the current stage."""
        seconds, begin = self.seconds, time.monotonic()
        yield
        seconds[part] = seconds.get(part, 0.0) + time.monotonic() - begin

    def count_step(self, losses: Mapping[str, Tensor], loading: float) -> None:
        """Count a finished step. Its losses stay on the device until the next `agree`.

        Args:
            losses: losses of the step by name.
            loading: seconds that loading of the batch took in the background.
        """
        of_stage = self.state.history.loading
        of_stage[self.stage.name] = of_stage.get(self.stage.name, 0.0) + loading
        self._names = list(losses)
        self._pending.append(torch.stack([loss.detach().float() for loss in losses.values()]))
        self.state.step += 1

    @property
    def agreement_due(self) -> bool:
        """Whether it is time for `agree`."""
        return len(self._pending) >= self._pace

    def agree(self) -> bool:
        """Read the pending losses from the device, and agree with the other processes on the time and on stopping.

        Returns:
            Whether Ctrl-C was pressed in any process.

        Raises:
            TrainingError: a loss is not finite. The message names the step. All processes raise it.
        """
        state, steps, width = self.state, len(self._pending), len(self._names)
        status = torch.tensor([time.monotonic() - self._clock_start, float(self._interrupts.asked)])
        numbers = self.fabric.all_reduce(torch.cat([*self._pending, status.to(self.fabric.device)]), reduce_op="mean")
        self._pending.clear()
        *losses, elapsed, asked = numbers.tolist()  # type: ignore[union-attr]
        for n in range(steps):
            row = dict(zip(self._names, losses[n * width : (n + 1) * width], strict=True))
            if not all(map(isfinite, row.values())):
                raise TrainingError(
                    f"stage {self.stage.name!r}, step {state.step - steps + n + 1}: the loss is not finite "
                    f"({', '.join(f'{name}: {value:g}' for name, value in row.items())}); "
                    "try a lower learning rate, a grad_clip, or fp32 in place of bf16"
                )
            for name, value in row.items():
                state.totals[name] = state.totals.get(name, 0.0) + value
            state.counted += 1
        self._pace = max(1, min(MOST_PENDING, int(AGREE_SECONDS * steps / max(elapsed - state.elapsed, 1e-6))))
        state.elapsed = elapsed
        self._show()
        return bool(asked > 0)

    def record(self, learning_rate: float, heldout: Mapping[str, float]) -> None:
        """Write a line of the log and of the history; see `TrainingHistory`."""
        state = self.state
        now, start = self._mark(state.elapsed), self._line_start
        took, steps = max(now.elapsed - start.elapsed, 1e-6), now.step - start.step
        seconds = {part: spent - start.seconds.get(part, 0.0) for part, spent in now.seconds.items()}
        record = {
            "stage": self.stage.name,
            "epoch": self.sampler.epoch(state.step - 1),
            "step": state.first_step + state.step,
            "progress": self.progress,
            "time": state.elapsed,
            "lr": learning_rate,
            "losses": {name: total / state.counted for name, total in state.totals.items()},
            "samples_per_s": steps * self.sampler.global_batch / took,
            "data_wait": min(1.0, seconds["data"] / took),
            "epoch_s": took * self.sampler.steps_per_epoch / steps,
            "seconds": {part: round(spent, 4) for part, spent in seconds.items() if spent},
            "loading": round(now.loading - start.loading, 4),
            **heldout,
        }
        state.history.records.append(record)
        if self._log is not None:
            self._log.write(record)
        state.totals, state.counted = {}, 0
        self._line_start = now

    def show_epochs(self, last: bool = False) -> None:
        """Print the time of the epochs since the previous line, if an epoch is complete and the line is due.

        Args:
            last: the stage is finished: print the time of its remaining epochs and of the whole stage.
        """
        state, sampler, start, name = self.state, self.sampler, self._epochs_start, self.stage.name
        if not last and (state.step % sampler.steps_per_epoch or state.step == start.step):
            return
        now = self._mark(time.monotonic() - self._clock_start)
        if not last and now.elapsed - start.elapsed < EPOCH_LINE_SECONDS:
            return
        if 0 < start.step < now.step or not last:
            first, final = sampler.epoch(start.step), sampler.epoch(now.step - 1)
            numbers = f"epoch {final}" if first == final else f"epochs {first}-{final}"
            parts = {part: spent - start.seconds.get(part, 0.0) for part, spent in now.seconds.items()}
            count = (now.step - start.step) / sampler.steps_per_epoch
            self._view.show_times(name, numbers, count, parts, now.loading - start.loading)
        self._epochs_start = now
        if last:
            whole = state.step / sampler.steps_per_epoch
            self._view.show_times(name, f"all {whole:.3g} epochs", whole, now.seconds, now.loading)

    def _mark(self, elapsed: float) -> _Mark:
        name = self.stage.name
        return _Mark(self.state.step, elapsed, dict(self.seconds), self.state.history.loading.get(name, 0.0))

    @property
    def save_due(self) -> bool:
        """Whether it is time for `save`."""
        when, took = self._last_save
        return self.state.elapsed - when >= max(self._options.checkpoint_seconds, took / SAVING_SHARE)

    def save(self, optimisers: Sequence[torch.optim.Optimizer]) -> None:
        """Write a checkpoint within a stage. Call it right after `agree`, so that only finite values are saved."""
        begin = time.monotonic()
        with self.spent("checkpoint"):
            self._write([optimiser.state_dict() for optimiser in optimisers])
        self._last_save = (self.state.elapsed, time.monotonic() - begin)

    def _write(self, optimisers: list[dict[str, Any]] | None) -> None:
        if self.fabric.is_global_zero:
            save_checkpoint(self._out, Checkpoint(self._signature, self.state, self.detector.state_dict(), optimisers))

    def _load(self) -> tuple[TrainingState, list[dict[str, Any]] | None]:
        saved = load_checkpoint(self._out)
        if saved is None:
            return TrainingState(), None
        check_signature(self._out, saved.signature, self._signature)
        try:
            self.detector.load_state_dict(saved.model)
        except RuntimeError as error:
            reason = str(error).splitlines()[1].strip()
            raise BundleError(f"{self._out}: the checkpoint belongs to another detector: {reason}") from error
        return saved.state, saved.optimisers

    def _show(self) -> None:
        state = self.state
        start = self._line_start
        speed = (state.step - start.step) * self.sampler.global_batch / max(state.elapsed - start.elapsed, 1e-6)
        done = fraction_done(state.stage, self._lengths, self.progress)
        left = state.elapsed * (1 - done) / max(done, 1e-6)
        self._view.show(self.stage.name, done, state.totals["loss"] / state.counted, speed, left)
