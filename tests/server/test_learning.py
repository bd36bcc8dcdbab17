"""Learning runs in a process of its own, and what it says is told."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from bundle_files import written
from found import scores, trained
from shown import OpenPage
from starlette.exceptions import HTTPException

import oddframe
from oddframe.bundle import META
from oddframe.server.changes import Changes
from oddframe.server.learning import LearnProcess, next_version, store_for_process
from oddframe.server.library import open_library
from oddframe.store.place import store_place

PROGRAM = """
import json, sys
print("step 1: recalibrate", file=sys.stderr, flush=True)
print("step 2: zones", file=sys.stderr, flush=True)
print(json.dumps({"steps": [{"name": "recalibrate", "changed": 0.5}]}))
"""


def ran(folder: Path, program: str) -> dict[str, Any]:
    """How learning ends whose command is a program."""
    library, _ = open_library(str(folder))

    async def run() -> dict[str, Any]:
        learner = LearnProcess(library, Changes(library))
        learner._task = asyncio.create_task(
            learner._run([sys.executable, "-c", program], store_for_process(library.place)[1], folder / "run-2")
        )
        with pytest.raises(HTTPException, match="learning runs already"):
            await learner.start()
        await learner._task
        return learner.as_json()

    found = asyncio.run(run())
    library.store.close()
    return found


def test_lines_and_result_are_kept(scored: Path) -> None:
    found = ran(scored, PROGRAM)
    assert found["lines"] == ["step 1: recalibrate", "step 2: zones"] and found["running"] is False
    assert found["result"]["steps"] == [{"name": "recalibrate", "changed": 0.5}]
    assert found["result"]["out"] == str(scored / "run-2") and found["result"]["status"] == 0


def test_a_failure_is_its_last_line(scored: Path) -> None:
    found = ran(scored, "import sys; print('oddframe: too few marks', file=sys.stderr); sys.exit(2)")
    assert found["result"] == {"error": "oddframe: too few marks", "status": 2}


def test_without_a_bundle_nothing_is_learned(scored: Path, open_page: OpenPage) -> None:
    page = open_page(scored)
    assert page.get("session")["can_learn"] is False
    assert "no bundle is known" in page.post("learn", status=409)["error"]
    assert page.get("learn") == {"running": False, "lines": [], "result": None}


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """A folder with a store of no events that knows two versions of a bundle."""
    one, two = written(tmp_path / "run", "1" * 12), written(tmp_path / "run-2", "2" * 12, "1" * 12)
    with oddframe.open_store(tmp_path / "events.db") as store:
        for path, name in ((one, "1" * 12), (two, "2" * 12)):
            bundle = trained(name)
            bundle.path = path
            store.record_detector(bundle, name, scores({"a": [0.0]}).threshold())
    return tmp_path


def test_the_page_goes_back_to_an_earlier_version_and_learns_from_it(versions: Path, open_page: OpenPage) -> None:
    page = open_page(versions)
    assert [(one["id"][0], one["current"], one["fault"]) for one in page.get("bundles")] == [
        ("1", False, None), ("2", False, None),
    ]  # fmt: skip
    assert page.get("session")["run"] == "run-2", "the latest, where none was chosen"
    assert [one["in_use"] for one in page.get("bundles")] == [False, True]
    for number, name in ((2, "run-2"), (1, "run")):
        assert page.post("bundles/use", {"id": str(number) * 12}) == {"link": str(versions / "current")}
        assert (versions / "current").resolve() == versions / name
        assert [one["id"][0] for one in page.get("bundles") if one["current"]] == [str(number)]
        assert page.get("session")["run"] == name
        assert [one["id"][0] for one in page.get("bundles") if one["in_use"]] == [str(number)]
    named = open_page(versions / "events.db", versions / "current")
    assert named.get("session")["run"] == "run"
    assert next_version(named.library.run or versions) == versions / "run-3", "a link is no name of a version"


def test_a_version_is_chosen_by_the_page_alone_and_by_its_id(versions: Path, open_page: OpenPage) -> None:
    page = open_page(versions)
    assert page.client.post("/api/bundles/use", json={"id": "1" * 12}).status_code == 403, "without the CSRF token"
    foreign = {"X-CSRF-Token": page.csrf, "Origin": "http://evil.example"}
    assert page.client.post("/api/bundles/use", json={"id": "1" * 12}, headers=foreign).status_code == 403
    for id in ("3" * 12, "/etc", "../run", "run"):
        assert "no bundle" in page.post("bundles/use", {"id": id}, status=404)["error"]
    page.post("bundles/use", {"id": ""}, status=400)
    page.post("bundles/use", {}, status=400)
    assert not (versions / "current").exists()
    (versions / "current").mkdir()
    assert "is not a link, and is left alone" in page.post("bundles/use", {"id": "1" * 12}, status=400)["error"]


@pytest.mark.slow
def test_a_damaged_version_is_named_and_leaves_the_way_back_open(versions: Path, open_page: OpenPage) -> None:
    page = open_page(versions)
    (versions / "run-2" / META).write_text("{")
    good, damaged = page.get("bundles")
    assert (good["id"], damaged["id"], damaged["path"]) == ("1" * 12, None, str(versions / "run-2"))
    assert "damaged bundle" in damaged["fault"] and "\n" not in damaged["fault"]
    page.post("bundles/use", {"id": "2" * 12}, status=404)
    page.post("bundles/use", {"id": "1" * 12})
    assert (versions / "current").resolve() == versions / "run"
    shutil.rmtree(versions / "run-2")
    assert [one["id"] for one in page.get("bundles")] == ["1" * 12]


def test_of_two_folders_with_one_bundle_none_is_taken(versions: Path, open_page: OpenPage) -> None:
    page = open_page(versions)
    shutil.rmtree(versions / "run-2")
    shutil.copytree(versions / "run", versions / "run-2")
    assert "hold the same bundle" in page.post("bundles/use", {"id": "1" * 12}, status=409)["error"]
    assert not (versions / "current").exists()


def test_the_next_version_is_a_new_folder(tmp_path: Path) -> None:
    assert next_version(tmp_path / "run") == tmp_path / "run-2"
    (tmp_path / "run-2").mkdir()
    assert next_version(tmp_path / "run") == next_version(tmp_path / "run-2") == tmp_path / "run-3"
    assert next_version(tmp_path / "front-door") == tmp_path / "front-door-2"


def test_no_password_stands_on_a_command_line() -> None:
    url, environment = store_for_process(store_place("postgresql://ann:s%40crt@db.example:5433/cams?sslmode=require"))
    assert url == "postgresql://ann@db.example:5433/cams?sslmode=require" and environment["PGPASSWORD"] == "s@crt"
    file, environment = store_for_process(store_place("events.db"))
    assert file == "events.db" and json.dumps(environment)
