"""Runtime that runs a detector in eager PyTorch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk, divided
from oddframe.errors import InputError
from oddframe.models.detector import Batch, Detector
from oddframe.processes import cores
from oddframe.runtime.runtime import CPU_BATCH, GPU_BATCH, PART, Precision, Runtime
from oddframe.threads import settle_threads
from oddframe.types import ChunkErrors


class TorchRuntime(Runtime):
    """Runs `Detector.score` in eval mode without gradients.

    On CPUs every core takes a part of a chunk for itself. Threads that share a part wait for one another by spinning,
    which a busy neighbour makes ten to a hundred times slower; and the last bits of a score would depend on how many
    they are. They would depend on the number of windows as well, so every part has the same number. A detector that
    remembers what it sees takes its windows in order, one by one, on all cores that are free.

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
        self.batch = GPU_BATCH
        self.in_parts = self.device.type == "cpu" and not detector.remembers
        if self.device.type == "cpu":
            self.batch = PART * cores() if self.in_parts else CPU_BATCH

    def score(self, chunk: Chunk) -> ChunkErrors:
        if self.device.type != "cpu":
            return self._score(chunk)
        window, count = self.signature.window, len(chunk.index)
        if not self.in_parts:
            settle_threads()
            found = [self._score(part) for part in divided(chunk, 1, window)]
        else:
            threads = torch.get_num_threads()
            try:
                found = list(_streams().map(self._on_one_thread, divided(chunk, PART, window)))
            finally:
                torch.set_num_threads(threads)
        names, maps = found[0].components, [part.map for part in found if part.map is not None]
        components = {name: np.concatenate([part.components[name] for part in found])[:count] for name in names}
        return ChunkErrors(components, np.concatenate(maps)[:count] if maps else None)

    def _on_one_thread(self, part: Chunk) -> ChunkErrors:
        torch.set_num_threads(1)  # each time: a part of the setting is shared by all threads of a process
        return self._score(part)

    def _score(self, chunk: Chunk) -> ChunkErrors:
        """Compute components and map of a chunk. Frames are copied to the device once; windows are gathered there."""
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, self.precision == "bf16"):
            frames = self._on_device(chunk.frames)
            inputs, targets = self._on_device(chunk.inputs), self._on_device(chunk.targets)
            errors = self.detector.score(Batch(frames[inputs], frames[targets], self._on_device(chunk.index)))
            components = {name: value.double().cpu().numpy() for name, value in errors.components.items()}
            return ChunkErrors(components, None if errors.map is None else errors.map.float().cpu().numpy())

    @property
    def memory(self) -> object:
        return None if self.detector.remembers else ()

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


@cache
def _streams() -> ThreadPoolExecutor:
    """A thread for each core, for all runtimes of this process."""
    return ThreadPoolExecutor(cores(), "oddframe-torch")
