"""Versions of a bundle: the list, and the link that says which one is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundle_files import written

from oddframe.errors import BundleError, InputError
from oddframe.workflow.bundles import list_bundles, use_bundle, versions_of

Ask = Callable[..., Any]


def test_versions_stand_after_those_that_they_come_from(tmp_path: Path) -> None:
    written(tmp_path / "b", "b" * 12, "a" * 12)
    written(tmp_path / "a", "a" * 12)
    (tmp_path / "scores").mkdir()
    found = list_bundles(tmp_path)
    assert [(one.id[0], one.parent[:1], one.normal) for one in found] == [("a", "", 0), ("b", "a", 3)]
    assert found[1].learned == {"steps": [], "split": "", "too_few": ""} and found[0].learned is None
    assert [one.id for one in list_bundles(tmp_path / "b")] == [one.id for one in found], (
        "a bundle lists its neighbours"
    )


def test_bundles_that_name_each_other_as_parent_are_listed_all_the_same(tmp_path: Path) -> None:
    paths = [written(tmp_path / "a", "a" * 12, "b" * 12), written(tmp_path / "b", "b" * 12, "a" * 12)]
    assert len(versions_of(paths)) == 2


def test_the_link_goes_forth_and_back(tmp_path: Path) -> None:
    one, two = written(tmp_path / "one", "1" * 12), written(tmp_path / "two", "2" * 12, "1" * 12)
    link = use_bundle(two)
    assert link == tmp_path / "current" and link.resolve() == two
    assert [version.current for version in list_bundles(tmp_path)] == [False, True]
    use_bundle(one)
    assert link.resolve() == one and not Path(str(link.readlink())).is_absolute(), "the folder can be moved as a whole"
    use_bundle(link)
    assert link.resolve() == one, "what the link points to already"


def test_something_else_in_the_place_of_the_link_is_left_alone(tmp_path: Path) -> None:
    run = written(tmp_path / "run", "1" * 12)
    (tmp_path / "current").mkdir()
    with pytest.raises(InputError, match="is not a link"):
        use_bundle(run)
    with pytest.raises(BundleError, match="not a bundle"):
        use_bundle(tmp_path)


def test_a_damaged_calibration_hides_no_other_bundle_and_is_not_chosen(tmp_path: Path, ask: Ask) -> None:
    one, two = written(tmp_path / "one", "1" * 12), written(tmp_path / "two", "2" * 12)
    (two / "calibration.json").write_text("{")
    listed = ask("bundles", "list", one, "--json")
    assert listed.status == 3 and [own["id"] for own in json.loads(listed.out)] == ["1" * 12]
    assert f"damaged {two}/calibration.json: not a calibration" in listed.err
    with pytest.raises(InputError, match="not a calibration"):
        use_bundle(two)
    (one / "bundle.json").write_text("{")
    assert ask("bundles", "list", tmp_path).status == 3


def test_the_commands(tmp_path: Path, ask: Ask) -> None:
    run = written(tmp_path / "run", "1" * 12)
    assert ask("bundles", "use", run).status == 0
    listed = ask("bundles", "list", tmp_path, "--json")
    (version,) = json.loads(listed.out)
    assert version["current"] and version["id"] == "1" * 12 and version["made_utc"].endswith("Z")
    assert "111111111111" in ask("bundles", "list", tmp_path).out
    empty = ask("bundles", "list", tmp_path / "nowhere")
    assert empty.status == 2 and empty.err.count("\n") == 1
