"""A benchmark: complete, reused, and the same after it was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PLAN = """
data:
  street: {train: street/training/videos, test: "folder:street/testing"}
systems:
  memae:
    recipe: memae-small
    set: ["options.size=[16, 32]", options.width=2, options.items=20, training.holdout=0.3]
    budget: 30steps
  plain: {recipe: plain.yaml}
seeds: [0, 1]
protocols: [honest, code/memae, paper/memae/ped2]
"""
PLAIN = "summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\nscoring: {smoothing: {taps: 5, sigma: 2}}\n"
COMMAND = [sys.executable, "-c", "from oddframe.cli import main; main()", "benchmark"]


@pytest.fixture
def plan(tmp_path: Path, street: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    (tmp_path / "street").symlink_to(street, target_is_directory=True)
    (tmp_path / "plain.yaml").write_text(PLAIN)
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path / "plan.yaml"


def figures(out: Path) -> dict[str, Any]:
    """All of the table but what it took."""
    table = json.loads((out / "table.json").read_text(encoding="utf-8"))
    table.pop("costs")
    return table


def killed_when(ready: Callable[[], bool], plan: Path, out: Path) -> None:
    """Begin the benchmark, and kill it as soon as it is that far."""
    process = subprocess.Popen(
        [*COMMAND, plan, "--out", out, "--device", "cpu"], stderr=subprocess.DEVNULL, env={**os.environ}
    )
    deadline = time.monotonic() + 240
    while not ready():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not (out / "table.json").exists()


@pytest.mark.slow
def test_killed_twice_and_resumed_it_gives_the_same_table(plan: Path, tmp_path: Path, ask: Callable[..., Any]) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    killed_when(lambda: any(broken.glob("runs/street/memae-seed0*/training.jsonl")), plan, broken)
    assert not any(broken.glob("runs/street/*/trained.json"))
    killed_when(lambda: any(broken.glob("runs/street/memae-seed1*/test-*/scores/*.npz")), plan, broken)
    trained = {path: path.read_text() for path in broken.glob("runs/street/*/trained.json")}
    scored = {path: path.stat().st_mtime_ns for path in broken.glob("runs/**/scores/*.npz")}
    assert len(trained) == 2 and scored
    for out in (broken, whole):
        done = ask("benchmark", plan, "--out", out, "--device", "cpu")
        assert done.status == 0, done.err
    assert figures(broken) == figures(whole)
    assert {path: path.read_text() for path in trained} == trained, "what was trained is not trained again"
    assert {path: path.stat().st_mtime_ns for path in scored} == scored, "what was scored is not scored again"

    table = figures(whole)
    lines = {(line["protocol"], line["system"]): line for line in table["lines"]}
    baselines = {"constant", "frame_difference", "optical_flow", "clock", "median_background"}
    assert {system for protocol, system in lines if protocol == "honest"} == {"memae", "plain"} | baselines
    assert {system for protocol, system in lines if protocol == "code/memae"} == {"memae"} | baselines
    assert lines["honest", "memae"]["seeds"] == 2 and lines["honest", "constant"]["means"]["micro_auc"] == 0.5
    assert len({row["micro_auc"] for row in table["results"] if row["system"] == "memae"}) > 2, "seeds differ"
    plain = [row for row in table["results"] if row["system"] == "plain"]
    assert plain[0]["micro_auc"] == plain[1]["micro_auc"] and lines["honest", "plain"]["deviations"]["micro_auc"] == 0
    costs = json.loads((whole / "table.json").read_text())["costs"]
    assert all(cost["scoring_mib"] > 0 and cost["frames_per_second"] > 0 for cost in costs)
    assert all(cost["training_seconds"] > 0 for cost in costs if cost["system"] == "memae")
    assert {path.name for path in (whole / "plots" / "street").iterdir()} == {
        "roc.png", "memae-score.png", "plain-score.png",
    }  # fmt: skip
    assert any("paper/memae/ped2 rests on other labels: 1648 of 2010" in note for note in table["notes"])
    assert (whole / "table.md").read_text(encoding="utf-8") in done.out

    (plan.parent / "plain.yaml").write_text(PLAIN.replace("[16, 32]", "[24, 32]"))
    again = ask("benchmark", plan, "--out", whole, "--device", "cpu", "--json")
    assert again.status == 0
    assert len(list(whole.glob("runs/street/plain-*"))) == 4, "another recipe is another run"
    assert len(list(whole.glob("runs/street/memae-*"))) == 2


def test_a_wrong_plan_is_one_line(tmp_path: Path, ask: Callable[..., Any]) -> None:
    answer = ask("benchmark", tmp_path / "plan.yaml", "--out", tmp_path / "out")
    assert (answer.status, answer.err) == (2, f"oddframe: {tmp_path / 'plan.yaml'}: there is no such plan\n")
    (tmp_path / "plan.yaml").write_text(PLAN.replace("seeds", "sedes"))
    answer = ask("benchmark", tmp_path / "plan.yaml", "--out", tmp_path / "out")
    assert answer.status == 2 and "sedes: no such key; did you mean seeds?" in answer.err
    assert not (tmp_path / "out").exists()
