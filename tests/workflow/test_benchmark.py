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

from oddframe.benchmark.plan import DataPart, StreetPart
from oddframe.street import World, render_world
from oddframe.workflow import benchmark_data

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


CLAIMS = """
data:
  street: {train: some.csv, test: "folder:street/testing", normal: street/training/videos/05.mp4}
base: {recipe: mpn-meta-small, set: ["options.size=[16, 32]", options.width=2, training.holdout=0.3], budget: 6steps}
systems:
  meta: {}
  frame-alone: {set: ["scoring.weights={map_max: 1.0}", "options.map_filter=[1, 3, 3]"]}
  two-shots: {shots: 2}
  other: {set: [options.prototypes=3]}
seeds: [0, 1]
protocols: [honest]
claims:
  - {better: two-shots, than: meta, paper: "table 3"}
  - {better: meta, than: frame-alone}
"""


@pytest.mark.slow
def test_claims_are_judged_and_what_training_does_not_see_is_trained_once(
    plan: Path, tmp_path: Path, ask: Callable[..., Any]
) -> None:
    plan.write_text(CLAIMS)
    lines = ["video", *(f"street/training/videos/0{n}.mp4" for n in range(1, 5))]
    (tmp_path / "some.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    done = ask("benchmark", plan, "--out", out, "--device", "cpu", "--json")
    assert done.status == 0, done.err
    table = json.loads(done.out)
    claims = {(one["better"], one["than"]): one for one in table["claims"]}
    assert set(claims) == {("two-shots", "meta"), ("meta", "frame-alone")}
    auc = {(row["system"], row["seed"]): row["micro_auc"] for row in table["results"]}
    for (better, than), one in claims.items():
        assert one["by_seed"] == pytest.approx([auc[better, n] - auc[than, n] for n in (0, 1)])
        assert one["low"] <= one["difference"] <= one["high"]
    assert auc["frame-alone", 0] != auc["meta", 0] != auc["two-shots", 0], "shots and scoring make a difference"
    assert "street: frame-alone is what meta learned, scored in another way" in table["notes"]
    assert "street: two-shots is what meta learned, adapted to 2 windows" in table["notes"]
    assert not any("other is what" in note for note in table["notes"])
    for seed in (0, 1):
        weights = {
            name: next(out.glob(f"runs/street/{name}-seed{seed}-*/model.safetensors")).read_bytes()
            for name in ("meta", "frame-alone", "two-shots+shots2-*", "other")
        }
        assert weights["meta"] == weights["frame-alone"] == weights["two-shots+shots2-*"] != weights["other"]
    seconds = {(cost["system"], cost["seed"]): cost["training_seconds"] for cost in table["costs"]}
    assert seconds["frame-alone", 0] == seconds["two-shots", 0] == seconds["meta", 0] != seconds["other", 0]
    assert (out / "claims.csv").read_text().startswith("data,protocol,better,than,difference,low,high,verdict,paper")


TOY = """
data: {toy: {toy: {bags: 6, test_bags: 3}}}
base:
  recipe: dakd-small
  set: ["options.projection=[8, 8]", options.attention_dim=8, options.heads=2, training.batch_size=8]
  budget: 4steps
systems: {tam: {}, none: {set: [options.temporal=none]}}
seeds: [0, 1]
claims: [{better: tam, than: none}]
"""


@pytest.mark.slow
def test_labelled_bags_are_made_learned_scored_and_kept(plan: Path, tmp_path: Path, ask: Callable[..., Any]) -> None:
    plan.write_text(TOY)
    out = tmp_path / "out"
    done = ask("benchmark", plan, "--out", out, "--device", "cpu", "--json")
    assert done.status == 0, done.err
    table = json.loads(done.out)
    assert [one["verdict"] for one in table["claims"]] and table["claims"][0]["protocol"] == "honest"
    lines = {line["system"]: line for line in table["lines"]}
    assert lines["tam"]["frames"] == 6 * 32 * 16 and lines["constant"]["means"]["micro_auc"] == 0.5
    assert lines["mean of one, ridge"]["seeds"] == 0, "the baselines of labelled videos stand beside"
    scored = {path: path.stat().st_mtime_ns for path in out.glob("runs/**/scores/*.npz")}
    made = list((tmp_path / "cache" / "made").iterdir())
    assert len(scored) == 24 and [one.name[:4] for one in made] == ["toy-"]
    again = ask("benchmark", plan, "--out", out, "--device", "cpu", "--json")
    assert json.loads(again.out)["results"] == table["results"]
    assert {path: path.stat().st_mtime_ns for path in scored} == scored, "nothing is scored again"
    (info,) = [row for row in json.loads(ask("cache", "info", "--json").out)["kinds"] if row["kind"] == "made"]
    assert info["entries"] == 1


def test_a_street_is_rendered_once_and_others_are_learned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path))
    rendered = []

    def render(out: Path, world: World, **how: Any) -> Path:
        rendered.append((world.seed, how["videos"], how["test_videos"]))
        return render_world(out, world, **{**how, "seconds": 0.4})

    monkeypatch.setattr(benchmark_data, "render_world", render)
    part = DataPart(street=StreetPart(seed=3, videos=1, test_videos=1, seconds=1, kinds=("car",), learn_from=(4, 5)))
    data = benchmark_data.open_data(part)
    assert isinstance(data, benchmark_data.FrameData) and isinstance(data.normal, str)
    assert [source.name for source in data.training] == ["4-01", "5-01"] and "training" in data.normal
    assert rendered == [(3, 1, 1), (4, 1, 0), (5, 1, 0)]
    benchmark_data.open_data(part)
    assert len(rendered) == 3, "it is rendered once"


