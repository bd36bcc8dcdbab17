"""ONNX networks: what the YAML may say, every layout, and the three published networks of the test data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_toys import DESCRIPTION, write_network  # noqa: E402

from oddframe.errors import InputError  # noqa: E402
from oddframe.features.catalogue import open_extractor  # noqa: E402
from oddframe.features.extractor import Preprocessing  # noqa: E402
from oddframe.features.onnx import ONNXExtractor  # noqa: E402


def drawn(snippets: int, length: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (snippets, length, 8, 12, 3), np.uint8)


def means(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(B, 3): what the toys make of pixels as they are."""
    return frames.mean((1, 2, 3))


@pytest.mark.parametrize(
    ("layout", "kind"),
    [
        ("NCHW", "frames"),
        ("NHWC", "frames"),
        ("NCTHW", "clips"),
        ("NTCHW", "clips"),
        ("NTHWC", "clips"),
        ("NWHTC", "clips"),
    ],
)
def test_every_layout_gives_the_same_vectors(layout: str, kind: str, tmp_path: Path) -> None:
    lengths = {"N": "n", "C": 3, "T": "t", "H": 8, "W": 12}
    text = f"{DESCRIPTION}layout: {layout}\nkind: {kind}\n"
    path = write_network(tmp_path / "toy.onnx", [lengths[axis] for axis in layout], layout, description=text)
    extractor = open_extractor(f"onnx:{path}")
    assert (extractor.name, extractor.dim, extractor.kind, extractor.least) == ("toy", 3, kind, 1)
    frames = drawn(2, 5)
    vectors = extractor.embed(frames)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, means(frames), rtol=1e-5, atol=1e-3)


def test_pixels_are_normalised_per_channel(tmp_path: Path) -> None:
    text = "resize: [8, 12]\nmean: [10, 20, 30]\nstd: [2, 4, 8]\ncolour: bgr\n"
    extractor = open_extractor(f"onnx:{write_network(tmp_path / 'toy.onnx', description=text)}")
    expected = (means(drawn(1, 3)) - [10, 20, 30]) / [2, 4, 8]
    np.testing.assert_allclose(extractor.embed(drawn(1, 3)), expected, rtol=1e-5, atol=1e-3)
    assert extractor.preprocessing == Preprocessing((8, 12), (8, 12), "bgr", (10, 20, 30), (2, 4, 8), "bilinear")


@pytest.mark.parametrize(
    ("text", "shape", "resize", "crop"),
    [
        ("resize: 16", ("n", 3, 8, 12), 16, (8, 12)),
        ("resize: 16", ("n", 3, "h", "w"), 16, (16, 16)),
        ("resize: [10, 14]", ("n", 3, "h", "w"), (10, 14), (10, 14)),
        ("resize: 16\ncrop: [8, 12]", ("n", 3, "h", "w"), 16, (8, 12)),
    ],
)
def test_crop_comes_from_the_yaml_the_network_or_the_resize(
    text: str, shape: tuple, resize: object, crop: tuple, tmp_path: Path
) -> None:
    path = write_network(tmp_path / "toy.onnx", shape, description=f"{text}\nmean: 0\nstd: 1\n")
    preprocessing = open_extractor(f"onnx:{path}").preprocessing
    assert (preprocessing.resize, preprocessing.crop) == (resize, crop)


def test_a_fixed_batch_is_filled_up(tmp_path: Path) -> None:
    extractor = open_extractor(f"onnx:{write_network(tmp_path / 'toy.onnx', (4, 3, 8, 12))}")
    np.testing.assert_allclose(extractor.embed(drawn(2, 5)), means(drawn(2, 5)), rtol=1e-5, atol=1e-3)


def test_a_fixed_number_of_frames_takes_them_at_even_distances(tmp_path: Path) -> None:
    text = f"{DESCRIPTION}kind: clips\n"
    path = write_network(tmp_path / "toy.onnx", ("n", 3, 4, 8, 12), "NCTHW", description=text)
    extractor = open_extractor(f"onnx:{path}")
    assert extractor.least == 4
    frames = drawn(2, 16)
    np.testing.assert_allclose(extractor.embed(frames), means(frames[:, [0, 4, 8, 12]]), rtol=1e-5, atol=1e-3)
    with pytest.raises(InputError, match="a snippet has 3 frames, but needs at least 4"):
        extractor.embed(frames[:, :3])
    path = write_network(tmp_path / "long.onnx", ("n", 3, 32, 8, 12), "NCTHW", description=text)
    with pytest.raises(InputError, match="takes clips of 32 frames; a snippet has 16"):
        open_extractor(f"onnx:{path}")


