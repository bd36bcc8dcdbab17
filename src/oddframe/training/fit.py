"""The training loop: a detector's stages in order, on one device or several, resumable at any moment.

Which samples a step sees, their keys, and the noise of dropout are hashes of (seed, stage, epoch or step), never the
state of a generator. So weights, optimiser and counters are all that a checkpoint needs, and a resumed run ends, on the
CPU, with the same bits as one that was never stopped. (A budget in seconds ties the learning rate to the clock: it is
resumed as faithfully, but no two runs under it are the same.)
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from oddframe.data.hashing import hash64
from oddframe.errors import InputError
from oddframe.models.detector import Batch, Detector, Stage
from oddframe.training import checkpoint
from oddframe.training.account import Account
from oddframe.training.checkpoint import TrainingHistory, load_checkpoint
from oddframe.training.launch import launch, make_fabric, noted_interrupts
from oddframe.training.log import check_tensorboard
from oddframe.training.sampling import HELDOUT, NOISE, Samples, as_batch, fetched_ahead
from oddframe.training.stages import LOG_LINES, TrainingPlan, crossed, rate_factor

HELDOUT_SAMPLES = 256
HELDOUT_SHARE = 0.05  # of a stage whose budget is a time, at most, goes into held-out measurements


def train(
    detector: Detector,
    data: Samples,
    heldout: Samples | None,
    plan: TrainingPlan,
    out: Path,
    *,
    devices: int = 1,
    accelerator: str = "auto",
    resume: bool = False,
    progress: bool = True,
) -> TrainingHistory:
    """Train `detector` in place; leave `checkpoint.pt` and `training.jsonl` in the folder `out`.

    Args:
        data: normal video to learn from.
        heldout: normal video, not in `data`, on which progress is measured; at most 256 samples of it are looked at.
        devices: one process each; on the CPU they share its cores. The batch is divided among them, and they learn what
            one would, except that BatchNorm sees each device's part by itself.
        accelerator: "cpu", "cuda", "mps" or "auto".
        resume: go on from the checkpoint in `out`, if there is one; a finished run returns at once.
        progress: show it on standard error.

    The detector returns in eval mode, on the device it came from. torch's global generators are reseeded.

    Raises:
        InputError: no samples, devices that do not exist, or a batch that cannot be divided among them.
        BundleError: the checkpoint to resume from is damaged, or was begun with another detector or other settings.
        TrainingError: the loss is not finite.
        KeyboardInterrupt: Ctrl-C; a checkpoint has been written.
    """
    if not any(stage.epochs for stage in detector.stages()):
        return TrainingHistory()
    if len(data) == 0:
        raise InputError("there is nothing to train on: the videos have no frame with a complete window")
    if devices < 1 or plan.batch_size % devices or len(data) < devices:
        raise InputError(
            f"a batch of {plan.batch_size} out of {len(data)} samples cannot be divided among {devices} devices; "
            "choose a batch size that is a multiple of the number of devices"
        )
    if plan.tensorboard:
        check_tensorboard()
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        (out / checkpoint.NAME).unlink(missing_ok=True)

    home = next((parameter.device for parameter in detector.parameters()), torch.device("cpu"))
    try:
        fabric = make_fabric(devices, accelerator, plan.precision)
        finished = launch(fabric, _all_stages, detector, data, heldout, plan, out, progress)
    finally:
        detector.to(home).eval()
    if not finished:
        raise KeyboardInterrupt
    end = load_checkpoint(out)
    assert end is not None
    detector.load_state_dict(end.model)  # other processes may have trained copies of it
    return end.state.history


def _all_stages(
    fabric: Fabric,
    detector: Detector,
    data: Samples,
    heldout: Samples | None,
    plan: TrainingPlan,
    out: Path,
    progress: bool,
) -> bool:
    """What each process does: whatever is left of the run. Returns False if it was interrupted."""
    learns = [parameter.requires_grad for parameter in detector.parameters()]
    with noted_interrupts() as interrupts:
        account = Account(fabric, interrupts, detector, len(data), plan, out, progress)
        try:
            fabric.to_device(detector)
            while not account.finished:
                account.begin_stage()
                if account.stage.epochs:
                    _one_stage(account, data, heldout)
                account.finish_stage()
        except KeyboardInterrupt:
            return False
        finally:
            account.close()
            for parameter, learnt in zip(detector.parameters(), learns, strict=True):
                parameter.requires_grad_(learnt)
    return True


def _one_stage(account: Account, data: Samples, heldout: Samples | None) -> None:
    """Whatever is left of the stage under way."""
    fabric, plan, state, stage, sampler = account.fabric, account.plan, account.state, account.stage, account.sampler
    optimiser = stage.optimiser()
    rates = [group["lr"] for group in optimiser.param_groups]
    _freeze_others(account.detector, optimiser)
    objective, stepper = fabric.setup(_Objective(account.detector, stage), optimiser)
    if account.optimiser_state is not None:
        optimiser.load_state_dict(account.optimiser_state)
    stage.train_mode()

    def fetch(step: int) -> Batch:
        return as_batch(data.batch(*sampler.at(step)), pin=fabric.device.type == "cuda")

    noted = account.progress
    with closing(fetched_ahead(fetch, state.step, fabric.world_size)) as batches:
        while state.step == 0 or account.progress < 1:
            factor = rate_factor(plan.schedule, plan.warmup, account.progress)
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            with account.spent("data"):
                batch = next(batches)
            with account.spent("step"):
                _seed_noise(fabric.device, NOISE, plan.seed, state.stage, state.step, fabric.global_rank)
                losses = objective(**vars(batch.to(fabric.device)))
                stepper.zero_grad()
                # DDP averages gradients over the devices; the gradient of a sum is to be added up.
                fabric.backward(losses["loss"] * (fabric.world_size if stage.sums_over_batch else 1))
                if plan.grad_clip is not None:
                    fabric.clip_gradients(objective, stepper, max_norm=plan.grad_clip, error_if_nonfinite=False)
                stepper.step()
                account.count_step(losses)
                if not (account.agreement_due or crossed(noted, account.progress, LOG_LINES, account.span.marks)):
                    continue
                interrupted = account.agree()
            if crossed(noted, account.progress, LOG_LINES, account.span.marks):
                measured = {}
                if heldout is not None and crossed(noted, account.progress, account.span.marks):
                    measured = _measure(account, heldout)
                account.record(optimiser.param_groups[0]["lr"], measured)
            noted = account.progress
            if interrupted or account.save_due:
                account.save(optimiser)
            if interrupted:
                raise KeyboardInterrupt


def _measure(account: Account, heldout: Samples) -> dict[str, float]:
    """The stage's losses on held-out samples, in eval mode: the same samples, keys and noise every time.

    Measured by the first process alone; the others wait for it at the next step. Empty if there is nothing to measure,
    or no time for it.
    """
    stage, sampler, span = account.stage, account.sampler, account.span
    if not account.fabric.is_global_zero or len(heldout) == 0:
        return {}
    by_the_clock = span.steps is None and account.progress < 1
    if by_the_clock and account.seconds.get("heldout", 0.0) > HELDOUT_SHARE * (account.state.elapsed - span.start):
        return {}
    chosen = np.unique(np.linspace(0, len(heldout) - 1, HELDOUT_SAMPLES).round().astype(np.int64))
    size = sampler.global_batch // sampler.world
    # Losses that are sums become comparable with those of a training step.
    weight = sampler.global_batch if stage.sums_over_batch else 1
    totals: dict[str, float] = {}
    with account.spent("heldout"), torch.no_grad(), account.fabric.autocast():
        account.detector.eval()
        for begin in range(0, len(chosen), size):
            samples = chosen[begin : begin + size]
            batch = as_batch(heldout.batch(samples, hash64(HELDOUT, account.plan.seed, samples), 0))
            _seed_noise(account.fabric.device, HELDOUT, account.plan.seed, begin)
            for name, loss in stage.loss(batch.to(account.fabric.device)).items():
                share = 1 if stage.sums_over_batch else len(samples)
                totals[name] = totals.get(name, 0.0) + share * weight * float(loss) / len(chosen)
        stage.train_mode()
    return {f"heldout/{name}": total for name, total in totals.items()}


class _Objective(nn.Module):
    """A stage's loss as the forward of a module, which is where DDP hooks in."""

    def __init__(self, detector: Detector, stage: Stage) -> None:
        super().__init__()
        self.detector = detector
        self.stage = stage

    def forward(self, **fields: Tensor) -> dict[str, Tensor]:
        return self.stage.loss(Batch(**fields))


def _freeze_others(detector: Detector, optimiser: torch.optim.Optimizer) -> None:
    """Let only the optimiser's parameters learn."""
    learning = {id(parameter) for group in optimiser.param_groups for parameter in group["params"]}
    for parameter in detector.parameters():
        parameter.requires_grad_(id(parameter) in learning)
        parameter.grad = None


def _seed_noise(device: torch.device, *counters: int) -> None:
    """Make dropout and its like a function of `counters`."""
    seed = int(hash64(*counters))
    torch.default_generator.manual_seed(seed)  # torch.manual_seed turns to all kinds of devices, which takes its time
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
