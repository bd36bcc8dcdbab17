"""A detector's graph says what the detector says, in both libraries, whatever the batch; and what cannot be is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from onnx_toys import write_network

from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.errors import InputError
from oddframe.models.bag_detector import BagDetector
from oddframe.models.detector import Detector
from oddframe.models.layers.noise import token_noise
from oddframe.models.registry import create, entry, names
from oddframe.runtime.onnx_graph import write_bag_graph, write_window_graph
from oddframe.runtime.quantise import quantise
from oddframe.runtime.runtime import Precision, Runtime, RuntimeOptions
from oddframe.runtime.session_runtime import GraphRuntime, bag_network, token_orders
from oddframe.runtime.sessions import Target, open_session, write_openvino
from oddframe.runtime.torch import TorchRuntime
from oddframe.types import Masking
from oddframe.video.decode import Frame

pytest.importorskip("onnxscript")
BF16 = "BF16" in pytest.importorskip("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")

pytestmark = pytest.mark.slow  # together; making a graph takes seconds

SMALL: dict[str, dict[str, object]] = {
    "sdmae": {"size": (16, 32), "patch": 4, "encoder_width": 16, "decoder_width": 16, "heads": 2, "draws": 2},
    "memae": {"size": (16, 32), "width": 2, "items": 20},
    "mnad": {"size": (16, 32), "width": 4, "test_update": "off"},
    "std": {"size": (16, 32), "width": 4, "clusters": 4},
    "mpn": {"size": (16, 32), "width": 8},
}


def test_every_one_class_system_has_a_graph_tested() -> None:
    learning = {name for name in names() if entry(name).kind == "windows"}
    assert set(SMALL) == learning - {"frame_difference", "optical_flow"}, "give a new system a line in SMALL"


def make(name: str, **options: object) -> Detector:
    torch.manual_seed(0)
    made = create(name, "paper", **{**SMALL[name], **options})
    assert isinstance(made, Detector)
    return made.eval()


def chunks(detector: Detector, batch: int, frames: int = 30) -> list[Chunk]:
    shape = (frames, *detector.window.size, detector.window.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return list(stream_chunks((Frame(i, i / 25, image) for i, image in enumerate(images)), detector.window, batch))


def said(runtime: Runtime, parts: list[Chunk]) -> Mapping[str, np.ndarray]:
    errors = [runtime.score(chunk) for chunk in parts]
    found = {name: np.concatenate([e.components[name] for e in errors]) for name in errors[0].components}
    maps = [e.map for e in errors if e.map is not None]
    return {**found, **({"map": np.concatenate(maps)} if maps else {})}


@pytest.fixture(scope="module")
def graph_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The graph of a system at its small size, which is made once."""
    folder = tmp_path_factory.mktemp("graphs")

    @cache
    def made(name: str) -> Path:
        (folder / name).mkdir()
        write_window_graph(make(name), folder / name / "g.onnx")
        return folder / name / "g.onnx"

    return made


@pytest.fixture(params=SMALL)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def detector(name: str) -> Detector:
    return make(name)


@pytest.fixture
def graph(name: str, graph_of: Callable[[str], Path]) -> Path:
    return graph_of(name)


@pytest.mark.parametrize("target", ["onnx", "openvino"])
@pytest.mark.parametrize("batch", [1, 7])
def test_a_graph_says_what_the_detector_says(detector: Detector, graph: Path, target: Target, batch: int) -> None:
    wanted = said(TorchRuntime(detector, "cpu"), chunks(detector, 4))
    got = said(GraphRuntime(target, graph, detector.signature, "fp32"), chunks(detector, batch))
    assert got.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-4, atol=1e-6 * np.abs(values).max(), err_msg=name)


@pytest.mark.skipif(not BF16, reason="this CPU does not compute in bf16")
def test_bf16_is_asked_for_and_fp32_is_the_default_of_nobody_else(detector: Detector, graph: Path) -> None:
    parts = chunks(detector, 8)
    wanted = said(TorchRuntime(detector, "cpu"), parts)
    half = said(GraphRuntime("openvino", graph, detector.signature, "bf16"), parts)
    for name, values in wanted.items():
        scale = np.abs(values).max()
        assert np.abs(half[name] - values).max() <= 0.1 * scale, name
    whole = said(GraphRuntime("openvino", graph, detector.signature, "fp32"), parts)
    assert any(np.abs(half[n] - v).max() > 10 * np.abs(whole[n] - v).max() for n, v in wanted.items())


def test_openvino_keeps_the_weights_whole(graph_of: Callable[[str], Path], tmp_path: Path) -> None:
    detector = make("mnad")
    shutil.copy(graph_of("mnad"), tmp_path / "g.onnx")
    write_openvino(tmp_path / "g.onnx", tmp_path / "g.xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.bin", "g.onnx", "g.xml"]
    assert (tmp_path / "g.bin").stat().st_size > 4 * sum(p.numel() for p in detector.encoder.parameters())
    parts = chunks(detector, 8)
    for name, values in said(TorchRuntime(detector, "cpu"), parts).items():
        got = said(GraphRuntime("openvino", tmp_path / "g.xml", detector.signature, "fp32"), parts)
        np.testing.assert_allclose(got[name], values, rtol=1e-4, atol=1e-6 * np.abs(values).max(), err_msg=name)


