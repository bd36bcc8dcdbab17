"""The contracts of a one-class detector that learns by gradients from windows of normal video."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch.utils._python_dispatch import TorchDispatchMode

from oddframe.datasets.clips import Clips, ClipSet
from oddframe.datasets.windows import stream_chunks
from oddframe.errors import OddframeError, VideoError
from oddframe.models.catalogue import ModelEntry
from oddframe.models.detector import Batch, Detector
from oddframe.models.registry import build
from oddframe.runtime.runtime import Precision, Runtime
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.stream import collect, score_frames
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.testing.check import (
    COST,
    HALF,
    Case,
    Check,
    Interrupted,
    cases,
    entry_is_whole,
    equipped,
    require,
    require_equal,
    require_near,
    require_refused,
    require_words,
)
from oddframe.training.loop import train
from oddframe.types import Window
from oddframe.video.decode import Frame

LENGTH = 40  # frames of a test video
CPU = TrainingOptions(device="cpu", progress=False)
Scores = dict[str, NDArray[np.float64]]


def window_checks(about: ModelEntry) -> list[Check]:
    """The contracts of an entry of kind "windows"."""
    first, found = cases(about)[0], []
    found.append(Check(first, "its entry is whole", entry_is_whole))
    found.append(Check(first, "its cost is stated, and is what a counter counts", cost_is_stated))
    for case in cases(about):
        found.append(Check(case, "it can be built at its tiny size", can_be_built))
        try:
            detector = make(case)
        except (OddframeError, TypeError, ValueError, AssertionError):
            continue  # the contract above says so when it is called
        found += [
            Check(case, "what it says of itself is true", words_are_true),
            Check(case, "its map has the size that it says", map_has_its_size),
            Check(case, "scores are deterministic, whatever the batch", scores_ignore_the_batch),
            Check(case, "a constant video gives finite scores and losses", constant_video_is_finite),
            Check(case, "a video shorter than the window is scored or refused", short_video_is_told),
            Check(case, "bf16 stays near fp32", half_is_near),
            Check(case, "weights survive a file", weights_survive),
            Check(case, "its own key names load as a reference", reference_loads),
        ]
        if not detector.stages():
            continue
        found += [
            Check(case, "losses fall, and every parameter learns where it should", losses_fall),
            Check(case, "a resumed run ends with the same bits", resumes_exactly),
            Check(case, "two devices learn what one learns", two_devices_learn_alike, slow=True),
        ]
        if any(stage.recordable for stage in detector.stages()):
            found.append(Check(case, "what says that it can be recorded waits for no device", recordable_waits_nowhere))
        if not detector.remembers and equipped("onnx", "onnxscript", "onnxruntime"):
            found.append(Check(case, "its exported graph says what it says", graph_agrees, slow=True))
    return found


def make(case: Case) -> Detector:
    """The system at the tiny size, with weights that are always the same."""
    torch.manual_seed(0)
    made = build(case.about, case.preset, **{**case.about.tiny, **case.options})
    assert isinstance(made, Detector), f"{type(made).__name__} is no Detector, but its entry says kind windows"
    return made


def can_be_built(case: Case) -> None:
    """The options `tiny`, and those of the variant, make a detector."""
    make(case)


def video(window: Window, length: int = LENGTH) -> NDArray[np.uint8]:
    """A moving square on noise, as the frame cache holds it for a window: (N, H, W, C)."""
    height, width = window.size
    frames = np.random.default_rng(length).integers(90, 110, (length, height, width, 3)).astype(np.uint8)
    tall, wide, top = max(1, height * 5 // 16), max(1, width * 6 // 32), height // 4
    for t in range(length):
        left = t % max(1, width - wide)
        frames[t, top : top + tall, left : left + wide] = (200, 40, 90)
    return shown(frames, window)


def shown(frames: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    """The frames in the colours of the window."""
    return frames[..., :1] if window.colour == "gray" else frames


def constant(window: Window, value: int) -> NDArray[np.uint8]:
    """A video in which nothing ever changes."""
    return np.full((LENGTH, *window.size, window.channels), value, np.uint8)


def frames_of(images: NDArray[np.uint8]) -> Iterator[Frame]:
    """The frames of a video of 25 frames per second."""
    return (Frame(i, i / 25, image) for i, image in enumerate(images))


class Stored:
    """A video as a `ClipSet` takes it."""

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self.frames = frames


def training_set(window: Window, videos: int = 2) -> ClipSet:
    """A few videos, each a frame longer than the last."""
    return ClipSet([Stored(video(window, LENGTH + n)) for n in range(videos)], window)


def heldout_set(window: Window) -> ClipSet:
    """A few samples of a short video: they are measured again and again."""
    return ClipSet([Stored(video(window, window.look_back + window.look_ahead + 8))], window)


def batches(data: ClipSet, size: int = 8) -> Iterator[Batch]:
    """Batches that suit every sampling: windows that lie close together in one video. One has a pasted square."""
    while True:
        yield _as_batch(data.batch(np.arange(2, 2 + size), np.arange(size), 0))


def _as_batch(clips: Clips) -> Batch:
    pasted = clips.pasted.copy()
    height, width = pasted.shape[1:]
    top, left = height // 4, width // 8
    pasted[0, top : top + max(1, height * 5 // 16), left : left + max(1, width * 6 // 32)] = 255
    arrays = (clips.frames, clips.target, clips.key, clips.context, pasted)
    return Batch(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))


def scores(detector: Detector, images: NDArray[np.uint8], batch: int = 8, precision: Precision = "fp32") -> Scores:
    """All components of all frames of a video, those of post-processing included."""
    runtime = TorchRuntime(detector, "cpu", precision)
    return dict(collect(score_frames(runtime, frames_of(images), batch)).components)


def cost_is_stated(case: Case) -> None:
    """A system that learns costs something; what its entry states is what a counter counts of its first preset."""
    with torch.device("meta"):
        detector = build(case.about, case.preset)
    counted, stated = detector.flops_per_frame() / 1e9, case.about.gflop
    require(stated > 0 or not detector.stages(), f"no cost is stated; a counter counts gflop={counted:.6g}")
    require(abs(stated - counted) <= COST * counted, f"gflop is {stated:g}; a counter counts {counted:.6g}")


def words_are_true(case: Case) -> None:
    """Components, shapes and words are those that the detector states."""
    detector = make(case)
    got = scores(detector, video(detector.window))
    require(list(got) == list(detector.reported), f"components are {list(got)}, not {list(detector.reported)}")
    require_words(detector.reported)
    rule = detector.combination
    asked = {*rule.weights, *rule.transform}
    require(asked <= got.keys(), f"combination asks for {sorted(asked - got.keys())}, which there is not")
    count = len(detector.window.scorable(LENGTH))
    for name, values in got.items():
        require(values.shape == (count,), f"{name} has shape {values.shape}; {count} frames can be scored")
        require(np.isfinite(values).all(), f"{name} is not finite")


def map_has_its_size(case: Case) -> None:
    """Maps have the size of `map_grid`, or there are none."""
    detector = make(case)
    for piece in score_frames(TorchRuntime(detector, "cpu"), frames_of(video(detector.window)), 8):
        if detector.map_grid is None:
            require(piece.map is None, "it returns a map, but map_grid is None")
            continue
        shape = (len(piece.index), *detector.map_grid)
        if piece.map is None or piece.map.shape != shape:
            raise AssertionError(f"its map has shape {None if piece.map is None else piece.map.shape}, not {shape}")
        require(np.isfinite(piece.map).all(), "its map is not finite")


def scores_ignore_the_batch(case: Case) -> None:
    """The same video gives the same bits again, in batches of any size: what is watched live equals a file."""
    detector = make(case)
    images = video(detector.window)
    first = scores(detector, images)
    require_equal(scores(detector, images), first, "scored twice")
    for batch in (1, 5, 24):
        require_equal(scores(detector, images, batch), first, f"in batches of {batch} instead of 8")


def constant_video_is_finite(case: Case) -> None:
    """A video without any motion or texture gives finite scores, losses and gradients."""
    for value in (0, 128, 255):
        detector = make(case)
        images = constant(detector.window, value)
        for name, values in scores(detector, images).items():
            require(np.isfinite(values).all(), f"{name} is not finite for frames of {value}")
        data = ClipSet([Stored(images)], detector.window)
        for stage in detector.stages():
            stage.train_mode()
            stage.prepare(batches(data))
            for update in stage.updates():
                losses = update.loss(next(batches(data)))
                losses["loss"].backward()
                for name, loss in losses.items():
                    require(loss.isfinite().all(), f"{name} of stage {stage.name} is not finite for frames of {value}")
            stage.update_buffers(lambda tensor: tensor)
            for name, p in detector.named_parameters():
                require(p.grad is None or p.grad.isfinite().all(), f"gradient of {name} is not finite")
        for name, tensor in detector.state_dict().items():
            require(tensor.isfinite().all(), f"{name} is not finite after frames of {value}")


def short_video_is_told(case: Case) -> None:
    """A video that is too short is refused in one line, or every frame of it is scored."""
    detector = make(case)
    window = detector.window
    needed = window.look_back + window.look_ahead + 1
    for length in sorted({1, 2, needed - 1} - {0}):
        refused = None
        try:
            got = scores(detector, video(window, length))
        except VideoError as error:
            refused = str(error)
        if window.missing == "drop" and length < needed:
            line = f"the video has {length} frames; scoring needs at least {needed}"
            require(refused == line, f"a video of {length} frames: {refused or 'is scored'}; wanted: {line}")
        else:
            require(refused is None, f"a video of {length} frames is refused: {refused}")
            require(all(len(values) == length for values in got.values()), f"of {length} frames not all are scored")


def half_is_near(case: Case) -> None:
    """bf16 lies near fp32, measured by the size of each component."""
    detector = make(case)
    images = video(detector.window)
    half = scores(detector, images, precision="bf16")
    for name, values in scores(detector, images).items():
        require_near(half[name], values, HALF, f"{name} in bf16")


def weights_survive(case: Case) -> None:
    """Scores have the same bits after the weights went through a file."""
    detector = make(case)
    images = video(detector.window)
    before = scores(detector, images)
    stored = save({name: value.contiguous() for name, value in detector.state_dict().items()})
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(1)
    detector.load_state_dict(load(stored))
    require_equal(scores(detector, images), before, "after the weights were stored")


def reference_loads(case: Case) -> None:
    """`load_reference_state_dict` takes the own state dict, and refuses an empty one."""
    detector = make(case)
    state = detector.state_dict()
    if state:
        detector.load_reference_state_dict(state)
    require_refused(lambda: detector.load_reference_state_dict({}), "a state dict without any weights is taken")


def losses_fall(case: Case) -> None:
    """Steps on one batch lower the loss; gradients reach exactly what each update is over; all else stays."""
    detector = make(case)
    data, learnt = training_set(detector.window), set[int]()
    for stage in detector.stages():
        stage.train_mode()
        stage.prepare(batches(data))
        batch, updates, losses = next(batches(data)), stage.updates(), []
        own = [{id(p) for group in update.optimiser.param_groups for p in group["params"]} for update in updates]
        fixed = [(n, p, p.detach().clone()) for n, p in detector.named_parameters() if id(p) not in set().union(*own)]
        for _ in range(12):
            total = 0.0
            for update, mine in zip(updates, own, strict=True):
                for p in detector.parameters():
                    p.requires_grad_(id(p) in mine)
                    p.grad = None
                loss = update.loss(batch)["loss"]
                loss.backward()
                total += loss.item()
                for name, p in detector.named_parameters():
                    reached = p.grad is not None and bool(p.grad.abs().sum() > 0)
                    require(reached or id(p) not in mine, f"{name} gets no gradient in stage {stage.name}")
                update.optimiser.step()
            stage.update_buffers(lambda tensor: tensor)
            losses.append(total)
        require(losses[-1] < losses[0], f"the loss of stage {stage.name} goes from {losses[0]:g} to {losses[-1]:g}")
        for name, p, old in fixed:
            require(torch.equal(p, old), f"{name} changes in stage {stage.name}, whose optimisers do not hold it")
        learnt |= set().union(*own)
    for name, p in detector.named_parameters():
        require(id(p) in learnt, f"no stage learns {name}; make it a buffer")


class _OneDevice(TorchDispatchMode):
    """Inside this block, nothing is computed of tensors of the host, and none goes to the device."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = [value for value in (*args, *(kwargs or {}).values()) if isinstance(value, torch.Tensor)]
        away = [value for value in given if value.device.type != "meta" and (value.ndim or "copy" in str(func))]
        require(not away, f"{func} takes a tensor of the {away[0].device.type if away else 'host'}")
        return func(*args, **(kwargs or {}))


