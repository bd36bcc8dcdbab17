"""What every registered detector promises, in every preset. A new model needs a line in `SMALL` and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from oddframe.data.clips import ClipSet
from oddframe.errors import BundleError
from oddframe.models.detector import Batch, Detector
from oddframe.models.registry import MODELS, create
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.stream import collect, score_frames
from oddframe.video.decode import Frame

SMALL: dict[str, dict[str, object]] = {
    "sdmae": {
        "size": (16, 32), "patch": 4, "encoder_width": 16, "decoder_width": 16, "heads": 2, "learning_rate": 3e-3,
        "dropout": 0.0,
    },
    "frame_difference": {"size": (16, 32)},
}  # fmt: skip
CASES = [(name, preset) for name, entry in MODELS.items() for preset in entry.presets]


class Video:
    """A moving square on noise."""

    def __init__(self, length: int = 24) -> None:
        self.frames = np.random.default_rng(length).integers(90, 110, (length, 16, 32, 3)).astype(np.uint8)
        for t in range(length):
            self.frames[t, 4:9, t % 26 : t % 26 + 6] = (200, 40, 90)


@pytest.fixture(params=CASES, ids="-".join)
def detector(request: pytest.FixtureRequest) -> Detector:
    name, preset = request.param
    assert name in SMALL, f"give {name} a small configuration in SMALL"
    torch.manual_seed(0)
    return create(name, preset, **SMALL[name])


def training_batch(detector: Detector) -> Batch:
    clips = ClipSet([Video()], detector.window).batch(np.arange(4, 12), np.arange(8), 0)
    pasted = clips.pasted.copy()
    pasted[0, 4:9, 4:10] = 255
    tensors = (
        torch.from_numpy(np.ascontiguousarray(a)) for a in (clips.frames, clips.target, clips.key, clips.context)
    )
    return Batch(*tensors, torch.from_numpy(pasted))


def scores(detector: Detector, frames: np.ndarray, batch: int = 8) -> dict[str, np.ndarray]:
    stream = (Frame(i, i / 25, image) for i, image in enumerate(frames))
    return dict(collect(score_frames(TorchRuntime(detector, "cpu"), stream, batch)).components)


def test_what_it_says_of_itself_is_true(detector: Detector) -> None:
    got = scores(detector, Video().frames)
    extra = ("map_max",) if detector.map_filter else ()
    assert tuple(got) == (*detector.components, *extra)
    assert set(detector.score_weights) <= set(got)
    assert all(values.shape == (24,) and np.isfinite(values).all() for values in got.values())


def test_scores_are_deterministic_and_do_not_depend_on_the_batch(detector: Detector) -> None:
    frames = Video().frames
    first, again = scores(detector, frames), scores(detector, frames)
    for name, values in first.items():
        assert np.array_equal(values, again[name])
        for batch in (1, 5, 24):
            np.testing.assert_allclose(scores(detector, frames, batch)[name], values, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_constant_video_gives_finite_scores(detector: Detector, value: int) -> None:
    got = scores(detector, np.full((12, 16, 32, 3), value, np.uint8))
    assert all(np.isfinite(values).all() for values in got.values())


@pytest.mark.parametrize("length", [1, 2])
def test_video_shorter_than_the_window(detector: Detector, length: int) -> None:
    assert detector.window.missing != "drop", "then this test must expect an error"
    assert all(len(values) == length for values in scores(detector, Video(length).frames).values())


def test_bf16_stays_near_fp32(detector: Detector) -> None:
    frames = [Frame(i, i / 25, image) for i, image in enumerate(Video().frames)]
    half = collect(score_frames(TorchRuntime(detector, "cpu", "bf16"), frames)).components
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


def test_every_parameter_learns_in_some_stage_and_losses_fall(detector: Detector) -> None:
    learning: set[int] = set()
    for stage in detector.stages():
        batch, optimiser = training_batch(detector), stage.optimiser()
        parameters = {id(p) for group in optimiser.param_groups for p in group["params"]}
        learning |= parameters
        stage.train_mode()
        losses = []
        for _ in range(10):
            optimiser.zero_grad()
            loss = stage.loss(batch)["loss"]
            loss.backward()
            losses.append(loss.item())
            reached = {id(p) for p in detector.parameters() if p.grad is not None and p.grad.abs().sum() > 0}
            assert parameters <= reached, "a parameter of this stage gets no gradient"
            optimiser.step()
        assert losses[-1] < losses[0]
        detector.zero_grad(set_to_none=True)
    assert learning == {id(p) for p in detector.parameters()}
