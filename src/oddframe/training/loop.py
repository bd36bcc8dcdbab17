"""The training loop: the stages of a detector in order, on one device or several, with resuming at any step.

The samples of a step, their keys and the noise of dropout are hashes of (seed, stage, epoch or step), never the state
of a random generator. For that reason a checkpoint needs only weights, optimisers and counters, and on the CPU a
resumed run gives the same bits as an uninterrupted one with as many threads. With a budget in seconds the learning
rate depends on the clock, so no two runs are equal, but they resume in the same way.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from oddframe.datasets.hashing import hash64
from oddframe.errors import InputError
from oddframe.models.learner import Learner
from oddframe.models.stage import Stage, Update
from oddframe.progress import say
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.threads import settle_threads
from oddframe.training import checkpoint
from oddframe.training.checkpoint import TrainingHistory, load_checkpoint
from oddframe.training.devices import average_gradients, gather, share_state, whole_batch_norm
from oddframe.training.launch import launch, make_fabric, noted_interrupts
from oddframe.training.log import check_tensorboard
from oddframe.training.recording import RecordedPass, StepPass
from oddframe.training.sampling import (
    HELDOUT,
    NOISE,
    AnyBatch,
    Sampler,
    Samples,
    fetched_ahead,
    heldout_samples,
)
from oddframe.training.session import TrainingSession
from oddframe.training.sources import BatchSource, Drawn, open_source
from oddframe.training.stages import LOG_LINES, crossed, rate_factor
from oddframe.training.tuning import lie_alike, tuned
from oddframe.training.world import world

HELDOUT_SHARE = 0.05  # maximum share of a stage with a budget in seconds for measurements on held-out samples


def train(
    detector: Learner,
    data: Samples,
    heldout: Samples | None,
    plan: TrainingPlan,
    out: Path,
    options: TrainingOptions = TrainingOptions(),
) -> TrainingHistory:
    """Train `detector` in place, and write `checkpoint.pt` and `training.jsonl` to the folder `out`.

    Afterwards the detector is in eval mode on its original device. The global random generators of torch are reseeded.

    Args:
        detector: the detector.
        data: windows of normal video, or bags, for training.
        heldout: samples that are not in `data`, to measure progress; at most 256 of them are used.
        plan: all settings that affect the result.
        out: the folder.
        options: devices, resuming, checkpoints and display. The options for `fit` have no effect here.

    Returns:
        The record of the run.

    Raises:
        InputError: there are no samples, a device does not exist, or a batch cannot be divided among the devices.
        BundleError: the checkpoint to resume from is damaged, or belongs to another detector or other settings.
        TrainingError: the loss is not finite.
        KeyboardInterrupt: Ctrl-C was pressed or SIGTERM came. A checkpoint has been written.
        SystemExit: this is not the first process of `torchrun`, and its part is done.
    """
    stages = [stage for stage in detector.stages() if stage.length]
    if not stages:
        return TrainingHistory()
    if len(data) == 0:
        raise InputError("there is nothing to train on: the videos have no frame with a complete window")
    around = world()
    devices = around.size if around.started else options.devices
    check_options(plan, options)
    if len(data) < devices:
        raise InputError(f"{len(data)} samples cannot be divided among {devices} devices; use fewer")
    for stage in stages:
        _check_groups(stage, data, plan, devices)
    out.mkdir(parents=True, exist_ok=True)
    if not options.resume and around.leads:
        (out / checkpoint.NAME).unlink(missing_ok=True)

    home = next((parameter.device for parameter in detector.parameters()), torch.device("cpu"))
    try:
        fabric = make_fabric(devices, options.device, plan.precision)
        launch(fabric, _all_stages, detector, data, heldout, plan, out, options)
    finally:
        detector.to(home).eval()
    if not around.leads:
        raise SystemExit(0)  # the first process calibrates, and writes the bundle
    end = load_checkpoint(out)
    assert end is not None
    detector.load_state_dict(end.model)  # other processes train copies of the detector
    return end.state.history


def check_options(plan: TrainingPlan, options: TrainingOptions) -> None:
    """What can be known of the devices and libraries of a training before its data are read.

    Raises:
        InputError: a device does not exist, a batch cannot be divided among the devices, steps of several devices are
            to be recorded, or TensorBoard is missing.
    """
    devices = world().size if world().started else options.devices
    if plan.batch_size % devices:
        raise InputError(
            f"a batch of {plan.batch_size} samples cannot be divided among {devices} devices; "
            "choose a batch size that is a multiple of the number of devices"
        )
    if options.graphs and devices > 1:
        raise InputError(
            f"steps of {devices} devices cannot be recorded as CUDA graphs; leave --graphs out, or use one"
        )
    if options.tensorboard:
        check_tensorboard()
    make_fabric(options.devices, options.device, plan.precision)


def _all_stages(
    fabric: Fabric,
    detector: Learner,
    data: Samples,
    heldout: Samples | None,
    plan: TrainingPlan,
    out: Path,
    options: TrainingOptions,
) -> int:
    """Train the remaining stages in one process. Returns the signal that stopped it, or 0."""
    learns = [parameter.requires_grad for parameter in detector.parameters()]
    with noted_interrupts() as interrupts:
        session = TrainingSession(fabric, interrupts, detector, data.groups, plan, out, options)
        try:
            fabric.to_device(detector)
            source, note = open_source(data, fabric.device, options.resident)
            if note:
                say(f"training: {note}", options.progress and fabric.is_global_zero)
            measured = None
            if heldout is not None and len(heldout) and fabric.is_global_zero:
                measured, _ = open_source(heldout, fabric.device, options.resident, source)
            with tuned(detector, fabric.device, plan.precision):
                while not session.finished:
                    session.begin_stage()
                    if session.stage.length:
                        _one_stage(session, source, measured, options.graphs)
                    session.finish_stage()
        except KeyboardInterrupt:
            return interrupts.signum or signal.SIGINT
        finally:
            session.close()
            for parameter, learnt in zip(detector.parameters(), learns, strict=True):
                parameter.requires_grad_(learnt)
    return 0


def _check_groups(stage: Stage, data: Samples, plan: TrainingPlan, devices: int) -> None:
    """Check that batches consist of whole groups, with at least one group for every device."""
    sampler = Sampler(0, 0, 0, tuple(data.groups), plan.batch_size, sampling=stage.sampling)
    kind = "bags, as many of each class," if sampler.balanced else "windows of a video"
    if plan.batch_size % (devices * sampler.multiple):
        raise InputError(
            f"stage {stage.name!r} takes {sampler.multiple} {kind} together: the batch size, {plan.batch_size}, "
            f"has to be a multiple of {devices * sampler.multiple}"
        )
    if sampler.units < devices:
        raise InputError(f"stage {stage.name!r} takes {sampler.multiple} {kind} together: no video is long enough")


def _one_stage(session: TrainingSession, data: BatchSource, heldout: BatchSource | None, graphs: bool) -> None:
    """Train the rest of the current stage. `graphs`: record its passes, where that is possible."""
    fabric, plan, state, stage, sampler = session.fabric, session.plan, session.state, session.stage, session.sampler
    stage.train_mode()
    if state.step == 0:
        with session.spent("prepare"), fabric.autocast():
            whole = replace(sampler, rank=0, world=1)
            stage.prepare(data.draw(*whole.at(step)).to(fabric.device) for step in count())
    share_state(session.detector)
    updates = stage.updates()
    optimisers = [update.optimiser for update in updates]
    rates = [group["lr"] for optimiser in optimisers for group in optimiser.param_groups]
    if session.optimiser_states is not None:
        for optimiser, saved in zip(optimisers, session.optimiser_states, strict=True):
            optimiser.load_state_dict(saved)
            lie_alike(optimiser)
    groups = [group for optimiser in optimisers for group in optimiser.param_groups]

    passes: list[StepPass] = [partial(_pass, session, update) for update in updates]
    if graphs and stage.recordable:
        passes = [
            RecordedPass(partial(session.spent, "replay"), compute, learned_by(update), stage, fabric.device)
            for compute, update in zip(passes, updates, strict=True)
        ]

    def fetch(step: int) -> Drawn:
        return data.draw(*sampler.at(step))

    noted = session.progress
    with closing(fetched_ahead(fetch, state.step, fabric.world_size)) as batches, whole_batch_norm(session.detector):
        while state.step == 0 or session.progress < 1:
            session.show_epochs()
            factor = rate_factor(plan.schedule, plan.warmup, session.progress)
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * factor
            with session.spent("data"):
                drawn, loading = next(batches)
                batch = drawn.to(fabric.device)
            _seed_noise(fabric.device, NOISE, plan.seed, state.stage, state.step, fabric.global_rank)
            session.count_step(_step(session, updates, passes, batch), loading)
            if not (session.agreement_due or crossed(noted, session.progress, LOG_LINES, session.span.marks)):
                continue
            with session.spent("losses"):
                interrupted = session.agree()
            if crossed(noted, session.progress, LOG_LINES, session.span.marks):
                measured = {}
                if heldout is not None and crossed(noted, session.progress, session.span.marks):
                    measured = _measure(session, updates, heldout)
                session.record(groups[0]["lr"], measured)
            noted = session.progress
            if interrupted or session.save_due:
                session.save(optimisers)
            if interrupted:
                raise KeyboardInterrupt


def learned_by(update: Update) -> list[torch.nn.Parameter]:
    """The parameters of an update."""
    return [parameter for group in update.optimiser.param_groups for parameter in group["params"]]


def _pass(session: TrainingSession, update: Update, batch: AnyBatch) -> dict[str, Tensor]:
    """Forward and backward pass of an update, which leaves its gradients. Returns the losses by name."""
    with session.spent("forward"), session.fabric.autocast():
        _freeze_others(session.detector, learned_by(update))
        terms = update.loss(batch)
    # Gradients are averaged over the devices, but the gradient of a sum over the batch has to be added up.
    weight = session.fabric.world_size if update.sums_over_batch else 1
    with session.spent("backward"):
        (terms["loss"] * weight).backward()
    return {name: loss.detach() * weight for name, loss in terms.items()}


def _step(
    session: TrainingSession, updates: Sequence[Update], passes: Sequence[StepPass], batch: AnyBatch
) -> dict[str, Tensor]:
    """Make the updates of one step. Returns the losses by name, where losses of the same name are summed."""
    settle_threads()
    losses: dict[str, Tensor] = {}
    for update, compute in zip(updates, passes, strict=True):
        terms = compute(batch)
        parameters = learned_by(update)
        with session.spent("update"):
            average_gradients(parameters)
            if session.plan.grad_clip is not None:
                torch.nn.utils.clip_grad_norm_(parameters, session.plan.grad_clip)
            update.optimiser.step()
        for name, loss in terms.items():
            losses[name] = losses.get(name, 0.0) + loss
    with session.spent("update"):
        session.stage.update_buffers(gather)
    return losses


def _measure(session: TrainingSession, updates: list[Update], heldout: BatchSource) -> dict[str, float]:
    """The losses of the stage on held-out samples in eval mode, with the same samples, keys and noise every time.

    Only the first process measures, and the others wait for it at the next step. The result is empty if there are no
    held-out samples or no time.
    """
    stage, sampler, span, device = session.stage, session.sampler, session.span, session.fabric.device
    if not session.fabric.is_global_zero:
        return {}
    by_the_clock = span.steps is None and session.progress < 1
    if by_the_clock and session.seconds.get("heldout", 0.0) > HELDOUT_SHARE * (session.state.elapsed - span.start):
        return {}
    size = sampler.global_batch // sampler.world
    chosen = heldout_samples(heldout.groups, stage.sampling, size, session.plan.seed)
    count = sum(map(len, chosen))
    totals: dict[str, float] = {}
    with session.spent("heldout"), torch.no_grad(), session.fabric.autocast():
        session.detector.eval()
        for number, samples in enumerate(chosen):
            settle_threads()
            batch = heldout.draw(samples, hash64(HELDOUT, session.plan.seed, samples), 0).to(device)
            _seed_noise(device, HELDOUT, session.plan.seed, number)
            for update in updates:
                # The factor makes losses that are sums comparable with those of a training step.
                share = sampler.global_batch if update.sums_over_batch else len(samples)
                for name, loss in update.loss(batch).items():
                    totals[name] = totals.get(name, 0.0) + share * float(loss) / count
        stage.train_mode()
    return {f"heldout/{name}": total for name, total in totals.items()}


def _freeze_others(detector: Learner, learning: list[torch.nn.Parameter]) -> None:
    """Enable gradients of these parameters only, and delete all gradients."""
    chosen = {id(parameter) for parameter in learning}
    for parameter in detector.parameters():
        parameter.requires_grad_(id(parameter) in chosen)
        parameter.grad = None


def _seed_noise(device: torch.device, *counters: int) -> None:
    """Seed the random generators of torch, so that dropout and other noise are a function of `counters`."""
    seed = int(hash64(*counters))
    torch.default_generator.manual_seed(seed)  # torch.manual_seed is slow, because it seeds all kinds of devices
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