def recordable_waits_nowhere(case: Case) -> None:
    """Losses of recordable stages are computed on one device alone, and nothing of them is read or brought there.

    The device "meta" knows shapes, but no values: whatever asks for one fails there.
    """
    detector = make(case).to("meta")
    batch = next(batches(training_set(detector.window))).to("meta")
    for stage in detector.stages():
        if not stage.recordable:
            continue
        stage.train_mode()
        for update in stage.updates():
            own = {id(p) for group in update.optimiser.param_groups for p in group["params"]}
            for p in detector.parameters():
                p.requires_grad_(id(p) in own)
            try:
                with _OneDevice():  # type: ignore[no-untyped-call]
                    update.loss(batch)["loss"].backward()
            except (RuntimeError, NotImplementedError) as error:
                reason = str(error).partition("\n")[0]
                raise AssertionError(f"the loss of stage {stage.name} reads from the device: {reason}") from error


def resumes_exactly(case: Case) -> None:
    """A run that is interrupted and resumed ends with the bits of one that was not."""
    whole, stopped, resumed = make(case), make(case), make(case)
    plan = TrainingPlan(batch_size=8, budget="14steps", schedule="cosine")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        train(whole, training_set(whole.window), None, plan, out / "whole", CPU)
        try:
            train(stopped, Interrupted(training_set(stopped.window), 9), None, plan, out / "resumed", CPU)
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("training did not stop when it was interrupted")
        train(resumed, training_set(resumed.window), None, plan, out / "resumed", replace(CPU, resume=True))
    for name, value in whole.state_dict().items():
        require(torch.equal(value, resumed.state_dict()[name]), f"{name} differs after the run was resumed")


