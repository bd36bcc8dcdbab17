"""`oddframe adapt`: a meta-trained detector, a new camera, a few windows of it; and what bad input gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import oddframe
from oddframe.bundle import TrainingData, save_bundle
from oddframe.errors import CalibrationError, InputError
from oddframe.models.detector import Batch
from oddframe.models.registry import create
from oddframe.recipes import load_recipe
from oddframe.scoring.heldout_store import load_heldout
from oddframe.types import Window
from oddframe.video.decode import VideoReader
from oddframe.video.rate import given_rate
from oddframe.video.search import find_videos
from oddframe.workflow.adapt import divide

TINY = ("options.size=[32, 64]", "options.width=4", "options.step_size=0.05", "training.batch_size=4")
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(cache))


def film(folder: Path, seed: int, frames: int = 80) -> Path:
    """A frame folder: a square that crosses a background."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    background = cv2.resize(random.integers(60, 160, (5, 8, 3), np.uint8), (64, 32))
    for t in range(frames):
        image = background.copy()
        image[8:20, (2 * t + 11 * seed) % 64 :][:, :10] = random.integers(200, 230, 3)
        cv2.imwrite(str(folder / f"{t:04}.png"), image)
    return folder


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("street")
    for seed in range(3):
        film(folder / f"cam{seed}", seed)
    return folder


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Normal video of another place."""
    return film(tmp_path_factory.mktemp("place") / "gate", 9)


@pytest.fixture(scope="module")
def trained(street: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(cache))
        run = oddframe.fit(
            street,
            recipe="mpn-meta-small",
            out=out,
            changes=TINY,
            training=oddframe.TrainingOptions(budget="10steps", workers=1),
        )
    stages = [record["stage"] for record in run.history["records"]]
    assert set(stages) == {"pretrain", "meta"}
    return out


@pytest.mark.slow
def test_a_new_bundle_appears_and_the_old_one_stays(trained: Path, camera: Path, tmp_path: Path, ask: Ask) -> None:
    before = {path.name: path.read_bytes() for path in trained.iterdir() if path.is_file()}
    status, text, errors = ask("adapt", trained, camera, "--shots", 3, "--out", tmp_path / "new")
    assert status == 0, errors
    assert "3 windows, evenly spread" in text and "threshold" in text
    assert {path.name: path.read_bytes() for path in trained.iterdir() if path.is_file()} == before

    old, new = oddframe.load_run(trained), oddframe.load_run(tmp_path / "new")
    assert new.bundle.id != old.bundle.id and new.bundle.recipe == old.bundle.recipe
    assert new.history == old.history and new.bundle.data.videos == old.bundle.data.videos
    origin = new.bundle.data.adapted_from
    assert (origin.bundle, origin.video, origin.shots) == (old.bundle.id, camera.stem, 3)
    weights, adapted = old.detector.state_dict(), new.detector.state_dict()
    changed = {name for name in weights if not torch.equal(weights[name], adapted[name])}
    assert changed <= set(new.detector.theta()) and "ohead.0.weight" in changed
    assert f"Adapted from bundle {old.bundle.id} to the windows of `gate`" in (tmp_path / "new" / "CARD.md").read_text()


@pytest.mark.slow
def test_calibration_sees_no_frame_of_the_windows(trained: Path, camera: Path, tmp_path: Path) -> None:
    new = oddframe.adapt(oddframe.load_run(trained), camera, shots=2, out=tmp_path / "new")
    support, rest = divide(80, 2, new.detector.window, "gate")
    assert list(new.bundle.data.adapted_from.frames) == support == [22, 62]
    pieces = load_heldout(new.path)
    for (time, components), block in zip(pieces, rest, strict=True):
        np.testing.assert_allclose(time, np.arange(block.start + 4, block.stop) / 25)
        assert set(components) == {"prediction", "prototype", "map_max"}
    assert new.calibration().videos == 3
    assert np.isfinite(new.score(camera).videos[0].score).all()


def test_it_is_the_detectors_own_adaptation(trained: Path, camera: Path, tmp_path: Path) -> None:
    run = oddframe.load_run(trained)
    new = oddframe.adapt(run, camera, shots=2, out=tmp_path / "new").detector.state_dict()
    with VideoReader(find_videos(camera)[0], (32, 64)) as reader:
        frames = torch.stack([torch.from_numpy(frame.image) for frame in reader])
    windows = torch.stack([frames[i - 4 : i + 1] for i in (22, 62)])
    run.detector.adapt(Batch(windows[:, :4], windows[:, 4:], torch.arange(2)))
    for name, value in run.detector.state_dict().items():
        torch.testing.assert_close(new[name], value)


@pytest.mark.slow
def test_steps_and_repeatability(trained: Path, camera: Path, tmp_path: Path) -> None:
    run = oddframe.load_run(trained)
    once, again, thrice = (
        oddframe.adapt(run, camera, shots=2, steps=steps, out=tmp_path / name)
        for name, steps in (("once", None), ("again", None), ("thrice", 3))
    )
    assert once.bundle.id == again.bundle.id != thrice.bundle.id
    assert thrice.detector.config.adapt_steps == 3 and "adapt_steps" not in run.bundle.recipe.options
    weights = [r.detector.state_dict()["ohead.4.weight"] for r in (run, once, thrice)]
    assert torch.dist(weights[0], weights[2]) > 1.5 * torch.dist(weights[0], weights[1]) > 0
    assert oddframe.adapt(oddframe.load_run(trained), camera, out=None).path == Path(f"{trained}-adapted")


def test_the_threshold_asked_for(trained: Path, camera: Path, tmp_path: Path) -> None:
    run, hourly = oddframe.load_run(trained), oddframe.ThresholdOptions(alarms_per_hour=1)
    timed = given_rate(find_videos(camera), 25)
    with pytest.raises(CalibrationError, match="cannot support 1 alarm per hour"):
        oddframe.adapt(run, timed, shots=1, threshold=hourly, out=tmp_path / "none")
    with pytest.raises(InputError, match="alarms per hour need its frame rate"):
        oddframe.adapt(run, camera, shots=1, threshold=hourly, out=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert (
        oddframe.adapt(run, camera, shots=1, threshold=oddframe.ThresholdOptions(quantile=0.9), out=tmp_path / "new")
        .calibration()
        .quantile
        == 0.9
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--shots", 0), "at least 1, not 0"),
        (("--shots", 500), "frames are too few for 500 shots of 5 frames"),
        (("--steps", 0), "adapt_steps 0 at least 1"),
    ],
)
def test_wrong_numbers_get_one_line_and_status_2(
    arguments: tuple[object, ...], message: str, trained: Path, camera: Path, tmp_path: Path, ask: Ask
) -> None:
    status, _, errors = ask("adapt", trained, camera, *arguments, "--out", tmp_path / "new")
    assert status == 2 and message in errors and errors.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_adapted_or_written_is_refused(
    trained: Path, street: Path, camera: Path, tmp_path: Path, ask: Ask
) -> None:
    recipe = load_recipe("mpn-small", TINY[:2])
    plain = save_bundle(tmp_path / "plain", create("mpn", recipe.preset, **recipe.options), recipe, {}, TrainingData())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "broken.mp4").write_text("this is no video")
    new = tmp_path / "new"
    for arguments, message in (
        ((plain.path, camera, "--out", new), "cannot adapt to a new camera; fit on the camera's own video"),
        ((trained, camera, "--out", tmp_path / "full"), "already exists; choose another --out"),
        ((trained, camera, "--out", tmp_path / "broken.mp4"), "is not a folder; choose another place"),
        ((trained, street, "--out", new), "holds 3 videos; give one"),
        ((trained, tmp_path / "broken.mp4", "--out", new), "broken.mp4"),
        ((trained, tmp_path / "nowhere.mp4", "--out", new), "no such file or folder"),
        ((tmp_path / "nowhere", camera), "there is no such bundle"),
    ):
        status, _, errors = ask("adapt", *arguments)
        assert status == 2 and message in errors and errors.count("\n") == 1, errors
        assert not new.exists()
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine" and "Traceback" not in errors


@given(length=st.integers(1, 2000), shots=st.integers(1, 40))
def test_windows_lie_evenly_and_the_rest_is_whole(length: int, shots: int) -> None:
    window = Window(offsets=(-4, -3, -2, -1), size=(8, 8), missing="drop")
    if length < 15 * shots:
        with pytest.raises(InputError, match=f"cam: {length} frames .* takes {15 * shots}"):
            divide(length, shots, window, "cam")
        return
    support, rest = divide(length, shots, window, "cam")
    seen = [frame + offset for frame in support for offset in range(-4, 1)]
    assert len(support) == shots and len(rest) == shots + 1 and all(len(block) >= 5 for block in rest)
    assert sorted([*seen, *(frame for block in rest for frame in block)]) == list(range(length))
    gaps = np.diff(support)
    assert not len(gaps) or gaps.max() - gaps.min() <= 1


def test_divide_knows_look_ahead_too() -> None:
    support, rest = divide(100, 1, Window(offsets=(-3, 0, 3), size=(8, 8)), "cam")
    assert support == [49] and rest == [range(46), range(53, 100)]
