"""What can be known before the work is said before it: nothing is decoded, trained, converted or scored in vain."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import oddframe
from oddframe.errors import BundleError, CalibrationError, InputError, OddframeError, RecipeError
from oddframe.recipes import load_recipe
from oddframe.settings import ThresholdOptions, TrainingOptions
from oddframe.workflow.begin import check_out
from oddframe.workflow.run import load_run

Ask = Callable[..., Any]
TINY = ("options.size=[32, 64]", "options.width=2", "training.batch_size=4")
QUIET = TrainingOptions(budget="4steps", workers=1, progress=False)
MEDIAN = ThresholdOptions(quantile=0.5)


def frames(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    random = np.random.default_rng(count)
    for number in range(count):
        assert cv2.imwrite(str(folder / f"{number:03}.png"), random.integers(0, 256, (32, 64, 3), dtype=np.uint8))
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frame folders of 60, 40 and 12 frames below `videos`, and a bundle `run` trained on them."""
    place = tmp_path_factory.mktemp("place")
    for name, count in (("long", 60), ("middle", 40), ("short", 12)):
        frames(place / "videos" / name, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(place / "cache"))
        run = oddframe.fit(
            place / "videos", recipe="mnad-small", changes=TINY, out=place / "run", threshold=MEDIAN, training=QUIET
        )
    assert [video.heldout for video in run.bundle.data.videos][2] is None, "two frames are no window"
    return place


@pytest.fixture(autouse=True)
def cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(place / "cache"))


