"""Every recipe builds its detector; wrong recipes are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oddframe.errors import RecipeError
from oddframe.models.bag_detector import BagDetector
from oddframe.models.registry import create, create_for, entry, system
from oddframe.recipes import load_recipe, parse_recipe, recipe_names
from oddframe.settings import PseudoAnomalies, Smoothing, TrainingPlan


def test_the_recipes_of_the_issue_are_there() -> None:
    assert {"sdmae-avenue", "sdmae-shanghaitech", "sdmae-ped2", "sdmae-ubnormal", "sdmae-small"} <= set(recipe_names())
    for model in ("std", "memae", "mnad", "mpn"):
        assert {f"{model}-{data}" for data in ("avenue", "shanghaitech", "ped2", "small")} <= set(recipe_names())
    assert {"dakd-ucf-crime", "dakd-xd-violence", "dakd-shanghaitech", "dakd-small", "mil-small"} <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_builds(name: str) -> None:
    recipe = load_recipe(name)
    if entry(recipe.model).kind == "fitted":
        assert create_for(recipe.model, recipe.preset, recipe.options, (240, 360)).window.size[0] >= 240
        return
    options = dict(recipe.options)
    if issubclass(system(recipe.model), BagDetector) and options["backbones"] is None:
        options["backbones"] = {"any": 8}  # as `fit` does with the features it is given
    detector = create(recipe.model, recipe.preset, **options)
    assert recipe.name == name and recipe.summary
    assert set(recipe.scoring.weights or detector.combination.weights) <= set(detector.reported)
    parts = (recipe.pseudo, recipe.training, recipe.scoring.smoothing)
    assert [type(part) for part in parts] == [PseudoAnomalies, TrainingPlan, Smoothing]


@pytest.mark.parametrize(
    ("name", "patch", "size"),
    [("sdmae-avenue", 16, (320, 640)), ("sdmae-shanghaitech", 8, (160, 320)), ("sdmae-ubnormal", 8, (160, 320))],
)
def test_published_settings(name: str, patch: int, size: tuple[int, int]) -> None:
    recipe = load_recipe(name)
    config = create(recipe.model, recipe.preset, **recipe.options).config
    assert (config.patch, config.size, config.learning_rate, config.optimiser) == (patch, size, 1e-4, "adam")
    assert (config.teacher_epochs, config.student_epochs, recipe.training.batch_size) == (100, 40, 100)
    assert (recipe.pseudo.probability, recipe.pseudo.blend) == (0.25, "code")


def test_changes_reach_the_recipe() -> None:
    recipe = load_recipe("sdmae-small", ["training.batch_size=4", "options.size=[40, 80]", "preset=code"])
    assert (recipe.training.batch_size, recipe.options["size"], recipe.preset) == (4, [40, 80], "code")


def test_every_kind_of_smoothing_can_be_named() -> None:
    recipe = load_recipe("sdmae-small", ["scoring.smoothing={kind: held, taps: 15, sigma: 2.0}"])
    assert recipe.scoring.smoothing == Smoothing("held", 15, 2.0)


def test_a_recipe_that_was_written_reads_as_the_same_recipe() -> None:
    recipe = load_recipe("sdmae-small", ["training.grad_clip=1", "pseudo.scale=[1, 2]"])
    again = parse_recipe(json.loads(recipe.model_dump_json()), "here")
    assert again == recipe and again.model_dump_json() == recipe.model_dump_json()


def test_numbers_may_be_written_as_people_write_them(tmp_path: Path) -> None:
    assert load_recipe("sdmae-small", ["options.learning_rate=1e-3"]).options["learning_rate"] == 1e-3
    (tmp_path / "own.yaml").write_text("summary: x\nmodel: sdmae\noptions: {learning_rate: 2E-4}\n")
    assert load_recipe(str(tmp_path / "own.yaml")).options["learning_rate"] == 2e-4


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"learning_rate": "fast"}, "SDMAE: learning_rate is 'fast': "),
        ({"size": [64]}, r"SDMAE: size is \[64\]: "),
        ({"error": "l3"}, "SDMAE: error is 'l3': Input should be 'l2' or 'l1'"),
        ({"map_filter": [9, 8, 9]}, r"sdmae: map_filter \(9, 8, 9\) needs three odd extents"),
    ],
)
def test_a_wrong_option_is_named(option: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        create("sdmae", **option)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.bach_size=4", "did you mean training.batch_size"),
        ("batch_size=4", "did you mean training.batch_size"),
        ("training.batch_size=many", "training.batch_size: "),
        ("training.batch_size=0", "training.batch_size is 0; it must be at least 1"),
        ("scoring.smoothing.tap=3", "did you mean scoring.smoothing.taps"),
        ("scoring.smoothing.kind=hold", "scoring.smoothing.kind: "),
        ("pseudo.sauce=none", "did you mean pseudo.source"),
        ("training.budget=long", "budget 'long': write a time"),
        ("training.batch_size", "write key=value"),
        ("model.x=1", "model has no keys below it"),
    ],
)
def test_a_wrong_change_names_the_key(change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe("sdmae-small", [change])


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("summary: mine\nmodel: sdmae\n")
    assert load_recipe(str(path)).name == "mine"
    path.write_text("just text")
    with pytest.raises(RecipeError, match="a mapping"):
        load_recipe(str(path))
    with pytest.raises(RecipeError, match=r"there are: .*sdmae-small"):
        load_recipe("sdmae-smal")


def test_unknown_models_and_presets() -> None:
    with pytest.raises(RecipeError, match="there are: camera, sdmae"):
        create("sdma")
    with pytest.raises(RecipeError, match="paper, code"):
        create("sdmae", "papper")
