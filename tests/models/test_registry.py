"""Models by name: those of oddframe and those of other packages, and what becomes of broken ones."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from oddframe.errors import RecipeError
from oddframe.models import catalogue, registry
from oddframe.models.catalogue import BUILT_IN
from oddframe.models.frame_difference import ENTRY
from oddframe.recipes import load_recipe, recipe_names

MODULE = """
from dataclasses import replace
from oddframe.models.frame_difference import ENTRY

ENTRY = replace(ENTRY, name="own", recipes={
    "own-small": {"summary": "mapping", "model": "own", "training": {"batch_size": 4}},
    "own-text": "summary: text\\nmodel: own\\ntraining: {batch_size: 5}",
    "sdmae-small": {"summary": "taken", "model": "own"},
})
nothing = 3
"""


@pytest.fixture(autouse=True)
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_detector.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "torn_detector.py").write_text("raise OSError('a driver\\nis missing')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    places = {"own": "own_detector:ENTRY", "torn": "torn_detector:ENTRY", "odd": "own_detector:nothing",
              "other": "own_detector:ENTRY", "gone": "own_detector:missing", "sdmae": "own_detector:ENTRY"}  # fmt: skip
    points = [EntryPoint(name, place, registry.GROUP) for name, place in places.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "oddframe.models" else [])


def test_every_built_in_model_is_its_module_and_has_its_name() -> None:
    assert registry.names()[: len(BUILT_IN)] == list(BUILT_IN)
    for name in BUILT_IN:
        about = registry.entry(name)
        assert about.name == name and about.detector.__module__ == f"oddframe.models.{name}"
    homes = {path.stem for path in Path(catalogue.__file__).parent.glob("*.py") if "ENTRY = " in path.read_text()}
    assert homes == set(BUILT_IN)


def test_a_model_of_another_package_is_found_and_does_not_replace_a_built_in_one() -> None:
    assert registry.plugin_names() == ["gone", "odd", "other", "own", "torn"]
    assert registry.create("own", size=(8, 16)).describe()["window"]["size"] == (8, 16)
    assert registry.entry("sdmae").title == "Self-distilled masked auto-encoder"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("torn", "model torn of package torn_detector cannot be loaded: OSError: a driver"),
        ("odd", "cannot be loaded: own_detector:nothing is no ModelEntry but a int"),
        ("other", "cannot be loaded: its entry calls itself 'own'; give both one name"),
        ("gone", "cannot be loaded: AttributeError"),
        ("none", r"there is no model 'none'; .*there are: camera, .*own"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_line(name: str, line: str) -> None:
    with pytest.raises(RecipeError, match=line) as told:
        registry.entry(name)
    assert "\n" not in str(told.value)


def test_a_broken_model_disturbs_no_other() -> None:
    found, broken = registry.entries()
    assert {about.name for about in found} == {*BUILT_IN, "own"}
    assert broken.keys() == {"torn", "odd", "other", "gone"}


def test_recipes_of_other_packages_are_found_and_do_not_replace_built_in_ones() -> None:
    assert {"own-small", "own-text", "sdmae-small"} <= set(recipe_names())
    assert len(recipe_names()) == len(set(recipe_names()))
    recipe = load_recipe("own-small", ["training.batch_size=7", "options.size=[8, 8]"])
    assert (recipe.name, recipe.training.batch_size, recipe.options) == ("own-small", 7, {"size": [8, 8]})
    assert load_recipe("own-small").training.batch_size == 4, "a change stays with the recipe that it was made for"
    assert load_recipe("own-text").training.batch_size == 5
    assert load_recipe("sdmae-small").model == "sdmae"
    with pytest.raises(RecipeError, match=r"there is no recipe 'torn-small'.*model torn of package torn_detector"):
        load_recipe("torn-small")


def test_a_fitted_model_is_not_created_as_one_that_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="is fitted to a camera in one pass"):
        registry.build(replace(ENTRY, kind="fitted"))


def test_names_are_known_without_importing_any_model() -> None:
    code = "import sys; from oddframe.models.registry import names; names(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
