"""Plans are checked before anything is trained; what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from oddframe.benchmark.plan import built_in_plans, find_plan, load_plan
from oddframe.errors import InputError, OddframeError
from oddframe.models.registry import create
from oddframe.street import World
from oddframe.workflow.adapt import divide

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
        ({"nonsense": 1}, r"nonsense: no such key; there are: data, base, systems, seeds, protocols, claims"),
        ({"data": {"s": {"train": "x"}}}, r"data\.s: test is missing: give train and test, or a street"),
        (
            {"data": {"s": {**DATA["street"], "tset": "y"}}},
            r"data\.s\.tset: no such key; did you mean test or street\?",
        ),
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
        ({"systems": {"a": {}}}, "plan.yaml: systems.a: has no recipe, and base has none either"),
        ({"systems": {"a": {"recipe": "memae-small", "shots": 0}}}, r"systems\.a\.shots: "),
        (
            {"systems": {"a": {"recipe": "mpn-meta-small", "shots": 2}}},
            r"systems\.a: shots are windows of normal video .*data\.street\.normal",
        ),
        (
            {"claims": [{"better": "smal", "than": "small"}]},
            r"claims\.0: there is no system 'smal'; did you mean",
        ),
        ({"claims": [{"better": "small", "than": "small"}]}, r"claims\.0: small cannot be better than itself"),
        ({"claims": [{"better": "small", "then": "x"}]}, r"claims\.0\.then: no such key; did you mean than"),
        (
            {
                "systems": {**SYSTEMS, "b": {"recipe": "memae-small"}},
                "claims": [{"better": "b", "than": "small", "data": "stret"}],
            },
            r"claims\.0: there is no data set 'stret'; did you mean street",
        ),
        ({"data": {"s": {**DATA["street"], "street": {}}}}, r"data\.s: street, train, test: give files, or a street"),
        ({"data": {"s": {"street": {"sede": 1}}}}, r"data\.s\.street\.sede: no such key; did you mean seed"),
        ({"data": {"s": {"toy": {"bags": 1}}}}, r"data\.s\.toy\.bags: "),
        ({"data": {"s": {"toy": {}}}}, r"systems\.small: memae learns from the frames of normal video, and data\.s"),
        ({"systems": {"a": {"recipe": "mil-small"}}}, r"systems\.a: mil learns from labelled videos and features"),
        ({"seeds": [1, 1]}, "seeds: give each seed once"),
        ({"seeds": [-1]}, r"seeds\.0: Input should be greater than or equal to 0"),
        ({"seeds": [2**63]}, r"seeds\.0: "),
        ({"seeds": [True]}, r"seeds\.0: Input should be a valid integer"),
        ({"data": {"s": {"street": {"learn_from": [-1]}}}}, r"data\.s\.street\.learn_from\.0: "),
        ({"systems": {"a" * 101: {"recipe": "memae-small"}}}, "becomes a file name"),
        (
            {"systems": {"a": {"recipe": "memae-small", "set": ["training.seed=9"]}}},
            r"systems\.a: training\.seed=9: a plan says this for all systems, as seeds",
        ),
        (
            {"systems": {"a": {"recipe": "memae-small", "set": ["training.budget=2steps"]}}},
            r"training\.budget=2steps: a plan says this for all systems, as budget",
        ),
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
    for place in (tmp_path / "plan.yaml", Path(".")):
        with pytest.raises(InputError, match="there is no such plan"):
            load_plan(place)
    wrong = (("a: [", "not a YAML file"), ("[1]", "a plan is a mapping with the keys data, base, systems,"))
    for text, message in wrong:
        (tmp_path / "plan.yaml").write_text(text)
        with pytest.raises(InputError, match=message):
            load_plan(tmp_path / "plan.yaml")


def test_base_is_what_systems_have_in_common(tmp_path: Path) -> None:
    base = {"recipe": "memae-small", "set": ["options.width=2", "options.items=30"], "budget": "9steps"}
    plan = load_plan(
        written(tmp_path, base=base, systems={"a": {}, "b": {"set": ["options.width=3"], "budget": "8steps"}})
    )
    found = [(r.options["width"], r.options["items"], r.training.budget) for r in (plan.recipe(n, 0) for n in "ab")]
    assert found == [(2, 30, "9steps"), (3, 30, "8steps")]
    changed = load_plan(tmp_path / "plan.yaml", ["options.width=5"], "7steps")
    assert [(r.options["width"], r.options["items"], r.training.budget) for r in map(changed.recipe, "ab", (0, 0))] == [
        (5, 30, "7steps")
    ] * 2
    with pytest.raises(OddframeError, match="did you mean training"):
        load_plan(tmp_path / "plan.yaml", ["trainin.seed=1"])


def test_labelled_videos_have_features_below_the_plan(tmp_path: Path) -> None:
    data = {"clips": {"train": "train.csv", "test": "csv:labels", "features": ["store", "b=segments:b.npz"]}}
    plan = load_plan(written(tmp_path, data=data, systems={"a": {"recipe": "dakd-small"}}))
    part = plan.data["clips"]
    assert (part.train, part.test) == (str(tmp_path / "train.csv"), f"csv:{tmp_path / 'labels'}")
    assert part.features == (str(tmp_path / "store"), f"b=segments:{tmp_path / 'b.npz'}") and part.bags


@pytest.mark.parametrize("name", built_in_plans())
def test_a_built_in_plan_needs_no_file_and_has_claims(name: str) -> None:
    plan = load_plan(name)
    assert len(plan.seeds) >= 3 and plan.claims and plan.protocols
    assert all(part.street or part.toy for part in plan.data.values())
    named = {system for claim in plan.claims for system in (claim.better, claim.than)}
    assert named == set(plan.systems), "what no claim needs is not trained"
    assert all(claim.paper for claim in plan.claims)
    for system in plan.systems:
        recipe = plan.recipe(system, 0)
        detector = create(recipe.model, recipe.preset, **recipe.options)
        if (shots := plan.systems[system].shots) is not None:
            for part in plan.data.values():
                assert part.street is not None
                divide(
                    int(part.street.seconds * World(0).fps), shots, detector.one_class("").window, "its normal video"
                )


def test_a_file_comes_before_a_built_in_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_plan(Path("ablations/sdmae")) == find_plan(Path("ablations/sdmae.yaml")) != Path("ablations/sdmae.yaml")
    (tmp_path / "ablations").mkdir()
    written(tmp_path / "ablations").rename(tmp_path / "ablations" / "sdmae.yaml")
    assert find_plan(Path("ablations/sdmae.yaml")) == Path("ablations/sdmae.yaml")
    with pytest.raises(InputError, match=r"there is no such plan; did you mean ablations/std\.yaml"):
        find_plan(Path("ablations/sdt.yaml"))
    with pytest.raises(InputError, match="there is no such plan"):
        find_plan(Path("../recipes/sdmae-small.yaml"))