def test_half_precision_and_byte_inputs(tmp_path: Path) -> None:
    for dtype in (onnx.TensorProto.FLOAT16, onnx.TensorProto.UINT8):
        extractor = open_extractor(f"onnx:{write_network(tmp_path / 'toy.onnx', dtype=dtype)}")
        np.testing.assert_allclose(extractor.embed(drawn(2, 3)), means(drawn(2, 3)), rtol=1e-3, atol=1e-2)
    (tmp_path / "toy.yaml").write_text("resize: [8, 12]\nmean: 127.5\nstd: 127.5\n")
    with pytest.raises(InputError, match="takes uint8, so that mean must be 0 and std 1"):
        open_extractor(f"onnx:{tmp_path / 'toy.onnx'}")


def test_one_of_several_outputs_is_named(tmp_path: Path) -> None:
    path = write_network(tmp_path / "toy.onnx", outputs=2)
    with pytest.raises(InputError, match=r"output: there are several, name one in the YAML: features, map"):
        open_extractor(f"onnx:{path}")
    (tmp_path / "toy.yaml").write_text(f"{DESCRIPTION}output: features\ninput: input\nname: mine\n")
    extractor = open_extractor(f"onnx:{path}")
    assert (extractor.dim, extractor.name) == (3, "mine")
    (tmp_path / "toy.yaml").write_text(f"{DESCRIPTION}output: map\n")
    with pytest.raises(InputError, match=r"output 'map' has shape \(1, 3, 8, 12\) for 1 inputs, not one vector"):
        open_extractor(f"onnx:{path}")
    (tmp_path / "toy.yaml").write_text(f"{DESCRIPTION}output: other\n")
    with pytest.raises(InputError, match=r"output: there is no 'other'; there are: features, map"):
        open_extractor(f"onnx:{path}")


def test_weights_in_a_file_beside_it_come_along(tmp_path: Path) -> None:
    path = write_network(tmp_path / "toy.onnx", weight=2.0, external=True)
    assert (tmp_path / "weights.bin").stat().st_size > 0
    extractor = open_extractor(f"onnx:{path}")
    extractor.save(tmp_path / "saved")
    (tmp_path / "weights.bin").unlink()
    np.testing.assert_allclose(extractor.embed(drawn(1, 2)), 2 * means(drawn(1, 2)), rtol=1e-5, atol=1e-3)
    assert sorted(p.name for p in (tmp_path / "saved").iterdir()) == ["extractor.json", "model.onnx"]
    with pytest.raises(InputError, match=r"not an ONNX file that can be read.*weights\.bin"):
        open_extractor(f"onnx:{path}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resize: 8\nmean: 0\nstd: 1\ncolor: rgb\n", r"color: no such key; did you mean colour\?"),
        ("resize: 8\nmean: 0\n", "std: Field required"),
        ("resize: 8\nmean: [1, 2]\nstd: 1\n", "mean: "),
        ("resize: 8\nmean: 0\nstd: 0\n", "std must be above 0"),
        ("resize: 8\nmean: .nan\nstd: 1\n", "finite"),
        ("resize: 0\nmean: 0\nstd: 1\n", "resize must be at least 1 pixel"),
        ("resize: 8\ncrop: [8, 12]\nmean: 0\nstd: 1\n", r"crop \[8, 12\] does not fit"),
        ("resize: 8\nmean: 0\nstd: 1\ncolour: gray\n", "colour: Input should be 'rgb' or 'bgr'"),
        ("resize: 8\nmean: 0\nstd: 1\nkind: video\n", "kind: Input should be 'frames' or 'clips'"),
        (
            "resize: 8\nmean: 0\nstd: 1\nlayout: NCTHW\n",
            "layout 'NCTHW' must have each of the letters NCHW",
        ),
        ("resize: 8\nmean: 0\nstd: 1\nlayout: CNHW\n", "N first"),
        ("resize: 8\nmean: 0\nstd: 1\ninput: pixels\ncrop: [8, 8]\n", "input: there is no 'pixels'; there are: input"),
        ("resize: 8\nmean: 0\nstd: 1\nname: a.b\n", "name: "),
        ("- a list\n", "holds no keys and values"),
        ("resize: [8\n", "not YAML"),
        ("resize: [8, 11]\ncrop: [8, 11]\nmean: 0\nstd: 1\n", "takes W = 12, but crop says 11"),
        ("resize: 8\nmean: 0\nstd: 1\n", "takes 8x12 pixels, more than resize leaves"),
        ("resize: [8, 12]\nmean: 0\nstd: 1\nlayout: NHWC\n", "takes 12 channels, not 3; is NHWC its layout"),
        ("resize: [8, 12]\nmean: 0\nstd: 1\nkind: clips\n", "its input has 4 axes, layout NCTHW has 5"),
    ],
)
def test_what_the_yaml_may_not_say(text: str, message: str, tmp_path: Path) -> None:
    path = write_network(tmp_path / "toy.onnx", description=text)
    with pytest.raises(InputError, match=message) as caught:
        open_extractor(f"onnx:{path}")
    assert "\n" not in str(caught.value) and "toy" in str(caught.value)


