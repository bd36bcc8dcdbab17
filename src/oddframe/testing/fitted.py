"""The contracts of a fitted detector, which learns in one pass over normal video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.errors import InputError, VideoError
from oddframe.models.catalogue import ModelEntry
from oddframe.models.fitted import FittedDetector, State
from oddframe.testing.check import (
    Case,
    Check,
    cases,
    entry_is_whole,
    require,
    require_close,
    require_equal,
    require_refused,
    require_words,
)
from oddframe.types import ChunkErrors, VideoInfo, Window
from oddframe.video.decode import Frame

LENGTH = 80  # frames of a test video
SIZE = (32, 16)  # width and height of the camera
CAMERA = VideoInfo("camera", "camera.mp4", *SIZE, 25.0, LENGTH)
Answers = Mapping[str, NDArray[Any]]


def fitted_checks(about: ModelEntry) -> list[Check]:
    """The contracts of an entry of kind "fitted"."""
    first, found = cases(about)[0], []
    found.append(Check(first, "its entry is whole", entry_is_whole))
    found.append(Check(first, "its cost is stated", cost_is_stated))
    for case in cases(about):
        found += [
            Check(case, "what it says of itself is true", words_are_true),
            Check(case, "learning is exact and seeded", learning_is_exact),
            Check(case, "scoring changes nothing that was learned", scoring_keeps_the_state),
            Check(case, "scores do not depend on how a video is cut into chunks", scores_ignore_the_chunk),
            Check(case, "a new video begins afresh", videos_are_apart),
            Check(case, "to explain does not disturb scoring", explaining_disturbs_nothing),
            Check(case, "its state survives a file", state_survives),
            Check(case, "a broken state is refused", broken_state_is_refused),
            Check(case, "a constant video gives finite scores", constant_video_is_finite),
            Check(case, "a video shorter than the window is scored or refused", short_video_is_told),
            Check(case, "a new pass forgets the last", a_pass_forgets),
        ]
    return found


def make(case: Case) -> FittedDetector:
    """A new detector for the test camera."""
    kind: Any = case.about.detector
    made = kind.for_video(CAMERA, **{**case.about.tiny, **case.options})
    assert isinstance(made, FittedDetector), f"{type(made).__name__} is no FittedDetector, but its entry says so"
    return made


def video(window: Window, length: int = LENGTH, seed: int = 0) -> NDArray[np.uint8]:
    """A moving square on noise, as the window takes it: (N, H, W, C)."""
    height, width = window.size
    frames = np.random.default_rng(seed).integers(90, 110, (length, height, width, 3)).astype(np.uint8)
    tall, wide, top = max(1, height * 5 // 16), max(1, width * 6 // 32), height // 4
    for t in range(length):
        left = (t + 7 * seed) % max(1, width - wide)
        frames[t, top : top + tall, left : left + wide] = (200, 40, 90)
    return frames[..., :1] if window.colour == "gray" else frames


def chunks(window: Window, images: NDArray[np.uint8], batch: int = 8) -> Iterator[Chunk]:
    """A video of 25 frames per second, as a detector gets it."""
    return stream_chunks((Frame(i, i / 25, image) for i, image in enumerate(images)), window, batch)


def fit(detector: FittedDetector, videos: list[NDArray[np.uint8]], seed: int = 0) -> FittedDetector:
    """One pass over these videos."""
    detector.begin_learning(seed)
    for images in videos:
        detector.begin_video()
        for chunk in chunks(detector.window, images):
            detector.learn(chunk)
    detector.finish_learning()
    return detector


def fitted(case: Case, seed: int = 0) -> FittedDetector:
    """A detector that has seen two videos."""
    detector = make(case)
    return fit(detector, [video(detector.window), video(detector.window, seed=1)], seed)


def score(detector: FittedDetector, images: NDArray[np.uint8], batch: int = 8) -> Answers:
    """Components and map of a video."""
    detector.begin_video()
    return _joined([detector.score(chunk) for chunk in chunks(detector.window, images, batch)])


def _joined(found: list[ChunkErrors]) -> Answers:
    answers: dict[str, NDArray[Any]] = {
        name: np.concatenate([errors.components[name] for errors in found]) for name in found[0].components
    }
    maps = [errors.map for errors in found if errors.map is not None]
    return {**answers, "map": np.concatenate(maps)} if maps else answers


def cost_is_stated(case: Case) -> None:
    """No counter sees inside NumPy, so the figure is the author's; that there is one is checked."""
    require(case.about.gflop > 0, "no cost is stated: count the operations of a frame and state gflop")


def words_are_true(case: Case) -> None:
    """Components, shapes and words are those that the detector states."""
    detector = fitted(case)
    got = dict(score(detector, video(detector.window, seed=2)))
    count = len(detector.window.scorable(LENGTH))
    maps = got.pop("map", None)
    require(list(got) == list(detector.components), f"components are {list(got)}, not {list(detector.components)}")
    require_words(detector.components)
    asked = {*detector.combination.weights, *detector.combination.transform}
    require(asked <= got.keys(), f"combination asks for {sorted(asked - got.keys())}, which there is not")
    for name, values in got.items():
        require(values.shape == (count,), f"{name} has shape {values.shape}; {count} frames can be scored")
        require(values.dtype == np.float64, f"{name} is {values.dtype}, not float64")
        require(np.isfinite(values).all(), f"{name} is not finite")
    if detector.map_grid is None:
        require(maps is None, "it returns a map, but map_grid is None")
        return
    shape = (count, *detector.map_grid)
    if maps is None or maps.shape != shape:
        raise AssertionError(f"its maps have shape {None if maps is None else maps.shape}, not {shape}")
    require(maps.dtype == np.float32, f"its maps are {maps.dtype}, not float32")
    require(np.isfinite(maps).all(), "its map is not finite")


