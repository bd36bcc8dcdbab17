"""Batches that are gathered on the device are those that the host gathers, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from training_toys import Toy, ToySet, same, weights

from oddframe.datasets.bags import BagSet
from oddframe.datasets.clips import ClipSet
from oddframe.datasets.pseudo import Paster
from oddframe.datasets.sequences import sequences_from_world
from oddframe.errors import InputError
from oddframe.models.detector import Batch
from oddframe.models.sdmae import SDMAE
from oddframe.settings import PseudoAnomalies, TrainingOptions, TrainingPlan
from oddframe.testing.windows import Stored
from oddframe.training.loop import train
from oddframe.training.sampling import as_batch
from oddframe.training.sources import HostSource, ResidentBags, ResidentClips, open_source, pack
from oddframe.types import IgnoredPlace, Window

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SIZE = (24, 32)
SEQUENCES = sequences_from_world(0, SIZE, 6)
CORNER = IgnoredPlace("corner", ((0.0, 0.0), (0.4, 0.0), (0.4, 0.5), (0.0, 0.5)))
HOWS = [
    PseudoAnomalies(probability=0.7, min_area=0.0, max_area=0.3),
    PseudoAnomalies(probability=0.7, min_area=0.0, max_area=0.3, blend="alpha", place="random"),
    PseudoAnomalies(probability=0.7, min_area=0.0, max_area=0.3, blend="grey", place="random"),
]


def clips(window: Window, paster: Paster | None, lengths: tuple[int, ...] = (40, 25)) -> ClipSet:
    """Windows of noise. The second half of the first video lies behind a pause, and only a part may be scored."""
    random = np.random.default_rng(0)
    shape = (*SIZE, window.channels)
    videos = [Stored(random.integers(0, 256, (length, *shape)).astype(np.uint8)) for length in lengths]
    tracks = [[np.arange(20), np.arange(20, lengths[0], 2)], *([np.arange(n)] for n in lengths[1:])]
    return ClipSet(videos, window, [range(n - 2) for n in lengths], paster, tracks)


def assert_same(one: Batch, other: Batch) -> None:
    assert vars(one).keys() == vars(other).keys()
    for name, value in vars(one).items():
        mine = getattr(other, name)
        assert (value is None and mine is None) or (value.dtype == mine.dtype and torch.equal(value, mine)), name


@pytest.mark.parametrize("how", HOWS, ids=lambda how: how.blend)
@pytest.mark.parametrize(
    "window",
    [
        Window((-3, 0, 3), SIZE, context=(-1,), missing="current"),
        Window((-2, -1), SIZE, colour="gray", missing="drop", ignored=(CORNER,)),
    ],
    ids=["three frames", "grey, a corner ignored"],
)
def test_windows_gathered_on_the_device_are_the_same_bits(window: Window, how: PseudoAnomalies) -> None:
    data = clips(window, Paster(SEQUENCES, SIZE, how, seed=1))
    source = ResidentClips(data, CPU)
    rng = np.random.default_rng(1)
    pasted = 0
    for epoch in range(2):
        samples, keys = rng.permutation(len(data))[:32], rng.integers(0, 2**62, 32)
        batch = source.draw(samples, keys, epoch).to(CPU)
        assert_same(as_batch(data.batch(samples, keys, epoch)), batch)
        pasted += int((batch.pasted.flatten(1).amax(1) > 0).sum())
    assert 10 < pasted < 60, "some samples show an object, and some do not"


def test_all_of_a_batch_is_made_on_the_device() -> None:
    """The device "meta" takes no tensor of the host in a computation."""
    meta = torch.device("meta")
    data = clips(Window((-2, -1), SIZE, ignored=(CORNER,)), Paster(SEQUENCES, SIZE, HOWS[0], seed=1))
    batch = ResidentClips(data, meta).draw(np.arange(8), np.arange(8), 0).to(meta)
    assert {value.device for value in vars(batch).values() if value is not None} == {meta}
    assert batch.frames.shape == (8, 2, *SIZE, 3) and batch.pasted.shape == (8, *SIZE)
    bags = BagSet({"a": np.zeros((4, 3, 2), np.float32)}, np.array([0, 1, 0, 1]))
    drawn = ResidentBags(bags, meta).draw(np.arange(2), np.arange(2), 0).to(meta)
    assert {value.device for value in (*drawn.features.values(), drawn.label, drawn.index, drawn.key)} == {meta}


def test_without_pseudo_anomalies_nothing_is_pasted() -> None:
    data = clips(Window((0,), SIZE), None)
    samples = np.arange(len(data))
    assert_same(as_batch(data.batch(samples, samples, 0)), ResidentClips(data, CPU).draw(samples, samples, 0).to(CPU))


def test_heldout_samples_share_the_frames() -> None:
    data = clips(Window((0,), SIZE), None)
    rest = ClipSet(data.videos, data.window, [range(0), range(20, 25)])
    source, _ = open_source(data, CPU, "always")
    beside, _ = open_source(rest, CPU, "always", source)
    other, _ = open_source(clips(data.window, None), CPU, "always", source)
    assert beside.pixels is source.pixels and other.pixels is not source.pixels
    assert_same(as_batch(rest.batch(np.arange(5), np.arange(5), 0)), beside.draw(np.arange(5), np.arange(5), 0).to(CPU))


def test_bags_gathered_on_the_device_are_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    features = {"a": rng.random((9, 4, 5), np.float32), "b": rng.random((9, 4, 3), np.float32)}
    data = BagSet(features, rng.permutation([0, 1, 0, 1, 1, 0, 0, 0, 1]), first=7)
    samples, keys = np.array([8, 0, 3]), np.array([5, 6, 7])
    wanted, got = as_batch(data.batch(samples, keys, 0)), ResidentBags(data, CPU).draw(samples, keys, 0).to(CPU)
    for name in ("label", "index", "key"):
        assert torch.equal(getattr(wanted, name), getattr(got, name)), name
    for name in features:
        assert torch.equal(wanted.features[name], got.features[name])


def test_only_a_gpu_takes_the_data_by_itself() -> None:
    data = clips(Window((0,), SIZE), None)
    assert isinstance(open_source(data, CPU, "auto")[0], HostSource)
    assert isinstance(open_source(data, CPU, "never")[0], HostSource)
    assert isinstance(open_source(ToySet(3), CUDA, "auto")[0], HostSource), "somebody's own samples"
    with pytest.raises(InputError, match="of the type ToySet cannot lie in the memory of the device"):
        open_source(ToySet(3), CPU, "always")


def test_data_that_do_not_fit_stay_with_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    data = clips(Window((0,), SIZE), None)
    needed = 65 * SIZE[0] * SIZE[1] * 3
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * needed - 2, 0))
    source, note = open_source(data, CUDA, "auto")
    assert isinstance(source, HostSource)
    assert note == "training data take 0.00015 GB, and the device has 0.0003 GB free: they stay with the host, and " \
        "every batch is copied"  # fmt: skip
    with pytest.raises(InputError, match=r"0.0003 GB free; half of that must stay free"):
        open_source(data, CUDA, "always")


def test_stamps_at_the_edges_stay_inside() -> None:
    data = clips(Window((0,), SIZE), Paster(SEQUENCES, SIZE, HOWS[1], seed=1))
    looked = data.look_up(np.arange(40))
    windows = enumerate(zip(looked.frames, looked.scored.tolist(), strict=True))
    drawn = {k: data.paster.draw(0, frames[:1], scored, 0, 3).cutouts[0] for k, (frames, scored) in windows}
    cutouts = [(k, cutout) for k, cutout in drawn.items() if cutout is not None]
    corners, content = pack(cutouts, SIZE)
    rows, columns = np.divmod(corners, SIZE[1])
    assert (rows % SIZE[0] + content.shape[1] <= SIZE[0]).all() and (columns + content.shape[2] <= SIZE[1]).all()
    assert content[..., 0].sum() == sum(int(cutout.alpha.sum(dtype=int)) for _, cutout in cutouts), "nothing is lost"


def test_training_on_resident_frames_learns_the_same(tmp_path: Path) -> None:
    learned = []
    for resident in ("never", "always"):
        torch.manual_seed(0)
        detector = SDMAE.from_preset(
            "paper", size=SIZE, patch=4, encoder_width=8, decoder_width=8, heads=2, learning_rate=1e-2
        )
        plan = TrainingPlan(batch_size=8, budget="4steps")
        paster = Paster(SEQUENCES, SIZE, HOWS[0], seed=1)
        options = TrainingOptions(device="cpu", progress=False, resident=resident)
        data = clips(detector.window, paster)
        train(detector, data, ClipSet(data.videos, data.window, [range(0), range(20, 25)]), plan, tmp_path, options)
        learned.append(weights(detector))
    assert same(*learned)


def test_a_strange_set_is_refused_before_training(tmp_path: Path) -> None:
    options = TrainingOptions(device="cpu", progress=False, resident="always")
    with pytest.raises(InputError, match="leave out --resident always"):
        train(Toy(), ToySet(8), None, TrainingPlan(batch_size=4), tmp_path, options)
    with pytest.raises(InputError, match="resident is 'maybe'; choose auto, always or never"):
        TrainingOptions(resident="maybe")
