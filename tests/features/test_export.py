"""Twins in ONNX: the vectors of the network in torch, from a folder that needs no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_weights import sine_weights
from numpy.typing import NDArray
from onnx_toys import write_network

import oddframe
from oddframe.errors import InputError
from oddframe.features.catalogue import load_extractor, open_extractor
from oddframe.features.export import onnx_twin
from oddframe.features.i3d import I3D, I3DExtractor
from oddframe.features.i3d import PREPROCESSING as OF_I3D
from oddframe.features.network import NetworkExtractor
from oddframe.features.s3d import S3D, TORCHVISION, S3DExtractor
from oddframe.video.sources import VideoSource

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SIZE = (32, 40)


def drawn(snippets: int, length: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (snippets, length, *size, 3), np.uint8)


def filled(network: torch.nn.Module) -> torch.nn.Module:
    """The network with weights from a formula."""
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    network.load_state_dict(
        {name: value.float() for name, value in sine_weights(shapes, gain=2.26).items()}, strict=False
    )
    return network


def small_clip(folder: Path) -> NetworkExtractor:
    transformers = pytest.importorskip("transformers")
    from oddframe.features.clip import CLIPExtractor

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.CLIPVisionConfig(image_size=32, patch_size=8, projection_dim=24, **sizes)
    torch.manual_seed(0)
    transformers.CLIPVisionModelWithProjection(config).save_pretrained(folder / "weights")
    return CLIPExtractor.open(folder / "weights", "mine")


def small_s3d(folder: Path) -> NetworkExtractor:
    return S3DExtractor(filled(S3D()), replace(TORCHVISION, resize=SIZE, crop=SIZE), "mine", "fp32")


def small_i3d(folder: Path) -> NetworkExtractor:
    return I3DExtractor(filled(I3D()), replace(OF_I3D, resize=40, crop=SIZE), "mine", "fp32")


@pytest.mark.slow
@pytest.mark.parametrize("make", [small_clip, small_s3d, small_i3d])
def test_a_twin_has_the_vectors_of_its_original(
    make: Callable[[Path], NetworkExtractor], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    original = make(tmp_path)
    capfd.readouterr()
    onnx_twin(original, tmp_path / "twin")
    assert capfd.readouterr() == ("", ""), "nothing is said"
    assert sorted(path.name for path in (tmp_path / "twin").iterdir()) == ["extractor.json", "model.onnx"]
    twin = load_extractor(tmp_path / "twin")
    same = ("name", "dim", "kind")
    assert [getattr(twin, name) for name in same] == [getattr(original, name) for name in same]
    assert replace(twin.preprocessing, mean=original.preprocessing.mean, std=original.preprocessing.std) == (
        original.preprocessing
    )
    for snippets in (1, 3):
        frames = drawn(snippets, 16, original.preprocessing.crop)
        wanted = original.embed(frames)
        np.testing.assert_allclose(twin.embed(frames), wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    content = (tmp_path / "twin" / "model.onnx").read_bytes()
    assert str(Path(oddframe.__file__).parent).encode() not in content, "no path of this machine"
    assert str(Path(torch.__file__).parent).encode() not in content


@pytest.mark.slow
def test_the_twin_of_a_network_is_always_the_same_file(tmp_path: Path) -> None:
    original = small_clip(tmp_path)
    first, again = (onnx_twin(original, tmp_path / name) for name in ("first", "again"))
    assert first.weights_hash() == again.weights_hash() != original.weights_hash()


@pytest.mark.slow
def test_half_precision_has_a_twin_in_full(tmp_path: Path) -> None:
    original = small_clip(tmp_path)
    half = type(original)(original.network, original.preprocessing, "mine", "bf16")
    frames = drawn(1, 4, original.preprocessing.crop)
    np.testing.assert_allclose(
        onnx_twin(half, tmp_path / "t").embed(frames), original.embed(frames), rtol=1e-4, atol=1e-5
    )


def test_an_onnx_network_is_its_own_twin(tmp_path: Path) -> None:
    original = open_extractor(f"onnx:{write_network(tmp_path / 'toy.onnx')}")
    assert onnx_twin(original, tmp_path / "twin") is original
    assert load_extractor(tmp_path / "twin").identity() == original.identity()


def test_without_onnxscript_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = small_clip(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"onnxscript: pip install .\.\[export\]"):
        onnx_twin(original, tmp_path / "twin")
    assert not (tmp_path / "twin").exists()


BLOCKED = 'import sys; sys.modules["torch"] = sys.modules["onnx"] = None'  # every import of them fails
THERE = "import sys, torch, onnx"
SCORE = """
from pathlib import Path
import numpy as np
import oddframe.features.store, oddframe.features.workers
from oddframe.features.catalogue import load_extractor
from oddframe.features.snippets import SnippetSampling
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.features import FeatureScorer
from oddframe.scoring.scorer import ScoreStore
from oddframe.settings import Smoothing
from oddframe.types import Combination
from oddframe.video.search import find_videos

video, folder, out = map(Path, sys.argv[1:])
extractors = {"toy": (load_extractor(folder), SnippetSampling())}
rule = ScoreRule(Combination({"red": 1.0}), Smoothing())
network = lambda bags: {"red": bags["toy"][..., 0].astype(float)}
scorer = FeatureScorer(extractors, network, 2, None, rule, ScoreStore("b"), 2)
scores = scorer.score(find_videos(video)[0])
np.savez(out, score=scores.score, time=scores.time, **scores.components)
"""


@pytest.mark.slow
def test_a_video_is_scored_by_its_features_where_there_is_no_torch(
    make_video: Callable[..., VideoSource], tmp_path: Path
) -> None:
    source = make_video(50)
    text = "resize: [8, 12]\nmean: 8\nstd: 2\n"
    open_extractor(f"onnx:{write_network(tmp_path / 'toy.onnx', description=text)}").save(tmp_path / "saved")
    answers = []
    for number, head in enumerate((BLOCKED, THERE)):
        out = tmp_path / f"{number}.npz"
        done = subprocess.run(
            [sys.executable, "-c", head + SCORE, str(source.path), str(tmp_path / "saved"), str(out)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(oddframe.__file__).parents[1])},
        )
        assert done.returncode == 0, done.stderr
        answers.append(dict(np.load(out)))
    for name in ("score", "time", "red"):
        assert np.array_equal(answers[0][name], answers[1][name]) and len(answers[0][name]) == 50
    assert answers[0]["red"][0] < answers[0]["red"][-1], "later pictures are brighter"