def test_files_that_are_missing_or_no_networks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.onnx: there is no such file"):
        open_extractor(f"onnx:{tmp_path / 'none.onnx'}")
    path = write_network(tmp_path / "toy.onnx", description=None)
    with pytest.raises(InputError, match=r"toy\.yaml: there is no such file; it describes.*resize.*mean.*std"):
        open_extractor(f"onnx:{path}")
    (tmp_path / "other.yaml").write_text(DESCRIPTION)
    assert open_extractor(f"onnx:{path}", preprocessing=tmp_path / "other.yaml").dim == 3
    path.write_text("no network")
    with pytest.raises(InputError, match="not an ONNX file that can be read"):
        open_extractor(f"onnx:{path}", preprocessing=tmp_path / "other.yaml")


def test_names_of_files_become_names_of_backbones(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net v1.1.onnx", description=None)
    (tmp_path / "d.yaml").write_text(DESCRIPTION)
    assert open_extractor(f"onnx:{path}", preprocessing=tmp_path / "d.yaml").name == "net_v1_1"
    assert open_extractor(f"onnx:{path}", preprocessing=tmp_path / "d.yaml", name="x").name == "x"


@pytest.mark.parametrize("wish", ["3", None])
def test_as_many_threads_as_asked_for_or_cores(
    wish: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if wish is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", wish)
    extractor = open_extractor(f"onnx:{write_network(tmp_path / 'toy.onnx')}")
    assert isinstance(extractor, ONNXExtractor)
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert extractor.session.get_session_options().intra_op_num_threads == int(wish or there)


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    extractor = open_extractor(f"onnx:{write_network(tmp_path / 'toy.onnx')}")
    for device in ("cuda:0", "mps"):
        with pytest.raises(InputError, match=f"cannot compute on '{device}'; use cpu"):
            extractor.to(device)
    extractor.to("cpu")
    assert extractor.embed(drawn(1, 1)).shape == (1, 3)


@pytest.mark.parametrize("library", ["onnx", "onnxruntime"])
def test_without_the_libraries_it_says_what_to_install(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_network(tmp_path / "toy.onnx")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"{library}: pip install .\.\[onnx\]"):
        open_extractor(f"onnx:{path}")


PUBLISHED = {
    "mobilenet_v1": (1024, "resize: [224, 224]\nmean: 128\nstd: 128\n"),
    "mobilenet_v2": (1280, "resize: [224, 224]\nmean: 128\nstd: 128\n"),
    "squeezenet1_1": (512, "resize: [227, 227]\ncolour: bgr\nmean: [103.939, 116.779, 123.68]\nstd: 1\n"),
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks(name: str, shared_data: Path, tmp_path: Path) -> None:
    dim, text = PUBLISHED[name]
    (tmp_path / "words.yaml").write_text(text)
    spec = f"onnx:{shared_data / 'backbones' / name}.onnx"
    extractor = open_extractor(spec, preprocessing=tmp_path / "words.yaml")
    assert (extractor.name, extractor.dim) == (name, dim)
    height, width = extractor.preprocessing.crop
    rows, columns = np.mgrid[:height, :width]  # ramps from left to right and from top to bottom, and one flat channel
    ramps = [columns * 255 // (width - 1), rows * 255 // (height - 1), np.full((height, width), 80)]
    frame = np.stack(ramps, -1).astype(np.uint8)
    views = np.stack([frame, frame[::-1], frame[:, ::-1], frame[..., ::-1]])
    frames = views.reshape(2, 2, height, width, 3)
    vectors = extractor.embed(frames)
    assert vectors.min() >= 0 and vectors.max() > 0  # an average after a ReLU
    one_by_one = np.concatenate([extractor.embed(view[None, None]) for view in views])
    np.testing.assert_allclose(vectors, one_by_one.reshape(2, 2, -1).mean(1), rtol=1e-4, atol=1e-5)
    assert np.linalg.norm(one_by_one[0] - one_by_one[2]) > 0.01
