"""What every one-class detector promises, in every preset. A new model needs a line in `SMALL` and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

from oddframe.datasets.clips import Clips, ClipSet
from oddframe.errors import BundleError, VideoError
from oddframe.models.catalogue import MODELS
from oddframe.models.detector import Batch, Detector
from oddframe.models.registry import create, system
from oddframe.models.stage import Stage
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.stream import collect, score_frames
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.training.loop import train
from oddframe.types import Window
from oddframe.video.decode import Frame

SMALL: dict[str, dict[str, object]] = {
    "sdmae": {
        "size": (16, 32), "patch": 4, "encoder_width": 16, "decoder_width": 16, "heads": 2, "learning_rate": 3e-3,
        "dropout": 0.0,
    },
    "memae": {"size": (16, 32), "width": 2, "items": 20, "learning_rate": 3e-3},
    "mnad": {"size": (16, 32), "width": 4, "learning_rate": 3e-3},
    "std": {
        "size": (16, 32), "width": 4, "clusters": 4, "centre_batches": 2, "learning_rate": 3e-3,
        "cluster_learning_rate": 3e-3,
    },
    "mpn": {"size": (16, 32), "width": 8, "learning_rate": 1e-3},
    "frame_difference": {"size": (16, 32)},
    "optical_flow": {"size": (16, 32)},
}  # fmt: skip
# What a preset does not show.
VARIANTS: list[tuple[str, str, dict[str, object]]] = [
    ("mpn", "code", {"meta": True, "step_size": 1e-2, "meta_learning_rate": 1e-3}),
    ("mnad", "code", {"variant": "reconstruction"}),
    ("memae", "code", {"memory": False}),
]
ONE_CLASS = [name for name in MODELS if issubclass(system(name), Detector)]
CASES = [*((name, preset, {}) for name in ONE_CLASS for preset in MODELS[name].presets), *VARIANTS]
LEARNING = [case for case in CASES if case[0] not in ("frame_difference", "optical_flow")]
LENGTH = 40  # frames of a test video
CPU = TrainingOptions(accelerator="cpu", progress=False)


class Video:
    """A moving square on noise."""

    def __init__(self, length: int = LENGTH) -> None:
        self.frames = np.random.default_rng(length).integers(90, 110, (length, 16, 32, 3)).astype(np.uint8)
        for t in range(length):
            self.frames[t, 4:9, t % 26 : t % 26 + 6] = (200, 40, 90)


class Shown:
    """A video as the frame cache would hold it for a window."""

    def __init__(self, frames: NDArray[np.uint8], window: Window) -> None:
        self.frames = frames[..., :1] if window.colour == "gray" else frames


def make(case: tuple[str, str, Mapping[str, object]]) -> Detector:
    name, preset, options = case
    assert name in SMALL, f"give {name} a small configuration in SMALL"
    torch.manual_seed(0)
    made = create(name, preset, **{**SMALL[name], **options})
    assert isinstance(made, Detector)
    return made


def named(case: tuple[str, str, Mapping[str, object]]) -> str:
    return "-".join([*case[:2], *map(str, case[2].values())])


@pytest.fixture(params=CASES, ids=named)
def case(request: pytest.FixtureRequest) -> tuple[str, str, Mapping[str, object]]:
    return request.param


@pytest.fixture
def detector(case: tuple[str, str, Mapping[str, object]]) -> Detector:
    return make(case)


def training_set(detector: Detector, videos: int = 2) -> ClipSet:
    window = detector.window
    return ClipSet([Shown(Video(LENGTH + n).frames, window) for n in range(videos)], window)


def as_batch(clips: Clips) -> Batch:
    pasted = clips.pasted.copy()
    pasted[0, 4:9, 4:10] = 255
    arrays = (clips.frames, clips.target, clips.key, clips.context, pasted)
    return Batch(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))


def batches(data: ClipSet, size: int = 8) -> Iterator[Batch]:
    """Batches that suit every sampling: windows that lie close together in one video."""
    while True:
        yield as_batch(data.batch(np.arange(2, 2 + size), np.arange(size), 0))


def stream(detector: Detector, frames: NDArray[np.uint8]) -> Iterator[Frame]:
    shown = Shown(frames, detector.window).frames
    return (Frame(i, i / 25, image) for i, image in enumerate(shown))


def scores(detector: Detector, frames: NDArray[np.uint8], batch: int = 8) -> dict[str, NDArray[np.float64]]:
    runtime = TorchRuntime(detector, "cpu")
    return dict(collect(score_frames(runtime, stream(detector, frames), batch)).components)


def learning(stage: Stage) -> list[list[torch.nn.Parameter]]:
    return [[p for group in update.optimiser.param_groups for p in group["params"]] for update in stage.updates()]


def test_what_it_says_of_itself_is_true(detector: Detector) -> None:
    got = scores(detector, Video().frames)
    assert list(got) == list(detector.reported)
    assert all(words and words[0].islower() and not words.endswith(".") for words in detector.reported.values())
    assert set(detector.combination.weights) <= set(got)
    assert set(detector.combination.transform) <= set(got)
    count = len(detector.window.scorable(LENGTH))
    assert all(values.shape == (count,) and np.isfinite(values).all() for values in got.values())


def test_its_map_has_the_size_it_says(detector: Detector) -> None:
    pieces = list(score_frames(TorchRuntime(detector, "cpu"), stream(detector, Video().frames), 8))
    for piece in pieces:
        if detector.map_grid is None:
            assert piece.map is None
        else:
            assert piece.map is not None and piece.map.shape == (len(piece.index), *detector.map_grid)
            assert np.isfinite(piece.map).all()


def test_scores_are_deterministic_and_do_not_depend_on_the_batch(detector: Detector) -> None:
    frames = Video().frames
    first, again = scores(detector, frames), scores(detector, frames)
    for name, values in first.items():
        assert np.array_equal(values, again[name])
        for batch in (1, 5, 24):
            np.testing.assert_allclose(scores(detector, frames, batch)[name], values, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_constant_video_gives_finite_scores_and_losses(detector: Detector, value: int) -> None:
    frames = np.full((LENGTH, 16, 32, 3), value, np.uint8)
    assert all(np.isfinite(values).all() for values in scores(detector, frames).values())
    data = ClipSet([Shown(frames, detector.window)], detector.window)
    for stage in detector.stages():
        stage.train_mode()
        stage.prepare(batches(data))
        for update in stage.updates():
            losses = update.loss(next(batches(data)))
            losses["loss"].backward()
            assert all(loss.isfinite() for loss in losses.values())
        stage.update_buffers(lambda value: value)
        assert all(p.grad is None or p.grad.isfinite().all() for p in detector.parameters())
    assert all(value.isfinite().all() for value in detector.state_dict().values())


def test_video_shorter_than_the_window(detector: Detector) -> None:
    window = detector.window
    needed = window.look_back + window.look_ahead + 1
    for length in {1, 2, needed - 1} - {0}:
        if window.missing == "drop" and length < needed:
            with pytest.raises(VideoError, match=f"the video has {length} frames; scoring needs at least {needed}"):
                scores(detector, Video(length).frames)
        else:
            assert all(len(values) == length for values in scores(detector, Video(length).frames).values())


def test_bf16_stays_near_fp32(detector: Detector) -> None:
    half = collect(score_frames(TorchRuntime(detector, "cpu", "bf16"), stream(detector, Video().frames))).components
    for name, values in scores(detector, Video().frames).items():
        np.testing.assert_allclose(half[name], values, rtol=0.05, atol=0.02)


def test_weights_survive_a_file(detector: Detector) -> None:
    before = scores(detector, Video().frames)
    stored = save({name: value.contiguous() for name, value in detector.state_dict().items()})
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(1)
    detector.load_state_dict(load(stored))
    assert all(np.array_equal(values, before[name]) for name, values in scores(detector, Video().frames).items())


def test_its_own_key_names_load_as_reference(detector: Detector) -> None:
    state = detector.state_dict()
    if not state:
        with pytest.raises(BundleError):
            detector.load_reference_state_dict(state)
        return
    detector.load_reference_state_dict(state)
    with pytest.raises(BundleError):
        detector.load_reference_state_dict({})


def test_losses_fall_and_every_parameter_learns_where_it_should(detector: Detector) -> None:
    learnt: set[int] = set()
    data = training_set(detector)
    for stage in detector.stages():
        stage.train_mode()
        stage.prepare(batches(data))
        batch, updates, losses = next(batches(data)), stage.updates(), []
        own = [{id(p) for group in update.optimiser.param_groups for p in group["params"]} for update in updates]
        fixed = [p for p in detector.parameters() if id(p) not in set().union(*own)]
        before = [p.detach().clone() for p in fixed]
        for _ in range(12):
            total = 0.0
            for update, mine in zip(updates, own, strict=True):
                for p in detector.parameters():
                    p.requires_grad_(id(p) in mine)
                    p.grad = None
                loss = update.loss(batch)["loss"]
                loss.backward()
                total += loss.item()
                reached = {id(p) for p in detector.parameters() if p.grad is not None and p.grad.abs().sum() > 0}
                assert reached == mine, "a parameter of this update gets no gradient"
                update.optimiser.step()
            stage.update_buffers(lambda value: value)
            losses.append(total)
        assert losses[-1] < losses[0]
        assert all(torch.equal(p, old) for p, old in zip(fixed, before, strict=True))
        learnt |= set().union(*own)
    assert learnt == {id(p) for p in detector.parameters()}


class Interrupted:
    """Samples during the n-th batch of which somebody presses Ctrl-C."""

    def __init__(self, data: ClipSet, at: int) -> None:
        self.data, self.left, self.groups = data, at, data.groups

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> Clips:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return self.data.batch(samples, keys, epoch)


@pytest.mark.parametrize("case", LEARNING, ids=named)
def test_a_resumed_run_ends_with_the_same_bits(case: tuple[str, str, Mapping[str, object]], tmp_path: Path) -> None:
    whole, resumed = make(case), make(case)
    plan = TrainingPlan(batch_size=8, budget="14steps", schedule="cosine")
    train(whole, training_set(whole), None, plan, tmp_path / "whole", CPU)
    with pytest.raises(KeyboardInterrupt):
        train(resumed, Interrupted(training_set(resumed), 9), None, plan, tmp_path / "resumed", CPU)
    again = make(case)
    train(again, training_set(again), None, plan, tmp_path / "resumed", replace(CPU, resume=True))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("case", LEARNING, ids=named)
def test_two_devices_learn_what_one_learns_with_the_whole_batch(
    case: tuple[str, str, Mapping[str, object]], tmp_path: Path
) -> None:
    # Adam divides by the size of a gradient: where that is rounding noise, so is the step. In float64 it stays small.
    start, one, two = (make(case).double() for _ in range(3))
    plan = TrainingPlan(batch_size=8, budget="6steps")
    train(one, training_set(one), training_set(one), plan, tmp_path / "one", CPU)
    train(two, training_set(two), training_set(two), plan, tmp_path / "two", replace(CPU, devices=2))
    moved = {name: value - start.state_dict()[name] for name, value in one.state_dict().items()}
    assert any(change.abs().max() > 0 for change in moved.values())
    for name, value in one.state_dict().items():
        # MemAE's biases in front of a BatchNorm have no gradient but rounding. Adam makes steps of it all the same, and
        # they reach the running means behind.
        noise = case[0] == "memae" and name.endswith((".bias", ".running_mean"))
        rtol, atol = (1e-4, 1e-6) if noise else (1e-6, 1e-9)
        torch.testing.assert_close(
            value, two.state_dict()[name], rtol=rtol, atol=atol, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.gflop])
def test_the_catalogue_counts_what_a_counter_counts(name: str) -> None:
    with torch.device("meta"):
        detector = create(name, MODELS[name].presets[0])
    assert detector.flops_per_frame() / 1e9 == pytest.approx(MODELS[name].gflop, rel=5e-3)
