"""From a bundle to a folder that scores where torch is not installed, and everything that stands in its way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oddframe.extras import how_to_install
from oddframe.scoring.files import load_scores
from oddframe.workflow.run import load_run

pytest.importorskip("onnxscript")
pytest.importorskip("openvino")

pytestmark = pytest.mark.slow
Ask = Callable[..., Any]
WITHOUT_TORCH = """
from importlib.machinery import PathFinder

found, gone = PathFinder.find_spec, {"torch", "lightning", "lightning_fabric"}
PathFinder.find_spec = lambda name, *more: None if name.split(".")[0] in gone else found(name, *more)
from oddframe.cli import main
main()
"""


@pytest.fixture(scope="module")
def run(street: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learnt for a few steps; its map filter is what the exported one has to bring along."""
    from oddframe.settings import ThresholdOptions, TrainingOptions
    from oddframe.workflow.fit import fit

    out = tmp_path_factory.mktemp("fit") / "run"
    changes = ["options.size=[32, 64]", "options.width=4", "options.map_filter=[3, 5, 5]"]
    training = TrainingOptions(budget="20steps", progress=False)
    fit(street / "training" / "videos", recipe="mnad-small", changes=changes, out=out,
        threshold=ThresholdOptions(quantile=0.9), training=training)  # fmt: skip
    return out


@pytest.fixture(scope="module")
def graph(run: Path) -> bytes:
    """What `write_window_graph` writes for the run. Each time it takes seconds, and the file is always the same."""
    from oddframe.runtime.onnx_graph import window_graph

    return window_graph(load_run(run).bundle.detector)


