"""Fixtures that every test may use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from oddframe.cli import main
from oddframe.street import World, render_world


class Answer(NamedTuple):
    """What a command left: its exit status, standard output and standard error."""

    status: int
    out: str
    err: str


Ask = Callable[..., Answer]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a command as the shell would."""

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["oddframe", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        text = capsys.readouterr()
        return Answer(int(left.value.code or 0), text.out, text.err)

    return run


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small street: 5 normal videos and 2 with planted anomalies, 5 s each."""
    world = World(seed=3, size=(72, 128))
    return render_world(tmp_path_factory.mktemp("street"), world, videos=5, test_videos=2, seconds=5)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test data that lies beside the checkout; tests that ask for it are skipped without it."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real test data not found: ../shared/data does not exist beside the checkout")
    return folder


@pytest.fixture(scope="session")
def colour_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX network with its YAML: the mean red, green and blue of a 16 x 16 picture, 0..1."""
    onnx = pytest.importorskip("onnx")
    path = tmp_path_factory.mktemp("colour network") / "colours.onnx"
    node, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node("GlobalAveragePool", ["picture"], ["mean"]), node("Flatten", ["mean"], ["colour"])],
        "colours",
        [info("picture", onnx.TensorProto.FLOAT, ["n", 3, 16, 16])],
        [info("colour", onnx.TensorProto.FLOAT, ["n", 3])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=7)
    onnx.save(model, path)
    path.with_suffix(".yaml").write_text("{resize: 16, crop: [16, 16], mean: 0, std: 255}\n")
    return path