def test_claims_need_two_test_videos(plan: Path, tmp_path: Path, ask: Callable[..., Any]) -> None:
    claims = "claims: [{better: memae, than: plain}]\n"
    plan.write_text(PLAN.replace("folder:street/testing", "folder:one") + claims)
    for kind, suffix in (("videos", "mp4"), ("labels", "npy")):
        (tmp_path / "one" / kind).mkdir(parents=True)
        (tmp_path / "one" / kind / f"01.{suffix}").symlink_to(tmp_path / "street" / "testing" / kind / f"01.{suffix}")
    answer = ask("benchmark", plan, "--out", tmp_path / "out")
    assert answer.status == 2 and "street: has one test video; claims need at least two" in answer.err
    assert not (tmp_path / "out" / "runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAN.replace("options.width=2", "'scoring.weights={clss: 1}'"), "memae has no such component"),
        (TOY.replace("options.heads=2", "options.heads=3"), "heads"),
        (TOY.replace("options.heads=2", "'options.backbones={four: 8}'"), "asks for four features"),
        (TOY.replace("bags: 6", "bags: 6, tests: 3"), "data.toy.toy.tests: no such key"),
    ],
)
def test_what_cannot_be_trained_is_told_before_anything_is(
    plan: Path, tmp_path: Path, ask: Callable[..., Any], text: str, message: str
) -> None:
    plan.write_text(text)
    answer = ask("benchmark", plan, "--out", tmp_path / "out")
    assert answer.status == 2 and message in answer.err and answer.err.count("\n") == 1
    assert not (tmp_path / "out" / "runs").exists()


def test_a_wrong_plan_is_one_line(tmp_path: Path, ask: Callable[..., Any]) -> None:
    answer = ask("benchmark", tmp_path / "plan.yaml", "--out", tmp_path / "out")
    assert answer.status == 2 and answer.err.count("\n") == 1
    assert f"oddframe: {tmp_path / 'plan.yaml'}: there is no such plan; there are: ablations/" in answer.err
    (tmp_path / "plan.yaml").write_text(PLAN.replace("seeds", "sedes"))
    answer = ask("benchmark", tmp_path / "plan.yaml", "--out", tmp_path / "out")
    assert answer.status == 2 and "sedes: no such key; did you mean seeds?" in answer.err
    assert not (tmp_path / "out").exists()