def two_devices_learn_alike(case: Case, rounding: tuple[str, ...] = ()) -> None:
    """Two processes learn what one learns with the whole batch.

    Args:
        rounding: endings of names whose gradient is nothing but rounding, such as a bias in front of a BatchNorm. Adam
            makes whole steps of it; they are compared more loosely.
    """
    # Adam divides by the size of a gradient: where that is rounding noise, so is the step. In float64 it stays small.
    start, one, two = (make(case).double() for _ in range(3))
    plan = TrainingPlan(batch_size=8, budget="6steps")
    with tempfile.TemporaryDirectory() as folder:
        for detector, devices in ((one, 1), (two, 2)):
            data, heldout = training_set(detector.window), heldout_set(detector.window)
            train(detector, data, heldout, plan, Path(folder) / str(devices), replace(CPU, devices=devices))
    moved = (value - start.state_dict()[name] for name, value in one.state_dict().items())
    require(any(change.abs().max() > 0 for change in moved), "training changes nothing")
    for name, value in one.state_dict().items():
        rtol, atol = (1e-4, 1e-6) if rounding and name.endswith(rounding) else (1e-6, 1e-9)
        other = two.state_dict()[name]
        require(torch.allclose(value, other, rtol, atol), f"{name}: off by {(value - other).abs().max():.3g}")