@pytest.fixture
def ready_graph(graph: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Export writes the graph without making it again."""
    monkeypatch.setattr("oddframe.workflow.export.write_window_graph", lambda _, path: path.write_bytes(graph))


@pytest.fixture(scope="module")
def exported(run: Path, street: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from oddframe.workflow.export import export

    out = tmp_path_factory.mktemp("exported") / "onnx"
    export(load_run(run), "onnx", out, videos=street / "training" / "videos")
    return out


def torchless(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ)


def test_it_scores_without_torch_what_the_bundle_scores(
    run: Path, exported: Path, street: Path, tmp_path: Path
) -> None:
    video = street / "testing" / "videos" / "01.mp4"
    done = torchless("score", exported, video, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    got = load_scores(tmp_path / "out" / "scores" / "01.npz")
    (wanted,) = load_run(run).score(video)
    assert got.bundle.startswith(f"{load_run(run).bundle.id}-onnx-fp32")
    assert np.array_equal(got.frame, wanted.frame) and np.array_equal(got.time, wanted.time)
    for name, values in wanted.components.items():
        np.testing.assert_allclose(got.components[name], values, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(got.map.astype(float), wanted.map.astype(float), rtol=2e-3, atol=1e-4)  # kept as float16
    events = json.loads(done.stdout)["events"]
    assert [e["start_frame"] for e in events] == [e.start_frame for e in load_run(run).score(video).events()]
    assert (tmp_path / "out" / "report.html").is_file() and (tmp_path / "out" / "overlays" / "01.mp4").is_file()


def test_what_needs_torch_says_so_in_a_line(run: Path, street: Path, tmp_path: Path) -> None:
    done = torchless("score", run, street / "testing" / "videos" / "01.mp4", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.strip() == f"oddframe: model mnad needs the library torch: {how_to_install('torch')}"


def test_bench_and_evaluate_take_what_was_exported(exported: Path, street: Path, ask: Ask) -> None:
    video = street / "testing" / "videos" / "01.mp4"
    done = torchless("bench", exported, video, "--frames", 20, "--rounds", 1, "--json")
    told = json.loads(done.stdout)
    assert (told["runtime"], told["precision"], told["arithmetic_floor"]) == ("onnx", "fp32", None)
    assert told["gflop"] > 0 and told["latency"]["p50"] <= told["latency"]["p99"]
    answer = ask("evaluate", exported, "--data", f"folder:{street / 'testing'}", "--json")
    assert answer.status == 0 and json.loads(answer.out)["rows"][0]["micro_auc"] is not None


@pytest.mark.usefixtures("ready_graph")
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_openvino_is_exported_to_with_its_parity(
    run: Path, street: Path, tmp_path: Path, ask: Ask, precision: str
) -> None:
    out = tmp_path / "out"
    video, data = street / "training" / "videos", f"folder:{street / 'testing'}"
    more = ["--data", data] if precision == "fp32" else ["--allow"]
    answer = ask("export", run, "--to", "openvino", "--precision", precision, "--video", video, "--out", out, *more)
    assert answer.status == 0, answer.err
    assert "differs by at most" in answer.out and "correlation of the scores" in answer.out
    assert ("AUC" in answer.out) == (precision == "fp32")
    told = json.loads((out / "export.json").read_text())
    assert (told["runtime"], told["precision"]) == ("openvino", precision) and told["parity"]["finite"]
    assert {"network.xml", "network.bin", "calibration.json", "CARD.md"} <= {path.name for path in out.iterdir()}
    assert ask("score", out, street / "testing" / "videos" / "01.mp4", "--out", tmp_path / "scores").status == 0


@pytest.mark.usefixtures("ready_graph")
def test_what_does_not_agree_is_not_written(
    run: Path, street: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.runtime.parity.RELATIVE", 0.0)
    out = tmp_path / "out"
    command = ("export", run, "--to", "onnx", "--video", street / "training" / "videos", "--out", out)
    answer = ask(*command)
    assert answer.status == 2 and "does not agree" in answer.err and "--allow" in answer.err
    assert not out.exists() and not list(tmp_path.iterdir())
    assert ask(*command, "--allow").status == 0


@pytest.mark.usefixtures("ready_graph")
def test_nan_is_never_written(run: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    from oddframe.runtime.sessions import ONNXSession

    whole = ONNXSession.__call__
    monkeypatch.setattr(
        ONNXSession, "__call__", lambda self, feeds: [[out * np.nan for out in one] for one in whole(self, feeds)]
    )
    answer = ask("export", run, "--to", "onnx", "--out", tmp_path / "out", "--allow")
    assert answer.status == 2 and "NaN" in answer.err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "coreml"], "cannot export to 'coreml'; choose onnx or openvino"),
        (["--to", "onnx", "--precision", "bf16"], "use --to openvino"),
        (["--to", "onnx", "--precision", "int8"], "--video PATH"),
        (["--to", "onnx", "--precision", "fp4"], "choose fp32, bf16 or int8"),
        (["--to", "onnx", "--video", "nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_wrong_wishes_get_one_line(run: Path, tmp_path: Path, ask: Ask, arguments: list[str], told: str) -> None:
    answer = ask("export", run, *arguments, "--out", tmp_path / "out")
    assert answer.status == 2 and told in answer.err and answer.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_exported_detector_is_not_a_bundle(exported: Path, street: Path, tmp_path: Path, ask: Ask) -> None:
    video = street / "testing" / "videos" / "01.mp4"
    assert "leave --runtime out" in ask("score", exported, video, "--out", tmp_path, "--runtime", "torch").err
    assert "needs the bundle" in ask("adapt", exported, video).err
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "export.json").write_text((exported / "export.json").read_text())
    assert "network.onnx is missing" in ask("score", tmp_path / "copy", video, "--out", tmp_path / "o").err
    (tmp_path / "copy" / "export.json").write_text("{}")
    assert "damaged export" in ask("score", tmp_path / "copy", video, "--out", tmp_path / "o").err


@pytest.mark.realdata
def test_ped2_clips_score_alike_without_torch(shared_data: Path, tmp_path: Path, ask: Ask) -> None:
    ped2 = shared_data / "ucsd_ped2"
    run = tmp_path / "run"
    clip = ped2 / "testing" / "videos" / "01.mp4"
    train = ped2 / "training" / "videos" / "01.mp4"
    assert (
        ask("fit", train, "--recipe", "mpn-small", "--budget", "10steps", "--quantile", 0.9, "--out", run).status == 0
    )
    assert ask("export", run, "--to", "openvino", "--video", train, "--out", tmp_path / "ov").status == 0
    done = torchless("score", tmp_path / "ov", clip, "--out", tmp_path / "scores", "--no-overlay")
    assert done.returncode == 0, done.stderr
    (wanted,) = load_run(run).score(clip)
    got = load_scores(tmp_path / "scores" / "scores" / "01.npz")
    for name, values in wanted.components.items():
        np.testing.assert_allclose(got.components[name], values, rtol=1e-4, err_msg=name)