def never(*_: object, **__: object) -> None:
    raise AssertionError("work was begun")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("videos", "changes", "threshold", "training", "error", "says"),
    [
        ("short", (), MEDIAN, QUIET, InputError, "as long as a window of 5 frames .the longest has 2."),
        ("", (), ThresholdOptions(quantile=0.9999), QUIET, CalibrationError, "frames cannot support the quantile"),
        ("", ("scoring.weights={speed: 1}",), MEDIAN, QUIET, RecipeError, "weights.speed: mnad has no such component"),
        ("", ("scoring.weights={memory: 0}",), MEDIAN, QUIET, RecipeError, "all are 0"),
        ("", ("pseudo.source=folder:nowhere",), MEDIAN, QUIET, OddframeError, "nowhere"),
        ("", (), MEDIAN, TrainingOptions(devices=3, progress=False), InputError, "cannot be divided among 3 devices"),
    ],
)  # fmt: skip
def test_a_fit_that_cannot_end_well_does_not_train(
    videos: str, changes: tuple[str, ...], threshold: ThresholdOptions, training: TrainingOptions,
    error: type[Exception], says: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("oddframe.workflow.fit.train", never)
    with pytest.raises(error, match=says):
        oddframe.fit(
            place / "videos" / videos, recipe="mnad-small", changes=[*TINY, *changes], out=tmp_path / "run",
            threshold=threshold, training=training,
        )  # fmt: skip


@pytest.mark.skipif("__import__('torch').cuda.is_available()")
@pytest.mark.parametrize("options", [{"device": "cuda"}, {"devices": 2, "device": "cuda"}])
def test_an_absent_device_is_found_before_decoding(
    options: dict[str, Any], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.workflow.fit.build_cache", never)
    with pytest.raises(InputError, match="cannot train on"):
        oddframe.fit(
            place / "videos", recipe="mnad-small", changes=TINY, out=tmp_path / "run",
            training=TrainingOptions(progress=False, **options),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("videos", "quantile", "says"),
    [("long", 0.5, "s of normal video are too few"), ("", 0.99999, "cannot support")],
)
def test_a_fitted_system_reads_no_video_that_is_too_short(
    videos: str, quantile: float, says: str, place: Path, tmp_path: Path, street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.workflow.fit_fitted.read_keys", never)
    with pytest.raises(OddframeError, match=says):
        oddframe.fit(
            place / "videos" / videos if videos else street / "training" / "videos", recipe="monitors",
            out=tmp_path / "run", threshold=ThresholdOptions(quantile=quantile),
            training=TrainingOptions(workers=1, progress=False),
        )  # fmt: skip


@pytest.mark.parametrize(
    "threshold", [ThresholdOptions(quantile=0.999), ThresholdOptions(alarms_per_hour=0.01)], ids=str
)
def test_calibration_scores_nothing_that_is_too_short(
    threshold: ThresholdOptions, place: Path, tmp_path: Path, street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.workflow.run.Run.score", never)
    with pytest.raises(CalibrationError, match="cannot support"):
        load_run(place / "run").calibrate_on(
            street / "training" / "videos", tmp_path / "new", threshold=threshold, progress=False
        )


def test_an_evaluation_sees_to_background_and_threshold_before_it_scores(
    place: Path, street: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.workflow.run.Run.score", never)
    empty = tmp_path / "empty"
    empty.mkdir()
    data = f"folder:{street / 'testing'}"
    answer = ask("evaluate", place / "run", "--data", data, "--normal", empty)
    assert answer.status == 2 and "no video found" in answer.err
    (place / "run" / "calibration.json").rename(tmp_path / "kept")
    try:
        answer = ask("evaluate", place / "run", "--data", data, "--details")
    finally:
        (tmp_path / "kept").rename(place / "run" / "calibration.json")
    assert answer.status == 2 and "has no calibration" in answer.err


@pytest.mark.parametrize("option", [("--crops", 5), ("--device", "gpu"), ("--batch", 0), ("--workers", 0)], ids=str)
def test_an_extraction_opens_no_network_for_options_that_cannot_be(
    option: tuple[str, object], place: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.features.store.Opening.open", never)
    answer = ask("features", "clip", place / "videos", "--out", tmp_path / "store", *option)
    assert answer.status == 2 and answer.err.count("\n") == 1 and option[0].strip("-") in answer.err


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e300", "0"])
def test_no_street_is_rendered_without_end(
    seconds: str, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.street.render_world", never)
    answer = ask("data", "world", tmp_path / "street", "--seconds", seconds)
    assert answer.status == 2 and "--seconds" in answer.err and answer.err.count("\n") == 1


def test_an_export_looks_at_its_test_set_and_libraries_first(
    place: Path, street: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.workflow.export._convert_windows", never)
    test = tmp_path / "test"
    frames(test / "videos" / "a", 6)
    (test / "labels").mkdir()
    np.save(test / "labels" / "a.npy", np.zeros(6, np.int8))
    answer = ask("export", place / "run", "--to", "onnx", "--out", tmp_path / "o", "--data", f"folder:{test}")
    assert answer.status == 2 and "all 6 frames are labelled normal" in answer.err
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    answer = ask("export", place / "run", "--to", "openvino", "--out", tmp_path / "o")
    assert answer.status == 2 and 'pip install ".[export]"' in answer.err and not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ("systems: {a: {recipe: mnad-small}}\nprotocols: [paper/memae]", "paper/memae"),
        ("systems: {a: {recipe: mnad-small}, b: {recipe: monitors}}", "fitted to a camera"),
    ],
)
def test_a_benchmark_that_cannot_end_well_trains_nothing(
    plan: str, says: str, street: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.workflow.benchmark_data.fit", never)
    data = f"data: {{s: {{train: {street / 'training' / 'videos'}, test: 'folder:{street / 'testing'}'}}}}\n"
    (tmp_path / "plan.yaml").write_text(data + plan)
    answer = ask("benchmark", tmp_path / "plan.yaml", "--out", tmp_path / "out")
    assert answer.status == 2 and says in answer.err and answer.err.count("\n") == 1


@pytest.mark.parametrize(("option", "value"), [("--recipe", "nope"), ("--recipe", "mil-small"), ("--budget", "soon")])
def test_a_demo_renders_no_street_in_vain(
    option: str, value: str, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.workflow.demo.render_world", never)
    answer = ask("demo", option, value, "--out", tmp_path / "demo")
    assert answer.status == 2 and answer.err.count("\n") == 1


# Numbers that are none.


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers_are_refused(wrong: float, place: Path) -> None:
    weights = place / "run" / "model.safetensors"
    whole = weights.read_bytes()
    state = load_file(weights)
    name = next(name for name, value in state.items() if value.dtype == np.float32 and value.ndim)
    state[name].flat[0] = wrong
    try:
        save_file(state, weights)
        with pytest.raises(
            BundleError, match=f"damaged bundle .the weights {name} hold NaN or infinity.; train or copy"
        ):
            load_run(place / "run")
    finally:
        weights.write_bytes(whole)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("array", ["0/time", "0/memory"])
def test_heldout_scores_that_are_no_numbers_are_refused(wrong: float, array: str, place: Path) -> None:
    file = place / "run" / "heldout.npz"
    whole = file.read_bytes()
    with np.load(file) as stored:
        arrays = dict(stored)
    arrays[array][0] = wrong
    try:
        np.savez(file, **arrays)
        with pytest.raises(InputError, match=f"{array} holds NaN or infinity"):
            load_run(place / "run").calibration(quantile=0.4)
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("calibration.json", "threshold"), ("calibration.json", "seconds"), ("bundle.json", "heldout_seconds"),
        ("bundle.json", "sigma"), ("bundle.json", "lr"), ("recipe.json", "holdout"),
    ],
)  # fmt: skip
def test_json_with_a_number_that_is_none_is_refused(number: str, file: str, key: str, place: Path) -> None:
    path = place / "run" / file
    text = path.read_text()
    place_of = text.index(f'"{key}": ') + len(key) + 4
    end = min(found for mark in ",\n}" if (found := text.find(mark, place_of)) > 0)
    try:
        path.write_text(text[:place_of] + number + text[end:])
        with pytest.raises(OddframeError, match=rf"{file}: .*{key}.*(inf|nan)"):
            if file == "recipe.json":
                oddframe.fit(
                    place / "videos", recipe="mnad-small", changes=TINY, out=place / "run", threshold=MEDIAN,
                    training=TrainingOptions(budget="4steps", workers=1, progress=False, resume=True),
                )  # fmt: skip
            load_run(place / "run").calibration()
    finally:
        path.write_text(text)


def test_what_is_written_is_json(place: Path) -> None:
    for file in place.joinpath("run").glob("*.json"):
        json.loads(file.read_text(), parse_constant=never)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TrainingOptions(workers=0),
        lambda: TrainingOptions(devices=-1),
        lambda: TrainingOptions(device="gpu"),
        lambda: TrainingOptions(checkpoint_seconds=math.nan),
        lambda: TrainingOptions(budget=f"{'9' * 400}h"),
        lambda: TrainingOptions(budget="0.4steps"),
        lambda: TrainingOptions(budget="-3steps"),
        lambda: ThresholdOptions(alarms_per_hour=0),
        lambda: ThresholdOptions(alarms_per_hour=math.nan),
        lambda: ThresholdOptions(alarms_per_hour=math.inf),
        lambda: ThresholdOptions(quantile=1),
        lambda: ThresholdOptions(quantile=math.nan),
    ],
)
def test_settings_out_of_range_are_refused_when_they_are_made(make: Callable[[], object]) -> None:
    with pytest.raises(InputError):
        make()


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "1e999"])
@pytest.mark.parametrize(
    "key",
    [
        "scoring.merge_s", "scoring.min_s", "scoring.segment_seconds", "scoring.smoothing.sigma",
        "scoring.weights.memory", "training.holdout", "training.grad_clip", "training.warmup", "pseudo.probability",
        "pseudo.max_area", "options.learning_rate",
    ],
)  # fmt: skip
def test_recipes_with_a_number_that_is_none_are_refused(number: str, key: str) -> None:
    with pytest.raises(RecipeError, match=key.rpartition(".")[2]):
        load_recipe("mnad-small", [f"{key}={number}"])


def test_a_calibration_whose_components_never_differ_by_anything_is_refused(place: Path) -> None:
    path = place / "run" / "calibration.json"
    text = path.read_text()
    broken = json.loads(text)
    broken["levels"]["memory"][1] = 0
    try:
        path.write_text(json.dumps(broken))
        with pytest.raises(InputError, match=r"calibration.json: .*levels.memory: the deviation 0 is not above 0"):
            load_run(place / "run").calibration()
    finally:
        path.write_text(text)


def test_a_checkpoint_is_not_thrown_away_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"hours of training")
    check_out(tmp_path, resume=True)
    with pytest.raises(InputError, match=r"go on with --resume, choose another --out, or remove .*checkpoint\.pt"):
        check_out(tmp_path, resume=False)
