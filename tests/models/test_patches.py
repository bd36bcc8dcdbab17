"""`patches`: what it learns, what it finds, and that chunks, seeds and states change nothing they should not.

A small network stands in for the real one: mean and spread of the colours of 16x16 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.datasets.pseudo import Paster
from oddframe.datasets.sequences import sequences_from_world
from oddframe.datasets.windows import Chunk
from oddframe.errors import BundleError, InputError, RecipeError
from oddframe.evaluation.auc import roc_auc
from oddframe.models.patches import Patches
from oddframe.settings import PseudoAnomalies
from oddframe.street import World
from oddframe.types import VideoInfo

INFO = VideoInfo("street", "street.mp4", 320, 192, 10.0)
SIZE = (96, 160)
OPTIONS: dict[str, Any] = {"size": SIZE, "memory": 120, "sample": 600, "learning_rate": 5.0, "local": True}


def colours(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(B, H, W, 3) to (B, H / 16, W / 16, 6): mean and spread of the colours of a cell."""
    b, height, width = frames.shape[:3]
    cells = frames.reshape(b, height // 16, 16, width // 16, 16, 3).astype(np.float32)
    return np.concatenate([cells.mean((2, 4)), cells.std((2, 4))], -1)


def chunks(frames: NDArray[np.uint8], cuts: Sequence[int] = (), fps: float = 10.0) -> list[Chunk]:
    """Frames of a video in chunks that end at the `cuts`."""
    found = []
    for index in np.split(np.arange(len(frames)), cuts):
        own = np.arange(len(index))[:, None]
        found.append(Chunk(frames[index], own, own, index, index / fps))
    return found


def street(video: int, seconds: float) -> NDArray[np.uint8]:
    world = World(3, SIZE, 10.0)
    return np.stack([frame.image[..., ::-1] for frame in world.video(video, seconds)])


@pytest.fixture(scope="module")
def normal() -> list[NDArray[np.uint8]]:
    return [street(k, 4) for k in range(3)]


def fitted(videos: Sequence[NDArray[np.uint8]], seed: int = 0, cuts: Sequence[int] = (), **options: Any) -> Patches:
    detector = Patches.for_video(INFO, network=colours, **(OPTIONS | options))
    detector.begin_learning(seed)
    for video in videos:
        detector.begin_video()
        for chunk in chunks(video, cuts):
            detector.learn(chunk)
    detector.finish_learning()
    return detector


def scores(detector: Patches, video: NDArray[np.uint8], cuts: Sequence[int] = ()) -> tuple[NDArray, NDArray]:
    """Components and maps of all frames of a video."""
    detector.begin_video()
    found = [detector.score(chunk) for chunk in chunks(video, cuts)]
    maps = [one.map for one in found if one.map is not None]
    return np.concatenate([one.components["patch"] for one in found]), np.concatenate(maps)


@pytest.mark.slow
def test_a_score_is_the_whitened_distance_with_place_beyond_what_is_normal_there(
    normal: list[NDArray[np.uint8]],
) -> None:
    detector = fitted(normal, place=0.7, rate=10.0)
    video = street(9, 1)
    component, maps = scores(detector, video)
    state = {name: value.astype(np.float64) for name, value in detector.state().items()}
    white = (colours(video) - state["mean"]) @ state["projection"]
    place = np.broadcast_to(np.moveaxis(np.indices((6, 10)), 0, -1) * 0.7, (*white.shape[:3], 2))
    patches = np.concatenate([white, place], -1)
    distance = np.linalg.norm(patches[..., None, :] - state["memory"], axis=-1).min(-1)
    np.testing.assert_allclose(maps, distance - state["reach"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(component, maps.reshape(len(video), -1).max(1))
    assert detector.map_grid == (6, 10) and maps.dtype == np.float32


def test_whitening_makes_the_covariance_that_of_unit_noise(normal: list[NDArray[np.uint8]]) -> None:
    state = fitted(normal, rate=10.0, learning_rate=10.0, sample=10**6).state()
    vectors = np.concatenate([colours(video).reshape(-1, 6) for video in normal]).astype(np.float64)
    np.testing.assert_allclose(state["mean"], vectors.mean(0), rtol=1e-5)
    white = (vectors - vectors.mean(0)) @ state["projection"]
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(6), atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("cuts", [(7, 8, 30), tuple(range(1, 40))])
def test_neither_learning_nor_scoring_depends_on_the_cut_into_chunks(
    normal: list[NDArray[np.uint8]], cuts: tuple[int, ...]
) -> None:
    whole, cut = fitted(normal), fitted(normal, cuts=cuts)
    for name, value in whole.state().items():
        np.testing.assert_array_equal(value, cut.state()[name], err_msg=name)
    video = street(8, 4)
    for a, b in zip(scores(whole, video), scores(cut, video, cuts), strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_seed_gives_one_state_and_another_seed_another(normal: list[NDArray[np.uint8]]) -> None:
    first, again, other = fitted(normal, 1), fitted(normal, 1), fitted(normal, 2)
    np.testing.assert_array_equal(first.state()["memory"], again.state()["memory"])
    assert not np.array_equal(first.state()["memory"], other.state()["memory"])
    np.testing.assert_array_equal(first.state()["projection"], other.state()["projection"])
    samples = [fitted(normal, seed, memory=600).state()["memory"] for seed in (1, 2)]  # all of the sample
    assert not np.array_equal(*(np.sort(sample[:, 0]) for sample in samples))


def test_learning_again_forgets_what_was_learned(normal: list[NDArray[np.uint8]]) -> None:
    detector, fresh = fitted(normal[:1]), fitted(normal[1:])
    detector.begin_learning(0)
    assert detector.state() == {}
    for video in normal[1:]:
        detector.begin_video()
        detector.learn(chunks(video)[0])
    detector.finish_learning()
    for name, value in fresh.state().items():
        np.testing.assert_array_equal(value, detector.state()[name])


def test_a_state_goes_round_and_a_damaged_one_is_refused(normal: list[NDArray[np.uint8]]) -> None:
    detector, video = fitted(normal), street(8, 2)
    state = detector.state()
    other = Patches.for_video(INFO, network=colours, **OPTIONS)
    with pytest.raises(InputError, match="learned nothing"):
        other.score(chunks(video)[0])
    other.load_state(state)
    np.testing.assert_array_equal(scores(detector, video)[1], scores(other, video)[1])
    for name, value in state.items():
        with pytest.raises(BundleError, match=f"{name} is missing"):
            other.load_state({k: v for k, v in state.items() if k != name})
        with pytest.raises(BundleError, match=f"{name}|mean"):
            other.load_state(state | {name: value[:-1] if name != "memory" else value[:, :-1]})
    with pytest.raises(BundleError, match="memory holds 120 patches"):
        Patches.for_video(INFO, network=colours, **(OPTIONS | {"memory": 50})).load_state(state)


def test_the_place_term_makes_a_known_look_at_a_strange_place_odd() -> None:
    rows = np.repeat(np.arange(20, 240, 40, dtype=np.uint8), 16)
    video = np.broadcast_to(rows[None, :, None, None], (40, *SIZE, 3))
    strange = video[:1].copy()
    strange[0, 80:96, 32:48] = 20
    rise = []
    for place in (0.0, 3.0):
        detector = fitted([video], place=place, local=False, memory=600)
        rise.append((scores(detector, strange)[1] - scores(detector, video[:1])[1])[0, 5, 2])
    assert rise[0] == pytest.approx(0, abs=0.01) and rise[1] > 1.5


def test_what_is_often_far_at_a_place_is_not_odd_there(normal: list[NDArray[np.uint8]]) -> None:
    rng = np.random.default_rng(0)
    video = np.full((60, *SIZE, 3), 120, np.uint8)
    video[:, :48, :48] = rng.integers(0, 255, (60, 1, 1, 3))  # restless
    plain, local = fitted([video], local=False), fitted([video])
    fresh = video[:1].copy()
    fresh[0, :48, :48] = 250
    reach = local.state()["reach"]
    assert reach[0, 0] > 5 * reach[5, 9]
    assert plain.state()["reach"].max() == 0
    np.testing.assert_allclose(scores(plain, fresh)[1] - scores(local, fresh)[1], reach[None], atol=1e-4)


@pytest.mark.slow
def test_a_frame_is_looked_at_when_its_time_comes_and_the_value_is_held(normal: list[NDArray[np.uint8]]) -> None:
    looked: list[int] = []

    def counting(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        looked.append(len(frames))
        return colours(frames)

    detector = fitted(normal, rate=2.0)
    detector.network = counting
    component, maps = scores(detector, street(8, 2))
    assert sum(looked) == 4
    assert [n for n in range(1, 20) if component[n] != component[n - 1]] == [5, 10, 15]
    np.testing.assert_array_equal(maps[5], maps[9])
    every = fitted(normal, rate=2.0)
    every.begin_video()
    late = Chunk(street(8, 1)[:2], np.array([[0], [1]]), np.array([[0], [1]]), np.array([0, 1]), np.array([7.3, 7.4]))
    assert np.isfinite(every.score(late).components["patch"]).all()  # the first is looked at whatever its time


@pytest.mark.slow
def test_a_pasted_object_is_found_and_located(normal: list[NDArray[np.uint8]]) -> None:
    detector = fitted(normal, rate=10.0, memory=600, sample=6000)
    clean = street(9, 4)
    how = PseudoAnomalies(probability=1.0, min_area=0.01, max_area=0.1, blend="alpha", place="random")
    paster = Paster(sequences_from_world(1, SIZE, 9), SIZE, how, seed=2)
    pasted, shown = clean.copy(), np.zeros((len(clean), *SIZE), bool)
    for n in range(len(clean)):
        found = paster.apply(0, np.ascontiguousarray(clean[n : n + 1, ..., ::-1]), np.array([n]), n, 0, n)
        assert found is not None
        pasted[n], shown[n] = found[0][0, ..., ::-1], found[1] > 127
    (normally, _), (oddly, maps) = scores(detector, clean), scores(detector, pasted)
    truth = np.r_[np.zeros(len(clean)), np.ones(len(clean))]
    assert roc_auc(truth, np.r_[normally, oddly]) > 0.8
    cells = shown.reshape(-1, 6, 16, 10, 16).any((2, 4)).reshape(len(clean), -1)
    assert cells[np.arange(len(clean)), maps.reshape(len(clean), -1).argmax(1)].mean() > 0.6


def test_the_size_follows_the_video_and_options_are_checked() -> None:
    sizes = {(360, 240): (320, 480), (1920, 1080): (288, 528), (240, 360): (480, 320)}
    for (width, height), size in sizes.items():
        info = VideoInfo("a", "a.mp4", width, height, None)
        assert Patches.for_video(info).window.size == size
    fine = Patches.for_video(INFO, size=[320, 480], blocks=[2, 4])
    assert fine.map_grid == (40, 60) and fine.window.colour == "rgb" and fine.signature.look_ahead == 0
    for options, message in (
        ({"size": [100, 160]}, "multiples of 16"),
        ({"blocks": [4, 11]}, "choose one or more of 0 to 10"),
        ({"blocks": [4, 4]}, "in order"),
        ({"memory": 0}, "memory is 0"),
        ({"rate": 0.0}, "rate is 0"),
        ({"place": -1.0}, "place is -1"),
        ({"speed": 1}, "no option 'speed'"),
    ):
        with pytest.raises(RecipeError, match=message):
            Patches.for_video(INFO, **options)


def test_what_is_missing_is_said(normal: list[NDArray[np.uint8]]) -> None:
    detector = Patches.for_video(INFO, **OPTIONS)
    detector.begin_learning(0)
    with pytest.raises(InputError, match="patches has no network"):
        detector.learn(chunks(normal[0])[0])
    detector.network = colours
    detector.learn(chunks(normal[0][:3])[0])
    with pytest.raises(InputError, match="2 frames are too few to learn from"):
        detector.finish_learning()
    other = fitted(normal)
    other.network = lambda frames: colours(frames)[..., :5]
    with pytest.raises(InputError, match="gives 5 numbers a patch, and 6 were learned"):
        other.score(chunks(normal[0])[0])
    other.network = lambda frames: colours(frames)[:, 1:]
    with pytest.raises(InputError, match="made for other blocks"):
        other.score(chunks(normal[0])[0])


def test_the_oddest_patch_is_told_with_its_place(normal: list[NDArray[np.uint8]]) -> None:
    detector = fitted(normal)
    frame = normal[0][20:21].copy()
    frame[:, 64:80, 128:144] = (250, 0, 250)
    reason = detector.explain("patch", iter(chunks(np.concatenate([normal[0][:3], frame]))))
    assert reason is not None and reason.place == pytest.approx((8 / 10, 4 / 6, 9 / 10, 5 / 6))
    assert reason.value == pytest.approx(scores(detector, frame)[0][0])
    assert "looks like nothing seen at this place" in reason.words
    detector.network = None
    assert detector.explain("patch", iter(chunks(frame))) is None