def graph_agrees(case: Case) -> None:
    """Its graph gives in ONNX Runtime what it gives in torch, in other batches."""
    from oddframe.runtime.onnx_graph import write_window_graph
    from oddframe.runtime.session_runtime import GraphRuntime

    detector = make(case).eval()
    images = video(detector.window)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        write_window_graph(detector, path)
        got = answers(GraphRuntime("onnx", path, detector.signature, "fp32"), images, 7)
    wanted = answers(TorchRuntime(detector, "cpu"), images, 4)
    require(got.keys() == wanted.keys(), f"the graph gives {list(got)}, the detector {list(wanted)}")
    for name, values in wanted.items():
        off = np.abs(got[name] - values)
        bound = 1e-4 * np.abs(values) + 1e-6 * np.abs(values).max()
        require((off <= bound).all(), f"{name} of the graph is off by {off.max():.3g}")


def answers(runtime: Runtime, images: NDArray[np.uint8], batch: int) -> dict[str, NDArray[Any]]:
    """Components and map before post-processing."""
    runtime.begin_video()
    found = [runtime.score(chunk) for chunk in stream_chunks(frames_of(images), runtime.signature.window, batch)]
    named: dict[str, NDArray[Any]] = {
        name: np.concatenate([errors.components[name] for errors in found]) for name in found[0].components
    }
    maps = [errors.map for errors in found if errors.map is not None]
    return {**named, "map": np.concatenate(maps)} if maps else named