def test_a_file_names_nothing_of_this_machine_and_needs_no_other(graph_of: Callable[[str], Path]) -> None:
    path = graph_of("mpn")
    content = path.read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in content and b".py" not in content
    assert [found.name for found in path.parent.iterdir()] == ["g.onnx"]


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_int8_keeps_the_ends_and_stays_close(graph_of: Callable[[str], Path], tmp_path: Path, target: Target) -> None:
    onnx = pytest.importorskip("onnx")
    detector = make("mnad")
    parts = chunks(detector, 8)
    quantise(graph_of("mnad"), tmp_path / "q.onnx", detector.signature, parts[:2])
    nodes = onnx.load(tmp_path / "q.onnx").graph.node
    made_int8 = {tensor for node in nodes if node.op_type == "DequantizeLinear" for tensor in node.output}
    convolutions = [node for node in nodes if node.op_type in ("Conv", "ConvTranspose")]
    int8 = [node.input[0] in made_int8 for node in convolutions]
    assert not int8[0] and not int8[-1] and sum(int8) > len(int8) / 2
    wanted = said(TorchRuntime(detector, "cpu"), parts)
    got = said(GraphRuntime(target, tmp_path / "q.onnx", detector.signature, "int8"), parts)
    for name, values in wanted.items():
        assert np.abs(got[name] - values).max() <= 0.2 * np.abs(values).max(), name


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_the_graph_of_a_weakly_supervised_detector(tmp_path: Path, target: Target) -> None:
    torch.manual_seed(0)
    options = {"backbones": {"one": 12, "two": 8}, "student": "two", "segments": 4, "difference": True,
               "projection": (8, 8), "attention_dim": 8, "heads": 2, "head": (8, 4)}  # fmt: skip
    detector = create("dakd", "paper", **options).eval()
    assert isinstance(detector, BagDetector) and detector.required == ("two",)
    write_bag_graph(detector, tmp_path / "g.onnx")
    features = np.random.default_rng(0).normal(size=(3, 4, 8)).astype(np.float32)
    with torch.inference_mode():
        wanted = detector.score({"two": torch.from_numpy(features)})["student"].numpy()
    got = bag_network(open_session(target, tmp_path / "g.onnx", "fp32"), detector.signature)({"two": features})
    assert list(got) == ["student"]
    np.testing.assert_allclose(got["student"], wanted, rtol=1e-4)


def test_token_orders_are_those_of_the_detector() -> None:
    index = np.array([0, 7, 123_456_789])
    orders = token_orders(index, Masking(tokens=50, draws=3, seed=9))
    for draw in range(3):
        noise = token_noise(torch.from_numpy(index), torch.arange(1, 51), 9, draw)
        assert np.array_equal(orders[:, draw], noise.argsort(dim=1, stable=True).numpy())


def test_a_detector_that_remembers_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="test_update=off"):
        write_window_graph(make("mnad", test_update="per_video"), tmp_path / "g.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("target", "precision", "device", "told"),
    [
        ("onnx", "bf16", "cpu", "choose openvino"),
        ("onnx", "fp32", "tpu", "use cpu"),
        ("openvino", "fp32", "cuda", "choose torch or onnx"),
        ("onnx", "fp32", "cpu", "cannot read it"),
        ("openvino", "fp32", "cpu", "cannot read it"),
    ],
)
def test_what_cannot_be_run_is_told(
    tmp_path: Path, target: Target, precision: Precision, device: str, told: str
) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(InputError, match=told):
        open_session(target, tmp_path / "broken.onnx", precision, device)


def test_torch_has_no_int8() -> None:
    with pytest.raises(InputError, match="export"):
        TorchRuntime(make("mpn"), "cpu", "int8")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("tensorrt", None), "runtime is 'tensorrt'; choose auto, torch, onnx or openvino"),
        (("torch", "fp8"), "precision is 'fp8'; choose fp32, bf16 or int8"),
        ((None, None, "auto", 0), "batch is 0"),
    ],
)
def test_a_runtime_that_there_is_not(words: tuple[str | None, ...], told: str) -> None:
    with pytest.raises(InputError, match=told):
        RuntimeOptions.parse(*words)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("batch", "part", "streams"), [(None, 4, 3), (1, 1, 1), (2, 1, 2), (4, 1, 3), (7, 2, 3), (64, 4, 3)]
)
def test_parts_keep_every_core_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int | None, part: int, streams: int
) -> None:
    made: list[int] = []

    def opened(*about: Any) -> Any:
        made.append(about[-1])
        return SimpleNamespace(accelerated=False)

    monkeypatch.setattr("oddframe.runtime.session_runtime.cores", lambda: 3)
    monkeypatch.setattr("oddframe.runtime.session_runtime.open_session", opened)
    for target in ("onnx", "openvino"):
        runtime = GraphRuntime(target, tmp_path, make("mpn").signature, "fp32", batch=batch)  # type: ignore[arg-type]
        assert (runtime.part, made.pop()) == (part, streams)


def test_each_core_runs_a_feed_of_its_own_in_onnx_runtime(tmp_path: Path) -> None:
    network = write_network(tmp_path / "mean.onnx")
    one, three = (open_session("onnx", network, "fp32", "cpu", streams=streams) for streams in (1, 3))
    feeds = [{"input": np.full((1, 3, 8, 12), value, np.float32)} for value in range(7)]
    for alone, beside in zip(one(feeds), three(feeds), strict=True):
        np.testing.assert_array_equal(alone[0], beside[0])
