"""Plans are checked before anything is trained; what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from oddframe.benchmark.plan import load_plan
from oddframe.errors import InputError, OddframeError

DATA = {"street": {"train": "street/training", "test": "folder:street/testing"}}
SYSTEMS = {"small": {"recipe": "memae-small", "set": ["options.width=2"], "budget": "20steps"}}


def written(folder: Path, **content: object) -> Path:
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump({"data": DATA, "systems": SYSTEMS, **content}))
    return path


def test_paths_are_below_the_plan_and_recipes_are_made(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("summary: x\nmodel: frame_difference\n")
    plan = load_plan(written(tmp_path, systems={**SYSTEMS, "mine": {"recipe": "own.yaml"}}, seeds=[3, 1]))
    assert plan.data["street"].train == str(tmp_path / "street/training")
    assert plan.data["street"].test == f"folder:{tmp_path / 'street/testing'}"
    recipe = plan.recipe("small", 3)
    assert (recipe.options["width"], recipe.training.budget, recipe.training.seed) == (2, "20steps", 3)
    assert plan.recipe("mine", 1).model == "frame_difference"
    assert (plan.seeds, plan.protocols) == ((3, 1), ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"seed": [1]}, r"plan\.yaml: seed: no such key; did you mean seeds\?"),
        ({"nonsense": 1}, r"nonsense: no such key; there are: data, systems, seeds, protocols"),
        ({"data": {"s": {"train": "x", "tests": "y"}}}, r"data\.s\.test: Field required"),
        ({"data": {"s": {**DATA["street"], "tset": "y"}}}, r"data\.s\.tset: no such key; did you mean test\?"),
        (
            {"systems": {"a": {"recipe": "memae-small", "sett": []}}},
            r"systems\.a\.sett: no such key; did you mean set\?",
        ),
        ({"systems": {}}, "systems: Dictionary should have at least 1 item"),
        ({"systems": {"a/b": {"recipe": "memae-small"}}}, "systems: 'a/b' becomes a file name"),
        ({"systems": {"..": {"recipe": "memae-small"}}}, r"systems: '\.\.' becomes a file name"),
        ({"systems": {"constant": {"recipe": "memae-small"}}}, "systems: constant is a baseline"),
        ({"systems": {"a": {"recipe": "memae-tiny"}}}, "there is no recipe 'memae-tiny'"),
        ({"systems": {"a": {"recipe": "memae-small", "set": ["trainin.seed=1"]}}}, "did you mean training"),
        ({"systems": {"a": {"recipe": "mil-small"}}}, r"systems\.a: mil learns from labelled videos and features"),
        ({"seeds": [1, 1]}, "seeds: give each seed once"),
        ({"seeds": [-1]}, "seeds: give each seed once, 0 or above"),
        ({"seeds": []}, "seeds: "),
        ({"protocols": ["honset"]}, "no protocol 'honset'; did you mean honest"),
        (
            {"protocols": ["paper/mnad"]},
            "protocol paper/mnad is for the scores of mnad, which is not among the systems",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: dict[str, object], message: str) -> None:
    with pytest.raises(OddframeError, match=message):
        load_plan(written(tmp_path, **content))


def test_what_is_no_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such plan"):
        load_plan(tmp_path / "plan.yaml")
    for text, message in (("a: [", "not a YAML file"), ("[1]", "a plan is a mapping with the keys data, systems,")):
        (tmp_path / "plan.yaml").write_text(text)
        with pytest.raises(InputError, match=message):
            load_plan(tmp_path / "plan.yaml")
