"""CLIP's image tower: a small one with random weights, in the layouts that people have on disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from oddframe.errors import BundleError, InputError
from oddframe.features.catalogue import open_extractor
from oddframe.features.clip import CLIPExtractor

transformers = pytest.importorskip("transformers")

VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 50,
    "bos_token_id": 48,
    "eos_token_id": 49,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both towers, as CLIP is published."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    config = transformers.CLIPConfig(
        vision_config={**VISION, "projection_dim": 24}, text_config=TEXT, projection_dim=24
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    return folder


def drawn(snippets: int, length: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (snippets, length, 32, 32, 3), np.uint8)


@torch.no_grad()
def test_vectors_are_projected_averaged_over_frames_and_not_normalised(whole: Path) -> None:
    extractor = open_extractor("clip", weights=whole)
    assert (extractor.name, extractor.dim, extractor.kind, extractor.least) == ("clip", 24, "frames", 1)
    frames = drawn(2, 5)
    processor = transformers.CLIPImageProcessor(do_resize=False, do_center_crop=False)  # its mean and std are CLIP's
    pixels = processor(list(frames.reshape(-1, *frames.shape[2:])), return_tensors="pt")["pixel_values"]
    model = transformers.CLIPModel.from_pretrained(whole).eval()
    pooled = model.vision_model(pixels).pooler_output
    expected = model.visual_projection(pooled).unflatten(0, (2, 5)).mean(1)
    np.testing.assert_allclose(extractor.embed(frames), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(expected, F.normalize(expected), atol=0.01)


def test_preprocessing_follows_the_size_of_the_network(whole: Path) -> None:
    preprocessing = open_extractor("clip", weights=whole).preprocessing
    assert (preprocessing.resize, preprocessing.crop) == (32, (32, 32))
    assert (preprocessing.colour, preprocessing.interpolation) == ("rgb", "bicubic")


@torch.no_grad()
def test_the_image_tower_alone_and_half_precision_files_do(whole: Path, tmp_path: Path) -> None:
    tower = transformers.CLIPVisionModelWithProjection.from_pretrained(whole)
    tower.save_pretrained(tmp_path / "tower")
    tower.half().save_pretrained(tmp_path / "half")
    both, alone, half = (CLIPExtractor.open(p) for p in (whole, tmp_path / "tower", tmp_path / "half"))
    assert both.weights_hash() == alone.weights_hash() != half.weights_hash()
    assert {p.dtype for p in half.network.parameters()} == {torch.float32}
    wanted = both.embed(drawn(1, 2))
    np.testing.assert_allclose(half.embed(drawn(1, 2)), wanted, rtol=1e-2, atol=1e-2 * np.abs(wanted).max())


def test_without_network_and_weights_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(source: str, **_options: object) -> None:
        assert source == "openai/clip-vit-base-patch16"
        raise OSError("We couldn't connect")

    monkeypatch.setattr(transformers.CLIPVisionModelWithProjection, "from_pretrained", unreachable)
    with pytest.raises(
        InputError, match=r"huggingface\.co/openai/clip-vit-base-patch16.*config\.json.*model\.safetensors.*--weights"
    ) as caught:
        open_extractor("clip")
    assert "\n" not in str(caught.value)


def test_folders_that_hold_no_clip_are_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a folder with a config\.json.*published at"):
        open_extractor("clip", weights=tmp_path)
    (tmp_path / "config.json").write_text((whole / "config.json").read_text())
    with pytest.raises(InputError, match=r"CLIP cannot be read from it: .*published at") as caught:
        open_extractor("clip", weights=tmp_path)
    assert "\n" not in str(caught.value)
    state = load_file(whole / "model.safetensors")
    state.pop("visual_projection.weight")
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BundleError, match=r"lacks visual_projection\.weight of CLIP's image tower"):
        open_extractor("clip", weights=tmp_path)


def test_nothing_is_printed_and_nothing_of_the_library_is_left_changed(
    whole: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logging = transformers.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    CLIPExtractor.open(whole)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")


def test_without_the_library_it_says_what_to_install(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"the library transformers: pip install \"\.\[clip\]\" in a checkout"):
        open_extractor("clip", weights=whole)


def test_what_is_saved_says_how_large_the_network_is(whole: Path, tmp_path: Path) -> None:
    CLIPExtractor.open(whole).save(tmp_path)
    config = json.loads((tmp_path / "extractor.json").read_text())["config"]
    assert {name: config[name] for name in VISION} == VISION and config["projection_dim"] == 24