def learning_is_exact(case: Case) -> None:
    """The same video and seed give the same bits, whatever NumPy's global generator is at; every seed works."""
    require(not make(case).state(), "its state is not empty before it has learned")
    before = np.random.get_state()
    try:
        np.random.seed(1)
        first = fitted(case)
        np.random.seed(2)
        again = fitted(case)
    finally:
        np.random.set_state(before)
    require(first.state(), "its state is empty after it has learned")
    require_equal(again.state(), first.state(), "learned twice")
    images = video(first.window, seed=2)
    require_equal(score(again, images), score(first, images), "scores after learning twice")
    for name, values in score(fitted(case, seed=7), images).items():
        require(np.isfinite(values).all(), f"{name} is not finite with another seed")


def scoring_keeps_the_state(case: Case) -> None:
    """Scores are the same when a video is scored twice, and the state stays."""
    detector = fitted(case)
    before = _copied(detector.state())
    images = video(detector.window, seed=2)
    first = score(detector, images)
    require_equal(score(detector, images), first, "scored twice")
    require_equal(detector.state(), before, "the state after scoring")


def scores_ignore_the_chunk(case: Case) -> None:
    """Chunks of any size give the same scores; the last of a video is shorter than the others."""
    detector = fitted(case)
    images = video(detector.window, seed=2)
    wanted = score(detector, images)
    for batch in (1, 3, 50):
        for name, values in score(detector, images, batch).items():
            require_close(values, wanted[name], f"{name} in chunks of {batch} instead of 8")


def videos_are_apart(case: Case) -> None:
    """After `begin_video`, what was scored before makes no difference."""
    alone, after = fitted(case), fitted(case)
    images = video(alone.window, seed=2)
    score(after, video(after.window, seed=3))
    require_equal(score(after, images), score(alone, images), "a video that is scored after another")


def explaining_disturbs_nothing(case: Case) -> None:
    """`explain` answers for every component, in between two chunks, and scores stay what they are."""
    detector, images = fitted(case), video(make(case).window, seed=2)
    plain = score(detector, images)
    detector.begin_video()
    found = []
    for chunk in chunks(detector.window, images):
        found.append(detector.score(chunk))
        for name in detector.components:
            require(detector.look_back(name) >= 0, f"look_back of {name} is negative")
            reason = detector.explain(name, iter([chunk]))
            if reason is not None:
                require(bool(reason.words.strip()), f"the reason of {name} has no words")
                place = reason.place or (0.0, 0.0, 1.0, 1.0)
                require(0 <= place[0] < place[2] <= 1 and 0 <= place[1] < place[3] <= 1, f"{place} is no place")
    require_equal(_joined(found), plain, "scores where something is explained in between")


def state_survives(case: Case) -> None:
    """A new detector that takes over the state from a file scores with the same bits."""
    detector, other = fitted(case), make(case)
    stored = save({name: np.ascontiguousarray(value) for name, value in detector.state().items()})
    other.load_state(load(stored))
    images = video(detector.window, seed=2)
    require_equal(score(other, images), score(detector, images), "scores after the state was stored")
    require_equal(other.state(), detector.state(), "the state after it was stored")


def broken_state_is_refused(case: Case) -> None:
    """A state without one of its arrays, or with another shape of one, raises a `BundleError`."""
    state = fitted(case).state()
    for name, value in state.items():
        rest = {other: array for other, array in state.items() if other != name}
        require_refused(partial(make(case).load_state, rest), f"a state without {name} is taken")
        wrong = {**state, name: np.zeros((*value.shape, 3), value.dtype)}
        require_refused(partial(make(case).load_state, wrong), f"a state with a misshapen {name} is taken")


def constant_video_is_finite(case: Case) -> None:
    """A video without any motion or texture is learned from, or refused in one line; its scores are finite."""
    for value in (0, 128, 255):
        detector = fitted(case)
        images = np.full_like(video(detector.window), value)
        for name, values in score(detector, images).items():
            require(np.isfinite(values).all(), f"{name} is not finite for frames of {value}")
        try:
            flat = fit(make(case), [images])
        except InputError:
            continue
        for shown in (images, video(flat.window)):
            for name, values in score(flat, shown).items():
                require(np.isfinite(values).all(), f"{name} is not finite after learning from frames of {value}")


def short_video_is_told(case: Case) -> None:
    """Every frame of a short video is scored, or the window refuses it; learning from none is refused."""
    detector = fitted(case)
    window = detector.window
    needed = window.look_back + window.look_ahead + 1
    for length in sorted({1, 2, needed - 1} - {0}):
        if window.missing == "drop" and length < needed:
            continue  # such a video never reaches a detector
        got = score(detector, video(window, length))
        require(all(len(values) == length for values in got.values()), f"of {length} frames not all are scored")
        require(all(np.isfinite(values).all() for values in got.values()), f"{length} frames: scores are not finite")
    try:
        fit(make(case), [])
    except (InputError, VideoError):
        return
    raise AssertionError("finish_learning accepts a pass without any video; it has to raise an InputError")


def a_pass_forgets(case: Case) -> None:
    """A second pass on one detector gives what a first pass gives."""
    detector = fitted(case)
    wanted = _copied(detector.state())
    fit(detector, [video(detector.window, seed=5)], seed=3)
    again = fit(detector, [video(detector.window), video(detector.window, seed=1)])
    require_equal(again.state(), wanted, "the state after a second pass")


def _copied(state: State) -> State:
    return {name: np.array(value) for name, value in state.items()}
