"""Runtime that runs a detector in eager PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk
from oddframe.errors import InputError
from oddframe.models.detector import Batch, Detector
from oddframe.runtime.runtime import CPU_BATCH, GPU_BATCH, Precision, Runtime
from oddframe.types import ChunkErrors


class TorchRuntime(Runtime):
    """Runs `Detector.score` in eval mode without gradients.

    Args:
        detector: moved to `device` and put into eval mode.
        device: "auto" (CUDA if there is one), or any torch device name.
        precision: "fp32", or "bf16" through autocast.

    Raises:
        InputError: the device does not exist here, or the precision is int8.
    """

    name = "torch"

    def __init__(self, detector: Detector, device: str = "auto", precision: Precision = "fp32") -> None:
        if precision == "int8":
            raise InputError("torch does not compute in int8; export to openvino or onnx, or choose fp32 or bf16")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.detector = detector.to(device).eval()
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"device {device!r} cannot be used: {reason}; try --device cpu") from None
        self.device = torch.device(device)
        self.precision, self.where = precision, str(self.device)
        self.signature = detector.signature
        self.batch = CPU_BATCH if self.device.type == "cpu" else GPU_BATCH

    def score(self, chunk: Chunk) -> ChunkErrors:
        """Compute components and map of a chunk. Frames are copied to the device once; windows are gathered there."""
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, self.precision == "bf16"):
            frames = self._on_device(chunk.frames)
            inputs, targets = self._on_device(chunk.inputs), self._on_device(chunk.targets)
            errors = self.detector.score(Batch(frames[inputs], frames[targets], self._on_device(chunk.index)))
            components = {name: value.double().cpu().numpy() for name, value in errors.components.items()}
            return ChunkErrors(components, None if errors.map is None else errors.map.float().cpu().numpy())

    def begin_video(self) -> None:
        self.detector.begin_video()

    def forget(self) -> None:
        self.detector.forget()

    def _on_device(self, array: NDArray[Any]) -> torch.Tensor:
        """Copy an array to the device, for a GPU from pinned memory, so that the copy is asynchronous."""
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)
